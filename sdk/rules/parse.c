/* parse.c - the line: header, options, and putting a rule together. Lines come from files anybody wrote. */
#include <rules/parse.h>

#include <rules/buffers.h>

#include <ctype.h>
#include <string.h>
#include <strings.h>

struct text mmr_text_trim(struct text t)
{
    while (t.len && isspace((unsigned char)*t.p)) {
        t.p++;
        t.len--;
    }
    while (t.len && isspace((unsigned char)t.p[t.len - 1]))
        t.len--;
    return t;
}

bool mmr_text_is(struct text t, const char *word)
{
    return t.p && strlen(word) == t.len && strncasecmp(t.p, word, t.len) == 0;
}

bool mmr_text_starts(struct text *t, const char *prefix)
{
    size_t n = strlen(prefix);
    if (t->len < n || strncasecmp(t->p, prefix, n) != 0)
        return false;
    t->p += n;
    t->len -= n;
    return true;
}

struct text mmr_text_cut(struct text *rest, char sep)
{
    const char *at = rest->len ? memchr(rest->p, sep, rest->len) : NULL;
    struct text head = {rest->p, at ? (size_t)(at - rest->p) : rest->len};
    size_t used = head.len + (at ? 1 : 0);
    if (used) { /* an absent argument has no pointer to move */
        rest->p += used;
        rest->len -= used;
    }
    return mmr_text_trim(head);
}

bool mmr_text_int(struct text t, int64_t *ret)
{
    int64_t v = 0;
    bool is_minus = false;
    t = mmr_text_trim(t);
    if (t.len && (*t.p == '-' || *t.p == '+')) {
        is_minus = *t.p == '-';
        t.p++;
        t.len--;
    }
    int base = mmr_text_starts(&t, "0x") ? 16 : 10;
    if (!t.len)
        return false;
    for (size_t i = 0; i < t.len; i++) {
        int c = tolower((unsigned char)t.p[i]);
        int d = isdigit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
        if (d >= base || __builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, d, &v))
            return false;
    }
    *ret = is_minus ? -v : v;
    return true;
}

bool mmr_text_unquote(struct text *t)
{
    *t = mmr_text_trim(*t);
    if (t->len < 2 || t->p[0] != '"' || t->p[t->len - 1] != '"')
        return false;
    t->p++;
    t->len -= 2;
    return true;
}

/* "5", "<5", ">5", "!5", "<=5", ">=5", "1<>5", "1-5" */
int mmr_parse_number(struct parse *p, const char *what, struct text t, struct number *ret)
{
    struct number n = {.op = NUM_EQ};
    struct text all = t = mmr_text_trim(t);
    bool is_ok;
    if (mmr_text_starts(&t, "<=")) n.op = NUM_LE;
    else if (mmr_text_starts(&t, ">=")) n.op = NUM_GE;
    else if (mmr_text_starts(&t, "!=")) n.op = NUM_NE;
    else if (t.len > 1 && t.p[0] == '<' && t.p[1] != '>' && mmr_text_starts(&t, "<")) n.op = NUM_LT;
    else if (mmr_text_starts(&t, ">")) n.op = NUM_GT;
    else if (mmr_text_starts(&t, "!")) n.op = NUM_NE;
    else if (mmr_text_starts(&t, "=")) n.op = NUM_EQ;
    size_t at = 0;
    while (at + 1 < t.len && !(t.p[at] == '<' && t.p[at + 1] == '>'))
        at++;
    const char *dash = t.len > 1 ? memchr(t.p + 1, '-', t.len - 1) : NULL;
    if (at + 1 < t.len) {
        is_ok = (n.op == NUM_EQ || n.op == NUM_NE) && mmr_text_int((struct text){t.p, at}, &n.a) &&
                mmr_text_int((struct text){t.p + at + 2, t.len - at - 2}, &n.b) && n.a < n.b;
        n.op = n.op == NUM_NE ? NUM_NOT_IN : NUM_IN;
    } else if (dash && (n.op == NUM_EQ || n.op == NUM_NE)) {
        is_ok = mmr_text_int((struct text){t.p, (size_t)(dash - t.p)}, &n.a) &&
                mmr_text_int((struct text){dash + 1, t.len - (size_t)(dash - t.p) - 1}, &n.b) && n.a < n.b;
        n.op = n.op == NUM_NE ? NUM_NOT_IN : NUM_IN;
    } else {
        is_ok = mmr_text_int(t, &n.a);
    }
    if (!is_ok)
        return mmr_fail(&p->err, MMR_EBADMSG, "%s: '%.*s' is no number or comparison", what,
                        (int)(all.len > 60 ? 60 : all.len), all.p ? all.p : "");
    *ret = n;
    return 0;
}

int mmr_parse_place(struct parse *p, const char *what, struct text t, struct number *ret)
{
    int64_t v;
    t = mmr_text_trim(t);
    if (!t.len || mmr_text_is(t, "any"))
        ret->which = 0;
    else if (mmr_text_is(t, "all"))
        ret->which = NUMBER_ALL;
    else if (mmr_text_int(t, &v) && v >= -NUMBER_PLACES && v < NUMBER_PLACES)
        ret->which = (uint32_t)(NUMBER_AT + v);
    else
        return mmr_fail(&p->err, MMR_EBADMSG, "%s: found '%.*s' after the number, expected any, all or a place", what,
                        (int)(t.len > 30 ? 30 : t.len), t.p);
    return 0;
}

struct step *mmr_parse_step(struct parse *p, uint8_t type, uint32_t group)
{
    if (p->n_steps == RULE_STEPS_MAX) {
        (void)mmr_fail(&p->err, MMR_ETOOBIG, "more than %d checks in one rule", RULE_STEPS_MAX);
        return NULL;
    }
    struct pstep *s = &p->steps[p->n_steps++];
    *s = (struct pstep){.s = {.type = type, .var_offset = -1, .var_depth = -1, .var_distance = -1, .var_within = -1},
                        .group = group};
    return &s->s;
}

struct cond *mmr_parse_cond(struct parse *p, uint8_t type)
{
    if (p->n_conds == RULE_CONDS_MAX) {
        (void)mmr_fail(&p->err, MMR_ETOOBIG, "more than %d header conditions in one rule", RULE_CONDS_MAX);
        return NULL;
    }
    struct cond *c = &p->conds[p->n_conds++];
    *c = (struct cond){.type = type};
    return c;
}

int mmr_parse_var(struct parse *p, struct text name)
{
    for (uint32_t i = 0; i < p->n_vars; i++)
        if (p->var_len[i] == name.len && memcmp(p->vars[i], name.p, name.len) == 0)
            return (int)i;
    return -1;
}

int mmr_parse_new_var(struct parse *p, struct text name)
{
    int at = mmr_parse_var(p, name);
    if (at >= 0)
        return at;
    if (!name.len || p->n_vars == RULE_VARS_MAX)
        return -1;
    p->vars[p->n_vars] = name.p;
    p->var_len[p->n_vars] = name.len;
    return (int)p->n_vars++;
}

int mmr_parse_group(struct parse *p, unsigned buf, bool is_fresh)
{
    const struct buf_kind *k = mmr_buf_kind(buf);
    for (uint32_t i = 0; !is_fresh && i < p->n_groups; i++)
        if (p->groups[i].buf == buf && !p->groups[i].n_transforms)
            return (int)i;
    if (p->n_groups == RULE_GROUPS_MAX || !k)
        return mmr_fail(&p->err, MMR_ETOOBIG, "more than %d buffers in one rule", RULE_GROUPS_MAX);
    p->groups[p->n_groups] = (struct pgroup){.buf = (uint16_t)buf};
    return (int)p->n_groups++;
}

const void *mmr_parse_keep(struct parse *p, const void *v, size_t len)
{
    const void *q = mmr_arena_copy(&p->set->arena, v, len);
    if (!q)
        (void)mmr_fail(&p->err, MMR_ENOMEM, "rule: out of memory");
    return q;
}

/* ---- header ---- */

static struct text word(struct text *rest)
{
    size_t n = 0;
    int open = 0;
    *rest = mmr_text_trim(*rest);
    while (n < rest->len && (open > 0 || !isspace((unsigned char)rest->p[n]))) {
        if (rest->p[n] == '[')
            open++;
        if (rest->p[n] == ']')
            open--;
        n++;
    }
    struct text t = {rest->p, n};
    rest->p += n;
    rest->len -= n;
    return t;
}

static int parse_proto(struct parse *p, struct text t)
{
    static const struct {
        const char *name;
        uint8_t proto;
        uint16_t flags;
    } rows[] = {
        {"ip", PROTO_IP, 0}, {"any", PROTO_IP, 0}, {"pkthdr", PROTO_IP, 0}, {"ipv4", PROTO_IP, 0}, {"ip4", PROTO_IP, 0},
        {"ether", PROTO_IP | PROTO_ARP | PROTO_FRAME, R_NEED_PKT}, {"ipv6", PROTO_IP, 0}, {"ip6", PROTO_IP, 0}, {"tcp", PROTO_TCP, 0}, {"tcp-pkt", PROTO_TCP, R_NEED_PKT},
        {"tcp-stream", PROTO_TCP, R_NEED_STREAM}, {"udp", PROTO_UDP, 0}, {"icmp", PROTO_ICMP, 0},
        {"icmpv4", PROTO_ICMP, 0}, {"icmpv6", PROTO_ICMP, 0}, {"sctp", PROTO_SCTP, 0}, {"arp", PROTO_ARP, 0},
        {"igmp", PROTO_OTHER, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (mmr_text_is(t, rows[i].name)) {
            p->r->proto = rows[i].proto;
            p->r->flags |= rows[i].flags;
            bool is_v4 = mmr_text_is(t, "ipv4") || mmr_text_is(t, "ip4") || mmr_text_is(t, "icmpv4");
            bool is_v6 = mmr_text_is(t, "ipv6") || mmr_text_is(t, "ip6") || mmr_text_is(t, "icmpv6");
            if (mmr_text_is(t, "igmp")) {
                struct cond *c = mmr_parse_cond(p, COND_IP_PROTO);
                if (!c)
                    return p->err.code;
                c->num = (struct number){.op = NUM_EQ, .a = 2};
            }
            if (is_v4 || is_v6) {
                struct cond *c = mmr_parse_cond(p, COND_IP_PROTO);
                if (!c)
                    return p->err.code;
                c->sub = is_v4 ? 4 : 6;
                c->num = (struct number){.op = NUM_GE};
            }
            return 0;
        }
    p->r->app = (uint8_t)mmr_app_by_name(t.p, t.len);
    p->r->proto = PROTO_TCP | PROTO_UDP;
    if (!p->r->app)
        return mmr_fail(&p->err, MMR_EUNSUPPORTED, "protocol '%.*s' is not known", (int)(t.len > 30 ? 30 : t.len), t.p);
    if (!mmr_app_is_parsed(p->r->app))
        return mmr_fail(&p->err, MMR_EUNSUPPORTED, "protocol '%.*s' is read by no parser: the rule could never match", (int)t.len, t.p);
    return 0;
}

static int parse_header(struct parse *p, struct text head)
{
    static const struct {
        const char *name;
        uint32_t action;
    } actions[] = {{"alert", MMR_RULE_ALERT}, {"drop", MMR_RULE_DROP}, {"reject", MMR_RULE_REJECT},
                   {"rejectsrc", MMR_RULE_REJECT}, {"rejectdst", MMR_RULE_REJECT}, {"rejectboth", MMR_RULE_REJECT},
                   {"pass", MMR_RULE_PASS}};
    struct rule *r = p->r;
    struct text action = word(&head), proto = word(&head), src = word(&head), sport = word(&head);
    struct text arrow = word(&head), dst = word(&head), dport = word(&head);
    bool has_action = false;
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
        if (mmr_text_is(action, actions[i].name)) {
            r->info.action = actions[i].action;
            has_action = true;
        }
    if (!has_action)
        return mmr_fail(&p->err, MMR_EBADMSG, "action '%.*s' is not one of alert, drop, reject, pass",
                        (int)(action.len > 30 ? 30 : action.len), action.p);
    if (!dport.len || mmr_text_trim(head).len)
        return mmr_fail(&p->err, MMR_EBADMSG, "the header must be: action protocol address port -> address port");
    if (mmr_text_is(arrow, "<>"))
        r->flags |= R_BIDIR;
    else if (!mmr_text_is(arrow, "->"))
        return mmr_fail(&p->err, MMR_EBADMSG, "direction '%.*s' is not -> or <>",
                        (int)(arrow.len > 30 ? 30 : arrow.len), arrow.p);
    int rc = parse_proto(p, proto);
    if (rc == 0)
        rc = mmr_vars_addrs(p->set->vars, src.p, src.len, &r->src, &p->err);
    if (rc == 0)
        rc = mmr_vars_addrs(p->set->vars, dst.p, dst.len, &r->dst, &p->err);
    if (rc == 0)
        rc = mmr_vars_ports(p->set->vars, sport.p, sport.len, &r->sport, &p->err);
    if (rc == 0)
        rc = mmr_vars_ports(p->set->vars, dport.p, dport.len, &r->dport, &p->err);
    return rc;
}

/* ---- options ---- */

static const struct keyword *const tables[] = {mmr_kw_content, mmr_kw_meta, mmr_kw_state, mmr_kw_header,
                                               mmr_kw_bytes,   mmr_kw_app,  mmr_kw_words};

static const struct keyword *find_keyword(struct text name)
{
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++)
        for (const struct keyword *k = tables[t]; k->name; k++)
            if (mmr_text_is(name, k->name))
                return k;
    return NULL;
}

static int use_sticky(struct parse *p, unsigned buf)
{
    const struct buf_kind *k = mmr_buf_kind(buf);
    bool is_fresh = k->flags & BUF_MULTI;
    if (is_fresh) /* nothing was asked of the last one yet: keep it */
        for (uint32_t i = 0; i < p->n_groups; i++)
            if (p->groups[i].buf == buf && i == p->current)
                is_fresh = false;
    int g = mmr_parse_group(p, buf, is_fresh);
    if (g < 0)
        return g;
    p->current = (uint32_t)g;
    p->last_content = -1;
    return 0;
}

/* http_uri and kin: the content before moves to that buffer */
static int use_modifier(struct parse *p, unsigned buf, struct text name)
{
    if (p->last_content < 0)
        return mmr_fail(&p->err, MMR_EBADMSG, "'%.*s' has no content before it", (int)name.len, name.p);
    int g = mmr_parse_group(p, buf, false);
    if (g < 0)
        return g;
    p->steps[p->last_content].group = (uint32_t)g;
    return 0;
}

int mmr_parse_unsupported(struct parse *p, struct text name)
{
    for (uint32_t i = 0; i < p->n_unsupported; i++)
        if (p->unsupported_len[i] == name.len && memcmp(p->unsupported[i], name.p, name.len) == 0)
            return 0;
    if (p->n_unsupported < MMR_RULES_UNSUPPORTED_MAX) {
        p->unsupported[p->n_unsupported] = name.p;
        p->unsupported_len[p->n_unsupported++] = name.len;
    }
    return 0;
}

static int parse_option(struct parse *p, struct text option)
{
    struct text arg = option, name = mmr_text_cut(&arg, ':');
    bool has_arg = memchr(option.p, ':', option.len) != NULL;
    const struct keyword *k = find_keyword(name);
    unsigned buf;
    arg = mmr_text_trim(arg);
    if (!has_arg)
        arg.p = NULL;
    if (k)
        return k->parse(p, k, arg);
    if (!has_arg && (buf = mmr_buf_by_sticky(name.p, name.len)) != BUF_NONE)
        return use_sticky(p, buf);
    if (!has_arg && (buf = mmr_buf_by_modifier(name.p, name.len)) != BUF_NONE)
        return use_modifier(p, buf, name);
    return mmr_parse_unsupported(p, name);
}

/* Goes on after a bad option, so that every unknown keyword of the rule is named; the first fault stays. */
static int parse_options(struct parse *p, struct text body)
{
    int rc = 0;
    while (body.len) {
        size_t n = 0;
        while (n < body.len && !(body.p[n] == ';' && (n == 0 || body.p[n - 1] != '\\')))
            n++;
        struct text option = mmr_text_trim((struct text){body.p, n});
        bool is_closed = n < body.len;
        if (option.len && !is_closed) {
            if (rc == 0)
                rc = mmr_fail(&p->err, MMR_EBADMSG, "option '%.*s' does not end with ';'",
                              (int)(option.len > 40 ? 40 : option.len), option.p);
            break;
        }
        if (option.len) {
            struct mmr_error first = p->err;
            int one = parse_option(p, option);
            if (rc < 0)
                p->err = first;
            else if (one < 0)
                rc = one;
        }
        n += is_closed;
        body.p += n;
        body.len -= n;
    }
    return rc;
}

/* ---- putting it together ---- */

static int build_groups(struct parse *p)
{
    struct rule *r = p->r;
    struct arena *a = &p->set->arena;
    struct group *groups = mmr_arena_take(a, (p->n_groups + 1) * sizeof *groups);
    uint32_t n = 0;
    if (!groups)
        return mmr_fail(&p->err, MMR_ENOMEM, "rule: out of memory");
    for (uint32_t g = 0; g < p->n_groups; g++) {
        uint32_t count = 0, k = 0;
        for (uint32_t i = 0; i < p->n_steps; i++)
            count += p->steps[i].group == g;
        if (!count)
            continue;
        struct step *steps = mmr_arena_take(a, count * sizeof *steps);
        const struct transform *tr = p->groups[g].n_transforms
                                         ? mmr_arena_copy(a, p->groups[g].transforms,
                                                          p->groups[g].n_transforms * sizeof *tr)
                                         : NULL;
        if (!steps || (p->groups[g].n_transforms && !tr))
            return mmr_fail(&p->err, MMR_ENOMEM, "rule: out of memory");
        bool is_any_case = mmr_buf_kind(p->groups[g].buf)->flags & BUF_ANYCASE && !p->groups[g].n_transforms;
        for (uint32_t i = 0; i < p->n_steps; i++) {
            if (p->steps[i].group != g)
                continue;
            if (is_any_case && p->steps[i].s.type == STEP_CONTENT && mmr_parse_any_case(p, &p->steps[i].s) < 0)
                return p->err.code;
            steps[k++] = p->steps[i].s;
        }
        groups[n] = (struct group){.buf = p->groups[g].buf, .n_steps = (uint16_t)count, .steps = steps,
                                   .n_transforms = p->groups[g].n_transforms, .transforms = tr};
        for (uint32_t i = 0; i < count; i++)
            if (!(steps[i].flags & S_NEGATED))
                groups[n].is_positive = 1;
        n++;
    }
    r->groups = groups;
    r->n_groups = (uint8_t)n;
    return 0;
}

/* Which direction, which protocol and which kind of inspection follow from the buffers used. */
static int classify(struct parse *p)
{
    struct rule *r = p->r;
    unsigned dirs = DIR_BOTH;
    bool has_negated = false, has_anchor = false, has_header_cond = false, is_proto_only = !r->n_groups;
    for (uint32_t g = 0; g < r->n_groups; g++) {
        const struct group *grp = &r->groups[g];
        const struct buf_kind *k = mmr_buf_kind(grp->buf);
        if (grp->buf == BUF_PAYLOAD || grp->buf == BUF_BASE64) {
            r->flags |= grp->buf == BUF_PAYLOAD ? R_HAS_PAYLOAD : 0;
            for (uint32_t i = 0; i < grp->n_steps; i++) {
                has_negated |= (grp->steps[i].flags & S_NEGATED) || grp->steps[i].type == STEP_SIZE;
                has_anchor |= grp->steps[i].type == STEP_CONTENT && (grp->steps[i].flags & (S_DEPTH | S_OFFSET));
            }
            continue;
        }
        if (k->flags & BUF_PACKET) {
            r->flags |= R_PKT_BUF | R_NEED_PKT;
            continue;
        }
        r->flags |= R_APP;
        dirs &= k->dir;
        if (k->app && r->app && !mmr_app_covers(k->app, r->app, false) && !mmr_app_covers(r->app, k->app, false) &&
            !(r->app == APP_DOH2 || k->app == APP_SMB || k->app == APP_FTP || k->app == APP_SMTP))
            return mmr_fail(&p->err, MMR_EBADMSG, "buffer '%s' does not occur in the rule's protocol", k->name);
        if (k->app && !r->app)
            r->app = k->app;
    }
    if (!dirs)
        return mmr_fail(&p->err, MMR_EBADMSG, "buffers of requests and of responses are mixed in one rule");
    if (r->flow & FLOW_TO_SERVER)
        dirs &= DIR_TO_SERVER;
    if (r->flow & FLOW_TO_CLIENT)
        dirs &= DIR_TO_CLIENT;
    if (!dirs)
        return mmr_fail(&p->err, MMR_EBADMSG, "flow says one direction, but a buffer exists only in the other");
    if (r->flags & R_APP) { /* the buffers' direction is the rule's */
        if (dirs == DIR_TO_SERVER)
            r->flow |= FLOW_TO_SERVER;
        if (dirs == DIR_TO_CLIENT)
            r->flow |= FLOW_TO_CLIENT;
    }
    for (uint32_t i = 0; i < r->n_conds; i++) {
        uint8_t t = r->conds[i].type;
        is_proto_only = is_proto_only && t == COND_IP_PROTO;
        if (t == COND_DCE_IFACE || t == COND_DCE_OPNUM)
            r->flags |= R_APP | R_TX_ONLY_COND;
        else if (t == COND_APP_PROTO)
            r->flags |= r->n_groups || r->n_conds > 1 ? 0 : R_PD_ONLY;
        else if (t != COND_STREAM_SIZE && t != COND_FLOW_AGE && t != COND_FLOW_BYTES && t != COND_FLOW_PKTS)
            has_header_cond = true;
    }
    if (r->flags & R_PD_ONLY)
        for (uint32_t i = 0; i < r->n_conds; i++)
            if (r->conds[i].type != COND_APP_PROTO)
                r->flags &= (uint16_t)~R_PD_ONLY;
    if (has_header_cond && !is_proto_only && !(r->flags & R_APP))
        r->flags |= R_NEED_PKT;
    if (r->flow & FLOW_ONLY_STREAM)
        r->flags |= R_NEED_STREAM;
    if (r->flow & FLOW_NO_STREAM)
        r->flags |= R_NEED_PKT;
    /* TCP contents look at the reassembled stream; with depth or offset at single packets too */
    if (r->proto & PROTO_TCP && r->flags & R_HAS_PAYLOAD && !(r->flags & (R_NEED_PKT | R_NEED_STREAM)))
        r->flags |= has_anchor ? R_NEED_STREAM | R_NEED_PKT : R_NEED_STREAM;
    if (has_negated && r->flags & R_NEED_STREAM)
        r->flags |= R_DEFER;
    bool reads_bits = false;
    for (uint32_t i = 0; i < r->n_bits; i++)
        reads_bits |= r->bits[i].op == BIT_ISSET || r->bits[i].op == BIT_ISNOTSET || r->bits[i].op == BIT_CMP;
    /* who speaks with whom, and nothing else: asked once for each direction of a connection */
    if (!r->app && is_proto_only && !reads_bits && !r->flow && !(r->flags & (R_NEED_PKT | R_NEED_STREAM)) && !(r->proto & PROTO_ARP))
        r->flags |= R_IP_ONLY;
    return 0;
}

static int finish(struct parse *p)
{
    struct rule *r = p->r;
    struct arena *a = &p->set->arena;
    if (!r->info.sid)
        return mmr_fail(&p->err, MMR_EBADMSG, "the rule has no sid");
    int rc = build_groups(p);
    if (rc < 0)
        return rc;
    r->conds = mmr_arena_copy(a, p->conds, p->n_conds * sizeof *r->conds);
    r->bits = mmr_arena_copy(a, p->bits, p->n_bits * sizeof *r->bits);
    if (!r->conds || !r->bits)
        return mmr_fail(&p->err, MMR_ENOMEM, "rule: out of memory");
    r->n_conds = (uint8_t)p->n_conds;
    r->n_bits = (uint8_t)p->n_bits;
    r->n_vars = (uint8_t)p->n_vars;
    if (!r->info.msg)
        r->info.msg = "";
    if (!r->info.classtype)
        r->info.classtype = "";
    if (!r->info.metadata)
        r->info.metadata = "";
    if (!r->info.gid)
        r->info.gid = 1;
    if (!r->info.priority)
        r->info.priority = 3;
    rc = classify(p);
    r->info.flow_dir = r->flow & FLOW_TO_SERVER ? 1 : r->flow & FLOW_TO_CLIENT ? 2 : 0;
    return rc;
}

int mmr_rule_parse(struct parse *p, struct mmr_rules *set, struct text line, struct rule **ret)
{
    memset(p, 0, offsetof(struct parse, groups));
    p->n_groups = p->n_steps = p->n_conds = p->n_bits = p->n_vars = p->current = p->after_b64 = p->n_unsupported = 0;
    p->last_content = -1;
    p->has_pcre_buf = false;
    p->notice = NULL;
    p->err = (struct mmr_error){.struct_size = sizeof p->err};
    p->set = set;
    line = mmr_text_trim(line);
    struct rule *r = p->r = mmr_arena_take(&set->arena, sizeof *r);
    const char *open = line.len ? memchr(line.p, '(', line.len) : NULL;
    if (!r)
        return mmr_fail(&p->err, MMR_ENOMEM, "rule: out of memory");
    if (line.len > RULE_TEXT_MAX)
        return mmr_fail(&p->err, MMR_ETOOBIG, "the rule has %zu bytes; at most %d are read", line.len, RULE_TEXT_MAX);
    if (memchr(line.p, 0, line.len))
        return mmr_fail(&p->err, MMR_EBADMSG, "the rule contains a zero byte");
    if (!open || line.p[line.len - 1] != ')')
        return mmr_fail(&p->err, MMR_EBADMSG, "the rule's options must stand in ( )");
    if (mmr_parse_group(p, BUF_PAYLOAD, true) < 0)
        return p->err.code;
    /* options first: the sid names the rule even when its header is wrong */
    struct text body = {open + 1, (size_t)(line.p + line.len - 1 - (open + 1))};
    int rc = parse_options(p, body);
    struct mmr_error first = p->err;
    int rc2 = parse_header(p, (struct text){line.p, (size_t)(open - line.p)});
    if (rc < 0)
        p->err = first;
    else
        rc = rc2;
    if (rc == 0 && p->n_unsupported)
        rc = mmr_fail(&p->err, MMR_EUNSUPPORTED, "keyword '%.*s' is not supported", (int)p->unsupported_len[0],
                      p->unsupported[0]);
    if (rc == 0)
        rc = finish(p);
    if (rc == 0)
        *ret = r;
    return rc;
}
