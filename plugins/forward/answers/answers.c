/*
 * answers.c - hears what people and gateways answer to notices: a page with one button behind the link of a message, and
 * reports of what became of one. It knows no incident and no address: it passes tokens on, and the core says what they mean.
 * Plain HTTP on the address that is given; towards the world stands a web server with a certificate (README).
 */
#include "request.h"

#include <mamori/event.h>
#include <mamori/plugin.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { COOKIE_LISTEN = 1, COOKIE_CLIENT = 2, COOKIE_SWEEP = 3, CLIENTS_MAX = 64, CLIENT_S = 10, SWEEP_MS = 1000, ACCEPT_AT_ONCE = 16, PER_MINUTE = 600 };
#define SECOND_NS INT64_C(1000000000)

struct answers_config {
    const char *listen, *language;
};
struct client {
    int fd; /* -1: free */
    size_t len;
    int64_t since_ns;
    char bytes[MMR_REQUEST_MAX + MMR_REQUEST_BODY_MAX];
};
struct answers {
    const struct mmr_host *host;
    const struct answers_config *cfg;
    int fd;
    struct client client[CLIENTS_MAX];
    int64_t minute_ns;
    unsigned in_minute; /* answers passed on: guesses of tokens are worth nothing, and cost little */
};

static int64_t mono(const struct answers *a)
{
    return a->host->now_ns(a->host->impl, MMR_CLOCK_MONOTONIC);
}

static void hang_up(struct answers *a, struct client *c)
{
    (void)a->host->watch_fd(a->host->impl, c->fd, 0, COOKIE_CLIENT);
    (void)close(c->fd);
    c->fd = -1;
    c->len = 0;
}

static void reply(struct answers *a, struct client *c, const char *status, const char *title, const char *text, const char *token)
{
    char page[4096], head[400], form[700] = "";
    bool is_ja = a->cfg->language[0] == 'j';
    if (token)
        (void)snprintf(form, sizeof form,
                       "<form method=\"post\" action=\"/c/%s\"><button style=\"width:100%%;padding:18px;font-size:20px;font-weight:bold;border:0;border-radius:12px;"
                       "background:#1a5fb4;color:#fff\">%s</button></form>",
                       token, is_ja ? "見ました" : "I have seen it");
    int n = snprintf(page, sizeof page,
                     "<!DOCTYPE html><html lang=\"%s\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
                     "<meta name=\"robots\" content=\"noindex\"><title>%s</title></head><body style=\"margin:0;background:#f2f4f8;font-family:'Hiragino Sans','Noto Sans JP',Meiryo,sans-serif\">"
                     "<main style=\"max-width:480px;margin:32px auto;background:#fff;border-radius:14px;padding:28px 24px\"><h1 style=\"font-size:22px;margin:0 0 12px;color:#1c2430\">%s</h1>"
                     "<p style=\"font-size:16px;line-height:1.8;color:#1c2430\">%s</p>%s</main></body></html>\n",
                     is_ja ? "ja" : "en", title, title, text, form);
    int h = snprintf(head, sizeof head,
                     "HTTP/1.1 %s\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\nCache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n"
                     "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; form-action 'self'\r\nConnection: close\r\n\r\n",
                     status, n);
    if (send(c->fd, head, (size_t)h, MSG_NOSIGNAL | MSG_DONTWAIT | MSG_MORE) == h)
        (void)send(c->fd, page, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT); /* a page fits the buffer of a fresh connection */
    hang_up(a, c);
}

static bool pass_on(struct answers *a, const char *token, int level, const char *who)
{
    uint8_t buf[512];
    struct mmr_event ev;
    int64_t now = mono(a);
    if (now - a->minute_ns > 60 * SECOND_NS) {
        a->minute_ns = now;
        a->in_minute = 0;
    }
    if (++a->in_minute > PER_MINUTE)
        return false;
    mmr_event_begin(&ev, buf, sizeof buf, "notice.answer", MMR_CLASS_EVENT_LOG, 99, a->host->now_ns(a->host->impl, MMR_CLOCK_WALL), 1);
    mmr_event_str(&ev, "unmapped.token", token);
    mmr_event_int(&ev, "unmapped.level", level);
    mmr_event_str(&ev, "unmapped.who", who);
    return mmr_event_end(&ev) == 0 && a->host->emit(a->host->impl, ev.buf, ev.len) == 0;
}

static void serve(struct answers *a, struct client *c)
{
    bool is_ja = a->cfg->language[0] == 'j';
    struct mmr_answer_request r = mmr_answer_read(c->bytes, c->len);
    switch (r.what) {
    case MMR_REQUEST_MORE:
        if (c->len == sizeof c->bytes)
            hang_up(a, c);
        return;
    case MMR_REQUEST_SHOW:
        reply(a, c, "200 OK", is_ja ? "お知らせの確認" : "Message received?",
              is_ja ? "お知らせの内容を読んだら、下のボタンを押してください。同じお知らせの繰り返しが止まります。"
                    : "Once you have read the message, press the button. It stops the repeats.", r.token);
        return;
    case MMR_REQUEST_CONFIRM:
        if (pass_on(a, r.token, MMR_DELIVERY_CONFIRMED, "link"))
            reply(a, c, "200 OK", is_ja ? "ありがとうございます" : "Thank you",
                  is_ja ? "確認を受け取りました。お知らせに書かれたお願いを、続けて行ってください。" : "Received. Please go on with what the message asks.", NULL);
        else
            reply(a, c, "503 Service Unavailable", is_ja ? "いま受け取れません" : "Not now",
                  is_ja ? "少し待って、もう一度押してください。" : "Please try again in a moment.", NULL);
        return;
    case MMR_REQUEST_REPORT:
        if (r.level != MMR_DELIVERY_TRIED && !pass_on(a, r.token, r.level, "gateway"))
            reply(a, c, "503 Service Unavailable", "Not now", "Try again.", NULL);
        else
            reply(a, c, "200 OK", "OK", "OK", NULL);
        return;
    case MMR_REQUEST_OTHER: reply(a, c, "404 Not Found", is_ja ? "見つかりません" : "Not found", is_ja ? "お知らせのリンクをもう一度開いてください。" : "Please open the link of the message again.", NULL); return;
    default: reply(a, c, "400 Bad Request", "Bad request", "Bad request", NULL); return;
    }
}

static void take(struct answers *a)
{
    for (int k = 0; k < ACCEPT_AT_ONCE; k++) {
        int fd = accept4(a->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        struct client *c = NULL, *oldest = &a->client[0];
        if (fd < 0)
            return;
        for (int i = 0; i < CLIENTS_MAX && !c; i++) {
            if (a->client[i].fd < 0)
                c = &a->client[i];
            else if (a->client[i].since_ns < oldest->since_ns)
                oldest = &a->client[i];
        }
        if (!c) { /* silent connections do not keep a person out */
            hang_up(a, oldest);
            c = oldest;
        }
        c->fd = fd;
        c->len = 0;
        c->since_ns = mono(a);
        if (a->host->watch_fd(a->host->impl, fd, MMR_FD_READ, COOKIE_CLIENT) != 0) {
            (void)close(fd);
            c->fd = -1;
        }
    }
}

static void on_fd(void *self, int fd, unsigned rw, uint64_t cookie)
{
    struct answers *a = self;
    (void)rw;
    if (cookie == COOKIE_LISTEN) {
        take(a);
        return;
    }
    for (int i = 0; i < CLIENTS_MAX; i++) {
        struct client *c = &a->client[i];
        if (c->fd != fd)
            continue;
        ssize_t n = recv(fd, c->bytes + c->len, sizeof c->bytes - c->len, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            hang_up(a, c);
            return;
        }
        c->len += (size_t)n;
        serve(a, c);
        return;
    }
}

static void on_timer(void *self, uint64_t cookie)
{
    struct answers *a = self;
    int64_t now = mono(a);
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (a->client[i].fd >= 0 && now - a->client[i].since_ns > CLIENT_S * SECOND_NS)
            hang_up(a, &a->client[i]);
    (void)a->host->set_timer(a->host->impl, SWEEP_MS, cookie);
}

static int start(void *self, struct mmr_error *err)
{
    struct answers *a = self;
    char host[64];
    const char *colon = strrchr(a->cfg->listen, ':');
    struct sockaddr_in in = {.sin_family = AF_INET};
    long port = colon ? strtol(colon + 1, NULL, 10) : 0;
    size_t len = colon ? (size_t)(colon - a->cfg->listen) : 0;
    if (!len || len >= sizeof host || port < 1 || port > 65535)
        return mmr_fail(err, MMR_ECONFIG, "'listen': found '%.60s', expected ADDRESS:PORT, as in 127.0.0.1:8091", a->cfg->listen);
    memcpy(host, a->cfg->listen, len);
    host[len] = '\0';
    in.sin_port = htons((uint16_t)port);
    if (inet_pton(AF_INET, host, &in.sin_addr) != 1)
        return mmr_fail(err, MMR_ECONFIG, "'listen': '%.60s' is no IPv4 address", host);
    int yes = 1;
    struct sockaddr any;
    memcpy(&any, &in, sizeof any);
    a->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (a->fd < 0 || setsockopt(a->fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 || bind(a->fd, &any, sizeof in) != 0 || listen(a->fd, 64) != 0)
        return mmr_fail(err, MMR_EIO, "cannot listen on '%.60s': %s", a->cfg->listen, strerror(errno));
    (void)a->host->set_timer(a->host->impl, SWEEP_MS, COOKIE_SWEEP);
    return a->host->watch_fd(a->host->impl, a->fd, MMR_FD_READ, COOKIE_LISTEN);
}

static void stop(void *self)
{
    struct answers *a = self;
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (a->client[i].fd >= 0)
            hang_up(a, &a->client[i]);
    if (a->fd >= 0) {
        (void)a->host->watch_fd(a->host->impl, a->fd, 0, COOKIE_LISTEN);
        (void)close(a->fd);
    }
    a->fd = -1;
}

static void destroy(void *self)
{
    struct answers *a = self;
    if (a && a->fd >= 0)
        (void)close(a->fd);
    free(a);
}

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    struct answers *a = calloc(1, sizeof *a);
    if (!a)
        return mmr_fail(err, MMR_ENOMEM, "answers: out of memory");
    a->host = host;
    a->cfg = config;
    a->fd = -1;
    for (int i = 0; i < CLIENTS_MAX; i++)
        a->client[i].fd = -1;
    *ret_self = a;
    return 0;
}

static const struct mmr_cfg_key config_rows[] = {
    MMR_CFG(struct answers_config, listen, MMR_CFG_STR, 0, "127.0.0.1:8091", 0, 0, "ADDRESS:PORT to listen on, behind a web server with a certificate"),
    MMR_CFG(struct answers_config, language, MMR_CFG_STR, 0, "ja", 0, 0, "language of the page: ja or en"),
    {0},
};
static const struct mmr_sensor_ops sensor = {.struct_size = sizeof sensor, .start = start, .stop = stop};
static const char *const events[] = {"notice.answer", NULL};

MMR_PLUGIN(answers) = {
    MMR_PLUGIN_HEAD,
    .id = "org.mamori.answers", .name = "answers", .version = "0.1.0", .vendor = "mamori", .license = "Apache-2.0",
    .doc = "Hears the confirmations of people and the reports of gateways.",
    .side = MMR_SIDE_NETWORK | MMR_SIDE_ENDPOINT,
    .needs = MMR_NEED_LISTEN,
    .events = events, .config = config_rows, .config_size = sizeof(struct answers_config),
    .create = create, .destroy = destroy, .on_fd = on_fd, .on_timer = on_timer, .sensor = &sensor,
};
