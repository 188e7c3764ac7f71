/* link: mmr_plugin_ransom_objects mamori-testhost mamori-sdk mamori-libfan mamori-libproc mmr_lib_bpf m */
/*
 * bench_ransom.c - a program encrypts 2,000 files as fast as it can and leaves canaries alone: how many are lost until it stands
 * still, counted by the kernel and by notification, beside how fast it is when nobody watches; and what counting in the kernel
 * costs a program that rewrites files and is nothing of the kind. On the file system of the working directory.
 */
#include <mamori/event.h>

#include "testhost.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern const struct mmr_plugin mmr_plugin_ransom;

enum { FILES = 2000, BYTES = 65536, RUNS = 9, REWRITES = 20000 };

static char dir[256];

static int64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void name_of(char *path, size_t cap, int i)
{
    (void)snprintf(path, cap, "%s/letter-%04d.txt", dir, i);
}

static void fill(char text[BYTES], int i)
{
    size_t at = 0;
    for (int k = 0; at < BYTES - 64; k++)
        at += (size_t)snprintf(text + at, BYTES - at, "row %d of letter %d: %d\n", k, i, k * i % 9973);
    memset(text + at, ' ', BYTES - at);
}

static void make_files(void)
{
    char path[300], text[BYTES];
    for (int i = 0; i < FILES; i++) {
        name_of(path, sizeof path, i);
        fill(text, i);
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
        (void)!write(fd, text, sizeof text);
        (void)close(fd);
    }
}

static int lost_files(void)
{
    char path[300], text[BYTES], now[BYTES];
    int n = 0;
    for (int i = 0; i < FILES; i++) {
        name_of(path, sizeof path, i);
        fill(text, i);
        int fd = open(path, O_RDONLY);
        n += fd < 0 || read(fd, now, sizeof now) != BYTES || memcmp(text, now, BYTES) != 0;
        if (fd >= 0)
            (void)close(fd);
    }
    return n;
}

/* The program, a copy of this one: mamori leaves its own executable alone. */
static int encrypt_all(void)
{
    char path[300];
    uint8_t noise[BYTES];
    (void)!getrandom(noise, sizeof noise, 0);
    for (int i = 0; i < FILES; i++) {
        name_of(path, sizeof path, i);
        int fd = open(path, O_RDWR);
        noise[i % BYTES] ^= (uint8_t)i;
        (void)!pwrite(fd, noise, sizeof noise, 0);
        (void)close(fd);
    }
    return 0;
}

static int rewrite_one(void)
{
    char path[300], text[BYTES];
    fill(text, 7);
    for (int i = 0; i < REWRITES; i++) {
        name_of(path, sizeof path, i % FILES);
        int fd = open(path, O_RDWR);
        (void)!pwrite(fd, text, sizeof text, 0);
        (void)close(fd);
    }
    return 0;
}

static pid_t run(const char *program, const char *what)
{
    pid_t pid = fork();
    if (pid == 0) {
        (void)setpgid(0, 0);
        (void)execl(program, "program", what, dir, (char *)NULL);
        _exit(127);
    }
    return pid;
}

/* Of the wall's clock, or of a processor. */
static double seconds_of(const char *program, const char *what, bool is_cpu)
{
    struct rusage u;
    int64_t begin = now_ns();
    (void)wait4(run(program, what), NULL, 0, &u);
    double cpu = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
    return is_cpu ? cpu : (double)(now_ns() - begin) / 1e9;
}

static int by_value(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static struct mmr_testhost *start(const char *counter)
{
    const char *const config[] = {"places", dir, "canaries", "no", "hold", "20s", "counter", counter, NULL};
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_testhost *th = mmr_testhost_new();
    mmr_testhost_use_real_clock(th);
    if (mmr_testhost_add(th, &mmr_plugin_ransom, config, &err) != 0 || mmr_testhost_start(th, &err) != 0) {
        fprintf(stderr, "bench_ransom: %s\n", err.text);
        exit(1);
    }
    return th;
}

static void measure(const char *program, const char *counter)
{
    int lost[RUNS], missed = 0;
    char how[40] = "";
    for (int i = 0; i < RUNS; i++) {
        make_files();
        struct mmr_testhost *th = start(counter);
        (void)snprintf(how, sizeof how, "%s", mmr_testhost_text(th, mmr_testhost_find(th, "sensor.mode", 0), "unmapped.counter"));
        pid_t pid = run(program, "encrypt");
        missed += !mmr_testhost_poll_until(th, "finding", 20000);
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        lost[i] = lost_files();
        mmr_testhost_free(th);
    }
    qsort(lost, RUNS, sizeof lost[0], by_value);
    printf("{\"what\":\"ransom lost files of %d, %s\",\"median\":%d,\"max\":%d,\"runs\":%d,\"not_found\":%d}\n", FILES, how, lost[RUNS / 2], lost[RUNS - 1],
           RUNS, missed);
}

int main(int argc, char **argv)
{
    char program[300], line[1024];
    if (argc == 3) {
        (void)snprintf(dir, sizeof dir, "%s", argv[2]);
        return strcmp(argv[1], "encrypt") == 0 ? encrypt_all() : rewrite_one();
    }
    char at[128];
    if (geteuid() != 0 || !getcwd(at, sizeof at)) {
        fprintf(stderr, "bench_ransom: needs root\n");
        return 0;
    }
    (void)snprintf(dir, sizeof dir, "%s/mamori-bench-XXXXXX", at);
    if (!mkdtemp(dir))
        return 1;
    (void)snprintf(program, sizeof program, "%s/program", dir);
    (void)snprintf(line, sizeof line, "cp /proc/%d/exe '%s'", (int)getpid(), program);
    if (system(line) != 0)
        return 1;
    const struct sched_param first = {.sched_priority = 1};
    (void)sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &first); /* as its host is (core/plugin/ahead.c) */
    make_files();
    printf("{\"what\":\"ransom floor: nobody watches\",\"files_per_s\":%.0f}\n", FILES / seconds_of(program, "encrypt", false));
    measure(program, "yes");
    measure(program, "no");
    make_files();
    double alone[RUNS], counted[RUNS];
    for (int i = 0; i < RUNS; i++) { /* in turn, so that what else the machine does meets both */
        alone[i] = seconds_of(program, "rewrite", true);
        struct mmr_testhost *th = start("yes");
        counted[i] = seconds_of(program, "rewrite", true);
        mmr_testhost_free(th);
    }
    double a = alone[0], c = counted[0];
    for (int i = 1; i < RUNS; i++) {
        a = alone[i] < a ? alone[i] : a;
        c = counted[i] < c ? counted[i] : c;
    }
    printf("{\"what\":\"ransom cost of a file's rewriting, processor time\",\"us_alone\":%.2f,\"us_watched\":%.2f}\n", a * 1e6 / REWRITES, c * 1e6 / REWRITES);
    (void)snprintf(line, sizeof line, "rm -rf '%s'", dir);
    return system(line) != 0;
}
