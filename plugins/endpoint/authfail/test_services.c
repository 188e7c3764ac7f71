/* test_services.c - services whose lines come in several forms: with and without a head, by version, by collector. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <mamori/event.h>
#include <mamori/plugin.h>

#include "match.h"
#include "syslog.h"
#include "test_world.h"

static struct mmr_auth_matcher *matcher;

static int setup(void **state)
{
    struct mmr_error err = {.struct_size = sizeof err};
    (void)state;
    return mmr_auth_matcher_new(&matcher, &err);
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
    return mmr_auth_match(matcher, s.app, s.msg, hit) && hit->pattern->klass <= MMR_AUTH_END;
}

struct row {
    const char *line, *service; /* service NULL: no failure */
};

/* All of them are about 192.0.2.7. */
static void check(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct mmr_auth_hit hit = {0};
        bool is = match(rows[i].line, &hit);
        if (is != (rows[i].service != NULL) || (is && (strcmp(hit.pattern->service, rows[i].service) != 0 || strcmp(hit.host, "192.0.2.7") != 0)))
            fail_msg("%s: %s %s, want %s", rows[i].line, is ? hit.pattern->service : "no hit", is ? hit.host : "", rows[i].service ? rows[i].service : "none");
    }
}
#define CHECK(rows) check(rows, sizeof rows / sizeof rows[0])

static void mail_servers(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"@400000004c91b044077a9e94 imap-login: Info: Aborted login (auth failed, 1 attempts): user=<eve>, method=CRAM-MD5, rip=192.0.2.7, lip=10.0.0.1", "dovecot"},
        {"Jan 29 09:33:58 pop3-login: Info: Disconnected: Inactivity (auth failed, 1 attempts in 2 secs): user=<eve>, method=PLAIN, rip=192.0.2.7", "dovecot"},
        {"Aug 28 06:38:52 srv dovecot: imap-login: Disconnected: Connection closed: read(size=1003) failed: Connection reset by peer (auth failed, 1 attempts in 0 secs): user=<e>, rip=192.0.2.7, lip=10.0.0.1", "dovecot"},
        {"Aug 31 16:15:10 srv dovecot: imap-login: Disconnected (client didn't finish SASL auth, waited 2 secs): user=<>, method=PLAIN, rip=192.0.2.7, lip=10.0.0.1, TLS", "dovecot"},
        {"Jul 02 13:49:32 srv dovecot[442]: pop3-login: Disconnected (no auth attempts in 58 secs): user=<>, rip=192.0.2.7, lip=10.0.0.1", NULL},
        {"Jul 02 13:49:32 srv dovecot[442]: dovecot: auth(default): pam(eve,192.0.2.7): pam_authenticate() failed: User not known to the underlying authentication module", "dovecot"},
        {"2013-08-11 03:56:40 auth-worker(default): Info: pam(eve,192.0.2.7): pam_authenticate() failed: Authentication failure (password mismatch?)", "dovecot"},
        {"Jan 29 05:13:50 mail dovecot: auth: passwd-file(eve,192.0.2.7): unknown user", "dovecot"},
        {"Jun 12 11:48:12 auth-worker(80180): Info: conn unix:auth-worker (uid=143): auth-worker<13247>: sql(eve,192.0.2.7): Password mismatch", "dovecot"},
        {"Mar 23 06:10:52 auth: Info: ldap(eve,192.0.2.7,): invalid credentials", "dovecot"},
        {"Dec 21 10:01:57 srv imapd[18454]: badlogin: client.example [192.0.2.7] CRAM-MD5 [SASL(-13): authentication failure: incorrect digest response]", "cyrus-imap"},
        {"2013-06-09 10:21:28 [14127] 1UlasQ-0003fr-45 F=a@b.example H=(c.example) [192.0.2.7]:43671 I=[10.0.0.1]:25 P=esmtp rejected by local_scan(): Rejected", "exim-spam"},
        {"2013-06-15 11:20:36 1Unmew-0000ea-SE H=c.example [192.0.2.7]:32706 rejected after DATA: This message contains a virus (Test).", "exim-spam"},
        {"2013-12-30 00:24:50 1VxPit-000MMd-U4 SA: Action: silently tossed message: score=31.0 required=5.0 (scanned in 6/6 secs | Message-Id: a_b@c). From <a@b.example> (host=NULL [192.0.2.7]) for d@e.example", "exim-spam"},
        {"2013-12-30 00:24:50 1VxPit-000MMd-U4 SA: Action: scanned but message isn't spam: score=0.2 required=5.0 (scanned in 6/6 secs | Message-Id: a@c). From <a@b.example> (host=NULL [192.0.2.7]) for d@e.example", NULL},
        {"Feb 27 10:53:06 srv sm-mta[44307]: s1R9r: rejecting commands from  [192.0.2.7] due to pre-greeting traffic after 0 seconds", "sendmail-reject"},
        {"Feb 23 21:18:47 srv sm-mta[93301]: s1NKI: [192.0.2.7]: EXPN root [rejected]", "sendmail-reject"},
        {"Feb 23 21:18:47 srv sm-mta[93301]: s1NKI: c.example [192.0.2.7]: vrfy info [rejected]", "sendmail-reject"},
        {"Mar 29 22:51:43 srv sendmail[3529565]: xA32R: [192.0.2.7] did not issue MAIL/EXPN/VRFY/ETRN during connection to MTA", "sendmail-reject"},
        {"Feb 19 18:01:50 srv sm-mta[78152]: ruleset=check_relay, arg1=[192.0.2.7], arg2=192.0.2.7, relay=[192.0.2.7], reject=421 4.3.2 Connection rate limit exceeded.", "sendmail-reject"},
        {"Nov  3 11:35:30 srv sendmail[26254]: rA37Z: <eve@b.example>... No such user here", NULL},
        {"[17/Jun/2011 17:00:45] Attempt to deliver to unknown recipient <a@b.example>, from <c@d.example>, IP address 192.0.2.7", "kerio"},
        {"[18/Jan/2014 05:47:17] IP address 192.0.2.7 found in DNS blacklist One, mail from <a@b.example> to <c@d.example>", "kerio"},
        {"[17/May/2017 22:14:57] Message from IP address 192.0.2.7, sender <a@b.example> rejected: sender domain does not exist", "kerio"},
        {"[18/May/2017 07:25:15] Failed SMTP login from 192.0.2.7 with SASL method CRAM-MD5.", "kerio"},
        {"[17/May/2017 19:45:27] Administration login into Web Administration from 192.0.2.7 failed: IP address not allowed", "kerio"},
        {"Apr-27-13 02:25:09 Blocking 192.0.2.7 - too much AUTH errors (8);", "assp"},
        {"Jul-30-16 17:07:25 [Worker_1] [TLS-out] 192.0.2.7 [SMTP Error] 535 5.7.8 Error: authentication failed: UGFz", "assp"},
        {"Jul-29-16 16:49:52 m1-25391-06124 [Worker_1] [TLS-out] [RelayAttempt] 192.0.2.7 <a@b.example> to: c@d.example relay attempt blocked for: e@f.example", "assp"},
        {"08-09-2014 06:14:27   smtp: eve [192.0.2.7] authentication failure using internet password", "domino"},
        {"2018-09-19 17:25:50   SMTP Server [0D14:0027-1334] Authentication failed for user eve ; connecting host [192.0.2.7]", "domino"},
        {"Sep  6 07:18:29 srv qmail: 1157519909.633171 qmail-smtpd: 421 badiprbl: ip 192.0.2.7 rbl: b.example", "qmail"},
        {"Jun 30 15:13:33 srv rblsmtpd: relays.example blocked 192.0.2.7 c.example -", "qmail"},
        {"Sat Dec 28 19:03:53 2013 - [72926] (192.0.2.7) eve - userinfo error - auth_unix.pl, ret -4, User eve doesn't exist", "openwebmail"},
        {"<co ts=\"2014-06-02T16:06:33.99\" pi=\"72aa.17f0\" sc=\"tcp_local\" dr=\"+\" ac=\"U\" tr=\"TCP|10.0.0.1|25|192.0.2.7|4299\" ap=\"SMTP\" mi=\"Bad password\" us=\"eve\" di=\"535 5.7.8 Bad\"/>", "oracle-messaging"},
        {"Nov 15 00:34:53 srv solid-pop3d[3822]: root login not allowed - 192.0.2.7", "solid-pop3d"},
        {"Feb 23 12:36:01 srv imapd[3473]: Failed uwmaster override of user=eve  host=c.example [192.0.2.7] ", "uw-imap"},
        {"Jul 18 16:08:58 srv perdition.imaps[3194]: Fatal Error reading authentication information from client 192.0.2.7:2274->10.0.0.1:993: Exiting child", "perdition"},
        {"[emerg] [imp] FAILED LOGIN for eve [192.0.2.7] to {mx.example:993 [imap/ssl]} [pid 6 on line 139 of /a.php]", "horde"},
    };
    CHECK(rows);
}

static void web_servers(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"[Tue Jul 22 06:48:30 2008] [error] [client 192.0.2.7] script not found or unable to stat: /srv/cgi-bin/php5", "apache-noscript"},
        {"[Mon Dec 23 07:49:01.981912 2013] [:error] [pid 3790] [client 192.0.2.7:46301] script '/var/www/timthumb.php' not found or unable to stat", "apache-noscript"},
        {"[Mon Dec 23 07:49:01.981912 2013] [:error] [pid 3790] [client 192.0.2.7:46301] script '/var/www/shop/mail.php' not found or unable to stat", NULL},
        {"[Sat Jun 01 11:23:08 2013] [error] [client 192.0.2.7] File does not exist: /srv/~", "apache-noscript"},
        {"[Sat Jun 01 11:23:08 2013] [error] [client 192.0.2.7] File does not exist: /srv/favicon.ico", NULL},
        {"[Sun Mar 11 08:56:20.913548 2018] [proxy_fcgi:error] [pid 742:tid 1] [client 192.0.2.7:50900] AH01071: Got error 'Primary script unknown\\n'", "apache-noscript"},
        {"[Thu Sep 25 09:29:56.141832 2014] [cgi:error] [pid 16864] [client 192.0.2.7:41273] AH01215: /bin/bash: error importing function definition for `HTTP_X'", "apache-shellshock"},
        {"[Mon Dec 23 13:12:31 2013] [error] [client 192.0.2.7] ModSecurity:  [file \"/a.conf\"] [line \"47\"] [tag \"X\"][tag \"Y\"] Access denied with code 403 (phase 2). Match", "apache-modsecurity"},
        {"[Mon Mar 28 16:50:49.522240 2016] [:error] [pid 1795] [client 192.0.2.7:50700] WAR [Login denied for user \"eve\"], referer: https://a.example/", "zoneminder"},
        {"2020/11/25 14:42:16 [crit] 76952#76952: *24 SSL_do_handshake() failed (SSL: error:1408F0C6:SSL routines:ssl3_get_record:packet length too long) while SSL handshaking, client: 192.0.2.7, server: 0.0.0.0:443", "nginx-tls"},
        {"2020/11/25 14:42:16 [error] 76952#76952: *24 connect() failed (111: Connection refused) while connecting to upstream, client: 192.0.2.7, server: a, request: \"GET / HTTP/2.0\"", NULL},
        {"2021-09-30 16:05:33: mod_auth.c.828) password doesn't match for /secure/ username: eve IP: 192.0.2.7", "lighttpd"},
        {"2021-09-30 17:44:37: (mod_auth.c.791) digest: auth failed: uri mismatch (/a != /b), IP: 192.0.2.7", "lighttpd"},
        {"Nov 14 22:45:11 srv haproxy[760]: ::ffff:192.0.2.7:58430 [14/Nov/2015:22:45:11.608] main main/<NOSRV> -1/-1/-1/-1/0 401 248 - - PR-- 0/0/0/0/0 0/0 \"GET / HTTP/1.1\"", "haproxy"},
        {"1386543500.000      5 192.0.2.7 NONE/405 3364 CONNECT error:method-not-allowed - HIER_NONE/- text/html", "squid"},
        {"11-06-2013 02:09:40 +0300 PROXY.3128 00004 - 192.0.2.7:28783 0.0.0.0:0 0 0 0 GET http://a.example/ HTTP/1.1", "3proxy"},
        {"11-06-2013 02:09:40 +0300 PROXY.3128 00000 eve 192.0.2.7:28783 10.0.0.1:80 0 0 0 GET http://a.example/ HTTP/1.1", NULL},
        {"Wed Apr 14 11:26:08 2021 - AUTHERR - [192.0.2.7] Authentication error: /monitorix/", "monitorix"},
        {"78017 00cff -- none -- - 2014-01-13T05:02:22+00:00 WARN (4): Tinebase_Controller::login::106 Login with username eve from 192.0.2.7 failed (-1)!", "tine20"},
    };
    CHECK(rows);
}

static void other_daemons(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"[2012-02-13 17:39:20] NOTICE[1638] chan_iax2.c: No registration for peer 'eve' (from 192.0.2.7)", "asterisk"},
        {"[Jan 18 17:39:50] NOTICE[12049]: res_pjsip_session.c:2337 new_invite: Call from 'anonymous' (TCP:[192.0.2.7]:61470) to extension '9011' rejected because extension not found in context 'default'.", "asterisk"},
        {"[2013-11-11 14:33:38] WARNING[6756][C-0000001d] Ext. s: \"Rejecting unknown SIP connection from 192.0.2.7:52126\"", "asterisk"},
        {"[2016-05-23 10:18:16] NOTICE[19388] res_pjsip/pjsip_distributor.c: Request from '\"1\" <sip:1@10.0.0.1>' failed for '192.0.2.7:48336' (callid: 2) - No matching endpoint found", "asterisk"},
        {"NOTICE[566]: chan_sip.c:28926 handle_request_register: Registration from '\"28\" <sip:28@10.0.0.1>' failed for '192.0.2.7:7998' - Wrong password", "asterisk"},
        {"[2015-05-25 07:21:48] SECURITY[6988] res_security_log.c: SecurityEvent=\"InvalidAccountID\",AccountID=\"7\",SessionID=\"\",RemoteAddress=\"IPV4/UDP/198.51.100.1/1111\"\",RemoteAddress=\"IPV4/UDP/192.0.2.7/5061\"", "asterisk"},
        {"08-03 08:10:21.026299 [WARN] [SOFIA] [sofia_reg.c:2248] SIP auth failure (INVITE) on sofia profile 'external' for [4@10.0.0.1] from ip 192.0.2.7", "freeswitch"},
        {"Aug 27 16:58:31 srv named[29206]: client @0x7f6450002ef0 192.0.2.7#42592 (a.example): bad zone transfer request: 'a.example/IN': non-authoritative zone (NOTAUTH)", "named"},
        {"Oct 23 02:06:39 security: info: client @0x7f4e446fd6e8 192.0.2.7#53 (a.example): query (cache) 'a.example/A/IN' denied", "named"},
        {"[1387348935] nsd[23600]: info: axfr for zone a.example. from client 192.0.2.7 refused, no acl matches.", "nsd"},
        {"Jan 10 00:00:00 srv proftpd[12345] srv.example (192.0.2.7[192.0.2.7]): USER eve (Login failed): Incorrect password.", "proftpd"},
        {"Jun 09 11:15:43 srv proftpd[17424] srv.example (::ffff:192.0.2.7[::ffff:192.0.2.7]): USER eve: no such user found from ::ffff:192.0.2.7 [::ffff:192.0.2.7] to ::ffff:10.0.0.1:21", "proftpd"},
        {"Feb 11 15:23:17 dropbear[1252]: login attempt for nonexistent user from ::ffff:192.0.2.7:60495", "dropbear"},
        {"Mar  9 09:18:33 srv monit[5731]: HttpRequest: access denied -- client [192.0.2.7]: unknown user 'eve'", "monit"},
        {"Mar  9 09:18:31 srv monit[5731]: HttpRequest: access denied -- client 192.0.2.7: unknown user ''", NULL}, /* a browser that asks first */
        {"Jul 19 18:11:50 srv daemon: pam_unix(auth): authentication failure; logname= uid=0 euid=0 tty=xxx ruser=eve rhost=192.0.2.7", "pam"},
        {"Nov 25 17:12:13 srv pop(pam_unix)[4920]: authentication failure; logname= uid=0 euid=0 tty= ruser= rhost=192.0.2.7 user=eve", NULL},
        {"Jul 19 18:11:50 srv login: pam_unix(login:auth): authentication failure; logname=LOGIN uid=0 euid=0 tty=tty1 ruser= rhost=  user=eve", NULL},
        {"Oct 27 2015 12:35:40 mac.example screensharingd[1170]: Authentication: FAILED :: User Name: eve :: Viewer Address: 192.0.2.7 :: Type: DH", "screensharing"},
        {"2014:07:02-13:07:50: '192.0.2.7' 5 failed login attempt. Invalid account 'eve'", "directadmin"},
        {"2015-03-19 13:57:35.805 [info] <0.585.0>@ejabberd_c2s:wait_for_sasl_response:965 ({socket_state,p1_tls,{tlssock,#Port<0.6434>},<0.584.0>}) Failed authentication for eve@a.example from IP 192.0.2.7", "ejabberd"},
        {"2020-05-12 10:53:19.781 Connection \"CID-72\": User authentication failed. The user name that has been provided was \"eve\", from 192.0.2.7.", "softether"},
        {"2011.11.21 14:29:16 LOG3[28228:140093368055552]: SSL_accept from 192.0.2.7:33454 : 140890C7: error:140890C7:SSL routines:SSL3_GET_CLIENT_CERTIFICATE:peer did not return a certificate", "stunnel"},
        {"[2019-09-08 15:53:19] [eve] failed to login from 192.0.2.7:65001", "znc"},
        {"[2019-09-08 15:53:19] [bob] connected to ZNC from 192.0.2.7", NULL},
        {"WARNING: Authentication attempt from 192.0.2.7 for user \"eve\" failed.", "guacamole"},
        {"2019-09-24T13:16:50 e5a81dbf7fd1 Bitwarden-Identity[1]: [Bit.Core.IdentityServer.ResourceOwnerPasswordValidator] Failed login attempt. 192.0.2.7", "bitwarden"},
        {"Apr 26 13:20:02 srv site: https://a.example|1613063581|user|192.0.2.7|https://a.example/user/login?x=|y||0||Login attempt failed from 192.0.2.7.", "drupal"},
        {"Apr 26 13:20:03 srv site: https://a.example|1613063581|user|192.0.2.7|https://a.example/?Login attempt failed from 198.51.100.1|2||Session revisited for bob.", NULL},
    };
    CHECK(rows);
}

/* The rule that speaks about one line of an access log; NULL: none does. Texts may be absent. */
static const char *rule_of(struct world *w, const char *path, const char *query, const char *user, int code)
{
    uint8_t buf[2048];
    struct mmr_event ev;
    struct mmr_error err = {.struct_size = sizeof err};
    mmr_event_begin(&ev, buf, sizeof buf, "http.request", MMR_CLASS_HTTP, 1, w->t, 1);
    mmr_event_str(&ev, "metadata.log_name", "access");
    mmr_event_str(&ev, "src_endpoint.ip", "192.0.2.7");
    mmr_event_str(&ev, "http_request.url.path", path);
    mmr_event_str(&ev, "http_request.url.query_string", query);
    mmr_event_str(&ev, "user.name", user);
    mmr_event_int(&ev, "http_response.code", code);
    assert_int_equal(mmr_event_end(&ev), 0);
    assert_int_equal(mmr_testhost_event(w->th, w->i, buf, ev.len, &err), 0);
    return mmr_testhost_events(w->th) ? mmr_testhost_text(w->th, 0, "mamori.rule") : NULL;
}

static void access_logs_tell_what_no_browser_sends(void **state)
{
    (void)state;
    static const struct {
        const char *path, *query, *user, *rule;
        int code;
    } rows[] = {
        {NULL, NULL, NULL, "mamori.authfail.web-bad-request", 400},
        {"/dashboard/", NULL, "eve", "mamori.authfail.web-auth", 401},
        {"/dashboard/", NULL, NULL, NULL, 401}, /* every visitor's first answer */
        {"/index.php", "n=http://203.0.113.1/x.txt?", NULL, "mamori.authfail.web-remote-file", 200},
        {"/index.php", "url=http://203.0.113.1/x", NULL, NULL, 200},
        {"/phpmyadmin/", NULL, NULL, "mamori.authfail.web-botsearch", 404},
        {"/a.html", NULL, "bob", NULL, 200},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w = begin();
        const char *rule = rule_of(&w, rows[i].path, rows[i].query, rows[i].user, rows[i].code);
        if ((rule != NULL) != (rows[i].rule != NULL) || (rule && strcmp(rule, rows[i].rule) != 0))
            fail_msg("row %zu: %s, want %s", i, rule ? rule : "nothing", rows[i].rule ? rows[i].rule : "nothing");
        mmr_testhost_free(w.th);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mail_servers),
        cmocka_unit_test(web_servers),
        cmocka_unit_test(other_daemons),
        cmocka_unit_test(access_logs_tell_what_no_browser_sends),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
