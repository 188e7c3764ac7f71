/*
 * starve.c - all addresses taken. Who asks a DHCP server for addresses under one made-up card after the other leaves none for the office, and then
 * answers in its place. Statistic: different cards that ask (DISCOVER, REQUEST) within a minute on one line: 100. An office does not
 * switch on a hundred machines in a minute; where it does after a power cut, their cards are of few makers: of made-up ones the first
 * three bytes differ too, so 50 of those are asked for as well.
 */
#include "behaviour.h"

#include "net_cursor.h"

#include <netinet/in.h>
#include <string.h>

enum { WINDOW_S = 60, CARDS = 100, MAKERS = 50, FIXED = 240, PORT_SERVER = 67 };
struct asking { /* on one VLAN */
    int64_t since_ns;
    uint32_t n_cards, n_makers;
    uint32_t card[CARDS], maker[MAKERS];
};
const uint32_t starve_bytes = sizeof(struct asking);

static const struct beh_rule starvation = {"mamori.behaviour.dhcp_starvation", "Addresses asked for under one made-up card after the other (DHCP starvation)", "spread", "low", 3, {"T1557.003", "T1498"}};

static void add(uint32_t *set, uint32_t *n, uint32_t max, uint32_t v)
{
    for (uint32_t i = 0; i < *n; i++)
        if (set[i] == v)
            return;
    if (*n < max)
        set[(*n)++] = v;
}

void starve_chunk(struct beh *b, const struct mmr_chunk *c)
{
    static const uint8_t magic[4] = {0x63, 0x82, 0x53, 0x63};
    struct beh_where w;
    const uint8_t *p = c->data;
    if (c->flow->proto != IPPROTO_UDP || c->flow->server_port != PORT_SERVER || c->len < FIXED || !c->packet || p[0] != 1 || memcmp(p + 236, magic, 4) != 0)
        return;
    struct memory_key k = memory_key(NULL, NULL, c->flow->vlan);
    struct asking *a = memory_get(&b->leases, &k);
    if (!a)
        return;
    beh_where_flow(&w, c->flow, c->packet);
    if (beh_is_over(w.time_ns, a->since_ns, WINDOW_S)) {
        memset(a, 0, sizeof *a);
        a->since_ns = w.time_ns;
    }
    add(a->card, &a->n_cards, CARDS, net_be32(p + 30)); /* the card's last four bytes */
    add(a->maker, &a->n_makers, MAKERS, net_be32(p + 28) >> 8);
    if (a->n_cards < CARDS || a->n_makers < MAKERS)
        return;
    memset(&w.src, 0, sizeof w.src); /* nobody yet: 0.0.0.0 */
    w.src_port = 0;
    beh_find(b, &starvation, &w, "%u cards of %u makers asked for an address within %lld s (limits %d, %d): all addresses are being taken", a->n_cards,
             a->n_makers, (long long)((w.time_ns - a->since_ns) / SECOND), CARDS, MAKERS);
}
