/* ending.c - kill.process: signalled once it is known to be the one meant, and answered when every pidfd says dead. */
#include "contain.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { DEATH_POLL_MS = 1, DEATH_WAIT_MS = 2000 };

struct mmr_death { /* a kill whose proof is awaited */
    uint64_t id;
    int64_t until_mono;
    struct mmr_kill kill;
};

void mmr_contain_receipt(const struct mmr_contain *c, uint64_t id, const char *result, const char *verified, const char *detail)
{
    mmr_receipt_send(c->host, id, 0, &(struct mmr_receipt_out){.result = result, .verified = verified, .method = "readback",
                     .detail = detail, .applied_ns = c->host->now_ns(c->host->impl, MMR_CLOCK_WALL)});
}

void mmr_contain_check_deaths(struct mmr_contain *c)
{
    bool is_waiting = false;
    int64_t now = c->host->now_ns(c->host->impl, MMR_CLOCK_MONOTONIC);
    for (size_t i = 0; i < MMR_CONTAIN_DEATHS; i++) {
        struct mmr_death *d = c->death[i];
        char text[200];
        if (!d)
            continue;
        bool is_dead = mmr_process_is_dead(&d->kill);
        if (!is_dead && now < d->until_mono) {
            is_waiting = true;
            continue;
        }
        (void)snprintf(text, sizeof text, "%s: %s", d->kill.what, is_dead ? "ended and gone" : "was signalled but does not end");
        mmr_contain_receipt(c, d->id, is_dead ? "applied" : "failed", is_dead ? "confirmed" : "refuted", text);
        mmr_process_release(&d->kill);
        free(d);
        c->death[i] = NULL;
    }
    (void)c->host->set_timer(c->host->impl, is_waiting ? DEATH_POLL_MS : -1, MMR_CONTAIN_TIMER_DEATH);
}

int mmr_contain_kill(struct mmr_contain *c, const struct mmr_action *o, const struct mmr_order *t, struct mmr_error *err)
{
    size_t slot = 0;
    while (slot < MMR_CONTAIN_DEATHS && c->death[slot] && c->death[slot]->id != o->id)
        slot++;
    if (slot == MMR_CONTAIN_DEATHS)
        return mmr_fail(err, MMR_ETOOBIG, "%d kills are waiting for their proof already", MMR_CONTAIN_DEATHS);
    if (c->death[slot])
        return MMR_EAGAIN; /* asked twice: the one answer follows */
    struct mmr_death *d = calloc(1, sizeof *d);
    if (!d)
        return mmr_fail(err, MMR_ENOMEM, "kill.process: out of memory");
    int r = mmr_process_pin(&t->print, t->is_tree && !(o->flags & (MMR_ACT_DRY_RUN | MMR_ACT_VERIFY)), c->scope,
                            c->cfg->never_kill.v, c->cfg->never_kill.n, &d->kill, err);
    if (r == MMR_ENOENT) {
        mmr_contain_receipt(c, o->id, "already", "confirmed", err->text);
        r = 0;
    } else if (r == MMR_EPERM) {
        mmr_receipt_fail(c->host, o->id, "refused", err->text);
        r = 0;
    } else if (!r && (o->flags & MMR_ACT_VERIFY)) {
        mmr_contain_receipt(c, o->id, "failed", "refuted", "the process still runs");
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
            mmr_contain_check_deaths(c);
            return 0;
        }
    }
    mmr_process_release(&d->kill);
    free(d);
    return r;
}


void mmr_contain_forget_deaths(struct mmr_contain *c)
{
    for (size_t i = 0; i < MMR_CONTAIN_DEATHS; i++)
        if (c->death[i]) {
            mmr_process_release(&c->death[i]->kill);
            free(c->death[i]);
        }
}
