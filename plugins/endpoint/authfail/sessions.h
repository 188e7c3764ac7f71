/*
 * sessions.h - what sshd said earlier of the same connection. Several of its lines name no client ("Too many authentication
 * failures"), and a password that PAM refused is judged by what follows: the same person who then gets in mistyped it, another
 * account tried did not. A table of fixed size, by machine and process id; a connection without a word for SECONDS is forgotten.
 */
#ifndef MMR_AUTHFAIL_SESSIONS_H
#define MMR_AUTHFAIL_SESSIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "outev.h"

enum { MMR_SSH_SECONDS = 180 }; /* sshd itself gives a log-in 120 */

struct mmr_ssh_session {
    uint64_t key;    /* 0: free */
    int64_t last_ns;
    char host[64];   /* address or name of the client; "": not said yet */
    char user[64];   /* account whose password PAM refused, not judged yet; cut */
    bool is_pending; /* user is */
    uint8_t reserved[7];
};
struct mmr_ssh_sessions;

struct mmr_ssh_sessions *mmr_ssh_sessions_new(void); /* NULL: no memory */
void mmr_ssh_sessions_free(struct mmr_ssh_sessions *s);
/* The one of this key (not 0), made if is_new; what it knew is gone where it was silent too long. NULL only without is_new. */
struct mmr_ssh_session *mmr_ssh_session_get(struct mmr_ssh_sessions *s, uint64_t key, int64_t now_ns, bool is_new);
void mmr_ssh_session_end(struct mmr_ssh_session *e); /* NULL is fine */
/* Keep a text in one of the fields; one that does not fit leaves it empty. */
void mmr_ssh_session_keep(char field[64], struct mmr_slice text);

#endif
