/*
 * exfil.c - more data leaves than ever before. Statistic: bytes one inside machine sent to one outside address within an hour, over
 * connections that send at least four times what they receive (synchronising and browsing do not), against the most that machine ever
 * sent to one address in an hour. Threshold: 100 MB and eight times its own peak, after three days of history. To an address that was
 * named (DNS, TLS, HTTP) it is worth knowing: the first upload to a new cloud store looks the same. To an address nobody ever resolved
 * it is data leaving: people's programs do not send that much to a bare address. Large connections are counted every MiB, small ones at their end.
 */
#include "behaviour.h"

#include "net_text.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum { HOUR_S = 3600, MIB = 1 << 20, TIMES = 8, SENT_TO_RECEIVED = 4 };
struct sent { /* by one client: in all (peak), or to one address (out) */
    int64_t first_ns, since_ns;
    uint64_t out, peak;
};
const uint32_t sent_bytes = sizeof(struct sent);

static const struct beh_rule named = {"mamori.behaviour.upload", "Far more data sent than ever before", "impact.data", "info", 2, {"T1567"}};
static const struct beh_rule nameless = {"mamori.behaviour.exfiltration", "Far more data sent than ever before, to an address that was never resolved by name", "impact.data", "high", 5, {"T1041", "T1048"}};

static void account(struct beh *b, const struct beh_where *w, uint64_t bytes)
{
    struct memory_key kc = memory_key(&w->src, NULL, 2), kp = memory_key(&w->src, &w->dst, 2);
    struct sent *all = memory_get(&b->sent, &kc), *to = all ? memory_get(&b->sent, &kp) : NULL;
    char src[NET_ADDR_TEXT], dst[NET_ADDR_TEXT];
    if (!to)
        return;
    if (!all->first_ns || beh_is_over(w->time_ns, all->first_ns, INT32_MAX))
        all->first_ns = w->time_ns;
    if (beh_is_over(w->time_ns, to->since_ns, HOUR_S)) {
        if (to->out > all->peak) /* the hour is over: it is history now */
            all->peak = to->out;
        to->since_ns = w->time_ns;
        to->out = 0;
    }
    to->out += bytes;
    if (to->out < (uint64_t)b->cfg->exfil_floor || to->out / TIMES < all->peak || w->time_ns - all->first_ns < b->cfg->exfil_history * 1000000)
        return;
    bool is_named = names_has(b, &w->dst);
    beh_find(b, is_named ? &named : &nameless, w,
             "%s sent %.1f MB to %s within %lld min; the most it ever sent to one address in an hour was %.1f MB%s", net_addr_text(&w->src, src),
             (double)to->out / 1e6, net_addr_text(&w->dst, dst), (long long)((w->time_ns - to->since_ns) / (60 * SECOND)),
             (double)all->peak / 1e6, is_named ? "" : ", and nobody here ever resolved that address");
}

void exfil_packet(struct beh *b, const struct mmr_packet *p)
{
    const struct mmr_flow *f = p->flow;
    struct beh_where w;
    if (!f || !p->frame || p->dir != MMR_TO_SERVER || f->zones != MMR_FLOW_CLIENT_INSIDE || f->bytes[MMR_TO_SERVER] < MIB)
        return;
    uint64_t now = f->bytes[MMR_TO_SERVER];
    if (now / MIB == (now - p->payload_len) / MIB || now < SENT_TO_RECEIVED * f->bytes[MMR_TO_CLIENT])
        return;
    beh_where_flow(&w, f, p);
    account(b, &w, MIB);
}

void exfil_event(struct beh *b, const struct beh_event *e)
{
    if (strcmp(e->kind, "flow.end") != 0 || e->where.zones != MMR_FLOW_CLIENT_INSIDE)
        return;
    int64_t out = beh_int(e, "traffic.bytes_out", 0), in = beh_int(e, "traffic.bytes_in", 0);
    if (out > 4096 && out >= SENT_TO_RECEIVED * in)
        account(b, &e->where, (uint64_t)out % MIB); /* whole MiB were counted as they went */
}
