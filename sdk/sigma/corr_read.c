/* corr_read.c - a correlation rule out of its document. */
#include "sigma/corr.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const type_names[] = {"event_count", "value_count", "temporal", "temporal_ordered", "value_sum",
                                         "value_avg", "value_min", "value_max", "value_median", "value_percentile", NULL};

static bool add_ref(struct sigma_build *b, struct sigma_corr *c, const char *name, size_t len)
{
    if (c->n_refs == REFS_MAX)
        return false;
    c->ref_names[c->n_refs] = mmr_sigma_strndup(&b->s->arena, name, len);
    b->is_out_of_memory |= !c->ref_names[c->n_refs];
    if (b->is_out_of_memory)
        return false;
    c->n_refs++;
    return true;
}

static struct sigma_expr *name_leaf(struct sigma_build *b, void *ctx, const char *name, size_t len)
{
    struct sigma_corr *c = ctx;
    uint32_t known = 0;
    while (known < c->n_refs && (strlen(c->ref_names[known]) != len || memcmp(c->ref_names[known], name, len) != 0))
        known++;
    if (known == c->n_refs && c->is_named_by_condition)
        (void)add_ref(b, c, name, len);
    for (uint32_t i = 0; i < c->n_refs; i++)
        if (strlen(c->ref_names[i]) == len && !memcmp(c->ref_names[i], name, len)) {
            struct sigma_expr *e = sigma_expr_new(b, EXPR_ATOM, 0);
            if (e)
                e->atom = i; /* here: the reference */
            return e;
        }
    sigma_broken(b, NULL, "correlation.condition: '%.*s' is none of its rules", (int)(len < 60 ? len : 60), name);
    return NULL;
}

static bool has_not(const struct sigma_expr *e)
{
    if (e->type == EXPR_NOT)
        return true;
    for (uint32_t i = 0; i < e->n; i++)
        if (has_not(e->kids[i]))
            return true;
    return false;
}

static bool read_timespan(struct sigma_build *b, const struct sigma_yaml *node, int64_t *ret_ns)
{
    char *end = NULL;
    long long n = node && node->type == SIGMA_YAML_TEXT ? strtoll(node->text, &end, 10) : 0;
    static const struct {
        const char *unit;
        int64_t s;
    } units[] = {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {"w", 604800}, {"M", 2629746}, {"y", 31556952}};
    for (size_t i = 0; end && n > 0 && n <= SPAN_MAX_S && i < sizeof units / sizeof units[0]; i++)
        if (!strcmp(end, units[i].unit) && n <= SPAN_MAX_S / units[i].s) {
            *ret_ns = (int64_t)n * units[i].s * 1000000000;
            return true;
        }
    sigma_broken(b, node, "correlation.timespan: expected a number and s, m, h, d, w, M or y, as in 5m, up to 100y");
    return false;
}

static void read_refs(struct sigma_build *b, struct sigma_corr *c, const struct sigma_yaml *node)
{
    bool is_list = node && node->type == SIGMA_YAML_LIST;
    for (const struct sigma_yaml *r = is_list ? node->child : node; r; r = is_list ? r->next : NULL) {
        if (r->type != SIGMA_YAML_TEXT || !add_ref(b, c, r->text, r->len)) {
            sigma_broken(b, r, "correlation.rules: expected up to %d ids or names of rules", REFS_MAX);
            return;
        }
    }
    if (!c->n_refs && !c->is_named_by_condition)
        sigma_broken(b, node, "correlation.rules: expected ids or names of rules");
}

static uint32_t field(struct sigma_build *b, const char *name)
{
    uint32_t id = sigma_field_id(b->s, name, strlen(name));
    b->is_out_of_memory |= id == UINT32_MAX;
    return id;
}

static void read_groups(struct sigma_build *b, struct sigma_corr *c, const struct sigma_yaml *map)
{
    const struct sigma_yaml *node = sigma_yaml_get(map, "group-by"), *aliases = sigma_yaml_get(map, "aliases");
    bool is_list = node && node->type == SIGMA_YAML_LIST;
    c->group_fields = mmr_sigma_alloc(&b->s->arena, REFS_MAX, sizeof *c->group_fields);
    if (!c->group_fields) {
        b->is_out_of_memory = true;
        return;
    }
    for (const struct sigma_yaml *g = is_list ? node->child : node; g; g = is_list ? g->next : NULL) {
        if (g->type != SIGMA_YAML_TEXT || c->n_group == GROUP_BY_MAX) {
            sigma_broken(b, g, "correlation.group-by: expected up to %d field names", GROUP_BY_MAX);
            return;
        }
        const struct sigma_yaml *alias = sigma_yaml_get(aliases, g->text);
        c->group_names[c->n_group] = mmr_sigma_strndup(&b->s->arena, g->text, g->len);
        for (uint32_t i = 0; i < c->n_refs; i++) {
            const char *other = sigma_yaml_text(alias, c->ref_names[i]);
            if (alias && !other)
                sigma_broken(b, alias, "correlation.aliases.%.40s: no field for rule '%.60s'", g->text, c->ref_names[i]);
            c->group_fields[i][c->n_group] = field(b, other ? other : g->text);
        }
        b->is_out_of_memory |= !c->group_names[c->n_group++];
    }
}

/* One field, or for value_count a list of those that make a value together */
static bool read_value_fields(struct sigma_build *b, struct sigma_corr *c, const struct sigma_yaml *node)
{
    bool is_list = node->type == SIGMA_YAML_LIST;
    if (is_list && c->type != CORR_VALUE_COUNT)
        return false;
    for (const struct sigma_yaml *v = is_list ? node->child : node; v; v = is_list ? v->next : NULL) {
        if (v->type != SIGMA_YAML_TEXT || c->n_value_fields == VALUE_FIELDS_MAX)
            return false;
        c->value_fields[c->n_value_fields++] = field(b, v->text);
    }
    return c->n_value_fields > 0;
}

static void read_condition(struct sigma_build *b, struct sigma_corr *c, const struct sigma_yaml *node)
{
    bool is_sequence = c->type == CORR_TEMPORAL || c->type == CORR_ORDERED;
    if (!node) {
        if (!is_sequence)
            sigma_broken(b, NULL, "correlation.condition is missing; expected one like {gte: 10}");
        return;
    }
    if (node->type == SIGMA_YAML_TEXT && is_sequence) {
        c->expr = sigma_condition_parse(b, node, name_leaf, c, NULL);
        c->is_at_end = c->expr && has_not(c->expr);
        return;
    }
    bool has_lower = false, has_upper = false;
    for (const struct sigma_yaml *k = node->type == SIGMA_YAML_MAP ? node->child : NULL; k; k = k->next) {
        static const char *const ops[] = {"lt", "lte", "gt", "gte", "eq", "neq", NULL};
        int op = 0;
        while (ops[op] && strcmp(k->key, ops[op]) != 0)
            op++;
        if (ops[op] && c->n_bounds < CONDITIONS_MAX) {
            struct bound *bd = &c->bounds[c->n_bounds++];
            memcpy(bd->op, ops[op], strlen(ops[op]) + 1);
            if (!sigma_text_number(k->text, k->len, &bd->value))
                sigma_broken(b, k, "correlation.condition.%s: '%.40s' is no number", ops[op], k->text);
            has_upper |= op < 2 || op == 5;
            has_lower |= op >= 2 && op <= 4;
            if ((c->type == CORR_EVENT_COUNT || c->type == CORR_VALUE_COUNT) && bd->value > ENTRIES_MAX)
                sigma_unsupported(b, "correlation counting over %d", ENTRIES_MAX);
        } else if (!strcmp(k->key, "field") && read_value_fields(b, c, k)) {
            continue;
        } else if (!strcmp(k->key, "percentile") && sigma_text_number(k->text, k->len, &c->percentile)) {
            if (c->percentile < 0 || c->percentile > 100)
                sigma_broken(b, k, "correlation.condition.percentile: expected 0 to 100");
        } else {
            sigma_unsupported(b, "correlation condition '%s'", k->key);
        }
    }
    if (!c->n_bounds)
        sigma_broken(b, node, "correlation.condition: expected gt, gte, lt, lte or eq with a number");
    if (c->type != CORR_EVENT_COUNT && !is_sequence && !c->n_value_fields)
        sigma_broken(b, node, "correlation.condition.field: which field's values?");
    if (c->type == CORR_PERCENTILE && !sigma_yaml_get(node, "percentile"))
        sigma_unsupported(b, "value_percentile without percentile");
    c->is_at_end = has_upper && !has_lower;
}

int sigma_corr_parse(struct sigma_build *b, const struct sigma_yaml *doc)
{
    const struct sigma_yaml *map = sigma_yaml_get(doc, "correlation");
    struct sigma_corr *c = mmr_sigma_alloc(&b->s->arena, 1, sizeof *c);
    if (!c) {
        b->is_out_of_memory = true;
        return MMR_ENOMEM;
    }
    b->rule->pub.kind = MMR_SIGMA_CORRELATION;
    b->rule->corr = c;
    if (map->type != SIGMA_YAML_MAP) {
        sigma_broken(b, map, "correlation: expected a map of type, rules, timespan and condition");
        return 0;
    }
    for (const struct sigma_yaml *k = map->child; k; k = k->next) {
        static const char *const known[] = {"type", "rules", "aliases", "group-by", "timespan", "condition", "generate", NULL};
        int i = 0;
        while (known[i] && strcmp(known[i], k->key) != 0)
            i++;
        if (!known[i])
            sigma_unsupported(b, "correlation.%s", k->key);
    }
    const char *type = sigma_yaml_text(map, "type");
    int t = 0;
    while (type && type_names[t] && strcmp(type, type_names[t]) != 0)
        t++;
    if (!type || !type_names[t]) {
        sigma_unsupported(b, "correlation type '%s'", type ? type : "");
        return 0;
    }
    c->type = (enum corr_type)t;
    const struct sigma_yaml *rules = sigma_yaml_get(map, "rules"), *condition = sigma_yaml_get(map, "condition");
    c->is_named_by_condition = !rules && condition && condition->type == SIGMA_YAML_TEXT;
    read_refs(b, c, rules);
    if (b->rule->pub.error || !read_timespan(b, sigma_yaml_get(map, "timespan"), &c->span_ns))
        return 0;
    read_condition(b, c, condition);
    read_groups(b, c, map);
    const char *generate = sigma_yaml_text(map, "generate");
    if (!generate)
        generate = sigma_yaml_text(doc, "generate");
    c->is_generate = generate && !strcasecmp(generate, "true");
    return 0;
}
