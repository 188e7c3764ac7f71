/* link: mmr_plugin_integrity_objects mamori-testhost mamori-sdk mamori-libfan mamori-libproc mmr_lib_sodium mmr_lib_sqlite mmr_lib_ssl */
/*
 * bench_integrity.c - the baseline of some thousand files: how long it takes (a hundred files a tick of 100 ms at most) and what processor
 * time it costs, beside the floor (the same hash, by the same library, over the same files in one go); what it costs when nothing changes;
 * a change until it is told; and the walk after a restart, in which nothing is read. On the file system of the working directory.
 */
#include "integrity.h"
#include "testhost.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

extern const struct mmr_plugin mmr_plugin_integrity;

enum { FILES = 5000, FOLDERS = 100, BYTES = 32768, IDLE_S = 10 };

static char dir[256], state[300];

static double at_s(clockid_t clock)
{
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void name_of(char *path, size_t cap, int i)
{
    (void)snprintf(path, cap, "%s/watched/%02d/file-%05d", dir, i % FOLDERS, i);
}

static bool make_files(void)
{
    char path[400], text[BYTES];
    (void)snprintf(path, sizeof path, "%s/watched", dir);
    bool is_ok = mkdir(path, 0755) == 0;
    for (int i = 0; i < FOLDERS; i++) {
        (void)snprintf(path, sizeof path, "%s/watched/%02d", dir, i);
        is_ok &= mkdir(path, 0755) == 0;
    }
    for (int i = 0; i < FILES && is_ok; i++) {
        name_of(path, sizeof path, i);
        memset(text, 'a' + i % 26, sizeof text);
        (void)snprintf(text, sizeof text, "file %d", i);
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
        is_ok = fd >= 0 && write(fd, text, sizeof text) == (ssize_t)sizeof text;
        if (fd >= 0)
            (void)close(fd);
    }
    return is_ok;
}

/* Processor seconds to open, hash and close every file. */
static double floor_s(void)
{
    static uint8_t buf[65536];
    uint8_t hash[32];
    char path[400];
    double begin = at_s(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < FILES; i++) {
        crypto_generichash_state sum;
        name_of(path, sizeof path, i);
        (void)crypto_generichash_init(&sum, NULL, 0, sizeof hash);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        for (ssize_t n; fd >= 0 && (n = read(fd, buf, sizeof buf)) > 0;)
            (void)crypto_generichash_update(&sum, buf, (unsigned long long)n);
        if (fd >= 0)
            (void)close(fd);
        (void)crypto_generichash_final(&sum, hash, sizeof hash);
    }
    return at_s(CLOCK_PROCESS_CPUTIME_ID) - begin;
}

/* One run of mamori, with the folder of its own that the runs share. */
struct run {
    struct mmr_testhost *th;
    struct mmr_integrity_config config;
    const char *places[1];
    struct mmr_host host;
    char place[300];
    double wall, cpu;
};

static void begin(struct run *r)
{
    struct mmr_error err = {.struct_size = sizeof err};
    memset(r, 0, sizeof *r);
    (void)snprintf(r->place, sizeof r->place, "%s/watched", dir);
    r->places[0] = r->place;
    r->config = (struct mmr_integrity_config){
        .places = {r->places, 1}, .rescan = 86400000, .pace = 1 << 30, .max_file = 1 << 27, .max_files = 50000};
    r->th = mmr_testhost_new();
    mmr_testhost_use_real_clock(r->th);
    r->wall = at_s(CLOCK_MONOTONIC);
    r->cpu = at_s(CLOCK_PROCESS_CPUTIME_ID);
    int i = mmr_testhost_add_filled(r->th, &mmr_plugin_integrity, &r->config, &err);
    struct mmr_integrity *f = i < 0 ? NULL : mmr_testhost_self(r->th, i);
    if (f) {
        r->host = *f->host;
        r->host.state_dir = state;
        f->host = &r->host;
    }
    if (!f || mmr_testhost_start(r->th, &err) != 0) {
        fprintf(stderr, "bench_integrity: %s\n", err.text);
        exit(1);
    }
}

static bool is_said(struct run *r, const char *detail)
{
    for (int i = 0; i < mmr_testhost_count(r->th, "sensor.mode"); i++)
        if (strcmp(mmr_testhost_text(r->th, mmr_testhost_find(r->th, "sensor.mode", i), "status_detail"), detail) == 0)
            return true;
    return false;
}

static void write_one(const char *name, const char *text)
{
    char path[400];
    (void)snprintf(path, sizeof path, "%s/watched/%s", dir, name);
    FILE *f = fopen(path, "w");
    if (f) {
        (void)fputs(text, f);
        (void)fclose(f);
    }
}

int main(void)
{
    char at[128], line[400];
    struct run r;
    if (geteuid() != 0 || !getcwd(at, sizeof at) || sodium_init() < 0) {
        fprintf(stderr, "bench_integrity: needs root\n");
        return 0;
    }
    (void)snprintf(dir, sizeof dir, "%s/mamori-bench-XXXXXX", at);
    if (!mkdtemp(dir) || !make_files())
        return 1;
    (void)snprintf(state, sizeof state, "%s/state", dir);
    if (mkdir(state, 0700) != 0)
        return 1;
    (void)floor_s(); /* the files into memory: what is compared is processor time, not the disk */
    double lowest = floor_s();
    printf("{\"what\":\"integrity floor: %d files of %d KiB hashed by the same library\",\"cpu_s\":%.3f,\"us_per_file\":%.1f}\n", FILES, BYTES / 1024, lowest,
           lowest * 1e6 / FILES);

    begin(&r);
    bool is_ok = true;
    while (!is_said(&r, "baseline"))
        (void)mmr_testhost_poll(r.th, 100);
    double wall = at_s(CLOCK_MONOTONIC) - r.wall, cpu = at_s(CLOCK_PROCESS_CPUTIME_ID) - r.cpu;
    printf("{\"what\":\"integrity baseline\",\"files\":%d,\"wall_s\":%.1f,\"cpu_s\":%.3f,\"us_per_file\":%.1f,\"times_floor\":%.2f,\"core_share\":%.4f}\n", FILES,
           wall, cpu, cpu * 1e6 / FILES, cpu / lowest, cpu / wall);

    double from = at_s(CLOCK_MONOTONIC), from_cpu = at_s(CLOCK_PROCESS_CPUTIME_ID);
    while (at_s(CLOCK_MONOTONIC) - from < IDLE_S)
        (void)mmr_testhost_poll(r.th, 1000);
    printf("{\"what\":\"integrity, nothing changes\",\"seconds\":%d,\"cpu_ms_per_s\":%.3f}\n", IDLE_S,
           (at_s(CLOCK_PROCESS_CPUTIME_ID) - from_cpu) * 1e3 / (at_s(CLOCK_MONOTONIC) - from));

    from = at_s(CLOCK_MONOTONIC);
    write_one("07/file-00007", "another content");
    is_ok &= mmr_testhost_poll_until(r.th, "integrity.change", 60000);
    printf("{\"what\":\"integrity, a change until it is told\",\"ms\":%.0f}\n", (at_s(CLOCK_MONOTONIC) - from) * 1e3);
    mmr_testhost_free(r.th);

    write_one("added", "while mamori was down"); /* its word comes when the walk is over */
    begin(&r);
    is_ok &= mmr_testhost_poll_until(r.th, "finding", 600000);
    wall = at_s(CLOCK_MONOTONIC) - r.wall;
    cpu = at_s(CLOCK_PROCESS_CPUTIME_ID) - r.cpu;
    printf("{\"what\":\"integrity, a walk in which nothing is read\",\"files\":%d,\"wall_s\":%.1f,\"cpu_s\":%.3f,\"us_per_file\":%.1f,\"times_floor\":%.2f}\n", FILES, wall,
           cpu, cpu * 1e6 / FILES, cpu / lowest);
    mmr_testhost_free(r.th);
    (void)snprintf(line, sizeof line, "rm -rf '%s'", dir);
    return system(line) != 0 || !is_ok;
}
