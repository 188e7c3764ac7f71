/*
 * protocols.c - the protocols plugin: recognises what a flow speaks by its content, hands its data to
 * that parser, and sends transactions and events. Ports are a hint only where content cannot tell.
 */
#include "http.h"
#include "net_decode.h"
#include "net_text.h"
#include "ftp.h"
#include "proto.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TRIES_START = 6,      /* chunks of one direction looked at when the beginning was seen */
    TRIES_MIDSTREAM = 64, /* and when not: a message may begin at any later chunk */
};

static const struct proto_parser *const tcp_parsers[] = {&proto_http2, &proto_http, &proto_tls, &proto_smb, &proto_ssh, &proto_dcerpc,
                                                         &proto_dns_tcp, &proto_krb_tcp, &proto_ldap, &proto_smtp, &proto_ftp};
static const struct proto_parser *const udp_parsers[] = {&proto_dns_udp, &proto_dhcp, &proto_krb_udp, &proto_snmp};

void proto_buf(struct proto *m, const char *name, const void *data, size_t len)
{
    if (m->n_bufs < PROTO_BUFFERS_MAX && data)
        m->bufs[m->n_bufs++] = (struct mmr_buffer){.name = name, .data = data, .len = len};
}

void proto_tx_send(struct proto *m, struct proto_flow *pf, const struct mmr_packet *pkt, uint8_t dir, bool final,
                   const char *app, const void *detail)
{
    struct mmr_tx tx = {
        .struct_size = sizeof tx, .dir = dir, .final = final, .flow = pf->flow, .packet = pkt, .app = app,
        .id = pf->tx_id, .buffers = m->bufs, .n = m->n_bufs, .detail = detail,
    };
    if (!m->tx)
        m->tx = m->host->extension(m->host->impl, MMR_TOPIC_TX);
    if (m->tx && m->tx->sinks)
        m->tx->publish(m->host->impl, m->tx, &tx);
    m->n_bufs = 0;
    if (final)
        pf->tx_id++;
}

int64_t proto_time(const struct mmr_flow *flow, const struct mmr_packet *pkt)
{
    return pkt && pkt->frame ? pkt->frame->time_ns : flow ? flow->last_ns : 0;
}

struct mmr_event *proto_event(struct proto *m, const struct mmr_flow *flow, const struct mmr_packet *pkt,
                              const char *kind, uint32_t class_uid, uint32_t activity_id)
{
    mmr_event_begin(&m->ev, m->event, sizeof m->event, kind, class_uid, activity_id, proto_time(flow, pkt), 1);
    if (flow) {
        net_event_flow(&m->ev, flow, pkt, m->is_replay);
        mmr_event_str(&m->ev, "app_name", flow->app);
    } else {
        net_event_position(&m->ev, pkt, m->is_replay);
    }
    return &m->ev;
}

void proto_event_send(struct proto *m)
{
    if (m->cfg->events)
        (void)mmr_event_emit(&m->ev, m->host); /* telemetry: the host counts what it cannot take */
}

void proto_text(char *buf, size_t cap, const void *data, size_t len)
{
    const uint8_t *p = data;
    size_t n = 0;
    for (size_t i = 0; i < len && n + 1 < cap; i++)
        buf[n++] = (char)(p[i] < 0x20 || p[i] == 0x7f ? '.' : p[i]);
    buf[n] = '\0';
}

void proto_utf16(char *buf, size_t cap, const uint8_t *p, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i + 1 < len; i += 2) {
        uint32_t c = (uint32_t)p[i] | (uint32_t)p[i + 1] << 8;
        if (c == 0)
            break;
        if (c >= 0xd800 && c < 0xdc00 && i + 3 < len) {
            uint32_t lo = (uint32_t)p[i + 2] | (uint32_t)p[i + 3] << 8;
            if (lo >= 0xdc00 && lo < 0xe000) {
                c = 0x10000 + ((c - 0xd800) << 10) + (lo - 0xdc00);
                i += 2;
            }
        }
        if (c >= 0xd800 && c < 0xe000)
            c = 0xfffd;
        if (c < 0x20)
            c = '.';
        if (n + 5 > cap)
            break;
        if (c < 0x80) {
            buf[n++] = (char)c;
        } else if (c < 0x800) {
            buf[n++] = (char)(0xc0 | c >> 6);
            buf[n++] = (char)(0x80 | (c & 63));
        } else if (c < 0x10000) {
            buf[n++] = (char)(0xe0 | c >> 12);
            buf[n++] = (char)(0x80 | (c >> 6 & 63));
            buf[n++] = (char)(0x80 | (c & 63));
        } else {
            buf[n++] = (char)(0xf0 | c >> 18);
            buf[n++] = (char)(0x80 | (c >> 12 & 63));
            buf[n++] = (char)(0x80 | (c >> 6 & 63));
            buf[n++] = (char)(0x80 | (c & 63));
        }
    }
    if (cap)
        buf[n] = '\0';
}

const char *proto_file_type(const uint8_t *p, size_t n)
{
    static const struct {
        const char *type;
        uint8_t len;
        uint8_t magic[8];
    } rows[] = {
        {"elf", 4, {0x7f, 'E', 'L', 'F'}},      {"java-class", 4, {0xca, 0xfe, 0xba, 0xbe}},
        {"java-serialized", 4, {0xac, 0xed, 0, 5}},
        {"zip", 4, {'P', 'K', 3, 4}},           {"png", 8, {0x89, 'P', 'N', 'G', 13, 10, 26, 10}},
        {"gif", 4, {'G', 'I', 'F', '8'}},       {"jpeg", 3, {0xff, 0xd8, 0xff}},
        {"pdf", 5, {'%', 'P', 'D', 'F', '-'}},  {"gzip", 3, {0x1f, 0x8b, 8}},
        {"cab", 4, {'M', 'S', 'C', 'F'}},       {"ole", 8, {0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1}},
        {"rar", 6, {'R', 'a', 'r', '!', 26, 7}}, {"7z", 6, {'7', 'z', 0xbc, 0xaf, 0x27, 0x1c}},
        {"script", 2, {'#', '!'}},              {"mach-o", 4, {0xcf, 0xfa, 0xed, 0xfe}},
        {"html", 5, {'<', 'h', 't', 'm', 'l'}}, {"html", 8, {'<', '!', 'D', 'O', 'C', 'T', 'Y', 'P'}},
        {"xml", 5, {'<', '?', 'x', 'm', 'l'}},
    };
    if (n >= 64 && p[0] == 'M' && p[1] == 'Z') {
        /* a DOS header whose offset to "PE\0\0" is sane: two letters alone begin many texts */
        size_t at = (size_t)p[60] | (size_t)p[61] << 8 | (size_t)p[62] << 16;
        if (p[63] == 0 && at >= 4 && (at + 4 > n || (p[at] == 'P' && p[at + 1] == 'E')))
            return "exe";
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (n >= rows[i].len && memcmp(p, rows[i].magic, rows[i].len) == 0)
            return rows[i].type;
    return NULL;
}

/* ---- flows ---- */

static void close_parser(struct proto *m, struct proto_flow *pf)
{
    if (pf->state && pf->parser->close)
        pf->parser->close(m, pf->state);
    pf->state = NULL;
    pf->parser = NULL;
}

static void drop_hold(struct proto_flow *pf)
{
    for (unsigned d = 0; d < 2; d++) {
        free(pf->hold[d]);
        pf->hold[d] = NULL;
        pf->n_hold[d] = 0;
    }
}

static void free_flow(struct proto *m, struct proto_flow *pf)
{
    close_parser(m, pf);
    drop_hold(pf);
    if (pf->prev)
        pf->prev->next = pf->next;
    else
        m->flows = pf->next;
    if (pf->next)
        pf->next->prev = pf->prev;
    m->n_flows--;
    free(pf);
}

static struct proto_flow *flow_of(struct proto *m, struct mmr_flow *flow)
{
    struct proto_flow *pf = flow->slot[MMR_SLOT_PROTOCOLS];
    if (pf)
        return pf;
    pf = calloc(1, sizeof *pf);
    if (!pf)
        return NULL;
    pf->flow = flow;
    pf->next = m->flows;
    if (m->flows)
        m->flows->prev = pf;
    m->flows = pf;
    m->n_flows++;
    flow->slot[MMR_SLOT_PROTOCOLS] = pf;
    return pf;
}

void proto_give_up(struct proto *m, enum proto_given_up what)
{
    static const char *const names[PROTO_GIVEN_UP] = {"body", "pipelined_requests", "rpc_arguments", "dns_name"};
    uint64_t n = ++m->n_given_up[what], power = 1;
    while (power < n)
        power *= 10;
    if (power != n) /* told at 1, 10, 100 … */
        return;
    char text[120];
    (void)snprintf(text, sizeof text, "protocols.given_up what=%s n=%llu (looked at up to a ceiling, the rest left out)", names[what], (unsigned long long)n);
    m->host->log(m->host->impl, MMR_LOG_INFO, text);
}

static void feed(struct proto *m, struct proto_flow *pf, const struct mmr_chunk *c)
{
    if (pf->parser->data(m, pf, c))
        return;
    close_parser(m, pf);
    pf->is_given_up = true;
    m->n_errors++;
}

static bool open_parser(struct proto *m, struct proto_flow *pf, const struct proto_parser *parser)
{
    pf->parser = parser;
    pf->flow->app = parser->app;
    pf->state = parser->open(m, pf->flow);
    if (!pf->state) {
        pf->is_given_up = true;
        pf->parser = NULL;
    }
    return pf->state != NULL;
}

/* Which parser knows these bytes; *ret_more when some cannot say yet. */
static const struct proto_parser *recognise(const struct mmr_flow *f, const uint8_t *p, size_t n, uint8_t dir,
                                            bool *ret_more)
{
    bool is_tcp = f->proto == IPPROTO_TCP;
    const struct proto_parser *const *list = is_tcp ? tcp_parsers : udp_parsers;
    size_t count = is_tcp ? sizeof tcp_parsers / sizeof tcp_parsers[0] : sizeof udp_parsers / sizeof udp_parsers[0];
    *ret_more = false;
    for (size_t i = 0; i < count; i++) {
        enum proto_match match = list[i]->probe(p, n, dir, f->server_port);
        if (match == PROTO_YES)
            return list[i];
        if (match == PROTO_MORE)
            *ret_more = true;
    }
    return NULL;
}

static void hold(struct proto_flow *pf, const struct mmr_chunk *c)
{
    uint8_t d = c->dir;
    size_t n = PROTO_HOLD_BYTES - pf->n_hold[d];
    if (!pf->hold[d])
        pf->hold[d] = malloc(PROTO_HOLD_BYTES);
    if (!pf->hold[d])
        return;
    n = c->len < n ? c->len : n;
    memcpy(pf->hold[d] + pf->n_hold[d], c->data, n);
    pf->n_hold[d] = (uint16_t)(pf->n_hold[d] + n);
}

/* The protocol is known: what was held goes first, the other direction before this one's. */
static void feed_held(struct proto *m, struct proto_flow *pf, const struct mmr_chunk *c)
{
    for (unsigned i = 0; i < 2; i++) {
        uint8_t d = i == 0 ? !c->dir : c->dir;
        if (!pf->n_hold[d])
            continue;
        struct mmr_chunk held = {.struct_size = sizeof held, .flags = MMR_CHUNK_START, .flow = pf->flow,
                                 .packet = c->packet, .data = pf->hold[d], .len = pf->n_hold[d], .dir = d};
        if (pf->parser)
            feed(m, pf, &held);
    }
    drop_hold(pf);
}

static void on_unknown(struct proto *m, struct proto_flow *pf, const struct mmr_chunk *c)
{
    bool is_tcp = pf->flow->proto == IPPROTO_TCP, is_more;
    bool is_mid = (c->flags & (MMR_CHUNK_MIDSTREAM | MMR_CHUNK_GAP)) != 0;
    uint8_t d = c->dir;
    if (c->len == 0)
        return;
    if (ftp_is_expected(m, pf->flow) && open_parser(m, pf, &proto_ftp_data)) {
        feed(m, pf, c);
        return;
    }
    if (pf->n_hold[d] > 0 && !(c->flags & MMR_CHUNK_GAP) && pf->n_hold[d] < PROTO_HOLD_BYTES) {
        uint16_t before = pf->n_hold[d];
        hold(pf, c);
        const struct proto_parser *parser = recognise(pf->flow, pf->hold[d], pf->n_hold[d], d, &is_more);
        if (parser && open_parser(m, pf, parser)) {
            size_t used = (size_t)pf->n_hold[d] - before;
            feed_held(m, pf, c);
            if (used < c->len && pf->parser) {
                struct mmr_chunk rest = *c;
                rest.data += used;
                rest.len -= (uint32_t)used;
                rest.offset += used;
                rest.flags &= ~(uint32_t)MMR_CHUNK_START;
                feed(m, pf, &rest);
            }
            return;
        }
    } else {
        const struct proto_parser *parser = recognise(pf->flow, c->data, c->len, d, &is_more);
        if (parser && open_parser(m, pf, parser)) {
            feed_held(m, pf, c);
            if (pf->parser)
                feed(m, pf, c);
            return;
        }
        if (is_tcp && (!is_mid || is_more) && pf->n_hold[d] == 0)
            hold(pf, c);
    }
    if (++pf->tries[d] >= (is_mid ? TRIES_MIDSTREAM : TRIES_START) && !is_more) {
        /* the other side may still say what it is: give up when both had their chance */
        free(pf->hold[d]);
        pf->hold[d] = NULL;
        pf->n_hold[d] = 0;
        if (pf->tries[0] + pf->tries[1] >= 2 * TRIES_START && pf->tries[d] >= TRIES_MIDSTREAM / 2) {
            pf->is_given_up = true;
            m->n_unknown++;
            drop_hold(pf);
        }
    }
}

static void on_chunk(void *self, const void *item)
{
    struct proto *m = self;
    const struct mmr_chunk *c = item;
    struct proto_flow *pf = flow_of(m, c->flow);
    if (!pf || pf->is_given_up)
        return;
    if (pf->is_switching) {
        close_parser(m, pf);
        pf->is_switching = false;
        pf->tries[0] = pf->tries[1] = 0;
    }
    if (pf->parser)
        feed(m, pf, c);
    else
        on_unknown(m, pf, c);
}

static void on_flow_end(void *self, const void *item)
{
    struct proto *m = self;
    union { /* the flow's last call: its slots are ours to clear */
        const void *c;
        struct mmr_flow *flow;
    } u = {.c = item};
    struct proto_flow *pf = u.flow->slot[MMR_SLOT_PROTOCOLS];
    if (pf)
        free_flow(m, pf);
    u.flow->slot[MMR_SLOT_PROTOCOLS] = NULL;
}

static void on_packet(void *self, const void *item)
{
    const struct mmr_packet *p = item;
    if (p->ethertype == NET_ETH_ARP || p->proto == IPPROTO_ICMP || p->proto == IPPROTO_ICMPV6)
        proto_link_packet(self, p);
}

/* ---- plugin ---- */

static void destroy(void *self)
{
    struct proto *m = self;
    if (!m)
        return;
    while (m->flows)
        free_flow(m, m->flows);
    proto_http_config_free(m->htp);
    free(m);
}

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    struct proto *m = calloc(1, sizeof *m);
    if (!m)
        return mmr_fail(err, MMR_ENOMEM, "protocols '%s': out of memory", host->instance);
    m->host = host;
    m->cfg = config;
    m->is_replay = !host->state_dir || !host->state_dir[0];
    m->htp = proto_http_config_new();
    if (!m->htp) {
        destroy(m);
        return mmr_fail(err, MMR_ENOMEM, "protocols '%s': out of memory for HTTP", host->instance);
    }
    *ret_self = m;
    return MMR_OK;
}

static const struct mmr_sink chunk_sink = {.struct_size = sizeof chunk_sink, .item = on_chunk};
static const struct mmr_sink flow_sink = {.struct_size = sizeof flow_sink, .item = on_flow_end};

static const struct mmr_sink packet_sink = {.struct_size = sizeof packet_sink, .item = on_packet};

static const void *extension(const char *id)
{
    if (strcmp(id, MMR_TOPIC_STREAM) == 0)
        return &chunk_sink;
    if (strcmp(id, MMR_TOPIC_FLOW) == 0)
        return &flow_sink;
    return strcmp(id, MMR_TOPIC_PACKET) == 0 ? &packet_sink : NULL;
}

static const struct mmr_cfg_key config[] = {
    MMR_CFG(struct proto_config, body_max, MMR_CFG_BYTES, 0, "256K", 1024, 1 << 26,
            "bytes of one HTTP body that are looked at"),
    MMR_CFG(struct proto_config, flow_memory_max, MMR_CFG_BYTES, 0, "1M", 65536, 1 << 28,
            "bytes one message of a binary protocol may take"),
    MMR_CFG(struct proto_config, events, MMR_CFG_BOOL, 0, "true", 0, 0, "send an event for each message"),
    {0},
};

MMR_PLUGIN(protocols) = {
    MMR_PLUGIN_HEAD,
    .id = "org.mamori.protocols",
    .name = "protocols",
    .version = "0.1.0",
    .vendor = "mamori",
    .license = "Apache-2.0",
    .doc = "what the protocols of an office say: HTTP, DNS, TLS, SSH, SMB, DCE/RPC, Kerberos, LDAP, mail, DHCP, ARP",
    .side = MMR_SIDE_NETWORK,
    .events = (const char *const[]){"http.request", "http.response", "dns.query", "dns.answer", "tls.hello", "tls.server", "tls.heartbeat",
                                    "ssh.banner", "smb.tree", "smb.open", "smb.write", "smb.session", "dcerpc.bind",
                                    "dcerpc.call", "krb.request", "krb.reply", "ldap.search", "ldap.bind",
                                    "ftp.command", "ftp.reply", "smtp.mail", "smtp.file", "ftp.file", "dhcp.lease", "host.addr",
                                    "arp.claim", "icmp.message", NULL},
    .config = config,
    .config_size = sizeof(struct proto_config),
    .create = create,
    .destroy = destroy,
    .extension = extension,
};
