/*
 * The same input gives the same final incidents, however the sources interleave: offices made up from a number, each
 * played in order of time and then in many orders that keep only the order of each source: any such order where the links
 * measured the clocks, and orders in which a source is up to five minutes late where wrong clocks must be estimated from the
 * connections both sides saw. What is told on the way and what is ordered when may differ; what stands in the end may not.
 */
#include "brain/pipeline.h"

#include "util/clock.h"

#include <mamori/event.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define T0 (INT64_C(1700000000) * MMR_NS_PER_S)
enum { OFFICES = 25, SHUFFLES = 40, EVENTS = 120, SOURCES = 9, PCS = 4, INCIDENTS_MAX = 256, LATE_MS = 300000 };

struct packed {
    uint8_t buf[1024];
    size_t len;
    unsigned source;
    int64_t at;
};
struct office {
    struct packed ev[EVENTS];
    size_t n;
    uint64_t random;
    int64_t skew[SOURCES]; /* how wrong the clock of this source's machine is */
    bool is_measured;      /* and its link says so; else it must be found out */
    uint64_t serial[SOURCES];
};

static uint64_t draw(struct office *o, uint64_t below)
{
    o->random ^= o->random << 13;
    o->random ^= o->random >> 7;
    o->random ^= o->random << 17;
    return (o->random >> 11) % below;
}

static const char *pick(struct office *o, const char *const *list, size_t n)
{
    return list[draw(o, n)];
}
#define PICK(o, list) pick(o, list, sizeof(list) / sizeof(list)[0])

static const char *const outside[] = {"198.51.100.6", "198.51.100.7", "203.0.113.9", "203.0.113.10", "203.0.113.77", "198.51.100.88"};
static const char *const inside[] = {"192.0.2.5", "192.0.2.6", "192.0.2.7", "192.0.2.8"};
static const char *const names[] = {"PC1", "PC2", "pc3", "PC4"};

static void begin(struct office *o, struct mmr_event *ev, unsigned source, const char *kind, int64_t at)
{
    struct packed *p = &o->ev[o->n];
    char input[16];
    (void)snprintf(input, sizeof input, "source-%u", source);
    p->source = source;
    p->at = at;
    mmr_event_begin(ev, p->buf, sizeof p->buf, kind, 2004, 1, at + o->skew[source], 4);
    mmr_event_str(ev, "mamori.side", source == 0 ? "network" : "endpoint");
    mmr_event_str(ev, "mamori.input", input);
    mmr_event_int(ev, "mamori.index", (int64_t)++o->serial[source]);
    if (o->skew[source] && o->is_measured)
        mmr_event_int(ev, "mamori.offset", -o->skew[source]);
}

static void end(struct office *o, struct mmr_event *ev)
{
    assert_int_equal(mmr_event_end(ev), 0);
    o->ev[o->n++].len = ev->len;
}

static void conn(struct mmr_event *ev, const char *src, int sport, const char *dst, int dport)
{
    mmr_event_str(ev, "src_endpoint.ip", src);
    mmr_event_int(ev, "src_endpoint.port", sport);
    mmr_event_str(ev, "dst_endpoint.ip", dst);
    mmr_event_int(ev, "dst_endpoint.port", dport);
    mmr_event_str(ev, "connection_info.protocol_name", "tcp");
}

static void process(struct mmr_event *ev, unsigned n)
{
    static const char *const programs[] = {"java", "bash", "dropper", "beacon", "helper"};
    char uid[16], parent[16];
    (void)snprintf(uid, sizeof uid, "%u:7", 100 + n);
    (void)snprintf(parent, sizeof parent, "%u:7", 100 + n / 2);
    mmr_event_str(ev, "process.name", programs[n % 5]);
    mmr_event_str(ev, "process.uid", uid);
    mmr_event_int(ev, "process.pid", 100 + n);
    if (n) {
        mmr_event_str(ev, "process.parent_process.uid", parent);
        mmr_event_str(ev, "process.parent_process.name", programs[n / 2 % 5]);
    }
}

/* A rule says one thing: which phase it is about and how bad that may be. */
static void finding(struct office *o, struct mmr_event *ev, const char *what, const char *phase)
{
    static const char *const potentials[] = {"high", "high", "low", "info"};
    const char *potential = PICK(o, potentials);
    char rule[80];
    (void)snprintf(rule, sizeof rule, "%s %s %s", what, phase, potential);
    mmr_event_str(ev, "mamori.rule", rule);
    mmr_event_str(ev, "finding_info.title", rule);
    mmr_event_str(ev, "mamori.phase", phase);
    mmr_event_str(ev, "mamori.potential", potential);
}

/* A connection that the network sees at one time, and the machine that opened it, with its own clock, a little earlier. */
static void both_see(struct office *o, int64_t at, unsigned pc, unsigned proc, const char *rule)
{
    struct mmr_event ev;
    const char *to = PICK(o, outside);
    int port = 40000 + (int)draw(o, 40);
    begin(o, &ev, 1 + pc, "conn.open", at - 2 * MMR_NS_PER_MS);
    mmr_event_str(&ev, "device.hostname", names[pc]);
    process(&ev, proc);
    conn(&ev, inside[pc], port, to, 443);
    end(o, &ev);
    begin(o, &ev, 0, rule ? "finding" : "flow.start", at);
    if (rule)
        finding(o, &ev, rule, "foothold.c2");
    conn(&ev, inside[pc], port, to, 443);
    end(o, &ev);
}

static void one(struct office *o, int64_t at)
{
    static const char *const deep[] = {"foothold.process", "spread", "account", "foothold.c2", "impact.data"};
    static const char *const files[] = {"/tmp/.x", "/home/a/b.doc", "/tmp/.y"};
    struct mmr_event ev;
    unsigned pc = (unsigned)draw(o, PCS), proc = (unsigned)draw(o, 12), log = 5 + pc;
    switch (draw(o, 10)) {
    case 0: /* knocks from outside */
    case 1:
        begin(o, &ev, 0, "finding", at);
        finding(o, &ev, draw(o, 2) ? "exploit" : "scan", "attempt.inbound");
        conn(&ev, PICK(o, outside), 50000 + (int)draw(o, 5), inside[pc], 80);
        end(o, &ev);
        return;
    case 2: both_see(o, at, pc, proc, NULL); return;
    case 3: both_see(o, at, pc, proc, "beacon"); return;
    case 4:
        begin(o, &ev, 1 + pc, "process.start", at);
        mmr_event_str(&ev, "device.hostname", names[pc]);
        process(&ev, proc);
        end(o, &ev);
        return;
    case 5: /* a hint without a phase */
        begin(o, &ev, log, "finding", at);
        mmr_event_str(&ev, "device.hostname", names[pc]);
        mmr_event_str(&ev, "mamori.rule", "odd");
        mmr_event_str(&ev, "mamori.potential", "info");
        mmr_event_str(&ev, "mamori.phase", NULL);
        process(&ev, proc);
        end(o, &ev);
        return;
    case 6: /* somebody comes in over the network */
        begin(o, &ev, log, "auth.logon", at);
        mmr_event_str(&ev, "device.hostname", names[pc]);
        mmr_event_str(&ev, "session.uid", draw(o, 2) ? "0x51" : "0x52");
        mmr_event_str(&ev, "user.name", "mika");
        mmr_event_str(&ev, "src_endpoint.ip", inside[(pc + 1) % PCS]);
        end(o, &ev);
        return;
    case 7:
        begin(o, &ev, log, "finding", at);
        mmr_event_str(&ev, "device.hostname", names[pc]);
        finding(o, &ev, "logon-after-guessing", "account");
        mmr_event_str(&ev, "session.uid", draw(o, 2) ? "0x51" : "0x52");
        mmr_event_str(&ev, "user.name", draw(o, 2) ? "mika" : "ken");
        end(o, &ev);
        return;
    default:
        begin(o, &ev, 1 + pc, "finding", at);
        mmr_event_str(&ev, "device.hostname", names[pc]);
        finding(o, &ev, draw(o, 2) ? "bad-program" : "odd-child", PICK(o, deep));
        process(&ev, proc);
        mmr_event_str(&ev, "file.path", PICK(o, files));
        end(o, &ev);
        return;
    }
}

static void make(struct office *o, uint64_t seed, bool is_measured)
{
    const int64_t wrong_s = is_measured ? 120 : 3600;
    memset(o, 0, sizeof *o);
    o->is_measured = is_measured;
    o->random = seed * 0x9e3779b97f4a7c15u + 88172645463325252u;
    for (unsigned pc = 0; pc < PCS; pc++)
        o->skew[1 + pc] = o->skew[5 + pc] = draw(o, 2) ? ((int64_t)draw(o, (uint64_t)wrong_s * 2) - wrong_s) * MMR_NS_PER_S : 0;
    int64_t at = T0;
    while (o->n + 2 <= EVENTS) {
        at += (int64_t)(draw(o, 10) ? 1 + draw(o, 80 * 1000) : 1000 * draw(o, 6 * 3600)) * MMR_NS_PER_MS;
        one(o, at);
    }
}

/* ---- playing ---- */

struct result {
    char *json[INCIDENTS_MAX];
    size_t n;
    uint32_t evicted; /* findings beyond an incident's ceiling: which of them stay may differ */
};

static void on_incident(void *ctx, const struct mmr_incident *i, enum mmr_activity activity, unsigned change)
{
    struct result *r = ctx;
    (void)change;
    assert_true(r->n < INCIDENTS_MAX);
    r->evicted += i->evicted;
    assert_int_equal(mmr_incident_to_json(i, (int)activity, &r->json[r->n++], NULL), 0);
}

static int by_text(const void *a, const void *b)
{
    char *x, *y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return strcmp(x, y);
}

static void play(const struct office *o, const uint16_t *order, struct result *ret)
{
    static const struct mmr_responder both[] = {
        {.node = "gw", .instance = "nft", .side = MMR_SIDE_NETWORK, .verbs = 1u << MMR_VERB_BLOCK_ADDR, .is_healthy = true},
        {.node = "pc", .instance = "contain", .side = MMR_SIDE_ENDPOINT,
         .verbs = 1u << MMR_VERB_KILL_PROCESS | 1u << MMR_VERB_QUARANTINE_FILE, .is_healthy = true},
    };
    static struct mmr_event_view v;
    struct mmr_cidr home;
    struct mmr_asset assets[2] = {{.name = "PC1", .is_important = true}, {.name = "PC2"}};
    struct mmr_pipeline *p;
    assert_int_equal(mmr_cidr_parse("192.0.2.0/24", &home, NULL), 0);
    for (unsigned k = 0; k < 2; k++) /* two are in the inventory, the others must be learnt */
        assert_true(mmr_addr_parse(inside[k], strlen(inside[k]), &assets[k].addr[0]));
    struct mmr_pipeline_config c = {.responder = both, .n_responder = 2,
                                    .resolve = {.home = &home, .n_home = 1, .assets = assets, .n_assets = 2}};
    const struct mmr_pipeline_ops ops = {.incident = on_incident, .ctx = ret};
    mmr_policy_default(&c.policy);
    c.policy.is_replay = true;
    c.policy.agreed_verbs = ~0u;
    ret->n = ret->evicted = 0;
    assert_int_equal(mmr_pipeline_new(&c, &ops, &p, NULL), 0);
    for (size_t k = 0; k < o->n; k++) {
        const struct packed *e = &o->ev[order[k]];
        assert_int_equal(mmr_event_read(e->buf, e->len, &v, NULL), 0);
        assert_int_equal(mmr_pipeline_event(p, &v, e->at, NULL), 0);
    }
    assert_int_equal(mmr_pipeline_finish(p, NULL), 0);
    mmr_pipeline_free(p);
    qsort(ret->json, ret->n, sizeof ret->json[0], by_text);
}

static void forget(struct result *r)
{
    for (size_t k = 0; k < r->n; k++)
        free(r->json[k]);
    r->n = r->evicted = 0;
}

/* An order that keeps each source's own. */
static void shuffle(struct office *o, uint16_t *order)
{
    size_t next[SOURCES] = {0}, left = o->n, n = 0;
    unsigned favourite = 0;
    while (left) {
        if (draw(o, 4) == 0) /* runs of one source, as after its link was down */
            favourite = (unsigned)draw(o, SOURCES);
        unsigned s = draw(o, 3) ? favourite : (unsigned)draw(o, SOURCES);
        while (next[s] < o->n && o->ev[next[s]].source != s)
            next[s]++;
        if (next[s] == o->n) {
            favourite = (unsigned)draw(o, SOURCES);
            continue;
        }
        order[n++] = (uint16_t)next[s]++;
        left--;
    }
}

/* An order in which each source is late, now more, now less, by up to LATE_MS. */
static void delay(struct office *o, uint16_t *order)
{
    int64_t late[SOURCES], arrives[EVENTS], last[SOURCES] = {0};
    for (unsigned s = 0; s < SOURCES; s++)
        late[s] = (int64_t)draw(o, LATE_MS) * MMR_NS_PER_MS;
    for (size_t k = 0; k < o->n; k++) {
        unsigned s = o->ev[k].source;
        if (draw(o, 5) == 0)
            late[s] = (int64_t)draw(o, LATE_MS) * MMR_NS_PER_MS;
        arrives[k] = o->ev[k].at + late[s];
        if (arrives[k] < last[s])
            arrives[k] = last[s]; /* its own order stays */
        last[s] = arrives[k];
        size_t at = k;
        for (; at > 0 && arrives[order[at - 1]] > arrives[k]; at--)
            order[at] = order[at - 1];
        order[at] = (uint16_t)k;
    }
}

static void say_difference(const char *a, const char *b)
{
    size_t k = 0;
    while (a[k] && a[k] == b[k])
        k++;
    size_t from = k > 200 ? k - 200 : 0;
    print_message("  in order: …%.500s\n  shuffled: …%.500s\n", a + from, b + from);
}

static void no_order_matters(bool is_measured)
{
    static struct office o;
    static struct result want, got;
    static uint16_t order[EVENTS];
    unsigned stories = 0, several = 0;
    unsigned offices = 0;
    for (uint64_t seed = 1; offices < OFFICES; seed++) {
        make(&o, seed, is_measured);
        for (size_t k = 0; k < o.n; k++)
            order[k] = (uint16_t)k;
        play(&o, order, &want);
        if (want.evicted) {
            forget(&want);
            continue;
        }
        offices++;
        stories += (unsigned)want.n;
        several += want.n > 1;
        for (unsigned k = 0; k < SHUFFLES; k++) {
            (is_measured ? shuffle : delay)(&o, order);
            play(&o, order, &got);
            for (size_t i = 0; i < want.n && i < got.n; i++)
                if (strcmp(want.json[i], got.json[i]) != 0) {
                    say_difference(want.json[i], got.json[i]);
                    fail_msg("office %llu, shuffle %u: incident %zu of %zu differs", (unsigned long long)seed, k, i, want.n);
                }
            if (got.n != want.n)
                fail_msg("office %llu, shuffle %u: %zu incidents, in order %zu", (unsigned long long)seed, k, got.n, want.n);
            forget(&got);
        }
        forget(&want);
    }
    assert_true(several > OFFICES / 2); /* else it would show little */
    print_message("%u incidents of %d offices, %d orders each\n", stories, OFFICES, SHUFFLES);
}

static void the_order_of_arrival_does_not_matter(void **state)
{
    (void)state;
    no_order_matters(true);
}

static void nor_does_it_when_clocks_must_be_estimated(void **state)
{
    (void)state;
    no_order_matters(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_order_of_arrival_does_not_matter),
                                       cmocka_unit_test(nor_does_it_when_clocks_must_be_estimated)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
