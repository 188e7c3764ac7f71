/*
 * list_json.c - MISP events and STIX 2.1 bundles, read as they come in: of each open object a few known fields are kept,
 * and when an object closes it is an attribute, an indicator, or nothing to us. Memory does not grow with the file.
 */
#include "list_internal.h"

#include <ctype.h>
#include <string.h>

enum { S_VALUE = 0, S_STRING, S_WORD, S_AFTER };

static const char *const names[FIELDS] = {"type", "value", "to_ids", "deleted", "info", "pattern", "valid_until", "revoked", "name",
                                          "last_seen", "pattern_type"};

static const char *field(const struct reader *r, const struct frame *f, unsigned k, size_t *ret_len)
{
    *ret_len = f->len[k];
    return r->pool + f->at[k];
}

static bool field_is(const struct reader *r, const struct frame *f, unsigned k, const char *text)
{
    size_t n;
    const char *p = field(r, f, k, &n);
    return n == strlen(text) && memcmp(p, text, n) == 0;
}

/* What the object or one around it says about itself: a MISP event's info, a STIX indicator's name. */
static void label_of(const struct reader *r, char *buf, size_t cap)
{
    buf[0] = '\0';
    for (unsigned d = r->depth; d > 0; d--) {
        const struct frame *f = &r->frame[d - 1];
        unsigned k = f->len[F_INFO] ? F_INFO : d == r->depth && f->len[F_PATTERN] && f->len[F_NAME] ? F_NAME : FIELDS;
        if (k == FIELDS)
            continue;
        size_t n;
        const char *p = field(r, f, k, &n);
        n = n < cap - 1 ? n : cap - 1;
        memcpy(buf, p, n);
        buf[n] = '\0';
        return;
    }
}

static int counted(struct reader *r, int rc)
{
    if (rc != MMR_EBADMSG)
        return rc;
    r->stats->unreadable++;
    return 0;
}

/* A MISP attribute: types of docs "types and categories"; those that say nothing to us are no fault. */
static int attribute(struct reader *r, const struct frame *f)
{
    static const struct {
        const char *type;
        enum ind_kind kind;
    } types[] = {{"ip-dst", IND_ADDR},        {"ip-src", IND_ADDR},          {"ip-dst|port", IND_ADDR}, {"ip-src|port", IND_ADDR},
                 {"domain", IND_DOMAIN},      {"hostname", IND_DOMAIN},      {"domain|ip", IND_DOMAIN}, {"hostname|port", IND_DOMAIN},
                 {"url", IND_URL},            {"uri", IND_URL},              {"sha256", IND_SHA256},    {"filename|sha256", IND_SHA256},
                 {"ja3-fingerprint-md5", IND_JA3}, {"ja4", IND_JA4}};
    size_t n;
    const char *p = field(r, f, F_VALUE, &n);
    char label[IND_LABEL_MAX];
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (!field_is(r, f, F_TYPE, types[i].type))
            continue;
        if (field_is(r, f, F_TO_IDS, "false") || field_is(r, f, F_TO_IDS, "0") || field_is(r, f, F_DELETED, "true") ||
            field_is(r, f, F_DELETED, "1")) {
            r->stats->expired++;
            return 0;
        }
        const char *bar = memchr(p, '|', n);
        if (bar && types[i].kind == IND_SHA256) {
            n -= (size_t)(bar + 1 - p);
            p = bar + 1;
        } else if (bar) {
            n = (size_t)(bar - p);
        }
        label_of(r, label, sizeof label);
        return counted(r, ind_take(r, types[i].kind, p, n, 0, label));
    }
    return 0;
}

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && isspace((unsigned char)*p))
        p++;
    return p;
}

/* object:path = 'literal' at p; the place after it, or NULL: another form. kind 0: an object we do not look for. */
static const char *comparison(const char *p, const char *end, enum ind_kind *ret_kind, const char **ret_value, size_t *ret_len)
{
    static const struct {
        const char *path;
        enum ind_kind kind;
    } paths[] = {{"ipv4-addr:value", IND_ADDR}, {"ipv6-addr:value", IND_ADDR}, {"domain-name:value", IND_DOMAIN},
                 {"url:value", IND_URL}, {"file:hashes.'SHA-256'", IND_SHA256}, {"file:hashes.\"SHA-256\"", IND_SHA256},
                 {"file:hashes.SHA256", IND_SHA256}, {"file:hashes.'SHA256'", IND_SHA256}};
    const char *eq = memchr(p, '=', (size_t)(end - p)), *q;
    *ret_kind = 0;
    if (!eq || eq == p || eq[-1] == '!' || eq[-1] == '<' || eq[-1] == '>')
        return NULL;
    const char *path_end = eq;
    while (path_end > p && isspace((unsigned char)path_end[-1]))
        path_end--;
    size_t n = (size_t)(path_end - p);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        if (n == strlen(paths[i].path) && memcmp(p, paths[i].path, n) == 0)
            *ret_kind = paths[i].kind;
    for (size_t i = 0; i < n && !*ret_kind; i++)
        if (isspace((unsigned char)p[i])) /* IN, LIKE, MATCHES, NOT … before a later = */
            return NULL;
    q = skip_space(eq + 1, end);
    if (q >= end || *q != '\'')
        return NULL;
    const char *close = memchr(q + 1, '\'', (size_t)(end - q - 1));
    if (!close || memchr(q + 1, '\\', (size_t)(close - q - 1)))
        return NULL;
    *ret_value = q + 1;
    *ret_len = (size_t)(close - q - 1);
    return close + 1;
}

/* STIX 2.1 section 9: only comparisons joined by OR are taken; AND, FOLLOWEDBY and qualifiers mean more than one value says. */
static int pattern(struct reader *r, const char *p, size_t n, uint32_t until, const char *label)
{
    struct {
        enum ind_kind kind;
        const char *p;
        size_t n;
    } found[32];
    const char *end = p + n;
    unsigned k = 0, open = 0;
    for (p = skip_space(p, end); p < end;) {
        while (p < end && (*p == '[' || *p == '(')) {
            open++;
            p = skip_space(p + 1, end);
        }
        if (k == sizeof found / sizeof found[0])
            return MMR_EBADMSG;
        p = comparison(p, end, &found[k].kind, &found[k].p, &found[k].n);
        if (!p)
            return MMR_EBADMSG;
        k += found[k].kind != 0;
        p = skip_space(p, end);
        while (p < end && (*p == ']' || *p == ')') && open) {
            open--;
            p = skip_space(p + 1, end);
        }
        if (p == end)
            break;
        if (end - p < 3 || memcmp(p, "OR", 2) != 0 || !isspace((unsigned char)p[2]))
            return MMR_EBADMSG;
        p = skip_space(p + 2, end);
    }
    if (open)
        return MMR_EBADMSG;
    for (unsigned i = 0; i < k; i++) {
        int rc = ind_take(r, found[i].kind, found[i].p, found[i].n, until, label);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int indicator(struct reader *r, const struct frame *f)
{
    size_t n, m;
    const char *p = field(r, f, F_PATTERN, &n), *t = field(r, f, F_VALID_UNTIL, &m);
    char label[IND_LABEL_MAX];
    if (f->len[F_PATTERN_TYPE] && !field_is(r, f, F_PATTERN_TYPE, "stix"))
        return 0;
    if (field_is(r, f, F_REVOKED, "true")) {
        r->stats->expired++;
        return 0;
    }
    label_of(r, label, sizeof label);
    return counted(r, pattern(r, p, n, ind_time(t, m), label));
}

static int object_end(struct reader *r)
{
    const struct frame *f = &r->frame[r->depth - 1];
    int rc = 0;
    if (f->len[F_PATTERN] && field_is(r, f, F_TYPE, "indicator"))
        rc = indicator(r, f);
    else if (f->len[F_TYPE] && f->len[F_VALUE])
        rc = attribute(r, f);
    r->pooled = f->pool_from;
    r->depth--;
    return rc;
}

/* The token is whole: a key, or a scalar under the key that came before it. */
static void scalar(struct reader *r)
{
    if (r->depth == 0 || r->frame[r->depth - 1].is_array)
        return;
    struct frame *f = &r->frame[r->depth - 1];
    for (unsigned k = 0; k < FIELDS && !r->is_cut; k++)
        if (strcmp(r->key, names[k]) == 0 && !f->len[k] && r->used && r->pooled + r->used <= sizeof r->pool) {
            f->at[k] = r->pooled;
            f->len[k] = (uint32_t)r->used;
            memcpy(r->pool + r->pooled, r->text, r->used);
            r->pooled += (uint32_t)r->used;
            return;
        }
}

static void keep(struct reader *r, char c)
{
    if (r->used < sizeof r->text)
        r->text[r->used++] = c;
    else
        r->is_cut = true;
}

static void keep_utf8(struct reader *r, uint32_t c)
{
    if (c < 0x80) {
        keep(r, (char)c);
    } else if (c < 0x800) {
        keep(r, (char)(0xc0 | c >> 6));
        keep(r, (char)(0x80 | (c & 0x3f)));
    } else { /* halves of pairs stay halves: labels only, and the event builder cleans text */
        keep(r, (char)(0xe0 | c >> 12));
        keep(r, (char)(0x80 | (c >> 6 & 0x3f)));
        keep(r, (char)(0x80 | (c & 0x3f)));
    }
}

/* One character inside a string; true at its end. */
static bool in_string(struct reader *r, char c)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (r->escape == 1) {
        const char *at = c ? strchr(from, c) : NULL;
        r->escape = c == 'u' ? 2 : 0;
        r->code = 0;
        if (at)
            keep(r, to[at - from]);
        return false;
    }
    if (r->escape >= 2) {
        unsigned v = isdigit((unsigned char)c) ? (unsigned)(c - '0') : isxdigit((unsigned char)c) ? (unsigned)((c | 32) - 'a' + 10) : 0;
        r->code = r->code << 4 | v;
        if (++r->escape == 6) {
            keep_utf8(r, r->code);
            r->escape = 0;
        }
        return false;
    }
    if (c == '\\') {
        r->escape = 1;
        return false;
    }
    if (c == '"')
        return true;
    keep(r, c);
    return false;
}

static int broken(const struct reader *r, const char *what, struct mmr_error *err)
{
    return mmr_fail(err, MMR_EBADMSG, "indicator list: broken JSON at byte %llu: %s", (unsigned long long)r->at, what);
}

static int open_frame(struct reader *r, bool is_array, struct mmr_error *err)
{
    if (r->depth == DEPTH_MAX)
        return broken(r, "nested too deep", err);
    struct frame *f = &r->frame[r->depth++];
    memset(f, 0, sizeof *f);
    f->is_array = is_array;
    f->pool_from = r->pooled;
    r->is_key = !is_array;
    r->state = S_VALUE;
    return 0;
}

static int close_frame(struct reader *r, char c, struct mmr_error *err)
{
    if (r->depth == 0 || r->frame[r->depth - 1].is_array != (c == ']'))
        return broken(r, "a bracket that was not opened", err);
    int rc = 0;
    if (c == '}') {
        rc = object_end(r);
    } else {
        r->pooled = r->frame[r->depth - 1].pool_from;
        r->depth--;
    }
    r->state = S_AFTER;
    r->is_over = r->depth == 0;
    return rc;
}

static int between(struct reader *r, char c, struct mmr_error *err)
{
    if (isspace((unsigned char)c))
        return 0;
    if (r->is_over) /* further documents in one file, as JSON lines have them */
        r->is_over = false, r->state = S_VALUE;
    switch (c) {
    case '{':
    case '[': return r->state == S_AFTER ? broken(r, "a comma is missing", err) : open_frame(r, c == '[', err);
    case '}':
    case ']': return close_frame(r, c, err);
    case ',':
        if (r->depth == 0)
            return broken(r, "a comma outside", err);
        r->is_key = !r->frame[r->depth - 1].is_array;
        r->state = S_VALUE;
        return 0;
    case ':':
        r->is_key = false;
        r->state = S_VALUE;
        return 0;
    default: break;
    }
    r->used = 0;
    r->is_cut = false;
    if (c == '"') {
        r->state = S_STRING;
        r->escape = 0;
        return 0;
    }
    if (!isalnum((unsigned char)c) && c != '-')
        return broken(r, "a character that begins nothing", err);
    r->state = S_WORD;
    keep(r, c);
    return 0;
}

int ind_json_push(struct reader *r, const char *p, size_t n, struct mmr_error *err)
{
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++, r->at++) {
        if (r->state == S_STRING) {
            if (!in_string(r, p[i]))
                continue;
            r->state = S_AFTER;
            if (!r->is_key) {
                scalar(r);
                continue;
            }
            size_t len = r->used < KEY_MAX ? r->used : 0; /* a longer one is none we know */
            memcpy(r->key, r->text, len);
            r->key[len] = '\0';
            continue;
        }
        if (r->state == S_WORD) {
            if (isalnum((unsigned char)p[i]) || p[i] == '.' || p[i] == '+' || p[i] == '-') {
                keep(r, p[i]);
                continue;
            }
            scalar(r);
            r->state = S_AFTER;
        }
        rc = between(r, p[i], err);
    }
    return rc;
}

int ind_json_end(struct reader *r, struct mmr_error *err)
{
    return r->depth || r->state == S_STRING ? broken(r, "the file ends in its middle", err) : 0;
}
