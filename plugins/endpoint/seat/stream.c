/* stream.c - what all protocols share: bounded buffers, unpacking, the turn of the crank. */
#include "stream.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

bool mmr_seat_buf_add(struct mmr_seat_buf *b, const void *p, size_t n, size_t max)
{
    size_t have = b->used - b->at;
    if (n > max || have > max - n)
        return false;
    if (b->cap - b->used < n) {
        if (b->at) {
            memmove(b->p, b->p + b->at, have);
            b->at = 0;
            b->used = have;
        }
        if (b->cap - b->used < n) {
            size_t cap = b->cap ? b->cap : 4096;
            while (cap < have + n)
                cap *= 2;
            uint8_t *more = realloc(b->p, cap);
            if (!more)
                return false;
            b->p = more;
            b->cap = cap;
        }
    }
    memcpy(b->p + b->used, p, n);
    b->used += n;
    return true;
}

void mmr_seat_buf_free(struct mmr_seat_buf *b)
{
    free(b->p);
    *b = (struct mmr_seat_buf){0};
}

void mmr_seat_buf_take(struct mmr_seat_buf *b, size_t n)
{
    b->at += n;
    if (b->at < b->used)
        return;
    b->at = b->used = 0;
    if (b->cap > 256 * 1024) /* one large message does not hold its memory for ever */
        mmr_seat_buf_free(b);
}

const struct mmr_seat_proto *mmr_seat_proto_find(const char *name, size_t len)
{
    static const struct mmr_seat_proto *const all[] = {&mmr_seat_tcp, &mmr_seat_forward, &mmr_seat_beats, &mmr_seat_relp};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strlen(all[i]->name) == len && memcmp(all[i]->name, name, len) == 0)
            return all[i];
    return NULL;
}

int mmr_seat_stream_init(struct mmr_seat_stream *s, const struct mmr_seat_proto *proto, const struct mmr_seat_sink *sink,
                         bool is_known, bool needs_key, struct mmr_error *err)
{
    *s = (struct mmr_seat_stream){.proto = proto, .sink = *sink, .is_known = is_known && !needs_key, .needs_key = needs_key};
    s->scratch = malloc(MMR_SEAT_LINE_MAX + 1);
    if (!s->scratch)
        return mmr_fail(err, MMR_ENOMEM, "seat: out of memory for a connection");
    return 0;
}

void mmr_seat_stream_done(struct mmr_seat_stream *s)
{
    mmr_seat_buf_free(&s->in);
    mmr_seat_buf_free(&s->out);
    free(s->unpacked);
    free(s->scratch);
    *s = (struct mmr_seat_stream){0};
}

int mmr_seat_push(struct mmr_seat_stream *s, const void *p, size_t n, struct mmr_error *err)
{
    size_t max = s->is_known ? s->proto->message_max + 64 * 1024 : (size_t)MMR_SEAT_UNKNOWN_MAX;
    if (!mmr_seat_buf_add(&s->in, p, n, max))
        return mmr_fail(err, MMR_ETOOBIG, "more than %zu bytes without the end of a message%s; make the sender's chunks smaller", max,
                        s->is_known ? "" : " before the sender said who it is");
    return 0;
}

int mmr_seat_run(struct mmr_seat_stream *s, struct mmr_error *err)
{
    int r = 1;
    while (r == 1 && !s->sink.is_full(s->sink.ctx) && !s->is_ended)
        r = s->proto->step(s, err);
    return r > 0 ? 0 : r;
}

void mmr_seat_acknowledge(struct mmr_seat_stream *s, const struct mmr_seat_unit *u)
{
    if (s->proto->ack)
        s->proto->ack(s, u);
}

int mmr_seat_inflate(const void *p, size_t n, bool is_gzip, size_t max, uint8_t **ret, size_t *ret_n, struct mmr_error *err)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)p, .avail_in = (uInt)n};
    size_t cap = n < max / 4 ? n * 4 + 1024 : max;
    uint8_t *out = malloc(cap);
    int code = 0, r = out && n <= UINT32_MAX ? inflateInit2(&z, is_gzip ? 15 + 16 : 15) : Z_MEM_ERROR;
    if (r != Z_OK) {
        free(out);
        return mmr_fail(err, MMR_ENOMEM, "out of memory for unpacking");
    }
    size_t used = 0;
    for (;;) {
        if (used == cap) {
            uint8_t *more = cap >= max ? NULL : realloc(out, cap * 2 > max ? max : cap * 2);
            if (!more) {
                code = mmr_fail(err, MMR_ETOOBIG, "a packed message of %zu bytes unpacks to more than %zu", n, cap);
                break;
            }
            out = more;
            cap = cap * 2 > max ? max : cap * 2;
        }
        z.next_out = out + used;
        z.avail_out = (uInt)(cap - used);
        r = inflate(&z, Z_NO_FLUSH);
        used = cap - z.avail_out;
        if (r == Z_STREAM_END) {
            if (!is_gzip || !z.avail_in)
                break;
            if (inflateReset(&z) != Z_OK) /* one more member */
                r = Z_DATA_ERROR;
        } else if (r == Z_OK && !z.avail_in && z.avail_out) {
            r = Z_DATA_ERROR; /* cut */
        } else if (r == Z_BUF_ERROR && !z.avail_out) {
            r = Z_OK;
        }
        if (r != Z_OK && r != Z_STREAM_END) {
            code = mmr_fail(err, MMR_EBADMSG, "a packed message of %zu bytes is damaged or cut", n);
            break;
        }
    }
    (void)inflateEnd(&z);
    if (code != 0) {
        free(out);
        return code;
    }
    *ret = out;
    *ret_n = used;
    return 0;
}
