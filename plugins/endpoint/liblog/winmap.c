/* winmap.c - event ids to kinds, EventData names to OCSF names, connection ends to who opened. */
#include "winmap.h"

#include "sigma/fields.h"
#include "timestamp.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum source { SRC_OTHER = 0, SRC_SYSMON, SRC_SECURITY, SRC_SYSTEM, SRC_POWERSHELL, SRC_TASKS, SRC_WMI };
struct kind_row {
    uint16_t source, id;
    uint16_t class_uid_low; /* class_uid, but 201002 and 201004 as 2 and 4 */
    uint16_t activity;
    const char *kind;
};
/* clang-format off */
static const struct kind_row kinds[] = { /* sorted by source, id */
    {SRC_SYSMON, 1, 1007, 1, "process.start"}, {SRC_SYSMON, 2, 1001, 3, "file.change"},
    {SRC_SYSMON, 3, 4001, 1, "conn.open"}, {SRC_SYSMON, 5, 1007, 2, "process.exit"},
    {SRC_SYSMON, 6, 1002, 1, "driver.load"}, {SRC_SYSMON, 7, 1005, 1, "module.load"},
    {SRC_SYSMON, 8, 1007, 4, "process.inject"}, {SRC_SYSMON, 10, 1007, 3, "process.access"},
    {SRC_SYSMON, 11, 1001, 1, "file.create"}, {SRC_SYSMON, 12, 2, 3, "registry.set"},
    {SRC_SYSMON, 13, 2, 3, "registry.set"}, {SRC_SYSMON, 14, 2, 3, "registry.set"},
    {SRC_SYSMON, 15, 1001, 1, "file.create"}, {SRC_SYSMON, 17, 1001, 1, "pipe.create"},
    {SRC_SYSMON, 18, 1001, 1, "pipe.create"}, {SRC_SYSMON, 19, 1008, 1, "wmi.event"},
    {SRC_SYSMON, 20, 1008, 1, "wmi.event"}, {SRC_SYSMON, 21, 1008, 1, "wmi.event"},
    {SRC_SYSMON, 22, 4003, 1, "dns.query"}, {SRC_SYSMON, 23, 1001, 4, "file.delete"},
    {SRC_SYSMON, 25, 1007, 4, "process.inject"}, {SRC_SYSMON, 26, 1001, 4, "file.delete"},
    {SRC_SYSMON, 27, 1001, 1, "file.create"}, {SRC_SYSMON, 28, 1001, 4, "file.delete"},
    {SRC_SYSMON, 29, 1001, 1, "file.create"},
    {SRC_SECURITY, 4624, 3002, 1, "auth.logon"}, {SRC_SECURITY, 4625, 3002, 1, "auth.fail"},
    {SRC_SECURITY, 4634, 3002, 2, "auth.logoff"}, {SRC_SECURITY, 4647, 3002, 2, "auth.logoff"},
    {SRC_SECURITY, 4657, 2, 3, "registry.set"}, {SRC_SECURITY, 4688, 1007, 1, "process.start"},
    {SRC_SECURITY, 4689, 1007, 2, "process.exit"}, {SRC_SECURITY, 4697, 4, 1, "service.install"},
    {SRC_SECURITY, 4698, 1006, 1, "task.create"}, {SRC_SECURITY, 4702, 1006, 1, "task.create"},
    {SRC_SECURITY, 4720, 3001, 99, "account.change"}, {SRC_SECURITY, 4722, 3001, 99, "account.change"},
    {SRC_SECURITY, 4723, 3001, 99, "account.change"}, {SRC_SECURITY, 4724, 3001, 99, "account.change"},
    {SRC_SECURITY, 4725, 3001, 99, "account.change"}, {SRC_SECURITY, 4726, 3001, 99, "account.change"},
    {SRC_SECURITY, 4727, 3001, 99, "account.change"}, {SRC_SECURITY, 4728, 3001, 99, "account.change"},
    {SRC_SECURITY, 4729, 3001, 99, "account.change"}, {SRC_SECURITY, 4730, 3001, 99, "account.change"},
    {SRC_SECURITY, 4731, 3001, 99, "account.change"}, {SRC_SECURITY, 4732, 3001, 99, "account.change"},
    {SRC_SECURITY, 4733, 3001, 99, "account.change"}, {SRC_SECURITY, 4738, 3001, 99, "account.change"},
    {SRC_SECURITY, 4740, 3001, 99, "account.change"}, {SRC_SECURITY, 4741, 3001, 99, "account.change"},
    {SRC_SECURITY, 4742, 3001, 99, "account.change"}, {SRC_SECURITY, 4743, 3001, 99, "account.change"},
    {SRC_SECURITY, 4756, 3001, 99, "account.change"}, {SRC_SECURITY, 4757, 3001, 99, "account.change"},
    {SRC_SECURITY, 4767, 3001, 99, "account.change"}, {SRC_SECURITY, 4768, 3002, 1, "auth.fail"},
    {SRC_SECURITY, 4771, 3002, 1, "auth.fail"}, {SRC_SECURITY, 4776, 3002, 1, "auth.fail"},
    {SRC_SECURITY, 4781, 3001, 99, "account.change"},
    {SRC_SECURITY, 5140, 4006, 1, "share.access"}, {SRC_SECURITY, 5145, 4006, 1, "share.access"},
    {SRC_SECURITY, 5156, 4001, 1, "conn.open"},
    {SRC_SYSTEM, 7045, 4, 1, "service.install"},
    {SRC_POWERSHELL, 4103, 1008, 1, "script.block"}, {SRC_POWERSHELL, 4104, 1008, 1, "script.block"},
    {SRC_TASKS, 106, 1006, 1, "task.create"}, {SRC_TASKS, 140, 1006, 1, "task.create"},
    {SRC_WMI, 5860, 1008, 1, "wmi.event"}, {SRC_WMI, 5861, 1008, 1, "wmi.event"},
};
/* clang-format on */
static const struct kind_row any_kind = {SRC_OTHER, 0, 1008, 99, "log.record"};

static bool starts(struct mmr_slice s, const char *text)
{
    size_t n = strlen(text);
    return s.p && s.n >= n && mmr_slice_is_nocase((struct mmr_slice){s.p, (uint32_t)n, 0}, text);
}

static bool has_sysmon(struct mmr_slice s)
{
    for (uint32_t i = 0; s.p && i + 6 <= s.n; i++)
        if (mmr_slice_is_nocase((struct mmr_slice){s.p + i, 6, 0}, "sysmon"))
            return true;
    return false;
}

static enum source source_of(const struct mmr_winrec *r)
{
    struct mmr_slice c = r->channel;
    if (mmr_slice_is_nocase(c, "Security") || mmr_slice_is_nocase(r->provider, "Microsoft-Windows-Security-Auditing"))
        return SRC_SECURITY;
    if (has_sysmon(c) || has_sysmon(r->provider))
        return SRC_SYSMON;
    if (mmr_slice_is_nocase(c, "System"))
        return SRC_SYSTEM;
    if (starts(c, "Microsoft-Windows-PowerShell") || starts(c, "PowerShellCore"))
        return SRC_POWERSHELL;
    if (starts(c, "Microsoft-Windows-TaskScheduler"))
        return SRC_TASKS;
    if (starts(c, "Microsoft-Windows-WMI-Activity"))
        return SRC_WMI;
    return SRC_OTHER;
}

/* 4768 and 4776 are written for success and failure alike. */
static bool is_failure(const struct mmr_winrec *r)
{
    int64_t status;
    return mmr_slice_int(mmr_winrec_get(r, "Status"), &status) && status != 0;
}

static const struct kind_row *kind_of(const struct mmr_winrec *r, enum source src)
{
    int64_t id;
    if (!mmr_slice_int(r->event_id, &id))
        return &any_kind;
    id &= 0xffff; /* some senders keep the qualifiers above the id */
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].source == src && kinds[i].id == id) {
            if ((id == 4768 || id == 4776) && src == SRC_SECURITY && !is_failure(r))
                return &any_kind;
            return &kinds[i];
        }
    return &any_kind;
}

/* ---- time ---- */

static bool stamp(struct mmr_slice s, struct mmr_stamp *ret)
{
    return s.p && mmr_stamp_read(s.p, s.n, ret) && ret->has_year;
}

int64_t mmr_win_time(const struct mmr_winrec *r, struct mmr_zones *z, int64_t fallback_ns)
{
    struct mmr_stamp utc, sys, ev, arr;
    bool has_utc = stamp(mmr_winrec_get(r, "UtcTime"), &utc), has_sys = stamp(r->system_time, &sys);
    bool has_ev = stamp(r->event_time, &ev), has_arr = stamp(r->arrival, &arr);
    int64_t shift, other = 0;
    bool has_other = true;

    if (has_utc) {
        if (has_sys && !sys.has_offset)
            mmr_zones_learn(z, r->computer, MMR_CLOCK_SYSTEM, sys.ns, utc.ns, 16);
        if (has_ev && !ev.has_offset)
            mmr_zones_learn(z, r->computer, MMR_CLOCK_EVENT, ev.ns, utc.ns, 16);
    } else if (has_ev && has_arr && !ev.has_zone && arr.has_zone) {
        mmr_zones_learn(z, r->computer, MMR_CLOCK_EVENT, ev.ns, arr.ns, 1);
    }
    if (has_sys) {
        other = sys.ns;
        if (!sys.has_offset && !r->is_system_utc && mmr_zones_shift(z, r->computer, MMR_CLOCK_SYSTEM, &shift))
            other -= shift;
    } else if (has_ev) {
        other = ev.ns;
        if (!ev.has_offset && mmr_zones_shift(z, r->computer, MMR_CLOCK_EVENT, &shift))
            other -= shift;
    } else if (has_arr) {
        other = arr.ns;
    } else {
        has_other = false;
    }
    if (!has_utc)
        return has_other ? other : fallback_ns;
    /* Sysmon takes a connection's time from the kernel's trace clock, which runs behind for days after a
     * machine was suspended; the record's own clock does not. */
    const int64_t far_ns = INT64_C(120) * 1000000000;
    if (has_other && mmr_slice_is(r->event_id, "3") && (utc.ns - other > far_ns || other - utc.ns > far_ns))
        return other;
    return utc.ns;
}

/* ---- connections ---- */

static bool is_dash(struct mmr_slice s)
{
    return s.n == 0 || (s.n == 1 && s.p[0] == '-');
}

static bool is_local_only(struct mmr_slice ip)
{
    return starts(ip, "127.") || starts(ip, "0.") || starts(ip, "22") || starts(ip, "23") || starts(ip, "255.") ||
           starts(ip, "ff") || mmr_slice_is(ip, "::1") || mmr_slice_is(ip, "::") || starts(ip, "0:0:0:0:0:0:0");
}

static bool is_multicast(struct mmr_slice ip)
{
    struct in_addr a;
    char text[INET_ADDRSTRLEN];
    if (starts(ip, "ff"))
        return true;
    if (!ip.p || ip.n >= sizeof text)
        return false;
    memcpy(text, ip.p, ip.n);
    text[ip.n] = '\0';
    return inet_pton(AF_INET, text, &a) == 1 && (ntohl(a.s_addr) >> 28) >= 14;
}

static void endpoint(struct mmr_outev *o, const char *ip_key, const char *port_key, struct mmr_slice ip, struct mmr_slice port)
{
    int64_t n;
    mmr_out_addr(o, ip_key, ip);
    if (mmr_slice_int(port, &n) && n >= 0 && n <= 65535)
        mmr_out_int(o, port_key, n);
}

static void protocol(struct mmr_outev *o, struct mmr_slice proto)
{
    int64_t n;
    if (mmr_slice_int(proto, &n)) {
        mmr_out_int(o, "connection_info.protocol_num", n);
        if (n == 6 || n == 17 || n == 1 || n == 58)
            mmr_out_str(o, "connection_info.protocol_name", n == 6 ? "tcp" : n == 17 ? "udp" : "icmp");
    } else if (proto.n && proto.n < 8) {
        char low[8];
        for (uint32_t i = 0; i < proto.n; i++)
            low[i] = (char)(proto.p[i] >= 'A' && proto.p[i] <= 'Z' ? proto.p[i] + 32 : proto.p[i]);
        mmr_out_strn(o, "connection_info.protocol_name", low, proto.n);
    }
}

static bool same_host(struct mmr_slice a, struct mmr_slice b)
{
    const char *dot_a = a.n ? memchr(a.p, '.', a.n) : NULL, *dot_b = b.n ? memchr(b.p, '.', b.n) : NULL;
    if (dot_a)
        a.n = (uint32_t)(dot_a - a.p);
    if (dot_b)
        b.n = (uint32_t)(dot_b - b.p);
    return a.n && a.n == b.n && mmr_slice_hash(a) == mmr_slice_hash(b);
}

/*
 * Is the Source of an incoming Sysmon connection (Initiated false) the local end? It is for UDP, where
 * Sysmon knows no opener, and for TCP with older versions. Newer ones write the opener as Source. The
 * name of the machine tells, else which of the ports is a service's (below 32768, where no system
 * takes its own ports for outgoing connections).
 */
static bool is_source_local(const struct mmr_winrec *r, struct mmr_slice proto, struct mmr_slice s_ip)
{
    int64_t s_port, d_port;
    if (mmr_slice_is_nocase(proto, "udp") || is_multicast(s_ip))
        return true;
    bool is_s = same_host(mmr_winrec_get(r, "SourceHostname"), r->computer);
    bool is_d = same_host(mmr_winrec_get(r, "DestinationHostname"), r->computer);
    if (is_s != is_d)
        return is_s;
    return mmr_slice_int(mmr_winrec_get(r, "SourcePort"), &s_port) && mmr_slice_int(mmr_winrec_get(r, "DestinationPort"), &d_port) &&
           s_port < 32768 && d_port >= 32768;
}

/* The filtering platform (5156) writes the opener as Source in both directions. */
static void connection(const struct mmr_winrec *r, struct mmr_outev *o, bool is_sysmon)
{
    struct mmr_slice s_ip = mmr_winrec_get(r, is_sysmon ? "SourceIp" : "SourceAddress");
    struct mmr_slice d_ip = mmr_winrec_get(r, is_sysmon ? "DestinationIp" : "DestAddress");
    struct mmr_slice s_port = mmr_winrec_get(r, "SourcePort");
    struct mmr_slice d_port = mmr_winrec_get(r, is_sysmon ? "DestinationPort" : "DestPort");
    struct mmr_slice proto = mmr_winrec_get(r, "Protocol");
    bool is_out, is_swapped = false;
    if (is_sysmon) {
        is_out = mmr_slice_is_nocase(mmr_winrec_get(r, "Initiated"), "true");
        is_swapped = !is_out && is_source_local(r, proto, s_ip);
    } else {
        struct mmr_slice dir = mmr_winrec_get(r, "Direction");
        is_out = mmr_slice_is(dir, "%%14593") || mmr_slice_is_nocase(dir, "Outbound");
    }
    struct mmr_slice local = is_out || is_swapped ? s_ip : d_ip;
    endpoint(o, is_swapped ? "dst_endpoint.ip" : "src_endpoint.ip", is_swapped ? "dst_endpoint.port" : "src_endpoint.port",
             s_ip, s_port);
    endpoint(o, is_swapped ? "src_endpoint.ip" : "dst_endpoint.ip", is_swapped ? "src_endpoint.port" : "dst_endpoint.port",
             d_ip, d_port);
    struct mmr_slice s_name = mmr_winrec_get(r, "SourceHostname"), d_name = mmr_winrec_get(r, "DestinationHostname");
    if (!is_dash(s_name))
        mmr_out_slice(o, is_swapped ? "dst_endpoint.hostname" : "src_endpoint.hostname", s_name);
    if (!is_dash(d_name))
        mmr_out_slice(o, is_swapped ? "src_endpoint.hostname" : "dst_endpoint.hostname", d_name);
    protocol(o, proto);
    mmr_out_str(o, "connection_info.direction", is_out ? "outbound" : "inbound");
    if (local.n && !is_local_only(local))
        mmr_out_addr(o, "device.ip", local);
}

/* ---- fields ---- */

/* {00000000-0000-0000-0000-000000000000}: Sysmon did not know the process */
static bool is_null_guid(struct mmr_slice s)
{
    if (s.n < 36)
        return false;
    for (uint32_t i = 0; i < s.n; i++)
        if (s.p[i] != '0' && s.p[i] != '-' && s.p[i] != '{' && s.p[i] != '}')
            return false;
    return true;
}

static void hashes(struct mmr_outev *o, const char *prefix, struct mmr_slice s)
{
    char key[64];
    size_t pre = strlen(prefix);
    const char *p = s.p, *end = s.p + s.n;
    if (pre > sizeof key - 9)
        return;
    memcpy(key, prefix, pre);
    while (p < end) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        const char *stop = comma ? comma : end;
        const char *eq = memchr(p, '=', (size_t)(stop - p));
        size_t n = eq ? (size_t)(eq - p) : 0;
        if (n >= 3 && n <= 8) {
            for (size_t i = 0; i < n; i++)
                key[pre + i] = (char)(p[i] >= 'A' && p[i] <= 'Z' ? p[i] + 32 : p[i]);
            key[pre + n] = '\0';
            static const char *const known[] = {"md5", "sha1", "sha256", "imphash"};
            for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
                if (strcmp(key + pre, known[i]) == 0)
                    mmr_out_strn(o, key, eq + 1, (size_t)(stop - eq - 1));
        }
        p = comma ? comma + 1 : end;
    }
}

static void account(struct mmr_outev *o, const char *ocsf, struct mmr_slice val)
{
    char prefix[64];
    size_t n = strlen(ocsf);
    if (n > 4 && n - 4 < sizeof prefix) {
        memcpy(prefix, ocsf, n - 4); /* without "name" */
        prefix[n - 4] = '\0';
        mmr_out_account(o, prefix, val);
    }
}

static void field(struct mmr_outev *o, const struct mmr_field_place *to, const struct mmr_winrec_field *f)
{
    int64_t v;
    if (mmr_slice_is(f->name, "RuleName") && is_dash(f->val))
        return;
    switch ((enum mmr_field_form)to->form) {
    case MMR_FIELD_HASHES:
        hashes(o, to->ocsf, f->val);
        return;
    case MMR_FIELD_ACCOUNT:
        if (is_dash(f->val))
            break;
        account(o, to->ocsf, f->val);
        return;
    case MMR_FIELD_ADDR:
        if (!mmr_out_addr(o, to->ocsf, f->val))
            break;
        return;
    case MMR_FIELD_INT:
        if (!mmr_slice_int(f->val, &v))
            break;
        mmr_out_int(o, to->ocsf, v);
        return;
    case MMR_FIELD_UID:
    case MMR_FIELD_TEXT:
        if (is_dash(f->val) || (to->form == MMR_FIELD_UID && is_null_guid(f->val)))
            break;
        mmr_out_slice(o, to->ocsf, f->val);
        return;
    case MMR_FIELD_UNMAPPED:
        break;
    }
    mmr_out_unmapped(o, f->name, f->val);
}

/* Sysmon 22: "type:  5 name;::ffff:192.0.2.1;" becomes answers */
static void answers(const struct mmr_winrec *r, struct mmr_outev *o)
{
    struct mmr_slice s = mmr_winrec_get(r, "QueryResults");
    char text[2048];
    const char *v[MMR_EVENT_ARRAY_MAX];
    size_t n = 0;
    if (is_dash(s) || s.n >= sizeof text)
        return;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    for (char *p = text; *p && n < MMR_EVENT_ARRAY_MAX;) {
        char *semi = p + strcspn(p, ";");
        bool is_last = !*semi;
        *semi = '\0';
        while (*p == ' ')
            p++;
        if (strncmp(p, "type:", 5) == 0) {
            p += 5;
            p += strspn(p, " 0123456789");
        }
        if (strncmp(p, "::ffff:", 7) == 0)
            p += 7;
        if (*p)
            v[n++] = p;
        if (is_last)
            break;
        p = semi + 1;
    }
    if (n)
        mmr_out_strv(o, "answers", v, n);
}

void mmr_win_event(const struct mmr_winrec *r, const struct mmr_origin *from, struct mmr_fieldmemo *memo, struct mmr_outev *o, void *buf,
                   size_t cap)
{
    static const char *const base_keys[MMR_FIELD_BASES] = {"", "process.name", "process.parent_process.name", "file.name"};
    struct mmr_slice path[MMR_FIELD_BASES] = {0}; /* the first of each */
    enum source src = source_of(r);
    const struct kind_row *k = kind_of(r, src);
    uint32_t class_uid = k->class_uid_low < 10 ? 201000u + k->class_uid_low : k->class_uid_low;
    char code[16] = "";
    bool is_auth = class_uid == MMR_CLASS_AUTH;

    int64_t id;
    if (mmr_slice_int(r->event_id, &id) && id > 0xffff) { /* the qualifiers stand above the id */
        (void)snprintf(code, sizeof code, "%d", (int)(id & 0xffff));
    } else if (r->event_id.n < sizeof code) {
        memcpy(code, r->event_id.p, r->event_id.n);
        code[r->event_id.n] = '\0';
    }
    mmr_out_begin(o, buf, cap, k->kind, class_uid, k->activity, from);
    mmr_out_slice(o, "device.hostname", r->computer);
    mmr_out_slice(o, "metadata.log_name", r->channel);
    mmr_out_str(o, "metadata.event_code", code);
    mmr_out_slice(o, "metadata.log_provider", r->provider);
    if (is_auth)
        mmr_out_int(o, "status_id", strcmp(k->kind, "auth.fail") == 0 ? 2 : 1);
    if (strcmp(k->kind, "conn.open") == 0)
        connection(r, o, src == SRC_SYSMON);
    mmr_fieldmemo_event(memo, k->kind, code);
    for (uint32_t i = 0; i < r->n; i++) {
        const struct mmr_winrec_field *f = &r->f[i];
        const struct mmr_field_place *to = mmr_fieldmemo_find(memo, f->name);
        field(o, to, f);
        if (to->base && !path[to->base].p && !is_dash(f->val) && f->val.p[0] != '<') /* "<unknown process>" */
            path[to->base] = mmr_slice_base(f->val);
    }
    if (strcmp(k->kind, "dns.query") == 0)
        answers(r, o);
    /* what the client asked is served on one port only */
    if (src == SRC_SECURITY && mmr_out_has(o, "src_endpoint.port")) {
        bool is_share = strcmp(code, "5140") == 0 || strcmp(code, "5145") == 0;
        bool is_kerberos = !strcmp(code, "4768") || !strcmp(code, "4769") || !strcmp(code, "4770") || !strcmp(code, "4771");
        if (is_share || is_kerberos)
            mmr_out_int(o, "dst_endpoint.port", is_share ? 445 : 88);
    }
    for (int b = 1; b < MMR_FIELD_BASES; b++)
        mmr_out_slice(o, base_keys[b], path[b]);
    mmr_out_unmapped(o, MMR_SLICE("Keywords"), r->keywords);
    mmr_out_unmapped(o, MMR_SLICE("Level"), r->level);
    if (src != SRC_SYSMON && src != SRC_SECURITY) { /* those name the account in their data; here the writer is it */
        if (!mmr_out_has(o, "user.name")) {
            mmr_out_slice(o, "user.name", r->account);
            mmr_out_slice(o, "user.domain", r->account_domain);
        }
        mmr_out_slice(o, "user.uid", r->user_sid);
    }
    /* The text repeats the fields in the machine's language; alone it is all there is. */
    uint32_t most = r->n > 4 ? 1024 : MMR_EVENT_STR_MAX;
    struct mmr_slice text = r->message;
    if (text.n > most)
        text.n = most;
    mmr_out_slice(o, "message", text);
}
