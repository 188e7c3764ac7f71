/* test_sigma_match.c - what each modifier, wildcard and condition of the specification matches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sigma_world.h"

#define SEL(x) "  selection:\n    " x "\n  condition: selection"
#define CMD(x) "process.cmd_line=" x

struct row {
    const char *why, *detection;
    const char *fields[4];
    bool want;
};

static void check(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct mmr_sigma *s = world_rule(rows[i].detection);
        assert_non_null(s);
        const struct mmr_sigma_rule *r = mmr_sigma_get(s, 0);
        if (!mmr_sigma_rule_ok(r))
            fail_msg("%s: %s %s", rows[i].why, r->error ? r->error : "", r->unsupported.n ? r->unsupported.v[0] : "");
        bool got = world_match(s, "process.start", 0, rows[i].fields).n == 1;
        if (got != rows[i].want)
            fail_msg("%s: %s, expected otherwise\n%s\n%s", rows[i].why, got ? "matched" : "no match", rows[i].detection,
                     rows[i].fields[0] ? rows[i].fields[0] : "");
        mmr_sigma_free(s);
    }
}
#define CHECK(rows) check(rows, sizeof rows / sizeof rows[0])

static void text_modifiers(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"whole value", SEL("CommandLine: whoami"), {CMD("WhoAmI")}, true},
        {"whole value only", SEL("CommandLine: whoami"), {CMD("whoami /all")}, false},
        {"contains", SEL("CommandLine|contains: sekurlsa"), {CMD("x SEKURLSA::logonpasswords")}, true},
        {"contains not", SEL("CommandLine|contains: sekurlsa"), {CMD("x sekurls")}, false},
        {"startswith", SEL("CommandLine|startswith: net"), {CMD("NET user")}, true},
        {"startswith not inside", SEL("CommandLine|startswith: net"), {CMD("xnet user")}, false},
        {"endswith", SEL("Image|endswith: '\\cmd.exe'"), {"process.file.path=C:\\Windows\\CMD.EXE"}, true},
        {"endswith not before the end", SEL("Image|endswith: '\\cmd.exe'"), {"process.file.path=C:\\cmd.exe.bak"}, false},
        {"list is or", SEL("CommandLine|contains: [aaa, bbb]"), {CMD("1 bbb")}, true},
        {"all is and", SEL("CommandLine|contains|all: [aaa, bbb]"), {CMD("bbb 1 aaa")}, true},
        {"all misses one", SEL("CommandLine|contains|all: [aaa, bbb]"), {CMD("bbb 1")}, false},
        {"cased", SEL("CommandLine|contains|cased: AbC"), {CMD("xAbCx")}, true},
        {"cased other case", SEL("CommandLine|contains|cased: AbC"), {CMD("xabcx")}, false},
        {"neq", SEL("CommandLine|neq: a"), {CMD("b")}, true},
        {"neq same", SEL("CommandLine|neq: a"), {CMD("A")}, false},
        {"non-ascii case", SEL("CommandLine|contains: 'ПАРОЛЬ'"), {CMD("x пароль y")}, true},
        {"full width case", SEL("CommandLine|contains: 'ＡＺ'"), {CMD("ａｚ")}, true},
        {"fields joined with and", SEL("CommandLine: a\n    User: b"), {CMD("a"), "user.name=b"}, true},
        {"one field missing", SEL("CommandLine: a\n    User: b"), {CMD("a")}, false},
        {"account put together", SEL("User: 'corp\\bob'"), {"user.name=Bob", "user.domain=CORP"}, true},
        {"number as text", SEL("ProcessId: 42"), {"process.pid:=42"}, true},
        {"array, any item", SEL("Things: b"), {"unmapped.Things[]=a|b"}, true},
        {"hashes put together", SEL("Hashes|contains: 'MD5=AB12'"), {"process.file.hashes.md5=ab12", "process.file.hashes.sha1=ff"}, true},
        {"unmapped field", SEL("OriginalFileName: x.exe"), {"unmapped.OriginalFileName=X.EXE"}, true},
        {"a field name with a blank", SEL("ThreatName: x"), {"unmapped.Threat Name=X"}, true},
        {"our own name", SEL("process.cmd_line|contains: x"), {CMD("axb")}, true},
    };
    CHECK(rows);
}

static void wildcards_and_escapes(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"star inside", SEL("CommandLine: 'a*c'"), {CMD("a-xx-C")}, true},
        {"star matches nothing too", SEL("CommandLine: 'a*c'"), {CMD("ac")}, true},
        {"star is anchored", SEL("CommandLine: 'a*c'"), {CMD("xac")}, false},
        {"question mark is one", SEL("CommandLine: 'prog?.exe'"), {CMD("progA.exe")}, true},
        {"question mark is not none", SEL("CommandLine: 'prog?.exe'"), {CMD("prog.exe")}, false},
        {"question mark is one character", SEL("CommandLine: 'prog?.exe'"), {CMD("progé.exe")}, true},
        {"two characters, and there is one of three bytes", SEL("CommandLine: '*?\?xx'"), {CMD("–xx")}, false},
        {"a star, then two characters", SEL("CommandLine: '*?\?xx'"), {CMD("y–xx")}, true},
        {"escaped star", SEL("CommandLine: 'a\\*c'"), {CMD("a*c")}, true},
        {"escaped star is plain", SEL("CommandLine: 'a\\*c'"), {CMD("abc")}, false},
        {"backslash before a star", SEL("CommandLine: 'C:\\\\*\\x'"), {CMD("C:\\dir\\x")}, true},
        {"backslash and plain star", SEL("CommandLine: 'a\\\\\\*'"), {CMD("a\\*")}, true},
        {"double backslash", SEL("CommandLine: 'a\\\\b'"), {CMD("a\\b")}, true},
        {"single backslash", SEL("CommandLine: 'a\\b'"), {CMD("a\\b")}, true},
        {"four are two", SEL("CommandLine: '\\\\\\\\srv'"), {CMD("\\\\srv")}, true},
        {"only a star: a value", SEL("CommandLine: '*'"), {CMD("x")}, true},
        {"only a star: none", SEL("CommandLine: '*'"), {"user.name=x"}, false},
        {"only question marks", SEL("CommandLine: '?\?'"), {CMD("ab")}, true},
        {"only question marks, longer", SEL("CommandLine: '?\?'"), {CMD("abc")}, false},
        {"cased wildcard", SEL("CommandLine|cased: 'A*Z'"), {CMD("A--z")}, false},
        {"exact has no wildcards", SEL("CommandLine|exact: 'a*'"), {CMD("a*")}, true},
        {"empty text", SEL("CommandLine: ''"), {CMD("")}, true},
        {"empty text is not any", SEL("CommandLine: ''"), {CMD("x")}, false},
        {"empty text: a field the sensors leave out when it is empty", SEL("CommandLine: ''"), {"user.name=x"}, true},
        {"empty text: no such field in any log of this kind", SEL("Odd: ''"), {"user.name=x"}, false},
        {"empty text of an unmapped field", SEL("Odd: ''"), {"unmapped.Odd="}, true},
        {"empty expression", SEL("CommandLine|re: '^$'"), {CMD("")}, true},
        {"expression over nothing", SEL("CommandLine|re: '^.{0,3}$'"), {CMD("")}, true},
        {"backslash at the end", SEL("CommandLine: 'C:\\'"), {CMD("C:\\")}, true},
        {"backslash at the end, then the modifier's star", SEL("CommandLine|startswith: 'C:\\x\\'"), {CMD("c:\\x\\y")}, true},
        {"backslash at the end is no escape", SEL("CommandLine|startswith: 'C:\\x\\'"), {CMD("c:\\x*")}, false},
        {"null: absent", SEL("CommandLine: null"), {"user.name=x"}, true},
        {"null: present", SEL("CommandLine: null"), {CMD("x")}, false},
    };
    CHECK(rows);
}

static void encodings(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"base64", SEL("CommandLine|base64|contains: 'foobar'"), {CMD("x Zm9vYmFy")}, true},
        /* "http://" at offsets 0 to 2: RFC 4648 worked by hand: aHR0cDov, odHRwOi8, h0dHA6Ly */
        {"offset 0", SEL("CommandLine|base64offset|contains: 'http://'"), {CMD("aHR0cDovL2E=")}, true},
        {"offset 1", SEL("CommandLine|base64offset|contains: 'http://'"), {CMD("eGh0dHA6Ly9h")}, true},
        {"offset 2", SEL("CommandLine|base64offset|contains: 'http://'"), {CMD("eHhodHRwOi8vYQ==")}, true},
        {"offset none", SEL("CommandLine|base64offset|contains: 'http://'"), {CMD("aHR0cHM6Ly9h")}, false},
        /* "IEX" in UTF-16LE is SQBFAFgA in Base64 */
        {"wide", SEL("CommandLine|wide|base64offset|contains: 'IEX'"), {CMD("-e SQBFAFgA")}, true},
        {"utf16le", SEL("CommandLine|utf16le|base64|contains: 'IEX'"), {CMD("-e SQBFAFgA")}, true},
        {"utf16be", SEL("CommandLine|utf16be|base64|contains: 'IEX'"), {CMD("AEkARQBY")}, true},
        {"utf16 with mark", SEL("CommandLine|utf16|base64: 'I'"), {CMD("//5JAA==")}, true},
        {"windash slash", SEL("CommandLine|windash|contains: ' -enc'"), {CMD("ps /enc x")}, true},
        {"windash en dash", SEL("CommandLine|windash|contains: ' -enc'"), {CMD("ps \xe2\x80\x93" "enc x")}, true},
        {"windash bar", SEL("CommandLine|windash|contains: ' /c'"), {CMD("x \xe2\x80\x95" "c")}, true},
        {"windash two", SEL("CommandLine|windash|contains: ' -a -b'"), {CMD("x /a -b")}, true},
        {"windash five", SEL("CommandLine|windash|contains: ' -a -b -c -d -e'"), {CMD("x /a -b \xe2\x80\x94" "c /d /e")}, true},
        {"windash leaves words", SEL("CommandLine|windash|contains: 'a-b'"), {CMD("a/b")}, false},
        {"windash all", SEL("CommandLine|contains|all|windash: [' -a', ' -b']"), {CMD("x /b /a")}, true},
    };
    CHECK(rows);
}

static void typed_values(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"re", SEL("CommandLine|re: '^a[0-9]+b$'"), {CMD("a12b")}, true},
        {"re has case", SEL("CommandLine|re: '^a[0-9]+b$'"), {CMD("A12b")}, false},
        {"re i", SEL("CommandLine|re|i: '^a[0-9]+b$'"), {CMD("A12B")}, true},
        {"re is a search", SEL("CommandLine|re: 'b{2}'"), {CMD("abbc")}, true},
        {"re m", SEL("CommandLine|re|m: '^b$'"), {CMD("a\nb\nc")}, true},
        {"re without m", SEL("CommandLine|re: '^b$'"), {CMD("a\nb\nc")}, false},
        {"re s", SEL("CommandLine|re|s: 'a.b'"), {CMD("a\nb")}, true},
        {"re without s", SEL("CommandLine|re: 'a.b'"), {CMD("a\nb")}, false},
        {"re over characters", SEL("CommandLine|re: '^a.b$'"), {CMD("aéb")}, true},
        {"re, an optional letter of two bytes", SEL("CommandLine|re: '^é?ab$'"), {CMD("ab")}, true},
        {"re, many letters of two bytes", SEL("CommandLine|re: '^(é|a){3}$'"), {CMD("éaé")}, true},
        {"re, a class of them", SEL("CommandLine|re: '^[^é]+$'"), {CMD("abc")}, true},
        {"re list all", SEL("CommandLine|re|all: ['a', 'b']"), {CMD("ba")}, true},
        {"cidr in", SEL("DestinationIp|cidr: 10.0.0.0/8"), {"dst_endpoint.ip=10.2.3.4"}, true},
        {"cidr out", SEL("DestinationIp|cidr: 10.0.0.0/8"), {"dst_endpoint.ip=11.2.3.4"}, false},
        {"cidr odd bits", SEL("DestinationIp|cidr: 172.16.0.0/12"), {"dst_endpoint.ip=172.31.255.255"}, true},
        {"cidr odd bits out", SEL("DestinationIp|cidr: 172.16.0.0/12"), {"dst_endpoint.ip=172.32.0.0"}, false},
        {"cidr v6", SEL("DestinationIp|cidr: 'fe80::/10'"), {"dst_endpoint.ip=fe80::1%eth0"}, true},
        {"cidr mapped", SEL("DestinationIp|cidr: 127.0.0.0/8"), {"dst_endpoint.ip=::ffff:127.0.0.1"}, true},
        {"cidr of no address", SEL("DestinationIp|cidr: 0.0.0.0/0"), {"dst_endpoint.ip=-"}, false},
        {"lt", SEL("DestinationPort|lt: 1024"), {"dst_endpoint.port:=1023"}, true},
        {"lt not", SEL("DestinationPort|lt: 1024"), {"dst_endpoint.port:=1024"}, false},
        {"lte", SEL("DestinationPort|lte: 1024"), {"dst_endpoint.port:=1024"}, true},
        {"gt on text", SEL("Size|gt: 9"), {"unmapped.Size=10"}, true},
        {"gte on hex", SEL("Size|gte: 16"), {"unmapped.Size=0x10"}, true},
        {"gt of no number", SEL("Size|gt: 9"), {"unmapped.Size=ten"}, false},
        {"exists", SEL("CommandLine|exists: true"), {CMD("")}, true},
        {"exists not", SEL("CommandLine|exists: true"), {"user.name=a"}, false},
        {"exists false", SEL("CommandLine|exists: false"), {"user.name=a"}, true},
        {"fieldref", SEL("SourceName1|fieldref: Other"), {"unmapped.SourceName1=ab", "unmapped.Other=AB"}, true},
        {"fieldref differs", SEL("SourceName1|fieldref: Other"), {"unmapped.SourceName1=ab", "unmapped.Other=b"}, false},
        {"fieldref endswith", SEL("SourceName1|fieldref|endswith: Other"), {"unmapped.SourceName1=ab", "unmapped.Other=b"}, true},
        {"fieldref startswith", SEL("SourceName1|fieldref|startswith: Other"), {"unmapped.SourceName1=ab", "unmapped.Other=a"}, true},
        {"fieldref contains", SEL("SourceName1|fieldref|contains: Other"), {"unmapped.SourceName1=xaby", "unmapped.Other=ab"}, true},
        {"hour", SEL("When|hour: 13"), {"unmapped.When=2025-01-31T13:05:00Z"}, true},
        {"hour with gte", SEL("When|hour|gte: 18"), {"unmapped.When=2025-01-31 19:05:00"}, true},
        {"minute", SEL("When|minute: 5"), {"unmapped.When=2025-01-31 19:05:00"}, true},
        {"day", SEL("When|day: 31"), {"unmapped.When=2025-01-31"}, true},
        {"week", SEL("When|week: 5"), {"unmapped.When=2025-01-31"}, true}, /* ISO 8601: 27 January to 2 February 2025 */
        {"month", SEL("When|month: 1"), {"unmapped.When=2025-01-31"}, true},
        {"year", SEL("When|year: 2025"), {"unmapped.When=2025-01-31"}, true},
        {"year no date", SEL("When|year: 2025"), {"unmapped.When=never"}, false},
    };
    CHECK(rows);
}

static void addresses_of_web_requests(void **state)
{
    (void)state;
#define URL "http_request.url."
#define SPLIT URL "path=/cgi/a.PHP", URL "query_string=id=7&x=/etc/passwd" /* as a web server's log is read */
#define WHOLE URL "path=/cgi/a.php?id=7&x=/etc/passwd"                     /* as it is seen on the network */
#define HOST URL "hostname=evil.example"
    static const struct row rows[] = {
        {"path in cs-uri-query", SEL("cs-uri-query|contains: '/cgi/a'"), {SPLIT}, true},
        {"query in cs-uri-query", SEL("cs-uri-query|startswith: 'ID='"), {SPLIT}, true},
        {"path and query as one", SEL("cs-uri-query|contains: 'a.php?id=7'"), {SPLIT}, true},
        {"query alone begins after the mark", SEL("cs-uri-query|startswith: '/etc'"), {SPLIT}, false},
        {"query of a whole address", SEL("cs-uri-query|startswith: 'id='"), {WHOLE}, true},
        {"no query", SEL("cs-uri-query|contains: '/cgi'"), {URL "path=/cgi/"}, true},
        {"stem", SEL("cs-uri-stem|endswith: '.php'"), {SPLIT}, true},
        {"stem of a whole address", SEL("c-uri-stem|endswith: '.php'"), {WHOLE}, true},
        {"stem is not the query", SEL("cs-uri-stem|contains: 'id='"), {WHOLE}, false},
        {"uri", SEL("c-uri|contains|all: ['/cgi/', 'passwd']"), {SPLIT}, true},
        {"uri with its host", SEL("c-uri|contains: 'evil.example/cgi/'"), {WHOLE, HOST}, true},
        {"uri with its scheme", SEL("c-uri|startswith: 'http://evil.'"), {SPLIT, HOST}, true},
        {"uri begins with the path", SEL("c-uri|startswith: '/cgi'"), {WHOLE, HOST}, true},
        {"uri of a proxy's log", SEL("c-uri|startswith: 'http://evil.'"), {URL "path=http://evil.example/x", HOST}, true},
        {"extension", SEL("c-uri-extension: php"), {SPLIT}, true},
        {"extension of a whole address", SEL("c-uri-extension: php"), {WHOLE}, true},
        {"no extension", SEL("c-uri-extension: '*'"), {URL "path=/a.b/c?d.exe"}, false},
        {"extension as the log has it", SEL("c-uri-extension: exe"), {"unmapped.c-uri-extension=exe", URL "path=/a.php"}, true},
        {"no address", SEL("c-uri: '*'"), {HOST}, false},
        {"keyword over path and query", "  k: ['a.php?id=7']\n  condition: k", {SPLIT}, true},
    };
    CHECK(rows);
}

static void conditions_and_keywords(void **state)
{
    (void)state;
#define ABC "  a: {CommandLine|contains: aa}\n  b: {CommandLine|contains: bb}\n  _c: {CommandLine|contains: cc}\n  condition: "
    static const struct row rows[] = {
        {"and", ABC "a and b", {CMD("aabb")}, true},
        {"and misses", ABC "a and b", {CMD("aa")}, false},
        {"or", ABC "a or b", {CMD("bb")}, true},
        {"not", ABC "a and not b", {CMD("aa")}, true},
        {"not holds", ABC "a and not b", {CMD("aabb")}, false},
        {"and binds more than or", ABC "a or b and _c", {CMD("aa")}, true},
        {"brackets", ABC "(a or b) and _c", {CMD("aa")}, false},
        {"not binds most", ABC "not a and b", {CMD("bb")}, true},
        {"upper case words", ABC "a AND NOT b", {CMD("aa")}, true},
        {"1 of them leaves out _", ABC "1 of them", {CMD("cc")}, false},
        {"1 of them", ABC "1 of them", {CMD("bb")}, true},
        {"all of them", ABC "all of them", {CMD("aabb")}, true},
        {"1 of pattern", ABC "1 of _*", {CMD("cc")}, true},
        {"all of pattern", ABC "all of *", {CMD("aabb")}, true}, /* without those that begin with _ */
        {"all of pattern with _", ABC "all of _*", {CMD("aabb")}, false},
        {"not 1 of", ABC "not 1 of them", {CMD("x")}, true},
        {"condition list is or", ABC "[a, b]", {CMD("bb")}, true},
        {"keywords, or", "  k: [aaa, bbb]\n  condition: k", {"message=see BBB here"}, true},
        {"keywords in any field", "  k: [aaa, bbb]\n  condition: k", {"unmapped.Odd=xaaax"}, true},
        {"keywords not", "  k: [aaa, bbb]\n  condition: k", {"message=nothing"}, false},
        {"keywords all", "  k:\n    '|all': [aaa, bbb]\n  condition: k", {"message=bbb aaa"}, true},
        {"keywords all misses", "  k:\n    '|all': [aaa, bbb]\n  condition: k", {"message=bbb"}, false},
        {"keywords all over fields", "  k:\n    '|all': [aaa, bbb]\n  condition: k", {"message=bbb", "unmapped.X=aaa"}, true},
        {"keyword wildcard", "  k: ['Tro*FOUND']\n  condition: k", {"message=x: Trojan.A FOUND"}, true},
        {"keyword scalar", "  k: aaa\n  condition: k", {"message=xaaay"}, true},
        {"keyword re", "  k:\n    '|re': ['a+b']\n  condition: k", {"message=xaab"}, true},
        {"list of maps is or", "  s:\n    - CommandLine: a\n    - User: b\n  condition: s", {"user.name=b"}, true},
        {"list of maps, none", "  s:\n    - CommandLine: a\n    - User: b\n  condition: s", {"user.name=c"}, false},
        {"map in list is and", "  s:\n    - CommandLine: a\n      User: b\n  condition: s", {"user.name=b"}, false},
    };
    CHECK(rows);
}

static void what_is_not_understood_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *detection, *want;
    } rows[] = {
        {SEL("CommandLine|sounds: x"), "modifier 'sounds'"},
        {SEL("CommandLine|contains: x") " | count() > 3", "aggregation"},
        {SEL("CommandLine|re: '(x'"), "regular expression"},
        {SEL("User|expand: '%admins%'"), "placeholder %admins%"},
        {SEL("CommandLine|base64: 'a*b'"), "wildcards before the modifier base64"},
        {SEL("CommandLine: [[a]]"), "a list or map as one value"},
        {"  a: {x: y}\n  timeframe: 5m\n  condition: a", "timeframe"},
        {"  a: {x: y}\n  condition: a and", "expected a selection"},
        {"  a: {x: y}\n  condition: b", "no selection 'b'"},
        {"  a: {x: y}\n  condition: 1 of b*", "no selection"},
        {"  a: {x: y}\n  condition: (a", "closing bracket"},
        {"  a: {x: y}\n  condition: a b", "after the end"},
        {"  a: {x|cidr: 300.1.1.1/8}\n  condition: a", "no network"},
        {"  a: {x|lt: many}\n  condition: a", "no number"},
        {"  a: {x|i: many}\n  condition: a", "belong to re"},
        {"  a: {x: []}\n  condition: a", "empty list"},
        {"  a: {x: y}", "without a condition"},
        {"  a: [x, null]\n  condition: a", "empty keyword"},
        {"  a:\n    '|contains': ''\n  condition: a", "empty keyword"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mmr_sigma *s = world_rule(rows[i].detection);
        assert_non_null(s);
        const struct mmr_sigma_rule *r = mmr_sigma_get(s, 0);
        const char *said = r->error ? r->error : r->unsupported.n ? r->unsupported.v[0] : "";
        if (mmr_sigma_rule_ok(r) || !strstr(said, rows[i].want))
            fail_msg("%s: said '%s', expected '%s'", rows[i].detection, said, rows[i].want);
        assert_int_equal(world_match(s, "process.start", 0, (const char *const[]){CMD("x"), "x=y", NULL}).n, 0);
        mmr_sigma_free(s);
    }
}

static void log_sources_select_events(void **state)
{
    (void)state;
    static const struct {
        const char *why, *logsource, *kind;
        const char *fields[5];
        bool want;
    } rows[] = {
        {"category", "{category: process_creation}", "process.start", {0}, true},
        {"other kind", "{category: process_creation}", "file.create", {0}, false},
        {"windows by path", "{category: process_creation, product: windows}", "process.start", {"process.file.path=C:\\a.exe"}, true},
        {"not linux", "{category: process_creation, product: linux}", "process.start", {"process.file.path=C:\\a.exe"}, false},
        {"linux by path", "{category: process_creation, product: linux}", "process.start", {"process.file.path=/bin/sh"}, true},
        {"channel", "{product: windows, service: security}", "log.record", {"metadata.log_name=Security"}, true},
        {"other channel", "{product: windows, service: security}", "log.record", {"metadata.log_name=System"}, false},
        {"channel family", "{product: windows, service: applocker}", "log.record", {"metadata.log_name=Microsoft-Windows-AppLocker/EXE and DLL"}, true},
        {"script block", "{product: windows, category: ps_script}", "script.block", {"metadata.log_name=Microsoft-Windows-PowerShell/Operational", "metadata.event_code=4104"}, true},
        {"module log", "{product: windows, category: ps_script}", "script.block", {"metadata.log_name=Microsoft-Windows-PowerShell/Operational", "metadata.event_code=4103"}, false},
        {"registry set", "{product: windows, category: registry_set}", "registry.set", {"metadata.event_code=13"}, true},
        {"registry key made", "{product: windows, category: registry_add}", "registry.set", {"metadata.event_code=12", "unmapped.EventType=CreateKey"}, true},
        {"registry key deleted", "{product: windows, category: registry_add}", "registry.set", {"metadata.event_code=12", "unmapped.EventType=DeleteKey"}, false},
        {"program", "{product: linux, service: sshd}", "log.record", {"metadata.log_provider=sshd"}, true},
        {"other program", "{product: linux, service: sshd}", "log.record", {"metadata.log_provider=sudo"}, false},
        {"a service of no list", "{product: linux, service: dovecot}", "log.record", {"metadata.log_provider=dovecot"}, true},
        {"product alone", "{product: linux}", "log.record", {"metadata.log_name=syslog"}, true},
        {"product alone, network", "{product: linux}", "http.request", {0}, false},
        {"dns", "{category: dns}", "dns.answer", {0}, true},
        {"network dns", "{category: network, service: dns}", "dns.query", {0}, true},
        {"a web server's own log", "{service: apache}", "log.record", {"metadata.log_provider=apache2"}, true},
        {"another server's", "{service: nginx}", "log.record", {"metadata.log_provider=apache2"}, false},
        {"a web server's errors", "{product: nginx, service: error}", "log.record", {"metadata.log_provider=nginx"}, true},
        {"a web server's requests", "{product: apache, service: access}", "http.request", {0}, true},
        {"service bus", "{product: windows, service: microsoft-servicebus-client}", "log.record", {"metadata.log_name=Microsoft-ServiceBus-Client"}, true},
        {"a network monitor's logs, whichever", "{product: zeek}", "ldap.search", {0}, true},
        {"no network monitor's log", "{product: zeek}", "process.start", {0}, false},
        {"network dns, http", "{category: network, service: dns}", "http.request", {0}, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[512];
        const char *fields[6] = {"unmapped.Mark=1"};
        for (size_t k = 0; k < 5; k++)
            fields[k + 1 < 6 ? k + 1 : 5] = k < 4 ? rows[i].fields[k] : NULL;
        (void)snprintf(text, sizeof text, "title: t\nlogsource: %s\ndetection: {a: {Mark: 1}, condition: a}\n", rows[i].logsource);
        struct mmr_sigma *s = world_rules(text);
        assert_non_null(s);
        assert_true(mmr_sigma_rule_ok(mmr_sigma_get(s, 0)));
        if ((world_match(s, rows[i].kind, 0, fields).n == 1) != rows[i].want)
            fail_msg("%s: expected %s", rows[i].why, rows[i].want ? "a match" : "no match");
        mmr_sigma_free(s);
    }
    struct mmr_sigma *s = world_rules("title: t\nlogsource: {category: mind_reading}\ndetection: {a: {b: c}, condition: a}\n");
    assert_string_equal(mmr_sigma_get(s, 0)->unsupported.v[0], "log source category 'mind_reading'");
    mmr_sigma_free(s);
}

static void note(void *ctx, int rc)
{
    *(int *)ctx = rc ? -1 : *(int *)ctx + 1;
}

/* What the network sensor saw, under the names of a network monitor's logs */
static void a_network_monitors_names(void **state)
{
    (void)state;
    static const struct {
        const char *service, *selection, *kind;
        const char *fields[4];
        bool want;
    } rows[] = {
        {"dce_rpc", "endpoint: svcctl, operation: CreateServiceW, named_pipe|contains: ntsvcs", "dcerpc.call",
         {"unmapped.interface=svcctl", "unmapped.operation=CreateServiceW", "unmapped.pipe=ntsvcs"}, true},
        {"smb_files", "path|endswith: '\\IPC$', name|startswith: PSEXESVC", "smb.open", {"unmapped.share=\\\\srv\\IPC$", "file.path=PSEXESVC-x"}, true},
        {"x509", "certificate.serial: 8BB00EE", "tls.server", {"tls.certificate.serial_number=08bb00ee"}, true},
        {"x509", "certificate.serial: 08BB00EE", "tls.server", {"tls.certificate.serial_number=08bb00ee"}, true},
        {"x509", "certificate.serial: BB00EE", "tls.server", {"tls.certificate.serial_number=08bb00ee"}, false},
        {"http", "uri: /wsman, method: POST, id.resp_p: 5985", "http.request", {"http_request.url.path=/wsman", "http_request.http_method=POST", "dst_endpoint.port:=5985"}, true},
        {"dns", "query|endswith: .onion.to, qtype_name: A", "dns.query", {"query.hostname=x.onion.to", "query.type=A"}, true},
        {"dns", "Z: 0", "dns.query", {"query.hostname=www.example.jp", "unmapped.z:=0"}, true},
        {"dns", "Z: 0", "dns.query", {"query.hostname=www.example.jp", "unmapped.z:=4"}, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[512];
        (void)snprintf(text, sizeof text, "title: t\nlogsource: {product: zeek, service: %s}\ndetection: {a: {%s}, condition: a}\n", rows[i].service, rows[i].selection);
        struct mmr_sigma *s = world_rules(text);
        assert_true(mmr_sigma_rule_ok(mmr_sigma_get(s, 0)));
        if ((world_match(s, rows[i].kind, 0, rows[i].fields).n == 1) != rows[i].want)
            fail_msg("%s: {%s}", rows[i].service, rows[i].selection);
        mmr_sigma_free(s);
    }
}

/* Rules for antivirus in general name what Defender's events say under other names. */
static void antivirus_rules_read_defender(void **state)
{
    (void)state;
    static const char *const threat[] = {"metadata.log_name=Microsoft-Windows-Windows Defender/Operational", "metadata.event_code=1116",
                                         "unmapped.Threat Name=HackTool:Win32/Mimikatz.A", "unmapped.Path=file:_C:\\Users\\Public\\m.exe", NULL};
    struct mmr_sigma *s = world_rules("title: t\nlogsource: {category: antivirus}\n"
                                      "detection: {a: {Signature|contains: MIMIKATZ, Filename|contains: '\\Users\\Public\\'}, condition: a}\n");
    assert_int_equal(world_match(s, "log.record", 0, threat).n, 1);
    mmr_sigma_free(s);
}

static void rules_of_windows_logs_sleep_until_one_comes(void **state)
{
    (void)state;
    static const char text[] = "title: w\nid: w\nlogsource: {category: process_creation, product: windows}\n"
                               "detection: {a: {CommandLine|contains: [evil, worse]}, b: {CommandLine|re: 'e.il'}, condition: a and b}\n---\n"
                               "title: l\nid: l\nlogsource: {category: process_creation, product: linux}\n"
                               "detection: {a: {CommandLine|contains: [evil, curl]}, condition: a}\n---\n"
                               "title: any\nid: any\nlogsource: {category: process_creation}\ndetection: {a: {CommandLine|re: 'ev.l'}, condition: a}\n---\n"
                               "title: c\nid: c\ncorrelation: {type: event_count, rules: [l], group-by: [User], timespan: 1h, condition: {gte: 3}, generate: true}\n";
    static const char *const linux_one[] = {"process.file.path=/bin/sh", "process.cmd_line=curl evil", "user.name=bob", NULL};
    static const char *const windows_one[] = {"process.file.path=C:\\a.exe", "process.cmd_line=an EVIL evil thing", "user.name=bob", NULL};
    static const char *const ours[] = {"unmapped.mode=bpf", NULL};
    struct mmr_sigma *s = NULL;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_sigma_stats st;
    int woken = 0;
    assert_int_equal(mmr_sigma_new(&s, &err), 0);
    assert_int_equal(mmr_sigma_add_text(s, "test.yml", text, sizeof text - 1, &err), 0);
    mmr_sigma_lazy_windows(s, note, &woken);
    assert_int_equal(mmr_sigma_compile(s, &err), 0);
    struct world_hits h = world_match(s, "process.start", 1, linux_one);
    assert_int_equal(h.n, 2); /* l, any */
    assert_int_equal(world_match(s, "sensor.mode", 2, ours).n, 0);
    h = world_match(s, "process.start", 2, linux_one);
    assert_int_equal(h.n, 2);
    mmr_sigma_get_stats(s, &st);
    assert_true(st.is_windows_asleep);
    assert_int_equal(woken, 0);
    h = world_match(s, "process.start", 3, windows_one); /* the one that wakes them is matched, too */
    assert_int_equal(h.n, 2);
    assert_string_equal(h.ids[0], "w");
    assert_string_equal(h.ids[1], "any");
    assert_int_equal(woken, 1);
    h = world_match(s, "process.start", 4, linux_one); /* the third of bob: the correlation kept count */
    assert_int_equal(h.n, 3);
    assert_string_equal(h.ids[1], "c");
    assert_int_equal(world_match(s, "process.start", 5, windows_one).n, 2);
    assert_int_equal(woken, 1);
    mmr_sigma_get_stats(s, &st);
    assert_false(st.is_windows_asleep);
    mmr_sigma_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_modifiers),     cmocka_unit_test(wildcards_and_escapes),
        cmocka_unit_test(encodings),          cmocka_unit_test(typed_values),
        cmocka_unit_test(addresses_of_web_requests),
        cmocka_unit_test(conditions_and_keywords), cmocka_unit_test(what_is_not_understood_is_named),
        cmocka_unit_test(a_network_monitors_names), cmocka_unit_test(antivirus_rules_read_defender), cmocka_unit_test(log_sources_select_events), cmocka_unit_test(rules_of_windows_logs_sleep_until_one_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
