/* test_bus_spool.c - the spool on disk: what is committed is there, numbers stand for one record, what goes is counted. */
#include "bus/spool_disk.h"

#include "util/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct mmr_spool_ops *const o = &mmr_spool_disk_ops;
struct got {
    uint64_t first, last, n, number;
    char text[32];
    uint64_t stop_after;
};

static bool take(void *arg, const struct mmr_spool_item *it)
{
    struct got *g = arg;
    if (!g->n++)
        g->first = it->seq;
    else
        assert_int_equal(it->seq, g->last + 1);
    g->last = it->seq;
    g->number = it->number;
    assert_string_equal(it->instance, "proc");
    (void)snprintf(g->text, sizeof g->text, "%.*s", (int)(it->len < 31 ? it->len : 31), (const char *)it->bytes);
    return g->n != g->stop_after;
}

static void make_dir(char dir[64])
{
    (void)snprintf(dir, 64, "/tmp/mmr-spool-XXXXXX");
    assert_non_null(mkdtemp(dir));
}

static void remove_dir(const char *dir)
{
    static const char *const names[] = {"spool.db", "spool.db-wal", "spool.db-shm", "spool.db.damaged"};
    for (size_t i = 0; i < 4; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(dir), 0);
}

static struct mmr_spool_disk *open_spool(const char *dir, size_t max)
{
    struct mmr_spool_disk *s = NULL;
    struct mmr_error err = {.struct_size = sizeof err};
    if (mmr_spool_disk_open(dir, max, &s, NULL, &err) != 0)
        fail_msg("%s", err.text);
    return s;
}

static void put(struct mmr_spool_disk *s, uint32_t lane, unsigned n, size_t len)
{
    static unsigned number;
    static char bytes[100 * 1024];
    uint64_t seq;
    for (unsigned i = 0; i < n; i++) {
        (void)snprintf(bytes, sizeof bytes, "record %u", ++number);
        assert_int_equal(o->append(s, lane, 1, "proc", number, bytes, len, &seq), 0);
    }
}

static struct got read_all(struct mmr_spool_disk *s, uint32_t lane, uint64_t from)
{
    struct got g = {0};
    o->read_from(s, lane, from, take, &g);
    return g;
}

static void only_what_is_committed_is_sent_and_survives(void **state)
{
    (void)state;
    char dir[64];
    uint8_t epoch[2][16], host[16] = "a host's start.";
    uint64_t first, last;
    make_dir(dir);
    struct mmr_spool_disk *s = open_spool(dir, 64 << 20);
    o->epoch(s, epoch[0]);
    assert_int_equal(mmr_spool_disk_deadline_ns(s), INT64_MAX);
    put(s, 1, 700, 100);
    put(s, 3, 10, 100);
    o->range(s, 1, &first, &last);
    assert_int_equal(last, 0); /* not yet */
    assert_int_equal(read_all(s, 1, 1).n, 0);
    assert_true(mmr_spool_disk_is_due(s, mmr_clock_mono_ns())); /* more than 256 wait */
    assert_int_equal(mmr_spool_disk_mark(s, host, 1, 700), 0);
    assert_int_equal(mmr_spool_disk_marked(s, host, 1), 0);
    assert_int_equal(mmr_spool_disk_commit(s, NULL), 0);
    assert_int_equal(mmr_spool_disk_marked(s, host, 1), 700);
    o->range(s, 1, &first, &last);
    assert_true(first == 1 && last == 700);
    struct got g = read_all(s, 1, 300);
    assert_true(g.first == 300 && g.last == 700 && g.number == 700);
    assert_string_equal(g.text, "record 700");
    o->trim(s, 1, 650);
    put(s, 1, 5, 100); /* these are lost with the process */
    mmr_spool_disk_close(s);

    s = open_spool(dir, 64 << 20);
    o->epoch(s, epoch[1]);
    assert_memory_equal(epoch[0], epoch[1], 16);
    assert_int_equal(mmr_spool_disk_marked(s, host, 1), 700);
    o->range(s, 1, &first, &last);
    assert_true(first <= 651 && last == 700); /* from disk, and no number for what was not committed */
    g = read_all(s, 1, 651);
    assert_true(g.first == 651 && g.last == 700);
    assert_string_equal(g.text, "record 700");
    g = read_all(s, 3, 1);
    assert_true(g.first == 1 && g.last == 10);
    uint64_t seq;
    assert_int_equal(o->append(s, 1, 1, "proc", 9, "next", 4, &seq), 0);
    assert_int_equal(seq, 701);
    assert_int_equal(mmr_spool_disk_commit(s, NULL), 0);
    for (uint32_t lane = 0; lane < MMR_LANES; lane++)
        o->trim(s, lane, 1000000);
    assert_int_equal(mmr_spool_disk_commit(s, NULL), 0);
    mmr_spool_disk_close(s);

    s = open_spool(dir, 64 << 20); /* empty, and the numbers go on */
    o->range(s, 1, &first, &last);
    assert_true(first == 702 && last == 701);
    mmr_spool_disk_close(s);
    remove_dir(dir);
}

static void a_full_spool_keeps_what_matters_and_counts_the_rest(void **state)
{
    (void)state;
    char dir[64], text[1000] = "";
    uint64_t seq, first, last, n = 0;
    make_dir(dir);
    struct mmr_spool_disk *s = open_spool(dir, 200 * 1024);
    for (unsigned i = 0; i < 400; i++) {
        assert_int_equal(o->append(s, 3, 1, "proc", i, text, sizeof text, &seq), 0);
        if (i % 10 == 0)
            assert_int_equal(mmr_spool_disk_commit(s, NULL), 0);
    }
    assert_int_equal(seq, 400);
    uint64_t dropped = mmr_spool_disk_dropped(s, 3);
    assert_true(dropped > 200 && dropped < 300);
    o->range(s, 3, &first, &last);
    assert_int_equal(first, dropped + 1); /* the oldest went, and each was counted */
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(o->append(s, 2, 1, "proc", i, text, sizeof text, &seq), 0);
    while (o->append(s, 1, 1, "proc", n, text, sizeof text, &seq) == 0)
        n++;
    assert_int_equal(seq, n);
    assert_true(n > 150);
    assert_int_equal(mmr_spool_disk_dropped(s, 3), 400); /* telemetry first, all of it */
    assert_int_equal(mmr_spool_disk_dropped(s, 2), 20);  /* then the other findings */
    assert_int_equal(mmr_spool_disk_dropped(s, 1), 0);
    assert_int_equal(o->append(s, 3, 1, "proc", 1, text, sizeof text, &seq), MMR_EAGAIN); /* never for telemetry */
    assert_int_equal(mmr_spool_disk_dropped(s, 3), 401);
    assert_int_equal(mmr_spool_disk_commit(s, NULL), 0);
    mmr_spool_disk_close(s);

    s = open_spool(dir, 200 * 1024);
    assert_int_equal(mmr_spool_disk_untold(s, 3, true), 401); /* known after a restart, told once */
    assert_int_equal(read_all(s, 1, 1).n, n);
    o->trim(s, 1, n);
    put(s, 3, 1, 100);
    assert_int_equal(mmr_spool_disk_commit(s, NULL), 0);
    mmr_spool_disk_close(s);
    s = open_spool(dir, 200 * 1024);
    assert_int_equal(mmr_spool_disk_untold(s, 3, false), 0);
    mmr_spool_disk_close(s);
    remove_dir(dir);
}

static void large_records_and_renewal(void **state)
{
    (void)state;
    char dir[64];
    uint8_t before[16], after[16];
    uint64_t first, last;
    make_dir(dir);
    struct mmr_spool_disk *s = open_spool(dir, 64 << 20);
    o->epoch(s, before);
    for (unsigned i = 0; i < 5; i++) {
        put(s, 0, 3, 90 * 1024);
        put(s, 0, 3, 10);
        assert_int_equal(mmr_spool_disk_commit(s, NULL), 0);
    }
    o->trim(s, 0, 12);
    assert_int_equal(mmr_spool_disk_renew(s, NULL), 0);
    o->epoch(s, after);
    assert_memory_not_equal(before, after, 16);
    o->range(s, 0, &first, &last);
    assert_true(first == 1 && last == 18);
    char text[32];
    (void)snprintf(text, sizeof text, "%s", read_all(s, 0, 1).text);
    mmr_spool_disk_close(s);
    s = open_spool(dir, 64 << 20);
    o->epoch(s, before);
    assert_memory_equal(before, after, 16);
    struct got g = read_all(s, 0, 1);
    assert_true(g.n == 18 && g.last == 18);
    assert_string_equal(g.text, text);
    mmr_spool_disk_close(s);
    remove_dir(dir);
}

static void a_damaged_one_is_put_aside(void **state)
{
    (void)state;
    char dir[64], path[128];
    bool is_damaged;
    struct mmr_spool_disk *s;
    make_dir(dir);
    s = open_spool(dir, 64 << 20);
    put(s, 1, 10, 100);
    assert_int_equal(mmr_spool_disk_commit(s, NULL), 0);
    mmr_spool_disk_close(s);
    (void)snprintf(path, sizeof path, "%s/spool.db", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs("this is no database, and long enough to be looked at as one .....................................................", f) > 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(mmr_spool_disk_open(dir, 64 << 20, &s, &is_damaged, NULL), 0);
    assert_true(is_damaged);
    put(s, 1, 1, 100);
    assert_int_equal(mmr_spool_disk_commit(s, NULL), 0);
    mmr_spool_disk_close(s);
    (void)snprintf(path, sizeof path, "%s/spool.db.damaged", dir);
    assert_int_equal(access(path, F_OK), 0);
    remove_dir(dir);
}

/* A disk of 1 MiB, full: nothing is lost, nothing is said to be committed, and it goes on when there is room. */
static void a_full_disk_loses_nothing(void **state)
{
    (void)state;
    char dir[64], filler[128];
    uint64_t first, last;
    struct mmr_error err = {.struct_size = sizeof err};
    make_dir(dir);
    if (mount("none", dir, "tmpfs", 0, "size=1m") != 0) {
        assert_int_equal(rmdir(dir), 0);
        skip();
    }
    struct mmr_spool_disk *s = open_spool(dir, 64 << 20);
    put(s, 1, 100, 500);
    assert_int_equal(mmr_spool_disk_commit(s, &err), 0);
    (void)snprintf(filler, sizeof filler, "%s/filler", dir);
    FILE *f = fopen(filler, "w");
    static char block[4096];
    assert_non_null(f);
    while (fwrite(block, 1, sizeof block, f) == sizeof block && fflush(f) == 0)
        ;
    (void)fclose(f);
    put(s, 1, 400, 500);
    assert_int_equal(mmr_spool_disk_commit(s, &err), MMR_EIO);
    assert_non_null(strstr(err.text, "full"));
    assert_true(mmr_spool_disk_is_failing(s));
    o->range(s, 1, &first, &last);
    assert_int_equal(last, 100);
    put(s, 1, 10, 500);
    assert_false(mmr_spool_disk_is_due(s, mmr_clock_mono_ns())); /* not again at once */
    assert_int_equal(unlink(filler), 0);
    assert_int_equal(mmr_spool_disk_commit(s, &err), 0);
    o->range(s, 1, &first, &last);
    assert_int_equal(last, 510);
    struct got g = read_all(s, 1, 1);
    assert_int_equal(g.n, 510);
    mmr_spool_disk_close(s);
    assert_int_equal(umount(dir), 0);
    assert_int_equal(rmdir(dir), 0);
}

/* Ended between any two instructions: what the marks say is there, is. */
static void a_killed_process_leaves_what_it_committed(void **state)
{
    (void)state;
    char dir[64];
    make_dir(dir);
    uint64_t done = 0;
    const uint8_t host[16] = "a host's start.";
    for (unsigned round = 0; round < 8; round++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            struct mmr_spool_disk *s;
            if (mmr_spool_disk_open(dir, 64 << 20, &s, NULL, NULL) != 0)
                _exit(1);
            for (uint64_t n = mmr_spool_disk_marked(s, host, 1);;) {
                for (unsigned i = 0; i < 50; i++) {
                    uint64_t seq, now = ++n;
                    if (o->append(s, 1, 1, "proc", now, &now, sizeof now, &seq) != 0 || seq != n)
                        _exit(2);
                }
                if (mmr_spool_disk_mark(s, host, 1, n) != 0 || mmr_spool_disk_commit(s, NULL) != 0)
                    _exit(3);
            }
        }
        (void)usleep(40000 + round * 7000);
        int status;
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        struct mmr_spool_disk *s = open_spool(dir, 64 << 20);
        uint64_t marked = mmr_spool_disk_marked(s, host, 1), first, last;
        o->range(s, 1, &first, &last);
        assert_int_equal(last, marked);
        struct got g = read_all(s, 1, 1);
        assert_true(g.n == marked && g.last == marked && g.number == marked && marked >= done);
        done = marked;
        mmr_spool_disk_close(s);
    }
    assert_true(done > 0);
    remove_dir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(only_what_is_committed_is_sent_and_survives),
                                       cmocka_unit_test(a_full_spool_keeps_what_matters_and_counts_the_rest),
                                       cmocka_unit_test(large_records_and_renewal),
                                       cmocka_unit_test(a_damaged_one_is_put_aside),
                                       cmocka_unit_test(a_full_disk_loses_nothing),
                                       cmocka_unit_test(a_killed_process_leaves_what_it_committed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
