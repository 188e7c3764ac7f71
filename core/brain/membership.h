/*
 * membership.h - inside the brain: who belongs to the site. It opens the site link with the nodes of the configuration and
 * those that joined, takes new ones by their token, keeps keys as they change, acts on what commands wrote into the list of
 * members, and says when a node falls silent.
 *
 * The hub's own next key: made on request (<state>/node.key.next), told to each node as an order, and used from the moment
 * every approved node has said that it knows it, or at once when a person says so.
 */
#ifndef MMR_BRAIN_MEMBERSHIP_H
#define MMR_BRAIN_MEMBERSHIP_H

#include "bus/site.h"

#include <json-c/json.h>

struct mmr_live;
struct mmr_membership;

/* Hub, join socket and list, if the configuration has site.listen; else *ret is NULL. errors as of the parts */
int mmr_membership_open(struct mmr_live *l, struct mmr_membership **ret, struct mmr_error *err);
void mmr_membership_close(struct mmr_membership *m); /* accepts NULL; frees the hub */
/* Each second or two: changes that commands made, silent nodes, the hub's next key. */
void mmr_membership_tick(struct mmr_membership *m);
void mmr_membership_up(struct mmr_membership *m, const char *node);   /* it said HELLO */
void mmr_membership_gone(struct mmr_membership *m, const char *node, bool is_bye);
/* Somebody speaks with this node's key and not as its mamori would: a finding about that machine, at most one in ten minutes. */
void mmr_membership_misbehaved(struct mmr_membership *m, const char *node, const char *what);
/* A record of the agent itself: MMR_SITE_HUB_KEY, it knows the hub's next key. */
void mmr_membership_record(struct mmr_membership *m, const struct mmr_site_record *r);
/* node.changed, node.rotate {name}, node.rotate_hub {now}: false: another command. */
bool mmr_membership_request(struct mmr_membership *m, const char *command, const char *args, struct json_object *o, int *ret_status);
int mmr_membership_rotate(struct mmr_membership *m, const char *node, const struct mmr_public_keys *next);
void mmr_membership_rotated(struct mmr_membership *m, const char *node);

#endif
