/* tail.c - the remembered end of an append-only file of lines. */
#include "tail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TAIL_BYTES = 16 << 20 };

uint64_t mmr_tail_hash(const void *line, size_t len)
{
    const uint8_t *p = line;
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    return h ^ h >> 31;
}

bool mmr_tail_has(const struct mmr_tail *t, uint64_t hash)
{
    for (uint32_t i = 0; i < t->n; i++)
        if (t->hash[i] == hash)
            return true;
    return false;
}

void mmr_tail_add(struct mmr_tail *t, uint64_t hash)
{
    t->hash[t->at] = hash;
    t->at = (t->at + 1) % MMR_TAIL_LINES;
    if (t->n < MMR_TAIL_LINES)
        t->n++;
}

int mmr_tail_load(struct mmr_tail *t, int fd, const char *path, uint64_t *ret_size, struct mmr_error *err)
{
    struct stat st;
    memset(t, 0, sizeof *t);
    if (fstat(fd, &st) != 0)
        return mmr_fail(err, MMR_EIO, "'%s': %s", path, strerror(errno));
    uint64_t size = (uint64_t)st.st_size;
    uint64_t from = size > TAIL_BYTES ? size - TAIL_BYTES : 0;
    size_t len = (size_t)(size - from), got = 0;
    uint8_t *buf = malloc(len + 1);
    if (!buf)
        return mmr_fail(err, MMR_ENOMEM, "'%s': out of memory", path);
    while (got < len) {
        ssize_t n = pread(fd, buf + got, len - got, (off_t)(from + got));
        if (n <= 0) {
            free(buf);
            return mmr_fail(err, MMR_EIO, "'%s': %s", path, n < 0 ? strerror(errno) : "shorter than it was");
        }
        got += (size_t)n;
    }
    size_t start = 0;
    for (size_t i = 0; i < len; i++)
        if (buf[i] == '\n') {
            mmr_tail_add(t, mmr_tail_hash(buf + start, i - start));
            start = i + 1;
        }
    free(buf);
    if (start < len) { /* the last line has no end */
        if (ftruncate(fd, (off_t)(from + start)) != 0)
            return mmr_fail(err, MMR_EIO, "'%s': %s", path, strerror(errno));
        size = from + start;
    }
    *ret_size = size;
    return 0;
}
