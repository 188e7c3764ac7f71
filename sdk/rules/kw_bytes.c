/* kw_bytes.c - byte_test, byte_jump, byte_extract, byte_math, base64_decode, asn1. */
#include <rules/parse.h>

#include <rules/buffers.h>

#include <stdlib.h>
#include <string.h>

static int bad(struct parse *p, const char *name, struct text arg, const char *want)
{
    return mmr_fail(&p->err, MMR_EBADMSG, "%s: found '%.*s', expected %s", name,
                    (int)(arg.len > 60 ? 60 : arg.len), arg.p ? arg.p : "", want);
}

/* A number, or the name of a variable a byte_extract before it has set. */
static int number_or_var(struct parse *p, const char *name, struct text t, int64_t lo, int64_t hi, int64_t *ret,
                         int8_t *ret_var)
{
    *ret_var = -1;
    if (mmr_text_int(t, ret)) {
        if (*ret < lo || *ret > hi)
            return bad(p, name, t, "a number in range");
        return 0;
    }
    int v = mmr_parse_var(p, t);
    if (v < 0)
        return bad(p, name, t, "a number or a variable set before");
    *ret = 0;
    *ret_var = (int8_t)v;
    return 0;
}

/* The words all four share. 1: taken, 0: not one of them, negative: error */
static int common_word(struct parse *p, const char *name, struct text w, struct byte_op *op)
{
    int64_t v;
    if (mmr_text_is(w, "relative")) op->is_relative = 1;
    else if (mmr_text_is(w, "big")) op->endian = 0;
    else if (mmr_text_is(w, "little")) op->endian = 1;
    else if (mmr_text_is(w, "dce")) op->endian = 2;
    else if (mmr_text_is(w, "string")) op->base = op->base ? op->base : 10;
    else if (mmr_text_is(w, "hex")) op->base = 16;
    else if (mmr_text_is(w, "dec")) op->base = 10;
    else if (mmr_text_is(w, "oct")) op->base = 8;
    else if (mmr_text_starts(&w, "bitmask")) {
        if (!mmr_text_int(w, &v) || v <= 0 || v > UINT32_MAX)
            return bad(p, name, w, "bitmask and a number");
        op->bitmask = (uint64_t)v;
        op->shift = (uint8_t)__builtin_ctzll(op->bitmask);
    } else {
        return 0;
    }
    return 1;
}

static int keep(struct parse *p, uint8_t type, const struct byte_op *op, const char *name)
{
    if (!op->base && op->var_bytes < 0 && op->bytes > 8)
        return mmr_fail(&p->err, MMR_EBADMSG, "%s: at most 8 binary bytes make a number", name);
    if (op->base && op->bytes > 23)
        return mmr_fail(&p->err, MMR_EBADMSG, "%s: at most 23 digits make a number", name);
    struct step *s = mmr_parse_step(p, type, p->current);
    if (!s || !(s->p = mmr_parse_keep(p, op, sizeof *op)))
        return p->err.code;
    if (op->is_relative)
        s->flags |= S_RELATIVE;
    if (op->is_negated)
        s->flags |= S_NEGATED;
    return 0;
}

static const struct byte_op op_none = {.var_bytes = -1, .var_value = -1, .var_offset = -1, .ret_var = -1, .multiplier = 1};

static int compare_op(struct text *t, uint8_t *ret)
{
    if (mmr_text_starts(t, "<=")) *ret = NUM_LE;
    else if (mmr_text_starts(t, ">=")) *ret = NUM_GE;
    else if (mmr_text_starts(t, "<")) *ret = NUM_LT;
    else if (mmr_text_starts(t, ">")) *ret = NUM_GT;
    else if (mmr_text_starts(t, "=")) *ret = NUM_EQ;
    else if (mmr_text_starts(t, "&")) *ret = NUM_AND;
    else if (mmr_text_starts(t, "^")) *ret = NUM_OR;
    else return -1;
    return 0;
}

static int kw_byte_test(struct parse *p, const struct keyword *k, struct text arg)
{
    struct byte_op op = op_none;
    int64_t bytes = 0, value = 0, offset = 0;
    struct text t = mmr_text_cut(&arg, ',');
    int rc = number_or_var(p, k->name, t, 0, 23, &bytes, &op.var_bytes);
    if (rc < 0)
        return rc;
    t = mmr_text_cut(&arg, ',');
    op.is_negated = mmr_text_starts(&t, "!");
    t = mmr_text_trim(t);
    if (!t.len && op.is_negated) /* "!" alone: not equal */
        op.op = NUM_EQ;
    else if (compare_op(&t, &op.op) < 0)
        return bad(p, k->name, t, "an operator");
    if (t.len) /* ">10" without a comma is met in the wild, but it is not the language */
        return bad(p, k->name, t, "a comma after the operator");
    t = mmr_text_cut(&arg, ',');
    rc = number_or_var(p, k->name, t, INT64_MIN, INT64_MAX, &value, &op.var_value);
    if (rc < 0)
        return rc;
    t = mmr_text_cut(&arg, ',');
    rc = number_or_var(p, k->name, t, -65535, 65535, &offset, &op.var_offset);
    if (rc < 0)
        return rc;
    op.bytes = (uint32_t)bytes;
    op.value = (uint64_t)value;
    op.offset = (int32_t)offset;
    while (arg.len) {
        t = mmr_text_cut(&arg, ',');
        rc = common_word(p, k->name, t, &op);
        if (rc <= 0)
            return rc < 0 ? rc : bad(p, k->name, t, "relative, big, little, string, hex, dec, oct, dce or bitmask");
    }
    return keep(p, STEP_BYTE_TEST, &op, k->name);
}

static int kw_byte_jump(struct parse *p, const struct keyword *k, struct text arg)
{
    struct byte_op op = op_none;
    int64_t bytes = 0, offset = 0, v = 0;
    int rc = number_or_var(p, k->name, mmr_text_cut(&arg, ','), 0, 23, &bytes, &op.var_bytes);
    if (rc == 0)
        rc = number_or_var(p, k->name, mmr_text_cut(&arg, ','), -65535, 65535, &offset, &op.var_offset);
    if (rc < 0)
        return rc;
    op.bytes = (uint32_t)bytes;
    op.offset = (int32_t)offset;
    while (arg.len) {
        struct text t = mmr_text_cut(&arg, ','), w = t;
        rc = common_word(p, k->name, t, &op);
        if (rc < 0)
            return rc;
        if (rc)
            continue;
        if (mmr_text_is(w, "align")) {
            op.align = 4;
        } else if (mmr_text_is(w, "from_beginning")) {
            op.from_beginning = 1;
        } else if (mmr_text_is(w, "from_end")) {
            op.from_end = 1;
        } else if (mmr_text_starts(&w, "multiplier")) {
            if (!mmr_text_int(w, &v) || v < 1 || v > 65535)
                return bad(p, k->name, t, "multiplier and a number from 1 to 65535");
            op.multiplier = (uint32_t)v;
        } else if (mmr_text_starts(&w, "post_offset")) {
            if (!mmr_text_int(w, &v) || v < -65535 || v > 65535)
                return bad(p, k->name, t, "post_offset and a number within 65535");
            op.post_offset = (int32_t)v;
        } else {
            return bad(p, k->name, t, "a known word");
        }
    }
    return keep(p, STEP_BYTE_JUMP, &op, k->name);
}

static int kw_byte_extract(struct parse *p, const struct keyword *k, struct text arg)
{
    struct byte_op op = op_none;
    int64_t bytes = 0, offset = 0, v = 0;
    struct text b = mmr_text_cut(&arg, ','), o = mmr_text_cut(&arg, ','), name = mmr_text_cut(&arg, ',');
    if (!mmr_text_int(b, &bytes) || bytes < 1 || bytes > 23 || !mmr_text_int(o, &offset) || offset < -65535 ||
        offset > 65535)
        return bad(p, k->name, b, "bytes,offset,name");
    op.bytes = (uint32_t)bytes;
    op.offset = (int32_t)offset;
    while (arg.len) {
        struct text t = mmr_text_cut(&arg, ','), w = t;
        int rc = common_word(p, k->name, t, &op);
        if (rc < 0)
            return rc;
        if (rc)
            continue;
        if (mmr_text_starts(&w, "multiplier") && mmr_text_int(w, &v) && v >= 1 && v <= 65535)
            op.multiplier = (uint32_t)v;
        else if (mmr_text_starts(&w, "align") && mmr_text_int(w, &v) && (v == 2 || v == 4))
            op.align = (uint8_t)v;
        else
            return bad(p, k->name, t, "a known word");
    }
    int at = mmr_parse_new_var(p, name);
    if (at < 0)
        return bad(p, k->name, name, "a variable's name (at most 16 in a rule)");
    op.ret_var = (int8_t)at;
    return keep(p, STEP_BYTE_EXTRACT, &op, k->name);
}

static int kw_byte_math(struct parse *p, const struct keyword *k, struct text arg)
{
    struct byte_op op = op_none;
    bool has_bytes = false, has_oper = false, has_value = false;
    struct text result = {NULL, 0};
    while (arg.len) {
        struct text t = mmr_text_cut(&arg, ','), w = t;
        int64_t v;
        int rc;
        if (mmr_text_starts(&w, "bytes ")) {
            rc = number_or_var(p, k->name, mmr_text_trim(w), 1, 10, &v, &op.var_bytes);
            op.bytes = (uint32_t)v;
            has_bytes = true;
        } else if (mmr_text_starts(&w, "offset ")) {
            rc = number_or_var(p, k->name, mmr_text_trim(w), -65535, 65535, &v, &op.var_offset);
            op.offset = (int32_t)v;
        } else if (mmr_text_starts(&w, "rvalue ")) {
            rc = number_or_var(p, k->name, mmr_text_trim(w), 0, UINT32_MAX, &v, &op.var_value);
            op.value = (uint64_t)v;
            has_value = true;
        } else if (mmr_text_starts(&w, "oper ")) {
            w = mmr_text_trim(w);
            op.op = w.len ? (uint8_t)w.p[0] : 0;
            has_oper = mmr_text_is(w, "+") || mmr_text_is(w, "-") || mmr_text_is(w, "*") || mmr_text_is(w, "/") ||
                       mmr_text_is(w, "<<") || mmr_text_is(w, ">>");
            rc = has_oper ? 0 : bad(p, k->name, t, "one of + - * / << >>");
        } else if (mmr_text_starts(&w, "result ")) {
            result = mmr_text_trim(w);
            rc = 0;
        } else if (mmr_text_starts(&w, "endian ") || mmr_text_starts(&w, "string ")) {
            rc = common_word(p, k->name, mmr_text_trim(w), &op);
            rc = rc > 0 ? 0 : rc < 0 ? rc : bad(p, k->name, t, "a known word");
        } else {
            rc = common_word(p, k->name, t, &op);
            rc = rc > 0 ? 0 : rc < 0 ? rc : bad(p, k->name, t, "a known word");
        }
        if (rc < 0)
            return rc;
    }
    int at = result.p ? mmr_parse_new_var(p, result) : -1;
    if (at < 0 || !has_bytes || !has_oper || !has_value)
        return bad(p, k->name, result, "bytes, offset, oper, rvalue and result");
    op.ret_var = (int8_t)at;
    return keep(p, STEP_BYTE_MATH, &op, k->name);
}

static int kw_base64(struct parse *p, const struct keyword *k, struct text arg)
{
    struct base64_op op = {0};
    while (arg.p && arg.len) {
        struct text t = mmr_text_cut(&arg, ','), w = t;
        int64_t v;
        if (mmr_text_is(w, "relative"))
            op.is_relative = 1;
        else if (mmr_text_starts(&w, "bytes") && mmr_text_int(w, &v) && v >= 1 && v <= 65535)
            op.bytes = (uint32_t)v;
        else if (mmr_text_starts(&w, "offset") && mmr_text_int(w, &v) && v >= 0 && v <= 65535)
            op.offset = (uint32_t)v;
        else
            return bad(p, k->name, t, "bytes N, offset N, relative");
    }
    struct step *s = mmr_parse_step(p, STEP_BASE64, p->current);
    if (!s || !(s->p = mmr_parse_keep(p, &op, sizeof op)))
        return p->err.code;
    if (op.is_relative)
        s->flags |= S_RELATIVE;
    p->after_b64 = p->current + 1;
    return 0;
}

static int kw_base64_data(struct parse *p, const struct keyword *k, struct text arg)
{
    (void)arg;
    if (!p->after_b64)
        return mmr_fail(&p->err, MMR_EBADMSG, "%s: there is no base64_decode before it", k->name);
    int g = mmr_parse_group(p, BUF_BASE64, false);
    if (g < 0)
        return g;
    p->current = (uint32_t)g;
    p->last_content = -1;
    return 0;
}

/* asn1: double_overflow, bitstring_overflow, oversize_length N, absolute_offset N, relative_offset N */
static int kw_asn1(struct parse *p, const struct keyword *k, struct text arg)
{
    struct byte_op op = op_none;
    while (arg.len) {
        struct text rest = mmr_text_cut(&arg, ','), w;
        while (rest.len) {
            int64_t v;
            w = mmr_text_cut(&rest, ' ');
            if (mmr_text_is(w, "double_overflow")) {
                op.from_beginning = 1;
            } else if (mmr_text_is(w, "bitstring_overflow")) {
                op.from_end = 1;
            } else if (mmr_text_is(w, "oversize_length")) {
                if (!mmr_text_int(mmr_text_cut(&rest, ' '), &v) || v < 1 || v > UINT32_MAX)
                    return bad(p, k->name, rest, "a length");
                op.value = (uint64_t)v;
            } else if (mmr_text_is(w, "absolute_offset") || mmr_text_is(w, "relative_offset")) {
                op.is_relative = mmr_text_is(w, "relative_offset");
                if (!mmr_text_int(mmr_text_cut(&rest, ' '), &v) || v < -65535 || v > 65535)
                    return bad(p, k->name, rest, "an offset");
                op.offset = (int32_t)v;
            } else if (w.len) {
                return bad(p, k->name, w, "a known word");
            }
        }
    }
    return keep(p, STEP_ASN1, &op, k->name);
}

static bool read_double(struct text t, double *ret)
{
    char buf[32], *end;
    t = mmr_text_trim(t);
    if (!t.len || t.len >= sizeof buf || !((t.p[0] >= '0' && t.p[0] <= '9') || t.p[0] == '.'))
        return false;
    memcpy(buf, t.p, t.len);
    buf[t.len] = '\0';
    *ret = strtod(buf, &end);
    return !*end && *ret >= 0;
}

/* entropy: value >= 4.5, bytes 100, offset 2 */
static int kw_entropy(struct parse *p, const struct keyword *k, struct text arg)
{
    struct entropy_op op = {0};
    struct text all = arg;
    bool has_value = false;
    while (arg.p && arg.len) {
        struct text w = mmr_text_cut(&arg, ','), t = w;
        int64_t v;
        if (mmr_text_starts(&w, "bytes") && mmr_text_int(w, &v) && v >= 0 && v <= 65535) {
            op.bytes = (uint32_t)v;
        } else if (mmr_text_starts(&w, "offset") && mmr_text_int(w, &v) && v >= 0 && v <= 65535) {
            op.offset = (uint32_t)v;
        } else {
            (void)mmr_text_starts(&w, "value");
            w = mmr_text_trim(w);
            const char *between = w.len > 2 ? memmem(w.p + 1, w.len - 1, "<>", 2) : NULL;
            op.op = between ? NUM_IN : mmr_text_starts(&w, "<=") ? NUM_LE : mmr_text_starts(&w, ">=") ? NUM_GE
                    : mmr_text_starts(&w, "!=") ? NUM_NE : mmr_text_starts(&w, "<") ? NUM_LT : mmr_text_starts(&w, ">") ? NUM_GT : NUM_EQ;
            if (op.op == NUM_EQ)
                (void)mmr_text_starts(&w, "=");
            has_value = between ? read_double((struct text){w.p, (size_t)(between - w.p)}, &op.a) &&
                                      read_double((struct text){between + 2, (size_t)(w.p + w.len - between - 2)}, &op.b)
                                : read_double(w, &op.a);
            if (!has_value)
                return bad(p, k->name, t, "value and a number, bytes N, offset N");
        }
    }
    if (!has_value)
        return bad(p, k->name, all, "value and a number");
    struct step *s = mmr_parse_step(p, STEP_ENTROPY, p->current);
    return s && (s->p = mmr_parse_keep(p, &op, sizeof op)) ? 0 : p->err.code;
}

const struct keyword mmr_kw_bytes[] = {
    {"byte_test", kw_byte_test, 0},       {"byte_jump", kw_byte_jump, 0},  {"byte_extract", kw_byte_extract, 0},
    {"byte_math", kw_byte_math, 0},       {"base64_decode", kw_base64, 0}, {"base64_data", kw_base64_data, 0},
    {"asn1", kw_asn1, 0},                 {"entropy", kw_entropy, 0},    {NULL, NULL, 0},
};
