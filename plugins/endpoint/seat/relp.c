/*
 * relp.c - RELP, the way rsyslog sends lines that are acknowledged one by one. A frame is
 * "NUMBER COMMAND LENGTH[ DATA]\n". Source: the protocol description published with librelp (relp.html).
 */
#include "stream.h"

#include <stdio.h>
#include <string.h>

enum { HEAD_MAX = 9 + 1 + 32 + 1 + 9 + 1 };

static void answer(struct mmr_seat_stream *s, uint32_t number, const char *text)
{
    char frame[512];
    size_t len = strlen(text);
    int n = len ? snprintf(frame, sizeof frame, "%u rsp %zu %s\n", number, len, text) : snprintf(frame, sizeof frame, "%u rsp 0\n", number);
    if (n > 0 && (size_t)n < sizeof frame && !mmr_seat_buf_add(&s->out, frame, (size_t)n, MMR_SEAT_OUT_MAX))
        s->is_ended = true;
}

static void ack(struct mmr_seat_stream *s, const struct mmr_seat_unit *u)
{
    answer(s, u->number, "200 OK");
}

/* A decimal number of at most nine digits at *at; moves *at behind it. -1: more bytes, -2: none. */
static long number(const uint8_t *p, size_t n, size_t *at)
{
    long v = 0;
    size_t from = *at;
    for (; *at < n && *at - from < 9 && p[*at] >= '0' && p[*at] <= '9'; (*at)++)
        v = v * 10 + (p[*at] - '0');
    return *at == n ? -1 : *at == from ? -2 : v;
}

static int malformed(const char *what, struct mmr_error *err)
{
    return mmr_fail(err, MMR_EBADMSG, "no RELP frame (%s); expected 'NUMBER COMMAND LENGTH DATA' and a newline", what);
}

static int step(struct mmr_seat_stream *s, struct mmr_error *err)
{
    const uint8_t *p = s->in.p + s->in.at;
    size_t n = mmr_seat_buf_len(&s->in), at = 0;
    if (!n)
        return 0;
    long txnr = number(p, n, &at);
    if (txnr == -1)
        return 0;
    if (txnr == -2 || p[at] != ' ')
        return malformed("number", err);
    size_t word = ++at;
    while (at < n && at - word <= 32 && p[at] >= 'a' && p[at] <= 'z')
        at++;
    if (at == n)
        return 0;
    size_t word_len = at - word;
    if (!word_len || word_len > 32 || p[at++] != ' ')
        return malformed("command", err);
    long len = number(p, n, &at);
    if (len == -1)
        return 0;
    if (len < 0)
        return malformed("length", err);
    if (len > MMR_SEAT_LINE_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "a message of %ld bytes; at most %d are taken", len, MMR_SEAT_LINE_MAX);
    size_t data = at + (len ? 1 : 0), whole = data + (size_t)len + 1;
    if (n < whole)
        return 0;
    if ((len && p[at] != ' ') || p[whole - 1] != '\n')
        return malformed("end of the frame", err);
    if (word_len == 4 && memcmp(p + word, "open", 4) == 0) {
        answer(s, (uint32_t)txnr, "200 OK\nrelp_version=0\nrelp_software=mamori,1\ncommands=syslog");
    } else if (word_len == 5 && memcmp(p + word, "close", 5) == 0) {
        static const char bye[] = "0 serverclose 0\n";
        answer(s, (uint32_t)txnr, "");
        (void)mmr_seat_buf_add(&s->out, bye, sizeof bye - 1, MMR_SEAT_OUT_MAX);
        s->is_ended = true;
    } else if (word_len == 6 && memcmp(p + word, "syslog", 6) == 0) {
        struct mmr_seat_unit u = {.number = (uint32_t)txnr};
        size_t k = (size_t)len;
        while (k && (p[data + k - 1] == '\n' || p[data + k - 1] == '\r' || p[data + k - 1] == '\0'))
            k--;
        memcpy(s->scratch, p + data, k);
        s->scratch[k] = '\0';
        if (k)
            s->sink.line(s->sink.ctx, s->scratch, k, 0);
        s->sink.unit(s->sink.ctx, &u);
    } else {
        answer(s, (uint32_t)txnr, "500 unknown command");
    }
    mmr_seat_buf_take(&s->in, whole);
    return 1;
}

const struct mmr_seat_proto mmr_seat_relp = {
    .name = "relp", .message_max = MMR_SEAT_LINE_MAX + HEAD_MAX, .has_acks = true, .step = step, .ack = ack};
