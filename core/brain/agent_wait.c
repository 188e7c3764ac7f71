/*
 * agent_wait.c - orders for a responder that is not there for a moment: its host is being started again, or this agent was and the
 * hosts have not come back to it. They wait in their order, shorter than the hub waits for an answer, and are then passed on or given up.
 */
#include "brain/agent.h"

#include "plugin/order.h"
#include "util/clock.h"
#include "util/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_S = 10 };

static bool is_there(const struct mmr_agent *a, const char *instance)
{
    uint32_t slot, index;
    return mmr_roster_find(&a->roster, instance, &slot, &index) && a->roster.slot[slot].is_up;
}

bool mmr_agent_wait(struct mmr_agent *a, const struct mmr_site_record *o, uint32_t flags)
{
    if (a->is_last_try || is_there(a, o->instance) || flags & (MMR_ACT_RENEW | MMR_ACT_VERIFY | MMR_ACT_DRY_RUN) || a->n_waiting == MMR_AGENT_WAITING_MAX)
        return false;
    struct mmr_agent_waiting *w = &a->waiting[a->n_waiting];
    *w = (struct mmr_agent_waiting){.number = o->number, .len = o->len, .until_ns = mmr_clock_mono_ns() + WAIT_S * MMR_NS_PER_S};
    w->bytes = malloc(o->len ? o->len : 1);
    if (!w->bytes)
        return false;
    if (o->len)
        memcpy(w->bytes, o->bytes, o->len);
    (void)snprintf(w->instance, sizeof w->instance, "%s", o->instance);
    a->n_waiting++;
    mmr_log(MMR_LOG_INFO, "action.waits", "action=%016llx instance=%s what=\"it is being started; at most %d s\"", (unsigned long long)o->number, o->instance, WAIT_S);
    return true;
}

void mmr_agent_waited(struct mmr_agent *a)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < a->n_waiting; i++) {
        struct mmr_agent_waiting w = a->waiting[i];
        const bool is_over = mmr_clock_mono_ns() >= w.until_ns;
        if (!is_there(a, w.instance) && !is_over) {
            a->waiting[kept++] = w;
            continue;
        }
        const struct mmr_site_record o = {.node = "hub", .instance = w.instance, .kind = MMR_LOCAL_ACTION, .lane = MMR_LANE_URGENT,
                                          .number = w.number, .bytes = w.bytes, .len = w.len};
        a->is_last_try = true;
        mmr_agent_order(a, &o);
        a->is_last_try = false;
        free(w.bytes);
    }
    a->n_waiting = kept;
}

void mmr_agent_waiting_free(struct mmr_agent *a)
{
    for (uint32_t i = 0; i < a->n_waiting; i++)
        free(a->waiting[i].bytes);
    a->n_waiting = 0;
}
