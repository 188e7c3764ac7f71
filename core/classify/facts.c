/* facts.c - from an incident to the inputs of the table, each with its reason, and the rules about
 * change. */
#include "classify/facts.h"

#include "defend/match.h"

#include "util/id.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((format(printf, 2, 3))) static void say(struct mmr_facts *f, const char *fmt, ...)
{
    if (f->n_why == sizeof f->why / sizeof f->why[0])
        return;
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(f->why[f->n_why++], sizeof f->why[0], fmt, ap);
    va_end(ap);
}

static const char *title_of(const struct mmr_finding *f)
{
    return f->title && f->title[0] ? f->title : f->rule && f->rule[0] ? f->rule : "finding";
}

static int64_t corrected_ns(const struct mmr_finding *f)
{
    return f->time_ns + f->offset_ns;
}

static bool is_foothold(enum mmr_phase p)
{
    return p == MMR_PHASE_FOOTHOLD_PROCESS || p == MMR_PHASE_FOOTHOLD_C2 || p == MMR_PHASE_SPREAD ||
           p == MMR_PHASE_ACCOUNT;
}

/* ---- H ---- */

/* The endpoint sensors of one machine were not watching at some time of this span: it says so. */
static bool is_blind_on(const struct mmr_facts_ctx *ctx, const char *host, const struct mmr_addr *addr, int64_t from_ns,
                        int64_t to_ns, struct mmr_facts *f)
{
    struct mmr_window w = {0};
    char text[MMR_ADDR_TEXT_MAX] = "";
    if (!ctx->window || !ctx->window(ctx->ctx, host, addr, from_ns, to_ns, &w) || !w.is_blind)
        return false;
    if (!host || !host[0])
        mmr_addr_format(addr, text);
    const int64_t gone_ns = w.blind_from_ns > from_ns ? w.blind_from_ns - from_ns : 0;
    if (w.blind_to_ns == INT64_MAX)
        say(f, "H unknown: nobody watches %.60s (sensors %s since %llds after the first sign)", host && host[0] ? host : text,
            w.blind_why ? w.blind_why : "gone", (long long)(gone_ns / MMR_NS_PER_S));
    else
        say(f, "H unknown: nobody watched %.60s for a time (sensors %s), so nothing shows that no attempt succeeded",
            host && host[0] ? host : text, w.blind_why ? w.blind_why : "gone");
    return true;
}

/* Was any of our machines in this story unwatched, from the first sign until its end was proved, or until now? */
static bool is_blind(const struct mmr_incident *i, const struct mmr_facts_ctx *ctx, struct mmr_facts *f)
{
    int64_t to_ns = f->defence.d == MMR_D_VERIFIED && f->defence.covered_ns ? f->defence.covered_ns : i->last_ns;
    if (to_ns < i->last_ns)
        to_ns = i->last_ns;
    to_ns += MMR_POLICY_SETTLE_NS;
    for (uint32_t k = 0; k < i->n_hosts; k++) {
        const struct mmr_host_ref *h = &i->hosts[k];
        if (is_blind_on(ctx, h->name, &h->addr[0], i->first_ns, to_ns, f))
            return true;
    }
    return false;
}

/* Is every machine of the story shown clean from the first sign to the proved stop, by telemetry
 * without gap? */
static bool is_shown_clean(const struct mmr_incident *i, const struct mmr_facts_ctx *ctx,
                           struct mmr_facts *f)
{
    if (f->defence.d != MMR_D_VERIFIED || f->defence.covered_ns == 0) {
        say(f, "H unknown: the threat is inside, and its stop is not proved");
        return false;
    }
    for (uint32_t k = 0; k < i->n_evidence; k++) {
        const struct mmr_finding *e = i->evidence[k].finding;
        struct mmr_window w = {0};
        if (!is_foothold(e->phase) || e->potential == MMR_POTENTIAL_INFO)
            continue;
        const struct mmr_addr *addr = mmr_addr_is_set(&e->host_addr)     ? &e->host_addr
                                      : mmr_site_has(ctx->site, &e->src) ? &e->src
                                                                         : &e->dst;
        const char *host = e->host ? e->host : "";
        char text[MMR_ADDR_TEXT_MAX] = "";
        if (!host[0])
            mmr_addr_format(addr, text);
        const char *name = host[0] ? host : text;
        if (!ctx->window ||
            !ctx->window(ctx->ctx, host, addr, i->first_ns, f->defence.covered_ns, &w) ||
            !w.is_gap_free) {
            say(f, "H unknown: no gap-free telemetry of %.60s up to the proved stop", name);
            return false;
        }
        if (w.account_used || w.others_files_changed || w.data_sent) {
            say(f, "H unknown: before the stop, %.60s shows %s", name,
                w.data_sent              ? "data sent"
                : w.others_files_changed ? "changes of other files"
                                         : "use of an account");
            return false;
        }
    }
    if (is_blind(i, ctx, f))
        return false;
    say(f, "H no: gap-free telemetry up to the proved stop shows no account use, no changed files, "
           "no data sent");
    return true;
}

/*
 * is_explained: a benign proof or mere information. Then a gap in the watch raises nothing: what was seen is known to
 * be no attack, and what was not seen is a matter of the gap itself.
 */
static char harm_of(const struct mmr_incident *i, const struct mmr_facts_ctx *ctx, bool is_explained, struct mmr_facts *f)
{
    const struct mmr_finding *deepest = NULL;
    for (uint32_t k = 0; k < i->n_evidence; k++) {
        const struct mmr_finding *e = i->evidence[k].finding;
        if (e->is_harm || (e->phase == MMR_PHASE_IMPACT && e->potential != MMR_POTENTIAL_INFO)) {
            say(f, "H yes: %.120s", title_of(e));
            return 'y';
        }
        if (is_foothold(e->phase) && e->potential != MMR_POTENTIAL_INFO &&
            (!deepest || e->phase > deepest->phase))
            deepest = e;
    }
    if (!deepest) {
        if (i->evicted) {
            /* to a power of two: a reason that changes with each of a flood is news each time */
            say(f, "H unknown: %u or more findings could not be kept", 1u << (31 - __builtin_clz(i->evicted)));
            return 'u';
        }
        if (!is_explained && is_blind(i, ctx, f))
            return 'u';
        say(f, "H no: attempts only, nothing shows that one succeeded");
        return 'n';
    }
    /* account and spread are use of an account or reach beyond one machine by their very nature */
    if (deepest->phase == MMR_PHASE_ACCOUNT || deepest->phase == MMR_PHASE_SPREAD) {
        say(f, "H unknown: %s (%.100s)",
            deepest->phase == MMR_PHASE_ACCOUNT ? "an account was used"
                                                : "it reached for other machines",
            title_of(deepest));
        return 'u';
    }
    return is_shown_clean(i, ctx, f) ? 'n' : 'u';
}

/* ---- S, B, R, A, U ---- */

/* Looking around: scans and the questions scanners ask. */
static bool is_reconnaissance(const struct mmr_finding *f)
{
    static const char *const techniques[] = {"T1046", "T1018", "T1595", "T1592", "T1590"};
    for (uint32_t i = 0; i < f->n_attack; i++) {
        bool is_one = false;
        for (size_t k = 0; k < sizeof techniques / sizeof techniques[0]; k++)
            is_one |= strncmp(f->attack[i], techniques[k], 5) == 0;
        if (!is_one)
            return false;
    }
    return f->n_attack > 0;
}

/*
 * One weak rule (severity stated as low) about an attempt, or several that all say the same one thing, that
 * somebody looks around, and nothing beside it: information, not a threat.
 */
static bool is_single_weak(const struct mmr_incident *i)
{
    const char *rule = NULL;
    bool is_all_recon = true;
    for (uint32_t k = 0; k < i->n_evidence; k++) {
        const struct mmr_finding *f = i->evidence[k].finding;
        if (f->phase == MMR_PHASE_NONE)
            continue;
        is_all_recon &= is_reconnaissance(f);
        bool is_attempt = f->phase == MMR_PHASE_ATTEMPT_INBOUND || f->phase == MMR_PHASE_ATTEMPT_USER;
        if (!is_attempt || f->is_harm || !f->rule || f->severity_id < 1 || f->severity_id > 2 ||
            (rule && strcmp(rule, f->rule) != 0 && !is_all_recon))
            return false;
        rule = f->rule;
    }
    return rule != NULL && i->evicted == 0;
}

static enum mmr_potential potential_of(const struct mmr_incident *i)
{
    enum mmr_potential p = MMR_POTENTIAL_INFO;
    for (uint32_t k = 0; k < i->n_evidence; k++)
        if (i->evidence[k].finding->potential > p)
            p = i->evidence[k].finding->potential;
    return p == MMR_POTENTIAL_LOW && is_single_weak(i) ? MMR_POTENTIAL_INFO : p;
}

static bool is_proof(const struct mmr_benign_proof *p, const struct mmr_incident *i, int64_t now_ns)
{
    const bool is_signed = p->owner && p->owner[0] && p->reason && p->reason[0];
    switch (p->kind) {
    case MMR_BENIGN_ALLOW_RULE:
        return is_signed && p->expires_ns > now_ns;
    case MMR_BENIGN_ANALYST:
        return is_signed && (p->expires_ns == 0 || p->expires_ns > now_ns);
    case MMR_BENIGN_EXERCISE:
        return i->is_exercise;
    case MMR_BENIGN_DUPLICATE:
        return p->duplicate_of != 0 && p->duplicate_of != i->id;
    case MMR_BENIGN_ABSENT: /* only attempts can be against something that is not there */
        for (uint32_t k = 0; k < i->n_evidence; k++)
            if (i->evidence[k].finding->phase > MMR_PHASE_ATTEMPT_USER)
                return false;
        return p->reason && p->reason[0];
    default:
        return false;
    }
}

static bool benign_of(const struct mmr_incident *i, const struct mmr_facts_ctx *ctx, int64_t now_ns,
                      struct mmr_facts *f)
{
    static const char *const kinds[] = {"",
                                        "allow rule",
                                        "marked exercise",
                                        "duplicate of a notified incident",
                                        "the target is shown absent or patched",
                                        "analyst's decision"};
    for (uint32_t k = 0; k < ctx->n_proof; k++) {
        const struct mmr_benign_proof *p = &ctx->proof[k];
        if (!is_proof(p, i, now_ns))
            continue;
        say(f, "B: %s%s%.40s%s%.80s", kinds[p->kind], p->owner ? ", " : "",
            p->owner ? p->owner : "", p->reason ? ": " : "", p->reason ? p->reason : "");
        return true;
    }
    if (!i->is_exercise)
        return false;
    for (uint32_t k = 0; k < i->n_evidence; k++)
        if (!i->evidence[k].finding->is_exercise)
            return false; /* something real happened meanwhile */
    say(f, "B: marked exercise");
    return i->n_evidence > 0;
}

/* A blocked inbound attempt never makes a recurrence: it is counted only. */
static bool can_recur(const struct mmr_incident *i)
{
    for (uint32_t k = 0; k < i->n_evidence; k++) {
        const struct mmr_finding *e = i->evidence[k].finding;
        if (e->potential != MMR_POTENTIAL_INFO &&
            (is_foothold(e->phase) ||
             (e->phase != MMR_PHASE_NONE && e->direction == MMR_DIR_OUTBOUND)))
            return true;
    }
    return false;
}

static bool recurrence_of(const struct mmr_incident *i, const struct mmr_facts_ctx *ctx,
                          struct mmr_facts *f)
{
    if (!can_recur(i))
        return false;
    if (ctx->recurs_after_containment) {
        say(f, "R: the same thing came back after it was contained and removed");
        return true;
    }
    if (ctx->defended_7d >= MMR_POLICY_RECUR_DEFENDED) {
        say(f, "R: %u defended incidents on this machine in 7 days", ctx->defended_7d);
        return true;
    }
    return false;
}

static bool importance_of(const struct mmr_incident *i, const struct mmr_facts_ctx *ctx,
                          struct mmr_facts *f)
{
    if (!ctx->important) {
        if (i->n_hosts)
            say(f, "A: importance of the machine is unknown, which counts as important");
        return i->n_hosts > 0;
    }
    for (uint32_t k = 0; k < i->n_hosts; k++) {
        const struct mmr_host_ref *h = &i->hosts[k];
        if (mmr_addr_is_set(&h->addr[0]) && !mmr_site_has(ctx->site, &h->addr[0]))
            continue; /* somebody else's machine */
        enum mmr_yes yes = ctx->important(ctx->ctx, h);
        if (yes == MMR_NO)
            continue;
        say(f, "A: %.60s %s", h->name[0] ? h->name : "a machine",
            yes == MMR_YES ? "holds important information"
                           : "may hold important information (unknown counts as yes)");
        return true;
    }
    return false;
}

static bool user_action_of(const struct mmr_incident *i, const struct mmr_facts_ctx *ctx,
                           struct mmr_facts *f)
{
    if (ctx->user_action_left) {
        say(f, "U: the user still has something to do");
        return true;
    }
    for (uint32_t k = 0; k < i->n_evidence; k++)
        if (i->evidence[k].finding->phase == MMR_PHASE_ACCOUNT &&
            i->evidence[k].finding->potential != MMR_POTENTIAL_INFO) {
            say(f, "U: an account is concerned; its password must be changed");
            return true;
        }
    if (f->defence.is_isolation_used) {
        say(f, "U: the machine is cut off and cannot be used");
        return true;
    }
    return false;
}

void mmr_facts_of(const struct mmr_incident *i, const struct mmr_facts_ctx *ctx, int64_t now_ns,
                  struct mmr_facts *ret)
{
    *ret = (struct mmr_facts){0};
    struct mmr_facts_in *in = &ret->in;
    mmr_defence_of(i, ctx->site, ctx->responder_state, ctx->ctx, ctx->is_threat_over, now_ns,
                   &ret->defence);
    if (ctx->is_replay &&
        (ret->defence.d == MMR_D_IN_PROGRESS || ret->defence.d == MMR_D_UNVERIFIED))
        ret->defence.d = MMR_D_NONE; /* no receipt can come */
    struct mmr_facts unsaid = {0};
    in->potential = potential_of(i);
    in->harm = harm_of(i, ctx, in->potential == MMR_POTENTIAL_INFO || benign_of(i, ctx, now_ns, &unsaid), ret);
    say(ret, "S %s",
        in->potential == MMR_POTENTIAL_HIGH  ? "high"
        : in->potential == MMR_POTENTIAL_LOW ? "low"
                                             : "info");
    in->defence = ret->defence.d;
    say(ret, "%.190s", ret->defence.why);
    in->is_benign = benign_of(i, ctx, now_ns, ret);
    in->is_recurring = recurrence_of(i, ctx, ret);
    in->is_important = importance_of(i, ctx, ret);
    in->has_user_action = user_action_of(i, ctx, ret);
    in->age_ns = now_ns > i->t0_ns ? now_ns - i->t0_ns : 0;
    if (ctx->known_ns && now_ns - ctx->known_ns > in->age_ns) /* its source's clock, or ours before it was set, is ahead */
        in->age_ns = now_ns - ctx->known_ns;
    ret->clock_ns = ret->defence.d == MMR_D_LAPSED && ret->defence.lapsed_ns > i->t0_ns
                        ? ret->defence.lapsed_ns
                        : i->t0_ns;
}

/* ---- change over time ---- */

/* The latest evidence that shows harm: the clock of late harm. */
static int64_t harm_since(const struct mmr_incident *i)
{
    int64_t at = 0;
    for (uint32_t k = 0; k < i->n_evidence; k++) {
        const struct mmr_finding *e = i->evidence[k].finding;
        if (e->is_harm || e->phase == MMR_PHASE_IMPACT) {
            int64_t t = corrected_ns(e);
            if (at == 0 || t < at)
                at = t;
        }
    }
    return at;
}

/* Numbers apart: that a flood counts on is no news; what an action came to shows in the action. */
static bool says_the_same(const char *a, const char *b)
{
    for (;;) {
        a += strspn(a, "0123456789");
        b += strspn(b, "0123456789");
        if (*a != *b)
            return false;
        if (!*a)
            return true;
        a++;
        b++;
    }
}

static void put_why(struct mmr_incident *i, const struct mmr_facts *f, const struct mmr_verdict *v,
                    unsigned *changes)
{
    char (*old)[MMR_INCIDENT_WHY_BYTES] = i->why;
    const uint32_t n_old = i->n_why;
    i->why = NULL;
    i->n_why = 0;
    for (uint32_t k = 0; k < f->n_why; k++)
        mmr_incident_why(i, "%s", f->why[k]);
    mmr_incident_why(i, "row %d: %.180s", v->row, v->why);
    if (i->is_contained)
        mmr_incident_why(i, "contained since, but it was severe: that stays");
    bool is_same = n_old == i->n_why;
    for (uint32_t k = 0; is_same && k < n_old; k++)
        is_same = says_the_same(old[k], i->why[k]);
    free(old);
    if (!is_same)
        *changes |= MMR_CHANGE_WHY;
}

unsigned mmr_classify_incident(struct mmr_incident *i, const struct mmr_facts_ctx *ctx,
                               int64_t now_ns)
{
    struct mmr_facts f;
    unsigned changes = 0;
    if (i->is_withdrawn)
        return 0; /* only a person may raise it again, as a new incident */
    mmr_facts_of(i, ctx, now_ns, &f);
    struct mmr_verdict v = mmr_classify(&f.in);
    const bool was_severe = i->class_peak == MMR_CLASS_OF_SEVERE;
    const char old_harm = i->harm;
    int64_t clock_ns = i->clock_ns ? i->clock_ns : f.clock_ns;

    i->potential = f.in.potential;
    i->is_benign = f.in.is_benign;
    i->is_recurring = f.in.is_recurring;
    i->is_important = f.in.is_important;
    i->has_user_action = f.in.has_user_action;
    if (was_severe && v.row == 5 && i->row != 5)
        clock_ns = f.clock_ns; /* row 5: a new clock */
    if (v.row == 5 && !was_severe)
        clock_ns = f.clock_ns;
    if (v.row == 1 && old_harm != 'y' && i->class_peak != MMR_CLASS_OF_PENDING) {
        int64_t at = harm_since(i); /* late harm: it was something else before */
        if (at > clock_ns)
            clock_ns = at;
    }
    i->harm = f.in.harm;

    enum mmr_class to = v.class_now;
    enum mmr_band band = v.band;
    const bool is_contained =
        was_severe && f.defence.d == MMR_D_VERIFIED && v.row != 1 && v.row != 4;
    if (was_severe && to != MMR_CLASS_OF_SEVERE) {
        to = MMR_CLASS_OF_SEVERE; /* falls only when a named person withdraws it */
        band = i->band;
    } else if (was_severe && band < i->band && !is_contained) {
        band = i->band;
    }
    if (is_contained && !i->is_contained)
        changes |= MMR_CHANGE_CONTAINED;
    i->is_contained = is_contained;
    if (to != i->class_current || i->row == 0)
        changes |= MMR_CHANGE_CLASS;
    if (band != i->band)
        changes |= MMR_CHANGE_BAND;
    if (clock_ns != i->clock_ns)
        changes |= MMR_CHANGE_CLOCK;
    i->class_current = to;
    i->band = band;
    i->row = v.row;
    i->clock_ns = clock_ns;
    if (to > i->class_peak)
        i->class_peak = to;
    put_why(i, &f, &v, &changes);
    return changes;
}

int64_t mmr_classify_next_ns(const struct mmr_incident *i, int64_t now_ns)
{
    int64_t next = INT64_MAX;
    if (i->is_closed || i->is_withdrawn)
        return next;
    if (i->row == 9 && i->t0_ns + MMR_POLICY_V_NS > now_ns)
        next = i->t0_ns + MMR_POLICY_V_NS;
    for (uint32_t k = 0; k < i->n_actions; k++) {
        const struct mmr_action_rec *a = &i->actions[k];
        const bool is_live = a->state >= MMR_STATE_APPLIED && a->state <= MMR_STATE_EFFECTIVE;
        if (is_live && a->receipt.expires_ns > now_ns && a->receipt.expires_ns < next)
            next = a->receipt.expires_ns;
    }
    return next;
}

int mmr_withdraw(struct mmr_incident *i, const char *who, const char *reason, struct mmr_error *err)
{
    if (!who || !who[0])
        return mmr_fail(err, MMR_EINVAL,
                        "withdrawing an incident needs the name of the person who does it");
    if (!reason || !reason[0])
        return mmr_fail(err, MMR_EINVAL, "withdrawing an incident needs a reason");
    i->is_withdrawn = true;
    i->class_current = MMR_CLASS_OF_NO_RESPONSE;
    i->band = MMR_BAND_NONE;
    if (i->n_why == MMR_INCIDENT_WHY_MAX)
        i->n_why--;
    mmr_incident_why(i, "withdrawn by %.60s: %.110s", who, reason);
    return 0;
}
