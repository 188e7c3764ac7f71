/* request.c - see request.h. */
#include "request.h"

#include <mamori/plugin.h>

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DEPTH_MAX = 8, WORD_MAX = 32 };

int mmr_answer_level(const char *word)
{
    static const struct {
        const char *word;
        int level;
    } words[] = {{"accepted", MMR_DELIVERY_GATEWAY}, {"sent", MMR_DELIVERY_GATEWAY}, {"delivered", MMR_DELIVERY_RECIPIENT}, {"answered", MMR_DELIVERY_RECIPIENT},
                 {"shown", MMR_DELIVERY_SHOWN}, {"read", MMR_DELIVERY_SHOWN}, {"confirmed", MMR_DELIVERY_CONFIRMED}, {"failed", MMR_DELIVERY_FAILED},
                 {"undelivered", MMR_DELIVERY_FAILED}, {"expired", MMR_DELIVERY_FAILED}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcasecmp(words[i].word, word) == 0)
            return words[i].level;
    return MMR_DELIVERY_TRIED;
}

static const char *find(const char *p, size_t len, const char *what)
{
    return memmem(p, len, what, strlen(what));
}

/* The length the head says; -1: it says nonsense, or the body comes in pieces, which nobody here needs. */
static long body_length(const char *head, size_t len)
{
    long n = 0;
    for (const char *p = head, *end = head + len; p < end;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        size_t line = (size_t)((nl ? nl : end) - p);
        if (line > 15 && strncasecmp(p, "content-length:", 15) == 0) {
            char digits[12];
            const char *from = p + 15;
            while (from < p + line && (*from == ' ' || *from == '\t'))
                from++;
            size_t d = 0;
            while (from + d < p + line && from[d] >= '0' && from[d] <= '9' && d < sizeof digits - 1) {
                digits[d] = from[d];
                d++;
            }
            digits[d] = '\0';
            if (!d || d > 6)
                return -1;
            n = strtol(digits, NULL, 10);
        } else if (line > 18 && strncasecmp(p, "transfer-encoding:", 18) == 0) {
            return -1;
        }
        p = nl ? nl + 1 : end;
    }
    return n;
}

/* "status=delivered&…" or {"status": "delivered"} */
static int level_of(const char *body, size_t len)
{
    char word[WORD_MAX] = "";
    const char *at = find(body, len, "status=");
    if (len && body[0] == '{') {
        struct json_tokener *t = json_tokener_new_ex(DEPTH_MAX);
        struct json_object *o = t ? json_tokener_parse_ex(t, body, (int)len) : NULL, *v = NULL;
        if (json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, "status", &v) && json_object_is_type(v, json_type_string) &&
            json_object_get_string_len(v) < WORD_MAX)
            memcpy(word, json_object_get_string(v), (size_t)json_object_get_string_len(v) + 1);
        json_object_put(o);
        if (t)
            json_tokener_free(t);
    } else if (at && (at == body || at[-1] == '&')) {
        size_t n = 0, left = len - (size_t)(at + 7 - body);
        while (n < left && n < sizeof word - 1 && at[7 + n] != '&' && at[7 + n] != '\r' && at[7 + n] != '\n') {
            word[n] = at[7 + n];
            n++;
        }
        word[n] = '\0';
    }
    return mmr_answer_level(word);
}

static bool take_token(const char *p, const char *end, char *ret)
{
    size_t n = 0;
    while (p + n < end && n <= MMR_REQUEST_TOKEN && ((p[n] >= '0' && p[n] <= '9') || (p[n] >= 'a' && p[n] <= 'f')))
        n++;
    if (n != MMR_REQUEST_TOKEN || (p + n < end && p[n] != ' ' && p[n] != '?'))
        return false;
    memcpy(ret, p, n);
    ret[n] = '\0';
    return true;
}

struct mmr_answer_request mmr_answer_read(const char *bytes, size_t len)
{
    struct mmr_answer_request r = {.what = MMR_REQUEST_MORE};
    const char *end = find(bytes, len, "\r\n\r\n");
    if (!end) {
        if (len >= MMR_REQUEST_MAX || memchr(bytes, '\0', len))
            r.what = MMR_REQUEST_BAD;
        return r;
    }
    size_t head = (size_t)(end - bytes);
    long body = body_length(bytes, head);
    const char *line = memchr(bytes, '\r', head + 1);
    if (body < 0 || body > MMR_REQUEST_BODY_MAX || head + 4 > MMR_REQUEST_MAX || memchr(bytes, '\0', head)) {
        r.what = MMR_REQUEST_BAD;
        return r;
    }
    if (len - head - 4 < (size_t)body)
        return r;
    bool is_get = head > 7 && strncmp(bytes, "GET /c/", 7) == 0, is_post = head > 8 && strncmp(bytes, "POST /c/", 8) == 0,
         is_report = head > 8 && strncmp(bytes, "POST /d/", 8) == 0;
    if (!(is_get || is_post || is_report) || !take_token(bytes + (is_get ? 7 : 8), line, r.token)) {
        bool is_http = head > 12 && (strncmp(bytes, "GET ", 4) == 0 || strncmp(bytes, "POST ", 5) == 0 || strncmp(bytes, "HEAD ", 5) == 0);
        r.what = is_http ? MMR_REQUEST_OTHER : MMR_REQUEST_BAD;
        return r;
    }
    r.what = is_get ? MMR_REQUEST_SHOW : is_post ? MMR_REQUEST_CONFIRM : MMR_REQUEST_REPORT;
    if (is_report)
        r.level = level_of(end + 4, (size_t)body);
    return r;
}
