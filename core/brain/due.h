/* due.h - when to look at an incident again: a heap of times, each incident at most once effective. */
#ifndef MMR_BRAIN_DUE_H
#define MMR_BRAIN_DUE_H

#include <mamori/error.h>

#include <stdbool.h>
#include <stdint.h>

struct mmr_due_item {
    int64_t at_ns;
    uint64_t id;
};
struct mmr_due {
    struct mmr_due_item *heap;
    uint32_t n, cap;
};
void mmr_due_done(struct mmr_due *d);
int mmr_due_put(struct mmr_due *d, int64_t at_ns, uint64_t id, struct mmr_error *err);
/* The earliest that is due at now, removed; false: none. */
bool mmr_due_take(struct mmr_due *d, int64_t now_ns, uint64_t *ret_id);
int64_t mmr_due_next(const struct mmr_due *d); /* INT64_MAX: never */

#endif
