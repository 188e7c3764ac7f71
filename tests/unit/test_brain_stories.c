/* Sigma correlations over findings of several machines: what they complete, whom they join, and why. */
#include "brain/pipeline.h"
#include "correlate/stories.h"

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
#include <unistd.h>

#define S MMR_NS_PER_S
#define T0 (INT64_C(1700000000) * S)

static const char base[] =
    "title: Guessing\nname: guess\nlogsource: {product: mamori, service: finding}\n"
    "detection: {s: {mamori.rule: ep.guess}, condition: s}\nlevel: low\n---\n"
    "title: Any logon\nname: logon\nlogsource: {product: mamori, service: finding}\n"
    "detection: {s: {mamori.rule: ep.logon}, condition: s}\nlevel: low\n---\n";

static const struct {
    const char *type, *text;
} correlations[] = {
    {"event_count", "title: Many guesses\nid: 11111111-1111-4111-8111-111111111111\nlevel: high\ntags: [attack.credential-access, attack.t1110]\n"
                    "correlation: {type: event_count, rules: [guess], group-by: [user.name], timespan: 10m, condition: {gte: 3}}\n"},
    {"value_count", "title: One user, many machines\nid: 22222222-2222-4222-8222-222222222222\nlevel: high\ntags: [attack.lateral-movement]\n"
                    "correlation: {type: value_count, rules: [guess], group-by: [user.name], timespan: 10m, condition: {gte: 3, field: device.hostname}}\n"},
    {"temporal", "title: Both\nid: 33333333-3333-4333-8333-333333333333\nlevel: high\ntags: [attack.credential-access]\n"
                 "correlation: {type: temporal, rules: [guess, logon], group-by: [user.name], timespan: 10m}\n"},
    {"temporal_ordered", "title: First the one, then the other\nid: 44444444-4444-4444-8444-444444444444\nlevel: high\ntags: [attack.credential-access]\n"
                         "correlation: {type: temporal_ordered, rules: [guess, logon], group-by: [user.name], timespan: 10m}\n"},
};

struct world {
    struct mmr_pipeline *p;
    char path[40], *json[32];
    size_t n, parts;
    uint64_t serial;
};

static void on_incident(void *ctx, const struct mmr_incident *i, enum mmr_activity activity, unsigned change)
{
    struct world *w = ctx;
    (void)change;
    assert_true(w->n < 32);
    assert_int_equal(mmr_incident_to_json(i, (int)activity, &w->json[w->n++], NULL), 0);
}

static void on_part(void *ctx)
{
    struct world *w = ctx;
    w->parts++;
}

static void open_world(struct world *w, const char *correlation)
{
    memset(w, 0, sizeof *w);
    (void)snprintf(w->path, sizeof w->path, "/tmp/mamori-stories-XXXXXX.yml");
    int fd = mkstemps(w->path, 4);
    assert_true(fd >= 0);
    FILE *f = fdopen(fd, "w");
    assert_non_null(f);
    (void)fprintf(f, "%s%s", base, correlation);
    assert_int_equal(fclose(f), 0);
    const char *paths[] = {w->path};
    struct mmr_pipeline_config c = {.stories = paths, .n_stories = 1};
    const struct mmr_pipeline_ops ops = {.incident = on_incident, .part = on_part, .ctx = w};
    struct mmr_error err = {.struct_size = sizeof err};
    mmr_policy_default(&c.policy);
    c.policy.is_replay = true;
    if (mmr_pipeline_new(&c, &ops, &w->p, &err) != 0)
        fail_msg("%s", err.text);
}

static void finish(struct world *w)
{
    assert_int_equal(mmr_pipeline_finish(w->p, NULL), 0);
}

static void close_world(struct world *w)
{
    mmr_pipeline_free(w->p);
    (void)unlink(w->path);
    for (size_t k = 0; k < w->n; k++)
        free(w->json[k]);
}

/* Attempts at machines that share nothing but the name that is tried: no window of theirs joins them. */
static const struct mmr_event_view *make(struct world *w, int64_t at_s, const char *rule, const char *host, const char *user)
{
    static uint8_t buf[2048];
    static struct mmr_event_view v;
    struct mmr_event ev;
    char node[48];
    (void)snprintf(node, sizeof node, "node-of-%s", host);
    mmr_event_begin(&ev, buf, sizeof buf, "finding", 2004, 1, T0 + at_s * S, 3);
    mmr_event_str(&ev, "mamori.side", "endpoint");
    mmr_event_str(&ev, "mamori.node", node);
    mmr_event_str(&ev, "mamori.input", node);
    mmr_event_int(&ev, "mamori.index", (int64_t)++w->serial);
    mmr_event_str(&ev, "mamori.rule", rule);
    mmr_event_str(&ev, "finding_info.title", rule);
    mmr_event_str(&ev, "mamori.phase", "attempt.inbound");
    mmr_event_str(&ev, "mamori.potential", "low");
    mmr_event_str(&ev, "device.hostname", host);
    mmr_event_str(&ev, "user.name", user);
    mmr_event_str(&ev, "mamori.stories", "m\tx\ty\tz\n"); /* nobody but the brain says what a finding is part of */
    assert_int_equal(mmr_event_end(&ev), 0);
    assert_int_equal(mmr_event_read(buf, ev.len, &v, NULL), 0);
    return &v;
}

static void feed(struct world *w, int64_t at_s, const char *rule, const char *host, const char *user)
{
    assert_int_equal(mmr_pipeline_event(w->p, make(w, at_s, rule, host, user), T0 + at_s * S, NULL), 0);
}

static const char *with(const struct world *w, const char *text)
{
    for (size_t k = 0; k < w->n; k++)
        if (strstr(w->json[k], text))
            return w->json[k];
    return NULL;
}

static void each_type_joins_machines_and_says_why(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof correlations / sizeof correlations[0]; k++) {
        struct world w;
        open_world(&w, correlations[k].text);
        feed(&w, 0, "ep.guess", "pc1", "mika");
        feed(&w, 60, "ep.guess", "pc2", "mika");
        feed(&w, 61, "ep.guess", "pc5", "ken"); /* another story */
        feed(&w, 120, k < 2 ? "ep.guess" : "ep.logon", "pc3", "mika");
        finish(&w);
        const char *j = with(&w, "\"kind\":\"rule\"");
        if (!j)
            fail_msg("%s: nothing was joined", correlations[k].type);
        char title[80];
        const char *t = strstr(correlations[k].text, "title: ") + 7;
        (void)snprintf(title, sizeof title, "%.*s: user.name=mika", (int)strcspn(t, "\n"), t);
        if (!strstr(j, title) || !strstr(j, "pc1") || !strstr(j, "pc2") || !strstr(j, "pc3") || strstr(j, "pc5"))
            fail_msg("%s: %s", correlations[k].type, j);
        assert_int_equal(w.n, 2); /* and ken's */
        close_world(&w);
    }
}

static void counting_goes_on_after_a_restart(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof correlations / sizeof correlations[0]; k++) {
        struct world before, after;
        open_world(&before, correlations[k].text);
        feed(&before, 0, "ep.guess", "pc1", "mika");
        feed(&before, 60, "ep.guess", "pc2", "mika");
        feed(&before, 70, "ep.other", "pc4", "mika"); /* part of nothing */
        assert_int_equal(before.parts, 2);
        finish(&before);
        assert_null(with(&before, "\"kind\":\"rule\""));
        close_world(&before);

        open_world(&after, correlations[k].text);
        mmr_pipeline_part(after.p, make(&after, 0, "ep.guess", "pc1", "mika"));
        mmr_pipeline_part(after.p, make(&after, 60, "ep.guess", "pc2", "mika"));
        feed(&after, 120, k < 2 ? "ep.guess" : "ep.logon", "pc3", "mika");
        finish(&after);
        if (!with(&after, "\"kind\":\"rule\""))
            fail_msg("%s: what was counted before the restart was forgotten", correlations[k].type);
        close_world(&after);
    }
}

/* What was complete before the restart is not told again because its parts are read again. */
static void what_was_told_is_not_told_by_reading_it_again(void **state)
{
    struct world w;
    (void)state;
    open_world(&w, correlations[0].text);
    for (int64_t k = 0; k < 3; k++)
        mmr_pipeline_part(w.p, make(&w, k * 60, "ep.guess", "pc1", "mika"));
    finish(&w);
    assert_int_equal(w.n, 0);
    assert_int_equal(w.parts, 0);
    close_world(&w);
}

static void what_is_too_far_apart_or_too_little_stays_apart(void **state)
{
    struct world w;
    (void)state;
    open_world(&w, correlations[0].text);
    feed(&w, 0, "ep.guess", "pc1", "mika");
    feed(&w, 60, "ep.guess", "pc2", "mika");
    feed(&w, 2000, "ep.guess", "pc3", "mika");
    finish(&w);
    assert_int_equal(w.n, 3);
    assert_null(with(&w, "\"kind\":\"rule\""));
    close_world(&w);
    open_world(&w, correlations[3].text); /* the wrong order */
    feed(&w, 0, "ep.logon", "pc1", "mika");
    feed(&w, 60, "ep.guess", "pc2", "mika");
    finish(&w);
    assert_int_equal(w.n, 2);
    close_world(&w);
}

static void a_story_survives_the_store(void **state)
{
    struct world w;
    uint8_t *blob;
    size_t len;
    struct mmr_incident *back;
    (void)state;
    struct mmr_finding f = {.kind = "finding", .side = MMR_SIDE_ENDPOINT, .time_ns = T0, .src_name = "client", .phase = MMR_PHASE_SPREAD,
                            .stories = "m\tid\ttitle\tuser=x\nt\t17\tid\ttitle\tuser=y\n"};
    struct mmr_incident *i = mmr_incident_new(7, NULL);
    struct mmr_evidence e = {.finding = mmr_finding_copy(&f), .count = 1};
    assert_int_equal(mmr_incident_insert_evidence(i, &e, NULL), 0);
    assert_int_equal(mmr_incident_pack(i, &blob, &len, NULL), 0);
    assert_int_equal(mmr_incident_unpack(blob, len, &back, NULL), 0);
    const char *at = back->evidence[0].finding->stories;
    struct mmr_story_part part;
    assert_string_equal(back->evidence[0].finding->src_name, "client");
    assert_true(mmr_stories_next(&at, &part));
    assert_false(part.is_told);
    assert_string_equal(part.group, "user=x");
    assert_true(mmr_stories_next(&at, &part));
    assert_true(part.is_told);
    assert_int_equal(part.from_ns, 17);
    assert_string_equal(part.rule, "id");
    assert_false(mmr_stories_next(&at, &part));
    free(blob);
    mmr_incident_free(i);
    mmr_incident_free(back);
    at = "m\tcut"; /* a text that ends early is the end */
    assert_false(mmr_stories_next(&at, &part));
    memset(&w, 0, sizeof w);
}

static void rules_that_cannot_be_used_are_an_error_with_a_name(void **state)
{
    const char *nowhere[] = {"/nonexistent/rules"};
    struct mmr_stories *s = NULL;
    struct mmr_error err = {.struct_size = sizeof err};
    (void)state;
    assert_true(mmr_stories_new(nowhere, 1, NULL, NULL, &s, &err) < 0);
    assert_non_null(strstr(err.text, "/nonexistent/rules"));
    assert_null(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_type_joins_machines_and_says_why),
        cmocka_unit_test(counting_goes_on_after_a_restart),
        cmocka_unit_test(what_was_told_is_not_told_by_reading_it_again),
        cmocka_unit_test(what_is_too_far_apart_or_too_little_stays_apart),
        cmocka_unit_test(a_story_survives_the_store),
        cmocka_unit_test(rules_that_cannot_be_used_are_an_error_with_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
