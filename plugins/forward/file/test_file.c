/* test_file.c - lines land once, whole and synced, whatever broke off before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "testhost.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern const struct mmr_plugin mmr_plugin_file;

static void read_all(const char *path, char *buf, size_t cap)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(buf, 1, cap - 1, f);
    buf[n] = '\0';
    (void)fclose(f);
}

static struct mmr_testhost *start(const char *path, const char *rotate)
{
    struct mmr_testhost *th = mmr_testhost_new();
    struct mmr_error err = {.struct_size = sizeof err};
    const char *const cfg[] = {"path", path, "rotate_bytes", rotate, NULL};
    if (mmr_testhost_add(th, &mmr_plugin_file, cfg, &err) != 0)
        fail_msg("%s", err.text);
    return th;
}

static void a_line_is_delivered_after_the_sync(void **state)
{
    (void)state;
    char path[] = "/tmp/mamori-file-XXXXXX", text[4096];
    struct mmr_error err = {.struct_size = sizeof err};
    (void)close(mkstemp(path));
    struct mmr_testhost *th = start(path, "1M");
    assert_int_equal(mmr_testhost_forward(th, 0, "{\"a\":1}", 7, &err), 0);
    assert_int_equal(mmr_testhost_deliveries(th), 0);
    mmr_testhost_advance(th, 10 * MMR_TH_MS);
    assert_int_equal(mmr_testhost_deliveries(th), 1);
    assert_int_equal(mmr_testhost_delivery(th, 0)->seq, 7);
    assert_int_equal(mmr_testhost_delivery(th, 0)->level, MMR_DELIVERY_GATEWAY);
    read_all(path, text, sizeof text);
    assert_string_equal(text, "{\"a\":1}\n");
    mmr_testhost_free(th);
    (void)unlink(path);
}

static void a_record_given_again_after_a_restart_is_written_once(void **state)
{
    (void)state;
    char path[] = "/tmp/mamori-file-XXXXXX", text[4096];
    struct mmr_error err = {.struct_size = sizeof err};
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "{\"a\":1}\n{\"b\":2", 14), 14); /* a power cut broke the second line off */
    (void)close(fd);
    struct mmr_testhost *th = start(path, "1M");
    assert_int_equal(mmr_testhost_forward(th, 0, "{\"a\":1}", 1, &err), 0);
    assert_int_equal(mmr_testhost_forward(th, 0, "{\"b\":2}", 2, &err), 0);
    mmr_testhost_advance(th, 10 * MMR_TH_MS);
    assert_int_equal(mmr_testhost_deliveries(th), 2);
    read_all(path, text, sizeof text);
    assert_string_equal(text, "{\"a\":1}\n{\"b\":2}\n");
    mmr_testhost_free(th);
    (void)unlink(path);
}

static void a_full_file_moves_aside(void **state)
{
    (void)state;
    char path[] = "/tmp/mamori-file-XXXXXX", one[64], text[8192], line[3000];
    struct mmr_error err = {.struct_size = sizeof err};
    (void)close(mkstemp(path));
    (void)snprintf(one, sizeof one, "%s.1", path);
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\0';
    struct mmr_testhost *th = start(path, "4K");
    assert_int_equal(mmr_testhost_forward(th, 0, line, 1, &err), 0);
    line[0] = 'y';
    assert_int_equal(mmr_testhost_forward(th, 0, line, 2, &err), 0);
    mmr_testhost_advance(th, 10 * MMR_TH_MS);
    read_all(one, text, sizeof text);
    assert_int_equal(text[0], 'x');
    read_all(path, text, sizeof text);
    assert_int_equal(text[0], 'y');
    assert_int_equal(strlen(text), sizeof line);
    mmr_testhost_free(th);
    (void)unlink(path);
    (void)unlink(one);
}

static void a_path_that_cannot_be_is_refused_by_name(void **state)
{
    (void)state;
    struct mmr_testhost *th = mmr_testhost_new();
    struct mmr_error err = {.struct_size = sizeof err};
    const char *const cfg[] = {"path", "/nonexistent/x.jsonl", NULL};
    assert_int_equal(mmr_testhost_add(th, &mmr_plugin_file, cfg, &err), MMR_EIO);
    assert_non_null(strstr(err.text, "/nonexistent/x.jsonl"));
    mmr_testhost_free(th);
}

static void a_line_with_an_end_inside_is_refused(void **state)
{
    (void)state;
    char path[] = "/tmp/mamori-file-XXXXXX";
    struct mmr_error err = {.struct_size = sizeof err};
    (void)close(mkstemp(path));
    struct mmr_testhost *th = start(path, "1M");
    assert_int_equal(mmr_testhost_forward(th, 0, "{}\n{}", 1, &err), MMR_EINVAL);
    mmr_testhost_free(th);
    (void)unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_delivered_after_the_sync),
        cmocka_unit_test(a_record_given_again_after_a_restart_is_written_once),
        cmocka_unit_test(a_full_file_moves_aside),
        cmocka_unit_test(a_path_that_cannot_be_is_refused_by_name),
        cmocka_unit_test(a_line_with_an_end_inside_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
