/* kw_state.c - flowbits, xbits, hostbits, flowint, threshold, detection_filter, noalert. */
#include <rules/parse.h>

#include <string.h>

static int bad(struct parse *p, const char *name, struct text arg, const char *want)
{
    return mmr_fail(&p->err, MMR_EBADMSG, "%s: found '%.*s', expected %s", name,
                    (int)(arg.len > 60 ? 60 : arg.len), arg.p ? arg.p : "", want);
}

static uint32_t name_id(struct parse *p, struct name_table *t, struct text name)
{
    uint32_t id = name.len ? mmr_str_map_put(&t->map, &p->set->arena, name.p, name.len, t->n + 1) : 0;
    if (!id)
        (void)mmr_fail(&p->err, name.len ? MMR_ENOMEM : MMR_EBADMSG, name.len ? "rule: out of memory" : "a bit has no name");
    if (id > t->n)
        t->n = id;
    return id;
}

static struct bit_act *new_act(struct parse *p)
{
    if (p->n_bits == RULE_BITS_MAX) {
        (void)mmr_fail(&p->err, MMR_ETOOBIG, "more than %d bit options in one rule", RULE_BITS_MAX);
        return NULL;
    }
    struct bit_act *b = &p->bits[p->n_bits++];
    *b = (struct bit_act){0};
    return b;
}

static int bit_op(struct text t)
{
    static const struct {
        const char *name;
        int op;
    } rows[] = {{"set", BIT_SET}, {"unset", BIT_UNSET}, {"toggle", BIT_TOGGLE}, {"isset", BIT_ISSET},
                {"isnotset", BIT_ISNOTSET}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (mmr_text_is(t, rows[i].name))
            return rows[i].op;
    return 0;
}

static int keep_names(struct parse *p, struct bit_act *b, struct name_table *table, struct text names)
{
    uint32_t ids[16], n = 0;
    while (names.len) {
        struct text one = mmr_text_cut(&names, '|');
        if (n == 16)
            return mmr_fail(&p->err, MMR_ETOOBIG, "more than 16 alternatives of one bit");
        if (!(ids[n++] = name_id(p, table, one)))
            return p->err.code;
    }
    if (!n)
        return mmr_fail(&p->err, MMR_EBADMSG, "a bit has no name");
    b->ids = mmr_parse_keep(p, ids, n * sizeof ids[0]);
    b->n_ids = (uint8_t)n;
    return b->ids ? 0 : p->err.code;
}

static int kw_flowbits(struct parse *p, const struct keyword *k, struct text arg)
{
    struct text op = mmr_text_cut(&arg, ',');
    if (mmr_text_is(op, "noalert")) {
        p->r->flags |= R_NOALERT;
        return 0;
    }
    int o = bit_op(op);
    if (!o)
        return bad(p, k->name, op, "set, unset, toggle, isset, isnotset or noalert");
    struct bit_act *b = new_act(p);
    if (!b)
        return p->err.code;
    b->space = BIT_FLOW;
    b->op = (uint8_t)o;
    return keep_names(p, b, &p->set->flowbits, mmr_text_trim(arg));
}

/* xbits:set,NAME,track ip_src|ip_dst|ip_pair|tx[,expire N]; hostbits:set,NAME[,src|dst] */
static int kw_xbits(struct parse *p, const struct keyword *k, struct text arg)
{
    struct text op = mmr_text_cut(&arg, ',');
    if (mmr_text_is(op, "noalert")) {
        p->r->flags |= R_NOALERT;
        return 0;
    }
    int o = bit_op(op);
    struct text name = mmr_text_cut(&arg, ',');
    struct bit_act *b = new_act(p);
    if (!b)
        return p->err.code;
    if (!o)
        return bad(p, k->name, op, "set, unset, toggle, isset or isnotset");
    b->op = (uint8_t)o;
    b->expire_s = k->arg ? 300 : 30;
    b->space = k->arg ? BIT_HOST_SRC : 0;
    while (arg.len) {
        struct text w = mmr_text_cut(&arg, ','), t = w;
        int64_t v;
        if (mmr_text_is(w, "track ip_src") || (k->arg && mmr_text_is(w, "src"))) b->space = BIT_HOST_SRC;
        else if (mmr_text_is(w, "track ip_dst") || (k->arg && mmr_text_is(w, "dst"))) b->space = BIT_HOST_DST;
        else if (mmr_text_is(w, "track ip_pair") || (k->arg && mmr_text_is(w, "both"))) b->space = BIT_PAIR;
        else if (mmr_text_is(w, "track tx")) b->space = BIT_TX;
        else if (mmr_text_starts(&t, "expire") && mmr_text_int(t, &v) && v > 0 && v <= UINT32_MAX)
            b->expire_s = (uint32_t)v;
        else
            return bad(p, k->name, w, "track ip_src|ip_dst|ip_pair or expire SECONDS");
    }
    if (!b->space)
        return bad(p, k->name, name, "track ip_src, ip_dst or ip_pair");
    return keep_names(p, b, &p->set->xbits, name);
}

/* flowint:name,+|-|=|<|>|<=|>=|==|!=,number or name; flowint:name,isset|isnotset|notset */
static int kw_flowint(struct parse *p, const struct keyword *k, struct text arg)
{
    struct text name = mmr_text_cut(&arg, ','), op = mmr_text_cut(&arg, ','), value = mmr_text_trim(arg);
    struct bit_act *b = new_act(p);
    if (!b)
        return p->err.code;
    b->space = BIT_INT;
    if (mmr_text_is(op, "isset")) b->op = BIT_ISSET;
    else if (mmr_text_is(op, "isnotset") || mmr_text_is(op, "notset")) b->op = BIT_ISNOTSET;
    else if (mmr_text_is(op, "+")) b->op = BIT_ADD;
    else if (mmr_text_is(op, "-")) b->op = BIT_SUB;
    else if (mmr_text_is(op, "=")) b->op = BIT_PUT;
    else {
        b->op = BIT_CMP;
        if (mmr_text_is(op, "<")) b->cmp = NUM_LT;
        else if (mmr_text_is(op, ">")) b->cmp = NUM_GT;
        else if (mmr_text_is(op, "<=")) b->cmp = NUM_LE;
        else if (mmr_text_is(op, ">=")) b->cmp = NUM_GE;
        else if (mmr_text_is(op, "==")) b->cmp = NUM_EQ;
        else if (mmr_text_is(op, "!=")) b->cmp = NUM_NE;
        else return bad(p, k->name, op, "an operator");
    }
    if (b->op != BIT_ISSET && b->op != BIT_ISNOTSET && !mmr_text_int(value, &b->value) &&
        !(b->value_id = name_id(p, &p->set->ints, value)))
        return p->err.code;
    return keep_names(p, b, &p->set->ints, name);
}

static int kw_threshold(struct parse *p, const struct keyword *k, struct text arg)
{
    struct threshold t = {.type = k->arg ? TH_FILTER : TH_NONE, .multiplier = 10};
    bool has_count = false, has_seconds = false;
    while (arg.len) {
        struct text w = mmr_text_cut(&arg, ','), v = w;
        int64_t n = 0;
        if (mmr_text_starts(&v, "type ")) {
            v = mmr_text_trim(v);
            t.type = mmr_text_is(v, "limit") ? TH_LIMIT : mmr_text_is(v, "threshold") ? TH_THRESHOLD
                     : mmr_text_is(v, "both") ? TH_BOTH : mmr_text_is(v, "backoff") ? TH_BACKOFF : TH_NONE;
        } else if (mmr_text_starts(&v, "track ")) {
            v = mmr_text_trim(v);
            t.track = mmr_text_is(v, "by_src") ? TRACK_SRC : mmr_text_is(v, "by_dst") ? TRACK_DST
                      : mmr_text_is(v, "by_rule") ? TRACK_RULE : mmr_text_is(v, "by_both") ? TRACK_BOTH
                      : mmr_text_is(v, "by_flow") ? TRACK_FLOW : 0;
        } else if (mmr_text_starts(&v, "count ") && mmr_text_int(v, &n) && n >= 0 && n <= UINT32_MAX) {
            t.count = (uint32_t)n;
            has_count = true;
        } else if (mmr_text_starts(&v, "seconds ") && mmr_text_int(v, &n) && n >= 0 && n <= UINT32_MAX) {
            t.seconds = (uint32_t)n;
            has_seconds = true;
        } else if (mmr_text_starts(&v, "multiplier ") && mmr_text_int(v, &n) && n >= 1 && n <= UINT32_MAX) {
            t.multiplier = (uint32_t)n;
        } else if (mmr_text_starts(&v, "unique_on ")) {
            v = mmr_text_trim(v);
            t.unique_on = mmr_text_is(v, "src_port") ? UNIQUE_SRC_PORT : mmr_text_is(v, "dst_port") ? UNIQUE_DST_PORT : 0;
            if (!t.unique_on)
                return bad(p, k->name, w, "unique_on src_port or dst_port");
        } else if (w.len) {
            return bad(p, k->name, w, "type, track, count, seconds, multiplier or unique_on with a value");
        }
    }
    if (!t.type || !t.track || !has_count || (!has_seconds && t.type != TH_BACKOFF))
        return bad(p, k->name, arg, "type, track, count and seconds");
    if (t.type == TH_BACKOFF && t.track != TRACK_FLOW)
        return bad(p, k->name, arg, "track by_flow with type backoff");
    return (p->r->threshold[k->arg] = mmr_parse_keep(p, &t, sizeof t)) ? 0 : p->err.code;
}

static int kw_noalert(struct parse *p, const struct keyword *k, struct text arg)
{
    (void)arg;
    if (k->arg)
        p->r->flags |= R_NOALERT;
    return 0;
}

const struct keyword mmr_kw_state[] = {
    {"flowbits", kw_flowbits, 0},   {"xbits", kw_xbits, 0},         {"hostbits", kw_xbits, 1},
    {"flowint", kw_flowint, 0},     {"threshold", kw_threshold, 0}, {"detection_filter", kw_threshold, 1},
    {"noalert", kw_noalert, 1},     {"alert", kw_noalert, 0},       {NULL, NULL, 0},
};
