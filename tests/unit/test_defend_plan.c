/*
 * test_defend_plan.c - from findings to needs, orders, receipts and D, on stories of made-up
 * documentation addresses; what is expected is worked out from SERVICE_STANDARD 3.3.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "defend/lease.h"
#include "defend/plan.h"
#include "util/clock.h"

#include <stdlib.h>
#include <string.h>

#define S MMR_NS_PER_S
enum { FINDINGS = 8 };

struct story {
    struct mmr_incident i;
    struct mmr_evidence ev[FINDINGS];
    struct mmr_finding f[FINDINGS];
    struct mmr_host_ref hosts[4];
};

static struct mmr_addr addr(const char *text)
{
    struct mmr_addr a;
    assert_true(mmr_addr_parse(text, strlen(text), &a));
    return a;
}

static struct mmr_cidr one(const char *text)
{
    return (struct mmr_cidr){.addr = addr(text), .bits = 128};
}

static struct story *story_new(void)
{
    struct story *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->i.id = 42;
    s->i.evidence = s->ev;
    s->i.hosts = s->hosts;
    return s;
}

static void story_free(struct story *s)
{
    free(s->i.actions);
    free(s);
}

static struct mmr_finding *add(struct story *s, enum mmr_phase phase, enum mmr_side side,
                               const char *src, const char *dst)
{
    struct mmr_finding *f = &s->f[s->i.n_evidence];
    *f = (struct mmr_finding){.kind = "finding",
                              .phase = phase,
                              .side = side,
                              .potential = MMR_POTENTIAL_HIGH,
                              .rule = "r",
                              .title = "t",
                              .time_ns = 1000 * S};
    if (src)
        f->src = addr(src);
    if (dst)
        f->dst = addr(dst);
    s->ev[s->i.n_evidence++] = (struct mmr_evidence){.finding = f, .count = 1, .last_ns = 1000 * S};
    s->i.last_ns = 1000 * S;
    return f;
}

static struct mmr_finding *add_process(struct story *s, const char *host, int64_t pid,
                                       const char *path)
{
    struct mmr_finding *f = add(s, MMR_PHASE_FOOTHOLD_PROCESS, MMR_SIDE_ENDPOINT, NULL, NULL);
    f->host = host;
    f->process = (struct mmr_process){.pid = pid, .start_ticks = 5, .path = path, .name = NULL};
    return f;
}

#define NET_VERBS \
    (1u << MMR_VERB_BLOCK_ADDR | 1u << MMR_VERB_ISOLATE_HOST | 1u << MMR_VERB_BLOCK_NAME)
#define EP_VERBS                                                                                \
    (1u << MMR_VERB_BLOCK_ADDR | 1u << MMR_VERB_KILL_PROCESS | 1u << MMR_VERB_QUARANTINE_FILE | \
     1u << MMR_VERB_REMOVE_AUTOSTART | 1u << MMR_VERB_ISOLATE_HOST | 1u << MMR_VERB_LOCK_ACCOUNT)

static const struct mmr_responder both[2] = {
    {.node = "gw",
     .instance = "nft",
     .side = MMR_SIDE_NETWORK,
     .verbs = NET_VERBS,
     .is_healthy = true,
     .sees_inside = true},
    {.node = "pc1",
     .instance = "contain",
     .side = MMR_SIDE_ENDPOINT,
     .verbs = EP_VERBS,
     .host = "PC1",
     .is_healthy = true},
};

static struct mmr_plan_env env_of(const struct mmr_responder *r, uint32_t n)
{
    struct mmr_plan_env e = {.responder = r, .n_responder = n};
    mmr_policy_default(&e.policy);
    e.policy.mode = MMR_AUTO_AGREED;
    e.policy.agreed_verbs = UINT32_MAX;
    return e;
}

static struct mmr_plan *plan(const struct mmr_plan_env *e, struct story *s, int64_t now)
{
    struct mmr_plan *p = calloc(1, sizeof *p);
    assert_non_null(p);
    mmr_plan_incident(e, &s->i, now, p);
    (void)mmr_plan_apply(&s->i, p);
    return p;
}

static const struct mmr_action_rec *find(const struct story *s, enum mmr_verb v, enum mmr_side side)
{
    for (uint32_t k = 0; k < s->i.n_actions; k++)
        if (s->i.actions[k].verb == v && s->i.actions[k].side == side)
            return &s->i.actions[k];
    return NULL;
}

static struct mmr_receipt proved(int64_t now)
{
    return (struct mmr_receipt){.result = MMR_RESULT_APPLIED,
                                .verified = MMR_VERIFIED_CONFIRMED,
                                .method = "readback",
                                .applied_ns = now,
                                .verified_ns = now};
}

static void prove_all(struct story *s, int64_t now)
{
    const struct mmr_receipt r = proved(now);
    for (uint32_t k = 0; k < s->i.n_actions; k++)
        if (s->i.actions[k].state == MMR_STATE_ORDERED)
            assert_true(mmr_action_take_receipt(&s->i.actions[k], &r, now));
}

static enum mmr_defence d_of(const struct story *s, int64_t now)
{
    struct mmr_defence_view v;
    mmr_defence_of(&s->i, NULL, NULL, NULL, false, now, &v);
    return v.d;
}

static void an_outside_attacker_is_denied_at_the_gateway_and_proof_counts(void **state)
{
    (void)state;
    struct story *s = story_new();
    struct mmr_plan_env e = env_of(both, 2);
    add(s, MMR_PHASE_ATTEMPT_INBOUND, MMR_SIDE_NETWORK, "198.51.100.6", "192.168.2.5")->dst_port =
        22;
    assert_int_equal(d_of(s, 0), MMR_D_NONE);
    struct mmr_plan *p = plan(&e, s, S);
    assert_int_equal(p->n, 1);
    assert_int_equal(s->i.actions[0].verb, MMR_VERB_BLOCK_ADDR);
    assert_int_equal(s->i.actions[0].side, MMR_SIDE_NETWORK);
    assert_int_equal(s->i.actions[0].state, MMR_STATE_ORDERED);
    assert_true(s->i.actions[0].ttl_ms > 0);
    assert_true(mmr_addr_equal(&s->i.actions[0].target.addr.addr, &s->f[0].src));
    assert_int_equal(d_of(s, S), MMR_D_IN_PROGRESS);
    free(p);
    p = plan(&e, s, 2 * S); /* no news: nothing new */
    assert_int_equal(p->n, 0);
    struct mmr_receipt r = {.result = MMR_RESULT_APPLIED, .verified = MMR_VERIFIED_NONE};
    assert_true(mmr_action_take_receipt(&s->i.actions[0], &r, 2 * S));
    assert_int_equal(d_of(s, 2 * S), MMR_D_UNVERIFIED); /* its own "ok" is no proof */
    r = proved(3 * S);
    assert_true(mmr_action_take_receipt(&s->i.actions[0], &r, 3 * S));
    assert_int_equal(d_of(s, 3 * S), MMR_D_VERIFIED);
    assert_int_equal(d_of(s, 3 * S + 3601 * S),
                     MMR_D_LAPSED); /* lease ran out, threat not shown over */
    r.verified = MMR_VERIFIED_REFUTED;
    r.verified_ns = 4 * S;
    assert_true(mmr_action_take_receipt(&s->i.actions[0], &r, 4 * S));
    assert_int_equal(d_of(s, 4 * S), MMR_D_LAPSED);
    free(p);
    story_free(s);
}

static void refusal_falls_through_to_the_other_side(void **state)
{
    (void)state;
    static const enum mmr_result results[] = {MMR_RESULT_REFUSED, MMR_RESULT_UNSUPPORTED,
                                              MMR_RESULT_FAILED, MMR_RESULT_TIMEOUT};
    for (size_t k = 0; k < 4; k++) {
        struct story *s = story_new();
        struct mmr_plan_env e = env_of(both, 2);
        struct mmr_finding *f =
            add(s, MMR_PHASE_ATTEMPT_INBOUND, MMR_SIDE_ENDPOINT, "198.51.100.6", NULL);
        f->host = "PC1";
        free(plan(&e, s, S));
        assert_int_equal(s->i.n_actions, 1);
        const struct mmr_receipt r = {.result = results[k]};
        assert_true(mmr_action_take_receipt(&s->i.actions[0], &r, S));
        assert_int_equal(s->i.actions[0].state, MMR_STATE_FAILED);
        struct mmr_plan *p = plan(&e, s, 2 * S);
        assert_int_equal(p->n, 1);
        assert_int_equal(s->i.actions[1].side, MMR_SIDE_ENDPOINT);
        assert_string_equal(s->i.actions[1].target.host, "PC1");
        assert_int_equal(s->i.actions[1].attempt, 1);
        /* a refusal attempted nothing; a failed block is told at once, the next path does not delay
         * it */
        assert_int_equal(d_of(s, 2 * S), k < 2 ? MMR_D_IN_PROGRESS : MMR_D_FAILED);
        const struct mmr_receipt good = proved(3 * S);
        assert_true(mmr_action_take_receipt(&s->i.actions[1], &good, 3 * S));
        assert_int_equal(d_of(s, 3 * S), MMR_D_VERIFIED);
        free(p);
        story_free(s);
    }
}

static void a_silent_or_dead_responder_is_passed_over(void **state)
{
    (void)state;
    struct story *s = story_new();
    struct mmr_responder r[2] = {both[0], both[1]};
    struct mmr_plan_env e = env_of(r, 2);
    struct mmr_finding *f =
        add(s, MMR_PHASE_ATTEMPT_INBOUND, MMR_SIDE_ENDPOINT, "198.51.100.6", NULL);
    f->host = "PC1";
    free(plan(&e, s, S));
    assert_false(mmr_plan_timeouts(&s->i, &e.policy, 2 * S));
    assert_true(mmr_plan_timeouts(&s->i, &e.policy, 32 * S));
    assert_int_equal(s->i.actions[0].receipt.result, MMR_RESULT_TIMEOUT);
    free(plan(&e, s, 33 * S));
    assert_int_equal(s->i.n_actions, 2);
    assert_int_equal(s->i.actions[1].side, MMR_SIDE_ENDPOINT);
    r[1].is_healthy = false; /* it dies in mid-action, and nobody is left */
    struct mmr_plan *p = plan(&e, s, 34 * S);
    assert_int_equal(p->n, 0);
    assert_true(p->is_exhausted);
    free(p);
    story_free(s);
}

static void a_network_block_alone_never_covers_a_foothold(void **state)
{
    (void)state;
    struct story *s = story_new();
    struct mmr_plan_env e = env_of(both, 1); /* only the gateway */
    add(s, MMR_PHASE_FOOTHOLD_C2, MMR_SIDE_NETWORK, "192.168.2.5", "203.0.113.9");
    free(plan(&e, s, S));
    assert_int_equal(s->i.n_actions, 1);
    assert_int_equal(s->i.actions[0].verb, MMR_VERB_BLOCK_ADDR);
    prove_all(s, S);
    assert_int_equal(d_of(s, S), MMR_D_PARTIAL);
    story_free(s);
}

static void the_endpoints_proved_effects_meet_what_the_network_saw(void **state)
{
    (void)state;
    struct story *s = story_new();
    struct mmr_plan_env e = env_of(both + 1, 1); /* only the endpoint defends */
    memcpy(s->hosts[0].name, "PC1", 4);
    s->hosts[0].addr[0] = addr("192.168.2.5");
    s->i.n_hosts = 1;
    add(s, MMR_PHASE_FOOTHOLD_C2, MMR_SIDE_NETWORK, "192.168.2.5", "203.0.113.9");
    add_process(s, "PC1", 4711, "/tmp/.x/agent")->autostart = "/etc/cron.d/agent";
    s->f[1].host_addr = addr("192.168.2.5");
    free(plan(&e, s, S));
    assert_non_null(find(s, MMR_VERB_BLOCK_ADDR, MMR_SIDE_ENDPOINT));
    const struct mmr_action_rec *kill = find(s, MMR_VERB_KILL_PROCESS, MMR_SIDE_ENDPOINT);
    assert_non_null(kill);
    assert_int_equal(kill->target.pid, 4711);
    assert_int_equal(kill->target.start_ticks, 5);
    assert_true(kill->target.is_tree);
    assert_string_equal(find(s, MMR_VERB_QUARANTINE_FILE, MMR_SIDE_ENDPOINT)->target.text,
                        "/tmp/.x/agent");
    assert_string_equal(find(s, MMR_VERB_REMOVE_AUTOSTART, MMR_SIDE_ENDPOINT)->target.text,
                        "/etc/cron.d/agent");
    assert_int_equal(s->i.n_actions, 4);
    const struct mmr_receipt r = proved(2 * S);
    for (uint32_t k = 0; k < 3; k++)
        assert_true(mmr_action_take_receipt(&s->i.actions[k], &r, 2 * S));
    assert_int_equal(d_of(s, 2 * S), MMR_D_IN_PROGRESS);
    assert_true(mmr_action_take_receipt(&s->i.actions[3], &r, 2 * S));
    assert_int_equal(d_of(s, 2 * S), MMR_D_VERIFIED);
    story_free(s);
}

static void system_programs_are_stopped_but_never_moved(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        bool is_system, is_moved;
    } rows[] = {
        {"/bin/bash", true, false},
        {"/usr/bin/curl", true, false},
        {"/opt/app/bin/java", true, false},
        {"/tmp/x", false, true},
        {"/home/u/.cache/x", false, true},
        {"C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe", true, false},
        {"C:\\Users\\u\\AppData\\x.exe", false, true},
        {"C:\\Windows\\Temp\\x.exe", false, true},
        {"\\Device\\HarddiskVolume2\\Windows\\System32\\cmd.exe", true, false},
        {"/tmp/../bin/sh", true, false},
        {"C:\\Program Files\\App\\a.exe", true, false},
    };
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        struct story *s = story_new();
        struct mmr_plan_env e = env_of(both, 2);
        add_process(s, "PC1", 99, rows[k].path);
        free(plan(&e, s, S));
        if (mmr_path_is_system(rows[k].path) != rows[k].is_system ||
            !find(s, MMR_VERB_KILL_PROCESS, MMR_SIDE_ENDPOINT) ||
            (find(s, MMR_VERB_QUARANTINE_FILE, MMR_SIDE_ENDPOINT) != NULL) != rows[k].is_moved)
            fail_msg("%s", rows[k].path);
        story_free(s);
    }
}

static void spread_isolates_the_inside_source_at_the_network(void **state)
{
    (void)state;
    struct story *s = story_new();
    struct mmr_plan_env e = env_of(both, 2);
    add(s, MMR_PHASE_SPREAD, MMR_SIDE_NETWORK, "192.168.2.5", "192.168.2.9");
    free(plan(&e, s, S));
    const struct mmr_action_rec *iso = find(s, MMR_VERB_ISOLATE_HOST, MMR_SIDE_NETWORK);
    assert_non_null(iso);
    assert_true(mmr_addr_equal(&iso->target.addr.addr, &s->f[0].src));
    prove_all(s, S);
    struct mmr_defence_view v;
    mmr_defence_of(&s->i, NULL, NULL, NULL, false, S, &v);
    assert_int_equal(v.d, MMR_D_PARTIAL); /* the cause stays */
    assert_true(v.is_isolation_used);
    story_free(s);
    s = story_new();
    struct mmr_responder blind = both[0];
    blind.sees_inside = false; /* a gateway cannot cut off one inside machine from another */
    e = env_of(&blind, 1);
    add(s, MMR_PHASE_SPREAD, MMR_SIDE_NETWORK, "192.168.2.5", "192.168.2.9");
    struct mmr_plan *p = plan(&e, s, S);
    assert_int_equal(p->n, 0);
    assert_true(p->is_exhausted);
    free(p);
    story_free(s);
}

static struct mmr_finding *add_spoof(struct story *s, const char *src, const char *mac)
{
    struct mmr_finding *f = add(s, MMR_PHASE_SPREAD, MMR_SIDE_NETWORK, src, "192.168.2.9");
    f->src_mac = mac;
    f->attack[0] = "T1557.002";
    f->n_attack = 1;
    return f;
}

static void who_speaks_for_others_addresses_is_cut_off_by_his_card(void **state)
{
    static const char mac[] = "02:00:00:00:00:07";
    static const struct {
        const char *src, *want_host;
    } rows[] = {{"192.168.2.5", "192.168.2.5"}, {NULL, mac}};
    (void)state;
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        struct story *s = story_new();
        struct mmr_responder two[2] = {both[0], both[0]};
        struct mmr_plan_env e = env_of(two, 2);
        memcpy(two[1].instance, "bridge", 7);
        if (k == 0) /* cut off by its address already, for something else: that does not stop it */
            add(s, MMR_PHASE_SPREAD, MMR_SIDE_NETWORK, rows[k].src, "192.168.2.9");
        add_spoof(s, rows[k].src, mac);
        free(plan(&e, s, S));
        assert_int_equal(s->i.n_actions, k == 0 ? 2 : 1);
        struct mmr_action_rec *a = &s->i.actions[s->i.n_actions - 1];
        assert_int_equal(a->verb, MMR_VERB_ISOLATE_HOST);
        assert_string_equal(a->target.text, mac);
        assert_string_equal(a->target.host, rows[k].want_host);
        struct mmr_receipt r = {.result = MMR_RESULT_UNSUPPORTED}; /* it sees routed packets only */
        assert_true(mmr_action_take_receipt(a, &r, S));
        free(plan(&e, s, 2 * S));
        a = &s->i.actions[s->i.n_actions - 1];
        assert_string_equal(a->instance, "bridge");
        assert_string_equal(a->target.text, mac);
        prove_all(s, 3 * S);
        struct mmr_defence_view v;
        mmr_defence_of(&s->i, NULL, NULL, NULL, false, 3 * S, &v);
        assert_int_equal(v.d, MMR_D_PARTIAL); /* the cause stays */
        assert_int_equal(v.covered, s->i.n_evidence);
        story_free(s);
    }
}

static void whom_a_spoofer_speaks_for_is_never_cut_off_in_his_place(void **state)
{
    (void)state;
    struct story *s = story_new();
    struct mmr_plan_env e = env_of(both, 2);
    add_spoof(s, NULL, NULL); /* which of the two cards is the owner cannot be told */
    struct mmr_plan *p = plan(&e, s, S);
    assert_int_equal(p->n, 0);
    assert_int_equal(d_of(s, S), MMR_D_NONE);
    free(p);
    story_free(s);
}

static void hints_and_low_findings_order_nothing(void **state)
{
    (void)state;
    struct story *s = story_new();
    struct mmr_plan_env e = env_of(both, 2);
    add(s, MMR_PHASE_ATTEMPT_INBOUND, MMR_SIDE_NETWORK, "198.51.100.6", "192.168.2.5")->potential =
        MMR_POTENTIAL_LOW;
    add(s, MMR_PHASE_FOOTHOLD_C2, MMR_SIDE_NETWORK, "192.168.2.5", "203.0.113.9")->potential =
        MMR_POTENTIAL_INFO;
    add(s, MMR_PHASE_NONE, MMR_SIDE_NETWORK, "192.168.2.5", "203.0.113.9");
    struct mmr_plan *p = plan(&e, s, S);
    assert_int_equal(p->n, 0);
    free(p);
    s->f[0].attack[0] = "T1110.001"; /* guessing passwords, again and again */
    s->f[0].n_attack = 1;
    s->ev[0].count = 3;
    p = plan(&e, s, S);
    assert_int_equal(p->n, 1);
    free(p);
    story_free(s);
}

static struct mmr_finding *add_scan(struct story *s, const char *src, const char *dst)
{
    struct mmr_finding *f = add(s, MMR_PHASE_ATTEMPT_INBOUND, MMR_SIDE_NETWORK, src, dst);
    f->potential = MMR_POTENTIAL_INFO;
    f->attack[0] = "T1046";
    f->attack[1] = "T1595.001";
    f->n_attack = 2;
    return f;
}

static void who_scans_from_outside_is_shut_out_and_needs_no_cover(void **state)
{
    static const struct {
        const char *why, *src, *dst, *technique;
        enum mmr_auto mode;
        uint32_t want;
    } rows[] = {
        {"from outside", "198.51.100.6", "192.168.2.5", "T1595.001", MMR_AUTO_AGREED, 1},
        {"a dry run", "198.51.100.6", "192.168.2.5", "T1595.001", MMR_AUTO_DRY_RUN, 1},
        {"nobody is asked for a scan's sake", "198.51.100.6", "192.168.2.5", "T1595.001", MMR_AUTO_APPROVE, 0},
        {"inside the office", "192.168.2.6", "192.168.2.5", "T1595.001", MMR_AUTO_AGREED, 0},
        {"one of ours, outwards", "192.168.2.6", "198.51.100.6", "T1595.001", MMR_AUTO_AGREED, 0},
        {"other information", "198.51.100.6", "192.168.2.5", "T1595", MMR_AUTO_AGREED, 0},
    };
    (void)state;
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        struct story *s = story_new();
        struct mmr_plan_env e = env_of(both, 2);
        e.policy.mode = rows[k].mode;
        add_scan(s, rows[k].src, rows[k].dst)->attack[1] = rows[k].technique;
        struct mmr_plan *p = plan(&e, s, S);
        if (p->n != rows[k].want || p->is_waiting_for_person || p->is_exhausted)
            fail_msg("%s: %u orders", rows[k].why, p->n);
        assert_int_equal(d_of(s, S), MMR_D_NONE); /* nothing of it has to be covered */
        free(p);
        story_free(s);
    }
}

static void what_is_needed_comes_before_who_scans(void **state)
{
    (void)state;
    struct mmr_rails *rails = NULL;
    const int64_t now = 1000000 * S;
    const struct mmr_rails_limits lim = {.per_minute = 4, .per_hour = 100};
    struct story *s = story_new();
    struct mmr_plan_env e = env_of(both, 1);
    add_scan(s, "198.51.100.6", "192.168.2.5");
    add(s, MMR_PHASE_ATTEMPT_INBOUND, MMR_SIDE_NETWORK, "198.51.100.6", "192.168.2.5");
    struct mmr_plan *p = plan(&e, s, S);
    assert_int_equal(p->n, 1); /* the attack's block is the scan's too, and it is the attack's proof that counts */
    assert_int_equal(d_of(s, S), MMR_D_IN_PROGRESS);
    free(p);
    story_free(s);

    assert_int_equal(mmr_rails_new(&lim, &rails, NULL), 0);
    e.rails = rails;
    for (unsigned k = 0; k < 4; k++) { /* half of the ceiling for scanners, all of it for attackers */
        const bool is_scan = k < 3;
        const char *src[] = {"198.51.100.6", "198.51.100.7", "198.51.100.8", "198.51.100.9"};
        s = story_new();
        if (is_scan)
            add_scan(s, src[k], "192.168.2.5");
        else
            add(s, MMR_PHASE_ATTEMPT_INBOUND, MMR_SIDE_NETWORK, src[k], "192.168.2.5");
        p = plan(&e, s, now);
        assert_int_equal(p->n, k == 2 ? 0 : 1);
        if (p->n)
            assert_int_equal(mmr_rails_take(rails, p->order[0].verb, &p->order[0].target, true, now, NULL), 0);
        free(p);
        story_free(s);
    }
    mmr_rails_free(rails);
}

static void modes_decide_what_is_sent(void **state)
{
    (void)state;
    static const struct {
        enum mmr_auto mode;
        bool replay;
        uint32_t agreed;
        enum mmr_action_state want;
        bool planned_only, waits;
        uint32_t n;
    } rows[] = {
        {MMR_AUTO_OFF, false, 0, MMR_STATE_PLANNED, false, false, 0},
        {MMR_AUTO_DRY_RUN, false, UINT32_MAX, MMR_STATE_ORDERED, true, false, 1},
        {MMR_AUTO_APPROVE, false, UINT32_MAX, MMR_STATE_PLANNED, false, true, 1},
        {MMR_AUTO_AGREED, false, 1u << MMR_VERB_BLOCK_ADDR, MMR_STATE_ORDERED, false, false, 1},
        {MMR_AUTO_AGREED, false, 1u << MMR_VERB_KILL_PROCESS, MMR_STATE_PLANNED, false, true, 1},
        {MMR_AUTO_AGREED, true, 0, MMR_STATE_PLANNED, true, false, 1},
    };
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        struct story *s = story_new();
        struct mmr_plan_env e = env_of(both, 2);
        e.policy.mode = rows[k].mode;
        e.policy.is_replay = rows[k].replay;
        e.policy.agreed_verbs = rows[k].agreed;
        add(s, MMR_PHASE_ATTEMPT_INBOUND, MMR_SIDE_NETWORK, "198.51.100.6", "192.168.2.5");
        struct mmr_plan *p = plan(&e, s, S);
        if (p->n != rows[k].n || p->is_waiting_for_person != rows[k].waits ||
            (p->n && (p->order[0].state != rows[k].want ||
                      p->order[0].is_planned_only != rows[k].planned_only)))
            fail_msg("row %zu: %u orders, state %d", k, p->n, (int)p->order[0].state);
        if (rows[k].planned_only)
            assert_int_equal(d_of(s, S), MMR_D_NONE); /* planned is not done */
        free(p);
        story_free(s);
    }
}

static void rails_refuse_while_planning_and_the_refusal_is_a_receipt(void **state)
{
    (void)state;
    struct story *s = story_new();
    struct mmr_plan_env e = env_of(both, 2);
    const struct mmr_cidr dns = one("203.0.113.53");
    assert_int_equal(mmr_rails_new(NULL, &e.rails, NULL), 0);
    assert_int_equal(mmr_rails_protect(e.rails, &dns, MMR_GUARD_DNS, NULL), 0);
    add(s, MMR_PHASE_FOOTHOLD_C2, MMR_SIDE_NETWORK, "192.168.2.5", "203.0.113.53");
    free(plan(&e, s, S));
    assert_int_equal(s->i.actions[0].state, MMR_STATE_FAILED);
    assert_int_equal(s->i.actions[0].receipt.result, MMR_RESULT_REFUSED);
    assert_non_null(strstr(s->i.actions[0].receipt.detail, "DNS"));
    for (uint32_t k = 0; k < s->i.n_actions; k++)
        assert_true(s->i.actions[k].verb != MMR_VERB_BLOCK_ADDR ||
                    s->i.actions[k].state == MMR_STATE_FAILED);
    mmr_rails_free(e.rails);
    story_free(s);
}

static void the_same_order_has_the_same_id(void **state)
{
    (void)state;
    uint64_t ids[2];
    for (int k = 0; k < 2; k++) {
        struct story *s = story_new();
        struct mmr_plan_env e = env_of(both, 2);
        add(s, MMR_PHASE_ATTEMPT_INBOUND, MMR_SIDE_NETWORK, "198.51.100.6", "192.168.2.5");
        free(plan(&e, s, (1 + k) * S));
        ids[k] = s->i.actions[0].id;
        s->i.id++;
        s->i.actions[0].incident++;
        assert_true(mmr_plan_order_id(&s->i.actions[0]) != ids[k]);
        story_free(s);
    }
    assert_true(ids[0] == ids[1]);
}

static void a_mirror_cuts_what_goes_on_and_calls_nothing_defended_by_it(void **state)
{
    (void)state;
    const struct mmr_responder r[3] = {
        {.node = "tap", .instance = "reset", .side = MMR_SIDE_NETWORK, .verbs = 1u << MMR_VERB_CUT_FLOW, .is_healthy = true},
        both[1], both[0]};
    struct story *s = story_new();
    struct mmr_plan_env e = env_of(r, 1); /* only the mirror */
    for (int k = 0; k < 6; k++) {
        struct mmr_finding *f = add(s, MMR_PHASE_ATTEMPT_INBOUND, MMR_SIDE_NETWORK, "198.51.100.6", "192.168.2.5");
        f->proto = k == 5 ? "udp" : "tcp";
        f->src_port = (uint16_t)(40000 + k);
        f->dst_port = 80;
    }
    free(plan(&e, s, 1000 * S));
    assert_int_equal(s->i.n_actions, 4); /* the newest four of TCP, each once */
    for (uint32_t k = 0; k < 4; k++) {
        assert_int_equal(s->i.actions[k].verb, MMR_VERB_CUT_FLOW);
        assert_int_equal(s->i.actions[k].target.src_port, 40004 - k);
        assert_int_equal(s->i.actions[k].ttl_ms, 0);
        for (uint32_t j = 0; j < k; j++)
            assert_true(s->i.actions[j].id != s->i.actions[k].id);
    }
    free(plan(&e, s, 1000 * S)); /* nothing new: nothing more */
    assert_int_equal(s->i.n_actions, 4);
    prove_all(s, 1001 * S);
    assert_int_equal(d_of(s, 1001 * S), MMR_D_NONE);
    story_free(s);

    s = story_new(); /* with a defender on the machine: both act, and only his counts */
    e = env_of(r, 2);
    struct mmr_finding *f = add(s, MMR_PHASE_ATTEMPT_INBOUND, MMR_SIDE_NETWORK, "198.51.100.6", "192.168.2.5");
    f->proto = "tcp";
    f->src_port = 40000;
    f->dst_port = 80;
    memcpy(s->hosts[0].name, "PC1", 4);
    s->hosts[0].addr[0] = addr("192.168.2.5");
    s->i.n_hosts = 1;
    add_process(s, "PC1", 4711, "/tmp/x")->host_addr = addr("192.168.2.5");
    free(plan(&e, s, 1000 * S));
    assert_non_null(find(s, MMR_VERB_CUT_FLOW, MMR_SIDE_NETWORK));
    assert_non_null(find(s, MMR_VERB_BLOCK_ADDR, MMR_SIDE_ENDPOINT));
    story_free(s);

    s = story_new(); /* where the gateway blocks there is nothing left to cut */
    e = env_of(r, 3);
    f = add(s, MMR_PHASE_ATTEMPT_INBOUND, MMR_SIDE_NETWORK, "198.51.100.6", "192.168.2.5");
    f->proto = "tcp";
    f->src_port = 40000;
    f->dst_port = 80;
    free(plan(&e, s, 1000 * S));
    assert_non_null(find(s, MMR_VERB_BLOCK_ADDR, MMR_SIDE_NETWORK));
    assert_null(find(s, MMR_VERB_CUT_FLOW, MMR_SIDE_NETWORK));
    story_free(s);

    s = story_new(); /* an old connection is another one by now */
    e = env_of(r, 1);
    f = add(s, MMR_PHASE_ATTEMPT_INBOUND, MMR_SIDE_NETWORK, "198.51.100.6", "192.168.2.5");
    f->proto = "tcp";
    f->src_port = 40000;
    f->dst_port = 80;
    free(plan(&e, s, 2000 * S));
    assert_int_equal(s->i.n_actions, 0);
    story_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mirror_cuts_what_goes_on_and_calls_nothing_defended_by_it),
        cmocka_unit_test(an_outside_attacker_is_denied_at_the_gateway_and_proof_counts),
        cmocka_unit_test(refusal_falls_through_to_the_other_side),
        cmocka_unit_test(a_silent_or_dead_responder_is_passed_over),
        cmocka_unit_test(a_network_block_alone_never_covers_a_foothold),
        cmocka_unit_test(the_endpoints_proved_effects_meet_what_the_network_saw),
        cmocka_unit_test(system_programs_are_stopped_but_never_moved),
        cmocka_unit_test(spread_isolates_the_inside_source_at_the_network),
        cmocka_unit_test(who_speaks_for_others_addresses_is_cut_off_by_his_card),
        cmocka_unit_test(whom_a_spoofer_speaks_for_is_never_cut_off_in_his_place),
        cmocka_unit_test(hints_and_low_findings_order_nothing),
        cmocka_unit_test(who_scans_from_outside_is_shut_out_and_needs_no_cover),
        cmocka_unit_test(what_is_needed_comes_before_who_scans),
        cmocka_unit_test(modes_decide_what_is_sent),
        cmocka_unit_test(rails_refuse_while_planning_and_the_refusal_is_a_receipt),
        cmocka_unit_test(the_same_order_has_the_same_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
