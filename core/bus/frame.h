/*
 * frame.h - the envelope every message on the bus has: a MessagePack array of fixed places (docs: the wire
 * protocol). [ver, kind, lane, flags, node, epoch, seq, id, t_wall, t_mono, boot, body_type, body, sig?]
 */
#ifndef MMR_BUS_FRAME_H
#define MMR_BUS_FRAME_H

#include <mamori/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MMR_FRAME_VERSION = 1, MMR_FRAME_MAX = 256 * 1024, MMR_FRAME_HEAD_MAX = 160, MMR_FRAME_SIG = 64 };
enum mmr_frame_kind {
    MMR_FRAME_HELLO = 1, MMR_FRAME_WELCOME, MMR_FRAME_DATA, MMR_FRAME_ACK, MMR_FRAME_CREDIT, MMR_FRAME_CMD,
    MMR_FRAME_RECEIPT, MMR_FRAME_PING, MMR_FRAME_PONG, MMR_FRAME_JOIN, MMR_FRAME_JOINED, MMR_FRAME_ROTATE,
    MMR_FRAME_BYE, MMR_FRAME_ERROR,
};
enum mmr_body_type { MMR_BODY_NONE = 0, MMR_BODY_RECORDS = 1, MMR_BODY_FIELDS = 2 };

struct mmr_envelope {
    uint32_t kind, lane, flags, body_type;
    uint8_t node[16], epoch[16], id[16], boot[16];
    uint64_t seq;
    int64_t t_wall_ns, t_mono_ns;
    const uint8_t *body; /* borrowed */
    size_t body_len;
    const uint8_t *sig;  /* MMR_FRAME_SIG bytes, or NULL */
    const uint8_t *signed_part; /* decode only: what sig is over */
    size_t signed_len;
};

/* The head up to the first byte of the body, which has env->body_len bytes. head: MMR_FRAME_HEAD_MAX bytes.
 * has_sig: a signature is put after the body with mmr_frame_put_sig(). Returns the head's length. */
size_t mmr_frame_put_head(const struct mmr_envelope *env, bool has_sig, uint8_t head[MMR_FRAME_HEAD_MAX]);
/* Whole frame, without (sign_secret NULL) or with an Ed25519 signature by a libsodium secret key.
 * errors MMR_ETOOBIG */
int mmr_frame_encode(const struct mmr_envelope *env, const uint8_t *sign_secret, void *buf, size_t cap,
                     size_t *ret_len, struct mmr_error *err);
/*
 * mmr_frame_decode - skims, then reads; env points into bytes.
 *
 * errors  MMR_EBADMSG malformed; MMR_EUNSUPPORTED another major version; MMR_ETOOBIG
 */
int mmr_frame_decode(const void *bytes, size_t len, struct mmr_envelope *ret_env, struct mmr_error *err);
bool mmr_frame_is_signed_by(const struct mmr_envelope *env, const uint8_t sign_public[32]);

/* ---- small MessagePack values: writing into a buffer that is known to be large enough, reading with a cursor ---- */

size_t mmr_wire_put_uint(uint8_t *p, uint64_t v);             /* at most 9 bytes */
size_t mmr_wire_put_int(uint8_t *p, int64_t v);               /* 9 bytes */
size_t mmr_wire_put_bin(uint8_t *p, const void *b, size_t n); /* n + 5 */
size_t mmr_wire_put_str(uint8_t *p, const char *s, size_t n); /* n + 5 */
struct mmr_wire_cursor {
    const uint8_t *p, *end;
    bool bad; /* sticky */
};
uint64_t mmr_wire_uint(struct mmr_wire_cursor *c);
int64_t mmr_wire_int(struct mmr_wire_cursor *c);
const uint8_t *mmr_wire_bin(struct mmr_wire_cursor *c, size_t *ret_len); /* bin or str; borrowed */

/* ---- records: the body of DATA and RECEIPT is a row of [who, kind, number, bytes] ---- */

enum { MMR_RECORD_HEAD_MAX = 64, MMR_BATCH_RECORDS_MAX = 256, MMR_BATCH_BYTES_MAX = 64 * 1024 };
struct mmr_wire_record {
    uint32_t who;          /* index, when name is NULL */
    const char *name;      /* not NUL-terminated */
    uint32_t name_len, kind;
    uint64_t number;
    const uint8_t *bytes;
    size_t len;
};
/* At most len + name_len + MMR_RECORD_HEAD_MAX bytes; returns how many. */
size_t mmr_record_put(uint8_t *p, const struct mmr_wire_record *r);
bool mmr_record_next(struct mmr_wire_cursor *c, struct mmr_wire_record *ret); /* false: end, or c->bad */
/* How many records a body has; 0 if it is malformed or has more than MMR_BATCH_RECORDS_MAX. */
uint32_t mmr_records_count(const uint8_t *body, size_t len);

#endif
