/* seen.c - see seen.h: lines "LEVEL KEY"; a file twice the ring's size is written anew. */
#include "seen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct mmr_seen {
    char path[4096];
    int fd;
    unsigned lines; /* in the file */
    unsigned n;     /* ever added: n % MMR_SEEN_MAX is the next place */
    struct {
        char key[MMR_SEEN_KEY_MAX];
        int level;
    } ring[MMR_SEEN_MAX];
};

static void remember(struct mmr_seen *s, const char *key, int level)
{
    unsigned at = s->n++ % MMR_SEEN_MAX;
    (void)snprintf(s->ring[at].key, sizeof s->ring[at].key, "%s", key);
    s->ring[at].level = level;
}

static int load(struct mmr_seen *s, struct mmr_error *err)
{
    char line[MMR_SEEN_KEY_MAX + 16];
    long good = 0;
    FILE *f = fopen(s->path, "re");
    while (f && fgets(line, sizeof line, f)) {
        size_t len = strlen(line);
        char key[MMR_SEEN_KEY_MAX];
        int level;
        if (line[len - 1] != '\n')
            break; /* a power cut broke it off */
        good = ftell(f);
        s->lines++;
        if (sscanf(line, "%d %120s", &level, key) == 2 && level >= -1 && level <= 4)
            remember(s, key, level);
    }
    if (f)
        (void)fclose(f);
    s->fd = open(s->path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->fd < 0 || ftruncate(s->fd, good) != 0 || lseek(s->fd, 0, SEEK_END) < 0)
        return mmr_fail(err, MMR_EIO, "cannot write '%s': %s", s->path, strerror(errno));
    return 0;
}

int mmr_seen_open(const char *dir, struct mmr_seen **ret, struct mmr_error *err)
{
    struct mmr_seen *s = calloc(1, sizeof *s);
    if (!s)
        return mmr_fail(err, MMR_ENOMEM, "keys seen: out of memory");
    s->fd = -1;
    int len = snprintf(s->path, sizeof s->path, "%s/sent", dir);
    int r = !*dir ? 0 : len < 0 || (size_t)len >= sizeof s->path ? mmr_fail(err, MMR_EIO, "the path of the instance's folder is too long") : load(s, err);
    if (r) {
        mmr_seen_close(s);
        return r;
    }
    *ret = s;
    return 0;
}

void mmr_seen_close(struct mmr_seen *s)
{
    if (s && s->fd >= 0)
        (void)close(s->fd);
    free(s);
}

bool mmr_seen_has(const struct mmr_seen *s, const char *key, int *ret_level)
{
    unsigned have = s->n < MMR_SEEN_MAX ? s->n : MMR_SEEN_MAX;
    for (unsigned i = 1; i <= have; i++) { /* the newest first: a key may have got further */
        unsigned at = (s->n - i) % MMR_SEEN_MAX;
        if (strcmp(s->ring[at].key, key) == 0) {
            *ret_level = s->ring[at].level;
            return true;
        }
    }
    return false;
}

static bool write_line(int fd, const char *key, int level)
{
    char line[MMR_SEEN_KEY_MAX + 16];
    int len = snprintf(line, sizeof line, "%d %s\n", level, key);
    return len > 0 && write(fd, line, (size_t)len) == len;
}

static void write_anew(struct mmr_seen *s)
{
    char part[sizeof s->path + 8];
    (void)snprintf(part, sizeof part, "%s.part", s->path);
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool is_good = fd >= 0;
    unsigned have = s->n < MMR_SEEN_MAX ? s->n : MMR_SEEN_MAX;
    for (unsigned i = have; i > 0 && is_good; i--)
        is_good = write_line(fd, s->ring[(s->n - i) % MMR_SEEN_MAX].key, s->ring[(s->n - i) % MMR_SEEN_MAX].level);
    if (is_good && fdatasync(fd) == 0 && rename(part, s->path) == 0) {
        (void)close(s->fd);
        s->fd = fd;
        s->lines = have;
        return;
    }
    if (fd >= 0)
        (void)close(fd);
    (void)unlink(part);
}

void mmr_seen_add(struct mmr_seen *s, const char *key, int level)
{
    remember(s, key, level);
    if (s->fd < 0)
        return;
    if (s->lines >= 2 * MMR_SEEN_MAX)
        write_anew(s);
    else if (write_line(s->fd, key, level)) {
        s->lines++;
        (void)fdatasync(s->fd);
    }
}
