/* item.c - one entry of a selection, "field|modifiers: values", turned into comparisons. */
#include "sigma/set.h"

#include <stdio.h>
#include <string.h>

enum {
    MODS_MAX = 12,
    VALUES_MAX = 20000, /* of one entry, after every transformation */
    DASHES_MAX = 5,     /* 5 to this power variants of one value */
    NAME_MAX_BYTES = 200,
};

enum mod {
    M_ALL, M_CONTAINS, M_STARTSWITH, M_ENDSWITH, M_EXACT, M_EXISTS, M_CASED, M_NEQ, M_WINDASH, M_RE, M_I, M_M,
    M_S, M_BASE64, M_BASE64OFFSET, M_UTF16, M_UTF16LE, M_UTF16BE, M_LT, M_LTE, M_GT, M_GTE, M_MINUTE, M_HOUR,
    M_DAY, M_WEEK, M_MONTH, M_YEAR, M_CIDR, M_EXPAND, M_FIELDREF, M_COUNT
};
static const struct {
    const char *name;
    enum mod mod;
} mod_names[] = {
    {"all", M_ALL}, {"contains", M_CONTAINS}, {"startswith", M_STARTSWITH}, {"endswith", M_ENDSWITH},
    {"exact", M_EXACT}, {"exists", M_EXISTS}, {"cased", M_CASED}, {"neq", M_NEQ}, {"windash", M_WINDASH},
    {"re", M_RE}, {"i", M_I}, {"ignorecase", M_I}, {"m", M_M}, {"multiline", M_M}, {"s", M_S}, {"dotall", M_S},
    {"base64", M_BASE64}, {"base64offset", M_BASE64OFFSET}, {"utf16", M_UTF16}, {"utf16le", M_UTF16LE},
    {"wide", M_UTF16LE}, {"utf16be", M_UTF16BE}, {"lt", M_LT}, {"lte", M_LTE}, {"gt", M_GT}, {"gte", M_GTE},
    {"minute", M_MINUTE}, {"hour", M_HOUR}, {"day", M_DAY}, {"week", M_WEEK}, {"month", M_MONTH},
    {"year", M_YEAR}, {"cidr", M_CIDR}, {"expand", M_EXPAND}, {"fieldref", M_FIELDREF},
};

struct item { /* one entry being compiled */
    struct sigma_build *b;
    const struct sigma_yaml *node;
    uint32_t field;
    enum mod mods[MODS_MAX];
    size_t n_mods;
    bool has[M_COUNT];
    struct sigma_expr **out; /* one expression a value */
    size_t n_out, cap_out;
};

static const uint16_t STAR[] = {MMR_PAT_ANY};

static bool push(struct item *it, struct sigma_expr *e)
{
    if (!e)
        return false;
    if (it->n_out == it->cap_out) {
        size_t cap = it->cap_out ? it->cap_out * 2 : 8;
        if (it->n_out >= VALUES_MAX) {
            sigma_broken(it->b, it->node, "more than %d values in one entry", VALUES_MAX);
            return false;
        }
        struct sigma_expr **v = mmr_sigma_alloc(&it->b->s->arena, cap, sizeof(struct sigma_expr *));
        if (!v) {
            it->b->is_out_of_memory = true;
            return false;
        }
        if (it->n_out)
            memcpy(v, it->out, it->n_out * sizeof(struct sigma_expr *));
        it->out = v;
        it->cap_out = cap;
    }
    it->out[it->n_out++] = e;
    return true;
}

static bool push_atom(struct item *it, const struct sigma_atom *proto)
{
    struct sigma_expr *e = sigma_expr_new(it->b, EXPR_ATOM, 0);
    if (!e)
        return false;
    e->atom = sigma_atom_id(it->b->s, proto);
    if (e->atom == UINT32_MAX) {
        it->b->is_out_of_memory = true;
        return false;
    }
    return push(it, e);
}

/* ---- text ---- */

/* Lower case between the wildcards */
static bool fold_pattern(struct item *it, struct sigma_pat *p)
{
    char *run = mmr_sigma_alloc(&it->b->s->arena, p->n + 1, 1);
    uint16_t *u = mmr_sigma_alloc(&it->b->s->arena, p->n + 1, sizeof *u);
    if (!run || !u) {
        it->b->is_out_of_memory = true;
        return false;
    }
    for (size_t i = 0; i < p->n;) {
        size_t n = 0;
        for (; i + n < p->n && p->u[i + n] <= 0xff; n++)
            run[n] = (char)p->u[i + n];
        (void)sigma_text_fold(run, n, run);
        for (size_t k = 0; k < n; k++)
            u[i + k] = (unsigned char)run[k];
        i += n;
        if (i < p->n) {
            u[i] = p->u[i];
            i++;
        }
    }
    p->u = u;
    return true;
}

static bool literal_of(struct item *it, struct sigma_atom *a, const uint16_t *u, size_t n)
{
    char *lit = mmr_sigma_alloc(&it->b->s->arena, n + 1, 1);
    if (!lit) {
        it->b->is_out_of_memory = true;
        return false;
    }
    for (size_t i = 0; i < n; i++)
        lit[i] = (char)u[i];
    (void)sigma_text_fold(lit, n, lit);
    a->lit = lit;
    a->lit_len = (uint32_t)n;
    return true;
}

/* The comparison a pattern is: without inner wildcards one of four kinds, else a search for its longest run of
 * plain bytes with the whole pattern checked where that is found. */
static bool push_pattern(struct item *it, struct sigma_pat p)
{
    struct sigma_atom a = {.field = it->field, .is_cased = it->has[M_CASED]};
    size_t from = 0, to = p.n, best = 0, best_len = 0;
    while (from < to && p.u[from] == MMR_PAT_ANY)
        from++;
    while (to > from && p.u[to - 1] == MMR_PAT_ANY)
        to--;
    if (from == to) {
        a.op = p.n ? ATOM_PRESENT : ATOM_EMPTY;
        a.is_cased = false;
        return push_atom(it, &a);
    }
    for (size_t i = from; i < to;) {
        size_t n = 0;
        while (i + n < to && p.u[i + n] <= 0xff)
            n++;
        if (n > best_len) {
            best = i;
            best_len = n;
        }
        i += n + 1;
    }
    bool is_plain = best_len == to - from, has_pre = from > 0, has_post = to < p.n;
    a.lit_op = (uint8_t)(!is_plain ? ATOM_CONTAINS : has_pre && has_post ? ATOM_CONTAINS
                         : has_pre ? ATOM_SUFFIX : has_post ? ATOM_PREFIX : ATOM_EXACT);
    a.op = is_plain && !a.is_cased ? a.lit_op : (uint8_t)ATOM_GLOB;
    a.needs_verify = a.op == ATOM_GLOB;
    a.has_index = is_plain || best_len > 0;
    if (!literal_of(it, &a, p.u + best, best_len))
        return false;
    if (a.needs_verify) {
        if (!a.is_cased && !fold_pattern(it, &p))
            return false;
        a.pat = p.u;
        a.pat_len = (uint32_t)p.n;
    }
    return push_atom(it, &a);
}

static bool bytes_of(struct item *it, const struct sigma_pat *p, enum mod m, char **ret)
{
    if (!sigma_pat_is_plain(p)) {
        size_t i = 0;
        while (mod_names[i].mod != m)
            i++;
        sigma_unsupported(it->b, "wildcards before the modifier %s", mod_names[i].name);
        return false;
    }
    char *s = mmr_sigma_alloc(&it->b->s->arena, p->n + 1, 1);
    if (!s) {
        it->b->is_out_of_memory = true;
        return false;
    }
    for (size_t i = 0; i < p->n; i++)
        s[i] = (char)p->u[i];
    *ret = s;
    return true;
}

static bool plain_pattern(struct item *it, const char *p, size_t len, struct sigma_pat *ret)
{
    if (sigma_pat_parse(&it->b->s->arena, p, len, false, ret))
        return true;
    it->b->is_out_of_memory = true;
    return false;
}

static bool transform(struct item *it, struct sigma_pat p, size_t at);

static bool windash(struct item *it, const struct sigma_pat *p, size_t at)
{
    static const struct {
        uint8_t b[3], n;
    } dash[] = {{{'-'}, 1}, {{'/'}, 1}, {{0xe2, 0x80, 0x93}, 3}, {{0xe2, 0x80, 0x94}, 3}, {{0xe2, 0x80, 0x95}, 3}};
    size_t pos[DASHES_MAX], width[DASHES_MAX], n = 0;
    for (size_t i = 0; i < p->n; i++) {
        size_t w = p->u[i] == '-' || p->u[i] == '/' ? 1 : 0;
        if (i + 2 < p->n && p->u[i] == 0xe2 && p->u[i + 1] == 0x80 && p->u[i + 2] >= 0x93 && p->u[i + 2] <= 0x95)
            w = 3;
        uint16_t before = i ? p->u[i - 1] : ' ', after = w && i + w < p->n ? p->u[i + w] : ' ';
        bool is_word[2];
        const uint16_t side[2] = {before, after};
        for (int k = 0; k < 2; k++) {
            uint16_t c = side[k];
            is_word[k] = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
        }
        if (!w || is_word[0] || !is_word[1]) /* a flag's dash: nothing of a word before, a word after */
            continue;
        if (n == DASHES_MAX) {
            sigma_unsupported(it->b, "windash with more than %d flags in one value", DASHES_MAX);
            return false;
        }
        pos[n] = i;
        width[n++] = w;
    }
    size_t variants = 1;
    for (size_t i = 0; i < n; i++)
        variants *= 5;
    for (size_t v = 0; v < variants; v++) {
        uint16_t *u = mmr_sigma_alloc(&it->b->s->arena, p->n + 2 * n + 1, sizeof *u);
        if (!u) {
            it->b->is_out_of_memory = true;
            return false;
        }
        size_t o = 0, next = 0, rest = v;
        for (size_t i = 0; i < p->n; i++) {
            if (next < n && pos[next] == i) {
                size_t d = rest % 5;
                rest /= 5;
                for (size_t k = 0; k < dash[d].n; k++)
                    u[o++] = dash[d].b[k];
                i += width[next++] - 1;
            } else {
                u[o++] = p->u[i];
            }
        }
        if (!transform(it, (struct sigma_pat){u, o}, at))
            return false;
    }
    return true;
}

static bool encode(struct item *it, const struct sigma_pat *p, enum mod m, size_t at)
{
    char *raw, *out;
    size_t len;
    if (!bytes_of(it, p, m, &raw))
        return false;
    for (int offset = 0; offset < (m == M_BASE64OFFSET ? 3 : 1); offset++) {
        bool is_ok = m == M_BASE64 || m == M_BASE64OFFSET
                         ? sigma_text_base64(&it->b->s->arena, raw, p->n, m == M_BASE64, offset, &out, &len)
                         : sigma_text_utf16(&it->b->s->arena, raw, p->n, m == M_UTF16BE, m == M_UTF16, &out, &len);
        struct sigma_pat next;
        if (!is_ok)
            it->b->is_out_of_memory = true;
        if (!is_ok || !plain_pattern(it, out, len, &next) || !transform(it, next, at))
            return false;
    }
    return true;
}

/* Apply the modifiers from at on, in their order; what comes out is compared. */
static bool transform(struct item *it, struct sigma_pat p, size_t at)
{
    for (; at < it->n_mods; at++) {
        enum mod m = it->mods[at];
        struct sigma_pat q = p;
        bool has_pre = m == M_CONTAINS || m == M_ENDSWITH, has_post = m == M_CONTAINS || m == M_STARTSWITH;
        if (m == M_WINDASH)
            return windash(it, &p, at + 1);
        if (m == M_BASE64 || m == M_BASE64OFFSET || m == M_UTF16 || m == M_UTF16LE || m == M_UTF16BE)
            return encode(it, &p, m, at + 1);
        if ((has_pre || has_post) && !sigma_pat_join(&it->b->s->arena, STAR, has_pre, &p, STAR, has_post, &q)) {
            it->b->is_out_of_memory = true;
            return false;
        }
        p = q;
    }
    return push_pattern(it, p);
}

/* The text with %name% replaced by each of its values; without expand just the text. */
static bool expand(struct item *it, const char *text, size_t len, size_t from, int depth)
{
    const char *open = NULL, *close = NULL;
    for (size_t i = from; it->has[M_EXPAND] && i < len && !close; i++) {
        if (text[i] == '\\' && i + 1 < len) {
            i++;
        } else if (text[i] == '%') {
            if (open)
                close = text + i;
            else
                open = text + i;
        }
    }
    struct sigma_pat p;
    if (!close) {
        if (it->has[M_EXPAND]) { /* \% is a plain per cent sign */
            char *plain = mmr_sigma_alloc(&it->b->s->arena, len + 1, 1);
            size_t n = 0;
            for (size_t i = 0; plain && i < len; i++)
                if (text[i] != '\\' || i + 1 == len || text[i + 1] != '%')
                    plain[n++] = text[i];
            text = plain;
            len = n;
        }
        if (!text || !sigma_pat_parse(&it->b->s->arena, text, len, !it->has[M_EXACT], &p)) {
            it->b->is_out_of_memory = true;
            return false;
        }
        return transform(it, p, 0);
    }
    size_t n = (size_t)(close - open - 1), head = (size_t)(open - text), tail = len - head - n - 2;
    bool is_known = false;
    for (const struct sigma_placeholder *ph = it->b->s->placeholders; ph; ph = ph->next) {
        if (strlen(ph->name) != n || memcmp(ph->name, open + 1, n) != 0)
            continue;
        is_known = true;
        size_t v = strlen(ph->value);
        char *t = depth < 4 ? mmr_sigma_alloc(&it->b->s->arena, head + v + tail + 1, 1) : NULL;
        if (!t) {
            sigma_broken(it->b, it->node, "more than 4 placeholders in one value");
            return false;
        }
        memcpy(t, text, head);
        memcpy(t + head, ph->value, v);
        memcpy(t + head + v, close + 1, tail);
        if (!expand(it, t, head + v + tail, head + v, depth + 1))
            return false;
    }
    if (!is_known)
        sigma_unsupported(it->b, "placeholder %%%.*s%% without values", (int)(n < 80 ? n : 80), open + 1);
    return is_known;
}

/* ---- the other comparisons ---- */

static bool regex(struct item *it, const struct sigma_yaml *v)
{
    struct sigma_atom a = {.op = ATOM_RE, .field = it->field, .is_cased = true, .regex = mmr_sigma_strndup(&it->b->s->arena, v->text, v->len)};
    a.re_flags = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C | (it->has[M_I] ? PCRE2_CASELESS : 0) |
                 (it->has[M_M] ? PCRE2_MULTILINE : 0) | (it->has[M_S] ? PCRE2_DOTALL : 0);
    int code;
    PCRE2_SIZE at;
    if (!a.regex) {
        it->b->is_out_of_memory = true;
        return false;
    }
    pcre2_code *probe = pcre2_compile((PCRE2_SPTR)a.regex, v->len, a.re_flags, &code, &at, NULL);
    if (!probe) {
        PCRE2_UCHAR msg[128] = "";
        (void)pcre2_get_error_message(code, msg, sizeof msg);
        sigma_unsupported(it->b, "regular expression at line %d: %s", v->line, (const char *)msg);
        return false;
    }
    pcre2_code_free(probe);
    return push_atom(it, &a);
}

static bool cidr(struct item *it, const struct sigma_yaml *v)
{
    struct sigma_atom a = {.op = ATOM_CIDR, .field = it->field};
    if (!sigma_cidr_parse(v->text, &a.cidr)) {
        sigma_broken(it->b, v, "'%s' is no network; expected one like 192.0.2.0/24", v->text);
        return false;
    }
    return push_atom(it, &a);
}

static bool number(struct item *it, const struct sigma_yaml *v, int part)
{
    struct sigma_atom a = {.op = part < 0 ? ATOM_COMPARE : ATOM_TIME, .field = it->field, .part = (uint8_t)(part < 0 ? 0 : part)};
    a.compare = it->has[M_LT] ? CMP_LT : it->has[M_LTE] ? CMP_LTE : it->has[M_GT] ? CMP_GT : it->has[M_GTE] ? CMP_GTE : CMP_EQ;
    if (!sigma_text_number(v->text, v->len, &a.number)) {
        sigma_broken(it->b, v, "'%s' is no number, which lt, lte, gt, gte and the time modifiers compare with", v->text);
        return false;
    }
    return push_atom(it, &a);
}

static bool fieldref(struct item *it, const struct sigma_yaml *v)
{
    struct sigma_atom a = {.op = ATOM_FIELDREF, .field = it->field, .is_cased = it->has[M_CASED]};
    a.compare = it->has[M_CONTAINS] ? ATOM_CONTAINS : it->has[M_STARTSWITH] ? ATOM_PREFIX
                : it->has[M_ENDSWITH] ? ATOM_SUFFIX : ATOM_EXACT;
    a.other = sigma_field_id(it->b->s, v->text, v->len);
    if (a.other == UINT32_MAX) {
        it->b->is_out_of_memory = true;
        return false;
    }
    return push_atom(it, &a);
}

static bool exists(struct item *it, const struct sigma_yaml *v)
{
    struct sigma_atom a = {.op = ATOM_EXISTS, .field = it->field};
    bool is_true = !strcmp(v->text, "true") || !strcmp(v->text, "yes") || !strcmp(v->text, "True");
    if (!is_true && strcmp(v->text, "false") != 0 && strcmp(v->text, "no") != 0 && strcmp(v->text, "False") != 0) {
        sigma_broken(it->b, v, "exists: '%s'; expected true or false", v->text);
        return false;
    }
    if (!push_atom(it, &a))
        return false;
    if (!is_true) {
        struct sigma_expr *e = sigma_expr_new(it->b, EXPR_NOT, 1);
        if (!e)
            return false;
        e->kids[0] = it->out[it->n_out - 1];
        e->n = 1;
        it->out[it->n_out - 1] = e;
    }
    return true;
}

static int time_part(const struct item *it)
{
    static const enum mod parts[] = {M_MINUTE, M_HOUR, M_DAY, M_WEEK, M_MONTH, M_YEAR};
    for (int i = 0; i < 6; i++)
        if (it->has[parts[i]])
            return i; /* the order of enum sigma_time_part */
    return -1;
}

static bool one_value(struct item *it, const struct sigma_yaml *v)
{
    int part = time_part(it);
    if (v->type != SIGMA_YAML_TEXT && v->type != SIGMA_YAML_NULL) {
        sigma_unsupported(it->b, "a list or map as one value of '%s'", it->node->key ? it->node->key : "keywords");
        return false;
    }
    if (it->field == SIGMA_ANY_FIELD && (v->type == SIGMA_YAML_NULL || !v->len)) {
        sigma_broken(it->b, v, "an empty keyword, which is in every event");
        return false;
    }
    if (v->type == SIGMA_YAML_NULL) {
        const struct sigma_atom a = {.op = ATOM_NULL, .field = it->field};
        return push_atom(it, &a);
    }
    if (it->has[M_EXISTS])
        return exists(it, v);
    if (it->has[M_RE])
        return regex(it, v);
    if (it->has[M_CIDR])
        return cidr(it, v);
    if (it->has[M_FIELDREF])
        return fieldref(it, v);
    if (part >= 0 || it->has[M_LT] || it->has[M_LTE] || it->has[M_GT] || it->has[M_GTE])
        return number(it, v, part);
    return expand(it, v->text, v->len, 0, 0);
}

/* ---- the entry ---- */

static bool read_modifiers(struct item *it, const char *p)
{
    while (*p == '|') {
        size_t n = strcspn(++p, "|"), i = 0;
        while (i < sizeof mod_names / sizeof mod_names[0] && (strlen(mod_names[i].name) != n || memcmp(mod_names[i].name, p, n) != 0))
            i++;
        if (i == sizeof mod_names / sizeof mod_names[0]) {
            sigma_unsupported(it->b, "modifier '%.*s'", (int)(n < 64 ? n : 64), p);
            return false;
        }
        if (it->n_mods == MODS_MAX) {
            sigma_broken(it->b, it->node, "more than %d modifiers on one field", MODS_MAX);
            return false;
        }
        it->mods[it->n_mods++] = mod_names[i].mod;
        it->has[mod_names[i].mod] = true;
        p += n;
    }
    bool has_re = it->has[M_RE];
    if ((it->has[M_I] || it->has[M_M] || it->has[M_S]) && !has_re) {
        sigma_broken(it->b, it->node, "the modifiers i, m and s belong to re, which is missing");
        return false;
    }
    if (it->field == SIGMA_ANY_FIELD && (it->has[M_EXISTS] || it->has[M_FIELDREF] || it->has[M_CIDR] || time_part(it) >= 0 ||
                                         it->has[M_LT] || it->has[M_LTE] || it->has[M_GT] || it->has[M_GTE])) {
        sigma_unsupported(it->b, "keywords with a modifier that needs a field");
        return false;
    }
    return true;
}

static struct sigma_expr *compile_item(struct item *it, const struct sigma_yaml *values)
{
    const struct sigma_yaml *v = values->type == SIGMA_YAML_LIST ? values->child : values;
    if (!v) {
        sigma_broken(it->b, values, "an empty list of values");
        return NULL;
    }
    size_t first = 0, groups = 0;
    struct sigma_expr *all = NULL;
    if (it->has[M_ALL]) { /* each value may become several: AND over values, OR over what each became */
        size_t n = 0;
        for (const struct sigma_yaml *c = v; c; c = values->type == SIGMA_YAML_LIST ? c->next : NULL)
            n++;
        all = sigma_expr_new(it->b, EXPR_AND, n);
        if (!all)
            return NULL;
    }
    for (; v; v = values->type == SIGMA_YAML_LIST ? v->next : NULL) {
        if (!one_value(it, v))
            return NULL;
        if (!all)
            continue;
        struct sigma_expr *alt = it->out[first];
        if (it->n_out - first > 1) {
            alt = sigma_expr_new(it->b, EXPR_OR, it->n_out - first);
            if (!alt)
                return NULL;
            memcpy(alt->kids, it->out + first, (it->n_out - first) * sizeof(struct sigma_expr *));
            alt->n = (uint32_t)(it->n_out - first);
        }
        all->kids[groups++] = alt;
        all->n = (uint32_t)groups;
        first = it->n_out;
    }
    struct sigma_expr *e = all;
    if (!all && it->n_out == 1)
        e = it->out[0];
    if (!e) {
        e = sigma_expr_new(it->b, EXPR_OR, it->n_out);
        if (!e)
            return NULL;
        memcpy(e->kids, it->out, it->n_out * sizeof(struct sigma_expr *));
        e->n = (uint32_t)it->n_out;
    }
    if (it->has[M_NEQ]) {
        struct sigma_expr *inverse = sigma_expr_new(it->b, EXPR_NOT, 1);
        if (!inverse)
            return NULL;
        inverse->kids[0] = e;
        inverse->n = 1;
        e = inverse;
    }
    return e;
}

struct sigma_expr *sigma_item(struct sigma_build *b, const struct sigma_yaml *node)
{
    struct item it = {.b = b, .node = node, .field = SIGMA_ANY_FIELD};
    size_t len = strcspn(node->key, "|");
    if (len > NAME_MAX_BYTES) {
        sigma_broken(b, node, "a field name of %zu bytes; up to %d are read", len, NAME_MAX_BYTES);
        return NULL;
    }
    if (len) {
        it.field = sigma_field_id(b->s, node->key, len);
        if (it.field == UINT32_MAX) {
            b->is_out_of_memory = true;
            return NULL;
        }
    }
    if (!read_modifiers(&it, node->key + len))
        return NULL;
    if (!len && !it.has[M_RE]) { /* keywords are looked for inside the text */
        it.mods[it.n_mods < MODS_MAX ? it.n_mods++ : MODS_MAX - 1] = M_CONTAINS;
    }
    return compile_item(&it, node);
}

struct sigma_expr *sigma_keywords(struct sigma_build *b, const struct sigma_yaml *node)
{
    struct item it = {.b = b, .node = node, .field = SIGMA_ANY_FIELD, .mods = {M_CONTAINS}, .n_mods = 1};
    return compile_item(&it, node);
}
