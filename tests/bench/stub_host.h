/*
 * stub_host.h - the least host that plugins run in, for measurements: topics, configuration, events counted. It spends as little as can be,
 * so that what is measured is the plugins' work.
 */
#ifndef MMR_BENCH_STUB_HOST_H
#define MMR_BENCH_STUB_HOST_H

#include <mamori/net.h>
#include <mamori/plugin.h>

enum { STUB_PLUGINS = 8, STUB_TOPICS = 6 };
struct stub_topic { /* t first: a topic's pointer is its stub_topic's */
    struct mmr_topic t;
    const char *id;
    const struct mmr_sink *sink[STUB_PLUGINS];
    void *self[STUB_PLUGINS];
};
struct stub_host {
    struct mmr_host h;
    struct stub_topic topics[STUB_TOPICS];
    const struct mmr_plugin *plugin[STUB_PLUGINS];
    void *self[STUB_PLUGINS], *config[STUB_PLUGINS];
    unsigned n, depth;
    uint64_t events;
    bool is_live; /* the machine's clocks; else time stands still and timers are ignored */
    int fd;       /* what a live sensor asked to have watched; -1: nothing */
    uint64_t cookie;
    void (*seen)(void *ctx, const void *msgpack, size_t len); /* each event, or NULL */
    void *ctx;
};

void stub_init(struct stub_host *h);
/* Makes an instance and connects its topics; ends the program, with its words, where it refuses. cfg: "key", "value", ..., NULL; or NULL */
void stub_add(struct stub_host *h, const struct mmr_plugin *p, const char *const *cfg);
void stub_done(struct stub_host *h); /* finish() of analyzers, then destroys the last one first */

/* Seconds of processor time of this process; peak and present memory in bytes, from the kernel. */
double stub_cpu_s(void);
size_t stub_resident(void);
size_t stub_peak(void);

#endif
