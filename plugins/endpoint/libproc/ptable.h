/*
 * ptable.h - the processes this machine runs or ran a moment ago, by pid, with lineage. Bounded: when it is full, an ended
 * process makes room, else the one longest not looked at; evictions are counted. Not thread safe.
 */
#ifndef MMR_PTABLE_H
#define MMR_PTABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MMR_PTABLE_CMD_MAX = 1024 }; /* bytes kept of a command line: it is told again as a parent's */

struct mmr_pentry {
    uint32_t pid, ppid, uid, next; /* next: in the bucket, index + 1 */
    int64_t start_ticks;           /* with pid: who it is */
    int64_t parent_ticks;          /* 0: unknown */
    int64_t seen_ns;               /* wall time of its start as far as it is known */
    char name[16];
    uint8_t is_used, is_exited, is_started, is_touched; /* started: its program start was seen, or told */
    uint32_t listens;                                   /* sockets it listened on */
    char *text;                                         /* owned: path, NUL, command line, NUL, container, NUL */
    const char *path, *cmd_line, *container;            /* into text; "" if unknown */
};

struct mmr_ptable;
struct mmr_pnew { /* borrowed texts; NULL is "" */
    uint32_t pid, ppid, uid;
    bool is_started;
    int64_t start_ticks, parent_ticks, seen_ns;
    const char *name, *path, *cmd_line, *container;
};

struct mmr_ptable *mmr_ptable_new(uint32_t cap); /* NULL: out of memory */
void mmr_ptable_free(struct mmr_ptable *t);
/* Valid until the next put or load. start_ticks 0: whoever has the number now, ended ones too. NULL: unknown. */
struct mmr_pentry *mmr_ptable_get(struct mmr_ptable *t, uint32_t pid, int64_t start_ticks);
struct mmr_pentry *mmr_ptable_put(struct mmr_ptable *t, const struct mmr_pnew *p); /* replaces; NULL: out of memory */
/* get(), else what /proc says about it now. A process whose start differs from start_ticks is not loaded. */
struct mmr_pentry *mmr_ptable_load(struct mmr_ptable *t, uint32_t pid, int64_t start_ticks);
struct mmr_pentry *mmr_ptable_parent(struct mmr_ptable *t, const struct mmr_pentry *e);
void mmr_ptable_seed(struct mmr_ptable *t); /* everything in /proc */
uint32_t mmr_ptable_count(const struct mmr_ptable *t);
uint64_t mmr_ptable_evicted(const struct mmr_ptable *t); /* running ones pushed out */
/* Every living entry; fn must not put or load. */
void mmr_ptable_each(struct mmr_ptable *t, void (*fn)(void *ctx, struct mmr_pentry *e), void *ctx);
/* Ask the socket table who listens, and mark those (loaded if need be). Walks every process's descriptors: some ms. */
void mmr_ptable_mark_listeners(struct mmr_ptable *t);

#endif
