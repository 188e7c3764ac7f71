/* parse.h - reading one rule: what the keyword handlers share. Private to this folder. */
#ifndef MMR_RULES_PARSE_H
#define MMR_RULES_PARSE_H

#include <rules/rule.h>

struct pstep { /* a step and the group it is in for now; old modifiers move it */
    struct step s;
    uint32_t group;
};
struct pgroup {
    uint16_t buf, n_transforms;
    struct transform transforms[RULE_TRANSFORMS_MAX];
};
struct parse {
    struct mmr_rules *set;
    struct rule *r;
    struct pgroup groups[RULE_GROUPS_MAX];
    struct pstep steps[RULE_STEPS_MAX];
    struct cond conds[RULE_CONDS_MAX];
    struct bit_act bits[RULE_BITS_MAX];
    const char *vars[RULE_VARS_MAX]; /* names of byte_extract results */
    size_t var_len[RULE_VARS_MAX];
    uint32_t n_groups, n_steps, n_conds, n_bits, n_vars;
    uint32_t current;    /* group of sticky buffer now in force */
    int last_content;    /* index of the step modifiers apply to; -1 none */
    uint32_t after_b64;  /* group base64_decode was in, plus 1 */
    bool has_pcre_buf;
    const char *unsupported[MMR_RULES_UNSUPPORTED_MAX];
    size_t unsupported_len[MMR_RULES_UNSUPPORTED_MAX];
    uint32_t n_unsupported;
    const char *notice;
    struct mmr_error err;
};

struct text { /* a piece of the rule's line, borrowed */
    const char *p;
    size_t len;
};
struct keyword {
    const char *name;
    int (*parse)(struct parse *p, const struct keyword *k, struct text arg); /* arg.p NULL: no argument */
    int arg;
};
extern const struct keyword mmr_kw_content[], mmr_kw_bytes[], mmr_kw_header[], mmr_kw_state[], mmr_kw_app[],
    mmr_kw_meta[], mmr_kw_words[]; /* each ends with name NULL */

/* ---- helpers ---- */
struct text mmr_text_trim(struct text t);
bool mmr_text_is(struct text t, const char *word);             /* equal, any case */
bool mmr_text_starts(struct text *t, const char *prefix);      /* and steps over it */
struct text mmr_text_cut(struct text *rest, char sep);         /* the part before sep, trimmed; rest moves on */
bool mmr_text_int(struct text t, int64_t *ret);                /* decimal or 0x hex, sign allowed */
bool mmr_text_unquote(struct text *t);                         /* strips one pair of quotes */
int mmr_parse_number(struct parse *p, const char *what, struct text t, struct number *ret);
/* "", "any", "all", "2", "-1": which of several values; kept in ret->which */
int mmr_parse_place(struct parse *p, const char *what, struct text t, struct number *ret);
struct step *mmr_parse_step(struct parse *p, uint8_t type, uint32_t group); /* NULL: err is filled */
struct cond *mmr_parse_cond(struct parse *p, uint8_t type);
int mmr_parse_var(struct parse *p, struct text name);              /* index of a variable read; negative: unknown */
int mmr_parse_new_var(struct parse *p, struct text name);          /* index; negative: too many */
int mmr_parse_group(struct parse *p, unsigned buf, bool is_fresh); /* index; negative */
int mmr_parse_unsupported(struct parse *p, struct text name);       /* notes the keyword; the rule is refused at its end */
const void *mmr_parse_keep(struct parse *p, const void *v, size_t len);
int mmr_parse_any_case(struct parse *p, struct step *content);      /* from now on it matches in any case */

/*
 * mmr_rule_parse - one line into a checked rule in the set's arena.
 *
 * p        working memory of the caller, overwritten
 * ret      the rule, or NULL with p->err and p->unsupported filled
 */
int mmr_rule_parse(struct parse *p, struct mmr_rules *set, struct text line, struct rule **ret);

#endif
