/* kw_app.c - keywords of single protocols that are no text buffers: DCE/RPC, numbers, TLS versions, file names. */
#include <rules/parse.h>

#include <rules/buffers.h>
#include <rules/regex.h>

#include <stdio.h>
#include <string.h>

static int bad(struct parse *p, const char *name, struct text arg, const char *want)
{
    return mmr_fail(&p->err, MMR_EBADMSG, "%s: found '%.*s', expected %s", name,
                    (int)(arg.len > 60 ? 60 : arg.len), arg.p ? arg.p : "", want);
}

/* uuid[,<op>version][,any_frag]: the first three fields are little endian on the wire */
static int kw_iface(struct parse *p, const struct keyword *k, struct text arg)
{
    static const uint8_t place[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    struct text uuid = mmr_text_cut(&arg, ',');
    struct dce_iface f = {0};
    unsigned n = 0;
    for (size_t i = 0; i < uuid.len; i++) {
        char c = uuid.p[i];
        int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (c == '-')
            continue;
        if (d < 0 || n >= 32)
            return bad(p, k->name, uuid, "a UUID");
        uint8_t *b = &f.uuid[place[n / 2]];
        *b = (uint8_t)(n % 2 ? *b | d : d << 4);
        n++;
    }
    if (n != 32)
        return bad(p, k->name, uuid, "a UUID");
    while (arg.len) {
        struct text t = mmr_text_cut(&arg, ',');
        if (mmr_text_is(t, "any_frag")) {
            f.any_frag = 1;
        } else {
            int rc = mmr_parse_number(p, k->name, t, &f.version);
            if (rc < 0)
                return rc;
            f.has_version = 1;
        }
    }
    struct cond *c = mmr_parse_cond(p, COND_DCE_IFACE);
    if (!c || !(c->p = mmr_parse_keep(p, &f, sizeof f)))
        return p->err.code;
    return 0;
}

static int kw_opnum(struct parse *p, const struct keyword *k, struct text arg)
{
    struct text all = arg;
    uint32_t n = 0;
    uint16_t lo[32], hi[32];
    while (arg.len) {
        struct text t = mmr_text_cut(&arg, ','), first = mmr_text_cut(&t, '-');
        int64_t a, b;
        if (n == 32 || !mmr_text_int(first, &a) || a < 0 || a > 65535)
            return bad(p, k->name, all, "numbers or ranges, at most 32");
        b = a;
        if (t.len && (!mmr_text_int(t, &b) || b < a || b > 65535))
            return bad(p, k->name, all, "numbers or ranges");
        lo[n] = (uint16_t)a;
        hi[n++] = (uint16_t)b;
    }
    if (!n)
        return bad(p, k->name, all, "a number");
    struct opnum_set *keep = mmr_arena_take(&p->set->arena, sizeof *keep + n * sizeof keep->r[0]);
    struct cond *c = mmr_parse_cond(p, COND_DCE_OPNUM);
    if (!keep || !c)
        return keep ? p->err.code : mmr_fail(&p->err, MMR_ENOMEM, "rule: out of memory");
    keep->n = n;
    for (uint32_t i = 0; i < n; i++) {
        keep->r[i].lo = lo[i];
        keep->r[i].hi = hi[i];
    }
    c->p = keep;
    return 0;
}

static int group_of(struct parse *p, const char *buf)
{
    unsigned id = mmr_buf_by_sticky(buf, strlen(buf));
    return mmr_parse_group(p, id, mmr_buf_kind(id)->flags & BUF_MULTI);
}

static const char *const numbers[] = {"dns.opcode", "dns.rcode", "dns.rrtype", "krb5_msg_type", "krb5_err_code",
                                      "snmp.version", "snmp.pdu_type", "tls.cert_chain_len", "filesize"};

static int kw_number(struct parse *p, const struct keyword *k, struct text arg)
{
    static const struct {
        const char *name;
        int v;
    } rr[] = {{"A", 1}, {"NS", 2}, {"CNAME", 5}, {"SOA", 6}, {"NULL", 10}, {"PTR", 12}, {"MX", 15}, {"TXT", 16},
              {"AAAA", 28}, {"SRV", 33}, {"HTTPS", 65}, {"ANY", 255}};
    struct number n;
    struct text t = arg = mmr_text_trim(arg);
    struct text place = t;
    t = mmr_text_cut(&place, ',');
    arg = t;
    bool is_not = mmr_text_starts(&t, "!"), is_named = false;
    for (size_t i = 0; i < sizeof rr / sizeof rr[0] && k->arg == 2; i++)
        if (mmr_text_is(t, rr[i].name)) {
            n = (struct number){.op = is_not ? NUM_NE : NUM_EQ, .a = rr[i].v};
            is_named = true;
        }
    if (!mmr_buf_by_sticky(numbers[k->arg], strlen(numbers[k->arg])))
        return mmr_parse_unsupported(p, (struct text){k->name, strlen(k->name)});
    int rc = is_named ? 0 : mmr_parse_number(p, k->name, arg, &n);
    if (rc == 0)
        rc = mmr_parse_place(p, k->name, place, &n);
    int g = rc < 0 ? rc : group_of(p, numbers[k->arg]);
    struct step *s = g < 0 ? NULL : mmr_parse_step(p, STEP_NUMBER, (uint32_t)g);
    if (!s || !(s->p = mmr_parse_keep(p, &n, sizeof n)))
        return p->err.code;
    return 0;
}

static int kw_file_name(struct parse *p, const struct keyword *k, struct text arg)
{
    uint8_t low[256];
    size_t n = 0;
    bool is_not = mmr_text_starts(&arg, "!");
    int g = group_of(p, "file.name");
    if (g < 0)
        return g;
    if (!arg.p && !k->arg) { /* "filename;" is the sticky buffer */
        p->current = (uint32_t)g;
        p->last_content = -1;
        return 0;
    }
    if (!mmr_text_unquote(&arg) || !arg.len || arg.len > 250)
        return bad(p, k->name, arg, "a name in quotes");
    if (k->arg)
        low[n++] = '.';
    for (size_t i = 0; i < arg.len; i++)
        low[n++] = (uint8_t)(arg.p[i] >= 'A' && arg.p[i] <= 'Z' ? arg.p[i] + 32 : arg.p[i]);
    struct step *s = mmr_parse_step(p, STEP_CONTENT, (uint32_t)g);
    if (!s || !(s->p = mmr_parse_keep(p, low, n)))
        return p->err.code;
    s->len = (uint32_t)n;
    s->flags = (uint16_t)(S_NOCASE | (k->arg ? S_ENDSWITH : 0) | (is_not ? S_NEGATED : 0));
    return 0;
}

const struct keyword mmr_kw_app[] = {
    {"dcerpc.iface", kw_iface, 0},   {"dce_iface", kw_iface, 0},      {"dcerpc.opnum", kw_opnum, 0},
    {"dce_opnum", kw_opnum, 0},      {"dns.opcode", kw_number, 0},    {"dns.rcode", kw_number, 1},
    {"dns.rrtype", kw_number, 2},    {"krb5_msg_type", kw_number, 3}, {"krb5_err_code", kw_number, 4},
    {"snmp.version", kw_number, 5},  {"snmp.pdu_type", kw_number, 6}, {"tls.cert_chain_len", kw_number, 7}, {"filesize", kw_number, 8},
    {"filename", kw_file_name, 0},   {"fileext", kw_file_name, 1},
    {NULL, NULL, 0},
};
