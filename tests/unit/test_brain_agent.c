/*
 * test_brain_agent.c - the agent as a process of its own, between a hub and a plugin host that this test plays. Agents are
 * forked before the bus of the test has its thread; each waits for its configuration.
 */
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
    size_t n_orders, n_letting_go;
};

/* ---- the hub ---- */

static void hub_hello(void *ctx, const char *node, const uint8_t epoch[16])
{
    struct world *w = ctx;
    if (memcmp(w->epoch, epoch, 16) != 0)
        memset(w->upto, 0, sizeof w->upto);
    memcpy(w->epoch, epoch, 16);
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

static void tell_host(struct world *w)
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
    mmr_event_begin_map(&map, buf, sizeof buf);
    mmr_event_int(&map, "slot", 0);
    mmr_event_int(&map, "index", 0);
    mmr_event_str(&map, "name", "contain");
    mmr_event_str(&map, "plugin", "org.mamori.contain");
    mmr_event_int(&map, "side", MMR_SIDE_ENDPOINT);
    mmr_event_int(&map, "roles", MMR_ROLE_RESPONDER);
    mmr_event_str(&map, "actions", "block.addr kill.process");
    assert_int_equal(mmr_channel_send(w->tether, MMR_TELL_INSTANCE, &map, NULL, 0, -1), 0);
    if (!w->client)
        assert_int_equal(mmr_local_client_new(w->bus, endpoint, secret, &host_ops, w, NULL, &w->client, NULL), 0);
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

/* ---- tests ---- */

static void events_wait_for_the_hub_and_arrive_stamped_the_urgent_first(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, false);
    for (unsigned i = 0; i < 20; i++)
        emit(&w, MMR_LANE_TELEMETRY, 0);
    for (unsigned i = 0; i < 5; i++)
        emit(&w, MMR_LANE_FINDING, 0);
    emit(&w, MMR_LANE_URGENT, 0);
    WAIT_FOR(&w, mmr_local_pending(w.client) == 0); /* in the spool on disk: the host need not keep them */
    stay(&w, 500);
    open_hub(&w);
    WAIT_FOR(&w, w.n_seen == 26);
    WAIT_FOR(&w, mmr_local_pending(w.client) == 0);
    WAIT_FOR(&w, w.committed == w.number);
    bool is_urgent_past = false;
    for (size_t i = 0; i < w.n_seen; i++) {
        const struct seen *s = &w.seen[i];
        assert_string_equal(s->node, "pc1");
        assert_string_equal(s->side, "endpoint");
        assert_string_equal(s->plugin, "org.mamori.contain");
        assert_string_equal(s->instance, "contain");
        is_urgent_past |= s->lane == MMR_LANE_URGENT;
        if (s->lane == MMR_LANE_FINDING)
            assert_true(is_urgent_past);
    }
    assert_int_equal(count(&w, MMR_LOCAL_EVENT, MMR_LANE_URGENT), 1);
    assert_int_equal(count(&w, MMR_LOCAL_EVENT, MMR_LANE_FINDING), 5);
    assert_int_equal(count(&w, MMR_LOCAL_EVENT, MMR_LANE_TELEMETRY), 20);
    WAIT_FOR(&w, strncmp(w.account, "contain|org.mamori.contain|", 27) == 0);
    close_world(&w);
}

static int order_for(struct world *w, const char *instance, uint64_t id, const char *cidr, uint32_t flags, int64_t ttl_ms)
{
    struct mmr_action_rec a = {.id = id, .verb = MMR_VERB_BLOCK_ADDR, .target = {.direction = MMR_DIR_OUTBOUND}, .ttl_ms = ttl_ms};
    uint8_t map[1024], bytes[2048];
    size_t map_len, len;
    assert_int_equal(mmr_cidr_parse(cidr, &a.target.addr, NULL), 0);
    assert_int_equal(mmr_action_encode(&a, map, sizeof map, &map_len), 0);
    const struct mmr_action order = {.struct_size = sizeof order, .flags = flags, .id = id, .verb = "block.addr", .ttl_ms = ttl_ms,
                                     .msgpack = map, .len = map_len};
    assert_int_equal(mmr_order_encode(&order, bytes, sizeof bytes, &len), 0);
    return mmr_site_hub_order(w->hub, "pc1", instance, MMR_LOCAL_ACTION, id, 5000, bytes, len);
}

static int order_at(struct world *w, const char *instance, uint64_t id, const char *cidr, uint32_t flags)
{
    return order_for(w, instance, id, cidr, flags, 60000);
}

static const struct seen *receipt_of(const struct world *w, uint64_t id)
{
    const struct seen *found = NULL;
    for (size_t i = 0; i < w->n_seen; i++)
        if (w->seen[i].kind == MMR_LOCAL_RECEIPT && w->seen[i].number == id)
            found = &w->seen[i];
    return found;
}

static void send_receipt(struct world *w, uint64_t id, const char *result, const char *verified)
{
    uint8_t map[256], bytes[512];
    size_t len;
    struct mmr_event ev;
    mmr_event_begin_map(&ev, map, sizeof map);
    mmr_event_str(&ev, "result", result);
    mmr_event_str(&ev, "verify.result", verified);
    assert_int_equal(mmr_event_end(&ev), 0);
    assert_int_equal(mmr_receipt_wrap(0, map, ev.len, bytes, sizeof bytes, &len), 0);
    assert_int_equal(mmr_local_send(w->client, 0, MMR_LOCAL_RECEIPT, MMR_LANE_URGENT, id, bytes, len), 0);
}

static void ask_with(struct world *w, const char *command, const char *args)
{
    uint8_t buf[256];
    struct mmr_event map;
    w->answer[0] = '\0';
    mmr_event_begin_map(&map, buf, sizeof buf);
    mmr_event_int(&map, "id", 7);
    mmr_event_str(&map, "command", command);
    mmr_event_str(&map, "text", args);
    assert_int_equal(mmr_channel_send(w->tether, MMR_TELL_REQUEST, &map, NULL, 0, -1), 0);
    WAIT_FOR(w, w->answer[0]);
}

static void ask(struct world *w, const char *command)
{
    ask_with(w, command, "{}");
}

static void orders_pass_the_gate_or_are_refused_before_the_plugin(void **state)
{
    (void)state;
    struct world w;
    char verb[MMR_ORDER_VERB_MAX + 1];
    struct mmr_action a;
    open_world(&w, true);
    emit(&w, MMR_LANE_FINDING, 0);
    WAIT_FOR(&w, w.n_seen == 1);

    assert_int_equal(order_at(&w, "contain", 1, "198.51.100.7", 0), 0);
    WAIT_FOR(&w, w.n_orders == 1);
    assert_int_equal(w.last_order.kind, MMR_LOCAL_ACTION);
    assert_int_equal(w.last_order.number, 1);
    send_receipt(&w, 1, "applied", "confirmed");
    WAIT_FOR(&w, receipt_of(&w, 1));
    assert_int_equal(receipt_of(&w, 1)->receipt.result, MMR_RESULT_APPLIED);
    assert_int_equal(receipt_of(&w, 1)->receipt.verified, MMR_VERIFIED_CONFIRMED);

    assert_int_equal(order_at(&w, "contain", 2, "203.0.113.9", 0), 0); /* on the never-block list */
    WAIT_FOR(&w, receipt_of(&w, 2));
    assert_int_equal(receipt_of(&w, 2)->receipt.result, MMR_RESULT_REFUSED);
    assert_non_null(strstr(receipt_of(&w, 2)->receipt.detail, "203.0.113.9"));
    assert_int_equal(order_at(&w, "contain", 3, "127.0.0.1", 0), 0); /* where the hub is */
    WAIT_FOR(&w, receipt_of(&w, 3));
    assert_int_equal(receipt_of(&w, 3)->receipt.result, MMR_RESULT_REFUSED);
    assert_int_equal(order_at(&w, "nobody", 4, "198.51.100.8", 0), 0);
    WAIT_FOR(&w, receipt_of(&w, 4));
    assert_int_equal(receipt_of(&w, 4)->receipt.result, MMR_RESULT_UNSUPPORTED);
    assert_int_equal(mmr_site_hub_order(w.hub, "pc1", "contain", MMR_LOCAL_ACTION, 5, 5000, "nonsense", 8), 0);
    WAIT_FOR(&w, receipt_of(&w, 5));
    assert_int_equal(receipt_of(&w, 5)->receipt.result, MMR_RESULT_FAILED);
    assert_int_equal(w.n_orders, 1); /* none of them came through */

    ask(&w, "status");
    assert_non_null(strstr(w.answer, "\"hub_up\":true"));
    assert_non_null(strstr(w.answer, "\"live\":1"));
    ask(&w, "block.undo-all");
    assert_non_null(strstr(w.answer, "\"undone\":1,\"failed\":0"));
    WAIT_FOR(&w, w.n_orders == 2 && w.n_letting_go == 1); /* and whatever else its journal holds */
    assert_int_equal(w.last_order.number, 1);
    assert_int_equal(mmr_order_decode(w.order, w.last_order.len, 1, verb, &a, NULL), 0);
    assert_int_equal(a.flags, MMR_ACT_UNDO);
    assert_string_equal(verb, "block.addr");
    assert_true(a.len > 0); /* the target, as ordered */
    size_t before = w.n_seen;
    send_receipt(&w, 1, "applied", "none");
    WAIT_FOR(&w, w.n_seen > before);
    assert_true(receipt_of(&w, 1)->receipt.revoked_ns > 0); /* to the hub: it does not hold any more */
    ask(&w, "block.undo-all");
    assert_non_null(strstr(w.answer, "\"undone\":0,\"failed\":0"));
    static const char *const no_id[] = {"", "{", "[]", "null", "{}", "{\"id\":null}", "{\"id\":1}", "{\"id\":[\"0000000000000001\"]}",
                                        "{\"id\":\"1\"}", "{\"id\":\"0x00000000000001\"}", "{\"id\":\"0000000000000000\"}"};
    for (size_t i = 0; i < sizeof no_id / sizeof no_id[0]; i++) {
        ask_with(&w, "block.undo", no_id[i]);
        assert_non_null(strstr(w.answer, "'id' must be 16 hex digits"));
    }
    ask(&w, "no.such");
    assert_non_null(strstr(w.answer, "\"error\""));
    close_world(&w);
}

static void an_office_is_not_cut_off_by_many_orders(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, true);
    emit(&w, MMR_LANE_FINDING, 0);
    WAIT_FOR(&w, w.n_seen == 1);
    for (uint64_t id = 1; id <= 8; id++) { /* five a minute */
        char text[32];
        (void)snprintf(text, sizeof text, "198.51.100.%u", (unsigned)id);
        assert_int_equal(order_at(&w, "contain", id, text, 0), 0);
    }
    WAIT_FOR(&w, receipt_of(&w, 8));
    assert_int_equal(receipt_of(&w, 8)->receipt.result, MMR_RESULT_REFUSED);
    WAIT_FOR(&w, w.n_orders == 5);
    stay(&w, 100);
    assert_int_equal(w.n_orders, 5);
    assert_int_equal(order_at(&w, "contain", 1, "198.51.100.1", MMR_ACT_UNDO), 0); /* a way back there always is */
    WAIT_FOR(&w, w.n_orders == 6);
    close_world(&w);
}

static void nothing_is_lost_when_hub_and_agent_are_killed(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, true);
    for (unsigned i = 0; i < 100; i++)
        emit(&w, i % 10 ? MMR_LANE_FINDING : MMR_LANE_URGENT, 0);
    WAIT_FOR(&w, mmr_local_pending(w.client) == 0 && w.n_seen == 100);
    w.is_mute = true; /* arrives, and is not committed */
    for (unsigned i = 0; i < 100; i++)
        emit(&w, i % 10 ? MMR_LANE_FINDING : MMR_LANE_URGENT, 0);
    WAIT_FOR(&w, w.n_seen == 200);
    WAIT_FOR(&w, mmr_local_pending(w.client) == 0); /* the spool has them, though the hub does not say so */
    close_hub(&w);
    w.is_mute = false;
    open_hub(&w); /* at the same place, with what it had committed */
    WAIT_FOR(&w, w.n_seen == 300);
    WAIT_FOR(&w, mmr_local_pending(w.client) == 0);

    w.is_mute = true;
    for (unsigned i = 0; i < 50; i++)
        emit(&w, MMR_LANE_FINDING, 0);
    WAIT_FOR(&w, w.n_seen == 350);
    end_agent(&w, SIGKILL);
    w.is_mute = false;
    start(&w); /* another agent, the same spool: its numbers go on */
    tell_host(&w);
    WAIT_FOR(&w, mmr_local_pending(w.client) == 0);
    stay(&w, 300);
    assert_int_equal(w.n_seen, 350); /* this hub has them, and does not take them twice */
    mmr_site_hub_ack(w.hub, "pc1", w.epoch, MMR_LANE_FINDING, w.last[MMR_LANE_FINDING]);
    ask(&w, "status");
    for (int i = 0; i < 100 && !strstr(w.answer, "\"findings\":0"); i++) {
        stay(&w, 100);
        ask(&w, "status");
    }
    assert_non_null(strstr(w.answer, "\"findings\":0")); /* and the spool lets them go */
    for (uint64_t n = 1; n <= w.number; n++) {
        unsigned times = 0;
        const char *id = NULL;
        for (size_t i = 0; i < w.n_seen; i++)
            if (w.seen[i].number == n) {
                assert_true(!id || strcmp(id, w.seen[i].id) == 0); /* told apart from a new one by whoever has it */
                id = w.seen[i].id;
                times++;
            }
        assert_int_equal(times, n > 100 && n <= 200 ? 2 : 1);
    }
    close_world(&w);
}

static void a_full_spool_makes_hosts_wait_and_loses_nothing(void **state)
{
    (void)state;
    struct world w;
    const unsigned n = 80; /* of 100 KiB: twice what the spool holds */
    open_world(&w, false);
    for (unsigned i = 0; i < n; i++)
        emit(&w, MMR_LANE_FINDING, BIG);
    stay(&w, 1000);
    WAIT_FOR(&w, mmr_local_pending(w.client) < n); /* what the spool takes */
    assert_true(mmr_local_pending(w.client) > n / 4); /* and what the host must keep */
    ask(&w, "status");
    assert_non_null(strstr(w.answer, "\"hub_up\":false"));
    open_hub(&w);
    WAIT_FOR(&w, mmr_local_pending(w.client) == 0);
    WAIT_FOR(&w, w.n_seen == n);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(w.seen[i].number, i + 1);
    close_world(&w);
}

/* Without a hub for long, the agent killed again and again, at last the whole machine: what was committed comes once, in order,
 * with the times it had. */
static void what_waited_through_crashes_and_a_reboot_arrives_once(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, false);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 100; i++)
            emit(&w, i % 10 ? MMR_LANE_FINDING : MMR_LANE_URGENT, 0);
        if (round == 0) /* the second time in the middle of it: the host sends again what was not committed */
            WAIT_FOR(&w, mmr_local_pending(w.client) == 0);
        if (round < 2) {
            end_agent(&w, SIGKILL);
            start(&w);
            tell_host(&w);
        }
        WAIT_FOR(&w, mmr_local_pending(w.client) == 0);
    }
    const uint64_t total = w.number;
    end_agent(&w, SIGKILL); /* the machine goes down: the host, too */
    mmr_local_client_free(w.client);
    w.client = NULL;
    start(&w);
    tell_host(&w);
    emit(&w, MMR_LANE_FINDING, 0); /* of another start of the host: its numbers begin anew */
    WAIT_FOR(&w, mmr_local_pending(w.client) == 0);
    open_hub(&w);
    WAIT_FOR(&w, w.n_seen >= total + 1);
    stay(&w, 300);
    assert_int_equal(w.n_seen, total + 1);
    uint64_t last[MMR_LANES] = {0};
    for (size_t i = 0; i < w.n_seen; i++) {
        assert_true(w.seen[i].number > last[w.seen[i].lane]);
        last[w.seen[i].lane] = w.seen[i].number;
        assert_true(w.seen[i].time_ns >= w.emitted_ns[0] && w.seen[i].time_ns <= w.emitted_ns[1]);
    }
    assert_int_equal(count(&w, MMR_LOCAL_EVENT, MMR_LANE_URGENT), 30);
    ask(&w, "status");
    assert_non_null(strstr(w.answer, "\"findings\":0"));
    close_world(&w);
}

/* A disk that was put back to an older state: the hub knows numbers that this spool is about to give again. */
static void a_spool_put_back_to_an_older_state_loses_nothing_new(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, true);
    for (unsigned i = 0; i < 20; i++)
        emit(&w, MMR_LANE_FINDING, 0);
    WAIT_FOR(&w, w.n_seen == 20);
    WAIT_FOR(&w, mmr_local_pending(w.client) == 0);
    w.upto[MMR_LANE_FINDING] += 500; /* as if 500 more had been sent before the disk was put back */
    uint8_t before[16];
    memcpy(before, w.epoch, 16);
    close_hub(&w);
    open_hub(&w);
    WAIT_FOR(&w, memcmp(before, w.epoch, 16) != 0); /* the hub of this test forgets an epoch it does not know */
    for (unsigned i = 0; i < 5; i++)
        emit(&w, MMR_LANE_FINDING, 0);
    unsigned times[26] = {0};
    WAIT_FOR(&w, w.n_seen >= 25 && w.seen[w.n_seen - 1].number == 25);
    for (size_t i = 0; i < w.n_seen; i++)
        times[w.seen[i].number]++;
    for (unsigned i = 1; i <= 25; i++) /* what the hub had not acknowledged before may come again, with the id it had */
        assert_true(i <= 20 ? times[i] >= 1 && times[i] <= 2 : times[i] == 1);
    close_world(&w);
}

static bool is_pinned(const char *path, const struct mmr_public_keys *want)
{
    char line[MMR_PUBLIC_TEXT_MAX + 2] = "";
    struct mmr_public_keys pinned;
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    bool is = fgets(line, sizeof line, f) && mmr_public_keys_parse(line, &pinned, NULL) == 0 && memcmp(&pinned, want, sizeof pinned) == 0;
    (void)fclose(f);
    return is;
}

static void keys_change_at_both_ends_and_the_link_goes_on(void **state)
{
    (void)state;
    struct world w;
    struct mmr_keys next, now;
    uint8_t body[2 * MMR_KEY];
    char path[128];
    open_world(&w, true);
    emit(&w, MMR_LANE_FINDING, 0);
    WAIT_FOR(&w, w.n_seen == 1);
    ask(&w, "node.rotate");
    assert_non_null(strstr(w.answer, "\"keys\":"));
    WAIT_FOR(&w, w.n_rotated == 1); /* used, so the old ones are over */
    (void)snprintf(path, sizeof path, "%s/node.key", w.dir);
    WAIT_FOR(&w, mmr_keys_load(path, &now, NULL) == 0 && memcmp(&now.pub, &w.node_keys.pub, sizeof now.pub) != 0);
    assert_memory_equal(&now.pub, &w.rotated, sizeof now.pub);
    emit(&w, MMR_LANE_FINDING, 0);
    WAIT_FOR(&w, w.n_seen == 2);
    w.node_keys = now;

    assert_int_equal(mmr_keys_new(&next, NULL), 0);
    memcpy(body, next.pub.curve, MMR_KEY);
    memcpy(body + MMR_KEY, next.pub.sign, MMR_KEY);
    WAIT_FOR(&w, mmr_site_hub_order(w.hub, "pc1", "agent", MMR_SITE_HUB_KEY, 0, 5000, body, sizeof body) == 0);
    WAIT_FOR(&w, w.n_hub_known >= 1);
    close_hub(&w);
    w.hub_keys = next;
    open_hub(&w); /* with another key */
    emit(&w, MMR_LANE_FINDING, 0);
    WAIT_FOR(&w, w.n_seen == 3);
    (void)snprintf(path, sizeof path, "%s/hub.pub", w.dir);
    WAIT_FOR(&w, is_pinned(path, &next.pub));
    assert_int_equal(order_at(&w, "contain", 1, "198.51.100.7", 0), 0); /* signed with the new key, and followed */
    WAIT_FOR(&w, w.n_orders == 1);
    close_world(&w);
}

/* The hub is gone for longer than the lease: what shuts somebody out is taken back. */
static void a_block_is_taken_back_when_nobody_renews_it(void **state)
{
    (void)state;
    struct world w;
    char verb[MMR_ORDER_VERB_MAX + 1];
    struct mmr_action a;
    open_world(&w, true);
    emit(&w, MMR_LANE_FINDING, 0);
    WAIT_FOR(&w, w.n_seen == 1);
    assert_int_equal(order_for(&w, "contain", 1, "198.51.100.7", 0, 2000), 0);
    WAIT_FOR(&w, w.n_orders == 1);
    send_receipt(&w, 1, "applied", "confirmed");
    WAIT_FOR(&w, receipt_of(&w, 1));
    stay(&w, 1000);
    assert_int_equal(order_for(&w, "contain", 1, "198.51.100.7", MMR_ACT_RENEW, 2000), 0);
    WAIT_FOR(&w, w.n_orders == 2);
    int64_t renewed = mmr_clock_mono_ns();
    close_hub(&w);
    WAIT_FOR(&w, w.n_orders == 3);
    assert_true(mmr_clock_mono_ns() - renewed > 1900 * MMR_NS_PER_MS); /* held as long as it was promised */
    assert_int_equal(mmr_order_decode(w.order, w.last_order.len, 1, verb, &a, NULL), 0);
    assert_int_equal(a.flags, MMR_ACT_UNDO);
    send_receipt(&w, 1, "applied", "none");
    open_hub(&w);
    WAIT_FOR(&w, receipt_of(&w, 1)->receipt.revoked_ns > 0); /* and the hub hears why */
    assert_non_null(strstr(receipt_of(&w, 1)->receipt.detail, "lease"));
    close_world(&w);
}

static void facts_of_the_supervisor_reach_the_hub(void **state)
{
    (void)state;
    struct world w;
    uint8_t buf[512];
    struct mmr_event ev;
    open_world(&w, true);
    mmr_event_begin(&ev, buf, sizeof buf, "sensor.lost", MMR_CLASS_EVENT_LOG, 99, mmr_clock_wall_ns(), 4);
    assert_int_equal(mmr_event_end(&ev), 0);
    assert_int_equal(mmr_channel_send(w.tether, MMR_TELL_FACT, NULL, ev.buf, ev.len, -1), 0);
    WAIT_FOR(&w, w.n_seen == 1);
    assert_int_equal(w.seen[0].lane, MMR_LANE_FINDING);
    assert_string_equal(w.seen[0].plugin, "org.mamori.core");
    assert_string_equal(w.seen[0].node, "pc1");
    close_world(&w);
}

static void what_is_missing_is_said_with_the_remedy(void **state)
{
    (void)state;
    static const struct {
        const char *site, *says;
        bool has_hub_key;
    } rows[] = {
        {"", "mamori join TOKEN", false},
        {"site: {hub: 'tcp://127.0.0.1:7400'}\n", "mamori keys show", false},
        {"site: {hub: '127.0.0.1', hub_key: /nowhere/hub.pub}\n", "tcp://ADDRESS:PORT", false},
        {"site: {hub: 'tcp://127.0.0.1:7400', hub_key: /nowhere/hub.pub}\n", "mamori keys show", false},
        {"site: {hub: 'tcp://127.0.0.1:7400', hub_key: %s/hub.pub}\n", "mamori keys new", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        char line[MMR_PUBLIC_TEXT_MAX], site[512];
        make_world(&w);
        mmr_public_keys_format(&w.hub_keys.pub, line);
        write_text(&w, "hub.pub", line);
        (void)snprintf(site, sizeof site, "%s", rows[i].site);
        if (rows[i].has_hub_key)
            (void)snprintf(site, sizeof site, "site: {hub: 'tcp://127.0.0.1:7400', hub_key: %s/hub.pub}\n", w.dir);
        write_config(&w, site);
        start(&w);
        if (w.is_ready || !strstr(w.refusal, rows[i].says))
            fail_msg("%s: said '%s', expected '%s'", rows[i].site, w.refusal, rows[i].says);
        close_world(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_wait_for_the_hub_and_arrive_stamped_the_urgent_first),
        cmocka_unit_test(orders_pass_the_gate_or_are_refused_before_the_plugin),
        cmocka_unit_test(an_office_is_not_cut_off_by_many_orders),
        cmocka_unit_test(nothing_is_lost_when_hub_and_agent_are_killed),
        cmocka_unit_test(a_full_spool_makes_hosts_wait_and_loses_nothing),
        cmocka_unit_test(what_waited_through_crashes_and_a_reboot_arrives_once),
        cmocka_unit_test(a_spool_put_back_to_an_older_state_loses_nothing_new),
        cmocka_unit_test(keys_change_at_both_ends_and_the_link_goes_on),
        cmocka_unit_test(a_block_is_taken_back_when_nobody_renews_it),
        cmocka_unit_test(facts_of_the_supervisor_reach_the_hub),
        cmocka_unit_test(what_is_missing_is_said_with_the_remedy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
