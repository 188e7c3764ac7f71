/* link: mmr_plugin_authfail_objects mmr_liblog mamori-sdk mmr_lib_pcre2 */
/* bench_log.c - lines a second on one core, format by format, from the line to the finished event. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mamori/event.h>

#include "decode.h"
#include "match.h"
#include "syslog.h"

static int64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* one core, whatever else the machine does */
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void count(void *ctx, const void *msgpack, size_t len, int64_t time_ns)
{
    uint64_t *bytes = ctx;
    (void)msgpack, (void)time_ns;
    *bytes += len;
}

static const struct {
    const char *name, *format, *line;
} rows[] = {
    {"syslog, sshd", "syslog", "Jan  2 03:04:05 srv sshd[4711]: Failed password for invalid user admin from 192.0.2.7 port 51234 ssh2"},
    {"syslog, RFC 5424", "syslog", "<38>1 2024-01-02T03:04:05.123456Z srv.example.com app 4711 ID1 - a message of usual length, with some words"},
    {"access log", "syslog", "192.0.2.7 - - [02/Jan/2024:03:04:05 +0100] \"GET /index.html?a=b HTTP/1.1\" 200 4711 \"-\" \"Mozilla/5.0 (X11; Linux x86_64)\""},
    {"auditd, USER_AUTH", "auditd", "type=USER_AUTH msg=audit(1700000000.123:408): pid=1298 uid=0 auid=4294967295 ses=4294967295 subj=system_u:system_r:sshd_t:s0 "
        "msg='op=pubkey_auth rport=63927 acct=\"bob\" exe=\"/usr/sbin/sshd\" hostname=? addr=192.0.2.7 terminal=? res=success'"},
    {"sysmon-linux, XML", "sysmon-linux", "2024-01-02T03:04:05.467Z host sysmon: <Event><System><Provider Name=\"Linux-Sysmon\" Guid=\"{ff032593-a8d3-4f13-b0d6-01fc615a0f97}\"/>"
        "<EventID>3</EventID><Version>5</Version><Level>4</Level><Task>3</Task><Opcode>0</Opcode><Keywords>0x8000000000000000</Keywords>"
        "<TimeCreated SystemTime=\"2024-01-02T03:04:05.465735000Z\"/><EventRecordID>245754</EventRecordID><Channel>Linux-Sysmon/Operational</Channel>"
        "<Computer>host</Computer></System><EventData><Data Name=\"UtcTime\">2024-01-02 03:04:05.472</Data><Data Name=\"ProcessGuid\">"
        "{94325212-f5aa-627b-082b-60e4b9550000}</Data><Data Name=\"ProcessId\">1774</Data><Data Name=\"Image\">/usr/bin/curl</Data><Data Name=\"User\">root</Data>"
        "<Data Name=\"Protocol\">tcp</Data><Data Name=\"Initiated\">true</Data><Data Name=\"SourceIp\">192.0.2.5</Data><Data Name=\"SourcePort\">51492</Data>"
        "<Data Name=\"DestinationIp\">198.51.100.7</Data><Data Name=\"DestinationPort\">443</Data></EventData></Event>"},
    {"winevent-json, flat", "winevent-json", "{\"Channel\":\"Microsoft-Windows-Sysmon/Operational\",\"SourceName\":\"Microsoft-Windows-Sysmon\",\"EventID\":10,"
        "\"Hostname\":\"pc1.example.com\",\"EventTime\":\"2024-01-02 03:04:05\",\"@timestamp\":\"2024-01-02T08:04:07.100Z\",\"UtcTime\":\"2024-01-02 08:04:05.123\","
        "\"SourceProcessGUID\":\"{365abb72-3ece-5d0b-0000-00107f7f1a00}\",\"SourceProcessId\":\"880\",\"SourceThreadId\":\"7488\",\"SourceImage\":\"C:\\\\windows\\\\system32\\\\svchost.exe\","
        "\"TargetProcessGUID\":\"{365abb72-3ece-5d0b-0000-00107f7f1a01}\",\"TargetProcessId\":\"704\",\"TargetImage\":\"C:\\\\windows\\\\System32\\\\lsass.exe\",\"GrantedAccess\":\"0x1000\","
        "\"CallTrace\":\"C:\\\\windows\\\\SYSTEM32\\\\ntdll.dll+9c534|C:\\\\windows\\\\SYSTEM32\\\\KERNELBASE.dll+222a3\",\"RecordNumber\":1929240,\"Keywords\":-9223372036854775808,"
        "\"Severity\":\"INFO\",\"SeverityValue\":2,\"ProviderGuid\":\"{5770385F-C22A-43E0-BF4C-06F5698FFBD9}\",\"Version\":3,\"Task\":10,\"OpcodeValue\":0,\"AccountName\":\"SYSTEM\","
        "\"Domain\":\"NT AUTHORITY\",\"UserID\":\"S-1-5-18\",\"SourceModuleName\":\"eventlog\",\"SourceModuleType\":\"im_msvistalog\",\"tags\":[\"a\"],\"port\":64545}"},
    {"winevent-json, Event", "winevent-json", "{\"Event\":{\"System\":{\"Provider\":{\"#attributes\":{\"Name\":\"Microsoft-Windows-Sysmon\"}},\"EventID\":1,\"Version\":5,\"Level\":4,"
        "\"TimeCreated\":{\"#attributes\":{\"SystemTime\":\"2024-01-02T03:04:05.377630Z\"}},\"EventRecordID\":657154,\"Channel\":\"Microsoft-Windows-Sysmon/Operational\",\"Computer\":\"pc1\"},"
        "\"EventData\":{\"RuleName\":\"-\",\"UtcTime\":\"2024-01-02 03:04:05.377\",\"ProcessGuid\":\"14207D89-43E5-6904-4506-000000004002\",\"ProcessId\":5244,\"Image\":\"C:\\\\Windows\\\\system32\\\\reg.exe\","
        "\"CommandLine\":\"reg add HKLM\\\\Software\\\\X /v a /d b\",\"User\":\"EXAMPLE\\\\bob\",\"Hashes\":\"MD5=352B525E9C26CB92693899528FE007C2,SHA256=1F1D918EC49E0B7C59B704FF412E1A6E224DA81C08CDA657E1CB482ABAAC146C\","
        "\"ParentImage\":\"C:\\\\Windows\\\\explorer.exe\",\"ParentProcessId\":5200}}}"},
};

static int decode(size_t row, double seconds)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_logdec *d;
    enum mmr_log_format f;
    uint64_t bytes = 0, lines = 0;
    char line[4096];
    size_t len = strlen(rows[row].line);
    if (mmr_log_format_by_name(rows[row].format, &f, &err) != 0 ||
        mmr_logdec_new(f, NULL, INT64_C(1710000000000000000), &d, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    int64_t start = now_ns(), end = start + (int64_t)(seconds * 1e9), at = start;
    while (at < end) {
        for (int i = 0; i < 1000; i++) {
            memcpy(line, rows[row].line, len + 1);
            mmr_logdec_line(d, line, len, ++lines, count, &bytes);
        }
        at = now_ns();
    }
    const struct mmr_logdec_stats *s = mmr_logdec_stats(d);
    printf("{\"what\":\"log: %s\",\"per_s\":%.0f,\"mb_per_s\":%.0f,\"line_bytes\":%zu,\"event_bytes\":%llu}\n",
           rows[row].name, (double)lines * 1e9 / (double)(at - start), (double)(lines * len) * 1e3 / (double)(at - start), len,
           (unsigned long long)(s->events ? bytes / s->events : 0));
    int bad = s->events != lines;
    mmr_logdec_free(d);
    return bad;
}

static int matching(const char *name, const char *line, bool want, double seconds)
{
    struct mmr_auth_matcher *m;
    struct mmr_auth_hit hit;
    struct mmr_syslog s;
    uint64_t lines = 0, hits = 0;
    if (mmr_auth_matcher_new(&m, NULL) != 0)
        return 1;
    int64_t start = now_ns(), end = start + (int64_t)(seconds * 1e9), at = start;
    while (at < end) {
        for (int i = 0; i < 1000; i++, lines++) {
            mmr_syslog_read(line, strlen(line), &s);
            hits += mmr_auth_match(m, s.app, s.msg, &hit);
        }
        at = now_ns();
    }
    printf("{\"what\":\"log: %s\",\"per_s\":%.0f}\n", name, (double)lines * 1e9 / (double)(at - start));
    mmr_auth_matcher_free(m);
    return hits != (want ? lines : 0);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 1.0;
    int bad = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        bad |= decode(i, seconds);
    bad |= matching("authfail, a failure", rows[0].line, true, seconds);
    bad |= matching("authfail, no sshd", "Jan  2 03:04:05 srv CRON[12]: pam_unix(cron:session): session opened for user root(uid=0)", false, seconds);
    return bad;
}
