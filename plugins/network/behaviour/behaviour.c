/* behaviour.c - the behaviour plugin: hands events, packets and chunks to the checks, builds findings. */
#include "behaviour.h"

#include "net_text.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- findings ---- */

static void copy_field(struct mmr_event *ev, const struct mmr_event_view *v, const char *key)
{
    size_t len;
    const char *p = mmr_event_get_str(v, key, &len);
    if (p)
        mmr_event_strn(ev, key, p, len);
}

static void copy_entities(struct mmr_event *ev, const struct mmr_event_view *v)
{
    static const char *const keys[] = {"query.hostname", "http_request.url.path", "http_request.url.hostname",
                                       "http_request.user_agent", "http_request.http_method", "file.path",
                                       "user.name", "unmapped.interface", "unmapped.operation", "unmapped.share"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        copy_field(ev, v, keys[i]);
}

static uint64_t text_hash(const char *s)
{
    uint64_t h = 0xcbf29ce484222325U; /* FNV-1a */
    for (; *s; s++)
        h = (h ^ (uint8_t)*s) * 0x100000001b3U;
    return h;
}

void beh_find(struct beh *b, const struct beh_rule *r, const struct beh_where *w, const char *fmt, ...)
{
    struct memory_key k = memory_key(&w->src, &w->dst, text_hash(r->id));
    int64_t *told = memory_get(&b->told, &k);
    char text[640], addr[NET_ADDR_TEXT];
    struct mmr_event ev;
    va_list ap;
    const int64_t repeat = b->cfg->repeat * 1000000;
    if (told && *told && w->time_ns - *told < repeat && *told - w->time_ns < repeat)
        return;
    if (told)
        *told = w->time_ns;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    mmr_event_begin(&ev, b->out, sizeof b->out, "finding", MMR_CLASS_FINDING, 1, w->time_ns, r->severity);
    mmr_event_str(&ev, "mamori.rule", r->id);
    mmr_event_str(&ev, "finding_info.title", r->title);
    mmr_event_str(&ev, "message", text);
    mmr_event_str(&ev, "mamori.phase", r->phase);
    mmr_event_str(&ev, "mamori.potential", r->potential);
    mmr_event_str(&ev, "mamori.direction", net_direction(w->zones));
    size_t n = 0;
    while (n < 4 && r->attack[n])
        n++;
    mmr_event_strv(&ev, "mamori.attack", r->attack, n);
    mmr_event_str(&ev, "src_endpoint.ip", net_addr_text(&w->src, addr));
    mmr_event_str(&ev, "dst_endpoint.ip", net_addr_text(&w->dst, addr));
    mmr_event_str(&ev, "src_endpoint.mac", w->src_mac[0] ? w->src_mac : NULL);
    if (w->src_port)
        mmr_event_int(&ev, "src_endpoint.port", w->src_port);
    if (w->dst_port)
        mmr_event_int(&ev, "dst_endpoint.port", w->dst_port);
    mmr_event_str(&ev, "connection_info.protocol_name", w->proto);
    mmr_event_str(&ev, "connection_info.uid", w->uid[0] ? w->uid : NULL);
    if (b->is_replay && w->input[0]) {
        mmr_event_str(&ev, "mamori.input", w->input);
        mmr_event_int(&ev, "mamori.index", w->index);
    }
    if (w->count > 1)
        mmr_event_int(&ev, "count", w->count);
    if (w->event)
        copy_entities(&ev, w->event);
    if (mmr_event_emit(&ev, b->host) < 0) {
        char line[256];
        (void)snprintf(line, sizeof line, "behaviour.unsent rule=%s (the finding could not be handed over)", r->id);
        b->host->log(b->host->impl, MMR_LOG_WARN, line);
        if (told)
            *told = 0; /* the next sign of it tries again */
    }
}

void beh_where_flow(struct beh_where *w, const struct mmr_flow *f, const struct mmr_packet *p)
{
    memset(w, 0, sizeof *w);
    w->time_ns = p && p->frame ? p->frame->time_ns : f->last_ns;
    w->src = f->client;
    w->dst = f->server;
    w->zones = f->zones;
    w->proto = f->proto == IPPROTO_TCP ? "tcp" : f->proto == IPPROTO_UDP ? "udp" : "icmp";
    if (f->proto == IPPROTO_TCP || f->proto == IPPROTO_UDP) {
        w->src_port = f->client_port;
        w->dst_port = f->server_port;
    }
    (void)snprintf(w->uid, sizeof w->uid, "%llu", (unsigned long long)f->id);
    if (p && p->frame) {
        (void)snprintf(w->input, sizeof w->input, "%s", p->frame->input ? p->frame->input : "");
        w->index = (int64_t)p->frame->index;
    }
}

/* ---- events ---- */

const char *beh_text(const struct beh_event *e, const char *key, char *buf, size_t cap)
{
    if (!mmr_event_copy_str(&e->view, key, buf, cap))
        buf[0] = '\0';
    return buf;
}

bool beh_is(const struct beh_event *e, const char *key, const char *text)
{
    const struct mmr_value *v = mmr_event_get(&e->view, key);
    return v && mmr_value_is(v, text);
}

int64_t beh_int(const struct beh_event *e, const char *key, int64_t dflt)
{
    return mmr_event_get_int(&e->view, key, dflt);
}

bool beh_flag(const struct beh_event *e, const char *key)
{
    const struct mmr_value *v = mmr_event_get(&e->view, key);
    return v && v->type == MMR_VAL_BOOL && v->n.i;
}

static bool read_addr(const struct beh_event *e, const char *key, struct mmr_addr *ret)
{
    char text[NET_ADDR_TEXT];
    memset(ret, 0, sizeof *ret);
    if (!mmr_event_copy_str(&e->view, key, text, sizeof text))
        return false;
    if (inet_pton(AF_INET, text, ret->b + 12) == 1) {
        ret->b[10] = ret->b[11] = 0xff;
        return true;
    }
    return inet_pton(AF_INET6, text, ret->b) == 1;
}

static void read_where(struct beh_event *e)
{
    struct beh_where *w = &e->where;
    memset(w, 0, sizeof *w);
    w->time_ns = beh_int(e, "time", 0);
    (void)read_addr(e, "src_endpoint.ip", &w->src);
    (void)read_addr(e, "dst_endpoint.ip", &w->dst);
    w->src_port = (uint16_t)beh_int(e, "src_endpoint.port", 0);
    w->dst_port = (uint16_t)beh_int(e, "dst_endpoint.port", 0);
    w->proto = beh_is(e, "connection_info.protocol_name", "udp")    ? "udp"
               : beh_is(e, "connection_info.protocol_name", "icmp") ? "icmp"
                                                                    : "tcp";
    if (beh_is(e, "mamori.direction", "internal"))
        w->zones = MMR_FLOW_CLIENT_INSIDE | MMR_FLOW_SERVER_INSIDE;
    else if (beh_is(e, "mamori.direction", "outbound"))
        w->zones = MMR_FLOW_CLIENT_INSIDE;
    else if (beh_is(e, "mamori.direction", "inbound"))
        w->zones = MMR_FLOW_SERVER_INSIDE;
    (void)mmr_event_copy_str(&e->view, "connection_info.uid", w->uid, sizeof w->uid);
    (void)mmr_event_copy_str(&e->view, "mamori.input", w->input, sizeof w->input);
    w->index = beh_int(e, "mamori.index", 0);
    w->event = &e->view;
}

static int on_event(void *self, const void *msgpack, size_t len, struct mmr_error *err)
{
    struct beh *b = self;
    int rc = mmr_event_read(msgpack, len, &b->ev.view, err);
    if (rc < 0)
        return rc;
    (void)beh_text(&b->ev, "mamori.kind", b->ev.kind, sizeof b->ev.kind);
    read_where(&b->ev);
    lateral_event(b, &b->ev); /* first: it learns the hosts' roles */
    guess_event(b, &b->ev);
    beacon_event(b, &b->ev);
    tunnel_event(b, &b->ev);
    content_event(b, &b->ev);
    callback_event(b, &b->ev);
    spoof_event(b, &b->ev);
    names_event(b, &b->ev);
    generated_event(b, &b->ev);
    exfil_event(b, &b->ev);
    cleartext_event(b, &b->ev);
    directory_event(b, &b->ev);
    return MMR_OK;
}

static void on_packet(void *self, const void *item)
{
    scan_packet(self, item);
    tunnel_packet(self, item);
    exfil_packet(self, item);
}

static void on_chunk(void *self, const void *item)
{
    callback_chunk(self, item);
    content_chunk(self, item);
    cleartext_chunk(self, item);
    logins_chunk(self, item);
    starve_chunk(self, item);
}

/* ---- plugin ---- */

static void destroy(void *self)
{
    struct beh *b = self;
    if (!b)
        return;
    struct memory *const all[] = {&b->told, &b->scan_port, &b->scan_host, &b->scan_slow, &b->guess, &b->web,
                                  &b->poll, &b->dns, &b->icmp, &b->asked, &b->rpc, &b->roles,
                                  &b->claims, &b->named, &b->nameless, &b->sent, &b->failed, &b->leases, &b->looked};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        memory_done(all[i]);
    free(b);
}

static int init_memories(struct beh *b)
{
    const struct {
        struct memory *m;
        uint32_t max, bytes;
    } all[] = {
        {&b->told, 16384, sizeof(int64_t)}, {&b->scan_port, 2048, scan_bytes}, {&b->scan_host, 2048, scan_bytes},
        {&b->scan_slow, 1024, scan_bytes},  {&b->guess, 8192, guess_bytes},    {&b->web, 4096, guess_bytes},
        {&b->poll, 8192, beacon_bytes},     {&b->dns, 16384, dns_bytes},       {&b->icmp, 4096, icmp_bytes},
        {&b->asked, 8192, callback_bytes},  {&b->rpc, 4096, lateral_bytes},    {&b->roles, 1024, sizeof(uint32_t)},
        {&b->claims, 4096, spoof_bytes},      {&b->named, 65536, 1},            {&b->nameless, 1024, nameless_bytes},
        {&b->sent, 16384, sent_bytes},      {&b->failed, 1024, generated_bytes},
        {&b->leases, 64, starve_bytes},     {&b->looked, 1024, directory_bytes},
    };
    int rc = MMR_OK;
    for (size_t i = 0; i < sizeof all / sizeof all[0] && rc == MMR_OK; i++)
        rc = memory_init(all[i].m, all[i].max, all[i].bytes);
    return rc;
}

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    struct beh *b = calloc(1, sizeof *b);
    if (!b)
        return mmr_fail(err, MMR_ENOMEM, "behaviour '%s': out of memory", host->instance);
    b->host = host;
    b->cfg = config;
    b->is_replay = !host->state_dir || !host->state_dir[0];
    if (init_memories(b) < 0) {
        destroy(b);
        return mmr_fail(err, MMR_ENOMEM, "behaviour '%s': out of memory", host->instance);
    }
    *ret_self = b;
    return MMR_OK;
}

static const struct mmr_sink packet_sink = {.struct_size = sizeof packet_sink, .item = on_packet};
static const struct mmr_sink chunk_sink = {.struct_size = sizeof chunk_sink, .item = on_chunk};

static const void *extension(const char *id)
{
    if (strcmp(id, MMR_TOPIC_PACKET) == 0)
        return &packet_sink;
    return strcmp(id, MMR_TOPIC_STREAM) == 0 ? &chunk_sink : NULL;
}

static const struct mmr_cfg_key config[] = {
    MMR_CFG(struct beh_config, domain_controllers, MMR_CFG_STRV, 0, "", 0, 0,
            "addresses of domain controllers; others are learnt from the Kerberos they serve"),
    MMR_CFG(struct beh_config, dns_encoded_ok, MMR_CFG_STRV, 0,
            "mcafee.com,sophosxl.net,sophosxl.com,spamhaus.net,spamhaus.org,surbl.org,senderbase.org,in-addr.arpa,ip6.arpa",
            0, 0, "domains whose long coded names are normal (reputation services)"),
    MMR_CFG(struct beh_config, scan_ports, MMR_CFG_INT, 0, "25", 5, 250,
            "ports of one host that did not answer within a minute: a port scan"),
    MMR_CFG(struct beh_config, scan_hosts, MMR_CFG_INT, 0, "20", 5, 250,
            "hosts that did not answer on one port within a minute: a sweep"),
    MMR_CFG(struct beh_config, scan_slow, MMR_CFG_INT, 0, "120", 20, 250,
            "unanswered attempts of one host within six hours: a slow scan"),
    MMR_CFG(struct beh_config, guesses, MMR_CFG_INT, 0, "8", 3, 10000, "failed logins within five minutes: guessing"),
    MMR_CFG(struct beh_config, sessions, MMR_CFG_INT, 0, "8", 3, 10000,
            "short login sessions of an encrypted service within five minutes: guessing"),
    MMR_CFG(struct beh_config, beacon_polls, MMR_CFG_INT, 0, "6", 4, 1000, "regular requests before a beacon is called one"),
    MMR_CFG(struct beh_config, repeat, MMR_CFG_MSEC, 0, "10m", 1000, 86400000, "the same finding about the same pair is told this often"),
    MMR_CFG(struct beh_config, nameless, MMR_CFG_INT, 0, "20", 5, 60,
            "outside addresses never resolved by name within ten minutes: a hint"),
    MMR_CFG(struct beh_config, exfil_floor, MMR_CFG_BYTES, 0, "100M", 65536, 1LL << 40,
            "less than this sent to one address in an hour is never data leaving"),
    MMR_CFG(struct beh_config, exfil_history, MMR_CFG_MSEC, 0, "3d", 0, 2592000000,
            "a machine is watched this long before what it sends is held against its own history"),
    {0},
};
static const struct mmr_analyzer_ops analyzer = {.struct_size = sizeof analyzer, .event = on_event};

MMR_PLUGIN(behaviour) = {
    MMR_PLUGIN_HEAD,
    .id = "org.mamori.behaviour",
    .name = "behaviour",
    .version = "0.1.0",
    .vendor = "mamori",
    .license = "Apache-2.0",
    .doc = "scans, guessing, beacons, tunnels, callbacks, lateral movement: what hosts do, by statistics",
    .side = MMR_SIDE_NETWORK,
    .detects = MMR_DETECT_INBOUND | MMR_DETECT_OUTBOUND,
    .events = (const char *const[]){"finding", NULL},
    .config = config,
    .config_size = sizeof(struct beh_config),
    .create = create,
    .destroy = destroy,
    .subscribes = (const char *const[]){"flow.start", "flow.end", "http.request", "http.response", "dns.query",
                                        "smb.session", "smb.open", "smb.write", "dcerpc.call", "krb.request",
                                        "krb.reply", "tls.heartbeat", "ftp.reply", "ftp.command", "dns.answer", "tls.hello", "ldap.search", "ldap.bind", "arp.claim", "host.addr", NULL},
    .analyzer = &analyzer,
    .extension = extension,
};
