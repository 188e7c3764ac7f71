/* link: mmr_plugin */
/* Descriptions of programs: read or refused with words; one that is read can be checked and asked, and its configuration filled. */
#include "plugin/describe.h"
#include "plugin/program.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mmr_error err = {.struct_size = sizeof err};
    const struct mmr_plugin *p = NULL;
    uint32_t side;
    void *filled = NULL;
    char *text = malloc(size + 1); /* behind its end nothing may be read */
    if (!text)
        return 0;
    if (size)
        memcpy(text, data, size);
    int r = mmr_program_parse(text, size, "fuzz", &p, &err);
    free(text);
    if (r != 0) {
        if (!err.text[0])
            abort();
        return 0;
    }
    if (!mmr_program_made(p))
        abort();
    if (mmr_plugin_check(p, NULL, NULL, &err) == 0) {
        const char *none[] = {NULL};
        if (mmr_plugin_check_grant(p, 0, p->needs, (struct mmr_strv){NULL, 0}, NULL, NULL, &side, &err) == 0 && side != MMR_SIDE_NETWORK &&
            side != MMR_SIDE_ENDPOINT)
            abort();
        (void)mmr_plugin_check_grant(p, 0, 0, (struct mmr_strv){none, 0}, NULL, NULL, &side, &err);
        if (mmr_config_fill(p, NULL, 0, &filled, &err) == 0)
            free(filled);
    }
    mmr_program_forget_last();
    return 0;
}
