/* undo.c - every block of this machine taken back, by its responders, in this process. */
#include "control/undo.h"

#include "model/incident.h"
#include "plugin/loop.h"
#include "plugin/admit.h"
#include "plugin/describe.h"
#include "plugin/runtime.h"
#include "store/actions.h"
#include "store/evidence.h"
#include "store/incidents.h"
#include "util/clock.h"
#include "util/scope.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

enum { ACTIONS_MAX = 16384, SETTLE_MS = 200, TEXT_MAX = 240 };

bool mmr_undo_is_possible(enum mmr_verb v)
{
    return v != MMR_VERB_NONE && v != MMR_VERB_CUT_FLOW && v != MMR_VERB_KILL_PROCESS && v != MMR_VERB_QUERY_CONNECTION_OWNER &&
           v < MMR_VERB_COUNT;
}

struct undo {
    const struct mmr_config *config;
    const struct mmr_plugin *const *builtins;
    const char *node, *who;
    mmr_undo_fn fn;
    void *ctx;
    struct mmr_action_rec *live; /* of the store, before */
    enum mmr_undo_what *state;   /* of each; MMR_UNDO_UNKNOWN at first */
    size_t n, cap;
    struct mmr_undo_result result;
    char trouble[TEXT_MAX]; /* the first error of the instance at hand */
};

static void tell(struct undo *u, enum mmr_undo_what what, const char *instance, const char *text, const struct mmr_action_rec *a)
{
    const struct mmr_undo_news n = {.what = what, .instance = instance, .text = text, .action = a};
    u->fn(u->ctx, &n);
}

static int lock(const struct mmr_config *c, int *ret_fd, struct mmr_error *err)
{
    const char *dir = mmr_config_str(c, "node.run_dir");
    char path[4096];
    struct stat st;
    *ret_fd = -1;
    if ((size_t)snprintf(path, sizeof path, "%s/lock", dir) >= sizeof path)
        return mmr_fail(err, MMR_EINVAL, "node.run_dir is longer than a path may be");
    if (stat(dir, &st) != 0)
        return errno == ENOENT ? 0 : mmr_fail(err, MMR_EIO, "'%s': %s", dir, strerror(errno)); /* nothing ever ran here */
    mmr_autoclose int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return mmr_fail(err, MMR_EIO, "'%s': %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return mmr_fail(err, MMR_EPERM, "a mamori runs here (it holds '%s') and does not answer; end it first, then ask again", path);
    *ret_fd = fd;
    fd = -1;
    return 0;
}

static int remember(void *ctx, const struct mmr_action_rec *a)
{
    struct undo *u = ctx;
    if (!mmr_undo_is_possible(a->verb))
        return 0;
    if (u->n == u->cap) {
        size_t cap = u->cap ? 2 * u->cap : 64;
        if (cap > ACTIONS_MAX)
            return MMR_ETOOBIG;
        struct mmr_action_rec *live = realloc(u->live, cap * sizeof *live);
        if (live)
            u->live = live;
        enum mmr_undo_what *state = live ? realloc(u->state, cap * sizeof *state) : NULL;
        if (!state)
            return MMR_ENOMEM;
        u->state = state;
        u->cap = cap;
    }
    bool is_here = a->node[0] == '\0' || strcmp(a->node, u->node) == 0;
    u->live[u->n] = *a;
    u->state[u->n++] = is_here ? MMR_UNDO_UNKNOWN : MMR_UNDO_ELSEWHERE;
    return 0;
}

/* ---- one responder ---- */

static void on_log(void *ctx, uint32_t instance, int level, const char *text)
{
    struct undo *u = ctx;
    (void)instance;
    if (level <= MMR_LOG_ERR && !u->trouble[0])
        (void)snprintf(u->trouble, sizeof u->trouble, "%s", text);
}

/* Judged as for a start: what may not run made no block, and is not run to take one back. */
static int find(const struct undo *u, const struct mmr_instance_conf *x, const struct mmr_plugin **ret, struct mmr_error *err)
{
    struct mmr_trust trust;
    struct mmr_admission a;
    int r = mmr_trust_open(u->config, &trust, err);
    if (r)
        return r;
    r = mmr_plugin_admit(u->config, &trust, u->builtins, x, &a, err);
    if (r == 0)
        r = mmr_plugin_load_admitted(u->builtins, &trust, x->plugin, &a, ret, err);
    mmr_admission_done(&a);
    mmr_trust_done(&trust);
    return r;
}

/* Its timers and descriptors, for a moment: what it does behind reconcile(). */
static void settle(struct event_base *base)
{
    const struct timeval tv = {.tv_usec = SETTLE_MS * 1000L};
    (void)event_base_loopexit(base, &tv);
    (void)event_base_dispatch(base);
}

static int reconcile(struct undo *u, const struct mmr_instance_conf *x, const struct mmr_plugin *p, const char *dir,
                     struct mmr_error *err)
{
    static const struct mmr_runtime_ops ops = {.on_log = on_log};
    mmr_autofree uint8_t *packed = NULL;
    struct event_base *base = mmr_loop_new();
    struct mmr_runtime *rt = NULL;
    size_t len = 0;
    uint32_t index;
    const struct mmr_runtime_opts opts = {.base = base, .node = u->node, .core_version = MMR_VERSION, .ops = &ops, .ctx = u};
    int r = base ? mmr_config_pack(u->config, x, &packed, &len, err) : mmr_fail(err, MMR_ENOMEM, "out of memory");
    uint32_t side = x->side ? x->side : p->side & MMR_SIDE_NETWORK ? MMR_SIDE_NETWORK : MMR_SIDE_ENDPOINT;
    const struct mmr_runtime_instance conf = {.plugin = p, .name = x->name, .side = side, .state_dir = dir, .packed = packed,
                                              .packed_len = len};
    u->trouble[0] = '\0';
    if (!r)
        r = mmr_runtime_new(&opts, &rt, err);
    if (!r)
        r = mmr_runtime_add(rt, &conf, &index, err);
    if (!r)
        r = mmr_runtime_reconcile(rt, index, NULL, 0, err);
    if (!r)
        settle(base);
    mmr_runtime_free(rt);
    if (base)
        event_base_free(base);
    return !r && u->trouble[0] ? mmr_fail(err, MMR_EIO, "%s", u->trouble) : r;
}

static void undo_instance(struct undo *u, const struct mmr_instance_conf *x)
{
    char dir[4096];
    struct stat st;
    const struct mmr_plugin *p = NULL;
    struct mmr_error err = {.struct_size = sizeof err};
    unsigned of_it = 0;
    if ((size_t)snprintf(dir, sizeof dir, "%s/plugins/%s", mmr_config_str(u->config, "node.state_dir"), x->name) >= sizeof dir)
        return;
    for (size_t i = 0; i < u->n; i++)
        of_it += u->state[i] == MMR_UNDO_UNKNOWN && strcmp(u->live[i].instance, x->name) == 0;
    if (stat(dir, &st) != 0 && !of_it)
        return; /* it never ran: it has no journal and did nothing */
    int r = find(u, x, &p, &err);
    if (!r && (!p || !(mmr_plugin_roles(p) & MMR_ROLE_RESPONDER)))
        return;
    if (r && !of_it)
        return; /* a sensor that cannot be loaded is no affair of ours */
    if (!r)
        r = reconcile(u, x, p, dir, &err);
    for (size_t i = 0; i < u->n; i++) {
        if (u->state[i] != MMR_UNDO_UNKNOWN || strcmp(u->live[i].instance, x->name) != 0)
            continue;
        u->state[i] = r ? MMR_UNDO_FAILED : MMR_UNDO_DONE;
        tell(u, u->state[i], x->name, r ? err.text : "", &u->live[i]);
    }
    u->result.undone += r ? 0 : of_it;
    u->result.failed += r ? (of_it ? of_it : 1) : 0;
    if (r && !of_it)
        tell(u, MMR_UNDO_FAILED, x->name, err.text, NULL);
    else if (!r)
        tell(u, MMR_UNDO_CLEARED, x->name, "", NULL);
}

/* ---- what the store must know ---- */

struct noting {
    struct undo *u;
    struct mmr_db *db;
    struct mmr_incident *incident;
    uint64_t id;
};

static int take_incident(void *ctx, const struct mmr_incident_row *row)
{
    struct noting *n = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_incident_row out = *row;
    mmr_autofree uint8_t *blob = NULL;
    mmr_autofree char *title = strdup(row->title ? row->title : "");
    struct mmr_incident *i = NULL;
    int r = mmr_incident_unpack(row->blob, row->len, &i, &err);
    if (r)
        return r;
    for (size_t k = 0; k < n->u->n; k++) {
        struct mmr_action_rec *a = n->u->state[k] == MMR_UNDO_DONE ? mmr_incident_action(i, n->u->live[k].id) : NULL;
        if (a) {
            a->state = MMR_STATE_UNDONE;
            a->receipt.revoked_ns = n->u->live[k].receipt.revoked_ns;
        }
    }
    i->revision++;
    i->updated_ns = mmr_clock_wall_ns();
    out.revision = i->revision;
    out.updated_ns = i->updated_ns;
    out.title = title;
    r = title ? mmr_incident_pack(i, &blob, &out.len, &err) : MMR_ENOMEM;
    out.blob = blob;
    mmr_incident_free(i);
    return r ? r : mmr_store_incident_put(n->db, &out, &err);
}

static int note_action(struct undo *u, struct mmr_db *db, struct mmr_evidence_log *log, struct mmr_action_rec *a, struct mmr_error *err)
{
    char id[20], target[400];
    struct json_object *o = json_object_new_object();
    int64_t now = mmr_clock_wall_ns();
    if (!o)
        return mmr_fail(err, MMR_ENOMEM, "out of memory");
    (void)snprintf(id, sizeof id, "%016llx", (unsigned long long)a->id);
    mmr_target_format(a->verb, &a->target, target, sizeof target);
    (void)json_object_object_add(o, "id", json_object_new_string(id));
    (void)json_object_object_add(o, "verb", json_object_new_string(mmr_verb_name(a->verb)));
    (void)json_object_object_add(o, "target", json_object_new_string(target));
    (void)json_object_object_add(o, "node", json_object_new_string(u->node));
    (void)json_object_object_add(o, "instance", json_object_new_string(a->instance));
    (void)json_object_object_add(o, "by", json_object_new_string(u->who));
    (void)json_object_object_add(o, "how", json_object_new_string("undo-all, without the brain"));
    a->state = MMR_STATE_UNDONE;
    a->receipt.revoked_ns = now;
    int r = mmr_store_action_put(db, a, err);
    const char *text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    if (!r)
        r = text ? mmr_evidence_append(log, "action.undone", now, text, strlen(text), NULL, err) : mmr_fail(err, MMR_ENOMEM, "out of memory");
    json_object_put(o);
    return r;
}

/* All of it in one transaction. An incident that cannot be rewritten does not keep the actions from being noted. */
static int note(struct undo *u, struct mmr_db *db, struct mmr_error *err)
{
    struct mmr_evidence_log *log = NULL;
    struct noting n = {.u = u, .db = db};
    struct mmr_error ignored = {.struct_size = sizeof ignored};
    int r = mmr_evidence_open(db, &log, err);
    for (size_t i = 0; i < u->n && !r; i++)
        if (u->state[i] == MMR_UNDO_DONE)
            r = note_action(u, db, log, &u->live[i], err);
    for (size_t i = 0; i < u->n && !r; i++) {
        bool is_seen = u->state[i] != MMR_UNDO_DONE || !u->live[i].incident;
        for (size_t k = 0; k < i && !is_seen; k++)
            is_seen = u->state[k] == MMR_UNDO_DONE && u->live[k].incident == u->live[i].incident;
        if (!is_seen)
            (void)mmr_store_incident_get(db, u->live[i].incident, take_incident, &n, &ignored);
    }
    if (!r)
        r = mmr_evidence_checkpoint(log, mmr_clock_wall_ns(), err);
    if (!r)
        r = mmr_db_commit(db, err);
    mmr_evidence_close(log);
    return r;
}

static int run(struct undo *u, struct mmr_error *err)
{
    struct mmr_error why = {.struct_size = sizeof why};
    struct mmr_db *db = NULL;
    int store = mmr_db_open(mmr_config_str(u->config, "node.state_dir"), 0, &db, &why);
    int r = store ? 0 : mmr_store_actions_each(db, 0, true, remember, u, &why);
    if ((store && store != MMR_ENOENT) || r == MMR_EIO || r == MMR_EBADMSG) {
        /* a damaged store must not keep a locked-out office locked out: the journals say what there is */
        tell(u, MMR_UNDO_FAILED, "store", why.text, NULL);
        mmr_db_close(db);
        db = NULL;
        r = 0;
        u->n = 0;
    }
    if (r) {
        mmr_db_close(db);
        return mmr_fail(err, r, "the actions of the store could not be read: %s", *why.text ? why.text : "too many, or no memory");
    }
    for (size_t i = 0; i < mmr_config_instances(u->config); i++)
        undo_instance(u, mmr_config_instance(u->config, i)); /* disabled ones too: they may have acted before */
    for (size_t i = 0; i < u->n; i++)
        if (u->state[i] == MMR_UNDO_UNKNOWN || u->state[i] == MMR_UNDO_ELSEWHERE) {
            tell(u, u->state[i], u->live[i].instance, "", &u->live[i]);
            if (u->state[i] == MMR_UNDO_ELSEWHERE)
                u->result.elsewhere++;
            else
                u->result.failed++;
        }
    if (db && u->result.undone) {
        if (note(u, db, &why) == 0)
            u->result.is_noted = true;
        else
            tell(u, MMR_UNDO_FAILED, "store", why.text, NULL);
    }
    mmr_db_close(db);
    return 0;
}

int mmr_undo_all(const struct mmr_config *c, const struct mmr_plugin *const *builtins, const char *node, const char *who,
                 bool are_hosts_gone, mmr_undo_fn fn, void *ctx, struct mmr_undo_result *ret, struct mmr_error *err)
{
    struct undo u = {.config = c, .builtins = builtins, .node = node, .who = who, .fn = fn, .ctx = ctx};
    mmr_autoclose int fd = -1;
    int r = are_hosts_gone ? 0 : lock(c, &fd, err);
    if (!r)
        r = run(&u, err);
    free(u.live);
    free(u.state);
    if (!r)
        *ret = u.result;
    return r;
}
