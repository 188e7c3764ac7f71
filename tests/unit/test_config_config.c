/* test_config_config.c - drop-ins over drop-ins, errors with their places, a plugin's struct filled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/sources.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct said {
    char text[8192];
    unsigned lines;
};

static void collect(void *ctx, const char *line)
{
    struct said *s = ctx;
    size_t at = strlen(s->text);
    (void)snprintf(s->text + at, sizeof s->text - at, "%s\n", line);
    s->lines++;
}

static int load(const char *a, const char *b, struct said *s, struct mmr_config **ret)
{
    struct mmr_config_source src[] = {{.name = "a.yaml", .text = a}, {.name = "b.yaml", .text = b}};
    struct mmr_error err = {.struct_size = sizeof err};
    memset(s, 0, sizeof *s);
    return mmr_config_load(src, b ? 2 : 1, collect, s, ret, &err);
}

static void later_files_win_key_by_key(void **state)
{
    (void)state;
    struct said s;
    struct mmr_config *c = NULL;
    assert_int_equal(load("site: {name: one, tenant: t1}\ndefence: {ttl: 10m}\n", "site:\n  name: two\n", &s, &c), 0);
    assert_string_equal(mmr_config_str(c, "site.name"), "two");
    assert_string_equal(mmr_config_str(c, "site.tenant"), "t1");
    assert_int_equal(mmr_config_int(c, "defence.ttl"), 600000);
    assert_int_equal(mmr_config_int(c, "defence.per_minute"), 60); /* the schema's default */
    mmr_config_free(c);
}

static void lists_are_replaced_or_added_to_on_purpose(void **state)
{
    (void)state;
    struct said s;
    struct mmr_config *c = NULL;
    assert_int_equal(load("defence: {never_block: [192.0.2.1]}\n", "defence:\n  never_block: [192.0.2.2]\n", &s, &c), 0);
    assert_int_equal(mmr_config_strv(c, "defence.never_block").n, 1);
    assert_string_equal(mmr_config_strv(c, "defence.never_block").v[0], "192.0.2.2");
    mmr_config_free(c);
    assert_int_equal(load("defence: {never_block: [192.0.2.1]}\n", "defence:\n  never_block+: [192.0.2.2]\n", &s, &c), 0);
    assert_int_equal(mmr_config_strv(c, "defence.never_block").n, 2);
    mmr_config_free(c);
    /* added to the default: four private networks and ours */
    assert_int_equal(load("site:\n  home_net+: [203.0.113.0/24]\n", NULL, &s, &c), 0);
    assert_int_equal(mmr_config_strv(c, "site.home_net").n, 5);
    assert_string_equal(mmr_config_strv(c, "site.home_net").v[4], "203.0.113.0/24");
    mmr_config_free(c);
}

static void null_takes_a_plugin_away(void **state)
{
    (void)state;
    struct said s;
    struct mmr_config *c = NULL;
    assert_int_equal(load("plugins:\n  a: {plugin: org.example.a}\n  b: {plugin: org.example.b, host: h, side: network, enabled: no}\n",
                          "plugins: {a: null}\n", &s, &c), 0);
    assert_int_equal(mmr_config_instances(c), 1);
    const struct mmr_instance_conf *i = mmr_config_instance(c, 0);
    assert_string_equal(i->name, "b");
    assert_string_equal(i->host, "h");
    assert_int_equal(i->side, MMR_SIDE_NETWORK);
    assert_false(i->is_enabled);
    mmr_config_free(c);
}

static void every_error_is_said_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *why, *text, *want;
    } rows[] = {
        {"unknown key, nearest known", "defence:\n  per_minut: 3\n", "a.yaml:2:3: unknown key 'defence.per_minut'; did you mean 'per_minute'?"},
        {"unknown section", "defense: {mode: auto}\n", "a.yaml:1:1: unknown key 'defense'; did you mean 'defence'?"},
        {"wrong type", "defence:\n  ttl: soon\n", "a.yaml:2:8: 'defence.ttl' must be a time"},
        {"out of range", "defence: {per_minute: 0}\n", "'defence.per_minute' must be from 1 to 100000, found '0'"},
        {"choice", "defence: {mode: automatic}\n", "must be one of: dry_run auto; found 'automatic'"},
        {"an address without its scheme", "site: {listen: '127.0.0.1:9470'}\n", "a.yaml:1:17: 'site.listen': found '127.0.0.1:9470', expected tcp://ADDRESS:PORT"},
        {"a port too many", "upstream: {collector: 'tcp://c.example:65534'}\n", "'upstream.collector': found 'tcp://c.example:65534'"},
        {"no address", "site: {hub: 'tcp://:7400'}\n", "'site.hub': found 'tcp://:7400'"},
        {"twice", "site: {name: a}\nsite: {name: b}\n", "a.yaml:2:1: 'site' is given twice; first on line 1"},
        {"alias", "site: &x {name: a}\n", "anchors and tags are not used"},
        {"bomb", "a: &a [x,x]\nb: &b [*a,*a]\n", "anchors and tags are not used"},
        {"not YAML", "site: {name: [}\n", "a.yaml:1:"},
        {"second document", "site: {name: a}\n---\nsite: {name: b}\n", "a second document"},
        {"list where a map is due", "- a\n", "a drop-in is a map"},
        {"map where a value is due", "site: {name: {a: b}}\n", "'site.name' must be text"},
        {"add to what is no list", "site: {name: x, name+: [a]}\n", "'name+' adds to a list"},
        {"instance without plugin", "plugins:\n  x: {host: h}\n", "'plugins.x' needs 'plugin:'"},
        {"instance name", "plugins:\n  'x y': {plugin: a.b}\n", "a name has 1 to 39 letters"},
        {"deep", "a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: 1}}}}}}}}}}}}}}}}}}\n", "nested deeper"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct said s;
        struct mmr_config *c = NULL;
        if (load(rows[i].text, NULL, &s, &c) != MMR_ECONFIG)
            fail_msg("%s: accepted", rows[i].why);
        if (!strstr(s.text, rows[i].want))
            fail_msg("%s: said '%s', want '%s'", rows[i].why, s.text, rows[i].want);
        assert_null(c);
    }
}

static void all_errors_of_all_files_come_in_one_go(void **state)
{
    (void)state;
    struct said s;
    struct mmr_config *c = NULL;
    assert_int_equal(load("sit: {}\ndefence: {ttl: x}\n", "log: {level: loud}\n", &s, &c), MMR_ECONFIG);
    assert_int_equal(s.lines, 3);
    assert_non_null(strstr(s.text, "a.yaml:1:1"));
    assert_non_null(strstr(s.text, "b.yaml:1:"));
}

struct sample {
    const char *iface;
    int64_t period, size;
    bool learn;
    struct mmr_strv files, none;
};
static const struct mmr_cfg_key sample_rows[] = {
    MMR_CFG(struct sample, iface, MMR_CFG_STR, MMR_CFG_REQUIRED, NULL, 0, 0, "interface"),
    MMR_CFG(struct sample, period, MMR_CFG_MSEC, 0, "5s", 100, 3600000, "period"),
    MMR_CFG(struct sample, size, MMR_CFG_BYTES, 0, "64K", 0, 0, "size"),
    MMR_CFG(struct sample, learn, MMR_CFG_BOOL, 0, "yes", 0, 0, "learn"),
    MMR_CFG(struct sample, files, MMR_CFG_STRV, 0, "a,b", 0, 0, "files"),
    MMR_CFG(struct sample, none, MMR_CFG_STRV, 0, NULL, 0, 0, "nothing"),
    {0},
};
static const struct mmr_plugin sample_plugin = {
    MMR_PLUGIN_HEAD, .id = "org.example.sample", .config = sample_rows, .config_size = sizeof(struct sample)};

static int fill(const char *text, void **ret, struct said *s, struct mmr_error *err)
{
    struct mmr_config *c = NULL;
    uint8_t *packed = NULL;
    size_t len = 0;
    char yaml[1024];
    (void)snprintf(yaml, sizeof yaml, "plugins:\n  s:\n    plugin: org.example.sample\n    config:\n%s", text);
    assert_int_equal(load(yaml, NULL, s, &c), 0);
    const struct mmr_instance_conf *i = mmr_config_instance(c, 0);
    assert_int_equal(mmr_config_pack(c, i, &packed, &len, err), 0);
    int r = mmr_config_fill(&sample_plugin, packed, len, ret, err);
    int checked = mmr_config_check_instance(c, i, &sample_plugin, collect, s);
    assert_int_equal(r != 0, checked != 0); /* the check finds what the start would refuse */
    free(packed);
    mmr_config_free(c);
    return r;
}

static void a_plugins_struct_is_filled_by_its_rows(void **state)
{
    (void)state;
    struct said s;
    struct mmr_error err = {.struct_size = sizeof err};
    void *p = NULL;
    assert_int_equal(fill("      iface: eth0\n      period: 200ms\n      files: [x, y, z]\n", &p, &s, &err), 0);
    const struct sample *c = p;
    assert_string_equal(c->iface, "eth0");
    assert_int_equal(c->period, 200);
    assert_int_equal(c->size, 65536);
    assert_true(c->learn);
    assert_int_equal(c->files.n, 3);
    assert_string_equal(c->files.v[2], "z");
    assert_null(c->files.v[3]);
    assert_int_equal(c->none.n, 0);
    free(p);
    assert_int_equal(fill("      iface: eth0\n", &p, &s, &err), 0);
    c = p;
    assert_int_equal(c->files.n, 2);
    assert_string_equal(c->files.v[1], "b");
    free(p);
}

static void a_plugins_wrong_keys_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"      period: 5s\n", "needs 'iface'"},
        {"      iface: e\n      priod: 5s\n", "did you mean 'period'?"},
        {"      iface: e\n      period: 1ms\n", "must be from 100 to 3600000 ms"},
        {"      iface: e\n      learn: maybe\n", "must be yes or no"},
        {"      iface: [a]\n", "must be text, found a list"},
        {"      iface: e\n      files: a\n", "must be a list"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct said s;
        struct mmr_error err = {.struct_size = sizeof err};
        void *p = NULL;
        assert_int_equal(fill(rows[i].text, &p, &s, &err), MMR_ECONFIG);
        if (!strstr(err.text, rows[i].want) || !strstr(s.text, rows[i].want))
            fail_msg("row %zu: said '%s' and '%s', want '%s'", i, err.text, s.text, rows[i].want);
        assert_null(p);
    }
}

static void the_reference_deployments_load(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool has_nft, has_contain, has_capture;
    } rows[] = {{"office", true, true, true}, {"passive-tap", false, true, true},
                {"inline-gateway", true, false, true}, {"endpoint", false, true, false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char over[64], dir[] = "/tmp/mamori-test-XXXXXX";
        struct said s = {0};
        struct mmr_config *c = NULL;
        struct mmr_error err = {.struct_size = sizeof err};
        bool nft = false, contain = false, capture = false;
        assert_non_null(mkdtemp(dir));
        (void)snprintf(over, sizeof over, "deployment: %s\n", rows[i].name);
        assert_int_equal(mmr_config_load_site(dir, over, collect, &s, &c, &err), 0);
        for (size_t k = 0; k < mmr_config_instances(c); k++) {
            const char *id = mmr_config_instance(c, k)->plugin;
            nft |= strcmp(id, "org.mamori.nft") == 0;
            contain |= strcmp(id, "org.mamori.contain") == 0;
            capture |= strcmp(id, "org.mamori.capture") == 0;
        }
        assert_int_equal(nft, rows[i].has_nft);
        assert_int_equal(contain, rows[i].has_contain);
        assert_int_equal(capture, rows[i].has_capture);
        mmr_config_free(c);
        assert_int_equal(rmdir(dir), 0);
    }
}

static void find_origin(void *ctx, const char *path, const char *value, const char *origin)
{
    char *want = ctx;
    if (strcmp(path, "site.name") == 0 && strcmp(value, "two") == 0)
        (void)snprintf(want, 64, "%s", origin);
}

static void show_tells_where_a_value_came_from(void **state)
{
    (void)state;
    struct said s;
    struct mmr_config *c = NULL;
    char origin[64] = "";
    assert_int_equal(load("site: {name: one}\n", "# a comment\nsite:\n  name: two\n", &s, &c), 0);
    mmr_config_show(c, find_origin, origin);
    assert_string_equal(origin, "b.yaml:3");
    mmr_config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(later_files_win_key_by_key),
        cmocka_unit_test(lists_are_replaced_or_added_to_on_purpose),
        cmocka_unit_test(null_takes_a_plugin_away),
        cmocka_unit_test(every_error_is_said_with_its_place),
        cmocka_unit_test(all_errors_of_all_files_come_in_one_go),
        cmocka_unit_test(a_plugins_struct_is_filled_by_its_rows),
        cmocka_unit_test(a_plugins_wrong_keys_are_named),
        cmocka_unit_test(the_reference_deployments_load),
        cmocka_unit_test(show_tells_where_a_value_came_from),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
