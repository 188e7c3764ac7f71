/*
 * beats.c - version 2 of the protocol in which Winlogbeat and Filebeat send (their "logstash" output): JSON
 * records in windows, packed as a rule; the last number of a window is acknowledged. Source: the protocol's
 * public description (Lumberjack v2).
 */
#include "stream.h"

#include <stdlib.h>
#include <string.h>

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void send_ack(struct mmr_seat_stream *s, uint32_t number)
{
    uint8_t frame[6] = {'2', 'A', (uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number};
    if (!mmr_seat_buf_add(&s->out, frame, sizeof frame, MMR_SEAT_OUT_MAX))
        s->is_ended = true;
}

static void ack(struct mmr_seat_stream *s, const struct mmr_seat_unit *u)
{
    send_ack(s, u->number);
}

static void idle(struct mmr_seat_stream *s)
{
    send_ack(s, 0); /* "still here" */
}

/* One frame at p: bytes used, 0: more needed, or an error. C frames only outside (is_packed false). */
static int64_t frame(struct mmr_seat_stream *s, const uint8_t *p, size_t n, bool is_packed, struct mmr_error *err)
{
    if (n < 6)
        return n && p[0] != '2' ? mmr_fail(err, MMR_EBADMSG, "no Beats frame of version 2 (first byte 0x%02x, expected '2')", p[0]) : 0;
    if (p[0] != '2')
        return mmr_fail(err, MMR_EBADMSG, "no Beats frame of version 2 (first byte 0x%02x, expected '2')", p[0]);
    uint32_t a = be32(p + 2);
    if (p[1] == 'W') {
        s->window = a;
        s->in_window = 0;
        return 6;
    }
    if (p[1] == 'C' && !is_packed) {
        if (a > MMR_SEAT_MESSAGE_MAX)
            return mmr_fail(err, MMR_ETOOBIG, "a packed window of %u bytes; at most %d are taken, set bulk_max_size lower", a, MMR_SEAT_MESSAGE_MAX);
        if (n - 6 < a)
            return 0;
        s->unpacked_at = 0;
        int r = mmr_seat_inflate(p + 6, a, false, MMR_SEAT_UNPACKED_MAX, &s->unpacked, &s->unpacked_len, err);
        return r != 0 ? r : 6 + (int64_t)a;
    }
    if (p[1] != 'J')
        return mmr_fail(err, MMR_EBADMSG, "a Beats frame of kind 0x%02x; expected W, J or C", p[1]);
    if (n < 10)
        return 0;
    uint32_t len = be32(p + 6);
    if (len > MMR_SEAT_MESSAGE_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "a record of %u bytes; at most %d are taken", len, MMR_SEAT_LINE_MAX);
    if (n - 10 < len)
        return 0;
    if (!len) {
        s->sink.skipped(s->sink.ctx, "an empty record");
    } else if (len <= MMR_SEAT_LINE_MAX) {
        memcpy(s->scratch, p + 10, len);
        s->scratch[len] = '\0';
        s->sink.line(s->sink.ctx, s->scratch, len, 0);
    } else {
        s->sink.skipped(s->sink.ctx, "a record over 1 MiB");
    }
    if (++s->in_window >= s->window) {
        struct mmr_seat_unit u = {.number = a};
        s->in_window = 0;
        s->sink.unit(s->sink.ctx, &u);
    }
    return 10 + (int64_t)len;
}

static int step(struct mmr_seat_stream *s, struct mmr_error *err)
{
    if (s->unpacked) {
        if (s->unpacked_at == s->unpacked_len) {
            free(s->unpacked);
            s->unpacked = NULL;
            return 1;
        }
        int64_t used = frame(s, s->unpacked + s->unpacked_at, s->unpacked_len - s->unpacked_at, true, err);
        if (used < 0)
            return (int)used;
        if (used == 0)
            return mmr_fail(err, MMR_EBADMSG, "a packed window ends within a record");
        s->unpacked_at += (size_t)used;
        return 1;
    }
    int64_t used = frame(s, s->in.p + s->in.at, mmr_seat_buf_len(&s->in), false, err);
    if (used <= 0)
        return (int)used;
    mmr_seat_buf_take(&s->in, (size_t)used);
    return 1;
}

const struct mmr_seat_proto mmr_seat_beats = {
    .name = "beats", .message_max = MMR_SEAT_MESSAGE_MAX, .has_acks = true, .step = step, .ack = ack, .idle = idle};
