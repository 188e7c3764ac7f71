/* addr.c - IP addresses and networks as plain values. */
#include "util/addr.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool mmr_addr_parse(const char *text, size_t len, struct mmr_addr *ret_addr)
{
    char buf[MMR_ADDR_TEXT_MAX];
    struct in_addr v4;
    struct in6_addr v6;
    if (len == 0 || len >= sizeof buf || memchr(text, '\0', len))
        return false;
    memcpy(buf, text, len);
    buf[len] = '\0';
    if (inet_pton(AF_INET, buf, &v4) == 1) {
        memcpy(ret_addr->b, v4_prefix, 12);
        memcpy(ret_addr->b + 12, &v4, 4);
        return true;
    }
    if (inet_pton(AF_INET6, buf, &v6) != 1)
        return false;
    memcpy(ret_addr->b, &v6, 16);
    return true;
}

bool mmr_addr_is_v4(const struct mmr_addr *a)
{
    return memcmp(a->b, v4_prefix, 12) == 0;
}

void mmr_addr_format(const struct mmr_addr *a, char buf[MMR_ADDR_TEXT_MAX])
{
    if (mmr_addr_is_v4(a))
        (void)inet_ntop(AF_INET, a->b + 12, buf, MMR_ADDR_TEXT_MAX);
    else
        (void)inet_ntop(AF_INET6, a->b, buf, MMR_ADDR_TEXT_MAX);
}

bool mmr_addr_is_set(const struct mmr_addr *a)
{
    static const uint8_t zero[16];
    return memcmp(a->b, zero, 16) != 0;
}

bool mmr_addr_equal(const struct mmr_addr *a, const struct mmr_addr *b)
{
    return memcmp(a->b, b->b, 16) == 0;
}

bool mmr_addr_is_private(const struct mmr_addr *a)
{
    const uint8_t *p = a->b + 12;
    if (!mmr_addr_is_v4(a))
        return (a->b[0] & 0xfe) == 0xfc;
    return p[0] == 10 || (p[0] == 172 && (p[1] & 0xf0) == 16) || (p[0] == 192 && p[1] == 168);
}

bool mmr_addr_is_loopback(const struct mmr_addr *a)
{
    static const uint8_t one[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    return mmr_addr_is_v4(a) ? a->b[12] == 127 : memcmp(a->b, one, 16) == 0;
}

bool mmr_addr_is_multicast(const struct mmr_addr *a)
{
    if (!mmr_addr_is_v4(a))
        return a->b[0] == 0xff;
    return (a->b[12] & 0xf0) == 0xe0 || memcmp(a->b + 12, "\xff\xff\xff\xff", 4) == 0;
}

bool mmr_addr_is_linklocal(const struct mmr_addr *a)
{
    if (!mmr_addr_is_v4(a))
        return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
    return a->b[12] == 169 && a->b[13] == 254;
}

int mmr_cidr_parse(const char *text, struct mmr_cidr *ret_net, struct mmr_error *err)
{
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    struct mmr_cidr net = {.bits = 128};
    if (!mmr_addr_parse(text, len, &net.addr))
        return mmr_fail(err, MMR_EINVAL, "'%.60s' is no IP address or network", text);
    if (slash) {
        char *end;
        unsigned long width = mmr_addr_is_v4(&net.addr) ? 32 : 128;
        unsigned long bits = strtoul(slash + 1, &end, 10);
        if (slash[1] < '0' || slash[1] > '9' || *end || bits > width)
            return mmr_fail(err, MMR_EINVAL, "'%.60s': prefix length must be 0 to %lu", text, width);
        net.bits = (uint8_t)(128 - width + bits);
    }
    for (unsigned i = 0; i < 16; i++) { /* clear the host part, so that equal networks compare equal */
        unsigned keep = net.bits > i * 8 ? net.bits - i * 8 : 0;
        if (keep < 8)
            net.addr.b[i] &= (uint8_t)(keep ? 0xff << (8 - keep) : 0);
    }
    *ret_net = net;
    return 0;
}

void mmr_cidr_format(const struct mmr_cidr *n, char buf[MMR_ADDR_TEXT_MAX + 4])
{
    mmr_addr_format(&n->addr, buf);
    size_t at = strlen(buf);
    unsigned bits = mmr_addr_is_v4(&n->addr) && n->bits >= 96 ? n->bits - 96u : n->bits;
    unsigned width = mmr_addr_is_v4(&n->addr) ? 32 : 128;
    if (bits < width)
        (void)snprintf(buf + at, MMR_ADDR_TEXT_MAX + 4 - at, "/%u", bits);
}

bool mmr_cidr_has(const struct mmr_cidr *net, const struct mmr_addr *a)
{
    unsigned whole = net->bits / 8, rest = net->bits % 8;
    if (memcmp(net->addr.b, a->b, whole) != 0)
        return false;
    return rest == 0 || ((net->addr.b[whole] ^ a->b[whole]) & (0xff << (8 - rest))) == 0;
}
