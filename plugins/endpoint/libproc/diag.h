/* diag.h - the kernel's TCP and connected UDP sockets of this network namespace (NETLINK_SOCK_DIAG), for owners and for polling. */
#ifndef MMR_DIAG_H
#define MMR_DIAG_H

#include <stdbool.h>
#include <stdint.h>

#include <mamori/error.h>

struct mmr_diag_sock {
    uint8_t family, state; /* AF_INET, AF_INET6; state: the kernel's TCP numbers */
    uint16_t local_port, remote_port, protocol; /* 6 TCP, 17 UDP */
    uint8_t local[16], remote[16]; /* IPv4 in the first four bytes */
    uint32_t uid, reserved2;
    uint64_t inode, cookie, bytes_out, bytes_in;
};
enum { MMR_DIAG_LISTEN = 1 << 10, MMR_DIAG_LIVE = 1 << 1 | 1 << 2 | 1 << 4 | 1 << 5 | 1 << 8 | 1 << 9 | 1 << 11,
       MMR_DIAG_UDP = 1 << 30 /* by itself: UDP sockets that have a remote end */ };

struct mmr_diag;
int mmr_diag_open(struct mmr_diag **ret, struct mmr_error *err);
void mmr_diag_close(struct mmr_diag *d);
/* Call fn for every socket in one of the states; is_counted: with the bytes it carried (costs more). */
int mmr_diag_dump(struct mmr_diag *d, uint32_t states, bool is_counted, void (*fn)(void *ctx, const struct mmr_diag_sock *s),
                  void *ctx, struct mmr_error *err);

#endif
