/* sessions.c - one dump of inet_diag (linux/inet_diag.h): established TCP with local port 22. */
#include "sessions.h"

#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

static int on_socket(const struct nlmsghdr *h, void *data)
{
    struct mmr_sessions *s = data;
    struct inet_diag_msg m;
    struct mmr_addr a = {0};
    if (mnl_nlmsg_get_payload_len(h) < sizeof m)
        return MNL_CB_OK;
    memcpy(&m, mnl_nlmsg_get_payload(h), sizeof m);
    if (ntohs(m.id.idiag_sport) != MMR_SESSIONS_PORT)
        return MNL_CB_OK;
    if (m.idiag_family == AF_INET) {
        a.b[10] = a.b[11] = 0xff;
        memcpy(a.b + 12, m.id.idiag_dst, 4);
    } else {
        memcpy(a.b, m.id.idiag_dst, 16);
    }
    if (s->n < MMR_SESSIONS_MAX && !mmr_sessions_has(s, &a))
        s->addr[s->n++] = a;
    return MNL_CB_OK;
}

static void dump(struct mnl_socket *nl, uint8_t family, uint32_t seq, struct mmr_sessions *s)
{
    char buf[16384];
    struct inet_diag_req_v2 req = {.sdiag_family = family, .sdiag_protocol = IPPROTO_TCP, .idiag_states = 1 << TCP_ESTABLISHED};
    struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
    h->nlmsg_type = SOCK_DIAG_BY_FAMILY;
    h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    h->nlmsg_seq = seq;
    memcpy(mnl_nlmsg_put_extra_header(h, sizeof req), &req, sizeof req);
    if (mnl_socket_sendto(nl, h, h->nlmsg_len) < 0)
        return;
    for (int r = MNL_CB_OK; r > MNL_CB_STOP;) {
        ssize_t n = mnl_socket_recvfrom(nl, buf, sizeof buf);
        if (n < 0)
            return;
        r = mnl_cb_run(buf, (size_t)n, seq, mnl_socket_get_portid(nl), on_socket, s);
    }
}

void mmr_sessions_learn(struct mmr_sessions *ret)
{
    struct timeval wait = {.tv_sec = 1};
    struct mnl_socket *nl = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
    memset(ret, 0, sizeof *ret);
    if (nl && mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) == 0 &&
        setsockopt(mnl_socket_get_fd(nl), SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == 0) {
        dump(nl, AF_INET, 1, ret);
        dump(nl, AF_INET6, 2, ret);
    }
    if (nl)
        (void)mnl_socket_close(nl);
}

bool mmr_sessions_has(const struct mmr_sessions *s, const struct mmr_addr *a)
{
    for (uint32_t i = 0; i < s->n; i++)
        if (memcmp(&s->addr[i], a, sizeof *a) == 0)
            return true;
    return false;
}
