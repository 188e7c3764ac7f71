/* wording.c - `mamori wording lint`: the rules of core/notify/words/rules.txt over a text that may come from outside.
 * The texts are embedded, so what they are is said here. ja.txt, en.txt: "[NAME] notice|weekly|voice", then the text; {...} is a named
 * place. rules.txt, what the lint looks for (SERVICE_STANDARD 7): "term LANG WORD[|WORD]... = the plain word" (Latin words match whole
 * words, in any case); "must LANG PART WORD[|WORD]...", of which a message has one (a time such as 14:05 and a name such as KEIRI-01 count).
 */
#include "notify/catalogue.h"

#include "util/utf8.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { SENTENCE_MAX = 60, WORD_MAX = 64, PLACE_MAX = 64, SHOWN_BYTES = 36, WHAT_MAX = 320 }; /* SERVICE_STANDARD 7: a sentence over 60 characters */

struct lint {
    const char *text;
    size_t len;
    unsigned first_line;
    const char *lang;
    mmr_wording_fn fn;
    void *ctx;
    int findings;
};

static size_t char_len(unsigned char first)
{
    return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

static bool is_japanese(const char *p, size_t len)
{
    for (size_t i = 0; i < len; i += char_len((unsigned char)p[i])) {
        const unsigned char *c = (const unsigned char *)p + i;
        if (char_len(*c) != 3)
            continue;
        unsigned u = (unsigned)(c[0] & 0x0f) << 12 | (unsigned)(c[1] & 0x3f) << 6 | (c[2] & 0x3fU);
        if ((u >= 0x3040 && u <= 0x30ff) || (u >= 0x4e00 && u <= 0x9fff)) /* kana, kanji */
            return true;
    }
    return false;
}

static unsigned line_at(const struct lint *l, size_t at)
{
    unsigned n = l->first_line;
    for (size_t i = 0; i < at; i++)
        n += l->text[i] == '\n';
    return n;
}

static void tell(struct lint *l, unsigned line, const char *what)
{
    l->fn(l->ctx, line, what);
    l->findings++;
}

static bool is_word_char(char c)
{
    return isalnum((unsigned char)c) != 0;
}

static bool is_same(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (tolower((unsigned char)a[i]) != tolower((unsigned char)b[i]))
            return false;
    return true;
}

/* From `at` on; len when it is not there. is_whole: a Latin word stands by itself. Names of {places} are not read. */
static size_t find(const struct lint *l, size_t at, const char *word, size_t n, bool is_whole)
{
    bool is_place = word[0] == '{';
    for (; at < l->len; at++) {
        if (l->text[at] == '{' && !is_place) {
            size_t left = l->len - at < PLACE_MAX ? l->len - at : PLACE_MAX;
            const char *close = memchr(l->text + at, '}', left);
            at = close ? (size_t)(close - l->text) : at;
            continue;
        }
        if (l->len - at < n || !is_same(l->text + at, word, n))
            continue;
        if (is_whole && is_word_char(word[0]) && at && is_word_char(l->text[at - 1]))
            continue;
        if (is_whole && is_word_char(word[n - 1]) && at + n < l->len && is_word_char(l->text[at + n]))
            continue;
        return at;
    }
    return l->len;
}

/* "A|B|C": the next word of the list; blanks count */
static bool next_word(const char **p, const char *end, const char **ret, size_t *ret_len)
{
    if (*p >= end)
        return false;
    const char *bar = memchr(*p, '|', (size_t)(end - *p));
    *ret = *p;
    *ret_len = (size_t)((bar ? bar : end) - *p);
    *p = bar ? bar + 1 : end;
    return true;
}

static int check_term(struct lint *l, const char *p, const char *end)
{
    const char *eq = p, *word;
    char what[WHAT_MAX];
    size_t n;
    while (eq + 2 < end && memcmp(eq, " = ", 3) != 0)
        eq++;
    if (eq + 3 >= end)
        return MMR_EBADMSG;
    for (const char *plain = eq + 3; next_word(&p, eq, &word, &n);)
        for (size_t at = 0; n && (at = find(l, at, word, n, true)) < l->len; at += n) {
            (void)snprintf(what, sizeof what, "'%.*s' is a word of technicians: write '%.*s'", (int)(n > WORD_MAX ? WORD_MAX : n), l->text + at,
                           (int)(end - plain), plain);
            tell(l, line_at(l, at), what);
        }
    return 0;
}

static bool has_clock_time(const struct lint *l)
{
    for (size_t i = 1; i + 2 < l->len; i++)
        if (l->text[i] == ':' && isdigit((unsigned char)l->text[i - 1]) && isdigit((unsigned char)l->text[i + 1]) && isdigit((unsigned char)l->text[i + 2]))
            return true;
    return false;
}

/* A machine's name as people write it: capitals with a digit or hyphen among them, "KEIRI-01". */
static bool has_machine_name(const struct lint *l)
{
    for (size_t i = 0, from; i < l->len; i++) {
        bool has_capital = false, has_other = false;
        for (from = i; i < l->len && (isupper((unsigned char)l->text[i]) || isdigit((unsigned char)l->text[i]) || l->text[i] == '-'); i++) {
            has_capital |= isupper((unsigned char)l->text[i]) != 0;
            has_other |= !isupper((unsigned char)l->text[i]);
        }
        if (has_capital && has_other && i - from >= 3)
            return true;
    }
    return false;
}

static int check_must(struct lint *l, const char *p, const char *end, enum mmr_wording kind)
{
    static const struct {
        const char *part, *missing;
    } parts[] = {{"time", "no time: say when it was noticed"}, {"place", "no place: say which machine or part of the company"},
                 {"done", "does not say what we did"}, {"ask", "does not say what to do, or that there is nothing to do"}};
    const char *blank = memchr(p, ' ', (size_t)(end - p)), *word;
    size_t k = 0, n;
    while (blank && k < 4 && !(strlen(parts[k].part) == (size_t)(blank - p) && memcmp(parts[k].part, p, (size_t)(blank - p)) == 0))
        k++;
    if (!blank || k == 4)
        return MMR_EBADMSG;
    if (kind == MMR_WORDING_VOICE && k < 3) /* the sentence it reads out is a place of its own, checked by itself */
        return 0;
    if ((k == 0 && has_clock_time(l)) || (k == 1 && has_machine_name(l)))
        return 0;
    for (p = blank + 1; next_word(&p, end, &word, &n);)
        if (n && find(l, 0, word, n, true) < l->len)
            return 0;
    tell(l, 0, parts[k].missing);
    return 0;
}

/* The first bytes of a sentence, whole characters. */
static int shown(const char *p, size_t len)
{
    size_t n = len < SHOWN_BYTES ? len : SHOWN_BYTES;
    while (n < len && n && ((unsigned char)p[n] & 0xc0) == 0x80)
        n--;
    return (int)n;
}

/* Ends of a sentence: 。！？ ! ? and the end of a line. */
static void check_sentences(struct lint *l)
{
    size_t chars = 0, from = 0;
    char what[WHAT_MAX];
    for (size_t i = 0; i <= l->len;) {
        size_t n = i < l->len ? char_len((unsigned char)l->text[i]) : 1;
        bool is_end = i == l->len || (n == 1 && strchr("\n!?", l->text[i])) ||
                      (n == 3 && (memcmp(l->text + i, "\xe3\x80\x82", 3) == 0 || memcmp(l->text + i, "\xef\xbc\x81", 3) == 0 || memcmp(l->text + i, "\xef\xbc\x9f", 3) == 0));
        if (!is_end) {
            chars++;
        } else {
            if (chars > SENTENCE_MAX) {
                (void)snprintf(what, sizeof what, "a sentence of %zu characters, at most %d: '%.*s…'", chars, SENTENCE_MAX,
                               shown(l->text + from, i - from), l->text + from);
                tell(l, line_at(l, from), what);
            }
            chars = 0;
            from = i + n;
        }
        i += n;
    }
}

int mmr_wording_lint(const char *text, size_t len, enum mmr_wording kind, unsigned first_line, mmr_wording_fn fn, void *ctx,
                     struct mmr_error *err)
{
    const char *rules = NULL;
    size_t rules_len = 0;
    if (!mmr_is_utf8(text, len))
        return mmr_fail(err, MMR_EBADMSG, "not UTF-8 text; save it as UTF-8");
    struct lint l = {.text = text, .len = len, .first_line = first_line, .lang = is_japanese(text, len) ? "ja " : "en ", .fn = fn, .ctx = ctx};
    int r = mmr_catalogue_file("rules.txt", &rules, &rules_len, err);
    if (r)
        return r;
    for (const char *p = rules, *end = rules + rules_len, *nl; p < end; p = nl + 1) {
        nl = memchr(p, '\n', (size_t)(end - p));
        nl = nl ? nl : end;
        bool is_term = nl - p > 8 && memcmp(p, "term ", 5) == 0, is_must = nl - p > 8 && memcmp(p, "must ", 5) == 0;
        if (p == nl || *p == '#' || ((is_term || is_must) && memcmp(p + 5, l.lang, 3) != 0))
            continue;
        r = is_term ? check_term(&l, p + 8, nl) : is_must ? check_must(&l, p + 8, nl, kind) : MMR_EBADMSG;
        if (r)
            return mmr_fail(err, r, "the rules of wording are damaged at '%.*s'", (int)(nl - p > 40 ? 40 : nl - p), p);
    }
    if (l.lang[0] == 'j')
        check_sentences(&l);
    return l.findings;
}
