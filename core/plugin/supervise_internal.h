/* supervise_internal.h - the insides of the supervisor, shared by supervise.c, watch.c, host_group.c and reload.c only. */
#ifndef MMR_PLUGIN_SUPERVISE_INTERNAL_H
#define MMR_PLUGIN_SUPERVISE_INTERNAL_H

#include "plugin/supervise.h"

#include "bus/local.h"
#include "plugin/cgroup.h"

#include <event2/event.h>

enum { ENDS_MAX = 32, ARGS_MAX = 15 };

struct mmr_group_instance {
    char name[MMR_RUNTIME_NAME_MAX + 1], plugin[64];
    char *state_dir;
    char **actions; /* NULL: all */
    size_t n_actions;
    int file_fd;
    uint32_t side, needs;
    bool is_tool_named, is_program;
    uint8_t *packed, *next_packed; /* next: while a reload is under way */
    size_t packed_len, next_len;
    struct mmr_host_info info;
};
struct mmr_group { /* what makes a child a plugin host */
    char node[128], endpoint[MMR_LOCAL_ENDPOINT_MAX + 1];
    uint8_t secret[MMR_LOCAL_SECRET];
    uint32_t uid, gid, group_id;
    struct mmr_host_sandbox sandbox;
    char *wants; /* one kind a line */
    struct mmr_group_instance *instances;
    size_t n;
};

struct mmr_child {
    struct mmr_supervisor *sup;
    struct mmr_child *next;
    char name[MMR_RUNTIME_NAME_MAX + 1];
    char *argv[ARGS_MAX + 2];
    struct mmr_supervise_limits limits;
    bool is_sensor, is_lost; /* is_lost: said so; "sensor.back" is owed */
    int (*assign)(void *ctx, struct mmr_child *c, struct mmr_error *err);
    void *ctx;
    enum mmr_child_state state;
    bool is_wanted, is_restarting; /* is_wanted: shall run; is_restarting: its end is ours */
    bool has_ceiling;              /* the kernel holds it to its memory */
    bool is_restart_due;           /* a reload it cannot do without */
    pid_t pid;
    int pidfd, page_fd;
    struct mmr_trace *page;
    struct mmr_channel *channel;
    struct event *exit_ev, *deadline_ev; /* deadline: ready, stuck, stop or restart, by state */
    int64_t deadline_ms;                 /* monotonic, for status */
    enum mmr_child_cause cause;          /* why we are ending it */
    char refusal[248];
    int64_t ends_ms[ENDS_MAX];           /* monotonic */
    uint32_t n_ends, restarts;
    int64_t started_ns, rss_bytes;
    struct mmr_beat beat;
    struct mmr_child_end end;
    struct mmr_group *group;
};

struct mmr_reload {
    bool is_active, is_decided, is_done_called;
    uint32_t waiting; /* answers still to come */
    mmr_reload_fn done;
    void *ctx;
    struct event *timeout_ev;
};

struct mmr_supervisor {
    struct event_base *base;
    char exe[4096];
    struct mmr_supervise_limits limits;
    struct mmr_supervisor_ops ops;
    void *ctx;
    struct mmr_child *children;
    struct event *watch_ev; /* memory, once a second */
    uint64_t jitter;
    struct mmr_reload reload;
    struct mmr_cgroup cgroup; /* dir "": none */
};

/* supervise.c */
void mmr_child_kill(struct mmr_child *c, enum mmr_child_cause cause);
void mmr_child_limits(struct mmr_supervise_limits *l, const struct mmr_supervise_limits *given,
                      const struct mmr_supervise_limits *dflt);
/* host_group.c */
int mmr_group_assign(struct mmr_child *c, struct mmr_error *err);
void mmr_group_free(struct mmr_group *g);
void mmr_group_info(struct mmr_child *c, const struct mmr_message *m);
bool mmr_group_is_program(const struct mmr_child *c);
void mmr_group_sandbox(struct mmr_child *c, const struct mmr_message *m);
/* reload.c */
void mmr_reload_answer(struct mmr_child *c, const struct mmr_message *m);
void mmr_reload_child_ended(struct mmr_child *c);

#endif
