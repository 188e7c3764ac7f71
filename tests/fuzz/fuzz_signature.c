/* link: mmr_trust */
/* Signature files: parsed or refused with words; what is parsed is verified without reading past it. */
#include "trust/minisign.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t hash[64];
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_signature s;
    struct mmr_sign_key k = {.pk = {1}};
    char word[64];
    if (mmr_signature_parse("sig", (const char *)data, size, &s, &err) != 0) {
        if (!err.text[0])
            abort();
        return 0;
    }
    __builtin_memcpy(k.id, s.id, sizeof k.id);
    if (mmr_signature_verify("sig", &k, &s, hash, &err) == 0)
        abort(); /* nobody has a signature of this hash with that key */
    mmr_signature_word(&s, "id", word, sizeof word);
    return 0;
}
