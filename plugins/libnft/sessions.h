/*
 * sessions.h - the administrator at work: whose SSH session to this machine was open when the responder started. While
 * such a session is open its far end is never denied, so that who sets mamori up is not cut off by it. A session opened
 * later proves nobody: it may be the attacker's. Administrators' machines belong on the never-block list.
 */
#ifndef MMR_LIBNFT_SESSIONS_H
#define MMR_LIBNFT_SESSIONS_H

#include <mamori/net.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MMR_SESSIONS_MAX = 32, MMR_SESSIONS_PORT = 22 };
struct mmr_sessions {
    struct mmr_addr addr[MMR_SESSIONS_MAX]; /* far ends, each once */
    uint32_t n;
};

/* The far ends of this network namespace's established connections to port 22, from the socket table; none when it cannot be read. */
void mmr_sessions_learn(struct mmr_sessions *ret);
bool mmr_sessions_has(const struct mmr_sessions *s, const struct mmr_addr *a);

#endif
