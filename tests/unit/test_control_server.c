/* The control socket against clients that keep to the rules and clients that do not. */
#include "control/server.h"

#include "control/client.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct world {
    char dir[64], path[128];
    struct event_base *base;
    struct mmr_control_server *server;
    unsigned asked;     /* calls of the handler */
    uint64_t waiting;   /* a client whose request is not ended */
    bool is_waiting;    /* "wait" leaves its request open */
    int answered;       /* what mmr_control_answer() said last */
    char args[256];     /* of the last request */
};

static void handle(void *ctx, uint64_t client, const char *command, struct json_object *args)
{
    struct world *w = ctx;
    w->asked++;
    (void)snprintf(w->args, sizeof w->args, "%s", json_object_to_json_string_ext(args, JSON_C_TO_STRING_PLAIN));
    if (strcmp(command, "wait") == 0) {
        w->waiting = client;
        return;
    }
    if (strcmp(command, "flood") == 0) { /* until the server says that it is enough */
        char line[4096];
        memset(line, 'x', sizeof line);
        for (int i = 0; i < 100000 && (w->answered = mmr_control_answer(w->server, client, line, sizeof line)) == 0; i++)
            ;
        return;
    }
    if (strcmp(command, "parts") == 0) {
        assert_int_equal(mmr_control_part(w->server, client, "{\"a\":", 5), 0);
        assert_int_equal(mmr_control_part(w->server, client, "1,", 2), 0);
        assert_int_equal(mmr_control_answer(w->server, client, "\"b\":2}", 6), 0);
        assert_int_equal(mmr_control_answer(w->server, client, "{\"a\":\n1}", 8), MMR_EINVAL);
        mmr_control_end(w->server, client, 1);
        return;
    }
    (void)mmr_control_answer(w->server, client, "{\"hello\":true}", 14);
    mmr_control_end(w->server, client, 0);
    w->answered = mmr_control_answer(w->server, client, "{}", 2);
}

static int set_up(void **state)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    (void)snprintf(w->dir, sizeof w->dir, "/tmp/mmr-control-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    (void)snprintf(w->path, sizeof w->path, "%s/%s", w->dir, MMR_CONTROL_SOCKET);
    w->base = event_base_new();
    if (mmr_control_server_new(w->base, w->path, handle, w, &w->server, &err) != 0)
        fail_msg("%s", err.text);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    struct stat st;
    mmr_control_server_free(w->server);
    assert_int_equal(lstat(w->path, &st), -1); /* the socket went with it */
    event_base_free(w->base);
    assert_int_equal(rmdir(w->dir), 0);
    free(w);
    return 0;
}

static struct sockaddr_un address(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    assert_true(strlen(path) < sizeof at.sun_path);
    memcpy(at.sun_path, path, strlen(path) + 1);
    return at;
}

static int dial(const struct world *w)
{
    struct sockaddr_un at = address(w->path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

static void turn(const struct world *w, int ms)
{
    const struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    (void)event_base_loopexit(w->base, &tv);
    (void)event_base_dispatch(w->base);
}

static void put(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Everything that is there now, NUL-terminated; false: the other end has closed, too. */
static bool take(int fd, char *buf, size_t cap)
{
    size_t len = 0;
    for (;;) {
        ssize_t n = recv(fd, buf + len, cap - 1 - len, MSG_DONTWAIT);
        if (n > 0)
            len += (size_t)n;
        if (n <= 0 || len == cap - 1) {
            buf[len] = '\0';
            return n != 0 && !(n < 0 && errno == ECONNRESET);
        }
    }
}

static void requests_are_answered_one_after_the_other(void **state)
{
    struct world *w = *state;
    char buf[1024];
    int fd = dial(w);
    put(fd, "{\"command\":\"hello\",\"args\":{\"n\":1}}\n{\"command\":\"parts\"}\r\n{\"command\":\"hello\"}\n");
    turn(w, 50);
    assert_true(take(fd, buf, sizeof buf));
    assert_string_equal(buf, "{\"hello\":true}\n{\"end\":true,\"status\":0}\n{\"a\":1,\"b\":2}\n{\"end\":true,\"status\":1}\n"
                             "{\"hello\":true}\n{\"end\":true,\"status\":0}\n");
    assert_int_equal(w->asked, 3);
    assert_string_equal(w->args, "{}");           /* left out: an empty object */
    assert_int_equal(w->answered, MMR_ENOENT);    /* after the end nothing is taken */
    (void)close(fd);
    turn(w, 20);
}

static void a_client_that_closes_its_half_gets_its_answer(void **state)
{
    struct world *w = *state;
    char buf[256];
    int fd = dial(w);
    put(fd, "{\"command\":\"hello\"}\n");
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    turn(w, 30);
    assert_false(take(fd, buf, sizeof buf));
    assert_string_equal(buf, "{\"hello\":true}\n{\"end\":true,\"status\":0}\n");
    (void)close(fd);
}

static void the_socket_is_its_owners_alone(void **state)
{
    const struct world *w = *state;
    struct stat st;
    assert_int_equal(stat(w->path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 07777, 0600);
}

static void malformed_requests_are_refused_and_the_client_goes_on(void **state)
{
    static const char *const rows[] = {
        "", "{", "nonsense", "[]", "1", "{\"command\":1}", "{}", "{\"command\":\"\"}", "{\"command\":\"UPPER\"}",
        "{\"command\":\"a b\"}", "{\"command\":\"../x\"}", "{\"command\":\"hello\"} trailing", "{\"command\":\"hello\",\"args\":[]}",
        "{\"command\":\"hello\",\"args\":null}", "{\"command\":\"\\u0000\"}", "{\"command\":\"hello\",\"x\":\"\xff\xfe\"}",
        "{\"command\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"};
    struct world *w = *state;
    int fd = dial(w);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char buf[512];
        put(fd, rows[i]);
        put(fd, "\n");
        turn(w, 10);
        if (!take(fd, buf, sizeof buf) || strncmp(buf, "{\"error\":\"", 10) != 0 || !strstr(buf, "{\"end\":true,\"status\":2}\n"))
            fail_msg("row %zu (%s): got '%s'", i, rows[i], buf);
    }
    assert_int_equal(w->asked, 0);
    char buf[256];
    put(fd, "{\"command\":\"hello\"}\n");
    turn(w, 10);
    assert_true(take(fd, buf, sizeof buf));
    assert_string_equal(buf, "{\"hello\":true}\n{\"end\":true,\"status\":0}\n");
    (void)close(fd);
}

static void bytes_in_any_pieces_are_one_request(void **state)
{
    struct world *w = *state;
    static const char request[] = "{\"command\":\"hello\"}\n";
    char buf[256];
    int fd = dial(w);
    for (size_t i = 0; request[i]; i++) {
        assert_int_equal(send(fd, request + i, 1, MSG_NOSIGNAL), 1);
        turn(w, 1);
    }
    turn(w, 10);
    assert_true(take(fd, buf, sizeof buf));
    assert_string_equal(buf, "{\"hello\":true}\n{\"end\":true,\"status\":0}\n");
    (void)close(fd);
}

static void a_line_that_never_ends_closes_its_client(void **state)
{
    struct world *w = *state;
    char piece[4096], buf[512];
    int fd = dial(w), other = dial(w);
    memset(piece, 'a', sizeof piece);
    for (size_t sent = 0; sent < 4u * MMR_CONTROL_REQUEST_MAX;) {
        ssize_t n = send(fd, piece, sizeof piece, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
            break;
        sent += n > 0 ? (size_t)n : 0;
        turn(w, 1);
    }
    turn(w, 30);
    assert_false(take(fd, buf, sizeof buf));
    (void)close(fd);
    put(other, "{\"command\":\"hello\"}\n"); /* nobody else notices */
    turn(w, 10);
    assert_true(take(other, buf, sizeof buf));
    assert_non_null(strstr(buf, "hello"));
    (void)close(other);
}

static void a_request_of_the_largest_size_is_served_and_one_byte_more_is_not(void **state)
{
    struct world *w = *state;
    for (int more = 0; more < 2; more++) {
        static const char head[] = "{\"command\":\"hello\",\"args\":{\"t\":\"", tail[] = "\"}}\n";
        size_t len = MMR_CONTROL_REQUEST_MAX + (size_t)more, at = 0;
        char *request = malloc(len);
        char buf[512];
        int fd = dial(w);
        assert_non_null(request);
        memset(request, 'x', len);
        memcpy(request, head, sizeof head - 1);
        memcpy(request + len - (sizeof tail - 1), tail, sizeof tail - 1);
        while (at < len) {
            ssize_t n = send(fd, request + at, len - at, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n < 0 && errno != EAGAIN)
                break;
            at += n > 0 ? (size_t)n : 0;
            turn(w, 2);
        }
        turn(w, 20);
        bool is_open = take(fd, buf, sizeof buf);
        assert_int_equal(w->asked, 1);
        if (more)
            assert_false(is_open);
        else
            assert_string_equal(buf, "{\"hello\":true}\n{\"end\":true,\"status\":0}\n");
        (void)close(fd);
        free(request);
    }
}

static void a_half_request_is_told_so(void **state)
{
    struct world *w = *state;
    char buf[512];
    int fd = dial(w);
    put(fd, "{\"command\":\"hel");
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    turn(w, 30);
    assert_false(take(fd, buf, sizeof buf));
    assert_non_null(strstr(buf, "newline"));
    assert_non_null(strstr(buf, "\"status\":2"));
    assert_int_equal(w->asked, 0);
    (void)close(fd);
}

static void a_client_that_goes_before_its_answer_harms_nobody(void **state)
{
    struct world *w = *state;
    char buf[512];
    int fd = dial(w);
    put(fd, "{\"command\":\"wait\"}\n");
    turn(w, 10);
    uint64_t gone = w->waiting;
    assert_true(gone != 0);
    (void)close(fd);
    turn(w, 10);
    (void)mmr_control_answer(w->server, gone, "{}", 2); /* may be taken: it goes nowhere */
    turn(w, 10);
    mmr_control_end(w->server, gone, 0);
    turn(w, 10);
    assert_int_equal(mmr_control_answer(w->server, gone, "{}", 2), MMR_ENOENT);
    fd = dial(w);
    put(fd, "{\"command\":\"wait\"}\n");
    turn(w, 10);
    assert_true(w->waiting != gone); /* a number is never used again */
    mmr_control_end(w->server, gone, 0);
    turn(w, 10);
    assert_true(take(fd, buf, sizeof buf));
    assert_string_equal(buf, "");
    assert_int_equal(mmr_control_error(w->server, w->waiting, "a \"quoted\"\nreason"), 0);
    mmr_control_end(w->server, w->waiting, 3);
    turn(w, 10);
    assert_true(take(fd, buf, sizeof buf));
    assert_string_equal(buf, "{\"error\":\"a \\\"quoted\\\"\\nreason\"}\n{\"end\":true,\"status\":3}\n");
    (void)close(fd);
}

static void a_client_that_takes_nothing_is_closed(void **state)
{
    struct world *w = *state;
    int fd = dial(w);
    put(fd, "{\"command\":\"flood\"}\n");
    turn(w, 200);
    assert_int_equal(w->answered, MMR_ETOOBIG);
    char *buf = malloc(1u << 24);
    assert_non_null(buf);
    while (take(fd, buf, 1u << 24))
        turn(w, 5);
    free(buf);
    (void)close(fd);
}

static void idle_clients_are_closed(void **state)
{
    struct world *w = *state;
    char buf[512];
    bool is_idle = true, is_slow = true;
    mmr_control_server_limits(w->server, &(struct mmr_control_limits){.idle_ms = 60, .answer_ms = 600000});
    int idle = dial(w), slow = dial(w), unanswered = dial(w);
    put(unanswered, "{\"command\":\"wait\"}\n");
    for (int i = 0; i < 3000 && (is_idle || is_slow); i++) { /* a byte now and then does not keep it open */
        (void)send(slow, "{", 1, MSG_NOSIGNAL);
        turn(w, 10);
        is_idle = is_idle && take(idle, buf, sizeof buf);
        is_slow = is_slow && take(slow, buf, sizeof buf);
    }
    assert_false(is_idle || is_slow);
    assert_true(take(unanswered, buf, sizeof buf)); /* who waits for an answer is not idle */
    assert_string_equal(buf, "");
    (void)close(unanswered);
    mmr_control_server_limits(w->server, &(struct mmr_control_limits){.idle_ms = 600000, .answer_ms = 60});
    unanswered = dial(w);
    put(unanswered, "{\"command\":\"wait\"}\n");
    bool is_open = true;
    for (size_t i = 0, len = 0; i < 3000 && is_open; i++) {
        turn(w, 10);
        is_open = take(unanswered, buf + len, sizeof buf - len);
        len += strlen(buf + len);
    }
    assert_false(is_open); /* told so, then closed: a late answer must not be the next one's */
    assert_non_null(strstr(buf, "no answer came in time"));
    assert_non_null(strstr(buf, "{\"end\":true,\"status\":3}\n"));
    assert_int_equal(mmr_control_answer(w->server, w->waiting, "{}", 2), MMR_ENOENT);
    (void)close(idle);
    (void)close(slow);
    (void)close(unanswered);
}

static void too_many_clients_are_turned_away(void **state)
{
    struct world *w = *state;
    int fd[MMR_CONTROL_CLIENTS_MAX + 4];
    char buf[512];
    for (size_t i = 0; i < sizeof fd / sizeof fd[0]; i++) {
        fd[i] = dial(w);
        turn(w, 5);
    }
    for (size_t i = MMR_CONTROL_CLIENTS_MAX; i < sizeof fd / sizeof fd[0]; i++) {
        assert_false(take(fd[i], buf, sizeof buf));
        assert_non_null(strstr(buf, "too many clients"));
        (void)close(fd[i]);
    }
    for (size_t i = 0; i < MMR_CONTROL_CLIENTS_MAX; i++) {
        put(fd[i], "{\"command\":\"hello\"}\n");
        turn(w, 5);
        assert_true(take(fd[i], buf, sizeof buf));
        assert_non_null(strstr(buf, "hello"));
    }
    (void)close(fd[0]);
    turn(w, 10);
    fd[0] = dial(w); /* room again */
    put(fd[0], "{\"command\":\"hello\"}\n");
    turn(w, 10);
    assert_true(take(fd[0], buf, sizeof buf));
    assert_non_null(strstr(buf, "hello"));
    for (size_t i = 0; i < MMR_CONTROL_CLIENTS_MAX; i++)
        (void)close(fd[i]);
    turn(w, 20);
}

static void a_stranger_is_refused(void **state)
{
    struct world *w = *state;
    char buf[512] = "";
    int report[2];
    if (geteuid() != 0)
        skip(); /* only root can become a stranger */
    assert_int_equal(pipe(report), 0);
    assert_int_equal(chmod(w->dir, 0755), 0);
    assert_int_equal(chmod(w->path, 0666), 0); /* as if somebody had opened it by mistake */
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (setgid(65534) != 0 || setuid(65534) != 0)
            _exit(9);
        int fd = dial(w);
        (void)send(fd, "{\"command\":\"hello\"}\n", 20, MSG_NOSIGNAL);
        ssize_t len = recv(fd, buf, sizeof buf - 1, MSG_WAITALL);
        _exit(len > 0 && write(report[1], buf, (size_t)len) == len ? 0 : 8);
    }
    int status = 0;
    for (int i = 0; i < 200 && waitpid(pid, &status, WNOHANG) == 0; i++)
        turn(w, 10);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    ssize_t len = read(report[0], buf, sizeof buf - 1);
    assert_true(len > 0);
    buf[len] = '\0';
    assert_non_null(strstr(buf, "only root"));
    assert_int_equal(w->asked, 0);
    (void)close(report[0]);
    (void)close(report[1]);
}

static void one_server_for_a_path(void **state)
{
    struct world *w = *state;
    struct mmr_control_server *second = NULL;
    struct mmr_error err = {.struct_size = sizeof err};
    char path[160];
    assert_int_equal(mmr_control_server_new(w->base, w->path, handle, w, &second, &err), MMR_EPERM);
    assert_non_null(strstr(err.text, "another mamori runs here"));
    (void)snprintf(path, sizeof path, "%s/file", w->dir);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
    assert_int_equal(mmr_control_server_new(w->base, path, handle, w, &second, &err), MMR_EPERM);
    assert_non_null(strstr(err.text, "no socket"));
    assert_int_equal(access(path, F_OK), 0); /* it is somebody's */
    assert_int_equal(unlink(path), 0);
    /* a socket whose process is gone is replaced */
    struct sockaddr_un at = address(path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof at), 0);
    (void)close(fd);
    assert_int_equal(mmr_control_server_new(w->base, path, handle, w, &second, &err), 0);
    mmr_control_server_free(second);
    assert_int_equal(access(path, F_OK), -1);
    char longer[400];
    memset(longer, 'a', sizeof longer - 1);
    longer[0] = '/';
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(mmr_control_server_new(w->base, longer, handle, w, &second, &err), MMR_EINVAL);
}

/* ---- the client's side ---- */

struct asking {
    struct world *w;
    const char *command;
    int64_t timeout_ms;
    int result, status;
    unsigned lines;
    char last[256];
    struct mmr_error err;
};

static int count(void *ctx, struct json_object *line, const char *text, size_t len)
{
    struct asking *a = ctx;
    assert_true(json_object_is_type(line, json_type_object));
    assert_int_equal(strlen(text), len);
    a->lines++;
    (void)snprintf(a->last, sizeof a->last, "%s", text);
    return 0;
}

static void *ask(void *ctx)
{
    struct asking *a = ctx;
    a->err.struct_size = sizeof a->err;
    a->result = mmr_control_ask(a->w->dir, a->command, NULL, a->timeout_ms, count, a, &a->status, &a->err);
    return NULL;
}

static void run_ask(struct asking *a, int ms)
{
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, ask, a), 0);
    turn(a->w, ms);
    assert_int_equal(pthread_join(t, NULL), 0);
}

static void the_client_gets_lines_and_the_status(void **state)
{
    struct asking a = {.w = *state, .command = "parts", .timeout_ms = 3000};
    run_ask(&a, 100);
    assert_int_equal(a.result, 0);
    assert_int_equal(a.status, 1);
    assert_int_equal(a.lines, 1);
    assert_string_equal(a.last, "{\"a\":1,\"b\":2}");
}

static void the_client_waits_no_longer_than_told(void **state)
{
    struct asking a = {.w = *state, .command = "wait", .timeout_ms = 80};
    run_ask(&a, 150);
    assert_int_equal(a.result, MMR_EIO);
    assert_non_null(strstr(a.err.text, "did not answer within 80 ms"));
}

static void the_client_says_that_nothing_runs(void **state)
{
    const struct world *w = *state;
    struct mmr_error err = {.struct_size = sizeof err};
    struct asking a = {0};
    char nowhere[128];
    int status = 7;
    (void)snprintf(nowhere, sizeof nowhere, "%s/none", w->dir);
    assert_int_equal(mmr_control_ask(nowhere, "status", NULL, 1000, count, &a, &status, &err), MMR_ENOENT);
    assert_non_null(strstr(err.text, "mamori is not running here (no socket '"));
    assert_non_null(strstr(err.text, "start it with 'mamori run'"));
    assert_int_equal(status, 7);
}

/* A server of another kind: what the client gets is not what it expects. */
struct impostor {
    int fd;
    const char *says;
};

static void *impersonate(void *ctx)
{
    const struct impostor *i = ctx;
    char buf[1024];
    int c = accept(i->fd, NULL, NULL);
    (void)recv(c, buf, sizeof buf, 0);
    (void)send(c, i->says, strlen(i->says), MSG_NOSIGNAL);
    (void)close(c);
    return NULL;
}

static void the_client_trusts_no_answer(void **state)
{
    static const struct {
        const char *says;
        int want;
    } rows[] = {{"nonsense\n", MMR_EBADMSG}, {"[1]\n", MMR_EBADMSG}, {"\n", MMR_EBADMSG}, {"{\"a\":1}\n", MMR_EIO}, {"", MMR_EIO},
                {"{\"end\":true,\"status\":0}", MMR_EIO}, {"{\"end\":true}\n", 0}};
    const struct world *w = *state;
    char dir[128];
    (void)snprintf(dir, sizeof dir, "%s/other", w->dir);
    assert_int_equal(mkdir(dir, 0700), 0);
    char path[160];
    (void)snprintf(path, sizeof path, "%s/%s", dir, MMR_CONTROL_SOCKET);
    struct sockaddr_un at = address(path);
    struct impostor i = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    assert_int_equal(bind(i.fd, (const struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(i.fd, 1), 0);
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        struct mmr_error err = {.struct_size = sizeof err};
        struct asking a = {0};
        pthread_t t;
        i.says = rows[k].says;
        assert_int_equal(pthread_create(&t, NULL, impersonate, &i), 0);
        int r = mmr_control_ask(dir, "status", NULL, 2000, count, &a, &a.status, &err);
        assert_int_equal(pthread_join(t, NULL), 0);
        if (r != rows[k].want)
            fail_msg("row %zu: got %d, want %d (%s)", k, r, rows[k].want, err.text);
    }
    (void)close(i.fd);
    assert_int_equal(unlink(at.sun_path), 0);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(requests_are_answered_one_after_the_other), T(a_client_that_closes_its_half_gets_its_answer),
        T(the_socket_is_its_owners_alone), T(malformed_requests_are_refused_and_the_client_goes_on),
        T(bytes_in_any_pieces_are_one_request), T(a_line_that_never_ends_closes_its_client),
        T(a_request_of_the_largest_size_is_served_and_one_byte_more_is_not), T(a_half_request_is_told_so),
        T(a_client_that_goes_before_its_answer_harms_nobody), T(a_client_that_takes_nothing_is_closed),
        T(idle_clients_are_closed), T(too_many_clients_are_turned_away), T(a_stranger_is_refused), T(one_server_for_a_path),
        T(the_client_gets_lines_and_the_status), T(the_client_waits_no_longer_than_told), T(the_client_says_that_nothing_runs),
        T(the_client_trusts_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
