/*
 * authfail.c - failed log-ins. Every failing line becomes a hint (no incident by itself); many from one
 * source, or over many accounts, become one finding; a success from a source that guessed becomes a
 * high one. Which lines fail is the table in patterns.c.
 */
#include <mamori/event.h>
#include <mamori/plugin.h>

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "match.h"
#include "sessions.h"
#include "sources.h"
#include "syslog.h"

enum { SOURCES = 16384 };

struct authfail_config {
    int64_t failures, window, spray_users, spray_window;
};
struct authfail_self {
    const struct mmr_host *host;
    const struct authfail_config *config;
    struct mmr_auth_matcher *matcher;
    struct mmr_sources *sources; /* by address of the client */
    struct mmr_ssh_sessions *ssh;
    struct mmr_event_view view;
    struct mmr_outev out;
    uint8_t buf[MMR_EVENT_BYTES_MAX];
};

static const struct mmr_cfg_key config_keys[] = {
    MMR_CFG(struct authfail_config, failures, MMR_CFG_INT, 0, "5", 2, 60, "failures from one source that make a finding"),
    MMR_CFG(struct authfail_config, window, MMR_CFG_MSEC, 0, "2m", 1000, 86400000, "within this time"),
    MMR_CFG(struct authfail_config, spray_users, MMR_CFG_INT, 0, "4", 2, 30, "accounts tried from one source that make a spray"),
    MMR_CFG(struct authfail_config, spray_window, MMR_CFG_MSEC, 0, "10m", 1000, 86400000, "within this time"),
    {0},
};

struct failure { /* one, whatever it was read from */
    const char *service, *title;
    int klass;
    struct mmr_slice host, user, device;
    const char *other;
    int64_t time_ns;
};

static struct mmr_slice text_of(const struct mmr_event_view *v, const char *key)
{
    size_t n = 0;
    const char *p = mmr_event_get_str(v, key, &n);
    return (struct mmr_slice){p, (uint32_t)n, 0};
}

static uint64_t hash(struct mmr_slice s)
{
    uint64_t h = 14695981039346656037u;
    for (uint32_t i = 0; i < s.n; i++) {
        uint8_t c = (uint8_t)s.p[i];
        h = (h ^ (c >= 'A' && c <= 'Z' ? c + 32u : c)) * 1099511628211u;
    }
    return h ^ h >> 29;
}

/* "inbound", "internal" (a private address), "local", or NULL where only a name is known */
static const char *direction(struct mmr_slice host)
{
    char text[INET6_ADDRSTRLEN];
    struct in_addr a;
    struct in6_addr a6;
    if (!host.n || host.n >= sizeof text)
        return NULL;
    memcpy(text, host.p, host.n);
    text[host.n] = '\0';
    if (inet_pton(AF_INET, text, &a) == 1) {
        uint32_t v = ntohl(a.s_addr);
        if (v >> 24 == 127)
            return "local";
        bool is_private = v >> 24 == 10 || v >> 20 == 0xac1 || v >> 16 == 0xc0a8 || v >> 16 == 0xa9fe || v >> 22 == 0x191;
        return is_private ? "internal" : "inbound";
    }
    if (inet_pton(AF_INET6, text, &a6) != 1)
        return NULL;
    if (IN6_IS_ADDR_LOOPBACK(&a6))
        return "local";
    return (a6.s6_addr[0] & 0xfe) == 0xfc || IN6_IS_ADDR_LINKLOCAL(&a6) ? "internal" : "inbound";
}

/* ---- findings ---- */

static void begin(struct authfail_self *s, const struct failure *f, const char *rule, const char *title, const char *potential,
                  uint32_t severity)
{
    struct mmr_outev *o = &s->out;
    char input[256];
    bool has_input = mmr_event_copy_str(&s->view, "mamori.input", input, sizeof input);
    struct mmr_origin from = {has_input ? input : NULL, (uint64_t)mmr_event_get_int(&s->view, "mamori.index", 0), f->time_ns};
    mmr_out_begin_severity(o, s->buf, sizeof s->buf, "finding", MMR_CLASS_FINDING, 1, &from, severity);
    mmr_out_str(o, "mamori.rule", rule);
    mmr_out_str(o, "finding_info.title", title);
    mmr_out_str(o, "mamori.potential", potential);
    mmr_out_str(o, "mamori.direction", f->other ? NULL : direction(f->host));
    mmr_out_slice(o, "device.hostname", f->device);
    mmr_out_slice(o, "device.ip", text_of(&s->view, "device.ip"));
    if (f->host.n && !f->other && !mmr_out_addr(o, "src_endpoint.ip", f->host))
        mmr_out_slice(o, "src_endpoint.hostname", f->host);
    mmr_out_slice(o, "user.name", f->user);
    mmr_out_slice(o, "metadata.log_name", text_of(&s->view, "metadata.log_name"));
    mmr_out_slice(o, "metadata.log_provider", text_of(&s->view, "metadata.log_provider"));
    mmr_out_slice(o, "metadata.event_code", text_of(&s->view, "metadata.event_code"));
}

/* What else the record says goes with the hint. */
static void copy_fields(struct authfail_self *s)
{
    for (uint32_t i = 0; i < s->view.n; i++) {
        const struct mmr_field *f = &s->view.f[i];
        char key[MMR_EVENT_KEY_MAX + 1];
        bool is_wanted = (f->key_len > 9 && memcmp(f->key, "unmapped.", 9) == 0) ||
                         (f->key_len > 8 && memcmp(f->key, "process.", 8) == 0) ||
                         (f->key_len > 5 && memcmp(f->key, "user.", 5) == 0) ||
                         (f->key_len > 13 && memcmp(f->key, "src_endpoint.", 13) == 0);
        if (!is_wanted || f->key_len > MMR_EVENT_KEY_MAX)
            continue;
        memcpy(key, f->key, f->key_len);
        key[f->key_len] = '\0';
        if (f->v.type == MMR_VAL_STR)
            mmr_out_strn(&s->out, key, (const char *)f->v.p, f->v.len);
        else if (f->v.type == MMR_VAL_INT)
            mmr_out_int(&s->out, key, f->v.n.i);
    }
}

static void emit(struct authfail_self *s, const char *message, const char *const *attack, size_t n)
{
    mmr_out_str(&s->out, "message", message);
    mmr_out_strv(&s->out, "mamori.attack", attack, n);
    (void)mmr_event_emit(&s->out.ev, s->host); /* refused when the bus is full: the host counts that */
}

static int cut(struct mmr_slice s, int most)
{
    return (int)s.n > most ? most : (int)s.n;
}

static void hint(struct authfail_self *s, const struct failure *f)
{
    char rule[64], text[400];
    const char *guess[] = {"T1110"}, *scan[] = {"T1595"};
    (void)snprintf(rule, sizeof rule, "mamori.authfail.%s", f->service);
    begin(s, f, rule, f->title, "info", 1);
    if (f->other) { /* the line can be read two ways */
        char first[256];
        const char *both[2] = {first, f->other};
        (void)snprintf(first, sizeof first, "%.*s", cut(f->host, 250), f->host.p);
        mmr_out_strv(&s->out, "unmapped.possible_sources", both, 2);
    }
    copy_fields(s);
    if (f->other)
        (void)snprintf(text, sizeof text, "%s; the line names two addresses, one of them written by the client", f->title);
    else if (f->user.n)
        (void)snprintf(text, sizeof text, "%s: %.*s as '%.*s'", f->title, cut(f->host, 120), f->host.n ? f->host.p : "",
                       cut(f->user, 100), f->user.p);
    else
        (void)snprintf(text, sizeof text, "%s: %.*s", f->title, cut(f->host, 120), f->host.n ? f->host.p : "");
    emit(s, text, f->klass == MMR_AUTH_FAIL ? guess : scan, 1);
}

static void guessing(struct authfail_self *s, const struct failure *f, struct mmr_source *e, uint32_t count, bool is_spray)
{
    char text[400];
    const char *attack[] = {is_spray ? "T1110.003" : "T1110.001"};
    begin(s, f, is_spray ? "mamori.authfail.spray" : "mamori.authfail.guessing",
          is_spray ? "Password spraying" : "Password guessing", "low", 3);
    mmr_out_str(&s->out, "mamori.phase", "attempt.inbound");
    mmr_out_int(&s->out, "count", count);
    (void)snprintf(text, sizeof text, "password %s: %u failed log-ins from %.*s over %u account%s (%s)",
                   is_spray ? "spraying" : "guessing", count, cut(f->host, 120), f->host.p, e->users,
                   e->users == 1 ? "" : "s", f->service);
    emit(s, text, attack, 1);
    e->is_told = true;
}

static void failed(struct authfail_self *s, struct failure *f)
{
    hint(s, f);
    if (f->klass != MMR_AUTH_FAIL || !f->host.n || f->other) /* two readings of who it was: nobody is blamed */
        return;
    const int64_t ms = 1000000;
    int64_t window = s->config->window * ms, spray_window = s->config->spray_window * ms;
    struct mmr_source *e = mmr_sources_get(s->sources, hash(f->host), true);
    uint32_t far = mmr_source_fail(e, f->time_ns, spray_window > window ? spray_window : window,
                                   f->user.n ? (uint32_t)hash(f->user) : 0);
    if (e->is_told)
        return;
    uint32_t near = 0;
    for (uint32_t i = 0; i < e->n; i++)
        near += e->last_ns - e->time_ns[i] <= window;
    bool is_spray = e->users >= (uint64_t)s->config->spray_users && far >= (uint64_t)s->config->spray_users;
    if (is_spray || near >= (uint64_t)s->config->failures)
        guessing(s, f, e, is_spray ? far : near, is_spray);
}

static void let_in(struct authfail_self *s, const struct failure *f)
{
    char text[400];
    const char *attack[] = {"T1110", "T1078"};
    struct mmr_source *e = f->host.n ? mmr_sources_get(s->sources, hash(f->host), false) : NULL;
    int64_t window = s->config->spray_window * 1000000;
    if (!e || !e->is_told || e->is_let_in || f->time_ns < e->last_ns - window || f->time_ns - e->last_ns > window)
        return;
    e->is_let_in = true;
    begin(s, f, "mamori.authfail.let_in", "Log-in after password guessing", "high", 5);
    mmr_out_str(&s->out, "mamori.phase", "account");
    (void)snprintf(text, sizeof text, "%.*s logged in as '%.*s' after %u failed attempts", cut(f->host, 120), f->host.p,
                   cut(f->user, 100), f->user.n ? f->user.p : "", e->n);
    emit(s, text, attack, 2);
}

/* ---- sshd: several lines of one connection ---- */

/* Of the connection this event is about; 0 where no process id is known. pid: of the line's head, or absent. */
static uint64_t session_key(struct authfail_self *s, struct mmr_slice device, struct mmr_slice pid)
{
    char digits[24];
    if (!pid.n) { /* a collector took the head off */
        int64_t n = mmr_event_get_int(&s->view, "process.pid", 0);
        if (n <= 0)
            return 0;
        pid = (struct mmr_slice){digits, (uint32_t)snprintf(digits, sizeof digits, "%" PRId64, n), 0};
    }
    uint64_t key = hash(device) * 31 ^ hash(pid);
    return key ? key : 1;
}

static bool is_same(const char *kept, struct mmr_slice s)
{
    char other[64];
    mmr_ssh_session_keep(other, s);
    return strcmp(kept, other) == 0;
}

/* The refused password that waited was a failure after all. */
static void count_pending(struct authfail_self *s, struct mmr_ssh_session *e, const struct failure *now)
{
    char host[64], user[64];
    memcpy(host, e->host, sizeof host);
    memcpy(user, e->user, sizeof user);
    struct failure f = {.service = "sshd", .title = "Failed log-in", .klass = MMR_AUTH_FAIL, .device = now->device, .time_ns = now->time_ns};
    f.host = (struct mmr_slice){host, (uint32_t)strlen(host), 0};
    f.user = (struct mmr_slice){user, (uint32_t)strlen(user), 0};
    e->is_pending = false;
    if (f.host.n)
        failed(s, &f);
}

/* What the line means within its connection: true where f (completed) is to be told. */
static bool in_session(struct authfail_self *s, const struct mmr_auth_hit *hit, struct mmr_slice pid, struct failure *f, char host[64])
{
    int klass = hit->pattern->klass;
    bool is_recall = klass == MMR_AUTH_RECALL_FAIL || klass == MMR_AUTH_RECALL_PROBE;
    uint64_t key = session_key(s, f->device, pid);
    struct mmr_ssh_session *e = key ? mmr_ssh_session_get(s->ssh, key, f->time_ns, !is_recall) : NULL;
    if (e && klass == MMR_AUTH_PENDING && e->is_pending && !is_same(e->user, hit->user))
        count_pending(s, e, f); /* the next account: the one before was tried, not mistyped */
    if (e && !is_recall && f->host.n && !f->other)
        mmr_ssh_session_keep(e->host, f->host);
    if (klass == MMR_AUTH_LEARN)
        return false;
    if (klass == MMR_AUTH_PENDING) {
        if (e) {
            mmr_ssh_session_keep(e->user, hit->user);
            e->is_pending = true;
        }
        return false;
    }
    if (is_recall) {
        if (!e || !e->host[0])
            return false; /* who it was is not known: nobody is blamed, and there is nothing to tell */
        memcpy(host, e->host, sizeof e->host);
        f->host = (struct mmr_slice){host, (uint32_t)strlen(host), 0};
        f->klass = klass == MMR_AUTH_RECALL_FAIL ? MMR_AUTH_FAIL : MMR_AUTH_PROBE;
    } else if (klass == MMR_AUTH_END) {
        f->klass = MMR_AUTH_PROBE;
        mmr_ssh_session_end(e);
    } else if (e && klass == MMR_AUTH_FAIL) {
        e->is_pending = false; /* sshd says it itself */
    }
    return true;
}

/* Somebody got in: with another account than the one whose password was refused before? */
static void session_opened(struct authfail_self *s, const struct failure *f)
{
    uint64_t key = session_key(s, f->device, (struct mmr_slice){0});
    struct mmr_ssh_session *e = key ? mmr_ssh_session_get(s->ssh, key, f->time_ns, false) : NULL;
    if (e && e->is_pending && !is_same(e->user, f->user))
        count_pending(s, e, f);
    mmr_ssh_session_end(e);
}

/* ---- events ---- */

static struct mmr_slice source_of(const struct mmr_event_view *v)
{
    struct mmr_slice h = text_of(v, "src_endpoint.ip");
    if (!h.n)
        h = text_of(v, "src_endpoint.hostname");
    return h;
}

static void log_line(struct authfail_self *s, const struct failure *when)
{
    struct mmr_slice line = text_of(&s->view, "message"), provider = text_of(&s->view, "metadata.log_provider");
    struct mmr_auth_hit hit;
    struct mmr_syslog head;
    char host[64];
    if (!line.n || line.n > 8192)
        return;
    mmr_syslog_read(line.p, line.n, &head);
    if (!head.app.n && provider.n) /* a collector took the head off */
        head.app = provider;
    if (!mmr_auth_match(s->matcher, head.app, head.msg, &hit))
        return;
    struct failure f = *when;
    f.service = hit.pattern->service;
    f.klass = hit.pattern->klass;
    f.host = (struct mmr_slice){hit.host, (uint32_t)strlen(hit.host), 0};
    f.user = hit.user;
    f.other = hit.is_ambiguous ? hit.other : NULL;
    if (strcmp(f.service, "sshd") == 0 && !in_session(s, &hit, head.pid, &f, host))
        return;
    f.title = f.klass == MMR_AUTH_FAIL ? "Failed log-in" : "Probing or abuse";
    failed(s, &f);
}

/* Does a query hand a page of another server over to be run? "?page=http://192.0.2.1/x.txt?": the last mark cuts off what the script adds */
static bool is_remote_file(struct mmr_slice path, struct mmr_slice query)
{
    static const char *const schemes[] = {"=http://", "=https://", "=ftp://"};
    if (path.n < 4 || memcmp(path.p + path.n - 4, ".php", 4) != 0 || !query.n || query.p[query.n - 1] != '?')
        return false;
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
        if (memmem(query.p, query.n, schemes[i], strlen(schemes[i])))
            return true;
    return false;
}

/* A line of a web server's access log. */
static void access_line(struct authfail_self *s, struct failure *f)
{
    const struct mmr_event_view *v = &s->view;
    int64_t code = mmr_event_get_int(v, "http_response.code", 0);
    struct mmr_slice path = text_of(v, "http_request.url.path");
    f->title = "Probing or abuse";
    f->klass = MMR_AUTH_PROBE;
    if (code == 404 && mmr_auth_is_bait(s->matcher, path)) {
        f->service = "web-botsearch";
    } else if (is_remote_file(path, text_of(v, "http_request.url.query_string"))) {
        f->service = "web-remote-file";
    } else if (code == 400) { /* what no browser sends: other protocols, requests that are cut or made up */
        f->service = "web-bad-request";
    } else if (code == 401 && f->user.n) { /* the first answer to everybody is 401 too: only with a name was something tried */
        f->service = "web-auth";
        f->title = "Failed log-in";
        f->klass = MMR_AUTH_FAIL;
    } else {
        return;
    }
    if (f->klass == MMR_AUTH_PROBE)
        f->user = (struct mmr_slice){0};
    failed(s, f);
}

static int authfail_event(void *self, const void *msgpack, size_t len, struct mmr_error *err)
{
    struct authfail_self *s = self;
    int r = mmr_event_read(msgpack, len, &s->view, err);
    if (r != 0)
        return r;
    const struct mmr_event_view *v = &s->view;
    const struct mmr_value *kind = mmr_event_get(v, "mamori.kind");
    struct failure f = {.time_ns = mmr_event_get_int(v, "time", 0), .device = text_of(v, "device.hostname")};
    if (mmr_value_is(kind, "log.record")) {
        log_line(s, &f);
        return 0;
    }
    f.host = source_of(v);
    f.user = text_of(v, "user.name");
    if (mmr_value_is(kind, "auth.logon")) {
        session_opened(s, &f);
        let_in(s, &f);
    } else if (mmr_value_is(kind, "auth.fail")) {
        bool is_audit = mmr_value_is(mmr_event_get(v, "metadata.log_name"), "auditd");
        f.service = is_audit ? "auditd" : "windows";
        f.title = "Failed log-in";
        f.klass = MMR_AUTH_FAIL;
        failed(s, &f);
    } else if (mmr_value_is(kind, "http.request") && mmr_value_is(mmr_event_get(v, "metadata.log_name"), "access")) {
        access_line(s, &f);
    }
    return 0;
}

/* ---- life ---- */

static void authfail_destroy(void *self)
{
    struct authfail_self *s = self;
    if (!s)
        return;
    mmr_auth_matcher_free(s->matcher);
    mmr_sources_free(s->sources);
    mmr_ssh_sessions_free(s->ssh);
    free(s);
}

static int authfail_create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    struct authfail_self *s = calloc(1, sizeof *s);
    if (!s)
        return mmr_fail(err, MMR_ENOMEM, "authfail: out of memory");
    s->host = host;
    s->config = config;
    int r = mmr_auth_matcher_new(&s->matcher, err);
    if (r == 0)
        r = mmr_sources_new(SOURCES, &s->sources, err);
    if (r == 0 && !(s->ssh = mmr_ssh_sessions_new()))
        r = mmr_fail(err, MMR_ENOMEM, "authfail: out of memory");
    if (r != 0) {
        authfail_destroy(s);
        return r;
    }
    *ret_self = s;
    return 0;
}

static const char *const emits[] = {"finding", NULL};
static const char *const reads[] = {"log.record", "auth.fail", "auth.logon", "http.request", NULL};
static const struct mmr_analyzer_ops analyzer = {.struct_size = sizeof analyzer, .event = authfail_event};

MMR_PLUGIN(authfail) = {
    MMR_PLUGIN_HEAD,
    .side = MMR_SIDE_ENDPOINT,
    .detects = MMR_DETECT_HOST,
    .id = "org.mamori.authfail",
    .name = "authfail",
    .version = "0.1.0",
    .vendor = "mamori",
    .license = "Apache-2.0",
    .doc = "Failed log-ins, password guessing and spraying, and log-ins that follow them, from the logs of PCs and servers",
    .events = emits,
    .subscribes = reads,
    .config = config_keys,
    .config_size = sizeof(struct authfail_config),
    .create = authfail_create,
    .destroy = authfail_destroy,
    .analyzer = &analyzer,
};
