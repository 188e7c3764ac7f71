/*
 * agent.c - the agent process of an endpoint: start, loop, end. It stamps and passes on; the hub decides. What a plugin host
 * was told is committed lies in the spool on disk, so that the agent may be killed at any instant, and the machine may.
 *
 * While the hub is gone leases are not renewed: responders end them by themselves, and the agent takes back what it still
 * knows of, so a lost hub fails open.
 */
#include "brain/agent.h"

#include "brain/brain.h"
#include "brain/listeners.h"
#include "config/sources.h"
#include "plugin/loop.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/memory.h"
#include "plugin/sandbox.h"

#include <event2/event.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMER_MS = 1000, REFRESH_S = 60, DROPS_S = 10 };

/* The node's account of itself, while somebody listens. */
static void give_account(struct mmr_agent *a)
{
    uint8_t *buf;
    size_t len;
    if (!a->is_account_due || !a->is_hub_up || !(buf = malloc(MMR_AGENT_ACCOUNT_MAX)))
        return;
    int r = mmr_roster_describe(&a->roster, buf, MMR_AGENT_ACCOUNT_MAX, &len);
    if (!r)
        r = mmr_agent_say(a, MMR_LANE_URGENT, "agent", MMR_LOCAL_CONTROL, 0, buf, len);
    if (r)
        mmr_log(MMR_LOG_ERR, "node.account", "code=%d", r);
    a->is_account_due = r == MMR_EAGAIN;
    free(buf);
}

/* ---- the loop ---- */

/* After anything: commit what is due, and be back when the rest is. */
static void settle(struct mmr_agent *a)
{
    if (!a->spool)
        return;
    mmr_agent_commit(a);
    int64_t due = mmr_spool_disk_deadline_ns(a->spool);
    if (due == INT64_MAX) {
        (void)event_del(a->commit_timer);
        return;
    }
    int64_t wait = due - mmr_clock_mono_ns();
    if (wait < 0)
        wait = 0;
    const struct timeval tv = {.tv_sec = wait / MMR_NS_PER_S, .tv_usec = wait % MMR_NS_PER_S / 1000};
    (void)event_add(a->commit_timer, &tv);
}

static void on_bus(evutil_socket_t fd, short what, void *ctx)
{
    struct mmr_agent *a = ctx;
    (void)fd;
    (void)what;
    (void)mmr_bus_drain(a->bus);
    mmr_agent_link_work(a);
    mmr_agent_unstall(a);
    mmr_agent_waited(a);
    give_account(a);
    settle(a);
}

static void on_commit_timer(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    settle(ctx);
}

/* Addresses come and go with the net this machine is in. */
static void refresh(struct mmr_agent *a)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_roster *now = calloc(1, sizeof *now);
    mmr_gate_refresh(a->gate);
    if (now && mmr_roster_init(now, a->roster.node, &err) == 0 && memcmp(now->addr, a->roster.addr, sizeof now->addr) != 0) {
        memcpy(a->roster.addr, now->addr, sizeof now->addr);
        a->is_account_due = true;
    }
    free(now);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct mmr_agent *a = ctx;
    (void)fd;
    (void)what;
    a->ticks++;
    mmr_agent_expire(a);
    mmr_agent_unstall(a);
    mmr_agent_waited(a);
    if (a->ticks % REFRESH_S == 0)
        refresh(a);
    if (a->ticks % DROPS_S == 0)
        mmr_agent_spool_drops(a);
    mmr_agent_link_work(a);
    give_account(a);
    settle(a);
    (void)mmr_loop_every(a->timer, TIMER_MS);
}

/* ---- start ---- */

static void say(void *ctx, const char *line)
{
    (void)ctx;
    mmr_log(MMR_LOG_ERR, "config", "%s", line);
}

static int configure(struct mmr_agent *a, const struct mmr_message *m, struct mmr_error *err)
{
    char dir[4096], over[8192];
    bool has_dir = mmr_event_copy_str(m->map, "dir", dir, sizeof dir), has_over = mmr_event_copy_str(m->map, "over", over, sizeof over);
    const struct mmr_instances none = {0};
    int r = mmr_config_load_site(has_dir ? dir : NULL, has_over ? over : NULL, say, NULL, &a->config, err);
    if (!r)
        r = mmr_setup_new(a->config, &none, NULL, false, say, NULL, &a->setup, err);
    if (!r)
        r = mmr_roster_init(&a->roster, mmr_config_str(a->config, "node.name"), err);
    if (!r)
        r = mmr_stamper_init(&a->core_stamper, NULL, a->roster.node, "endpoint", "org.mamori.core", "core", err);
    if (!r)
        r = mmr_bus_new(&a->bus, err);
    if (!r)
        r = mmr_local_server_new(a->bus, &mmr_agent_local_ops, a, NULL, &a->server, err);
    if (!r)
        r = mmr_agent_open_link(a, err);
    if (r)
        return r;
    a->bus_event = event_new(a->base, mmr_bus_fd(a->bus), EV_READ | EV_PERSIST, on_bus, a);
    a->timer = evtimer_new(a->base, on_timer, a);
    a->commit_timer = event_new(a->base, -1, 0, on_commit_timer, a);
    if (!a->bus_event || !a->timer || !a->commit_timer || event_add(a->bus_event, NULL) != 0 || mmr_loop_every(a->timer, TIMER_MS) != 0)
        return mmr_fail(err, MMR_ENOMEM, "agent: out of memory");
    mmr_log(MMR_LOG_INFO, "node.ready", "node=%s hub=%s", a->roster.node, mmr_config_str(a->config, "site.hub"));
    return 0;
}

static int open_slot(struct mmr_agent *a, const struct mmr_message *m, struct mmr_error *err)
{
    char host[64], endpoint[MMR_LOCAL_ENDPOINT_MAX + 1];
    uint32_t slot = (uint32_t)mmr_event_get_int(m->map, "slot", -1);
    if (m->tail_len != MMR_LOCAL_SECRET || !mmr_event_copy_str(m->map, "host", host, sizeof host) ||
        !mmr_event_copy_str(m->map, "endpoint", endpoint, sizeof endpoint))
        return mmr_fail(err, MMR_EBADMSG, "a slot without host, endpoint or secret");
    int r = mmr_roster_slot(&a->roster, slot, host, err);
    if (!r)
        r = mmr_local_slot_open(a->server, slot, endpoint, m->tail, err);
    if (r)
        return r;
    memcpy(a->endpoint[slot], endpoint, sizeof endpoint);
    memcpy(a->secret[slot], m->tail, MMR_LOCAL_SECRET);
    return 0;
}

static int take(struct mmr_agent *a, const struct mmr_message *m, struct mmr_error *err)
{
    uint32_t slot;
    int r = 0;
    switch (m->type) {
    case MMR_TELL_CONFIG:
        if (a->link)
            return 0;
        r = configure(a, m, err);
        if (!r) {
            mmr_tether_ready(a->tether);
            mmr_memory_settle();
        }
        return r;
    case MMR_TELL_SLOT: return open_slot(a, m, err);
    case MMR_TELL_INSTANCE:
        a->is_account_due = true;
        r = mmr_roster_instance(&a->roster, m->map, err);
        if (r == 0 && mmr_event_get_int(m->map, "left", 0) == 0)
            mmr_agent_known(a, (uint32_t)mmr_event_get_int(m->map, "slot", 0));
        if (r == 0 && a->roster.has_listeners)
            mmr_listeners_tell(&a->roster, a->server, MMR_LOCAL_SLOTS_MAX, "");
        return r;
    case MMR_TELL_DOWN:
        slot = (uint32_t)mmr_event_get_int(m->map, "slot", MMR_LOCAL_SLOTS_MAX);
        if (slot < MMR_LOCAL_SLOTS_MAX && a->roster.slot[slot].is_used) {
            mmr_agent_local_ops.gone(a, slot, false);
            a->roster.slot[slot].is_ready = false;
        }
        return 0;
    case MMR_TELL_FACT: mmr_agent_fact(a, m->tail, m->tail_len); return 0;
    case MMR_TELL_REQUEST: mmr_agent_request(a, m); return 0;
    default: return 0;
    }
}

static void on_message(void *ctx, const struct mmr_message *m)
{
    struct mmr_agent *a = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    if (!a->link && m->type != MMR_TELL_CONFIG)
        return;
    if (take(a, m, &err) == 0) {
        mmr_agent_waited(a);
        give_account(a);
        settle(a);
        return;
    }
    mmr_log(MMR_LOG_ERR, "agent.cannot_run", "reason=\"%s\"", err.text);
    mmr_tether_refuse(a->tether, err.text);
    a->is_exit = true;
    (void)event_base_loopbreak(a->base);
}

static void on_end(void *ctx)
{
    struct mmr_agent *a = ctx;
    (void)event_base_loopbreak(a->base);
}

static void release(struct mmr_agent *a)
{
    if (a->bus_event)
        event_free(a->bus_event);
    if (a->timer)
        event_free(a->timer);
    if (a->commit_timer)
        event_free(a->commit_timer);
    if (a->spool && a->link)
        mmr_agent_commit(a);
    mmr_site_node_free(a->link);
    mmr_local_server_free(a->server);
    if (a->bus)
        mmr_bus_free(a->bus);
    mmr_spool_disk_close(a->spool);
    mmr_keys_done(&a->next);
    mmr_gate_free(a->gate);
    mmr_setup_done(&a->setup);
    mmr_config_free(a->config);
    mmr_roster_done(&a->roster);
    mmr_tether_free(a->tether);
    for (size_t i = 0; i < MMR_AGENT_ACTS_MAX; i++)
        free(a->act[i].map);
    mmr_agent_waiting_free(a);
    if (a->base)
        event_base_free(a->base);
    free(a->view);
    free(a->stamped);
    explicit_bzero(a->secret, sizeof a->secret);
    free(a);
}

int mmr_agent_main(void)
{
    static const struct mmr_tether_ops ops = {.message = on_message, .end = on_end};
    struct mmr_error err = {.struct_size = sizeof err};
    mmr_memory_begin();
    struct mmr_agent *a = calloc(1, sizeof *a);
    if (!a)
        return 3;
    a->base = mmr_loop_new();
    a->view = calloc(1, sizeof *a->view);
    a->stamped = malloc(MMR_EVENT_BYTES_MAX + MMR_STAMP_EXTRA_MAX);
    int status = a->base && a->view && a->stamped ? 0 : 3;
    if (!status && (mmr_sandbox_core(&err) != 0 || mmr_tether_new(a->base, &ops, a, &a->tether, &err) != 0)) {
        (void)fprintf(stderr, "mamori agent: %s\n", err.text);
        status = 2;
    }
    if (!status) {
        (void)event_base_dispatch(a->base);
        status = a->is_exit ? 2 : 0;
    }
    release(a);
    return status;
}
