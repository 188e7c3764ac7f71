/*
 * members.h - who belongs to the site: tokens given, machines that joined with them, their keys and what was decided about
 * them. One SQLite file, <dir>/members.db (WAL, full synchronous), written by the brain when a machine joins and by commands
 * when a person decides; each function is one transaction, so both may at any time. Times are Unix nanoseconds, passed in.
 */
#ifndef MMR_STORE_MEMBERS_H
#define MMR_STORE_MEMBERS_H

#include <mamori/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MMR_MEMBERS_FILE "members.db"
enum { MMR_MEMBER_NAME_MAX = 39, MMR_MEMBER_HOSTNAME_MAX = 63, MMR_MEMBER_KEY = 32, MMR_MEMBER_TOKEN_ID = 8, MMR_MEMBER_SECRET = 16,
       MMR_MEMBERS_MAX = 1024 };
enum mmr_member_state { MMR_MEMBER_WAITS = 1, MMR_MEMBER_APPROVED, MMR_MEMBER_REVOKED };
const char *mmr_member_state_name(enum mmr_member_state s); /* "waits", "approved", "revoked" */

struct mmr_member {
    char name[MMR_MEMBER_NAME_MAX + 1], hostname[MMR_MEMBER_HOSTNAME_MAX + 1];
    enum mmr_member_state state;
    uint8_t curve[MMR_MEMBER_KEY], sign[MMR_MEMBER_KEY];
    bool has_next;
    uint8_t next_curve[MMR_MEMBER_KEY], next_sign[MMR_MEMBER_KEY]; /* keys it will use next */
    bool has_hub_next;
    uint8_t hub_next[MMR_MEMBER_KEY]; /* the hub's coming CURVE key that it said it knows */
    int64_t joined_ns, decided_ns, rotated_ns, seen_ns; /* 0: never */
};

struct mmr_members;
/* is_new: made if there is none. errors MMR_ENOENT none; MMR_EIO; MMR_EBADMSG damaged, or of a newer mamori; MMR_ENOMEM */
int mmr_members_open(const char *dir, bool is_new, struct mmr_members **ret, struct mmr_error *err);
void mmr_members_close(struct mmr_members *m); /* accepts NULL */
/* Has somebody else changed the file since the last call? At first: yes. */
bool mmr_members_has_news(struct mmr_members *m);

/* ---- tokens ---- */

/* name: of the machine that will use it, or NULL: the machine says its name. */
int mmr_members_token_put(struct mmr_members *m, const uint8_t id[MMR_MEMBER_TOKEN_ID], const uint8_t secret[MMR_MEMBER_SECRET],
                          const char *name, int64_t now_ns, int64_t expires_ns, struct mmr_error *err);
/* errors MMR_ENOENT nobody here gave it (or it is over since a week) */
int mmr_members_token_secret(struct mmr_members *m, const uint8_t id[MMR_MEMBER_TOKEN_ID], uint8_t ret_secret[MMR_MEMBER_SECRET],
                             struct mmr_error *err);
bool mmr_members_has_open_token(struct mmr_members *m, int64_t now_ns); /* one that has not expired, used or not */
int mmr_members_token_void(struct mmr_members *m, int64_t now_ns, uint32_t *ret_n, struct mmr_error *err); /* all unused ones expire now */

/* ---- joining ---- */

struct mmr_member_request {
    const uint8_t *token_id, *curve, *sign;
    const char *name, *hostname;
    bool is_approved_at_once;
    /* Is the name somebody else's already: the hub's own, or a node's of the configuration? NULL: no */
    bool (*is_taken)(void *ctx, const char *name);
    void *ctx;
};
/*
 * mmr_members_join - spend the token and enter the machine, or say why not. The same token with the same keys gives the same
 * answer until it expires.
 *
 * ret      the member, on success
 * errors   MMR_EPERM refused: err says why and what to do; others as above
 */
int mmr_members_join(struct mmr_members *m, const struct mmr_member_request *r, int64_t now_ns, struct mmr_member *ret,
                     struct mmr_error *err);

/* ---- members ---- */

/* By name. fn returns other than 0: stop, and return that. */
int mmr_members_each(struct mmr_members *m, int (*fn)(void *ctx, const struct mmr_member *x), void *ctx, struct mmr_error *err);
int mmr_members_get(struct mmr_members *m, const char *name, struct mmr_member *ret, struct mmr_error *err); /* MMR_ENOENT */
/* errors MMR_ENOENT; MMR_EPERM a revoked one is not approved again: its keys are burnt */
int mmr_members_decide(struct mmr_members *m, const char *name, enum mmr_member_state state, int64_t now_ns, struct mmr_error *err);
/* A node of the configuration is revoked by its name and keys, as if it had joined. */
int mmr_members_revoke_keys(struct mmr_members *m, const char *name, const uint8_t curve[MMR_MEMBER_KEY],
                            const uint8_t sign[MMR_MEMBER_KEY], int64_t now_ns, struct mmr_error *err);
int mmr_members_next_keys(struct mmr_members *m, const char *name, const uint8_t curve[MMR_MEMBER_KEY],
                          const uint8_t sign[MMR_MEMBER_KEY], struct mmr_error *err);
int mmr_members_rotated(struct mmr_members *m, const char *name, int64_t now_ns, struct mmr_error *err);
int mmr_members_knows_hub_next(struct mmr_members *m, const char *name, const uint8_t hub_curve[MMR_MEMBER_KEY], struct mmr_error *err);
/* Several changes as one: begin, what follows, end. errors as above; after one of end nothing of it is kept */
int mmr_members_begin(struct mmr_members *m, struct mmr_error *err);
int mmr_members_end(struct mmr_members *m, struct mmr_error *err);
int mmr_members_seen(struct mmr_members *m, const char *name, int64_t at_ns, struct mmr_error *err);

#endif
