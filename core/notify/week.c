/* week.c - see week.h. Items lie sorted by id, gaps sorted by time and joined. */
#include "notify/week.h"

#include <stdlib.h>
#include <string.h>

enum { VERSION = 1, HEAD_WORDS = 6, ITEM_WORDS = 4, GAP_WORDS = 2, CALL_AFTER = 2, ISSUED_MAX = 5200 }; /* ISSUED_MAX: a century of weeks */
#define TIME_MAX_NS (INT64_C(1) << 62)
#define DAY_NS (INT64_C(86400) * 1000000000)

void mmr_week_init(struct mmr_week *w, int64_t first_ns)
{
    memset(w, 0, sizeof *w);
    w->first_ns = first_ns;
}

void mmr_week_done(struct mmr_week *w)
{
    free(w->item);
    w->item = NULL;
    w->n_items = w->cap_items = 0;
}

static uint32_t place_of(const struct mmr_week *w, uint64_t id)
{
    uint32_t lo = 0, hi = w->n_items;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (w->item[mid].id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static int make_room(struct mmr_week *w, int64_t now_ns, struct mmr_error *err)
{
    if (w->n_items == MMR_WEEK_INCIDENTS_MAX) { /* beyond the time incidents are kept, nobody puts them again */
        uint32_t kept = 0;
        for (uint32_t i = 0; i < w->n_items; i++)
            if (!w->item[i].report || w->item[i].classed_ns > now_ns - MMR_WEEK_KEPT_DAYS * DAY_NS)
                w->item[kept++] = w->item[i];
        w->n_items = kept;
    }
    if (w->n_items == MMR_WEEK_INCIDENTS_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "weekly report: over %d incidents in %d days", MMR_WEEK_INCIDENTS_MAX, MMR_WEEK_KEPT_DAYS);
    if (w->n_items < w->cap_items)
        return 0;
    uint32_t cap = w->cap_items ? 2 * w->cap_items : 64;
    struct mmr_week_item *more = realloc(w->item, cap * sizeof *more);
    if (!more)
        return mmr_fail(err, MMR_ENOMEM, "weekly report: out of memory for %u incidents", cap);
    w->item = more;
    w->cap_items = cap;
    return 0;
}

int mmr_week_put(struct mmr_week *w, uint64_t id, enum mmr_class class_, bool is_exercise, int64_t classed_ns, struct mmr_error *err)
{
    if (class_ == MMR_CLASS_OF_PENDING || is_exercise)
        return 0;
    uint32_t at = place_of(w, id);
    if (at < w->n_items && w->item[at].id == id) {
        if (!w->item[at].report && class_ > w->item[at].class_)
            w->item[at].class_ = class_;
        return 0;
    }
    int r = make_room(w, classed_ns, err);
    if (r)
        return r;
    at = place_of(w, id);
    memmove(&w->item[at + 1], &w->item[at], (w->n_items++ - at) * sizeof *w->item);
    w->item[at] = (struct mmr_week_item){.id = id, .classed_ns = classed_ns, .class_ = class_};
    return 0;
}

static int64_t end_of(const struct mmr_week_gap *g)
{
    return g->to_ns ? g->to_ns : INT64_MAX;
}

int mmr_week_gap(struct mmr_week *w, int64_t from_ns, int64_t to_ns, struct mmr_error *err)
{
    struct mmr_week_gap g = {from_ns, to_ns};
    uint32_t kept = 0;
    if (to_ns && to_ns <= from_ns)
        return mmr_fail(err, MMR_EINVAL, "a gap of the watch ends before it begins");
    for (uint32_t i = 0; i < w->n_gaps; i++) { /* what it touches becomes part of it; its own open form is replaced */
        struct mmr_week_gap *o = &w->gap[i];
        bool is_own = o->from_ns == from_ns && !o->to_ns;
        if (!is_own && (end_of(o) < g.from_ns || o->from_ns > end_of(&g))) {
            w->gap[kept++] = *o;
            continue;
        }
        if (o->from_ns < g.from_ns)
            g.from_ns = o->from_ns;
        if (!is_own && end_of(o) > end_of(&g))
            g.to_ns = o->to_ns;
    }
    w->n_gaps = kept;
    if (w->n_gaps == MMR_WEEK_GAPS_MAX) { /* the oldest two become one: rather too long a gap than one forgotten */
        w->gap[1].from_ns = w->gap[0].from_ns;
        memmove(&w->gap[0], &w->gap[1], --w->n_gaps * sizeof w->gap[0]);
    }
    uint32_t at = w->n_gaps;
    while (at > 0 && w->gap[at - 1].from_ns > g.from_ns)
        at--;
    memmove(&w->gap[at + 1], &w->gap[at], (w->n_gaps++ - at) * sizeof w->gap[0]);
    w->gap[at] = g;
    return 0;
}

int64_t mmr_week_due(const struct mmr_week *w)
{
    return w->first_ns + ((int64_t)w->issued + 1) * MMR_WEEK_NS;
}

uint32_t mmr_week_issue(struct mmr_week *w, int64_t now_ns)
{
    uint32_t n = 0;
    for (; now_ns >= mmr_week_due(w); n++) {
        int64_t to = mmr_week_due(w);
        w->issued++;
        for (uint32_t i = 0; i < w->n_items; i++)
            if (!w->item[i].report && w->item[i].classed_ns < to)
                w->item[i].report = w->issued;
        w->undelivered++; /* until it is known to have arrived */
    }
    return n;
}

static uint32_t watched(const struct mmr_week *w, int64_t from_ns, int64_t to_ns, int64_t now_ns)
{
    int64_t lost = 0;
    for (uint32_t i = 0; i < w->n_gaps; i++) {
        int64_t from = w->gap[i].from_ns, to = w->gap[i].to_ns ? w->gap[i].to_ns : now_ns;
        from = from < from_ns ? from_ns : from;
        to = to > to_ns ? to_ns : to;
        lost += to > from ? to - from : 0;
    }
    return (uint32_t)((to_ns - from_ns - lost) / ((to_ns - from_ns) / 1000)); /* rounded down: never more than was watched */
}

int mmr_week_report(const struct mmr_week *w, uint32_t number, int64_t now_ns, struct mmr_week_report *ret, struct mmr_error *err)
{
    if (number == 0 || number > w->issued)
        return mmr_fail(err, MMR_ENOENT, "weekly report %u is not issued; the last one is %u", number, w->issued);
    struct mmr_week_report r = {.number = number, .from_ns = w->first_ns + ((int64_t)number - 1) * MMR_WEEK_NS};
    r.to_ns = r.from_ns + MMR_WEEK_NS;
    r.watch_permille = watched(w, r.from_ns, r.to_ns, now_ns);
    r.ids = calloc(w->n_items ? w->n_items : 1, sizeof *r.ids);
    if (!r.ids)
        return mmr_fail(err, MMR_ENOMEM, "weekly report %u: out of memory", number);
    for (uint32_t i = 0; i < w->n_items; i++) {
        const struct mmr_week_item *x = &w->item[i];
        if (x->report != number)
            continue;
        r.ids[r.n_ids++] = x->id;
        r.severe += x->class_ == MMR_CLASS_OF_SEVERE;
        r.defended += x->class_ == MMR_CLASS_OF_DEFENDED;
        r.no_response += x->class_ == MMR_CLASS_OF_NO_RESPONSE;
        r.late += x->classed_ns < r.from_ns;
    }
    *ret = r;
    return 0;
}

void mmr_week_delivered(struct mmr_week *w, bool is_delivered)
{
    if (is_delivered)
        w->undelivered = 0;
}

bool mmr_week_needs_call(const struct mmr_week *w)
{
    return w->undelivered >= CALL_AFTER;
}

/* ---- bytes: words of 8 bytes, little-endian ---- */

static void put(uint8_t **p, uint64_t v)
{
    for (unsigned i = 0; i < 8; i++)
        *(*p)++ = (uint8_t)(v >> (8 * i));
}

static uint64_t get(const uint8_t **p)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < 8; i++)
        v |= (uint64_t) * (*p)++ << (8 * i);
    return v;
}

int mmr_week_pack(const struct mmr_week *w, uint8_t **ret, size_t *ret_len, struct mmr_error *err)
{
    size_t len = 8 * (HEAD_WORDS + (size_t)w->n_items * ITEM_WORDS + (size_t)w->n_gaps * GAP_WORDS);
    uint8_t *bytes = malloc(len), *p = bytes;
    if (!bytes)
        return mmr_fail(err, MMR_ENOMEM, "weekly reports: out of memory for %zu bytes", len);
    const uint64_t head[HEAD_WORDS] = {VERSION, (uint64_t)w->first_ns, w->issued, w->undelivered, w->n_items, w->n_gaps};
    for (int i = 0; i < HEAD_WORDS; i++)
        put(&p, head[i]);
    for (uint32_t i = 0; i < w->n_items; i++) {
        put(&p, w->item[i].id);
        put(&p, (uint64_t)w->item[i].classed_ns);
        put(&p, (uint64_t)w->item[i].class_);
        put(&p, w->item[i].report);
    }
    for (uint32_t i = 0; i < w->n_gaps; i++) {
        put(&p, (uint64_t)w->gap[i].from_ns);
        put(&p, (uint64_t)w->gap[i].to_ns);
    }
    *ret = bytes;
    *ret_len = len;
    return 0;
}

int mmr_week_unpack(struct mmr_week *w, const uint8_t *p, size_t len, struct mmr_error *err)
{
    uint64_t head[HEAD_WORDS];
    if (len < (size_t)8 * HEAD_WORDS)
        return mmr_fail(err, MMR_EBADMSG, "stored weekly reports: %zu bytes, expected %d or more", len, 8 * HEAD_WORDS);
    for (int i = 0; i < HEAD_WORDS; i++)
        head[i] = get(&p);
    if (head[0] != VERSION || head[1] >= (uint64_t)TIME_MAX_NS || head[2] > ISSUED_MAX || head[3] > head[2] || head[4] > MMR_WEEK_INCIDENTS_MAX || head[5] > MMR_WEEK_GAPS_MAX ||
        len != 8 * (HEAD_WORDS + head[4] * ITEM_WORDS + head[5] * GAP_WORDS))
        return mmr_fail(err, MMR_EBADMSG, "stored weekly reports: the head does not fit %zu bytes", len);
    mmr_week_init(w, (int64_t)head[1]);
    w->issued = (uint32_t)head[2];
    w->undelivered = (uint32_t)head[3];
    w->item = malloc((head[4] ? head[4] : 1) * sizeof *w->item);
    if (!w->item)
        return mmr_fail(err, MMR_ENOMEM, "stored weekly reports: out of memory");
    w->cap_items = (uint32_t)(head[4] ? head[4] : 1);
    bool is_good = true;
    for (uint64_t i = 0; i < head[4]; i++) {
        struct mmr_week_item *x = &w->item[w->n_items++];
        uint64_t class_, report;
        x->id = get(&p);
        x->classed_ns = (int64_t)get(&p);
        class_ = get(&p);
        report = get(&p);
        is_good &= class_ >= MMR_CLASS_OF_NO_RESPONSE && class_ <= MMR_CLASS_OF_SEVERE && report <= w->issued && x->classed_ns >= 0 && x->classed_ns < TIME_MAX_NS && (i == 0 || x[-1].id < x->id);
        x->class_ = is_good ? (enum mmr_class)class_ : MMR_CLASS_OF_SEVERE;
        x->report = (uint32_t)report;
    }
    for (uint64_t i = 0; i < head[5]; i++) {
        struct mmr_week_gap *g = &w->gap[w->n_gaps++];
        g->from_ns = (int64_t)get(&p);
        g->to_ns = (int64_t)get(&p);
        is_good &= g->from_ns >= 0 && g->to_ns < TIME_MAX_NS && end_of(g) > g->from_ns && (i == 0 || end_of(&g[-1]) <= g->from_ns);
    }
    if (is_good)
        return 0;
    mmr_week_done(w);
    return mmr_fail(err, MMR_EBADMSG, "stored weekly reports: an incident or gap makes no sense");
}
