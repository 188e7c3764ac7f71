/*
 * supervise.h - child processes: started, watched, restarted with a growing delay, and put aside when they
 * keep ending. A child is any role of this executable; a plugin host is one with instances. The supervisor
 * reads nothing from outside but bounded messages of its own children.
 *
 * Every child finds the control channel at MMR_CHANNEL_FD and must say MMR_MSG_READY within ready_ms and a
 * heartbeat (MMR_MSG_BEAT) each second from then on: see struct mmr_tether below, which does it for the roles.
 * EOF on the channel means: end. Everything is [loop].
 */
#ifndef MMR_PLUGIN_SUPERVISE_H
#define MMR_PLUGIN_SUPERVISE_H

#include "plugin/channel.h"
#include "plugin/runtime.h"

#include <sys/types.h>

struct mmr_supervisor;
struct mmr_child;

enum mmr_child_state {
    MMR_CHILD_STOPPED = 0, MMR_CHILD_STARTING, MMR_CHILD_RUNNING, MMR_CHILD_STOPPING, /* told to end */
    MMR_CHILD_WAITING,     /* ended; starts again after its delay */
    MMR_CHILD_QUARANTINED, /* ended too often; stays so until mmr_child_start() */
};
const char *mmr_child_state_name(enum mmr_child_state s); /* "stopped", "starting", "running", ... */

enum mmr_child_cause { /* why it ended */
    MMR_CAUSE_NONE = 0, MMR_CAUSE_EXIT, MMR_CAUSE_SIGNAL, MMR_CAUSE_REFUSED, /* it said why it cannot run */
    MMR_CAUSE_NOT_READY, MMR_CAUSE_STUCK, MMR_CAUSE_MEMORY, MMR_CAUSE_NONSENSE, MMR_CAUSE_STOPPED, MMR_CAUSE_SPAWN,
};
const char *mmr_child_cause_name(enum mmr_child_cause c); /* "signal", "stuck", "memory", ... */

struct mmr_child_end { /* the last end of a child */
    enum mmr_child_cause cause;
    int status;         /* exit status, or the signal that ended it */
    int64_t at_ns;      /* wall; 0: it never ended */
    char instance[MMR_RUNTIME_NAME_MAX + 1]; /* what its loop was serving; "" nothing, or not known */
    const char *doing;  /* "event", "timer", ... static text */
    char kind[64];      /* the last event kind it handled */
    char text[248];     /* one line for people */
};

struct mmr_supervise_limits { /* 0: the default in brackets */
    int64_t ready_ms;          /* [20000] */
    int64_t stuck_ms;          /* no heartbeat for so long: killed [15000] */
    int64_t stop_ms;           /* from "end" to SIGKILL [5000] */
    int64_t memory_bytes;      /* resident; [512 MiB] */
    int64_t delay_ms;          /* first restart delay, doubled at each further end in the window, with jitter [200] */
    int64_t delay_max_ms;      /* [60000] */
    int64_t window_ms;         /* [600000] */
    uint32_t quarantine_after; /* ends within window_ms [5], at most 32 */
};

/* A change that is itself a security event. */
struct mmr_supervise_fact {
    const char *kind; /* "sensor.lost", "sensor.back", "plugin.refused" */
    const struct mmr_child *child;
    const struct mmr_child_end *end; /* lost, refused */
};
/* The fact as an event of the core itself (1008, 99), ready to be stamped. errors MMR_ETOOBIG */
int mmr_fact_event(const struct mmr_supervise_fact *f, int64_t now_ns, void *buf, size_t cap, size_t *ret_len);

struct mmr_supervisor_ops { /* any may be NULL */
    void (*state)(void *ctx, struct mmr_child *c, enum mmr_child_state from, enum mmr_child_state to);
    void (*fact)(void *ctx, const struct mmr_supervise_fact *f);
    /* A message of type MMR_MSG_OWN and above. */
    void (*message)(void *ctx, struct mmr_child *c, const struct mmr_message *m);
};

struct event_base;
/* exe: NULL: /proc/self/exe. ops, ctx borrowed. */
int mmr_supervisor_new(struct event_base *base, const char *exe, const struct mmr_supervise_limits *limits,
                       const struct mmr_supervisor_ops *ops, void *ctx, struct mmr_supervisor **ret_sup,
                       struct mmr_error *err);
/* Let the kernel hold each plugin host to a quarter above its memory_bytes, where it can. Returns why it cannot; "" it does. */
const char *mmr_supervisor_use_cgroups(struct mmr_supervisor *sup);
/* Kills what still runs (stop first to let them end by themselves) and frees every child. Accepts NULL. */
void mmr_supervisor_free(struct mmr_supervisor *sup);
void mmr_supervisor_stop(struct mmr_supervisor *sup);           /* asks all to end; the last started first */
bool mmr_supervisor_is_idle(const struct mmr_supervisor *sup);  /* no process of ours is left */

/* ---- a role that is no plugin host ---- */

struct mmr_child_conf {
    const char *name;           /* "brain", "agent", "console"; unique */
    const char *const *argv;    /* after the executable, NULL at the end: {"brain", NULL} */
    const struct mmr_supervise_limits *limits; /* NULL: the supervisor's */
    bool is_sensor;             /* its loss is a "sensor.lost" */
    /* Send the role what it needs (MMR_MSG_OWN and above); called at each start, before GO. May be NULL. */
    int (*assign)(void *ctx, struct mmr_child *c, struct mmr_error *err);
    void *ctx;
};
/* Known, not started yet. errors MMR_EINVAL the name is taken; MMR_ENOMEM */
int mmr_child_new(struct mmr_supervisor *sup, const struct mmr_child_conf *conf, struct mmr_child **ret_child,
                  struct mmr_error *err);
void mmr_child_free(struct mmr_child *c); /* kills it if it runs. Accepts NULL */
void mmr_child_start(struct mmr_child *c); /* also out of quarantine; its history of ends is forgotten */
void mmr_child_stop(struct mmr_child *c);  /* asks it to end, kills it after stop_ms; no restart */
void mmr_child_restart(struct mmr_child *c); /* ends on purpose and starts again at once; counts as no failure */
int mmr_child_send(struct mmr_child *c, uint32_t type, struct mmr_event *map, const void *tail, size_t tail_len, int fd);

/* ---- a plugin host ---- */

struct mmr_host_instance { /* all borrowed by mmr_host_new(), which copies */
    const char *name, *plugin; /* instance name; plugin id */
    int file_fd;               /* sealed .so (mmr_plugin_seal), duplicated; -1: built in */
    uint32_t side, needs;      /* side 0: the descriptor's only one; needs: granted, enum mmr_need */
    struct mmr_strv actions;   /* granted verbs; v NULL: all */
    const char *state_dir;
    const uint8_t *packed;     /* mmr_config_pack() */
    size_t packed_len;
    bool is_tool_named, is_program; /* config.h */
};
struct mmr_host_conf {
    const char *name;          /* host group */
    const char *node, *endpoint;
    const uint8_t *secret;     /* MMR_LOCAL_SECRET bytes */
    uint32_t uid, gid, group;  /* 0: as the supervisor; group: a further one */
    const char *const *wants;  /* kinds sent to the core besides findings, NULL at the end; NULL: none */
    const struct mmr_host_instance *instances;
    size_t n;                  /* their order is the index on the local bus */
    const struct mmr_supervise_limits *limits;
};
int mmr_host_new(struct mmr_supervisor *sup, const struct mmr_host_conf *conf, struct mmr_child **ret_child,
                 struct mmr_error *err);

/* What the host said about an instance once it was loaded; texts live until the host is started again. */
struct mmr_host_info {
    bool is_known;
    uint32_t side, caps, roles, needs; /* enum mmr_side, mmr_cap, mmr_plugin_role, mmr_need */
    char version[48], maker[64], model[64];
    char actions[512], subscribes[1024], events[1024]; /* space separated */
};
struct mmr_host_sandbox { /* what confines it, as it said when it came up */
    bool is_known;
    int landlock;          /* 0: not in force */
    uint32_t user;
    char no_landlock[120]; /* why not */
    bool has_ceiling;      /* the kernel holds it to its memory (control group) */
};
const struct mmr_host_sandbox *mmr_host_sandbox(const struct mmr_child *c); /* NULL: no plugin host */
size_t mmr_host_instances(const struct mmr_child *c); /* 0: no plugin host */
const char *mmr_host_instance_name(const struct mmr_child *c, size_t i);
const char *mmr_host_instance_plugin(const struct mmr_child *c, size_t i);
const struct mmr_host_info *mmr_host_info(const struct mmr_child *c, size_t i);

/*
 * Two-phase reload over all hosts. prepare() sends each changed instance's configuration; done() is called once with
 * 0, or with the first refusal; then mmr_reload_commit() or mmr_reload_abort(). A host whose plugin cannot
 * reload is restarted by commit with the new configuration. One at a time. errors MMR_EAGAIN one is under way
 */
struct mmr_reload_item {
    struct mmr_child *host;
    size_t instance;
    const uint8_t *packed;
    size_t packed_len;
};
typedef void (*mmr_reload_fn)(void *ctx, int code, const char *text);
int mmr_reload_prepare(struct mmr_supervisor *sup, const struct mmr_reload_item *items, size_t n, int64_t timeout_ms,
                       mmr_reload_fn done, void *ctx, struct mmr_error *err);
void mmr_reload_commit(struct mmr_supervisor *sup);
void mmr_reload_abort(struct mmr_supervisor *sup);

/* It broke a protocol, in the way text says. A program (mmr_host_instance) is ended for it; of other hosts it is known from the log. */
void mmr_child_nonsense(struct mmr_child *c, const char *text);

/* ---- status ---- */

struct mmr_child_status {
    const char *name;
    enum mmr_child_state state;
    pid_t pid;
    uint32_t restarts;      /* since it was made */
    uint32_t recent_ends;   /* within the window */
    int64_t started_ns;     /* wall, of the process that runs */
    int64_t next_start_ms;  /* WAITING: how long still */
    int64_t rss_bytes;
    uint64_t ticks;         /* heartbeats of the process that runs */
    struct mmr_child_end end;
};
void mmr_child_status(const struct mmr_child *c, struct mmr_child_status *ret);
/* Counters as of the last heartbeat; false: no plugin host or no such instance. */
bool mmr_host_counters(const struct mmr_child *c, size_t i, struct mmr_runtime_counters *ret);
const char *mmr_child_name(const struct mmr_child *c);

/* ---- the child's side ---- */

struct mmr_beat { /* MMR_MSG_BEAT's tail: one process, one executable, so a plain copy */
    uint64_t tick;
    uint32_t n, reserved;
    struct mmr_runtime_counters counters[MMR_RUNTIME_INSTANCES_MAX];
};
struct mmr_tether;
struct mmr_tether_ops {
    void (*message)(void *ctx, const struct mmr_message *m);
    void (*end)(void *ctx); /* the supervisor is gone or said STOP: leave */
    /* Fill counters before a heartbeat; may be NULL. */
    void (*beat)(void *ctx, struct mmr_beat *b);
};
/* Takes the channel at MMR_CHANNEL_FD. errors MMR_EPERM this process was not started by a supervisor */
int mmr_tether_new(struct event_base *base, const struct mmr_tether_ops *ops, void *ctx, struct mmr_tether **ret_tether,
                 struct mmr_error *err);
void mmr_tether_free(struct mmr_tether *l); /* accepts NULL */
int mmr_tether_send(struct mmr_tether *l, uint32_t type, struct mmr_event *map, const void *tail, size_t tail_len, int fd);
void mmr_tether_ready(struct mmr_tether *l); /* says READY; heartbeats follow by themselves */
void mmr_tether_refuse(struct mmr_tether *l, const char *text); /* says why this role cannot run; then exit */
struct mmr_trace *mmr_tether_trace(struct mmr_tether *l); /* the page the supervisor reads after a crash */

#endif
