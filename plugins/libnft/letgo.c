/* letgo.c - see letgo.h. */
#include "letgo.h"

#include "conntrack.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { REST_S = 1 };

struct mmr_letgo {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t change;
    bool is_ending; /* these, under lock */
    uint32_t n;
    struct mmr_deny_key waiting[MMR_LETGO_WAITING_MAX];
    struct mmr_letgo_count count;
    struct mmr_deny_key now[MMR_LETGO_WAITING_MAX]; /* the thread's own */
};

/* A passage costs a core some 30 ms: a second apart they cost little also under a flood of blocks, which hold without them. */
static void rest(struct mmr_letgo *l)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += REST_S;
    while (!l->is_ending && pthread_cond_timedwait(&l->change, &l->lock, &until) == 0)
        continue;
}

static void *passages(void *ctx)
{
    struct mmr_letgo *l = ctx;
    (void)pthread_mutex_lock(&l->lock);
    while (!l->is_ending) {
        struct mmr_error err = {.struct_size = sizeof err};
        unsigned n_gone = 0;
        const uint32_t n = l->n;
        if (!n) {
            (void)pthread_cond_wait(&l->change, &l->lock);
            continue;
        }
        memcpy(l->now, l->waiting, n * sizeof l->now[0]);
        l->n = 0;
        (void)pthread_mutex_unlock(&l->lock);
        int r = mmr_conntrack_forget(l->now, n, &n_gone, &err);
        (void)pthread_mutex_lock(&l->lock);
        l->count.connections += n_gone;
        if (r && r != MMR_EUNSUPPORTED) /* without connection tracking there is nothing to forget */
            l->count.error = err;
        rest(l);
    }
    (void)pthread_mutex_unlock(&l->lock);
    return NULL;
}

int mmr_letgo_new(struct mmr_letgo **ret, struct mmr_error *err)
{
    struct mmr_letgo *l = calloc(1, sizeof *l);
    pthread_condattr_t attr;
    sigset_t all, before;
    if (!l)
        return mmr_fail(err, MMR_ENOMEM, "connections of denied addresses: out of memory");
    (void)pthread_mutex_init(&l->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&l->change, &attr);
    (void)pthread_condattr_destroy(&attr);
    (void)sigfillset(&all); /* signals are the loop thread's */
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int e = pthread_create(&l->thread, NULL, passages, l);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (e) {
        (void)pthread_cond_destroy(&l->change);
        (void)pthread_mutex_destroy(&l->lock);
        free(l);
        return mmr_fail(err, MMR_EIO, "connections of denied addresses: no thread: %s", strerror(e));
    }
    *ret = l;
    return 0;
}

void mmr_letgo_free(struct mmr_letgo *l)
{
    if (!l)
        return;
    (void)pthread_mutex_lock(&l->lock);
    l->is_ending = true;
    (void)pthread_cond_signal(&l->change);
    (void)pthread_mutex_unlock(&l->lock);
    (void)pthread_join(l->thread, NULL);
    (void)pthread_cond_destroy(&l->change);
    (void)pthread_mutex_destroy(&l->lock);
    free(l);
}

void mmr_letgo_add(struct mmr_letgo *l, const struct mmr_deny_key *k)
{
    (void)pthread_mutex_lock(&l->lock);
    if (l->n < MMR_LETGO_WAITING_MAX)
        l->waiting[l->n++] = *k;
    else
        l->count.left_out++;
    (void)pthread_cond_signal(&l->change);
    (void)pthread_mutex_unlock(&l->lock);
}

struct mmr_letgo_count mmr_letgo_count(struct mmr_letgo *l)
{
    (void)pthread_mutex_lock(&l->lock);
    struct mmr_letgo_count c = l->count;
    l->count.error.code = 0;
    (void)pthread_mutex_unlock(&l->lock);
    return c;
}
