/* chaos.c - kill -9, in turn. */
#include "demo/chaos.h"

#include "util/clock.h"

#include <poll.h>
#include <signal.h>
#include <string.h>

enum { PAUSE_MS = 250, BACK_MS = 1000, UP_MS = 90000 };

static bool is_core(const char *name)
{
    return strcmp(name, "brain") == 0 || strcmp(name, "agent") == 0;
}

/* Brains and agents first, supervisors last: what they start again has another number. */
static void list_all(struct mmr_scene *s, struct mmr_chaos *c)
{
    struct mmr_site_process found[MMR_CHAOS_TARGETS];
    c->n = c->at = 0;
    for (int round = 0; round < 3; round++)
        for (size_t k = 0; k < MMR_SITE_NODES; k++) {
            size_t n = mmr_site_processes(&s->site, k, found, MMR_CHAOS_TARGETS);
            for (size_t i = 0; i < n && c->n < MMR_CHAOS_TARGETS; i++)
                if ((is_core(found[i].name) ? 0 : strcmp(found[i].name, "run") == 0 ? 2 : 1) == round)
                    c->list[c->n++] = found[i];
        }
}

/* Hosts hold what was not acknowledged: they must be there, the same processes, when their brain or agent is back. */
static void look_for_hosts(struct mmr_chaos *c)
{
    for (size_t i = c->at; i < c->n; i++)
        if (kill(c->list[i].pid, 0) != 0)
            c->has_died_with_core = true;
}

static void kill_next(struct mmr_chaos *c)
{
    if (c->at < c->n && kill(c->list[c->at++].pid, SIGKILL) == 0)
        c->kills++;
}

int mmr_chaos_before(struct mmr_scene *s, struct mmr_error *err)
{
    struct mmr_chaos *c = &s->chaos;
    if (!s->is_chaos)
        return 0;
    list_all(s, c);
    while (c->at < c->n) {
        bool was_core = is_core(c->list[c->at].name), is_core_next = c->at + 1 < c->n && is_core(c->list[c->at + 1].name);
        kill_next(c);
        if (was_core && !is_core_next && mmr_lab_sleep(BACK_MS))
            look_for_hosts(c);
        if (!mmr_lab_sleep(PAUSE_MS))
            return mmr_fail(err, MMR_EIO, "stopped");
        c->mended += mmr_site_mend(&s->site);
    }
    return mmr_site_await(&s->site, UP_MS, err);
}

/* In the milliseconds of the attack: the brain, PC1's agent, the responders. The sensors' hosts hold findings nobody has
 * acknowledged yet; they are killed later. */
struct strike {
    pid_t pid;
    int after_ms;
};
struct strikes {
    struct strike v[MMR_CHAOS_TARGETS];
    size_t n;
};

static int strike_all(const struct mmr_machine *m, void *arg)
{
    const struct strikes *x = arg;
    (void)m;
    for (size_t i = 0; i < x->n; i++) {
        (void)poll(NULL, 0, x->v[i].after_ms);
        (void)kill(x->v[i].pid, SIGKILL);
    }
    return 0;
}

int mmr_chaos_during(struct mmr_scene *s, struct mmr_error *err)
{
    struct mmr_chaos *c = &s->chaos;
    struct strikes x = {.n = 0};
    if (!s->is_chaos)
        return 0;
    list_all(s, c);
    static const struct {
        const char *machine, *name;
        int after_ms; /* the one before */
    } order[] = {{"gateway", "brain", 6}, {"pc1", "agent", 12}, {"pc1", "contain", 6}, {"gateway", "nft", 0}};
    for (size_t k = 0; k < sizeof order / sizeof order[0]; k++)
        for (size_t i = 0; i < c->n; i++)
            if (strcmp(c->list[i].name, order[k].name) == 0 && strcmp(c->list[i].machine, order[k].machine) == 0) {
                x.v[x.n++] = (struct strike){c->list[i].pid, order[k].after_ms};
                c->kills++;
            }
    c->n = c->at = 0;
    c->next_ns = mmr_clock_mono_ns() + 2 * MMR_NS_PER_S;
    return mmr_lab_spawn(s->lab, s->site.node[0].m, "chaos.log", strike_all, &x, NULL, err);
}

void mmr_chaos_turn(struct mmr_scene *s)
{
    struct mmr_chaos *c = &s->chaos;
    int64_t now = mmr_clock_mono_ns();
    if (!s->is_chaos)
        return;
    c->mended += mmr_site_mend(&s->site);
    if (now < c->next_ns)
        return;
    c->next_ns = now + PAUSE_MS * MMR_NS_PER_MS;
    if (c->n == 0)
        list_all(s, c);
    kill_next(c);
}

bool mmr_chaos_is_busy(const struct mmr_scene *s)
{
    return s->is_chaos && (s->chaos.n == 0 || s->chaos.at < s->chaos.n);
}
