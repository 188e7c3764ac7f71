/* ptable.c - an array of entries, buckets of indexes, and a hand that goes round to find room. */
#include "ptable.h"

#include <stdlib.h>
#include <string.h>

#include "procfs.h"

struct mmr_ptable {
    struct mmr_pentry *rows;
    uint32_t *buckets; /* index + 1 */
    uint32_t cap, mask, used, hand, free_from;
    uint64_t evicted;
};

struct mmr_ptable *mmr_ptable_new(uint32_t cap)
{
    struct mmr_ptable *t = calloc(1, sizeof *t);
    uint32_t buckets = 64;
    while (buckets < cap && buckets < 1u << 20)
        buckets *= 2;
    if (t) {
        *t = (struct mmr_ptable){.cap = cap, .mask = buckets - 1};
        t->rows = calloc(cap, sizeof *t->rows);
        t->buckets = calloc(buckets, sizeof *t->buckets);
    }
    if (!t || !t->rows || !t->buckets) {
        mmr_ptable_free(t);
        return NULL;
    }
    return t;
}

void mmr_ptable_free(struct mmr_ptable *t)
{
    for (uint32_t i = 0; t && t->rows && i < t->cap; i++)
        free(t->rows[i].text);
    if (t) {
        free(t->rows);
        free(t->buckets);
    }
    free(t);
}

static uint32_t *bucket_of(struct mmr_ptable *t, uint32_t pid)
{
    return &t->buckets[(pid * 2654435761u >> 7) & t->mask];
}

static struct mmr_pentry *find(struct mmr_ptable *t, uint32_t pid)
{
    for (uint32_t i = *bucket_of(t, pid); i; i = t->rows[i - 1].next)
        if (t->rows[i - 1].pid == pid)
            return &t->rows[i - 1];
    return NULL;
}

struct mmr_pentry *mmr_ptable_get(struct mmr_ptable *t, uint32_t pid, int64_t start_ticks)
{
    struct mmr_pentry *e = find(t, pid);
    if (!e || (start_ticks && e->start_ticks != start_ticks))
        return NULL;
    e->is_touched = 1;
    return e;
}

static void drop(struct mmr_ptable *t, struct mmr_pentry *e)
{
    uint32_t index = (uint32_t)(e - t->rows) + 1;
    for (uint32_t *at = bucket_of(t, e->pid); *at; at = &t->rows[*at - 1].next)
        if (*at == index) {
            *at = e->next;
            break;
        }
    t->evicted += !e->is_exited;
    free(e->text);
    *e = (struct mmr_pentry){0};
    t->used--;
}

/* A free row. Full: the hand takes the first ended or untouched one, and after one round whatever it points at. */
static struct mmr_pentry *take_row(struct mmr_ptable *t)
{
    if (t->free_from < t->cap)
        return &t->rows[t->free_from++];
    for (uint32_t i = 0;; i++) {
        struct mmr_pentry *e = &t->rows[t->hand];
        t->hand = (t->hand + 1) % t->cap;
        if (!e->is_used)
            return e;
        if (i >= 2 * t->cap || (e->is_exited && !e->is_touched) || (i >= t->cap && !e->is_touched)) {
            drop(t, e);
            return e;
        }
        e->is_touched = 0;
    }
}

static const char *append(char **at, const char *text, size_t len)
{
    char *p = *at;
    memcpy(p, text, len);
    p[len] = '\0';
    *at = p + len + 1;
    return p;
}

struct mmr_pentry *mmr_ptable_put(struct mmr_ptable *t, const struct mmr_pnew *p)
{
    const char *path = p->path ? p->path : "", *cmd = p->cmd_line ? p->cmd_line : "", *box = p->container ? p->container : "";
    size_t path_len = strlen(path), cmd_len = strnlen(cmd, MMR_PTABLE_CMD_MAX), box_len = strlen(box);
    char *text = malloc(path_len + cmd_len + box_len + 3);
    if (!text)
        return NULL;
    struct mmr_pentry *e = find(t, p->pid);
    uint32_t listens = 0;
    if (e) {
        listens = e->start_ticks == p->start_ticks ? e->listens : 0;
        free(e->text);
    } else {
        e = take_row(t);
        uint32_t *b = bucket_of(t, p->pid);
        e->next = *b;
        *b = (uint32_t)(e - t->rows) + 1;
        t->used++;
    }
    *e = (struct mmr_pentry){.pid = p->pid, .ppid = p->ppid, .uid = p->uid, .next = e->next, .start_ticks = p->start_ticks,
                             .parent_ticks = p->parent_ticks, .seen_ns = p->seen_ns, .is_used = 1, .is_touched = 1,
                             .is_started = p->is_started, .listens = listens, .text = text};
    if (p->name)
        memcpy(e->name, p->name, strnlen(p->name, sizeof e->name - 1));
    e->path = append(&text, path, path_len);
    e->cmd_line = append(&text, cmd, cmd_len);
    e->container = append(&text, box, box_len);
    return e;
}

struct mmr_pentry *mmr_ptable_load(struct mmr_ptable *t, uint32_t pid, int64_t start_ticks)
{
    struct mmr_pentry *e = mmr_ptable_get(t, pid, start_ticks);
    struct mmr_pstat st;
    char path[4096], cmd[MMR_PTABLE_CMD_MAX + 1], cgroup[256], box[13] = "";
    uint32_t uid = 0;
    if (e && (start_ticks || !e->is_exited))
        return e;
    if (!pid || !mmr_procfs_stat(pid, &st) || (start_ticks && st.start_ticks != start_ticks))
        return e;
    (void)mmr_procfs_link(pid, "exe", path, sizeof path);
    (void)mmr_procfs_cmdline(pid, cmd, sizeof cmd);
    (void)mmr_procfs_uid(pid, &uid);
    if (mmr_procfs_cgroup(pid, cgroup, sizeof cgroup))
        (void)mmr_procfs_container(cgroup, box);
    struct mmr_pnew p = {.pid = pid, .ppid = st.ppid, .uid = uid, .start_ticks = st.start_ticks, .name = st.comm, .path = path,
                         .cmd_line = cmd, .container = box};
    return mmr_ptable_put(t, &p);
}

struct mmr_pentry *mmr_ptable_parent(struct mmr_ptable *t, const struct mmr_pentry *e)
{
    int64_t ticks = e->parent_ticks, own = e->start_ticks;
    struct mmr_pentry *up = e->ppid ? mmr_ptable_load(t, e->ppid, ticks) : NULL;
    /* without a known start the number may be a later process's: a parent is never younger than its child */
    return up && up->start_ticks <= own ? up : NULL;
}

static bool seed_one(void *ctx, uint32_t pid)
{
    struct mmr_pentry *e = mmr_ptable_load(ctx, pid, 0);
    if (e)
        e->is_started = 1;
    return true;
}

static bool link_parent(void *ctx, uint32_t pid)
{
    struct mmr_ptable *t = ctx;
    struct mmr_pentry *e = find(t, pid), *up = e ? find(t, e->ppid) : NULL;
    if (up && !e->parent_ticks && up->start_ticks <= e->start_ticks)
        e->parent_ticks = up->start_ticks;
    return true;
}

void mmr_ptable_seed(struct mmr_ptable *t)
{
    mmr_procfs_each(seed_one, t);
    mmr_procfs_each(link_parent, t);
}

uint32_t mmr_ptable_count(const struct mmr_ptable *t)
{
    return t->used;
}

uint64_t mmr_ptable_evicted(const struct mmr_ptable *t)
{
    return t->evicted;
}

void mmr_ptable_each(struct mmr_ptable *t, void (*fn)(void *ctx, struct mmr_pentry *e), void *ctx)
{
    for (uint32_t i = 0; i < t->free_from; i++)
        if (t->rows[i].is_used && !t->rows[i].is_exited)
            fn(ctx, &t->rows[i]);
}
