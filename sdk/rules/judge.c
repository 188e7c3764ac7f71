/* judge.c - one rule against one packet, stream window or message: header, bits, chains, thresholds, report. */
#include <rules/engine.h>

#include <rules/buffers.h>

#include <string.h>

bool mmr_seen_has(const struct seen *s, uint32_t rule)
{
    for (uint32_t i = 0; i < s->n; i++)
        if (s->rule[i] == rule)
            return true;
    return false;
}

void mmr_seen_add(struct seen *s, uint32_t rule)
{
    if (s && s->n < SEEN_MAX)
        s->rule[s->n++] = rule;
}

static bool is_established(const struct mmr_rules_engine *e, const struct subject *s)
{
    const struct mmr_flow *f = s->flow;
    if (!f)
        return false;
    switch (f->tcp_state) {
    case MMR_TCP_NONE: return f->packets[0] && f->packets[1];
    case MMR_TCP_ESTABLISHED:
    case MMR_TCP_CLOSING:
    case MMR_TCP_CLOSED: return true;
    case MMR_TCP_MIDSTREAM: return e->opt.is_midstream_ok;
    default: return false;
    }
}

/* mmr_addr_set_has, remembered for the object at hand. */
static bool net_has(struct mmr_rules_engine *e, const struct addr_set *set, const struct mmr_addr *a, bool is_dst)
{
    if (set->is_any)
        return true;
    unsigned at = (unsigned)(((uintptr_t)set >> 4) + is_dst) % NETS_MEMO;
    if (e->nets[at].set != set || e->nets[at].mark != e->mark || e->nets[at].is_dst != is_dst) {
        e->nets[at].set = set;
        e->nets[at].mark = e->mark;
        e->nets[at].is_dst = is_dst;
        e->nets[at].is_in = mmr_addr_set_has(set, a);
    }
    return e->nets[at].is_in;
}

bool mmr_engine_fits(struct mmr_rules_engine *e, const struct rule *r, const struct subject *s)
{
    const struct state_who *w = &s->who;
    if (!(r->proto & s->proto) || (r->flow & FLOW_TO_SERVER && s->dir != MMR_TO_SERVER) || (r->flow & FLOW_TO_CLIENT && s->dir != MMR_TO_CLIENT))
        return false;
    if (mmr_port_set_has(r->sport, w->src_port) && mmr_port_set_has(r->dport, w->dst_port) &&
        net_has(e, r->src, w->src, false) && net_has(e, r->dst, w->dst, true))
        return true;
    return r->flags & R_BIDIR && mmr_port_set_has(r->sport, w->dst_port) && mmr_port_set_has(r->dport, w->src_port) &&
           mmr_addr_set_has(r->src, w->dst) && mmr_addr_set_has(r->dst, w->src);
}

bool mmr_engine_state_is(const struct mmr_rules_engine *e, const struct rule *r, const struct subject *s)
{
    if (r->flow) {
        if (r->flow & (FLOW_TO_SERVER | FLOW_TO_CLIENT | FLOW_EST) && !s->flow)
            return false;
        if (r->flow & (FLOW_EST | FLOW_NOT_EST) && is_established(e, s) != (bool)(r->flow & FLOW_EST))
            return false;
        bool is_frag = s->packet && s->packet->flags & MMR_PKT_FRAGMENT;
        if ((r->flow & FLOW_ONLY_FRAG && !is_frag) || (r->flow & FLOW_NO_FRAG && is_frag))
            return false;
    }
    return !r->app || mmr_app_covers(r->app, s->flow_app, false) || (s->tx && mmr_app_covers(r->app, s->tx_app, false));
}

/* ---- bits ---- */

static uint32_t int_value(const struct flow_state *st, uint32_t id)
{
    return st && st->ints && id ? st->ints[id - 1] : UINT32_MAX;
}

static bool bits_hold(const struct mmr_rules_engine *e, const struct rule *r, const struct subject *s)
{
    for (uint32_t i = 0; i < r->n_bits; i++) {
        const struct bit_act *b = &r->bits[i];
        bool any = false;
        if (b->op != BIT_ISSET && b->op != BIT_ISNOTSET && b->op != BIT_CMP)
            continue;
        for (uint32_t k = 0; k < b->n_ids; k++) {
            uint32_t id = b->ids[k];
            if (b->space == BIT_FLOW)
                any |= s->state && s->state->bits && s->state->bits[id / 64] >> id % 64 & 1;
            else if (b->space == BIT_INT)
                any |= int_value(s->state, id) != UINT32_MAX;
            else
                any |= mmr_state_bit_get(e->table, b->space, id, &s->who);
        }
        if (b->op == BIT_CMP) {
            uint32_t v = int_value(s->state, b->ids[0]), w = b->value_id ? int_value(s->state, b->value_id) : 0;
            struct number n = {.op = b->cmp, .a = b->value_id ? (int64_t)w : b->value};
            if (v == UINT32_MAX || w == UINT32_MAX || !mmr_number_is(&n, v))
                return false;
        } else if (any != (b->op == BIT_ISSET)) {
            return false;
        }
    }
    return true;
}

static void bits_apply(struct mmr_rules_engine *e, const struct rule *r, struct subject *s)
{
    for (uint32_t i = 0; i < r->n_bits; i++) {
        const struct bit_act *b = &r->bits[i];
        uint32_t id = b->ids[0];
        if (b->op == BIT_ISSET || b->op == BIT_ISNOTSET || b->op == BIT_CMP)
            continue;
        if (b->space == BIT_FLOW) {
            if (!s->state || !s->state->bits)
                continue;
            uint64_t m = UINT64_C(1) << id % 64, *word = &s->state->bits[id / 64];
            *word = b->op == BIT_SET ? *word | m : b->op == BIT_UNSET ? *word & ~m : *word ^ m;
        } else if (b->space == BIT_INT) {
            if (!s->state || !s->state->ints)
                continue;
            uint32_t *v = &s->state->ints[id - 1];
            uint32_t w = b->value_id ? int_value(s->state, b->value_id) : (uint32_t)b->value;
            if (w == UINT32_MAX)
                continue;
            if (b->op == BIT_PUT)
                *v = w;
            else if (*v == UINT32_MAX) /* a counter starts at nothing */
                *v = b->op == BIT_ADD ? w : 0;
            else
                *v = b->op == BIT_ADD ? *v + w : *v > w ? *v - w : 0;
            if (*v == UINT32_MAX)
                *v = UINT32_MAX - 1;
        } else {
            bool is_set = b->op == BIT_SET || (b->op == BIT_TOGGLE && !mmr_state_bit_get(e->table, b->space, id, &s->who));
            mmr_state_bit_put(e->table, b, id, &s->who, is_set);
        }
    }
}

/* ---- chains ---- */

static bool packet_buffer(const struct subject *s, unsigned buf, const uint8_t **ret, size_t *ret_len)
{
    const struct mmr_packet *p = s->packet;
    if (buf == BUF_ETH_HDR) {
        const struct mmr_frame *f = p ? p->frame : NULL;
        *ret = f ? f->data : NULL;
        *ret_len = 14; /* two addresses and the type */
        return f && f->linktype == 1 && f->data && f->cap_len >= 14;
    }
    if (p && p->ip_version && (buf == BUF_IP_SRC || buf == BUF_IP_DST)) {
        size_t skip = p->ip_version == 4 ? 12 : 0; /* IPv4's stand at the end of the sixteen bytes */
        *ret = (buf == BUF_IP_SRC ? p->src.b : p->dst.b) + skip;
        *ret_len = sizeof p->src.b - skip;
        return true;
    }
    if (!p || !p->l3 || p->l4_off > p->l3_len)
        return false;
    const uint8_t *l4 = p->l3 + p->l4_off;
    size_t l4_len = p->l3_len - p->l4_off;
    switch (buf) {
    case BUF_IPV4_HDR:
    case BUF_IPV6_HDR:
        *ret = p->l3;
        *ret_len = p->l4_off;
        return p->ip_version == (buf == BUF_IPV4_HDR ? 4 : 6);
    case BUF_TCP_HDR:
        *ret = l4;
        *ret_len = l4_len < 20 ? 0 : (size_t)(l4[12] >> 4) * 4 < l4_len ? (size_t)(l4[12] >> 4) * 4 : l4_len;
        return p->proto == 6 && *ret_len;
    case BUF_UDP_HDR:
        *ret = l4;
        *ret_len = 8;
        return p->proto == 17 && l4_len >= 8;
    case BUF_ICMPV4_HDR:
    case BUF_ICMPV6_HDR:
        *ret = l4;
        *ret_len = l4_len < 8 ? l4_len : 8;
        return p->proto == (buf == BUF_ICMPV4_HDR ? 1 : 58) && l4_len >= 4;
    default: return false;
    }
}

static void note_text(struct mmr_rules_engine *e, const uint8_t *p, size_t len, bool is_better)
{
    if (!e->hit_text || is_better) {
        e->hit_text = p;
        e->hit_text_len = len;
    }
}

static bool is_absent_ok(const struct group *g)
{
    for (uint32_t i = 0; i < g->n_steps; i++)
        if (g->steps[i].type == STEP_ABSENT)
            return true;
    return false;
}

/* A number asked of all the message's values, or of one by its place. */
static bool values_are(struct mmr_rules_engine *e, const struct group *g, const struct subject *s, uint32_t which)
{
    int64_t n = 0, at = which == NUMBER_ALL ? 0 : (int64_t)which - NUMBER_AT, k = 0;
    for (size_t i = 0; i < s->tx->n && i < TX_BUFFERS_MAX; i++)
        n += s->buf_id[i] == g->buf;
    at = at < 0 ? at + n : at;
    for (size_t i = 0; i < s->tx->n && i < TX_BUFFERS_MAX; i++) {
        const struct mmr_buffer *b = &s->tx->buffers[i];
        if (s->buf_id[i] != g->buf)
            continue;
        if (which == NUMBER_ALL || k == at) {
            bool is = mmr_chain_match(&e->chain, g, b->data, b->len);
            if (!is || which != NUMBER_ALL)
                return is;
        }
        k++;
    }
    return which == NUMBER_ALL && n > 0;
}

static bool group_is(struct mmr_rules_engine *e, const struct rule *r, const struct group *g, struct subject *s)
{
    bool is_pre = r->pre_group && g == &r->groups[r->pre_group - 1];
    const struct buf_kind *k = mmr_buf_kind(g->buf);
    e->chain.base = e->chain.fresh = 0;
    if (g->buf == BUF_PAYLOAD) {
        if (!s->payload && !s->payload_len && s->is_stream)
            return false;
        e->chain.base = s->base;
        e->chain.fresh = s->fresh;
        bool is = mmr_chain_match(&e->chain, g, s->payload, s->payload_len);
        e->chain.base = e->chain.fresh = 0;
        if (is)
            note_text(e, s->payload, s->payload_len, is_pre);
        return is;
    }
    if (k->flags & BUF_PACKET) {
        const uint8_t *p;
        size_t len;
        return packet_buffer(s, g->buf, &p, &len) && mmr_chain_match(&e->chain, g, p, len);
    }
    if (!s->tx)
        return false;
    uint32_t which = g->n_steps == 1 && g->steps[0].type == STEP_NUMBER ? ((const struct number *)g->steps[0].p)->which : 0;
    if (which)
        return values_are(e, g, s, which);
    bool is_there = false;
    for (size_t i = 0; i < s->tx->n && i < TX_BUFFERS_MAX; i++) {
        const struct mmr_buffer *b = &s->tx->buffers[i];
        if (s->buf_id[i] != g->buf)
            continue;
        is_there = true;
        if (mmr_chain_match(&e->chain, g, b->data, b->len)) {
            note_text(e, b->data, b->len, is_pre);
            return true;
        }
        if (!(k->flags & BUF_MULTI))
            break;
    }
    return !is_there && is_absent_ok(g);
}

static bool groups_hold(struct mmr_rules_engine *e, const struct rule *r, struct subject *s)
{
    e->hit_text = NULL;
    e->hit_text_len = 0;
    e->chain.base64 = NULL;
    memset(e->chain.vars, 0, r->n_vars * sizeof e->chain.vars[0]);
    e->chain.is_little_endian = true;
    if (s->tx && s->tx_app == APP_DCERPC && s->tx->detail)
        e->chain.is_little_endian = ((const struct mmr_dcerpc_call *)s->tx->detail)->little_endian;
    for (uint32_t i = 0; i < r->n_groups; i++)
        if (r->groups[i].buf == BUF_BASE64)
            e->chain.base64 = &r->groups[i];
    /* the group the prefilter did not vouch for is checked with the rest, in the order written */
    for (uint32_t i = 0; i < r->n_groups; i++)
        if (r->groups[i].buf != BUF_BASE64 && !group_is(e, r, &r->groups[i], s))
            return false;
    return true;
}

static bool threshold_lets(struct mmr_rules_engine *e, uint32_t rule, const struct rule *r, const struct subject *s)
{
    if (r->threshold[1] && !mmr_state_threshold(e->table, rule, r->threshold[1], &s->who))
        return false;
    return !r->threshold[0] || mmr_state_threshold(e->table, rule, r->threshold[0], &s->who);
}

void mmr_engine_judge(struct mmr_rules_engine *e, uint32_t rule, struct subject *s)
{
    const struct rule *r = e->set->rules[rule];
    if (s->is_pass || (s->seen && mmr_seen_has(s->seen, rule)))
        return;
    e->stats.checks++;
    if (!bits_hold(e, r, s) || !mmr_header_conds(r, s))
        return;
    if (r->n_groups && !groups_hold(e, r, s))
        return;
    mmr_seen_add(s->seen, rule);
    bits_apply(e, r, s);
    if (r->info.action == MMR_RULE_PASS) {
        s->is_pass = true;
        if (s->state)
            s->state->is_passed = 1;
        return;
    }
    if (!threshold_lets(e, rule, r, s) || r->flags & R_NOALERT)
        return;
    e->stats.alerts++;
    if (e->opt.hit) {
        struct mmr_rule_hit hit = {.rule = &r->info, .flow = s->flow, .packet = s->packet, .tx = s->tx,
                                   .text = e->hit_text, .text_len = e->hit_text_len, .time_ns = e->now_ns, .dir = s->dir};
        e->opt.hit(e->opt.ctx, &hit);
    }
}
