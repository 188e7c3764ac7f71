/* decode.c - from a line to the parser that understands it. */
#include "charset.h"
#include "decode.h"

#include <stdlib.h>
#include <string.h>

#include "auditd.h"
#include "evemap.h"
#include "jsonscan.h"
#include "syslog.h"
#include "sysmap.h"
#include "winmap.h"
#include "winrec.h"
#include "zone.h"

struct mmr_logdec {
    enum mmr_log_format format;
    char *input;
    int64_t now_ns, last_ns; /* last_ns: time of the latest record that had one */
    struct mmr_logdec_stats stats;
    mmr_log_event *event; /* of the call in progress */
    void *ctx;
    uint64_t index;
    bool is_learning;
    uint8_t nesting; /* texts inside a record's field that are records themselves */
    char host[64]; /* of records that name none; "" none */
    struct mmr_charset *charset;
    struct mmr_js_doc doc;
    struct mmr_winrec rec;
    struct mmr_zones zones;
    struct mmr_audit_rec audit;
    struct mmr_audit_groups groups;
    struct mmr_fieldmemo memo;
    struct mmr_outev out;
    uint8_t buf[MMR_EVENT_BYTES_MAX];
};

static const struct {
    const char *name;
    enum mmr_log_format format;
} names[] = {
    {"winevent-json", MMR_LOG_WINEVENT}, {"sysmon-linux", MMR_LOG_SYSMON_LINUX}, {"auditd", MMR_LOG_AUDITD},
    {"syslog", MMR_LOG_SYSLOG}, {"eve", MMR_LOG_EVE},
};

int mmr_log_format_by_name(const char *name, enum mmr_log_format *ret, struct mmr_error *err)
{
    if (!name || strcmp(name, "auto") == 0) {
        *ret = MMR_LOG_AUTO;
        return 0;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i].name) == 0) {
            *ret = names[i].format;
            return 0;
        }
    return mmr_fail(err, MMR_EUNSUPPORTED,
                    "log format '%s' is not known; write winevent-json, sysmon-linux, auditd, syslog or eve", name);
}

const char *mmr_log_format_name(enum mmr_log_format f)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].format == f)
            return names[i].name;
    return "auto";
}

int mmr_logdec_new(enum mmr_log_format format, const char *input, int64_t now_ns, struct mmr_logdec **ret, struct mmr_error *err)
{
    struct mmr_logdec *d = calloc(1, sizeof *d);
    if (d && input)
        d->input = strdup(input);
    if (!d || (input && !d->input)) {
        free(d);
        return mmr_fail(err, MMR_ENOMEM, "log input '%s': out of memory", input ? input : "live");
    }
    d->format = format;
    d->now_ns = d->last_ns = now_ns;
    mmr_zones_init(&d->zones);
    mmr_audit_groups_init(&d->groups);
    *ret = d;
    return 0;
}

void mmr_logdec_free(struct mmr_logdec *d)
{
    if (!d)
        return;
    free(d->input);
    mmr_charset_free(d->charset);
    free(d);
}

void mmr_logdec_now(struct mmr_logdec *d, int64_t now_ns)
{
    d->now_ns = d->last_ns = now_ns;
}

void mmr_logdec_host(struct mmr_logdec *d, const char *name)
{
    (void)snprintf(d->host, sizeof d->host, "%s", name ? name : "");
}

bool mmr_logdec_is_open(const struct mmr_logdec *d)
{
    return d->groups.n > 0;
}

const struct mmr_logdec_stats *mmr_logdec_stats(const struct mmr_logdec *d)
{
    return &d->stats;
}

static struct mmr_origin origin(struct mmr_logdec *d, int64_t time_ns)
{
    d->last_ns = time_ns;
    return (struct mmr_origin){d->input, d->index, time_ns};
}

static void give(struct mmr_logdec *d, int64_t time_ns)
{
    d->stats.cut += d->out.left_out;
    if (d->host[0] && !mmr_out_has(&d->out, "device.hostname"))
        mmr_out_str(&d->out, "device.hostname", d->host);
    if (d->is_learning || mmr_event_end(&d->out.ev) != 0)
        return;
    d->stats.events++;
    d->event(d->ctx, d->out.ev.buf, d->out.ev.len, time_ns);
}

/* ---- Windows and Sysmon ---- */

static void windows(struct mmr_logdec *d)
{
    int64_t t = mmr_win_time(&d->rec, &d->zones, d->last_ns);
    if (d->is_learning)
        return;
    struct mmr_origin from = origin(d, t);
    d->out.charset = d->charset;
    mmr_win_event(&d->rec, &from, &d->memo, &d->out, d->buf, sizeof d->buf);
    give(d, t);
    d->out.charset = NULL;
}

static void xml(struct mmr_logdec *d, char *text, size_t len)
{
    if (mmr_winrec_from_xml(text, len, &d->rec, NULL) != 0) {
        d->stats.unreadable++;
        return;
    }
    windows(d);
}

/* ---- auditd ---- */

static void audit_done(void *ctx, const struct mmr_audit_group *g)
{
    struct mmr_logdec *d = ctx;
    struct mmr_origin from = {d->input, g->index, g->time_ns};
    mmr_audit_event(g, &from, &d->memo, &d->out, d->buf, sizeof d->buf);
    give(d, g->time_ns);
}

static void audit(struct mmr_logdec *d, char *line, size_t len, struct mmr_slice host)
{
    if (mmr_audit_read(line, len, &d->audit, NULL) != 0) {
        d->stats.unreadable++;
        return;
    }
    if (d->is_learning)
        return;
    if (host.p && !d->audit.node.p)
        d->audit.node = host;
    d->last_ns = d->audit.time_ns;
    mmr_audit_add(&d->groups, &d->audit, d->index, audit_done, d);
}

/* Where the kernel's own line holds an audit record: "[   12.345678] audit: type=1300 audit(..): ..". NULL: it does not. */
static const char *kernel_audit(struct mmr_slice msg)
{
    const char *at = memmem(msg.p, msg.n > 64 ? 64 : msg.n, "audit: type=", 12);
    return at ? at + 7 : NULL;
}

static bool is_audit(const char *p, size_t len)
{
    return len > 16 && (memcmp(p, "type=", 5) == 0 || memcmp(p, "node=", 5) == 0) && memmem(p, len > 300 ? 300 : len, "audit(", 6);
}

/* ---- text lines ---- */

static char *sysmon_xml(char *p, size_t len)
{
    char *at = memmem(p, len > 1024 ? 1024 : len, "<Event", 6);
    return at && at + 6 < p + len && (at[6] == '>' || at[6] == ' ') ? at : NULL;
}

static int64_t sys_time(struct mmr_logdec *d, const struct mmr_syslog *s)
{
    struct mmr_stamp st = s->stamp;
    if (!st.len && !mmr_sys_inner_stamp(s->msg, &st))
        return d->last_ns;
    return st.has_year ? st.ns : mmr_stamp_year(st.ns, d->now_ns);
}

static void json_line(struct mmr_logdec *d, char *line, size_t len);

/* A Windows record as JSON inside a line or a field? Other programs' JSON stays the text it is. */
static bool is_record(const struct mmr_logdec *d, struct mmr_slice s)
{
    if (s.n < 40 || s.p[0] != '{' || s.p[s.n - 1] != '}' || d->nesting > 1)
        return false;
    return memmem(s.p, s.n, "\"EventID\"", 9) || memmem(s.p, s.n, "\"event_id\"", 10) || memmem(s.p, s.n, "\"eventID\"", 9);
}

/* Around: what a collector's record says of the line, for what the line does not say itself. NULL: nothing. */
struct around {
    struct mmr_slice host, app, pid;
    struct mmr_stamp stamp;
};

static void text_line(struct mmr_logdec *d, char *line, size_t len, const struct around *around)
{
    struct mmr_syslog s;
    mmr_syslog_read(line, len, &s);
    if (around) {
        if (!s.host.p)
            s.host = around->host;
        if (!s.app.p && around->app.p) {
            s.app = around->app;
            s.pid = around->pid;
        }
        if (!s.stamp.len)
            s.stamp = around->stamp;
    }
    if (s.has_head && is_record(d, s.msg)) {
        d->nesting++;
        json_line(d, line + (s.msg.p - line), s.msg.n);
        d->nesting--;
        return;
    }
    if (s.msg.n && s.msg.p[0] == '<' && s.msg.n > 40) {
        char *x = sysmon_xml(line, len);
        if (x) {
            xml(d, x, len - (size_t)(x - line));
            return;
        }
    }
    const char *kernel = s.msg.n > 24 && mmr_slice_is(s.app, "kernel") ? kernel_audit(s.msg) : NULL;
    struct mmr_slice record = kernel ? (struct mmr_slice){kernel, (uint32_t)(s.msg.p + s.msg.n - kernel), 0} : s.msg;
    if (is_audit(record.p, record.n)) {
        audit(d, line + (record.p - line), record.n, s.host);
        return;
    }
    if (d->is_learning)
        return;
    int64_t t = sys_time(d, &s);
    struct mmr_origin from = origin(d, t);
    mmr_sys_event(&s, line, len, &from, &d->out, d->buf, sizeof d->buf);
    give(d, t);
}

/* ---- JSON lines ---- */

static struct mmr_slice get(const struct mmr_js_doc *d, const char *key)
{
    struct mmr_slice s = {0};
    int32_t i = mmr_js_get(d, MMR_JS_ROOT, key);
    if (i >= 0 && d->node[i].type > MMR_JS_NULL && d->node[i].type < MMR_JS_OBJECT)
        s = (struct mmr_slice){d->node[i].val, d->node[i].val_len, 0};
    return s;
}

static int64_t first_stamp(struct mmr_logdec *d, const char *const *keys)
{
    struct mmr_stamp st;
    for (; *keys; keys++) {
        struct mmr_slice s = get(&d->doc, *keys);
        if (s.p && mmr_stamp_read(s.p, s.n, &st) && st.has_year)
            return st.ns;
    }
    return d->last_ns;
}

/* {"Computer", "SyslogMessage", ..}: a cloud collector's copy of a syslog line. Returns false: none. */
static bool wrapped(struct mmr_logdec *d)
{
    static const char *const times[] = {"EventTime", "TimeGenerated", NULL};
    struct mmr_slice msg = get(&d->doc, "SyslogMessage"), host = get(&d->doc, "Computer");
    if (!msg.p)
        return false;
    char *text = (char *)(uintptr_t)msg.p; /* inside our own line buffer, which we may change */
    if (is_audit(text, msg.n)) {
        audit(d, text, msg.n, host);
        return true;
    }
    char *x = msg.n ? sysmon_xml(text, msg.n) : NULL;
    if (x) {
        xml(d, x, msg.n - (size_t)(x - text));
        return true;
    }
    if (d->is_learning)
        return true;
    int64_t t = first_stamp(d, times);
    struct mmr_origin from = origin(d, t);
    struct mmr_syslog s = {.host = host, .app = get(&d->doc, "ProcessName"), .msg = msg, .pri = -1};
    mmr_sys_event(&s, text, msg.n, &from, &d->out, d->buf, sizeof d->buf);
    mmr_out_addr(&d->out, "device.ip", get(&d->doc, "HostIP"));
    give(d, t);
    return true;
}

/* Connection summaries of a cloud agent: who talked to whom, with the process's name. */
static bool vm_connection(struct mmr_logdec *d)
{
    static const char *const times[] = {"TimeGenerated", NULL};
    struct mmr_slice proc = get(&d->doc, "ProcessName"), src = get(&d->doc, "SourceIp"), dst = get(&d->doc, "DestinationIp");
    struct mmr_slice dir = get(&d->doc, "Direction");
    int64_t port;
    if (!src.n || !dst.n || !proc.p)
        return false;
    if (d->is_learning)
        return true;
    int64_t t = first_stamp(d, times);
    struct mmr_origin from = origin(d, t);
    struct mmr_outev *o = &d->out;
    mmr_out_begin(o, d->buf, sizeof d->buf, "conn.open", MMR_CLASS_NETWORK, 1, &from);
    mmr_out_slice(o, "device.hostname", get(&d->doc, "Computer"));
    mmr_out_slice(o, "metadata.log_name", get(&d->doc, "Type"));
    mmr_out_slice(o, "metadata.log_provider", get(&d->doc, "SourceSystem"));
    mmr_out_addr(o, "src_endpoint.ip", src);
    mmr_out_addr(o, "dst_endpoint.ip", dst);
    if (mmr_slice_int(get(&d->doc, "DestinationPort"), &port))
        mmr_out_int(o, "dst_endpoint.port", port);
    mmr_out_slice(o, "connection_info.protocol_name", get(&d->doc, "Protocol"));
    mmr_out_slice(o, "connection_info.direction", dir);
    mmr_out_slice(o, "process.name", proc);
    bool is_in = mmr_slice_is(dir, "inbound");
    struct mmr_slice local = is_in ? dst : src;
    if (local.n > 4 && memcmp(local.p, "127.", 4) != 0)
        mmr_out_addr(o, "device.ip", local);
    static const char *const sums[] = {"BytesSent", "BytesReceived", "LinksEstablished", "LinksTerminated", "LinksLive"};
    for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++)
        mmr_out_unmapped(o, (struct mmr_slice){sums[i], (uint32_t)strlen(sums[i]), 0}, get(&d->doc, sums[i]));
    give(d, t);
    return true;
}

/* A whole Windows event as XML in a field: Fluent Bit ("System" with Render_Event_As_XML), NXLog ("EventXML"), Winlogbeat. */
static bool carried_xml(struct mmr_logdec *d)
{
    static const char *const keys[] = {"System", "EventXML", "xml", "RawXML", "event.original", NULL};
    for (const char *const *k = keys; *k; k++) {
        struct mmr_slice s = get(&d->doc, *k);
        if (s.n > 7 && memcmp(s.p, "<Event", 6) == 0) {
            xml(d, (char *)(uintptr_t)s.p, s.n);
            return true;
        }
    }
    return false;
}

/* The first of these keys that has a text; of {"name": ..} that name */
static struct mmr_slice first_of(const struct mmr_js_doc *doc, const char *const *keys)
{
    for (; *keys; keys++) {
        int32_t at = mmr_js_get(doc, MMR_JS_ROOT, *keys);
        if (at >= 0 && doc->node[at].type == MMR_JS_OBJECT)
            at = mmr_js_get(doc, at, "name");
        if (at >= 0 && doc->node[at].type == MMR_JS_STRING && doc->node[at].val_len)
            return (struct mmr_slice){doc->node[at].val, doc->node[at].val_len, 0};
    }
    return (struct mmr_slice){0};
}

/* The time of a collector's record: microseconds of the journal, or a stamp under one of the usual names. */
static struct mmr_stamp record_stamp(const struct mmr_js_doc *doc)
{
    static const char *const keys[] = {"timestamp", "ISODATE", "time", "@timestamp", "date", "DATE", NULL};
    struct mmr_slice us = get(doc, "__REALTIME_TIMESTAMP");
    struct mmr_stamp st = {0};
    int64_t n;
    if (mmr_slice_int(us, &n) && n > 0 && n < INT64_C(9000000000000000))
        return (struct mmr_stamp){.ns = n * 1000, .has_zone = true, .has_year = true, .has_offset = true, .len = us.n};
    for (const char *const *k = keys; *k; k++) {
        struct mmr_slice s = get(doc, *k);
        if (s.n && (mmr_stamp_read(s.p, s.n, &st) || (s.n > 9 && mmr_stamp_epoch(s.p, s.n, &st.ns) > 9))) {
            if (!st.len) /* seconds since 1970 */
                st = (struct mmr_stamp){.ns = st.ns, .has_zone = true, .has_year = true, .has_offset = true, .len = s.n};
            return st;
        }
    }
    return (struct mmr_stamp){0};
}

/* "sshd[812]:" as a tag: the program and its pid */
static void cut_tag(struct around *a)
{
    const char *box = a->app.n ? memchr(a->app.p, '[', a->app.n) : NULL;
    const char *close = box ? memchr(box, ']', (size_t)(a->app.p + a->app.n - box)) : NULL;
    if (close && box > a->app.p) {
        a->pid = (struct mmr_slice){box + 1, (uint32_t)(close - box - 1), 0};
        a->app.n = (uint32_t)(box - a->app.p);
    } else if (a->app.n && a->app.p[a->app.n - 1] == ':') {
        a->app.n--;
    }
}

/* MESSAGE of the journal where it is no text: a list of bytes, written over its own JSON, which is longer. */
static struct mmr_slice byte_list(const struct mmr_js_doc *doc, const char *key)
{
    int32_t at = mmr_js_get(doc, MMR_JS_ROOT, key);
    if (at < 0 || doc->node[at].type != MMR_JS_ARRAY || doc->node[at].end == at + 1)
        return (struct mmr_slice){0};
    char *out = (char *)(uintptr_t)doc->node[at + 1].val; /* inside our own line buffer, which we may change */
    uint32_t n = 0;
    for (int32_t i = at + 1; i < doc->node[at].end; i++) {
        int64_t byte;
        if (doc->node[i].type != MMR_JS_NUMBER ||
            !mmr_slice_int((struct mmr_slice){doc->node[i].val, doc->node[i].val_len, 0}, &byte) || byte < 0 || byte > 255)
            return (struct mmr_slice){0};
        out[n++] = (char)byte;
    }
    return (struct mmr_slice){out, n, 0};
}

/* A collector's wrapping of a text line: {"message": "...", "host": ..}, {"log": "..."}, the journal's {"MESSAGE": ..}. */
static bool carried(struct mmr_logdec *d)
{
    static const char *const keys[] = {"message", "log", "MESSAGE", "line", "msg", "full_log", "event.original", NULL};
    static const char *const hosts[] = {"_HOSTNAME", "host", "hostname", "HOST", "source_host", NULL};
    static const char *const apps[] = {"SYSLOG_IDENTIFIER", "programname", "program", "PROGRAM", "app-name", "appname", "ident",
                                       "syslog-tag", "syslogtag", "tag", "_COMM", NULL};
    static const char *const pids[] = {"SYSLOG_PID", "_PID", "pid", "PID", "procid", NULL};
    for (const char *const *k = keys; *k; k++) {
        struct mmr_slice s = get(&d->doc, *k);
        if (!s.n && strcmp(*k, "MESSAGE") == 0)
            s = byte_list(&d->doc, *k);
        if (!s.n)
            continue;
        while (s.n && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r' || s.p[s.n - 1] == ' '))
            s.n--;
        while (s.n && *s.p == ' ') {
            s.p++;
            s.n--;
        }
        if (is_record(d, s)) {
            d->nesting++;
            json_line(d, (char *)(uintptr_t)s.p, s.n);
            d->nesting--;
            return true;
        }
        struct around a = {first_of(&d->doc, hosts), first_of(&d->doc, apps), first_of(&d->doc, pids), record_stamp(&d->doc)};
        cut_tag(&a);
        if (a.app.n > 64)
            a.app = (struct mmr_slice){0};
        text_line(d, (char *)(uintptr_t)s.p, s.n, &a);
        return true;
    }
    return false;
}

/*
 * A sender that wrote CP932 bytes into JSON without minding that the second of two may be a backslash: only then
 * the line is converted as a whole. A line that can be read as it is is never touched, or a lone lead byte in
 * somebody's name would swallow the escape of a quote behind it.
 */
static bool parse_json(struct mmr_logdec *d, char *line, size_t len)
{
    char *copy = NULL, *text;
    if (!mmr_charset_is_utf8(line, len)) {
        if (!d->charset)
            d->charset = mmr_charset_new();
        copy = d->charset ? mmr_charset_copy(d->charset, line, len) : NULL; /* reading changes the line */
    }
    if (mmr_js_parse(line, len, &d->doc, NULL) != 0) {
        text = copy ? mmr_charset_from_cp932(d->charset, copy, len, &len) : NULL;
        if (!text)
            return false;
        char *again = mmr_charset_copy(d->charset, text, len); /* values are converted into the first memory */
        if (!again || mmr_js_parse(again, len, &d->doc, NULL) != 0)
            return false;
    }
    return d->doc.node[0].type == MMR_JS_OBJECT;
}

static void json_line(struct mmr_logdec *d, char *line, size_t len)
{
    if (!parse_json(d, line, len)) {
        d->stats.unreadable++;
        return;
    }
    d->stats.cut += d->doc.dropped;
    if (d->format != MMR_LOG_WINEVENT && mmr_eve_is(&d->doc)) {
        int64_t t = d->last_ns;
        (void)mmr_eve_time(&d->doc, &t);
        if (d->is_learning)
            return;
        struct mmr_origin from = origin(d, t);
        mmr_eve_event(&d->doc, &from, &d->out, d->buf, sizeof d->buf);
        give(d, t);
        return;
    }
    if (mmr_winrec_from_json(&d->doc, &d->rec, NULL) == 0) {
        windows(d);
        return;
    }
    if (carried_xml(d) || wrapped(d) || vm_connection(d) || carried(d))
        return;
    d->stats.unreadable++;
}

static void line_of(struct mmr_logdec *d, char *line, size_t len)
{
    while (len && (line[len - 1] == '\r' || line[len - 1] == ' ' || line[len - 1] == '\0'))
        len--;
    while (len && (*line == ' ' || *line == '\t')) {
        line++;
        len--;
    }
    if (!d->stats.lines && len > 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0) {
        line += 3;
        len -= 3;
    }
    if (!len)
        return;
    if (*line == '{')
        json_line(d, line, len);
    else if (*line == '<' && len > 7 && memcmp(line, "<Event", 6) == 0)
        xml(d, line, len);
    else if (is_audit(line, len))
        audit(d, line, len, (struct mmr_slice){0});
    else if (d->format == MMR_LOG_WINEVENT || d->format == MMR_LOG_EVE || d->format == MMR_LOG_AUDITD)
        d->stats.unreadable += *line != '#';
    else
        text_line(d, line, len, NULL);
}

void mmr_logdec_learn(struct mmr_logdec *d, char *line, size_t len)
{
    d->is_learning = true;
    line_of(d, line, len);
    d->is_learning = false;
    d->stats = (struct mmr_logdec_stats){0};
}

void mmr_logdec_line(struct mmr_logdec *d, char *line, size_t len, uint64_t index, mmr_log_event *event, void *ctx)
{
    d->event = event;
    d->ctx = ctx;
    d->index = index;
    line_of(d, line, len);
    d->stats.lines++;
}

void mmr_logdec_flush(struct mmr_logdec *d, mmr_log_event *event, void *ctx)
{
    d->event = event;
    d->ctx = ctx;
    mmr_audit_flush(&d->groups, audit_done, d);
}

/* ---- recognition ---- */

static bool is_text_byte(unsigned char c)
{
    return c >= 0x20 || c == '\t' || c == '\n' || c == '\r' || c == 0x1b || c == 0x1d || c == 0x0c;
}

static enum mmr_log_format guess_json(const char *p, size_t len, struct mmr_js_doc *doc, bool *ret_ok)
{
    char *copy = malloc(len ? len : 1);
    enum mmr_log_format f = MMR_LOG_AUTO;
    *ret_ok = false;
    if (!copy)
        return f;
    memcpy(copy, p, len);
    struct mmr_charset *charset = NULL;
    bool is_json = mmr_js_parse(copy, len, doc, NULL) == 0;
    if (!is_json && !mmr_charset_is_utf8(p, len) && (charset = mmr_charset_new())) { /* see parse_json() */
        memcpy(copy, p, len);
        char *text = mmr_charset_from_cp932(charset, copy, len, &len);
        is_json = text && mmr_js_parse(text, len, doc, NULL) == 0;
    }
    if (is_json && doc->node[0].type == MMR_JS_OBJECT) {
        struct mmr_winrec *rec = malloc(sizeof *rec);
        *ret_ok = true;
        if (mmr_eve_is(doc))
            f = MMR_LOG_EVE;
        else if (rec && mmr_winrec_from_json(doc, rec, NULL) == 0)
            f = MMR_LOG_WINEVENT;
        else if (!get(doc, "SyslogMessage").p && !get(doc, "SourceIp").p && !get(doc, "message").p && !get(doc, "log").p &&
                 !get(doc, "MESSAGE").p && !get(doc, "line").p && !get(doc, "msg").p && !get(doc, "full_log").p &&
                 !get(doc, "__REALTIME_TIMESTAMP").p)
            *ret_ok = false;
        free(rec);
    }
    mmr_charset_free(charset);
    free(copy);
    return f;
}

static bool looks_like_log(const char *p, size_t len)
{
    struct mmr_syslog s;
    struct mmr_stamp st;
    mmr_syslog_read(p, len, &s);
    return s.has_head || s.stamp.len || mmr_sys_inner_stamp(s.msg, &st);
}

int mmr_log_recognise(const char *text, size_t len, enum mmr_log_format *ret, struct mmr_error *err)
{
    int lines = 0;
    size_t odd = 0;
    if (len == 0) {
        *ret = MMR_LOG_AUTO;
        return 0;
    }
    size_t sample = len > 4096 ? 4096 : len;
    for (size_t i = 0; i < sample; i++)
        odd += !is_text_byte((unsigned char)text[i]);
    struct mmr_js_doc *doc = odd * 10 > sample ? NULL : malloc(sizeof *doc);
    if (!doc)
        return mmr_fail(err, MMR_EUNSUPPORTED, "not a text file: %zu of the first %zu bytes are no text", odd, sample);
    int found = 0;
    for (const char *p = text, *end = text + len; p < end && lines < 64 && !found;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        const char *stop = nl ? nl : end;
        const char *q = p;
        p = nl ? nl + 1 : end;
        if (q == text && stop - q > 3 && memcmp(q, "\xef\xbb\xbf", 3) == 0)
            q += 3;
        while (q < stop && (*q == ' ' || *q == '\t' || *q == '\r'))
            q++;
        if (q == stop || *q == '#')
            continue;
        lines++;
        size_t n = (size_t)(stop - q);
        if (*q == '{') {
            bool is_ok;
            *ret = guess_json(q, n, doc, &is_ok);
            found = is_ok;
        } else if (is_audit(q, n)) {
            *ret = MMR_LOG_AUDITD;
            found = 1;
        } else if (n > 7 && memcmp(q, "<Event", 6) == 0) {
            *ret = MMR_LOG_SYSMON_LINUX;
            found = 1;
        } else if (looks_like_log(q, n)) {
            *ret = memmem(q, n, "<Event>", 7) ? MMR_LOG_SYSMON_LINUX : MMR_LOG_SYSLOG;
            found = 1;
        }
    }
    free(doc);
    if (found || lines == 0)
        return found ? 0 : (*ret = MMR_LOG_AUTO, 0);
    return mmr_fail(err, MMR_EUNSUPPORTED, "none of the first %d lines is of a known log format (winevent-json, sysmon-linux, "
                    "auditd, syslog, eve); name it with FORMAT:FILE", lines);
}
