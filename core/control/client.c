/* client.c - one request over the control socket; the lines that come back are bounded and checked. */
#include "control/client.h"

#include "control/server.h"
#include "util/clock.h"
#include "util/scope.h"

#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { FIRST_BYTES = 64 * 1024, JSON_DEPTH = 32 };

static int connect_to(const char *run_dir, const char *path, int *ret_fd, struct mmr_error *err)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len >= sizeof at.sun_path)
        return mmr_fail(err, MMR_EINVAL, "control socket '%.60s…': the path has %zu bytes, a socket's may have %zu; choose a shorter node.run_dir",
                        path, len, sizeof at.sun_path - 1);
    memcpy(at.sun_path, path, len + 1);
    mmr_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return mmr_fail(err, MMR_EIO, "control socket '%s': %s", path, strerror(errno));
    if (connect(fd, (const struct sockaddr *)&at, sizeof at) != 0) {
        if (errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR)
            return mmr_fail(err, MMR_ENOENT, "mamori is not running here (no socket '%s'); start it with 'mamori run'", path);
        if (errno == EACCES)
            return mmr_fail(err, MMR_EPERM, "control socket in '%s': this user may not ask; use the user that runs mamori, or root", run_dir);
        return mmr_fail(err, MMR_EIO, "control socket '%s': %s", path, strerror(errno));
    }
    *ret_fd = fd;
    fd = -1;
    return 0;
}

static int wait_for(int fd, short what, int64_t until_ns, int64_t timeout_ms, struct mmr_error *err)
{
    for (;;) {
        int64_t left_ms = (until_ns - mmr_clock_mono_ns() + MMR_NS_PER_MS - 1) / MMR_NS_PER_MS;
        struct pollfd p = {.fd = fd, .events = what};
        int n = left_ms > 0 ? poll(&p, 1, left_ms > 60000 ? 60000 : (int)left_ms) : 0;
        if (n > 0)
            return 0;
        if (left_ms <= 0)
            return mmr_fail(err, MMR_EIO, "the running mamori did not answer within %lld ms", (long long)timeout_ms);
        if (n < 0 && errno != EINTR)
            return mmr_fail(err, MMR_EIO, "control socket: %s", strerror(errno));
    }
}

static int send_all(int fd, const char *bytes, size_t len, int64_t until_ns, int64_t timeout_ms, struct mmr_error *err)
{
    while (len) {
        ssize_t n = send(fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            int r = wait_for(fd, POLLOUT, until_ns, timeout_ms, err);
            if (r)
                return r;
        } else if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) {
            return 0; /* it turned us away, and what it said why can still be read */
        } else if (n < 0 && errno != EINTR) {
            return mmr_fail(err, MMR_EIO, "control socket: %s", strerror(errno));
        }
    }
    return 0;
}

/* 1: that was the end; 0: go on; or what stops it. */
static int take_line(const char *text, size_t len, mmr_control_line_fn fn, void *ctx, int *ret_status, struct mmr_error *err)
{
    struct json_tokener *t = json_tokener_new_ex(JSON_DEPTH);
    struct json_object *o = NULL, *end = NULL, *status = NULL;
    int r = 0;
    if (!t)
        return mmr_fail(err, MMR_ENOMEM, "answer of the running mamori: out of memory");
    if (len && !memchr(text, '\0', len))
        o = json_tokener_parse_ex(t, text, (int)len);
    if (json_tokener_get_error(t) != json_tokener_success || !json_object_is_type(o, json_type_object)) {
        r = mmr_fail(err, MMR_EBADMSG, "the answer of the running mamori is not JSON; is it of another version?");
    } else if (json_object_object_get_ex(o, "end", &end) && json_object_get_boolean(end)) {
        *ret_status = json_object_object_get_ex(o, "status", &status) ? json_object_get_int(status) : 0;
        r = 1;
    } else {
        r = fn(ctx, o, text, len);
    }
    json_object_put(o);
    json_tokener_free(t);
    return r;
}

static int read_answer(int fd, int64_t until_ns, int64_t timeout_ms, mmr_control_line_fn fn, void *ctx, int *ret_status,
                       struct mmr_error *err)
{
    size_t cap = FIRST_BYTES, len = 0, seen = 0; /* seen: up to here there is no newline */
    mmr_autofree char *buf = malloc(cap);
    if (!buf)
        return mmr_fail(err, MMR_ENOMEM, "answer of the running mamori: out of memory");
    for (;;) {
        char *end = memchr(buf + seen, '\n', len - seen);
        if (end) {
            size_t n = (size_t)(end - buf);
            *end = '\0';
            int r = take_line(buf, n, fn, ctx, ret_status, err);
            if (r)
                return r == 1 ? 0 : r;
            len -= n + 1;
            memmove(buf, end + 1, len);
            seen = 0;
            continue;
        }
        seen = len;
        if (len == cap) {
            if (cap > MMR_CONTROL_LINE_MAX)
                return mmr_fail(err, MMR_EBADMSG, "a line of the answer is longer than %d bytes", MMR_CONTROL_LINE_MAX);
            char *more = realloc(buf, 2 * cap);
            if (!more)
                return mmr_fail(err, MMR_ENOMEM, "answer of the running mamori: out of memory");
            buf = more;
            cap *= 2;
        }
        int r = wait_for(fd, POLLIN, until_ns, timeout_ms, err);
        if (r)
            return r;
        ssize_t n = recv(fd, buf + len, cap - len, MSG_DONTWAIT);
        if (n > 0)
            len += (size_t)n;
        else if (n == 0 || (errno != EAGAIN && errno != EINTR))
            return mmr_fail(err, MMR_EIO, "the running mamori closed the connection before its answer was complete");
    }
}

int mmr_control_ask(const char *run_dir, const char *command, struct json_object *args, int64_t timeout_ms,
                    mmr_control_line_fn line, void *ctx, int *ret_status, struct mmr_error *err)
{
    char path[4096];
    mmr_autoclose int fd = -1;
    int64_t until_ns = mmr_clock_mono_ns() + timeout_ms * MMR_NS_PER_MS;
    if ((size_t)snprintf(path, sizeof path, "%s/%s", run_dir, MMR_CONTROL_SOCKET) >= sizeof path)
        return mmr_fail(err, MMR_EINVAL, "node.run_dir is longer than a path may be");
    int r = connect_to(run_dir, path, &fd, err);
    if (r)
        return r;
    struct json_object *o = json_object_new_object(), *name = json_object_new_string(command);
    if (!o || !name || json_object_object_add(o, "command", name) != 0) {
        json_object_put(name);
        json_object_put(o);
        return mmr_fail(err, MMR_ENOMEM, "request '%s': out of memory", command);
    }
    if (args && json_object_object_add(o, "args", json_object_get(args)) != 0) {
        json_object_put(args);
        r = mmr_fail(err, MMR_ENOMEM, "request '%s': out of memory", command);
    }
    const char *text = r ? NULL : json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    size_t len = text ? strlen(text) : 0;
    if (!r && !text)
        r = mmr_fail(err, MMR_ENOMEM, "request '%s': out of memory", command);
    else if (!r && len >= MMR_CONTROL_REQUEST_MAX)
        r = mmr_fail(err, MMR_ETOOBIG, "request '%s' has %zu bytes; at most %d are taken", command, len, MMR_CONTROL_REQUEST_MAX - 1);
    if (!r)
        r = send_all(fd, text, len, until_ns, timeout_ms, err);
    if (!r)
        r = send_all(fd, "\n", 1, until_ns, timeout_ms, err);
    json_object_put(o);
    return r ? r : read_answer(fd, until_ns, timeout_ms, line, ctx, ret_status, err);
}
