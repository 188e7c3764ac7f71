/* fold.h - the same rule on the same process again and again is one finding with a count. Bounded. */
#ifndef MMR_PLUGIN_SIGMA_FOLD_H
#define MMR_PLUGIN_SIGMA_FOLD_H

#include <stdbool.h>
#include <stdint.h>

struct fold;

struct fold *fold_new(void); /* NULL: out of memory */
void fold_free(struct fold *f);

/*
 * fold_take - is this occurrence to be told?
 *
 * key        what makes it "the same": a hash of rule and subject
 * span_ns    how long repetitions are only counted
 * ret_count  occurrences this one stands for: itself and those counted since the last told one
 */
bool fold_take(struct fold *f, uint64_t key, int64_t time_ns, int64_t span_ns, uint64_t *ret_count);

#endif
