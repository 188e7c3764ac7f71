/* config.c - loads the layers, checks them, and answers for the merged result. */
#include "config/config.h"

#include "config/layers.h"
#include "config/schema.h"
#include "config/value.h"
#include "util/scope.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct cached { /* what a getter hands out must live as long as the config */
    struct cached *next;
    const struct mmr_yaml *node;
    const struct mmr_schema_row *row;
    struct mmr_strv strv;
    const char **items;
};

struct mmr_config {
    struct mmr_yaml_pool *pool;
    struct mmr_yaml *root;
    struct mmr_instance_conf *inst;
    size_t n_inst;
    struct cached *cache;
};

struct loader {
    struct mmr_config *c;
    mmr_diag_fn diag;
    void *ctx;
    unsigned problems;
};

static void count_diag(void *ctx, const char *line)
{
    struct loader *l = ctx;
    l->problems++;
    if (l->diag)
        l->diag(l->ctx, line);
}

static int lay(struct loader *l, struct mmr_yaml *tree)
{
    if (!tree)
        return 0;
    if (tree->type != MMR_YAML_MAP) {
        mmr_yaml_diag(count_diag, l, tree, "a drop-in is a map of keys, as in 'site: {name: office}'");
        return 0;
    }
    int r = mmr_layers_merge(l->c->pool, l->c->root, tree, count_diag, l);
    return r < 0 ? r : 0;
}

static int is_drop_in(const struct dirent *e)
{
    size_t n = strlen(e->d_name);
    return e->d_name[0] != '.' && ((n > 5 && strcmp(e->d_name + n - 5, ".yaml") == 0) ||
                                   (n > 4 && strcmp(e->d_name + n - 4, ".yml") == 0));
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int load_dir(struct loader *l, const char *dir, struct mmr_error *err)
{
    struct dirent **list = NULL;
    int n = scandir(dir, &list, is_drop_in, by_bytes);
    int code = 0;
    if (n < 0)
        return mmr_fail(err, MMR_EIO, "configuration folder '%s': %s", dir, strerror(errno));
    for (int i = 0; i < n; i++) {
        char path[4096];
        struct mmr_yaml *tree = NULL;
        int len = snprintf(path, sizeof path, "%s/%s", dir, list[i]->d_name);
        free(list[i]);
        if (code || len < 0 || (size_t)len >= sizeof path)
            continue;
        int r = mmr_yaml_parse_file(l->c->pool, path, count_diag, l, &tree, err);
        if (r == MMR_ENOMEM)
            code = r;
        else if (!r)
            code = lay(l, tree);
        else if (!l->problems)
            l->problems++;
    }
    free(list);
    return code;
}

static int load_text(struct loader *l, const struct mmr_config_source *s, struct mmr_error *err)
{
    struct mmr_yaml *tree = NULL;
    int r = mmr_yaml_parse(l->c->pool, s->name, s->text, strlen(s->text), count_diag, l, &tree, err);
    if (r == MMR_ENOMEM)
        return r;
    return r ? 0 : lay(l, tree);
}

static const char *scalar_of(const struct mmr_yaml *map, const char *key)
{
    const struct mmr_yaml *n = mmr_yaml_child(map, key);
    return n && n->type == MMR_YAML_SCALAR ? n->text : NULL;
}

static bool is_name(const char *s)
{
    size_t n = strlen(s);
    return n >= 1 && n <= 39 && strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == n;
}

static int read_instances(struct loader *l)
{
    const struct mmr_yaml *map = mmr_yaml_child(l->c->root, "plugins");
    size_t n = 0;
    if (map && map->type != MMR_YAML_MAP)
        map = NULL; /* a list has no names; the schema check has said so */
    for (const struct mmr_yaml *e = map ? map->first : NULL; e; e = e->next)
        n++;
    l->c->inst = calloc(n ? n : 1, sizeof *l->c->inst);
    if (!l->c->inst)
        return MMR_ENOMEM;
    for (const struct mmr_yaml *e = map ? map->first : NULL; e; e = e->next) {
        struct mmr_instance_conf *i = &l->c->inst[l->c->n_inst];
        int64_t v;
        char why[200];
        if (e->type != MMR_YAML_MAP)
            continue; /* the schema check has said so */
        i->name = e->key;
        i->plugin = scalar_of(e, "plugin");
        i->file = scalar_of(e, "file");
        if (!i->file && (i->file = scalar_of(e, "exec")) != NULL)
            i->is_program = true;
        i->host = scalar_of(e, "host");
        i->node = mmr_yaml_child(e, "config");
        i->is_enabled = true;
        if (!is_name(e->key)) {
            mmr_yaml_diag(count_diag, l, e, "instance '%.60s': a name has 1 to 39 letters, digits, - and _", e->key);
            continue;
        }
        if (!i->plugin && !i->file) {
            mmr_yaml_diag(count_diag, l, e, "'plugins.%s' needs 'plugin:' with a plugin id, or 'file:'", e->key);
            continue;
        }
        if (mmr_yaml_child(e, "exec") && (mmr_yaml_child(e, "file") || i->host)) {
            mmr_yaml_diag(count_diag, l, mmr_yaml_child(e, "exec"), "'plugins.%s.exec': a program is a process of its own; take %s away", e->key,
                          i->host ? "'host:'" : "'file:'");
            continue;
        }
        if (!i->host)
            i->host = i->name;
        else if (!is_name(i->host)) {
            mmr_yaml_diag(count_diag, l, mmr_yaml_child(e, "host"),
                          "host '%.60s': a name has 1 to 39 letters, digits, - and _", i->host);
            continue;
        }
        const char *side = scalar_of(e, "side"), *on = scalar_of(e, "enabled"), *dry = scalar_of(e, "dry_run");
        if (side)
            i->side = strcmp(side, "network") == 0 ? MMR_SIDE_NETWORK : MMR_SIDE_ENDPOINT;
        if (on && mmr_value_parse(MMR_CFG_BOOL, on, 0, 0, &v, why, sizeof why))
            i->is_enabled = v;
        if (dry && mmr_value_parse(MMR_CFG_BOOL, dry, 0, 0, &v, why, sizeof why))
            i->is_dry_run = v;
        const char *tool = scalar_of(e, "tool");
        if (tool && !mmr_yaml_child(mmr_yaml_child(l->c->root, "tools"), tool)) {
            mmr_yaml_diag(count_diag, l, mmr_yaml_child(e, "tool"),
                          "'plugins.%s.tool': '%.60s' is no entry of 'tools:'; list its maker, model and version there", e->key, tool);
            continue;
        }
        i->is_tool_named = tool != NULL;
        const char *user = scalar_of(e, "user");
        i->is_service_user = user && strcmp(user, "service") == 0;
        l->c->n_inst++;
    }
    return 0;
}

int mmr_config_load(const struct mmr_config_source *src, size_t n, mmr_diag_fn diag, void *ctx,
                    struct mmr_config **ret, struct mmr_error *err)
{
    struct mmr_config *c = calloc(1, sizeof *c);
    struct loader l = {.c = c, .diag = diag, .ctx = ctx};
    int code = 0;
    if (c) {
        c->pool = mmr_yaml_pool_new();
        c->root = c->pool ? mmr_yaml_node_new(c->pool) : NULL;
    }
    if (!c || !c->root) {
        mmr_config_free(c);
        return mmr_fail(err, MMR_ENOMEM, "configuration: out of memory");
    }
    c->root->type = MMR_YAML_MAP;
    for (size_t i = 0; i < n && !code; i++)
        code = src[i].dir ? load_dir(&l, src[i].dir, err) : load_text(&l, &src[i], err);
    if (!code) {
        l.problems += mmr_schema_check(c->root, diag, ctx);
        if (!l.problems)
            l.problems += mmr_notify_check(c->root, diag, ctx) + mmr_metrics_check(c->root, diag, ctx) + mmr_links_check(c->root, diag, ctx);
        code = read_instances(&l);
    }
    if (!code && l.problems)
        code = mmr_fail(err, MMR_ECONFIG, "configuration: %u problem%s, see above", l.problems,
                        l.problems == 1 ? "" : "s");
    if (code) {
        if (code == MMR_ENOMEM)
            (void)mmr_fail(err, MMR_ENOMEM, "configuration: out of memory");
        mmr_config_free(c);
        return code;
    }
    *ret = c;
    return 0;
}

void mmr_config_free(struct mmr_config *c)
{
    if (!c)
        return;
    for (struct cached *k = c->cache, *next; k; k = next) {
        next = k->next;
        free(k->items);
        free(k);
    }
    free(c->inst);
    mmr_yaml_pool_free(c->pool);
    free(c);
}

static const struct mmr_yaml *find(const struct mmr_config *c, const char *path)
{
    const struct mmr_yaml *n = c->root;
    while (n && *path) {
        char key[128];
        size_t len = strcspn(path, ".");
        if (len >= sizeof key)
            return NULL;
        memcpy(key, path, len);
        key[len] = '\0';
        n = mmr_yaml_child(n, key);
        path += len + (path[len] == '.');
    }
    return n;
}

const char *mmr_config_str(const struct mmr_config *c, const char *path)
{
    const struct mmr_schema_row *row = mmr_schema_find(path);
    const struct mmr_yaml *n = find(c, path);
    assert(row && row->type != MMR_CFG_STRV && row->type != MMR_CFG_ANY);
    return n && n->type == MMR_YAML_SCALAR ? n->text : row ? row->dflt : NULL;
}

int64_t mmr_config_int(const struct mmr_config *c, const char *path)
{
    const struct mmr_schema_row *row = mmr_schema_find(path);
    const char *text = mmr_config_str(c, path);
    char why[200];
    int64_t v = 0;
    if (row && text)
        (void)mmr_value_parse(row->type, text, row->min, row->max, &v, why, sizeof why); /* was checked on load */
    return v;
}

bool mmr_config_bool(const struct mmr_config *c, const char *path)
{
    return mmr_config_int(c, path) != 0;
}

/* Split the default's commas, or list the items of the node. */
static struct cached *make_list(struct mmr_config *c, const struct mmr_yaml *n, const struct mmr_schema_row *row)
{
    struct cached *k = calloc(1, sizeof *k);
    size_t count = 0;
    const char *d = row->dflt ? row->dflt : "";
    if (!k)
        return NULL;
    for (const struct mmr_yaml *i = n ? n->first : NULL; i; i = i->next)
        count++;
    if (!n && *d) {
        count = 1;
        for (const char *p = d; *p; p++)
            count += *p == ',';
    }
    k->items = calloc(count ? count : 1, sizeof *k->items);
    if (!k->items) {
        free(k);
        return NULL;
    }
    count = 0;
    for (const struct mmr_yaml *i = n ? n->first : NULL; i; i = i->next)
        k->items[count++] = i->text;
    if (!n)
        for (const char *p = d; *p;) {
            size_t len = strcspn(p, ",");
            const char *t = mmr_yaml_text_new(c->pool, p, len);
            k->items[count++] = t ? t : "";
            p += len + (p[len] == ',');
            p += strspn(p, " ");
        }
    k->node = n;
    k->row = row;
    k->strv = (struct mmr_strv){k->items, count};
    k->next = c->cache;
    c->cache = k;
    return k;
}

struct mmr_strv mmr_config_strv(const struct mmr_config *c, const char *path)
{
    const struct mmr_schema_row *row = mmr_schema_find(path);
    const struct mmr_yaml *n = find(c, path);
    struct mmr_config *owner;
    assert(row && row->type == MMR_CFG_STRV);
    if (!row)
        return (struct mmr_strv){0};
    for (const struct cached *k = c->cache; k; k = k->next)
        if (k->node == n && k->row == row)
            return k->strv;
    memcpy(&owner, &c, sizeof owner); /* the cache is the one part of a loaded config that grows */
    const struct cached *k = make_list(owner, n, row);
    return k ? k->strv : (struct mmr_strv){0};
}

size_t mmr_config_names(const struct mmr_config *c, const char *path, const char **ret, size_t cap)
{
    const struct mmr_yaml *n = find(c, path);
    size_t count = 0;
    for (const struct mmr_yaml *k = n && n->type == MMR_YAML_MAP ? n->first : NULL; k; k = k->next) {
        if (count < cap)
            ret[count] = k->key;
        count++;
    }
    return count;
}

size_t mmr_config_instances(const struct mmr_config *c)
{
    return c->n_inst;
}

const struct mmr_instance_conf *mmr_config_instance(const struct mmr_config *c, size_t i)
{
    return &c->inst[i];
}

static void origin_of(const struct mmr_yaml *n, char *buf, size_t cap)
{
    if (n->file)
        (void)snprintf(buf, cap, "%s:%u", n->file, n->line);
    else
        (void)snprintf(buf, cap, "default");
}

static void show_node(const struct mmr_yaml *n, const char *path, mmr_config_show_fn show, void *ctx)
{
    char sub[512], origin[512];
    if (n->type == MMR_YAML_MAP || n->type == MMR_YAML_LIST) {
        unsigned i = 0;
        for (const struct mmr_yaml *k = n->first; k; k = k->next, i++) {
            if (n->type == MMR_YAML_MAP)
                (void)snprintf(sub, sizeof sub, "%s%s%s", path, *path ? "." : "", k->key);
            else
                (void)snprintf(sub, sizeof sub, "%s[%u]", path, i);
            show_node(k, sub, show, ctx);
        }
        if (n->first)
            return;
    }
    origin_of(n, origin, sizeof origin);
    show(ctx, path, n->type == MMR_YAML_LIST ? "[]" : n->type == MMR_YAML_MAP ? "{}" : n->text, origin);
}

void mmr_config_show(const struct mmr_config *c, mmr_config_show_fn show, void *ctx)
{
    for (const struct mmr_schema_row *r = mmr_schema; r->path; r++)
        if (!strchr(r->path, '*') && !find(c, r->path) && r->dflt)
            show(ctx, r->path, r->dflt, "default");
    show_node(c->root, "", show, ctx);
}
