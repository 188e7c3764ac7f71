/* post.c - see post.h. curl says which descriptors it waits for and when it wants to be called; the host does the rest. */
#include "post.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CONNECT_MS = 15000 };

struct transfer {
    CURL *easy;
    mmr_post_done_fn done;
    void *ctx;
    bool is_kept;
    char error[CURL_ERROR_SIZE];
};
struct mmr_post {
    const struct mmr_host *host;
    uint64_t cookie;
    CURLM *multi;
    struct transfer *running[MMR_POST_AT_ONCE];
    unsigned n;
};

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *per_socket)
{
    struct mmr_post *p = ctx;
    (void)easy;
    (void)per_socket;
    unsigned rw = (what & CURL_POLL_IN ? MMR_FD_READ : 0U) | (what & CURL_POLL_OUT ? MMR_FD_WRITE : 0U);
    (void)p->host->watch_fd(p->host->impl, fd, what == CURL_POLL_REMOVE ? 0 : rw, p->cookie);
    return 0;
}

static int on_wait(CURLM *multi, long ms, void *ctx)
{
    struct mmr_post *p = ctx;
    (void)multi;
    (void)p->host->set_timer(p->host->impl, ms, p->cookie); /* -1 stops it there, too */
    return 0;
}

int mmr_post_new(const struct mmr_host *host, uint64_t cookie, struct mmr_post **ret, struct mmr_error *err)
{
    struct mmr_post *p = calloc(1, sizeof *p);
    if (p && curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
        p->multi = curl_multi_init();
    if (!p || !p->multi) {
        free(p);
        return mmr_fail(err, MMR_ENOMEM, "transfers: out of memory");
    }
    p->host = host;
    p->cookie = cookie;
    (void)curl_multi_setopt(p->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    (void)curl_multi_setopt(p->multi, CURLMOPT_SOCKETDATA, p);
    (void)curl_multi_setopt(p->multi, CURLMOPT_TIMERFUNCTION, on_wait);
    (void)curl_multi_setopt(p->multi, CURLMOPT_TIMERDATA, p);
    (void)curl_multi_setopt(p->multi, CURLMOPT_MAXCONNECTS, 4L);
    *ret = p;
    return 0;
}

static void let_go(struct mmr_post *p, unsigned i)
{
    (void)curl_multi_remove_handle(p->multi, p->running[i]->easy);
    p->running[i] = p->running[--p->n];
}

void mmr_post_free(struct mmr_post *p)
{
    if (!p)
        return;
    while (p->n) {
        struct transfer *t = p->running[0];
        let_go(p, 0);
        curl_easy_cleanup(t->easy);
        free(t);
    }
    (void)curl_multi_cleanup(p->multi);
    free(p);
}

unsigned mmr_post_running(const struct mmr_post *p)
{
    return p->n;
}

static int start(struct mmr_post *p, CURL *easy, bool is_kept, mmr_post_done_fn done, void *ctx, struct mmr_error *err)
{
    if (p->n == MMR_POST_AT_ONCE)
        return MMR_EAGAIN;
    struct transfer *t = calloc(1, sizeof *t);
    if (!t)
        return mmr_fail(err, MMR_ENOMEM, "transfers: out of memory");
    *t = (struct transfer){.easy = easy, .done = done, .ctx = ctx, .is_kept = is_kept};
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->error);
    p->running[p->n++] = t;
    if (curl_multi_add_handle(p->multi, easy) != CURLM_OK) {
        p->n--;
        free(t);
        return mmr_fail(err, MMR_ENOMEM, "transfers: out of memory");
    }
    return 0;
}

int mmr_post_start(struct mmr_post *p, CURL *easy, mmr_post_done_fn done, void *ctx, struct mmr_error *err)
{
    return start(p, easy, false, done, ctx, err);
}

void mmr_post_drop(struct mmr_post *p, CURL *easy)
{
    for (unsigned i = 0; i < p->n; i++)
        if (p->running[i]->easy == easy) {
            struct transfer *t = p->running[i];
            let_go(p, i);
            curl_easy_cleanup(easy);
            free(t);
            return;
        }
}

/* Those that are over; done() may start others. */
static void reap(struct mmr_post *p)
{
    CURLMsg *m;
    int left;
    while ((m = curl_multi_info_read(p->multi, &left))) {
        unsigned i = 0;
        if (m->msg != CURLMSG_DONE)
            continue;
        CURL *easy = m->easy_handle;
        CURLcode code = m->data.result;
        while (i < p->n && p->running[i]->easy != easy)
            i++;
        if (i == p->n)
            continue;
        struct transfer *t = p->running[i];
        if (t->is_kept && code == CURLE_OK) {
            t->done(t->ctx, easy, code, "");
            continue;
        }
        let_go(p, i);
        (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL);
        t->done(t->ctx, easy, code, code == CURLE_OK ? "" : t->error[0] ? t->error : curl_easy_strerror(code));
        free(t);
    }
}

void mmr_post_fd(struct mmr_post *p, int fd, unsigned rw)
{
    int running, mask = (rw & MMR_FD_READ ? CURL_CSELECT_IN : 0) | (rw & MMR_FD_WRITE ? CURL_CSELECT_OUT : 0);
    (void)curl_multi_socket_action(p->multi, fd, mask, &running);
    reap(p);
}

void mmr_post_timer(struct mmr_post *p)
{
    int running;
    (void)curl_multi_socket_action(p->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    reap(p);
}

CURL *mmr_post_handle(int64_t timeout_ms, const char *ca_file)
{
    CURL *e = curl_easy_init();
    if (!e)
        return NULL;
    (void)curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(e, CURLOPT_NOPROGRESS, 1L);
    (void)curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    (void)curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)(timeout_ms < CONNECT_MS ? timeout_ms : CONNECT_MS));
    (void)curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    if (ca_file)
        (void)curl_easy_setopt(e, CURLOPT_CAINFO, ca_file);
    return e;
}

int mmr_post_dial(struct mmr_post *p, const struct mmr_post_line *l, mmr_post_done_fn done, void *ctx, CURL **ret, struct mmr_error *err)
{
    char url[300];
    /* CONNECT_ONLY: nothing of HTTP is said */
    if (snprintf(url, sizeof url, "%s://%s", l->is_tls ? "https" : "http", l->server) >= (int)sizeof url)
        return mmr_fail(err, MMR_ETOOBIG, "server '%.40s...' has %zu bytes, expected HOST:PORT of at most %zu", l->server, strlen(l->server), sizeof url - 9);
    CURL *e = mmr_post_handle(l->timeout_ms, l->ca_file);
    if (!e)
        return MMR_EAGAIN;
    (void)curl_easy_setopt(e, CURLOPT_URL, url);
    (void)curl_easy_setopt(e, CURLOPT_CONNECT_ONLY, 1L);
    (void)curl_easy_setopt(e, CURLOPT_SSL_ENABLE_ALPN, 0L);
    (void)curl_easy_setopt(e, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    if (l->is_tls && l->cert_file) {
        (void)curl_easy_setopt(e, CURLOPT_SSLCERT, l->cert_file);
        (void)curl_easy_setopt(e, CURLOPT_SSLKEY, l->key_file ? l->key_file : l->cert_file);
    }
    int r = start(p, e, true, done, ctx, err);
    if (r)
        curl_easy_cleanup(e);
    else
        *ret = e;
    return r;
}

int mmr_post_secret(const char *path, char buf[MMR_SECRET_MAX], struct mmr_error *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), code = 0;
    ssize_t n = 0;
    buf[0] = '\0';
    if (fd < 0 || fstat(fd, &st) != 0)
        code = mmr_fail(err, MMR_EIO, "cannot read '%s': %s", path, strerror(errno));
    else if (st.st_mode & (S_IRWXG | S_IRWXO))
        code = mmr_fail(err, MMR_EPERM, "'%s' holds a secret and is open to others; chmod 600 it", path);
    else if ((n = read(fd, buf, MMR_SECRET_MAX)) < 0)
        code = mmr_fail(err, MMR_EIO, "cannot read '%s': %s", path, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    size_t len = 0;
    if (!code && n < MMR_SECRET_MAX) {
        buf[n] = '\0';
        len = strcspn(buf, "\r\n");
    }
    buf[len] = '\0';
    if (!code && !len)
        code = mmr_fail(err, MMR_EBADMSG, "'%s' must hold one line of at most %d bytes", path, MMR_SECRET_MAX - 1);
    return code;
}
