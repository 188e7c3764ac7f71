/*
 * frag.h - puts IP fragments together. The first copy of a byte wins. The number of datagrams, their
 * memory and their age are bounded; what gives way is counted.
 */
#ifndef MMR_FLOW_FRAG_H
#define MMR_FLOW_FRAG_H

#include "net_decode.h"

enum { FRAG_DATAGRAMS = 256, FRAG_HEADER = 64, FRAG_DATA_MAX = 65535 };
struct frag_datagram {
    struct mmr_addr src, dst;
    uint32_t id;
    uint8_t proto, ip_version, header_len;
    bool is_used;
    uint32_t total;   /* bytes of the whole payload; 0: the last fragment is not here yet */
    uint32_t end;     /* behind the last byte that is here */
    uint32_t units;   /* 8-byte units present */
    uint32_t n;       /* fragments taken */
    int64_t first_ns;
    uint8_t *buf;     /* FRAG_HEADER bytes, then the payload; grown */
    uint32_t buf_cap; /* payload bytes buf has room for */
    uint8_t have[FRAG_DATA_MAX / 64 + 2]; /* one bit a unit */
};
struct frag_table {
    struct frag_datagram d[FRAG_DATAGRAMS];
    uint64_t n_done, n_dropped; /* dropped: too old, too many, or impossible */
};

/*
 * frag_take - add a fragment.
 *
 * p, x        a packet decoded as NET_DECODED_FRAGMENT
 * ret_l3      the whole datagram, header included, when this fragment completed it; lives until the
 *             next call
 * returns     true when it is complete
 */
bool frag_take(struct frag_table *t, const struct mmr_packet *p, const struct net_extra *x,
               const uint8_t **ret_l3, size_t *ret_len);
void frag_done(struct frag_table *t);

#endif
