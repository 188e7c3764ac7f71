/*
 * main.c - outlet program: records into a stream of NATS JetStream, told done when the stream's servers acknowledged them. Started by
 * 'mamori upstream'. The library (libnats) and its threads are here and nowhere else.
 */
#include "engine/nats/nats.h"
#include "util/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* "a, b" into copies. errors MMR_ECONFIG more than there is room for */
static int split(const char *list, char **ret, int *ret_n, const char *key, struct mmr_error *err)
{
    for (const char *p = list; *p;) {
        size_t n = strcspn(p, ",");
        if (*ret_n == MMR_NATS_URLS_MAX)
            return mmr_fail(err, MMR_ECONFIG, "%s: more than %d", key, MMR_NATS_URLS_MAX);
        if (n && !(ret[(*ret_n)++] = strndup(p, n)))
            return mmr_fail(err, MMR_ENOMEM, "%s: out of memory", key);
        p += n + (p[n] == ',');
    }
    return 0;
}

static char *copy(const char *const pairs[][2], size_t n, const char *key)
{
    return strdup(mmr_engine_pair(pairs, n, key));
}

static int open_engine(void *ctx, struct mmr_engine_host *h, const char *const pairs[][2], size_t n, int *ret_fd, struct mmr_error *err)
{
    struct mmr_nats *x = ctx;
    x->host = h;
    int r = split(mmr_engine_pair(pairs, n, "engine"), x->urls, &x->n_urls, "collector.engine", err);
    if (!r)
        r = split(mmr_engine_pair(pairs, n, "engine_monitor"), x->monitors, &x->n_monitors, "collector.engine_monitor", err);
    if (r)
        return r;
    x->stream = copy(pairs, n, "engine_stream");
    x->subject = copy(pairs, n, "engine_subject");
    x->login = copy(pairs, n, "engine_login");
    x->ca = copy(pairs, n, "engine_ca");
    x->replicas = strtoll(mmr_engine_pair(pairs, n, "engine_replicas"), NULL, 10);
    x->dedup_ms = strtoll(mmr_engine_pair(pairs, n, "engine_dedup"), NULL, 10);
    if (!x->stream || !x->subject || !x->login || !x->ca)
        return mmr_fail(err, MMR_ENOMEM, "out of memory");
    if (!*x->stream || strpbrk(x->stream, " .*>/\\\t"))
        return mmr_fail(err, MMR_ECONFIG, "collector.engine_stream '%.60s': expected a stream's name, without '.', '*', '>', '/' and blanks", x->stream);
    if (!*x->subject || strpbrk(x->subject, " *>\t") || x->subject[0] == '.' || x->subject[strlen(x->subject) - 1] == '.' || strstr(x->subject, ".."))
        return mmr_fail(err, MMR_ECONFIG, "collector.engine_subject '%.60s': expected words with dots between, as in 'mamori.v1'", x->subject);
    if ((x->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) < 0)
        return mmr_fail(err, MMR_EIO, "eventfd: %s", strerror(errno));
    *ret_fd = x->wake_fd;
    if ((r = mmr_nats_publish_open(x, err)) != 0)
        return r;
    return mmr_nats_prepare(x, err);
}

static void record(void *ctx, const struct mmr_engine_record *r)
{
    mmr_nats_take(ctx, r);
}

static int work(void *ctx, int64_t now_ns, struct mmr_error *err)
{
    struct mmr_nats *x = ctx;
    uint64_t n;
    bool is_good = false;
    if (read(x->wake_fd, &n, sizeof n) < 0 && errno != EAGAIN)
        return mmr_fail(err, MMR_EIO, "eventfd: %s", strerror(errno));
    int r = mmr_nats_tend(x, now_ns, &is_good, err);
    if (!r)
        mmr_nats_publish(x, now_ns, is_good);
    return r;
}

int main(void)
{
    static const struct mmr_engine_ops ops = {.name = "nats", .open = open_engine, .record = record, .work = work};
    struct mmr_nats *x = calloc(1, sizeof *x);
    if (!x || pthread_mutex_init(&x->lock, NULL) != 0)
        return 3;
    int status = mmr_engine_serve(&ops, x);
    mmr_log(MMR_LOG_INFO, "nats.ended", "stored=%llu known_already=%llu", (unsigned long long)x->stored, (unsigned long long)x->doubled);
    (void)fflush(NULL);
    _exit(status); /* the library's threads end with the process: everything that counts was told */
}
