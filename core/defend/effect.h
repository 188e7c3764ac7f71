/*
 * effect.h - the effect algebra of SERVICE_STANDARD 3.3: what an incident's threat objects need, what a
 * receipt covers, and what the receipts of an incident add up to (D). Pure; nothing is trusted but the
 * structs, whose texts are bounded.
 */
#ifndef MMR_DEFEND_EFFECT_H
#define MMR_DEFEND_EFFECT_H

#include "model/incident.h"

enum mmr_effect {
    MMR_EFFECT_NONE = 0,
    MMR_EFFECT_DENY_SERVICE,  /* deny(src->dst service) */
    MMR_EFFECT_DENY_DST,      /* deny(host->dst) */
    MMR_EFFECT_DENY_OTHERS,   /* deny(host->others) */
    MMR_EFFECT_ISOLATE,       /* isolate(host) */
    MMR_EFFECT_STOP,          /* stop(process) */
    MMR_EFFECT_DENY_EXEC,     /* deny_exec(file) */
    MMR_EFFECT_QUARANTINE,    /* quarantine(file) */
    MMR_EFFECT_NO_AUTOSTART,  /* this autostart entry is gone */
    MMR_EFFECT_NEUTRALISE,    /* neutralise(cause on host), cause not known: nothing covers it */
    MMR_EFFECT_REVOKE_LOCK,   /* revoke(session) + lock or reset */
    MMR_EFFECT_UNDO_HARM,     /* impact.*: no defence makes it defended */
};
const char *mmr_effect_name(enum mmr_effect e);

struct mmr_want { /* one effect on one object; only the fields of the effect are set */
    enum mmr_effect effect;
    struct mmr_addr src, dst; /* deny: who may no longer talk to whom; unset: any */
    uint16_t port;            /* deny: service port of dst; 0 any */
    char proto[8];
    char host[64];              /* the machine it is about ("" unknown) */
    struct mmr_addr host_addr;  /* unset: unknown */
    char mac[18]; /* isolate, deny others: its card; what it does is done below addresses, so an address alone is not enough */
    int64_t pid, start_ticks;
    char name[256];   /* process name, domain, account, line of an autostart entry */
    char path[256];   /* executable of the process, file, autostart entry */
    char sha256[65];
};
enum { MMR_NEED_OPTIONS_MAX = 4, MMR_NEEDS_MAX = 48 };
struct mmr_threat_need { /* covered when any one option is covered */
    enum mmr_phase phase;
    uint32_t n_option;
    struct mmr_want option[MMR_NEED_OPTIONS_MAX]; /* the preferred one first */
    uint32_t evidence; /* index of the (first) finding it came from */
    bool is_extra;     /* nothing has to be covered: ordered where nobody need be asked, and what is left of the ceilings allows it */
};
struct mmr_needs {
    uint32_t n, dropped; /* dropped: beyond the ceiling; such an incident is never covered */
    struct mmr_threat_need need[MMR_NEEDS_MAX];
};

struct mmr_site_view { /* what is inside; for directions and for who is the source of a spread */
    const struct mmr_cidr *home; /* NULL, 0: the private ranges */
    uint32_t n_home;
};
bool mmr_site_has(const struct mmr_site_view *s, const struct mmr_addr *a); /* inside the office */

/*
 * mmr_needs_of - T(I) with need(t): every threat object of the incident and the effects it needs.
 *
 * only_orders  true: leave out what no automatic order may be given for (potential below high, unless
 *              brute force or account with repetition) and add the extras, for the planner; false: all, for D
 * ret          written whole; several findings about one object give one need
 */
void mmr_needs_of(const struct mmr_incident *i, const struct mmr_site_view *site, bool only_orders,
                  struct mmr_needs *ret);

/* True when an executable or file is part of the operating system (a shell, powershell.exe, a library
 * folder): stopping the process may be right, quarantining the file never is. */
bool mmr_path_is_system(const char *path);

/* effect order of 3.3: does have (on its own object) imply want, the object being the same or wider? */
bool mmr_effect_implies(enum mmr_effect have, enum mmr_effect want);

/* What is known of the responder of an action at `now`; all false in replay. */
struct mmr_responder_state {
    bool is_registered, is_healthy, is_dry_run;
};
typedef struct mmr_responder_state (*mmr_responder_state_fn)(void *ctx, const struct mmr_action_rec *a);

/* covers(r, t, e, now) of 3.3, for the wanted effect. */
bool mmr_receipt_covers(const struct mmr_action_rec *a, const struct mmr_want *w,
                        const struct mmr_responder_state *plugin, int64_t now_ns);
/* The same but for proof, validity and health: would this action, once confirmed, cover it? */
bool mmr_action_aims_at(const struct mmr_action_rec *a, const struct mmr_want *w);

enum mmr_defence { /* D, in the order of SERVICE_STANDARD 4 */
    MMR_D_NONE = 0, MMR_D_IN_PROGRESS, MMR_D_UNVERIFIED, MMR_D_PARTIAL, MMR_D_FAILED, MMR_D_LAPSED,
    MMR_D_VERIFIED,
};
const char *mmr_defence_name(enum mmr_defence d);
bool mmr_defence_parse(const char *text, size_t len, enum mmr_defence *ret);

struct mmr_defence_view {
    enum mmr_defence d;
    uint32_t needs, covered;
    bool is_isolation_used;  /* something is only covered by isolate: leaves a user action */
    int64_t lapsed_ns;       /* when the first cover lapsed (row 5: the new clock), 0 none */
    int64_t covered_ns;      /* verified: when the last need became covered */
    char why[200];           /* one line */
};
/*
 * mmr_defence_of - D of the incident from its receipts (docs/vocabulary.md, last table).
 *
 * state, ctx       health of the responders; NULL: all registered, healthy, not dry run
 * is_threat_over   no match for Q with healthy detectors, or cause removed and confirmed: an expired
 *                  lease does not count as lapsed any more
 */
void mmr_defence_of(const struct mmr_incident *i, const struct mmr_site_view *site,
                    mmr_responder_state_fn state, void *ctx, bool is_threat_over, int64_t now_ns,
                    struct mmr_defence_view *ret);

#endif
