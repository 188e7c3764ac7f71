/*
 * gate.h - the last gate of an endpoint: every order of the hub passes it before a responder sees it. It
 * trusts the hub's signature for who asked, and nothing about what was asked.
 */
#ifndef MMR_BRAIN_GATE_H
#define MMR_BRAIN_GATE_H

#include "brain/setup.h"
#include "defend/rails.h"

#include <mamori/plugin.h>

struct mmr_gate;

enum { MMR_GATE_WHY = 200 };

/*
 * mmr_gate_new - from the configuration: never-block list, gateways, name servers, ceilings; the hub's address.
 *
 * setup     borrowed for the call
 * hub       "tcp://ADDRESS:PORT"; a name is looked up once
 * hostname  this machine's, as in events
 */
int mmr_gate_new(const struct mmr_setup *setup, const char *hub, const char *hostname, struct mmr_gate **ret,
                 struct mmr_error *err);
void mmr_gate_free(struct mmr_gate *g); /* accepts NULL */

/* Read this machine's addresses, default routes and name servers again: they change while it runs. */
void mmr_gate_refresh(struct mmr_gate *g);

/*
 * mmr_target_decode - the map of an order (mamori/action.h) as a target.
 *
 * errors  MMR_EBADMSG the map, or a value that is no address or is too long to be judged whole
 */
int mmr_target_decode(enum mmr_verb verb, const void *msgpack, size_t len, struct mmr_target *ret, struct mmr_error *err);

/*
 * mmr_gate_take - may this machine do it? Counts it against the ceilings when it is a new act.
 *
 * flags    MMR_ACT_*: to take back or to read back is never refused; to renew or to rehearse is held to the list alone
 * ret_why  MMR_GATE_WHY bytes: the reason of a refusal, one line
 * errors   as mmr_rails_check()
 */
int mmr_gate_take(struct mmr_gate *g, enum mmr_verb verb, const struct mmr_target *t, uint32_t flags, int64_t now_ns,
                  char *ret_why);
/* As mmr_rails_report(). */
void mmr_gate_report(struct mmr_gate *g, enum mmr_verb verb, const struct mmr_target *t, enum mmr_result result,
                     bool is_over, int64_t now_ns);

#endif
