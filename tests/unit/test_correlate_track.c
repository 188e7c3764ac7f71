/* What joins and what must not, with hand-made findings; and that interleaving does not matter. */
#include "correlate/track.h"

#include "util/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define S MMR_NS_PER_S
#define T0 (INT64_C(1700000000) * S)

struct row { /* one finding or piece of telemetry, in words */
    int64_t at_s;
    char side; /* n, e */
    const char *kind, *rule;
    enum mmr_phase phase;
    enum mmr_potential potential;
    const char *src, *dst;
    int sport, dport;
    const char *host, *pname, *puid, *parent, *parent_name;
    const char *user, *session, *domain, *file, *sha, *attack, *input;
    enum mmr_direction direction;
};

static struct mmr_finding *make(const struct row *r, uint64_t index)
{
    struct mmr_finding f;
    memset(&f, 0, sizeof f);
    f.kind = r->kind ? r->kind : "finding";
    f.side = r->side == 'n' ? MMR_SIDE_NETWORK : MMR_SIDE_ENDPOINT;
    f.time_ns = T0 + r->at_s * S;
    f.rule = r->rule;
    f.phase = r->phase;
    f.potential = r->potential;
    f.direction = r->direction;
    if (r->src)
        assert_true(mmr_addr_parse(r->src, strlen(r->src), &f.src));
    if (r->dst)
        assert_true(mmr_addr_parse(r->dst, strlen(r->dst), &f.dst));
    f.src_port = (uint16_t)r->sport;
    f.dst_port = (uint16_t)r->dport;
    f.proto = r->src ? "tcp" : NULL;
    f.host = r->host;
    f.process.name = r->pname;
    f.process.uid = r->puid;
    f.process.parent_uid = r->parent;
    f.process.parent_name = r->parent_name;
    f.user = r->user;
    f.session = r->session;
    f.domain = r->domain;
    f.file = r->file;
    f.sha256 = r->sha;
    if (r->attack)
        f.attack[f.n_attack++] = r->attack;
    f.input = r->input ? r->input : r->side == 'n' ? "net" : "ep";
    f.index = index;
    f.id[0] = (uint8_t)r->side;
    memcpy(f.id + 1, &index, 8);
    struct mmr_finding *c = mmr_finding_copy(&f);
    assert_non_null(c);
    return c;
}

struct world {
    struct mmr_resolve *r;
    struct mmr_tracker *t;
    struct mmr_track_ops ops;
    unsigned merged, evicted;
};

static void on_merged(void *ctx, struct mmr_incident *into, struct mmr_incident *from)
{
    struct world *w = ctx;
    assert_ptr_not_equal(into, from);
    w->merged++;
}

static void on_evicted(void *ctx, struct mmr_incident *i)
{
    struct world *w = ctx;
    assert_non_null(i);
    w->evicted++;
}

static void open_world(struct world *w, uint32_t max)
{
    static struct mmr_cidr home;
    static struct mmr_asset assets[3];
    assert_int_equal(mmr_cidr_parse("192.0.2.0/24", &home, NULL), 0);
    memset(assets, 0, sizeof assets);
    assets[0].name = "PC1";
    assets[1].name = "PC2";
    assets[2].name = "DC";
    assets[2].role = "domain-controller";
    assert_true(mmr_addr_parse("192.0.2.5", 9, &assets[0].addr[0]));
    assert_true(mmr_addr_parse("192.0.2.6", 9, &assets[1].addr[0]));
    assert_true(mmr_addr_parse("192.0.2.1", 9, &assets[2].addr[0]));
    struct mmr_resolve_config c = {.home = &home, .n_home = 1, .assets = assets, .n_assets = 3};
    struct mmr_track_config tc = {.max_incidents = max, .max_hints = 4};
    memset(w, 0, sizeof *w);
    w->ops = (struct mmr_track_ops){on_merged, on_evicted, w};
    assert_int_equal(mmr_resolve_new(&c, &w->r, NULL), 0);
    assert_int_equal(mmr_tracker_new(&tc, w->r, &w->ops, &w->t, NULL), 0);
}

static void close_world(struct world *w)
{
    mmr_tracker_free(w->t);
    mmr_resolve_free(w->r);
}

static enum mmr_track_outcome feed(struct world *w, const struct row *row, uint64_t index)
{
    struct mmr_finding *f = make(row, index);
    struct mmr_learnt l = {0};
    enum mmr_track_outcome out = 0;
    struct mmr_incident *i;
    assert_int_equal(mmr_resolve_learn(w->r, f, &l, NULL), 0);
    assert_int_equal(mmr_tracker_learnt(w->t, &l, NULL), 0);
    if (strcmp(f->kind, "finding") != 0) {
        free(f);
        return out;
    }
    assert_int_equal(mmr_tracker_add(w->t, f, &out, &i, NULL), 0);
    assert_true((i == NULL) == (out == MMR_TRACK_HELD || out == MMR_TRACK_DUPLICATE));
    return out;
}

static uint32_t open_count(const struct world *w)
{
    struct mmr_track_stats s;
    mmr_tracker_stats(w->t, &s);
    return s.open;
}

#define ATT MMR_PHASE_ATTEMPT_INBOUND
#define PROC MMR_PHASE_FOOTHOLD_PROCESS
#define C2 MMR_PHASE_FOOTHOLD_C2
#define HIGH MMR_POTENTIAL_HIGH
#define LOW MMR_POTENTIAL_LOW

static void what_is_one_story_and_what_is_not(void **state)
{
    (void)state;
    static const struct {
        const char *why;
        uint32_t want;
        struct row rows[5];
    } cases[] = {
        {"the same connection from both sides", 1,
         {{0, 'n', .rule = "c2", .phase = C2, .potential = HIGH, .src = "192.0.2.77", .sport = 5000, .dst = "203.0.113.9", .dport = 443},
          {1, 'e', .rule = "odd-conn", .phase = PROC, .potential = HIGH, .src = "192.0.2.77", .sport = 5000, .dst = "203.0.113.9",
           .dport = 443, .host = "LAPTOP", .pname = "x.exe", .puid = "g1"}}},
        {"the same connection, the endpoint's clock five days off", 1,
         {{0, 'n', .rule = "c2", .phase = C2, .potential = HIGH, .src = "192.0.2.77", .sport = 5000, .dst = "203.0.113.9", .dport = 443},
          {-5 * 86400, 'e', .rule = "odd-conn", .phase = PROC, .potential = HIGH, .src = "192.0.2.77", .sport = 5000,
           .dst = "203.0.113.9", .dport = 443, .host = "LAPTOP", .pname = "x.exe", .puid = "g1"}}},
        {"the same five numbers on one side, days apart", 2,
         {{0, 'n', .rule = "a", .phase = ATT, .potential = LOW, .src = "198.51.100.7", .sport = 5000, .dst = "192.0.2.77", .dport = 80},
          {3 * 86400, 'n', .rule = "a", .phase = ATT, .potential = LOW, .src = "198.51.100.7", .sport = 5000, .dst = "192.0.2.77", .dport = 80}}},
        {"network finding, owner learnt later, endpoint finding on its process", 1,
         {{0, 'n', .rule = "c2", .phase = C2, .potential = HIGH, .src = "192.0.2.5", .sport = 5000, .dst = "203.0.113.9", .dport = 443},
          {9000, 'e', .rule = "late", .phase = PROC, .potential = HIGH, .host = "PC1", .pname = "x.exe", .puid = "g7"},
          {1, 'e', .kind = "conn.open", .src = "192.0.2.5", .sport = 5000, .dst = "203.0.113.9", .dport = 443, .host = "PC1",
           .pname = "x.exe", .puid = "g7"}}},
        {"a process and its grandchild", 1,
         {{0, 'e', .kind = "process.start", .host = "PC1", .pname = "mid", .puid = "b", .parent = "a", .parent_name = "dropper"},
          {0, 'e', .rule = "r1", .phase = PROC, .potential = HIGH, .host = "pc1.office.example", .pname = "dropper", .puid = "a"},
          {2000, 'e', .rule = "r2", .phase = PROC, .potential = LOW, .host = "PC1", .pname = "kid", .puid = "c", .parent = "b",
           .parent_name = "mid"}}},
        {"children of a service everybody is a child of, hours apart", 2,
         {{0, 'e', .rule = "r1", .phase = PROC, .potential = HIGH, .host = "PC1", .pname = "p1", .puid = "p1", .parent = "svc",
           .parent_name = "services.exe"},
          {7200, 'e', .rule = "r2", .phase = PROC, .potential = HIGH, .host = "PC1", .pname = "p2", .puid = "p2", .parent = "svc",
           .parent_name = "services.exe"}}},
        {"the same domain controller, two different machines", 2,
         {{0, 'n', .rule = "r1", .phase = MMR_PHASE_SPREAD, .potential = HIGH, .src = "192.0.2.5", .sport = 5000, .dst = "192.0.2.1",
           .dport = 445, .attack = "T1021.002"},
          {300, 'n', .rule = "r2", .phase = MMR_PHASE_ACCOUNT, .potential = HIGH, .src = "192.0.2.6", .sport = 5001, .dst = "192.0.2.1",
           .dport = 389, .attack = "T1110"}}},
        {"the same technique seen on the wire and in the controller's log, seconds apart", 1,
         {{0, 'n', .rule = "r1", .phase = MMR_PHASE_ACCOUNT, .potential = HIGH, .src = "192.0.2.5", .sport = 5000, .dst = "192.0.2.1",
           .dport = 135, .attack = "T1003.006"},
          {2, 'e', .rule = "r2", .phase = MMR_PHASE_ACCOUNT, .potential = HIGH, .host = "DC", .attack = "T1003.006", .user = "SYSTEM"}}},
        {"the same common account on two machines", 2,
         {{0, 'e', .rule = "r1", .phase = MMR_PHASE_ACCOUNT, .potential = HIGH, .host = "PC1", .user = "NT AUTHORITY\\SYSTEM", .session = "0x3e7"},
          {5, 'e', .rule = "r1", .phase = MMR_PHASE_ACCOUNT, .potential = HIGH, .host = "PC2", .user = "NT AUTHORITY\\SYSTEM", .session = "0x3e7"}}},
        {"a person's account used on two machines", 1,
         {{0, 'e', .rule = "r1", .phase = MMR_PHASE_ACCOUNT, .potential = HIGH, .host = "PC1", .user = "office\\hanako"},
          {5, 'e', .rule = "r2", .phase = MMR_PHASE_SPREAD, .potential = HIGH, .host = "PC2", .user = "office\\hanako"}}},
        {"a logon that came from the machine with the other finding", 1,
         {{0, 'e', .rule = "r1", .phase = PROC, .potential = HIGH, .host = "PC1", .pname = "x", .puid = "x"},
          {60, 'e', .rule = "r2", .phase = PROC, .potential = HIGH, .host = "PC2", .pname = "y", .puid = "y", .session = "0x51a2"},
          {50, 'e', .kind = "auth.logon", .host = "PC2", .session = "0x51a2", .src = "192.0.2.5", .sport = 50000}}},
        {"two scanners at one server", 2,
         {{0, 'n', .rule = "scan", .phase = ATT, .potential = HIGH, .src = "198.51.100.7", .sport = 1, .dst = "192.0.2.5", .dport = 80},
          {5, 'n', .rule = "scan", .phase = ATT, .potential = HIGH, .src = "198.51.100.8", .sport = 2, .dst = "192.0.2.5", .dport = 80}}},
        {"an exploit, and what came of it on the machine", 1,
         {{0, 'n', .rule = "exploit", .phase = ATT, .potential = HIGH, .src = "198.51.100.7", .sport = 1, .dst = "192.0.2.5", .dport = 80},
          {30, 'e', .rule = "shell", .phase = PROC, .potential = HIGH, .host = "PC1", .pname = "sh", .puid = "s1"}}},
        {"an exploit long after", 2,
         {{3600, 'n', .rule = "exploit", .phase = ATT, .potential = HIGH, .src = "198.51.100.7", .sport = 1, .dst = "192.0.2.5", .dport = 80},
          {30, 'e', .rule = "shell", .phase = PROC, .potential = HIGH, .host = "PC1", .pname = "sh", .puid = "s1"}}},
        {"from machine to machine", 1,
         {{0, 'e', .rule = "r1", .phase = PROC, .potential = HIGH, .host = "PC1", .pname = "x", .puid = "x"},
          {60, 'n', .rule = "smb", .phase = MMR_PHASE_SPREAD, .potential = HIGH, .src = "192.0.2.5", .sport = 5000, .dst = "192.0.2.6", .dport = 445},
          {90, 'e', .rule = "r2", .phase = PROC, .potential = HIGH, .host = "PC2", .pname = "y", .puid = "y"}}},
        {"one malware file on two machines", 1,
         {{0, 'e', .rule = "yara", .phase = PROC, .potential = HIGH, .host = "PC1", .file = "C:\\Users\\a\\x.exe", .sha = "aa11"},
          {9000, 'e', .rule = "yara", .phase = PROC, .potential = HIGH, .host = "PC2", .file = "C:\\Users\\b\\y.exe", .sha = "AA11"}}},
        {"the system's own shell on two machines", 2,
         {{0, 'e', .rule = "r", .phase = PROC, .potential = HIGH, .host = "PC1", .file = "C:\\Windows\\System32\\cmd.exe", .sha = "aa11"},
          {9, 'e', .rule = "r", .phase = PROC, .potential = HIGH, .host = "PC2", .file = "C:\\Windows\\System32\\cmd.exe", .sha = "aa11"}}},
        {"one bad name asked for through the office's resolver by two machines", 1,
         {{0, 'n', .rule = "ioc", .phase = C2, .potential = HIGH, .src = "192.0.2.50", .sport = 5000, .dst = "192.0.2.1", .dport = 53, .domain = "bad.example"},
          {9, 'n', .rule = "ioc", .phase = C2, .potential = HIGH, .src = "192.0.2.60", .sport = 5000, .dst = "192.0.2.1", .dport = 53, .domain = "BAD.example"}}},
        {"two bad names asked for through the same resolver", 2,
         {{0, 'n', .rule = "ioc", .phase = C2, .potential = HIGH, .src = "192.0.2.50", .sport = 5000, .dst = "192.0.2.2", .dport = 53, .domain = "bad.example"},
          {9, 'n', .rule = "ioc", .phase = C2, .potential = HIGH, .src = "192.0.2.60", .sport = 5000, .dst = "192.0.2.2", .dport = 53, .domain = "worse.example"}}},
        {"a hint alone", 0,
         {{0, 'n', .rule = "odd", .phase = MMR_PHASE_NONE, .src = "192.0.2.50", .sport = 5000, .dst = "203.0.113.1", .dport = 443}}},
        {"two machines, nothing in common", 2,
         {{0, 'e', .rule = "r", .phase = PROC, .potential = HIGH, .host = "PC1", .pname = "a.exe", .puid = "1"},
          {1, 'e', .rule = "r", .phase = PROC, .potential = HIGH, .host = "PC2", .pname = "a.exe", .puid = "2"}}},
    };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++)
        for (unsigned turned = 0; turned < 2; turned++) { /* also in the opposite order */
            struct world w;
            size_t n = 0;
            open_world(&w, 100);
            while (n < 5 && cases[c].rows[n].side)
                n++;
            for (size_t k = 0; k < n; k++)
                (void)feed(&w, &cases[c].rows[turned ? n - 1 - k : k], turned ? n - k : k + 1);
            if (open_count(&w) != cases[c].want)
                fail_msg("%s (%s): %u incidents, want %u", cases[c].why, turned ? "turned" : "in order", open_count(&w),
                         cases[c].want);
            close_world(&w);
        }
}

static bool first(void *ctx, struct mmr_incident *i)
{
    *(struct mmr_incident **)ctx = i;
    return false;
}

static void repeats_fold_and_duplicates_count_once(void **state)
{
    struct world w;
    (void)state;
    struct row r = {0, 'n', .rule = "brute", .phase = ATT, .potential = LOW, .src = "198.51.100.7", .sport = 1000,
                    .dst = "192.0.2.5", .dport = 22, .input = "a.pcap"};
    open_world(&w, 100);
    assert_int_equal(feed(&w, &r, 1), MMR_TRACK_NEW);
    assert_int_equal(feed(&w, &r, 2), MMR_TRACK_DUPLICATE);
    for (int k = 1; k < 10; k++) {
        r.at_s = k;
        r.sport = 1000 + k;
        assert_int_equal(feed(&w, &r, (uint64_t)k + 2), MMR_TRACK_FOLDED);
    }
    r.input = "b.pcap"; /* the same wire at another point: microseconds later */
    for (int k = 0; k < 10; k++) {
        struct mmr_finding *f;
        struct mmr_incident *i;
        enum mmr_track_outcome out;
        r.at_s = k;
        r.sport = 1000 + k;
        f = make(&r, (uint64_t)k + 50);
        f->time_ns += 300;
        assert_int_equal(mmr_tracker_add(w.t, f, &out, &i, NULL), 0);
        assert_int_equal(out, MMR_TRACK_FOLDED);
    }
    struct mmr_incident *i = NULL;
    mmr_tracker_each(w.t, first, &i);
    assert_non_null(i);
    assert_int_equal(i->n_evidence, 1);
    assert_int_equal(i->evidence[0].count, 10);
    assert_int_equal(i->evidence[0].last_ns, T0 + 9 * S + 300);
    close_world(&w);
}

static void a_finding_that_stands_for_several_counts_as_them(void **state)
{
    struct world w;
    struct mmr_incident *i = NULL;
    enum mmr_track_outcome out;
    (void)state;
    struct row r = {0, 'e', .rule = "guessing", .phase = ATT, .potential = LOW, .src = "198.51.100.7", .sport = 1000,
                    .dst = "192.0.2.5", .dport = 22};
    open_world(&w, 100);
    for (int k = 0; k < 2; k++) {
        r.at_s = k;
        struct mmr_finding *f = make(&r, (uint64_t)k + 1);
        f->count = k == 0 ? 5 : 0; /* 0: not said, which is one */
        assert_int_equal(mmr_tracker_add(w.t, f, &out, &i, NULL), 0);
    }
    assert_int_equal(i->n_evidence, 1);
    assert_int_equal(i->evidence[0].count, 6);
    close_world(&w);
}

static void a_hint_supports_but_does_not_open(void **state)
{
    struct world w;
    (void)state;
    struct row hint = {0, 'n', .rule = "risk", .src = "192.0.2.5", .sport = 5000, .dst = "203.0.113.9", .dport = 443};
    struct row real = {5, 'n', .rule = "c2", .phase = C2, .potential = HIGH, .src = "192.0.2.5", .sport = 5000,
                       .dst = "203.0.113.9", .dport = 443};
    open_world(&w, 100);
    assert_int_equal(feed(&w, &hint, 1), MMR_TRACK_HELD);
    assert_int_equal(open_count(&w), 0);
    assert_int_equal(feed(&w, &real, 2), MMR_TRACK_NEW);
    struct mmr_incident *i = NULL;
    mmr_tracker_each(w.t, first, &i);
    assert_int_equal(i->n_evidence, 2);
    assert_int_equal(mmr_tracker_view(w.t, i, NULL), 0);
    assert_int_equal(i->t0_ns, T0 + 5 * S); /* detection is the rule, not the hint */
    for (uint64_t k = 0; k < 10; k++) {     /* hints are bounded */
        hint.sport = 6000 + (int)k;
        hint.at_s = 100 + (int64_t)k;
        (void)feed(&w, &hint, 10 + k);
    }
    struct mmr_track_stats s;
    mmr_tracker_stats(w.t, &s);
    assert_int_equal(s.hints, 4);
    assert_int_equal(s.evicted_hints, 6);
    close_world(&w);
}

static void a_finding_that_links_two_incidents_merges_them(void **state)
{
    struct world w;
    (void)state;
    struct row a = {0, 'e', .rule = "r1", .phase = PROC, .potential = HIGH, .host = "PC1", .pname = "x", .puid = "x"};
    struct row b = {60, 'e', .rule = "r2", .phase = PROC, .potential = HIGH, .host = "PC2", .pname = "y", .puid = "y"};
    struct row link = {30, 'n', .rule = "smb", .phase = MMR_PHASE_SPREAD, .potential = HIGH, .src = "192.0.2.5", .sport = 5000,
                       .dst = "192.0.2.6", .dport = 445};
    open_world(&w, 100);
    (void)feed(&w, &a, 1);
    struct mmr_incident *i = NULL;
    mmr_tracker_each(w.t, first, &i);
    uint64_t id_a = i->id;
    (void)feed(&w, &b, 2);
    assert_int_equal(open_count(&w), 2);
    (void)feed(&w, &link, 3);
    assert_int_equal(open_count(&w), 1);
    assert_int_equal(w.merged, 1);
    i = mmr_tracker_get(w.t, id_a);
    assert_non_null(i);
    assert_int_equal(i->n_evidence, 3);
    assert_string_equal(i->evidence[1].finding->rule, "smb"); /* in order of time */
    assert_int_equal(mmr_tracker_view(w.t, i, NULL), 0);
    assert_int_equal(i->n_hosts, 2);
    assert_string_equal(i->hosts[0].name, "PC1");
    assert_int_equal(i->hosts[0].role, MMR_ROLE_SOURCE); /* a machine of ours that attacks another */
    assert_int_equal(i->hosts[1].role, MMR_ROLE_VICTIM);
    assert_int_equal(i->n_attackers, 0);
    close_world(&w);
}

static void the_ceiling_evicts_the_quietest_and_says_so(void **state)
{
    struct world w;
    (void)state;
    open_world(&w, 3);
    for (int k = 0; k < 10; k++) {
        char host[16];
        (void)snprintf(host, sizeof host, "H%d", k);
        struct row r = {k, 'e', .rule = "r", .phase = PROC, .potential = HIGH, .host = host, .pname = "x", .puid = "x"};
        assert_int_equal(feed(&w, &r, (uint64_t)k + 1), MMR_TRACK_NEW);
    }
    assert_int_equal(open_count(&w), 3);
    assert_int_equal(w.evicted, 7);
    struct row again = {20, 'e', .rule = "other", .phase = PROC, .potential = HIGH, .host = "H0", .pname = "z", .puid = "z"};
    assert_int_equal(feed(&w, &again, 99), MMR_TRACK_NEW); /* spans of the evicted point nowhere */
    close_world(&w);
}

/* ---- shuffle ---- */

static uint64_t next_random(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

struct sum {
    char text[16384];
    size_t len;
};

static bool write_down(void *ctx, struct mmr_incident *i)
{
    struct sum *s = ctx;
    assert_true(s->len + 4096 < sizeof s->text);
    s->len += (size_t)snprintf(s->text + s->len, 256, "#%016llx first %lld ev %u", (unsigned long long)i->id,
                               (long long)i->first_ns, i->n_evidence);
    for (uint32_t k = 0; k < i->n_evidence; k++)
        s->len += (size_t)snprintf(s->text + s->len, 128, " %s@%lldx%u", i->evidence[k].finding->rule,
                                   (long long)(mmr_finding_time(i->evidence[k].finding) - T0) / S, i->evidence[k].count);
    for (uint32_t k = 0; k < i->n_joins; k++)
        s->len += (size_t)snprintf(s->text + s->len, 256, " <%s>", i->joins[k].value);
    for (uint32_t k = 0; k < i->n_hosts; k++)
        s->len += (size_t)snprintf(s->text + s->len, 128, " %s/%d", i->hosts[k].name, (int)i->hosts[k].role);
    s->len += (size_t)snprintf(s->text + s->len, 8, "\n");
    return true;
}

static bool see(void *ctx, struct mmr_incident *i)
{
    struct world *w = ctx;
    assert_int_equal(mmr_tracker_view(w->t, i, NULL), 0);
    return true;
}

static int compare_lines(const void *a, const void *b)
{
    const char *x, *y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return strcmp(x, y);
}

/* The lines in an order of their own: slots depend on arrival, incidents must not. */
static void canonical(struct world *w, char *out, size_t cap)
{
    struct sum s = {.len = 0};
    char *line[64];
    size_t n = 0, at = 0;
    mmr_tracker_each(w->t, see, w);
    mmr_tracker_each(w->t, write_down, &s);
    for (char *p = s.text; *p; n++) {
        assert_true(n < 64);
        line[n] = p;
        p = strchr(p, '\n');
        *p++ = '\0';
    }
    qsort(line, n, sizeof line[0], compare_lines);
    for (size_t k = 0; k < n; k++)
        at += (size_t)snprintf(out + at, cap - at, "%s\n", line[k]);
    assert_true(at < cap);
}

static const struct row net_rows[] = {
    {0, 'n', .kind = "flow.start", .src = "198.51.100.6", .sport = 4000, .dst = "192.0.2.5", .dport = 8080},
    {1, 'n', .rule = "exploit", .phase = ATT, .potential = HIGH, .src = "198.51.100.6", .sport = 4000, .dst = "192.0.2.5", .dport = 8080},
    {3, 'n', .kind = "flow.start", .src = "192.0.2.5", .sport = 4100, .dst = "203.0.113.9", .dport = 443},
    {4, 'n', .rule = "beacon", .phase = C2, .potential = HIGH, .src = "192.0.2.5", .sport = 4100, .dst = "203.0.113.9", .dport = 443},
    {64, 'n', .rule = "beacon", .phase = C2, .potential = HIGH, .src = "192.0.2.5", .sport = 4101, .dst = "203.0.113.9", .dport = 443},
    {70, 'n', .rule = "smb", .phase = MMR_PHASE_SPREAD, .potential = HIGH, .src = "192.0.2.5", .sport = 4200, .dst = "192.0.2.6", .dport = 445},
    {75, 'n', .rule = "scan", .phase = ATT, .potential = LOW, .src = "198.51.100.99", .sport = 1, .dst = "192.0.2.6", .dport = 22},
    {80, 'n', .rule = "risk", .src = "192.0.2.5", .sport = 4100, .dst = "203.0.113.9", .dport = 443},
    {90, 'n', .rule = "ioc", .phase = C2, .potential = HIGH, .src = "192.0.2.40", .sport = 5, .dst = "203.0.113.77", .dport = 80},
};
static const struct row ep_rows[] = { /* this side's clock is 40 s slow */
    {-39, 'e', .kind = "process.start", .host = "PC1", .pname = "sh", .puid = "s", .parent = "j", .parent_name = "java"},
    {-38, 'e', .rule = "shell", .phase = PROC, .potential = HIGH, .host = "PC1", .pname = "sh", .puid = "s", .parent = "j", .parent_name = "java"},
    {-37, 'e', .kind = "conn.open", .host = "PC1", .pname = "sh", .puid = "s", .src = "192.0.2.5", .sport = 4100, .dst = "203.0.113.9", .dport = 443},
    {-36, 'e', .rule = "revshell", .phase = C2, .potential = HIGH, .host = "PC1", .pname = "sh", .puid = "s", .src = "192.0.2.5", .sport = 4100, .dst = "203.0.113.9", .dport = 443},
    {-10, 'e', .kind = "process.start", .host = "PC1", .pname = "id", .puid = "i", .parent = "s", .parent_name = "sh"},
    {-9, 'e', .rule = "discovery", .phase = PROC, .potential = LOW, .host = "PC1", .pname = "id", .puid = "i"},
    {32, 'e', .kind = "auth.logon", .host = "PC2", .session = "0x99", .src = "192.0.2.5", .sport = 4200},
    {33, 'e', .rule = "remote-exec", .phase = PROC, .potential = HIGH, .host = "PC2", .pname = "w", .puid = "w", .session = "0x99"},
    {50, 'e', .rule = "miner", .phase = PROC, .potential = LOW, .host = "PC3", .pname = "m", .puid = "m"},
};

static void interleaving_does_not_matter(void **state)
{
    static char want[16384], got[16384];
    uint64_t seed = UINT64_C(88172645463325252);
    (void)state;
    enum { NET = sizeof net_rows / sizeof net_rows[0], EP = sizeof ep_rows / sizeof ep_rows[0] };
    for (unsigned round = 0; round < 300; round++) {
        struct world w;
        size_t n = 0, e = 0;
        open_world(&w, 100);
        while (n < NET || e < EP) {
            bool is_net = e == EP || (n < NET && (round == 0 || (round > 1 && next_random(&seed) % 2)));
            if (is_net) {
                (void)feed(&w, &net_rows[n], n + 1);
                n++;
            } else {
                (void)feed(&w, &ep_rows[e], e + 1);
                e++;
            }
        }
        canonical(&w, round ? got : want, sizeof want);
        if (round == 0) {
            assert_int_equal(open_count(&w), 4); /* the story; the scan; another machine's beacon; the miner */
        } else if (strcmp(want, got) != 0) {
            fail_msg("interleaving %u gives\n%swant\n%s", round, got, want);
        }
        close_world(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_one_story_and_what_is_not),
        cmocka_unit_test(repeats_fold_and_duplicates_count_once),
        cmocka_unit_test(a_finding_that_stands_for_several_counts_as_them),
        cmocka_unit_test(a_hint_supports_but_does_not_open),
        cmocka_unit_test(a_finding_that_links_two_incidents_merges_them),
        cmocka_unit_test(the_ceiling_evicts_the_quietest_and_says_so),
        cmocka_unit_test(interleaving_does_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
