/* kw_content.c - content and what modifies it, pcre, isdataat, bsize, transforms. */
#include <rules/parse.h>

#include <rules/buffers.h>
#include <rules/regex.h>

#include <ctype.h>
#include <string.h>

static int bad(struct parse *p, const char *name, struct text arg, const char *want)
{
    return mmr_fail(&p->err, MMR_EBADMSG, "%s: found '%.*s', expected %s", name,
                    (int)(arg.len > 60 ? 60 : arg.len), arg.p ? arg.p : "", want);
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* "abc|0d 0a|\;" -> bytes. Returns their count or a negative error. */
static int unescape(struct parse *p, struct text t, uint8_t *out)
{
    size_t n = 0;
    bool is_hex = false;
    int high = -1;
    for (size_t i = 0; i < t.len; i++) {
        char c = t.p[i];
        if (n >= RULE_CONTENT_MAX)
            return mmr_fail(&p->err, MMR_ETOOBIG, "content: more than %d bytes", RULE_CONTENT_MAX);
        if (c == '|') {
            if (high >= 0)
                return bad(p, "content", t, "pairs of hex digits between | and |");
            is_hex = !is_hex;
        } else if (is_hex) {
            if (isspace((unsigned char)c) || c == ',')
                continue;
            int d = hex(c);
            if (d < 0)
                return bad(p, "content", t, "hex digits between | and |");
            if (high >= 0)
                out[n++] = (uint8_t)(high << 4 | d);
            high = high >= 0 ? -1 : d;
        } else if (c == '\\') {
            if (++i >= t.len)
                return bad(p, "content", t, "a character after '\\'");
            out[n++] = (uint8_t)t.p[i];
        } else {
            out[n++] = (uint8_t)c;
        }
    }
    if (is_hex)
        return bad(p, "content", t, "a closing |");
    return (int)n;
}

static int kw_content(struct parse *p, const struct keyword *k, struct text arg)
{
    uint8_t bytes[RULE_CONTENT_MAX + 1];
    bool is_not = false;
    uint32_t group = p->current;
    arg = mmr_text_trim(arg);
    if (mmr_text_starts(&arg, "!"))
        is_not = true;
    if (!mmr_text_unquote(&arg))
        return bad(p, k->name, arg, "text in quotes");
    int n = unescape(p, arg, bytes);
    if (n < 0)
        return n;
    if (n == 0)
        return mmr_fail(&p->err, MMR_EBADMSG, "content: it is empty");
    if (k->arg) { /* uricontent */
        int g = mmr_parse_group(p, k->arg == 1 ? mmr_buf_by_sticky("http.uri", 8) : BUF_PAYLOAD, false);
        if (g < 0)
            return g;
        group = (uint32_t)g;
    }
    struct step *s = mmr_parse_step(p, STEP_CONTENT, group);
    if (!s || !(s->p = mmr_parse_keep(p, bytes, (size_t)n)))
        return p->err.code;
    s->len = (uint32_t)n;
    if (is_not)
        s->flags |= S_NEGATED;
    p->last_content = (int)p->n_steps - 1;
    return 0;
}

static struct step *last(struct parse *p, const char *name)
{
    if (p->last_content >= 0)
        return &p->steps[p->last_content].s;
    (void)mmr_fail(&p->err, MMR_EBADMSG, "%s: there is no content before it", name);
    return NULL;
}

int mmr_parse_any_case(struct parse *p, struct step *s)
{
    uint8_t low[RULE_CONTENT_MAX];
    const uint8_t *b = s->p;
    s->flags |= S_NOCASE;
    for (uint32_t i = 0; i < s->len; i++)
        low[i] = (uint8_t)(b[i] >= 'A' && b[i] <= 'Z' ? b[i] + 32 : b[i]);
    s->p = mmr_parse_keep(p, low, s->len);
    return s->p ? 0 : p->err.code;
}

static int kw_nocase(struct parse *p, const struct keyword *k, struct text arg)
{
    struct step *s = last(p, k->name);
    if (!s)
        return p->err.code;
    if (arg.p && arg.len)
        return bad(p, k->name, arg, "no value");
    s->flags |= (uint16_t)k->arg;
    if (k->arg == S_STARTSWITH) {
        s->flags |= S_DEPTH | S_OFFSET;
        s->offset = 0;
        s->depth = (int32_t)s->len;
    }
    return k->arg == S_NOCASE ? mmr_parse_any_case(p, s) : 0;
}

static int kw_place(struct parse *p, const struct keyword *k, struct text arg) /* depth offset distance within */
{
    int64_t v = 0;
    int var = -1;
    struct step *s = last(p, k->name);
    if (!s)
        return p->err.code;
    arg = mmr_text_trim(arg);
    if (!mmr_text_int(arg, &v)) {
        var = mmr_parse_var(p, arg);
        if (var < 0)
            return bad(p, k->name, arg, "a number or a variable of byte_extract before it");
    } else if (v < -65535 || v > 65535 || ((k->arg & (S_DEPTH | S_OFFSET | S_WITHIN)) && v < 0)) {
        return bad(p, k->name, arg, "a number within 65535");
    }
    s->flags |= (uint16_t)k->arg;
    switch (k->arg) {
    case S_DEPTH:
        if (var < 0 && v < (int64_t)s->len)
            return bad(p, k->name, arg, "at least the content's length");
        s->depth = (int32_t)v;
        s->var_depth = (int8_t)var;
        break;
    case S_OFFSET:
        s->offset = (int32_t)v;
        s->var_offset = (int8_t)var;
        break;
    case S_DISTANCE:
        s->distance = (int32_t)v;
        s->var_distance = (int8_t)var;
        s->flags |= S_RELATIVE;
        break;
    default:
        if (var < 0 && v < (int64_t)s->len)
            return bad(p, k->name, arg, "at least the content's length");
        s->within = (int32_t)v;
        s->var_within = (int8_t)var;
        s->flags |= S_RELATIVE;
        break;
    }
    return 0;
}

static int kw_fast(struct parse *p, const struct keyword *k, struct text arg)
{
    struct step *s = last(p, k->name);
    if (!s)
        return p->err.code;
    s->flags |= S_FAST; /* "only" and a chopped part are hints that our prefilter does not need */
    struct text rest = arg, a = mmr_text_cut(&rest, ',');
    int64_t v;
    if (arg.p && arg.len && !mmr_text_is(arg, "only") &&
        (!mmr_text_int(a, &v) || !mmr_text_int(rest, &v)))
        return bad(p, k->name, arg, "nothing, 'only' or 'offset,length'");
    return 0;
}

static int kw_pcre(struct parse *p, const struct keyword *k, struct text arg)
{
    static const struct {
        char c;
        const char *buf;
    } bufs[] = {{'U', "http.uri"}, {'I', "http.uri.raw"}, {'P', "http.request_body"}, {'Q', "http.response_body"},
                {'H', "http.header"}, {'D', "http.header.raw"}, {'M', "http.method"}, {'C', "http.cookie"},
                {'S', "http.stat_code"}, {'Y', "http.stat_msg"}, {'V', "http.user_agent"}, {'W', "http.host"},
                {'Z', "http.host.raw"}};
    static const struct {
        char c;
        unsigned flag;
    } opts[] = {{'i', RE_NOCASE}, {'m', RE_MULTILINE}, {'s', RE_DOTALL}, {'x', RE_EXTENDED}, {'A', RE_ANCHORED},
                {'E', RE_DOLLAR_END}, {'G', RE_UNGREEDY}};
    struct text all = arg = mmr_text_trim(arg);
    uint32_t group = p->current;
    unsigned flags = 0;
    bool is_not = mmr_text_starts(&arg, "!"), is_relative = false;
    if (!mmr_text_unquote(&arg) && !(arg.len && arg.p[0] == '/'))
        return bad(p, k->name, all, "\"/expression/flags\"");
    const char *end = arg.len ? memrchr(arg.p, '/', arg.len) : NULL;
    if (!end || end == arg.p || arg.p[0] != '/')
        return bad(p, k->name, all, "\"/expression/flags\"");
    for (const char *c = end + 1; c < arg.p + arg.len; c++) {
        if (*c == ',') { /* "flow:NAME", "pkt:NAME" for what the brackets hold */
            p->notice = "pcre: what an expression takes out of a match is not kept; the rule itself works";
            break;
        }
        bool is_known = *c == 'R' || *c == 'B' || *c == 'O' || isspace((unsigned char)*c);
        is_relative |= *c == 'R';
        for (size_t i = 0; i < sizeof opts / sizeof opts[0]; i++)
            if (opts[i].c == *c) {
                flags |= opts[i].flag;
                is_known = true;
            }
        for (size_t i = 0; i < sizeof bufs / sizeof bufs[0]; i++)
            if (bufs[i].c == *c) {
                int g = mmr_parse_group(p, mmr_buf_by_sticky(bufs[i].buf, strlen(bufs[i].buf)), false);
                if (g < 0)
                    return g;
                group = (uint32_t)g;
                is_known = true;
            }
        if (!is_known)
            return mmr_fail(&p->err, MMR_EBADMSG, "pcre: flag '%c' is not known", *c);
    }
    struct regex *re = NULL;
    int rc = mmr_regex_new(arg.p + 1, (size_t)(end - arg.p - 1), flags, &re, &p->err);
    if (rc < 0)
        return rc;
    *mmr_regex_next(re) = p->set->regexes;
    p->set->regexes = re;
    struct step *s = mmr_parse_step(p, STEP_PCRE, group);
    if (!s)
        return p->err.code;
    s->p = re;
    s->flags = (uint16_t)((is_not ? S_NEGATED : 0) | (is_relative ? S_RELATIVE : 0));
    return 0;
}

static int kw_isdataat(struct parse *p, const struct keyword *k, struct text arg)
{
    struct text rest = arg, num = mmr_text_cut(&rest, ',');
    bool is_not = mmr_text_starts(&num, "!");
    int64_t v = 0;
    int var = -1;
    num = mmr_text_trim(num);
    if (!mmr_text_int(num, &v))
        var = mmr_parse_var(p, num);
    if ((!mmr_text_int(num, &v) && var < 0) || v < 0 || v > 65535)
        return bad(p, k->name, arg, "a number of bytes");
    struct step *s = mmr_parse_step(p, STEP_ISDATAAT, p->current);
    if (!s)
        return p->err.code;
    s->len = (uint32_t)v;
    s->var_offset = (int8_t)var;
    s->flags = is_not ? S_NEGATED : 0;
    while (rest.len) {
        struct text w = mmr_text_cut(&rest, ',');
        if (mmr_text_is(w, "relative"))
            s->flags |= S_RELATIVE;
        else if (!mmr_text_is(w, "rawbytes"))
            return bad(p, k->name, w, "'relative' or 'rawbytes'");
    }
    return 0;
}

static int kw_bsize(struct parse *p, const struct keyword *k, struct text arg)
{
    struct number n;
    int rc = mmr_parse_number(p, k->name, arg, &n);
    if (rc < 0)
        return rc;
    struct step *s = mmr_parse_step(p, STEP_SIZE, p->current);
    if (!s || !(s->p = mmr_parse_keep(p, &n, sizeof n)))
        return p->err.code;
    return 0;
}

static int kw_urilen(struct parse *p, const struct keyword *k, struct text arg)
{
    struct text rest = arg, first = mmr_text_cut(&rest, ',');
    struct number n;
    rest = mmr_text_trim(rest);
    if (rest.len && !mmr_text_is(rest, "raw") && !mmr_text_is(rest, "norm"))
        return bad(p, k->name, rest, "'raw' or 'norm'");
    int rc = mmr_parse_number(p, k->name, first, &n);
    if (rc < 0)
        return rc;
    int g = mmr_parse_group(p, mmr_text_is(rest, "raw") ? mmr_buf_by_sticky("http.uri.raw", 12)
                                                        : mmr_buf_by_sticky("http.uri", 8), false);
    struct step *s = g < 0 ? NULL : mmr_parse_step(p, STEP_SIZE, (uint32_t)g);
    if (!s || !(s->p = mmr_parse_keep(p, &n, sizeof n)))
        return p->err.code;
    return 0;
}

static int kw_absent(struct parse *p, const struct keyword *k, struct text arg)
{
    struct step *s = mmr_parse_step(p, STEP_ABSENT, p->current);
    if (!s)
        return p->err.code;
    if (mmr_text_is(arg, "or_else"))
        s->flags = S_OR_ELSE;
    else if (arg.p && arg.len)
        return bad(p, k->name, arg, "nothing or 'or_else'");
    return 0;
}

static int transform_regex(struct parse *p, const struct keyword *k, struct text arg, struct transform *t)
{
    struct regex *re = NULL;
    if (!mmr_text_unquote(&arg) || !arg.len)
        return bad(p, k->name, arg, "an expression with one part in brackets");
    int rc = mmr_regex_new(arg.p, arg.len, 0, &re, &p->err);
    if (rc < 0)
        return rc;
    *mmr_regex_next(re) = p->set->regexes;
    p->set->regexes = re;
    t->arg = re;
    return 0;
}

/* from_base64: bytes 10, offset 4, mode strict|rfc2045|rfc4648 */
static int transform_base64(struct parse *p, const struct keyword *k, struct text arg, struct transform *t)
{
    struct base64_op op = {0};
    while (arg.p && arg.len) {
        struct text w = mmr_text_cut(&arg, ','), whole = w;
        int64_t v;
        if (mmr_text_starts(&w, "mode")) {
            w = mmr_text_trim(w);
            op.mode = mmr_text_is(w, "strict") ? BASE64_STRICT : mmr_text_is(w, "rfc2045") ? BASE64_SKIPS : 0;
            if (!op.mode && !mmr_text_is(w, "rfc4648"))
                return bad(p, k->name, whole, "mode strict, rfc2045 or rfc4648");
        } else if (mmr_text_starts(&w, "bytes") && mmr_text_int(w, &v) && v >= 1 && v <= 65535) {
            op.bytes = (uint32_t)v;
        } else if (mmr_text_starts(&w, "offset") && mmr_text_int(w, &v) && v >= 0 && v <= 65535) {
            op.offset = (uint32_t)v;
        } else {
            return bad(p, k->name, whole, "bytes N, offset N, mode M");
        }
    }
    return (t->arg = mmr_parse_keep(p, &op, sizeof op)) ? 0 : p->err.code;
}

/* A transform makes the current buffer another one; checks before it stay with the plain buffer. */
static int kw_transform(struct parse *p, const struct keyword *k, struct text arg)
{
    struct transform t = {.type = (uint32_t)k->arg};
    bool has_steps = false;
    if (k->arg == TR_XOR) {
        uint8_t key[64];
        (void)mmr_text_unquote(&arg);
        if (!arg.p || !arg.len || arg.len % 2 || arg.len / 2 > sizeof key)
            return bad(p, k->name, arg, "a key of hex digits");
        for (size_t i = 0; i < arg.len; i += 2) {
            int a = hex(arg.p[i]), b = hex(arg.p[i + 1]);
            if (a < 0 || b < 0)
                return bad(p, k->name, arg, "a key of hex digits");
            key[i / 2] = (uint8_t)(a << 4 | b);
        }
        t.len = (uint32_t)(arg.len / 2);
        if (!(t.arg = mmr_parse_keep(p, key, t.len)))
            return p->err.code;
    }
    if (k->arg == TR_BASE64 || k->arg == TR_PCRE) {
        int rc = k->arg == TR_PCRE ? transform_regex(p, k, arg, &t) : transform_base64(p, k, arg, &t);
        if (rc < 0)
            return rc;
    }
    if (p->groups[p->current].buf == BUF_PAYLOAD)
        return mmr_fail(&p->err, MMR_EBADMSG, "%s: name a buffer before it", k->name);
    for (uint32_t i = 0; i < p->n_steps; i++)
        has_steps |= p->steps[i].group == p->current;
    if (has_steps) {
        int g = mmr_parse_group(p, p->groups[p->current].buf, true);
        if (g < 0)
            return g;
        p->current = (uint32_t)g;
    }
    struct pgroup *g = &p->groups[p->current];
    if (g->n_transforms == RULE_TRANSFORMS_MAX)
        return mmr_fail(&p->err, MMR_ETOOBIG, "more than %d transforms on one buffer", RULE_TRANSFORMS_MAX);
    g->transforms[g->n_transforms++] = t;
    return 0;
}

const struct keyword mmr_kw_content[] = {
    {"content", kw_content, 0},
    {"uricontent", kw_content, 1},
    {"nocase", kw_nocase, S_NOCASE},
    {"startswith", kw_nocase, S_STARTSWITH},
    {"endswith", kw_nocase, S_ENDSWITH},
    {"rawbytes", kw_nocase, S_RAW},
    {"depth", kw_place, S_DEPTH},
    {"offset", kw_place, S_OFFSET},
    {"distance", kw_place, S_DISTANCE},
    {"within", kw_place, S_WITHIN},
    {"fast_pattern", kw_fast, 0},
    {"pcre", kw_pcre, 0},
    {"isdataat", kw_isdataat, 0},
    {"bsize", kw_bsize, 0},
    {"urilen", kw_urilen, 0},
    {"absent", kw_absent, 0},
    {"to_lowercase", kw_transform, TR_LOWER},
    {"to_uppercase", kw_transform, TR_UPPER},
    {"strip_whitespace", kw_transform, TR_STRIP_WS},
    {"compress_whitespace", kw_transform, TR_COMPRESS_WS},
    {"dotprefix", kw_transform, TR_DOTPREFIX},
    {"url_decode", kw_transform, TR_URL_DECODE},
    {"xor", kw_transform, TR_XOR},
    {"strip_pseudo_headers", kw_transform, TR_STRIP_PSEUDO},
    {"header_lowercase", kw_transform, TR_HEADER_LOWER},
    {"domain", kw_transform, TR_DOMAIN},
    {"tld", kw_transform, TR_TLD},
    {"to_md5", kw_transform, TR_MD5},
    {"to_sha1", kw_transform, TR_SHA1},
    {"to_sha256", kw_transform, TR_SHA256},
    {"from_base64", kw_transform, TR_BASE64},
    {"pcrexform", kw_transform, TR_PCRE},
    {NULL, NULL, 0},
};
