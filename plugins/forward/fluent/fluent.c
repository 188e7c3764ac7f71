/*
 * fluent.c - forwarder: records to a Fluentd or Fluent Bit by the forward protocol, over TLS or TCP, with a shared key where the
 * receiver wants one. A record counts as handed over (level 1) only when the receiver acknowledged its chunk; whatever was
 * not acknowledged when a connection ends is given again, under the same chunk's name.
 */
#include "post.h"
#include "wire.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COOKIE_POST = 1, COOKIE_LINE = 2, COOKIE_WAIT = 3, WAITING_MAX = 128, AGAIN_MS = 3000, REFUSED_MS = 60000, DETAIL_MAX = 100,
       ANSWERS_AT_ONCE = 8 * WAITING_MAX };

struct fluent_config {
    const char *server, *transport, *ca_file, *cert_file, *key_file, *shared_key_file, *user, *password_file, *hostname, *tag;
    int64_t timeout, ack_timeout;
};
struct chunk {
    uint64_t seq;
    char name[MMR_FLUENT_CHUNK_TEXT + 1];
    uint8_t *bytes;
    size_t len, done;
};
enum state { DOWN = 0, CONNECTING, WAIT_HELO, WAIT_PONG, READY };
struct sender {
    const struct mmr_host *host;
    const struct fluent_config *cfg;
    struct mmr_post *post;
    CURL *line; /* the connection; NULL: none */
    int fd;     /* of the line, while it is up */
    enum state state;
    struct mmr_fluent_self self;
    struct mmr_fluent_session session;
    char name[256], key[MMR_SECRET_MAX], password[MMR_SECRET_MAX];
    uint8_t *ping; /* what is still to be said of the handshake */
    size_t ping_len, ping_done;
    struct chunk waiting[WAITING_MAX]; /* the first `sent` are out and not acknowledged yet */
    unsigned n, sent;
    uint8_t in[MMR_FLUENT_ANSWER_MAX];
    size_t n_in;
    int64_t not_before_ns;
};

static int64_t now_of(const struct sender *s, int clock)
{
    return s->host->now_ns(s->host->impl, clock);
}

static void say(struct sender *s, uint64_t seq, int level, const char *detail)
{
    char text[DETAIL_MAX + 1];
    (void)snprintf(text, sizeof text, "%s", detail);
    (void)s->host->forward_done(s->host->impl, seq, level, now_of(s, MMR_CLOCK_WALL), text);
}

static void take(struct sender *s, unsigned i, int level, const char *detail)
{
    struct chunk c = s->waiting[i];
    memmove(&s->waiting[i], &s->waiting[i + 1], (--s->n - i) * sizeof c);
    s->sent -= i < s->sent;
    free(c.bytes);
    say(s, c.seq, level, detail);
}

static void wait_for(struct sender *s, int64_t ms) /* -1: for nothing */
{
    (void)s->host->set_timer(s->host->impl, ms, COOKIE_WAIT);
}

/* The core keeps the records; it gives them again. */
static void hang_up(struct sender *s, int64_t again_ms, const char *why)
{
    if (s->fd >= 0)
        (void)s->host->watch_fd(s->host->impl, s->fd, 0, COOKIE_LINE);
    s->fd = -1;
    if (s->line)
        mmr_post_drop(s->post, s->line);
    s->line = NULL;
    s->state = DOWN;
    free(s->ping);
    s->ping = NULL;
    s->n_in = s->sent = 0;
    wait_for(s, -1);
    s->not_before_ns = again_ms ? now_of(s, MMR_CLOCK_MONOTONIC) + INT64_C(1000000) * again_ms : 0;
    while (s->n)
        take(s, 0, MMR_DELIVERY_TRIED, why);
}

static void complain(struct sender *s, int64_t again_ms, const char *text)
{
    char why[400];
    (void)snprintf(why, sizeof why, "%.60s: %s", s->cfg->server, text);
    s->host->log(s->host->impl, MMR_LOG_WARN, why);
    hang_up(s, again_ms, why);
}

/* ---- out ---- */

/* 1 all is out, 0 more later, -1 the connection ended */
static int push(struct sender *s, const uint8_t *p, size_t len, size_t *done)
{
    while (*done < len) {
        size_t n = 0;
        CURLcode c = curl_easy_send(s->line, p + *done, len - *done, &n);
        *done += n;
        if (c == CURLE_AGAIN)
            return 0;
        if (c != CURLE_OK)
            return -1;
    }
    return 1;
}

static void write_out(struct sender *s)
{
    int r = 1;
    if (s->ping && (r = push(s, s->ping, s->ping_len, &s->ping_done)) == 1) {
        free(s->ping);
        s->ping = NULL;
    }
    while (r == 1 && s->state == READY && s->sent < s->n) {
        struct chunk *c = &s->waiting[s->sent];
        r = push(s, c->bytes, c->len, &c->done);
        if (r != 1)
            break;
        if (s->sent++ == 0)
            wait_for(s, s->cfg->ack_timeout);
    }
    if (r < 0)
        hang_up(s, AGAIN_MS, "the connection ended");
    else
        (void)s->host->watch_fd(s->host->impl, s->fd, MMR_FD_READ | (r == 0 ? MMR_FD_WRITE : 0U), COOKIE_LINE);
}

/* ---- in ---- */

static void on_ack(struct sender *s, struct mmr_fluent_text chunk)
{
    for (unsigned i = 0; i < s->sent; i++)
        if (chunk.n == MMR_FLUENT_CHUNK_TEXT && memcmp(s->waiting[i].name, chunk.p, chunk.n) == 0) {
            take(s, i, MMR_DELIVERY_GATEWAY, s->cfg->server);
            wait_for(s, s->sent ? s->cfg->ack_timeout : -1);
            return;
        }
    /* of none that waits: a receiver may say it twice */
}

/* False: the connection is gone. */
static bool on_answer(struct sender *s, const struct mmr_fluent_answer *a)
{
    struct mmr_error err = {.struct_size = sizeof err};
    int r = 0;
    if (a->kind == MMR_FLUENT_HELO && !s->key[0])
        r = mmr_fail(&err, MMR_EPERM, "the receiver wants a shared key; set 'shared_key_file'");
    else if (a->kind == MMR_FLUENT_HELO && s->state == WAIT_HELO) {
        r = mmr_fluent_hello(&s->session, a, &err);
        if (!r)
            r = mmr_fluent_ping(&s->self, &s->session, &s->ping, &s->ping_len, &err);
        s->ping_done = 0;
        s->state = r ? s->state : WAIT_PONG;
    } else if (a->kind == MMR_FLUENT_PONG && s->state == WAIT_PONG && !s->ping) {
        r = mmr_fluent_pong(&s->self, &s->session, a, &err);
        if (!r) {
            s->state = READY;
            wait_for(s, -1);
        }
    } else if (a->kind == MMR_FLUENT_ACK && s->state == READY) {
        on_ack(s, a->chunk);
    } else {
        r = mmr_fail(&err, MMR_EBADMSG, "an answer out of its order");
    }
    if (r)
        complain(s, r == MMR_EPERM ? REFUSED_MS : AGAIN_MS, err.text);
    return r == 0;
}

/* False: the connection is gone. */
static bool read_answers(struct sender *s)
{
    struct mmr_fluent_answer a;
    struct mmr_error err = {.struct_size = sizeof err};
    size_t at = 0, used = 0;
    int r;
    while ((r = mmr_fluent_answer(s->in + at, s->n_in - at, &used, &a, &err)) == 1) {
        if (!on_answer(s, &a))
            return false;
        at += used;
    }
    if (r < 0) {
        complain(s, AGAIN_MS, err.text);
        return false;
    }
    memmove(s->in, s->in + at, s->n_in - at);
    s->n_in -= at;
    if (s->n_in < sizeof s->in)
        return true;
    complain(s, AGAIN_MS, "an answer that does not end");
    return false;
}

static void read_in(struct sender *s)
{
    for (int k = 0; k < ANSWERS_AT_ONCE; k++) {
        size_t n = 0;
        CURLcode c = curl_easy_recv(s->line, s->in + s->n_in, sizeof s->in - s->n_in, &n);
        if (c == CURLE_AGAIN) {
            write_out(s);
            return;
        }
        if (c != CURLE_OK || n == 0) {
            if (s->state == READY) /* receivers end idle connections; the next record makes a new one */
                hang_up(s, s->n ? AGAIN_MS : 0, "the receiver ended the connection");
            else
                complain(s, s->state == WAIT_PONG ? REFUSED_MS : AGAIN_MS, "the receiver ended the connection during the handshake");
            return;
        }
        s->n_in += n;
        if (!read_answers(s))
            return;
    }
    complain(s, AGAIN_MS, "the receiver answers more than it was asked");
}

/* ---- the connection ---- */

static void on_connected(void *ctx, CURL *easy, CURLcode code, const char *error)
{
    struct sender *s = ctx;
    curl_socket_t fd = CURL_SOCKET_BAD;
    if (code != CURLE_OK) {
        s->line = NULL;
        curl_easy_cleanup(easy);
        complain(s, AGAIN_MS, error);
        return;
    }
    (void)curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &fd);
    if (fd == CURL_SOCKET_BAD) {
        hang_up(s, AGAIN_MS, "the connection ended");
        return;
    }
    s->fd = fd;
    s->state = s->key[0] ? WAIT_HELO : READY;
    if (s->state == WAIT_HELO)
        wait_for(s, s->cfg->timeout);
    read_in(s); /* a HELO may have come with the last of the TLS handshake */
}

static int dial(struct sender *s, struct mmr_error *err)
{
    const struct mmr_post_line l = {.server = s->cfg->server, .ca_file = s->cfg->ca_file, .cert_file = s->cfg->cert_file, .key_file = s->cfg->key_file,
                                    .is_tls = strcmp(s->cfg->transport, "tls") == 0, .timeout_ms = s->cfg->timeout};
    int r = mmr_post_dial(s->post, &l, on_connected, s, &s->line, err);
    if (r)
        return r;
    s->state = CONNECTING;
    return 0;
}

static int forward(void *self, const void *data, size_t len, uint64_t seq, struct mmr_error *err)
{
    struct sender *s = self;
    for (unsigned i = 0; i < s->n; i++)
        if (s->waiting[i].seq == seq)
            return 0; /* its answer comes */
    if (s->n == WAITING_MAX || (s->state == DOWN && now_of(s, MMR_CLOCK_MONOTONIC) < s->not_before_ns))
        return MMR_EAGAIN;
    struct chunk c = {.seq = seq};
    int r = mmr_fluent_chunk(s->cfg->tag, data, len, seq, now_of(s, MMR_CLOCK_WALL), c.name, &c.bytes, &c.len, err);
    if (r)
        return r == MMR_ENOMEM ? MMR_EAGAIN : r;
    s->waiting[s->n++] = c;
    if (s->state == READY) {
        write_out(s);
    } else if (s->state == DOWN && (r = dial(s, err)) != 0) {
        free(s->waiting[--s->n].bytes);
        return r == MMR_ENOMEM ? MMR_EAGAIN : r;
    }
    return 0;
}

static int flush(void *self, int64_t deadline_ms, struct mmr_error *err)
{
    (void)self; /* what is not acknowledged is given again */
    (void)deadline_ms;
    (void)err;
    return 0;
}

static void on_fd(void *self, int fd, unsigned rw, uint64_t cookie)
{
    struct sender *s = self;
    if (cookie == COOKIE_POST)
        mmr_post_fd(s->post, fd, rw);
    else if (s->fd >= 0 && fd == s->fd && rw & MMR_FD_READ)
        read_in(s);
    else if (s->fd >= 0 && fd == s->fd)
        write_out(s);
}

static void on_timer(void *self, uint64_t cookie)
{
    struct sender *s = self;
    if (cookie == COOKIE_POST)
        mmr_post_timer(s->post);
    else if (cookie == COOKIE_WAIT && s->state != DOWN)
        complain(s, AGAIN_MS, s->state == READY ? "no acknowledgement in time; does the receiver speak the forward protocol's version 1?"
                                                : "no handshake in time; has the receiver a shared key?");
}

static void destroy(void *self)
{
    struct sender *s = self;
    if (!s)
        return;
    for (unsigned i = 0; i < s->n; i++)
        free(s->waiting[i].bytes);
    mmr_post_free(s->post);
    free(s->ping);
    sodium_memzero(s->key, sizeof s->key);
    sodium_memzero(s->password, sizeof s->password);
    free(s);
}

static int check(const struct fluent_config *c, struct mmr_error *err)
{
    if (strcmp(c->transport, "tls") != 0 && strcmp(c->transport, "tcp") != 0)
        return mmr_fail(err, MMR_ECONFIG, "'transport': found '%.40s', expected tls or tcp", c->transport);
    if (strpbrk(c->server, "/@ ?#\r\n") || !strchr(c->server, ':'))
        return mmr_fail(err, MMR_ECONFIG, "'server': found '%.80s', expected HOST:PORT", c->server);
    if (!c->tag[0] || strlen(c->tag) > MMR_FLUENT_TAG_MAX || strpbrk(c->tag, " \t\r\n"))
        return mmr_fail(err, MMR_ECONFIG, "'tag': found '%.80s', expected 1 to 128 characters without spaces", c->tag);
    if (c->user && (!c->shared_key_file || !c->password_file))
        return mmr_fail(err, MMR_ECONFIG, "'user' is given: 'shared_key_file' and 'password_file' must name files with the key and the password");
    if (c->hostname && (!c->hostname[0] || strlen(c->hostname) > 128))
        return mmr_fail(err, MMR_ECONFIG, "'hostname': found %zu characters, expected 1 to 128", strlen(c->hostname));
    return 0;
}

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    struct sender *s = calloc(1, sizeof *s);
    if (!s || sodium_init() < 0) {
        free(s);
        return mmr_fail(err, MMR_ENOMEM, "fluent: out of memory");
    }
    s->host = host;
    s->cfg = config;
    s->fd = -1;
    int r = check(s->cfg, err);
    if (!r && s->cfg->shared_key_file)
        r = mmr_post_secret(s->cfg->shared_key_file, s->key, err);
    if (!r && s->cfg->user)
        r = mmr_post_secret(s->cfg->password_file, s->password, err);
    if (!r)
        r = mmr_post_new(host, COOKIE_POST, &s->post, err);
    if (r) {
        destroy(s);
        return r;
    }
    if (s->cfg->hostname || gethostname(s->name, sizeof s->name - 1) != 0)
        (void)snprintf(s->name, sizeof s->name, "%s", s->cfg->hostname ? s->cfg->hostname : "mamori-hub");
    s->self = (struct mmr_fluent_self){.name = s->name, .key = s->key, .user = s->cfg->user, .password = s->password};
    *ret_self = s;
    return 0;
}

static const struct mmr_cfg_key config_rows[] = {
    MMR_CFG(struct fluent_config, server, MMR_CFG_STR, MMR_CFG_REQUIRED, NULL, 0, 0, "HOST:PORT of the receiver (usual port 24224)"),
    MMR_CFG(struct fluent_config, transport, MMR_CFG_STR, 0, "tls", 0, 0, "tls or tcp; the latter is in the open"),
    MMR_CFG(struct fluent_config, ca_file, MMR_CFG_STR, 0, NULL, 0, 0, "certificates to trust; the machine's own when unset"),
    MMR_CFG(struct fluent_config, cert_file, MMR_CFG_STR, 0, NULL, 0, 0, "our certificate, where the receiver asks for one"),
    MMR_CFG(struct fluent_config, key_file, MMR_CFG_STR, 0, NULL, 0, 0, "its key; in cert_file when unset"),
    MMR_CFG(struct fluent_config, shared_key_file, MMR_CFG_STR, 0, NULL, 0, 0,
            "file with the shared key, mode 0600; the receiver must have the same one. Unset: the receiver wants none"),
    MMR_CFG(struct fluent_config, user, MMR_CFG_STR, 0, NULL, 0, 0, "name to log in with, where the receiver asks for one"),
    MMR_CFG(struct fluent_config, password_file, MMR_CFG_STR, 0, NULL, 0, 0, "file with the password, mode 0600"),
    MMR_CFG(struct fluent_config, hostname, MMR_CFG_STR, 0, NULL, 0, 0, "our name in the handshake (self_hostname); the machine's when unset"),
    MMR_CFG(struct fluent_config, tag, MMR_CFG_STR, 0, "mamori", 0, 0, "first part of the tag; the class of the record follows: mamori.2005, mamori.notice"),
    MMR_CFG(struct fluent_config, timeout, MMR_CFG_MSEC, 0, "15s", 1000, 55000, "give up on a connection or handshake after this"),
    MMR_CFG(struct fluent_config, ack_timeout, MMR_CFG_MSEC, 0, "60s", 1000, 600000, "give up on a connection that has acknowledged nothing for this long"),
    {0},
};
static const struct mmr_forwarder_ops forwarder = {.struct_size = sizeof forwarder, .forward = forward, .flush = flush};

MMR_PLUGIN(fluent) = {
    MMR_PLUGIN_HEAD,
    .id = "org.mamori.fluent", .name = "fluent", .version = "0.1.0", .vendor = "mamori", .license = "Apache-2.0",
    .doc = "Sends records to a Fluentd or Fluent Bit (forward protocol, acknowledged).",
    .side = MMR_SIDE_NETWORK | MMR_SIDE_ENDPOINT,
    .needs = MMR_NEED_NET_OUT,
    .config = config_rows, .config_size = sizeof(struct fluent_config),
    .create = create, .destroy = destroy, .on_fd = on_fd, .on_timer = on_timer, .forwarder = &forwarder,
};
