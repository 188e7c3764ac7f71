/* late.c - changes whose writer was gone before anybody could look wait a moment: the process sensor of the same host
 * may name it yet (its record and this one come through different queues of the kernel). Bounded in number and time. */
#include "files.h"

#include <stdlib.h>
#include <string.h>

enum { WAITING = 64, WAIT_MS = 100 };

struct mmr_late {
    struct {
        struct mmr_change c; /* texts owned */
        char *path, *old_path;
    } v[WAITING]; /* oldest first */
    uint32_t n, reserved;
};

int mmr_late_new(struct mmr_late **ret, struct mmr_error *err)
{
    *ret = calloc(1, sizeof **ret);
    return *ret ? 0 : mmr_fail(err, MMR_ENOMEM, "file watch: out of memory");
}

void mmr_late_free(struct mmr_late *l)
{
    for (uint32_t i = 0; l && i < l->n; i++) {
        free(l->v[i].path);
        free(l->v[i].old_path);
    }
    free(l);
}

static void tell_first(struct mmr_files *f)
{
    struct mmr_late *l = f->late;
    char *path = l->v[0].path, *old_path = l->v[0].old_path;
    struct mmr_change c = l->v[0].c;
    c.path = path;
    c.old_path = old_path;
    c.is_late = true;
    memmove(&l->v[0], &l->v[1], --l->n * sizeof l->v[0]);
    mmr_files_changed(f, &c);
    free(path);
    free(old_path);
}

bool mmr_late_is_waiting(const struct mmr_files *f, uint32_t pid)
{
    for (uint32_t i = 0; i < f->late->n; i++)
        if (f->late->v[i].c.pid == pid)
            return true;
    return false;
}

bool mmr_late_keep(struct mmr_files *f, const struct mmr_change *c)
{
    struct mmr_late *l = f->late;
    char *path = strdup(c->path), *old_path = c->old_path ? strdup(c->old_path) : NULL;
    if (!path || (c->old_path && !old_path)) {
        free(path);
        free(old_path);
        return false;
    }
    if (l->n == WAITING)
        tell_first(f);
    if (!l->n)
        (void)f->host->set_timer(f->host->impl, WAIT_MS, MMR_FILES_TIMER_LATE);
    l->v[l->n].c = *c;
    l->v[l->n].path = path;
    l->v[l->n++].old_path = old_path;
    return true;
}

void mmr_late_tell(struct mmr_files *f)
{
    while (f->late->n)
        tell_first(f);
}
