/* stream.c - TCP data in order: overlaps, retransmissions, holes, pickup in the middle. */
#include "stream.h"

#include "net_cursor.h"
#include "net_decode.h"

#include <stdlib.h>
#include <string.h>

enum {
    FAR_BYTES = 16 << 20,  /* ahead of the stream by more: outside any window an office host offers */
    FAR_RESYNC = 4,        /* that many in a row: the stream did move there (capture lost a stretch) */
    WAIT_MAX = 512,        /* pieces waiting in one direction */
    HOLE_PATIENCE_NS = 20000000, /* an acknowledgement may be captured before the data it is for */
    HOLE_PATIENCE_N = 8,
};
/* How long a hole stays open that nobody acknowledged: longer than a retransmission takes where only one half of the line is seen;
 * while the receiver is seen and waits for it too, as long as he may. */
static const int64_t HOLE_MAX_NS = 2 * INT64_C(1000000000), HOLE_WAITED_NS = 120 * INT64_C(1000000000);
enum { URGENT = 32 };

static int32_t seq_diff(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b);
}

static void publish(struct flow_streams *s, struct flow *f, uint8_t dir, const uint8_t *data, uint32_t len,
                    uint32_t flags, const struct mmr_packet *p)
{
    struct flow_dir *d = &f->dir[dir];
    struct mmr_chunk c = {
        .struct_size = sizeof c, .flags = flags, .flow = &f->pub, .packet = p, .data = data, .len = len,
        .offset = d->offset, .dir = dir,
    };
    if (!(d->flags & DIR_STARTED) && len > 0) {
        c.flags |= MMR_CHUNK_START;
        d->flags |= DIR_STARTED;
    }
    if (d->gap) {
        c.flags |= MMR_CHUNK_GAP;
        c.gap = d->gap;
        d->gap = 0;
    }
    if (f->pub.tcp_state == MMR_TCP_MIDSTREAM || !(d->flags & DIR_SYNCED))
        c.flags |= MMR_CHUNK_MIDSTREAM;
    d->offset += len;
    d->next_seq += len;
    s->deliver(s->ctx, &c);
}

static void note_gap(struct flow_streams *s, struct flow_dir *d, uint32_t bytes)
{
    d->gap += bytes;
    d->offset += bytes;
    d->next_seq += bytes;
    s->n_gaps++;
    s->gap_bytes += bytes;
}

static void drop_first(struct flow_streams *s, struct flow_dir *d)
{
    struct flow_seg *w = d->wait;
    d->wait = w->next;
    if (!d->wait)
        d->tail = NULL;
    d->held -= w->len;
    d->n_wait--;
    s->held_total -= w->len;
    free(w);
}

/* Deliver waiting pieces that have become next; with give_up, over the first hole too. */
static void drain(struct flow_streams *s, struct flow *f, uint8_t dir, bool give_up, const struct mmr_packet *p)
{
    struct flow_dir *d = &f->dir[dir];
    while (d->wait) {
        struct flow_seg *w = d->wait;
        int32_t ahead = seq_diff(w->seq, d->next_seq);
        if (ahead > 0) {
            if (!give_up)
                break;
            note_gap(s, d, (uint32_t)ahead);
            ahead = 0;
            give_up = false;
        }
        uint32_t skip = (uint32_t)-ahead;
        if (skip < w->len && w->is_urgent)
            d->next_seq += w->len - skip;
        else if (skip < w->len)
            publish(s, f, dir, w->data + skip, w->len - skip, 0, p);
        drop_first(s, d);
    }
    if (d->wait && p && p->frame)
        d->hole_ns = p->frame->time_ns;
}

static void end_dir(struct flow_streams *s, struct flow *f, uint8_t dir, const struct mmr_packet *p)
{
    struct flow_dir *d = &f->dir[dir];
    if (d->flags & DIR_ENDED)
        return;
    d->flags |= DIR_ENDED;
    publish(s, f, dir, NULL, 0, MMR_CHUNK_END, p);
}

static bool insert_piece(struct flow_streams *s, struct flow_dir *d, struct flow_seg **at, uint32_t seq,
                         const uint8_t *data, uint32_t len)
{
    if (s->held_total + len > s->held_total_max || d->n_wait >= WAIT_MAX)
        return false;
    struct flow_seg *w = malloc(sizeof *w + len);
    if (!w)
        return false;
    w->seq = seq;
    w->len = len;
    w->is_urgent = false;
    memcpy(w->data, data, len);
    w->next = *at;
    *at = w;
    if (!w->next)
        d->tail = w;
    d->held += len;
    d->n_wait++;
    s->held_total += len;
    return true;
}

/* Keep a segment that is ahead; bytes already waiting win over its own. False: no room. */
static bool hold(struct flow_streams *s, struct flow_dir *d, uint32_t seq, const uint8_t *data, uint32_t len)
{
    struct flow_seg **at = &d->wait;
    uint32_t done = 0;
    if (d->held + len > s->held_max)
        return false;
    if (d->tail && seq_diff(seq, d->tail->seq + d->tail->len) >= 0)
        at = &d->tail->next;
    for (struct flow_seg *w = *at; w && done < len; at = &w->next, w = *at) {
        int32_t before = seq_diff(w->seq, seq + done);
        if (before > 0) {
            uint32_t n = (uint32_t)before < len - done ? (uint32_t)before : len - done;
            if (!insert_piece(s, d, at, seq + done, data + done, n))
                return false;
            done += n;
            at = &(*at)->next; /* back to w */
            if (done == len)
                return true;
        }
        int32_t covered = seq_diff(w->seq + w->len, seq + done);
        if (covered > 0)
            done = (uint32_t)covered > len - done ? len : done + (uint32_t)covered;
    }
    return done >= len || insert_piece(s, d, at, seq + done, data + done, len - done);
}

/* Give holes up that the receiver acknowledged, or that have been open too long. */
static void settle(struct flow_streams *s, struct flow *f, uint8_t dir, const struct mmr_packet *p)
{
    struct flow_dir *d = &f->dir[dir];
    const struct flow_dir *peer = &f->dir[!dir];
    int64_t now = p->frame->time_ns;
    while (d->wait && seq_diff(d->wait->seq, d->next_seq) > 0) {
        bool acked = (peer->flags & DIR_ACKED) && seq_diff(peer->ack, d->wait->seq) >= 0;
        bool waited = (peer->flags & DIR_ACKED) && seq_diff(peer->ack, d->next_seq) <= 0;
        bool old = now - d->hole_ns > (waited ? HOLE_WAITED_NS : HOLE_MAX_NS);
        if (!old && !(acked && (now - d->hole_ns > HOLE_PATIENCE_NS || d->n_wait >= HOLE_PATIENCE_N)))
            return;
        drain(s, f, dir, true, p);
    }
}

void flow_stream_syn(struct flow *f, uint8_t dir, uint32_t seq)
{
    struct flow_dir *d = &f->dir[dir];
    if (d->flags & (DIR_DATA | DIR_STARTED))
        return;
    d->next_seq = seq + 1;
    d->flags |= DIR_SYNCED;
}

bool flow_stream_is_old(const struct flow *f, uint8_t dir, const struct mmr_packet *p)
{
    const struct flow_dir *d = &f->dir[dir];
    return p->payload_len > 0 && (d->flags & DIR_SYNCED) &&
           seq_diff(p->tcp_seq + p->payload_len, d->next_seq) <= 0;
}

/* Nobody's acknowledgement speaks against seq: the receiver is not seen, or it is about where he is. */
static bool is_believable(const struct flow_dir *receiver, uint32_t seq)
{
    int32_t off = seq_diff(seq, receiver->ack);
    return !(receiver->flags & DIR_ACKED) || (off > -FAR_BYTES && off < FAR_BYTES);
}

static bool is_far(const struct flow_dir *receiver, int32_t ahead, uint32_t seq)
{
    return ahead > FAR_BYTES || ahead < -(1 << 30) ||
           (ahead < -FAR_BYTES && (receiver->flags & DIR_ACKED) && is_believable(receiver, seq));
}

/* Far from where the stream is. False: leave the segment; true: the stream moved there. */
static bool move_far(struct flow_streams *s, struct flow *f, uint8_t dir, const struct mmr_packet *p, uint32_t seq)
{
    struct flow_dir *d = &f->dir[dir];
    s->n_outside++;
    /* the receiver drops what is outside his window; were the stream to follow, what he does take would look old */
    if (!is_believable(&f->dir[!dir], seq) || ++d->n_bad < FAR_RESYNC)
        return false;
    while (d->wait)
        drain(s, f, dir, true, p);
    int32_t ahead = seq_diff(seq, d->next_seq);
    if (ahead > 0)
        note_gap(s, d, (uint32_t)ahead);
    else
        d->next_seq = seq;
    return true;
}

static void drop_waiting(struct flow_streams *s, struct flow_dir *d)
{
    while (d->wait)
        drop_first(s, d);
}

/* A run of bytes that are all of one kind. missing: bytes behind them that the capture cut off. */
static void take_run(struct flow_streams *s, struct flow *f, uint8_t dir, const struct mmr_packet *p, uint32_t seq,
                     const uint8_t *data, uint32_t len, uint32_t missing)
{
    struct flow_dir *d = &f->dir[dir];
    int32_t ahead = seq_diff(seq, d->next_seq);
    if (is_far(&f->dir[!dir], ahead, seq)) {
        if (!move_far(s, f, dir, p, seq))
            return;
        ahead = 0;
    }
    d->n_bad = 0;
    d->flags |= DIR_DATA;
    if (ahead > 0) {
        if (!d->wait)
            d->hole_ns = p->frame->time_ns;
        if (hold(s, d, seq, data, len))
            return;
        s->n_forced++;
        while (d->wait && seq_diff(seq, d->next_seq) > 0)
            drain(s, f, dir, true, p);
        ahead = seq_diff(seq, d->next_seq);
        if (ahead > 0)
            note_gap(s, d, (uint32_t)ahead);
        ahead = ahead > 0 ? 0 : ahead;
    }
    uint32_t skip = (uint32_t)-ahead;
    if (skip < len && d->wait && seq_diff(seq + len, d->wait->seq) > 0) {
        /* bytes that wait came first and win: take what is before them, fit the rest between them */
        uint32_t before = d->wait->seq - d->next_seq;
        if (before)
            publish(s, f, dir, data + skip, before, 0, p);
        skip += before;
        if (skip < len && !hold(s, d, seq + skip, data + skip, len - skip))
            s->n_forced++;
    } else if (skip < len) {
        publish(s, f, dir, data + skip, len - skip, 0, p);
        if (missing)
            note_gap(s, d, missing);
    }
    drain(s, f, dir, false, p);
}

/* The byte at urgent_seq: it has a number in the stream, and no place in what the application reads. */
static void take_urgent(struct flow_streams *s, struct flow *f, uint8_t dir, const struct mmr_packet *p, const uint8_t *byte)
{
    struct flow_dir *d = &f->dir[dir];
    struct flow_seg **at = &d->wait;
    int32_t ahead = seq_diff(d->urgent_seq, d->next_seq);
    if (ahead == 0 && !(d->wait && d->wait->seq == d->urgent_seq))
        d->next_seq++;
    else if (ahead > 0 && ahead <= FAR_BYTES) {
        if (!d->wait)
            d->hole_ns = p->frame->time_ns;
        while (*at && seq_diff((*at)->seq + (*at)->len, d->urgent_seq) <= 0)
            at = &(*at)->next;
        if (*at && seq_diff((*at)->seq, d->urgent_seq) <= 0)
            return; /* that byte waits already */
        if (insert_piece(s, d, at, d->urgent_seq, byte, 1))
            (*at)->is_urgent = true;
        return;
    }
    drain(s, f, dir, false, p);
}

/* Where an urgent byte is read apart, and by whom: services that speak Telnet's commands read it in its place. */
static void note_urgent(const struct flow *f, struct flow_dir *d, const struct mmr_packet *p)
{
    const uint8_t *tcp = p->l3 ? p->l3 + p->l4_off : NULL;
    if (!(p->tcp_flags & URGENT) || !tcp || f->pub.server_port == 21 || f->pub.server_port == 23)
        return;
    uint16_t at = net_be16(tcp + 18); /* the byte before the one it points to, as all systems read it */
    d->urgent_seq = p->tcp_seq + (at ? at - 1U : 0);
    d->flags |= DIR_URGENT;
}

static void take_data(struct flow_streams *s, struct flow *f, uint8_t dir, const struct mmr_packet *p,
                      uint32_t missing)
{
    struct flow_dir *d = &f->dir[dir];
    uint32_t seq = p->tcp_seq + ((p->tcp_flags & NET_TCP_SYN) ? 1 : 0);
    const uint8_t *data = p->payload;
    uint32_t len = p->payload_len;
    if (!(d->flags & DIR_SYNCED)) {
        d->flags |= DIR_SYNCED;
        /* one byte without PSH at the pickup is a keep-alive probe: its byte is no data */
        d->next_seq = len == 1 && !(p->tcp_flags & NET_TCP_PSH) ? seq + 1 : seq;
    }
    if (d->flags & DIR_SYN_DATA) { /* the answer to the SYN was not seen: what is sent again was not taken the first time */
        if (seq == d->next_seq)
            drop_waiting(s, d);
        d->flags &= (uint8_t)~DIR_SYN_DATA;
        drain(s, f, dir, false, p);
    }
    note_urgent(f, d, p);
    uint32_t at = d->urgent_seq - seq;
    if (!(d->flags & DIR_URGENT) || at >= len) {
        take_run(s, f, dir, p, seq, data, len, missing);
        return;
    }
    if (at)
        take_run(s, f, dir, p, seq, data, at, 0);
    take_urgent(s, f, dir, p, data + at);
    if (at + 1 < len)
        take_run(s, f, dir, p, seq + at + 1, data + at + 1, len - at - 1, missing);
}

/* What a SYN carries waits until the other side's answer says whether it was taken (RFC 7413). */
static void take_syn_data(struct flow_streams *s, struct flow_dir *d, const struct mmr_packet *p)
{
    if (!(d->flags & DIR_SYNCED) || (d->flags & (DIR_DATA | DIR_STARTED)) || p->tcp_seq + 1 != d->next_seq)
        return;
    if (hold(s, d, d->next_seq, p->payload, p->payload_len))
        d->flags |= DIR_SYN_DATA;
    else
        s->n_forced++;
}

static void answer_syn_data(struct flow_streams *s, struct flow *f, uint8_t dir, const struct mmr_packet *p)
{
    struct flow_dir *d = &f->dir[dir];
    if (p->tcp_ack == d->next_seq)
        drop_waiting(s, d);
    d->flags &= (uint8_t)~DIR_SYN_DATA;
    drain(s, f, dir, false, p);
}

static void take_fin(struct flow_dir *d, const struct mmr_packet *p, uint32_t missing)
{
    uint32_t fin = p->tcp_seq + p->payload_len + missing;
    if (!(d->flags & DIR_SYNCED)) {
        d->next_seq = fin;
        d->flags |= DIR_SYNCED;
    }
    int32_t ahead = seq_diff(fin, d->next_seq);
    if (ahead < 0 || ahead > FAR_BYTES)
        return; /* not in the window: the receiver drops it, and so it ends nothing */
    d->fin_seq = fin;
    d->flags |= DIR_FIN;
}

void flow_stream_segment(struct flow_streams *s, struct flow *f, uint8_t dir, const struct mmr_packet *p,
                         uint32_t missing)
{
    struct flow_dir *d = &f->dir[dir], *peer = &f->dir[!dir];
    const uint8_t kind = p->tcp_flags & (NET_TCP_SYN | NET_TCP_ACK | NET_TCP_RST);
    if (kind & NET_TCP_RST)
        return; /* its payload, if any, says why, and nobody reads it */
    if (kind == 0 && f->pub.tcp_state != MMR_TCP_MIDSTREAM) {
        s->n_ignored++; /* after the handshake hosts drop what acknowledges nothing */
        return;
    }
    if (kind & NET_TCP_ACK) {
        int32_t on = seq_diff(p->tcp_ack, d->ack);
        if (!(d->flags & DIR_ACKED) || on > 0 || on < -FAR_BYTES)
            d->ack = p->tcp_ack;
        d->flags |= DIR_ACKED;
        /* it names the other side's first byte; made-up captures leave it 0 */
        if ((kind & NET_TCP_SYN) && p->tcp_ack && !(peer->flags & (DIR_DATA | DIR_STARTED | DIR_SYN_DATA))) {
            peer->next_seq = p->tcp_ack;
            peer->flags |= DIR_SYNCED;
        }
        if (peer->flags & DIR_SYN_DATA)
            answer_syn_data(s, f, !dir, p);
        if (peer->wait)
            settle(s, f, !dir, p);
    }
    if (d->flags & DIR_ENDED)
        return;
    if (p->payload_len > 0 && kind == NET_TCP_SYN)
        take_syn_data(s, d, p);
    else if (p->payload_len > 0)
        take_data(s, f, dir, p, missing);
    if (d->wait && !(d->flags & DIR_SYN_DATA))
        settle(s, f, dir, p);
    if ((p->tcp_flags & NET_TCP_FIN) && (kind & NET_TCP_ACK) && !(d->flags & DIR_FIN))
        take_fin(d, p, missing);
    if ((d->flags & DIR_FIN) && seq_diff(d->next_seq, d->fin_seq) >= 0)
        end_dir(s, f, dir, p);
}

void flow_stream_finish(struct flow_streams *s, struct flow *f, const struct mmr_packet *p)
{
    for (uint8_t dir = 0; dir < 2; dir++) {
        while (f->dir[dir].wait)
            drain(s, f, dir, true, p);
        end_dir(s, f, dir, p);
    }
}
