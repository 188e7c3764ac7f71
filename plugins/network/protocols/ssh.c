/* ssh.c - the version lines of both sides. Source: RFC 4253 section 4.2. */
#include "proto.h"

#include "net_cursor.h"
#include "net_md5.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 255, KEXINIT = 20, KEX_MAX = 16 * 1024, LISTS = 10 };
struct ssh_flow {
    char line[2][LINE_MAX_BYTES + 1];
    uint16_t n[2];
    bool is_done[2], is_hashed[2];
    char software[2][LINE_MAX_BYTES + 1], version[2][16];
    uint8_t *kex[2]; /* the first packet in the making */
    size_t n_kex[2];
};

static enum proto_match probe(const uint8_t *p, size_t n, uint8_t dir, uint16_t port)
{
    (void)dir;
    (void)port;
    if (n >= 4)
        return memcmp(p, "SSH-", 4) == 0 ? PROTO_YES : PROTO_NO;
    return memcmp(p, "SSH-", n) == 0 ? PROTO_MORE : PROTO_NO;
}

static void *ssh_open(struct proto *m, struct mmr_flow *flow)
{
    (void)m;
    (void)flow;
    return calloc(1, sizeof(struct ssh_flow));
}

static void ssh_close(struct proto *m, void *state)
{
    struct ssh_flow *s = state;
    (void)m;
    free(s->kex[0]);
    free(s->kex[1]);
    free(s);
}

static void on_line(struct proto *m, struct proto_flow *pf, const struct mmr_chunk *c, char *line)
{
    char *version = line + 4, *software;
    if (strncmp(line, "SSH-", 4) != 0 || !(software = strchr(version, '-')))
        return;
    *software++ = '\0';
    struct ssh_flow *s = pf->state;
    (void)snprintf(s->version[c->dir], sizeof s->version[0], "%.15s", version);
    (void)snprintf(s->software[c->dir], sizeof s->software[0], "%s", software);
    m->n_bufs = 0;
    proto_buf(m, "ssh.proto", version, strlen(version));
    proto_buf(m, "ssh.software", software, strcspn(software, " ")); /* what follows is a comment: RFC 4253, section 4.2 */
    proto_tx_send(m, pf, c->packet, c->dir, false, "ssh", NULL);
    struct mmr_event *ev = proto_event(m, pf->flow, c->packet, "ssh.banner", MMR_CLASS_SSH, 1);
    mmr_event_str(ev, "unmapped.from", c->dir == MMR_TO_SERVER ? "client" : "server");
    mmr_event_str(ev, "unmapped.software", software);
    mmr_event_str(ev, "unmapped.proto", version);
    proto_event_send(m);
}

/* HASSH: the lists a side offers, in its own direction. They complete the banner's transaction. */
static void on_kexinit(struct proto *m, struct proto_flow *pf, const struct mmr_chunk *c, const uint8_t *p, size_t n)
{
    struct ssh_flow *s = pf->state;
    uint8_t d = c->dir, digest[16];
    bool is_server = d == MMR_TO_CLIENT;
    struct net_cursor in = cur_of(p, n), list[LISTS];
    const unsigned wanted[4] = {0, is_server ? 3 : 2, is_server ? 5 : 4, is_server ? 7 : 6};
    char *text = malloc(KEX_MAX + 8), hash[33];
    size_t at = 0;
    (void)cur_take(&in, 16); /* cookie */
    for (unsigned i = 0; i < LISTS; i++)
        list[i] = cur_sub(&in, cur_u32be(&in));
    for (unsigned i = 0; text && i < 4 && !in.bad; i++) {
        if (i)
            text[at++] = ';';
        if (list[wanted[i]].left)
            memcpy(text + at, list[wanted[i]].p, list[wanted[i]].left);
        at += list[wanted[i]].left; /* together they are shorter than the packet */
    }
    if (text && !in.bad) {
        net_md5((const uint8_t *)text, at, digest);
        net_hex(digest, sizeof digest, hash);
        m->n_bufs = 0;
        proto_buf(m, "ssh.proto", s->version[d], strlen(s->version[d]));
        proto_buf(m, "ssh.software", s->software[d], strcspn(s->software[d], " "));
        proto_buf(m, is_server ? "ssh.hassh.server" : "ssh.hassh", hash, 32);
        proto_buf(m, is_server ? "ssh.hassh.server.string" : "ssh.hassh.string", text, at);
        proto_tx_send(m, pf, c->packet, d, false, "ssh", NULL);
    }
    free(text);
}

static void take_kex(struct proto *m, struct proto_flow *pf, const struct mmr_chunk *c, const uint8_t *p, size_t n)
{
    struct ssh_flow *s = pf->state;
    uint8_t d = c->dir;
    if (s->is_hashed[d] || n == 0)
        return;
    if (c->flags & MMR_CHUNK_GAP || (!s->kex[d] && !(s->kex[d] = malloc(KEX_MAX)))) {
        s->is_hashed[d] = true;
        return;
    }
    if (n > KEX_MAX - s->n_kex[d])
        n = KEX_MAX - s->n_kex[d];
    memcpy(s->kex[d] + s->n_kex[d], p, n);
    s->n_kex[d] += n;
    if (s->n_kex[d] < 6)
        return;
    size_t len = net_be32(s->kex[d]), padding = s->kex[d][4];
    bool is_odd = len > KEX_MAX - 4 || len < padding + 2 || s->kex[d][5] != KEXINIT;
    if (!is_odd && s->n_kex[d] < len + 4)
        return;
    s->is_hashed[d] = true;
    if (!is_odd)
        on_kexinit(m, pf, c, s->kex[d] + 6, len - padding - 2);
    free(s->kex[d]);
    s->kex[d] = NULL;
}

static bool ssh_data(struct proto *m, struct proto_flow *pf, const struct mmr_chunk *c)
{
    struct ssh_flow *s = pf->state;
    uint8_t d = c->dir;
    uint32_t i = 0;
    for (; i < c->len && !s->is_done[d]; i++) {
        uint8_t b = c->data[i];
        if (b == '\n' || s->n[d] == LINE_MAX_BYTES) {
            s->line[d][s->n[d]] = '\0';
            s->is_done[d] = true;
            on_line(m, pf, c, s->line[d]);
        } else if (b != '\r') {
            s->line[d][s->n[d]++] = (char)(b >= 0x20 && b < 0x7f ? b : '?');
        }
    }
    if (s->is_done[d])
        take_kex(m, pf, c, c->data + i, c->len - i);
    return true;
}

const struct proto_parser proto_ssh = {
    .app = "ssh", .ip_proto = IPPROTO_TCP, .probe = probe, .open = ssh_open, .data = ssh_data, .close = ssh_close};
