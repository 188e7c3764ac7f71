/* chain.h - the canonical bytes of the evidence chain, for the writer and the verifier. */
#ifndef MMR_STORE_CHAIN_H
#define MMR_STORE_CHAIN_H

#include "store/evidence.h"

#define MMR_CHAIN_KEY_FILE "evidence.key"
#define MMR_CHAIN_PUB_FILE "evidence.pub"
enum { MMR_CHAIN_SIGNED_BYTES = 16 + 8 + 8 + MMR_EVIDENCE_HASH };

/* BLAKE2b-256 of: "mamori evidence 1" NUL, prev, seq (8 bytes, big-endian), time (8), kind length
 * (4), body length (8), kind, body. The first record's prev is 32 zero bytes. */
void mmr_chain_hash(uint64_t seq, int64_t time_ns, const char *kind, size_t kind_len,
                    const void *body, size_t len, const uint8_t prev[MMR_EVIDENCE_HASH],
                    uint8_t ret[MMR_EVIDENCE_HASH]);
/* What a checkpoint signs: "mamori checkp. 1", seq (8, big-endian), time (8), hash of record seq.
 */
void mmr_chain_signed_bytes(uint64_t seq, int64_t time_ns, const uint8_t hash[MMR_EVIDENCE_HASH],
                            uint8_t ret[MMR_CHAIN_SIGNED_BYTES]);

#endif
