/* frag.c - puts IP fragments together; the first copy of a byte wins. */
#include "frag.h"

#include <stdlib.h>
#include <string.h>

enum {
    FRAG_NS = 30, /* seconds: a sender's datagram is complete long before (RFC 791 suggests 15) */
    FRAG_EACH_MAX = 8192, /* fragments of one datagram: 8 bytes each is the worst an honest sender does */
};

static void forget(struct frag_datagram *d)
{
    d->is_used = false;
    free(d->buf);
    d->buf = NULL;
    d->buf_cap = 0;
}

static struct frag_datagram *find(struct frag_table *t, const struct mmr_packet *p, const struct net_extra *x)
{
    struct frag_datagram *spare = NULL, *oldest = &t->d[0];
    int64_t now = p->frame->time_ns;
    for (unsigned i = 0; i < FRAG_DATAGRAMS; i++) {
        struct frag_datagram *d = &t->d[i];
        if (d->is_used && now - d->first_ns > (int64_t)FRAG_NS * 1000000000) {
            forget(d);
            t->n_dropped++;
        }
        if (!d->is_used) {
            spare = spare ? spare : d;
            continue;
        }
        /* IPv6 takes the protocol from the first fragment, whatever the others say (RFC 8200 section 4.5) */
        if (d->id == x->frag_id && (d->proto == p->proto || p->ip_version == 6) && d->ip_version == p->ip_version &&
            memcmp(&d->src, &p->src, 16) == 0 && memcmp(&d->dst, &p->dst, 16) == 0)
            return d;
        if (d->first_ns < oldest->first_ns)
            oldest = d;
    }
    if (!spare) {
        forget(oldest);
        t->n_dropped++;
        spare = oldest;
    }
    free(spare->buf);
    memset(spare, 0, sizeof *spare);
    spare->is_used = true;
    spare->src = p->src;
    spare->dst = p->dst;
    spare->id = x->frag_id;
    spare->proto = p->proto;
    spare->ip_version = p->ip_version;
    spare->first_ns = now;
    return spare;
}

static bool grow(struct frag_datagram *d, uint32_t need)
{
    if (need <= d->buf_cap)
        return true;
    uint32_t cap = d->buf_cap ? d->buf_cap : 4096;
    while (cap < need)
        cap *= 2;
    uint8_t *buf = realloc(d->buf, FRAG_HEADER + (size_t)cap);
    if (!buf)
        return false;
    d->buf = buf;
    d->buf_cap = cap;
    return true;
}

/* Write the header in front of the payload; the datagram's first byte. */
static uint8_t *put_header(struct frag_datagram *d, const uint8_t *head, size_t *ret_len)
{
    uint8_t *l3 = d->buf + FRAG_HEADER - d->header_len;
    memmove(l3, head, d->header_len);
    if (d->ip_version == 4) {
        uint32_t total = d->header_len + d->total;
        l3[2] = (uint8_t)(total >> 8);
        l3[3] = (uint8_t)total;
        l3[6] = l3[7] = 0;
    } else {
        l3[4] = (uint8_t)(d->total >> 8);
        l3[5] = (uint8_t)d->total;
        l3[6] = d->proto; /* the extension headers before the fragment header are left out */
    }
    *ret_len = d->header_len + d->total;
    return l3;
}

bool frag_take(struct frag_table *t, const struct mmr_packet *p, const struct net_extra *x,
               const uint8_t **ret_l3, size_t *ret_len)
{
    uint32_t off = x->frag_off, len = p->payload_len, max = FRAG_DATA_MAX - 60;
    if (x->missing || len == 0 || off + len > max || (!x->is_last_frag && len % 8 != 0)) {
        t->n_dropped++; /* cut by the capture, or a fragment that cannot be */
        return false;
    }
    struct frag_datagram *d = find(t, p, x);
    /* the end stands once it was said: what lies behind it, or says another one, is not counted as a part of the whole */
    if (d->total ? off + len > d->total || (x->is_last_frag && off + len != d->total) : x->is_last_frag && off + len < d->end) {
        t->n_dropped++;
        return false;
    }
    if (off + len > d->end)
        d->end = off + len;
    if (++d->n > FRAG_EACH_MAX || !grow(d, (off + len + 7) & ~7U)) {
        forget(d);
        t->n_dropped++;
        return false;
    }
    if (x->is_last_frag && d->total == 0)
        d->total = off + len;
    if (off == 0 && d->header_len == 0) {
        d->header_len = p->ip_version == 4 ? (uint8_t)((p->l3[0] & 15) * 4) : 40;
        memcpy(d->buf, p->l3, d->header_len); /* parked at the front until the end */
        d->proto = p->proto;
    }
    for (uint32_t at = 0; at < len; at += 8) {
        uint32_t unit = (off + at) / 8, n = len - at < 8 ? len - at : 8;
        if (d->have[unit / 8] & 1 << unit % 8)
            continue;
        d->have[unit / 8] = (uint8_t)(d->have[unit / 8] | 1 << unit % 8);
        memcpy(d->buf + FRAG_HEADER + off + at, p->payload + at, n);
        d->units++;
    }
    if (d->total == 0 || d->header_len == 0 || d->units < (d->total + 7) / 8)
        return false;
    uint8_t head[FRAG_HEADER];
    memcpy(head, d->buf, sizeof head);
    if (!grow(d, (d->total + 7) & ~7U))
        return false;
    *ret_l3 = put_header(d, head, ret_len);
    d->is_used = false; /* the buffer stays until the slot is taken again */
    t->n_done++;
    return true;
}

void frag_done(struct frag_table *t)
{
    for (unsigned i = 0; i < FRAG_DATAGRAMS; i++)
        forget(&t->d[i]);
}
