/* link: mmr_trust */
/* Tool manifests, the text alone: read or refused with words, and the hash of the tools does not depend on their order. */
#include "trust/manifest.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_manifest m;
    char hash[MMR_SHA256_TEXT];
    if (mmr_manifest_parse("tools", (const char *)data, size, &m, &err) != 0) {
        if (!err.text[0])
            abort();
        return 0;
    }
    if (m.n == 0 || strlen(m.toolset_hash) != MMR_SHA256_TEXT - 1)
        abort();
    if (m.n > 1) {
        struct mmr_tool first = m.tool[0];
        m.tool[0] = m.tool[m.n - 1];
        m.tool[m.n - 1] = first;
    }
    mmr_toolset_hash(m.tool, m.n, hash);
    if (strcmp(hash, m.toolset_hash) != 0)
        abort();
    mmr_manifest_done(&m);
    return 0;
}
