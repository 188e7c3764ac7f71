/* logsource.c - the table of log sources, and its use. */
#include "sigma/logsource.h"

#include <string.h>
#include <strings.h>

struct sigma_source_row {
    const char *product, *category, *service; /* NULL: not part of the name */
    const char *kinds;      /* space separated, "file.*" a family; NULL: any */
    const char *channels;   /* '|' separated, may end with '*'; NULL: any */
    const char *codes;      /* space separated event ids; NULL: any */
    const char *providers;  /* '|' separated, as channels; NULL: any */
    const char *event_types; /* space separated; events without a type pass */
    const char *not_codes;   /* space separated event ids that are something else */
};

#define SYSMON "Microsoft-Windows-Sysmon/Operational|Linux-Sysmon/Operational|ForwardedEvents|Sysmon"
#define PS "Microsoft-Windows-PowerShell/Operational|PowerShellCore/Operational"
#define SEEN "flow.* dns.* http.* tls.* smb.* dcerpc.* krb.* ldap.* ssh.* ftp.* smtp.* dhcp.* arp.* icmp.*" /* by the network sensor */
#define CAT(p, c, k, ch, co) {p, c, NULL, k, ch, co, NULL, NULL, NULL}
#define BUT(c, k, not) {NULL, c, NULL, k, NULL, NULL, NULL, NULL, not}
#define SVC(s, ch) {"windows", NULL, s, NULL, ch, NULL, NULL, NULL, NULL}
#define LNX(s, pr) {"linux", NULL, s, NULL, NULL, NULL, pr, NULL, NULL}

/* clang-format off */
static const struct sigma_source_row rows[] = {
    /* categories of process telemetry, whoever saw it: Sysmon, Security, our own sensors */
    CAT(NULL, "process_creation", "process.start", NULL, NULL),
    CAT(NULL, "process_termination", "process.exit", NULL, NULL),
    CAT(NULL, "network_connection", "conn.open", NULL, NULL),
    BUT("file_event", "file.create", "15 27 28 29"),
    CAT("linux", "file_event", "file.change file.rename", NULL, NULL),
    CAT(NULL, "file_change", "file.change", NULL, NULL),
    CAT(NULL, "file_change", NULL, SYSMON, "2"),
    CAT(NULL, "file_rename", "file.rename", NULL, NULL),
    CAT(NULL, "file_delete", "file.delete", NULL, NULL),
    CAT(NULL, "file_delete_detected", "file.delete", SYSMON, "26"),
    CAT(NULL, "file_access", "file.*", "Microsoft-Windows-Kernel-File*", NULL),
    CAT(NULL, "file_block_executable", NULL, SYSMON, "27"),
    CAT(NULL, "file_block_shredding", NULL, SYSMON, "28"),
    CAT(NULL, "file_executable_detected", NULL, SYSMON, "29"),
    CAT(NULL, "image_load", "module.load", NULL, NULL),
    CAT(NULL, "driver_load", "driver.load", NULL, NULL),
    BUT("create_remote_thread", "process.inject", "25"),
    CAT(NULL, "process_access", "process.access", NULL, NULL),
    CAT(NULL, "raw_access_thread", NULL, SYSMON, "9"),
    CAT(NULL, "raw_access_read", NULL, SYSMON, "9"),
    CAT(NULL, "process_tampering", NULL, SYSMON, "25"),
    CAT(NULL, "clipboard_capture", NULL, SYSMON, "24"),
    CAT(NULL, "create_stream_hash", NULL, SYSMON, "15"),
    CAT(NULL, "pipe_created", "pipe.create", NULL, NULL),
    CAT(NULL, "wmi_event", "wmi.event", NULL, NULL),
    CAT(NULL, "dns_query", "dns.query", NULL, NULL),
    CAT(NULL, "sysmon_status", NULL, SYSMON, "4 16"),
    CAT(NULL, "sysmon_error", NULL, SYSMON, "255"),
    CAT(NULL, "registry_event", "registry.set", NULL, NULL),
    CAT(NULL, "registry_set", "registry.set", NULL, "13"),
    CAT(NULL, "registry_set", "registry.set", "Security", "4657"),
    {NULL, "registry_add", NULL, "registry.set", NULL, "12", NULL, "CreateKey", NULL},
    {NULL, "registry_delete", NULL, "registry.set", NULL, "12", NULL, "DeleteKey DeleteValue", NULL},
    CAT(NULL, "registry_rename", "registry.set", NULL, "14"),
    CAT("windows", "ps_script", NULL, PS, "4104"),
    CAT("windows", "ps_module", NULL, PS, "4103"),
    CAT("windows", "ps_classic_start", NULL, "Windows PowerShell", "400"),
    CAT("windows", "ps_classic_provider_start", NULL, "Windows PowerShell", "600"),
    CAT("windows", "ps_classic_script", NULL, "Windows PowerShell", "800"),
    /* categories of the network side */
    CAT(NULL, "dns", "dns.*", NULL, NULL),
    CAT(NULL, "proxy", "http.*", NULL, NULL),
    CAT(NULL, "webserver", "http.*", NULL, NULL),
    CAT(NULL, "firewall", "flow.* conn.open", NULL, NULL),
    CAT(NULL, "network", SEEN, NULL, NULL),
    CAT(NULL, "antivirus", NULL, "Microsoft-Windows-Windows Defender/Operational", "1006 1015 1116 1117 1118 1119"),
    {NULL, "antivirus", NULL, NULL, NULL, NULL, "clamav|clamd|freshclam|clamscan", NULL, NULL},
    CAT(NULL, "application", NULL, NULL, NULL),
    CAT(NULL, "database", "log.record", NULL, NULL),
    {NULL, "network", "connection", "flow.* conn.open", NULL, NULL, NULL, NULL, NULL},
    {NULL, "network", "dns", "dns.*", NULL, NULL, NULL, NULL, NULL},
    /* findings of mamori itself, for correlations in the brain */
    {"mamori", NULL, "finding", "finding", NULL, NULL, NULL, NULL, NULL},
    /* the network sensor's records under the names of a well-known network monitor */
    {"zeek", NULL, NULL, SEEN, NULL, NULL, NULL, NULL, NULL},
    {"zeek", NULL, "dce_rpc", "dcerpc.*", NULL, NULL, NULL, NULL, NULL},
    {"zeek", NULL, "dns", "dns.*", NULL, NULL, NULL, NULL, NULL},
    {"zeek", NULL, "http", "http.*", NULL, NULL, NULL, NULL, NULL},
    {"zeek", NULL, "kerberos", "krb.*", NULL, NULL, NULL, NULL, NULL},
    {"zeek", NULL, "rdp", "rdp.*", NULL, NULL, NULL, NULL, NULL},
    {"zeek", NULL, "smb_files", "smb.*", NULL, NULL, NULL, NULL, NULL},
    {"zeek", NULL, "smb", "smb.*", NULL, NULL, NULL, NULL, NULL},
    {"zeek", NULL, "conn", "flow.*", NULL, NULL, NULL, NULL, NULL},
    {"zeek", NULL, "ssl", "tls.*", NULL, NULL, NULL, NULL, NULL},
    {"zeek", NULL, "x509", "tls.*", NULL, NULL, NULL, NULL, NULL},
    {"zeek", NULL, "ssh", "ssh.*", NULL, NULL, NULL, NULL, NULL},
    {"zeek", NULL, "ldap", "ldap.*", NULL, NULL, NULL, NULL, NULL},
    /* Windows event channels */
    SVC("security", "Security"), SVC("system", "System"), SVC("application", "Application"),
    SVC("sysmon", SYSMON), SVC("powershell", PS), SVC("powershell-classic", "Windows PowerShell"),
    SVC("taskscheduler", "Microsoft-Windows-TaskScheduler/Operational"),
    SVC("wmi", "Microsoft-Windows-WMI-Activity/Operational"),
    SVC("windefend", "Microsoft-Windows-Windows Defender/Operational"),
    SVC("application-experience", "Microsoft-Windows-Application-Experience/*"),
    SVC("applocker", "Microsoft-Windows-AppLocker/*"),
    SVC("appmodel-runtime", "Microsoft-Windows-AppModel-Runtime/Admin"),
    SVC("appxdeployment-server", "Microsoft-Windows-AppXDeploymentServer/Operational"),
    SVC("appxpackaging-om", "Microsoft-Windows-AppxPackaging/Operational"),
    SVC("bitlocker", "Microsoft-Windows-BitLocker/BitLocker Management"),
    SVC("bits-client", "Microsoft-Windows-Bits-Client/Operational"),
    SVC("capi2", "Microsoft-Windows-CAPI2/Operational"),
    SVC("certificateservicesclient-lifecycle-system", "Microsoft-Windows-CertificateServicesClient-Lifecycle-System/Operational"),
    SVC("codeintegrity-operational", "Microsoft-Windows-CodeIntegrity/Operational"),
    SVC("dhcp", "Microsoft-Windows-DHCP-Server/Operational"),
    SVC("diagnosis-scripted", "Microsoft-Windows-Diagnosis-Scripted/Operational"),
    SVC("dns-client", "Microsoft-Windows-DNS Client Events/Operational|Microsoft-Windows-DNS-Client/Operational"),
    SVC("dns-server", "DNS Server"),
    SVC("dns-server-analytic", "Microsoft-Windows-DNS-Server/Analytical"),
    SVC("dns-server-audit", "Microsoft-Windows-DNS-Server/Audit"),
    SVC("driver-framework", "Microsoft-Windows-DriverFrameworks-UserMode/Operational"),
    SVC("firewall-as", "Microsoft-Windows-Windows Firewall With Advanced Security/Firewall"),
    SVC("hyper-v-worker", "Microsoft-Windows-Hyper-V-Worker*"),
    SVC("iis-configuration", "Microsoft-IIS-Configuration/Operational"),
    SVC("kernel-event-tracing", "Microsoft-Windows-Kernel-EventTracing*"),
    SVC("kernel-shimengine", "Microsoft-Windows-Kernel-ShimEngine/*|WinEventLog:Microsoft-Windows-Kernel-ShimEngine/*"),
    SVC("ldap", "Microsoft-Windows-LDAP-Client/Debug"), SVC("ldap_debug", "Microsoft-Windows-LDAP-Client/Debug"),
    SVC("lsa-server", "Microsoft-Windows-LSA/Operational"),
    SVC("microsoft-servicebus-client", "Microsoft-ServiceBus-Client*"),
    SVC("msexchange-management", "MSExchange Management"),
    SVC("ntfs", "Microsoft-Windows-Ntfs/Operational"), SVC("ntlm", "Microsoft-Windows-NTLM/Operational"),
    SVC("openssh", "OpenSSH/Operational"),
    SVC("printservice-admin", "Microsoft-Windows-PrintService/Admin"),
    SVC("printservice-operational", "Microsoft-Windows-PrintService/Operational"),
    SVC("security-mitigations", "Microsoft-Windows-Security-Mitigations/*"),
    SVC("sense", "Microsoft-Windows-SENSE/Operational"),
    SVC("servicebus-client", "Microsoft-ServiceBus-Client*"),
    SVC("shell-core", "Microsoft-Windows-Shell-Core/Operational"),
    SVC("smbclient-security", "Microsoft-Windows-SmbClient/Security"),
    SVC("smbclient-connectivity", "Microsoft-Windows-SMBClient/Connectivity"),
    SVC("smbserver-connectivity", "Microsoft-Windows-SMBServer/Connectivity"),
    SVC("terminalservices-localsessionmanager", "Microsoft-Windows-TerminalServices-LocalSessionManager/Operational"),
    SVC("terminalservices-remoteconnectionmanager", "Microsoft-Windows-TerminalServices-RemoteConnectionManager/Operational"),
    SVC("vhdmp", "Microsoft-Windows-VHDMP/Operational"),
    SVC("winrm", "Microsoft-Windows-WinRM/Operational"),
    SVC("wmi-activity", "Microsoft-Windows-WMI-Activity/Operational"),
    /* Linux logs: by the program that wrote the line */
    LNX("sshd", "sshd*"), LNX("sudo", "sudo"), LNX("su", "su"), LNX("cron", "cron*|CRON*|crond|anacron"),
    LNX("clamav", "clamav|clamd|freshclam|clamscan"), LNX("vsftpd", "vsftpd"), LNX("guacamole", "guacd|guacamole"),
    {"linux", NULL, "auth", "auth.* account.*", NULL, NULL, NULL, NULL, NULL},
    LNX("auth", "sshd*|sudo|su|login|systemd-logind|useradd|userdel|usermod|groupadd|passwd|chage|gdm*|polkit*|pam*"),
    {"linux", NULL, "auth", NULL, "auth*|secure*", NULL, NULL, NULL, NULL},
    {"linux", NULL, "auditd", NULL, "auditd*|audit*|*/audit.log", NULL, NULL, NULL, NULL},
    LNX("auditd", "auditd|audit|audispd|auoms"),
    {"linux", NULL, "syslog", NULL, "syslog*|messages*|journal*|auth*|kern*|cron*|daemon*|secure*", NULL, NULL, NULL, NULL},
    {"linux", NULL, "syslog", "log.record auth.* account.*", NULL, NULL, NULL, NULL, NULL},
    /* web servers: what they write about themselves; the requests are events of their own, without the server's name */
    {"apache", NULL, NULL, NULL, NULL, NULL, "apache*|httpd*", NULL, NULL}, {"nginx", NULL, NULL, NULL, NULL, NULL, "nginx*", NULL, NULL},
    {NULL, NULL, "apache", NULL, NULL, NULL, "apache*|httpd*", NULL, NULL}, {NULL, NULL, "nginx", NULL, NULL, NULL, "nginx*", NULL, NULL},
    {"apache", NULL, "error", NULL, NULL, NULL, "apache*|httpd*", NULL, NULL}, {"nginx", NULL, "error", NULL, NULL, NULL, "nginx*", NULL, NULL},
    {"apache", NULL, "access", "http.*", NULL, NULL, NULL, NULL, NULL}, {"nginx", NULL, "access", "http.*", NULL, NULL, NULL, NULL, NULL},
    {"modsecurity", NULL, NULL, NULL, NULL, NULL, "apache*|httpd*|nginx*|modsec*", NULL, NULL},
};
/* clang-format on */
enum { ROWS = sizeof rows / sizeof rows[0] };

static bool same(const char *a, const char *b)
{
    return a && b && !strcmp(a, b);
}

static bool product_fits(const char *row, const char *product)
{
    return !row || !product || !strcmp(row, product);
}

static enum sigma_os os_of(const char *product)
{
    if (!product)
        return SIGMA_OS_ANY;
    if (!strcmp(product, "windows"))
        return SIGMA_OS_WINDOWS;
    if (!strcmp(product, "linux"))
        return SIGMA_OS_LINUX;
    return !strcmp(product, "macos") ? SIGMA_OS_MACOS : SIGMA_OS_OTHER;
}

const char *sigma_selector_make(const char *product, const char *category, const char *service,
                                struct sigma_selector *ret)
{
    *ret = (struct sigma_selector){.os = os_of(product)};
    if (!product && !category && !service)
        return "logsource without product, category and service";
    for (size_t i = 0; i < ROWS && category && service; i++) /* a pair with a row of its own */
        if (same(rows[i].category, category) && same(rows[i].service, service))
            ret->service[ret->n_service++] = &rows[i];
    if (ret->n_service)
        return NULL;
    for (size_t i = 0; i < ROWS; i++) {
        const struct sigma_source_row *r = &rows[i];
        if (!product_fits(r->product, product))
            continue;
        if (category && same(r->category, category) && !r->service && ret->n_category < SIGMA_ROWS_MAX)
            ret->category[ret->n_category++] = r;
        if (service && same(r->service, service) && !r->category && ret->n_service < SIGMA_ROWS_MAX)
            ret->service[ret->n_service++] = r;
        if (!category && !service && same(r->product, product) && !r->category && !r->service)
            ret->service[ret->n_service++] = r;
    }
    if (category && !ret->n_category)
        return "log source category";
    if (service && !ret->n_service)
        ret->by_name = service; /* any program or channel of that name */
    else if (!service && ret->os == SIGMA_OS_OTHER && !ret->n_service && !category)
        ret->by_name = product;
    else if (ret->os == SIGMA_OS_OTHER && category && !strcmp(category, "application"))
        ret->by_name = product;
    return NULL;
}

bool sigma_selector_same(const struct sigma_selector *a, const struct sigma_selector *b)
{
    if (a->os != b->os || a->n_category != b->n_category || a->n_service != b->n_service)
        return false;
    if ((a->by_name || b->by_name) && !same(a->by_name, b->by_name))
        return false;
    for (size_t i = 0; i < a->n_category; i++)
        if (a->category[i] != b->category[i])
            return false;
    for (size_t i = 0; i < a->n_service; i++)
        if (a->service[i] != b->service[i])
            return false;
    return true;
}

/* Is text one of the separated patterns? A pattern may start or end with '*'. No case. */
static bool in_list(const char *list, char sep, const char *text)
{
    size_t len = strlen(text);
    for (const char *p = list; p && *p;) {
        const char *e = strchr(p, sep);
        size_t n = e ? (size_t)(e - p) : strlen(p);
        if (n && p[n - 1] == '*') {
            if (len >= n - 1 && !strncasecmp(p, text, n - 1))
                return true;
        } else if (n && p[0] == '*') {
            if (len >= n - 1 && !strncasecmp(p + 1, text + len - (n - 1), n - 1))
                return true;
        } else if (len == n && !strncasecmp(p, text, n)) {
            return true;
        }
        if (!e)
            break;
        p = e + 1;
    }
    return false;
}

static bool row_has(const struct sigma_source_row *r, const struct sigma_origin *o)
{
    return (!r->kinds || in_list(r->kinds, ' ', o->kind)) &&
           (!r->channels || in_list(r->channels, '|', o->log_name)) &&
           (!r->codes || in_list(r->codes, ' ', o->code)) &&
           (!r->providers || in_list(r->providers, '|', o->provider)) &&
           (!r->not_codes || !in_list(r->not_codes, ' ', o->code)) &&
           (!r->event_types || !o->event_type[0] || in_list(r->event_types, ' ', o->event_type));
}

static bool any_row(const struct sigma_source_row *const *r, size_t n, const struct sigma_origin *o)
{
    for (size_t i = 0; i < n; i++)
        if (row_has(r[i], o))
            return true;
    return !n;
}

bool sigma_selector_has(const struct sigma_selector *sel, const struct sigma_origin *o)
{
    bool has_os = sel->os == SIGMA_OS_WINDOWS || sel->os == SIGMA_OS_LINUX || sel->os == SIGMA_OS_MACOS;
    if (has_os && o->os != sel->os && o->os != SIGMA_OS_ANY)
        return false;
    if (sel->by_name && !in_list(sel->by_name, '|', o->log_name) && !in_list(sel->by_name, '|', o->provider))
        return false;
    return any_row(sel->category, sel->n_category, o) && any_row(sel->service, sel->n_service, o);
}
