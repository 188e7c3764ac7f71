/*
 * track.c - slots of incidents, the key table whose spans point at them, and merging. A span keeps a
 * reference to its slot; a merged slot forwards until nobody points at it.
 */
#include "correlate/track.h"

#include "correlate/evidence.h"
#include "correlate/join.h"
#include "correlate/seen.h"
#include "correlate/view.h"
#include "util/clock.h"
#include "util/id.h"

#include <stdlib.h>
#include <string.h>

enum { NONE = 0xffffffff, SPANS_MAX = 24, K_ID = 0x200 };

struct slot {
    struct mmr_incident *inc; /* NULL: merged or gone */
    uint32_t forward;         /* the slot it was merged into; NONE */
    uint32_t refs;            /* spans that point here */
    uint32_t prev, next;      /* by use, in the list of open incidents or of hints */
    uint32_t next_changed;
    uint32_t generation; /* which use of this slot: ids of earlier ones are not this one's */
    bool is_hint, is_changed, is_used;
};
struct keyed { /* item of the key table */
    struct mmr_span *more; /* NULL: inside */
    uint32_t n, cap;
    struct mmr_span one[2];
};
struct id_item {
    uint32_t slot, generation;
};
struct list {
    uint32_t newest, oldest, n;
};
struct mmr_tracker {
    struct mmr_track_config c;
    struct mmr_resolve *r;
    const struct mmr_track_ops *ops;
    struct slot *slots;
    uint32_t n_slots, cap_slots, free_slot; /* free ones are chained by next */
    struct list open, hints;
    uint32_t first_changed, last_changed;
    struct mmr_table *keys, *ids;
    struct mmr_seen seen;
    struct mmr_track_stats stats;
    uint64_t merges; /* hints included: whoever walks an incident's evidence starts over when it moved */
};

static struct mmr_span *spans_of(struct keyed *k)
{
    return k->more ? k->more : k->one;
}

static void unref(struct mmr_tracker *t, uint32_t s);

static void drop_key(void *ctx, void *item)
{
    struct mmr_tracker *t = ctx;
    struct keyed *k = item;
    for (uint32_t i = 0; i < k->n; i++)
        unref(t, spans_of(k)[i].slot);
    free(k->more);
}

int mmr_tracker_new(const struct mmr_track_config *c, struct mmr_resolve *r, const struct mmr_track_ops *ops,
                    struct mmr_tracker **ret, struct mmr_error *err)
{
    struct mmr_tracker *t = calloc(1, sizeof *t);
    if (!t)
        return mmr_fail(err, MMR_ENOMEM, "tracker: out of memory");
    t->c = *c;
    t->r = r;
    t->ops = ops;
    if (!t->c.max_incidents)
        t->c.max_incidents = 65536;
    if (!t->c.max_hints)
        t->c.max_hints = 8192;
    if (!t->c.max_keys)
        t->c.max_keys = t->c.max_incidents > UINT32_MAX / 16 ? UINT32_MAX / 2 : t->c.max_incidents * 8;
    t->free_slot = t->first_changed = t->last_changed = NONE;
    t->open.newest = t->open.oldest = t->hints.newest = t->hints.oldest = NONE;
    int e = mmr_table_new(sizeof(struct keyed), t->c.max_keys, drop_key, t, &t->keys, err);
    if (e == 0)
        e = mmr_table_new(sizeof(struct id_item), (t->c.max_incidents + t->c.max_hints) * 2, NULL, NULL, &t->ids, err);
    if (e < 0) {
        mmr_tracker_free(t);
        return e;
    }
    *ret = t;
    return 0;
}

void mmr_tracker_free(struct mmr_tracker *t)
{
    if (!t)
        return;
    mmr_table_free(t->keys);
    mmr_table_free(t->ids);
    mmr_seen_done(&t->seen);
    for (uint32_t i = 0; i < t->n_slots; i++)
        mmr_incident_free(t->slots[i].inc);
    free(t->slots);
    free(t);
}

/* ---- slots ---- */

static struct list *list_of(struct mmr_tracker *t, uint32_t s)
{
    return t->slots[s].is_hint ? &t->hints : &t->open;
}

static void list_remove(struct mmr_tracker *t, uint32_t s)
{
    struct list *l = list_of(t, s);
    struct slot *x = &t->slots[s];
    if (x->prev == NONE)
        l->newest = x->next;
    else
        t->slots[x->prev].next = x->next;
    if (x->next == NONE)
        l->oldest = x->prev;
    else
        t->slots[x->next].prev = x->prev;
    l->n--;
}

static void list_add(struct mmr_tracker *t, uint32_t s)
{
    struct list *l = list_of(t, s);
    struct slot *x = &t->slots[s];
    x->prev = NONE;
    x->next = l->newest;
    if (l->newest != NONE)
        t->slots[l->newest].prev = s;
    l->newest = s;
    if (l->oldest == NONE)
        l->oldest = s;
    l->n++;
}

static void touch(struct mmr_tracker *t, uint32_t s)
{
    if (list_of(t, s)->newest != s) {
        list_remove(t, s);
        list_add(t, s);
    }
}

static void recycle(struct mmr_tracker *t, uint32_t s)
{
    while (s != NONE) {
        struct slot *x = &t->slots[s];
        if (!x->is_used || x->inc || x->refs || x->is_changed)
            return;
        uint32_t target = x->forward;
        x->is_used = false;
        x->generation++;
        x->next = t->free_slot;
        t->free_slot = s;
        if (target == NONE)
            return;
        t->slots[target].refs--; /* a forwarding slot holds its target */
        s = target;
    }
}

static void unref(struct mmr_tracker *t, uint32_t s)
{
    t->slots[s].refs--;
    recycle(t, s);
}

static uint32_t root(const struct mmr_tracker *t, uint32_t s)
{
    while (t->slots[s].forward != NONE)
        s = t->slots[s].forward;
    return s;
}

static int set_id(struct mmr_tracker *t, uint32_t s, struct mmr_error *err)
{
    bool is_new;
    struct id_item *at = mmr_table_put(t->ids, mmr_key_of(K_ID, &t->slots[s].inc->id, 8), &is_new);
    if (!at)
        return mmr_fail(err, MMR_ENOMEM, "tracker: out of memory for an incident's id");
    *at = (struct id_item){s, t->slots[s].generation};
    return 0;
}

static uint64_t id_of(const struct mmr_finding *f)
{
    uint64_t id = mmr_hash64(f->id, 16, 21) & INT64_MAX; /* SQLite keeps signed numbers */
    return id ? id : 1;
}

static void mark(struct mmr_tracker *t, uint32_t s)
{
    struct slot *x = &t->slots[s];
    if (x->is_changed || x->is_hint || t->c.is_quiet)
        return;
    x->is_changed = true;
    x->next_changed = NONE;
    if (t->last_changed == NONE)
        t->first_changed = s;
    else
        t->slots[t->last_changed].next_changed = s;
    t->last_changed = s;
}

static void forget(struct mmr_tracker *t, uint32_t s)
{
    struct slot *x = &t->slots[s];
    struct id_item *at = mmr_table_find(t->ids, mmr_key_of(K_ID, &x->inc->id, 8));
    if (at && at->slot == s)
        mmr_table_drop(t->ids, mmr_key_of(K_ID, &x->inc->id, 8));
    list_remove(t, s);
    mmr_incident_free(x->inc);
    x->inc = NULL;
    recycle(t, s);
}

static void make_room(struct mmr_tracker *t, bool is_hint)
{
    struct list *l = is_hint ? &t->hints : &t->open;
    if (l->n < (is_hint ? t->c.max_hints : t->c.max_incidents))
        return;
    uint32_t s = l->oldest;
    if (is_hint) {
        t->stats.evicted_hints++;
    } else {
        t->stats.evicted_incidents++;
        if (t->ops->evicted)
            t->ops->evicted(t->ops->ctx, t->slots[s].inc);
    }
    forget(t, s);
}

/* A slot for this incident (taken, also on failure); NONE: no memory. */
static uint32_t new_slot(struct mmr_tracker *t, struct mmr_incident *inc, bool is_hint, struct mmr_error *err)
{
    make_room(t, is_hint);
    uint32_t s = t->free_slot, generation = 0;
    if (s != NONE) {
        generation = t->slots[s].generation;
        t->free_slot = t->slots[s].next;
    } else {
        if (t->n_slots == t->cap_slots) {
            uint32_t cap = t->cap_slots ? t->cap_slots * 2 : 256;
            struct slot *p = realloc(t->slots, cap * sizeof *p);
            if (!p) {
                mmr_incident_free(inc);
                (void)mmr_fail(err, MMR_ENOMEM, "tracker: out of memory for %u incidents", cap);
                return NONE;
            }
            t->slots = p;
            t->cap_slots = cap;
        }
        s = t->n_slots++;
    }
    t->slots[s] = (struct slot){.inc = inc, .forward = NONE, .next_changed = NONE, .is_hint = is_hint, .is_used = true,
                                .generation = generation};
    list_add(t, s);
    if (set_id(t, s, err) < 0) {
        forget(t, s);
        return NONE;
    }
    return s;
}

/* ---- merging ---- */

/* Which of two goes on: a real one before a hint, one already told before one not, then the earlier. */
static bool goes_on(const struct slot *a, const struct slot *b)
{
    if (a->is_hint != b->is_hint)
        return b->is_hint;
    if ((a->inc->revision > 0) != (b->inc->revision > 0))
        return a->inc->revision > 0;
    if (a->inc->first_ns != b->inc->first_ns)
        return a->inc->first_ns < b->inc->first_ns;
    return a->inc->id < b->inc->id;
}

/* Two stories are compared by what is known of their clocks now, not when each of their findings came. */
static void know_clocks(const struct mmr_tracker *t, struct mmr_incident *i)
{
    bool is_moved = false;
    for (uint32_t k = 0; k < i->n_evidence; k++) {
        struct mmr_evidence *e = &i->evidence[k];
        int64_t by = mmr_resolve_clock(t->r, e->finding) - e->finding->estimate_ns;
        e->finding->estimate_ns += by;
        e->last_ns += by;
        is_moved |= by != 0;
    }
    if (is_moved)
        mmr_evidence_sort(i);
}

static uint32_t merge(struct mmr_tracker *t, uint32_t a, uint32_t b, int *rc, struct mmr_error *err)
{
    uint32_t win = goes_on(&t->slots[a], &t->slots[b]) ? a : b, lose = win == a ? b : a;
    struct mmr_incident *into = t->slots[win].inc, *from = t->slots[lose].inc;
    bool was_hint = t->slots[lose].is_hint;
    t->merges++;
    know_clocks(t, into);
    know_clocks(t, from);
    int e = mmr_evidence_merge(into, from, err);
    if (e < 0)
        *rc = e;
    if (!was_hint) {
        t->stats.merged++;
        if (t->ops->merged)
            t->ops->merged(t->ops->ctx, into, from);
    }
    struct slot *x = &t->slots[lose];
    struct id_item *at = mmr_table_find(t->ids, mmr_key_of(K_ID, &from->id, 8));
    if (at) /* receipts and people may still use the old id */
        *at = (struct id_item){win, t->slots[win].generation};
    list_remove(t, lose);
    x->inc = NULL;
    x->forward = win;
    t->slots[win].refs++;
    mmr_incident_free(from);
    recycle(t, lose);
    mark(t, win);
    return win;
}

/* ---- keys ---- */

static struct mmr_span *span_room(struct mmr_tracker *t, struct keyed *k)
{
    if (k->n < 2 && !k->more)
        return &k->one[k->n++];
    if (k->n == SPANS_MAX) { /* forget the one that ended first */
        struct mmr_span *s = spans_of(k);
        uint32_t out = 0;
        for (uint32_t i = 1; i < k->n; i++)
            if (s[i].to_ns < s[out].to_ns)
                out = i;
        unref(t, s[out].slot);
        s[out] = s[--k->n];
    }
    if (!k->more || k->n == k->cap) {
        uint32_t cap = k->cap ? k->cap * 2 : 4;
        struct mmr_span *p = realloc(k->more, cap * sizeof *p);
        if (!p)
            return NULL;
        if (!k->more)
            memcpy(p, k->one, k->n * sizeof *p);
        k->more = p;
        k->cap = cap;
    }
    return &k->more[k->n++];
}

static bool is_like(const struct mmr_span *a, const struct mmr_span *b)
{
    return a->colour == b->colour && a->half_s == b->half_s && a->side == b->side && a->is_hint == b->is_hint &&
           a->of == b->of;
}

static void widen(struct mmr_span *a, const struct mmr_span *b)
{
    a->from_ns = b->from_ns < a->from_ns ? b->from_ns : a->from_ns;
    a->to_ns = b->to_ns > a->to_ns ? b->to_ns : a->to_ns;
}

/* Leave what points nowhere behind; let spans point at the incident itself; spans that touch become one. */
static void tidy(struct mmr_tracker *t, struct keyed *k)
{
    struct mmr_span *s = spans_of(k);
    for (uint32_t i = 0; i < k->n;) {
        uint32_t now = root(t, s[i].slot), was = s[i].slot;
        if (!t->slots[now].inc) {
            s[i] = s[--k->n];
            unref(t, was);
            continue;
        }
        if (now != was) {
            s[i].slot = now;
            t->slots[now].refs++;
            unref(t, was);
        }
        uint32_t j = 0;
        while (j < i && !(s[j].slot == now && is_like(&s[j], &s[i]) && mmr_join_touches(&s[j], &s[i])))
            j++;
        if (j < i) {
            widen(&s[j], &s[i]);
            s[i] = s[--k->n];
            unref(t, now);
            continue;
        }
        i++;
    }
}

/* Post one key for the incident in slot s; returns the slot the story is in afterwards. */
static uint32_t post(struct mmr_tracker *t, uint32_t s, const struct mmr_post *p, int *rc, struct mmr_error *err)
{
    bool is_new;
    struct keyed *k = mmr_table_put(t->keys, p->key, &is_new);
    if (!k) {
        *rc = mmr_fail(err, MMR_ENOMEM, "tracker: out of memory for %u keys", mmr_table_count(t->keys) + 1);
        return s;
    }
    bool has_foreign = false;
    for (uint32_t i = 0; i < k->n; i++) {
        struct mmr_span *x = &spans_of(k)[i];
        uint32_t other = root(t, x->slot);
        has_foreign |= x->slot != s;
        if (other == s || !t->slots[other].inc || !mmr_join_meets(x, &p->span))
            continue;
        s = merge(t, s, other, rc, err);
    }
    if (has_foreign)
        tidy(t, k);
    for (uint32_t i = 0; i < k->n; i++) {
        struct mmr_span *x = &spans_of(k)[i];
        if (x->slot == s && is_like(x, &p->span) && mmr_join_touches(x, &p->span)) {
            widen(x, &p->span);
            return s;
        }
    }
    struct mmr_span *x = span_room(t, k);
    if (!x) {
        *rc = mmr_fail(err, MMR_ENOMEM, "tracker: out of memory for spans");
        return s;
    }
    *x = p->span;
    x->slot = s;
    t->slots[s].refs++;
    return s;
}

static uint32_t post_all(struct mmr_tracker *t, uint32_t s, const struct mmr_finding *f, int *rc, struct mmr_error *err)
{
    struct mmr_post posts[MMR_POSTS_MAX];
    size_t n = mmr_join_posts(t->r, f, false, posts);
    for (size_t i = 0; i < n; i++)
        s = post(t, s, &posts[i], rc, err);
    return s;
}

/* ---- the interface ---- */

int mmr_tracker_add(struct mmr_tracker *t, struct mmr_finding *f, enum mmr_track_outcome *ret,
                    struct mmr_incident **ret_incident, struct mmr_error *err)
{
    uint64_t fold = mmr_evidence_fold(f), content = mmr_evidence_content(f, fold);
    bool is_new, is_hint = mmr_finding_is_hint(f);
    int rc = 0;
    *ret_incident = NULL;
    const int seen = mmr_seen_put(&t->seen, content);
    if (seen <= 0) {
        free(f);
        *ret = MMR_TRACK_DUPLICATE;
        t->stats.duplicates++;
        return seen == 0 ? 0 : mmr_fail(err, MMR_ENOMEM, "tracker: out of memory");
    }
    f->estimate_ns = mmr_resolve_clock(t->r, f);

    /* Find what it joins first: a repeat should not cost a new incident. */
    struct mmr_post posts[MMR_POSTS_MAX];
    size_t n = mmr_join_posts(t->r, f, false, posts);
    uint32_t s = NONE;
    for (size_t i = 0; i < n && s == NONE; i++) {
        struct keyed *k = mmr_table_find(t->keys, posts[i].key);
        for (uint32_t j = 0; k && j < k->n && s == NONE; j++) {
            const struct mmr_span *x = &spans_of(k)[j];
            uint32_t other = root(t, x->slot);
            if (t->slots[other].inc && mmr_join_meets(x, &posts[i].span))
                s = other;
        }
    }
    bool is_opening = s == NONE, is_story = false;
    if (is_opening) {
        struct mmr_incident *inc = mmr_incident_new(id_of(f), err);
        s = inc ? new_slot(t, inc, is_hint, err) : NONE;
        if (s == NONE) {
            free(f);
            return MMR_ENOMEM;
        }
    }
    if (!is_hint && t->slots[s].is_hint) { /* a hint was waiting for this */
        make_room(t, false);
        list_remove(t, s);
        t->slots[s].is_hint = false;
        list_add(t, s);
        is_story = true;
    } else {
        touch(t, s);
    }
    rc = mmr_evidence_add(t->slots[s].inc, f, fold, &is_new, err);
    uint64_t merged = t->stats.merged;
    for (size_t i = 0; i < n; i++)
        s = post(t, s, &posts[i], &rc, err);
    if (t->slots[s].is_hint) {
        *ret = MMR_TRACK_HELD;
        return rc;
    }
    *ret_incident = t->slots[s].inc;
    *ret = is_opening || is_story ? MMR_TRACK_NEW : is_new ? MMR_TRACK_JOINED : MMR_TRACK_FOLDED;
    if (t->stats.merged != merged)
        *ret = MMR_TRACK_JOINED;
    if (*ret == MMR_TRACK_FOLDED)
        t->stats.folded++;
    else
        mark(t, s);
    return rc;
}

/* All posts of one piece of evidence, at its first time and at that of its last repeat, whose ports nobody kept. False
 * when the incident merged meanwhile (the evidence may be gone). */
static bool repost_one(struct mmr_tracker *t, uint32_t *s, uint32_t at, int *rc, struct mmr_error *err)
{
    const struct mmr_evidence *e = &t->slots[*s].inc->evidence[at];
    struct mmr_finding f = *e->finding;
    uint64_t merges = t->merges;
    int64_t length = e->last_ns - mmr_finding_time(&f);
    *s = post_all(t, *s, &f, rc, err);
    if (t->merges != merges)
        return false;
    if (length > 0) {
        f.time_ns += length;
        f.src_port = 0;
        *s = post_all(t, *s, &f, rc, err);
    }
    return t->merges == merges;
}

/* Everything the incident knows is posted again with what the resolver knows now. */
static uint32_t repost(struct mmr_tracker *t, uint32_t s, int *rc, struct mmr_error *err)
{
    for (uint32_t i = 0; i < t->slots[s].inc->n_evidence;)
        i = repost_one(t, &s, i, rc, err) ? i + 1 : 0; /* every merge leaves one incident less: it ends */
    return s;
}

/* Who touched a key, and when: a copy, because posting changes the table. Each holds its slot: it stays of this story. */
static uint32_t touched(struct mmr_tracker *t, struct mmr_key key, struct mmr_span spans[SPANS_MAX])
{
    struct keyed *k = mmr_table_find(t->keys, key);
    if (!k)
        return 0;
    tidy(t, k);
    for (uint32_t i = 0; i < k->n; i++) {
        spans[i] = spans_of(k)[i];
        t->slots[spans[i].slot].refs++;
    }
    return k->n;
}

static void let_go(struct mmr_tracker *t, const struct mmr_span *spans, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        unref(t, spans[i].slot);
}

static int repost_key(struct mmr_tracker *t, struct mmr_key key, struct mmr_error *err)
{
    struct mmr_span spans[SPANS_MAX];
    int rc = 0;
    uint32_t n = touched(t, key, spans);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t s = root(t, spans[i].slot);
        bool is_done = t->slots[s].inc == NULL;
        for (uint32_t j = 0; j < i && !is_done; j++)
            is_done = root(t, spans[j].slot) == s;
        if (!is_done)
            mark(t, repost(t, s, &rc, err)); /* what the resolver knows shows in the view */
    }
    let_go(t, spans, n);
    return rc;
}

static const struct mmr_finding *finding_of(const struct mmr_incident *inc, uint32_t fold)
{
    for (uint32_t k = 0; k < inc->n_evidence; k++)
        if ((uint32_t)inc->evidence[k].fold == fold)
            return inc->evidence[k].finding;
    return NULL;
}

/* A connection has an owner: what was found on it, the repeats that were folded included, is that process's. */
static int learnt_conn(struct mmr_tracker *t, const struct mmr_conn *c, struct mmr_error *err)
{
    struct mmr_span spans[SPANS_MAX];
    int rc = 0;
    uint32_t n = touched(t, mmr_key_conn(c), spans);
    for (uint32_t i = 0; i < n; i++)
        for (unsigned end = 0; end < 2; end++) {
            uint32_t s = root(t, spans[i].slot);
            const struct mmr_finding *rep = t->slots[s].inc ? finding_of(t->slots[s].inc, spans[i].of) : NULL;
            if (!rep || (end && spans[i].to_ns == spans[i].from_ns))
                break;
            struct mmr_finding f = *rep;
            bool is_same = mmr_addr_equal(&f.src, &c->src);
            f.src_port = is_same ? c->src_port : c->dst_port;
            f.dst_port = is_same ? c->dst_port : c->src_port;
            f.time_ns += (end ? spans[i].to_ns : spans[i].from_ns) - mmr_finding_time(&f);
            mark(t, post_all(t, s, &f, &rc, err));
        }
    let_go(t, spans, n);
    return rc;
}

/* A process has a parent: whoever touched the one touched the other. */
static int learnt_process(struct mmr_tracker *t, const char *host, const char *process, struct mmr_error *err)
{
    struct mmr_span spans[SPANS_MAX];
    struct mmr_post posts[MMR_POSTS_MAX];
    int rc = 0;
    uint32_t n = touched(t, mmr_join_key_process(host, process), spans);
    for (uint32_t i = 0; i < n; i++) {
        size_t m = mmr_join_ancestors(t->r, host, process, &spans[i], posts);
        for (size_t k = 0; k < m; k++)
            for (unsigned end = 0; end < 2; end++) {
                uint32_t s = root(t, spans[i].slot);
                struct mmr_post p = posts[k];
                p.span.from_ns = p.span.to_ns = end ? spans[i].to_ns : spans[i].from_ns;
                if (t->slots[s].inc && (!end || spans[i].to_ns != spans[i].from_ns))
                    mark(t, post(t, s, &p, &rc, err));
            }
    }
    let_go(t, spans, n);
    return rc;
}

/* The clock of a machine turned out otherwise: its evidence moves, far moves post anew. */
static int correct_clock(struct mmr_tracker *t, const char *host, struct mmr_error *err)
{
    int rc = 0;
    for (uint32_t s = 0; s < t->n_slots; s++) {
        struct mmr_incident *inc = t->slots[s].is_used ? t->slots[s].inc : NULL;
        bool is_moved = false, is_far = false;
        for (uint32_t i = 0; inc && i < inc->n_evidence; i++) {
            struct mmr_finding *f = inc->evidence[i].finding;
            char name[MMR_HOST_NAME_MAX];
            if (f->side == MMR_SIDE_NETWORK || !f->host)
                continue;
            mmr_host_normalise(f->host, name);
            int64_t now = mmr_resolve_clock(t->r, f), by = now - f->estimate_ns;
            if (strcmp(name, host) != 0 || by == 0)
                continue;
            f->estimate_ns = now;
            inc->evidence[i].last_ns += by;
            is_moved = true;
            is_far |= by > 60 * MMR_NS_PER_S || by < -60 * MMR_NS_PER_S;
        }
        if (!is_moved)
            continue;
        mmr_evidence_sort(inc);
        mark(t, s);
        if (is_far)
            (void)repost(t, s, &rc, err);
    }
    return rc;
}

int mmr_tracker_learnt(struct mmr_tracker *t, const struct mmr_learnt *l, struct mmr_error *err)
{
    int rc = 0, e;
    if (l->what & MMR_LEARNT_OFFSET && (e = correct_clock(t, l->host, err)) < 0)
        rc = e;
    if (l->what & MMR_LEARNT_CONN && (e = learnt_conn(t, &l->conn, err)) < 0)
        rc = e;
    if (l->what & MMR_LEARNT_PROCESS && (e = learnt_process(t, l->host, l->process, err)) < 0)
        rc = e;
    if (l->what & MMR_LEARNT_ADDR && (e = repost_key(t, mmr_join_key_hostaddr(&l->addr), err)) < 0)
        rc = e;
    if (l->what & MMR_LEARNT_SESSION && (e = repost_key(t, mmr_join_key_session(l->host, l->session), err)) < 0)
        rc = e;
    return rc;
}

int mmr_tracker_restore(struct mmr_tracker *t, struct mmr_incident *i, struct mmr_error *err)
{
    int rc = 0;
    for (uint32_t k = 0; k < i->n_evidence; k++) {
        const struct mmr_finding *f = i->evidence[k].finding;
        (void)mmr_seen_put(&t->seen, mmr_evidence_content(f, i->evidence[k].fold));
    }
    uint32_t s = new_slot(t, i, false, err);
    if (s == NONE)
        return MMR_ENOMEM;
    (void)repost(t, s, &rc, err);
    return rc;
}

static uint32_t find_slot(const struct mmr_tracker *t, uint64_t id)
{
    const struct id_item *at = mmr_table_find(t->ids, mmr_key_of(K_ID, &id, 8));
    if (at && t->slots[at->slot].is_used && t->slots[at->slot].generation == at->generation) {
        uint32_t s = root(t, at->slot);
        return t->slots[s].inc ? s : NONE;
    }
    for (uint32_t s = 0; s < t->n_slots; s++) /* its id was pushed out by those of many merged ones: rare */
        if (t->slots[s].is_used && t->slots[s].inc && t->slots[s].inc->id == id)
            return s;
    return NONE;
}

struct mmr_incident *mmr_tracker_get(struct mmr_tracker *t, uint64_t id)
{
    uint32_t s = find_slot(t, id);
    return s == NONE || t->slots[s].is_hint ? NULL : t->slots[s].inc;
}

void mmr_tracker_close(struct mmr_tracker *t, struct mmr_incident *i)
{
    uint32_t s = find_slot(t, i->id);
    if (s != NONE && t->slots[s].inc == i)
        forget(t, s);
}

void mmr_tracker_each(struct mmr_tracker *t, bool (*fn)(void *ctx, struct mmr_incident *i), void *ctx)
{
    for (uint32_t s = 0; s < t->n_slots; s++)
        if (t->slots[s].is_used && t->slots[s].inc && !t->slots[s].is_hint && !fn(ctx, t->slots[s].inc))
            return;
}

struct mmr_incident *mmr_tracker_take_changed(struct mmr_tracker *t)
{
    while (t->first_changed != NONE) {
        uint32_t s = t->first_changed;
        struct slot *x = &t->slots[s];
        t->first_changed = x->next_changed;
        if (t->first_changed == NONE)
            t->last_changed = NONE;
        x->is_changed = false;
        if (x->inc)
            return x->inc;
        recycle(t, s);
    }
    return NULL;
}

int mmr_tracker_view(struct mmr_tracker *t, struct mmr_incident *i, struct mmr_error *err)
{
    uint32_t s = find_slot(t, i->id);
    int e = mmr_view_derive(t->r, i, err);
    if (e < 0 || i->n_evidence == 0)
        return e;
    if (i->revision == 0 && s != NONE) { /* nobody knows it yet: named after its first finding */
        uint64_t id = id_of(i->evidence[0].finding);
        if (id != i->id) {
            uint32_t other = find_slot(t, id);
            if (other != NONE && other != s)
                return 0; /* taken by another story that began with the same record */
            mmr_table_drop(t->ids, mmr_key_of(K_ID, &i->id, 8));
            i->id = id;
            e = set_id(t, s, err);
        }
    }
    uint8_t seed[24];
    memcpy(seed, &i->id, 8);
    memcpy(seed + 8, i->evidence[0].finding->id, 16);
    if (i->revision == 0)
        mmr_uuid_of(seed, sizeof seed, i->uid);
    return e;
}

void mmr_tracker_stats(const struct mmr_tracker *t, struct mmr_track_stats *ret)
{
    *ret = t->stats;
    ret->open = t->open.n;
    ret->hints = t->hints.n;
    ret->keys = mmr_table_count(t->keys);
    ret->evicted_keys = mmr_table_evicted(t->keys);
    ret->bytes = mmr_table_bytes(t->keys) + mmr_table_bytes(t->ids) + mmr_seen_bytes(&t->seen) +
                 t->cap_slots * sizeof *t->slots;
}
