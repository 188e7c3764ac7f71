/* syslog.c - splits the head off a log line. */
#include "syslog.h"

#include <string.h>

struct cur {
    const char *p, *end;
};

static struct mmr_slice word(struct cur *c)
{
    const char *start = c->p, *sp = memchr(c->p, ' ', (size_t)(c->end - c->p));
    struct mmr_slice s = {start, (uint32_t)((sp ? sp : c->end) - start), 0};
    c->p = sp ? sp + 1 : c->end;
    return s;
}

static bool is_tag_char(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
           (ch && strchr("-_./()@+", ch));
}

/* "sshd[12]:", "vsftpd(pam_unix)[15522]:", "[sshd]:", "[sshd]" at c: the program, its pid; then c is behind it. */
static bool tag(struct cur *c, struct mmr_syslog *r)
{
    const char *p = c->p;
    bool is_boxed = p < c->end && *p == '[';
    if (is_boxed)
        p++;
    const char *name = p;
    while (p < c->end && is_tag_char(*p) && p - name < 64)
        p++;
    struct mmr_slice app = {name, (uint32_t)(p - name), 0}, pid = {0};
    if (!app.n || p >= c->end)
        return false;
    if (is_boxed) {
        bool has_letter = false; /* "[5718]" in front of a message is a pid, "[sshd]" a program */
        for (uint32_t i = 0; i < app.n; i++)
            has_letter |= (name[i] | 0x20) >= 'a' && (name[i] | 0x20) <= 'z';
        if (*p++ != ']' || !has_letter || app.n < 2)
            return false;
        if (p < c->end && *p == ':')
            p++;
        else if (!mmr_slice_is(app, "sshd")) /* "[client 1.2.3.4]", "[error]" are no programs */
            return false;
    } else {
        if (*p == '[') {
            pid.p = ++p;
            while (p < c->end && *p != ']' && p - pid.p < 24)
                p++;
            if (p >= c->end || *p != ']')
                return false;
            pid.n = (uint32_t)(p++ - pid.p);
        }
        if (p >= c->end || *p != ':')
            return false;
        p++;
        if (p < c->end && *p != ' ') /* "H=..", "10:20:30", "http://": no tag */
            return false;
    }
    const char *paren = memchr(app.p, '(', app.n);
    if (paren && paren != app.p)
        app.n = (uint32_t)(paren - app.p);
    r->app = app;
    r->pid = pid;
    while (p < c->end && *p == ' ')
        p++;
    c->p = p;
    return true;
}

static bool is_host(struct mmr_slice s)
{
    if (!s.n || s.n > 255)
        return false;
    for (uint32_t i = 0; i < s.n; i++) {
        char ch = s.p[i];
        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') || strchr("-_.:%", ch)) || !ch)
            return false;
    }
    return s.p[s.n - 1] != ':';
}

static struct mmr_slice or_nil(struct mmr_slice s)
{
    if (s.n == 1 && s.p[0] == '-')
        s = (struct mmr_slice){0};
    return s;
}

/* Structured data: "-" or [id k="v\"x"]... */
static void skip_sd(struct cur *c)
{
    if (c->p < c->end && *c->p == '-') {
        c->p++;
    } else {
        while (c->p < c->end && *c->p == '[') {
            bool in_quotes = false;
            for (c->p++; c->p < c->end; c->p++) {
                if (in_quotes && *c->p == '\\' && c->end - c->p > 1)
                    c->p++;
                else if (*c->p == '"')
                    in_quotes = !in_quotes;
                else if (*c->p == ']' && !in_quotes)
                    break;
            }
            if (c->p < c->end)
                c->p++;
        }
    }
    while (c->p < c->end && *c->p == ' ')
        c->p++;
    if (c->end - c->p >= 3 && memcmp(c->p, "\xef\xbb\xbf", 3) == 0)
        c->p += 3;
}

static void priority(struct cur *c, struct mmr_syslog *r)
{
    const char *p = c->p + 1;
    int v = 0;
    while (p < c->end && *p >= '0' && *p <= '9' && p - c->p <= 3)
        v = v * 10 + (*p++ - '0');
    if (p < c->end && *p == '>' && p > c->p + 1 && v <= 191) {
        r->pri = v;
        r->has_head = true;
        c->p = p + 1;
    }
}

/* Solaris puts "[ID 800047 auth.info] " between the tag and the text. */
static void skip_msgid(struct cur *c)
{
    if (c->end - c->p > 5 && memcmp(c->p, "[ID ", 4) == 0) {
        const char *close = memchr(c->p, ']', (size_t)(c->end - c->p));
        if (close && close - c->p < 48) {
            c->p = close + 1;
            while (c->p < c->end && *c->p == ' ')
                c->p++;
        }
    }
}

void mmr_syslog_read(const char *line, size_t len, struct mmr_syslog *ret)
{
    struct cur c = {line, line + len};
    struct mmr_syslog r = {.pri = -1};
    if (len && line[0] == '<')
        priority(&c, &r);
    if (r.pri >= 0 && c.end - c.p > 2 && c.p[0] == '1' && c.p[1] == ' ') {
        struct cur t = {c.p + 2, c.end};
        struct mmr_slice when = word(&t);
        bool has_stamp = mmr_stamp_read(when.p, when.n, &r.stamp);
        if (has_stamp || (when.n == 1 && when.p[0] == '-')) {
            r.is_5424 = true;
            r.host = or_nil(word(&t));
            r.app = or_nil(word(&t));
            r.pid = or_nil(word(&t));
            r.msg_id = or_nil(word(&t));
            skip_sd(&t);
            r.msg = (struct mmr_slice){t.p, (uint32_t)(t.end - t.p), 0};
            *ret = r;
            return;
        }
    }
    if (mmr_stamp_read(c.p, (size_t)(c.end - c.p), &r.stamp) && c.p + r.stamp.len < c.end && c.p[r.stamp.len] == ' ') {
        c.p += r.stamp.len + 1;
        while (c.p < c.end && *c.p == ' ')
            c.p++;
    } else {
        r.stamp = (struct mmr_stamp){0};
    }
    struct cur t = c;
    if (tag(&t, &r)) {
        c = t;
        r.has_head |= r.stamp.len != 0;
    } else {
        struct mmr_slice host = word(&t);
        struct mmr_syslog bare = r;
        if (is_host(host) && tag(&t, &r) && !r.stamp.len && r.pri < 0 && !r.pid.n) {
            r = bare; /* "Login failed: ..": two words of a sentence, not a machine and a program */
        } else if (r.app.p) {
            r.host = host;
            r.has_head |= r.stamp.len != 0 || r.pid.n;
            c = t;
        }
    }
    if (r.app.p)
        skip_msgid(&c);
    r.msg = (struct mmr_slice){c.p, (uint32_t)(c.end - c.p), 0};
    *ret = r;
}
