/* link: mmr_trust */
/* Key files: a public key, a key of the ring, a secret key without a password. Read or refused with words. */
#include "trust/keyring.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_sign_key key;
    struct mmr_sign_secret secret;
    struct mmr_ring_key ring;
    const char *text = (const char *)data;
    char buf[MMR_SIGN_FILE_MAX];
    size_t len;
    if (mmr_sign_key_parse("key", text, size, &key, &err) != 0 && !err.text[0])
        abort();
    (void)mmr_sign_secret_parse("secret", text, size, NULL, &secret, &err);
    err.text[0] = '\0';
    if (mmr_ring_key_parse("ring", text, size, &ring, &err) != 0) {
        if (!err.text[0])
            abort();
    } else if (mmr_ring_key_format(&ring, buf, &len, &err) == 0) { /* what is written is read again as the same */
        struct mmr_ring_key again;
        if (mmr_ring_key_parse("again", buf, len, &again, &err) != 0 || again.signs != ring.signs)
            abort();
    }
    return 0;
}
