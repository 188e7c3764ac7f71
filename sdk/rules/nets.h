/* nets.h - address and port lists of a rule's header: variables, lists in lists, negation. */
#ifndef MMR_RULES_NETS_H
#define MMR_RULES_NETS_H

#include <rules/rules.h>

#include <rules/arena.h>

struct addr_range { struct mmr_addr lo, hi; };
struct addr_set { /* sorted, disjoint */
    uint32_t n;
    bool is_any;
    struct addr_range r[];
};
struct port_range { uint16_t lo, hi; };
struct port_set {
    uint32_t n;
    bool is_any;
    struct port_range r[];
};

struct vars; /* the variables, and the sets already made (equal texts share one) */
int mmr_vars_new(const struct mmr_rules_config *cfg, struct arena *a, struct vars **ret, struct mmr_error *err);
void mmr_vars_free(struct vars *v);
/* text: "any", "$HOME_NET", "!192.0.2.0/24", "[192.0.2.1,!$X]", "192.0.2.1-192.0.2.9".
 * errors MMR_EINVAL, naming the text and the fault */
int mmr_vars_addrs(struct vars *v, const char *text, size_t len, const struct addr_set **ret, struct mmr_error *err);
int mmr_vars_ports(struct vars *v, const char *text, size_t len, const struct port_set **ret, struct mmr_error *err);

bool mmr_addr_set_has(const struct addr_set *s, const struct mmr_addr *a);
enum { ADDR_NARROW = 1 << 20 }; /* a list of single machines and small networks holds fewer addresses than this */
bool mmr_addr_set_is_narrow(const struct addr_set *s);
/* All addresses of n sets as one set, in the arena. errors MMR_ENOMEM */
int mmr_addr_set_unite(struct arena *a, const struct addr_set *const *sets, uint32_t n, const struct addr_set **ret);
bool mmr_port_set_has(const struct port_set *s, uint16_t port);

#endif
