/* regex.c - see regex.h. Subjects come from the network: match and depth limits bound the time. */
#include <rules/regex.h>

#include <rules/must.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

enum {
    MATCH_LIMIT = 50000, /* backtracking steps for one subject: about 1 ms */
    DEPTH_LIMIT = 1500,
    HEAP_LIMIT_KIB = 2048,
    JIT_STACK_BYTES = 256 * 1024,
};

struct regex {
    pcre2_code *code;
    struct regex *next;
    uint32_t uses; /* JIT pays only where an expression is really run */
    bool is_jit_tried, is_nocase;
    struct must *must; /* until the set is compiled */
};
struct regex_scratch {
    pcre2_match_data *data;
    pcre2_match_context *ctx;
    pcre2_jit_stack *stack;
};

int mmr_regex_new(const char *text, size_t len, unsigned flags, struct regex **ret, struct mmr_error *err)
{
    int code;
    PCRE2_SIZE at;
    uint32_t opt = PCRE2_NEVER_UTF | PCRE2_NEVER_BACKSLASH_C;
    opt |= flags & RE_NOCASE ? PCRE2_CASELESS : 0;
    opt |= flags & RE_MULTILINE ? PCRE2_MULTILINE : 0;
    opt |= flags & RE_DOTALL ? PCRE2_DOTALL : 0;
    opt |= flags & RE_EXTENDED ? PCRE2_EXTENDED : 0;
    opt |= flags & RE_ANCHORED ? PCRE2_ANCHORED : 0;
    opt |= flags & RE_DOLLAR_END ? PCRE2_DOLLAR_ENDONLY : 0;
    opt |= flags & RE_UNGREEDY ? PCRE2_UNGREEDY : 0;
    struct regex *re = calloc(1, sizeof *re);
    if (!re)
        return mmr_fail(err, MMR_ENOMEM, "pcre: out of memory");
    re->code = pcre2_compile((PCRE2_SPTR)text, len, opt, &code, &at, NULL);
    if (!re->code) {
        PCRE2_UCHAR why[120];
        (void)pcre2_get_error_message(code, why, sizeof why);
        free(re);
        return mmr_fail(err, MMR_EBADMSG, "pcre: %s at offset %zu", (const char *)why, (size_t)at);
    }
    struct must must = {0};
    if (!(flags & RE_EXTENDED)) /* there, spaces and comments mean nothing */
        mmr_must_of(text, len, flags & RE_NOCASE, &must);
    if (must.n && (re->must = malloc(sizeof must)))
        *re->must = must;
    re->is_nocase = flags & RE_NOCASE;
    *ret = re;
    return 0;
}

const struct must *mmr_regex_must(const struct regex *re, bool *ret_nocase)
{
    *ret_nocase = re->is_nocase;
    return re->must;
}

void mmr_regex_forget_must(struct regex *re)
{
    free(re->must);
    re->must = NULL;
}

void mmr_regex_free(struct regex *re)
{
    if (!re)
        return;
    pcre2_code_free(re->code);
    free(re->must);
    free(re);
}

struct regex **mmr_regex_next(struct regex *re)
{
    return &re->next;
}

struct regex_scratch *mmr_regex_scratch_new(void)
{
    struct regex_scratch *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->data = pcre2_match_data_create(2, NULL);
    s->ctx = pcre2_match_context_create(NULL);
    s->stack = pcre2_jit_stack_create(32 * 1024, JIT_STACK_BYTES, NULL); /* NULL: PCRE2's own 32 kB */
    if (!s->data || !s->ctx) {
        mmr_regex_scratch_free(s);
        return NULL;
    }
    (void)pcre2_set_match_limit(s->ctx, MATCH_LIMIT);
    (void)pcre2_set_depth_limit(s->ctx, DEPTH_LIMIT);
    (void)pcre2_set_heap_limit(s->ctx, HEAP_LIMIT_KIB);
    pcre2_jit_stack_assign(s->ctx, NULL, s->stack);
    return s;
}

void mmr_regex_scratch_free(struct regex_scratch *s)
{
    if (!s)
        return;
    pcre2_match_data_free(s->data);
    pcre2_match_context_free(s->ctx);
    pcre2_jit_stack_free(s->stack);
    free(s);
}

int mmr_regex_match(const struct regex *re, struct regex_scratch *s, const uint8_t *p, size_t len, size_t *ret_end)
{
    static const uint8_t none = 0;
    struct regex *lazy = NULL;
    if (!re->is_jit_tried) { /* one loop thread per set: see rules.h */
        union {
            const struct regex *c;
            struct regex *m;
        } u = {re};
        lazy = u.m;
        if (++lazy->uses > 8) {
            lazy->is_jit_tried = true;
            (void)pcre2_jit_compile(lazy->code, PCRE2_JIT_COMPLETE); /* refused in a sandbox: interpreted */
        }
    }
    int rc = pcre2_match(re->code, p ? p : &none, len, 0, 0, s->data, s->ctx);
    if (rc >= 0) {
        *ret_end = pcre2_get_ovector_pointer(s->data)[1];
        return RE_MATCH;
    }
    return rc == PCRE2_ERROR_NOMATCH ? RE_NO_MATCH : RE_GAVE_UP;
}

bool mmr_regex_part(const struct regex *re, struct regex_scratch *s, const uint8_t *p, size_t len, size_t *ret_start, size_t *ret_end)
{
    size_t end;
    if (mmr_regex_match(re, s, p, len, &end) != RE_MATCH || pcre2_get_ovector_count(s->data) < 2)
        return false;
    const PCRE2_SIZE *v = pcre2_get_ovector_pointer(s->data);
    if (v[2] == PCRE2_UNSET || v[2] > v[3] || v[3] > len)
        return false;
    *ret_start = v[2];
    *ret_end = v[3];
    return true;
}
