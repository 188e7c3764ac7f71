/* Each fault plugin takes down only itself; what it costs is counted, told, and ends in quarantine. The real
 * executable is started as host; the core's side of the bus is played by this test. */
#include "plugin/supervise.h"

#include "bus/local.h"
#include "plugin/describe.h"
#include "plugin/load.h"
#include "plugin/order.h"
#include "util/clock.h"

#include <mamori/action.h>

#include <event2/event.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct world {
    struct event_base *base;
    struct mmr_supervisor *sup;
    struct mmr_bus *bus;
    struct mmr_local_server *server;
    struct event *bus_ev;
    char dir[64];
    uint32_t slots;
    /* what came */
    unsigned events[8], findings[8]; /* by slot */
    unsigned misbehaved;
    int receipt_code;
    unsigned receipts;
    char receipt_result[32];
    char facts[2048], states[4096];
    int64_t waits_ms[8];
    unsigned n_waits;
    int reload_code;
    unsigned reloads;
    char reload_text[248];
};

static void on_hello(void *ctx, uint32_t slot, const uint8_t epoch[16])
{
    struct world *w = ctx;
    const uint64_t none[MMR_LANES] = {0};
    mmr_local_welcome(w->server, slot, epoch, none);
}

static void on_record(void *ctx, const struct mmr_local_record *r)
{
    struct world *w = ctx;
    if (r->kind == MMR_LOCAL_EVENT && r->slot < 8) {
        w->events[r->slot]++;
        w->findings[r->slot] += r->lane != MMR_LANE_TELEMETRY;
    } else if (r->kind == MMR_LOCAL_RECEIPT) {
        const void *map;
        size_t len;
        struct mmr_event_view v;
        assert_int_equal(mmr_receipt_unwrap(r->bytes, r->len, &w->receipt_code, &map, &len, NULL), 0);
        assert_int_equal(mmr_event_read(map, len, &v, NULL), 0);
        (void)mmr_event_copy_str(&v, "result", w->receipt_result, sizeof w->receipt_result);
        assert_int_equal(r->lane, MMR_LANE_URGENT);
        w->receipts++;
    }
    if (r->lane != MMR_LANE_TELEMETRY)
        mmr_local_ack(w->server, r->slot, r->epoch, r->lane, r->seq);
}

static void on_misbehaved(void *ctx, uint32_t slot, uint64_t count, const char *what)
{
    struct world *w = ctx;
    (void)slot;
    (void)count;
    (void)what;
    w->misbehaved++;
}
static const struct mmr_local_server_ops server_ops = {.hello = on_hello, .record = on_record,
                                                       .misbehaved = on_misbehaved};

__attribute__((format(printf, 3, 4))) static void append(char *to, size_t cap, const char *fmt, ...)
{
    size_t at = strlen(to);
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(to + at, cap - at, fmt, ap);
    va_end(ap);
}

static void on_state(void *ctx, struct mmr_child *c, enum mmr_child_state from, enum mmr_child_state to)
{
    struct world *w = ctx;
    struct mmr_child_status s;
    (void)from;
    append(w->states, sizeof w->states, "%s:%s ", mmr_child_name(c), mmr_child_state_name(to));
    mmr_child_status(c, &s);
    (void)s;
}

static void on_fact(void *ctx, const struct mmr_supervise_fact *f)
{
    struct world *w = ctx;
    uint8_t buf[4096];
    size_t len;
    struct mmr_event_view v;
    append(w->facts, sizeof w->facts, "%s:%s:%s ", f->kind, mmr_child_name(f->child),
           mmr_child_cause_name(f->end->cause));
    assert_int_equal(mmr_fact_event(f, 1, buf, sizeof buf, &len), 0);
    assert_int_equal(mmr_event_read(buf, len, &v, NULL), 0);
    assert_true(mmr_value_is(mmr_event_get(&v, "mamori.kind"), f->kind));
}
static const struct mmr_supervisor_ops sup_ops = {.state = on_state, .fact = on_fact};

static void on_bus(evutil_socket_t fd, short what, void *ctx)
{
    struct world *w = ctx;
    (void)fd;
    (void)what;
    (void)mmr_bus_drain(w->bus);
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct mmr_error err = {.struct_size = sizeof err};
    const struct mmr_supervise_limits limits = {.ready_ms = 20000, .stuck_ms = 3000, .stop_ms = 5000, .delay_ms = 50,
                                                .quarantine_after = 3, .memory_bytes = INT64_C(1024) << 20};
    assert_non_null(w);
    (void)snprintf(w->dir, sizeof w->dir, "/tmp/mmr-sup-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    w->base = event_base_new();
    assert_non_null(w->base);
    assert_int_equal(mmr_bus_new(&w->bus, &err), 0);
    assert_int_equal(mmr_local_server_new(w->bus, &server_ops, w, NULL, &w->server, &err), 0);
    w->bus_ev = event_new(w->base, mmr_bus_fd(w->bus), EV_READ | EV_PERSIST, on_bus, w);
    assert_int_equal(event_add(w->bus_ev, NULL), 0);
    assert_int_equal(mmr_supervisor_new(w->base, MMR_BINARY_DIR "/mamori", &limits, &sup_ops, w, &w->sup, &err), 0);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    mmr_supervisor_free(w->sup);
    mmr_local_server_free(w->server);
    event_free(w->bus_ev);
    mmr_bus_free(w->bus);
    event_base_free(w->base);
    for (uint32_t i = 0; i < w->slots; i++) {
        char path[96];
        (void)snprintf(path, sizeof path, "%s/%u", w->dir, i);
        (void)unlink(path);
    }
    (void)rmdir(w->dir);
    free(w);
    return 0;
}

/* Turn the loop until done() or the time is over. */
static bool until(struct world *w, bool (*done)(struct world *w, void *arg), void *arg, int timeout_ms)
{
    const struct timeval tick = {.tv_usec = 20000};
    int64_t end = mmr_clock_mono_ns() + timeout_ms * MMR_NS_PER_MS;
    while (!done(w, arg)) {
        if (mmr_clock_mono_ns() > end)
            return false;
        (void)event_base_loopexit(w->base, &tick);
        (void)event_base_dispatch(w->base);
    }
    return true;
}

/* A host of these fault plugins, on a slot of its own. */
static struct mmr_child *host(struct world *w, const char *name, const char *const *plugins,
                              const struct mmr_supervise_limits *limits, bool wants_all)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_host_instance inst[4];
    static char ids[4][64];
    char endpoint[MMR_LOCAL_ENDPOINT_MAX + 1];
    uint8_t secret[MMR_LOCAL_SECRET];
    size_t n = 0;
    const char *const wants[] = {"process.start", NULL};
    struct mmr_child *c = NULL;

    for (; plugins[n]; n++) {
        char path[512];
        int fd = -1;
        (void)snprintf(ids[n], sizeof ids[n], "test.%s", plugins[n]);
        (void)snprintf(path, sizeof path, MMR_FAULT_DIR "/%s.so", plugins[n]);
        int r = mmr_plugin_seal(path, &fd, &err);
        if (r)
            fail_msg("%s", err.text);
        inst[n] = (struct mmr_host_instance){.name = plugins[n], .plugin = ids[n], .file_fd = fd, .state_dir = w->dir};
    }
    memset(secret, (int)(w->slots + 1), sizeof secret);
    (void)snprintf(endpoint, sizeof endpoint, "ipc://%s/%u", w->dir, w->slots);
    assert_int_equal(mmr_local_slot_open(w->server, w->slots, endpoint, secret, &err), 0);
    w->slots++;
    const struct mmr_host_conf conf = {.name = name, .node = "n1", .endpoint = endpoint, .secret = secret,
                                       .wants = wants_all ? wants : NULL, .instances = inst, .n = n, .limits = limits};
    int r = mmr_host_new(w->sup, &conf, &c, &err);
    if (r)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < n; i++)
        (void)close(inst[i].file_fd);
    mmr_child_start(c);
    return c;
}

static enum mmr_child_state state_of(const struct mmr_child *c)
{
    struct mmr_child_status s;
    mmr_child_status(c, &s);
    return s.state;
}
static bool is_running(struct world *w, void *arg)
{
    (void)w;
    return state_of(arg) == MMR_CHILD_RUNNING;
}
static bool is_quarantined(struct world *w, void *arg)
{
    (void)w;
    return state_of(arg) == MMR_CHILD_QUARANTINED;
}
static bool has_events(struct world *w, void *arg)
{
    (void)arg;
    return w->events[0] >= 5;
}
static bool has_findings(struct world *w, void *arg)
{
    (void)arg;
    return w->findings[0] >= 3;
}
static bool has_receipt(struct world *w, void *arg)
{
    (void)arg;
    return w->receipts > 0;
}
static bool has_ended(struct world *w, void *arg)
{
    struct mmr_child_status s;
    (void)w;
    mmr_child_status(arg, &s);
    return s.end.at_ns != 0;
}
static bool is_idle(struct world *w, void *arg)
{
    (void)arg;
    return mmr_supervisor_is_idle(w->sup);
}
static bool has_counters(struct world *w, void *arg)
{
    struct mmr_runtime_counters k;
    (void)w;
    return mmr_host_counters(arg, 0, &k) && k.refused >= 4;
}

/* A good sensor beside a bad neighbour: it must never be touched. */
static struct mmr_child *witness(struct world *w)
{
    static const char *const good[] = {"sensor", NULL};
    struct mmr_child *c = host(w, "good", good, NULL, true);
    assert_true(until(w, has_events, NULL, 20000));
    return c;
}
static void untouched(struct world *w, const struct mmr_child *good)
{
    struct mmr_child_status s;
    unsigned before = w->events[0];
    (void)before;
    mmr_child_status(good, &s);
    assert_int_equal(s.state, MMR_CHILD_RUNNING);
    assert_int_equal(s.restarts, 0);
    w->events[0] = 0;
    assert_true(until(w, has_events, NULL, 10000)); /* and it still works */
}

static void a_good_host_runs_reports_and_ends(void **state)
{
    struct world *w = *state;
    struct mmr_child *c = witness(w);
    const struct mmr_host_info *info = mmr_host_info(c, 0);
    assert_true(info->is_known);
    assert_int_equal(info->roles, MMR_ROLE_SENSOR);
    assert_int_equal(info->side, MMR_SIDE_ENDPOINT);
    assert_string_equal(info->events, "process.start");
    struct mmr_child_status s;
    mmr_child_status(c, &s);
    assert_true(s.pid > 0 && s.ticks >= 1);
    assert_int_equal(w->findings[0], 0);
    mmr_supervisor_stop(w->sup);
    assert_true(until(w, is_idle, NULL, 10000));
    mmr_child_status(c, &s);
    assert_int_equal(s.state, MMR_CHILD_STOPPED);
    assert_int_equal(s.end.status, 0); /* it left by itself */
    assert_string_equal(w->facts, ""); /* asked for: no event */
    assert_int_equal(w->misbehaved, 0);
}

static void telemetry_meets_its_analyzer_inside_the_host(void **state)
{
    struct world *w = *state;
    static const char *const both[] = {"sensor", "analyzer", NULL};
    struct mmr_child *c = host(w, "pair", both, NULL, false);
    assert_true(until(w, has_findings, NULL, 20000));
    assert_int_equal(w->events[0], w->findings[0]); /* nobody asked for process.start */
    assert_int_equal(mmr_host_info(c, 1)->caps, MMR_CAP_EP_DETECT);
}

static void null_is_named_restarted_later_and_later_and_put_aside(void **state)
{
    struct world *w = *state;
    static const char *const plugins[] = {"null", NULL};
    struct mmr_child *good = witness(w), *c = host(w, "null", plugins, NULL, true);
    assert_true(until(w, is_quarantined, c, 60000));
    struct mmr_child_status s;
    mmr_child_status(c, &s);
    assert_int_equal(s.recent_ends, 3);
    assert_int_equal(s.restarts, 3);
    assert_true(s.end.cause == MMR_CAUSE_SIGNAL || s.end.cause == MMR_CAUSE_EXIT); /* a sanitizer exits by itself */
    assert_string_equal(s.end.instance, "null");
    assert_string_equal(s.end.doing, "timer");
    assert_non_null(strstr(s.end.text, "null"));
    assert_non_null(strstr(w->facts, "sensor.lost:null:"));
    assert_non_null(strstr(w->facts, "sensor.back:null:")); /* after each restart that came up */
    assert_non_null(strstr(w->states, "null:waiting null:starting null:running "));
    untouched(w, good);
    mmr_child_start(c); /* the operator says otherwise */
    assert_true(until(w, is_running, c, 20000));
}

static void spin_is_found_by_its_silence(void **state)
{
    struct world *w = *state;
    static const char *const plugins[] = {"spin", NULL};
    struct mmr_child *good = witness(w), *c = host(w, "spin", plugins, NULL, true);
    assert_true(until(w, has_ended, c, 30000));
    struct mmr_child_status s;
    mmr_child_status(c, &s);
    assert_int_equal(s.end.cause, MMR_CAUSE_STUCK);
    assert_int_equal(s.end.status, 9);
    assert_string_equal(s.end.doing, "timer");
    assert_string_equal(s.end.instance, "spin");
    assert_non_null(strstr(w->facts, "sensor.lost:spin:stuck"));
    mmr_child_stop(c);
    untouched(w, good);
}

static void leak_is_ended_at_its_limit(void **state)
{
    struct world *w = *state;
    static const char *const plugins[] = {"leak", NULL};
    const struct mmr_supervise_limits small = {.memory_bytes = 160 << 20};
    struct mmr_child *good = witness(w), *c = host(w, "leak", plugins, &small, true);
    assert_true(until(w, has_ended, c, 60000));
    struct mmr_child_status s;
    mmr_child_status(c, &s);
    assert_int_equal(s.end.cause, MMR_CAUSE_MEMORY);
    assert_non_null(strstr(w->facts, "sensor.lost:leak:memory"));
    mmr_child_stop(c);
    untouched(w, good);
}

static void flood_costs_only_its_own_telemetry(void **state)
{
    struct world *w = *state;
    static const char *const plugins[] = {"flood", NULL};
    struct mmr_child *good = witness(w), *c = host(w, "flood", plugins, NULL, true);
    assert_true(until(w, is_running, c, 20000));
    untouched(w, good);
    untouched(w, good);
    assert_int_equal(state_of(c), MMR_CHILD_RUNNING); /* noisy is no crime; its window holds it */
    assert_true(w->events[1] > 1000);
}

static void bad_events_are_counted_not_passed_on(void **state)
{
    struct world *w = *state;
    static const char *const plugins[] = {"bad", NULL};
    struct mmr_child *c = host(w, "bad", plugins, NULL, true);
    assert_true(until(w, has_counters, c, 20000));
    struct mmr_runtime_counters k;
    assert_true(mmr_host_counters(c, 0, &k));
    assert_true(k.emitted > 0);
    assert_int_equal(w->misbehaved, 0); /* nothing malformed reached the core */
    assert_int_equal(state_of(c), MMR_CHILD_RUNNING);
}

static void a_refusal_says_why(void **state)
{
    struct world *w = *state;
    static const char *const plugins[] = {"refuse", NULL};
    struct mmr_child *c = host(w, "refuse", plugins, NULL, true);
    assert_true(until(w, is_quarantined, c, 60000));
    struct mmr_child_status s;
    mmr_child_status(c, &s);
    assert_int_equal(s.end.cause, MMR_CAUSE_REFUSED);
    assert_non_null(strstr(s.end.text, "no such device"));
    assert_non_null(strstr(w->facts, "plugin.refused:refuse:refused"));
    assert_non_null(strstr(w->facts, "sensor.lost:refuse:refused")); /* put aside: it is missing */
}

static void order(struct world *w, const char *verb, const char *addr, uint64_t id)
{
    uint8_t target[256], bytes[512];
    size_t len;
    struct mmr_event map;
    mmr_event_begin_map(&map, target, sizeof target);
    mmr_event_str(&map, "addr", addr);
    assert_int_equal(mmr_event_end(&map), 0);
    const struct mmr_action a = {.struct_size = sizeof a, .id = id, .verb = verb, .ttl_ms = 60000, .msgpack = target,
                                 .len = map.len};
    assert_int_equal(mmr_order_encode(&a, bytes, sizeof bytes, &len), 0);
    w->receipts = 0;
    w->receipt_result[0] = '\0';
    assert_int_equal(mmr_local_order(w->server, 0, 0, MMR_LOCAL_ACTION, MMR_LANE_URGENT, id, bytes, len), 0);
    assert_true(until(w, has_receipt, NULL, 10000));
}

static bool is_up(struct world *w, void *arg)
{
    (void)arg;
    return mmr_local_is_up(w->server, 0);
}

static void orders_are_carried_out_refused_or_answered_for(void **state)
{
    struct world *w = *state;
    static const char *const plugins[] = {"responder", NULL};
    struct mmr_child *c = host(w, "responder", plugins, NULL, false);
    assert_true(until(w, is_running, c, 20000));
    assert_true(until(w, is_up, c, 10000));
    order(w, "block.addr", "198.51.100.7", UINT64_C(0xfedcba9876543210));
    assert_int_equal(w->receipt_code, 0);
    assert_string_equal(w->receipt_result, "applied");
    order(w, "block.addr", "127.0.0.1", 2);
    assert_int_equal(w->receipt_code, MMR_EPERM);
    assert_string_equal(w->receipt_result, "refused");
    order(w, "kill.process", "198.51.100.7", 3);
    assert_string_equal(w->receipt_result, "unsupported");
}

static void on_reload(void *ctx, int code, const char *text)
{
    struct world *w = ctx;
    w->reload_code = code;
    (void)snprintf(w->reload_text, sizeof w->reload_text, "%s", text);
    w->reloads++;
}
static bool is_decided(struct world *w, void *arg)
{
    (void)arg;
    return w->reloads > 0;
}

static void reload_over_hosts_is_whole_or_not_at_all(void **state)
{
    struct world *w = *state;
    static const char *const a[] = {"sensor", NULL}, *const b[] = {"analyzer", NULL};
    struct mmr_child *first = host(w, "first", a, NULL, true), *second = host(w, "second", b, NULL, true);
    struct mmr_error err = {.struct_size = sizeof err};
    assert_true(until(w, is_running, first, 20000));
    assert_true(until(w, is_running, second, 20000));
    uint8_t good[64], bad[64];
    struct mmr_event map;
    mmr_event_begin_map(&map, bad, sizeof bad);
    mmr_event_str(&map, "period", "13ms");
    assert_int_equal(mmr_event_end(&map), 0);
    size_t bad_len = map.len;
    mmr_event_begin_map(&map, good, sizeof good);
    mmr_event_str(&map, "period", "50ms");
    assert_int_equal(mmr_event_end(&map), 0);
    struct mmr_reload_item items[] = {{first, 0, good, map.len}, {second, 0, bad, bad_len}};
    assert_int_equal(mmr_reload_prepare(w->sup, items, 2, 5000, on_reload, w, &err), 0);
    assert_int_equal(mmr_reload_prepare(w->sup, items, 2, 5000, on_reload, w, &err), MMR_EAGAIN);
    assert_true(until(w, is_decided, NULL, 10000));
    assert_int_equal(w->reload_code, MMR_ECONFIG);
    assert_non_null(strstr(w->reload_text, "bad luck"));
    mmr_reload_abort(w->sup);
    w->reloads = 0;
    items[1] = (struct mmr_reload_item){second, 0, good, map.len};
    assert_int_equal(mmr_reload_prepare(w->sup, items, 2, 5000, on_reload, w, &err), 0);
    assert_true(until(w, is_decided, NULL, 10000));
    if (w->reload_code)
        fail_msg("%s", w->reload_text);
    mmr_reload_commit(w->sup);
    struct mmr_child_status s;
    mmr_child_status(first, &s);
    assert_int_equal(s.restarts, 0); /* in place */
}

static void a_role_that_cannot_run_says_so(void **state)
{
    struct world *w = *state;
    struct mmr_error err = {.struct_size = sizeof err};
    /* a plugin host that nobody assigns anything to stands for any role that hangs at its start */
    static const char *const argv[] = {"plugin-host", NULL};
    const struct mmr_supervise_limits quick = {.ready_ms = 300};
    const struct mmr_child_conf conf = {.name = "idle", .argv = argv, .limits = &quick};
    struct mmr_child *c = NULL;
    assert_int_equal(mmr_child_new(w->sup, &conf, &c, &err), 0);
    assert_int_equal(mmr_child_new(w->sup, &conf, &c, &err), MMR_EINVAL); /* the name is taken */
    mmr_child_start(c);
    assert_true(until(w, has_ended, c, 20000));
    struct mmr_child_status s;
    mmr_child_status(c, &s);
    /* told to go without an assignment, it refuses, and says so */
    assert_int_equal(s.end.cause, MMR_CAUSE_REFUSED);
    assert_non_null(strstr(s.end.text, "assignment"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_good_host_runs_reports_and_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(telemetry_meets_its_analyzer_inside_the_host, setup, teardown),
        cmocka_unit_test_setup_teardown(null_is_named_restarted_later_and_later_and_put_aside, setup, teardown),
        cmocka_unit_test_setup_teardown(spin_is_found_by_its_silence, setup, teardown),
        cmocka_unit_test_setup_teardown(leak_is_ended_at_its_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(flood_costs_only_its_own_telemetry, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_events_are_counted_not_passed_on, setup, teardown),
        cmocka_unit_test_setup_teardown(a_refusal_says_why, setup, teardown),
        cmocka_unit_test_setup_teardown(orders_are_carried_out_refused_or_answered_for, setup, teardown),
        cmocka_unit_test_setup_teardown(reload_over_hosts_is_whole_or_not_at_all, setup, teardown),
        cmocka_unit_test_setup_teardown(a_role_that_cannot_run_says_so, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
