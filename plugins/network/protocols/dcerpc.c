/* dcerpc.c - DCE/RPC PDUs: binds and calls. Lengths come from the wire; fragments are bounded. */
#include "dcerpc.h"

#include "net_cursor.h"
#include "net_digits.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PDU_HEAD = 16, PDU_REQUEST = 0, PDU_RESPONSE = 2, PDU_FAULT = 3, PDU_BIND = 11, PDU_ALTER = 14 };
enum { FLAG_FIRST = 1, FLAG_LAST = 2, FLAG_OBJECT = 0x80 };
enum { AUTH_PRIVACY = 6, ARGS_MAX = 6, ARG_BYTES = 512 };

bool rpc_is_pdu(const uint8_t *p, size_t n)
{
    if (n < PDU_HEAD || p[0] != 5 || p[1] > 1 || p[2] > 19 || (p[4] & 0xef) != 0 || p[5] > 3 || p[6] || p[7])
        return false;
    uint16_t len = p[4] & 0x10 ? net_le16(p + 8) : net_be16(p + 8);
    return len >= PDU_HEAD;
}

struct rpc *rpc_new(const char *pipe)
{
    struct rpc *r = calloc(1, sizeof *r);
    if (r)
        (void)snprintf(r->pipe, sizeof r->pipe, "%s", pipe);
    return r;
}

void rpc_free(struct rpc *r)
{
    if (!r)
        return;
    for (unsigned d = 0; d < 2; d++) {
        free(r->dir[d].p);
        free(r->dir[d].stub);
    }
    free(r);
}

void rpc_gap(struct rpc *r, uint8_t dir)
{
    r->dir[dir].n = 0;
    r->dir[dir].n_stub = 0;
}

static uint16_t u16(struct net_cursor *c, bool le)
{
    return le ? cur_u16le(c) : cur_u16be(c);
}

static uint32_t u32(struct net_cursor *c, bool le)
{
    return le ? cur_u32le(c) : cur_u32be(c);
}

static void uuid_text(const uint8_t u[16], char buf[37])
{
    static const uint8_t order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    for (unsigned i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *buf++ = '-';
        buf = net_put_hex(buf, u[order[i]]);
    }
    *buf = '\0';
}

/* On the wire the first three fields follow the sender's byte order; kept little endian here. */
static void take_uuid(struct net_cursor *c, bool le, uint8_t ret[16])
{
    const uint8_t *p = cur_take(c, 16);
    memset(ret, 0, 16);
    if (!p)
        return;
    memcpy(ret, p, 16);
    if (!le) {
        const uint8_t swap[8] = {p[3], p[2], p[1], p[0], p[5], p[4], p[7], p[6]};
        memcpy(ret, swap, 8);
    }
}

static struct rpc_context *context_of(struct rpc *r, uint16_t id)
{
    for (unsigned i = 0; i < RPC_CONTEXTS; i++)
        if (r->contexts[i].is_used && r->contexts[i].id == id)
            return &r->contexts[i];
    return NULL;
}

static void on_bind(struct proto *m, struct proto_flow *pf, struct rpc *r, const struct mmr_packet *pkt,
                    struct net_cursor c, bool le, uint8_t flags)
{
    (void)cur_take(&c, 8);
    uint8_t n = cur_u8(&c);
    (void)cur_take(&c, 3);
    for (unsigned i = 0; i < n && !c.bad; i++) {
        struct rpc_context x = {.is_used = 1, .is_first = flags & FLAG_FIRST};
        x.id = u16(&c, le);
        uint8_t transfers = cur_u8(&c);
        (void)cur_u8(&c);
        take_uuid(&c, le, x.uuid);
        x.major = u16(&c, le);
        x.minor = u16(&c, le);
        (void)cur_take(&c, (size_t)transfers * 20);
        if (c.bad)
            return;
        struct rpc_context *at = context_of(r, x.id);
        bool is_known = at && memcmp(at->uuid, x.uuid, 16) == 0;
        if (!at)
            at = &r->contexts[r->next_context++ % RPC_CONTEXTS];
        *at = x;
        if (is_known)
            continue; /* the same interface with another transfer syntax */
        char uuid[37];
        const struct rpc_interface *iface = rpc_interface_find(x.uuid);
        uuid_text(x.uuid, uuid);
        struct mmr_event *ev = proto_event(m, pf->flow, pkt, "dcerpc.bind", MMR_CLASS_NETWORK, 6);
        mmr_event_str(ev, "unmapped.interface", iface ? iface->name : NULL);
        mmr_event_str(ev, "unmapped.interface_uuid", uuid);
        mmr_event_int(ev, "unmapped.interface_version", x.major);
        mmr_event_str(ev, "unmapped.pipe", r->pipe[0] ? r->pipe : NULL);
        proto_event_send(m);
    }
}

struct args {
    char text[ARGS_MAX][ARG_BYTES];
    const char *p[ARGS_MAX];
    size_t n;
};

/* NDR strings of the stub (max count, offset 0, count, characters): names of services, tasks, keys. */
static void find_args(const uint8_t *p, size_t n, struct args *a)
{
    a->n = 0;
    for (size_t i = 0; i + 12 < n && a->n < ARGS_MAX;) {
        uint32_t max = net_le32(p + i), off = net_le32(p + i + 4), count = net_le32(p + i + 8);
        if (off != 0 || count < 2 || count > max || max > 4096) {
            i += 4;
            continue;
        }
        const uint8_t *s = p + i + 12;
        size_t left = n - i - 12, chars = count;
        bool wide = left >= chars * 2 && s[0] >= 0x20 && s[0] < 0x7f && s[1] == 0;
        bool narrow = !wide && left >= chars && s[0] >= 0x20 && s[0] < 0x7f && s[1] >= 0x20 && s[1] < 0x7f;
        if (!wide && !narrow) {
            i += 4;
            continue;
        }
        if (wide) {
            proto_utf16(a->text[a->n], ARG_BYTES, s, chars * 2);
        } else {
            while (chars > 0 && s[chars - 1] == 0)
                chars--;
            proto_text(a->text[a->n], ARG_BYTES, s, chars);
        }
        a->p[a->n] = a->text[a->n];
        a->n++;
        i = (i + 12 + (wide ? (size_t)count * 2 : count) + 3) & ~(size_t)3;
    }
}

static void send_call(struct proto *m, struct proto_flow *pf, const struct rpc *r, const struct mmr_packet *pkt,
                      struct mmr_dcerpc_call *d, uint8_t auth_level)
{
    static _Thread_local struct args a; /* one loop thread; too large for its stack */
    uint8_t dir = d->is_request ? MMR_TO_SERVER : MMR_TO_CLIENT;
    m->n_bufs = 0;
    proto_buf(m, "dce_stub_data", d->stub, d->stub_len);
    proto_buf(m, "dcerpc.stub_data", d->stub, d->stub_len);
    if (r->pipe[0])
        proto_buf(m, "smb.named_pipe", r->pipe, strlen(r->pipe));
    proto_tx_send(m, pf, pkt, dir, !d->is_request, "dcerpc", d);
    if (!d->is_request)
        return;
    char uuid[37];
    bool is_bound = d->iface_minor_known;
    const struct rpc_interface *iface = is_bound ? rpc_interface_find(d->iface) : rpc_interface_of_pipe(r->pipe);
    struct mmr_event *ev = proto_event(m, pf->flow, pkt, "dcerpc.call", MMR_CLASS_NETWORK, 6);
    if (iface)
        mmr_event_str(ev, "unmapped.interface", iface->name);
    if (is_bound) {
        uuid_text(d->iface, uuid);
        mmr_event_str(ev, "unmapped.interface_uuid", uuid);
    }
    mmr_event_int(ev, "unmapped.opnum", d->opnum);
    if (iface)
        mmr_event_str(ev, "unmapped.operation", rpc_operation_name(iface, d->opnum));
    mmr_event_str(ev, "unmapped.pipe", r->pipe[0] ? r->pipe : NULL);
    mmr_event_bool(ev, "unmapped.encrypted", auth_level == AUTH_PRIVACY);
    if (auth_level != AUTH_PRIVACY) {
        find_args(d->stub, d->stub_len, &a);
        if (a.n)
            mmr_event_strv(ev, "unmapped.args", a.p, a.n);
    }
    proto_event_send(m);
}

/* A request or response fragment; the whole stub when it is the last one. */
static void on_call(struct proto *m, struct proto_flow *pf, struct rpc *r, const struct mmr_packet *pkt, uint8_t dir,
                    const uint8_t *pdu, struct net_cursor c, bool le, uint16_t auth_len)
{
    bool is_request = pdu[2] == PDU_REQUEST;
    uint8_t flags = pdu[3], auth_level = 0;
    uint32_t call_id = le ? net_le32(pdu + 12) : net_be32(pdu + 12);
    (void)u32(&c, le); /* allocation hint */
    uint16_t context_id = u16(&c, le), opnum = u16(&c, le); /* in a response: cancel count */
    if (is_request && (flags & FLAG_OBJECT))
        (void)cur_take(&c, 16);
    if (c.bad)
        return;
    if (auth_len && (size_t)auth_len + 8 <= c.left) {
        const uint8_t *trailer = c.p + c.left - auth_len - 8; /* type, level, padding, reserved, id */
        auth_level = trailer[1];
        c.left -= (size_t)auth_len + 8;
        if (trailer[2] <= c.left)
            c.left -= trailer[2];
    }
    if (is_request) {
        r->calls[r->next_call++ % RPC_CALLS] = (struct rpc_call){call_id, opnum, context_id};
    } else {
        opnum = 0xffff;
        for (unsigned i = 0; i < RPC_CALLS; i++)
            if (r->calls[i].call_id == call_id)
                opnum = r->calls[i].opnum;
    }
    const uint8_t *stub = c.p;
    size_t n_stub = c.left;
    if (!(flags & FLAG_FIRST) || !(flags & FLAG_LAST)) {
        if (flags & FLAG_FIRST)
            r->dir[dir].n_stub = 0;
        if (!r->dir[dir].stub && !(r->dir[dir].stub = malloc(RPC_STUB_MAX)))
            return;
        size_t room = RPC_STUB_MAX - r->dir[dir].n_stub, n = n_stub < room ? n_stub : room;
        if (n < n_stub && room)
            proto_give_up(m, PROTO_GIVEN_UP_RPC);
        memcpy(r->dir[dir].stub + r->dir[dir].n_stub, stub, n);
        r->dir[dir].n_stub += n;
        if (!(flags & FLAG_LAST))
            return;
        stub = r->dir[dir].stub;
        n_stub = r->dir[dir].n_stub;
    }
    const struct rpc_context *x = context_of(r, context_id);
    struct mmr_dcerpc_call d = {
        .struct_size = sizeof d, .is_request = is_request, .iface_minor_known = x != NULL, .opnum = opnum,
        .context_id = context_id, .first_frag = 1, .last_frag = 1, .little_endian = le, .over_smb = r->pipe[0] != 0,
        .stub = stub, .stub_len = n_stub,
    };
    if (x) {
        memcpy(d.iface, x->uuid, 16);
        d.iface_major = x->major;
        d.iface_minor = x->minor;
        d.first_frag = x->is_first; /* rules ask it of the bind: "any_frag" looks away from it */
    }
    send_call(m, pf, r, pkt, &d, auth_level);
    r->dir[dir].n_stub = 0;
}

static void on_pdu(struct proto *m, struct proto_flow *pf, struct rpc *r, const struct mmr_packet *pkt, uint8_t dir,
                   const uint8_t *p, size_t n)
{
    bool le = p[4] & 0x10;
    uint16_t auth_len = le ? net_le16(p + 10) : net_be16(p + 10);
    struct net_cursor c = cur_of(p + PDU_HEAD, n - PDU_HEAD);
    if (p[2] == PDU_BIND || p[2] == PDU_ALTER)
        on_bind(m, pf, r, pkt, c, le, p[3]);
    else if (p[2] == PDU_REQUEST || p[2] == PDU_RESPONSE)
        on_call(m, pf, r, pkt, dir, p, c, le, auth_len);
}

static size_t pdu_len(const uint8_t *p)
{
    return p[4] & 0x10 ? net_le16(p + 8) : net_be16(p + 8);
}

bool rpc_data(struct proto *m, struct proto_flow *pf, struct rpc *r, const struct mmr_packet *pkt, uint8_t dir,
              const uint8_t *p, size_t n)
{
    while (n > 0) {
        size_t have = r->dir[dir].n;
        if (have == 0 && n >= PDU_HEAD) { /* whole PDUs are read in place */
            if (!rpc_is_pdu(p, n))
                return false;
            size_t len = pdu_len(p);
            if (len <= n) {
                on_pdu(m, pf, r, pkt, dir, p, len);
                p += len;
                n -= len;
                continue;
            }
        }
        size_t want = have < PDU_HEAD ? PDU_HEAD : pdu_len(r->dir[dir].p);
        if (want > r->dir[dir].room) { /* 64 KB at most: the length field's range */
            uint8_t *more = realloc(r->dir[dir].p, want);
            if (!more)
                return false;
            r->dir[dir].p = more;
            r->dir[dir].room = want;
        }
        uint8_t *buf = r->dir[dir].p;
        size_t take = want - have < n ? want - have : n;
        memcpy(buf + have, p, take);
        have += take;
        p += take;
        n -= take;
        r->dir[dir].n = have;
        if (have < PDU_HEAD)
            break;
        if (!rpc_is_pdu(buf, have))
            return false;
        if (have == pdu_len(buf)) {
            r->dir[dir].n = 0;
            on_pdu(m, pf, r, pkt, dir, buf, have);
        }
    }
    return true;
}

/* ---- over TCP ---- */

struct rpc_flow {
    struct rpc *rpc;
    bool is_synced[2];
};

static enum proto_match probe(const uint8_t *p, size_t n, uint8_t dir, uint16_t port)
{
    (void)port;
    (void)dir;
    if (n < PDU_HEAD)
        return n >= 1 && p[0] == 5 && (n < 2 || p[1] <= 1) && (n < 3 || p[2] <= 19) && n < 3 ? PROTO_MORE : PROTO_NO;
    return rpc_is_pdu(p, n) ? PROTO_YES : PROTO_NO;
}

static void rpc_close(struct proto *m, void *state)
{
    struct rpc_flow *f = state;
    (void)m;
    rpc_free(f->rpc);
    free(f);
}

static void *rpc_open(struct proto *m, struct mmr_flow *flow)
{
    struct rpc_flow *f = calloc(1, sizeof *f);
    (void)m;
    (void)flow;
    if (f && !(f->rpc = rpc_new(""))) {
        free(f);
        f = NULL;
    }
    return f;
}

static bool tcp_data(struct proto *m, struct proto_flow *pf, const struct mmr_chunk *c)
{
    struct rpc_flow *f = pf->state;
    uint8_t dir = c->dir;
    if (c->len == 0)
        return true;
    if (c->flags & MMR_CHUNK_GAP) {
        rpc_gap(f->rpc, dir);
        f->is_synced[dir] = false;
    }
    if (!f->is_synced[dir]) {
        if (!rpc_is_pdu(c->data, c->len) && !((c->flags & MMR_CHUNK_START) && c->len < PDU_HEAD))
            return true;
        f->is_synced[dir] = true;
    }
    if (!rpc_data(m, pf, f->rpc, c->packet, dir, c->data, c->len)) {
        rpc_gap(f->rpc, dir);
        f->is_synced[dir] = false;
    }
    return true;
}

const struct proto_parser proto_dcerpc = {
    .app = "dcerpc", .ip_proto = IPPROTO_TCP, .probe = probe, .open = rpc_open, .data = tcp_data, .close = rpc_close};
