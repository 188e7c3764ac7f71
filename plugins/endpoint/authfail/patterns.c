/*
 * patterns.c - what failed log-ins and abuse look like, service by service.
 *
 * Users, HELO names, paths and disconnect reasons are chosen by the other side. So every expression is
 * anchored at the start of the text; what stands behind the address is spelled out to the end of the
 * line, or the address comes before anything the other side can write. Where the other side's text
 * still could be read as an address, match.c notices that there are two readings and blames nobody.
 */
#include "patterns.h"

/* an address or a host name */
#define HOST "(?<host>[0-9A-Za-z_][0-9A-Za-z_.:-]*|:[0-9A-Fa-f:.]+)"
#define IP "(?<host>[0-9A-Fa-f:.]+)"
#define USER "(?<user>.*)"
/* ---- sshd ---- */
#define SSHD "sshd sshd-session"
#define SSH "^(?:error: |fatal: )?"
#define SSH_END "(?: port \\d+)?(?: on \\S+(?: port \\d+)?)?(?: \\[preauth\\])?\\s*$"
/* ---- Apache error log, alone or through syslog: [stamp] [module:level] [pid n:tid n] [client a.b.c.d:port] ---- */
#define APACHE_APPS "- httpd httpd/* apache2 apache httpd-*"
#define APACHE_ANY(module) \
    "^(?:\\[[A-Z][a-z]{2} [A-Z][a-z]{2} +\\d+ [\\d:.]+ \\d{4}\\] )?\\[" module "(?:error|crit|warn|info|notice)\\] " \
    "(?:\\[pid \\d+(?::tid \\d+)?\\] )?\\[(?:client|remote) (?<host>\\[[0-9A-Fa-f:.]+\\](?::\\d+)?|[0-9A-Za-z_.:-]+)\\] (?:AH\\d+: )?"
#define APACHE APACHE_ANY("(?:(?!evasive)[a-z0-9_]*:)?")
/* ---- what scanners ask a web server for ---- */
#define BAIT "(?:(?:typo3/|xampp/|admin/)?(?:pma|(?:php)?-?my-?admin|mysql-?admin|sqladmin|dbadmin)|roundcube|horde|squirrelmail|" \
    "(?:ext|v-?|web)*mail|wp-(?:login|signup|admin)|cgi-bin)"
#define WEB_ROOT "/(?:\\S*/)?(?:www|htdocs|html|public_html|httpdocs|webroot|site|wwwroot)/+"
/* ---- postfix ---- */
#define POSTFIX "postfix*"
#define PEER "[^\\[\\]\\s]*\\[" IP "\\](?::\\d+)?"
/* ---- exim: H=name (helo) [address]:port I=[own address]:port K=v .. ---- */
#define EXIM "- exim exim4"
#define EX "^(?:\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d(?:\\.\\d+)? )?(?:\\[\\d+\\] )?(?:\\w{6}-\\w{6,11}-\\w{2,4} )?"
#define EXIM_PEER "(?:[^\\s\\[\\]()]+ )?(?:\\(.*\\) )?\\[" IP "\\](?::\\d+)?(?: I=\\[[0-9A-Fa-f:.]+\\](?::\\d+)?)?(?: [A-Z][A-Za-z]*=\\S+)*"

static const struct mmr_auth_pattern patterns[] = {
    {"sshd", SSHD, "uthentication", MMR_AUTH_FAIL,
     SSH "PAM: [Aa]uthentication (?:failure|error) for (?:(?:illegal|invalid) user )?" USER " from " HOST "(?: via \\S+)?\\s*$"},
    {"sshd", SSHD, "User not known", MMR_AUTH_FAIL,
     SSH "PAM: User not known to the underlying authentication module for (?:(?:illegal|invalid) user )?" USER " from " HOST "(?: via \\S+)?\\s*$"},
    {"sshd", SSHD, "Failed ", MMR_AUTH_FAIL,
     SSH "Failed (?!publickey for (?!invalid user ))[a-z/-]+ for (?:invalid user |illegal user )?" USER " from " HOST
         "(?: port \\d+)?(?: ssh\\d*)?(?:: .*)?$"},
    {"sshd", SSHD, "ROOT LOGIN REFUSED", MMR_AUTH_FAIL, SSH "ROOT LOGIN REFUSED FROM " HOST SSH_END},
    {"sshd", SSHD, " user ", MMR_AUTH_FAIL, SSH "(?:[Ii]nvalid|[Ii]llegal) user " USER " from " HOST SSH_END},
    {"sshd", SSHD, "not allowed because", MMR_AUTH_FAIL,
     SSH "User " USER " from " HOST " not allowed because (?:(?:not )?listed in (?:Allow|Deny)Users|not in any group|"
         "(?:a )?group is listed in DenyGroups|none of user's groups are listed in AllowGroups|account is locked|"
         "shell \\S+ (?:does not exist|is not executable))\\s*$"},
    {"sshd", SSHD, "refused connect", MMR_AUTH_FAIL, SSH "refused connect from \\S+ \\(" HOST "\\)\\s*$"},
    {"sshd", SSHD, "Auth fail", MMR_AUTH_FAIL, SSH "Received disconnect from " HOST "(?: port \\d+)?: ?3: .*Auth fail(?: \\[preauth\\])?\\s*$"},
    {"sshd", SSHD, "maximum authentication attempts", MMR_AUTH_FAIL,
     SSH "maximum authentication attempts exceeded for (?:invalid user )?" USER " from " HOST " port \\d+ ssh\\d*(?: \\[preauth\\])?\\s*$"},
    {"sshd", SSHD, "Change of username", MMR_AUTH_FAIL,
     SSH "Disconnecting(?: (?:invalid|authenticating) user)? " USER " " HOST
         " port \\d+: Change of username or service not allowed: \\(.*\\[preauth\\]\\s*$"},
    {"sshd", SSHD, "[preauth]", MMR_AUTH_PROBE, SSH "Received disconnect from " HOST "(?: port \\d+)?: ?\\d+: .*\\[preauth\\]\\s*$"},
    {"sshd", SSHD, "identification string", MMR_AUTH_PROBE, SSH "Did not receive identification string from " HOST SSH_END},
    {"sshd", SSHD, "Bad protocol version", MMR_AUTH_PROBE, SSH "Bad protocol version identification '.*' from " HOST "(?: port \\d+)?\\s*$"},
    {"sshd", SSHD, "Connection ", MMR_AUTH_PROBE,
     SSH "Connection (?:closed|reset) by (?:(?:authenticating|invalid) user " USER " )?" HOST "(?: port \\d+)? \\[preauth\\]\\s*$"},
    {"sshd", SSHD, "Connection closed", MMR_AUTH_PROBE, SSH "Connection closed by " HOST " port \\d+\\s*$"},
    {"sshd", SSHD, "Disconnected from", MMR_AUTH_PROBE,
     SSH "Disconnected from (?:(?:authenticating|invalid) user " USER " )?" HOST " port \\d+ \\[preauth\\]\\s*$"},
    {"sshd", SSHD, "Connection from", MMR_AUTH_PROBE,
     SSH "(?:banner exchange|ssh_dispatch_run_fatal): Connection from (?:(?:authenticating|invalid) user \\S* )?" HOST " port \\d+: .*$"},
    {"sshd", SSHD, "before authentication", MMR_AUTH_PROBE,
     SSH "Timeout before authentication for (?:connection from )?" HOST "(?: to \\S+, pid = \\d+)?" SSH_END},
    {"sshd", SSHD, "Unable to negotiate", MMR_AUTH_PROBE, SSH "Unable to negotiate with " HOST " port \\d+: no matching .*$"},

    {"vsftpd", "vsftpd", "authentication failure", MMR_AUTH_FAIL,
     "^(?:\\(pam_unix\\) |pam_unix\\([\\w-]+:auth\\): )?authentication failure; logname=\\S* uid=\\S* euid=\\S* tty=\\S* ruser=.* rhost=" HOST
     "(?:\\s+user=" USER ")?\\s*$"},
    {"vsftpd", "- vsftpd", "FAIL LOGIN", MMR_AUTH_FAIL,
     "^(?:\\[pid \\d+\\] )?\\[" USER "\\] FAIL LOGIN: Client \"" HOST "\"(?:, \".*\")?\\s*$"},

    {"apache-auth", APACHE_APPS, "not found", MMR_AUTH_FAIL, APACHE "(?:Digest: )?user " USER " not found(?:: .*)?$"},
    {"apache-auth", APACHE_APPS, "failure for", MMR_AUTH_FAIL, APACHE "user " USER ": (?:authentication|authorization) failure for \".*$"},
    {"apache-auth", APACHE_APPS, "password mismatch", MMR_AUTH_FAIL, APACHE "(?:Digest: )?user " USER ": password mismatch: .*$"},
    /* .htaccess and the like are denied by every stock configuration: asking for one is no attempt to log in */
    {"apache-auth", APACHE_APPS, "client denied by server configuration", MMR_AUTH_FAIL,
     APACHE "client denied by server configuration: (?!\\S*/\\.ht\\w+(?:,|$)).*$"},
    {"apache-auth", APACHE_APPS, "wrong authentication scheme", MMR_AUTH_FAIL, APACHE "client used wrong authentication scheme: .*$"},
    {"apache-auth", APACHE_APPS, "Authorization of user", MMR_AUTH_FAIL, APACHE "Authorization of user " USER " to access .* failed, reason: .*$"},
    {"apache-auth", APACHE_APPS, "nonce", MMR_AUTH_FAIL,
     APACHE "(?:Digest: )?invalid nonce .* received - (?:length is not \\d+|user attempted time travel)\\s*$"},
    {"apache-auth", APACHE_APPS, "received", MMR_AUTH_FAIL, APACHE "(?:Digest: )?(?:unknown algorithm|invalid qop) .* received: .*$"},
    {"apache-auth", APACHE_APPS, "realm mismatch", MMR_AUTH_FAIL, APACHE "(?:Digest: )?realm mismatch - got .* but expected .*$"},
    {"apache-auth", APACHE_APPS, "via SNI", MMR_AUTH_PROBE,
     APACHE "(?:Hostname .* provided via SNI(?:, but no hostname provided| and hostname .* provided via HTTP)|"
            "No hostname was provided via SNI for a name based virtual host).*$"},
    {"apache-botsearch", APACHE_APPS, "File does not exist", MMR_AUTH_PROBE, APACHE "(?i)File does not exist: " WEB_ROOT BAIT "[^,/ ]*(?:[,/ ].*)?$"},
    {"apache-botsearch", APACHE_APPS, "unable to stat", MMR_AUTH_PROBE,
     APACHE "(?i)script (?:not found or unable to stat: |')" WEB_ROOT BAIT "[^,/' ]*(?:[,/' ].*)?$"},

    {"nginx-botsearch", "- nginx", "No such file", MMR_AUTH_PROBE,
     "^(?:\\d{4}/\\d\\d/\\d\\d \\d\\d:\\d\\d:\\d\\d )?\\[error\\] \\d+#\\d+: \\*\\d+ (?:open\\(\\) )?\"[^\"]*\" (?:failed|is not found) "
     "\\(2: No such file or directory\\), client: " HOST ", server: [^,\"]*, request: \"(?i:GET|POST|HEAD) /+(?i)" BAIT "[^\"]*\".*$"},

    {"postfix", POSTFIX, "reject: ", MMR_AUTH_PROBE, "^\\w+: (?:milter-)?reject: [A-Z]+ from " PEER ": [45]\\d\\d .*$"},
    {"postfix", POSTFIX, "authentication failed", MMR_AUTH_FAIL,
     "^warning: " PEER ": SASL [\\w-]+ authentication failed(?!: Connection lost to authentication server)(?!: Invalid authentication mechanism)"
     "(?::.*?(?:, sasl_username=" USER ")?)?$"},
    {"postfix", POSTFIX, "auth=0/", MMR_AUTH_FAIL, "^disconnect from " PEER "(?: [a-z]+=\\d+(?:/\\d+)?)* auth=0/[1-9].*$"},
    {"postfix", POSTFIX, "pipelining", MMR_AUTH_PROBE, "^improper command pipelining after \\S+ from " PEER "(?::.*)?\\s*$"},
    {"postfix", POSTFIX, "too many errors", MMR_AUTH_PROBE, "^too many errors after \\S+ from " PEER "\\s*$"},
    {"postfix", POSTFIX, "does not resolve", MMR_AUTH_PROBE, "^warning: hostname \\S+ does not resolve to address " IP "(?:: .*)?\\s*$"},
    {"postfix", POSTFIX, "lost connection", MMR_AUTH_PROBE, "^(?:NOQUEUE: )?lost connection after (?:CONNECT|STARTTLS|UNKNOWN) from " PEER "\\s*$"},
    {"postfix", POSTFIX, "PREGREET", MMR_AUTH_PROBE, "^PREGREET \\d+ after \\S+ from " PEER ": .*$"},
    {"postfix", POSTFIX, "HANGUP", MMR_AUTH_PROBE, "^HANGUP after \\S+ from " PEER " in tests .*$"},
    {"postfix", POSTFIX, "LIMIT from", MMR_AUTH_PROBE, "^COMMAND (?:TIME|COUNT|LENGTH) LIMIT from " PEER " after .*$"},
    {"postfix", POSTFIX, "limit exceeded", MMR_AUTH_PROBE,
     "^warning: (?:Connection|Message delivery request|Recipient address|New TLS session|AUTH) (?:rate|concurrency|request rate) limit exceeded: \\d+ from " PEER " for service .*$"},

    {"exim", EXIM, "Incorrect authentication data", MMR_AUTH_FAIL,
     EX "[\\w.-]+ authenticator failed for " EXIM_PEER ": 535 Incorrect authentication data(?: \\(set_id=" USER "\\))?(?:: \\d+ Time\\(s\\))?\\s*$"},
    {"exim", EXIM, "AUTH", MMR_AUTH_FAIL,
     EX "SMTP protocol error in \".*\" H=" EXIM_PEER " AUTH command used when not advertised\\s*$"},
    {"exim", EXIM, "mechanism not supported", MMR_AUTH_FAIL,
     EX "SMTP protocol error in \".*\" H=" EXIM_PEER " \\S+ authentication mechanism not supported\\s*$"},
    {"exim", EXIM, "sender verify fail", MMR_AUTH_PROBE, EX "H=" EXIM_PEER " sender verify fail for <[^>]*>: .*$"},
    {"exim", EXIM, "rejected RCPT", MMR_AUTH_PROBE, EX "H=" EXIM_PEER " rejected RCPT \\S+: .*$"},
    {"exim", EXIM, "synchronization error", MMR_AUTH_PROBE,
     EX "SMTP protocol synchronization error \\([^)]*\\): rejected (?:connection from|\"[^\"]*\") H=" EXIM_PEER " .*$"},
    {"exim", EXIM, "dropped: too many", MMR_AUTH_PROBE,
     EX "SMTP call from " EXIM_PEER " dropped: too many (?:nonmail commands|syntax or protocol errors|unrecognized commands) \\(last .*$"},
    {"exim", EXIM, "no MAIL in", MMR_AUTH_PROBE, EX "no MAIL in SMTP connection from " EXIM_PEER "\\s*$"},
    {"exim", EXIM, "closed by DROP", MMR_AUTH_PROBE, EX "SMTP connection from " EXIM_PEER " closed by DROP in ACL\\s*$"},
    {"exim", EXIM, "dropped by", MMR_AUTH_PROBE, EX "H=" EXIM_PEER " dropped by '\\w+' ACL(?:: .*)?$"},

    {"phpmyadmin", "phpMyAdmin", "user denied", MMR_AUTH_FAIL, "^user denied: " USER " \\([\\w-]+-denied\\) from " HOST "\\s*$"},
    {"roundcube", "- roundcube", "login", MMR_AUTH_FAIL,
     "^(?:\\[[^\\]]{10,40}\\]: )?(?:<\\w+> )?(?:IMAP Error: )?(?:FAILED|Failed) login for " USER " from " HOST "(?:\\([^)]*\\))?(?: in session .*)?\\s*$"},
    {"roundcube", "- roundcube", "Login failed", MMR_AUTH_FAIL,
     "^(?:\\[[^\\]]{10,40}\\]: )?(?:<\\w+> )?(?:IMAP Error: )?Login failed for " USER " from " HOST
     "(?:\\([^)]*\\))?(?:\\. (?:AUTHENTICATE|LOGIN|Empty|Could not) .*)?\\s*$"},

    {"dovecot", "dovecot", "auth failed", MMR_AUTH_FAIL,
     "^(?:imap|pop3|submission|managesieve)-login: (?:Info: )?(?:Disconnected|Aborted login|Login aborted)[^(]*\\((?:auth failed|[^)]*auth failed)[^)]*\\)"
     "(?: \\([^)]*\\))?: user=<(?<user>[^>]*)>,(?: method=\\S+,)? rip=" IP ", .*$"},
    {"sudo", "sudo", "incorrect password", MMR_AUTH_FAIL, "^\\s*(?<user>\\S+) : \\d+ incorrect password attempts? ; .*$"},
    {"su", "su", "FAILED", MMR_AUTH_FAIL, "^FAILED (?:su|SU) (?:for|\\(to) .*$"},
    {"login", "login", "FAILED LOGIN", MMR_AUTH_FAIL, "^FAILED LOGIN \\(?\\d+\\)? (?:on|from) .* FOR .*$"},
};

const struct mmr_auth_pattern *mmr_auth_patterns(size_t *ret_n)
{
    *ret_n = sizeof patterns / sizeof patterns[0];
    return patterns;
}
