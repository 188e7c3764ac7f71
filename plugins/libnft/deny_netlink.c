/* deny_netlink.c - elements of the deny sets through netlink: add, delete, read back; the rule check;
 * notifications. Formats: linux/netfilter/nf_tables.h. */
#include "deny_internal.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Rules of one chain as say_rules() writes them: loopback, 2 never, 2 families x 2 directions x 3 forms; in family bridge say_cards() adds 2. */
enum { RULES_PER_CHAIN = 1 + 2 + 12, CARD_RULES = 2, BUF_BYTES = 16384 };

int mmr_deny_nl_open(struct mmr_deny *d, struct mmr_error *err)
{
    unsigned group = NFNLGRP_NFTABLES;
    int on = 1;
    struct timeval wait = {.tv_sec = 2}; /* the kernel answers at once; never hang a loop */
    d->seq = (uint32_t)time(NULL);
    d->nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
    d->events = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (!d->nl || !d->events || mnl_socket_bind(d->nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
        mnl_socket_bind(d->events, 0, MNL_SOCKET_AUTOPID) < 0 ||
        mnl_socket_setsockopt(d->events, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0)
        return mmr_fail(err, errno == EPERM ? MMR_EPERM : MMR_EUNSUPPORTED, "nftables netlink: %s", strerror(errno));
    (void)mnl_socket_setsockopt(d->nl, NETLINK_NO_ENOBUFS, &on, sizeof on);
    if (setsockopt(mnl_socket_get_fd(d->nl), SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) != 0)
        return mmr_fail(err, MMR_EIO, "nftables netlink: %s", strerror(errno));
    d->port_id = mnl_socket_get_portid(d->nl);
    return 0;
}

static struct nlmsghdr *put_head(void *at, uint16_t type, uint16_t flags, uint32_t seq, uint8_t family, uint16_t res_id)
{
    struct nlmsghdr *h = mnl_nlmsg_put_header(at);
    struct nfgenmsg *g = mnl_nlmsg_put_extra_header(h, sizeof *g);
    h->nlmsg_type = type;
    h->nlmsg_flags = NLM_F_REQUEST | flags;
    h->nlmsg_seq = seq;
    g->nfgen_family = family;
    g->version = NFNETLINK_V0;
    g->res_id = htons(res_id);
    return h;
}

static uint16_t nft_type(unsigned msg)
{
    return (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | msg);
}

/* The bytes of the set's key: fields padded to registers of four bytes. */
static size_t key_bytes(const struct mmr_deny_key *k, uint8_t buf[24])
{
    size_t n = 0;
    if (k->is_card) {
        memcpy(buf, k->addr.b, 6);
        return 6;
    }
    if (mmr_deny_is_v4(&k->addr)) {
        memcpy(buf, k->addr.b + 12, 4);
        n = 4;
    } else {
        memcpy(buf, k->addr.b, 16);
        n = 16;
    }
    if (k->port) {
        uint16_t port = htons(k->port);
        memset(buf + n, 0, 8);
        buf[n] = k->proto;
        memcpy(buf + n + 4, &port, 2);
        n += 8;
    }
    return n;
}

static void put_element(struct nlmsghdr *h, const struct mmr_deny *d, const struct mmr_deny_key *k, int64_t timeout_ms)
{
    uint8_t key[24];
    size_t len = key_bytes(k, key);
    mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, d->table);
    mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, mmr_deny_set_name(k));
    struct nlattr *list = mnl_attr_nest_start(h, NFTA_SET_ELEM_LIST_ELEMENTS);
    struct nlattr *elem = mnl_attr_nest_start(h, NFTA_LIST_ELEM);
    struct nlattr *nest = mnl_attr_nest_start(h, NFTA_SET_ELEM_KEY);
    mnl_attr_put(h, NFTA_DATA_VALUE, len, key);
    mnl_attr_nest_end(h, nest);
    if (timeout_ms > 0)
        mnl_attr_put_u64(h, NFTA_SET_ELEM_TIMEOUT, htobe64((uint64_t)timeout_ms));
    mnl_attr_nest_end(h, elem);
    mnl_attr_nest_end(h, list);
}

/* Read answers until each of the messages first..last is acknowledged; the first errno, or 0. */
static int wait_acks(struct mmr_deny *d, uint32_t first, uint32_t last)
{
    char buf[BUF_BYTES];
    int result = 0;
    for (uint32_t open = last - first + 1; open;) {
        ssize_t n = mnl_socket_recvfrom(d->nl, buf, sizeof buf);
        if (n < 0)
            return errno;
        const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)buf;
        for (int left = (int)n; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) {
            if (h->nlmsg_type != NLMSG_ERROR || h->nlmsg_seq - first > last - first)
                continue;
            const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);
            open--;
            if (e->error && !result)
                result = -e->error;
            if (e->error) /* a refused batch is answered for the failing message, the rest is not run */
                return result;
        }
    }
    return result;
}

int mmr_deny_nl_change(struct mmr_deny *d, const struct mmr_deny_key *k, bool is_add, int64_t timeout_ms,
                       struct mmr_error *err)
{
    char buf[BUF_BYTES], text[64];
    struct mnl_nlmsg_batch *b = mnl_nlmsg_batch_start(buf, sizeof buf);
    uint32_t first, last;
    if (!b)
        return mmr_fail(err, MMR_ENOMEM, "nftables: out of memory");
    (void)put_head(mnl_nlmsg_batch_current(b), NFNL_MSG_BATCH_BEGIN, 0, d->seq++, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
    (void)mnl_nlmsg_batch_next(b);
    /* A new timeout for an element that is there: add (does nothing), delete, add, in one transaction. */
    first = last = d->seq;
    for (int step = is_add ? 0 : 1; step < (is_add ? 3 : 2); step++) {
        bool is_del = step == 1;
        last = d->seq++;
        struct nlmsghdr *h = put_head(mnl_nlmsg_batch_current(b),
                                      nft_type(is_del ? NFT_MSG_DELSETELEM : NFT_MSG_NEWSETELEM),
                                      (uint16_t)(NLM_F_ACK | (is_del ? 0 : NLM_F_CREATE)), last, d->family, 0);
        put_element(h, d, k, is_del ? 0 : timeout_ms);
        (void)mnl_nlmsg_batch_next(b);
    }
    (void)put_head(mnl_nlmsg_batch_current(b), NFNL_MSG_BATCH_END, 0, d->seq++, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
    (void)mnl_nlmsg_batch_next(b);
    ssize_t sent = mnl_socket_sendto(d->nl, mnl_nlmsg_batch_head(b), mnl_nlmsg_batch_size(b));
    mnl_nlmsg_batch_stop(b);
    int e = sent < 0 ? errno : wait_acks(d, first, last);
    if (!e)
        return 0;
    mmr_deny_format(k, text, sizeof text);
    return mmr_fail(err, e == ENOENT ? MMR_ENOENT : e == EPERM ? MMR_EPERM : MMR_EIO, "nftables set %s of table %s, %s: %s",
                    mmr_deny_set_name(k), d->table, text, strerror(e));
}

struct attrs {
    const struct nlattr *tb[32];
};

static int collect_attr(const struct nlattr *a, void *data)
{
    struct attrs *t = data;
    if (mnl_attr_get_type(a) < 32)
        t->tb[mnl_attr_get_type(a)] = a;
    return MNL_CB_OK;
}

static uint64_t attr_be64(const struct nlattr *a)
{
    return a && mnl_attr_get_payload_len(a) >= 8 ? be64toh(mnl_attr_get_u64(a)) : 0;
}

static void read_counter(const struct nlattr *expr, struct mmr_deny_element *e)
{
    struct attrs t = {{0}}, c = {{0}};
    (void)mnl_attr_parse_nested(expr, collect_attr, &t);
    if (!t.tb[NFTA_EXPR_NAME] || !t.tb[NFTA_EXPR_DATA] || strcmp(mnl_attr_get_str(t.tb[NFTA_EXPR_NAME]), "counter") != 0)
        return;
    (void)mnl_attr_parse_nested(t.tb[NFTA_EXPR_DATA], collect_attr, &c);
    e->packets = attr_be64(c.tb[NFTA_COUNTER_PACKETS]);
    e->bytes = attr_be64(c.tb[NFTA_COUNTER_BYTES]);
}

static int on_expression(const struct nlattr *x, void *data)
{
    read_counter(x, data);
    return MNL_CB_OK;
}

static int on_list_element(const struct nlattr *elem, void *data)
{
    struct mmr_deny_element *ret = data;
    struct attrs t = {{0}};
    (void)mnl_attr_parse_nested(elem, collect_attr, &t);
    ret->expires_ms = (int64_t)attr_be64(t.tb[NFTA_SET_ELEM_EXPIRATION]);
    if (t.tb[NFTA_SET_ELEM_EXPR])
        read_counter(t.tb[NFTA_SET_ELEM_EXPR], ret);
    if (t.tb[NFTA_SET_ELEM_EXPRESSIONS])
        (void)mnl_attr_parse_nested(t.tb[NFTA_SET_ELEM_EXPRESSIONS], on_expression, ret);
    return MNL_CB_OK;
}

static int on_element(const struct nlmsghdr *h, void *data)
{
    struct attrs top = {{0}};
    (void)mnl_attr_parse(h, sizeof(struct nfgenmsg), collect_attr, &top);
    if (top.tb[NFTA_SET_ELEM_LIST_ELEMENTS])
        (void)mnl_attr_parse_nested(top.tb[NFTA_SET_ELEM_LIST_ELEMENTS], on_list_element, data);
    return MNL_CB_OK;
}

/* Send one request and run cb over its answers; 0 or errno. */
static int ask(struct mmr_deny *d, struct nlmsghdr *h, mnl_cb_t cb, void *data)
{
    char buf[BUF_BYTES];
    uint32_t seq = h->nlmsg_seq;
    int r = MNL_CB_OK;
    if (mnl_socket_sendto(d->nl, h, h->nlmsg_len) < 0)
        return errno;
    while (r > MNL_CB_STOP) {
        ssize_t n = mnl_socket_recvfrom(d->nl, buf, sizeof buf);
        if (n < 0)
            return errno;
        r = mnl_cb_run(buf, (size_t)n, seq, d->port_id, cb, data);
        if (r < 0)
            return errno;
    }
    return 0;
}

int mmr_deny_get(struct mmr_deny *d, const struct mmr_deny_key *k, struct mmr_deny_element *ret, struct mmr_error *err)
{
    char buf[2048], text[64];
    uint32_t seq = d->seq++;
    struct mmr_deny_element e = {0};
    struct nlmsghdr *h = put_head(buf, nft_type(NFT_MSG_GETSETELEM), NLM_F_ACK, seq, d->family, 0);
    put_element(h, d, k, 0);
    int code = ask(d, h, on_element, &e);
    if (!code) {
        *ret = e;
        return 0;
    }
    mmr_deny_format(k, text, sizeof text);
    return mmr_fail(err, code == ENOENT ? MMR_ENOENT : MMR_EIO, "%s is not in set %s of table %s: %s", text,
                    mmr_deny_set_name(k), d->table, strerror(code));
}

static int count_rule(const struct nlmsghdr *h, void *data)
{
    unsigned *n = data;
    if ((h->nlmsg_type & 0xff) == NFT_MSG_NEWRULE)
        (*n)++;
    return MNL_CB_OK;
}

int mmr_deny_check(struct mmr_deny *d, struct mmr_error *err)
{
    static const char *const chains[] = {"pre", "out"};
    const unsigned want = RULES_PER_CHAIN + (d->family == NFPROTO_BRIDGE ? CARD_RULES : 0);
    for (size_t i = 0; i < 2; i++) {
        char buf[1024];
        unsigned n = 0;
        uint32_t seq = d->seq++;
        struct nlmsghdr *h = put_head(buf, nft_type(NFT_MSG_GETCHAIN), NLM_F_ACK, seq, d->family, 0);
        mnl_attr_put_strz(h, NFTA_CHAIN_TABLE, d->table);
        mnl_attr_put_strz(h, NFTA_CHAIN_NAME, chains[i]);
        int code = ask(d, h, NULL, NULL);
        if (code)
            return mmr_fail(err, code == ENOENT ? MMR_ENOENT : MMR_EIO, "chain %s of table %s: %s", chains[i], d->table,
                            strerror(code));
        seq = d->seq++;
        h = put_head(buf, nft_type(NFT_MSG_GETRULE), NLM_F_DUMP, seq, d->family, 0);
        mnl_attr_put_strz(h, NFTA_RULE_TABLE, d->table);
        mnl_attr_put_strz(h, NFTA_RULE_CHAIN, chains[i]);
        code = ask(d, h, count_rule, &n);
        if (code)
            return mmr_fail(err, MMR_EIO, "rules of chain %s of table %s: %s", chains[i], d->table, strerror(code));
        if (n != want)
            return mmr_fail(err, MMR_ENOENT, "chain %s of table %s has %u rules, expected %u", chains[i], d->table, n, want);
    }
    return 0;
}

int mmr_deny_fd(const struct mmr_deny *d)
{
    return mnl_socket_get_fd(d->events);
}

struct seen {
    const struct mmr_deny *d;
    bool is_touched;
};

/* Somebody deleted something of ours (our own changes carry our port id). */
static int on_change(const struct nlmsghdr *h, void *data)
{
    struct seen *s = data;
    struct attrs t = {{0}};
    unsigned msg = h->nlmsg_type & 0xff;
    if (h->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES || h->nlmsg_pid == s->d->port_id)
        return MNL_CB_OK;
    if (msg != NFT_MSG_DELTABLE && msg != NFT_MSG_DELCHAIN && msg != NFT_MSG_DELRULE && msg != NFT_MSG_DELSET &&
        msg != NFT_MSG_DELSETELEM && msg != NFT_MSG_NEWTABLE)
        return MNL_CB_OK;
    (void)mnl_attr_parse(h, sizeof(struct nfgenmsg), collect_attr, &t);
    /* the table's name is attribute 1 of every one of these messages */
    if (t.tb[1] && strcmp(mnl_attr_get_str(t.tb[1]), s->d->table) == 0)
        s->is_touched = true;
    return MNL_CB_OK;
}

bool mmr_deny_drain(struct mmr_deny *d)
{
    char buf[BUF_BYTES];
    struct seen s = {.d = d};
    for (int i = 0; i < 256; i++) {
        ssize_t n = mnl_socket_recvfrom(d->events, buf, sizeof buf);
        if (n < 0 && errno == ENOBUFS)
            s.is_touched = true; /* notifications were lost: look */
        if (n <= 0)
            break;
        const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)buf;
        for (int left = (int)n; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left))
            (void)on_change(h, &s);
    }
    return s.is_touched;
}
