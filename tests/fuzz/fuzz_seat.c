/* link: mmr_libseat mamori-sdk */
/* fuzz_seat.c - hostile bytes of a log sender through each protocol of the listener, in pieces: first byte protocol, second
 * how the rest is cut. Every line given lies within its limit, and what is answered stays bounded. */
#include <stdlib.h>
#include <string.h>

#include "stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_line(void *ctx, char *text, size_t len, int64_t time_ns)
{
    (void)time_ns;
    if (len > MMR_SEAT_LINE_MAX || !len || text[len] != '\0')
        abort();
    *(unsigned *)ctx += (unsigned char)text[len - 1];
    text[0] = text[len - 1]; /* it may be changed */
}

static bool is_full(void *ctx)
{
    return *(unsigned *)ctx % 7 == 6 ? (++*(unsigned *)ctx, true) : false; /* now and then */
}

static void on_unit(void *ctx, const struct mmr_seat_unit *u)
{
    if (u->len > MMR_SEAT_CHUNK_MAX)
        abort();
    *(unsigned *)ctx += u->number;
}

static bool is_repeated(void *ctx, const struct mmr_seat_unit *u)
{
    (void)ctx;
    return u->len && u->chunk[0] == 'r';
}

static const char *key(void *ctx, const char *name)
{
    (void)ctx;
    return name[0] == 'k' ? "a key" : NULL;
}

static void on_name(void *ctx, const char *name)
{
    *(unsigned *)ctx += (unsigned)strlen(name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct mmr_seat_proto *const protos[] = {&mmr_seat_tcp, &mmr_seat_forward, &mmr_seat_beats, &mmr_seat_relp};
    unsigned sum = 0;
    struct mmr_seat_sink sink = {&sum, on_line, is_full, on_unit, is_repeated, key, on_name, on_name};
    struct mmr_seat_stream s;
    if (size < 2 || size > 256 * 1024)
        return 0;
    bool needs_key = data[0] & 4;
    if (mmr_seat_stream_init(&s, protos[data[0] & 3], &sink, true, needs_key, NULL) != 0)
        return 0;
    if (s.proto->open)
        s.proto->open(&s);
    size_t piece = data[1] ? data[1] : size, at = 2;
    int r = 0;
    while (at < size && r == 0 && !s.is_ended) {
        size_t n = size - at < piece ? size - at : piece;
        r = mmr_seat_push(&s, data + at, n, NULL);
        for (int i = 0; i < 3 && r == 0; i++) /* a full sink is asked again */
            r = mmr_seat_run(&s, NULL);
        while (r == 0 && s.message && !s.is_ended)
            r = mmr_seat_run(&s, NULL);
        at += n;
    }
    struct mmr_seat_unit u = {.number = 7, .len = 3, .chunk = "abc"};
    mmr_seat_acknowledge(&s, &u);
    if (s.proto->idle)
        s.proto->idle(&s);
    if (mmr_seat_buf_len(&s.out) > MMR_SEAT_OUT_MAX)
        abort();
    mmr_seat_stream_done(&s);
    return 0;
}
