/*
 * runtime.h - many plugin instances on one loop. The same code runs live in a plugin host (libevent,
 * real clocks) and in replay, tests and benches (a clock turned by hand). It gives each instance its
 * struct mmr_host, checks and routes what it emits, and keeps its timers, descriptors and topics.
 *
 * Everything is [loop] unless a function says otherwise. Plugins are not trusted to keep the rules, but
 * they are in this process: a crash is this process's crash.
 */
#ifndef MMR_PLUGIN_RUNTIME_H
#define MMR_PLUGIN_RUNTIME_H

#include "event/stamp.h"

#include <mamori/plugin.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct mmr_runtime;

enum {
    MMR_RUNTIME_INSTANCES_MAX = 64,
    MMR_RUNTIME_TIMERS_MAX = 65536,   /* of one runtime */
    MMR_RUNTIME_WATCHES_MAX = 4096,   /* descriptors of one runtime */
    MMR_RUNTIME_TOPICS_MAX = 64,
    MMR_RUNTIME_QUEUE_BYTES = 8 * 1024 * 1024, /* events emitted inside event(), waiting for analyzers */
    MMR_RUNTIME_NAME_MAX = 63,
};

struct mmr_runtime_event { /* one event that passed the checks; all borrowed for the call */
    uint32_t instance;     /* who emitted it */
    uint32_t reserved;
    uint64_t seq;          /* mamori.seq: of the instance, from 1 */
    const struct mmr_event_facts *facts;
    const void *raw;       /* as emitted */
    size_t raw_len;
    const void *stamped;   /* with the core's fields; NULL when opts.is_raw_owner and no analyzer here reads it */
    size_t stamped_len;
};

struct mmr_runtime_ops { /* the owner's; any may be NULL */
    /* An event of a kind the owner wants. MMR_EAGAIN: not taken, the emitter is told so and nothing happened;
     * the owner calls mmr_runtime_writable() later. Must not call back into an instance. */
    int (*on_event)(void *ctx, const struct mmr_runtime_event *ev);
    void (*on_emitted)(void *ctx, uint32_t instance); /* this instance's emit() took an event of any kind; soon after, not from here, is time to look */
    int (*on_receipt)(void *ctx, uint32_t instance, uint64_t action_id, int code, const void *msgpack, size_t len);
    int (*on_forwarded)(void *ctx, uint32_t instance, uint64_t seq, int level, int64_t time_ns, const char *detail);
    void (*on_log)(void *ctx, uint32_t instance, int level, const char *text); /* [any] NULL: mmr_log() */
};

/* What the loop is doing right now, for whoever reads it after a crash (a page shared with the supervisor). */
enum mmr_doing {
    MMR_DOING_NOTHING = 0, MMR_DOING_CREATE, MMR_DOING_START, MMR_DOING_EVENT, MMR_DOING_ITEM, MMR_DOING_TIMER,
    MMR_DOING_FD, MMR_DOING_WAKE, MMR_DOING_ACT, MMR_DOING_FORWARD, MMR_DOING_RELOAD, MMR_DOING_REPLAY,
    MMR_DOING_STOP, MMR_DOING_DESTROY,
};
struct mmr_trace {
    uint32_t instance; /* index + 1; 0: none */
    uint32_t doing;    /* enum mmr_doing */
    char kind[64];     /* of the last event emitted or handed over in this process */
};

struct mmr_runtime_opts {
    struct event_base *base; /* NULL: virtual time */
    const char *node;        /* this node's name, stamped */
    const char *core_version;
    const struct mmr_runtime_ops *ops;
    void *ctx;
    struct mmr_trace *trace; /* NULL: none is kept */
    bool wants_all;          /* every kind goes to the owner; else findings and mmr_runtime_want() */
    bool is_raw_owner;       /* the owner reads raw only, so stamping is left out where nobody here reads it */
};

/* All borrowed texts are copied; ops, ctx, trace must outlive the runtime. errors MMR_ENOMEM, MMR_EIO, MMR_EINVAL */
int mmr_runtime_new(const struct mmr_runtime_opts *opts, struct mmr_runtime **ret_rt, struct mmr_error *err);
/* Stops, destroys (last added first) and frees everything. Accepts NULL. */
void mmr_runtime_free(struct mmr_runtime *rt);
/* The owner wants this kind ("*": all) of any instance, also of those added later. errors MMR_ENOMEM */
int mmr_runtime_want(struct mmr_runtime *rt, const char *kind);

struct mmr_runtime_instance {
    const struct mmr_plugin *plugin; /* passed mmr_plugin_check(); must stay loaded */
    const char *name;                /* as in conf.d; unique in the runtime, at most MMR_RUNTIME_NAME_MAX */
    uint32_t side;                   /* enum mmr_side, exactly one */
    const char *state_dir;           /* "" in replay */
    const char *group;               /* events and topics stay inside a group: in replay the host group; NULL: one for all */
    const uint8_t *packed;           /* configuration from mmr_config_pack(); NULL: defaults */
    size_t packed_len;
};
/* Fill its configuration and create() it. errors MMR_ECONFIG; MMR_ETOOBIG; MMR_EINVAL; what create() gave */
int mmr_runtime_add(struct mmr_runtime *rt, const struct mmr_runtime_instance *conf, uint32_t *ret_index,
                    struct mmr_error *err);
/* Destroy the instance added last, as if it had never been (never from inside a callback). */
void mmr_runtime_drop_last(struct mmr_runtime *rt);
/* start() the sensors that have one: those which also listen to a topic first, pure sources last. On an error the
 * started ones are stopped again. */
int mmr_runtime_start(struct mmr_runtime *rt, struct mmr_error *err);
void mmr_runtime_stop(struct mmr_runtime *rt); /* the other way round; nothing is emitted afterwards */

size_t mmr_runtime_count(const struct mmr_runtime *rt);
void *mmr_runtime_self(const struct mmr_runtime *rt, uint32_t i);

struct mmr_runtime_counters { /* of one instance since it was added */
    uint64_t emitted;    /* events that passed the checks */
    uint64_t refused;    /* events that did not, emits after stop(), wrong calls */
    uint64_t delivered;  /* events handed to its event() */
    uint64_t failed;     /* calls of it that returned an error */
    uint64_t dropped;    /* events it should have got: queue full or chain too long */
    uint64_t busy;       /* emits answered MMR_EAGAIN */
    uint64_t acts, receipts, forwards;
};
void mmr_runtime_counters(const struct mmr_runtime *rt, uint32_t i, struct mmr_runtime_counters *ret);

/* ---- input from the owner ---- */

/* A stamped event of elsewhere, to every analyzer here that reads its kind. errors MMR_EBADMSG */
int mmr_runtime_deliver(struct mmr_runtime *rt, const void *stamped, size_t len, struct mmr_error *err);
/* errors MMR_ENOENT no responder, or a verb it does not declare; MMR_EAGAIN the receipt follows; its own */
int mmr_runtime_act(struct mmr_runtime *rt, uint32_t i, const struct mmr_action *a, struct mmr_error *err);
int mmr_runtime_reconcile(struct mmr_runtime *rt, uint32_t i, const uint64_t *live, size_t n, struct mmr_error *err);
int mmr_runtime_forward(struct mmr_runtime *rt, uint32_t i, const void *data, size_t len, uint64_t seq,
                        struct mmr_error *err);
int mmr_runtime_flush(struct mmr_runtime *rt, int64_t deadline_ms, struct mmr_error *err); /* every forwarder */
/* Every event of this instance up to seq is committed. */
void mmr_runtime_committed(struct mmr_runtime *rt, uint32_t i, uint64_t upto);
void mmr_runtime_writable(struct mmr_runtime *rt); /* on_wake() of every instance that was told MMR_EAGAIN */
/* Every analyzer's finish(): the end of recorded input. The first error; all are called. */
int mmr_runtime_finish(struct mmr_runtime *rt, struct mmr_error *err);

/* ---- two-phase reload ---- */

/*
 * mmr_runtime_prepare - check and prepare a new configuration of one instance; nothing changes yet.
 * Called for every instance that changes, then mmr_runtime_commit() or mmr_runtime_abort() for all.
 *
 * errors  MMR_EUNSUPPORTED the plugin cannot reload: its host must be restarted (the new configuration was
 *         checked and is sound); MMR_ECONFIG; what reload_prepare() gave. After an error call abort.
 */
int mmr_runtime_prepare(struct mmr_runtime *rt, uint32_t i, const uint8_t *packed, size_t len,
                        struct mmr_error *err);
void mmr_runtime_commit(struct mmr_runtime *rt);
void mmr_runtime_abort(struct mmr_runtime *rt);

/* ---- virtual time (opts.base NULL) ---- */

int64_t mmr_runtime_now_ns(const struct mmr_runtime *rt); /* wall clock of the instances */
/* The first data time: timers set before keep their distance. Only once, before the first advance. */
void mmr_runtime_begin(struct mmr_runtime *rt, int64_t t_ns);
int64_t mmr_runtime_next_timer(const struct mmr_runtime *rt); /* when the next is due; INT64_MAX: none */
/* To t (never backwards), firing due timers in order; ties: by instance, then as they were set. A gap over six hours
 * is crossed as a suspended machine would: timers of its first six hours fire, then the rest once, at t. */
void mmr_runtime_advance(struct mmr_runtime *rt, int64_t t_ns);
/* From now on ids are hashes of this input, index and a counter (virtual time only). */
void mmr_runtime_set_origin(struct mmr_runtime *rt, const char *input, uint64_t index);

#endif
