/*
 * match.c - one event through the matcher. Text of the fields that concern the event's log source is searched
 * once for everything any rule wants; what is found triggers rules; only those are evaluated. Nothing here
 * allocates: every buffer was made with the matcher and is bounded by what an event may hold.
 */
#include "sigma/match.h"

#include <string.h>

/* ---- searching ---- */

struct search {
    struct sigma_matcher *m;
    const struct field_index *ix;
    struct value *v;
};

static void trigger(struct sigma_matcher *m, uint32_t atom, uint8_t state)
{
    const struct sigma_atom *a = &m->s->atoms[atom];
    if (m->atom_gen[atom] == m->gen)
        return;
    m->atom_gen[atom] = m->gen;
    m->atom_state[atom] = state;
    for (uint32_t i = 0; i < a->n_links; i++) {
        uint32_t rule = m->links[a->first_link + i], sel = m->rule_selector[rule];
        if (m->ctx->active[sel / 64] >> (sel % 64) & 1)
            m->candidates[rule / 64] |= UINT64_C(1) << rule % 64;
    }
}

static void found(struct search *sc, int32_t atom)
{
    struct sigma_matcher *m = sc->m;
    for (; atom != SIGMA_NONE; atom = m->s->atoms[atom].next_same) {
        const struct sigma_atom *a = &m->s->atoms[atom];
        if (m->atom_gen[atom] == m->gen)
            continue;
        if (a->needs_verify && !sigma_pat_match(a->pat, a->pat_len, a->is_cased ? sc->v->p : sigma_folded(m, sc->v), sc->v->len))
            continue;
        trigger(m, (uint32_t)atom, STATE_TRUE);
    }
}

static int on_literal(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *ctx)
{
    (void)from;
    (void)to;
    (void)flags;
    struct search *sc = ctx;
    found(sc, sc->ix->literals[id]);
    return 0;
}

static int on_regex(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *ctx)
{
    (void)from;
    (void)to;
    (void)flags;
    struct search *sc = ctx;
    trigger(sc->m, (uint32_t)sc->ix->regexes[id], STATE_MAYBE);
    return 0;
}

static void probe(struct search *sc, uint64_t hash, uint8_t op, const char *p, uint32_t len)
{
    const struct field_index *ix = sc->ix;
    for (uint32_t at = (uint32_t)(hash >> 17) & (ix->table_cap - 1); ix->table[at].atom != SIGMA_NONE;
         at = (at + 1) & (ix->table_cap - 1)) {
        const struct anchored *e = &ix->table[at];
        if (e->hash == hash && e->op == op && e->len == len && !memcmp(sc->m->s->atoms[e->atom].lit, p, len))
            found(sc, e->atom);
    }
}

static void search_anchored(struct search *sc, const char *p, uint32_t len)
{
    const struct field_index *ix = sc->ix;
    uint64_t h = 0;
    uint32_t at = 0;
    for (uint32_t i = 0; i < ix->n_prefix_lens && ix->prefix_lens[i] <= len; i++) {
        for (; at < ix->prefix_lens[i]; at++)
            h = sigma_hash(h, (unsigned char)p[at]);
        probe(sc, h, ATOM_PREFIX, p, at);
        if (at == len)
            probe(sc, h, ATOM_EXACT, p, len);
    }
    h = 0;
    at = 0;
    for (uint32_t i = 0; i < ix->n_suffix_lens && ix->suffix_lens[i] <= len; i++) {
        for (; at < ix->suffix_lens[i]; at++)
            h = sigma_hash(h, (unsigned char)p[len - 1 - at]);
        probe(sc, h, ATOM_SUFFIX, p + len - at, at);
    }
}

static void search_value(struct sigma_matcher *m, const struct field_index *ix, struct value *v)
{
    struct search sc = {m, ix, v};
    const char *p = sigma_folded(m, v);
    if (ix->table)
        search_anchored(&sc, p, v->len);
    if (ix->literal_db) {
        (void)hs_scan(ix->literal_db, p, v->len, 0, m->scratch, on_literal, &sc);
    } else {
        for (uint32_t i = 0; i < ix->n_literals; i++) {
            const struct sigma_atom *a = &m->s->atoms[ix->literals[i]];
            if (sigma_text_find(p, v->len, a->lit, a->lit_len))
                found(&sc, ix->literals[i]);
        }
    }
    if (ix->regex_db && !v->has_high) /* bytes and characters are the same thing only in ASCII */
        (void)hs_scan(ix->regex_db, v->p, v->len, 0, m->scratch, on_regex, &sc);
    for (uint32_t i = 0; v->has_high && i < ix->n_regexes; i++)
        trigger(m, (uint32_t)ix->regexes[i], STATE_MAYBE);
}

/* ---- evaluating ---- */

static bool same_text(uint8_t op, const char *a, size_t n, const char *b, size_t k)
{
    switch (op) {
    case ATOM_PREFIX:
        return n >= k && !memcmp(a, b, k);
    case ATOM_SUFFIX:
        return n >= k && !memcmp(a + n - k, b, k);
    case ATOM_CONTAINS:
        return sigma_text_find(a, n, b, k) != NULL;
    default:
        return n == k && !memcmp(a, b, k);
    }
}

static bool eval_fieldref(struct sigma_matcher *m, const struct sigma_atom *a)
{
    const struct field_values x = *sigma_values_of(m, a->field), y = *sigma_values_of(m, a->other);
    for (uint32_t i = 0; i < x.n; i++)
        for (uint32_t k = 0; k < y.n; k++) {
            struct value *v = &m->values[x.first + i], *w = &m->values[y.first + k];
            if (same_text(a->compare, a->is_cased ? v->p : sigma_folded(m, v), v->len, a->is_cased ? w->p : sigma_folded(m, w), w->len))
                return true;
        }
    return false;
}

static bool compares(double v, uint8_t how, double with)
{
    switch (how) {
    case CMP_LT:
        return v < with;
    case CMP_LTE:
        return v <= with;
    case CMP_GT:
        return v > with;
    case CMP_GTE:
        return v >= with;
    default:
        return !(v < with) && !(v > with);
    }
}

static bool eval_number(const struct sigma_atom *a, const struct value *v)
{
    double n = v->number;
    if (a->op == ATOM_TIME) {
        int part;
        bool has = v->has_number ? sigma_time_part_of_ns((int64_t)n, (enum sigma_time_part)a->part, &part)
                                 : sigma_time_part_of_text(v->p, v->len, (enum sigma_time_part)a->part, &part);
        return has && compares(part, a->compare, a->number);
    }
    return (v->has_number || sigma_text_number(v->p, v->len, &n)) && compares(n, a->compare, a->number);
}

struct opinion {
    const struct field_index *ix;
    int32_t atom;
    bool is_found;
};

static int on_opinion(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *ctx)
{
    (void)from;
    (void)to;
    (void)flags;
    struct opinion *o = ctx;
    o->is_found |= o->ix->regexes[id] == o->atom;
    return o->is_found;
}

/* A text that wears PCRE2 out does not get by: Hyperscan, which takes the same time for every text, has the last word, as far as
 * it knows the expression; it may say yes to a little more (bytes for characters, no back references). */
static bool eval_regex(struct sigma_matcher *m, const struct sigma_atom *a, const struct value *v)
{
    int rc = pcre2_match(a->code, (PCRE2_SPTR)v->p, v->len, 0, 0, m->match_data, m->match_context);
    if (rc >= 0)
        return true;
    if (rc == PCRE2_ERROR_NOMATCH)
        return false;
    m->s->stats.regex_limits++;
    struct opinion o = {.ix = &m->index[a->field == SIGMA_ANY_FIELD ? m->s->n_fields : a->field], .atom = (int32_t)(a - m->s->atoms)};
    if (a->has_prefilter && o.ix->regex_db)
        (void)hs_scan(o.ix->regex_db, v->p, v->len, 0, m->scratch, on_opinion, &o);
    return o.is_found;
}

static bool eval_value(struct sigma_matcher *m, const struct sigma_atom *a, struct value *v)
{
    switch (a->op) {
    case ATOM_PRESENT:
        return v->len > 0;
    case ATOM_EMPTY:
        return !v->len;
    case ATOM_RE:
        return eval_regex(m, a, v);
    case ATOM_CIDR:
        return sigma_cidr_has(&a->cidr, v->p, v->len);
    case ATOM_COMPARE:
    case ATOM_TIME:
        return eval_number(a, v);
    case ATOM_GLOB:
        return sigma_pat_match(a->pat, a->pat_len, a->is_cased ? v->p : sigma_folded(m, v), v->len);
    default:
        return false;
    }
}

static bool eval_atom(struct sigma_matcher *m, uint32_t id)
{
    const struct sigma_atom *a = &m->s->atoms[id];
    bool is_known = m->atom_gen[id] == m->gen;
    if (is_known && m->atom_state[id] != STATE_MAYBE)
        return m->atom_state[id] == STATE_TRUE;
    bool is_true = false;
    if (a->has_index || (a->has_prefilter && !is_known)) {
        is_true = false; /* searched for, and not found */
    } else if (a->op == ATOM_FIELDREF) {
        is_true = eval_fieldref(m, a);
    } else if (a->op == ATOM_BEFORE) {
        is_true = (double)mmr_event_get_int(m->view, "time", 0) < a->number;
    } else {
        uint32_t first, n;
        bool is_present = true;
        if (a->field == SIGMA_ANY_FIELD) {
            sigma_collect_any(m);
            first = m->any_first;
            n = m->any_n;
        } else {
            const struct field_values *fv = sigma_values_of(m, a->field);
            first = fv->first;
            n = fv->n;
            is_present = fv->is_present;
        }
        if (a->op == ATOM_EXISTS || a->op == ATOM_NULL) {
            bool is_empty = !is_present || !n || (n == 1 && !m->values[first].len);
            is_true = a->op == ATOM_EXISTS ? is_present : is_empty;
        }
        if (a->op == ATOM_EMPTY) /* fields the sensors know are left out of the event when they are empty */
            is_true = !is_present && m->ctx->row[a->field] >= 0;
        for (uint32_t i = 0; !is_true && i < n; i++)
            is_true = eval_value(m, a, &m->values[first + i]);
    }
    m->atom_gen[id] = m->gen;
    m->atom_state[id] = is_true ? STATE_TRUE : STATE_FALSE;
    return is_true;
}

static bool eval(struct sigma_matcher *m, const struct sigma_expr *e)
{
    switch (e->type) {
    case EXPR_ATOM:
        return eval_atom(m, e->atom);
    case EXPR_NOT:
        return !eval(m, e->kids[0]);
    case EXPR_AND:
        for (uint32_t i = 0; i < e->n; i++)
            if (!eval(m, e->kids[i]))
                return false;
        return true;
    case EXPR_OR:
        for (uint32_t i = 0; i < e->n; i++)
            if (eval(m, e->kids[i]))
                return true;
        return false;
    default:
        return e->type == EXPR_TRUE;
    }
}

/* ---- the event ---- */

static void begin(struct sigma_matcher *m, const struct mmr_event_view *view)
{
    if (!++m->gen) { /* wrapped after four thousand million events: forget what older ones left */
        memset(m->slot_gen, 0, m->keys_cap * sizeof *m->slot_gen);
        memset(m->atom_gen, 0, m->s->n_atoms * sizeof *m->atom_gen);
        memset(m->fields, 0, m->s->n_fields * sizeof *m->fields);
        m->gen = 1;
    }
    m->view = view;
    m->n_values = 0;
    m->text_used = 0;
    m->has_any_values = false;
    sigma_fill_slots(m);
    m->ctx = sigma_context_of(m);
}

void mmr_sigma_match(struct mmr_sigma *s, const struct mmr_event_view *view, mmr_sigma_hit_fn hit,
                     void *ctx)
{
    struct sigma_matcher *m = s->matcher;
    if (!m)
        return;
    begin(m, view);
    if (m->ctx->is_waking) { /* the first event rules that were left out are about */
        s->is_lazy = false;
        int rc = sigma_matcher_build(s, NULL);
        if (s->woken)
            s->woken(s->woken_ctx, rc);
        if (rc)
            return;
        m = s->matcher;
        begin(m, view);
    }
    s->stats.events++;
    memset(m->candidates, 0, m->rule_words * sizeof *m->candidates);
    for (uint32_t i = 0; i < m->ctx->n_scan; i++) {
        uint32_t f = m->ctx->scan[i];
        const struct field_values fv = *sigma_values_of(m, f);
        for (uint32_t k = 0; k < fv.n; k++)
            search_value(m, &m->index[f], &m->values[fv.first + k]);
    }
    if (m->ctx->has_keywords) {
        sigma_collect_any(m);
        for (uint32_t k = 0; k < m->any_n; k++)
            search_value(m, &m->index[s->n_fields], &m->values[m->any_first + k]);
    }
    for (uint32_t i = 0; i < m->ctx->n_always; i++)
        m->candidates[m->ctx->always[i] / 64] |= UINT64_C(1) << m->ctx->always[i] % 64;
    int64_t time_ns = mmr_event_get_int(view, "time", 0);
    if (s->correlator)
        sigma_corr_tick(s, time_ns, hit, ctx);
    for (uint32_t w = 0; w < m->rule_words; w++)
        for (uint64_t bits = m->candidates[w]; bits; bits &= bits - 1) {
            struct sigma_detection *d = s->rules[w * 64 + (uint32_t)__builtin_ctzll(bits)];
            s->stats.evaluated++;
            if (!eval(m, d->expr))
                continue;
            if (d->pub.is_enabled) {
                const struct mmr_sigma_hit h = {.rule = &d->pub, .count = 1, .first_ns = time_ns, .group = ""};
                s->stats.hits++;
                hit(ctx, &h);
            }
            if (s->correlator)
                sigma_corr_feed(s, &d->pub, view, time_ns, hit, ctx);
        }
}

bool sigma_value_text(struct mmr_sigma *s, const struct mmr_event_view *view, uint32_t field, const char **ret, size_t *ret_len)
{
    struct sigma_matcher *m = s->matcher;
    if (m->view != view) /* only of the event being matched */
        return false;
    const struct field_values *fv = sigma_values_of(m, field);
    if (!fv->n)
        return false;
    struct value *v = &m->values[fv->first];
    *ret = sigma_folded(m, v);
    *ret_len = v->len;
    return true;
}
