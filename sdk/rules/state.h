/* state.h - what rules remember beyond one flow: thresholds, detection filters, bits of hosts and pairs. */
#ifndef MMR_RULES_STATE_H
#define MMR_RULES_STATE_H

#include <rules/rule.h>

struct state_table; /* fixed size; the oldest of eight neighbours gives way, and is counted */
struct state_table *mmr_state_new(void);
void mmr_state_free(struct state_table *t);
uint64_t mmr_state_evicted(const struct state_table *t);

struct state_who { /* the packet or message a rule matched on */
    const struct mmr_addr *src, *dst;
    uint16_t src_port, dst_port;
    uint32_t reserved;
    uint64_t flow_id;
    int64_t now_ns;
};
/* Counts one match against the threshold: does it alert? */
bool mmr_state_threshold(struct state_table *t, uint32_t rule_id, const struct threshold *th, const struct state_who *w);
bool mmr_state_bit_get(struct state_table *t, uint8_t space, uint32_t id, const struct state_who *w);
void mmr_state_bit_put(struct state_table *t, const struct bit_act *b, uint32_t id, const struct state_who *w, bool is_set);

#endif
