/* pipeline_internal.h - what the files of the pipeline share: pipeline.c (events in, the steps of one incident), pipeline_answer.c (receipts,
 * people, time), pipeline_recorded.c (the end of recorded input, the beginning after a restart). */
#ifndef MMR_BRAIN_PIPELINE_INTERNAL_H
#define MMR_BRAIN_PIPELINE_INTERNAL_H

#include "brain/pipeline.h"

#include "brain/due.h"
#include "classify/recur.h"
#include "correlate/stories.h"
#include "defend/lease.h"

enum { K_AGENT = 0x300, K_TOLD = 0x301 }; /* kinds of keys in the tables below */

struct told { /* what was last said about an incident, to tell only news */
    uint64_t digest;
    int64_t due_ns, since_ns; /* since_ns: we know of it */
};
struct mmr_pipeline {
    struct mmr_pipeline_ops ops;
    struct mmr_resolve *resolve;
    struct mmr_tracker *tracker;
    struct mmr_track_ops track_ops;
    struct mmr_rails *rails;
    struct mmr_leases *leases;
    struct mmr_recur *recur;
    struct mmr_stories *stories; /* NULL: no correlation rules */
    struct mmr_table *agents, *told; /* machines that send endpoint events; incident -> struct told */
    struct mmr_due due;
    struct mmr_plan_env env;
    struct mmr_responder *responders;
    struct mmr_cidr *home;
    int64_t quiet_ns, now_ns;
    struct mmr_plan plan; /* scratch of one step */
    size_t n_infra; /* already on the never-block list */
    struct mmr_pipeline_stats stats;
};

/* Not while it is severe, and neither contained nor withdrawn. */
static inline bool may_close(const struct mmr_incident *i)
{
    return i->class_current != MMR_CLASS_OF_SEVERE || i->is_contained || i->is_withdrawn;
}

/* What was last said about an incident; made when there is none. NULL: no memory */
struct told *mmr_pipeline_told(struct mmr_pipeline *p, uint64_t id);
/* Everything a reader would call news, as one number. */
uint64_t mmr_pipeline_digest(const struct mmr_incident *i);
void mmr_pipeline_tell(struct mmr_pipeline *p, struct mmr_incident *i, unsigned change, int64_t now_ns); /* if it is news */
void mmr_pipeline_release(struct mmr_pipeline *p, struct mmr_incident *i);                               /* its blocks, where nobody else needs them */
void mmr_pipeline_schedule(struct mmr_pipeline *p, struct mmr_incident *i, int64_t now_ns);              /* its next look */
void mmr_pipeline_step(struct mmr_pipeline *p, struct mmr_incident *i, int64_t now_ns);                  /* view, plan, class, telling */
void mmr_pipeline_protect_infra(struct mmr_pipeline *p);

#endif
