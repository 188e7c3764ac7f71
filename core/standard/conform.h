/*
 * conform.h - every clause of SERVICE_STANDARD section 2 as data, with its state computed from what is
 * known, and the gap list: for each asset class and threat phase the defence that would act, or none.
 */
#ifndef MMR_STANDARD_CONFORM_H
#define MMR_STANDARD_CONFORM_H

#include "standard/coverage.h"
#include "standard/relief.h"

#include "model/finding.h"

enum mmr_clause_state {
    MMR_CLAUSE_UNKNOWN = 0, /* not measured or not recorded yet: never shown as fulfilled */
    MMR_CLAUSE_OK, MMR_CLAUSE_GAP,
    MMR_CLAUSE_PROVIDER,    /* the provider's duty; software records and reminds */
};
const char *mmr_clause_state_name(enum mmr_clause_state s); /* "unknown" "ok" "gap" "provider" */

struct mmr_conform_in { /* what is known of this service; texts borrowed; absent: zero */
    const struct mmr_cap_source *source;
    size_t n_source;
    uint32_t verbs_net, verbs_ep; /* enum mmr_verb bits of healthy responders of that side, not dry run */
    bool is_linked;
    enum { MMR_TYPE_COMBINED = 0, MMR_TYPE_NETWORK, MMR_TYPE_ENDPOINT } type;
    bool is_service_profile;
    uint32_t refused_plugins;      /* unlisted or altered ones that were refused */
    uint32_t unnamed_tools;        /* in use, and their descriptor names no maker */
    const struct mmr_coverage *net, *ep; /* NULL: not measured */
    uint32_t tests_passed, tests_failed, tests_open; /* detection and defence self-tests of the running instances */
    bool has_heartbeat, has_notice_channel, has_weekly_report, has_evidence; /* running parts, self-tests passed */
};
struct mmr_clause_result {
    const char *id, *clause; /* "SR-01"; the key phrase */
    char reach;              /* 'F' 'S' 'P' */
    enum mmr_clause_state state;
    char why[160];
};
struct mmr_gap_row {
    enum mmr_asset_class asset;
    enum mmr_phase phase;
    char defence[80]; /* "network block.addr", "endpoint kill.process + quarantine.file", "none" */
    bool is_none;
};
enum { MMR_CLAUSES_MAX = 48, MMR_GAP_ROWS_MAX = 64 };
struct mmr_conform {
    uint32_t caps;
    struct mmr_relief relief;
    bool is_conforming; /* of the type, no refused plugin, and no clause of reach F in state gap */
    size_t n_clause, n_gap;
    struct mmr_clause_result clause[MMR_CLAUSES_MAX];
    struct mmr_gap_row gap[MMR_GAP_ROWS_MAX];
};
void mmr_conform_check(const struct mmr_conform_in *in, struct mmr_conform *ret);
/* One JSON object. returned; free(); NULL: out of memory */
char *mmr_conform_json(const struct mmr_conform *c, const struct mmr_conform_in *in);

#endif
