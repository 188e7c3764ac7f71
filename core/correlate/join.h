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
    MMR_JOIN_RULE, /* a correlation rule: whoever was part of a story meets who tells it, nobody else */
};
enum mmr_join_colour { /* who meets whom: mmr_join_meets() */
    MMR_COLOUR_NET = 1, MMR_COLOUR_EP, /* CONN */
    MMR_COLOUR_BAD,                    /* a real finding */
    MMR_COLOUR_PART, MMR_COLOUR_TOLD,  /* RULE */
    MMR_COLOUR_ATTEMPT,                /* HOST: an attempt against it; meets only what comes of it */
};
struct mmr_span { /* when findings of one incident touched a key, in corrected time */
    int64_t from_ns, to_ns;
    uint32_t slot;
    uint32_t half_s; /* half the window: two spans meet when the gap is at most the sum of their halves */
    uint8_t kind, colour, is_hint, side;
    uint32_t of; /* CONN: hash of what was repeated over it (mmr_evidence_fold); PROC: how far up the chain this is */
};
struct mmr_post { /* one key of one finding */
    struct mmr_key key;
    struct mmr_span span; /* slot unset */
    char value[MMR_CONN_TEXT_MAX]; /* for people and tools; only with_text */
};
enum { MMR_POSTS_MAX = 48 };

/* The keys of a finding with what the resolver knows now, strongest kind first. Returns how many. */
size_t mmr_join_posts(const struct mmr_resolve *r, const struct mmr_finding *f, bool with_text,
                      struct mmr_post ret[MMR_POSTS_MAX]);
/*
 * The keys of what started a process, for a span that touched it: when it becomes known only afterwards who that was.
 * Returns how many.
 */
size_t mmr_join_ancestors(const struct mmr_resolve *r, const char *host, const char *identity, const struct mmr_span *of,
                          struct mmr_post ret[MMR_POSTS_MAX]);
/* The single key by which telemetry finds the incidents it concerns. */
struct mmr_key mmr_join_key_process(const char *host, const char *identity);
struct mmr_key mmr_join_key_hostaddr(const struct mmr_addr *a);
struct mmr_key mmr_join_key_session(const char *host, const char *session);
bool mmr_join_meets(const struct mmr_span *a, const struct mmr_span *b);
/* May two alike spans of one incident be kept as one? Only where whatever lies between them meets one of them anyway. */
bool mmr_join_touches(const struct mmr_span *a, const struct mmr_span *b);
enum mmr_entity_kind mmr_join_entity(enum mmr_join_kind k);

/* The bad remote of a finding and the machine it is about; unset or "" where there is none. */
struct mmr_actors {
    struct mmr_addr attacker, victim; /* addresses by phase and direction */
    bool attacker_is_inside, victim_is_inside;
    bool is_c2;                       /* attacker is called by the victim */
    const char *attacker_host, *victim_host; /* normalised names from the resolver, borrowed */
};
void mmr_join_actors(const struct mmr_resolve *r, const struct mmr_finding *f, struct mmr_actors *ret);

#endif
