/* deny.c - the deny table: its set-up through the nft tool, networks, names. */
#include "deny_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SCRIPT_MAX = 64 * 1024 };

static const uint8_t v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool mmr_deny_is_v4(const struct mmr_addr *a)
{
    return memcmp(a->b, v4_prefix, 12) == 0;
}

bool mmr_deny_parse(const char *addr, struct mmr_deny_key *ret)
{
    char buf[INET6_ADDRSTRLEN];
    const char *slash = strchr(addr, '/');
    size_t len = slash ? (size_t)(slash - addr) : strlen(addr);
    struct mmr_deny_key k;
    memset(&k, 0, sizeof k);
    if (len == 0 || len >= sizeof buf)
        return false;
    memcpy(buf, addr, len);
    buf[len] = '\0';
    if (inet_pton(AF_INET, buf, k.addr.b + 12) == 1)
        memcpy(k.addr.b, v4_prefix, 12);
    else if (inet_pton(AF_INET6, buf, k.addr.b) != 1)
        return false;
    k.bits = 128;
    if (slash) {
        char *end;
        unsigned long width = mmr_deny_is_v4(&k.addr) ? 32 : 128, bits = strtoul(slash + 1, &end, 10);
        if (slash[1] < '0' || slash[1] > '9' || *end || bits > width)
            return false;
        k.bits = (uint8_t)(128 - width + bits);
        for (unsigned i = k.bits; i < 128; i++)
            k.addr.b[i / 8] &= (uint8_t)~(0x80 >> i % 8);
    }
    *ret = k;
    return true;
}

bool mmr_deny_parse_card(const char *mac, struct mmr_deny_key *ret)
{
    static const uint8_t none[6];
    struct mmr_deny_key k;
    memset(&k, 0, sizeof k);
    if (strlen(mac) != 17)
        return false;
    for (unsigned i = 0; i < 17; i++) {
        const char c = mac[i] >= 'A' && mac[i] <= 'F' ? (char)(mac[i] | 0x20) : mac[i];
        const bool is_digit = c >= '0' && c <= '9';
        if (i % 3 == 2 ? c != ':' : !is_digit && (c < 'a' || c > 'f'))
            return false;
        if (i % 3 != 2)
            k.addr.b[i / 3] = (uint8_t)(k.addr.b[i / 3] << 4 | (is_digit ? c - '0' : c - 'a' + 10));
    }
    if ((k.addr.b[0] & 1) || memcmp(k.addr.b, none, sizeof none) == 0)
        return false;
    k.bits = 128;
    k.is_card = true;
    *ret = k;
    return true;
}

void mmr_deny_format(const struct mmr_deny_key *k, char *buf, size_t cap)
{
    char text[INET6_ADDRSTRLEN];
    const uint8_t *m = k->addr.b;
    if (k->is_card) {
        (void)snprintf(buf, cap, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
        return;
    }
    bool is_v4 = mmr_deny_is_v4(&k->addr);
    (void)inet_ntop(is_v4 ? AF_INET : AF_INET6, is_v4 ? k->addr.b + 12 : k->addr.b, text, sizeof text);
    if (k->bits == 128)
        (void)snprintf(buf, cap, "%s", text);
    else
        (void)snprintf(buf, cap, "%s/%d", text, is_v4 ? k->bits - 96 : k->bits);
}

bool mmr_deny_covers(const struct mmr_deny_key *net, const struct mmr_addr *a)
{
    unsigned whole = net->bits / 8, rest = net->bits % 8;
    if (memcmp(net->addr.b, a->b, whole) != 0)
        return false;
    return rest == 0 || ((net->addr.b[whole] ^ a->b[whole]) & (0xff << (8 - rest))) == 0;
}

const char *mmr_deny_set_name(const struct mmr_deny_key *k)
{
    static const char *const names[3][2][2] = {{{"src6", "src4"}, {"dst6", "dst4"}},
                                               {{"svc_src6", "svc_src4"}, {"svc_dst6", "svc_dst4"}},
                                               {{"net_src6", "net_src4"}, {"net_dst6", "net_dst4"}}};
    if (k->is_card)
        return k->direction == MMR_DENY_DST ? "card_dst" : "card_src";
    unsigned form = k->bits < 128 ? 2 : k->port ? 1 : 0;
    return names[form][k->direction == MMR_DENY_DST][mmr_deny_is_v4(&k->addr)];
}

int mmr_nft_run(const char *script, char *ret_said, size_t said_cap, struct mmr_error *err)
{
    char own[160] = "", *said = ret_said ? ret_said : own;
    const size_t cap = ret_said ? said_cap : sizeof own;
    int in[2], out[2], status;
    pid_t pid;
    posix_spawn_file_actions_t fa;
    static const char *const argv[] = {"nft", "-f", "-", NULL};
    static const char *const env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL};
    char *argv_copy[4], *env_copy[3]; /* posix_spawn takes char *const, and changes nothing */
    memcpy(argv_copy, argv, sizeof argv);
    memcpy(env_copy, env, sizeof env);
    if (pipe2(in, O_CLOEXEC) != 0)
        return mmr_fail(err, MMR_EIO, "nft: %s", strerror(errno));
    if (pipe2(out, O_CLOEXEC) != 0) {
        (void)close(in[0]);
        (void)close(in[1]);
        return mmr_fail(err, MMR_EIO, "nft: %s", strerror(errno));
    }
    (void)posix_spawn_file_actions_init(&fa);
    (void)posix_spawn_file_actions_adddup2(&fa, in[0], 0);
    (void)posix_spawn_file_actions_adddup2(&fa, out[1], 1);
    (void)posix_spawn_file_actions_adddup2(&fa, out[1], 2);
    int r = posix_spawn(&pid, "/usr/sbin/nft", &fa, NULL, argv_copy, env_copy);
    (void)posix_spawn_file_actions_destroy(&fa);
    (void)close(in[0]);
    (void)close(out[1]);
    size_t len = strlen(script), done = 0;
    while (!r && done < len) { /* SCRIPT_MAX is below the default size of a pipe: this never blocks */
        ssize_t n = write(in[1], script + done, len - done);
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    (void)close(in[1]);
    if (!r) {
        size_t at = 0;
        char rest[256];
        ssize_t n = 1;
        while (n > 0 && at < cap - 1 && (n = read(out[0], said + at, cap - 1 - at)) > 0)
            at += (size_t)n;
        said[at] = '\0';
        while (n > 0 && (n = read(out[0], rest, sizeof rest)) > 0)
            ;
    }
    (void)close(out[0]);
    if (r == ENOENT)
        return mmr_fail(err, MMR_EUNSUPPORTED, "the nft tool is not installed; apt-get install nftables");
    if (r)
        return mmr_fail(err, MMR_EIO, "nft: %s", strerror(r));
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        said[strcspn(said, "\n")] = '\0';
        return mmr_fail(err, strstr(said, "not permitted") ? MMR_EPERM : MMR_EIO, "nft: %s",
                        said[0] ? said : "failed without a word");
    }
    return 0;
}

int mmr_deny_open(const char *table, bool is_bridge, struct mmr_deny **ret, struct mmr_error *err)
{
    size_t len = strlen(table);
    if (len < 1 || len > 24 || strspn(table, "abcdefghijklmnopqrstuvwxyz0123456789_") != len)
        return mmr_fail(err, MMR_EINVAL, "table '%.40s': a name has 1 to 24 of a-z, 0-9 and _", table);
    struct mmr_deny *d = calloc(1, sizeof *d);
    if (!d)
        return mmr_fail(err, MMR_ENOMEM, "table '%s': out of memory", table);
    memcpy(d->table, table, len + 1);
    (void)snprintf(d->full, sizeof d->full, "%s %s", is_bridge ? "bridge" : "inet", table);
    d->family = is_bridge ? NFPROTO_BRIDGE : NFPROTO_INET;
    int r = mmr_deny_nl_open(d, err);
    if (r) {
        mmr_deny_close(d);
        return r;
    }
    *ret = d;
    return 0;
}

void mmr_deny_close(struct mmr_deny *d)
{
    if (!d)
        return;
    if (d->nl)
        (void)mnl_socket_close(d->nl);
    if (d->events)
        (void)mnl_socket_close(d->events);
    free(d);
}

struct script {
    char text[SCRIPT_MAX];
    size_t len;
    bool is_full;
};

__attribute__((format(printf, 2, 3))) static void say(struct script *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(s->text + s->len, sizeof s->text - s->len, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof s->text - s->len)
        s->is_full = true;
    else
        s->len += (size_t)n;
}

static void say_sets(struct script *s, const char *t)
{
    for (int v = 4; v <= 6; v += 2) {
        say(s, "add set %s never%d { type ipv%d_addr; flags interval; auto-merge; }\n", t, v, v);
        for (int d = 0; d < 2; d++) {
            const char *dir = d ? "dst" : "src";
            say(s, "add set %s %s%d { type ipv%d_addr; flags timeout; counter; }\n", t, dir, v, v);
            say(s, "add set %s svc_%s%d { type ipv%d_addr . inet_proto . inet_service; flags timeout; counter; }\n",
                t, dir, v, v);
            say(s, "add set %s net_%s%d { type ipv%d_addr; flags interval, timeout; }\n", t, dir, v, v);
        }
    }
}

/* What a card sends and gets, whatever it says inside: ARP, too. */
static void say_cards(struct script *s, const char *t)
{
    for (int d = 0; d < 2; d++) {
        const char *dir = d ? "dst" : "src", *field = d ? "daddr" : "saddr";
        say(s, "add set %s card_%s { type ether_addr; flags timeout; counter; }\n", t, dir);
        for (int c = 0; c < 2; c++)
            say(s, "add rule %s %s ether %s @card_%s drop\n", t, c ? "out" : "pre", field, dir);
    }
}

static void say_rules(struct script *s, const char *t, const char *chain)
{
    /* loopback never reaches a drop; the never list goes ahead of every drop */
    say(s, "add rule %s %s %s lo accept\n", t, chain, strcmp(chain, "pre") == 0 ? "iif" : "oif");
    for (int v = 4; v <= 6; v += 2) {
        const char *ip = v == 4 ? "ip" : "ip6";
        say(s, "add rule %s %s %s saddr @never%d %s daddr @never%d accept\n", t, chain, ip, v, ip, v);
    }
    for (int v = 4; v <= 6; v += 2) {
        const char *ip = v == 4 ? "ip" : "ip6";
        for (int d = 0; d < 2; d++) {
            const char *dir = d ? "dst" : "src", *field = d ? "daddr" : "saddr";
            say(s, "add rule %s %s %s %s @%s%d %s %s != @never%d drop\n", t, chain, ip, field, dir, v, ip, field, v);
            say(s, "add rule %s %s %s %s . meta l4proto . th dport @svc_%s%d drop\n", t, chain, ip, field, dir, v);
            say(s, "add rule %s %s %s %s @net_%s%d %s %s != @never%d drop\n", t, chain, ip, field, dir, v, ip, field, v);
        }
    }
}

int mmr_deny_setup(struct mmr_deny *d, const char *const *never, size_t n, struct mmr_error *err)
{
    struct script *s = calloc(1, sizeof *s);
    const char *t = d->full;
    if (!s)
        return mmr_fail(err, MMR_ENOMEM, "table '%s': out of memory", t);
    say(s, "add table %s\n", t);
    say_sets(s, t);
    say(s, "add chain %s pre { type filter hook prerouting priority -160; policy accept; }\n", t);
    say(s, "add chain %s out { type filter hook output priority -160; policy accept; }\n", t);
    say(s, "flush chain %s pre\nflush chain %s out\nflush set %s never4\nflush set %s never6\n", t, t, t, t);
    for (size_t i = 0; i < n; i++) {
        struct mmr_deny_key k;
        char text[64];
        if (!mmr_deny_parse(never[i], &k))
            continue; /* names are resolved by the caller; this one is no address */
        mmr_deny_format(&k, text, sizeof text);
        say(s, "add element %s never%d { %s }\n", t, mmr_deny_is_v4(&k.addr) ? 4 : 6, text);
    }
    say_rules(s, t, "pre");
    say_rules(s, t, "out");
    if (d->family == NFPROTO_BRIDGE)
        say_cards(s, t);
    int r = s->is_full ? mmr_fail(err, MMR_ETOOBIG, "table '%s': %zu never-block entries are too many", t, n)
                       : mmr_nft_run(s->text, NULL, 0, err);
    free(s);
    return r;
}

int mmr_deny_remove(struct mmr_deny *d, struct mmr_error *err)
{
    char text[128];
    (void)snprintf(text, sizeof text, "add table %s\ndelete table %s\n", d->full, d->full);
    return mmr_nft_run(text, NULL, 0, err);
}

static int change_network(struct mmr_deny *d, const struct mmr_deny_key *k, bool is_add, int64_t timeout_ms,
                          struct mmr_error *err)
{
    char text[512], addr[64], timeout[48] = "";
    const char *set = mmr_deny_set_name(k);
    mmr_deny_format(k, addr, sizeof addr);
    if (timeout_ms > 0)
        (void)snprintf(timeout, sizeof timeout, " timeout %lldms", (long long)timeout_ms);
    int n = snprintf(text, sizeof text, "add element %s %s { %s }\ndelete element %s %s { %s }\n", d->full,
                     set, addr, d->full, set, addr);
    if (is_add && n > 0)
        (void)snprintf(text + n, sizeof text - (size_t)n, "add element %s %s { %s%s }\n", d->full, set, addr, timeout);
    return mmr_nft_run(text, NULL, 0, err);
}

int mmr_deny_add(struct mmr_deny *d, const struct mmr_deny_key *k, int64_t timeout_ms, struct mmr_error *err)
{
    return k->bits < 128 ? change_network(d, k, true, timeout_ms, err)
                         : mmr_deny_nl_change(d, k, true, timeout_ms, err);
}

int mmr_deny_del(struct mmr_deny *d, const struct mmr_deny_key *k, struct mmr_error *err)
{
    struct mmr_deny_element e;
    if (k->bits == 128) {
        int r = mmr_deny_get(d, k, &e, err);
        return r == MMR_ENOENT ? 0 : r ? r : mmr_deny_nl_change(d, k, false, 0, err);
    }
    return change_network(d, k, false, 0, err);
}
