/* test_answers.c - the listener over real connections: opening a link says nothing, the button does, nonsense is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "request.h"
#include "testhost.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

extern const struct mmr_plugin mmr_plugin_answers;
#define TOKEN "0123456789abcdef0123456789abcdef"

static int free_port(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)(const void *)&in, sizeof in), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)(void *)&in, &len), 0);
    (void)close(fd);
    return ntohs(in.sin_port);
}

static const char *ask(struct mmr_testhost *th, int port, const char *request)
{
    static char answer[8192];
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    size_t len = 0;
    assert_int_equal(connect(fd, (const struct sockaddr *)(const void *)&in, sizeof in), 0);
    size_t half = strlen(request) / 2; /* in two pieces, as networks do */
    assert_int_equal(send(fd, request, half, 0), half);
    (void)mmr_testhost_poll(th, 20);
    assert_int_equal(send(fd, request + half, strlen(request) - half, 0), strlen(request) - half);
    for (int k = 0; k < 1000; k++) {
        (void)mmr_testhost_poll(th, 10);
        ssize_t n = recv(fd, answer + len, sizeof answer - 1 - len, MSG_DONTWAIT);
        if (n == 0)
            break;
        len += n > 0 ? (size_t)n : 0;
    }
    (void)close(fd);
    answer[len] = '\0';
    return answer;
}

static void a_link_opened_says_nothing_and_the_button_does(void **state)
{
    (void)state;
    struct mmr_testhost *th = mmr_testhost_new();
    struct mmr_error err = {.struct_size = sizeof err};
    char listen[40];
    int port = free_port();
    (void)snprintf(listen, sizeof listen, "127.0.0.1:%d", port);
    const char *const cfg[] = {"listen", listen, NULL};
    mmr_testhost_use_real_clock(th);
    if (mmr_testhost_add(th, &mmr_plugin_answers, cfg, &err) != 0 || mmr_testhost_start(th, &err) != 0)
        fail_msg("%s", err.text);
    const char *page = ask(th, port, "GET /c/" TOKEN " HTTP/1.1\r\nHost: x\r\n\r\n"); /* mail programs fetch links ahead */
    assert_non_null(strstr(page, "200 OK"));
    assert_non_null(strstr(page, "method=\"post\" action=\"/c/" TOKEN "\""));
    assert_int_equal(mmr_testhost_count(th, "notice.answer"), 0);
    page = ask(th, port, "POST /c/" TOKEN " HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    assert_non_null(strstr(page, "ありがとうございます"));
    assert_int_equal(mmr_testhost_count(th, "notice.answer"), 1);
    int e = mmr_testhost_find(th, "notice.answer", 0);
    assert_string_equal(mmr_testhost_text(th, e, "unmapped.token"), TOKEN);
    assert_int_equal(mmr_testhost_int(th, e, "unmapped.level", 0), MMR_DELIVERY_CONFIRMED);
    page = ask(th, port, "POST /d/" TOKEN " HTTP/1.1\r\nContent-Length: 23\r\n\r\n{\"status\": \"delivered\"}");
    assert_non_null(strstr(page, "200 OK"));
    assert_int_equal(mmr_testhost_int(th, mmr_testhost_find(th, "notice.answer", 1), "unmapped.level", 0), MMR_DELIVERY_RECIPIENT);
    assert_non_null(strstr(ask(th, port, "GET /favicon.ico HTTP/1.1\r\n\r\n"), "404"));
    assert_non_null(strstr(ask(th, port, "POST /c/../../etc HTTP/1.1\r\n\r\n"), "404"));
    assert_non_null(strstr(ask(th, port, "\x16\x03\x01 hello\r\n\r\n"), "400"));
    assert_int_equal(mmr_testhost_count(th, "notice.answer"), 2);
    mmr_testhost_free(th);
}

static void requests_are_read_within_bounds(void **state)
{
    (void)state;
    static char large[MMR_REQUEST_MAX + 10];
    static const struct {
        const char *text;
        enum mmr_request_what what;
        int level;
    } rows[] = {
        {"GET /c/" TOKEN " HTTP/1.1\r\n", MMR_REQUEST_MORE, 0},
        {"GET /c/" TOKEN "?x=1 HTTP/1.1\r\n\r\n", MMR_REQUEST_SHOW, 0},
        {"GET /c/" TOKEN "0 HTTP/1.1\r\n\r\n", MMR_REQUEST_OTHER, 0},
        {"GET /c/0123 HTTP/1.1\r\n\r\n", MMR_REQUEST_OTHER, 0},
        {"GET /d/" TOKEN " HTTP/1.1\r\n\r\n", MMR_REQUEST_OTHER, 0},
        {"POST /d/" TOKEN " HTTP/1.1\r\nContent-Length: 16\r\n\r\nstatus=confirmed", MMR_REQUEST_REPORT, MMR_DELIVERY_CONFIRMED},
        {"POST /d/" TOKEN " HTTP/1.1\r\nContent-Length: 17\r\n\r\na=1&status=failed", MMR_REQUEST_REPORT, MMR_DELIVERY_FAILED},
        {"POST /d/" TOKEN " HTTP/1.1\r\nContent-Length: 14\r\n\r\nstatus=unheard", MMR_REQUEST_REPORT, MMR_DELIVERY_TRIED},
        {"POST /d/" TOKEN " HTTP/1.1\r\nContent-Length: 14\r\n\r\n{\"status\": [1]", MMR_REQUEST_REPORT, MMR_DELIVERY_TRIED},
        {"POST /d/" TOKEN " HTTP/1.1\r\nContent-Length: 99\r\n\r\nstatus=", MMR_REQUEST_MORE, 0},
        {"POST /d/" TOKEN " HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n", MMR_REQUEST_BAD, 0},
        {"POST /d/" TOKEN " HTTP/1.1\r\nContent-Length: -1\r\n\r\n", MMR_REQUEST_BAD, 0},
        {"POST /d/" TOKEN " HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", MMR_REQUEST_BAD, 0},
        {large, MMR_REQUEST_BAD, 0},
    };
    memset(large, 'a', sizeof large - 1);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mmr_answer_request r = mmr_answer_read(rows[i].text, strlen(rows[i].text));
        if (r.what != rows[i].what || r.level != rows[i].level)
            fail_msg("row %zu: %d level %d", i, (int)r.what, r.level);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_read_within_bounds),
        cmocka_unit_test(a_link_opened_says_nothing_and_the_button_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
