/*
 * callback.c - a server that turns round: seconds after a client's request it opens a connection back
 * to that client and speaks LDAP or RMI, or fetches a program from it. That is what code injection
 * looks like from the line. Servers that call back by design (UPnP events, active FTP) do not fetch
 * programs or speak directory protocols to their clients.
 */
#include "behaviour.h"

#include "net_text.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum { CALLBACK_S = 30 };
struct request { /* client -> server, the newest */
    int64_t time_ns;
    uint16_t port;
    char what[160];
};
const uint32_t callback_bytes = sizeof(struct request);

static const struct beh_rule lookup = {"mamori.behaviour.callback_lookup", "A server opens LDAP or RMI to the client that just asked it", "foothold.process", "high", 4, {"T1190", "T1203"}};
static const struct beh_rule fetch = {"mamori.behaviour.callback_fetch", "A server downloads a program from the client that just asked it", "foothold.process", "high", 5, {"T1105", "T1190"}};

static const struct request *asked(struct beh *b, const struct mmr_addr *server, const struct mmr_addr *client, int64_t now)
{
    struct memory_key k = memory_key(client, server, 0);
    const struct request *r = memory_find(&b->asked, &k);
    return r && now >= r->time_ns && now - r->time_ns <= CALLBACK_S * SECOND ? r : NULL;
}

void callback_event(struct beh *b, const struct beh_event *e)
{
    const struct beh_where *w = &e->where;
    char path[160], type[32], src[NET_ADDR_TEXT], dst[NET_ADDR_TEXT];
    if (strcmp(e->kind, "http.request") == 0) {
        struct memory_key k = memory_key(&w->src, &w->dst, 0);
        struct request *r = memory_get(&b->asked, &k);
        if (!r)
            return;
        r->time_ns = w->time_ns;
        r->port = w->dst_port;
        (void)beh_text(e, "http_request.url.path", r->what, sizeof r->what);
        return;
    }
    if (strcmp(e->kind, "http.response") != 0)
        return;
    const struct request *r = asked(b, &w->src, &w->dst, w->time_ns);
    if (!r)
        return;
    (void)beh_text(e, "unmapped.file_type", type, sizeof type);
    (void)beh_text(e, "http_request.url.path", path, sizeof path);
    size_t n = strlen(path);
    bool program = strcmp(type, "java-class") == 0 || strcmp(type, "java-serialized") == 0 || strcmp(type, "elf") == 0 ||
                   strcmp(type, "exe") == 0 || strcmp(type, "script") == 0 ||
                   (strcmp(type, "zip") == 0 && n > 4 && strcmp(path + n - 4, ".jar") == 0);
    if (program)
        beh_find(b, &fetch, w,
                 "%s, asked by %s for %.80s on port %u %.1f s before, downloads a program (%s, %s) from that client's port %u",
                 net_addr_text(&w->src, src), net_addr_text(&w->dst, dst), r->what, r->port,
                 (double)(w->time_ns - r->time_ns) / 1e9, strcmp(type, "java-class") == 0 ? "Java class" : type, path,
                 w->dst_port);
}

/* LDAP bindRequest (RFC 4511 4.2) or the RMI transport's magic. */
static const char *lookup_protocol(const uint8_t *p, size_t n)
{
    if (n >= 4 && memcmp(p, "JRMI", 4) == 0)
        return "RMI";
    if (n < 9 || p[0] != 0x30)
        return NULL;
    size_t at = p[1] < 0x80 ? 2 : 2U + (p[1] & 0x7f);
    if (at + 5 <= n && p[at] == 2 && p[at + 1] >= 1 && p[at + 1] <= 4) {
        at += 2U + p[at + 1];
        if (at < n && (p[at] == 0x60 || p[at] == 0x63)) /* bindRequest, searchRequest */
            return "LDAP";
    }
    return NULL;
}

void callback_chunk(struct beh *b, const struct mmr_chunk *c)
{
    const struct mmr_flow *f = c->flow;
    struct beh_where w;
    char src[NET_ADDR_TEXT], dst[NET_ADDR_TEXT];
    if (f->proto != IPPROTO_TCP || c->dir != MMR_TO_SERVER || !(c->flags & MMR_CHUNK_START) || c->len < 4 || !c->packet)
        return;
    const char *proto = lookup_protocol(c->data, c->len);
    if (!proto)
        return;
    const struct request *r = asked(b, &f->client, &f->server, c->packet->frame->time_ns);
    if (!r)
        return;
    beh_where_flow(&w, f, c->packet);
    beh_find(b, &lookup, &w, "%s, asked by %s for %.80s on port %u %.1f s before, opens %s to that client's port %u",
             net_addr_text(&f->client, src), net_addr_text(&f->server, dst), r->what, r->port,
             (double)(w.time_ns - r->time_ns) / 1e9, proto, f->server_port);
}
