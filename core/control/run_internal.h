/* run_internal.h - inside the supervisor: run.c (life), run_hosts.c (children from configuration), run_status.c
 * (light, status), run_reload.c (SIGHUP). */
#ifndef MMR_CONTROL_RUN_INTERNAL_H
#define MMR_CONTROL_RUN_INTERNAL_H

#include "bus/local.h"
#include "config/sources.h"
#include "control/run.h"
#include "control/server.h"
#include "plugin/admit.h"
#include "plugin/roles.h"
#include "plugin/supervise.h"

#include <event2/event.h>
#include <json-c/json.h>

enum { MMR_RUN_HOSTS_MAX = MMR_LOCAL_SLOTS_MAX, MMR_RUN_REFUSED_MAX = 64, MMR_RUN_FACTS_MAX = 64, MMR_RUN_ASKED_MAX = MMR_CONTROL_CLIENTS_MAX + 8 };

struct mmr_run_tool { /* what was found out about an instance's file before it ran */
    char sha256[MMR_SHA256_TEXT], key[MMR_SIGN_ID_TEXT], file[256];
    uint32_t needs; /* granted */
    bool is_bundled, is_listed, is_registered;
};
struct mmr_run_refused { /* a configured plugin that may not run here */
    char instance[64], plugin[64], file[256], reason[24], text[248];
};
struct mmr_run_trust { /* by what the plugins were judged */
    char level[16], service[128], issued[40], signed_by[128], toolset_hash[MMR_SHA256_TEXT], no_manifest[248];
    size_t n_keys, n_bad_keys, n_refused;
    struct mmr_run_refused refused[MMR_RUN_REFUSED_MAX];
    uint64_t digest;
};
struct mmr_run_host {
    char name[64];
    char endpoint[MMR_LOCAL_ENDPOINT_MAX + 1];
    uint8_t secret[MMR_LOCAL_SECRET];
    struct mmr_child *child;
    uint32_t user;                    /* its own; 0: the supervisor's */
    bool is_program;                  /* one instance, a program */
    size_t n;                         /* instances, in the order of their index */
    char instance[MMR_LOCAL_INSTANCES_MAX][64];
    bool is_dry_run[MMR_LOCAL_INSTANCES_MAX];
    struct mmr_run_tool tool[MMR_LOCAL_INSTANCES_MAX];
    uint64_t conf_hash;               /* of everything but the plugins' own keys */
};
struct mmr_run_fact {
    void *bytes;
    size_t len;
};
#define MMR_RUN_MEASURE UINT64_MAX /* no client has it: the role `measure` asked */
struct mmr_run_asked { /* a question passed on to the brain */
    int64_t id;                       /* 0: free */
    uint64_t client;                  /* 0: our own; MMR_RUN_MEASURE */
    char command[32];
    struct json_object *pending;      /* status: what the brain's answer goes into */
    char *text;                       /* parts so far */
    size_t len;
};
struct mmr_run_state {
    const struct mmr_run_opts *opts;
    struct event_base *base;
    struct event *sigterm, *sigint, *sighup, *tick;
    struct mmr_config *config;
    struct mmr_supervisor *sup;
    struct mmr_child *core; /* the brain or the agent */
    struct mmr_child *measure; /* serves metrics.listen; NULL: not set */
    bool is_core_ready, is_stopping, is_endpoint;
    struct mmr_run_host host[MMR_RUN_HOSTS_MAX];
    size_t n_hosts;
    struct mmr_run_trust trust;
    uint32_t first_user;              /* of the range for plugin hosts; 0: they run as the supervisor's user */
    char no_users[248];               /* why */
    char no_ceiling[160];             /* why the kernel does not hold hosts to their memory; "" it does */
    struct mmr_run_fact fact[MMR_RUN_FACTS_MAX];
    size_t n_facts, lost_facts;
    struct mmr_control_server *control;
    struct mmr_run_asked asked[MMR_RUN_ASKED_MAX];
    int64_t next_id;
    int64_t started_ns;
    struct json_object *brain; /* its last status, or NULL */
    int64_t brain_at_ns;
    bool is_announced;
    int lock_fd;
    struct mmr_run_pause *pause; /* responders are away (run_undo.c); NULL: no */
    uint64_t reload_client; /* who waits for it; 0: nobody */
    bool is_reloading, is_reload_due; /* due: asked for by a signal while one was under way */
    struct mmr_config *next_config;
    struct json_object *changes;
};

/* run_hosts.c */
int mmr_run_make_hosts(struct mmr_run_state *s, struct mmr_error *err);
int mmr_run_make_core(struct mmr_run_state *s, struct mmr_error *err);
/* May the clock be what was asked for, under this configuration? errors MMR_ECONFIG */
int mmr_run_clock_allowed(const struct mmr_run_state *s, const struct mmr_config *c, struct mmr_error *err);
void mmr_run_tell_instances(struct mmr_run_state *s, size_t slot); /* after a host came up */
void mmr_run_tell_down(struct mmr_run_state *s, size_t slot);
void mmr_run_tell_all(struct mmr_run_state *s);                    /* after the core came up */
void mmr_run_tell_fact(struct mmr_run_state *s, const void *bytes, size_t len);
struct mmr_run_host *mmr_run_host_of(struct mmr_run_state *s, const struct mmr_child *c, size_t *ret_slot);
uint64_t mmr_run_conf_hash(const struct mmr_config *c, const char *host);

/* run_trust.c */
int mmr_run_trust_begin(struct mmr_run_state *s, struct mmr_trust *t, struct mmr_error *err); /* mmr_trust_done(t) */
/* May this instance run? A refusal is no error: it is told, and *ret_is_in is false. */
int mmr_run_admit(struct mmr_run_state *s, const struct mmr_trust *t, const struct mmr_instance_conf *x, struct mmr_admission *ret,
                  bool *ret_is_in, struct mmr_error *err);
void mmr_run_note_tool(struct mmr_run_tool *k, const struct mmr_admission *a);
struct json_object *mmr_run_trust_json(const struct mmr_run_state *s);
struct json_object *mmr_run_refused_json(const struct mmr_run_state *s);
void mmr_run_tool_json(struct json_object *o, const struct mmr_run_tool *k, const struct mmr_host_info *x);

/* run_users.c */
void mmr_run_users_begin(struct mmr_run_state *s);
void mmr_run_users_try(struct mmr_run_state *s); /* once the folders are there */
uint32_t mmr_run_user(const struct mmr_run_state *s, const char *host); /* 0: the supervisor's */
void mmr_run_own_folder(const char *path, uint32_t user); /* path and all below it are this user's */
/* A folder on the way: its group may pass. */
int mmr_run_pass_folder(const struct mmr_run_state *s, const char *path, uint32_t group, mode_t mode, struct mmr_error *err);

/* run_status.c */
void mmr_run_request(void *ctx, uint64_t client, const char *command, struct json_object *args);
void mmr_run_answered(struct mmr_run_state *s, const struct mmr_message *m);
void mmr_run_misbehaved(struct mmr_run_state *s, const struct mmr_message *m); /* the core about a host */
void mmr_run_ask(struct mmr_run_state *s, uint64_t client, const char *command, const char *text, struct json_object *pending);
void mmr_run_unanswered(struct mmr_run_state *s); /* the core ended: nobody will answer what it was asked */
bool mmr_run_is_tested(const struct mmr_run_state *s);
void mmr_run_announce(struct mmr_run_state *s); /* what an owner reads once everything has come up */

struct json_object *mmr_run_status_json(struct mmr_run_state *s); /* without the brain's part */

/* run_measure.c */
int mmr_run_make_measure(struct mmr_run_state *s, struct mmr_error *err); /* as metrics.listen says; not started */
void mmr_run_measure_follow(struct mmr_run_state *s, const struct mmr_config *old); /* after a reload */
void mmr_run_measure(struct mmr_run_state *s);                              /* it asks */
void mmr_run_measured(struct mmr_run_state *s, const char *text, size_t len); /* text NULL: cannot be told */

/* run_undo.c */
void mmr_run_responders_stop(struct mmr_run_state *s, uint64_t client);
void mmr_run_responders_start(struct mmr_run_state *s, uint64_t client);
void mmr_run_pause_free(struct mmr_run_state *s);

/* run_reload.c */
void mmr_run_reload(struct mmr_run_state *s, uint64_t client);

#endif
