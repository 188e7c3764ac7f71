/* link: mmr_classify */
/* fuzz_facts_json.c - lines of `mamori classify` and `mamori conform eval`: any bytes give an
 * answer or an error. */
#include "classify/classify.h"
#include "standard/relief.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static int (*const parsers[])(const char *, size_t, char **,
                                  struct mmr_error *) = {mmr_classify_json, mmr_relief_json};
    for (size_t k = 0; k < sizeof parsers / sizeof parsers[0]; k++) {
        struct mmr_error err = {.struct_size = sizeof err};
        char *out = NULL;
        int r = parsers[k]((const char *)data, len, &out, &err);
        if ((r == 0) != (out != NULL) || (r < 0 && !err.text[0]))
            abort();
        free(out);
    }
    return 0;
}
