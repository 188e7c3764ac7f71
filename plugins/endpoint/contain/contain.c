/*
 * contain.c - responder of a PC or server: ends and freezes processes, cuts connections, denies addresses
 * on the host, puts files in quarantine, takes autostart entries out, and says who owns a connection.
 * Every order is checked against what it names (fingerprint, inode, hash) before anything is touched.
 */
#include "acts.h"
#include "autostart.h"
#include "blocker.h"
#include "process.h"
#include "sockets.h"
#include "vault.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEATHS_MAX = 64, DEATH_POLL_MS = 1, DEATH_WAIT_MS = 2000, PATH_BYTES = 4096 };
enum { COOKIE_DEATH = 1, COOKIE_EXPIRY };

struct contain_config {
    const char *scope, *table;
    struct mmr_strv never_block, never_kill;
    int64_t quarantine_max, sweep;
};
struct death { /* a kill whose proof is awaited */
    uint64_t id;
    int64_t until_mono;
    struct mmr_kill kill;
};
struct contain {
    const struct mmr_host *host;
    const struct contain_config *cfg;
    enum mmr_scope scope;
    struct mmr_blocker_config blocker_cfg;
    struct mmr_blocker *blocker; /* NULL: this machine has no nftables; said at start */
    struct mmr_acts *acts;
    struct death *death[DEATHS_MAX];
    char block_dir[PATH_BYTES], vault_dir[PATH_BYTES];
};
struct target { /* the fields of a target map that any verb here reads */
    struct mmr_event_view view;
    char path[PATH_BYTES], exe[PATH_BYTES], sha256[65], entry[512];
    struct mmr_fingerprint print;
    bool is_tree;
    struct mmr_file_id file;
    struct mmr_tuple tuple;
};

static void receipt(struct contain *c, uint64_t id, const char *result, const char *verified, const char *detail)
{
    mmr_receipt_send(c->host, id, 0, &(struct mmr_receipt_out){.result = result, .verified = verified, .method = "readback",
                     .detail = detail, .applied_ns = c->host->now_ns(c->host->impl, MMR_CLOCK_WALL)});
}

static bool read_addr(const struct mmr_event_view *v, const char *key, struct mmr_addr *ret)
{
    char text[INET6_ADDRSTRLEN];
    memset(ret, 0, sizeof *ret);
    if (!mmr_event_copy_str(v, key, text, sizeof text))
        return false;
    if (inet_pton(AF_INET, text, ret->b + 12) == 1) {
        ret->b[10] = ret->b[11] = 0xff;
        return true;
    }
    return inet_pton(AF_INET6, text, ret->b) == 1;
}

static int read_target(const void *msgpack, size_t len, struct target *t, struct mmr_error *err)
{
    char proto[8] = "tcp";
    int r = mmr_event_read(msgpack, len, &t->view, err);
    if (r)
        return r;
    const struct mmr_event_view *v = &t->view;
    t->path[0] = t->exe[0] = t->sha256[0] = t->entry[0] = '\0';
    (void)mmr_event_copy_str(v, "file.path", t->path, sizeof t->path);
    (void)mmr_event_copy_str(v, "process.file.path", t->exe, sizeof t->exe);
    (void)mmr_event_copy_str(v, "file.hashes.sha256", t->sha256, sizeof t->sha256);
    (void)mmr_event_copy_str(v, "entry", t->entry, sizeof t->entry);
    (void)mmr_event_copy_str(v, "proto", proto, sizeof proto);
    t->print = (struct mmr_fingerprint){.pid = mmr_event_get_int(v, "process.pid", 0),
                                        .start_ticks = mmr_event_get_int(v, "process.start_ticks", 0),
                                        .exe = t->exe[0] ? t->exe : NULL};
    t->is_tree = mmr_event_get_int(v, "tree", 0) != 0;
    t->file = (struct mmr_file_id){.path = t->path, .inode = (uint64_t)mmr_event_get_int(v, "file.inode", 0),
                                   .device = (uint64_t)mmr_event_get_int(v, "file.device", 0), .sha256 = t->sha256};
    t->tuple.proto = strcmp(proto, "udp") == 0 ? 17 : 6;
    (void)read_addr(v, "src_endpoint.ip", &t->tuple.a);
    (void)read_addr(v, "dst_endpoint.ip", &t->tuple.b);
    t->tuple.a_port = (uint16_t)mmr_event_get_int(v, "src_endpoint.port", 0);
    t->tuple.b_port = (uint16_t)mmr_event_get_int(v, "dst_endpoint.port", 0);
    return 0;
}

/* ---- processes ---- */

static void check_deaths(struct contain *c)
{
    bool is_waiting = false;
    int64_t now = c->host->now_ns(c->host->impl, MMR_CLOCK_MONOTONIC);
    for (size_t i = 0; i < DEATHS_MAX; i++) {
        struct death *d = c->death[i];
        char text[200];
        if (!d)
            continue;
        bool is_dead = mmr_process_is_dead(&d->kill);
        if (!is_dead && now < d->until_mono) {
            is_waiting = true;
            continue;
        }
        (void)snprintf(text, sizeof text, "%s: %s", d->kill.what, is_dead ? "ended and gone" : "was signalled but does not end");
        receipt(c, d->id, is_dead ? "applied" : "failed", is_dead ? "confirmed" : "refuted", text);
        mmr_process_release(&d->kill);
        free(d);
        c->death[i] = NULL;
    }
    (void)c->host->set_timer(c->host->impl, is_waiting ? DEATH_POLL_MS : -1, COOKIE_DEATH);
}

static int kill_process(struct contain *c, const struct mmr_action *o, const struct target *t, struct mmr_error *err)
{
    size_t slot = 0;
    while (slot < DEATHS_MAX && c->death[slot] && c->death[slot]->id != o->id)
        slot++;
    if (slot == DEATHS_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "%d kills are waiting for their proof already", DEATHS_MAX);
    if (c->death[slot])
        return MMR_EAGAIN; /* asked twice: the one answer follows */
    struct death *d = calloc(1, sizeof *d);
    if (!d)
        return mmr_fail(err, MMR_ENOMEM, "kill.process: out of memory");
    int r = mmr_process_pin(&t->print, t->is_tree && !(o->flags & (MMR_ACT_DRY_RUN | MMR_ACT_VERIFY)), c->scope,
                            c->cfg->never_kill.v, c->cfg->never_kill.n, &d->kill, err);
    if (r == MMR_ENOENT) {
        receipt(c, o->id, "already", "confirmed", err->text);
        r = 0;
    } else if (r == MMR_EPERM) {
        mmr_receipt_fail(c->host, o->id, "refused", err->text);
        r = 0;
    } else if (!r && (o->flags & MMR_ACT_VERIFY)) {
        receipt(c, o->id, "failed", "refuted", "the process still runs");
    } else if (!r && (o->flags & MMR_ACT_DRY_RUN)) {
        mmr_receipt_send(c->host, o->id, 0, &(struct mmr_receipt_out){.result = "applied", .is_dry_run = true,
                         .detail = "dry run: this process would have been ended"});
    } else if (!r) {
        int e = mmr_process_signal(&d->kill, SIGKILL);
        if (e) {
            (void)mmr_process_signal(&d->kill, SIGCONT); /* a tree was stopped to look at it */
            r = mmr_fail(err, e == EPERM ? MMR_EPERM : MMR_EIO, "%s: %s", d->kill.what, strerror(e));
        } else {
            d->id = o->id;
            d->until_mono = c->host->now_ns(c->host->impl, MMR_CLOCK_MONOTONIC) + DEATH_WAIT_MS * INT64_C(1000000);
            c->death[slot] = d;
            check_deaths(c);
            return 0;
        }
    }
    mmr_process_release(&d->kill);
    free(d);
    return r;
}

static int signal_pinned(struct contain *c, const struct target *t, int sig, struct mmr_error *err)
{
    struct mmr_kill k;
    int r = mmr_process_pin(&t->print, t->is_tree, c->scope, c->cfg->never_kill.v, c->cfg->never_kill.n, &k, err);
    if (r)
        return r;
    int e = mmr_process_signal(&k, sig);
    mmr_process_release(&k);
    return e ? mmr_fail(err, MMR_EIO, "%s: %s", k.what, strerror(e)) : 0;
}

/* ---- verbs that leave something to take back ---- */

static int do_freeze(struct contain *c, const struct target *t, struct mmr_act *act, struct mmr_error *err)
{
    (void)act;
    int r = signal_pinned(c, t, SIGSTOP, err);
    for (int i = 0; !r && i < 50 && !mmr_process_is_stopped(&t->print); i++)
        (void)usleep(200); /* at most 10 ms: a stop is delivered at the next return to user space */
    return r;
}

static int verify_freeze(struct contain *c, const struct target *t, const struct mmr_act *act, struct mmr_error *err)
{
    (void)c;
    (void)act;
    return mmr_process_is_stopped(&t->print) ? 0 : mmr_fail(err, MMR_ENOENT, "the process is not stopped (any more)");
}

static int undo_freeze(struct contain *c, const struct target *t, const struct mmr_act *act, struct mmr_error *err)
{
    (void)act;
    int r = signal_pinned(c, t, SIGCONT, err);
    return r == MMR_ENOENT ? 0 : r;
}

static int do_quarantine(struct contain *c, const struct target *t, struct mmr_act *act, struct mmr_error *err)
{
    char sha256[65];
    int r = mmr_vault_take(c->vault_dir, act->id, &t->file, c->cfg->quarantine_max, sha256, err);
    if (!r)
        (void)snprintf(act->undo, sizeof act->undo, "%s", sha256);
    return r;
}

static int verify_quarantine(struct contain *c, const struct target *t, const struct mmr_act *act, struct mmr_error *err)
{
    (void)t;
    return mmr_vault_verify(c->vault_dir, act->id, err);
}

static int undo_quarantine(struct contain *c, const struct target *t, const struct mmr_act *act, struct mmr_error *err)
{
    (void)t;
    int r = mmr_vault_restore(c->vault_dir, act->id, err);
    return r == MMR_ENOENT ? 0 : r;
}

static int do_autostart(struct contain *c, const struct target *t, struct mmr_act *act, struct mmr_error *err)
{
    switch (mmr_autostart_kind_of(t->path)) {
    case MMR_AUTOSTART_FILE: return do_quarantine(c, t, act, err);
    case MMR_AUTOSTART_LINES:
        if (!t->entry[0])
            return mmr_fail(err, MMR_EPERM, "'%.150s' holds other people's entries too; 'entry' must name the line", t->path);
        return mmr_autostart_cut(t->path, t->entry, act->undo, sizeof act->undo, err);
    default: return mmr_fail(err, MMR_EPERM, "'%.150s' is no place where programs start by themselves", t->path);
    }
}

static int verify_autostart(struct contain *c, const struct target *t, const struct mmr_act *act, struct mmr_error *err)
{
    char line[512];
    if (mmr_autostart_kind_of(t->path) == MMR_AUTOSTART_FILE)
        return mmr_vault_verify(c->vault_dir, act->id, err);
    FILE *f = fopen(t->path, "re");
    bool is_there = false;
    while (f && !is_there && fgets(line, sizeof line, f))
        is_there = strstr(line, t->entry) != NULL;
    if (f)
        (void)fclose(f);
    return is_there ? mmr_fail(err, MMR_ENOENT, "the entry is in '%.150s' again", t->path) : 0;
}

static int undo_autostart(struct contain *c, const struct target *t, const struct mmr_act *act, struct mmr_error *err)
{
    if (mmr_autostart_kind_of(t->path) == MMR_AUTOSTART_FILE)
        return undo_quarantine(c, t, act, err);
    return act->undo[0] ? mmr_autostart_put_back(t->path, act->undo, err) : 0;
}

struct verb {
    const char *name, *done, *would;
    int (*apply)(struct contain *c, const struct target *t, struct mmr_act *act, struct mmr_error *err);
    int (*verify)(struct contain *c, const struct target *t, const struct mmr_act *act, struct mmr_error *err);
    int (*undo)(struct contain *c, const struct target *t, const struct mmr_act *act, struct mmr_error *err);
};
static const struct verb verbs[] = {
    {"freeze.process", "the process is stopped until a person has looked", "dry run: this process would have been stopped",
     do_freeze, verify_freeze, undo_freeze},
    {"quarantine.file", "the file was moved where it cannot run", "dry run: this file would have been moved",
     do_quarantine, verify_quarantine, undo_quarantine},
    {"remove.autostart", "the entry that starts it by itself was taken out", "dry run: this entry would have been taken out",
     do_autostart, verify_autostart, undo_autostart},
};

static void arm(struct contain *c)
{
    const struct mmr_act *a = mmr_acts_next_expiry(c->acts);
    int64_t ms = a ? (a->expires_mono - c->host->now_ns(c->host->impl, MMR_CLOCK_MONOTONIC)) / 1000000 : -1;
    (void)c->host->set_timer(c->host->impl, a ? (ms > 1 ? ms : 1) : -1, COOKIE_EXPIRY);
}

static const struct verb *verb_of(const char *name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

static void answer(struct contain *c, const struct verb *v, const struct target *t, const struct mmr_act *act, const char *result)
{
    struct mmr_error err = {.struct_size = sizeof err};
    int r = v->verify(c, t, act, &err);
    mmr_receipt_send(c->host, act->id, 0, &(struct mmr_receipt_out){
        .result = result, .method = "readback", .verified = r == 0 ? "confirmed" : r == MMR_ENOENT ? "refuted" : "inconclusive",
        .detail = r ? err.text : v->done, .applied_ns = act->applied_ns, .expires_ns = act->expires_ns, .undo = act->undo});
}

static int undo_act(struct contain *c, const struct verb *v, const struct target *t, struct mmr_act *act, struct mmr_error *err)
{
    int r = v->undo(c, t, act, err);
    if (!r)
        mmr_acts_forget(c->acts, act);
    arm(c);
    return r;
}

static int apply(struct contain *c, const struct verb *v, const struct mmr_action *o, const struct target *t, struct mmr_error *err)
{
    struct mmr_act *act;
    int r = mmr_acts_begin(c->acts, o, "", &act, err);
    if (r)
        return r;
    r = v->apply(c, t, act, err);
    if (r) {
        mmr_acts_forget(c->acts, act);
        if (r == MMR_ENOENT) { /* what was to be stopped or moved is not there: nothing is left to do */
            receipt(c, o->id, "already", "confirmed", err->text);
            return 0;
        }
        if (r == MMR_EPERM) {
            mmr_receipt_fail(c->host, o->id, "refused", err->text);
            return 0;
        }
        return r;
    }
    mmr_acts_applied(c->acts, act, strcmp(v->name, "freeze.process") == 0 ? o->ttl_ms : 0);
    answer(c, v, t, act, "applied");
    arm(c);
    return 0;
}

static int act_lasting(struct contain *c, const struct verb *v, const struct mmr_action *o, struct target *t, struct mmr_error *err)
{
    struct mmr_act *known = mmr_acts_find(c->acts, o->id);
    int r = known ? read_target(known->payload, known->len, t, err) : 0;
    if (r)
        return r;
    if (o->flags & MMR_ACT_UNDO) {
        r = known ? undo_act(c, v, t, known, err) : 0;
        if (!r)
            receipt(c, o->id, known ? "applied" : "already", "confirmed", "taken back");
        return r;
    }
    if (o->flags & MMR_ACT_DRY_RUN) {
        mmr_receipt_send(c->host, o->id, 0, &(struct mmr_receipt_out){.result = "applied", .is_dry_run = true, .detail = v->would});
        return 0;
    }
    if (!known && (o->flags & MMR_ACT_VERIFY)) {
        receipt(c, o->id, "failed", "refuted", "this action is not in force");
        return 0;
    }
    if (!known)
        return apply(c, v, o, t, err);
    if ((o->flags & MMR_ACT_RENEW) && known->expires_mono)
        mmr_acts_applied(c->acts, known, o->ttl_ms);
    answer(c, v, t, known, "already");
    arm(c);
    return 0;
}

/* ---- connections ---- */

static int cut_flow(struct contain *c, const struct mmr_action *o, const struct target *t, struct mmr_error *err)
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

static int connection_owner(struct contain *c, const struct mmr_action *o, const struct target *t, struct mmr_error *err)
{
    uint8_t buf[8192];
    char path[64], exe[PATH_BYTES], cmd[2048];
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

static int act(void *self, const struct mmr_action *o, struct mmr_error *err)
{
    struct contain *c = self;
    const struct verb *v = verb_of(o->verb);
    if (strcmp(o->verb, "block.addr") == 0) {
        if (c->blocker)
            return mmr_blocker_act(c->blocker, o, err);
        mmr_receipt_fail(c->host, o->id, "unsupported", "this machine has no nftables");
        return 0;
    }
    struct target *t = calloc(1, sizeof *t);
    if (!t)
        return mmr_fail(err, MMR_ENOMEM, "%s: out of memory", o->verb);
    int r = read_target(o->msgpack, o->len, t, err);
    if (r)
        ;
    else if (v)
        r = act_lasting(c, v, o, t, err);
    else if (strcmp(o->verb, "kill.process") == 0 && (o->flags & MMR_ACT_UNDO))
        mmr_receipt_fail(c->host, o->id, "unsupported", "an ended process cannot be brought back");
    else if (strcmp(o->verb, "kill.process") == 0)
        r = kill_process(c, o, t, err);
    else if (strcmp(o->verb, "cut.flow") == 0)
        r = cut_flow(c, o, t, err);
    else
        r = connection_owner(c, o, t, err);
    free(t);
    return r;
}

static int reconcile(void *self, const uint64_t *live, size_t n, struct mmr_error *err)
{
    struct contain *c = self;
    struct target *t = calloc(1, sizeof *t);
    if (!t)
        return mmr_fail(err, MMR_ENOMEM, "reconcile: out of memory");
    if (c->blocker)
        mmr_blocker_reconcile(c->blocker, live, n);
    for (struct mmr_act *a = mmr_acts_first(c->acts), *next; a; a = next) {
        const struct verb *v = verb_of(a->verb);
        bool is_live = false;
        next = a->next;
        for (size_t i = 0; i < n && !is_live; i++)
            is_live = live[i] == a->id;
        if (!v || read_target(a->payload, a->len, t, err) != 0)
            mmr_acts_forget(c->acts, a);
        else if (is_live)
            answer(c, v, t, a, "already");
        else if (undo_act(c, v, t, a, err) != 0)
            c->host->log(c->host->impl, MMR_LOG_ERR, err->text);
    }
    free(t);
    return 0;
}

static void expire(struct contain *c)
{
    int64_t now = c->host->now_ns(c->host->impl, MMR_CLOCK_MONOTONIC);
    struct mmr_error err = {.struct_size = sizeof err};
    struct target *t = calloc(1, sizeof *t);
    for (struct mmr_act *a; t && (a = mmr_acts_next_expiry(c->acts)) && a->expires_mono <= now;) {
        const struct verb *v = verb_of(a->verb);
        if (v && read_target(a->payload, a->len, t, &err) == 0)
            (void)v->undo(c, t, a, &err);
        mmr_acts_forget(c->acts, a);
    }
    free(t);
    arm(c);
}

static void on_timer(void *self, uint64_t cookie)
{
    struct contain *c = self;
    if (cookie == COOKIE_DEATH)
        check_deaths(c);
    else if (cookie == COOKIE_EXPIRY)
        expire(c);
    else if (c->blocker)
        mmr_blocker_timer(c->blocker, cookie);
}

static void on_fd(void *self, int fd, unsigned rw, uint64_t cookie)
{
    struct contain *c = self;
    (void)fd;
    (void)rw;
    if (c->blocker)
        mmr_blocker_readable(c->blocker, cookie);
}

static void destroy(void *self)
{
    struct contain *c = self;
    if (!c)
        return;
    for (size_t i = 0; i < DEATHS_MAX; i++)
        if (c->death[i]) {
            mmr_process_release(&c->death[i]->kill);
            free(c->death[i]);
        }
    mmr_blocker_free(c->blocker);
    mmr_acts_close(c->acts);
    free(c);
}

static int open_state(struct contain *c, struct mmr_error *err)
{
    const char *dir = c->host->state_dir;
    unsigned damaged = 0;
    if (!*dir || strlen(dir) > PATH_BYTES - 32)
        return mmr_fail(err, MMR_ECONFIG, "contain needs a state folder of its own, with a path under %d bytes", PATH_BYTES);
    (void)snprintf(c->block_dir, sizeof c->block_dir, "%s/block", dir);
    (void)snprintf(c->vault_dir, sizeof c->vault_dir, "%s/vault", dir);
    if ((mkdir(c->block_dir, 0700) != 0 && errno != EEXIST) || (mkdir(c->vault_dir, 0700) != 0 && errno != EEXIST))
        return mmr_fail(err, MMR_EIO, "state folder '%.150s': %s", dir, strerror(errno));
    return mmr_acts_open(c->host, dir, &c->acts, &damaged, err);
}

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    struct mmr_error why = {.struct_size = sizeof why};
    struct contain *c = calloc(1, sizeof *c);
    if (!c || sodium_init() < 0) {
        free(c);
        return mmr_fail(err, MMR_ENOMEM, "contain: out of memory");
    }
    c->host = host;
    c->cfg = config;
    int r = mmr_scope_parse(c->cfg->scope, &c->scope)
                ? open_state(c, err)
                : mmr_fail(err, MMR_ECONFIG, "contain: 'scope' is '%.40s', expected host, cgroup or netns", c->cfg->scope);
    if (r) {
        destroy(c);
        return r;
    }
    c->blocker_cfg = (struct mmr_blocker_config){.table = c->cfg->table, .dir = c->block_dir,
                                                 .never_block = c->cfg->never_block, .sweep_ms = c->cfg->sweep};
    if (mmr_blocker_new(host, &c->blocker_cfg, &c->blocker, &why) != 0) {
        char text[400];
        (void)snprintf(text, sizeof text, "contain.no_block_addr reason=\"%s\" what=\"addresses cannot be denied on this host\"", why.text);
        host->log(host->impl, MMR_LOG_WARN, text);
    }
    arm(c);
    *ret_self = c;
    return 0;
}

static const struct mmr_cfg_key config_rows[] = {
    MMR_CFG(struct contain_config, scope, MMR_CFG_STR, 0, "host", 0, 0,
            "whose processes may be touched: host, cgroup (our own) or netns (our own network namespace)"),
    MMR_CFG(struct contain_config, table, MMR_CFG_STR, 0, "mamori_host", 0, 0, "name of our nftables table (family inet)"),
    MMR_CFG(struct contain_config, never_block, MMR_CFG_STRV, 0, NULL, 0, 0, "addresses and networks never denied on this host"),
    MMR_CFG(struct contain_config, never_kill, MMR_CFG_STRV, 0, "systemd,init,sshd,dbus-daemon,dockerd,containerd,NetworkManager", 0, 0,
            "executables (file names) never ended"),
    MMR_CFG(struct contain_config, quarantine_max, MMR_CFG_BYTES, 0, "1G", 1, INT64_C(1) << 40, "largest file that is moved"),
    MMR_CFG(struct contain_config, sweep, MMR_CFG_MSEC, 0, "30s", 1000, 3600000, "how often every block is verified"),
    {0},
};
static const struct mmr_responder_ops responder = {.struct_size = sizeof responder, .act = act, .reconcile = reconcile};

MMR_PLUGIN(contain) = {
    MMR_PLUGIN_HEAD,
    .id = "org.mamori.contain", .name = "contain", .version = "0.1.0", .vendor = "mamori", .license = "Apache-2.0",
    .doc = "Ends processes, cuts connections, denies addresses on the host, puts files in quarantine, removes autostart entries.",
    .side = MMR_SIDE_ENDPOINT,
    .needs = MMR_NEED_KILL | MMR_NEED_PROC | MMR_NEED_FILES_RW | MMR_NEED_NETFILTER,
    .actions = (const char *const[]){"kill.process", "freeze.process", "cut.flow", "block.addr", "quarantine.file",
                                     "remove.autostart", "query.connection_owner", NULL},
    .events = (const char *const[]){"enforcement.lost", NULL},
    .config = config_rows, .config_size = sizeof(struct contain_config),
    .create = create, .destroy = destroy, .on_fd = on_fd, .on_timer = on_timer,
    .responder = &responder,
};
