/*
 * eyes.c - who watches which machine, from what hosts and nodes do: begins and ends of gaps, kept in the store. A brain
 * that was killed knows on its return since when it heard nothing; hosts and agents that outlived it hold what they
 * saw, so nothing was missed when the same run of them is back.
 */
#include "brain/live.h"

#include "plugin/describe.h"
#include "util/clock.h"
#include "util/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SITE_LOST_S = 30, LOCAL_LOST_S = 10, SETTLE_S = 3, SETTLE_MAX_S = 60, ALIVE_EVERY_S = 30 };
#define KEY_PREFIX "watch.host."
#define KEY_ALIVE "watch.alive"
#define LINK "link" /* reasons: the way to the node, */
#define EYES "eyes" /* its process sensor, */
#define CORE "core" /* this brain was not there to see who is up */

static bool is_eye(const struct mmr_roster_instance *i)
{
    return i->is_used && i->side == MMR_SIDE_ENDPOINT && strstr(i->plugin, ".proc");
}

static bool has_eye(const struct mmr_roster_slot *s)
{
    for (uint32_t i = 0; s->instance && i < MMR_LOCAL_INSTANCES_MAX; i++)
        if (is_eye(&s->instance[i]))
            return true;
    return false;
}

static bool watches(const struct mmr_roster_slot *s)
{
    for (uint32_t i = 0; s->instance && i < MMR_LOCAL_INSTANCES_MAX; i++)
        if (s->instance[i].is_used && s->instance[i].side == MMR_SIDE_ENDPOINT && s->instance[i].caps & MMR_CAP_EP_DETECT)
            return true;
    return has_eye(s);
}

/* ---- this machine ---- */

void mmr_live_eyes_slot(struct mmr_live *l, uint32_t slot)
{
    const struct mmr_roster_slot *s = &l->roster.slot[slot];
    const int64_t now = mmr_clock_wall_ns();
    bool is_same = false;
    if (!s->is_up || !s->is_ready || !watches(s)) /* a new process says hello before its sensors run */
        return;
    if (has_eye(s)) {
        is_same = mmr_watch_up(l->watch, l->roster.hostname, l->started_wall_ns, now, s->epoch);
        mmr_watch_gap_end(l->watch, l->roster.hostname, CORE, now, !is_same);
    }
    mmr_watch_gap_end(l->watch, l->roster.hostname, s->host, now, !is_same);
}

void mmr_live_eyes_slot_gone(struct mmr_live *l, uint32_t slot, bool is_ended)
{
    const struct mmr_roster_slot *s = &l->roster.slot[slot];
    const int64_t now = mmr_clock_wall_ns();
    if (watches(s))
        mmr_watch_gap(l->watch, l->roster.hostname, s->host, MMR_BLIND_LOST, is_ended ? now : now - LOCAL_LOST_S * MMR_NS_PER_S);
}

void mmr_live_eyes_slot_lost(struct mmr_live *l, uint32_t slot, int64_t first_ns)
{
    if (watches(&l->roster.slot[slot]))
        mmr_watch_gap_add(l->watch, l->roster.hostname, MMR_BLIND_UNSENT, first_ns, mmr_clock_wall_ns());
}

/* ---- nodes ---- */

static bool is_on(const struct mmr_roster_node *n)
{
    return strstr(n->sensors, ".proc") != NULL;
}

void mmr_live_eyes_account(struct mmr_live *l, struct mmr_roster_node *n)
{
    const int64_t now = mmr_clock_wall_ns();
    if (!is_on(n)) {
        mmr_watch_gap(l->watch, n->hostname, EYES, MMR_BLIND_LOST, now);
        return;
    }
    const bool is_same = mmr_watch_up(l->watch, n->hostname, n->hello_ns, now, n->epoch);
    if (!n->settle_until_ns) { /* the first account of this connection: what the node kept comes now */
        n->is_same_run = is_same;
        n->settle_from_ns = now;
    }
    n->settle_until_ns = now + SETTLE_S * MMR_NS_PER_S;
    mmr_watch_gap_end(l->watch, n->hostname, EYES, now, true);
}

void mmr_live_eyes_node_gone(struct mmr_live *l, struct mmr_roster_node *n, bool is_bye)
{
    const int64_t now = mmr_clock_wall_ns();
    n->settle_until_ns = 0;
    mmr_watch_gap(l->watch, n->hostname, LINK, is_bye ? MMR_BLIND_OFF : MMR_BLIND_SILENT, is_bye ? now : now - SITE_LOST_S * MMR_NS_PER_S);
}

static bool names_a_watcher(const struct mmr_roster_node *n, const struct mmr_event_view *v)
{
    struct mmr_array_it it = {0};
    const char *p;
    size_t len;
    while (mmr_value_next(mmr_event_get(v, "unmapped.instances"), &it, &p, &len)) {
        char name[72];
        (void)snprintf(name, sizeof name, " %.*s ", (int)(len < 64 ? len : 64), p);
        if (strstr(n->eyes, name))
            return true;
    }
    return false;
}

void mmr_live_eyes_event(struct mmr_live *l, struct mmr_roster_node *n, uint32_t lane, const struct mmr_event_view *v)
{
    const struct mmr_value *k = mmr_event_get(v, "mamori.kind");
    const int64_t now = mmr_clock_wall_ns();
    char group[64];
    if (n->settle_until_ns && lane == MMR_LANE_FINDING && now - n->settle_from_ns < SETTLE_MAX_S * MMR_NS_PER_S)
        n->settle_until_ns = now + SETTLE_S * MMR_NS_PER_S;
    if (!n->hostname[0] || !mmr_event_copy_str(v, "unmapped.host", group, sizeof group) || !names_a_watcher(n, v))
        return;
    if (mmr_value_is(k, "sensor.lost"))
        mmr_watch_gap(l->watch, n->hostname, group, MMR_BLIND_LOST, mmr_event_get_int(v, "time", now));
    else if (mmr_value_is(k, "sensor.back"))
        mmr_watch_gap_end(l->watch, n->hostname, group, mmr_event_get_int(v, "time", now), true);
}

/* ---- time, and what outlives this process ---- */

static void keep_alive(struct mmr_live *l, int64_t now)
{
    struct mmr_error err = {.struct_size = sizeof err};
    if (now - l->alive_ns < ALIVE_EVERY_S * MMR_NS_PER_S && now >= l->alive_ns)
        return;
    l->alive_ns = now;
    (void)mmr_persist_state(l->persist, KEY_ALIVE, &now, sizeof now, &err);
}

void mmr_live_eyes_tick(struct mmr_live *l)
{
    const int64_t now = mmr_clock_wall_ns();
    for (size_t k = 0; k < l->roster.n_nodes; k++) {
        struct mmr_roster_node *n = &l->roster.nodes[k];
        const int64_t until = n->settle_until_ns;
        if (!until || (now < until && until - now < SETTLE_MAX_S * MMR_NS_PER_S)) /* far ahead: a clock was set back */
            continue;
        n->settle_until_ns = 0;
        mmr_watch_gap_end(l->watch, n->hostname, LINK, n->settle_from_ns, !n->is_same_run);
    }
    keep_alive(l, now);
    if (mmr_watch_take_news(l->watch))
        mmr_pipeline_reconsider(l->pipeline, now);
}

static void on_keep(void *ctx, const char *host, const void *packed, size_t len)
{
    struct mmr_live *l = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    char key[MMR_HOST_NAME_MAX + sizeof KEY_PREFIX];
    (void)snprintf(key, sizeof key, KEY_PREFIX "%s", host);
    if (mmr_persist_state(l->persist, key, packed, len, &err) != 0)
        mmr_log(MMR_LOG_ERR, "watch.not_kept", "host=%s reason=\"%s\"", host, err.text);
}

static void on_over(void *ctx, const char *host, const struct mmr_blind *g)
{
    static const char *const causes[] = { /* the standard's words; the link to a node is the membership's to tell */
        [MMR_BLIND_LOST] = "unknown", [MMR_BLIND_DROPPED] = "unknown", [MMR_BLIND_UNSENT] = "link", [MMR_BLIND_STARTING] = "power"};
    const char *cause = g->cause < sizeof causes / sizeof causes[0] ? causes[g->cause] : NULL;
    if (cause)
        mmr_weekly_gap(ctx, g->from_ns, g->to_ns, host, cause, false);
}

struct coming_back {
    struct mmr_live *l;
    int64_t alive_ns, now_ns;
};

static int restore_one(void *ctx, const char *key, const void *value, size_t len)
{
    struct coming_back *x = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    if (mmr_watch_restore(x->l->watch, key + strlen(KEY_PREFIX), value, len, x->now_ns, &err) != 0)
        mmr_log(MMR_LOG_ERR, "watch.not_restored", "host=%s reason=\"%s\"", key + strlen(KEY_PREFIX), err.text);
    return 0;
}

static void begin_gap(void *ctx, const char *host)
{
    const struct coming_back *x = ctx;
    char own[MMR_HOST_NAME_MAX];
    mmr_host_normalise(x->l->roster.hostname, own);
    const bool is_own = strcmp(own, host) == 0;
    mmr_watch_gap(x->l->watch, host, is_own ? CORE : LINK, is_own ? MMR_BLIND_STARTING : MMR_BLIND_SILENT, x->alive_ns);
}

int mmr_live_eyes_restore(struct mmr_live *l, struct mmr_error *err)
{
    const struct mmr_watch_ops ops = {.keep = on_keep, .over = on_over, .ctx = l};
    struct mmr_error none = {.struct_size = sizeof none};
    struct coming_back x = {.l = l, .now_ns = mmr_clock_wall_ns()};
    void *alive = NULL;
    size_t len = 0;
    l->watch = mmr_watch_new(&ops);
    if (!l->watch)
        return mmr_fail(err, MMR_ENOMEM, "watch: out of memory");
    l->started_wall_ns = x.alive_ns = x.now_ns;
    if (mmr_db_get(mmr_persist_db(l->persist), KEY_ALIVE, &alive, &len, &none) == 0 && len == sizeof x.alive_ns)
        memcpy(&x.alive_ns, alive, sizeof x.alive_ns);
    free(alive);
    if (x.alive_ns > x.now_ns)
        x.alive_ns = x.now_ns; /* the clock was set back */
    int r = mmr_db_each(mmr_persist_db(l->persist), KEY_PREFIX, restore_one, &x, err);
    if (!r)
        mmr_watch_each(l->watch, begin_gap, &x);
    return r;
}
