/* link: mmr_plugin_protocols_objects mmr_net mamori-sdk */
/* fuzz_mail.c - the line protocols: SMTP with MIME, the SSH banner. */
#include "fuzz_net.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_parser(&proto_smtp, 25, data, size);
    fuzz_parser(&proto_ssh, 22, data, size);
    return 0;
}
