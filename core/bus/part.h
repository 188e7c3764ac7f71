/*
 * part.h - inside the bus room: what a server, client, hub or node is to the bus thread. Not for callers.
 *
 * A part is owned by the loop thread; between attach and the return of detach the bus thread calls its [bus]
 * functions. Sockets are made and bound by the loop thread and then handed over through the ring, which is
 * the full fence libzmq asks for when a socket changes its thread.
 */
#ifndef MMR_BUS_PART_H
#define MMR_BUS_PART_H

#include "bus/frame.h"
#include "bus/ring.h"
#include "bus/thread.h"

#include <zmq.h>

enum {
    MMR_BUS_RING = 16384,                    /* messages on their way between the threads, each way */
    MMR_BUS_INBOUND_MAX = 32 * 1024 * 1024,  /* bytes received and not yet handled by the loop */
    MMR_BUS_TURN_MAX = 128,                  /* messages taken from one socket before the next is served */
    MMR_BUS_PART_POLL_MAX = 132,             /* sockets of one part */
    MMR_BUS_PARTS_MAX = 8,
};

struct mmr_bus_part;
struct mmr_bus_msg { /* crosses a ring; owned by who holds it */
    struct mmr_bus_msg *next;
    struct mmr_bus_part *part;
    uint32_t op;    /* the part's own numbers, from 1; 0 is the bus's */
    uint32_t slot;  /* slot, node or lane: the part's */
    uint64_t a, b;  /* the part's */
    uint32_t tag;    /* the part's */
    void *p;        /* the part's */
    struct mmr_envelope env; /* of a received frame; points into frame */
    zmq_msg_t frame;
    bool has_frame;
    size_t len;      /* of bytes */
    uint8_t bytes[];
};

struct mmr_bus_part_ops {
    void (*command)(struct mmr_bus_part *p, struct mmr_bus_msg *m); /* [bus] takes m */
    /* [bus] Timers and sends; returns the next deadline (mono ns, INT64_MAX: none). */
    int64_t (*tick)(struct mmr_bus_part *p, int64_t now_ns);
    /* [bus] Fill in what to poll, at most MMR_BUS_PART_POLL_MAX; the same items come back to ready(). */
    size_t (*poll)(struct mmr_bus_part *p, zmq_pollitem_t *items);
    void (*ready)(struct mmr_bus_part *p, const zmq_pollitem_t *items, size_t n, int64_t now_ns); /* [bus] */
    void (*deliver)(struct mmr_bus_part *p, struct mmr_bus_msg *m); /* [loop] m is freed by the caller */
    void (*turn)(struct mmr_bus_part *p); /* [loop] once each drain: look at what the bus thread left in atomics */
    void (*close)(struct mmr_bus_part *p); /* [bus] last call: close sockets, free what the bus side holds */
};
struct mmr_bus_part {
    const struct mmr_bus_part_ops *ops;
    struct mmr_bus *bus;
};

void *mmr_bus_context(struct mmr_bus *bus); /* the zmq context */
int mmr_bus_attach(struct mmr_bus *bus, struct mmr_bus_part *p, struct mmr_error *err); /* [loop] */
void mmr_bus_detach(struct mmr_bus_part *p); /* [loop] when it returns the bus thread has forgotten p */

struct mmr_bus_msg *mmr_bus_msg_new(struct mmr_bus_part *p, uint32_t op, size_t len); /* [any] or NULL */
void mmr_bus_msg_free(struct mmr_bus_msg *m); /* [any] accepts NULL */
bool mmr_bus_post(struct mmr_bus_msg *m);     /* [loop] to the bus thread; takes m; false: full, m is freed */
void mmr_bus_wake(struct mmr_bus *bus);       /* [loop] make the bus thread tick */

bool mmr_bus_has_room(struct mmr_bus *bus);      /* [bus] may more be received? false: stop, drain() will wake us */
bool mmr_bus_deliver(struct mmr_bus_msg *m);     /* [bus] to the loop; takes m; false: full, m is freed */
void mmr_bus_notice(struct mmr_bus *bus);        /* [bus] make the loop call turn() */

/* A socket with the settings of all: LINGER 0, MAXMSGSIZE, high water marks. [loop] */
void *mmr_bus_socket(struct mmr_bus *bus, int type, struct mmr_error *err);

#endif
