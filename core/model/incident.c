/* incident.c - the container: growing to its ceilings, kept in order, owned findings. */
#include "model/incident.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct mmr_incident *mmr_incident_new(uint64_t id, struct mmr_error *err)
{
    struct mmr_incident *i = calloc(1, sizeof *i);
    if (!i) {
        (void)mmr_fail(err, MMR_ENOMEM, "incident %016llx: out of memory", (unsigned long long)id);
        return NULL;
    }
    i->id = id;
    i->harm = 'n';
    return i;
}

void mmr_incident_free(struct mmr_incident *i)
{
    if (!i)
        return;
    for (uint32_t k = 0; k < i->n_evidence; k++)
        free(i->evidence[k].finding);
    free(i->evidence);
    free(i->joins);
    free(i->hosts);
    free(i->actions);
    free(i->why);
    free(i);
}

/* Room for one more of n items in *arr: doubling from 2, at the powers of two. */
static int grow(void **arr, uint32_t n, size_t item, struct mmr_error *err)
{
    if (n != 0 && (n < 2 || (n & (n - 1)) != 0))
        return 0;
    void *p = realloc(*arr, item * (n ? n * 2u : 2u));
    if (!p)
        return mmr_fail(err, MMR_ENOMEM, "incident: out of memory for %u items", n + 1);
    *arr = p;
    return 0;
}

int mmr_incident_add_join(struct mmr_incident *i, enum mmr_entity_kind kind, const char *value, struct mmr_error *err)
{
    struct mmr_join j = {.kind = kind};
    (void)snprintf(j.value, sizeof j.value, "%s", value);
    for (uint32_t k = 0; k < i->n_joins; k++)
        if (i->joins[k].kind == kind && strcmp(i->joins[k].value, j.value) == 0)
            return 0;
    if (i->n_joins == MMR_INCIDENT_JOINS_MAX)
        return 0;
    void *arr = i->joins;
    int e = grow(&arr, i->n_joins, sizeof j, err);
    i->joins = arr;
    if (e == 0)
        i->joins[i->n_joins++] = j;
    return e;
}

static void add_addrs(struct mmr_host_ref *to, const struct mmr_host_ref *from)
{
    for (unsigned k = 0; k < 4 && mmr_addr_is_set(&from->addr[k]); k++)
        for (unsigned s = 0; s < 4; s++) {
            if (!mmr_addr_is_set(&to->addr[s]))
                to->addr[s] = from->addr[k];
            if (mmr_addr_equal(&to->addr[s], &from->addr[k]))
                break;
        }
}

static bool same_host(const struct mmr_host_ref *a, const struct mmr_host_ref *b)
{
    if (a->name[0] && b->name[0])
        return strcasecmp(a->name, b->name) == 0;
    for (unsigned x = 0; x < 4 && mmr_addr_is_set(&a->addr[x]); x++)
        for (unsigned y = 0; y < 4 && mmr_addr_is_set(&b->addr[y]); y++)
            if (mmr_addr_equal(&a->addr[x], &b->addr[y]))
                return true;
    return false;
}

int mmr_incident_add_host(struct mmr_incident *i, const struct mmr_host_ref *h, struct mmr_error *err)
{
    for (uint32_t k = 0; k < i->n_hosts; k++) {
        struct mmr_host_ref *old = &i->hosts[k];
        if (!same_host(old, h))
            continue;
        if (!old->name[0])
            memcpy(old->name, h->name, sizeof old->name);
        add_addrs(old, h);
        if (h->role > old->role) /* other < victim < attacker < source: who attacks from inside stays that */
            old->role = h->role;
        return 0;
    }
    if (i->n_hosts == MMR_INCIDENT_HOSTS_MAX)
        return 0;
    void *arr = i->hosts;
    int e = grow(&arr, i->n_hosts, sizeof *h, err);
    i->hosts = arr;
    if (e == 0)
        i->hosts[i->n_hosts++] = *h;
    return e;
}

int mmr_incident_add_action(struct mmr_incident *i, const struct mmr_action_rec *a, struct mmr_error *err)
{
    if (i->n_actions == MMR_INCIDENT_ACTIONS_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "incident %016llx has %u actions already", (unsigned long long)i->id,
                        i->n_actions);
    void *arr = i->actions;
    int e = grow(&arr, i->n_actions, sizeof *a, err);
    i->actions = arr;
    if (e == 0)
        i->actions[i->n_actions++] = *a;
    return e;
}

struct mmr_action_rec *mmr_incident_action(struct mmr_incident *i, uint64_t action_id)
{
    for (uint32_t k = 0; k < i->n_actions; k++)
        if (i->actions[k].id == action_id)
            return &i->actions[k];
    return NULL;
}

/* By corrected time; ties by id, so that the order does not depend on arrival. */
static int evidence_order(const struct mmr_evidence *a, const struct mmr_evidence *b)
{
    int64_t x = mmr_finding_time(a->finding), y = mmr_finding_time(b->finding);
    if (x != y)
        return x < y ? -1 : 1;
    return memcmp(a->finding->id, b->finding->id, 16);
}

/* Past the ceiling the rule with the most evidence gives up its latest (severity and phase spared). */
static uint32_t least_telling(const struct mmr_incident *i)
{
    uint32_t worst = 0, worst_score = 0;
    for (uint32_t k = 0; k < i->n_evidence; k++) {
        const struct mmr_finding *f = i->evidence[k].finding;
        uint32_t same = 0;
        for (uint32_t m = 0; m < i->n_evidence; m++) {
            const struct mmr_finding *g = i->evidence[m].finding;
            same += f->rule && g->rule && f->side == g->side && strcmp(f->rule, g->rule) == 0;
        }
        uint32_t score = same * 8 + (f->phase == MMR_PHASE_NONE ? 512u : 0) + (6 - f->severity_id);
        if (score >= worst_score) {
            worst_score = score;
            worst = k;
        }
    }
    return worst;
}

int mmr_incident_insert_evidence(struct mmr_incident *i, const struct mmr_evidence *e, struct mmr_error *err)
{
    void *arr = i->evidence;
    int rc = grow(&arr, i->n_evidence, sizeof *e, err);
    i->evidence = arr;
    if (rc < 0) {
        free(e->finding);
        return rc;
    }
    uint32_t at = i->n_evidence;
    while (at > 0 && evidence_order(&i->evidence[at - 1], e) > 0)
        at--;
    memmove(&i->evidence[at + 1], &i->evidence[at], (i->n_evidence - at) * sizeof *e);
    i->evidence[at] = *e;
    i->n_evidence++;
    if (i->n_evidence > MMR_INCIDENT_EVIDENCE_MAX) {
        uint32_t out = least_telling(i);
        free(i->evidence[out].finding);
        memmove(&i->evidence[out], &i->evidence[out + 1], (i->n_evidence - out - 1) * sizeof *e);
        i->n_evidence--;
        i->evicted++;
    }
    return 0;
}

void mmr_incident_why(struct mmr_incident *i, const char *fmt, ...)
{
    void *room = i->why;
    if (i->n_why == MMR_INCIDENT_WHY_MAX || grow(&room, i->n_why, sizeof *i->why, NULL) < 0)
        return;
    i->why = room;
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(i->why[i->n_why], sizeof *i->why, fmt, ap);
    va_end(ap);
    i->n_why++;
}
