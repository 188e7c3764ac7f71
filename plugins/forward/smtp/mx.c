/* mx.c - see mx.h. */
#include "mx.h"

#include <ares.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TRY_MS = 3000, TRIES = 2, TICK_MS = 200, OTHERS_MAX = 32 };

struct mmr_mx {
    const struct mmr_host *host;
    uint64_t cookie;
    ares_channel channel;
    unsigned asked;
};
struct question {
    struct mmr_mx *m;
    mmr_mx_fn fn;
    void *ctx;
    struct mmr_mx_host host[MMR_MX_HOSTS_MAX];
    unsigned n, at, found;
    bool is_implicit; /* no MX: the domain's own address (RFC 5321 section 5.1) */
    char why[160];
};

static void on_state(void *ctx, ares_socket_t fd, int readable, int writable)
{
    struct mmr_mx *m = ctx;
    (void)m->host->watch_fd(m->host->impl, fd, (readable ? MMR_FD_READ : 0U) | (writable ? MMR_FD_WRITE : 0U), m->cookie);
}

int mmr_mx_new(const struct mmr_host *host, uint64_t cookie, const char *servers, struct mmr_mx **ret, struct mmr_error *err)
{
    struct mmr_mx *m = calloc(1, sizeof *m);
    if (!m || ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
        free(m);
        return mmr_fail(err, MMR_ENOMEM, "names: out of memory");
    }
    m->host = host;
    m->cookie = cookie;
    struct ares_options o = {.timeout = TRY_MS, .tries = TRIES, .sock_state_cb = on_state, .sock_state_cb_data = m};
    int r = ares_init_options(&m->channel, &o, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
    if (r == ARES_SUCCESS && servers) {
        r = ares_set_servers_ports_csv(m->channel, servers);
        if (r != ARES_SUCCESS)
            ares_destroy(m->channel);
    }
    if (r != ARES_SUCCESS) {
        free(m);
        return mmr_fail(err, MMR_ECONFIG, "'dns': found '%.100s', expected ADDRESS:PORT, comma separated: %s", servers ? servers : "", ares_strerror(r));
    }
    *ret = m;
    return 0;
}

void mmr_mx_free(struct mmr_mx *m)
{
    if (!m)
        return;
    ares_destroy(m->channel);
    free(m);
}

static void answer(struct question *q, bool is_final)
{
    unsigned n = 0;
    for (unsigned i = 0; i < q->n; i++)
        if (q->host[i].addr[0])
            q->host[n++] = q->host[i];
    q->m->asked--;
    q->fn(q->ctx, q->host, n, is_final && !n, n ? "" : q->why);
    free(q);
}

static void next_address(struct question *q);

static void on_address(void *ctx, int status, int timeouts, struct hostent *h)
{
    struct question *q = ctx;
    (void)timeouts;
    if (status == ARES_SUCCESS && h && h->h_addr_list[0])
        (void)inet_ntop(h->h_addrtype, h->h_addr_list[0], q->host[q->at].addr, sizeof q->host[q->at].addr);
    else
        (void)snprintf(q->why, sizeof q->why, "mail server '%.60s': %s", q->host[q->at].name, ares_strerror(status));
    if (status == ARES_EDESTRUCTION) {
        q->n = 0;
        answer(q, false);
        return;
    }
    q->at++;
    next_address(q);
}

static void next_address(struct question *q)
{
    if (q->at == q->n) {
        answer(q, false);
        return;
    }
    ares_gethostbyname(q->m->channel, q->host[q->at].name, AF_INET, on_address, q);
}

static int by_preference(const void *a, const void *b)
{
    struct ares_mx_reply *x, *y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x->priority < y->priority ? -1 : x->priority > y->priority;
}

static void on_mx(void *ctx, int status, int timeouts, unsigned char *bytes, int len)
{
    struct question *q = ctx;
    struct ares_mx_reply *list = NULL, *sorted[OTHERS_MAX];
    unsigned n = 0;
    (void)timeouts;
    if (status == ARES_SUCCESS)
        status = ares_parse_mx_reply(bytes, len, &list);
    if (status == ARES_ENODATA) { /* RFC 5321: the domain itself, then */
        q->n = 1;
        next_address(q);
        return;
    }
    if (status != ARES_SUCCESS) {
        (void)snprintf(q->why, sizeof q->why, "mail servers of '%.60s': %s", q->host[0].name, ares_strerror(status));
        answer(q, status == ARES_ENOTFOUND);
        return;
    }
    for (struct ares_mx_reply *x = list; x && n < OTHERS_MAX; x = x->next)
        sorted[n++] = x;
    qsort(sorted, n, sizeof(struct ares_mx_reply *), by_preference);
    bool is_null = n == 1 && (!sorted[0]->host[0] || strcmp(sorted[0]->host, ".") == 0); /* RFC 7505 */
    if (is_null)
        (void)snprintf(q->why, sizeof q->why, "'%.60s' says that it takes no mail", q->host[0].name);
    for (unsigned i = 0; i < n && q->n < MMR_MX_HOSTS_MAX && !is_null; i++)
        (void)snprintf(q->host[q->n++].name, MMR_MX_NAME_MAX, "%s", sorted[i]->host);
    ares_free_data(list);
    if (is_null)
        answer(q, true);
    else
        next_address(q);
}

int mmr_mx_ask(struct mmr_mx *m, const char *domain, mmr_mx_fn fn, void *ctx, struct mmr_error *err)
{
    struct question *q = calloc(1, sizeof *q);
    if (!q)
        return mmr_fail(err, MMR_ENOMEM, "names: out of memory");
    *q = (struct question){.m = m, .fn = fn, .ctx = ctx};
    (void)snprintf(q->host[0].name, sizeof q->host[0].name, "%s", domain);
    m->asked++;
    (void)m->host->set_timer(m->host->impl, TICK_MS, m->cookie);
    ares_query(m->channel, domain, 1 /* IN */, 15 /* MX */, on_mx, q);
    return 0;
}

void mmr_mx_fd(struct mmr_mx *m, int fd, unsigned rw)
{
    ares_process_fd(m->channel, rw & MMR_FD_READ ? fd : ARES_SOCKET_BAD, rw & MMR_FD_WRITE ? fd : ARES_SOCKET_BAD);
}

void mmr_mx_timer(struct mmr_mx *m)
{
    ares_process_fd(m->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    if (m->asked)
        (void)m->host->set_timer(m->host->impl, TICK_MS, m->cookie);
}
