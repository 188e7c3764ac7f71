/* fill.c - a plugin's own keys: packed as text for the journey, filled into its struct by its rows. */
#include "config/config.h"
#include "config/value.h"
#include "util/nearest.h"
#include "util/scope.h"

#include <stdio.h>
#include <string.h>

static const struct mmr_cfg_key *row_at(const struct mmr_plugin *p, size_t i)
{
    const char *base = (const char *)p->config + i * p->config_stride;
    const struct mmr_cfg_key *r;
    memcpy(&r, &base, sizeof r); /* rows may be longer than ours: step by the plugin's stride */
    return r;
}

#define SITE_PREFIX "site:"

/* Values of the site that travel with every plugin's own keys: a plugin that has a list key of that name,
 * not set by its entry, gets them. */
static const struct {
    const char *key;
    const char *paths[4]; /* lists, put together */
} inherited[] = {
    {SITE_PREFIX "home_net", {"site.home_net", NULL}},
    {SITE_PREFIX "never_block", {"defence.never_block", "site.gateway", "site.dns", NULL}},
};

static void pack_inherited(const struct mmr_config *c, struct mmr_event *ev)
{
    for (size_t k = 0; k < sizeof inherited / sizeof inherited[0]; k++) {
        const char *items[MMR_EVENT_ARRAY_MAX];
        size_t n = 0;
        for (size_t l = 0; inherited[k].paths[l]; l++) {
            struct mmr_strv s = mmr_config_strv(c, inherited[k].paths[l]);
            for (size_t m = 0; m < s.n && n < MMR_EVENT_ARRAY_MAX; m++)
                items[n++] = s.v[m];
        }
        if (n)
            mmr_event_strv(ev, inherited[k].key, items, n);
    }
}

static const struct mmr_value *value_of(const struct mmr_event_view *view, const struct mmr_cfg_key *row)
{
    char key[MMR_EVENT_KEY_MAX];
    const struct mmr_value *v = mmr_event_get(view, row->name);
    if (v || row->type != MMR_CFG_STRV)
        return v;
    int n = snprintf(key, sizeof key, SITE_PREFIX "%s", row->name);
    return n > 0 && (size_t)n < sizeof key ? mmr_event_get(view, key) : NULL;
}

int mmr_config_pack(const struct mmr_config *c, const struct mmr_instance_conf *inst, uint8_t **ret,
                    size_t *ret_len, struct mmr_error *err)
{
    const struct mmr_yaml *map = inst->node;
    struct mmr_event ev;
    mmr_autofree uint8_t *buf = malloc(MMR_EVENT_BYTES_MAX);
    if (!buf)
        return mmr_fail(err, MMR_ENOMEM, "plugins.%s: out of memory", inst->name);
    mmr_event_begin_map(&ev, buf, MMR_EVENT_BYTES_MAX);
    for (const struct mmr_yaml *n = map ? map->first : NULL; n; n = n->next) {
        const char *items[MMR_EVENT_ARRAY_MAX];
        size_t count = 0;
        if (n->type == MMR_YAML_SCALAR) {
            mmr_event_str(&ev, n->key, n->text);
            continue;
        }
        if (n->type != MMR_YAML_LIST)
            return mmr_fail(err, MMR_ECONFIG, "plugins.%s.config.%s must be a value or a list", inst->name, n->key);
        for (const struct mmr_yaml *i = n->first; i; i = i->next) {
            if (i->type != MMR_YAML_SCALAR || count == MMR_EVENT_ARRAY_MAX)
                return mmr_fail(err, MMR_ECONFIG, "plugins.%s.config.%s must be a list of at most %d plain values",
                                inst->name, n->key, MMR_EVENT_ARRAY_MAX);
            items[count++] = i->text;
        }
        mmr_event_strv(&ev, n->key, items, count);
    }
    pack_inherited(c, &ev);
    int r = mmr_event_end(&ev);
    if (r)
        return mmr_fail(err, r, "plugins.%s.config is larger than %d bytes", inst->name, MMR_EVENT_BYTES_MAX);
    *ret_len = ev.len;
    *ret = buf;
    buf = NULL;
    return 0;
}

struct filler {
    uint8_t *out;  /* config_size bytes, then texts */
    size_t at, cap;
    bool is_full;
};

static char *put_text(struct filler *f, const char *text, size_t len)
{
    if (f->cap - f->at < len + 1) {
        f->is_full = true;
        return NULL;
    }
    char *t = (char *)f->out + f->at;
    memcpy(t, text, len);
    t[len] = '\0';
    f->at += len + 1;
    return t;
}

static const char **put_array(struct filler *f, size_t n)
{
    size_t at = (f->at + 15) & ~(size_t)15;
    if (at > f->cap || (f->cap - at) / sizeof(char *) < n + 1) {
        f->is_full = true;
        return NULL;
    }
    void *p = f->out + at;
    f->at = at + (n + 1) * sizeof(char *);
    memset(p, 0, (n + 1) * sizeof(char *));
    return p;
}

static int fill_list(struct filler *f, const struct mmr_cfg_key *row, const struct mmr_value *v)
{
    struct mmr_strv sv = {0};
    const char **items;
    if (v) {
        struct mmr_array_it it = {0};
        const char *p;
        size_t len;
        items = put_array(f, v->len);
        while (items && mmr_value_next(v, &it, &p, &len))
            items[sv.n++] = put_text(f, p, len);
    } else {
        const char *d = row->dflt ? row->dflt : "";
        size_t n = *d ? 1 : 0;
        for (const char *p = d; *p; p++)
            n += *p == ',';
        items = put_array(f, n);
        while (items && *d) {
            d += strspn(d, " ");
            size_t len = strcspn(d, ","), cut = len;
            while (cut && d[cut - 1] == ' ')
                cut--;
            items[sv.n++] = put_text(f, d, cut);
            d += len + (d[len] == ',');
            d += strspn(d, " ");
        }
    }
    sv.v = items;
    memcpy(f->out + row->offset, &sv, sizeof sv);
    return 0;
}

static int fill_row(struct filler *f, const struct mmr_plugin *p, const struct mmr_cfg_key *row,
                    const struct mmr_value *v, struct mmr_error *err)
{
    char text[1024], why[200];
    int64_t n;
    if (!v && (row->flags & MMR_CFG_REQUIRED))
        return mmr_fail(err, MMR_ECONFIG, "%s needs '%s' (%s)", p->id, row->name, row->doc);
    if (row->type == MMR_CFG_STRV) {
        if (v && v->type != MMR_VAL_ARRAY)
            return mmr_fail(err, MMR_ECONFIG, "%s: '%s' must be a list, as in [a, b]", p->id, row->name);
        return fill_list(f, row, v);
    }
    if (v && v->type != MMR_VAL_STR)
        return mmr_fail(err, MMR_ECONFIG, "%s: '%s' must be %s, found a list", p->id, row->name,
                        mmr_value_type_name(row->type));
    if (!v && !row->dflt)
        return 0;
    const char *from = v ? (const char *)v->p : row->dflt;
    size_t len = v ? v->len : strlen(row->dflt);
    if (row->type == MMR_CFG_STR) {
        const char *t = put_text(f, from, len);
        memcpy(f->out + row->offset, &t, sizeof t);
        return 0;
    }
    if (len >= sizeof text)
        return mmr_fail(err, MMR_ECONFIG, "%s: '%s' must be %s", p->id, row->name, mmr_value_type_name(row->type));
    memcpy(text, from, len);
    text[len] = '\0';
    if (!mmr_value_parse(row->type, text, row->min, row->max, &n, why, sizeof why))
        return mmr_fail(err, MMR_ECONFIG, "%s: '%s' %s", p->id, row->name, why);
    if (row->type == MMR_CFG_BOOL) {
        bool b = n != 0;
        memcpy(f->out + row->offset, &b, sizeof b);
    } else {
        memcpy(f->out + row->offset, &n, sizeof n);
    }
    return 0;
}

/* An unknown key, with the nearest one the plugin knows. */
static int check_known(const struct mmr_plugin *p, const struct mmr_event_view *view, struct mmr_error *err)
{
    for (uint32_t i = 0; i < view->n; i++) {
        char key[MMR_EVENT_KEY_MAX + 1];
        const char *best = NULL;
        size_t distance = SIZE_MAX;
        bool is_known = false;
        if (strncmp(view->f[i].key, SITE_PREFIX, strlen(SITE_PREFIX)) == 0)
            continue;
        memcpy(key, view->f[i].key, view->f[i].key_len);
        key[view->f[i].key_len] = '\0';
        for (size_t r = 0; p->config && row_at(p, r)->name && !is_known; r++) {
            is_known = strcmp(row_at(p, r)->name, key) == 0;
            mmr_nearest(key, row_at(p, r)->name, &best, &distance);
        }
        if (!is_known && best)
            return mmr_fail(err, MMR_ECONFIG, "%s has no key '%.60s'; did you mean '%s'?", p->id, key, best);
        if (!is_known)
            return mmr_fail(err, MMR_ECONFIG, "%s has no key '%.60s'; see 'mamori plugin info %s'", p->id, key, p->id);
    }
    return 0;
}

int mmr_config_fill(const struct mmr_plugin *p, const uint8_t *packed, size_t len, void **ret_struct,
                    struct mmr_error *err)
{
    mmr_autofree struct mmr_event_view *view = calloc(1, sizeof *view);
    size_t rows = 0, extra = 0;
    if (!view)
        return mmr_fail(err, MMR_ENOMEM, "%s: out of memory", p->id);
    int code = packed ? mmr_event_read(packed, len, view, err) : 0;
    if (code || (code = check_known(p, view, err)))
        return code;
    *ret_struct = NULL;
    if (!p->config)
        return 0;
    for (; row_at(p, rows)->name; rows++)
        extra += (row_at(p, rows)->dflt ? strlen(row_at(p, rows)->dflt) * 9 : 0) + 64;
    struct filler f = {.cap = p->config_size + 16 + extra + len * 10 + 64};
    mmr_autofree uint8_t *block = calloc(1, f.cap);
    if (!block)
        return mmr_fail(err, MMR_ENOMEM, "%s: out of memory", p->id);
    f.out = block;
    f.at = p->config_size;
    for (size_t i = 0; i < rows && !code; i++)
        code = fill_row(&f, p, row_at(p, i), value_of(view, row_at(p, i)), err);
    if (code)
        return code;
    if (f.is_full)
        return mmr_fail(err, MMR_EINTERNAL, "%s: configuration text did not fit", p->id);
    *ret_struct = block;
    block = NULL;
    return 0;
}

int mmr_config_check_instance(const struct mmr_config *c, const struct mmr_instance_conf *inst,
                              const struct mmr_plugin *p, mmr_diag_fn diag, void *ctx)
{
    const struct mmr_yaml *map = inst->node;
    const struct mmr_yaml none = {0};
    int problems = 0;
    (void)c;
    /* One key at a time, so that every problem is said, each at its own place. */
    for (const struct mmr_yaml *n = map ? map->first : NULL; n; n = n->next) {
        struct mmr_yaml one = {.type = MMR_YAML_MAP, .first = NULL};
        struct mmr_yaml copy = *n;
        struct mmr_instance_conf alone = *inst;
        struct mmr_error err = {.struct_size = sizeof err};
        mmr_autofree uint8_t *packed = NULL;
        mmr_autofree struct mmr_event_view *view = calloc(1, sizeof *view);
        mmr_autofree uint8_t *scratch = NULL;
        size_t len = 0;
        mmr_yaml_append(&one, &copy);
        alone.node = &one;
        int r = mmr_config_pack(c, &alone, &packed, &len, &err);
        if (!r && view && !(r = mmr_event_read(packed, len, view, &err)) && !(r = check_known(p, view, &err)))
            for (size_t i = 0; p->config && row_at(p, i)->name && !r; i++) {
                const struct mmr_value *v = mmr_event_get(view, row_at(p, i)->name);
                struct filler f = {.cap = p->config_size + 64 + len * 10};
                free(scratch);
                scratch = f.out = calloc(1, f.cap);
                f.at = p->config_size;
                if (v && scratch)
                    r = fill_row(&f, p, row_at(p, i), v, &err);
            }
        if (r) {
            mmr_yaml_diag(diag, ctx, n, "plugins.%s: %s", inst->name, err.text);
            problems++;
        }
    }
    for (size_t i = 0; p->config && row_at(p, i)->name; i++)
        if ((row_at(p, i)->flags & MMR_CFG_REQUIRED) && !mmr_yaml_child(map, row_at(p, i)->name)) {
            mmr_yaml_diag(diag, ctx, map ? map : &none, "plugins.%s: %s needs '%s' (%s)", inst->name, p->id,
                          row_at(p, i)->name, row_at(p, i)->doc);
            problems++;
        }
    return problems ? MMR_ECONFIG : 0;
}
