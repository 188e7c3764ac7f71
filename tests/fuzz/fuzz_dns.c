/* link: mmr_plugin_protocols_objects mmr_net mamori-sdk */
/* fuzz_dns.c - names, pointers and records of DNS and NetBIOS. */
#include "fuzz_net.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_parser(&proto_dns_udp, 53, data, size);
    fuzz_parser(&proto_dns_tcp, 53, data, size);
    fuzz_parser(&proto_dns_udp, 137, data, size);
    return 0;
}
