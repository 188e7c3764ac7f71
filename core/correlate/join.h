/*
 * join.h - by what a finding can be one story with another: its keys, each with a colour (which kinds of
 * findings it meets under that key) and a window around its time. Pure; strongest first.
 */
#ifndef MMR_CORRELATE_JOIN_H
#define MMR_CORRELATE_JOIN_H

#include "entity/resolve.h"

enum mmr_join_kind {
    MMR_JOIN_CONN = 1, /* the same 5-tuple; between sides at any time, so that a wrong clock is no hindrance */
    MMR_JOIN_PROC,     /* the same process on one host, or an ancestor of it */
    MMR_JOIN_HASH,     /* the same file content, system files left out */
    MMR_JOIN_FILE,     /* the same path on one host, system files left out */
    MMR_JOIN_ADDR,     /* a remote that findings call bad, infrastructure left out */
    MMR_JOIN_DOMAIN,   /* a name that findings call bad */
    MMR_JOIN_HOST,     /* the same host inside the window of the phases */
    MMR_JOIN_HOSTADDR, /* the same for an inside address without a name yet */
    MMR_JOIN_TECHNIQUE,/* infrastructure hosts only: the same technique there, seconds apart */
    MMR_JOIN_SESSION, MMR_JOIN_USER,
};
enum mmr_join_colour { /* who meets whom: mmr_join_meets() */
    MMR_COLOUR_NET = 1, MMR_COLOUR_EP, /* CONN */
    MMR_COLOUR_BAD,                    /* a real finding */
    MMR_COLOUR_ATTEMPT,                /* HOST: an attempt against it; meets only what comes of it */
    MMR_COLOUR_HINT,                   /* no phase: meets real findings, never another hint */
};
struct mmr_span { /* a cover in corrected time; two covers that overlap are one story */
    int64_t from_ns, to_ns;
    uint32_t slot;
    uint8_t kind, colour, is_hint, side;
};
struct mmr_post { /* one key of one finding */
    struct mmr_key key;
    struct mmr_span span; /* slot unset */
};
enum { MMR_POSTS_MAX = 48 };

/* The keys of a finding with what the resolver knows now. Returns how many. */
size_t mmr_join_posts(const struct mmr_resolve *r, const struct mmr_finding *f,
                      struct mmr_post ret[MMR_POSTS_MAX]);
/* Keys that follow from a key once telemetry linked them (connection to process, address to host). */
size_t mmr_join_follow_process(const struct mmr_resolve *r, const char *host, const char *identity,
                               bool is_implied, const struct mmr_span *like, struct mmr_post *ret, size_t cap);
bool mmr_join_meets(const struct mmr_span *a, const struct mmr_span *b);

/* The bad remote of a finding and the machine it is about; unset or "" where there is none. */
struct mmr_actors {
    struct mmr_addr attacker, victim; /* addresses by phase and direction */
    bool attacker_is_inside, victim_is_inside;
    bool is_c2;                       /* attacker is called by the victim */
    const char *attacker_host, *victim_host; /* normalised names from the resolver, borrowed */
};
void mmr_join_actors(const struct mmr_resolve *r, const struct mmr_finding *f, struct mmr_actors *ret);

#endif
