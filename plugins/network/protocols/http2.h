/* http2.h - the state of an HTTP/2 connection. Internal to http2*.c. */
#ifndef MMR_PROTO_HTTP2_H
#define MMR_PROTO_HTTP2_H

#include "hpack.h"
#include "proto.h"

enum { H2_STREAMS = 32, H2_FIELDS = 100 };
struct h2_field {
    uint32_t at, n_name, n_value; /* in the part's text; the value follows the name */
};
struct h2_part { /* a request or a response */
    struct h2_field *fields;
    uint8_t *text, *body;
    size_t n_fields, n_text, cap_text, n_body, cap_body;
    uint64_t total;
    bool is_sent, is_ended;
};
struct h2_stream {
    uint32_t id;
    bool is_used, is_dns; /* is_dns: a request for DNS over HTTPS */
    uint64_t tx_id;
    struct h2_part part[2];
};
struct h2_dir {
    struct hpack hpack;
    uint8_t head[9], n_head, type, flags, pad;
    bool is_in_frame, is_lost, has_pad, is_push, is_end_stream;
    uint32_t id, length, left, skip, block_stream;
    uint8_t *payload, *block;
    size_t n_payload, n_block, cap_payload, cap_block;
};
struct h2_flow {
    struct proto *m;
    struct proto_flow *pf;
    const struct mmr_packet *packet;
    uint64_t next_tx;
    struct h2_dir dir[2];
    struct h2_stream streams[H2_STREAMS];
};
/* The first value of a header field, or NULL. Names are lower case in HTTP/2. */
const uint8_t *http2_find(const struct h2_part *p, const char *name, size_t *ret_n);
/* Send this direction's part with its buffers and the event, and the DNS message inside. */
void http2_send(struct h2_flow *h, struct h2_stream *s, uint8_t dir);

#endif
