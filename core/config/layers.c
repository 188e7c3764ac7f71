/* layers.c - drop-ins over drop-ins. */
#include "config/layers.h"

#include "config/schema.h"

#include <mamori/error.h>

#include <stdio.h>
#include <string.h>

struct merge {
    struct mmr_yaml_pool *pool;
    mmr_diag_fn diag;
    void *ctx;
    int problems;
    bool is_out_of_memory;
};

static struct mmr_yaml *copy(struct merge *m, const struct mmr_yaml *n)
{
    struct mmr_yaml *c = mmr_yaml_node_new(m->pool);
    if (!c) {
        m->is_out_of_memory = true;
        return NULL;
    }
    *c = *n;
    c->first = c->last = c->next = NULL;
    for (const struct mmr_yaml *i = n->first; i; i = i->next) {
        struct mmr_yaml *k = copy(m, i);
        if (!k)
            return NULL;
        mmr_yaml_append(c, k);
    }
    return c;
}

static void take_away(struct mmr_yaml *map, const char *key)
{
    struct mmr_yaml *prev = NULL;
    for (struct mmr_yaml *c = map->first; c; prev = c, c = c->next) {
        if (strcmp(c->key, key) != 0)
            continue;
        if (prev)
            prev->next = c->next;
        else
            map->first = c->next;
        if (map->last == c)
            map->last = prev;
        return;
    }
}

static void replace(struct mmr_yaml *map, struct mmr_yaml *with)
{
    struct mmr_yaml *old = mmr_yaml_child(map, with->key);
    if (!old) {
        mmr_yaml_append(map, with);
        return;
    }
    struct mmr_yaml *next = old->next;
    *old = *with;
    old->next = next;
}

/* A list that starts from the schema's default, so that `key+` adds to what is in force. */
static struct mmr_yaml *default_list(struct merge *m, const char *path, const struct mmr_yaml *like, const char *key)
{
    const struct mmr_schema_row *row = mmr_schema_find(path);
    struct mmr_yaml *list = mmr_yaml_node_new(m->pool);
    if (!list)
        return NULL;
    *list = (struct mmr_yaml){.type = MMR_YAML_LIST, .text = "", .key = key, .file = like->file,
                              .line = like->line, .column = like->column, .key_line = like->key_line,
                              .key_column = like->key_column};
    for (const char *p = row && row->dflt ? row->dflt : ""; *p;) {
        size_t n = strcspn(p, ",");
        struct mmr_yaml *i = mmr_yaml_node_new(m->pool);
        char *t = mmr_yaml_text_new(m->pool, p, n);
        if (!i || !t)
            return NULL;
        i->type = MMR_YAML_SCALAR;
        i->text = t;
        mmr_yaml_append(list, i);
        p += n + (p[n] == ',');
    }
    return list;
}

static void add_to_list(struct merge *m, struct mmr_yaml *base, const struct mmr_yaml *n, const char *parent)
{
    char path[512];
    size_t klen = strlen(n->key) - 1;
    char *key = mmr_yaml_text_new(m->pool, n->key, klen);
    if (!key) {
        m->is_out_of_memory = true;
        return;
    }
    struct mmr_yaml *list = mmr_yaml_child(base, key);
    if (n->type != MMR_YAML_LIST || (list && list->type != MMR_YAML_LIST)) {
        mmr_yaml_diag(m->diag, m->ctx, n, "'%s' adds to a list; '%s' is none", n->key, key);
        m->problems++;
        return;
    }
    if (!list) {
        (void)snprintf(path, sizeof path, "%s%s%s", parent, *parent ? "." : "", key);
        list = default_list(m, path, n, key);
        if (!list) {
            m->is_out_of_memory = true;
            return;
        }
        mmr_yaml_append(base, list);
    }
    for (const struct mmr_yaml *i = n->first; i; i = i->next) {
        struct mmr_yaml *c = copy(m, i);
        if (!c)
            return;
        mmr_yaml_append(list, c);
    }
}

static void merge_map(struct merge *m, struct mmr_yaml *base, const struct mmr_yaml *over, const char *parent)
{
    for (const struct mmr_yaml *n = over->first; n && !m->is_out_of_memory; n = n->next) {
        char path[512];
        size_t len = strlen(n->key);
        struct mmr_yaml *old = mmr_yaml_child(base, n->key);
        (void)snprintf(path, sizeof path, "%s%s%s", parent, *parent ? "." : "", n->key);
        if (len > 1 && n->key[len - 1] == '+') {
            add_to_list(m, base, n, parent);
        } else if (n->type == MMR_YAML_NULL) {
            take_away(base, n->key);
        } else if (old && old->type == MMR_YAML_MAP && n->type == MMR_YAML_MAP) {
            merge_map(m, old, n, path);
        } else if (n->type == MMR_YAML_MAP) { /* through merge, so that `key+` and null inside work */
            struct mmr_yaml *fresh = mmr_yaml_node_new(m->pool);
            if (!fresh) {
                m->is_out_of_memory = true;
                return;
            }
            *fresh = *n;
            fresh->first = fresh->last = fresh->next = NULL;
            merge_map(m, fresh, n, path);
            replace(base, fresh);
        } else {
            struct mmr_yaml *c = copy(m, n);
            if (c)
                replace(base, c);
        }
    }
}

int mmr_layers_merge(struct mmr_yaml_pool *p, struct mmr_yaml *base, const struct mmr_yaml *over,
                     mmr_diag_fn diag, void *ctx)
{
    struct merge m = {.pool = p, .diag = diag, .ctx = ctx};
    if (over)
        merge_map(&m, base, over, "");
    return m.is_out_of_memory ? MMR_ENOMEM : m.problems;
}
