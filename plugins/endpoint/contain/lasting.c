/*
 * lasting.c - what is done and can be taken back: written to the journal before it is done, proved by reading back, shared
 * by orders that mean the same, over when its lease ends, right again after a crash.
 */
#include "contain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t mono(const struct mmr_contain *c)
{
    return c->host->now_ns(c->host->impl, MMR_CLOCK_MONOTONIC);
}

static int64_t left_ms(const struct mmr_contain *c, const struct mmr_act *a)
{
    int64_t left = (a->expires_mono - mono(c)) / 1000000;
    return !a->expires_mono ? 0 : left > 0 ? left : 1;
}

void mmr_lasting_arm(struct mmr_contain *c)
{
    const struct mmr_act *a = mmr_acts_next_expiry(c->acts);
    int64_t first = 0, now = mono(c);
    (void)c->host->set_timer(c->host->impl, a ? left_ms(c, a) : -1, MMR_CONTAIN_TIMER_EXPIRY);
    for (const struct mmr_act *x = mmr_acts_first(c->acts); x; x = x->next) {
        int64_t at = mmr_isolate_deadline(x);
        if (at && (!first || at < first))
            first = at;
    }
    int64_t ms = first > now ? (first - now) / 1000000 + 1 : 1;
    (void)c->host->set_timer(c->host->impl, first ? ms : -1, MMR_CONTAIN_TIMER_CONFIRM);
}

/* Another live action that did the same thing, or NULL. */
static struct mmr_act *twin_of(struct mmr_contain *c, const struct mmr_lasting *v, const struct mmr_act *act, const struct mmr_order *t)
{
    struct mmr_order *other = v->is_same ? calloc(1, sizeof *other) : NULL;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_act *found = NULL;
    for (struct mmr_act *x = mmr_acts_first(c->acts); other && x && !found; x = x->next)
        if (x != act && x->applied_ns && strcmp(x->verb, v->name) == 0 && mmr_order_read(x->payload, x->len, other, &err) == 0 &&
            v->is_same(t, other))
            found = x;
    free(other);
    return found;
}

static int answer(struct mmr_contain *c, const struct mmr_lasting *v, const struct mmr_order *t, const struct mmr_act *act, const char *result)
{
    struct mmr_error err = {.struct_size = sizeof err};
    int r = v->verify(c, t, act, &err);
    mmr_receipt_send(c->host, act->id, 0, &(struct mmr_receipt_out){
        .result = result, .method = "readback", .verified = r == 0 ? "confirmed" : r == MMR_ENOENT ? "refuted" : "inconclusive",
        .detail = r ? err.text : v->done, .applied_ns = act->applied_ns, .expires_ns = mmr_act_expires_ns(act, c->host), .undo = act->undo});
    return r;
}

/* Take one reason away; the thing itself goes with the last one. Forgets act on success. */
static int let_go(struct mmr_contain *c, const struct mmr_lasting *v, const struct mmr_order *t, struct mmr_act *act, struct mmr_error *err)
{
    int r = 0;
    if (!twin_of(c, v, act, t))
        r = v->undo(c, t, act, err);
    else if (v->unshare)
        v->unshare(c, act);
    if (!r)
        mmr_acts_forget(c->acts, act);
    return r;
}

static int apply(struct mmr_contain *c, const struct mmr_lasting *v, const struct mmr_action *o, const struct mmr_order *t, struct mmr_error *err)
{
    struct mmr_act *act, *twin;
    int r = v->check ? v->check(c, t, err) : 0;
    if (!r)
        r = mmr_acts_begin(c->acts, o, "", &act, err);
    if (r == MMR_EPERM) {
        mmr_receipt_fail(c->host, o->id, "refused", err->text);
        return 0;
    }
    if (r)
        return r;
    twin = twin_of(c, v, act, t);
    if (twin)
        memcpy(act->undo, twin->undo, sizeof act->undo);
    r = !twin ? v->apply(c, t, act, err) : v->share ? v->share(c, twin, act, err) : 0;
    if (r) {
        mmr_acts_forget(c->acts, act);
        if (r == MMR_ENOENT) /* what was to be stopped or moved is not there: nothing is left to do */
            mmr_contain_receipt(c, o->id, "already", "confirmed", err->text);
        else if (r == MMR_EPERM)
            mmr_receipt_fail(c->host, o->id, "refused", err->text);
        else if (r == MMR_EUNSUPPORTED)
            mmr_receipt_fail(c->host, o->id, "unsupported", err->text);
        else
            return r;
        return 0;
    }
    mmr_acts_applied(c->acts, act, v->has_lease ? o->ttl_ms : 0);
    (void)answer(c, v, t, act, twin ? "already" : "applied");
    mmr_lasting_arm(c);
    return 0;
}

static int rehearse(struct mmr_contain *c, const struct mmr_lasting *v, const struct mmr_action *o, const struct mmr_order *t, struct mmr_error *err)
{
    int r = v->check ? v->check(c, t, err) : 0;
    if (r == MMR_EPERM)
        mmr_receipt_fail(c->host, o->id, "refused", err->text);
    else if (r == MMR_ENOENT)
        mmr_contain_receipt(c, o->id, "already", "none", err->text);
    else if (r)
        return r;
    else
        mmr_receipt_send(c->host, o->id, 0, &(struct mmr_receipt_out){.result = "applied", .is_dry_run = true, .detail = v->would});
    return 0;
}

int mmr_lasting_act(struct mmr_contain *c, const struct mmr_lasting *v, const struct mmr_action *o, struct mmr_order *t, struct mmr_error *err)
{
    struct mmr_act *known = mmr_acts_find(c->acts, o->id);
    int r = known ? mmr_order_read(known->payload, known->len, t, err) : 0;
    if (r)
        return r;
    if (o->flags & MMR_ACT_UNDO) {
        r = known ? let_go(c, v, t, known, err) : 0;
        mmr_lasting_arm(c);
        if (!r)
            mmr_contain_receipt(c, o->id, known ? "applied" : "already", "confirmed", "taken back");
        return r;
    }
    if (o->flags & MMR_ACT_DRY_RUN)
        return rehearse(c, v, o, t, err);
    if (!known && (o->flags & MMR_ACT_VERIFY)) {
        mmr_contain_receipt(c, o->id, "failed", "refuted", "this action is not in force");
        return 0;
    }
    if (!known)
        return apply(c, v, o, t, err);
    if ((o->flags & MMR_ACT_RENEW) && known->expires_mono)
        mmr_acts_applied(c->acts, known, o->ttl_ms);
    if (v->confirm) {
        struct mmr_error why = {.struct_size = sizeof why};
        if (v->confirm(c, known, left_ms(c, known), &why) == 0)
            mmr_acts_applied(c->acts, known, known->expires_mono ? left_ms(c, known) : 0);
    }
    const char *result = "already";
    if (!(o->flags & (MMR_ACT_RENEW | MMR_ACT_VERIFY)) && v->verify(c, t, known, err) == MMR_ENOENT) {
        r = v->apply(c, t, known, err); /* asked again because somebody took it away */
        if (!r)
            mmr_acts_applied(c->acts, known, v->has_lease ? o->ttl_ms : 0);
        result = r ? result : "applied";
    }
    (void)answer(c, v, t, known, result);
    mmr_lasting_arm(c);
    return 0;
}

void mmr_lasting_recover(struct mmr_contain *c)
{
    struct mmr_order *t = calloc(1, sizeof *t);
    struct mmr_error err = {.struct_size = sizeof err};
    for (struct mmr_act *a = t ? mmr_acts_first(c->acts) : NULL, *next; a; a = next) {
        const struct mmr_lasting *v = mmr_lasting_of(a->verb);
        next = a->next;
        if (!v || mmr_order_read(a->payload, a->len, t, &err) != 0) {
            mmr_acts_forget(c->acts, a);
        } else if (a->applied_ns) { /* known to be done: what ended with our process is done again */
            if (v->verify(c, t, a, &err) == MMR_ENOENT && strcmp(v->name, "deny.exec") == 0 && v->apply(c, t, a, &err) != 0)
                c->host->log(c->host->impl, MMR_LOG_ERR, err.text);
        } else if (v->verify(c, t, a, &err) == 0) { /* begun, and it was done: only the word of it is missing */
            mmr_acts_applied(c->acts, a, a->expires_mono ? left_ms(c, a) : 0);
        } else {
            if (v->undo(c, t, a, &err) != 0)
                c->host->log(c->host->impl, MMR_LOG_ERR, err.text);
            mmr_acts_forget(c->acts, a);
        }
    }
    free(t);
}

void mmr_lasting_reconcile(struct mmr_contain *c, const uint64_t *live, size_t n)
{
    struct mmr_order *t = calloc(1, sizeof *t);
    struct mmr_error err = {.struct_size = sizeof err};
    for (struct mmr_act *a = t ? mmr_acts_first(c->acts) : NULL, *next; a; a = next) {
        const struct mmr_lasting *v = mmr_lasting_of(a->verb);
        bool is_live = false;
        next = a->next;
        for (size_t i = 0; i < n && !is_live; i++)
            is_live = live[i] == a->id;
        if (!v || mmr_order_read(a->payload, a->len, t, &err) != 0)
            mmr_acts_forget(c->acts, a);
        else if (is_live)
            (void)answer(c, v, t, a, "already");
        else if (let_go(c, v, t, a, &err) != 0)
            c->host->log(c->host->impl, MMR_LOG_ERR, err.text);
    }
    free(t);
    mmr_lasting_arm(c);
}

void mmr_lasting_expire(struct mmr_contain *c)
{
    int64_t now = mono(c);
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_order *t = calloc(1, sizeof *t);
    for (struct mmr_act *a; t && (a = mmr_acts_next_expiry(c->acts)) && a->expires_mono <= now;) {
        const struct mmr_lasting *v = mmr_lasting_of(a->verb);
        if (v && mmr_order_read(a->payload, a->len, t, &err) == 0 && let_go(c, v, t, a, &err) == 0)
            continue;
        c->host->log(c->host->impl, MMR_LOG_ERR, err.text); /* its lease is over all the same */
        mmr_acts_forget(c->acts, a);
    }
    free(t);
    mmr_lasting_arm(c);
}

static void tell_rolled_back(struct mmr_contain *c, const struct mmr_act *a)
{
    uint8_t buf[1024];
    char text[200];
    struct mmr_event ev;
    int64_t now = c->host->now_ns(c->host->impl, MMR_CLOCK_WALL);
    (void)snprintf(text, sizeof text, "%s was taken back by itself: nobody confirmed within %lld s that this machine can still be reached",
                   a->verb, (long long)(c->cfg->confirm / 1000));
    mmr_receipt_send(c->host, a->id, 0, &(struct mmr_receipt_out){.result = "applied", .verified = "refuted", .method = "readback",
                     .detail = text, .applied_ns = a->applied_ns, .revoked_ns = now});
    mmr_event_begin(&ev, buf, sizeof buf, "enforcement.lost", 1008, 99, now, 4);
    mmr_event_str(&ev, "message", text);
    (void)mmr_event_emit(&ev, c->host);
    c->host->log(c->host->impl, MMR_LOG_WARN, text);
}

void mmr_lasting_roll_back(struct mmr_contain *c)
{
    int64_t now = mono(c);
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_order *t = calloc(1, sizeof *t);
    for (struct mmr_act *a = t ? mmr_acts_first(c->acts) : NULL, *next; a; a = next) {
        const struct mmr_lasting *v = mmr_lasting_of(a->verb);
        int64_t at = mmr_isolate_deadline(a);
        next = a->next;
        if (!at || at > now || !v || mmr_order_read(a->payload, a->len, t, &err) != 0)
            continue;
        struct mmr_act copy = *a;
        if (let_go(c, v, t, a, &err) == 0)
            tell_rolled_back(c, &copy);
        else
            c->host->log(c->host->impl, MMR_LOG_ERR, err.text); /* the kernel lets go of it by itself */
    }
    free(t);
    mmr_lasting_arm(c);
}
