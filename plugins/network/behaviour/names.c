/*
 * names.c - addresses nobody asked a name for. Programs of people go to names; what was built in goes to addresses. Statistic: distinct
 * outside addresses one client opened TCP to within ten minutes that no DNS answer, no TLS name and no HTTP host of this office ever
 * named. Threshold: 20, of a client whose name queries we do see (5 answers) and that was watched for an hour. Peer-to-peer programs do
 * the same: a hint, never a reason to act by itself; it weighs where data leaves (exfil.c).
 */
#include "behaviour.h"

#include "net_text.h"

#include <arpa/inet.h>
#include <string.h>

enum { WINDOW_S = 600, WATCHED_S = 3600, ANSWERS = 5, SET_MAX = 64 };
struct nameless { /* of one client */
    int64_t first_ns, since_ns;
    uint32_t answers, n;
    uint64_t addr[SET_MAX];
};
const uint32_t nameless_bytes = sizeof(struct nameless);

static const struct beh_rule nameless = {"mamori.behaviour.nameless_addresses", "Many outside addresses that were never resolved by name", NULL, "info", 1, {"T1095"}};

static void learn(struct beh *b, const struct mmr_addr *a)
{
    struct memory_key k = memory_key(NULL, a, 0);
    (void)memory_get(&b->named, &k);
}

bool names_has(struct beh *b, const struct mmr_addr *a)
{
    struct memory_key k = memory_key(NULL, a, 0);
    return memory_find(&b->named, &k) != NULL;
}

static struct nameless *client_of(struct beh *b, const struct beh_event *e)
{
    struct memory_key k = memory_key(&e->where.src, NULL, 1);
    struct nameless *c = memory_get(&b->nameless, &k);
    if (c && (!c->first_ns || beh_is_over(e->where.time_ns, c->first_ns, INT32_MAX)))
        c->first_ns = e->where.time_ns;
    return c;
}

static void on_answer(struct beh *b, const struct beh_event *e)
{
    const struct mmr_value *list = mmr_event_get(&e->view, "answers");
    struct mmr_array_it it = {0};
    const char *p;
    size_t n;
    struct nameless *c = client_of(b, e);
    while (list && mmr_value_next(list, &it, &p, &n)) {
        char text[NET_ADDR_TEXT];
        struct mmr_addr a = {{0}};
        if (n >= sizeof text)
            continue;
        memcpy(text, p, n);
        text[n] = '\0';
        if (inet_pton(AF_INET, text, a.b + 12) == 1)
            a.b[10] = a.b[11] = 0xff;
        else if (inet_pton(AF_INET6, text, a.b) != 1)
            continue;
        learn(b, &a);
        if (c)
            c->answers++;
    }
}

static void on_start(struct beh *b, const struct beh_event *e)
{
    const struct beh_where *w = &e->where;
    char src[NET_ADDR_TEXT], dst[NET_ADDR_TEXT];
    uint64_t hi, lo;
    struct nameless *c;
    if (w->zones != MMR_FLOW_CLIENT_INSIDE || strcmp(w->proto, "tcp") != 0 || names_has(b, &w->dst) || !(c = client_of(b, e)))
        return;
    if (beh_is_over(w->time_ns, c->since_ns, WINDOW_S)) {
        c->since_ns = w->time_ns;
        c->n = 0;
    }
    memcpy(&hi, w->dst.b, 8);
    memcpy(&lo, w->dst.b + 8, 8);
    uint64_t h = (hi * 31 ^ lo) | 1;
    for (uint32_t i = 0; i < c->n; i++)
        if (c->addr[i] == h)
            return;
    if (c->n < SET_MAX)
        c->addr[c->n++] = h;
    if (c->n < (uint32_t)b->cfg->nameless || c->answers < ANSWERS || w->time_ns - c->first_ns < WATCHED_S * SECOND)
        return;
    struct beh_where at = *w;
    memset(&at.dst, 0, sizeof at.dst); /* about the client, once, not about each of the addresses */
    beh_find(b, &nameless, &at, "%s opened connections to %u outside addresses in %lld min that were never resolved by name (limit %lld), last %s",
             net_addr_text(&w->src, src), c->n, (long long)((w->time_ns - c->since_ns) / (60 * SECOND)), (long long)b->cfg->nameless,
             net_addr_text(&w->dst, dst));
}

void names_event(struct beh *b, const struct beh_event *e)
{
    if (strcmp(e->kind, "dns.answer") == 0)
        on_answer(b, e);
    else if (strcmp(e->kind, "flow.start") == 0)
        on_start(b, e);
    else if (strcmp(e->kind, "tls.hello") == 0 && mmr_event_get(&e->view, "tls.sni"))
        learn(b, &e->where.dst);
    else if (strcmp(e->kind, "http.request") == 0 && !beh_flag(e, "unmapped.host_is_address") && mmr_event_get(&e->view, "http_request.url.hostname"))
        learn(b, &e->where.dst);
}
