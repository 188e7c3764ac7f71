/*
 * check.c - is what the servers acknowledge safe? Read from each server's greeting (its version), from the stream's settings, and from the
 * servers' monitoring pages where collector.engine_monitor names them, as no client is told when a server writes its disk.
 *
 * What is known (docs/operator.md has the sources): a server acknowledges before it writes to the disk for good; sync_interval says when
 * it does, 2 minutes by default, and "always" is before the acknowledgement. 2.9 has no such setting; before 2.10.23 a killed process
 * alone could lose a stream.
 */
#include "engine/nats/nats.h"
#include "engine/nats_answer.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/scope.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

enum { PROBE_MS = 1500, GREETING_MAX = 64 * 1024, PAGE_MAX = 512 * 1024, REPLICAS_SAFE = 3, DEDUP_SAFE_S = 600 };

static void unsafe(const char *what, const char *found, const char *expected, const char *then)
{
    char text[200];
    mmr_log(MMR_LOG_WARN, "nats.unsafe", "what=\"%s\" found=\"%s\" expected=\"%s\" so=\"%s\"", what, mmr_log_quote(found, strlen(found), text, sizeof text), expected, then);
}

static int connect_to(const char *url, const char *port_else)
{
    const struct timeval tv = {.tv_sec = PROBE_MS / 1000, .tv_usec = PROBE_MS % 1000 * 1000};
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    char host[256], port[8];
    int fd = -1;
    if (!mmr_nats_host_of(url, port_else, host, sizeof host, port, sizeof port) || getaddrinfo(host, port, &hints, &list) != 0)
        return -1;
    for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv) != 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv) != 0 ||
                        connect(fd, a->ai_addr, a->ai_addrlen) != 0)) {
            (void)close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    return fd;
}

/* Up to the end of the first line, or of everything. NULL: nothing came in time */
static char *read_all(int fd, bool is_line, size_t max)
{
    const int64_t until_ns = mmr_clock_mono_ns() + 2 * PROBE_MS * MMR_NS_PER_MS;
    mmr_autofree char *text = malloc(max + 1);
    size_t len = 0;
    while (text && len < max && mmr_clock_mono_ns() < until_ns) {
        ssize_t n = recv(fd, text + len, max - len, 0);
        if (n <= 0)
            break;
        len += (size_t)n;
        if (is_line && memchr(text, '\n', len))
            break;
    }
    if (!text || !len)
        return NULL;
    text[len] = '\0';
    char *ret = text;
    text = NULL;
    return ret;
}

/* INFO {"version":"2.9.10",...}: the first line that a server says, before anybody logged in and before TLS. */
static bool version_of(const char *url, char *ret)
{
    mmr_autoclose int fd = connect_to(url, "4222");
    mmr_autofree char *text = fd >= 0 ? read_all(fd, true, GREETING_MAX) : NULL;
    return text && mmr_nats_greeting_version(text, ret);
}

/* Returns whether a server of this version can be told to write before it acknowledges. */
static bool check_version(const char *url, const char *version)
{
    char found[160];
    (void)snprintf(found, sizeof found, "%s of %s", version, url);
    if (mmr_nats_is_older(version, 2, 10, 23))
        unsafe("server version", found, "2.12 or newer", "a killed server process may cost acknowledged records; good for tests only");
    else if (mmr_nats_is_older(version, 2, 12, 0))
        unsafe("server version", found, "2.12 or newer", "use a version that still gets repairs");
    return !mmr_nats_is_older(version, 2, 10, 0);
}

static bool check_servers(struct mmr_nats *x)
{
    char **list = NULL;
    int n = 0;
    bool can_sync = true;
    if (natsConnection_GetServers(x->nc, &list, &n) != NATS_OK)
        return true;
    for (int i = 0; i < n; i++) {
        char version[MMR_NATS_VERSION_MAX + 1];
        if (i < MMR_NATS_URLS_MAX && version_of(list[i], version))
            can_sync &= check_version(list[i], version);
        else if (i < MMR_NATS_URLS_MAX)
            mmr_log(MMR_LOG_WARN, "nats.server_away", "server=%s what=\"its version is not known; looked again in 10 minutes\"", list[i]);
        free(list[i]);
    }
    free(list);
    return can_sync;
}

/* /varz of a server: jetstream.config.sync_always */
static void check_monitor(const char *url)
{
    static const char ask[] = "GET /varz HTTP/1.0\r\nAccept: application/json\r\n\r\n";
    char found[200];
    bool is_always = false;
    int64_t seconds = 0;
    mmr_autoclose int fd = connect_to(url, "8222");
    const bool is_asked = fd >= 0 && send(fd, ask, sizeof ask - 1, MSG_NOSIGNAL) == (ssize_t)sizeof ask - 1;
    mmr_autofree char *page = is_asked ? read_all(fd, false, PAGE_MAX) : NULL;
    if (!page || !mmr_nats_page_sync(page, &is_always, &seconds)) {
        unsafe("sync_interval", "no answer, or one without JetStream's settings", "the page /varz of collector.engine_monitor", url);
        return;
    }
    if (is_always)
        return;
    (void)snprintf(found, sizeof found, "%lld s at %s", (long long)seconds, url);
    unsafe("sync_interval", found, "always", "when power fails, what was acknowledged in that time is lost");
}

static void check_stream(struct mmr_nats *x, const jsStreamConfig *c)
{
    char found[200];
    (void)snprintf(found, sizeof found, "%lld", (long long)c->Replicas);
    if (c->Replicas < REPLICAS_SAFE)
        unsafe("replicas of the stream", found, "3 or 5", "a server that dies takes records with it, or stops them");
    if (c->Storage != js_FileStorage)
        unsafe("storage of the stream", "memory", "file", "servers that start again have nothing");
    if (c->NoAck)
        unsafe("no_ack of the stream", "true", "false", "nothing is ever acknowledged, so that sites send for ever");
    (void)snprintf(found, sizeof found, "%lld s", (long long)(c->Duplicates / MMR_NS_PER_S));
    if (c->Duplicates < DEDUP_SAFE_S * MMR_NS_PER_S)
        unsafe("duplicate window of the stream", found, "10 minutes or longer", "what is sent again later stands there twice, with the same Nats-Msg-Id");
    if (c->MaxAge > 0 || c->MaxBytes > 0 || c->MaxMsgs > 0 || c->MaxMsgsPerSubject > 0) {
        (void)snprintf(found, sizeof found, "age %lld s, %lld bytes, %lld messages, %lld of a subject; %s goes", (long long)(c->MaxAge / MMR_NS_PER_S),
                       (long long)c->MaxBytes, (long long)c->MaxMsgs, (long long)c->MaxMsgsPerSubject, c->Discard == js_DiscardNew ? "the new one waits, none" : "the oldest");
        mmr_log(MMR_LOG_INFO, "nats.stream_limits", "stream=%s limits=\"%s\" what=\"whoever stores the records must read them before\"", x->stream, found);
    }
}

void mmr_nats_check(struct mmr_nats *x, const jsStreamInfo *si)
{
    const bool can_sync = check_servers(x);
    check_stream(x, si->Config);
    if (!can_sync) {
        unsafe("sync_interval", "this version has none: 2 minutes", "always", "when power fails, what was acknowledged in that time is lost");
        return;
    }
    if (!x->n_monitors)
        unsafe("sync_interval", "not known: collector.engine_monitor is not set", "always", "set it to the servers' http://HOST:8222, or see to it yourself");
    for (int i = 0; i < x->n_monitors; i++)
        check_monitor(x->monitors[i]);
}
