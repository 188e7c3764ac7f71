/*
 * resolve.h - who is who: addresses to hosts, connections to processes, processes to parents, logons to
 * where they came from, names to addresses; and what is inside, what serves everybody. Learnt from
 * telemetry in any order, bounded, oldest forgotten first and counted. It trusts no text it is given.
 */
#ifndef MMR_ENTITY_RESOLVE_H
#define MMR_ENTITY_RESOLVE_H

#include "entity/entity.h"
#include "entity/offset.h"

struct mmr_asset { /* from --assets or configuration; borrowed at creation, copied */
    const char *name;
    struct mmr_addr addr[4]; /* unset after the last */
    const char *role;        /* router, gateway, domain-controller, dns, dhcp, proxy, server, client, …; or NULL */
    bool is_important;       /* important_info yes or unknown */
};

enum mmr_infra { /* serves everybody, so sharing it joins nothing; a set of bits */
    MMR_INFRA_ROUTER = 1 << 0, MMR_INFRA_DNS = 1 << 1, MMR_INFRA_DC = 1 << 2, MMR_INFRA_OTHER = 1 << 3,
};

struct mmr_resolve_config {
    const struct mmr_cidr *home;
    size_t n_home; /* 0: the private ranges */
    const struct mmr_asset *assets;
    size_t n_assets;
    uint32_t max_conns, max_processes, max_addrs, max_names, max_sessions; /* 0: defaults */
};

struct mmr_conn_owner { /* one end of a connection, as that machine's endpoint side reported it */
    char host[MMR_HOST_NAME_MAX]; /* normalised; "" none */
    char process[80];             /* identity on that host; "" unknown */
    char name[40];                /* of the process */
    int64_t pid, start_ticks, time_ns;
};
struct mmr_seen_conn { /* one connection, from whichever side saw it */
    struct mmr_conn conn;
    int64_t network_ns; /* first seen by the network side; 0: not yet */
    struct mmr_conn_owner owner[2]; /* both machines may run an agent */
    struct mmr_key next_of_pair; /* older connection between the same addresses */
};
struct mmr_seen_process {
    char host[MMR_HOST_NAME_MAX], parent[80], name[64], parent_name[64];
    char path[192];
    int64_t pid, time_ns;
};

struct mmr_resolve;
int mmr_resolve_new(const struct mmr_resolve_config *c, struct mmr_resolve **ret, struct mmr_error *err);
void mmr_resolve_free(struct mmr_resolve *r);

enum { /* what a piece of telemetry taught; bits of mmr_learnt.what */
    MMR_LEARNT_CONN = 1 << 0,    /* connection now has an endpoint owner */
    MMR_LEARNT_PROCESS = 1 << 2, /* process now has a parent */
    MMR_LEARNT_ADDR = 1 << 3,    /* address now has a host */
    MMR_LEARNT_SESSION = 1 << 4, /* logon now has an origin */
    MMR_LEARNT_OFFSET = 1 << 5,  /* the clock estimate of this host moved */
};
struct mmr_learnt {
    unsigned what;
    struct mmr_conn conn;
    struct mmr_addr addr, from;
    char host[MMR_HOST_NAME_MAX], process[80], session[64];
};
/* Learn from any event, finding or telemetry. errors MMR_ENOMEM */
int mmr_resolve_learn(struct mmr_resolve *r, const struct mmr_finding *f, struct mmr_learnt *ret,
                      struct mmr_error *err);

bool mmr_resolve_is_inside(const struct mmr_resolve *r, const struct mmr_addr *a);
/* The normalised name of the host that has this address, or NULL. */
const char *mmr_resolve_host(const struct mmr_resolve *r, const struct mmr_addr *a);
/* The name as it was first given (for people), or the normalised name itself. */
const char *mmr_resolve_display(const struct mmr_resolve *r, const char *host);
size_t mmr_resolve_addrs(const struct mmr_resolve *r, const char *host, struct mmr_addr *ret, size_t cap);
bool mmr_resolve_is_important(const struct mmr_resolve *r, const char *host);
/* Declared by asset; what telemetry suggests (who answers DNS, Kerberos) as well when is_learnt_too. */
unsigned mmr_resolve_infra(const struct mmr_resolve *r, const struct mmr_addr *a, bool is_learnt_too);
unsigned mmr_resolve_host_infra(const struct mmr_resolve *r, const char *host);
/* Addresses that must never be denied: routers, DNS and time servers in use, domain controllers. */
size_t mmr_resolve_infra_list(const struct mmr_resolve *r, struct mmr_addr *ret, size_t cap);

const struct mmr_seen_conn *mmr_resolve_conn(const struct mmr_resolve *r, const struct mmr_conn *c);
/* Connections between two addresses, newest first: start with it = NULL. */
const struct mmr_seen_conn *mmr_resolve_pair_next(const struct mmr_resolve *r, const struct mmr_addr *a,
                                                  const struct mmr_addr *b, const struct mmr_seen_conn *it);
const struct mmr_seen_process *mmr_resolve_process(const struct mmr_resolve *r, const char *host,
                                                   const char *identity);
/* Where a logon came from; false if not known. */
bool mmr_resolve_session(const struct mmr_resolve *r, const char *host, const char *session,
                         struct mmr_addr *ret_from);
/* A name that resolved to this address, or NULL. */
const char *mmr_resolve_name(const struct mmr_resolve *r, const struct mmr_addr *a);

/* The clock source of a finding (its host, else its node or input) and the estimate for it. */
int64_t mmr_resolve_clock(const struct mmr_resolve *r, const struct mmr_finding *f);
uint64_t mmr_resolve_evicted(const struct mmr_resolve *r);

#endif
