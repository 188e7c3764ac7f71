/* link: mmr_plugin_protocols_objects mmr_net mamori-sdk */
/* fuzz_smb.c - SMB 1 and 2 with DCE/RPC on their pipes, and DCE/RPC over TCP. */
#include "fuzz_net.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_parser(&proto_smb, 445, data, size);
    fuzz_parser(&proto_dcerpc, 135, data, size);
    return 0;
}
