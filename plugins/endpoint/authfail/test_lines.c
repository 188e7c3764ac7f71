/* test_lines.c - lines with known verdicts: which fail, and who is blamed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jsonscan.h"
#include "match.h"
#include "syslog.h"
#include "sysmap.h"
#include "test_world.h"

static struct mmr_auth_matcher *matcher;

static int setup(void **state)
{
    struct mmr_error err = {.struct_size = sizeof err};
    (void)state;
    if (mmr_auth_matcher_new(&matcher, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        return -1;
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mmr_auth_matcher_free(matcher);
    return 0;
}

static bool match(const char *line, struct mmr_auth_hit *hit)
{
    struct mmr_syslog s;
    mmr_syslog_read(line, strlen(line), &s);
    if (!mmr_auth_match(matcher, s.app, s.msg, hit))
        return false;
    return hit->pattern->klass <= MMR_AUTH_END; /* the rest only speaks together with other lines: test_sessions.c */
}

static void other_services_are_read_as_they_write(void **state)
{
    static const struct {
        const char *line, *host, *user; /* host NULL: no failure; user NULL: any */
    } rows[] = {
        {"2024-01-02 03:04:05.123 UTC [4711] bob@db FATAL:  no pg_hba.conf entry for host \"192.0.2.7\", user \"bob\", database \"db\", no encryption", "192.0.2.7", NULL},
        {"Jan  2 03:04:05 srv postgres[9]: [3-1] FATAL:  password authentication failed for user \"eve\"", "", "eve"},
        {"2024-01-02 03:04:05.123 UTC [4711] FATAL:  password authentication failed for user \"x\" no pg_hba.conf entry for host \"198.51.100.1\", user \"b\"", "", NULL},
        {"[2024-01-02 03:04:05.123][vaultwarden::api::identity][ERROR] Username or password is incorrect. Try again. IP: 192.0.2.7. Username: eve@example.com.", "192.0.2.7", NULL},
        {"[2024-01-02 03:04:05.123][vaultwarden::api::admin][ERROR] Invalid admin token. IP: 2001:db8::7", "2001:db8::7", NULL},
        {"[2024-01-02 03:04:05.123][vaultwarden::api::identity][INFO] User bob@example.com logged in successfully. IP: 192.0.2.7", NULL, NULL},
        {"Login failed: 'eve' (Remote IP: '192.0.2.7')", "192.0.2.7", "eve"},
        {"Login failed: eve (Remote IP: 192.0.2.7)", "192.0.2.7", NULL},
        {"Login failed: x (Remote IP: '198.51.100.1') (Remote IP: '192.0.2.7')", "192.0.2.7", NULL},
        {"Trusted domain error. \"192.0.2.7\" tried to access using \"cloud\" as host.", "192.0.2.7", NULL},
        {"2024/01/02 03:04:05 ...routers/web/auth/auth.go:210:SignInPost() [I] Failed authentication attempt for eve from 192.0.2.7:51234: user does not exist [uid: 0, name: eve]", "192.0.2.7", "eve"},
        {"Jan  2 03:04:05 srv wordpress(example.com)[99]: Authentication failure for eve from 192.0.2.7", "192.0.2.7", "eve"},
        {"Jan  2 03:04:05 srv wordpress(example.com)[99]: XML-RPC authentication failure for eve from 192.0.2.7", "192.0.2.7", "eve"},
        {"Jan  2 03:04:05 srv wordpress(example.com)[99]: Accepted password for eve from 192.0.2.7", NULL, NULL},
        {"Jan  2 03:04:05 srv smbd_audit[9]: Auth: [SMB2,(null)] user [WG]\\[eve] at [Tue, 02 Jan 2024 03:04:05.123456 UTC] with [NTLMv2] status [NT_STATUS_WRONG_PASSWORD] workstation [KALI] remote host [ipv4:192.0.2.7:51234] mapped to [WG]\\[eve]. local host [ipv4:10.0.0.1:445]", "192.0.2.7", "eve"},
        {"Jan  2 03:04:05 srv smbd_audit[9]: Auth: [SMB2,(null)] user [WG]\\[bob] at [Tue, 02 Jan 2024 03:04:05.123456 UTC] with [NTLMv2] status [NT_STATUS_OK] workstation [PC1] remote host [ipv4:192.0.2.7:51234] became [WG]\\[bob]. local host [ipv4:10.0.0.1:445]", NULL, NULL},
        {"Jan  2 03:04:05 srv openvpn[9]: bob/192.0.2.7:1194 SENT CONTROL [bob]: 'AUTH_FAILED' (status=1)", "192.0.2.7", NULL},
        {"Jan  2 03:04:05 srv openvpn[9]: 192.0.2.7:1194 TLS Error: TLS handshake failed", "192.0.2.7", NULL},
        {"Jan  2 03:04:05 pve pvedaemon[9]: authentication failure; rhost=::ffff:192.0.2.7 user=root@pam msg=Authentication failure", "192.0.2.7", "root@pam"},
        {"2024-01-02 03:04:05.123 WARNING (MainThread) [homeassistant.components.http.ban] Login attempt or request with invalid authentication from h.example (192.0.2.7). Requested URL: '/auth'. (Mozilla)", "192.0.2.7", NULL},
        {"[2024-01-02 03:04:05.123 +00:00] [INF] [12] Jellyfin.Server.Users: Authentication request for \"eve\" has been denied (IP: \"192.0.2.7\").", "192.0.2.7", NULL},
        {"2024-01-02 03:04:05,123 WARN  [org.keycloak.events] (executor-thread-1) type=\"LOGIN_ERROR\", realmId=\"r\", clientId=\"c\", userId=\"null\", ipAddress=\"192.0.2.7\", error=\"user_not_found\", username=\"eve\"", "192.0.2.7", NULL},
        {"2024-01-02 03:04:05.123 [info] <0.5.0>@ejabberd_c2s:handle:1 (tls|<0.5.0>) Failed c2s PLAIN authentication for eve@example.com from 192.0.2.7: Invalid username or password", "192.0.2.7", NULL},
        {"[20240102-03:04:05] [INFO ] AUTHFAIL: user=eve ip=::ffff:192.0.2.7 time=1704164645", "192.0.2.7", "eve"},
        {"Jan  2 03:04:05 srv dovecot: imap-login: Disconnected (auth failed, 2 attempts in 8 secs): user=<bob>, method=PLAIN, rip=192.0.2.7, lip=10.0.0.1, TLS", "192.0.2.7", "bob"},
        {"Jan  2 03:04:05 srv dovecot: pop3-login: Aborted login (tried to use disallowed plaintext auth): user=<>, rip=192.0.2.7, lip=10.0.0.1", "192.0.2.7", ""},
        {"Jan  2 03:04:05 srv dovecot: auth-worker(1): pam(bob,192.0.2.7): unknown user", "192.0.2.7", "bob"},
        {"Jan  2 03:04:05 srv dovecot: imap-login: Login: user=<bob>, method=PLAIN, rip=192.0.2.7, lip=10.0.0.1, mpid=1", NULL, NULL},
        {"Jan  2 03:04:05 srv proftpd[9]: srv.example (client.example[192.0.2.7]) - USER eve: no such user found from client.example [192.0.2.7] to 10.0.0.1:21", "192.0.2.7", "eve"},
        {"Jan  2 03:04:05 srv proftpd[9]: srv.example (client.example[192.0.2.7]) - FTP session opened.", NULL, NULL},
        {"Jan  2 03:04:05 srv pure-ftpd: (?@192.0.2.7) [WARNING] Authentication failed for user [eve]", "192.0.2.7", "eve"},
        {"Jan  2 03:04:05 srv pure-ftpd: (eve@192.0.2.7) [NOTICE] /a uploaded", NULL, NULL},
        {"2012-04-09 11:53:29: (http_auth.c.875) password doesn't match for /git username: eve, IP: 192.0.2.7", "192.0.2.7", "eve"},
        {"2012/04/09 11:53:29 [error] 2865#0: *66 user \"eve\" was not found in \"/etc/x\", client: 192.0.2.7, server: a, request: \"GET / HTTP/1.1\", host: \"a\"", "192.0.2.7", "eve"},
        {"2012/04/09 11:53:29 [error] 2865#0: *66 limiting requests, excess: 10.250 by zone \"one\", client: 192.0.2.7, server: a, request: \"GET / HTTP/1.1\"", "192.0.2.7", NULL},
        {"2012/04/09 11:53:29 [warn] 2865#0: *66 an upstream response is buffered, client: 192.0.2.7, server: a", NULL, NULL},
        {"130324  0:04:00 [Warning] Access denied for user 'root'@'192.0.2.7' (using password: NO)", "192.0.2.7", "root"},
        {"2024-09-12T00:48:31.470593Z 5 [Note] [MY-010926] [Server] Access denied for user 'eve'@'192.0.2.7' (using password: YES)", "192.0.2.7", "eve"},
        {"[2012-02-13 17:18:22] NOTICE[1638] chan_sip.c: Registration from '<sip:301@example.org>' failed for '192.0.2.7:5060' - Wrong password", "192.0.2.7", NULL},
        {"[2012-02-13 17:18:22] SECURITY[1638] res_security_log.c: SecurityEvent=\"InvalidPassword\",EventTV=\"1\",Severity=\"Error\",RemoteAddress=\"IPV4/UDP/192.0.2.7/5060\",Challenge=\"x\"", "192.0.2.7", NULL},
        {"[2012-02-13 17:18:22] NOTICE[1638] chan_sip.c: Peer '301' is now Reachable. (10ms / 2000ms)", NULL, NULL},
        {"Jan  2 03:04:05 srv imapd: LOGIN FAILED, user=eve, ip=[::ffff:192.0.2.7]", "192.0.2.7", "eve"},
        {"Jan  2 03:04:05 srv courieresmtpd: error,relay=::ffff:192.0.2.7,msg=\"535 Authentication failed.\",cmd: AUTH LOGIN", "192.0.2.7", NULL},
        {"Jan  2 03:04:05 srv imap[9]: badlogin: client.example[192.0.2.7] plaintext eve SASL(-13): authentication failure: checkpass failed", "192.0.2.7", NULL},
        {"Jan  2 03:04:05 srv dropbear[9]: Bad password attempt for 'root' from 192.0.2.7:55555", "192.0.2.7", "root"},
        {"Jan  2 03:04:05 srv dropbear[9]: Login attempt for nonexistent user from 192.0.2.7:55555", "192.0.2.7", NULL},
        {"Jan  2 03:04:05 srv dropbear[9]: Child connection from 192.0.2.7:55555", NULL, NULL},
        {"2013-12-31 17:39:54.767815 [WARNING] sofia_reg.c:1533 SIP auth failure (INVITE) on sofia profile 'internal' for [5555@example.org] from ip 192.0.2.7", "192.0.2.7", NULL},
        {"Jan  2 03:04:05 srv named[9]: client 192.0.2.7#48194 (x.example): query (cache) 'x.example/A/IN' denied", "192.0.2.7", NULL},
        {"Jan  2 03:04:05 srv named[9]: client 192.0.2.7#48194: query: x.example IN A +", NULL, NULL},
        {"Jan  2 03:04:05 srv sm-mta[9]: s0G9w: AUTH failure (LOGIN): authentication failure (-13) SASL(-13): authentication failure: x, relay=client.example [192.0.2.7]", "192.0.2.7", NULL},
        {"Jan  2 03:04:05 srv sm-mta[9]: s1F: ruleset=check_rcpt, arg1=<a@example.org>, relay=client.example [192.0.2.7], reject=550 5.7.1 <a@example.org>... Relaying denied", "192.0.2.7", NULL},
        {"1386543323.000      4 192.0.2.7 TCP_DENIED/403 3968 CONNECT example.org:443 - HIER_NONE/- text/html", "192.0.2.7", NULL},
        {"1386543323.000      4 192.0.2.7 TCP_MISS/200 3968 GET http://example.org/ - HIER_DIRECT/- text/html", NULL, NULL},
        {"Jan  2 03:04:05 srv webmin[9]: Invalid login as root from 192.0.2.7", "192.0.2.7", "root"},
        {"Jan  2 03:04:05 srv xinetd[9]: FAIL: smtp address from=192.0.2.7", "192.0.2.7", NULL},
        {"t=2020-10-19T17:44:33+0200 lvl=eror msg=\"Invalid username or password\" logger=context userId=0 orgId=0 uname= error=\"x\" remote_addr=192.0.2.7", "192.0.2.7", NULL},
        {"I, [2020-08-14T09:00:00.123 #1]  INFO -- : Failed Login: username=admin ip=192.0.2.7", "192.0.2.7", "admin"},
        {"Jan  2 03:04:05 srv haproxy[9]: 192.0.2.7:40182 [22/Dec/2013:15:25:34.018] front back/<NOSRV> -1/-1/-1/-1/0 401 248 - - PR-- 0/0/0/0/3 0/0 \"GET / HTTP/1.1\"", "192.0.2.7", NULL},
        {"Jan  2 03:04:05 srv haproxy[9]: 192.0.2.7:40182 [22/Dec/2013:15:25:34.018] front back/s1 0/0/1/2/3 200 248 - - ---- 0/0/0/0/3 0/0 \"GET / HTTP/1.1\"", NULL, NULL},
        {"Jan  2 03:04:05 srv solid-pop3d[9]: authentication failed: no such user: eve - 192.0.2.7", "192.0.2.7", NULL},
        {"Jan  2 03:04:05 sogod [9]: SOGoRootPage Login from '192.0.2.7' for user 'eve' might not have worked", "192.0.2.7", "eve"},
        {"Jan  2 03:04:05 srv imapd[9]: Login failed user=eve auth=eve host=client.example [192.0.2.7]", "192.0.2.7", NULL},
        {"Jan  2 03:04:05 srv screensharingd[9]: Authentication: FAILED :: User Name: eve :: Viewer Address: 192.0.2.7 :: Type: DH", "192.0.2.7", "eve"},
        {"[2014-01-06 10:59:49]LOGIN FAILED for user: \"eve\" from IP: 192.0.2.7", "192.0.2.7", "eve"},
        {"Sat Dec 28 19:03:53 2013 - [72926] (192.0.2.7) eve - login error - no such user - loginname=eve", "192.0.2.7", NULL},
        {"2013-10-06 15:50:41 [LOGIN_ERROR] eve (example.org) from 192.0.2.7: Unknown user or password incorrect.", "192.0.2.7", NULL},
        {"Jan  2 03:04:05 srv suhosin[9]: ALERT - tried to register forbidden variable '_SERVER' through GET variables (attacker '192.0.2.7', file '/x.php')", "192.0.2.7", NULL},
        {"2019-11-26 01:04:49.008 +08:00 [WRN] Failed login attempt. 192.0.2.7", "192.0.2.7", NULL},
        {"2024-02-24 12:00:00.00 Logon       Login failed for user 'sa'. Reason: Password did not match. [CLIENT: 192.0.2.7]", "192.0.2.7", "sa"},
        {"<W>2015-11-29 16:38:01.818 1 => <4:eve(-1)> Rejected connection from 192.0.2.7:29530: Invalid server password", "192.0.2.7", NULL},
        {"2014:07:02-00:17:45: '192.0.2.7' 2 failed login attempts. Account 'test'", "192.0.2.7", NULL},
        {"Jan  2 03:04:05 srv drupal-site: https://example.org|1391680000|user|192.0.2.7|https://example.org/user|https://example.org/user|0||Login attempt failed for eve.", "192.0.2.7", NULL},
        {"Jan  2 03:04:05 srv HORDE: [error] [horde] FAILED LOGIN for eve [192.0.2.7] to Horde [pid 9 on line 200 of \"/x\"]", "192.0.2.7", "eve"},
        {"Jan  2 03:04:05 srv openvpn[9]: 192.0.2.7:1194 TLS Auth Error: Auth Username/Password verification failed for peer", "192.0.2.7", NULL},
        {"Jan  2 03:04:05 srv nrpe[9]: Host 192.0.2.7 is not allowed to talk to us!", "192.0.2.7", NULL},
    };
    unsigned wrong = 0;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mmr_auth_hit hit = {0};
        bool is_hit = match(rows[i].line, &hit);
        bool is_right = is_hit == (rows[i].host != NULL) && (!is_hit || (!hit.is_ambiguous && strcmp(hit.host, rows[i].host) == 0)) &&
                        (!is_hit || !rows[i].user || (hit.user.n == strlen(rows[i].user) && (hit.user.n == 0 || memcmp(hit.user.p, rows[i].user, hit.user.n) == 0)));
        if (!is_right) {
            print_error("%s: %s host '%s' user '%.*s'\n", rows[i].line, is_hit ? "hit" : "no hit", hit.host, (int)hit.user.n, hit.user.n ? hit.user.p : "");
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

static void the_client_is_blamed_and_nobody_else(void **state)
{
    (void)state;
    static const struct {
        const char *line, *host, *user; /* host NULL: no failure; "": two readings */
    } rows[] = {
        {"Jan  2 03:04:05 srv sshd[7]: Failed password for alice from 192.0.2.7 port 4711 ssh2", "192.0.2.7", "alice"},
        {"Jan  2 03:04:05 srv sshd[7]: Failed password for invalid user a from 198.51.100.1 port 22 ssh2 from 192.0.2.7 port 4711 ssh2",
         "192.0.2.7", "a from 198.51.100.1 port 22 ssh2"},
        {"Jan  2 03:04:05 srv sshd[7]: Failed password for invalid user a from 198.51.100.1 port 22 ssh2: b from 192.0.2.7 port 4711 ssh2",
         "", NULL},
        {"Jan  2 03:04:05 srv sshd[7]: Invalid user x from 198.51.100.1 port 9 from 192.0.2.7 port 4711", "192.0.2.7",
         "x from 198.51.100.1 port 9"},
        {"Jan  2 03:04:05 srv sshd[7]: Invalid user  from ::ffff:192.0.2.7 port 4711", "192.0.2.7", ""},
        {"Jan  2 03:04:05 srv sshd[7]: Connection closed by authenticating user root 192.0.2.7 port 46038 [preauth]", "192.0.2.7", "root"},
        {"Jan  2 03:04:05 srv sshd[7]: Connection reset by 192.0.2.7 [preauth]", "192.0.2.7", NULL},
        {"Jan  2 03:04:05 srv sshd[7]: Accepted password for alice from 192.0.2.7 port 4711 ssh2", NULL, NULL},
        {"Jan  2 03:04:05 srv sshd[7]: Failed publickey for alice from 192.0.2.7 port 4711 ssh2: RSA SHA256:abc", NULL, NULL},
        /* what a client can write into its name, of the services that put it in front of the address */
        {"2024/01/02 03:04:05 ...auth.go:210:SignInPost() [I] Failed authentication attempt for x from 198.51.100.1:1: from 192.0.2.7:51234: user does not exist", "", NULL},
        {"Jan  2 03:04:05 srv wordpress(a)[9]: Authentication failure for x from 198.51.100.1 from 192.0.2.7", "192.0.2.7", "x from 198.51.100.1"},
        {"Jan  2 03:04:05 srv smbd_audit[9]: Auth: [SMB2,(null)] user [WG]\\[x] at [now] with [NTLMv2] status [NT_STATUS_WRONG_PASSWORD] workstation [K] remote host [ipv4:198.51.100.1:1] mapped to "
         "[a]. local host [ipv4:10.0.0.1:1]] remote host [ipv4:192.0.2.7:51234] mapped to [WG]\\[x]. local host [ipv4:10.0.0.1:445]", "", NULL},
        {"2024-01-02 03:04:05.123 UTC [4711] FATAL:  no pg_hba.conf entry for host \"192.0.2.7\", user \"a\", host \"198.51.100.1\", user \"b\", database \"db\", no encryption", "192.0.2.7", NULL},
        {"2024-01-02 03:04:05.123 [info] Failed c2s PLAIN authentication for x from 198.51.100.1: @example.com from 192.0.2.7: Invalid username or password", "", NULL},
        {"[INFO ] AUTHFAIL: user=x ip=198.51.100.1 time=1 ip=192.0.2.7 time=1704164645", "192.0.2.7", NULL},
        {"Jan  2 03:04:05 srv sshd[7]: Failed password for invalid user x\nJan  2 03:04:05 srv sshd[7]: Failed password for y from 198.51.100.1 port 4711 ssh2", NULL, NULL},
        {"Jan  2 03:04:05 srv sshd[7]: Failed password for invalid user x#012Jan  2 03:04:05 srv sshd[8]: Failed password for y from 198.51.100.1 port 1 ssh2 from 192.0.2.7 port 4711 ssh2",
         "192.0.2.7", NULL},
        {"Jan  2 03:04:05 srv cron[7]: Failed password for alice from 192.0.2.7 port 4711 ssh2", NULL, NULL},
        {"Jan  2 03:04:05 srv vsftpd[7]: [bob] FAIL LOGIN: Client \"2001:db8::7\"", "2001:db8::7", "bob"},
        {"[Wed Jan 02 03:04:05.123 2013] [auth_basic:error] [pid 1:tid 2] [client [2001:db8::1]:50] AH01617: user eve: authentication failure for \"/x\": Password Mismatch",
         "2001:db8::1", "eve"},
        {"[Wed Jan 02 03:04:05 2013] [error] [client 192.0.2.7] File does not exist: /srv/[client 198.51.100.1] user root not found", NULL, NULL},
        {"Jan  2 03:04:05 mx postfix/smtpd[9]: warning: unknown[192.0.2.7]: SASL LOGIN authentication failed: authentication failure, sasl_username=a",
         "192.0.2.7", "a"},
        {"2017-11-28 14:14:32 SMTP protocol error in \"AUTH\" H=(x) [198.51.100.1]\" H=(y) [192.0.2.6] AUTH command used when not advertised",
         "192.0.2.6", NULL},
        {"Jan  2 03:04:05 h roundcube: IMAP Error: Login failed for a from 198.51.100.1 from 192.0.2.7. AUTHENTICATE PLAIN: user=a from 198.51.100.1 in /x",
         "192.0.2.7", NULL},
        {"Jan  2 03:04:05 h phpMyAdmin[1]: user denied: root (mysql-denied) from 192.0.2.7", "192.0.2.7", "root"},
        {"Jan  2 03:04:05 h dovecot: imap-login: Disconnected (auth failed, 3 attempts in 9 secs): user=<bob>, method=PLAIN, rip=192.0.2.7, lip=192.0.2.1, TLS",
         "192.0.2.7", "bob"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mmr_auth_hit hit;
        bool got = match(rows[i].line, &hit);
        if (got != (rows[i].host != NULL))
            fail_msg("%s: %s", rows[i].line, got ? "taken for a failure" : "missed");
        if (!got)
            continue;
        if (hit.is_ambiguous != (rows[i].host[0] == '\0'))
            fail_msg("%s: %s (%s, %s)", rows[i].line, hit.is_ambiguous ? "called ambiguous" : "not called ambiguous", hit.host, hit.other);
        if (!hit.is_ambiguous && strcmp(hit.host, rows[i].host) != 0)
            fail_msg("%s: blamed '%s'", rows[i].line, hit.host);
        if (rows[i].user && (hit.user.n != strlen(rows[i].user) || memcmp(hit.user.p, rows[i].user, hit.user.n) != 0))
            fail_msg("%s: user '%.*s'", rows[i].line, (int)hit.user.n, hit.user.p);
    }
}

static void every_row_of_the_table_compiles(void **state)
{
    size_t n;
    struct mmr_error err = {.struct_size = sizeof err};
    (void)state;
    (void)mmr_auth_patterns(&n);
    for (size_t i = 0; i < n; i++)
        if (mmr_auth_matcher_row(matcher, i, &err) != 0)
            fail_msg("row %zu: %s", i, err.text);
}

struct score {
    int tp, fp, fn, tn, ambiguous, silent;
};

static char *slurp(const char *path, size_t *ret_len)
{
    FILE *f = fopen(path, "rb");
    char *p = malloc(4 << 20);
    *ret_len = f && p ? fread(p, 1, 4 << 20, f) : 0;
    if (f)
        fclose(f);
    return p;
}

static bool said_twice(const char *all, size_t len, const char *line, size_t n, bool verdict)
{
    struct mmr_js_doc *d = malloc(sizeof *d);
    bool found = false;
    for (const char *p = all; p < all + len && !found;) {
        const char *nl = memchr(p, '\n', (size_t)(all + len - p));
        size_t l = (size_t)((nl ? nl : all + len) - p);
        char *copy = strndup(p, l);
        if (mmr_js_parse(copy, l, d, NULL) == 0) {
            size_t tn, mn;
            const char *t = mmr_js_text(d, mmr_js_get(d, 0, "line"), &tn);
            const char *m = mmr_js_text(d, mmr_js_get(d, mmr_js_get(d, 0, "expected"), "match"), &mn);
            found = tn == n && memcmp(t, line, n) == 0 && (m[0] == 't') != verdict;
        }
        free(copy);
        p += l + 1;
    }
    free(d);
    return found;
}

static void score_file(const char *path, struct score *s, bool is_verbose)
{
    size_t len;
    char *all = slurp(path, &len);
    struct mmr_js_doc *d = malloc(sizeof *d);
    for (char *p = all; p < all + len;) {
        char *nl = memchr(p, '\n', (size_t)(all + len - p));
        size_t l = (size_t)((nl ? nl : all + len) - p);
        char *copy = strndup(p, l), want[256] = "", got_host[256] = "", other[256] = "";
        p += l + 1;
        if (mmr_js_parse(copy, l, d, NULL) != 0) {
            free(copy);
            continue;
        }
        size_t n, mn, hn;
        int32_t e = mmr_js_get(d, 0, "expected");
        const char *line = mmr_js_text(d, mmr_js_get(d, 0, "line"), &n);
        bool expected = mmr_js_text(d, mmr_js_get(d, e, "match"), &mn)[0] == 't';
        const char *h = mmr_js_text(d, mmr_js_get(d, e, "host"), &hn);
        char host[256], text[4096];
        snprintf(host, sizeof host, "%.*s", (int)hn, h);
        snprintf(text, sizeof text, "%.*s", (int)n, line);
        canonical(host, want);
        struct mmr_auth_hit hit;
        bool got = match(text, &hit);
        if (!got) { /* an access log line */
            struct mmr_syslog sy;
            struct mmr_outev o;
            static uint8_t buf[MMR_EVENT_BYTES_MAX];
            struct mmr_origin from = {NULL, 0, 0};
            mmr_syslog_read(text, strlen(text), &sy);
            mmr_sys_event(&sy, text, strlen(text), &from, &o, buf, sizeof buf);
            struct mmr_event_view *v = malloc(sizeof *v);
            size_t pn = 0;
            assert_int_equal(mmr_event_end(&o.ev), 0);
            assert_int_equal(mmr_event_read(buf, o.ev.len, v, NULL), 0);
            const char *path_text = mmr_event_get_str(v, "http_request.url.path", &pn);
            if (path_text && mmr_event_get_int(v, "http_response.code", 0) == 404 &&
                mmr_auth_is_bait(matcher, (struct mmr_slice){path_text, (uint32_t)pn, 0})) {
                got = true;
                hit = (struct mmr_auth_hit){0};
                mmr_event_copy_str(v, "src_endpoint.ip", hit.host, sizeof hit.host);
            }
            free(v);
        }
        if (got) {
            canonical(hit.host, got_host);
            if (hit.is_ambiguous)
                canonical(hit.other, other);
        }
        bool is_right = got && (strcmp(want, got_host) == 0 || (other[0] && strcmp(want, other) == 0));
        if (said_twice(all, len, text, strlen(text), expected)) {
            s->ambiguous++;
        } else if (!expected) {
            s->fp += got;
            s->tn += !got;
            if (got && is_verbose)
                printf("  false: %s\n", text);
        } else {
            s->tp += is_right;
            s->fn += !is_right;
            s->fp += got && !is_right;
            if (!is_right) {
                /* the address is on another line of the session: one line alone cannot tell it */
                s->silent += !strstr(text, host);
                if (is_verbose)
                    printf("  missed%s: %s [%s] wanted %s\n", strstr(text, host) ? "" : " (no address)", text, got_host, want);
            }
        }
        free(copy);
    }
    free(d);
    free(all);
}

static void real_lines_are_told_apart(void **state)
{
    const char *dir = MMR_SHARED_DIR "/data/endpoint/linux/fail2ban";
    struct dirent **list;
    int n = scandir(dir, &list, NULL, alphasort), files = 0;
    bool is_verbose = getenv("MMR_TEST_VERBOSE") != NULL, is_bad = false;
    (void)state;
    for (int i = 0; i < n; i++) {
        char path[1024];
        struct score s = {0};
        snprintf(path, sizeof path, "%s/%s", dir, list[i]->d_name);
        if (strstr(list[i]->d_name, ".jsonl")) {
            files++;
            score_file(path, &s, is_verbose);
            double precision = s.tp + s.fp ? (double)s.tp / (s.tp + s.fp) : 0;
            double recall = s.tp + s.fn - s.silent ? (double)s.tp / (s.tp + s.fn - s.silent) : 0;
            printf("%-24s tp %3d fp %2d fn %2d (of them without an address %2d) tn %2d: precision %.3f recall %.3f\n",
                   list[i]->d_name, s.tp, s.fp, s.fn, s.silent, s.tn, precision, recall);
            is_bad |= precision < 0.95 || recall < 0.95;
        }
        free(list[i]);
    }
    if (n >= 0)
        free(list);
    if (!files)
        skip();
    assert_false(is_bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_of_the_table_compiles),
        cmocka_unit_test(other_services_are_read_as_they_write),
        cmocka_unit_test(the_client_is_blamed_and_nobody_else),
        cmocka_unit_test(real_lines_are_told_apart),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
