/*
 * set.h - inside of a rule set: expressions over atoms, and what the matcher is built from. Included by
 * the files of this library only.
 */
#ifndef MMR_SIGMA_SET_H
#define MMR_SIGMA_SET_H

#ifndef PCRE2_CODE_UNIT_WIDTH
#define PCRE2_CODE_UNIT_WIDTH 8
#endif
#include <pcre2.h>

#include "sigma/arena.h"
#include "sigma/fields.h"
#include "sigma/logsource.h"
#include "sigma/sigma.h"
#include "sigma/text.h"
#include "sigma/yaml.h"

enum {
    SIGMA_RULES_MAX = 65536,
    SIGMA_ATOMS_MAX = 1 << 20,
    SIGMA_MEMORY_MAX = 512 * 1024 * 1024,
    SIGMA_EXPR_DEPTH_MAX = 64,
    SIGMA_NONE = -1,
};
#define SIGMA_ANY_FIELD UINT32_MAX /* keywords: any text of the event */

enum atom_op {
    ATOM_EXACT, ATOM_PREFIX, ATOM_SUFFIX, ATOM_CONTAINS, ATOM_GLOB, /* text, by the index */
    ATOM_PRESENT, /* '*': there is a value that is not empty */
    ATOM_EMPTY,   /* '': there is an empty value */
    ATOM_BEFORE,  /* the event's own time is before number */
    ATOM_RE, ATOM_CIDR, ATOM_COMPARE, ATOM_NULL, ATOM_EXISTS, ATOM_TIME, ATOM_FIELDREF, /* evaluated when asked */
};
enum compare_op { CMP_EQ, CMP_LT, CMP_LTE, CMP_GT, CMP_GTE };

struct sigma_atom { /* one comparison of one field; shared by all rules that make it */
    uint8_t op;       /* enum atom_op */
    uint8_t compare;  /* COMPARE, TIME: enum compare_op; FIELDREF: ATOM_EXACT, PREFIX, SUFFIX or CONTAINS */
    uint8_t part;     /* TIME: enum sigma_time_part */
    uint8_t lit_op;   /* how lit is searched: EXACT, PREFIX, SUFFIX or CONTAINS */
    bool is_cased, has_index, needs_verify, has_prefilter;
    uint32_t field;   /* index in fields, or SIGMA_ANY_FIELD */
    uint32_t other;   /* FIELDREF: the field to compare with */
    uint32_t lit_len, pat_len;
    const char *lit;  /* folded */
    const uint16_t *pat; /* folded unless is_cased; the whole pattern, where needs_verify */
    const char *regex;
    uint32_t re_flags;
    double number;
    struct sigma_cidr cidr;
    pcre2_code *code;
    int32_t next_same; /* the next atom with the same literal in the index, or SIGMA_NONE */
    uint32_t first_link, n_links; /* rules to look at when it is true */
};

enum expr_type { EXPR_FALSE, EXPR_TRUE, EXPR_ATOM, EXPR_NOT, EXPR_AND, EXPR_OR };
struct sigma_expr {
    uint8_t type;
    uint32_t n, atom;
    struct sigma_expr **kids; /* NOT: one */
};

struct sigma_detection { /* what a rule or a filter compiles to */
    struct mmr_sigma_rule pub;
    struct sigma_expr *expr;
    uint32_t selector; /* index in selectors */
    /* filters */
    struct mmr_sigma_strv targets;
    bool is_for_any;
    /* correlations */
    struct sigma_corr *corr;
};

struct sigma_field {
    const char *name;
    uint32_t hash;
};

struct sigma_placeholder {
    const char *name, *value;
    struct sigma_placeholder *next;
};

struct mmr_sigma {
    struct mmr_sigma_arena arena;
    struct sigma_detection **rules;
    size_t n_rules, cap_rules;
    struct sigma_atom *atoms;
    uint32_t n_atoms, cap_atoms;
    uint32_t *atom_hash; /* open addressing: index + 1 */
    uint32_t atom_hash_cap;
    struct sigma_field *fields;
    uint32_t n_fields, cap_fields;
    struct sigma_selector *selectors;
    uint32_t n_selectors, cap_selectors;
    struct sigma_placeholder *placeholders;
    struct sigma_matcher *matcher; /* NULL until compiled */
    struct sigma_correlator *correlator;
    mmr_sigma_member_fn member;
    void *member_ctx;
    struct mmr_sigma_stats stats;
    void (*woken)(void *ctx, int rc);
    void *woken_ctx;
    bool is_lazy; /* rules of Windows logs are not in the matcher */
    bool has_no_hyperscan; /* by wish */
    uint8_t reserved[6];
};

/* What building one rule needs, and where its complaints go */
struct sigma_build {
    struct mmr_sigma *s;
    struct sigma_detection *rule;
    const char *file;
    const char **unsupported; /* grows in the set's arena */
    size_t n_unsupported, cap_unsupported;
    bool is_out_of_memory;
};

/* set.c */
uint32_t sigma_field_id(struct mmr_sigma *s, const char *name, size_t len); /* UINT32_MAX: no memory */
uint32_t sigma_atom_id(struct mmr_sigma *s, const struct sigma_atom *proto);
void sigma_unsupported(struct sigma_build *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
__attribute__((format(printf, 3, 4))) void sigma_broken(struct sigma_build *b, const struct sigma_yaml *at,
                                                        const char *fmt, ...);
struct sigma_expr *sigma_expr_new(struct sigma_build *b, enum expr_type type, size_t n);

/* item.c: one "field|modifiers: values" */
struct sigma_expr *sigma_item(struct sigma_build *b, const struct sigma_yaml *item);
/* a list of keywords, or one */
struct sigma_expr *sigma_keywords(struct sigma_build *b, const struct sigma_yaml *node);

/* condition.c: the detection map of a rule or the filter map of a filter */
struct sigma_expr *sigma_detection_expr(struct sigma_build *b, const struct sigma_yaml *detection);

/* Names of a condition in a correlation (`a and not b`): leaf makes the expression of a name. */
typedef struct sigma_expr *(*sigma_leaf_fn)(struct sigma_build *b, void *ctx, const char *name, size_t len);
struct sigma_expr *sigma_condition_parse(struct sigma_build *b, const struct sigma_yaml *text,
                                         sigma_leaf_fn leaf, void *ctx, const struct sigma_yaml *detection);

/* corr_read.c */
int sigma_corr_parse(struct sigma_build *b, const struct sigma_yaml *doc);

/* correlate.c */
int sigma_corr_resolve(struct mmr_sigma *s, struct mmr_error *err);
void sigma_corr_free(struct sigma_correlator *c);
void sigma_corr_feed(struct mmr_sigma *s, const struct mmr_sigma_rule *rule, const struct mmr_event_view *view,
                     int64_t time_ns, mmr_sigma_hit_fn hit, void *ctx);
void sigma_corr_tick(struct mmr_sigma *s, int64_t time_ns, mmr_sigma_hit_fn hit, void *ctx);

/* attack.c */
void sigma_mapping(struct sigma_build *b, const struct sigma_yaml *doc);

/* index.c: the matcher of all rules but those that is_lazy leaves out; one that stands already is
 * replaced, also on failure: then there is none, and nothing matches any more */
bool sigma_is_asleep(const struct mmr_sigma *s, uint32_t selector);
int sigma_matcher_build(struct mmr_sigma *s, struct mmr_error *err);
void sigma_matcher_free(struct sigma_matcher *m);

/* match.c: a field's folded value for correlations, of the event being matched, valid as long; false: absent */
bool sigma_value_text(struct mmr_sigma *s, const struct mmr_event_view *view, uint32_t field, const char **ret, size_t *ret_len);

#endif
