/* addr.h - IP addresses and networks as plain values. IPv4 is kept as IPv4-mapped IPv6. */
#ifndef MMR_UTIL_ADDR_H
#define MMR_UTIL_ADDR_H

#include <mamori/error.h>
#include <mamori/net.h>

#include <stdbool.h>
#include <stddef.h>

enum { MMR_ADDR_TEXT_MAX = 46 }; /* INET6_ADDRSTRLEN */

struct mmr_cidr {
    struct mmr_addr addr;
    uint8_t bits; /* 0 to 128, counted on the mapped form (an IPv4 /24 is 120) */
};

bool mmr_addr_parse(const char *text, size_t len, struct mmr_addr *ret_addr); /* IPv4, IPv6, mapped */
void mmr_addr_format(const struct mmr_addr *a, char buf[MMR_ADDR_TEXT_MAX]);  /* mapped prints as IPv4 */
bool mmr_addr_is_set(const struct mmr_addr *a);
bool mmr_addr_is_v4(const struct mmr_addr *a);
bool mmr_addr_equal(const struct mmr_addr *a, const struct mmr_addr *b);
bool mmr_addr_is_private(const struct mmr_addr *a);   /* RFC 1918, fc00::/7 */
bool mmr_addr_is_loopback(const struct mmr_addr *a);
bool mmr_addr_is_multicast(const struct mmr_addr *a); /* multicast or limited broadcast */
bool mmr_addr_is_linklocal(const struct mmr_addr *a);
/* "192.0.2.0/24", "2001:db8::/32" or a single address. errors MMR_EINVAL, naming the text */
int mmr_cidr_parse(const char *text, struct mmr_cidr *ret_net, struct mmr_error *err);
void mmr_cidr_format(const struct mmr_cidr *n, char buf[MMR_ADDR_TEXT_MAX + 4]);
bool mmr_cidr_has(const struct mmr_cidr *net, const struct mmr_addr *a);

#endif
