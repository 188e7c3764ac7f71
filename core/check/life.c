/* life.c - one instance, from its configuration to its end, in recorded time: the clock is turned, nothing is waited for. */
#include "check/probe.h"

#include "plugin/describe.h"
#include "plugin/load.h"
#include "plugin/sandbox.h"
#include "util/clock.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FIRST_S = 1700000000, VALUE_MAX = 256, TIMERS_MAX = 200 };

/* ---- random numbers: splitmix64, so that a seed is enough to repeat a run ---- */

uint64_t mmr_rng_next(struct mmr_probe_rng *r)
{
    uint64_t z = (r->s += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t mmr_rng_below(struct mmr_probe_rng *r, uint64_t n)
{
    return mmr_rng_next(r) % n;
}

/* ---- notes ---- */

static void note(struct mmr_report *rep, const char *line)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* threads of the plugin note too */
    (void)pthread_mutex_lock(&lock);
    uint32_t i = 0;
    while (i < rep->n && i < MMR_CHECK_LINES_MAX && strcmp(rep->line[i], line) != 0)
        i++;
    if (i == rep->n || i == MMR_CHECK_LINES_MAX) {
        if (i < MMR_CHECK_LINES_MAX)
            (void)snprintf(rep->line[i], sizeof rep->line[i], "%s", line);
        rep->n++;
    }
    (void)pthread_mutex_unlock(&lock);
}

void mmr_probe_fault(struct mmr_probe *pr, const char *fmt, ...)
{
    char line[MMR_CHECK_LINE_MAX];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    note(pr->report, line);
}

int mmr_probe_skip(struct mmr_probe *pr, const char *fmt, ...)
{
    va_list ap;
    if (pr->report->n) /* there was a fault; that counts more */
        return MMR_EUNSUPPORTED;
    va_start(ap, fmt);
    (void)vsnprintf(pr->report->line[0], sizeof pr->report->line[0], fmt, ap);
    va_end(ap);
    pr->report->skip = MMR_CHECK_SKIP;
    return MMR_EUNSUPPORTED;
}

void mmr_probe_moot(struct mmr_probe *pr, const char *why)
{
    if (mmr_probe_skip(pr, "%s", why) && pr->report->skip)
        pr->report->skip = MMR_CHECK_MOOT;
}

/* ---- configuration ---- */

static const char *set_value(const struct mmr_probe *pr, const char *key)
{
    size_t n = strlen(key);
    for (const char *const *s = pr->opts->set; s && *s; s++)
        if (strncmp(*s, key, n) == 0 && (*s)[n] == '=')
            return *s + n + 1;
    return NULL;
}

static void random_word(struct mmr_probe_rng *rng, char *buf, size_t cap)
{
    static const char from[] = "abcdefghijklmnopqrstuvwxyz0123456789.:-_ %\\\"'{}[]()*?+$^|";
    size_t n = (size_t)mmr_rng_below(rng, cap < 40 ? cap : 40);
    for (size_t i = 0; i < n; i++)
        buf[i] = from[mmr_rng_below(rng, sizeof from - 1)];
    buf[n] = '\0';
}

static int64_t in_range(const struct mmr_cfg_key *k, struct mmr_probe_rng *rng)
{
    static const int64_t often[] = {0, 1, 2, 10, 1000, 65535, INT64_C(1) << 31};
    bool is_bounded = k->min || k->max;
    if (!is_bounded)
        return often[mmr_rng_below(rng, sizeof often / sizeof often[0])];
    switch (mmr_rng_below(rng, 3)) {
    case 0: return k->min;
    case 1: return k->max;
    default: return k->min + (int64_t)mmr_rng_below(rng, (uint64_t)(k->max - k->min) + 1);
    }
}

static void made_up(const struct mmr_probe *pr, const struct mmr_cfg_key *k, struct mmr_probe_rng *rng, char *buf, size_t cap)
{
    int64_t n = rng ? in_range(k, rng) : k->min > 1 ? k->min : k->max && k->max < 1 ? k->max : 1;
    switch (k->type) {
    case MMR_CFG_BOOL: (void)snprintf(buf, cap, "%s", rng && mmr_rng_below(rng, 2) ? "true" : "false"); break;
    case MMR_CFG_MSEC: (void)snprintf(buf, cap, "%lldms", (long long)(n < 0 ? 0 : n)); break;
    case MMR_CFG_INT: case MMR_CFG_BYTES: (void)snprintf(buf, cap, "%lld", (long long)n); break;
    default:
        if (rng && mmr_rng_below(rng, 3))
            random_word(rng, buf, cap);
        else
            (void)snprintf(buf, cap, "%s/made-up", pr->scratch);
    }
}

static void put_value(struct mmr_event *map, const struct mmr_cfg_key *k, const char *value)
{
    const char *items[MMR_EVENT_ARRAY_MAX];
    char text[1024];
    size_t n = 0;
    if (k->type != MMR_CFG_STRV) {
        mmr_event_str(map, k->name, value);
        return;
    }
    (void)snprintf(text, sizeof text, "%s", value);
    for (char *at = text, *next; at && *at && n < MMR_EVENT_ARRAY_MAX; at = next) {
        next = strchr(at, ',');
        if (next)
            *next++ = '\0';
        while (*at == ' ')
            at++;
        items[n++] = at;
    }
    mmr_event_strv(map, k->name, items, n);
}

static const struct mmr_cfg_key *row_at(const struct mmr_plugin *p, size_t i)
{
    if (!p->config)
        return NULL;
    const struct mmr_cfg_key *k = (const void *)((const char *)p->config + i * p->config_stride);
    return k->name ? k : NULL;
}

size_t mmr_probe_config(struct mmr_probe *pr, struct mmr_probe_rng *rng, const char *without, uint8_t *buf)
{
    struct mmr_event map;
    char value[VALUE_MAX + 1];
    const struct mmr_cfg_key *k;
    mmr_event_begin_map(&map, buf, MMR_EVENT_BYTES_MAX);
    for (size_t i = 0; (k = row_at(pr->p, i)) != NULL; i++) {
        const char *given = set_value(pr, k->name);
        if (without && strcmp(without, k->name) == 0)
            continue;
        if (!given && rng && mmr_rng_below(rng, 4) == 0) {
            made_up(pr, k, rng, value, sizeof value);
            given = value;
        } else if (!given && (k->flags & MMR_CFG_REQUIRED)) {
            made_up(pr, k, NULL, value, sizeof value);
            given = value;
        }
        if (given)
            put_value(&map, k, given);
    }
    return mmr_event_end(&map) == 0 ? map.len : 0;
}

/* ---- life ---- */

static void on_rule(void *ctx, const char *rule, const char *line)
{
    (void)rule;
    mmr_probe_fault(ctx, "%s", line);
}

int mmr_probe_load(struct mmr_probe *pr)
{
    struct mmr_error err = {.struct_size = sizeof err};
    pr->p = pr->opts->builtin;
    if (!pr->p && mmr_plugin_load(pr->fd, "FILE", &pr->p, &err) != 0) {
        mmr_probe_fault(pr, "%s", err.text);
        return MMR_EBADMSG;
    }
    if (mmr_plugin_check_rules(pr->p, NULL, NULL, &err) != 0) {
        (void)mmr_plugin_check_rules(pr->p, on_rule, pr, &err);
        return MMR_EBADMSG;
    }
    mmr_probe_wrap(pr);
    return 0;
}

static int on_event(void *ctx, const struct mmr_runtime_event *ev)
{
    (void)ctx;
    (void)ev;
    return 0;
}
static void on_log(void *ctx, uint32_t instance, int level, const char *text)
{
    (void)ctx;
    (void)instance;
    (void)level;
    (void)text;
}

int mmr_probe_create(struct mmr_probe *pr, struct mmr_probe_rng *rng, struct mmr_error *err)
{
    static const struct mmr_runtime_ops ops = {.on_event = on_event, .on_log = on_log};
    const struct mmr_runtime_opts ro = {.node = "check", .core_version = MMR_VERSION, .ops = &ops, .ctx = pr,
                                        .trace = &pr->report->trace, .wants_all = true};
    uint8_t *packed = malloc(MMR_EVENT_BYTES_MAX);
    uint32_t index;
    if (!packed)
        return mmr_fail(err, MMR_ENOMEM, "out of memory");
    int r = mmr_runtime_new(&ro, &pr->rt, err);
    if (r == 0) {
        size_t len = mmr_probe_config(pr, rng, NULL, packed);
        struct mmr_runtime_instance conf = {
            .plugin = &pr->wrapped, .name = "checked", .state_dir = pr->scratch, .packed = packed, .packed_len = len,
            .side = pr->p->side & MMR_SIDE_ENDPOINT ? MMR_SIDE_ENDPOINT : MMR_SIDE_NETWORK};
        mmr_runtime_begin(pr->rt, FIRST_S * INT64_C(1000000000));
        r = mmr_runtime_add(pr->rt, &conf, &index, err);
    }
    free(packed);
    if (r) {
        mmr_runtime_free(pr->rt);
        pr->rt = NULL;
    }
    return r;
}

int mmr_probe_begin(struct mmr_probe *pr, bool wants_start)
{
    struct mmr_error err = {.struct_size = sizeof err};
    int r = mmr_probe_load(pr);
    if (r)
        return r;
    r = mmr_probe_create(pr, NULL, &err);
    if (r)
        return mmr_probe_skip(pr, "no instance could be made: %s; give values with --set KEY=VALUE", err.text);
    if (!wants_start)
        return 0;
    r = mmr_runtime_start(pr->rt, &err);
    if (r) {
        mmr_probe_end(pr);
        return mmr_probe_skip(pr, "it would not start here: %s", err.text);
    }
    return 0;
}

void mmr_probe_end(struct mmr_probe *pr)
{
    mmr_runtime_free(pr->rt);
    pr->rt = NULL;
}

/* ---- letting it work ---- */

static void serve_fds(struct mmr_probe *pr, bool is_spurious, uint64_t which)
{
    struct pollfd pfd[PROBE_FDS_MAX];
    size_t n = pr->n_fds;
    if (n == 0 || !pr->p->on_fd)
        return;
    if (is_spurious) { /* as epoll may: ready, and yet nothing there */
        size_t i = (size_t)(which % n);
        pr->wrapped.on_fd(pr->self, pr->fds[i].fd, pr->fds[i].rw, pr->fds[i].cookie);
        return;
    }
    for (size_t i = 0; i < n; i++)
        pfd[i] = (struct pollfd){.fd = pr->fds[i].fd, .events = (short)((pr->fds[i].rw & MMR_FD_READ ? POLLIN : 0) |
                                                                        (pr->fds[i].rw & MMR_FD_WRITE ? POLLOUT : 0))};
    if (poll(pfd, n, 0) <= 0)
        return;
    for (size_t i = 0; i < n; i++) {
        unsigned rw = (pfd[i].revents & (POLLIN | POLLHUP | POLLERR) ? MMR_FD_READ : 0u) | (pfd[i].revents & POLLOUT ? MMR_FD_WRITE : 0u);
        for (size_t k = 0; rw && k < pr->n_fds; k++) /* an earlier call may have stopped it */
            if (pr->fds[k].fd == pfd[i].fd && (pr->fds[k].rw & rw)) {
                pr->wrapped.on_fd(pr->self, pfd[i].fd, pr->fds[k].rw & rw, pr->fds[k].cookie);
                break;
            }
    }
}

static void pass_time(struct mmr_probe *pr, struct mmr_probe_rng *rng, bool is_wild)
{
    static const int64_t spans_ms[] = {1, 20, 500, 1000, 5000, 60000, 3600000};
    int64_t span = spans_ms[mmr_rng_below(rng, is_wild ? sizeof spans_ms / sizeof spans_ms[0] : 5)];
    int64_t until = mmr_runtime_now_ns(pr->rt) + span * INT64_C(1000000), next;
    int fired = 0;
    for (; fired < TIMERS_MAX && (next = mmr_runtime_next_timer(pr->rt)) <= until; fired++)
        mmr_runtime_advance(pr->rt, next);
    if (fired < TIMERS_MAX) /* else a timer each millisecond would make a long step of it */
        mmr_runtime_advance(pr->rt, until);
}

static void reload(struct mmr_probe *pr, struct mmr_probe_rng *rng)
{
    struct mmr_error err = {.struct_size = sizeof err};
    uint8_t *packed = malloc(MMR_EVENT_BYTES_MAX);
    if (!packed)
        return;
    size_t len = mmr_probe_config(pr, rng, NULL, packed);
    if (mmr_runtime_prepare(pr->rt, 0, packed, len, &err) == 0 && mmr_rng_below(rng, 2))
        mmr_runtime_commit(pr->rt);
    else
        mmr_runtime_abort(pr->rt);
    free(packed);
}

static void again(struct mmr_probe *pr, struct mmr_probe_rng *rng)
{
    struct mmr_error err = {.struct_size = sizeof err};
    mmr_probe_end(pr);
    if (mmr_probe_create(pr, rng, &err) != 0 && mmr_probe_create(pr, NULL, &err) != 0)
        return;
    (void)mmr_runtime_start(pr->rt, &err);
}

static void step(struct mmr_probe *pr, struct mmr_probe_rng *rng, bool is_wild)
{
    const struct mmr_plugin *p = pr->p;
    struct mmr_error err = {.struct_size = sizeof err};
    char *doing = pr->report->doing;
    uint64_t dice = mmr_rng_below(rng, is_wild ? 100 : 70);
    (void)snprintf(doing, sizeof pr->report->doing, "%s", "time passes");
    if (dice < 12) {
        pass_time(pr, rng, is_wild);
    } else if (dice < 20) {
        (void)snprintf(doing, sizeof pr->report->doing, "descriptors");
        serve_fds(pr, false, 0);
    } else if (dice < 50 && p->analyzer) {
        mmr_probe_feed_event(pr, rng);
    } else if (dice < 60 && p->extension) {
        mmr_probe_feed_item(pr, rng);
    } else if (dice < 66 && p->responder) {
        mmr_probe_feed_order(pr, rng);
    } else if (dice < 70 && p->forwarder) {
        mmr_probe_feed_record(pr, rng);
    } else if (dice < 78) {
        (void)snprintf(doing, sizeof pr->report->doing, "a descriptor that is ready, and yet nothing there");
        serve_fds(pr, true, mmr_rng_next(rng));
    } else if (dice < 82 && p->on_wake) {
        (void)snprintf(doing, sizeof pr->report->doing, "on_wake() without a wake()");
        pr->wrapped.on_wake(pr->self);
    } else if (dice < 88) {
        pr->is_bus_full = !pr->is_bus_full;
    } else if (dice < 92 && p->reload_prepare) {
        (void)snprintf(doing, sizeof pr->report->doing, "reload with a random configuration");
        reload(pr, rng);
    } else if (dice < 96 && p->sensor) {
        (void)snprintf(doing, sizeof pr->report->doing, "stop and start");
        mmr_runtime_stop(pr->rt);
        if (mmr_runtime_start(pr->rt, &err) != 0)
            again(pr, rng);
    } else if (dice < 98) {
        (void)snprintf(doing, sizeof pr->report->doing, "a new instance with a random configuration");
        again(pr, rng);
    } else {
        pass_time(pr, rng, is_wild);
    }
}

void mmr_probe_drive(struct mmr_probe *pr, struct mmr_probe_rng *rng, uint32_t n, bool is_wild)
{
    int64_t stop_ns = pr->opts->limit_s ? mmr_clock_mono_ns() + pr->opts->limit_s * (MMR_NS_PER_S / 2) : INT64_MAX;
    for (uint32_t i = 0; i < n && pr->rt && !(pr->is_timed && pr->report->n); i++) { /* slow once is enough */
        if (mmr_clock_mono_ns() > stop_ns) /* one that compiles rules at each start gets fewer steps, not a failure */
            break;
        pr->report->step = i + 1;
        step(pr, rng, is_wild);
    }
    pr->is_bus_full = false;
}
