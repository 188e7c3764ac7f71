/* test_plugin_host_paths.c - of settings, what is a path: with words behind it, as a pattern, as a file that will be replaced. */
#include <mamori/action.h>
#include <mamori/event.h>
#include <plugin/host_paths.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static bool has(const struct mmr_host_paths *p, const char *path)
{
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->v[i], path) == 0)
            return true;
    return false;
}

static void paths_of(struct mmr_host_paths *p, const char *one, const char *const *list, size_t n)
{
    uint8_t buf[4096];
    struct mmr_event map;
    mmr_event_begin_map(&map, buf, sizeof buf);
    mmr_event_str(&map, "one", one);
    mmr_event_strv(&map, "list", list, n);
    assert_int_equal(mmr_event_end(&map), 0);
    *p = (struct mmr_host_paths){.n = 0};
    mmr_host_paths_add(p, map.buf, map.len);
}

static void what_is_written_as_a_path_is_one(void **state)
{
    (void)state;
    const char *const list[] = {"/var/log/app/*.log", "relative/path", "192.0.2.0/24", "/nowhere/list.txt;name=ours;days=3", "/"};
    struct mmr_host_paths p;
    paths_of(&p, "/etc/mamori/rules", list, 5);
    assert_true(has(&p, "/etc/mamori/rules"));
    assert_true(has(&p, "/var/log/app"));
    assert_true(has(&p, "/nowhere/list.txt"));
    assert_int_equal(p.n, 3);
    mmr_host_paths_done(&p);
}

/* A list is replaced by renaming a new file over it; a grant for the old file would not hold for the new one. */
static void a_file_stands_for_its_folder_unless_that_holds_everything(void **state)
{
    (void)state;
    char folder[] = "/tmp/mamori-paths-XXXXXX", file[64], top[] = "/tmp/mamori-path-XXXXXX";
    assert_non_null(mkdtemp(folder));
    (void)snprintf(file, sizeof file, "%s/list.txt", folder);
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    assert_int_equal(fclose(f), 0);
    int fd = mkstemp(top);
    assert_true(fd >= 0);
    (void)close(fd);
    const char *const list[] = {top, "/etc/passwd"};
    struct mmr_host_paths p;
    paths_of(&p, file, list, 2);
    assert_true(has(&p, file));
    assert_true(has(&p, folder));
    assert_true(has(&p, top));
    assert_true(has(&p, "/etc/passwd"));
    assert_false(has(&p, "/tmp"));
    assert_false(has(&p, "/etc"));
    mmr_host_paths_done(&p);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(unlink(top), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_as_a_path_is_one),
        cmocka_unit_test(a_file_stands_for_its_folder_unless_that_holds_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
