/* sockets.c - NETLINK_SOCK_DIAG dumps and SOCK_DESTROY. Formats: linux/inet_diag.h. */
#include "sockets.h"

#include <dirent.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOUND_MAX = 1024, BUF_BYTES = 32768, TCP_STATES_LIVE = 0xfff & ~(1 << TCP_LISTEN | 1 << TCP_TIME_WAIT | 1 << TCP_CLOSE) };

struct found {
    const struct mmr_tuple *want;
    struct inet_diag_sockid id[FOUND_MAX];
    uint8_t family[FOUND_MAX];
    uint32_t inode[FOUND_MAX];
    uid_t uid[FOUND_MAX];
    uint32_t n;
    bool has_open; /* sockets that are not connected too: for whom they belong to, never for ending them */
};

static void to_addr(uint8_t family, const __be32 *src, struct mmr_addr *ret)
{
    memset(ret, 0, sizeof *ret);
    if (family == AF_INET) {
        ret->b[10] = ret->b[11] = 0xff;
        memcpy(ret->b + 12, src, 4);
    } else {
        memcpy(ret->b, src, 16);
    }
}

static bool end_is(const struct mmr_addr *have, uint16_t port, const struct mmr_addr *want, uint16_t want_port)
{
    static const struct mmr_addr any;
    return (memcmp(want, &any, sizeof any) == 0 || memcmp(have, want, sizeof *have) == 0) && (!want_port || port == want_port);
}

/* A UDP socket that is not connected talks with anybody: its own end is all there is to compare, and an address only when
 * it is bound to one. */
static bool is_open_end(const struct mmr_addr *have, uint16_t port, const struct mmr_addr *want, uint16_t want_port)
{
    static const uint8_t v4_any[16] = {[10] = 0xff, [11] = 0xff};
    static const struct mmr_addr any;
    bool is_any = memcmp(have, &any, sizeof any) == 0 || memcmp(have->b, v4_any, sizeof v4_any) == 0;
    return want_port && port == want_port && (is_any || memcmp(have, want, sizeof *have) == 0);
}

static int on_socket(const struct nlmsghdr *h, void *data)
{
    struct found *f = data;
    struct inet_diag_msg m;
    struct mmr_addr src, dst;
    if (mnl_nlmsg_get_payload_len(h) < sizeof m || f->n == FOUND_MAX)
        return MNL_CB_OK;
    memcpy(&m, mnl_nlmsg_get_payload(h), sizeof m);
    uint16_t sport = ntohs(m.id.idiag_sport), dport = ntohs(m.id.idiag_dport);
    to_addr(m.idiag_family, m.id.idiag_src, &src);
    to_addr(m.idiag_family, m.id.idiag_dst, &dst);
    const struct mmr_tuple *w = f->want;
    const bool is_open = f->has_open && w->proto == IPPROTO_UDP && !dport &&
                         (is_open_end(&src, sport, &w->a, w->a_port) || is_open_end(&src, sport, &w->b, w->b_port));
    if (!is_open && !(end_is(&src, sport, &w->a, w->a_port) && end_is(&dst, dport, &w->b, w->b_port)) &&
        !(end_is(&src, sport, &w->b, w->b_port) && end_is(&dst, dport, &w->a, w->a_port)))
        return MNL_CB_OK;
    f->id[f->n] = m.id;
    f->family[f->n] = m.idiag_family;
    f->inode[f->n] = m.idiag_inode;
    f->uid[f->n] = m.idiag_uid;
    f->n++;
    return MNL_CB_OK;
}

static int request(struct mnl_socket *nl, uint16_t type, uint16_t flags, const struct inet_diag_req_v2 *req, mnl_cb_t cb, void *data)
{
    char buf[BUF_BYTES];
    struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
    h->nlmsg_type = type;
    h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    h->nlmsg_seq = 1;
    memcpy(mnl_nlmsg_put_extra_header(h, sizeof *req), req, sizeof *req);
    if (mnl_socket_sendto(nl, h, h->nlmsg_len) < 0)
        return errno;
    for (int r = MNL_CB_OK; r > MNL_CB_STOP;) {
        ssize_t n = mnl_socket_recvfrom(nl, buf, sizeof buf);
        if (n < 0)
            return errno;
        r = mnl_cb_run(buf, (size_t)n, 1, mnl_socket_get_portid(nl), cb, data);
        if (r < 0)
            return errno;
    }
    return 0;
}

static struct mnl_socket *open_diag(struct mmr_error *err)
{
    struct timeval wait = {.tv_sec = 2};
    struct mnl_socket *nl = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
    if (nl && mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) == 0 &&
        setsockopt(mnl_socket_get_fd(nl), SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == 0)
        return nl;
    (void)mmr_fail(err, MMR_EUNSUPPORTED, "socket table (inet_diag): %s", strerror(errno));
    if (nl)
        (void)mnl_socket_close(nl);
    return NULL;
}

static int dump(struct mnl_socket *nl, struct found *f, struct mmr_error *err)
{
    static const uint8_t families[] = {AF_INET, AF_INET6}; /* a v4 peer of a v6 socket shows as mapped */
    for (size_t i = 0; i < 2; i++) {
        struct inet_diag_req_v2 req = {.sdiag_family = families[i], .sdiag_protocol = f->want->proto,
                                       .idiag_states = f->want->proto == IPPROTO_TCP ? TCP_STATES_LIVE : ~0u};
        int e = request(nl, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &req, on_socket, f);
        if (e)
            return mmr_fail(err, e == EPERM ? MMR_EPERM : MMR_EIO, "socket table: %s", strerror(e));
    }
    return 0;
}

int mmr_sockets_count(const struct mmr_tuple *t, uint32_t *ret_n, struct mmr_error *err)
{
    struct mnl_socket *nl = open_diag(err);
    struct found *f = calloc(1, sizeof *f);
    int r = !nl ? MMR_EUNSUPPORTED : !f ? mmr_fail(err, MMR_ENOMEM, "socket table: out of memory") : 0;
    if (!r) {
        f->want = t;
        r = dump(nl, f, err);
    }
    if (!r)
        *ret_n = f->n;
    free(f);
    if (nl)
        (void)mnl_socket_close(nl);
    return r;
}

int mmr_sockets_cut(const struct mmr_tuple *t, uint32_t *ret_cut, struct mmr_error *err)
{
    struct mnl_socket *nl = open_diag(err);
    struct found *f = calloc(1, sizeof *f);
    int r = !nl ? MMR_EUNSUPPORTED : !f ? mmr_fail(err, MMR_ENOMEM, "socket table: out of memory") : 0;
    if (!r) {
        f->want = t;
        r = dump(nl, f, err);
    }
    *ret_cut = 0;
    for (uint32_t i = 0; !r && i < f->n; i++) {
        struct inet_diag_req_v2 req = {.sdiag_family = f->family[i], .sdiag_protocol = t->proto, .idiag_states = ~0u,
                                       .id = f->id[i]};
        int e = request(nl, SOCK_DESTROY, NLM_F_ACK, &req, NULL, NULL);
        if (e && e != ENOENT)
            r = mmr_fail(err, e == EPERM ? MMR_EPERM : e == EOPNOTSUPP ? MMR_EUNSUPPORTED : MMR_EIO, "ending a connection: %s",
                         strerror(e));
        else
            (*ret_cut)++;
    }
    free(f);
    if (nl)
        (void)mnl_socket_close(nl);
    return r;
}

/* The inodes of the sockets of every process of our executable. */
static size_t own_inodes(unsigned *ret, size_t cap)
{
    struct stat mine, theirs;
    size_t n = 0;
    DIR *proc = stat("/proc/self/exe", &mine) == 0 ? opendir("/proc") : NULL;
    for (const struct dirent *e; proc && (e = readdir(proc));) {
        char path[320], link[600], to[64];
        long pid = strtol(e->d_name, NULL, 10);
        (void)snprintf(path, sizeof path, "/proc/%ld/exe", pid);
        if (pid <= 0 || stat(path, &theirs) != 0 || theirs.st_ino != mine.st_ino || theirs.st_dev != mine.st_dev)
            continue;
        (void)snprintf(path, sizeof path, "/proc/%ld/fd", pid);
        DIR *fds = opendir(path);
        for (const struct dirent *l; fds && (l = readdir(fds)) && n < cap;) {
            (void)snprintf(link, sizeof link, "%s/%s", path, l->d_name);
            ssize_t len = readlink(link, to, sizeof to - 1);
            to[len > 0 ? len : 0] = '\0';
            if (sscanf(to, "socket:[%u]", &ret[n]) == 1)
                n++;
        }
        if (fds)
            (void)closedir(fds);
    }
    if (proc)
        (void)closedir(proc);
    return n;
}

struct peers {
    const unsigned *inode;
    size_t n_inode, n, cap;
    struct mmr_addr *ret;
};

static int on_own(const struct nlmsghdr *h, void *data)
{
    struct peers *p = data;
    struct inet_diag_msg m;
    struct mmr_addr a;
    if (mnl_nlmsg_get_payload_len(h) < sizeof m || p->n == p->cap)
        return MNL_CB_OK;
    memcpy(&m, mnl_nlmsg_get_payload(h), sizeof m);
    bool is_own = false;
    for (size_t i = 0; i < p->n_inode && !is_own; i++)
        is_own = m.idiag_inode && p->inode[i] == m.idiag_inode;
    if (!is_own)
        return MNL_CB_OK;
    to_addr(m.idiag_family, m.id.idiag_dst, &a);
    const bool is_v4 = memcmp(a.b, "\0\0\0\0\0\0\0\0\0\0\377\377", 12) == 0;
    bool is_known = is_v4 ? a.b[12] == 127 : memcmp(a.b, &in6addr_loopback, 16) == 0;
    for (size_t i = 0; i < p->n && !is_known; i++)
        is_known = memcmp(&p->ret[i], &a, sizeof a) == 0;
    if (!is_known)
        p->ret[p->n++] = a;
    return MNL_CB_OK;
}

size_t mmr_sockets_own_peers(struct mmr_addr *ret, size_t cap)
{
    enum { INODES_MAX = 4096 };
    struct mmr_error err = {.struct_size = sizeof err};
    unsigned *inode = calloc(INODES_MAX, sizeof *inode);
    struct mnl_socket *nl = inode ? open_diag(&err) : NULL;
    struct peers p = {.inode = inode, .n_inode = inode ? own_inodes(inode, INODES_MAX) : 0, .ret = ret, .cap = cap};
    static const uint8_t families[] = {AF_INET, AF_INET6};
    for (size_t i = 0; nl && i < 2; i++) {
        struct inet_diag_req_v2 req = {.sdiag_family = families[i], .sdiag_protocol = IPPROTO_TCP, .idiag_states = 1 << TCP_ESTABLISHED};
        (void)request(nl, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &req, on_own, &p);
    }
    if (nl)
        (void)mnl_socket_close(nl);
    free(inode);
    return p.n;
}

/* Which process has a descriptor for the socket with this inode. */
static pid_t holder_of(uint32_t inode)
{
    char want[32];
    pid_t found = -1;
    const struct dirent *e;
    DIR *proc = opendir("/proc");
    (void)snprintf(want, sizeof want, "socket:[%u]", inode);
    while (proc && found < 0 && (e = readdir(proc))) {
        char path[320];
        const struct dirent *l;
        long pid = strtol(e->d_name, NULL, 10);
        if (pid <= 0)
            continue;
        (void)snprintf(path, sizeof path, "/proc/%ld/fd", pid);
        DIR *fds = opendir(path);
        while (fds && found < 0 && (l = readdir(fds))) {
            char link[600], to[64];
            (void)snprintf(link, sizeof link, "%s/%s", path, l->d_name);
            ssize_t n = readlink(link, to, sizeof to - 1);
            if (n <= 0)
                continue;
            to[n] = '\0';
            if (strcmp(to, want) == 0)
                found = (pid_t)pid;
        }
        if (fds)
            (void)closedir(fds);
    }
    if (proc)
        (void)closedir(proc);
    return found;
}

int mmr_sockets_owner(const struct mmr_tuple *t, pid_t *ret_pid, uid_t *ret_uid, struct mmr_error *err)
{
    struct mnl_socket *nl = open_diag(err);
    struct found *f = calloc(1, sizeof *f);
    int r = !nl ? MMR_EUNSUPPORTED : !f ? mmr_fail(err, MMR_ENOMEM, "socket table: out of memory") : 0;
    pid_t pid = -1;
    if (!r) {
        f->want = t;
        f->has_open = true;
        r = dump(nl, f, err);
    }
    for (uint32_t i = 0; !r && i < f->n && pid < 0; i++)
        if (f->inode[i] && (pid = holder_of(f->inode[i])) > 0)
            *ret_uid = f->uid[i];
    if (!r && pid < 0)
        r = mmr_fail(err, MMR_ENOENT, "no process of this machine holds that connection");
    if (!r)
        *ret_pid = pid;
    free(f);
    if (nl)
        (void)mnl_socket_close(nl);
    return r;
}
