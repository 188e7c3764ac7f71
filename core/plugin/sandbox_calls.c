/*
 * sandbox_calls.c - system calls that are refused: some always, some unless a need asks for them, some by their arguments.
 * What is not listed is allowed: libraries of the distribution make calls nobody can foresee.
 */
#include "plugin/sandbox.h"

#include <seccomp.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    RUNS = MMR_NEED_NETFILTER | MMR_NEED_RUN, /* the nft tool; other programs */
    SPEAKS_IP = MMR_NEED_NET_OUT | MMR_NEED_LISTEN | MMR_NEED_CAPTURE | MMR_NEED_NETFILTER | MMR_NEED_KILL | MMR_NEED_RUN,
    ASKS_KERNEL = SPEAKS_IP | MMR_NEED_PROC | MMR_NEED_BPF | MMR_NEED_FANOTIFY, /* netlink */
    FAMILIES = 46, /* of sockets, in Linux 6; above: refused */
};

static const struct {
    const char *call;
    uint32_t unless; /* any of these needs allows it */
} denied[] = {
    {"ptrace", 0}, {"process_vm_readv", 0}, {"process_vm_writev", 0}, {"pidfd_getfd", 0}, {"kcmp", 0}, {"kexec_load", 0},
    {"kexec_file_load", 0}, {"init_module", 0}, {"finit_module", 0}, {"delete_module", 0}, {"bpf", MMR_NEED_BPF},
    {"perf_event_open", MMR_NEED_BPF}, {"mount", 0}, {"umount2", 0}, {"pivot_root", 0}, {"move_mount", 0},
    {"fsopen", 0}, {"fsmount", 0}, {"fsconfig", 0}, {"open_tree", 0}, {"mount_setattr", 0}, {"chroot", 0},
    {"swapon", 0}, {"swapoff", 0}, {"reboot", 0}, {"setns", 0}, {"unshare", 0}, {"add_key", 0}, {"keyctl", 0},
    {"request_key", 0}, {"userfaultfd", 0}, {"iopl", 0}, {"ioperm", 0}, {"acct", 0}, {"quotactl", 0},
    {"settimeofday", 0}, {"clock_settime", 0}, {"clock_adjtime", 0}, {"adjtimex", 0}, {"sethostname", 0},
    {"setdomainname", 0}, {"fanotify_init", MMR_NEED_FANOTIFY}, {"open_by_handle_at", MMR_NEED_FANOTIFY},
    {"vhangup", 0}, {"syslog", 0}, {"io_uring_setup", 0}, {"io_uring_enter", 0}, {"io_uring_register", 0},
    {"listen", MMR_NEED_LISTEN}, {"accept", MMR_NEED_LISTEN}, {"accept4", MMR_NEED_LISTEN},
};
static const char *const runs[] = {"execve", "fork", "vfork"}; /* and execveat */
static const char *const signals[] = {"kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"};
static const char *const signals_by_other[] = {"tkill", "pidfd_send_signal"};

/* -EDOM, -EOPNOTSUPP: not on this architecture. */
static int add(scmp_filter_ctx ctx, int error, const char *call, unsigned n, const struct scmp_arg_cmp *args)
{
    int nr = seccomp_syscall_resolve_name(call);
    if (nr == __NR_SCMP_ERROR) /* a call this library does not know by name */
        return 0;
    int r = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO((unsigned)error), nr, n, args);
    return r == -EDOM || r == -EOPNOTSUPP ? 0 : r;
}

static bool is_family_allowed(int family, uint32_t needs)
{
    switch (family) {
    case AF_UNIX: return true;
    case AF_INET: case AF_INET6: return needs & SPEAKS_IP;
    case AF_NETLINK: return needs & ASKS_KERNEL;
    case AF_PACKET: return needs & MMR_NEED_CAPTURE;
    default: return false;
    }
}

static int add_sockets(scmp_filter_ctx ctx, uint32_t needs)
{
    const struct scmp_arg_cmp above = SCMP_A0(SCMP_CMP_GE, FAMILIES, 0);
    int r = add(ctx, EACCES, "socket", 1, &above);
    for (int f = 0; r == 0 && f < FAMILIES; f++) {
        const struct scmp_arg_cmp is = SCMP_A0(SCMP_CMP_MASKED_EQ, UINT32_MAX, (scmp_datum_t)f);
        if (!is_family_allowed(f, needs))
            r = add(ctx, EACCES, "socket", 1, &is);
    }
    return r;
}

/* Threads are made, processes are not; and no signal goes to another process. */
static int add_processes(scmp_filter_ctx ctx, uint32_t needs, int exec_fd)
{
    const struct scmp_arg_cmp no_thread = SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0);
    const struct scmp_arg_cmp other = SCMP_A0(SCMP_CMP_NE, (scmp_datum_t)getpid(), 0);
    const struct scmp_arg_cmp own_death[] = {SCMP_A0(SCMP_CMP_MASKED_EQ, UINT32_MAX, PR_SET_PDEATHSIG), SCMP_A1(SCMP_CMP_NE, SIGKILL, 0)};
    int r = add(ctx, EPERM, "prctl", 2, own_death); /* it dies with the supervisor */
    if (needs & RUNS)
        return r;
    for (size_t i = 0; r == 0 && i < sizeof runs / sizeof runs[0]; i++)
        r = add(ctx, EPERM, runs[i], 0, NULL);
    if (r == 0 && exec_fd) { /* the one descriptor it may become: itself */
        const struct scmp_arg_cmp other_fd = SCMP_A0(SCMP_CMP_NE, (scmp_datum_t)exec_fd, 0), by_path = SCMP_A4(SCMP_CMP_NE, AT_EMPTY_PATH, 0);
        r = add(ctx, EPERM, "execveat", 1, &other_fd);
        if (r == 0)
            r = add(ctx, EPERM, "execveat", 1, &by_path);
    } else if (r == 0) {
        r = add(ctx, EPERM, "execveat", 0, NULL);
    }
    if (r == 0 && !MMR_IS_SANITIZED)
        r = add(ctx, EPERM, "clone", 1, &no_thread);
    if (r == 0 && !MMR_IS_SANITIZED)
        r = add(ctx, ENOSYS, "clone3", 0, NULL); /* its flags cannot be seen here; the C library then takes clone() */
    if (needs & MMR_NEED_KILL)
        return r;
    for (size_t i = 0; r == 0 && i < sizeof signals / sizeof signals[0]; i++)
        r = add(ctx, EPERM, signals[i], 1, &other);
    for (size_t i = 0; r == 0 && i < sizeof signals_by_other / sizeof signals_by_other[0]; i++)
        r = add(ctx, EPERM, signals_by_other[i], 0, NULL);
    return r;
}

int mmr_sandbox_filter(uint32_t needs, int exec_fd, bool is_core, struct mmr_error *err)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
    int r = ctx ? 0 : -ENOMEM;
    for (size_t i = 0; r == 0 && i < sizeof denied / sizeof denied[0]; i++)
        if (!(denied[i].unless & needs) && !(MMR_IS_SANITIZED && strcmp(denied[i].call, "ptrace") == 0))
            r = add(ctx, EPERM, denied[i].call, 0, NULL);
    if (r == 0 && !is_core)
        r = add_sockets(ctx, needs);
    if (r == 0 && !is_core)
        r = add_processes(ctx, needs, exec_fd);
    if (r == 0)
        r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
    if (r == 0)
        r = seccomp_load(ctx);
    seccomp_release(ctx);
    return r ? mmr_fail(err, MMR_EIO, "sandbox: system call filter: %s", strerror(-r)) : 0;
}
