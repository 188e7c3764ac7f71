/*
 * gone.c - canaries that a common tool deleted: with their whole folder that is daily work, alone it is not. Whoever it was is looked
 * after until he ends, then what is left of the folder says which it was.
 */
#include "ransom.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "procfs.h"

enum { WAITING = 32 };
#define LOOK_NS INT64_C(1000000000)
#define LONGEST_NS INT64_C(120000000000)

struct mmr_gone {
    struct {
        char *path;
        uint32_t pid, reserved;
        int64_t start_ticks, due_ns, until_ns;
    } v[WAITING];
    uint32_t n, reserved;
};

bool mmr_gone_is_remover(const char *exe)
{
    static const char *const names[] = {"rm", "find", "mv", "rmdir", "unlink", "busybox", "perl", "nautilus", "nemo", "caja", "thunar", "dolphin", "pcmanfm",
                                        "pcmanfm-qt", "gio", "mc", "userdel", "deluser", "make"};
    const struct mmr_strv list = {names, sizeof names / sizeof names[0]};
    return mmr_ransom_is_named(exe, &list);
}

int mmr_gone_new(struct mmr_gone **ret, struct mmr_error *err)
{
    *ret = calloc(1, sizeof **ret);
    return *ret ? 0 : mmr_fail(err, MMR_ENOMEM, "ransom: out of memory");
}

void mmr_gone_free(struct mmr_gone *g)
{
    for (uint32_t i = 0; g && i < g->n; i++)
        free(g->v[i].path);
    free(g);
}

bool mmr_gone_wait(struct mmr_gone *g, const char *path, uint32_t pid, int64_t now_ns)
{
    struct mmr_pstat st = {0};
    char *copy = g->n < WAITING ? strdup(path) : NULL;
    if (!copy)
        return false;
    (void)mmr_procfs_stat(pid, &st);
    g->v[g->n].path = copy;
    g->v[g->n].pid = pid;
    g->v[g->n].start_ticks = st.start_ticks;
    g->v[g->n].due_ns = now_ns + LOOK_NS;
    g->v[g->n++].until_ns = now_ns + LONGEST_NS;
    return true;
}

int64_t mmr_gone_next_ns(const struct mmr_gone *g)
{
    int64_t next = 0;
    for (uint32_t i = 0; i < g->n; i++)
        if (!next || g->v[i].due_ns < next)
            next = g->v[i].due_ns;
    return next;
}

static bool is_folder_there(char *path)
{
    struct stat st;
    char *slash = strrchr(path, '/');
    *slash = '\0';
    bool is_there = lstat(*path ? path : "/", &st) == 0 && S_ISDIR(st.st_mode);
    *slash = '/';
    return is_there;
}

void mmr_gone_look(struct mmr_gone *g, int64_t now_ns, void (*alone)(void *ctx, const char *path, uint32_t pid), void *ctx)
{
    uint32_t kept = 0, n = g->n;
    for (uint32_t i = 0; i < n; i++) {
        struct mmr_pstat st;
        if (g->v[i].due_ns > now_ns) {
            g->v[kept++] = g->v[i];
            continue;
        }
        bool is_there = is_folder_there(g->v[i].path);
        bool is_alive = mmr_procfs_stat(g->v[i].pid, &st) && st.start_ticks == g->v[i].start_ticks && st.state != 'Z';
        if (is_there && is_alive && now_ns < g->v[i].until_ns) { /* it may still be at it */
            g->v[i].due_ns = now_ns + LOOK_NS;
            g->v[kept++] = g->v[i];
            continue;
        }
        if (is_there)
            alone(ctx, g->v[i].path, g->v[i].pid);
        free(g->v[i].path);
    }
    g->n = kept;
}
