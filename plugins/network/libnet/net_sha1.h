/* net_sha1.h - SHA-1, for the fingerprints that are written in it; not for anything that must resist an attacker. */
#ifndef MMR_NET_SHA1_H
#define MMR_NET_SHA1_H

#include <stddef.h>
#include <stdint.h>

void net_sha1(const uint8_t *p, size_t n, uint8_t ret[20]);

#endif
