/*
 * uplink.h - inside the brain: the way to the provider's collector. An outlet like a forwarder, but in the core, because it is the site
 * link once more: CURVE with pinned keys, numbers, acknowledgement after the other end's commit.
 *
 * The outbox is the spool: a row is handed over when it is committed here, severe ones first and in a lane of their own, and is
 * done when the collector has committed it. The collector may be at one of several addresses (upstream.also). A brain that starts again sends what was not acknowledged under a new epoch; the
 * collector knows a record by its content.
 */
#ifndef MMR_BRAIN_UPLINK_H
#define MMR_BRAIN_UPLINK_H

#include <mamori/error.h>

#include <stdbool.h>
#include <stdint.h>

#define MMR_UPLINK_DIR "upstream" /* below the state folder: this site's keys for it, and the collector's */
#define MMR_UPLINK_FORWARDER "@upstream" /* its name in the outbox */

struct json_object;
struct mmr_live;
struct mmr_uplink;

/* If the configuration has upstream.collector and it can be opened; else NULL. Why not is logged: an office is defended without its
 * provider, too, and rows wait for the collector whatever is wrong here. */
struct mmr_uplink *mmr_uplink_open(struct mmr_live *l);
void mmr_uplink_close(struct mmr_uplink *u); /* accepts NULL; before the bus is freed */
void mmr_uplink_offer(struct mmr_uplink *u); /* committed rows that are due; accepts NULL */
/* Every two seconds: another address when there was no answer for long, and the link opened anew when it is due; accepts NULL. */
void mmr_uplink_tick(struct mmr_uplink *u);
/* upstream.rotate {}: new keys of this end, {"keys": fingerprint, "connected": bool}. false: another command. u may be NULL. */
bool mmr_uplink_request(struct mmr_uplink *u, const char *command, struct json_object *o, int *ret_status);
const char *mmr_uplink_address(const struct mmr_uplink *u, const char *none); /* in use, or tried; none where u is NULL */
bool mmr_uplink_is_up(const struct mmr_uplink *u, int64_t *ret_since_mono_ns); /* accepts NULL: not */

#endif
