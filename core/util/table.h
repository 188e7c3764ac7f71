/* table.h - uthash with our hash: its own one does not pass clang's fall-through warning. */
#ifndef MMR_TABLE_H
#define MMR_TABLE_H

#include "util/id.h"

#define HASH_FUNCTION(key, len, ret_hash) ((ret_hash) = (unsigned)mmr_hash64((key), (len), 0))
#include <uthash.h>

#endif
