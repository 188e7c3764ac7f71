/* direct.c - see direct.h: start and loop. */
#include "upstream/direct.h"

#include "brain/site_conf.h"
#include "control/metrics_http.h"
#include "upstream/direct_internal.h"
#include "util/clock.h"
#include "util/log.h"
#include "plugin/loop.h"

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { PRESENCE_S = 60 };

static void on_bus(evutil_socket_t fd, short what, void *ctx)
{
    struct mmr_direct *d = ctx;
    (void)fd;
    (void)what;
    (void)mmr_bus_drain(d->bus);
    mmr_direct_pump(d);
}

static void on_pump(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    mmr_direct_pump(ctx);
}

static void on_second(evutil_socket_t fd, short what, void *ctx)
{
    struct mmr_direct *d = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    const int64_t now = mmr_clock_mono_ns();
    (void)fd;
    (void)what;
    if (mmr_direct_sites_changed(d)) {
        if (mmr_direct_sites_read(d, &err) != 0)
            mmr_log(MMR_LOG_ERR, "collector.sites_not_read", "reason=\"%s\" what=\"the list as it was before stays in force\"", err.text);
        else
            mmr_log(MMR_LOG_INFO, "collector.sites_read", "sites=%u", d->n_sites);
    }
    for (uint32_t i = 0; i < d->n_sites; i++)
        if (d->site[i].is_up && now - d->site[i].told_ns >= PRESENCE_S * MMR_NS_PER_S)
            mmr_direct_tell_presence(d, &d->site[i], "up");
    d->outlet->ops->work(d->outlet, now);
    mmr_direct_pump(d);
}

static void on_signal(evutil_socket_t number, short what, void *ctx)
{
    struct mmr_direct *d = ctx;
    (void)what;
    if (number != SIGHUP)
        (void)event_base_loopbreak(d->base);
}

static int open_hub(struct mmr_direct *d, struct mmr_error *err)
{
    const char *listen = mmr_config_str(d->config, "site.listen");
    struct mmr_keys keys;
    char bulk[128];
    if (!listen)
        return mmr_fail(err, MMR_ECONFIG, "site.listen is not set: where shall sites connect? As in 'site: {listen: tcp://192.0.2.1:7500}'");
    int r = mmr_site_port_endpoint(listen, 1, bulk, sizeof bulk, err);
    if (!r)
        r = mmr_site_read_keys(mmr_config_str(d->config, "node.state_dir"), &keys, err);
    if (r)
        return r;
    r = mmr_site_hub_new(d->bus, listen, bulk, &keys, &mmr_direct_hub_ops, d, NULL, &d->hub, err);
    mmr_keys_done(&keys);
    return r;
}

static int open_parts(struct mmr_direct *d, struct mmr_error *err)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    const struct timeval second = {.tv_sec = 1};
    struct mmr_outlet_sink sink = mmr_direct_sink;
    sink.ctx = d;
    if (!mmr_config_strv(d->config, "collector.engine").n)
        return mmr_fail(err, MMR_ECONFIG, "collector.sites is set, so that this collector keeps nothing itself, but collector.engine is not: where shall records go? As in"
                        " 'collector: {engine: [nats://192.0.2.10:4222], sites: /etc/mamori/sites}'");
    if (mmr_config_str(d->config, "collector.file"))
        return mmr_fail(err, MMR_ECONFIG, "collector.sites and collector.file are both set: a collector that keeps nothing writes no file; take one of them out");
    int r = mmr_bus_new(&d->bus, err);
    if (!r)
        r = open_hub(d, err);
    if (!r)
        r = mmr_direct_sites_read(d, err);
    if (r)
        return r;
    d->bus_event = event_new(d->base, mmr_bus_fd(d->bus), EV_READ | EV_PERSIST, on_bus, d);
    d->timer = event_new(d->base, -1, EV_PERSIST, on_second, d);
    d->pump_timer = event_new(d->base, -1, 0, on_pump, d);
    bool is_good = d->bus_event && d->timer && d->pump_timer && event_add(d->bus_event, NULL) == 0 && event_add(d->timer, &second) == 0;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0] && is_good; i++) {
        d->signal[i] = evsignal_new(d->base, numbers[i], on_signal, d);
        is_good = d->signal[i] && event_add(d->signal[i], NULL) == 0;
    }
    if (!is_good)
        return mmr_fail(err, MMR_ENOMEM, "collector: out of memory");
    r = mmr_outlet_program_open(d->base, d->config, &sink, &d->outlet, err);
    return r ? r : mmr_direct_measure_open(d, err);
}

static void release(struct mmr_direct *d)
{
    mmr_metrics_http_close(d->metrics);
    mmr_site_hub_free(d->hub);
    if (d->bus)
        mmr_bus_free(d->bus);
    if (d->outlet)
        d->outlet->ops->close(d->outlet);
    struct event *events[] = {d->bus_event, d->timer, d->pump_timer, d->signal[0], d->signal[1], d->signal[2]};
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
        if (events[i])
            event_free(events[i]);
    mmr_direct_queue_done(d);
    if (d->base)
        event_base_free(d->base);
    free(d->site);
    free(d);
}

int mmr_direct_run(const struct mmr_config *config, struct mmr_error *err)
{
    struct rlimit files;
    struct mmr_direct *d = calloc(1, sizeof *d);
    if (!d)
        return mmr_fail(err, MMR_ENOMEM, "collector: out of memory");
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max < 65536 ? files.rlim_max : 65536;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    d->config = config;
    d->started_ns = mmr_clock_mono_ns();
    d->base = mmr_loop_new();
    d->site = calloc(MMR_SITE_NODES_MAX, sizeof *d->site);
    int r = d->base && d->site ? open_parts(d, err) : mmr_fail(err, MMR_ENOMEM, "collector: out of memory");
    if (!r) {
        mmr_log(MMR_LOG_INFO, "collector.ready", "listen=%s sites=%u outlets=1 keeps=nothing", mmr_config_str(config, "site.listen"), d->n_sites);
        (void)event_base_dispatch(d->base);
        mmr_log(MMR_LOG_INFO, "collector.ended", "records=%llu refused=%llu dropped=%llu on_their_way=%u", (unsigned long long)d->records,
                (unsigned long long)d->refused, (unsigned long long)d->dropped, d->held);
    }
    release(d);
    return r;
}
