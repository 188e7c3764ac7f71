/* compile.c - see compile.h and rules.h. The order of evaluation is fixed here, once: same input, same alerts. */
#include <rules/compile.h>

#include <rules/buffers.h>
#include <rules/must.h>
#include <rules/ports.h>
#include <rules/prefilter.h>
#include <rules/regex.h>
#include <rules/tails.h>

#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { PAY_PKT, PAY_TCP, PAY_APP, PAYLOADS }; /* indexes of payload literals, as in struct mmr_rules */
struct lit_build { /* literals of one index while they are gathered */
    struct lit_index *index;
    struct literal *lits;
    struct rule_list **second; /* other rules of the same literals; NULL: there are none */
    uint32_t cap, cut;         /* cut: only so many bytes of a literal are searched for */
    struct str_map seen; /* case flag and bytes -> literal + 1 */
};

bool mmr_rule_list_push(struct rule_list *l, uint32_t rule)
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

struct leads { /* literals of which the data must hold one for the rule to match */
    uint32_t n;
    struct literal v[MUST_LITERALS];
};

/* How well literals of this length separate: less where the buffer's values are few. */
static int weigh(const struct group *g, const struct literal *l)
{
    const char *name = mmr_buf_kind(g->buf)->name;
    int w = (int)(l->len > 40 ? 40 : l->len), zeros = 0;
    for (uint32_t i = 0; i < l->len && i < 40; i++)
        zeros += l->p[i] == 0 || l->p[i] == ' ' || l->p[i] == 0xff;
    w = 2 * w - zeros;
    if (strcmp(name, "http.method") == 0 || strcmp(name, "http.stat_code") == 0 || strcmp(name, "http.protocol") == 0)
        w = w > 20 ? 4 : 1;
    if (strcmp(name, "http.header") == 0 || strcmp(name, "http.header_names") == 0 || strcmp(name, "http.accept") == 0 ||
        strcmp(name, "http.content_type") == 0)
        w = w * 2 / 3;
    return w;
}

/* Of the step's literal or literals, what to look for in the untransformed buffer. False: it has none, or a transform hides it. */
static bool leads_of(const struct group *g, const struct step *s, struct leads *ret)
{
    bool is_nocase = s->flags & S_NOCASE;
    ret->n = 0;
    if (s->flags & S_NEGATED || g->buf == BUF_BASE64)
        return false;
    if (s->type == STEP_CONTENT) {
        ret->v[ret->n++] = (struct literal){s->p, s->len, is_nocase};
    } else if (s->type == STEP_PCRE) {
        const struct must *m = mmr_regex_must(s->p, &is_nocase);
        for (uint32_t i = 0; m && i < m->n; i++)
            ret->v[ret->n++] = (struct literal){m->v[i].p, m->v[i].len, is_nocase};
    }
    for (uint32_t i = 0; i < g->n_transforms; i++)
        for (uint32_t k = 0; k < ret->n; k++) {
            struct literal *l = &ret->v[k];
            if (g->transforms[i].type == TR_LOWER || g->transforms[i].type == TR_UPPER)
                l->is_nocase = true;
            else if (g->transforms[i].type != TR_DOTPREFIX)
                return false;
            else if (l->len && l->p[0] == '.') { /* the dot before the first label is not in the message */
                l->p++;
                l->len--;
            }
            if (l->len == 0)
                return false;
        }
    return ret->n > 0;
}

/* The least of its literals counts; an expression's less than a content of that length, which says where it stands as well. */
static int weigh_all(const struct group *g, const struct step *s, const struct leads *leads)
{
    int least = 1000;
    for (uint32_t i = 0; i < leads->n; i++) {
        int w = weigh(g, &leads->v[i]);
        least = w < least ? w : least;
    }
    return s->flags & S_FAST ? least + 1000 : s->type == STEP_PCRE ? least - 2 * (int)leads->n : least;
}

static bool is_missing_ok(const struct group *g)
{
    for (uint32_t i = 0; i < g->n_steps; i++)
        if (g->steps[i].type == STEP_ABSENT)
            return true;
    return false;
}

static void choose(struct rule *r, struct leads *ret)
{
    int best = -1000;
    struct leads leads;
    r->pre_group = 0;
    ret->n = 0;
    for (uint32_t g = 0; g < r->n_groups; g++) {
        const struct group *grp = &r->groups[g];
        const struct buf_kind *k = mmr_buf_kind(grp->buf);
        if (k->flags & BUF_PACKET || (grp->buf == BUF_PAYLOAD) == !!(r->flags & R_APP))
            continue; /* a message rule is found by its message */
        if (is_missing_ok(grp))
            continue; /* "absent: or_else" matches without the buffer */
        for (uint32_t i = 0; i < grp->n_steps; i++) {
            if (!leads_of(grp, &grp->steps[i], &leads))
                continue;
            int w = weigh_all(grp, &grp->steps[i], &leads);
            if (w > best) {
                best = w;
                r->pre_group = (uint8_t)(g + 1);
                r->pre_step = (uint16_t)i;
                *ret = leads;
            }
        }
    }
}

static bool grow(struct lit_build *b)
{
    uint32_t old = b->cap, cap = old ? old * 2 : 64;
    struct literal *lits = realloc(b->lits, cap * sizeof *lits);
    if (lits)
        b->lits = lits;
    struct rule_list *lists = lits ? realloc(b->index->rules, cap * sizeof *lists) : NULL;
    if (lists)
        b->index->rules = lists;
    struct rule_list *more = lists && b->second ? realloc(*b->second, cap * sizeof *more) : NULL;
    if (more)
        *b->second = more;
    if (!lists || (b->second && !more))
        return false;
    memset(lists + old, 0, (cap - old) * sizeof *lists);
    if (more)
        memset(more + old, 0, (cap - old) * sizeof *more);
    b->cap = cap;
    return true;
}

static int add_literal(struct lit_build *b, struct arena *a, const struct literal *l, uint32_t rule, bool is_second)
{
    uint8_t key[PREFILTER_LITERAL_MAX + 1];
    uint32_t len = l->len < b->cut ? l->len : b->cut;
    key[0] = l->is_nocase;
    memcpy(key + 1, l->p, len);
    uint32_t at = mmr_str_map_put(&b->seen, a, (const char *)key, len + 1, b->index->n_lits + 1);
    if (!at)
        return MMR_ENOMEM;
    if (at > b->index->n_lits) {
        if (b->index->n_lits == b->cap && !grow(b))
            return MMR_ENOMEM;
        b->lits[b->index->n_lits] = *l;
        b->lits[b->index->n_lits++].len = len;
    }
    return mmr_rule_list_push(is_second ? &(*b->second)[at - 1] : &b->index->rules[at - 1], rule) ? 0 : MMR_ENOMEM;
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

/* One or two bytes, or mostly zeros and spaces: it stands in so much data that a port leads to the rule sooner. */
static bool is_weak(const struct leads *leads)
{
    for (uint32_t k = 0; k < leads->n; k++) {
        const struct literal *l = &leads->v[k];
        uint32_t plain = 0;
        for (uint32_t i = 0; i < l->len; i++)
            plain += l->p[i] == 0 || l->p[i] == 0xff || l->p[i] == ' ';
        if (l->len - plain < 2 || l->len < 3)
            return true;
    }
    return leads->n == 0;
}

static int add_leads(struct lit_build *b, struct arena *a, const struct leads *leads, uint32_t rule, bool is_second)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < leads->n; i++)
        rc = add_literal(b, a, &leads->v[i], rule, is_second);
    return rc;
}

/* Must the content be the last bytes of the buffer, because it says so or because the buffer has no more? */
static bool is_tail(const struct group *g, const struct step *s)
{
    if (s->type != STEP_CONTENT)
        return false;
    for (uint32_t i = 0; i < g->n_transforms; i++) /* those that change letters only, or the front */
        if (g->transforms[i].type != TR_LOWER && g->transforms[i].type != TR_UPPER && g->transforms[i].type != TR_DOTPREFIX)
            return false;
    if (s->flags & S_ENDSWITH)
        return true;
    for (uint32_t i = 0; g->n_transforms == 0 && i < g->n_steps; i++) {
        const struct number *size = g->steps[i].type == STEP_SIZE ? g->steps[i].p : NULL;
        if (size && size->op == NUM_EQ && size->a == (int64_t)s->len)
            return true;
    }
    return false;
}

static int place_message(struct mmr_rules *set, struct lit_build *bufs, const struct leads *leads, uint32_t i)
{
    const struct rule *r = set->rules[i];
    const struct group *g = r->pre_group ? &r->groups[r->pre_group - 1] : NULL;
    if (!g || !leads->n)
        return mmr_rule_list_push(&set->tx_always[r->app], i) ? 0 : MMR_ENOMEM;
    if (is_tail(g, &g->steps[r->pre_step]))
        return mmr_tails_add(&set->buf[g->buf].tails, leads->v[0].p, leads->v[0].len, i);
    return add_leads(&bufs[g->buf], &set->arena, leads, i, false);
}

/* A rule of packets or streams under what leads to it: its literals, a port, or nothing. */
static int place_payload(struct mmr_rules *set, struct lit_build *b, struct lit_index *x, const struct leads *leads, uint32_t i, bool is_second)
{
    const struct rule *r = set->rules[i];
    if (is_weak(leads) && mmr_ports_side(r) >= 0)
        return mmr_ports_add(&x->by_port, r, i);
    if (leads->n)
        return add_leads(b, &set->arena, leads, i, is_second);
    return mmr_rule_list_push(&x->always, i) ? 0 : MMR_ENOMEM;
}

/* "alert ip" with a condition on the IP protocol: the header's protocol says it as well. */
static void narrow_protocol(struct rule *r)
{
    for (uint32_t i = 0; i < r->n_conds; i++)
        if (r->conds[i].type == COND_IP_PROTO && r->conds[i].num.op == NUM_EQ)
            r->proto &= mmr_proto_of((uint8_t)r->conds[i].num.a);
}

static int place(struct mmr_rules *set, struct lit_build *bufs, struct lit_build *pay, uint32_t i)
{
    struct rule *r = set->rules[i];
    struct leads leads;
    choose(r, &leads);
    narrow_protocol(r);
    if (r->flags & R_IP_ONLY) {
        bool is_listed = mmr_addr_set_is_narrow(r->src) || mmr_addr_set_is_narrow(r->dst);
        return mmr_rule_list_push(is_listed ? &set->ip_listed : &set->ip_only, i) ? 0 : MMR_ENOMEM;
    }
    if (r->flags & R_PD_ONLY)
        return mmr_rule_list_push(&set->pd_only, i) ? 0 : MMR_ENOMEM;
    if (r->flags & R_APP)
        return place_message(set, bufs, &leads, i);
    int rc = 0;
    if (mmr_rule_wants_stream(r)) {
        set->has_stream = true;
        rc = place_payload(set, &pay[PAY_TCP], &set->stream, &leads, i, true);
    }
    if (rc == 0 && mmr_rule_wants_pkt(r)) {
        const bool is_for[PAYLOADS] = {[PAY_PKT] = r->proto & ~(unsigned)PROTO_TCP, [PAY_TCP] = r->proto & PROTO_TCP,
                                       [PAY_APP] = r->app != 0};
        for (uint32_t k = 0; rc == 0 && k < PAYLOADS; k++)
            if (is_for[k])
                rc = place_payload(set, &pay[k], pay[k].index, &leads, i, false);
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

/* What leads to its literals: the other set's, where they are the same there; lit_index is at one place in every set. */
static int lead(struct mmr_rules *set, const struct lit_build *b, const struct mmr_rules *like, struct mmr_error *err)
{
    const ptrdiff_t at = (const char *)b->index - (const char *)set;
    const struct lit_index *there = like ? (const struct lit_index *)(const void *)((const char *)like + at) : NULL;
    b->index->pf = there ? mmr_prefilter_share(there->pf, b->lits, b->index->n_lits) : NULL;
    return b->index->pf ? 0 : mmr_prefilter_new(b->lits, b->index->n_lits, false, &b->index->pf, err);
}

int mmr_rules_compile(struct mmr_rules *set, struct mmr_error *err)
{
    return mmr_rules_compile_like(set, NULL, err);
}

int mmr_rules_compile_like(struct mmr_rules *set, const struct mmr_rules *like, struct mmr_error *err)
{
    struct lit_build *bufs = calloc(RULES_BUFS, sizeof *bufs);
    struct lit_build pay[PAYLOADS] = {[PAY_PKT] = {.index = &set->pkt, .cut = PREFILTER_LITERAL_MAX},
                                      [PAY_TCP] = {.index = &set->pkt_tcp, .second = &set->tcp_stream, .cut = TCP_LITERAL_MAX},
                                      [PAY_APP] = {.index = &set->pkt_app, .cut = PREFILTER_LITERAL_MAX}};
    int rc = set->is_compiled ? MMR_EINVAL : bufs ? rank(set) : MMR_ENOMEM;
    if (rc == 0) {
        if (set->n_rules)
            qsort(set->rules, set->n_rules, sizeof(struct rule *), by_order);
        for (uint32_t i = 0; i < RULES_BUFS; i++)
            bufs[i] = (struct lit_build){.index = &set->buf[i], .cut = PREFILTER_LITERAL_MAX};
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
            rc = lead(set, b, like, err);
    }
    for (uint32_t i = 0; i < RULES_BUFS + PAYLOADS; i++) {
        struct lit_build *b = i >= RULES_BUFS ? &pay[i - RULES_BUFS] : bufs ? &bufs[i] : NULL;
        if (b) {
            mmr_str_map_done(&b->seen);
            free(b->lits);
        }
    }
    free(bufs);
    for (struct regex *re = set->regexes; re; re = *mmr_regex_next(re))
        mmr_regex_forget_must(re);
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
    mmr_ports_done(&x->by_port);
    mmr_tails_done(&x->tails);
    *x = (struct lit_index){0};
}

void mmr_rules_uncompile(struct mmr_rules *set)
{
    struct lit_index *pay[] = {&set->pkt, &set->pkt_tcp, &set->stream, &set->pkt_app};
    for (uint32_t i = 0; set->tcp_stream && i < set->pkt_tcp.n_lits; i++)
        free(set->tcp_stream[i].v);
    free(set->tcp_stream);
    set->tcp_stream = NULL;
    for (uint32_t i = 0; i < RULES_BUFS; i++)
        index_done(&set->buf[i]);
    for (size_t i = 0; i < sizeof pay / sizeof pay[0]; i++)
        index_done(pay[i]);
    for (uint32_t i = 0; i < RULES_APPS; i++)
        free(set->tx_always[i].v);
    free(set->ip_only.v);
    free(set->ip_listed.v);
    free(set->pd_only.v);
    set->is_compiled = false;
}
