/*
 * beacon.c - programs that call home. (1) Polls over HTTP: one client asks one server again and again
 * for the same few paths at a steady pace; statistic: the median distance of requests in time and the
 * median deviation from it (robust against single delays). A bare address instead of a name, a
 * browser's agent without a browser's Referer, make it a finding. (2) A coded POST to a bare address
 * on an odd port answered with bytes that are not what their type says.
 */
#include "behaviour.h"

#include "net_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMES = 24, PATHS = 8, PART = 16 * 1024 /* bytes of a part of a film, a song, a download */ };
struct polls {
    int64_t last_ns;
    uint32_t n, n_paths, n_referer, n_times, n_parts;
    int64_t gaps[TIMES]; /* ring of distances, ns */
    uint64_t paths[PATHS];
    bool is_many_paths;
};
const uint32_t beacon_bytes = sizeof(struct polls);

static const struct beh_rule polling = {"mamori.behaviour.http_beacon", "HTTP command-and-control polling", "foothold.c2", "high", 4, {"T1071.001", "T1573"}};
static const struct beh_rule coded_post = {"mamori.behaviour.http_coded_post", "Coded HTTP POST to a bare address on an odd port (C2)", "foothold.c2", "high", 4, {"T1071.001", "T1571"}};

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static int64_t median(const int64_t *v, uint32_t n)
{
    int64_t s[TIMES];
    memcpy(s, v, n * sizeof *v);
    qsort(s, n, sizeof *s, compare);
    return s[n / 2];
}

static uint64_t path_hash(const char *s)
{
    uint64_t h = 0xcbf29ce484222325U;
    for (; *s && *s != '?'; s++)
        h = (h ^ (uint8_t)*s) * 0x100000001b3U;
    return h;
}

/* Add a request; false when it belongs to the burst before it. */
static bool add_poll(struct polls *p, int64_t now, uint64_t path)
{
    uint32_t i = 0;
    while (i < p->n_paths && p->paths[i] != path)
        i++;
    if (i == p->n_paths) {
        if (p->n_paths < PATHS)
            p->paths[p->n_paths++] = path;
        else
            p->is_many_paths = true;
    }
    if (p->last_ns - now > 60 * SECOND) /* the clock was set back: the distances begin anew */
        p->last_ns = 0;
    int64_t gap = now - p->last_ns;
    if (p->last_ns && gap < SECOND / 2)
        return false;
    if (p->last_ns) {
        p->gaps[p->n_times++ % TIMES] = gap;
    }
    p->last_ns = now;
    p->n++;
    return true;
}

static void on_request(struct beh *b, const struct beh_event *e)
{
    const struct beh_where *w = &e->where;
    struct memory_key k = memory_key(&w->src, &w->dst, w->dst_port);
    struct polls *p = memory_get(&b->poll, &k);
    char path[1024], agent[256], referer[256], src[NET_ADDR_TEXT], dst[NET_ADDR_TEXT];
    if (!p)
        return;
    (void)beh_text(e, "http_request.url.path", path, sizeof path);
    if (beh_text(e, "http_request.referrer", referer, sizeof referer)[0])
        p->n_referer++;
    if (!add_poll(p, w->time_ns, path_hash(path)) || p->n_times < (uint32_t)b->cfg->beacon_polls)
        return;
    /* an implant rotates through a few paths; a tool that walks a site does not come back to them */
    if (p->is_many_paths || p->n_paths * 2 > p->n + 1 || p->n_referer * 4 > p->n || !beh_flag(e, "unmapped.host_is_address"))
        return;
    if (p->n_parts * 2 > p->n) /* a player that fetches a file part by part, as it needs them */
        return;
    uint32_t n = p->n_times < TIMES ? p->n_times : TIMES;
    int64_t mid = median(p->gaps, n), dev[TIMES] = {0};
    for (uint32_t i = 0; i < n; i++)
        dev[i] = p->gaps[i] > mid ? p->gaps[i] - mid : mid - p->gaps[i];
    int64_t spread = median(dev, n);
    bool outside = !(w->zones & MMR_FLOW_SERVER_INSIDE);
    bool browser = strncmp(beh_text(e, "http_request.user_agent", agent, sizeof agent), "Mozilla/", 8) == 0;
    /* 0.35: the jitter implants use at most is +-30 %; people and pages scatter by more than their median */
    if (mid < SECOND || spread * 100 > mid * 35 || !(w->zones & MMR_FLOW_CLIENT_INSIDE) || (!outside && !browser))
        return;
    beh_find(b, &polling, w,
             "%s asks the bare address %s port %u every %.1f s (deviation %.1f s, %u times, %u path%s, last %s), agent \"%s\": HTTP C2 polling",
             net_addr_text(&w->src, src), net_addr_text(&w->dst, dst), w->dst_port, (double)mid / 1e9,
             (double)spread / 1e9, p->n, p->n_paths, p->n_paths == 1 ? "" : "s", path, agent);
}

static void on_response(struct beh *b, const struct beh_event *e)
{
    const struct beh_where *w = &e->where;
    struct memory_key k = memory_key(&w->src, &w->dst, w->dst_port);
    char path[512], type[64], src[NET_ADDR_TEXT], dst[NET_ADDR_TEXT];
    int64_t body = beh_int(e, "http_response.body_length", 0), printable = beh_int(e, "unmapped.body_printable", 100);
    struct polls *p = beh_int(e, "http_response.code", 0) == 206 && body >= PART ? memory_get(&b->poll, &k) : NULL;
    if (p)
        p->n_parts++;
    uint16_t port = w->dst_port;
    if (!beh_is(e, "http_request.http_method", "POST") || !beh_flag(e, "unmapped.host_is_address") ||
        (w->zones & (MMR_FLOW_CLIENT_INSIDE | MMR_FLOW_SERVER_INSIDE)) != MMR_FLOW_CLIENT_INSIDE)
        return;
    bool odd_port = port != 80 && port != 443 && port != 8000 && port != 8008 && port != 8080 && port != 8443;
    bool is_text = strncmp(beh_text(e, "http_response.content_type", type, sizeof type), "text/", 5) == 0;
    /* 256 bytes: enough to judge; 60 %: random bytes are 37 % printable, any text over 90 % */
    if (!odd_port || !is_text || body < 256 || printable > 60)
        return;
    beh_find(b, &coded_post, w,
             "%s sent a POST to the bare address %s on port %u (%s) and got %lld bytes called %s of which only %lld %% are text: coded C2 traffic over HTTP",
             net_addr_text(&w->src, src), net_addr_text(&w->dst, dst), port,
             beh_text(e, "http_request.url.path", path, sizeof path), (long long)body, type, (long long)printable);
}

void beacon_event(struct beh *b, const struct beh_event *e)
{
    if (strcmp(e->kind, "http.request") == 0)
        on_request(b, e);
    else if (strcmp(e->kind, "http.response") == 0)
        on_response(b, e);
}
