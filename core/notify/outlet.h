/*
 * outlet.h - the notices of one office, live: it opens and drives the 60-minute clock (deadline.h) for each severe incident,
 * keeps every change durable before anything goes out, hands messages to the forwarder that carries a channel, and takes
 * what became of them. Nobody here talks or reads a clock: the owner passes the line's time (timeline.h) and does what the
 * callbacks say, in this order, which makes a crash at any point harmless:
 *
 *   incident, answer, confirm …    in memory
 *   mmr_outlet_tick()              plans what is due; every change goes through ops.put and ops.note into the open batch
 *   (the batch is committed)
 *   mmr_outlet_send()              what was planned and is durable now goes out
 *
 * What was handed over without an answer before a crash goes out again with the same key; whoever carries it knows it.
 */
#ifndef MMR_NOTIFY_OUTLET_H
#define MMR_NOTIFY_OUTLET_H

#include "notify/compose.h"
#include "notify/deadline.h"

enum { MMR_TOKEN_MAX = 33, MMR_OUTLET_RECORD_MAX = 16 * 1024, MMR_OUTLET_TESTS_MAX = 32 };
#define MMR_OUTLET_STATE "notice." /* keys of its pieces of state begin so */

struct mmr_outlet_channel { /* which instance carries a channel; [1]: the second carrier */
    char through[2][64];    /* an instance of a forwarder, or "sink:ok|accept-only|tempfail|permfail" (tests); "": none */
};
struct mmr_outlet_config { /* copied */
    struct mmr_office office;
    struct mmr_contact contact[MMR_CONTACTS_MAX];
    uint32_t n_contacts;
    struct mmr_outlet_channel channel[MMR_NOTICE_CHANNELS];
    char confirm_url[160]; /* where answers.c listens, as people outside reach it: "https://…"; "": no links */
};
struct mmr_outlet_ops {
    int (*put)(void *ctx, const char *key, const void *value, size_t len, struct mmr_error *err); /* NULL: drop it */
    int (*note)(void *ctx, const char *kind, const char *json, struct mmr_error *err);             /* into the evidence log */
    bool (*hand)(void *ctx, const char *instance, uint64_t number, const char *json, size_t len);  /* false: not connected */
    mmr_incident_fn incident;
    int64_t (*wall_of)(void *ctx, int64_t line_ns);
    void *ctx;
};

struct mmr_outlet;
/* errors MMR_ECONFIG as mmr_deadline_init(); MMR_ENOMEM */
int mmr_outlet_new(const struct mmr_outlet_config *c, const struct mmr_outlet_ops *ops, struct mmr_outlet **ret, struct mmr_error *err);
void mmr_outlet_free(struct mmr_outlet *o); /* accepts NULL */
/* What was put, before anything else: the contacts' piece ("notice.0contacts") sorts first. Then mmr_outlet_restored(). */
int mmr_outlet_restore(struct mmr_outlet *o, const char *key, const void *value, size_t len, struct mmr_error *err);
int mmr_outlet_restored(struct mmr_outlet *o, struct mmr_error *err);

/* An incident was told (change: bits of enum mmr_change), or stands in the store at start (change 0). */
void mmr_outlet_incident(struct mmr_outlet *o, const struct mmr_incident *i, unsigned change, int64_t t0_ns, int64_t now_ns);
int mmr_outlet_tick(struct mmr_outlet *o, int64_t now_ns, struct mmr_error *err);
void mmr_outlet_send(struct mmr_outlet *o, int64_t now_ns);
int64_t mmr_outlet_next(const struct mmr_outlet *o); /* line time; INT64_MAX: nothing waits */

/* Is this number one of ours (forwarders answer with it)? */
bool mmr_outlet_is_number(uint64_t number);
/* What became of a record. level: enum mmr_delivery; is_busy: not now, offer it again. detail is cut. */
void mmr_outlet_answer(struct mmr_outlet *o, uint64_t number, int level, bool is_busy, int64_t at_ns, const char *detail, int64_t now_ns);
/* The token of a record's key: what "confirm" (a link), "reply" (a mail that refers to ours) or "report" (what became of it) */
void mmr_outlet_token_for(const struct mmr_outlet *o, const char *what, const char *key, char buf[MMR_TOKEN_MAX]);
/* A person answered a link (level is then CONFIRMED, whatever is given), or what became of a message was reported (a gateway, a delivery notice,
 * a reply), with its token. Returns 0; MMR_ENOENT no such token; MMR_EPERM it was used (a token confirms once); MMR_EINVAL no such level */
int mmr_outlet_token(struct mmr_outlet *o, const char *token, int level, const char *who, int64_t now_ns);
/* A named person confirms at the console, or ends the escalation. errors MMR_ENOENT; MMR_EINVAL no name */
int mmr_outlet_confirm(struct mmr_outlet *o, uint64_t id, const char *who, int64_t now_ns, struct mmr_error *err);
int mmr_outlet_close(struct mmr_outlet *o, uint64_t id, const char *who, bool is_withdrawn, int64_t now_ns, struct mmr_error *err);
/* A harmless message by every channel of every contact (contact: of that one). Returns how many went out, or MMR_ENOENT. */
int mmr_outlet_test(struct mmr_outlet *o, const char *contact, int64_t now_ns, struct mmr_error *err);

/* {"configured", "problem", "contacts": […], "open": […], "tests": […]} for status; returned, json_object_put(). */
struct json_object;
struct json_object *mmr_outlet_json(const struct mmr_outlet *o, int64_t now_ns);
struct json_object *mmr_outlet_tests_json(const struct mmr_outlet *o);

struct mmr_deadline *mmr_outlet_book(struct mmr_outlet *o);

#endif
