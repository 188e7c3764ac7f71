/*
 * notices.h - the notices of the live brain: the configuration's contacts and channels, the machine's clocks, the store and
 * the plugin hosts on one side, the pure outlet (core/notify) on the other. One for a brain; everything is [loop].
 */
#ifndef MMR_BRAIN_NOTICES_H
#define MMR_BRAIN_NOTICES_H

#include "config/config.h"
#include "notify/outlet.h"

struct mmr_live;
struct mmr_notices;
struct json_object;

/* What the configuration says of contacts, channels and words. ret is filled; errors MMR_ECONFIG */
int mmr_notices_config(const struct mmr_config *c, struct mmr_outlet_config *ret, struct mmr_error *err);

/* After the store is open and before incidents are restored; nothing goes out before the first commit. */
int mmr_notices_new(struct mmr_live *l, struct mmr_notices **ret, struct mmr_error *err);
void mmr_notices_free(struct mmr_notices *n); /* accepts NULL */
/* After the pipeline has its incidents back: those that are severe and open are told if they were not. */
void mmr_notices_restored(struct mmr_notices *n);

void mmr_notices_incident(struct mmr_notices *n, const struct mmr_incident *i, unsigned change);
void mmr_notices_tick(struct mmr_notices *n);      /* into the open batch */
void mmr_notices_committed(struct mmr_notices *n); /* what is durable goes out */
/* The store refuses for so long that waiting for it would cost the hour: what is planned goes out all the same. */
void mmr_notices_despite(struct mmr_notices *n);
int64_t mmr_notices_wait_ns(const struct mmr_notices *n); /* until the next tick is due */

/* A forwarder's answer; false: the number is none of a notice. */
bool mmr_notices_answer(struct mmr_notices *n, uint64_t number, int level, bool is_busy, int64_t at_ns, const char *detail);
/* An event "notice.answer" of the plugins 'answers' and 'mailbox': unmapped.token, unmapped.level, unmapped.who. */
void mmr_notices_event(struct mmr_notices *n, const struct mmr_event_view *v);

/*
 * Over the control socket; args is JSON text. Returns the status of the answer in o, or -1: not a command of notices.
 *   notice.test     {"contact": "owner"} or {}: {"sent": N}
 *   notice.state    {"tests": […]}, as in status
 *   notice.confirm  {"id": "16 hex digits", "by": "name"}
 *   notice.close    {"id", "by", "withdrawn": false}
 */
int mmr_notices_request(struct mmr_notices *n, const char *command, const char *args, struct json_object *o);
void mmr_notices_token_for(const struct mmr_notices *n, const char *what, const char *key, char buf[MMR_TOKEN_MAX]); /* as mmr_outlet_token_for() */
const struct mmr_outlet_config *mmr_notices_outlet_config(const struct mmr_notices *n);
struct json_object *mmr_notices_json(const struct mmr_notices *n); /* for status; json_object_put() */

#endif
