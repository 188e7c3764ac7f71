/* test_data.c - every recorded endpoint log of the shared data goes through the sensor: no crash, no record lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <mamori/event.h>
#include <mamori/plugin.h>

#include "testhost.h"

extern const struct mmr_plugin mmr_plugin_log;

struct totals {
    int files;
    int64_t records, known;
};

static bool ends(const char *s, const char *tail)
{
    size_t n = strlen(s), t = strlen(tail);
    return n >= t && strcmp(s + n - t, tail) == 0;
}

/* Lines that are records: not empty, no comment. For audit logs (by_serial) how many serials there are. */
static int64_t count_records(const char *path, bool by_serial)
{
    char cmd[1024], out[64];
    snprintf(cmd, sizeof cmd,
             by_serial ? "grep -o 'audit([0-9.]*:[0-9]*)' '%s' | sort -u | wc -l"
                       : "zcat -f '%s' | grep -c '[^[:space:]]'", path);
    FILE *p = popen(cmd, "r");
    assert_non_null(p);
    char *got = fgets(out, sizeof out, p);
    pclose(p);
    return got ? strtoll(out, NULL, 10) : -1;
}

static void one_file(const char *path, bool by_serial, struct totals *t)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_testhost *th = mmr_testhost_new();
    int i = mmr_testhost_add(th, &mmr_plugin_log, NULL, &err);
    assert_int_equal(i, 0);
    int64_t n = mmr_testhost_replay(th, i, path, NULL, &err);
    if (n < 0)
        fail_msg("%s: %s", path, err.text);
    int64_t want = count_records(path, by_serial);
    /* a collection of samples, no stream: records of one serial stand years of other records apart */
    bool is_samples = strstr(path, "/audit-rhel7.log") != NULL;
    if (is_samples ? n < want : n != want)
        fail_msg("%s: %lld records, expected %lld", path, (long long)n, (long long)want);
    const char *why = NULL;
    if (mmr_testhost_refusals(th, &why) != 0)
        fail_msg("%s: the host refused: %s", path, why);
    int64_t other = mmr_testhost_count(th, "log.record");
    t->files++;
    t->records += n;
    t->known += n - other;
    if (getenv("MMR_TEST_VERBOSE"))
        printf("%s: %lld records, %lld of a known kind\n", path, (long long)n, (long long)(n - other));
    mmr_testhost_free(th);
}

static void walk(const char *dir, struct totals *t)
{
    struct dirent **list;
    int n = scandir(dir, &list, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char path[2048];
        struct stat st;
        const char *name = list[i]->d_name;
        snprintf(path, sizeof path, "%s/%s", dir, name);
        if (name[0] == '.' || stat(path, &st) != 0) {
            free(list[i]);
            continue;
        }
        bool is_host_log = strncmp(name, "host", 4) == 0 || strstr(dir, "/windows");
        if (S_ISDIR(st.st_mode))
            walk(path, t);
        else if (is_host_log && (ends(name, ".jsonl") || ends(name, ".jsonl.gz") || ends(name, ".syslog")))
            one_file(path, false, t);
        else if (strstr(dir, "/auditd") && ends(name, ".log"))
            one_file(path, true, t);
        free(list[i]);
    }
    if (n >= 0)
        free(list);
}

static void every_record_of_the_shared_data_becomes_an_event(void **state)
{
    struct totals t = {0};
    (void)state;
    walk(MMR_SHARED_DIR "/data/endpoint", &t);
    walk(MMR_SHARED_DIR "/data/pairs", &t);
    if (!t.files)
        skip();
    printf("%d files, %lld records, %.1f %% of a kind other than log.record\n", t.files, (long long)t.records,
           100.0 * (double)t.known / (double)t.records);
    assert_true(t.known * 2 > t.records); /* the rest are handle, privilege and pipeline records */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_record_of_the_shared_data_becomes_an_event)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
