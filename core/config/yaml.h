/*
 * yaml.h - YAML text as a small tree in which every node knows its file, line and column. Bounded:
 * size, depth, nodes; anchors, aliases and tags are refused (no configuration needs them, and they
 * are how a small file becomes a large one).
 */
#ifndef MMR_CONFIG_YAML_H
#define MMR_CONFIG_YAML_H

#include <mamori/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MMR_YAML_BYTES_MAX = 4 * 1024 * 1024,
    MMR_YAML_DEPTH_MAX = 16,
    MMR_YAML_NODES_MAX = 200000,
};

typedef void (*mmr_diag_fn)(void *ctx, const char *line);

enum mmr_yaml_type { MMR_YAML_NULL = 0, MMR_YAML_SCALAR, MMR_YAML_LIST, MMR_YAML_MAP };
struct mmr_yaml {
    enum mmr_yaml_type type;
    bool is_quoted;         /* a scalar written with quotes: never a number or null */
    const char *key;        /* in a map; NULL in a list and at the top */
    const char *text;       /* scalar, as written without quotes; "" for null */
    const char *file;       /* as given */
    uint32_t line, column;  /* from 1; of the value */
    uint32_t key_line, key_column;
    struct mmr_yaml *first, *last, *next; /* children in order; next sibling */
};

struct mmr_yaml_pool; /* owns the nodes and texts of any number of files */
struct mmr_yaml_pool *mmr_yaml_pool_new(void); /* NULL: no memory */
void mmr_yaml_pool_free(struct mmr_yaml_pool *p);
struct mmr_yaml *mmr_yaml_node_new(struct mmr_yaml_pool *p); /* NULL: no memory or over the limit */
char *mmr_yaml_text_new(struct mmr_yaml_pool *p, const char *text, size_t len);

/*
 * mmr_yaml_parse - one document.
 *
 * name     what to call it in messages
 * ret      borrowed from the pool; NULL for an empty document
 * errors   MMR_EBADMSG, after diag was called with "name:line:column: text" for each problem;
 *          MMR_ETOOBIG; MMR_ENOMEM
 */
int mmr_yaml_parse(struct mmr_yaml_pool *p, const char *name, const char *text, size_t len,
                   mmr_diag_fn diag, void *ctx, struct mmr_yaml **ret, struct mmr_error *err);
int mmr_yaml_parse_file(struct mmr_yaml_pool *p, const char *path, mmr_diag_fn diag, void *ctx,
                        struct mmr_yaml **ret, struct mmr_error *err);

struct mmr_yaml *mmr_yaml_child(const struct mmr_yaml *map, const char *key); /* or NULL */
void mmr_yaml_append(struct mmr_yaml *parent, struct mmr_yaml *child);
/* One diagnostic about a node: "file:line:column: " and the text. */
__attribute__((format(printf, 4, 5))) void mmr_yaml_diag(mmr_diag_fn diag, void *ctx,
                                                         const struct mmr_yaml *at, const char *fmt, ...);

#endif
