/* link: mmr_plugin_signature_objects mmr_plugin_capture_objects mmr_plugin_flow_objects mmr_plugin_protocols_objects mmr_plugin_behaviour_objects mmr_plugin_ndpi_objects mamori-testhost mamori-rules mmr_net mamori-sdk mmr_lib_pcap */
/*
 * bench_net.c - what a packet costs: a libpcap loop that touches headers (the floor), then capture and
 * flows, with parsers, with behaviour, with libndpi; and the flow table from 1,000 to 1,000,000 flows.
 *
 * usage: bench_net [FILE...]   (default: the recorded captures beside the repository, when there)
 */
#include "config_text.h"

#include <mamori/net.h>
#include <mamori/plugin.h>

#include <arpa/inet.h>
#include <ftw.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern const struct mmr_plugin mmr_plugin_capture, mmr_plugin_flow, mmr_plugin_protocols, mmr_plugin_behaviour, mmr_plugin_ndpi, mmr_plugin_signature;
enum { FILES_MAX = 512, PASSES = 8, ROUNDS = 4, MAX_PLUGINS = 6, TOPICS = 5 };

struct host;
struct slot {
    struct mmr_topic t;
    const char *id;
    const struct mmr_sink *sink[MAX_PLUGINS];
    void *self[MAX_PLUGINS];
};
struct host {
    struct mmr_host h;
    struct slot topics[TOPICS];
    const struct mmr_plugin *plugin[MAX_PLUGINS];
    void *self[MAX_PLUGINS], *config[MAX_PLUGINS];
    unsigned n, depth;
    uint64_t events;
};
static const char *files[FILES_MAX];
static size_t n_files;

static double cpu_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void publish(void *impl, const struct mmr_topic *topic, const void *item)
{
    struct host *h = impl;
    for (unsigned i = 0; i < TOPICS; i++)
        if (&h->topics[i].t == topic)
            for (uint32_t k = 0; k < topic->sinks; k++)
                h->topics[i].sink[k]->item(h->topics[i].self[k], item);
}

/* The kind comes first in an event: a map32, the key "mamori.kind", then a short text. */
static bool reads(const struct mmr_plugin *p, const uint8_t *msgpack, size_t len)
{
    enum { HEAD = 5 + 12 };
    size_t n = len > HEAD ? msgpack[HEAD] & 0x1f : 0;
    if (len < HEAD + 1 + n)
        return false;
    for (const char *const *s = p->subscribes; s && *s; s++)
        if (strlen(*s) == n && memcmp(msgpack + HEAD + 1, *s, n) == 0)
            return true;
    return false;
}

static int emit(void *impl, const void *msgpack, size_t len)
{
    struct host *h = impl;
    struct mmr_error err = {.struct_size = sizeof err};
    h->events++;
    if (h->depth)
        return 0;
    h->depth++;
    for (unsigned i = 0; i < h->n; i++)
        if (h->plugin[i]->analyzer && reads(h->plugin[i], msgpack, len))
            (void)h->plugin[i]->analyzer->event(h->self[i], msgpack, len, &err);
    h->depth--;
    return 0;
}

static const void *extension(void *impl, const char *id)
{
    struct host *h = impl;
    for (unsigned i = 0; i < TOPICS; i++)
        if (strcmp(h->topics[i].id, id) == 0)
            return &h->topics[i].t;
    return NULL;
}

static int64_t now_ns(void *impl, int clock)
{
    (void)impl;
    (void)clock;
    return 1;
}

static int set_timer(void *impl, int64_t msec, uint64_t cookie)
{
    (void)impl;
    (void)msec;
    (void)cookie;
    return 0;
}

static void quiet(void *impl, int level, const char *text)
{
    (void)impl;
    (void)level;
    (void)text;
}

static void add(struct host *h, const struct mmr_plugin *p, const char *const *cfg)
{
    struct mmr_error err = {.struct_size = sizeof err};
    unsigned i = h->n;
    if (mmr_testhost_config_fill(p, cfg, &h->config[i], &err) < 0 ||
        p->create(&h->h, h->config[i], &h->self[i], &err) < 0) {
        fprintf(stderr, "%s: %s\n", p->id, err.text);
        exit(1);
    }
    h->plugin[i] = p;
    h->n++;
    for (unsigned t = 0; p->extension && t < TOPICS; t++) {
        struct slot *s = &h->topics[t];
        const struct mmr_sink *sink = p->extension(s->id);
        if (sink) {
            s->sink[s->t.sinks] = sink;
            s->self[s->t.sinks++] = h->self[i];
        }
    }
}

static void host_init(struct host *h)
{
    static const char *const ids[TOPICS] = {MMR_TOPIC_FRAME, MMR_TOPIC_PACKET, MMR_TOPIC_STREAM, MMR_TOPIC_FLOW, MMR_TOPIC_TX};
    memset(h, 0, sizeof *h);
    h->h = (struct mmr_host){.struct_size = sizeof h->h, .impl = h, .instance = "bench", .state_dir = "", .log = quiet,
                             .emit = emit, .extension = extension, .now_ns = now_ns, .set_timer = set_timer};
    for (unsigned i = 0; i < TOPICS; i++) {
        h->topics[i].id = ids[i];
        h->topics[i].t = (struct mmr_topic){.struct_size = sizeof h->topics[i].t, .publish = publish};
    }
}

static void host_done(struct host *h)
{
    struct mmr_error err = {.struct_size = sizeof err};
    for (unsigned i = 0; i < h->n; i++)
        if (h->plugin[i]->analyzer && h->plugin[i]->analyzer->finish)
            (void)h->plugin[i]->analyzer->finish(h->self[i], &err);
    while (h->n > 0) {
        h->n--;
        h->plugin[h->n]->destroy(h->self[h->n]);
        free(h->config[h->n]);
    }
}

/* One pass over every file through a host whose first plugin is the capture. */
static uint64_t run_files(struct host *h)
{
    const struct mmr_replay_ops *ops = mmr_plugin_capture.extension("mamori.replay/0");
    struct mmr_error err = {.struct_size = sizeof err};
    uint64_t n = 0;
    for (size_t f = 0; f < n_files; f++) {
        void *self, *config;
        int64_t t;
        if (mmr_testhost_config_fill(&mmr_plugin_capture, NULL, &config, &err) < 0 ||
            mmr_plugin_capture.create(&h->h, config, &self, &err) < 0)
            exit(1);
        if (ops->open(self, files[f], files[f], NULL, &err) == 0)
            while (ops->next(self, &t, &err) == 0 && ops->step(self, &err) == 0)
                n++;
        mmr_plugin_capture.destroy(self);
        free(config);
    }
    return n;
}

static uint64_t run_floor(uint64_t *ret_bytes)
{
    uint64_t n = 0, sum = 0;
    for (size_t f = 0; f < n_files; f++) {
        char text[PCAP_ERRBUF_SIZE];
        struct pcap_pkthdr *head;
        const uint8_t *data;
        pcap_t *p = pcap_open_offline(files[f], text);
        if (!p)
            continue;
        while (pcap_next_ex(p, &head, &data) == 1) {
            for (uint32_t i = 0; i < head->caplen && i < 54; i++) /* Ethernet, IP and TCP headers */
                sum += data[i];
            n++;
            *ret_bytes += head->caplen;
        }
        pcap_close(p);
    }
    return n + (sum == 1); /* keep the sum */
}

static int take_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)ftw;
    if (type == FTW_F && st->st_size > 24 && n_files < FILES_MAX &&
        (strstr(path, ".pcap") || strstr(path, ".cap")) && !strstr(path, ".gz"))
        files[n_files++] = strdup(path);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static double best_of(double a, double b)
{
    return b < a ? b : a;
}

#define RULES MMR_SHARED_DIR "/data/rules-et/et-open-2025.rules.gz"
static const char *const rules_cfg[] = {"rules", RULES, "pack", "true", NULL};
static const struct row {
    const char *what;
    const struct mmr_plugin *p[5];
    bool has_rules;
} rows[] = {
    {"flow", {&mmr_plugin_flow}, false},
    {"flow+protocols", {&mmr_plugin_flow, &mmr_plugin_protocols}, false},
    {"flow+protocols+behaviour", {&mmr_plugin_flow, &mmr_plugin_protocols, &mmr_plugin_behaviour}, false},
    {"flow+protocols+behaviour+ndpi", {&mmr_plugin_flow, &mmr_plugin_protocols, &mmr_plugin_behaviour, &mmr_plugin_ndpi}, false},
    {"all of them and the big rule set", {&mmr_plugin_flow, &mmr_plugin_protocols, &mmr_plugin_behaviour, &mmr_plugin_ndpi, &mmr_plugin_signature}, true},
};
enum { ROWS = sizeof rows / sizeof rows[0] };
struct result {
    double best_s;
    uint64_t packets, events;
    double peak_mb;
};

static double floor_round(struct result *r)
{
    uint64_t bytes = 0;
    double t = cpu_s();
    r->packets = 0;
    for (int i = 0; i < PASSES; i++)
        r->packets += run_floor(&bytes);
    r->best_s = best_of(r->best_s, cpu_s() - t);
    return (double)bytes;
}

static void row_round(const struct row *row, struct result *r)
{
    static struct host h;
    struct rusage ru;
    host_init(&h);
    for (unsigned i = 0; i < 5 && row->p[i]; i++)
        add(&h, row->p[i], row->p[i] == &mmr_plugin_signature ? rules_cfg : NULL);
    double t = cpu_s(); /* loading rules is not counted: bench_rules does */
    r->packets = 0;
    for (int i = 0; i < PASSES; i++)
        r->packets += run_files(&h);
    r->best_s = best_of(r->best_s, cpu_s() - t);
    host_done(&h);
    r->events = h.events;
    (void)getrusage(RUSAGE_SELF, &ru);
    r->peak_mb = (double)ru.ru_maxrss / 1024;
}

/* The rounds are interleaved, so that a slow moment of a shared machine hits floor and rows alike. */
static void bench_files(void)
{
    struct result floor = {.best_s = 1e9}, r[ROWS];
    double bytes = 0;
    size_t n = access(RULES, R_OK) == 0 ? ROWS : ROWS - 1;
    for (size_t i = 0; i < n; i++)
        r[i] = (struct result){.best_s = 1e9};
    (void)floor_round(&floor); /* warms the file cache */
    floor.best_s = 1e9;
    for (int k = 0; k < ROUNDS; k++) {
        bytes = floor_round(&floor);
        for (size_t i = 0; i + 1 < n || (i < n && !rows[i].has_rules); i++)
            row_round(&rows[i], &r[i]);
    }
    for (int k = 0; k < ROUNDS && n == ROWS; k++) { /* last: the peak of memory with rules would hide the others' */
        (void)floor_round(&floor);
        row_round(&rows[ROWS - 1], &r[ROWS - 1]);
    }
    printf("{\"bench\":\"net\",\"what\":\"libpcap floor\",\"packets\":%llu,\"mbytes\":%.1f,\"cpu_s\":%.3f,\"ns_per_packet\":%.0f,\"ratio\":1.0}\n",
           (unsigned long long)floor.packets, bytes / 1e6, floor.best_s, floor.best_s * 1e9 / (double)floor.packets);
    for (size_t i = 0; i < n; i++)
        printf("{\"bench\":\"net\",\"what\":\"%s\",\"packets\":%llu,\"events\":%llu,\"cpu_s\":%.3f,\"ns_per_packet\":%.0f,\"ratio\":%.1f,\"peak_rss_mb\":%.1f}\n",
               rows[i].what, (unsigned long long)r[i].packets, (unsigned long long)r[i].events, r[i].best_s,
               r[i].best_s * 1e9 / (double)r[i].packets, r[i].best_s / floor.best_s, r[i].peak_mb);
}

static size_t resident(void)
{
    unsigned long total = 0, pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f)
        return 0;
    if (fscanf(f, "%lu %lu", &total, &pages) != 2)
        pages = 0;
    (void)fclose(f);
    return (size_t)pages * 4096;
}

/* Many flows at once: a SYN and a data packet each, then a second round over all of them. */
static void bench_flows(void)
{
    (void)fflush(stdout);
    static const uint32_t counts[] = {1000, 10000, 100000, 1000000};
    const char *const cfg[] = {"flows_max", "1048576", "start_events", "false", "end_events", "false", "tcp_new", "1h", NULL};
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        pid_t pid = fork(); /* a process each, so that memory is counted from the start */
        if (pid != 0) {
            (void)waitpid(pid, NULL, 0);
            continue;
        }
        static struct host h;
        uint8_t b[60] = {0x45, 0, 0, 60, 0, 0, 0, 0, 64, 6};
        size_t before = resident();
        double t0;
        host_init(&h);
        add(&h, &mmr_plugin_flow, cfg);
        const struct mmr_sink *sink = mmr_plugin_flow.extension(MMR_TOPIC_FRAME);
        struct mmr_frame f = {.struct_size = sizeof f, .linktype = 101, .data = b, .cap_len = 60, .wire_len = 60, .input = "a"};
        b[32] = 0x50;
        b[12] = 10;
        b[16] = 192;
        t0 = cpu_s();
        for (unsigned round = 0; round < 3; round++)
            for (uint32_t i = 0; i < counts[c]; i++) {
                uint32_t src = htonl(0x0a000000U + (i >> 4));
                f.time_ns = 1000000000 + (int64_t)(f.index++) * 100;
                memcpy(b + 12, &src, 4);
                b[5] = (uint8_t)f.index;
                b[20] = (uint8_t)(0x80 | (i & 15));
                b[23] = 80;
                b[27] = (uint8_t)(round * 20);
                b[33] = round == 0 ? 2 : 24;
                sink->item(h.self[0], &f);
            }
        double t = cpu_s() - t0;
        size_t after = resident();
        printf("{\"bench\":\"net\",\"what\":\"flow table\",\"flows\":%u,\"ns_per_packet\":%.0f,\"bytes_per_flow\":%.0f}\n", counts[c],
               t * 1e9 / (3.0 * counts[c]), (double)(after > before ? after - before : 0) / counts[c]);
        host_done(&h);
        (void)fflush(stdout);
        _exit(0);
    }
}

int main(int argc, char **argv)
{
    bench_flows(); /* first: the heap is still empty */
    for (int i = 1; i < argc && n_files < FILES_MAX; i++)
        files[n_files++] = argv[i];
    if (n_files == 0) {
        (void)nftw(MMR_SHARED_DIR "/data/network", take_file, 8, FTW_PHYS);
        (void)nftw(MMR_SHARED_DIR "/data/pairs", take_file, 8, FTW_PHYS);
        qsort(files, n_files, sizeof files[0], by_name);
    }
    if (n_files)
        bench_files();
    else
        printf("{\"bench\":\"net\",\"skipped\":\"no captures: name some\"}\n");
    return 0;
}
