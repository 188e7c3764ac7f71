/* link: mmr_plugin_protocols_objects mmr_net mamori-sdk */
/* fuzz_krb.c - the ASN.1 protocols: Kerberos and LDAP. */
#include "fuzz_net.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_parser(&proto_krb_tcp, 88, data, size);
    fuzz_parser(&proto_krb_udp, 88, data, size);
    fuzz_parser(&proto_ldap, 389, data, size);
    return 0;
}
