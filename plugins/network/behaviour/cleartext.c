/*
 * cleartext.c - passwords that anybody on the way can read: FTP, POP3, IMAP and mail log-ins without TLS, HTTP Basic, to a server outside
 * the office or by one from outside. Statistic: one log-in. It harms nobody by itself: a hint for the weekly report, told once an hour
 * for a pair and service. The password itself is neither kept nor told.
 */
#include "behaviour.h"

#include "net_text.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct beh_rule clear = {"mamori.behaviour.clear_text_password", "A password crosses the internet in clear text", NULL, "info", 1, {"T1040", "T1552"}};

static bool crosses(uint8_t zones)
{
    return zones == MMR_FLOW_CLIENT_INSIDE || zones == MMR_FLOW_SERVER_INSIDE;
}

void cleartext_event(struct beh *b, const struct beh_event *e)
{
    const struct beh_where *w = &e->where;
    char type[16], src[NET_ADDR_TEXT], dst[NET_ADDR_TEXT];
    const char *what = NULL;
    if (!crosses(w->zones))
        return;
    if (strcmp(e->kind, "ftp.command") == 0 && beh_is(e, "unmapped.command", "PASS"))
        what = "FTP";
    else if (strcmp(e->kind, "http.request") == 0 && strcasecmp(beh_text(e, "unmapped.authorization_type", type, sizeof type), "Basic") == 0)
        what = "HTTP Basic";
    if (what)
        beh_find(b, &clear, w, "%s logs in to %s port %u by %s without encryption: its password can be read on the way", net_addr_text(&w->src, src),
                 net_addr_text(&w->dst, dst), w->dst_port, what);
}

static bool begins(const struct mmr_chunk *c, const char *word)
{
    size_t n = strlen(word);
    return c->len > n && strncasecmp((const char *)c->data, word, n) == 0;
}

void cleartext_chunk(struct beh *b, const struct mmr_chunk *c)
{
    const struct mmr_flow *f = c->flow;
    struct beh_where w;
    char src[NET_ADDR_TEXT], dst[NET_ADDR_TEXT];
    const char *what = NULL;
    if (f->proto != IPPROTO_TCP || c->dir != MMR_TO_SERVER || c->len < 6 || c->len > 1024 || c->offset > 8192 || !crosses(f->zones))
        return;
    switch (f->server_port) {
    case 110:
        what = begins(c, "PASS ") ? "POP3" : NULL;
        break;
    case 143: { /* "a1 LOGIN name password" */
        const uint8_t *blank = memchr(c->data, ' ', c->len < 16 ? c->len : 16);
        size_t left = blank ? c->len - (size_t)(blank + 1 - c->data) : 0;
        what = left > 6 && strncasecmp((const char *)blank + 1, "LOGIN ", 6) == 0 ? "IMAP" : NULL;
        break;
    }
    case 25:
    case 587:
        what = begins(c, "AUTH LOGIN") || begins(c, "AUTH PLAIN ") ? "SMTP" : NULL;
        break;
    default: break;
    }
    if (!what)
        return;
    beh_where_flow(&w, f, c->packet);
    beh_find(b, &clear, &w, "%s logs in to %s port %u by %s without encryption: its password can be read on the way", net_addr_text(&f->client, src),
             net_addr_text(&f->server, dst), f->server_port, what);
}
