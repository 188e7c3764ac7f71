/* test_rules_must.c - literals that a regular expression cannot match without: which, when none, and that no match is ever missed for them. */
#include <rules/must.h>
#include <rules/regex.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* "a|b": the literals in their order */
static void text_of(const char *re, bool is_nocase, char *ret, size_t cap)
{
    struct must m;
    size_t at = 0;
    mmr_must_of(re, strlen(re), is_nocase, &m);
    ret[0] = '\0';
    for (uint32_t i = 0; i < m.n; i++)
        at += (size_t)snprintf(ret + at, cap - at, "%s%.*s", i ? "|" : "", (int)m.v[i].len, (const char *)m.v[i].p);
}

static void literals_are_what_every_match_holds(void **state)
{
    (void)state;
    static const struct {
        const char *re, *want;
        bool is_nocase;
    } rows[] = {
        {"powershell(?:\\.exe)?\\s[^\\r\\n]{0,120}-e", "powershell", false},
        {"PowerShell", "powershell", true},
        {"(?:wget|curl|tftp)\\s", "wget|curl|tftp", false},
        {"^(?:wget|curl|nc)\\s", "", false},           /* "nc" is too short, so one way has no literal */
        {"abcd?efgh", "efgh", false},                  /* the d may be missing */
        {"abc+defg", "defg", false},
        {"(abc)*long", "long", false},
        {"(?:abcdef)?x", "", false},
        {"(?:abcdef){0,3}xyz", "xyz", false},
        {"(?:abcdef){2}xyz", "abcdef", false},
        {"foo\\x2fbar\\.php", "foo/bar.php", false},
        {"(?!never)always", "always", false},
        {"(?<!never)(?=seen)ok\\d", "", false},
        {"one|three", "one|three", false},
        {"one|.", "", false},
        {"(?i)abc", "", false},                        /* options inside: not read */
        {"abc\\Qdef\\E", "", false},
        {"a{,3}bcd", "", false},
        {"x{y}zzz", "x{y}zzz", false},
        {"[abc]defg[]h]ij", "defg", false},
        {"[[:alpha:]]defg", "defg", false},
        {"(?P<name>seven)\\1", "seven", false},
        {"(?>atom)(?#c)", "", false},
        {"\\bword\\b", "word", false},
        {"\\$\\{jndi:", "${jndi:", false},
        {"(((((((((((((deep)))))))))))))", "", false},
        {"", "", false},
    };
    char text[1024];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        text_of(rows[i].re, rows[i].is_nocase, text, sizeof text);
        if (strcmp(text, rows[i].want) != 0)
            print_error("expression %s\n", rows[i].re);
        assert_string_equal(text, rows[i].want);
    }
}

/* The next of a fixed row of numbers. */
static uint32_t next(uint32_t *x)
{
    *x = *x * 1664525u + 1013904223u;
    return *x >> 16;
}

static bool holds(const struct must *m, bool is_nocase, const char *subject, size_t len)
{
    for (uint32_t i = 0; i < m->n; i++)
        for (size_t at = 0; at + m->v[i].len <= len; at++)
            if (is_nocase ? strncasecmp(subject + at, (const char *)m->v[i].p, m->v[i].len) == 0 : memcmp(subject + at, m->v[i].p, m->v[i].len) == 0)
                return true;
    return m->n == 0;
}

/* Expressions put together from pieces at random, subjects from the same letters: whatever matches holds one of the literals. */
static void no_match_is_without_one(void **state)
{
    (void)state;
    static const char *const pieces[] = {"abc", "bca", "a", "b", "c", "[ab]", "[^a]", ".", "(?:", "(", ")", "|", "?", "*", "+", "{2}", "{0,2}",
                                         "\\x61", "\\d", "\\w", "(?=", "(?!", "^", "$", "{1,}", "\\b", "??", "[]a]", "abcabc", "cab", "(?<n>", "\\."};
    struct regex_scratch *scratch = mmr_regex_scratch_new();
    uint32_t x = 7, compiled = 0, matched = 0, with = 0;
    assert_non_null(scratch);
    for (unsigned k = 0; k < 60000; k++) {
        char re[128] = "";
        struct regex *r = NULL;
        struct mmr_error err = {.struct_size = sizeof err};
        for (unsigned i = 2 + next(&x) % 9; i > 0; i--)
            (void)strncat(re, pieces[next(&x) % (sizeof pieces / sizeof pieces[0])], sizeof re - strlen(re) - 1);
        bool is_nocase = next(&x) & 1;
        if (mmr_regex_new(re, strlen(re), is_nocase ? RE_NOCASE : 0, &r, &err) < 0)
            continue;
        compiled++;
        struct must m;
        mmr_must_of(re, strlen(re), is_nocase, &m);
        with += m.n > 0;
        for (unsigned i = 0; i < 12; i++) {
            char subject[24];
            size_t len = next(&x) % sizeof subject, end;
            for (size_t c = 0; c < len; c++)
                subject[c] = "abcABC1."[next(&x) % 8 < 6 ? next(&x) % 3 : next(&x) % 8];
            if (mmr_regex_match(r, scratch, (const uint8_t *)subject, len, &end) != RE_MATCH)
                continue;
            matched++;
            if (!holds(&m, is_nocase, subject, len)) {
                print_error("expression %s matches '%.*s' without a literal of it\n", re, (int)len, subject);
                fail();
            }
        }
        mmr_regex_free(r);
    }
    mmr_regex_scratch_free(scratch);
    assert_true(compiled > 5000 && matched > 5000 && with > 1000); /* the test tests something */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(literals_are_what_every_match_holds),
        cmocka_unit_test(no_match_is_without_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
