/* net_cursor.h - reads integers and slices of untrusted bytes; it cannot step past their end. */
#ifndef MMR_NET_CURSOR_H
#define MMR_NET_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct net_cursor {
    const uint8_t *p;
    size_t left;
    bool bad; /* sticky: read on, test once at the end */
};

static inline struct net_cursor cur_of(const uint8_t *p, size_t len)
{
    return (struct net_cursor){.p = p, .left = len, .bad = false};
}

/* n bytes, or NULL (and bad) when fewer are left. */
static inline const uint8_t *cur_take(struct net_cursor *c, size_t n)
{
    const uint8_t *p = c->p;
    if (c->bad || c->left < n) {
        c->bad = true;
        c->left = 0;
        return NULL;
    }
    c->p += n;
    c->left -= n;
    return p;
}

static inline uint8_t cur_u8(struct net_cursor *c)
{
    const uint8_t *p = cur_take(c, 1);
    return p ? p[0] : 0;
}

static inline uint16_t cur_u16be(struct net_cursor *c)
{
    const uint8_t *p = cur_take(c, 2);
    return (uint16_t)(p ? (unsigned)p[0] << 8 | p[1] : 0);
}

static inline uint32_t cur_u24be(struct net_cursor *c)
{
    const uint8_t *p = cur_take(c, 3);
    return p ? (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2] : 0;
}

static inline uint32_t cur_u32be(struct net_cursor *c)
{
    const uint8_t *p = cur_take(c, 4);
    return p ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3] : 0;
}

static inline uint16_t cur_u16le(struct net_cursor *c)
{
    const uint8_t *p = cur_take(c, 2);
    return (uint16_t)(p ? (unsigned)p[1] << 8 | p[0] : 0);
}

static inline uint32_t cur_u32le(struct net_cursor *c)
{
    const uint8_t *p = cur_take(c, 4);
    return p ? (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0] : 0;
}

/* The next n bytes as a cursor of their own (empty and bad when fewer are left). */
static inline struct net_cursor cur_sub(struct net_cursor *c, size_t n)
{
    const uint8_t *p = cur_take(c, n);
    return (struct net_cursor){.p = p, .left = p ? n : 0, .bad = p == NULL};
}

static inline uint16_t net_be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]); // NOLINT(clang-analyzer-core.UndefinedBinaryOperatorResult): callers check the length
}

static inline uint32_t net_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint16_t net_le16(const uint8_t *p)
{
    return (uint16_t)(p[1] << 8 | p[0]);
}

static inline uint32_t net_le32(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

#endif
