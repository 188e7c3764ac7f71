/*
 * process.h - ends a process known by its fingerprint, never by a bare pid: the pid is pinned by a pidfd,
 * then start time (and executable) are compared, then the pidfd is signalled; death is proved by the
 * pidfd becoming readable.
 */
#ifndef MMR_CONTAIN_PROCESS_H
#define MMR_CONTAIN_PROCESS_H

#include <mamori/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum mmr_scope { MMR_SCOPE_HOST = 0, MMR_SCOPE_CGROUP, MMR_SCOPE_NETNS };
bool mmr_scope_parse(const char *text, enum mmr_scope *ret);
/* Is this process within our scope (same network namespace or cgroup as ourselves)? */
bool mmr_scope_has(enum mmr_scope scope, pid_t pid);

struct mmr_fingerprint {
    int64_t pid, start_ticks; /* start_ticks 0: not known, then exe must be */
    const char *exe;          /* NULL: not compared */
};
enum { MMR_KILL_MAX = 512 };
struct mmr_kill { /* what must be dead for the proof */
    int fd[MMR_KILL_MAX];
    uint32_t n;
    char what[128]; /* "bash (pid 17) and 3 below it" */
};

/*
 * mmr_process_pin - open the process (and with is_tree everything below it) if it still is the one meant.
 *
 * errors  MMR_ENOENT it is gone (or its pid is another's by now): nothing is left to do;
 *         MMR_EPERM it must not be touched, and why: pid 1, this service, outside the scope, on the list
 *         `never` of executable names
 */
int mmr_process_pin(const struct mmr_fingerprint *f, bool is_tree, enum mmr_scope scope, const char *const *never,
                    size_t n_never, struct mmr_kill *ret, struct mmr_error *err);
int mmr_process_signal(const struct mmr_kill *k, int sig); /* all; 0 or errno of the first that failed (not ESRCH) */
bool mmr_process_is_dead(struct mmr_kill *k);             /* closes the descriptors of the dead */
/* It, and with is_tree what descends from it, in state T in /proc/PID/stat. A process that is gone does nothing either. */
bool mmr_process_is_stopped(const struct mmr_fingerprint *f, bool is_tree);
/* Signal every process of this account within the scope, but ourselves; how many. For ending sessions. */
uint32_t mmr_process_signal_user(uid_t uid, enum mmr_scope scope, int sig);
void mmr_process_release(struct mmr_kill *k);
int64_t mmr_process_start_ticks(pid_t pid); /* field 22 of /proc/PID/stat; -1: gone */

#endif
