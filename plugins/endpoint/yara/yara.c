/*
 * yara.c - files that were just written, executables, scripts and documents, are looked into by YARA rules (and clamd where
 * it runs), after they were closed and never in anybody's way.
 */
#include <mamori/data.h>
#include <mamori/event.h>
#include <mamori/plugin.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine.h"

enum { QUEUE_MAX = 1024, RULE_FILES_MAX = 256, RULE_BYTES_MAX = 8 * 1024 * 1024, TICK_MS = 250, SETTLE_MS = 300, PATH_BYTES = 4096 };

extern const struct mmr_data_file mmr_data_yara[];

struct yara_config {
    struct mmr_strv rules;
    bool own_rules;
    const char *clamd;
    int64_t max_file, timeout;
};
struct job {
    char *path;
    int64_t due_ns; /* monotonic */
    char host[64], writer[256];
    int64_t writer_pid;
};
struct yara_self {
    const struct mmr_host *host;
    const struct yara_config *config;
    char **rule; /* texts */
    const char **name;
    size_t n_rules, n_given; /* given: how many are ours to free */
    struct mmr_scan_limits limits;
    struct mmr_engine engine;
    struct job job[QUEUE_MAX]; /* ring */
    uint32_t at, n;
    bool is_busy, has_timer;
    struct job now; /* what the worker has */
    uint64_t id;
    int64_t since_ns, told_ns;
    uint64_t scanned, too_big, failed, lost, restarts;
    char hostname[64];
    struct mmr_event_view view;
    uint8_t buf[8192];
};

static const struct mmr_cfg_key config_keys[] = {
    MMR_CFG(struct yara_config, rules, MMR_CFG_STRV, 0, NULL, 0, 0, "more rule files (.yar), absolute paths"),
    MMR_CFG(struct yara_config, own_rules, MMR_CFG_BOOL, 0, "true", 0, 0, "use the rules that come with mamori"),
    MMR_CFG(struct yara_config, clamd, MMR_CFG_STR, 0, "/run/clamav/clamd.ctl", 0, 0, "socket of clamd, asked too when it is there; empty: never"),
    MMR_CFG(struct yara_config, max_file, MMR_CFG_BYTES, 0, "32M", 1024, 268435456, "larger files are not looked into"),
    MMR_CFG(struct yara_config, timeout, MMR_CFG_MSEC, 0, "20s", 1000, 120000, "for one file"),
    {0},
};

static int64_t mono(const struct yara_self *s)
{
    return s->host->now_ns(s->host->impl, MMR_CLOCK_MONOTONIC);
}

static void say(struct yara_self *s, int level, const char *event, const char *path, const char *what)
{
    char text[400];
    (void)snprintf(text, sizeof text, "%s file=%.200s what=\"%.120s\" scanned=%" PRIu64 " too_big=%" PRIu64 " failed=%" PRIu64, event, path, what, s->scanned,
                   s->too_big, s->failed);
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    s->host->log(s->host->impl, level, text);
}

/* ---- the queue ---- */

static void drop(struct job *j)
{
    free(j->path);
    *j = (struct job){0};
}

static void arm(struct yara_self *s)
{
    if (!s->has_timer && (s->n || s->is_busy))
        s->has_timer = s->host->set_timer(s->host->impl, TICK_MS, 1) == 0;
}

static void start_worker(struct yara_self *s)
{
    struct mmr_error err = {.struct_size = sizeof err};
    if (s->engine.fd >= 0)
        return;
    if (mmr_engine_start((const char *const *)s->rule, s->n_rules, &s->limits, &s->engine, &err) != 0) {
        say(s, MMR_LOG_ERR, "yara.no_worker", "-", err.text);
        return;
    }
    (void)s->host->watch_fd(s->host->impl, s->engine.fd, MMR_FD_READ, 1);
}

static void end_worker(struct yara_self *s, const char *why)
{
    if (s->engine.fd < 0)
        return;
    (void)s->host->watch_fd(s->host->impl, s->engine.fd, 0, 1);
    mmr_engine_stop(&s->engine);
    s->restarts++;
    s->failed += s->is_busy;
    say(s, MMR_LOG_WARN, "yara.worker_ended", s->is_busy ? s->now.path : "-", why);
    s->is_busy = false;
    drop(&s->now);
}

static void next(struct yara_self *s)
{
    int64_t now = mono(s);
    while (!s->is_busy && s->n && s->job[s->at].due_ns <= now) {
        struct job j = s->job[s->at];
        uint8_t head[16];
        s->at = (s->at + 1) % QUEUE_MAX;
        s->n--;
        int fd = open(j.path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        ssize_t n = fd < 0 ? -1 : pread(fd, head, sizeof head, 0);
        if (n <= 0 || !mmr_scan_is_worth_it(j.path, head, (size_t)n)) { /* gone again, empty, or nothing that runs */
            if (fd >= 0)
                (void)close(fd);
            drop(&j);
            continue;
        }
        start_worker(s);
        int r = mmr_engine_scan(&s->engine, ++s->id, fd);
        (void)close(fd);
        if (r != 0) {
            drop(&j);
            s->failed++;
            end_worker(s, "it takes no more files; it is started again");
            continue;
        }
        s->now = j;
        s->is_busy = true;
        s->since_ns = now;
    }
}

/* ---- findings ---- */

static const char *known(const char *text, const char *const *list, const char *dflt)
{
    for (; *list; list++)
        if (strcmp(text, *list) == 0)
            return *list;
    return dflt;
}

static void tell(struct yara_self *s, const struct mmr_scan_answer *a, const struct mmr_scan_match *m)
{
    static const char *const phases[] = {"attempt.user", "foothold.process", "impact.data", NULL}, *const potentials[] = {"info", "low", "high", NULL};
    char rule[160], text[700], list[64], *save = NULL;
    const char *attack[4], *base = strrchr(s->now.path, '/');
    size_t n = 0;
    struct mmr_event ev;
    const char *potential = known(m->potential, potentials, "low");
    mmr_event_begin(&ev, s->buf, sizeof s->buf, "finding", MMR_CLASS_FINDING, 1, s->host->now_ns(s->host->impl, MMR_CLOCK_WALL), strcmp(potential, "high") == 0 ? 4 : 2);
    (void)snprintf(rule, sizeof rule, "%s.%s", m->engine, m->rule);
    mmr_event_str(&ev, "mamori.rule", rule);
    mmr_event_str(&ev, "finding_info.title", m->description[0] ? m->description : "A harmful file was written");
    mmr_event_str(&ev, "mamori.phase", known(m->phase, phases, "attempt.user"));
    mmr_event_str(&ev, "mamori.potential", potential);
    mmr_event_str(&ev, "mamori.direction", "local");
    (void)snprintf(list, sizeof list, "%s", m->attack);
    for (char *p = strtok_r(list, ", ", &save); p && n < 4; p = strtok_r(NULL, ", ", &save))
        attack[n++] = p;
    if (n)
        mmr_event_strv(&ev, "mamori.attack", attack, n);
    mmr_event_str(&ev, "device.hostname", s->now.host);
    mmr_event_str(&ev, "file.path", s->now.path);
    mmr_event_str(&ev, "file.name", base ? base + 1 : s->now.path);
    if (a->sha256[0])
        mmr_event_str(&ev, "file.hashes.sha256", a->sha256);
    if (s->now.writer[0])
        mmr_event_str(&ev, "actor.process.file.path", s->now.writer);
    if (s->now.writer_pid > 0)
        mmr_event_int(&ev, "actor.process.pid", s->now.writer_pid);
    (void)snprintf(text, sizeof text, "%.300s: %s%s%.150s", s->now.path, m->description[0] ? m->description : m->rule, s->now.writer[0] ? ", written by " : "", s->now.writer);
    mmr_event_str(&ev, "message", text);
    (void)mmr_event_emit(&ev, s->host);
}

static void take(struct yara_self *s, const struct mmr_scan_answer *a)
{
    if (!s->is_busy || a->id != s->id)
        return;
    s->scanned++;
    s->too_big += a->status == MMR_SCAN_TOO_BIG;
    s->failed += a->status == MMR_SCAN_FAILED;
    for (uint32_t i = 0; a->status == MMR_SCAN_MATCH && i < a->n; i++)
        tell(s, a, &a->match[i]);
    if (a->note[0] && (!s->told_ns || mono(s) - s->told_ns > 600 * INT64_C(1000000000))) {
        s->told_ns = mono(s);
        say(s, MMR_LOG_WARN, "yara.not_looked_into", s->now.path, a->note);
    }
    s->is_busy = false;
    drop(&s->now);
}

static void on_fd(void *self, int fd, unsigned rw, uint64_t cookie)
{
    struct yara_self *s = self;
    static const char gone[] = "it crashed over this file; it is started again";
    struct mmr_scan_answer a;
    (void)fd, (void)rw, (void)cookie;
    int r = mmr_engine_answer(&s->engine, &a);
    if (r == 1)
        take(s, &a);
    else if (r < 0)
        end_worker(s, gone);
    next(s);
    arm(s);
}

static void on_timer(void *self, uint64_t cookie)
{
    struct yara_self *s = self;
    (void)cookie;
    s->has_timer = false;
    if (s->is_busy && mono(s) - s->since_ns > (s->config->timeout * 3 + 5000) * 1000000) /* yara, clamd, and reading */
        end_worker(s, "it took too long over this file and was ended");
    next(s);
    arm(s);
}

/* ---- events ---- */

static int on_event(void *self, const void *msgpack, size_t len, struct mmr_error *err)
{
    struct yara_self *s = self;
    char path[PATH_BYTES], host[64] = "";
    int e = mmr_event_read(msgpack, len, &s->view, err);
    if (e != 0)
        return e;
    /* only what was written on this very machine: a path of another machine, or of a recording, is not ours to open */
    if (mmr_event_get(&s->view, "mamori.input") || !mmr_value_is(mmr_event_get(&s->view, "mamori.plugin"), "org.mamori.files") ||
        !mmr_event_copy_str(&s->view, "file.path", path, sizeof path) || path[0] != '/')
        return 0;
    for (uint32_t i = 0; i < s->n; i++) { /* written again before we came to it */
        struct job *j = &s->job[(s->at + i) % QUEUE_MAX];
        if (strcmp(j->path, path) == 0) {
            j->due_ns = j->due_ns > mono(s) ? j->due_ns : mono(s);
            return 0;
        }
    }
    if (s->n == QUEUE_MAX) {
        if (s->lost++ % 1000 == 0)
            say(s, MMR_LOG_WARN, "yara.queue_full", path, "more files are written than can be looked into; some were not");
        return 0;
    }
    struct job *j = &s->job[(s->at + s->n) % QUEUE_MAX];
    *j = (struct job){.path = strdup(path), .due_ns = mono(s) + SETTLE_MS * INT64_C(1000000), .writer_pid = mmr_event_get_int(&s->view, "process.pid", 0)};
    if (!j->path)
        return mmr_fail(err, MMR_ENOMEM, "yara: out of memory");
    (void)mmr_event_copy_str(&s->view, "device.hostname", host, sizeof host);
    (void)snprintf(j->host, sizeof j->host, "%s", host[0] ? host : s->hostname);
    (void)mmr_event_copy_str(&s->view, "process.file.path", j->writer, sizeof j->writer);
    s->n++;
    arm(s);
    return 0;
}

/* ---- life ---- */

static int read_rules(struct yara_self *s, const char *path, struct mmr_error *err)
{
    struct stat st;
    FILE *f = fopen(path, "re");
    if (!f || fstat(fileno(f), &st) != 0 || !S_ISREG(st.st_mode)) {
        int why = errno;
        if (f)
            (void)fclose(f);
        return mmr_fail(err, MMR_ECONFIG, "rules '%s': %s; expected a file of YARA rules", path, f ? "no file" : strerror(why));
    }
    char *text = st.st_size <= RULE_BYTES_MAX && s->n_rules < RULE_FILES_MAX ? calloc(1, (size_t)st.st_size + 1) : NULL;
    size_t n = text ? fread(text, 1, (size_t)st.st_size, f) : 0;
    (void)fclose(f);
    if (!text || n != (size_t)st.st_size || memchr(text, '\0', n)) {
        free(text);
        return mmr_fail(err, MMR_ECONFIG, "rules '%s': %lld bytes; expected text of at most %d, in at most %d files", path, (long long)st.st_size, RULE_BYTES_MAX, RULE_FILES_MAX);
    }
    s->name[s->n_rules] = path;
    s->rule[s->n_rules++] = text;
    return 0;
}

static void destroy(void *self)
{
    struct yara_self *s = self;
    if (!s)
        return;
    if (s->engine.fd >= 0) {
        (void)s->host->watch_fd(s->host->impl, s->engine.fd, 0, 1);
        mmr_engine_stop(&s->engine);
    }
    for (uint32_t i = 0; i < s->n; i++)
        drop(&s->job[(s->at + i) % QUEUE_MAX]);
    drop(&s->now);
    for (size_t i = 0; s->rule && i < s->n_rules; i++)
        free(s->rule[i]);
    free(s->rule);
    free(s->name);
    free(s);
}

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    struct yara_self *s = calloc(1, sizeof *s);
    if (!s)
        return mmr_fail(err, MMR_ENOMEM, "yara: out of memory");
    s->host = host;
    s->config = config;
    s->engine.fd = -1;
    s->rule = calloc(RULE_FILES_MAX, sizeof *s->rule);
    s->name = calloc(RULE_FILES_MAX, sizeof *s->name);
    s->limits.file_bytes = s->config->max_file;
    s->limits.seconds = (int)((s->config->timeout + 999) / 1000);
    (void)gethostname(s->hostname, sizeof s->hostname - 1);
    int r = s->rule && s->name ? 0 : mmr_fail(err, MMR_ENOMEM, "yara: out of memory");
    for (const struct mmr_data_file *f = mmr_data_yara; r == 0 && s->config->own_rules && f->name; f++) {
        s->name[s->n_rules] = f->name;
        s->rule[s->n_rules++] = strdup(f->bytes);
        if (!s->rule[s->n_rules - 1])
            r = mmr_fail(err, MMR_ENOMEM, "yara: out of memory");
    }
    for (size_t i = 0; r == 0 && i < s->config->rules.n; i++)
        r = read_rules(s, s->config->rules.v[i], err);
    if (r == 0 && s->config->clamd && strlen(s->config->clamd) >= sizeof s->limits.clamd)
        r = mmr_fail(err, MMR_ECONFIG, "clamd '%.60s…' is longer than a socket's path can be", s->config->clamd);
    if (r == 0 && !s->n_rules && !(s->config->clamd && *s->config->clamd))
        r = mmr_fail(err, MMR_ECONFIG, "yara: own_rules is off, and neither 'rules' nor 'clamd' is set: there is nothing to look with");
    if (r == 0 && s->n_rules)
        r = mmr_engine_check((const char *const *)s->rule, s->name, s->n_rules, err);
    if (r == 0 && s->config->clamd)
        (void)snprintf(s->limits.clamd, sizeof s->limits.clamd, "%s", s->config->clamd);
    if (r != 0) {
        destroy(s);
        return r;
    }
    char text[200];
    (void)snprintf(text, sizeof text, "yara.ready rule_files=%zu clamd=%s", s->n_rules, !s->limits.clamd[0] ? "off" : access(s->limits.clamd, F_OK) == 0 ? s->limits.clamd : "absent");
    host->log(host->impl, MMR_LOG_INFO, text);
    *ret_self = s;
    return 0;
}

static const struct mmr_analyzer_ops analyzer = {.struct_size = sizeof analyzer, .event = on_event};

MMR_PLUGIN(yara) = {
    MMR_PLUGIN_HEAD,
    .side = MMR_SIDE_ENDPOINT,
    .detects = MMR_DETECT_HOST,
    .needs = MMR_NEED_FILES_RO | MMR_NEED_RUN, /* RUN: the worker is a process of its own */
    .id = "org.mamori.yara",
    .name = "yara",
    .version = "0.1.0",
    .vendor = "mamori",
    .license = "Apache-2.0",
    .doc = "Looks into executables, scripts and documents that were just written: YARA rules, and clamd where it runs",
    .events = (const char *const[]){"finding", NULL},
    .subscribes = (const char *const[]){"file.create", "file.change", "file.rename", NULL},
    .config = config_keys,
    .config_size = sizeof(struct yara_config),
    .create = create,
    .destroy = destroy,
    .on_fd = on_fd,
    .on_timer = on_timer,
    .analyzer = &analyzer,
};
