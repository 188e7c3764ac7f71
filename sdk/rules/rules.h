/*
 * rules.h - the Suricata rule language: read rule files, compile them, match them against packets,
 * streams and protocol messages (mamori/net.h). Pure: no I/O but reading the named rule files, and
 * time comes with the packets. A rule with an unknown keyword is named and left out, never half loaded.
 *
 *   mmr_rules_new -> add_file / add_text ... -> compile -> mmr_rules_engine_new -> packet/chunk/tx/flow_end
 */
#ifndef MMR_RULES_RULES_H
#define MMR_RULES_RULES_H

#include <mamori/error.h>
#include <mamori/net.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mmr_rules;        /* a set of rules; read-only after mmr_rules_compile() */
struct mmr_rules_engine; /* one traffic's state against a set: bits, thresholds, stream windows */

enum { MMR_RULES_UNSUPPORTED_MAX = 16 }; /* names reported for one rule */

/* One call a rule line that was read, good or not. Texts are valid for the call. */
struct mmr_rule_diag {
    const char *file;
    uint32_t line, sid; /* sid 0: the line is too broken to tell */
    bool is_ok;
    bool is_enabled; /* the pack has it commented out, and the configuration's enable list means it */
    bool is_disabled; /* the disable list means it: it is read, so that what others wait for is set, but never alerts */
    const char *reason; /* one sentence, "" when ok; may carry a notice when ok */
    const char *const *unsupported; /* keywords nobody here knows */
    size_t n_unsupported;
};
typedef void (*mmr_rule_diag_fn)(void *ctx, const struct mmr_rule_diag *d);

struct mmr_rule_var { /* "HOME_NET" -> "[192.0.2.0/24,!192.0.2.1]", "HTTP_PORTS" -> "[80,8080]" */
    const char *name, *value;
};
struct mmr_rules_config {
    const char *home_net;     /* list of networks or "any"; NULL: the private ranges */
    const char *external_net; /* NULL: everything that is not home_net */
    const struct mmr_rule_var *vars; /* more variables, or replacements of the usual ones */
    size_t n_vars;
    /* Which rules are meant: "2019401", "1:2019401", "group:emerging-scan" (the file's name), "re:cve.2021.44228" (over the line) */
    const char *const *enable; /* commented-out rules to read */
    size_t n_enable;
    const char *const *disable; /* rules that never alert */
    size_t n_disable;
};

/*
 * mmr_rules_new - an empty set with its address and port variables.
 *
 * ret      returned; mmr_rules_free()
 * errors   MMR_ECONFIG a variable that is no list of addresses or ports, an entry that is no selection; MMR_ENOMEM
 */
int mmr_rules_new(const struct mmr_rules_config *cfg, struct mmr_rules **ret, struct mmr_error *err);
void mmr_rules_free(struct mmr_rules *set); /* accepts NULL; not while an engine uses it */

/* Read a rule file (plain or .gz). A sid seen before: the higher rev wins, equal: the first stays.
 * errors MMR_EIO, MMR_ETOOBIG, MMR_ENOMEM (what came before it is in the set then); bad rules are no error, they go to diag (may be NULL) */
int mmr_rules_add_file(struct mmr_rules *set, const char *path, mmr_rule_diag_fn diag, void *ctx,
                       struct mmr_error *err);
int mmr_rules_add_text(struct mmr_rules *set, const char *name, const char *text, size_t len,
                       mmr_rule_diag_fn diag, void *ctx, struct mmr_error *err);

/* Build the prefilters. errors MMR_ENOMEM, MMR_EINTERNAL (the pattern compiler's words) */
int mmr_rules_compile(struct mmr_rules *set, struct mmr_error *err);
/* The same beside a set that is compiled and in use: what is made of literals that did not change is shared, not made again. Either may be freed first */
int mmr_rules_compile_like(struct mmr_rules *set, const struct mmr_rules *like, struct mmr_error *err);

size_t mmr_rules_count(const struct mmr_rules *set);  /* rules loaded */
size_t mmr_rules_failed(const struct mmr_rules *set); /* rules named and left out */
size_t mmr_rules_enabled(const struct mmr_rules *set); /* of the rules loaded, those that were commented out */
/* The at-th entry of enable (or disable) that has meant no rule; NULL: no more */
const char *mmr_rules_idle(const struct mmr_rules *set, bool is_disable, size_t at);

/* What a rule says about itself; texts live as long as the set. */
enum mmr_rule_action { MMR_RULE_ALERT = 0, MMR_RULE_DROP, MMR_RULE_REJECT, MMR_RULE_PASS };
struct mmr_rule_info {
    uint32_t sid, gid, rev, priority, line;
    uint32_t action; /* enum mmr_rule_action */
    const char *msg, *classtype, *file;
    const char *metadata; /* as written: "key value, key value"; "" if none */
    uint32_t flow_dir;    /* 0 not said, 1 to_server, 2 to_client */
    bool is_target_src, is_target_dst, is_disabled;
};
const struct mmr_rule_info *mmr_rules_info(const struct mmr_rules *set, size_t i);
/* The value of a metadata key, cut into buf; false if absent. The at-th one of several. */
bool mmr_rule_metadata(const struct mmr_rule_info *info, const char *key, size_t at, char *buf, size_t cap);

/* ---- matching ---- */

struct mmr_rule_hit { /* valid for the call */
    const struct mmr_rule_info *rule;
    struct mmr_flow *flow;           /* NULL: a packet without flow */
    const struct mmr_packet *packet; /* NULL: at a timeout */
    const struct mmr_tx *tx;         /* NULL: matched on a packet or a stream */
    const uint8_t *text;             /* the bytes the longest literal matched on (a whole buffer); or NULL */
    size_t text_len;
    int64_t time_ns;
    uint8_t dir, reserved[7];        /* MMR_TO_* of what matched */
};
typedef void (*mmr_rule_hit_fn)(void *ctx, const struct mmr_rule_hit *hit);

struct mmr_rules_options {
    bool is_midstream_ok; /* flows picked up in their middle count as established */
    uint32_t flows_max;   /* flows with state at a time; 0: 65536 */
    uint64_t stream_bytes_max; /* memory for stream windows; 0: 16 MiB */
    mmr_rule_hit_fn hit;
    void *ctx;
};
struct mmr_rules_stats {
    uint64_t packets, chunks, txs, scanned_bytes, candidates, checks, alerts;
    uint64_t pcre_limit;    /* regular expressions given up at the match limit */
    uint64_t state_evicted; /* bits, thresholds or flows dropped at a ceiling */
    uint64_t stream_uninspected_bytes; /* stream data not inspected for lack of window memory */
};

/* set is borrowed and must outlive the engine. ret: mmr_rules_engine_free() */
int mmr_rules_engine_new(const struct mmr_rules *set, const struct mmr_rules_options *opt,
                         struct mmr_rules_engine **ret, struct mmr_error *err);
void mmr_rules_engine_free(struct mmr_rules_engine *e);
/* A reload: go on with another compiled set; bits, thresholds and stream windows start anew. */
int mmr_rules_engine_swap(struct mmr_rules_engine *e, const struct mmr_rules *set, struct mmr_error *err);

/* The four inputs. Per-flow state hangs at flow->slot[MMR_SLOT_SIGNATURE] until flow_end. */
void mmr_rules_packet(struct mmr_rules_engine *e, const struct mmr_packet *p);
void mmr_rules_chunk(struct mmr_rules_engine *e, const struct mmr_chunk *c);
void mmr_rules_tx(struct mmr_rules_engine *e, const struct mmr_tx *tx);
void mmr_rules_flow_end(struct mmr_rules_engine *e, struct mmr_flow *f);
const struct mmr_rules_stats *mmr_rules_engine_stats(const struct mmr_rules_engine *e);

#endif
