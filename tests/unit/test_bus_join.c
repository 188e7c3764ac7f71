/* test_bus_join.c - tokens as text, and joining over a real socket: with a good token, an altered one, a strange key, too fast. */
#include "bus/frame.h"
#include "bus/join.h"
#include "bus/part.h"

#include "util/clock.h"

#include <sodium.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct mmr_token a_token(const struct mmr_public_keys *hub)
{
    struct mmr_token t = {.expires_s = 1800000000, .n_hosts = 2};
    memset(t.id, 7, sizeof t.id);
    memset(t.secret, 9, sizeof t.secret);
    memcpy(t.hub_curve, hub->curve, MMR_KEY);
    (void)snprintf(t.host[0], sizeof t.host[0], "192.0.2.1:7402");
    (void)snprintf(t.host[1], sizeof t.host[1], "hub.example:7402");
    return t;
}

static void every_letter_of_a_token_counts(void **state)
{
    (void)state;
    struct mmr_public_keys hub;
    struct mmr_token t, back;
    struct mmr_error err = {.struct_size = sizeof err};
    char text[MMR_TOKEN_TEXT_MAX], typed[2 * MMR_TOKEN_TEXT_MAX];
    assert_true(sodium_init() >= 0);
    randombytes_buf(&hub, sizeof hub);
    t = a_token(&hub);
    assert_int_equal(mmr_token_format(&t, text, &err), 0);
    assert_int_equal(mmr_token_parse(text, &back, &err), 0);
    assert_memory_equal(&t, &back, sizeof t);
    size_t n = 0; /* as a person types it: in groups, in capitals */
    for (size_t i = 0; text[i]; i++) {
        typed[n++] = text[i] >= 'a' ? (char)(text[i] - 32) : text[i];
        if (i % 5 == 4)
            typed[n++] = i % 50 == 49 ? '\n' : ' ';
    }
    typed[n] = '\0';
    assert_int_equal(mmr_token_parse(typed, &back, &err), 0);
    for (size_t i = 0; text[i]; i++) {
        char was = text[i];
        for (const char *c = "abcdefghijklmnopqrstuvwxyz234567"; *c; c++) {
            if (*c == was)
                continue;
            text[i] = *c;
            assert_int_equal(mmr_token_parse(text, &back, &err), MMR_EBADMSG);
        }
        text[i] = '\0'; /* cut */
        assert_int_equal(mmr_token_parse(text, &back, &err), MMR_EBADMSG);
        text[i] = was;
    }
    assert_int_equal(mmr_token_parse("", &back, &err), MMR_EBADMSG);
    assert_int_equal(mmr_token_parse("0189", &back, &err), MMR_EBADMSG);
    t.n_hosts = 0;
    assert_int_equal(mmr_token_format(&t, text, &err), MMR_EINVAL);
}

static void names_and_bodies_are_checked(void **state)
{
    (void)state;
    static const char *const bad[] = {"", ".x", "-x", "a b", "a/b", "a\"b", "äpfel", "0123456789012345678901234567890123456789"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(mmr_join_name_is_good(bad[i]));
    assert_true(mmr_join_name_is_good("PC-1.office_2"));
    struct mmr_join_request r = {.name = "pc1", .hostname = "pc1"}, back;
    uint8_t body[MMR_JOIN_BODY_MAX + 1];
    size_t n = mmr_join_request_put(&r, body);
    assert_int_equal(mmr_join_request_read(body, n, &back, NULL), 0);
    for (size_t k = 0; k < n; k++)
        assert_int_equal(mmr_join_request_read(body, k, &back, NULL), MMR_EBADMSG);
    assert_int_equal(mmr_join_request_read(body, n + 1, &back, NULL), MMR_EBADMSG);
    (void)snprintf(r.name, sizeof r.name, "a/b");
    assert_int_equal(mmr_join_request_read(body, mmr_join_request_put(&r, body), &back, NULL), MMR_EBADMSG);
    (void)snprintf(r.name, sizeof r.name, "pc1");
    (void)snprintf(r.hostname, sizeof r.hostname, "x\n2026 error forged");
    assert_int_equal(mmr_join_request_read(body, mmr_join_request_put(&r, body), &back, NULL), MMR_EBADMSG);
}

/* ---- over a socket: the hub has a thread of its own, as the asking end waits ---- */

struct world {
    struct mmr_bus *bus;
    struct mmr_site_hub *hub;
    struct mmr_join_server *server;
    struct mmr_keys hub_keys;
    struct mmr_token token;
    _Atomic int stop, joins, bad, strangers;
    _Atomic bool is_refused;
    pthread_mutex_t lock; /* of what: the loop's thread writes it */
    char what[200];
    pthread_t thread;
};

static int on_secret(void *ctx, const uint8_t id[MMR_TOKEN_ID], uint8_t ret[MMR_TOKEN_SECRET])
{
    struct world *w = ctx;
    if (memcmp(id, w->token.id, MMR_TOKEN_ID) != 0)
        return MMR_ENOENT;
    memcpy(ret, w->token.secret, MMR_TOKEN_SECRET);
    return 0;
}

static void on_join(void *ctx, const struct mmr_join_request *r, struct mmr_join_answer *ret)
{
    struct world *w = ctx;
    atomic_fetch_add(&w->joins, 1);
    ret->result = w->is_refused ? MMR_JOIN_REFUSED : MMR_JOIN_TAKEN;
    ret->state = MMR_JOIN_APPROVED;
    ret->port = 7400;
    (void)snprintf(ret->name, sizeof ret->name, "%s", r->name);
    (void)snprintf(ret->why, sizeof ret->why, "%s", w->is_refused ? "because" : "");
}

static void on_bad(void *ctx, const char *source, uint64_t count, const char *what)
{
    struct world *w = ctx;
    (void)count;
    assert_string_equal(source, "127.0.0.1");
    (void)pthread_mutex_lock(&w->lock);
    (void)snprintf(w->what, sizeof w->what, "%s", what);
    (void)pthread_mutex_unlock(&w->lock);
    atomic_fetch_add(&w->bad, 1);
}

static void on_stranger(void *ctx, const char *node, uint64_t count, const char *what)
{
    struct world *w = ctx;
    (void)count;
    (void)what;
    assert_string_equal(node, "");
    atomic_fetch_add(&w->strangers, 1);
}

static void no_hello(void *ctx, const char *node, const uint8_t epoch[16])
{
    (void)ctx;
    (void)epoch;
    fail_msg("'%s' got in by joining alone", node);
}

static void no_record(void *ctx, const struct mmr_site_record *r)
{
    (void)ctx;
    fail_msg("a record of '%s'", r->node);
}

static const struct mmr_join_server_ops join_ops = {.secret = on_secret, .join = on_join, .misbehaved = on_bad};
static const struct mmr_site_hub_ops hub_ops = {.hello = no_hello, .record = no_record, .misbehaved = on_stranger};

static bool was_told(struct world *w, const char *what)
{
    bool is_it = false;
    for (int i = 0; i < 3000 && !is_it; i++) {
        (void)pthread_mutex_lock(&w->lock);
        is_it = strcmp(w->what, what) == 0;
        (void)pthread_mutex_unlock(&w->lock);
        if (!is_it)
            (void)poll(NULL, 0, 10);
    }
    return is_it;
}

static void *loop(void *arg)
{
    struct world *w = arg;
    while (!atomic_load(&w->stop))
        (void)mmr_bus_wait(w->bus, 10);
    return NULL;
}

static void open_world(struct world *w, bool is_open)
{
    memset(w, 0, sizeof *w);
    assert_int_equal(pthread_mutex_init(&w->lock, NULL), 0);
    assert_int_equal(mmr_keys_new(&w->hub_keys, NULL), 0);
    assert_int_equal(mmr_bus_new(&w->bus, NULL), 0);
    assert_int_equal(mmr_site_hub_new(w->bus, "tcp://127.0.0.1:*", "tcp://127.0.0.1:*", &w->hub_keys, &hub_ops, w, NULL, &w->hub, NULL), 0);
    assert_int_equal(mmr_join_server_new(w->bus, "tcp://127.0.0.1:*", &w->hub_keys, &join_ops, w, &w->server, NULL), 0);
    mmr_site_hub_open_door(w->hub, is_open);
    w->token = a_token(&w->hub_keys.pub);
    w->token.n_hosts = 1;
    (void)snprintf(w->token.host[0], sizeof w->token.host[0], "%s", mmr_join_server_endpoint(w->server) + 6);
    assert_int_equal(pthread_create(&w->thread, NULL, loop, w), 0);
}

static void close_world(struct world *w)
{
    atomic_store(&w->stop, 1);
    (void)pthread_join(w->thread, NULL);
    mmr_join_server_free(w->server);
    mmr_site_hub_free(w->hub);
    mmr_bus_free(w->bus);
}

static int ask(struct world *w, const struct mmr_token *t, int ms, struct mmr_join_answer *a)
{
    struct mmr_keys keys;
    char host[MMR_TOKEN_HOST_MAX + 1];
    (void)w;
    assert_int_equal(mmr_keys_new(&keys, NULL), 0);
    return mmr_join_ask(t, &keys, "pc1", "pc1.example", ms, a, host, NULL);
}

static void a_good_token_joins_and_nothing_else_does(void **state)
{
    (void)state;
    struct world w;
    struct mmr_join_answer a;
    struct mmr_token t;
    open_world(&w, true);
    assert_int_equal(ask(&w, &w.token, 10000, &a), 0);
    assert_int_equal(a.result, MMR_JOIN_TAKEN);
    assert_int_equal(a.port, 7400);
    assert_string_equal(a.name, "pc1");
    assert_memory_equal(a.hub_sign, w.hub_keys.pub.sign, MMR_KEY);

    t = w.token; /* the secret altered (and the check sum made right again, as an attacker would) */
    t.secret[0] ^= 1;
    assert_int_equal(ask(&w, &t, 10000, &a), 0);
    assert_int_equal(a.result, MMR_JOIN_REFUSED);
    assert_true(was_told(&w, "a token that was altered"));
    (void)poll(NULL, 0, 1100); /* a new second for the rate limit */
    t = w.token;
    t.id[0] ^= 1;
    assert_int_equal(ask(&w, &t, 10000, &a), 0);
    assert_int_equal(a.result, MMR_JOIN_REFUSED);
    assert_true(was_told(&w, "a token nobody here gave"));
    t = w.token; /* another hub's key: this one is not even spoken to */
    t.hub_curve[0] ^= 1;
    assert_int_equal(ask(&w, &t, 1500, &a), MMR_EIO);
    assert_int_equal(atomic_load(&w.joins), 1);

    (void)poll(NULL, 0, 1100);
    w.is_refused = true;
    assert_int_equal(ask(&w, &w.token, 10000, &a), 0);
    assert_int_equal(a.result, MMR_JOIN_REFUSED);
    assert_string_equal(a.why, "because");
    close_world(&w);
}

static void a_closed_door_is_closed(void **state)
{
    (void)state;
    struct world w;
    struct mmr_join_answer a;
    open_world(&w, false);
    assert_int_equal(ask(&w, &w.token, 1500, &a), MMR_EIO);
    assert_int_equal(atomic_load(&w.joins), 0);
    assert_true(atomic_load(&w.strangers) >= 1);
    close_world(&w);
}

/* Bombs, nonsense, somebody else's key, and too much of it: nothing joins, the next honest one does. */
static void hostile_bytes_at_the_join_port_change_nothing(void **state)
{
    (void)state;
    struct world w;
    struct mmr_join_answer a;
    struct mmr_keys keys;
    const int none = 0;
    static uint8_t big[3 * MMR_JOIN_MESSAGE_MAX];
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {{"", 0}, {"\xdd\x10\x00\x00\x00", 5}, {"\xdf\x0f\xff\xff\xff", 5}, {"\xc1", 1}, {(const char *)big, sizeof big}, {"hello", 5}};
    open_world(&w, true);
    assert_int_equal(mmr_keys_new(&keys, NULL), 0);
    void *zmq = zmq_ctx_new();
    for (size_t i = 0; i < 60; i++) {
        void *s = zmq_socket(zmq, ZMQ_DEALER);
        assert_int_equal(zmq_setsockopt(s, ZMQ_CURVE_SERVERKEY, w.hub_keys.pub.curve, MMR_KEY), 0);
        assert_int_equal(zmq_setsockopt(s, ZMQ_CURVE_PUBLICKEY, keys.pub.curve, MMR_KEY), 0);
        assert_int_equal(zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, keys.curve_secret, MMR_KEY), 0);
        assert_int_equal(zmq_setsockopt(s, ZMQ_LINGER, &(int){3000}, sizeof none), 0); /* a busy machine shakes hands slowly */
        assert_int_equal(zmq_connect(s, mmr_join_server_endpoint(w.server)), 0);
        (void)zmq_send(s, rows[i % 6].bytes, rows[i % 6].len, 0);
        if (i % 7 == 0)
            (void)zmq_send(s, "\x9d", 1, ZMQ_SNDMORE | ZMQ_DONTWAIT), (void)zmq_send(s, "", 0, ZMQ_DONTWAIT);
        assert_int_equal(zmq_close(s), 0);
    }
    assert_int_equal(zmq_ctx_term(zmq), 0);
    for (int i = 0; i < 100 && atomic_load(&w.bad) == 0; i++)
        (void)poll(NULL, 0, 50);
    assert_true(atomic_load(&w.bad) >= 1);
    assert_int_equal(atomic_load(&w.joins), 0);
    int r = MMR_EIO;
    for (int i = 0; i < 20 && r; i++) { /* our address was too loud a moment ago */
        (void)poll(NULL, 0, 1100);
        r = ask(&w, &w.token, 3000, &a);
    }
    assert_int_equal(r, 0);
    assert_int_equal(a.result, MMR_JOIN_TAKEN);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_letter_of_a_token_counts), cmocka_unit_test(names_and_bodies_are_checked),
                                       cmocka_unit_test(a_good_token_joins_and_nothing_else_does), cmocka_unit_test(a_closed_door_is_closed),
                                       cmocka_unit_test(hostile_bytes_at_the_join_port_change_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
