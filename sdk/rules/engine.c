/*
 * engine.c - traffic in, alerts out: which rules may match a packet, a stream window or a message, and the
 * state of flows. Follows the inspection model of the rule language: contents of TCP rules look at the
 * reassembled stream (once a chunk of 2,560 bytes), rules with depth, offset or header options at packets,
 * sticky buffers at messages (once each).
 */
#include <rules/engine.h>

#include <rules/buffers.h>
#include <rules/compile.h>
#include <rules/ports.h>
#include <rules/tails.h>

#include <stdlib.h>
#include <string.h>

static int prepare(struct mmr_rules_engine *e, const struct mmr_rules *set, struct mmr_error *err)
{
    const struct lit_index *pay[] = {&set->pkt, &set->pkt_tcp, &set->pkt_app};
    struct prefilter_scratch *scratch = mmr_prefilter_scratch_new();
    uint32_t *cand = calloc(set->n_rules + 1, sizeof *cand), *stamp = calloc(set->n_rules + 1, sizeof *stamp);
    int rc = scratch && cand && stamp ? 0 : mmr_fail(err, MMR_ENOMEM, "rule engine: out of memory");
    if (rc == 0 && !set->is_compiled)
        rc = mmr_fail(err, MMR_EINVAL, "rule engine: the set is not compiled");
    for (uint32_t i = 0; rc == 0 && i < RULES_BUFS + sizeof pay / sizeof pay[0]; i++) {
        const struct lit_index *x = i < RULES_BUFS ? &set->buf[i] : pay[i - RULES_BUFS];
        if (x->pf)
            rc = mmr_prefilter_scratch_prepare(scratch, x->pf, err);
    }
    if (rc < 0) {
        mmr_prefilter_scratch_free(scratch);
        free(cand);
        free(stamp);
        return rc;
    }
    mmr_prefilter_scratch_free(e->scratch);
    free(e->cand);
    free(e->stamp);
    e->scratch = scratch;
    e->cand = cand;
    e->stamp = stamp;
    e->mark = 0;
    e->set = set;
    e->generation++;
    return 0;
}

int mmr_rules_engine_new(const struct mmr_rules *set, const struct mmr_rules_options *opt, struct mmr_rules_engine **ret,
                         struct mmr_error *err)
{
    struct mmr_rules_engine *e = calloc(1, sizeof *e);
    int rc = e ? 0 : mmr_fail(err, MMR_ENOMEM, "rule engine: out of memory");
    if (rc == 0) {
        e->opt = *opt;
        if (!e->opt.flows_max)
            e->opt.flows_max = 65536;
        if (!e->opt.stream_bytes_max)
            e->opt.stream_bytes_max = 16 * 1024 * 1024;
        e->table = mmr_state_new();
        rc = mmr_chain_init(&e->chain) == 0 && e->table ? 0 : mmr_fail(err, MMR_ENOMEM, "rule engine: out of memory");
    }
    if (rc == 0)
        rc = prepare(e, set, err);
    if (rc < 0) {
        mmr_rules_engine_free(e);
        return rc;
    }
    *ret = e;
    return 0;
}

static void window_free(struct mmr_rules_engine *e, struct flow_state *st, int dir)
{
    struct window *w = st->win[dir];
    if (!w)
        return;
    e->window_bytes -= w->cap + sizeof *w;
    free(w->data);
    free(w);
    st->win[dir] = NULL;
}

static void state_free(struct mmr_rules_engine *e, struct flow_state *st)
{
    if (st->prev)
        st->prev->next = st->next;
    else
        e->states = st->next;
    if (st->next)
        st->next->prev = st->prev;
    window_free(e, st, 0);
    window_free(e, st, 1);
    free(st->bits);
    free(st->ints);
    free(st->tx_seen);
    free(st);
    e->flows--;
}

void mmr_rules_engine_free(struct mmr_rules_engine *e)
{
    if (!e)
        return;
    while (e->states)
        state_free(e, e->states);
    mmr_prefilter_scratch_free(e->scratch);
    mmr_state_free(e->table);
    mmr_chain_done(&e->chain);
    free(e->cand);
    free(e->stamp);
    free(e);
}

int mmr_rules_engine_swap(struct mmr_rules_engine *e, const struct mmr_rules *set, struct mmr_error *err)
{
    struct state_table *t = mmr_state_new();
    int rc = t ? prepare(e, set, err) : mmr_fail(err, MMR_ENOMEM, "rule engine: out of memory");
    if (rc < 0) {
        mmr_state_free(t);
        return rc;
    }
    mmr_state_free(e->table);
    e->table = t;
    e->packet_seen.n = 0;
    e->has_searched = false;
    memset(e->names, 0, sizeof e->names); /* the set's own numbers */
    return 0;
}

const struct mmr_rules_stats *mmr_rules_engine_stats(const struct mmr_rules_engine *e)
{
    return &e->stats;
}

/* ---- flow state ---- */

static struct flow_state *flow_state(struct mmr_rules_engine *e, struct mmr_flow *f)
{
    if (!f)
        return NULL;
    struct flow_state *st = f->slot[MMR_SLOT_SIGNATURE];
    if (!st) {
        if (e->flows >= e->opt.flows_max || !(st = calloc(1, sizeof *st))) {
            e->stats.state_evicted++;
            return NULL;
        }
        st->generation = e->generation;
        st->next = e->states;
        if (st->next)
            st->next->prev = st;
        e->states = st;
        f->slot[MMR_SLOT_SIGNATURE] = st;
        e->flows++;
    }
    if (st->generation != e->generation) { /* the rules were reloaded: ids mean something else now */
        window_free(e, st, 0);
        window_free(e, st, 1);
        free(st->bits);
        free(st->ints);
        free(st->tx_seen);
        *st = (struct flow_state){.prev = st->prev, .next = st->next, .generation = e->generation, .is_ip_done = {1, 1}, .pd_app = st->pd_app};
    }
    return st;
}

/* Bits are made when the first rule of the set could use them. */
static void need_bits(struct mmr_rules_engine *e, struct flow_state *st)
{
    if (st && !st->bits && e->set->flowbits.n)
        st->bits = calloc(e->set->flowbits.n / 64 + 1, sizeof *st->bits);
    if (st && !st->ints && e->set->ints.n && (st->ints = malloc(e->set->ints.n * sizeof *st->ints)))
        memset(st->ints, 0xff, e->set->ints.n * sizeof *st->ints);
}

/* ---- candidates ---- */

static void begin(struct mmr_rules_engine *e)
{
    e->n_cand = e->n_fitting = 0;
    if (++e->mark == 0) { /* wrapped: forget the old marks */
        memset(e->stamp, 0, (e->set->n_rules + 1) * sizeof *e->stamp);
        e->mark = 1;
    }
}

static void add(struct mmr_rules_engine *e, uint32_t rule)
{
    if (e->stamp[rule] == e->mark)
        return;
    e->stamp[rule] = e->mark;
    e->cand[e->n_cand++] = rule;
}

static void add_list(struct mmr_rules_engine *e, const struct rule_list *l)
{
    for (uint32_t i = 0; i < l->n; i++)
        add(e, l->v[i]);
}

/* Rules that no literal leads to: by the ports, and those that must always be asked. */
static void add_unsearched(struct mmr_rules_engine *e, const struct lit_index *x, const struct state_who *w)
{
    const struct rule_list *by_source = mmr_ports_find(&x->by_port, 0, w->src_port), *by_target = mmr_ports_find(&x->by_port, 1, w->dst_port);
    add_list(e, &x->always);
    if (by_source)
        add_list(e, by_source);
    if (by_target)
        add_list(e, by_target);
}

struct scan {
    struct mmr_rules_engine *e;
    const struct rule_list *rules; /* by literal */
};

static void on_literal(void *ctx, uint32_t lit)
{
    const struct scan *s = ctx;
    add_list(s->e, &s->rules[lit]);
}

static void on_tail(void *ctx, const struct rule_list *rules)
{
    add_list(ctx, rules);
}

/* Of TCP data: candidates for the packet at once; what the stream will want is kept until its window is looked at. */
static void on_tcp_literal(void *ctx, uint32_t lit)
{
    struct mmr_rules_engine *e = ctx;
    add_list(e, &e->set->pkt_tcp.rules[lit]);
    if (!e->set->tcp_stream[lit].n)
        return;
    if (e->n_hits < HITS_MAX)
        e->hit_lits[e->n_hits++] = lit;
    else
        e->has_searched = false; /* the window is searched again */
}

static void scan_for(struct mmr_rules_engine *e, const struct lit_index *x, const struct rule_list *rules, const uint8_t *p, size_t len)
{
    struct scan s = {e, rules};
    if (!x->pf || !len)
        return;
    e->stats.scanned_bytes += len;
    mmr_prefilter_scan(x->pf, e->scratch, p, len, on_literal, &s);
}

static void scan(struct mmr_rules_engine *e, const struct lit_index *x, const uint8_t *p, size_t len)
{
    scan_for(e, x, x->rules, p, len);
}

static void scan_tcp(struct mmr_rules_engine *e, const uint8_t *p, size_t len)
{
    e->n_hits = 0;
    e->has_searched = true;
    if (!e->set->pkt_tcp.pf || !len)
        return;
    e->stats.scanned_bytes += len;
    mmr_prefilter_scan(e->set->pkt_tcp.pf, e->scratch, p, len, on_tcp_literal, e);
}

static void add_stream_hits(struct mmr_rules_engine *e)
{
    for (uint32_t i = 0; i < e->n_hits; i++)
        add_list(e, &e->set->tcp_stream[e->hit_lits[i]]);
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* In the set's order. Mostly they are few, or came from one list and stand in order already. */
static void sort_candidates(struct mmr_rules_engine *e)
{
    uint32_t *v = e->cand, i = 1;
    while (i < e->n_cand && v[i - 1] < v[i])
        i++;
    if (i >= e->n_cand)
        return;
    if (e->n_cand > 32) {
        qsort(v, e->n_cand, sizeof *v, by_number);
        return;
    }
    for (; i < e->n_cand; i++) {
        uint32_t x = v[i], k = i;
        for (; k > 0 && v[k - 1] > x; k--)
            v[k] = v[k - 1];
        v[k] = x;
    }
}

/* Most candidates fail at the header: those are left out before anything is sorted. */
static void judge_all(struct mmr_rules_engine *e, struct subject *s)
{
    uint32_t n = 0;
    e->stats.candidates += e->n_cand;
    for (uint32_t i = 0; i < e->n_cand; i++) {
        const struct rule *r = e->set->rules[e->cand[i]];
        if (mmr_engine_state_is(e, r, s) && (i < e->n_fitting || mmr_engine_fits(e, r, s)))
            e->cand[n++] = e->cand[i];
    }
    e->n_cand = n;
    sort_candidates(e);
    if (e->n_cand)
        need_bits(e, s->state);
    for (uint32_t i = 0; i < e->n_cand; i++)
        mmr_engine_judge(e, e->cand[i], s);
}

/* ---- subjects ---- */

/* mmr_app_of, remembered by the text's place: such texts are static (net.h). */
static unsigned app_of(struct mmr_rules_engine *e, const char *app)
{
    unsigned at = (unsigned)((uintptr_t)app >> 2) % (NAMES_MEMO / 16);
    if (!app)
        return APP_NONE;
    if (e->apps[at].text != app) {
        e->apps[at].id = mmr_app_of(app);
        e->apps[at].text = app;
    }
    return e->apps[at].id;
}

/* The connection's protocol. Where both ends have spoken before this packet and nobody knew them, it has none. */
static unsigned app_of_flow(struct mmr_rules_engine *e, const struct mmr_flow *f, const struct mmr_packet *p)
{
    uint64_t bytes[2] = {f->bytes[0], f->bytes[1]};
    if (f->app)
        return app_of(e, f->app);
    if (p && p->flow == f && bytes[p->dir & 1] >= p->payload_len)
        bytes[p->dir & 1] -= p->payload_len;
    return bytes[0] && bytes[1] ? APP_UNKNOWN : APP_NONE;
}

static uint16_t buffer_of(struct mmr_rules_engine *e, const char *name)
{
    unsigned at = (unsigned)((uintptr_t)name * 0x9e3779b1U >> 8) % NAMES_MEMO;
    if (e->names[at].text != name) {
        e->names[at].id = mmr_str_map_get(&e->set->buf_names, name, strlen(name));
        e->names[at].text = name;
    }
    return (uint16_t)e->names[at].id;
}

/* s->packet: known already, if any */
static void from_flow(struct mmr_rules_engine *e, struct subject *s, struct mmr_flow *f, uint8_t dir)
{
    bool is_server = dir == MMR_TO_CLIENT;
    s->flow = f;
    s->dir = dir;
    s->proto = mmr_proto_of(f->proto);
    s->flow_app = app_of_flow(e, f, s->packet);
    s->who.src = is_server ? &f->server : &f->client;
    s->who.dst = is_server ? &f->client : &f->server;
    s->who.src_port = is_server ? f->server_port : f->client_port;
    s->who.dst_port = is_server ? f->client_port : f->server_port;
    s->who.flow_id = f->id;
}

/* A packet is current from its own call until the next one's; streams and messages it completes share its
 * list of reported rules. */
static void become_current(struct mmr_rules_engine *e, const struct mmr_packet *p)
{
    uint64_t index = p && p->frame ? p->frame->index : 0;
    if (p && (p != e->current || index != e->current_index)) {
        e->current = p;
        e->current_index = index;
        e->inspected = NULL;
        e->has_searched = false;
        e->packet_seen.n = 0;
    }
}

static bool is_unreassembled(const struct mmr_rules_engine *e, const struct mmr_flow *f)
{
    return !f || (f->tcp_state == MMR_TCP_MIDSTREAM && !e->opt.is_midstream_ok);
}

static void ip_only(struct mmr_rules_engine *e, struct subject *s)
{
    const struct mmr_rules *set = e->set;
    if (s->state && s->state->is_ip_done[s->dir])
        return;
    if (s->state)
        s->state->is_ip_done[s->dir] = 1;
    begin(e);
    add_list(e, &set->ip_only);
    if (set->ip_listed.n && s->who.src &&
        (mmr_addr_set_has(set->ip_listed_addrs, s->who.src) || mmr_addr_set_has(set->ip_listed_addrs, s->who.dst)))
        add_list(e, &set->ip_listed);
    judge_all(e, s);
}

static void pd_only(struct mmr_rules_engine *e, struct subject *s)
{
    if (!e->set->pd_only.n || !s->state || s->state->pd_app == s->flow_app || s->flow_app == APP_NONE)
        return;
    s->state->pd_app = (uint8_t)s->flow_app; /* judged anew when the protocol turns out to be another */
    begin(e);
    add_list(e, &e->set->pd_only);
    judge_all(e, s);
}

void mmr_rules_packet(struct mmr_rules_engine *e, const struct mmr_packet *p)
{
    const struct mmr_rules *set = e->set;
    struct subject s = {.packet = p, .payload = p->payload, .payload_len = p->payload_len, .dir = p->dir,
                        .seen = &e->packet_seen};
    e->stats.packets++;
    if (p->flags & MMR_PKT_DUPLICATE)
        return;
    become_current(e, p);
    e->now_ns = p->frame ? p->frame->time_ns : e->now_ns;
    s.state = flow_state(e, p->flow);
    s.flow = p->flow;
    s.proto = p->ip_version ? mmr_proto_of(p->proto) : p->ethertype == 0x0806 ? PROTO_ARP : PROTO_FRAME;
    s.flow_app = p->flow ? app_of_flow(e, p->flow, p) : APP_NONE;
    s.who = (struct state_who){.src = &p->src, .dst = &p->dst, .src_port = p->src_port, .dst_port = p->dst_port,
                               .flow_id = p->flow ? p->flow->id : 0, .now_ns = e->now_ns};
    if (!s.proto || (s.state && s.state->is_passed))
        return;
    ip_only(e, &s);
    pd_only(e, &s);
    begin(e);
    bool is_tcp = p->proto == 6, is_cipher_text = s.flow_app == APP_TLS && p->flow->bytes[p->dir] >= TLS_DEPTH;
    if (is_tcp && !is_cipher_text)
        scan_tcp(e, p->payload, p->payload_len);
    else if (!is_cipher_text)
        scan(e, &set->pkt, p->payload, p->payload_len);
    add_unsearched(e, is_tcp ? &set->pkt_tcp : &set->pkt, &s.who);
    e->current_app = s.flow_app;
    e->inspected = p;
    if (is_tcp && p->payload_len && is_unreassembled(e, p->flow)) {
        if (e->has_searched)
            add_stream_hits(e);
        else
            scan_for(e, &set->pkt_tcp, set->tcp_stream, p->payload, p->payload_len);
        add_unsearched(e, &set->stream, &s.who);
    }
    judge_all(e, &s);
}

/* ---- streams ---- */

static struct window *window_of(struct mmr_rules_engine *e, struct flow_state *st, int dir, uint32_t need)
{
    struct window *w = st->win[dir];
    if (!w) {
        if (e->window_bytes + sizeof *w > e->opt.stream_bytes_max || !(w = calloc(1, sizeof *w)))
            return NULL;
        e->window_bytes += sizeof *w;
        st->win[dir] = w;
    }
    if (!w->data || w->cap < need) {
        uint32_t cap = (need + 1023) & ~1023U; /* most conversations are short */
        if (e->window_bytes + cap - w->cap > e->opt.stream_bytes_max)
            return NULL;
        uint8_t *data = realloc(w->data, cap);
        if (!data)
            return NULL;
        e->window_bytes += cap - w->cap;
        w->data = data;
        w->cap = cap;
    }
    return w;
}

/* The chunk is complete: what it holds becomes the past, of which a tail is kept. */
static void roll(struct window *w)
{
    uint32_t keep = w->len < WINDOW_KEEP ? w->len : WINDOW_KEEP, cut = w->len - keep, n = 0;
    memmove(w->data, w->data + cut, keep);
    w->base += cut;
    w->len = w->old = keep;
    w->scanned = w->scanned > cut ? w->scanned - cut : 0;
    w->seen.n = 0;
    for (uint32_t i = 0; i < w->n_pending; i++) /* a candidate lives as long as its literal may be in the window */
        if (w->pending_age[i]++ == 0) {
            w->pending[n] = w->pending[i];
            w->pending_age[n++] = 1;
        }
    w->n_pending = n;
}

/* Candidates that the window's new bytes bring, after those that still wait in it. */
static void search_window(struct mmr_rules_engine *e, const struct window *w, bool is_searched)
{
    const uint32_t back = TCP_LITERAL_MAX - 1;
    uint32_t from = w->scanned > back ? w->scanned - back : 0, to = w->len;
    if (w->scanned == w->len)
        return;
    if (is_searched) { /* what begins in the bytes before and ends in the new ones is left */
        add_stream_hits(e);
        to = w->scanned == 0 ? 0 : w->len - w->scanned > back ? w->scanned + back : w->len;
    }
    if (to > from)
        scan_for(e, &e->set->pkt_tcp, e->set->tcp_stream, w->data + from, to - from);
}

static void stream_candidates(struct mmr_rules_engine *e, const struct subject *s)
{
    struct window *w = s->win;
    for (uint32_t i = 0; i < w->n_pending; i++)
        add(e, w->pending[i]);
    uint32_t n = e->n_cand, found;
    search_window(e, w, s->is_searched);
    found = e->n_cand;
    for (uint32_t i = n; i < found; i++) {
        uint32_t rule = e->cand[i];
        if (!mmr_engine_fits(e, e->set->rules[rule], s))
            continue; /* nor will it later in this flow */
        e->cand[n++] = rule;
        if (w->n_pending == PENDING_MAX) {
            e->stats.state_evicted++;
            continue;
        }
        w->pending[w->n_pending] = rule;
        w->pending_age[w->n_pending++] = 0;
    }
    e->n_cand = e->n_fitting = n;
    w->scanned = w->len;
    add_unsearched(e, &e->set->stream, &s->who);
}

/* is_end: also the rules that must see the whole chunk */
static void inspect_window(struct mmr_rules_engine *e, struct subject *s, bool is_end)
{
    struct window *w = s->win;
    s->payload = w->data;
    s->payload_len = w->len;
    s->base = w->base;
    s->fresh = w->old;
    s->seen = &w->seen;
    s->is_stream = true;
    begin(e);
    stream_candidates(e, s);
    w->app = (uint8_t)s->flow_app;
    uint32_t n = 0, fitting = e->n_fitting;
    for (uint32_t i = 0; i < e->n_cand; i++) {
        const struct rule *r = e->set->rules[e->cand[i]];
        bool is_early = r->flags & R_DEFER && !is_end;
        bool is_told = !is_early && r->flags & R_NEED_PKT && mmr_seen_has(&e->packet_seen, e->cand[i]);
        if (is_told) /* by the packet that brought this data */
            mmr_seen_add(&w->seen, e->cand[i]);
        if (is_early || is_told)
            e->n_fitting -= i < fitting;
        else
            e->cand[n++] = e->cand[i];
    }
    e->n_cand = n;
    judge_all(e, s);
}

/* A large chunk is looked at in slices, so that the window stays small. */
static void feed(struct mmr_rules_engine *e, struct subject *s, const uint8_t *p, uint32_t len, uint64_t offset)
{
    const struct mmr_packet *pkt = s->packet;
    const bool is_searched = pkt && pkt == e->inspected && e->has_searched && pkt->payload && p >= pkt->payload &&
                             len <= pkt->payload_len && (size_t)(p - pkt->payload) <= pkt->payload_len - len;
    while (len) {
        uint32_t old_len = s->state->win[s->dir] ? s->state->win[s->dir]->len : 0;
        uint32_t take = len < 16384 ? len : 16384;
        struct window *w = window_of(e, s->state, s->dir, old_len + take);
        if (!w) {
            e->stats.stream_uninspected_bytes += len;
            return;
        }
        if (w->len && w->base + w->len != offset) { /* a gap: nothing matches across it */
            w->len = w->old = w->scanned = 0;
            w->n_pending = 0;
        }
        if (!w->len)
            w->base = offset;
        memcpy(w->data + w->len, p, take);
        w->len += take;
        p += take;
        offset += take;
        len -= take;
        s->win = w;
        s->is_searched = is_searched;
        bool is_full = w->len - w->old >= WINDOW_KEEP;
        inspect_window(e, s, is_full);
        if (is_full)
            roll(w);
        if (s->is_pass)
            return;
    }
}

void mmr_rules_chunk(struct mmr_rules_engine *e, const struct mmr_chunk *c)
{
    struct subject s = {.packet = c->packet};
    if (!c->flow || c->flow->proto != 6)
        return; /* a datagram is seen as its packet */
    e->stats.chunks++;
    become_current(e, c->packet);
    if (c->packet && c->packet->frame)
        e->now_ns = c->packet->frame->time_ns;
    from_flow(e, &s, c->flow, c->dir);
    s.who.now_ns = e->now_ns;
    s.state = flow_state(e, c->flow);
    if (!s.state || s.state->is_passed || is_unreassembled(e, c->flow))
        return;
    pd_only(e, &s);
    if (!e->set->has_stream || !c->len)
        return;
    if (c->offset >= (s.flow_app == APP_TLS ? TLS_DEPTH : STREAM_DEPTH)) {
        e->stats.stream_uninspected_bytes += c->len;
        return;
    }
    feed(e, &s, c->data, c->len, c->offset);
}

/* ---- messages ---- */

static void payload_rules_of_tx(struct mmr_rules_engine *e, const struct mmr_tx *tx, struct subject *s)
{
    struct subject p = *s;
    p.tx = NULL;
    if (tx->flow->proto == 6) {
        p.win = s->state ? s->state->win[tx->dir] : NULL;
        /* rules that wait for the protocol's name: only where it was not known when this was looked at */
        if (p.win && p.win->len && e->set->has_stream && p.win->app != s->flow_app) {
            inspect_window(e, &p, false);
            s->is_pass |= p.is_pass;
        }
    } else if (tx->packet && (e->set->pkt_app.pf || e->set->pkt_app.always.n) &&
               !(tx->packet == e->inspected && e->current_app == s->flow_app)) {
        p.payload = tx->packet->payload;
        p.payload_len = tx->packet->payload_len;
        p.seen = &e->packet_seen;
        begin(e);
        scan(e, &e->set->pkt_app, p.payload, p.payload_len);
        add_list(e, &e->set->pkt_app.always);
        judge_all(e, &p);
        s->is_pass |= p.is_pass;
    }
}

void mmr_rules_tx(struct mmr_rules_engine *e, const struct mmr_tx *tx)
{
    const struct mmr_rules *set = e->set;
    uint16_t ids[TX_BUFFERS_MAX];
    struct subject s = {.tx = tx, .packet = tx->packet, .buf_id = ids};
    if (!tx->flow)
        return;
    e->stats.txs++;
    become_current(e, tx->packet);
    if (tx->packet && tx->packet->frame)
        e->now_ns = tx->packet->frame->time_ns;
    from_flow(e, &s, tx->flow, tx->dir);
    s.who.now_ns = e->now_ns;
    s.tx_app = app_of(e, tx->app);
    s.state = flow_state(e, tx->flow);
    if (!s.state || s.state->is_passed || (tx->flow->proto == 6 && is_unreassembled(e, tx->flow)))
        return;
    pd_only(e, &s);
    payload_rules_of_tx(e, tx, &s);
    uint8_t dir = tx->dir & 1;
    if (!s.state->tx_seen && !(s.state->tx_seen = calloc(2, sizeof *s.state->tx_seen))) {
        e->stats.state_evicted++;
        return;
    }
    if (!s.state->has_tx[dir] || s.state->tx_id[dir] != tx->id) {
        s.state->has_tx[dir] = 1;
        s.state->tx_id[dir] = tx->id;
        s.state->tx_seen[dir].n = 0;
    }
    s.seen = &s.state->tx_seen[dir];
    if (tx->flow->proto == 6) {
        const struct window *w = s.state->win[dir];
        s.payload = w ? w->data : NULL;
        s.payload_len = w ? w->len : 0;
        s.base = w ? w->base : 0;
    } else if (tx->packet) {
        s.payload = tx->packet->payload;
        s.payload_len = tx->packet->payload_len;
    }
    begin(e);
    for (size_t i = 0; i < tx->n && i < TX_BUFFERS_MAX; i++) {
        const struct mmr_buffer *b = &tx->buffers[i];
        ids[i] = buffer_of(e, b->name);
        if (!ids[i])
            continue;
        scan(e, &set->buf[ids[i]], b->data, b->len);
        mmr_tails_find(&set->buf[ids[i]].tails, b->data, b->len, on_tail, e);
    }
    add_list(e, &set->tx_always[APP_NONE]);
    if (s.tx_app)
        add_list(e, &set->tx_always[s.tx_app]);
    if (s.tx_app == APP_HTTP1 || s.tx_app == APP_HTTP2 || s.tx_app == APP_DOH2)
        add_list(e, &set->tx_always[APP_HTTP_ANY]);
    if (s.flow_app && s.flow_app != s.tx_app)
        add_list(e, &set->tx_always[s.flow_app]);
    if (s.tx_app == APP_DOH2) {
        add_list(e, &set->tx_always[APP_DNS]);
        add_list(e, &set->tx_always[APP_HTTP2]);
    }
    judge_all(e, &s);
}

void mmr_rules_flow_end(struct mmr_rules_engine *e, struct mmr_flow *f)
{
    struct flow_state *st = f->slot[MMR_SLOT_SIGNATURE];
    if (!st)
        return;
    f->slot[MMR_SLOT_SIGNATURE] = NULL;
    for (uint8_t dir = 0; dir < 2 && st->generation == e->generation; dir++) {
        struct window *w = st->win[dir];
        struct subject s = {.state = st, .win = w};
        if (!w || w->len <= w->old || st->is_passed)
            continue;
        from_flow(e, &s, f, dir);
        s.who.now_ns = e->now_ns;
        e->packet_seen.n = 0;
        inspect_window(e, &s, true);
    }
    state_free(e, st);
}
