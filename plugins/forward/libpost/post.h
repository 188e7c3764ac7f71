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
/* The same for a connection that stays (CURLOPT_CONNECT_ONLY): after done() with CURLE_OK it is the caller's to send on
 * (curl_easy_send) until mmr_post_drop(), which cleans it up. After a failure the caller cleans it up as above. */
int mmr_post_connect(struct mmr_post *p, CURL *easy, mmr_post_done_fn done, void *ctx, struct mmr_error *err);
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
