/* set.c - a set of rules: made, filled from files, asked about, freed. */
#include <rules/rule.h>

#include <rules/buffers.h>
#include <rules/compile.h>
#include <rules/lines.h>
#include <rules/parse.h>
#include <rules/regex.h>
#include <rules/select.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int mmr_rules_new(const struct mmr_rules_config *cfg, struct mmr_rules **ret, struct mmr_error *err)
{
    struct mmr_rules *set = calloc(1, sizeof *set);
    if (!set)
        return mmr_fail(err, MMR_ENOMEM, "rules: out of memory");
    int rc = mmr_vars_new(cfg, &set->arena, &set->vars, err);
    if (rc == 0 && cfg)
        rc = mmr_select_new("enable", cfg->enable, cfg->n_enable, &set->enable, err);
    if (rc == 0 && cfg)
        rc = mmr_select_new("disable", cfg->disable, cfg->n_disable, &set->disable, err);
    const struct buf_kind *k;
    for (unsigned i = BUF_LAST_FIXED + 1; rc == 0 && (k = mmr_buf_kind(i)); i++)
        if (!mmr_str_map_put(&set->buf_names, &set->arena, k->name, strlen(k->name), i))
            rc = mmr_fail(err, MMR_ENOMEM, "rules: out of memory");
    if (rc < 0) {
        mmr_rules_free(set);
        return rc;
    }
    *ret = set;
    return 0;
}

void mmr_rules_free(struct mmr_rules *set)
{
    if (!set)
        return;
    mmr_rules_uncompile(set);
    while (set->regexes) {
        struct regex *re = set->regexes;
        set->regexes = *mmr_regex_next(re);
        mmr_regex_free(re);
    }
    mmr_select_free(set->enable);
    mmr_select_free(set->disable);
    mmr_vars_free(set->vars);
    mmr_str_map_done(&set->sids);
    mmr_str_map_done(&set->buf_names);
    mmr_str_map_done(&set->flowbits.map);
    mmr_str_map_done(&set->xbits.map);
    mmr_str_map_done(&set->ints.map);
    free(set->rules);
    mmr_arena_done(&set->arena);
    free(set);
}

static int keep_rule(struct mmr_rules *set, struct rule *r, struct mmr_error *err)
{
    char key[32];
    int n = snprintf(key, sizeof key, "%u:%u", r->info.gid, r->info.sid);
    uint32_t at = mmr_str_map_put(&set->sids, &set->arena, key, (size_t)n, set->n_rules + 1);
    if (!at)
        return mmr_fail(err, MMR_ENOMEM, "rules: out of memory");
    if (at <= set->n_rules) {
        if (r->info.rev > set->rules[at - 1]->info.rev)
            set->rules[at - 1] = r;
        return 0;
    }
    if (set->n_rules == RULES_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "more than %d rules", RULES_MAX);
    if (set->n_rules == set->cap_rules) {
        uint32_t cap = set->cap_rules ? set->cap_rules * 2 : 256;
        struct rule **v = realloc(set->rules, cap * sizeof(struct rule *));
        if (!v)
            return mmr_fail(err, MMR_ENOMEM, "rules: out of memory");
        set->rules = v;
        set->cap_rules = cap;
    }
    set->rules[set->n_rules++] = r;
    return 0;
}

/* The number behind "sid:" or "gid:" of a rule's line; 0: it has none. */
static uint32_t number_of(struct text line, const char *option)
{
    size_t n = strlen(option);
    uint32_t v = 0;
    for (const char *p = line.p, *end = line.p + line.len; (p = memmem(p, (size_t)(end - p), option, n)); p += n) {
        if (p == line.p || (p[-1] != ';' && p[-1] != ' ' && p[-1] != '('))
            continue;
        for (p += n; p < end && *p == ' '; p++)
            ;
        for (; p < end && *p >= '0' && *p <= '9' && v < 400000000; p++)
            v = v * 10 + (uint32_t)(*p - '0');
        return v;
    }
    return 0;
}

/* "#alert tcp ...": a rule the pack has switched off and the site wants. The line becomes the rule. */
static bool is_wanted(struct mmr_rules *set, const char *name, struct text *line)
{
    static const char *const actions[] = {"alert ", "drop ", "reject ", "pass "};
    struct text t = *line;
    if (!set->enable)
        return false;
    while (t.len && (*t.p == '#' || *t.p == ' ' || *t.p == '\t')) {
        t.p++;
        t.len--;
    }
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        size_t n = strlen(actions[i]);
        if (t.len <= n || memcmp(t.p, actions[i], n) != 0)
            continue;
        uint32_t sid = number_of(t, "sid:"), gid = number_of(t, "gid:");
        if (!sid || !mmr_select_has(set->enable, name, gid ? gid : 1, sid, t.p, t.len))
            return false;
        *line = t;
        return true;
    }
    return false;
}

static int add_line(struct mmr_rules *set, struct parse *p, const char *name, uint32_t line, struct text text, bool is_enabled,
                    mmr_rule_diag_fn diag, void *ctx, struct mmr_error *err)
{
    struct rule *r = NULL;
    int rc = mmr_rule_parse(p, set, text, &r);
    if (rc == MMR_ENOMEM)
        return mmr_fail(err, rc, "%s:%u: out of memory", name, line);
    char names[MMR_RULES_UNSUPPORTED_MAX][64];
    const char *list[MMR_RULES_UNSUPPORTED_MAX];
    for (uint32_t i = 0; i < p->n_unsupported; i++) {
        (void)snprintf(names[i], sizeof names[i], "%.*s", (int)(p->unsupported_len[i] > 60 ? 60 : p->unsupported_len[i]),
                       p->unsupported[i]);
        list[i] = names[i];
    }
    if (rc == 0) {
        r->info.file = name;
        r->info.line = line;
        r->info.is_disabled = mmr_select_has(set->disable, name, r->info.gid, r->info.sid, text.p, text.len);
        if (!is_enabled) /* an entry that means a rule which is on is not idle */
            (void)mmr_select_has(set->enable, name, r->info.gid, r->info.sid, text.p, text.len);
        set->n_enabled += is_enabled;
        rc = keep_rule(set, r, err);
        if (rc < 0)
            return rc;
    } else {
        set->n_failed++;
    }
    if (diag)
        diag(ctx, &(struct mmr_rule_diag){.file = name, .line = line, .sid = p->r ? p->r->info.sid : 0, .is_ok = rc == 0, .is_enabled = is_enabled,
                                          .is_disabled = rc == 0 && r->info.is_disabled,
                                          .reason = rc < 0 ? p->err.text : p->notice ? p->notice : "",
                                          .unsupported = list, .n_unsupported = p->n_unsupported});
    return 0;
}

/* The next line without blanks around it: 1, 0 at the end, or an error. */
static int next_line(struct lines *l, uint32_t *line, struct text *ret, struct mmr_error *err)
{
    struct text t = {0};
    int got = mmr_lines_next(l, &t.p, &t.len, err);
    if (got > 0) {
        (*line)++;
        *ret = mmr_text_trim(t);
    }
    return got;
}

/* A line that ends with a backslash goes on in the next. joined: RULE_TEXT_MAX bytes. */
static int join(struct lines *l, uint32_t *line, char *joined, struct text *t, struct mmr_error *err)
{
    size_t used = 0;
    int got = 1;
    while (got > 0) {
        bool goes_on = t->len && t->p[t->len - 1] == '\\';
        size_t take = t->len - goes_on;
        if (take > RULE_TEXT_MAX - used)
            take = RULE_TEXT_MAX - used; /* the cut rule is refused for want of its ')' */
        memcpy(joined + used, t->p, take);
        used += take;
        if (!goes_on)
            break;
        got = next_line(l, line, t, err);
    }
    *t = mmr_text_trim((struct text){joined, used});
    return got < 0 ? got : 0;
}

static int add_lines(struct mmr_rules *set, struct lines *l, mmr_rule_diag_fn diag, void *ctx, struct mmr_error *err)
{
    struct parse *p = malloc(sizeof *p);
    char *joined = malloc(RULE_TEXT_MAX);
    const char *kept = mmr_arena_str(&set->arena, l->name, strlen(l->name));
    uint32_t line = 0;
    int rc = p && joined && kept ? 0 : mmr_fail(err, MMR_ENOMEM, "rules '%s': out of memory", l->name), got;
    if (set->is_compiled && rc == 0)
        rc = mmr_fail(err, MMR_EINVAL, "rules '%s': the set is compiled already", l->name);
    for (struct text t; rc == 0 && (got = next_line(l, &line, &t, err)) != 0;) {
        const uint32_t first = line;
        rc = got < 0 ? got : 0;
        if (rc == 0 && t.len && t.p[t.len - 1] == '\\' && t.p[0] != '#')
            rc = join(l, &line, joined, &t, err);
        bool is_enabled = rc == 0 && t.len && t.p[0] == '#' && is_wanted(set, kept, &t);
        if (rc == 0 && t.len && t.p[0] != '#')
            rc = add_line(set, p, kept, first, t, is_enabled, diag, ctx, err);
    }
    free(joined);
    free(p);
    return rc;
}

int mmr_rules_add_text(struct mmr_rules *set, const char *name, const char *text, size_t len, mmr_rule_diag_fn diag,
                       void *ctx, struct mmr_error *err)
{
    struct lines l;
    mmr_lines_of_text(&l, name, text, len);
    return add_lines(set, &l, diag, ctx, err);
}

int mmr_rules_add_file(struct mmr_rules *set, const char *path, mmr_rule_diag_fn diag, void *ctx, struct mmr_error *err)
{
    struct lines l;
    int rc = mmr_lines_of_file(&l, path, err);
    if (rc < 0)
        return rc;
    rc = add_lines(set, &l, diag, ctx, err);
    mmr_lines_done(&l);
    return rc;
}

size_t mmr_rules_count(const struct mmr_rules *set)
{
    return set->n_rules;
}

size_t mmr_rules_failed(const struct mmr_rules *set)
{
    return set->n_failed;
}

size_t mmr_rules_enabled(const struct mmr_rules *set)
{
    return set->n_enabled;
}

const char *mmr_rules_idle(const struct mmr_rules *set, bool is_disable, size_t at)
{
    return mmr_select_idle(is_disable ? set->disable : set->enable, at);
}

const struct mmr_rule_info *mmr_rules_info(const struct mmr_rules *set, size_t i)
{
    return i < set->n_rules ? &set->rules[i]->info : NULL;
}
