/* record.c - the first thing that is wrong is named with its place; nothing is guessed. */
#include "trust/record.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { RECORD_BYTES_MAX = 1024 * 1024 };

struct first { /* the first complaint of the parser */
    char line[200];
};

static void keep_first(void *ctx, const char *line)
{
    struct first *f = ctx;
    if (!f->line[0])
        (void)snprintf(f->line, sizeof f->line, "%s", line);
}

int mmr_record_tree(struct mmr_yaml_pool *pool, const char *name, const char *text, size_t len, struct mmr_yaml **ret,
                    struct mmr_error *err)
{
    struct first first = {""};
    if (len > RECORD_BYTES_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "%s: %zu bytes, expected at most %d", name, len, RECORD_BYTES_MAX);
    if (memchr(text, '\0', len))
        return mmr_fail(err, MMR_EBADMSG, "%s: holds a zero byte, expected text", name);
    *ret = NULL;
    int r = mmr_yaml_parse(pool, name, text, len, keep_first, &first, ret, err);
    if (r)
        return first.line[0] ? mmr_fail(err, r, "%s", first.line) : r;
    if (!*ret || (*ret)->type != MMR_YAML_MAP)
        return mmr_fail(err, MMR_EBADMSG, "%s: expected 'key: value' lines, found something else", name);
    return 0;
}

static int put(const struct mmr_yaml *n, const struct mmr_record_key *k, const struct mmr_yaml *value, struct mmr_error *err)
{
    size_t at = strlen(k->text), len = strlen(value->text);
    if (value->type != MMR_YAML_SCALAR)
        return mmr_fail(err, MMR_EBADMSG, "%s:%u:%u: '%s' must be %s", n->file, n->line, n->column, k->name,
                        k->flags & MMR_RECORD_LIST ? "a list of plain values" : "a plain value");
    if ((k->flags & MMR_RECORD_LIST) && (len == 0 || strpbrk(value->text, " \t\r\n")))
        return mmr_fail(err, MMR_EBADMSG, "%s:%u:%u: a value of '%s' is empty or holds a space", n->file, n->line, n->column, k->name);
    if (strpbrk(value->text, "\r\n"))
        return mmr_fail(err, MMR_EBADMSG, "%s:%u:%u: '%s' must be one line", n->file, n->line, n->column, k->name);
    if (at + (at > 0) + len + 1 > k->cap)
        return mmr_fail(err, MMR_ETOOBIG, "%s:%u:%u: '%s' is longer than %zu bytes", n->file, n->line, n->column, k->name, k->cap - 1);
    (void)snprintf(k->text + at, k->cap - at, "%s%s", at ? " " : "", value->text);
    return 0;
}

static int take(const struct mmr_yaml *n, const struct mmr_record_key *k, struct mmr_error *err)
{
    int r = 0;
    if (!(k->flags & MMR_RECORD_LIST))
        return put(n, k, n, err);
    if (n->type != MMR_YAML_LIST)
        return mmr_fail(err, MMR_EBADMSG, "%s:%u:%u: '%s' must be a list, as in [a, b]", n->file, n->line, n->column, k->name);
    for (const struct mmr_yaml *i = n->first; i && r == 0; i = i->next)
        r = put(n, k, i, err);
    return r;
}

int mmr_record_read(const struct mmr_yaml *map, const struct mmr_record_key *keys, struct mmr_error *err)
{
    if (map->type != MMR_YAML_MAP)
        return mmr_fail(err, MMR_EBADMSG, "%s:%u:%u: expected 'key: value' lines", map->file, map->line, map->column);
    for (const struct mmr_record_key *k = keys; k->name; k++)
        k->text[0] = '\0';
    for (const struct mmr_yaml *n = map->first; n; n = n->next) {
        const struct mmr_record_key *k = keys;
        while (k->name && strcmp(k->name, n->key) != 0)
            k++;
        if (!k->name)
            return mmr_fail(err, MMR_EBADMSG, "%s:%u:%u: unknown key '%.60s'", n->file, n->key_line, n->key_column, n->key);
        for (const struct mmr_yaml *o = map->first; o != n; o = o->next)
            if (strcmp(o->key, n->key) == 0)
                return mmr_fail(err, MMR_EBADMSG, "%s:%u:%u: '%s' is there twice", n->file, n->key_line, n->key_column, k->name);
        int r = take(n, k, err);
        if (r)
            return r;
    }
    for (const struct mmr_record_key *k = keys; k->name; k++)
        if ((k->flags & MMR_RECORD_REQUIRED) && !k->text[0])
            return mmr_fail(err, MMR_EBADMSG, "%s:%u: '%s' is missing or empty", map->file, map->line, k->name);
    return 0;
}

int mmr_record_parse(const char *name, const char *text, size_t len, const struct mmr_record_key *keys, struct mmr_error *err)
{
    struct mmr_yaml_pool *pool = mmr_yaml_pool_new();
    struct mmr_yaml *tree;
    int r = pool ? mmr_record_tree(pool, name, text, len, &tree, err) : mmr_fail(err, MMR_ENOMEM, "%s: out of memory", name);
    if (r == 0)
        r = mmr_record_read(tree, keys, err);
    mmr_yaml_pool_free(pool);
    return r;
}
