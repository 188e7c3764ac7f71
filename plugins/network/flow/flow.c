/*
 * flow.c - the flow plugin: frames in, packets with their flows and ordered streams out. It trusts no
 * byte of a frame. Per packet it allocates nothing but for data that arrives out of order.
 */
#include "direction.h"
#include "duplicate.h"
#include "frag.h"
#include "stream.h"
#include "net_text.h"
#include "net_tunnel.h"

#include <mamori/event.h>
#include <mamori/plugin.h>

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct flow_config {
    struct mmr_strv home_net;
    int64_t flows_max, stream_max, streams_total;
    int64_t tcp_new, tcp, closed, udp, other, duplicate_window;
    bool checksums, start_events, end_events;
};
enum { TIMER_MS = 1000, EXPIRE_STEP_NS = 100000000, BACK_PACKETS = 16 };
/* QUIET_NS: after that a SYN means a new connection, whatever the old one left open; BACK_NS: farther back is no disorder of packets, the clock was set */
static const int64_t QUIET_NS = 60 * INT64_C(1000000000), BACK_NS = 60 * INT64_C(1000000000);
struct flow_plugin {
    const struct mmr_host *host;
    const struct flow_config *cfg;
    const struct mmr_topic *packets, *chunks, *ends;
    struct flow_table *table;
    struct flow_streams streams;
    struct frag_table frags;
    struct dup_memory dups;
    struct direction_memory directions;
    struct net_ranges home;
    int64_t now_ns, expired_ns, timeout_ns[FLOW_AGES];
    uint32_t n_back; /* packets in a row from before BACK_NS */
    uint64_t n_evicted, n_refused, n_duplicate, n_malformed;
    uint64_t told_evicted, told_fragments, told_forced, told_ignored, told_refused;
    bool is_replay;
    uint8_t event[4096];
};

static void publish(const struct flow_plugin *m, const struct mmr_topic *t, const void *item)
{
    if (t && t->sinks)
        t->publish(m->host->impl, t, item);
}

static void deliver(void *ctx, const struct mmr_chunk *chunk)
{
    const struct flow_plugin *m = ctx;
    publish(m, m->chunks, chunk);
}

static const char *tcp_state_name(uint8_t s)
{
    static const char *const names[] = {"none", "syn", "syn_ack", "established", "midstream", "closing", "closed"};
    return s < sizeof names / sizeof names[0] ? names[s] : "none";
}

static void emit_flow(struct flow_plugin *m, const struct mmr_flow *f, bool is_end, const struct mmr_packet *p)
{
    struct mmr_event ev;
    mmr_event_begin(&ev, m->event, sizeof m->event, is_end ? "flow.end" : "flow.start", MMR_CLASS_NETWORK,
                    is_end ? 2 : 1, is_end ? f->last_ns : f->first_ns, 1);
    net_event_flow(&ev, f, p, m->is_replay);
    if (f->proto == IPPROTO_ICMP || f->proto == IPPROTO_ICMPV6) {
        mmr_event_int(&ev, "unmapped.icmp_type", f->client_port);
        mmr_event_int(&ev, "unmapped.icmp_code", f->server_port);
    }
    if (f->proto == IPPROTO_TCP)
        mmr_event_str(&ev, "unmapped.tcp_state", tcp_state_name(f->tcp_state));
    if (is_end) {
        mmr_event_int(&ev, "start_time", f->first_ns);
        mmr_event_int(&ev, "duration", (f->last_ns - f->first_ns) / 1000000);
        mmr_event_int(&ev, "traffic.packets_out", (int64_t)f->packets[MMR_TO_SERVER]);
        mmr_event_int(&ev, "traffic.packets_in", (int64_t)f->packets[MMR_TO_CLIENT]);
        mmr_event_int(&ev, "traffic.bytes_out", (int64_t)f->bytes[MMR_TO_SERVER]);
        mmr_event_int(&ev, "traffic.bytes_in", (int64_t)f->bytes[MMR_TO_CLIENT]);
        mmr_event_str(&ev, "app_name", f->app);
    }
    (void)mmr_event_emit(&ev, m->host); /* telemetry: the host counts what it cannot take */
}

static void end_flow(struct flow_plugin *m, struct flow *f, const struct mmr_packet *p)
{
    if (f->pub.proto == IPPROTO_TCP)
        flow_stream_finish(&m->streams, f, p);
    if (m->cfg->end_events)
        emit_flow(m, &f->pub, true, p);
    publish(m, m->ends, &f->pub);
    for (unsigned d = 0; d < 2; d++)
        m->streams.held_total -= f->dir[d].held;
    flow_table_remove(m->table, f);
}

static void expire(struct flow_plugin *m, int64_t now_ns)
{
    for (unsigned age = 0; age < FLOW_AGES; age++) {
        struct flow *f;
        while ((f = flow_table_oldest(m->table, (enum flow_age)age)) &&
               now_ns - f->pub.last_ns > m->timeout_ns[age])
            end_flow(m, f, NULL);
    }
    m->expired_ns = now_ns;
}

/* Make room for one flow: the oldest of the least valuable kind ends. False: nothing to end. */
static bool evict(struct flow_plugin *m)
{
    for (unsigned age = 0; age < FLOW_AGES; age++) {
        struct flow *f = flow_table_oldest(m->table, (enum flow_age)age);
        if (f) {
            m->n_evicted++;
            end_flow(m, f, NULL);
            return true;
        }
    }
    return false;
}

static bool is_inside(const struct flow_plugin *m, const struct mmr_addr *a)
{
    return net_ranges_has(&m->home, a) || net_addr_is_multicast(a);
}

static enum flow_age age_of(const struct flow *f)
{
    if (f->pub.proto == IPPROTO_UDP)
        return FLOW_AGE_UDP;
    if (f->pub.proto != IPPROTO_TCP)
        return FLOW_AGE_OTHER;
    switch (f->pub.tcp_state) {
    case MMR_TCP_SYN:
    case MMR_TCP_SYN_ACK:
        return FLOW_AGE_TCP_NEW;
    case MMR_TCP_CLOSED:
        return FLOW_AGE_CLOSED;
    case MMR_TCP_MIDSTREAM: /* until both sides spoke, or one said something: a scan without SYN looks so too */
        return (f->pub.packets[0] && f->pub.packets[1]) || ((f->dir[0].flags | f->dir[1].flags) & DIR_DATA) ? FLOW_AGE_TCP : FLOW_AGE_TCP_NEW;
    default:
        return FLOW_AGE_TCP;
    }
}

static struct flow_key key_of(const struct mmr_packet *p, const struct net_extra *x)
{
    struct flow_key k = {.a = p->src, .b = p->dst, .a_port = p->src_port, .b_port = p->dst_port, .vlan = x->vlan,
                         .proto = p->proto, .ip_version = p->ip_version};
    bool is_echo = (p->proto == IPPROTO_ICMP && (p->icmp_type == 0 || p->icmp_type == 8)) ||
                   (p->proto == IPPROTO_ICMPV6 && (p->icmp_type == 128 || p->icmp_type == 129));
    if (is_echo && p->l3_len >= p->l4_off + 8)
        k.id16 = (uint16_t)(p->l3[p->l4_off + 4] << 8 | p->l3[p->l4_off + 5]);
    else if (p->proto == IPPROTO_ICMP || p->proto == IPPROTO_ICMPV6)
        k.id16 = (uint16_t)(0x8000 | p->icmp_type); /* one flow per kind of message */
    return k;
}

static struct flow *new_flow(struct flow_plugin *m, const struct flow_key *k, struct mmr_packet *p, uint8_t *ret_dir)
{
    bool is_syn = p->proto == IPPROTO_TCP && (p->tcp_flags & NET_TCP_SYN);
    bool is_reversed = is_syn ? (p->tcp_flags & NET_TCP_ACK) != 0 : direction_is_reply(&m->directions, p);
    struct flow *f = flow_table_add(m->table, k, is_reversed, FLOW_AGE_OTHER);
    if (!f && evict(m))
        f = flow_table_add(m->table, k, is_reversed, FLOW_AGE_OTHER);
    if (!f) {
        m->n_refused++;
        return NULL;
    }
    f->pub.first_ns = f->pub.last_ns = p->frame->time_ns;
    if (is_inside(m, &f->pub.client))
        f->pub.zones |= MMR_FLOW_CLIENT_INSIDE;
    if (is_inside(m, &f->pub.server))
        f->pub.zones |= MMR_FLOW_SERVER_INSIDE;
    if (p->proto == IPPROTO_TCP)
        f->pub.tcp_state = is_syn ? (is_reversed ? MMR_TCP_SYN_ACK : MMR_TCP_SYN)
                           : (p->tcp_flags & NET_TCP_RST) ? MMR_TCP_CLOSED : MMR_TCP_MIDSTREAM;
    if (p->proto == IPPROTO_ICMP || p->proto == IPPROTO_ICMPV6) {
        f->pub.client_port = p->icmp_type;
        f->pub.server_port = p->icmp_code;
    }
    if (is_syn)
        direction_learn(&m->directions, &f->pub.server, f->pub.server_port, p->proto);
    *ret_dir = is_reversed ? MMR_TO_CLIENT : MMR_TO_SERVER;
    p->flags |= MMR_PKT_FIRST;
    return f;
}

/* A reset counts when it fits the stream: anybody can forge one that does not (RFC 5961). */
static bool is_reset_good(const struct flow *f, uint8_t dir, const struct mmr_packet *p)
{
    const struct flow_dir *d = &f->dir[dir];
    int32_t off = (int32_t)(p->tcp_seq - d->next_seq);
    if (!(d->flags & DIR_SYNCED))
        return true;
    return off >= -1 && off <= 1 << 20; /* 1 MiB: a generous window */
}

static void next_tcp_state(struct flow *f, uint8_t dir, const struct mmr_packet *p)
{
    uint8_t *s = &f->pub.tcp_state, flags = p->tcp_flags;
    if (p->flags & (MMR_PKT_BAD_CHECKSUM | MMR_PKT_MALFORMED))
        return; /* hosts drop it */
    if (flags & NET_TCP_RST) {
        if (is_reset_good(f, dir, p)) {
            *s = MMR_TCP_CLOSED;
            f->is_reset = 1;
        }
    } else if (flags & NET_TCP_SYN) {
        if (*s == MMR_TCP_SYN || *s == MMR_TCP_SYN_ACK) /* later ones are not for this connection, or forged */
            flow_stream_syn(f, dir, p->tcp_seq);
        if ((flags & NET_TCP_ACK) && *s == MMR_TCP_SYN)
            *s = MMR_TCP_SYN_ACK;
    } else if (flags & NET_TCP_ACK) {
        if ((*s == MMR_TCP_SYN || *s == MMR_TCP_SYN_ACK) && dir == MMR_TO_SERVER)
            *s = MMR_TCP_ESTABLISHED;
        if ((flags & NET_TCP_FIN) && *s != MMR_TCP_CLOSED)
            *s = MMR_TCP_CLOSING;
    }
}

/* Does the segment answer the SYN this flow began with? seq: the sender's first number. */
static bool is_its_syn(const struct flow_dir *d, uint32_t seq)
{
    return (d->flags & DIR_SYNCED) && seq + 1 == d->next_seq - (uint32_t)d->offset;
}

/* The old connection of these ports is over and this packet belongs to another one. */
static bool is_new_connection(const struct flow *f, uint8_t dir, const struct mmr_packet *p)
{
    const struct flow_dir *d = &f->dir[dir];
    const uint8_t kind = p->tcp_flags & (NET_TCP_SYN | NET_TCP_ACK | NET_TCP_RST);
    if (p->flags & (MMR_PKT_BAD_CHECKSUM | MMR_PKT_MALFORMED))
        return false;
    if (kind == NET_TCP_SYN) {
        bool is_over = f->pub.tcp_state == MMR_TCP_CLOSED || f->pub.tcp_state == MMR_TCP_MIDSTREAM ||
                       (f->dir[0].flags & f->dir[1].flags & DIR_FIN) || p->frame->time_ns - f->pub.last_ns > QUIET_NS;
        return is_over && ((d->flags & DIR_DATA) || !is_its_syn(d, p->tcp_seq));
    }
    if (kind == (NET_TCP_SYN | NET_TCP_ACK)) /* anybody can send a SYN; who agrees to it has left the old connection */
        return dir == MMR_TO_CLIENT && (f->pub.tcp_state == MMR_TCP_ESTABLISHED || f->pub.tcp_state == MMR_TCP_CLOSING) &&
               (d->flags & DIR_SYNCED) && !is_its_syn(d, p->tcp_seq);
    /* data goes on after a reset: the reset did not reach its aim, so neither side is done */
    return f->pub.tcp_state == MMR_TCP_CLOSED && f->is_reset && p->payload_len > 1 && !(kind & NET_TCP_RST) &&
           (d->flags & DIR_SYNCED) && p->tcp_seq == d->next_seq;
}

static void take_tcp(struct flow_plugin *m, struct flow *f, uint8_t dir, struct mmr_packet *p, uint32_t missing)
{
    bool was_closed = f->pub.tcp_state == MMR_TCP_CLOSED;
    next_tcp_state(f, dir, p);
    if (flow_stream_is_old(f, dir, p))
        p->flags |= MMR_PKT_RETRANSMIT;
    publish(m, m->packets, p);
    if (p->flags & (MMR_PKT_BAD_CHECKSUM | MMR_PKT_MALFORMED))
        return;
    flow_stream_segment(&m->streams, f, dir, p, missing);
    if (f->pub.tcp_state == MMR_TCP_CLOSED && !was_closed)
        flow_stream_finish(&m->streams, f, p);
    if ((f->dir[0].flags & DIR_ENDED) && (f->dir[1].flags & DIR_ENDED))
        f->pub.tcp_state = MMR_TCP_CLOSED;
}

static void take_datagram(struct flow_plugin *m, struct flow *f, uint8_t dir, struct mmr_packet *p, uint32_t missing)
{
    publish(m, m->packets, p);
    if (p->proto != IPPROTO_UDP || p->payload_len == 0 || (p->flags & MMR_PKT_BAD_CHECKSUM))
        return;
    struct flow_dir *d = &f->dir[dir];
    struct mmr_chunk c = {
        .struct_size = sizeof c, .flow = &f->pub, .packet = p, .data = p->payload, .len = p->payload_len,
        .offset = d->offset, .dir = dir, .flags = d->flags & DIR_STARTED ? 0 : MMR_CHUNK_START,
    };
    d->flags |= DIR_STARTED;
    d->offset += p->payload_len + missing;
    publish(m, m->chunks, &c);
}

static void take_ip(struct flow_plugin *m, struct mmr_packet *p, const struct net_extra *x)
{
    uint8_t dir = MMR_TO_SERVER;
    bool has_ports = p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP;
    if (has_ports && (p->flags & MMR_PKT_MALFORMED) && p->src_port == 0 && p->dst_port == 0) {
        publish(m, m->packets, p);
        return;
    }
    struct flow_key k = key_of(p, x);
    struct flow *f = flow_table_find(m->table, &k, &dir);
    if (f && p->proto == IPPROTO_TCP && is_new_connection(f, dir, p)) {
        end_flow(m, f, p);
        f = NULL;
    }
    bool is_new = !f;
    if (!f)
        f = new_flow(m, &k, p, &dir);
    if (!f) {
        publish(m, m->packets, p);
        return;
    }
    p->flow = &f->pub;
    p->dir = dir;
    if (p->frame->time_ns > f->pub.last_ns)
        f->pub.last_ns = p->frame->time_ns;
    f->pub.packets[dir]++;
    f->pub.bytes[dir] += p->payload_len + x->missing;
    if (is_new && m->cfg->start_events)
        emit_flow(m, &f->pub, false, p);
    if (p->proto == IPPROTO_TCP)
        take_tcp(m, f, dir, p, x->missing);
    else
        take_datagram(m, f, dir, p, x->missing);
    flow_table_touch(m->table, f, age_of(f));
}

/* Time goes on by the packets. One that comes late changes nothing; when all come from long before, the clock was set back. */
static void take_time(struct flow_plugin *m, int64_t now_ns)
{
    m->n_back = m->now_ns - now_ns > BACK_NS ? m->n_back + 1 : 0;
    if (m->n_back >= BACK_PACKETS) {
        flow_table_set_back(m->table, m->now_ns - now_ns);
        m->n_back = 0;
        m->now_ns = m->expired_ns = now_ns;
    }
    if (now_ns > m->now_ns)
        m->now_ns = now_ns;
}

/* depth: how many tunnels this frame is inside of. is_rebuilt: it lies in the memory of reassembled fragments. */
static void take_frame(struct flow_plugin *m, const struct mmr_frame *frame, unsigned depth, bool is_rebuilt)
{
    struct mmr_packet p;
    struct net_extra x;
    struct mmr_frame carried;
    enum net_decoded kind = net_decode(frame, m->cfg->checksums, &p, &x);
    take_time(m, frame->time_ns);
    if (m->now_ns - m->expired_ns > EXPIRE_STEP_NS)
        expire(m, m->now_ns);
    if (p.flags & MMR_PKT_MALFORMED)
        m->n_malformed++;
    if ((kind == NET_DECODED_IP || kind == NET_DECODED_FRAGMENT) && m->dups.window_ns && dup_seen(&m->dups, &p)) {
        m->n_duplicate++;
        return; /* one packet, one treatment: the copy of the first capture point was taken */
    }
    if (kind == NET_DECODED_FRAGMENT) {
        const uint8_t *l3;
        size_t len;
        publish(m, m->packets, &p);
        if (is_rebuilt) /* its bytes are in the table that would have to take them */
            return;
        if (!frag_take(&m->frags, &p, &x, &l3, &len))
            return;
        uint16_t vlan = x.vlan;
        memset(&x, 0, sizeof x);
        x.vlan = vlan;
        p.ip_frag_off = 0;
        kind = net_decode_ip(l3, len, m->cfg->checksums, &p, &x);
        p.flags = (p.flags | MMR_PKT_FRAGMENT) & ~(uint32_t)MMR_PKT_BAD_CHECKSUM; /* the header is rebuilt */
    }
    if (kind != NET_DECODED_IP) {
        publish(m, m->packets, &p);
        return;
    }
    take_ip(m, &p, &x);
    if (depth < NET_TUNNELS_MAX && net_tunnel(&p, &carried))
        take_frame(m, &carried, depth + 1, is_rebuilt || p.flags & MMR_PKT_FRAGMENT);
}

static void on_frame(void *self, const void *item)
{
    struct flow_plugin *m = self;
    if (!m->chunks) {
        m->packets = m->host->extension(m->host->impl, MMR_TOPIC_PACKET);
        m->chunks = m->host->extension(m->host->impl, MMR_TOPIC_STREAM);
        m->ends = m->host->extension(m->host->impl, MMR_TOPIC_FLOW);
    }
    take_frame(m, item, 0, false);
}

static void on_timer(void *self, uint64_t cookie)
{
    struct flow_plugin *m = self;
    int64_t now = m->host->now_ns(m->host->impl, MMR_CLOCK_WALL);
    (void)cookie;
    expire(m, now > m->now_ns ? now : m->now_ns);
    if (m->n_evicted != m->told_evicted) {
        char text[160];
        (void)snprintf(text, sizeof text,
                       "flow.table_full evicted=%llu flows_max=%lld (the oldest flows end early; raise flows_max)",
                       (unsigned long long)(m->n_evicted - m->told_evicted), (long long)m->cfg->flows_max);
        m->told_evicted = m->n_evicted;
        m->host->log(m->host->impl, MMR_LOG_WARN, text);
    }
    if (m->frags.n_dropped != m->told_fragments || m->streams.n_forced != m->told_forced || m->streams.n_ignored + m->streams.n_outside != m->told_ignored ||
        m->n_refused != m->told_refused) {
        char text[240];
        const uint64_t ignored = m->streams.n_ignored + m->streams.n_outside;
        (void)snprintf(text, sizeof text, "flow.given_up fragments=%llu stream_pieces=%llu segments=%llu flows=%llu (too many, too old, or impossible)",
                       (unsigned long long)(m->frags.n_dropped - m->told_fragments), (unsigned long long)(m->streams.n_forced - m->told_forced),
                       (unsigned long long)(ignored - m->told_ignored), (unsigned long long)(m->n_refused - m->told_refused));
        m->told_fragments = m->frags.n_dropped;
        m->told_forced = m->streams.n_forced;
        m->told_ignored = ignored;
        m->told_refused = m->n_refused;
        m->host->log(m->host->impl, MMR_LOG_INFO, text);
    }
    (void)m->host->set_timer(m->host->impl, TIMER_MS, 0);
}

static void destroy(void *self)
{
    struct flow_plugin *m = self;
    if (!m)
        return;
    frag_done(&m->frags);
    flow_table_free(m->table);
    free(m);
}

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    const struct flow_config *cfg = config;
    uint64_t seed = 0;
    struct flow_plugin *m = calloc(1, sizeof *m);
    if (!m)
        return mmr_fail(err, MMR_ENOMEM, "flow '%s': out of memory", host->instance);
    m->host = host;
    m->cfg = cfg;
    m->is_replay = !host->state_dir || !host->state_dir[0];
    const int64_t ms[FLOW_AGES] = {cfg->closed, cfg->tcp_new, cfg->other, cfg->udp, cfg->tcp};
    for (unsigned i = 0; i < FLOW_AGES; i++)
        m->timeout_ns[i] = ms[i] * 1000000;
    m->dups.window_ns = cfg->duplicate_window * 1000000;
    m->streams = (struct flow_streams){.held_max = (uint32_t)cfg->stream_max,
                                       .held_total_max = (uint64_t)cfg->streams_total, .deliver = deliver, .ctx = m};
    int rc = MMR_OK;
    for (size_t i = 0; i < cfg->home_net.n && rc == MMR_OK; i++)
        rc = net_ranges_add(&m->home, cfg->home_net.v[i], err);
    if (m->home.n == 0)
        net_ranges_private(&m->home);
    if (rc == MMR_OK && getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed)
        seed = (uint64_t)host->now_ns(host->impl, MMR_CLOCK_MONOTONIC);
    if (rc == MMR_OK)
        rc = flow_table_new((uint32_t)cfg->flows_max, seed, &m->table, err);
    if (rc < 0) {
        destroy(m);
        return rc;
    }
    (void)host->set_timer(host->impl, TIMER_MS, 0); /* without it flows end when the next packet comes */
    *ret_self = m;
    return MMR_OK;
}

static int finish(void *self, struct mmr_error *err)
{
    struct flow_plugin *m = self;
    (void)err;
    for (unsigned age = 0; age < FLOW_AGES; age++) {
        struct flow *f;
        while ((f = flow_table_oldest(m->table, (enum flow_age)age)))
            end_flow(m, f, NULL);
    }
    return MMR_OK;
}

static const struct mmr_sink sink = {.struct_size = sizeof sink, .item = on_frame};

static const void *extension(const char *id)
{
    return strcmp(id, MMR_TOPIC_FRAME) == 0 ? &sink : NULL;
}

static const struct mmr_cfg_key config[] = {
    MMR_CFG(struct flow_config, home_net, MMR_CFG_STRV, 0, "", 0, 0,
            "address ranges of the office; empty: the private ranges"),
    MMR_CFG(struct flow_config, flows_max, MMR_CFG_INT, 0, "131072", 256, 4194304, "flows kept at once"),
    MMR_CFG(struct flow_config, stream_max, MMR_CFG_BYTES, 0, "256K", 4096, 1 << 26,
            "out-of-order data kept in one direction of a flow"),
    MMR_CFG(struct flow_config, streams_total, MMR_CFG_BYTES, 0, "32M", 65536, 1LL << 33,
            "out-of-order data kept in all flows"),
    MMR_CFG(struct flow_config, tcp_new, MMR_CFG_MSEC, 0, "30s", 100, 3600000, "a handshake that does not go on ends"),
    MMR_CFG(struct flow_config, tcp, MMR_CFG_MSEC, 0, "30m", 1000, 86400000, "a silent TCP connection ends"),
    MMR_CFG(struct flow_config, closed, MMR_CFG_MSEC, 0, "5s", 100, 600000, "late packets of a closed connection"),
    MMR_CFG(struct flow_config, udp, MMR_CFG_MSEC, 0, "2m", 1000, 3600000, "a silent UDP conversation ends"),
    MMR_CFG(struct flow_config, other, MMR_CFG_MSEC, 0, "30s", 1000, 3600000, "a silent conversation of another kind ends"),
    MMR_CFG(struct flow_config, duplicate_window, MMR_CFG_MSEC, 0, "5s", 0, 60000,
            "the same packet from another input within this time is left out; 0 never"),
    MMR_CFG(struct flow_config, checksums, MMR_CFG_BOOL, 0, "false", 0, 0,
            "verify checksums and keep bad packets out of streams (not where the card does them)"),
    MMR_CFG(struct flow_config, start_events, MMR_CFG_BOOL, 0, "true", 0, 0, "send flow.start"),
    MMR_CFG(struct flow_config, end_events, MMR_CFG_BOOL, 0, "true", 0, 0, "send flow.end"),
    {0},
};
static const struct mmr_analyzer_ops analyzer = {.struct_size = sizeof analyzer, .finish = finish};

MMR_PLUGIN(flow) = {
    MMR_PLUGIN_HEAD,
    .id = "org.mamori.flow",
    .name = "flow",
    .version = "0.1.0",
    .vendor = "mamori",
    .license = "Apache-2.0",
    .doc = "conversations and ordered streams from packets",
    .side = MMR_SIDE_NETWORK,
    .events = (const char *const[]){"flow.start", "flow.end", NULL},
    .config = config,
    .config_size = sizeof(struct flow_config),
    .create = create,
    .destroy = destroy,
    .on_timer = on_timer,
    .analyzer = &analyzer,
    .extension = extension,
};
