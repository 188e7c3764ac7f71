/* link: mmr_trust */
/* The list of bundled files: a name of it has one hash, or is refused with words; what is answered stands in the text. */
#include "trust/bundled.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mmr_error err = {.struct_size = sizeof err};
    char hash[MMR_SHA256_TEXT] = "", *text = malloc(size + 1);
    if (!text)
        return 0;
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    int r = mmr_bundled_find("list", text, "nft.so", hash, &err);
    if (r == 0 ? strlen(hash) != MMR_SHA256_TEXT - 1 || !strstr(text, hash) : hash[0] || !err.text[0])
        abort();
    free(text);
    return 0;
}
