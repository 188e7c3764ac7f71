/* unseen.h - what rules could not see, by name: values that did not fit into their event, texts and expressions given up. */
#ifndef MMR_SIGMA_UNSEEN_H
#define MMR_SIGMA_UNSEEN_H

#include <mamori/event.h>

#include "sigma/sigma.h"

enum { MMR_SIGMA_UNSEEN_SAY_S = 60 }; /* seconds between two lines about one thing */

struct unseen {
    uint64_t cut; /* values that were longer than their event holds */
    uint64_t cut_unsaid, regex_said, text_said;
    int64_t said_ns; /* 0: never */
    char field[MMR_EVENT_KEY_MAX + 1], kind[64]; /* of the latest cut value */
};

/* Count the values of an event that are cut: those its sensor names in `mamori.cut`, and those as long as a value can be. */
void unseen_look(struct unseen *l, const struct mmr_event_view *v);

/*
 * unseen_say - the lines that are due now, one call of say each.
 *
 * st      the rule set's counts; those of a new rule set start again at 0
 * now_ns  any clock that does not go back; the first line comes at once, further ones a minute apart and with their number
 */
void unseen_say(struct unseen *l, const struct mmr_sigma_stats *st, int64_t now_ns, void (*say)(void *ctx, const char *text), void *ctx);

#endif
