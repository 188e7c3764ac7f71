/* link: mmr_plugin_protocols_objects mmr_net mamori-sdk */
/* fuzz_dhcp.c - DHCP options. */
#include "fuzz_net.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_parser(&proto_dhcp, 67, data, size);
    return 0;
}
