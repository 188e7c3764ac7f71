/*
 * site.h - mamori on the lab's machines: configuration drop-ins, keys placed by hand, one `mamori run` a machine, and
 * what it says of itself.
 */
#ifndef MMR_DEMO_SITE_H
#define MMR_DEMO_SITE_H

#include "demo/lab.h"

struct mmr_site_plan { /* what the acts differ in */
    const char *name;        /* "a": names the folders of state */
    bool does_gateway_block; /* inline-gateway; else passive-tap */
    bool do_endpoints_block; /* the PCs' contain acts; else they only detect */
};
struct mmr_site_node {
    struct mmr_machine *m;
    char state[MMR_LAB_PATH + 32], run[MMR_LAB_PATH + 32], conf[MMR_LAB_PATH + 32];
    pid_t pid;
    uint32_t starts;
};
enum { MMR_SITE_NODES = 3 };
struct mmr_site {
    struct mmr_lab *lab;
    struct mmr_site_plan plan;
    struct mmr_site_node node[MMR_SITE_NODES]; /* gateway (the hub), pc1, pc2 */
};

int mmr_site_start(struct mmr_lab *lab, const struct mmr_site_plan *plan, struct mmr_site *ret, struct mmr_error *err);
/* Until every part of every node runs and both PCs are joined. errors MMR_EIO with what is missing */
int mmr_site_await(struct mmr_site *s, int64_t timeout_ms, struct mmr_error *err);
void mmr_site_stop(struct mmr_site *s);
/* A supervisor that was killed is started again; returns how many were. */
unsigned mmr_site_mend(struct mmr_site *s);
/* Processes of a node: the supervisor ("run"), and what it says it runs ("brain", "agent", names of plugin hosts). */
struct mmr_site_process {
    pid_t pid;
    char machine[16], name[40];
};
size_t mmr_site_processes(const struct mmr_site *s, size_t node, struct mmr_site_process *ret, size_t cap);

#endif
