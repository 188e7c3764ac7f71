/* link: mmr_bus */
/* fuzz_frame.c - a decoded envelope points inside its bytes, and comes back when it is encoded again. */
#include "bus/frame.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t buf[MMR_FRAME_MAX];
    static const uint8_t key[32] = {1};
    struct mmr_envelope e, again;
    size_t len;
    uint32_t n = mmr_records_count(data, size); /* also on bytes that are no envelope's body */
    if (n > MMR_BATCH_RECORDS_MAX)
        abort();
    if (mmr_frame_decode(data, size, &e, NULL) != 0)
        return 0;
    if (e.body < data || e.body + e.body_len > data + size || (e.sig && (e.sig < data || e.sig + 64 > data + size)))
        abort();
    (void)mmr_frame_is_signed_by(&e, key);
    (void)mmr_records_count(e.body, e.body_len);
    if (mmr_frame_encode(&e, NULL, buf, sizeof buf, &len, NULL) != 0)
        return 0; /* the shortest envelope grew over the limit: our numbers are longer */
    if (mmr_frame_decode(buf, len, &again, NULL) != 0 || again.seq != e.seq || again.kind != e.kind ||
        again.t_wall_ns != e.t_wall_ns || again.body_len != e.body_len || memcmp(again.body, e.body, e.body_len) != 0)
        abort();
    return 0;
}
