/* conntrack.c - see conntrack.h. Formats: linux/netfilter/nfnetlink_conntrack.h. */
#include "conntrack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BUF_BYTES = 32768, TUPLE_BYTES = 128, WAIT_S = 2 };

struct found { /* the original direction's tuple, as the kernel wrote it; it names the connection */
    uint16_t len, zone;
    uint8_t family;
    uint8_t bytes[TUPLE_BYTES];
};
struct search {
    const struct mmr_deny_key *k;
    size_t n_keys;
    struct found *list;
    unsigned n;
};
struct attrs {
    const struct nlattr *tb[32];
};

static int collect(const struct nlattr *a, void *data)
{
    struct attrs *t = data;
    if (mnl_attr_get_type(a) < 32)
        t->tb[mnl_attr_get_type(a)] = a;
    return MNL_CB_OK;
}

static bool addr_of(const struct nlattr *v4, const struct nlattr *v6, struct mmr_addr *ret)
{
    memset(ret, 0, sizeof *ret);
    if (v4 && mnl_attr_get_payload_len(v4) == 4) {
        ret->b[10] = ret->b[11] = 0xff;
        memcpy(ret->b + 12, mnl_attr_get_payload(v4), 4);
        return true;
    }
    if (!v6 || mnl_attr_get_payload_len(v6) != 16)
        return false;
    memcpy(ret->b, mnl_attr_get_payload(v6), 16);
    return true;
}

/* Is this tuple's source or destination denied, on the service that k names? */
static bool tuple_is(const struct mmr_deny_key *k, const struct nlattr *tuple)
{
    struct attrs t = {{0}}, ip = {{0}}, p = {{0}};
    struct mmr_addr a;
    (void)mnl_attr_parse_nested(tuple, collect, &t);
    if (!t.tb[CTA_TUPLE_IP])
        return false;
    (void)mnl_attr_parse_nested(t.tb[CTA_TUPLE_IP], collect, &ip);
    if (k->port) {
        if (!t.tb[CTA_TUPLE_PROTO])
            return false;
        (void)mnl_attr_parse_nested(t.tb[CTA_TUPLE_PROTO], collect, &p);
        if (!p.tb[CTA_PROTO_NUM] || mnl_attr_get_u8(p.tb[CTA_PROTO_NUM]) != k->proto || !p.tb[CTA_PROTO_DST_PORT] ||
            ntohs(mnl_attr_get_u16(p.tb[CTA_PROTO_DST_PORT])) != k->port)
            return false;
    }
    return (addr_of(ip.tb[CTA_IP_V4_SRC], ip.tb[CTA_IP_V6_SRC], &a) && mmr_deny_covers(k, &a)) ||
           (addr_of(ip.tb[CTA_IP_V4_DST], ip.tb[CTA_IP_V6_DST], &a) && mmr_deny_covers(k, &a));
}

static bool is_denied(const struct search *s, const struct nlattr *orig, const struct nlattr *reply)
{
    for (size_t i = 0; i < s->n_keys; i++)
        /* the reply's tuple too: behind address translation the other end shows only there */
        if (tuple_is(&s->k[i], orig) || (!s->k[i].port && reply && tuple_is(&s->k[i], reply)))
            return true;
    return false;
}

static int on_connection(const struct nlmsghdr *h, void *data)
{
    struct search *s = data;
    struct attrs t = {{0}};
    (void)mnl_attr_parse(h, sizeof(struct nfgenmsg), collect, &t);
    const struct nlattr *orig = t.tb[CTA_TUPLE_ORIG];
    if (!orig || s->n == MMR_CONNTRACK_MAX || !is_denied(s, orig, t.tb[CTA_TUPLE_REPLY]))
        return MNL_CB_OK;
    uint16_t len = mnl_attr_get_payload_len(orig);
    if (len > TUPLE_BYTES)
        return MNL_CB_OK;
    struct found *f = &s->list[s->n++];
    f->len = len;
    f->family = ((const struct nfgenmsg *)mnl_nlmsg_get_payload(h))->nfgen_family;
    f->zone = t.tb[CTA_ZONE] ? mnl_attr_get_u16(t.tb[CTA_ZONE]) : 0;
    memcpy(f->bytes, mnl_attr_get_payload(orig), len);
    return MNL_CB_OK;
}

static struct nlmsghdr *put_head(void *buf, unsigned msg, uint16_t flags, uint32_t seq, uint8_t family)
{
    struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
    struct nfgenmsg *g = mnl_nlmsg_put_extra_header(h, sizeof *g);
    h->nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | msg);
    h->nlmsg_flags = NLM_F_REQUEST | flags;
    h->nlmsg_seq = seq;
    g->nfgen_family = family;
    g->version = NFNETLINK_V0;
    g->res_id = 0;
    return h;
}

/* One request and its answers; 0 or an errno. */
static int ask(struct mnl_socket *nl, struct nlmsghdr *h, mnl_cb_t cb, void *data, char *buf)
{
    uint32_t seq = h->nlmsg_seq, port = mnl_socket_get_portid(nl);
    int r = MNL_CB_OK;
    if (mnl_socket_sendto(nl, h, h->nlmsg_len) < 0)
        return errno;
    while (r > MNL_CB_STOP) {
        ssize_t n = mnl_socket_recvfrom(nl, buf, BUF_BYTES);
        if (n < 0)
            return errno;
        r = mnl_cb_run(buf, (size_t)n, seq, port, cb, data);
        if (r < 0)
            return errno;
    }
    return 0;
}

int mmr_conntrack_forget(const struct mmr_deny_key *k, size_t n_keys, unsigned *ret_n, struct mmr_error *err)
{
    const struct timeval wait = {.tv_sec = WAIT_S};
    uint32_t seq = (uint32_t)time(NULL);
    unsigned n = 0;
    int code = 0;
    char *buf = malloc(BUF_BYTES), req[512];
    struct search s = {.k = k, .n_keys = n_keys, .list = calloc(MMR_CONNTRACK_MAX, sizeof *s.list)};
    struct mnl_socket *nl = buf && s.list ? mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC) : NULL;
    if (!buf || !s.list) {
        free(buf);
        free(s.list);
        return mmr_fail(err, MMR_ENOMEM, "conntrack: out of memory");
    }
    if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
        setsockopt(mnl_socket_get_fd(nl), SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) != 0)
        code = errno;
    if (!code)
        code = ask(nl, put_head(req, IPCTNL_MSG_CT_GET, NLM_F_DUMP, seq++, AF_UNSPEC), on_connection, &s, buf);
    for (unsigned i = 0; !code && i < s.n; i++) {
        struct nlmsghdr *h = put_head(req, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, seq++, s.list[i].family);
        mnl_attr_put(h, NLA_F_NESTED | CTA_TUPLE_ORIG, s.list[i].len, s.list[i].bytes);
        if (s.list[i].zone)
            mnl_attr_put_u16(h, CTA_ZONE, s.list[i].zone);
        int e = ask(nl, h, NULL, NULL, buf);
        n += e == 0;
        if (e && e != ENOENT) /* gone by itself is as good */
            code = e;
    }
    if (nl)
        (void)mnl_socket_close(nl);
    free(buf);
    free(s.list);
    *ret_n = n;
    if (!code)
        return 0;
    return mmr_fail(err, code == EPERM ? MMR_EPERM : code == EINVAL || code == EOPNOTSUPP ? MMR_EUNSUPPORTED : MMR_EIO, "conntrack: %s",
                    strerror(code));
}
