/*
 * collected.h - what a provider's collector keeps of its sites, in the same file and the same batches as the outbox from which its outlets
 * are served: which records came (so that one counts once, however often and in whatever epoch it is sent), parts of long ones,
 * how far each site was received, incidents as they stand, and when each site was heard.
 *
 * A record is known by a hash of site, kind and content: neither a hub's restart, nor its disk put back, nor a new installation
 * makes it two, or hides a new one behind a number that was used before.
 */
#ifndef MMR_STORE_COLLECTED_H
#define MMR_STORE_COLLECTED_H

#include "store/db.h"

enum { MMR_COLLECTED_LANES = 4, MMR_COLLECTED_SITE_MAX = 39, MMR_COLLECTED_TITLE_MAX = 255, MMR_COLLECTED_UID_MAX = 63 };

/* Its tables, made where they are not there. Once after mmr_db_open(); not for a read-only store. errors MMR_EIO */
int mmr_collected_open(struct mmr_db *db, struct mmr_error *err);

struct mmr_collected_record {
    const char *site, *kind;
    bool is_urgent;
    int64_t at_ns;       /* the site's */
    const char *json;    /* one object, OCSF */
    size_t len;
};
/*
 * mmr_collected_put - part of the batch: into the outbox for every outlet, with metadata.tenant_uid = site; an incident's state.
 *
 * ret_is_new  false: the very same came before, and nothing is done
 * errors      MMR_EBADMSG not a JSON object with class_uid and metadata: it will never be; others: the batch is broken
 */
int mmr_collected_put(struct mmr_db *db, const struct mmr_collected_record *r, int64_t now_ns, bool *ret_is_new, struct mmr_error *err);

/*
 * mmr_collected_part - keep a part of a long record of a lane; part 0 begins a new one.
 *
 * ret_json  the whole, when this was the last one of a whole row (returned; free()), else NULL
 * errors    MMR_EBADMSG a part that does not follow the one before; others: the batch is broken
 */
int mmr_collected_part(struct mmr_db *db, const char *site, uint32_t lane, uint32_t part, uint32_t parts, const void *bytes, size_t len,
                       char **ret_json, size_t *ret_len, struct mmr_error *err);

/* How far (site, epoch, lane) is committed; 0 for an epoch that is not the site's last one. */
int mmr_collected_received_put(struct mmr_db *db, const char *site, const uint8_t epoch[16], uint32_t lane, uint64_t upto, struct mmr_error *err);
int mmr_collected_received_get(struct mmr_db *db, const char *site, const uint8_t epoch[16], uint64_t ret_upto[MMR_COLLECTED_LANES],
                               struct mmr_error *err);

/* ---- sites ---- */

struct mmr_collected_site {
    char name[MMR_COLLECTED_SITE_MAX + 1];
    int64_t first_ns, seen_ns; /* Unix; seen: connected then */
    bool is_up, is_silent;     /* as last written */
    uint64_t records, severe_open;
    int64_t record_ns;         /* when the last record came; 0 none */
};
int mmr_collected_seen(struct mmr_db *db, const char *site, int64_t seen_ns, bool is_up, bool is_silent, struct mmr_error *err);
/* By name. fn not 0: stop, and return that; it must not write. */
int mmr_collected_sites(struct mmr_db *db, int (*fn)(void *ctx, const struct mmr_collected_site *s), void *ctx, struct mmr_error *err);

struct mmr_collected_incident { /* borrowed for the call */
    const char *site, *uid, *class_name, *band, *title;
    int64_t last_ns;
};
/* Incidents that are severe and not closed, newest first. site NULL: of all */
int mmr_collected_severe(struct mmr_db *db, const char *site, uint32_t limit, int (*fn)(void *ctx, const struct mmr_collected_incident *i),
                         void *ctx, struct mmr_error *err);

struct mmr_evidence_mark;
enum { MMR_COLLECTED_DOUBT_MAX = 120 };
/*
 * mmr_collected_checkpoint - part of the batch: keep a checkpoint of a site's evidence, by which its log can be held to what it was.
 *
 * ret_doubt  MMR_COLLECTED_DOUBT_MAX + 1 bytes: "" or how it contradicts what the site signed before (kept, too)
 * errors     MMR_EBADMSG its signature is not its key's: it is nothing; others: the batch is broken
 */
int mmr_collected_checkpoint(struct mmr_db *db, const char *site, const struct mmr_evidence_mark *m, char *ret_doubt, struct mmr_error *err);
/* Up to which record a site's evidence is signed (0: nothing came), and the newest doubt ("": none). ret_doubt as above */
int mmr_collected_evidence(struct mmr_db *db, const char *site, uint64_t *ret_seq, int64_t *ret_time_ns, char *ret_doubt, struct mmr_error *err);

/* What every outlet is done with goes when it is older than done_before_ns; the memory of records (a later repetition would count
 * again), incidents that are closed, and what waits for an outlet that is not configured any more (wanted: mmr_store_outbox_retire)
 * when older than before_ns. */
int mmr_collected_trim(struct mmr_db *db, const char *wanted, int64_t done_before_ns, int64_t before_ns, struct mmr_error *err);

#endif
