/*
 * must.c - see must.h. Reads an expression by recursive descent: in a sequence every part must match, so the best part's literals do; of
 * alternatives one must match, so their literals together do.
 */
#include <rules/must.h>

#include <string.h>

enum { DEPTH_MAX = 12 };

struct reader {
    const char *p, *end;
    unsigned depth;
    bool is_lost; /* something that is not understood here: no literal may be trusted */
    bool is_nocase;
};

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

uint32_t mmr_must_shortest(const struct must *m)
{
    uint32_t least = m->n ? MUST_BYTES : 0;
    for (uint32_t i = 0; i < m->n; i++)
        if (m->v[i].len < least)
            least = m->v[i].len;
    return least;
}

/* Longer literals separate better; more of them, less. */
static int worth(const struct must *m)
{
    return m->n ? (int)mmr_must_shortest(m) * 4 - (int)m->n : -1;
}

static void better(struct must *best, const struct must *m)
{
    if (mmr_must_shortest(m) >= MUST_SHORTEST && worth(m) > worth(best))
        *best = *m;
}

static void flush(struct must *best, struct must_literal *run)
{
    struct must one = {.n = 1, .v = {*run}};
    if (run->len)
        better(best, &one);
    run->len = 0;
}

/* How often the part before may be left out or repeated: *ret_min, and whether there was a quantifier at all. */
static bool quantifier(struct reader *r, unsigned *ret_min)
{
    *ret_min = 1;
    if (r->p == r->end)
        return false;
    if (*r->p == '?' || *r->p == '*') {
        *ret_min = 0;
        r->p++;
    } else if (*r->p == '+') {
        r->p++;
    } else if (*r->p == '{') {
        const char *q = r->p + 1;
        unsigned min = 0;
        bool has_digit = false;
        while (q < r->end && ((*q >= '0' && *q <= '9') || *q == ',')) {
            if (*q == ',') { /* what follows is the most, not the least */
                while (q < r->end && (*q == ',' || (*q >= '0' && *q <= '9')))
                    q++;
                break;
            }
            min = min < 1000 ? min * 10 + (unsigned)(*q - '0') : min;
            has_digit = true;
            q++;
        }
        if (!has_digit || q == r->end || *q != '}') {
            r->is_lost |= !has_digit && q < r->end && *q == '}'; /* "{,n}": its meaning depends on the version */
            return false; /* an ordinary brace */
        }
        *ret_min = min;
        r->p = q + 1;
    } else {
        return false;
    }
    if (r->p < r->end && (*r->p == '?' || *r->p == '+')) /* lazy, possessive */
        r->p++;
    return true;
}

static void skip_class(struct reader *r)
{
    r->p++; /* [ */
    if (r->p < r->end && *r->p == '^')
        r->p++;
    if (r->p < r->end && *r->p == ']') /* the first one is a member */
        r->p++;
    while (r->p < r->end && *r->p != ']') {
        if (*r->p == '[' && r->end - r->p > 1 && (r->p[1] == ':' || r->p[1] == '.' || r->p[1] == '=')) {
            const char *close = memchr(r->p + 2, ']', (size_t)(r->end - r->p - 2));
            if (!close) {
                r->is_lost = true;
                return;
            }
            r->p = close + 1;
            continue;
        }
        if (*r->p == '\\') {
            if (r->end - r->p > 1 && (r->p[1] == 'Q' || r->p[1] == 'E'))
                r->is_lost = true;
            r->p++;
        }
        if (r->p < r->end)
            r->p++;
    }
    if (r->p == r->end)
        r->is_lost = true;
    else
        r->p++;
}

/* After a backslash. True with the byte it stands for; false: it is a class, an assertion or a reference. */
static bool escaped(struct reader *r, uint8_t *ret)
{
    if (r->p == r->end) {
        r->is_lost = true;
        return false;
    }
    char c = *r->p++;
    switch (c) {
    case 'n': *ret = '\n'; return true;
    case 'r': *ret = '\r'; return true;
    case 't': *ret = '\t'; return true;
    case 'x': {
        int hi = r->end - r->p > 1 ? hex(r->p[0]) : -1, lo = hi >= 0 ? hex(r->p[1]) : -1;
        r->is_lost |= lo < 0;
        if (lo < 0)
            return false;
        r->p += 2;
        *ret = (uint8_t)(hi << 4 | lo);
        return true;
    }
    case 'd': case 'D': case 'w': case 'W': case 's': case 'S': case 'h': case 'H': case 'v': case 'V': case 'R':
    case 'b': case 'B': case 'A': case 'z': case 'Z': case 'G':
        return false;
    default:
        if ((c >= '1' && c <= '9' && !(r->p < r->end && *r->p >= '0' && *r->p <= '9'))) /* \1: what a group matched */
            return false;
        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
            r->is_lost = true;
            return false;
        }
        *ret = (uint8_t)c;
        return true;
    }
}

static void alternatives(struct reader *r, struct must *ret);

/* At "(": what it must match goes to ret; nothing for what only looks around. */
static void group(struct reader *r, struct must *ret)
{
    bool is_look = false;
    r->p++;
    if (r->p < r->end && *r->p == '*') {
        r->is_lost = true;
        return;
    }
    if (r->end - r->p > 1 && *r->p == '?') {
        char c = r->p[1], d = r->end - r->p > 2 ? r->p[2] : 0;
        bool is_named = (c == 'P' && d == '<') || (c == '<' && d != '=' && d != '!');
        is_look = c == '=' || c == '!' || (c == '<' && !is_named);
        if (c == ':' || c == '>' || c == '=' || c == '!') {
            r->p += 2;
        } else if (is_named) {
            const char *close = memchr(r->p, '>', (size_t)(r->end - r->p));
            r->is_lost |= !close;
            r->p = close ? close + 1 : r->end;
        } else if (is_look) {
            r->p += 3;
        } else { /* options, conditions, comments, recursion */
            r->is_lost = true;
            return;
        }
    }
    if (++r->depth > DEPTH_MAX) {
        r->is_lost = true;
        return;
    }
    alternatives(r, ret);
    r->depth--;
    if (r->p == r->end)
        r->is_lost = true;
    else
        r->p++; /* ) */
    if (is_look)
        ret->n = 0;
}

static void sequence(struct reader *r, struct must *best)
{
    struct must_literal run = {0};
    unsigned min;
    best->n = 0;
    while (r->p < r->end && !r->is_lost && *r->p != '|' && *r->p != ')') {
        uint8_t byte = 0;
        bool is_byte = false;
        if (*r->p == '(') {
            struct must inner = {0};
            flush(best, &run);
            group(r, &inner);
            (void)quantifier(r, &min);
            if (min)
                better(best, &inner);
            continue;
        }
        if (*r->p == '[') {
            skip_class(r);
        } else if (*r->p == '\\') {
            r->p++;
            is_byte = escaped(r, &byte);
        } else if (*r->p == '.' || *r->p == '^' || *r->p == '$') {
            r->p++;
        } else {
            byte = (uint8_t)*r->p++;
            is_byte = true;
        }
        bool is_repeated = quantifier(r, &min);
        if (!is_byte || min == 0 || run.len == MUST_BYTES)
            flush(best, &run);
        if (is_byte && min) {
            run.p[run.len++] = r->is_nocase && byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + 32) : byte;
            if (is_repeated)
                flush(best, &run);
        }
    }
    flush(best, &run);
}

static void alternatives(struct reader *r, struct must *ret)
{
    struct must one;
    bool is_open = false;
    ret->n = 0;
    for (;;) {
        sequence(r, &one);
        if (one.n == 0 || ret->n + one.n > MUST_LITERALS)
            is_open = true; /* one way through without a literal */
        for (uint32_t i = 0; !is_open && i < one.n; i++)
            ret->v[ret->n++] = one.v[i];
        if (r->p == r->end || r->is_lost || *r->p != '|')
            break;
        r->p++;
    }
    if (is_open || r->is_lost)
        ret->n = 0;
}

void mmr_must_of(const char *text, size_t len, bool is_nocase, struct must *ret)
{
    struct reader r = {.p = text, .end = text + len, .is_nocase = is_nocase};
    alternatives(&r, ret);
    if (r.is_lost || r.p != r.end)
        ret->n = 0;
}
