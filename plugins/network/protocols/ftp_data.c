/*
 * ftp_data.c - the files that cross FTP's second connections. Where one will come from or go to is said on the control connection
 * (PORT, EPRT, the answers to PASV and EPSV): kept in a small ring until it opens. Source: RFC 959, RFC 2428.
 */
#include "ftp.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

struct data_flow {
    struct ftp_expected what;
    uint8_t *file;
    size_t n, room, cap; /* cap: bytes that are looked at */
    uint8_t dir;
    bool is_told;
};

struct ftp_expected *ftp_expect(struct proto *m, const struct mmr_addr *addr, uint16_t port, int64_t time_ns)
{
    struct ftp_expected *e = &m->ftp_expected[m->ftp_next++ % FTP_EXPECTED];
    *e = (struct ftp_expected){.addr = *addr, .port = port, .time_ns = time_ns, .is_used = true};
    return e;
}

static struct ftp_expected *expected(struct proto *m, const struct mmr_flow *f)
{
    struct ftp_expected *found = NULL;
    for (size_t i = 0; i < FTP_EXPECTED; i++) {
        struct ftp_expected *e = &m->ftp_expected[i];
        if (e->is_used && e->port == f->server_port && memcmp(&e->addr, &f->server, sizeof e->addr) == 0 &&
            f->first_ns - e->time_ns < FTP_EXPECTED_NS && (!found || e->time_ns > found->time_ns))
            found = e;
    }
    return found;
}

bool ftp_is_expected(struct proto *m, const struct mmr_flow *f)
{
    return f->proto == IPPROTO_TCP && m->ftp_next && expected(m, f);
}

static void *open_data(struct proto *m, struct mmr_flow *flow)
{
    struct ftp_expected *e = expected(m, flow);
    struct data_flow *d = e ? calloc(1, sizeof *d) : NULL;
    if (d) {
        d->what = *e;
        d->cap = (size_t)m->cfg->body_max;
        e->is_used = false; /* one connection for each */
    }
    return d;
}

static void tell(struct proto *m, struct proto_flow *pf, struct data_flow *d, const struct mmr_packet *pkt)
{
    uint8_t said = d->what.is_upload ? MMR_TO_SERVER : MMR_TO_CLIENT; /* as the command has it, whoever opened the connection */
    const char *command = d->what.is_upload ? "STOR" : "RETR";
    char size[24];
    if (d->is_told)
        return;
    d->is_told = true;
    m->n_bufs = 0;
    if (d->what.has_command)
        proto_buf(m, "ftpdata_command", command, 4);
    if (d->what.has_command && said != d->dir) {
        proto_tx_send(m, pf, pkt, said, false, "ftp-data", NULL);
        m->n_bufs = 0;
    }
    if (d->what.name[0])
        proto_buf(m, "file.name", d->what.name, strlen(d->what.name));
    if (d->n)
        proto_buf(m, "file.data", d->file, d->n);
    if (d->n && d->n < d->cap) /* all of it was seen */
        proto_buf(m, "filesize", size, (size_t)snprintf(size, sizeof size, "%zu", d->n));
    proto_tx_send(m, pf, pkt, d->dir, true, "ftp-data", NULL);
    struct mmr_event *ev = proto_event(m, pf->flow, pkt, "ftp.file", MMR_CLASS_FTP, d->what.is_upload ? 1 : 2);
    mmr_event_str(ev, "file.name", d->what.name[0] ? d->what.name : NULL);
    mmr_event_str(ev, "unmapped.file_type", d->n ? proto_file_type(d->file, d->n) : NULL);
    mmr_event_int(ev, "unmapped.seen_bytes", (int64_t)d->n);
    proto_event_send(m);
}

static bool data(struct proto *m, struct proto_flow *pf, const struct mmr_chunk *c)
{
    struct data_flow *d = pf->state;
    if (c->len && !d->is_told && !(d->n && c->dir != d->dir)) {
        size_t n = c->len < d->cap - d->n ? c->len : d->cap - d->n;
        if (d->n + n > d->room) {
            size_t room = (d->n + n + FTP_STEP - 1) / FTP_STEP * FTP_STEP;
            uint8_t *file = realloc(d->file, room);
            if (!file)
                return false;
            d->file = file;
            d->room = room;
        }
        memcpy(d->file + d->n, c->data, n);
        d->n += n;
        d->dir = c->dir;
        if (d->n == d->cap) {
            proto_give_up(m, PROTO_GIVEN_UP_BODY);
            tell(m, pf, d, c->packet);
        }
    }
    if (c->flags & MMR_CHUNK_END && d->n)
        tell(m, pf, d, c->packet);
    return true;
}

static void close_data(struct proto *m, void *state)
{
    struct data_flow *d = state;
    (void)m;
    free(d->file);
    free(d);
}

static enum proto_match probe(const uint8_t *p, size_t n, uint8_t dir, uint16_t port)
{
    (void)p;
    (void)n;
    (void)dir;
    (void)port;
    return PROTO_NO; /* known by where it goes, never by what it says */
}

const struct proto_parser proto_ftp_data = {
    .app = "ftp-data", .ip_proto = IPPROTO_TCP, .probe = probe, .open = open_data, .data = data, .close = close_data};
