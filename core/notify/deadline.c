/* deadline.c - what comes in: contacts, severe incidents, news of them, late defence, the end. */
#include "notify/deadline_internal.h"

#include "util/id.h"

#include <stdlib.h>
#include <string.h>

enum { MERGE_MIN = 60, CHANGE_MIN = 30, STORM_MIN = 10, STORM_AT = 5, STORM_NEWS_MIN = 5, NEW_CLOCK_MIN = 5 };

static uint32_t channels_of(const struct mmr_contact *c)
{
    uint32_t n = 0;
    for (int ch = 0; ch < MMR_NOTICE_CHANNELS; ch++)
        n += c->address[ch][0] != '\0';
    return n;
}

int mmr_contacts_check(const struct mmr_contact *contacts, uint32_t n, struct mmr_error *err)
{
    const char *carrier = NULL;
    bool has_two = false, has_user = false;
    for (uint32_t i = 0; i < n; i++) {
        const struct mmr_contact *c = &contacts[i];
        if (c->role != MMR_CONTACT_USER)
            continue;
        has_user = true;
        if (channels_of(c) < 2)
            return mmr_fail(err, MMR_ECONFIG, "contact '%s' has %u channel; a user contact needs two, say mail and voice", c->name, channels_of(c));
        for (int ch = 0; ch < MMR_NOTICE_CHANNELS; ch++)
            for (int k = 0; k < 2 && c->address[ch][0]; k++) {
                if (!c->carrier[ch][k][0])
                    continue;
                has_two |= carrier && strcmp(carrier, c->carrier[ch][k]) != 0;
                carrier = c->carrier[ch][k];
            }
    }
    if (!has_user)
        return mmr_fail(err, MMR_ECONFIG, "no contact has the role 'user': nobody of the company would be told");
    if (!has_two)
        return mmr_fail(err, MMR_ECONFIG, "every channel is carried by '%s'; name channels of two independent carriers", carrier ? carrier : "");
    return 0;
}

static int check_names(const struct mmr_contact *contacts, uint32_t n, struct mmr_error *err)
{
    if (n > MMR_CONTACTS_MAX)
        return mmr_fail(err, MMR_ECONFIG, "%u contacts: at most %d", n, MMR_CONTACTS_MAX);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(contacts[k].name, contacts[i].name) == 0)
                return mmr_fail(err, MMR_ECONFIG, "contact '%s' is there twice; give each a name of its own", contacts[i].name);
    return 0;
}

int mmr_deadline_init(struct mmr_deadline *d, const struct mmr_contact *contacts, uint32_t n, const struct mmr_deadline_ops *ops,
                      struct mmr_error *err)
{
    int r = check_names(contacts, n, err);
    if (r)
        return r;
    memset(d, 0, sizeof *d);
    d->ops = *ops;
    if (n)
        memcpy(d->contact, contacts, n * sizeof *contacts);
    d->n_contacts = n;
    return 0;
}

static bool is_named(const struct mmr_deadline *d, uint32_t contact)
{
    for (uint32_t k = 0; k < d->n_notices; k++)
        for (uint32_t i = 0; i < d->notice[k]->n_attempts; i++)
            if (d->notice[k]->attempt[i].contact == contact)
                return true;
    return false;
}

int mmr_deadline_contacts(struct mmr_deadline *d, const struct mmr_contact *contacts, uint32_t n, struct mmr_error *err)
{
    struct mmr_contact list[MMR_CONTACTS_MAX];
    uint8_t place[MMR_CONTACTS_MAX] = {0};
    uint32_t count = n;
    int r = check_names(contacts, n, err);
    if (r)
        return r;
    memset(list, 0, sizeof list);
    if (n)
        memcpy(list, contacts, n * sizeof *contacts);
    for (uint32_t i = 0; i < d->n_contacts; i++) {
        const struct mmr_contact *old = &d->contact[i];
        uint32_t k = 0;
        while (k < n && strcmp(list[k].name, old->name) != 0)
            k++;
        if (k == n) {
            if (!is_named(d, i))
                continue;
            if (count == MMR_CONTACTS_MAX)
                return mmr_fail(err, MMR_ETOOBIG, "contacts: with those who are gone but named by open notices there are more than %d", MMR_CONTACTS_MAX);
            k = count++;
            (void)snprintf(list[k].name, sizeof list[k].name, "%s", old->name);
            list[k].role = old->role;
        }
        for (int ch = 0; ch < MMR_NOTICE_CHANNELS && k < n; ch++)
            for (int c = 0; c < 2; c++)
                list[k].is_broken[ch][c] = old->is_broken[ch][c] && strcmp(list[k].address[ch], old->address[ch]) == 0 &&
                                           strcmp(list[k].carrier[ch][c], old->carrier[ch][c]) == 0;
        place[i] = (uint8_t)k;
    }
    for (uint32_t k = 0; k < d->n_notices; k++)
        for (uint32_t i = 0; i < d->notice[k]->n_attempts; i++) {
            struct mmr_attempt *a = &d->notice[k]->attempt[i];
            d->notice[k]->is_dirty |= a->contact != place[a->contact];
            a->contact = place[a->contact];
        }
    memcpy(d->contact, list, sizeof list);
    d->n_contacts = count;
    return 0;
}

static void free_notice(struct mmr_notice *n)
{
    for (uint32_t i = 0; i < n->n_texts; i++)
        free(n->text[i]);
    free(n);
}

void mmr_deadline_done(struct mmr_deadline *d)
{
    for (uint32_t i = 0; i < d->n_notices; i++)
        free_notice(d->notice[i]);
    d->n_notices = 0;
}

struct mmr_notice *mmr_deadline_find(struct mmr_deadline *d, uint64_t id)
{
    for (uint32_t i = 0; i < d->n_notices; i++)
        if (d->notice[i]->id == id)
            return d->notice[i];
    return NULL;
}

static bool is_finished(const struct mmr_notice *n)
{
    if (!mmr_notice_is_over(n) || n->target == MMR_TARGET_OPEN)
        return false;
    for (uint32_t i = 0; i < n->n_attempts; i++)
        if (n->attempt[i].state <= MMR_ATTEMPT_HANDED)
            return false;
    return true;
}

static struct mmr_notice *add(struct mmr_deadline *d, uint64_t id, int64_t now_ns, struct mmr_error *err)
{
    for (uint32_t i = 0; i < d->n_notices && d->n_notices == MMR_NOTICES_MAX; i++) /* the oldest that is done makes room */
        if (is_finished(d->notice[i])) {
            free_notice(d->notice[i]);
            memmove(&d->notice[i], &d->notice[i + 1], (--d->n_notices - i) * sizeof d->notice[0]);
        }
    if (d->n_notices == MMR_NOTICES_MAX) {
        d->refused++;
        (void)mmr_fail(err, MMR_ETOOBIG, "notice of incident %016llx: %d notices are open; close what is dealt with", (unsigned long long)id, MMR_NOTICES_MAX);
        return NULL;
    }
    struct mmr_notice *n = calloc(1, sizeof *n);
    if (!n) {
        (void)mmr_fail(err, MMR_ENOMEM, "notice of incident %016llx: out of memory", (unsigned long long)id);
        return NULL;
    }
    n->id = id;
    n->opened_ns = now_ns;
    n->is_dirty = true;
    d->notice[d->n_notices++] = n;
    return n;
}

/* Returns whether there was one that is new. */
static bool add_assets(struct mmr_notice *n, const struct mmr_severe *s)
{
    bool has_new = false;
    for (uint32_t i = 0; i < s->n_assets; i++) {
        uint32_t k = 0;
        while (k < n->n_assets && n->asset[k] != s->assets[i])
            k++;
        if (k < n->n_assets || n->n_assets == MMR_NOTICE_ASSETS_MAX)
            continue;
        n->asset[n->n_assets++] = s->assets[i];
        has_new = n->is_dirty = true;
    }
    return has_new;
}

static void add_member(struct mmr_notice *n, uint64_t id, int64_t now_ns)
{
    n->is_dirty = true;
    if (n->n_members < MMR_NOTICE_MEMBERS_MAX)
        n->member[n->n_members++] = (struct mmr_notice_member){id, now_ns};
    else
        n->members_beyond++;
}

static void news(struct mmr_notice *n, int64_t not_before_ns, int64_t now_ns)
{
    int64_t at = not_before_ns > now_ns ? not_before_ns : now_ns;
    if (!n->has_change || at < n->change_ns)
        n->change_ns = at;
    n->has_change = n->is_dirty = true;
}

static void start_clock(struct mmr_notice *n, const struct mmr_severe *s)
{
    mmr_notice_drop_planned(n);
    n->round++;
    n->step = n->n_rounds = 0;
    n->t0_ns = s->t0_ns;
    n->classed_ns = s->classed_ns;
    n->confirmed_ns = n->closed_ns = n->first_l2_ns = n->written_ns = 0;
    n->closed_by[0] = '\0';
    n->is_withdrawn = n->has_change = false;
    n->parent = 0;
    n->target = MMR_TARGET_OPEN;
    n->reason[0] = '\0';
}

static int changed(struct mmr_deadline *d, struct mmr_notice *n, const struct mmr_severe *s, int64_t now_ns)
{
    if (s->t0_ns - n->t0_ns >= NEW_CLOCK_MIN * MMR_MINUTE_NS) { /* a defence that lapsed, late harm */
        n->band = s->band;
        (void)add_assets(n, s);
        start_clock(n, s);
        return MMR_OPENED_NEW;
    }
    if (n->closed_ns)
        return MMR_OPENED_NOTHING;
    if (s->t0_ns < n->t0_ns && n->target == MMR_TARGET_OPEN) {
        n->t0_ns = s->t0_ns; /* noticed earlier than was known: the stricter one holds */
        n->is_dirty = true;
    }
    bool is_worse = s->band > n->band, is_wider = add_assets(n, s);
    struct mmr_notice *u = n->parent ? mmr_deadline_find(d, n->parent) : NULL;
    struct mmr_notice *voice = u ? u : n;
    if (is_worse)
        n->band = s->band;
    if (voice->band < n->band)
        voice->band = n->band;
    n->is_dirty |= is_worse;
    if (is_worse || is_wider)
        news(voice, u ? u->told_ns + STORM_NEWS_MIN * MMR_MINUTE_NS : now_ns, now_ns);
    else if (s->has_news)
        news(voice, voice->told_ns + CHANGE_MIN * MMR_MINUTE_NS, now_ns);
    return is_worse || is_wider || s->has_news ? MMR_OPENED_CHANGED : MMR_OPENED_NOTHING;
}

static void join(struct mmr_notice *u, struct mmr_notice *n, int64_t now_ns)
{
    n->parent = u->id;
    n->joined_ns = now_ns;
    mmr_notice_drop_planned(n);
    add_member(u, n->id, now_ns);
    if (n->t0_ns < u->t0_ns)
        u->t0_ns = n->t0_ns;
    if (n->band > u->band)
        u->band = n->band;
    news(u, u->told_ns + STORM_NEWS_MIN * MMR_MINUTE_NS, now_ns);
}

static struct mmr_notice *umbrella_now(struct mmr_deadline *d, bool is_exercise, int64_t now_ns)
{
    for (uint32_t i = d->n_notices; i-- > 0;) {
        struct mmr_notice *u = d->notice[i];
        if (u->is_umbrella && !mmr_notice_is_over(u) && u->is_exercise == is_exercise && u->n_members &&
            now_ns - u->member[u->n_members - 1].joined_ns < STORM_MIN * MMR_MINUTE_NS)
            return u;
    }
    return NULL;
}

/* Is n the fifth in ten minutes? Then one message speaks for all of them. */
static int storm(struct mmr_deadline *d, struct mmr_notice *n, int64_t now_ns, struct mmr_error *err)
{
    struct mmr_notice *u = umbrella_now(d, n->is_exercise, now_ns);
    if (!u) {
        uint32_t fresh = 0;
        const uint64_t of[] = {n->id, (uint64_t)now_ns};
        for (uint32_t i = 0; i < d->n_notices; i++)
            fresh += !d->notice[i]->is_umbrella && !d->notice[i]->parent && d->notice[i]->is_exercise == n->is_exercise &&
                     now_ns - d->notice[i]->opened_ns < STORM_MIN * MMR_MINUTE_NS;
        if (fresh < STORM_AT)
            return MMR_OPENED_NEW;
        u = add(d, mmr_hash64(of, sizeof of, 7), now_ns, err);
        if (!u)
            return MMR_OPENED_NEW; /* no room for it: each speaks for itself */
        u->is_umbrella = true;
        u->is_exercise = n->is_exercise;
        u->t0_ns = n->t0_ns;
        u->classed_ns = now_ns;
        for (uint32_t i = 0; i < d->n_notices; i++) {
            struct mmr_notice *m = d->notice[i];
            if (!m->is_umbrella && !m->parent && m != n && m->is_exercise == n->is_exercise && !mmr_notice_is_over(m) &&
                now_ns - m->opened_ns < STORM_MIN * MMR_MINUTE_NS)
                join(u, m, now_ns);
        }
    }
    join(u, n, now_ns);
    return MMR_OPENED_STORM;
}

int mmr_deadline_severe(struct mmr_deadline *d, const struct mmr_severe *s, int64_t now_ns, struct mmr_error *err)
{
    struct mmr_notice *n = mmr_deadline_find(d, s->id);
    if (n)
        return changed(d, n, s, now_ns);
    for (uint32_t i = 0; i < d->n_notices; i++) {
        struct mmr_notice *m = d->notice[i];
        if (m->is_umbrella || m->closed_ns || !s->fingerprint || m->fingerprint != s->fingerprint || m->is_exercise != s->is_exercise)
            continue;
        for (uint32_t k = 0; k < m->n_members; k++)
            if (m->member[k].id == s->id)
                return changed(d, m, s, now_ns) == MMR_OPENED_NOTHING ? MMR_OPENED_NOTHING : MMR_OPENED_CHANGED;
        if (now_ns - m->opened_ns >= MERGE_MIN * MMR_MINUTE_NS)
            continue;
        struct mmr_severe same = *s; /* one clock: that of the first */
        same.t0_ns = m->t0_ns;
        same.has_news = true;
        m->repeats++;
        add_member(m, s->id, now_ns);
        (void)changed(d, m, &same, now_ns);
        return MMR_OPENED_MERGED;
    }
    n = add(d, s->id, now_ns, err);
    if (!n)
        return err ? err->code : MMR_ETOOBIG;
    n->fingerprint = s->fingerprint;
    n->band = s->band;
    n->is_exercise = s->is_exercise;
    n->t0_ns = s->t0_ns;
    n->classed_ns = s->classed_ns;
    (void)add_assets(n, s);
    return storm(d, n, now_ns, err);
}

int mmr_deadline_followup(struct mmr_deadline *d, uint64_t id, int64_t now_ns, struct mmr_error *err)
{
    struct mmr_notice *n = mmr_deadline_find(d, id);
    if (!n)
        return mmr_fail(err, MMR_ENOENT, "no notice of incident %016llx is known", (unsigned long long)id);
    (void)mmr_notice_tell(d, n, MMR_STEP_FOLLOWUP + n->n_followups++ % 1000, MMR_TEXT_FOLLOWUP, now_ns);
    return 0;
}

int mmr_deadline_close(struct mmr_deadline *d, uint64_t id, const char *who, bool is_withdrawn, int64_t now_ns, struct mmr_error *err)
{
    struct mmr_notice *n = mmr_deadline_find(d, id);
    if (!n)
        return mmr_fail(err, MMR_ENOENT, "no notice of incident %016llx is known", (unsigned long long)id);
    if (!who || !*who)
        return mmr_fail(err, MMR_EINVAL, "notice of incident %016llx: closed by nobody; a person's name is needed", (unsigned long long)id);
    if (n->closed_ns)
        return 0;
    n->closed_ns = now_ns;
    n->is_withdrawn = is_withdrawn;
    n->has_change = false;
    (void)snprintf(n->closed_by, sizeof n->closed_by, "%s", who);
    mmr_notice_drop_planned(n);
    if (is_withdrawn)
        (void)mmr_notice_tell(d, n, MMR_STEP_CORRECTION, MMR_TEXT_CORRECTION, now_ns);
    struct mmr_notice *u = n->parent ? mmr_deadline_find(d, n->parent) : NULL;
    if (!u || mmr_notice_is_over(u))
        return 0;
    for (uint32_t i = 0; i < u->n_members; i++) {
        const struct mmr_notice *m = mmr_deadline_find(d, u->member[i].id);
        if (m && !mmr_notice_is_over(m))
            return 0;
    }
    u->closed_ns = now_ns; /* nothing of its list is open */
    u->has_change = false;
    (void)snprintf(u->closed_by, sizeof u->closed_by, "%s", who);
    mmr_notice_drop_planned(u);
    return 0;
}
