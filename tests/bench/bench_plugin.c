/* link: mmr_plugin mmr_lib_event */
/*
 * bench_plugin.c - what a plugin costs: bringing its file into a process, beside making the process; and an event from the one
 * that emits it to the one that reads it, in one host. One JSON object a line. First argument: seconds a measurement (1); second:
 * the folder of plugin files (beside the program's build).
 */
#include "sample_event.h"

#include "plugin/describe.h"
#include "plugin/load.h"
#include "plugin/runtime.h"
#include "util/clock.h"

#include <event2/event.h>

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LOADS = 15, BURST = 256 };

static double seconds = 1;
static uint8_t event[4096];
static size_t event_len;

static int by_value(const void *a, const void *b)
{
    int64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

/* ---- loading ---- */

/* In a new process each time, as it is: seal, map with its libraries, check. Returns ns, or -1. */
static int64_t load_once(const char *path, bool with_plugin, volatile int64_t *shared)
{
    int status;
    int64_t from = mmr_clock_mono_ns();
    *shared = -1;
    pid_t pid = fork();
    if (pid == 0) {
        const struct mmr_plugin *p = NULL;
        struct mmr_error err = {.struct_size = sizeof err};
        int fd = -1;
        int64_t begun = mmr_clock_mono_ns();
        bool is_good = !with_plugin || (mmr_plugin_seal(path, &fd, &err) == 0 && mmr_plugin_load(fd, path, &p, &err) == 0 &&
                                        mmr_plugin_check(p, NULL, NULL, &err) == 0);
        *shared = is_good ? mmr_clock_mono_ns() - begun : -1;
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    return with_plugin ? *shared : mmr_clock_mono_ns() - from;
}

/* The median, ns; 0: it did not load. */
static int64_t bench_load(const char *name, const char *path, volatile int64_t *shared)
{
    int64_t ns[LOADS];
    for (int i = 0; i < LOADS; i++)
        if ((ns[i] = load_once(path, path != NULL, shared)) < 0)
            return 0;
    qsort(ns, LOADS, sizeof ns[0], by_value);
    printf("{\"what\":\"%s\",\"plugin\":\"%s\",\"n\":%d,\"p50_ms\":%.2f,\"p95_ms\":%.2f}\n", path ? "plugin_load" : "floor_process", name, LOADS,
           (double)ns[LOADS / 2] / 1e6, (double)ns[LOADS * 95 / 100] / 1e6);
    (void)fflush(stdout);
    return ns[LOADS / 2];
}

static void bench_loads(const char *dir)
{
    struct dirent **e = NULL;
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return;
    int64_t most = 0;
    (void)bench_load("-", NULL, page);
    int n = scandir(dir, &e, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char path[PATH_MAX];
        size_t len = strlen(e[i]->d_name);
        if (len > 3 && strcmp(e[i]->d_name + len - 3, ".so") == 0 &&
            snprintf(path, sizeof path, "%s/%s", dir, e[i]->d_name) < (int)sizeof path) {
            int64_t one = bench_load(e[i]->d_name, path, page);
            most = one > most ? one : most;
        }
        free(e[i]);
    }
    free(e);
    if (most)
        printf("{\"what\":\"plugin_load_slowest\",\"p50_ms\":%.2f}\n", (double)most / 1e6);
    (void)munmap(page, 4096);
}

/* ---- hand-over in a host ---- */

struct end {
    const struct mmr_host *host;
    uint64_t n;
};
static int create(const struct mmr_host *host, const void *config, void **ret, struct mmr_error *err)
{
    struct end *s = calloc(1, sizeof *s);
    (void)config;
    if (!s)
        return mmr_fail(err, MMR_ENOMEM, "out of memory");
    s->host = host;
    *ret = s;
    return 0;
}
static void destroy(void *self)
{
    free(self);
}
static int read_one(void *self, const void *p, size_t len, struct mmr_error *err)
{
    struct end *s = self;
    (void)err;
    s->n += len > 0 && p != NULL;
    return 0;
}
static int start(void *self, struct mmr_error *err)
{
    (void)self;
    (void)err;
    return 0;
}
static void stop(void *self)
{
    (void)self;
}
static void item(void *self, const void *p)
{
    struct end *s = self;
    s->n += p != NULL;
}
static const void *extension(const char *id)
{
    static const struct mmr_sink sink = {.struct_size = sizeof sink, .item = item};
    return strcmp(id, "bench.item/0") == 0 ? &sink : NULL;
}
static const struct mmr_analyzer_ops analyzer = {.struct_size = sizeof analyzer, .event = read_one};
static const struct mmr_sensor_ops sensor = {.struct_size = sizeof sensor, .start = start, .stop = stop};
static const struct mmr_plugin emitter = {
    MMR_PLUGIN_HEAD, .id = "bench.emitter", .name = "emitter", .version = "1.0.0", .license = "Apache-2.0", .side = MMR_SIDE_ENDPOINT,
    .events = (const char *const[]){"conn.open", NULL}, .create = create, .destroy = destroy, .sensor = &sensor};
static const struct mmr_plugin reader = {
    MMR_PLUGIN_HEAD, .id = "bench.reader", .name = "reader", .version = "1.0.0", .license = "Apache-2.0", .side = MMR_SIDE_ENDPOINT,
    .subscribes = (const char *const[]){"conn.open", NULL}, .create = create, .destroy = destroy, .analyzer = &analyzer, .extension = extension};

static int64_t cpu_ns(void)
{
    struct timespec ts = {0};
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (int64_t)ts.tv_sec * MMR_NS_PER_S + ts.tv_nsec;
}

/* per_s by the wall clock; per_cpu_s of one processor's time, which others on the machine do not take away. */
static void rate(const char *what, uint64_t n, int64_t took_ns, int64_t took_cpu_ns, size_t bytes)
{
    printf("{\"what\":\"%s\",\"n\":%llu,\"bytes\":%zu,\"per_s\":%.0f,\"per_cpu_s\":%.0f}\n", what, (unsigned long long)n, bytes,
           (double)n * 1e9 / (double)took_ns, (double)n * 1e9 / (double)took_cpu_ns);
    (void)fflush(stdout);
}

static void bench_hand_over(unsigned readers)
{
    struct event_base *base = event_base_new(); /* the real clocks and ids */
    const struct mmr_runtime_opts opts = {.base = base, .node = "bench", .core_version = MMR_VERSION, .is_raw_owner = true};
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_runtime *rt = NULL;
    char name[32], what[64];
    uint32_t index, at = 0;
    uint64_t n = 0;
    if (mmr_runtime_new(&opts, &rt, &err) != 0)
        exit(1);
    for (unsigned i = 0; i <= readers; i++) {
        (void)snprintf(name, sizeof name, "i%u", i);
        struct mmr_runtime_instance conf = {.plugin = i ? &reader : &emitter, .name = name, .side = MMR_SIDE_ENDPOINT, .state_dir = ""};
        if (mmr_runtime_add(rt, &conf, &index, &err) != 0)
            exit(1);
        if (i == 0)
            at = index;
    }
    struct end *from = mmr_runtime_self(rt, at);
    int64_t begun = mmr_clock_mono_ns(), cpu = cpu_ns(), now;
    do {
        for (int i = 0; i < BURST; i++, n++)
            if (from->host->emit(from->host->impl, event, event_len) != 0)
                exit(1);
        now = mmr_clock_mono_ns();
    } while ((double)(now - begun) < seconds * 1e9);
    (void)snprintf(what, sizeof what, "plugin_hand_over_%u", readers);
    rate(what, n, now - begun, cpu_ns() - cpu, event_len);

    const struct mmr_topic *t = from->host->extension(from->host->impl, "bench.item/0");
    n = 0;
    begun = mmr_clock_mono_ns();
    cpu = cpu_ns();
    do {
        for (int i = 0; t && i < BURST; i++, n++)
            t->publish(from->host->impl, t, event);
        now = mmr_clock_mono_ns();
    } while ((double)(now - begun) < seconds * 1e9);
    (void)snprintf(what, sizeof what, "plugin_topic_%u", readers);
    rate(what, n, now - begun, cpu_ns() - cpu, sizeof(void *));
    mmr_runtime_free(rt);
    event_base_free(base);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        seconds = strtod(argv[1], NULL);
    event_len = sample_event(event, sizeof event);
    bench_loads(argc > 2 ? argv[2] : MMR_BINARY_DIR "/plugins");
    bench_hand_over(1);
    bench_hand_over(4);
    return 0;
}
