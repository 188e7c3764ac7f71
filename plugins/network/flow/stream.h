/*
 * stream.h - puts TCP data in order. The first copy of a byte wins, whatever comes later. A hole is
 * given up when the receiver acknowledged what is behind it, when the bytes waiting reach a ceiling,
 * when it stays too long, or when the connection ends; the gap is told. Segments come from the wire; none
 * is trusted: where the other side's acknowledgements are seen, they say what it took. What hosts do not take (data of
 * a SYN that was not acknowledged, urgent bytes, a FIN out of the window, what comes with a reset) is not delivered.
 */
#ifndef MMR_FLOW_STREAM_H
#define MMR_FLOW_STREAM_H

#include "table.h"

struct flow_streams { /* limits, counters, and where data goes */
    uint32_t held_max;       /* bytes waiting in one direction of one flow */
    uint64_t held_total_max; /* bytes waiting in all flows */
    uint64_t held_total;
    /* n_forced: holes given up for lack of memory; n_ignored: segments no host takes, which say nothing here either */
    uint64_t n_gaps, gap_bytes, n_forced, n_outside, n_ignored;
    void (*deliver)(void *ctx, const struct mmr_chunk *chunk);
    void *ctx;
};

/* A SYN of this direction: the stream starts behind it. */
void flow_stream_syn(struct flow *f, uint8_t dir, uint32_t seq);
/* True if the segment brings nothing that was not delivered already. */
bool flow_stream_is_old(const struct flow *f, uint8_t dir, const struct mmr_packet *p);
/* Take a segment: its acknowledgement, data (missing: bytes the capture cut off its end) and FIN. */
void flow_stream_segment(struct flow_streams *s, struct flow *f, uint8_t dir, const struct mmr_packet *p,
                         uint32_t missing);
/* Deliver what waits in both directions, with its gaps, and END. p: the packet that ended it, or NULL. */
void flow_stream_finish(struct flow_streams *s, struct flow *f, const struct mmr_packet *p);

#endif
