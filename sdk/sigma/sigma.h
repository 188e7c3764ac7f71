/*
 * sigma.h - Sigma rules (specification 2.1, rules, filters and correlations) loaded, compiled into one
 * matcher and matched against mamori events. A pure library: no core, no plugin, no clock of its own.
 *
 * Rule files are not trusted: sizes, depth and counts are bounded, and what cannot be supported is named
 * in the rule's `unsupported` list and left out, never guessed. Events are not trusted either: whatever
 * mmr_event_read() accepts can be matched; regular expressions run under a match limit.
 *
 * One rule set is used by one thread at a time; mmr_sigma_match() allocates nothing.
 */
#ifndef MMR_SIGMA_SIGMA_H
#define MMR_SIGMA_SIGMA_H

#include <mamori/error.h>
#include <mamori/event.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mmr_sigma;

enum mmr_sigma_level {
    MMR_SIGMA_NO_LEVEL = 0, MMR_SIGMA_INFORMATIONAL, MMR_SIGMA_LOW, MMR_SIGMA_MEDIUM, MMR_SIGMA_HIGH,
    MMR_SIGMA_CRITICAL, /* the values of OCSF severity_id */
};
/*
 * A document with `exclusion:` instead of `detection:` is ours: rules (ids, names, or any), selections with an
 * optional condition, and, all required, owner, reason and expires (YYYY-MM-DD, UTC). Until that day events
 * that fit the selection are no match of those rules, whatever their log source.
 */
enum mmr_sigma_kind {
    MMR_SIGMA_DETECTION = 0, MMR_SIGMA_CORRELATION = 1, MMR_SIGMA_FILTER = 2, MMR_SIGMA_EXCLUSION = 3,
};

struct mmr_sigma_strv {
    const char *const *v;
    size_t n;
};

struct mmr_sigma_rule { /* read-only; lives as long as the set */
    uint32_t index;
    enum mmr_sigma_kind kind;
    const char *id;    /* the rule's id; its name or title where it has none */
    const char *name;  /* or NULL */
    const char *title; /* "" where missing */
    const char *status, *product, *category, *service; /* or NULL */
    const char *file;
    int line; /* of the document in file */
    enum mmr_sigma_level level;
    struct mmr_sigma_strv tags, attack, falsepositives; /* attack: "T1059.001" */

    /* What mamori makes of it: the rule's own `mamori:` map, else from its ATT&CK tactics and level. */
    const char *phase;     /* a mamori.phase, or NULL: a hint */
    const char *direction; /* inbound, outbound, internal, local, or NULL */
    const char *potential; /* high, low, info */
    struct mmr_sigma_strv needs; /* effects asked for, only from `mamori:` */
    bool has_mapping;      /* the rule has its own `mamori:` map */

    struct mmr_sigma_strv unsupported; /* constructs by name; the rule is left out if there is one */
    const char *error;                 /* why it is no rule at all, with its position; or NULL */
    bool is_enabled;                   /* matches are reported */
};
/* ok: it compiled (nothing unsupported, no error) */
bool mmr_sigma_rule_ok(const struct mmr_sigma_rule *r);
/* is: id is its id, name or title */
bool mmr_sigma_rule_is(const struct mmr_sigma_rule *r, const char *id);

int mmr_sigma_new(struct mmr_sigma **ret, struct mmr_error *err);
void mmr_sigma_free(struct mmr_sigma *s); /* accepts NULL */

/* A value of `%name%` for the modifier expand, before the rules that use it are added. */
int mmr_sigma_placeholder(struct mmr_sigma *s, const char *name, const char *value, struct mmr_error *err);

/*
 * mmr_sigma_add_path - add a rule file, or every .yml and .yaml file below a folder in byte order of names.
 *
 * errors  only what stops loading: MMR_EIO, MMR_ENOMEM, MMR_ETOOBIG (too many rules). A bad document
 *         becomes a rule with `error` set.
 */
int mmr_sigma_add_path(struct mmr_sigma *s, const char *path, struct mmr_error *err);
int mmr_sigma_add_text(struct mmr_sigma *s, const char *name, const char *text, size_t len,
                       struct mmr_error *err);

/* The rule at index i is not reported any more; correlations still see it. */
void mmr_sigma_disable(struct mmr_sigma *s, size_t i);

/*
 * mmr_sigma_lazy_windows - before compiling: leave the rules of Windows logs out of the matcher until the first event comes that one
 * of them could mean. A machine that watches itself alone never needs them, and they are most of its memory. That event waits for
 * the matcher to be built again (some hundred milliseconds, once); it is matched like any other, and correlations keep their state.
 * woken (may be NULL) is told how that went: 0, or MMR_ENOMEM, and then nothing matches any more.
 */
void mmr_sigma_lazy_windows(struct mmr_sigma *s, void (*woken)(void *ctx, int rc), void *ctx);

/* Before compiling: do without Hyperscan, as on a machine that cannot run it; the same events match, more slowly. */
void mmr_sigma_without_hyperscan(struct mmr_sigma *s);

/* Resolve filters and correlations, build the matcher. Nothing can be added afterwards. */
int mmr_sigma_compile(struct mmr_sigma *s, struct mmr_error *err);

/* new, add_path for each, compile. ret: returned, mmr_sigma_free() */
int mmr_sigma_load(const char *const *paths, size_t n, struct mmr_sigma **ret, struct mmr_error *err);

size_t mmr_sigma_count(const struct mmr_sigma *s);
const struct mmr_sigma_rule *mmr_sigma_get(const struct mmr_sigma *s, size_t i);
const struct mmr_sigma_rule *mmr_sigma_find(const struct mmr_sigma *s, const char *id); /* or NULL */

struct mmr_sigma_hit {
    const struct mmr_sigma_rule *rule;
    /* of a correlation: how many (events, values, or the value itself), and the group it is about */
    double count;
    int64_t first_ns;
    const char *group; /* "User=bob, src_endpoint.ip=192.0.2.7"; "" without group-by; borrowed */
};
typedef void (*mmr_sigma_hit_fn)(void *ctx, const struct mmr_sigma_hit *hit);

/*
 * mmr_sigma_match - every enabled rule that matches the event, in order of loading; then correlations
 * that its matches complete, at the event's `time`.
 *
 * view    borrowed, and with it the bytes it was read from
 */
void mmr_sigma_match(struct mmr_sigma *s, const struct mmr_event_view *view, mmr_sigma_hit_fn hit,
                     void *ctx);

/*
 * Told of each match that a correlation took into one of its groups, before what it completes is told as a hit. group as
 * in struct mmr_sigma_hit, borrowed; span_ns: the correlation's.
 */
typedef void (*mmr_sigma_member_fn)(void *ctx, const struct mmr_sigma_rule *correlation, const char *group, int64_t span_ns);
void mmr_sigma_members(struct mmr_sigma *s, mmr_sigma_member_fn fn, void *ctx);

struct mmr_sigma_stats {
    uint64_t events, evaluated, hits;
    uint64_t regex_limits;  /* regular expressions PCRE2 gave up at its limit; Hyperscan then decides, or without it: no match */
    uint64_t text_limits;   /* texts of an event that were left out, or compared with letter case, for lack of room */
    uint64_t evictions;     /* correlation groups or events forgotten to stay within bounds */
    uint32_t rules, atoms, literals;
    bool has_hyperscan;     /* this machine runs it; else literals are searched one by one */
    bool is_windows_asleep; /* mmr_sigma_lazy_windows, and no event woke them yet */
};
void mmr_sigma_get_stats(const struct mmr_sigma *s, struct mmr_sigma_stats *ret);

#endif
