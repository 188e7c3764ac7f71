/*
 * syslog.c - forwarder: records as RFC 5424 messages over TLS or TCP (octet counting, RFC 6587, RFC 5425), or UDP. Syslog
 * has no answer: what was written to the connection counts as handed over (level 1), and a connection the other side ended
 * may have lost the last ones.
 */
#include "line.h"
#include "post.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { COOKIE_POST = 1, COOKIE_LINE = 2, WAITING_MAX = 128, AGAIN_MS = 3000, DETAIL_MAX = 100 };

struct syslog_config {
    const char *server, *transport, *ca_file, *cert_file, *key_file, *hostname;
    int64_t facility, max_bytes, timeout;
};
struct message {
    uint64_t seq;
    char *bytes;
    size_t len, done;
};
struct sender {
    const struct mmr_host *host;
    const struct syslog_config *cfg;
    struct mmr_post *post;
    CURL *line; /* the connection; NULL: none */
    bool is_connecting, is_up;
    int udp;
    int fd; /* of the line, while it is up */
    struct message waiting[WAITING_MAX];
    unsigned n;
    int64_t not_before_ns;
};

static void say(struct sender *s, uint64_t seq, int level, const char *detail)
{
    char text[DETAIL_MAX + 1];
    (void)snprintf(text, sizeof text, "%s", detail);
    (void)s->host->forward_done(s->host->impl, seq, level, s->host->now_ns(s->host->impl, MMR_CLOCK_WALL), text);
}

static void take_first(struct sender *s, int level, const char *detail)
{
    struct message m = s->waiting[0];
    memmove(&s->waiting[0], &s->waiting[1], --s->n * sizeof s->waiting[0]);
    free(m.bytes);
    say(s, m.seq, level, detail);
}

/* The core keeps the records; it gives them again. */
static void give_back(struct sender *s, const char *why)
{
    while (s->n)
        take_first(s, MMR_DELIVERY_TRIED, why);
}

static void hang_up(struct sender *s, const char *why)
{
    if (s->fd >= 0)
        (void)s->host->watch_fd(s->host->impl, s->fd, 0, COOKIE_LINE);
    s->fd = -1;
    if (s->line)
        mmr_post_drop(s->post, s->line);
    s->line = NULL;
    s->is_up = s->is_connecting = false;
    s->not_before_ns = s->host->now_ns(s->host->impl, MMR_CLOCK_MONOTONIC) + INT64_C(1000000) * AGAIN_MS;
    give_back(s, why);
}

/* Syslog servers say nothing: what can be read is of TLS itself (tickets), or the end of the connection. */
static bool is_ended(struct sender *s)
{
    char bytes[512];
    size_t n = 0;
    CURLcode c;
    for (int k = 0; k < 16 && (c = curl_easy_recv(s->line, bytes, sizeof bytes, &n)) != CURLE_AGAIN; k++)
        if (c != CURLE_OK || n == 0)
            return true;
    return false;
}

static void write_out(struct sender *s)
{
    while (s->is_up && s->n) {
        struct message *m = &s->waiting[0];
        size_t n = 0;
        CURLcode c = m->done == 0 && is_ended(s) ? CURLE_SEND_ERROR : curl_easy_send(s->line, m->bytes + m->done, m->len - m->done, &n);
        m->done += n;
        if (c == CURLE_AGAIN) {
            (void)s->host->watch_fd(s->host->impl, s->fd, MMR_FD_READ | MMR_FD_WRITE, COOKIE_LINE);
            return;
        }
        if (c != CURLE_OK) {
            hang_up(s, "the connection ended");
            return;
        }
        if (m->done == m->len)
            take_first(s, MMR_DELIVERY_GATEWAY, s->cfg->server);
    }
    if (s->is_up)
        (void)s->host->watch_fd(s->host->impl, s->fd, MMR_FD_READ, COOKIE_LINE);
}

static void on_connected(void *ctx, CURL *easy, CURLcode code, const char *error)
{
    struct sender *s = ctx;
    curl_socket_t fd = CURL_SOCKET_BAD;
    s->is_connecting = false;
    if (code != CURLE_OK) {
        char why[200];
        (void)snprintf(why, sizeof why, "%.60s: %.120s", s->cfg->server, error);
        s->host->log(s->host->impl, MMR_LOG_WARN, why);
        s->line = NULL;
        curl_easy_cleanup(easy);
        hang_up(s, why);
        return;
    }
    (void)curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &fd);
    s->fd = fd;
    s->is_up = fd != CURL_SOCKET_BAD;
    if (s->is_up)
        write_out(s);
    else
        hang_up(s, "the connection ended");
}

static int dial(struct sender *s, struct mmr_error *err)
{
    const struct mmr_post_line l = {.server = s->cfg->server, .ca_file = s->cfg->ca_file, .cert_file = s->cfg->cert_file, .key_file = s->cfg->key_file,
                                    .is_tls = strcmp(s->cfg->transport, "tls") == 0, .timeout_ms = s->cfg->timeout};
    int r = mmr_post_dial(s->post, &l, on_connected, s, &s->line, err);
    if (r)
        return r;
    s->is_connecting = true;
    return 0;
}

static int send_datagram(struct sender *s, uint64_t seq, const char *bytes, size_t len)
{
    ssize_t n = send(s->udp, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno == ECONNREFUSED) /* of one before this; told once */
        n = send(s->udp, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    say(s, seq, n == (ssize_t)len ? (int)MMR_DELIVERY_GATEWAY : (int)MMR_DELIVERY_TRIED, n == (ssize_t)len ? s->cfg->server : strerror(errno));
    return 0;
}

static int forward(void *self, const void *data, size_t len, uint64_t seq, struct mmr_error *err)
{
    struct sender *s = self;
    char name[256] = "", *line = NULL, head[24];
    size_t line_len = 0;
    for (unsigned i = 0; i < s->n; i++)
        if (s->waiting[i].seq == seq)
            return 0; /* it waits already */
    if (s->udp < 0 && (s->n == WAITING_MAX || (!s->is_up && s->host->now_ns(s->host->impl, MMR_CLOCK_MONOTONIC) < s->not_before_ns)))
        return MMR_EAGAIN;
    (void)gethostname(name, sizeof name - 1);
    const struct mmr_syslog_line l = {.facility = (int)s->cfg->facility, .hostname = s->cfg->hostname ? s->cfg->hostname : name, .procid = (long)getpid(),
                                      .now_ns = s->host->now_ns(s->host->impl, MMR_CLOCK_WALL), .max_bytes = (size_t)s->cfg->max_bytes};
    int r = mmr_syslog_format(&l, data, len, &line, &line_len, err);
    if (r)
        return r == MMR_ENOMEM ? MMR_EAGAIN : r;
    if (s->udp >= 0) {
        r = send_datagram(s, seq, line, line_len);
        free(line);
        return r;
    }
    int head_len = snprintf(head, sizeof head, "%zu ", line_len);
    char *framed = malloc((size_t)head_len + line_len);
    if (!framed) {
        free(line);
        return MMR_EAGAIN;
    }
    memcpy(framed, head, (size_t)head_len);
    memcpy(framed + head_len, line, line_len);
    free(line);
    s->waiting[s->n++] = (struct message){.seq = seq, .bytes = framed, .len = (size_t)head_len + line_len};
    if (s->is_up) {
        if (s->n == 1)
            write_out(s);
    } else if (!s->is_connecting && (r = dial(s, err)) != 0) {
        free(s->waiting[--s->n].bytes);
        return r == MMR_ENOMEM ? MMR_EAGAIN : r;
    }
    return 0;
}

static int flush(void *self, int64_t deadline_ms, struct mmr_error *err)
{
    struct sender *s = self;
    (void)deadline_ms;
    (void)err;
    if (s->is_up)
        write_out(s);
    return 0;
}

static void on_fd(void *self, int fd, unsigned rw, uint64_t cookie)
{
    struct sender *s = self;
    if (cookie == COOKIE_POST)
        mmr_post_fd(s->post, fd, rw);
    else if (s->is_up && fd == s->fd && rw & MMR_FD_READ && is_ended(s))
        hang_up(s, "the other side ended the connection");
    else if (s->is_up && fd == s->fd)
        write_out(s);
}

static void on_timer(void *self, uint64_t cookie)
{
    struct sender *s = self;
    if (cookie == COOKIE_POST)
        mmr_post_timer(s->post);
}

static void destroy(void *self)
{
    struct sender *s = self;
    if (!s)
        return;
    for (unsigned i = 0; i < s->n; i++)
        free(s->waiting[i].bytes);
    mmr_post_free(s->post);
    if (s->udp >= 0)
        (void)close(s->udp);
    free(s);
}

static int open_udp(struct sender *s, struct mmr_error *err)
{
    char host[256];
    const char *colon = strrchr(s->cfg->server, ':');
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *list = NULL;
    size_t len = colon ? (size_t)(colon - s->cfg->server) : 0;
    if (!len || len >= sizeof host)
        return mmr_fail(err, MMR_ECONFIG, "'server': found '%.80s', expected HOST:PORT", s->cfg->server);
    bool is_bracketed = s->cfg->server[0] == '[' && s->cfg->server[len - 1] == ']';
    (void)snprintf(host, sizeof host, "%.*s", (int)(is_bracketed ? len - 2 : len), s->cfg->server + is_bracketed);
    int r = getaddrinfo(host, colon + 1, &hints, &list);
    if (r)
        return mmr_fail(err, MMR_ECONFIG, "'server': '%.80s': %s", s->cfg->server, gai_strerror(r));
    s->udp = socket(list->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    r = s->udp < 0 || connect(s->udp, list->ai_addr, list->ai_addrlen) != 0 ? mmr_fail(err, MMR_EIO, "'server': '%.80s': %s", s->cfg->server, strerror(errno)) : 0;
    freeaddrinfo(list);
    return r;
}

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    struct sender *s = calloc(1, sizeof *s);
    if (!s)
        return mmr_fail(err, MMR_ENOMEM, "syslog: out of memory");
    s->host = host;
    s->cfg = config;
    s->udp = s->fd = -1;
    const char *t = s->cfg->transport;
    int r = strcmp(t, "tls") != 0 && strcmp(t, "tcp") != 0 && strcmp(t, "udp") != 0 ? mmr_fail(err, MMR_ECONFIG, "'transport': found '%.40s', expected tls, tcp or udp", t)
            : strpbrk(s->cfg->server, "/@ ?#\r\n") || !strchr(s->cfg->server, ':') ? mmr_fail(err, MMR_ECONFIG, "'server': found '%.80s', expected HOST:PORT", s->cfg->server) : 0;
    if (!r)
        r = strcmp(t, "udp") == 0 ? open_udp(s, err) : mmr_post_new(host, COOKIE_POST, &s->post, err);
    if (r) {
        destroy(s);
        return r;
    }
    *ret_self = s;
    return 0;
}

static const struct mmr_cfg_key config_rows[] = {
    MMR_CFG(struct syslog_config, server, MMR_CFG_STR, MMR_CFG_REQUIRED, NULL, 0, 0, "HOST:PORT of the receiver"),
    MMR_CFG(struct syslog_config, transport, MMR_CFG_STR, 0, "tls", 0, 0, "tls (usual port 6514), tcp or udp; the latter two are in the open"),
    MMR_CFG(struct syslog_config, ca_file, MMR_CFG_STR, 0, NULL, 0, 0, "certificates to trust; the machine's own when unset"),
    MMR_CFG(struct syslog_config, cert_file, MMR_CFG_STR, 0, NULL, 0, 0, "our certificate, where the receiver asks for one"),
    MMR_CFG(struct syslog_config, key_file, MMR_CFG_STR, 0, NULL, 0, 0, "its key; in cert_file when unset"),
    MMR_CFG(struct syslog_config, hostname, MMR_CFG_STR, 0, NULL, 0, 0, "name in the messages; the machine's when unset"),
    MMR_CFG(struct syslog_config, facility, MMR_CFG_INT, 0, "16", 0, 23, "facility; 16 is local0"),
    MMR_CFG(struct syslog_config, max_bytes, MMR_CFG_BYTES, 0, "8K", 480, 1048576, "a longer message is sent as its summary, marked cut=\"yes\""),
    MMR_CFG(struct syslog_config, timeout, MMR_CFG_MSEC, 0, "15s", 1000, 55000, "give up on a connection after this"),
    {0},
};
static const struct mmr_forwarder_ops forwarder = {.struct_size = sizeof forwarder, .forward = forward, .flush = flush};

MMR_PLUGIN(syslog) = {
    MMR_PLUGIN_HEAD,
    .id = "org.mamori.syslog", .name = "syslog", .version = "0.1.0", .vendor = "mamori", .license = "Apache-2.0",
    .doc = "Sends records to a syslog receiver (RFC 5424 over TLS, TCP or UDP).",
    .side = MMR_SIDE_NETWORK | MMR_SIDE_ENDPOINT,
    .needs = MMR_NEED_NET_OUT,
    .config = config_rows, .config_size = sizeof(struct syslog_config),
    .create = create, .destroy = destroy, .on_fd = on_fd, .on_timer = on_timer, .forwarder = &forwarder,
};
