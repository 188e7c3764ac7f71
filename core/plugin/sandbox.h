/* sandbox.h - gives away what a plugin host does not need, before any plugin code runs. One way only. */
#ifndef MMR_PLUGIN_SANDBOX_H
#define MMR_PLUGIN_SANDBOX_H

#include <mamori/plugin.h>

struct mmr_sandbox {
    uint32_t needs;         /* enum mmr_need that stay */
    uint32_t uid, gid;      /* 0: keep */
    int64_t memory_bytes;   /* address space limit follows from it; 0: none */
};

/*
 * mmr_sandbox_enter - no new privileges, no core dumps, limits, another user, capabilities of `needs` only, and a
 * system call filter that refuses what no plugin may do. Call it before a second thread exists. A second call may
 * only take more away.
 *
 * errors  MMR_EPERM, MMR_EIO naming the step
 */
int mmr_sandbox_enter(const struct mmr_sandbox *s, struct mmr_error *err);
/* Die with the parent; true if the parent is still there. */
int mmr_sandbox_die_with_parent(struct mmr_error *err);

#endif
