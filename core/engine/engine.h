/*
 * engine.h - between a collector and the program that hands its records to a message engine or a database: what is asked, what is
 * answered, and the pipe between them. The program is a process of its own (<outlets>/NAME, started by upstream/outlet_program.c), so that
 * neither the engine's library nor its threads are in the collector's; another engine is another program, and the collector stays as it is.
 *
 * The pipe is a stream socket, descriptor 3 of the program. Both ends are on one machine and of one build: numbers are in its byte
 * order. A frame is its length (4 bytes, of what follows), a byte that says what it is, and the content.
 *
 *   collector                              program
 *   OPEN key NUL value NUL ...        ->
 *                                     <-   READY | AWAY why: may records be given? again whenever it changes
 *   RECORD                            ->
 *                                     <-   DONE numbers: the engine has them durably
 *                                     <-   NEVER number, why: it will never take this one
 *                                     <-   BEAT each second
 *   end of the stream: the program ends; what was not told done comes again
 */
#ifndef MMR_ENGINE_ENGINE_H
#define MMR_ENGINE_ENGINE_H

#include <mamori/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MMR_ENGINE_FD = 3,
    MMR_ENGINE_JSON_MAX = 4 * 1024 * 1024 + 64 * 1024,  /* an outbox row and who it belongs to */
    MMR_ENGINE_FRAME_MAX = MMR_ENGINE_JSON_MAX + 4096,
    MMR_ENGINE_WINDOW = 4096,                            /* records given and not told done */
    MMR_ENGINE_WINDOW_BYTES = 32 * 1024 * 1024,
    MMR_ENGINE_PAIRS_MAX = 32,
    MMR_ENGINE_BEAT_MS = 1000,
};
enum mmr_engine_op { MMR_ENGINE_OPEN = 1, MMR_ENGINE_RECORD, MMR_ENGINE_READY, MMR_ENGINE_AWAY, MMR_ENGINE_DONE, MMR_ENGINE_NEVER, MMR_ENGINE_BEAT };

struct mmr_engine_record {
    uint64_t seq;      /* the collector's, for DONE and NEVER */
    uint64_t number;   /* the site's own: grows within (site, is_urgent) */
    int64_t at_ns;     /* the site's clock */
    bool is_urgent;    /* the lane. Records of one (site, lane) are kept in the order they are given */
    uint8_t id[16];    /* of the content: the same record has the same one, whoever hands it on and however often */
    const char *site;  /* TENANT.SITE */
    const char *kind;  /* "incident", "finding", "receipt", "checkpoint", "presence" */
    const char *json;  /* one object */
    size_t len;
};

/* ---- the pipe ---- */

struct mmr_engine_pipe { /* zero, then init */
    int fd;              /* not blocking */
    uint8_t *in, *out;
    size_t in_len, in_cap, out_at, out_len, out_cap;
};
void mmr_engine_pipe_init(struct mmr_engine_pipe *p, int fd); /* fd taken */
void mmr_engine_pipe_done(struct mmr_engine_pipe *p);
/* A frame to be sent; head and body may be NULL. errors MMR_ETOOBIG; MMR_ENOMEM */
int mmr_engine_put(struct mmr_engine_pipe *p, enum mmr_engine_op op, const void *head, size_t head_len, const void *body, size_t len);
int mmr_engine_put_record(struct mmr_engine_pipe *p, const struct mmr_engine_record *r);
/* What the socket takes of it. errors MMR_EIO the other end is gone */
int mmr_engine_flush(struct mmr_engine_pipe *p);
static inline size_t mmr_engine_unsent(const struct mmr_engine_pipe *p)
{
    return p->out_len - p->out_at;
}
/*
 * mmr_engine_read - what came, frame by frame (borrowed for the call).
 *
 * fn      not 0: stop, and return that
 * errors  MMR_EIO the other end is gone; MMR_EBADMSG a frame of a length that none has; MMR_ENOMEM
 */
int mmr_engine_read(struct mmr_engine_pipe *p, int (*fn)(void *ctx, uint32_t op, const uint8_t *bytes, size_t len), void *ctx, struct mmr_error *err);

/* ---- contents ---- */

/* Strings and json point into bytes. errors MMR_EBADMSG truncated, not terminated, or too long */
int mmr_engine_record_read(const uint8_t *bytes, size_t len, struct mmr_engine_record *ret, struct mmr_error *err);
/* key, value, key, value: ret holds MMR_ENGINE_PAIRS_MAX pairs. errors MMR_EBADMSG */
int mmr_engine_pairs_read(const uint8_t *bytes, size_t len, const char *ret[][2], size_t *ret_n, struct mmr_error *err);
/* The value, or "" */
const char *mmr_engine_pair(const char *const pairs[][2], size_t n, const char *key);
/* NEVER. ret_why points into bytes. errors MMR_EBADMSG */
int mmr_engine_never_read(const uint8_t *bytes, size_t len, uint64_t *ret_seq, const char **ret_why, struct mmr_error *err);

#endif
