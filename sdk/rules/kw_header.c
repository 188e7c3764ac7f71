/* kw_header.c - flow, packet header fields, stream size, application protocol. */
#include <rules/parse.h>

#include <rules/buffers.h>

#include <stdio.h>
#include <string.h>

static int bad(struct parse *p, const char *name, struct text arg, const char *want)
{
    return mmr_fail(&p->err, MMR_EBADMSG, "%s: found '%.*s', expected %s", name,
                    (int)(arg.len > 60 ? 60 : arg.len), arg.p ? arg.p : "", want);
}

static int kw_flow(struct parse *p, const struct keyword *k, struct text arg)
{
    static const struct {
        const char *name;
        uint16_t flag;
    } rows[] = {{"to_server", FLOW_TO_SERVER}, {"from_client", FLOW_TO_SERVER}, {"to_client", FLOW_TO_CLIENT},
                {"from_server", FLOW_TO_CLIENT}, {"established", FLOW_EST}, {"not_established", FLOW_NOT_EST},
                {"stateless", FLOW_STATELESS}, {"only_stream", FLOW_ONLY_STREAM}, {"no_stream", FLOW_NO_STREAM},
                {"only_frag", FLOW_ONLY_FRAG}, {"no_frag", FLOW_NO_FRAG}};
    if (!arg.p)
        return bad(p, k->name, arg, "a list such as established,to_server");
    while (arg.len) {
        struct text w = mmr_text_cut(&arg, ',');
        bool is_known = !w.len;
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
            if (mmr_text_is(w, rows[i].name)) {
                p->r->flow |= rows[i].flag;
                is_known = true;
            }
        if (!is_known)
            return bad(p, k->name, w, "a word such as established or to_server");
    }
    if ((p->r->flow & (FLOW_TO_SERVER | FLOW_TO_CLIENT)) == (FLOW_TO_SERVER | FLOW_TO_CLIENT))
        return bad(p, k->name, arg, "one direction only");
    return 0;
}

static int kw_number(struct parse *p, const struct keyword *k, struct text arg)
{
    struct number n;
    int rc = mmr_parse_number(p, k->name, arg, &n);
    struct cond *c = rc == 0 ? mmr_parse_cond(p, (uint8_t)k->arg) : NULL;
    if (!c)
        return p->err.code;
    c->num = n;
    return 0;
}


/* tos:8, tos:!8, tos:x08 */
static int kw_tos(struct parse *p, const struct keyword *k, struct text arg)
{
    struct text t = arg = mmr_text_trim(arg), digits;
    struct number n = {.op = mmr_text_starts(&t, "!") ? NUM_NE : NUM_EQ};
    char hex[8];
    digits = t;
    if (mmr_text_starts(&digits, "x") && digits.len <= 2) {
        int len = snprintf(hex, sizeof hex, "0x%.*s", (int)digits.len, digits.p);
        if (!mmr_text_int((struct text){hex, len > 0 ? (size_t)len : 0}, &n.a))
            return bad(p, k->name, arg, "a number to 255, x before hex digits");
    } else {
        return kw_number(p, k, arg);
    }
    struct cond *c = mmr_parse_cond(p, (uint8_t)k->arg);
    if (!c)
        return p->err.code;
    c->num = n;
    return 0;
}

/* vlan.id:100 (any layer), vlan.id:100,0 (the outer), vlan.id:100,all */
static int kw_vlan_id(struct parse *p, const struct keyword *k, struct text arg)
{
    struct text first = mmr_text_cut(&arg, ',');
    int rc = kw_number(p, k, first);
    return rc < 0 ? rc : mmr_parse_place(p, k->name, arg, &p->conds[p->n_conds - 1].num);
}

/* rpc:PROGRAM,VERSION|*,PROCEDURE|* */
static int kw_rpc(struct parse *p, const struct keyword *k, struct text arg)
{
    struct rpc_call r = {-1, -1, -1};
    int64_t *const to[] = {&r.program, &r.version, &r.procedure};
    struct text all = arg;
    for (size_t i = 0; i < 3 && arg.len; i++) {
        struct text t = mmr_text_cut(&arg, ',');
        if (i && mmr_text_is(t, "*"))
            continue;
        if (!mmr_text_int(t, to[i]) || *to[i] < 0 || *to[i] > UINT32_MAX)
            return bad(p, k->name, all, "a program, then a version and a procedure or *");
    }
    if (r.program < 0 || arg.len)
        return bad(p, k->name, all, "a program, then a version and a procedure or *");
    struct cond *c = mmr_parse_cond(p, COND_RPC);
    return c && (c->p = mmr_parse_keep(p, &r, sizeof r)) ? 0 : p->err.code;
}

static uint8_t flag_bit(char c)
{
    switch (c) {
    case 'F': case 'f': return 0x01;
    case 'S': case 's': return 0x02;
    case 'R': case 'r': return 0x04;
    case 'P': case 'p': return 0x08;
    case 'A': case 'a': return 0x10;
    case 'U': case 'u': return 0x20;
    case 'E': case 'e': case '2': return 0x40;
    case 'C': case 'c': case '1': return 0x80;
    default: return 0;
    }
}

static int kw_flags(struct parse *p, const struct keyword *k, struct text arg)
{
    struct text want = mmr_text_cut(&arg, ',');
    struct cond *c = mmr_parse_cond(p, COND_TCP_FLAGS);
    if (!c)
        return p->err.code;
    for (size_t i = 0; i < want.len; i++) {
        char ch = want.p[i];
        uint8_t bit = flag_bit(ch);
        if (ch == '+' || ch == '*' || ch == '!')
            c->sub2 = (uint8_t)ch;
        else if (bit)
            c->sub |= bit;
        else if (ch != '0' && ch != ' ')
            return bad(p, k->name, want, "letters of FSRPAUEC or 0");
    }
    if (!want.len)
        return bad(p, k->name, want, "letters of FSRPAUEC or 0");
    for (size_t i = 0; i < arg.len; i++)
        c->num.a |= flag_bit(arg.p[i]); /* bits to look away from */
    return 0;
}

static int kw_fragbits(struct parse *p, const struct keyword *k, struct text arg)
{
    struct cond *c = mmr_parse_cond(p, COND_FRAGBITS);
    if (!c)
        return p->err.code;
    for (size_t i = 0; i < arg.len; i++)
        switch (arg.p[i]) {
        case 'M': case 'm': c->num.a |= 0x2000; break;
        case 'D': case 'd': c->num.a |= 0x4000; break;
        case 'R': case 'r': c->num.a |= 0x8000; break;
        case '+': case '*': case '!': c->sub2 = (uint8_t)arg.p[i]; break;
        case ' ': break;
        default: return bad(p, k->name, arg, "letters of MDR");
        }
    if (!c->num.a)
        return bad(p, k->name, arg, "letters of MDR");
    return 0;
}

static int kw_ip_proto(struct parse *p, const struct keyword *k, struct text arg)
{
    static const struct {
        const char *name;
        int proto;
    } rows[] = {{"icmp", 1}, {"igmp", 2}, {"ipip", 4}, {"tcp", 6}, {"udp", 17}, {"gre", 47}, {"esp", 50},
                {"ah", 51}, {"icmp6", 58}, {"ipv6-icmp", 58}, {"ospf", 89}, {"pim", 103}, {"vrrp", 112}, {"sctp", 132}};
    struct text t = arg = mmr_text_trim(arg);
    uint32_t op = NUM_EQ;
    int64_t v = -1;
    if (mmr_text_starts(&t, "!")) op = NUM_NE;
    else if (mmr_text_starts(&t, "<")) op = NUM_LT;
    else if (mmr_text_starts(&t, ">")) op = NUM_GT;
    t = mmr_text_trim(t);
    if (!mmr_text_int(t, &v))
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
            if (mmr_text_is(t, rows[i].name))
                v = rows[i].proto;
    if (v < 0 || v > 255)
        return bad(p, k->name, arg, "a protocol number or name");
    struct cond *c = mmr_parse_cond(p, COND_IP_PROTO);
    if (!c)
        return p->err.code;
    c->num = (struct number){.op = op, .a = v};
    return 0;
}

static int kw_l3_proto(struct parse *p, const struct keyword *k, struct text arg)
{
    bool is_v4 = mmr_text_is(arg, "ipv4") || mmr_text_is(arg, "ip4"), is_v6 = mmr_text_is(arg, "ipv6") || mmr_text_is(arg, "ip6");
    struct cond *c = is_v4 || is_v6 ? mmr_parse_cond(p, COND_IP_PROTO) : NULL;
    if (!is_v4 && !is_v6)
        return bad(p, k->name, arg, "ipv4 or ipv6");
    if (!c)
        return p->err.code;
    c->sub = is_v4 ? 4 : 6;
    c->num = (struct number){.op = NUM_GE};
    return 0;
}

static int kw_plain(struct parse *p, const struct keyword *k, struct text arg)
{
    (void)arg;
    return mmr_parse_cond(p, (uint8_t)k->arg) ? 0 : p->err.code;
}

static int kw_ipopts(struct parse *p, const struct keyword *k, struct text arg)
{
    static const struct {
        const char *name;
        uint8_t opt;
    } rows[] = {{"rr", 7}, {"lsrr", 131}, {"eol", 0}, {"nop", 1}, {"ts", 68}, {"sec", 130}, {"esec", 133},
                {"ssrr", 137}, {"satid", 136}, {"any", 255}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (mmr_text_is(mmr_text_trim(arg), rows[i].name)) {
            struct cond *c = mmr_parse_cond(p, COND_IPOPTS);
            if (!c)
                return p->err.code;
            c->sub = rows[i].opt;
            return 0;
        }
    return bad(p, k->name, arg, "an option's name such as lsrr");
}

/* stream_size:<server|client|both|either>,<op>,<number> */
static int kw_stream_size(struct parse *p, const struct keyword *k, struct text arg)
{
    static const char *const sides[] = {"server", "client", "both", "either"};
    struct text side = mmr_text_cut(&arg, ','), op = mmr_text_cut(&arg, ',');
    struct cond *c = mmr_parse_cond(p, COND_STREAM_SIZE);
    if (!c)
        return p->err.code;
    for (uint8_t i = 0; i < 4; i++)
        if (mmr_text_is(side, sides[i]))
            c->sub = (uint8_t)(i + 1);
    if (mmr_text_is(op, "<")) c->num.op = NUM_LT;
    else if (mmr_text_is(op, ">")) c->num.op = NUM_GT;
    else if (mmr_text_is(op, "<=")) c->num.op = NUM_LE;
    else if (mmr_text_is(op, ">=")) c->num.op = NUM_GE;
    else if (mmr_text_is(op, "=")) c->num.op = NUM_EQ;
    else if (mmr_text_is(op, "!=")) c->num.op = NUM_NE;
    else c->sub = 0;
    if (!c->sub || !mmr_text_int(arg, &c->num.a))
        return bad(p, k->name, side, "server|client|both|either, an operator and a number");
    return 0;
}

/* app-layer-protocol:[!]name[|name..][,final|exact|either|direction|to_server|to_client|toserver|toclient] */
static int kw_app_proto(struct parse *p, const struct keyword *k, struct text arg)
{
    static const char *const modes[] = {"final", "exact", "either", "direction", "to_server", "to_client", "toserver",
                                        "toclient", "original"};
    struct text name = mmr_text_cut(&arg, ',');
    struct cond *c = mmr_parse_cond(p, COND_APP_PROTO);
    if (!c)
        return p->err.code;
    c->is_negated = mmr_text_starts(&name, "!");
    name = mmr_text_trim(name);
    uint64_t any = 0; /* one bit a protocol */
    struct text all = name;
    for (size_t n = 0; name.len; n++) {
        struct text one = mmr_text_cut(&name, '|');
        bool is_failed = mmr_text_is(one, "failed") || mmr_text_is(one, "unknown");
        unsigned app = is_failed ? APP_UNKNOWN : mmr_app_by_name(one.p, one.len);
        if (!app)
            return bad(p, k->name, all, "a protocol's name");
        c->sub = (uint8_t)app;
        any |= UINT64_C(1) << app;
        if (n && !(c->p = mmr_parse_keep(p, &any, sizeof any)))
            return p->err.code;
    }
    if (!any)
        return bad(p, k->name, all, "a protocol's name");
    while (arg.len) {
        struct text m = mmr_text_cut(&arg, ',');
        bool is_known = false;
        for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
            is_known |= mmr_text_is(m, modes[i]);
        if (!is_known)
            return bad(p, k->name, m, "final, exact, either, original, direction, to_server or to_client");
        if (mmr_text_is(m, "exact"))
            c->sub2 |= 1;
        if (mmr_text_is(m, "final"))
            c->sub2 |= 2;
    }
    return 0;
}

/* ipv4-csum:valid|invalid; arg: IP version and protocol */
static int kw_checksum(struct parse *p, const struct keyword *k, struct text arg)
{
    (void)mmr_text_unquote(&arg);
    bool is_valid = mmr_text_is(mmr_text_trim(arg), "valid");
    if (!is_valid && !mmr_text_is(mmr_text_trim(arg), "invalid"))
        return bad(p, k->name, arg, "valid or invalid");
    struct cond *c = mmr_parse_cond(p, COND_CHECKSUM);
    if (!c)
        return p->err.code;
    c->sub = (uint8_t)(k->arg >> 8);
    c->sub2 = (uint8_t)k->arg;
    c->num.a = is_valid;
    return 0;
}

/* flow.pkts:>3, flow.pkts_toserver:>3 or flow.pkts:toserver,>3 */
static int kw_flow_count(struct parse *p, const struct keyword *k, struct text arg)
{
    struct text side = arg, rest = arg;
    int8_t said = -1;
    if (arg.p && memchr(arg.p, ',', arg.len)) {
        side = mmr_text_cut(&rest, ',');
        said = mmr_text_is(side, "toserver") ? 1 : mmr_text_is(side, "toclient") ? 2 : mmr_text_is(side, "either") ? 3 : -1;
        if (said < 0)
            return bad(p, k->name, side, "toserver, toclient or either before the number");
        arg = mmr_text_trim(rest);
    }
    int rc = kw_number(p, k, arg);
    if (rc < 0)
        return rc;
    struct cond *c = &p->conds[p->n_conds - 1];
    size_t n = strlen(k->name);
    if (said >= 0) {
        c->sub = (uint8_t)said;
        return 0;
    }
    c->sub = strcmp(k->name + n - 8, "toclient") == 0 ? 2 : strcmp(k->name + n - 8, "toserver") == 0 ? 1 : 0;
    return 0;
}

const struct keyword mmr_kw_header[] = {
    {"flow", kw_flow, 0},
    {"flags", kw_flags, 0},
    {"tcp.flags", kw_flags, 0},
    {"dsize", kw_number, COND_DSIZE},
    {"itype", kw_number, COND_ITYPE},
    {"icode", kw_number, COND_ICODE},
    {"icmp_id", kw_number, COND_ICMP_ID},
    {"icmp_seq", kw_number, COND_ICMP_SEQ},
    {"ttl", kw_number, COND_TTL},
    {"id", kw_number, COND_IP_ID},
    {"tos", kw_tos, COND_TOS},
    {"fragoffset", kw_number, COND_FRAGOFFSET},
    {"seq", kw_number, COND_SEQ},
    {"tcp.seq", kw_number, COND_SEQ},
    {"ack", kw_number, COND_ACK},
    {"tcp.ack", kw_number, COND_ACK},
    {"window", kw_number, COND_WINDOW},
    {"tcp.window", kw_number, COND_WINDOW},
    {"tcp.mss", kw_number, COND_TCP_MSS},
    {"tcp.wscale", kw_number, COND_TCP_WSCALE},
    {"vlan.id", kw_vlan_id, COND_VLAN_ID},
    {"vlan.layers", kw_number, COND_VLAN_LAYERS},
    {"icmpv6.mtu", kw_number, COND_ICMPV6_MTU},
    {"igmp.type", kw_number, COND_IGMP_TYPE},
    {"ipv4-csum", kw_checksum, 4 << 8},
    {"tcpv4-csum", kw_checksum, 4 << 8 | 6},
    {"udpv4-csum", kw_checksum, 4 << 8 | 17},
    {"icmpv4-csum", kw_checksum, 4 << 8 | 1},
    {"tcpv6-csum", kw_checksum, 6 << 8 | 6},
    {"udpv6-csum", kw_checksum, 6 << 8 | 17},
    {"icmpv6-csum", kw_checksum, 6 << 8 | 58},
    {"rpc", kw_rpc, 0},
    {"fragbits", kw_fragbits, 0},
    {"ip_proto", kw_ip_proto, 0},
    {"l3_proto", kw_l3_proto, 0},
    {"sameip", kw_plain, COND_SAMEIP},
    {"ipopts", kw_ipopts, 0},
    {"stream_size", kw_stream_size, 0},
    {"app-layer-protocol", kw_app_proto, 0},
    {"flow.age", kw_flow_count, COND_FLOW_AGE},
    {"flow.pkts", kw_flow_count, COND_FLOW_PKTS},
    {"flow.pkts_toserver", kw_flow_count, COND_FLOW_PKTS},
    {"flow.pkts_toclient", kw_flow_count, COND_FLOW_PKTS},
    {"flow.bytes", kw_flow_count, COND_FLOW_BYTES},
    {"flow.bytes_toserver", kw_flow_count, COND_FLOW_BYTES},
    {"flow.bytes_toclient", kw_flow_count, COND_FLOW_BYTES},
    {NULL, NULL, 0},
};
