/* link: mmr_plugin_proc_objects mamori-testhost mamori-sdk mmr_lib_bpf */
/* bench_proc.c - program starts at 2,000 a second for 5 s: how many are told; and what the sensor costs when nothing happens. */
#include <mamori/event.h>

#include "testhost.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern const struct mmr_plugin mmr_plugin_proc;

enum { PER_S = 2000, SECONDS = 5, IDLE_SECONDS = 5, GENERATORS = 2 };

static int64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static double cpu_s(void)
{
    struct rusage u;
    (void)getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* Starts programs at the asked rate; they share its memory until they run, as posix_spawn does. Its exit says nothing. */
static void generate(void)
{
    char path[] = "/bin/true", mark[] = "mamori-bench";
    char *const args[] = {path, mark, NULL};
    int64_t begin = now_ns();
    for (int i = 0; i < PER_S * SECONDS / GENERATORS; i++) {
        int64_t due = begin + (int64_t)i * 1000000000 * GENERATORS / PER_S, left = due - now_ns();
        if (left > 0) {
            struct timespec wait = {.tv_nsec = left};
            (void)nanosleep(&wait, NULL);
        }
        pid_t pid = vfork();
        if (pid == 0) {
            (void)execv(args[0], args);
            _exit(127);
        }
        (void)waitpid(pid, NULL, 0);
    }
    _exit(0);
}

int main(void)
{
    /* in a network namespace of its own, so that what the rest of the machine does is neither counted nor waited for */
    const char *const config[] = {"mode", "bpf", "scope", "netns", NULL};
    if (unshare(CLONE_NEWNET) != 0) {
        fprintf(stderr, "bench_proc: needs root\n");
        return 3;
    }
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_testhost *th = mmr_testhost_new();
    mmr_testhost_use_real_clock(th);
    if (mmr_testhost_add(th, &mmr_plugin_proc, config, &err) < 0 || mmr_testhost_start(th, &err) != 0) {
        fprintf(stderr, "bench_proc: %s\n", err.text);
        mmr_testhost_free(th);
        return 3;
    }
    double before = cpu_s();
    int64_t begin = now_ns();
    while (now_ns() - begin < (int64_t)IDLE_SECONDS * 1000000000)
        (void)mmr_testhost_poll(th, 200);
    double idle = (cpu_s() - before) / IDLE_SECONDS;
    int during = mmr_testhost_count(th, NULL); /* what other programs of this machine did meanwhile */
    mmr_testhost_clear(th);

    for (int i = 0; i < GENERATORS; i++)
        if (fork() == 0)
            generate();
    before = cpu_s();
    begin = now_ns();
    long told = 0, drops = 0;
    int running = GENERATORS;
    int64_t end = 0;
    while (running || now_ns() - end < 500000000) {
        (void)mmr_testhost_poll(th, 20);
        while (running && waitpid(-1, NULL, WNOHANG) > 0) {
            running--;
            end = now_ns();
        }
        int n = (int)mmr_testhost_events(th);
        for (int i = 0; i < n; i++) {
            const struct mmr_event_view *v = mmr_testhost_view(th, i);
            const struct mmr_value *kind = mmr_event_get(v, "mamori.kind"), *line = mmr_event_get(v, "process.cmd_line");
            told += kind && line && mmr_value_is(kind, "process.start") && mmr_value_is(line, "/bin/true mamori-bench");
            if (kind && mmr_value_is(kind, "sensor.drops"))
                drops += (long)mmr_event_get_int(v, "count", 0);
        }
        mmr_testhost_clear(th);
    }
    double seconds = (double)(end - begin) / 1e9, busy = cpu_s() - before;
    printf("{\"name\":\"exec_events\",\"per_s\":%.0f,\"sent\":%d,\"told\":%ld,\"lost\":%ld,\"counted_drops\":%ld,\"cpu_s\":%.2f}\n",
           PER_S * SECONDS / seconds, PER_S * SECONDS, told, PER_S * SECONDS - told, drops, busy);
    printf("{\"name\":\"proc_idle\",\"cpu_percent\":%.3f,\"events\":%d,\"seconds\":%d}\n", idle * 100, during, IDLE_SECONDS);
    mmr_testhost_free(th);
    return 0;
}
