/*
 * cut.h - ending one TCP connection from beside it, as pure logic: packets of it and the time in, segments to send out, and what is known of
 * its end. Packets come from the wire; none is trusted: they only ever lead to bare segments between the two ends.
 *
 * Each end is sent a reset in the other's name, with the sequence number it expects (RFC 5961: anything else is refused, and the refusal names the
 * right number, which the next reset then has). A connection that is quiet is asked by a bare acknowledgement outside the window: who still
 * has the connection answers with its numbers, who has not answers with a reset of its own. That reset is the proof; silence proves nothing.
 */
#ifndef MMR_RESET_CUT_H
#define MMR_RESET_CUT_H

#include "segment.h"

#include <stdbool.h>

enum { /* all milliseconds of the monotonic clock */
    CUT_GAP_MS = 2,      /* between two answers to packets: a fast transfer does not make us a flood */
    CUT_PROBE_MS = 550,  /* between two probes of an end: a Linux answers one stray segment in 500 ms */
    CUT_FLIGHT_MS = 300, /* what was on its way when the resets went out is no life */
    CUT_QUIET_MS = 1000, /* so long nothing may come after the proof */
    CUT_SENT_MAX = 2000, /* segments in one cut's life */
    CUT_OUT_MAX = 4,     /* segments one call gives */
};
struct cut_end {
    struct mmr_addr addr;
    uint16_t port;
    bool is_known;    /* a packet of it gave the two numbers */
    bool is_gone;     /* it said itself that it has no such connection (RST) */
    uint32_t expects; /* the next byte it expects: what it acknowledged last */
    uint32_t next;    /* the next byte it will send */
    int64_t alive_ms; /* last packet of it that was no reset; 0 none */
    int64_t data_ms;  /* last packet of it with data; 0 none */
};
struct cut {
    struct cut_end end[2];
    uint32_t mark;    /* in window and urgent pointer of all we send: how our own segments are known when the mirror shows them */
    uint32_t rounds;  /* for stray numbers */
    uint32_t resets, probes;
    int64_t begin_ms, first_reset_ms, last_reset_ms, last_probe_ms, gone_ms; /* 0: not yet */
    bool is_new_try;  /* a packet that opens a connection between the same ends came after the end */
};
enum cut_verdict {
    CUT_OPEN = 0,     /* not decided yet */
    CUT_ENDED,        /* an end said that the connection is gone, and nothing went on after it */
    CUT_ENDED_BEFORE, /* the same, before we sent a reset */
    CUT_GOES_ON,      /* an end still speaks though our resets had time to arrive */
    CUT_SILENT,       /* nothing more was seen, and nobody said that it is gone */
};

/* mark: random. now_ms: > 0 */
void cut_begin(struct cut *c, const struct mmr_addr *a, uint16_t a_port, const struct mmr_addr *b, uint16_t b_port, uint32_t mark, int64_t now_ms);
/* Is it a packet of this connection (not one of ours)? */
bool cut_is_of(const struct cut *c, const struct mmr_packet *p);
/*
 * cut_packet - a packet of the connection was seen.
 *
 * out      CUT_OUT_MAX segments; returns how many are to be sent, now
 */
unsigned cut_packet(struct cut *c, const struct mmr_packet *p, int64_t now_ms, struct reset_segment *out);
/* Time went by: probes of ends that are not known to be gone. */
unsigned cut_tick(struct cut *c, int64_t now_ms, struct reset_segment *out);
/* What is known; CUT_OPEN only while it is worth waiting, at the latest until deadline_ms. */
enum cut_verdict cut_verdict(const struct cut *c, int64_t now_ms, int64_t deadline_ms);

#endif
