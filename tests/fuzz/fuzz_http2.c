/* link: mmr_plugin_protocols_objects mmr_net mamori-sdk */
/* fuzz_http2.c - HTTP/2 frames, header blocks and the DNS messages inside. */
#include "fuzz_net.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_parser(&proto_http2, 80, data, size);
    return 0;
}
