/* test_brain_agent.c - the agent between a hub and a plugin host: what it keeps, passes on, refuses and says. */
#include "agent_world.h"

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
    assert_int_equal(receipt_of(&w, 4)->receipt.result, MMR_RESULT_TIMEOUT); /* it has waited for it */
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

static void an_order_waits_for_a_responder_that_is_being_started(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, true);
    emit(&w, MMR_LANE_FINDING, 0);
    WAIT_FOR(&w, w.n_seen == 1);
    end_agent(&w, SIGKILL);
    size_t before = w.n_hellos;
    start(&w); /* nobody has told it of a host yet, nor has one come */
    WAIT_FOR(&w, w.n_hellos > before);
    assert_int_equal(order_at(&w, "contain", 1, "198.51.100.7", 0), 0);
    assert_int_equal(order_at(&w, "contain", 2, "198.51.100.8", 0), 0);
    assert_int_equal(order_at(&w, "contain", 2, "198.51.100.8", MMR_ACT_RENEW), 0); /* is asked again anyway: no use in waiting */
    WAIT_FOR(&w, receipt_of(&w, 2));
    assert_int_equal(receipt_of(&w, 2)->receipt.result, MMR_RESULT_TIMEOUT);
    assert_null(receipt_of(&w, 1));
    assert_int_equal(w.n_orders, 0);
    tell_host(&w);
    WAIT_FOR(&w, w.n_orders == 2);
    assert_int_equal(w.last_order.number, 2); /* the first came first */
    send_receipt(&w, 1, "applied", "confirmed");
    WAIT_FOR(&w, receipt_of(&w, 1));
    assert_int_equal(receipt_of(&w, 1)->receipt.result, MMR_RESULT_APPLIED);
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

/* The same at the other end: a hub put back to an older state has less than it acknowledged. */
static void a_hub_put_back_to_an_older_state_stops_nothing(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, true);
    for (unsigned i = 0; i < 20; i++)
        emit(&w, i % 2 ? MMR_LANE_FINDING : MMR_LANE_URGENT, 0);
    WAIT_FOR(&w, w.n_seen == 20);
    WAIT_FOR(&w, mmr_local_pending(w.client) == 0);
    ask(&w, "status"); /* by then its acknowledgements are there */
    WAIT_FOR(&w, (ask(&w, "status"), strstr(w.answer, "\"urgent\":0") && strstr(w.answer, "\"findings\":0")));
    uint8_t before[16];
    memcpy(before, w.epoch, 16);
    w.upto[MMR_LANE_FINDING] -= 3;
    w.upto[MMR_LANE_URGENT] -= 3;
    close_hub(&w);
    open_hub(&w);
    WAIT_FOR(&w, memcmp(before, w.epoch, 16) != 0);
    for (unsigned i = 0; i < 10; i++)
        emit(&w, i % 2 ? MMR_LANE_FINDING : MMR_LANE_URGENT, 0);
    WAIT_FOR(&w, w.n_seen >= 30);
    stay(&w, 300);
    assert_int_equal(w.n_seen, 30);
    WAIT_FOR(&w, mmr_local_pending(w.client) == 0);
    close_world(&w);
}

/* A host may connect, and have something to say, before the agent was told what is in it. */
static void what_a_host_says_before_it_is_known_waits(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, true);
    emit(&w, MMR_LANE_FINDING, 0);
    WAIT_FOR(&w, w.n_seen == 1);
    end_agent(&w, SIGKILL);
    start(&w);
    tell_slot(&w);
    for (unsigned i = 0; i < 5; i++)
        emit(&w, i % 2 ? MMR_LANE_FINDING : MMR_LANE_URGENT, 0);
    stay(&w, 500);
    tell_instance(&w, 1, 1); /* another of the same host */
    stay(&w, 500);
    assert_int_equal(w.n_seen, 1);
    tell_instance(&w, 0, 0);
    WAIT_FOR(&w, w.n_seen >= 6);
    WAIT_FOR(&w, mmr_local_pending(w.client) == 0);
    assert_int_equal(w.n_seen, 6);
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
        {"site: {hub: '127.0.0.1', hub_key: /nowhere/hub.pub}\n", "1 problem, see above", false}, /* with its place, as the check of the configuration says it */
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
        cmocka_unit_test(an_order_waits_for_a_responder_that_is_being_started),
        cmocka_unit_test(an_office_is_not_cut_off_by_many_orders),
        cmocka_unit_test(nothing_is_lost_when_hub_and_agent_are_killed),
        cmocka_unit_test(a_full_spool_makes_hosts_wait_and_loses_nothing),
        cmocka_unit_test(what_waited_through_crashes_and_a_reboot_arrives_once),
        cmocka_unit_test(a_spool_put_back_to_an_older_state_loses_nothing_new),
        cmocka_unit_test(a_hub_put_back_to_an_older_state_stops_nothing),
        cmocka_unit_test(what_a_host_says_before_it_is_known_waits),
        cmocka_unit_test(keys_change_at_both_ends_and_the_link_goes_on),
        cmocka_unit_test(a_block_is_taken_back_when_nobody_renews_it),
        cmocka_unit_test(facts_of_the_supervisor_reach_the_hub),
        cmocka_unit_test(what_is_missing_is_said_with_the_remedy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
