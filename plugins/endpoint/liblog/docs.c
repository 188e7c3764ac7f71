/* docs.c - see docs.h */
#include "docs.h"

#include <stdint.h>
#include <string.h>

static bool starts(const char *p, const char *end, const char *text)
{
    size_t n = strlen(text);
    return (size_t)(end - p) >= n && memcmp(p, text, n) == 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Does the line of JSON at p go on in the next one, at a place where JSON may be broken? */
static bool goes_on(const char *p, const char *end)
{
    const char *nl = memchr(p, '\n', (size_t)(end - p));
    const char *last = nl ? nl : end;
    if (!nl)
        return false;
    while (last > p && is_blank(last[-1]))
        last--;
    return last > p && strchr("{[,:", last[-1]) != NULL && last[-1];
}

enum mmr_docs_form mmr_docs_form_of(const char *head, size_t len)
{
    const char *p = head, *end = head + len;
    if (starts(p, end, "\xef\xbb\xbf"))
        p += 3;
    while (p < end && is_blank(*p))
        p++;
    if (p == end)
        return MMR_DOCS_LINES;
    if (starts(p, end, "Record ")) { /* evtx_dump names each record on a line of its own */
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        const char *next = nl ? nl + 1 : end;
        while (next < end && is_blank(*next))
            next++;
        return starts(next, end, "{") ? MMR_DOCS_JSON : starts(next, end, "<") ? MMR_DOCS_XML : MMR_DOCS_LINES;
    }
    if (*p == '[') { /* "[sshd]: .." is a line of a log */
        const char *q = p + 1;
        while (q < end && is_blank(*q))
            q++;
        return q < end && (*q == '{' || *q == ']') ? MMR_DOCS_JSON : MMR_DOCS_LINES;
    }
    if (*p == '{')
        return goes_on(p, end) ? MMR_DOCS_JSON : MMR_DOCS_LINES;
    if (starts(p, end, "<?xml") || starts(p, end, "<Events"))
        return MMR_DOCS_XML;
    if (starts(p, end, "<Event>") || starts(p, end, "<Event ")) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        const char *stop = nl ? nl : end;
        return nl && !memmem(p, (size_t)(stop - p), "</Event>", 8) ? MMR_DOCS_XML : MMR_DOCS_LINES;
    }
    if (starts(p, end, "__CURSOR=") || starts(p, end, "__REALTIME_TIMESTAMP="))
        return MMR_DOCS_EXPORT;
    return MMR_DOCS_LINES;
}

/* One byte of JSON; true when it closes the record */
static bool json_byte(struct mmr_docs *d, char c)
{
    if (d->in_string) {
        if (d->is_escaped)
            d->is_escaped = false;
        else if (c == '\\')
            d->is_escaped = true;
        else if (c == '"')
            d->in_string = false;
        return false;
    }
    if (c == '"')
        d->in_string = true;
    else if (c == '{' || c == '[')
        d->depth++;
    else if ((c == '}' || c == ']') && --d->depth == 0)
        return true;
    return false;
}

static bool next_json(struct mmr_docs *d, const char *p, size_t n, size_t *ret_end)
{
    for (size_t i = d->scanned; i < n; i++) {
        if (!d->is_open) {
            if (p[i] != '{')
                continue;
            d->is_open = true;
            d->start = i;
            d->depth = 0;
            d->in_string = d->is_escaped = false;
        }
        if (json_byte(d, p[i])) {
            *ret_end = i + 1;
            return true;
        }
    }
    d->scanned = n;
    return false;
}

static bool next_xml(struct mmr_docs *d, const char *p, size_t n, size_t *ret_end)
{
    size_t from = d->scanned;
    while (!d->is_open) {
        const char *at = memmem(p + from, n - from, "<Event", 6);
        if (!at || (size_t)(at - p) + 6 >= n) {
            d->scanned = at ? (size_t)(at - p) : n > 6 ? n - 6 : 0;
            return false;
        }
        from = (size_t)(at - p) + 6;
        if (p[from] == '>' || is_blank(p[from])) {
            d->is_open = true;
            d->start = (size_t)(at - p);
        }
    }
    const char *close = memmem(p + from, n - from, "</Event>", 8);
    if (!close) {
        d->scanned = n - from > 8 ? n - 8 : from;
        return false;
    }
    *ret_end = (size_t)(close - p) + 8;
    return true;
}

/* The field at p: its name, its value, where the next one begins. False: cut off before its end. */
static bool export_field(const char *p, const char *end, bool is_end, const char **ret_name_end, const char **ret_val,
                         const char **ret_val_end, const char **ret_next)
{
    const char *nl = memchr(p, '\n', (size_t)(end - p)), *eq;
    if (!nl && !is_end)
        return false;
    if (!nl)
        nl = end;
    eq = memchr(p, '=', (size_t)(nl - p));
    if (eq) {
        *ret_name_end = eq;
        *ret_val = eq + 1;
        *ret_val_end = nl;
        *ret_next = nl < end ? nl + 1 : end;
        return true;
    }
    /* a name alone: eight bytes of length, little endian, the bytes, a newline */
    uint64_t len = 0;
    if (end - nl < 9)
        return false;
    for (int i = 8; i >= 1; i--)
        len = len << 8 | (uint8_t)nl[i];
    if (len > (uint64_t)(end - nl - 9) || (!is_end && len == (uint64_t)(end - nl - 9))) /* its newline belongs to it */
        return false;
    *ret_name_end = nl;
    *ret_val = nl + 9;
    *ret_val_end = nl + 9 + len;
    *ret_next = *ret_val_end < end ? *ret_val_end + 1 : end;
    return true;
}

static bool next_export(struct mmr_docs *d, const char *p, size_t n, bool is_end, size_t *ret_end)
{
    const char *end = p + n, *at = p + d->scanned, *a, *b, *c, *next;
    while (at < end) {
        if (*at == '\n' || *at == '\r') { /* the empty line between records */
            size_t here = (size_t)(at - p);
            if (d->is_open) {
                *ret_end = here;
                return true;
            }
            at++;
            continue;
        }
        if (!d->is_open) {
            d->is_open = true;
            d->start = (size_t)(at - p);
        }
        if (!export_field(at, end, is_end, &a, &b, &c, &next))
            break;
        at = next;
    }
    d->scanned = (size_t)(at - p);
    if (!is_end || !d->is_open)
        return false;
    *ret_end = n;
    return true;
}

bool mmr_docs_next(struct mmr_docs *d, const char *p, size_t n, bool is_end, size_t *ret_at, size_t *ret_len, size_t *ret_used)
{
    size_t end = 0;
    bool is_found = d->form == MMR_DOCS_JSON  ? next_json(d, p, n, &end)
                    : d->form == MMR_DOCS_XML ? next_xml(d, p, n, &end)
                                              : next_export(d, p, n, is_end, &end);
    if (is_found) {
        *ret_at = d->start;
        *ret_len = end - d->start;
        *ret_used = end;
        d->is_open = false;
        d->scanned = d->start = 0;
        return true;
    }
    *ret_used = d->is_open ? d->start : d->scanned;
    d->scanned -= *ret_used;
    d->start = 0;
    return false;
}

struct text {
    char *p;
    size_t n, cap;
};

static void put(struct text *t, const char *p, size_t n)
{
    size_t fits = t->cap - t->n < n ? t->cap - t->n : n;
    memcpy(t->p + t->n, p, fits);
    t->n += fits;
}

static void put_string(struct text *t, const char *p, const char *end)
{
    static const char hex[] = "0123456789abcdef";
    put(t, "\"", 1);
    for (; p < end && t->cap - t->n > 16; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '"' || c == '\\') {
            put(t, "\\", 1);
            put(t, p, 1);
        } else if (c < 0x20) {
            char u[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
            put(t, u, sizeof u);
        } else {
            put(t, p, 1);
        }
    }
    put(t, "\"", 1);
}

static size_t export_json(const char *p, size_t n, char *out, size_t cap)
{
    static const char *const wanted[] = {"__REALTIME_TIMESTAMP", "_HOSTNAME", "SYSLOG_IDENTIFIER", "_COMM", "SYSLOG_PID", "_PID",
                                         "PRIORITY", "SYSLOG_FACILITY", "MESSAGE", "_TRANSPORT"};
    struct text t = {out, 0, cap - 2}; /* room for the closing brace and NUL */
    const char *end = p + n, *name_end, *val, *val_end, *next;
    put(&t, "{", 1);
    for (; p < end && export_field(p, end, true, &name_end, &val, &val_end, &next); p = next)
        for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
            if ((size_t)(name_end - p) == strlen(wanted[i]) && memcmp(p, wanted[i], (size_t)(name_end - p)) == 0 &&
                t.cap - t.n > 128) { /* a field begun is a field ended */
                if (t.n > 1)
                    put(&t, ",", 1);
                put_string(&t, p, name_end);
                put(&t, ":", 1);
                put_string(&t, val, val_end);
            }
    out[t.n++] = '}';
    out[t.n] = '\0';
    return t.n;
}

size_t mmr_docs_copy(enum mmr_docs_form form, const char *p, size_t n, char *out, size_t cap)
{
    if (form == MMR_DOCS_EXPORT)
        return export_json(p, n, out, cap);
    if (n > cap - 1)
        n = cap - 1;
    memcpy(out, p, n);
    for (size_t i = 0; form == MMR_DOCS_JSON && i < n; i++)
        if (out[i] == '\n' || out[i] == '\r')
            out[i] = ' ';
    out[n] = '\0';
    return n;
}
