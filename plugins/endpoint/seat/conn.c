/* conn.c - listeners and connections: sockets, TLS, who the peer is, what waits for its commit. */
#include "seat.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    READ_BYTES = 64 * 1024,
    TURN_BYTES = 256 * 1024, /* of one connection before the others get their turn */
    KNOWN_S = 30,            /* a peer that has not said who it is by then goes */
    IDLE_TICKS = 10,
    FROM_ONE_MAX = 32,       /* connections of one sender */
    DEFERRED_MAX = 64,       /* units that wait for an open audit event before it is closed early */
    CONN_COOKIE = 1000,
};
#define UNRESOLVED UINT64_MAX

struct mmr_seat_conn {
    struct mmr_seat *t;
    const struct mmr_seat_listener *l;
    struct mmr_sender *x; /* NULL: not known yet */
    struct mmr_tls_end *tls;
    struct mmr_seat_stream s;
    struct mmr_seat_buf raw; /* to the socket, with TLS */
    int fd;
    uint32_t index;
    bool is_shaken, is_dying, is_dead, is_eof, wants_write;
    unsigned watched; /* MMR_FD_* */
    char peer[INET6_ADDRSTRLEN + 8];
    struct in6_addr addr;
    int64_t since_ns;
    struct mmr_seat_unit *pending; /* ring */
    uint32_t pending_at, pending_n, pending_cap, deferred;
};

static int64_t mono(const struct mmr_seat *t)
{
    return t->host->now_ns(t->host->impl, MMR_CLOCK_MONOTONIC);
}

static void end(struct mmr_seat_conn *c, const char *why)
{
    if (why && !c->is_dead)
        mmr_seat_log(c->t, MMR_LOG_WARN, "seat.closed peer=%s sender=%s listener=%s reason=\"%s\"", c->peer, c->x ? c->x->id : "-", c->l->text, why);
    c->is_dead = true;
}

static void unknown(struct mmr_seat *t, const char *peer, const char *listener, const char *what)
{
    int64_t now = mono(t);
    t->counts.unknown++;
    if (t->told_unknown_ns && now - t->told_unknown_ns < 10 * INT64_C(1000000000))
        return;
    t->told_unknown_ns = now;
    mmr_seat_log(t, MMR_LOG_WARN, "seat.unknown_sender peer=%s listener=%s refused=%llu what=\"%s\"", peer, listener,
                 (unsigned long long)t->counts.unknown, what);
}

/* ---- the sink of a connection's stream ---- */

static void sink_line(void *ctx, char *text, size_t len, int64_t time_ns)
{
    struct mmr_seat_conn *c = ctx;
    if (c->x)
        mmr_seat_line(c->t, c->x, text, len, time_ns);
}

static bool sink_is_full(void *ctx)
{
    struct mmr_seat_conn *c = ctx;
    return c->t->is_full || c->pending_n >= MMR_SEAT_PENDING_MAX;
}

static bool grow_pending(struct mmr_seat_conn *c)
{
    if (c->pending_n < c->pending_cap)
        return true;
    uint32_t cap = c->pending_cap ? c->pending_cap * 2 : 16;
    struct mmr_seat_unit *more = calloc(cap, sizeof *more);
    if (!more)
        return false;
    for (uint32_t i = 0; c->pending_cap && i < c->pending_n; i++)
        more[i] = c->pending[(c->pending_at + i) % c->pending_cap];
    free(c->pending);
    c->pending = more;
    c->pending_cap = cap;
    c->pending_at = 0;
    return true;
}

static uint64_t chunk_hash(const struct mmr_seat_unit *u)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < u->len; i++)
        h = (h ^ (uint8_t)u->chunk[i]) * 1099511628211u;
    return h | 1;
}

static uint64_t *chunk_mark(struct mmr_sender *x, uint64_t h)
{
    for (uint32_t i = 0; i < MMR_SENDER_CHUNKS; i++)
        if (x->chunk[i].hash == h)
            return &x->chunk[i].mark;
    return NULL;
}

static void sink_unit(void *ctx, const struct mmr_seat_unit *u)
{
    struct mmr_seat_conn *c = ctx;
    struct mmr_seat *t = c->t;
    if (!c->x || !grow_pending(c)) {
        end(c, "out of memory for what waits for its commit");
        return;
    }
    struct mmr_seat_unit *p = &c->pending[(c->pending_at + c->pending_n++) % c->pending_cap];
    *p = *u;
    p->mark = t->emitted + t->waiting;
    if (c->x->dec && mmr_logdec_is_open(c->x->dec)) {
        p->mark = UNRESOLVED; /* a part of it is still in an audit event that is not complete */
        c->deferred++;
    }
    if (u->len) {
        uint64_t h = chunk_hash(u), *known = chunk_mark(c->x, h);
        if (known && p->mark != UNRESOLVED) {
            p->mark = *known;
        } else if (!known && p->mark != UNRESOLVED) {
            c->x->chunk[c->x->chunk_at].hash = h;
            c->x->chunk[c->x->chunk_at].mark = p->mark;
            c->x->chunk_at = (c->x->chunk_at + 1) % MMR_SENDER_CHUNKS;
        }
    }
}

static bool sink_is_repeated(void *ctx, const struct mmr_seat_unit *u)
{
    struct mmr_seat_conn *c = ctx;
    return c->x && chunk_mark(c->x, chunk_hash(u));
}

static const char *sink_key(void *ctx, const char *name)
{
    struct mmr_seat_conn *c = ctx;
    const struct mmr_sender *x = mmr_sender_by_name(c->t->senders, MMR_SENDER_KEY, name);
    return x ? x->key : NULL;
}

static void become(struct mmr_seat_conn *c, struct mmr_sender *x)
{
    if (x->conns >= FROM_ONE_MAX) {
        end(c, "this sender has 32 connections open already");
        return;
    }
    c->x = x;
    x->conns++;
    mmr_seat_log(c->t, MMR_LOG_INFO, "seat.connected peer=%s sender=%s listener=%s", c->peer, x->id, c->l->text);
}

static void sink_proved(void *ctx, const char *name)
{
    struct mmr_seat_conn *c = ctx;
    become(c, mmr_sender_by_name(c->t->senders, MMR_SENDER_KEY, name));
}

static void sink_skipped(void *ctx, const char *why)
{
    struct mmr_seat_conn *c = ctx;
    if (c->x)
        mmr_seat_left_out(c->t, c->x, why);
}

/* ---- sending ---- */

static void watch(struct mmr_seat_conn *c)
{
    if (c->is_dead)
        return;
    /* bytes taken while a message is being given would move it in memory; the sender waits in its socket */
    bool reads = !c->is_dying && !c->is_eof && !sink_is_full(c);
    unsigned rw = (reads ? MMR_FD_READ : 0u) | (c->wants_write ? MMR_FD_WRITE : 0u);
    if (rw == c->watched)
        return;
    c->watched = rw;
    (void)c->t->host->watch_fd(c->t->host->impl, c->fd, rw, CONN_COOKIE + c->index);
}

static bool write_buf(struct mmr_seat_conn *c, struct mmr_seat_buf *b)
{
    while (mmr_seat_buf_len(b)) {
        ssize_t n = send(c->fd, b->p + b->at, mmr_seat_buf_len(b), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return false;
        if (n <= 0) {
            end(c, c->pending_n ? "the sender is gone before it was acknowledged; it will send again" : NULL);
            return false;
        }
        mmr_seat_buf_take(b, (size_t)n);
    }
    return true;
}

static void flush(struct mmr_seat_conn *c)
{
    struct mmr_error err = {.struct_size = sizeof err};
    uint8_t some[4096];
    size_t n;
    if (c->is_dead)
        return;
    while (c->tls && c->is_shaken && mmr_seat_buf_len(&c->s.out)) {
        int r = mmr_tls_write(c->tls, c->s.out.p + c->s.out.at, mmr_seat_buf_len(&c->s.out), &err);
        if (r <= 0) {
            if (r < 0)
                end(c, err.text);
            break;
        }
        mmr_seat_buf_take(&c->s.out, (size_t)r);
    }
    while (c->tls && (n = mmr_tls_drain(c->tls, some, sizeof some)) > 0)
        if (!mmr_seat_buf_add(&c->raw, some, n, 2 * MMR_SEAT_OUT_MAX)) {
            end(c, "the sender does not read what it is told");
            return;
        }
    c->wants_write = !write_buf(c, c->tls ? &c->raw : &c->s.out) && !c->is_dead;
    if (!c->wants_write && c->is_dying)
        c->is_dead = true;
}

static void acknowledge(struct mmr_seat_conn *c)
{
    while (c->pending_n && c->pending[c->pending_at].mark <= c->t->committed) {
        mmr_seat_acknowledge(&c->s, &c->pending[c->pending_at]);
        c->pending_at = (c->pending_at + 1) % c->pending_cap;
        c->pending_n--;
    }
}

/* ---- receiving ---- */

static bool is_it(void *ctx, const char *name)
{
    struct mmr_seat_conn *c = ctx;
    struct mmr_sender *x = mmr_sender_by_name(c->t->senders, MMR_SENDER_CERT, name);
    if (x)
        become(c, x);
    return x != NULL;
}

/* The transport stands: who is it? */
static void identify(struct mmr_seat_conn *c)
{
    static const struct mmr_seat_sink sink = {NULL, sink_line, sink_is_full, sink_unit, sink_is_repeated, sink_key, sink_proved, sink_skipped};
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_seat_sink own = sink;
    struct mmr_seat *t = c->t;
    bool needs_key = false, has_keys = c->l->proto == &mmr_seat_forward && mmr_senders_have(t->senders, MMR_SENDER_KEY);
    own.ctx = c;
    if (c->tls && mmr_tls_wants_certificates(t->tls)) {
        if (mmr_tls_peer_names(c->tls, is_it, c)) {
            /* known by its certificate: no key is asked for */
        } else if (has_keys) { /* a certificate of ours, and the key says who */
            needs_key = true;
        } else {
            unknown(t, c->peer, c->l->text, "no name of its certificate is a 'cert:' entry of 'senders'");
            end(c, NULL);
        }
    } else if (has_keys) {
        needs_key = true;
    } else {
        struct mmr_sender *x = mmr_sender_by_addr(t->senders, &c->addr);
        if (x) {
            become(c, x);
        } else {
            unknown(t, c->peer, c->l->text, "its address is no 'addr:' entry of 'senders'");
            end(c, NULL);
        }
    }
    if (c->is_dead)
        return;
    if (mmr_seat_stream_init(&c->s, c->l->proto, &own, c->x != NULL, needs_key, &err) != 0) {
        end(c, err.text);
        return;
    }
    if (c->l->proto->open)
        c->l->proto->open(&c->s);
}

static size_t memory(const struct mmr_seat *t)
{
    size_t n = 0;
    for (uint32_t i = 0; i < t->conns_cap; i++)
        if (t->conn[i])
            n += t->conn[i]->s.in.cap + t->conn[i]->s.out.cap + t->conn[i]->raw.cap + (t->conn[i]->s.unpacked ? t->conn[i]->s.unpacked_len : 0);
    return n;
}

static bool take(struct mmr_seat_conn *c, const uint8_t *p, size_t n)
{
    struct mmr_error err = {.struct_size = sizeof err};
    if (mmr_seat_buf_len(&c->s.in) > READ_BYTES && memory(c->t) > (size_t)c->t->config->max_memory) {
        end(c, "all connections together hold more than 'max_memory'; this one has to send again");
        return false;
    }
    if (mmr_seat_push(&c->s, p, n, &err) == 0 && mmr_seat_run(&c->s, &err) == 0) {
        c->is_dying |= c->s.is_ended;
        return !c->is_dead && !c->is_dying;
    }
    if (!c->x)
        c->t->counts.unknown++;
    flush(c); /* a refusal of the handshake is still said */
    end(c, err.text);
    return false;
}

static void shake(struct mmr_seat_conn *c)
{
    struct mmr_error err = {.struct_size = sizeof err};
    int r = mmr_tls_handshake(c->tls, &err);
    if (r < 0) {
        unknown(c->t, c->peer, c->l->text, err.text);
        flush(c);
        end(c, NULL);
        return;
    }
    if (r == 1) {
        c->is_shaken = true;
        identify(c);
    }
}

/* Plain text that TLS holds. */
static void read_tls(struct mmr_seat_conn *c)
{
    struct mmr_error err = {.struct_size = sizeof err};
    uint8_t buf[16 * 1024];
    if (!c->is_shaken)
        shake(c);
    while (c->is_shaken && !c->is_dead && !c->is_dying && !sink_is_full(c)) {
        int n = mmr_tls_read(c->tls, buf, sizeof buf, &err);
        if (n == 0)
            return;
        if (n == MMR_ENOENT) {
            c->is_eof = true;
            return;
        }
        if (n < 0) {
            end(c, err.text);
            return;
        }
        if (!take(c, buf, (size_t)n))
            return;
    }
}

static void on_readable(struct mmr_seat_conn *c)
{
    static const char out_of_memory[] = "out of memory for TLS";
    uint8_t buf[READ_BYTES];
    for (size_t turn = 0; turn < TURN_BYTES && !c->is_dead && !c->is_dying && !c->is_eof && !sink_is_full(c);) {
        ssize_t n = recv(c->fd, buf, sizeof buf, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            c->is_eof = true;
            return;
        }
        turn += (size_t)n;
        if (!c->tls) {
            (void)take(c, buf, (size_t)n);
        } else if (mmr_tls_feed(c->tls, buf, (size_t)n) != 0) {
            end(c, out_of_memory);
        } else {
            read_tls(c);
        }
    }
}

static void drop(struct mmr_seat_conn *c)
{
    struct mmr_seat *t = c->t;
    (void)t->host->watch_fd(t->host->impl, c->fd, 0, CONN_COOKIE + c->index);
    (void)close(c->fd);
    if (c->x)
        c->x->conns--;
    t->conn[c->index] = NULL;
    t->n_conns--;
    mmr_tls_end_free(c->tls);
    mmr_seat_stream_done(&c->s);
    mmr_seat_buf_free(&c->raw);
    free(c->pending);
    free(c);
}

/* After anything happened to a connection: what is to say is said, then it is watched again or goes. */
static void settle(struct mmr_seat_conn *c)
{
    if (!c->is_dead)
        acknowledge(c);
    flush(c);
    if (c->is_eof && !c->is_dead && !sink_is_full(c)) { /* everything it sent has been given */
        bool is_cut = mmr_seat_buf_len(&c->s.in) || c->s.message;
        if (is_cut && c->l->proto == &mmr_seat_tcp && !c->s.is_skipping && c->x) { /* a last line without its newline */
            static const uint8_t nl = '\n';
            (void)take(c, &nl, 1);
        }
        c->is_dead = true;
    }
    if (c->is_dead)
        drop(c);
    else
        watch(c);
}

/* ---- listeners ---- */

static void as_text(const struct in6_addr *a, uint16_t port, char out[INET6_ADDRSTRLEN + 8])
{
    char ip[INET6_ADDRSTRLEN] = "?";
    bool is_v4 = IN6_IS_ADDR_V4MAPPED(a);
    (void)inet_ntop(is_v4 ? AF_INET : AF_INET6, is_v4 ? a->s6_addr + 12 : a->s6_addr, ip, sizeof ip);
    (void)snprintf(out, INET6_ADDRSTRLEN + 8, is_v4 ? "%s:%u" : "[%s]:%u", ip, port);
}

static void peer_of(const struct sockaddr_storage *sa, struct in6_addr *ret, uint16_t *ret_port)
{
    if (sa->ss_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof in);
        memset(ret, 0, sizeof *ret);
        ret->s6_addr[10] = ret->s6_addr[11] = 0xff;
        memcpy(ret->s6_addr + 12, &in.sin_addr, 4);
        *ret_port = ntohs(in.sin_port);
    } else {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof in6);
        *ret = in6.sin6_addr;
        *ret_port = ntohs(in6.sin6_port);
    }
}

static void accept_one(struct mmr_seat *t, const struct mmr_seat_listener *l, int fd, const struct sockaddr_storage *sa)
{
    uint32_t i = 0;
    while (i < t->conns_cap && t->conn[i])
        i++;
    struct mmr_seat_conn *c = i < t->conns_cap ? calloc(1, sizeof *c) : NULL;
    if (!c) {
        (void)close(fd);
        unknown(t, "-", l->text, "as many connections as 'max_connections' allows are open");
        return;
    }
    uint16_t port;
    int on = 1;
    *c = (struct mmr_seat_conn){.t = t, .l = l, .fd = fd, .index = i, .since_ns = mono(t)};
    peer_of(sa, &c->addr, &port);
    as_text(&c->addr, port, c->peer);
    t->conn[i] = c;
    t->n_conns++;
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (!l->is_tls)
        identify(c);
    else if (!(c->tls = mmr_tls_accept(t->tls)))
        end(c, "out of memory for TLS");
    settle(c);
}

static void on_datagrams(struct mmr_seat *t, const struct mmr_seat_listener *l)
{
    char buf[65536 + 1];
    for (int i = 0; i < 256 && !t->is_full; i++) {
        struct sockaddr_storage sa = {0};
        struct in6_addr a;
        socklen_t len = sizeof sa;
        uint16_t port;
        char peer[INET6_ADDRSTRLEN + 8];
        ssize_t n = recvfrom(l->fd, buf, sizeof buf - 1, MSG_DONTWAIT, (struct sockaddr *)&sa, &len);
        if (n < 0)
            return;
        peer_of(&sa, &a, &port);
        struct mmr_sender *x = mmr_sender_by_addr(t->senders, &a);
        if (!x) {
            as_text(&a, port, peer);
            unknown(t, peer, l->text, "its address is no 'addr:' entry of 'senders'");
            continue;
        }
        while (n && (buf[n - 1] == '\n' || buf[n - 1] == '\r' || buf[n - 1] == '\0'))
            n--;
        buf[n] = '\0';
        if (n)
            mmr_seat_line(t, x, buf, (size_t)n, 0);
    }
}

void mmr_seat_on_fd(struct mmr_seat *t, uint64_t cookie, unsigned rw)
{
    if (cookie >= CONN_COOKIE) {
        struct mmr_seat_conn *c = cookie - CONN_COOKIE < t->conns_cap ? t->conn[cookie - CONN_COOKIE] : NULL;
        if (!c)
            return;
        if (rw & MMR_FD_READ)
            on_readable(c);
        settle(c);
        return;
    }
    if (cookie >= t->n_listeners)
        return;
    const struct mmr_seat_listener *l = &t->listener[cookie];
    if (!l->proto) {
        on_datagrams(t, l);
        return;
    }
    for (int i = 0; i < 16; i++) {
        struct sockaddr_storage sa = {0};
        socklen_t len = sizeof sa;
        int fd = accept4(l->fd, (struct sockaddr *)&sa, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return;
        accept_one(t, l, fd, &sa);
    }
}

void mmr_seat_pump_all(struct mmr_seat *t)
{
    struct mmr_error err = {.struct_size = sizeof err};
    for (uint32_t i = 0; i < t->conns_cap && !t->is_full; i++) {
        struct mmr_seat_conn *c = t->conn[i];
        if (!c)
            continue;
        if (c->s.scratch && mmr_seat_run(&c->s, &err) != 0)
            end(c, err.text);
        else if (c->tls)
            read_tls(c);
        settle(c);
    }
}

void mmr_seat_committed(struct mmr_seat *t)
{
    bool was_held = false;
    for (uint32_t i = 0; i < t->conns_cap; i++) {
        struct mmr_seat_conn *c = t->conn[i];
        if (!c || !c->pending_n)
            continue;
        was_held |= c->pending_n >= MMR_SEAT_PENDING_MAX;
        settle(c);
    }
    if (was_held)
        mmr_seat_pump_all(t);
}

void mmr_seat_resolve(struct mmr_seat *t, struct mmr_sender *x)
{
    for (uint32_t i = 0; i < t->conns_cap; i++) {
        struct mmr_seat_conn *c = t->conn[i];
        if (!c || c->x != x || !c->deferred)
            continue;
        for (uint32_t k = 0; k < c->pending_n; k++) {
            struct mmr_seat_unit *u = &c->pending[(c->pending_at + k) % c->pending_cap];
            if (u->mark == UNRESOLVED)
                u->mark = t->emitted + t->waiting;
        }
        c->deferred = 0;
    }
}

void mmr_seat_conns_tick(struct mmr_seat *t)
{
    int64_t now = mono(t);
    for (uint32_t i = 0; i < t->conns_cap; i++) {
        struct mmr_seat_conn *c = t->conn[i];
        if (!c)
            continue;
        if (!c->x && now - c->since_ns > KNOWN_S * INT64_C(1000000000))
            end(c, "the peer did not say who it is within 30 seconds");
        if (c->x && c->deferred > DEFERRED_MAX)
            c->x->quiet_ticks = 2; /* a sender whose window is full waits for us: close what is open */
        if (c->pending_n && c->l->proto->idle && t->ticks % IDLE_TICKS == 0)
            c->l->proto->idle(&c->s);
        settle(c);
    }
}

/* ---- life ---- */

/* "SCHEME[+tls]://ADDRESS:PORT"; the address may stand in brackets, or be empty or '*': all of this machine. */
int mmr_seat_listen(struct mmr_seat *t, const char *text, struct mmr_error *err)
{
    static const char expected[] = "expected udp://, tcp://, tls://, forward://, relp:// or beats:// (or forward+tls:// and so on), an address, ':' and a port";
    struct mmr_seat_listener *l = &t->listener[t->n_listeners];
    const char *p = strstr(text, "://"), *colon = strrchr(text, ':');
    char host[64] = "", port[8];
    if (t->n_listeners == MMR_SEAT_LISTENERS_MAX)
        return mmr_fail(err, MMR_ECONFIG, "listen: more than %d; use a second instance", MMR_SEAT_LISTENERS_MAX);
    if (!p || colon <= p || strlen(colon + 1) >= sizeof port || strlen(colon + 1) == 0)
        return mmr_fail(err, MMR_ECONFIG, "listen: '%.60s': %s", text, expected);
    size_t scheme = (size_t)(p - text);
    *l = (struct mmr_seat_listener){.fd = -1};
    (void)snprintf(l->text, sizeof l->text, "%s", text);
    l->is_tls = (scheme > 4 && memcmp(text + scheme - 4, "+tls", 4) == 0) || (scheme == 3 && memcmp(text, "tls", 3) == 0);
    if (scheme > 4 && l->is_tls)
        scheme -= 4;
    bool is_udp = scheme == 3 && memcmp(text, "udp", 3) == 0 && !l->is_tls;
    l->proto = is_udp ? NULL : scheme == 3 && memcmp(text, "tls", 3) == 0 ? &mmr_seat_tcp : mmr_seat_proto_find(text, scheme);
    if (!l->proto && !is_udp)
        return mmr_fail(err, MMR_ECONFIG, "listen: '%.60s': %s", text, expected);
    p += 3;
    size_t n = (size_t)(colon - p);
    if (n > 1 && *p == '[' && p[n - 1] == ']') {
        p++;
        n -= 2;
    }
    if (n >= sizeof host)
        return mmr_fail(err, MMR_ECONFIG, "listen: '%.60s': %s", text, expected);
    memcpy(host, p, n);
    memcpy(port, colon + 1, strlen(colon + 1) + 1);
    if (strcmp(host, "*") == 0)
        host[0] = '\0';
    if (l->is_tls && !t->tls) {
        int r = mmr_tls_new(t->config->cert, t->config->key, t->config->ca, &t->tls, err);
        if (r != 0)
            return r;
    }
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = is_udp ? SOCK_DGRAM : SOCK_STREAM}, *found = NULL;
    if (!host[0])
        hints.ai_family = AF_INET6; /* both, below */
    if (getaddrinfo(host[0] ? host : NULL, port, &hints, &found) != 0 || !found)
        return mmr_fail(err, MMR_ECONFIG, "listen: '%.60s': '%s' port '%s' is no address and port; %s", text, host, port, expected);
    int on = 1, off = 0, bytes = 4 * 1024 * 1024;
    l->fd = socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool is_ok = l->fd >= 0 && setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0;
    if (is_ok && found->ai_family == AF_INET6)
        is_ok = setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, host[0] ? &on : &off, sizeof on) == 0;
    if (is_udp && is_ok)
        (void)setsockopt(l->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    is_ok = is_ok && bind(l->fd, found->ai_addr, found->ai_addrlen) == 0 && (is_udp || listen(l->fd, 64) == 0);
    int e = errno;
    freeaddrinfo(found);
    struct sockaddr_storage sa = {0};
    struct in6_addr a;
    socklen_t len = sizeof sa;
    if (!is_ok || getsockname(l->fd, (struct sockaddr *)&sa, &len) != 0) {
        if (l->fd >= 0)
            (void)close(l->fd);
        return mmr_fail(err, MMR_EIO, "listen: '%.60s': %s", text, strerror(e));
    }
    peer_of(&sa, &a, &l->port);
    t->n_listeners++;
    return t->host->watch_fd(t->host->impl, l->fd, MMR_FD_READ, t->n_listeners - 1);
}

void mmr_seat_close_all(struct mmr_seat *t)
{
    for (uint32_t i = 0; i < t->conns_cap; i++)
        if (t->conn[i])
            drop(t->conn[i]);
    for (uint32_t i = 0; i < t->n_listeners; i++) {
        (void)t->host->watch_fd(t->host->impl, t->listener[i].fd, 0, i);
        (void)close(t->listener[i].fd);
    }
    t->n_listeners = 0;
}
