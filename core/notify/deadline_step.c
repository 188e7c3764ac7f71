/* deadline_step.c - the schedule: which attempts are due, what an answer means, when the target is met. */
#include "notify/deadline_internal.h"

#include <mamori/plugin.h>

#include "util/id.h"

#include <stdlib.h>
#include <string.h>

enum { STEP_MIN = 15, HURRY_MIN = 40, ROUND_MIN = 30, STEPS = 4, TRIES = 4, ANSWER_WAIT_S = 60, JITTER_S = 20,
       CALLS_FROM_H = 7, CALLS_TO_H = 21 };
static const int64_t try_min[TRIES] = {0, 1, 3, 7}; /* SERVICE_STANDARD 5, from the first try */
#define SECOND_NS INT64_C(1000000000)

const char *mmr_notice_channel_name(enum mmr_notice_channel c)
{
    static const char *const names[] = {"push", "mail", "sms", "voice"};
    return (unsigned)c < MMR_NOTICE_CHANNELS ? names[c] : "";
}

void mmr_attempt_key_text(const struct mmr_deadline *d, const struct mmr_notice *n, const struct mmr_attempt *a,
                          char buf[MMR_ATTEMPT_KEY_TEXT_MAX])
{
    (void)snprintf(buf, MMR_ATTEMPT_KEY_TEXT_MAX, "%016llx.%u.%s.%s", (unsigned long long)n->id, a->step,
                   d->contact[a->contact].name, mmr_notice_channel_name(a->channel));
}

static struct mmr_attempt *attempt_of(struct mmr_notice *n, uint32_t step, unsigned contact, unsigned channel)
{
    for (uint32_t i = 0; i < n->n_attempts; i++)
        if (n->attempt[i].step == step && n->attempt[i].contact == contact && n->attempt[i].channel == channel)
            return &n->attempt[i];
    return NULL;
}

static bool is_waiting(const struct mmr_attempt *a)
{
    return a->state == MMR_ATTEMPT_PLANNED || a->state == MMR_ATTEMPT_HANDED;
}

/* A notice nobody answers goes on for ever: the oldest half-hourly round that is settled makes room. */
static bool make_room(struct mmr_notice *n)
{
    uint32_t oldest = UINT32_MAX, kept = 0;
    if (n->n_attempts < MMR_NOTICE_ATTEMPTS_MAX)
        return true;
    for (uint32_t i = 0; i < n->n_attempts; i++) {
        uint32_t s = n->attempt[i].step;
        if (s % MMR_STEP_BASE >= MMR_STEP_ROUNDS && s < oldest && !is_waiting(&n->attempt[i]))
            oldest = s;
    }
    for (uint32_t i = 0; i < n->n_attempts; i++)
        if (n->attempt[i].step != oldest || is_waiting(&n->attempt[i]))
            n->attempt[kept++] = n->attempt[i];
    n->forgotten += n->n_attempts - kept;
    n->n_attempts = kept;
    return kept < MMR_NOTICE_ATTEMPTS_MAX;
}

static int text_of(struct mmr_deadline *d, struct mmr_notice *n, enum mmr_text_kind kind)
{
    char buf[MMR_NOTICE_TEXT_MAX] = "";
    d->ops.compose(d->ops.ctx, n, kind, buf, sizeof buf);
    for (uint32_t i = 0; i < n->n_texts; i++)
        if (strcmp(n->text[i], buf) == 0)
            return (int)i;
    char *copy = strdup(buf);
    if (!copy)
        return n->n_texts ? (int)n->n_texts - 1 : -1; /* older words are better than none */
    if (n->n_texts == MMR_NOTICE_TEXTS_MAX)
        free(n->text[--n->n_texts]); /* the latest words take the place of those before them */
    n->text[n->n_texts] = copy;
    return (int)n->n_texts++;
}

static bool is_day(const struct mmr_deadline *d, int64_t now_ns)
{
    int64_t s = (now_ns / SECOND_NS + d->utc_offset_s) % 86400;
    int64_t hour = (s < 0 ? s + 86400 : s) / 3600;
    return hour >= CALLS_FROM_H && hour < CALLS_TO_H;
}

struct letter { /* what one step sends, whoever gets it */
    uint32_t step;
    unsigned carrier;
    enum mmr_text_kind kind;
    int text;
    bool is_even_broken;
    int64_t now_ns;
};

static uint32_t plan(struct mmr_deadline *d, struct mmr_notice *n, const struct letter *l, unsigned contact, unsigned channel)
{
    const struct mmr_contact *c = &d->contact[contact];
    unsigned carrier = l->carrier && c->carrier[channel][1][0] ? 1 : 0;
    if (!c->address[channel][0] || l->text < 0)
        return 0;
    if (c->is_broken[channel][carrier] && !l->is_even_broken) {
        carrier = !carrier;
        if (!c->carrier[channel][carrier][0] || c->is_broken[channel][carrier])
            return 0;
    }
    if (channel == MMR_NOTICE_VOICE && n->band != MMR_BAND_RED && !is_day(d, l->now_ns))
        return 0;
    if (attempt_of(n, l->step, contact, channel) || !make_room(n))
        return 0;
    n->attempt[n->n_attempts++] = (struct mmr_attempt){
        .step = l->step, .contact = (uint8_t)contact, .channel = (uint8_t)channel, .carrier = (uint8_t)carrier,
        .kind = (uint8_t)l->kind, .text = (uint8_t)l->text, .planned_ns = l->now_ns, .next_ns = l->now_ns};
    n->is_dirty = true;
    return 1;
}

static bool has_address(const struct mmr_contact *c)
{
    for (int ch = 0; ch < MMR_NOTICE_CHANNELS; ch++)
        if (c->address[ch][0])
            return true;
    return false;
}

static int user_at(const struct mmr_deadline *d, uint32_t k)
{
    for (uint32_t i = 0; i < d->n_contacts; i++)
        if (d->contact[i].role == MMR_CONTACT_USER && has_address(&d->contact[i]) && k-- == 0)
            return (int)i;
    return -1;
}

static uint32_t plan_all(struct mmr_deadline *d, struct mmr_notice *n, const struct letter *l, bool is_user, unsigned roles)
{
    uint32_t planned = 0;
    for (unsigned i = 0; i < d->n_contacts; i++)
        if ((d->contact[i].role == MMR_CONTACT_USER) == is_user && (roles & 1U << d->contact[i].role))
            for (unsigned ch = 0; ch < MMR_NOTICE_CHANNELS; ch++)
                planned += plan(d, n, l, i, ch);
    return planned;
}

static uint32_t fire(struct mmr_deadline *d, struct mmr_notice *n, uint32_t step, int64_t now_ns)
{
    struct letter l = {.step = n->round * MMR_STEP_BASE + step, .kind = MMR_TEXT_URGENT, .text = text_of(d, n, MMR_TEXT_URGENT), .now_ns = now_ns};
    struct letter task = l;
    uint32_t planned = 0;
    int first = user_at(d, 0), second = user_at(d, 1), third = user_at(d, 2);
    task.kind = MMR_TEXT_TASK;
    switch (step) {
    case 0:
        for (unsigned ch = MMR_NOTICE_PUSH; first >= 0 && ch <= MMR_NOTICE_SMS; ch++)
            planned += plan(d, n, &l, (unsigned)first, ch);
        break;
    case 1:
        if (first >= 0)
            planned += plan(d, n, &l, (unsigned)first, MMR_NOTICE_VOICE);
        for (unsigned ch = MMR_NOTICE_MAIL; second >= 0 && ch <= MMR_NOTICE_SMS; ch++)
            planned += plan(d, n, &l, (unsigned)second, ch);
        break;
    case 2:
        if (second >= 0)
            planned += plan(d, n, &l, (unsigned)second, MMR_NOTICE_VOICE);
        if (third >= 0)
            planned += plan(d, n, &l, (unsigned)third, MMR_NOTICE_VOICE);
        task.text = text_of(d, n, MMR_TEXT_TASK);
        planned += plan_all(d, n, &task, false, 1U << MMR_CONTACT_DUTY);
        break;
    default:
        l.carrier = step == 3;
        l.is_even_broken = step > 3; /* it may have been repaired, and there is nothing to lose */
        planned += plan_all(d, n, &l, true, 1U << MMR_CONTACT_USER);
        if (step == 3) {
            task.text = text_of(d, n, MMR_TEXT_TASK);
            planned += plan_all(d, n, &task, false, 1U << MMR_CONTACT_MANAGER | 1U << MMR_CONTACT_PARTNER);
        }
        break;
    }
    if (step == 0 || step >= 3) { /* these words hold all that is known */
        n->told_ns = now_ns;
        n->has_change = false;
    }
    n->is_dirty = true;
    return planned;
}

uint32_t mmr_notice_tell(struct mmr_deadline *d, struct mmr_notice *n, uint32_t step, enum mmr_text_kind kind, int64_t now_ns)
{
    const struct letter l = {.step = n->round * MMR_STEP_BASE + step, .kind = kind, .text = text_of(d, n, kind), .now_ns = now_ns};
    struct mmr_notice *u = n->parent ? mmr_deadline_find(d, n->parent) : NULL;
    bool was_told[MMR_CONTACTS_MAX] = {false};
    uint32_t planned = 0;
    for (int who = 0; who < 2; who++) {
        const struct mmr_notice *x = who ? u : n;
        for (uint32_t i = 0; x && i < x->n_attempts; i++)
            if (x->attempt[i].tries)
                was_told[x->attempt[i].contact] = true;
    }
    for (unsigned i = 0; i < d->n_contacts; i++)
        for (unsigned ch = MMR_NOTICE_PUSH; was_told[i] && d->contact[i].role == MMR_CONTACT_USER && ch <= MMR_NOTICE_SMS; ch++)
            planned += plan(d, n, &l, i, ch);
    n->told_ns = now_ns;
    n->is_dirty = true;
    return planned;
}

void mmr_notice_drop_planned(struct mmr_notice *n)
{
    for (uint32_t i = 0; i < n->n_attempts; i++)
        if (n->attempt[i].state == MMR_ATTEMPT_PLANNED && n->attempt[i].kind != MMR_TEXT_FOLLOWUP && n->attempt[i].kind != MMR_TEXT_CORRECTION)
            n->attempt[i].state = MMR_ATTEMPT_DROPPED;
    n->is_dirty = true;
}

/* Nothing of it can reach anybody any more: every attempt so far failed. */
static bool is_dead(const struct mmr_notice *n)
{
    for (uint32_t i = 0; i < n->n_attempts; i++)
        if (n->attempt[i].step / MMR_STEP_BASE == n->round && (is_waiting(&n->attempt[i]) || n->attempt[i].state == MMR_ATTEMPT_ACCEPTED))
            return false;
    return true;
}

static int64_t step_due(const struct mmr_notice *n, int64_t now_ns)
{
    if (n->is_hurried || (n->step && is_dead(n)))
        return now_ns;
    int64_t due = n->classed_ns + (int64_t)n->step * STEP_MIN * MMR_MINUTE_NS, hurry = n->t0_ns + HURRY_MIN * MMR_MINUTE_NS;
    return !n->first_l2_ns && hurry < due ? hurry : due;
}

static void advance(struct mmr_deadline *d, struct mmr_notice *n, int64_t now_ns)
{
    if (mmr_notice_is_over(n) || n->parent)
        return;
    while (n->step < STEPS) {
        if (now_ns < step_due(n, now_ns))
            return;
        n->is_hurried = fire(d, n, n->step, now_ns) == 0; /* a missing contact is skipped forward */
        if (++n->step < STEPS)
            continue;
        n->repeat_ns = n->t0_ns + MMR_TARGET_MIN * MMR_MINUTE_NS;
        while (n->repeat_ns <= now_ns)
            n->repeat_ns += ROUND_MIN * MMR_MINUTE_NS;
    }
    if (now_ns < n->repeat_ns)
        return;
    (void)fire(d, n, MMR_STEP_ROUNDS + n->n_rounds % (MMR_STEP_FOLLOWUP - MMR_STEP_ROUNDS), now_ns);
    n->n_rounds++;
    while (n->repeat_ns <= now_ns) /* time that passed while nobody ran it is told once */
        n->repeat_ns += ROUND_MIN * MMR_MINUTE_NS;
}

static void next_channel(struct mmr_deadline *d, struct mmr_notice *n, const struct mmr_attempt *failed, int64_t now_ns)
{
    const struct letter l = {.step = failed->step, .carrier = failed->carrier, .kind = failed->kind, .text = failed->text, .now_ns = now_ns};
    const unsigned contact = failed->contact, channel = failed->channel; /* planning may move the attempts */
    bool is_urgent = failed->kind != MMR_TEXT_FOLLOWUP && failed->kind != MMR_TEXT_CORRECTION;
    if (is_urgent && (mmr_notice_is_over(n) || n->parent))
        return;
    for (unsigned k = 1; k < MMR_NOTICE_CHANNELS; k++)
        if (plan(d, n, &l, contact, (channel + k) % MMR_NOTICE_CHANNELS))
            return;
}

static void fail_for_now(struct mmr_deadline *d, struct mmr_notice *n, struct mmr_attempt *a, int64_t now_ns, const char *why)
{
    (void)snprintf(a->error, sizeof a->error, "%s", why);
    a->is_to_send = false;
    n->is_dirty = true;
    if (a->tries >= TRIES) {
        a->state = MMR_ATTEMPT_FAILED;
        next_channel(d, n, a, now_ns);
        return;
    }
    const uint64_t mix[] = {d->seed, n->id, a->step, a->contact, a->channel, a->tries};
    int64_t jitter = (int64_t)(mmr_hash64(mix, sizeof mix, 5) % ((uint64_t)JITTER_S * 1000)) * (SECOND_NS / 1000);
    a->state = MMR_ATTEMPT_PLANNED;
    a->next_ns = a->planned_ns + try_min[a->tries] * MMR_MINUTE_NS + jitter;
    if (a->next_ns < now_ns)
        a->next_ns = now_ns;
}

/* ---- the target ---- */

void mmr_notice_settle(struct mmr_notice *n, const struct mmr_deadline *d, int64_t now_ns)
{
    int64_t until = n->t0_ns + MMR_TARGET_MIN * MMR_MINUTE_NS;
    bool was_reached = n->first_l2_ns && n->first_l2_ns <= until;
    if (n->target == MMR_TARGET_MET || (!was_reached && (n->target == MMR_TARGET_MISSED || now_ns < until)))
        return;
    n->is_dirty = true;
    n->written_ns = now_ns;
    if (was_reached) { /* also when the report of it came late: what counts is when it was there */
        n->target = MMR_TARGET_MET;
        n->reason[0] = '\0';
        return;
    }
    uint32_t accepted = 0, failed = 0, waiting = 0;
    const struct mmr_attempt *last = NULL;
    for (uint32_t i = 0; i < n->n_attempts; i++) {
        const struct mmr_attempt *a = &n->attempt[i];
        accepted += a->state == MMR_ATTEMPT_ACCEPTED;
        waiting += is_waiting(a);
        failed += a->state == MMR_ATTEMPT_FAILED;
        if (a->error[0])
            last = a;
    }
    n->target = MMR_TARGET_MISSED;
    if (n->classed_ns >= until)
        (void)snprintf(n->reason, sizeof n->reason, "classed %lld min after it was noticed", (long long)((n->classed_ns - n->t0_ns) / MMR_MINUTE_NS));
    else
        (void)snprintf(n->reason, sizeof n->reason, "no message reached a user's system: %u only accepted, %u failed, %u not answered%s%s%s%.48s",
                       accepted, failed, waiting, last ? "; last: " : "", last ? mmr_notice_channel_name(last->channel) : "",
                       last ? " " : "", last ? last->error : "");
    (void)d;
}

static void reached(struct mmr_deadline *d, struct mmr_notice *n, int64_t planned_ns, int64_t at_ns, int64_t now_ns)
{
    if (!n->first_l2_ns || at_ns < n->first_l2_ns) {
        n->first_l2_ns = at_ns;
        n->is_dirty = true;
    }
    mmr_notice_settle(n, d, now_ns);
    for (uint32_t i = 0; n->is_umbrella && i < n->n_members; i++) {
        struct mmr_notice *m = n->member[i].joined_ns <= planned_ns ? mmr_deadline_find(d, n->member[i].id) : NULL;
        if (m && !m->is_umbrella)
            reached(d, m, planned_ns, at_ns, now_ns);
    }
}

void mmr_notice_confirm(struct mmr_deadline *d, struct mmr_notice *n, int64_t planned_ns, int64_t now_ns)
{
    bool has_all = true;
    for (uint32_t i = 0; n->is_umbrella && i < n->n_members; i++) {
        struct mmr_notice *m = mmr_deadline_find(d, n->member[i].id);
        if (!m || mmr_notice_is_over(m))
            continue;
        if (n->member[i].joined_ns > planned_ns)
            has_all = false; /* it was not in that message */
        else
            mmr_notice_confirm(d, m, planned_ns, now_ns);
    }
    if (!has_all || n->confirmed_ns)
        return;
    n->confirmed_ns = now_ns;
    mmr_notice_drop_planned(n);
}

int mmr_deadline_result(struct mmr_deadline *d, const struct mmr_attempt_key *key, int level, int64_t at_ns, const char *detail,
                        int64_t now_ns, struct mmr_error *err)
{
    struct mmr_notice *n = mmr_deadline_find(d, key->id);
    struct mmr_attempt *a = n ? attempt_of(n, key->step, key->contact, key->channel) : NULL;
    if (!a)
        return mmr_fail(err, MMR_ENOENT, "notice %016llx has no attempt at step %u to contact %u by channel %u", (unsigned long long)key->id,
                        key->step, key->contact, key->channel);
    if (level < 0) {
        if (level == MMR_NOTICE_TEMPFAIL) {
            if (a->state == MMR_ATTEMPT_HANDED)
                fail_for_now(d, n, a, now_ns, detail);
            return 0;
        }
        if (a->state == MMR_ATTEMPT_FAILED)
            return 0;
        a->state = MMR_ATTEMPT_FAILED; /* also after it was accepted: a mail that came back */
        a->is_to_send = false;
        (void)snprintf(a->error, sizeof a->error, "%s", detail);
        d->contact[a->contact].is_broken[a->channel][a->carrier] = true;
        n->is_dirty = true;
        next_channel(d, n, a, now_ns);
        return 0;
    }
    int64_t at = at_ns < a->planned_ns ? a->planned_ns : at_ns > now_ns ? now_ns : at_ns;
    for (int i = 1; i <= level && i <= MMR_DELIVERY_CONFIRMED; i++)
        if (!a->at_ns[i])
            a->at_ns[i] = at;
    if (level == MMR_DELIVERY_TRIED)
        return 0;
    a->state = MMR_ATTEMPT_ACCEPTED;
    a->is_to_send = false;
    d->contact[a->contact].is_broken[a->channel][a->carrier] = false;
    n->is_dirty = true;
    bool is_users = d->contact[a->contact].role == MMR_CONTACT_USER && a->step / MMR_STEP_BASE == n->round && a->kind != MMR_TEXT_CORRECTION;
    const int64_t planned = a->planned_ns;
    if (is_users && level >= MMR_DELIVERY_RECIPIENT)
        reached(d, n, planned, a->at_ns[MMR_DELIVERY_RECIPIENT], now_ns);
    if (is_users && level >= MMR_DELIVERY_CONFIRMED)
        mmr_notice_confirm(d, n, planned, now_ns);
    return 0;
}

int mmr_deadline_confirm(struct mmr_deadline *d, uint64_t id, const char *who, int64_t now_ns, struct mmr_error *err)
{
    struct mmr_notice *n = mmr_deadline_find(d, id);
    if (!n)
        return mmr_fail(err, MMR_ENOENT, "no notice of incident %016llx is known", (unsigned long long)id);
    if (!mmr_notice_is_over(n)) {
        (void)snprintf(n->closed_by, sizeof n->closed_by, "%s", who);
        reached(d, n, now_ns, now_ns, now_ns); /* who answers has been reached */
        mmr_notice_confirm(d, n, now_ns, now_ns);
        n->is_dirty = true;
    }
    return 0;
}

/* ---- time ---- */

int mmr_deadline_tick(struct mmr_deadline *d, int64_t now_ns, struct mmr_error *err)
{
    (void)err;
    for (uint32_t k = 0; k < d->n_notices; k++) {
        struct mmr_notice *n = d->notice[k];
        for (uint32_t i = 0; i < n->n_attempts; i++)
            if (n->attempt[i].state == MMR_ATTEMPT_HANDED && n->attempt[i].is_to_send)
                n->attempt[i].next_ns = now_ns + ANSWER_WAIT_S * SECOND_NS; /* it goes out only now */
            else if (n->attempt[i].state == MMR_ATTEMPT_HANDED && now_ns >= n->attempt[i].next_ns)
                fail_for_now(d, n, &n->attempt[i], now_ns, "no answer");
        advance(d, n, now_ns);
        if (n->has_change && now_ns >= n->change_ns && n->step && !n->parent && !n->closed_ns) {
            n->has_change = false;
            (void)mmr_notice_tell(d, n, MMR_STEP_CHANGE + n->n_changes++ % 1000, MMR_TEXT_CHANGE, now_ns);
        }
        for (uint32_t i = 0; i < n->n_attempts; i++) {
            struct mmr_attempt *a = &n->attempt[i];
            if (a->state != MMR_ATTEMPT_PLANNED || now_ns < a->next_ns)
                continue;
            a->state = MMR_ATTEMPT_HANDED;
            a->tries++;
            a->is_to_send = true;
            a->next_ns = now_ns + ANSWER_WAIT_S * SECOND_NS;
            if (!a->at_ns[MMR_DELIVERY_TRIED])
                a->at_ns[MMR_DELIVERY_TRIED] = now_ns;
            n->is_dirty = true;
        }
        mmr_notice_settle(n, d, now_ns);
    }
    return 0;
}

int64_t mmr_deadline_next(const struct mmr_deadline *d)
{
    int64_t next = INT64_MAX;
#define SOONER(t) (next = (t) < next ? (t) : next)
    for (uint32_t k = 0; k < d->n_notices; k++) {
        const struct mmr_notice *n = d->notice[k];
        for (uint32_t i = 0; i < n->n_attempts; i++)
            if (is_waiting(&n->attempt[i]))
                SOONER(n->attempt[i].next_ns);
        if (n->target == MMR_TARGET_OPEN)
            SOONER(n->t0_ns + MMR_TARGET_MIN * MMR_MINUTE_NS);
        if (n->has_change && n->step && !n->parent && !n->closed_ns)
            SOONER(n->change_ns);
        if (!mmr_notice_is_over(n) && !n->parent)
            SOONER(n->step < STEPS ? step_due(n, 0) : n->repeat_ns); /* 0: due at once is in the past, too */
    }
#undef SOONER
    return next;
}

void mmr_deadline_send(struct mmr_deadline *d, mmr_send_fn fn, void *ctx)
{
    for (uint32_t k = 0; k < d->n_notices; k++)
        for (uint32_t i = 0; i < d->notice[k]->n_attempts; i++) {
            struct mmr_attempt *a = &d->notice[k]->attempt[i];
            if (!a->is_to_send)
                continue;
            a->is_to_send = false;
            fn(ctx, d->notice[k], a, &d->contact[a->contact]);
        }
}
