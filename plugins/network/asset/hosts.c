/* hosts.c - see hosts.h. */
#include "hosts.h"

#include <string.h>
#include <strings.h>

static uint32_t place(const struct mmr_addr *a)
{
    uint64_t x, y;
    memcpy(&x, a->b, 8);
    memcpy(&y, a->b + 8, 8);
    x = (x * 31 ^ y) * 0x9fb21c651e98df25U;
    return (uint32_t)(x >> 40) % HOSTS_MAX;
}

static const struct mmr_addr none;

struct asset_host *asset_host_find(struct asset_hosts *t, const struct mmr_addr *a)
{
    for (uint32_t i = place(a), n = 0; n < HOSTS_MAX && memcmp(&t->slot[i].addr, &none, 16) != 0; i = (i + 1) % HOSTS_MAX, n++)
        if (memcmp(&t->slot[i].addr, a, 16) == 0)
            return &t->slot[i];
    return NULL;
}

struct asset_host *asset_host_get(struct asset_hosts *t, const struct mmr_addr *a, int64_t now_ns)
{
    struct asset_host *h = asset_host_find(t, a);
    if (h)
        return h;
    if (t->n >= HOSTS_MAX * 3 / 4) { /* beyond it, searches grow long */
        t->left_out++;
        return NULL;
    }
    uint32_t i = place(a);
    while (memcmp(&t->slot[i].addr, &none, 16) != 0)
        i = (i + 1) % HOSTS_MAX;
    t->n++;
    t->slot[i] = (struct asset_host){.addr = *a, .first_ns = now_ns, .last_ns = now_ns, .is_changed = true};
    return &t->slot[i];
}

bool asset_host_serves(struct asset_host *h, uint16_t port)
{
    for (unsigned i = 0; i < h->n_tcp; i++)
        if (h->tcp[i] == port)
            return false;
    if (h->n_tcp == SERVICES_MAX)
        return false;
    h->tcp[h->n_tcp++] = port;
    h->is_changed = true;
    return true;
}

static bool has(const struct asset_host *h, uint16_t port)
{
    for (unsigned i = 0; i < h->n_tcp; i++)
        if (h->tcp[i] == port)
            return true;
    return false;
}

const char *asset_host_system(const struct asset_host *h)
{
    if (strncasecmp(h->vendor_class, "MSFT", 4) == 0)
        return "Windows";
    if (strncasecmp(h->vendor_class, "android", 7) == 0)
        return "Android";
    if (strncasecmp(h->vendor_class, "dhcpcd", 6) == 0 || strncasecmp(h->vendor_class, "udhcp", 5) == 0)
        return "Linux";
    /* the counter systems start from: 64, 128, 255; on the way inside an office it loses one or two */
    if (h->syn_ttl > 128)
        return "network device";
    if (h->syn_ttl > 64)
        return "Windows";
    return h->syn_ttl > 32 ? "Linux, macOS or mobile" : NULL;
}

const char *asset_host_role(const struct asset_host *h)
{
    const char *system = asset_host_system(h);
    if (h->is_router)
        return "gateway";
    if (has(h, 88) && has(h, 389))
        return "domain-controller";
    if (has(h, 9100) || has(h, 515))
        return "printer";
    if (h->serves_dns)
        return "dns";
    if ((has(h, 445) || has(h, 2049) || has(h, 548)) && !(system && strcmp(system, "Windows") == 0))
        return "nas";
    static const uint16_t served[] = {25, 80, 110, 143, 443, 993, 1433, 3306, 5432, 8080, 8443};
    for (unsigned i = 0; i < sizeof served / sizeof served[0]; i++)
        if (has(h, served[i]))
            return "server";
    return "client";
}
