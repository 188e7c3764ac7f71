/* server.c - the control socket. What clients send is bounded and checked; a client that misbehaves loses its connection. */
#include "control/server.h"

#include "util/log.h"
#include "util/scope.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { COMMAND_MAX = 63, JSON_DEPTH = 16, ACCEPT_BATCH = 8, WRITE_PIECES = 16, STATUS_WRONG = 2, STATUS_FAILED = 3 };

struct client {
    struct mmr_control_server *s;
    uint64_t id;
    int fd;
    struct event *read_ev, *write_ev, *timer;
    struct evbuffer *out;
    size_t in_len, line_len; /* line_len: of an answer's line that is not complete yet */
    bool has_request;        /* the handler has it and has not ended it */
    bool is_eof;             /* will send nothing more */
    bool is_last;            /* close once everything is sent */
    bool is_cut;             /* close now */
    char in[MMR_CONTROL_REQUEST_MAX];
};
struct mmr_control_server {
    struct event_base *base;
    int fd;
    struct event *accept_ev, *rest; /* rest: no descriptor was free; try again later */
    mmr_control_fn handler;
    void *ctx;
    uint64_t last_id;
    struct mmr_control_limits limits;
    dev_t dev;
    ino_t ino;
    struct client *clients[MMR_CONTROL_CLIENTS_MAX];
    char path[sizeof((struct sockaddr_un *)0)->sun_path];
};

static void close_client(struct client *c)
{
    struct mmr_control_server *s = c->s;
    for (size_t i = 0; i < MMR_CONTROL_CLIENTS_MAX; i++)
        if (s->clients[i] == c)
            s->clients[i] = NULL;
    if (c->read_ev)
        event_free(c->read_ev);
    if (c->write_ev)
        event_free(c->write_ev);
    if (c->timer)
        event_free(c->timer);
    if (c->out)
        evbuffer_free(c->out);
    (void)close(c->fd);
    free(c);
}

static void arm(struct client *c)
{
    int64_t ms = c->has_request && evbuffer_get_length(c->out) == 0 ? c->s->limits.answer_ms : c->s->limits.idle_ms;
    struct timeval tv = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
    (void)event_add(c->timer, &tv);
}

/* Queue bytes; a client that takes nothing for too long is cut by its own loop callback, never from here. */
static int queue(struct client *c, const void *bytes, size_t len)
{
    if (c->is_cut)
        return MMR_ENOENT;
    if (len > MMR_CONTROL_WAITING_MAX - evbuffer_get_length(c->out) || evbuffer_add(c->out, bytes, len) != 0) {
        c->is_cut = true;
        event_active(c->write_ev, EV_WRITE, 0);
        return MMR_ETOOBIG;
    }
    (void)event_add(c->write_ev, NULL);
    return 0;
}

static struct client *find(struct mmr_control_server *s, uint64_t id)
{
    for (size_t i = 0; i < MMR_CONTROL_CLIENTS_MAX; i++)
        if (s->clients[i] && s->clients[i]->id == id)
            return s->clients[i];
    return NULL;
}

static int put_error(struct client *c, const char *text)
{
    struct json_object *o = json_object_new_object(), *t = json_object_new_string(text);
    int r = MMR_ENOMEM;
    if (o && t && json_object_object_add(o, "error", t) == 0) {
        t = NULL;
        const char *line = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
        r = line ? queue(c, line, strlen(line)) : MMR_ENOMEM;
        if (!r)
            r = queue(c, "\n", 1);
    }
    json_object_put(t);
    json_object_put(o);
    return r;
}

static void put_end(struct client *c, int status)
{
    char line[64];
    int n = snprintf(line, sizeof line, "%s{\"end\":true,\"status\":%d}\n", c->line_len ? "\n" : "", status);
    c->line_len = 0;
    (void)queue(c, line, (size_t)n);
}

static void refuse(struct client *c, const char *text, bool is_last)
{
    (void)put_error(c, text);
    put_end(c, STATUS_WRONG);
    c->is_last = c->is_last || is_last;
}

static bool is_command(const char *s, size_t len)
{
    if (len == 0 || len > COMMAND_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9') || s[i] == '.' || s[i] == '-' || s[i] == '_'))
            return false;
    return true;
}

/* One request without its newline. */
static void serve(struct client *c, const char *line, size_t len)
{
    struct json_tokener *t = json_tokener_new_ex(JSON_DEPTH);
    struct json_object *o = NULL, *command = NULL, *args = NULL, *none = NULL;
    if (len && line[len - 1] == '\r')
        len--;
    if (t && len && !memchr(line, '\0', len)) {
        json_tokener_set_flags(t, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
        o = json_tokener_parse_ex(t, line, (int)len);
        if (json_tokener_get_error(t) != json_tokener_success) {
            json_object_put(o);
            o = NULL;
        }
    }
    json_tokener_free(t);
    if (!o || !json_object_is_type(o, json_type_object)) {
        refuse(c, "the request is not one JSON object in one line; expected {\"command\":\"…\",\"args\":{…}}", false);
    } else if (!json_object_object_get_ex(o, "command", &command) || !json_object_is_type(command, json_type_string) ||
               !is_command(json_object_get_string(command), (size_t)json_object_get_string_len(command))) {
        refuse(c, "the request has no \"command\"; expected a word of at most 63 of a-z, 0-9, '.', '-' and '_'", false);
    } else if (json_object_object_get_ex(o, "args", &args) && !json_object_is_type(args, json_type_object)) {
        refuse(c, "the request's \"args\" are not an object; expected {…}", false);
    } else if (!args && !(none = json_object_new_object())) {
        refuse(c, "out of memory", true);
    } else {
        c->has_request = true;
        arm(c);
        c->s->handler(c->s->ctx, c->id, json_object_get_string(command), args ? args : none);
    }
    json_object_put(none);
    json_object_put(o);
}

/* The next request, once the one before is answered and its answer is sent. May call the handler. */
static void go_on(struct client *c)
{
    if (c->has_request || c->is_last || c->is_cut || evbuffer_get_length(c->out))
        return;
    const char *end = memchr(c->in, '\n', c->in_len);
    if (end) {
        size_t len = (size_t)(end - c->in);
        serve(c, c->in, len);
        c->in_len -= len + 1;
        memmove(c->in, c->in + len + 1, c->in_len);
    } else if (c->in_len == sizeof c->in) {
        refuse(c, "the request is longer than 65536 bytes, or has no newline at its end", true);
    } else if (c->is_eof && c->in_len) {
        refuse(c, "the request ended before its newline", true);
    }
}

static bool is_over(const struct client *c)
{
    return c->is_cut ||
           (!c->has_request && evbuffer_get_length(c->out) == 0 && (c->is_last || (c->is_eof && c->in_len == 0)));
}

static void after(struct client *c)
{
    go_on(c);
    if (is_over(c)) {
        close_client(c);
        return;
    }
    if (!c->is_eof && c->in_len < sizeof c->in)
        (void)event_add(c->read_ev, NULL);
}

static void on_read(evutil_socket_t fd, short what, void *ctx)
{
    struct client *c = ctx;
    (void)what;
    ssize_t n = recv(fd, c->in + c->in_len, sizeof c->in - c->in_len, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) /* it may still read the answer it waits for; if not, sending will tell */
        c->is_eof = true;
    else if (c->in_len == 0 && !c->is_last && !c->has_request)
        arm(c); /* from its first byte on, a request has the idle time to be complete */
    if (n > 0)
        c->in_len += (size_t)n;
    if (c->is_eof || c->in_len == sizeof c->in)
        (void)event_del(c->read_ev);
    if (c->is_last && c->in_len) /* told to go; what it still sends is not kept */
        c->in_len = 0;
    after(c);
}

/* false: the other end is gone */
static bool flush(struct client *c)
{
    while (evbuffer_get_length(c->out)) {
        struct evbuffer_iovec piece[WRITE_PIECES];
        struct iovec iov[WRITE_PIECES];
        int n = evbuffer_peek(c->out, -1, NULL, piece, WRITE_PIECES);
        if (n > WRITE_PIECES)
            n = WRITE_PIECES;
        for (int i = 0; i < n; i++)
            iov[i] = (struct iovec){piece[i].iov_base, piece[i].iov_len};
        struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)n};
        ssize_t sent = sendmsg(c->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0)
            return errno == EAGAIN || errno == EINTR;
        (void)evbuffer_drain(c->out, (size_t)sent);
        arm(c); /* it takes what it gets */
    }
    return true;
}

static void on_write(evutil_socket_t fd, short what, void *ctx)
{
    struct client *c = ctx;
    (void)fd;
    (void)what;
    if (c->is_cut || !flush(c)) {
        close_client(c);
        return;
    }
    if (evbuffer_get_length(c->out))
        return;
    (void)event_del(c->write_ev);
    after(c);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct client *c = ctx;
    (void)fd;
    (void)what;
    if (!c->has_request || evbuffer_get_length(c->out)) { /* idle, or takes nothing */
        close_client(c);
        return;
    }
    c->has_request = false;
    c->is_last = true; /* a late answer must not reach its next request */
    (void)put_error(c, "no answer came in time; 'mamori status' says what runs");
    put_end(c, STATUS_FAILED);
    arm(c);
}

/* Not a client: one line says why, as far as the socket takes it at once. */
static void turn_away(int fd, const char *why)
{
    char line[256];
    int n = snprintf(line, sizeof line, "{\"error\":\"%s\"}\n{\"end\":true,\"status\":%d}\n", why, STATUS_FAILED);
    (void)send(fd, line, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static bool may_ask(int fd)
{
    struct ucred who;
    socklen_t len = sizeof who;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) != 0)
        return false;
    if (who.uid == 0 || who.uid == geteuid())
        return true;
    mmr_log(MMR_LOG_WARN, "control.refused", "uid=%u pid=%d reason=\"only root and the user that runs mamori may ask\"",
            (unsigned)who.uid, (int)who.pid);
    return false;
}

static void take(struct mmr_control_server *s, int fd)
{
    size_t at = 0;
    while (at < MMR_CONTROL_CLIENTS_MAX && s->clients[at])
        at++;
    if (!may_ask(fd)) {
        turn_away(fd, "only root and the user that runs mamori may ask");
    } else if (at == MMR_CONTROL_CLIENTS_MAX) {
        turn_away(fd, "too many clients are connected; try again in a moment");
    } else {
        struct client *c = calloc(1, sizeof *c);
        if (c) {
            *c = (struct client){.s = s, .id = ++s->last_id, .fd = fd};
            c->out = evbuffer_new();
            c->read_ev = event_new(s->base, fd, EV_READ | EV_PERSIST, on_read, c);
            c->write_ev = event_new(s->base, fd, EV_WRITE | EV_PERSIST, on_write, c);
            c->timer = event_new(s->base, -1, 0, on_timer, c);
            if (c->out && c->read_ev && c->write_ev && c->timer && event_add(c->read_ev, NULL) == 0) {
                s->clients[at] = c;
                arm(c);
            } else {
                close_client(c);
            }
            return;
        }
    }
    (void)close(fd);
}

static void on_accept(evutil_socket_t fd, short what, void *ctx)
{
    struct mmr_control_server *s = ctx;
    (void)what;
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        int c = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (c >= 0) {
            take(s, c);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            /* the waiting client keeps the socket readable: look again later instead of at once for ever */
            static const struct timeval one_s = {.tv_sec = 1};
            (void)event_del(s->accept_ev);
            (void)event_add(s->rest, &one_s);
        }
        if (errno != EINTR && errno != ECONNABORTED)
            return;
    }
}

static void on_rest(evutil_socket_t fd, short what, void *ctx)
{
    struct mmr_control_server *s = ctx;
    (void)fd;
    (void)what;
    (void)event_add(s->accept_ev, NULL);
}

/* What stands at the path: nothing (0), or a socket nobody answers, which goes away. */
static int make_room(const struct sockaddr_un *at, struct mmr_error *err)
{
    struct stat st;
    if (lstat(at->sun_path, &st) != 0)
        return errno == ENOENT ? 0 : mmr_fail(err, MMR_EIO, "control socket '%s': %s", at->sun_path, strerror(errno));
    if (!S_ISSOCK(st.st_mode))
        return mmr_fail(err, MMR_EPERM, "control socket '%s': a file that is no socket stands there; remove it", at->sun_path);
    mmr_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return mmr_fail(err, MMR_EIO, "control socket '%s': %s", at->sun_path, strerror(errno));
    if (connect(fd, (const struct sockaddr *)at, sizeof *at) == 0 || errno == EAGAIN)
        return mmr_fail(err, MMR_EPERM, "control socket '%s': another mamori runs here; stop it first, or choose another node.run_dir",
                        at->sun_path);
    if (unlink(at->sun_path) != 0 && errno != ENOENT)
        return mmr_fail(err, MMR_EIO, "control socket '%s': %s", at->sun_path, strerror(errno));
    return 0;
}

static int listen_at(struct mmr_control_server *s, const char *path, struct mmr_error *err)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct stat st;
    size_t len = strlen(path);
    if (len >= sizeof at.sun_path)
        return mmr_fail(err, MMR_EINVAL, "control socket '%.60s…': the path has %zu bytes, a socket's may have %zu; choose a shorter node.run_dir",
                        path, len, sizeof at.sun_path - 1);
    memcpy(at.sun_path, path, len + 1);
    memcpy(s->path, path, len + 1);
    int r = make_room(&at, err);
    if (r)
        return r;
    s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* the mode is set before there is a name, so that nobody else ever finds it open */
    if (s->fd < 0 || fchmod(s->fd, 0600) != 0 || bind(s->fd, (const struct sockaddr *)&at, sizeof at) != 0)
        return mmr_fail(err, MMR_EIO, "control socket '%s': %s", path, strerror(errno));
    if (chmod(path, 0600) != 0 || lstat(path, &st) != 0 || listen(s->fd, MMR_CONTROL_CLIENTS_MAX) != 0) {
        r = mmr_fail(err, MMR_EIO, "control socket '%s': %s", path, strerror(errno));
        (void)unlink(path);
        return r;
    }
    s->dev = st.st_dev;
    s->ino = st.st_ino;
    return 0;
}

int mmr_control_server_new(struct event_base *base, const char *path, mmr_control_fn handler, void *ctx,
                           struct mmr_control_server **ret, struct mmr_error *err)
{
    struct mmr_control_server *s = calloc(1, sizeof *s);
    if (!s)
        return mmr_fail(err, MMR_ENOMEM, "control socket '%s': out of memory", path);
    *s = (struct mmr_control_server){.base = base, .fd = -1, .handler = handler, .ctx = ctx};
    mmr_control_server_limits(s, &(struct mmr_control_limits){0});
    int r = listen_at(s, path, err);
    if (!r) {
        s->accept_ev = event_new(base, s->fd, EV_READ | EV_PERSIST, on_accept, s);
        s->rest = event_new(base, -1, 0, on_rest, s);
        if (!s->accept_ev || !s->rest || event_add(s->accept_ev, NULL) != 0)
            r = mmr_fail(err, MMR_ENOMEM, "control socket '%s': out of memory", path);
    }
    if (r) {
        mmr_control_server_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

void mmr_control_server_limits(struct mmr_control_server *s, const struct mmr_control_limits *l)
{
    s->limits.idle_ms = l->idle_ms ? l->idle_ms : MMR_CONTROL_IDLE_S * INT64_C(1000);
    s->limits.answer_ms = l->answer_ms ? l->answer_ms : MMR_CONTROL_ANSWER_S * INT64_C(1000);
}

void mmr_control_server_free(struct mmr_control_server *s)
{
    struct stat st;
    if (!s)
        return;
    for (size_t i = 0; i < MMR_CONTROL_CLIENTS_MAX; i++)
        if (s->clients[i]) {
            (void)flush(s->clients[i]);
            close_client(s->clients[i]);
        }
    if (s->accept_ev)
        event_free(s->accept_ev);
    if (s->rest)
        event_free(s->rest);
    if (s->ino && lstat(s->path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
        (void)unlink(s->path); /* ours, and not the one of a mamori that was started since */
    if (s->fd >= 0)
        (void)close(s->fd);
    free(s);
}

static int add_to_line(struct client *c, const char *bytes, size_t len)
{
    if (memchr(bytes, '\n', len))
        return MMR_EINVAL;
    if (len > MMR_CONTROL_LINE_MAX - c->line_len) {
        c->is_cut = true;
        event_active(c->write_ev, EV_WRITE, 0);
        return MMR_ETOOBIG;
    }
    c->line_len += len;
    return len ? queue(c, bytes, len) : 0;
}

int mmr_control_part(struct mmr_control_server *s, uint64_t client, const char *piece, size_t len)
{
    struct client *c = find(s, client);
    return c && c->has_request ? add_to_line(c, piece, len) : MMR_ENOENT;
}

int mmr_control_answer(struct mmr_control_server *s, uint64_t client, const char *json_line, size_t len)
{
    struct client *c = find(s, client);
    if (!c || !c->has_request)
        return MMR_ENOENT;
    int r = add_to_line(c, json_line, len);
    if (!r)
        r = queue(c, "\n", 1);
    if (!r)
        c->line_len = 0;
    return r;
}

int mmr_control_error(struct mmr_control_server *s, uint64_t client, const char *text)
{
    struct client *c = find(s, client);
    return c && c->has_request ? put_error(c, text) : MMR_ENOENT;
}

void mmr_control_end(struct mmr_control_server *s, uint64_t client, int status)
{
    struct client *c = find(s, client);
    if (!c || !c->has_request)
        return;
    put_end(c, status);
    c->has_request = false;
}
