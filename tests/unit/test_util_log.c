/* test_util_log.c - a value from outside cannot forge a line of our log, nor move the cursor of who reads it. */
#include "util/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <mamori/plugin.h>
#include <string.h>
#include <unistd.h>

/* What one call writes. */
static size_t logged(const char *value, char *buf, size_t cap)
{
    int p[2], old = dup(STDERR_FILENO);
    assert_int_equal(pipe(p), 0);
    assert_true(dup2(p[1], STDERR_FILENO) >= 0);
    mmr_log(MMR_LOG_ERR, "test.value", "text=\"%s\"", value);
    assert_true(dup2(old, STDERR_FILENO) >= 0);
    (void)close(old);
    (void)close(p[1]);
    ssize_t n = read(p[0], buf, cap - 1);
    (void)close(p[0]);
    assert_true(n > 0);
    buf[n] = '\0';
    return (size_t)n;
}

static void a_value_stays_in_its_line(void **state)
{
    (void)state;
    char buf[2048];
    size_t n = logged("a\n2026-01-01T00:00:00.000Z info all.well\r\x1b[2J\x7f\t\xc2\x9b" "31m", buf, sizeof buf);
    assert_ptr_equal(strchr(buf, '\n'), buf + n - 1);
    for (size_t i = 0; i + 1 < n; i++)
        assert_true((unsigned char)buf[i] >= 0x20 && buf[i] != 0x7f);
    assert_null(strstr(buf, "\xc2\x9b"));
    assert_non_null(strstr(buf, "a?2026-01-01"));
}

static void words_of_people_are_kept(void **state)
{
    (void)state;
    char buf[2048];
    (void)logged("経理のパソコン é £ ©", buf, sizeof buf); /* é, £ and © begin with c2 or c3 too */
    assert_non_null(strstr(buf, "経理のパソコン é £ ©"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_value_stays_in_its_line), cmocka_unit_test(words_of_people_are_kept)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
