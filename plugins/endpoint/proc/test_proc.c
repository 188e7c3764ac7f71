/* test_proc.c - real processes and loopback connections in network namespaces of the test's own. Needs root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "testhost.h"

#include "procfs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern const struct mmr_plugin mmr_plugin_proc;

static void need_root(void)
{
    if (geteuid() != 0)
        skip();
}

static void enter_namespace(void)
{
    if (unshare(CLONE_NEWNET) != 0)
        skip();
    struct ifreq lo = {.ifr_name = "lo"};
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    assert_true(s >= 0);
    assert_int_equal(ioctl(s, SIOCGIFFLAGS, &lo), 0);
    lo.ifr_flags = (short)(lo.ifr_flags | IFF_UP);
    assert_int_equal(ioctl(s, SIOCSIFFLAGS, &lo), 0);
    (void)close(s);
}

/* A test host with the sensor in one mode; NULL when this machine cannot do it. */
static struct mmr_testhost *start_mode(const char *mode, const char *scope, const char *more, const char *value)
{
    const char *const config[] = {"mode", mode, "scope", scope, more, value, NULL};
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_testhost *th = mmr_testhost_new();
    mmr_testhost_use_real_clock(th);
    if (mmr_testhost_add(th, &mmr_plugin_proc, config, &err) != 0)
        fail_msg("%s", err.text);
    int r = mmr_testhost_start(th, &err);
    if (r == MMR_EUNSUPPORTED) {
        print_message("%s\n", err.text);
        mmr_testhost_free(th);
        return NULL;
    }
    if (r)
        fail_msg("%s", err.text);
    return th;
}

static void poll_for(struct mmr_testhost *th, int ms)
{
    struct timespec from, now;
    (void)clock_gettime(CLOCK_MONOTONIC, &from);
    do {
        (void)mmr_testhost_poll(th, 20);
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - from.tv_sec) * 1000 + (now.tv_nsec - from.tv_nsec) / 1000000 < ms);
}

static int wait_for(struct mmr_testhost *th, const char *kind, const char *key, const char *text, int ms)
{
    int found = -1;
    for (int i = 0; i < ms / 20 && (found = mmr_testhost_find_text(th, kind, key, text)) < 0; i++)
        (void)mmr_testhost_poll(th, 20);
    if (found < 0) {
        mmr_testhost_dump(th);
        fail_msg("no %s with %s = %s", kind, key, text);
    }
    return found;
}

/* A child that ends with the test, whatever happens to it. */
static pid_t spawn(void)
{
    pid_t pid = fork();
    if (pid == 0)
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

static pid_t run(const char *dir, const char *const *argv)
{
    pid_t pid = spawn();
    if (pid == 0) {
        if (dir && chdir(dir) != 0)
            _exit(126);
        char *args[16] = {NULL};
        for (int i = 0; i < 15 && argv[i]; i++)
            args[i] = strdup(argv[i]);
        (void)execv(argv[0], args);
        _exit(127);
    }
    return pid;
}

static void end(pid_t pid)
{
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}

static void a_start_is_told_whole(void **state)
{
    (void)state;
    need_root();
    struct mmr_testhost *th = start_mode("bpf", "host", NULL, NULL);
    if (!th)
        skip();
    const char *const argv[] = {"/bin/sleep", "0.417001", NULL};
    pid_t pid = run("/var", argv);
    struct mmr_pstat st;
    int e = wait_for(th, "process.start", "process.cmd_line", "/bin/sleep 0.417001", 3000);
    assert_true(mmr_procfs_stat((uint32_t)pid, &st));
    char uid[64], path[256], own[4096];
    (void)snprintf(uid, sizeof uid, "%d:%lld", pid, (long long)st.start_ticks);
    assert_true(realpath("/bin/sleep", own) != NULL);
    assert_int_equal(mmr_testhost_int(th, e, "class_uid", 0), MMR_CLASS_PROCESS);
    assert_int_equal(mmr_testhost_int(th, e, "activity_id", 0), 1);
    assert_int_equal(mmr_testhost_int(th, e, "process.pid", 0), pid);
    assert_int_equal(mmr_testhost_int(th, e, "process.start_ticks", 0), st.start_ticks);
    assert_string_equal(mmr_testhost_text(th, e, "process.uid"), uid);
    assert_string_equal(mmr_testhost_text(th, e, "process.name"), "sleep");
    assert_string_equal(mmr_testhost_text(th, e, "process.file.path"), own);
    assert_string_equal(mmr_testhost_text(th, e, "process.working_directory"), "/var");
    assert_string_equal(mmr_testhost_text(th, e, "user.name"), "root");
    assert_int_equal(mmr_testhost_int(th, e, "process.parent_process.pid", 0), getpid());
    assert_true(mmr_procfs_link((uint32_t)getpid(), "exe", path, sizeof path));
    assert_string_equal(mmr_testhost_text(th, e, "process.parent_process.file.path"), path);
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    int64_t age = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - mmr_testhost_int(th, e, "time", 0);
    assert_true(age > 0 && age < 3 * MMR_TH_S);
    (void)waitpid(pid, NULL, 0);
    int x = wait_for(th, "process.exit", "process.uid", uid, 3000);
    assert_int_equal(mmr_testhost_int(th, x, "exit_code", -1), 0);
    assert_int_equal(mmr_testhost_refusals(th, NULL), 0);
    mmr_testhost_free(th);
}

/* Parent and all gone before anybody reads: names, paths and arguments are there all the same. */
static void a_process_that_is_gone_keeps_its_names(void **state)
{
    (void)state;
    need_root();
    struct mmr_testhost *th = start_mode("bpf", "host", NULL, NULL);
    if (!th)
        skip();
    const char *const argv[] = {"/bin/sh", "-c", "/bin/true gone-argument-1; exit 3", NULL};
    pid_t pid = run("/usr/share", argv);
    (void)waitpid(pid, NULL, 0);
    int e = wait_for(th, "process.start", "process.cmd_line", "/bin/true gone-argument-1", 3000);
    char own[4096], shell[4096];
    assert_true(realpath("/bin/true", own) != NULL && realpath("/bin/sh", shell) != NULL);
    assert_string_equal(mmr_testhost_text(th, e, "process.file.path"), own);
    assert_string_equal(mmr_testhost_text(th, e, "process.working_directory"), "/usr/share");
    assert_int_equal(mmr_testhost_int(th, e, "process.parent_process.pid", 0), pid);
    assert_string_equal(mmr_testhost_text(th, e, "process.parent_process.name"), "sh");
    assert_string_equal(mmr_testhost_text(th, e, "process.parent_process.file.path"), shell);
    poll_for(th, 200);
    int found = 0;
    for (int i = 0, x; (x = mmr_testhost_find(th, "process.exit", i)) >= 0; i++)
        if (mmr_testhost_int(th, x, "process.pid", 0) == pid)
            found = (int)mmr_testhost_int(th, x, "exit_code", -1);
    assert_int_equal(found, 3);
    mmr_testhost_free(th);
}

static int listen_on(int family, uint16_t *ret_port)
{
    struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_storage got;
    socklen_t n = sizeof got;
    int s = socket(family, SOCK_STREAM, 0);
    assert_true(s >= 0);
    assert_int_equal(family == AF_INET ? bind(s, (struct sockaddr *)&a4, sizeof a4) : bind(s, (struct sockaddr *)&a6, sizeof a6), 0);
    assert_int_equal(listen(s, 4), 0);
    assert_int_equal(getsockname(s, (struct sockaddr *)&got, &n), 0);
    memcpy(ret_port, (const char *)&got + 2, 2); /* sin_port and sin6_port are in the same place */
    *ret_port = ntohs(*ret_port);
    return s;
}

static int connect_to(int family, uint16_t port)
{
    struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback, .sin6_port = htons(port)};
    struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    int s = socket(family, SOCK_STREAM, 0);
    if (s < 0 || (family == AF_INET ? connect(s, (struct sockaddr *)&a4, sizeof a4) : connect(s, (struct sockaddr *)&a6, sizeof a6)) != 0) {
        if (s >= 0)
            (void)close(s);
        return -1;
    }
    return s;
}

/* How many events of a kind have this direction, port and owner; the last one's number. */
static int count_conn(struct mmr_testhost *th, const char *kind, int direction, uint16_t port, pid_t pid, int *ret_last)
{
    int n = 0;
    for (int i = 0, e; (e = mmr_testhost_find(th, kind, i)) >= 0; i++)
        if (mmr_testhost_int(th, e, "connection_info.direction_id", 0) == direction &&
            mmr_testhost_int(th, e, "dst_endpoint.port", 0) == port && mmr_testhost_int(th, e, "process.pid", 0) == pid) {
            n++;
            *ret_last = e;
        }
    return n;
}

static void check_connections(const char *mode, int family, int wait_ms)
{
    need_root();
    enter_namespace();
    uint16_t before_port, port;
    int before = listen_on(family, &before_port); /* listens before the sensor starts */
    struct mmr_testhost *th = start_mode(mode, "netns", "conn_poll", "100ms");
    if (!th) {
        (void)close(before);
        skip();
    }
    int l = listen_on(family, &port);
    int e = -1;
    const uint16_t ports[] = {before_port, port};
    const int listeners[] = {before, l};
    for (int i = 0; i < 2; i++) {
        int go[2];
        char c = 0;
        assert_int_equal(pipe(go), 0);
        pid_t client = spawn();
        if (client == 0) {
            int s = connect_to(family, ports[i]);
            ssize_t n = s >= 0 ? write(s, "0123456789", 10) : -1;
            n = n > 0 ? read(go[0], &c, 1) : n;
            _exit(n == 1 ? 0 : 1);
        }
        int s = accept(listeners[i], NULL, NULL);
        char buf[16];
        assert_true(s >= 0);
        assert_int_equal(read(s, buf, sizeof buf), 10);
        assert_int_equal(write(s, "abcd", 4), 4);
        poll_for(th, wait_ms);
        if (count_conn(th, "conn.open", 2, ports[i], client, &e) != 1 || count_conn(th, "conn.open", 1, ports[i], getpid(), &e) != 1) {
            mmr_testhost_dump(th);
            fail_msg("port %u: want one opened by %d and one accepted by %d", ports[i], client, getpid());
        }
        assert_string_equal(mmr_testhost_text(th, e, "dst_endpoint.ip"), family == AF_INET ? "127.0.0.1" : "::1");
        assert_string_equal(mmr_testhost_text(th, e, "connection_info.protocol_name"), "tcp");
        assert_string_equal(mmr_testhost_text(th, e, "unmapped.Initiated"), mmr_testhost_int(th, e, "connection_info.direction_id", 0) == 2 ? "true" : "false");
        assert_int_equal(write(go[1], "x", 1), 1);
        (void)waitpid(client, NULL, 0);
        (void)close(s);
        poll_for(th, wait_ms);
        if (count_conn(th, "conn.close", 2, ports[i], client, &e) != 1) {
            mmr_testhost_dump(th);
            fail_msg("port %u: the end is missing", ports[i]);
        }
        assert_int_equal(mmr_testhost_int(th, e, "traffic.bytes_out", -1), 10);
        assert_int_equal(mmr_testhost_int(th, e, "traffic.bytes_in", -1), 4);
        (void)close(go[0]);
        (void)close(go[1]);
    }
    assert_int_equal(mmr_testhost_refusals(th, NULL), 0);
    mmr_testhost_free(th);
    (void)close(l);
    (void)close(before);
}

static void connections_have_owners(void **state)
{
    (void)state;
    check_connections("bpf", AF_INET, 150);
}

static void connections_of_ipv6_have_owners(void **state)
{
    (void)state;
    check_connections("bpf", AF_INET6, 150);
}

static void polled_connections_have_owners(void **state)
{
    (void)state;
    check_connections("poll", AF_INET, 400);
}

/* A UDP socket on a service's port, below those the kernel gives to clients. */
static int serve_datagrams(int family, uint16_t *ret_port)
{
    int s = socket(family, SOCK_DGRAM, 0);
    for (uint16_t port = (uint16_t)(5000 + getpid() % 20000); s >= 0 && port < 32000; port++) {
        struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback, .sin6_port = htons(port)};
        struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
        if ((family == AF_INET ? bind(s, (struct sockaddr *)&a4, sizeof a4) : bind(s, (struct sockaddr *)&a6, sizeof a6)) == 0) {
            *ret_port = port;
            return s;
        }
    }
    fail_msg("no port");
    return -1;
}

/* Datagrams to a port of this machine, on one socket; is_connected: as most clients do. */
static int send_datagrams(int family, uint16_t port, uint16_t ports, int each, bool is_connected)
{
    int s = socket(family, SOCK_DGRAM, 0), sent = 0;
    for (uint16_t i = 0; i < ports; i++) {
        struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback, .sin6_port = htons((uint16_t)(port + i))};
        struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)(port + i))};
        const struct sockaddr *to = family == AF_INET ? (struct sockaddr *)&a4 : (struct sockaddr *)&a6;
        socklen_t len = family == AF_INET ? sizeof a4 : sizeof a6;
        if (is_connected && connect(s, to, len) != 0)
            return -1;
        for (int k = 0; k < each; k++)
            sent += (is_connected ? send(s, "question", 8, 0) : sendto(s, "question", 8, 0, to, len)) == 8 || errno == ECONNREFUSED;
    }
    return sent == ports * each ? s : -1;
}

static void check_datagrams(const char *mode, int family, bool is_connected, int wait_ms)
{
    need_root();
    enter_namespace();
    struct mmr_testhost *th = start_mode(mode, "netns", "conn_poll", "100ms");
    uint16_t port = 0;
    int go[2], e = -1, l = serve_datagrams(family, &port);
    char c = 0;
    if (!th) {
        (void)close(l);
        skip();
    }
    assert_int_equal(pipe(go), 0);
    pid_t client = spawn();
    if (client == 0)
        _exit(send_datagrams(family, port, 1, 5, is_connected) >= 0 && read(go[0], &c, 1) == 1 ? 0 : 1);
    for (int k = 0; k < 5; k++) {
        struct sockaddr_storage from;
        socklen_t len = sizeof from;
        char buf[16];
        assert_int_equal(recvfrom(l, buf, sizeof buf, 0, (struct sockaddr *)&from, &len), 8);
        assert_int_equal(sendto(l, "answer", 6, 0, (struct sockaddr *)&from, len), 6);
    }
    poll_for(th, wait_ms);
    if (count_conn(th, "conn.open", 2, port, client, &e) != 1) {
        mmr_testhost_dump(th);
        fail_msg("want one exchange of %d with port %u", client, port);
    }
    assert_string_equal(mmr_testhost_text(th, e, "connection_info.protocol_name"), "udp");
    assert_string_equal(mmr_testhost_text(th, e, "dst_endpoint.ip"), family == AF_INET ? "127.0.0.1" : "::1");
    assert_string_equal(mmr_testhost_text(th, e, "src_endpoint.ip"), family == AF_INET ? "127.0.0.1" : "::1");
    assert_true(mmr_testhost_int(th, e, "src_endpoint.port", 0) > 0);
    assert_true(mmr_testhost_int(th, e, "process.start_ticks", 0) > 0);
    if (strcmp(mode, "bpf") == 0) /* the server's answers, by their own side */
        assert_int_equal(count_conn(th, "conn.open", 1, port, getpid(), &e), 1);
    assert_int_equal(write(go[1], "x", 1), 1);
    int status = -1;
    (void)waitpid(client, &status, 0);
    assert_int_equal(status, 0);
    poll_for(th, wait_ms);
    assert_int_equal(count_conn(th, "conn.close", 2, port, client, &e), 0);
    assert_int_equal(mmr_testhost_refusals(th, NULL), 0);
    mmr_testhost_free(th);
    (void)close(l);
    (void)close(go[0]);
    (void)close(go[1]);
}

static void datagrams_have_owners(void **state)
{
    (void)state;
    check_datagrams("bpf", AF_INET, false, 150);
    check_datagrams("bpf", AF_INET, true, 150);
    check_datagrams("bpf", AF_INET6, false, 150);
}

static void polled_datagrams_have_owners(void **state)
{
    (void)state;
    check_datagrams("poll", AF_INET, true, 400);
}

static void a_flood_of_datagrams_is_counted(void **state)
{
    (void)state;
    need_root();
    enter_namespace();
    struct mmr_testhost *th = start_mode("bpf", "netns", NULL, NULL);
    enum { PORTS = 2000 };
    int64_t told = 0, lost = 0;
    if (!th)
        skip();
    int s = send_datagrams(AF_INET, 10000, PORTS, 1, false);
    assert_true(s >= 0);
    poll_for(th, 200);
    pid_t other = spawn(); /* what was too much shows with the next record, and is told a second later */
    if (other == 0)
        _exit(0);
    (void)waitpid(other, NULL, 0);
    for (int i = 0; i < 400 && told + lost < PORTS; i++) {
        (void)mmr_testhost_poll(th, 50);
        told = lost = 0;
        for (int k = 0, e; (e = mmr_testhost_find(th, "conn.open", k)) >= 0; k++)
            told += mmr_testhost_int(th, e, "process.pid", 0) == getpid();
        for (int k = 0, e; (e = mmr_testhost_find(th, "sensor.drops", k)) >= 0; k++)
            lost += mmr_testhost_int(th, e, "count", 0);
    }
    (void)close(s);
    assert_true(told >= 32);
    assert_true(told < PORTS);
    assert_int_equal(told + lost, PORTS);
    mmr_testhost_free(th);
}

static void a_refused_connection_is_told(void **state)
{
    (void)state;
    need_root();
    enter_namespace();
    struct mmr_testhost *th = start_mode("bpf", "netns", NULL, NULL);
    int e = -1;
    if (!th)
        skip();
    assert_int_equal(connect_to(AF_INET, 9), -1);
    poll_for(th, 150);
    assert_int_equal(count_conn(th, "conn.open", 2, 9, getpid(), &e), 1);
    assert_int_equal(mmr_testhost_int(th, e, "status_id", 0), 2);
    assert_true(mmr_testhost_int(th, e, "src_endpoint.port", 0) > 0);
    mmr_testhost_free(th);
}

static void scope_netns_leaves_others_out(void **state)
{
    (void)state;
    need_root();
    struct mmr_testhost *th = start_mode("bpf", "netns", NULL, NULL);
    if (!th)
        skip();
    pid_t other = spawn();
    if (other == 0) {
        if (unshare(CLONE_NEWNET) == 0)
            (void)execl("/bin/true", "/bin/true", "in-another-namespace", (char *)NULL);
        _exit(1);
    }
    (void)waitpid(other, NULL, 0);
    const char *const argv[] = {"/bin/true", "in-our-namespace", NULL};
    pid_t pid = run(NULL, argv);
    (void)waitpid(pid, NULL, 0);
    (void)wait_for(th, "process.start", "process.cmd_line", "/bin/true in-our-namespace", 3000);
    assert_int_equal(mmr_testhost_find_text(th, "process.start", "process.cmd_line", "/bin/true in-another-namespace"), -1);
    mmr_testhost_free(th);
}

static void check_shell(const char *mode, int wait_ms)
{
    need_root();
    enter_namespace();
    uint16_t port;
    int l = listen_on(AF_INET, &port);
    struct mmr_testhost *th = start_mode(mode, "netns", "poll", "50ms");
    if (!th) {
        (void)close(l);
        skip();
    }
    (void)close(l);
    l = listen_on(AF_INET, &port);
    pid_t shell = spawn();
    if (shell == 0) {
        (void)close(l); /* it does not listen itself */
        int s = connect_to(AF_INET, port);
        (void)dup2(s, 0);
        (void)dup2(s, 1);
        (void)dup2(s, 2);
        (void)execl("/bin/sh", "sh", "-i", (char *)NULL);
        _exit(1);
    }
    int e = wait_for(th, "finding", "mamori.rule", "mamori.proc.socket_shell", wait_ms);
    assert_int_equal(mmr_testhost_int(th, e, "process.pid", 0), shell);
    assert_true(mmr_testhost_int(th, e, "process.start_ticks", 0) > 0);
    assert_string_equal(mmr_testhost_text(th, e, "mamori.potential"), "high");
    assert_string_equal(mmr_testhost_text(th, e, "mamori.phase"), "foothold.c2");
    assert_int_equal(mmr_testhost_int(th, e, "dst_endpoint.port", 0), port);
    assert_string_equal(mmr_testhost_text(th, e, "src_endpoint.ip"), "127.0.0.1");
    end(shell);
    (void)close(l);
    /* a shell on a pipe, and a program that is no shell on a socket, say nothing */
    mmr_testhost_clear(th);
    const char *const argv[] = {"/bin/sh", "-c", "sleep 0.2", NULL};
    pid_t plain = run(NULL, argv);
    l = listen_on(AF_INET, &port);
    pid_t cat = spawn();
    if (cat == 0) {
        int s = connect_to(AF_INET, port);
        (void)dup2(s, 0);
        (void)dup2(s, 1);
        (void)execl("/bin/sleep", "sleep", "0.2", (char *)NULL);
        _exit(1);
    }
    (void)waitpid(plain, NULL, 0);
    (void)waitpid(cat, NULL, 0);
    poll_for(th, 300);
    assert_int_equal(mmr_testhost_count(th, "finding"), 0);
    mmr_testhost_free(th);
    (void)close(l);
}

static void a_shell_on_a_connection_is_found(void **state)
{
    (void)state;
    check_shell("bpf", 3000);
}

static void polling_finds_a_shell_on_a_connection(void **state)
{
    (void)state;
    check_shell("poll", 3000);
}

/* A command line padded beyond what an event holds: its beginning is told, and that it is one. */
static void check_long_command_line(const char *mode)
{
    need_root();
    struct mmr_testhost *th = start_mode(mode, "host", "poll", "50ms");
    if (!th)
        skip();
    static char pad[MMR_EVENT_STR_MAX + 100], mid[6000];
    char mark[64];
    (void)snprintf(mark, sizeof mark, "sleep 7; : long-%d", getpid());
    memset(mid, 'm', sizeof mid - 1);
    memset(pad, 'p', sizeof pad - 1);
    const char *const argv_mid[] = {"/bin/sh", "-c", mark, mid, NULL}, *const argv_pad[] = {"/bin/sh", "-c", mark, pad, NULL};
    static char want[MMR_EVENT_STR_MAX + 1];
    (void)snprintf(want, sizeof want, "/bin/sh -c %s %s", mark, mid);
    pid_t pid = run(NULL, argv_mid);
    int e = wait_for(th, "process.start", "process.cmd_line", want, 3000);
    assert_null(mmr_event_get(mmr_testhost_view(th, e), "mamori.cut"));
    end(pid);
    int head = snprintf(want, sizeof want, "/bin/sh -c %s ", mark);
    memcpy(want + head, pad, sizeof want - 1 - (size_t)head);
    want[sizeof want - 1] = '\0';
    pid = run(NULL, argv_pad);
    e = wait_for(th, "process.start", "process.cmd_line", want, 3000);
    const struct mmr_value *cut = mmr_event_get(mmr_testhost_view(th, e), "mamori.cut");
    struct mmr_array_it it = {0};
    const char *p;
    size_t len;
    assert_non_null(cut);
    assert_true(mmr_value_next(cut, &it, &p, &len));
    assert_int_equal(len, strlen("process.cmd_line"));
    assert_memory_equal(p, "process.cmd_line", len);
    end(pid);
    mmr_testhost_free(th);
}

static void bpf_names_a_command_line_it_cuts(void **state)
{
    (void)state;
    check_long_command_line("bpf");
}

static void poll_names_a_command_line_it_cuts(void **state)
{
    (void)state;
    check_long_command_line("poll");
}

static void check_mode_sees_starts(const char *mode)
{
    need_root();
    struct mmr_testhost *th = start_mode(mode, "host", "poll", "50ms");
    if (!th)
        skip();
    assert_int_equal(mmr_testhost_find_text(th, "sensor.mode", "status_detail", mode) >= 0, 1);
    char text[64], own[4096];
    (void)snprintf(text, sizeof text, "/bin/sleep 7.%d", getpid());
    const char *const argv[] = {"/bin/sleep", strchr(text, ' ') + 1, NULL};
    pid_t pid = run(NULL, argv);
    int e = wait_for(th, "process.start", "process.cmd_line", text, 3000);
    assert_true(realpath("/bin/sleep", own) != NULL);
    assert_string_equal(mmr_testhost_text(th, e, "process.file.path"), own);
    assert_int_equal(mmr_testhost_int(th, e, "process.pid", 0), pid);
    assert_int_equal(mmr_testhost_int(th, e, "process.parent_process.pid", 0), getpid());
    char uid[64];
    (void)snprintf(uid, sizeof uid, "%s", mmr_testhost_text(th, e, "process.uid"));
    end(pid);
    (void)wait_for(th, "process.exit", "process.uid", uid, 3000);
    mmr_testhost_free(th);
}

static void cn_proc_sees_starts(void **state)
{
    (void)state;
    check_mode_sees_starts("cn_proc");
}

static void polling_sees_starts(void **state)
{
    (void)state;
    check_mode_sees_starts("poll");
}

static void feed_file(struct mmr_testhost *th, const char *path, pid_t pid, int64_t time_ns)
{
    uint8_t buf[2048];
    struct mmr_event ev;
    struct mmr_pstat st;
    struct mmr_error err = {.struct_size = sizeof err};
    assert_true(mmr_procfs_stat((uint32_t)pid, &st));
    mmr_event_begin(&ev, buf, sizeof buf, "file.create", MMR_CLASS_FILE, 1, time_ns, 1);
    mmr_event_str(&ev, "file.path", path);
    mmr_event_str(&ev, "file.hashes.sha256", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff");
    mmr_event_int(&ev, "process.pid", pid);
    mmr_event_int(&ev, "process.start_ticks", st.start_ticks);
    assert_int_equal(mmr_event_end(&ev), 0);
    assert_int_equal(mmr_testhost_event(th, 0, buf, ev.len, &err), 0);
}

static void copy_file(const char *from, const char *to)
{
    char buf[65536];
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    assert_true(in >= 0 && out >= 0);
    for (ssize_t n; (n = read(in, buf, sizeof buf)) > 0;)
        assert_int_equal(write(out, buf, (size_t)n), n);
    (void)close(in);
    (void)close(out);
}

/* A stand-in server: a copy of sleep under a server's name, which the "file events" name as the writer. */
static void a_program_dropped_by_a_server_is_found(void **state)
{
    (void)state;
    need_root();
    struct mmr_testhost *th = start_mode("bpf", "host", NULL, NULL);
    if (!th)
        skip();
    char dir[] = "/tmp/mamori-test-XXXXXX", server[64], dropped[64], clean[64];
    assert_non_null(mkdtemp(dir));
    (void)snprintf(server, sizeof server, "%s/nginx", dir);
    (void)snprintf(dropped, sizeof dropped, "%s/payload", dir);
    (void)snprintf(clean, sizeof clean, "%s/own", dir);
    copy_file("/bin/sleep", server);
    copy_file("/bin/true", dropped);
    copy_file("/bin/true", clean);
    const char *const argv[] = {server, "30", NULL};
    pid_t pid = run(NULL, argv);
    (void)wait_for(th, "process.start", "process.file.path", server, 3000);
    feed_file(th, dropped, pid, mmr_testhost_time(th));
    feed_file(th, clean, getpid(), mmr_testhost_time(th)); /* not a server */
    const char *const runs[][2] = {{clean, NULL}, {dropped, NULL}};
    for (int i = 0; i < 2; i++) {
        pid_t child = run(NULL, runs[i]);
        (void)waitpid(child, NULL, 0);
    }
    int e = wait_for(th, "finding", "mamori.rule", "mamori.proc.dropped_exec", 3000);
    assert_string_equal(mmr_testhost_text(th, e, "file.path"), dropped);
    assert_string_equal(mmr_testhost_text(th, e, "mamori.potential"), "high");
    assert_string_equal(mmr_testhost_text(th, e, "file.hashes.sha256"), "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff");
    poll_for(th, 100);
    assert_int_equal(mmr_testhost_count(th, "finding"), 1);
    /* the start is known before the file event comes */
    mmr_testhost_clear(th);
    (void)snprintf(dropped, sizeof dropped, "%s/late", dir);
    copy_file("/bin/true", dropped);
    int64_t written = mmr_testhost_time(th);
    pid_t child = run(NULL, (const char *const[]){dropped, NULL});
    (void)waitpid(child, NULL, 0);
    (void)wait_for(th, "process.start", "process.file.path", dropped, 3000);
    feed_file(th, dropped, pid, written);
    assert_int_equal(mmr_testhost_count(th, "finding"), 1);
    end(pid);
    mmr_testhost_free(th);
    const char *const names[] = {"nginx", "payload", "own", "late"};
    for (int i = 0; i < 4; i++) {
        (void)snprintf(server, sizeof server, "%s/%s", dir, names[i]);
        (void)unlink(server);
    }
    (void)rmdir(dir);
}

static void nothing_is_lost_while_the_bus_is_full(void **state)
{
    (void)state;
    need_root();
    struct mmr_testhost *th = start_mode("bpf", "host", NULL, NULL);
    if (!th)
        skip();
    mmr_testhost_emit_result(th, MMR_EAGAIN);
    char text[32];
    for (int i = 0; i < 200; i++) {
        (void)snprintf(text, sizeof text, "full-%d", i);
        pid_t pid = run(NULL, (const char *const[]){"/bin/true", text, NULL});
        (void)waitpid(pid, NULL, 0);
        (void)mmr_testhost_poll(th, 0);
    }
    mmr_testhost_emit_result(th, 0);
    mmr_testhost_host(th, 0)->wake(mmr_testhost_host(th, 0)->impl);
    (void)wait_for(th, "process.start", "process.cmd_line", "/bin/true full-199", 3000);
    for (int i = 0; i < 200; i++) {
        (void)snprintf(text, sizeof text, "/bin/true full-%d", i);
        assert_true(mmr_testhost_find_text(th, "process.start", "process.cmd_line", text) >= 0);
    }
    assert_int_equal(mmr_testhost_count(th, "sensor.drops"), 0);
    mmr_testhost_free(th);
}

static int listen_somewhere(uint16_t *ret_port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(s, 4), 0);
    assert_int_equal(getsockname(s, (struct sockaddr *)&a, &len), 0);
    *ret_port = ntohs(a.sin_port);
    return s;
}

/* A program with an open connection, which began while the sensor was away. */
static void what_started_meanwhile_is_told_late(const char *mode)
{
    const char *const config[] = {"mode", mode, "scope", "netns", NULL};
    const char *const before[] = {"/bin/sleep", "60.417010", NULL}, *const told[] = {"/bin/sleep", "60.417011", NULL};
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_testhost *th = mmr_testhost_new();
    const struct mmr_plugin *p = &mmr_plugin_proc;
    uint16_t port;
    (void)mmr_testhost_make_state_dir(th);
    mmr_testhost_use_real_clock(th);
    pid_t old = run(NULL, before);
    (void)usleep(50000); /* ticks are 10 ms */
    int first = mmr_testhost_add(th, p, config, &err), server = listen_somewhere(&port);
    int r = p->sensor->start(mmr_testhost_self(th, first), &err);
    if (r == MMR_EUNSUPPORTED) {
        end(old);
        (void)close(server);
        mmr_testhost_free(th);
        skip();
    }
    assert_int_equal(r, 0);
    pid_t seen = run(NULL, told);
    (void)wait_for(th, "process.start", "process.cmd_line", "/bin/sleep 60.417011", 3000);
    p->sensor->on_committed(mmr_testhost_self(th, first), 1); /* the mode; the start is on its way yet */
    p->sensor->stop(mmr_testhost_self(th, first)); /* as if killed: what it has written by now is all there is */
    mmr_testhost_clear(th);
    pid_t missed = spawn();
    if (missed == 0) {
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int s = socket(AF_INET, SOCK_STREAM, 0);
        (void)connect(s, (struct sockaddr *)&a, sizeof a);
        (void)execl("/bin/sleep", "/bin/sleep", "60.417012", NULL);
        _exit(127);
    }
    struct mmr_pstat st = {0};
    for (int i = 0; i < 200 && strcmp(st.comm, "sleep") != 0; i++) {
        (void)usleep(10000);
        (void)mmr_procfs_stat((uint32_t)missed, &st);
    }
    int second = mmr_testhost_add(th, p, config, &err);
    assert_int_equal(p->sensor->start(mmr_testhost_self(th, second), &err), 0);
    int e = wait_for(th, "process.start", "process.cmd_line", "/bin/sleep 60.417012", 3000);
    assert_int_equal(mmr_testhost_int(th, e, "process.pid", 0), missed);
    assert_true(mmr_testhost_find_text(th, "process.start", "process.cmd_line", "/bin/sleep 60.417011") >= 0); /* nobody had it for certain */
    int64_t age = mmr_testhost_time(th) - mmr_testhost_int(th, e, "time", 0);
    assert_true(age >= 0 && age < 30 * MMR_TH_S);
    assert_int_equal(mmr_testhost_find_text(th, "process.start", "process.cmd_line", "/bin/sleep 60.417010"), -1); /* before the sensor's time */
    e = mmr_testhost_find(th, "conn.open", 0);
    assert_true(e >= 0);
    assert_int_equal(mmr_testhost_int(th, e, "dst_endpoint.port", 0), port);
    assert_int_equal(mmr_testhost_int(th, e, "process.pid", 0), missed);
    end(old);
    end(seen);
    end(missed);
    (void)close(server);
    p->sensor->stop(mmr_testhost_self(th, second));
    mmr_testhost_free(th);
}

static void what_started_meanwhile_is_told_late_with_bpf(void **state)
{
    (void)state;
    need_root();
    enter_namespace();
    what_started_meanwhile_is_told_late("bpf");
}

static void what_started_meanwhile_is_told_late_with_polling(void **state)
{
    (void)state;
    need_root();
    enter_namespace();
    what_started_meanwhile_is_told_late("poll");
}

static void wrong_words_are_refused(void **state)
{
    (void)state;
    static const char *const rows[][2] = {{"mode", "magic"}, {"scope", "world"}};
    for (size_t i = 0; i < 2; i++) {
        const char *const config[] = {rows[i][0], rows[i][1], NULL};
        struct mmr_error err = {.struct_size = sizeof err};
        struct mmr_testhost *th = mmr_testhost_new();
        assert_int_equal(mmr_testhost_add(th, &mmr_plugin_proc, config, &err), MMR_ECONFIG);
        assert_non_null(strstr(err.text, rows[i][1]));
        mmr_testhost_free(th);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_start_is_told_whole),
        cmocka_unit_test(a_process_that_is_gone_keeps_its_names),
        cmocka_unit_test(scope_netns_leaves_others_out),
        cmocka_unit_test(nothing_is_lost_while_the_bus_is_full),
        cmocka_unit_test(cn_proc_sees_starts),
        cmocka_unit_test(polling_sees_starts),
        cmocka_unit_test(bpf_names_a_command_line_it_cuts),
        cmocka_unit_test(poll_names_a_command_line_it_cuts),
        cmocka_unit_test(a_program_dropped_by_a_server_is_found),
        cmocka_unit_test(wrong_words_are_refused),
        /* from here on in network namespaces */
        cmocka_unit_test(what_started_meanwhile_is_told_late_with_bpf),
        cmocka_unit_test(what_started_meanwhile_is_told_late_with_polling),
        cmocka_unit_test(connections_have_owners),
        cmocka_unit_test(connections_of_ipv6_have_owners),
        cmocka_unit_test(a_refused_connection_is_told),
        cmocka_unit_test(datagrams_have_owners),
        cmocka_unit_test(a_flood_of_datagrams_is_counted),
        cmocka_unit_test(polled_datagrams_have_owners),
        cmocka_unit_test(a_shell_on_a_connection_is_found),
        cmocka_unit_test(polled_connections_have_owners),
        cmocka_unit_test(polling_finds_a_shell_on_a_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
