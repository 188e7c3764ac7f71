/* prefilter.h - many literals at once: Hyperscan where the CPU has it, else a plain hashed search. */
#ifndef MMR_RULES_PREFILTER_H
#define MMR_RULES_PREFILTER_H

#include <mamori/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct prefilter;
struct prefilter_scratch; /* per engine, serves every prefilter it was prepared for */
struct literal {
    const uint8_t *p; /* borrowed until _new returns */
    uint32_t len;
    bool is_nocase;
};
enum { PREFILTER_LITERAL_MAX = 64 }; /* longer ones are cut; the chain checks the rest */
/* errors MMR_ENOMEM, MMR_EINTERNAL. is_plain: do not use Hyperscan (tests compare the two) */
int mmr_prefilter_new(const struct literal *lits, uint32_t n, bool is_plain, struct prefilter **ret,
                      struct mmr_error *err);
/* pf with one more owner, where it was made of just these literals in this order; else NULL. pf may be NULL. [any] */
struct prefilter *mmr_prefilter_share(struct prefilter *pf, const struct literal *lits, uint32_t n);
void mmr_prefilter_free(struct prefilter *pf); /* gone with its last owner */
size_t mmr_prefilter_bytes(const struct prefilter *pf);

struct prefilter_scratch *mmr_prefilter_scratch_new(void);
int mmr_prefilter_scratch_prepare(struct prefilter_scratch *s, const struct prefilter *pf, struct mmr_error *err);
void mmr_prefilter_scratch_free(struct prefilter_scratch *s);
/* hit is called at least once for every literal in the data (perhaps again, perhaps in the other case) */
void mmr_prefilter_scan(const struct prefilter *pf, struct prefilter_scratch *s, const uint8_t *data, size_t len,
                        void (*hit)(void *ctx, uint32_t literal), void *ctx);

#endif
