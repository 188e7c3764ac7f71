/*
 * direction.h - who is the client of a conversation whose beginning was not seen: from what the first
 * payload says, from servers known already, from the ports.
 */
#ifndef MMR_FLOW_DIRECTION_H
#define MMR_FLOW_DIRECTION_H

#include <mamori/net.h>

enum { DIRECTION_SERVERS = 4096 };
struct direction_memory { /* services seen to accept connections, by hash; the newest wins a slot */
    uint64_t servers[DIRECTION_SERVERS];
};
void direction_learn(struct direction_memory *m, const struct mmr_addr *addr, uint16_t port, uint8_t proto);
/* True if the packet's source is the server. */
bool direction_is_reply(const struct direction_memory *m, const struct mmr_packet *p);

#endif
