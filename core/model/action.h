/* action.h - defence as plain data: what is ordered, and the receipt that says what became of it. */
#ifndef MMR_MODEL_ACTION_H
#define MMR_MODEL_ACTION_H

#include "model/finding.h"

enum mmr_verb {
    MMR_VERB_NONE = 0,
    MMR_VERB_BLOCK_ADDR, MMR_VERB_CUT_FLOW, MMR_VERB_BLOCK_NAME, MMR_VERB_KILL_PROCESS,
    MMR_VERB_FREEZE_PROCESS, MMR_VERB_DENY_EXEC, MMR_VERB_QUARANTINE_FILE, MMR_VERB_REMOVE_AUTOSTART,
    MMR_VERB_ISOLATE_HOST, MMR_VERB_LOCK_ACCOUNT, MMR_VERB_QUERY_CONNECTION_OWNER,
    MMR_VERB_COUNT
};
const char *mmr_verb_name(enum mmr_verb v); /* "block.addr"; "" for none */
bool mmr_verb_parse(const char *text, size_t len, enum mmr_verb *ret);

enum mmr_result {
    MMR_RESULT_NONE = 0, /* no answer yet */
    MMR_RESULT_APPLIED, MMR_RESULT_ALREADY, MMR_RESULT_PARTIAL, MMR_RESULT_FAILED,
    MMR_RESULT_REFUSED, MMR_RESULT_TIMEOUT, MMR_RESULT_UNSUPPORTED,
};
enum mmr_verified { MMR_VERIFIED_NONE = 0, MMR_VERIFIED_CONFIRMED, MMR_VERIFIED_REFUTED, MMR_VERIFIED_INCONCLUSIVE };
enum mmr_action_state {
    MMR_STATE_PLANNED = 0, MMR_STATE_ORDERED, MMR_STATE_APPLIED, MMR_STATE_PROVED,
    MMR_STATE_EFFECTIVE, MMR_STATE_FAILED, MMR_STATE_EXPIRED, MMR_STATE_UNDONE,
};
const char *mmr_result_name(enum mmr_result r);
bool mmr_result_parse(const char *text, size_t len, enum mmr_result *ret);
const char *mmr_verified_name(enum mmr_verified v);
bool mmr_verified_parse(const char *text, size_t len, enum mmr_verified *ret);
const char *mmr_action_state_name(enum mmr_action_state s);

struct mmr_target { /* what a verb acts on; only the fields of the verb are set (mamori/action.h) */
    struct mmr_cidr addr; /* block.addr, isolate.host */
    enum mmr_direction direction; /* block.addr: INBOUND src is addr, OUTBOUND dst is addr, UNKNOWN both */
    uint16_t port;
    char proto[8];
    struct mmr_addr src, dst; /* cut.flow, query.connection_owner */
    uint16_t src_port, dst_port;
    int64_t pid, start_ticks;
    bool is_tree;
    char host[64];  /* the machine it must happen on; "" any (the network side) */
    char text[256]; /* domain, file path, account, process name or autostart entry; isolate.host: its card, where that must be cut off */
    char sha256[65];
    char exe[256];  /* kill: executable path, part of the fingerprint */
};
/* One line for people and for OCSF: "198.51.100.6", "bash (pid 17806) on PC1", "/tmp/x on PC1". */
void mmr_target_format(enum mmr_verb verb, const struct mmr_target *t, char *buf, size_t cap);
bool mmr_target_equal(enum mmr_verb verb, const struct mmr_target *a, const struct mmr_target *b);

struct mmr_receipt {
    enum mmr_result result;
    enum mmr_verified verified;
    char method[12]; /* readback, observe */
    int64_t applied_ns, verified_ns, expires_ns; /* hub clock, wall; 0 absent */
    int64_t revoked_ns;                          /* undone, or its plugin died */
    bool is_dry_run;
    uint64_t packets, bytes; /* stopped so far */
    char detail[160];
};

struct mmr_action_rec { /* one ordered action of an incident and its life */
    uint64_t id;
    enum mmr_verb verb;
    enum mmr_side side;
    struct mmr_target target;
    char node[40], instance[40]; /* the responder it was ordered from; "" in replay */
    char reason[128];
    uint64_t incident;
    int64_t ordered_ns; /* hub clock */
    int64_t ttl_ms;
    enum mmr_action_state state;
    struct mmr_receipt receipt;
    bool is_planned_only; /* replay, or dry run */
    uint32_t attempt;     /* 0 first choice, then the fall-through number */
};

/* Encode the target map of mamori/action.h into buf; 0 and *ret_len, or MMR_ETOOBIG. */
int mmr_action_encode(const struct mmr_action_rec *a, void *buf, size_t cap, size_t *ret_len);
/* Decode a receipt map. errors MMR_EBADMSG naming the field. */
int mmr_receipt_decode(const void *msgpack, size_t len, struct mmr_receipt *ret, struct mmr_error *err);

#endif
