/*
 * tunnel.c - data hidden in DNS names and in echo packets. DNS statistic: names with a long coded
 * label (hex, or letters and digits mixed with high entropy) asked of one server within a minute, and
 * their share of what is asked there; for kinds of records that people do not ask for and that carry text (TXT, NULL and the like)
 * shorter coded labels count too. Echo statistic: replies whose content is not the request's; or requests whose content behind
 * the time and counter that ping puts first is another one each time.
 */
#include "behaviour.h"

#include "net_text.h"

#include <math.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { DNS_WINDOW_S = 60, DNS_CODED = 12, LABEL_MIN = 24, LABEL_MIN_CARRIER = 14, ICMP_WINDOW_S = 600, ICMP_RING = 8, ICMP_WRONG = 6,
       ICMP_NEW = 20, TAIL_AT = 16, TAIL = 32 /* bytes of the content compared, behind the first 16 */ };
struct names {
    int64_t since_ns;
    uint32_t coded, all;
    uint64_t bytes;
};
struct echoes {
    int64_t since_ns;
    uint32_t n_request, n_reply, n_wrong, n_new, next;
    uint64_t bytes;
    struct {
        uint32_t id_seq, used;
        uint64_t hash;
    } ring[ICMP_RING];
    uint64_t tail[ICMP_NEW]; /* different contents of requests */
};
const uint32_t dns_bytes = sizeof(struct names), icmp_bytes = sizeof(struct echoes);

static const struct beh_rule dns_tunnel = {"mamori.behaviour.dns_tunnel", "Data hidden in DNS names (DNS tunnel)", "foothold.c2", "high", 4, {"T1071.004", "T1048.003", "T1572"}};
static const struct beh_rule icmp_tunnel = {"mamori.behaviour.icmp_tunnel", "Data hidden in echo packets (ICMP tunnel)", "foothold.c2", "high", 4, {"T1095", "T1572"}};

static bool is_coded_label(const char *p, size_t n, size_t least)
{
    unsigned count[256] = {0}, hex = 0, digits = 0, dashes = 0;
    double entropy = 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = (uint8_t)p[i];
        count[c]++;
        hex += (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'f');
        digits += c >= '0' && c <= '9';
        dashes += c == '-';
    }
    if (n < least)
        return false;
    for (unsigned i = 0; i < 256; i++)
        if (count[i]) {
            double share = (double)count[i] / (double)n;
            entropy -= share * log2(share);
        }
    if (hex == n)
        return entropy > 2.5; /* hex of real data: up to 4 bits a letter; counters and padding less */
    return dashes <= 1 && digits * 8 >= n && entropy > 3.6; /* words with a number stay below */
}

static bool is_coded_name(const char *name, size_t least)
{
    while (*name) {
        size_t n = strcspn(name, ".");
        if (is_coded_label(name, n, least))
            return true;
        name += n + (name[n] == '.');
    }
    return false;
}

static bool is_allowed(const struct beh *b, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < b->cfg->dns_encoded_ok.n; i++) {
        const char *ok = b->cfg->dns_encoded_ok.v[i];
        size_t n = strlen(ok);
        if (len >= n && strcasecmp(name + len - n, ok) == 0 && (len == n || name[len - n - 1] == '.'))
            return true;
    }
    return false;
}

/* The last two labels: the domain somebody registered, near enough. */
static const char *base_domain(const char *name)
{
    const char *dot = strrchr(name, '.'), *p = dot;
    while (p && p > name) {
        p--;
        if (*p == '.')
            return p + 1;
    }
    return name;
}

static void count_name(struct beh *b, const struct beh_where *w, const struct memory_key *k, const char *name,
                       const char *group, bool coded)
{
    struct names *s = memory_get(&b->dns, k);
    char src[NET_ADDR_TEXT], dst[NET_ADDR_TEXT];
    if (!s)
        return;
    if (beh_is_over(w->time_ns, s->since_ns, DNS_WINDOW_S)) {
        memset(s, 0, sizeof *s);
        s->since_ns = w->time_ns;
    }
    s->all++;
    s->coded += coded;
    if (coded)
        s->bytes += strlen(name);
    if (!coded || s->coded < DNS_CODED || s->coded * 2 < s->all)
        return;
    beh_find(b, &dns_tunnel, w,
             "%s asked %s for %u long coded names%s%s in %lld s (%u names in all, %llu bytes, limit %d), last %.120s: data sent out in DNS names",
             net_addr_text(&w->src, src), net_addr_text(&w->dst, dst), s->coded, group[0] ? " under " : "", group,
             (long long)((w->time_ns - s->since_ns) / SECOND), s->all, (unsigned long long)s->bytes, DNS_CODED, name);
}

/* Records that carry text and that browsers do not ask for, again and again (mail servers ask for TXT and MX of names they are told). */
static bool is_carrier(const struct beh_event *e)
{
    static const char *const types[] = {"TXT", "NULL", "MX", "CNAME", "SRV", "TYPE65399" /* PRIVATE, of iodine */};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (beh_is(e, "query.type", types[i]))
            return true;
    return false;
}

void tunnel_event(struct beh *b, const struct beh_event *e)
{
    char name[256];
    uint64_t h = 0xcbf29ce484222325U;
    if (strcmp(e->kind, "dns.query") != 0 || e->where.dst_port == 5353 || e->where.dst_port == 137)
        return;
    if (!beh_text(e, "query.hostname", name, sizeof name)[0] || is_allowed(b, name))
        return;
    struct memory_key server = memory_key(&e->where.src, &e->where.dst, 0);
    const bool coded = is_coded_name(name, is_carrier(e) ? LABEL_MIN_CARRIER : LABEL_MIN);
    count_name(b, &e->where, &server, name, "", coded);
    const char *base = base_domain(name);
    for (const char *c = base; *c; c++)
        h = (h ^ (uint8_t)*c) * 0x100000001b3U;
    struct memory_key domain = memory_key(&e->where.src, &e->where.dst, h | 1);
    if (coded && base != name)
        count_name(b, &e->where, &domain, name, base, true);
}

static uint64_t bytes_hash(const uint8_t *p, size_t n)
{
    uint64_t h = 0xcbf29ce484222325U ^ n;
    for (size_t i = 0; i < n && i < 512; i++)
        h = (h ^ p[i]) * 0x100000001b3U;
    return h;
}

/* ping sends one pattern; where each request brings something new, it is data. */
static void on_content(struct beh *b, const struct mmr_packet *p, struct echoes *s)
{
    struct beh_where w;
    char src[NET_ADDR_TEXT], dst[NET_ADDR_TEXT];
    if (p->payload_len < TAIL_AT + TAIL)
        return;
    const uint64_t h = bytes_hash(p->payload + TAIL_AT, TAIL);
    for (uint32_t i = 0; i < s->n_new; i++)
        if (s->tail[i] == h)
            return;
    if (s->n_new < ICMP_NEW)
        s->tail[s->n_new++] = h;
    if (s->n_new < ICMP_NEW || s->n_new * 2 < s->n_request)
        return;
    beh_where_flow(&w, p->flow, p);
    beh_find(b, &icmp_tunnel, &w, "%u of %u echo requests of %s to %s carry content of their own (limit %d, %llu bytes in %lld s): data in echo packets", s->n_new,
             s->n_request, net_addr_text(&p->src, src), net_addr_text(&p->dst, dst), ICMP_NEW, (unsigned long long)s->bytes,
             (long long)((w.time_ns - s->since_ns) / SECOND));
}

void tunnel_packet(struct beh *b, const struct mmr_packet *p)
{
    bool v6 = p->proto == IPPROTO_ICMPV6;
    if ((p->proto != IPPROTO_ICMP && !v6) || !p->flow || !p->frame || p->l3_len < p->l4_off + 8)
        return;
    bool request = p->icmp_type == (v6 ? 128 : 8), reply = p->icmp_type == (v6 ? 129 : 0);
    if (!request && !reply)
        return;
    const uint8_t *l4 = p->l3 + p->l4_off;
    uint32_t id_seq = (uint32_t)l4[4] << 24 | (uint32_t)l4[5] << 16 | (uint32_t)l4[6] << 8 | l4[7];
    const struct mmr_addr *asker = request ? &p->src : &p->dst, *asked = request ? &p->dst : &p->src;
    struct memory_key k = memory_key(asker, asked, 0);
    struct echoes *s = memory_get(&b->icmp, &k);
    int64_t now = p->frame->time_ns;
    if (!s)
        return;
    if (beh_is_over(now, s->since_ns, ICMP_WINDOW_S)) {
        memset(s, 0, sizeof *s);
        s->since_ns = now;
    }
    s->bytes += p->payload_len;
    uint64_t h = bytes_hash(p->payload, p->payload_len);
    if (request) {
        s->n_request++;
        s->ring[s->next % ICMP_RING].id_seq = id_seq;
        s->ring[s->next % ICMP_RING].hash = h;
        s->ring[s->next % ICMP_RING].used = 1;
        s->next++;
        on_content(b, p, s);
        return;
    }
    s->n_reply++;
    bool asked_for = false, right = false;
    for (unsigned i = 0; i < ICMP_RING; i++)
        if (s->ring[i].used && s->ring[i].id_seq == id_seq) {
            asked_for = true;
            right = right || s->ring[i].hash == h;
        }
    if (asked_for && !right)
        s->n_wrong++;
    /* a capture that misses requests leaves replies unasked; only different content is proof */
    if (s->n_wrong < ICMP_WRONG)
        return;
    struct beh_where w;
    char src[NET_ADDR_TEXT], dst[NET_ADDR_TEXT];
    beh_where_flow(&w, p->flow, p);
    beh_find(b, &icmp_tunnel, &w,
             "%u of %u echo replies between %s and %s carry other content than the request they answer (%llu bytes in %lld s): an ICMP tunnel",
             s->n_wrong, s->n_reply, net_addr_text(asker, src), net_addr_text(asked, dst), (unsigned long long)s->bytes,
             (long long)((now - s->since_ns) / SECOND));
}
