/* The pipeline end to end with hand-made findings: both sides, one incident, planned, classified, told. */
#include "brain/pipeline.h"

#include "util/clock.h"

#include <mamori/event.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define T0 (INT64_C(1700000000) * MMR_NS_PER_S)

enum { TOLD_MAX = 64 };
struct world {
    struct mmr_pipeline *p;
    char *json[TOLD_MAX];
    uint64_t id[TOLD_MAX];
    enum mmr_class class_now[TOLD_MAX];
    enum mmr_activity activity[TOLD_MAX];
    size_t n, merged;
    struct mmr_action_rec order[TOLD_MAX];
    unsigned flags[TOLD_MAX];
    size_t n_orders, n_findings, fed;
};

static void on_incident(void *ctx, const struct mmr_incident *i, enum mmr_activity activity, unsigned change)
{
    struct world *w = ctx;
    (void)change;
    assert_true(w->n < TOLD_MAX);
    w->id[w->n] = i->id;
    w->class_now[w->n] = i->class_current;
    w->activity[w->n] = activity;
    assert_int_equal(mmr_incident_to_json(i, (int)activity, &w->json[w->n++], NULL), 0);
}

static void on_order(void *ctx, const struct mmr_action_rec *a, unsigned flags)
{
    struct world *w = ctx;
    assert_true(w->n_orders < TOLD_MAX);
    w->flags[w->n_orders] = flags;
    w->order[w->n_orders++] = *a;
}

static void on_finding(void *ctx, const struct mmr_finding *f)
{
    struct world *w = ctx;
    (void)f;
    w->n_findings++;
}

static void on_merged(void *ctx, uint64_t into, uint64_t from)
{
    struct world *w = ctx;
    assert_true(into != from);
    w->merged++;
}

static void open_world(struct world *w, bool is_replay)
{
    static const struct mmr_responder both[] = {
        {.node = "gw", .instance = "nft", .side = MMR_SIDE_NETWORK, .verbs = 1u << MMR_VERB_BLOCK_ADDR | 1u << MMR_VERB_CUT_FLOW,
         .is_healthy = true},
        {.node = "pc", .instance = "contain", .side = MMR_SIDE_ENDPOINT,
         .verbs = 1u << MMR_VERB_KILL_PROCESS | 1u << MMR_VERB_QUARANTINE_FILE | 1u << MMR_VERB_DENY_EXEC |
                  1u << MMR_VERB_REMOVE_AUTOSTART,
         .is_healthy = true},
    };
    struct mmr_cidr home;
    assert_int_equal(mmr_cidr_parse("192.0.2.0/24", &home, NULL), 0);
    struct mmr_asset assets[] = {{.name = "PC1", .role = "client", .is_important = true},
                                 {.name = "DC", .role = "domain-controller"}};
    assert_true(mmr_addr_parse("192.0.2.5", 9, &assets[0].addr[0]));
    assert_true(mmr_addr_parse("192.0.2.1", 9, &assets[1].addr[0]));
    struct mmr_pipeline_config c = {.responder = both, .n_responder = 2,
                                    .resolve = {.home = &home, .n_home = 1, .assets = assets, .n_assets = 2}};
    mmr_policy_default(&c.policy);
    c.policy.mode = MMR_AUTO_AGREED;
    c.policy.agreed_verbs = ~0u;
    c.policy.is_replay = is_replay;
    struct mmr_pipeline_ops ops = {.incident = on_incident, .order = on_order, .finding = on_finding,
                                   .merged = on_merged, .ctx = w};
    memset(w, 0, sizeof *w);
    assert_int_equal(mmr_pipeline_new(&c, &ops, &w->p, NULL), 0);
}

static void close_world(struct world *w)
{
    mmr_pipeline_free(w->p);
    for (size_t k = 0; k < w->n; k++)
        free(w->json[k]);
}

struct ev {
    int64_t at;
    const char *side, *kind, *rule, *phase, *potential, *src, *dst, *host, *name, *uid, *parent, *parent_name;
    int sport, dport, pid, severity;
};

static void feed_as(struct world *w, const struct ev *e, int64_t now, uint64_t index)
{
    uint8_t buf[4096];
    struct mmr_event ev;
    struct mmr_event_view v;
    mmr_event_begin(&ev, buf, sizeof buf, e->kind, 2004, 1, e->at, e->severity ? (uint32_t)e->severity : 4);
    mmr_event_str(&ev, "mamori.side", e->side);
    mmr_event_str(&ev, "mamori.input", e->side);
    mmr_event_int(&ev, "mamori.index", (int64_t)index);
    mmr_event_str(&ev, "mamori.rule", e->rule);
    mmr_event_str(&ev, "finding_info.title", e->rule);
    mmr_event_str(&ev, "mamori.phase", e->phase);
    mmr_event_str(&ev, "mamori.potential", e->potential);
    mmr_event_str(&ev, "src_endpoint.ip", e->src);
    mmr_event_str(&ev, "dst_endpoint.ip", e->dst);
    if (e->sport)
        mmr_event_int(&ev, "src_endpoint.port", e->sport);
    if (e->dport)
        mmr_event_int(&ev, "dst_endpoint.port", e->dport);
    if (e->src)
        mmr_event_str(&ev, "connection_info.protocol_name", "tcp");
    mmr_event_str(&ev, "device.hostname", e->host);
    mmr_event_str(&ev, "process.name", e->name);
    mmr_event_str(&ev, "process.uid", e->uid);
    if (e->pid)
        mmr_event_int(&ev, "process.pid", e->pid);
    mmr_event_str(&ev, "process.parent_process.uid", e->parent);
    mmr_event_str(&ev, "process.parent_process.name", e->parent_name);
    const char *attack[] = {"T1059.004"};
    if (e->rule)
        mmr_event_strv(&ev, "mamori.attack", attack, 1);
    assert_int_equal(mmr_event_end(&ev), 0);
    assert_int_equal(mmr_event_read(buf, ev.len, &v, NULL), 0);
    assert_int_equal(mmr_pipeline_event(w->p, &v, now, NULL), 0);
}

static void feed(struct world *w, const struct ev *e, int64_t now)
{
    feed_as(w, e, now, (uint64_t)++w->fed);
}

static const struct ev story[] = {
    {.at = T0, .side = "network", .kind = "finding", .rule = "exploit", .phase = "attempt.inbound", .potential = "high",
     .src = "198.51.100.6", .sport = 40000, .dst = "192.0.2.5", .dport = 8080},
    {.at = T0 + MMR_NS_PER_S, .side = "endpoint", .kind = "process.start", .host = "PC1", .name = "bash", .uid = "77:1",
     .pid = 77, .parent = "50:1", .parent_name = "java"},
    {.at = T0 + MMR_NS_PER_S, .side = "endpoint", .kind = "finding", .rule = "shell-from-service",
     .phase = "foothold.process", .potential = "high", .host = "PC1", .name = "bash", .uid = "77:1", .pid = 77,
     .parent = "50:1", .parent_name = "java"},
    {.at = T0 + 2 * MMR_NS_PER_S, .side = "endpoint", .kind = "conn.open", .host = "PC1", .name = "bash", .uid = "77:1",
     .pid = 77, .src = "192.0.2.5", .sport = 41000, .dst = "198.51.100.6", .dport = 443},
    {.at = T0 + 2 * MMR_NS_PER_S, .side = "network", .kind = "finding", .rule = "reverse-shell", .phase = "foothold.c2",
     .potential = "high", .src = "192.0.2.5", .sport = 41000, .dst = "198.51.100.6", .dport = 443},
};

static void both_sides_make_one_severe_incident(void **state)
{
    struct world w;
    (void)state;
    open_world(&w, true);
    for (size_t k = 0; k < sizeof story / sizeof story[0]; k++)
        feed(&w, &story[k], story[k].at);
    assert_int_equal(w.n, 0); /* in replay nothing is told before the end */
    assert_int_equal(mmr_pipeline_finish(w.p, NULL), 0);
    assert_int_equal(w.n, 1);
    assert_int_equal(w.n_findings, 3);
    assert_int_equal(w.n_orders, 0);
    assert_int_equal(w.class_now[0], MMR_CLASS_OF_SEVERE);
    const char *j = w.json[0];
    assert_non_null(strstr(j, "\"sides\":[\"network\",\"endpoint\"]"));
    assert_non_null(strstr(j, "\"attackers\":[\"198.51.100.6\"]"));
    assert_non_null(strstr(j, "{\"kind\":\"connection\",\"value\":\"192.0.2.5:41000->198.51.100.6:443 tcp\"}"));
    assert_non_null(strstr(j, "\"verb\":\"block.addr\""));
    assert_non_null(strstr(j, "\"verb\":\"kill.process\""));
    assert_non_null(strstr(j, "\"mode\":\"planned\""));
    assert_null(strstr(j, "\"receipt\""));
    assert_non_null(strstr(j, "{\"name\":\"PC1\",\"ip\":[\"192.0.2.5\"],\"role\":\"victim\"}"));
    close_world(&w);
}

static void the_same_input_gives_the_same_bytes(void **state)
{
    struct world w[2];
    (void)state;
    for (unsigned k = 0; k < 2; k++) {
        open_world(&w[k], true);
        for (size_t n = 0; n < sizeof story / sizeof story[0]; n++) /* the second time the endpoint's side first */
            for (size_t m = 0; m < sizeof story / sizeof story[0]; m++)
                if (k == 0 ? m == n : (strcmp(story[m].side, "endpoint") == 0) == (n == 0) && n < 2)
                    feed_as(&w[k], &story[m], story[m].at, m + 1);
        assert_int_equal(mmr_pipeline_finish(w[k].p, NULL), 0);
        assert_int_equal(w[k].n, 1);
    }
    assert_string_equal(w[0].json[0], w[1].json[0]);
    close_world(&w[0]);
    close_world(&w[1]);
}

static void receipts_prove_an_attempt_defended(void **state)
{
    struct world w;
    (void)state;
    open_world(&w, false);
    feed(&w, &story[0], T0);
    assert_false(mmr_pipeline_work(w.p, T0, 100));
    assert_true(w.n >= 1);
    assert_int_equal(w.activity[0], MMR_ACTIVITY_CREATE);
    assert_int_equal(w.class_now[w.n - 1], MMR_CLASS_OF_PENDING);
    assert_int_equal(w.n_orders, 1);
    assert_int_equal(w.order[0].verb, MMR_VERB_BLOCK_ADDR);
    struct mmr_receipt r = {.result = MMR_RESULT_APPLIED, .verified = MMR_VERIFIED_CONFIRMED, .method = "readback",
                            .applied_ns = T0 + 5 * MMR_NS_PER_MS, .verified_ns = T0 + 6 * MMR_NS_PER_MS,
                            .expires_ns = T0 + 3600 * MMR_NS_PER_S};
    assert_int_equal(mmr_pipeline_receipt(w.p, w.order[0].id, &r, T0 + 6 * MMR_NS_PER_MS, NULL), 0);
    assert_int_equal(w.class_now[w.n - 1], MMR_CLASS_OF_DEFENDED);
    assert_int_equal(mmr_pipeline_receipt(w.p, 12345, &r, T0, NULL), MMR_ENOENT);

    /* somebody removes it: the proof is refuted, the block is asserted again, the class is severe */
    size_t orders = w.n_orders;
    r.verified = MMR_VERIFIED_REFUTED;
    assert_int_equal(mmr_pipeline_receipt(w.p, w.order[0].id, &r, T0 + 60 * MMR_NS_PER_S, NULL), 0);
    mmr_pipeline_tick(w.p, T0 + 60 * MMR_NS_PER_S);
    assert_int_equal(w.class_now[w.n - 1], MMR_CLASS_OF_SEVERE);
    assert_true(w.n_orders > orders);
    assert_int_equal(w.order[w.n_orders - 1].id, w.order[0].id);
    close_world(&w);
}

static void a_refusal_is_taken_at_once(void **state)
{
    struct world w;
    (void)state;
    open_world(&w, false);
    feed(&w, &story[0], T0);
    assert_false(mmr_pipeline_work(w.p, T0, 100));
    assert_int_equal(w.n_orders, 1);
    const struct mmr_receipt r = {.result = MMR_RESULT_REFUSED, .detail = "never-block list"};
    size_t told = w.n;
    assert_int_equal(mmr_pipeline_receipt(w.p, w.order[0].id, &r, T0 + MMR_NS_PER_MS, NULL), 0); /* not "nobody waits" */
    assert_true(w.n > told);
    assert_non_null(strstr(w.json[w.n - 1], "never-block list"));
    assert_int_equal(w.class_now[w.n - 1], MMR_CLASS_OF_SEVERE); /* without waiting for the time-out */
    close_world(&w);
}

static void nobody_answers_and_it_becomes_severe(void **state)
{
    struct world w;
    (void)state;
    open_world(&w, false);
    feed(&w, &story[0], T0);
    (void)mmr_pipeline_work(w.p, T0, 100);
    for (unsigned k = 0; k < 40 && mmr_pipeline_next_due(w.p) < T0 + 700 * MMR_NS_PER_S; k++) {
        int64_t due = mmr_pipeline_next_due(w.p);
        mmr_pipeline_tick(w.p, due);
        assert_true(mmr_pipeline_next_due(w.p) > due); /* no busy loop */
    }
    assert_int_equal(w.class_now[w.n - 1], MMR_CLASS_OF_SEVERE);
    close_world(&w);
}

static void a_restart_goes_on_where_it_was(void **state)
{
    struct world a, b;
    uint8_t *blob;
    size_t len;
    struct mmr_incident *back;
    (void)state;
    open_world(&a, false);
    feed(&a, &story[0], T0);
    (void)mmr_pipeline_work(a.p, T0, 100);
    const struct mmr_incident *i = mmr_pipeline_incident(a.p, a.id[0]);
    assert_non_null(i);
    assert_int_equal(mmr_incident_pack(i, &blob, &len, NULL), 0);
    assert_int_equal(mmr_incident_unpack(blob, len, &back, NULL), 0);
    open_world(&b, false);
    assert_int_equal(mmr_pipeline_restore(b.p, back, T0, NULL), 0);
    feed(&b, &story[4], story[4].at); /* the attacker's address joins what was restored */
    (void)mmr_pipeline_work(b.p, story[4].at, 100);
    assert_true(b.n >= 1);
    assert_int_equal(b.id[b.n - 1], a.id[0]);
    assert_int_equal(b.activity[b.n - 1], MMR_ACTIVITY_UPDATE);
    struct mmr_receipt r = {.result = MMR_RESULT_APPLIED, .verified = MMR_VERIFIED_CONFIRMED, .applied_ns = T0};
    assert_int_equal(mmr_pipeline_receipt(b.p, a.order[0].id, &r, T0 + MMR_NS_PER_S, NULL), 0);
    free(blob);
    close_world(&a);
    close_world(&b);
}

struct allowing {
    struct world w; /* first: the callbacks' context */
    struct mmr_benign_proof proof;
    bool is_allowed;
};

static size_t on_proofs(void *ctx, const struct mmr_incident *i, struct mmr_benign_proof *ret, size_t cap)
{
    const struct allowing *a = ctx;
    (void)i;
    (void)cap;
    ret[0] = a->proof;
    return a->is_allowed;
}

/* The clock is set back two days, or forward: pending ends ten minutes after it began all the same, blocks live on. */
static void a_clock_that_is_set_stops_nothing(void **state)
{
    static const int64_t days[] = {-2, 1};
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        struct world w;
        const int64_t by = days[k] * 24 * 3600 * MMR_NS_PER_S, then = T0 + 60 * MMR_NS_PER_S + by;
        open_world(&w, false);
        feed(&w, &story[0], T0);
        (void)mmr_pipeline_work(w.p, T0, 100);
        struct mmr_receipt r = {.result = MMR_RESULT_APPLIED, .verified = MMR_VERIFIED_INCONCLUSIVE, .applied_ns = T0, .verified_ns = T0,
                                .expires_ns = T0 + 3600 * MMR_NS_PER_S};
        assert_int_equal(mmr_pipeline_receipt(w.p, w.order[0].id, &r, T0, NULL), 0);
        assert_int_equal(w.class_now[w.n - 1], MMR_CLASS_OF_PENDING);
        mmr_pipeline_clock_set(w.p, by, then);
        size_t orders = w.n_orders;
        mmr_pipeline_tick(w.p, then);
        const struct mmr_incident *i = mmr_pipeline_incident(w.p, w.id[0]);
        assert_non_null(i);
        assert_int_equal(i->actions[0].state, MMR_STATE_APPLIED); /* not taken for expired */
        assert_int_equal(i->actions[0].receipt.expires_ns, T0 + 3600 * MMR_NS_PER_S + by);
        mmr_pipeline_tick(w.p, then + 45 * 60 * MMR_NS_PER_S); /* two thirds of the lease: renewed */
        assert_true(w.n_orders > orders);
        bool is_renewed = false;
        for (size_t o = orders; o < w.n_orders; o++)
            is_renewed |= (w.flags[o] & MMR_ACT_RENEW) != 0;
        assert_true(is_renewed);
        assert_int_equal(w.class_now[w.n - 1], MMR_CLASS_OF_SEVERE);
        close_world(&w);
    }
}

/* A named person says: known good. The block goes, the severe incident is withdrawn, and nothing is ordered again. */
static void known_good_takes_everything_back(void **state)
{
    struct allowing a = {.proof = {.kind = MMR_BENIGN_ALLOW_RULE, .owner = "A. Person", .reason = "own scanner", .expires_ns = T0 + 3600 * MMR_NS_PER_S}};
    static const struct mmr_responder gw = {.node = "gw", .instance = "nft", .side = MMR_SIDE_NETWORK, .verbs = 1u << MMR_VERB_BLOCK_ADDR, .is_healthy = true};
    struct mmr_pipeline_config c = {.responder = &gw, .n_responder = 1};
    const struct mmr_pipeline_ops ops = {.incident = on_incident, .order = on_order, .proofs = on_proofs, .ctx = &a};
    struct mmr_error err = {.struct_size = sizeof err};
    struct world *w = &a.w;
    (void)state;
    mmr_policy_default(&c.policy);
    c.policy.mode = MMR_AUTO_AGREED;
    c.policy.agreed_verbs = ~0u;
    assert_int_equal(mmr_pipeline_new(&c, &ops, &w->p, NULL), 0);
    feed(w, &story[0], T0);
    (void)mmr_pipeline_work(w->p, T0, 100);
    assert_int_equal(w->n_orders, 1);
    const struct mmr_receipt failed = {.result = MMR_RESULT_APPLIED, .verified = MMR_VERIFIED_REFUTED, .applied_ns = T0, .verified_ns = T0 + 1};
    assert_int_equal(mmr_pipeline_receipt(w->p, w->order[0].id, &failed, T0 + 1, NULL), 0);
    assert_int_equal(w->class_now[w->n - 1], MMR_CLASS_OF_SEVERE);
    a.is_allowed = true;
    assert_int_equal(mmr_pipeline_known_good(w->p, 12345, "A. Person", "own scanner", T0 + 2, &err), MMR_ENOENT);
    assert_int_equal(mmr_pipeline_known_good(w->p, w->id[0], "A. Person", "", T0 + 2, &err), MMR_EINVAL);
    assert_int_equal(mmr_pipeline_known_good(w->p, w->id[0], "A. Person", "own scanner", T0 + 2, &err), 0);
    assert_int_equal(w->class_now[w->n - 1], MMR_CLASS_OF_NO_RESPONSE);
    assert_non_null(strstr(w->json[w->n - 1], "withdrawn by A. Person: own scanner"));
    bool is_undone = false;
    for (size_t k = 0; k < w->n_orders; k++)
        is_undone |= w->order[k].id == w->order[0].id && w->flags[k] & MMR_ACT_UNDO;
    assert_true(is_undone);
    size_t orders = w->n_orders;
    struct ev again = story[0];
    again.dport = 8081;
    again.at += 60 * MMR_NS_PER_S;
    feed(w, &again, again.at);
    (void)mmr_pipeline_work(w->p, again.at, 100);
    assert_int_equal(w->n_orders, orders);
    /* and another incident of the same kind is of no concern from its beginning */
    again.src = "198.51.100.99";
    again.dst = "192.0.2.200";
    again.at += 3 * 3600 * MMR_NS_PER_S;
    a.proof.expires_ns = again.at + MMR_NS_PER_S;
    feed(w, &again, again.at);
    (void)mmr_pipeline_work(w->p, again.at, 100);
    assert_int_equal(w->n_orders, orders);
    assert_int_equal(w->class_now[w->n - 1], MMR_CLASS_OF_NO_RESPONSE);
    close_world(w);
}

/* Somebody scans everything: one incident, told a few times, not once for each port. */
static void a_flood_is_folded(void **state)
{
    struct world w;
    (void)state;
    open_world(&w, false);
    for (int k = 0; k < 20000; k++) {
        struct ev e = story[0];
        e.at = T0 + k * MMR_NS_PER_MS;
        e.dport = 1 + k % 60000;
        feed(&w, &e, e.at);
        if (k % 50 == 0)
            (void)mmr_pipeline_work(w.p, e.at, 100);
    }
    (void)mmr_pipeline_work(w.p, T0 + 20 * MMR_NS_PER_S, 100);
    assert_true(w.n < 30); /* of 400 looks */
    for (size_t k = 1; k < w.n; k++)
        assert_int_equal(w.id[k], w.id[0]);
    close_world(&w);
}

static void quiet_incidents_close(void **state)
{
    struct world w;
    (void)state;
    open_world(&w, false);
    struct ev e = story[0];
    e.potential = "info";
    feed(&w, &e, T0);
    (void)mmr_pipeline_work(w.p, T0, 100);
    assert_int_equal(w.class_now[0], MMR_CLASS_OF_NO_RESPONSE);
    mmr_pipeline_tick(w.p, T0 + 25 * 3600 * MMR_NS_PER_S);
    assert_int_equal(w.activity[w.n - 1], MMR_ACTIVITY_CLOSE);
    assert_null(mmr_pipeline_incident(w.p, w.id[0]));
    close_world(&w);
}

static void one_weak_rule_is_for_the_weekly_report(void **state)
{
    struct world w;
    (void)state;
    for (int severity = 2; severity <= 3; severity++) {
        open_world(&w, true);
        struct ev e = story[0];
        e.potential = "low";
        e.severity = severity;
        feed(&w, &e, T0);
        assert_int_equal(mmr_pipeline_finish(w.p, NULL), 0);
        assert_int_equal(w.class_now[0], severity == 2 ? MMR_CLASS_OF_NO_RESPONSE : MMR_CLASS_OF_SEVERE);
        close_world(&w);
    }
}

static void what_serves_everybody_is_never_blocked(void **state)
{
    struct world w;
    (void)state;
    open_world(&w, true);
    struct ev e = story[4];
    e.dst = "192.0.2.1"; /* the domain controller */
    feed(&w, &e, T0);
    assert_int_equal(mmr_pipeline_finish(w.p, NULL), 0);
    assert_int_equal(w.n, 1);
    const char *at = w.json[0];
    while ((at = strstr(at, "\"verb\":\"block.addr\""))) { /* if it is there at all, it was refused */
        const char *end = strchr(at, '}');
        const char *target = strstr(at, "\"target\":\"192.0.2.1\"");
        if (target && end && target < end)
            assert_non_null(strstr(target, "refused"));
        at++;
    }
    close_world(&w);
}

/* The strict validator over everything this file's story gives, where it is installed. */
static void output_is_valid_ocsf(void **state)
{
    struct world w;
    char command[600];
    (void)state;
    if (access(MMR_SHARED_DIR "/tools/ocsf-validate", X_OK) != 0 || system("python3 -c 'import jsonschema' 2>/dev/null"))
        skip();
    char path[] = "/tmp/mamori-ocsf-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *out = fdopen(fd, "w");
    open_world(&w, true);
    for (size_t k = 0; k < sizeof story / sizeof story[0]; k++)
        feed(&w, &story[k], story[k].at);
    assert_int_equal(mmr_pipeline_finish(w.p, NULL), 0);
    for (size_t k = 0; k < w.n; k++)
        (void)fprintf(out, "%s\n", w.json[k]);
    const struct mmr_incident *i = mmr_pipeline_incident(w.p, w.id[0]);
    char *line;
    for (uint32_t k = 0; k < i->n_evidence; k++) {
        assert_int_equal(mmr_finding_to_json(i->evidence[k].finding, &line, NULL), 0);
        (void)fprintf(out, "%s\n", line);
        free(line);
    }
    struct mmr_action_rec a = i->actions[0];
    for (int v = MMR_VERB_BLOCK_ADDR; v < MMR_VERB_QUERY_CONNECTION_OWNER; v++)
        for (int r = MMR_RESULT_NONE; r <= MMR_RESULT_UNSUPPORTED; r++) {
            a.verb = (enum mmr_verb)v;
            a.receipt.result = (enum mmr_result)r;
            (void)snprintf(a.target.text, sizeof a.target.text, "/tmp/x");
            assert_int_equal(mmr_action_to_json(&a, i, &line, NULL), 0);
            (void)fprintf(out, "%s\n", line);
            free(line);
        }
    assert_int_equal(fclose(out), 0);
    (void)snprintf(command, sizeof command, "%s --strict < %s", MMR_SHARED_DIR "/tools/ocsf-validate", path);
    int status = system(command);
    (void)unlink(path);
    assert_int_equal(status, 0);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_make_one_severe_incident),
        cmocka_unit_test(the_same_input_gives_the_same_bytes),
        cmocka_unit_test(receipts_prove_an_attempt_defended),
        cmocka_unit_test(a_refusal_is_taken_at_once),
        cmocka_unit_test(nobody_answers_and_it_becomes_severe),
        cmocka_unit_test(a_restart_goes_on_where_it_was),
        cmocka_unit_test(a_clock_that_is_set_stops_nothing),
        cmocka_unit_test(known_good_takes_everything_back),
        cmocka_unit_test(a_flood_is_folded),
        cmocka_unit_test(quiet_incidents_close),
        cmocka_unit_test(one_weak_rule_is_for_the_weekly_report),
        cmocka_unit_test(what_serves_everybody_is_never_blocked),
        cmocka_unit_test(output_is_valid_ocsf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
