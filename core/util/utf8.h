/* utf8.h - is it UTF-8? */
#ifndef MMR_UTIL_UTF8_H
#define MMR_UTIL_UTF8_H

#include <stdbool.h>
#include <stddef.h>

bool mmr_is_utf8(const void *text, size_t len); /* RFC 3629: no overlong form, no surrogate, at most U+10FFFF */

#endif
