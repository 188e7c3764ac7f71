/* sandbox.c - least privilege for plugin hosts. A deny list is the first line; allow lists by need class and
 * Landlock rules belong behind filter_calls(), where the order of steps already leaves them their place. */
#include "plugin/sandbox.h"

#include <seccomp.h>
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

/* A sanitizer's shadow takes terabytes of addresses, and its leak check traces the process at its end. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { IS_SANITIZED = 1 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { IS_SANITIZED = 1 };
#else
enum { IS_SANITIZED = 0 };
#endif
#else
enum { IS_SANITIZED = 0 };
#endif

static const struct {
    uint32_t need;
    cap_value_t caps[5];
    int n;
} table[] = {
    {MMR_NEED_CAPTURE, {CAP_NET_RAW}, 1},
    {MMR_NEED_NETFILTER, {CAP_NET_ADMIN}, 1},
    {MMR_NEED_PROC, {CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH}, 2}, /* PTRACE: reading others' /proc; ptrace() is filtered */
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

static int set_limits(const struct mmr_sandbox *s, struct mmr_error *err)
{
    int r = set_limit(RLIMIT_CORE, 0, "core dumps", err);
    if (r == 0)
        r = set_limit(RLIMIT_NOFILE, 4096, "descriptors", err);
    /* Addresses are not memory: threads' arenas and mapped tables take room they never touch. The supervisor holds
     * the resident size to memory_bytes itself; this stops a runaway between two looks. */
    if (r == 0 && s->memory_bytes > 0 && !IS_SANITIZED)
        r = set_limit(RLIMIT_AS, (rlim_t)(2 * s->memory_bytes + 2 * GIB), "address space", err);
    return r;
}

static int change_user(const struct mmr_sandbox *s, struct mmr_error *err)
{
    if (geteuid() != 0 || (s->uid == 0 && s->gid == 0))
        return 0;
    if (prctl(PR_SET_KEEPCAPS, 1) != 0)
        return mmr_fail(err, MMR_EIO, "sandbox: keeping capabilities: %s", strerror(errno));
    if (s->gid && (setgroups(0, NULL) != 0 || setresgid(s->gid, s->gid, s->gid) != 0))
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

static int filter_calls(uint32_t needs, struct mmr_error *err)
{
    static const struct {
        const char *call;
        uint32_t unless;
    } denied[] = {
        {"ptrace", 0}, {"process_vm_readv", 0}, {"process_vm_writev", 0}, {"kexec_load", 0}, {"kexec_file_load", 0},
        {"init_module", 0}, {"finit_module", 0}, {"delete_module", 0}, {"bpf", MMR_NEED_BPF},
        {"perf_event_open", MMR_NEED_BPF}, {"mount", 0}, {"umount2", 0}, {"pivot_root", 0}, {"move_mount", 0},
        {"fsopen", 0}, {"fsmount", 0}, {"fsconfig", 0}, {"open_tree", 0}, {"mount_setattr", 0}, {"chroot", 0},
        {"swapon", 0}, {"swapoff", 0}, {"reboot", 0}, {"setns", 0}, {"unshare", 0}, {"add_key", 0}, {"keyctl", 0},
        {"request_key", 0}, {"userfaultfd", 0}, {"iopl", 0}, {"ioperm", 0}, {"acct", 0}, {"quotactl", 0},
        {"settimeofday", 0}, {"clock_settime", 0}, {"clock_adjtime", 0}, {"adjtimex", 0}, {"sethostname", 0},
        {"setdomainname", 0}, {"fanotify_init", MMR_NEED_FANOTIFY}, {"open_by_handle_at", MMR_NEED_FANOTIFY},
        {"vhangup", 0}, {"syslog", 0}, {"io_uring_setup", 0}, {"io_uring_enter", 0}, {"io_uring_register", 0},
    };
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
    int r = ctx ? 0 : -ENOMEM;
    for (size_t i = 0; r == 0 && i < sizeof denied / sizeof denied[0]; i++) {
        int nr = seccomp_syscall_resolve_name(denied[i].call);
        if (nr == __NR_SCMP_ERROR || (denied[i].unless & needs)) /* a call this library does not know by name */
            continue;
        if (IS_SANITIZED && strcmp(denied[i].call, "ptrace") == 0)
            continue;
        r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), nr, 0);
        if (r == -EDOM || r == -EOPNOTSUPP) /* not on this architecture */
            r = 0;
    }
    if (r == 0)
        r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
    if (r == 0)
        r = seccomp_load(ctx);
    seccomp_release(ctx);
    if (r)
        return mmr_fail(err, MMR_EIO, "sandbox: system call filter: %s", strerror(-r));
    return 0;
}

int mmr_sandbox_enter(const struct mmr_sandbox *s, struct mmr_error *err)
{
    int r = set_limits(s, err);
    if (r)
        return r;
    shrink_bounding_set(s->needs);
    r = change_user(s, err);
    if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        r = mmr_fail(err, MMR_EIO, "sandbox: no new privileges: %s", strerror(errno));
    if (r == 0)
        r = drop_caps(s->needs, err);
    if (r == 0)
        r = filter_calls(s->needs, err);
    /* a change of user clears it */
    if (r == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        r = mmr_fail(err, MMR_EIO, "sandbox: parent-death signal: %s", strerror(errno));
    return r;
}
