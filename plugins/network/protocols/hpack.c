/* hpack.c - see hpack.h. The static table is RFC 7541 appendix A, the code lengths are those of appendix B. */
#include "hpack.h"

#include <stdlib.h>
#include <string.h>

enum { ENTRY_COST = 32, SYMBOLS = 257, CODE_BITS = 30, EOS = 256, STATIC_N = 61 };

static const struct {
    const char *name, *value;
} fixed[STATIC_N] = {
    {":authority", ""}, {":method", "GET"}, {":method", "POST"}, {":path", "/"}, {":path", "/index.html"},
    {":scheme", "http"}, {":scheme", "https"}, {":status", "200"}, {":status", "204"}, {":status", "206"},
    {":status", "304"}, {":status", "400"}, {":status", "404"}, {":status", "500"}, {"accept-charset", ""},
    {"accept-encoding", "gzip, deflate"}, {"accept-language", ""}, {"accept-ranges", ""}, {"accept", ""},
    {"access-control-allow-origin", ""}, {"age", ""}, {"allow", ""}, {"authorization", ""}, {"cache-control", ""},
    {"content-disposition", ""}, {"content-encoding", ""}, {"content-language", ""}, {"content-length", ""},
    {"content-location", ""}, {"content-range", ""}, {"content-type", ""}, {"cookie", ""}, {"date", ""}, {"etag", ""},
    {"expect", ""}, {"expires", ""}, {"from", ""}, {"host", ""}, {"if-match", ""}, {"if-modified-since", ""},
    {"if-none-match", ""}, {"if-range", ""}, {"if-unmodified-since", ""}, {"last-modified", ""}, {"link", ""},
    {"location", ""}, {"max-forwards", ""}, {"proxy-authenticate", ""}, {"proxy-authorization", ""}, {"range", ""},
    {"referer", ""}, {"refresh", ""}, {"retry-after", ""}, {"server", ""}, {"set-cookie", ""},
    {"strict-transport-security", ""}, {"transfer-encoding", ""}, {"user-agent", ""}, {"vary", ""}, {"via", ""},
    {"www-authenticate", ""},
};

/* The code is canonical: symbols of one length follow each other, so the lengths are the whole table. */
static const uint8_t code_len[SYMBOLS] = {
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28,
    28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7,
    8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19,
    13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13,
    28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21,
    22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23,
    22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25,
    25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
};
struct huffman {
    uint32_t first[CODE_BITS + 1]; /* code of the first symbol of this length */
    uint16_t at[CODE_BITS + 1], n[CODE_BITS + 1];
    uint16_t symbol[SYMBOLS];
    bool is_ready;
};

static const struct huffman *huffman(void)
{
    static _Thread_local struct huffman t;
    if (t.is_ready)
        return &t;
    uint32_t code = 0;
    uint16_t at = 0;
    for (unsigned len = 1; len <= CODE_BITS; len++) {
        t.first[len] = code;
        t.at[len] = at;
        for (unsigned s = 0; s < SYMBOLS; s++)
            if (code_len[s] == len) {
                t.symbol[at++] = (uint16_t)s;
                t.n[len]++;
            }
        code = (code + t.n[len]) << 1;
    }
    t.is_ready = true;
    return &t;
}

static bool unpack(const uint8_t *p, size_t n, uint8_t *out, size_t cap, size_t *ret_n)
{
    const struct huffman *t = huffman();
    uint32_t code = 0;
    unsigned len = 0;
    size_t done = 0;
    for (size_t i = 0; i < n; i++)
        for (int bit = 7; bit >= 0; bit--) {
            code = code << 1 | (p[i] >> bit & 1U);
            if (++len > CODE_BITS)
                return false;
            if (code < t->first[len] || code - t->first[len] >= t->n[len])
                continue;
            uint16_t s = t->symbol[t->at[len] + (code - t->first[len])];
            if (s == EOS || done == cap)
                return false;
            out[done++] = (uint8_t)s;
            code = 0;
            len = 0;
        }
    if (len > 7 || code != (1U << len) - 1) /* padding is the beginning of the end mark */
        return false;
    *ret_n = done;
    return true;
}

/* ---- the dynamic table ---- */

void hpack_init(struct hpack *h)
{
    *h = (struct hpack){.bytes_max = HPACK_TABLE_DEFAULT, .limit = HPACK_TABLE_DEFAULT};
}

void hpack_done(struct hpack *h)
{
    for (uint32_t i = 0; i < h->n; i++)
        free(h->ring[(h->first + i) % h->cap].p);
    free(h->ring);
    *h = (struct hpack){0};
}

static void shrink(struct hpack *h, uint32_t to)
{
    while (h->n && h->bytes > to) {
        struct hpack_entry *e = &h->ring[(h->first + h->n - 1) % h->cap];
        h->bytes -= e->n_name + e->n_value + ENTRY_COST;
        free(e->p);
        h->n--;
    }
}

void hpack_set_limit(struct hpack *h, uint32_t bytes)
{
    h->limit = bytes < HPACK_TABLE_MAX ? bytes : HPACK_TABLE_MAX;
    if (h->bytes_max > h->limit) {
        h->bytes_max = h->limit;
        shrink(h, h->bytes_max);
    }
}

static bool grow(struct hpack *h)
{
    uint32_t cap = h->cap ? h->cap * 2 : 32;
    struct hpack_entry *ring = calloc(cap, sizeof *ring);
    if (!ring)
        return false;
    for (uint32_t i = 0; i < h->n; i++)
        ring[i] = h->ring[(h->first + i) % h->cap];
    free(h->ring);
    h->ring = ring;
    h->cap = cap;
    h->first = 0;
    return true;
}

static bool keep(struct hpack *h, const struct hpack_field *f)
{
    size_t cost = f->n_name + f->n_value + ENTRY_COST;
    if (cost > h->bytes_max) {
        shrink(h, 0);
        return true;
    }
    uint8_t *p = malloc(f->n_name + f->n_value + 1);
    if (!p)
        return false;
    memcpy(p, f->name, f->n_name); /* before shrink(): the name may be an entry's own */
    memcpy(p + f->n_name, f->value, f->n_value);
    shrink(h, h->bytes_max - (uint32_t)cost);
    if (h->n == h->cap && !grow(h)) {
        free(p);
        return false;
    }
    h->first = (h->first + h->cap - 1) % h->cap;
    h->ring[h->first] = (struct hpack_entry){.p = p, .n_name = (uint32_t)f->n_name, .n_value = (uint32_t)f->n_value};
    h->n++;
    h->bytes += (uint32_t)cost;
    return true;
}

static bool lookup(const struct hpack *h, uint32_t index, struct hpack_field *ret)
{
    if (index == 0)
        return false;
    if (index <= STATIC_N) {
        ret->name = (const uint8_t *)fixed[index - 1].name;
        ret->value = (const uint8_t *)fixed[index - 1].value;
        ret->n_name = strlen(fixed[index - 1].name);
        ret->n_value = strlen(fixed[index - 1].value);
        return true;
    }
    index -= STATIC_N + 1;
    if (index >= h->n)
        return false;
    const struct hpack_entry *e = &h->ring[(h->first + index) % h->cap];
    *ret = (struct hpack_field){.name = e->p, .value = e->p + e->n_name, .n_name = e->n_name, .n_value = e->n_value};
    return true;
}

/* ---- a block ---- */

struct block {
    const uint8_t *p;
    size_t n;
};

static bool number(struct block *b, unsigned prefix_bits, uint32_t *ret)
{
    uint32_t mask = (1U << prefix_bits) - 1, v, shift = 0;
    if (!b->n)
        return false;
    v = *b->p++ & mask;
    b->n--;
    if (v < mask) {
        *ret = v;
        return true;
    }
    for (;;) {
        if (!b->n || shift > 21) /* 28 bits are more than any length here */
            return false;
        uint8_t c = *b->p++;
        b->n--;
        v += (uint32_t)(c & 0x7f) << shift;
        shift += 7;
        if (!(c & 0x80))
            break;
    }
    *ret = v;
    return true;
}

static bool string(struct block *b, uint8_t *scratch, const uint8_t **ret, size_t *ret_n)
{
    uint32_t len;
    bool is_packed = b->n && *b->p & 0x80;
    if (!number(b, 7, &len) || len > b->n || len > HPACK_TEXT_MAX)
        return false;
    const uint8_t *p = b->p;
    b->p += len;
    b->n -= len;
    if (is_packed) {
        *ret = scratch;
        return unpack(p, len, scratch, HPACK_TEXT_MAX, ret_n);
    }
    *ret = p;
    *ret_n = len;
    return true;
}

bool hpack_decode(struct hpack *h, const uint8_t *p, size_t n, hpack_field_fn fn, void *ctx)
{
    static _Thread_local uint8_t name_text[HPACK_TEXT_MAX], value_text[HPACK_TEXT_MAX]; /* one loop thread */
    struct block b = {p, n};
    while (b.n) {
        struct hpack_field f = {0};
        uint8_t first = *b.p;
        uint32_t index;
        bool is_indexed = first & 0x80, is_kept = (first & 0xc0) == 0x40;
        if ((first & 0xe0) == 0x20) {
            if (!number(&b, 5, &index) || index > HPACK_TABLE_MAX)
                return false;
            h->bytes_max = index;
            shrink(h, index);
            continue;
        }
        if (!number(&b, is_indexed ? 7 : is_kept ? 6 : 4, &index))
            return false;
        if ((is_indexed || index) && !lookup(h, index, &f))
            return false;
        if (!is_indexed && ((!index && !string(&b, name_text, &f.name, &f.n_name)) || !string(&b, value_text, &f.value, &f.n_value)))
            return false;
        fn(ctx, &f);
        if (is_kept && !keep(h, &f))
            return false;
    }
    return true;
}
