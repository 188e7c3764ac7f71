/*
 * selftest.h - the capabilities try themselves, harmlessly: each responder gets an order as a dry run against an
 * address of the documentation range; the process sensor must see a program that does nothing; the packet side must see
 * one datagram to such an address. A capability that has not shown itself is said to be unproven. Tried at the start, again each
 * month, and each hour while it fails; what came out is kept across restarts (SR-09).
 */
#ifndef MMR_BRAIN_SELFTEST_H
#define MMR_BRAIN_SELFTEST_H

#include "brain/roster.h"

#include <sys/types.h>

enum { MMR_SELFTEST_MAX = 64 };
#define MMR_SELFTEST_ADDR "192.0.2.254" /* RFC 5737: nobody's */

enum mmr_selftest_result { MMR_SELFTEST_OPEN = 0, MMR_SELFTEST_PASSED, MMR_SELFTEST_FAILED };
struct mmr_selftest_row {
    char node[40], instance[64];
    const char *what; /* "block.addr as a dry run", … static text */
    uint64_t id;      /* of the order; 0: a sensor */
    enum mmr_selftest_result result; /* of the last try that ended; while the next one runs it stays */
    bool is_waiting;  /* a try is under way */
    bool is_news;     /* it ended, and was not kept yet */
    int64_t sent_ns;  /* the last try of this process; 0: none yet, the rest is from before */
    int64_t ended_ns, passed_ns;  /* when a try last ended; when one last passed (0: never) */
    enum mmr_selftest_result noted; /* as the evidence log has it, and since when */
    int64_t noted_ns;
    char detail[160];
};
struct mmr_selftest {
    struct mmr_selftest_row row[MMR_SELFTEST_MAX];
    uint32_t n;
    pid_t child; /* the program the process sensor must see */
    int64_t child_ns;
};

/* Tries what is up and due. order() hands a dry run over (false: not connected). [loop] */
typedef bool (*mmr_selftest_order_fn)(void *ctx, const struct mmr_action_rec *a, unsigned flags);
void mmr_selftest_run(struct mmr_selftest *t, const struct mmr_roster *r, mmr_selftest_order_fn order, void *ctx, int64_t now_ns);
bool mmr_selftest_receipt(struct mmr_selftest *t, uint64_t id, const struct mmr_receipt *r); /* true: it was ours */
void mmr_selftest_event(struct mmr_selftest *t, const struct mmr_event_view *v);
void mmr_selftest_tick(struct mmr_selftest *t, int64_t now_ns); /* what has not answered in 5 s has failed */

/* ---- kept across restarts (selftest_keep.c) ---- */

#define MMR_SELFTEST_STATE "selftest."
/* A row as it is kept; JSON, returned, free(). NULL: no memory. key: where, below MMR_SELFTEST_STATE */
char *mmr_selftest_pack(const struct mmr_selftest_row *x, char key[64]);
/* Before the first try. Trusts nothing; false: it is none. */
bool mmr_selftest_unpack(struct mmr_selftest *t, const void *json, size_t len);
/* Does the evidence log want to hear of it: another result than it has, or the same after a day? Marks it as told. */
bool mmr_selftest_note(struct mmr_selftest_row *x);
const char *mmr_selftest_result_name(enum mmr_selftest_result r); /* open, passed, failed */
/* The row of that, made if there is room; what: one of the static texts. NULL: no room, or no such test */
struct mmr_selftest_row *mmr_selftest_row(struct mmr_selftest *t, const char *node, const char *instance, const char *what);

#endif
