/* fold.c - a set-associative table: no allocation after start, the longest silent entry makes room. */
#include "fold.h"

#include <stdlib.h>

enum { SETS = 1024, WAYS = 4 };

struct entry {
    uint64_t key, folded;
    int64_t told_ns, seen_ns;
};
struct fold {
    struct entry e[SETS][WAYS];
};

struct fold *fold_new(void)
{
    return calloc(1, sizeof(struct fold));
}

void fold_free(struct fold *f)
{
    free(f);
}

bool fold_take(struct fold *f, uint64_t key, int64_t time_ns, int64_t span_ns, uint64_t *ret_count)
{
    struct entry *set = f->e[(key >> 16) % SETS], *victim = set;
    key |= 1; /* 0: empty */
    for (int i = 0; i < WAYS; i++) {
        struct entry *e = &set[i];
        if (e->key == key) {
            e->seen_ns = time_ns;
            /* a clock that jumped back does not silence a rule */
            if (time_ns - e->told_ns < span_ns && time_ns >= e->told_ns) {
                e->folded++;
                return false;
            }
            *ret_count = e->folded + 1;
            e->folded = 0;
            e->told_ns = time_ns;
            return true;
        }
        if (!e->key || (victim->key && e->seen_ns < victim->seen_ns))
            victim = e;
    }
    *victim = (struct entry){.key = key, .told_ns = time_ns, .seen_ns = time_ns};
    *ret_count = 1;
    return true;
}
