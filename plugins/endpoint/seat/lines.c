/*
 * lines.c - lines over TCP: JSON lines, syslog with a newline at the end (RFC 6587 section 3.4.2) and syslog
 * with its length in front (section 3.4.1), told apart message by message. Nothing is acknowledged here: these
 * senders have no ear for it.
 */
#include "stream.h"

#include <string.h>

static void give(struct mmr_seat_stream *s, const uint8_t *p, size_t n)
{
    while (n && (p[n - 1] == '\r' || p[n - 1] == '\n' || p[n - 1] == '\0'))
        n--;
    if (!n)
        return;
    if (n > MMR_SEAT_LINE_MAX) {
        s->sink.skipped(s->sink.ctx, "a line over 1 MiB");
        return;
    }
    memcpy(s->scratch, p, n);
    s->scratch[n] = '\0';
    s->sink.line(s->sink.ctx, s->scratch, n, 0);
}

/* "123 <34>...": bytes of the number and its space, 0: no such head, -1: it may become one. *ret_n: what follows. */
static int count_of(const uint8_t *p, size_t n, size_t *ret_n)
{
    size_t v = 0, i = 0;
    for (; i < n && i < 8 && p[i] >= '0' && p[i] <= '9'; i++)
        v = v * 10 + (size_t)(p[i] - '0');
    if (i == n && i < 8)
        return i ? -1 : 0;
    if (!i || p[0] == '0' || p[i] != ' ')
        return 0;
    if (i + 1 == n)
        return -1;
    if (p[i + 1] != '<')
        return 0;
    *ret_n = v;
    return (int)i + 1;
}

static int step(struct mmr_seat_stream *s, struct mmr_error *err)
{
    (void)err;
    const uint8_t *p = s->in.p + s->in.at;
    size_t n = mmr_seat_buf_len(&s->in), counted = 0;
    if (!n)
        return 0;
    int head = s->is_skipping || s->searched ? 0 : count_of(p, n, &counted);
    if (head < 0)
        return 0;
    if (head > 0) {
        if (counted > MMR_SEAT_LINE_MAX)
            return mmr_fail(err, MMR_ETOOBIG, "a message of %zu bytes; at most %d are taken", counted, MMR_SEAT_LINE_MAX);
        if (n < (size_t)head + counted)
            return 0;
        give(s, p + head, counted);
        mmr_seat_buf_take(&s->in, (size_t)head + counted);
        return 1;
    }
    const uint8_t *nl = memchr(p + s->searched, '\n', n - s->searched);
    if (!nl) {
        s->searched = n;
        if (n > MMR_SEAT_LINE_MAX) { /* drop what there is of it and go on behind its end */
            s->is_skipping = true;
            mmr_seat_buf_take(&s->in, n);
            s->searched = 0;
        }
        return 0;
    }
    if (s->is_skipping)
        s->sink.skipped(s->sink.ctx, "a line over 1 MiB");
    else
        give(s, p, (size_t)(nl - p));
    s->is_skipping = false;
    s->searched = 0;
    mmr_seat_buf_take(&s->in, (size_t)(nl - p) + 1);
    return 1;
}

const struct mmr_seat_proto mmr_seat_tcp = {.name = "tcp", .message_max = MMR_SEAT_LINE_MAX, .step = step};
