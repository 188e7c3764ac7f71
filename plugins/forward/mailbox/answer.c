/* answer.c - see answer.h. Lines are looked at where they are; a field's value is copied, unfolded, into a buffer of fixed size. */
#include "answer.h"

#include <mamori/plugin.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* 70: RFC 2046 section 5.1.1; fields: a mail with more is none of ours */
enum { NAME_MAX_BYTES = 40, VALUE_MAX = 4096, BOUNDARY_MAX = 70, FIELDS_MAX = 400 };

struct text {
    const char *p, *end;
};
struct field {
    char name[NAME_MAX_BYTES + 1], value[VALUE_MAX + 1];
};

/* A line without its end; false: there is none left. */
static bool next_line(struct text *t, struct text *ret)
{
    if (t->p == t->end)
        return false;
    const char *nl = memchr(t->p, '\n', (size_t)(t->end - t->p));
    *ret = (struct text){t->p, nl ? nl : t->end};
    t->p = nl ? nl + 1 : t->end;
    if (ret->end > ret->p && ret->end[-1] == '\r')
        ret->end--;
    return true;
}

static void add(struct field *f, size_t *n, const char *p, const char *end)
{
    size_t len = (size_t)(end - p), room = VALUE_MAX - *n;
    if (len > room)
        len = room;
    memcpy(f->value + *n, p, len);
    *n += len;
    f->value[*n] = '\0';
    for (size_t i = *n - len; i < *n; i++)
        if (!f->value[i])
            f->value[i] = '?';
}

static const char *after_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    return p;
}

/* The next field of a block, unfolded; false: the block is over (its empty line is taken), or it is none. */
static bool next_field(struct text *t, struct field *f)
{
    struct text line;
    size_t n = 0;
    f->name[0] = f->value[0] = '\0';
    if (!next_line(t, &line) || line.p == line.end)
        return false;
    const char *colon = memchr(line.p, ':', (size_t)(line.end - line.p));
    if (colon && colon - line.p <= NAME_MAX_BYTES) {
        memcpy(f->name, line.p, (size_t)(colon - line.p));
        f->name[colon - line.p] = '\0';
        add(f, &n, after_space(colon + 1, line.end), line.end);
    }
    while (t->p < t->end && (*t->p == ' ' || *t->p == '\t') && next_line(t, &line))
        add(f, &n, line.p, line.end);
    return true;
}

static bool is_field(const struct field *f, const char *name)
{
    return strcasecmp(f->name, name) == 0;
}

/* ---- tokens ---- */

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* The first run of exactly 32 digits; before and behind: what must stand there, '\0': anything. */
static bool find_token(const char *value, char before, char behind, char ret[MMR_MAIL_TOKEN + 1])
{
    for (const char *p = value; *p;) {
        size_t n = 0;
        while (is_hex(p[n]))
            n++;
        if (n == MMR_MAIL_TOKEN && (!before || (p > value && p[-1] == before)) && (!behind || p[n] == behind)) {
            memcpy(ret, p, n);
            ret[n] = '\0';
            return true;
        }
        p += n ? n : 1;
    }
    return false;
}

/* "<KEY.TOKEN@domain>" */
static bool find_in_ids(const char *value, char ret[MMR_MAIL_TOKEN + 1])
{
    return find_token(value, '.', '@', ret);
}

/* ---- a parameter of Content-Type ---- */

static bool find_parameter(const char *value, const char *name, char *buf, size_t cap)
{
    size_t len = strlen(name);
    for (const char *p = strchr(value, ';'); p; p = strchr(p, ';')) {
        p++;
        p += strspn(p, " \t");
        if (strncasecmp(p, name, len) != 0 || p[len] != '=')
            continue;
        p += len + 1;
        bool is_quoted = *p == '"';
        p += is_quoted;
        size_t n = strcspn(p, is_quoted ? "\"" : "; \t");
        if (!n || n >= cap)
            return false;
        memcpy(buf, p, n);
        buf[n] = '\0';
        return true;
    }
    return false;
}

static bool is_type(const char *value, const char *type)
{
    size_t n = strlen(type);
    return strncasecmp(value, type, n) == 0 && (!value[n] || strchr("; \t", value[n]));
}

/* ---- a delivery status notice ---- */

/* A part's content: up to the next line of the boundary, which is taken. False: there is none any more. */
static bool next_part(struct text *t, const char *boundary, struct text *ret)
{
    struct text line;
    size_t n = strlen(boundary);
    const char *begin = t->p;
    while (next_line(t, &line)) {
        if (line.end - line.p < (ptrdiff_t)n + 2 || memcmp(line.p, "--", 2) != 0 || memcmp(line.p + 2, boundary, n) != 0)
            continue;
        *ret = (struct text){begin, line.p};
        return true;
    }
    *ret = (struct text){begin, t->end}; /* cut: what is there still counts */
    return begin < t->end;
}

static int level_of(const char *action)
{
    static const struct {
        const char *word;
        int level;
    } rows[] = {
        {"delivered", MMR_DELIVERY_RECIPIENT}, {"failed", MMR_DELIVERY_FAILED},
        {"relayed", MMR_DELIVERY_GATEWAY},     {"expanded", MMR_DELIVERY_GATEWAY}, /* to a system that tells nothing; to a list */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strncasecmp(action, rows[i].word, strlen(rows[i].word)) == 0)
            return rows[i].level;
    return MMR_DELIVERY_TRIED; /* delayed: nothing is decided yet */
}

static void read_status(struct text part, struct mmr_mail_answer *a, struct field *f)
{
    bool has_level = false;
    for (int i = 0; part.p < part.end && i < FIELDS_MAX; i++) {
        if (!next_field(&part, f))
            continue; /* the next recipient */
        if (is_field(f, "Original-Envelope-Id"))
            (void)find_token(f->value, '\0', '\0', a->token);
        else if (is_field(f, "Action") && !has_level) { /* our mails have one recipient */
            a->level = level_of(f->value);
            has_level = true;
        }
    }
}

static void read_report(struct text body, const char *boundary, struct mmr_mail_answer *a, struct field *f)
{
    char of_mail[MMR_MAIL_TOKEN + 1] = "";
    struct text part;
    if (!next_part(&body, boundary, &part)) /* what stands before the first */
        return;
    for (int k = 0; k < 8 && next_part(&body, boundary, &part); k++) {
        char type[128] = "";
        for (int i = 0; i < FIELDS_MAX && next_field(&part, f); i++)
            if (is_field(f, "Content-Type"))
                (void)snprintf(type, sizeof type, "%.127s", f->value);
        if (is_type(type, "message/delivery-status") || is_type(type, "message/global-delivery-status"))
            read_status(part, a, f);
        else if (is_type(type, "message/rfc822") || is_type(type, "text/rfc822-headers") || is_type(type, "message/rfc822-headers"))
            for (int i = 0; i < FIELDS_MAX && next_field(&part, f); i++)
                if (is_field(f, "Message-ID"))
                    (void)find_in_ids(f->value, of_mail);
    }
    if (!a->token[0]) /* a server that does not know envelope ids gives back the mail's head */
        memcpy(a->token, of_mail, sizeof of_mail);
    if (a->token[0] && a->level != MMR_DELIVERY_TRIED)
        a->kind = MMR_MAIL_STATUS;
}

/* ---- all of it ---- */

static bool is_automatic(const struct field *f)
{
    if (is_field(f, "Auto-Submitted"))
        return strncasecmp(f->value, "no", 2) != 0;
    if (is_field(f, "Precedence"))
        return strcasecmp(f->value, "bulk") == 0 || strcasecmp(f->value, "junk") == 0 || strcasecmp(f->value, "list") == 0 || strcasecmp(f->value, "auto_reply") == 0;
    return is_field(f, "X-Autoreply") || is_field(f, "X-Autorespond") || is_field(f, "List-Id") || (is_field(f, "Return-Path") && strncmp(f->value, "<>", 2) == 0);
}

struct mmr_mail_answer mmr_mail_answer(const char *mail, size_t len)
{
    struct mmr_mail_answer a = {.level = MMR_DELIVERY_TRIED};
    struct text t = {mail, mail + (len < MMR_MAIL_BYTES_MAX ? len : MMR_MAIL_BYTES_MAX)};
    struct field f = {.name = ""};
    char boundary[BOUNDARY_MAX + 1] = "", kind[64] = "", token[MMR_MAIL_TOKEN + 1] = "";
    bool is_report = false, is_program = false;
    for (int i = 0; i < FIELDS_MAX && next_field(&t, &f); i++) {
        is_program |= is_automatic(&f);
        if (is_field(&f, "Content-Type") && is_type(f.value, "multipart/report")) {
            is_report = true;
            (void)find_parameter(f.value, "report-type", kind, sizeof kind);
            (void)find_parameter(f.value, "boundary", boundary, sizeof boundary);
        } else if (is_field(&f, "In-Reply-To") || (is_field(&f, "References") && !token[0])) {
            (void)find_in_ids(f.value, token);
        } else if (is_field(&f, "Subject") && !token[0]) {
            (void)find_token(f.value, '\0', '\0', token);
        }
    }
    if (is_report) { /* of another kind (a read receipt): nobody's words */
        if (strcasecmp(kind, "delivery-status") == 0 && boundary[0])
            read_report(t, boundary, &a, &f);
        return a;
    }
    if (!token[0])
        return a;
    memcpy(a.token, token, sizeof token);
    a.kind = is_program ? MMR_MAIL_AUTOMATIC : MMR_MAIL_REPLY;
    a.level = is_program ? (int)MMR_DELIVERY_TRIED : (int)MMR_DELIVERY_CONFIRMED;
    return a;
}
