/* sockets.h - this machine's sockets by inet_diag: who owns a connection, and ending one. */
#ifndef MMR_CONTAIN_SOCKETS_H
#define MMR_CONTAIN_SOCKETS_H

#include <mamori/error.h>
#include <mamori/net.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct mmr_tuple {
    struct mmr_addr a, b; /* either end may be ours */
    uint16_t a_port, b_port; /* 0: any */
    uint8_t proto;           /* IPPROTO_TCP or _UDP */
};

/*
 * mmr_sockets_cut - end every socket of this machine between the two ends (SOCK_DESTROY).
 *
 * ret_cut  how many were ended
 * errors   MMR_EUNSUPPORTED the kernel cannot (CONFIG_INET_DIAG_DESTROY), MMR_EPERM, MMR_EIO
 */
int mmr_sockets_cut(const struct mmr_tuple *t, uint32_t *ret_cut, struct mmr_error *err);
/* How many such sockets are there. */
int mmr_sockets_count(const struct mmr_tuple *t, uint32_t *ret_n, struct mmr_error *err);
/* The process that holds such a socket. errors MMR_ENOENT no such connection, or nobody's */
int mmr_sockets_owner(const struct mmr_tuple *t, pid_t *ret_pid, uid_t *ret_uid, struct mmr_error *err);
/*
 * mmr_sockets_own_peers - the far ends of established TCP connections that processes of our own executable hold: the
 * supervisor, the agent with its hub, the other plugin hosts. Loopback is left out.
 *
 * ret, cap  filled with up to cap addresses, each once; returns how many
 */
enum { MMR_SOCKETS_PEERS_MAX = 64 };
size_t mmr_sockets_own_peers(struct mmr_addr *ret, size_t cap);

#endif
