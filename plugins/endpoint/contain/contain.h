/* contain.h - the responder's own parts: contain.c routes orders, target.c reads them, ending.c ends processes, lasting.c
 * keeps what can be taken back, verbs.c is the table of such verbs, each a few calls of the parts below it. */
#ifndef MMR_CONTAIN_H
#define MMR_CONTAIN_H

#include "acts.h"
#include "blocker.h"
#include "denyexec.h"
#include "guard.h"
#include "process.h"
#include "sockets.h"
#include "vault.h"

enum { MMR_CONTAIN_DEATHS = 64, MMR_CONTAIN_PATH = 4096 };
enum { MMR_CONTAIN_TIMER_DEATH = 1, MMR_CONTAIN_TIMER_EXPIRY, MMR_CONTAIN_TIMER_CONFIRM };

struct mmr_contain_config {
    const char *scope, *table;
    struct mmr_strv never_block, never_kill, never_lock, keep;
    int64_t quarantine_max, sweep, confirm;
    bool isolate_dns;
};
struct mmr_death;
struct mmr_contain {
    const struct mmr_host *host;
    const struct mmr_contain_config *cfg;
    enum mmr_scope scope;
    struct mmr_blocker_config blocker_cfg;
    struct mmr_blocker *blocker; /* NULL: this machine has no nftables; said at start */
    struct mmr_denyexec *denyexec;
    struct mmr_acts *acts;
    struct mmr_death *death[MMR_CONTAIN_DEATHS];
    char block_dir[MMR_CONTAIN_PATH], vault_dir[MMR_CONTAIN_PATH], isolate_table[32];
    struct mmr_guard guard; /* who stays reachable when this machine is cut off */
};
struct mmr_order { /* the fields of a target map that any verb here reads */
    struct mmr_event_view view;
    char path[MMR_CONTAIN_PATH], exe[MMR_CONTAIN_PATH], sha256[65], entry[512], user[256];
    struct mmr_fingerprint print;
    bool is_tree;
    struct mmr_file_id file;
    struct mmr_tuple tuple;
};

/* target.c: fills *t; texts of t->print and t->file point into t. errors as mmr_event_read() */
int mmr_order_read(const void *msgpack, size_t len, struct mmr_order *t, struct mmr_error *err);

/* ending.c */
void mmr_contain_receipt(const struct mmr_contain *c, uint64_t id, const char *result, const char *verified, const char *detail);
int mmr_contain_kill(struct mmr_contain *c, const struct mmr_action *o, const struct mmr_order *t, struct mmr_error *err);
void mmr_contain_check_deaths(struct mmr_contain *c);
void mmr_contain_forget_deaths(struct mmr_contain *c);

/* verbs.c */
struct mmr_lasting { /* a verb that leaves something to take back */
    const char *name, *done, *would;
    bool has_lease;
    /* May it be done at all? The last gate; also what a rehearsal answers. NULL: apply says it. */
    int (*check)(struct mmr_contain *c, const struct mmr_order *t, struct mmr_error *err);
    /* MMR_ENOENT: nothing is there to be done; MMR_EPERM: it must not be. act->undo is written down once it returns 0. */
    int (*apply)(struct mmr_contain *c, const struct mmr_order *t, struct mmr_act *act, struct mmr_error *err);
    /* 0: in force; MMR_ENOENT: it is not; else cannot be told */
    int (*verify)(struct mmr_contain *c, const struct mmr_order *t, const struct mmr_act *act, struct mmr_error *err);
    int (*undo)(struct mmr_contain *c, const struct mmr_order *t, const struct mmr_act *act, struct mmr_error *err);
    /* Do two orders mean the same thing? Then it is done once, and taken back with the last of them. */
    bool (*is_same)(const struct mmr_order *a, const struct mmr_order *b);
    /* The second reason for what `other` has done: what undo needs is copied. NULL: act->undo is enough. */
    int (*share)(struct mmr_contain *c, const struct mmr_act *other, struct mmr_act *act, struct mmr_error *err);
    void (*unshare)(struct mmr_contain *c, const struct mmr_act *act); /* one reason of several is over; may be NULL */
    /* The hub still reaches us: an order about this action came after it was done. NULL: nothing waits for that. */
    int (*confirm)(struct mmr_contain *c, struct mmr_act *act, int64_t left_ms, struct mmr_error *err);
};
const struct mmr_lasting *mmr_lasting_of(const char *verb); /* NULL: not such a verb */
/* Waits for a confirmation until this time (monotonic ns); 0: it does not. */
int64_t mmr_isolate_deadline(const struct mmr_act *act);

/* lasting.c */
int mmr_lasting_act(struct mmr_contain *c, const struct mmr_lasting *v, const struct mmr_action *o, struct mmr_order *t, struct mmr_error *err);
void mmr_lasting_recover(struct mmr_contain *c); /* after a crash: what was begun is finished or taken back */
void mmr_lasting_reconcile(struct mmr_contain *c, const uint64_t *live, size_t n);
void mmr_lasting_expire(struct mmr_contain *c);
void mmr_lasting_roll_back(struct mmr_contain *c); /* what nobody confirmed */
void mmr_lasting_arm(struct mmr_contain *c);

#endif
