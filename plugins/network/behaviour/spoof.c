/*
 * spoof.c - ARP spoofing: two machines claim one address, turn by turn. Statistic: changes of the
 * hardware address behind an IP address within ten minutes. One change is a new card, a moved lease or
 * a failover; an attacker has to repeat his claim against the owner's, so the address flaps.
 */
#include "behaviour.h"

#include "net_text.h"

#include <string.h>

enum { FLAPS = 4, WINDOW_S = 600 };
struct owner {
    int64_t since_ns;
    uint32_t flaps;
    char first[18], second[18];
};
const uint32_t spoof_bytes = sizeof(struct owner);

static const struct beh_rule flapping = {"mamori.behaviour.arp_spoofing", "ARP spoofing: two machines claim one address", "spread", "high", 4, {"T1557.002"}};

void spoof_event(struct beh *b, const struct beh_event *e)
{
    char now[18], before[18], addr[NET_ADDR_TEXT];
    if (strcmp(e->kind, "arp.claim") != 0 || !beh_text(e, "unmapped.previous_mac", before, sizeof before)[0])
        return;
    struct memory_key k = memory_key(&e->where.src, NULL, 0);
    struct owner *o = memory_get(&b->claims, &k);
    if (!o)
        return;
    (void)beh_text(e, "device.mac", now, sizeof now);
    if (e->where.time_ns - o->since_ns > WINDOW_S * SECOND) {
        memset(o, 0, sizeof *o);
        o->since_ns = e->where.time_ns;
        memcpy(o->first, before, sizeof before);
        memcpy(o->second, now, sizeof now);
    }
    /* back and forth between the same two; a third is a virtual router or a messy network */
    bool is_pair = (strcmp(now, o->first) == 0 && strcmp(before, o->second) == 0) ||
                   (strcmp(now, o->second) == 0 && strcmp(before, o->first) == 0);
    if (is_pair)
        o->flaps++;
    if (o->flaps < FLAPS)
        return;
    beh_find(b, &flapping, &e->where, "%s and %s both claim to be %s and took turns %u times in %lld s (limit %d): ARP spoofing",
             o->first, o->second, net_addr_text(&e->where.src, addr), o->flaps,
             (long long)((e->where.time_ns - o->since_ns) / SECOND), FLAPS);
}
