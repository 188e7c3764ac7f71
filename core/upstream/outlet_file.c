/* outlet_file.c - OCSF JSON lines in a file, each once: the file's length as of the last commit stands in the same database. */
#include "upstream/outlet.h"

#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY "outlet.file"
enum { SUBMITTED_MAX = 256 };

struct place { /* in the database */
    uint64_t device, inode, length;
};
struct file_outlet {
    struct mmr_outlet o;
    struct mmr_db *db;
    char *path;
    FILE *f;
    uint64_t seq[SUBMITTED_MAX];
    uint32_t n;
};

static struct file_outlet *of(struct mmr_outlet *o)
{
    return (struct file_outlet *)(void *)o;
}

/*
 * Behind the last committed line. A file that is not the one we wrote last is continued at its end, once the owner has committed
 * where that is (*ret_is_new): before, nothing may be written, as it could not be told from what was there.
 */
static int open_at_place(struct file_outlet *x, bool *ret_is_new, struct mmr_error *err)
{
    struct stat st;
    struct place p = {0};
    void *kept = NULL;
    size_t len = 0;
    int fd = open(x->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        int e = fd < 0 ? errno : EINVAL;
        if (fd >= 0)
            (void)close(fd);
        return mmr_fail(err, MMR_EIO, "collector.file '%.200s': %s", x->path, strerror(e));
    }
    *ret_is_new = true;
    if (mmr_db_get(x->db, KEY, &kept, &len, NULL) == 0 && len == sizeof p) {
        memcpy(&p, kept, sizeof p);
        *ret_is_new = p.device != (uint64_t)st.st_dev || p.inode != (uint64_t)st.st_ino || p.length > (uint64_t)st.st_size;
        if (!*ret_is_new && p.length < (uint64_t)st.st_size) {
            mmr_log(MMR_LOG_INFO, "outlet.file_cut", "bytes=%llu what=\"written but not committed; they come again\"",
                    (unsigned long long)((uint64_t)st.st_size - p.length));
            if (ftruncate(fd, (off_t)p.length) != 0) {
                int e = errno;
                free(kept);
                (void)close(fd);
                return mmr_fail(err, MMR_EIO, "collector.file '%.200s': %s", x->path, strerror(e));
            }
        }
    }
    free(kept);
    if (*ret_is_new) {
        p = (struct place){.device = (uint64_t)st.st_dev, .inode = (uint64_t)st.st_ino, .length = (uint64_t)st.st_size};
        int r = mmr_db_set(x->db, KEY, &p, sizeof p, err);
        if (r) {
            (void)close(fd);
            return r;
        }
    }
    x->f = fdopen(fd, "a");
    if (x->f)
        return 0;
    (void)close(fd);
    return mmr_fail(err, MMR_ENOMEM, "collector.file '%.200s': out of memory", x->path);
}

/* Half a line must not stay: the next open cuts back to the place. */
static int give_up(struct file_outlet *x, struct mmr_error *err)
{
    int e = errno;
    if (x->f)
        (void)fclose(x->f);
    x->f = NULL;
    x->n = 0;
    return mmr_fail(err, MMR_EIO, "collector.file '%.200s': %s; what it has not is kept and offered again", x->path, strerror(e));
}

static int submit(struct mmr_outlet *o, const struct mmr_engine_record *row, struct mmr_error *err)
{
    struct file_outlet *x = of(o);
    if (x->n == SUBMITTED_MAX)
        return MMR_EAGAIN;
    if (!x->f) {
        bool is_new = false;
        int r = open_at_place(x, &is_new, err);
        if (r || is_new) /* new: rounds begin after a commit, so the next one may write */
            return r ? r : MMR_EAGAIN;
    }
    if (fwrite(row->json, 1, row->len, x->f) != row->len || fputc('\n', x->f) == EOF)
        return give_up(x, err);
    x->seq[x->n++] = row->seq;
    return 0;
}

static int settle(struct mmr_outlet *o, struct mmr_error *err)
{
    struct file_outlet *x = of(o);
    struct stat st;
    if (!x->f || x->n == 0)
        return 0;
    if (ferror(x->f) || fflush(x->f) != 0 || fdatasync(fileno(x->f)) != 0 || fstat(fileno(x->f), &st) != 0)
        return give_up(x, err);
    struct place p = {.device = (uint64_t)st.st_dev, .inode = (uint64_t)st.st_ino, .length = (uint64_t)st.st_size};
    int r = mmr_db_set(x->db, KEY, &p, sizeof p, err);
    for (uint32_t i = 0; i < x->n && !r; i++)
        o->sink.done(o->sink.ctx, o, x->seq[i]);
    x->n = 0;
    return r;
}

static void reopen(struct mmr_outlet *o)
{
    struct file_outlet *x = of(o);
    if (x->n == 0 && x->f) { /* between rounds; its next row opens the path anew */
        (void)fclose(x->f);
        x->f = NULL;
    }
}

static void close_outlet(struct mmr_outlet *o)
{
    struct file_outlet *x = of(o);
    if (x->f)
        (void)fclose(x->f);
    free(x->path);
    free(x);
}

static const struct mmr_outlet_ops file_ops = {.name = "file", .submit = submit, .settle = settle, .reopen = reopen, .close = close_outlet};

int mmr_outlet_file_open(const char *path, struct mmr_db *db, const struct mmr_outlet_sink *sink, struct mmr_outlet **ret, struct mmr_error *err)
{
    struct file_outlet *x = calloc(1, sizeof *x);
    if (!x || !(x->path = strdup(path))) {
        free(x);
        return mmr_fail(err, MMR_ENOMEM, "collector.file: out of memory");
    }
    x->o.ops = &file_ops;
    x->o.sink = *sink;
    x->db = db;
    bool is_new = false; /* the owner commits before the first round */
    int r = open_at_place(x, &is_new, err);
    if (r) {
        close_outlet(&x->o);
        return r;
    }
    *ret = &x->o;
    return 0;
}
