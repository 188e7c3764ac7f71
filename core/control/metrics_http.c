/* metrics_http.c - see metrics_http.h. Requests come from outside: libevent reads them, within the limits set here. */
#include "control/metrics_http.h"

#include "control/openmetrics.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Who measures asks with one small request every few seconds. */
enum { WAITING_MAX = 16, HEAD_MAX = 4096, BODY_MAX = 1024, IDLE_S = 5, ANSWER_S = 10, PAUSE_S = 1 };

struct mmr_metrics_http {
    struct evhttp *http;
    struct evconnlistener *listener;
    struct event *late, *again; /* no answer came; each second: listen again where no descriptor was left */
    struct evhttp_request *waiting[WAITING_MAX];
    unsigned n;
    void (*wanted)(void *ctx);
    void *ctx;
    struct mmr_metrics_listen at;
};

static void reply(struct evhttp_request *req, int code, const char *why, const char *type, const char *text, size_t len)
{
    struct evkeyvalq *out = evhttp_request_get_output_headers(req);
    struct evbuffer *body = evbuffer_new();
    (void)evhttp_add_header(out, "Content-Type", type);
    (void)evhttp_add_header(out, "Cache-Control", "no-store");
    (void)evhttp_add_header(out, "X-Content-Type-Options", "nosniff");
    (void)evhttp_add_header(out, "Connection", "close");
    if (body)
        (void)evbuffer_add(body, text, len);
    evhttp_send_reply(req, code, why, body);
    if (body)
        evbuffer_free(body);
}

static void refuse(struct evhttp_request *req, int code, const char *why, const char *text)
{
    reply(req, code, why, "text/plain; charset=utf-8", text, strlen(text));
}

void mmr_metrics_http_answer(struct mmr_metrics_http *h, const char *text, size_t len)
{
    (void)event_del(h->late);
    while (h->n) {
        struct evhttp_request *req = h->waiting[--h->n];
        if (text)
            reply(req, HTTP_OK, "OK", MMR_OPENMETRICS_TYPE, text, len);
        else
            refuse(req, HTTP_SERVUNAVAIL, "Service Unavailable", "mamori does not answer now; see 'mamori status'\n");
    }
}

static void on_late(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    mmr_metrics_http_answer(ctx, NULL, 0);
}

static void on_request(struct evhttp_request *req, void *ctx)
{
    const struct timeval tv = {.tv_sec = ANSWER_S};
    struct mmr_metrics_http *h = ctx;
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(req);
    const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
    if (!path || strcmp(path, "/metrics") != 0) {
        refuse(req, HTTP_NOTFOUND, "Not Found", "measurements are at /metrics\n");
        return;
    }
    if (h->n == WAITING_MAX) {
        refuse(req, HTTP_SERVUNAVAIL, "Service Unavailable", "too many ask at once\n");
        return;
    }
    h->waiting[h->n++] = req;
    if (h->n > 1)
        return; /* it is asked for already */
    (void)event_add(h->late, &tv);
    h->wanted(h->ctx);
}

/* No descriptor left: without a pause the loop would do nothing else. The context is libevent's, not ours: h->again ends the pause. */
static void on_accept_error(struct evconnlistener *listener, void *ctx)
{
    (void)ctx;
    (void)evconnlistener_disable(listener);
}

static void on_again(evutil_socket_t fd, short what, void *ctx)
{
    struct mmr_metrics_http *h = ctx;
    (void)fd;
    (void)what;
    (void)evconnlistener_enable(h->listener);
}

static int bind_to(const struct mmr_metrics_listen *at, struct mmr_error *err)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(at->port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(at->port)};
    const struct sockaddr *a = at->is_unix ? (const void *)&un : at->is_v6 ? (const void *)&in6 : (const void *)&in;
    socklen_t len = at->is_unix ? sizeof un : at->is_v6 ? sizeof in6 : sizeof in;
    const int one = 1;
    struct stat st;
    int fd = socket(a->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r = 0;
    if (fd < 0)
        return mmr_fail(err, MMR_EIO, "metrics.listen: %s", strerror(errno));
    if (at->is_unix) {
        memcpy(un.sun_path, at->path, strlen(at->path) + 1);
        if (lstat(at->path, &st) == 0 && S_ISSOCK(st.st_mode))
            (void)unlink(at->path); /* one of ours, from before */
    } else if (inet_pton(a->sa_family, at->host, at->is_v6 ? (void *)&in6.sin6_addr : (void *)&in.sin_addr) != 1) {
        r = mmr_fail(err, MMR_ECONFIG, "metrics.listen: '%s' is no address", at->host);
    } else {
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    }
    if (!r && (bind(fd, a, len) != 0 || listen(fd, WAITING_MAX) != 0))
        r = at->is_unix ? mmr_fail(err, MMR_EIO, "metrics.listen '%s': %s", at->path, strerror(errno))
                        : mmr_fail(err, MMR_EIO, "metrics.listen '%s' port %u: %s", at->host, at->port, strerror(errno));
    if (!r && at->is_unix)
        (void)chmod(at->path, 0660); /* who measures is put into its group by the operator */
    if (r)
        (void)close(fd);
    return r ? r : fd;
}

int mmr_metrics_http_open(struct event_base *base, const struct mmr_metrics_listen *at, void (*wanted)(void *ctx), void *ctx,
                          struct mmr_metrics_http **ret, struct mmr_error *err)
{
    const struct timeval pause = {.tv_sec = PAUSE_S};
    int fd = bind_to(at, err);
    if (fd < 0)
        return fd;
    struct mmr_metrics_http *h = calloc(1, sizeof *h);
    struct evhttp_bound_socket *bound = NULL;
    if (h) {
        *h = (struct mmr_metrics_http){.wanted = wanted, .ctx = ctx, .at = *at};
        h->http = evhttp_new(base);
        h->late = event_new(base, -1, 0, on_late, h);
        h->again = event_new(base, -1, EV_PERSIST, on_again, h);
        bound = h->http && h->late && h->again ? evhttp_accept_socket_with_handle(h->http, fd) : NULL;
    }
    if (!bound) {
        (void)close(fd);
        mmr_metrics_http_close(h);
        return mmr_fail(err, MMR_ENOMEM, "metrics.listen: out of memory");
    }
    h->listener = evhttp_bound_socket_get_listener(bound);
    evconnlistener_set_error_cb(h->listener, on_accept_error);
    (void)event_add(h->again, &pause);
    evhttp_set_max_headers_size(h->http, HEAD_MAX);
    evhttp_set_max_body_size(h->http, BODY_MAX);
    evhttp_set_timeout(h->http, IDLE_S);
    evhttp_set_allowed_methods(h->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
    evhttp_set_gencb(h->http, on_request, h);
    *ret = h;
    return 0;
}

void mmr_metrics_http_close(struct mmr_metrics_http *h)
{
    if (!h)
        return;
    if (h->n)
        mmr_metrics_http_answer(h, NULL, 0);
    if (h->http)
        evhttp_free(h->http); /* the listener, too */
    if (h->late)
        event_free(h->late);
    if (h->again)
        event_free(h->again);
    if (h->at.is_unix)
        (void)unlink(h->at.path);
    free(h);
}
