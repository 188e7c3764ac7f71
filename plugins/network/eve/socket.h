/* socket.h - a unix socket that others write lines to: streams from several senders, or datagrams of a line each. */
#ifndef MMR_EVE_SOCKET_H
#define MMR_EVE_SOCKET_H

#include <mamori/plugin.h>

#include "decode.h"

enum { EVE_COOKIE = 100, EVE_SENDERS_MAX = 8 }; /* cookies EVE_COOKIE … EVE_COOKIE + EVE_SENDERS_MAX are its own */
struct eve_socket;

/* errors MMR_ECONFIG a path too long or in use by something that is no socket; MMR_EIO */
int eve_socket_open(const struct mmr_host *host, const char *path, bool is_datagram, const char *group, struct eve_socket **ret,
                    struct mmr_error *err);
void eve_socket_close(struct eve_socket *s); /* accepts NULL */
void eve_socket_readable(struct eve_socket *s, uint64_t cookie);
void eve_socket_room(struct eve_socket *s); /* the bus has room again */
void eve_socket_tick(struct eve_socket *s); /* once in a while: says what was lost */

#endif
