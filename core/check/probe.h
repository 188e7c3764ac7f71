/* probe.h - the insides of the check, shared by its files: one plugin in this process, watched from all sides. */
#ifndef MMR_CHECK_PROBE_H
#define MMR_CHECK_PROBE_H

#include "check/check.h"
#include "plugin/runtime.h"

#include <pthread.h>
#include <sys/types.h>

struct mmr_report { /* shared with the parent, so it survives whatever the plugin does */
    struct mmr_trace trace;
    uint32_t n;       /* faults so far; also those beyond the room for lines */
    uint32_t skip; /* 0, or a verdict, MMR_CHECK_SKIP or MMR_CHECK_MOOT; the first line says why */
    uint32_t is_over; /* the case came to its end */
    uint32_t is_isolated;
    int32_t status;   /* of the process that ran the case, as wait() gives it */
    int32_t trapped;  /* the system call it was not to make, + 1 */
    uint64_t step;    /* of a random case */
    char doing[160];
    char line[MMR_CHECK_LINES_MAX][MMR_CHECK_LINE_MAX];
    char id[64], version[64];
    uint32_t abi_major, abi_minor, needs;
};

struct mmr_probe_rng { uint64_t s; };
uint64_t mmr_rng_next(struct mmr_probe_rng *r);
uint64_t mmr_rng_below(struct mmr_probe_rng *r, uint64_t n); /* 0 to n - 1; n > 0 */

enum { PROBE_FDS_MAX = 256 };
struct mmr_probe {
    const struct mmr_check_opts *opts;
    struct mmr_report *report;
    int fd;              /* sealed copy of the file; -1: built in */
    const char *scratch; /* a folder to write into */
    const struct mmr_plugin *p; /* as loaded */
    struct mmr_plugin wrapped;  /* what the runtime sees: the same, with our functions around */
    struct mmr_sensor_ops sensor;
    struct mmr_analyzer_ops analyzer;
    struct mmr_responder_ops responder;
    struct mmr_forwarder_ops forwarder;
    struct mmr_host host;             /* what the plugin sees */
    const struct mmr_host *real_host; /* of the runtime */
    struct mmr_runtime *rt;
    pthread_t loop;
    void *self;
    bool is_alive, is_stopped, is_timed, is_bus_full;
    uint64_t emitted, receipts, forwarded, logged;
    struct { int fd; unsigned rw; uint64_t cookie; } fds[PROBE_FDS_MAX];
    size_t n_fds;
};

/* One sentence that names what was found and what was expected. The same text is kept once. [any] */
__attribute__((format(printf, 2, 3))) void mmr_probe_fault(struct mmr_probe *pr, const char *fmt, ...);
/* The case cannot be tried; returns MMR_EUNSUPPORTED. */
__attribute__((format(printf, 2, 3))) int mmr_probe_skip(struct mmr_probe *pr, const char *fmt, ...);

/* The rule is about something it has not. */
void mmr_probe_moot(struct mmr_probe *pr, const char *why);

/* ---- a life (life.c) ---- */

/* Load, check the descriptor, wrap. Not 0: the case is over (a skip or fault is noted). */
int mmr_probe_load(struct mmr_probe *pr);
/* A configuration: what the user set, else random if rng, else what is required made up; without `without`.
 * buf MMR_EVENT_BYTES_MAX. Returns its length. */
size_t mmr_probe_config(struct mmr_probe *pr, struct mmr_probe_rng *rng, const char *without, uint8_t *buf);
/* A runtime with one instance. MMR_ECONFIG and others: create() refused, err says why. */
int mmr_probe_create(struct mmr_probe *pr, struct mmr_probe_rng *rng, struct mmr_error *err);
/* The same as a case's first step: a refusal is a skip. */
int mmr_probe_begin(struct mmr_probe *pr, bool wants_start);
void mmr_probe_end(struct mmr_probe *pr); /* stops and destroys */
/* Let it work: timers, descriptors, events, items, orders, records; by rng, n steps. */
void mmr_probe_drive(struct mmr_probe *pr, struct mmr_probe_rng *rng, uint32_t n, bool is_wild);
void mmr_probe_wrap(struct mmr_probe *pr); /* wrap.c */

/* ---- inputs (feed.c) ---- */
void mmr_probe_feed_event(struct mmr_probe *pr, struct mmr_probe_rng *rng);
void mmr_probe_feed_item(struct mmr_probe *pr, struct mmr_probe_rng *rng);
void mmr_probe_feed_order(struct mmr_probe *pr, struct mmr_probe_rng *rng);
void mmr_probe_feed_record(struct mmr_probe *pr, struct mmr_probe_rng *rng);

/* ---- what a process has (resources.c) ---- */
struct mmr_resources { size_t heap_bytes, fds, threads; };
void mmr_resources_now(struct mmr_resources *ret);
struct mmr_stopwatch { int64_t wall_ns, cpu_ns, wait_ns; };
void mmr_stopwatch_start(struct mmr_stopwatch *w);
/* What this thread used, and what it slept, since then; waiting for a processor is neither. */
void mmr_stopwatch_stop(const struct mmr_stopwatch *w, int64_t *ret_cpu_ns, int64_t *ret_slept_ns);

/* ---- the process of a case (isolate.c) ---- */
/* Namespaces of its own, everything but scratch read-only; false: the kernel does not allow it, nothing changed.
 * On true this returns in a new process; the caller's waits for it and never returns. */
bool mmr_isolate(struct mmr_report *rep, const char *scratch);
/* System calls that change something end the process, after the number was noted in rep. One way. */
int mmr_forbid_effects(struct mmr_report *rep, struct mmr_error *err);

/* ---- the cases: 0, whatever was found; notes go through fault and skip ---- */
struct mmr_check_case {
    const char *name, *what;
    void (*run)(struct mmr_probe *pr);
    bool needs_file, is_timed; /* is_timed: tried again if it fails, for the machine may have been busy */
    bool is_unsound_ok;        /* also for a plugin whose descriptor is unsound */
};
extern const struct mmr_check_case mmr_check_cases[]; /* ends with name == NULL */

#endif
