/* listens.c - marks the processes of a table that listen on a TCP port of this network namespace. */
#include <stdlib.h>

#include "diag.h"
#include "procfs.h"
#include "ptable.h"

enum { ROWS = 1024 };

struct rows {
    struct mmr_holder *v;
    size_t n;
};

static void add(void *ctx, const struct mmr_diag_sock *s)
{
    struct rows *r = ctx;
    if (r->n < ROWS)
        r->v[r->n++] = (struct mmr_holder){.inode = s->inode};
}

static int by_inode(const void *a, const void *b)
{
    const struct mmr_holder *x = a, *y = b;
    return (x->inode > y->inode) - (x->inode < y->inode);
}

void mmr_ptable_mark_listeners(struct mmr_ptable *t)
{
    struct mmr_diag *d = NULL;
    struct rows r = {calloc(ROWS, sizeof *r.v), 0};
    if (r.v && mmr_diag_open(&d, NULL) == 0 && mmr_diag_dump(d, MMR_DIAG_LISTEN, false, add, &r, NULL) == 0) {
        qsort(r.v, r.n, sizeof *r.v, by_inode);
        mmr_procfs_holders(r.v, r.n);
        for (size_t i = 0; i < r.n; i++) {
            struct mmr_pentry *e = r.v[i].pid ? mmr_ptable_load(t, r.v[i].pid, 0) : NULL;
            if (e)
                e->listens = 1;
        }
    }
    mmr_diag_close(d);
    free(r.v);
}
