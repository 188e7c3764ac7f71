/* gaps.c - open gaps by reason, closed ones in a ring. */
#include "brain/gaps.h"

#include "util/clock.h"
#include "util/id.h"

#include <string.h>

enum { FORMAT = 1 };

const char *mmr_blind_cause_name(enum mmr_blind_cause c)
{
    static const char *const names[] = {"unknown", "lost", "silent", "starting", "dropped", "unsent", "off", "forgotten"};
    return (unsigned)c < sizeof names / sizeof names[0] ? names[c] : names[0];
}

static uint32_t reason_of(const char *text)
{
    return (uint32_t)mmr_hash64(text, strlen(text), 31) & 0xffffff00u; /* the low byte holds the cause when packed */
}

void mmr_gaps_begin(struct mmr_gaps *g, const char *reason, enum mmr_blind_cause cause, int64_t at_ns)
{
    uint32_t id = reason_of(reason);
    for (uint32_t i = 0; i < g->n_open; i++)
        if (g->open[i].reason == id)
            return;
    if (g->n_open == MMR_GAPS_OPEN_MAX) /* never more than a machine has hosts; the newest is part of the others */
        return;
    g->open[g->n_open++] = (struct mmr_blind){at_ns, INT64_MAX, cause, id};
}

void mmr_gaps_add(struct mmr_gaps *g, enum mmr_blind_cause cause, int64_t from_ns, int64_t to_ns)
{
    if (to_ns < from_ns) /* a clock was set back meanwhile */
        to_ns = from_ns;
    for (uint32_t i = 0; i < g->n_closed; i++) {
        struct mmr_blind *x = &g->closed[i];
        const int64_t near_ns = MMR_GAPS_JOIN_S * MMR_NS_PER_S;
        if (x->cause != cause || from_ns > x->to_ns + near_ns || to_ns < x->from_ns - near_ns)
            continue;
        x->from_ns = from_ns < x->from_ns ? from_ns : x->from_ns;
        x->to_ns = to_ns > x->to_ns ? to_ns : x->to_ns;
        return;
    }
    struct mmr_blind *x = &g->closed[g->at];
    if (g->n_closed == MMR_GAPS_CLOSED_MAX) {
        if (x->to_ns > g->forgotten_ns)
            g->forgotten_ns = x->to_ns;
    } else {
        g->n_closed++;
    }
    *x = (struct mmr_blind){from_ns, to_ns, cause, 0};
    g->at = (g->at + 1) % MMR_GAPS_CLOSED_MAX;
}

bool mmr_gaps_end(struct mmr_gaps *g, const char *reason, int64_t at_ns, bool is_missed, struct mmr_blind *ret)
{
    uint32_t id = reason_of(reason);
    for (uint32_t i = 0; i < g->n_open; i++) {
        struct mmr_blind x = g->open[i];
        if (x.reason != id)
            continue;
        x.to_ns = at_ns > x.from_ns ? at_ns : x.from_ns;
        g->open[i] = g->open[--g->n_open];
        if (is_missed)
            mmr_gaps_add(g, (enum mmr_blind_cause)x.cause, x.from_ns, x.to_ns);
        if (ret)
            *ret = x;
        return true;
    }
    return false;
}

static bool counts(const struct mmr_blind *x, bool is_strict)
{
    return is_strict || (x->cause != MMR_BLIND_UNSENT && x->cause != MMR_BLIND_OFF);
}

bool mmr_gaps_find(const struct mmr_gaps *g, int64_t from_ns, int64_t to_ns, bool is_strict, struct mmr_blind *ret)
{
    for (uint32_t i = 0; i < g->n_open; i++)
        if (counts(&g->open[i], is_strict) && g->open[i].from_ns <= to_ns) {
            *ret = g->open[i];
            return true;
        }
    for (uint32_t i = 0; i < g->n_closed; i++)
        if (counts(&g->closed[i], is_strict) && g->closed[i].from_ns <= to_ns && g->closed[i].to_ns >= from_ns) {
            *ret = g->closed[i];
            return true;
        }
    if (from_ns <= g->forgotten_ns) {
        *ret = (struct mmr_blind){from_ns, g->forgotten_ns, MMR_BLIND_FORGOTTEN, 0};
        return true;
    }
    if (is_strict && (!g->known_ns || from_ns < g->known_ns)) {
        *ret = (struct mmr_blind){from_ns, g->known_ns ? g->known_ns : INT64_MAX, MMR_BLIND_STARTING, 0};
        return true;
    }
    return false;
}

/* ---- packed: format, counts, times; little endian ---- */

static void put(uint8_t **p, uint64_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        *(*p)++ = (uint8_t)(v >> (8 * i));
}

static uint64_t get(const uint8_t **p, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++)
        v |= (uint64_t)*(*p)++ << (8 * i);
    return v;
}

static void put_gap(uint8_t **p, const struct mmr_blind *x)
{
    put(p, (uint64_t)x->from_ns, 8);
    put(p, (uint64_t)x->to_ns, 8);
    put(p, (x->cause & 0xffu) | (uint32_t)(x->reason & 0xffffff00u), 4);
}

static bool get_gap(const uint8_t **p, struct mmr_blind *x)
{
    x->from_ns = (int64_t)get(p, 8);
    x->to_ns = (int64_t)get(p, 8);
    uint32_t w = (uint32_t)get(p, 4);
    x->cause = w & 0xffu;
    x->reason = w & 0xffffff00u;
    return x->cause >= MMR_BLIND_LOST && x->cause <= MMR_BLIND_FORGOTTEN && x->from_ns <= x->to_ns;
}

size_t mmr_gaps_pack(const struct mmr_gaps *g, uint8_t buf[MMR_GAPS_BYTES_MAX])
{
    uint8_t *p = buf;
    put(&p, FORMAT, 4);
    put(&p, g->n_open, 4);
    put(&p, g->n_closed, 4);
    put(&p, g->at, 4);
    put(&p, (uint64_t)g->known_ns, 8);
    put(&p, (uint64_t)g->forgotten_ns, 8);
    memcpy(p, g->epoch, sizeof g->epoch);
    p += sizeof g->epoch;
    for (uint32_t i = 0; i < g->n_open; i++)
        put_gap(&p, &g->open[i]);
    for (uint32_t i = 0; i < g->n_closed; i++)
        put_gap(&p, &g->closed[i]);
    return (size_t)(p - buf);
}

int mmr_gaps_unpack(const void *bytes, size_t len, struct mmr_gaps *ret, struct mmr_error *err)
{
    const uint8_t *p = bytes;
    struct mmr_gaps g = {0};
    bool is_good = len >= 48 && get(&p, 4) == FORMAT;
    if (is_good) {
        g.n_open = (uint32_t)get(&p, 4);
        g.n_closed = (uint32_t)get(&p, 4);
        g.at = (uint32_t)get(&p, 4);
        g.known_ns = (int64_t)get(&p, 8);
        g.forgotten_ns = (int64_t)get(&p, 8);
        memcpy(g.epoch, p, sizeof g.epoch);
        p += sizeof g.epoch;
        is_good = g.n_open <= MMR_GAPS_OPEN_MAX && g.n_closed <= MMR_GAPS_CLOSED_MAX && g.at < MMR_GAPS_CLOSED_MAX &&
                  len == 48 + (size_t)(g.n_open + g.n_closed) * 20 &&
                  (g.n_closed == MMR_GAPS_CLOSED_MAX || g.at == g.n_closed % MMR_GAPS_CLOSED_MAX);
    }
    for (uint32_t i = 0; is_good && i < g.n_open; i++)
        is_good = get_gap(&p, &g.open[i]);
    for (uint32_t i = 0; is_good && i < g.n_closed; i++)
        is_good = get_gap(&p, &g.closed[i]);
    if (!is_good) {
        *ret = (struct mmr_gaps){0};
        return mmr_fail(err, MMR_EBADMSG, "gaps of the watch: %zu bytes that are no such record", len);
    }
    *ret = g;
    return 0;
}
