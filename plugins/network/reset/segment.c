/* segment.c - IP and TCP headers of a segment without data. */
#include "segment.h"

#include "net_decode.h"

#include <netinet/in.h>
#include <string.h>

enum { IP4_HEAD = 20, IP6_HEAD = 40, TCP_HEAD = 20, TTL = 64 };

static void put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, (uint16_t)(v >> 16));
    put16(p + 2, (uint16_t)v);
}

static uint32_t sum(uint32_t s, const uint8_t *p, size_t len) /* len is even */
{
    for (size_t i = 0; i + 1 < len; i += 2)
        s += (uint32_t)p[i] << 8 | p[i + 1];
    return s;
}

static uint16_t folded(uint32_t s)
{
    while (s >> 16)
        s = (s & 0xffff) + (s >> 16);
    return (uint16_t)~s;
}

size_t reset_segment_write(const struct reset_segment *s, uint8_t *buf)
{
    const bool is4 = net_addr_is4(&s->src);
    const size_t head = is4 ? IP4_HEAD : IP6_HEAD, off = is4 ? 12 : 0, n = is4 ? 4 : 16;
    uint8_t *tcp = buf + head;
    memset(buf, 0, head + TCP_HEAD);
    if (is4) {
        buf[0] = 0x45;
        put16(buf + 2, IP4_HEAD + TCP_HEAD);
        buf[6] = 0x40; /* do not fragment */
        buf[8] = TTL;
        buf[9] = IPPROTO_TCP;
        memcpy(buf + 12, s->src.b + off, n);
        memcpy(buf + 16, s->dst.b + off, n);
        put16(buf + 10, folded(sum(0, buf, IP4_HEAD)));
    } else {
        buf[0] = 0x60;
        put16(buf + 4, TCP_HEAD);
        buf[6] = IPPROTO_TCP;
        buf[7] = TTL;
        memcpy(buf + 8, s->src.b, n);
        memcpy(buf + 24, s->dst.b, n);
    }
    put16(tcp, s->src_port);
    put16(tcp + 2, s->dst_port);
    put32(tcp + 4, s->seq);
    put32(tcp + 8, s->ack);
    tcp[12] = (TCP_HEAD / 4) << 4;
    tcp[13] = s->flags;
    put16(tcp + 14, s->window);
    put16(tcp + 18, s->urgent);
    uint32_t c = sum(IPPROTO_TCP + TCP_HEAD, s->src.b + off, n);
    c = sum(c, s->dst.b + off, n);
    put16(tcp + 16, folded(sum(c, tcp, TCP_HEAD)));
    return head + TCP_HEAD;
}
