/*
 * content.c - what flows carry that should not be there: a shell's prompt and commands in clear text,
 * mining jobs, programs under the name of a picture or written to an administrative share.
 */
#include "behaviour.h"

#include "net_text.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { LOOK_BYTES = 4096, LOOK_OFFSET = 64 * 1024 };
static const struct beh_rule shell = {"mamori.behaviour.clear_text_shell", "Clear-text shell session", "foothold.c2", "high", 5, {"T1059.004", "T1059", "T1071"}};
static const struct beh_rule mining = {"mamori.behaviour.mining", "Cryptocurrency mining (Stratum)", "foothold.c2", "high", 3, {"T1496"}};
static const struct beh_rule disguised = {"mamori.behaviour.disguised_program", "A program downloaded under another kind's name", "attempt.user", "high", 4, {"T1105", "T1036.008"}};
static const struct beh_rule from_address = {"mamori.behaviour.program_from_address", "A program downloaded from a bare address that nobody browsed to", "attempt.user", "high", 4, {"T1105", "T1071.001"}};
static const struct beh_rule heartbleed = {"mamori.behaviour.heartbleed", "Heartbleed: server memory read through TLS heartbeats", "impact.data", "high", 5, {"T1190"}};

/* Our own parsers' protocols but HTTP; a name given by a guess (libndpi's) does not count. */
static bool is_parsed(const char *app)
{
    static const char *const apps[] = {"dns", "tls", "ssh", "smb", "dcerpc", "krb5", "ldap", "ftp", "smtp"};
    for (size_t i = 0; app && i < sizeof apps / sizeof apps[0]; i++)
        if (strcmp(app, apps[i]) == 0)
            return true;
    return false;
}

static bool has(const uint8_t *p, size_t n, const char *text)
{
    return memmem(p, n, text, strlen(text)) != NULL;
}

static bool is_word(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}

/* "user@host:path$ " or "user@host:path# " at the end, or "[user@host path]$ ". */
static bool ends_with_prompt(const uint8_t *p, size_t n)
{
    if (n < 6 || p[n - 1] != ' ' || (p[n - 2] != '$' && p[n - 2] != '#'))
        return false;
    size_t from = n > 128 ? n - 128 : 0, at = n;
    while (at > from && p[at - 1] != '\n' && p[at - 1] != 7) /* 7: the end of a window title sequence */
        at--;
    const uint8_t *sign = memchr(p + at, '@', n - at);
    if (!sign || sign == p + at || !is_word(sign[-1]) || sign + 2 >= p + n || !is_word(sign[1]))
        return false;
    const uint8_t *sep = sign + 1;
    while (sep < p + n && is_word(*sep))
        sep++;
    if (sep >= p + n - 2)
        return false;
    /* the path has no space; the bracketed form ends in one */
    return *sep == ':' ? !memchr(sep, ' ', (size_t)(p + n - 2 - sep)) : *sep == ' ' && p[n - 3] == ']';
}

/* "C:\path>" at the end. */
static bool ends_with_dos_prompt(const uint8_t *p, size_t n)
{
    if (n < 4 || p[n - 1] != '>')
        return false;
    size_t at = n - 1;
    while (at > 0 && n - at < 200 && p[at - 1] != '\n' && p[at - 1] != '\r')
        at--;
    if (p[at] == 'P' && p[at + 1] == 'S' && p[at + 2] == ' ')
        at += 3;
    return n - at >= 4 && ((p[at] | 32) >= 'a' && (p[at] | 32) <= 'z') && p[at + 1] == ':' && p[at + 2] == '\\' &&
           !memchr(p + at, '<', n - at);
}

static const char *shell_sign(const uint8_t *p, size_t n)
{
    static const char *const signs[] = {"no job control in this shell", "can't access tty; job control turned off",
                                        "cannot set terminal process group", "Microsoft Windows [Version ",
                                        "Windows PowerShell running as user"};
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++)
        if (has(p, n, signs[i]))
            return signs[i];
    if (has(p, n, "uid=") && has(p, n, " gid=") && has(p, n, ") groups="))
        return "the output of id";
    if (ends_with_prompt(p, n))
        return "a shell prompt";
    return ends_with_dos_prompt(p, n) ? "a command prompt" : NULL;
}

static void on_mining(struct beh *b, const struct mmr_chunk *c)
{
    const uint8_t *p = c->data;
    size_t n = c->len < LOOK_BYTES ? c->len : LOOK_BYTES;
    struct beh_where w;
    char src[NET_ADDR_TEXT], dst[NET_ADDR_TEXT];
    static const char *const methods[] = {"\"mining.subscribe\"", "\"mining.authorize\"", "\"mining.submit\"",
                                          "\"mining.notify\"", "\"eth_submitLogin\"", "\"eth_getWork\"",
                                          "\"eth_submitWork\"", "\"eth_submitHashrate\""};
    const char *found = NULL;
    if (!memchr(p, '{', n < 64 ? n : 64))
        return;
    for (size_t i = 0; !found && i < sizeof methods / sizeof methods[0]; i++)
        if (has(p, n, methods[i]))
            found = methods[i];
    /* the CryptoNote dialect has plain words: take them together only */
    if (!found && has(p, n, "\"login\"") && has(p, n, "\"pass\"") && (has(p, n, "\"agent\"") || has(p, n, "\"jsonrpc\"")))
        found = "\"login\"";
    if (!found && has(p, n, "\"submit\"") && has(p, n, "\"job_id\"") && has(p, n, "\"nonce\""))
        found = "\"submit\"";
    if (!found)
        return;
    beh_where_flow(&w, c->flow, c->packet);
    beh_find(b, &mining, &w, "%s speaks the mining protocol Stratum to %s port %u (method %s)",
             net_addr_text(&c->flow->client, src), net_addr_text(&c->flow->server, dst), c->flow->server_port, found);
}

/*
 * RFC 6520: the answer to a heartbeat repeats the request, so its record is as long. One that is
 * longer by more than padding gives the server's memory away (CVE-2014-0160), encrypted or not; in clear
 * an answer to a request whose claimed length and padding do not fit its record does: it must be dropped.
 */
static void on_heartbeat(struct beh *b, const struct beh_event *e)
{
    const struct beh_where *w = &e->where;
    int64_t record = beh_int(e, "unmapped.record_length", 0), request = beh_int(e, "unmapped.request_length", 0);
    char src[NET_ADDR_TEXT], dst[NET_ADDR_TEXT];
    /* 256: the longest padding of a CBC record */
    if (!beh_is(e, "unmapped.from", "server") || request == 0 || (record <= request + 256 && !beh_flag(e, "unmapped.asked_too_much")))
        return;
    beh_find(b, &heartbleed, w,
             "%s sent a TLS heartbeat of %lld bytes to %s port %u and got %lld bytes back: Heartbleed (CVE-2014-0160), memory leaked",
             net_addr_text(&w->src, src), (long long)request, net_addr_text(&w->dst, dst), w->dst_port, (long long)record);
}

void content_chunk(struct beh *b, const struct mmr_chunk *c)
{
    const struct mmr_flow *f = c->flow;
    struct beh_where w;
    char src[NET_ADDR_TEXT], dst[NET_ADDR_TEXT];
    if (f->proto != IPPROTO_TCP || c->len < 4 || c->offset > LOOK_OFFSET)
        return;
    if (is_parsed(f->app))
        return; /* another parser knows it: mail, SMB and the like may carry such text */
    on_mining(b, c);
    if ((f->app && strcmp(f->app, "http") == 0) || f->server_port == 23 || f->server_port == 22 || f->server_port == 21 || f->server_port == 25)
        return; /* Telnet shows prompts by design; it is judged as clear-text login elsewhere */
    const char *sign = shell_sign(c->data, c->len < LOOK_BYTES ? c->len : LOOK_BYTES);
    if (!sign)
        return;
    beh_where_flow(&w, f, c->packet);
    beh_find(b, &shell, &w, "the session of %s to %s port %u%s carries %s in clear text, sent by the %s: a remote shell",
             net_addr_text(&f->client, src), net_addr_text(&f->server, dst), f->server_port,
             f->server_port == 443 ? " is no TLS; it" : "", sign, c->dir == MMR_TO_SERVER ? "side that called" : "side that was called");
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strcspn(s, "?#"), m = strlen(end);
    return n >= m && strncasecmp(s + n - m, end, m) == 0;
}

/* Installers and updates come from names. From a bare address on the internet a person may get one by its own name with a
 * browser; a script that hands it out (/x.php), or a client that is no browser, is how a first stage gets its second. */
static bool is_unasked(const struct beh_event *e, const char *path, const char *agent)
{
    static const char *const programs[] = {".exe", ".msi", ".run", ".bin", ".appimage"};
    bool is_browser = strncmp(agent, "Mozilla/", 8) == 0, is_named = false;
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++)
        is_named = is_named || ends_with(path, programs[i]);
    return beh_flag(e, "unmapped.host_is_address") && (e->where.zones & (MMR_FLOW_CLIENT_INSIDE | MMR_FLOW_SERVER_INSIDE)) == MMR_FLOW_CLIENT_INSIDE &&
           strncmp(agent, "Microsoft", 9) != 0 && strncmp(agent, "Windows-Update", 14) != 0 && !(is_browser && is_named);
}

void content_event(struct beh *b, const struct beh_event *e)
{
    static const char *const images[] = {".png", ".jpg", ".jpeg", ".gif", ".bmp", ".ico", ".svg", ".webp", ".txt",
                                         ".css", ".pdf", ".mp3", ".mp4", ".doc", ".woff", ".xml", ".htm", ".html"};
    const struct beh_where *w = &e->where;
    char path[512], type[96], file[32], agent[160], src[NET_ADDR_TEXT], dst[NET_ADDR_TEXT];
    bool wrong = false;
    if (strcmp(e->kind, "tls.heartbeat") == 0)
        on_heartbeat(b, e);
    if (strcmp(e->kind, "http.response") != 0)
        return;
    (void)beh_text(e, "unmapped.file_type", file, sizeof file);
    if (strcmp(file, "exe") != 0 && strcmp(file, "elf") != 0)
        return;
    (void)beh_text(e, "http_request.url.path", path, sizeof path);
    (void)beh_text(e, "http_response.content_type", type, sizeof type);
    for (size_t i = 0; i < sizeof images / sizeof images[0]; i++)
        wrong = wrong || ends_with(path, images[i]);
    wrong = wrong || strncasecmp(type, "image/", 6) == 0 || strncasecmp(type, "audio/", 6) == 0 || strncasecmp(type, "font/", 5) == 0;
    (void)beh_text(e, "http_request.user_agent", agent, sizeof agent);
    if (wrong || is_unasked(e, path, agent))
        beh_find(b, wrong ? &disguised : &from_address, w, "%s downloaded a program (%s) from %s as %s (type %s), agent \"%s\"",
                 net_addr_text(&w->src, src), strcmp(file, "exe") == 0 ? "Windows executable" : "Linux executable",
                 net_addr_text(&w->dst, dst), path, type[0] ? type : "not given", agent);
}
