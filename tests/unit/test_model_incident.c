/* The incident: order, ceilings, and the way into the store and back. */
#include "model/incident.h"
#include "util/utf8.h"

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

/* Everything at its ceiling; line: what happened, and the command line. */
static struct mmr_incident *largest(const char *line, const char *text)
{
    struct mmr_incident *i = mmr_incident_new(78, NULL);
    for (unsigned k = 0; k < MMR_INCIDENT_EVIDENCE_MAX; k++) {
        struct mmr_finding f = {.kind = "finding", .rule = text, .title = text, .what = line, .host = text, .proto = "tcp", .domain = text,
                                .url = text, .user = text, .file = text, .input = text, .side = MMR_SIDE_ENDPOINT, .phase = MMR_PHASE_SPREAD,
                                .id = {(uint8_t)k}, .time_ns = k, .estimate_ns = 1, .index = UINT64_MAX,
                                .process = {.name = text, .path = text, .cmd_line = line, .parent_name = text, .pid = 1}};
        assert_true(mmr_addr_parse("2001:db8:1111:2222:3333:4444:5555:6666", 38, &f.src));
        f.dst = f.src;
        f.src_port = f.dst_port = 65535;
        while (f.n_attack < MMR_FINDING_ATTACKS_MAX)
            f.attack[f.n_attack++] = "T1021.002";
        struct mmr_evidence e = {.finding = mmr_finding_copy(&f), .count = 1000000, .last_ns = INT64_C(1790000000000000000)};
        assert_non_null(e.finding);
        assert_int_equal(mmr_incident_insert_evidence(i, &e, NULL), 0);
    }
    for (unsigned k = 0; k < MMR_INCIDENT_JOINS_MAX; k++) {
        char v[300];
        (void)snprintf(v, sizeof v, "%u%.290s", k, text);
        assert_int_equal(mmr_incident_add_join(i, MMR_ENT_HOST, v, NULL), 0);
    }
    for (unsigned k = 0; k < MMR_INCIDENT_ACTIONS_MAX; k++) {
        struct mmr_action_rec a = {.id = k + 1, .verb = MMR_VERB_KILL_PROCESS, .side = MMR_SIDE_ENDPOINT, .state = MMR_STATE_PROVED,
                                   .receipt = {.result = MMR_RESULT_APPLIED, .verified = MMR_VERIFIED_CONFIRMED, .expires_ns = INT64_C(1790000000000000000)}};
        (void)snprintf(a.reason, sizeof a.reason, "%s", text);
        (void)snprintf(a.receipt.detail, sizeof a.receipt.detail, "%s", text);
        (void)snprintf(a.target.text, sizeof a.target.text, "%s", text);
        (void)snprintf(a.target.host, sizeof a.target.host, "%s", text);
        assert_int_equal(mmr_incident_add_action(i, &a, NULL), 0);
    }
    for (unsigned k = 0; k < MMR_INCIDENT_WHY_MAX; k++)
        mmr_incident_why(i, "%u%s", k, text);
    return i;
}

static void a_record_is_never_larger_than_what_takes_it(void **state)
{
    static const struct {
        const char *why;
        char fill;
        size_t len;
        bool is_cut, is_left_out;
        bool is_everywhere;
    } rows[] = {{"short texts", 'x', 20, false, false, true}, {"long command lines", 'x', 4000, true, false, false}, {"all texts long", 'x', 4000, true, true, true},
                {"quotes and backslashes", '\\', 4000, true, true, true}, {"control bytes, six as JSON", '\x01', 4000, true, true, true}};
    (void)state;
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        char *text = calloc(1, rows[k].len + 1), *json = NULL;
        struct mmr_error err = {.struct_size = sizeof err};
        assert_non_null(text);
        memset(text, rows[k].fill, rows[k].len);
        struct mmr_incident *i = largest(text, rows[k].is_everywhere ? text : "cmd.exe");
        if (mmr_incident_to_record(i, 1, &json, &err) != 0)
            fail_msg("%s: %s", rows[k].why, err.text);
        if (strlen(json) > MMR_INCIDENT_RECORD_MAX)
            fail_msg("%s: %zu bytes", rows[k].why, strlen(json));
        if ((strstr(json, "\"texts_cut_to\":") != NULL) != rows[k].is_cut)
            fail_msg("%s: texts are %scut", rows[k].why, rows[k].is_cut ? "not " : "");
        if ((strstr(json, "\"evidence_left_out\":") != NULL) != rows[k].is_left_out)
            fail_msg("%s: evidence was %sleft out", rows[k].why, rows[k].is_left_out ? "not " : "");
        free(json);
        free(text);
        mmr_incident_free(i);
    }
}

static void a_cut_text_ends_between_two_characters(void **state)
{
    char text[4000], *json = NULL;
    (void)state;
    for (size_t k = 0; k + 3 < sizeof text; k += 3)
        memcpy(text + k, "\xe5\xae\x88", 3);
    text[sizeof text - 4] = '\0';
    struct mmr_incident *i = largest(text, text);
    assert_int_equal(mmr_incident_to_record(i, 1, &json, NULL), 0);
    assert_non_null(strstr(json, "\xe5\xae\x88\xe2\x80\xa6\""));
    assert_true(mmr_is_utf8(json, strlen(json)));
    free(json);
    mmr_incident_free(i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evidence_is_kept_in_order_of_time),   cmocka_unit_test(past_the_ceiling_the_commonest_goes),
        cmocka_unit_test(joins_and_hosts_are_said_once),       cmocka_unit_test(packed_comes_back_whole),
        cmocka_unit_test(damaged_bytes_are_refused_or_harmless), cmocka_unit_test(a_record_is_never_larger_than_what_takes_it),
        cmocka_unit_test(a_cut_text_ends_between_two_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
