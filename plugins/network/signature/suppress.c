/* suppress.c - see suppress.h. */
#include "suppress.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TRACKED = 4096, WORD_MAX = 128 };
enum track { BY_SRC, BY_DST, BY_RULE };

struct net {
    struct mmr_addr addr;
    uint32_t bits;
    bool is_set;
};
struct entry {
    uint32_t sid, count;
    int64_t seconds;
    enum track track;
    struct net src, dst;
    int64_t until_s; /* 0: no end */
};
struct seen { /* matches of one tuned rule by one machine */
    uint64_t key;
    int64_t since_ns;
    uint32_t n;
};
struct suppress {
    struct entry *quiet, *tuned;
    size_t n_quiet, n_tuned;
    uint64_t n_kept_quiet;
    struct seen seen[TRACKED]; /* the newest of a place stays */
};

static int bad(struct mmr_error *err, const char *entry, const char *what)
{
    return mmr_fail(err, MMR_ECONFIG, "'%.120s': %s", entry, what);
}

static bool read_net(const char *text, struct net *ret)
{
    char addr[64];
    size_t n = strcspn(text, "/");
    uint32_t width = 128;
    if (n >= sizeof addr)
        return false;
    memcpy(addr, text, n);
    addr[n] = '\0';
    memset(ret, 0, sizeof *ret);
    if (inet_pton(AF_INET, addr, ret->addr.b + 12) == 1) {
        ret->addr.b[10] = ret->addr.b[11] = 0xff;
        width = 32;
    } else if (inet_pton(AF_INET6, addr, ret->addr.b) != 1) {
        return false;
    }
    ret->bits = 128;
    if (text[n] == '/') {
        char *end;
        unsigned long v = strtoul(text + n + 1, &end, 10);
        if (text[n + 1] < '0' || text[n + 1] > '9' || *end || v > width)
            return false;
        ret->bits = 128 - width + (uint32_t)v;
    }
    return ret->is_set = true;
}

static bool read_day(const char *text, int64_t *ret_s)
{
    struct tm t = {0};
    const char *end = strptime(text, "%Y-%m-%d", &t);
    if (!end || *end)
        return false;
    *ret_s = (int64_t)timegm(&t) + 86400; /* that day is still in */
    return true;
}

static bool read_number(const char *text, uint32_t *ret)
{
    char *end;
    unsigned long v = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || v == 0 || v > UINT32_MAX)
        return false;
    *ret = (uint32_t)v;
    return true;
}

static int one_word(const char *entry, const char *key, const char *v, bool is_tune, struct entry *e, bool *has_owner, struct mmr_error *err)
{
    uint32_t n;
    if (strcmp(key, "sid") == 0)
        return read_number(v, &e->sid) ? 0 : bad(err, entry, "sid= expects a rule's number");
    if (strcmp(key, "owner") == 0) {
        *has_owner = v[0] != '\0';
        return 0;
    }
    if (strcmp(key, "until") == 0)
        return read_day(v, &e->until_s) ? 0 : bad(err, entry, "until= expects a day as 2030-01-31");
    if (strcmp(key, "src") == 0)
        return read_net(v, &e->src) ? 0 : bad(err, entry, "src= expects an address or network");
    if (strcmp(key, "dst") == 0)
        return read_net(v, &e->dst) ? 0 : bad(err, entry, "dst= expects an address or network");
    if (is_tune && strcmp(key, "count") == 0)
        return read_number(v, &e->count) ? 0 : bad(err, entry, "count= expects a number from 1");
    if (is_tune && strcmp(key, "seconds") == 0) {
        if (!read_number(v, &n))
            return bad(err, entry, "seconds= expects a number from 1");
        e->seconds = n;
        return 0;
    }
    if (is_tune && strcmp(key, "track") == 0) {
        e->track = strcmp(v, "dst") == 0 ? BY_DST : strcmp(v, "rule") == 0 ? BY_RULE : BY_SRC;
        return strcmp(v, "src") == 0 || e->track != BY_SRC ? 0 : bad(err, entry, "track= is src, dst or rule");
    }
    if (strcmp(key, "process") == 0)
        return bad(err, entry, "the network side does not know processes; the brain's allow rules do");
    return bad(err, entry, is_tune ? "expected sid=, count=, seconds=, track=, src=, dst=, until=, owner=, reason="
                                   : "expected sid=, src=, dst=, until=, owner=, reason=");
}

static int parse(const char *entry, bool is_tune, struct entry *e, struct mmr_error *err)
{
    bool has_owner = false, has_reason = false;
    *e = (struct entry){.seconds = 0};
    for (const char *p = entry + strspn(entry, " "); *p && !has_reason; p += strspn(p, " ")) {
        char key[16], value[WORD_MAX];
        size_t k = strcspn(p, "= "), v;
        if (p[k] != '=' || k == 0 || k >= sizeof key)
            return bad(err, entry, "expected words as key=value");
        memcpy(key, p, k);
        key[k] = '\0';
        p += k + 1;
        if (strcmp(key, "reason") == 0) { /* the rest of the line */
            has_reason = p[strspn(p, " ")] != '\0';
            break;
        }
        v = strcspn(p, " ");
        if (v >= sizeof value)
            return bad(err, entry, "a value is too long");
        memcpy(value, p, v);
        value[v] = '\0';
        p += v;
        int rc = one_word(entry, key, value, is_tune, e, &has_owner, err);
        if (rc < 0)
            return rc;
    }
    if (!e->sid)
        return bad(err, entry, "sid= is missing");
    if (is_tune && (!e->count || !e->seconds))
        return bad(err, entry, "count= and seconds= are missing");
    if (!has_owner || !has_reason)
        return bad(err, entry, "owner= and reason= must say who wanted this and why");
    return 0;
}

static int parse_all(const struct mmr_strv *list, bool is_tune, struct entry **ret, size_t *ret_n, struct mmr_error *err)
{
    *ret = calloc(list->n + 1, sizeof **ret);
    if (!*ret)
        return mmr_fail(err, MMR_ENOMEM, "signature: out of memory");
    for (size_t i = 0; i < list->n; i++) {
        int rc = parse(list->v[i], is_tune, &(*ret)[i], err);
        if (rc < 0)
            return rc;
    }
    *ret_n = list->n;
    return 0;
}

int suppress_new(const struct mmr_strv *suppress, const struct mmr_strv *tune, struct suppress **ret, struct mmr_error *err)
{
    struct suppress *s = calloc(1, sizeof *s);
    int rc = s ? 0 : mmr_fail(err, MMR_ENOMEM, "signature: out of memory");
    if (rc == 0)
        rc = parse_all(suppress, false, &s->quiet, &s->n_quiet, err);
    if (rc == 0)
        rc = parse_all(tune, true, &s->tuned, &s->n_tuned, err);
    if (rc < 0) {
        suppress_free(s);
        return rc;
    }
    *ret = s;
    return 0;
}

void suppress_free(struct suppress *s)
{
    if (!s)
        return;
    free(s->quiet);
    free(s->tuned);
    free(s);
}

static bool net_has(const struct net *n, const struct mmr_addr *a)
{
    if (!n->is_set)
        return true;
    uint32_t whole = n->bits / 8, rest = n->bits % 8;
    return memcmp(a->b, n->addr.b, whole) == 0 && (!rest || ((a->b[whole] ^ n->addr.b[whole]) >> (8 - rest)) == 0);
}

/* src is who opened the connection, as in the finding. */
static void ends_of(const struct mmr_rule_hit *hit, struct mmr_addr *src, struct mmr_addr *dst)
{
    memset(src, 0, sizeof *src);
    memset(dst, 0, sizeof *dst);
    if (hit->flow) {
        *src = hit->flow->client;
        *dst = hit->flow->server;
    } else if (hit->packet) {
        *src = hit->packet->src;
        *dst = hit->packet->dst;
    }
}

static bool is_meant(const struct entry *e, uint32_t sid, const struct mmr_addr *src, const struct mmr_addr *dst, int64_t now_ns)
{
    return e->sid == sid && net_has(&e->src, src) && net_has(&e->dst, dst) && (!e->until_s || now_ns / 1000000000 < e->until_s);
}

/* One in count within seconds: the count-th match of a window. */
static bool counts_up(struct suppress *s, const struct entry *e, const struct mmr_addr *src, const struct mmr_addr *dst, int64_t now_ns)
{
    const struct mmr_addr *a = e->track == BY_SRC ? src : dst;
    uint64_t h = e->sid * 0x9e3779b97f4a7c15U + (uint64_t)e->track, w;
    for (unsigned i = 0; e->track != BY_RULE && i < 16; i += 8) {
        memcpy(&w, a->b + i, 8);
        h = (h ^ w) * 0x9fb21c651e98df25U;
        h ^= h >> 32;
    }
    h |= 1;
    struct seen *x = &s->seen[(h >> 20) % TRACKED];
    if (x->key != h || now_ns - x->since_ns > e->seconds * 1000000000)
        *x = (struct seen){.key = h, .since_ns = now_ns};
    return ++x->n % e->count == 0;
}

bool suppress_lets(struct suppress *s, const struct mmr_rule_hit *hit)
{
    struct mmr_addr src, dst;
    if (s->n_quiet + s->n_tuned == 0)
        return true;
    ends_of(hit, &src, &dst);
    for (size_t i = 0; i < s->n_quiet; i++)
        if (is_meant(&s->quiet[i], hit->rule->sid, &src, &dst, hit->time_ns)) {
            s->n_kept_quiet++;
            return false;
        }
    for (size_t i = 0; i < s->n_tuned; i++)
        if (is_meant(&s->tuned[i], hit->rule->sid, &src, &dst, hit->time_ns) && !counts_up(s, &s->tuned[i], &src, &dst, hit->time_ns)) {
            s->n_kept_quiet++;
            return false;
        }
    return true;
}

uint64_t suppress_quiet(const struct suppress *s)
{
    return s->n_kept_quiet;
}

size_t suppress_expired(const struct suppress *s, int64_t now_s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n_quiet; i++)
        n += s->quiet[i].until_s && s->quiet[i].until_s <= now_s;
    for (size_t i = 0; i < s->n_tuned; i++)
        n += s->tuned[i].until_s && s->tuned[i].until_s <= now_s;
    return n;
}
