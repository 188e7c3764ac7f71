/*
 * docs.h - records that do not stand one on a line: JSON written over several lines or as one array, XML over several
 * lines, the journal's export form. Finds where each begins and ends. Pure: no file, no memory of its own.
 */
#ifndef MMR_DOCS_H
#define MMR_DOCS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mmr_docs_form { MMR_DOCS_LINES = 0, MMR_DOCS_JSON, MMR_DOCS_XML, MMR_DOCS_EXPORT };

struct mmr_docs {
    enum mmr_docs_form form;
    size_t scanned; /* bytes of the text already looked at */
    size_t start;   /* where the open record begins */
    uint32_t depth;
    bool is_open, in_string, is_escaped, reserved;
};

/* The form of an input by its beginning; MMR_DOCS_LINES for whatever is a record a line, or nothing known. */
enum mmr_docs_form mmr_docs_form_of(const char *head, size_t len);

/*
 * mmr_docs_next - the next whole record in p[0..n), which begins where the last call's *ret_used ended, or at the same place
 * with more text when that call found none.
 *
 * ret_at, ret_len  the record, when true is returned
 * ret_used         bytes that are done with, also when false is returned (what lies between records)
 */
bool mmr_docs_next(struct mmr_docs *d, const char *p, size_t n, bool is_end, size_t *ret_at, size_t *ret_len, size_t *ret_used);

/*
 * mmr_docs_copy - a record as one line in out (NUL-terminated, cut at cap, which is 128 at least); its length.
 * The export form becomes the JSON the journal itself writes; of the others newlines become blanks.
 */
size_t mmr_docs_copy(enum mmr_docs_form form, const char *p, size_t n, char *out, size_t cap);

#endif
