/*
 * test_sessions.c - sshd's lines of one connection together: lines without an address, and refused passwords that are judged by
 * what follows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mamori/event.h>
#include <mamori/plugin.h>

#include "syslog.h"
#include "sysmap.h"
#include "test_world.h"

/* One line, as the log plugin would hand it on; how many findings it made. */
static int feed(struct world *w, const char *line, int64_t time_ns)
{
    static uint8_t buf[MMR_EVENT_BYTES_MAX];
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_origin from = {NULL, 0, time_ns};
    struct mmr_syslog s;
    struct mmr_outev o;
    mmr_testhost_clear(w->th);
    mmr_syslog_read(line, strlen(line), &s);
    mmr_sys_event(&s, line, strlen(line), &from, &o, buf, sizeof buf);
    assert_int_equal(mmr_event_end(&o.ev), 0);
    assert_int_equal(mmr_testhost_event(w->th, w->i, buf, o.ev.len, &err), 0);
    return (int)mmr_testhost_events(w->th);
}

struct step {
    int after_s;
    const char *line, *host, *user; /* host NULL: nothing to tell; user NULL: any */
};

static void play(const char *why, const struct step *steps, size_t n)
{
    struct world w = begin();
    for (size_t k = 0; k < n; k++) {
        w.t += steps[k].after_s * MMR_TH_S;
        int got = feed(&w, steps[k].line, w.t);
        const char *host = got ? mmr_testhost_text(w.th, 0, "src_endpoint.ip") : "";
        if (got && !host[0])
            host = mmr_testhost_text(w.th, 0, "src_endpoint.hostname");
        if ((got != 0) != (steps[k].host != NULL) || (got && strcmp(host, steps[k].host) != 0))
            fail_msg("%s: %s: %d findings, about '%s'", why, steps[k].line, got, host);
        if (got && steps[k].user && strcmp(mmr_testhost_text(w.th, 0, "user.name"), steps[k].user) != 0)
            fail_msg("%s: %s: user '%s'", why, steps[k].line, mmr_testhost_text(w.th, 0, "user.name"));
    }
    mmr_testhost_free(w.th);
}
#define PLAY(why, ...) \
    do { \
        const struct step steps_[] = {__VA_ARGS__}; \
        play(why, steps_, sizeof steps_ / sizeof steps_[0]); \
    } while (0)

#define L(pid, text) "Jan  2 03:04:05 srv sshd[" #pid "]: " text
#define PAM(user, rhost) "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=" rhost "  user=" user

static void a_line_without_an_address_is_about_the_client_of_its_connection(void **state)
{
    (void)state;
    PLAY("said when it came", {0, L(7, "Connection from 192.0.2.7 port 4711 on 10.0.0.1 port 22"), NULL, NULL},
         {1, L(7, "error: kex_exchange_identification: client sent invalid protocol identifier \"GET / HTTP/1.1\""), "192.0.2.7", NULL});
    PLAY("said by a failure", {0, L(7, "Failed password for invalid user eve from 192.0.2.7 port 4711 ssh2"), "192.0.2.7", "eve"},
         {1, L(7, "Disconnecting: Too many authentication failures for invalid user eve [preauth]"), "192.0.2.7", "eve"});
    PLAY("another connection", {0, L(7, "Connection from 192.0.2.7 port 4711 on 10.0.0.1 port 22"), NULL, NULL},
         {1, L(8, "Disconnecting: Too many authentication failures for root [preauth]"), NULL, NULL});
    PLAY("another machine", {0, L(7, "Connection from 192.0.2.7 port 4711 on 10.0.0.1 port 22"), NULL, NULL},
         {1, "Jan  2 03:04:05 other sshd[7]: Disconnecting: Too many authentication failures for root [preauth]", NULL, NULL});
    PLAY("nothing known", {0, L(7, "fatal: Unable to negotiate a key exchange method [preauth]"), NULL, NULL});
    PLAY("too long ago", {0, L(7, "Connection from 192.0.2.7 port 4711 on 10.0.0.1 port 22"), NULL, NULL},
         {200, L(7, "fatal: Read from socket failed: Connection reset by peer [preauth]"), NULL, NULL});
    PLAY("the process id again, for somebody else", {0, L(7, "Connection from 192.0.2.7 port 4711 on 10.0.0.1 port 22"), NULL, NULL},
         {1, L(7, "Connection closed by 192.0.2.7 port 4711"), "192.0.2.7", NULL},
         {1, L(7, "fatal: no matching mac found: client a server b [preauth]"), NULL, NULL},
         {1, L(7, "Connection from 198.51.100.9 port 1 on 10.0.0.1 port 22 rdomain \"\""), NULL, NULL},
         {1, L(7, "fatal: no matching mac found: client a server b [preauth]"), "198.51.100.9", NULL});
}

static void a_password_pam_refused_counts_by_what_follows(void **state)
{
    (void)state;
    PLAY("mistyped, then right", {0, L(7, PAM("alice", "192.0.2.7")), NULL, NULL},
         {2, L(7, "Accepted password for alice from 192.0.2.7 port 4711 ssh2"), NULL, NULL});
    PLAY("one account refused, in with another", {0, L(7, PAM("root", "192.0.2.7")), NULL, NULL},
         {2, L(7, "Accepted password for alice from 192.0.2.7 port 4711 ssh2"), "192.0.2.7", "root"});
    PLAY("one account after the other", {0, L(7, PAM("root", "192.0.2.7")), NULL, NULL}, {1, L(7, PAM("admin", "192.0.2.7")), "192.0.2.7", "root"},
         {1, L(7, PAM("admin", "192.0.2.7")), NULL, NULL});
    PLAY("sshd says it itself: once", {0, L(7, PAM("root", "192.0.2.7")), NULL, NULL},
         {1, L(7, "Failed password for root from 192.0.2.7 port 4711 ssh2"), "192.0.2.7", "root"},
         {1, L(7, "Accepted password for alice from 192.0.2.7 port 4711 ssh2"), NULL, NULL});
}

static void a_name_that_looks_like_a_line_blames_nobody_else(void **state)
{
    (void)state;
    /* the victim's address in a user name; then a line of the same connection that takes its address from before */
    PLAY("two readings teach nothing", {0, L(7, "Failed password for invalid user a from 198.51.100.1 port 22 ssh2: b from 192.0.2.7 port 4711 ssh2"), "", NULL},
         {1, L(7, "Disconnecting: Too many authentication failures [preauth]"), NULL, NULL});
    PLAY("the name of PAM's line", {0, L(7, PAM("x rhost=198.51.100.1", "192.0.2.7")), NULL, NULL}, {1, L(7, PAM("y", "192.0.2.7")), "192.0.2.7", "x rhost=198.51.100.1"});
    PLAY("a port in the name, none in the line's own form",
         {0, L(7, "Failed password for invalid user x from 198.51.100.1 from 192.0.2.7 port 4711 ssh2"), "192.0.2.7", "x from 198.51.100.1"});
}

static void a_flood_of_connections_does_no_harm(void **state)
{
    (void)state;
    struct world w = begin();
    for (int k = 0; k < 20000; k++) {
        char line[200];
        snprintf(line, sizeof line, "Jan  2 03:04:05 srv sshd[%d]: Connection from 10.%d.%d.1 port 1 on 10.0.0.1 port 22", 1000 + k, k / 200, k % 200);
        assert_int_equal(feed(&w, line, w.t + k), 0);
    }
    assert_int_equal(feed(&w, L(20999, "Too many authentication failures [preauth]"), w.t + 20001), 1);
    assert_string_equal(mmr_testhost_text(w.th, 0, "src_endpoint.ip"), "10.99.199.1");
    mmr_testhost_free(w.th);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_without_an_address_is_about_the_client_of_its_connection),
        cmocka_unit_test(a_password_pam_refused_counts_by_what_follows),
        cmocka_unit_test(a_name_that_looks_like_a_line_blames_nobody_else),
        cmocka_unit_test(a_flood_of_connections_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
