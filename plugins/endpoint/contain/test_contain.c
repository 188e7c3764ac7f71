/* test_contain.c - real processes, files and sockets of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "process.h"
#include "testhost.h"

#include <mamori/action.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern const struct mmr_plugin mmr_plugin_contain;

static struct mmr_testhost *start(void)
{
    struct mmr_testhost *th = mmr_testhost_new();
    struct mmr_error err = {.struct_size = sizeof err};
    (void)mmr_testhost_make_state_dir(th);
    if (mmr_testhost_add(th, &mmr_plugin_contain, NULL, &err) != 0)
        fail_msg("%s", err.text);
    mmr_testhost_use_real_clock(th);
    return th;
}

static uint8_t target_buf[4096];
static struct mmr_event target;

static void send_order(struct mmr_testhost *th, uint64_t id, uint32_t flags, const char *verb)
{
    struct mmr_error err = {.struct_size = sizeof err};
    assert_int_equal(mmr_event_end(&target), 0);
    struct mmr_action a = {.struct_size = sizeof a, .flags = flags, .id = id, .verb = verb, .ttl_ms = 60000,
                           .msgpack = target.buf, .len = target.len};
    size_t before = mmr_testhost_receipts(th);
    int r = mmr_testhost_act(th, 0, &a, &err);
    if (r && r != MMR_EAGAIN)
        fail_msg("%s: %s", verb, err.text);
    for (int i = 0; i < 300 && mmr_testhost_receipts(th) == before; i++)
        (void)mmr_testhost_poll(th, 10);
    assert_int_equal(mmr_testhost_receipts(th), before + 1);
}

static void want(struct mmr_testhost *th, const char *result, const char *verified)
{
    size_t n = mmr_testhost_receipts(th) - 1;
    if (strcmp(mmr_testhost_receipt_text(th, n, "result"), result) != 0 ||
        strcmp(mmr_testhost_receipt_text(th, n, "verify.result"), verified) != 0)
        fail_msg("want %s %s, got %s %s: %s", result, verified, mmr_testhost_receipt_text(th, n, "result"),
                 mmr_testhost_receipt_text(th, n, "verify.result"), mmr_testhost_receipt_text(th, n, "detail"));
}

static pid_t spawn_sleeper(bool has_child)
{
    int ready[2];
    char c;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (has_child && fork() == 0) {
            if (write(ready[1], "x", 1) != 1)
                _exit(1);
            (void)execl("/bin/sleep", "sleep", "60", (char *)NULL);
            _exit(1);
        }
        if (!has_child && write(ready[1], "x", 1) != 1)
            _exit(1);
        (void)execl("/bin/sleep", "sleep", "60", (char *)NULL);
        _exit(1);
    }
    assert_int_equal(read(ready[0], &c, 1), 1);
    (void)close(ready[0]);
    (void)close(ready[1]);
    char path[64], exe[256];
    (void)snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
    for (int i = 0; i < 1000; i++) { /* until the exec has happened */
        ssize_t n = readlink(path, exe, sizeof exe - 1);
        exe[n > 0 ? n : 0] = '\0';
        if (strstr(exe, "sleep") || strstr(exe, "coreutils"))
            break;
        (void)usleep(1000);
    }
    return pid;
}

static void name_process(pid_t pid, int64_t ticks, bool is_tree)
{
    mmr_event_begin_map(&target, target_buf, sizeof target_buf);
    mmr_event_int(&target, "process.pid", pid);
    mmr_event_int(&target, "process.start_ticks", ticks);
    mmr_event_bool(&target, "tree", is_tree);
}

static void a_process_is_ended_and_its_death_proved(void **state)
{
    (void)state;
    int status;
    struct mmr_testhost *th = start();
    pid_t pid = spawn_sleeper(true);
    name_process(pid, mmr_process_start_ticks(pid), true);
    send_order(th, 1, 0, "kill.process");
    want(th, "applied", "confirmed");
    assert_int_equal(waitpid(pid, &status, WNOHANG), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    name_process(pid, 1, false);
    send_order(th, 1, 0, "kill.process"); /* again: it is gone, and that is proved */
    want(th, "already", "confirmed");
    mmr_testhost_free(th);
}

static void another_process_with_the_number_is_left_alone(void **state)
{
    (void)state;
    struct mmr_testhost *th = start();
    pid_t pid = spawn_sleeper(false);
    name_process(pid, mmr_process_start_ticks(pid) + 1, false);
    send_order(th, 2, 0, "kill.process");
    want(th, "already", "confirmed");
    assert_int_equal(kill(pid, 0), 0);
    name_process(pid, 0, false); /* a bare pid is nobody's fingerprint */
    send_order(th, 3, 0, "kill.process");
    want(th, "already", "confirmed");
    assert_int_equal(kill(pid, 0), 0);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    mmr_testhost_free(th);
}

static void what_the_machine_stands_on_is_refused(void **state)
{
    (void)state;
    struct mmr_testhost *th = start();
    name_process(1, mmr_process_start_ticks(1), false);
    send_order(th, 4, 0, "kill.process");
    want(th, "refused", "none");
    name_process(getpid(), mmr_process_start_ticks(getpid()), false);
    send_order(th, 5, 0, "kill.process");
    want(th, "refused", "none");
    mmr_testhost_free(th);
}

static void a_frozen_process_goes_on_after_undo(void **state)
{
    (void)state;
    struct mmr_testhost *th = start();
    pid_t pid = spawn_sleeper(false);
    struct mmr_fingerprint f = {.pid = pid, .start_ticks = mmr_process_start_ticks(pid)};
    name_process(pid, f.start_ticks, false);
    send_order(th, 6, 0, "freeze.process");
    want(th, "applied", "confirmed");
    assert_true(mmr_process_is_stopped(&f, false));
    name_process(pid, f.start_ticks, false);
    send_order(th, 6, MMR_ACT_UNDO, "freeze.process");
    want(th, "applied", "confirmed");
    (void)usleep(20000);
    assert_false(mmr_process_is_stopped(&f, false));
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    mmr_testhost_free(th);
}

static void name_file(const char *path, const char *entry)
{
    mmr_event_begin_map(&target, target_buf, sizeof target_buf);
    mmr_event_str(&target, "file.path", path);
    mmr_event_str(&target, "entry", entry);
}

static void a_file_goes_to_quarantine_and_comes_back_whole(void **state)
{
    (void)state;
    char path[] = "/tmp/mamori-bad-XXXXXX", bytes[10000], again[10001];
    struct stat st, after;
    int fd = mkstemp(path);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 7);
    assert_int_equal(write(fd, bytes, sizeof bytes), sizeof bytes);
    assert_int_equal(fchmod(fd, 0751), 0);
    assert_int_equal(fstat(fd, &st), 0);
    (void)close(fd);
    struct mmr_testhost *th = start();
    name_file(path, NULL);
    send_order(th, 7, 0, "quarantine.file");
    want(th, "applied", "confirmed");
    assert_int_equal(access(path, F_OK), -1);
    name_file(path, NULL);
    send_order(th, 7, MMR_ACT_UNDO, "quarantine.file");
    want(th, "applied", "confirmed");
    fd = open(path, O_RDONLY);
    assert_int_equal(read(fd, again, sizeof again), sizeof bytes);
    assert_memory_equal(bytes, again, sizeof bytes);
    assert_int_equal(fstat(fd, &after), 0);
    assert_int_equal(after.st_mode, st.st_mode);
    assert_int_equal(after.st_mtim.tv_nsec, st.st_mtim.tv_nsec);
    (void)close(fd);
    (void)unlink(path);
    name_file(path, NULL);
    send_order(th, 8, 0, "quarantine.file");
    want(th, "already", "confirmed"); /* nothing there: nothing to do */
    name_file("/bin/sh", NULL);
    send_order(th, 9, 0, "quarantine.file");
    want(th, "refused", "none");
    mmr_testhost_free(th);
}

static void an_autostart_line_is_taken_out_and_put_back(void **state)
{
    (void)state;
    char dir[] = "/tmp/mamori-home-XXXXXX", path[64], text[256] = "";
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/.bashrc", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    (void)fputs("alias ll='ls -l'\n/tmp/evil &\nexport A=1\n", f);
    (void)fclose(f);
    struct mmr_testhost *th = start();
    name_file(path, NULL);
    send_order(th, 10, 0, "remove.autostart"); /* which line? */
    want(th, "refused", "none");
    name_file(path, "/tmp/evil");
    send_order(th, 11, 0, "remove.autostart");
    want(th, "applied", "confirmed");
    f = fopen(path, "r");
    (void)!fread(text, 1, sizeof text - 1, f);
    (void)fclose(f);
    assert_string_equal(text, "alias ll='ls -l'\nexport A=1\n");
    name_file(path, "/tmp/evil");
    send_order(th, 11, MMR_ACT_VERIFY, "remove.autostart");
    want(th, "already", "confirmed");
    name_file(path, "/tmp/evil");
    send_order(th, 11, MMR_ACT_UNDO, "remove.autostart");
    memset(text, 0, sizeof text);
    f = fopen(path, "r");
    (void)!fread(text, 1, sizeof text - 1, f);
    (void)fclose(f);
    assert_non_null(strstr(text, "/tmp/evil &"));
    name_file("/etc/passwd", "root");
    send_order(th, 12, 0, "remove.autostart");
    want(th, "refused", "none");
    (void)unlink(path);
    (void)rmdir(dir);
    mmr_testhost_free(th);
}

static int loopback_pair(int *ret_a, int *ret_b, uint16_t *ret_port, uint16_t *ret_client)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    int l = socket(AF_INET, SOCK_STREAM, 0);
    if (l < 0 || bind(l, (struct sockaddr *)&sa, sizeof sa) != 0 || listen(l, 1) != 0 || getsockname(l, (struct sockaddr *)&sa, &len) != 0)
        return -1;
    *ret_port = ntohs(sa.sin_port);
    *ret_a = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(*ret_a, (struct sockaddr *)&sa, sizeof sa) != 0)
        return -1;
    *ret_b = accept(l, NULL, NULL);
    (void)close(l);
    if (getsockname(*ret_a, (struct sockaddr *)&sa, &len) != 0)
        return -1;
    *ret_client = ntohs(sa.sin_port);
    return 0;
}

static void name_flow(uint16_t sport, uint16_t dport)
{
    mmr_event_begin_map(&target, target_buf, sizeof target_buf);
    mmr_event_str(&target, "proto", "tcp");
    mmr_event_str(&target, "src_endpoint.ip", "127.0.0.1");
    mmr_event_int(&target, "src_endpoint.port", sport);
    mmr_event_str(&target, "dst_endpoint.ip", "127.0.0.1");
    mmr_event_int(&target, "dst_endpoint.port", dport);
}

static void a_connection_has_an_owner_and_can_be_cut(void **state)
{
    (void)state;
    int a = -1, b = -1;
    uint16_t port = 0, client = 0;
    char c;
    if (geteuid() != 0)
        skip();
    struct mmr_testhost *th = start();
    if (loopback_pair(&a, &b, &port, &client) != 0)
        skip();
    name_flow(client, port);
    send_order(th, 13, 0, "query.connection_owner");
    assert_int_equal(mmr_testhost_receipt_int(th, mmr_testhost_receipts(th) - 1, "process.pid", 0), getpid());
    name_flow(client, port);
    send_order(th, 14, 0, "cut.flow");
    if (strcmp(mmr_testhost_receipt_text(th, mmr_testhost_receipts(th) - 1, "result"), "unsupported") != 0) {
        want(th, "applied", "confirmed");
        assert_int_equal(recv(a, &c, 1, 0), -1);
        assert_true(errno == ECONNABORTED || errno == ECONNRESET); /* our end was ended, or the other one first */
    }
    (void)close(a);
    (void)close(b);
    mmr_testhost_free(th);
}

static void a_datagram_has_an_owner(void **state)
{
    (void)state;
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    if (geteuid() != 0)
        skip();
    struct mmr_testhost *th = start();
    for (int is_connected = 0; is_connected < 2; is_connected++) {
        int s = socket(AF_INET, SOCK_DGRAM, 0);
        sa.sin_port = 0;
        assert_int_equal(bind(s, (struct sockaddr *)&sa, sizeof sa), 0);
        assert_int_equal(getsockname(s, (struct sockaddr *)&sa, &len), 0);
        uint16_t own = ntohs(sa.sin_port);
        sa.sin_port = htons(53);
        if (is_connected)
            assert_int_equal(connect(s, (struct sockaddr *)&sa, sizeof sa), 0);
        mmr_event_begin_map(&target, target_buf, sizeof target_buf);
        mmr_event_str(&target, "proto", "udp");
        mmr_event_str(&target, "src_endpoint.ip", "127.0.0.1");
        mmr_event_int(&target, "src_endpoint.port", own);
        mmr_event_str(&target, "dst_endpoint.ip", "127.0.0.1");
        mmr_event_int(&target, "dst_endpoint.port", 53);
        send_order(th, 20 + (uint64_t)is_connected, 0, "query.connection_owner");
        assert_int_equal(mmr_testhost_receipt_int(th, mmr_testhost_receipts(th) - 1, "process.pid", 0), getpid());
        if (!is_connected) { /* a socket that talks with everybody is not ended for one of them */
            assert_int_equal(mmr_event_end(&target), 0);
            send_order(th, 40, 0, "cut.flow");
            want(th, "already", "confirmed");
        }
        (void)close(s);
    }
    name_flow(1, 2); /* nobody's */
    send_order(th, 30, 0, "query.connection_owner");
    want(th, "failed", "none");
    mmr_testhost_free(th);
}

static int own_network(void **state)
{
    (void)state;
    if (geteuid() == 0 && unshare(CLONE_NEWNET) == 0) /* the deny table must not be the machine's */
        (void)!system("ip link set lo up 2>/dev/null");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_is_ended_and_its_death_proved),
        cmocka_unit_test(another_process_with_the_number_is_left_alone),
        cmocka_unit_test(what_the_machine_stands_on_is_refused),
        cmocka_unit_test(a_frozen_process_goes_on_after_undo),
        cmocka_unit_test(a_file_goes_to_quarantine_and_comes_back_whole),
        cmocka_unit_test(an_autostart_line_is_taken_out_and_put_back),
        cmocka_unit_test(a_connection_has_an_owner_and_can_be_cut),
        cmocka_unit_test(a_datagram_has_an_owner),
    };
    return cmocka_run_group_tests(tests, own_network, NULL);
}
