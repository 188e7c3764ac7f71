/* nats.h - inside the outlet program for NATS JetStream: connect.c (who, stream), publish.c (records), check.c (is it safe?). */
#ifndef MMR_ENGINE_NATS_NATS_H
#define MMR_ENGINE_NATS_NATS_H

#include "engine/serve.h"

#include <nats/nats.h>
#include <pthread.h>
#include <stdatomic.h>

enum { MMR_NATS_URLS_MAX = 16, MMR_NATS_TEXT_MAX = 256 };

struct mmr_nats_lane;
struct mmr_nats_record;
struct mmr_nats_reply;

struct mmr_nats {
    struct mmr_engine_host *host;
    /* settings, copied */
    char *urls[MMR_NATS_URLS_MAX], *monitors[MMR_NATS_URLS_MAX];
    int n_urls, n_monitors;
    char *stream, *subject, *login, *ca;
    int64_t replicas, dedup_ms;
    /* connection */
    natsOptions *options;
    natsConnection *nc; /* NULL: never yet */
    jsCtx *js;
    natsSubscription *replies;
    char *inbox;
    _Atomic uint32_t connects; /* counted by the library's thread; seen: by ours */
    uint32_t seen;
    bool is_stream_good;
    int64_t tried_ns, looked_ns, checked_ns; /* monotonic: to connect; at the stream; at the servers */
    size_t part_max;               /* bytes of content a message may have */
    /* records */
    struct mmr_nats_record *slot[MMR_ENGINE_WINDOW], *send_head[2], **send_end[2]; /* urgent, others */
    uint32_t free_slot[MMR_ENGINE_WINDOW], n_free;
    struct mmr_nats_lane *lanes;
    uint64_t gen, stored, doubled;
    int64_t scanned_ns, told_ns;
    uint64_t troubles; /* since told */
    /* what the library's thread heard */
    pthread_mutex_t lock;
    struct mmr_nats_reply *heard, *heard_before; /* filled; the one that was read before */
    uint32_t n_heard;
    int wake_fd;
};

/* connect.c */
int mmr_nats_prepare(struct mmr_nats *x, struct mmr_error *err); /* how to connect. errors MMR_ECONFIG */
/* Is there a connection and a stream that takes records? Looks, makes the stream where it may, tells the collector. errors: end */
int mmr_nats_tend(struct mmr_nats *x, int64_t now_ns, bool *ret_is_good, struct mmr_error *err);

/* publish.c */
int mmr_nats_publish_open(struct mmr_nats *x, struct mmr_error *err);
void mmr_nats_take(struct mmr_nats *x, const struct mmr_engine_record *r);
void mmr_nats_on_reply(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *ctx); /* [library's thread] */
void mmr_nats_publish(struct mmr_nats *x, int64_t now_ns, bool is_good);
void mmr_nats_again(struct mmr_nats *x); /* replies were lost: all that is under way goes once more */

/* check.c: what is not safe is named in the log, with what was found and what to do. Takes seconds at worst. */
void mmr_nats_check(struct mmr_nats *x, const jsStreamInfo *si);

#endif
