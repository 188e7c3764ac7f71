/* who.c - the process behind a change, and how many changes each has told. Short-lived writers are known when the process
 * sensor is in the same host: its starts fill the table. */
#include "files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "procfs.h"

enum { WRITERS = 1024, TRUST_NS = 50000000 };

struct mmr_who {
    struct mmr_files *f;
    struct mmr_writer writers[WRITERS]; /* ways of 4 by pid; the idle one of a way goes */
    struct stat self;
    uint64_t netns;
};

int mmr_who_new(struct mmr_files *f, struct mmr_who **ret, struct mmr_error *err)
{
    struct mmr_who *w = calloc(1, sizeof *w);
    if (!w)
        return mmr_fail(err, MMR_ENOMEM, "file watch: out of memory");
    w->f = f;
    (void)stat("/proc/self/exe", &w->self);
    w->netns = mmr_procfs_netns(0);
    *ret = w;
    return 0;
}

void mmr_who_free(struct mmr_who *w)
{
    free(w);
}

static bool is_foreign(const struct mmr_who *w, uint32_t pid)
{
    if (strcmp(w->f->config->scope, "netns") == 0)
        return mmr_procfs_netns(pid) != w->netns;
    return strcmp(w->f->config->scope, "cgroup") == 0 && !mmr_procfs_same_cgroup(pid);
}

static struct mmr_writer *writer_of(struct mmr_who *w, uint32_t pid)
{
    struct mmr_writer *way = &w->writers[pid * 2654435761u >> 24 << 2 & (WRITERS - 1)], *at = way;
    for (int i = 0; i < 4; i++) {
        if (way[i].pid == pid)
            return &way[i];
        if (way[i].checked_ns < at->checked_ns)
            at = &way[i];
    }
    if (at->suppressed)
        mmr_files_lose(w->f, at->suppressed);
    *at = (struct mmr_writer){.pid = pid, .start_ticks = -1};
    return at;
}

struct mmr_pentry *mmr_who_find(struct mmr_who *w, uint32_t pid, struct mmr_writer **ret_writer)
{
    struct mmr_ptable *t = w->f->table;
    struct mmr_writer *k = writer_of(w, pid);
    int64_t now = w->f->host->now_ns(w->f->host->impl, MMR_CLOCK_MONOTONIC);
    struct mmr_pentry *e = mmr_ptable_get(t, pid, 0);
    struct mmr_pstat st;
    *ret_writer = k;
    if (e && k->start_ticks == e->start_ticks && now - k->checked_ns < TRUST_NS)
        return e;
    k->checked_ns = now;
    if (mmr_procfs_stat(pid, &st)) {
        if (e && (e->start_ticks != st.start_ticks || strcmp(e->name, st.comm) != 0)) {
            e->is_exited = 1; /* another process by now, or another program */
            e = NULL;
        }
        e = mmr_ptable_load(t, pid, 0);
    }
    if (e && k->start_ticks != e->start_ticks) {
        struct stat exe;
        char path[64];
        uint64_t ns = w->netns;
        (void)snprintf(path, sizeof path, "/proc/%u/exe", pid);
        k->start_ticks = e->start_ticks;
        k->is_own = stat(path, &exe) == 0 && exe.st_ino == w->self.st_ino && exe.st_dev == w->self.st_dev;
        ns = mmr_procfs_netns(pid);
        k->is_foreign = ns != 0 && is_foreign(w, pid); /* gone already: told rather than hidden */
    }
    return e;
}

bool mmr_who_is_over(struct mmr_who *w, struct mmr_writer *k, const struct mmr_pentry *e)
{
    const struct mmr_files_config *c = w->f->config;
    int64_t now = w->f->host->now_ns(w->f->host->impl, MMR_CLOCK_MONOTONIC);
    if (!k->n || now - k->window_ns > c->rate_window * 1000000) {
        k->window_ns = now;
        k->n = 0;
    }
    if (k->n++ < c->rate)
        return false;
    k->suppressed++;
    if (e)
        memcpy(k->name, e->name, sizeof k->name);
    if (!w->f->is_summary_due) {
        w->f->is_summary_due = true;
        (void)w->f->host->set_timer(w->f->host->impl, c->rate_window, MMR_FILES_TIMER_SUMMARY);
    }
    return true;
}

void mmr_who_summary(struct mmr_who *w, void (*fn)(void *ctx, struct mmr_writer *k), void *ctx)
{
    for (int i = 0; i < WRITERS; i++)
        if (w->writers[i].suppressed) {
            fn(ctx, &w->writers[i]);
            w->writers[i].suppressed = 0;
        }
}
