/*
 * logins.c - log-ins that a service refuses in words of its own: databases, directories, mail, message brokers and Telnet, read from the first
 * bytes of the answers (each form from its protocol's description). Statistic: that of guess.c, 15 in five minutes, for programs with an
 * old password try again too; SNMP says nothing to who has the wrong community, so different communities asked for are counted there, 8.
 */
#include "behaviour.h"

#include "net_cursor.h"
#include "net_text.h"

#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { LOOK_OFFSET = 16 * 1024, LOOK_BYTES = 512, EXTRA = 7, PORT_TELNET = 23, PORT_TELNET_OTHER = 2323, PORT_MQTT = 1883, PORT_SNMP = 161 };

static bool has(const uint8_t *p, size_t n, const char *text)
{
    return memmem(p, n, text, strlen(text)) != NULL;
}

/* Does one of the words stand in the line, in whatever case? */
static bool says(const uint8_t *p, size_t n, const char *const *words)
{
    char line[LOOK_BYTES];
    size_t len = n < sizeof line - 1 ? n : sizeof line - 1;
    for (size_t i = 0; i < len; i++)
        line[i] = (char)(p[i] ? tolower(p[i]) : ' ');
    line[len] = '\0';
    for (; *words; words++)
        if (strstr(line, *words))
            return true;
    return false;
}

static bool is_mail_refusal(const uint8_t *p, size_t n, uint16_t port)
{
    static const char *const words[] = {"auth", "password", "login", "credential", "denied", "invalid user", "sign in", NULL};
    switch (port) {
    case 25:
    case 465:
    case 587: return memcmp(p, "535", 3) == 0;
    case 110: return memcmp(p, "-ERR", 4) == 0 && says(p, n, words);
    case 143: { /* "a1 NO text" */
        const uint8_t *blank = memchr(p, ' ', n < 16 ? n : 16);
        size_t left = blank ? n - (size_t)(blank - p) : 0;
        return left > 4 && memcmp(blank, " NO ", 4) == 0 && says(p, n, words);
    }
    default: return false;
    }
}

/* LDAPMessage { id, bindResponse { resultCode 49 } } (RFC 4511 4.2.2) */
static bool is_bind_refusal(const uint8_t *p, size_t n)
{
    size_t at = p[1] < 0x80 ? 2 : 2U + (p[1] & 0x7f);
    if (p[0] != 0x30 || at + 2 > n || p[at] != 2 || p[at + 1] > 4)
        return false;
    at += 2U + p[at + 1];
    if (at + 2 > n || p[at] != 0x61)
        return false;
    at += p[at + 1] < 0x80 ? 2 : 2U + (p[at + 1] & 0x7f);
    return at + 3 <= n && p[at] == 0x0a && p[at + 1] == 1 && p[at + 2] == 49;
}

static enum guess_service refused_by(const uint8_t *p, size_t n, uint16_t port)
{
    static const char *const telnet[] = {"login incorrect", "login failed", "login invalid", "authentication failed", "access denied", "bad password",
                                         "incorrect password", "wrong password", "password incorrect", NULL};
    size_t head = n < LOOK_BYTES ? n : LOOK_BYTES;
    if (n >= 9 && p[4] == 0xff && (size_t)net_le16(p) + 4 <= n && p[2] == 0 && net_le16(p + 5) == 1045)
        return SVC_MYSQL; /* ER_ACCESS_DENIED_ERROR */
    if (p[0] == 'E' && n >= 16 && net_be32(p + 1) < n && (has(p, head, "C28P01") || has(p, head, "C28000")))
        return SVC_POSTGRESQL; /* invalid_password, invalid_authorization_specification */
    if (p[0] == 4 && n >= 15 && net_be16(p + 2) <= n && p[8] == 0xaa && net_le32(p + 11) == 18456)
        return SVC_MSSQL; /* the error token of a TDS table response: log-in failed */
    if (is_bind_refusal(p, n))
        return SVC_LDAP;
    if (is_mail_refusal(p, head, port))
        return SVC_MAIL;
    if (memcmp(p, "-WRONGPASS", n < 10 ? n : 10) == 0 || (n > 20 && memcmp(p, "-ERR invalid password", 21) == 0))
        return SVC_REDIS;
    if (n >= 36 && net_le32(p) <= n && net_le32(p + 12) == 2013 && has(p, head, "AuthenticationFailed"))
        return SVC_MONGODB;
    if (port == PORT_MQTT && p[0] == 0x20 && p[1] == 2 && (p[3] == 4 || p[3] == 5))
        return SVC_MQTT; /* CONNACK: bad user name or password, not authorized */
    if ((port == PORT_TELNET || port == PORT_TELNET_OTHER) && says(p, n, telnet))
        return SVC_TELNET;
    return 0;
}

/* SNMP versions 1 and 2c: SEQUENCE { version, community } */
static void on_community(struct beh *b, const struct mmr_chunk *c)
{
    const uint8_t *p = c->data;
    struct beh_where w;
    char name[64];
    size_t at = p[1] < 0x80 ? 2 : 2U + (p[1] & 0x7f);
    if (p[0] != 0x30 || at + 5 > c->len || p[at] != 2 || p[at + 1] != 1 || p[at + 2] > 1 || p[at + 3] != 4)
        return;
    size_t n = p[at + 4];
    if (n == 0 || n >= sizeof name || at + 5 + n > c->len)
        return;
    for (size_t i = 0; i < n; i++)
        name[i] = (char)(isprint(p[at + 5 + i]) ? p[at + 5 + i] : '.');
    name[n] = '\0';
    beh_where_flow(&w, c->flow, c->packet);
    guess_failure(b, &w, SVC_SNMP, name, (uint32_t)b->cfg->guesses, true);
}

void logins_chunk(struct beh *b, const struct mmr_chunk *c)
{
    const struct mmr_flow *f = c->flow;
    struct beh_where w;
    if (c->len < 4 || c->offset > LOOK_OFFSET)
        return;
    if (f->proto == IPPROTO_UDP) {
        if (c->dir == MMR_TO_SERVER && f->server_port == PORT_SNMP && c->len >= 8)
            on_community(b, c);
        return;
    }
    if (c->dir != MMR_TO_CLIENT || (c->len < 9 && f->server_port != PORT_MQTT))
        return;
    enum guess_service svc = refused_by(c->data, c->len, f->server_port);
    if (!svc)
        return;
    beh_where_flow(&w, f, c->packet);
    guess_failure(b, &w, svc, "", (uint32_t)b->cfg->guesses + EXTRA, false);
}
