/*
 * contain.c - responder of a PC or server: ends and freezes processes, cuts connections, denies addresses and programs,
 * puts files in quarantine, takes autostart entries out, locks accounts, cuts this machine off, and says who owns a
 * connection. Every order is checked against what it names (fingerprint, inode, hash) before anything is touched.
 */
#include "contain.h"

#include <errno.h>
#include <pwd.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- connections ---- */

static int cut_flow(const struct mmr_contain *c, const struct mmr_action *o, const struct mmr_order *t, struct mmr_error *err)
{
    static const struct mmr_addr any;
    uint32_t cut = 0, left = 0;
    char text[120];
    if (memcmp(&t->tuple.a, &any, sizeof any) == 0 || memcmp(&t->tuple.b, &any, sizeof any) == 0)
        return mmr_fail(err, MMR_EINVAL, "cut.flow needs src_endpoint.ip and dst_endpoint.ip");
    int r = o->flags & (MMR_ACT_DRY_RUN | MMR_ACT_VERIFY | MMR_ACT_UNDO) ? 0 : mmr_sockets_cut(&t->tuple, &cut, err);
    if (!r)
        r = mmr_sockets_count(&t->tuple, &left, err);
    if (r == MMR_EUNSUPPORTED) {
        mmr_receipt_fail(c->host, o->id, "unsupported", err->text);
        return 0;
    }
    if (r)
        return r;
    (void)snprintf(text, sizeof text, "%u connection ends closed, %u left", cut, left);
    mmr_receipt_send(c->host, o->id, 0, &(struct mmr_receipt_out){.result = cut ? "applied" : "already",
                     .verified = left ? "refuted" : "confirmed", .method = "readback", .detail = text,
                     .is_dry_run = (o->flags & MMR_ACT_DRY_RUN) != 0});
    return 0;
}

static int connection_owner(const struct mmr_contain *c, const struct mmr_action *o, const struct mmr_order *t, struct mmr_error *err)
{
    uint8_t buf[8192];
    char path[64], exe[MMR_CONTAIN_PATH], cmd[2048];
    struct mmr_event ev;
    pid_t pid;
    uid_t uid;
    int r = mmr_sockets_owner(&t->tuple, &pid, &uid, err);
    if (r == MMR_ENOENT) {
        mmr_receipt_fail(c->host, o->id, "failed", err->text);
        return 0;
    }
    if (r)
        return r;
    (void)snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
    ssize_t n = readlink(path, exe, sizeof exe - 1);
    exe[n > 0 ? n : 0] = '\0';
    (void)snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    FILE *f = fopen(path, "re");
    size_t len = f ? fread(cmd, 1, sizeof cmd - 1, f) : 0;
    if (f)
        (void)fclose(f);
    for (size_t i = 0; i + 1 < len; i++)
        if (!cmd[i])
            cmd[i] = ' ';
    cmd[len] = '\0';
    const char *base = strrchr(exe, '/');
    const struct passwd *pw = getpwuid(uid);
    mmr_event_begin_map(&ev, buf, sizeof buf);
    mmr_event_str(&ev, "result", "applied");
    mmr_event_str(&ev, "verify.result", "confirmed");
    mmr_event_int(&ev, "process.pid", pid);
    mmr_event_int(&ev, "process.start_ticks", mmr_process_start_ticks(pid));
    mmr_event_str(&ev, "process.file.path", exe);
    mmr_event_str(&ev, "process.name", base ? base + 1 : exe);
    mmr_event_str(&ev, "process.cmd_line", cmd);
    mmr_event_str(&ev, "user.name", pw ? pw->pw_name : NULL);
    r = mmr_event_end(&ev);
    return r ? r : c->host->action_done(c->host->impl, o->id, 0, ev.buf, ev.len);
}

static int act_once(struct mmr_contain *c, const struct mmr_action *o, const struct mmr_order *t, struct mmr_error *err)
{
    if (strcmp(o->verb, "cut.flow") == 0)
        return cut_flow(c, o, t, err);
    if (strcmp(o->verb, "kill.process") != 0)
        return connection_owner(c, o, t, err);
    if (!(o->flags & MMR_ACT_UNDO))
        return mmr_contain_kill(c, o, t, err);
    mmr_receipt_fail(c->host, o->id, "unsupported", "an ended process cannot be brought back");
    return 0;
}

static int act(void *self, const struct mmr_action *o, struct mmr_error *err)
{
    struct mmr_contain *c = self;
    const struct mmr_lasting *v = mmr_lasting_of(o->verb);
    if (strcmp(o->verb, "block.addr") == 0 && c->blocker)
        return mmr_blocker_act(c->blocker, o, err);
    if (strcmp(o->verb, "block.addr") == 0 || (strcmp(o->verb, "isolate.host") == 0 && !c->blocker)) {
        mmr_receipt_fail(c->host, o->id, "unsupported", "this machine has no nftables");
        return 0;
    }
    struct mmr_order *t = calloc(1, sizeof *t);
    if (!t)
        return mmr_fail(err, MMR_ENOMEM, "%s: out of memory", o->verb);
    int r = mmr_order_read(o->msgpack, o->len, t, err);
    if (!r)
        r = v ? mmr_lasting_act(c, v, o, t, err) : act_once(c, o, t, err);
    free(t);
    return r;
}

static int reconcile(void *self, const uint64_t *live, size_t n, struct mmr_error *err)
{
    struct mmr_contain *c = self;
    (void)err;
    if (c->blocker)
        mmr_blocker_reconcile(c->blocker, live, n);
    mmr_lasting_reconcile(c, live, n);
    return 0;
}

static void on_timer(void *self, uint64_t cookie)
{
    struct mmr_contain *c = self;
    if (cookie == MMR_CONTAIN_TIMER_DEATH)
        mmr_contain_check_deaths(c);
    else if (cookie == MMR_CONTAIN_TIMER_EXPIRY)
        mmr_lasting_expire(c);
    else if (cookie == MMR_CONTAIN_TIMER_CONFIRM)
        mmr_lasting_roll_back(c);
    else if (c->blocker)
        mmr_blocker_timer(c->blocker, cookie);
}

static void on_fd(void *self, int fd, unsigned rw, uint64_t cookie)
{
    struct mmr_contain *c = self;
    (void)fd;
    (void)rw;
    if (c->blocker)
        mmr_blocker_readable(c->blocker, cookie);
}

static void destroy(void *self)
{
    struct mmr_contain *c = self;
    if (!c)
        return;
    mmr_contain_forget_deaths(c);
    mmr_denyexec_free(c->denyexec);
    mmr_blocker_free(c->blocker);
    mmr_acts_close(c->acts);
    free(c);
}

static int open_state(struct mmr_contain *c, struct mmr_error *err)
{
    const char *dir = c->host->state_dir;
    unsigned damaged = 0;
    if (!*dir || strlen(dir) > MMR_CONTAIN_PATH - 32)
        return mmr_fail(err, MMR_ECONFIG, "contain needs a state folder of its own, with a path under %d bytes", MMR_CONTAIN_PATH);
    (void)snprintf(c->block_dir, sizeof c->block_dir, "%s/block", dir);
    (void)snprintf(c->vault_dir, sizeof c->vault_dir, "%s/vault", dir);
    if ((mkdir(c->block_dir, 0700) != 0 && errno != EEXIST) || (mkdir(c->vault_dir, 0700) != 0 && errno != EEXIST))
        return mmr_fail(err, MMR_EIO, "state folder '%.150s': %s", dir, strerror(errno));
    int r = mmr_acts_open(c->host, dir, &c->acts, &damaged, err);
    if (!r && damaged)
        c->host->log(c->host->impl, MMR_LOG_WARN, "journal.cut hint=\"its end was damaged, as after a power cut; the rest is used\"");
    return r;
}

static int open_denyexec(struct mmr_contain *c, struct mmr_error *err)
{
    struct mmr_error why = {.struct_size = sizeof why};
    const char *mode;
    char text[400];
    int r = mmr_denyexec_new(c->host->state_dir, &c->denyexec, &mode, &why);
    if (r)
        return mmr_fail(err, r, "%s", why.text);
    const bool is_best = strcmp(mode, "fanotify") == 0;
    (void)snprintf(text, sizeof text, "contain.deny_exec mode=%s%s%.200s%s", mode, is_best ? "" : " reason=\"", is_best ? "" : why.text,
                   is_best ? "" : "\"");
    c->host->log(c->host->impl, is_best ? MMR_LOG_INFO : MMR_LOG_WARN, text);
    return 0;
}

static void open_blocker(struct mmr_contain *c)
{
    struct mmr_error why = {.struct_size = sizeof why};
    char text[400];
    c->blocker_cfg = (struct mmr_blocker_config){.table = c->cfg->table, .dir = c->block_dir,
                                                 .never_block = c->cfg->never_block, .sweep_ms = c->cfg->sweep};
    if (mmr_blocker_new(c->host, &c->blocker_cfg, &c->blocker, &why) == 0)
        return;
    (void)snprintf(text, sizeof text, "contain.no_block_addr reason=\"%s\" what=\"addresses cannot be denied on this host\"", why.text);
    c->host->log(c->host->impl, MMR_LOG_WARN, text);
}

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    struct mmr_contain *c = calloc(1, sizeof *c);
    if (!c || sodium_init() < 0) {
        free(c);
        return mmr_fail(err, MMR_ENOMEM, "contain: out of memory");
    }
    c->host = host;
    c->cfg = config;
    (void)snprintf(c->isolate_table, sizeof c->isolate_table, "%.20s_iso", c->cfg->table);
    int r = mmr_scope_parse(c->cfg->scope, &c->scope)
                ? open_state(c, err)
                : mmr_fail(err, MMR_ECONFIG, "contain: 'scope' is '%.40s', expected host, cgroup or netns", c->cfg->scope);
    if (!r)
        r = open_denyexec(c, err);
    if (r) {
        destroy(c);
        return r;
    }
    open_blocker(c);
    mmr_guard_learn(&c->guard);
    mmr_lasting_recover(c);
    mmr_lasting_arm(c);
    *ret_self = c;
    return 0;
}

static const struct mmr_cfg_key config_rows[] = {
    MMR_CFG(struct mmr_contain_config, scope, MMR_CFG_STR, 0, "host", 0, 0,
            "whose processes may be touched: host, cgroup (our own) or netns (our own network namespace)"),
    MMR_CFG(struct mmr_contain_config, table, MMR_CFG_STR, 0, "mamori_host", 0, 0, "name of our nftables table (family inet)"),
    MMR_CFG(struct mmr_contain_config, never_block, MMR_CFG_STRV, 0, NULL, 0, 0,
            "addresses and networks never denied on this host; they stay reachable when it is cut off"),
    MMR_CFG(struct mmr_contain_config, never_kill, MMR_CFG_STRV, 0, "systemd,init,sshd,dbus-daemon,dockerd,containerd,NetworkManager", 0, 0,
            "executables (file names) never ended"),
    MMR_CFG(struct mmr_contain_config, never_lock, MMR_CFG_STRV, 0, NULL, 0, 0,
            "accounts never locked; root and those of services (uid below 1000) never are"),
    MMR_CFG(struct mmr_contain_config, keep, MMR_CFG_STRV, 0, NULL, 0, 0,
            "addresses and networks that also stay reachable when this machine is cut off; the hub always does"),
    MMR_CFG(struct mmr_contain_config, quarantine_max, MMR_CFG_BYTES, 0, "1G", 1, INT64_C(1) << 40, "largest file that is moved"),
    MMR_CFG(struct mmr_contain_config, sweep, MMR_CFG_MSEC, 0, "30s", 1000, 3600000, "how often every block is verified"),
    MMR_CFG(struct mmr_contain_config, confirm, MMR_CFG_MSEC, 0, "2m", 1000, 3600000,
            "a machine that was cut off comes back after this long unless its hub reached it since"),
    MMR_CFG(struct mmr_contain_config, isolate_dns, MMR_CFG_BOOL, 0, "no", 0, 0, "name servers stay reachable when this machine is cut off"),
    {0},
};
static const struct mmr_responder_ops responder = {.struct_size = sizeof responder, .act = act, .reconcile = reconcile};

MMR_PLUGIN(contain) = {
    MMR_PLUGIN_HEAD,
    .id = "org.mamori.contain", .name = "contain", .version = "0.1.0", .vendor = "mamori", .license = "Apache-2.0",
    .doc = "Ends processes, cuts connections, denies addresses and programs, puts files in quarantine, removes autostart entries, locks "
           "accounts, cuts the host off.",
    .side = MMR_SIDE_ENDPOINT,
    .needs = MMR_NEED_KILL | MMR_NEED_PROC | MMR_NEED_FILES_RW | MMR_NEED_NETFILTER | MMR_NEED_FANOTIFY,
    .actions = (const char *const[]){"kill.process", "freeze.process", "cut.flow", "block.addr", "deny.exec", "quarantine.file",
                                     "remove.autostart", "isolate.host", "lock.account", "query.connection_owner", NULL},
    .events = (const char *const[]){"enforcement.lost", NULL},
    .config = config_rows, .config_size = sizeof(struct mmr_contain_config),
    .create = create, .destroy = destroy, .on_fd = on_fd, .on_timer = on_timer,
    .responder = &responder,
};
