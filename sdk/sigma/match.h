/* match.h - the compiled matcher. Built by index.c, run by match.c with values.c and origin.c; included by those four only. */
#ifndef MMR_SIGMA_MATCH_H
#define MMR_SIGMA_MATCH_H

#include "sigma/set.h"

#include <hs/hs.h>

enum {
#ifdef MMR_SIGMA_SMALL /* the fuzz target: a matcher a run, and limits that are reached */
    CONTEXTS = 2,
    VALUES_POOL = 128,
    SCRATCH_BYTES = 16 * 1024,
#else
    CONTEXTS = 64,             /* remembered origins: kinds of event seen lately */
    VALUES_POOL = 20 * 1024,   /* values of one event, arrays taken apart (256 fields of 64 items at most) */
    SCRATCH_BYTES = 2 * 1024 * 1024, /* folded copies of one event's text: 128 KiB under each name a rule may use */
#endif
    FOLD_MAX = 3 * MMR_EVENT_STR_MAX,
    HS_MIN = 8,                /* fewer literals than this are searched one by one */
};

enum { URL_PATH, URL_QUERY, URL_HOST, URL_PARTS };

struct value {
    const char *p, *folded; /* folded: NULL until asked for */
    uint32_t len;
    bool is_text, has_number, has_high; /* has_high: a byte above 0x7f, known once folded */
    double number;
};
struct field_values { /* of one rule field in the present event */
    uint32_t gen, first, n;
    bool is_present;
};

struct anchored { /* a prefix, suffix or whole value in the hash table of a field */
    uint64_t hash;
    uint32_t len;
    uint8_t op;
    int32_t atom; /* first of those with this literal; SIGMA_NONE: an empty slot */
};

struct field_index {
    uint32_t *prefix_lens, *suffix_lens; /* ascending; whole values count as prefixes */
    uint32_t n_prefix_lens, n_suffix_lens;
    struct anchored *table;
    uint32_t table_cap; /* a power of two, or 0 */
    int32_t *literals;  /* first atom of each distinct literal to be found anywhere */
    uint32_t n_literals;
    int32_t *regexes;   /* atoms whose regular expression Hyperscan can rule out */
    uint32_t n_regexes;
    hs_database_t *literal_db, *regex_db; /* NULL: one by one, or none */
};

struct context { /* what depends only on where an event comes from */
    bool is_used, is_waking; /* is_waking: rules that are asleep are about it */
    struct sigma_origin origin;
    uint64_t *active;   /* bit a selector */
    int32_t *row;       /* a field's row in the field table, or SIGMA_NONE */
    uint32_t *scan;     /* fields to search in */
    uint32_t n_scan;
    bool has_keywords;  /* some active rule has keywords */
    uint32_t *always;   /* rules that are evaluated without a trigger */
    uint32_t n_always;
};

struct key { /* an event's field name some rule field may stand for */
    const char *name;
    uint32_t len, hash;
};

struct sigma_matcher {
    struct mmr_sigma *s;
    struct mmr_sigma_arena arena;
    bool has_hs;
    hs_scratch_t *scratch;
    pcre2_match_data *match_data;
    pcre2_match_context *match_context;

    struct field_index *index; /* n_fields + 1: the last is "any field" */
    uint32_t *links;           /* rules by atom: atoms[].first_link */
    uint32_t *rule_selector;   /* rules without a selector of their own: UINT32_MAX */
    bool *is_triggered;        /* evaluated only after a trigger */
    uint64_t *selector_fields; /* selector x field bits: fields with indexed atoms */
    uint32_t field_words, rule_words, selector_words;
    bool *selector_has_keywords;

    struct key *keys; /* open addressing */
    uint32_t keys_cap;
    uint32_t *slot_gen;   /* by key: the event that filled slot */
    uint16_t *slot;       /* index in the event's view */
    uint32_t *key_plain, *key_unmapped; /* by field: the key of its own name and of unmapped.<name> */
    uint32_t *key_row;    /* by row of the field table: its key */
    uint32_t *key_domain; /* by row: the key of the account's domain */
    uint32_t (*key_hash)[4]; /* by row: the keys of sha1, md5, sha256, imphash */
    uint32_t key_url[URL_PARTS];

    struct context contexts[CONTEXTS];
    uint32_t next_context;

    /* one event */
    uint32_t gen;
    const struct mmr_event_view *view;
    struct context *ctx;
    struct field_values *fields;
    struct value *values;
    uint32_t n_values;
    char *text; /* SCRATCH_BYTES */
    size_t text_used;
    uint32_t *atom_gen;
    uint8_t *atom_state;
    uint64_t *candidates;
    uint32_t any_first, any_n; /* all text values, for keywords */
    bool has_any_values;
};

static inline uint64_t sigma_hash(uint64_t h, unsigned char c) /* of anchored texts, from their anchor on */
{
    return (h + c + 1) * UINT64_C(0x9E3779B97F4A7C15);
}

/* values.c */
void sigma_fill_slots(struct sigma_matcher *m); /* once an event, before the others */
const struct field_values *sigma_values_of(struct sigma_matcher *m, uint32_t field);
void sigma_collect_any(struct sigma_matcher *m); /* all values, for keywords: any_first, any_n */
void sigma_fold_value(struct sigma_matcher *m, struct value *v);

static inline const char *sigma_folded(struct sigma_matcher *m, struct value *v)
{
    if (!v->folded)
        sigma_fold_value(m, v);
    return v->folded;
}

/* origin.c: the context of the event in m->view */
struct context *sigma_context_of(struct sigma_matcher *m);

enum { STATE_FALSE = 0, STATE_TRUE = 1, STATE_MAYBE = 2 };

#endif
