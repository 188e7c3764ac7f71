/* link: mmr_liblog mamori-sdk */
/* fuzz_eve.c - see logdec.h */
#include "logdec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_lines(MMR_LOG_EVE, data, size);
}
