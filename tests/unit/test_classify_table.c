/*
 * test_classify_table.c - the decision table against an oracle written from the text of
 * SERVICE_STANDARD section 4: each row is a condition as printed there, and the first that holds
 * decides.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "classify/classify.h"

#include <stdlib.h>
#include <string.h>

/* One combination, in the standard's own letters. */
struct combo {
    char h;
    char s;
    const char *d;
    int b, r, a, u;
    int64_t t_s;
};
struct answer {
    int row;
    const char *cls, *band;
};

static const char harms[] = {'y', 'u', 'n'};
static const char potentials[] = {'h', 'l', 'i'};
static const char *const defences[] = {"none",   "in_progress", "unverified", "partial",
                                       "failed", "lapsed",      "verified"};
static const int64_t ages_s[] = {599, 600}; /* V = 10 min: just before, and at it */

static bool d_is(const struct combo *c, const char *d)
{
    return strcmp(c->d, d) == 0;
}

/* The text's rows 1 to 12; a row may match although an earlier one does: the caller takes the
 * first. */
static bool row_holds(int row, const struct combo *c)
{
    const bool pending_d = d_is(c, "in_progress") || d_is(c, "unverified");
    switch (row) {
    case 1:
        return c->h == 'y';
    case 2:
        return c->b && c->h == 'n';
    case 3:
        return c->s == 'i' && c->h == 'n';
    case 4:
        return c->r;
    case 5:
        return d_is(c, "lapsed");
    case 6:
        return d_is(c, "failed");
    case 7:
        return d_is(c, "partial");
    case 8:
        return d_is(c, "none");
    case 9:
        return pending_d && c->t_s < 600;
    case 10:
        return pending_d && c->t_s >= 600;
    case 11:
        return d_is(c, "verified") && (c->h == 'u' || c->u);
    case 12:
        return d_is(c, "verified") && c->h == 'n' && !c->u;
    default:
        return false;
    }
}

static struct answer oracle(const struct combo *c)
{
    static const struct answer fixed[13] = {
        [1] = {1, "severe", "red"},          [2] = {2, "no_response_needed", ""},
        [3] = {3, "no_response_needed", ""}, [4] = {4, "severe", "red"},
        [5] = {5, "severe", "red"},          [6] = {6, "severe", "red"},
        [7] = {7, "severe", "red"},          [9] = {9, "pending", ""},
        [11] = {11, "severe", "yellow"},     [12] = {12, "defended", ""},
    };
    int row = 1;
    while (row <= 12 && !row_holds(row, c))
        row++;
    if (row == 8 || row == 10) /* severe/red if S = high or A, else severe/yellow */
        return (struct answer){row, "severe", c->s == 'h' || c->a ? "red" : "yellow"};
    return fixed[row];
}

static struct mmr_facts_in facts(const struct combo *c)
{
    struct mmr_facts_in in = {
        .harm = c->h,
        .potential = c->s == 'h'   ? MMR_POTENTIAL_HIGH
                     : c->s == 'l' ? MMR_POTENTIAL_LOW
                                   : MMR_POTENTIAL_INFO,
        .is_benign = c->b,
        .is_recurring = c->r,
        .is_important = c->a,
        .has_user_action = c->u,
        .age_ns = c->t_s * 1000000000,
    };
    assert_true(mmr_defence_parse(c->d, strlen(c->d), &in.defence));
    return in;
}

static const char *class_word(enum mmr_class c)
{
    static const char *const words[] = {"pending", "no_response_needed", "defended", "severe"};
    return words[c];
}
static const char *band_word(enum mmr_band b)
{
    static const char *const words[] = {"", "yellow", "red"};
    return words[b];
}

static int each_combo(void (*fn)(const struct combo *c))
{
    int n = 0;
    for (int bits = 0; bits < 16; bits++)
        for (size_t h = 0; h < 3; h++)
            for (size_t s = 0; s < 3; s++)
                for (size_t d = 0; d < 7; d++)
                    for (size_t t = 0; t < 2; t++, n++) {
                        const struct combo c = {harms[h],      potentials[s], defences[d],
                                                bits & 1,      bits >> 1 & 1, bits >> 2 & 1,
                                                bits >> 3 & 1, ages_s[t]};
                        fn(&c);
                    }
    return n;
}

static void same_as_text(const struct combo *c)
{
    const struct mmr_facts_in in = facts(c);
    const struct mmr_verdict v = mmr_classify(&in);
    const struct answer want = oracle(c);
    if (v.row != want.row || strcmp(class_word(v.class_now), want.cls) != 0 ||
        strcmp(band_word(v.band), want.band) != 0)
        fail_msg("H %c S %c D %s B%d R%d A%d U%d t %lld: got row %d %s %s, want row %d %s %s", c->h,
                 c->s, c->d, c->b, c->r, c->a, c->u, (long long)c->t_s, v.row,
                 class_word(v.class_now), band_word(v.band), want.row, want.cls, want.band);
    assert_non_null(v.why);
    assert_true(strlen(v.why) > 10);
}

static void invariants(const struct combo *c)
{
    const struct mmr_facts_in in = facts(c);
    const struct mmr_verdict v = mmr_classify(&in);
    assert_in_range(v.row, 1, 12);
    if (v.class_now == MMR_CLASS_OF_DEFENDED)
        assert_true(d_is(c, "verified") && c->h == 'n' && !c->r && !c->u);
    if (v.class_now == MMR_CLASS_OF_NO_RESPONSE)
        assert_int_equal(c->h, 'n');
    assert_int_equal(v.band != MMR_BAND_NONE, v.class_now == MMR_CLASS_OF_SEVERE);
}

/* How bad: severe/red > severe/yellow > defended > no response. */
static int badness(const struct mmr_verdict *v)
{
    return v->class_now == MMR_CLASS_OF_SEVERE ? 10 + (int)v->band : (int)v->class_now;
}

static void worse_never_milder(const struct combo *c)
{
    struct combo worse[5] = {*c, *c, *c, *c, *c};
    worse[0].h = c->h == 'n' ? 'u' : 'y';
    worse[1].h = 'y';
    worse[2].a = 1;
    worse[3].r = 1;
    worse[4].u = 1;
    struct mmr_facts_in in = facts(c);
    const struct mmr_verdict v = mmr_classify(&in);
    for (size_t k = 0; k < 5; k++) {
        struct mmr_facts_in in2 = facts(&worse[k]);
        const struct mmr_verdict w = mmr_classify(&in2);
        if (v.class_now == MMR_CLASS_OF_PENDING || w.class_now == MMR_CLASS_OF_PENDING)
            continue; /* apart from pending, says the standard */
        if (badness(&w) < badness(&v))
            fail_msg("H %c S %c D %s B%d R%d A%d U%d: change %zu makes it milder", c->h, c->s, c->d,
                     c->b, c->r, c->a, c->u, k);
    }
}

static void every_combination_follows_the_text(void **state)
{
    (void)state;
    assert_int_equal(each_combo(same_as_text), 2016);
}
static void invariants_hold_everywhere(void **state)
{
    (void)state;
    assert_int_equal(each_combo(invariants), 2016);
}
static void worse_facts_never_give_a_milder_class(void **state)
{
    (void)state;
    assert_int_equal(each_combo(worse_never_milder), 2016);
}

static void the_vectors_of_the_standard(void **state)
{
    (void)state;
    static const struct {
        const char *line, *start;
    } rows[] = {
        {"{\"H\":\"no\",\"S\":\"high\",\"D\":\"verified\",\"age_s\":120}",
         "{\"class\":\"defended\",\"band\":null,\"row\":12,"},
        {"{\"H\":\"no\",\"S\":\"high\",\"D\":\"unverified\",\"age_s\":540}",
         "{\"class\":\"pending\",\"band\":null,\"row\":9,"},
        {"{\"H\":\"no\",\"S\":\"high\",\"D\":\"unverified\",\"age_s\":600}",
         "{\"class\":\"severe\",\"band\":\"red\",\"row\":10,"},
        {"{\"H\":\"no\",\"S\":\"low\",\"D\":\"none\",\"A\":false}",
         "{\"class\":\"severe\",\"band\":\"yellow\",\"row\":8,"},
        {"{\"H\":\"unknown\",\"S\":\"high\",\"D\":\"verified\"}",
         "{\"class\":\"severe\",\"band\":\"yellow\",\"row\":11,"},
        {"{\"H\":\"yes\",\"S\":\"info\",\"D\":\"verified\"}",
         "{\"class\":\"severe\",\"band\":\"red\",\"row\":1,"},
        {"{\"H\":\"no\",\"S\":\"info\",\"D\":\"none\"}",
         "{\"class\":\"no_response_needed\",\"band\":null,\"row\":3,"},
        {"{\"H\":\"no\",\"S\":\"high\",\"D\":\"partial\"}",
         "{\"class\":\"severe\",\"band\":\"red\",\"row\":7,"},
        {"{\"H\":\"no\",\"S\":\"high\",\"D\":\"lapsed\"}",
         "{\"class\":\"severe\",\"band\":\"red\",\"row\":5,"},
        {"{\"H\":\"no\",\"S\":\"low\",\"D\":\"verified\",\"R\":true}",
         "{\"class\":\"severe\",\"band\":\"red\",\"row\":4,"},
        {"{\"H\":\"no\",\"S\":\"high\",\"D\":\"none\",\"B\":true}",
         "{\"class\":\"no_response_needed\",\"band\":null,\"row\":2,"},
        {"{\"H\":\"unknown\",\"S\":\"high\",\"D\":\"none\",\"B\":true}",
         "{\"class\":\"severe\",\"band\":\"red\",\"row\":8,"},
        {"{\"H\":\"no\",\"S\":\"high\",\"D\":\"verified\",\"U\":true}",
         "{\"class\":\"severe\",\"band\":\"yellow\",\"row\":11,"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mmr_error err = {.struct_size = sizeof err};
        char *out = NULL;
        if (mmr_classify_json(rows[i].line, strlen(rows[i].line), &out, &err) != 0)
            fail_msg("vector %zu: %s", i + 1, err.text);
        if (strncmp(out, rows[i].start, strlen(rows[i].start)) != 0)
            fail_msg("vector %zu: got %s", i + 1, out);
        free(out);
    }
}

static void bad_lines_are_refused_by_field(void **state)
{
    (void)state;
    static const struct {
        const char *line, *names;
    } rows[] = {
        {"", "middle"},
        {"{", "middle"},
        {"[1]", "no object"},
        {"\"7\"", "no object"},
        {"{\"H\":\"no\"} x", "column"},
        {"{\"S\":\"high\",\"D\":\"none\"}", "field H"},
        {"{\"H\":\"maybe\",\"S\":\"high\",\"D\":\"none\"}", "field H"},
        {"{\"H\":\"no\",\"S\":3,\"D\":\"none\"}", "field S"},
        {"{\"H\":\"no\",\"S\":\"high\",\"D\":\"gone\"}", "field D"},
        {"{\"H\":\"no\",\"S\":\"high\",\"D\":\"none\",\"B\":2}", "field B"},
        {"{\"H\":\"no\",\"S\":\"high\",\"D\":\"none\",\"U\":\"no\"}", "field U"},
        {"{\"H\":\"no\",\"S\":\"high\",\"D\":\"none\",\"age_s\":-1}", "age_s"},
        {"{\"H\":\"no\",\"S\":\"high\",\"D\":\"none\",\"age_s\":1e300}", "age_s"},
        {"{\"H\":\"no\",\"S\":\"high\",\"D\":\"none\",\"Z\":1}", "'Z'"},
        {"{\"H\":\"no\",\"S\":\"high\",\"D\":{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":{\"f\":{\"g\":{}}}}"
         "}}}}}",
         "no JSON object"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mmr_error err = {.struct_size = sizeof err};
        char *out = NULL;
        int r = mmr_classify_json(rows[i].line, strlen(rows[i].line), &out, &err);
        if (r != MMR_EBADMSG || out || !strstr(err.text, rows[i].names))
            fail_msg("%s: got %d, '%s'; want it to name %s", rows[i].line, r, err.text,
                     rows[i].names);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_combination_follows_the_text),
        cmocka_unit_test(invariants_hold_everywhere),
        cmocka_unit_test(worse_facts_never_give_a_milder_class),
        cmocka_unit_test(the_vectors_of_the_standard),
        cmocka_unit_test(bad_lines_are_refused_by_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
