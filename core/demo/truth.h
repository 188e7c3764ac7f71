/* truth.h - which process was on which machine, kept while the demo runs, by the demo's own look at /proc. */
#ifndef MMR_DEMO_TRUTH_H
#define MMR_DEMO_TRUTH_H

#include "demo/lab.h"

struct mmr_truth;
int mmr_truth_new(struct mmr_lab *lab, struct mmr_truth **ret, struct mmr_error *err);
void mmr_truth_free(struct mmr_truth *t);
void mmr_truth_look(struct mmr_truth *t);
/* 1: it was there; 0: it was on another machine, or on none of the lab's; -1: never seen */
int mmr_truth_was(struct mmr_truth *t, int64_t pid, const char *machine);

#endif
