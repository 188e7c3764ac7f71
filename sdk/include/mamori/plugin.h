/*
 * mamori/plugin.h - the plugin ABI, version 1. The only header a plugin must include.
 *
 * It is frozen: tests hold the place of every field (tests/abi/layout.h), and a plugin built for each minor version must go on
 * loading (tests/abi/released). What a plugin may rely on is in these comments: units, who owns what, on which thread, which errors.
 * Unless a comment says otherwise, pointers are borrowed for the call, texts are UTF-8 with a NUL, and 0 is success.
 *
 * source  mamori's own; what it was learnt from stands beside each rule: entry symbols that carry the major (VLC), structs that only grow
 *         (SQLite), extensions by id (CLAP), capabilities against grants (Falco). MessagePack, OCSF 1.8.0, semver 2.0.0
 */
#ifndef MAMORI_PLUGIN_H
#define MAMORI_PLUGIN_H

#include <stdbool.h> /* config structs hold bool */
#include <stddef.h>
#include <stdint.h>

#include <mamori/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Versioning. MAJOR is part of the entry symbol's name: a plugin for another major is simply not
 * found, and one file may export two majors. Within a major, structs only grow at the end and start
 * with struct_size, set by whoever allocates them; read a later field through MMR_HAS(). MINOR
 * counts those additions. No struct has implicit padding (tests compile this with -Wpadded): a field
 * added inside tail padding would look present in an older, smaller struct.
 */
#define MMR_ABI_MAJOR 1
#define MMR_ABI_MINOR 0
#define MMR_HAS(p, field)                                                                          \
    ((p)->struct_size >= offsetof(__typeof__(*(p)), field) + sizeof((p)->field))

/* Threads: [loop] the instance's one loop thread, never concurrent; [any] any thread. */

enum mmr_side { MMR_SIDE_NETWORK = 1 << 0, MMR_SIDE_ENDPOINT = 1 << 1 };
enum mmr_detects {
    MMR_DETECT_INBOUND = 1 << 0,  /* threats coming from outside (net.detect.inbound) */
    MMR_DETECT_OUTBOUND = 1 << 1, /* bad traffic leaving from inside (net.detect.outbound) */
    MMR_DETECT_HOST = 1 << 2,     /* behaviour of a PC or server (ep.detect) */
};
enum mmr_need { /* privileges; everything not declared *and* granted is dropped before create() */
    MMR_NEED_CAPTURE = 1 << 0,   /* packet sockets */
    MMR_NEED_NETFILTER = 1 << 1, /* nftables, conntrack, the nft tool */
    MMR_NEED_PROC = 1 << 2,      /* other processes' /proc entries, the kernel's messages */
    MMR_NEED_FILES_RO = 1 << 3,  /* read any file */
    MMR_NEED_NET_OUT = 1 << 4,   /* open connections */
    MMR_NEED_KILL = 1 << 5,      /* signal any process, destroy sockets */
    MMR_NEED_BPF = 1 << 6,       /* load BPF programs, perf events */
    MMR_NEED_FANOTIFY = 1 << 7,  /* file notification and permission events */
    MMR_NEED_FILES_RW = 1 << 8,  /* change any file */
    MMR_NEED_LISTEN = 1 << 9,    /* accept connections */
    MMR_NEED_RUN = 1 << 10,      /* start processes: itself again, or other programs, with what this one has */
};
enum { /* struct mmr_plugin.flags */
    MMR_PLUGIN_LINKED = 1 << 0, /* responder commands, or sensor or analyzer reads as receipts, a defence that is not ours */
    /* what it detects was found by a tool that is not ours: capabilities count only where the instance's
     * `tool:` names an entry of the site's `tools:` */
    MMR_PLUGIN_EXTERNAL = 1 << 1,
};

/* ---- configuration schema: the host parses, checks, defaults and fills; plugins never parse ---- */
enum mmr_cfg_type { /* C type at offset */
    MMR_CFG_STR = 1,   /* const char *, host-owned, lives as long as the instance; NULL if unset */
    MMR_CFG_INT = 2,   /* int64_t, checked against min/max */
    MMR_CFG_BOOL = 3,  /* bool */
    MMR_CFG_MSEC = 4,  /* int64_t milliseconds; written "5s", "200ms", "10m", "1h", "7d" */
    MMR_CFG_BYTES = 5, /* int64_t bytes; written "64K", "2M", "1G" */
    MMR_CFG_STRV = 6,  /* struct mmr_strv; the default is written "a, b" */
};
enum { MMR_CFG_REQUIRED = 1 << 0, MMR_CFG_SECRET = 1 << 1, MMR_CFG_RELOADABLE = 1 << 2 };
struct mmr_strv {
    const char *const *v;
    size_t n;
};
struct mmr_cfg_key {
    const char *name; /* as written in conf.d */
    uint32_t type, flags;
    uint32_t offset; /* into the plugin's own config struct, bound-checked by config_size */
    uint32_t reserved;
    const char *dflt; /* as the user would write it; NULL with REQUIRED, or for "unset" */
    int64_t min, max; /* both 0: unbounded */
    const char *doc;  /* one line; reaches the manual and the sample conf.d file */
};
#define MMR_CFG(st, member, ty, fl, def, lo, hi, text)                                             \
    {                                                                                              \
        #member, ty, fl, (uint32_t)offsetof(st, member), 0, def, lo, hi, text                      \
    }

/* ---- services the host gives (valid from create() until destroy() returns) ---- */
enum mmr_log_level { MMR_LOG_ERR = 3, MMR_LOG_WARN = 4, MMR_LOG_INFO = 6, MMR_LOG_DEBUG = 7 };
enum { MMR_FD_READ = 1 << 0, MMR_FD_WRITE = 1 << 1 };
enum { MMR_CLOCK_WALL = 0, MMR_CLOCK_MONOTONIC = 1 };
struct mmr_host {
    uint32_t struct_size;
    uint16_t abi_major, abi_minor;
    void *impl;               /* pass back as the first argument */
    const char *core_version; /* for messages only; never branch on it */
    const char *instance;     /* this instance's name, as in conf.d */
    const char *state_dir;    /* a directory of this instance's own, writable; "" in replay */

    /* [any] one line for the operator's log; level: enum mmr_log_level. Copied; repeats are limited and counted. */
    void (*log)(void *impl, int level, const char *text);
    /* [loop] copies one event (a MessagePack map, see mamori/event.h).
     * MMR_EAGAIN: the bus is full; a sensor that can wait stops reading until on_wake().
     * MMR_EBADMSG: not a valid event, or a kind the descriptor does not declare.
     * MMR_EINVAL: after stop(), or from a thread of the plugin's own. Refusals are counted as misbehaviour. */
    int (*emit)(void *impl, const void *msgpack, size_t len);
    /* [loop] the receipt of an action (see mamori/action.h), or the answer of a query.* verb; once for each act(), inside it or
     * later. code: 0, or the MMR_E code of what went wrong. Copies. MMR_EBADMSG: it is no flat map */
    int (*action_done)(void *impl, uint64_t action_id, int code, const void *msgpack, size_t len);
    /* [loop] on_fd() when fd can be read or written (MMR_FD_*, level triggered; it may also be called with nothing there, so fd
     * does not block). rw 0 stops; stop before close(). fd stays the plugin's. MMR_EINVAL: no on_fd; MMR_EIO: fd cannot be
     * watched (a regular file); MMR_ETOOBIG: over 4096 of one host. In replay nothing is watched */
    int (*watch_fd)(void *impl, int fd, unsigned rw, uint64_t cookie);
    /* [loop] on_timer(cookie) once, msec milliseconds from now, never early; the same cookie again replaces it; msec < 0 stops.
     * MMR_EINVAL: no on_timer; MMR_ETOOBIG: over 65536 of one host */
    int (*set_timer)(void *impl, int64_t msec, uint64_t cookie);
    void (*wake)(void *impl); /* [any] on_wake() on the loop, soon; several at once are one */
    /* [any] nanoseconds; MMR_CLOCK_WALL since 1970 UTC, MMR_CLOCK_MONOTONIC since some point. Both follow the data in replay */
    int64_t (*now_ns)(void *impl, int clock);
    /* [loop] a service by id with revision, or NULL. The id of a topic (mamori/net.h) gives a
     * struct mmr_topic whose publish() reaches the sinks of every instance in this host. */
    const void *(*extension)(void *impl, const char *id);
    /* [loop] a forwarder says how far a handed-over record got; level: enum mmr_delivery; time_ns: wall clock; detail: one line or
     * NULL, copied. Each record by its own seq. MMR_EINVAL: no such level */
    int (*forward_done)(void *impl, uint64_t seq, int level, int64_t time_ns, const char *detail);
    /* append here only */
};

/* ---- topics: borrowed structs between instances of one host (packets, streams, transactions) ---- */
struct mmr_topic { /* host->extension(impl, "mamori.packet/0") */
    uint32_t struct_size, reserved;
    void (*publish)(void *impl, const struct mmr_topic *topic, const void *item); /* [loop] borrowed */
    uint32_t sinks, reserved2; /* how many listen; 0: publishing may be skipped */
};
struct mmr_sink { /* plugin->extension("mamori.packet/0") */
    uint32_t struct_size, reserved;
    void (*item)(void *self, const void *item); /* [loop] valid for the call only */
};

/* ---- recorded input: a sensor that can read files in event time (plugin->extension("mamori.replay/0")) ---- */
struct mmr_replay_ops {
    uint32_t struct_size, reserved;
    /* [loop] MMR_OK if the first bytes are of a format this sensor reads; MMR_EUNSUPPORTED if not.
     * format: as given by the user, or NULL: recognise from the content. path "-" is stdin.
     * name: what to call the input in events ("mamori.input"). */
    int (*open)(void *self, const char *path, const char *name, const char *format,
                struct mmr_error *err);
    /* [loop] the time of the next record, ns UTC; MMR_ENOENT at the end of the input */
    int (*next)(void *self, int64_t *ret_time_ns, struct mmr_error *err);
    /* [loop] emit or publish that record. errors any: the input ends here, with one warning */
    int (*step)(void *self, struct mmr_error *err);
};

/* ---- roles; a plugin may hold several ---- */
struct mmr_sensor_ops { /* produces events with host->emit() */
    uint32_t struct_size, reserved;
    /* [loop] once, when every instance of the host is made; not called in replay. errors any: the host does not come up, err says why */
    int (*start)(void *self, struct mmr_error *err);
    void (*stop)(void *self); /* [loop] no emit() afterwards */
    /* [loop] may be NULL. Every event emitted up to the upto-th (counting from 1 since create) is
     * committed: a listener may now acknowledge its own senders. */
    void (*on_committed)(void *self, uint64_t upto);
};
struct mmr_analyzer_ops { /* reads events of other plugins of the same node, emits findings */
    uint32_t struct_size, reserved;
    /* [loop] borrowed; a sound flat map (mamori/event.h) with the core's stamps, of a kind in subscribes[], whose other fields may be
     * of any type. What it emits inside reaches other analyzers when it has returned. An error is counted, the event goes on. May be NULL if
     * subscribes[] is empty: a plugin that listens to topics only and has a finish() */
    int (*event)(void *self, const void *msgpack, size_t len, struct mmr_error *err);
    int (*finish)(void *self, struct mmr_error *err); /* [loop] may be NULL: end of recorded input */
};
enum {
    MMR_ACT_UNDO = 1 << 0,    /* take the action with this id back */
    MMR_ACT_DRY_RUN = 1 << 1, /* check and report, change nothing */
    MMR_ACT_RENEW = 1 << 2,   /* the same id: extend its lease to ttl_ms from now */
    MMR_ACT_VERIFY = 1 << 3,  /* the same id: read back and report, change nothing */
};
struct mmr_action { /* borrowed for the call */
    uint32_t struct_size;
    uint32_t flags;   /* MMR_ACT_* */
    uint64_t id;      /* idempotency key: seen twice, done once */
    const char *verb; /* one of the descriptor's actions[] */
    int64_t ttl_ms;   /* lease on the monotonic clock; the responder undoes it by then. 0: until undo */
    const void *msgpack; /* target and parameters, a flat map (mamori/action.h) */
    size_t len;
};
struct mmr_responder_ops {
    uint32_t struct_size, reserved;
    /* [loop] 0: done, action_done() was or will be called; MMR_EAGAIN: action_done() follows. errors MMR_EPERM refused, MMR_EUNSUPPORTED,
     * MMR_EBADMSG the target, MMR_EIO: err is the receipt then */
    int (*act)(void *self, const struct mmr_action *a, struct mmr_error *err);
    /* [loop] after restart: these actions live; everything else of ours is undone. Their receipts
     * are sent again through action_done(). live: n ids, borrowed. errors any: said in the log */
    int (*reconcile)(void *self, const uint64_t *live, size_t n, struct mmr_error *err);
};
enum mmr_delivery { /* SERVICE: delivery levels L0 to L4; negative: given up */
    MMR_DELIVERY_FAILED = -1,
    MMR_DELIVERY_TRIED = 0,
    MMR_DELIVERY_GATEWAY = 1,
    MMR_DELIVERY_RECIPIENT = 2,
    MMR_DELIVERY_SHOWN = 3,
    MMR_DELIVERY_CONFIRMED = 4,
};
struct mmr_forwarder_ops {
    uint32_t struct_size, reserved;
    /* [loop] data: one record of len bytes, UTF-8 JSON of OCSF, borrowed; seq: its place in the queue, for forward_done().
     * errors MMR_EAGAIN not now, offer it again later; others: as forward_done() with MMR_DELIVERY_FAILED, err is the detail */
    int (*forward)(void *self, const void *data, size_t len, uint64_t seq, struct mmr_error *err);
    /* [loop] before the end: hand on what waits, for at most deadline_ms milliseconds. errors are said, the end comes all the same */
    int (*flush)(void *self, int64_t deadline_ms, struct mmr_error *err);
};

/* ---- descriptor: const data, readable without running plugin code ---- */
struct mmr_plugin {
    uint32_t struct_size;
    uint16_t abi_major, abi_minor; /* built with; host refuses min_host_minor > its own */
    uint16_t min_host_minor, reserved;
    uint32_t side, detects, needs, flags; /* enum mmr_side, mmr_detects, mmr_need, MMR_PLUGIN_* */
    uint32_t reserved2;
    const char *id; /* reverse-DNS, [a-z0-9.-]{3,63}: "org.example.beacon" */
    const char *name, *version, *vendor, *license, *doc; /* version: semver */

    const char *const *actions; /* NULL-terminated verbs, e.g. "block.addr" */
    const char *const *events;  /* NULL-terminated kinds emitted; others are rejected */

    const struct mmr_cfg_key *config; /* ends with .name == NULL; NULL: no configuration */
    uint32_t config_size;             /* sizeof the struct the offsets index */
    uint32_t config_stride;           /* sizeof(struct mmr_cfg_key): rows may grow within a major */

    /* [loop] Lifecycle. create() gets a filled config it may keep reading until destroy(), or until reload_commit(), when the
     * one given to reload_prepare() takes its place. *ret_self: the plugin's own, not NULL, given to destroy() once. errors MMR_ECONFIG, MMR_ENOMEM, …: one sentence for the operator */
    int (*create)(const struct mmr_host *host, const void *config, void **ret_self,
                  struct mmr_error *err);
    void (*destroy)(void *self); /* [loop] accepts NULL; threads of the plugin's own are joined in it, and self is gone */
    /* [loop] Two-phase reload; prepare may be NULL: the instance restarts. prepare() checks the new config
     * and loads what it needs beside the old; then exactly one of commit() and abort() follows. errors MMR_ECONFIG and others: the old one stays */
    int (*reload_prepare)(void *self, const void *config, struct mmr_error *err);
    void (*reload_commit)(void *self); /* [loop] the new configuration holds from now on; cannot fail */
    void (*reload_abort)(void *self);  /* [loop] the old one stays; what prepare() made is freed */
    /* [loop] fd (still the plugin's) can be read or written, MMR_FD_*, or an error waits there; cookie as given to watch_fd(). NULL: nothing is watched */
    void (*on_fd)(void *self, int fd, unsigned rw, uint64_t cookie);
    void (*on_timer)(void *self, uint64_t cookie); /* [loop] a timer of set_timer() is due, once. NULL: none is set */
    void (*on_wake)(void *self); /* [loop] after wake(), and when emit() takes events again after MMR_EAGAIN. May be NULL */

    const char *const *subscribes; /* NULL-terminated kinds an analyzer reads; "*" is every kind */
    const struct mmr_sensor_ops *sensor;
    const struct mmr_analyzer_ops *analyzer;
    const struct mmr_responder_ops *responder;
    const struct mmr_forwarder_ops *forwarder;
    /* [any] what it offers under this id (a struct mmr_sink, mmr_replay_ops, …, const data that stays for ever), or NULL; may itself be NULL */
    const void *(*extension)(const char *id);
    /* append here only */
};

/*
 * One source, two builds. MMR_PLUGIN(beacon) names the descriptor mmr_plugin_beacon for the
 * generated built-in table; with MMR_PLUGIN_SHARED it also exports the one dlsym() symbol.
 */
#define MMR_ENTRY_NAME "mmr_plugin_entry_v1"
#ifdef MMR_PLUGIN_SHARED
#define MMR_PLUGIN(ident)                                                                          \
    extern const struct mmr_plugin mmr_plugin_##ident;                                             \
    __attribute__((visibility("default"))) extern const struct mmr_plugin                          \
        *const mmr_plugin_entry_v1;                                                                \
    const struct mmr_plugin *const mmr_plugin_entry_v1 = &mmr_plugin_##ident;                      \
    const struct mmr_plugin mmr_plugin_##ident
#else
#define MMR_PLUGIN(ident)                                                                          \
    extern const struct mmr_plugin mmr_plugin_##ident;                                             \
    const struct mmr_plugin mmr_plugin_##ident
#endif
#define MMR_PLUGIN_HEAD                                                                            \
    .struct_size = sizeof(struct mmr_plugin), .abi_major = MMR_ABI_MAJOR,                          \
    .abi_minor = MMR_ABI_MINOR, .config_stride = sizeof(struct mmr_cfg_key)

#ifdef __cplusplus
}
#endif
#endif
