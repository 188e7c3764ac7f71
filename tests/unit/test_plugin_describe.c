/* The descriptor's rules, from the ABI's text: each broken rule is named, all at once. */
#include "plugin/describe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct config {
    const char *iface;
    int64_t limit;
    bool learn;
};

static int create(const struct mmr_host *h, const void *c, void **ret, struct mmr_error *err)
{
    (void)h;
    (void)c;
    (void)ret;
    (void)err;
    return MMR_EUNSUPPORTED;
}
static void destroy(void *self)
{
    (void)self;
}
static int start(void *self, struct mmr_error *err)
{
    (void)self;
    (void)err;
    return 0;
}
static int event(void *self, const void *p, size_t len, struct mmr_error *err)
{
    (void)self;
    (void)p;
    (void)len;
    (void)err;
    return 0;
}
static int act(void *self, const struct mmr_action *a, struct mmr_error *err)
{
    (void)self;
    (void)a;
    (void)err;
    return 0;
}
static int reconcile(void *self, const uint64_t *live, size_t n, struct mmr_error *err)
{
    (void)self;
    (void)live;
    (void)n;
    (void)err;
    return 0;
}

static const struct mmr_cfg_key rows[] = {
    MMR_CFG(struct config, iface, MMR_CFG_STR, MMR_CFG_REQUIRED, NULL, 0, 0, "interface"),
    MMR_CFG(struct config, limit, MMR_CFG_MSEC, 0, "5s", 100, 3600000, "limit"),
    MMR_CFG(struct config, learn, MMR_CFG_BOOL, MMR_CFG_RELOADABLE, "true", 0, 0, "learn"),
    {0},
};
static const struct mmr_sensor_ops sensor = {.struct_size = sizeof sensor, .start = start, .stop = destroy};
static const struct mmr_analyzer_ops analyzer = {.struct_size = sizeof analyzer, .event = event};
static const struct mmr_responder_ops responder = {.struct_size = sizeof responder, .act = act,
                                                   .reconcile = reconcile};
static const char *const finding[] = {"finding", NULL};
static const char *const block[] = {"query.connection_owner", "block.addr", NULL};

static struct mmr_plugin good(void)
{
    return (struct mmr_plugin){
        MMR_PLUGIN_HEAD, .id = "org.example.good", .name = "good", .version = "1.2.3-rc.1+b7", .license = "Apache-2.0",
        .side = MMR_SIDE_NETWORK, .detects = MMR_DETECT_INBOUND, .needs = MMR_NEED_CAPTURE, .events = finding,
        .config = rows, .config_size = sizeof(struct config), .create = create, .destroy = destroy, .sensor = &sensor,
    };
}

struct lines {
    unsigned n;
    char all[8192];
};
static void collect(void *ctx, const char *line)
{
    struct lines *l = ctx;
    size_t at = strlen(l->all);
    l->n++;
    (void)snprintf(l->all + at, sizeof l->all - at, "%s\n", line);
}

static void a_sound_descriptor_passes(void **state)
{
    (void)state;
    struct mmr_plugin p = good();
    struct lines l = {0};
    struct mmr_error err = {.struct_size = sizeof err};
    int r = mmr_plugin_check(&p, collect, &l, &err);
    if (r)
        fail_msg("%d: %s", r, l.all);
    assert_int_equal(l.n, 0);
}

static void break_id(struct mmr_plugin *p) { p->id = "Beacon"; }
static void break_version(struct mmr_plugin *p) { p->version = "1.02.0"; }
static void break_license(struct mmr_plugin *p) { p->license = NULL; }
static void break_side(struct mmr_plugin *p) { p->side = 0; }
static void break_needs(struct mmr_plugin *p) { p->needs |= 1u << 20; }
static void break_host(struct mmr_plugin *p) { p->detects |= MMR_DETECT_HOST; }
static void break_role(struct mmr_plugin *p) { p->sensor = NULL; }
static void break_actions(struct mmr_plugin *p) { p->actions = block; }
static void break_responder(struct mmr_plugin *p) { p->responder = &responder; }
static void break_subscribes(struct mmr_plugin *p) { p->subscribes = finding; }
static void break_create(struct mmr_plugin *p) { p->create = NULL; }
static void break_reload(struct mmr_plugin *p) { p->reload_commit = destroy; }
static void break_sensor(struct mmr_plugin *p)
{
    static const struct mmr_sensor_ops small = {.struct_size = 8, .start = start, .stop = destroy};
    p->sensor = &small;
}
static void break_event_name(struct mmr_plugin *p)
{
    static const char *const kinds[] = {"flow end", NULL};
    p->events = kinds;
}
static void break_event_twice(struct mmr_plugin *p)
{
    static const char *const kinds[] = {"finding", "finding", NULL};
    p->events = kinds;
}
static void break_event_ours(struct mmr_plugin *p)
{
    static const char *const kinds[] = {"finding", "sensor.lost", NULL};
    p->events = kinds;
}
static void break_event_star(struct mmr_plugin *p)
{
    static const char *const kinds[] = {"*", NULL};
    p->events = kinds;
}
#define ROW(...)                                                                                   \
    static const struct mmr_cfg_key one[] = {__VA_ARGS__, {0}};                                    \
    p->config = one
static void break_offset(struct mmr_plugin *p) { ROW({"a", MMR_CFG_INT, 0, 24, 0, "1", 0, 0, "d"}); }
static void break_align(struct mmr_plugin *p) { ROW({"a", MMR_CFG_INT, 0, 4, 0, "1", 0, 0, "d"}); }
static void break_type(struct mmr_plugin *p) { ROW({"a", 77, 0, 0, 0, NULL, 0, 0, "d"}); }
static void break_default(struct mmr_plugin *p) { ROW({"a", MMR_CFG_MSEC, 0, 0, 0, "5 parsecs", 0, 0, "d"}); }
static void break_range(struct mmr_plugin *p) { ROW({"a", MMR_CFG_INT, 0, 0, 0, "9", 1, 5, "d"}); }
static void break_required(struct mmr_plugin *p) { ROW({"a", MMR_CFG_INT, MMR_CFG_REQUIRED, 0, 0, "1", 0, 0, "d"}); }
static void break_doc(struct mmr_plugin *p) { ROW({"a", MMR_CFG_INT, 0, 0, 0, "1", 0, 0, NULL}); }
static void break_twice(struct mmr_plugin *p)
{
    ROW({"a", MMR_CFG_INT, 0, 0, 0, "1", 0, 0, "d"}, {"a", MMR_CFG_INT, 0, 8, 0, "1", 0, 0, "d"});
}
static void break_overlap(struct mmr_plugin *p)
{
    ROW({"a", MMR_CFG_INT, 0, 8, 0, "1", 0, 0, "d"}, {"b", MMR_CFG_BOOL, 0, 12, 0, "no", 0, 0, "d"});
}
static void break_stride(struct mmr_plugin *p) { p->config_stride = 8; }
static void break_size(struct mmr_plugin *p) { p->config_size = 0; }

static void each_broken_rule_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *why;
        void (*change)(struct mmr_plugin *p);
        const char *says;
    } table[] = {
        {"id", break_id, "reverse-DNS"}, {"version", break_version, "semantic version"},
        {"license", break_license, "license"}, {"side", break_side, "side 0x0"},
        {"needs", break_needs, "unknown bits 0x100000"}, {"host on network", break_host, "side is not endpoint"},
        {"no role", break_role, "no role"}, {"actions without table", break_actions, "no responder table"},
        {"table without actions", break_responder, "declares no verb"},
        {"subscribes without analyzer", break_subscribes, "no analyzer table"},
        {"no create", break_create, "create or destroy"}, {"half a reload", break_reload, "come together"},
        {"small table", break_sensor, "sensor: struct_size"}, {"kind syntax", break_event_name, "dotted name"},
        {"kind twice", break_event_twice, "twice"}, {"the core's kind", break_event_ours, "core's own"},
        {"any kind", break_event_star, "dotted name"}, {"offset", break_offset, "does not fit"},
        {"alignment", break_align, "does not fit"}, {"type", break_type, "unknown type 77"},
        {"default", break_default, "default does not hold"}, {"range", break_range, "default does not hold"},
        {"required with default", break_required, "required"}, {"doc", break_doc, "doc is missing"},
        {"key twice", break_twice, "declared twice"}, {"overlap", break_overlap, "lie on each other"},
        {"stride", break_stride, "config_stride"}, {"size", break_size, "config_size"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct mmr_plugin p = good();
        struct lines l = {0};
        struct mmr_error err = {.struct_size = sizeof err};
        table[i].change(&p);
        int r = mmr_plugin_check(&p, collect, &l, &err);
        if (r != MMR_EBADMSG || !strstr(l.all, table[i].says))
            fail_msg("%s: got %d, \"%s\", want \"%s\"", table[i].why, r, l.all, table[i].says);
    }
}

static void all_mismatches_come_at_once(void **state)
{
    (void)state;
    struct mmr_plugin p = good();
    struct lines l = {0};
    struct mmr_error err = {.struct_size = sizeof err};
    p.version = "one";
    p.license = "";
    p.actions = block;
    assert_int_equal(mmr_plugin_check(&p, collect, &l, &err), MMR_EBADMSG);
    assert_int_equal(l.n, 3);
    assert_non_null(strstr(err.text, "and 2 more"));
    assert_non_null(strstr(err.text, "org.example.good"));
}

static void another_abi_is_refused_before_anything_is_read(void **state)
{
    (void)state;
    struct mmr_plugin p = good();
    struct mmr_error err = {.struct_size = sizeof err};
    p.struct_size = 16;
    p.id = (const char *)(uintptr_t)1; /* reading it would crash */
    assert_int_equal(mmr_plugin_check(&p, NULL, NULL, &err), MMR_EUNSUPPORTED);
    p = good();
    p.abi_major = 7;
    assert_int_equal(mmr_plugin_check(&p, NULL, NULL, &err), MMR_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "7.0"));
    p = good();
    p.min_host_minor = MMR_ABI_MINOR + 1;
    assert_int_equal(mmr_plugin_check(&p, NULL, NULL, &err), MMR_EUNSUPPORTED);
    p = good();
    p.abi_minor = 99; /* newer than us, but asks for nothing we lack */
    assert_int_equal(mmr_plugin_check(&p, NULL, NULL, &err), 0);
}

static void capabilities_follow_from_the_descriptor(void **state)
{
    (void)state;
    struct mmr_plugin p = good();
    p.side = MMR_SIDE_NETWORK | MMR_SIDE_ENDPOINT;
    p.detects = MMR_DETECT_INBOUND | MMR_DETECT_HOST;
    p.analyzer = &analyzer;
    assert_int_equal(mmr_plugin_caps(&p, MMR_SIDE_NETWORK), MMR_CAP_NET_DETECT_INBOUND);
    assert_int_equal(mmr_plugin_caps(&p, MMR_SIDE_ENDPOINT), MMR_CAP_EP_DETECT);
    static const char *const query[] = {"query.connection_owner", NULL};
    p.detects = 0;
    p.responder = &responder;
    p.actions = query;
    assert_int_equal(mmr_plugin_caps(&p, MMR_SIDE_ENDPOINT), 0); /* asking is no defence */
    p.actions = block;
    assert_int_equal(mmr_plugin_caps(&p, MMR_SIDE_ENDPOINT), MMR_CAP_EP_DEFEND);
    assert_int_equal(mmr_plugin_caps(&p, MMR_SIDE_NETWORK), MMR_CAP_NET_DEFEND);
    p.flags = MMR_PLUGIN_LINKED;
    assert_int_equal(mmr_plugin_caps(&p, MMR_SIDE_ENDPOINT), MMR_CAP_EP_DEFEND_LINKED);
    p.side = MMR_SIDE_NETWORK;
    assert_int_equal(mmr_plugin_caps(&p, MMR_SIDE_ENDPOINT), 0); /* not its side */
    assert_string_equal(mmr_cap_name(MMR_CAP_EP_DEFEND_LINKED), "ep.defend.linked");
}

static void grants_are_compared_whole(void **state)
{
    (void)state;
    struct mmr_plugin p = good();
    struct lines l = {0};
    struct mmr_error err = {.struct_size = sizeof err};
    uint32_t side = 0;
    p.responder = &responder;
    p.actions = block;
    p.needs = MMR_NEED_CAPTURE | MMR_NEED_NETFILTER;
    const char *const verbs[] = {"query.connection_owner"};
    assert_int_equal(mmr_plugin_check_grant(&p, MMR_SIDE_ENDPOINT, MMR_NEED_CAPTURE, (struct mmr_strv){verbs, 1},
                                            collect, &l, &side, &err), MMR_EPERM);
    assert_int_equal(l.n, 3);
    assert_non_null(strstr(l.all, "endpoint side"));
    assert_non_null(strstr(l.all, "'netfilter'"));
    assert_non_null(strstr(l.all, "'block.addr'"));
    assert_int_equal(side, 0);
    assert_int_equal(mmr_plugin_check_grant(&p, 0, ~0u, (struct mmr_strv){NULL, 0}, NULL, NULL, &side, &err), 0);
    assert_int_equal(side, MMR_SIDE_NETWORK);
    p.side = MMR_SIDE_NETWORK | MMR_SIDE_ENDPOINT;
    assert_int_equal(mmr_plugin_check_grant(&p, 0, ~0u, (struct mmr_strv){NULL, 0}, NULL, NULL, &side, &err),
                     MMR_EPERM); /* the operator must say which */
}

static void ids_and_versions(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_id, is_version;
    } table[] = {
        {"org.example.beacon", true, false}, {"org.ex-ample.b2", true, false}, {"beacon", false, false},
        {"a.", false, false}, {".ab", false, false}, {"a..b", false, false}, {"Org.example", false, false},
        {"org.-x.y", false, false}, {"1.0.0", true, true}, {"1.0", true, false}, {"1.0.0-alpha.1", true, true},
        {"1.0.0-01", true, false}, {"1.0.0+001", false, true}, {"1.0.0-", false, false}, {"01.0.0", true, false},
        {"", false, false}, {"1.0.0-a..b", false, false},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (mmr_plugin_id_is_valid(table[i].text) != table[i].is_id)
            fail_msg("id '%s'", table[i].text);
        if (mmr_plugin_version_is_valid(table[i].text) != table[i].is_version)
            fail_msg("version '%s'", table[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_descriptor_passes),
        cmocka_unit_test(each_broken_rule_is_named),
        cmocka_unit_test(all_mismatches_come_at_once),
        cmocka_unit_test(another_abi_is_refused_before_anything_is_read),
        cmocka_unit_test(capabilities_follow_from_the_descriptor),
        cmocka_unit_test(grants_are_compared_whole),
        cmocka_unit_test(ids_and_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
