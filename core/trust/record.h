/* record.h - small YAML files of known keys: one map, each key once, each a plain value or a list of them. */
#ifndef MMR_TRUST_RECORD_H
#define MMR_TRUST_RECORD_H

#include "config/yaml.h"

#include <mamori/error.h>

enum { MMR_RECORD_REQUIRED = 1 << 0, MMR_RECORD_LIST = 1 << 1 };

struct mmr_record_key {
    const char *name;
    unsigned flags;
    char *text;  /* filled with the value; lists: the values with a space between; "" where absent. In a list no
                  * value may hold a space */
    size_t cap;  /* of text; a longer value is an error */
};

/*
 * Read one file's text as such a map.
 *
 * keys    ends with .name == NULL
 * errors  MMR_EBADMSG "name:line:column: …": what was found and expected; MMR_ETOOBIG; MMR_ENOMEM
 */
int mmr_record_parse(const char *name, const char *text, size_t len, const struct mmr_record_key *keys, struct mmr_error *err);
/* The same for a map that is part of a file. */
int mmr_record_read(const struct mmr_yaml *map, const struct mmr_record_key *keys, struct mmr_error *err);
/* A file's tree; the first complaint becomes the error. ret borrowed from pool. */
int mmr_record_tree(struct mmr_yaml_pool *pool, const char *name, const char *text, size_t len, struct mmr_yaml **ret,
                    struct mmr_error *err);

#endif
