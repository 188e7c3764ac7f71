/* yaml.c - libfyaml's event stream turned into our own small tree, with every limit checked on the way. */
#include "sigma/yaml.h"

#include "sigma/text.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libfyaml.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ANCHORS_MAX = 64, KEYS_MAX = 2000 }; /* keys: each is compared with those before it */

struct anchor {
    const char *name;
    struct sigma_yaml *node;
};
struct frame { /* an open list or map */
    struct sigma_yaml *node, *last;
    const char *key; /* map: the key whose value comes next */
    const char *anchor;
    size_t keys;
};
struct builder {
    struct mmr_sigma_arena *a;
    const char *name;
    struct mmr_error *err;
    struct frame stack[MMR_SIGMA_YAML_DEPTH_MAX];
    size_t depth, nodes, n_anchors;
    struct anchor anchors[ANCHORS_MAX];
    struct sigma_yaml *root;
};

static int fail_at(const struct builder *b, int code, int line, int column, const char *what)
{
    return mmr_fail(b->err, code, "%s:%d:%d: %s", b->name, line, column, what);
}

static int place(const struct fy_event *ev, struct fy_token *tok, int *ret_column)
{
    const struct fy_mark *m = tok ? fy_token_start_mark(tok) : fy_event_start_mark((struct fy_event *)(uintptr_t)ev);
    *ret_column = m ? m->column + 1 : 1;
    return m ? m->line + 1 : 1;
}

/* Plain scalars YAML 1.2's core schema reads as null */
static bool is_null(const char *s, size_t len)
{
    return !len || (len == 1 && *s == '~') ||
           (len == 4 && (!memcmp(s, "null", 4) || !memcmp(s, "Null", 4) || !memcmp(s, "NULL", 4)));
}

static int remember(struct builder *b, const char *name, struct sigma_yaml *node)
{
    if (b->n_anchors == ANCHORS_MAX)
        return fail_at(b, MMR_ETOOBIG, node->line, node->column, "more than 64 anchors");
    b->anchors[b->n_anchors++] = (struct anchor){name, node};
    return 0;
}

/* Put a finished or just opened node where it belongs; a scalar may be a key. */
static int attach(struct builder *b, struct sigma_yaml *node)
{
    b->nodes += node->weight;
    if (b->nodes > MMR_SIGMA_YAML_NODES_MAX)
        return fail_at(b, MMR_ETOOBIG, node->line, node->column,
                       "more than 200000 nodes once aliases are expanded; split the file");
    if (!b->depth) {
        b->root = node;
        return 0;
    }
    struct frame *f = &b->stack[b->depth - 1];
    if (f->node->type == SIGMA_YAML_MAP && !f->key) {
        if (node->type != SIGMA_YAML_TEXT && node->type != SIGMA_YAML_NULL)
            return fail_at(b, MMR_EBADMSG, node->line, node->column, "a key must be plain text");
        for (const struct sigma_yaml *c = f->node->child; c; c = c->next)
            if (!strcmp(c->key, node->text))
                return fail_at(b, MMR_EBADMSG, node->line, node->column, "this key stands twice in its map");
        if (++f->keys > KEYS_MAX)
            return fail_at(b, MMR_ETOOBIG, node->line, node->column, "more than 2000 keys in one map");
        f->key = node->text;
        return 0;
    }
    if (f->node->type == SIGMA_YAML_MAP) {
        node->key = f->key;
        f->key = NULL;
    }
    if (f->last)
        f->last->next = node;
    else
        f->node->child = node;
    f->last = node;
    return 0;
}

static struct sigma_yaml *fresh(struct builder *b, const struct fy_event *ev, struct fy_token *tok)
{
    struct sigma_yaml *n = mmr_sigma_alloc(b->a, 1, sizeof *n);
    if (!n)
        return NULL;
    n->line = place(ev, tok, &n->column);
    n->weight = 1;
    n->text = "";
    return n;
}

static int scalar(struct builder *b, const struct fy_event *ev)
{
    struct sigma_yaml *n = fresh(b, ev, ev->scalar.value);
    size_t len = 0;
    const char *p = ev->scalar.value ? fy_token_get_text(ev->scalar.value, &len) : "";
    char *text = n && p ? mmr_sigma_strndup(b->a, p, len) : NULL;
    if (!text)
        return mmr_fail(b->err, MMR_ENOMEM, "%s: out of memory", b->name);
    n->text = text;
    n->len = len;
    bool is_plain = !ev->scalar.value || fy_scalar_token_get_style(ev->scalar.value) == FYSS_PLAIN; /* quoted, it is text */
    n->type = is_plain && is_null(text, len) ? SIGMA_YAML_NULL : SIGMA_YAML_TEXT;
    if (memchr(text, 0, len))
        return fail_at(b, MMR_EBADMSG, n->line, n->column, "a NUL byte in text");
    int rc = attach(b, n);
    if (!rc && ev->scalar.anchor) {
        const char *a = fy_token_get_text(ev->scalar.anchor, &len);
        char *copy = a ? mmr_sigma_strndup(b->a, a, len) : NULL;
        rc = copy ? remember(b, copy, n) : mmr_fail(b->err, MMR_ENOMEM, "%s: out of memory", b->name);
    }
    return rc;
}

static int open_node(struct builder *b, const struct fy_event *ev, enum sigma_yaml_type type,
                     struct fy_token *start, struct fy_token *anchor)
{
    struct sigma_yaml *n = fresh(b, ev, start);
    if (!n)
        return mmr_fail(b->err, MMR_ENOMEM, "%s: out of memory", b->name);
    n->type = type;
    if (b->depth == MMR_SIGMA_YAML_DEPTH_MAX)
        return fail_at(b, MMR_ETOOBIG, n->line, n->column, "nested deeper than 32 levels");
    int rc = attach(b, n);
    if (rc)
        return rc;
    const char *name = NULL;
    if (anchor) {
        size_t len;
        const char *p = fy_token_get_text(anchor, &len);
        name = p ? mmr_sigma_strndup(b->a, p, len) : NULL;
        if (!name)
            return mmr_fail(b->err, MMR_ENOMEM, "%s: out of memory", b->name);
    }
    b->stack[b->depth++] = (struct frame){.node = n, .anchor = name};
    return 0;
}

static int close_node(struct builder *b)
{
    struct frame *f = &b->stack[--b->depth];
    assert(f->node);
    if (b->depth) { /* a value's weight reaches its parent when it is complete */
        f->node->weight = 1;
        for (const struct sigma_yaml *c = f->node->child; c; c = c->next)
            f->node->weight += c->weight;
    }
    return f->anchor ? remember(b, f->anchor, f->node) : 0;
}

/* An alias becomes a copy of the top of what it names; children are shared, which their use cannot change. */
static int alias(struct builder *b, const struct fy_event *ev)
{
    size_t len = 0;
    const char *p = fy_token_get_text(ev->alias.anchor, &len);
    int column, line = place(ev, ev->alias.anchor, &column);
    for (size_t i = b->n_anchors; p && i-- > 0;) {
        const struct anchor *an = &b->anchors[i];
        if (strlen(an->name) != len || memcmp(an->name, p, len) != 0)
            continue;
        struct sigma_yaml *n = mmr_sigma_alloc(b->a, 1, sizeof *n);
        if (!n)
            return mmr_fail(b->err, MMR_ENOMEM, "%s: out of memory", b->name);
        *n = *an->node;
        n->next = NULL;
        n->key = NULL;
        n->line = line;
        n->column = column;
        return attach(b, n);
    }
    return fail_at(b, MMR_EBADMSG, line, column, "an alias of no finished anchor");
}

static int take(struct builder *b, const struct fy_event *ev)
{
    switch (ev->type) {
    case FYET_SCALAR:
        return scalar(b, ev);
    case FYET_MAPPING_START:
        return open_node(b, ev, SIGMA_YAML_MAP, ev->mapping_start.mapping_start, ev->mapping_start.anchor);
    case FYET_SEQUENCE_START:
        return open_node(b, ev, SIGMA_YAML_LIST, ev->sequence_start.sequence_start, ev->sequence_start.anchor);
    case FYET_MAPPING_END:
    case FYET_SEQUENCE_END:
        return close_node(b);
    case FYET_ALIAS:
        return alias(b, ev);
    default:
        return 0;
    }
}

/* The first message libfyaml collected, as ours */
static int parse_failed(const struct builder *b, struct fy_diag *diag)
{
    void *it = NULL;
    const struct fy_diag_error *e = diag ? fy_diag_errors_iterate(diag, &it) : NULL;
    if (!e)
        return mmr_fail(b->err, MMR_EBADMSG, "%s: not valid YAML", b->name);
    return mmr_fail(b->err, MMR_EBADMSG, "%s:%d:%d: not valid YAML: %s", b->name, e->line + 1, e->column + 1, e->msg);
}

int sigma_yaml_parse(struct mmr_sigma_arena *a, const char *name, const char *text, size_t len,
                   int (*each)(void *ctx, const struct sigma_yaml *doc, struct mmr_error *err),
                   void *ctx, struct mmr_error *err)
{
    struct builder b = {.a = a, .name = name, .err = err};
    if (len > MMR_SIGMA_FILE_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "%s: %zu bytes; a rule file may have 4 MiB", name, len);
    size_t bad = sigma_text_not_utf8(text, len); /* libfyaml 0.7 never returns from a directive cut within a letter */
    if (bad < len) {
        int line = 1;
        for (size_t i = 0; i < bad; i++)
            line += text[i] == '\n';
        return mmr_fail(err, MMR_EBADMSG, "%s:%d:1: holds bytes that are not UTF-8; save the file as UTF-8", name, line);
    }
    struct fy_diag_cfg dc;
    fy_diag_cfg_default(&dc);
    dc.fp = NULL;
    dc.level = FYET_ERROR;
    struct fy_diag *diag = fy_diag_create(&dc);
    if (!diag)
        return mmr_fail(err, MMR_ENOMEM, "%s: out of memory", name);
    fy_diag_set_collect_errors(diag, true);
    const struct fy_parse_cfg pc = {.search_path = "", .flags = FYPCF_QUIET | FYPCF_JSON_NONE, .diag = diag};
    struct fy_parser *fyp = fy_parser_create(&pc);
    int rc = 0;
    if (!fyp || fy_parser_set_string(fyp, text, len)) {
        rc = mmr_fail(err, MMR_ENOMEM, "%s: out of memory", name);
        goto out;
    }
    for (bool is_over = false; !rc && !is_over;) {
        struct fy_event *ev = fy_parser_parse(fyp);
        if (!ev || fy_parser_get_stream_error(fyp)) {
            if (ev)
                fy_parser_event_free(fyp, ev);
            rc = parse_failed(&b, diag);
            break;
        }
        is_over = ev->type == FYET_STREAM_END;
        if (ev->type == FYET_DOCUMENT_START) {
            b.depth = b.nodes = b.n_anchors = 0;
            b.root = NULL;
        }
        rc = take(&b, ev);
        if (!rc && ev->type == FYET_DOCUMENT_END && b.root)
            rc = each(ctx, b.root, err);
        fy_parser_event_free(fyp, ev);
    }
out:
    if (fyp)
        fy_parser_destroy(fyp);
    fy_diag_destroy(diag);
    return rc;
}

const struct sigma_yaml *sigma_yaml_get(const struct sigma_yaml *map, const char *key)
{
    if (!map || map->type != SIGMA_YAML_MAP)
        return NULL;
    for (const struct sigma_yaml *c = map->child; c; c = c->next)
        if (!strcmp(c->key, key))
            return c;
    return NULL;
}

const char *sigma_yaml_text(const struct sigma_yaml *map, const char *key)
{
    const struct sigma_yaml *n = sigma_yaml_get(map, key);
    return n && n->type == SIGMA_YAML_TEXT ? n->text : NULL;
}

/* The top of a tree once more, to stand in another map */
static struct sigma_yaml *twin(struct mmr_sigma_arena *a, const struct sigma_yaml *of)
{
    struct sigma_yaml *n = mmr_sigma_alloc(a, 1, sizeof *n);
    if (n) {
        *n = *of;
        n->next = NULL;
    }
    return n;
}

static struct sigma_yaml *merge(struct mmr_sigma_arena *a, const struct sigma_yaml *base, const struct sigma_yaml *over)
{
    struct sigma_yaml *m = twin(a, over);
    if (!m || base->type != SIGMA_YAML_MAP || over->type != SIGMA_YAML_MAP)
        return m;
    struct sigma_yaml **at = &m->child;
    for (const struct sigma_yaml *c = base->child; c; c = c->next, at = &(*at)->next) {
        const struct sigma_yaml *other = sigma_yaml_get(over, c->key);
        if (!(*at = other ? merge(a, c, other) : twin(a, c)))
            return NULL;
    }
    for (const struct sigma_yaml *c = over->child; c; c = c->next)
        if (!sigma_yaml_get(base, c->key)) {
            if (!(*at = twin(a, c)))
                return NULL;
            at = &(*at)->next;
        }
    return m;
}

const struct sigma_yaml *sigma_yaml_merge(struct mmr_sigma_arena *a, const struct sigma_yaml *base, const struct sigma_yaml *over)
{
    return merge(a, base, over);
}

int mmr_sigma_read_file(const char *path, size_t max, char **ret, size_t *ret_len,
                        struct mmr_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        int rc = mmr_fail(err, MMR_EIO, "'%s': %s", path, strerror(errno));
        if (fd >= 0)
            (void)close(fd);
        return rc;
    }
    char *buf = NULL;
    int rc = 0;
    size_t got = 0, cap = 0;
    if (!S_ISREG(st.st_mode))
        rc = mmr_fail(err, MMR_EIO, "'%s' is no regular file; give a file or a folder of rules", path);
    else if (st.st_size < 0 || (uint64_t)st.st_size > max)
        rc = mmr_fail(err, MMR_ETOOBIG, "'%s' has %lld bytes, the limit is %zu; split it", path,
                      (long long)st.st_size, max);
    else if (!(buf = malloc(cap = (size_t)st.st_size + 1)))
        rc = mmr_fail(err, MMR_ENOMEM, "'%s': out of memory", path);
    while (!rc && got < cap - 1) {
        ssize_t n = read(fd, buf + got, cap - 1 - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            rc = mmr_fail(err, MMR_EIO, "'%s': %s", path, strerror(errno));
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    (void)close(fd);
    if (rc) {
        free(buf);
        return rc;
    }
    buf[got] = 0;
    *ret = buf;
    *ret_len = got;
    return 0;
}
