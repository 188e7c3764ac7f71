/*
 * chain.c - see chain.h. The data is the network's; the budget bounds the work one rule may cause, and a
 * chain that runs out of it does not match and is counted.
 */
#include <rules/chain.h>

#include <rules/buffers.h>

#include <stdlib.h>
#include <string.h>

int mmr_chain_init(struct chain *c)
{
    *c = (struct chain){.regex = mmr_regex_scratch_new()};
    return c->regex ? 0 : MMR_ENOMEM;
}

void mmr_chain_done(struct chain *c)
{
    mmr_regex_scratch_free(c->regex);
    for (unsigned i = 0; i < 3; i++)
        free(c->work[i]);
}

static uint8_t *work(struct chain *c, unsigned i, size_t need)
{
    if (need > 2 * (size_t)CHAIN_BUF_MAX + TRANSFORM_MORE)
        need = 2 * (size_t)CHAIN_BUF_MAX + TRANSFORM_MORE;
    if (c->cap[i] < need) {
        uint8_t *p = realloc(c->work[i], need);
        if (!p)
            return NULL;
        c->work[i] = p;
        c->cap[i] = need;
    }
    return c->work[i];
}

static uint8_t fold(uint8_t ch) { return ch >= 'A' && ch <= 'Z' ? (uint8_t)(ch + 32) : ch; }

/* First place of the content that starts in [lo, hi - len]; SIZE_MAX if none. */
static size_t find(const struct step *s, const uint8_t *p, size_t lo, size_t hi)
{
    const uint8_t *want = s->p;
    size_t n = s->len;
    if (lo > hi || hi - lo < n)
        return SIZE_MAX;
    if (!(s->flags & S_NOCASE)) {
        const uint8_t *at = memmem(p + lo, hi - lo, want, n);
        return at ? (size_t)(at - p) : SIZE_MAX;
    }
    for (size_t i = lo; i + n <= hi; i++) {
        size_t k = 0;
        while (k < n && fold(p[i + k]) == want[k])
            k++;
        if (k == n)
            return i;
    }
    return SIZE_MAX;
}

static bool needs_position(const struct step *s, uint32_t n, uint32_t i)
{
    for (; i < n; i++) {
        if (s[i].flags & S_RELATIVE)
            return true;
        bool moves = (s[i].type == STEP_CONTENT || s[i].type == STEP_PCRE || s[i].type == STEP_BYTE_JUMP ||
                      s[i].type == STEP_BYTE_EXTRACT || s[i].type == STEP_BYTE_MATH) && !(s[i].flags & S_NEGATED);
        if (moves)
            return false;
    }
    return false;
}

static int64_t place(const struct chain *c, int8_t var, int32_t value)
{
    return var < 0 ? value : c->vars[var] > INT32_MAX ? INT32_MAX : (int64_t)c->vars[var];
}

/* The window a content may lie in. false: none. */
static bool window(const struct chain *c, const struct step *s, size_t len, size_t pos, size_t *ret_lo, size_t *ret_hi)
{
    int64_t lo = 0, hi = (int64_t)len;
    int64_t base = (int64_t)(c->base > INT64_MAX ? INT64_MAX : c->base);
    if (s->flags & S_RELATIVE) {
        lo = (int64_t)pos + (s->flags & S_DISTANCE ? place(c, s->var_distance, s->distance) : 0);
        if (s->flags & S_WITHIN) {
            int64_t end = lo + place(c, s->var_within, s->within);
            if (end < hi)
                hi = end;
        }
        if (lo < 0)
            lo = 0;
        if (s->flags & S_OFFSET && place(c, s->var_offset, s->offset) > lo)
            lo = place(c, s->var_offset, s->offset);
    } else {
        if (s->flags & S_OFFSET)
            lo = place(c, s->var_offset, s->offset) - base;
        if (s->flags & S_DEPTH) {
            int64_t end = lo + place(c, s->var_depth, s->depth);
            if (!(s->flags & S_OFFSET))
                end -= base;
            if (end < hi)
                hi = end;
        }
        if (lo < 0)
            lo = 0;
    }
    if (lo > (int64_t)len || hi < lo)
        return false;
    *ret_lo = (size_t)lo;
    *ret_hi = (size_t)hi;
    return true;
}

static bool run(struct chain *c, const struct step *s, uint32_t n, uint32_t i, const uint8_t *p, size_t len, size_t pos,
                size_t top);

static bool run_content(struct chain *c, const struct step *s, uint32_t n, uint32_t i, const uint8_t *p, size_t len,
                        size_t pos, size_t top)
{
    const struct step *t = &s[i];
    size_t lo, hi;
    bool has_window = window(c, t, len, pos, &lo, &hi);
    if (t->flags & S_NEGATED) {
        size_t at = has_window ? find(t, p, lo, hi) : SIZE_MAX;
        while (at != SIZE_MAX && t->flags & S_ENDSWITH && at + t->len != len)
            at = find(t, p, at + 1, hi);
        return at == SIZE_MAX && run(c, s, n, i + 1, p, len, pos, top);
    }
    if (!has_window)
        return false;
    if (t->flags & S_ENDSWITH) {
        if (hi != len || len < t->len || len - t->len < lo)
            return false;
        lo = len - t->len;
    }
    bool may_retry = c->fresh || needs_position(s, n, i + 1);
    for (size_t at = find(t, p, lo, hi); at != SIZE_MAX; at = find(t, p, at + 1, hi)) {
        size_t end = at + t->len;
        if (run(c, s, n, i + 1, p, len, end, end > top ? end : top))
            return true;
        if (!may_retry || !c->budget)
            return false;
    }
    return false;
}

static bool run_pcre(struct chain *c, const struct step *s, uint32_t n, uint32_t i, const uint8_t *p, size_t len, size_t pos,
                     size_t top)
{
    const struct step *t = &s[i];
    bool is_relative = t->flags & S_RELATIVE, may_retry = needs_position(s, n, i + 1);
    size_t from = is_relative ? pos : 0, end = 0;
    while (from <= len) {
        int rc = mmr_regex_match(t->p, c->regex, p + from, len - from, &end);
        if (rc == RE_GAVE_UP) {
            c->gave_up++;
            return false;
        }
        if (t->flags & S_NEGATED)
            return rc == RE_NO_MATCH && run(c, s, n, i + 1, p, len, pos, top);
        if (rc == RE_NO_MATCH)
            return false;
        size_t at = from + end;
        if (run(c, s, n, i + 1, p, len, at, at > top ? at : top))
            return true;
        if (!may_retry || !end || !c->budget || is_relative)
            return false;
        from += end;
    }
    return false;
}

static bool run_base64(struct chain *c, const struct step *s, uint32_t n, uint32_t i, const uint8_t *p, size_t len,
                       size_t pos, size_t top)
{
    const struct base64_op *op = s[i].p;
    size_t from = (op->is_relative ? pos : 0) + op->offset;
    if (from >= len)
        return false;
    size_t take = op->bytes && op->bytes < len - from ? op->bytes : len - from;
    uint8_t *out = work(c, 2, take + 4);
    size_t got = out ? mmr_base64_decode(p + from, take, out, take) : 0;
    if (!got)
        return false;
    if (c->base64) {
        const struct group *g = c->base64;
        uint64_t base = c->base;
        size_t fresh = c->fresh;
        c->base = c->fresh = 0;
        c->base64 = NULL; /* no decoding inside the decoded */
        bool is_ok = run(c, g->steps, g->n_steps, 0, out, got, 0, 1);
        c->base64 = g;
        c->base = base;
        c->fresh = fresh;
        if (!is_ok)
            return false;
    }
    return run(c, s, n, i + 1, p, len, pos, top);
}

static bool run_number(const struct step *t, const uint8_t *p, size_t len)
{
    int64_t v = 0;
    if (!len || len > 18)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (p[i] < '0' || p[i] > '9')
            return false;
        v = v * 10 + (p[i] - '0');
    }
    return mmr_number_is(t->p, v);
}

/* top: the furthest end of a piece matched so far; depth of recursion is bounded by the number of steps */
static bool run(struct chain *c, const struct step *s, uint32_t n, uint32_t i, const uint8_t *p, size_t len, size_t pos,
                size_t top)
{
    if (i == n)
        return !c->fresh || top > c->fresh;
    if (!c->budget) {
        c->gave_up++;
        return false;
    }
    c->budget--;
    const struct step *t = &s[i];
    size_t at = pos;
    switch (t->type) {
    case STEP_CONTENT:
        return run_content(c, s, n, i, p, len, pos, top);
    case STEP_PCRE:
        return run_pcre(c, s, n, i, p, len, pos, top);
    case STEP_BASE64:
        return run_base64(c, s, n, i, p, len, pos, top);
    case STEP_ISDATAAT: {
        uint64_t want = t->var_offset >= 0 ? c->vars[t->var_offset] : t->len;
        bool has = t->flags & S_RELATIVE ? want <= len - pos : want < len;
        if (has == !!(t->flags & S_NEGATED))
            return false;
        break;
    }
    case STEP_SIZE:
        if (!mmr_number_is(t->p, (int64_t)len))
            return false;
        break;
    case STEP_NUMBER:
        if (!run_number(t, p, len))
            return false;
        break;
    case STEP_BYTE_TEST:
        if (!mmr_byte_test(c, t->p, p, len, pos))
            return false;
        break;
    case STEP_BYTE_JUMP:
        if (!mmr_byte_jump(c, t->p, p, len, pos, &at))
            return false;
        break;
    case STEP_BYTE_EXTRACT:
    case STEP_BYTE_MATH:
        if (!mmr_byte_extract(c, t->p, t->type == STEP_BYTE_MATH, p, len, pos, &at))
            return false;
        break;
    case STEP_ENTROPY:
        if (!mmr_entropy_is(t->p, p, len))
            return false;
        break;
    case STEP_ASN1:
        if (!mmr_asn1_is_odd(t->p, p, len, pos))
            return false;
        break;
    default: /* absent: the buffer is there */
        if (!(t->flags & S_OR_ELSE))
            return false;
        break;
    }
    return run(c, s, n, i + 1, p, len, at, top);
}

bool mmr_chain_match(struct chain *c, const struct group *g, const uint8_t *data, size_t len)
{
    static const uint8_t none = 0;
    const uint8_t *p = data ? data : &none;
    for (uint32_t i = 0; i < g->n_transforms; i++) {
        uint8_t *out = work(c, i & 1, 2 * len + TRANSFORM_MORE);
        if (!out)
            return false;
        len = mmr_transform(&g->transforms[i], c->regex, p, len, out, c->cap[i & 1]);
        p = out;
    }
    c->budget = CHAIN_STEPS_MAX;
    return run(c, g->steps, g->n_steps, 0, p, len, 0, 0);
}
