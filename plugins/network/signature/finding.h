/* finding.h - from a rule that matched to a finding: phase, direction, potential, ATT&CK. */
#ifndef MAMORI_SIGNATURE_FINDING_H
#define MAMORI_SIGNATURE_FINDING_H

#include <mamori/event.h>
#include <rules/rules.h>

enum { FINDING_ATTACK_MAX = 8 };
struct finding_facts {
    const char *phase;     /* NULL: a hint */
    const char *potential; /* "high", "low", "info" */
    const char *direction; /* NULL: cannot be told */
    uint32_t severity_id;
    uint32_t n_attack;
    char attack[FINDING_ATTACK_MAX][24];
    bool is_harm, reserved[7];
};
void finding_facts_of(const struct mmr_rule_info *rule, const struct mmr_flow *flow, struct finding_facts *ret);
/* Build the event into buf; ev is ready for mmr_event_emit() */
void finding_build(struct mmr_event *ev, void *buf, size_t cap, const struct mmr_rule_hit *hit,
                   const struct finding_facts *facts);

#endif
