/* sandbox.c - least privilege for plugin hosts: limits, user, capabilities; then files and calls, each in its own file. */
#include "plugin/sandbox.h"

#include "plugin/ahead.h"

#include <sys/capability.h>

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define GIB (INT64_C(1) << 30)

static const struct {
    uint32_t need;
    cap_value_t caps[5];
    int n;
} table[] = {
    {MMR_NEED_CAPTURE, {CAP_NET_RAW}, 1},
    {MMR_NEED_NETFILTER, {CAP_NET_ADMIN}, 1},
    /* PTRACE: reading others' /proc; ptrace() is filtered. SYSLOG: the kernel's messages, /dev/kmsg; syslog() is filtered */
    {MMR_NEED_PROC, {CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, CAP_SYSLOG}, 3},
    {MMR_NEED_FILES_RO, {CAP_DAC_READ_SEARCH}, 1},
    {MMR_NEED_KILL, {CAP_KILL, CAP_NET_ADMIN}, 2}, /* NET_ADMIN: sockets are destroyed over sock_diag */
    {MMR_NEED_BPF, {CAP_BPF, CAP_PERFMON, CAP_SYS_RESOURCE}, 3},
    {MMR_NEED_FANOTIFY, {CAP_SYS_ADMIN, CAP_DAC_READ_SEARCH}, 2},
    {MMR_NEED_FILES_RW, {CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_CHOWN, CAP_LINUX_IMMUTABLE}, 5},
    {MMR_NEED_LISTEN, {CAP_NET_BIND_SERVICE}, 1},
};

static bool is_kept(uint32_t needs, cap_value_t cap)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        for (int j = 0; (table[i].need & needs) && j < table[i].n; j++)
            if (table[i].caps[j] == cap)
                return true;
    return false;
}

int mmr_sandbox_die_with_parent(struct mmr_error *err)
{
    pid_t parent = getppid();
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        return mmr_fail(err, MMR_EIO, "sandbox: parent-death signal: %s", strerror(errno));
    if (getppid() != parent) /* it died in between, and nobody will tell us */
        return mmr_fail(err, MMR_EIO, "sandbox: the supervisor is gone");
    return 0;
}

static int set_limit(int which, rlim_t value, const char *name, struct mmr_error *err)
{
    struct rlimit now;
    if (getrlimit((__rlimit_resource_t)which, &now) != 0)
        return mmr_fail(err, MMR_EIO, "sandbox: limit of %s: %s", name, strerror(errno));
    if (now.rlim_max != RLIM_INFINITY && value > now.rlim_max)
        value = now.rlim_max;
    struct rlimit want = {value, value};
    if (setrlimit((__rlimit_resource_t)which, &want) != 0)
        return mmr_fail(err, MMR_EIO, "sandbox: limit of %s: %s", name, strerror(errno));
    return 0;
}

/* Others wait in a call for what such a plugin says, or go on doing harm until it stops them. Not a program: it would not know of the budget. */
static bool goes_ahead(const struct mmr_sandbox *s)
{
    const uint32_t holds = MMR_NEED_FANOTIFY | MMR_NEED_KILL;
    return s->is_host && (s->needs & holds) == holds && !s->exec_fd;
}

static int set_limits(const struct mmr_sandbox *s, struct mmr_error *err)
{
    int r = set_limit(RLIMIT_CORE, 0, "core dumps", err);
    if (r == 0)
        r = set_limit(RLIMIT_NOFILE, 4096, "descriptors", err);
    if (r == 0)
        r = set_limit(RLIMIT_MSGQUEUE, 0, "message queues", err);
    if (r == 0 && !goes_ahead(s))
        r = set_limit(RLIMIT_RTPRIO, 0, "real-time priority", err);
    if (r == 0 && !(s->needs & MMR_NEED_FILES_RW)) /* one file; a disk is not filled by one that grows without end */
        r = set_limit(RLIMIT_FSIZE, 4 * GIB, "file size", err);
    if (r == 0 && s->uid) /* threads and processes of a user of its own */
        r = set_limit(RLIMIT_NPROC, 256, "threads", err);
    /* Addresses are not memory: threads' arenas and mapped tables take room they never touch. The supervisor holds
     * the resident size to memory_bytes itself; this stops a runaway between two looks. */
    if (r == 0 && s->memory_bytes > 0 && !MMR_IS_SANITIZED)
        r = set_limit(RLIMIT_AS, (rlim_t)(2 * s->memory_bytes + 2 * GIB), "address space", err);
    return r;
}

static int change_user(const struct mmr_sandbox *s, struct mmr_error *err)
{
    if (geteuid() != 0 || (s->uid == 0 && s->gid == 0))
        return 0;
    if (prctl(PR_SET_KEEPCAPS, 1) != 0)
        return mmr_fail(err, MMR_EIO, "sandbox: keeping capabilities: %s", strerror(errno));
    if (s->gid && (setgroups(s->group ? 1 : 0, s->group ? &s->group : NULL) != 0 || setresgid(s->gid, s->gid, s->gid) != 0))
        return mmr_fail(err, MMR_EPERM, "sandbox: group %u: %s", s->gid, strerror(errno));
    if (s->uid && setresuid(s->uid, s->uid, s->uid) != 0)
        return mmr_fail(err, MMR_EPERM, "sandbox: user %u: %s", s->uid, strerror(errno));
    return 0;
}

/* The bounding set goes first: it needs CAP_SETPCAP, which is about to be given away. */
static void shrink_bounding_set(uint32_t needs)
{
    for (cap_value_t c = 0; cap_get_bound(c) >= 0; c++)
        if (!is_kept(needs, c))
            (void)cap_drop_bound(c); /* refused without CAP_SETPCAP; then there was nothing to gain from it either */
}

static int drop_caps(uint32_t needs, struct mmr_error *err)
{
    cap_t have = cap_get_proc(), want = cap_init();
    int r = have && want ? 0 : mmr_fail(err, MMR_ENOMEM, "sandbox: out of memory");
    for (cap_value_t c = 0; r == 0 && cap_get_bound(c) >= 0; c++) {
        cap_flag_value_t is_there = CAP_CLEAR;
        if (!is_kept(needs, c) || cap_get_flag(have, c, CAP_PERMITTED, &is_there) != 0 || is_there == CAP_CLEAR)
            continue;
        /* inheritable and ambient too, so that a tool we run (nft) keeps what we keep when we are not root */
        if (cap_set_flag(want, CAP_PERMITTED, 1, &c, CAP_SET) != 0 ||
            cap_set_flag(want, CAP_EFFECTIVE, 1, &c, CAP_SET) != 0 ||
            cap_set_flag(want, CAP_INHERITABLE, 1, &c, CAP_SET) != 0)
            r = mmr_fail(err, MMR_EIO, "sandbox: capability %d: %s", c, strerror(errno));
    }
    if (r == 0 && cap_set_proc(want) != 0)
        r = mmr_fail(err, MMR_EPERM, "sandbox: capabilities: %s", strerror(errno));
    for (cap_value_t c = 0; r == 0 && cap_get_bound(c) >= 0; c++) {
        cap_flag_value_t is_there = CAP_CLEAR;
        (void)cap_get_flag(want, c, CAP_INHERITABLE, &is_there);
        if (is_there == CAP_SET)
            (void)cap_set_ambient(c, CAP_SET);
    }
    (void)cap_free(have);
    (void)cap_free(want);
    return r;
}

/* Without it this process's own /proc entries would be root's, and its own sealed files could not be opened there.
 * Another user may not trace it for that; and the file of a core has no room. */
static void own_proc_entries(void)
{
    (void)prctl(PR_SET_DUMPABLE, 1);
}

/* A change of user clears it. Once the filter is there it cannot be set again, nor cleared. */
static int die_with_parent(struct mmr_error *err)
{
    int now = 0;
    if (prctl(PR_GET_PDEATHSIG, &now) == 0 && now == SIGKILL)
        return 0;
    return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 ? 0 : mmr_fail(err, MMR_EIO, "sandbox: parent-death signal: %s", strerror(errno));
}

int mmr_sandbox_enter(const struct mmr_sandbox *s, struct mmr_sandbox_report *ret, struct mmr_error *err)
{
    struct mmr_sandbox_report report = {.landlock = 0};
    int r = set_limits(s, err);
    if (r)
        return r;
    if (goes_ahead(s))
        mmr_ahead_start();
    else
        mmr_ahead_end();
    shrink_bounding_set(s->needs);
    r = change_user(s, err);
    if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        r = mmr_fail(err, MMR_EIO, "sandbox: no new privileges: %s", strerror(errno));
    if (r == 0)
        r = drop_caps(s->needs, err);
    own_proc_entries();
    if (r == 0)
        r = die_with_parent(err);
    if (r == 0)
        mmr_sandbox_confine(s, &report);
    if (r == 0)
        r = mmr_sandbox_filter(s->needs, s->exec_fd, false, err);
    if (r == 0 && ret)
        *ret = report;
    return r;
}

int mmr_sandbox_core(struct mmr_error *err)
{
    static const cap_value_t kept[] = {CAP_NET_BIND_SERVICE, CAP_DAC_OVERRIDE}; /* the hub's port; folders that are not root's */
    int r = 0;
    cap_t want = cap_init(), have = cap_get_proc();
    for (cap_value_t c = 0; cap_get_bound(c) >= 0; c++)
        if (c != kept[0] && c != kept[1])
            (void)cap_drop_bound(c);
    if (!want || !have)
        r = mmr_fail(err, MMR_ENOMEM, "sandbox: out of memory");
    for (size_t i = 0; r == 0 && i < sizeof kept / sizeof kept[0]; i++) {
        cap_flag_value_t is_there = CAP_CLEAR;
        (void)cap_get_flag(have, kept[i], CAP_PERMITTED, &is_there);
        if (is_there == CAP_SET && (cap_set_flag(want, CAP_PERMITTED, 1, &kept[i], CAP_SET) != 0 || cap_set_flag(want, CAP_EFFECTIVE, 1, &kept[i], CAP_SET) != 0))
            r = mmr_fail(err, MMR_EIO, "sandbox: capability %d: %s", kept[i], strerror(errno));
    }
    if (r == 0 && (cap_set_proc(want) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0))
        r = mmr_fail(err, MMR_EPERM, "sandbox: capabilities: %s", strerror(errno));
    (void)cap_free(want);
    (void)cap_free(have);
    return r ? r : mmr_sandbox_filter(MMR_NEED_LISTEN | MMR_NEED_NET_OUT | MMR_NEED_RUN, 0, true, err);
}
