/* tails.c - see tails.h. The hash grows from the last byte backwards, so one walk over a buffer's end gives all its tails. */
#include <rules/tails.h>

#include <rules/compile.h>

#include <stdlib.h>
#include <string.h>

static uint32_t step(uint32_t h, uint8_t c)
{
    c = c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
    h = (h ^ c) * 0x01000193u;
    return h ^ h >> 15;
}

/* 0 stands for an empty place */
static uint32_t finish(uint32_t h, uint32_t len)
{
    h = (h ^ len * 0x9e3779b1u) * 0x85ebca6bu;
    h ^= h >> 13;
    return h ? h : 1;
}

static struct tail *place(const struct tail_index *x, uint32_t key)
{
    uint32_t at = key & (x->cap - 1);
    while (x->v[at].key && x->v[at].key != key)
        at = (at + 1) & (x->cap - 1);
    return &x->v[at];
}

static bool grow(struct tail_index *x)
{
    struct tail_index bigger = *x;
    bigger.cap = x->cap ? x->cap * 2 : 64;
    bigger.v = calloc(bigger.cap, sizeof *bigger.v);
    if (!bigger.v)
        return false;
    for (uint32_t i = 0; i < x->cap; i++)
        if (x->v[i].key)
            *place(&bigger, x->v[i].key) = x->v[i];
    free(x->v);
    *x = bigger;
    return true;
}

int mmr_tails_add(struct tail_index *x, const uint8_t *p, uint32_t len, uint32_t rule)
{
    uint32_t n = len < TAIL_MAX ? len : TAIL_MAX, h = 0;
    if (len == 0)
        return MMR_EINVAL;
    if (x->n * 2 >= x->cap && !grow(x))
        return MMR_ENOMEM;
    for (uint32_t i = 0; i < n; i++)
        h = step(h, p[len - 1 - i]);
    struct tail *t = place(x, finish(h, n));
    x->n += !t->key;
    t->key = finish(h, n);
    x->lengths |= UINT64_C(1) << (n - 1);
    return mmr_rule_list_push(&t->rules, rule) ? 0 : MMR_ENOMEM;
}

void mmr_tails_done(struct tail_index *x)
{
    for (uint32_t i = 0; i < x->cap; i++)
        free(x->v[i].rules.v);
    free(x->v);
    *x = (struct tail_index){0};
}

void mmr_tails_find(const struct tail_index *x, const uint8_t *p, size_t len, void (*hit)(void *ctx, const struct rule_list *rules), void *ctx)
{
    uint32_t n = len < TAIL_MAX ? (uint32_t)len : TAIL_MAX, h = 0;
    for (uint32_t i = 0; x->cap && i < n; i++) {
        h = step(h, p[len - 1 - i]);
        if (!(x->lengths >> i & 1))
            continue;
        const struct tail *t = place(x, finish(h, i + 1));
        if (t->key)
            hit(ctx, &t->rules);
    }
}
