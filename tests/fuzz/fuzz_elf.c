/* link: mmr_check */
/* fuzz_elf.c - what is read of a shared object stays inside its bytes and inside its own limits. */
#include "check/elf_facts.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mmr_elf_facts f;
    struct mmr_error err = {.struct_size = sizeof err};
    if (mmr_elf_read(data, size, &f, &err) != 0) {
        if (!err.text[0])
            abort(); /* a refusal says why */
        return 0;
    }
    for (uint32_t i = 0; i < f.exports && i < MMR_ELF_NAMES_MAX; i++)
        if (strnlen(f.names[i], sizeof f.names[i]) == sizeof f.names[i])
            abort();
    if (strnlen(f.search_path, sizeof f.search_path) == sizeof f.search_path)
        abort();
    return 0;
}
