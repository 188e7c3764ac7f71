/* ftp.c - FTP control connections: commands and replies. Passwords never leave. Source: RFC 959. */
#include "ftp.h"
#include "lines.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct ftp_flow {
    struct lines dir[2];
    char user[64];
    uint32_t n_bad;
    struct ftp_expected *next; /* the connection announced last; NULL: none, or taken away by others since */
    uint32_t next_at;
};

static const char *const commands[] = {"USER", "PASS", "ACCT", "CWD", "CDUP", "QUIT", "PORT", "PASV", "TYPE", "STRU", "MODE",
                                       "RETR", "STOR", "STOU", "APPE", "REST", "RNFR", "RNTO", "ABOR", "DELE", "RMD",
                                       "MKD", "PWD", "LIST", "NLST", "SITE", "SYST", "STAT", "HELP", "NOOP", "FEAT",
                                       "OPTS", "SIZE", "MDTM", "EPSV", "EPRT", "AUTH", "PBSZ", "PROT", "MLSD", "MLST",
                                       "XPWD", "XCWD", "CLNT", "LANG", "ALLO"};

static const char *command_of(const char *line, size_t n)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        size_t len = strlen(commands[i]);
        if (n >= len && strncasecmp(line, commands[i], len) == 0 && (n == len || line[len] == ' ' || line[len] == '\r'))
            return commands[i];
    }
    return NULL;
}

static enum proto_match probe(const uint8_t *p, size_t n, uint8_t dir, uint16_t port)
{
    const uint8_t *nl = memchr(p, '\n', n);
    if (dir == MMR_TO_SERVER) {
        if (n >= 5 && (strncasecmp((const char *)p, "USER ", 5) == 0 || (port == 21 && command_of((const char *)p, nl ? (size_t)(nl - p) : n))))
            return PROTO_YES;
        return n < 5 ? PROTO_MORE : PROTO_NO;
    }
    if (n < 4)
        return PROTO_MORE;
    /* the greeting is SMTP's too: the port or the word decides */
    return memcmp(p, "220", 3) == 0 && (p[3] == ' ' || p[3] == '-') &&
                   (port == 21 || memmem(p, n, "FTP", 3) || memmem(p, n, "ftp", 3)) && !memmem(p, n, "SMTP", 4)
               ? PROTO_YES
               : PROTO_NO;
}

static void *ftp_open(struct proto *m, struct mmr_flow *flow)
{
    (void)m;
    (void)flow;
    return calloc(1, sizeof(struct ftp_flow));
}

static void ftp_close(struct proto *m, void *state)
{
    (void)m;
    free(state);
}

/* PORT h1,h2,h3,h4,p1,p2 (RFC 959 4.1.2) that names another machine than the client. */
static bool is_bounce(const struct mmr_flow *flow, const char *arg)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    unsigned a[4];
    if (flow->ip_version != 4 || memcmp(&flow->client, mapped, sizeof mapped) != 0 ||
        sscanf(arg, "%3u,%3u,%3u,%3u,", &a[0], &a[1], &a[2], &a[3]) != 4)
        return false;
    const uint8_t *own = (const uint8_t *)&flow->client + sizeof mapped;
    return a[0] != own[0] || a[1] != own[1] || a[2] != own[2] || a[3] != own[3];
}

/* The last six numbers of a text: h1,h2,h3,h4,p1,p2. False: they are none. */
static bool read_address(const char *p, struct mmr_addr *ret, uint16_t *ret_port)
{
    unsigned v[6];
    if (sscanf(p, "%3u,%3u,%3u,%3u,%3u,%3u", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5]) != 6)
        return false;
    uint8_t b[16] = {[10] = 0xff, [11] = 0xff};
    for (unsigned i = 0; i < 6; i++)
        if (v[i] > 255)
            return false;
    for (unsigned i = 0; i < 4; i++)
        b[12 + i] = (uint8_t)v[i];
    memcpy(ret, b, sizeof b);
    *ret_port = (uint16_t)(v[4] << 8 | v[5]);
    return true;
}

static void expect(struct proto *m, struct ftp_flow *f, const struct mmr_addr *addr, uint16_t port, const struct mmr_chunk *c)
{
    f->next = port ? ftp_expect(m, addr, port, proto_time(c->flow, c->packet)) : NULL;
    f->next_at = m->ftp_next;
}

/* PORT h,h,h,h,p,p or EPRT |1|address|port|: the server will come to the client. Who names another machine announces nothing. */
static void on_port(struct proto *m, struct proto_flow *pf, struct ftp_flow *f, const struct mmr_chunk *c, const char *name, const char *arg)
{
    struct mmr_addr addr;
    uint16_t port;
    unsigned long n;
    if (strcmp(name, "PORT") == 0 && read_address(arg, &addr, &port)) {
        if (memcmp(&addr, &pf->flow->client, sizeof addr) == 0)
            expect(m, f, &addr, port, c);
    } else if (strcmp(name, "EPRT") == 0 && arg[0]) {
        const char *p = strchr(arg + 1, arg[0]);
        p = p ? strchr(p + 1, arg[0]) : NULL;
        n = p ? strtoul(p + 1, NULL, 10) : 0;
        if (n > 0 && n < 65536)
            expect(m, f, &pf->flow->client, (uint16_t)n, c);
    }
}

/* What is fetched or put on the connection announced last. */
static void on_transfer(struct proto *m, struct ftp_flow *f, const char *name, const char *arg)
{
    bool is_down = strcmp(name, "RETR") == 0, is_up = strcmp(name, "STOR") == 0 || strcmp(name, "STOU") == 0 || strcmp(name, "APPE") == 0;
    bool is_list = strcmp(name, "LIST") == 0 || strcmp(name, "NLST") == 0 || strncmp(name, "MLS", 3) == 0;
    if (!f->next || m->ftp_next - f->next_at >= FTP_EXPECTED || (!is_down && !is_up && !is_list))
        return;
    if (is_list) {
        f->next->is_used = false; /* a list of names is no file */
    } else {
        f->next->has_command = true;
        f->next->is_upload = is_up;
        const char *base = strrchr(arg, '/');
        (void)snprintf(f->next->name, sizeof f->next->name, "%s", base ? base + 1 : arg);
    }
    f->next = NULL;
}

static bool on_command(struct proto *m, struct proto_flow *pf, struct ftp_flow *f, const struct mmr_chunk *c, const char *line)
{
    const char *name = command_of(line, strlen(line));
    char arg[512] = "";
    if (!name)
        return ++f->n_bad < 16;
    f->n_bad = 0;
    if (line[strlen(name)] == ' ')
        proto_text(arg, sizeof arg, line + strlen(name) + 1, strlen(line + strlen(name) + 1));
    if (strcmp(name, "USER") == 0)
        proto_text(f->user, sizeof f->user, arg, strlen(arg));
    m->n_bufs = 0;
    proto_buf(m, "ftp.command", name, strlen(name));
    proto_buf(m, "ftp.command_data", arg, strlen(arg));
    on_port(m, pf, f, c, name, arg);
    on_transfer(m, f, name, arg);
    if (strcmp(name, "PORT") == 0 && is_bounce(pf->flow, arg))
        proto_buf(m, "ftp.bounce", "yes", 3);
    proto_tx_send(m, pf, c->packet, MMR_TO_SERVER, false, "ftp", NULL);
    struct mmr_event *ev = proto_event(m, pf->flow, c->packet, "ftp.command", MMR_CLASS_FTP, 99);
    mmr_event_str(ev, "unmapped.command", name);
    mmr_event_str(ev, "unmapped.argument", strcmp(name, "PASS") == 0 ? "(hidden)" : arg);
    mmr_event_str(ev, "user.name", f->user[0] ? f->user : NULL);
    proto_event_send(m);
    if (strcmp(name, "AUTH") == 0)
        pf->is_switching = true; /* TLS follows when the server agrees; if not, commands are recognised again */
    return true;
}

static bool on_reply(struct proto *m, struct proto_flow *pf, struct ftp_flow *f, const struct mmr_chunk *c, const char *line)
{
    if (strlen(line) < 3 || line[0] < '1' || line[0] > '6' || line[1] < '0' || line[1] > '9' || line[2] < '0' || line[2] > '9')
        return true; /* the inside of a reply of several lines */
    if (line[3] == '-')
        return true;
    int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
    char text[256];
    proto_text(text, sizeof text, line, strlen(line));
    const char *open = strchr(text, '(');
    struct mmr_addr addr;
    uint16_t port;
    unsigned long n;
    if (code == 227 && (open || (open = strpbrk(text + 4, "0123456789"))) && read_address(open + (*open == '('), &addr, &port))
        expect(m, f, &pf->flow->server, port, c); /* an address of its own behind a translation is not ours to see */
    else if (code == 229 && open && strlen(open) > 4 && (n = strtoul(open + 4, NULL, 10)) > 0 && n < 65536)
        expect(m, f, &pf->flow->server, (uint16_t)n, c);
    m->n_bufs = 0;
    proto_buf(m, "ftp.completion_code", text, 3);
    proto_buf(m, "ftp.reply", text + 3 + (text[3] == ' '), strlen(text) - 3 - (text[3] == ' '));
    proto_tx_send(m, pf, c->packet, MMR_TO_CLIENT, true, "ftp", NULL);
    struct mmr_event *ev = proto_event(m, pf->flow, c->packet, "ftp.reply", MMR_CLASS_FTP, 99);
    mmr_event_int(ev, "unmapped.code", code);
    mmr_event_str(ev, "message", text);
    mmr_event_str(ev, "user.name", f->user[0] ? f->user : NULL);
    proto_event_send(m);
    return true;
}

static bool ftp_data(struct proto *m, struct proto_flow *pf, const struct mmr_chunk *c)
{
    struct ftp_flow *f = pf->state;
    struct lines *l = &f->dir[c->dir];
    const uint8_t *p = c->data;
    size_t left = c->len;
    if (c->flags & MMR_CHUNK_GAP)
        l->is_over = true;
    while (lines_next(l, &p, &left))
        if (!(c->dir == MMR_TO_SERVER ? on_command(m, pf, f, c, l->buf) : on_reply(m, pf, f, c, l->buf)))
            return false;
    return true;
}

const struct proto_parser proto_ftp = {
    .app = "ftp", .ip_proto = IPPROTO_TCP, .probe = probe, .open = ftp_open, .data = ftp_data, .close = ftp_close};
