/* rails.c - the last gate: never-block list, ceilings, breaker. */
#include "defend/rails.h"

#include "defend/match.h"

#include "util/clock.h"
#include "util/scope.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ENTRIES_MAX = 1024, HELD_MAX = 512, MINUTE_SLOTS = 60, HOUR_SLOTS = 60, WHY_CAP = 200 };
#define MINUTE_NS (60 * MMR_NS_PER_S)
#define HOUR_NS (60 * MINUTE_NS)

struct guarded_net {
    struct mmr_cidr net;
    enum mmr_guard why;
};
struct guarded_name {
    char name[64];
    enum mmr_guard why;
};
struct held {
    struct mmr_cidr addr;
    char host[64];
};

/* A sliding count: `slots` buckets that together span the window. */
struct rate {
    int64_t slot_ns;
    int64_t newest;
    uint32_t count[60];
};

struct mmr_rails {
    struct mmr_rails_limits limit;
    struct guarded_net *net;
    struct guarded_name *name;
    struct held *held; /* inside machines that are blocked now */
    uint32_t n_net, n_name, n_held;
    struct mmr_cidr home[16];
    uint32_t n_home, known_hosts;
    struct rate minute, hour;
    uint32_t failures;     /* in a row */
    int64_t open_until_ns; /* the breaker */
};

const char *mmr_guard_name(enum mmr_guard g)
{
    static const char *const names[] = {"protected",
                                        "loopback or special address",
                                        "our own address",
                                        "default gateway",
                                        "DNS server",
                                        "time server",
                                        "hub",
                                        "upstream",
                                        "administrator's machine",
                                        "domain controller",
                                        "help desk or insurer",
                                        "configured never-block entry"};
    return (unsigned)g < sizeof names / sizeof names[0] ? names[g] : "protected";
}

static const struct {
    const char *net;
    enum mmr_guard why;
} always[] = {
    {"127.0.0.0/8", MMR_GUARD_LOOPBACK},     {"::1", MMR_GUARD_LOOPBACK},
    {"0.0.0.0/8", MMR_GUARD_LOOPBACK},       {"::", MMR_GUARD_LOOPBACK},
    {"169.254.0.0/16", MMR_GUARD_LOOPBACK},  {"fe80::/10", MMR_GUARD_LOOPBACK},
    {"224.0.0.0/4", MMR_GUARD_LOOPBACK},     {"ff00::/8", MMR_GUARD_LOOPBACK},
    {"255.255.255.255", MMR_GUARD_LOOPBACK},
};

int mmr_rails_new(const struct mmr_rails_limits *limits, struct mmr_rails **ret,
                  struct mmr_error *err)
{
    struct mmr_rails *r = calloc(1, sizeof *r);
    if (r) {
        r->net = calloc(ENTRIES_MAX, sizeof *r->net);
        r->name = calloc(ENTRIES_MAX, sizeof *r->name);
        r->held = calloc(HELD_MAX, sizeof *r->held);
    }
    if (!r || !r->net || !r->name || !r->held) {
        mmr_rails_free(r);
        return mmr_fail(err, MMR_ENOMEM, "rails: out of memory");
    }
    if (limits)
        r->limit = *limits;
    struct mmr_rails_limits *l = &r->limit;
    l->per_minute = l->per_minute ? l->per_minute : 30;
    l->per_hour = l->per_hour ? l->per_hour : 120;
    l->internal_percent = l->internal_percent ? l->internal_percent : 20;
    l->breaker_failures = l->breaker_failures ? l->breaker_failures : 5;
    l->breaker_ns = l->breaker_ns ? l->breaker_ns : 10 * MINUTE_NS;
    l->min_bits_v4 = l->min_bits_v4 ? l->min_bits_v4 : 24;
    l->min_bits_v6 = l->min_bits_v6 ? l->min_bits_v6 : 64;
    r->minute.slot_ns = MINUTE_NS / MINUTE_SLOTS;
    r->hour.slot_ns = HOUR_NS / HOUR_SLOTS;
    for (size_t i = 0; i < sizeof always / sizeof always[0]; i++) {
        struct mmr_cidr net;
        int e = mmr_cidr_parse(always[i].net, &net, err);
        if (e == 0)
            e = mmr_rails_protect(r, &net, always[i].why, err);
        if (e < 0) {
            mmr_rails_free(r);
            return e;
        }
    }
    *ret = r;
    return 0;
}

void mmr_rails_free(struct mmr_rails *r)
{
    if (!r)
        return;
    free(r->net);
    free(r->name);
    free(r->held);
    free(r);
}

static bool same_net(const struct mmr_cidr *a, const struct mmr_cidr *b)
{
    return a->bits == b->bits && mmr_addr_equal(&a->addr, &b->addr);
}

int mmr_rails_protect(struct mmr_rails *r, const struct mmr_cidr *net, enum mmr_guard why,
                      struct mmr_error *err)
{
    for (uint32_t i = 0; i < r->n_net; i++)
        if (same_net(&r->net[i].net, net) && r->net[i].why == why)
            return 0;
    if (r->n_net == ENTRIES_MAX)
        return mmr_fail(err, MMR_ETOOBIG,
                        "never-block list is full at %d networks; write wider networks",
                        ENTRIES_MAX);
    r->net[r->n_net++] = (struct guarded_net){.net = *net, .why = why};
    return 0;
}

int mmr_rails_protect_name(struct mmr_rails *r, const char *name, enum mmr_guard why,
                           struct mmr_error *err)
{
    if (!name[0] || strlen(name) >= sizeof r->name[0].name)
        return mmr_fail(err, MMR_EINVAL, "never-block name '%.60s' has %zu bytes; expected 1 to 63",
                        name, strlen(name));
    for (uint32_t i = 0; i < r->n_name; i++)
        if (strcasecmp(r->name[i].name, name) == 0 && r->name[i].why == why)
            return 0;
    if (r->n_name == ENTRIES_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "never-block list is full at %d names", ENTRIES_MAX);
    struct guarded_name *n = &r->name[r->n_name++];
    n->why = why;
    mmr_text_copy(n->name, sizeof n->name, name);
    return 0;
}

void mmr_rails_unprotect(struct mmr_rails *r, enum mmr_guard why)
{
    uint32_t k = 0;
    for (uint32_t i = 0; i < r->n_net; i++)
        if (r->net[i].why != why || why == MMR_GUARD_LOOPBACK)
            r->net[k++] = r->net[i];
    r->n_net = k;
    k = 0;
    for (uint32_t i = 0; i < r->n_name; i++)
        if (r->name[i].why != why)
            r->name[k++] = r->name[i];
    r->n_name = k;
}

int mmr_rails_inside(struct mmr_rails *r, const struct mmr_cidr *home, uint32_t n_home,
                     uint32_t known_hosts, struct mmr_error *err)
{
    if (n_home > sizeof r->home / sizeof r->home[0])
        return mmr_fail(err, MMR_ETOOBIG, "%u inside networks; at most %zu can be kept", n_home,
                        sizeof r->home / sizeof r->home[0]);
    if (n_home)
        memcpy(r->home, home, n_home * sizeof *home);
    r->n_home = n_home;
    r->known_hosts = known_hosts;
    return 0;
}

/* ---- never-block list ---- */

static bool overlaps(const struct mmr_cidr *a, const struct mmr_cidr *b)
{
    return mmr_cidr_has(a, &b->addr) || mmr_cidr_has(b, &a->addr);
}

static int refuse(char *why, int code, const char *what, const char *reason)
{
    if (why)
        (void)snprintf(why, WHY_CAP, "%s: %s", what, reason);
    return code;
}

static int check_net(const struct mmr_rails *r, const struct mmr_cidr *t, char *why)
{
    char text[MMR_ADDR_TEXT_MAX + 4];
    mmr_cidr_format(t, text);
    if (!mmr_addr_is_set(&t->addr) || t->bits > 128)
        return refuse(why, MMR_EPERM, text, "no address to block");
    uint8_t least = mmr_addr_is_v4(&t->addr) && t->bits >= 96 ? (uint8_t)(96 + r->limit.min_bits_v4)
                                                              : r->limit.min_bits_v6;
    if (t->bits < least)
        return refuse(why, MMR_EPERM, text, "network is wider than may be blocked");
    for (uint32_t i = 0; i < r->n_net; i++)
        if (overlaps(&r->net[i].net, t))
            return refuse(why, MMR_EPERM, text, mmr_guard_name(r->net[i].why));
    return 0;
}

static int check_name(const struct mmr_rails *r, const char *name, char *why)
{
    for (uint32_t i = 0; i < r->n_name; i++)
        /* blocking "example.org" would also block "hub.example.org" */
        if (mmr_name_within(name, r->name[i].name) || mmr_name_within(r->name[i].name, name) ||
            mmr_same_host(name, NULL, r->name[i].name, NULL))
            return refuse(why, MMR_EPERM, name, mmr_guard_name(r->name[i].why));
    return 0;
}

/* Processes whose end takes the machine, its log-in or our own eyes with it. */
static bool is_vital_process(const struct mmr_target *t)
{
    static const char *const names[] = {
        "systemd",          "init",          "systemd-journald",
        "systemd-logind",   "systemd-udevd", "systemd-networkd",
        "systemd-resolved", "dbus-daemon",   "NetworkManager",
        "mamori",           "kthreadd",      "System",
        "Registry",         "smss.exe",      "csrss.exe",
        "wininit.exe",      "winlogon.exe",  "services.exe",
        "lsass.exe",        "lsaiso.exe",    "svchost.exe",
        "fontdrvhost.exe",  "dwm.exe",       "memory compression",
    };
    /* only where the real ones live: malware likes these names */
    static const char *const homes[] = {"/usr/", "/bin/", "/sbin/", "/lib/",
                                        ":\\Windows\\System32\\"};
    const char *base = t->exe[0] ? mmr_path_base(t->exe) : t->text;
    bool is_named = false, is_home = t->exe[0] == '\0';
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        is_named |= strcasecmp(base, names[i]) == 0;
    for (size_t i = 0; i < sizeof homes / sizeof homes[0]; i++) {
        const char *at = homes[i][0] == ':' ? (t->exe[0] ? t->exe + 1 : t->exe) : t->exe;
        is_home |= strncasecmp(at, homes[i], strlen(homes[i])) == 0;
    }
    return is_named && is_home;
}

static bool is_vital_path(const char *path)
{
    return path[0] == '\0' || strcmp(path, "/") == 0 || strstr(path, "/../") ||
           strstr(path, "\\..\\");
}

static bool is_vital_account(const char *user)
{
    static const char *const names[] = {"root",          "SYSTEM",          "NT AUTHORITY\\SYSTEM",
                                        "LOCAL SERVICE", "NETWORK SERVICE", "krbtgt"};
    const char *base = mmr_path_base(user);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcasecmp(base, names[i]) == 0 || strcasecmp(user, names[i]) == 0)
            return true;
    size_t n = strlen(user);
    return n && user[n - 1] == '$'; /* a machine's own account */
}

static int check_list(const struct mmr_rails *r, enum mmr_verb verb, const struct mmr_target *t,
                      char *why)
{
    int e;
    switch (verb) {
    case MMR_VERB_BLOCK_ADDR:
        return check_net(r, &t->addr, why);
    case MMR_VERB_ISOLATE_HOST:
        if (t->host[0] && (e = check_name(r, t->host, why)) < 0)
            return e;
        if (!mmr_addr_is_set(&t->addr.addr))
            return t->host[0] ? 0 : refuse(why, MMR_EPERM, "isolate.host", "no machine is named");
        if (t->addr.bits != 128)
            return refuse(why, MMR_EPERM, "isolate.host",
                          "target is a network; one machine is expected");
        return check_net(r, &t->addr, why);
    case MMR_VERB_BLOCK_NAME:
        if (!strchr(t->text, '.'))
            return refuse(why, MMR_EPERM, t->text[0] ? t->text : "block.name",
                          "no domain name with two labels");
        return check_name(r, t->text, why);
    case MMR_VERB_CUT_FLOW: {
        if (!mmr_addr_is_set(&t->src) || !mmr_addr_is_set(&t->dst))
            return refuse(why, MMR_EPERM, "cut.flow", "both ends of the connection are needed");
        if (mmr_addr_is_loopback(&t->src) && mmr_addr_is_loopback(&t->dst))
            return refuse(why, MMR_EPERM, "cut.flow", "loopback connection");
        return 0;
    }
    case MMR_VERB_KILL_PROCESS:
    case MMR_VERB_FREEZE_PROCESS:
        if (t->pid <= 1)
            return refuse(why, MMR_EPERM, mmr_verb_name(verb), "process id 0 or 1, or none");
        if (is_vital_process(t))
            return refuse(why, MMR_EPERM, t->exe[0] ? t->exe : t->text,
                          "the machine cannot run without this process");
        return 0;
    case MMR_VERB_QUARANTINE_FILE:
    case MMR_VERB_DENY_EXEC:
        if (is_vital_path(t->text))
            return refuse(why, MMR_EPERM, mmr_verb_name(verb), "no plain file path");
        return 0;
    case MMR_VERB_REMOVE_AUTOSTART:
        return t->text[0] ? 0 : refuse(why, MMR_EPERM, "remove.autostart", "no entry is named");
    case MMR_VERB_LOCK_ACCOUNT:
        if (!t->text[0] || is_vital_account(t->text))
            return refuse(why, MMR_EPERM, t->text[0] ? t->text : "lock.account",
                          "the machine needs this account");
        return 0;
    case MMR_VERB_QUERY_CONNECTION_OWNER:
        return 0;
    default:
        return refuse(why, MMR_EPERM, "verb", "unknown");
    }
}

/* ---- ceilings ---- */

static uint32_t rate_sum(const struct rate *rt, int64_t now_ns)
{
    int64_t slot = now_ns / rt->slot_ns;
    uint32_t sum = 0;
    for (int64_t s = rt->newest; s > slot - 60 && s > rt->newest - 60; s--)
        sum += rt->count[(uint64_t)s % 60];
    return sum;
}

static void rate_add(struct rate *rt, int64_t now_ns)
{
    int64_t slot = now_ns / rt->slot_ns;
    if (slot > rt->newest) {
        int64_t gone = slot - rt->newest;
        for (int64_t s = 1; s <= gone && s <= 60; s++)
            rt->count[(uint64_t)(rt->newest + s) % 60] = 0;
        rt->newest = slot;
    }
    rt->count[(uint64_t)rt->newest % 60]++; /* a clock set back counts into the newest slot */
}

static bool is_inside(const struct mmr_rails *r, const struct mmr_target *t)
{
    if (!mmr_addr_is_set(&t->addr.addr))
        return false;
    if (r->n_home == 0)
        return mmr_addr_is_private(&t->addr.addr);
    for (uint32_t i = 0; i < r->n_home; i++)
        if (mmr_cidr_has(&r->home[i], &t->addr.addr))
            return true;
    return false;
}

static bool takes_host_away(const struct mmr_rails *r, enum mmr_verb verb,
                            const struct mmr_target *t)
{
    if (verb == MMR_VERB_ISOLATE_HOST)
        return true;
    return verb == MMR_VERB_BLOCK_ADDR && t->port == 0 && t->host[0] == '\0' && is_inside(r, t);
}

static struct held *find_held(const struct mmr_rails *r, const struct mmr_target *t)
{
    for (uint32_t i = 0; i < r->n_held; i++)
        if ((mmr_addr_is_set(&t->addr.addr) && same_net(&r->held[i].addr, &t->addr)) ||
            (t->host[0] && strcasecmp(r->held[i].host, t->host) == 0))
            return &r->held[i];
    return NULL;
}

static uint32_t inside_ceiling(const struct mmr_rails *r)
{
    if (r->known_hosts == 0)
        return 5;
    uint32_t n = (uint32_t)((uint64_t)r->known_hosts * r->limit.internal_percent / 100);
    return n ? n : 1;
}

static bool is_harmless(enum mmr_verb verb)
{
    return verb == MMR_VERB_QUERY_CONNECTION_OWNER;
}

static bool is_breaker_open(const struct mmr_rails *r, int64_t now_ns)
{
    return now_ns < r->open_until_ns;
}

int mmr_rails_check(const struct mmr_rails *r, enum mmr_verb verb, const struct mmr_target *t,
                    bool is_automatic, int64_t now_ns, char *ret_why)
{
    int e = check_list(r, verb, t, ret_why);
    if (e < 0 || !is_automatic || is_harmless(verb))
        return e;
    const bool is_away = takes_host_away(r, verb, t);
    if (is_away && find_held(r, t))
        return 0; /* held already: nothing more is taken away */
    if (is_breaker_open(r, now_ns))
        return refuse(ret_why, MMR_EAGAIN, mmr_verb_name(verb),
                      "circuit breaker is open after failures in a row; only notices go out");
    if (rate_sum(&r->minute, now_ns) >= r->limit.per_minute)
        return refuse(ret_why, MMR_EAGAIN, mmr_verb_name(verb),
                      "ceiling of acts a minute is reached");
    if (rate_sum(&r->hour, now_ns) >= r->limit.per_hour)
        return refuse(ret_why, MMR_EAGAIN, mmr_verb_name(verb),
                      "ceiling of acts an hour is reached");
    if (is_away && (r->n_held >= inside_ceiling(r) || r->n_held == HELD_MAX))
        return refuse(ret_why, MMR_EAGAIN, mmr_verb_name(verb),
                      "too large a share of the office's machines would be cut off");
    return 0;
}

int mmr_rails_take(struct mmr_rails *r, enum mmr_verb verb, const struct mmr_target *t,
                   bool is_automatic, int64_t now_ns, char *ret_why)
{
    int e = mmr_rails_check(r, verb, t, is_automatic, now_ns, ret_why);
    if (e < 0 || is_harmless(verb))
        return e;
    const bool is_away = takes_host_away(r, verb, t);
    if (is_away && find_held(r, t))
        return 0;
    rate_add(&r->minute, now_ns);
    rate_add(&r->hour, now_ns);
    if (is_away && r->n_held < HELD_MAX) {
        struct held *h = &r->held[r->n_held++];
        h->addr = t->addr;
        memcpy(h->host, t->host, sizeof h->host);
    }
    return 0;
}

void mmr_rails_report(struct mmr_rails *r, enum mmr_verb verb, const struct mmr_target *t,
                      enum mmr_result result, bool is_over, int64_t now_ns)
{
    const bool is_bad = result == MMR_RESULT_FAILED || result == MMR_RESULT_TIMEOUT;
    if (result == MMR_RESULT_APPLIED || result == MMR_RESULT_ALREADY)
        r->failures = 0;
    if (is_bad && ++r->failures >= r->limit.breaker_failures) {
        r->open_until_ns = now_ns + r->limit.breaker_ns;
        r->failures = 0;
    }
    if (!is_over && !is_bad && result != MMR_RESULT_REFUSED && result != MMR_RESULT_UNSUPPORTED)
        return;
    struct held *h = takes_host_away(r, verb, t) ? find_held(r, t) : NULL;
    if (h)
        *h = r->held[--r->n_held];
}

bool mmr_rails_is_capped(const struct mmr_rails *r, int64_t now_ns)
{
    return is_breaker_open(r, now_ns) || rate_sum(&r->hour, now_ns) >= r->limit.per_hour;
}

bool mmr_rails_has_room(const struct mmr_rails *r, int64_t now_ns)
{
    return !is_breaker_open(r, now_ns) && rate_sum(&r->minute, now_ns) < (r->limit.per_minute + 1) / 2 &&
           rate_sum(&r->hour, now_ns) < (r->limit.per_hour + 1) / 2;
}

void mmr_rails_refuse(const char *why, int64_t now_ns, struct mmr_receipt *ret)
{
    *ret = (struct mmr_receipt){.result = MMR_RESULT_REFUSED, .verified = MMR_VERIFIED_NONE};
    (void)now_ns; /* nothing was applied: no time of application exists */
    mmr_text_copy(ret->detail, sizeof ret->detail, why);
}
