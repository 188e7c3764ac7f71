/* outlet_program.c - see outlet.h. The program is ours and seals nothing: what it says is read with bounds, and it is ended when it talks nonsense or stands still. */
#include "upstream/outlet.h"

#include "util/clock.h"
#include "util/log.h"
#include "util/scope.h"
#include "util/table.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTLETS_DIR "outlets"
enum { SETTINGS_MAX = 16 * 1024, DELAY_MS = 200, DELAY_MAX_MS = 30000, STILL_MS = 30000, SOCKET_BYTES = 1024 * 1024, STEADY_MS = 60000 };

extern char **environ;

struct flying {
    uint64_t seq;
    size_t len;
    UT_hash_handle hh;
};
struct program {
    struct mmr_outlet o;
    struct event_base *base;
    struct event *on_read, *on_write, *start_timer;
    char path[4200], settings[SETTINGS_MAX];
    size_t settings_len;
    pid_t pid;
    struct mmr_engine_pipe pipe;
    bool is_ready, was_full;
    int64_t started_ns, heard_ns, delay_ms;
    struct flying *flying;
    size_t bytes;
    uint32_t n;
};

static struct program *of(struct mmr_outlet *o)
{
    return (struct program *)(void *)o;
}

static void forget_all(struct program *x)
{
    struct flying *f, *next;
    HASH_ITER(hh, x->flying, f, next)
    {
        HASH_DEL(x->flying, f);
        free(f);
    }
    x->n = 0;
    x->bytes = 0;
}

static void forget(struct program *x, uint64_t seq)
{
    struct flying *f = NULL;
    HASH_FIND(hh, x->flying, &seq, sizeof seq, f);
    if (!f)
        return;
    HASH_DEL(x->flying, f);
    x->n--;
    x->bytes -= f->len;
    free(f);
}

/* ---- its life ---- */

static void drop_events(struct program *x)
{
    if (x->on_read)
        event_free(x->on_read);
    if (x->on_write)
        event_free(x->on_write);
    x->on_read = x->on_write = NULL;
}

/* Its end of the pipe is closed: mostly it is about to end, and says how. Waits a tenth of a second at most. */
static bool has_ended(pid_t pid, int *ret_status)
{
    const struct timespec wait = {.tv_nsec = 10 * 1000000};
    for (int i = 0; i < 10; i++) {
        if (waitpid(pid, ret_status, WNOHANG) == pid)
            return true;
        (void)nanosleep(&wait, NULL);
    }
    return false;
}

/* It has ended, or is ended now; it starts again after its delay. */
static void end(struct program *x, const char *why)
{
    int status = 0;
    drop_events(x);
    mmr_engine_pipe_done(&x->pipe);
    if (x->pid > 0 && !has_ended(x->pid, &status)) {
        (void)kill(x->pid, SIGKILL); /* nothing of it counts that was not told: it need not be asked */
        while (waitpid(x->pid, &status, 0) < 0 && errno == EINTR)
            ;
    }
    if (mmr_clock_mono_ns() - x->started_ns > STEADY_MS * MMR_NS_PER_MS)
        x->delay_ms = DELAY_MS;
    mmr_log(MMR_LOG_ERR, "outlet.ended", "outlet=%s pid=%d reason=\"%s\" status=%d not_acknowledged=%u again_ms=%lld what=\"sites keep what is not acknowledged\"",
            x->o.ops->name, (int)x->pid, why, WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), x->n, (long long)x->delay_ms);
    const struct timeval tv = {.tv_sec = x->delay_ms / 1000, .tv_usec = x->delay_ms % 1000 * 1000};
    x->pid = 0;
    x->is_ready = false;
    forget_all(x);
    x->delay_ms = x->delay_ms * 2 < DELAY_MAX_MS ? x->delay_ms * 2 : DELAY_MAX_MS;
    (void)event_add(x->start_timer, &tv);
    if (x->o.sink.lost)
        x->o.sink.lost(x->o.sink.ctx, &x->o);
}

static void push(struct program *x)
{
    if (mmr_engine_flush(&x->pipe) != 0) {
        end(x, "its pipe is closed");
        return;
    }
    if (mmr_engine_unsent(&x->pipe))
        (void)event_add(x->on_write, NULL);
}

static void on_writable(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    push(ctx);
}

static int on_frame(void *ctx, uint32_t op, const uint8_t *bytes, size_t len)
{
    struct program *x = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    const char *why;
    char text[400];
    uint64_t seq;
    x->heard_ns = mmr_clock_mono_ns();
    switch (op) {
    case MMR_ENGINE_BEAT: return 0;
    case MMR_ENGINE_READY:
        x->is_ready = x->was_full = true; /* was_full: the owner is told that it may give */
        mmr_log(MMR_LOG_INFO, "outlet.ready", "outlet=%s", x->o.ops->name);
        return 0;
    case MMR_ENGINE_AWAY:
        x->is_ready = false;
        mmr_log(MMR_LOG_ERR, "outlet.away", "outlet=%s reason=\"%s\" what=\"sites keep their records until it is back\"", x->o.ops->name,
                mmr_log_quote((const char *)bytes, len ? len - 1 : 0, text, sizeof text));
        return 0;
    case MMR_ENGINE_DONE:
        if (len % sizeof seq)
            return MMR_EBADMSG;
        for (size_t at = 0; at < len; at += sizeof seq) {
            memcpy(&seq, bytes + at, sizeof seq);
            forget(x, seq);
            x->o.sink.done(x->o.sink.ctx, &x->o, seq);
        }
        return 0;
    case MMR_ENGINE_NEVER:
        if (mmr_engine_never_read(bytes, len, &seq, &why, &err) != 0)
            return MMR_EBADMSG;
        forget(x, seq);
        x->o.sink.never(x->o.sink.ctx, &x->o, seq, mmr_log_quote(why, strlen(why), text, sizeof text));
        return 0;
    default: return MMR_EBADMSG;
    }
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
    struct program *x = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    (void)fd;
    (void)what;
    int r = mmr_engine_read(&x->pipe, on_frame, x, &err);
    if (r) {
        end(x, r == MMR_EBADMSG ? "it says what no outlet says" : "it ended");
        return;
    }
    if (x->was_full && x->is_ready && x->o.sink.ready) {
        x->was_full = false;
        x->o.sink.ready(x->o.sink.ctx, &x->o);
    }
}

static int spawn(struct program *x, int theirs)
{
    posix_spawn_file_actions_t a;
    posix_spawnattr_t attr;
    sigset_t none;
    char *argv[] = {x->path, NULL};
    if (posix_spawn_file_actions_init(&a) != 0)
        return ENOMEM;
    if (posix_spawnattr_init(&attr) != 0) {
        (void)posix_spawn_file_actions_destroy(&a);
        return ENOMEM;
    }
    (void)sigemptyset(&none);
    int e = posix_spawn_file_actions_adddup2(&a, theirs, MMR_ENGINE_FD);
    if (!e)
        e = posix_spawn_file_actions_addclosefrom_np(&a, MMR_ENGINE_FD + 1);
    if (!e)
        e = posix_spawnattr_setsigmask(&attr, &none);
    if (!e)
        e = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
    if (!e)
        e = posix_spawn(&x->pid, x->path, &a, &attr, argv, environ);
    (void)posix_spawn_file_actions_destroy(&a);
    (void)posix_spawnattr_destroy(&attr);
    return e;
}

static void start(evutil_socket_t none, short what, void *ctx)
{
    struct program *x = ctx;
    const int bytes = SOCKET_BYTES;
    int sv[2];
    (void)none;
    (void)what;
    x->pid = 0;
    x->started_ns = x->heard_ns = mmr_clock_mono_ns();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) != 0) {
        end(x, strerror(errno));
        return;
    }
    for (int i = 0; i < 2; i++)
        (void)setsockopt(sv[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    int e = spawn(x, sv[1]);
    (void)close(sv[1]);
    mmr_engine_pipe_init(&x->pipe, sv[0]);
    if (e) {
        x->pid = 0;
        end(x, strerror(e));
        return;
    }
    x->on_read = event_new(x->base, sv[0], EV_READ | EV_PERSIST, on_readable, x);
    x->on_write = event_new(x->base, sv[0], EV_WRITE, on_writable, x);
    if (!x->on_read || !x->on_write || event_add(x->on_read, NULL) != 0 ||
        mmr_engine_put(&x->pipe, MMR_ENGINE_OPEN, x->settings, x->settings_len, NULL, 0) != 0) {
        end(x, "out of memory");
        return;
    }
    mmr_log(MMR_LOG_INFO, "outlet.started", "outlet=%s pid=%d", x->o.ops->name, (int)x->pid);
    push(x);
}

/* ---- as an outlet ---- */

static int submit(struct mmr_outlet *o, const struct mmr_engine_record *r, struct mmr_error *err)
{
    struct program *x = of(o);
    struct flying *f = NULL;
    HASH_FIND(hh, x->flying, &r->seq, sizeof r->seq, f);
    if (f)
        return 1;
    if (!x->is_ready || x->n == MMR_ENGINE_WINDOW || (x->n && x->bytes + r->len > MMR_ENGINE_WINDOW_BYTES)) {
        x->was_full = true;
        return MMR_EAGAIN;
    }
    if (!(f = calloc(1, sizeof *f)))
        return MMR_EAGAIN;
    int e = mmr_engine_put_record(&x->pipe, r);
    if (e) {
        free(f);
        x->was_full = true;
        return e == MMR_ETOOBIG && r->len > MMR_ENGINE_JSON_MAX ? mmr_fail(err, e, "a record of %zu bytes; expected at most %d", r->len, MMR_ENGINE_JSON_MAX) : MMR_EAGAIN;
    }
    f->seq = r->seq;
    f->len = r->len;
    HASH_ADD(hh, x->flying, seq, sizeof f->seq, f);
    x->n++;
    x->bytes += r->len;
    return 0;
}

static int settle(struct mmr_outlet *o, struct mmr_error *err)
{
    struct program *x = of(o);
    (void)err;
    if (x->pid > 0)
        push(x);
    return 0;
}

static void work(struct mmr_outlet *o, int64_t mono_ns)
{
    struct program *x = of(o);
    if (x->pid > 0 && mono_ns - x->heard_ns > STILL_MS * MMR_NS_PER_MS)
        end(x, "it stands still: no beat for 30 s");
}

static void close_outlet(struct mmr_outlet *o)
{
    struct program *x = of(o);
    drop_events(x);
    mmr_engine_pipe_done(&x->pipe); /* by which it ends */
    for (int i = 0; i < 50 && x->pid > 0; i++) {
        const struct timespec wait = {.tv_nsec = 20 * 1000000};
        if (waitpid(x->pid, NULL, WNOHANG) == x->pid)
            x->pid = 0;
        else
            (void)nanosleep(&wait, NULL);
    }
    if (x->pid > 0) {
        (void)kill(x->pid, SIGKILL);
        (void)waitpid(x->pid, NULL, 0);
    }
    if (x->start_timer)
        event_free(x->start_timer);
    forget_all(x);
    explicit_bzero(x->settings, sizeof x->settings);
    free(x);
}

static const struct mmr_outlet_ops nats_ops = {.name = "nats", .submit = submit, .settle = settle, .work = work, .close = close_outlet};

static const struct mmr_outlet_ops postgresql_ops = {.name = "postgresql", .submit = submit, .settle = settle, .work = work, .close = close_outlet};

static const struct { /* which engine a URL is for */
    const char *scheme;
    const struct mmr_outlet_ops *ops;
} engines[] = {{"nats://", &nats_ops}, {"tls://", &nats_ops}, {"postgresql://", &postgresql_ops}};

bool mmr_outlet_program_is_ready(const struct mmr_outlet *o)
{
    return ((const struct program *)(const void *)o)->is_ready;
}

int mmr_outlet_program_pid(const struct mmr_outlet *o)
{
    return (int)((const struct program *)(const void *)o)->pid;
}

/* ---- opening ---- */

/* Beside the executable, or where it is installed; owned by root or us, and not to be written by others: it gets the engine's credentials. */
static int find(const char *name, char *ret, size_t cap, struct mmr_error *err)
{
    static const char *const tails[] = {OUTLETS_DIR, "../" MMR_LIBDIR "/mamori/" OUTLETS_DIR, "../lib/mamori/" OUTLETS_DIR,
                                        "../../" OUTLETS_DIR}; /* the last: programs of a build's tests */
    char exe[2048];
    struct stat st;
    ssize_t len = readlink("/proc/self/exe", exe, sizeof exe - 1);
    exe[len > 0 ? len : 0] = '\0';
    char *slash = strrchr(exe, '/');
    if (slash)
        *slash = '\0';
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        (void)snprintf(ret, cap, "%s/%s/%s", exe, tails[i], name);
        if (stat(ret, &st) != 0)
            continue;
        if (!S_ISREG(st.st_mode) || (st.st_mode & (S_IWGRP | S_IWOTH)) || (st.st_uid != 0 && st.st_uid != geteuid()))
            return mmr_fail(err, MMR_ECONFIG, "outlet program '%.200s' is another user's, or can be written by others; expected root's, mode 0755", ret);
        return 0;
    }
    return mmr_fail(err, MMR_ECONFIG, "collector.engine: there is no outlet program '%s' in '%.150s/%s' or '../%s/mamori/%s'; this build was made without it",
                    name, exe, OUTLETS_DIR, MMR_LIBDIR, OUTLETS_DIR);
}

__attribute__((format(printf, 3, 4))) static void set(struct program *x, const char *key, const char *fmt, ...)
{
    char value[8192];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(value, sizeof value, fmt, ap);
    va_end(ap);
    size_t k = strlen(key) + 1, v = (n < 0 ? 0 : (size_t)n) + 1;
    if (n < 0 || v > sizeof value || x->settings_len + k + v > sizeof x->settings)
        return;
    memcpy(x->settings + x->settings_len, key, k);
    memcpy(x->settings + x->settings_len + k, value, v);
    x->settings_len += k + v;
}

static void set_list(struct program *x, const struct mmr_config *c, const char *key, const char *path)
{
    struct mmr_strv list = mmr_config_strv(c, path);
    char text[4096] = "";
    for (size_t i = 0, at = 0; i < list.n && at + strlen(list.v[i]) + 2 < sizeof text; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", i ? "," : "", list.v[i]);
    set(x, key, "%s", text);
}

static const char *or_nothing(const char *text)
{
    return text ? text : "";
}

int mmr_outlet_program_open(struct event_base *base, const struct mmr_config *config, const struct mmr_outlet_sink *sink, struct mmr_outlet **ret,
                            struct mmr_error *err)
{
    struct mmr_strv urls = mmr_config_strv(config, "collector.engine");
    const struct mmr_outlet_ops *ops = NULL;
    const char *first = urls.n ? urls.v[0] : "";
    for (size_t i = 0; i < sizeof engines / sizeof engines[0]; i++)
        if (strncmp(first, engines[i].scheme, strlen(engines[i].scheme)) == 0)
            ops = engines[i].ops;
    if (!ops)
        return mmr_fail(err, MMR_ECONFIG, "collector.engine '%.100s': expected nats://HOST:PORT, tls://HOST:PORT or postgresql://USER@HOST/DATABASE", first);
    struct program *x = calloc(1, sizeof *x);
    if (!x)
        return mmr_fail(err, MMR_ENOMEM, "collector.engine: out of memory");
    x->o.ops = ops;
    x->o.sink = *sink;
    x->base = base;
    x->pipe.fd = -1;
    x->delay_ms = DELAY_MS;
    x->was_full = true;
    int r = find(ops->name, x->path, sizeof x->path, err);
    if (!r && !(x->start_timer = event_new(base, -1, 0, start, x)))
        r = mmr_fail(err, MMR_ENOMEM, "collector.engine: out of memory");
    if (r) {
        close_outlet(&x->o);
        return r;
    }
    set_list(x, config, "engine", "collector.engine");
    set_list(x, config, "engine_monitor", "collector.engine_monitor");
    set(x, "engine_stream", "%s", mmr_config_str(config, "collector.engine_stream"));
    set(x, "engine_subject", "%s", mmr_config_str(config, "collector.engine_subject"));
    set(x, "engine_login", "%s", or_nothing(mmr_config_str(config, "collector.engine_login")));
    set(x, "engine_ca", "%s", or_nothing(mmr_config_str(config, "collector.engine_ca")));
    set(x, "engine_replicas", "%lld", (long long)mmr_config_int(config, "collector.engine_replicas"));
    set(x, "engine_dedup", "%lld", (long long)mmr_config_int(config, "collector.engine_dedup"));
    start(-1, 0, x);
    *ret = &x->o;
    return 0;
}
