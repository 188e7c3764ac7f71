/* set.c - a rule set: adding files, one rule from one document, and the tables rules share. */
#include "sigma/set.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>

enum { WALK_DEPTH_MAX = 16, UNSUPPORTED_MAX = 32 };

/* ---- growing tables ---- */

static bool grow(void *pp, uint32_t *cap, uint32_t n, size_t size, uint32_t max)
{
    void *p;
    memcpy(&p, pp, sizeof p);
    if (n < *cap)
        return true;
    uint32_t want = *cap ? *cap * 2 : 64;
    if (n >= max || want > max * 2)
        return false;
    void *larger = realloc(p, (size_t)want * size);
    if (!larger)
        return false;
    memcpy(pp, &larger, sizeof larger);
    *cap = want;
    return true;
}

static uint32_t hash_bytes(uint32_t h, const void *p, size_t len)
{
    const unsigned char *s = p;
    for (size_t i = 0; i < len; i++)
        h = (h ^ s[i]) * 16777619u;
    return h;
}

uint32_t sigma_field_id(struct mmr_sigma *s, const char *name, size_t len)
{
    uint32_t h = hash_bytes(2166136261u, name, len);
    for (uint32_t i = 0; i < s->n_fields; i++)
        if (s->fields[i].hash == h && strlen(s->fields[i].name) == len && !memcmp(s->fields[i].name, name, len))
            return i;
    char *copy = mmr_sigma_strndup(&s->arena, name, len);
    if (!copy || !grow(&s->fields, &s->cap_fields, s->n_fields, sizeof *s->fields, 16384))
        return UINT32_MAX;
    s->fields[s->n_fields] = (struct sigma_field){copy, h};
    return s->n_fields++;
}

static uint32_t atom_key(const struct sigma_atom *a)
{
    uint32_t h = 2166136261u;
    const uint32_t head[] = {a->op, a->compare, a->part, a->is_cased, a->field, a->other, a->re_flags, a->lit_op};
    for (size_t i = 0; i < sizeof head / sizeof head[0]; i++)
        h = (h ^ head[i]) * 16777619u;
    if (a->lit)
        h = hash_bytes(h, a->lit, a->lit_len);
    if (a->pat)
        h = hash_bytes(h, a->pat, a->pat_len * sizeof *a->pat);
    if (a->regex)
        h = hash_bytes(h, a->regex, strlen(a->regex));
    h = hash_bytes(h, &a->number, sizeof a->number);
    return hash_bytes(h, &a->cidr, sizeof a->cidr);
}

static bool same_bytes(const void *a, const void *b, size_t n)
{
    return !n || (a && b && !memcmp(a, b, n));
}

static bool same_atom(const struct sigma_atom *a, const struct sigma_atom *b)
{
    return a->op == b->op && a->compare == b->compare && a->part == b->part && a->is_cased == b->is_cased &&
           a->field == b->field && a->other == b->other && a->re_flags == b->re_flags && a->lit_op == b->lit_op &&
           a->lit_len == b->lit_len && same_bytes(a->lit, b->lit, a->lit_len) && a->pat_len == b->pat_len &&
           same_bytes(a->pat, b->pat, a->pat_len * sizeof *a->pat) && !a->regex == !b->regex &&
           (!a->regex || !strcmp(a->regex, b->regex)) &&
           !memcmp(&a->number, &b->number, sizeof a->number) && // NOLINT(*-memory-comparison,cert-*): the same bits, as they are hashed
           !memcmp(&a->cidr, &b->cidr, sizeof a->cidr);
}

static bool rehash(struct mmr_sigma *s)
{
    uint32_t cap = s->atom_hash_cap ? s->atom_hash_cap * 2 : 1024;
    uint32_t *t = calloc(cap, sizeof *t);
    if (!t)
        return false;
    for (uint32_t i = 0; i < s->n_atoms; i++) {
        uint32_t at = atom_key(&s->atoms[i]) & (cap - 1);
        while (t[at])
            at = (at + 1) & (cap - 1);
        t[at] = i + 1;
    }
    free(s->atom_hash);
    s->atom_hash = t;
    s->atom_hash_cap = cap;
    return true;
}

uint32_t sigma_atom_id(struct mmr_sigma *s, const struct sigma_atom *proto)
{
    if (s->n_atoms * 2 >= s->atom_hash_cap && !rehash(s))
        return UINT32_MAX;
    uint32_t at = atom_key(proto) & (s->atom_hash_cap - 1);
    for (; s->atom_hash[at]; at = (at + 1) & (s->atom_hash_cap - 1))
        if (same_atom(&s->atoms[s->atom_hash[at] - 1], proto))
            return s->atom_hash[at] - 1;
    if (!grow(&s->atoms, &s->cap_atoms, s->n_atoms, sizeof *s->atoms, SIGMA_ATOMS_MAX))
        return UINT32_MAX;
    s->atoms[s->n_atoms] = *proto;
    s->atoms[s->n_atoms].next_same = SIGMA_NONE;
    s->atom_hash[at] = ++s->n_atoms;
    return s->n_atoms - 1;
}

struct sigma_expr *sigma_expr_new(struct sigma_build *b, enum expr_type type, size_t n)
{
    struct sigma_expr *e = mmr_sigma_alloc(&b->s->arena, 1, sizeof *e);
    if (e && n)
        e->kids = mmr_sigma_alloc(&b->s->arena, n, sizeof(struct sigma_expr *));
    if (!e || (n && !e->kids)) {
        b->is_out_of_memory = true;
        return NULL;
    }
    e->type = (uint8_t)type;
    return e;
}

/* ---- complaints ---- */

void sigma_unsupported(struct sigma_build *b, const char *fmt, ...)
{
    char text[200];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    for (size_t i = 0; i < b->n_unsupported; i++)
        if (!strcmp(b->unsupported[i], text))
            return;
    if (!b->unsupported)
        b->unsupported = mmr_sigma_alloc(&b->s->arena, UNSUPPORTED_MAX, sizeof(char *));
    char *copy = mmr_sigma_strndup(&b->s->arena, text, strlen(text));
    if (!b->unsupported || !copy)
        b->is_out_of_memory = true;
    else if (b->n_unsupported < UNSUPPORTED_MAX)
        b->unsupported[b->n_unsupported++] = copy;
}

void sigma_broken(struct sigma_build *b, const struct sigma_yaml *at, const char *fmt, ...)
{
    char text[400];
    int n = snprintf(text, sizeof text, "%s:%d:%d: ", b->file, at ? at->line : b->rule->pub.line, at ? at->column : 1);
    va_list ap;
    va_start(ap, fmt);
    if (n > 0 && (size_t)n < sizeof text)
        (void)vsnprintf(text + n, sizeof text - (size_t)n, fmt, ap);
    va_end(ap);
    if (b->rule->pub.error)
        return; /* the first one names the cause */
    b->rule->pub.error = mmr_sigma_strndup(&b->s->arena, text, strlen(text));
    if (!b->rule->pub.error)
        b->is_out_of_memory = true;
}

/* ---- one document ---- */

static const char *keep(struct sigma_build *b, const char *text)
{
    char *s = text ? mmr_sigma_strndup(&b->s->arena, text, strlen(text)) : NULL;
    if (text && !s)
        b->is_out_of_memory = true;
    return s;
}

/* A list of texts; a scalar is a list of one. What is no text is left out. */
static struct mmr_sigma_strv strings(struct sigma_build *b, const struct sigma_yaml *node)
{
    bool is_list = node && node->type == SIGMA_YAML_LIST;
    const struct sigma_yaml *first = is_list ? node->child : node;
    size_t n = 0, cap = 0;
    for (const struct sigma_yaml *c = first; c; c = is_list ? c->next : NULL)
        cap++;
    const char **v = cap ? mmr_sigma_alloc(&b->s->arena, cap, sizeof *v) : NULL;
    if (cap && !v)
        b->is_out_of_memory = true;
    for (const struct sigma_yaml *c = first; v && c && n < cap; c = is_list ? c->next : NULL)
        if (c->type == SIGMA_YAML_TEXT && (v[n] = keep(b, c->text)))
            n++;
    return (struct mmr_sigma_strv){v, n};
}

static enum mmr_sigma_level level_of(const char *text)
{
    static const char *const names[] = {"", "informational", "low", "medium", "high", "critical"};
    for (size_t i = 1; text && i < sizeof names / sizeof names[0]; i++)
        if (!strcasecmp(text, names[i]))
            return (enum mmr_sigma_level)i;
    return MMR_SIGMA_NO_LEVEL;
}

static const char *lower_name(struct sigma_build *b, const char *text)
{
    char *s = text ? mmr_sigma_strndup(&b->s->arena, text, strlen(text)) : NULL;
    if (text && !s)
        b->is_out_of_memory = true;
    if (s)
        (void)sigma_text_fold(s, strlen(s), s);
    return s;
}

static void read_head(struct sigma_build *b, const struct sigma_yaml *doc)
{
    struct mmr_sigma_rule *r = &b->rule->pub;
    r->title = keep(b, sigma_yaml_text(doc, "title"));
    r->id = keep(b, sigma_yaml_text(doc, "id"));
    r->name = keep(b, sigma_yaml_text(doc, "name"));
    if (!r->title)
        r->title = "";
    if (!r->id)
        r->id = r->name ? r->name : r->title;
    r->status = keep(b, sigma_yaml_text(doc, "status"));
    r->level = level_of(sigma_yaml_text(doc, "level"));
    r->tags = strings(b, sigma_yaml_get(doc, "tags"));
    r->falsepositives = strings(b, sigma_yaml_get(doc, "falsepositives"));
    r->is_enabled = true;
    const struct sigma_yaml *ls = sigma_yaml_get(doc, "logsource");
    r->product = lower_name(b, sigma_yaml_text(ls, "product"));
    r->category = lower_name(b, sigma_yaml_text(ls, "category"));
    r->service = lower_name(b, sigma_yaml_text(ls, "service"));
    const char *taxonomy = sigma_yaml_text(doc, "taxonomy");
    if (taxonomy && strcmp(taxonomy, "sigma") != 0)
        sigma_unsupported(b, "taxonomy '%s'", taxonomy);
    sigma_mapping(b, doc);
}

static void read_logsource(struct sigma_build *b, const struct sigma_yaml *doc)
{
    struct mmr_sigma *s = b->s;
    const struct mmr_sigma_rule *r = &b->rule->pub;
    const struct sigma_yaml *ls = sigma_yaml_get(doc, "logsource");
    struct sigma_selector sel;
    if (!ls || ls->type != SIGMA_YAML_MAP) {
        sigma_broken(b, ls ? ls : doc, "no logsource map; a rule says which log it reads, as `product: windows`");
        return;
    }
    const char *lacks = sigma_selector_make(r->product, r->category, r->service, &sel);
    if (lacks) {
        if (r->category)
            sigma_unsupported(b, "%s '%s'", lacks, r->category);
        else
            sigma_unsupported(b, "%s", lacks);
        return;
    }
    uint32_t i = 0;
    while (i < s->n_selectors && !sigma_selector_same(&s->selectors[i], &sel))
        i++;
    if (i == s->n_selectors) {
        if (!grow(&s->selectors, &s->cap_selectors, i, sizeof *s->selectors, 4096)) {
            b->is_out_of_memory = true;
            return;
        }
        s->selectors[s->n_selectors++] = sel;
    }
    b->rule->selector = i;
}

/* The rules a filter or an exclusion is about: ids and names, or all there are */
static void read_targets(struct sigma_build *b, const struct sigma_yaml *rules)
{
    bool is_word = rules->type == SIGMA_YAML_TEXT && (!strcasecmp(rules->text, "any") || !strcasecmp(rules->text, "all"));
    b->rule->is_for_any = is_word || (rules->type == SIGMA_YAML_LIST && !rules->child);
    b->rule->targets = strings(b, rules);
}

static void read_filter(struct sigma_build *b, const struct sigma_yaml *doc)
{
    const struct sigma_yaml *f = sigma_yaml_get(doc, "filter"), *rules = sigma_yaml_get(f, "rules");
    b->rule->pub.kind = MMR_SIGMA_FILTER;
    if (f->type != SIGMA_YAML_MAP || !rules) {
        sigma_broken(b, f, "a filter needs `rules` (ids, names, or any), selections and `condition`");
        return;
    }
    read_targets(b, rules);
    read_logsource(b, doc);
    b->rule->expr = sigma_detection_expr(b, f);
}

/* Midnight UTC of "YYYY-MM-DD" as ns, or 0 */
static int64_t day_ns(const char *text)
{
    struct tm tm = {0};
    int y, m, d;
    char extra;
    if (!text || sscanf(text, "%4d-%2d-%2d%c", &y, &m, &d, &extra) != 3 || y < 1970 || m < 1 || m > 12 || d < 1 || d > 31)
        return 0;
    tm.tm_year = (y < 2250 ? y : 2250) - 1900; /* "9999-12-31" is for ever; later is no int64_t any more */
    tm.tm_mon = m - 1;
    tm.tm_mday = d;
    return (int64_t)timegm(&tm) * 1000000000;
}

/* What a person decided to overlook: NOT (selection AND time < expires), joined to its rules */
static void read_exclusion(struct sigma_build *b, const struct sigma_yaml *doc)
{
    const struct sigma_yaml *x = sigma_yaml_get(doc, "exclusion"), *rules = sigma_yaml_get(x, "rules");
    const char *owner = sigma_yaml_text(x, "owner"), *reason = sigma_yaml_text(x, "reason");
    int64_t expires = day_ns(sigma_yaml_text(x, "expires"));
    b->rule->pub.kind = MMR_SIGMA_EXCLUSION;
    if (!rules || !owner || !*owner || !reason || !*reason || !expires) {
        sigma_broken(b, x, "an exclusion needs rules, a selection, owner, reason, and expires as YYYY-MM-DD");
        return;
    }
    read_targets(b, rules);
    struct sigma_expr *sel = sigma_detection_expr(b, x), *inverse = sigma_expr_new(b, EXPR_NOT, 1);
    struct sigma_expr *both = sigma_expr_new(b, EXPR_AND, 2), *until = sigma_expr_new(b, EXPR_ATOM, 0);
    const struct sigma_atom a = {.op = ATOM_BEFORE, .number = (double)expires};
    if (!sel || !inverse || !both || !until)
        return;
    until->atom = sigma_atom_id(b->s, &a);
    b->is_out_of_memory |= until->atom == UINT32_MAX;
    both->kids[0] = until;
    both->kids[1] = sel;
    both->n = 2;
    inverse->kids[0] = both;
    inverse->n = 1;
    b->rule->expr = inverse;
}

static int push_rule(struct mmr_sigma *s, struct sigma_detection *d, struct mmr_error *err)
{
    if (s->n_rules == SIGMA_RULES_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "more than %d rules; load fewer", SIGMA_RULES_MAX);
    if (s->n_rules == s->cap_rules) {
        size_t cap = s->cap_rules ? s->cap_rules * 2 : 256;
        struct sigma_detection **v = realloc(s->rules, cap * sizeof(struct sigma_detection *));
        if (!v)
            return mmr_fail(err, MMR_ENOMEM, "Sigma rules: out of memory");
        s->rules = v;
        s->cap_rules = cap;
    }
    d->pub.index = (uint32_t)s->n_rules;
    s->rules[s->n_rules++] = d;
    return 0;
}

struct adding {
    struct mmr_sigma *s;
    const char *file;
    struct mmr_sigma_arena *trees;
    /* rule collections: what `action: global` gives to all that follow, and what `action: repeat` starts from */
    const struct sigma_yaml *global, *previous;
};

/* Rule collections (the first Sigma had them): false if the document is no rule by itself; rule: what it is then. */
static bool collect(struct adding *ad, const struct sigma_yaml *doc, const struct sigma_yaml **rule)
{
    const char *action = sigma_yaml_text(doc, "action");
    bool is_global = action && !strcmp(action, "global"), is_repeat = action && !strcmp(action, "repeat");
    if (action && !strcmp(action, "reset")) {
        ad->global = NULL;
        return false;
    }
    if (is_global) {
        ad->global = doc;
        return false;
    }
    const struct sigma_yaml *base = is_repeat ? ad->previous : ad->global;
    *rule = base && doc->type == SIGMA_YAML_MAP ? sigma_yaml_merge(ad->trees, base, doc) : doc;
    ad->previous = *rule;
    return true;
}

static int add_document(void *ctx, const struct sigma_yaml *doc, struct mmr_error *err)
{
    struct adding *ad = ctx;
    struct mmr_sigma *s = ad->s;
    const char *action = sigma_yaml_text(doc, "action");
    const struct sigma_yaml *rule = NULL;
    if (doc->type == SIGMA_YAML_NULL || !collect(ad, doc, &rule))
        return 0; /* an empty document between separators, or one that only says what others have in common */
    if (!rule)
        return mmr_fail(err, MMR_ENOMEM, "%s: out of memory for rules", ad->file);
    doc = rule;
    struct sigma_detection *d = mmr_sigma_alloc(&s->arena, 1, sizeof *d);
    if (!d)
        return mmr_fail(err, MMR_ENOMEM, "%s: out of memory for rules", ad->file);
    struct sigma_build b = {.s = s, .rule = d, .file = ad->file};
    d->pub.file = ad->file;
    d->pub.line = doc->line;
    d->pub.title = d->pub.id = "";
    if (doc->type != SIGMA_YAML_MAP) {
        sigma_broken(&b, doc, "a rule is a map with title, logsource and detection");
    } else {
        read_head(&b, doc);
        if (action && strcmp(action, "repeat") != 0)
            sigma_unsupported(&b, "action '%s'", action);
        else if (sigma_yaml_get(doc, "correlation"))
            (void)sigma_corr_parse(&b, doc);
        else if (sigma_yaml_get(doc, "filter"))
            read_filter(&b, doc);
        else if (sigma_yaml_get(doc, "exclusion"))
            read_exclusion(&b, doc);
        else if (!sigma_yaml_get(doc, "detection"))
            sigma_broken(&b, doc, "neither detection, correlation, filter nor exclusion; expected one of them");
        else {
            read_logsource(&b, doc);
            d->expr = sigma_detection_expr(&b, sigma_yaml_get(doc, "detection"));
        }
    }
    if (b.is_out_of_memory)
        return mmr_fail(err, MMR_ENOMEM, "%s: out of memory for rules", ad->file);
    d->pub.unsupported = (struct mmr_sigma_strv){b.unsupported, b.n_unsupported};
    return push_rule(s, d, err);
}

int mmr_sigma_add_text(struct mmr_sigma *s, const char *name, const char *text, size_t len,
                       struct mmr_error *err)
{
    if (s->matcher)
        return mmr_fail(err, MMR_EINVAL, "%s: the rule set is compiled already", name);
    char *file = mmr_sigma_strndup(&s->arena, name, strlen(name));
    if (!file)
        return mmr_fail(err, MMR_ENOMEM, "%s: out of memory for rules", name);
    struct mmr_sigma_arena scratch = {.max_bytes = 256 * 1024 * 1024};
    struct adding ad = {.s = s, .file = file, .trees = &scratch};
    struct mmr_error why = {.struct_size = sizeof why};
    size_t before = s->n_rules;
    int rc = sigma_yaml_parse(&scratch, file, text, len, add_document, &ad, &why);
    mmr_sigma_arena_done(&scratch);
    if (rc == MMR_EBADMSG || (rc == MMR_ETOOBIG && s->n_rules < SIGMA_RULES_MAX)) {
        /* the file is bad, not the load: it stands in the list with its reason */
        struct sigma_detection *d = mmr_sigma_alloc(&s->arena, 1, sizeof *d);
        if (!d || !(d->pub.error = mmr_sigma_strndup(&s->arena, why.text, strlen(why.text))))
            return mmr_fail(err, MMR_ENOMEM, "%s: out of memory for rules", name);
        d->pub.file = file;
        d->pub.id = d->pub.title = "";
        d->pub.line = 1;
        return push_rule(s, d, err);
    }
    if (rc)
        return mmr_fail(err, rc, "%s", why.text);
    if (s->n_rules == before) {
        struct mmr_sigma_rule empty = {.file = file, .line = 1, .id = "", .title = "", .error = "no rule in this file"};
        struct sigma_detection *d = mmr_sigma_alloc(&s->arena, 1, sizeof *d);
        if (!d)
            return mmr_fail(err, MMR_ENOMEM, "%s: out of memory for rules", name);
        d->pub = empty;
        return push_rule(s, d, err);
    }
    return 0;
}

/* ---- files and folders ---- */

static bool is_rule_file(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && dot != name && (!strcmp(dot, ".yml") || !strcmp(dot, ".yaml"));
}

static int wanted(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int add_file(struct mmr_sigma *s, const char *path, struct mmr_error *err)
{
    char *text;
    size_t len;
    int rc = mmr_sigma_read_file(path, MMR_SIGMA_FILE_MAX, &text, &len, err);
    if (rc)
        return rc;
    rc = mmr_sigma_add_text(s, path, text, len, err);
    free(text);
    return rc;
}

static int walk(struct mmr_sigma *s, const char *path, int depth, struct mmr_error *err)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return mmr_fail(err, MMR_EIO, "rules '%s': %s", path, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return add_file(s, path, err);
    if (depth == WALK_DEPTH_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "rules '%s': folders nested deeper than %d", path, WALK_DEPTH_MAX);
    struct dirent **list;
    int n = scandir(path, &list, wanted, by_bytes);
    if (n < 0)
        return mmr_fail(err, MMR_EIO, "rules '%s': %s", path, strerror(errno));
    int rc = 0;
    for (int i = 0; i < n; i++) {
        char sub[4096];
        int w = snprintf(sub, sizeof sub, "%s/%s", path, list[i]->d_name);
        if (!rc && (w < 0 || (size_t)w >= sizeof sub))
            rc = mmr_fail(err, MMR_ETOOBIG, "rules '%s': path too long", path);
        if (!rc && (stat(sub, &st) == 0 && (S_ISDIR(st.st_mode) || is_rule_file(list[i]->d_name))))
            rc = walk(s, sub, depth + 1, err);
        free(list[i]);
    }
    free(list);
    return rc;
}

int mmr_sigma_add_path(struct mmr_sigma *s, const char *path, struct mmr_error *err)
{
    return walk(s, path, 0, err);
}

/* ---- the set ---- */

int mmr_sigma_new(struct mmr_sigma **ret, struct mmr_error *err)
{
    struct mmr_sigma *s = calloc(1, sizeof *s);
    if (!s)
        return mmr_fail(err, MMR_ENOMEM, "Sigma rules: out of memory");
    s->arena.max_bytes = SIGMA_MEMORY_MAX;
    *ret = s;
    return 0;
}

void mmr_sigma_free(struct mmr_sigma *s)
{
    if (!s)
        return;
    sigma_matcher_free(s->matcher);
    sigma_corr_free(s->correlator);
    for (uint32_t i = 0; i < s->n_atoms; i++)
        if (s->atoms[i].code)
            pcre2_code_free(s->atoms[i].code);
    free(s->atoms);
    free(s->atom_hash);
    free(s->fields);
    free(s->selectors);
    free(s->rules);
    mmr_sigma_arena_done(&s->arena);
    free(s);
}

int mmr_sigma_placeholder(struct mmr_sigma *s, const char *name, const char *value, struct mmr_error *err)
{
    struct sigma_placeholder *p = mmr_sigma_alloc(&s->arena, 1, sizeof *p);
    if (!p || !(p->name = mmr_sigma_strndup(&s->arena, name, strlen(name))) ||
        !(p->value = mmr_sigma_strndup(&s->arena, value, strlen(value))))
        return mmr_fail(err, MMR_ENOMEM, "placeholder '%s': out of memory", name);
    struct sigma_placeholder **at = &s->placeholders;
    while (*at)
        at = &(*at)->next;
    *at = p;
    return 0;
}

bool mmr_sigma_rule_ok(const struct mmr_sigma_rule *r)
{
    return !r->error && !r->unsupported.n;
}

size_t mmr_sigma_count(const struct mmr_sigma *s)
{
    return s->n_rules;
}

const struct mmr_sigma_rule *mmr_sigma_get(const struct mmr_sigma *s, size_t i)
{
    return i < s->n_rules ? &s->rules[i]->pub : NULL;
}

bool mmr_sigma_rule_is(const struct mmr_sigma_rule *r, const char *id)
{
    return !strcasecmp(r->id, id) || (r->name && !strcmp(r->name, id)) || !strcmp(r->title, id);
}

const struct mmr_sigma_rule *mmr_sigma_find(const struct mmr_sigma *s, const char *id)
{
    for (size_t i = 0; i < s->n_rules; i++)
        if (mmr_sigma_rule_is(&s->rules[i]->pub, id))
            return &s->rules[i]->pub;
    return NULL;
}

void mmr_sigma_disable(struct mmr_sigma *s, size_t i)
{
    if (i < s->n_rules)
        s->rules[i]->pub.is_enabled = false;
}

static bool is_target(const struct sigma_detection *f, const struct mmr_sigma_rule *r)
{
    for (size_t i = 0; i < f->targets.n; i++)
        if (!strcasecmp(f->targets.v[i], r->id) || (r->name && !strcmp(f->targets.v[i], r->name)))
            return true;
    return f->is_for_any;
}

/* Does a filter's logsource mean a rule's? What it leaves open, every rule fits. */
static bool has_source(const struct mmr_sigma_rule *filter, const struct mmr_sigma_rule *r)
{
    const char *const pairs[][2] = {{filter->product, r->product}, {filter->category, r->category}, {filter->service, r->service}};
    for (size_t i = 0; i < 3; i++)
        if (pairs[i][0] && (!pairs[i][1] || strcmp(pairs[i][0], pairs[i][1]) != 0))
            return false;
    return true;
}

/* A filter's condition is joined with AND to each of its rules of that logsource. */
static int apply_filters(struct mmr_sigma *s, struct mmr_error *err)
{
    for (size_t i = 0; i < s->n_rules; i++) {
        const struct sigma_detection *f = s->rules[i];
        bool is_exclusion = f->pub.kind == MMR_SIGMA_EXCLUSION;
        if ((f->pub.kind != MMR_SIGMA_FILTER && !is_exclusion) || !mmr_sigma_rule_ok(&f->pub) || !f->pub.is_enabled)
            continue;
        for (size_t k = 0; k < s->n_rules; k++) {
            struct sigma_detection *r = s->rules[k];
            if (r->pub.kind != MMR_SIGMA_DETECTION || !r->expr || (!is_exclusion && !has_source(&f->pub, &r->pub)) || !is_target(f, &r->pub))
                continue;
            struct sigma_build b = {.s = s, .rule = r, .file = r->pub.file};
            struct sigma_expr *both = sigma_expr_new(&b, EXPR_AND, 2);
            if (!both)
                return mmr_fail(err, MMR_ENOMEM, "filter '%s': out of memory", f->pub.title);
            both->kids[0] = r->expr;
            both->kids[1] = f->expr;
            both->n = 2;
            r->expr = both;
        }
    }
    return 0;
}

void mmr_sigma_lazy_windows(struct mmr_sigma *s, void (*woken)(void *ctx, int rc), void *ctx)
{
    s->is_lazy = !s->matcher;
    s->woken = woken;
    s->woken_ctx = ctx;
}

void mmr_sigma_without_hyperscan(struct mmr_sigma *s)
{
    s->has_no_hyperscan = true;
}

int mmr_sigma_compile(struct mmr_sigma *s, struct mmr_error *err)
{
    if (s->matcher)
        return mmr_fail(err, MMR_EINVAL, "the rule set is compiled already");
    int rc = apply_filters(s, err);
    if (!rc)
        rc = sigma_corr_resolve(s, err);
    return rc ? rc : sigma_matcher_build(s, err);
}

int mmr_sigma_load(const char *const *paths, size_t n, struct mmr_sigma **ret, struct mmr_error *err)
{
    struct mmr_sigma *s = NULL;
    int rc = mmr_sigma_new(&s, err);
    for (size_t i = 0; !rc && i < n; i++)
        rc = mmr_sigma_add_path(s, paths[i], err);
    if (!rc)
        rc = mmr_sigma_compile(s, err);
    if (rc)
        mmr_sigma_free(s);
    else
        *ret = s;
    return rc;
}

void mmr_sigma_get_stats(const struct mmr_sigma *s, struct mmr_sigma_stats *ret)
{
    *ret = s->stats;
    ret->rules = (uint32_t)s->n_rules;
    ret->atoms = s->n_atoms;
    ret->is_windows_asleep = s->is_lazy;
}
