/*
 * journal.c - follows systemd's journal, where a machine without a syslog daemon keeps its log-ins, sudo and service messages.
 *
 * Source: sd-journal(3). Where a syslog daemon writes the same into files that `log` follows, the journal is left alone.
 */
#include <mamori/event.h>
#include <mamori/plugin.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "decode.h"
#include "entry.h"

enum {
    AT_ONCE = 256,            /* records read before the loop turns to others */
    MARKS = 64,               /* places waiting for their events to be committed */
    LOOK_MS = 60000,          /* does a syslog daemon write now, or no longer? */
    SAVE_MS = 2000,
    POLL_MS = 2000,           /* on file systems that tell no changes */
    CURSOR_MAX = 512,
};
enum timer { TIMER_LOOK = 1, TIMER_MORE, TIMER_SAVE, TIMER_POLL };

struct journal_config {
    const char *directory;
    struct mmr_strv unless;
    int64_t fresh;
    bool from_start;
};
struct mark {
    uint64_t event;
    char *cursor;
};
struct journal_self {
    const struct mmr_host *host;
    const struct journal_config *config;
    sd_journal *j; /* NULL: a syslog daemon has the same, or it cannot be read */
    struct mmr_logdec *dec;
    int fd;
    bool is_full, has_entry, is_dirty, is_saving, is_broken;
    uint64_t emitted, committed, index;
    uint32_t given, done; /* events of the record in hand: met in this turn, and taken before */
    struct mark mark[MARKS];
    size_t mark_at, mark_n;
    char *saved; /* the place whose events are committed; NULL: none yet */
    const char *told; /* what the last sensor.mode said */
    char line[MMR_ENTRY_LINE_MAX];
    uint8_t buf[2048];
};

static const struct mmr_cfg_key config_keys[] = {
    MMR_CFG(struct journal_config, directory, MMR_CFG_STR, 0, "", 0, 0, "a folder of journal files; empty: this machine's journal"),
    MMR_CFG(struct journal_config, unless, MMR_CFG_STRV, 0, "/var/log/auth.log,/var/log/syslog", 0, 0,
            "files in which a syslog daemon writes the same and which 'log' follows: while one of them is written, the journal is not read"),
    MMR_CFG(struct journal_config, fresh, MMR_CFG_MSEC, 0, "6h", 1000, 2592000000, "how long after its last change such a file counts as being written"),
    MMR_CFG(struct journal_config, from_start, MMR_CFG_BOOL, 0, "false", 0, 0, "at the very first start also what is in the journal already, not only what is added"),
    {0},
};

static void warn(struct journal_self *s, const char *what, int error)
{
    char text[300];
    (void)snprintf(text, sizeof text, "journal.trouble what=\"%s\" error=\"%s\"", what, strerror(-error));
    s->host->log(s->host->impl, MMR_LOG_WARN, text);
}

static void tell_mode(struct journal_self *s, const char *mode, const char *why)
{
    struct mmr_event ev;
    char text[500];
    if (s->told == mode)
        return;
    s->told = mode;
    (void)snprintf(text, sizeof text, "journal.mode read=%s why=\"%.400s\"", strcmp(mode, "journal") == 0 ? "yes" : "no", why);
    s->host->log(s->host->impl, MMR_LOG_INFO, text);
    mmr_event_begin(&ev, s->buf, sizeof s->buf, "sensor.mode", MMR_CLASS_EVENT_LOG, 99, s->host->now_ns(s->host->impl, MMR_CLOCK_WALL),
                    strcmp(mode, "broken") == 0 ? 2 : 1);
    mmr_event_str(&ev, "message", text);
    mmr_event_str(&ev, "status_detail", mode);
    if (mmr_event_emit(&ev, s->host) == 0)
        s->emitted++;
}

/* ---- where the next start goes on ---- */

static bool path_of(const struct journal_self *s, const char *name, char *path, size_t cap)
{
    return *s->host->state_dir && (size_t)snprintf(path, cap, "%s/%s", s->host->state_dir, name) < cap;
}

static void load_cursor(struct journal_self *s)
{
    char path[4096], text[CURSOR_MAX];
    if (!path_of(s, "cursor", path, sizeof path))
        return;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    if (fd >= 0)
        (void)close(fd);
    if (n <= 0)
        return;
    text[n] = '\0';
    text[strcspn(text, "\n")] = '\0';
    s->saved = strdup(text);
}

static void save_cursor(struct journal_self *s)
{
    char path[4096], fresh[4096];
    if (!s->is_dirty || !s->saved || !path_of(s, "cursor", path, sizeof path) || !path_of(s, "cursor.new", fresh, sizeof fresh))
        return;
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool is_written = fd >= 0 && dprintf(fd, "%s\n", s->saved) > 0;
    if (fd >= 0 && close(fd) != 0)
        is_written = false;
    if (is_written && rename(fresh, path) == 0)
        s->is_dirty = false;
    else
        warn(s, "the place reached could not be written down; after a restart some records come again", -errno);
}

static void forget(struct journal_self *s)
{
    for (size_t i = 0; i < MARKS; i++) {
        free(s->mark[i].cursor);
        s->mark[i].cursor = NULL;
    }
    s->mark_n = 0;
    free(s->saved);
    s->saved = NULL;
}

static void settle(struct journal_self *s)
{
    while (s->mark_n && s->mark[s->mark_at].event <= s->committed) {
        free(s->saved);
        s->saved = s->mark[s->mark_at].cursor;
        s->mark[s->mark_at].cursor = NULL;
        s->mark_at = (s->mark_at + 1) % MARKS;
        s->mark_n--;
        s->is_dirty = true;
    }
    if (s->is_dirty && !s->is_saving)
        s->is_saving = s->host->set_timer(s->host->impl, SAVE_MS, TIMER_SAVE) == 0;
}

/* Everything up to the record just read is out of our hands with the event of this number. */
static void mark(struct journal_self *s)
{
    char *cursor = NULL;
    if (sd_journal_get_cursor(s->j, &cursor) < 0 || strlen(cursor) >= CURSOR_MAX) {
        free(cursor);
        return;
    }
    size_t at = (s->mark_at + s->mark_n) % MARKS;
    if (s->mark_n && (s->mark_n == MARKS || s->mark[(at + MARKS - 1) % MARKS].event == s->emitted))
        at = (at + MARKS - 1) % MARKS; /* the newest stands for the ones before it */
    else
        s->mark_n++;
    free(s->mark[at].cursor);
    s->mark[at] = (struct mark){s->emitted, cursor};
    settle(s);
}

/* ---- records ---- */

static struct mmr_entry_field field(sd_journal *j, const char *name)
{
    const void *data = NULL;
    size_t n = 0, skip = strlen(name) + 1;
    if (sd_journal_get_data(j, name, &data, &n) < 0 || n < skip)
        return (struct mmr_entry_field){0};
    return (struct mmr_entry_field){(const char *)data + skip, n - skip};
}

/* The fields of the record in hand as a line. sd-journal lends one field at a time, so that words are copied. */
static size_t line_of(struct journal_self *s)
{
    static const char *const names[] = {"_HOSTNAME", "SYSLOG_IDENTIFIER", "_COMM", "_PID", "_UID", "SYSLOG_FACILITY", "PRIORITY"};
    struct mmr_entry e = {0};
    struct mmr_entry_field *const words[] = {&e.host, &e.identifier, &e.comm, &e.pid, &e.uid, &e.facility, &e.priority};
    char kept[sizeof names / sizeof names[0]][256];
    uint64_t usec = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct mmr_entry_field f = field(s->j, names[i]);
        if (!f.p)
            continue;
        size_t n = f.n < sizeof kept[i] ? f.n : sizeof kept[i];
        memcpy(kept[i], f.p, n);
        *words[i] = (struct mmr_entry_field){kept[i], n};
    }
    struct mmr_entry_field stamp = field(s->j, "_SOURCE_REALTIME_TIMESTAMP"); /* when it was said, not when it was written down */
    for (size_t i = 0; i < stamp.n && i < 16 && stamp.p[i] >= '0' && stamp.p[i] <= '9'; i++)
        usec = usec * 10 + (uint64_t)(stamp.p[i] - '0');
    if (!usec && sd_journal_get_realtime_usec(s->j, &usec) < 0)
        return 0;
    if (usec > INT64_MAX / 1000)
        return 0;
    e.time_ns = (int64_t)usec * 1000;
    e.message = field(s->j, "MESSAGE");
    return mmr_entry_line(&e, s->line);
}

static void on_event(void *ctx, const void *msgpack, size_t len, int64_t time_ns)
{
    struct journal_self *s = ctx;
    (void)time_ns;
    if (s->is_full || s->given++ < s->done)
        return; /* taken before the bus was full */
    if (s->host->emit(s->host->impl, msgpack, len) == MMR_EAGAIN) {
        s->is_full = true;
        return;
    }
    s->done++;
    s->emitted++;
}

static void serve(struct journal_self *s)
{
    for (int i = 0; s->j && !s->is_full; i++) {
        if (i == AT_ONCE) {
            (void)s->host->set_timer(s->host->impl, 0, TIMER_MORE);
            return;
        }
        int r = s->has_entry ? 1 : sd_journal_next(s->j);
        if (r < 0 && !s->is_broken) {
            s->is_broken = true;
            warn(s, "the next record cannot be read; what comes after is tried", r);
        }
        if (r <= 0)
            return;
        if (!s->has_entry) {
            s->has_entry = true;
            s->done = 0;
            s->index++;
        }
        s->given = 0;
        size_t n = line_of(s);
        mmr_logdec_now(s->dec, s->host->now_ns(s->host->impl, MMR_CLOCK_WALL));
        if (n)
            mmr_logdec_line(s->dec, s->line, n, s->index, on_event, s);
        if (s->is_full)
            return; /* on_wake() takes this record again */
        s->has_entry = s->is_broken = false;
        mark(s);
    }
}

/* ---- the journal itself ---- */

static void leave(struct journal_self *s)
{
    if (!s->j)
        return;
    if (s->fd >= 0)
        (void)s->host->watch_fd(s->host->impl, s->fd, 0, 1);
    (void)s->host->set_timer(s->host->impl, -1, TIMER_POLL);
    sd_journal_close(s->j);
    s->j = NULL;
    s->fd = -1;
    s->has_entry = false;
}

/* To behind the saved record; where there is none, to the end, or with from_start to the beginning. */
static int seek(struct journal_self *s, bool is_first)
{
    int r;
    if (s->saved) {
        r = sd_journal_seek_cursor(s->j, s->saved);
        if (r >= 0 && (r = sd_journal_next(s->j)) > 0 && sd_journal_test_cursor(s->j, s->saved) <= 0)
            s->has_entry = true; /* it is gone by now: the one after it has not been seen */
        return r;
    }
    if (is_first && s->config->from_start)
        return sd_journal_seek_head(s->j);
    r = sd_journal_seek_tail(s->j);
    if (r >= 0 && (r = sd_journal_previous(s->j)) == 0)
        r = sd_journal_seek_head(s->j); /* an empty one */
    return r;
}

static void enter(struct journal_self *s, bool is_first)
{
    int r = *s->config->directory ? sd_journal_open_directory(&s->j, s->config->directory, 0)
                                  : sd_journal_open(&s->j, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_SYSTEM);
    if (r >= 0)
        r = sd_journal_set_data_threshold(s->j, MMR_ENTRY_MESSAGE_MAX + 64);
    if (r >= 0)
        r = s->fd = sd_journal_get_fd(s->j);
    if (r >= 0)
        r = seek(s, is_first);
    if (r >= 0 && s->host->watch_fd(s->host->impl, s->fd, MMR_FD_READ, 1) != 0)
        r = -EMFILE;
    if (r < 0) {
        char why[200];
        (void)snprintf(why, sizeof why, "it cannot be followed: %s; tried again each minute", strerror(-r));
        leave(s);
        tell_mode(s, "broken", why);
        return;
    }
    if (sd_journal_reliable_fd(s->j) <= 0)
        (void)s->host->set_timer(s->host->impl, POLL_MS, TIMER_POLL);
    tell_mode(s, "journal", *s->config->directory ? s->config->directory : "no syslog daemon writes the same");
    serve(s);
}

/* The first of the files that a syslog daemon writes; NULL: none. */
static const char *written_elsewhere(const struct journal_self *s)
{
    int64_t now = s->host->now_ns(s->host->impl, MMR_CLOCK_WALL);
    struct stat st;
    for (size_t i = 0; i < s->config->unless.n; i++)
        if (stat(s->config->unless.v[i], &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
            now - ((int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec) < s->config->fresh * 1000000)
            return s->config->unless.v[i];
    return NULL;
}

static void look(struct journal_self *s, bool is_first)
{
    const char *file = written_elsewhere(s);
    if (file) {
        leave(s);
        forget(s); /* what comes meanwhile is read from the file */
        tell_mode(s, "files", file);
    } else if (!s->j) {
        enter(s, is_first);
    }
    (void)s->host->set_timer(s->host->impl, LOOK_MS, TIMER_LOOK);
}

/* ---- life ---- */

static void journal_on_fd(void *self, int fd, unsigned rw, uint64_t cookie)
{
    struct journal_self *s = self;
    (void)fd, (void)rw, (void)cookie;
    if (!s->j)
        return;
    (void)sd_journal_process(s->j);
    serve(s);
}

static void journal_on_timer(void *self, uint64_t cookie)
{
    struct journal_self *s = self;
    if (cookie == TIMER_LOOK)
        look(s, false);
    else if (cookie == TIMER_MORE)
        serve(s);
    else if (cookie == TIMER_SAVE) {
        s->is_saving = false;
        save_cursor(s);
    } else if (s->j) {
        journal_on_fd(s, s->fd, MMR_FD_READ, 1);
        (void)s->host->set_timer(s->host->impl, POLL_MS, TIMER_POLL);
    }
}

static void journal_on_wake(void *self)
{
    struct journal_self *s = self;
    if (!s->is_full)
        return;
    s->is_full = false;
    serve(s);
}

static void journal_on_committed(void *self, uint64_t upto)
{
    struct journal_self *s = self;
    s->committed = upto;
    settle(s);
}

static int journal_start(void *self, struct mmr_error *err)
{
    struct journal_self *s = self;
    (void)err;
    load_cursor(s);
    look(s, true);
    return 0;
}

static void journal_stop(void *self)
{
    struct journal_self *s = self;
    save_cursor(s);
    leave(s);
}

static void journal_destroy(void *self)
{
    struct journal_self *s = self;
    if (!s)
        return;
    leave(s);
    forget(s);
    mmr_logdec_free(s->dec);
    free(s);
}

static int journal_create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    struct journal_self *s = calloc(1, sizeof *s);
    if (!s)
        return mmr_fail(err, MMR_ENOMEM, "journal: out of memory");
    s->host = host;
    s->config = config;
    s->fd = -1;
    int r = mmr_logdec_new(MMR_LOG_SYSLOG, NULL, host->now_ns(host->impl, MMR_CLOCK_WALL), &s->dec, err);
    if (r) {
        free(s);
        return r;
    }
    *ret_self = s;
    return 0;
}

static const struct mmr_sensor_ops sensor = {
    .struct_size = sizeof sensor, .start = journal_start, .stop = journal_stop, .on_committed = journal_on_committed};
static const char *const events[] = {"http.request", "log.record", "sensor.mode", NULL};

MMR_PLUGIN(journal) = {
    MMR_PLUGIN_HEAD,
    .id = "org.mamori.journal",
    .name = "systemd's journal",
    .version = MMR_VERSION,
    .vendor = "mamori",
    .license = "Apache-2.0",
    .doc = "Follows systemd's journal, where no syslog daemon writes files; the same events as log makes of them",
    .side = MMR_SIDE_ENDPOINT,
    .needs = MMR_NEED_FILES_RO,
    .events = events,
    .config = config_keys,
    .config_size = sizeof(struct journal_config),
    .create = journal_create,
    .destroy = journal_destroy,
    .on_fd = journal_on_fd,
    .on_timer = journal_on_timer,
    .on_wake = journal_on_wake,
    .sensor = &sensor,
};
