/* line.c - libpcap for what comes in, raw sockets for what goes out. */
#include "line.h"

#include "net_decode.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    SNAP = 256,         /* headers with all their options; how long the data is, they say */
    RING_BYTES = 1 << 20,
    BATCH = 512,        /* packets per wake */
    FILTER_MAX = 64 + RESET_LINE_ADDRS * (INET6_ADDRSTRLEN + 10),
};
struct input {
    pcap_t *pcap;
    uint32_t linktype;
    int fd;
};
struct reset_line {
    const struct mmr_host *host;
    const struct reset_line_config *cfg;
    struct input in[RESET_LINE_INPUTS];
    int raw4, raw6;
};

static int open_raw(int family, const char *by, int *ret, struct mmr_error *err)
{
    const int on = 1;
    *ret = socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW); /* IPPROTO_RAW: the IP header is ours */
    if (*ret < 0)
        return family == AF_INET6 && errno == EAFNOSUPPORT /* a machine without IPv6 */
                   ? 0
                   : mmr_fail(err, errno == EPERM || errno == EACCES ? MMR_EPERM : MMR_EIO, "reset: raw socket: %s; grant the plugin 'capture'",
                              strerror(errno));
    if (family == AF_INET6 && setsockopt(*ret, IPPROTO_IPV6, IPV6_HDRINCL, &on, sizeof on) != 0)
        return mmr_fail(err, MMR_EUNSUPPORTED, "reset: raw socket of IPv6: %s", strerror(errno));
    if (by[0] && setsockopt(*ret, SOL_SOCKET, SO_BINDTODEVICE, by, (socklen_t)strlen(by)) != 0)
        return mmr_fail(err, MMR_ECONFIG, "reset: send_by '%.40s': %s; name an interface of this machine", by, strerror(errno));
    return 0;
}

int reset_line_new(const struct mmr_host *host, const struct reset_line_config *cfg, struct reset_line **ret, struct mmr_error *err)
{
    if (cfg->interfaces.n > RESET_LINE_INPUTS)
        return mmr_fail(err, MMR_ECONFIG, "reset: interfaces: %zu, at most %d", cfg->interfaces.n, RESET_LINE_INPUTS);
    struct reset_line *l = calloc(1, sizeof *l);
    if (!l)
        return mmr_fail(err, MMR_ENOMEM, "reset: out of memory");
    l->host = host;
    l->cfg = cfg;
    l->raw4 = l->raw6 = -1;
    int r = open_raw(AF_INET, cfg->send_by, &l->raw4, err);
    if (!r)
        r = open_raw(AF_INET6, cfg->send_by, &l->raw6, err);
    if (r) {
        reset_line_free(l);
        return r;
    }
    *ret = l;
    return 0;
}

static void stop_input(struct reset_line *l, struct input *in)
{
    if (!in->pcap)
        return;
    (void)l->host->watch_fd(l->host->impl, in->fd, 0, (uint64_t)(in - l->in));
    pcap_close(in->pcap);
    *in = (struct input){0};
}

void reset_line_free(struct reset_line *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < RESET_LINE_INPUTS; i++)
        stop_input(l, &l->in[i]);
    if (l->raw4 >= 0)
        (void)close(l->raw4);
    if (l->raw6 >= 0)
        (void)close(l->raw6);
    free(l);
}

static int start_input(struct reset_line *l, struct input *in, const char *name, struct mmr_error *err)
{
    char text[PCAP_ERRBUF_SIZE] = "";
    pcap_t *p = pcap_create(name, text);
    if (!p)
        return mmr_fail(err, MMR_EIO, "interface '%.40s': %.120s", name, text);
    (void)pcap_set_snaplen(p, SNAP);
    (void)pcap_set_promisc(p, strcmp(name, "any") != 0);
    (void)pcap_set_immediate_mode(p, 1); /* a reset that comes late loses */
    (void)pcap_set_buffer_size(p, RING_BYTES);
    int rc = pcap_activate(p);
    if (rc >= 0 && pcap_setnonblock(p, 1, text) == 0) {
        *in = (struct input){.pcap = p, .fd = pcap_get_selectable_fd(p), .linktype = (uint32_t)pcap_datalink(p)};
        rc = l->host->watch_fd(l->host->impl, in->fd, MMR_FD_READ, (uint64_t)(in - l->in));
        if (rc == 0)
            return 0;
        *in = (struct input){0};
    }
    rc = mmr_fail(err, rc == PCAP_ERROR_PERM_DENIED ? MMR_EPERM : MMR_EIO, "interface '%.40s': %.60s %.60s", name, pcap_statustostr(rc), pcap_geterr(p));
    pcap_close(p);
    return rc;
}

static void filter_of(const struct mmr_addr *addr, size_t n, char *buf, size_t cap)
{
    size_t len = (size_t)snprintf(buf, cap, "tcp and (");
    for (size_t i = 0; i < n && i < RESET_LINE_ADDRS; i++) {
        char a[INET6_ADDRSTRLEN];
        const bool is4 = net_addr_is4(&addr[i]);
        (void)inet_ntop(is4 ? AF_INET : AF_INET6, addr[i].b + (is4 ? 12 : 0), a, sizeof a);
        len += (size_t)snprintf(buf + len, cap - len, "%shost %s", i ? " or " : "", a);
    }
    (void)snprintf(buf + len, cap - len, ")");
}

int reset_line_listen(struct reset_line *l, const struct mmr_addr *addr, size_t n, struct mmr_error *err)
{
    char filter[FILTER_MAX];
    size_t good = 0;
    int r = 0;
    filter_of(addr, n, filter, sizeof filter);
    for (size_t i = 0; i < l->cfg->interfaces.n; i++) {
        struct input *in = &l->in[i];
        struct bpf_program prog;
        if (n == 0) {
            stop_input(l, in);
            continue;
        }
        if (!in->pcap && (r = start_input(l, in, l->cfg->interfaces.v[i], err)) != 0)
            continue;
        /* a machine's tags of virtual networks are off before the filter sees the packet: no word of them here */
        if (pcap_compile(in->pcap, &prog, filter, 1, PCAP_NETMASK_UNKNOWN) != 0) {
            r = mmr_fail(err, MMR_EIO, "interface '%.40s': filter: %.120s", l->cfg->interfaces.v[i], pcap_geterr(in->pcap));
            stop_input(l, in);
            continue;
        }
        if (pcap_setfilter(in->pcap, &prog) == 0) {
            good++;
        } else {
            r = mmr_fail(err, MMR_EIO, "interface '%.40s': filter: %.120s", l->cfg->interfaces.v[i], pcap_geterr(in->pcap));
            stop_input(l, in);
        }
        pcap_freecode(&prog);
    }
    return n == 0 || good ? 0 : r ? r : mmr_fail(err, MMR_ECONFIG, "reset: no interface to look at; name them in 'interfaces'");
}

struct reading {
    const struct input *in;
    reset_line_packet packet;
    void *ctx;
};

static void on_packet(uint8_t *user, const struct pcap_pkthdr *h, const uint8_t *data)
{
    struct reading r;
    struct mmr_packet p;
    struct net_extra extra;
    memcpy(&r, user, sizeof r);
    struct mmr_frame f = {.struct_size = sizeof f, .linktype = r.in->linktype, .data = data, .cap_len = h->caplen, .wire_len = h->len, .input = "line"};
    if (net_decode(&f, false, &p, &extra) != NET_DECODED_IP || p.proto != IPPROTO_TCP || (p.flags & MMR_PKT_MALFORMED && !extra.missing))
        return;
    p.payload_len += extra.missing; /* nobody reads the data, everybody counts it */
    r.packet(r.ctx, &p);
}

void reset_line_readable(struct reset_line *l, uint64_t cookie, reset_line_packet packet, void *ctx)
{
    if (cookie >= RESET_LINE_INPUTS || !l->in[cookie].pcap)
        return;
    const struct input in = l->in[cookie]; /* what it leads to may stop the input */
    const struct reading r = {.in = &in, .packet = packet, .ctx = ctx};
    uint8_t user[sizeof r];
    memcpy(user, &r, sizeof r);
    if (pcap_dispatch(in.pcap, BATCH, on_packet, user) >= 0)
        return;
    char text[160];
    (void)snprintf(text, sizeof text, "reset.lost interface=%.40s error=\"%.80s\"", l->cfg->interfaces.v[cookie], pcap_geterr(in.pcap));
    l->host->log(l->host->impl, MMR_LOG_WARN, text);
    stop_input(l, &l->in[cookie]); /* the next cut opens it again */
}

int reset_line_send(struct reset_line *l, const struct reset_segment *s, struct mmr_error *err)
{
    uint8_t buf[RESET_SEGMENT_MAX];
    const size_t len = reset_segment_write(s, buf);
    ssize_t n;
    if (net_addr_is4(&s->dst)) {
        struct sockaddr_in to = {.sin_family = AF_INET};
        memcpy(&to.sin_addr, s->dst.b + 12, 4);
        n = sendto(l->raw4, buf, len, 0, (const struct sockaddr *)(const void *)&to, sizeof to);
    } else {
        struct sockaddr_in6 to = {.sin6_family = AF_INET6};
        memcpy(&to.sin6_addr, s->dst.b, 16);
        n = sendto(l->raw6, buf, len, 0, (const struct sockaddr *)(const void *)&to, sizeof to);
    }
    return n == (ssize_t)len ? 0 : mmr_fail(err, MMR_EIO, "a reset cannot be sent: %s", strerror(errno));
}
