/* The incident: order, ceilings, and the way into the store and back. */
#include "model/incident.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static struct mmr_finding *make(int64_t at, const char *rule, uint8_t id, unsigned severity)
{
    struct mmr_finding f;
    memset(&f, 0, sizeof f);
    f.kind = "finding";
    f.rule = rule;
    f.side = MMR_SIDE_NETWORK;
    f.phase = MMR_PHASE_SPREAD;
    f.time_ns = at;
    f.severity_id = severity;
    f.id[0] = id;
    f.attack[f.n_attack++] = "T1021.002";
    struct mmr_finding *c = mmr_finding_copy(&f);
    assert_non_null(c);
    return c;
}

static void evidence_is_kept_in_order_of_time(void **state)
{
    static const int64_t at[] = {50, 10, 30, 30, 20};
    (void)state;
    struct mmr_incident *i = mmr_incident_new(1, NULL);
    for (unsigned k = 0; k < 5; k++) {
        struct mmr_evidence e = {.finding = make(at[k], "r", (uint8_t)(9 - k), 3), .count = 1};
        assert_int_equal(mmr_incident_insert_evidence(i, &e, NULL), 0);
    }
    for (unsigned k = 1; k < 5; k++)
        assert_true(mmr_finding_time(i->evidence[k - 1].finding) <= mmr_finding_time(i->evidence[k].finding));
    assert_int_equal(i->evidence[2].finding->id[0], 6); /* a tie goes by id, not by arrival */
    assert_int_equal(i->evidence[3].finding->id[0], 7);
    mmr_incident_free(i);
}

static void past_the_ceiling_the_commonest_goes(void **state)
{
    (void)state;
    struct mmr_incident *i = mmr_incident_new(1, NULL);
    struct mmr_evidence rare = {.finding = make(1000, "rare", 200, 5), .count = 1};
    assert_int_equal(mmr_incident_insert_evidence(i, &rare, NULL), 0);
    for (int k = 0; k < 2 * MMR_INCIDENT_EVIDENCE_MAX; k++) {
        struct mmr_evidence e = {.finding = make(k, "common", (uint8_t)k, 3), .count = 1};
        assert_int_equal(mmr_incident_insert_evidence(i, &e, NULL), 0);
    }
    assert_int_equal(i->n_evidence, MMR_INCIDENT_EVIDENCE_MAX);
    assert_int_equal(i->evicted, MMR_INCIDENT_EVIDENCE_MAX + 1);
    assert_string_equal(i->evidence[i->n_evidence - 1].finding->rule, "rare");
    mmr_incident_free(i);
}

static void joins_and_hosts_are_said_once(void **state)
{
    (void)state;
    struct mmr_incident *i = mmr_incident_new(1, NULL);
    for (int k = 0; k < 200; k++) {
        char v[16];
        (void)snprintf(v, sizeof v, "h%d", k / 2);
        assert_int_equal(mmr_incident_add_join(i, MMR_ENT_HOST, v, NULL), 0);
    }
    assert_int_equal(i->n_joins, MMR_INCIDENT_JOINS_MAX);
    struct mmr_host_ref by_addr = {.role = MMR_ROLE_VICTIM}, by_name = {.name = "PC1", .role = MMR_ROLE_SOURCE};
    assert_true(mmr_addr_parse("192.0.2.5", 9, &by_addr.addr[0]));
    by_name.addr[0] = by_addr.addr[0];
    assert_int_equal(mmr_incident_add_host(i, &by_addr, NULL), 0);
    assert_int_equal(mmr_incident_add_host(i, &by_name, NULL), 0);
    assert_int_equal(i->n_hosts, 1);
    assert_string_equal(i->hosts[0].name, "PC1");
    assert_int_equal(i->hosts[0].role, MMR_ROLE_SOURCE);
    mmr_incident_free(i);
}

static struct mmr_incident *full(void)
{
    struct mmr_incident *i = mmr_incident_new(77, NULL);
    for (unsigned k = 0; k < 5; k++) {
        struct mmr_evidence e = {.finding = make(k * 10, "r", (uint8_t)k, 3), .count = k + 1, .fold = UINT64_MAX - k,
                                 .last_ns = 100, .source = {5}, .source_count = {k + 1}};
        assert_int_equal(mmr_incident_insert_evidence(i, &e, NULL), 0);
    }
    assert_int_equal(mmr_incident_add_join(i, MMR_ENT_CONNECTION, "a->b", NULL), 0);
    struct mmr_host_ref h = {.name = "PC1", .role = MMR_ROLE_VICTIM};
    assert_int_equal(mmr_incident_add_host(i, &h, NULL), 0);
    struct mmr_action_rec a = {.id = UINT64_MAX, .verb = MMR_VERB_BLOCK_ADDR, .side = MMR_SIDE_NETWORK,
                               .state = MMR_STATE_PROVED, .reason = "because", .ttl_ms = 3600000,
                               .receipt = {.result = MMR_RESULT_APPLIED, .verified = MMR_VERIFIED_CONFIRMED}};
    assert_int_equal(mmr_incident_add_action(i, &a, NULL), 0);
    mmr_incident_why(i, "H %s", "no");
    assert_true(mmr_addr_parse("203.0.113.9", 11, &i->attackers[i->n_attackers++]));
    i->harm = 'u';
    i->class_current = i->class_peak = MMR_CLASS_OF_SEVERE;
    i->band = MMR_BAND_RED;
    i->row = 8;
    i->t0_ns = -5;
    i->revision = 3;
    return i;
}

static void packed_comes_back_whole(void **state)
{
    uint8_t *p, *q;
    size_t len, again;
    struct mmr_incident *b, *a = full();
    (void)state;
    assert_int_equal(mmr_incident_pack(a, &p, &len, NULL), 0);
    assert_int_equal(mmr_incident_unpack(p, len, &b, NULL), 0);
    assert_int_equal(b->id, 77);
    assert_int_equal(b->t0_ns, -5);
    assert_int_equal(b->n_evidence, 5);
    assert_int_equal(b->evidence[4].fold, UINT64_MAX - 4);
    assert_string_equal(b->evidence[2].finding->attack[0], "T1021.002");
    assert_null(b->evidence[2].finding->user);
    assert_int_equal(b->actions[0].id, UINT64_MAX);
    assert_string_equal(b->actions[0].reason, "because");
    assert_string_equal(b->why[0], "H no");
    assert_int_equal(b->band, MMR_BAND_RED);
    assert_int_equal(mmr_incident_pack(b, &q, &again, NULL), 0);
    assert_int_equal(again, len);
    assert_memory_equal(p, q, len);
    free(p);
    free(q);
    mmr_incident_free(a);
    mmr_incident_free(b);
}

static void damaged_bytes_are_refused_or_harmless(void **state)
{
    uint8_t *p;
    size_t len;
    struct mmr_incident *b, *a = full();
    struct mmr_error err = {.struct_size = sizeof err};
    (void)state;
    assert_int_equal(mmr_incident_pack(a, &p, &len, NULL), 0);
    for (size_t cut = 0; cut < len; cut++) {
        int e = mmr_incident_unpack(p, cut, &b, &err);
        assert_int_equal(e, MMR_EBADMSG);
    }
    for (size_t at = 0; at < len; at++)
        for (unsigned bit = 0; bit < 8; bit++) {
            p[at] ^= (uint8_t)(1u << bit);
            if (mmr_incident_unpack(p, len, &b, &err) == 0) {
                assert_true(b->n_evidence <= MMR_INCIDENT_EVIDENCE_MAX && b->n_why <= MMR_INCIDENT_WHY_MAX);
                mmr_incident_free(b);
            }
            p[at] ^= (uint8_t)(1u << bit);
        }
    p[0] = 9;
    assert_int_equal(mmr_incident_unpack(p, len, &b, &err), MMR_EBADMSG);
    assert_non_null(strstr(err.text, "version 9"));
    free(p);
    mmr_incident_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evidence_is_kept_in_order_of_time),   cmocka_unit_test(past_the_ceiling_the_commonest_goes),
        cmocka_unit_test(joins_and_hosts_are_said_once),       cmocka_unit_test(packed_comes_back_whole),
        cmocka_unit_test(damaged_bytes_are_refused_or_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
