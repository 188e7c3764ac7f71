/* isolate.c - the table of isolate.h, through the nft tool: seldom, and a few milliseconds do not count. */
#include "isolate.h"

#include "deny_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SCRIPT_BYTES = 60 * 1024, READ_BYTES = 64 * 1024 };

struct text {
    size_t len;
    bool is_full;
    char at[SCRIPT_BYTES];
};

__attribute__((format(printf, 2, 3))) static void say(struct text *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(s->at + s->len, sizeof s->at - s->len, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof s->at - s->len)
        s->is_full = true;
    else
        s->len += (size_t)n;
}

static bool is_name(const char *table)
{
    size_t len = strlen(table);
    return len >= 1 && len <= 24 && strspn(table, "abcdefghijklmnopqrstuvwxyz0123456789_") == len;
}

static void say_elements(struct text *s, const char *table, int64_t timeout_ms)
{
    char with[64] = "";
    if (timeout_ms > 0)
        (void)snprintf(with, sizeof with, " timeout %lldms", (long long)timeout_ms);
    say(s, "add element inet %s on { ipv4%s, ipv6%s }\n", table, with, with);
}

static void say_chain(struct text *s, const char *table, const char *chain, const char *hook)
{
    const bool is_in = strcmp(hook, "input") == 0, is_forward = strcmp(hook, "forward") == 0;
    say(s, "add chain inet %s %s { type filter hook %s priority -170; policy accept; }\n", table, chain, hook);
    if (!is_forward) {
        say(s, "add rule inet %s %s %s lo accept\n", table, chain, is_in ? "iif" : "oif");
        say(s, "add rule inet %s %s ip %s @keep4 accept\n", table, chain, is_in ? "saddr" : "daddr");
        say(s, "add rule inet %s %s ip6 %s @keep6 accept\n", table, chain, is_in ? "saddr" : "daddr");
        /* without a lease and without neighbours the kept addresses would be lost too */
        say(s, "add rule inet %s %s icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, nd-router-advert } accept\n",
            table, chain);
        say(s, "add rule inet %s %s udp sport { %s } udp dport { %s } accept\n", table, chain, is_in ? "67, 547" : "68, 546",
            is_in ? "68, 546" : "67, 547");
    }
    say(s, "add rule inet %s %s meta nfproto @on counter drop\n", table, chain);
}

int mmr_isolate_apply(const char *table, const struct mmr_deny_key *keep, size_t n, int64_t timeout_ms, struct mmr_error *err)
{
    struct text *s = calloc(1, sizeof *s);
    if (!s)
        return mmr_fail(err, MMR_ENOMEM, "table '%s': out of memory", table);
    if (!is_name(table)) {
        free(s);
        return mmr_fail(err, MMR_EINVAL, "table '%.40s': a name has 1 to 24 of a-z, 0-9 and _", table);
    }
    say(s, "add table inet %s\ndelete table inet %s\nadd table inet %s\n", table, table, table);
    say(s, "add set inet %s on { type nf_proto; flags timeout; }\n", table);
    for (int v = 4; v <= 6; v += 2)
        say(s, "add set inet %s keep%d { type ipv%d_addr; flags interval; auto-merge; }\n", table, v, v);
    for (size_t i = 0; i < n; i++) {
        char addr[64];
        mmr_deny_format(&keep[i], addr, sizeof addr);
        say(s, "add element inet %s keep%d { %s }\n", table, mmr_deny_is_v4(&keep[i].addr) ? 4 : 6, addr);
    }
    say_chain(s, table, "in", "input");
    say_chain(s, table, "out", "output");
    say_chain(s, table, "through", "forward");
    say_elements(s, table, timeout_ms);
    int r = s->is_full ? mmr_fail(err, MMR_ETOOBIG, "table '%s': %zu addresses that stay reachable are too many", table, n)
                       : mmr_nft_run(s->at, NULL, 0, err);
    free(s);
    return r;
}

int mmr_isolate_extend(const char *table, int64_t timeout_ms, struct mmr_error *err)
{
    struct text *s = calloc(1, sizeof *s);
    int r = mmr_isolate_check(table, err);
    if (!s)
        r = mmr_fail(err, MMR_ENOMEM, "table '%s': out of memory", table);
    if (!r) { /* an element that is there keeps its time: out and in again, in one transaction */
        say_elements(s, table, 0);
        say(s, "delete element inet %s on { ipv4, ipv6 }\n", table);
        say_elements(s, table, timeout_ms);
        r = mmr_nft_run(s->at, NULL, 0, err);
    }
    free(s);
    return r;
}

int mmr_isolate_check(const char *table, struct mmr_error *err)
{
    static const char *const wanted[] = {"hook input priority -170", "hook output priority -170", "hook forward priority -170"};
    char script[64], *said = calloc(1, READ_BYTES);
    if (!said)
        return mmr_fail(err, MMR_ENOMEM, "table '%s': out of memory", table);
    (void)snprintf(script, sizeof script, "list table inet %.24s\n", table);
    int r = is_name(table) ? mmr_nft_run(script, said, READ_BYTES, err) : MMR_EINVAL;
    if (r == MMR_EIO)
        r = mmr_fail(err, MMR_ENOENT, "table '%s' is gone", table);
    unsigned drops = 0;
    for (const char *p = said; !r && (p = strstr(p, "meta nfproto @on counter")); p++)
        drops++;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0] && !r; i++)
        if (!strstr(said, wanted[i]) || drops != 3)
            r = mmr_fail(err, MMR_ENOENT, "table '%s' was changed: a chain or its drop is missing", table);
    const char *on = r ? NULL : strstr(said, "elements = { ipv4");
    if (!r && (!on || !strstr(on, "ipv6")))
        r = mmr_fail(err, MMR_ENOENT, "table '%s' drops nothing any more: its time is over", table);
    free(said);
    return r;
}

int mmr_isolate_remove(const char *table, struct mmr_error *err)
{
    char script[128];
    if (!is_name(table))
        return mmr_fail(err, MMR_EINVAL, "table '%.40s': a name has 1 to 24 of a-z, 0-9 and _", table);
    (void)snprintf(script, sizeof script, "add table inet %s\ndelete table inet %s\n", table, table);
    return mmr_nft_run(script, NULL, 0, err);
}
