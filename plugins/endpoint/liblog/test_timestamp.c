/* test_timestamp.c - stamps in the forms that logs write them, and what is none. */
#include "timestamp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void stamps_mean_one_moment(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t s, ns; /* seconds since 1970 */
        bool has_year, has_zone;
        size_t len;
    } rows[] = {
        {"2022-05-11T18:10:20.4Z x", 1652292620, 400000000, true, true, 22},
        {"May 11 18:10:20 2022 x", 1652292620, 0, true, false, 20},
        {"Wed May 11 18:10:20.500 2022 x", 1652292620, 500000000, true, false, 28},
        {"May 11 2022 18:10:20 host x", 1652292620, 0, true, false, 20}, /* the year in the middle */
        {"May 11 18:10:20 host x", 74455820, 0, false, false, 15}, /* of 1972 */
        {"11/May/2022:20:10:20 +0200 x", 1652292620, 0, true, true, 26},
        {"@400000004c91b044077a9e94 x", 1284616250, 125476500, true, true, 25}, /* TAI64N: 0x4c91b044 less ten */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mmr_stamp st = {0};
        bool is = mmr_stamp_read(rows[i].text, strlen(rows[i].text), &st);
        int64_t want = rows[i].s * 1000000000 + rows[i].ns;
        if (!is || st.ns != want || st.has_year != rows[i].has_year || st.has_zone != rows[i].has_zone || st.len != rows[i].len)
            fail_msg("%s: %d, %lld ns (want %lld), year %d, zone %d, length %zu", rows[i].text, is, (long long)st.ns, (long long)want,
                     st.has_year, st.has_zone, st.len);
    }
}

static void what_is_no_stamp_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "", "May 32 18:10:20 x", "Mai 11 18:10:20 x", "2022-13-11T18:10:20Z", "11/May/2022", "May 11 2022 host x y z",
        "@400000004c91b044077a9e9 cut", "@400000004c91b04407zz9e94 x", "@3fffffff4c91b044077a9e94 x", /* before 1970 */
        "@400000004c91b044ffffffff x", /* more nanoseconds than a second has */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mmr_stamp st;
        if (mmr_stamp_read(rows[i], strlen(rows[i]), &st))
            fail_msg("%s was taken for a stamp", rows[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stamps_mean_one_moment),
        cmocka_unit_test(what_is_no_stamp_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
