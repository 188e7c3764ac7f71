/* link: mmr_brain */
/*
 * bench_brain.c - events a second through the pipeline, on one core: decoding, admission, correlation;
 * with repeats, with new incidents, and with 10 to 100,000 incidents open; a pair of findings that share the attacker,
 * with 20,000 open (sec_pair.py is its peer); and a million events on and on, whose memory must stay. One JSON line a
 * measurement. bench_brain soak [EVENTS]: the last part alone.
 */
#include "brain/pipeline.h"

#include "util/clock.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define T0 (INT64_C(1700000000) * MMR_NS_PER_S)
enum { RING = 4096 };

struct packed {
    uint8_t buf[768];
    size_t len;
};
struct lab {
    struct mmr_pipeline *p;
    struct packed *ring;
    uint64_t serial;
    uint64_t random;
};

static uint64_t next_random(struct lab *l)
{
    l->random ^= l->random << 13;
    l->random ^= l->random >> 7;
    l->random ^= l->random << 17;
    return l->random;
}

static void address(char *buf, size_t cap, unsigned net, uint64_t n)
{
    (void)snprintf(buf, cap, "%u.%u.%u.%u", net, (unsigned)(n >> 16 & 255), (unsigned)(n >> 8 & 255), (unsigned)(n & 255));
}

/* A finding of one of `stories` attackers; is_new: of one never seen. */
static void make(struct lab *l, struct packed *e, uint64_t story, uint64_t serial)
{
    struct mmr_event ev;
    char src[20], dst[20], host[24], uid[24];
    bool is_network = serial % 2 == 0;
    address(src, sizeof src, 198, story);
    address(dst, sizeof dst, 10, story * 7 + 1);
    (void)snprintf(host, sizeof host, "pc-%llu", (unsigned long long)story);
    (void)snprintf(uid, sizeof uid, "%llu:%llu", (unsigned long long)(1000 + story % 30000), (unsigned long long)story);
    mmr_event_begin(&ev, e->buf, sizeof e->buf, "finding", 2004, 1, T0 + (int64_t)serial * 1000, 4);
    mmr_event_str(&ev, "mamori.side", is_network ? "network" : "endpoint");
    mmr_event_str(&ev, "mamori.node", "node-1");
    mmr_event_str(&ev, "mamori.plugin", "org.example.bench");
    mmr_event_int(&ev, "mamori.seq", (int64_t)serial);
    mmr_event_str(&ev, "mamori.rule", is_network ? "net.bench" : "ep.bench");
    mmr_event_str(&ev, "finding_info.title", "A made-up finding");
    mmr_event_str(&ev, "message", "a made-up finding with a line of text that says what happened");
    mmr_event_str(&ev, "mamori.phase", is_network ? "foothold.c2" : "foothold.process");
    mmr_event_str(&ev, "mamori.potential", "high");
    if (is_network) {
        mmr_event_str(&ev, "src_endpoint.ip", dst);
        mmr_event_int(&ev, "src_endpoint.port", (int64_t)(1024 + next_random(l) % 60000));
        mmr_event_str(&ev, "dst_endpoint.ip", src);
        mmr_event_int(&ev, "dst_endpoint.port", 443);
        mmr_event_str(&ev, "connection_info.protocol_name", "tcp");
    } else {
        mmr_event_str(&ev, "device.hostname", host);
        mmr_event_str(&ev, "process.name", "bad");
        mmr_event_str(&ev, "process.file.path", "/tmp/bad");
        mmr_event_str(&ev, "process.uid", uid);
        mmr_event_int(&ev, "process.pid", (int64_t)(1000 + story % 30000));
    }
    if (mmr_event_end(&ev) < 0)
        abort();
    e->len = ev.len;
}

static void feed(struct lab *l, const struct packed *e)
{
    struct mmr_event_view v;
    struct mmr_error err = {.struct_size = sizeof err};
    if (mmr_event_read(e->buf, e->len, &v, &err) < 0 || mmr_pipeline_event(l->p, &v, T0, &err) < 0) {
        (void)fprintf(stderr, "bench_brain: %s\n", err.text);
        exit(3);
    }
}

/* Events made in rings outside the measured time. new_of_100: how many of a hundred open a story. */
static double run(struct lab *l, uint64_t events, uint64_t stories, unsigned new_of_100)
{
    int64_t spent = 0;
    uint64_t fresh = stories;
    for (uint64_t done = 0; done < events; done += RING) {
        for (unsigned k = 0; k < RING; k++) {
            bool is_new = k % 100 < new_of_100;
            make(l, &l->ring[k], is_new ? fresh++ : next_random(l) % stories, l->serial++);
        }
        int64_t from = mmr_clock_mono_ns();
        for (unsigned k = 0; k < RING; k++)
            feed(l, &l->ring[k]);
        spent += mmr_clock_mono_ns() - from;
    }
    return (double)(events / RING * RING) * 1e9 / (double)spent;
}

static void open_lab(struct lab *l, uint32_t max, bool is_live)
{
    struct mmr_pipeline_config c = {.track = {.max_incidents = max}};
    struct mmr_pipeline_ops ops = {0};
    mmr_policy_default(&c.policy);
    c.policy.is_replay = !is_live;
    l->random = 88172645463325252u;
    l->serial = 0;
    if (mmr_pipeline_new(&c, &ops, &l->p, NULL) < 0)
        exit(3);
}

/* An exploit from X, then a call-back of the machine inside to X: one story. */
static void make_half(struct packed *e, uint64_t x, bool is_second, uint64_t serial)
{
    struct mmr_event ev;
    char bad[20];
    address(bad, sizeof bad, 198, x);
    mmr_event_begin(&ev, e->buf, sizeof e->buf, "finding", 2004, 1, T0 + (int64_t)serial * 1000, 4);
    mmr_event_str(&ev, "mamori.side", "network");
    mmr_event_str(&ev, "mamori.node", "node-1");
    mmr_event_str(&ev, "mamori.plugin", "org.example.bench");
    mmr_event_int(&ev, "mamori.seq", (int64_t)serial);
    mmr_event_str(&ev, "mamori.rule", is_second ? "net.callback" : "net.exploit");
    mmr_event_str(&ev, "finding_info.title", is_second ? "A call back" : "An exploit");
    mmr_event_str(&ev, "mamori.phase", is_second ? "foothold.c2" : "attempt.inbound");
    mmr_event_str(&ev, "mamori.potential", is_second ? "low" : "high");
    mmr_event_str(&ev, "mamori.direction", is_second ? "outbound" : "inbound");
    mmr_event_str(&ev, is_second ? "dst_endpoint.ip" : "src_endpoint.ip", bad);
    mmr_event_int(&ev, is_second ? "dst_endpoint.port" : "src_endpoint.port", (int64_t)(1024 + serial % 60000));
    if (mmr_event_end(&ev) < 0)
        abort();
    e->len = ev.len;
}

static void pairs(struct lab *l, uint64_t open, uint64_t n)
{
    struct mmr_pipeline_stats s;
    int64_t spent = 0;
    uint64_t done = 0;
    open_lab(l, (uint32_t)open * 2, false); /* as many wait for their second half as have theirs */
    for (uint64_t x = 0; x < open; x++) {
        make_half(&l->ring[0], x, false, l->serial++);
        feed(l, &l->ring[0]);
    }
    mmr_pipeline_stats(l->p, &s);
    uint32_t before = s.track.open;
    for (uint64_t x = 0; x < n; x += RING / 2) {
        for (uint64_t k = 0; k < RING / 2; k++) {
            make_half(&l->ring[2 * k], x + k, true, l->serial++);
            make_half(&l->ring[2 * k + 1], open + x + k, false, l->serial++);
        }
        int64_t from = mmr_clock_mono_ns();
        for (unsigned k = 0; k < RING; k++)
            feed(l, &l->ring[k]);
        spent += mmr_clock_mono_ns() - from;
        done += RING / 2;
    }
    /* each first half opened an incident, each second must have joined it */
    mmr_pipeline_stats(l->p, &s);
    bool is_right = before == open && s.track.open + s.track.evicted_incidents == open + done;
    printf("{\"bench\":\"brain.pair\",\"open\":%u,\"findings_per_s\":%.0f,\"pairs\":%llu,\"ok\":%s}\n", s.track.open,
           (double)(2 * done) * 1e9 / (double)spent, (unsigned long long)done, is_right ? "true" : "false");
    mmr_pipeline_free(l->p);
    (void)fflush(stdout);
}

/* On and on: repeats, new stories, old ones pushed out. What is in use after each eighth must not grow. */
static int soak(struct lab *l, uint64_t events)
{
    enum { PARTS = 8, OPEN = 20000 };
    size_t used[PARTS] = {0}, low = SIZE_MAX, high = 0;
    int64_t from = mmr_clock_mono_ns();
    open_lab(l, OPEN, true);
    for (uint64_t i = 0; i < OPEN; i++) {
        make(l, &l->ring[0], i, l->serial++);
        feed(l, &l->ring[0]);
    }
    uint64_t fresh = OPEN;
    for (unsigned part = 0; part < PARTS; part++) {
        for (uint64_t k = 0; k < events / PARTS; k++) {
            bool is_new = k % 4 == 0;
            make(l, &l->ring[0], is_new ? fresh++ : fresh - 1 - next_random(l) % OPEN, l->serial++);
            feed(l, &l->ring[0]);
            if (k % 64 == 63) /* as the loop does after each batch: plan, classify, tell */
                (void)mmr_pipeline_work(l->p, T0, UINT32_MAX);
        }
        used[part] = mallinfo2().uordblks + mallinfo2().hblkhd;
        if (part >= PARTS / 2) { /* every table has reached its ceiling by then */
            low = used[part] < low ? used[part] : low;
            high = used[part] > high ? used[part] : high;
        }
    }
    struct mmr_pipeline_stats s;
    mmr_pipeline_stats(l->p, &s);
    bool is_flat = high - low < high / 50;
    printf("{\"bench\":\"brain.soak\",\"events\":%llu,\"open\":%u,\"seconds\":%.1f,\"mb_after_half\":%.1f,\"mb_at_end\":%.1f,\"flat\":%s}\n",
           (unsigned long long)events, s.track.open, (double)(mmr_clock_mono_ns() - from) / 1e9, (double)used[PARTS / 2 - 1] / 1e6,
           (double)used[PARTS - 1] / 1e6, is_flat ? "true" : "false");
    mmr_pipeline_free(l->p);
    return is_flat ? 0 : 1;
}

int main(int argc, char **argv)
{
    static const uint64_t open_counts[] = {5, 50, 500, 5000, 10000, 50000}; /* two incidents a story */
    struct lab l = {.ring = calloc(RING, sizeof(struct packed))};
    if (!l.ring)
        return 3;
    if (argc > 1 && strcmp(argv[1], "soak") == 0) {
        int status = soak(&l, argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000);
        free(l.ring);
        return status;
    }
    for (size_t k = 0; k < sizeof open_counts / sizeof open_counts[0]; k++) {
        uint64_t n = open_counts[k];
        struct mmr_pipeline_stats s;
        open_lab(&l, 200000, false);
        size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
        for (uint64_t i = 0; i < n * 2; i++) { /* both kinds of each story */
            make(&l, &l.ring[0], i / 2, l.serial++);
            feed(&l, &l.ring[0]);
        }
        mmr_pipeline_stats(l.p, &s);
        uint32_t open = s.track.open;
        size_t bytes = mallinfo2().uordblks + mallinfo2().hblkhd - before;
        double repeats = run(&l, 400000, n, 0);
        mmr_pipeline_stats(l.p, &s);
        printf("{\"bench\":\"brain.repeats\",\"open\":%u,\"events_per_s\":%.0f,\"bytes_per_open\":%zu}\n", open, repeats,
               open ? bytes / open : 0);
        double mixed = run(&l, 200000, n, 10);
        mmr_pipeline_stats(l.p, &s);
        printf("{\"bench\":\"brain.mixed_10_percent_new\",\"open\":%u,\"events_per_s\":%.0f,\"evicted\":%llu}\n", s.track.open,
               mixed, (unsigned long long)s.track.evicted_incidents);
        mmr_pipeline_free(l.p);
        (void)fflush(stdout);
    }
    pairs(&l, 20000, 200000);
    int status = soak(&l, 1000000);
    free(l.ring);
    return status;
}
