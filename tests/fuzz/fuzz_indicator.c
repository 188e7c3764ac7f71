/* link: mmr_plugin_indicator_objects mmr_net mamori-sdk */
/* fuzz_indicator.c - indicator lists: plain, MISP and STIX; then questions of the same bytes. */
#include "list.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct ind_list_options o = {.kind = size ? (enum ind_kind)(data[0] % IND_KINDS) : 0, .now_s = 1000};
    struct ind_list_stats st;
    struct ind_hit hit;
    struct ind_set *s = ind_set_new();
    const char *text = (const char *)data + (size > 0);
    size_t len = size - (size > 0);
    if (!s)
        return 0;
    if (ind_list_read(text, len, &o, s, &st, &err) == 0 && ind_set_build(s, &err) == 0) {
        size_t word = 0;
        while (word < len && text[word] != '\n')
            word++;
        (void)ind_set_domain(s, text, word, 1000, &hit);
        (void)ind_set_text(s, IND_URL, text, word, 1000, &hit);
        if (st.entries < ind_set_count(s))
            abort();
    }
    ind_set_free(s);
    return 0;
}
