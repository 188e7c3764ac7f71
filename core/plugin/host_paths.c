/* host_paths.c - what an operator wrote as a path is meant to be read; nothing else is taken for one. */
#include "plugin/host_paths.h"

#include <mamori/event.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void mmr_host_paths_put(struct mmr_host_paths *p, const char *path)
{
    char *copy = p->n < MMR_HOST_PATHS_MAX ? strdup(path) : NULL;
    if (copy)
        p->v[p->n++] = copy;
}

/* Folders that hold so much else that a file in them stands for itself only. */
static bool is_shared_folder(const char *path)
{
    static const char *const shared[] = {"", "/etc", "/var", "/usr", "/home", "/root", "/run", "/tmp", "/opt", "/srv", "/var/lib", "/var/tmp", "/var/run"};
    for (size_t i = 0; i < sizeof shared / sizeof shared[0]; i++)
        if (strcmp(path, shared[i]) == 0)
            return true;
    return false;
}

/* A list or rule file is replaced by renaming a new one over it: what is granted is its folder, or the new one could not be opened. */
static void put_folder_of(struct mmr_host_paths *p, char *path)
{
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return;
    *strrchr(path, '/') = '\0';
    if (!is_shared_folder(path))
        mmr_host_paths_put(p, path);
}

/* "/etc/mamori/lists/a.txt;name=…": settings may follow a path behind a semicolon. */
static void take(struct mmr_host_paths *p, const char *text, size_t len)
{
    char path[4096];
    const char *more = memchr(text, ';', len);
    if (more)
        len = (size_t)(more - text);
    if (len < 2 || len >= sizeof path || text[0] != '/' || memchr(text, '\0', len))
        return;
    memcpy(path, text, len);
    path[len] = '\0';
    char *wild = strpbrk(path, "*?[");
    if (wild) {
        *wild = '\0';
        *strrchr(path, '/') = '\0';
    }
    if (path[0]) /* a pattern in the root folder itself stands for everything: that is a need, not a setting */
        mmr_host_paths_put(p, path);
    put_folder_of(p, path);
}

void mmr_host_paths_add(struct mmr_host_paths *p, const uint8_t *packed, size_t len)
{
    struct mmr_event_view *view = calloc(1, sizeof *view);
    if (view && len && mmr_event_read(packed, len, view, NULL) == 0)
        for (uint32_t i = 0; i < view->n; i++) {
            const struct mmr_value *v = &view->f[i].v;
            struct mmr_array_it it = {0};
            const char *text;
            size_t n;
            if (v->type == MMR_VAL_STR)
                take(p, (const char *)v->p, v->len);
            while (v->type == MMR_VAL_ARRAY && mmr_value_next(v, &it, &text, &n))
                take(p, text, n);
        }
    free(view);
}

void mmr_host_paths_done(struct mmr_host_paths *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->v[i]);
    p->n = 0;
}
