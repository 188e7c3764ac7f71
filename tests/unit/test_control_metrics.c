/* test_control_metrics.c - the text of measurements: escapes, absence, order; and where they may be served. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/metrics_listen.h"
#include "control/metrics.h"
#include "control/openmetrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void values_from_outside_are_escaped(void **state)
{
    (void)state;
    char *out = NULL;
    size_t len = 0;
    struct mmr_om m = {.f = open_memstream(&out, &len)};
    const char *const label[] = {"a", "x\"y\\z\nw", "b", "\xe8\xa9\xb1\xff\xe8", NULL};
    mmr_om_family(&m, "t", MMR_OM_COUNTER, NULL, "h");
    mmr_om_count(&m, UINT64_MAX, label);
    mmr_om_family(&m, "g_seconds", MMR_OM_GAUGE, "seconds", "h");
    mmr_om_sample(&m, 0.5, NULL);
    mmr_om_sample(&m, -INFINITY, NULL);
    mmr_om_family(&m, "i", MMR_OM_INFO, NULL, "h");
    mmr_om_count(&m, 1, NULL);
    mmr_om_end(&m);
    (void)fclose(m.f);
    assert_string_equal(out, "# TYPE t counter\n# HELP t h\nt_total{a=\"x\\\"y\\\\z\\nw\",b=\"\xe8\xa9\xb1??\"} 18446744073709551615\n"
                             "# TYPE g_seconds gauge\n# UNIT g_seconds seconds\n# HELP g_seconds h\ng_seconds 0.5\ng_seconds -Inf\n"
                             "# TYPE i info\n# HELP i h\ni_info 1\n# EOF\n");
    free(out);
}

static void what_is_not_known_is_absent(void **state)
{
    (void)state;
    static const struct {
        const char *status, *has, *lacks;
        int want;
    } rows[] = {
        {"{\"hosts\":[],\"light\":\"grey\",\"brain\":null}", "mamori_brain_up 0\n", "mamori_findings", 0},
        {"{\"hosts\":[],\"brain\":{\"findings\":3}}", "mamori_findings_total 3\n", "\nmamori_notice_left_seconds", 0},
        {"{\"hosts\":[],\"brain\":{\"notices\":{\"open\":[{\"target\":\"open\",\"left_s\":700},{\"target\":\"open\",\"left_s\":-5},{\"target\":\"met\",\"left_s\":-900}]}}}",
         "mamori_notice_left_seconds -5\n", "left_seconds -900", 0},
        {"{\"hosts\":[],\"role\":\"endpoint\",\"brain\":{\"hub_up\":true,\"spool\":{\"urgent\":2}}}", "mamori_spool_records{lane=\"urgent\"} 2\n", "mamori_findings", 0},
        {"{\"hosts\":[7,\"x\",{\"name\":5,\"instances\":{}}],\"brain\":[1],\"light\":3}", "mamori_process_up{process=\"\"} 0\n", "zebra", 0},
        {"{\"hosts\":[],\"brain\":{\"selftest\":[{\"instance\":\"nft\",\"what\":\"w\",\"result\":\"open\"}]}}", "# TYPE mamori_selftest_passed", "mamori_selftest_passed{", 0},
        {"[]", NULL, NULL, MMR_EBADMSG},
        {"{}", NULL, NULL, MMR_EBADMSG},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct json_object *o = json_tokener_parse(rows[i].status);
        struct mmr_error err = {.struct_size = sizeof err};
        char *text = NULL;
        size_t len = 0;
        assert_non_null(o);
        int got = mmr_metrics_text(o, &text, &len, &err);
        if (got != rows[i].want)
            fail_msg("row %zu: %d %s", i, got, err.text);
        if (!got && (!strstr(text, rows[i].has) || strstr(text, rows[i].lacks) || strlen(text) != len || strcmp(text + len - 6, "# EOF\n") != 0))
            fail_msg("row %zu: %s", i, text);
        free(text);
        json_object_put(o);
    }
}

static void only_this_machine_is_listened_to_unless_it_is_wanted(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_open;
        int want;
        uint16_t port;
    } rows[] = {
        {"127.0.0.1:9464", false, 0, 9464},    {"127.8.8.8:1", false, 0, 1},        {"[::1]:65535", false, 0, 65535},       {"unix:/run/mamori/m.sock", false, 0, 0},
        {"0.0.0.0:9464", false, MMR_ECONFIG, 0}, {"0.0.0.0:9464", true, 0, 9464},     {"[::]:9464", false, MMR_ECONFIG, 0},   {"192.0.2.1:9464", false, MMR_ECONFIG, 0},
        {"192.0.2.1:9464", true, 0, 9464},     {"127.0.0.1", false, MMR_ECONFIG, 0}, {"127.0.0.1:0", false, MMR_ECONFIG, 0}, {"127.0.0.1:65536", false, MMR_ECONFIG, 0},
        {"127.0.0.1:+1", false, MMR_ECONFIG, 0}, {"127.0.0.1:1x", false, MMR_ECONFIG, 0}, {"localhost:1", false, MMR_ECONFIG, 0}, {"::1:9464", false, MMR_ECONFIG, 0},
        {"unix:m.sock", false, MMR_ECONFIG, 0}, {"", false, MMR_ECONFIG, 0},          {":9464", false, MMR_ECONFIG, 0},       {"[127.0.0.1]:1", false, MMR_ECONFIG, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mmr_metrics_listen l = {0};
        struct mmr_error err = {.struct_size = sizeof err};
        int got = mmr_metrics_listen_read(rows[i].text, rows[i].is_open, &l, &err);
        if (got != rows[i].want || (!got && l.port != rows[i].port))
            fail_msg("'%s': %d port %u (%s)", rows[i].text, got, l.port, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_from_outside_are_escaped),
        cmocka_unit_test(what_is_not_known_is_absent),
        cmocka_unit_test(only_this_machine_is_listened_to_unless_it_is_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
