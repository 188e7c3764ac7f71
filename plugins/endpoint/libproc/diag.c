/* diag.c - see diag.h. Formats: linux/inet_diag.h. */
#include "diag.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { BUF_BYTES = 32768 };

struct mmr_diag {
    struct mnl_socket *nl;
    uint32_t seq;
    uint16_t protocol, reserved;
    void (*fn)(void *ctx, const struct mmr_diag_sock *s);
    void *ctx;
    char buf[BUF_BYTES];
};

int mmr_diag_open(struct mmr_diag **ret, struct mmr_error *err)
{
    struct timeval wait = {.tv_sec = 1};
    struct mmr_diag *d = calloc(1, sizeof *d);
    if (!d)
        return mmr_fail(err, MMR_ENOMEM, "socket table: out of memory");
    d->nl = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
    if (!d->nl || mnl_socket_bind(d->nl, 0, MNL_SOCKET_AUTOPID) != 0 ||
        setsockopt(mnl_socket_get_fd(d->nl), SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) != 0) {
        int e = errno;
        mmr_diag_close(d);
        return mmr_fail(err, MMR_EUNSUPPORTED, "socket table (inet_diag): %s", strerror(e));
    }
    *ret = d;
    return 0;
}

void mmr_diag_close(struct mmr_diag *d)
{
    if (d && d->nl)
        (void)mnl_socket_close(d->nl);
    free(d);
}

static int on_info(const struct nlattr *a, void *data)
{
    struct mmr_diag_sock *s = data;
    struct tcp_info info;
    if (mnl_attr_get_type(a) != INET_DIAG_INFO)
        return MNL_CB_OK;
    memset(&info, 0, sizeof info);
    size_t n = mnl_attr_get_payload_len(a);
    memcpy(&info, mnl_attr_get_payload(a), n < sizeof info ? n : sizeof info);
    s->bytes_out = info.tcpi_bytes_sent - info.tcpi_bytes_retrans;
    s->bytes_in = info.tcpi_bytes_received;
    return MNL_CB_OK;
}

static int on_socket(const struct nlmsghdr *h, void *data)
{
    struct mmr_diag *d = data;
    struct inet_diag_msg m;
    if (mnl_nlmsg_get_payload_len(h) < sizeof m)
        return MNL_CB_OK;
    memcpy(&m, mnl_nlmsg_get_payload(h), sizeof m);
    struct mmr_diag_sock s = {.family = m.idiag_family, .state = m.idiag_state, .local_port = ntohs(m.id.idiag_sport),
                              .remote_port = ntohs(m.id.idiag_dport), .protocol = d->protocol, .uid = m.idiag_uid, .inode = m.idiag_inode,
                              .cookie = (uint64_t)m.id.idiag_cookie[1] << 32 | m.id.idiag_cookie[0]};
    size_t n = m.idiag_family == AF_INET ? 4 : 16;
    memcpy(s.local, m.id.idiag_src, n);
    memcpy(s.remote, m.id.idiag_dst, n);
    if (mnl_nlmsg_get_payload_len(h) > sizeof m)
        (void)mnl_attr_parse(h, sizeof m, on_info, &s);
    d->fn(d->ctx, &s);
    return MNL_CB_OK;
}

static int dump(struct mmr_diag *d, uint8_t family, uint32_t states, bool is_counted, struct mmr_error *err)
{
    bool is_udp = states == MMR_DIAG_UDP;
    d->protocol = is_udp ? IPPROTO_UDP : IPPROTO_TCP;
    struct inet_diag_req_v2 req = {.sdiag_family = family, .sdiag_protocol = is_udp ? IPPROTO_UDP : IPPROTO_TCP,
                                   .idiag_states = is_udp ? 1 << 1 : states,
                                   .idiag_ext = is_counted ? 1 << (INET_DIAG_INFO - 1) : 0};
    struct nlmsghdr *h = mnl_nlmsg_put_header(d->buf);
    h->nlmsg_type = SOCK_DIAG_BY_FAMILY;
    h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    h->nlmsg_seq = ++d->seq;
    memcpy(mnl_nlmsg_put_extra_header(h, sizeof req), &req, sizeof req);
    if (mnl_socket_sendto(d->nl, h, h->nlmsg_len) < 0)
        return mmr_fail(err, MMR_EIO, "socket table: %s", strerror(errno));
    for (int r = MNL_CB_OK; r > MNL_CB_STOP;) {
        ssize_t n = mnl_socket_recvfrom(d->nl, d->buf, sizeof d->buf);
        r = n < 0 ? -1 : mnl_cb_run(d->buf, (size_t)n, d->seq, mnl_socket_get_portid(d->nl), on_socket, d);
        if (r < 0 && errno == EPROTO) /* the rest of an earlier dump that timed out */
            r = MNL_CB_OK;
        else if (r < 0)
            return mmr_fail(err, errno == EPERM ? MMR_EPERM : MMR_EIO, "socket table: %s", strerror(errno));
    }
    return 0;
}

int mmr_diag_dump(struct mmr_diag *d, uint32_t states, bool is_counted, void (*fn)(void *ctx, const struct mmr_diag_sock *s),
                  void *ctx, struct mmr_error *err)
{
    d->fn = fn;
    d->ctx = ctx;
    int r = dump(d, AF_INET, states, is_counted, err);
    return r ? r : dump(d, AF_INET6, states, is_counted, err);
}
