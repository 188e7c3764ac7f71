/* users.c - see users.h. Format: passwd(5). */
#include "users.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int by_uid(const void *a, const void *b)
{
    uint32_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static void read_all(struct mmr_users *u)
{
    char line[1024];
    FILE *f = fopen(u->path, "re");
    u->n = 0;
    while (f && u->n < MMR_USERS_MAX && fgets(line, sizeof line, f)) {
        char *name_end = strchr(line, ':'), *uid = name_end ? strchr(name_end + 1, ':') : NULL, *end;
        unsigned long id = uid ? strtoul(uid + 1, &end, 10) : 0;
        if (!uid || *end != ':' || id > UINT32_MAX || name_end == line)
            continue;
        size_t n = (size_t)(name_end - line);
        n = n < sizeof u->row[0].name ? n : sizeof u->row[0].name - 1;
        u->row[u->n].uid = (uint32_t)id;
        memcpy(u->row[u->n].name, line, n);
        u->row[u->n++].name[n] = '\0';
    }
    if (f)
        (void)fclose(f);
    qsort(u->row, u->n, sizeof u->row[0], by_uid);
}

const char *mmr_users_name(struct mmr_users *u, uint32_t uid, int64_t now_ns)
{
    struct stat st;
    if (!u->checked_ns || now_ns - u->checked_ns > INT64_C(2000000000)) {
        u->checked_ns = now_ns;
        if (stat(u->path, &st) == 0) {
            int64_t changed = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
            if (changed != u->changed_ns || st.st_ino != u->inode) {
                u->changed_ns = changed;
                u->inode = st.st_ino;
                read_all(u);
            }
        }
    }
    size_t lo = 0, hi = u->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (u->row[mid].uid < uid)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < u->n && u->row[lo].uid == uid ? u->row[lo].name : NULL;
}
