/*
 * agent_world.h - for tests of the agent as a process of its own, between a hub and a plugin host that the test plays. Agents are
 * forked before the bus of the test has its thread; each waits for its configuration.
 */
#ifndef MMR_TEST_AGENT_WORLD_H
#define MMR_TEST_AGENT_WORLD_H

#include "brain/brain.h"
#include "bus/local.h"
#include "bus/site.h"
#include "plugin/describe.h"
#include "plugin/order.h"
#include "plugin/roles.h"

#include "model/action.h"
#include "util/clock.h"

#include <mamori/action.h>
#include <mamori/event.h>

#include <event2/event.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { AGENTS = 4, SEEN_MAX = 4096, BIG = 100 * 1024 };

struct seen { /* one record at the hub */
    uint32_t kind, lane;
    uint64_t number;
    int64_t time_ns;
    char instance[40], node[40], side[16], plugin[72], id[40], rule[64];
    struct mmr_receipt receipt;
};
struct world {
    char dir[64];
    pid_t pid[AGENTS];
    int fd[AGENTS];
    unsigned agent; /* the one in use */
    struct event_base *base;
    struct mmr_channel *tether;
    bool is_ready, is_over;
    char refusal[300], answer[8192];
    struct mmr_keys hub_keys, node_keys;
    int port;
    struct mmr_bus *bus;
    struct mmr_site_hub *hub;
    bool is_mute;
    uint64_t upto[MMR_LANES]; /* what the hub committed of this epoch, also across its restart */
    uint64_t last[MMR_LANES]; /* what it got */
    uint8_t epoch[16];
    struct mmr_public_keys rotated;
    unsigned n_rotated, n_hub_known;
    int64_t emitted_ns[2]; /* first and last */
    struct seen *seen;
    size_t n_seen;
    struct mmr_event_view *view;
    char account[512];
    struct mmr_local_client *client;
    uint64_t committed, number;
    struct mmr_local_record last_order;
    uint8_t order[8192];
    size_t n_hellos, n_orders, n_letting_go;
};

/* ---- the hub ---- */

static void hub_hello(void *ctx, const char *node, const uint8_t epoch[16])
{
    struct world *w = ctx;
    if (memcmp(w->epoch, epoch, 16) != 0)
        memset(w->upto, 0, sizeof w->upto);
    memcpy(w->epoch, epoch, 16);
    w->n_hellos++;
    mmr_site_hub_welcome(w->hub, node, epoch, w->upto);
}

static int hub_rotate(void *ctx, const char *node, const struct mmr_public_keys *next)
{
    (void)node;
    ((struct world *)ctx)->rotated = *next;
    return 0;
}

static void hub_rotated(void *ctx, const char *node, const struct mmr_public_keys *now)
{
    struct world *w = ctx;
    (void)node;
    assert_memory_equal(now, &w->rotated, sizeof *now);
    w->n_rotated++;
}

static void text_of(const struct mmr_event_view *v, const char *key, char *buf, size_t cap)
{
    buf[0] = '\0';
    (void)mmr_event_copy_str(v, key, buf, cap);
}

static void hub_record(void *ctx, const struct mmr_site_record *r)
{
    struct world *w = ctx;
    assert_string_equal(r->node, "pc1");
    if (r->kind == MMR_SITE_HUB_KEY) {
        assert_int_equal(r->lane, MMR_LANE_URGENT);
        w->n_hub_known++;
    } else if (r->kind == MMR_LOCAL_CONTROL) {
        const char *p = NULL;
        size_t len = 0;
        struct mmr_array_it it = {0};
        assert_int_equal(mmr_event_read(r->bytes, r->len, w->view, NULL), 0);
        w->account[0] = '\0';
        if (mmr_value_next(mmr_event_get(w->view, "instances"), &it, &p, &len))
            (void)snprintf(w->account, sizeof w->account, "%.*s", (int)len, p);
    } else {
        assert_true(w->n_seen < SEEN_MAX);
        struct seen *s = &w->seen[w->n_seen++];
        memset(s, 0, sizeof *s);
        s->kind = r->kind;
        s->lane = r->lane;
        s->number = r->number;
        (void)snprintf(s->instance, sizeof s->instance, "%s", r->instance);
        if (r->kind == MMR_LOCAL_EVENT) {
            const struct mmr_value *id;
            assert_int_equal(mmr_event_read(r->bytes, r->len, w->view, NULL), 0);
            s->time_ns = mmr_event_get_int(w->view, "time", 0);
            text_of(w->view, "mamori.node", s->node, sizeof s->node);
            text_of(w->view, "mamori.side", s->side, sizeof s->side);
            text_of(w->view, "mamori.plugin", s->plugin, sizeof s->plugin);
            text_of(w->view, "mamori.rule", s->rule, sizeof s->rule);
            assert_non_null(id = mmr_event_get(w->view, "mamori.id"));
            for (uint32_t i = 0; i < id->len && i < 18; i++)
                (void)snprintf(s->id + 2 * i, 3, "%02x", id->p[i]);
            assert_int_equal(mmr_event_get_int(w->view, "mamori.seq", 0), (int64_t)r->number);
        } else {
            const void *map;
            size_t len;
            int code;
            assert_int_equal(r->lane, MMR_LANE_URGENT);
            assert_int_equal(mmr_receipt_unwrap(r->bytes, r->len, &code, &map, &len, NULL), 0);
            assert_int_equal(mmr_receipt_decode(map, len, &s->receipt, NULL), 0);
        }
    }
    w->last[r->lane] = r->seq;
    if (!w->is_mute) {
        w->upto[r->lane] = r->seq;
        mmr_site_hub_ack(w->hub, r->node, r->epoch, r->lane, r->seq);
    }
}

static void hub_misbehaved(void *ctx, const char *node, uint64_t count, const char *what)
{
    (void)ctx;
    print_message("hub: node '%s' misbehaves (%u): %s\n", node, (unsigned)count, what);
}

static const struct mmr_site_hub_ops hub_ops = {.hello = hub_hello, .record = hub_record, .rotate = hub_rotate, .rotated = hub_rotated,
                                                .misbehaved = hub_misbehaved};

static void open_hub(struct world *w)
{
    char urgent[64], bulk[64];
    const bool is_again = w->port != 0; /* where it was: the old sockets may take a moment to go */
    for (int tries = 0; !w->hub; tries++) {
        if (is_again && tries)
            (void)usleep(20000);
        else if (!is_again)
            w->port = 20000 + (int)(mmr_clock_mono_ns() / 1000 % 40000);
        (void)snprintf(urgent, sizeof urgent, "tcp://127.0.0.1:%d", w->port);
        (void)snprintf(bulk, sizeof bulk, "tcp://127.0.0.1:%d", w->port + 1);
        int r = mmr_site_hub_new(w->bus, urgent, bulk, &w->hub_keys, &hub_ops, w, NULL, &w->hub, NULL);
        assert_true(r == 0 || tries < 50);
    }
    assert_int_equal(mmr_site_hub_allow(w->hub, "pc1", &w->node_keys.pub, NULL), 0);
}

static void close_hub(struct world *w)
{
    mmr_site_hub_free(w->hub);
    w->hub = NULL;
}

/* ---- the plugin host ---- */

static void host_message(void *ctx, const struct mmr_local_record *m)
{
    struct world *w = ctx;
    if (m->kind == MMR_HOST_RECONCILE) {
        assert_int_equal(m->len, 0);
        w->n_letting_go++;
        return;
    }
    w->n_orders++;
    w->last_order = *m;
    assert_true(m->len <= sizeof w->order);
    memcpy(w->order, m->bytes, m->len);
}

static void host_committed(void *ctx, uint32_t instance, uint64_t upto)
{
    struct world *w = ctx;
    assert_int_equal(instance, 0);
    w->committed = upto;
}

static const struct mmr_local_client_ops host_ops = {.message = host_message, .committed = host_committed};
static const uint8_t secret[MMR_LOCAL_SECRET] = "thirty-two bytes of no secret...";

/* ---- the supervisor ---- */

static void on_tell(void *ctx, const struct mmr_message *m)
{
    struct world *w = ctx;
    if (m->type == MMR_MSG_READY)
        w->is_ready = true;
    else if (m->type == MMR_MSG_REFUSED)
        (void)snprintf(w->refusal, sizeof w->refusal, "%.*s", (int)m->tail_len, (const char *)m->tail);
    else if (m->type == MMR_TELL_ANSWER)
        (void)snprintf(w->answer, sizeof w->answer, "%.*s", (int)m->tail_len, (const char *)m->tail);
}

static void on_tether_end(void *ctx, const char *why)
{
    struct world *w = ctx;
    (void)why;
    w->is_over = true;
}

static void turn(struct world *w)
{
    (void)event_base_loop(w->base, EVLOOP_NONBLOCK);
    if (w->bus)
        (void)mmr_bus_wait(w->bus, 10);
    else
        (void)usleep(5000);
}

#define WAIT_FOR(w, cond)                                                                          \
    do {                                                                                           \
        int64_t until_ = mmr_clock_mono_ns() + 30 * MMR_NS_PER_S;                                  \
        while (!(cond) && mmr_clock_mono_ns() < until_)                                            \
            turn(w);                                                                               \
        if (!(cond))                                                                               \
            fail_msg("not within 30 s: %s (seen %zu)", #cond, (w)->n_seen);                                                \
    } while (0)

static void stay(struct world *w, int ms)
{
    int64_t until = mmr_clock_mono_ns() + ms * MMR_NS_PER_MS;
    while (mmr_clock_mono_ns() < until)
        turn(w);
}

static void fork_agents(struct world *w)
{
    for (unsigned i = 0; i < AGENTS; i++) {
        int pair[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
        assert_true((w->pid[i] = fork()) >= 0);
        if (w->pid[i] == 0) {
            if (dup2(pair[1], MMR_CHANNEL_FD) < 0)
                _exit(99);
            (void)close_range(MMR_CHANNEL_PAGE_FD, ~0u, 0);
            _exit(mmr_agent_main());
        }
        (void)close(pair[1]);
        w->fd[i] = pair[0];
    }
}

static void write_text(const struct world *w, const char *name, const char *text)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", w->dir, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void write_config(const struct world *w, const char *extra)
{
    char text[2048], path[128];
    (void)snprintf(path, sizeof path, "%s/conf", w->dir);
    assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
    (void)snprintf(text, sizeof text,
                   "deployment: none\nnode: {name: pc1, role: endpoint, state_dir: %s, run_dir: %s}\n"
                   "defence: {never_block: [203.0.113.0/24], per_minute: 5}\n%s", w->dir, w->dir, extra);
    write_text(w, "conf/50-site.yaml", text);
}

static void start(struct world *w)
{
    uint8_t buf[512];
    struct mmr_event map;
    char conf[128];
    w->is_ready = w->is_over = false;
    assert_int_equal(mmr_channel_new(w->base, w->fd[w->agent], on_tell, on_tether_end, w, &w->tether, NULL), 0);
    (void)snprintf(conf, sizeof conf, "%s/conf", w->dir);
    mmr_event_begin_map(&map, buf, sizeof buf);
    mmr_event_str(&map, "dir", conf);
    assert_int_equal(mmr_channel_send(w->tether, MMR_TELL_CONFIG, &map, NULL, 0, -1), 0);
    WAIT_FOR(w, w->is_ready || w->refusal[0]);
}

static void tell_slot(struct world *w)
{
    uint8_t buf[1024];
    struct mmr_event map;
    char endpoint[128];
    (void)snprintf(endpoint, sizeof endpoint, "ipc://%s/0", w->dir);
    mmr_event_begin_map(&map, buf, sizeof buf);
    mmr_event_int(&map, "slot", 0);
    mmr_event_str(&map, "host", "endpoint");
    mmr_event_str(&map, "endpoint", endpoint);
    assert_int_equal(mmr_channel_send(w->tether, MMR_TELL_SLOT, &map, secret, sizeof secret, -1), 0);
    if (!w->client)
        assert_int_equal(mmr_local_client_new(w->bus, endpoint, secret, &host_ops, w, NULL, &w->client, NULL), 0);
}

/* The instance, and how many of its host are told after it. */
static void tell_instance(struct world *w, unsigned index, unsigned left)
{
    uint8_t buf[1024];
    struct mmr_event map;
    mmr_event_begin_map(&map, buf, sizeof buf);
    mmr_event_int(&map, "slot", 0);
    mmr_event_int(&map, "index", index);
    mmr_event_int(&map, "left", left);
    mmr_event_str(&map, "name", "contain");
    mmr_event_str(&map, "plugin", "org.mamori.contain");
    mmr_event_int(&map, "side", MMR_SIDE_ENDPOINT);
    mmr_event_int(&map, "roles", MMR_ROLE_RESPONDER);
    mmr_event_str(&map, "actions", "block.addr kill.process");
    assert_int_equal(mmr_channel_send(w->tether, MMR_TELL_INSTANCE, &map, NULL, 0, -1), 0);
}

static void tell_host(struct world *w)
{
    tell_slot(w);
    tell_instance(w, 0, 0);
}

static void make_world(struct world *w)
{
    memset(w, 0, sizeof *w);
    (void)snprintf(w->dir, sizeof w->dir, "/tmp/mamori-agent-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    fork_agents(w);
    assert_non_null(w->base = event_base_new());
    assert_non_null(w->seen = calloc(SEEN_MAX, sizeof *w->seen));
    assert_non_null(w->view = calloc(1, sizeof *w->view));
    assert_int_equal(mmr_keys_new(&w->hub_keys, NULL), 0);
    assert_int_equal(mmr_keys_new(&w->node_keys, NULL), 0);
}

/* Hub, agent, and a host with one instance, "contain". */
static void open_world(struct world *w, bool has_hub)
{
    char line[MMR_PUBLIC_TEXT_MAX], path[128], site[512];
    make_world(w);
    (void)snprintf(path, sizeof path, "%s/node.key", w->dir);
    assert_int_equal(mmr_keys_save(&w->node_keys, path, NULL), 0);
    mmr_public_keys_format(&w->hub_keys.pub, line);
    write_text(w, "hub.pub", line);
    assert_int_equal(mmr_bus_new(&w->bus, NULL), 0);
    open_hub(w); /* finds a free port */
    if (!has_hub)
        close_hub(w);
    (void)snprintf(site, sizeof site, "site: {hub: 'tcp://127.0.0.1:%d', hub_key: %s/hub.pub, spool: 4M}\n", w->port, w->dir);
    write_config(w, site);
    start(w);
    assert_string_equal(w->refusal, "");
    tell_host(w);
}

static void end_agent(struct world *w, int sig)
{
    int status;
    if (sig)
        assert_int_equal(kill(w->pid[w->agent], sig), 0);
    mmr_channel_free(w->tether);
    w->tether = NULL;
    assert_int_equal(waitpid(w->pid[w->agent], &status, 0), w->pid[w->agent]);
    if (!sig)
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == (w->refusal[0] ? 2 : 0));
    w->agent++;
}

static void close_world(struct world *w)
{
    static const char *const files[] = {"conf/50-site.yaml", "conf", "hub.pub", "node.key", "node.key.old", "node.pub",
                                        "spool.db", "spool.db-wal", "spool.db-shm", "0", ""};
    mmr_local_client_free(w->client);
    close_hub(w);
    if (w->bus)
        mmr_bus_free(w->bus);
    if (w->tether)
        end_agent(w, 0);
    for (; w->agent < AGENTS; w->agent++) { /* never used: its channel ends */
        (void)close(w->fd[w->agent]);
        (void)waitpid(w->pid[w->agent], NULL, 0);
    }
    event_base_free(w->base);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s/%s", w->dir, files[i]);
        (void)remove(path);
    }
    free(w->seen);
    free(w->view);
}

/* ---- what the host sends ---- */

static void emit(struct world *w, uint32_t lane, size_t filler)
{
    static uint8_t buf[MMR_EVENT_BYTES_MAX];
    static char block[15 * 1024 + 1];
    struct mmr_event ev;
    char rule[32], key[32];
    bool is_finding = lane != MMR_LANE_TELEMETRY;
    if (!w->emitted_ns[0])
        w->emitted_ns[0] = mmr_clock_wall_ns();
    memset(block, 'x', sizeof block - 1);
    (void)snprintf(rule, sizeof rule, "test.%llu", (unsigned long long)++w->number);
    mmr_event_begin(&ev, buf, sizeof buf, is_finding ? "finding" : "conn.open", is_finding ? MMR_CLASS_FINDING : MMR_CLASS_NETWORK, 1,
                    mmr_clock_wall_ns(), 3);
    if (is_finding)
        mmr_event_str(&ev, "mamori.rule", rule);
    if (lane == MMR_LANE_URGENT)
        mmr_event_str(&ev, "mamori.phase", "foothold.process");
    for (size_t i = 0; i < filler / (sizeof block - 1); i++) {
        (void)snprintf(key, sizeof key, "unmapped.f%zu", i);
        mmr_event_str(&ev, key, block);
    }
    assert_int_equal(mmr_event_end(&ev), 0);
    w->emitted_ns[1] = mmr_clock_wall_ns();
    assert_int_equal(mmr_local_send(w->client, 0, MMR_LOCAL_EVENT, lane, w->number, ev.buf, ev.len), 0);
}

static size_t count(const struct world *w, uint32_t kind, uint32_t lane)
{
    size_t n = 0;
    for (size_t i = 0; i < w->n_seen; i++)
        n += w->seen[i].kind == kind && w->seen[i].lane == lane;
    return n;
}

#endif
