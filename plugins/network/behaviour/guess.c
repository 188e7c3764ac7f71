/*
 * guess.c - password guessing and web scanners. Statistic: failures (answers that say so) or short
 * encrypted login sessions of one client at one service within five minutes, or failures at many
 * machines; for the web, error answers to many different paths within one minute.
 */
#include "behaviour.h"

#include "net_text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { WINDOW_S = 300, WEB_WINDOW_S = 60, WEB_ERRORS = 60, WEB_BLIND = 40, WEB_KINDS = 4, HTTP_GUESSES_EXTRA = 7 };
struct count {
    int64_t since_ns;
    uint32_t n, ok, users;
    uint64_t user_hash[16];
};
const uint32_t guess_bytes = sizeof(struct count);

static const struct beh_rule guessing = {"mamori.behaviour.password_guessing", "Password guessing", "attempt.inbound", "low", 3, {"T1110.001", "T1110"}};
static const struct beh_rule spraying = {"mamori.behaviour.password_spraying", "One password tried on many accounts", "attempt.inbound", "low", 3, {"T1110.003", "T1110"}};
static const struct beh_rule web_scan = {"mamori.behaviour.web_scan", "Web vulnerability scan", "attempt.inbound", "low", 3, {"T1595.002", "T1190"}};

static const char *service_name(enum guess_service s)
{
    static const char *const names[] = {"", "SSH", "SMB", "RDP", "FTP", "HTTP", "Kerberos", "VNC", "Telnet", "MySQL", "PostgreSQL", "SQL Server",
                                        "LDAP", "mail", "Redis", "MongoDB", "MQTT", "SNMP"};
    return names[s];
}

static uint64_t name_hash(const char *s)
{
    uint64_t h = 0xcbf29ce484222325U;
    for (; *s; s++)
        h = (h ^ (uint8_t)*s) * 0x100000001b3U;
    return h;
}

static struct count *count_of(struct memory *m, const struct beh_where *w, uint64_t what, int64_t window_s)
{
    struct memory_key k = memory_key(&w->src, &w->dst, what);
    struct count *c = memory_get(m, &k);
    if (c && beh_is_over(w->time_ns, c->since_ns, window_s)) {
        memset(c, 0, sizeof *c);
        c->since_ns = w->time_ns;
    }
    return c;
}

/* Add h to what is known; false: it is there, or there is no room. */
static bool add_hash(struct count *c, uint64_t h)
{
    for (uint32_t i = 0; i < c->users; i++)
        if (c->user_hash[i] == h)
            return false;
    if (c->users == 16)
        return false;
    c->user_hash[c->users++] = h;
    return true;
}

/* One account, or one password, at one machine after the other: each of them sees a single failure. */
static void failure_elsewhere(struct beh *b, const struct beh_where *w, enum guess_service svc, uint32_t limit)
{
    struct memory_key k = memory_key(&w->src, NULL, 0x1000U | (unsigned)svc);
    struct count *c = memory_get(&b->guess, &k);
    char src[NET_ADDR_TEXT], dst[NET_ADDR_TEXT];
    if (!c)
        return;
    if (beh_is_over(w->time_ns, c->since_ns, WINDOW_S)) {
        memset(c, 0, sizeof *c);
        c->since_ns = w->time_ns;
    }
    c->n += add_hash(c, name_hash(net_addr_text(&w->dst, dst)));
    if (c->n < limit)
        return;
    struct beh_where where = *w;
    where.count = c->n;
    beh_find(b, &spraying, &where, "%s failed to log in to %s of %u machines in %lld s (limit %u), last %s: passwords are tried on many machines",
             net_addr_text(&w->src, src), service_name(svc), c->n, (long long)((w->time_ns - c->since_ns) / SECOND), limit, dst);
}

void guess_failure(struct beh *b, const struct beh_where *w, enum guess_service svc, const char *user, uint32_t limit, bool each_name)
{
    struct count *c = count_of(&b->guess, w, svc, WINDOW_S);
    char src[NET_ADDR_TEXT], dst[NET_ADDR_TEXT];
    if (!c)
        return;
    failure_elsewhere(b, w, svc, limit);
    if (user[0] && !add_hash(c, name_hash(user)) && each_name)
        return;
    if (++c->n < limit)
        return;
    bool many = c->users >= 6 && c->users * 2 >= c->n;
    struct beh_where where = *w;
    where.count = c->n;
    beh_find(b, many ? &spraying : &guessing, &where,
             "%s failed %u logins at %s of %s in %lld s (limit %u), last account \"%s\": password guessing", net_addr_text(&w->src, src), c->n,
             service_name(svc), net_addr_text(&w->dst, dst), (long long)((w->time_ns - c->since_ns) / SECOND), limit, user);
}

static void failure(struct beh *b, const struct beh_event *e, enum guess_service svc, const char *user, uint32_t limit, bool each_name)
{
    guess_failure(b, &e->where, svc, user, limit, each_name);
}

/* Encrypted logins: a session that ends after a handshake and little more, again and again. */
static void short_session(struct beh *b, const struct beh_event *e)
{
    int64_t in = beh_int(e, "traffic.bytes_in", 0), out = beh_int(e, "traffic.bytes_out", 0),
            ms = beh_int(e, "duration", 0);
    char src[NET_ADDR_TEXT], dst[NET_ADDR_TEXT];
    enum guess_service svc = 0;
    if (beh_is(e, "app_name", "ssh") || (e->where.dst_port == 22 && in > 0))
        svc = SVC_SSH;
    else if (e->where.dst_port == 3389 && !beh_is(e, "connection_info.protocol_name", "udp"))
        svc = SVC_RDP;
    else if (e->where.dst_port >= 5900 && e->where.dst_port <= 5903)
        svc = SVC_VNC;
    else if (e->where.dst_port == 23)
        svc = SVC_TELNET;
    /* 1,000: after the key exchange; 12,000 and two minutes: no work was done in it */
    int64_t least = svc == SVC_SSH ? 1000 : 20;
    if (!svc || in < least || in > 12000 || out > 12000 || ms > 120000 || beh_is(e, "unmapped.tcp_state", "midstream"))
        return;
    struct count *c = count_of(&b->guess, &e->where, 0x100U | (unsigned)svc, WINDOW_S);
    if (!c)
        return;
    c->n++;
    struct beh_where where = e->where;
    where.count = c->n;
    if (c->n >= (uint32_t)b->cfg->sessions)
        beh_find(b, &guessing, &where,
                 "%s opened %u short %s sessions to %s in %lld s (limit %lld; the last sent %lld and got %lld bytes in %lld ms): password guessing",
                 net_addr_text(&e->where.src, src), c->n, service_name(svc), net_addr_text(&e->where.dst, dst),
                 (long long)((e->where.time_ns - c->since_ns) / SECOND), (long long)b->cfg->sessions, (long long)out,
                 (long long)in, (long long)ms);
}

static void web_answer(struct beh *b, const struct beh_event *e)
{
    int64_t code = beh_int(e, "http_response.code", 0);
    struct count *c = count_of(&b->web, &e->where, e->where.dst_port, WEB_WINDOW_S);
    char src[NET_ADDR_TEXT], dst[NET_ADDR_TEXT], path[1024], agent[160];
    if (!c)
        return;
    if (code >= 400 && code < 600 && code != 401 && code != 407)
        c->n++;
    else
        c->ok++;
    uint64_t h = name_hash(beh_text(e, "http_request.url.path", path, sizeof path));
    (void)add_hash(c, h); /* distinct paths: sixteen are enough to tell from one broken link */
    if (c->n >= WEB_ERRORS && c->n > c->ok && c->users == 16)
        beh_find(b, &web_scan, &e->where,
                 "%s got %u error answers for different paths from %s port %u in %lld s (limit %d), agent \"%s\", last %s: a web scan",
                 net_addr_text(&e->where.src, src), c->n, net_addr_text(&e->where.dst, dst), e->where.dst_port,
                 (long long)((e->where.time_ns - c->since_ns) / SECOND), WEB_ERRORS,
                 beh_text(e, "http_request.user_agent", agent, sizeof agent), path);
}

/* Kinds of server programs asked for: one site is made with one or two of them, a scanner tries all. */
static uint64_t technology(const char *path)
{
    static const char *const ends[] = {".php", ".asp", ".aspx", ".jsp", ".cgi", ".pl", ".cfm", ".nsf", ".exe", ".dll",
                                       ".do", ".jhtml", ".shtml", ".bat", ".mdb"};
    size_t n = strcspn(path, "?#;");
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (n >= strlen(ends[i]) && strncasecmp(path + n - strlen(ends[i]), ends[i], strlen(ends[i])) == 0)
            return i + 1;
    return 0;
}

static void web_request(struct beh *b, const struct beh_event *e)
{
    static const char *const tools[] = {"Nikto", "sqlmap", "Nmap Scripting Engine", "masscan", "zgrab", "gobuster",
                                        "DirBuster", "WPScan", "nuclei", "Nessus", "OpenVAS", "w3af", "feroxbuster"};
    struct count *c = count_of(&b->web, &e->where, 0x10000U | e->where.dst_port, WEB_WINDOW_S);
    char src[NET_ADDR_TEXT], dst[NET_ADDR_TEXT], path[1024], agent[256], referer[64];
    const char *tool = NULL;
    if (!c)
        return;
    (void)beh_text(e, "http_request.url.path", path, sizeof path);
    (void)beh_text(e, "http_request.user_agent", agent, sizeof agent);
    if (!beh_text(e, "http_request.referrer", referer, sizeof referer)[0])
        c->n++;
    uint64_t kind = technology(path);
    if (kind)
        (void)add_hash(c, kind);
    for (size_t t = 0; !tool && t < sizeof tools / sizeof tools[0]; t++)
        if (strcasestr(agent, tools[t]))
            tool = tools[t];
    if (c->n < (tool ? 5U : WEB_BLIND) || (!tool && c->users < WEB_KINDS))
        return;
    beh_find(b, &web_scan, &e->where,
             "%s asked %s port %u for %u things nothing referred to, programs of %u kinds, in %lld s (limits %d, %d)%s%s, last %.200s: a web scan",
             net_addr_text(&e->where.src, src), net_addr_text(&e->where.dst, dst), e->where.dst_port, c->n, c->users,
             (long long)((e->where.time_ns - c->since_ns) / SECOND), WEB_BLIND, WEB_KINDS, tool ? ", by its own name " : "",
             tool ? tool : "", path);
}

void guess_event(struct beh *b, const struct beh_event *e)
{
    uint32_t limit = (uint32_t)b->cfg->guesses;
    char user[128];
    if (strcmp(e->kind, "flow.end") == 0) {
        short_session(b, e);
    } else if (strcmp(e->kind, "smb.session") == 0) {
        /* STATUS_LOGON_FAILURE, WRONG_PASSWORD, NO_SUCH_USER, ACCOUNT_LOCKED_OUT, ACCOUNT_DISABLED */
        static const char *const bad[] = {"0xc000006d", "0xc000006a", "0xc0000064", "0xc0000234", "0xc0000072"};
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
            if (beh_is(e, "unmapped.nt_status", bad[i]))
                failure(b, e, SVC_SMB, beh_text(e, "user.name", user, sizeof user), limit, false);
    } else if (strcmp(e->kind, "krb.reply") == 0) {
        int64_t code = beh_int(e, "unmapped.error_code", 0);
        if (code == 24 || code == 6 || code == 18) /* preauthentication failed, unknown client, revoked */
            failure(b, e, SVC_KERBEROS, beh_text(e, "user.name", user, sizeof user), limit, code != 24);
    } else if (strcmp(e->kind, "ftp.reply") == 0) {
        if (beh_int(e, "unmapped.code", 0) == 530)
            failure(b, e, SVC_FTP, beh_text(e, "user.name", user, sizeof user), limit, false);
    } else if (strcmp(e->kind, "http.request") == 0) {
        web_request(b, e);
    } else if (strcmp(e->kind, "http.response") == 0) {
        if (beh_int(e, "http_response.code", 0) == 401 &&
            (beh_is(e, "unmapped.authorization_type", "Basic") || beh_is(e, "unmapped.authorization_type", "Digest")))
            failure(b, e, SVC_HTTP, "", limit + HTTP_GUESSES_EXTRA, false);
        web_answer(b, e);
    }
}
