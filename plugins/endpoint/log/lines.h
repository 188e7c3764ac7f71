/*
 * lines.h - a file, plain or gzip, UTF-8 or UTF-16, or stdin, as lines of bounded length, or as records that stand over
 * several lines (docs.h). What is wrong with the bytes (a truncated gzip stream, a line too long) is told once and
 * everything before it is used.
 */
#ifndef MMR_LINES_H
#define MMR_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mamori/error.h>

#include "docs.h"

enum {
    MMR_LINES_HEAD_MAX = 4 * 1024 * 1024, /* looked at before the first line is given out */
    MMR_LINES_RATIO_MAX = 1200,           /* deflate cannot do more than 1032:1; above it the stream lies */
};

struct mmr_lines;

/* path "-" is stdin. MMR_ENOENT, MMR_EIO: cannot be read; MMR_ENOMEM. */
int mmr_lines_open(const char *path, struct mmr_lines **ret, struct mmr_error *err);
void mmr_lines_close(struct mmr_lines *l);
/* The first bytes of the input (up to MMR_LINES_HEAD_MAX), before any line was taken. */
const char *mmr_lines_head(const struct mmr_lines *l, size_t *ret_len, bool *ret_is_whole);
enum mmr_docs_form mmr_lines_form(const struct mmr_lines *l);
int64_t mmr_lines_mtime_ns(const struct mmr_lines *l); /* 0: unknown (a pipe) */
/* The next line without its newline, or the next record (then *ret_index is its number); NUL-terminated, writable, valid
 * until the next call; false at the end. */
bool mmr_lines_next(struct mmr_lines *l, char **ret_line, size_t *ret_len, uint64_t *ret_index);
/* A sentence about what was wrong so far, or NULL; *ret_skipped counts lines over the limit. */
const char *mmr_lines_trouble(const struct mmr_lines *l, uint64_t *ret_skipped);

#endif
