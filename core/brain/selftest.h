/*
 * selftest.h - the capabilities try themselves, harmlessly: each responder gets an order as a dry run against an
 * address of the documentation range; the process sensor must see a program that does nothing; the packet side must see
 * one datagram to such an address. A capability that has not shown itself is said to be unproven.
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
    enum mmr_selftest_result result;
    int64_t sent_ns;
    char detail[160];
};
struct mmr_selftest {
    struct mmr_selftest_row row[MMR_SELFTEST_MAX];
    uint32_t n;
    pid_t child; /* the program the process sensor must see */
    bool is_sensors_tried;
};

/* Rows for what is up and has none yet; order() hands a dry run over (false: not connected). [loop] */
typedef bool (*mmr_selftest_order_fn)(void *ctx, const struct mmr_action_rec *a, unsigned flags);
void mmr_selftest_run(struct mmr_selftest *t, const struct mmr_roster *r, mmr_selftest_order_fn order, void *ctx, int64_t now_ns);
bool mmr_selftest_receipt(struct mmr_selftest *t, uint64_t id, const struct mmr_receipt *r); /* true: it was ours */
void mmr_selftest_event(struct mmr_selftest *t, const struct mmr_event_view *v);
void mmr_selftest_tick(struct mmr_selftest *t, int64_t now_ns); /* what has not answered in 5 s has failed */

#endif
