/* fields.c - the table of fields.h. Kept sorted; tests check the order. */
#include "sigma/fields.h"

#include <string.h>

/* clang-format off */
static const struct mmr_sigma_field rows[] = {
    /* name, ocsf, kinds, code, form: by name without case, then rows with a code, then with kinds */
    {"answer", "answers", "dns.*", NULL, MMR_SIGMA_PLAIN},
    {"answers", "answers", "dns.*", NULL, MMR_SIGMA_PLAIN},
    {"app", "app_name", "flow.* conn.*", NULL, MMR_SIGMA_PLAIN},
    {"Application", "process.file.path", "conn.open", "5156", MMR_SIGMA_PLAIN},
    {"c-ip", "src_endpoint.ip", NULL, NULL, MMR_SIGMA_PLAIN},
    {"c-port", "src_endpoint.port", NULL, NULL, MMR_SIGMA_PLAIN},
    {"c-referer", "http_request.referrer", NULL, NULL, MMR_SIGMA_PLAIN},
    {"c-uri", "http_request.url.path", NULL, NULL, MMR_SIGMA_URI},
    {"c-uri-extension", "unmapped.c-uri-extension", NULL, NULL, MMR_SIGMA_EXTENSION},
    {"c-uri-query", "http_request.url.query_string", NULL, NULL, MMR_SIGMA_QUERY},
    {"c-uri-stem", "http_request.url.path", NULL, NULL, MMR_SIGMA_STEM},
    {"c-useragent", "http_request.user_agent", NULL, NULL, MMR_SIGMA_PLAIN},
    {"certificate.issuer", "tls.certificate.issuer", "tls.*", NULL, MMR_SIGMA_PLAIN},
    {"certificate.serial", "tls.certificate.serial_number", "tls.*", NULL, MMR_SIGMA_SERIAL},
    {"certificate.subject", "tls.certificate.subject", "tls.*", NULL, MMR_SIGMA_PLAIN},
    {"Channel", "metadata.log_name", NULL, NULL, MMR_SIGMA_PLAIN},
    {"ClientAddress", "src_endpoint.ip", NULL, NULL, MMR_SIGMA_PLAIN},
    {"ClientPort", "src_endpoint.port", NULL, NULL, MMR_SIGMA_PLAIN},
    {"cmdline", "process.cmd_line", "process.*", NULL, MMR_SIGMA_PLAIN},
    {"comm", "process.name", NULL, NULL, MMR_SIGMA_PLAIN},
    {"CommandLine", "process.cmd_line", NULL, NULL, MMR_SIGMA_PLAIN},
    {"Computer", "device.hostname", NULL, NULL, MMR_SIGMA_PLAIN},
    {"ComputerName", "device.hostname", NULL, NULL, MMR_SIGMA_PLAIN},
    {"cs-host", "http_request.url.hostname", NULL, NULL, MMR_SIGMA_PLAIN},
    {"cs-method", "http_request.http_method", "http.*", NULL, MMR_SIGMA_PLAIN},
    {"cs-method", "http_request.http_method", NULL, NULL, MMR_SIGMA_PLAIN},
    {"cs-referer", "http_request.referrer", NULL, NULL, MMR_SIGMA_PLAIN},
    {"cs-referrer", "http_request.referrer", NULL, NULL, MMR_SIGMA_PLAIN},
    {"cs-uri", "http_request.url.path", NULL, NULL, MMR_SIGMA_URI},
    {"cs-uri-query", "http_request.url.query_string", NULL, NULL, MMR_SIGMA_QUERY},
    {"cs-uri-stem", "http_request.url.path", NULL, NULL, MMR_SIGMA_STEM},
    {"cs-user-agent", "http_request.user_agent", NULL, NULL, MMR_SIGMA_PLAIN},
    {"cs-username", "user.name", NULL, NULL, MMR_SIGMA_PLAIN},
    {"CurrentDirectory", "process.working_directory", NULL, NULL, MMR_SIGMA_PLAIN},
    {"cwd", "process.working_directory", NULL, NULL, MMR_SIGMA_PLAIN},
    {"DestAddress", "dst_endpoint.ip", "conn.open", NULL, MMR_SIGMA_PLAIN},
    {"destination.ip", "dst_endpoint.ip", NULL, NULL, MMR_SIGMA_PLAIN},
    {"destination.port", "dst_endpoint.port", NULL, NULL, MMR_SIGMA_PLAIN},
    {"DestinationHostname", "dst_endpoint.hostname", NULL, NULL, MMR_SIGMA_PLAIN},
    {"DestinationIp", "dst_endpoint.ip", NULL, NULL, MMR_SIGMA_PLAIN},
    {"DestinationPort", "dst_endpoint.port", NULL, NULL, MMR_SIGMA_PLAIN},
    {"DestPort", "dst_endpoint.port", "conn.open", NULL, MMR_SIGMA_PLAIN},
    {"Details", "reg_value.data", "registry.set", NULL, MMR_SIGMA_PLAIN},
    {"dns.answers.data", "answers", NULL, NULL, MMR_SIGMA_PLAIN},
    {"dns.question.name", "query.hostname", NULL, NULL, MMR_SIGMA_PLAIN},
    {"dns.question.type", "query.type", NULL, NULL, MMR_SIGMA_PLAIN},
    {"dst_ip", "dst_endpoint.ip", NULL, NULL, MMR_SIGMA_PLAIN},
    {"dst_mac", "dst_endpoint.mac", NULL, NULL, MMR_SIGMA_PLAIN},
    {"dst_port", "dst_endpoint.port", NULL, NULL, MMR_SIGMA_PLAIN},
    {"endpoint", "unmapped.interface", "dcerpc.*", NULL, MMR_SIGMA_PLAIN},
    {"EventID", "metadata.event_code", NULL, NULL, MMR_SIGMA_PLAIN},
    {"exe", "process.file.path", NULL, NULL, MMR_SIGMA_PLAIN},
    {"Filename", "unmapped.Path", NULL, "1006", MMR_SIGMA_PLAIN},
    {"Filename", "unmapped.Path", NULL, "1015", MMR_SIGMA_PLAIN},
    {"Filename", "unmapped.Path", NULL, "1116", MMR_SIGMA_PLAIN},
    {"Filename", "unmapped.Path", NULL, "1117", MMR_SIGMA_PLAIN},
    {"Filename", "unmapped.Path", NULL, "1118", MMR_SIGMA_PLAIN},
    {"Filename", "unmapped.Path", NULL, "1119", MMR_SIGMA_PLAIN},
    {"Hash", "file.hashes.", "file.* module.load driver.load", NULL, MMR_SIGMA_HASHES},
    {"Hashes", "file.hashes.", "file.* module.load driver.load", NULL, MMR_SIGMA_HASHES},
    {"Hashes", "process.file.hashes.", NULL, NULL, MMR_SIGMA_HASHES},
    {"host", "http_request.url.hostname", "http.*", NULL, MMR_SIGMA_PLAIN},
    {"Hostname", "device.hostname", NULL, NULL, MMR_SIGMA_PLAIN},
    {"id.orig_h", "src_endpoint.ip", NULL, NULL, MMR_SIGMA_PLAIN},
    {"id.orig_p", "src_endpoint.port", NULL, NULL, MMR_SIGMA_PLAIN},
    {"id.resp_h", "dst_endpoint.ip", NULL, NULL, MMR_SIGMA_PLAIN},
    {"id.resp_p", "dst_endpoint.port", NULL, NULL, MMR_SIGMA_PLAIN},
    {"id.service", "app_name", "flow.*", NULL, MMR_SIGMA_PLAIN},
    {"Image", "process.file.path", NULL, NULL, MMR_SIGMA_PLAIN},
    {"ImageLoaded", "file.path", "module.load driver.load", NULL, MMR_SIGMA_PLAIN},
    {"imphash", "file.hashes.imphash", "file.* module.load driver.load", NULL, MMR_SIGMA_PLAIN},
    {"imphash", "process.file.hashes.imphash", NULL, NULL, MMR_SIGMA_PLAIN},
    {"IntegrityLevel", "process.integrity", NULL, NULL, MMR_SIGMA_PLAIN},
    {"IpAddress", "src_endpoint.ip", NULL, NULL, MMR_SIGMA_PLAIN},
    {"IpPort", "src_endpoint.port", NULL, NULL, MMR_SIGMA_PLAIN},
    {"issuer", "tls.certificate.issuer", "tls.*", NULL, MMR_SIGMA_PLAIN},
    {"ja3", "tls.ja3", "tls.*", NULL, MMR_SIGMA_PLAIN},
    {"ja4", "tls.ja4", "tls.*", NULL, MMR_SIGMA_PLAIN},
    {"LogonId", "session.uid", NULL, NULL, MMR_SIGMA_PLAIN},
    {"md5", "file.hashes.md5", "file.* module.load driver.load", NULL, MMR_SIGMA_PLAIN},
    {"md5", "process.file.hashes.md5", NULL, NULL, MMR_SIGMA_PLAIN},
    {"Message", "message", NULL, NULL, MMR_SIGMA_PLAIN},
    {"method", "http_request.http_method", "http.*", NULL, MMR_SIGMA_PLAIN},
    {"name", "file.path", "file.* smb.*", NULL, MMR_SIGMA_PLAIN},
    {"named_pipe", "unmapped.pipe", "dcerpc.*", NULL, MMR_SIGMA_PLAIN},
    {"network.protocol", "app_name", NULL, NULL, MMR_SIGMA_PLAIN},
    {"network.transport", "connection_info.protocol_name", NULL, NULL, MMR_SIGMA_PLAIN},
    {"NewProcessId", "process.pid", NULL, NULL, MMR_SIGMA_PLAIN},
    {"NewProcessName", "process.file.path", NULL, NULL, MMR_SIGMA_PLAIN},
    {"orig_bytes", "traffic.bytes_out", "flow.*", NULL, MMR_SIGMA_PLAIN},
    {"ParentCommandLine", "process.parent_process.cmd_line", NULL, NULL, MMR_SIGMA_PLAIN},
    {"ParentImage", "process.parent_process.file.path", NULL, NULL, MMR_SIGMA_PLAIN},
    {"ParentProcessGuid", "process.parent_process.uid", NULL, NULL, MMR_SIGMA_PLAIN},
    {"ParentProcessId", "process.parent_process.pid", NULL, NULL, MMR_SIGMA_PLAIN},
    {"ParentProcessName", "process.parent_process.file.path", NULL, NULL, MMR_SIGMA_PLAIN},
    {"ParentUser", "process.parent_process.user.name", NULL, NULL, MMR_SIGMA_ACCOUNT},
    {"path", "unmapped.share", "smb.*", NULL, MMR_SIGMA_PLAIN},
    {"pid", "process.pid", NULL, NULL, MMR_SIGMA_PLAIN},
    {"ppid", "process.parent_process.pid", NULL, NULL, MMR_SIGMA_PLAIN},
    {"ProcessCommandLine", "process.cmd_line", NULL, NULL, MMR_SIGMA_PLAIN},
    {"ProcessGuid", "process.uid", NULL, NULL, MMR_SIGMA_PLAIN},
    {"ProcessId", "process.parent_process.pid", "process.start", "4688", MMR_SIGMA_PLAIN},
    {"ProcessId", "process.pid", NULL, NULL, MMR_SIGMA_PLAIN},
    {"ProcessName", "process.parent_process.file.path", "process.start", "4688", MMR_SIGMA_PLAIN},
    {"ProcessName", "process.file.path", NULL, NULL, MMR_SIGMA_PLAIN},
    {"proctitle", "process.cmd_line", "process.*", NULL, MMR_SIGMA_PLAIN},
    {"proto", "connection_info.protocol_name", NULL, NULL, MMR_SIGMA_PLAIN},
    {"Protocol", "connection_info.protocol_num", "conn.open", "5156", MMR_SIGMA_PLAIN},
    {"Protocol", "connection_info.protocol_name", NULL, NULL, MMR_SIGMA_PLAIN},
    {"Provider_Name", "metadata.log_provider", NULL, NULL, MMR_SIGMA_PLAIN},
    {"ProviderName", "metadata.log_provider", NULL, NULL, MMR_SIGMA_PLAIN},
    {"qtype_name", "query.type", "dns.*", NULL, MMR_SIGMA_PLAIN},
    {"query", "query.hostname", NULL, NULL, MMR_SIGMA_PLAIN},
    {"QueryName", "query.hostname", NULL, NULL, MMR_SIGMA_PLAIN},
    {"r-dns", "http_request.url.hostname", NULL, NULL, MMR_SIGMA_PLAIN},
    {"record_type", "query.type", "dns.*", NULL, MMR_SIGMA_PLAIN},
    {"referrer", "http_request.referrer", "http.*", NULL, MMR_SIGMA_PLAIN},
    {"resp_bytes", "traffic.bytes_in", "flow.*", NULL, MMR_SIGMA_PLAIN},
    {"rhost", "src_endpoint.ip", NULL, NULL, MMR_SIGMA_PLAIN},
    {"s-ip", "dst_endpoint.ip", NULL, NULL, MMR_SIGMA_PLAIN},
    {"s-port", "dst_endpoint.port", NULL, NULL, MMR_SIGMA_PLAIN},
    {"sc-status", "http_response.code", NULL, NULL, MMR_SIGMA_PLAIN},
    {"server_name", "tls.sni", "tls.*", NULL, MMR_SIGMA_PLAIN},
    {"service", "app_name", "flow.*", NULL, MMR_SIGMA_PLAIN},
    {"sha1", "file.hashes.sha1", "file.* module.load driver.load", NULL, MMR_SIGMA_PLAIN},
    {"sha1", "process.file.hashes.sha1", NULL, NULL, MMR_SIGMA_PLAIN},
    {"sha256", "file.hashes.sha256", "file.* module.load driver.load", NULL, MMR_SIGMA_PLAIN},
    {"sha256", "process.file.hashes.sha256", NULL, NULL, MMR_SIGMA_PLAIN},
    {"Signature", "unmapped.ThreatName", NULL, "1006", MMR_SIGMA_PLAIN},
    {"Signature", "unmapped.ThreatName", NULL, "1015", MMR_SIGMA_PLAIN},
    {"Signature", "unmapped.ThreatName", NULL, "1116", MMR_SIGMA_PLAIN},
    {"Signature", "unmapped.ThreatName", NULL, "1117", MMR_SIGMA_PLAIN},
    {"Signature", "unmapped.ThreatName", NULL, "1118", MMR_SIGMA_PLAIN},
    {"Signature", "unmapped.ThreatName", NULL, "1119", MMR_SIGMA_PLAIN},
    {"source.ip", "src_endpoint.ip", NULL, NULL, MMR_SIGMA_PLAIN},
    {"source.port", "src_endpoint.port", NULL, NULL, MMR_SIGMA_PLAIN},
    {"SourceAddress", "src_endpoint.ip", "conn.open", NULL, MMR_SIGMA_PLAIN},
    {"SourceHostname", "src_endpoint.hostname", NULL, NULL, MMR_SIGMA_PLAIN},
    {"SourceImage", "actor.process.file.path", "process.access process.inject", NULL, MMR_SIGMA_PLAIN},
    {"SourceIp", "src_endpoint.ip", NULL, NULL, MMR_SIGMA_PLAIN},
    {"SourceName", "metadata.log_provider", NULL, NULL, MMR_SIGMA_PLAIN},
    {"SourcePort", "src_endpoint.port", NULL, NULL, MMR_SIGMA_PLAIN},
    {"SourceProcessGuid", "actor.process.uid", "process.access process.inject", NULL, MMR_SIGMA_PLAIN},
    {"SourceProcessId", "actor.process.pid", "process.access process.inject", NULL, MMR_SIGMA_PLAIN},
    {"SourceUser", "actor.user.name", "process.access process.inject", NULL, MMR_SIGMA_ACCOUNT},
    {"src_ip", "src_endpoint.ip", NULL, NULL, MMR_SIGMA_PLAIN},
    {"src_mac", "src_endpoint.mac", NULL, NULL, MMR_SIGMA_PLAIN},
    {"src_port", "src_endpoint.port", NULL, NULL, MMR_SIGMA_PLAIN},
    {"status_code", "http_response.code", "http.*", NULL, MMR_SIGMA_PLAIN},
    {"subject", "tls.certificate.subject", "tls.*", NULL, MMR_SIGMA_PLAIN},
    {"SubjectDomainName", "user.domain", "process.start", "4688", MMR_SIGMA_PLAIN},
    {"SubjectDomainName", "actor.user.domain", NULL, NULL, MMR_SIGMA_PLAIN},
    {"SubjectLogonId", "session.uid", "process.start", "4688", MMR_SIGMA_PLAIN},
    {"SubjectLogonId", "actor.session.uid", NULL, NULL, MMR_SIGMA_PLAIN},
    {"SubjectUserName", "user.name", "process.start", "4688", MMR_SIGMA_PLAIN},
    {"SubjectUserName", "actor.user.name", NULL, NULL, MMR_SIGMA_PLAIN},
    {"SubjectUserSid", "user.uid", "process.start", "4688", MMR_SIGMA_PLAIN},
    {"SubjectUserSid", "actor.user.uid", NULL, NULL, MMR_SIGMA_PLAIN},
    {"TargetDomainName", NULL, "process.start", NULL, MMR_SIGMA_PLAIN},
    {"TargetDomainName", "user.domain", NULL, NULL, MMR_SIGMA_PLAIN},
    {"TargetFilename", "file.path", NULL, NULL, MMR_SIGMA_PLAIN},
    {"TargetImage", "process.file.path", "process.access process.inject", NULL, MMR_SIGMA_PLAIN},
    {"TargetLogonId", NULL, "process.start", NULL, MMR_SIGMA_PLAIN},
    {"TargetLogonId", "session.uid", NULL, NULL, MMR_SIGMA_PLAIN},
    {"TargetObject", "reg_value.path", "registry.set", NULL, MMR_SIGMA_PLAIN},
    {"TargetProcessGuid", "process.uid", "process.access process.inject", NULL, MMR_SIGMA_PLAIN},
    {"TargetProcessId", "process.pid", "process.access process.inject", NULL, MMR_SIGMA_PLAIN},
    {"TargetSid", "user.uid", "account.change auth.*", NULL, MMR_SIGMA_PLAIN},
    {"TargetUser", "user.name", "process.access process.inject", NULL, MMR_SIGMA_ACCOUNT},
    {"TargetUserName", NULL, "process.start", NULL, MMR_SIGMA_PLAIN},
    {"TargetUserName", "user.name", NULL, NULL, MMR_SIGMA_PLAIN},
    {"TargetUserSid", NULL, "process.start", NULL, MMR_SIGMA_PLAIN},
    {"TargetUserSid", "user.uid", NULL, NULL, MMR_SIGMA_PLAIN},
    {"uid", "user.uid", "process.* conn.* file.*", NULL, MMR_SIGMA_PLAIN},
    {"uri", "http_request.url.path", "http.*", NULL, MMR_SIGMA_URI},
    {"User", "user.name", NULL, NULL, MMR_SIGMA_ACCOUNT},
    {"user_agent", "http_request.user_agent", "http.*", NULL, MMR_SIGMA_PLAIN},
    {"username", "user.name", NULL, NULL, MMR_SIGMA_PLAIN},
    {"Workstation", "src_endpoint.hostname", "auth.*", NULL, MMR_SIGMA_PLAIN},
    {"WorkstationName", "src_endpoint.hostname", "auth.*", NULL, MMR_SIGMA_PLAIN},
    {"Z", "unmapped.z", "dns.*", NULL, MMR_SIGMA_PLAIN},
};
/* clang-format on */
enum { ROWS = sizeof rows / sizeof rows[0] };

static int lower(int c)
{
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

/* strcasecmp of a bounded name and a row's, free of the locale */
static int compare(const char *name, size_t len, const char *row)
{
    for (size_t i = 0; i < len; i++) {
        int d = lower((unsigned char)name[i]) - lower((unsigned char)row[i]);
        if (d || !row[i])
            return d ? d : 1;
    }
    return row[len] ? -1 : 0;
}

static bool kind_in(const char *kinds, const char *kind)
{
    if (!kinds)
        return true;
    if (!kind)
        return false;
    for (const char *p = kinds; *p;) {
        size_t n = strcspn(p, " ");
        if (p[n - 1] == '*' ? !strncmp(p, kind, n - 1) : strlen(kind) == n && !strncmp(p, kind, n))
            return true;
        p += n;
        p += strspn(p, " ");
    }
    return false;
}

const struct mmr_sigma_field *mmr_sigma_field_find(const char *kind, const char *code,
                                                   const char *name, size_t name_len)
{
    size_t lo = 0, hi = ROWS;
    while (lo < hi) { /* the first row that is not below the name */
        size_t mid = lo + (hi - lo) / 2;
        if (compare(name, name_len, rows[mid].name) > 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (; lo < ROWS && !compare(name, name_len, rows[lo].name); lo++) {
        const struct mmr_sigma_field *f = &rows[lo];
        if ((!f->code || (code && !strcmp(code, f->code))) && kind_in(f->kinds, kind))
            return f->ocsf ? f : NULL;
    }
    return NULL;
}

const struct mmr_sigma_field *mmr_sigma_fields(size_t *ret_n)
{
    *ret_n = ROWS;
    return rows;
}
