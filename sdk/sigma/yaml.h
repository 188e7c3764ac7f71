/*
 * yaml.h - rule files as trees. Rule files come from other people: size, depth, node count and what
 * aliases would expand to are bounded, a key given twice is refused, positions are kept for messages.
 */
#ifndef MMR_SIGMA_YAML_H
#define MMR_SIGMA_YAML_H

#include <mamori/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sigma/arena.h"

enum {
    MMR_SIGMA_FILE_MAX = 4 * 1024 * 1024, /* bytes of one rule file */
    MMR_SIGMA_YAML_DEPTH_MAX = 32,
    MMR_SIGMA_YAML_NODES_MAX = 200000, /* of one document, aliases counted as what they stand for */
};

enum sigma_yaml_type { SIGMA_YAML_NULL, SIGMA_YAML_TEXT, SIGMA_YAML_LIST, SIGMA_YAML_MAP };

struct sigma_yaml {
    enum sigma_yaml_type type;
    int line, column; /* from 1 */
    const char *text; /* TEXT: NUL-terminated; NULL: as it is written, or "" */
    size_t len;       /* bytes of TEXT */
    size_t weight;    /* nodes below and including this one */
    const char *key;  /* as an entry of a map, else NULL */
    struct sigma_yaml *child, *next;
};

/*
 * sigma_yaml_parse - all documents of a text.
 *
 * a       the trees live there
 * each    called for each document in order; a negative return ends the parse and is returned
 * errors  MMR_EBADMSG not YAML, or an alias, anchor or tag it may not have; MMR_ETOOBIG a limit;
 *         MMR_ENOMEM. The text starts with "name:line:column: "
 */
int sigma_yaml_parse(struct mmr_sigma_arena *a, const char *name, const char *text, size_t len,
                   int (*each)(void *ctx, const struct sigma_yaml *doc, struct mmr_error *err),
                   void *ctx, struct mmr_error *err);

const struct sigma_yaml *sigma_yaml_get(const struct sigma_yaml *map, const char *key); /* or NULL */
const char *sigma_yaml_text(const struct sigma_yaml *map, const char *key); /* a scalar's text, or NULL */

/*
 * sigma_yaml_merge - base with what over has besides or instead: maps entry by entry, anything else as over has it.
 *
 * return  in a, sharing what neither changed; NULL when out of memory
 */
const struct sigma_yaml *sigma_yaml_merge(struct mmr_sigma_arena *a, const struct sigma_yaml *base, const struct sigma_yaml *over);

/* Read a whole regular file of at most max bytes. ret: returned, free(), NUL-terminated. */
int mmr_sigma_read_file(const char *path, size_t max, char **ret, size_t *ret_len,
                        struct mmr_error *err);

#endif
