/* sandbox.h - gives away what a plugin host does not need, before any plugin code runs. One way only. */
#ifndef MMR_PLUGIN_SANDBOX_H
#define MMR_PLUGIN_SANDBOX_H

#include <mamori/plugin.h>

#include <stdbool.h>

struct mmr_sandbox {
    uint32_t needs;         /* enum mmr_need that stay */
    uint32_t uid, gid;      /* 0: keep */
    uint32_t group;         /* a further group, that of all plugin hosts; 0: none */
    int64_t memory_bytes;   /* address space limit follows from it; 0: none */
    const char *const *reads, *const *writes; /* files and folders it may open besides what every program needs, each a
                                               * NULL-terminated list or NULL; those that are not there are left out */
    const char *const *execs; /* files and folders it may execute from, beside what its needs say; NULL: none */
    int exec_fd;            /* execveat() of this descriptor stays allowed: it will become that program; 0: none */
    bool is_host;           /* what others wait for runs before ordinary programs (ahead.h), which takes SIGXCPU; not in a check */
};
struct mmr_sandbox_report { /* what is in force, for status */
    int landlock;           /* version of the kernel's interface that confines files and TCP; 0: not in force */
    char no_landlock[120];  /* why not; "" it is */
};

/*
 * mmr_sandbox_enter - no new privileges, no core dumps, limits, another user, capabilities of `needs` only, files and TCP
 * confined by Landlock where the kernel has it, and a system call filter that refuses what these needs do not ask for.
 * Call it before a second thread exists. A second call may only take more away.
 *
 * ret     may be NULL
 * errors  MMR_EPERM, MMR_EIO naming the step
 */
int mmr_sandbox_enter(const struct mmr_sandbox *s, struct mmr_sandbox_report *ret, struct mmr_error *err);
/*
 * For the brain and the agent: capabilities of files and low ports stay, everything else and the calls no part of mamori
 * makes go. errors as above
 */
int mmr_sandbox_core(struct mmr_error *err);
/* Die with the parent; true if the parent is still there. */
int mmr_sandbox_die_with_parent(struct mmr_error *err);

/* ---- its steps, each in a file of its own ---- */

/* sandbox_calls.c: exec_fd: see above; is_core: the filter of mmr_sandbox_core(). errors MMR_EIO */
int mmr_sandbox_filter(uint32_t needs, int exec_fd, bool is_core, struct mmr_error *err);
/* sandbox_paths.c: what cannot be done is a reason in ret, no error. */
void mmr_sandbox_confine(const struct mmr_sandbox *s, struct mmr_sandbox_report *ret);

/* A sanitizer's shadow takes terabytes of addresses, its leak check traces the process at its end. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { MMR_IS_SANITIZED = 1 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { MMR_IS_SANITIZED = 1 };
#else
enum { MMR_IS_SANITIZED = 0 };
#endif
#else
enum { MMR_IS_SANITIZED = 0 };
#endif

#endif
