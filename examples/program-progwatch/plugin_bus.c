/* plugin_bus.c - the three descriptors, the envelope, the numbers. Bytes from the core are read with bounds, as from anybody. */
#include "plugin_bus.h"

#include <zmq.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TETHER = 3, ASSIGNMENT = 4, ASSIGNMENT_MAX = 1 << 20, FRAME_MAX = 257 * 1024, WINDOW = 1024, LANES = 2 };
enum { T_STOP = 7, T_READY = 33, T_BEAT = 34, T_REFUSED = 35 };
enum { HELLO = 1, WELCOME = 2, DATA = 3, ACK = 4, CMD = 6, PING = 8, BYE = 13, ERROR = 14 };
enum { NOTHING = 0, RECORDS = 1, FIELDS = 2, GO_BACK = 1, SAY_HELLO = 2, PLACES = 13 };

struct kept {
    char *bytes;
    size_t len;
};
struct pb {
    void *context, *socket;
    msgpack_unpacked told, config;
    char *assignment;
    char epoch[16], boot[16];
    uint64_t acked[LANES], last[LANES], next[LANES];
    struct kept window[LANES][WINDOW]; /* by number, modulo its size */
    uint64_t events, tick;
    int64_t heard_ms, asked_ms, beat_ms;
    int is_up, is_ready;
};

static int64_t clock_ns(clockid_t which)
{
    struct timespec t;
    (void)clock_gettime(which, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int64_t now_ms(void)
{
    return clock_ns(CLOCK_MONOTONIC) / 1000000;
}

/* ---- maps ---- */

const msgpack_object *pb_get(const msgpack_object *map, const char *key)
{
    size_t n = strlen(key);
    for (uint32_t i = 0; map->type == MSGPACK_OBJECT_MAP && i < map->via.map.size; i++) {
        const msgpack_object_kv *x = &map->via.map.ptr[i];
        if (x->key.type == MSGPACK_OBJECT_STR && x->key.via.str.size == n && memcmp(x->key.via.str.ptr, key, n) == 0)
            return &x->val;
    }
    return NULL;
}

const msgpack_object *pb_told(const struct pb *bus, const char *key)
{
    return pb_get(&bus->told.data, key);
}

const msgpack_object *pb_config(const struct pb *bus, const char *key)
{
    return pb_get(&bus->config.data, key);
}

void pb_str(msgpack_packer *p, const char *text, size_t len)
{
    (void)msgpack_pack_str(p, len);
    (void)msgpack_pack_str_body(p, text, len);
}

void pb_key_str(msgpack_packer *p, const char *key, const char *text)
{
    pb_str(p, key, strlen(key));
    pb_str(p, text, strlen(text));
}

static void put_bin(msgpack_packer *p, const void *bytes, size_t len)
{
    (void)msgpack_pack_bin(p, len);
    (void)msgpack_pack_bin_body(p, bytes, len);
}

/* ---- the tether ---- */

static int tell(uint32_t type, const void *tail, size_t len)
{
    char buf[512];
    const uint32_t head[2] = {type, 0};
    if (len > sizeof buf - sizeof head)
        len = sizeof buf - sizeof head;
    memcpy(buf, head, sizeof head);
    if (len)
        memcpy(buf + sizeof head, tail, len);
    return send(TETHER, buf, sizeof head + len, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int pb_ready(struct pb *bus)
{
    bus->is_ready = 1;
    return tell(T_READY, NULL, 0);
}

void pb_refuse(struct pb *bus, const char *why)
{
    size_t len = strlen(why);
    (void)bus;
    (void)tell(T_REFUSED, why, len < 200 ? len : 200);
}

static void beat(struct pb *bus)
{
    uint64_t tail[11] = {0};
    const uint32_t one[2] = {1, 0};
    if (!bus->is_ready || now_ms() < bus->beat_ms)
        return;
    bus->beat_ms = now_ms() + 1000;
    tail[0] = ++bus->tick;
    memcpy(&tail[1], one, sizeof one);
    tail[2] = bus->events;
    (void)tell(T_BEAT, tail, sizeof tail);
}

/* 1: STOP, or the supervisor is gone. */
static int is_over(void)
{
    static char message[192 * 1024];
    uint32_t type;
    for (;;) {
        ssize_t n = recv(TETHER, message, sizeof message, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return 0;
        memcpy(&type, message, sizeof type);
        if (n < 8 || type == T_STOP)
            return 1;
    }
}

/* ---- the bus ---- */

/* -EAGAIN: it does not go now. */
static int send_frame(struct pb *bus, int kind, int lane, uint64_t seq, int body_type, const void *body, size_t len)
{
    static const char zero[16];
    msgpack_sbuffer buf;
    msgpack_packer p;
    msgpack_sbuffer_init(&buf);
    msgpack_packer_init(&p, &buf, msgpack_sbuffer_write);
    (void)msgpack_pack_array(&p, PLACES);
    (void)msgpack_pack_int(&p, 1);
    (void)msgpack_pack_int(&p, kind);
    (void)msgpack_pack_int(&p, lane);
    (void)msgpack_pack_int(&p, 0);
    put_bin(&p, zero, sizeof zero);
    put_bin(&p, bus->epoch, sizeof bus->epoch);
    (void)msgpack_pack_uint64(&p, seq);
    put_bin(&p, zero, sizeof zero);
    (void)msgpack_pack_int64(&p, clock_ns(CLOCK_REALTIME));
    (void)msgpack_pack_int64(&p, clock_ns(CLOCK_MONOTONIC));
    put_bin(&p, bus->boot, sizeof bus->boot);
    (void)msgpack_pack_int(&p, body_type);
    put_bin(&p, body, len);
    int r = zmq_send(bus->socket, buf.data, buf.size, ZMQ_DONTWAIT) < 0 ? -errno : 0;
    msgpack_sbuffer_destroy(&buf);
    return r;
}

static void say_hello(struct pb *bus)
{
    const msgpack_object *secret = pb_told(bus, "secret");
    msgpack_sbuffer buf;
    msgpack_packer p;
    msgpack_sbuffer_init(&buf);
    msgpack_packer_init(&p, &buf, msgpack_sbuffer_write);
    put_bin(&p, secret->via.bin.ptr, secret->via.bin.size);
    for (int lane = 0; lane < LANES; lane++) {
        (void)msgpack_pack_uint64(&p, bus->acked[lane] + 1);
        (void)msgpack_pack_uint64(&p, bus->last[lane]);
    }
    if (send_frame(bus, HELLO, 0, 0, FIELDS, buf.data, buf.size) == 0)
        bus->asked_ms = now_ms();
    msgpack_sbuffer_destroy(&buf);
}

static void take_ack(struct pb *bus, unsigned lane, uint64_t upto, int is_back)
{
    if (upto > bus->last[lane])
        upto = bus->last[lane];
    while (bus->acked[lane] < upto) {
        struct kept *k = &bus->window[lane][++bus->acked[lane] % WINDOW];
        free(k->bytes);
        *k = (struct kept){0};
    }
    if (is_back || bus->next[lane] <= bus->acked[lane])
        bus->next[lane] = bus->acked[lane] + 1;
}

static int is_uint(const msgpack_object *o)
{
    return o->type == MSGPACK_OBJECT_POSITIVE_INTEGER;
}

static void take_welcome(struct pb *bus, const char *body, size_t len)
{
    msgpack_unpacked u;
    size_t at = 0;
    msgpack_unpacked_init(&u);
    for (unsigned lane = 0; lane < LANES; lane++)
        if (msgpack_unpack_next(&u, body, len, &at) == MSGPACK_UNPACK_SUCCESS && is_uint(&u.data))
            take_ack(bus, lane, u.data.via.u64, 1);
    msgpack_unpacked_destroy(&u);
    bus->is_up = 1;
}

static void take_records(struct pb *bus, const char *body, size_t len, pb_take take, void *ctx)
{
    msgpack_unpacked u;
    size_t at = 0;
    msgpack_unpacked_init(&u);
    while (take && msgpack_unpack_next(&u, body, len, &at) == MSGPACK_UNPACK_SUCCESS) {
        const msgpack_object *x = u.data.type == MSGPACK_OBJECT_ARRAY && u.data.via.array.size >= 4 ? u.data.via.array.ptr : NULL;
        if (!x || !is_uint(&x[1]) || !is_uint(&x[2]) || x[3].type != MSGPACK_OBJECT_BIN)
            break;
        const struct pb_record r = {(int)x[1].via.u64, x[2].via.u64, x[3].via.bin.ptr, x[3].via.bin.size};
        take(ctx, bus, &r);
    }
    msgpack_unpacked_destroy(&u);
}

static void take_frame(struct pb *bus, const char *frame, size_t len, pb_take take, void *ctx)
{
    msgpack_unpacked u;
    size_t at = 0;
    msgpack_unpacked_init(&u);
    const msgpack_object *x = NULL;
    if (msgpack_unpack_next(&u, frame, len, &at) == MSGPACK_UNPACK_SUCCESS && u.data.type == MSGPACK_OBJECT_ARRAY && u.data.via.array.size >= PLACES)
        x = u.data.via.array.ptr; /* places behind the last one known are a newer core's */
    if (x && is_uint(&x[1]) && is_uint(&x[2]) && is_uint(&x[3]) && x[5].type == MSGPACK_OBJECT_BIN && x[5].via.bin.size == 16 && is_uint(&x[6]) &&
        x[12].type == MSGPACK_OBJECT_BIN) {
        int is_ours = memcmp(x[5].via.bin.ptr, bus->epoch, 16) == 0;
        bus->heard_ms = now_ms();
        if (x[1].via.u64 == WELCOME && is_ours)
            take_welcome(bus, x[12].via.bin.ptr, x[12].via.bin.size);
        else if (x[1].via.u64 == ACK && is_ours && x[2].via.u64 < LANES)
            take_ack(bus, (unsigned)x[2].via.u64, x[6].via.u64, x[3].via.u64 & GO_BACK ? 1 : 0);
        else if (x[1].via.u64 == DATA || x[1].via.u64 == CMD)
            take_records(bus, x[12].via.bin.ptr, x[12].via.bin.size, take, ctx);
        else if (x[1].via.u64 == ERROR && x[3].via.u64 & SAY_HELLO)
            bus->is_up = 0;
    }
    msgpack_unpacked_destroy(&u);
}

static void send_kept(struct pb *bus)
{
    for (int lane = 0; lane < LANES; lane++)
        for (; bus->is_up && bus->next[lane] <= bus->last[lane]; bus->next[lane]++) {
            const struct kept *k = &bus->window[lane][bus->next[lane] % WINDOW];
            if (send_frame(bus, DATA, lane, bus->next[lane], RECORDS, k->bytes, k->len) != 0)
                return;
        }
}

int pb_work(struct pb *bus, int timeout_ms, pb_take take, void *ctx)
{
    zmq_pollitem_t items[] = {{.socket = bus->socket, .events = ZMQ_POLLIN}, {.fd = TETHER, .events = ZMQ_POLLIN}};
    (void)zmq_poll(items, 2, timeout_ms < 500 ? timeout_ms : 500);
    if (is_over())
        return 1;
    zmq_msg_t m;
    (void)zmq_msg_init(&m);
    while (zmq_msg_recv(&m, bus->socket, ZMQ_DONTWAIT) >= 0)
        take_frame(bus, zmq_msg_data(&m), zmq_msg_size(&m), take, ctx);
    (void)zmq_msg_close(&m);
    int64_t now = now_ms();
    if (bus->is_up && now - bus->heard_ms > 10000)
        bus->is_up = 0;
    if (!bus->is_up && now - bus->asked_ms > 2000)
        say_hello(bus);
    else if (bus->is_up && now - bus->heard_ms > 2000 && now - bus->asked_ms > 2000 && send_frame(bus, PING, 0, 0, NOTHING, "", 0) == 0)
        bus->asked_ms = now;
    send_kept(bus);
    beat(bus);
    return 0;
}

int pb_put(struct pb *bus, int lane, int kind, uint64_t number, const void *bytes, size_t len)
{
    msgpack_sbuffer buf;
    msgpack_packer p;
    if (lane < 0 || lane >= LANES)
        return -EINVAL;
    if (bus->last[lane] - bus->acked[lane] >= WINDOW)
        return -EAGAIN;
    msgpack_sbuffer_init(&buf);
    msgpack_packer_init(&p, &buf, msgpack_sbuffer_write);
    (void)msgpack_pack_array(&p, 4);
    (void)msgpack_pack_int(&p, 0);
    (void)msgpack_pack_int(&p, kind);
    (void)msgpack_pack_uint64(&p, number);
    put_bin(&p, bytes, len);
    if (!buf.data || buf.size < len) {
        msgpack_sbuffer_destroy(&buf);
        return -ENOMEM;
    }
    bus->window[lane][++bus->last[lane] % WINDOW] = (struct kept){buf.data, buf.size}; /* msgpack's malloc() */
    return 0;
}

int pb_event(struct pb *bus, int lane, const void *map, size_t len)
{
    int r = pb_put(bus, lane, PB_EVENT, bus->events + 1, map, len);
    bus->events += r == 0;
    return r;
}

/* ---- begin and end ---- */

static int read_boot(char boot[16])
{
    char text[64] = "";
    unsigned n = 0, high = 0, digits = 0;
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (!f || !fgets(text, sizeof text, f))
        text[0] = '\0';
    if (f)
        (void)fclose(f);
    for (const char *c = text; *c && n < 16; c++) {
        unsigned d = *c >= '0' && *c <= '9' ? (unsigned)(*c - '0') : *c >= 'a' && *c <= 'f' ? (unsigned)(*c - 'a' + 10) : 16;
        if (d == 16)
            continue;
        if (digits++ % 2)
            boot[n++] = (char)(high << 4 | d);
        high = d;
    }
    return n == 16 ? 0 : -EIO;
}

static int read_assignment(struct pb *bus)
{
    size_t len = 0, at = 0;
    bus->assignment = malloc(ASSIGNMENT_MAX);
    if (!bus->assignment)
        return -ENOMEM;
    for (ssize_t n = 1; n > 0 && len < ASSIGNMENT_MAX; len += n > 0 ? (size_t)n : 0)
        n = read(ASSIGNMENT, bus->assignment + len, ASSIGNMENT_MAX - len);
    (void)close(ASSIGNMENT);
    if (msgpack_unpack_next(&bus->told, bus->assignment, len, &at) != MSGPACK_UNPACK_SUCCESS ||
        msgpack_unpack_next(&bus->config, bus->assignment, len, &at) != MSGPACK_UNPACK_SUCCESS)
        return -EPROTO;
    const msgpack_object *protocol = pb_told(bus, "protocol"), *endpoint = pb_told(bus, "endpoint"), *secret = pb_told(bus, "secret");
    return protocol && is_uint(protocol) && protocol->via.u64 == 1 && endpoint && endpoint->type == MSGPACK_OBJECT_STR && secret &&
                   secret->type == MSGPACK_OBJECT_BIN
               ? 0
               : -EPROTO;
}

static int connect_bus(struct pb *bus)
{
    const msgpack_object *endpoint = pb_told(bus, "endpoint");
    char where[128];
    const int linger = 200, send_marks = 64, receive_marks = 256, is_immediate = 1;
    const int64_t frame_max = FRAME_MAX;
    (void)snprintf(where, sizeof where, "%.*s", (int)endpoint->via.str.size, endpoint->via.str.ptr);
    bus->context = zmq_ctx_new();
    bus->socket = bus->context ? zmq_socket(bus->context, ZMQ_DEALER) : NULL;
    if (!bus->socket)
        return -errno;
    (void)zmq_setsockopt(bus->socket, ZMQ_LINGER, &linger, sizeof linger);
    (void)zmq_setsockopt(bus->socket, ZMQ_SNDHWM, &send_marks, sizeof send_marks);
    (void)zmq_setsockopt(bus->socket, ZMQ_RCVHWM, &receive_marks, sizeof receive_marks);
    (void)zmq_setsockopt(bus->socket, ZMQ_IMMEDIATE, &is_immediate, sizeof is_immediate);
    (void)zmq_setsockopt(bus->socket, ZMQ_MAXMSGSIZE, &frame_max, sizeof frame_max);
    return zmq_connect(bus->socket, where) == 0 ? 0 : -errno;
}

int pb_open(struct pb **ret)
{
    struct pb *bus = calloc(1, sizeof *bus);
    if (!bus)
        return -ENOMEM;
    msgpack_unpacked_init(&bus->told);
    msgpack_unpacked_init(&bus->config);
    bus->next[PB_URGENT] = bus->next[PB_FINDINGS] = 1;
    bus->asked_ms = now_ms() - 3000;
    int r = getrandom(bus->epoch, sizeof bus->epoch, 0) == (ssize_t)sizeof bus->epoch ? read_boot(bus->boot) : -EIO;
    if (r == 0)
        r = read_assignment(bus);
    if (r == 0)
        r = connect_bus(bus);
    if (r) {
        pb_close(bus);
        return r;
    }
    *ret = bus;
    return 0;
}

void pb_close(struct pb *bus)
{
    if (!bus)
        return;
    if (bus->is_up)
        (void)send_frame(bus, BYE, 0, 0, NOTHING, "", 0);
    if (bus->socket)
        (void)zmq_close(bus->socket);
    if (bus->context)
        (void)zmq_ctx_term(bus->context);
    for (int lane = 0; lane < LANES; lane++)
        for (int i = 0; i < WINDOW; i++)
            free(bus->window[lane][i].bytes);
    msgpack_unpacked_destroy(&bus->told);
    msgpack_unpacked_destroy(&bus->config);
    free(bus->assignment);
    free(bus);
}
