/* stub_host.c - see stub_host.h. */
#include "stub_host.h"

#include "config_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void publish(void *impl, const struct mmr_topic *topic, const void *item)
{
    (void)impl;
    const struct stub_topic *s = (const struct stub_topic *)(const void *)topic;
    for (uint32_t k = 0; k < topic->sinks; k++)
        s->sink[k]->item(s->self[k], item);
}

/* The kind comes first in an event: a map32, the key "mamori.kind", then a short text. */
static bool is_for(const struct mmr_plugin *p, const uint8_t *msgpack, size_t len)
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
    struct stub_host *h = impl;
    struct mmr_error err = {.struct_size = sizeof err};
    h->events++;
    if (h->seen)
        h->seen(h->ctx, msgpack, len);
    if (h->depth)
        return 0;
    h->depth++;
    for (unsigned i = 0; i < h->n; i++)
        if (h->plugin[i]->analyzer && is_for(h->plugin[i], msgpack, len))
            (void)h->plugin[i]->analyzer->event(h->self[i], msgpack, len, &err);
    h->depth--;
    return 0;
}

static const void *extension(void *impl, const char *id)
{
    const struct stub_host *h = impl;
    for (unsigned i = 0; i < STUB_TOPICS; i++)
        if (strcmp(h->topics[i].id, id) == 0)
            return &h->topics[i].t;
    return NULL;
}

static int64_t now_ns(void *impl, int which)
{
    const struct stub_host *h = impl;
    struct timespec t;
    if (!h->is_live)
        return 1;
    (void)clock_gettime(which == MMR_CLOCK_WALL ? CLOCK_REALTIME : CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int set_timer(void *impl, int64_t msec, uint64_t cookie)
{
    (void)impl;
    (void)msec;
    (void)cookie;
    return 0;
}

static int watch_fd(void *impl, int fd, unsigned rw, uint64_t cookie)
{
    struct stub_host *h = impl;
    h->fd = rw ? fd : -1;
    h->cookie = cookie;
    return 0;
}

static void say(void *impl, int level, const char *text)
{
    const struct stub_host *h = impl;
    if (h->is_live && level <= MMR_LOG_ERR)
        (void)fprintf(stderr, "%s\n", text);
}

void stub_init(struct stub_host *h)
{
    static const char *const ids[STUB_TOPICS] = {MMR_TOPIC_FRAME, MMR_TOPIC_PACKET, MMR_TOPIC_STREAM, MMR_TOPIC_FLOW, MMR_TOPIC_TX, MMR_TOPIC_ALERT};
    memset(h, 0, sizeof *h);
    h->fd = -1;
    h->h = (struct mmr_host){.struct_size = sizeof h->h, .impl = h, .instance = "bench", .state_dir = "", .log = say, .emit = emit,
                             .extension = extension, .now_ns = now_ns, .set_timer = set_timer, .watch_fd = watch_fd};
    for (unsigned i = 0; i < STUB_TOPICS; i++) {
        h->topics[i].id = ids[i];
        h->topics[i].t = (struct mmr_topic){.struct_size = sizeof h->topics[i].t, .publish = publish};
    }
}

void stub_add(struct stub_host *h, const struct mmr_plugin *p, const char *const *cfg)
{
    struct mmr_error err = {.struct_size = sizeof err};
    unsigned i = h->n;
    if (i == STUB_PLUGINS || mmr_testhost_config_fill(p, cfg, &h->config[i], &err) < 0 || p->create(&h->h, h->config[i], &h->self[i], &err) < 0) {
        (void)fprintf(stderr, "%s: %s\n", p->id, err.text);
        exit(1);
    }
    h->plugin[i] = p;
    h->n++;
    for (unsigned t = 0; p->extension && t < STUB_TOPICS; t++) {
        struct stub_topic *s = &h->topics[t];
        const struct mmr_sink *sink = p->extension(s->id);
        if (sink) {
            s->sink[s->t.sinks] = sink;
            s->self[s->t.sinks++] = h->self[i];
        }
    }
}

void stub_done(struct stub_host *h)
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

double stub_cpu_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static size_t status_kib(const char *field)
{
    char line[256];
    size_t kib = 0;
    FILE *f = fopen("/proc/self/status", "re");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, field, strlen(field)) == 0)
            kib = strtoul(line + strlen(field), NULL, 10);
    if (f)
        (void)fclose(f);
    return kib;
}

size_t stub_resident(void)
{
    return status_kib("VmRSS:") * 1024;
}

size_t stub_peak(void)
{
    return status_kib("VmHWM:") * 1024;
}
