/* link: mamori-rules mamori-sdk */
/*
 * bench_rules.c - what rules cost: load time and memory, then how fast packets' payloads go through the rule
 * engine, beside the floor of one literal database over the same bytes in the same run.
 *
 *   bench_rules [RULES.gz [MEGABYTES]]
 */
#include <rules/prefilter.h>
#include <rules/rule.h>

#include <malloc.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PAYLOAD = 1024, FLOW_PACKETS = 32 };

static double now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static long rss_kib(const char *field)
{
    char line[256];
    long kib = -1;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, field, strlen(field)) == 0)
            kib = strtol(line + strlen(field) + 1, NULL, 10);
    if (f)
        (void)fclose(f);
    return kib;
}

/* Text like that of ordinary requests and pages, from a fixed generator: the same bytes in every run. */
static void fill(uint8_t *p, size_t len)
{
    static const char *const words[] = {"GET /index.html HTTP/1.1\r\n", "Host: www.example.com\r\n", "User-Agent: Mozilla/5.0 ",
                                        "Accept: */*\r\n", "<div class=\"a\">", "function(a,b){return a+b}", "content", " the ",
                                        "image/png", "&id=", "password=", "/cgi-bin/", "0123456789", "\r\n\r\n"};
    uint32_t x = 12345;
    for (size_t i = 0; i < len;) {
        x = x * 1664525u + 1013904223u;
        const char *w = words[(x >> 16) % (sizeof words / sizeof words[0])];
        size_t n = strlen(w);
        if ((x >> 28) < 5) { /* some bytes of compressed content */
            p[i++] = (uint8_t)(x >> 20);
            continue;
        }
        for (size_t k = 0; k < n && i < len; k++)
            p[i++] = (uint8_t)w[k];
    }
}

static double through_engine(struct mmr_rules *set, const uint8_t *data, size_t len, const struct mmr_rules_stats **ret)
{
    static struct mmr_rules_stats last;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_rules_options opt = {.is_midstream_ok = true};
    struct mmr_rules_engine *e = NULL;
    if (mmr_rules_engine_new(set, &opt, &e, &err) < 0) {
        (void)fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    double from = now_s();
    struct mmr_flow flow = {0};
    uint64_t offset = 0;
    for (size_t at = 0, i = 0; at + PAYLOAD <= len; at += PAYLOAD, i++) {
        if (i % FLOW_PACKETS == 0) {
            if (i)
                mmr_rules_flow_end(e, &flow);
            flow = (struct mmr_flow){.struct_size = sizeof flow, .ip_version = 4, .proto = IPPROTO_TCP, .id = i + 1, .app = "http",
                                     .tcp_state = MMR_TCP_ESTABLISHED, .client_port = (uint16_t)(i + 1025), .server_port = 80,
                                     .packets = {1, 1}};
            flow.client = (struct mmr_addr){{[10] = 0xff, 0xff, 192, 168, 1, 2}};
            flow.server = (struct mmr_addr){{[10] = 0xff, 0xff, 203, 0, 113, 9}};
            offset = 0;
        }
        struct mmr_frame frame = {.struct_size = sizeof frame, .time_ns = (int64_t)i * 1000000, .index = i + 1};
        struct mmr_packet p = {.struct_size = sizeof p, .frame = &frame, .flow = &flow, .ip_version = 4, .proto = IPPROTO_TCP,
                               .dir = (uint8_t)(i & 1), .ttl = 64, .src = flow.client, .dst = flow.server, .src_port = flow.client_port,
                               .dst_port = 80, .payload = data + at, .payload_len = PAYLOAD, .tcp_flags = 0x18};
        struct mmr_chunk c = {.struct_size = sizeof c, .flow = &flow, .packet = &p, .data = data + at, .len = PAYLOAD,
                              .offset = offset / 2, .dir = p.dir};
        mmr_rules_packet(e, &p);
        mmr_rules_chunk(e, &c);
        offset += PAYLOAD;
    }
    mmr_rules_flow_end(e, &flow);
    double took = now_s() - from;
    last = *mmr_rules_engine_stats(e);
    *ret = &last;
    mmr_rules_engine_free(e);
    return took;
}

static void ignore_hit(void *ctx, uint32_t literal)
{
    *(uint64_t *)ctx += literal != UINT32_MAX;
}

/* The floor: one literal of each rule, the longest or the marked one, in one database; nothing else is done. */
static double floor_scan(const struct mmr_rules *set, const uint8_t *data, size_t len)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct literal *lits = calloc(set->n_rules + 1, sizeof *lits);
    struct prefilter *pf = NULL;
    struct prefilter_scratch *s = mmr_prefilter_scratch_new();
    uint64_t hits = 0;
    uint32_t n = 0;
    if (!lits || !s)
        exit(1);
    for (uint32_t i = 0; i < set->n_rules; i++) {
        const struct rule *r = set->rules[i];
        const struct step *t = r->pre_group ? &r->groups[r->pre_group - 1].steps[r->pre_step] : NULL;
        if (t && t->len >= 3)
            lits[n++] = (struct literal){t->p, t->len, t->flags & S_NOCASE};
    }
    if (mmr_prefilter_new(lits, n, false, &pf, &err) < 0 || mmr_prefilter_scratch_prepare(s, pf, &err) < 0) {
        (void)fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    double from = now_s();
    for (size_t at = 0; at + PAYLOAD <= len; at += PAYLOAD)
        mmr_prefilter_scan(pf, s, data + at, PAYLOAD, ignore_hit, &hits);
    double took = now_s() - from;
    mmr_prefilter_scratch_free(s);
    mmr_prefilter_free(pf);
    free(lits);
    return took;
}

/* What a reload takes: the new set is made beside the old one, which goes on meanwhile, then the engine changes over. */
static void reload(struct mmr_rules *set, const char *rules)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_rules_options opt = {.is_midstream_ok = true};
    struct mmr_rules_engine *e = NULL;
    struct mmr_rules *next = NULL;
    if (mmr_rules_engine_new(set, &opt, &e, &err) < 0)
        exit(1);
    (void)malloc_trim(0);
    long before = rss_kib("VmRSS:");
    FILE *f = fopen("/proc/self/clear_refs", "w"); /* the peak counts from here */
    if (f) {
        (void)fputs("5", f);
        (void)fclose(f);
    }
    double from = now_s();
    if (mmr_rules_new(NULL, &next, &err) < 0 || mmr_rules_add_file(next, rules, NULL, NULL, &err) < 0 || mmr_rules_compile_like(next, set, &err) < 0)
        exit(1);
    double ready = now_s();
    if (mmr_rules_engine_swap(e, next, &err) < 0)
        exit(1);
    double swapped = now_s();
    mmr_rules_free(set);
    (void)malloc_trim(0);
    (void)printf("{\"bench\":\"rules.reload\",\"prepare_s\":%.3f,\"swap_ms\":%.2f,\"before_mib\":%.1f,\"peak_over_before_mib\":%.1f,\"after_mib\":%.1f}\n",
                 ready - from, (swapped - ready) * 1e3, (double)before / 1024, (double)(rss_kib("VmHWM:") - before) / 1024,
                 (double)rss_kib("VmRSS:") / 1024);
    mmr_rules_engine_free(e);
    mmr_rules_free(next);
}

int main(int argc, char **argv)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_rules *set = NULL;
    const struct mmr_rules_stats *st;
    size_t len = (size_t)(argc > 2 ? strtoul(argv[2], NULL, 10) : 32) * 1024 * 1024;
    const char *rules = argc > 1 ? argv[1] : MMR_SHARED_DIR "/data/rules-et/et-open-2025.rules.gz";
    double from = now_s();
    if (mmr_rules_new(NULL, &set, &err) < 0 || mmr_rules_add_file(set, rules, NULL, NULL, &err) < 0) {
        (void)fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    double parsed = now_s();
    if (mmr_rules_compile(set, &err) < 0) {
        (void)fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    double compiled = now_s();
    (void)printf("{\"bench\":\"rules.load\",\"rules\":%zu,\"left_out\":%zu,\"parse_s\":%.3f,\"compile_s\":%.3f,\"rss_mib\":%.1f,"
                 "\"peak_mib\":%.1f}\n", mmr_rules_count(set), mmr_rules_failed(set), parsed - from, compiled - parsed,
                 (double)rss_kib("VmRSS:") / 1024, (double)rss_kib("VmHWM:") / 1024);
    uint8_t *data = malloc(len);
    if (!data)
        return 1;
    fill(data, len);
    double floor_s = floor_scan(set, data, len), engine_s = through_engine(set, data, len, &st);
    double mbit = (double)len * 8 / 1e6;
    (void)printf("{\"bench\":\"rules.match\",\"bytes\":%zu,\"floor_mbit\":%.0f,\"engine_mbit\":%.0f,\"ratio\":%.2f,"
                 "\"candidates\":%llu,\"checks\":%llu,\"alerts\":%llu,\"rss_mib\":%.1f}\n", len, mbit / floor_s, mbit / engine_s,
                 engine_s / floor_s, (unsigned long long)st->candidates, (unsigned long long)st->checks,
                 (unsigned long long)st->alerts, (double)rss_kib("VmRSS:") / 1024);
    free(data);
    reload(set, rules);
    return 0;
}
