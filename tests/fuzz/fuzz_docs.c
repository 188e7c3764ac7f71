/* link: mmr_liblog mamori-sdk */
/*
 * fuzz_docs.c - records that stand over several lines, in pieces: the first byte says how large. What is found lies within the text, in
 * order, is the same however the text is cut, and goes through the decoder.
 */
#include "logdec.h"

#include "docs.h"

enum { TEXT_MAX = 64 * 1024, RECORDS_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct found {
    size_t at, len;
};

static size_t find(enum mmr_docs_form form, const char *text, size_t size, size_t piece, struct found *ret)
{
    struct mmr_docs d = {.form = form};
    size_t base = 0, have = 0, n = 0, at, len, used;
    for (;;) {
        bool is_end = have == size, is_found = mmr_docs_next(&d, text + base, have - base, is_end, &at, &len, &used);
        if (used > have - base || (is_found && (at + len > used || n == RECORDS_MAX)))
            abort();
        if (is_found)
            ret[n++] = (struct found){base + at, len};
        base += used;
        if (!is_found && is_end)
            return n;
        if (!is_found)
            have = size - have < piece ? size : have + piece;
        if (n == RECORDS_MAX)
            return n;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct found whole[RECORDS_MAX], cut[RECORDS_MAX];
    static char copy[TEXT_MAX + 1];
    static struct mmr_event_view view;
    if (size < 2 || size > TEXT_MAX)
        return 0;
    char *text = malloc(size - 1); /* exactly its size */
    struct mmr_logdec *d = NULL;
    if (!text || mmr_logdec_new(MMR_LOG_AUTO, "fuzz", INT64_C(1700000000000000000), &d, NULL) != 0) {
        free(text);
        return 0;
    }
    memcpy(text, data + 1, size - 1);
    size_t n = 0;
    enum mmr_docs_form form = mmr_docs_form_of(text, size - 1);
    if (form != MMR_DOCS_LINES) {
        n = find(form, text, size - 1, size, whole);
        if (find(form, text, size - 1, (size_t)data[0] + 1, cut) != n || memcmp(whole, cut, n * sizeof *whole) != 0)
            abort();
    }
    for (size_t i = 0; i < n; i++) {
        size_t len = mmr_docs_copy(form, text + whole[i].at, whole[i].len, copy, sizeof copy);
        if (len > TEXT_MAX || copy[len])
            abort();
        mmr_logdec_line(d, copy, len, i + 1, check, &view);
    }
    mmr_logdec_flush(d, check, &view);
    mmr_logdec_free(d);
    free(text);
    return 0;
}
