/* hpack.h - header blocks of HTTP/2 (RFC 7541). Bytes come from the network; tables and texts are bounded. */
#ifndef MMR_PROTO_HPACK_H
#define MMR_PROTO_HPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HPACK_TABLE_DEFAULT = 4096, HPACK_TABLE_MAX = 64 * 1024, HPACK_TEXT_MAX = 32 * 1024 };
struct hpack_entry {
    uint8_t *p; /* name, then value */
    uint32_t n_name, n_value;
};
struct hpack { /* what one direction has agreed on so far; zero-filled and hpack_init() to begin */
    struct hpack_entry *ring;
    uint32_t cap, first, n; /* first: the newest */
    uint32_t bytes, bytes_max, limit; /* limit: what the receiver allows */
};
void hpack_init(struct hpack *h);
void hpack_done(struct hpack *h);
void hpack_set_limit(struct hpack *h, uint32_t bytes); /* SETTINGS_HEADER_TABLE_SIZE of the other side */

struct hpack_field { /* valid for the call */
    const uint8_t *name, *value;
    size_t n_name, n_value;
};
typedef void (*hpack_field_fn)(void *ctx, const struct hpack_field *f);
/* A whole header block. False: malformed; the table no longer means anything. */
bool hpack_decode(struct hpack *h, const uint8_t *p, size_t n, hpack_field_fn fn, void *ctx);

#endif
