/*
 * listeners.h - analyzers that are programs. One in a shared object reads what its own host emits; a program has no host to share, so
 * the core hands it the events of this machine it subscribes to, over the local bus, as they come: at most once, and when it does not
 * keep up they are left out and counted. [loop]
 */
#ifndef MMR_BRAIN_LISTENERS_H
#define MMR_BRAIN_LISTENERS_H

#include "brain/roster.h"

/* Tell a host (MMR_LOCAL_SLOTS_MAX: every one that is connected) which kinds are read here besides what is sent anyway.
 * more: further kinds, one a line, or "". */
void mmr_listeners_tell(const struct mmr_roster *r, struct mmr_local_server *srv, uint32_t slot, const char *more);

/*
 * mmr_listeners_event - hand a stamped event to the programs that read its kind. Never to who emitted it; and what one of them
 * emits goes to none of them, so that two cannot keep each other busy.
 *
 * from    who emitted it: slot and index
 * view    scratch of the caller
 */
void mmr_listeners_event(struct mmr_roster *r, struct mmr_local_server *srv, uint32_t slot, uint32_t index, const void *stamped, size_t len,
                         struct mmr_event_view *view);

#endif
