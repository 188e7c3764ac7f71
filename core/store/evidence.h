/*
 * evidence.h - append-only log of who decided what from which facts: each record holds the hash of
 * the one before (BLAKE2b-256 over canonical bytes), checkpoints are signed (Ed25519). It lives in
 * the same database and commits with the incident it is about.
 */
#ifndef MMR_STORE_EVIDENCE_H
#define MMR_STORE_EVIDENCE_H

#include "store/db.h"

struct mmr_evidence_log;
enum { MMR_EVIDENCE_KIND_MAX = 48, MMR_EVIDENCE_BODY_MAX = 1024 * 1024, MMR_EVIDENCE_HASH = 32 };

/*
 * mmr_evidence_open - continue the log of this database.
 *
 * The signing key is <dir>/evidence.key (32 bytes, mode 0600; made when absent and the log is
 * empty), its public half <dir>/evidence.pub. errors MMR_EPERM the key is readable by others or
 * missing beside a log; MMR_EIO
 */
int mmr_evidence_open(struct mmr_db *db, struct mmr_evidence_log **ret, struct mmr_error *err);
void mmr_evidence_close(struct mmr_evidence_log *e); /* accepts NULL; the db stays open */
/* kind: "incident.class", "action.ordered", "receipt", "rails.refused" …; body: JSON text. Part of
 * the batch. */
int mmr_evidence_append(struct mmr_evidence_log *e, const char *kind, int64_t time_ns,
                        const void *body, size_t len, uint64_t *ret_seq, struct mmr_error *err);
/* Sign the head. Part of the batch; nothing new since the last one: 0, nothing written. */
int mmr_evidence_checkpoint(struct mmr_evidence_log *e, int64_t time_ns, struct mmr_error *err);
bool mmr_evidence_is_checkpoint_due(const struct mmr_evidence_log *e,
                                    int64_t now_ns); /* 256 records or 10 min */

struct mmr_evidence_mark { /* a signed checkpoint: record seq existed, with this hash */
    uint64_t seq;
    int64_t time_ns;
    uint8_t hash[MMR_EVIDENCE_HASH], key[32], sig[64];
};
/* The newest checkpoint. errors MMR_ENOENT there is none yet */
int mmr_evidence_last_mark(struct mmr_db *db, struct mmr_evidence_mark *ret, struct mmr_error *err);
bool mmr_evidence_mark_is_signed(const struct mmr_evidence_mark *m); /* by its own key */

struct mmr_evidence_report {
    uint64_t records, checkpoints, signed_upto; /* signed_upto: seq of the last good checkpoint */
    uint64_t bad_seq;                           /* 0: all good */
    char bad[160];                              /* what is wrong with it */
    char head_hex[2 * MMR_EVIDENCE_HASH + 1];
};
/*
 * mmr_evidence_verify - walk <dir>'s log. 0 when the walk could be made (look at bad_seq);
 * errors MMR_ENOENT no store or an empty log; MMR_EBADMSG the file is no database; MMR_EIO
 */
int mmr_evidence_verify(const char *dir, struct mmr_evidence_report *ret, struct mmr_error *err);
/* Each record in order; fn not 0 stops. */
int mmr_evidence_each(struct mmr_db *db, uint64_t from_seq,
                      int (*fn)(void *ctx, uint64_t seq, int64_t time_ns, const char *kind,
                                const void *body, size_t len),
                      void *ctx, struct mmr_error *err);

#endif
