/*
 * spoof.c - who pretends to be another. ARP spoofing: two machines claim one address, turn by turn. Statistic: changes of the
 * hardware address behind an IP address within ten minutes. One change is a new card, a moved lease or
 * a failover; an attacker has to repeat his claim against the owner's, so the address flaps. The card that came second is the spoofer, unless what
 * else the two claimed speaks for the other: then nobody is named, so that nobody is cut off for what is done to him.
 *
 * Name poisoning: one machine answers to many names. Who asks the whole office for a name by LLMNR or NetBIOS is answered by the machine of that
 * name; a poisoner answers whoever asks, with his own address. Statistic: different names one address answered to within ten minutes. A name service
 * for others (WINS) answers with their addresses; mDNS has many names for one machine and is left out. One answer is enough for WPAD, the name
 * under which machines look for the proxy all their traffic goes to: no machine is called so.
 */
#include "behaviour.h"

#include "net_text.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

enum { FLAPS = 4, NAMES = 4, WINDOW_S = 600 };
struct owner {
    int64_t since_ns;
    uint32_t flaps;
    char first[18], second[18];
};
struct card { /* in the same table, under the card: the first address it claimed, and whether it claimed others since */
    struct mmr_addr own;
    bool has_more;
};
struct answered { /* in the same table, under a key of its own */
    int64_t since_ns;
    uint32_t n, hash[NAMES];
};
_Static_assert(sizeof(struct answered) <= sizeof(struct owner) && sizeof(struct card) <= sizeof(struct owner), "one table for all");
const uint32_t spoof_bytes = sizeof(struct owner);

static const struct beh_rule flapping = {"mamori.behaviour.arp_spoofing", "ARP spoofing: two machines claim one address", "spread", "high", 4, {"T1557.002"}};

static const struct beh_rule poisoning = {"mamori.behaviour.name_poisoning", "One machine answers to every name (LLMNR or NetBIOS poisoning)", "account", "high", 4, {"T1557.001"}};

static bool read_addr(const char *text, struct mmr_addr *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->b[10] = ret->b[11] = 0xff;
    return inet_pton(AF_INET, text, ret->b + 12) == 1 || inet_pton(AF_INET6, text, ret->b) == 1;
}

static uint32_t name_hash(const char *s)
{
    uint32_t h = 0x811c9dc5U;
    for (; *s && *s != '.'; s++) /* the first label: NetBIOS and LLMNR say one name in two ways */
        h = (h ^ (uint8_t)(*s >= 'A' && *s <= 'Z' ? *s + 32 : *s)) * 0x01000193U;
    return h ? h : 1;
}

static void on_name(struct beh *b, const struct beh_event *e)
{
    char source[8], name[128], text[64], addr[NET_ADDR_TEXT];
    struct beh_where where = e->where;
    (void)beh_text(e, "unmapped.source", source, sizeof source);
    if (strcmp(source, "llmnr") != 0 && strcmp(source, "nbns") != 0)
        return;
    if (!beh_text(e, "device.hostname", name, sizeof name)[0] || !read_addr(beh_text(e, "device.ip", text, sizeof text), &where.src))
        return;
    struct memory_key k = memory_key(&where.src, NULL, 1);
    struct answered *a = memory_get(&b->claims, &k);
    if (!a)
        return;
    if (beh_is_over(where.time_ns, a->since_ns, WINDOW_S)) {
        memset(a, 0, sizeof *a);
        a->since_ns = where.time_ns;
    }
    if (strncasecmp(name, "wpad", 4) == 0 && (name[4] == '\0' || name[4] == '.')) {
        if (memcmp(&where.dst, &where.src, sizeof where.dst) == 0)
            where.dst = e->where.src;
        beh_find(b, &poisoning, &where, "%s answered that it is %s, the proxy of all: it wants the others' traffic and log-ons", net_addr_text(&where.src, addr), name);
        return;
    }
    const uint32_t h = name_hash(name);
    for (uint32_t i = 0; i < a->n && i < NAMES; i++)
        if (a->hash[i] == h)
            return;
    if (a->n < NAMES)
        a->hash[a->n] = h;
    a->n++;
    if (a->n < NAMES)
        return;
    if (memcmp(&where.dst, &where.src, sizeof where.dst) == 0)
        where.dst = e->where.src; /* who asked */
    beh_find(b, &poisoning, &where, "%s answered to %u different names within %lld s, the last one %s (limit %d): it wants others to log on to it",
             net_addr_text(&where.src, addr), a->n, (long long)((where.time_ns - a->since_ns) / SECOND), name, NAMES);
}

static struct memory_key card_key(const char mac[18])
{
    struct mmr_addr a;
    memcpy(a.b, mac, sizeof a.b); /* its text but for the last digit, which goes into the kind of the key */
    return memory_key(&a, NULL, 2U << 8 | (uint8_t)mac[16]);
}

static void learn_card(struct beh *b, const char *mac, const struct mmr_addr *claimed)
{
    static const struct mmr_addr none;
    if (strlen(mac) != 17)
        return;
    struct memory_key k = card_key(mac);
    struct card *c = memory_get(&b->claims, &k);
    if (!c)
        return;
    if (memcmp(&c->own, &none, sizeof none) == 0)
        c->own = *claimed;
    else if (memcmp(&c->own, claimed, sizeof c->own) != 0)
        c->has_more = true;
}

/* Does that card stand for another address than this one too? */
static bool is_elsewhere(const struct card *c, const struct mmr_addr *addr)
{
    return c && (c->has_more || memcmp(&c->own, addr, sizeof *addr) != 0);
}

/* w: in: src is the claimed address. out: the claimed one is dst, and src is who claims it, as far as that can be told. */
static void name_spoofer(struct beh *b, const struct owner *o, struct beh_where *w)
{
    struct memory_key kf = card_key(o->first), ks = card_key(o->second);
    const struct card *first = memory_find(&b->claims, &kf), *second = memory_find(&b->claims, &ks);
    w->dst = w->src;
    memset(&w->src, 0, sizeof w->src);
    if (!second || (is_elsewhere(first, &w->dst) && !is_elsewhere(second, &w->dst)))
        return;
    memcpy(w->src_mac, o->second, sizeof w->src_mac);
    if (memcmp(&second->own, &w->dst, sizeof w->dst) != 0)
        w->src = second->own;
}

void spoof_event(struct beh *b, const struct beh_event *e)
{
    if (strcmp(e->kind, "host.addr") == 0) {
        on_name(b, e);
        return;
    }
    char now[18], before[18], addr[NET_ADDR_TEXT];
    if (strcmp(e->kind, "arp.claim") != 0)
        return;
    learn_card(b, beh_text(e, "device.mac", now, sizeof now), &e->where.src);
    if (!beh_text(e, "unmapped.previous_mac", before, sizeof before)[0])
        return;
    struct memory_key k = memory_key(&e->where.src, NULL, 0);
    struct owner *o = memory_get(&b->claims, &k);
    if (!o)
        return;
    if (beh_is_over(e->where.time_ns, o->since_ns, WINDOW_S)) {
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
    struct beh_where where = e->where;
    name_spoofer(b, o, &where);
    beh_find(b, &flapping, &where, "%s and %s both claim to be %s and took turns %u times in %lld s (limit %d): ARP spoofing%s%s",
             o->first, o->second, net_addr_text(&where.dst, addr), o->flaps, (long long)((where.time_ns - o->since_ns) / SECOND), FLAPS,
             where.src_mac[0] ? ", by " : "", where.src_mac[0] ? where.src_mac : "; which of them is the owner cannot be told");
}
