/* skim.h - walks MessagePack from outside once, before anything reads it. Trusts no byte, allocates nothing. */
#ifndef MMR_EVENT_SKIM_H
#define MMR_EVENT_SKIM_H

#include "util/utf8.h"

#include <mamori/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MMR_SKIM_DEPTH_MAX = 8,         /* containers inside one another; the walk's stack is this deep */
    MMR_SKIM_ITEMS_MAX = 512,       /* members of all containers together; a map's pair counts two */
    MMR_SKIM_BYTES_MAX = 256 * 1024,
};

struct mmr_skim_limits { /* each at most the constant above; 0 is the constant */
    uint32_t depth_max, items_max;
    size_t bytes_max;
};

/*
 * mmr_skim - is this exactly one well-formed MessagePack value inside the limits?
 *
 * bytes, len  one value (borrowed)
 * limits      NULL: the constants above
 * errors      MMR_EBADMSG truncated, a length or count beyond the bytes left, ext types, 0xc1, a string
 *             that is not UTF-8, bytes after the value; MMR_ETOOBIG depth, items or bytes
 * promise     what passes is unpacked with success by any MessagePack decoder, in memory proportional to len
 * source      the MessagePack specification, RFC 3629
 */
int mmr_skim(const void *bytes, size_t len, const struct mmr_skim_limits *limits, struct mmr_error *err);


#endif
