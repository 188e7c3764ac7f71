/* link: mmr_control mamori-sdk */
/* Bytes of a client on the control socket: first byte how they are cut into pieces, the rest as sent. */
#include "control/server.h"

#include <event2/event.h>
#include <json-c/json.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct world {
    struct event_base *base;
    struct mmr_control_server *server;
    struct sockaddr_un at;
};

static void handle(void *ctx, uint64_t client, const char *command, struct json_object *args)
{
    const struct world *x = ctx;
    const char *text = json_object_to_json_string_ext(args, JSON_C_TO_STRING_PLAIN);
    if (!json_object_is_type(args, json_type_object) || !command[0] || strlen(command) > 63)
        abort();
    if (command[0] == 'p')
        (void)mmr_control_part(x->server, client, "[", 1);
    if (command[0] != 'e')
        (void)mmr_control_answer(x->server, client, text, strlen(text));
    mmr_control_end(x->server, client, 0);
}

static struct world w;
static char dir[] = "/tmp/mmr-fuzz-control-XXXXXX";

static void stop(void)
{
    mmr_control_server_free(w.server);
    event_base_free(w.base);
    (void)rmdir(dir);
}

static const struct world *start(void)
{
    if (w.base)
        return &w;
    if (!mkdtemp(dir))
        abort();
    w.base = event_base_new();
    w.at.sun_family = AF_UNIX;
    (void)snprintf(w.at.sun_path, sizeof w.at.sun_path, "%s/s", dir);
    if (!w.base || mmr_control_server_new(w.base, w.at.sun_path, handle, &w, &w.server, NULL) != 0)
        abort();
    (void)atexit(stop);
    return &w;
}

static void turn(const struct world *x)
{
    for (int i = 0; i < 4; i++)
        (void)event_base_loop(x->base, EVLOOP_NONBLOCK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const struct world *x = start();
    char buf[65536];
    size_t piece = len ? 1u + 8u * data[0] : 1, ends = 0;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&x->at, sizeof x->at) != 0)
        abort();
    turn(x);
    for (size_t at = 1; at < len; at += piece) {
        if (send(fd, data + at, len - at < piece ? len - at : piece, MSG_NOSIGNAL) < 0)
            break;
        turn(x);
    }
    (void)shutdown(fd, SHUT_WR);
    for (int i = 0; i < 1000; i++) { /* the other end closes: whatever was sent, it is answered and over */
        ssize_t n = recv(fd, buf, sizeof buf, 0);
        if (n == 0)
            break;
        for (ssize_t k = 0; k < n; k++)
            ends += buf[k] == '\n';
        turn(x);
        if (i == 999)
            abort();
    }
    (void)close(fd);
    turn(x);
    if (len > 1 && !ends)
        abort(); /* bytes came, and nothing was said to them */
    return 0;
}
