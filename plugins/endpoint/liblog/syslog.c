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

/* "auth.info " or "<auth.info> ": facility and severity by their names (OpenWrt, BSD, busybox) */
static bool skip_named_priority(struct cur *c)
{
    static const struct mmr_slice facilities[] = {
        MMR_SLICE("kern"), MMR_SLICE("user"), MMR_SLICE("mail"), MMR_SLICE("daemon"), MMR_SLICE("auth"), MMR_SLICE("syslog"),
        MMR_SLICE("lpr"), MMR_SLICE("news"), MMR_SLICE("uucp"), MMR_SLICE("cron"), MMR_SLICE("authpriv"), MMR_SLICE("ftp"),
        MMR_SLICE("security"), MMR_SLICE("console"), MMR_SLICE("local0"), MMR_SLICE("local1"), MMR_SLICE("local2"),
        MMR_SLICE("local3"), MMR_SLICE("local4"), MMR_SLICE("local5"), MMR_SLICE("local6"), MMR_SLICE("local7")};
    static const struct mmr_slice severities[] = {
        MMR_SLICE("emerg"), MMR_SLICE("panic"), MMR_SLICE("alert"), MMR_SLICE("crit"), MMR_SLICE("err"), MMR_SLICE("error"),
        MMR_SLICE("warn"), MMR_SLICE("warning"), MMR_SLICE("notice"), MMR_SLICE("info"), MMR_SLICE("debug")};
    struct cur t = *c;
    struct mmr_slice w = word(&t);
    if (w.n > 2 && w.p[0] == '<' && w.p[w.n - 1] == '>') {
        w.p++;
        w.n -= 2;
    }
    const char *dot = w.n && w.n < 24 ? memchr(w.p, '.', w.n) : NULL;
    if (!dot)
        return false;
    struct mmr_slice facility = {w.p, (uint32_t)(dot - w.p), 0}, severity = {dot + 1, (uint32_t)(w.p + w.n - dot - 1), 0};
    if (!mmr_slice_in(facility, facilities, sizeof facilities / sizeof facilities[0]) ||
        !mmr_slice_in(severity, severities, sizeof severities / sizeof severities[0]))
        return false;
    *c = t;
    return true;
}

/* "1715649600.123456 " in front: seconds since 1970, as journalctl and some collectors write them */
static bool epoch_stamp(struct cur *c, struct mmr_stamp *ret)
{
    int64_t ns;
    size_t used = mmr_stamp_epoch(c->p, (size_t)(c->end - c->p), &ns);
    if (used < 12 || c->p[10] != '.' || c->p + used >= c->end || c->p[used] != ' ')
        return false;
    *ret = (struct mmr_stamp){.ns = ns, .has_zone = true, .has_year = true, .has_offset = true, .len = used};
    return true;
}

void mmr_syslog_read(const char *line, size_t len, struct mmr_syslog *ret)
{
    struct cur c = {line, line + len};
    struct mmr_syslog r = {.pri = -1};
    if (len && line[0] == '<')
        priority(&c, &r);
    if (c.end - c.p > 2 && c.p[0] == '1' && c.p[1] == ' ') {
        struct cur t = {c.p + 2, c.end};
        struct mmr_slice when = word(&t);
        bool has_stamp = mmr_stamp_read(when.p, when.n, &r.stamp);
        if (has_stamp || (r.pri >= 0 && when.n == 1 && when.p[0] == '-')) {
            r.is_5424 = r.has_head = true;
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
    if (r.pri >= 0 && c.p < c.end && (*c.p == '*' || *c.p == '.') && c.end - c.p > 15) /* a clock that is not in step */
        c.p++;
    const struct cur start = c;
    bool has_stamp = mmr_stamp_read(c.p, (size_t)(c.end - c.p), &r.stamp);
    bool is_epoch = !has_stamp && epoch_stamp(&c, &r.stamp);
    has_stamp = (has_stamp || is_epoch) && c.p + r.stamp.len < c.end;
    if (has_stamp && c.p[r.stamp.len] == ':' && r.pri >= 0 && c.p + r.stamp.len + 1 < c.end)
        r.stamp.len++;
    if (has_stamp && c.p[r.stamp.len] == ' ') {
        c.p += r.stamp.len + 1;
        while (c.p < c.end && *c.p == ' ')
            c.p++;
        (void)skip_named_priority(&c);
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
        if (r.stamp.len)
            (void)skip_named_priority(&t);
        if (is_host(host) && tag(&t, &r) && !r.stamp.len && r.pri < 0 && !r.pid.n) {
            r = bare; /* "Login failed: ..": two words of a sentence, not a machine and a program */
        } else if (r.app.p) {
            r.host = host;
            r.has_head |= r.stamp.len != 0 || r.pid.n;
            c = t;
        }
    }
    if (is_epoch && !r.app.p) { /* an access log of its own form, which stays whole */
        r.stamp = (struct mmr_stamp){0};
        c = start;
    }
    if (r.app.p)
        skip_msgid(&c);
    r.msg = (struct mmr_slice){c.p, (uint32_t)(c.end - c.p), 0};
    *ret = r;
}
