/*
 * evemap.c - alerts are the other sensor's findings; what they mean is read from their category with care: a rule about policy
 * or oddities is a hint and never asks for a defence. The rest is telemetry.
 */
#include "evemap.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "timestamp.h"

static struct mmr_slice get(const struct mmr_js_doc *d, int32_t at, const char *key)
{
    struct mmr_slice s = {0};
    int32_t i = mmr_js_get(d, at, key);
    if (i >= 0 && d->node[i].type > MMR_JS_NULL && d->node[i].type < MMR_JS_OBJECT)
        s = (struct mmr_slice){d->node[i].val, d->node[i].val_len, 0};
    return s;
}

static void num(struct mmr_outev *o, const char *key, struct mmr_slice s)
{
    int64_t v;
    if (mmr_slice_int(s, &v))
        mmr_out_int(o, key, v);
}

bool mmr_eve_is(const struct mmr_js_doc *doc)
{
    return get(doc, MMR_JS_ROOT, "event_type").n && get(doc, MMR_JS_ROOT, "timestamp").n;
}

bool mmr_eve_time(const struct mmr_js_doc *doc, int64_t *ret_ns)
{
    struct mmr_slice s = get(doc, MMR_JS_ROOT, "timestamp");
    struct mmr_stamp st;
    if (!s.p || !mmr_stamp_read(s.p, s.n, &st) || !st.has_year)
        return false;
    *ret_ns = st.ns;
    return true;
}

/* A record about a packet has the packet's direction; src_endpoint is always who opened the connection. */
static bool is_reply(const struct mmr_js_doc *d)
{
    return mmr_slice_is(get(d, 0, "direction"), "to_client");
}

static void endpoints(const struct mmr_js_doc *d, struct mmr_outev *o)
{
    char low[12];
    struct mmr_slice p = get(d, 0, "proto");
    bool is_swapped = is_reply(d);
    mmr_out_addr(o, is_swapped ? "dst_endpoint.ip" : "src_endpoint.ip", get(d, 0, "src_ip"));
    mmr_out_addr(o, is_swapped ? "src_endpoint.ip" : "dst_endpoint.ip", get(d, 0, "dest_ip"));
    num(o, is_swapped ? "dst_endpoint.port" : "src_endpoint.port", get(d, 0, "src_port"));
    num(o, is_swapped ? "src_endpoint.port" : "dst_endpoint.port", get(d, 0, "dest_port"));
    if (p.n && p.n < sizeof low) {
        for (uint32_t i = 0; i < p.n; i++)
            low[i] = (char)(p.p[i] >= 'A' && p.p[i] <= 'Z' ? p.p[i] + 32 : p.p[i]);
        mmr_out_strn(o, "connection_info.protocol_name", low, p.n);
    }
    mmr_out_slice(o, "connection_info.uid", get(d, 0, "flow_id"));
    mmr_out_slice(o, "app_name", get(d, 0, "app_proto"));
}

/* Descriptions of the usual classification.config; what is not here is a hint. */
static const struct category {
    const char *text, *phase, *potential;
} categories[] = {
    {"Attempted Administrator Privilege Gain", "attempt.inbound", "high"},
    {"Attempted User Privilege Gain", "attempt.inbound", "high"},
    {"Web Application Attack", "attempt.inbound", "high"},
    {"Executable code was detected", "attempt.inbound", "high"},
    {"Attempted Denial of Service", "attempt.inbound", "low"},
    {"Detection of a Denial of Service Attack", "attempt.inbound", "low"},
    {"Attempted Information Leak", "attempt.inbound", "low"},
    {"Detection of a Network Scan", "attempt.inbound", "low"},
    {"access to a potentially vulnerable web application", "attempt.inbound", "low"},
    {"Misc Attack", "attempt.inbound", "low"},
    {"Attempt to login by a default username and password", "attempt.inbound", "low"},
    {"An attempted login using a suspicious username was detected", "attempt.inbound", "low"},
    {"Exploit Kit Activity Detected", "attempt.user", "high"},
    {"Successful Credential Theft Detected", "attempt.user", "high"},
    {"Possible Social Engineering Attempted", "attempt.user", "low"},
    {"A Network Trojan was detected", "foothold.c2", "high"},
    {"Malware Command and Control Activity Detected", "foothold.c2", "high"},
    {"Domain Observed Used for C2 Detected", "foothold.c2", "high"},
    {"Targeted Malicious Activity was Detected", "foothold.c2", "high"},
    {"Successful Administrator Privilege Gain", "foothold.c2", "high"},
    {"Successful User Privilege Gain", "foothold.c2", "high"},
    {"Crypto Currency Mining Activity Detected", "foothold.c2", "low"},
};

static struct category meaning(struct mmr_slice category, struct mmr_slice severity)
{
    struct category c = {"", NULL, "info"};
    for (size_t i = 0; i < sizeof categories / sizeof categories[0]; i++)
        if (category.p && category.n == strlen(categories[i].text) && strncasecmp(category.p, categories[i].text, category.n) == 0)
            c = categories[i];
    if (mmr_slice_is_nocase(severity, "informational")) {
        c.phase = NULL;
        c.potential = "info";
    } else if (mmr_slice_is_nocase(severity, "minor") && c.phase) {
        c.potential = "low";
    }
    return c;
}

static void alert(const struct mmr_js_doc *d, const struct mmr_origin *from, struct mmr_outev *o, void *buf, size_t cap)
{
    int32_t a = mmr_js_get(d, 0, "alert");
    int32_t meta = mmr_js_get(d, a, "metadata");
    struct mmr_slice sid = get(d, a, "signature_id"), title = get(d, a, "signature");
    int32_t sev = mmr_js_get(d, meta, "signature_severity"); /* metadata values are arrays of text */
    struct mmr_slice severity = {0};
    if (sev >= 0 && d->node[sev].end > sev + 1 && d->node[sev + 1].type == MMR_JS_STRING)
        severity = (struct mmr_slice){d->node[sev + 1].val, d->node[sev + 1].val_len, 0};
    struct category c = meaning(get(d, a, "category"), severity);
    bool is_high = strcmp(c.potential, "high") == 0, is_try = c.phase && strncmp(c.phase, "attempt.", 8) == 0;
    char rule[40], text[512];
    mmr_out_begin_severity(o, buf, cap, "finding", MMR_CLASS_FINDING, 1, from,
                           is_high ? 4 : strcmp(c.potential, "low") != 0 ? 1 : is_try ? 2 : 3);
    (void)snprintf(rule, sizeof rule, "sid:%.*s", (int)(sid.n < 24 ? sid.n : 24), sid.p ? sid.p : "");
    mmr_out_str(o, "mamori.rule", rule);
    mmr_out_slice(o, "finding_info.title", title);
    endpoints(d, o);
    struct mmr_slice src = get(d, 0, "src_ip"), dst = get(d, 0, "dest_ip");
    (void)snprintf(text, sizeof text, "%.*s: %.*s to %.*s", (int)(title.n < 300 ? title.n : 300), title.p ? title.p : "alert",
                   (int)(src.n < 64 ? src.n : 64), src.p ? src.p : "?", (int)(dst.n < 64 ? dst.n : 64), dst.p ? dst.p : "?");
    mmr_out_str(o, "message", text);
    mmr_out_str(o, "mamori.phase", c.phase);
    mmr_out_str(o, "mamori.potential", c.potential);
    mmr_out_slice(o, "unmapped.category", get(d, a, "category"));
    mmr_out_slice(o, "unmapped.action", get(d, a, "action"));
    int32_t t = mmr_js_get(d, meta, "mitre_technique_id");
    const char *ids[MMR_EVENT_ARRAY_MAX];
    char store[MMR_EVENT_ARRAY_MAX][12];
    size_t n = 0;
    for (int32_t i = t + 1; t >= 0 && i < d->node[t].end && n < 16; i = d->node[i].end)
        if (d->node[i].type == MMR_JS_STRING && d->node[i].val_len < sizeof store[0]) {
            memcpy(store[n], d->node[i].val, d->node[i].val_len);
            store[n][d->node[i].val_len] = '\0';
            ids[n] = store[n];
            n++;
        }
    if (n)
        mmr_out_strv(o, "mamori.attack", ids, n);
}

static void dns(const struct mmr_js_doc *d, const struct mmr_origin *from, struct mmr_outev *o, void *buf, size_t cap)
{
    int32_t q = mmr_js_get(d, 0, "dns");
    bool is_answer = mmr_slice_is(get(d, q, "type"), "answer") || mmr_slice_is(get(d, q, "type"), "response");
    mmr_out_begin(o, buf, cap, is_answer ? "dns.answer" : "dns.query", MMR_CLASS_DNS, is_answer ? 2 : 1, from);
    endpoints(d, o);
    struct mmr_slice name = get(d, q, "rrname"), type = get(d, q, "rrtype");
    int32_t list = mmr_js_get(d, q, "queries"), first = list >= 0 && d->node[list].end > list + 1 ? list + 1 : MMR_JS_NONE;
    if (!name.p) {
        name = get(d, first, "rrname");
        type = get(d, first, "rrtype");
    }
    mmr_out_slice(o, "query.hostname", name);
    mmr_out_slice(o, "query.type", type);
}

static void http(const struct mmr_js_doc *d, const struct mmr_origin *from, struct mmr_outev *o, void *buf, size_t cap)
{
    int32_t h = mmr_js_get(d, 0, "http");
    mmr_out_begin(o, buf, cap, "http.request", MMR_CLASS_HTTP, 1, from);
    endpoints(d, o);
    mmr_out_slice(o, "http_request.http_method", get(d, h, "http_method"));
    mmr_out_slice(o, "http_request.url.path", get(d, h, "url"));
    mmr_out_slice(o, "http_request.url.hostname", get(d, h, "hostname"));
    mmr_out_slice(o, "http_request.user_agent", get(d, h, "http_user_agent"));
    mmr_out_slice(o, "http_request.referrer", get(d, h, "http_refer"));
    num(o, "http_response.code", get(d, h, "status"));
}

static void flow(const struct mmr_js_doc *d, const struct mmr_origin *from, struct mmr_outev *o, void *buf, size_t cap)
{
    int32_t f = mmr_js_get(d, 0, "flow");
    mmr_out_begin(o, buf, cap, "flow.end", MMR_CLASS_NETWORK, 2, from);
    endpoints(d, o);
    num(o, "traffic.bytes_out", get(d, f, "bytes_toserver"));
    num(o, "traffic.bytes_in", get(d, f, "bytes_toclient"));
    num(o, "traffic.packets_out", get(d, f, "pkts_toserver"));
    num(o, "traffic.packets_in", get(d, f, "pkts_toclient"));
}

void mmr_eve_event(const struct mmr_js_doc *doc, const struct mmr_origin *from, struct mmr_outev *o, void *buf, size_t cap)
{
    struct mmr_slice type = get(doc, 0, "event_type");
    if (mmr_slice_is(type, "alert") && mmr_js_get(doc, 0, "alert") >= 0) {
        alert(doc, from, o, buf, cap);
    } else if (mmr_slice_is(type, "dns")) {
        dns(doc, from, o, buf, cap);
    } else if (mmr_slice_is(type, "http")) {
        http(doc, from, o, buf, cap);
    } else if (mmr_slice_is(type, "flow")) {
        flow(doc, from, o, buf, cap);
    } else if (mmr_slice_is(type, "tls")) {
        int32_t t = mmr_js_get(doc, 0, "tls");
        mmr_out_begin(o, buf, cap, "tls.hello", MMR_CLASS_NETWORK, 6, from);
        endpoints(doc, o);
        mmr_out_slice(o, "tls.sni", get(doc, t, "sni"));
        mmr_out_slice(o, "tls.version", get(doc, t, "version"));
        mmr_out_slice(o, "tls.certificate.subject", get(doc, t, "subject"));
        mmr_out_slice(o, "tls.certificate.issuer", get(doc, t, "issuerdn"));
    } else {
        mmr_out_begin(o, buf, cap, "log.record", MMR_CLASS_EVENT_LOG, 99, from);
        endpoints(doc, o);
    }
    mmr_out_str(o, "metadata.log_name", "eve");
    mmr_out_slice(o, "metadata.event_code", type);
    mmr_out_slice(o, "device.hostname", get(doc, 0, "host"));
}
