/*
 * cgroup.h - a ceiling of memory that the kernel holds, for each plugin host: the supervisor looks twice a second, and much can be
 * taken in between. Both versions of control groups; where neither can be used the reason is kept, and nothing else changes.
 */
#ifndef MMR_PLUGIN_CGROUP_H
#define MMR_PLUGIN_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct mmr_cgroup {
    char dir[1024]; /* below which each host gets a group; "" there is none */
    bool is_v2;
    char why[160];  /* why there is none */
};

/*
 * root  "/sys/fs/cgroup"; own: the text of /proc/self/cgroup
 * On version 2 the service's group must have been given to it (Delegate=yes of its unit): this process moves into a group of
 * its own below, as the kernel asks.
 */
void mmr_cgroup_open(struct mmr_cgroup *g, const char *root, const char *own);
/* Put a process under a ceiling; false: it could not be. name: the host's, a plain word. */
bool mmr_cgroup_put(const struct mmr_cgroup *g, const char *name, pid_t pid, int64_t bytes);
/* Did the kernel end a process of this group for its memory? Then take the group away. */
bool mmr_cgroup_end(const struct mmr_cgroup *g, const char *name);
void mmr_cgroup_close(const struct mmr_cgroup *g);

#endif
