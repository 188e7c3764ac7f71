/* link: mmr_plugin_protocols_objects mmr_net mamori-sdk */
/* fuzz_tls.c - TLS records, hellos and certificates. */
#include "fuzz_net.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_parser(&proto_tls, 443, data, size);
    return 0;
}
