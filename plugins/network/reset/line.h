/* line.h - the plugin's hold on the wire: packets of a few machines come in from the mirror, bare segments go out by the routing table. */
#ifndef MMR_RESET_LINE_H
#define MMR_RESET_LINE_H

#include "segment.h"

#include <mamori/plugin.h>

enum { RESET_LINE_INPUTS = 8, RESET_LINE_ADDRS = 32 };
struct reset_line_config { /* borrowed as long as the line lives */
    struct mmr_strv interfaces; /* where the mirrored traffic arrives; "any": all of this machine */
    const char *send_by;        /* interface that segments leave by; "": the routing table decides */
};
struct reset_line;
typedef void (*reset_line_packet)(void *ctx, const struct mmr_packet *p);

/* errors MMR_EPERM no packet sockets, MMR_ECONFIG too many interfaces or no such one to send by, MMR_ENOMEM */
int reset_line_new(const struct mmr_host *host, const struct reset_line_config *cfg, struct reset_line **ret, struct mmr_error *err);
void reset_line_free(struct reset_line *l); /* accepts NULL */
/*
 * reset_line_listen - from now on TCP packets of these machines come in; before, nothing is captured.
 *
 * addr, n  up to RESET_LINE_ADDRS; 0: stop
 * errors   MMR_EIO an interface cannot be read: what is readable is read, and it is an error when none is
 */
int reset_line_listen(struct reset_line *l, const struct mmr_addr *addr, size_t n, struct mmr_error *err);
void reset_line_readable(struct reset_line *l, uint64_t cookie, reset_line_packet packet, void *ctx); /* on_fd */
/* errors MMR_EIO in words of the system */
int reset_line_send(struct reset_line *l, const struct reset_segment *s, struct mmr_error *err);

#endif
