/* yaml.c - YAML events of libfyaml into a tree with positions. Trusts nothing in the text. */
#include "config/yaml.h"

#include "util/scope.h"
#include "util/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <libfyaml.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { BLOCK_BYTES = 64 * 1024 };

struct block {
    struct block *next;
    size_t used, cap;
    _Alignas(16) char data[];
};
struct mmr_yaml_pool {
    struct block *blocks;
    size_t nodes, bytes;
};

struct mmr_yaml_pool *mmr_yaml_pool_new(void)
{
    return calloc(1, sizeof(struct mmr_yaml_pool));
}

void mmr_yaml_pool_free(struct mmr_yaml_pool *p)
{
    if (!p)
        return;
    for (struct block *b = p->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(p);
}

static void *pool_take(struct mmr_yaml_pool *p, size_t n)
{
    n = (n + 15) & ~(size_t)15;
    if (!p->blocks || p->blocks->cap - p->blocks->used < n) {
        size_t cap = n > BLOCK_BYTES ? n : BLOCK_BYTES;
        struct block *b = malloc(sizeof *b + cap);
        if (!b)
            return NULL;
        b->next = p->blocks;
        b->used = 0;
        b->cap = cap;
        p->blocks = b;
    }
    void *r = p->blocks->data + p->blocks->used;
    p->blocks->used += n;
    return r;
}

struct mmr_yaml *mmr_yaml_node_new(struct mmr_yaml_pool *p)
{
    if (p->nodes >= MMR_YAML_NODES_MAX)
        return NULL;
    struct mmr_yaml *n = pool_take(p, sizeof *n);
    if (n) {
        *n = (struct mmr_yaml){.text = ""};
        p->nodes++;
    }
    return n;
}

char *mmr_yaml_text_new(struct mmr_yaml_pool *p, const char *text, size_t len)
{
    char *t = pool_take(p, len + 1);
    if (t) {
        if (len)
            memcpy(t, text, len);
        t[len] = '\0';
    }
    return t;
}

struct mmr_yaml *mmr_yaml_child(const struct mmr_yaml *map, const char *key)
{
    if (!map || map->type != MMR_YAML_MAP)
        return NULL;
    for (struct mmr_yaml *c = map->first; c; c = c->next)
        if (strcmp(c->key, key) == 0)
            return c;
    return NULL;
}

void mmr_yaml_append(struct mmr_yaml *parent, struct mmr_yaml *child)
{
    child->next = NULL;
    if (parent->last)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
}

void mmr_yaml_diag(mmr_diag_fn diag, void *ctx, const struct mmr_yaml *at, const char *fmt, ...)
{
    char line[1024];
    va_list ap;
    int n = snprintf(line, sizeof line, "%s:%u:%u: ", at->file ? at->file : "default", at->line, at->column);
    if (!diag || n < 0 || (size_t)n >= sizeof line)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(line + n, sizeof line - (size_t)n, fmt, ap);
    va_end(ap);
    diag(ctx, line);
}

struct reader {
    struct mmr_yaml_pool *pool;
    struct fy_parser *parser;
    const char *name;
    mmr_diag_fn diag;
    void *ctx;
    struct mmr_error *err;
    struct mmr_yaml *stack[MMR_YAML_DEPTH_MAX];
    const char *key[MMR_YAML_DEPTH_MAX]; /* of an open map: the key that waits for its value */
    uint32_t key_line[MMR_YAML_DEPTH_MAX], key_column[MMR_YAML_DEPTH_MAX];
    size_t depth;
    struct mmr_yaml *root;
    unsigned problems;
};

static int problem(struct reader *r, const struct fy_mark *m, const char *text)
{
    struct mmr_yaml at = {.file = r->name};
    if (m) {
        at.line = (uint32_t)m->line + 1;
        at.column = (uint32_t)m->column + 1;
    }
    mmr_yaml_diag(r->diag, r->ctx, &at, "%s", text);
    r->problems++;
    return mmr_fail(r->err, MMR_EBADMSG, "%s:%u:%u: %s", r->name, at.line, at.column, text);
}

static bool is_null_word(const char *t)
{
    return !*t || strcmp(t, "~") == 0 || strcmp(t, "null") == 0;
}

/* Hang a finished or opened node where the next value belongs. */
static int place(struct reader *r, struct mmr_yaml *n, const struct fy_mark *m)
{
    if (r->depth == 0) {
        if (r->root)
            return problem(r, m, "a second document; one file holds one");
        r->root = n;
        return 0;
    }
    struct mmr_yaml *top = r->stack[r->depth - 1];
    if (top->type == MMR_YAML_MAP) {
        n->key = r->key[r->depth - 1];
        n->key_line = r->key_line[r->depth - 1];
        n->key_column = r->key_column[r->depth - 1];
        r->key[r->depth - 1] = NULL;
    }
    mmr_yaml_append(top, n);
    return 0;
}

static struct mmr_yaml *new_node(struct reader *r, const struct fy_mark *m)
{
    struct mmr_yaml *n = mmr_yaml_node_new(r->pool);
    if (!n) {
        (void)problem(r, m, "more nodes than a configuration may have");
        return NULL;
    }
    n->file = r->name;
    if (m) {
        n->line = (uint32_t)m->line + 1;
        n->column = (uint32_t)m->column + 1;
    }
    return n;
}

static bool waits_for_key(const struct reader *r)
{
    return r->depth && r->stack[r->depth - 1]->type == MMR_YAML_MAP && !r->key[r->depth - 1];
}

static int on_scalar(struct reader *r, struct fy_event *ev, const struct fy_mark *m)
{
    size_t len = 0;
    const char *raw = ev->scalar.value ? fy_token_get_text(ev->scalar.value, &len) : "";
    if (ev->scalar.anchor || ev->scalar.tag)
        return problem(r, m, "anchors and tags are not used in configuration; write the value out");
    if (!raw || memchr(raw, '\0', len))
        return problem(r, m, "a NUL byte in a value");
    char *text = mmr_yaml_text_new(r->pool, raw, len);
    if (!text)
        return mmr_fail(r->err, MMR_ENOMEM, "%s: out of memory", r->name);
    if (waits_for_key(r)) {
        char said[160];
        if (!*text || len > 128)
            return problem(r, m, "a key must have 1 to 128 bytes");
        const struct mmr_yaml *old = mmr_yaml_child(r->stack[r->depth - 1], text);
        if (old) {
            (void)snprintf(said, sizeof said, "'%.60s' is given twice; first on line %u", text, old->key_line);
            return problem(r, m, said);
        }
        r->key[r->depth - 1] = text;
        r->key_line[r->depth - 1] = m ? (uint32_t)m->line + 1 : 0;
        r->key_column[r->depth - 1] = m ? (uint32_t)m->column + 1 : 0;
        return 0;
    }
    struct mmr_yaml *n = new_node(r, m);
    if (!n)
        return MMR_ETOOBIG;
    const enum fy_scalar_style style = ev->scalar.value ? fy_token_scalar_style(ev->scalar.value) : FYSS_PLAIN;
    n->is_quoted = style != FYSS_PLAIN && style != FYSS_ANY;
    n->type = !n->is_quoted && is_null_word(text) ? MMR_YAML_NULL : MMR_YAML_SCALAR;
    n->text = n->type == MMR_YAML_NULL ? "" : text;
    return place(r, n, m);
}

static int on_open(struct reader *r, enum mmr_yaml_type type, bool is_marked, const struct fy_mark *m)
{
    if (is_marked)
        return problem(r, m, "anchors and tags are not used in configuration; write the value out");
    if (waits_for_key(r))
        return problem(r, m, "a key must be plain text");
    if (r->depth == MMR_YAML_DEPTH_MAX)
        return problem(r, m, "nested deeper than 16 levels");
    struct mmr_yaml *n = new_node(r, m);
    if (!n)
        return MMR_ETOOBIG;
    n->type = type;
    int ret = place(r, n, m);
    r->key[r->depth] = NULL;
    r->stack[r->depth++] = n;
    return ret;
}

static int on_event(struct reader *r, struct fy_event *ev)
{
    const struct fy_mark *m = fy_event_start_mark(ev);
    switch (ev->type) {
    case FYET_SCALAR: return on_scalar(r, ev, m);
    case FYET_MAPPING_START:
        return on_open(r, MMR_YAML_MAP, ev->mapping_start.anchor || ev->mapping_start.tag, m);
    case FYET_SEQUENCE_START:
        return on_open(r, MMR_YAML_LIST, ev->sequence_start.anchor || ev->sequence_start.tag, m);
    case FYET_MAPPING_END:
    case FYET_SEQUENCE_END:
        r->depth--;
        return 0;
    case FYET_ALIAS: return problem(r, m, "aliases are not used in configuration; write the value out");
    default: return 0;
    }
}

/* Hand on what the library collected; its messages have no end of line and are about the text. */
static void pass_on(struct reader *r, struct fy_diag *diag)
{
    void *it = NULL;
    for (const struct fy_diag_error *e; (e = fy_diag_errors_iterate(diag, &it));) {
        struct mmr_yaml at = {.file = r->name, .line = (uint32_t)(e->line > 0 ? e->line : 1),
                              .column = (uint32_t)(e->column > 0 ? e->column : 1)};
        mmr_yaml_diag(r->diag, r->ctx, &at, "not valid YAML: %s", e->msg ? e->msg : "syntax error");
        if (!r->problems++)
            (void)mmr_fail(r->err, MMR_EBADMSG, "%s:%u:%u: not valid YAML: %s", r->name, at.line, at.column,
                           e->msg ? e->msg : "syntax error");
    }
}

int mmr_yaml_parse(struct mmr_yaml_pool *p, const char *name, const char *text, size_t len,
                   mmr_diag_fn diag, void *ctx, struct mmr_yaml **ret, struct mmr_error *err)
{
    struct reader r = {.pool = p, .diag = diag, .ctx = ctx, .err = err};
    struct fy_diag_cfg dcfg;
    int code = 0;

    r.name = mmr_yaml_text_new(p, name, strlen(name));
    if (!r.name)
        return mmr_fail(err, MMR_ENOMEM, "%s: out of memory", name);
    if (len > MMR_YAML_BYTES_MAX)
        return problem(&r, NULL, "larger than 4 MiB");
    struct fy_mark at = {0};
    for (size_t from = 0; from < len; at.line++) { /* line by line, so that the wrong one is named */
        const char *end = memchr(text + from, '\n', len - from);
        size_t n = end ? (size_t)(end - text) - from + 1 : len - from;
        if (!mmr_is_utf8(text + from, n))
            return problem(&r, &at, "holds bytes that are not UTF-8");
        from += n;
    }
    fy_diag_cfg_default(&dcfg);
    dcfg.fp = NULL;
    struct fy_diag *fyd = fy_diag_create(&dcfg);
    if (!fyd)
        return mmr_fail(err, MMR_ENOMEM, "%s: out of memory", name);
    fy_diag_set_collect_errors(fyd, true);
    struct fy_parse_cfg pcfg = {.flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG | FYPCF_DEFAULT_VERSION_1_2, .diag = fyd};
    r.parser = fy_parser_create(&pcfg);
    if (!r.parser || fy_parser_set_string(r.parser, text, len) != 0) {
        code = mmr_fail(err, MMR_ENOMEM, "%s: out of memory", name);
    } else {
        struct fy_event *ev;
        while (!code && (ev = fy_parser_parse(r.parser))) {
            code = on_event(&r, ev);
            fy_parser_event_free(r.parser, ev);
        }
        if (!code && fy_parser_get_stream_error(r.parser)) {
            pass_on(&r, fyd);
            code = r.problems ? MMR_EBADMSG : problem(&r, NULL, "not valid YAML");
        }
    }
    if (r.parser)
        fy_parser_destroy(r.parser);
    fy_diag_destroy(fyd);
    if (code)
        return code;
    *ret = r.root && r.root->type == MMR_YAML_NULL ? NULL : r.root;
    return 0;
}

int mmr_yaml_parse_file(struct mmr_yaml_pool *p, const char *path, mmr_diag_fn diag, void *ctx,
                        struct mmr_yaml **ret, struct mmr_error *err)
{
    struct mmr_yaml at = {.file = path};
    struct stat st;
    mmr_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0) {
        mmr_yaml_diag(diag, ctx, &at, "cannot be read: %s", strerror(errno));
        return mmr_fail(err, MMR_EIO, "'%s': %s", path, strerror(errno));
    }
    if (!S_ISREG(st.st_mode) || st.st_size > MMR_YAML_BYTES_MAX) {
        mmr_yaml_diag(diag, ctx, &at, "is no regular file of up to 4 MiB");
        return mmr_fail(err, MMR_ETOOBIG, "'%s' is no regular file of up to 4 MiB", path);
    }
    size_t len = (size_t)st.st_size, got = 0;
    mmr_autofree char *buf = malloc(len + 1);
    if (!buf)
        return mmr_fail(err, MMR_ENOMEM, "'%s': out of memory", path);
    while (got < len) {
        ssize_t n = read(fd, buf + got, len - got);
        if (n < 0)
            return mmr_fail(err, MMR_EIO, "'%s': %s", path, strerror(errno));
        if (n == 0)
            break;
        got += (size_t)n;
    }
    return mmr_yaml_parse(p, path, buf, got, diag, ctx, ret, err);
}
