/*
 * stream.h - the bytes of one sender's connection, without socket or TLS: from them come lines, and
 * into it go the acknowledgements. Every protocol has a file of its own. Bytes come from the network.
 */
#ifndef MMR_SEAT_STREAM_H
#define MMR_SEAT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mamori/error.h>

#include "mp.h"

enum {
    MMR_SEAT_LINE_MAX = 1024 * 1024,
    MMR_SEAT_MESSAGE_MAX = 16 * 1024 * 1024,  /* one message of forward or Beats */
    MMR_SEAT_UNPACKED_MAX = 32 * 1024 * 1024, /* what one may unpack to */
    MMR_SEAT_UNKNOWN_MAX = 64 * 1024,         /* held for a peer that has not said who it is */
    MMR_SEAT_OUT_MAX = 256 * 1024,            /* acknowledgements a peer does not read */
    MMR_SEAT_CHUNK_MAX = 128,                 /* bytes of a chunk's name */
    MMR_SEAT_PENDING_MAX = 4096,              /* units that wait for their commit */
};

struct mmr_seat_buf {
    uint8_t *p;
    size_t at, used, cap; /* [at, used) is there */
};
bool mmr_seat_buf_add(struct mmr_seat_buf *b, const void *p, size_t n, size_t max); /* false: over max, or no memory */
void mmr_seat_buf_take(struct mmr_seat_buf *b, size_t n);
void mmr_seat_buf_free(struct mmr_seat_buf *b);
static inline size_t mmr_seat_buf_len(const struct mmr_seat_buf *b)
{
    return b->used - b->at;
}

struct mmr_seat_unit { /* what the sender wants acknowledged: a chunk, a sequence number, a transaction */
    uint64_t mark;     /* set by the sink's owner: the event that must be committed */
    uint32_t number;
    uint16_t len, reserved;
    char chunk[MMR_SEAT_CHUNK_MAX];
};

struct mmr_seat_sink { /* where lines go; all calls from within mmr_seat_run() */
    void *ctx;
    /* One record. text is borrowed and may be changed; time_ns: when the sender says it was read, 0: not said. */
    void (*line)(void *ctx, char *text, size_t len, int64_t time_ns);
    bool (*is_full)(void *ctx); /* stop for now; run again later */
    void (*unit)(void *ctx, const struct mmr_seat_unit *u); /* all its lines have been given */
    bool (*is_repeated)(void *ctx, const struct mmr_seat_unit *u); /* its lines were given before, on another connection */
    /* The key of a sender that calls itself so, NUL-terminated; NULL: none of that name. */
    const char *(*key)(void *ctx, const char *name);
    void (*proved)(void *ctx, const char *name); /* that sender showed that it has the key */
    void (*skipped)(void *ctx, const char *why); /* a record was left out */
};

struct mmr_seat_stream;
struct mmr_seat_proto {
    const char *name; /* scheme of the listener: "tcp", "forward", .. */
    size_t message_max;
    bool has_acks;
    void (*open)(struct mmr_seat_stream *s); /* may be NULL; the first bytes are ours */
    int (*step)(struct mmr_seat_stream *s, struct mmr_error *err); /* 1: go on, 0: more bytes or room needed, or an error */
    void (*ack)(struct mmr_seat_stream *s, const struct mmr_seat_unit *u); /* into s->out; NULL without has_acks */
    void (*idle)(struct mmr_seat_stream *s); /* NULL, or: units wait for seconds; keep the sender waiting */
};
const struct mmr_seat_proto *mmr_seat_proto_find(const char *name, size_t len); /* or NULL */

struct mmr_seat_stream {
    const struct mmr_seat_proto *proto;
    struct mmr_seat_sink sink;
    struct mmr_seat_buf in, out;
    char *scratch; /* one line, MMR_SEAT_LINE_MAX + 1 */
    bool is_known; /* the peer is somebody: by certificate, address, or key */
    bool needs_key;
    bool is_skipping; /* inside a line over the limit */
    bool is_ended;    /* the protocol said goodbye: send out, then close */
    uint32_t state;   /* of the protocol */
    size_t searched;  /* bytes of in already looked at */
    struct mmr_mp_scan scan;
    /* a message whose records are being given */
    size_t message;  /* bytes of in it takes; 0: none */
    struct mmr_mp_cur entries;
    uint64_t entries_left; /* UINT64_MAX: until the bytes end */
    uint8_t *unpacked;
    size_t unpacked_len, unpacked_at;
    struct mmr_seat_unit unit;
    bool has_unit;
    uint8_t nonce[16];
    uint32_t window, in_window; /* Beats */
};

/* The sink is copied. MMR_ENOMEM */
int mmr_seat_stream_init(struct mmr_seat_stream *s, const struct mmr_seat_proto *proto, const struct mmr_seat_sink *sink,
                         bool is_known, bool needs_key, struct mmr_error *err);
void mmr_seat_stream_done(struct mmr_seat_stream *s);
/* Bytes of the peer. MMR_ETOOBIG: more than it may send in one piece; end the connection. */
int mmr_seat_push(struct mmr_seat_stream *s, const void *p, size_t n, struct mmr_error *err);
/* Gives lines until there are no more or the sink is full. An error ends the connection: what was wrong is in err. */
int mmr_seat_run(struct mmr_seat_stream *s, struct mmr_error *err);
/* Everything up to this unit is committed. */
void mmr_seat_acknowledge(struct mmr_seat_stream *s, const struct mmr_seat_unit *u);

/* gzip (is_gzip, several members) or zlib into *ret (malloc), at most max bytes.
 * MMR_EBADMSG damaged or cut; MMR_ETOOBIG over max */
int mmr_seat_inflate(const void *p, size_t n, bool is_gzip, size_t max, uint8_t **ret, size_t *ret_n, struct mmr_error *err);

extern const struct mmr_seat_proto mmr_seat_tcp, mmr_seat_forward, mmr_seat_beats, mmr_seat_relp;

#endif
