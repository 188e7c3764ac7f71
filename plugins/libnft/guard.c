/* guard.c - collects what must never be denied from the machine itself. */
#include "guard.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <stdlib.h>
#include <string.h>

enum { CONFIGURED_MAX = MMR_GUARD_MAX / 2 };

static void add(struct mmr_guard *g, const struct mmr_deny_key *k, const char *why)
{
    if (g->n == MMR_GUARD_MAX)
        return;
    g->item[g->n].net = *k;
    g->item[g->n].why = why;
    g->n++;
}

static void add_text(struct mmr_guard *g, const char *text, const char *why)
{
    struct mmr_deny_key k;
    if (mmr_deny_parse(text, &k))
        add(g, &k, why);
}

static void add_v4(struct mmr_guard *g, uint32_t be, const char *why)
{
    char text[INET_ADDRSTRLEN];
    struct in_addr a = {.s_addr = be};
    if (be && inet_ntop(AF_INET, &a, text, sizeof text))
        add_text(g, text, why);
}

static void add_card(struct mmr_guard *g, const struct mmr_addr *addr, const uint8_t mac[6])
{
    static const struct mmr_addr unset;
    for (uint32_t i = 0; i < g->n_cards; i++)
        if (memcmp(addr ? addr : &unset, &g->card[i].addr, sizeof unset) == 0 && (addr || memcmp(mac, g->card[i].mac, 6) == 0))
            return; /* of an address: the first one stays */
    if (g->n_cards == MMR_GUARD_CARDS_MAX)
        return;
    g->card[g->n_cards].addr = addr ? *addr : unset;
    memcpy(g->card[g->n_cards++].mac, mac, 6);
}

/* Cards of guarded addresses that this machine has spoken to. */
static void neighbours(struct mmr_guard *g)
{
    char line[512], addr[64], mac[18];
    FILE *f = fopen("/proc/net/arp", "re");
    while (f && fgets(line, sizeof line, f)) {
        struct mmr_deny_key k, m;
        if (sscanf(line, "%63s %*s %*s %17s", addr, mac) != 2 || !mmr_deny_parse(addr, &k) || !mmr_deny_parse_card(mac, &m))
            continue;
        for (uint32_t i = 0; i < g->n; i++)
            if (mmr_deny_covers(&g->item[i].net, &k.addr)) {
                add_card(g, &k.addr, m.addr.b);
                break;
            }
    }
    if (f)
        (void)fclose(f);
}

static void own_addresses(struct mmr_guard *g)
{
    struct ifaddrs *list;
    if (getifaddrs(&list) != 0)
        return;
    for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
        char text[INET6_ADDRSTRLEN];
        const void *a = NULL;
        if (!i->ifa_addr)
            continue;
        if (i->ifa_addr->sa_family == AF_PACKET) {
            const struct sockaddr_ll *l = (const struct sockaddr_ll *)(const void *)i->ifa_addr;
            if (l->sll_halen == 6)
                add_card(g, NULL, l->sll_addr);
            continue;
        }
        if (i->ifa_addr->sa_family == AF_INET)
            a = &((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr;
        else if (i->ifa_addr->sa_family == AF_INET6)
            a = &((const struct sockaddr_in6 *)(const void *)i->ifa_addr)->sin6_addr;
        if (a && inet_ntop(i->ifa_addr->sa_family, a, text, sizeof text))
            add_text(g, text, "an address of this machine");
    }
    freeifaddrs(list);
}

static void gateways(struct mmr_guard *g)
{
    char line[512];
    FILE *f = fopen("/proc/net/route", "re");
    while (f && fgets(line, sizeof line, f)) {
        unsigned dest, gate, flags;
        if (sscanf(line, "%*s %x %x %x", &dest, &gate, &flags) == 3 && dest == 0)
            add_v4(g, gate, "the default gateway");
    }
    if (f)
        (void)fclose(f);
    f = fopen("/proc/net/ipv6_route", "re");
    while (f && fgets(line, sizeof line, f)) {
        char dest[33], next[33];
        struct mmr_deny_key k;
        unsigned bits;
        if (sscanf(line, "%32s %x %*s %*s %32s", dest, &bits, next) != 3 || bits != 0 || strspn(next, "0") == 32)
            continue;
        memset(&k, 0, sizeof k);
        for (unsigned i = 0; i < 16; i++) {
            unsigned byte;
            if (sscanf(next + 2 * i, "%2x", &byte) == 1)
                k.addr.b[i] = (uint8_t)byte;
        }
        k.bits = 128;
        add(g, &k, "the default gateway");
    }
    if (f)
        (void)fclose(f);
}

static void name_servers(struct mmr_guard *g)
{
    char line[512], addr[128];
    FILE *f = fopen("/etc/resolv.conf", "re");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, " nameserver %127s", addr) == 1)
            add_text(g, addr, "a name server in use");
    if (f)
        (void)fclose(f);
}

void mmr_guard_learn(struct mmr_guard *g)
{
    mmr_sessions_learn(&g->admins);
}

static void open_sessions(struct mmr_guard *g)
{
    struct mmr_sessions now;
    if (!g->admins.n)
        return;
    mmr_sessions_learn(&now);
    for (uint32_t i = 0; i < g->admins.n; i++)
        if (mmr_sessions_has(&now, &g->admins.addr[i])) {
            struct mmr_deny_key k;
            memset(&k, 0, sizeof k);
            k.addr = g->admins.addr[i];
            k.bits = 128;
            add(g, &k, "the far end of an administrator's open SSH session");
        }
}

int mmr_guard_load(struct mmr_guard *g, const char *const *configured, size_t n, struct mmr_error *err)
{
    static const char *const fixed[] = {"127.0.0.0/8", "::1", "169.254.0.0/16", "fe80::/10", "224.0.0.0/4",
                                        "255.255.255.255", "ff00::/8", "0.0.0.0", "::"};
    g->n = 0;
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        add_text(g, fixed[i], "a loopback, link-local or multicast address");
    if (n > CONFIGURED_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "never_block: %zu entries, at most %d; write networks in place of single addresses", n, CONFIGURED_MAX);
    for (size_t i = 0; i < n; i++) { /* before what is found on this machine: no flood of sessions takes the room of these */
        struct mmr_deny_key k;
        if (!mmr_deny_parse(configured[i], &k))
            return mmr_fail(err, MMR_ECONFIG, "never_block: '%.80s' is no address or network", configured[i]);
        add(g, &k, "on the never-block list");
    }
    own_addresses(g);
    gateways(g);
    name_servers(g);
    open_sessions(g);
    neighbours(g);
    return 0;
}

static const char *refuses_card(const struct mmr_guard *g, const struct mmr_deny_key *k)
{
    static const struct mmr_addr unset;
    for (uint32_t i = 0; i < g->n_cards; i++)
        if (memcmp(g->card[i].mac, k->addr.b, 6) == 0)
            return memcmp(&g->card[i].addr, &unset, sizeof unset) == 0 ? "a card of this machine" : "the card of an address that is never blocked";
    return NULL;
}

const char *mmr_guard_refuses(const struct mmr_guard *g, const struct mmr_deny_key *k)
{
    if (k->is_card)
        return refuses_card(g, k);
    for (uint32_t i = 0; i < g->n; i++)
        if (mmr_deny_covers(&g->item[i].net, &k->addr) || mmr_deny_covers(k, &g->item[i].net.addr))
            return g->item[i].why;
    if (k->bits < (mmr_deny_is_v4(&k->addr) ? 120 : 64))
        return "wider than a /24 (IPv4) or /64 (IPv6)";
    return NULL;
}
