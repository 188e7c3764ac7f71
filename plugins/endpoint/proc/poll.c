/* poll.c - the last resort: the list of processes twice a second. Processes that live shorter are missed. */
#include "proc.h"

#include <stdlib.h>
#include <string.h>

#include "procfs.h"

enum { YOUNG_NS = 2000000000, CHECKED_PER_LOOK = 64 };

struct mmr_poll {
    struct mmr_proc *p;
    uint32_t round, n;
    struct { /* new ones; told after the walk, and watched while young: a copy of its parent may start a program yet */
        uint32_t pid, reserved;
    } found[1024];
    uint8_t alive[(1 << 22) / 8]; /* pids of this look: PID_MAX_LIMIT bits */
};

int mmr_poll_open(struct mmr_proc *p, struct mmr_poll **ret, struct mmr_error *err)
{
    struct mmr_poll *q = calloc(1, sizeof *q);
    if (!q)
        return mmr_fail(err, MMR_ENOMEM, "process list: out of memory");
    q->p = p;
    *ret = q;
    return 0;
}

void mmr_poll_close(struct mmr_poll *q)
{
    free(q);
}

static bool has_changed(struct mmr_poll *q, const struct mmr_pentry *e, int64_t now_ns)
{
    struct mmr_pstat st;
    char path[4096];
    bool is_young = e->seen_ns && now_ns - e->seen_ns < YOUNG_NS;
    if (!is_young && (e->pid + q->round) % CHECKED_PER_LOOK != 0)
        return false;
    if (!mmr_procfs_stat(e->pid, &st))
        return false;
    if (st.start_ticks != e->start_ticks)
        return true;
    return strcmp(st.comm, e->name) != 0 && mmr_procfs_link(e->pid, "exe", path, sizeof path) && strcmp(path, e->path) != 0;
}

static bool look_at(void *ctx, uint32_t pid)
{
    struct mmr_poll *q = ctx;
    const struct mmr_pentry *e = mmr_ptable_get(q->p->table, pid, 0);
    if (pid / 8 < sizeof q->alive)
        q->alive[pid / 8] |= (uint8_t)(1u << pid % 8);
    int64_t now = q->p->host->now_ns(q->p->host->impl, MMR_CLOCK_WALL);
    if (e && !e->is_exited && e->is_started && !has_changed(q, e, now))
        return true;
    q->found[q->n++].pid = pid;
    return q->n < sizeof q->found / sizeof q->found[0];
}

static void note_dead(void *ctx, struct mmr_pentry *e)
{
    struct mmr_poll *q = ctx;
    if (e->pid / 8 >= sizeof q->alive || !(q->alive[e->pid / 8] & 1u << e->pid % 8))
        mmr_proc_ended(q->p, e->pid, e->start_ticks, false, 0, q->p->host->now_ns(q->p->host->impl, MMR_CLOCK_WALL));
}

void mmr_poll_look(struct mmr_poll *q)
{
    memset(q->alive, 0, sizeof q->alive);
    q->n = 0;
    q->round++;
    mmr_procfs_each(look_at, q);
    if (q->n < sizeof q->found / sizeof q->found[0])
        mmr_ptable_each(q->p->table, note_dead, q);
    for (uint32_t i = 0; i < q->n; i++) {
        struct mmr_pstat st;
        if (mmr_procfs_stat(q->found[i].pid, &st) && st.state != 'Z' && st.ppid != 2 && q->found[i].pid != 2)
            mmr_proc_exec_pid(q->p, q->found[i].pid, q->p->host->now_ns(q->p->host->impl, MMR_CLOCK_WALL));
    }
}
