/* link: mmr_plugin_protocols_objects mmr_net mamori-sdk */
/* fuzz_snmp.c - SNMP messages of the three versions. */
#include "fuzz_net.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_parser(&proto_snmp, 161, data, size);
    return 0;
}
