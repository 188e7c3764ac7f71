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
#define SSH_FAILED SSH "Failed (?!publickey for (?!invalid user ))[a-z/-]+ for (?:invalid user |illegal user )?" USER " from " HOST
#define SSH_PAM "^pam_\\w+\\(sshd:auth\\): authentication failure; logname=\\S* uid=\\S* euid=\\S* tty=\\S* ruser="
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
#define SCRIPT_BAIT "/(?:cgi-bin/|php\\d?(?:[.-]cgi)?$|(?:azenv|timthumb|phpinfo|eval-stdin|c99|r57|wso|shell|cmd)\\.php)"
#define WEB_ROOT "/(?:\\S*/)?(?:www|htdocs|html|public_html|httpdocs|webroot|site|wwwroot)/+"
/* ---- postfix ---- */
#define POSTFIX "postfix*"
#define PEER "[^\\[\\]\\s]*\\[" IP "\\](?::\\d+)?"
/* ---- exim: H=name (helo) [address]:port I=[own address]:port K=v .. ---- */
#define EXIM "- exim exim4"
#define EX "^(?:\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d(?:\\.\\d+)? )?(?:\\[\\d+\\] )?(?:\\w{6}-\\w{6,11}-\\w{2,4} )?"
#define EXIM_PEER "(?:[^\\s\\[\\]()]+ )?(?:\\(.*\\) )?\\[" IP "\\](?::\\d+)?(?: I=\\[[0-9A-Fa-f:.]+\\](?::\\d+)?)?(?: [A-Z][A-Za-z]*=\\S+)*"
/* a time in figures, in whatever order; nothing of it can be read as something else */
#define STAMP "(?:\\[?[\\d/:.,TZ+ -]{8,40}\\]?:? ?)?"
#define AST_APPS "- asterisk NOTICE SECURITY WARNING" /* the level, where a collector took the program off */
#define AST "^(?:\\[[^\\]]+\\] )?(?:(?:NOTICE|SECURITY|WARNING) ?\\[\\d+\\](?:\\[C-[0-9a-f]+\\])?:? )?\\S+?:(?:\\d+)?(?: (?:in )?\\w+:)? "

#define PAM "authentication failure; logname=\\S* uid=\\S* euid=\\S* tty=\\S* ruser=.* rhost=" HOST "(?:\\s+user=" USER ")?\\s*$"
#define DOVECOT "dovecot imap-login pop3-login submission-login managesieve-login"
/* why it ended may hold brackets of its own; the client's name is between < and > and never holds either */
#define DOVECOT_LOGIN "^(?:(?:imap|pop3|submission|managesieve)-login: )?(?:Info: )?(?:Aborted login|Login aborted|Disconnected|Remote closed connection|" \
    "Client has quit the connection)(?:: [\\w .]+(?:: [\\w ]+(?:\\([\\w=]*\\))?[\\w :]*)?)? "
#define DOVECOT_PEER "(?: user=<(?<user>[^<>]*)>,)?(?: method=\\S+,)? rip=" IP "(?:,.*)?$"

/* postgres: what %m [%p] %q%u@%d and its kin leave in front; the user is the client's, but nothing of it can be read as an address here */
#define PG "(?:[A-Z]{3,5} )?(?:\\[[\\d-]+\\] )?(?:\\[[\\d-]+\\] )?(?:[^\\s@]*@\\S* )?(?:[0-9A-Fa-f:.]+(?:\\(\\d+\\))? )?"

static const struct mmr_auth_pattern patterns[] = {
    {"sshd", SSHD, "uthentication", MMR_AUTH_FAIL,
     SSH "PAM: [Aa]uthentication (?:failure|error) for (?:(?:illegal|invalid) user )?" USER " from " HOST "(?: via \\S+)?\\s*$"},
    {"sshd", SSHD, "User not known", MMR_AUTH_FAIL,
     SSH "PAM: User not known to the underlying authentication module for (?:(?:illegal|invalid) user )?" USER " from " HOST "(?: via \\S+)?\\s*$"},
    /* sshd writes the port: a reading without one is tried only where none has it, for a name may look like the rest of a line */
    {"sshd", SSHD, "Failed ", MMR_AUTH_FAIL, SSH_FAILED " port \\d+(?: ssh\\d*)?(?:: .*)?$"},
    {"sshd", SSHD, "Failed ", MMR_AUTH_FAIL, SSH_FAILED "(?: ssh\\d*)?(?:: .*)?$"},
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
    {"sshd", SSHD, "Connection ", MMR_AUTH_END,
     SSH "Connection (?:closed|reset) by (?:authenticating|invalid) user " USER " " HOST " port \\d+ \\[preauth\\]\\s*$"},
    {"sshd", SSHD, "Connection ", MMR_AUTH_END, SSH "Connection (?:closed|reset) by " HOST "(?: port \\d+)? \\[preauth\\]\\s*$"},
    {"sshd", SSHD, "Connection closed", MMR_AUTH_END, SSH "Connection closed by " HOST " port \\d+\\s*$"},
    {"sshd", SSHD, "Disconnected from", MMR_AUTH_END,
     SSH "Disconnected from (?:(?:authenticating|invalid) user " USER " )?" HOST " port \\d+ \\[preauth\\]\\s*$"},
    {"sshd", SSHD, "Connection from", MMR_AUTH_PROBE,
     SSH "(?:banner exchange|ssh_dispatch_run_fatal): Connection from (?:(?:authenticating|invalid) user \\S* )?" HOST " port \\d+: .*$"},
    {"sshd", SSHD, "before authentication", MMR_AUTH_PROBE,
     SSH "Timeout before authentication for (?:connection from )?" HOST "(?: to \\S+, pid = \\d+)?" SSH_END},
    {"sshd", SSHD, "Unable to negotiate", MMR_AUTH_PROBE, SSH "Unable to negotiate with " HOST " port \\d+: no matching .*$"},
    {"sshd", SSHD, "Connection from", MMR_AUTH_LEARN, SSH "Connection from " HOST "(?: port \\d+)?(?: on \\S+ port \\d+(?: rdomain \".*\")?)?\\s*$"},
    {"sshd", SSHD, ";Remote: ", MMR_AUTH_LEARN, "^SSH: Server;Ltype: \\w+;Remote: (?<host>[0-9A-Fa-f:.]+)-\\d+;.*$"},
    {"sshd", SSHD, "authentication failure;", MMR_AUTH_PENDING, SSH_PAM "\\S* rhost=" HOST "\\s+user=" USER "(?: \\[preauth\\])?\\s*$"},
    {"sshd", SSHD, "authentication failure;", MMR_AUTH_PENDING, SSH_PAM "(?<user>\\S*) rhost=" HOST "(?: \\[preauth\\])?\\s*$"},
    {"sshd", SSHD, "Too many authentication failures", MMR_AUTH_RECALL_FAIL,
     SSH "(?:Disconnecting: )?Too many authentication failures(?: for (?:invalid user )?(?<user>.*?))?(?: \\[preauth\\])?\\s*$"},
    {"sshd", SSHD, "kex_exchange_identification: ", MMR_AUTH_RECALL_PROBE, SSH "kex_exchange_identification: .*$"},
    {"sshd", SSHD, "Read from socket failed", MMR_AUTH_RECALL_PROBE, SSH "Read from socket failed: .* \\[preauth\\]\\s*$"},
    {"sshd", SSHD, "Unable to negotiate", MMR_AUTH_RECALL_PROBE, SSH "Unable to negotiate a key exchange method(?: \\[preauth\\])?\\s*$"},
    {"sshd", SSHD, "no matching ", MMR_AUTH_RECALL_PROBE, SSH "no matching \\w+ found: client .*$"},

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

    {"dovecot", DOVECOT, "rip=", MMR_AUTH_FAIL,
     DOVECOT_LOGIN "\\((?:auth failed, \\d+ attempts(?: in \\d+ secs)?|tried to use (?:disabled|disallowed) \\S+ auth|proxy dest auth failed|"
     "client didn't finish SASL auth, waited \\d+ secs)\\):" DOVECOT_PEER},
    {"dovecot", DOVECOT, "rip=", MMR_AUTH_PROBE,
     DOVECOT_LOGIN "\\((?:disconnected before auth was ready, waited \\d+ secs)\\):" DOVECOT_PEER},
    {"dovecot", "dovecot auth auth-worker dovecot-auth", "): ", MMR_AUTH_FAIL,
     "^(?:dovecot: )?(?:auth(?:-worker)?(?:\\([^()\\s]*\\))?: )?(?:Info: )?(?:conn unix:\\S+ \\((?:pid=\\d+,)?uid=\\d+\\): auth-worker<\\d+>: )?"
     "[\\w-]+\\((?<user>[^,()]*)," IP "(?:,(?:<[^<>]*>)?)?\\): (?:pam_authenticate\\(\\) failed: .*|[Uu]nknown user.*|[Pp]assword mismatch.*|invalid credentials.*)$"},
    {"pam", "dovecot dovecot-auth proftpd ftpd wu-ftpd saslauthd imapd pop3d gdm* polkit* cockpit-session smbd lightdm xrdp-sesman pure-ftpd", "authentication failure; logname=",
     MMR_AUTH_FAIL, "^(?:\\(pam_\\w+\\) |pam_\\w+\\([^()\\s]+:auth\\): |auth: )?" PAM},
    {"pam", "*", "authentication failure; logname=", MMR_AUTH_FAIL, "^(?:\\(pam_\\w+\\) |pam_\\w+(?:\\((?!sshd:)[^()\\s]*\\))?: |auth: )" PAM},
    {"proftpd", "- proftpd", "])", MMR_AUTH_FAIL,
     "^(?:,?\\d* ?\\S+ proftpd\\[\\d+\\]:? )?\\S+ \\(\\S+\\[" IP "\\]\\)[: -]+ (?:USER " USER ": no such user found from .*|USER .* \\(Login failed\\): .*|SECURITY VIOLATION: .* login attempted\\.?|"
     "Maximum login attempts \\(\\d+\\) exceeded.*)\\s*$"},
    {"pure-ftpd", "pure-ftpd", "[WARNING] Authentication failed", MMR_AUTH_FAIL,
     "^\\([^()\\s]*@" HOST "\\) \\[WARNING\\] Authentication failed for user \\[" USER "\\]\\s*$"},
    {"ftpd", "ftpd wu-ftpd krb5-ftpd", "login failures from", MMR_AUTH_FAIL, "^repeated login failures from " HOST " \\(\\S+\\)\\s*$"},
    {"wuftpd", "ftpd wu-ftpd", "failed login from", MMR_AUTH_FAIL, "^failed login from \\S* ?\\[" IP "\\]\\s*$"},
    {"lighttpd", "- lighttpd", "_auth.c.", MMR_AUTH_FAIL,
     "^" STAMP "\\(?(?:http|mod)_auth\\.c\\.\\d+\\) (?:password doesn't match for .* username:\\s+(?<user>[^,]*?)|digest: auth failed[ :].*|get_password failed)[,\\s]+IP: " HOST "\\s*$"},
    {"nginx-auth", "- nginx", "client: ", MMR_AUTH_FAIL,
     "^" STAMP "\\[error\\] \\d+#\\d+: \\*\\d+ user \"" USER "\":? (?:password mismatch|was not found in \"[^\"]*\"), client: " HOST ", server: [^,\"]*, request: \".*$"},
    {"nginx-tls", "- nginx", "while SSL handshaking", MMR_AUTH_PROBE,
     "^" STAMP "\\[crit\\] \\d+#\\d+: \\*\\d+ SSL_do_handshake\\(\\) failed \\(SSL: error:[^)]*\\) while SSL handshaking, client: " IP ", server: [^,\"]*$"},
    {"nginx-limit", "- nginx", "limiting ", MMR_AUTH_PROBE,
     "^" STAMP "\\[[a-z]+\\] \\d+#\\d+: \\*\\d+ limiting (?:requests|connections)(?:, excess: [\\d.]+)? by zone \"[^\"]*\", client: " HOST ", .*$"},
    {"nginx-forbidden", "- nginx", "access forbidden by rule", MMR_AUTH_PROBE,
     "^" STAMP "\\[error\\] \\d+#\\d+: \\*\\d+ access forbidden by rule, client: " HOST ", .*$"},
    {"apache-overflow", APACHE_APPS, "in request", MMR_AUTH_PROBE, APACHE "Invalid (?:method|URI) in request .*$"},
    {"apache-overflow", APACHE_APPS, "request failed: ", MMR_AUTH_PROBE,
     APACHE "request failed: (?:URI too long \\(longer than \\d+\\)|erroneous characters after protocol string: .*|invalid characters in URI)\\s*$"},
    /* a script that is not there may be a dead link; interpreters and what is known to be misused are asked for by scanners */
    {"apache-noscript", APACHE_APPS, "not found or unable to stat", MMR_AUTH_PROBE,
     APACHE "script (?:'|not found or unable to stat: )[^',]*" SCRIPT_BAIT "[^',]*(?:' not found or unable to stat)?(?:, referer: .*)?\\s*$"},
    {"apache-noscript", APACHE_APPS, "File does not exist", MMR_AUTH_PROBE, APACHE "File does not exist: (?:[^,]*" SCRIPT_BAIT "[^,]*|[^,]*/~)(?:, referer: .*)?\\s*$"},
    {"apache-noscript", APACHE_APPS, "Primary script unknown", MMR_AUTH_PROBE, APACHE "Got error 'Primary script unknown(?:\\\\n)?'(?:, referer: .*)?\\s*$"},
    {"zoneminder", APACHE_APPS, "[", MMR_AUTH_FAIL,
     APACHE "(?:WAR|ERR) \\[(?:Login denied for user \".*\"|Could not retrieve user .* details)\\](?:, referer: .*)?\\s*$"},
    {"apache-modsecurity", APACHE_APPS, "ModSecurity", MMR_AUTH_PROBE, APACHE_ANY("(?:[a-z0-9_]*:)?") "(?:\\[client \\S+\\] )?ModSecurity:\\s+(?:\\[[^\\]]*\\]\\s?)*Access denied with code [45]\\d\\d .*$"},
    {"apache-shellshock", APACHE_APPS, "ignoring function definition attempt", MMR_AUTH_PROBE,
     APACHE ".*: warning: HTTP_\\w+: ignoring function definition attempt(?:, referer: \\S+)?\\s*$"},
    {"apache-shellshock", APACHE_APPS, "error importing function definition", MMR_AUTH_PROBE,
     APACHE "\\S+: error importing function definition for `[^']*'(?:, referer: \\S+)?\\s*$"},
    {"mysqld", "- mysqld* mariadbd mysql", "Access denied for user", MMR_AUTH_FAIL,
     "^" STAMP "(?:\\d+ )?\\[\\w+\\] (?:\\[[^\\]]+\\] )*Access denied for user '(?<user>[^']*)'@'" HOST
     "'(?: to database '[^']*'| \\(using password: (?:YES|NO)\\))*\\s*$"},
    {"asterisk", AST_APPS, "Registration from", MMR_AUTH_FAIL,
     AST "Registration from '.*' failed for '" HOST "' - (?:Wrong password|Username/auth name mismatch|No matching peer found|Not a local domain|"
         "Device does not match ACL|Peer is not supposed to register|ACL error \\(permit/deny\\)|No matching endpoint found|Not match Endpoint(?: Contact)? ACL|"
         "Failed to authenticate|Error to authenticate)\\s*$"},
    {"asterisk", AST_APPS, "rejected because extension not found", MMR_AUTH_PROBE,
     AST "Call from '[^']*' \\((?:[A-Z]+:)?\\[?" IP "\\]?(?::\\d+)?\\) to extension '[^']*' rejected because extension not found in context '[^']*'\\.?\\s*$"},
    {"asterisk", AST_APPS, "failed to authenticate as", MMR_AUTH_FAIL, AST "(?:Host )?" HOST " failed to authenticate as '" USER "'\\s*$"},
    {"asterisk", AST_APPS, "SecurityEvent=", MMR_AUTH_FAIL,
     AST "SecurityEvent=\"(?:FailedACL|InvalidAccountID|ChallengeResponseFailed|InvalidPassword)\".*,RemoteAddress=\"IPV[46]/[A-Z]+/"
         IP "/\\d+\"(?:,(?!RemoteAddress)[A-Za-z]+=\"[^\"]*\")*\\s*$"},
    {"asterisk", AST_APPS, "No registration for peer", MMR_AUTH_FAIL, AST "No registration for peer '" USER "' \\(from " HOST "\\)\\s*$"},
    {"asterisk", AST_APPS, "failed MD5 authentication", MMR_AUTH_FAIL, AST "Host " HOST " failed MD5 authentication for '[^']*' \\([^)]*\\)\\s*$"},
    {"asterisk", AST_APPS, "hacking attempt detected", MMR_AUTH_PROBE, AST "hacking attempt detected '" HOST "'\\s*$"},
    {"asterisk", AST_APPS, "Rejecting unknown SIP connection", MMR_AUTH_PROBE,
     "^(?:\\[[^\\]]+\\] )?WARNING ?\\[\\d+\\](?:\\[C-[0-9a-f]+\\])?:? Ext\\. [^\"]*\"Rejecting unknown SIP connection from (?<host>\\[[0-9A-Fa-f:.]+\\](?::\\d+)?|[0-9A-Fa-f:.]+)\"\\s*$"},
    {"asterisk", AST_APPS, "tried to authenticate with nonexistent user", MMR_AUTH_FAIL,
     AST HOST " tried to authenticate with nonexistent user '" USER "'\\s*$"},
    {"asterisk", AST_APPS, " failed for '", MMR_AUTH_FAIL,
     AST "Request (?:'[A-Z]+' )?from '.*' failed for '" IP "' \\(callid: [^)]*\\) - (?:No matching endpoint found|Not match Endpoint(?: Contact)? ACL|(?:Failed|Error) to authenticate)\\s*$"},
    {"courier", "imapd* pop3d* courier* authdaemond", "LOGIN FAILED", MMR_AUTH_FAIL,
     "^LOGIN FAILED,(?: user=" USER ",| method=\\S+,)? ip=\\[" IP "\\](?:, port=\\[\\d+\\])?\\s*$"},
    {"courier-smtp", "courieresmtpd courier*", "error,relay=", MMR_AUTH_PROBE,
     "^error,relay=" IP ",(?:port=\\d+,)?(?:.*: 550 User (?:<.*> )?unknown\\.?|msg=\"535 Authentication failed\\.\",cmd:.*)\\s*$"},
    {"cyrus-imap", "imap imaps imapd pop3 pop3s pop3d cyrus/* cyrus-*", "badlogin: ", MMR_AUTH_FAIL,
     "^badlogin: [^\\[\\s]*\\s?\\[" IP "\\] \\S+ .*SASL\\(-13\\): (?:authentication failure|user not found): .*$"},
    {"sieve", "timsieved sieve cyrus/* cyrus-*", "badlogin: ", MMR_AUTH_FAIL, "^badlogin: [^\\[\\s]*\\s?\\[" IP "\\] \\S+ authentication failure\\s*$"},
    {"dropbear", "dropbear", "nonexistent user", MMR_AUTH_FAIL, "^[Ll]ogin attempt for nonexistent user (?:'" USER "' )?from " HOST "\\s*$"},
    {"dropbear", "dropbear", "password attempt for", MMR_AUTH_FAIL, "^[Bb]ad (?:PAM )?password attempt for '" USER "' from " HOST "\\s*$"},
    {"dropbear", "dropbear", "Max auth tries reached", MMR_AUTH_FAIL,
     "^[Ee]xit before auth(?: from <\\S+>)? ?(?:\\(user '.*', \\d+ fails\\))?: Max auth tries reached - user '" USER "' from " HOST "\\s*$"},
    {"freeswitch", "- freeswitch", "SIP auth ", MMR_AUTH_FAIL,
     "^" STAMP "(?:\\d+\\.\\d+% )?\\[WARN(?:ING)?\\] (?:\\[SOFIA\\] )?\\[?sofia_reg\\.c:\\d+\\]? SIP auth (?:failure|challenge) \\([A-Z]+\\) on sofia profile '[^']+' for \\[.*\\] from ip " IP "\\s*$"},
    {"freeswitch", "- freeswitch", "Can't find user", MMR_AUTH_FAIL,
     "^" STAMP "(?:\\d+\\.\\d+% )?\\[WARN(?:ING)?\\] (?:\\[SOFIA\\] )?\\[?sofia_reg\\.c:\\d+\\]? Can't find user \\[.*\\] from " IP "\\s*$"},
    {"named", "- named bind* error info security update-security", "client ", MMR_AUTH_PROBE,
     "^" STAMP "(?:[\\w-]+: )*client(?: @0x[0-9a-f]+)? " IP "#\\d+(?: \\([^()\\s]+\\))?: (?:view \\S+: )?(?:query(?: \\(cache\\))? '[^']*' denied(?: \\(.*\\))?|"
     "(?:zone )?(?:transfer|update) '[^']*' denied|bad zone transfer request: '[^']*': non-authoritative zone \\(NOTAUTH\\))\\s*$"},
    {"sendmail", "sm-* sendmail", "possible SMTP attack", MMR_AUTH_FAIL,
     "^\\w+: (?:\\S+ )?\\[" IP "\\](?: \\(may be forged\\))?: possible SMTP attack: command=AUTH, count=\\d+\\s*$"},
    {"sendmail", "sm-* sendmail", "AUTH failure", MMR_AUTH_FAIL,
     "^\\w+: AUTH failure \\([^()]+\\):(?: [^:]+:)? (?:authentication failure|user not found).*, relay=(?:\\S+ )?\\[" IP "\\](?: \\(may be forged\\))?\\s*$"},
    {"sendmail-reject", "sm-* sendmail", "reject=", MMR_AUTH_PROBE,
     "^(?:\\w+: )?ruleset=check_\\w+, arg1=.*, relay=(?:\\S+ )?\\[" IP "\\](?: \\(may be forged\\))?, reject=[45]\\d\\d .*$"},
    {"sendmail-reject", "sm-* sendmail", "pre-greeting traffic", MMR_AUTH_PROBE,
     "^\\w+: rejecting commands from (?:\\S*\\s)?\\[" IP "\\](?: \\(may be forged\\))? due to pre-greeting traffic after \\d+ seconds\\s*$"},
    {"sendmail-reject", "sm-* sendmail", "[rejected]", MMR_AUTH_PROBE,
     "^\\w+: (?:\\S+ )?\\[(?:IPv6:)?" IP "\\](?: \\(may be forged\\))?: (?i:EXPN|VRFY) .* \\[rejected\\]\\s*$"},
    {"sendmail-reject", "sm-* sendmail", "did not issue MAIL/EXPN/VRFY/ETRN", MMR_AUTH_PROBE,
     "^\\w+: (?:\\S+ )?\\[(?:IPv6:)?" IP "\\](?: \\(may be forged\\))? did not issue MAIL/EXPN/VRFY/ETRN during connection to \\S+\\s*$"},
    {"squid", "- squid squid*", "_DENIED/403", MMR_AUTH_PROBE, "^\\d+\\.\\d+\\s+\\d+ " IP " [A-Z_]+_DENIED/403 .*$"},
    {"squid", "- squid squid*", " NONE/405 ", MMR_AUTH_PROBE, "^\\d+\\.\\d+\\s+\\d+ " IP " NONE/405 .*$"},
    {"webmin", "webmin miniserv.pl usermin", " login as ", MMR_AUTH_FAIL, "^(?:Non-existent|Invalid) login as " USER " from " HOST "\\s*$"},
    {"xinetd", "xinetd", "FAIL: ", MMR_AUTH_PROBE, "^FAIL: \\S+ (?:address|libwrap) from=" HOST "\\s*$"},
    {"monit", "- monit", "lient ", MMR_AUTH_FAIL,
     "^" STAMP "(?:\\[\\w+ [\\w :]+\\] )?(?:error\\s*: )?(?:Warning: )?(?:HttpRequest: access denied -- )?[Cc]lient ['\\[]?" HOST
     "['\\]]?:? (?:supplied )?(?:unknown user '[^']+'|wrong password for user '[^']*'|empty password)(?: accessing monit httpd)?\\s*$"},
    {"grafana", "- grafana*", "remote_addr=", MMR_AUTH_FAIL,
     "^(?:logger=\\S+ )?t=\\S+ (?:lvl|level)=err?(?:or|o)?r? msg=\"(?:Invalid username or password|User not found)\" .* remote_addr=" IP "(?: [a-z_]+=\\S+)*\\s*$"},
    {"gitlab", "- gitlab*", "Failed Login: ", MMR_AUTH_FAIL, "^(?:\\w, \\[[^\\]]*\\] +\\w+ -- : )?" STAMP "Failed Login: username=" USER " ip=" HOST "\\s*$"},
    {"guacamole", "- guacd guacamole tomcat* server WARNING", "Authentication attempt from", MMR_AUTH_FAIL,
     "^" STAMP "(?:\\[[^\\]]*\\] \\w+ +[\\w.]+ - |WARNING: )?Authentication attempt from \\[?" HOST "(?:,[^\\]]*)?\\]? for user(?: \"" USER "\")? failed\\.?\\s*$"},
    {"haproxy", "haproxy", " 401 ", MMR_AUTH_FAIL, "^" IP ":\\d+ \\[[^\\]]*\\] \\S+ \\S*<NOSRV> [-+\\d/]+ 401 .*$"},
    {"solid-pop3d", "solid-pop3d", " - ", MMR_AUTH_FAIL,
     "^(?:root login not allowed|can't find APOP secret for user .*?|(?:APOP )?authentication failed(?:: (?:no such user|can't map user name): .*?| for (?:mapped )?(?:virtual )?user .*)) - " HOST "\\s*$"},
    {"sogo", "*", "might not have worked", MMR_AUTH_FAIL,
     "^" STAMP "(?:sogod )?(?:\\[\\d+\\]: )?(?:\\[\\w+\\] )?(?:<\\w+> ?)?SOGoRootPage Login from '" IP "(?:,[^']*)?' for user '" USER
     "' might not have worked(?: - password policy: \\d* +grace: -?\\d* +expire: -?\\d* +bound: -?\\d*)?\\s*$"},
    {"uw-imap", "imapd ipop3d ipop2d pop3d", "host=", MMR_AUTH_FAIL,
     "^(?:Login (?:failed|excessive login failures|disabled|SYSTEM BREAK-IN ATTEMPT) user=\\S* auth=\\S*|Failed \\S+ override of user=\\S* ) host=(?:\\S+ )?\\[" IP "\\]\\s*$"},
    {"perdition", "perdition*", "status=\"failed", MMR_AUTH_FAIL,
     "^Auth: " IP ":\\d+->\\S+ client-secure=\\S+ authorisation_id=\\S+ authentication_id=\".*\" server=\"\\S+\" protocol=\\S+ server-secure=\\S+ "
     "status=\"failed: (?:local authentication failure|Re-Authentication Failure)\"\\s*$"},
    {"perdition", "perdition*", "reading authentication information", MMR_AUTH_PROBE,
     "^Fatal Error reading authentication information from client " IP ":\\d+->\\S+: Exiting child\\s*$"},
    {"qmail", "qmail qmail-* smtpd", "rblsmtpd: ", MMR_AUTH_PROBE, "^(?:\\d+\\.\\d+ )?rblsmtpd: " HOST " pid \\d+ \\S+ 4\\d\\d \\S.*$"},
    {"qmail", "qmail qmail-* smtpd", "badiprbl: ip ", MMR_AUTH_PROBE, "^(?:\\d+\\.\\d+ )?qmail-smtpd: 4\\d\\d badiprbl: ip " IP " rbl: .*$"},
    {"qmail", "rblsmtpd", " blocked ", MMR_AUTH_PROBE, "^\\S+ blocked " IP " \\S+ -\\s*$"},
    {"screensharing", "screensharingd ScreenSharing*", "Authentication: FAILED", MMR_AUTH_FAIL,
     "^Authentication: FAILED :: User Name: " USER " :: Viewer Address: " HOST " :: Type: \\S+\\s*$"},
    {"counter-strike", "-", "Bad Rcon", MMR_AUTH_FAIL, "^(?:L )?" STAMP "Bad Rcon: \"rcon \\d+ \".*\" from \"" IP "\"\\s*$"},
    {"groupoffice", "-", "LOGIN FAILED for user", MMR_AUTH_FAIL, "^" STAMP "LOGIN FAILED for user: \"" USER "\" from IP: " HOST "\\s*$"},
    {"openwebmail", "-", " error - ", MMR_AUTH_FAIL,
     "^(?:\\w{3} \\w{3} +\\d+ [\\d:]+ \\d{4} )?- \\[\\d+\\] \\(" IP "\\) .* - (?:login|userinfo) error - .*$"},
    {"squirrelmail", "- squirrelmail", "[LOGIN_ERROR]", MMR_AUTH_FAIL, "^" STAMP "\\[LOGIN_ERROR\\] .* from " HOST ": Unknown user or password incorrect\\.\\s*$"},
    {"portsentry", "- portsentry", "Blocked", MMR_AUTH_PROBE, "^" STAMP "(?:\\d+ - \\S+ \\S+ )?Host: [^\\s/]*/" IP " Port: \\d+ (?:TCP|UDP) Blocked\\s*$"},
    {"scanlogd", "scanlogd", " port", MMR_AUTH_PROBE, "^" IP "(?::\\d+)? to \\S+ ports? [\\d, .]+.*$"},
    {"recidive", "- fail2ban*", "] Ban ", MMR_AUTH_PROBE, "^" STAMP "(?:fail2ban\\.actions\\s*)?(?:\\[\\d+\\])?:? ?(?:NOTICE|WARNING)\\s+\\[(?!recidive\\])[^\\]]*\\]\\s+Ban " IP "\\s*$"},
    {"suhosin", "suhosin* lighttpd", "(attacker '", MMR_AUTH_PROBE, "^(?:\\(mod_fastcgi\\.c\\.\\d+\\) FastCGI-stderr: )?ALERT - .* \\(attacker '" HOST "', file '[^']*'(?:, line \\d+)?\\)\\s*$"},
    {"bitwarden", "- bitwarden* Bitwarden*", "Failed login attempt", MMR_AUTH_FAIL,
     "^" STAMP "(?:\\S+ Bitwarden-Identity\\[\\d+\\]: )?(?:\\[\\w+\\] )?(?:\\[[\\w.]+\\] )?Failed login attempt(?:, 2FA invalid)?\\. " HOST "\\s*$"},
    {"centreon", "-", "Authentication failed for", MMR_AUTH_FAIL, "^(?:[\\d :-]+)?\\|-?\\d+\\|\\d+\\|\\d+\\|\\[WEB\\] \\[" IP "\\] Authentication failed for '" USER "'(?: : .*)?\\s*$"},
    {"domino", "- smtp", "connecting host", MMR_AUTH_FAIL,
     "^(?:\\[\\S+\\] +)?" STAMP "\\s*(?:smtp|SMTP Server):? (?:\\[[\\w:-]+\\] )?Authentication failed for user " USER " ; connecting host \\[?" HOST "\\]?\\s*$"},
    {"domino", "- smtp", "authentication failure using internet password", MMR_AUTH_FAIL,
     "^(?:\\[\\S+\\] +)?" STAMP "\\s*(?:(?:smtp|SMTP Server): )?" USER " \\[" IP "\\] authentication failure using internet password\\s*$"},
    {"domino", "- smtp", "rejected for policy reasons", MMR_AUTH_PROBE,
     "^(?:\\[\\S+\\] +)?" STAMP "\\s*(?:smtp|SMTP Server):? (?:\\[[\\w:-]+\\] )?Connection from \\[" IP "\\] rejected for policy reasons\\..*$"},
    {"mssql", "- MSSQL*", "Login failed for user", MMR_AUTH_FAIL,
     "^" STAMP "(?:Logon +)?Login failed for user '" USER "'\\. Reason: .* \\[CLIENT: " IP "\\]\\s*$"},
    {"murmur", "- murmurd mumble-server", "Rejected connection from", MMR_AUTH_FAIL,
     "^(?:<W>)?" STAMP "(?:\\d+ )?=> <\\d+:.*\\(-1\\)> Rejected connection from " HOST ": (?:Invalid server password|Wrong certificate or password for existing user)\\s*$"},
    {"directadmin", "- directadmin", "failed login attempt", MMR_AUTH_FAIL,
     "^" STAMP "'" IP "' \\d{1,3} failed login attempts?(?: on account '" USER "'.*|\\. (?:Account|Invalid account) '.*')\\s*$"},
    {"drupal", "*", "|Login attempt failed", MMR_AUTH_FAIL,
     "^https?://[^|]+\\|\\d+\\|user\\|" IP "\\|[^|]*\\|[^|]*\\|\\d+\\|[^|]*\\|Login attempt failed (?:for|from) .*$"},
    {"drupal", "*", "|Login attempt failed from ", MMR_AUTH_FAIL,
     "^https?://[^|]+\\|\\d+\\|user\\|" IP "\\|.*\\|Login attempt failed from (?:\\k<host>)\\.?\\s*$"},
    {"froxlor", "- Froxlor froxlor", "[Login Action ", MMR_AUTH_FAIL,
     "^" STAMP "(?:\\[?[\\w.]+\\]?:? )?\\[Login Action " IP "\\] (?:Unknown user .* tried to login|User .* tried to login with wrong password)\\..*$"},
    {"horde", "- HORDE horde", "FAILED LOGIN for", MMR_AUTH_FAIL,
     "^(?:HORDE )?\\[(?:error|emerg|notice)\\] \\[(?:horde|imp)\\] FAILED LOGIN for " USER " \\[" IP "\\](?: ?\\(forwarded for \\[[^\\]]*\\]\\))? to (?:Horde|\\{[^}]+\\}) \\[(?:pid|on line).*$"},
    {"openvpn", "openvpn openvpn*", "TLS Auth Error", MMR_AUTH_FAIL,
     "^(?:[^\\s/]+/)?" IP "(?::\\d+)? TLS Auth Error: Auth Username/Password verification failed for peer\\s*$"},
    {"nrpe", "nrpe", "not allowed to talk to us", MMR_AUTH_PROBE, "^Host " HOST " is not allowed to talk to us!\\s*$"},
    {"kerio", "-", "attack detected from", MMR_AUTH_PROBE, "^(?:\\[[^\\]]*\\] )?SMTP Spam attack detected from " IP ", .*$"},
    {"kerio", "-", "Relay attempt from", MMR_AUTH_PROBE, "^(?:\\[[^\\]]*\\] )?Relay attempt from IP address " IP "(?:, mail from .*)?\\s*$"},
    {"kerio", "-", "IP address ", MMR_AUTH_PROBE,
     "^(?:\\[[^\\]]*\\] )?(?:Attempt to deliver to unknown recipient <[^>]*>, from <[^>]*>, IP address |(?:Client with )?IP address (?=\\S+ (?:found in DNS blacklist \\S+, mail from |has no reverse DNS entry, connection rejected ))|"
     "Message from IP address (?=\\S+, sender <[^>]*> rejected: )|SMTP: User \\S+ doesn't exist\\. Attempt from IP address )" IP "(?:[ ,.].*)?$"},
    {"kerio", "-", " login ", MMR_AUTH_FAIL,
     "^(?:\\[[^\\]]*\\] )?(?:Failed \\w+ login|Administration login into Web Administration) from " IP "(?: with SASL method [\\w-]+\\.?| failed: .*)\\s*$"},
    {"postgresql", "- postgres*", "no pg_hba.conf entry for", MMR_AUTH_PROBE,
     "^" STAMP PG "FATAL: +(?:\\w{5}: +)?no pg_hba\\.conf entry for (?:replication connection from )?host \"" IP "\", user \".*\"(?:, database \".*\")?(?:, (?:no encryption|SSL (?:on|off|encryption)|GSS encryption))?\\s*$"},
    {"postgresql", "- postgres*", "authentication failed for user", MMR_AUTH_FAIL,
     "^" STAMP PG "FATAL: +(?:\\w{5}: +)?[\\w-]+ authentication failed for user \"" USER "\"\\s*$"},
    {"vaultwarden", "- vaultwarden bitwarden_rs", "IP: ", MMR_AUTH_FAIL,
     "^(?:\\[[\\d :.TZ+-]+\\])?\\[(?:vaultwarden|bitwarden_rs)::api::(?:identity|admin|core::[\\w:]+)\\]\\[ERROR\\] "
     "(?:Username or password is incorrect\\. Try again|Invalid admin token|This user has been disabled|Invalid TOTP code! Server time: [^I]*|Invalid password)\\.? "
     "IP: " IP "(?:\\. Username: " USER ")?\\.?\\s*$"},
    {"nextcloud", "- nextcloud owncloud", "Login failed: ", MMR_AUTH_FAIL, "^Login failed: (?|'" USER "'|" USER ") \\(Remote IP: '?" IP "'?(?:, X-Forwarded-For: '?[^)]*'?)?\\)\\s*$"},
    {"nextcloud", "- nextcloud owncloud", "Trusted domain error", MMR_AUTH_PROBE, "^Trusted domain error\\. \"" IP "\" tried to access using \"[^\"]*\" as host\\.\\s*$"},
    {"gitea", "- gitea forgejo", "Failed authentication attempt for", MMR_AUTH_FAIL,
     "^" STAMP "(?:\\.{3})?(?:[\\w./-]+:\\d+:[\\w.()*]+ )?(?:\\[[A-Z]\\] )?(?:\\[[0-9a-f-]+\\] )?Failed authentication attempt for " USER " from " HOST
     "(?::\\d+)?(?:: .*)?\\s*$"},
    {"wordpress", "wordpress* wp", "uthentication ", MMR_AUTH_FAIL,
     "^(?:XML-RPC )?(?:Authentication failure for|[Aa]uthentication failure for|Authentication attempt for unknown user|Blocked authentication attempt for|REST authentication failure for) "
     USER " from " HOST "\\s*$"},
    {"wordpress", "wordpress* wp", "Blocked user enumeration attempt", MMR_AUTH_PROBE, "^Blocked user enumeration attempt(?: via \\S+)? from " HOST "\\s*$"},
    {"samba", "- smbd* samba*", "remote host [ipv", MMR_AUTH_FAIL,
     "^" STAMP ",? *(?:\\d+\\]? *)?(?:\\S+\\(\\w+\\) +)?Auth: \\[[^\\]]*\\] user \\[.*\\]\\\\\\[" USER "\\] at \\[[\\w ,:.+-]*\\] with \\[[^\\]]*\\] status \\[NT_STATUS_(?!OK\\])\\w+\\] "
     "workstation \\[.*\\] remote host \\[ipv[46]:" IP ":\\d+\\] (?:mapped|became) to \\[.*\\]\\. local host \\[ipv[46]:[0-9A-Fa-f:.]+\\](?: #\\d+)?\\s*$"},
    {"openvpn", "openvpn openvpn* ovpn*", "AUTH_FAILED", MMR_AUTH_FAIL,
     "^(?:[^\\s/]+/)?" IP "(?::\\d+)? (?:SENT CONTROL \\[[^\\]]*\\]: 'AUTH_FAILED[^']*' \\(status=\\d+\\)|PUSH: Received control message: 'AUTH_FAILED.*)\\s*$"},
    {"openvpn", "openvpn openvpn* ovpn*", "TLS ", MMR_AUTH_PROBE,
     "^(?:[^\\s/]+/)?" IP "(?::\\d+)? TLS Error: (?:TLS handshake failed|TLS key negotiation failed to occur within \\d+ seconds.*|incoming packet authentication failed .*)\\s*$"},
    {"proxmox", "pvedaemon* pveproxy pmgdaemon* proxmox-backup-*", "authentication failure; rhost=", MMR_AUTH_FAIL,
     "^authentication failure; rhost=" IP "(?::\\d+)? user=" USER " msg=.*$"},
    {"home-assistant", "- hass home-assistant homeassistant", "invalid authentication from", MMR_AUTH_FAIL,
     "^" STAMP "(?:WARNING )?(?:\\([^)]*\\) )?(?:\\[homeassistant\\.components\\.http\\.ban\\] )?Login attempt or request with invalid authentication from [^\\s()]+ \\(" IP
     "\\)\\.(?: Requested URL: .*)?$"},
    {"jellyfin", "- jellyfin", "has been denied (IP", MMR_AUTH_FAIL,
     "^" STAMP "(?:\\[\\w+\\] )?(?:\\[\\d+\\] )?(?:[\\w.]+: )?Authentication request for \"?" USER "\"? has been denied \\(IP: \"?" IP "\"?\\)\\.?\\s*$"},
    {"keycloak", "- keycloak", "LOGIN_ERROR", MMR_AUTH_FAIL,
     "^" STAMP "(?:WARN +)?(?:\\[org\\.keycloak\\.events\\] )?(?:\\([^)]*\\) )?type=\"?LOGIN_ERROR\"?, .*ipAddress=\"?" IP "\"?, error=\"?(?:invalid_user_credentials|user_not_found|user_disabled)\"?(?:, .*)?$"},
    {"ejabberd", "- ejabberd", "authentication for", MMR_AUTH_FAIL,
     "^" STAMP "(?:\\[\\w+\\] )?(?:<[\\d.]+>@\\S+ )?(?:I\\(<[\\d.]+>:\\S+\\) : )?(?:\\(.*?\\) )?Failed (?:c2s \\S+ )?authentication for " USER " from (?:IP )?" IP "(?:: .*| \\(\\{\\{.*)?\\s*$"},
    {"xrdp", "- xrdp xrdp-sesman", "AUTHFAIL: ", MMR_AUTH_FAIL, "^" STAMP "(?:\\[\\w+ *\\] )?(?:\\[[^\\]]*\\] )?AUTHFAIL: user=" USER " ip=" IP " time=\\d+\\s*$"},
    {"3proxy", "-", " PROXY.", MMR_AUTH_FAIL, "^" STAMP "PROXY\\.\\d+ \\d{3}0[1-9] \\S+ " IP ":\\d+ .*$"},
    {"assp", "-", "authentication ", MMR_AUTH_FAIL,
     "^[A-Z][a-z]{2}-[\\d-]+ [\\d:]+ (?:[\\w-]+ )?(?:\\[[\\w-]+\\] )*" IP " (?:max sender authentication errors \\(\\d+\\) exceeded .*|\\[SMTP Error\\] 535 .*authentication failed: ?.*)$"},
    {"assp", "-", "AUTH errors", MMR_AUTH_FAIL, "^[A-Z][a-z]{2}-[\\d-]+ [\\d:]+ Blocking " IP " - too much AUTH errors \\(\\d+\\);?\\s*$"},
    {"assp", "-", " ", MMR_AUTH_PROBE,
     "^[A-Z][a-z]{2}-\\d\\d-\\d\\d [\\d:]+ (?:[\\w-]+ )?(?:\\[[\\w-]+\\] )*" IP " (?:SSL negotiation with client failed: .*|<[^>]*> (?:to: \\S+ )?relay attempt blocked for.*)$"},
    {"exim-spam", EXIM, "rejected by local_scan()", MMR_AUTH_PROBE, EX "F=\\S+ H=" EXIM_PEER " rejected by local_scan\\(\\): Rejected.*$"},
    {"exim-spam", EXIM, "rejected after DATA", MMR_AUTH_PROBE, EX "H=" EXIM_PEER " rejected after DATA: This message contains a virus .*$"},
    {"exim-spam", "SA", "Action: ", MMR_AUTH_PROBE,
     "^Action: (?:flagged as Spam but accepted|silently tossed message): .*\\(scanned in [^|]*\\| Message-Id: [^)]*\\)\\. From <[^<>]*> \\(host=\\S+ \\[" IP "\\]\\) for \\S+\\s*$"},
    {"monitorix", "-", " - [", MMR_AUTH_FAIL, "^" STAMP "- (?:NOTEXIST|NOTALLOWED|AUTHERR) - \\[" IP "\\] (?:File does not exist|Access not allowed|Authentication error): .*$"},
    {"nsd", "- nsd", " block ", MMR_AUTH_PROBE, "^" STAMP "(?:nsd\\[\\d+\\]: )?info: ratelimit block \\S+ type \\S+ target \\S+ query " IP " TYPE\\d+\\s*$"},
    {"nsd", "- nsd", " refused, no acl matches", MMR_AUTH_PROBE,
     "^" STAMP "(?:nsd\\[\\d+\\]: )?info: axfr for (?:zone )?\\S+ from (?:client )?" IP " refused, no acl matches\\.?\\s*$"},
    {"oracle-messaging", "-", "mi=\"Bad password\"", MMR_AUTH_FAIL,
     "^<co ts=\"[^\"]*\" pi=\"[^\"]*\" sc=\"[^\"]*\" dr=\"[^\"]*\" ac=\"U\" tr=\"[A-Z]+\\|[0-9A-Fa-f:.]+\\|\\d+\\|" IP "\\|\\d+\" ap=\"[^\"]*\" mi=\"Bad password\" us=\"(?<user>[^\"]*)\" .*$"},
    {"softether", "*", "User authentication failed", MMR_AUTH_FAIL,
     "^(?:[^<>\"]*(?:<\\w+>: )?)?Connection \"CID-\\d+\": User authentication failed\\. The user name that has been provided was \"" USER "\", from " IP "\\.\\s*$"},
    {"stunnel", "- stunnel", "SSL_accept from", MMR_AUTH_FAIL,
     "^(?:[\\d.]+ [\\d:]+ )?LOG\\d\\[[^\\]]*\\]: SSL_accept from " IP ":\\d+ : .*peer did not return a certificate\\s*$"},
    {"tine20", "-", "Login with username", MMR_AUTH_FAIL,
     "^[0-9a-f]+ [0-9a-f]+ -- .{1,64} -- - \\S+ WARN \\(\\d+\\): Tinebase_Controller::login::\\d+ Login with username " USER " from " IP " failed \\(-[13]\\)!\\s*$"},
    {"znc", "- znc", "failed to login from", MMR_AUTH_FAIL, "^(?:\\[[\\d :-]+\\] )?\\[" USER "\\] failed to login from " IP "(?::\\d+)?\\s*$"},
    {"sudo", "sudo", "incorrect password", MMR_AUTH_FAIL, "^\\s*(?<user>\\S+) : \\d+ incorrect password attempts? ; .*$"},
    {"su", "su", "FAILED", MMR_AUTH_FAIL, "^FAILED (?:su|SU) (?:for|\\(to) .*$"},
    {"login", "login", "FAILED LOGIN", MMR_AUTH_FAIL, "^FAILED LOGIN \\(?\\d+\\)? (?:on|from) .* FOR .*$"},
};

const struct mmr_auth_pattern *mmr_auth_patterns(size_t *ret_n)
{
    *ret_n = sizeof patterns / sizeof patterns[0];
    return patterns;
}
