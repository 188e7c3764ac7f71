/* actors.c - who does the bad thing in a finding and to whom, by side, phase and direction. */
#include "correlate/join.h"

#include <string.h>

/* The answer of a service everybody uses says nothing about who is bad. */
static bool may_attack(const struct mmr_resolve *r, const struct mmr_finding *f, const struct mmr_addr *a)
{
    if (!mmr_addr_is_set(a) || mmr_addr_is_multicast(a) || mmr_resolve_infra(r, a, false))
        return false;
    bool is_server = mmr_addr_equal(a, &f->dst);
    if (!is_server || (f->dst_port != 53 && f->dst_port != 123 && f->dst_port != 67))
        return true;
    /* asked through a resolver: the name is bad, not who answered */
    return !mmr_resolve_is_inside(r, a) && !f->domain && !mmr_resolve_infra(r, a, true);
}

/* Of two ends, the one that is not ours: outside, or without a name while the other has one. */
static const struct mmr_addr *stranger(const struct mmr_resolve *r, const struct mmr_finding *f)
{
    bool src_in = mmr_resolve_is_inside(r, &f->src), dst_in = mmr_resolve_is_inside(r, &f->dst);
    if (src_in != dst_in)
        return src_in ? &f->dst : &f->src;
    bool src_known = mmr_resolve_host(r, &f->src), dst_known = mmr_resolve_host(r, &f->dst);
    return src_known == dst_known ? NULL : src_known ? &f->dst : &f->src;
}

static const struct mmr_addr *network_attacker(const struct mmr_resolve *r, const struct mmr_finding *f)
{
    const struct mmr_addr *s = stranger(r, f);
    switch (f->phase) {
    case MMR_PHASE_ATTEMPT_INBOUND:
    case MMR_PHASE_SPREAD:
    case MMR_PHASE_ACCOUNT:
        return &f->src;
    case MMR_PHASE_FOOTHOLD_C2:
    case MMR_PHASE_ATTEMPT_USER:
        return s ? s : f->direction == MMR_DIR_INBOUND ? &f->src : &f->dst;
    case MMR_PHASE_FOOTHOLD_PROCESS:
    case MMR_PHASE_IMPACT:
        if (f->direction == MMR_DIR_OUTBOUND)
            return &f->dst;
        return f->direction == MMR_DIR_INBOUND ? &f->src : s ? s : &f->src;
    case MMR_PHASE_NONE:
        break;
    }
    return NULL;
}

static bool is_own(const struct mmr_resolve *r, const struct mmr_finding *f, const char *host,
                   const struct mmr_addr *a)
{
    if (!mmr_addr_is_set(a))
        return false;
    if (mmr_addr_equal(a, &f->host_addr) || mmr_addr_is_loopback(a))
        return true;
    const char *name = mmr_resolve_host(r, a);
    return name && strcmp(name, host) == 0;
}

/* On a machine: the other end, unless it is only the machine this one went to. */
static const struct mmr_addr *endpoint_attacker(const struct mmr_resolve *r, const struct mmr_finding *f,
                                                const char *host, const struct mmr_addr **ret_victim)
{
    bool src_own = is_own(r, f, host, &f->src), dst_own = is_own(r, f, host, &f->dst);
    const struct mmr_addr *remote = src_own ? &f->dst : dst_own || mmr_addr_is_set(&f->src) ? &f->src : &f->dst;
    *ret_victim = src_own ? &f->src : dst_own ? &f->dst : NULL;
    if (src_own && dst_own)
        return NULL;
    switch (f->phase) {
    case MMR_PHASE_FOOTHOLD_C2:
    case MMR_PHASE_ATTEMPT_USER:
        if (!src_own && !dst_own) /* own address unknown: who opened it is the one called from here */
            return mmr_addr_is_set(&f->dst) ? &f->dst : &f->src;
        return remote;
    case MMR_PHASE_SPREAD:
        if (src_own) {
            *ret_victim = &f->dst;
            return &f->src;
        }
        return remote;
    case MMR_PHASE_ATTEMPT_INBOUND:
    case MMR_PHASE_ACCOUNT:
        return src_own ? NULL : &f->src;
    case MMR_PHASE_FOOTHOLD_PROCESS:
    case MMR_PHASE_IMPACT:
        if (!mmr_resolve_is_inside(r, remote) || !mmr_resolve_host(r, remote))
            return remote;
        return src_own ? NULL : &f->src;
    case MMR_PHASE_NONE:
        break;
    }
    return NULL;
}

void mmr_join_actors(const struct mmr_resolve *r, const struct mmr_finding *f, struct mmr_actors *ret)
{
    char host[MMR_HOST_NAME_MAX] = "";
    const struct mmr_addr *attacker, *victim = NULL;
    memset(ret, 0, sizeof *ret);
    ret->is_c2 = f->phase == MMR_PHASE_FOOTHOLD_C2;
    if (f->side == MMR_SIDE_NETWORK || !f->host) {
        attacker = network_attacker(r, f);
        if (attacker)
            victim = attacker == &f->src ? &f->dst : &f->src;
    } else {
        mmr_host_normalise(f->host, host);
        attacker = endpoint_attacker(r, f, host, &victim);
        if (!victim && mmr_addr_is_set(&f->host_addr))
            victim = &f->host_addr;
    }
    if (attacker && may_attack(r, f, attacker)) {
        ret->attacker = *attacker;
        ret->attacker_is_inside = mmr_resolve_is_inside(r, attacker);
        ret->attacker_host = mmr_resolve_host(r, attacker);
    }
    if (victim && !mmr_addr_is_multicast(victim)) {
        ret->victim = *victim;
        ret->victim_is_inside = mmr_resolve_is_inside(r, victim);
        ret->victim_host = mmr_resolve_host(r, victim);
    }
}
