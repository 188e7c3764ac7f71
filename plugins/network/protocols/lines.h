/* lines.h - cuts a stream of one direction into lines with a ceiling; for FTP and SMTP. */
#ifndef MMR_PROTO_LINES_H
#define MMR_PROTO_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { LINES_MAX_BYTES = 2048 };
struct lines {
    char buf[LINES_MAX_BYTES + 1];
    size_t n;
    bool is_over; /* the rest of a line that was too long is skipped */
};
/* Take bytes up to the next line end; true when l->buf holds a line (NUL-terminated, without CR LF). */
static inline bool lines_next(struct lines *l, const uint8_t **p, size_t *left)
{
    const uint8_t *end = *left ? memchr(*p, '\n', *left) : NULL;
    size_t n = end ? (size_t)(end - *p) : *left, room = LINES_MAX_BYTES - l->n, take = l->is_over ? 0 : n < room ? n : room;
    for (size_t i = 0; i < take; i++)
        l->buf[l->n++] = (char)((*p)[i] ? (*p)[i] : ' ');
    l->is_over = l->is_over || take < n;
    *p += n + (end != NULL);
    *left -= n + (end != NULL);
    if (!end)
        return false;
    while (l->n > 0 && l->buf[l->n - 1] == '\r')
        l->n--;
    l->buf[l->n] = '\0';
    l->n = 0;
    l->is_over = false;
    return true;
}

#endif
