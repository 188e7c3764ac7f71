/* link.h - inside the bus room: what local and site links share. */
#ifndef MMR_BUS_LINK_H
#define MMR_BUS_LINK_H

#include "bus/local.h"
#include "bus/part.h"

#include <string.h>

enum { /* envelope flags */
    MMR_LINK_GO_BACK = 1 << 0,    /* ACK: a number is missing, send again from seq + 1 */
    MMR_LINK_SAY_HELLO = 1 << 1,  /* ERROR: this end does not know the session */
    MMR_LINK_CANNOT_READ = 1 << 3, /* ERROR: what came is no message of a version that this end knows */
};
enum { MMR_LINK_CREDIT_BATCHES = 16 }; /* telemetry messages in flight; each at most MMR_BATCH_BYTES_MAX */

struct mmr_local_config mmr_link_config(const struct mmr_local_config *cfg); /* defaults filled in */
void mmr_link_boot_id(uint8_t ret_id[16]); /* of this boot of the kernel; zero if it cannot be read */

/* Envelope with kind, lane, both clocks and boot filled in, the rest zero. */
struct mmr_envelope mmr_link_envelope(uint32_t kind, uint32_t lane, const uint8_t epoch[16],
                                      const uint8_t boot[16]);
/* [bus] one frame to a DEALER's peer, or by routing id to one peer of a ROUTER (rid NULL: a DEALER).
 * errors MMR_EAGAIN queue full or not connected; MMR_ENOENT no such peer; MMR_EIO */
int mmr_link_send(void *sock, const void *rid, size_t rid_len, const void *bytes, size_t len);
int mmr_link_send_envelope(void *sock, const void *rid, size_t rid_len, const struct mmr_envelope *env,
                           const uint8_t *sign_secret);
/* [bus] one frame from a DEALER, decoded, as a message for the loop; MMR_EAGAIN none, MMR_EBADMSG skipped one */
int mmr_link_recv(struct mmr_bus_part *p, void *sock, struct mmr_bus_msg **ret_msg);
/* The same from a ROUTER with the sender's routing id. On MMR_EBADMSG *ret_msg may be NULL. */
enum { MMR_LINK_RID_MAX = 255 };
struct mmr_link_rid {
    uint8_t len;
    uint8_t b[MMR_LINK_RID_MAX];
};
int mmr_link_recv_from(struct mmr_bus_part *p, void *sock, struct mmr_link_rid *ret_rid,
                       struct mmr_bus_msg **ret_msg);
static inline bool mmr_link_rid_equal(const struct mmr_link_rid *a, const struct mmr_link_rid *b)
{
    return a->len == b->len && memcmp(a->b, b->b, a->len) == 0;
}

/* A frame whose body is one record, head in front of it, as a message for the bus thread: m->a is where the
 * frame starts in m->bytes, m->len where it ends. sign_secret NULL: unsigned. NULL: out of memory. */
struct mmr_bus_msg *mmr_link_record(struct mmr_bus_part *p, uint32_t op, struct mmr_envelope *env,
                                    const struct mmr_wire_record *r, const uint8_t *sign_secret);

/* Watching a DEALER's connection: [loop] before it connects. NULL on failure. */
void *mmr_link_monitor(struct mmr_bus *bus, void *sock, struct mmr_error *err);
void *mmr_link_monitor_events(struct mmr_bus *bus, void *sock, int events, struct mmr_error *err); /* ZMQ_EVENT_ bits */
enum mmr_link_event { MMR_LINK_NOTHING = 0, MMR_LINK_CONNECTED, MMR_LINK_DISCONNECTED, MMR_LINK_REFUSED };
enum mmr_link_event mmr_link_monitor_next(void *monitor); /* [bus] NOTHING: no more */

#endif
