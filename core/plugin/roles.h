/*
 * roles.h - what the supervisor tells the brain (or the agent) over its control channel, and back: types of our
 * own above MMR_MSG_OWN. Maps are flat; both ends are the same executable.
 */
#ifndef MMR_PLUGIN_ROLES_H
#define MMR_PLUGIN_ROLES_H

#include "plugin/supervise.h"

enum mmr_tell {
    /* supervisor -> role, at each start, then as things change */
    MMR_TELL_CONFIG = MMR_MSG_OWN, /* [dir]: the site's configuration folder; over: text laid over it */
    MMR_TELL_SLOT,     /* slot, host, endpoint; tail: the start-up secret */
    MMR_TELL_INSTANCE, /* slot, index, name, plugin, version, side, caps, roles, actions (space separated), dry_run, events */
    MMR_TELL_DOWN,     /* slot: its process ended */
    MMR_TELL_FACT,     /* tail: an event of the core itself (sensor.lost, …), not stamped */
    MMR_TELL_REQUEST,  /* id, command, [text]: asked over the control socket */
    MMR_TELL_LISTEN,   /* listen, open: where the role `measure` serves */
    MMR_TELL_MEASURED, /* more (0: the last part); tail: part of the status' JSON, none: it cannot be told */
    /* role -> supervisor */
    MMR_TELL_MISBEHAVED = MMR_MSG_OWN + 33, /* slot; tail: what broke the bus protocol, one line */
    MMR_TELL_MEASURE = MMR_MSG_OWN + 34, /* somebody asks for measurements */
    MMR_TELL_ANSWER = MMR_MSG_OWN + 32, /* id, more (0: the last part), status; tail: part of the JSON */
};

/* Answer a MMR_TELL_REQUEST: json is cut into parts that fit a message. */
void mmr_tell_answer(struct mmr_tether *t, int64_t id, int status, const char *json);

/* A plugin host broke the bus protocol; the supervisor decides. */
void mmr_tell_misbehaved(struct mmr_tether *t, uint32_t slot, const char *what);

#endif
