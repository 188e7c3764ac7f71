/*
 * charset.h - text of Japanese Windows that is not UTF-8: CP932 into UTF-8. Only for values of Windows records and
 * for JSON that cannot be read otherwise; what is no CP932 either stays as it is.
 */
#ifndef MMR_CHARSET_H
#define MMR_CHARSET_H

#include <stdbool.h>
#include <stddef.h>

struct mmr_charset;

struct mmr_charset *mmr_charset_new(void); /* NULL: no memory, or the C library does not know CP932 */
void mmr_charset_free(struct mmr_charset *c);
bool mmr_charset_is_utf8(const char *p, size_t n);
/* The text in UTF-8, NUL-terminated and writable, in the object's own memory until the next call; NULL: no CP932. */
char *mmr_charset_from_cp932(struct mmr_charset *c, const char *p, size_t n, size_t *ret_n);
/* A copy of p in memory of the object's own (another than the above), until the next call; NULL: no memory. */
char *mmr_charset_copy(struct mmr_charset *c, const char *p, size_t n);

#endif
