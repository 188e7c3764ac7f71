/*
 * wire.h - the Fluentd forward protocol, version 1, from the sender's side: what is said, and what the peer answers.
 * The peer's bytes come from outside; trust none. Source: its public specification ("Fluentd Forward Protocol Specification v1").
 */
#ifndef MMR_FLUENT_WIRE_H
#define MMR_FLUENT_WIRE_H

#include <mamori/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MMR_FLUENT_ANSWER_MAX = 4096, /* bytes of one answer; a HELO, a PONG and an acknowledgement are a few hundred */
    MMR_FLUENT_CHUNK_TEXT = 24,   /* characters of a chunk's name: 16 bytes in base64 */
    MMR_FLUENT_DIGEST_TEXT = 128, /* characters of a SHA-512 in hexadecimal */
    MMR_FLUENT_NONCE_MAX = 256,
    MMR_FLUENT_TAG_MAX = 128,
    MMR_FLUENT_JSON_DEPTH = 16, /* of a record; listeners refuse what is deeper */
};

/* ---- what we say; bytes are returned, free() ---- */

/*
 * mmr_fluent_chunk - one record as a PackedForward message of one entry with its time (EventTime) and a chunk's name.
 *
 * tag      first part of what the receiver routes by; ".2005" (class_uid), ".notice", ".report" or ".record" follows
 * data     one JSON object (borrowed); its "time" is milliseconds since 1970, else now_ns is used
 * chunk    MMR_FLUENT_CHUNK_TEXT + 1 bytes; the same record with the same seq has the same name, so a receiver that knows
 *          it already can say so
 * errors   MMR_EINVAL a tag over MMR_FLUENT_TAG_MAX bytes; MMR_EBADMSG no JSON object, or deeper than MMR_FLUENT_JSON_DEPTH; MMR_ENOMEM
 */
int mmr_fluent_chunk(const char *tag, const void *data, size_t len, uint64_t seq, int64_t now_ns, char chunk[MMR_FLUENT_CHUNK_TEXT + 1], uint8_t **ret,
                     size_t *ret_len, struct mmr_error *err);

struct mmr_fluent_self { /* borrowed texts; user and password may be NULL */
    const char *name, *key, *user, *password;
};
struct mmr_fluent_session { /* what the handshake needs to remember */
    uint8_t nonce[MMR_FLUENT_NONCE_MAX], auth[MMR_FLUENT_NONCE_MAX]; /* of the peer's HELO */
    size_t n_nonce, n_auth;
    char salt[33];
};
/* PING in answer to a HELO: makes a new salt. errors MMR_EPERM the peer wants a user and we have none; MMR_ENOMEM */
int mmr_fluent_ping(const struct mmr_fluent_self *self, struct mmr_fluent_session *s, uint8_t **ret, size_t *ret_len, struct mmr_error *err);

/* ---- what the peer answers ---- */

enum mmr_fluent_kind { MMR_FLUENT_HELO = 1, MMR_FLUENT_PONG, MMR_FLUENT_ACK };
struct mmr_fluent_text { /* borrowed from the bytes read */
    const char *p;
    size_t n;
};
struct mmr_fluent_answer {
    enum mmr_fluent_kind kind;
    bool is_ok;                                        /* PONG */
    struct mmr_fluent_text reason, name, digest;       /* PONG */
    struct mmr_fluent_text nonce, auth;                /* HELO; auth is empty when no user is asked for */
    struct mmr_fluent_text chunk;                      /* ACK */
};
/* The first answer in p: 1 whole, *ret_used bytes; 0 more bytes are needed.
 * errors MMR_EBADMSG not of this protocol; MMR_ETOOBIG over MMR_FLUENT_ANSWER_MAX or too deep */
int mmr_fluent_answer(const uint8_t *p, size_t len, size_t *ret_used, struct mmr_fluent_answer *ret, struct mmr_error *err);
/* Keep what a HELO said. errors MMR_EBADMSG a nonce that is missing or over MMR_FLUENT_NONCE_MAX */
int mmr_fluent_hello(struct mmr_fluent_session *s, const struct mmr_fluent_answer *helo, struct mmr_error *err);
/* Did the peer let us in, and does it have the key itself? errors MMR_EPERM it refused us, has another key, or uses our own name */
int mmr_fluent_pong(const struct mmr_fluent_self *self, const struct mmr_fluent_session *s, const struct mmr_fluent_answer *pong, struct mmr_error *err);

#endif
