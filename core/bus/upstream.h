/*
 * upstream.h - a record of a site's hub for its provider's collector, as it travels over the site link: one of the hub's outbox, cut
 * into parts where it is longer than a message may be.
 *
 * bytes of a link record of kind MMR_UPSTREAM_RECORD: [kind, time, part, parts, bytes], MessagePack values behind one another. The
 * parts of one record follow one another in one lane and have the same number.
 */
#ifndef MMR_BUS_UPSTREAM_H
#define MMR_BUS_UPSTREAM_H

#include "bus/site.h"

enum {
    MMR_UPSTREAM_RECORD = 96,     /* hub -> collector */
    MMR_UPSTREAM_CHECKPOINT = 97, /* hub -> collector: how far its evidence is signed */
    MMR_UPSTREAM_KIND_MAX = 23,
    MMR_UPSTREAM_PART_MAX = 96 * 1024,       /* bytes of content in one part */
    MMR_UPSTREAM_BYTES_MAX = 4 * 1024 * 1024, /* of a whole record: what an outbox takes */
    MMR_UPSTREAM_PARTS_MAX = MMR_UPSTREAM_BYTES_MAX / MMR_UPSTREAM_PART_MAX + 1,
    MMR_UPSTREAM_HEAD_MAX = 64,
};

struct mmr_upstream_part {
    char kind[MMR_UPSTREAM_KIND_MAX + 1]; /* "incident", "finding", "receipt", "checkpoint": small letters and '_' */
    int64_t at_ns;
    uint32_t part, parts; /* part from 0 */
    const void *bytes;    /* borrowed */
    size_t len;
};
/* buf: len + MMR_UPSTREAM_HEAD_MAX bytes; returns how many. The part is one that read would take. */
size_t mmr_upstream_put(const struct mmr_upstream_part *p, uint8_t *buf);
/* ret->bytes points into bytes. errors MMR_EBADMSG naming what is wrong */
int mmr_upstream_read(const void *bytes, size_t len, struct mmr_upstream_part *ret, struct mmr_error *err);

/* A signed checkpoint of the site's evidence chain (store/evidence.h): [seq, time, hash, key, signature]. */
enum { MMR_UPSTREAM_HASH = 32, MMR_UPSTREAM_CHECKPOINT_MAX = 192 };
struct mmr_upstream_checkpoint {
    uint64_t seq;
    int64_t time_ns;
    uint8_t hash[MMR_UPSTREAM_HASH], key[MMR_KEY], sig[MMR_SIGNATURE];
};
size_t mmr_upstream_put_checkpoint(const struct mmr_upstream_checkpoint *c, uint8_t buf[MMR_UPSTREAM_CHECKPOINT_MAX]);
int mmr_upstream_read_checkpoint(const void *bytes, size_t len, struct mmr_upstream_checkpoint *ret, struct mmr_error *err);

#endif
