/* jsonscan.c - a bounded JSON scanner that works inside the text it is given. */
#include "jsonscan.h"

#include <string.h>

struct scan {
    char *p, *end;
    struct mmr_js_doc *doc;
    const char *bad; /* what was wrong, once; sticky */
    bool is_deep;
};

static bool fail_at(struct scan *s, const char *what)
{
    if (!s->bad)
        s->bad = what;
    return false;
}

static void skip_space(struct scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
        s->p++;
}

/* First quote or backslash in [p, end), eight bytes at a step. */
static char *find_stop(char *p, const char *end)
{
    const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;
    while (end - p >= 8) {
        uint64_t w;
        memcpy(&w, p, 8);
        uint64_t q = w ^ (ones * '"'), b = w ^ (ones * '\\');
        uint64_t hit = ((q - ones) & ~q & highs) | ((b - ones) & ~b & highs); /* its lowest bit is that of the first stop */
        if (hit && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
            return p + __builtin_ctzll(hit) / 8;
        if (hit)
            break;
        p += 8;
    }
    while (p < end && *p != '"' && *p != '\\')
        p++;
    return p;
}

static int hex4(const char *p)
{
    int v = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int d = c >= '0' && c <= '9' ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (d < 0)
            return -1;
        v = v << 4 | d;
    }
    return v;
}

static char *put_utf8(char *o, uint32_t c)
{
    if (c < 0x80) {
        *o++ = (char)c;
    } else if (c < 0x800) {
        *o++ = (char)(0xc0 | c >> 6);
        *o++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *o++ = (char)(0xe0 | c >> 12);
        *o++ = (char)(0x80 | (c >> 6 & 0x3f));
        *o++ = (char)(0x80 | (c & 0x3f));
    } else {
        *o++ = (char)(0xf0 | c >> 18);
        *o++ = (char)(0x80 | (c >> 12 & 0x3f));
        *o++ = (char)(0x80 | (c >> 6 & 0x3f));
        *o++ = (char)(0x80 | (c & 0x3f));
    }
    return o;
}

/* s->p is after the backslash; writes at o, which never passes s->p. */
static char *unescape(struct scan *s, char *o)
{
    if (s->p >= s->end) {
        fail_at(s, "text ends inside an escape");
        return o;
    }
    char c = *s->p++;
    switch (c) {
    case '"': case '\\': case '/': *o++ = c; return o;
    case 'b': *o++ = '\b'; return o;
    case 'f': *o++ = '\f'; return o;
    case 'n': *o++ = '\n'; return o;
    case 'r': *o++ = '\r'; return o;
    case 't': *o++ = '\t'; return o;
    case 'u': break;
    default: fail_at(s, "unknown escape"); return o;
    }
    int u = s->end - s->p >= 4 ? hex4(s->p) : -1;
    if (u < 0) {
        fail_at(s, "\\u without four hex digits");
        return o;
    }
    s->p += 4;
    uint32_t cp = (uint32_t)u;
    if (cp >= 0xd800 && cp <= 0xdfff) {
        int lo = cp <= 0xdbff && s->end - s->p >= 6 && s->p[0] == '\\' && s->p[1] == 'u' ? hex4(s->p + 2) : -1;
        if (lo >= 0xdc00 && lo <= 0xdfff) {
            cp = 0x10000 + ((cp - 0xd800) << 10) + ((uint32_t)lo - 0xdc00);
            s->p += 6;
        } else {
            cp = 0xfffd;
        }
    }
    return put_utf8(o, cp);
}

/* A string at s->p (the opening quote). */
static bool scan_string(struct scan *s, const char **ret_p, uint32_t *ret_len)
{
    char *start = ++s->p;
    s->p = find_stop(start, s->end);
    char *o = s->p;
    while (s->p < s->end && *s->p != '"') {
        s->p++; /* the backslash */
        o = unescape(s, o);
        if (s->bad)
            return false;
        char *stop = find_stop(s->p, s->end);
        memmove(o, s->p, (size_t)(stop - s->p));
        o += stop - s->p;
        s->p = stop;
    }
    if (s->p >= s->end)
        return fail_at(s, "text ends inside a string");
    s->p++;
    *ret_p = start;
    *ret_len = (uint32_t)(o - start);
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool scan_number(struct scan *s, const char **ret_p, uint32_t *ret_len)
{
    char *start = s->p, *p = s->p;
    if (p < s->end && *p == '-')
        p++;
    if (p >= s->end || !is_digit(*p))
        return fail_at(s, "no value where one is expected");
    if (*p == '0')
        p++;
    else
        while (p < s->end && is_digit(*p))
            p++;
    if (p < s->end && *p == '.') {
        p++;
        if (p >= s->end || !is_digit(*p))
            return fail_at(s, "no digit after the decimal point");
        while (p < s->end && is_digit(*p))
            p++;
    }
    if (p < s->end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < s->end && (*p == '+' || *p == '-'))
            p++;
        if (p >= s->end || !is_digit(*p))
            return fail_at(s, "no digit in the exponent");
        while (p < s->end && is_digit(*p))
            p++;
    }
    *ret_p = start;
    *ret_len = (uint32_t)(p - start);
    s->p = p;
    return true;
}

static bool scan_word(struct scan *s, const char *word, size_t len)
{
    if ((size_t)(s->end - s->p) < len || memcmp(s->p, word, len) != 0)
        return fail_at(s, "no value where one is expected");
    s->p += len;
    return true;
}

/* The node to fill: one of the table, or a throw-away once the table is full. */
static struct mmr_js_node *new_node(struct scan *s, struct mmr_js_node *spare, int32_t *ret_at)
{
    struct mmr_js_doc *d = s->doc;
    if (d->n >= MMR_JS_NODES_MAX) {
        d->dropped++;
        *ret_at = MMR_JS_NONE;
        return spare;
    }
    *ret_at = d->n++;
    return &d->node[*ret_at];
}

/* One value with everything inside it; the depth is on an explicit stack, not on the machine's. */
static bool scan_value(struct scan *s)
{
    struct { int32_t at; bool is_object; } stack[MMR_JS_DEPTH_MAX];
    int depth = 0;
    for (;;) {
        struct mmr_js_node spare, *nd;
        int32_t at;
        const char *key = NULL;
        uint32_t key_len = 0;
        if (depth && stack[depth - 1].is_object) {
            if (s->p >= s->end || *s->p != '"')
                return fail_at(s, "no member name where one is expected");
            if (!scan_string(s, &key, &key_len))
                return false;
            skip_space(s);
            if (s->p >= s->end || *s->p != ':')
                return fail_at(s, "no ':' after a member name");
            s->p++;
            skip_space(s);
        }
        if (s->p >= s->end)
            return fail_at(s, "text ends where a value is expected");
        nd = new_node(s, &spare, &at);
        *nd = (struct mmr_js_node){.key = key, .key_len = key_len, .val = "",
                                   /* cppcheck-suppress uninitvar ; what is below depth has been written */
                                   .parent = depth ? stack[depth - 1].at : MMR_JS_NONE};
        char c = *s->p;
        if (c == '{' || c == '[') {
            bool is_object = c == '{';
            nd->type = is_object ? MMR_JS_OBJECT : MMR_JS_ARRAY;
            s->p++;
            skip_space(s);
            if (s->p < s->end && *s->p == (is_object ? '}' : ']')) {
                s->p++;
                nd->end = s->doc->n;
            } else {
                if (depth == MMR_JS_DEPTH_MAX) {
                    s->is_deep = true;
                    return fail_at(s, "nested too deep");
                }
                stack[depth].at = at;
                stack[depth++].is_object = is_object;
                continue;
            }
        } else {
            bool is_ok;
            if (c == '"') {
                nd->type = MMR_JS_STRING;
                is_ok = scan_string(s, &nd->val, &nd->val_len);
            } else if (c == 't' || c == 'f') {
                nd->type = MMR_JS_BOOL;
                nd->val = c == 't' ? "true" : "false";
                nd->val_len = c == 't' ? 4 : 5;
                is_ok = scan_word(s, nd->val, nd->val_len);
            } else if (c == 'n') {
                nd->type = MMR_JS_NULL;
                is_ok = scan_word(s, "null", 4);
            } else {
                nd->type = MMR_JS_NUMBER;
                is_ok = scan_number(s, &nd->val, &nd->val_len);
            }
            if (!is_ok)
                return false;
            nd->end = s->doc->n;
        }
        /* after a value: close what ends here, then go on behind a comma */
        for (;;) {
            if (!depth)
                return true;
            skip_space(s);
            if (s->p >= s->end)
                return fail_at(s, "text ends inside an object or array");
            c = *s->p++;
            if (c == ',') {
                skip_space(s);
                break;
            }
            if (c != (stack[depth - 1].is_object ? '}' : ']'))
                return fail_at(s, "neither ',' nor the end of the object or array");
            depth--;
            if (stack[depth].at >= 0)
                s->doc->node[stack[depth].at].end = s->doc->n;
        }
    }
}

int mmr_js_parse(char *text, size_t len, struct mmr_js_doc *ret_doc, struct mmr_error *err)
{
    struct scan s = {.p = text, .end = text + len, .doc = ret_doc};
    ret_doc->n = 0;
    ret_doc->dropped = 0;
    if (len > UINT32_MAX / 2)
        return mmr_fail(err, MMR_ETOOBIG, "JSON text of %zu bytes", len);
    skip_space(&s);
    if (scan_value(&s)) {
        skip_space(&s);
        if (s.p < s.end)
            fail_at(&s, "bytes after the value");
    }
    if (!s.bad)
        return 0;
    ret_doc->n = 0;
    return mmr_fail(err, s.is_deep ? MMR_ETOOBIG : MMR_EBADMSG, "JSON at byte %zu: %s", (size_t)(s.p - text), s.bad);
}

int32_t mmr_js_get(const struct mmr_js_doc *doc, int32_t at, const char *key)
{
    if (at < 0 || at >= doc->n || doc->node[at].type != MMR_JS_OBJECT)
        return MMR_JS_NONE;
    size_t len = strlen(key);
    for (int32_t i = at + 1; i < doc->node[at].end; i = doc->node[i].end)
        if (doc->node[i].key_len == len && memcmp(doc->node[i].key, key, len) == 0)
            return i;
    return MMR_JS_NONE;
}

const char *mmr_js_text(const struct mmr_js_doc *doc, int32_t at, size_t *ret_len)
{
    if (at < 0 || at >= doc->n) {
        *ret_len = 0;
        return "";
    }
    *ret_len = doc->node[at].val_len;
    return doc->node[at].val;
}
