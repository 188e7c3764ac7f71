/* condition.c - the detection map: selections, and the condition that joins them. */
#include "sigma/set.h"

#include <string.h>
#include <strings.h>

enum { TERMS_MAX = 512, CONDITION_MAX = 16 * 1024 };

static struct sigma_expr *selection(struct sigma_build *b, const struct sigma_yaml *node);

static struct sigma_expr *map_of_items(struct sigma_build *b, const struct sigma_yaml *node)
{
    size_t n = 0;
    for (const struct sigma_yaml *c = node->child; c; c = c->next)
        n++;
    if (!n) {
        sigma_broken(b, node, "an empty selection");
        return NULL;
    }
    struct sigma_expr *e = sigma_expr_new(b, EXPR_AND, n);
    for (const struct sigma_yaml *c = node->child; e && c; c = c->next) {
        struct sigma_expr *kid = sigma_item(b, c);
        if (!kid)
            return NULL;
        e->kids[e->n++] = kid;
    }
    return e;
}

static struct sigma_expr *list_of(struct sigma_build *b, const struct sigma_yaml *node)
{
    size_t n = 0, maps = 0;
    for (const struct sigma_yaml *c = node->child; c; c = c->next, n++)
        maps += c->type == SIGMA_YAML_MAP || c->type == SIGMA_YAML_LIST;
    if (!maps)
        return sigma_keywords(b, node);
    struct sigma_expr *e = sigma_expr_new(b, EXPR_OR, n);
    for (const struct sigma_yaml *c = node->child; e && c; c = c->next) {
        struct sigma_expr *kid = c->type == SIGMA_YAML_TEXT ? sigma_keywords(b, c) : selection(b, c);
        if (!kid)
            return NULL;
        e->kids[e->n++] = kid;
    }
    return e;
}

static struct sigma_expr *selection(struct sigma_build *b, const struct sigma_yaml *node)
{
    switch (node->type) {
    case SIGMA_YAML_MAP:
        return map_of_items(b, node);
    case SIGMA_YAML_LIST:
        return list_of(b, node);
    case SIGMA_YAML_TEXT:
        return sigma_keywords(b, node);
    default:
        sigma_broken(b, node, "an empty selection");
        return NULL;
    }
}

/* ---- condition ---- */

struct parser {
    struct sigma_build *b;
    const struct sigma_yaml *node, *detection;
    const char *p;
    sigma_leaf_fn leaf;
    void *ctx;
    int depth;
    size_t terms;
};

static void skip_space(struct parser *ps)
{
    while (*ps->p == ' ' || *ps->p == '\t' || *ps->p == '\n' || *ps->p == '\r')
        ps->p++;
}

static size_t word_len(const char *p)
{
    return strcspn(p, " \t\r\n()|");
}

static bool eat_word(struct parser *ps, const char *word)
{
    skip_space(ps);
    size_t n = strlen(word);
    if (word_len(ps->p) != n || strncasecmp(ps->p, word, n) != 0)
        return false;
    ps->p += n;
    return true;
}

/* Does a name fit a pattern with '*' anywhere? */
static bool fits(const char *pat, size_t n, const char *name)
{
    if (!n)
        return !*name;
    if (*pat == '*') {
        for (;; name++) {
            if (fits(pat + 1, n - 1, name))
                return true;
            if (!*name)
                return false;
        }
    }
    return *name == *pat && fits(pat + 1, n - 1, name + 1);
}

/* Is an entry of the map a selection? Filters and exclusions have entries of their own beside them. */
static bool is_selection(const struct sigma_build *b, const struct sigma_yaml *c)
{
    static const char *const others[] = {"condition", "timeframe", "rules", "owner", "reason", "expires"};
    size_t n = b->rule->pub.kind == MMR_SIGMA_EXCLUSION ? 6 : b->rule->pub.kind == MMR_SIGMA_FILTER ? 3 : 2;
    for (size_t i = 0; i < n; i++)
        if (!strcmp(c->key, others[i]))
            return false;
    return true;
}

static struct sigma_expr *quantified(struct parser *ps, bool is_all)
{
    if (!eat_word(ps, "of")) {
        sigma_broken(ps->b, ps->node, "condition: expected `of` after 1 or all, found '%.40s'", ps->p);
        return NULL;
    }
    skip_space(ps);
    size_t n = word_len(ps->p);
    const char *pat = ps->p;
    bool is_them = n == 4 && !strncasecmp(pat, "them", 4);
    bool has_hidden = *pat == '_'; /* names that start with it are meant only where they are named so */
    size_t stars = 0, found = 0, matches = 0;
    for (size_t i = 0; i < n; i++)
        stars += pat[i] == '*';
    if (!n || stars > 4 || !ps->detection) {
        sigma_broken(ps->b, ps->node, "condition: '%.40s' is no pattern of selections", pat);
        return NULL;
    }
    ps->p += n;
    for (const struct sigma_yaml *c = ps->detection->child; c; c = c->next)
        matches += is_selection(ps->b, c) && (has_hidden || c->key[0] != '_') && (is_them || fits(pat, n, c->key));
    if (!matches || (ps->terms += matches) > TERMS_MAX) {
        sigma_broken(ps->b, ps->node, "condition: `of %.*s` names %s", (int)(n < 60 ? n : 60), pat,
                     matches ? "too many selections" : "no selection");
        return NULL;
    }
    struct sigma_expr *e = sigma_expr_new(ps->b, is_all ? EXPR_AND : EXPR_OR, matches);
    for (const struct sigma_yaml *c = ps->detection->child; e && c; c = c->next) {
        if (!is_selection(ps->b, c) || (!has_hidden && c->key[0] == '_') || !(is_them || fits(pat, n, c->key)))
            continue;
        struct sigma_expr *kid = ps->leaf(ps->b, ps->ctx, c->key, strlen(c->key));
        if (!kid)
            return NULL;
        e->kids[found++] = kid;
        e->n = (uint32_t)found;
    }
    return e;
}

static struct sigma_expr *disjunction(struct parser *ps);

static struct sigma_expr *primary(struct parser *ps)
{
    skip_space(ps);
    if (ps->depth >= SIGMA_EXPR_DEPTH_MAX / 2 || ++ps->terms > TERMS_MAX) {
        sigma_broken(ps->b, ps->node, "condition: nested or long beyond reason");
        return NULL;
    }
    struct sigma_expr *e;
    if (*ps->p == '(') {
        ps->p++;
        ps->depth++;
        e = disjunction(ps);
        ps->depth--;
        skip_space(ps);
        if (e && *ps->p++ != ')') {
            sigma_broken(ps->b, ps->node, "condition: a closing bracket is missing");
            return NULL;
        }
        return e;
    }
    if (eat_word(ps, "not")) {
        ps->depth++;
        struct sigma_expr *kid = primary(ps);
        ps->depth--;
        e = kid ? sigma_expr_new(ps->b, EXPR_NOT, 1) : NULL;
        if (e) {
            e->kids[0] = kid;
            e->n = 1;
        }
        return e;
    }
    const char *start = ps->p;
    bool is_one = eat_word(ps, "1") || eat_word(ps, "any"), is_all = !is_one && eat_word(ps, "all");
    if (is_one || is_all) {
        const char *after = ps->p;
        if (eat_word(ps, "of")) {
            ps->p = after;
            return quantified(ps, is_all);
        }
        ps->p = start; /* a selection called "all" */
    }
    size_t n = word_len(ps->p);
    if (!n) {
        if (*ps->p == '|')
            sigma_unsupported(ps->b, "aggregation in the condition ('%.40s')", ps->p);
        else
            sigma_broken(ps->b, ps->node, "condition: expected a selection, found '%.40s'", *ps->p ? ps->p : "the end");
        return NULL;
    }
    ps->p += n;
    return ps->leaf(ps->b, ps->ctx, start, n);
}

static struct sigma_expr *chain(struct parser *ps, bool is_or)
{
    struct sigma_expr *first = is_or ? chain(ps, false) : primary(ps);
    struct sigma_expr *kids[TERMS_MAX];
    size_t n = 0;
    if (!first)
        return NULL;
    kids[n++] = first;
    while (eat_word(ps, is_or ? "or" : "and")) {
        struct sigma_expr *kid = n < TERMS_MAX ? (is_or ? chain(ps, false) : primary(ps)) : NULL;
        if (!kid)
            return NULL;
        kids[n++] = kid;
    }
    if (n == 1)
        return first;
    struct sigma_expr *e = sigma_expr_new(ps->b, is_or ? EXPR_OR : EXPR_AND, n);
    if (e) {
        memcpy(e->kids, kids, n * sizeof kids[0]);
        e->n = (uint32_t)n;
    }
    return e;
}

static struct sigma_expr *disjunction(struct parser *ps)
{
    return chain(ps, true);
}

struct sigma_expr *sigma_condition_parse(struct sigma_build *b, const struct sigma_yaml *text,
                                         sigma_leaf_fn leaf, void *ctx, const struct sigma_yaml *detection)
{
    struct parser ps = {.b = b, .node = text, .detection = detection, .p = text->text, .leaf = leaf, .ctx = ctx};
    if (text->type != SIGMA_YAML_TEXT || text->len > CONDITION_MAX) {
        sigma_broken(b, text, "condition: expected a text of up to 16 KiB");
        return NULL;
    }
    struct sigma_expr *e = disjunction(&ps);
    if (!e)
        return NULL;
    skip_space(&ps);
    if (*ps.p == '|') {
        sigma_unsupported(b, "aggregation in the condition ('%.40s'); write a correlation rule", ps.p);
        return NULL;
    }
    if (*ps.p) {
        sigma_broken(b, text, "condition: '%.40s' after the end; expected and, or, or nothing", ps.p);
        return NULL;
    }
    return e;
}

/* ---- the detection map ---- */

struct named { /* selections compiled so far: used twice, made once */
    const struct sigma_yaml *detection;
    struct sigma_expr **made; /* by position in the map */
};

static struct sigma_expr *named_selection(struct sigma_build *b, void *ctx, const char *name, size_t len)
{
    struct named *nm = ctx;
    size_t i = 0;
    for (const struct sigma_yaml *c = nm->detection->child; c; c = c->next, i++) {
        if (!is_selection(b, c) || strlen(c->key) != len || memcmp(c->key, name, len) != 0)
            continue;
        if (!nm->made[i])
            nm->made[i] = selection(b, c);
        return nm->made[i];
    }
    sigma_broken(b, nm->detection, "condition: there is no selection '%.*s'", (int)(len < 60 ? len : 60), name);
    return NULL;
}

struct sigma_expr *sigma_detection_expr(struct sigma_build *b, const struct sigma_yaml *detection)
{
    const struct sigma_yaml *cond = sigma_yaml_get(detection, "condition");
    if (detection->type == SIGMA_YAML_MAP && !cond && b->rule->pub.kind == MMR_SIGMA_EXCLUSION && sigma_yaml_get(detection, "selection"))
        return selection(b, sigma_yaml_get(detection, "selection"));
    if (detection->type != SIGMA_YAML_MAP || !cond) {
        sigma_broken(b, detection, "detection without a condition; expected selections and `condition: selection`");
        return NULL;
    }
    size_t n = 0;
    for (const struct sigma_yaml *c = detection->child; c; c = c->next)
        n++;
    struct named nm = {detection, mmr_sigma_alloc(&b->s->arena, n, sizeof(struct sigma_expr *))};
    if (!nm.made) {
        b->is_out_of_memory = true;
        return NULL;
    }
    if (sigma_yaml_get(detection, "timeframe"))
        sigma_unsupported(b, "timeframe (write a correlation rule)");
    if (cond->type != SIGMA_YAML_LIST)
        return sigma_condition_parse(b, cond, named_selection, &nm, detection);
    size_t k = 0;
    for (const struct sigma_yaml *c = cond->child; c; c = c->next)
        k++;
    struct sigma_expr *e = k ? sigma_expr_new(b, EXPR_OR, k) : NULL;
    if (!k)
        sigma_broken(b, cond, "condition: an empty list");
    for (const struct sigma_yaml *c = cond->child; e && c; c = c->next) {
        struct sigma_expr *kid = sigma_condition_parse(b, c, named_selection, &nm, detection);
        if (!kid)
            return NULL;
        e->kids[e->n++] = kid;
    }
    return e;
}
