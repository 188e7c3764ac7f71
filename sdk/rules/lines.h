/*
 * lines.h - the lines of a text, or of a file (plain or .gz) that is read piece by piece: a large set of rules has ten megabytes of text, of which
 * nothing stays but the rules.
 */
#ifndef MMR_RULES_LINES_H
#define MMR_RULES_LINES_H

#include <mamori/error.h>

#include <stdbool.h>
#include <stddef.h>

struct lines { /* made by one of the two below */
    const char *name; /* of the text or file; borrowed */
    const char *p;    /* what is at hand: len bytes, read up to at */
    size_t len, at;
    void *file;       /* gzFile; NULL: all is at hand */
    char *buf;        /* file: p is in it */
    size_t taken;     /* file: bytes read so far */
    bool is_end, is_cut; /* cut: the rest of a line that is too long is to be passed over */
};

void mmr_lines_of_text(struct lines *l, const char *name, const char *text, size_t len); /* text borrowed; needs no done() */
/* errors MMR_EIO it cannot be opened; MMR_ENOMEM */
int mmr_lines_of_file(struct lines *l, const char *path, struct mmr_error *err);
void mmr_lines_done(struct lines *l);

/*
 * mmr_lines_next - the next line, without its end.
 *
 * ret_line, ret_len  in the text, or good until the next call. Of a line over LINES_MAX bytes in a file only the first LINES_MAX
 * returns  1 a line; 0 the end; MMR_EIO the file cannot be read; MMR_ETOOBIG it is over 256 MiB
 */
enum { LINES_MAX = 128 * 1024 };
int mmr_lines_next(struct lines *l, const char **ret_line, size_t *ret_len, struct mmr_error *err);

#endif
