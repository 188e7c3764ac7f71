/*
 * ports.h - rules found by a port of the packet: those without a literal that is worth a search, whose header names few ports. A packet
 * of other ports never sees them.
 */
#ifndef MMR_RULES_PORTS_H
#define MMR_RULES_PORTS_H

#include <rules/rule.h>

enum { PORTS_FEW = 256 }; /* a header that names more ports than that is no way to find its rule */

/* The side of the header that leads to the rule: 0 source, 1 destination, -1 neither names few ports. */
int mmr_ports_side(const struct rule *r);
/* Rule number i under its ports; rules come in rising order. errors MMR_ENOMEM */
int mmr_ports_add(struct port_index *x, const struct rule *r, uint32_t i);
void mmr_ports_done(struct port_index *x);
/* The rules of a port of one side; NULL: none. */
const struct rule_list *mmr_ports_find(const struct port_index *x, unsigned side, uint16_t port);

#endif
