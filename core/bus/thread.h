/*
 * thread.h - the bus thread: the one thread of a process that owns its ZeroMQ context and every socket.
 *
 * The loop thread (libevent) never touches a socket. It watches mmr_bus_fd() for reading, level-triggered,
 * and calls mmr_bus_drain(), from which all callbacks of local.h and site.h come. Messages cross through two
 * bounded rings; when the ring to the loop is full the bus thread stops receiving, and senders feel it.
 * [loop]: the thread that made the bus, always the same. [bus]: the bus thread.
 */
#ifndef MMR_BUS_THREAD_H
#define MMR_BUS_THREAD_H

#include <mamori/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mmr_bus;

/* One per process (libzmq 4.3.4: one context per process). Starts the thread. Do not fork() without exec afterwards.
 * errors MMR_EIO, MMR_ENOMEM */
int mmr_bus_new(struct mmr_bus **ret_bus, struct mmr_error *err);
/* Stops the thread and closes all sockets (LINGER 0); free the parts (servers, clients, hubs, nodes) first. */
void mmr_bus_free(struct mmr_bus *bus);

int mmr_bus_fd(const struct mmr_bus *bus); /* watch for EV_READ | EV_PERSIST; not to be read by the caller */

enum { MMR_BUS_DRAIN_MAX = 256, MMR_BUS_DRAIN_MS = 4 };
/*
 * mmr_bus_drain - [loop] call the callbacks of what arrived: at most MMR_BUS_DRAIN_MAX messages or
 * MMR_BUS_DRAIN_MS, then it leaves the descriptor readable if there is more, so timers are served between.
 * Not to be called from inside a callback. Returns how many messages it handled.
 */
size_t mmr_bus_drain(struct mmr_bus *bus);

/* [loop] wait up to timeout_ms (-1: for ever) for the descriptor and drain once: for tests, tools and the
 * last moments of a process. Returns as mmr_bus_drain(). */
size_t mmr_bus_wait(struct mmr_bus *bus, int timeout_ms);

#endif
