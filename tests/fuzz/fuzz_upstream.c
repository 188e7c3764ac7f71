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
