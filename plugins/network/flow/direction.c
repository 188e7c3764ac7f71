/* direction.c - who is the client of a conversation whose beginning was not seen. */
#include "direction.h"

#include "net_cursor.h"
#include "net_decode.h"

#include <netinet/in.h>
#include <string.h>

static uint64_t service(const struct mmr_addr *a, uint16_t port, uint8_t proto)
{
    uint64_t hi, lo, h;
    memcpy(&hi, a->b, 8);
    memcpy(&lo, a->b + 8, 8);
    h = (hi ^ 0x9e3779b97f4a7c15U) * 0xd1b54a32d192ed03U ^ lo;
    h = (h ^ h >> 31) * 0x9fb21c651e98df25U ^ ((uint64_t)port << 8 | proto);
    return (h ^ h >> 29) * 0x9e3779b97f4a7c15U | 1;
}

void direction_learn(struct direction_memory *m, const struct mmr_addr *addr, uint16_t port, uint8_t proto)
{
    uint64_t s = service(addr, port, proto);
    m->servers[(s >> 20) % DIRECTION_SERVERS] = s;
}

static bool is_known(const struct direction_memory *m, const struct mmr_addr *addr, uint16_t port, uint8_t proto)
{
    uint64_t s = service(addr, port, proto);
    return m->servers[(s >> 20) % DIRECTION_SERVERS] == s;
}

/* +1: the payload is a server's, -1: a client's, 0: it does not say. */
static int payload_says(const uint8_t *p, size_t n)
{
    static const char *const methods[] = {"GET /", "POST /", "HEAD /", "PUT /", "OPTIONS ", "CONNECT ", "EHLO ",
                                          "HELO ", "USER "};
    if (n < 8)
        return 0;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (n > strlen(methods[i]) && memcmp(p, methods[i], strlen(methods[i])) == 0)
            return -1;
    if (memcmp(p, "HTTP/1.", 7) == 0 || memcmp(p, "220 ", 4) == 0)
        return 1;
    if (p[0] == 0x16 && p[1] == 3) /* TLS handshake: client and server hello */
        return p[5] == 1 ? -1 : p[5] == 2 ? 1 : 0;
    if (p[0] == 5 && p[1] == 0 && n >= 16 && (p[4] & 0xef) == 0) { /* DCE/RPC packet types */
        if (p[2] == 0 || p[2] == 11 || p[2] == 14 || p[2] == 16)
            return -1;
        if (p[2] == 2 || p[2] == 3 || p[2] == 12 || p[2] == 13 || p[2] == 15)
            return 1;
    }
    if (p[0] == 0 && n >= 24 && memcmp(p + 5, "SMB", 3) == 0) { /* reply bit of SMB2, of SMB1 */
        if (p[4] == 0xfe)
            return p[20] & 1 ? 1 : -1;
        if (p[4] == 0xff)
            return p[13] & 0x80 ? 1 : -1;
    }
    if (p[0] == 0 && n >= 12 && net_be32(p) + 4 >= n) { /* Kerberos over TCP: requests, replies */
        if (p[4] == 0x6a || p[4] == 0x6c)
            return -1;
        if (p[4] == 0x6b || p[4] == 0x6d || p[4] == 0x7e)
            return 1;
    }
    return 0;
}

static bool is_service_port(uint16_t port)
{
    static const uint16_t ports[] = {1080, 1194, 1389, 1433, 1521, 1701, 1723, 1883, 2049, 3128, 3268, 3269, 3306,
                                     3389, 3478, 4443, 5060, 5222, 5353, 5355, 5432, 5671, 5672, 5900, 5985, 5986,
                                     6379, 6667, 7680, 8000, 8008, 8009, 8080, 8081, 8088, 8443, 8888, 9000, 9100,
                                     9200, 9389, 10000, 11211, 27017};
    if (port < 1024)
        return true;
    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++)
        if (ports[i] == port)
            return true;
    return false;
}

bool direction_is_reply(const struct direction_memory *m, const struct mmr_packet *p)
{
    if (p->proto == IPPROTO_ICMP)
        return p->icmp_type == 0;
    if (p->proto == IPPROTO_ICMPV6)
        return p->icmp_type == 129;
    if (p->proto == IPPROTO_UDP) {
        /* only a name server's answer is surely one; other first datagrams open their conversation */
        return p->payload_len >= 12 && p->src_port == 53 && p->dst_port != 53 && (p->payload[2] & 0x80);
    }
    if (p->proto != IPPROTO_TCP)
        return false;
    int says = payload_says(p->payload, p->payload_len);
    if (says)
        return says > 0;
    bool src_known = is_known(m, &p->src, p->src_port, p->proto), dst_known = is_known(m, &p->dst, p->dst_port, p->proto);
    if (src_known != dst_known)
        return src_known;
    bool src_service = is_service_port(p->src_port), dst_service = is_service_port(p->dst_port);
    if (src_service != dst_service)
        return src_service;
    if (src_service && p->src_port != p->dst_port)
        return p->src_port < p->dst_port;
    /* both are high: systems hand out client ports from 32768 (Linux) or 49152 (others) up */
    bool src_low = p->src_port < 32768, dst_low = p->dst_port < 32768;
    if (src_low != dst_low)
        return src_low;
    return false;
}
