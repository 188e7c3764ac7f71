/* link: mmr_liblog mamori-sdk */
/* fuzz_sysmonlinux.c - see logdec.h */
#include "logdec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_lines(MMR_LOG_SYSMON_LINUX, data, size);
}
