/* link: mmr_plugin_protocols_objects mmr_net mamori-sdk */
/* fuzz_http.c - HTTP through libhtp and the buffers made of it. */
#include "fuzz_net.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_parser(&proto_http, 80, data, size);
    return 0;
}
