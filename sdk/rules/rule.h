/*
 * rule.h - what a rule is once it has been read and checked. Private to this folder. Everything lives in
 * the set's arena and is read-only after compilation, except PCRE2's lazily made JIT code.
 */
#ifndef MMR_RULES_RULE_H
#define MMR_RULES_RULE_H

#include <rules/rules.h>

#include <rules/arena.h>
#include <rules/nets.h>

enum { /* limits of one rule; a rule over them is refused by name */
    RULE_TEXT_MAX = 64 * 1024, /* the longest ET rule (an address list) has about 9 kB */
    RULE_STEPS_MAX = 192,
    RULE_GROUPS_MAX = 32,
    RULE_CONDS_MAX = 32,
    RULE_BITS_MAX = 16,
    RULE_VARS_MAX = 16, /* byte_extract and byte_math results */
    RULE_TRANSFORMS_MAX = 8,
    RULE_CONTENT_MAX = 8 * 1024,
    RULES_MAX = 1 << 20,
};

enum { /* protocols of the header, a mask */
    PROTO_TCP = 1 << 0, PROTO_UDP = 1 << 1, PROTO_ICMP = 1 << 2, PROTO_OTHER = 1 << 3, PROTO_ARP = 1 << 4,
    PROTO_SCTP = 1 << 5, PROTO_FRAME = 1 << 6, /* neither IP nor ARP */ PROTO_IP = PROTO_TCP | PROTO_UDP | PROTO_ICMP | PROTO_OTHER | PROTO_SCTP,
};
static inline uint8_t mmr_proto_of(uint8_t ip_proto)
{
    return ip_proto == 6 ? PROTO_TCP : ip_proto == 17 ? PROTO_UDP : ip_proto == 1 || ip_proto == 58 ? PROTO_ICMP
           : ip_proto == 132 ? PROTO_SCTP : PROTO_OTHER;
}

enum step_type {
    STEP_CONTENT = 1, STEP_PCRE, STEP_ISDATAAT, STEP_SIZE, STEP_BYTE_TEST, STEP_BYTE_JUMP, STEP_BYTE_EXTRACT,
    STEP_BYTE_MATH, STEP_BASE64, STEP_NUMBER, STEP_ABSENT, STEP_ASN1, STEP_ENTROPY,
};
enum { /* step.flags */
    S_NEGATED = 1 << 0, S_NOCASE = 1 << 1, S_RELATIVE = 1 << 2, S_ENDSWITH = 1 << 3, S_STARTSWITH = 1 << 4,
    S_DEPTH = 1 << 5, S_OFFSET = 1 << 6, S_DISTANCE = 1 << 7, S_WITHIN = 1 << 8, S_FAST = 1 << 9,
    S_FAST_ONLY = 1 << 10, S_RAW = 1 << 11, S_OR_ELSE = 1 << 12,
};

struct step { /* one check of a chain, in the order written */
    uint8_t type, reserved;
    uint16_t flags;
    int8_t var_offset, var_depth, var_distance, var_within; /* variable that replaces the number, or -1 */
    int32_t offset, depth, distance, within;
    uint32_t len;  /* of p, for contents; the number for isdataat */
    uint32_t skip; /* position of the rarest byte of a content */
    const void *p; /* bytes, struct regex, struct byte_op, struct number, struct base64_op */
};

enum { NUMBER_ALL = 1, NUMBER_AT = 1000, NUMBER_PLACES = 100 };
enum num_op { NUM_EQ, NUM_NE, NUM_LT, NUM_GT, NUM_LE, NUM_GE, NUM_IN, NUM_NOT_IN, NUM_AND, NUM_NAND, NUM_OR };
struct number { /* "<10", "10<>20", "!=3" */
    uint32_t op, which; /* which of a message's values: 0 any, NUMBER_ALL, else NUMBER_AT plus its place (below 0: from the end) */
    int64_t a, b; /* NUM_IN: a < x < b */
};

struct byte_op { /* byte_test, byte_jump, byte_extract, byte_math */
    uint8_t op;    /* byte_test: enum num_op; byte_math: one of + - * / < > (shifts) */
    uint8_t base;  /* 0: binary; else 8, 10, 16: text */
    uint8_t endian; /* 0 big, 1 little, 2 as the DCE/RPC header says */
    uint8_t is_relative, is_negated, from_beginning, from_end, align; /* align: 0, 2 or 4 */
    int8_t var_bytes, var_value, var_offset, ret_var; /* -1: none */
    uint32_t bytes, multiplier;
    int32_t offset, post_offset;
    uint64_t value, bitmask;
    uint8_t shift, reserved[7]; /* trailing zero bits of bitmask */
};
struct entropy_op { /* Shannon's, in bits a byte */
    uint32_t bytes, offset; /* bytes: 0 all that follow */
    uint32_t op, reserved;
    double a, b;
};
struct rpc_call { /* ONC RPC, RFC 5531 */
    int64_t program, version, procedure; /* below 0: any */
};
enum { BASE64_STOPS = 0, BASE64_STRICT, BASE64_SKIPS }; /* at a letter that is not base64's */
struct base64_op {
    uint32_t bytes, offset;
    uint8_t is_relative, mode, reserved[6];
};
struct regex;

enum transform_type {
    TR_LOWER = 1, TR_UPPER, TR_STRIP_WS, TR_COMPRESS_WS, TR_DOTPREFIX, TR_URL_DECODE, TR_XOR, TR_STRIP_PSEUDO,
    TR_HEADER_LOWER, TR_DOMAIN,
    TR_TLD, TR_MD5, TR_SHA1, TR_SHA256, TR_BASE64, TR_PCRE,
};
struct transform {
    uint32_t type, len;
    const void *arg; /* the key of TR_XOR, struct base64_op, struct regex */
};

struct group { /* a chain over one buffer */
    uint16_t buf; /* enum buf_id or index of the buffer table */
    uint16_t n_steps, n_transforms;
    uint16_t is_positive; /* has a check that needs the buffer to be there and to match */
    const struct step *steps;
    const struct transform *transforms;
};

enum cond_type {
    COND_TCP_FLAGS = 1, COND_DSIZE, COND_ITYPE, COND_ICODE, COND_ICMP_ID, COND_ICMP_SEQ, COND_TTL, COND_IP_ID,
    COND_IP_PROTO, COND_SAMEIP, COND_FRAGBITS, COND_FRAGOFFSET, COND_SEQ, COND_ACK, COND_WINDOW, COND_STREAM_SIZE,
    COND_APP_PROTO, COND_TOS, COND_IPOPTS, COND_TCP_MSS, COND_TCP_WSCALE, COND_FLOW_AGE, COND_FLOW_PKTS, COND_FLOW_BYTES,
    COND_DCE_IFACE, COND_DCE_OPNUM, COND_VLAN_ID, COND_VLAN_LAYERS, COND_FTPBOUNCE, COND_TX_STATE,
    COND_CHECKSUM, COND_ICMPV6_MTU, COND_IGMP_TYPE, COND_RPC,
};
struct cond {
    uint8_t type, is_negated, sub, sub2; /* sub: meaning by type (direction, flag mask, mode) */
    uint32_t reserved;
    struct number num;
    const void *p;
};
struct opnum_set { uint32_t n; struct { uint16_t lo, hi; } r[]; };
struct dce_iface { uint8_t uuid[16]; uint8_t has_version, any_frag, reserved[6]; struct number version; };

enum bit_space { BIT_FLOW = 1, BIT_HOST_SRC, BIT_HOST_DST, BIT_PAIR, BIT_INT, BIT_TX };
enum bit_op { BIT_SET = 1, BIT_UNSET, BIT_TOGGLE, BIT_ISSET, BIT_ISNOTSET, BIT_ADD, BIT_SUB, BIT_PUT, BIT_CMP };
struct bit_act {
    uint8_t space, op, n_ids, cmp; /* cmp: enum num_op for BIT_CMP */
    uint32_t expire_s;
    const uint32_t *ids; /* alternatives ("a|b") */
    int64_t value;       /* flowint: the number */
    uint32_t value_id, reserved; /* flowint: another variable plus 1, or 0 */
};

enum { TRACK_SRC = 1, TRACK_DST, TRACK_RULE, TRACK_BOTH, TRACK_FLOW };
enum { TH_NONE = 0, TH_LIMIT, TH_THRESHOLD, TH_BOTH, TH_BACKOFF, TH_FILTER };
enum { UNIQUE_NONE = 0, UNIQUE_SRC_PORT, UNIQUE_DST_PORT };
struct threshold {
    uint8_t type, track, unique_on, reserved;
    uint32_t count, seconds, multiplier;
};

enum { /* rule.flow */
    FLOW_TO_SERVER = 1 << 0, FLOW_TO_CLIENT = 1 << 1, FLOW_EST = 1 << 2, FLOW_NOT_EST = 1 << 3,
    FLOW_STATELESS = 1 << 4, FLOW_ONLY_STREAM = 1 << 5, FLOW_NO_STREAM = 1 << 6, FLOW_ONLY_FRAG = 1 << 7,
    FLOW_NO_FRAG = 1 << 8,
};
enum { /* rule.flags */
    R_NOALERT = 1 << 0, R_NEED_PKT = 1 << 1, R_NEED_STREAM = 1 << 2, R_APP = 1 << 3, R_IP_ONLY = 1 << 4,
    R_DEFER = 1 << 5,   /* stream rule with a negation: judged when the chunk is complete */
    R_BIDIR = 1 << 6, R_PD_ONLY = 1 << 7, R_HAS_PAYLOAD = 1 << 8, R_PKT_BUF = 1 << 9, R_TX_ONLY_COND = 1 << 10,
};

struct rule {
    struct mmr_rule_info info;
    uint8_t proto, app, n_groups, n_conds; /* app: enum app_id, 0 none */
    uint16_t flags, flow;
    uint8_t n_bits, n_vars, pre_group, is_exact_app; /* pre_group: whose literal is the prefilter's, plus 1 */
    uint16_t pre_step, depth; /* depth: order among rules that set and read bits */
    const struct addr_set *src, *dst;
    const struct port_set *sport, *dport;
    const struct group *groups;
    const struct cond *conds;
    const struct bit_act *bits;
    const struct threshold *threshold[2]; /* threshold, detection_filter */
};

struct name_table { /* names of bits and variables -> numbers from 1 */
    struct str_map map;
    uint32_t n;
};

struct prefilter;
struct rule_select;
struct rule_list {
    uint32_t *v;
    uint32_t n, cap;
};
struct port_rules {
    uint32_t key; /* side (0 source, 1 destination) and port */
    struct rule_list rules;
};
struct port_index { /* ports.h */
    uint64_t *has; /* a bit for each port, source first; NULL: no rules at all */
    struct port_rules *list;
    uint32_t n, cap;
};
struct tail {
    uint32_t key; /* hash of the literal's bytes, 0: free */
    struct rule_list rules;
};
struct tail_index { /* tails.h */
    struct tail *v; /* open addressing */
    uint32_t n, cap;
    uint64_t lengths; /* bit n - 1: there are literals of n bytes */
};
struct lit_index { /* literals of one kind of data -> the rules each may mean */
    struct prefilter *pf;
    struct rule_list *rules; /* by literal */
    uint32_t n_lits;
    struct rule_list always;    /* rules that nothing leads to */
    struct port_index by_port;  /* rules that a port leads to */
    struct tail_index tails;    /* rules whose literal ends the buffer */
};

enum { RULES_BUFS = 256, RULES_APPS = 64 };
struct mmr_rules {
    struct arena arena;
    struct vars *vars;
    struct str_map sids; /* "gid:sid" -> index in rules + 1 */
    struct str_map buf_names; /* name of a message's buffer -> enum buf_id */
    struct rule **rules;
    uint32_t n_rules, cap_rules, n_failed, n_enabled;
    struct rule_select *enable, *disable; /* NULL: none */
    struct name_table flowbits, xbits, ints;
    struct regex *regexes; /* all of them, for freeing */
    bool is_compiled;
    /* compiled: literals of message buffers; of packets and streams, with and without a protocol to know first */
    struct lit_index buf[RULES_BUFS];
    struct lit_index pkt, pkt_tcp, stream; /* rules that wait for a protocol's name among them: their header says so */
    struct rule_list *tcp_stream; /* by literal of pkt_tcp, the rules of streams: TCP data is searched once, for packets and streams */
    struct lit_index pkt_app;     /* those alone, for datagrams whose name was known only after they were looked at */
    struct rule_list tx_always[RULES_APPS]; /* by app of the rule; 0: any */
    struct rule_list ip_only, pd_only;
    struct rule_list ip_listed;        /* of the address rules those with a list of few addresses on one side */
    const struct addr_set *ip_listed_addrs; /* all of these addresses: an address that is not here meets none of them */
    bool has_stream, has_pkt_hdr;
};

#endif
