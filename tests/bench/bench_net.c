/* link: mmr_bench mmr_plugin_signature_objects mmr_plugin_capture_objects mmr_plugin_flow_objects mmr_plugin_protocols_objects mmr_plugin_behaviour_objects mmr_plugin_ndpi_objects mamori-testhost mamori-rules mmr_net mamori-sdk mmr_lib_pcap */
/*
 * bench_net.c - what a packet costs: a libpcap loop that touches headers (the floor), Hyperscan alone, Debian's ndpiReader, then flows,
 * parsers, behaviour, libndpi and a big rule set, over one mix of recorded captures. Every line is a process of its own, so its memory is its own.
 *
 * usage: bench_net [-r LINE] [-c COPIES] [-n ROUNDS] [-k MIX] [FILE...]   (default: the recorded captures beside the repository, when there;
 *        -k keeps the mix at a path or takes the one that is there, -r runs only lines whose name holds LINE)
 */
#include "flows.h"
#include "mix.h"
#include "stub_host.h"

#include <net_decode.h>
#include <rules/prefilter.h>
#include <rules/rule.h>

#include <fcntl.h>
#include <malloc.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern const struct mmr_plugin mmr_plugin_capture, mmr_plugin_flow, mmr_plugin_protocols, mmr_plugin_behaviour, mmr_plugin_ndpi, mmr_plugin_signature;
enum { COPIES = 16, ROUNDS = 3, ROW_PLUGINS = 5 };

#define RULES MMR_SHARED_DIR "/data/rules-et/et-open-2025.rules.gz"
static const char *const rules_cfg[] = {"rules", RULES, "pack", "true", NULL};

struct result { /* comes through a pipe */
    double cpu_s, load_s;
    uint64_t packets, events;
    size_t loaded_bytes, rss_bytes, peak_bytes;
};
struct row {
    const char *what;
    int (*run)(const struct row *row, const char *mix, struct result *ret);
    const struct mmr_plugin *p[ROW_PLUGINS];
    bool has_rules;
};

/* ---- floors ---- */

static uint64_t sum_bytes(const uint8_t *p, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += p[i];
    return sum;
}

static int run_pcap(const char *mix, size_t touch, struct result *ret)
{
    char text[PCAP_ERRBUF_SIZE];
    struct pcap_pkthdr *h;
    const uint8_t *data;
    uint64_t sum = 0;
    double from = stub_cpu_s();
    pcap_t *p = pcap_open_offline(mix, text);
    if (!p)
        return -1;
    for (; pcap_next_ex(p, &h, &data) == 1; ret->packets++)
        sum += sum_bytes(data, h->caplen < touch ? h->caplen : touch);
    pcap_close(p);
    ret->cpu_s = stub_cpu_s() - from;
    return sum == 1 ? -1 : 0; /* keep the sum */
}

static int run_floor(const struct row *row, const char *mix, struct result *ret)
{
    (void)row;
    return run_pcap(mix, 54, ret); /* Ethernet, IP and TCP headers */
}

static int run_every_byte(const struct row *row, const char *mix, struct result *ret)
{
    (void)row;
    return run_pcap(mix, SIZE_MAX, ret);
}

static void ignore_hit(void *ctx, uint32_t literal)
{
    *(uint64_t *)ctx += literal != UINT32_MAX;
}

/* One literal of each rule, the marked or the longest one, of three bytes or more, in one database. */
static struct prefilter *all_literals(void)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_rules *set = NULL;
    struct prefilter *pf = NULL;
    uint32_t n = 0;
    if (mmr_rules_new(NULL, &set, &err) < 0 || mmr_rules_add_file(set, RULES, NULL, NULL, &err) < 0 || mmr_rules_compile(set, &err) < 0)
        return NULL;
    struct literal *lits = calloc(set->n_rules + 1, sizeof *lits);
    for (uint32_t i = 0; lits && i < set->n_rules; i++) {
        const struct rule *r = set->rules[i];
        const struct step *t = r->pre_group ? &r->groups[r->pre_group - 1].steps[r->pre_step] : NULL;
        if (t && t->len >= 3)
            lits[n++] = (struct literal){t->p, t->len, t->flags & S_NOCASE};
    }
    if (lits && mmr_prefilter_new(lits, n, false, &pf, &err) < 0)
        pf = NULL;
    free(lits);
    mmr_rules_free(set);
    return pf;
}

static int run_literals(const struct row *row, const char *mix, struct result *ret)
{
    (void)row;
    char text[PCAP_ERRBUF_SIZE];
    struct mmr_error err = {.struct_size = sizeof err};
    struct pcap_pkthdr *h;
    const uint8_t *data;
    uint64_t hits = 0;
    struct prefilter *pf = all_literals();
    struct prefilter_scratch *scratch = mmr_prefilter_scratch_new();
    if (!pf || !scratch || mmr_prefilter_scratch_prepare(scratch, pf, &err) < 0)
        return -1;
    ret->load_s = stub_cpu_s();
    pcap_t *p = pcap_open_offline(mix, text);
    for (; p && pcap_next_ex(p, &h, &data) == 1; ret->packets++) {
        struct mmr_frame f = {.struct_size = sizeof f, .linktype = NET_DLT_EN10MB, .data = data, .cap_len = h->caplen, .wire_len = h->len};
        struct mmr_packet pkt;
        struct net_extra x;
        if (net_decode(&f, false, &pkt, &x) == NET_DECODED_IP)
            mmr_prefilter_scan(pf, scratch, pkt.payload, pkt.payload_len, ignore_hit, &hits);
    }
    if (!p)
        return -1;
    pcap_close(p);
    ret->cpu_s = stub_cpu_s() - ret->load_s;
    ret->events = hits;
    mmr_prefilter_scratch_free(scratch);
    mmr_prefilter_free(pf);
    return 0;
}

/* Another program: its whole processor time, start included. */
static int run_ndpi_reader(const struct row *row, const char *mix, struct result *ret)
{
    (void)row;
    struct rusage ru;
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        (void)dup2(null, 1);
        (void)dup2(null, 2);
        (void)execlp("ndpiReader", "ndpiReader", "-q", "-i", mix, (char *)NULL);
        _exit(127);
    }
    if (pid < 0 || wait4(pid, &status, 0, &ru) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return -1;
    ret->cpu_s = (double)ru.ru_utime.tv_sec + (double)ru.ru_stime.tv_sec + (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
    ret->peak_bytes = (size_t)ru.ru_maxrss * 1024;
    return 0;
}

/* ---- ours ---- */

/* Loading is not in cpu_s but in load_s. */
static int run_plugins(const struct row *row, const char *mix, struct result *ret)
{
    static struct stub_host h;
    const struct mmr_replay_ops *ops = mmr_plugin_capture.extension("mamori.replay/0");
    struct mmr_error err = {.struct_size = sizeof err};
    int64_t t;
    double from = stub_cpu_s();
    stub_init(&h);
    for (unsigned i = 0; i < ROW_PLUGINS && row->p[i]; i++)
        stub_add(&h, row->p[i], row->p[i] == &mmr_plugin_signature ? rules_cfg : NULL);
    stub_add(&h, &mmr_plugin_capture, NULL);
    void *capture = h.self[h.n - 1];
    ret->load_s = stub_cpu_s() - from;
    ret->loaded_bytes = stub_resident();
    from = stub_cpu_s();
    if (ops->open(capture, mix, "mix", NULL, &err) != 0)
        return -1;
    while (ops->next(capture, &t, &err) == 0 && ops->step(capture, &err) == 0)
        ret->packets++;
    ret->rss_bytes = stub_resident();
    stub_done(&h);
    ret->cpu_s = stub_cpu_s() - from;
    ret->events = h.events;
    return 0;
}

static const struct row rows[] = {
    {"libpcap floor", run_floor, {NULL}, false},
    {"libpcap, every byte read", run_every_byte, {NULL}, false},
    {"Hyperscan alone: a literal of each rule over each payload", run_literals, {NULL}, true},
    {"ndpiReader of the distribution", run_ndpi_reader, {NULL}, false},
    {"flow", run_plugins, {&mmr_plugin_flow}, false},
    {"flow+protocols", run_plugins, {&mmr_plugin_flow, &mmr_plugin_protocols}, false},
    {"flow+protocols+behaviour", run_plugins, {&mmr_plugin_flow, &mmr_plugin_protocols, &mmr_plugin_behaviour}, false},
    {"flow+protocols+behaviour+ndpi", run_plugins, {&mmr_plugin_flow, &mmr_plugin_protocols, &mmr_plugin_behaviour, &mmr_plugin_ndpi}, false},
    {"flow+protocols+the big rule set", run_plugins, {&mmr_plugin_flow, &mmr_plugin_protocols, &mmr_plugin_signature}, true},
    {"all of them and the big rule set", run_plugins,
     {&mmr_plugin_flow, &mmr_plugin_protocols, &mmr_plugin_behaviour, &mmr_plugin_ndpi, &mmr_plugin_signature}, true},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

/* One line in a process of its own; false: it did not work. */
static bool round_of(const struct row *row, const char *mix, struct result *ret)
{
    int fd[2], status = 0;
    *ret = (struct result){0};
    if (pipe2(fd, O_CLOEXEC) != 0)
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        struct result r = {0};
        int rc = row->run(row, mix, &r);
        if (!r.peak_bytes)
            r.peak_bytes = stub_peak();
        _exit(rc == 0 && write(fd[1], &r, sizeof r) == (ssize_t)sizeof r ? 0 : 1);
    }
    (void)close(fd[1]);
    bool is_ok = pid > 0 && read(fd[0], ret, sizeof *ret) == (ssize_t)sizeof *ret;
    (void)close(fd[0]);
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0 && is_ok;
}

static void tell(const struct row *row, const struct result *r, const struct result *floor)
{
    (void)printf("{\"bench\":\"net\",\"what\":\"%s\",\"packets\":%llu,\"cpu_s\":%.3f,\"ns_per_packet\":%.0f,\"ratio\":%.1f", row->what,
                 (unsigned long long)floor->packets, r->cpu_s, r->cpu_s * 1e9 / (double)floor->packets, r->cpu_s / floor->cpu_s);
    if (r->events)
        (void)printf(",\"events\":%llu", (unsigned long long)r->events);
    if (row->has_rules)
        (void)printf(",\"load_s\":%.2f,\"rss_loaded_mb\":%.1f,\"rss_end_mb\":%.1f", r->load_s, (double)r->loaded_bytes / 1e6, (double)r->rss_bytes / 1e6);
    (void)printf(",\"peak_rss_mb\":%.1f}\n", (double)r->peak_bytes / 1e6);
    (void)fflush(stdout);
}

/* A line's whole name chooses that line, part of it all lines that hold it. */
static bool is_chosen(const struct row *row, const char *only)
{
    bool is_whole = false;
    for (size_t i = 0; only && i < ROWS; i++)
        is_whole = is_whole || strcmp(rows[i].what, only) == 0;
    return !only || (is_whole ? strcmp(row->what, only) == 0 : strstr(row->what, only) != NULL);
}

/* The rounds are interleaved, so that a slow moment of a shared machine hits floor and lines alike; the best round of each counts. */
static void bench_mix(const char *mix, const char *only, int rounds)
{
    struct result best[ROWS], r;
    bool has[ROWS] = {false};
    for (int k = 0; k <= rounds; k++) /* the first warms the file cache and does not count */
        for (size_t i = 0; i < ROWS; i++) {
            bool is_wanted = i == 0 || is_chosen(&rows[i], only);
            if (!is_wanted || (k == 0 && i > 0) || (rows[i].has_rules && access(RULES, R_OK) != 0) || !round_of(&rows[i], mix, &r))
                continue;
            if (k > 0 && (!has[i] || r.cpu_s < best[i].cpu_s))
                best[i] = r;
            has[i] = has[i] || k > 0;
        }
    for (size_t i = 0; i < ROWS; i++)
        if (has[i] && has[0])
            tell(&rows[i], &best[i], &best[0]);
        else if (is_chosen(&rows[i], only))
            (void)printf("{\"bench\":\"net\",\"what\":\"%s\",\"skipped\":\"it, or what it needs, is not here\"}\n", rows[i].what);
}

int main(int argc, char **argv)
{
    static const char *files[MIX_FILES_MAX];
    struct mix_facts facts = {0};
    const char *only = NULL, *keep = NULL;
    unsigned copies = COPIES;
    int rounds = ROUNDS, c;
    size_t n = 0;
    char path[] = "/var/tmp/mamori-bench-XXXXXX";
    while ((c = getopt(argc, argv, "r:c:n:k:")) != -1)
        if (c == 'r')
            only = optarg;
        else if (c == 'k')
            keep = optarg;
        else if (c == 'c')
            copies = (unsigned)strtoul(optarg, NULL, 10);
        else if (c == 'n')
            rounds = (int)strtol(optarg, NULL, 10);
        else
            return 2;
    if (!only)
        bench_flows(); /* first: the heap is still empty */
    for (int i = optind; i < argc && n < MIX_FILES_MAX; i++)
        files[n++] = strdup(argv[i]);
    if (n == 0) {
        n = mix_find(MMR_SHARED_DIR "/data/network", files, n);
        n = mix_find(MMR_SHARED_DIR "/data/pairs", files, n);
        n = mix_find(MMR_SHARED_DIR "/data/suricata-rules", files, n);
    }
    int fd = n && !keep ? mkstemp(path) : -1;
    if (fd >= 0)
        (void)close(fd);
    const char *mix = keep ? keep : path;
    if (n == 0) {
        (void)printf("{\"bench\":\"net\",\"skipped\":\"no captures: name some\"}\n");
    } else if ((keep && access(keep, R_OK) == 0) || mix_write(mix, files, n, copies, &facts) == 0) {
        (void)malloc_trim(0);
        (void)printf("{\"bench\":\"net\",\"what\":\"mix\",\"captures\":%zu,\"copies\":%u,\"packets\":%llu,\"mbytes\":%.1f}\n", facts.files, copies,
                     (unsigned long long)facts.packets, (double)facts.bytes / 1e6);
        (void)fflush(stdout);
        bench_mix(mix, only, rounds);
    }
    if (fd >= 0)
        (void)unlink(path);
    for (size_t i = 0; i < n; i++) {
        union { /* strdup'ed */
            const char *c;
            char *m;
        } u = {files[i]};
        free(u.m);
    }
    return 0;
}
