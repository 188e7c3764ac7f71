/* test_sigma_rules.c - rule files as a whole: hostile YAML, metadata, filters, exclusions, correlations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sigma_world.h"

#include <dirent.h>
#include <unistd.h>

#define S INT64_C(1000000000)
#define DOC(name, sel) "title: " name "\nname: " name "\nid: id-" name "\nlogsource: {category: process_creation}\ndetection: {s: {" sel "}, condition: s}\n"

static void hostile_files_are_refused_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *why, *text, *want;
    } rows[] = {
        {"no yaml", "a: [b", "not valid YAML"},
        {"billion laughs", "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
                           "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e]\n", "200000 nodes"},
        {"key twice", "title: a\ntitle: b\n", "test.yml:2:1: this key stands twice"},
        {"unknown alias", "title: *x\n", "alias of no finished anchor"},
        {"alias to its own inside", "a: &x [*x]\n", "alias of no finished anchor"},
        {"a directive cut within a letter", "%\xe3", "test.yml:1:1: holds bytes that are not UTF-8"},
        {"an overlong form", "title: a\nid: \xc0\xaf\n", "test.yml:2:1: holds bytes"},
        {"half of a pair", "\xed\xa0\x80", "not UTF-8"},
        {"over the last letter", "\xf4\x90\x80\x80", "not UTF-8"},
        {"all kinds of letters", "\x7f\xc2\x80\xe0\xa0\x80\xed\x9f\xbf\xef\xbf\xbd\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", "a rule is a map"},
        {"no map", "- a\n", "a rule is a map"},
        {"nothing", "", "no rule in this file"},
        {"no detection", "title: a\nlogsource: {product: windows}\n", "neither detection"},
        {"no logsource", "title: a\ndetection: {a: {b: c}, condition: a}\n", "no logsource"},
        {"deep", "a: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n", "32 levels"},
        {"own map with an unknown word", "title: a\nlogsource: {product: windows}\nmamori: {phase: strange}\ndetection: {a: {b: c}, condition: a}\n", "'strange' is none"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mmr_sigma *s = world_rules(rows[i].text);
        assert_non_null(s);
        assert_int_equal(mmr_sigma_count(s), 1);
        const struct mmr_sigma_rule *r = mmr_sigma_get(s, 0);
        if (!r->error || !strstr(r->error, rows[i].want))
            fail_msg("%s: said '%s', expected '%s'", rows[i].why, r->error ? r->error : "nothing", rows[i].want);
        mmr_sigma_free(s);
    }
}

static void a_bad_document_does_not_stop_the_others(void **state)
{
    (void)state;
    struct mmr_sigma *s = world_rules(DOC("one", "CommandLine: a") "---\ntitle: bad\n---\n" DOC("two", "CommandLine: a"));
    assert_int_equal(mmr_sigma_count(s), 3);
    assert_false(mmr_sigma_rule_ok(mmr_sigma_get(s, 1)));
    assert_int_equal(world_match(s, "process.start", 0, (const char *const[]){"process.cmd_line=A", NULL}).n, 2);
    mmr_sigma_free(s);
}

static void metadata_becomes_phase_and_potential(void **state)
{
    (void)state;
    static const struct {
        const char *head, *phase, *potential;
    } rows[] = {
        {"level: high\ntags: [attack.execution, attack.t1059.001]\n", "foothold.process", "high"},
        {"level: critical\ntags: [attack.execution, attack.lateral_movement]\n", "spread", "high"},
        {"level: high\ntags: [attack.discovery, attack.command-and-control]\n", "foothold.c2", "high"},
        {"level: medium\ntags: [attack.execution]\n", NULL, "low"}, /* a hint only */
        {"level: low\ntags: [attack.impact]\n", NULL, "info"},
        {"level: informational\n", NULL, "info"},
        {"level: low\nmamori: {phase: account, potential: high}\n", "account", "high"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[600];
        (void)snprintf(text, sizeof text, "%s%s", rows[i].head, DOC("x", "a: b"));
        struct mmr_sigma *s = world_rules(text);
        const struct mmr_sigma_rule *r = mmr_sigma_get(s, 0);
        if ((!r->phase != !rows[i].phase) || (r->phase && strcmp(r->phase, rows[i].phase) != 0) || strcmp(r->potential, rows[i].potential) != 0)
            fail_msg("%s: %s %s", rows[i].head, r->phase ? r->phase : "none", r->potential);
        if (i == 0) {
            assert_int_equal(r->attack.n, 1);
            assert_string_equal(r->attack.v[0], "T1059.001");
        }
        mmr_sigma_free(s);
    }
}

static size_t hits_of(struct mmr_sigma *s, int64_t t, const char *a, const char *b)
{
    const char *const f[] = {a, b, NULL};
    return world_match(s, "process.start", t, f).n;
}

static void filters_narrow_their_rules(void **state)
{
    (void)state;
#define FILTER(rules) "---\ntitle: f\nlogsource: {category: process_creation}\nfilter: {rules: " rules ", selection: {User|startswith: adm_}, condition: not selection}\n"
    static const struct {
        const char *rules;
        bool is_filtered;
        const char *source;
    } rows[] = {
        {"[id-one]", true, "category: process_creation"}, {"[one]", true, "category: process_creation"},
        {"any", true, "category: process_creation"},      {"[other]", false, "category: process_creation"},
        {"All", true, "category: process_creation"},      {"[]", true, "category: process_creation"},
        {"any", true, "product: windows"}, /* what the filter leaves open, the rule may say */
        {"any", false, "product: linux"},                 {"any", false, "category: process_creation, service: security"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[800];
        (void)snprintf(text, sizeof text,
                       "title: one\nname: one\nid: id-one\nlogsource: {category: process_creation, product: windows}\n"
                       "detection: {s: {CommandLine: a}, condition: s}\n---\n"
                       "title: f\nlogsource: {%s}\nfilter: {rules: %s, selection: {User|startswith: adm_}, condition: not selection}\n",
                       rows[i].source, rows[i].rules);
        struct mmr_sigma *s = world_rules(text);
        assert_int_equal(hits_of(s, 0, "process.cmd_line=a", "user.name=bob"), 1);
        assert_int_equal(hits_of(s, 0, "process.cmd_line=a", "user.name=adm_x"), rows[i].is_filtered ? 0 : 1);
        mmr_sigma_free(s);
    }
}

static void a_filter_may_name_many_rules(void **state)
{
    (void)state;
    char text[8000] = DOC("one", "CommandLine: a") "---\ntitle: f\nlogsource: {category: process_creation}\nfilter: {rules: [";
    for (int i = 0; i < 300; i++)
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "other%d, ", i);
    (void)snprintf(text + strlen(text), sizeof text - strlen(text), "one], selection: {User: bob}, condition: not selection}\n");
    struct mmr_sigma *s = world_rules(text);
    assert_int_equal(hits_of(s, 0, "process.cmd_line=a", "user.name=ann"), 1);
    assert_int_equal(hits_of(s, 0, "process.cmd_line=a", "user.name=bob"), 0);
    mmr_sigma_free(s);
}

/* The event's own time decides, not what its log called time */
static void an_exclusion_ends_whatever_the_log_says(void **state)
{
    (void)state;
    struct mmr_sigma *s = world_rules(DOC("one", "CommandLine: a") "---\nexclusion: {rules: any, selection: {User: bob}, owner: o, reason: r, expires: 1970-01-03}\n");
    static const int64_t day = INT64_C(86400) * 1000000000;
    struct mmr_sigma *ever = world_rules(DOC("one", "CommandLine: a") "---\nexclusion: {rules: any, selection: {User: bob}, owner: o, reason: r, expires: 9999-12-31}\n");
    assert_int_equal(hits_of(ever, INT64_C(4102444800) * S, "process.cmd_line=a", "user.name=bob"), 0);
    mmr_sigma_free(ever);
    assert_int_equal(hits_of(s, day, "process.cmd_line=a", "user.name=bob"), 0);
    assert_int_equal(hits_of(s, 3 * day, "process.cmd_line=a", "user.name=bob"), 1);
    const char *const early[] = {"process.cmd_line=a", "user.name=bob", "unmapped.time=1", NULL};
    assert_int_equal(world_match(s, "process.start", 3 * day, early).n, 1);
    const char *const late[] = {"process.cmd_line=a", "user.name=bob", "unmapped.time=never", NULL};
    assert_int_equal(world_match(s, "process.start", day, late).n, 0);
    mmr_sigma_free(s);
}

static void collections_share_what_is_global(void **state)
{
    (void)state;
    struct mmr_sigma *s = world_rules("action: global\ntitle: shared\nlevel: high\ntags: [attack.execution]\n"
                                      "detection: {s: {CommandLine: a}, condition: s and t}\n---\n"
                                      "id: first\nlogsource: {category: process_creation}\ndetection: {t: {User: bob}}\n---\n"
                                      "action: repeat\nid: second\ndetection: {t: {User: ann}}\n---\n"
                                      "action: reset\n---\n" DOC("alone", "CommandLine: a") "---\naction: unheard\ntitle: u\n");
    assert_int_equal(mmr_sigma_count(s), 4);
    for (size_t i = 0; i < 2; i++) {
        const struct mmr_sigma_rule *r = mmr_sigma_get(s, i);
        if (!mmr_sigma_rule_ok(r))
            fail_msg("%s", r->error ? r->error : r->unsupported.v[0]);
        assert_string_equal(r->id, i ? "second" : "first");
        assert_string_equal(r->title, "shared");
        assert_int_equal(r->level, MMR_SIGMA_HIGH);
    }
    assert_int_equal(mmr_sigma_get(s, 2)->level, MMR_SIGMA_NO_LEVEL);
    assert_string_equal(mmr_sigma_get(s, 3)->unsupported.v[0], "action 'unheard'");
    assert_int_equal(hits_of(s, 0, "process.cmd_line=a", "user.name=bob"), 2);
    assert_int_equal(hits_of(s, 0, "process.cmd_line=a", "user.name=ann"), 2);
    assert_int_equal(hits_of(s, 0, "process.cmd_line=a", "user.name=eve"), 1);
    mmr_sigma_free(s);
}

static void placeholders_become_their_values(void **state)
{
    (void)state;
    struct mmr_sigma *s = NULL;
    struct mmr_error err = {.struct_size = sizeof err};
    static const char rule[] = DOC("one", "User|expand: 'x-%adm%', CommandLine|expand: '5\\%'");
    assert_int_equal(mmr_sigma_new(&s, &err), 0);
    assert_int_equal(mmr_sigma_placeholder(s, "adm", "root", &err), 0);
    assert_int_equal(mmr_sigma_placeholder(s, "adm", "a*", &err), 0);
    assert_int_equal(mmr_sigma_add_text(s, "t", rule, strlen(rule), &err), 0);
    assert_int_equal(mmr_sigma_compile(s, &err), 0);
    assert_true(mmr_sigma_rule_ok(mmr_sigma_get(s, 0)));
    assert_int_equal(hits_of(s, 0, "process.cmd_line=5%", "user.name=x-root"), 1);
    assert_int_equal(hits_of(s, 0, "process.cmd_line=5%", "user.name=x-abc"), 1);
    assert_int_equal(hits_of(s, 0, "process.cmd_line=5%", "user.name=x-b"), 0);
    mmr_sigma_free(s);
}

/* ---- correlations ---- */

static struct mmr_sigma *correlation(const char *body)
{
    char text[2000];
    (void)snprintf(text, sizeof text, "%s---\n%s---\n%s---\ntitle: c\nid: c\ncorrelation:\n%s", DOC("fail", "CommandLine: f"),
                   DOC("good", "CommandLine: g"), DOC("odd", "CommandLine: o"), body);
    struct mmr_sigma *s = world_rules(text);
    assert_non_null(s);
    const struct mmr_sigma_rule *r = mmr_sigma_get(s, 3);
    if (!mmr_sigma_rule_ok(r))
        fail_msg("%s", r->error ? r->error : r->unsupported.v[0]);
    return s;
}

/* "f1:bob f2:bob g9:ann": letter = command line, number = second, then user; returns how often c reported */
static size_t play(struct mmr_sigma *s, const char *script, const char *extra, double *ret_count, char *ret_group)
{
    size_t n = 0;
    char text[600], *save = NULL;
    (void)snprintf(text, sizeof text, "%s", script);
    for (char *t = strtok_r(text, " ", &save); t; t = strtok_r(NULL, " ", &save)) {
        char cmd[40], user[60], more[60];
        char *colon = strchr(t, ':');
        *colon = 0;
        (void)snprintf(cmd, sizeof cmd, "process.cmd_line=%c", t[0]);
        char *slash = strchr(colon + 1, '/');
        if (slash)
            *slash = 0;
        (void)snprintf(user, sizeof user, "user.name=%s", colon + 1);
        (void)snprintf(more, sizeof more, "%s=%s", extra ? extra : "unmapped.None", slash ? slash + 1 : "x");
        const char *const f[] = {cmd, user, more, NULL};
        struct world_hits h = world_match(s, "process.start", strtoll(t + 1, NULL, 10) * S, f);
        for (size_t i = 0; i < h.n && i < 16; i++)
            if (!strcmp(h.ids[i], "c")) {
                n++;
                if (ret_count)
                    *ret_count = h.count[i];
                if (ret_group)
                    (void)snprintf(ret_group, 128, "%s", h.group[i]);
            }
    }
    return n;
}

static void correlations_count_and_order(void **state)
{
    (void)state;
#define HEAD(t, r) "  type: " t "\n  rules: " r "\n  group-by: [User]\n  timespan: 10s\n"
    static const struct {
        const char *why, *body, *script, *extra;
        size_t want;
    } rows[] = {
        {"three in ten seconds", HEAD("event_count", "[fail]") "  condition: {gte: 3}\n", "f1:a f2:a f3:a", NULL, 1},
        {"two are not three", HEAD("event_count", "[fail]") "  condition: {gte: 3}\n", "f1:a f2:a", NULL, 0},
        {"too slow", HEAD("event_count", "[fail]") "  condition: {gte: 3}\n", "f1:a f6:a f12:a", NULL, 0},
        {"the window slides", HEAD("event_count", "[fail]") "  condition: {gte: 3}\n", "f1:a f6:a f12:a f13:a", NULL, 1},
        {"groups apart", HEAD("event_count", "[fail]") "  condition: {gte: 3}\n", "f1:a f2:b f3:a", NULL, 0},
        {"groups ignore case", HEAD("event_count", "[fail]") "  condition: {gte: 3}\n", "f1:bob f2:BOB f3:Bob", NULL, 1},
        {"starts over", HEAD("event_count", "[fail]") "  condition: {gte: 2}\n", "f1:a f2:a f3:a f4:a", NULL, 2},
        {"gt", HEAD("event_count", "[fail]") "  condition: {gt: 2}\n", "f1:a f2:a f3:a", NULL, 1},
        {"range", HEAD("event_count", "[fail]") "  condition: {gte: 2, lte: 5}\n", "f1:a f2:a", NULL, 1},
        {"two rules count together", HEAD("event_count", "[fail, odd]") "  condition: {gte: 2}\n", "f1:a o2:a", NULL, 1},
        {"fewer than, at the end of the span", HEAD("event_count", "[fail]") "  condition: {lt: 3}\n", "f1:a f2:a o30:a", NULL, 1},
        {"not fewer", HEAD("event_count", "[fail]") "  condition: {lt: 2}\n", "f1:a f2:a o30:a", NULL, 0},
        {"distinct values", HEAD("value_count", "[fail]") "  condition: {field: Port, gte: 3}\n", "f1:a/1 f2:a/2 f3:a/3", "unmapped.Port", 1},
        {"the same value", HEAD("value_count", "[fail]") "  condition: {field: Port, gte: 3}\n", "f1:a/1 f2:a/1 f3:a/1", "unmapped.Port", 0},
        {"sum", HEAD("value_sum", "[fail]") "  condition: {field: Size, gte: 100}\n", "f1:a/60 f2:a/39 f3:a/1", "unmapped.Size", 1},
        {"sum too small", HEAD("value_sum", "[fail]") "  condition: {field: Size, gte: 100}\n", "f1:a/60 f2:a/39", "unmapped.Size", 0},
        {"average", HEAD("value_avg", "[fail]") "  condition: {field: Size, gt: 10}\n", "f1:a/10 f2:a/12", "unmapped.Size", 1},
        {"percentile", HEAD("value_percentile", "[fail]") "  condition: {field: Size, percentile: 50, gte: 5}\n", "f1:a/1 f2:a/9", "unmapped.Size", 1},
        {"both", HEAD("temporal", "[fail, good]"), "g1:a f2:a", NULL, 1},
        {"both, one of another", HEAD("temporal", "[fail, good]"), "g1:a f2:b", NULL, 0},
        {"in order", HEAD("temporal_ordered", "[fail, good]"), "f1:a g2:a", NULL, 1},
        {"out of order", HEAD("temporal_ordered", "[fail, good]"), "g1:a f2:a", NULL, 0},
        {"in order, three", HEAD("temporal_ordered", "[fail, odd, good]"), "f1:a g2:a o3:a g4:a", NULL, 1},
        {"condition in words", HEAD("temporal", "[fail, good, odd]") "  condition: fail and (good or odd)\n", "f1:a o2:a", NULL, 1},
        {"and not, at the end", HEAD("temporal", "[fail, good]") "  condition: fail and not good\n", "f1:a o30:a", NULL, 1},
        {"and not, but it came", HEAD("temporal", "[fail, good]") "  condition: fail and not good\n", "f1:a g5:a o30:a", NULL, 0},
        {"and not, named by the condition alone", "  type: temporal\n  group-by: [User]\n  timespan: 10s\n  condition: fail and odd\n", "f1:a o2:a", NULL, 1},
        {"named by the condition, one of another", "  type: temporal\n  group-by: [User]\n  timespan: 10s\n  condition: fail and odd\n", "f1:a o2:b", NULL, 0},
        {"values of two fields", HEAD("value_count", "[fail]") "  condition: {field: [Port, User], gte: 2}\n", "f1:a/1 f2:a/2", "unmapped.Port", 1},
        {"values of two fields, the same", HEAD("value_count", "[fail]") "  condition: {field: [Port, User], gte: 2}\n", "f1:a/1 f2:a/1", "unmapped.Port", 0},
        {"late, but within the span", HEAD("event_count", "[fail]") "  condition: {gte: 3}\n", "f12:a f15:a f8:a", NULL, 1},
        {"late, and the span is too long", HEAD("event_count", "[fail]") "  condition: {gte: 3}\n", "f101:a f102:a f1:a", NULL, 0},
        {"a log read after another", HEAD("event_count", "[fail]") "  condition: {gte: 3}\n", "f101:a f1:a f2:a f3:a", NULL, 1},
        {"late, each near one end only", HEAD("event_count", "[fail]") "  condition: {gte: 3}\n", "f20:a f4:a f12:a", NULL, 0},
        {"aliases", HEAD("temporal", "[fail, good]") "  aliases: {User: {fail: User, good: Other}}\n", "f1:a g2:zz/a", "unmapped.Other", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mmr_sigma *s = correlation(rows[i].body);
        size_t got = play(s, rows[i].script, rows[i].extra, NULL, NULL);
        if (got != rows[i].want)
            fail_msg("%s: %zu hits, expected %zu", rows[i].why, got, rows[i].want);
        mmr_sigma_free(s);
    }
}

static void a_correlation_says_its_group_and_count(void **state)
{
    (void)state;
    struct mmr_sigma *s = correlation(HEAD("event_count", "[fail]") "  condition: {gte: 3}\n");
    double count = 0;
    char group[128] = "";
    assert_int_equal(play(s, "f1:bob f2:bob f3:bob", NULL, &count, group), 1);
    assert_string_equal(group, "User=bob");
    assert_int_equal((int)count, 3);
    assert_false(mmr_sigma_find(s, "fail")->is_enabled); /* without generate the parts are silent */
    assert_true(mmr_sigma_find(s, "odd")->is_enabled);
    mmr_sigma_free(s);
    s = correlation(HEAD("event_count", "[fail]") "  condition: {gte: 3}\n  generate: true\n");
    assert_true(mmr_sigma_find(s, "fail")->is_enabled);
    mmr_sigma_free(s);
}

static void correlations_chain_but_not_in_circles(void **state)
{
    (void)state;
    struct mmr_sigma *s = world_rules(
        DOC("fail", "CommandLine: f") "---\n" DOC("good", "CommandLine: g") "---\ntitle: many\nname: many\ncorrelation: {type: event_count, rules: [fail], group-by: [User], timespan: 1m, condition: {gte: 2}}\n"
        "---\ntitle: c\nid: c\ncorrelation: {type: temporal_ordered, rules: [many, good], group-by: [User], timespan: 1m}\n");
    assert_int_equal(play(s, "f1:a f2:a g3:a", NULL, NULL, NULL), 1);
    assert_int_equal(play(s, "f101:b g102:b", NULL, NULL, NULL), 0);
    mmr_sigma_free(s);
    s = world_rules("title: a\nname: a\ncorrelation: {type: temporal, rules: [b], timespan: 1m}\n---\n"
                    "title: b\nname: b\ncorrelation: {type: temporal, rules: [a], timespan: 1m}\n");
    assert_non_null(mmr_sigma_get(s, 0)->error);
    mmr_sigma_free(s);
    s = world_rules(DOC("fail", "CommandLine: f") "---\ntitle: few\nname: few\ncorrelation: {type: event_count, rules: [fail], timespan: 1m, condition: {lt: 2}}\n"
                    "---\ntitle: c\ncorrelation: {type: event_count, rules: [few], timespan: 1h, condition: {gte: 2}}\n");
    assert_non_null(strstr(mmr_sigma_get(s, 2)->error, "only when its span is over"));
    mmr_sigma_free(s);
    s = world_rules(DOC("fail", "CommandLine: f") "---\ntitle: c\ncorrelation: {type: event_count, rules: [fail], timespan: 101y, condition: {gte: 2}}\n");
    assert_non_null(strstr(mmr_sigma_get(s, 1)->error, "timespan"));
    mmr_sigma_free(s);
    s = world_rules("title: a\ncorrelation: {type: temporal, rules: [nowhere], timespan: 1m}\n");
    assert_non_null(strstr(mmr_sigma_get(s, 0)->error, "'nowhere' is no loaded rule"));
    mmr_sigma_free(s);
}

/* Values are told apart by all of their bytes, and groups too */
static void long_values_are_whole(void **state)
{
    (void)state;
    char a[400] = "", b[400] = "", extra[420];
    memset(a, 'x', 300);
    memcpy(b, a, 301);
    b[299] = 'y';
    struct mmr_sigma *s = correlation(HEAD("value_count", "[fail]") "  condition: {field: Path, gte: 2}\n");
    for (int i = 0; i < 2; i++) {
        (void)snprintf(extra, sizeof extra, "unmapped.Path=%s", i ? b : a);
        const char *const f[] = {"process.cmd_line=f", "user.name=bob", extra, NULL};
        assert_int_equal(world_match(s, "process.start", i * S, f).n, (size_t)i);
    }
    mmr_sigma_free(s);
    s = correlation(HEAD("event_count", "[fail]") "  condition: {gte: 2}\n");
    for (int i = 0; i < 4; i++) {
        (void)snprintf(extra, sizeof extra, "user.name=%s", i % 2 ? b : a);
        assert_int_equal(hits_of(s, i * S, "process.cmd_line=f", extra), i < 2 ? 0 : 1);
    }
    mmr_sigma_free(s);
}

static void any_time_an_event_may_say_is_taken(void **state)
{
    (void)state;
    struct mmr_sigma *s = correlation("  type: event_count\n  rules: [fail]\n  timespan: 100y\n  condition: {lt: 3}\n");
    static const int64_t times[] = {INT64_MAX, INT64_MIN, 0, INT64_MAX - 1, INT64_MIN + 1};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        (void)hits_of(s, times[i], "process.cmd_line=f", NULL);
    mmr_sigma_free(s);
}

/* Many correlations over the same values keep their groups apart. */
static void correlations_do_not_crowd_each_other_out(void **state)
{
    (void)state;
    char text[20000] = DOC("fail", "CommandLine: f");
    for (int i = 0; i < 64; i++)
        (void)snprintf(text + strlen(text), sizeof text - strlen(text),
                       "---\ntitle: c%d\nid: c%d\ncorrelation: {type: event_count, rules: [fail], group-by: [User], timespan: 1m, condition: {gte: 2}}\n", i, i);
    struct mmr_sigma *s = world_rules(text);
    for (int i = 0; i < 20; i++) {
        char user[40];
        (void)snprintf(user, sizeof user, "user.name=u%d", i);
        assert_int_equal(hits_of(s, i * S, "process.cmd_line=f", user), 0);
    }
    for (int i = 0; i < 20; i++) {
        char user[40];
        (void)snprintf(user, sizeof user, "user.name=u%d", i);
        assert_int_equal(hits_of(s, (20 + i) * S, "process.cmd_line=f", user), 64);
    }
    mmr_sigma_free(s);
}

static void groups_without_end_are_bounded_and_counted(void **state)
{
    (void)state;
    struct mmr_sigma *s = correlation(HEAD("event_count", "[fail]") "  condition: {gte: 3}\n");
    for (int i = 0; i < 20000; i++) {
        char user[40];
        (void)snprintf(user, sizeof user, "user.name=u%d", i);
        (void)hits_of(s, 5 * S, "process.cmd_line=f", user);
    }
    struct mmr_sigma_stats st;
    mmr_sigma_get_stats(s, &st);
    assert_true(st.evictions >= 20000 - 8192);
    mmr_sigma_free(s);
}

static void a_costly_expression_is_given_up_and_counted(void **state)
{
    (void)state;
    struct mmr_sigma *s = world_rules(DOC("x", "CommandLine|re: '^(a|aa|aaa)+(b|bb)+$'"));
    char cmd[4096] = "process.cmd_line=";
    memset(cmd + strlen(cmd), 'a', 4000);
    assert_int_equal(hits_of(s, 0, cmd, NULL), 0);
    struct mmr_sigma_stats st;
    mmr_sigma_get_stats(s, &st);
    assert_true(st.regex_limits <= 1); /* 0 where the expression is ruled out before */
    mmr_sigma_free(s);
}

/* With many rules every text still finds its rule: the index and the slow way agree. */
static void thousands_of_rules_match_as_one_does(void **state)
{
    (void)state;
    struct mmr_sigma *s = NULL;
    struct mmr_error err = {.struct_size = sizeof err};
    static const char *const mods[] = {"|contains", "|startswith", "|endswith", "", "|re"};
    assert_int_equal(mmr_sigma_new(&s, &err), 0);
    for (int i = 0; i < 3000; i++) {
        char text[400];
        int n = snprintf(text, sizeof text, "title: t%d\nid: r%d\nlogsource: {category: process_creation}\ndetection: {s: {CommandLine%s: w%dx}, condition: s}\n",
                         i, i, mods[i % 5], i);
        assert_int_equal(mmr_sigma_add_text(s, "t", text, (size_t)n, &err), 0);
    }
    assert_int_equal(mmr_sigma_compile(s, &err), 0);
    for (int i = 0; i < 3000; i += 37) {
        char cmd[80], id[16];
        static const char *const shapes[] = {"process.cmd_line=-w%dx-", "process.cmd_line=w%dx-", "process.cmd_line=-w%dx", "process.cmd_line=w%dx", "process.cmd_line=-w%dx-"};
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        (void)snprintf(cmd, sizeof cmd, shapes[i % 5], i);
#pragma GCC diagnostic pop
        (void)snprintf(id, sizeof id, "r%d", i);
        struct world_hits h = world_match(s, "process.start", 0, (const char *const[]){cmd, NULL});
        if (h.n != 1 || strcmp(h.ids[0], id) != 0)
            fail_msg("%s: %zu hits, first %s", cmd, h.n, h.n ? h.ids[0] : "none");
    }
    mmr_sigma_free(s);
}

/* The way without Hyperscan finds the same. */
static void nothing_depends_on_hyperscan(void **state)
{
    (void)state;
    struct mmr_error err = {.struct_size = sizeof err};
    static const char *const cmds[] = {"process.cmd_line=w1x w7x", "process.cmd_line=W3Y w11x", "process.cmd_line=aaa12b", "process.cmd_line=\xc3\xa9 w9x", "process.cmd_line="};
    size_t found[2][5];
    for (int plain = 0; plain < 2; plain++) {
        struct mmr_sigma *s = NULL;
        assert_int_equal(mmr_sigma_new(&s, &err), 0);
        for (int i = 0; i < 20; i++) {
            char text[400];
            int n = snprintf(text, sizeof text, "title: t%d\nlogsource: {category: process_creation}\ndetection: {s: {CommandLine%s%d%s}, condition: s}\n", i,
                             i % 2 ? "|contains: w" : "|re: 'a+b?|^$|", i, i % 2 ? "x" : "'");
            assert_int_equal(mmr_sigma_add_text(s, "t", text, (size_t)n, &err), 0);
        }
        if (plain)
            mmr_sigma_without_hyperscan(s);
        assert_int_equal(mmr_sigma_compile(s, &err), 0);
        for (size_t i = 0; i < 5; i++)
            found[plain][i] = world_match(s, "process.start", 0, (const char *const[]){cmds[i], NULL}).n;
        mmr_sigma_free(s);
    }
    static const size_t want[] = {2, 1, 10, 1, 10};
    for (size_t i = 0; i < 5; i++)
        if (found[0][i] != want[i] || found[1][i] != want[i])
            fail_msg("%s: %zu with Hyperscan, %zu without, expected %zu", cmds[i], found[0][i], found[1][i], want[i]);
}

static void every_public_rule_compiles(void **state)
{
    (void)state;
    static const char *const dirs[] = {MMR_SHARED_DIR "/data/sigma/rules", MMR_SHARED_DIR "/data/sigma/rules-emerging-threats"};
    if (access(dirs[0], R_OK))
        skip();
    struct mmr_sigma *s = NULL;
    struct mmr_error err = {.struct_size = sizeof err};
    assert_int_equal(mmr_sigma_load(dirs, access(dirs[1], R_OK) ? 1 : 2, &s, &err), 0);
    assert_true(mmr_sigma_count(s) > 1000);
    for (size_t i = 0; i < mmr_sigma_count(s); i++) {
        const struct mmr_sigma_rule *r = mmr_sigma_get(s, i);
        if (!mmr_sigma_rule_ok(r))
            fail_msg("%s: %s", r->file, r->error ? r->error : r->unsupported.v[0]);
    }
    mmr_sigma_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_files_are_refused_with_their_place),
        cmocka_unit_test(a_bad_document_does_not_stop_the_others),
        cmocka_unit_test(metadata_becomes_phase_and_potential),
        cmocka_unit_test(filters_narrow_their_rules),
        cmocka_unit_test(a_filter_may_name_many_rules),
        cmocka_unit_test(an_exclusion_ends_whatever_the_log_says),
        cmocka_unit_test(collections_share_what_is_global),
        cmocka_unit_test(placeholders_become_their_values),
        cmocka_unit_test(correlations_count_and_order),
        cmocka_unit_test(a_correlation_says_its_group_and_count),
        cmocka_unit_test(correlations_chain_but_not_in_circles),
        cmocka_unit_test(correlations_do_not_crowd_each_other_out), cmocka_unit_test(long_values_are_whole),
        cmocka_unit_test(any_time_an_event_may_say_is_taken),
        cmocka_unit_test(nothing_depends_on_hyperscan),
        cmocka_unit_test(groups_without_end_are_bounded_and_counted),
        cmocka_unit_test(a_costly_expression_is_given_up_and_counted),
        cmocka_unit_test(thousands_of_rules_match_as_one_does),
        cmocka_unit_test(every_public_rule_compiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
