/* ssh.c - the version lines of both sides. Source: RFC 4253 section 4.2. */
#include "proto.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 255 };
struct ssh_flow {
    char line[2][LINE_MAX_BYTES + 1];
    uint16_t n[2];
    bool is_done[2];
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
    (void)m;
    free(state);
}

static void on_line(struct proto *m, struct proto_flow *pf, const struct mmr_chunk *c, char *line)
{
    char *version = line + 4, *software;
    if (strncmp(line, "SSH-", 4) != 0 || !(software = strchr(version, '-')))
        return;
    *software++ = '\0';
    m->n_bufs = 0;
    proto_buf(m, "ssh.proto", version, strlen(version));
    proto_buf(m, "ssh.software", software, strlen(software));
    proto_tx_send(m, pf, c->packet, c->dir, c->dir == MMR_TO_CLIENT, "ssh", NULL);
    struct mmr_event *ev = proto_event(m, pf->flow, c->packet, "ssh.banner", MMR_CLASS_SSH, 1);
    mmr_event_str(ev, "unmapped.from", c->dir == MMR_TO_SERVER ? "client" : "server");
    mmr_event_str(ev, "unmapped.software", software);
    mmr_event_str(ev, "unmapped.proto", version);
    proto_event_send(m);
}

static bool ssh_data(struct proto *m, struct proto_flow *pf, const struct mmr_chunk *c)
{
    struct ssh_flow *s = pf->state;
    uint8_t d = c->dir;
    for (uint32_t i = 0; i < c->len && !s->is_done[d]; i++) {
        uint8_t b = c->data[i];
        if (b == '\n' || s->n[d] == LINE_MAX_BYTES) {
            s->line[d][s->n[d]] = '\0';
            s->is_done[d] = true;
            on_line(m, pf, c, s->line[d]);
        } else if (b != '\r') {
            s->line[d][s->n[d]++] = (char)(b >= 0x20 && b < 0x7f ? b : '?');
        }
    }
    return true;
}

const struct proto_parser proto_ssh = {
    .app = "ssh", .ip_proto = IPPROTO_TCP, .probe = probe, .open = ssh_open, .data = ssh_data, .close = ssh_close};
