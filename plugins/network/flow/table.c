/* table.c - the flow table: hash chains over a slab, one age list per time-out. */
#include "table.h"

#include <stdlib.h>
#include <string.h>

enum { SLAB_FLOWS = 256 };
struct slab {
    struct slab *next;
    struct flow flows[SLAB_FLOWS];
};
struct flow_table {
    struct flow **buckets;
    uint32_t mask, count, max;
    uint64_t seed, next_id;
    struct flow *free_list; /* by hash_next */
    struct slab *slabs;
    struct {
        struct flow *oldest, *youngest;
    } ages[FLOW_AGES];
};

static uint64_t mix(uint64_t a, uint64_t b)
{
    __uint128_t m = (__uint128_t)(a ^ 0x9e3779b97f4a7c15U) * (b ^ 0xd1b54a32d192ed03U);
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static uint64_t end_hash(const struct mmr_addr *a, uint16_t port, uint64_t seed)
{
    uint64_t hi, lo;
    memcpy(&hi, a->b, 8);
    memcpy(&lo, a->b + 8, 8);
    return mix(mix(hi ^ seed, lo), (uint64_t)port + seed);
}

static uint32_t key_hash(const struct flow_table *t, const struct flow_key *k)
{
    /* a sum does not depend on the direction */
    uint64_t h = end_hash(&k->a, k->a_port, t->seed) + end_hash(&k->b, k->b_port, t->seed);
    h = mix(h, (uint64_t)k->proto << 32 | k->id16);
    return (uint32_t)h;
}

int flow_table_new(uint32_t max, uint64_t seed, struct flow_table **ret, struct mmr_error *err)
{
    struct flow_table *t = calloc(1, sizeof *t);
    uint32_t buckets = 1024;
    while (buckets < max && buckets < 1U << 22)
        buckets *= 2;
    if (t)
        t->buckets = calloc(buckets, sizeof *t->buckets);
    if (!t || !t->buckets) {
        free(t);
        return mmr_fail(err, MMR_ENOMEM, "flow table of %u flows: out of memory; lower flows_max", max);
    }
    t->mask = buckets - 1;
    t->max = max;
    t->seed = seed;
    *ret = t;
    return MMR_OK;
}

static void free_waiting(struct flow *f)
{
    for (unsigned d = 0; d < 2; d++)
        while (f->dir[d].wait) {
            struct flow_seg *s = f->dir[d].wait;
            f->dir[d].wait = s->next;
            free(s);
        }
}

void flow_table_free(struct flow_table *t)
{
    if (!t)
        return;
    for (unsigned a = 0; a < FLOW_AGES; a++)
        for (struct flow *f = t->ages[a].oldest; f; f = f->newer)
            free_waiting(f);
    while (t->slabs) {
        struct slab *s = t->slabs;
        t->slabs = s->next;
        free(s);
    }
    free(t->buckets);
    free(t);
}

static bool same(const struct mmr_addr *a, const struct mmr_addr *b)
{
    return memcmp(a->b, b->b, 16) == 0;
}

/* The direction of key in f; -1: another conversation. */
static int direction_of(const struct flow *f, const struct flow_key *k)
{
    bool is_icmp = k->proto == 1 || k->proto == 58; /* ports hold type and code there */
    if (same(&f->pub.client, &k->a) && same(&f->pub.server, &k->b) &&
        (is_icmp || (f->pub.client_port == k->a_port && f->pub.server_port == k->b_port)))
        return MMR_TO_SERVER;
    if (same(&f->pub.client, &k->b) && same(&f->pub.server, &k->a) &&
        (is_icmp || (f->pub.client_port == k->b_port && f->pub.server_port == k->a_port)))
        return MMR_TO_CLIENT;
    return -1;
}

struct flow *flow_table_find(struct flow_table *t, const struct flow_key *k, uint8_t *ret_dir)
{
    uint32_t h = key_hash(t, k);
    struct flow *half = NULL; /* its other direction came with another tag, or is this one's */
    for (struct flow *f = t->buckets[h & t->mask]; f; f = f->hash_next) {
        if (f->hash != h || f->pub.proto != k->proto || f->id16 != k->id16)
            continue;
        int dir = direction_of(f, k);
        if (dir < 0)
            continue;
        if (f->vlan[dir] == k->vlan) {
            *ret_dir = (uint8_t)dir;
            return f;
        }
        if (f->vlan[dir] == VLAN_UNSEEN && (!half || f->vlan[!dir] == k->vlan)) {
            half = f;
            *ret_dir = (uint8_t)dir;
        }
    }
    if (half)
        half->vlan[*ret_dir] = k->vlan;
    return half;
}

static void age_unlink(struct flow_table *t, struct flow *f)
{
    if (f->older)
        f->older->newer = f->newer;
    else
        t->ages[f->age].oldest = f->newer;
    if (f->newer)
        f->newer->older = f->older;
    else
        t->ages[f->age].youngest = f->older;
    f->older = f->newer = NULL;
}

static void age_append(struct flow_table *t, struct flow *f, enum flow_age age)
{
    f->age = (uint8_t)age;
    f->newer = NULL;
    f->older = t->ages[age].youngest;
    if (f->older)
        f->older->newer = f;
    else
        t->ages[age].oldest = f;
    t->ages[age].youngest = f;
}

void flow_table_touch(struct flow_table *t, struct flow *f, enum flow_age age)
{
    if (f->age == age && !f->newer)
        return; /* is the youngest already */
    age_unlink(t, f);
    age_append(t, f, age);
}

struct flow *flow_table_add(struct flow_table *t, const struct flow_key *k, bool is_reversed, enum flow_age age)
{
    if (t->count >= t->max)
        return NULL;
    if (!t->free_list) {
        struct slab *s = malloc(sizeof *s);
        if (!s)
            return NULL;
        s->next = t->slabs;
        t->slabs = s;
        for (unsigned i = SLAB_FLOWS; i-- > 0;) {
            s->flows[i].hash_next = t->free_list;
            t->free_list = &s->flows[i];
        }
    }
    struct flow *f = t->free_list;
    t->free_list = f->hash_next;
    memset(f, 0, sizeof *f);
    f->pub.struct_size = sizeof f->pub;
    f->pub.ip_version = k->ip_version;
    f->pub.proto = k->proto;
    f->pub.vlan = k->vlan;
    f->pub.id = ++t->next_id;
    f->id16 = k->id16;
    f->vlan[is_reversed] = k->vlan;
    f->vlan[!is_reversed] = VLAN_UNSEEN;
    f->pub.client = is_reversed ? k->b : k->a;
    f->pub.server = is_reversed ? k->a : k->b;
    f->pub.client_port = is_reversed ? k->b_port : k->a_port;
    f->pub.server_port = is_reversed ? k->a_port : k->b_port;
    f->hash = key_hash(t, k);
    f->hash_next = t->buckets[f->hash & t->mask];
    t->buckets[f->hash & t->mask] = f;
    age_append(t, f, age);
    t->count++;
    return f;
}

void flow_table_remove(struct flow_table *t, struct flow *f)
{
    for (struct flow **at = &t->buckets[f->hash & t->mask]; *at; at = &(*at)->hash_next)
        if (*at == f) {
            *at = f->hash_next;
            break;
        }
    age_unlink(t, f);
    free_waiting(f);
    f->hash_next = t->free_list;
    t->free_list = f;
    t->count--;
}

struct flow *flow_table_oldest(struct flow_table *t, enum flow_age age)
{
    return t->ages[age].oldest;
}

uint32_t flow_table_count(const struct flow_table *t)
{
    return t->count;
}

void flow_table_set_back(struct flow_table *t, int64_t ns)
{
    for (unsigned a = 0; a < FLOW_AGES; a++)
        for (struct flow *f = t->ages[a].oldest; f; f = f->newer) {
            f->pub.first_ns -= ns;
            f->pub.last_ns -= ns;
            f->dir[0].hole_ns -= ns;
            f->dir[1].hole_ns -= ns;
        }
}
