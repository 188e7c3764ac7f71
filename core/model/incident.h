/* incident.h - findings joined because they are one story; the unit of defence, class and notice. */
#ifndef MMR_MODEL_INCIDENT_H
#define MMR_MODEL_INCIDENT_H

#include "model/action.h"

enum mmr_class { MMR_CLASS_OF_PENDING = 0, MMR_CLASS_OF_NO_RESPONSE, MMR_CLASS_OF_DEFENDED, MMR_CLASS_OF_SEVERE };
enum mmr_band { MMR_BAND_NONE = 0, MMR_BAND_YELLOW, MMR_BAND_RED };
const char *mmr_class_name(enum mmr_class c); /* pending, no_response_needed, defended, severe */
const char *mmr_band_name(enum mmr_band b);   /* "" for none */

enum mmr_entity_kind {
    MMR_ENT_ADDRESS = 1, MMR_ENT_CONNECTION, MMR_ENT_HOST, MMR_ENT_DOMAIN, MMR_ENT_PROCESS,
    MMR_ENT_HASH, MMR_ENT_USER, MMR_ENT_SESSION, MMR_ENT_FILE, MMR_ENT_RULE,
};
const char *mmr_entity_kind_name(enum mmr_entity_kind k);

struct mmr_join { /* why two findings are one story */
    enum mmr_entity_kind kind;
    char value[160]; /* "192.168.2.5:41696->192.168.2.6:1389 tcp", "198.51.100.6", "PC1", … */
};
enum mmr_role { MMR_ROLE_OTHER = 0, MMR_ROLE_VICTIM, MMR_ROLE_ATTACKER, MMR_ROLE_SOURCE };
struct mmr_host_ref {
    char name[64];           /* "" when only the address is known */
    struct mmr_addr addr[4]; /* unset after the last */
    enum mmr_role role;
};
struct mmr_evidence {
    struct mmr_finding *finding; /* owned by the incident */
    uint32_t count;              /* times seen, repeats folded in; the same packets captured twice count once */
    int64_t last_ns;
    /* The same thing seen by several sources (two captures of one wire): count is the largest of these. */
    uint64_t source[4], fold; /* fold: identity for folding, set by the tracker */
    uint32_t source_count[4];
};

enum { MMR_INCIDENT_EVIDENCE_MAX = 64, MMR_INCIDENT_JOINS_MAX = 64, MMR_INCIDENT_HOSTS_MAX = 32,
       MMR_INCIDENT_ACTIONS_MAX = 64, MMR_INCIDENT_WHY_MAX = 24, MMR_INCIDENT_WHY_BYTES = 200, MMR_INCIDENT_ADDRS_MAX = 32 };
struct mmr_incident {
    uint64_t id;     /* in replay a hash of its first finding's id */
    uint8_t uid[16]; /* UUID for upstream */
    int64_t t0_ns;   /* detection time of the first observation, corrected */
    int64_t first_ns, last_ns, updated_ns;
    uint32_t revision; /* counts every change that is worth telling upstream */
    struct mmr_evidence *evidence; /* in order of corrected time */
    uint32_t n_evidence, evicted;  /* evicted: findings beyond the ceiling, counted */
    struct mmr_join *joins;
    uint32_t n_joins;
    struct mmr_host_ref *hosts;
    uint32_t n_hosts;
    struct mmr_addr attackers[MMR_INCIDENT_ADDRS_MAX], victims[MMR_INCIDENT_ADDRS_MAX];
    uint32_t n_attackers, n_victims;
    struct mmr_action_rec *actions;
    uint32_t n_actions;
    /* facts and result of the classification, with the reasons in words */
    char harm;             /* 'y' 'u' 'n' */
    enum mmr_potential potential;
    bool is_benign, is_recurring, is_important, has_user_action, is_exercise;
    enum mmr_class class_current, class_peak;
    enum mmr_band band;
    int row;               /* of the table in SERVICE_STANDARD 4 */
    char (*why)[MMR_INCIDENT_WHY_BYTES]; /* mmr_incident_why() adds one */
    uint32_t n_why;
    bool is_closed;
    bool is_contained;  /* late defence: severe stays severe, but the threat is covered */
    bool is_withdrawn;  /* taken back by a named person, with a reason */
    int64_t clock_ns;   /* the 60 minutes count from here: t0, a lapsed defence, or late harm; 0 not set */
};

struct mmr_incident *mmr_incident_new(uint64_t id, struct mmr_error *err); /* arrays grow to the ceilings */
void mmr_incident_free(struct mmr_incident *i); /* accepts NULL; frees its findings */

/* Append within the ceilings. Joins and hosts merge with an equal one. Past a ceiling: 0, counted in
 * `evicted` for evidence, quietly kept out for the rest. errors MMR_ENOMEM */
int mmr_incident_add_join(struct mmr_incident *i, enum mmr_entity_kind kind, const char *value, struct mmr_error *err);
int mmr_incident_add_host(struct mmr_incident *i, const struct mmr_host_ref *h, struct mmr_error *err);
int mmr_incident_add_action(struct mmr_incident *i, const struct mmr_action_rec *a, struct mmr_error *err); /* MMR_ETOOBIG: full */
struct mmr_action_rec *mmr_incident_action(struct mmr_incident *i, uint64_t action_id); /* or NULL */
/* Insert evidence (its finding is taken, also on failure) at its place in corrected time. */
int mmr_incident_insert_evidence(struct mmr_incident *i, const struct mmr_evidence *e, struct mmr_error *err);
/* One more reason, cut to its room; past the ceiling, or without memory for it, it is left out. */
__attribute__((format(printf, 2, 3))) void mmr_incident_why(struct mmr_incident *i, const char *fmt, ...);

/*
 * mmr_incident_pack, mmr_incident_unpack - the whole incident as MessagePack values in a fixed order,
 * version first, and back, for the store. Unpacking trusts nothing: every length and count is checked against the ceilings.
 *
 * ret, ret_len  returned; free()
 * errors        MMR_ENOMEM; unpack: MMR_EBADMSG naming the field
 */
int mmr_incident_pack(const struct mmr_incident *i, uint8_t **ret, size_t *ret_len, struct mmr_error *err);
int mmr_incident_unpack(const uint8_t *p, size_t len, struct mmr_incident **ret, struct mmr_error *err);

/*
 * mmr_incident_to_json - OCSF 1.8.0 Incident Finding (2005), one line without newline, as in the
 * command contract (unmapped.mamori), valid under the strict check.
 *
 * ret_json  returned; free() it
 */
int mmr_incident_to_json(const struct mmr_incident *i, int activity_id, char **ret_json, struct mmr_error *err);
/*
 * mmr_incident_to_record - the same, in at most MMR_INCIDENT_RECORD_MAX bytes: what is kept as evidence and handed to forwarders.
 * Of an incident that is larger (long command lines, many of them) each text is cut, unmapped.mamori.texts_cut_to says to how many
 * bytes; where that is not enough, all but its oldest evidence is left out and counted in evidence_left_out.
 */
enum { MMR_INCIDENT_RECORD_MAX = 128 * 1024 };
int mmr_incident_to_record(const struct mmr_incident *i, int activity_id, char **ret_json, struct mmr_error *err);
/* The Detection Finding (2004) of one finding, and the Remediation Activity (7001 to 7004) of one receipt. */
int mmr_finding_to_json(const struct mmr_finding *f, char **ret_json, struct mmr_error *err);
int mmr_action_to_json(const struct mmr_action_rec *a, const struct mmr_incident *i, char **ret_json,
                       struct mmr_error *err);

#endif
