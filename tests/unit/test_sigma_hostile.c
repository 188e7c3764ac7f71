/*
 * test_sigma_hostile.c - what an attacker can change in a value without changing what it does: letter case, dashes, quotes,
 * encodings, foreign bytes, length. Each row is a rule, an event it must match and one it must not. What Sigma's specification
 * (rules 2.0.0, modifiers appendix 2.1.0) defines as equal matches; what it does not define (carets, quotes, blanks) is not
 * made equal behind the rule's back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sigma/sigma.h"

struct text {
    const char *p;
    size_t n; /* 0: up to its NUL */
};
#define T(s) {s, 0}
#define B(s) {s, sizeof(s) - 1} /* with NULs inside */

struct row {
    const char *why, *item; /* item: one entry of the selection */
    struct text yes, no;    /* value of CommandLine; p NULL: no such field */
};

static struct mmr_sigma *rule_of(const char *detection)
{
    char text[4096];
    struct mmr_sigma *s = NULL;
    struct mmr_error err = {.struct_size = sizeof err};
    (void)snprintf(text, sizeof text, "title: t\nid: r\nlogsource: {category: process_creation}\ndetection:\n%s\n", detection);
    if (mmr_sigma_new(&s, &err) || mmr_sigma_placeholder(s, "admins", "root", &err) || mmr_sigma_placeholder(s, "admins", "Admin*", &err) ||
        mmr_sigma_add_text(s, "t.yml", text, strlen(text), &err) || mmr_sigma_compile(s, &err))
        fail_msg("%s", err.text);
    const struct mmr_sigma_rule *r = mmr_sigma_get(s, 0);
    if (!mmr_sigma_rule_ok(r))
        fail_msg("%s\n%s %s", detection, r->error ? r->error : "", r->unsupported.n ? r->unsupported.v[0] : "");
    return s;
}

static void count(void *ctx, const struct mmr_sigma_hit *h)
{
    (void)h;
    ++*(int *)ctx;
}

static uint8_t buf[MMR_EVENT_BYTES_MAX];
static struct mmr_event_view view;

static void begin(struct mmr_event *ev)
{
    mmr_event_begin(ev, buf, sizeof buf, "process.start", MMR_CLASS_PROCESS, 1, INT64_C(1700000000000000000), 1);
    mmr_event_str(ev, "process.file.path", "/opt/a");
}

static bool matches(struct mmr_sigma *s, struct mmr_event *ev)
{
    int n = 0;
    struct mmr_error err = {.struct_size = sizeof err};
    assert_int_equal(mmr_event_end(ev), 0);
    if (mmr_event_read(ev->buf, ev->len, &view, &err))
        fail_msg("%s", err.text);
    mmr_sigma_match(s, &view, count, &n);
    return n == 1;
}

static bool has(struct mmr_sigma *s, const char *key, struct text t)
{
    struct mmr_event ev;
    begin(&ev);
    if (t.p)
        mmr_event_strn(&ev, key, t.p, t.n ? t.n : strlen(t.p));
    return matches(s, &ev);
}

static void check(const struct row *rows, size_t n)
{
    char detection[2048];
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(detection, sizeof detection, "  s:\n    %s\n  condition: s", rows[i].item);
        struct mmr_sigma *s = rule_of(detection);
        if (!has(s, "process.cmd_line", rows[i].yes))
            fail_msg("%s: %s does not match '%s'", rows[i].why, rows[i].item, rows[i].yes.p ? rows[i].yes.p : "nothing");
        if (has(s, "process.cmd_line", rows[i].no))
            fail_msg("%s: %s matches '%s'", rows[i].why, rows[i].item, rows[i].no.p ? rows[i].no.p : "nothing");
        mmr_sigma_free(s);
    }
}
#define CHECK(rows) check(rows, sizeof rows / sizeof rows[0])

static void letter_case(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"value", "CommandLine: whoami", T("wHoAmI"), T("whoam1")},
        {"contains", "CommandLine|contains: sekurlsa", T("x SeKuRlSa::"), T("x sekurl sa::")},
        {"startswith", "CommandLine|startswith: 'C:\\Win'", T("c:\\wIN\\x"), T("d:\\c:\\win")},
        {"endswith", "CommandLine|endswith: '\\cmd.exe'", T("C:\\x\\CMD.eXe"), T("C:\\x\\cmd.exe ")},
        {"wildcards inside", "CommandLine: 'net*user*/add'", T("NET  uSeR bob /ADD"), T("net user bob /delete")},
        {"all", "CommandLine|contains|all: [Alpha, BETA]", T("beta,ALPHA"), T("beta")},
        {"cased", "CommandLine|cased: AbC", T("AbC"), T("ABC")},
        {"cased contains", "CommandLine|contains|cased: AbC", T("xAbCx"), T("xaBCx")},
        {"cased startswith", "CommandLine|startswith|cased: AbC", T("AbCx"), T("abCx")},
        {"cased endswith", "CommandLine|endswith|cased: AbC", T("xAbC"), T("xAbc")},
        {"cased wildcards", "CommandLine|cased: 'A*Z'", T("A..Z"), T("A..z")},
        {"re has case", "CommandLine|re: 'Ab+'", T("xAbb"), T("xABB")},
        {"re i", "CommandLine|re|i: 'Ab+'", T("xaBB"), T("xac")},
        {"neq without case", "CommandLine|neq: abc", T("abd"), T("ABC")},
        {"neq cased", "CommandLine|neq|cased: abc", T("ABC"), T("abc")},
        {"Latin-1", "CommandLine|contains: 'ÄÖÜ'", T("xäöü"), T("xaou")},
        {"the other way", "CommandLine|contains: 'äöü'", T("xÄÖÜ"), T("xAOU")},
        {"Latin Extended-A", "CommandLine|contains: 'ŁĽŽŸ'", T("xłľžÿ"), T("xllzy")},
        {"Latin Extended-B", "CommandLine|contains: 'ȘȚƠ'", T("xșțơ"), T("xsto")},
        {"Vietnamese", "CommandLine|contains: 'ẢỆ'", T("xảệ"), T("xae")},
        {"Greek", "CommandLine|contains: 'ΆΈΏΣΩ'", T("xάέώσω"), T("xαεωσω")},
        {"Cyrillic", "CommandLine|contains: 'ПАРОЛЬЁҐ'", T("xпарольёґ"), T("xпароль")},
        {"Armenian", "CommandLine|contains: 'ԱՖ'", T("xաֆ"), T("xա")},
        {"full width", "CommandLine|contains: 'ＣＭＤ'", T("xｃｍｄ"), T("xcmd")},
        {"full width is not ASCII", "CommandLine|contains: cmd", T("CMD"), T("ｃｍｄ")},
        {"re i, not ASCII", "CommandLine|re|i: 'пар.ль'", T("ПАРОЛЬ"), T("ПАРЛЬ")},
        {"a wildcard between letters that are not ASCII", "CommandLine: 'Ä*Ö'", T("ä--ö"), T("ä--o")},
    };
    CHECK(rows);
}

static void dashes(void **state)
{
    (void)state;
    /* U+2013, U+2014, U+2015 are E2 80 93, 94, 95 */
    static const struct row rows[] = {
        {"slash for hyphen", "CommandLine|windash|contains: ' -enc'", T("ps /enc x"), T("ps enc x")},
        {"hyphen for slash", "CommandLine|windash|contains: ' /enc'", T("ps -enc x"), T("ps \\enc x")},
        {"en dash", "CommandLine|windash|contains: ' -enc'", T("ps \xe2\x80\x93" "ENC x"), T("ps \xe2\x80\x92" "enc x")},
        {"em dash", "CommandLine|windash|contains: ' -enc'", T("ps \xe2\x80\x94" "enc x"), T("ps \xe2\x88\x92" "enc x")},
        {"horizontal bar", "CommandLine|windash|contains: ' -enc'", T("ps \xe2\x80\x95" "enc x"), T("ps \xe2\x80\x90" "enc x")},
        {"the rule's en dash", "CommandLine|windash|contains: ' –enc'", T("ps -enc x"), T("ps _enc x")},
        {"the rule's em dash", "CommandLine|windash|contains: ' —enc'", T("ps /enc x"), T("ps _enc x")},
        {"the rule's horizontal bar", "CommandLine|windash|contains: ' ―enc'", T("ps –enc x"), T("ps _enc x")},
        {"each its own", "CommandLine|windash|contains: ' -a -b'", T("x \xe2\x80\x94" "a /b"), T("x /a b")},
        {"with all", "CommandLine|windash|contains|all: [' -x', ' -y']", T("p /y –x"), T("p /y x")},
        {"startswith", "CommandLine|windash|startswith: '-k'", T("/k net"), T("k net")},
        {"endswith", "CommandLine|windash|endswith: ' -k'", T("svc \xe2\x80\x93k"), T("svc \xe2\x80\x93k x")},
        {"whole value", "CommandLine|windash: 'a -k'", T("A /K"), T("a /k ")},
        {"with wildcards", "CommandLine|windash: 'a* -k*'", T("abc /k1"), T("abc k1")},
        {"cased", "CommandLine|windash|contains|cased: ' -K'", T("x /K"), T("x /k")},
        {"no windash, no change", "CommandLine|contains: ' -enc'", T("ps -enc"), T("ps /enc")},
        {"a word's own hyphen", "CommandLine|windash|contains: 'New-Service'", T("new-service x"), T("new/service x")},
    };
    CHECK(rows);
}

static void what_sigma_does_not_define_stays_as_it_is(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"carets", "CommandLine|contains: whoami", T("cmd /c whoami"), T("cmd /c w^ho^ami")},
        {"a rule for carets", "CommandLine|re: 'w\\^?h\\^?o'", T("w^ho"), T("w^^ho")},
        {"quotes inside", "CommandLine|contains: whoami", T("\"whoami\""), T("who\"\"ami")},
        {"quotes in the rule", "CommandLine|contains: '\"C:\\a b\"'", T("x \"c:\\A B\" y"), T("x c:\\a b y")},
        {"an apostrophe in the rule", "CommandLine|contains: '''a b'''", T("sh -c 'A b'"), T("sh -c \"a b\"")},
        {"blanks", "CommandLine|contains: 'net user'", T("NET USER"), T("net  user")},
        {"a tab", "CommandLine|contains: 'net user'", T("net user"), T("net\tuser")},
        {"a no-break space", "CommandLine|contains: 'net user'", T("net user"), T("net\xc2\xa0user")},
        {"environment variables", "CommandLine|contains: 'C:\\Windows'", T("c:\\windows\\x"), T("%windir%\\x")},
        {"per cent without expand", "CommandLine|contains: '%admins%'", T("echo %ADMINS%"), T("echo root")},
        {"slashes", "CommandLine|contains: 'a\\b'", T("A\\B"), T("a/b")},
        {"zero width", "CommandLine|contains: whoami", T("whoami\xe2\x80\x8b"), T("who\xe2\x80\x8b" "ami")},
    };
    CHECK(rows);
}

static void wildcards_and_escapes(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"star", "CommandLine: 'a*b'", T("aXXb"), T("aXXbX")},
        {"star over lines", "CommandLine: 'a*b'", T("a\r\n\r\nb"), T("a\r\nb\r\n")},
        {"star over NUL", "CommandLine: 'a*b'", B("a\0b"), B("a\0b\0")},
        {"question mark", "CommandLine: 'a?b'", T("a\xe3\x81\x82" "b"), T("ab")},
        {"escaped star", "CommandLine|contains: 'a\\*b'", T("xa*bx"), T("xaQbx")},
        {"escaped question mark", "CommandLine|contains: 'a\\?b'", T("xa?bx"), T("xaQbx")},
        {"escaped backslash before a star", "CommandLine: 'a\\\\*'", T("a\\bcd"), T("a*")},
        {"backslash, escaped star", "CommandLine: 'a\\\\\\*'", T("a\\*"), T("a\\b")},
        {"two backslashes are one", "CommandLine|contains: 'a\\\\b'", T("a\\b"), T("a\\\\b")},
        {"one backslash is one", "CommandLine|contains: 'a\\b'", T("a\\b"), T("ab")},
        {"four are two", "CommandLine|startswith: '\\\\\\\\srv'", T("\\\\SRV\\x"), T("\\srv")},
        {"a star in the event is no wildcard", "CommandLine: abc", T("abc"), T("a*c")},
        {"a star in the event, escaped", "CommandLine|contains: '\\*'", T("rm *"), T("rm x")},
        {"a backslash at the end", "CommandLine|endswith: 'dir\\'", T("C:\\DIR\\"), T("C:\\dir")},
        {"exact", "CommandLine|exact: 'a*'", T("A*"), T("ab")},
        {"many stars", "CommandLine: '*a*a*a*b'", T("xaxaxaxb"), T("xaxaxb")},
    };
    CHECK(rows);
}

static void encodings(void **state)
{
    (void)state;
    /* RFC 4648 by hand: whoami = d2hvYW1p, xwhoami = eHdob2FtaQ==, xxwhoami = eHh3aG9hbWk= */
    static const struct row rows[] = {
        {"base64", "CommandLine|base64|contains: 'whoami'", T("ps -e d2hvYW1p"), T("ps -e d2hvYW1q")},
        {"base64 is whole", "CommandLine|base64|contains: 'foo'", T("Zm9v"), T("eGZvbw==")},
        {"base64 with padding", "CommandLine|base64: 'whoami1'", T("d2hvYW1pMQ=="), T("d2hvYW1pMQ")},
        {"offset 0", "CommandLine|base64offset|contains: 'whoami'", T("d2hvYW1pIA=="), T("d2hvYW0gIA==")},
        {"offset 1", "CommandLine|base64offset|contains: 'whoami'", T("eHdob2FtaSA="), T("eHdob2FtSSA=")},
        {"offset 2", "CommandLine|base64offset|contains: 'whoami'", T("eHh3aG9hbWkg"), T("eHh3aG9hbUkg")},
        /* "IEX" as UTF-16LE 49 00 45 00 58 00: SQBFAFgA; big endian 00 49 00 45 00 58: AEkARQBY */
        {"wide, base64", "CommandLine|wide|base64|contains: 'IEX'", T("-enc SQBFAFgA"), T("-enc SUVY")},
        {"utf16le, base64", "CommandLine|utf16le|base64|contains: 'IEX'", T("-enc SQBFAFgA"), T("-enc AEkARQBY")},
        {"utf16be, base64", "CommandLine|utf16be|base64|contains: 'IEX'", T("-enc AEkARQBY"), T("-enc SQBFAFgA")},
        {"utf16 has a mark", "CommandLine|utf16|base64: 'I'", T("//5JAA=="), T("SQA=")},
        {"wide, offset 1", "CommandLine|wide|base64offset|contains: 'IEX'", T("eEkARQBYAA=="), T("eElFWA==")},
        {"wide, offset 2", "CommandLine|wide|base64offset|contains: 'IEX'", T("eHhJAEUAWAA="), T("eHhJRVg=")},
        {"UTF-16 itself", "CommandLine|wide|contains: 'ab'", B("xa\0b\0"), T("xab")},
        {"UTF-16 big endian itself", "CommandLine|utf16be|contains: 'ab'", B("x\0a\0b"), B("xa\0b\0")},
        {"outside ASCII", "CommandLine|wide|base64|contains: 'あ'", T("QjA="), T("44GC")}, /* U+3042: 42 30 */
        {"outside the first plane", "CommandLine|utf16be|base64|contains: '😀'", T("2D3eAA=="), T("8J+YgA==")}, /* D83D DE00 */
    };
    CHECK(rows);
}

static void regular_expressions(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"search", "CommandLine|re: 'a[0-9]{2}b'", T("xxa12bxx"), T("xxa1bxx")},
        {"anchors", "CommandLine|re: '^a.*b$'", T("a--b"), T("xa--b")},
        {"i", "CommandLine|re|i: 'power(shell|cat)'", T("POWERCAT"), T("powerdog")},
        {"m", "CommandLine|re|m: '^evil$'", T("ok\nevil\nok"), T("ok\nevil2\nok")},
        {"without m", "CommandLine|re: '^evil$'", T("evil"), T("ok\nevil\nok")},
        {"s", "CommandLine|re|s: 'a.b'", T("a\nb"), T("ab")},
        {"without s", "CommandLine|re: 'a.b'", T("a b"), T("a\nb")},
        {"i, m, s", "CommandLine|re|i|m|s: '^A.B$'", T("x\na\nb\nx"), T("x\na\n\nb\nx")},
        {"after a NUL", "CommandLine|re: 'evil$'", B("a\0evil"), B("a\0evil\0")},
        {"beside bytes that are no UTF-8", "CommandLine|re: 'e.il'", B("\xff\xfe" "evil\xc3"), B("\xff\xfe" "eil\xc3")},
        {"beside letters that are not ASCII", "CommandLine|re: 'e.il'", T("あévil evil"), T("あeil")},
        {"all", "CommandLine|re|all: ['a+', 'b+']", T("b a"), T("b")},
        {"neq", "CommandLine|re|neq: 'a+'", T("bbb"), T("baa")},
    };
    CHECK(rows);
}

static void bytes_of_any_kind(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"behind a NUL", "CommandLine|contains: evil", B("a\0EVIL"), B("a\0ev\0il")},
        {"before a NUL", "CommandLine|startswith: evil", B("Evil\0x"), B("x\0evil")},
        {"up to the end behind a NUL", "CommandLine|endswith: evil", B("a\0evil"), B("evil\0a")},
        {"a whole value has no NUL", "CommandLine: evil", T("evil"), B("evil\0")},
        {"beside bytes that are no UTF-8", "CommandLine|contains: evil", B("\xff" "eViL\xc3"), B("ev\xff" "il")},
        {"behind a cut sequence", "CommandLine|contains: evil", B("\xe3\x81" "evil"), B("\xe3\x81" "e\x81" "vil")},
        {"an overlong letter is no letter", "CommandLine|contains: evil", T("evil"), B("\xc1\xa5vil")},
        {"one invalid byte is one character", "CommandLine: 'a?b'", B("a\xff" "b"), B("a\xff\xff" "b")},
        {"line ends", "CommandLine|contains: evil", T("a\r\nevil\r\n"), T("ev\r\nil")},
        {"control bytes", "CommandLine|contains: evil", T("\x1b[2Kevil\x08"), T("ev\x08il")},
    };
    CHECK(rows);
}

static void nothing_and_empty(void **state)
{
    (void)state;
    static const struct text none = {NULL, 0};
    const struct row rows[] = {
        {"null is absent", "CommandLine: null", none, T("x")},
        {"null is empty too", "CommandLine: null", T(""), T(" ")},
        {"empty", "CommandLine: ''", T(""), T(" ")},
        {"left out because it was empty", "CommandLine: ''", none, T("x")},
        {"a star wants a value", "CommandLine: '*'", T("x"), T("")},
        {"a question mark wants a character", "CommandLine: '?'", T("x"), T("")},
        {"exists", "CommandLine|exists: true", T(""), none},
        {"exists not", "CommandLine|exists: false", none, T("")},
        {"neq of an absent field", "CommandLine|neq: x", none, T("X")},
        {"one of several, null among them", "CommandLine: [null, evil]", none, T("good")},
        {"one of several, empty among them", "CommandLine: ['', evil]", T("EVIL"), T("good")},
        {"fieldref to itself", "CommandLine|fieldref: Image", T("/OPT/a"), T("/opt/b")},
        {"fieldref contains", "CommandLine|fieldref|contains: Image", T("sh -c /opt/A x"), T("sh -c /opt/b")},
        {"fieldref startswith", "CommandLine|fieldref|startswith: Image", T("/OPT/A x"), T("x /opt/a")},
        {"fieldref endswith", "CommandLine|fieldref|endswith: Image", T("x /opt/A"), T("/opt/a x")},
        {"fieldref neq", "CommandLine|fieldref|neq: Image", T("/opt/b"), T("/OPT/A")},
        {"expand to several", "CommandLine|expand: '%admins%'", T("ROOT"), T("bob")},
        {"expand keeps wildcards", "CommandLine|expand: 'su %admins%'", T("su ADMINistrator"), T("su root2")},
        {"expand inside contains", "CommandLine|contains|expand: 'u=%admins%;'", T("x u=Root; y"), T("x u=bob; y")},
        {"an escaped per cent sign", "CommandLine|expand: '\\%plain%admins%'", T("%plainroot"), T("root")},
    };
    CHECK(rows);
}

static void numbers_and_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *why, *item, *key;
        bool is_int[2];
        const char *yes, *no;
    } rows[] = {
        {"a number for a number", "DestinationPort: 4444", "dst_endpoint.port", {true, true}, "4444", "44444"},
        {"a number for text", "DestinationPort: 4444", "dst_endpoint.port", {false, false}, "4444", "44440"},
        {"text for a number", "DestinationPort: '4444'", "dst_endpoint.port", {true, true}, "4444", "444"},
        {"startswith on a number", "DestinationPort|startswith: 44", "dst_endpoint.port", {true, true}, "4444", "344"},
        {"wildcard on a number", "DestinationPort: '4?44'", "dst_endpoint.port", {true, true}, "4444", "444"},
        {"negative", "Code: -1", "unmapped.Code", {true, false}, "-1", "1"},
        {"hexadecimal text is text", "Access: '0x1410'", "unmapped.Access", {false, false}, "0X1410", "5136"},
        {"hexadecimal letters", "Access: '0x1FFFFF'", "unmapped.Access", {false, false}, "0x1fffff", "0x1ffff"},
        {"lt on text", "Size|lt: 10", "unmapped.Size", {false, false}, "9", "10"},
        {"gt on hexadecimal text", "Size|gt: 16", "unmapped.Size", {false, false}, "0x11", "0x10"},
        {"gte", "Size|gte: 10", "unmapped.Size", {true, true}, "10", "9"},
        {"lte", "Size|lte: 10", "unmapped.Size", {true, false}, "10", "11"},
        {"not lexical", "Size|gt: 9", "unmapped.Size", {false, false}, "10", "ten"},
        {"neq on numbers", "Size|neq: 10", "unmapped.Size", {true, true}, "11", "10"},
        {"cidr v4", "DestinationIp|cidr: 10.0.0.0/8", "dst_endpoint.ip", {false, false}, "10.255.255.255", "11.0.0.0"},
        {"cidr v4, odd", "DestinationIp|cidr: 192.168.4.0/23", "dst_endpoint.ip", {false, false}, "192.168.5.255", "192.168.6.0"},
        {"cidr of one", "DestinationIp|cidr: 192.0.2.1/32", "dst_endpoint.ip", {false, false}, "192.0.2.1", "192.0.2.2"},
        {"cidr v4, mapped", "DestinationIp|cidr: 10.0.0.0/8", "dst_endpoint.ip", {false, false}, "::ffff:10.1.2.3", "::ffff:11.1.2.3"},
        {"cidr v4, mapped as hex", "DestinationIp|cidr: 10.0.0.0/8", "dst_endpoint.ip", {false, false}, "::FFFF:a01:203", "::a01:203"},
        {"cidr v6", "DestinationIp|cidr: '2001:db8::/32'", "dst_endpoint.ip", {false, false}, "2001:0DB8:0::1", "2001:db9::1"},
        {"cidr v6, odd", "DestinationIp|cidr: 'fe80::/10'", "dst_endpoint.ip", {false, false}, "febf::1%eth0", "fec0::1"},
        {"cidr v6 is not v4", "DestinationIp|cidr: '::/0'", "dst_endpoint.ip", {false, false}, "2001:db8::1", "no address"},
        {"cidr list", "DestinationIp|cidr: [127.0.0.0/8, '::1/128']", "dst_endpoint.ip", {false, false}, "0:0:0:0:0:0:0:1", "::2"},
    };
    char detection[512];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        (void)snprintf(detection, sizeof detection, "  s:\n    %s\n  condition: s", rows[i].item);
        struct mmr_sigma *s = rule_of(detection);
        for (int k = 0; k < 2; k++) {
            struct mmr_event ev;
            const char *v = k ? rows[i].no : rows[i].yes;
            begin(&ev);
            if (rows[i].is_int[k])
                mmr_event_int(&ev, rows[i].key, strtoll(v, NULL, 10));
            else
                mmr_event_str(&ev, rows[i].key, v);
            if (matches(s, &ev) != !k)
                fail_msg("%s: %s %s '%s'", rows[i].why, rows[i].item, k ? "matches" : "does not match", v);
        }
        mmr_sigma_free(s);
    }
}

static void keywords_see_the_whole_event(void **state)
{
    (void)state;
    static const struct {
        const char *why, *keywords, *key, *yes, *no;
    } rows[] = {
        {"any field", "[evil, worse]", "unmapped.Odd", "an EVIL thing", "good"},
        {"a list in the event", "[evil]", "unmapped.Odd[]", "good|EVIL", "good|fine"},
        {"a field we have an own name for", "[evil]", "process.cmd_line", "Evil", "good"},
        {"a number of the event", "['4444']", "dst_endpoint.port:", "4444", "443"},
        {"a number inside a rule's text", "[4444]", "dst_endpoint.port:", "4444", "44"},
        {"wildcards", "['Tro*FOUND']", "message", "x: trojan.A found", "x: trojan.A lost"},
        {"letters that are not ASCII", "['ПАРОЛЬ']", "message", "x пароль y", "x паролъ y"},
        {"an account the sensor took apart", "['corp\\bob']", "user.name", "BOB", "alice"},
        {"our own stamps are no text of the event", "[test.log]", "message", "see TEST.log", "see nothing"},
        {"our own numbers are none either", "['1007']", "message", "error 1007", "error"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char detection[256];
        (void)snprintf(detection, sizeof detection, "  k: %s\n  condition: k", rows[i].keywords);
        struct mmr_sigma *s = rule_of(detection);
        for (int k = 0; k < 2; k++) {
            struct mmr_event ev;
            const char *v = k ? rows[i].no : rows[i].yes;
            char key[64];
            (void)snprintf(key, sizeof key, "%s", rows[i].key);
            size_t n = strlen(key);
            begin(&ev);
            mmr_event_str(&ev, "mamori.input", "test.log");
            mmr_event_str(&ev, "user.domain", "CORP");
            if (key[n - 1] == ':') {
                key[n - 1] = '\0';
                mmr_event_int(&ev, key, strtoll(v, NULL, 10));
            } else if (key[n - 1] == ']') {
                const char *bar = strchr(v, '|');
                char first[32];
                (void)snprintf(first, sizeof first, "%.*s", (int)(bar - v), v);
                const char *list[] = {first, bar + 1};
                key[n - 2] = '\0';
                mmr_event_strv(&ev, key, list, 2);
            } else {
                mmr_event_str(&ev, key, v);
            }
            if (matches(s, &ev) != !k)
                fail_msg("%s: keywords %s %s '%s'", rows[i].why, rows[i].keywords, k ? "match" : "do not match", v);
        }
        mmr_sigma_free(s);
    }
}

/* As long as an event may hold: found wherever it stands. What an event cannot hold is counted (test_sigma of the plugin). */
/* len bytes, at least four: blanks and a word of four letters */
static __attribute__((noinline)) void ends_with(char *text, size_t len, const char *word)
{
    memset(text, ' ', len);
    memcpy(text + len - 4, word, 4);
}

static void values_of_any_length(void **state)
{
    (void)state;
    static const char *const items[] = {"CommandLine|contains: evil", "CommandLine|endswith: evil", "CommandLine: '*evil'",
                                        "CommandLine|re: 'ev[i]l$'", "CommandLine|contains|cased: eViL", "CommandLine|re|i: '[e]vil'"};
    static char text[MMR_EVENT_STR_MAX];
    for (size_t i = 0; i < sizeof items / sizeof items[0]; i++) {
        char detection[256];
        (void)snprintf(detection, sizeof detection, "  s:\n    %s\n  condition: s", items[i]);
        struct mmr_sigma *s = rule_of(detection);
        static const size_t lens[] = {4, 255, 256, 4095, 4096, 4097, 12288, 16383, 16384};
        for (size_t k = 0; k < sizeof lens / sizeof lens[0]; k++) {
            size_t len = lens[k];
            ends_with(text, len, i == 3 ? "evil" : "eViL");
            if (!has(s, "process.cmd_line", (struct text){text, len}))
                fail_msg("%s does not match at the end of %zu bytes", items[i], len);
            ends_with(text, len, "evix");
            if (has(s, "process.cmd_line", (struct text){text, len}))
                fail_msg("%s matches %zu bytes", items[i], len);
        }
        mmr_sigma_free(s);
    }
}

/* The largest events there are, each of their values asked for under every name: nothing is given up unsaid. */
static void the_largest_event_is_searched_whole(void **state)
{
    (void)state;
    static const char *const keys[] = {"src_endpoint.ip", "dst_endpoint.ip", "device.hostname", "user.name", "process.file.path",
                                       "process.cmd_line", "http_request.url.path"};
    static const char *const names[] = {"c-ip", "ClientAddress", "IpAddress", "id.orig_h", "rhost", "SourceIp", "source.ip", "src_ip",
                                        "destination.ip", "DestinationIp", "dst_ip", "id.resp_h", "s-ip", "Computer", "ComputerName",
                                        "Hostname", "User", "username", "cs-username", "exe", "Image", "NewProcessName",
                                        "ProcessName", "CommandLine", "ProcessCommandLine", "proctitle", "cmdline", "c-uri", "cs-uri"};
    static char rule[4096], text[MMR_EVENT_STR_MAX];
    size_t n = (size_t)snprintf(rule, sizeof rule, "  k: [evil]\n  s:\n");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        n += (size_t)snprintf(rule + n, sizeof rule - n, "    %s|endswith: eviL\n", names[i]);
    (void)snprintf(rule + n, sizeof rule - n, "  condition: k and s");
    struct mmr_sigma *s = rule_of(rule);
    struct mmr_event ev;
    memset(text, 'A', sizeof text);
    memcpy(text + sizeof text - 4, "EVIL", 4);
    mmr_event_begin(&ev, buf, sizeof buf, "process.start", MMR_CLASS_PROCESS, 1, 1, 1);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        mmr_event_strn(&ev, keys[i], text, sizeof text);
    assert_true(matches(s, &ev));
    struct mmr_sigma_stats st;
    mmr_sigma_get_stats(s, &st);
    assert_int_equal(st.text_limits, 0);
    assert_int_equal(st.regex_limits, 0);
    mmr_sigma_free(s);
}

/* A text made to exhaust a regular expression neither gets by nor goes uncounted. */
static void a_regular_expression_that_is_given_up_is_counted(void **state)
{
    (void)state;
    static char text[4096] = "\xc3\xa9"; /* not ASCII: the fast search that would rule it out is not asked */
    struct mmr_sigma *s = rule_of("  s:\n    CommandLine|re: '(a+)+$'\n  condition: s");
    struct mmr_sigma_stats st;
    memset(text + 2, 'a', 200);
    text[202] = '!';
    assert_false(has(s, "process.cmd_line", (struct text){text, 0}));
    mmr_sigma_get_stats(s, &st);
    assert_true(st.regex_limits > 0);
    mmr_sigma_free(s);

    s = rule_of("  s:\n    CommandLine|re: '(\\s|\\^)*e(\\s|\\^)*v(\\s|\\^)*il'\n  condition: s");
    static const char *const starts[] = {"x", "\xc3\xa9"};
    for (size_t i = 0; i < 2; i++) {
        memset(text, '^', sizeof text - 1);
        memcpy(text, starts[i], strlen(starts[i]));
        memcpy(text + sizeof text - 6, "ev^il", 5);
        mmr_sigma_get_stats(s, &st);
        uint64_t before = st.regex_limits;
        assert_int_equal(has(s, "process.cmd_line", (struct text){text, 0}), st.has_hyperscan);
        mmr_sigma_get_stats(s, &st);
        assert_true(st.regex_limits > before);
        text[sizeof text - 2] = '^';
        assert_false(has(s, "process.cmd_line", (struct text){text, 0}));
    }
    mmr_sigma_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letter_case),
        cmocka_unit_test(dashes),
        cmocka_unit_test(what_sigma_does_not_define_stays_as_it_is),
        cmocka_unit_test(wildcards_and_escapes),
        cmocka_unit_test(encodings),
        cmocka_unit_test(regular_expressions),
        cmocka_unit_test(bytes_of_any_kind),
        cmocka_unit_test(nothing_and_empty),
        cmocka_unit_test(numbers_and_addresses),
        cmocka_unit_test(keywords_see_the_whole_event),
        cmocka_unit_test(values_of_any_length),
        cmocka_unit_test(the_largest_event_is_searched_whole),
        cmocka_unit_test(a_regular_expression_that_is_given_up_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
