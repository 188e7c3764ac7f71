/* test_seat.c - our own listener as the receiver: what is acknowledged was committed there, and what comes twice counts once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "testserver.h"

extern const struct mmr_plugin mmr_plugin_fluent, mmr_plugin_seat;

static void what_the_listener_committed_is_acknowledged_and_counts_once(void **state)
{
    (void)state;
    char path[] = "/tmp/mamori-fluent-key-XXXXXX", keys[] = "/tmp/mamori-fluent-keys-XXXXXX", server[64];
    static const char secret[] = "a-shared-secret\n", list[] = "hub-1 a-shared-secret\n";
    struct mmr_error err = {.struct_size = sizeof err};
    const char *said = "";
    int a = mkstemp(path), b = mkstemp(keys);
    assert_int_equal(write(a, secret, sizeof secret - 1), sizeof secret - 1);
    assert_int_equal(write(b, list, sizeof list - 1), sizeof list - 1);
    (void)close(a);
    (void)close(b);

    struct mmr_testhost *seat = mmr_testhost_new(), *th = mmr_testhost_new();
    const char *const listen[] = {"listen", "forward://127.0.0.1:0", "senders", "key:hub-1 srv", "keys", keys, NULL};
    mmr_testhost_use_real_clock(seat);
    mmr_testhost_use_real_clock(th);
    if (mmr_testhost_add(seat, &mmr_plugin_seat, listen, &err) != 0 || mmr_testhost_start(seat, &err) != 0)
        fail_msg("%s", err.text);
    (void)mmr_testhost_logged(seat, MMR_LOG_INFO, &said);
    assert_non_null(strstr(said, "port="));
    (void)snprintf(server, sizeof server, "127.0.0.1:%ld", strtol(strstr(said, "port=") + 5, NULL, 10));
    const char *const cfg[] = {"server", server, "transport", "tcp", "shared_key_file", path, "hostname", "hub-1", "ack_timeout", "4s", NULL};
    if (mmr_testhost_add(th, &mmr_plugin_fluent, cfg, &err) != 0)
        fail_msg("%s", err.text);
    for (uint64_t k = 1; k <= 20; k++) {
        char record[200];
        (void)snprintf(record, sizeof record, "{\"class_uid\":2005,\"time\":1704164645000,\"message\":\"<38>Jan  2 03:04:05 srv a: record %d\"}", (int)k);
        assert_int_equal(mmr_testhost_forward(th, 0, record, k, &err), 0);
    }
    for (int i = 0; i < 2000 && mmr_testhost_count(seat, "log.record") < 20; i++) {
        (void)mmr_testhost_poll(th, 5);
        (void)mmr_testhost_poll(seat, 5);
    }
    assert_int_equal(mmr_testhost_count(seat, "log.record"), 20);
    assert_int_equal(mmr_testhost_deliveries(th), 0); /* not before the listener's commit */
    for (int i = 0; i < 4000 && mmr_testhost_deliveries(th) < 20; i++) { /* it gives up on the connection */
        (void)mmr_testhost_poll(th, 5);
        (void)mmr_testhost_poll(seat, 5);
    }
    assert_int_equal(mmr_testhost_deliveries(th), 20);
    for (size_t k = 0; k < 20; k++)
        assert_int_equal(mmr_testhost_delivery(th, k)->level, MMR_DELIVERY_TRIED);
    mmr_plugin_seat.sensor->on_committed(mmr_testhost_self(seat, 0), (uint64_t)mmr_testhost_events(seat));
    for (uint64_t k = 1; k <= 20; k++) { /* the core gives them again */
        char record[200];
        int r = MMR_EAGAIN;
        (void)snprintf(record, sizeof record, "{\"class_uid\":2005,\"time\":1704164645000,\"message\":\"<38>Jan  2 03:04:05 srv a: record %d\"}", (int)k);
        for (int i = 0; i < 4000 && (r = mmr_testhost_forward(th, 0, record, k, &err)) == MMR_EAGAIN; i++) {
            (void)mmr_testhost_poll(th, 5);
            (void)mmr_testhost_poll(seat, 1);
        }
        assert_int_equal(r, 0);
    }
    for (int i = 0; i < 4000 && mmr_testhost_deliveries(th) < 40; i++) {
        (void)mmr_testhost_poll(th, 5);
        (void)mmr_testhost_poll(seat, 5);
        mmr_plugin_seat.sensor->on_committed(mmr_testhost_self(seat, 0), (uint64_t)mmr_testhost_events(seat));
    }
    assert_int_equal(mmr_testhost_deliveries(th), 40);
    for (size_t k = 20; k < 40; k++)
        assert_int_equal(mmr_testhost_delivery(th, k)->level, MMR_DELIVERY_GATEWAY);
    assert_int_equal(mmr_testhost_count(seat, "log.record"), 20); /* known by their chunks' names */
    mmr_testhost_free(th);
    mmr_testhost_free(seat);
    (void)unlink(path);
    (void)unlink(keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_the_listener_committed_is_acknowledged_and_counts_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
