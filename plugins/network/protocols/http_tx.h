/* http_tx.h - one HTTP transaction on its way: what libhtp does not keep. Internal to http*.c. */
#ifndef MMR_PROTO_HTTP_TX_H
#define MMR_PROTO_HTTP_TX_H

#include "proto.h"

#include <htp/htp.h>

struct http_text { /* grown up to a limit; what is beyond is counted only */
    uint8_t *p;
    size_t n, cap;
    uint64_t total;
};
struct http_tx {
    struct http_tx *next, *prev;
    htp_tx_t *htp;
    struct http_text body[2], head[2]; /* head: the header block as it came */
    uint64_t id;
    bool is_sent[2];
};
struct http_flow {
    struct proto *m;
    struct proto_flow *pf;
    const struct mmr_packet *packet; /* of the chunk being parsed */
    htp_connp_t *connp;
    struct http_tx *txs;
    uint64_t next_id;
    uint32_t n_open;
    bool is_synced[2], is_tunnel;
};
/* Send the transaction's request (MMR_TO_SERVER) or response part with its buffers, and the event. */
void http_tx_send(struct http_flow *h, struct http_tx *t, uint8_t dir);

#endif
