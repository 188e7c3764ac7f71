/* id.c - UUIDs and hashes. */
#include "util/id.h"

#include "util/clock.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

static void set_version(uint8_t id[16], unsigned version)
{
    id[6] = (uint8_t)((id[6] & 0x0f) | version << 4);
    id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
}

void mmr_uuid7(int64_t wall_ns, uint8_t ret_id[16])
{
    uint64_t ms = (uint64_t)(wall_ns / MMR_NS_PER_MS);
    randombytes_buf(ret_id, 16);
    for (unsigned i = 0; i < 6; i++)
        ret_id[i] = (uint8_t)(ms >> (8 * (5 - i)));
    set_version(ret_id, 7);
}

void mmr_uuid_format(const uint8_t id[16], char buf[MMR_UUID_TEXT_MAX])
{
    (void)snprintf(buf, MMR_UUID_TEXT_MAX,
                   "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", id[0], id[1],
                   id[2], id[3], id[4], id[5], id[6], id[7], id[8], id[9], id[10], id[11], id[12], id[13],
                   id[14], id[15]);
}

void mmr_uuid_of(const void *p, size_t len, uint8_t ret_id[16])
{
    (void)crypto_generichash(ret_id, 16, p, len, NULL, 0);
    set_version(ret_id, 8);
}

uint64_t mmr_hash64(const void *p, size_t len, uint64_t seed)
{
    const uint8_t *b = p;
    uint64_t h = seed ^ (len * UINT64_C(0x9e3779b97f4a7c15));
    while (len >= 8) {
        uint64_t w;
        memcpy(&w, b, 8);
        h = (h ^ w) * UINT64_C(0xff51afd7ed558ccd);
        h ^= h >> 32;
        b += 8;
        len -= 8;
    }
    for (size_t i = 0; i < len; i++)
        h = (h ^ b[i]) * UINT64_C(0x100000001b3);
    h ^= h >> 33;
    h *= UINT64_C(0xc4ceb9fe1a85ec53);
    return h ^ h >> 33;
}
