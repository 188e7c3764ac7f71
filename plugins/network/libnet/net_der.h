/* net_der.h - steps through BER/DER elements (X.690) of untrusted bytes; definite lengths only. */
#ifndef MMR_NET_DER_H
#define MMR_NET_DER_H

#include "net_cursor.h"

struct net_der {
    uint8_t tag;           /* of tags above 30 the first byte only */
    const uint8_t *p;      /* the element's content */
    size_t len;
    const uint8_t *whole;  /* with its header */
    size_t whole_len;
};

/* The next element; false at the end, or when it is cut or indefinite (c->bad then). */
static inline bool der_next(struct net_cursor *c, struct net_der *ret)
{
    const uint8_t *start = c->p;
    if (c->left == 0 || c->bad)
        return false;
    ret->tag = cur_u8(c);
    if ((ret->tag & 0x1f) == 0x1f)
        while (!c->bad && (cur_u8(c) & 0x80))
            ;
    size_t len = cur_u8(c);
    if (len == 0x80)
        c->bad = true;
    if (len > 0x80) {
        unsigned n = (unsigned)len & 0x7f;
        len = 0;
        if (n > 4)
            c->bad = true;
        for (unsigned i = 0; i < n && !c->bad; i++)
            len = len << 8 | cur_u8(c);
    }
    ret->p = cur_take(c, len);
    ret->len = ret->p ? len : 0;
    ret->whole = start;
    ret->whole_len = (size_t)(c->p - start);
    return ret->p != NULL;
}

/* The next element if it has this tag; otherwise false, and the cursor stays. */
static inline bool der_expect(struct net_cursor *c, uint8_t tag, struct net_der *ret)
{
    struct net_cursor save = *c;
    if (der_next(c, ret) && ret->tag == tag)
        return true;
    *c = save;
    return false;
}

static inline struct net_cursor der_in(const struct net_der *d)
{
    return cur_of(d->p, d->len);
}

static inline int64_t der_int(const struct net_der *d)
{
    int64_t v = d->len && (d->p[0] & 0x80) ? -1 : 0;
    for (size_t i = 0; i < d->len && i < 8; i++)
        v = (int64_t)((uint64_t)v << 8 | d->p[i]);
    return v;
}

#endif
