/*
 * collector.c - see collector.h: start, loop, outlets. Everything it knows is in the store or comes again from the sites, so it may be
 * killed at any instant. A record is acknowledged after its commit and handed to the outlets from the store.
 */
#include "upstream/collector.h"

#include "control/metrics_http.h"
#include "upstream/collector_internal.h"
#include "upstream/record.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/scope.h"
#include "plugin/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_FILE "collector.lock"
enum { ROUND_MAX = 256, TRIM_EVERY_S = 3600, DONE_KEPT_S = 24 * 3600 };

void mmr_collector_fail(struct mmr_collector *c, const struct mmr_error *err)
{
    if (c->is_broken)
        return;
    c->is_broken = true;
    c->failure = *err;
    mmr_log(MMR_LOG_ERR, "collector.store_failed", "reason=\"%s\" what=\"ends; nothing that was not committed was acknowledged\"", err->text);
    (void)event_base_loopbreak(c->base);
}

/* ---- outlets ---- */

/* An engine tells when it likes: what it told is committed with the next batch. */
static void be_back(struct mmr_collector *c)
{
    const struct timeval soon = {.tv_usec = 5000};
    if (c->commit_timer && !event_pending(c->commit_timer, EV_TIMEOUT, NULL))
        (void)event_add(c->commit_timer, &soon);
}

static void on_ready(void *ctx, struct mmr_outlet *o)
{
    (void)o;
    be_back(ctx);
}

static void on_done(void *ctx, struct mmr_outlet *o, uint64_t seq)
{
    struct mmr_collector *c = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    if (mmr_store_outbox_level(c->db, o->ops->name, seq, MMR_DELIVERY_GATEWAY, mmr_clock_wall_ns(), "", &err) != 0)
        mmr_collector_fail(c, &err);
    be_back(c);
}

static void on_never(void *ctx, struct mmr_outlet *o, uint64_t seq, const char *why)
{
    struct mmr_collector *c = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    mmr_log(MMR_LOG_ERR, "outlet.refused", "outlet=%s row=%llu reason=\"%s\"", o->ops->name, (unsigned long long)seq, why);
    if (mmr_store_outbox_level(c->db, o->ops->name, seq, MMR_DELIVERY_FAILED, mmr_clock_wall_ns(), why, &err) != 0)
        mmr_collector_fail(c, &err);
    be_back(c);
}

struct round {
    struct mmr_outlet *o;
    uint32_t n;
};

static int offer(void *ctx, const struct mmr_outbox_row *row)
{
    struct round *x = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_engine_record rec;
    char site[MMR_COLLECTED_SITE_MAX + 1];
    mmr_record_of_row(row, site, &rec);
    int r = x->o->ops->submit(x->o, &rec, &err);
    if (r < 0 && r != MMR_EAGAIN)
        mmr_log(MMR_LOG_ERR, "outlet.failing", "outlet=%s reason=\"%s\"", x->o->ops->name, err.text);
    x->n += r == 0;
    return r < 0 ? 1 : 0;
}

/* What is committed goes out, urgent first; what is told done is in the next batch. Returns whether there may be more. */
static bool pump(struct mmr_collector *c)
{
    bool has_more = false;
    for (uint32_t i = 0; i < c->n_outlets && !c->is_broken; i++) {
        struct mmr_error err = {.struct_size = sizeof err};
        struct round x = {.o = c->outlet[i]};
        if (mmr_store_outbox_pending(c->db, x.o->ops->name, ROUND_MAX, offer, &x, &err) < 0)
            mmr_log(MMR_LOG_ERR, "outlet.failing", "outlet=%s reason=\"%s\"", x.o->ops->name, err.text);
        if (x.n && x.o->ops->settle(x.o, &err) != 0)
            mmr_log(MMR_LOG_ERR, "outlet.failing", "outlet=%s reason=\"%s\"", x.o->ops->name, err.text);
        has_more |= x.n == ROUND_MAX;
    }
    return has_more;
}

/* ---- the loop ---- */

static bool commit(struct mmr_collector *c)
{
    struct mmr_error err = {.struct_size = sizeof err};
    if (c->is_broken || mmr_collector_put_received(c, &err) != 0 || mmr_db_commit(c->db, &err) != 0) {
        mmr_collector_fail(c, &err);
        return false;
    }
    mmr_collector_acknowledge(c);
    return true;
}

/* Commit when a batch is due, then hand on; be back when the rest is due. */
static void settle(struct mmr_collector *c)
{
    bool has_more = false;
    if (mmr_db_is_due(c->db, mmr_clock_mono_ns()) && commit(c))
        has_more = pump(c);
    int64_t due = mmr_db_deadline_ns(c->db), wait = due == INT64_MAX ? 0 : due - mmr_clock_mono_ns();
    if (c->is_broken || (due == INT64_MAX && !has_more))
        return;
    if (wait < 0 || has_more)
        wait = 0;
    const struct timeval tv = {.tv_sec = wait / MMR_NS_PER_S, .tv_usec = wait % MMR_NS_PER_S / 1000};
    (void)event_add(c->commit_timer, &tv);
}

static void on_bus(evutil_socket_t fd, short what, void *ctx)
{
    struct mmr_collector *c = ctx;
    (void)fd;
    (void)what;
    (void)mmr_bus_drain(c->bus);
    settle(c);
}

static void on_commit_timer(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    settle(ctx);
}

static void trim(struct mmr_collector *c)
{
    struct mmr_error err = {.struct_size = sizeof err};
    const int64_t mono = mmr_clock_mono_ns(), wall = mmr_clock_wall_ns();
    if (c->trimmed_ns && mono - c->trimmed_ns < TRIM_EVERY_S * MMR_NS_PER_S)
        return;
    c->trimmed_ns = mono;
    char wanted[128] = "";
    for (size_t i = 0, n = 0; i < c->n_outlets; i++)
        n += (size_t)snprintf(wanted + n, sizeof wanted - n, "%s\n", c->outlet[i]->ops->name);
    if (mmr_collected_trim(c->db, wanted, wall - DONE_KEPT_S * MMR_NS_PER_S, wall - mmr_config_int(c->config, "collector.keep") * MMR_NS_PER_MS, &err) != 0)
        mmr_collector_fail(c, &err);
}

/* Between two batches: what is committed is acknowledged under the old key, what is not comes again under the new one. */
static void switch_keys(struct mmr_collector *c)
{
    struct mmr_error err = {.struct_size = sizeof err};
    if (!c->is_broken && commit(c) && mmr_collector_keys_switch(c, &err) != 0)
        mmr_collector_fail(c, &err);
}

static void on_second(evutil_socket_t fd, short what, void *ctx)
{
    struct mmr_collector *c = ctx;
    (void)fd;
    (void)what;
    mmr_collector_keys_tick(c);
    if (c->is_switch_due)
        switch_keys(c);
    if (c->is_broken)
        return;
    mmr_collector_members_tick(c);
    trim(c);
    for (uint32_t i = 0; i < c->n_outlets; i++)
        if (c->outlet[i]->ops->work)
            c->outlet[i]->ops->work(c->outlet[i], mmr_clock_mono_ns());
    if (!c->is_broken && !mmr_db_has_batch(c->db))
        (void)pump(c); /* what an outlet did not take before */
    settle(c);
}

static void on_signal(evutil_socket_t number, short what, void *ctx)
{
    struct mmr_collector *c = ctx;
    (void)what;
    if (number != SIGHUP) {
        (void)event_base_loopbreak(c->base);
        return;
    }
    for (uint32_t i = 0; i < c->n_outlets; i++)
        if (c->outlet[i]->ops->reopen)
            c->outlet[i]->ops->reopen(c->outlet[i]);
}

/* ---- start and end ---- */

static int lock_of(const char *state_dir, bool is_made, struct mmr_error *err)
{
    char path[4200];
    (void)snprintf(path, sizeof path, "%s/" LOCK_FILE, state_dir);
    if (is_made && mkdir(state_dir, 0700) != 0 && errno != EEXIST)
        return mmr_fail(err, MMR_EIO, "node.state_dir '%.200s': %s", state_dir, strerror(errno));
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (is_made ? O_CREAT : 0), 0600);
    if (fd < 0)
        return mmr_fail(err, MMR_EIO, "'%.200s': %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    (void)close(fd);
    return mmr_fail(err, MMR_EPERM, "a collector runs over '%.200s' already", state_dir);
}

bool mmr_collector_is_folder(const char *state_dir)
{
    char path[4200];
    (void)snprintf(path, sizeof path, "%s/" LOCK_FILE, state_dir);
    return access(path, F_OK) == 0;
}

bool mmr_collector_is_running(const char *state_dir)
{
    struct mmr_error err = {.struct_size = sizeof err};
    mmr_autoclose int fd = lock_of(state_dir, false, &err);
    return fd == MMR_EPERM;
}

static int add_outlet(struct mmr_collector *c, struct mmr_outlet *o, struct mmr_error *err)
{
    c->outlet[c->n_outlets++] = o;
    int r = mmr_store_outbox_register(c->db, o->ops->name, true, err);
    return r ? r : mmr_db_commit(c->db, err);
}

static int open_outlets(struct mmr_collector *c, struct mmr_error *err)
{
    const struct mmr_outlet_sink sink = {.done = on_done, .never = on_never, .ready = on_ready, .ctx = c};
    const char *file = mmr_config_str(c->config, "collector.file");
    struct mmr_outlet *o;
    int r = 0;
    if (file && (r = mmr_outlet_file_open(file, c->db, &sink, &o, err)) == 0)
        r = add_outlet(c, o, err);
    if (!r && mmr_config_strv(c->config, "collector.engine").n && (r = mmr_outlet_program_open(c->base, c->config, &sink, &o, err)) == 0)
        r = add_outlet(c, o, err);
    if (!r && c->n_outlets == 0)
        mmr_log(MMR_LOG_WARN, "collector.no_outlet", "what=\"neither collector.file nor collector.engine is set: records are kept, nothing is handed on\"");
    return r;
}

static int open_parts(struct mmr_collector *c, struct mmr_error *err)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    const struct timeval second = {.tv_sec = 1};
    int r = mmr_db_open(c->state_dir, MMR_DB_CREATE, &c->db, err);
    if (!r)
        r = mmr_collected_open(c->db, err);
    if (!r)
        r = open_outlets(c, err);
    if (!r)
        r = mmr_bus_new(&c->bus, err);
    if (!r)
        r = mmr_collector_members_open(c, err);
    if (!r)
        r = mmr_collector_measure_open(c, err);
    if (r)
        return r;
    c->bus_event = event_new(c->base, mmr_bus_fd(c->bus), EV_READ | EV_PERSIST, on_bus, c);
    c->timer = event_new(c->base, -1, EV_PERSIST, on_second, c);
    c->commit_timer = event_new(c->base, -1, 0, on_commit_timer, c);
    bool is_good = c->bus_event && c->timer && c->commit_timer && event_add(c->bus_event, NULL) == 0 && event_add(c->timer, &second) == 0;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0] && is_good; i++) {
        c->signal[i] = evsignal_new(c->base, numbers[i], on_signal, c);
        is_good = c->signal[i] && event_add(c->signal[i], NULL) == 0;
    }
    mmr_collector_control_open(c);
    return is_good ? 0 : mmr_fail(err, MMR_ENOMEM, "collector: out of memory");
}

static void release(struct mmr_collector *c)
{
    mmr_metrics_http_close(c->metrics);
    mmr_collector_control_close(c);
    mmr_collector_members_close(c);
    if (c->bus)
        mmr_bus_free(c->bus);
    for (uint32_t i = 0; i < c->n_outlets; i++)
        c->outlet[i]->ops->close(c->outlet[i]);
    mmr_db_close(c->db);
    struct event *events[] = {c->bus_event, c->timer, c->commit_timer, c->signal[0], c->signal[1], c->signal[2]};
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
        if (events[i])
            event_free(events[i]);
    if (c->base)
        event_base_free(c->base);
    free(c->site);
    free(c);
}

int mmr_collector_run(const struct mmr_config *config, struct mmr_error *err)
{
    struct mmr_collector *c = calloc(1, sizeof *c);
    if (!c)
        return mmr_fail(err, MMR_ENOMEM, "collector: out of memory");
    c->config = config;
    c->state_dir = mmr_config_str(config, "node.state_dir");
    c->is_automatic = strcmp(mmr_config_str(config, "site.approve"), "auto") == 0;
    c->silent_after_ns = mmr_config_int(config, "collector.silent_after") * MMR_NS_PER_MS;
    c->started_ns = mmr_clock_wall_ns();
    c->base = mmr_loop_new();
    c->site = calloc(MMR_SITE_NODES_MAX, sizeof *c->site);
    c->failure.struct_size = sizeof c->failure;
    mmr_autoclose int lock = lock_of(c->state_dir, true, err);
    int r = lock < 0 ? lock : c->base && c->site ? open_parts(c, err) : mmr_fail(err, MMR_ENOMEM, "collector: out of memory");
    if (!r) {
        mmr_log(MMR_LOG_INFO, "collector.ready", "listen=%s sites=%u outlets=%u", mmr_config_str(config, "site.listen"), c->n_sites, c->n_outlets);
        (void)event_base_dispatch(c->base);
        if (!c->is_broken && commit(c))
            (void)pump(c);
        if (!c->is_broken)
            (void)commit(c);
        if (c->is_broken)
            r = mmr_fail(err, MMR_EIO, "%s", c->failure.text);
        mmr_log(MMR_LOG_INFO, "collector.ended", "records=%llu repeated=%llu refused=%llu", (unsigned long long)c->records,
                (unsigned long long)c->repeated, (unsigned long long)c->refused);
    }
    release(c);
    return r;
}
