/* stream.c - TCP data in order: overlaps, retransmissions, holes, pickup in the middle. */
#include "stream.h"

#include "net_decode.h"

#include <stdlib.h>
#include <string.h>

enum {
    FAR_BYTES = 16 << 20,  /* ahead of the stream by more: outside any window an office host offers */
    FAR_RESYNC = 4,        /* that many in a row: the stream did move there (capture lost a stretch) */
    WAIT_MAX = 512,        /* pieces waiting in one direction */
    HOLE_PATIENCE_NS = 20000000, /* an acknowledgement may be captured before the data it is for */
    HOLE_PATIENCE_N = 8,
    HOLE_MAX_NS = 2000000000, /* longer than a retransmission takes */
};

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
        if (skip < w->len)
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
        bool old = now - d->hole_ns > HOLE_MAX_NS;
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
    int32_t ahead = seq_diff(seq, d->next_seq);
    if (ahead > FAR_BYTES || ahead < -(1 << 30)) {
        s->n_outside++;
        if (++d->n_bad < FAR_RESYNC)
            return;
        while (d->wait)
            drain(s, f, dir, true, p);
        ahead = seq_diff(seq, d->next_seq);
        if (ahead > 0)
            note_gap(s, d, (uint32_t)ahead);
        else
            d->next_seq = seq;
        ahead = 0;
    }
    d->n_bad = 0;
    d->flags |= DIR_DATA;
    if (ahead > 0) {
        if (!d->wait)
            d->hole_ns = p->frame->time_ns;
        if (!hold(s, d, seq, data, len)) {
            s->n_forced++;
            while (d->wait && seq_diff(seq, d->next_seq) > 0)
                drain(s, f, dir, true, p);
            ahead = seq_diff(seq, d->next_seq);
            if (ahead > 0)
                note_gap(s, d, (uint32_t)ahead);
            ahead = ahead > 0 ? 0 : ahead;
        } else {
            return;
        }
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

void flow_stream_segment(struct flow_streams *s, struct flow *f, uint8_t dir, const struct mmr_packet *p,
                         uint32_t missing)
{
    struct flow_dir *d = &f->dir[dir];
    if (d->flags & DIR_ENDED)
        return;
    if (p->tcp_flags & NET_TCP_ACK) {
        if (!(d->flags & DIR_ACKED) || seq_diff(p->tcp_ack, d->ack) > 0)
            d->ack = p->tcp_ack;
        d->flags |= DIR_ACKED;
        if (f->dir[!dir].wait)
            settle(s, f, !dir, p);
    }
    if (p->payload_len > 0)
        take_data(s, f, dir, p, missing);
    if (d->wait)
        settle(s, f, dir, p);
    if ((p->tcp_flags & NET_TCP_FIN) && !(d->flags & DIR_FIN)) {
        d->fin_seq = p->tcp_seq + p->payload_len + missing;
        d->flags |= DIR_FIN;
        if (!(d->flags & DIR_SYNCED)) {
            d->next_seq = d->fin_seq;
            d->flags |= DIR_SYNCED;
        }
    }
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
