/* run_hosts.c - the children the configuration asks for, and what the core is told about them. */
#include "control/run_internal.h"

#include "plugin/describe.h"
#include "plugin/host_paths.h"
#include "util/id.h"
#include "util/log.h"
#include "util/scope.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Kinds the brain joins with, besides findings. */
static const char *const wanted[] = {
    "conn.open", "conn.close", "process.start", "flow.start", "dns.answer", "host.addr", "auth.logon", "auth.fail",
    "account.change", "file.create", "file.change", "file.delete", "file.rename", "events.lost", "sensor.drops", "enforcement.lost", "sensor.mode",
    "capture.drops", "capture.stats", "net.sees", "asset.seen", "seat.state", "seat.refused", "defence.report", NULL};

static int make_dir(const char *path, mode_t mode, struct mmr_error *err)
{
    struct stat st;
    if (mkdir(path, mode) == 0)
        return chmod(path, mode) == 0 ? 0 : mmr_fail(err, MMR_EIO, "folder '%s': %s", path, strerror(errno)); /* whatever the umask */
    if (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return 0;
    return mmr_fail(err, MMR_EIO, "folder '%s' could not be made: %s%s", path, strerror(errno), errno == EACCES ? "; run this as root" : "");
}

static int make_dirs(struct mmr_run_state *s, struct mmr_error *err)
{
    const char *state = mmr_config_str(s->config, "node.state_dir"), *run = mmr_config_str(s->config, "node.run_dir");
    char path[4096];
    int r = make_dir(state, 0700, err);
    if (!r)
        r = make_dir(run, 0755, err);
    (void)snprintf(path, sizeof path, "%s/bus", run);
    if (!r)
        r = make_dir(path, 0711, err);
    (void)snprintf(path, sizeof path, "%s/plugins", state);
    if (!r)
        r = make_dir(path, 0711, err);
    if (r)
        return r;
    mmr_run_users_begin(s);
    r = mmr_run_pass_folder(s, run, (uint32_t)-1, 0711, err);
    if (!r)
        r = mmr_run_pass_folder(s, state, s->first_user, 0710, err); /* through it, to their own; its files stay closed */
    if (!r)
        r = mmr_run_pass_folder(s, path, s->first_user, 0710, err);
    if (!r)
        mmr_run_users_try(s);
    return r;
}

/* Where the core binds the host's socket: the host may pass, nobody else, and it can put nothing there. */
static int make_bus_dir(struct mmr_run_state *s, struct mmr_run_host *h, struct mmr_error *err)
{
    char path[4096];
    const char *run = mmr_config_str(s->config, "node.run_dir");
    (void)snprintf(path, sizeof path, "%s/bus/%zu", run, s->n_hosts);
    int r = make_dir(path, 0700, err);
    (void)snprintf(h->endpoint, sizeof h->endpoint, "ipc://%s/bus/%zu/s", run, s->n_hosts);
    if (!r && h->user)
        return mmr_run_pass_folder(s, path, h->user, 0710, err);
    (void)chmod(path, 0700); /* it may be another host's of an earlier configuration */
    return r;
}

/* What a host may open is fixed when it starts: other paths, another host. */
static uint64_t add_paths(const struct mmr_config *c, const struct mmr_instance_conf *x, uint64_t h)
{
    struct mmr_host_paths paths = {.n = 0};
    mmr_autofree uint8_t *packed = NULL;
    size_t len = 0;
    if (mmr_config_pack(c, x, &packed, &len, NULL) == 0)
        mmr_host_paths_add(&paths, packed, len);
    for (size_t i = 0; i < paths.n; i++)
        h = mmr_hash64(paths.v[i], strlen(paths.v[i]), h);
    mmr_host_paths_done(&paths);
    return h;
}

uint64_t mmr_run_conf_hash(const struct mmr_config *c, const char *host)
{
    uint64_t h = 1;
    for (size_t i = 0; i < mmr_config_instances(c); i++) {
        const struct mmr_instance_conf *x = mmr_config_instance(c, i);
        char text[512];
        if (!x->is_enabled || strcmp(x->host, host) != 0)
            continue;
        int n = snprintf(text, sizeof text, "%s|%s|%s|%d|%u|%d|%d|%d", x->name, x->plugin ? x->plugin : "", x->file ? x->file : "", x->is_program, x->side,
                         x->is_dry_run, x->is_tool_named, x->is_service_user);
        h = mmr_hash64(text, n > 0 && (size_t)n < sizeof text ? (size_t)n : sizeof text - 1, h);
        h = add_paths(c, x, h);
    }
    return h;
}

/* One instance that must be the service's user makes its whole host so: a process has one user. */
static bool is_service_user(const struct mmr_config *c, const char *host)
{
    for (size_t i = 0; i < mmr_config_instances(c); i++) {
        const struct mmr_instance_conf *x = mmr_config_instance(c, i);
        if (x->is_enabled && x->is_service_user && strcmp(x->host, host) == 0)
            return true;
    }
    return false;
}

static int make_host(struct mmr_run_state *s, const struct mmr_trust *trust, const char *name, struct mmr_error *err)
{
    struct mmr_run_host *h = &s->host[s->n_hosts];
    struct mmr_host_instance inst[MMR_LOCAL_INSTANCES_MAX];
    uint8_t *packed[MMR_LOCAL_INSTANCES_MAX] = {0};
    char (*dirs)[512] = calloc(MMR_LOCAL_INSTANCES_MAX, sizeof *dirs);
    const char *state = mmr_config_str(s->config, "node.state_dir");
    struct mmr_admission *in = calloc(MMR_LOCAL_INSTANCES_MAX, sizeof *in);
    size_t n = 0;
    bool is_in;
    int r = dirs && in ? 0 : mmr_fail(err, MMR_ENOMEM, "host '%s': out of memory", name);
    memset(h, 0, sizeof *h);
    h->user = is_service_user(s->config, name) ? 0 : mmr_run_user(s, name);
    memset(inst, 0, sizeof inst);
    for (size_t i = 0; in && i < MMR_LOCAL_INSTANCES_MAX; i++)
        in[i].fd = -1;
    for (size_t i = 0; i < mmr_config_instances(s->config) && !r; i++) {
        const struct mmr_instance_conf *x = mmr_config_instance(s->config, i);
        if (!x->is_enabled || strcmp(x->host, name) != 0)
            continue;
        if (n == MMR_LOCAL_INSTANCES_MAX) {
            r = mmr_fail(err, MMR_ETOOBIG, "host '%s' has more than %d instances", name, MMR_LOCAL_INSTANCES_MAX);
            break;
        }
        r = mmr_run_admit(s, trust, x, &in[n], &is_in, err);
        if (r || !is_in)
            continue;
        mmr_run_note_tool(&h->tool[n], &in[n]);
        (void)snprintf(dirs[n], sizeof dirs[n], "%s/plugins/%s", state, x->name);
        inst[n] = (struct mmr_host_instance){.name = x->name, .plugin = x->plugin, .file_fd = in[n].fd, .side = x->side, .needs = in[n].needs,
                                             .actions = in[n].actions, .state_dir = dirs[n], .is_tool_named = x->is_tool_named, .is_program = x->is_program};
        r = make_dir(dirs[n], 0700, err);
        if (!r)
            mmr_run_own_folder(dirs[n], h->user);
        if (!r)
            r = mmr_config_pack(s->config, x, &packed[n], &inst[n].packed_len, err);
        inst[n].packed = packed[n];
        (void)snprintf(h->instance[n], sizeof h->instance[n], "%s", x->name);
        h->is_dry_run[n] = x->is_dry_run;
        h->is_program = x->is_program;
        n++;
    }
    h->n = n;
    (void)snprintf(h->name, sizeof h->name, "%s", name);
    if (!r && n)
        r = make_bus_dir(s, h, err);
    h->conf_hash = mmr_run_conf_hash(s->config, name);
    randombytes_buf(h->secret, sizeof h->secret);
    char node[64] = "";
    (void)gethostname(node, sizeof node - 1);
    const char *named = mmr_config_str(s->config, "node.name");
    const struct mmr_host_conf conf = {.name = h->name, .node = named ? named : node, .endpoint = h->endpoint, .secret = h->secret,
                                       .wants = wanted, .instances = inst, .n = n,
                                       .uid = h->user, .gid = h->user, .group = h->user ? s->first_user : 0};
    if (!r && n)
        r = mmr_host_new(s->sup, &conf, &h->child, err);
    for (size_t i = 0; in && i < MMR_LOCAL_INSTANCES_MAX; i++) {
        mmr_admission_done(&in[i]);
        free(packed[i]);
    }
    free(in);
    free(dirs);
    if (!r && n) /* else every one of its plugins was refused */
        s->n_hosts++;
    return r;
}

int mmr_run_make_hosts(struct mmr_run_state *s, struct mmr_error *err)
{
    struct mmr_trust trust;
    int r = make_dirs(s, err);
    if (!r)
        r = mmr_run_trust_begin(s, &trust, err);
    if (r)
        return r;
    for (size_t i = 0; i < mmr_config_instances(s->config) && !r; i++) {
        const struct mmr_instance_conf *x = mmr_config_instance(s->config, i);
        bool is_known = false;
        for (size_t k = 0; k < s->n_hosts && !is_known; k++)
            is_known = strcmp(s->host[k].name, x->host) == 0;
        for (size_t k = 0; k < i && !is_known; k++) /* one whose plugins were all refused is judged once */
            is_known = mmr_config_instance(s->config, k)->is_enabled && strcmp(mmr_config_instance(s->config, k)->host, x->host) == 0;
        if (!x->is_enabled || is_known)
            continue;
        if (s->n_hosts == MMR_RUN_HOSTS_MAX)
            r = mmr_fail(err, MMR_ETOOBIG, "more than %d plugin hosts; let instances share one with 'host:'", MMR_RUN_HOSTS_MAX);
        else
            r = make_host(s, &trust, x->host, err);
    }
    mmr_trust_done(&trust);
    return r;
}

void mmr_run_misbehaved(struct mmr_run_state *s, const struct mmr_message *m)
{
    int64_t slot = mmr_event_get_int(m->map, "slot", -1);
    char text[200];
    struct mmr_child_status core;
    mmr_child_status(s->core, &core);
    /* one that is about to end knows the slots and secrets of the configuration before */
    if (slot < 0 || (uint64_t)slot >= s->n_hosts || core.state != MMR_CHILD_RUNNING)
        return;
    (void)mmr_log_quote(m->tail, m->tail_len, text, sizeof text);
    mmr_child_nonsense(s->host[slot].child, text);
}

struct mmr_run_host *mmr_run_host_of(struct mmr_run_state *s, const struct mmr_child *c, size_t *ret_slot)
{
    for (size_t i = 0; i < s->n_hosts; i++)
        if (s->host[i].child == c) {
            *ret_slot = i;
            return &s->host[i];
        }
    return NULL;
}

/* ---- what the core is told ---- */

static void tell_slot(struct mmr_run_state *s, size_t slot)
{
    uint8_t buf[512];
    struct mmr_event map;
    mmr_event_begin_map(&map, buf, sizeof buf);
    mmr_event_int(&map, "slot", (int64_t)slot);
    mmr_event_str(&map, "host", s->host[slot].name);
    mmr_event_str(&map, "endpoint", s->host[slot].endpoint);
    (void)mmr_child_send(s->core, MMR_TELL_SLOT, &map, s->host[slot].secret, MMR_LOCAL_SECRET, -1);
}

void mmr_run_tell_instances(struct mmr_run_state *s, size_t slot)
{
    const struct mmr_run_host *h = &s->host[slot];
    size_t left = 0; /* the host is welcome once all of it is known: what an unknown instance sends would be nobody's */
    for (size_t i = 0; i < h->n; i++)
        left += (mmr_host_info(h->child, i) && mmr_host_info(h->child, i)->is_known);
    for (size_t i = 0; i < h->n; i++) {
        uint8_t buf[4096];
        struct mmr_event map;
        const struct mmr_host_info *x = mmr_host_info(h->child, i);
        if (!x || !x->is_known)
            continue;
        mmr_event_begin_map(&map, buf, sizeof buf);
        mmr_event_int(&map, "slot", (int64_t)slot);
        mmr_event_int(&map, "index", (int64_t)i);
        mmr_event_int(&map, "left", (int64_t)--left);
        mmr_event_str(&map, "name", mmr_host_instance_name(h->child, i));
        mmr_event_str(&map, "plugin", mmr_host_instance_plugin(h->child, i));
        mmr_event_str(&map, "version", x->version);
        mmr_event_int(&map, "side", x->side);
        mmr_event_int(&map, "caps", x->caps);
        mmr_event_int(&map, "roles", x->roles);
        mmr_event_str(&map, "actions", x->actions);
        if (h->is_program) /* others read in their own hosts */
            mmr_event_str(&map, "subscribes", x->subscribes);
        mmr_event_bool(&map, "dry_run", h->is_dry_run[i]);
        (void)mmr_child_send(s->core, MMR_TELL_INSTANCE, &map, NULL, 0, -1);
    }
}

void mmr_run_tell_down(struct mmr_run_state *s, size_t slot)
{
    uint8_t buf[64];
    struct mmr_event map;
    mmr_event_begin_map(&map, buf, sizeof buf);
    mmr_event_int(&map, "slot", (int64_t)slot);
    (void)mmr_child_send(s->core, MMR_TELL_DOWN, &map, NULL, 0, -1);
}

void mmr_run_tell_fact(struct mmr_run_state *s, const void *bytes, size_t len)
{
    if (s->is_core_ready) {
        (void)mmr_child_send(s->core, MMR_TELL_FACT, NULL, bytes, len, -1);
        return;
    }
    if (s->n_facts == MMR_RUN_FACTS_MAX) {
        s->lost_facts++;
        return;
    }
    void *copy = malloc(len ? len : 1);
    if (!copy)
        return;
    memcpy(copy, bytes, len);
    s->fact[s->n_facts++] = (struct mmr_run_fact){copy, len};
}

void mmr_run_tell_all(struct mmr_run_state *s)
{
    for (size_t i = 0; i < s->n_hosts; i++) {
        struct mmr_child_status st;
        tell_slot(s, i);
        mmr_child_status(s->host[i].child, &st);
        if (st.state == MMR_CHILD_RUNNING)
            mmr_run_tell_instances(s, i);
    }
    for (size_t i = 0; i < s->n_facts; i++) {
        (void)mmr_child_send(s->core, MMR_TELL_FACT, NULL, s->fact[i].bytes, s->fact[i].len, -1);
        free(s->fact[i].bytes);
    }
    s->n_facts = 0;
}

static int assign_core(void *ctx, struct mmr_child *c, struct mmr_error *err)
{
    struct mmr_run_state *s = ctx;
    uint8_t buf[16 * 1024];
    struct mmr_event map;
    (void)err;
    mmr_event_begin_map(&map, buf, sizeof buf);
    mmr_event_str(&map, "dir", s->opts->config_dir);
    mmr_event_str(&map, "over", s->opts->over);
    mmr_event_str(&map, "clock", s->opts->is_simulated ? "sim" : NULL);
    return mmr_child_send(c, MMR_TELL_CONFIG, &map, NULL, 0, -1);
}

int mmr_run_make_core(struct mmr_run_state *s, struct mmr_error *err)
{
    static const char *const brain[] = {"brain", NULL}, *const agent[] = {"agent", NULL};
    s->is_endpoint = strcmp(mmr_config_str(s->config, "node.role"), "endpoint") == 0;
    const struct mmr_child_conf conf = {.name = s->is_endpoint ? "agent" : "brain", .argv = s->is_endpoint ? agent : brain,
                                        .assign = assign_core, .ctx = s};
    return mmr_child_new(s->sup, &conf, &s->core, err);
}
