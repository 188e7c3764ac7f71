/*
 * mp.h - MessagePack from outside, read through a cursor without allocation: nothing is built from a
 * declared count, so a message costs what it weighs. Source: the MessagePack specification.
 */
#ifndef MMR_LIBMP_MP_H
#define MMR_LIBMP_MP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MMR_MP_DEPTH_MAX = 16 };
enum mmr_mp_type { MMR_MP_NIL = 0, MMR_MP_BOOL, MMR_MP_INT, MMR_MP_UINT, MMR_MP_FLOAT, MMR_MP_STR, MMR_MP_BIN, MMR_MP_ARRAY, MMR_MP_MAP, MMR_MP_EXT };

struct mmr_mp_item {
    uint32_t type;
    uint32_t n;       /* bytes of STR, BIN and EXT; items of ARRAY, pairs of MAP */
    const uint8_t *p; /* STR, BIN, EXT: the bytes */
    union {
        int64_t i; /* BOOL, INT */
        uint64_t u; /* UINT: only above INT64_MAX */
        double f;
    } v;
    int8_t ext; /* type of EXT */
    uint8_t reserved[7];
};
struct mmr_mp_cur {
    const uint8_t *p;
    size_t left;
    bool bad; /* sticky: truncated, or no MessagePack */
};

/* The next value; containers give their count only, what is inside follows. False: the end, or bad. */
bool mmr_mp_read(struct mmr_mp_cur *c, struct mmr_mp_item *ret);
/* Steps over the next value with all that is inside; false: bad, or deeper than MMR_MP_DEPTH_MAX. */
bool mmr_mp_skip(struct mmr_mp_cur *c);
/* mmr_mp_skip() of what stands inside an item already read. */
bool mmr_mp_skip_inside(struct mmr_mp_cur *c, const struct mmr_mp_item *item);

/* Where one value ends in a buffer that grows: starts as {0}, goes on where it stopped. */
struct mmr_mp_scan {
    size_t off;
    uint32_t depth, reserved;
    uint64_t left[MMR_MP_DEPTH_MAX + 1]; /* values still to come at each depth */
};
/* 1: the value ends at s->off; 0: more bytes are needed; MMR_EBADMSG, MMR_ETOOBIG (too deep, or over max). */
int mmr_mp_scan(struct mmr_mp_scan *s, const uint8_t *p, size_t len, size_t max);

/* One value as JSON text: bin as text, ext and what is deeper than allowed as null. False: bad, or no room. */
struct mmr_mp_json {
    char *p;
    size_t cap, n;
    bool is_full;
};
bool mmr_mp_to_json(struct mmr_mp_cur *c, struct mmr_mp_json *out);

#endif
