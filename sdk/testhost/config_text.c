/* config_text.c - a plugin's config struct from text pairs. The real host uses the core's own filler;
 * this one exists so that a plugin's test needs nothing but the SDK. */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct mmr_cfg_key *row_at(const struct mmr_plugin *p, size_t i)
{
    const char *at = (const char *)p->config + i * p->config_stride;
    const struct mmr_cfg_key *row = (const void *)at;
    return row->name ? row : NULL;
}

struct unit {
    const char *name;
    int64_t factor;
};
static const struct unit msec_units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000},
                                         {"d", 86400000}, {NULL, 0}};
static const struct unit byte_units[] = {{"", 1}, {"K", 1024}, {"M", 1048576}, {"G", 1073741824},
                                         {NULL, 0}};
static const struct unit no_units[] = {{"", 1}, {NULL, 0}};

static int parse_number(const struct mmr_cfg_key *k, const char *text, const struct unit *units,
                        int64_t *ret, struct mmr_error *err)
{
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (end == text || errno)
        return mmr_fail(err, MMR_ECONFIG, "config '%s': '%s' is no number", k->name, text);
    for (; units->name; units++) {
        if (strcmp(end, units->name) != 0)
            continue;
        int64_t out;
        if (__builtin_mul_overflow((int64_t)v, units->factor, &out))
            return mmr_fail(err, MMR_ECONFIG, "config '%s': '%s' is too large", k->name, text);
        if ((k->min || k->max) && (out < k->min || out > k->max))
            return mmr_fail(err, MMR_ECONFIG, "config '%s': '%s' is outside %lld to %lld", k->name, text,
                            (long long)k->min, (long long)k->max);
        *ret = out;
        return 0;
    }
    return mmr_fail(err, MMR_ECONFIG, "config '%s': '%s' has no known unit", k->name, text);
}

struct block { /* the struct, then texts and lists, in one allocation */
    char *base;
    size_t at, cap;
};

static void *take(struct block *b, size_t n)
{
    size_t at = (b->at + 7) & ~(size_t)7;
    if (at + n > b->cap)
        abort(); /* the size was computed from the same texts: our mistake */
    b->at = at + n;
    return b->base + at;
}

static const char *take_text(struct block *b, const char *text, size_t len)
{
    char *p = take(b, len + 1);
    memcpy(p, text, len);
    p[len] = '\0';
    return p;
}

static struct mmr_strv take_list(struct block *b, const char *text)
{
    size_t n = *text ? 1 : 0;
    for (const char *c = text; *c; c++)
        n += *c == ',';
    const char **v = take(b, (n + 1) * sizeof *v);
    size_t i = 0;
    while (i < n) {
        size_t len = strcspn(text, ",");
        const char *from = text;
        size_t cut = len;
        while (cut && *from == ' ')
            from++, cut--;
        while (cut && from[cut - 1] == ' ')
            cut--;
        v[i++] = take_text(b, from, cut);
        text += len + (text[len] == ',');
    }
    v[n] = NULL;
    return (struct mmr_strv){v, n};
}

static int fill_row(struct block *b, const struct mmr_cfg_key *k, const char *text, struct mmr_error *err)
{
    void *at = b->base + k->offset;
    int64_t num = 0;
    int r = 0;

    if (!text && (k->flags & MMR_CFG_REQUIRED))
        return mmr_fail(err, MMR_ECONFIG, "config '%s' is required", k->name);
    if (!text)
        return 0;
    switch (k->type) {
    case MMR_CFG_STR: {
        const char *s = take_text(b, text, strlen(text));
        memcpy(at, &s, sizeof s);
        return 0;
    }
    case MMR_CFG_BOOL: {
        bool is_true = strcmp(text, "true") == 0 || strcmp(text, "yes") == 0;
        if (!is_true && strcmp(text, "false") != 0 && strcmp(text, "no") != 0)
            return mmr_fail(err, MMR_ECONFIG, "config '%s': '%s' is not true or false", k->name, text);
        memcpy(at, &is_true, sizeof is_true);
        return 0;
    }
    case MMR_CFG_STRV: {
        struct mmr_strv v = take_list(b, text);
        memcpy(at, &v, sizeof v);
        return 0;
    }
    case MMR_CFG_INT: r = parse_number(k, text, no_units, &num, err); break;
    case MMR_CFG_MSEC: r = parse_number(k, text, msec_units, &num, err); break;
    case MMR_CFG_BYTES: r = parse_number(k, text, byte_units, &num, err); break;
    default: return mmr_fail(err, MMR_ECONFIG, "config '%s' has unknown type %u", k->name, k->type);
    }
    if (r == 0)
        memcpy(at, &num, sizeof num);
    return r;
}

static size_t type_size(uint32_t type)
{
    switch (type) {
    case MMR_CFG_STR: return sizeof(const char *);
    case MMR_CFG_BOOL: return sizeof(bool);
    case MMR_CFG_STRV: return sizeof(struct mmr_strv);
    default: return sizeof(int64_t);
    }
}

static const char *given(const char *const *pairs, const char *key)
{
    for (size_t i = 0; pairs && pairs[i]; i += 2)
        if (strcmp(pairs[i], key) == 0)
            return pairs[i + 1];
    return NULL;
}

int mmr_testhost_config_fill(const struct mmr_plugin *p, const char *const *pairs, void **ret,
                             struct mmr_error *err)
{
    *ret = NULL;
    for (size_t i = 0; pairs && pairs[i]; i += 2) {
        bool is_known = false;
        for (size_t j = 0; p->config && row_at(p, j); j++)
            is_known = is_known || strcmp(row_at(p, j)->name, pairs[i]) == 0;
        if (!is_known)
            return mmr_fail(err, MMR_ECONFIG, "config '%s': %s has no such key", pairs[i], p->id);
        if (!pairs[i + 1])
            return mmr_fail(err, MMR_ECONFIG, "config '%s' has no value", pairs[i]);
    }
    if (!p->config)
        return 0;

    struct block b = {.cap = p->config_size + 64};
    for (size_t j = 0; row_at(p, j); j++) {
        const struct mmr_cfg_key *k = row_at(p, j);
        const char *text = given(pairs, k->name);
        if ((size_t)k->offset + type_size(k->type) > p->config_size)
            return mmr_fail(err, MMR_ECONFIG, "config '%s' lies outside config_size", k->name);
        text = text ? text : k->dflt;
        /* a list of n items takes at most n pointers and n rounded texts: 24 bytes a character covers it */
        b.cap += 64 + (text ? 24 * (strlen(text) + 1) : 0);
    }
    b.base = __real_calloc(1, b.cap);
    if (!b.base)
        return mmr_fail(err, MMR_ENOMEM, "config of %s: out of memory", p->id);
    b.at = p->config_size;
    for (size_t j = 0; row_at(p, j); j++) {
        const struct mmr_cfg_key *k = row_at(p, j);
        const char *text = given(pairs, k->name);
        int r = fill_row(&b, k, text ? text : k->dflt, err);
        if (r) {
            free(b.base);
            return r;
        }
    }
    *ret = b.base;
    return 0;
}
