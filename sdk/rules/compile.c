/* compile.c - see compile.h and rules.h. The order of evaluation is fixed here, once: same input, same alerts. */
#include <rules/compile.h>

#include <rules/buffers.h>
#include <rules/prefilter.h>

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

enum { PAY_PKT, PAY_TCP, PAY_STREAM, PAY_APP, PAYLOADS }; /* indexes of payload literals, as in struct mmr_rules */
struct lit_build { /* literals of one index while they are gathered */
    struct lit_index *index;
    struct literal *lits;
    uint32_t cap;
    struct str_map seen; /* case flag and bytes -> literal + 1 */
};

static bool push(struct rule_list *l, uint32_t rule)
{
    if (l->n && l->v[l->n - 1] == rule)
        return true;
    if (l->n == l->cap) {
        uint32_t cap = l->cap ? l->cap * 2 : 2;
        uint32_t *v = realloc(l->v, cap * sizeof *v);
        if (!v)
            return false;
        l->v = v;
        l->cap = cap;
    }
    l->v[l->n++] = rule;
    return true;
}

bool mmr_rule_wants_pkt(const struct rule *r)
{
    if (r->flags & (R_APP | R_IP_ONLY | R_PD_ONLY))
        return false;
    return r->flags & R_NEED_PKT || !(r->flags & R_NEED_STREAM) || r->proto & ~(unsigned)PROTO_TCP;
}

bool mmr_rule_wants_stream(const struct rule *r)
{
    return !(r->flags & (R_APP | R_IP_ONLY | R_PD_ONLY)) && r->flags & R_NEED_STREAM && r->proto & PROTO_TCP;
}

/* How well a literal separates: its length, less where the buffer's values are few. */
static int weigh(const struct group *g, const struct step *s)
{
    const char *name = mmr_buf_kind(g->buf)->name;
    const uint8_t *b = s->p;
    int w = (int)(s->len > 40 ? 40 : s->len), zeros = 0;
    for (uint32_t i = 0; i < s->len && i < 40; i++)
        zeros += b[i] == 0 || b[i] == ' ' || b[i] == 0xff;
    w = 2 * w - zeros;
    if (strcmp(name, "http.method") == 0 || strcmp(name, "http.stat_code") == 0 || strcmp(name, "http.protocol") == 0)
        w = w > 20 ? 4 : 1;
    if (strcmp(name, "http.header") == 0 || strcmp(name, "http.header_names") == 0 || strcmp(name, "http.accept") == 0 ||
        strcmp(name, "http.content_type") == 0)
        w = w * 2 / 3;
    return w;
}

/* The literal to look for in the untransformed buffer, or false. */
static bool literal_of(const struct group *g, const struct step *s, struct literal *ret)
{
    struct literal l = {s->p, s->len, s->flags & S_NOCASE};
    if (s->type != STEP_CONTENT || s->flags & S_NEGATED || g->buf == BUF_BASE64)
        return false;
    for (uint32_t i = 0; i < g->n_transforms; i++)
        switch (g->transforms[i].type) {
        case TR_LOWER:
        case TR_UPPER:
            l.is_nocase = true;
            break;
        case TR_DOTPREFIX: /* the dot before the first label is not in the message */
            if (l.len && l.p[0] == '.') {
                l.p++;
                l.len--;
            }
            break;
        default:
            return false;
        }
    *ret = l;
    return l.len > 0;
}

static void choose(struct rule *r)
{
    int best = -1;
    r->pre_group = 0;
    for (uint32_t g = 0; g < r->n_groups; g++) {
        const struct group *grp = &r->groups[g];
        const struct buf_kind *k = mmr_buf_kind(grp->buf);
        struct literal l;
        if (k->flags & BUF_PACKET || (grp->buf == BUF_PAYLOAD) == !!(r->flags & R_APP))
            continue; /* a message rule is found by its message */
        for (uint32_t i = 0; i < grp->n_steps; i++) {
            if (!literal_of(grp, &grp->steps[i], &l))
                continue;
            int w = weigh(grp, &grp->steps[i]) + (grp->steps[i].flags & S_FAST ? 1000 : 0);
            if (w > best) {
                best = w;
                r->pre_group = (uint8_t)(g + 1);
                r->pre_step = (uint16_t)i;
            }
        }
    }
}

static int add_literal(struct lit_build *b, struct arena *a, const struct literal *l, uint32_t rule)
{
    uint8_t key[PREFILTER_LITERAL_MAX + 1];
    uint32_t len = l->len < PREFILTER_LITERAL_MAX ? l->len : PREFILTER_LITERAL_MAX;
    key[0] = l->is_nocase;
    memcpy(key + 1, l->p, len);
    uint32_t at = mmr_str_map_put(&b->seen, a, (const char *)key, len + 1, b->index->n_lits + 1);
    if (!at)
        return MMR_ENOMEM;
    if (at > b->index->n_lits) {
        if (b->index->n_lits == b->cap) {
            uint32_t cap = b->cap ? b->cap * 2 : 64;
            struct literal *lits = realloc(b->lits, cap * sizeof *lits);
            if (lits)
                b->lits = lits;
            struct rule_list *lists = lits ? realloc(b->index->rules, cap * sizeof *lists) : NULL;
            if (!lists)
                return MMR_ENOMEM;
            memset(lists + b->cap, 0, (cap - b->cap) * sizeof *lists);
            b->index->rules = lists;
            b->cap = cap;
        }
        b->lits[b->index->n_lits] = *l;
        b->lits[b->index->n_lits++].len = len;
    }
    return push(&b->index->rules[at - 1], rule) ? 0 : MMR_ENOMEM;
}

/* Rules that set bits come before those that read them; within a rank by action, priority, sid. */
static int by_order(const void *a, const void *b)
{
    const struct rule *x = *(struct rule *const *)a, *y = *(struct rule *const *)b;
    bool px = x->info.action == MMR_RULE_PASS, py = y->info.action == MMR_RULE_PASS;
    if (px != py)
        return px ? -1 : 1;
    if (x->depth != y->depth)
        return x->depth < y->depth ? -1 : 1;
    if (x->info.priority != y->info.priority)
        return x->info.priority < y->info.priority ? -1 : 1;
    if (x->info.gid != y->info.gid)
        return x->info.gid < y->info.gid ? -1 : 1;
    return x->info.sid < y->info.sid ? -1 : x->info.sid > y->info.sid;
}

static bool is_read(const struct bit_act *b)
{
    return b->op == BIT_ISSET || b->op == BIT_ISNOTSET || b->op == BIT_CMP;
}

/* depth of a rule: one more than the deepest rule that sets a bit it reads */
static int rank(struct mmr_rules *set)
{
    uint32_t n = set->flowbits.n + set->xbits.n + set->ints.n + 3;
    uint16_t *depth = calloc(n, sizeof *depth);
    bool has_changed = true;
    if (!depth)
        return MMR_ENOMEM;
    for (int pass = 0; pass < 16 && has_changed; pass++) {
        has_changed = false;
        for (uint32_t i = 0; i < set->n_rules; i++) {
            struct rule *r = set->rules[i];
            uint16_t d = 0;
            for (uint32_t way = 0; way < 2; way++)
                for (uint32_t k = 0; k < r->n_bits; k++) {
                    const struct bit_act *b = &r->bits[k];
                    uint32_t base = b->space == BIT_FLOW ? 0 : b->space == BIT_INT ? set->flowbits.n + set->xbits.n + 2
                                                                                    : set->flowbits.n + 1;
                    for (uint32_t j = 0; j < b->n_ids; j++) {
                        uint16_t *at = &depth[base + b->ids[j]];
                        if (way == 0 && is_read(b) && *at >= d)
                            d = (uint16_t)(*at + 1 > 16 ? 16 : *at + 1);
                        if (way == 1 && !is_read(b) && *at < d) {
                            *at = d;
                            has_changed = true;
                        }
                    }
                }
            r->depth = d;
        }
    }
    free(depth);
    return 0;
}

static int place(struct mmr_rules *set, struct lit_build *bufs, struct lit_build *pay, uint32_t i)
{
    struct rule *r = set->rules[i];
    struct literal l;
    choose(r);
    const struct group *g = r->pre_group ? &r->groups[r->pre_group - 1] : NULL;
    bool has_lit = g && literal_of(g, &g->steps[r->pre_step], &l);
    if (r->flags & R_IP_ONLY) {
        bool is_listed = mmr_addr_set_is_narrow(r->src) || mmr_addr_set_is_narrow(r->dst);
        return push(is_listed ? &set->ip_listed : &set->ip_only, i) ? 0 : MMR_ENOMEM;
    }
    if (r->flags & R_PD_ONLY)
        return push(&set->pd_only, i) ? 0 : MMR_ENOMEM;
    if (r->flags & R_APP) {
        if (has_lit)
            return add_literal(&bufs[g->buf], &set->arena, &l, i);
        return push(&set->tx_always[r->app], i) ? 0 : MMR_ENOMEM;
    }
    int rc = 0;
    if (mmr_rule_wants_stream(r)) {
        set->has_stream = true;
        struct lit_build *b = &pay[PAY_STREAM];
        rc = has_lit ? add_literal(b, &set->arena, &l, i) : push(&b->index->always, i) ? 0 : MMR_ENOMEM;
    }
    if (rc == 0 && mmr_rule_wants_pkt(r)) {
        const bool is_for[PAYLOADS] = {[PAY_PKT] = r->proto & ~(unsigned)PROTO_TCP, [PAY_TCP] = r->proto & PROTO_TCP,
                                       [PAY_APP] = r->app != 0};
        for (uint32_t k = 0; rc == 0 && k < PAYLOADS; k++)
            if (is_for[k])
                rc = has_lit ? add_literal(&pay[k], &set->arena, &l, i) : push(&pay[k].index->always, i) ? 0 : MMR_ENOMEM;
    }
    return rc;
}

/* The addresses that lead to a rule of ip_listed: those of its narrower side. */
static int unite_listed(struct mmr_rules *set)
{
    const struct addr_set **sets = calloc(set->ip_listed.n + 1, sizeof *sets);
    int rc = sets ? 0 : MMR_ENOMEM;
    for (uint32_t i = 0; rc == 0 && i < set->ip_listed.n; i++) {
        const struct rule *r = set->rules[set->ip_listed.v[i]];
        sets[i] = mmr_addr_set_is_narrow(r->src) ? r->src : r->dst;
    }
    if (rc == 0)
        rc = mmr_addr_set_unite(&set->arena, sets, set->ip_listed.n, &set->ip_listed_addrs);
    free(sets);
    return rc;
}

int mmr_rules_compile(struct mmr_rules *set, struct mmr_error *err)
{
    struct lit_build *bufs = calloc(RULES_BUFS, sizeof *bufs);
    struct lit_build pay[PAYLOADS] = {[PAY_PKT] = {.index = &set->pkt}, [PAY_TCP] = {.index = &set->pkt_tcp},
                                      [PAY_STREAM] = {.index = &set->stream}, [PAY_APP] = {.index = &set->pkt_app}};
    int rc = set->is_compiled ? MMR_EINVAL : bufs ? rank(set) : MMR_ENOMEM;
    if (rc == 0) {
        if (set->n_rules)
            qsort(set->rules, set->n_rules, sizeof(struct rule *), by_order);
        for (uint32_t i = 0; i < RULES_BUFS; i++)
            bufs[i].index = &set->buf[i];
    }
    for (uint32_t i = 0; rc == 0 && i < set->n_rules; i++)
        rc = place(set, bufs, pay, i);
    if (rc == 0)
        rc = unite_listed(set);
    if (rc < 0)
        rc = mmr_fail(err, rc, rc == MMR_EINVAL ? "rules: compiled already" : "rules: out of memory");
    for (uint32_t i = 0; rc == 0 && i < RULES_BUFS + PAYLOADS; i++) {
        struct lit_build *b = i < RULES_BUFS ? &bufs[i] : &pay[i - RULES_BUFS];
        if (b->index->n_lits)
            rc = mmr_prefilter_new(b->lits, b->index->n_lits, false, &b->index->pf, err);
    }
    for (uint32_t i = 0; i < RULES_BUFS + PAYLOADS; i++) {
        struct lit_build *b = i >= RULES_BUFS ? &pay[i - RULES_BUFS] : bufs ? &bufs[i] : NULL;
        if (b) {
            mmr_str_map_done(&b->seen);
            free(b->lits);
        }
    }
    free(bufs);
    if (rc == 0)
        set->is_compiled = true;
    (void)malloc_trim(0); /* the pattern compiler leaves tens of megabytes of freed pages behind */
    return rc;
}

static void index_done(struct lit_index *x)
{
    mmr_prefilter_free(x->pf);
    for (uint32_t i = 0; i < x->n_lits; i++)
        free(x->rules[i].v);
    free(x->rules);
    free(x->always.v);
    *x = (struct lit_index){0};
}

void mmr_rules_uncompile(struct mmr_rules *set)
{
    struct lit_index *pay[PAYLOADS] = {&set->pkt, &set->pkt_tcp, &set->stream, &set->pkt_app};
    for (uint32_t i = 0; i < RULES_BUFS; i++)
        index_done(&set->buf[i]);
    for (uint32_t i = 0; i < PAYLOADS; i++)
        index_done(pay[i]);
    for (uint32_t i = 0; i < RULES_APPS; i++)
        free(set->tx_always[i].v);
    free(set->ip_only.v);
    free(set->ip_listed.v);
    free(set->pd_only.v);
    set->is_compiled = false;
}
