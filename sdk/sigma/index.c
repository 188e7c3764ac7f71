/*
 * index.c - build the matcher: for each field one index of all text any rule looks for in it, for each rule a
 * cheap necessary condition (its trigger), for each log source the rules and fields that concern it.
 */
#include "sigma/match.h"

#include <stdlib.h>
#include <string.h>

enum { REGEX_MATCH_LIMIT = 100000, REGEX_DEPTH_LIMIT = 1000, REGEX_HEAP_LIMIT_KIB = 4096, TRIGGERS_MAX = 4096 };

struct trigger { /* atoms one of which holds whenever the expression does */
    uint32_t *v;
    uint32_t n;
    double cost; /* how often it will hold in vain, roughly */
};

struct maker {
    struct mmr_sigma *s;
    struct sigma_matcher *m;
    struct mmr_sigma_arena scratch; /* freed when the matcher is built */
    uint32_t *uses;                 /* of each atom by rules; 0: only rules that are asleep have it */
};

static void *take(struct maker *mk, size_t n, size_t size)
{
    return mmr_sigma_alloc(&mk->m->arena, n ? n : 1, size);
}

bool sigma_is_asleep(const struct mmr_sigma *s, uint32_t selector)
{
    return s->is_lazy && s->selectors[selector].os == SIGMA_OS_WINDOWS;
}

/* A rule the matcher looks for. */
static bool is_live(const struct mmr_sigma *s, const struct sigma_detection *d)
{
    return d->pub.kind == MMR_SIGMA_DETECTION && d->expr && mmr_sigma_rule_ok(&d->pub) && !sigma_is_asleep(s, d->selector);
}

static void count_uses(struct maker *mk, const struct sigma_expr *e)
{
    if (e->type == EXPR_ATOM)
        mk->uses[e->atom]++;
    for (uint32_t i = 0; i < e->n; i++)
        count_uses(mk, e->kids[i]);
}

static bool count_all_uses(struct maker *mk)
{
    struct mmr_sigma *s = mk->s;
    mk->uses = mmr_sigma_alloc(&mk->scratch, s->n_atoms + 1, sizeof *mk->uses);
    for (size_t i = 0; mk->uses && i < s->n_rules; i++)
        if (is_live(s, s->rules[i]))
            count_uses(mk, s->rules[i]->expr);
    return mk->uses != NULL;
}

/* What an earlier matcher left in the atoms. */
static void reset_atoms(struct mmr_sigma *s)
{
    for (uint32_t i = 0; i < s->n_atoms; i++) {
        struct sigma_atom *a = &s->atoms[i];
        pcre2_code_free(a->code);
        a->code = NULL;
        a->next_same = SIGMA_NONE;
        a->first_link = a->n_links = 0;
        a->has_prefilter = false;
    }
    s->stats.literals = 0;
}

/* ---- keys: event field names, interned ---- */

static uint32_t key_hash(const char *p, size_t len)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)p[i]) * 16777619u;
    return h ? h : 1;
}

static uint32_t intern(struct maker *mk, const char *name, size_t len)
{
    struct sigma_matcher *m = mk->m;
    uint32_t h = key_hash(name, len), at = h & (m->keys_cap - 1);
    for (; m->keys[at].name; at = (at + 1) & (m->keys_cap - 1))
        if (m->keys[at].hash == h && m->keys[at].len == len && !memcmp(m->keys[at].name, name, len))
            return at;
    const char *copy = mmr_sigma_strndup(&m->arena, name, len);
    if (!copy)
        return UINT32_MAX;
    m->keys[at] = (struct key){copy, (uint32_t)len, h};
    return at;
}

static uint32_t intern2(struct maker *mk, const char *a, size_t n, const char *b)
{
    char buf[512];
    size_t k = strlen(b);
    if (n + k > sizeof buf)
        return UINT32_MAX;
    memcpy(buf, a, n);
    memcpy(buf + n, b, k);
    return intern(mk, buf, n + k);
}

static bool make_keys(struct maker *mk)
{
    struct sigma_matcher *m = mk->m;
    size_t rows;
    const struct mmr_sigma_field *f = mmr_sigma_fields(&rows);
    uint32_t want = mk->s->n_fields * 2 + (uint32_t)rows * 5 + 16;
    for (m->keys_cap = 64; m->keys_cap < want * 2;)
        m->keys_cap *= 2;
    m->keys = take(mk, m->keys_cap, sizeof *m->keys);
    m->slot_gen = take(mk, m->keys_cap, sizeof *m->slot_gen);
    m->slot = take(mk, m->keys_cap, sizeof *m->slot);
    m->key_plain = take(mk, mk->s->n_fields, sizeof *m->key_plain);
    m->key_unmapped = take(mk, mk->s->n_fields, sizeof *m->key_unmapped);
    m->key_row = take(mk, rows, sizeof *m->key_row);
    m->key_domain = take(mk, rows, sizeof *m->key_domain);
    m->key_hash = take(mk, rows, sizeof *m->key_hash);
    if (!m->keys || !m->slot_gen || !m->slot || !m->key_plain || !m->key_unmapped || !m->key_row || !m->key_domain || !m->key_hash)
        return false;
    for (uint32_t i = 0; i < mk->s->n_fields; i++) {
        const char *name = mk->s->fields[i].name;
        m->key_plain[i] = intern(mk, name, strlen(name));
        m->key_unmapped[i] = intern2(mk, "unmapped.", 9, name);
        if (m->key_plain[i] == UINT32_MAX || m->key_unmapped[i] == UINT32_MAX)
            return false;
    }
    static const char *const url[URL_PARTS] = {"http_request.url.path", "http_request.url.query_string", "http_request.url.hostname"};
    for (size_t i = 0; i < URL_PARTS; i++)
        if ((m->key_url[i] = intern(mk, url[i], strlen(url[i]))) == UINT32_MAX)
            return false;
    for (size_t i = 0; i < rows; i++) {
        static const char *const hashes[] = {"sha1", "md5", "sha256", "imphash"};
        if (!f[i].ocsf)
            continue;
        size_t n = strlen(f[i].ocsf);
        m->key_row[i] = intern(mk, f[i].ocsf, n);
        for (size_t k = 0; f[i].form == MMR_SIGMA_HASHES && k < 4; k++)
            m->key_hash[i][k] = intern2(mk, f[i].ocsf, n, hashes[k]);
        if (f[i].form == MMR_SIGMA_ACCOUNT)
            m->key_domain[i] = intern2(mk, f[i].ocsf, n - 4, "domain"); /* in place of "name" */
        if (m->key_row[i] == UINT32_MAX || m->key_domain[i] == UINT32_MAX)
            return false;
    }
    return true;
}

/* ---- the index of one field ---- */

static uint64_t hash_forward(const char *p, size_t len)
{
    uint64_t h = 0;
    for (size_t i = 0; i < len; i++)
        h = sigma_hash(h, (unsigned char)p[i]);
    return h;
}

static uint64_t hash_backward(const char *p, size_t len)
{
    uint64_t h = 0;
    for (size_t i = len; i-- > 0;)
        h = sigma_hash(h, (unsigned char)p[i]);
    return h;
}

static bool add_len(struct maker *mk, uint32_t **lens, uint32_t *n, uint32_t len)
{
    uint32_t i = 0;
    while (i < *n && (*lens)[i] < len)
        i++;
    if (i < *n && (*lens)[i] == len)
        return true;
    uint32_t *v = take(mk, *n + 1, sizeof *v); /* few distinct lengths: copying is fine */
    if (!v)
        return false;
    if (i)
        memcpy(v, *lens, i * sizeof *v);
    v[i] = len;
    if (*n > i)
        memcpy(v + i + 1, *lens + i, (*n - i) * sizeof *v);
    *lens = v;
    (*n)++;
    return true;
}

static bool add_anchored(struct maker *mk, struct field_index *ix, uint32_t id)
{
    struct sigma_atom *a = &mk->s->atoms[id];
    bool is_suffix = a->lit_op == ATOM_SUFFIX;
    uint64_t h = is_suffix ? hash_backward(a->lit, a->lit_len) : hash_forward(a->lit, a->lit_len);
    uint32_t at = (uint32_t)(h >> 17) & (ix->table_cap - 1);
    for (; ix->table[at].atom != SIGMA_NONE; at = (at + 1) & (ix->table_cap - 1)) {
        const struct anchored *e = &ix->table[at];
        const struct sigma_atom *o = &mk->s->atoms[e->atom];
        if (e->hash == h && e->op == a->lit_op && e->len == a->lit_len && !memcmp(o->lit, a->lit, a->lit_len)) {
            a->next_same = e->atom;
            break;
        }
    }
    ix->table[at] = (struct anchored){h, a->lit_len, a->lit_op, (int32_t)id};
    return is_suffix ? add_len(mk, &ix->suffix_lens, &ix->n_suffix_lens, a->lit_len)
                     : add_len(mk, &ix->prefix_lens, &ix->n_prefix_lens, a->lit_len);
}

/* All literals of a field, the equal ones chained, through one open table. */
static bool collect_literals(struct maker *mk, struct field_index *ix, const uint32_t *ids, uint32_t n)
{
    uint32_t cap = 16;
    while (cap < n * 2)
        cap *= 2;
    int32_t *table = mmr_sigma_alloc(&mk->scratch, cap, sizeof *table); /* position in literals + 1 */
    ix->literals = take(mk, n, sizeof *ix->literals);
    if (!table || !ix->literals)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        struct sigma_atom *a = &mk->s->atoms[ids[i]];
        uint32_t at = (uint32_t)(hash_forward(a->lit, a->lit_len) >> 17) & (cap - 1);
        for (; table[at]; at = (at + 1) & (cap - 1)) {
            const struct sigma_atom *o = &mk->s->atoms[ix->literals[table[at] - 1]];
            if (o->lit_len == a->lit_len && !memcmp(o->lit, a->lit, a->lit_len))
                break;
        }
        if (table[at]) {
            a->next_same = ix->literals[table[at] - 1];
            ix->literals[table[at] - 1] = (int32_t)ids[i];
        } else {
            ix->literals[ix->n_literals++] = (int32_t)ids[i];
            table[at] = (int32_t)ix->n_literals;
        }
    }
    mk->s->stats.literals += ix->n_literals;
    return true;
}

static int literal_db(struct maker *mk, struct field_index *ix, struct mmr_error *err)
{
    uint32_t n = ix->n_literals;
    if (!mk->m->has_hs || n < HS_MIN)
        return 0;
    const char **expr = mmr_sigma_alloc(&mk->scratch, n, sizeof *expr);
    unsigned *flags = mmr_sigma_alloc(&mk->scratch, n, sizeof *flags);
    unsigned *ids = mmr_sigma_alloc(&mk->scratch, n, sizeof *ids);
    size_t *lens = mmr_sigma_alloc(&mk->scratch, n, sizeof *lens);
    if (!expr || !flags || !ids || !lens)
        return mmr_fail(err, MMR_ENOMEM, "Sigma rules: out of memory");
    for (uint32_t i = 0; i < n; i++) {
        const struct sigma_atom *a = &mk->s->atoms[ix->literals[i]];
        expr[i] = a->lit;
        lens[i] = a->lit_len;
        ids[i] = i;
        flags[i] = HS_FLAG_SINGLEMATCH;
    }
    hs_compile_error_t *why = NULL;
    if (hs_compile_lit_multi(expr, flags, ids, lens, n, HS_MODE_BLOCK, NULL, &ix->literal_db, &why) != HS_SUCCESS) {
        ix->literal_db = NULL; /* one by one then: slower, never wrong */
        (void)hs_free_compile_error(why);
        return 0;
    }
    if (hs_alloc_scratch(ix->literal_db, &mk->m->scratch) != HS_SUCCESS)
        return mmr_fail(err, MMR_ENOMEM, "Sigma rules: out of memory");
    return 0;
}

static unsigned regex_flags(const struct sigma_atom *a)
{
    return HS_FLAG_PREFILTER | HS_FLAG_SINGLEMATCH | HS_FLAG_ALLOWEMPTY | (a->re_flags & PCRE2_CASELESS ? HS_FLAG_CASELESS : 0) |
           (a->re_flags & PCRE2_MULTILINE ? HS_FLAG_MULTILINE : 0) | (a->re_flags & PCRE2_DOTALL ? HS_FLAG_DOTALL : 0);
}

/* Its prefilter reads bytes, PCRE2 characters: "é?a" is for one of them two bytes, the second optional. */
static bool is_ascii(const char *p)
{
    while (*p > 0)
        p++;
    return !*p;
}

/* Drop those it cannot read before compiling: one refusal would mean compiling all of them again. */
static uint32_t readable(const struct maker *mk, int32_t *regexes, uint32_t n)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct sigma_atom *a = &mk->s->atoms[regexes[i]];
        hs_expr_info_t *info = NULL;
        hs_compile_error_t *why = NULL;
        if (is_ascii(a->regex) && hs_expression_info(a->regex, regex_flags(a), &info, &why) == HS_SUCCESS)
            regexes[kept++] = regexes[i];
        free(info);
        (void)hs_free_compile_error(why);
    }
    return kept;
}

/* Regular expressions Hyperscan can rule out for most values; those it refuses stay with PCRE2 alone. */
static int regex_db(struct maker *mk, struct field_index *ix, struct mmr_error *err)
{
    uint32_t n = ix->n_regexes;
    if (!mk->m->has_hs || !n) {
        ix->n_regexes = 0;
        return 0;
    }
    const char **expr = mmr_sigma_alloc(&mk->scratch, n, sizeof *expr);
    unsigned *flags = mmr_sigma_alloc(&mk->scratch, n, sizeof *flags);
    unsigned *ids = mmr_sigma_alloc(&mk->scratch, n, sizeof *ids);
    if (!expr || !flags || !ids)
        return mmr_fail(err, MMR_ENOMEM, "Sigma rules: out of memory");
    n = readable(mk, ix->regexes, n);
    while (n) {
        for (uint32_t i = 0; i < n; i++) {
            const struct sigma_atom *a = &mk->s->atoms[ix->regexes[i]];
            expr[i] = a->regex;
            ids[i] = i;
            flags[i] = regex_flags(a);
        }
        hs_compile_error_t *why = NULL;
        if (hs_compile_multi(expr, flags, ids, n, HS_MODE_BLOCK, NULL, &ix->regex_db, &why) == HS_SUCCESS)
            break;
        ix->regex_db = NULL;
        uint32_t bad = why && why->expression >= 0 ? (uint32_t)why->expression : n - 1;
        (void)hs_free_compile_error(why);
        if (bad >= n)
            bad = n - 1;
        memmove(ix->regexes + bad, ix->regexes + bad + 1, (n - bad - 1) * sizeof *ix->regexes);
        n--;
    }
    ix->n_regexes = n;
    if (!n)
        return 0;
    if (hs_alloc_scratch(ix->regex_db, &mk->m->scratch) != HS_SUCCESS)
        return mmr_fail(err, MMR_ENOMEM, "Sigma rules: out of memory");
    for (uint32_t i = 0; i < n; i++)
        mk->s->atoms[ix->regexes[i]].has_prefilter = true;
    return 0;
}

static int make_index(struct maker *mk, struct mmr_error *err)
{
    struct mmr_sigma *s = mk->s;
    uint32_t slots = s->n_fields + 1;
    uint32_t *anchored = mmr_sigma_alloc(&mk->scratch, slots, sizeof *anchored);
    uint32_t *literal = mmr_sigma_alloc(&mk->scratch, slots, sizeof *literal);
    uint32_t *regex = mmr_sigma_alloc(&mk->scratch, slots, sizeof *regex);
    uint32_t **ids = mmr_sigma_alloc(&mk->scratch, slots, sizeof(uint32_t *));
    mk->m->index = take(mk, slots, sizeof *mk->m->index);
    if (!anchored || !literal || !regex || !ids || !mk->m->index)
        return mmr_fail(err, MMR_ENOMEM, "Sigma rules: out of memory");
    for (uint32_t i = 0; i < s->n_atoms; i++) {
        const struct sigma_atom *a = &s->atoms[i];
        uint32_t f = a->field == SIGMA_ANY_FIELD ? s->n_fields : a->field;
        if (!mk->uses[i])
            continue;
        regex[f] += a->op == ATOM_RE;
        if (a->has_index)
            (*(a->lit_op == ATOM_CONTAINS ? &literal[f] : &anchored[f]))++;
    }
    for (uint32_t f = 0; f < slots; f++) {
        struct field_index *ix = &mk->m->index[f];
        if (anchored[f]) {
            for (ix->table_cap = 16; ix->table_cap < anchored[f] * 2;)
                ix->table_cap *= 2;
            ix->table = take(mk, ix->table_cap, sizeof *ix->table);
            for (uint32_t k = 0; ix->table && k < ix->table_cap; k++)
                ix->table[k].atom = SIGMA_NONE;
        }
        ids[f] = mmr_sigma_alloc(&mk->scratch, literal[f] + 1, sizeof **ids);
        ix->regexes = take(mk, regex[f], sizeof *ix->regexes);
        if ((anchored[f] && !ix->table) || !ids[f] || !ix->regexes)
            return mmr_fail(err, MMR_ENOMEM, "Sigma rules: out of memory");
        literal[f] = 0;
    }
    for (uint32_t i = 0; i < s->n_atoms; i++) {
        const struct sigma_atom *a = &s->atoms[i];
        uint32_t f = a->field == SIGMA_ANY_FIELD ? s->n_fields : a->field;
        struct field_index *ix = &mk->m->index[f];
        if (!mk->uses[i])
            continue;
        if (a->op == ATOM_RE)
            ix->regexes[ix->n_regexes++] = (int32_t)i;
        else if (a->has_index && a->lit_op == ATOM_CONTAINS)
            ids[f][literal[f]++] = i;
        else if (a->has_index && !add_anchored(mk, ix, i))
            return mmr_fail(err, MMR_ENOMEM, "Sigma rules: out of memory");
    }
    for (uint32_t f = 0; f < slots; f++) {
        struct field_index *ix = &mk->m->index[f];
        if (literal[f] && !collect_literals(mk, ix, ids[f], literal[f]))
            return mmr_fail(err, MMR_ENOMEM, "Sigma rules: out of memory");
        int rc = literal_db(mk, ix, err);
        if (!rc)
            rc = regex_db(mk, ix, err);
        if (rc)
            return rc;
    }
    return 0;
}

/* ---- triggers ---- */

static bool can_trigger(const struct sigma_atom *a)
{
    return a->has_index || a->has_prefilter;
}

static double cost_of(const struct maker *mk, uint32_t id)
{
    const struct sigma_atom *a = &mk->s->atoms[id];
    double len = a->op == ATOM_RE ? 6 : a->lit_len;
    double cost = 1.0 / ((1 + len) * (1 + len));
    if (a->lit_op != ATOM_CONTAINS && a->op != ATOM_RE)
        cost *= 0.5;
    return cost * (1 + mk->uses[id] / 16.0); /* what many rules name is what is often seen */
}

/* false: there is no such set */
static bool necessary(struct maker *mk, const struct sigma_expr *e, struct trigger *ret)
{
    struct trigger best = {0}, kid;
    bool has_best = false;
    switch (e->type) {
    case EXPR_ATOM:
        if (!can_trigger(&mk->s->atoms[e->atom]))
            return false;
        *ret = (struct trigger){mmr_sigma_alloc(&mk->scratch, 1, sizeof *ret->v), 1, cost_of(mk, e->atom)};
        if (ret->v)
            ret->v[0] = e->atom;
        return ret->v != NULL;
    case EXPR_AND:
        for (uint32_t i = 0; i < e->n; i++)
            if (necessary(mk, e->kids[i], &kid) && (!has_best || kid.cost < best.cost)) {
                best = kid;
                has_best = true;
            }
        *ret = best;
        return has_best;
    case EXPR_OR: {
        struct trigger *kids = mmr_sigma_alloc(&mk->scratch, e->n + 1, sizeof *kids);
        size_t total = 0;
        for (uint32_t i = 0; kids && i < e->n; i++) {
            if (!necessary(mk, e->kids[i], &kids[i]) || (total += kids[i].n) > TRIGGERS_MAX)
                return false;
            best.cost += kids[i].cost;
        }
        best.v = kids && total ? mmr_sigma_alloc(&mk->scratch, total, sizeof *best.v) : NULL;
        if (!best.v)
            return false;
        for (uint32_t i = 0; i < e->n; i++) {
            memcpy(best.v + best.n, kids[i].v, kids[i].n * sizeof *best.v);
            best.n += kids[i].n;
        }
        *ret = best;
        return true;
    }
    default:
        return false;
    }
}

/* Fields with indexed atoms below e, into a bit set; keywords are noted apart */
static void note_fields(const struct maker *mk, const struct sigma_expr *e, uint64_t *bits, bool *has_keywords)
{
    if (e->type == EXPR_ATOM) {
        uint32_t f = mk->s->atoms[e->atom].field;
        if (f == SIGMA_ANY_FIELD)
            *has_keywords = true;
        else if (can_trigger(&mk->s->atoms[e->atom]))
            bits[f / 64] |= UINT64_C(1) << f % 64;
    }
    for (uint32_t i = 0; i < e->n; i++)
        note_fields(mk, e->kids[i], bits, has_keywords);
}

static bool make_triggers(struct maker *mk)
{
    struct mmr_sigma *s = mk->s;
    struct sigma_matcher *m = mk->m;
    struct trigger *t = mmr_sigma_alloc(&mk->scratch, s->n_rules + 1, sizeof *t);
    m->rule_selector = take(mk, s->n_rules, sizeof *m->rule_selector);
    m->is_triggered = take(mk, s->n_rules, sizeof *m->is_triggered);
    m->field_words = s->n_fields / 64 + 1;
    m->rule_words = (uint32_t)(s->n_rules / 64 + 1);
    m->selector_words = s->n_selectors / 64 + 1;
    m->selector_fields = take(mk, (size_t)s->n_selectors * m->field_words, sizeof *m->selector_fields);
    m->selector_has_keywords = take(mk, s->n_selectors, sizeof *m->selector_has_keywords);
    if (!t || !m->rule_selector || !m->is_triggered || !m->selector_fields || !m->selector_has_keywords)
        return false;
    size_t total = 0;
    for (size_t i = 0; i < s->n_rules; i++) {
        const struct sigma_detection *d = s->rules[i];
        m->rule_selector[i] = UINT32_MAX;
        if (!is_live(s, d))
            continue;
        m->rule_selector[i] = d->selector;
        note_fields(mk, d->expr, m->selector_fields + (size_t)d->selector * m->field_words,
                    &m->selector_has_keywords[d->selector]);
        m->is_triggered[i] = necessary(mk, d->expr, &t[i]);
        for (uint32_t k = 0; m->is_triggered[i] && k < t[i].n; k++, total++)
            s->atoms[t[i].v[k]].n_links++;
    }
    m->links = take(mk, total, sizeof *m->links);
    if (!m->links)
        return false;
    uint32_t at = 0;
    for (uint32_t i = 0; i < s->n_atoms; i++) {
        s->atoms[i].first_link = at;
        at += s->atoms[i].n_links;
        s->atoms[i].n_links = 0;
    }
    for (size_t i = 0; i < s->n_rules; i++)
        for (uint32_t k = 0; m->is_triggered[i] && k < t[i].n; k++) {
            struct sigma_atom *a = &s->atoms[t[i].v[k]];
            m->links[a->first_link + a->n_links++] = (uint32_t)i;
        }
    return true;
}

/* ---- the rest ---- */

static bool make_regexes(struct maker *mk)
{
    struct sigma_matcher *m = mk->m;
    m->match_data = pcre2_match_data_create(1, NULL);
    m->match_context = pcre2_match_context_create(NULL);
    if (!m->match_data || !m->match_context)
        return false;
    (void)pcre2_set_match_limit(m->match_context, REGEX_MATCH_LIMIT);
    (void)pcre2_set_depth_limit(m->match_context, REGEX_DEPTH_LIMIT);
    (void)pcre2_set_heap_limit(m->match_context, REGEX_HEAP_LIMIT_KIB);
    for (uint32_t i = 0; i < mk->s->n_atoms; i++) {
        struct sigma_atom *a = &mk->s->atoms[i];
        int code;
        PCRE2_SIZE at;
        if (a->op != ATOM_RE || !mk->uses[i])
            continue;
        a->code = pcre2_compile((PCRE2_SPTR)a->regex, PCRE2_ZERO_TERMINATED, a->re_flags, &code, &at, NULL);
        if (!a->code) /* it compiled when the rule was read */
            return false;
        (void)pcre2_jit_compile(a->code, PCRE2_JIT_COMPLETE); /* where the machine allows it */
    }
    return true;
}

static bool make_event_state(struct maker *mk)
{
    struct mmr_sigma *s = mk->s;
    struct sigma_matcher *m = mk->m;
    for (size_t i = 0; i < CONTEXTS; i++) {
        struct context *c = &m->contexts[i];
        c->active = take(mk, m->selector_words, sizeof *c->active);
        c->row = take(mk, s->n_fields, sizeof *c->row);
        c->scan = take(mk, s->n_fields, sizeof *c->scan);
        c->always = take(mk, s->n_rules, sizeof *c->always);
        if (!c->active || !c->row || !c->scan || !c->always)
            return false;
    }
    m->fields = take(mk, s->n_fields, sizeof *m->fields);
    m->values = take(mk, VALUES_POOL, sizeof *m->values);
    m->text = take(mk, SCRATCH_BYTES, 1);
    m->atom_gen = take(mk, s->n_atoms, sizeof *m->atom_gen);
    m->atom_state = take(mk, s->n_atoms, sizeof *m->atom_state);
    m->candidates = take(mk, m->rule_words, sizeof *m->candidates);
    return m->fields && m->values && m->text && m->atom_gen && m->atom_state && m->candidates;
}

int sigma_matcher_build(struct mmr_sigma *s, struct mmr_error *err)
{
    struct sigma_matcher *m = calloc(1, sizeof *m);
    if (!m)
        return mmr_fail(err, MMR_ENOMEM, "Sigma rules: out of memory");
    m->s = s;
    m->arena.max_bytes = SIGMA_MEMORY_MAX;
    m->has_hs = !s->has_no_hyperscan && hs_valid_platform() == HS_SUCCESS;
    s->stats.has_hyperscan = m->has_hs;
    struct maker mk = {.s = s, .m = m, .scratch = {.max_bytes = SIGMA_MEMORY_MAX}};
    reset_atoms(s);
    int rc = count_all_uses(&mk) ? make_index(&mk, err) : mmr_fail(err, MMR_ENOMEM, "Sigma rules: out of memory for the matcher");
    if (!rc && (!make_regexes(&mk) || !make_keys(&mk) || !make_triggers(&mk) || !make_event_state(&mk)))
        rc = mmr_fail(err, MMR_ENOMEM, "Sigma rules: out of memory for the matcher");
    mmr_sigma_arena_done(&mk.scratch);
    if (rc) {
        sigma_matcher_free(m);
        m = NULL;
    }
    sigma_matcher_free(s->matcher);
    s->matcher = m;
    return rc;
}

void sigma_matcher_free(struct sigma_matcher *m)
{
    if (!m)
        return;
    for (uint32_t f = 0; m->index && f <= m->s->n_fields; f++) {
        (void)hs_free_database(m->index[f].literal_db);
        (void)hs_free_database(m->index[f].regex_db);
    }
    (void)hs_free_scratch(m->scratch);
    pcre2_match_data_free(m->match_data);
    pcre2_match_context_free(m->match_context);
    mmr_sigma_arena_done(&m->arena);
    free(m);
}
