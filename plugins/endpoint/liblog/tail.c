/* tail.c - live log files. */
#include "tail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FILES_MAX = 64,
    READ_BYTES = 64 * 1024,
    TURN_BYTES = 1024 * 1024, /* of one file before the others get their turn */
    MARKS = 256,              /* offsets waiting for their events to be committed */
    TICK_MS = 1000,
};

struct mark {
    uint64_t event;
    int64_t offset;
};
struct follow {
    char *path;
    const char *base; /* its last part */
    int fd, watch;
    dev_t dev;
    ino_t ino;
    int64_t offset;    /* of the first byte not yet read */
    int64_t committed; /* everything before it is safe with the hub */
    char *line;        /* the open line, without newline */
    size_t len, cap;
    bool is_skipping, has_more;
    uint64_t line_no;
    struct mark mark[MARKS];
    uint32_t mark_at, mark_n;
    struct mmr_logdec *dec;
};
struct mmr_tail {
    const struct mmr_host *host;
    int ino_fd;
    size_t n;
    struct follow f[FILES_MAX];
    uint64_t emitted, too_long, lost;
    uint8_t *wait; /* an event the bus did not take yet */
    size_t wait_len, wait_cap;
    bool is_full, is_dirty, is_told;
    uint32_t quiet_ticks;
};

static void warn(struct mmr_tail *t, const char *event, const char *path, const char *why)
{
    char text[300];
    (void)snprintf(text, sizeof text, "%s file=%.150s %s", event, path, why);
    t->host->log(t->host->impl, MMR_LOG_WARN, text);
}

/* ---- events ---- */

/* The rest of a line's events while the bus is full: appended, each behind its length. */
static void keep(struct mmr_tail *t, const void *p, size_t len)
{
    size_t need = t->wait_len + sizeof len + len;
    if (need > t->wait_cap) {
        uint8_t *more = need > 4 * 1024 * 1024 ? NULL : realloc(t->wait, need * 2);
        if (!more) {
            t->lost++;
            return;
        }
        t->wait = more;
        t->wait_cap = need * 2;
    }
    memcpy(t->wait + t->wait_len, &len, sizeof len);
    memcpy(t->wait + t->wait_len + sizeof len, p, len);
    t->wait_len = need;
}

static void on_event(void *ctx, const void *msgpack, size_t len, int64_t time_ns)
{
    struct mmr_tail *t = ctx;
    (void)time_ns;
    int r = t->is_full ? MMR_EAGAIN : t->host->emit(t->host->impl, msgpack, len);
    if (r == MMR_EAGAIN) {
        t->is_full = true;
        keep(t, msgpack, len);
    } else if (r == 0) {
        t->emitted++;
    } else {
        t->lost++;
    }
}

static void retry(struct mmr_tail *t)
{
    size_t at = 0, len;
    t->is_full = false;
    while (at < t->wait_len) {
        memcpy(&len, t->wait + at, sizeof len);
        int r = t->host->emit(t->host->impl, t->wait + at + sizeof len, len);
        if (r == MMR_EAGAIN) {
            t->is_full = true;
            break;
        }
        if (r == 0)
            t->emitted++;
        else
            t->lost++;
        at += sizeof len + len;
    }
    memmove(t->wait, t->wait + at, t->wait_len - at);
    t->wait_len -= at;
}

/* ---- one file ---- */

static void mark(struct mmr_tail *t, struct follow *f, int64_t offset)
{
    if (f->mark_n && f->mark[(f->mark_at + f->mark_n - 1) % MARKS].event == t->emitted) {
        f->mark[(f->mark_at + f->mark_n - 1) % MARKS].offset = offset;
        return;
    }
    if (f->mark_n == MARKS) { /* keep the newest: it stands for the ones before it */
        f->mark[(f->mark_at + MARKS - 1) % MARKS] = (struct mark){t->emitted, offset};
        return;
    }
    f->mark[(f->mark_at + f->mark_n++) % MARKS] = (struct mark){t->emitted, offset};
}

static bool append(struct follow *f, const char *p, size_t n)
{
    if (f->len + n + 1 > f->cap) {
        size_t cap = f->cap ? f->cap : 4096;
        while (cap < f->len + n + 1)
            cap *= 2;
        char *more = realloc(f->line, cap);
        if (!more)
            return false;
        f->line = more;
        f->cap = cap;
    }
    memcpy(f->line + f->len, p, n);
    f->len += n;
    f->line[f->len] = '\0';
    return true;
}

static void give_line(struct mmr_tail *t, struct follow *f)
{
    f->line_no++;
    if (f->is_skipping) {
        t->too_long++;
        if (!t->is_told)
            warn(t, "log.line_too_long", f->path, "lines over 1 MiB are skipped and counted");
        t->is_told = true;
    } else if (f->len) {
        mmr_logdec_line(f->dec, f->line, f->len, f->line_no, on_event, t);
    }
    f->len = 0;
    f->is_skipping = false;
}

/* New text of the open file; true: there may be more. */
static bool read_some(struct mmr_tail *t, struct follow *f)
{
    char buf[READ_BYTES];
    struct stat st;
    if (fstat(f->fd, &st) == 0 && st.st_size < f->offset) { /* copied away and truncated */
        f->offset = f->committed = 0;
        f->len = 0;
        f->is_skipping = false;
        f->mark_n = 0;
        warn(t, "log.truncated", f->path, "reading from its start");
    }
    mmr_logdec_now(f->dec, t->host->now_ns(t->host->impl, MMR_CLOCK_WALL));
    for (int64_t turn = 0; turn < TURN_BYTES && !t->is_full;) {
        ssize_t got = pread(f->fd, buf, sizeof buf, f->offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        int64_t base = f->offset;
        char *p = buf, *end = buf + got;
        while (p < end && !t->is_full) {
            char *nl = memchr(p, '\n', (size_t)(end - p));
            char *stop = nl ? nl : end;
            if (!f->is_skipping && (f->len + (size_t)(stop - p) > MMR_LOG_LINE_MAX || !append(f, p, (size_t)(stop - p))))
                f->is_skipping = true;
            p = nl ? nl + 1 : end;
            if (nl) {
                give_line(t, f);
                mark(t, f, base + (p - buf));
            }
        }
        f->offset = base + (p - buf);
        turn += p - buf;
        t->quiet_ticks = 0;
    }
    return true;
}

static void close_file(struct follow *f)
{
    if (f->fd >= 0)
        (void)close(f->fd);
    f->fd = -1;
    f->len = 0;
    f->is_skipping = false;
}

static bool open_file(struct follow *f, int64_t offset)
{
    struct stat st;
    f->fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (f->fd < 0)
        return false;
    if (fstat(f->fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close_file(f);
        return false;
    }
    f->dev = st.st_dev;
    f->ino = st.st_ino;
    f->offset = f->committed = offset < 0 ? st.st_size : offset > st.st_size ? 0 : offset;
    f->mark_n = 0;
    f->line_no = 0;
    return true;
}

static void serve(struct mmr_tail *t, struct follow *f)
{
    struct stat st;
    f->has_more = false;
    if (f->fd >= 0 && read_some(t, f)) {
        f->has_more = true;
        return;
    }
    if (stat(f->path, &st) != 0 || (f->fd >= 0 && st.st_dev == f->dev && st.st_ino == f->ino))
        return;
    if (f->fd >= 0 && f->len && !t->is_full) /* the old file's last line had no newline */
        give_line(t, f);
    close_file(f); /* rotated: its end was read above */
    if (open_file(f, 0))
        f->has_more = read_some(t, f);
    t->is_dirty = true;
}

static void serve_all(struct mmr_tail *t)
{
    bool has_more = false;
    for (size_t i = 0; i < t->n && !t->is_full; i++) {
        serve(t, &t->f[i]);
        has_more |= t->f[i].has_more;
    }
    if (has_more && !t->is_full)
        t->host->wake(t->host->impl);
}

/* ---- offsets ---- */

static bool offsets_path(const struct mmr_tail *t, char *out, size_t cap, const char *name)
{
    int n = snprintf(out, cap, "%s/%s", t->host->state_dir, name);
    return t->host->state_dir[0] && n > 0 && (size_t)n < cap;
}

static int64_t saved_offset(const struct mmr_tail *t, const char *path, const struct stat *st)
{
    char name[4096], line[4400];
    int64_t found = -1;
    if (!offsets_path(t, name, sizeof name, "offsets"))
        return -1;
    FILE *f = fopen(name, "re");
    if (!f)
        return -1;
    while (fgets(line, sizeof line, f)) {
        char *p = line, *end;
        unsigned long long dev = strtoull(p, &end, 10);
        if (end == p || *end != ' ')
            continue;
        unsigned long long ino = strtoull(p = end + 1, &end, 10);
        if (end == p || *end != ' ')
            continue;
        long long off = strtoll(p = end + 1, &end, 10);
        if (end == p || *end != ' ')
            continue;
        end[1 + strcspn(end + 1, "\n")] = '\0';
        if (strcmp(end + 1, path) == 0 && dev == st->st_dev && ino == st->st_ino && off >= 0)
            found = off;
        else if (strcmp(end + 1, path) == 0 && found < 0)
            found = 0; /* another file by now: all of it is new */
    }
    (void)fclose(f);
    return found;
}

static void save_offsets(struct mmr_tail *t)
{
    char name[4096], tmp[4096];
    if (!t->is_dirty || !offsets_path(t, name, sizeof name, "offsets") || !offsets_path(t, tmp, sizeof tmp, "offsets.new"))
        return;
    FILE *f = fopen(tmp, "we");
    bool is_ok = f != NULL;
    for (size_t i = 0; f && i < t->n; i++)
        if (t->f[i].fd >= 0)
            is_ok &= fprintf(f, "%llu %llu %lld %s\n", (unsigned long long)t->f[i].dev, (unsigned long long)t->f[i].ino,
                             (long long)t->f[i].committed, t->f[i].path) > 0;
    if (f)
        is_ok &= fflush(f) == 0 && fdatasync(fileno(f)) == 0;
    if (f)
        is_ok &= fclose(f) == 0;
    if (!is_ok || rename(tmp, name) != 0)
        warn(t, "log.offsets_not_saved", name, strerror(errno));
    else
        t->is_dirty = false;
}

void mmr_tail_on_committed(struct mmr_tail *t, uint64_t upto)
{
    for (size_t i = 0; i < t->n; i++) {
        struct follow *f = &t->f[i];
        while (f->mark_n && f->mark[f->mark_at].event <= upto) {
            f->committed = f->mark[f->mark_at].offset;
            f->mark_at = (f->mark_at + 1) % MARKS;
            f->mark_n--;
            t->is_dirty = true;
        }
    }
}

/* ---- life ---- */

static int add_file(struct mmr_tail *t, const char *path, enum mmr_log_format format, bool from_start, struct mmr_error *err)
{
    struct follow *f = &t->f[t->n];
    struct stat st;
    f->fd = f->watch = -1;
    if (path[0] != '/')
        return mmr_fail(err, MMR_ECONFIG, "files: '%s' is not an absolute path", path);
    f->path = strdup(path);
    if (!f->path)
        return mmr_fail(err, MMR_ENOMEM, "log '%s': out of memory", path);
    t->n++;
    int r = mmr_logdec_new(format, NULL, t->host->now_ns(t->host->impl, MMR_CLOCK_WALL), &f->dec, err);
    if (r != 0)
        return r;
    char *slash = strrchr(f->path, '/');
    f->base = slash + 1;
    *slash = '\0';
    f->watch = inotify_add_watch(t->ino_fd, slash == f->path ? "/" : f->path,
                                 IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR);
    int e = errno;
    *slash = '/';
    if (f->watch < 0 && e == ENOENT) { /* a log that this machine does not have is no reason to watch nothing */
        warn(t, "log.no_folder", path, "this file is not followed until the next start");
        mmr_logdec_free(f->dec);
        free(f->path);
        memset(f, 0, sizeof *f);
        t->n--;
        return 0;
    }
    if (f->watch < 0)
        return mmr_fail(err, MMR_EIO, "log '%s': its folder cannot be watched: %s", path, strerror(e));
    int64_t at = from_start ? 0 : -1;
    if (stat(path, &st) == 0) {
        int64_t saved = saved_offset(t, path, &st);
        at = saved >= 0 ? saved : at;
        if (!open_file(f, at))
            warn(t, "log.not_readable", path, "it will be tried again when it changes");
    }
    return 0;
}

int mmr_tail_start(const struct mmr_host *host, const struct mmr_strv *files, enum mmr_log_format format,
                   bool from_start, struct mmr_tail **ret, struct mmr_error *err)
{
    struct mmr_tail *t = calloc(1, sizeof *t);
    if (!t)
        return mmr_fail(err, MMR_ENOMEM, "log files: out of memory");
    t->host = host;
    t->ino_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    int r = t->ino_fd < 0 ? mmr_fail(err, MMR_EIO, "inotify: %s", strerror(errno)) : 0;
    if (r == 0 && files->n > FILES_MAX)
        r = mmr_fail(err, MMR_ECONFIG, "files: %zu files, at most %d for one instance", files->n, FILES_MAX);
    for (size_t i = 0; r == 0 && i < files->n; i++)
        r = add_file(t, files->v[i], format, from_start, err);
    if (r == 0)
        r = host->watch_fd(host->impl, t->ino_fd, MMR_FD_READ, 1);
    if (r == 0)
        r = host->set_timer(host->impl, TICK_MS, 1);
    if (r != 0) {
        mmr_tail_stop(t);
        return r;
    }
    serve_all(t);
    *ret = t;
    return 0;
}

void mmr_tail_stop(struct mmr_tail *t)
{
    if (!t)
        return;
    save_offsets(t);
    if (t->ino_fd >= 0) {
        (void)t->host->watch_fd(t->host->impl, t->ino_fd, 0, 1);
        (void)close(t->ino_fd);
    }
    for (size_t i = 0; i < t->n; i++) {
        close_file(&t->f[i]);
        mmr_logdec_free(t->f[i].dec);
        free(t->f[i].path);
        free(t->f[i].line);
    }
    free(t->wait);
    free(t);
}

void mmr_tail_on_fd(struct mmr_tail *t)
{
    char buf[16 * 1024] __attribute__((aligned(8)));
    ssize_t got;
    while ((got = read(t->ino_fd, buf, sizeof buf)) > 0)
        ; /* which file it was does not matter: asking one that has nothing costs two system calls */
    serve_all(t);
}

void mmr_tail_on_wake(struct mmr_tail *t)
{
    if (t->is_full)
        retry(t);
    if (!t->is_full)
        serve_all(t);
}

void mmr_tail_on_timer(struct mmr_tail *t)
{
    if (t->is_full)
        retry(t);
    if (++t->quiet_ticks == 2 && !t->is_full) /* nothing for two seconds: open audit events are complete */
        for (size_t i = 0; i < t->n; i++)
            mmr_logdec_flush(t->f[i].dec, on_event, t);
    serve_all(t); /* also where inotify says nothing (network file systems) */
    save_offsets(t);
    (void)t->host->set_timer(t->host->impl, TICK_MS, 1);
}
