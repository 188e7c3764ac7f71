/*
 * correlate.c - Sigma correlation rules: counts, values and sequences of other rules' matches, by group and
 * within a time span of the events' own time. State is bounded: a fixed table of groups, each with a bounded
 * list of matches; what is forgotten early is counted.
 */
#include "sigma/corr.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
#ifdef MMR_SIGMA_SMALL
    BUCKETS = 2, WAYS = 2,
    TOTAL_MAX = 16,
#else
    BUCKETS = 1024, WAYS = 8, /* groups alive at once: 8,192 */
    TOTAL_MAX = 262144,       /* matches remembered for all groups: 6 MiB */
#endif
    GROUP_TEXT = 224, VALUE_SHOWN = 160, CHAIN_MAX = 8,
};

#define TIME_MAX_NS (INT64_MAX - SPAN_MAX_S * 1000000000 - 1) /* the year 2162; with a span added it is still an int64_t */

struct entry {
    int64_t time_ns;
    uint64_t value; /* hash of the text, or the bits of a double */
    uint32_t ref, reserved;
};
struct group {
    bool is_used;
    uint32_t rule;
    uint64_t hash;
    int64_t first_ns, last_ns;
    struct entry *v;
    uint32_t n, cap;
    char text[GROUP_TEXT];
};
struct link { /* rule -> correlation that refers to it */
    uint32_t corr, ref;
};
struct sigma_correlator {
    struct group *groups; /* BUCKETS x WAYS */
    struct link *links;
    uint32_t *first_link; /* by rule, one more at the end */
    size_t total;
    int64_t next_end_ns; /* the earliest end of a span that has to be judged then */
    uint32_t chain;
    uint64_t distinct[ENTRIES_MAX * 2];
    double sorted[ENTRIES_MAX];
    uint32_t *at_end; /* correlations judged at the end of their span */
    uint32_t n_at_end;
};

/* ---- references ---- */

static bool complain(struct mmr_sigma *s, struct sigma_detection *d, const char *what, const char *name)
{
    char text[300];
    (void)snprintf(text, sizeof text, "%s:%d:1: correlation.rules: '%.80s' %s", d->pub.file, d->pub.line, name, what);
    d->pub.error = mmr_sigma_strndup(&s->arena, text, strlen(text));
    return d->pub.error != NULL;
}

/* Correlations of correlations: how deep, or CHAIN_MAX where it goes round */
static int chain_depth(const struct mmr_sigma *s, const struct sigma_detection *d, int depth)
{
    int deepest = depth;
    for (uint32_t i = 0; depth < CHAIN_MAX && i < d->corr->n_refs; i++) {
        const struct sigma_detection *r = s->rules[d->corr->refs[i]];
        if (r->corr && mmr_sigma_rule_ok(&r->pub)) {
            int k = chain_depth(s, r, depth + 1);
            deepest = k > deepest ? k : deepest;
        }
    }
    return deepest;
}

static bool resolve(struct mmr_sigma *s, struct sigma_detection *d)
{
    for (uint32_t i = 0; i < d->corr->n_refs; i++) {
        const struct mmr_sigma_rule *r = mmr_sigma_find(s, d->corr->ref_names[i]);
        if (!r || r->kind == MMR_SIGMA_FILTER || r->kind == MMR_SIGMA_EXCLUSION)
            return complain(s, d, "is no loaded rule; load it together with this file", d->corr->ref_names[i]);
        if (!mmr_sigma_rule_ok(r))
            return complain(s, d, "cannot be used, see there", d->corr->ref_names[i]);
        if (s->rules[r->index]->corr && s->rules[r->index]->corr->is_at_end)
            return complain(s, d, "is known only when its span is over; no other correlation can count it", d->corr->ref_names[i]);
        d->corr->refs[i] = r->index;
    }
    return true;
}

int sigma_corr_resolve(struct mmr_sigma *s, struct mmr_error *err)
{
    size_t n_corr = 0, n_links = 0;
    for (size_t i = 0; i < s->n_rules; i++) {
        struct sigma_detection *d = s->rules[i];
        if (!d->corr || !mmr_sigma_rule_ok(&d->pub))
            continue;
        if (!resolve(s, d))
            return mmr_fail(err, MMR_ENOMEM, "Sigma correlations: out of memory");
        n_corr++;
    }
    for (size_t i = 0; i < s->n_rules; i++) {
        struct sigma_detection *d = s->rules[i];
        if (!d->corr || !mmr_sigma_rule_ok(&d->pub))
            continue;
        if (chain_depth(s, d, 0) >= CHAIN_MAX && !complain(s, d, "begins a chain of correlations that is too deep or goes round", d->corr->ref_names[0]))
            return mmr_fail(err, MMR_ENOMEM, "Sigma correlations: out of memory");
        n_links += d->corr->n_refs;
    }
    if (!n_corr)
        return 0;
    struct sigma_correlator *k = calloc(1, sizeof *k);
    if (k) {
        k->groups = calloc((size_t)BUCKETS * WAYS, sizeof *k->groups);
        k->links = calloc(n_links + 1, sizeof *k->links);
        k->first_link = calloc(s->n_rules + 1, sizeof *k->first_link);
        k->at_end = calloc(n_corr + 1, sizeof *k->at_end);
        k->next_end_ns = INT64_MAX;
    }
    s->correlator = k;
    if (!k || !k->groups || !k->links || !k->first_link || !k->at_end)
        return mmr_fail(err, MMR_ENOMEM, "Sigma correlations: out of memory");
    bool *is_shown = calloc(s->n_rules + 1, sizeof *is_shown), *is_used = calloc(s->n_rules + 1, sizeof *is_used);
    if (!is_shown || !is_used) {
        free(is_shown);
        free(is_used);
        return mmr_fail(err, MMR_ENOMEM, "Sigma correlations: out of memory");
    }
    for (int pass = 0; pass < 2; pass++) { /* counted, then put down */
        for (size_t i = 0; i < s->n_rules; i++) {
            const struct sigma_detection *d = s->rules[i];
            for (uint32_t j = 0; d->corr && mmr_sigma_rule_ok(&d->pub) && j < d->corr->n_refs; j++) {
                uint32_t r = d->corr->refs[j];
                if (!pass) {
                    k->first_link[r + 1]++;
                    continue;
                }
                k->links[k->first_link[r]++] = (struct link){(uint32_t)i, j};
                is_used[r] = true;
                is_shown[r] |= d->corr->is_generate;
            }
        }
        for (size_t r = s->n_rules; pass && r > 0; r--) /* filling moved each start to its end, which is the next one's start */
            k->first_link[r] = k->first_link[r - 1];
        for (size_t r = 0; !pass && r < s->n_rules; r++)
            k->first_link[r + 1] += k->first_link[r];
    }
    k->first_link[0] = 0;
    for (size_t r = 0; r < s->n_rules; r++) {
        struct sigma_detection *d = s->rules[r];
        if (is_used[r] && !is_shown[r]) /* specification: without generate only the correlation reports */
            d->pub.is_enabled = false;
        if (d->corr && mmr_sigma_rule_ok(&d->pub) && d->corr->is_at_end)
            k->at_end[k->n_at_end++] = (uint32_t)r;
    }
    free(is_shown);
    free(is_used);
    return 0;
}

void sigma_corr_free(struct sigma_correlator *c)
{
    if (!c)
        return;
    for (size_t i = 0; c->groups && i < (size_t)BUCKETS * WAYS; i++)
        free(c->groups[i].v);
    free(c->groups);
    free(c->links);
    free(c->first_link);
    free(c->at_end);
    free(c);
}

/* ---- state ---- */

static void forget(struct sigma_correlator *k, struct group *g)
{
    k->total -= g->n;
    g->n = 0;
    g->is_used = false;
}

static struct group *group_of(struct mmr_sigma *s, uint32_t rule, uint64_t hash, const char *text, int64_t now)
{
    struct sigma_correlator *k = s->correlator;
    uint64_t h = (hash ^ rule * UINT64_C(0x9E3779B97F4A7C15)) * UINT64_C(0xD6E8FEB86659FD93);
    h ^= h >> 32; /* rules that group by the same values must not meet in one set */
    struct group *set = &k->groups[(h >> 20) % BUCKETS * WAYS], *oldest = set;
    for (size_t i = 0; i < WAYS; i++) {
        struct group *g = &set[i];
        if (g->is_used && g->rule == rule && g->hash == h && !strcmp(g->text, text))
            return g;
        if (!g->is_used || (oldest->is_used && g->last_ns < oldest->last_ns))
            oldest = g;
    }
    if (oldest->is_used) {
        if (oldest->last_ns + s->rules[oldest->rule]->corr->span_ns > now)
            s->stats.evictions++;
        forget(k, oldest);
    }
    oldest->is_used = true;
    oldest->rule = rule;
    oldest->hash = h;
    oldest->first_ns = now;
    memcpy(oldest->text, text, strlen(text) + 1);
    return oldest;
}

static void drop_first(struct sigma_correlator *k, struct group *g, uint32_t n)
{
    memmove(g->v, g->v + n, (g->n - n) * sizeof *g->v);
    g->n -= n;
    k->total -= n;
}

static bool remember(struct mmr_sigma *s, struct group *g, const struct entry *e, int64_t span_ns)
{
    struct sigma_correlator *k = s->correlator;
    uint32_t old = 0; /* what no span that holds e holds, too */
    while (old < g->n && g->v[old].time_ns <= e->time_ns - span_ns)
        old++;
    if (old)
        drop_first(k, g, old);
    if (g->n == ENTRIES_MAX || (k->total >= TOTAL_MAX && g->n)) {
        drop_first(k, g, 1);
        s->stats.evictions++;
    }
    if (k->total >= TOTAL_MAX) {
        s->stats.evictions++;
        return false;
    }
    if (g->n == g->cap) {
        uint32_t cap = g->cap ? g->cap * 2 : 8;
        struct entry *v = realloc(g->v, cap * sizeof *v);
        if (!v) {
            s->stats.evictions++;
            return false;
        }
        g->v = v;
        g->cap = cap;
    }
    uint32_t at = g->n; /* by time; inputs may be a little out of order */
    while (at && g->v[at - 1].time_ns > e->time_ns)
        at--;
    memmove(g->v + at + 1, g->v + at, (g->n - at) * sizeof *g->v);
    g->v[at] = *e;
    g->n++;
    k->total++;
    g->last_ns = e->time_ns > g->last_ns ? e->time_ns : g->last_ns;
    return true;
}

/* ---- judging ---- */

static double distinct(struct sigma_correlator *k, const struct group *g)
{
    uint32_t cap = 16, n = 0;
    while (cap < g->n * 2)
        cap *= 2;
    memset(k->distinct, 0, cap * sizeof *k->distinct);
    for (uint32_t i = 0; i < g->n; i++) {
        uint64_t v = g->v[i].value | 1;
        uint32_t at = (uint32_t)(v >> 11) & (cap - 1);
        while (k->distinct[at] && k->distinct[at] != v)
            at = (at + 1) & (cap - 1);
        n += !k->distinct[at];
        k->distinct[at] = v;
    }
    return n;
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static double rank(struct sigma_correlator *k, const struct group *g, double percent)
{
    for (uint32_t i = 0; i < g->n; i++)
        memcpy(&k->sorted[i], &g->v[i].value, sizeof k->sorted[i]);
    qsort(k->sorted, g->n, sizeof k->sorted[0], by_value);
    double pos = percent / 100 * (g->n - 1), low = (double)(long long)pos;
    size_t i = (size_t)low, j = i + 1 < g->n ? i + 1 : i;
    return k->sorted[i] + (k->sorted[j] - k->sorted[i]) * (pos - low);
}

static double measure(struct sigma_correlator *k, const struct sigma_corr *c, const struct group *g)
{
    double sum = 0, v, low = INFINITY, high = -INFINITY;
    uint64_t seen = 0;
    switch (c->type) {
    case CORR_EVENT_COUNT:
        return g->n;
    case CORR_VALUE_COUNT:
        return distinct(k, g);
    case CORR_TEMPORAL:
        for (uint32_t i = 0; i < g->n; i++)
            seen |= UINT64_C(1) << g->v[i].ref;
        return __builtin_popcountll(seen);
    case CORR_ORDERED:
        for (uint32_t i = 0; i < g->n && seen < c->n_refs; i++)
            seen += g->v[i].ref == seen;
        return (double)seen;
    case CORR_MEDIAN:
        return rank(k, g, 50);
    case CORR_PERCENTILE:
        return rank(k, g, c->percentile);
    default:
        for (uint32_t i = 0; i < g->n; i++) {
            memcpy(&v, &g->v[i].value, sizeof v);
            sum += v;
            low = v < low ? v : low;
            high = v > high ? v : high;
        }
        return c->type == CORR_SUM ? sum : c->type == CORR_AVG ? sum / g->n : c->type == CORR_MIN ? low : high;
    }
}

static bool within(const struct bound *b, double v)
{
    bool is_less = v < b->value, is_more = v > b->value;
    if (b->op[0] == 'l')
        return is_less || (b->op[2] && !is_more);
    if (b->op[0] == 'g')
        return is_more || (b->op[2] && !is_less);
    return (b->op[0] == 'e') == (!is_less && !is_more);
}

static bool holds(const struct sigma_expr *e, uint64_t seen)
{
    bool is_and = e->type == EXPR_AND;
    if (e->type == EXPR_ATOM)
        return seen >> e->atom & 1;
    if (e->type == EXPR_NOT)
        return !holds(e->kids[0], seen);
    for (uint32_t i = 0; i < e->n; i++)
        if (holds(e->kids[i], seen) != is_and)
            return !is_and;
    return is_and;
}

static bool is_met(struct sigma_correlator *k, const struct sigma_corr *c, const struct group *g, double *ret_count)
{
    if (!g->n)
        return false;
    double v = *ret_count = measure(k, c, g);
    if (c->expr) {
        uint64_t seen = 0;
        for (uint32_t i = 0; i < g->n; i++)
            seen |= UINT64_C(1) << g->v[i].ref;
        return holds(c->expr, seen) && (c->type != CORR_ORDERED || v >= c->n_refs);
    }
    if (!c->n_bounds)
        return v >= c->n_refs;
    for (uint32_t i = 0; i < c->n_bounds; i++)
        if (!within(&c->bounds[i], v))
            return false;
    return true;
}

static void feed(struct mmr_sigma *s, uint32_t rule, const struct mmr_event_view *view, int64_t time_ns,
                 mmr_sigma_hit_fn hit, void *ctx);

/* The condition holds: report, start over, and tell the correlations that build on this one. */
static void fire(struct mmr_sigma *s, struct group *g, double count, int64_t first_ns, const struct mmr_event_view *view,
                 int64_t time_ns, mmr_sigma_hit_fn hit, void *ctx)
{
    struct sigma_correlator *k = s->correlator;
    const struct sigma_detection *d = s->rules[g->rule];
    char text[GROUP_TEXT];
    memcpy(text, g->text, sizeof text);
    const struct mmr_sigma_hit h = {.rule = &d->pub, .count = count, .first_ns = first_ns, .group = text};
    uint32_t rule = g->rule;
    forget(k, g);
    if (d->pub.is_enabled) {
        s->stats.hits++;
        hit(ctx, &h);
    }
    if (view && k->chain < CHAIN_MAX) {
        k->chain++;
        feed(s, rule, view, time_ns, hit, ctx);
        k->chain--;
    }
}

/* Spans that ended without having been judged: "fewer than", "and not" */
static void judge_ended(struct mmr_sigma *s, int64_t now, mmr_sigma_hit_fn hit, void *ctx)
{
    struct sigma_correlator *k = s->correlator;
    if (!k->n_at_end || now < k->next_end_ns)
        return;
    k->next_end_ns = INT64_MAX;
    for (size_t i = 0; i < (size_t)BUCKETS * WAYS; i++) {
        struct group *g = &k->groups[i];
        const struct sigma_corr *c = g->is_used ? s->rules[g->rule]->corr : NULL;
        double count;
        if (!c || !c->is_at_end)
            continue;
        int64_t end = g->first_ns + c->span_ns;
        if (end > now)
            k->next_end_ns = end < k->next_end_ns ? end : k->next_end_ns;
        else if (is_met(k, c, g, &count))
            fire(s, g, count, g->v[0].time_ns, NULL, end, hit, ctx);
        else
            forget(k, g);
    }
}

static uint64_t add_hash(uint64_t h, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)p[i]) * 1099511628211u;
    return (h ^ 0xff) * 1099511628211u; /* no text has this byte, so "ab", "c" is not "a", "bc" */
}

/* The event's group: a hash of the whole values, and words for people, which may be cut */
static bool group_of_event(struct mmr_sigma *s, const struct sigma_corr *c, uint32_t ref, const struct mmr_event_view *view,
                           char text[GROUP_TEXT], uint64_t *ret_hash)
{
    size_t n = 0;
    *ret_hash = 14695981039346656037u;
    for (uint32_t i = 0; i < c->n_group; i++) {
        const char *value;
        size_t len;
        if (!sigma_value_text(s, view, c->group_fields[ref][i], &value, &len))
            return false; /* no such field in this event: it belongs to no group */
        *ret_hash = add_hash(*ret_hash, value, len);
        int w = snprintf(text + n, GROUP_TEXT - n, "%s%s=%.*s", n ? ", " : "", c->group_names[i], (int)(len < VALUE_SHOWN ? len : VALUE_SHOWN), value);
        if (w < 0)
            return false;
        n = (size_t)w < GROUP_TEXT - n ? n + (size_t)w : GROUP_TEXT - 1;
    }
    text[n] = 0;
    return true;
}

static bool entry_value(struct mmr_sigma *s, const struct sigma_corr *c, const struct mmr_event_view *view, uint64_t *ret)
{
    const char *text;
    size_t len;
    double number;
    uint64_t h = 14695981039346656037u;
    for (uint32_t i = 0; i < c->n_value_fields; i++) {
        if (!sigma_value_text(s, view, c->value_fields[i], &text, &len))
            return false;
        if (c->type == CORR_VALUE_COUNT) {
            h = add_hash(h, text, len);
            continue;
        }
        if (!sigma_text_number(text, len, &number))
            return false;
        memcpy(&h, &number, sizeof h);
    }
    *ret = h;
    return true;
}

/* The part of a group that lies within one span: up to the last entry before end_ns */
static struct group span_of(const struct group *g, int64_t end_ns, int64_t span_ns)
{
    struct group part = *g;
    while (part.n && part.v[part.n - 1].time_ns >= end_ns)
        part.n--;
    int64_t last_ns = part.n ? part.v[part.n - 1].time_ns : 0;
    while (part.n && part.v[0].time_ns <= last_ns - span_ns) {
        part.v++;
        part.n--;
    }
    return part;
}

/* Is the condition met by a span that holds the entry at time_ns? The one that ends there, or, where the event comes
 * late, the last one that still reaches back to it. */
static bool is_met_at(struct sigma_correlator *k, const struct sigma_corr *c, const struct group *g, int64_t time_ns, double *ret_count,
                      int64_t *ret_first_ns)
{
    const int64_t ends[] = {time_ns + 1, time_ns + c->span_ns};
    for (size_t i = 0; i < (g->last_ns > time_ns ? 2 : 1); i++) {
        struct group part = span_of(g, ends[i], c->span_ns);
        if (is_met(k, c, &part, ret_count)) {
            *ret_first_ns = part.v[0].time_ns;
            return true;
        }
    }
    return false;
}

static void feed(struct mmr_sigma *s, uint32_t rule, const struct mmr_event_view *view, int64_t time_ns,
                 mmr_sigma_hit_fn hit, void *ctx)
{
    struct sigma_correlator *k = s->correlator;
    for (uint32_t i = k->first_link[rule]; i < k->first_link[rule + 1]; i++) {
        const struct link *l = &k->links[i];
        const struct sigma_corr *c = s->rules[l->corr]->corr;
        char text[GROUP_TEXT];
        uint64_t hash;
        int64_t first_ns;
        struct entry e = {.time_ns = time_ns, .ref = l->ref};
        double count;
        if (!group_of_event(s, c, l->ref, view, text, &hash) || !entry_value(s, c, view, &e.value))
            continue;
        struct group *g = group_of(s, l->corr, hash, text, time_ns);
        if (!remember(s, g, &e, c->span_ns))
            continue;
        if (s->member)
            s->member(s->member_ctx, &s->rules[l->corr]->pub, text, c->span_ns);
        if (c->is_at_end) {
            int64_t end = g->first_ns + c->span_ns;
            k->next_end_ns = end < k->next_end_ns ? end : k->next_end_ns;
        } else if (is_met_at(k, c, g, time_ns, &count, &first_ns)) {
            fire(s, g, count, first_ns, view, time_ns, hit, ctx);
        }
    }
}

void mmr_sigma_members(struct mmr_sigma *s, mmr_sigma_member_fn fn, void *ctx)
{
    s->member = fn;
    s->member_ctx = ctx;
}

/* An event may say any time */
static int64_t sane(int64_t time_ns)
{
    return time_ns > TIME_MAX_NS ? TIME_MAX_NS : time_ns < -TIME_MAX_NS ? -TIME_MAX_NS : time_ns;
}

void sigma_corr_feed(struct mmr_sigma *s, const struct mmr_sigma_rule *rule, const struct mmr_event_view *view,
                     int64_t time_ns, mmr_sigma_hit_fn hit, void *ctx)
{
    feed(s, rule->index, view, sane(time_ns), hit, ctx);
}

void sigma_corr_tick(struct mmr_sigma *s, int64_t time_ns, mmr_sigma_hit_fn hit, void *ctx)
{
    judge_ended(s, sane(time_ns), hit, ctx);
}
