/* host_pending.h - what a plugin host owes the core: a receipt for each action it took, in time, and the
 * receipts the bus had no room for yet. Bounded tables. */
#ifndef MMR_PLUGIN_HOST_PENDING_H
#define MMR_PLUGIN_HOST_PENDING_H

#include "bus/local.h"

struct mmr_pending;
enum { MMR_PENDING_MAX = 1024 };

struct mmr_pending *mmr_pending_new(void); /* NULL: no memory */
void mmr_pending_free(struct mmr_pending *p); /* accepts NULL */
/* An action begins. The same again moves its deadline. errors MMR_ETOOBIG the table is full */
int mmr_pending_add(struct mmr_pending *p, uint32_t instance, uint64_t id, int64_t deadline_ns);
bool mmr_pending_done(struct mmr_pending *p, uint32_t instance, uint64_t id); /* false: was not waiting */
/* Forget those past their deadline, late() for each. */
void mmr_pending_expire(struct mmr_pending *p, int64_t now_ns,
                        void (*late)(void *ctx, uint32_t instance, uint64_t id), void *ctx);
/* Send a receipt on lane 0, or keep it until mmr_pending_flush(). errors MMR_ETOOBIG; MMR_ENOMEM */
int mmr_pending_send(struct mmr_pending *p, struct mmr_local_client *client, uint32_t instance, uint64_t id, int code,
                     const void *msgpack, size_t len);
int mmr_pending_flush(struct mmr_pending *p, struct mmr_local_client *client); /* MMR_EAGAIN: some still wait */

#endif
