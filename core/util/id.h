/* id.h - identities: UUIDv7 (RFC 9562) when live, hashes of content where the same must come again. */
#ifndef MMR_UTIL_ID_H
#define MMR_UTIL_ID_H

#include <stddef.h>
#include <stdint.h>

enum { MMR_UUID_TEXT_MAX = 37 };

void mmr_uuid7(int64_t wall_ns, uint8_t ret_id[16]); /* random part from the kernel */
void mmr_uuid_format(const uint8_t id[16], char buf[MMR_UUID_TEXT_MAX]);
/* BLAKE2b-128 of the bytes, shaped as a UUIDv8 (RFC 9562 section 5.8) */
void mmr_uuid_of(const void *p, size_t len, uint8_t ret_id[16]);
uint64_t mmr_hash64(const void *p, size_t len, uint64_t seed); /* for tables; not for secrets */

#endif
