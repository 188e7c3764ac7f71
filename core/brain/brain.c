/*
 * brain.c - the brain process of a hub: start, loop, end. Everything it knows is on disk or comes again from the
 * hosts, so that it may be killed at any instant.
 */
#include "brain/brain.h"
#include "brain/listeners.h"

#include "brain/live.h"
#include "brain/membership.h"
#include "brain/uplink.h"
#include "plugin/loop.h"
#include "plugin/describe.h"
#include "plugin/sandbox.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/memory.h"
#include "util/scope.h"

#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { WORK_AT_ONCE = 256, RESPONDERS_MAX = 256, FORWARD_EVERY_MS = 2000, RECONCILE_AFTER_MS = 1500, SETTLED_AFTER_MS = 3000, LOST_AFTER_S = 30,
       CLOCK_SET_MS = 2000, TRIM_EVERY_S = 3600, DELIVERED_KEPT_DAYS = 30 };

/* ---- callbacks of the pipeline ---- */

static void on_incident(void *ctx, const struct mmr_incident *i, enum mmr_activity activity, unsigned change)
{
    struct mmr_live *l = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    if (mmr_persist_incident(l->persist, i, activity, change, mmr_clock_wall_ns(), &err) != 0)
        mmr_log(MMR_LOG_ERR, "incident.not_recorded", "id=%016llx reason=\"%s\"", (unsigned long long)i->id, err.text);
    mmr_notices_incident(l->notices, i, change);
    if (change & (MMR_CHANGE_CLASS | MMR_CHANGE_CONTAINED))
        mmr_log(i->class_current == MMR_CLASS_OF_SEVERE ? MMR_LOG_WARN : MMR_LOG_INFO, "incident.class",
                "id=%016llx class=%s band=%s row=%d evidence=%u actions=%u", (unsigned long long)i->id,
                mmr_class_name(i->class_current), mmr_band_name(i->band), i->row, i->n_evidence, i->n_actions);
}

/* A responder that went is lost only when it stays away: hosts are started again within seconds, and what is in the
 * kernel holds meanwhile (SERVICE_STANDARD SR-04: 30 s). */
static bool is_there(const struct mmr_live *l, bool is_up, int64_t down_ns)
{
    if (!is_up && !down_ns) /* not seen since our own start */
        return mmr_clock_mono_ns() - l->started_ns < LOST_AFTER_S * MMR_NS_PER_S;
    return is_up || mmr_clock_wall_ns() - down_ns < LOST_AFTER_S * MMR_NS_PER_S;
}

static struct mmr_responder_state on_responder_state(void *ctx, const struct mmr_action_rec *a)
{
    struct mmr_live *l = ctx;
    struct mmr_responder_state s = {.is_registered = true};
    uint32_t slot, index;
    if (a->node[0] == '\0' || strcmp(a->node, l->roster.node) == 0) {
        if (mmr_roster_find(&l->roster, a->instance, &slot, &index)) {
            s.is_healthy = is_there(l, l->roster.slot[slot].is_up, l->roster.slot[slot].down_ns);
            s.is_dry_run = l->roster.slot[slot].instance[index].is_dry_run;
        } else {
            s.is_healthy = is_there(l, false, 0);
        }
    } else {
        const struct mmr_roster_node *n = mmr_roster_node(&l->roster, a->node);
        s.is_healthy = n && is_there(l, n->is_up, n->down_ns);
    }
    return s;
}

static bool on_is_linked(void *ctx, const char *node, const char *instance)
{
    struct mmr_live *l = ctx;
    uint32_t slot, index;
    if (node[0] == '\0' || strcmp(node, l->roster.node) == 0)
        return mmr_roster_find(&l->roster, instance, &slot, &index) && (l->roster.slot[slot].instance[index].caps & MMR_CAP_EP_DEFEND_LINKED);
    const struct mmr_roster_node *n = mmr_roster_node(&l->roster, node);
    return n && (n->caps & MMR_CAP_EP_DEFEND_LINKED);
}

static bool on_window(void *ctx, const char *host, const struct mmr_addr *addr, int64_t from_ns, int64_t to_ns, struct mmr_window *ret)
{
    struct mmr_live *l = ctx;
    if (!host || !*host)
        host = mmr_resolve_host(mmr_pipeline_resolve(l->pipeline), addr);
    return host && mmr_watch_window(l->watch, host, from_ns, to_ns, ret);
}

static void on_lease(void *ctx, const struct mmr_action_rec *a)
{
    struct mmr_live *l = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    if (mmr_persist_lease(l->persist, a, &err) != 0)
        mmr_log(MMR_LOG_ERR, "lease.not_recorded", "id=%016llx reason=\"%s\"", (unsigned long long)a->id, err.text);
}

static size_t on_proofs(void *ctx, const struct mmr_incident *i, struct mmr_benign_proof *ret, size_t cap)
{
    const struct mmr_live *l = ctx;
    return mmr_allow_proofs(l->allow, i, mmr_clock_wall_ns(), ret, cap);
}

static bool on_suppress(void *ctx, const struct mmr_finding *f)
{
    const struct mmr_live *l = ctx;
    return mmr_allow_suppress(l->allow, f, mmr_clock_wall_ns());
}

/* ---- the loop ---- */

static void arm(struct mmr_live *l)
{
    int64_t wall = mmr_clock_wall_ns(), mono = mmr_clock_mono_ns();
    int64_t due = mmr_pipeline_next_due(l->pipeline);
    int64_t wait = due == INT64_MAX ? 3600 * MMR_NS_PER_S : due - wall;
    int64_t commit = mmr_persist_deadline(l->persist);
    if (commit != INT64_MAX && commit - mono < wait)
        wait = commit - mono;
    int64_t notices = mmr_notices_wait_ns(l->notices);
    if (notices < wait)
        wait = notices;
    if (wait < 0)
        wait = 0;
    const struct timeval tv = {.tv_sec = wait / MMR_NS_PER_S, .tv_usec = wait % MMR_NS_PER_S / 1000};
    (void)event_add(l->timer, &tv);
}

static bool has_unacknowledged(const struct mmr_live *l)
{
    for (uint32_t s = 0; s < MMR_LOCAL_SLOTS_MAX; s++)
        for (uint32_t lane = 0; lane < MMR_LANE_OTHER; lane++)
            if (l->roster.slot[s].has_epoch && l->roster.slot[s].upto[lane] != l->roster.slot[s].acked[lane])
                return true;
    for (size_t k = 0; k < l->roster.n_nodes; k++)
        for (uint32_t lane = 0; lane < MMR_LANES; lane++)
            if (l->roster.nodes[k].has_epoch && l->roster.nodes[k].upto[lane] != l->roster.nodes[k].acked[lane])
                return true;
    return false;
}

void mmr_live_end(struct mmr_live *l)
{
    l->is_exit = true;
    (void)event_base_loopbreak(l->base);
}

/* The batch is complete but for how far each sender was received. */
static void close_batch(struct mmr_live *l)
{
    struct mmr_error err = {.struct_size = sizeof err};
    bool is_over = mmr_persist_is_over(l->persist);
    if (!is_over && mmr_live_put_received(l, &err) != 0) {
        mmr_persist_failed(l->persist, &err);
        return;
    }
    if (mmr_persist_commit(l->persist, mmr_clock_wall_ns(), &err) != 0)
        return;
    if (is_over) {
        mmr_log(MMR_LOG_WARN, "brain.anew", "reason=\"the disk works again; everything that was not acknowledged is taken again\"");
        mmr_live_end(l);
        return;
    }
    mmr_live_acknowledge(l);
    mmr_notices_committed(l->notices);
    mmr_live_forward(l);
}

/* Commit when a batch is due; only what is durable is acknowledged. */
static void commit(struct mmr_live *l)
{
    struct mmr_error err = {.struct_size = sizeof err};
    int64_t now = mmr_clock_mono_ns();
    if (mmr_persist_health(l->persist)->is_failing) {
        if (now >= mmr_persist_deadline(l->persist) && mmr_persist_retry(l->persist, &err) == 0)
            close_batch(l);
        if (mmr_persist_health(l->persist)->is_failing)
            mmr_notices_despite(l->notices);
        return;
    }
    if (mmr_db_has_batch(mmr_persist_db(l->persist))) {
        if (mmr_persist_is_due(l->persist, now))
            close_batch(l);
    } else if (has_unacknowledged(l) && mmr_db_begin(mmr_persist_db(l->persist), &err) != 0) {
        mmr_persist_failed(l->persist, &err); /* begun: acknowledgements alone gather for a batch's time, too */
    }
}

void mmr_live_settle(struct mmr_live *l)
{
    struct mmr_error err = {.struct_size = sizeof err};
    int64_t now = mmr_clock_wall_ns();
    for (int round = 0; round < 8; round++) {
        bool has_more = mmr_pipeline_work(l->pipeline, now, WORK_AT_ONCE);
        uint32_t n = l->n_made_up;
        struct mmr_made_up made[MMR_LIVE_MADE_UP_MAX];
        memcpy(made, l->made_up, n * sizeof *made);
        l->n_made_up = 0;
        for (uint32_t i = 0; i < n; i++)
            (void)mmr_pipeline_receipt(l->pipeline, made[i].id, &made[i].receipt, now, &err);
        if (!has_more && n == 0)
            break;
    }
    mmr_notices_tick(l->notices);
    commit(l);
    arm(l);
}

/* Somebody, or a time server, set the clock: told, and what is to happen later keeps its distance. */
static void look_at_clock(struct mmr_live *l)
{
    const int64_t wall = mmr_clock_wall_ns(), apart = wall - mmr_clock_mono_ns(), by = apart - l->wall_minus_mono_ns;
    const bool is_first = l->wall_minus_mono_ns == 0;
    char json[120];
    struct mmr_error err = {.struct_size = sizeof err};
    if (!is_first && by < CLOCK_SET_MS * MMR_NS_PER_MS && by > -CLOCK_SET_MS * MMR_NS_PER_MS)
        return; /* slewed: it stays below what anything here waits for */
    l->wall_minus_mono_ns = apart;
    if (is_first)
        return;
    mmr_log(MMR_LOG_WARN, "clock.set", "by_s=%lld", (long long)(by / MMR_NS_PER_S));
    mmr_pipeline_clock_set(l->pipeline, by, wall);
    (void)snprintf(json, sizeof json, "{\"by_ms\":%lld}", (long long)(by / MMR_NS_PER_MS));
    (void)mmr_persist_note(l->persist, "clock.set", json, wall, &err);
}

static void on_bus(evutil_socket_t fd, short what, void *ctx)
{
    struct mmr_live *l = ctx;
    (void)fd;
    (void)what;
    look_at_clock(l);
    (void)mmr_bus_drain(l->bus);
    mmr_live_settle(l);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct mmr_live *l = ctx;
    (void)fd;
    (void)what;
    look_at_clock(l);
    mmr_pipeline_tick(l->pipeline, mmr_clock_wall_ns());
    mmr_live_settle(l);
}

/* The store would grow for ever: what every forwarder has handed over is kept a month, for who asks what became of it. */
static void trim(struct mmr_live *l)
{
    struct mmr_error err = {.struct_size = sizeof err};
    const int64_t now = mmr_clock_mono_ns();
    if (l->trimmed_ns && now - l->trimmed_ns < TRIM_EVERY_S * MMR_NS_PER_S)
        return;
    l->trimmed_ns = now;
    mmr_autofree char *wanted = mmr_live_forwarders(l);
    if (wanted && mmr_persist_trim(l->persist, wanted, mmr_clock_wall_ns() - DELIVERED_KEPT_DAYS * INT64_C(86400) * MMR_NS_PER_S, &err) != 0)
        mmr_log(MMR_LOG_ERR, "outbox.not_trimmed", "reason=\"%s\"", err.text);
}

static int restore_selftest(void *ctx, const char *key, const void *value, size_t len)
{
    struct mmr_live *l = ctx;
    if (!mmr_selftest_unpack(&l->selftest, value, len))
        mmr_log(MMR_LOG_WARN, "selftest.not_restored", "key=%s", key);
    return 0;
}

/* What came out, into the open batch; and into the evidence when it is another result, or once a day. */
static void keep_selftests(struct mmr_live *l)
{
    struct mmr_error err = {.struct_size = sizeof err};
    for (uint32_t i = 0; i < l->selftest.n; i++) {
        struct mmr_selftest_row *x = &l->selftest.row[i];
        char key[64];
        if (!x->is_news)
            continue;
        const bool is_noted = mmr_selftest_note(x);
        char *json = mmr_selftest_pack(x, key);
        x->is_news = !json || mmr_persist_state(l->persist, key, json, strlen(json), &err) != 0 ||
                     (is_noted && mmr_persist_note(l->persist, "selftest.result", json, mmr_clock_wall_ns(), &err) != 0);
        if (x->is_news)
            mmr_log(MMR_LOG_ERR, "selftest.not_kept", "reason=\"%s\"", json ? err.text : "out of memory");
        if (is_noted)
            mmr_log(x->result == MMR_SELFTEST_PASSED ? MMR_LOG_INFO : MMR_LOG_WARN, "selftest.result", "node=%s instance=%s what=\"%s\" result=%s detail=\"%s\"", x->node,
                    x->instance, x->what, mmr_selftest_result_name(x->result), x->detail);
        free(json);
    }
}

/* Has somebody become lost since the last look: was down for so long, or has not come since our start? */
static bool has_lost_someone(struct mmr_live *l)
{
    int64_t edge = mmr_clock_wall_ns() - LOST_AFTER_S * MMR_NS_PER_S, since = l->lost_edge_ns;
    int64_t up = mmr_clock_mono_ns() - l->started_ns;
    bool is_lost = !l->has_waited && up >= LOST_AFTER_S * MMR_NS_PER_S;
    l->has_waited |= is_lost;
    l->lost_edge_ns = edge;
    if (!l->is_settled && up > SETTLED_AFTER_MS * MMR_NS_PER_MS)
        l->is_settled = is_lost = true;
    for (uint32_t s = 0; s < MMR_LOCAL_SLOTS_MAX; s++)
        is_lost |= !l->roster.slot[s].is_up && l->roster.slot[s].down_ns > since && l->roster.slot[s].down_ns <= edge;
    for (size_t k = 0; k < l->roster.n_nodes; k++)
        is_lost |= !l->roster.nodes[k].is_up && l->roster.nodes[k].down_ns > since && l->roster.nodes[k].down_ns <= edge;
    return is_lost;
}

static void on_forward_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct mmr_live *l = ctx;
    (void)fd;
    (void)what;
    look_at_clock(l);
    for (uint32_t s = 0; s < MMR_LOCAL_SLOTS_MAX; s++) {
        struct mmr_roster_slot *x = &l->roster.slot[s];
        if (x->is_up && !x->is_reconciled && mmr_clock_wall_ns() - x->up_ns > RECONCILE_AFTER_MS * MMR_NS_PER_MS)
            mmr_live_reconcile(l, s); /* what was not acknowledged before has come again by now */
    }
    mmr_selftest_run(&l->selftest, &l->roster, mmr_live_try, l, mmr_clock_wall_ns());
    mmr_selftest_tick(&l->selftest, mmr_clock_wall_ns());
    keep_selftests(l);
    if (has_lost_someone(l))
        mmr_pipeline_reconsider(l->pipeline, mmr_clock_wall_ns());
    mmr_live_eyes_tick(l);
    mmr_live_known_tick(l);
    if (l->membership)
        mmr_membership_tick(l->membership);
    mmr_uplink_tick(l->uplink);
    mmr_covered_tick(l, &l->covered);
    mmr_weekly_tick(l->weekly, mmr_clock_wall_ns());
    trim(l);
    mmr_live_forward(l);
    mmr_live_settle(l);
    (void)mmr_loop_every(l->forward_timer, FORWARD_EVERY_MS);
}

void mmr_live_responders(struct mmr_live *l)
{
    struct mmr_error err = {.struct_size = sizeof err};
    uint32_t n = mmr_roster_responders(&l->roster, l->responders, RESPONDERS_MAX);
    if (mmr_pipeline_responders(l->pipeline, l->responders, n, &err) != 0)
        mmr_log(MMR_LOG_ERR, "responders.not_taken", "reason=\"%s\"", err.text);
}

/* ---- start ---- */

static void say(void *ctx, const char *line)
{
    (void)ctx;
    mmr_log(MMR_LOG_ERR, "config", "%s", line);
}

static int configure(struct mmr_live *l, const struct mmr_message *m, struct mmr_error *err)
{
    char dir[4096], over[8192];
    bool has_dir = mmr_event_copy_str(m->map, "dir", dir, sizeof dir), has_over = mmr_event_copy_str(m->map, "over", over, sizeof over);
    const struct mmr_instances none = {0};
    const struct mmr_pipeline_ops ops = {.incident = on_incident, .order = mmr_live_order, .responder_state = on_responder_state,
                                         .window = on_window, .is_linked = on_is_linked, .proofs = on_proofs,
                                         .suppress = on_suppress, .lease = on_lease, .part = mmr_live_part, .ctx = l};
    struct mmr_pipeline_config pc;
    int r = mmr_config_load_site(has_dir ? dir : NULL, has_over ? over : NULL, say, NULL, &l->config, err);
    if (!r)
        r = mmr_setup_new(l->config, &none, NULL, false, say, NULL, &l->setup, err);
    if (!r)
        r = mmr_roster_init(&l->roster, mmr_config_str(l->config, "node.name"), err);
    if (!r)
        l->roster.inside_crosses = mmr_config_bool(l->config, "defence.inside_crosses_gateway");
    if (!r)
        r = mmr_persist_open(mmr_config_str(l->config, "node.state_dir"), &l->persist, err);
    if (!r && mmr_value_is(mmr_event_get(m->map, "clock"), "sim"))
        r = mmr_live_simclock_start(l, err);
    if (!r)
        r = mmr_live_eyes_restore(l, err);
    if (!r)
        r = mmr_live_known_restore(l, err);
    if (!r)
        r = mmr_db_each(mmr_persist_db(l->persist), MMR_SELFTEST_STATE, restore_selftest, l, err);
    if (r)
        return r;
    mmr_setup_pipeline(l->config, &l->setup, &pc);
    r = mmr_notices_new(l, &l->notices, err);
    if (!r)
        r = mmr_weekly_new(l, &l->weekly, err);
    if (!r)
        r = mmr_pipeline_new(&pc, &ops, &l->pipeline, err);
    if (!r)
        r = mmr_stamper_init(&l->core_stamper, NULL, l->roster.node, "network", "org.mamori.core", "core", err);
    if (!r)
        r = mmr_bus_new(&l->bus, err);
    if (!r)
        r = mmr_local_server_new(l->bus, &mmr_live_local_ops, l, NULL, &l->server, err);
    if (!r)
        r = mmr_membership_open(l, &l->membership, err);
    if (r)
        return r;
    l->uplink = mmr_uplink_open(l);
    if ((r = mmr_live_parts_restore(l, err)) != 0)
        return r;
    int restored = mmr_persist_restore(l->persist, l->pipeline, mmr_clock_wall_ns(), err);
    if (restored > 0)
        mmr_log(MMR_LOG_INFO, "incidents.restored", "n=%d", restored);
    mmr_notices_restored(l->notices);
    l->bus_event = event_new(l->base, mmr_bus_fd(l->bus), EV_READ | EV_PERSIST, on_bus, l);
    l->timer = event_new(l->base, -1, 0, on_timer, l);
    l->forward_timer = evtimer_new(l->base, on_forward_timer, l);
    if (!l->bus_event || !l->timer || !l->forward_timer || event_add(l->bus_event, NULL) != 0 || mmr_loop_every(l->forward_timer, FORWARD_EVERY_MS) != 0)
        return mmr_fail(err, MMR_ENOMEM, "brain: out of memory");
    arm(l);
    return 0;
}

static int open_slot(struct mmr_live *l, const struct mmr_message *m, struct mmr_error *err)
{
    char host[64], endpoint[MMR_LOCAL_ENDPOINT_MAX + 1];
    uint32_t slot = (uint32_t)mmr_event_get_int(m->map, "slot", -1);
    if (m->tail_len != MMR_LOCAL_SECRET || !mmr_event_copy_str(m->map, "host", host, sizeof host) ||
        !mmr_event_copy_str(m->map, "endpoint", endpoint, sizeof endpoint))
        return mmr_fail(err, MMR_EBADMSG, "a slot without host, endpoint or secret");
    int r = mmr_roster_slot(&l->roster, slot, host, err);
    return r ? r : mmr_local_slot_open(l->server, slot, endpoint, m->tail, err);
}

static void on_message(void *ctx, const struct mmr_message *m)
{
    struct mmr_live *l = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    uint32_t slot;
    int r = 0;
    if (!l->pipeline && m->type != MMR_TELL_CONFIG)
        return;
    switch (m->type) {
    case MMR_TELL_CONFIG:
        if (l->pipeline)
            return;
        r = configure(l, m, &err);
        if (!r) {
            mmr_tether_ready(l->tether);
            mmr_memory_settle();
        }
        break;
    case MMR_TELL_SLOT: r = open_slot(l, m, &err); break;
    case MMR_TELL_INSTANCE:
        r = mmr_roster_instance(&l->roster, m->map, &err);
        slot = (uint32_t)mmr_event_get_int(m->map, "slot", 0);
        if (!r) {
            if (mmr_event_get_int(m->map, "left", 0) == 0)
                mmr_live_known(l, slot);
            mmr_live_eyes_slot(l, slot);
            if (l->roster.has_listeners)
                mmr_listeners_tell(&l->roster, l->server, MMR_LOCAL_SLOTS_MAX, "");
        }
        if (!r && l->roster.slot[slot].is_up)
            l->roster.slot[slot].up_ns = mmr_clock_wall_ns(); /* its host said hello before we knew what is in it */
        mmr_live_responders(l);
        if (!r && l->roster.slot[slot].is_up)
            mmr_pipeline_reconsider(l->pipeline, l->roster.slot[slot].up_ns);
        break;
    case MMR_TELL_DOWN:
        slot = (uint32_t)mmr_event_get_int(m->map, "slot", MMR_LOCAL_SLOTS_MAX);
        if (slot < MMR_LOCAL_SLOTS_MAX && l->roster.slot[slot].is_used) {
            mmr_live_local_ops.gone(l, slot, true);
            l->roster.slot[slot].is_up = l->roster.slot[slot].is_ready = false;
        }
        break;
    case MMR_TELL_FACT: mmr_live_fact(l, m->tail, m->tail_len); break;
    case MMR_TELL_REQUEST: mmr_live_request(l, m); return;
    default: return;
    }
    if (r) {
        mmr_log(MMR_LOG_ERR, "brain.cannot_run", "reason=\"%s\"", err.text);
        mmr_tether_refuse(l->tether, err.text);
        l->is_exit = true;
        (void)event_base_loopbreak(l->base);
        return;
    }
    if (l->pipeline)
        mmr_live_settle(l);
}

static void on_end(void *ctx)
{
    struct mmr_live *l = ctx;
    (void)event_base_loopbreak(l->base);
}

static void done(struct mmr_live *l)
{
    struct mmr_error err = {.struct_size = sizeof err};
    if (l->persist && !mmr_persist_is_over(l->persist) && mmr_persist_retry(l->persist, &err) == 0 &&
        mmr_live_put_received(l, &err) == 0 && mmr_persist_commit(l->persist, mmr_clock_wall_ns(), &err) == 0)
        mmr_live_acknowledge(l);
    if (l->bus_event)
        event_free(l->bus_event);
    if (l->timer)
        event_free(l->timer);
    if (l->forward_timer)
        event_free(l->forward_timer);
    mmr_uplink_close(l->uplink);
    mmr_membership_close(l->membership);
    mmr_local_server_free(l->server);
    if (l->bus)
        mmr_bus_free(l->bus);
    mmr_pipeline_free(l->pipeline);
    mmr_notices_free(l->notices);
    mmr_weekly_free(l->weekly);
    mmr_persist_close(l->persist);
    mmr_setup_done(&l->setup);
    mmr_config_free(l->config);
    mmr_roster_done(&l->roster);
    mmr_watch_free(l->watch);
    mmr_sights_free(l->sights);
    free(l->seats);
    free(l->allow);
    mmr_tether_free(l->tether);
    event_base_free(l->base);
    free(l->view);
    free(l->stamped);
    free(l->responders);
    free(l);
}

int mmr_brain_main(void)
{
    static const struct mmr_tether_ops ops = {.message = on_message, .end = on_end};
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_live *l = calloc(1, sizeof *l);
    int status = 0;
    if (!l)
        return 3;
    l->started_ns = mmr_clock_mono_ns();
    l->base = mmr_loop_new();
    l->view = calloc(1, sizeof *l->view);
    l->sights = mmr_sights_new();
    l->stamped = malloc(MMR_EVENT_BYTES_MAX + MMR_STAMP_EXTRA_MAX);
    l->responders = calloc(RESPONDERS_MAX, sizeof *l->responders);
    if (!l->base || !l->view || !l->stamped || !l->responders || !l->sights)
        status = 3;
    else if (mmr_sandbox_core(&err) != 0 || mmr_tether_new(l->base, &ops, l, &l->tether, &err) != 0) {
        (void)fprintf(stderr, "mamori brain: %s\n", err.text);
        status = 2;
    }
    if (status) {
        free(l->view);
        free(l->stamped);
        free(l->responders);
        mmr_sights_free(l->sights);
        if (l->base)
            event_base_free(l->base);
        free(l);
        return status;
    }
    (void)event_base_dispatch(l->base);
    status = l->is_exit ? 2 : 0;
    done(l);
    return status;
}
