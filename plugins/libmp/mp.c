/* mp.c - heads of MessagePack values, and what is built on them. */
#include "mp.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <mamori/error.h>

static uint64_t be(const uint8_t *p, unsigned n)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

static void as_int(struct mmr_mp_item *r, int64_t v)
{
    r->type = MMR_MP_INT;
    r->v.i = v;
}

/* Bytes of the head at p (len there), 0: more are needed, -1: no such head. Payload of STR, BIN, EXT follows it. */
static int head(const uint8_t *p, size_t len, struct mmr_mp_item *r)
{
    memset(r, 0, sizeof *r);
    if (!len)
        return 0;
    uint8_t b = p[0];
    if (b < 0x80 || b >= 0xe0)
        return as_int(r, (int8_t)b), 1;
    if (b < 0xc0) { /* fixmap, fixarray, fixstr */
        r->type = b < 0x90 ? MMR_MP_MAP : b < 0xa0 ? MMR_MP_ARRAY : MMR_MP_STR;
        r->n = b < 0xa0 ? b & 15u : b & 31u;
        return 1;
    }
    /* what follows the first byte: a number of so many bytes, and one more for ext types */
    static const struct {
        uint8_t type, bytes, is_ext;
    } rows[32] = {
        [0x00] = {MMR_MP_NIL, 0, 0}, [0x02] = {MMR_MP_BOOL, 0, 0}, [0x03] = {MMR_MP_BOOL, 0, 0}, [0x04] = {MMR_MP_BIN, 1, 0},
        [0x05] = {MMR_MP_BIN, 2, 0}, [0x06] = {MMR_MP_BIN, 4, 0}, [0x07] = {MMR_MP_EXT, 1, 1}, [0x08] = {MMR_MP_EXT, 2, 1},
        [0x09] = {MMR_MP_EXT, 4, 1}, [0x0a] = {MMR_MP_FLOAT, 4, 0}, [0x0b] = {MMR_MP_FLOAT, 8, 0}, [0x0c] = {MMR_MP_UINT, 1, 0},
        [0x0d] = {MMR_MP_UINT, 2, 0}, [0x0e] = {MMR_MP_UINT, 4, 0}, [0x0f] = {MMR_MP_UINT, 8, 0}, [0x10] = {MMR_MP_INT, 1, 0},
        [0x11] = {MMR_MP_INT, 2, 0}, [0x12] = {MMR_MP_INT, 4, 0}, [0x13] = {MMR_MP_INT, 8, 0}, [0x14] = {MMR_MP_EXT, 0, 1},
        [0x15] = {MMR_MP_EXT, 0, 1}, [0x16] = {MMR_MP_EXT, 0, 1}, [0x17] = {MMR_MP_EXT, 0, 1}, [0x18] = {MMR_MP_EXT, 0, 1},
        [0x19] = {MMR_MP_STR, 1, 0}, [0x1a] = {MMR_MP_STR, 2, 0}, [0x1b] = {MMR_MP_STR, 4, 0}, [0x1c] = {MMR_MP_ARRAY, 2, 0},
        [0x1d] = {MMR_MP_ARRAY, 4, 0}, [0x1e] = {MMR_MP_MAP, 2, 0}, [0x1f] = {MMR_MP_MAP, 4, 0},
    };
    if (b == 0xc1)
        return -1;
    unsigned i = b - 0xc0u, bytes = rows[i].bytes, size = 1 + bytes + rows[i].is_ext;
    if (len < size)
        return 0;
    uint64_t v = be(p + 1, bytes);
    r->type = rows[i].type;
    switch (r->type) {
    case MMR_MP_BOOL: r->v.i = b & 1; break;
    case MMR_MP_UINT:
        if (v <= INT64_MAX)
            as_int(r, (int64_t)v);
        else
            r->v.u = v;
        break;
    case MMR_MP_INT: {
        unsigned shift = bytes ? 64 - 8 * bytes : 0;
        as_int(r, (int64_t)(v << shift) >> shift);
        break;
    }
    case MMR_MP_FLOAT:
        if (bytes == 4) {
            uint32_t low = (uint32_t)v;
            float f;
            memcpy(&f, &low, sizeof f);
            r->v.f = (double)f;
        } else {
            memcpy(&r->v.f, &v, sizeof r->v.f);
        }
        break;
    case MMR_MP_EXT:
        r->n = bytes ? (uint32_t)v : 1u << (b - 0xd4u);
        r->ext = (int8_t)p[1 + bytes];
        break;
    default: r->n = (uint32_t)v; break;
    }
    return (int)size;
}

static bool has_payload(const struct mmr_mp_item *r)
{
    return r->type == MMR_MP_STR || r->type == MMR_MP_BIN || r->type == MMR_MP_EXT;
}

static uint64_t inside(const struct mmr_mp_item *r)
{
    return r->type == MMR_MP_ARRAY ? r->n : r->type == MMR_MP_MAP ? 2 * (uint64_t)r->n : 0;
}

bool mmr_mp_read(struct mmr_mp_cur *c, struct mmr_mp_item *ret)
{
    int n = c->bad ? -1 : head(c->p, c->left, ret);
    if (n <= 0 || (has_payload(ret) && c->left - (size_t)n < ret->n)) {
        c->bad = true;
        return false;
    }
    ret->p = has_payload(ret) ? c->p + n : NULL;
    size_t used = (size_t)n + (has_payload(ret) ? ret->n : 0);
    c->p += used;
    c->left -= used;
    return true;
}

bool mmr_mp_skip_inside(struct mmr_mp_cur *c, const struct mmr_mp_item *item)
{
    uint64_t left[MMR_MP_DEPTH_MAX + 1] = {inside(item)};
    unsigned depth = 0;
    struct mmr_mp_item it;
    for (;;) {
        while (left[depth] == 0) {
            if (depth == 0)
                return !c->bad;
            depth--;
        }
        left[depth]--;
        if (!mmr_mp_read(c, &it))
            return false;
        if (inside(&it)) {
            if (depth == MMR_MP_DEPTH_MAX) {
                c->bad = true;
                return false;
            }
            left[++depth] = inside(&it);
        }
    }
}

bool mmr_mp_skip(struct mmr_mp_cur *c)
{
    struct mmr_mp_item it;
    return mmr_mp_read(c, &it) && mmr_mp_skip_inside(c, &it);
}

int mmr_mp_scan(struct mmr_mp_scan *s, const uint8_t *p, size_t len, size_t max)
{
    struct mmr_mp_item it;
    if (s->off == 0 && s->depth == 0)
        s->left[0] = 1;
    for (;;) {
        while (s->left[s->depth] == 0) {
            if (s->depth == 0)
                return 1;
            s->depth--;
        }
        int n = head(p + s->off, len - s->off, &it);
        if (n < 0)
            return MMR_EBADMSG;
        size_t need = (size_t)n + (has_payload(&it) ? it.n : 0);
        if (s->off + need > max)
            return MMR_ETOOBIG;
        if (n == 0 || len - s->off < need)
            return 0;
        s->off += need;
        s->left[s->depth]--;
        if (inside(&it)) {
            if (s->depth == MMR_MP_DEPTH_MAX)
                return MMR_ETOOBIG;
            s->left[++s->depth] = inside(&it);
        }
    }
}

/* ---- as JSON ---- */

static void put(struct mmr_mp_json *o, const char *p, size_t n)
{
    if (o->is_full || o->cap - o->n < n) {
        o->is_full = true;
        return;
    }
    memcpy(o->p + o->n, p, n);
    o->n += n;
}

static void put_text(struct mmr_mp_json *o, const uint8_t *p, size_t n)
{
    static const char hex[] = "0123456789abcdef";
    size_t from = 0;
    put(o, "\"", 1);
    for (size_t i = 0; i < n && !o->is_full; i++) {
        if (p[i] >= 0x20 && p[i] != '"' && p[i] != '\\')
            continue;
        put(o, (const char *)p + from, i - from);
        from = i + 1;
        if (p[i] >= 0x20) {
            char two[2] = {'\\', (char)p[i]};
            put(o, two, 2);
        } else {
            char six[6] = {'\\', 'u', '0', '0', hex[p[i] >> 4], hex[p[i] & 15]};
            put(o, six, 6);
        }
    }
    put(o, (const char *)p + from, n - from);
    put(o, "\"", 1);
}

static void put_scalar(struct mmr_mp_json *o, const struct mmr_mp_item *it)
{
    char text[40];
    int n = 0;
    switch (it->type) {
    case MMR_MP_BOOL: put(o, it->v.i ? "true" : "false", it->v.i ? 4 : 5); return;
    case MMR_MP_INT: n = snprintf(text, sizeof text, "%lld", (long long)it->v.i); break;
    case MMR_MP_UINT: n = snprintf(text, sizeof text, "%llu", (unsigned long long)it->v.u); break;
    case MMR_MP_FLOAT: n = isfinite(it->v.f) ? snprintf(text, sizeof text, "%.17g", it->v.f) : 0; break;
    case MMR_MP_STR:
    case MMR_MP_BIN: put_text(o, it->p, it->n); return;
    default: break;
    }
    if (n > 0)
        put(o, text, (size_t)n);
    else
        put(o, "null", 4);
}

bool mmr_mp_to_json(struct mmr_mp_cur *c, struct mmr_mp_json *out)
{
    struct {
        uint64_t left;
        bool is_map, is_value; /* is_value: the key is out */
    } at[MMR_MP_DEPTH_MAX + 1];
    unsigned depth = 0;
    struct mmr_mp_item it;
    at[0].left = 1;
    at[0].is_map = at[0].is_value = false;
    bool is_first = true;
    for (;;) {
        while (at[depth].left == 0) {
            if (depth == 0)
                return !out->is_full;
            put(out, at[depth].is_map ? "}" : "]", 1);
            depth--;
            is_first = false;
        }
        if (!mmr_mp_read(c, &it) || out->is_full)
            return false;
        bool is_key = at[depth].is_map && !at[depth].is_value;
        if (at[depth].is_map && at[depth].is_value)
            put(out, ":", 1);
        else if (!is_first && depth)
            put(out, ",", 1);
        is_first = false;
        at[depth].is_value = is_key;
        at[depth].left--;
        if (is_key) {
            if (it.type == MMR_MP_STR || it.type == MMR_MP_BIN) {
                put_text(out, it.p, it.n);
            } else { /* JSON has text keys only; a container as a key is nothing that means anything */
                if (inside(&it))
                    return false;
                put(out, "\"", 1);
                put_scalar(out, &it);
                put(out, "\"", 1);
            }
        } else if (it.type == MMR_MP_ARRAY || it.type == MMR_MP_MAP) {
            if (depth == MMR_MP_DEPTH_MAX) {
                if (!mmr_mp_skip_inside(c, &it))
                    return false;
                put(out, "null", 4);
                continue;
            }
            put(out, it.type == MMR_MP_MAP ? "{" : "[", 1);
            depth++;
            at[depth].left = inside(&it);
            at[depth].is_map = it.type == MMR_MP_MAP;
            at[depth].is_value = false;
            is_first = true;
        } else {
            put_scalar(out, &it);
        }
    }
}
