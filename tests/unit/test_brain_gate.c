/* test_brain_gate.c - orders as they are on the wire, against the endpoint's last gate. */
#include "brain/gate.h"

#include "util/clock.h"

#include <mamori/action.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define NOW (INT64_C(1700000000) * MMR_NS_PER_S)

static struct mmr_addr addr(const char *text)
{
    struct mmr_addr a;
    assert_true(mmr_addr_parse(text, strlen(text), &a));
    return a;
}

/* What the hub encodes is what the gate judges. */
static void a_target_survives_the_wire(void **state)
{
    (void)state;
    const struct mmr_cidr one = {addr("198.51.100.7"), 128};
    const struct mmr_action_rec rows[] = {
        {.verb = MMR_VERB_BLOCK_ADDR, .target = {.addr = one, .direction = MMR_DIR_OUTBOUND, .port = 443, .proto = "tcp"}},
        {.verb = MMR_VERB_CUT_FLOW, .target = {.src = addr("192.0.2.5"), .dst = addr("2001:db8::1"), .src_port = 40000,
                                               .dst_port = 443, .proto = "tcp"}},
        {.verb = MMR_VERB_BLOCK_NAME, .target = {.text = "c2.example.org"}},
        {.verb = MMR_VERB_KILL_PROCESS, .target = {.pid = 4711, .start_ticks = 99, .exe = "/tmp/x", .is_tree = true}},
        {.verb = MMR_VERB_QUARANTINE_FILE, .target = {.text = "/srv/a/x.sh"}},
        {.verb = MMR_VERB_REMOVE_AUTOSTART, .target = {.text = "/etc/crontab", .exe = "* * * * * /tmp/x"}},
        {.verb = MMR_VERB_ISOLATE_HOST, .target = {.host = "PC1", .addr = one}},
        {.verb = MMR_VERB_LOCK_ACCOUNT, .target = {.text = "mallory"}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t map[2048];
        size_t len;
        struct mmr_target t;
        struct mmr_error err = {.struct_size = sizeof err};
        assert_int_equal(mmr_action_encode(&rows[i], map, sizeof map, &len), 0);
        if (mmr_target_decode(rows[i].verb, map, len, &t, &err) != 0)
            fail_msg("%s: %s", mmr_verb_name(rows[i].verb), err.text);
        if (!mmr_target_equal(rows[i].verb, &rows[i].target, &t) || t.is_tree != rows[i].target.is_tree)
            fail_msg("%s: another target came out", mmr_verb_name(rows[i].verb));
        for (size_t cut = 0; cut < len; cut++) /* and a piece of it is no target */
            assert_int_not_equal(mmr_target_decode(rows[i].verb, map, cut, &t, NULL), 0);
    }
}

static void a_target_that_cannot_be_read_whole_is_refused(void **state)
{
    (void)state;
    uint8_t map[2048];
    char path[400];
    struct mmr_event ev;
    struct mmr_target t;
    memset(path, 'a', sizeof path - 1);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    mmr_event_begin_map(&ev, map, sizeof map);
    mmr_event_str(&ev, "file.path", path);
    assert_int_equal(mmr_event_end(&ev), 0);
    assert_int_equal(mmr_target_decode(MMR_VERB_QUARANTINE_FILE, map, ev.len, &t, NULL), MMR_EBADMSG);

    mmr_event_begin_map(&ev, map, sizeof map);
    mmr_event_str(&ev, "device.hostname", "PC1");
    mmr_event_str(&ev, "device.ip", "198.51.100.7 or so");
    assert_int_equal(mmr_event_end(&ev), 0);
    assert_int_equal(mmr_target_decode(MMR_VERB_ISOLATE_HOST, map, ev.len, &t, NULL), MMR_EBADMSG);

    mmr_event_begin_map(&ev, map, sizeof map);
    mmr_event_strn(&ev, "name", "evil.example\0.example.org", 25);
    assert_int_equal(mmr_event_end(&ev), 0);
    assert_int_equal(mmr_target_decode(MMR_VERB_BLOCK_NAME, map, ev.len, &t, NULL), MMR_EBADMSG);

    mmr_event_begin_map(&ev, map, sizeof map);
    mmr_event_int(&ev, "addr", 7);
    assert_int_equal(mmr_event_end(&ev), 0);
    assert_int_equal(mmr_target_decode(MMR_VERB_BLOCK_ADDR, map, ev.len, &t, NULL), MMR_EBADMSG);
}

static struct mmr_target block(const char *text)
{
    struct mmr_target t = {0};
    assert_int_equal(mmr_cidr_parse(text, &t.addr, NULL), 0);
    return t;
}

static void the_list_holds_and_ceilings_count(void **state)
{
    (void)state;
    static const char *list[] = {"203.0.113.0/24", "mail.example.org"};
    const struct mmr_setup setup = {.never_block = list, .n_never_block = 2, .rails = {.per_minute = 3}};
    struct mmr_gate *g;
    struct mmr_target t;
    char why[MMR_GATE_WHY] = "";
    assert_int_equal(mmr_gate_new(&setup, "tcp://198.51.100.1:7400", "PC1", &g, NULL), 0);

    t = block("203.0.113.9");
    assert_int_equal(mmr_gate_take(g, MMR_VERB_BLOCK_ADDR, &t, 0, NOW, why), MMR_EPERM);
    assert_non_null(strstr(why, "203.0.113.9"));
    assert_int_equal(mmr_gate_take(g, MMR_VERB_BLOCK_ADDR, &t, MMR_ACT_RENEW, NOW, why), MMR_EPERM);
    assert_int_equal(mmr_gate_take(g, MMR_VERB_BLOCK_ADDR, &t, MMR_ACT_DRY_RUN, NOW, why), MMR_EPERM);
    assert_int_equal(mmr_gate_take(g, MMR_VERB_BLOCK_ADDR, &t, MMR_ACT_UNDO, NOW, why), 0); /* taking back always may */
    t = block("198.51.100.1");
    assert_int_equal(mmr_gate_take(g, MMR_VERB_BLOCK_ADDR, &t, 0, NOW, why), MMR_EPERM); /* the hub */
    assert_non_null(strstr(why, mmr_guard_name(MMR_GUARD_HUB)));
    t = block("127.0.0.1");
    assert_int_equal(mmr_gate_take(g, MMR_VERB_BLOCK_ADDR, &t, 0, NOW, why), MMR_EPERM);
    t = (struct mmr_target){.text = "mail.example.org"};
    assert_int_equal(mmr_gate_take(g, MMR_VERB_BLOCK_NAME, &t, 0, NOW, why), MMR_EPERM);
    t = (struct mmr_target){.text = "/x", .pid = 1};
    assert_int_equal(mmr_gate_take(g, MMR_VERB_KILL_PROCESS, &t, 0, NOW, why), MMR_EPERM);
    t = (struct mmr_target){.host = "PC1"}; /* to cut this machine off is what it may be asked for */
    assert_int_equal(mmr_gate_take(g, MMR_VERB_ISOLATE_HOST, &t, 0, NOW, why), 0);

    for (unsigned i = 0; i < 2; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, "198.18.77.%u", i + 1);
        t = block(text);
        assert_int_equal(mmr_gate_take(g, MMR_VERB_BLOCK_ADDR, &t, 0, NOW, why), 0);
    }
    t = block("198.18.78.77");
    assert_int_equal(mmr_gate_take(g, MMR_VERB_BLOCK_ADDR, &t, 0, NOW, why), MMR_EAGAIN); /* three a minute */
    assert_non_null(strstr(why, "minute"));
    assert_int_equal(mmr_gate_take(g, MMR_VERB_BLOCK_ADDR, &t, MMR_ACT_RENEW, NOW, why), 0); /* a lease goes on */
    assert_int_equal(mmr_gate_take(g, MMR_VERB_BLOCK_ADDR, &t, 0, NOW + 61 * MMR_NS_PER_S, why), 0);
    mmr_gate_free(g);
}

static void a_hub_that_is_no_endpoint_is_said(void **state)
{
    (void)state;
    const struct mmr_setup setup = {0};
    struct mmr_gate *g;
    struct mmr_error err = {.struct_size = sizeof err};
    assert_int_equal(mmr_gate_new(&setup, "tcp://:7400", "PC1", &g, &err), MMR_ECONFIG);
    assert_non_null(strstr(err.text, "tcp://ADDRESS:PORT"));
    assert_int_equal(mmr_gate_new(&setup, "tcp://[2001:db8::7]:7400", "PC1", &g, &err), 0);
    struct mmr_target t = block("2001:db8::7");
    char why[MMR_GATE_WHY];
    assert_int_equal(mmr_gate_take(g, MMR_VERB_BLOCK_ADDR, &t, 0, NOW, why), MMR_EPERM);
    mmr_gate_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_target_survives_the_wire),
        cmocka_unit_test(a_target_that_cannot_be_read_whole_is_refused),
        cmocka_unit_test(the_list_holds_and_ceilings_count),
        cmocka_unit_test(a_hub_that_is_no_endpoint_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
