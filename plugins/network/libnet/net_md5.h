/* net_md5.h - MD5 (RFC 1321), only because JA3 fingerprints are defined with it. No security rests on it. */
#ifndef MMR_NET_MD5_H
#define MMR_NET_MD5_H

#include <stddef.h>
#include <stdint.h>

void net_md5(const uint8_t *p, size_t n, uint8_t ret[16]);
/* Lower-case hex of n bytes; buf has 2 n + 1. */
void net_hex(const uint8_t *p, size_t n, char *buf);

#endif
