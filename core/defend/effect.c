/* effect.c - the effect algebra: what covers what, and what an incident's receipts add up to. */
#include "defend/effect.h"

#include "defend/match.h"

#include <stdio.h>
#include <string.h>

const char *mmr_effect_name(enum mmr_effect e)
{
    static const char *const names[] = {
        "",
        "deny(src->service)",
        "deny(host->dst)",
        "deny(host->others)",
        "isolate",
        "stop",
        "deny_exec",
        "quarantine",
        "no autostart",
        "neutralise",
        "revoke+lock",
        "undo harm",
    };
    return (unsigned)e < sizeof names / sizeof names[0] ? names[e] : "";
}

static const char *const defence_names[] = {"none",   "in_progress", "unverified", "partial",
                                            "failed", "lapsed",      "verified"};

const char *mmr_defence_name(enum mmr_defence d)
{
    return (unsigned)d < sizeof defence_names / sizeof defence_names[0] ? defence_names[d] : "";
}

bool mmr_defence_parse(const char *text, size_t len, enum mmr_defence *ret)
{
    for (unsigned i = 0; i < sizeof defence_names / sizeof defence_names[0]; i++)
        if (strlen(defence_names[i]) == len && memcmp(defence_names[i], text, len) == 0) {
            *ret = (enum mmr_defence)i;
            return true;
        }
    return false;
}

bool mmr_effect_implies(enum mmr_effect have, enum mmr_effect want)
{
    if (want == MMR_EFFECT_NONE || want == MMR_EFFECT_NEUTRALISE || want == MMR_EFFECT_UNDO_HARM)
        return false; /* nothing we can order is enough */
    if (have == want)
        return true;
    switch (have) {
    case MMR_EFFECT_ISOLATE:
        return want == MMR_EFFECT_DENY_OTHERS || want == MMR_EFFECT_DENY_DST ||
               want == MMR_EFFECT_DENY_SERVICE;
    case MMR_EFFECT_DENY_OTHERS:
        return want == MMR_EFFECT_DENY_DST || want == MMR_EFFECT_DENY_SERVICE;
    case MMR_EFFECT_QUARANTINE:
        return want == MMR_EFFECT_DENY_EXEC;
    default:
        return false;
    }
}

static enum mmr_effect effect_of(const struct mmr_action_rec *a)
{
    switch (a->verb) {
    case MMR_VERB_BLOCK_ADDR:
        return a->target.direction == MMR_DIR_OUTBOUND ? MMR_EFFECT_DENY_DST
                                                       : MMR_EFFECT_DENY_SERVICE;
    case MMR_VERB_BLOCK_NAME:
        return MMR_EFFECT_DENY_DST;
    case MMR_VERB_KILL_PROCESS:
    case MMR_VERB_FREEZE_PROCESS:
        return MMR_EFFECT_STOP;
    case MMR_VERB_DENY_EXEC:
        return MMR_EFFECT_DENY_EXEC;
    case MMR_VERB_QUARANTINE_FILE:
        return MMR_EFFECT_QUARANTINE;
    case MMR_VERB_REMOVE_AUTOSTART:
        return MMR_EFFECT_NO_AUTOSTART;
    case MMR_VERB_ISOLATE_HOST:
        return MMR_EFFECT_ISOLATE;
    case MMR_VERB_LOCK_ACCOUNT:
        return MMR_EFFECT_REVOKE_LOCK;
    default:
        return MMR_EFFECT_NONE; /* cut.flow is never sufficient alone; query.* has none */
    }
}

/* block.addr on the endpoint side acts for its own machine only; on the network side for whoever is
 * behind. */
static bool acts_for(const struct mmr_action_rec *a, const struct mmr_want *w)
{
    if (a->side != MMR_SIDE_ENDPOINT || a->target.host[0] == '\0')
        return true;
    return mmr_same_host(a->target.host, NULL, w->host, &w->host_addr);
}

static bool block_aims_at(const struct mmr_target *t, const struct mmr_want *w)
{
    const bool is_in = t->direction != MMR_DIR_OUTBOUND, is_out = t->direction != MMR_DIR_INBOUND;
    if (t->proto[0] && (!w->proto[0] || strcmp(t->proto, w->proto) != 0))
        return false;
    if (w->effect == MMR_EFFECT_DENY_SERVICE)
        return is_in && mmr_addr_is_set(&w->src) && mmr_cidr_has(&t->addr, &w->src) &&
               (!t->port || t->port == w->port);
    if (w->effect == MMR_EFFECT_DENY_DST)
        return is_out && mmr_addr_is_set(&w->dst) && mmr_cidr_has(&t->addr, &w->dst) &&
               (!t->port || t->port == w->port);
    return false;
}

static bool isolates(const struct mmr_action_rec *a, const struct mmr_want *w)
{
    const struct mmr_target *t = &a->target;
    /* who is cut off must be the one that would talk: the source of a service attempt, else the
     * host */
    if (w->effect == MMR_EFFECT_DENY_SERVICE)
        return mmr_addr_is_set(&w->src) && mmr_addr_is_set(&t->addr.addr) &&
               mmr_addr_equal(&t->addr.addr, &w->src);
    if (w->mac[0] && a->side == MMR_SIDE_NETWORK && strcmp(t->text, w->mac) != 0)
        return false;
    return mmr_same_host(t->host, &t->addr.addr, w->host, &w->host_addr);
}

bool mmr_action_aims_at(const struct mmr_action_rec *a, const struct mmr_want *w)
{
    const struct mmr_target *t = &a->target;
    enum mmr_effect have = effect_of(a);
    if (a->verb == MMR_VERB_BLOCK_ADDR) /* both directions in one verb: looked at below */
        return acts_for(a, w) && block_aims_at(t, w);
    if (!mmr_effect_implies(have, w->effect))
        return false;
    switch (a->verb) {
    case MMR_VERB_BLOCK_NAME:
        return acts_for(a, w) && !mmr_addr_is_set(&w->dst) && w->name[0] &&
               mmr_name_within(w->name, t->text);
    case MMR_VERB_ISOLATE_HOST:
        return isolates(a, w);
    case MMR_VERB_KILL_PROCESS:
    case MMR_VERB_FREEZE_PROCESS:
        return t->pid == w->pid && t->pid != 0 &&
               mmr_same_host(t->host, NULL, w->host, &w->host_addr) &&
               (!t->start_ticks || !w->start_ticks || t->start_ticks == w->start_ticks);
    case MMR_VERB_DENY_EXEC:
    case MMR_VERB_QUARANTINE_FILE:
    case MMR_VERB_REMOVE_AUTOSTART:
        return strcmp(t->text, w->path) == 0 &&
               mmr_same_host(t->host, NULL, w->host, &w->host_addr);
    case MMR_VERB_LOCK_ACCOUNT:
        return strcmp(t->text, w->name) == 0;
    default:
        return false;
    }
}

static bool is_over_by_clock(const struct mmr_receipt *r, int64_t now_ns)
{
    return r->expires_ns != 0 && now_ns >= r->expires_ns;
}

bool mmr_receipt_covers(const struct mmr_action_rec *a, const struct mmr_want *w,
                        const struct mmr_responder_state *plugin, int64_t now_ns)
{
    const struct mmr_receipt *r = &a->receipt;
    return (r->result == MMR_RESULT_APPLIED || r->result == MMR_RESULT_ALREADY) &&
           mmr_action_aims_at(a, w) && r->verified == MMR_VERIFIED_CONFIRMED &&
           r->revoked_ns == 0 && !is_over_by_clock(r, now_ns) && a->state != MMR_STATE_EXPIRED &&
           a->state != MMR_STATE_UNDONE && a->state != MMR_STATE_FAILED && plugin->is_registered &&
           plugin->is_healthy && !plugin->is_dry_run && !r->is_dry_run && !a->is_planned_only;
}

/* ---- what one need, then all needs, add up to ---- */

struct tally {
    bool covered, by_isolation, lapsed, failed, soft_failed, partial, in_progress, unverified;
    int64_t covered_ns, lapsed_ns;
};

static void tally_action(const struct mmr_action_rec *a, const struct mmr_want *w,
                         const struct mmr_responder_state *plugin, bool is_threat_over,
                         int64_t now_ns, struct tally *t)
{
    const struct mmr_receipt *r = &a->receipt;
    if (a->is_planned_only || a->state == MMR_STATE_PLANNED || r->is_dry_run || plugin->is_dry_run)
        return; /* nothing was tried */
    if (mmr_receipt_covers(a, w, plugin, now_ns)) {
        /* the last need to be covered first: keep the earliest proof of this one */
        if (!t->covered || (r->verified_ns && r->verified_ns < t->covered_ns))
            t->covered_ns = r->verified_ns;
        t->by_isolation = (a->verb == MMR_VERB_ISOLATE_HOST) && (!t->covered || t->by_isolation);
        t->covered = true;
        return;
    }
    switch (r->result) {
    case MMR_RESULT_NONE:
        if (a->state == MMR_STATE_EXPIRED || a->state == MMR_STATE_UNDONE)
            t->soft_failed = true;
        else if (a->state == MMR_STATE_FAILED)
            t->failed = true;
        else
            t->in_progress = true;
        return;
    case MMR_RESULT_FAILED:
    case MMR_RESULT_TIMEOUT:
        t->failed = true;
        return;
    case MMR_RESULT_REFUSED:
    case MMR_RESULT_UNSUPPORTED:
        t->soft_failed = true; /* nothing was attempted: the next path may still make it whole */
        return;
    case MMR_RESULT_PARTIAL:
        t->partial = true;
        return;
    default:
        break;
    }
    const bool is_run_out = is_over_by_clock(r, now_ns) || a->state == MMR_STATE_EXPIRED;
    if (is_run_out && is_threat_over && r->verified == MMR_VERIFIED_CONFIRMED) {
        t->covered = true; /* expiry after the threat is over is normal */
        t->covered_ns = r->verified_ns;
        return;
    }
    const bool is_gone = r->verified == MMR_VERIFIED_REFUTED || r->revoked_ns != 0 || is_run_out ||
                         a->state == MMR_STATE_UNDONE || !plugin->is_registered ||
                         !plugin->is_healthy;
    if (!is_gone) {
        t->unverified = true;
        return;
    }
    int64_t at = r->revoked_ns                                           ? r->revoked_ns
                 : is_over_by_clock(r, now_ns)                           ? r->expires_ns
                 : r->verified == MMR_VERIFIED_REFUTED && r->verified_ns ? r->verified_ns
                                                                         : now_ns;
    if (!t->lapsed || at < t->lapsed_ns)
        t->lapsed_ns = at;
    t->lapsed = true;
}

static struct mmr_responder_state state_of(mmr_responder_state_fn state, void *ctx,
                                           const struct mmr_action_rec *a)
{
    if (state)
        return state(ctx, a);
    return (struct mmr_responder_state){.is_registered = true, .is_healthy = true};
}

void mmr_defence_of(const struct mmr_incident *i, const struct mmr_site_view *site,
                    mmr_responder_state_fn state, void *ctx, bool is_threat_over, int64_t now_ns,
                    struct mmr_defence_view *ret)
{
    struct mmr_needs needs;
    struct mmr_defence_view v = {0};
    uint32_t lapsed = 0, failed = 0, partial = 0, in_progress = 0, unverified = 0, none = 0;
    const char *open_effect = "";
    mmr_needs_of(i, site, false, &needs);
    for (uint32_t n = 0; n < needs.n; n++) {
        struct tally t = {0};
        for (uint32_t o = 0; o < needs.need[n].n_option; o++)
            for (uint32_t k = 0; k < i->n_actions; k++) {
                const struct mmr_action_rec *a = &i->actions[k];
                if (!mmr_action_aims_at(a, &needs.need[n].option[o]))
                    continue;
                struct mmr_responder_state s = state_of(state, ctx, a);
                tally_action(a, &needs.need[n].option[o], &s, is_threat_over, now_ns, &t);
            }
        if (t.covered) {
            v.covered++;
            v.is_isolation_used |= t.by_isolation;
            if (t.covered_ns > v.covered_ns)
                v.covered_ns = t.covered_ns;
            continue;
        }
        if (!open_effect[0])
            open_effect = mmr_effect_name(needs.need[n].option[0].effect);
        if (t.lapsed) {
            lapsed++;
            if (!v.lapsed_ns || t.lapsed_ns < v.lapsed_ns)
                v.lapsed_ns = t.lapsed_ns;
        } else if (t.failed) { /* notification does not wait for the next path */
            failed++;
        } else if (t.in_progress) {
            in_progress++;
        } else if (t.unverified) {
            unverified++;
        } else if (t.partial) {
            partial++;
        } else if (t.soft_failed) {
            failed++;
        } else {
            none++;
        }
    }
    v.needs = needs.n + needs.dropped;
    none += needs.dropped;
    if (v.needs == 0)
        v.d = MMR_D_NONE;
    else if (v.covered == v.needs)
        v.d = MMR_D_VERIFIED;
    else if (lapsed)
        v.d = MMR_D_LAPSED;
    else if (partial || failed)
        v.d = v.covered || partial ? MMR_D_PARTIAL : MMR_D_FAILED;
    else if (in_progress)
        v.d = MMR_D_IN_PROGRESS;
    else if (none)
        v.d = v.covered ? MMR_D_PARTIAL : MMR_D_NONE;
    else
        v.d = unverified ? MMR_D_UNVERIFIED : MMR_D_NONE;
    if (v.d != MMR_D_VERIFIED)
        v.covered_ns = 0;
    if (v.needs == 0)
        (void)snprintf(v.why, sizeof v.why, "D none: no threat object that a defence could cover");
    else if (v.d == MMR_D_VERIFIED)
        (void)snprintf(v.why, sizeof v.why, "D verified: %u of %u effects proved", v.covered,
                       v.needs);
    else
        (void)snprintf(v.why, sizeof v.why, "D %s: %u of %u effects proved; open: %s",
                       mmr_defence_name(v.d), v.covered, v.needs, open_effect);
    *ret = v;
}
