/* state.c - see state.h. Keys come from traffic, so memory is fixed and a flood only evicts. */
#include <rules/state.h>

#include <stdlib.h>
#include <string.h>

enum { WAYS = 8, SETS = 4096, PORT_MAPS_MAX = 512, PORT_WORDS = 65536 / 64 };

struct cell {
    struct mmr_addr a, b;
    uint64_t flow;
    uint32_t kind, count; /* kind: space or threshold kind, and id; 0 free */
    int64_t start_ns, end_ns;
    uint64_t *ports; /* distinct ports seen, or NULL */
};
struct state_table {
    struct cell cell[SETS][WAYS];
    uint64_t evicted;
    uint32_t port_maps, reserved;
};

struct state_table *mmr_state_new(void)
{
    return calloc(1, sizeof(struct state_table));
}

static void clear(struct state_table *t, struct cell *c)
{
    if (c->ports) {
        free(c->ports);
        t->port_maps--;
    }
    *c = (struct cell){0};
}

void mmr_state_free(struct state_table *t)
{
    if (!t)
        return;
    for (unsigned i = 0; i < SETS; i++)
        for (unsigned k = 0; k < WAYS; k++)
            free(t->cell[i][k].ports);
    free(t);
}

uint64_t mmr_state_evicted(const struct state_table *t)
{
    return t->evicted;
}

struct key {
    struct mmr_addr a, b;
    uint64_t flow;
    uint32_t kind, reserved;
};

static struct key make_key(uint32_t kind, int track, const struct state_who *w)
{
    struct key k = {.kind = kind};
    switch (track) {
    case TRACK_SRC: k.a = *w->src; break;
    case TRACK_DST: k.a = *w->dst; break;
    case TRACK_BOTH:
        k.a = *w->src;
        k.b = *w->dst;
        break;
    case TRACK_FLOW: k.flow = w->flow_id; break;
    default: break;
    }
    return k;
}

static struct cell *lookup(struct state_table *t, const struct key *k, int64_t now_ns, bool may_add)
{
    struct cell *set = t->cell[mmr_rules_hash(k, sizeof *k, 7) % SETS], *worst = &set[0];
    for (unsigned i = 0; i < WAYS; i++)
        if (set[i].kind == k->kind && set[i].flow == k->flow && memcmp(&set[i].a, &k->a, 16) == 0 &&
            memcmp(&set[i].b, &k->b, 16) == 0)
            return &set[i];
    if (!may_add)
        return NULL;
    for (unsigned i = 0; i < WAYS; i++) {
        if (!set[i].kind) {
            worst = &set[i];
            break;
        }
        if (set[i].end_ns < worst->end_ns)
            worst = &set[i];
    }
    if (worst->kind && worst->end_ns > now_ns)
        t->evicted++;
    clear(t, worst);
    worst->a = k->a;
    worst->b = k->b;
    worst->flow = k->flow;
    worst->kind = k->kind;
    worst->start_ns = now_ns;
    return worst;
}

/* true: this port is new to the cell (or there is no room to remember ports) */
static bool note_port(struct state_table *t, struct cell *c, uint16_t port)
{
    if (!c->ports) {
        if (t->port_maps >= PORT_MAPS_MAX || !(c->ports = calloc(PORT_WORDS, sizeof *c->ports)))
            return true;
        t->port_maps++;
    }
    uint64_t bit = UINT64_C(1) << (port & 63), *word = &c->ports[port >> 6];
    bool is_new = !(*word & bit);
    *word |= bit;
    return is_new;
}

bool mmr_state_threshold(struct state_table *t, uint32_t rule_id, const struct threshold *th, const struct state_who *w)
{
    /* the top bits keep thresholds, filters and bits apart */
    struct key k = make_key((th->type == TH_FILTER ? 2u : 1u) << 28 | (rule_id & 0xfffffff), th->track, w);
    struct cell *c = lookup(t, &k, w->now_ns, true);
    int64_t span_ns = (int64_t)th->seconds * 1000000000;
    if (th->type == TH_BACKOFF)
        span_ns = INT64_MAX / 2;
    if (c->count == 0 || w->now_ns - c->start_ns > span_ns) {
        c->start_ns = w->now_ns;
        c->end_ns = w->now_ns > INT64_MAX - span_ns ? INT64_MAX : w->now_ns + span_ns;
        c->count = 0;
        if (c->ports)
            memset(c->ports, 0, PORT_WORDS * sizeof *c->ports);
    }
    if (th->unique_on == UNIQUE_NONE || note_port(t, c, th->unique_on == UNIQUE_SRC_PORT ? w->src_port : w->dst_port))
        if (c->count < UINT32_MAX)
            c->count++;
    switch (th->type) {
    case TH_LIMIT:
        return c->count <= th->count;
    case TH_THRESHOLD:
        if (c->count < th->count)
            return false;
        c->count = 0;
        c->end_ns = 0; /* free to go */
        return true;
    case TH_BOTH:
        return c->count == th->count;
    case TH_BACKOFF: /* at count, count * multiplier, ... */
        for (uint64_t n = th->count ? th->count : 1; n <= c->count; n *= th->multiplier) {
            if (n == c->count)
                return true;
            if (th->multiplier <= 1)
                return true;
        }
        return false;
    default:
        return c->count > th->count;
    }
}

static struct key bit_key(uint8_t space, uint32_t id, const struct state_who *w)
{
    int track = space == BIT_HOST_SRC ? TRACK_SRC : space == BIT_HOST_DST ? TRACK_DST : TRACK_BOTH;
    /* host bits set as source are the same as those read as destination */
    struct key k = make_key((space == BIT_PAIR ? 4u : 3u) << 28 | (id & 0xfffffff), track, w);
    if (space == BIT_PAIR && memcmp(&k.a, &k.b, 16) > 0) {
        struct mmr_addr a = k.a;
        k.a = k.b;
        k.b = a;
    }
    return k;
}

bool mmr_state_bit_get(struct state_table *t, uint8_t space, uint32_t id, const struct state_who *w)
{
    struct key k = bit_key(space, id, w);
    const struct cell *c = lookup(t, &k, w->now_ns, false);
    return c && c->end_ns >= w->now_ns;
}

void mmr_state_bit_put(struct state_table *t, const struct bit_act *b, uint32_t id, const struct state_who *w, bool is_set)
{
    struct key k = bit_key(b->space, id, w);
    struct cell *c = lookup(t, &k, w->now_ns, is_set);
    if (c && is_set)
        c->end_ns = w->now_ns + (int64_t)b->expire_s * 1000000000;
    else if (c)
        clear(t, c);
}
