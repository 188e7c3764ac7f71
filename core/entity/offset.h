/*
 * offset.h - the clock error of each source, from connections that both sides saw: the median of
 * network time minus endpoint time. Network sensors are the reference.
 */
#ifndef MMR_ENTITY_OFFSET_H
#define MMR_ENTITY_OFFSET_H

#include "entity/table.h"

struct mmr_offsets;
int mmr_offsets_new(uint32_t max_sources, struct mmr_offsets **ret, struct mmr_error *err);
void mmr_offsets_free(struct mmr_offsets *o);

/* One matched connection. Returns true when the estimate of this source moved by more than a second. */
bool mmr_offsets_sample(struct mmr_offsets *o, struct mmr_key source, int64_t network_minus_endpoint_ns);
int64_t mmr_offsets_get(const struct mmr_offsets *o, struct mmr_key source); /* 0: not known */
/* How far the middle half of the samples spreads: the error of the estimate. 0: not known */
int64_t mmr_offsets_error(const struct mmr_offsets *o, struct mmr_key source);

#endif
