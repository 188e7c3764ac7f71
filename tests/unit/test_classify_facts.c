/* test_classify_facts.c - H, S, D, B, R, A, U of whole incidents, and what may change over time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "classify/recur.h"
#include "util/clock.h"

#include <stdlib.h>
#include <string.h>

#define S MMR_NS_PER_S

struct story {
    struct mmr_incident i;
    struct mmr_evidence ev[4];
    struct mmr_finding f[4];
    struct mmr_action_rec actions[4];
    struct mmr_host_ref host;
};

static struct mmr_addr addr(const char *text)
{
    struct mmr_addr a;
    assert_true(mmr_addr_parse(text, strlen(text), &a));
    return a;
}

/* An outside attempt against PC1, blocked by one action whose receipt is given. */
static void end(struct story *s)
{
    free(s->i.why);
    free(s);
}

static struct story *attempt(void)
{
    struct story *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->i.id = 1;
    s->i.evidence = s->ev;
    s->i.actions = s->actions;
    s->i.hosts = &s->host;
    s->i.n_hosts = 1;
    memcpy(s->host.name, "PC1", 4);
    s->host.addr[0] = addr("192.168.2.5");
    s->host.role = MMR_ROLE_VICTIM;
    s->i.t0_ns = s->i.first_ns = s->i.last_ns = 1000 * S;
    s->f[0] = (struct mmr_finding){.phase = MMR_PHASE_ATTEMPT_INBOUND,
                                   .potential = MMR_POTENTIAL_HIGH,
                                   .side = MMR_SIDE_NETWORK,
                                   .rule = "r1",
                                   .title = "attempt",
                                   .time_ns = 1000 * S,
                                   .src = addr("198.51.100.6"),
                                   .dst = addr("192.168.2.5"),
                                   .dst_port = 22};
    s->ev[0] = (struct mmr_evidence){.finding = &s->f[0], .count = 1};
    s->i.n_evidence = 1;
    s->actions[0].verb = MMR_VERB_BLOCK_ADDR;
    s->actions[0].side = MMR_SIDE_NETWORK;
    s->actions[0].target.addr = (struct mmr_cidr){.addr = addr("198.51.100.6"), .bits = 128};
    s->actions[0].state = MMR_STATE_ORDERED;
    s->i.n_actions = 1;
    return s;
}

static void prove(struct mmr_action_rec *a, int64_t now)
{
    a->state = MMR_STATE_PROVED;
    a->receipt = (struct mmr_receipt){.result = MMR_RESULT_APPLIED,
                                      .verified = MMR_VERIFIED_CONFIRMED,
                                      .applied_ns = now,
                                      .verified_ns = now};
}

static enum mmr_yes normal(void *ctx, const struct mmr_host_ref *h)
{
    (void)ctx;
    (void)h;
    return MMR_NO;
}

static bool clean(void *ctx, const char *host, const struct mmr_addr *a, int64_t from, int64_t to,
                  struct mmr_window *ret)
{
    (void)host;
    (void)a;
    assert_true(from <= to);
    *ret = *(const struct mmr_window *)ctx;
    return true;
}

static void pending_then_defended_when_the_proof_comes(void **state)
{
    (void)state;
    struct story *s = attempt();
    const struct mmr_facts_ctx ctx = {.important = normal};
    assert_true(mmr_classify_incident(&s->i, &ctx, 1001 * S) & MMR_CHANGE_CLASS);
    assert_int_equal(s->i.row, 9);
    assert_int_equal(mmr_classify_next_ns(&s->i, 1001 * S), 1600 * S);
    prove(&s->actions[0], 1002 * S);
    assert_true(mmr_classify_incident(&s->i, &ctx, 1002 * S) & MMR_CHANGE_CLASS);
    assert_int_equal(s->i.class_current, MMR_CLASS_OF_DEFENDED);
    assert_int_equal(s->i.row, 12);
    assert_true(s->i.n_why >= 3);
    assert_int_equal(mmr_classify_incident(&s->i, &ctx, 1003 * S), 0); /* no news */
    s->actions[0].receipt.verified =
        MMR_VERIFIED_REFUTED; /* any class may rise, with a new clock */
    s->actions[0].receipt.verified_ns = 2000 * S;
    unsigned c = mmr_classify_incident(&s->i, &ctx, 2001 * S);
    assert_true(c & MMR_CHANGE_CLASS && c & MMR_CHANGE_CLOCK);
    assert_int_equal(s->i.row, 5);
    assert_int_equal(s->i.clock_ns, 2000 * S);
    end(s);
}

static void late_defence_contains_but_severe_stays(void **state)
{
    (void)state;
    struct story *s = attempt();
    const struct mmr_facts_ctx ctx = {.important = normal};
    (void)mmr_classify_incident(&s->i, &ctx, 1600 * S); /* V is over, no proof */
    assert_int_equal(s->i.row, 10);
    assert_int_equal(s->i.class_current, MMR_CLASS_OF_SEVERE);
    prove(&s->actions[0], 1700 * S);
    assert_true(mmr_classify_incident(&s->i, &ctx, 1700 * S) & MMR_CHANGE_CONTAINED);
    assert_int_equal(s->i.class_current, MMR_CLASS_OF_SEVERE);
    assert_int_equal(s->i.class_peak, MMR_CLASS_OF_SEVERE);
    assert_true(s->i.is_contained);
    assert_int_equal(s->i.band, MMR_BAND_RED);
    struct mmr_error err = {.struct_size = sizeof err};
    assert_int_equal(mmr_withdraw(&s->i, "", "x", &err), MMR_EINVAL);
    assert_int_equal(mmr_withdraw(&s->i, "A. Person", "", &err), MMR_EINVAL);
    assert_int_equal(mmr_withdraw(&s->i, "A. Person", "test of a door", &err), 0);
    assert_true(s->i.is_withdrawn);
    assert_int_equal(s->i.class_peak, MMR_CLASS_OF_SEVERE);
    end(s);
}

static void a_foothold_is_harmless_only_with_telemetry_without_gap(void **state)
{
    (void)state;
    static const struct {
        struct mmr_window w;
        char want;
    } rows[] = {
        {{.is_gap_free = true}, 'n'},
        {{.is_gap_free = false}, 'u'},
        {{.is_gap_free = true, .data_sent = true}, 'u'},
        {{.is_gap_free = true, .account_used = true}, 'u'},
        {{.is_gap_free = true, .others_files_changed = true}, 'u'},
    };
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        struct story *s = attempt();
        struct mmr_facts f;
        struct mmr_window w = rows[k].w;
        s->f[0] = (struct mmr_finding){.phase = MMR_PHASE_FOOTHOLD_PROCESS,
                                       .potential = MMR_POTENTIAL_HIGH,
                                       .side = MMR_SIDE_ENDPOINT,
                                       .host = "PC1",
                                       .title = "t",
                                       .time_ns = 1000 * S,
                                       .process = {.pid = 9, .path = "/usr/bin/sh"}};
        s->actions[0].verb = MMR_VERB_KILL_PROCESS;
        s->actions[0].target.pid = 9;
        memcpy(s->actions[0].target.host, "PC1", 4);
        prove(&s->actions[0], 1001 * S);
        const struct mmr_facts_ctx ctx = {.important = normal, .window = clean, .ctx = &w};
        mmr_facts_of(&s->i, &ctx, 1002 * S, &f);
        assert_int_equal(f.in.defence, MMR_D_VERIFIED);
        if (f.in.harm != rows[k].want)
            fail_msg("row %zu: %c", k, f.in.harm);
        struct mmr_facts_ctx blind = {.important = normal};
        mmr_facts_of(&s->i, &blind, 1002 * S, &f);
        assert_int_equal(f.in.harm, 'u');
        s->actions[0].receipt.verified = MMR_VERIFIED_NONE; /* its stop is not proved */
        mmr_facts_of(&s->i, &ctx, 1002 * S, &f);
        assert_int_equal(f.in.harm, 'u');
        end(s);
    }
}

/* The sensors of the machine were down: that only the network saw attempts shows nothing about it. */
static void an_attempt_nobody_could_see_through_is_not_harmless(void **state)
{
    (void)state;
    struct mmr_window w = {.is_blind = true, .blind_from_ns = 999 * S, .blind_to_ns = INT64_MAX, .blind_why = "lost"};
    struct mmr_facts f;
    struct story *s = attempt();
    const struct mmr_facts_ctx ctx = {.important = normal, .window = clean, .ctx = &w};
    prove(&s->actions[0], 1001 * S);
    mmr_facts_of(&s->i, &ctx, 1002 * S, &f);
    assert_int_equal(f.in.defence, MMR_D_VERIFIED);
    assert_int_equal(f.in.harm, 'u');
    assert_non_null(strstr(f.why[0], "PC1"));
    (void)mmr_classify_incident(&s->i, &ctx, 1002 * S);
    assert_int_equal(s->i.class_current, MMR_CLASS_OF_SEVERE);
    assert_int_equal(s->i.band, MMR_BAND_YELLOW);
    w.blind_to_ns = 1000 * S; /* over since: still for the time it was */
    mmr_facts_of(&s->i, &ctx, 1002 * S, &f);
    assert_int_equal(f.in.harm, 'u');
    w.is_blind = false;
    mmr_facts_of(&s->i, &ctx, 1002 * S, &f);
    assert_int_equal(f.in.harm, 'n');
    /* what is known to be no attack stays none */
    w.is_blind = true;
    struct mmr_benign_proof p = {.kind = MMR_BENIGN_ALLOW_RULE, .owner = "A. Person", .reason = "own scanner", .expires_ns = 9000 * S};
    const struct mmr_facts_ctx allowed = {.important = normal, .window = clean, .proof = &p, .n_proof = 1, .ctx = &w};
    mmr_facts_of(&s->i, &allowed, 1002 * S, &f);
    assert_int_equal(f.in.harm, 'n');
    assert_true(f.in.is_benign);
    end(s);
}

static void harm_that_comes_late_raises_and_starts_a_clock(void **state)
{
    (void)state;
    struct story *s = attempt();
    const struct mmr_facts_ctx ctx = {.important = normal};
    prove(&s->actions[0], 1001 * S);
    (void)mmr_classify_incident(&s->i, &ctx, 1002 * S);
    assert_int_equal(s->i.class_current, MMR_CLASS_OF_DEFENDED);
    s->f[1] = (struct mmr_finding){.phase = MMR_PHASE_IMPACT,
                                   .potential = MMR_POTENTIAL_HIGH,
                                   .title = "files rewritten",
                                   .host = "PC1",
                                   .side = MMR_SIDE_ENDPOINT,
                                   .time_ns = 5000 * S};
    s->ev[1] = (struct mmr_evidence){.finding = &s->f[1], .count = 1};
    s->i.n_evidence = 2;
    unsigned c = mmr_classify_incident(&s->i, &ctx, 5001 * S);
    assert_true(c & MMR_CHANGE_CLASS && c & MMR_CHANGE_CLOCK);
    assert_int_equal(s->i.row, 1);
    assert_int_equal(s->i.clock_ns, 5000 * S);
    end(s);
}

static void only_named_proof_is_benign(void **state)
{
    (void)state;
    static const struct {
        struct mmr_benign_proof p;
        bool want;
    } rows[] = {
        {{.kind = MMR_BENIGN_ALLOW_RULE, .owner = "A", .reason = "scanner", .expires_ns = 9999 * S},
         true},
        {{.kind = MMR_BENIGN_ALLOW_RULE, .owner = "A", .reason = "scanner", .expires_ns = 1000 * S},
         false},
        {{.kind = MMR_BENIGN_ALLOW_RULE, .owner = "A", .reason = "scanner"}, false},
        {{.kind = MMR_BENIGN_ALLOW_RULE, .owner = "", .reason = "scanner", .expires_ns = 9999 * S},
         false},
        {{.kind = MMR_BENIGN_ANALYST, .owner = "A", .reason = "looked"}, true},
        {{.kind = MMR_BENIGN_ANALYST, .reason = "looked"}, false},
        {{.kind = MMR_BENIGN_DUPLICATE, .duplicate_of = 1}, false}, /* of itself */
        {{.kind = MMR_BENIGN_DUPLICATE, .duplicate_of = 2}, true},
        {{.kind = MMR_BENIGN_EXERCISE}, false}, /* not marked */
        {{.kind = MMR_BENIGN_ABSENT, .reason = "no such service"}, true},
        {{.kind = MMR_BENIGN_NONE}, false},
    };
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        struct story *s = attempt();
        struct mmr_facts f;
        const struct mmr_facts_ctx ctx = {.important = normal, .proof = &rows[k].p, .n_proof = 1};
        mmr_facts_of(&s->i, &ctx, 1500 * S, &f);
        if (f.in.is_benign != rows[k].want)
            fail_msg("row %zu", k);
        end(s);
    }
}

static void accounts_and_isolation_leave_something_to_do(void **state)
{
    (void)state;
    struct story *s = attempt();
    struct mmr_facts f;
    const struct mmr_facts_ctx ctx = {.important = normal};
    s->f[0].phase = MMR_PHASE_ACCOUNT;
    s->f[0].user = "alice";
    mmr_facts_of(&s->i, &ctx, 1500 * S, &f);
    assert_true(f.in.has_user_action);
    assert_int_equal(f.in.harm, 'u');
    struct mmr_facts_ctx unknown = {0}; /* importance unknown counts as important */
    mmr_facts_of(&s->i, &unknown, 1500 * S, &f);
    assert_true(f.in.is_important);
    end(s);
}

static void the_same_again_after_containment_recurs(void **state)
{
    (void)state;
    struct mmr_recur *r = NULL;
    assert_int_equal(mmr_recur_new(0, &r, NULL), 0);
    struct story *a = attempt(), *b = attempt();
    struct mmr_facts_ctx ctx = {.important = normal};
    struct mmr_facts f;
    a->f[0].phase = b->f[0].phase = MMR_PHASE_FOOTHOLD_PROCESS;
    b->i.id = 2;
    b->i.first_ns = 3000 * S;
    mmr_recur_contained(r, &a->i, 2000 * S);
    mmr_recur_look(r, &a->i, 3000 * S, &ctx);
    assert_false(ctx.recurs_after_containment); /* not of itself */
    mmr_recur_look(r, &b->i, 3000 * S, &ctx);
    assert_true(ctx.recurs_after_containment);
    mmr_facts_of(&b->i, &ctx, 3000 * S, &f);
    assert_true(f.in.is_recurring);
    b->i.first_ns = 1500 * S; /* it began before the containment: not again, still */
    mmr_recur_look(r, &b->i, 3000 * S, &ctx);
    assert_false(ctx.recurs_after_containment);
    for (uint64_t k = 10; k < 13; k++) { /* three defended ones on the machine */
        a->i.id = k;
        a->i.class_current = MMR_CLASS_OF_DEFENDED;
        mmr_recur_contained(r, &a->i, 2000 * S);
    }
    mmr_recur_look(r, &b->i, 3000 * S, &ctx);
    assert_int_equal(ctx.defended_7d, 3);
    mmr_recur_look(r, &b->i, 2000 * S + 7 * 24 * 3600 * S + 1, &ctx);
    assert_int_equal(ctx.defended_7d, 0);
    b->f[0].phase = MMR_PHASE_ATTEMPT_INBOUND; /* blocked attempts from outside never recur */
    ctx.recurs_after_containment = true;
    mmr_facts_of(&b->i, &ctx, 3000 * S, &f);
    assert_false(f.in.is_recurring);
    assert_int_equal(mmr_incident_fingerprint(&b->i), 0);
    free(a);
    free(b);
    mmr_recur_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pending_then_defended_when_the_proof_comes),
        cmocka_unit_test(late_defence_contains_but_severe_stays),
        cmocka_unit_test(a_foothold_is_harmless_only_with_telemetry_without_gap),
        cmocka_unit_test(an_attempt_nobody_could_see_through_is_not_harmless),
        cmocka_unit_test(harm_that_comes_late_raises_and_starts_a_clock),
        cmocka_unit_test(only_named_proof_is_benign),
        cmocka_unit_test(accounts_and_isolation_leave_something_to_do),
        cmocka_unit_test(the_same_again_after_containment_recurs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
