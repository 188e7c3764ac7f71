/* walk.c - every path below the places, a step at a time; no other file system is entered, and the depth is bounded. */
#include "integrity.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DEPTH = 40 };

struct mmr_walk {
    const struct mmr_strv *places, *exclude;
    size_t at; /* the next place */
    struct {
        DIR *dir;
        size_t len; /* of its path */
    } open[DEPTH];
    int depth;
    dev_t device;
    char path[PATH_MAX];
};

int mmr_walk_new(const struct mmr_strv *places, const struct mmr_strv *exclude, struct mmr_walk **ret, struct mmr_error *err)
{
    *ret = calloc(1, sizeof **ret);
    if (!*ret)
        return mmr_fail(err, MMR_ENOMEM, "integrity: out of memory");
    (*ret)->places = places;
    (*ret)->exclude = exclude;
    return 0;
}

void mmr_walk_free(struct mmr_walk *w)
{
    while (w && w->depth)
        (void)closedir(w->open[--w->depth].dir);
    free(w);
}

static bool is_wanted(const struct mmr_walk *w)
{
    const struct mmr_fan_config c = {.places = *w->places, .exclude = *w->exclude};
    return mmr_fan_is_wanted(&c, w->path);
}

/* A folder is entered; what was there already is given. */
static void enter(struct mmr_walk *w, const struct stat *st)
{
    if (!S_ISDIR(st->st_mode) || w->depth == DEPTH || st->st_dev != w->device)
        return;
    DIR *d = opendir(w->path);
    if (!d)
        return;
    w->open[w->depth].dir = d;
    w->open[w->depth++].len = strlen(w->path);
}

const char *mmr_walk_next(struct mmr_walk *w)
{
    struct stat st;
    while (w->depth || w->at < w->places->n) {
        if (!w->depth) { /* a place of its own, unless it is a link into another: that one is walked by its own name */
            (void)snprintf(w->path, sizeof w->path, "%s", w->places->v[w->at++]);
            if (lstat(w->path, &st) != 0)
                continue;
            w->device = st.st_dev;
            enter(w, &st);
            return w->path;
        }
        const struct dirent *e = readdir(w->open[w->depth - 1].dir);
        if (!e) {
            (void)closedir(w->open[--w->depth].dir);
            continue;
        }
        size_t at = w->open[w->depth - 1].len, room = sizeof w->path - at;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        int n = snprintf(w->path + at, room, "%s%s", at == 1 ? "" : "/", e->d_name);
        if (n < 0 || (size_t)n >= room || !is_wanted(w) || lstat(w->path, &st) != 0)
            continue;
        enter(w, &st);
        return w->path;
    }
    return NULL;
}
