/* skim.c - the bounded walk over MessagePack. Every byte is hostile; the walk never goes back. */
#include "event/skim.h"

#include <string.h>

static uint32_t be(const uint8_t *p, unsigned bytes)
{
    uint32_t v = 0;
    for (unsigned i = 0; i < bytes; i++)
        v = v << 8 | p[i];
    return v;
}

enum shape { SHAPE_BAD = 0, SHAPE_FIXED, SHAPE_STR, SHAPE_BIN, SHAPE_ARRAY, SHAPE_MAP, SHAPE_EXT };

/* What a first byte between 0xc0 and 0xdf opens: its shape, and how many bytes of value or length follow. */
static const struct {
    uint8_t shape, bytes;
} opens[32] = {
    {SHAPE_FIXED, 0}, {SHAPE_BAD, 0},   {SHAPE_FIXED, 0}, {SHAPE_FIXED, 0}, /* nil, never, false, true */
    {SHAPE_BIN, 1},   {SHAPE_BIN, 2},   {SHAPE_BIN, 4},   {SHAPE_EXT, 0},
    {SHAPE_EXT, 0},   {SHAPE_EXT, 0},   {SHAPE_FIXED, 4}, {SHAPE_FIXED, 8}, /* ext, float */
    {SHAPE_FIXED, 1}, {SHAPE_FIXED, 2}, {SHAPE_FIXED, 4}, {SHAPE_FIXED, 8}, /* uint */
    {SHAPE_FIXED, 1}, {SHAPE_FIXED, 2}, {SHAPE_FIXED, 4}, {SHAPE_FIXED, 8}, /* int */
    {SHAPE_EXT, 0},   {SHAPE_EXT, 0},   {SHAPE_EXT, 0},   {SHAPE_EXT, 0},
    {SHAPE_EXT, 0},   {SHAPE_STR, 1},   {SHAPE_STR, 2},   {SHAPE_STR, 4},
    {SHAPE_ARRAY, 2}, {SHAPE_ARRAY, 4}, {SHAPE_MAP, 2},   {SHAPE_MAP, 4},
};

static uint32_t limit_of(uint32_t asked, uint32_t max)
{
    return asked && asked < max ? asked : max;
}

int mmr_skim(const void *bytes, size_t len, const struct mmr_skim_limits *limits, struct mmr_error *err)
{
    const uint8_t *p = bytes;
    const uint8_t *const start = p;
    const uint32_t depth_max = limit_of(limits ? limits->depth_max : 0, MMR_SKIM_DEPTH_MAX);
    const uint32_t items_max = limit_of(limits ? limits->items_max : 0, MMR_SKIM_ITEMS_MAX);
    const size_t bytes_max = limits && limits->bytes_max && limits->bytes_max < MMR_SKIM_BYTES_MAX
                                 ? limits->bytes_max
                                 : MMR_SKIM_BYTES_MAX;
    uint32_t left[MMR_SKIM_DEPTH_MAX]; /* members still to come at each open level */
    uint32_t depth = 0, items = 0;

    if (len > bytes_max)
        return mmr_fail(err, MMR_ETOOBIG, "message: %zu bytes, at most %zu", len, bytes_max);
    const uint8_t *const end = p + len;
    for (;;) {
        if (p == end)
            return mmr_fail(err, MMR_EBADMSG, "message: ends inside a value after %zu bytes", len);
        uint8_t b = *p++;
        enum shape shape = SHAPE_FIXED;
        uint32_t n = 0;
        if (b >= 0xc0 && b <= 0xdf) {
            unsigned head = opens[b - 0xc0].bytes;
            shape = opens[b - 0xc0].shape;
            if ((size_t)(end - p) < head)
                return mmr_fail(err, MMR_EBADMSG, "message: ends inside a value after %zu bytes", len);
            if (shape != SHAPE_FIXED)
                n = be(p, head);
            p += head;
        } else if (b >= 0xa0 && b < 0xc0) {
            shape = SHAPE_STR;
            n = b & 0x1f;
        } else if (b >= 0x90 && b < 0xa0) {
            shape = SHAPE_ARRAY;
            n = b & 0x0f;
        } else if (b >= 0x80 && b < 0x90) {
            shape = SHAPE_MAP;
            n = b & 0x0f;
        } /* the rest are small integers: one byte, read already */

        switch (shape) {
        case SHAPE_FIXED:
            break;
        case SHAPE_STR:
        case SHAPE_BIN:
            if (n > (size_t)(end - p))
                return mmr_fail(err, MMR_EBADMSG, "message: %u bytes announced at %zu, %zu left", n,
                                (size_t)(p - start), (size_t)(end - p));
            if (shape == SHAPE_STR && !mmr_is_utf8(p, n))
                return mmr_fail(err, MMR_EBADMSG, "message: the text at %zu is not UTF-8", (size_t)(p - start));
            p += n;
            break;
        case SHAPE_ARRAY:
        case SHAPE_MAP:
            /* each member is at least one byte: a count beyond the bytes left is a lie, found before use */
            if (n > (size_t)(end - p) / (shape == SHAPE_MAP ? 2 : 1))
                return mmr_fail(err, MMR_EBADMSG, "message: %u members announced at %zu, %zu bytes left", n,
                                (size_t)(p - start), (size_t)(end - p));
            if (shape == SHAPE_MAP)
                n *= 2;
            if (n > items_max - items)
                return mmr_fail(err, MMR_ETOOBIG, "message: more than %u items", items_max);
            items += n;
            if (depth == depth_max)
                return mmr_fail(err, MMR_ETOOBIG, "message: nested deeper than %u", depth_max);
            left[depth++] = n;
            break;
        case SHAPE_EXT:
            return mmr_fail(err, MMR_EBADMSG, "message: extension type 0x%02x at %zu", b, (size_t)(p - start - 1));
        case SHAPE_BAD:
        default:
            return mmr_fail(err, MMR_EBADMSG, "message: reserved byte 0x%02x at %zu", b, (size_t)(p - start - 1));
        }
        while (depth && left[depth - 1] == 0)
            depth--;
        if (depth == 0)
            break;
        left[depth - 1]--;
    }
    if (p != end)
        return mmr_fail(err, MMR_EBADMSG, "message: %zu bytes after its end", (size_t)(end - p));
    return 0;
}
