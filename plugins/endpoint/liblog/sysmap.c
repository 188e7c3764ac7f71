/* sysmap.c - what a plain log line says, as far as it is the same for every program. */
#include "sysmap.h"

#include <string.h>

bool mmr_sys_inner_stamp(struct mmr_slice msg, struct mmr_stamp *ret)
{
    const char *end = msg.p + msg.n;
    if (msg.n > 14 && msg.p[0] != '[' && mmr_stamp_read(msg.p, msg.n, ret))
        return true;
    const char *limit = end - msg.p > 512 ? msg.p + 512 : end;
    for (const char *p = msg.p; p < limit;) { /* the first '[' that opens a stamp */
        const char *box = memchr(p, '[', (size_t)(limit - p));
        if (!box)
            return false;
        if (mmr_stamp_read(box + 1, (size_t)(end - box - 1), ret))
            return true;
        p = box + 1;
    }
    return false;
}

/* host ident user [stamp] "METHOD path HTTP/1.1" status size "referrer" "agent" */
struct access {
    struct mmr_slice client, user, method, path, status, referrer, agent;
};

static bool quoted(const char **p, const char *end, struct mmr_slice *ret)
{
    const char *q = *p;
    if (q >= end || *q != '"')
        return false;
    const char *start = ++q;
    for (; q < end && *q != '"'; q++)
        if (*q == '\\' && end - q > 1)
            q++;
    if (q >= end)
        return false;
    *ret = (struct mmr_slice){start, (uint32_t)(q - start), 0};
    *p = q + 1;
    return true;
}

static bool is_method(struct mmr_slice s)
{
    if (s.n < 3 || s.n > 20)
        return false;
    for (uint32_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= 'A' && s.p[i] <= 'Z') || s.p[i] == '_'))
            return false;
    return true;
}

static bool read_access(struct mmr_slice msg, struct access *ret)
{
    const char *p = msg.p, *end = msg.p + msg.n;
    struct access a = {0};
    struct mmr_slice w[3], request;
    for (int i = 0; i < 3; i++) {
        const char *sp = memchr(p, ' ', (size_t)(end - p));
        if (!sp || sp == p)
            return false;
        w[i] = (struct mmr_slice){p, (uint32_t)(sp - p), 0};
        p = sp + 1;
    }
    struct mmr_stamp st;
    const char *close = p < end && *p == '[' ? memchr(p, ']', (size_t)(end - p)) : NULL;
    if (!close || !mmr_stamp_read(p + 1, (size_t)(close - p - 1), &st))
        return false;
    p = close + 1;
    if (p >= end || *p++ != ' ' || !quoted(&p, end, &request))
        return false;
    a.client = w[0];
    a.user = w[2];
    const char *sp = memchr(request.p, ' ', request.n);
    a.method = (struct mmr_slice){request.p, (uint32_t)((sp ? sp : request.p + request.n) - request.p), 0};
    if (sp && is_method(a.method)) {
        const char *path = sp + 1, *path_end = request.p + request.n;
        for (const char *q = path_end; q > path; q--) /* " HTTP/1.1" is behind the last space */
            if (q[-1] == ' ') {
                path_end = q - 1;
                break;
            }
        a.path = (struct mmr_slice){path, (uint32_t)(path_end - path), 0};
    } else {
        a.method = (struct mmr_slice){0};
    }
    if (p < end && *p == ' ') {
        const char *s = ++p;
        while (p < end && *p >= '0' && *p <= '9')
            p++;
        a.status = (struct mmr_slice){s, (uint32_t)(p - s), 0};
        while (p < end && *p == ' ')
            p++;
        while (p < end && *p != ' ')
            p++;
        if (p < end)
            p++;
        if (quoted(&p, end, &a.referrer) && p < end && *p == ' ') {
            p++;
            (void)quoted(&p, end, &a.agent);
        }
    }
    if (a.status.n != 3)
        return false;
    *ret = a;
    return true;
}

static void access_event(const struct access *a, const struct mmr_origin *from, struct mmr_outev *o, void *buf, size_t cap)
{
    int64_t code = 0;
    mmr_out_begin(o, buf, cap, "http.request", MMR_CLASS_HTTP, 1, from);
    mmr_out_str(o, "metadata.log_name", "access");
    if (!mmr_out_addr(o, "src_endpoint.ip", a->client))
        mmr_out_slice(o, "src_endpoint.hostname", a->client);
    mmr_out_slice(o, "http_request.http_method", a->method);
    const char *q = a->path.n ? memchr(a->path.p, '?', a->path.n) : NULL;
    struct mmr_slice path = a->path;
    if (q) {
        path.n = (uint32_t)(q - a->path.p);
        mmr_out_strn(o, "http_request.url.query_string", q + 1, (size_t)(a->path.p + a->path.n - q - 1));
    }
    mmr_out_slice(o, "http_request.url.path", path);
    if (a->referrer.n && !mmr_slice_is(a->referrer, "-"))
        mmr_out_slice(o, "http_request.referrer", a->referrer);
    if (a->agent.n && !mmr_slice_is(a->agent, "-"))
        mmr_out_slice(o, "http_request.user_agent", a->agent);
    if (a->user.n && !mmr_slice_is(a->user, "-"))
        mmr_out_slice(o, "user.name", a->user);
    if (mmr_slice_int(a->status, &code))
        mmr_out_int(o, "http_response.code", code);
}

/* "Accepted password for NAME from ADDR port N ssh2": a log-in that succeeded. The name is chosen by
 * the client, so the address is looked for from the end. */
struct accepted {
    struct mmr_slice method, user, ip, port;
};

static bool read_accepted(struct mmr_slice m, struct accepted *ret)
{
    static const char head[] = "Accepted ";
    const char *p = m.p, *end = m.p + m.n;
    if (m.n < sizeof head || memcmp(p, head, sizeof head - 1) != 0)
        return false;
    p += sizeof head - 1;
    const char *sp = memchr(p, ' ', (size_t)(end - p));
    if (!sp || end - sp < 6 || memcmp(sp, " for ", 5) != 0)
        return false;
    ret->method = (struct mmr_slice){p, (uint32_t)(sp - p), 0};
    const char *user = sp + 5, *from = NULL;
    for (const char *q = user; q + 6 <= end; q++)
        if (memcmp(q, " from ", 6) == 0)
            from = q;
    if (!from)
        return false;
    ret->user = (struct mmr_slice){user, (uint32_t)(from - user), 0};
    p = from + 6;
    sp = memchr(p, ' ', (size_t)(end - p));
    if (!sp)
        return false;
    ret->ip = (struct mmr_slice){p, (uint32_t)(sp - p), 0};
    ret->port = (struct mmr_slice){0};
    if (end - sp > 6 && memcmp(sp, " port ", 6) == 0) {
        p = sp + 6;
        sp = memchr(p, ' ', (size_t)(end - p));
        ret->port = (struct mmr_slice){p, (uint32_t)((sp ? sp : end) - p), 0};
    }
    return true;
}

static bool is_auth_program(struct mmr_slice app)
{
    static const char *const names[] = {"sshd", "sshd-session", "sudo", "su", "login", "polkitd", "systemd-logind"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (mmr_slice_is(app, names[i]))
            return true;
    return false;
}

void mmr_sys_event(const struct mmr_syslog *s, const char *line, size_t len, const struct mmr_origin *from,
                   struct mmr_outev *o, void *buf, size_t cap)
{
    struct access a;
    struct accepted acc;
    int64_t pid, port;
    bool is_sshd = mmr_slice_is(s->app, "sshd") || mmr_slice_is(s->app, "sshd-session");
    if (s->msg.n && s->msg.p[s->msg.n - 1] != ':' && read_access(s->msg, &a)) {
        access_event(&a, from, o, buf, cap);
    } else if (is_sshd && read_accepted(s->msg, &acc)) {
        mmr_out_begin(o, buf, cap, "auth.logon", MMR_CLASS_AUTH, 1, from);
        mmr_out_int(o, "status_id", 1);
        if (!mmr_out_addr(o, "src_endpoint.ip", acc.ip))
            mmr_out_slice(o, "src_endpoint.hostname", acc.ip);
        if (mmr_slice_int(acc.port, &port))
            mmr_out_int(o, "src_endpoint.port", port);
        mmr_out_slice(o, "user.name", acc.user);
        mmr_out_slice(o, "auth_protocol", acc.method);
    } else {
        mmr_out_begin(o, buf, cap, "log.record", MMR_CLASS_EVENT_LOG, 99, from);
    }
    mmr_out_slice(o, "device.hostname", s->host);
    int facility = s->pri >= 0 ? s->pri / 8 : -1;
    bool is_auth = facility == 4 || facility == 10 || (facility < 0 && is_auth_program(s->app));
    mmr_out_str(o, "metadata.log_name", is_auth ? "auth" : "syslog");
    mmr_out_slice(o, "metadata.log_provider", s->app);
    mmr_out_slice(o, "process.name", s->app);
    if (mmr_slice_int(s->pid, &pid))
        mmr_out_int(o, "process.pid", pid);
    if (s->pri >= 0) {
        mmr_out_int(o, "unmapped.facility", facility);
        mmr_out_int(o, "unmapped.severity", s->pri % 8);
    }
    mmr_out_slice(o, "metadata.event_code", s->msg_id);
    mmr_out_strn(o, "message", line, len); /* cut where every value is */
}
