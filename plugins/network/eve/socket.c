/* socket.c - see socket.h. Senders are trusted no further than the socket's mode: every line is bounded and parsed as foreign bytes. */
#include "socket.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { READ_BYTES = 64 * 1024, TURN_BYTES = 1024 * 1024, WAIT_MAX = 4 * 1024 * 1024 };

struct sender {
    int fd;
    char *line; /* the open line */
    size_t len, cap;
    bool is_skipping;
};
struct eve_socket {
    const struct mmr_host *host;
    char path[108];
    int fd;
    bool is_datagram, is_full;
    struct mmr_logdec *dec;
    struct sender sender[EVE_SENDERS_MAX];
    uint64_t line_no, too_long, lost, refused;
    uint64_t told;
    uint8_t *wait; /* events the bus did not take yet, each behind its length */
    size_t wait_len, wait_cap;
    char part[READ_BYTES];
};

/* ---- events ---- */

static void keep(struct eve_socket *s, const void *p, size_t len)
{
    size_t need = s->wait_len + sizeof len + len;
    if (need > s->wait_cap) {
        uint8_t *more = need > WAIT_MAX ? NULL : realloc(s->wait, need * 2);
        if (!more) {
            s->lost++;
            return;
        }
        s->wait = more;
        s->wait_cap = need * 2;
    }
    memcpy(s->wait + s->wait_len, &len, sizeof len);
    memcpy(s->wait + s->wait_len + sizeof len, p, len);
    s->wait_len = need;
}

static void watch_all(struct eve_socket *s, unsigned rw)
{
    if (s->fd >= 0)
        (void)s->host->watch_fd(s->host->impl, s->fd, rw, EVE_COOKIE + EVE_SENDERS_MAX);
    for (unsigned i = 0; i < EVE_SENDERS_MAX; i++)
        if (s->sender[i].fd >= 0)
            (void)s->host->watch_fd(s->host->impl, s->sender[i].fd, rw, EVE_COOKIE + i);
}

static void on_event(void *ctx, const void *msgpack, size_t len, int64_t time_ns)
{
    struct eve_socket *s = ctx;
    (void)time_ns;
    int r = s->is_full ? MMR_EAGAIN : s->host->emit(s->host->impl, msgpack, len);
    if (r == MMR_EAGAIN) {
        if (!s->is_full)
            watch_all(s, 0); /* until there is room */
        s->is_full = true;
        keep(s, msgpack, len);
    } else if (r != 0) {
        s->lost++;
    }
}

void eve_socket_room(struct eve_socket *s)
{
    size_t at = 0, len;
    if (!s->is_full)
        return;
    while (at < s->wait_len) {
        memcpy(&len, s->wait + at, sizeof len);
        int r = s->host->emit(s->host->impl, s->wait + at + sizeof len, len);
        if (r == MMR_EAGAIN)
            break;
        s->lost += r != 0;
        at += sizeof len + len;
    }
    memmove(s->wait, s->wait + at, s->wait_len - at);
    s->wait_len -= at;
    if (s->wait_len == 0) {
        s->is_full = false;
        watch_all(s, MMR_FD_READ);
    }
}

static void one_line(struct eve_socket *s, char *line, size_t len)
{
    s->line_no++;
    mmr_logdec_now(s->dec, s->host->now_ns(s->host->impl, MMR_CLOCK_WALL));
    if (len)
        mmr_logdec_line(s->dec, line, len, s->line_no, on_event, s);
}

void eve_socket_tick(struct eve_socket *s)
{
    const struct mmr_logdec_stats *st = mmr_logdec_stats(s->dec);
    uint64_t bad = s->too_long + s->lost + s->refused + st->unreadable;
    char text[256];
    if (bad == s->told)
        return;
    s->told = bad;
    (void)snprintf(text, sizeof text, "eve.left_out lines=%llu unreadable=%llu too_long=%llu lost=%llu senders_refused=%llu",
                   (unsigned long long)s->line_no, (unsigned long long)st->unreadable, (unsigned long long)s->too_long,
                   (unsigned long long)s->lost, (unsigned long long)s->refused);
    s->host->log(s->host->impl, MMR_LOG_WARN, text);
}

/* ---- bytes ---- */

static bool append(struct sender *c, const char *p, size_t n)
{
    if (c->len + n + 1 > c->cap) {
        size_t cap = c->cap ? c->cap : 4096;
        while (cap < c->len + n + 1)
            cap *= 2;
        char *more = realloc(c->line, cap);
        if (!more)
            return false;
        c->line = more;
        c->cap = cap;
    }
    memcpy(c->line + c->len, p, n);
    c->len += n;
    c->line[c->len] = '\0';
    return true;
}

static void take(struct eve_socket *s, struct sender *c, const char *p, size_t n)
{
    while (n) {
        const char *nl = memchr(p, '\n', n);
        size_t len = nl ? (size_t)(nl - p) : n;
        if (!c->is_skipping && (c->len + len > MMR_LOG_LINE_MAX || !append(c, p, len))) {
            c->is_skipping = true;
            s->too_long++;
        }
        if (nl) {
            if (!c->is_skipping)
                one_line(s, c->line, c->len);
            c->len = 0;
            c->is_skipping = false;
        }
        len += nl != NULL;
        p += len;
        n -= len;
    }
}

static void sender_done(struct eve_socket *s, struct sender *c)
{
    if (c->fd >= 0) {
        (void)s->host->watch_fd(s->host->impl, c->fd, 0, EVE_COOKIE + (uint64_t)(c - s->sender));
        (void)close(c->fd);
    }
    free(c->line);
    *c = (struct sender){.fd = -1};
}

static void accept_one(struct eve_socket *s)
{
    int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    for (unsigned i = 0; fd >= 0 && i < EVE_SENDERS_MAX; i++)
        if (s->sender[i].fd < 0) {
            s->sender[i].fd = fd;
            (void)s->host->watch_fd(s->host->impl, fd, MMR_FD_READ, EVE_COOKIE + i);
            return;
        }
    if (fd >= 0) {
        (void)close(fd);
        s->refused++;
    }
}

void eve_socket_readable(struct eve_socket *s, uint64_t cookie)
{
    uint64_t k = cookie - EVE_COOKIE;
    if (!s) /* no socket is configured */
        return;
    if (k == EVE_SENDERS_MAX && !s->is_datagram) {
        accept_one(s);
        return;
    }
    struct sender *c = k < EVE_SENDERS_MAX ? &s->sender[k] : NULL;
    int fd = c ? c->fd : s->fd;
    for (size_t done = 0; fd >= 0 && done < TURN_BYTES && !s->is_full;) {
        ssize_t n = recv(fd, s->part, sizeof s->part - 1, MSG_DONTWAIT | (c ? 0 : MSG_TRUNC));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            if (c && !s->is_full) {
                if (c->len && !c->is_skipping) /* its last line needs no newline */
                    one_line(s, c->line, c->len);
                sender_done(s, c);
            }
            return;
        }
        done += (size_t)n;
        if (c) {
            take(s, c, s->part, (size_t)n);
        } else if ((size_t)n >= sizeof s->part) {
            s->too_long++;
        } else {
            size_t len = (size_t)n;
            while (len && (s->part[len - 1] == '\n' || s->part[len - 1] == '\r'))
                len--;
            s->part[len] = '\0';
            one_line(s, s->part, len);
        }
    }
}

/* ---- life ---- */

static int bind_path(struct eve_socket *s, const char *path, const char *group, struct mmr_error *err)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct stat st;
    size_t len = strlen(path);
    const struct group *g = group && group[0] ? getgrnam(group) : NULL;
    if (path[0] != '/' || len >= sizeof a.sun_path)
        return mmr_fail(err, MMR_ECONFIG, "socket '%.120s': expected an absolute path of at most %zu bytes", path, sizeof a.sun_path - 1);
    if (group && group[0] && !g)
        return mmr_fail(err, MMR_ECONFIG, "group '%.60s' is not known on this machine", group);
    memcpy(a.sun_path, path, len + 1);
    if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
        return mmr_fail(err, MMR_ECONFIG, "socket '%s': there is something else under this name; move it away", path);
    (void)unlink(path); /* of an earlier run */
    s->fd = socket(AF_UNIX, (s->is_datagram ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->fd < 0 || bind(s->fd, (const struct sockaddr *)&a, sizeof a) != 0)
        return mmr_fail(err, MMR_EIO, "socket '%s': %s", path, strerror(errno));
    memcpy(s->path, path, len + 1);
    if (chmod(path, 0660) != 0 || (g && chown(path, (uid_t)-1, g->gr_gid) != 0) || (!s->is_datagram && listen(s->fd, EVE_SENDERS_MAX) != 0))
        return mmr_fail(err, MMR_EIO, "socket '%s': %s", path, strerror(errno));
    return 0;
}

int eve_socket_open(const struct mmr_host *host, const char *path, bool is_datagram, const char *group, struct eve_socket **ret,
                    struct mmr_error *err)
{
    struct eve_socket *s = calloc(1, sizeof *s);
    if (!s)
        return mmr_fail(err, MMR_ENOMEM, "eve: out of memory");
    s->host = host;
    s->fd = -1;
    s->is_datagram = is_datagram;
    for (unsigned i = 0; i < EVE_SENDERS_MAX; i++)
        s->sender[i].fd = -1;
    int r = mmr_logdec_new(MMR_LOG_EVE, NULL, host->now_ns(host->impl, MMR_CLOCK_WALL), &s->dec, err);
    if (r == 0)
        r = bind_path(s, path, group, err);
    if (r == 0)
        r = host->watch_fd(host->impl, s->fd, MMR_FD_READ, EVE_COOKIE + EVE_SENDERS_MAX);
    if (r < 0) {
        eve_socket_close(s);
        return r;
    }
    *ret = s;
    return 0;
}

void eve_socket_close(struct eve_socket *s)
{
    if (!s)
        return;
    for (unsigned i = 0; i < EVE_SENDERS_MAX; i++)
        sender_done(s, &s->sender[i]);
    if (s->fd >= 0) {
        (void)s->host->watch_fd(s->host->impl, s->fd, 0, EVE_COOKIE + EVE_SENDERS_MAX);
        (void)close(s->fd);
    }
    if (s->path[0])
        (void)unlink(s->path);
    mmr_logdec_free(s->dec);
    free(s->wait);
    free(s);
}
