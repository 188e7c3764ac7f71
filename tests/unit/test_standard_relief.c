/* test_standard_relief.c - CONFORM against an oracle written from the formulas of
 * SERVICE_STANDARD 3.1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/action.h"
#include "standard/conform.h"
#include "util/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *eval(const char *line)
{
    struct mmr_error err = {.struct_size = sizeof err};
    char *out = NULL;
    if (mmr_relief_json(line, strlen(line), &out, &err) != 0)
        fail_msg("%s: %s", line, err.text);
    return out;
}

static void every_capability_set_follows_the_formulas(void **state)
{
    (void)state;
    static const char *const ei_words[] = {"0", "1", "linked"};
    int n = 0;
    for (int bits = 0; bits < 32; bits++)
        for (int ei = 0; ei < 3; ei++, n++) {
            const int Na = bits & 1, Ni = bits >> 1 & 1, Nu = bits >> 2 & 1, Ea = bits >> 3 & 1,
                      Linked = bits >> 4 & 1;
            const int Ei = ei == 1 || (ei == 2 && Linked);
            const int net = Na && Ni && Nu, ep = Ea && Ei, both = Na && Ni && Ea && (Nu || Ei);
            char line[120], want[200];
            (void)snprintf(line, sizeof line,
                           "{\"Na\":%d,\"Ni\":%d,\"Nu\":%d,\"Ea\":%d,\"Ei\":\"%s\",\"Linked\":%d}",
                           Na, Ni, Nu, Ea, ei_words[ei], Linked);
            (void)snprintf(
                want, sizeof want,
                "{\"network\":\"%s\",\"endpoint\":\"%s\",\"combined\":\"%s\",\"relief\":[%s],",
                net ? "conform" : "fail", ep ? "conform" : "fail", both ? "conform" : "fail",
                !both ? ""
                : !Nu ? "\"network defence\""
                : !Ei ? "\"endpoint defence\""
                      : "");
            char *out = eval(line);
            if (strncmp(out, want, strlen(want)) != 0)
                fail_msg("%s: got %s, want %s", line, out, want);
            /* what is missing is said exactly when something is */
            assert_int_equal(strstr(out, "\"missing\":[]") != NULL, both);
            assert_int_equal(strstr(out, "\"Na\"") != NULL, !Na);
            assert_int_equal(strstr(out, "\"Ni\"") != NULL, !Ni);
            assert_int_equal(strstr(out, "\"Ea\"") != NULL, !Ea);
            assert_int_equal(strstr(out, "\"Nu\"") != NULL, !Nu && !Ei);
            assert_int_equal(strstr(out, "\"Ei\"") != NULL, !Nu && !Ei);
            free(out);
        }
    assert_int_equal(n, 96);
}

static void the_vectors_of_the_standard(void **state)
{
    (void)state;
    static const struct {
        const char *line, *combined, *relief, *missing;
    } rows[] = {
        {"{\"Na\":1,\"Ni\":1,\"Nu\":1,\"Ea\":1,\"Ei\":\"1\",\"Linked\":0}", "conform", "[]", "[]"},
        {"{\"Na\":1,\"Ni\":1,\"Nu\":0,\"Ea\":1,\"Ei\":\"1\",\"Linked\":0}", "conform",
         "[\"network defence\"]", "[]"},
        {"{\"Na\":1,\"Ni\":1,\"Nu\":1,\"Ea\":1,\"Ei\":\"0\",\"Linked\":0}", "conform",
         "[\"endpoint defence\"]", "[]"},
        {"{\"Na\":1,\"Ni\":1,\"Nu\":0,\"Ea\":1,\"Ei\":\"0\",\"Linked\":0}", "fail", "[]",
         "[\"Nu\",\"Ei\"]"},
        {"{\"Na\":1,\"Ni\":0,\"Nu\":1,\"Ea\":1,\"Ei\":\"1\",\"Linked\":0}", "fail", "[]",
         "[\"Ni\"]"},
        {"{\"Na\":0,\"Ni\":1,\"Nu\":1,\"Ea\":1,\"Ei\":\"1\",\"Linked\":0}", "fail", "[]",
         "[\"Na\"]"},
        {"{\"Na\":1,\"Ni\":1,\"Nu\":1,\"Ea\":0,\"Ei\":\"1\",\"Linked\":0}", "fail", "[]",
         "[\"Ea\"]"},
        {"{\"Na\":1,\"Ni\":1,\"Nu\":0,\"Ea\":1,\"Ei\":\"linked\",\"Linked\":0}", "fail", "[]",
         "[\"Nu\",\"Ei\"]"},
        {"{\"Na\":1,\"Ni\":1,\"Nu\":0,\"Ea\":1,\"Ei\":\"linked\",\"Linked\":1}", "conform",
         "[\"network defence\"]", "[]"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char want[160];
        char *out = eval(rows[i].line);
        (void)snprintf(want, sizeof want, "\"combined\":\"%s\",\"relief\":%s,\"missing\":%s}",
                       rows[i].combined, rows[i].relief, rows[i].missing);
        if (!strstr(out, want))
            fail_msg("row %zu: got %s, want %s", i + 1, out, want);
        free(out);
    }
}

static void bad_lines_are_refused_by_field(void **state)
{
    (void)state;
    static const struct {
        const char *line, *names;
    } rows[] = {
        {"{\"Na\":2,\"Ni\":1,\"Nu\":0,\"Ea\":1,\"Ei\":\"1\"}", "field Na"},
        {"{\"Na\":1,\"Ni\":1,\"Nu\":0,\"Ei\":\"1\"}", "field Ea"},
        {"{\"Na\":1,\"Ni\":1,\"Nu\":0,\"Ea\":1,\"Ei\":\"maybe\"}", "field Ei"},
        {"nonsense", "JSON"},
        {"{\"Na\":1,\"Ni\":1,\"Nu\":0,\"Ea\":1,\"Ei\":\"1\",\"Eb\":1}", "'Eb'"},
        {"{\"Na\":1,\"Ni\":1,\"Nu\":0,\"Ea\":1,\"Ei\":\"1\",\"Linked\":\"yes\"}", "field Linked"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mmr_error err = {.struct_size = sizeof err};
        char *out = NULL;
        int r = mmr_relief_json(rows[i].line, strlen(rows[i].line), &out, &err);
        if (r != MMR_EBADMSG || !strstr(err.text, rows[i].names))
            fail_msg("%s: got %d, '%s'", rows[i].line, r, err.text);
    }
}

static struct mmr_cap_source source(uint32_t side, uint32_t detects, bool can_defend)
{
    return (struct mmr_cap_source){.plugin = "org.example.x",
                                   .side = side,
                                   .detects = detects,
                                   .is_detector = detects != 0,
                                   .can_defend = can_defend,
                                   .is_listed = true,
                                   .is_loaded = true,
                                   .is_healthy = true};
}

static void only_listed_loaded_healthy_plugins_count(void **state)
{
    (void)state;
    struct mmr_cap_source s = source(MMR_SIDE_NETWORK, MMR_DETECT_INBOUND, true);
    const uint32_t all = MMR_CAP_NET_DETECT_INBOUND | MMR_CAP_NET_DEFEND;
    assert_int_equal(mmr_caps_of(&s), all);
    s.is_dry_run = true;
    assert_int_equal(mmr_caps_of(&s), MMR_CAP_NET_DETECT_INBOUND);
    s.is_dry_run = false;
    bool *const flags[] = {&s.is_listed, &s.is_loaded, &s.is_healthy};
    for (size_t k = 0; k < 3; k++) {
        *flags[k] = false;
        assert_int_equal(mmr_caps_of(&s), 0);
        *flags[k] = true;
    }
    s.flags = MMR_PLUGIN_LINKED; /* no linked defence counts for Nu */
    assert_int_equal(mmr_caps_of(&s), MMR_CAP_NET_DETECT_INBOUND);
    s = source(MMR_SIDE_ENDPOINT, 0, true);
    s.flags = MMR_PLUGIN_LINKED;
    assert_int_equal(mmr_caps_of(&s), MMR_CAP_EP_DEFEND_LINKED);
}

static const struct mmr_gap_row *gap_of(const struct mmr_conform *c, enum mmr_asset_class a,
                                        enum mmr_phase p)
{
    for (size_t i = 0; i < c->n_gap; i++)
        if (c->gap[i].asset == a && c->gap[i].phase == p)
            return &c->gap[i];
    return NULL;
}

static void a_nas_without_agent_is_a_gap_when_only_endpoints_defend(void **state)
{
    (void)state;
    static struct mmr_conform c;
    struct mmr_cap_source v[] = {
        source(MMR_SIDE_NETWORK, MMR_DETECT_INBOUND | MMR_DETECT_OUTBOUND, false),
        source(MMR_SIDE_ENDPOINT, MMR_DETECT_HOST, true)};
    struct mmr_conform_in in = {
        .source = v,
        .n_source = 2,
        .verbs_ep = 1u << MMR_VERB_BLOCK_ADDR | 1u << MMR_VERB_KILL_PROCESS |
                    1u << MMR_VERB_QUARANTINE_FILE | 1u << MMR_VERB_REMOVE_AUTOSTART};
    mmr_conform_check(&in, &c);
    assert_true(c.is_conforming);
    assert_true(c.relief.net_defence_relieved);
    assert_int_equal(c.n_clause, 44); /* rows of section 2 */
    assert_true(gap_of(&c, MMR_ASSET_NAS, MMR_PHASE_ATTEMPT_INBOUND)->is_none);
    assert_non_null(strstr(gap_of(&c, MMR_ASSET_PC, MMR_PHASE_ATTEMPT_INBOUND)->defence,
                           "endpoint block.addr"));
    assert_true(gap_of(&c, MMR_ASSET_PC, MMR_PHASE_IMPACT)->is_none);
    for (size_t i = 0; i < c.n_clause; i++)
        if (strcmp(c.clause[i].id, "SR-40") == 0)
            assert_int_equal(c.clause[i].state, MMR_CLAUSE_PROVIDER);
    v[1].can_defend = false; /* now nobody defends */
    mmr_conform_check(&in, &c);
    assert_false(c.is_conforming);
    v[1].can_defend = true;
    in.refused_plugins = 1;
    mmr_conform_check(&in, &c);
    assert_false(c.is_conforming);
    char *json = mmr_conform_json(&c, &in);
    assert_non_null(json);
    assert_non_null(strstr(json, "\"result\":\"fail\""));
    free(json);
}

static void coverage_counts_what_the_standard_counts(void **state)
{
    (void)state;
    static struct mmr_coverage c;
    struct mmr_asset a[] = {
        {.name = "PC1",
         .kind = MMR_ASSET_PC,
         .important = MMR_IMPORTANT_YES,
         .has_agent = true,
         .is_agent_healthy = true},
        {.name = "PC2",
         .kind = MMR_ASSET_PC,
         .important = MMR_IMPORTANT_YES,
         .has_agent = true,
         .is_announced_off = true},
        {.name = "PC3", .kind = MMR_ASSET_PC, .important = MMR_IMPORTANT_UNKNOWN},
        {.name = "PC4", .kind = MMR_ASSET_PC, .important = MMR_IMPORTANT_NO},
        {.name = "printer", .kind = MMR_ASSET_OFFICE_DEVICE, .important = MMR_IMPORTANT_YES},
    };
    mmr_coverage_ep(a, 5, &c);
    assert_false(c.is_ok);
    assert_int_equal(c.have, 2);
    assert_int_equal(c.want, 3);
    assert_int_equal(c.n_gaps, 1);
    assert_string_equal(c.gap[0].name, "PC3");
    a[2].has_agent = a[2].is_agent_healthy = true;
    mmr_coverage_ep(a, 5, &c);
    assert_true(c.is_ok);
    const int64_t day = 24 * 3600 * MMR_NS_PER_S;
    struct mmr_way_out e[] = {
        {.name = "line",
         .has_sensor = true,
         .is_sensor_healthy = true,
         .sees_in = true,
         .sees_out = true,
         .sensor_bytes = 950,
         .gateway_bytes = 1000,
         .captured = 999,
         .dropped = 1},
        {.name = "mobile"},
    };
    mmr_coverage_net(e, 1, NULL, 0, day, &c);
    assert_true(c.is_ok); /* exactly 0.95 and exactly 0.1 % are allowed */
    e[0].sensor_bytes = 949;
    e[0].dropped = 2;
    mmr_coverage_net(e, 2, NULL, 0, day, &c);
    assert_int_equal(c.n_gaps, 3);
    assert_int_equal(c.gap[0].kind, MMR_GAP_BYTES);
    assert_int_equal(c.gap[1].kind, MMR_GAP_DROPS);
    assert_int_equal(c.gap[2].kind, MMR_GAP_EXIT_NO_SENSOR);
    assert_string_equal(c.gap[2].name, "mobile");
    mmr_coverage_net(NULL, 0, NULL, 0, day, &c);
    assert_false(c.is_ok); /* nothing known is never all well */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_capability_set_follows_the_formulas),
        cmocka_unit_test(the_vectors_of_the_standard),
        cmocka_unit_test(bad_lines_are_refused_by_field),
        cmocka_unit_test(only_listed_loaded_healthy_plugins_count),
        cmocka_unit_test(a_nas_without_agent_is_a_gap_when_only_endpoints_defend),
        cmocka_unit_test(coverage_counts_what_the_standard_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
