/*
 * ledger.h - which record of which plugin host a number of the link to the hub stands for, so that a host hears
 * "committed" only once the hub said so. Pure: it is told what was sent and acknowledged, and answers what may be
 * acknowledged. Two lanes, each a ring of consecutive numbers.
 */
#ifndef MMR_BRAIN_LEDGER_H
#define MMR_BRAIN_LEDGER_H

#include <mamori/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MMR_LEDGER_LANES = 2, MMR_LEDGER_NONE = 0xffff };

struct mmr_ledger;

/* slots: 0 to slots - 1; entries: records of a lane that may be under way. errors MMR_ENOMEM */
int mmr_ledger_new(uint32_t slots, uint32_t entries, struct mmr_ledger **ret, struct mmr_error *err);
void mmr_ledger_free(struct mmr_ledger *l); /* accepts NULL */

/* The slot's host started anew: what is under way from before it is nobody's. */
void mmr_ledger_renew(struct mmr_ledger *l, uint32_t slot);

bool mmr_ledger_has_room(const struct mmr_ledger *l, uint32_t lane);
size_t mmr_ledger_bytes(const struct mmr_ledger *l); /* under way, both lanes */

/*
 * mmr_ledger_sent - a record went into the spool.
 *
 * hub_seq  its number there: one more than that of the call before (the first: any)
 * slot     whose it is; MMR_LEDGER_NONE: our own
 * seq      its number of the slot's lane
 * errors   MMR_EAGAIN no room (ask first)
 */
int mmr_ledger_sent(struct mmr_ledger *l, uint32_t lane, uint64_t hub_seq, uint32_t slot, uint64_t seq, size_t bytes);
/* A record that is not passed on is done as soon as those before it are. true: now (acknowledge seq). */
bool mmr_ledger_done(struct mmr_ledger *l, uint32_t lane, uint32_t slot, uint64_t seq);

/* The hub has everything up to hub_seq: each() for each slot whose numbers up to seq may be acknowledged. */
void mmr_ledger_acked(struct mmr_ledger *l, uint32_t lane, uint64_t hub_seq,
                      void (*each)(void *ctx, uint32_t slot, uint32_t lane, uint64_t seq), void *ctx);

#endif
