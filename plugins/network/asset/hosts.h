/*
 * hosts.h - the machines of the office as their packets show them: address, card, name, maker, what they serve, a guess at
 * system and role. A table of fixed size; when it is full, machines not yet in it are counted and left out.
 */
#ifndef MMR_ASSET_HOSTS_H
#define MMR_ASSET_HOSTS_H

#include <mamori/net.h>

enum { HOSTS_MAX = 4096, SERVICES_MAX = 24, HOST_NAME_MAX_BYTES = 64 };
struct asset_host {
    struct mmr_addr addr; /* all zero: free */
    uint8_t mac[6];
    bool has_mac, is_router, is_told, is_changed;
    uint8_t syn_ttl;      /* of its own connection attempts; 0 none seen */
    char name[HOST_NAME_MAX_BYTES], vendor_class[40];
    char maker[40];
    int64_t first_ns, last_ns, flow_ns, told_ns; /* flow_ns: in a packet of a conversation; 0 never (ARP alone) */
    uint16_t tcp[SERVICES_MAX]; /* ports it answered on */
    uint8_t n_tcp;
    bool serves_dns;
};
struct asset_hosts {
    struct asset_host slot[HOSTS_MAX];
    uint32_t n;
    uint64_t left_out;
};

struct asset_host *asset_host_get(struct asset_hosts *t, const struct mmr_addr *a, int64_t now_ns); /* NULL: full */
struct asset_host *asset_host_find(struct asset_hosts *t, const struct mmr_addr *a);
/* True: it was not known that the machine serves this port. */
bool asset_host_serves(struct asset_host *h, uint16_t port);
const char *asset_host_system(const struct asset_host *h); /* "Windows", …; NULL: no idea */
/* client, server, domain-controller, dns, gateway, nas, printer: the words of the `assets:` configuration */
const char *asset_host_role(const struct asset_host *h);

#endif
