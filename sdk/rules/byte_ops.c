/* byte_ops.c - numbers out of payloads: byte_test, byte_jump, byte_extract, byte_math, base64, asn1. */
#include <rules/chain.h>

#include <math.h>

bool mmr_number_is(const struct number *n, int64_t v)
{
    switch (n->op) {
    case NUM_EQ: return v == n->a;
    case NUM_NE: return v != n->a;
    case NUM_LT: return v < n->a;
    case NUM_GT: return v > n->a;
    case NUM_LE: return v <= n->a;
    case NUM_GE: return v >= n->a;
    case NUM_IN: return v > n->a && v < n->b;
    case NUM_NOT_IN: return !(v > n->a && v < n->b);
    default: return false;
    }
}

static uint64_t var_or(const struct chain *c, int8_t var, uint64_t value)
{
    return var >= 0 ? c->vars[var] : value;
}

/* Where the number starts: pos (or the buffer's start) plus offset, with `bytes` inside the buffer. */
static bool place(const struct chain *c, const struct byte_op *op, size_t len, size_t pos, size_t bytes, size_t *ret)
{
    int64_t off = op->var_offset >= 0 ? (int64_t)(c->vars[op->var_offset] > INT32_MAX ? INT32_MAX : c->vars[op->var_offset])
                                      : op->offset;
    int64_t at = (op->is_relative ? (int64_t)pos : 0) + off;
    if (at < 0 || at > (int64_t)len || (int64_t)bytes > (int64_t)len - at)
        return false;
    *ret = (size_t)at;
    return true;
}

/* false: no number there. *ret_used: bytes of the text that were digits, or bytes */
static bool number_at(const struct chain *c, const struct byte_op *op, const uint8_t *p, size_t bytes, uint64_t *ret,
                      size_t *ret_used)
{
    uint64_t v = 0;
    *ret_used = bytes;
    if (op->base) {
        size_t i = 0, first;
        while (i < bytes && (p[i] == ' ' || p[i] == '\t'))
            i++;
        if (op->base == 16 && i + 1 < bytes && p[i] == '0' && (p[i + 1] | 32) == 'x')
            i += 2;
        first = i;
        for (; i < bytes; i++) {
            unsigned ch = p[i], d = ch >= '0' && ch <= '9' ? ch - '0' : (ch | 32) >= 'a' && (ch | 32) <= 'f' ? (ch | 32) - 'a' + 10 : 99;
            if (d >= op->base || __builtin_mul_overflow(v, op->base, &v) || __builtin_add_overflow(v, d, &v))
                break;
        }
        if (i == first)
            return false;
        *ret_used = i;
    } else {
        bool is_little = op->endian == 1 || (op->endian == 2 && c->is_little_endian);
        if (bytes > 8)
            return false;
        for (size_t i = 0; i < bytes; i++)
            v = v << 8 | p[is_little ? bytes - 1 - i : i];
    }
    if (op->bitmask)
        v = (v & op->bitmask) >> op->shift;
    *ret = v;
    return true;
}

bool mmr_byte_test(const struct chain *c, const struct byte_op *op, const uint8_t *p, size_t len, size_t pos)
{
    uint64_t v, want = var_or(c, op->var_value, op->value), bytes = var_or(c, op->var_bytes, op->bytes);
    size_t at, used;
    bool is_true;
    if (bytes > 23 || (bytes == 0 && !op->base) || !place(c, op, len, pos, (size_t)bytes, &at))
        return false;
    if (bytes == 0) /* as many digits as there are */
        bytes = len - at < 23 ? len - at : 23;
    if (!number_at(c, op, p + at, (size_t)bytes, &v, &used))
        return false;
    switch (op->op) {
    case NUM_EQ: is_true = v == want; break;
    case NUM_LT: is_true = v < want; break;
    case NUM_GT: is_true = v > want; break;
    case NUM_LE: is_true = v <= want; break;
    case NUM_GE: is_true = v >= want; break;
    case NUM_AND: is_true = (v & want) != 0; break;
    case NUM_OR: is_true = (v ^ want) != 0; break;
    default: return false;
    }
    return is_true != (bool)op->is_negated;
}

bool mmr_byte_jump(const struct chain *c, const struct byte_op *op, const uint8_t *p, size_t len, size_t pos, size_t *ret_pos)
{
    uint64_t v = 0, bytes = var_or(c, op->var_bytes, op->bytes);
    size_t at, used = 0;
    if (bytes > 23 || !place(c, op, len, pos, (size_t)bytes, &at))
        return false;
    if (bytes && !number_at(c, op, p + at, (size_t)bytes, &v, &used))
        return false;
    if (v > INT32_MAX || (v *= op->multiplier) > INT32_MAX)
        return false;
    if (op->align)
        v = (v + op->align - 1) / op->align * op->align;
    int64_t to = (int64_t)v + op->post_offset;
    to += op->from_beginning ? 0 : op->from_end ? (int64_t)len : (int64_t)(at + bytes);
    if (to < 0 || to > (int64_t)len)
        return false;
    *ret_pos = (size_t)to;
    return true;
}

bool mmr_byte_extract(struct chain *c, const struct byte_op *op, bool is_math, const uint8_t *p, size_t len, size_t pos,
                      size_t *ret_pos)
{
    uint64_t v, bytes = var_or(c, op->var_bytes, op->bytes);
    size_t at, used;
    if (bytes == 0 || bytes > 23 || !place(c, op, len, pos, (size_t)bytes, &at) ||
        !number_at(c, op, p + at, (size_t)bytes, &v, &used))
        return false;
    if (is_math) {
        uint64_t r = var_or(c, op->var_value, op->value);
        switch (op->op) {
        case '+': v += r; break;
        case '-': v -= r; break;
        case '*': v *= r; break;
        case '/':
            if (!r)
                return false;
            v /= r;
            break;
        case '<': v = r < 64 ? v << r : 0; break;
        case '>': v = r < 64 ? v >> r : 0; break;
        default: return false;
        }
    } else {
        v *= op->multiplier;
        if (op->align && v % op->align)
            v += op->align - v % op->align;
    }
    c->vars[op->ret_var] = v;
    *ret_pos = at + bytes;
    return true;
}

bool mmr_is_base64(uint8_t ch)
{
    return (ch >= 'A' && ch <= 'Z') || (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '+' || ch == '/' || ch == '-' ||
           ch == '_';
}

bool mmr_entropy_is(const struct entropy_op *op, const uint8_t *p, size_t len)
{
    uint32_t count[256] = {0};
    double bits = 0;
    if (op->offset > len || (op->bytes && op->bytes > len - op->offset))
        return false;
    size_t n = op->bytes ? op->bytes : len - op->offset;
    for (size_t i = 0; i < n; i++)
        count[p[op->offset + i]]++;
    for (size_t i = 0; i < 256 && n; i++)
        if (count[i])
            bits -= (double)count[i] / (double)n * log2((double)count[i] / (double)n);
    switch (op->op) {
    case NUM_LT: return bits < op->a;
    case NUM_GT: return bits > op->a;
    case NUM_LE: return bits <= op->a;
    case NUM_GE: return bits >= op->a;
    case NUM_IN: return bits > op->a && bits < op->b;
    case NUM_NE: return fabs(bits - op->a) > 1e-9;
    default: return fabs(bits - op->a) <= 1e-9;
    }
}

size_t mmr_base64_decode(const uint8_t *p, size_t len, uint8_t *out, size_t cap)
{
    uint32_t acc = 0;
    unsigned bits = 0;
    size_t n = 0;
    for (size_t i = 0; i < len && n < cap; i++) {
        uint8_t ch = p[i];
        unsigned d = ch >= 'A' && ch <= 'Z' ? ch - 65u : ch >= 'a' && ch <= 'z' ? ch - 97u + 26u
                     : ch >= '0' && ch <= '9' ? ch - 48u + 52u : ch == '+' || ch == '-' ? 62u
                     : ch == '/' || ch == '_' ? 63u : 99u;
        if (ch == ' ' || ch == '\r' || ch == '\n' || ch == '\t')
            continue;
        if (d == 99)
            break;
        acc = acc << 6 | d;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[n++] = (uint8_t)(acc >> bits);
            acc &= (1u << bits) - 1;
        }
    }
    return n;
}

/* Walks BER elements, breadth over depth, at most 64 of them. */
bool mmr_asn1_is_odd(const struct byte_op *op, const uint8_t *p, size_t len, size_t pos)
{
    size_t at;
    static const struct chain none;
    if (!place(&none, op, len, pos, 2, &at))
        return false;
    for (int i = 0; i < 64 && at + 2 <= len; i++) {
        uint8_t tag = p[at], first = p[at + 1];
        size_t head = 2;
        uint64_t n = first & 0x7f;
        if (first & 0x80) {
            size_t k = first & 0x7f;
            if (k > 8 || at + 2 + k > len)
                return op->value && k > 8;
            n = 0;
            for (size_t j = 0; j < k; j++)
                n = n << 8 | p[at + 2 + j];
            head += k;
        }
        if (op->value && n > op->value)
            return true;
        if (op->from_end && (tag & 0x1f) == 3 && at + head < len && n && ((n * 8) < p[at + head] || p[at + head] > 7))
            return true; /* more unused bits than there are */
        if (op->from_beginning && (tag & 0x1f) == 9 && at + head < len && n > 256 && !(p[at + head] & 0x80))
            return true; /* a text REAL longer than any parser's buffer */
        if (tag & 0x20)
            at += head;
        else if (n > len - at - head)
            return false;
        else
            at += head + (size_t)n;
        if (at > len)
            return false;
    }
    return false;
}
