/* chain.h - runs the checks of one buffer's chain, in order, with backtracking. Private to this folder. */
#ifndef MMR_RULES_CHAIN_H
#define MMR_RULES_CHAIN_H

#include <rules/regex.h>
#include <rules/rule.h>

enum { CHAIN_STEPS_MAX = 3000, CHAIN_DEPTH_MAX = RULE_STEPS_MAX + 8, CHAIN_BUF_MAX = 1024 * 1024, TRANSFORM_MORE = 64 /* a digest of nothing has bytes */ };

struct chain { /* working memory, one per engine */
    struct regex_scratch *regex;
    uint64_t vars[RULE_VARS_MAX];
    uint32_t budget;          /* checks left for this chain */
    bool is_little_endian;    /* of the DCE/RPC message */
    uint8_t *work[3];         /* two for transforms, one for decoded base64 */
    size_t cap[3];
    const struct group *base64; /* the rule's base64_data chain, or NULL */
    uint64_t gave_up;         /* expressions or chains stopped at a limit */
    /* streams: offset of the buffer's first byte; a match must end after `fresh` */
    uint64_t base;
    size_t fresh;
};
int mmr_chain_init(struct chain *c);
void mmr_chain_done(struct chain *c);

/* Does the group match? data is the untransformed buffer. */
bool mmr_chain_match(struct chain *c, const struct group *g, const uint8_t *data, size_t len);
bool mmr_number_is(const struct number *n, int64_t v);

/* transform.c: apply one transform from p to out (out_cap >= 2 * len + TRANSFORM_MORE); returns the new length */
size_t mmr_transform(const struct transform *t, struct regex_scratch *scratch, const uint8_t *p, size_t len, uint8_t *out, size_t out_cap);

/* byte_ops.c */
bool mmr_byte_test(const struct chain *c, const struct byte_op *op, const uint8_t *p, size_t len, size_t pos);
bool mmr_byte_jump(const struct chain *c, const struct byte_op *op, const uint8_t *p, size_t len, size_t pos, size_t *ret_pos);
bool mmr_byte_extract(struct chain *c, const struct byte_op *op, bool is_math, const uint8_t *p, size_t len, size_t pos,
                      size_t *ret_pos);
bool mmr_entropy_is(const struct entropy_op *op, const uint8_t *p, size_t len);
bool mmr_asn1_is_odd(const struct byte_op *op, const uint8_t *p, size_t len, size_t pos);
bool mmr_is_base64(uint8_t ch); /* a letter of it, of either alphabet */
size_t mmr_base64_decode(const uint8_t *p, size_t len, uint8_t *out, size_t cap);

#endif
