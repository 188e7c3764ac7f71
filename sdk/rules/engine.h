/* engine.h - the engine's insides, shared by its files. Private to this folder. */
#ifndef MMR_RULES_ENGINE_H
#define MMR_RULES_ENGINE_H

#include <rules/chain.h>
#include <rules/prefilter.h>
#include <rules/rule.h>
#include <rules/state.h>

enum {
    WINDOW_KEEP = 2560,  /* bytes of the stream kept for matches across chunks; also the chunk's size */
    SEEN_MAX = 48,       /* rules remembered as reported in one packet, chunk or message */
    PENDING_MAX = 64,    /* candidates of one stream window whose addresses and ports fit */
    TX_BUFFERS_MAX = 96,
    NETS_MEMO = 16,
    HITS_MAX = 192,      /* literals of rules of streams in one packet */
    NAMES_MEMO = 256,
    STREAM_DEPTH = 1024 * 1024, /* bytes of one direction that are looked at */
    TLS_DEPTH = 32 * 1024,      /* hello, certificates; after the handshake there is only cipher text */
};

struct seen { /* rules already reported for one object */
    uint32_t n;
    uint32_t rule[SEEN_MAX];
};
struct window { /* the tail of one direction's stream */
    uint8_t *data;
    uint32_t len, cap;
    uint32_t old;      /* bytes at the front that belong to the chunk before */
    uint32_t scanned;  /* bytes from the front the prefilter has seen */
    uint64_t base;     /* stream offset of data[0] */
    struct seen seen;
    uint32_t n_pending;
    uint32_t pending[PENDING_MAX];
    uint8_t pending_age[PENDING_MAX];
    uint8_t app; /* the protocol as it was known when this was last looked at */
};
struct flow_state {
    struct flow_state *prev, *next; /* all of the engine's, so that it can end before its flows do */
    uint64_t generation; /* of the set these ids belong to */
    struct window *win[2];
    uint64_t *bits;
    uint32_t *ints; /* value, or UINT32_MAX: not set */
    struct seen *tx_seen; /* one a direction, made with the first message; half-open flows have none */
    uint64_t tx_id[2];
    uint8_t is_ip_done[2], has_tx[2], pd_app, is_passed, is_late[2];
};

struct subject { /* what is being looked at: a packet, a stream window or a message */
    struct mmr_flow *flow;
    struct flow_state *state; /* or NULL */
    const struct mmr_packet *packet;
    const struct mmr_tx *tx;
    struct window *win;
    const uint8_t *payload;
    size_t payload_len;
    uint64_t base;
    size_t fresh;
    struct seen *seen;
    struct state_who who;
    unsigned flow_app, tx_app;
    uint8_t dir, proto; /* proto: PROTO_* */
    bool is_stream, is_pass;
    bool is_searched; /* the window's new bytes were searched with the packet that brought them */
    const uint16_t *buf_id; /* of tx->buffers */
};

struct mmr_rules_engine {
    const struct mmr_rules *set;
    struct mmr_rules_options opt;
    struct mmr_rules_stats stats;
    struct chain chain;
    struct prefilter_scratch *scratch;
    struct state_table *table;
    uint64_t generation, window_bytes;
    struct flow_state *states;
    uint32_t flows;
    int64_t now_ns;
    /* candidates of the object at hand */
    uint32_t *cand, *stamp; /* stamp[rule] == mark: already in cand */
    uint32_t n_cand, mark;
    uint32_t n_fitting; /* candidates at the front whose addresses, ports and direction are known to fit */
    uint32_t n_hits, hit_lits[HITS_MAX]; /* literals of the current packet's TCP data that mean rules of streams */
    bool has_searched;  /* the current packet's data was searched, and the list above is complete */
    struct seen packet_seen; /* rules reported for the current packet */
    const struct mmr_packet *current;
    uint64_t current_index;
    const struct mmr_packet *inspected; /* whose payload was looked at, and as what; NULL: the current one's was not */
    unsigned current_app;
    struct { /* address lists asked about for the object at hand: rules share a few ("$HOME_NET") */
        const struct addr_set *set;
        uint32_t mark;
        bool is_dst, is_in;
    } nets[NETS_MEMO];
    struct { /* static texts seen before: what they are called here */
        const char *text;
        uint32_t id;
    } apps[NAMES_MEMO / 16], names[NAMES_MEMO];
    const uint8_t *hit_text; /* what the last matching chain looked into */
    size_t hit_text_len;
};

/* judge.c: what does not change during a flow: protocol, direction, addresses, ports */
bool mmr_engine_fits(struct mmr_rules_engine *e, const struct rule *r, const struct subject *s);
/* judge.c: the rest of a rule's header: state of the connection, application protocol */
bool mmr_engine_state_is(const struct mmr_rules_engine *e, const struct rule *r, const struct subject *s);
/* judge.c: all of a rule's header */
/* judge.c: all checks but the header's of one rule against the subject; reports it when they hold */
void mmr_engine_judge(struct mmr_rules_engine *e, uint32_t rule, struct subject *s);
bool mmr_seen_has(const struct seen *s, uint32_t rule);
void mmr_seen_add(struct seen *s, uint32_t rule); /* s may be NULL; a full list forgets nothing and adds nothing */
bool mmr_header_conds(const struct rule *r, const struct subject *s); /* conds.c */

#endif
