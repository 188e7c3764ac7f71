/* link: mmr_config */
/* fuzz_config.c - any bytes as a drop-in: an answer or errors, never a crash, bounded memory. */
#include "config/config.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ignore(void *ctx, const char *line)
{
    (void)ctx;
    (void)line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct mmr_config *c = NULL;
    struct mmr_error err = {.struct_size = sizeof err};
    if (!text)
        return 0;
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    struct mmr_config_source src = {.name = "fuzz", .text = text};
    if (mmr_config_load(&src, 1, ignore, NULL, &c, &err) == 0)
        mmr_config_free(c);
    free(text);
    return 0;
}
