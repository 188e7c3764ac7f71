/*
 * acts.h - the live actions of one responder: by id, with leases, journalled before they are carried
 * out, so that after a crash the responder knows what it may have done.
 */
#ifndef MMR_LIBACT_ACTS_H
#define MMR_LIBACT_ACTS_H

#include <mamori/action.h>
#include <mamori/plugin.h>

enum { MMR_ACTS_MAX = 8192, MMR_ACTS_PAYLOAD_MAX = 8192, MMR_ACTS_VERB_MAX = 32, MMR_ACTS_UNDO_MAX = 1024 };

struct mmr_act { /* one live action; owned by the table */
    struct mmr_act *next;
    uint64_t id;
    char verb[MMR_ACTS_VERB_MAX];
    int64_t applied_ns;    /* wall; 0: begun, not yet known to be done */
    int64_t expires_ns;    /* wall; 0: until undone */
    int64_t expires_mono;  /* what counts while we run; 0: until undone */
    char undo[MMR_ACTS_UNDO_MAX]; /* the responder's own words for taking it back */
    uint8_t *payload;      /* the target map as ordered */
    size_t len;
    void *detail;          /* the responder's, not freed here */
};
struct mmr_acts;

/*
 * mmr_acts_open - load the journal of dir ("" keeps none: tests without state).
 *
 * errors  MMR_EIO; a damaged end (power cut) is cut off and counted in *ret_damaged
 */
int mmr_acts_open(const struct mmr_host *host, const char *dir, struct mmr_acts **ret, unsigned *ret_damaged,
                  struct mmr_error *err);
void mmr_acts_close(struct mmr_acts *a); /* keeps the journal; accepts NULL */

struct mmr_act *mmr_acts_find(struct mmr_acts *a, uint64_t id); /* or NULL */
struct mmr_act *mmr_acts_first(struct mmr_acts *a);             /* iterate with ->next */
size_t mmr_acts_count(const struct mmr_acts *a);

/* Write "about to do this" and sync it. errors MMR_ETOOBIG table or payload full, MMR_EIO disk (then do not act) */
int mmr_acts_begin(struct mmr_acts *a, const struct mmr_action *order, const char *undo, struct mmr_act **ret,
                   struct mmr_error *err);
/* It was done (or renewed): notes time, lease and undo text. Not synced: losing it costs a second look. */
void mmr_acts_applied(struct mmr_acts *a, struct mmr_act *act, int64_t ttl_ms);
/* It is over: undone, expired or failed. Frees act. Synced with the next begin. */
void mmr_acts_forget(struct mmr_acts *a, struct mmr_act *act);
/* The live action whose lease ends first, or NULL. */
struct mmr_act *mmr_acts_next_expiry(struct mmr_acts *a);
/* When its lease ends by the wall clock as it stands now, which may have been set since; 0: until undone. */
int64_t mmr_act_expires_ns(const struct mmr_act *act, const struct mmr_host *host);

/* ---- receipts ---- */
struct mmr_receipt_out { /* NULL or 0: absent */
    const char *result, *verified, *method, *detail;
    int64_t applied_ns, expires_ns, revoked_ns;
    uint64_t packets, bytes;
    bool has_counter, is_dry_run;
    const char *undo;
};
/* Build and hand over the receipt; verify.at is now. */
void mmr_receipt_send(const struct mmr_host *host, uint64_t id, int code, const struct mmr_receipt_out *r);
/* One refusal or failure in words. */
void mmr_receipt_fail(const struct mmr_host *host, uint64_t id, const char *result, const char *detail);

#endif
