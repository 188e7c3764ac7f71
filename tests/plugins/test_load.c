/* Where a plugin file may lie, how it is found, and that what was sealed is what runs. */
#include "plugin/load.h"

#include "plugin/describe.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct place {
    char dir[64], file[96];
};

static void copy_file(const char *from, const char *to)
{
    char buf[65536];
    size_t n;
    FILE *a = fopen(from, "rb"), *b = fopen(to, "wb");
    assert_non_null(a);
    assert_non_null(b);
    while ((n = fread(buf, 1, sizeof buf, a)) > 0)
        assert_int_equal(fwrite(buf, 1, n, b), n);
    assert_int_equal(fclose(a), 0);
    assert_int_equal(fclose(b), 0);
}

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    assert_non_null(p);
    (void)snprintf(p->dir, sizeof p->dir, "/tmp/mmr-load-XXXXXX");
    assert_non_null(mkdtemp(p->dir)); /* 0700 below the sticky /tmp: a safe place */
    (void)snprintf(p->file, sizeof p->file, "%s/sensor.so", p->dir);
    copy_file(MMR_FAULT_DIR "/sensor.so", p->file);
    assert_int_equal(chmod(p->file, 0644), 0);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    static const char *const names[] = {"sensor.so", "link.so", "other.so", "text.so", "pipe.so"};
    (void)chmod(p->dir, 0700);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s/%s", p->dir, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(p->dir);
    free(p);
    return 0;
}

static int seal(const char *path, struct mmr_error *err)
{
    int fd = -1;
    int r = mmr_plugin_seal(path, &fd, err);
    if (fd >= 0)
        (void)close(fd);
    return r;
}

static void unsafe_places_are_refused_with_the_remedy(void **state)
{
    struct place *p = *state;
    struct mmr_error err = {.struct_size = sizeof err};
    char path[128];

    assert_int_equal(seal(p->file, &err), 0);
    assert_int_equal(chmod(p->file, 0664), 0);
    assert_int_equal(seal(p->file, &err), MMR_EPERM);
    assert_non_null(strstr(err.text, "chmod go-w"));
    assert_int_equal(chmod(p->file, 0644), 0);

    assert_int_equal(chmod(p->dir, 0777), 0);
    assert_int_equal(seal(p->file, &err), MMR_EPERM);
    assert_non_null(strstr(err.text, "folder"));
    assert_int_equal(chmod(p->dir, 01777), 0); /* sticky is enough above, not for the file's own folder */
    assert_int_equal(seal(p->file, &err), MMR_EPERM);
    assert_int_equal(chmod(p->dir, 0700), 0);

    (void)snprintf(path, sizeof path, "%s/link.so", p->dir);
    assert_int_equal(symlink(p->file, path), 0);
    assert_int_equal(seal(path, &err), MMR_EPERM);
    (void)snprintf(path, sizeof path, "%s/pipe.so", p->dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(seal(path, &err), MMR_EPERM); /* and it did not wait for a writer */
    assert_int_equal(seal(p->dir, &err), MMR_EPERM);
    (void)snprintf(path, sizeof path, "%s/none.so", p->dir);
    assert_int_equal(seal(path, &err), MMR_ENOENT);
    assert_non_null(strstr(err.text, "none.so"));

    if (geteuid() == 0) {
        assert_int_equal(chown(p->file, 12345, 12345), 0);
        assert_int_equal(seal(p->file, &err), MMR_EPERM);
        assert_non_null(strstr(err.text, "12345"));
    }
}

static void what_was_sealed_is_what_runs(void **state)
{
    struct place *p = *state;
    struct mmr_error err = {.struct_size = sizeof err};
    const struct mmr_plugin *plugin = NULL;
    int fd = -1;
    assert_int_equal(mmr_plugin_seal(p->file, &fd, &err), 0);
    assert_true(write(fd, "x", 1) < 0);
    assert_true(ftruncate(fd, 0) < 0);
    assert_int_equal(truncate(p->file, 0), 0); /* the file changes after the check: too late */
    int r = mmr_plugin_load(fd, "sensor", &plugin, &err);
    if (r)
        fail_msg("%s", err.text);
    assert_string_equal(plugin->id, "test.sensor");
    assert_int_equal(mmr_plugin_check(plugin, NULL, NULL, &err), 0);
    (void)close(fd);
}

static void what_is_no_plugin_is_said(void **state)
{
    struct place *p = *state;
    struct mmr_error err = {.struct_size = sizeof err};
    const struct mmr_plugin *plugin = NULL;
    char path[128];
    int fd = -1;
    (void)snprintf(path, sizeof path, "%s/text.so", p->dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs("not an ELF file", f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(mmr_plugin_seal(path, &fd, &err), 0);
    assert_int_equal(mmr_plugin_load(fd, "text", &plugin, &err), MMR_EBADMSG);
    assert_null(plugin);
    (void)close(fd);
}

static void a_file_is_found_by_its_id_without_running_it(void **state)
{
    struct place *p = *state;
    struct mmr_error err = {.struct_size = sizeof err};
    char path[128], *found = NULL;
    assert_int_equal(mmr_plugin_locate(p->dir, "test.sensor", &found, &err), 0);
    assert_string_equal(found, p->file);
    free(found);
    (void)snprintf(path, sizeof path, "%s/other.so", p->dir);
    assert_int_equal(rename(p->file, path), 0); /* another name: found by what it holds */
    assert_int_equal(mmr_plugin_locate(p->dir, "test.sensor", &found, &err), 0);
    assert_string_equal(found, path);
    free(found);
    assert_int_equal(mmr_plugin_locate(p->dir, "test.senso", &found, &err), MMR_ENOENT);
    assert_int_equal(mmr_plugin_locate(p->dir, "est.sensor", &found, &err), MMR_ENOENT);
    assert_int_equal(mmr_plugin_locate(p->dir, "../../etc/passwd", &found, &err), MMR_EINVAL);
    assert_int_equal(mmr_plugin_locate("/nonexistent", "test.sensor", &found, &err), MMR_ENOENT);
    static const char bytes[] = "\xfftest.odd\0xtest.longer"; /* behind a constant that does not end in NUL; and the end of a longer id */
    char odd[128];
    (void)snprintf(odd, sizeof odd, "%s/strange.so", p->dir);
    FILE *f = fopen(odd, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, sizeof bytes, f), sizeof bytes);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(mmr_plugin_locate(p->dir, "test.odd", &found, &err), 0);
    assert_string_equal(found, odd);
    free(found);
    assert_int_equal(mmr_plugin_locate(p->dir, "test.longer", &found, &err), MMR_ENOENT);
    assert_int_equal(unlink(odd), 0);
}

static void built_ins_come_first_and_ids_must_agree(void **state)
{
    struct place *p = *state;
    struct mmr_error err = {.struct_size = sizeof err};
    const struct mmr_plugin *from_file = NULL, *got = NULL;
    assert_int_equal(mmr_plugin_get(NULL, p->dir, "test.sensor", NULL, &from_file, &err), 0);
    struct mmr_plugin copy = *from_file;
    const struct mmr_plugin *const table[] = {&copy, NULL};
    assert_int_equal(mmr_plugin_get(table, p->dir, "test.sensor", NULL, &got, &err), 0);
    assert_ptr_equal(got, &copy);
    assert_int_equal(mmr_plugin_get(table, p->dir, "test.other", p->file, &got, &err), MMR_EBADMSG);
    assert_non_null(strstr(err.text, "expected test.other"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(unsafe_places_are_refused_with_the_remedy, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_sealed_is_what_runs, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_plugin_is_said, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_is_found_by_its_id_without_running_it, setup, teardown),
        cmocka_unit_test_setup_teardown(built_ins_come_first_and_ids_must_agree, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
