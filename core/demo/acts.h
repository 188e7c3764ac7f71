/* acts.h - the acts: a deployment, an attack, and what must be true afterwards. */
#ifndef MMR_DEMO_ACTS_H
#define MMR_DEMO_ACTS_H

#include "demo/demo.h"
#include "demo/lab.h"
#include "demo/tell.h"

/* errors: the demo itself could not go on; wrong conclusions are counted in tell */
int mmr_acts_play(struct mmr_lab *lab, struct mmr_tell *tell, const struct mmr_demo_opts *o, struct mmr_error *err);

#endif
