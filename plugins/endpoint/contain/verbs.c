/* verbs.c - the verbs that leave something to take back: each is a few calls of the parts that do it. */
#include "contain.h"

#include "account.h"
#include "autostart.h"
#include "isolate.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STOP_LOOKS = 50, STOP_LOOK_US = 200 };

static bool same_path(const struct mmr_order *a, const struct mmr_order *b)
{
    return strcmp(a->path, b->path) == 0;
}

static bool same_process(const struct mmr_order *a, const struct mmr_order *b)
{
    return a->print.pid == b->print.pid && a->print.start_ticks == b->print.start_ticks;
}

static bool same_user(const struct mmr_order *a, const struct mmr_order *b)
{
    return strcmp(a->user, b->user) == 0;
}

static bool same_machine(const struct mmr_order *a, const struct mmr_order *b)
{
    (void)a, (void)b;
    return true; /* there is one: this */
}

/* ---- freeze.process ---- */

static int signal_pinned(const struct mmr_contain *c, const struct mmr_order *t, int sig, struct mmr_error *err)
{
    struct mmr_kill *k = calloc(1, sizeof *k);
    if (!k)
        return mmr_fail(err, MMR_ENOMEM, "freeze.process: out of memory");
    int r = mmr_process_pin(&t->print, t->is_tree, c->scope, c->cfg->never_kill.v, c->cfg->never_kill.n, k, err);
    int e = r ? 0 : mmr_process_signal(k, sig);
    if (e)
        r = mmr_fail(err, MMR_EIO, "%s: %s", k->what, strerror(e));
    if (!r || e)
        mmr_process_release(k);
    free(k);
    return r;
}

static int do_freeze(struct mmr_contain *c, const struct mmr_order *t, struct mmr_act *act, struct mmr_error *err)
{
    (void)act;
    int r = signal_pinned(c, t, SIGSTOP, err);
    for (int i = 0; !r && i < STOP_LOOKS && !mmr_process_is_stopped(&t->print, t->is_tree); i++)
        (void)usleep(STOP_LOOK_US); /* at most 10 ms: a stop is delivered at the next return to user space */
    return r;
}

static int verify_freeze(struct mmr_contain *c, const struct mmr_order *t, const struct mmr_act *act, struct mmr_error *err)
{
    (void)c, (void)act;
    return mmr_process_is_stopped(&t->print, t->is_tree) ? 0 : mmr_fail(err, MMR_ENOENT, "the process is not stopped (any more)");
}

static int undo_freeze(struct mmr_contain *c, const struct mmr_order *t, const struct mmr_act *act, struct mmr_error *err)
{
    (void)act;
    int r = signal_pinned(c, t, SIGCONT, err);
    return r == MMR_ENOENT ? 0 : r;
}

/* ---- quarantine.file ---- */

static int check_quarantine(struct mmr_contain *c, const struct mmr_order *t, struct mmr_error *err)
{
    int r = mmr_vault_check(&t->file, c->cfg->quarantine_max, err);
    return r == MMR_ENOENT ? 0 : r; /* it may be in quarantine already */
}

static int do_quarantine(struct mmr_contain *c, const struct mmr_order *t, struct mmr_act *act, struct mmr_error *err)
{
    char sha256[65];
    int r = mmr_vault_take(c->vault_dir, act->id, &t->file, c->cfg->quarantine_max, sha256, err);
    if (!r)
        (void)snprintf(act->undo, sizeof act->undo, "%s", sha256);
    return r;
}

static int verify_quarantine(struct mmr_contain *c, const struct mmr_order *t, const struct mmr_act *act, struct mmr_error *err)
{
    (void)t;
    return mmr_vault_verify(c->vault_dir, act->id, err);
}

static int undo_quarantine(struct mmr_contain *c, const struct mmr_order *t, const struct mmr_act *act, struct mmr_error *err)
{
    (void)t;
    int r = mmr_vault_restore(c->vault_dir, act->id, err);
    return r == MMR_ENOENT ? 0 : r;
}

static int share_quarantine(struct mmr_contain *c, const struct mmr_act *other, struct mmr_act *act, struct mmr_error *err)
{
    return mmr_vault_share(c->vault_dir, other->id, act->id, err);
}

static void unshare_quarantine(struct mmr_contain *c, const struct mmr_act *act)
{
    mmr_vault_forget(c->vault_dir, act->id);
}

/* ---- remove.autostart ---- */

static bool same_entry(const struct mmr_order *a, const struct mmr_order *b)
{
    return same_path(a, b) && strcmp(a->entry, b->entry) == 0;
}

static int check_autostart(struct mmr_contain *c, const struct mmr_order *t, struct mmr_error *err)
{
    (void)c;
    switch (mmr_autostart_kind_of(t->path)) {
    case MMR_AUTOSTART_FILE: return 0;
    case MMR_AUTOSTART_LINES:
        return t->entry[0] ? 0 : mmr_fail(err, MMR_EPERM, "'%.150s' holds other people's entries too; 'entry' must name the line", t->path);
    default: return mmr_fail(err, MMR_EPERM, "'%.150s' is no place where programs start by themselves", t->path);
    }
}

static int do_autostart(struct mmr_contain *c, const struct mmr_order *t, struct mmr_act *act, struct mmr_error *err)
{
    return mmr_autostart_kind_of(t->path) == MMR_AUTOSTART_FILE
               ? do_quarantine(c, t, act, err) : mmr_autostart_cut(t->path, t->entry, act->undo, sizeof act->undo, err);
}

static int verify_autostart(struct mmr_contain *c, const struct mmr_order *t, const struct mmr_act *act, struct mmr_error *err)
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

static int undo_autostart(struct mmr_contain *c, const struct mmr_order *t, const struct mmr_act *act, struct mmr_error *err)
{
    if (mmr_autostart_kind_of(t->path) == MMR_AUTOSTART_FILE)
        return undo_quarantine(c, t, act, err);
    return act->undo[0] ? mmr_autostart_put_back(t->path, act->undo, err) : 0;
}

static int share_autostart(struct mmr_contain *c, const struct mmr_act *other, struct mmr_act *act, struct mmr_error *err)
{
    struct mmr_order *t = calloc(1, sizeof *t);
    int r = t ? mmr_order_read(act->payload, act->len, t, err) : mmr_fail(err, MMR_ENOMEM, "remove.autostart: out of memory");
    if (!r && mmr_autostart_kind_of(t->path) == MMR_AUTOSTART_FILE)
        r = share_quarantine(c, other, act, err);
    free(t);
    return r;
}

/* ---- deny.exec ---- */

static int check_deny(struct mmr_contain *c, const struct mmr_order *t, struct mmr_error *err)
{
    (void)c;
    int r = mmr_denyexec_check(&t->file, err);
    return r == MMR_ENOENT ? 0 : r;
}

static int do_deny(struct mmr_contain *c, const struct mmr_order *t, struct mmr_act *act, struct mmr_error *err)
{
    return mmr_denyexec_arm(c->denyexec, &t->file, act->undo, err);
}

static int verify_deny(struct mmr_contain *c, const struct mmr_order *t, const struct mmr_act *act, struct mmr_error *err)
{
    return mmr_denyexec_verify(c->denyexec, &t->file, act->undo, err);
}

static int undo_deny(struct mmr_contain *c, const struct mmr_order *t, const struct mmr_act *act, struct mmr_error *err)
{
    return mmr_denyexec_disarm(c->denyexec, &t->file, act->undo, err);
}

/* ---- lock.account ---- */

static int check_lock(struct mmr_contain *c, const struct mmr_order *t, struct mmr_error *err)
{
    return mmr_account_check("/etc", t->user, c->cfg->never_lock.v, c->cfg->never_lock.n, NULL, err);
}

static int do_lock(struct mmr_contain *c, const struct mmr_order *t, struct mmr_act *act, struct mmr_error *err)
{
    uid_t uid;
    int r = mmr_account_check("/etc", t->user, c->cfg->never_lock.v, c->cfg->never_lock.n, &uid, err);
    if (!r)
        r = mmr_account_lock("/etc", t->user, act->undo, err);
    if (!r) /* the door first, then whoever is inside */
        (void)mmr_process_signal_user(uid, c->scope, SIGKILL);
    return r;
}

static int verify_lock(struct mmr_contain *c, const struct mmr_order *t, const struct mmr_act *act, struct mmr_error *err)
{
    uid_t uid;
    (void)act;
    int r = mmr_account_is_locked("/etc", t->user, err);
    if (!r && mmr_account_check("/etc", t->user, NULL, 0, &uid, err) == 0) {
        uint32_t left = 1;
        for (int i = 0; i < STOP_LOOKS && left; i++) { /* the dying are counted until they are gone */
            left = mmr_process_signal_user(uid, c->scope, 0);
            if (left)
                (void)usleep(STOP_LOOK_US);
        }
        if (left)
            r = mmr_fail(err, MMR_EAGAIN, "'%.60s' is locked, but %u of its processes still run", t->user, left);
    }
    return r;
}

static int undo_lock(struct mmr_contain *c, const struct mmr_order *t, const struct mmr_act *act, struct mmr_error *err)
{
    (void)c;
    /* begun and done, and the word of how it was before lost with a crash: open, as it must have been to be worth locking */
    int r = mmr_account_unlock("/etc", t->user, act->undo[0] ? act->undo : "0 -1", err);
    return r == MMR_ENOENT ? 0 : r;
}

/* ---- isolate.host ---- */

static void keep(struct mmr_guard *g, const struct mmr_addr *a, const char *why)
{
    if (g->n == MMR_GUARD_MAX)
        return;
    memset(&g->item[g->n].net, 0, sizeof g->item[g->n].net);
    g->item[g->n].net.addr = *a;
    g->item[g->n].net.bits = 128;
    g->item[g->n++].why = why;
}

/* The hub and who else our own connections reach, by their addresses as they are now; what the configuration names; the
 * administrator at work; name servers only when asked for: names are a way out too. */
static int whom_to_keep(struct mmr_contain *c, struct mmr_error *err)
{
    struct mmr_guard *g = &c->guard;
    struct mmr_addr peer[MMR_SOCKETS_PEERS_MAX];
    const struct mmr_strv *const lists[] = {&c->cfg->never_block, &c->cfg->keep};
    struct mmr_sessions now;
    g->n = 0;
    size_t n = mmr_sockets_own_peers(peer, MMR_SOCKETS_PEERS_MAX);
    for (size_t i = 0; i < n; i++)
        keep(g, &peer[i], "our own connection");
    mmr_sessions_learn(&now);
    for (uint32_t i = 0; i < g->admins.n; i++)
        if (mmr_sessions_has(&now, &g->admins.addr[i]))
            keep(g, &g->admins.addr[i], "an administrator's session");
    for (size_t l = 0; l < 2; l++)
        for (size_t i = 0; i < lists[l]->n; i++) {
            if (g->n == MMR_GUARD_MAX || !mmr_deny_parse(lists[l]->v[i], &g->item[g->n].net))
                return mmr_fail(err, MMR_ECONFIG, "isolate.host: '%.80s' is no address or network", lists[l]->v[i]);
            g->item[g->n++].why = "configured";
        }
    char line[512], text[128];
    FILE *f = c->cfg->isolate_dns ? fopen("/etc/resolv.conf", "re") : NULL;
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, " nameserver %127s", text) == 1 && g->n < MMR_GUARD_MAX && mmr_deny_parse(text, &g->item[g->n].net))
            g->item[g->n++].why = "a name server";
    if (f)
        (void)fclose(f);
    return 0;
}

static int64_t mono_ms(const struct mmr_contain *c)
{
    return c->host->now_ns(c->host->impl, MMR_CLOCK_MONOTONIC) / 1000000;
}

static int check_isolate(struct mmr_contain *c, const struct mmr_order *t, struct mmr_error *err)
{
    (void)t;
    return whom_to_keep(c, err);
}

static int do_isolate(struct mmr_contain *c, const struct mmr_order *t, struct mmr_act *act, struct mmr_error *err)
{
    struct mmr_deny_key *keys = calloc(MMR_GUARD_MAX, sizeof *keys);
    int r = keys ? whom_to_keep(c, err) : mmr_fail(err, MMR_ENOMEM, "isolate.host: out of memory");
    (void)t;
    for (uint32_t i = 0; !r && i < c->guard.n; i++)
        keys[i] = c->guard.item[i].net;
    /* the kernel itself rolls back what nobody confirms, also when we are gone by then */
    if (!r)
        r = mmr_isolate_apply(c->isolate_table, keys, c->guard.n, c->cfg->confirm, err);
    if (!r)
        (void)snprintf(act->undo, sizeof act->undo, "until %" PRId64, mono_ms(c) + c->cfg->confirm);
    free(keys);
    return r;
}

int64_t mmr_isolate_deadline(const struct mmr_act *act)
{
    long long ms;
    return strcmp(act->verb, "isolate.host") == 0 && sscanf(act->undo, "until %lld", &ms) == 1 && ms > 0 ? ms * 1000000 : 0;
}

static int confirm_isolate(struct mmr_contain *c, struct mmr_act *act, int64_t left_ms, struct mmr_error *err)
{
    for (const struct mmr_act *x = mmr_acts_first(c->acts); x && left_ms; x = x->next) /* the longest lease decides */
        if (strcmp(x->verb, act->verb) == 0 && x->applied_ns) {
            int64_t ms = x->expires_mono / 1000000 - mono_ms(c);
            left_ms = !x->expires_mono ? 0 : ms > left_ms ? ms : left_ms;
        }
    int r = mmr_isolate_extend(c->isolate_table, left_ms, err);
    if (!r)
        (void)snprintf(act->undo, sizeof act->undo, "confirmed");
    return r;
}

static int verify_isolate(struct mmr_contain *c, const struct mmr_order *t, const struct mmr_act *act, struct mmr_error *err)
{
    (void)t, (void)act;
    return mmr_isolate_check(c->isolate_table, err);
}

static int undo_isolate(struct mmr_contain *c, const struct mmr_order *t, const struct mmr_act *act, struct mmr_error *err)
{
    (void)t, (void)act;
    return mmr_isolate_remove(c->isolate_table, err);
}

static const struct mmr_lasting verbs[] = {
    {.name = "freeze.process", .done = "the process is stopped until a person has looked",
     .would = "dry run: this process would have been stopped", .has_lease = true,
     .apply = do_freeze, .verify = verify_freeze, .undo = undo_freeze, .is_same = same_process},
    {.name = "quarantine.file", .done = "the file was moved where it cannot run", .would = "dry run: this file would have been moved",
     .check = check_quarantine, .apply = do_quarantine, .verify = verify_quarantine, .undo = undo_quarantine, .is_same = same_path,
     .share = share_quarantine, .unshare = unshare_quarantine},
    {.name = "remove.autostart", .done = "the entry that starts it by itself was taken out",
     .would = "dry run: this entry would have been taken out",
     .check = check_autostart, .apply = do_autostart, .verify = verify_autostart, .undo = undo_autostart, .is_same = same_entry,
     .share = share_autostart, .unshare = unshare_quarantine},
    {.name = "deny.exec", .done = "nobody may run this file", .would = "dry run: this file would not have been allowed to run",
     .has_lease = true, .check = check_deny, .apply = do_deny, .verify = verify_deny, .undo = undo_deny, .is_same = same_path},
    {.name = "lock.account", .done = "the account is locked and its sessions are ended",
     .would = "dry run: this account would have been locked",
     .check = check_lock, .apply = do_lock, .verify = verify_lock, .undo = undo_lock, .is_same = same_user},
    {.name = "isolate.host", .done = "this machine reaches its hub and its administrators, and nobody else",
     .would = "dry run: this machine would have been cut off", .has_lease = true,
     .check = check_isolate, .apply = do_isolate, .verify = verify_isolate, .undo = undo_isolate, .is_same = same_machine,
     .confirm = confirm_isolate},
};

const struct mmr_lasting *mmr_lasting_of(const char *verb)
{
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(verbs[i].name, verb) == 0)
            return &verbs[i];
    return NULL;
}
