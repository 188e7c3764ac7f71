/*
 * post.h - transfers of libcurl on the plugin host's own loop: no thread, no waiting. The plugin hands its on_fd and on_timer
 * here and gets a call when a transfer is over. Everything is [loop].
 */
#ifndef MMR_FORWARD_POST_H
#define MMR_FORWARD_POST_H

#include <mamori/plugin.h>

#include <curl/curl.h>

enum { MMR_POST_AT_ONCE = 32, MMR_SECRET_MAX = 4096 };

struct mmr_post;
/* cookie: of the timer and the descriptors this makes the host watch. errors MMR_ENOMEM */
int mmr_post_new(const struct mmr_host *host, uint64_t cookie, struct mmr_post **ret, struct mmr_error *err);
void mmr_post_free(struct mmr_post *p); /* ends what runs, done() is not called; accepts NULL */

/* easy is the callee's until done(), which may clean it up. error: words for people, "" when code is CURLE_OK. */
typedef void (*mmr_post_done_fn)(void *ctx, CURL *easy, CURLcode code, const char *error);
/* errors MMR_EAGAIN MMR_POST_AT_ONCE run already; MMR_ENOMEM */
int mmr_post_start(struct mmr_post *p, CURL *easy, mmr_post_done_fn done, void *ctx, struct mmr_error *err);
/*
 * mmr_post_dial - a connection that stays, for a protocol of the caller's own: TCP, or TLS with the server's name checked.
 * After done() with CURLE_OK it is the caller's to send on (curl_easy_send) until mmr_post_drop(), which cleans it up; after a
 * failure done() cleans it up.
 *
 * server  "HOST:PORT"; cert_file, key_file: our own, for TLS, or NULL (key_file NULL: it is in cert_file); texts are copied
 * ret     the connection
 * errors  MMR_EAGAIN MMR_POST_AT_ONCE run already, or no memory: try again; MMR_ENOMEM; MMR_ETOOBIG server
 */
struct mmr_post_line {
    const char *server, *ca_file, *cert_file, *key_file;
    bool is_tls;
    int64_t timeout_ms;
};
int mmr_post_dial(struct mmr_post *p, const struct mmr_post_line *l, mmr_post_done_fn done, void *ctx, CURL **ret, struct mmr_error *err);
void mmr_post_drop(struct mmr_post *p, CURL *easy);
unsigned mmr_post_running(const struct mmr_post *p);
void mmr_post_fd(struct mmr_post *p, int fd, unsigned rw); /* from on_fd with the cookie */
void mmr_post_timer(struct mmr_post *p);                   /* from on_timer with the cookie */

/* An easy handle with what all have: times, no signals, https or smtps only where the plugin says so. NULL: no memory */
CURL *mmr_post_handle(int64_t timeout_ms, const char *ca_file);
/* The first line of a file only its owner may read, for passwords and keys. buf is empty on failure.
 * errors MMR_EIO; MMR_EPERM others may read it; MMR_EBADMSG empty or over MMR_SECRET_MAX - 1 bytes */
int mmr_post_secret(const char *path, char buf[MMR_SECRET_MAX], struct mmr_error *err);

#endif
