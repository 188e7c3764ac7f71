/* link: mmr_bus */
/* fuzz_upstream.c - a record of a site for its collector: what is read is written again as it was, and stays in its bounds. */
#include "bus/upstream.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mmr_upstream_part p, q;
    struct mmr_upstream_checkpoint c, d;
    uint8_t buf[MMR_UPSTREAM_CHECKPOINT_MAX];
    if (mmr_upstream_read_checkpoint(data, size, &c, NULL) == 0) {
        size_t len = mmr_upstream_put_checkpoint(&c, buf);
        if (len > sizeof buf || mmr_upstream_read_checkpoint(buf, len, &d, NULL) != 0 || c.seq != d.seq || c.time_ns != d.time_ns ||
            memcmp(c.hash, d.hash, sizeof c.hash) != 0 || memcmp(c.sig, d.sig, sizeof c.sig) != 0)
            abort();
    }
    if (mmr_upstream_read(data, size, &p, NULL) != 0)
        return 0;
    if (p.len > MMR_UPSTREAM_PART_MAX || p.part >= p.parts || p.parts > MMR_UPSTREAM_PARTS_MAX || !p.kind[0])
        abort();
    uint8_t *again = malloc(p.len + MMR_UPSTREAM_HEAD_MAX);
    if (!again)
        return 0;
    size_t n = mmr_upstream_put(&p, again);
    if (n > p.len + MMR_UPSTREAM_HEAD_MAX || mmr_upstream_read(again, n, &q, NULL) != 0 || strcmp(p.kind, q.kind) != 0 || p.at_ns != q.at_ns ||
        p.part != q.part || p.parts != q.parts || p.len != q.len || memcmp(p.bytes, q.bytes, p.len) != 0)
        abort();
    free(again);
    return 0;
}
