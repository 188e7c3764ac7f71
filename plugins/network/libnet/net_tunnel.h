/*
 * net_tunnel.h - the packet that a packet carries: IP in IP, 6in4, GRE (with ERSPAN and PPTP), VXLAN,
 * Geneve, Teredo. Bytes come from the wire; none is trusted.
 */
#ifndef MMR_NET_TUNNEL_H
#define MMR_NET_TUNNEL_H

#include <mamori/net.h>

enum { NET_TUNNELS_MAX = 4 }; /* one inside the other; deeper nesting is an attack on decoders */

/*
 * net_tunnel - is there a whole frame inside?
 *
 * p          decoded; its frame and payload are borrowed
 * ret        a frame of p's time and number over the inner bytes, with their link type
 * returns    false: no tunnel, or its header lies; ret means nothing then
 */
bool net_tunnel(const struct mmr_packet *p, struct mmr_frame *ret);

#endif
