/*
 * test_rules.c - our own pack: every rule compiles, carries what a finding needs, matches its events in events.txt
 * and leaves the ordinary ones alone. The table is the file; a failure names the rule and the line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <mamori/data.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sigma/sigma.h"

extern const struct mmr_data_file mmr_data_sigma[];

static struct mmr_sigma *load_pack(void)
{
    struct mmr_sigma *s = NULL;
    struct mmr_error err = {.struct_size = sizeof err};
    assert_int_equal(mmr_sigma_new(&s, &err), 0);
    for (const struct mmr_data_file *f = mmr_data_sigma; f->name; f++)
        assert_int_equal(mmr_sigma_add_text(s, f->name, f->bytes, f->len, &err), 0);
    assert_int_equal(mmr_sigma_compile(s, &err), 0);
    return s;
}

static void every_rule_is_complete(void **state)
{
    (void)state;
    struct mmr_sigma *s = load_pack();
    assert_true(mmr_sigma_count(s) > 100);
    for (size_t i = 0; i < mmr_sigma_count(s); i++) {
        const struct mmr_sigma_rule *r = mmr_sigma_get(s, i);
        if (!mmr_sigma_rule_ok(r))
            fail_msg("%s: %s", r->title, r->error ? r->error : r->unsupported.v[0]);
        if (strlen(r->id) != 36 || !r->level || !r->has_mapping || !r->attack.n)
            fail_msg("%s: id, level, tags or mamori: missing", r->title);
        if (mmr_sigma_find(s, r->id) != r || mmr_sigma_find(s, r->title) != r)
            fail_msg("%s: its id or title is used twice", r->title);
        if (r->is_enabled && !r->falsepositives.n)
            fail_msg("%s: no word about false positives", r->title);
        if (r->phase && !r->needs.n && strcmp(r->potential, "high") == 0 && strcmp(r->phase, "foothold.process") == 0 &&
            !r->attack.n)
            fail_msg("%s: a foothold without a need", r->title);
    }
    mmr_sigma_free(s);
}

static const char *long_key(const char *key)
{
    static const struct {
        const char *s, *l;
    } names[] = {
        {"i", "process.file.path"}, {"c", "process.cmd_line"}, {"p", "process.parent_process.file.path"},
        {"pc", "process.parent_process.cmd_line"}, {"u", "user.name"}, {"f", "file.path"}, {"dst", "dst_endpoint.ip"},
        {"port", "dst_endpoint.port"}, {"src", "src_endpoint.ip"}, {"ch", "metadata.log_name"},
        {"id", "metadata.event_code"}, {"prov", "metadata.log_provider"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!strcmp(key, names[i].s))
            return names[i].l;
    return key;
}

/* "%d" in a value becomes the number */
static void put_number(char *out, size_t cap, const char *text, int n)
{
    const char *at = strstr(text, "%d");
    if (at)
        (void)snprintf(out, cap, "%.*s%d%s", (int)(at - text), text, n, at + 2);
    else
        (void)snprintf(out, cap, "%s", text);
}

static size_t build(uint8_t *buf, const char *line, int n, int64_t time_ns)
{
    char text[2048], *part = text;
    struct mmr_event ev;
    bool is_first = true;
    put_number(text, sizeof text, line, n);
    while (part) {
        char *next = strstr(part, " || ");
        if (next) {
            *next = 0;
            next += 4;
        }
        if (is_first) {
            mmr_event_begin(&ev, buf, MMR_EVENT_BYTES_MAX, part, 1007, 1, time_ns, 1);
            is_first = false;
        } else {
            char key[160];
            char *eq = strchr(part, '=');
            assert_non_null(eq);
            bool is_int = eq > part && eq[-1] == ':';
            *eq = 0;
            if (is_int)
                eq[-1] = 0;
            if (!strncmp(part, "X.", 2))
                (void)snprintf(key, sizeof key, "unmapped.%.100s", part + 2);
            else
                (void)snprintf(key, sizeof key, "%.120s", long_key(part));
            if (is_int)
                mmr_event_int(&ev, key, strtoll(eq + 1, NULL, 10));
            else
                mmr_event_str(&ev, key, eq + 1);
        }
        part = next;
    }
    return mmr_event_end(&ev) ? 0 : ev.len;
}

struct seen {
    const char *title;
    bool is_hit;
    const char *first; /* any rule */
};

static void on_hit(void *ctx, const struct mmr_sigma_hit *h)
{
    struct seen *s = ctx;
    s->first = h->rule->title;
    s->is_hit |= !strcmp(h->rule->title, s->title);
}

static int atoi_bounded(const char *p)
{
    long n = strtol(p, NULL, 10);
    return n > 0 && n < 1000 ? (int)n : 1;
}

static void play(struct mmr_sigma *s, const char *line, int64_t *time_ns, struct seen *seen)
{
    static uint8_t buf[MMR_EVENT_BYTES_MAX];
    static struct mmr_event_view view;
    int times = 1;
    if (*line == '*') {
        times = atoi_bounded(line + 1);
        line += 1 + strspn(line + 1, "0123456789");
    }
    line += *line == ' ';
    for (int i = 0; i < times; i++) {
        *time_ns += 1000000000;
        size_t len = build(buf, line, i, *time_ns);
        assert_true(len > 0);
        assert_int_equal(mmr_event_read(buf, len, &view, NULL), 0);
        mmr_sigma_match(s, &view, on_hit, seen);
    }
}

static void rules_match_their_events_and_no_ordinary_ones(void **state)
{
    (void)state;
    struct mmr_sigma *s = load_pack();
    bool *is_tested = calloc(mmr_sigma_count(s), sizeof *is_tested);
    FILE *f = fopen(MMR_SOURCE_DIR "/plugins/endpoint/sigma/events.txt", "re");
    assert_non_null(f);
    assert_non_null(is_tested);
    char line[2048], title[256] = "";
    struct seen seen = {.title = title};
    int64_t time_ns = INT64_C(1700000000000000000);
    bool has_positive = false;
    size_t negatives = 0;
    int number = 0;
    for (bool is_over = false; !is_over;) {
        is_over = !fgets(line, sizeof line, f);
        number++;
        line[strcspn(line, "\n")] = 0;
        if ((is_over || line[0] == '=') && has_positive && !seen.is_hit)
            fail_msg("line %d: '%s' did not match its events", number, title);
        if (is_over || line[0] == '#' || !line[0])
            continue;
        if (line[0] == '=') {
            (void)snprintf(title, sizeof title, "%.200s", line + 2);
            const struct mmr_sigma_rule *r = mmr_sigma_find(s, title);
            if (!r)
                fail_msg("line %d: no rule '%s'", number, title);
            else
                is_tested[r->index] = true;
            seen.is_hit = has_positive = false;
            time_ns += INT64_C(86400) * 1000000000; /* correlations start anew */
        } else if (line[0] == '+') {
            has_positive = true;
            play(s, line + 1, &time_ns, &seen);
        } else {
            struct seen no = {.title = title};
            negatives++;
            play(s, line + 1, &time_ns, &no);
            if (no.is_hit)
                fail_msg("line %d: '%s' matches an ordinary event", number, title);
            /* rules of other names may find a near miss odd, but no more than that */
        }
    }
    (void)fclose(f);
    for (size_t i = 0; i < mmr_sigma_count(s); i++) {
        const struct mmr_sigma_rule *r = mmr_sigma_get(s, i);
        if (r->is_enabled && !is_tested[i]) /* parts of correlations are tested through them */
            fail_msg("'%s' has no test event", r->title);
    }
    assert_true(negatives >= 100);
    free(is_tested);
    mmr_sigma_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_is_complete),
        cmocka_unit_test(rules_match_their_events_and_no_ordinary_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
