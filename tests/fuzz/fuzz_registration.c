/* link: mmr_trust */
/* Registrations: read or refused with words; one that is read is written and read again as the same. The checksum at its end
 * would keep a fuzzer out, so each input is also tried with the right one behind it. */
#include "trust/registration.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void try(const char *text, size_t len)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_registration g, again;
    char *buf = malloc(MMR_REGISTRATION_MAX);
    size_t n;
    int r = mmr_registration_parse("reg", text, len, &g, &err);
    if (r != 0 && !err.text[0])
        abort();
    if (buf && r == 0 && mmr_registration_format(&g, buf, &n, &err) == 0 &&
        (mmr_registration_parse("again", buf, n, &again, &err) != 0 || strcmp(g.sha256, again.sha256) != 0 || strcmp(g.needs, again.needs) != 0))
        abort();
    free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char sum[MMR_SHA256_TEXT], *whole = NULL;
    try((const char *)data, size);
    if (size > MMR_REGISTRATION_MAX)
        return 0;
    mmr_place_hash_bytes(data, size, sum);
    whole = malloc(size + 128);
    if (!whole)
        return 0;
    if (size)
        memcpy(whole, data, size);
    int n = snprintf(whole + size, 128, "# check: %s\n", sum);
    try(whole, size + (size_t)n);
    free(whole);
    return 0;
}
