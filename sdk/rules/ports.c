/* ports.c - see ports.h. A bit for each port says at once that there is nothing; the few that have rules stand sorted. */
#include <rules/ports.h>

#include <rules/compile.h>

#include <stdlib.h>
#include <string.h>

enum { WORDS = 65536 / 64 };

static bool is_few(const struct port_set *s)
{
    uint32_t n = 0;
    if (s->is_any)
        return false;
    for (uint32_t i = 0; i < s->n; i++)
        if ((n += (uint32_t)(s->r[i].hi - s->r[i].lo) + 1) > PORTS_FEW)
            return false;
    return true;
}

int mmr_ports_side(const struct rule *r)
{
    return is_few(r->dport) ? 1 : is_few(r->sport) ? 0 : -1;
}

/* Where the key stands, or would stand. */
static uint32_t place(const struct port_index *x, uint32_t key)
{
    uint32_t lo = 0, hi = x->n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (x->list[mid].key < key)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static int add(struct port_index *x, unsigned side, uint16_t port, uint32_t rule)
{
    uint32_t key = side << 16 | port, at = place(x, key);
    if (!x->has && !(x->has = calloc(2 * WORDS, sizeof *x->has)))
        return MMR_ENOMEM;
    if (at == x->n || x->list[at].key != key) {
        if (x->n == x->cap) {
            uint32_t cap = x->cap ? x->cap * 2 : 64;
            struct port_rules *v = realloc(x->list, cap * sizeof *v);
            if (!v)
                return MMR_ENOMEM;
            x->list = v;
            x->cap = cap;
        }
        memmove(x->list + at + 1, x->list + at, (x->n - at) * sizeof *x->list);
        x->list[at] = (struct port_rules){.key = key};
        x->n++;
    }
    x->has[side * WORDS + port / 64] |= UINT64_C(1) << port % 64;
    return mmr_rule_list_push(&x->list[at].rules, rule) ? 0 : MMR_ENOMEM;
}

static int add_set(struct port_index *x, unsigned side, const struct port_set *s, uint32_t rule)
{
    int rc = 0;
    for (uint32_t i = 0; i < s->n; i++)
        for (uint32_t port = s->r[i].lo; rc == 0 && port <= s->r[i].hi; port++)
            rc = add(x, side, (uint16_t)port, rule);
    return rc;
}

int mmr_ports_add(struct port_index *x, const struct rule *r, uint32_t i)
{
    int side = mmr_ports_side(r);
    const struct port_set *s = side == 1 ? r->dport : r->sport;
    int rc = add_set(x, (unsigned)side, s, i);
    if (rc == 0 && r->flags & R_BIDIR) /* the header holds the other way round as well */
        rc = add_set(x, !side, s, i);
    return rc;
}

void mmr_ports_done(struct port_index *x)
{
    for (uint32_t i = 0; i < x->n; i++)
        free(x->list[i].rules.v);
    free(x->list);
    free(x->has);
    *x = (struct port_index){0};
}

const struct rule_list *mmr_ports_find(const struct port_index *x, unsigned side, uint16_t port)
{
    if (!x->has || !(x->has[side * WORDS + port / 64] >> port % 64 & 1))
        return NULL;
    return &x->list[place(x, side << 16 | port)].rules;
}
