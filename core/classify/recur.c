/* recur.c - what was contained, and what was defended when and where. */
#include "classify/recur.h"

#include "util/id.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { ASSETS_MAX = 8 };

struct memory {
    uint64_t incident, fingerprint;
    int64_t at_ns;
    bool is_defended;
    uint64_t asset[ASSETS_MAX];
    uint32_t n_asset;
};
struct mmr_recur {
    struct memory *v;
    uint32_t max, n, at; /* a ring: the oldest is overwritten */
};

int mmr_recur_new(uint32_t max, struct mmr_recur **ret, struct mmr_error *err)
{
    struct mmr_recur *r = calloc(1, sizeof *r);
    if (r) {
        r->max = max ? max : 4096;
        r->v = calloc(r->max, sizeof *r->v);
    }
    if (!r || !r->v) {
        free(r);
        return mmr_fail(err, MMR_ENOMEM, "recurrence memory of %u incidents: out of memory", max);
    }
    *ret = r;
    return 0;
}

void mmr_recur_free(struct mmr_recur *r)
{
    if (!r)
        return;
    free(r->v);
    free(r);
}

/* A machine by its short name in lower case, else by its address. */
static uint64_t asset_key(const struct mmr_host_ref *h)
{
    char name[64];
    size_t n = 0;
    for (; h->name[n] && h->name[n] != '.' && n < sizeof name - 1; n++)
        name[n] = (char)tolower((unsigned char)h->name[n]);
    if (n)
        return mmr_hash64(name, n, 1);
    return mmr_addr_is_set(&h->addr[0]) ? mmr_hash64(h->addr[0].b, sizeof h->addr[0].b, 2) : 0;
}

static bool is_foothold_or_out(const struct mmr_finding *f)
{
    return f->phase >= MMR_PHASE_FOOTHOLD_PROCESS ||
           (f->phase != MMR_PHASE_NONE && f->direction == MMR_DIR_OUTBOUND);
}

uint64_t mmr_incident_fingerprint(const struct mmr_incident *i)
{
    /* the first finding of the deepest phase stands for the rule family: order of arrival does not
     * matter */
    const struct mmr_finding *best = NULL;
    for (uint32_t k = 0; k < i->n_evidence; k++) {
        const struct mmr_finding *f = i->evidence[k].finding;
        if (f->potential == MMR_POTENTIAL_INFO || !is_foothold_or_out(f))
            continue;
        const char *a = f->rule ? f->rule : "", *b = best && best->rule ? best->rule : "";
        if (!best || f->phase > best->phase || (f->phase == best->phase && strcmp(a, b) < 0))
            best = f;
    }
    if (!best)
        return 0;
    uint64_t h = mmr_hash64(best->rule ? best->rule : "", best->rule ? strlen(best->rule) : 0, 3);
    for (uint32_t k = 0; k < i->n_hosts; k++)
        if (i->hosts[k].role == MMR_ROLE_VICTIM || i->hosts[k].role == MMR_ROLE_SOURCE)
            h ^= asset_key(&i->hosts[k]); /* a set: order does not matter */
    for (uint32_t k = 0; k < i->n_attackers; k++)
        h ^= mmr_hash64(i->attackers[k].b, sizeof i->attackers[k].b, 4);
    return h ? h : 1;
}

static uint32_t assets_of(const struct mmr_incident *i, uint64_t ret[ASSETS_MAX])
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < i->n_hosts && n < ASSETS_MAX; k++) {
        uint64_t key = i->hosts[k].role == MMR_ROLE_ATTACKER ? 0 : asset_key(&i->hosts[k]);
        if (key)
            ret[n++] = key;
    }
    return n;
}

void mmr_recur_contained(struct mmr_recur *r, const struct mmr_incident *i, int64_t now_ns)
{
    struct memory m = {
        .incident = i->id, .fingerprint = mmr_incident_fingerprint(i), .at_ns = now_ns};
    m.is_defended = i->class_current == MMR_CLASS_OF_DEFENDED &&
                    m.fingerprint != 0; /* inbound attempts only count elsewhere */
    m.n_asset = assets_of(i, m.asset);
    for (uint32_t k = 0; k < r->n; k++)
        if (r->v[k].incident == i->id) {
            r->v[k] = m; /* told again: once is enough */
            return;
        }
    r->v[r->at] = m;
    r->at = (r->at + 1) % r->max;
    if (r->n < r->max)
        r->n++;
}

static bool shares_asset(const struct memory *m, const uint64_t *asset, uint32_t n)
{
    for (uint32_t a = 0; a < m->n_asset; a++)
        for (uint32_t b = 0; b < n; b++)
            if (m->asset[a] == asset[b])
                return true;
    return false;
}

void mmr_recur_look(const struct mmr_recur *r, const struct mmr_incident *i, int64_t now_ns,
                    struct mmr_facts_ctx *ctx)
{
    uint64_t asset[ASSETS_MAX], fp = mmr_incident_fingerprint(i);
    uint32_t n = assets_of(i, asset);
    ctx->recurs_after_containment = false;
    ctx->defended_7d = 0;
    for (uint32_t k = 0; k < r->n; k++) {
        const struct memory *m = &r->v[k];
        if (m->incident == i->id)
            continue;
        /* again means after it was over: this story's first sign lies behind the containment */
        if (fp != 0 && m->fingerprint == fp && i->first_ns > m->at_ns)
            ctx->recurs_after_containment = true;
        if (m->is_defended && now_ns - m->at_ns <= MMR_POLICY_RECUR_WINDOW_NS &&
            shares_asset(m, asset, n))
            ctx->defended_7d++;
    }
}
