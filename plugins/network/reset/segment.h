/* segment.h - one bare TCP segment (no data, no options) as bytes with its IP header. */
#ifndef MMR_RESET_SEGMENT_H
#define MMR_RESET_SEGMENT_H

#include <mamori/net.h>

#include <stddef.h>
#include <stdint.h>

enum { RESET_SEGMENT_MAX = 40 + 20 };
struct reset_segment {
    struct mmr_addr src, dst; /* both IPv4-mapped, or both IPv6 */
    uint16_t src_port, dst_port;
    uint32_t seq, ack;
    uint8_t flags;           /* NET_TCP_* */
    uint16_t window, urgent; /* of a reset nobody reads them: our mark (cut.h) */
};

/*
 * reset_segment_write - the segment as it goes out: IP header, TCP header, checksums.
 *
 * buf      RESET_SEGMENT_MAX bytes
 * returns  bytes written: 40 (IPv4) or 60 (IPv6)
 * source   RFC 9293 section 3.1, RFC 791, RFC 8200 section 8.1 (pseudo header)
 */
size_t reset_segment_write(const struct reset_segment *s, uint8_t *buf);

#endif
