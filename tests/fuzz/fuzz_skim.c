/* link: mmr_event mmr_lib_msgpack */
/* fuzz_skim.c - whatever the skim passes, msgpack-c unpacks; whatever the event check passes, the reader reads. */
#include "event/skim.h"
#include "event/stamp.h"

#include <msgpack.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t out[MMR_EVENT_BYTES_MAX + MMR_STAMP_EXTRA_MAX];
    static struct mmr_event_view view;
    struct mmr_event_facts facts;
    struct mmr_stamper st;
    bool is_skimmed = mmr_skim(data, size, NULL, NULL) == 0;
    if (is_skimmed) {
        msgpack_unpacked u;
        size_t off = 0;
        msgpack_unpacked_init(&u);
        if (msgpack_unpack_next(&u, (const char *)data, size, &off) != MSGPACK_UNPACK_SUCCESS || off != size)
            abort();
        msgpack_unpacked_destroy(&u);
    }
    if (mmr_event_check(data, size, NULL, &facts, NULL) == 0) {
        size_t len;
        if (mmr_event_read(data, size, &view, NULL) != 0)
            abort();
        if (mmr_stamper_init(&st, NULL, "n", "network", "p", "i", NULL) != 0 ||
            mmr_stamp_event(&st, data, size, 1, 1, NULL, out, sizeof out, &len, NULL, NULL) != 0 ||
            mmr_event_check(out, len, NULL, &facts, NULL) == 0) /* a stamped event is no plugin's event */
            abort();
        if (mmr_event_read(out, len, &view, NULL) != 0)
            abort();
    }
    return 0;
}
