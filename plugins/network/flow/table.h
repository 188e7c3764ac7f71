/*
 * table.h - the flow table: flows from a slab found by their address pair, aged in one list per kind,
 * with a ceiling. When it is full the least valuable old flow gives way and is counted.
 */
#ifndef MMR_FLOW_TABLE_H
#define MMR_FLOW_TABLE_H

#include <mamori/error.h>
#include <mamori/net.h>

enum flow_age { /* lists by time-out; the order is the order of eviction */
    FLOW_AGE_CLOSED = 0, FLOW_AGE_TCP_NEW, FLOW_AGE_OTHER, FLOW_AGE_UDP, FLOW_AGE_TCP, FLOW_AGES
};
struct flow_seg { /* a piece of a TCP stream that waits for what is before it */
    struct flow_seg *next;
    uint32_t seq, len;
    bool is_urgent; /* a byte the application does not read in its place */
    uint8_t data[];
};
enum {
    DIR_SYNCED = 1 << 0,  /* next_seq means something */
    DIR_STARTED = 1 << 1, /* a chunk was published */
    DIR_FIN = 1 << 2,     /* fin_seq is set */
    DIR_ENDED = 1 << 3,   /* the END chunk was published */
    DIR_ACKED = 1 << 4,   /* ack is set: what this side acknowledged last */
    DIR_DATA = 1 << 5,    /* sent data */
    DIR_SYN_DATA = 1 << 6, /* what waits came with the SYN: nobody knows yet whether the other side took it */
    DIR_URGENT = 1 << 7,  /* urgent_seq is set */
};
struct flow_dir {
    uint32_t next_seq, fin_seq, ack, urgent_seq;
    uint32_t held;        /* bytes waiting */
    uint64_t offset;      /* of next_seq in the stream */
    struct flow_seg *wait, *tail;
    int64_t hole_ns;      /* when the hole before wait was first seen */
    uint32_t gap;         /* bytes lost before next_seq, not yet told */
    uint16_t n_wait;
    uint8_t flags, n_bad; /* n_bad: segments in a row far outside the window */
};
struct flow { /* pub first: a struct mmr_flow pointer is a struct flow pointer */
    struct mmr_flow pub;
    struct flow *hash_next, *older, *newer;
    uint32_t hash;
    uint16_t id16; /* ICMP echo: the identifier */
    uint16_t vlan[2]; /* by direction: mirrors tag one and leave the other without; VLAN_UNSEEN */
    uint8_t age, is_reset;
    struct flow_dir dir[2];
};

enum { VLAN_UNSEEN = 0xffff };
struct flow_key {
    struct mmr_addr a, b; /* of the packet: source, destination */
    uint16_t a_port, b_port, vlan, id16;
    uint8_t proto, ip_version;
};
struct flow_table;
/* errors MMR_ENOMEM. max: ceiling of flows; seed: random, against made-up collisions */
int flow_table_new(uint32_t max, uint64_t seed, struct flow_table **ret, struct mmr_error *err);
/* Frees flows without telling anybody; pieces of streams too. */
void flow_table_free(struct flow_table *t);
/* The flow of key in either direction; *ret_dir is the packet's. A flow whose other half was not seen yet takes it from any VLAN. NULL: none. */
struct flow *flow_table_find(struct flow_table *t, const struct flow_key *key, uint8_t *ret_dir);
/* A new flow whose client is the packet's source (or destination, when reversed); NULL: full, evict. */
struct flow *flow_table_add(struct flow_table *t, const struct flow_key *key, bool is_reversed, enum flow_age age);
void flow_table_touch(struct flow_table *t, struct flow *f, enum flow_age age); /* now the youngest of its kind */
void flow_table_remove(struct flow_table *t, struct flow *f); /* f is gone afterwards */
struct flow *flow_table_oldest(struct flow_table *t, enum flow_age age); /* or NULL */
uint32_t flow_table_count(const struct flow_table *t);
/* The clock was set back by ns: so are the times of every flow. */
void flow_table_set_back(struct flow_table *t, int64_t ns);

#endif
