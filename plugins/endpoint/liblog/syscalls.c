/* syscalls.c - names of system calls by number: x86-64 whole, AArch64 those that rules ask about. */
#include "auditd.h"

#include <string.h>

/* clang-format off */
static const char *const x86_64[] = { /* 0 to 334 */
    "read", "write", "open", "close", "stat", "fstat", "lstat", "poll", "lseek", "mmap",
    "mprotect", "munmap", "brk", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "ioctl",
    "pread64", "pwrite64", "readv", "writev", "access", "pipe", "select", "sched_yield", "mremap",
    "msync", "mincore", "madvise", "shmget", "shmat", "shmctl", "dup", "dup2", "pause",
    "nanosleep", "getitimer", "alarm", "setitimer", "getpid", "sendfile", "socket", "connect",
    "accept", "sendto", "recvfrom", "sendmsg", "recvmsg", "shutdown", "bind", "listen",
    "getsockname", "getpeername", "socketpair", "setsockopt", "getsockopt", "clone", "fork",
    "vfork", "execve", "exit", "wait4", "kill", "uname", "semget", "semop", "semctl", "shmdt",
    "msgget", "msgsnd", "msgrcv", "msgctl", "fcntl", "flock", "fsync", "fdatasync", "truncate",
    "ftruncate", "getdents", "getcwd", "chdir", "fchdir", "rename", "mkdir", "rmdir", "creat",
    "link", "unlink", "symlink", "readlink", "chmod", "fchmod", "chown", "fchown", "lchown",
    "umask", "gettimeofday", "getrlimit", "getrusage", "sysinfo", "times", "ptrace", "getuid",
    "syslog", "getgid", "setuid", "setgid", "geteuid", "getegid", "setpgid", "getppid", "getpgrp",
    "setsid", "setreuid", "setregid", "getgroups", "setgroups", "setresuid", "getresuid",
    "setresgid", "getresgid", "getpgid", "setfsuid", "setfsgid", "getsid", "capget", "capset",
    "rt_sigpending", "rt_sigtimedwait", "rt_sigqueueinfo", "rt_sigsuspend", "sigaltstack", "utime",
    "mknod", "uselib", "personality", "ustat", "statfs", "fstatfs", "sysfs", "getpriority",
    "setpriority", "sched_setparam", "sched_getparam", "sched_setscheduler", "sched_getscheduler",
    "sched_get_priority_max", "sched_get_priority_min", "sched_rr_get_interval", "mlock",
    "munlock", "mlockall", "munlockall", "vhangup", "modify_ldt", "pivot_root", "_sysctl", "prctl",
    "arch_prctl", "adjtimex", "setrlimit", "chroot", "sync", "acct", "settimeofday", "mount",
    "umount2", "swapon", "swapoff", "reboot", "sethostname", "setdomainname", "iopl", "ioperm",
    "create_module", "init_module", "delete_module", "get_kernel_syms", "query_module", "quotactl",
    "nfsservctl", "getpmsg", "putpmsg", "afs_syscall", "tuxcall", "security", "gettid",
    "readahead", "setxattr", "lsetxattr", "fsetxattr", "getxattr", "lgetxattr", "fgetxattr",
    "listxattr", "llistxattr", "flistxattr", "removexattr", "lremovexattr", "fremovexattr",
    "tkill", "time", "futex", "sched_setaffinity", "sched_getaffinity", "set_thread_area",
    "io_setup", "io_destroy", "io_getevents", "io_submit", "io_cancel", "get_thread_area",
    "lookup_dcookie", "epoll_create", "epoll_ctl_old", "epoll_wait_old", "remap_file_pages",
    "getdents64", "set_tid_address", "restart_syscall", "semtimedop", "fadvise64", "timer_create",
    "timer_settime", "timer_gettime", "timer_getoverrun", "timer_delete", "clock_settime",
    "clock_gettime", "clock_getres", "clock_nanosleep", "exit_group", "epoll_wait", "epoll_ctl",
    "tgkill", "utimes", "vserver", "mbind", "set_mempolicy", "get_mempolicy", "mq_open",
    "mq_unlink", "mq_timedsend", "mq_timedreceive", "mq_notify", "mq_getsetattr", "kexec_load",
    "waitid", "add_key", "request_key", "keyctl", "ioprio_set", "ioprio_get", "inotify_init",
    "inotify_add_watch", "inotify_rm_watch", "migrate_pages", "openat", "mkdirat", "mknodat",
    "fchownat", "futimesat", "newfstatat", "unlinkat", "renameat", "linkat", "symlinkat",
    "readlinkat", "fchmodat", "faccessat", "pselect6", "ppoll", "unshare", "set_robust_list",
    "get_robust_list", "splice", "tee", "sync_file_range", "vmsplice", "move_pages", "utimensat",
    "epoll_pwait", "signalfd", "timerfd_create", "eventfd", "fallocate", "timerfd_settime",
    "timerfd_gettime", "accept4", "signalfd4", "eventfd2", "epoll_create1", "dup3", "pipe2",
    "inotify_init1", "preadv", "pwritev", "rt_tgsigqueueinfo", "perf_event_open", "recvmmsg",
    "fanotify_init", "fanotify_mark", "prlimit64", "name_to_handle_at", "open_by_handle_at",
    "clock_adjtime", "syncfs", "sendmmsg", "setns", "getcpu", "process_vm_readv",
    "process_vm_writev", "kcmp", "finit_module", "sched_setattr", "sched_getattr", "renameat2",
    "seccomp", "getrandom", "memfd_create", "kexec_file_load", "bpf", "execveat", "userfaultfd",
    "membarrier", "mlock2", "copy_file_range", "preadv2", "pwritev2", "pkey_mprotect",
    "pkey_alloc", "pkey_free", "statx", "io_pgetevents", "rseq",
};
static const struct named { int64_t nr; const char *name; } x86_64_late[] = {
    {424, "pidfd_send_signal"}, {425, "io_uring_setup"}, {426, "io_uring_enter"},
    {427, "io_uring_register"}, {428, "open_tree"}, {429, "move_mount"}, {430, "fsopen"},
    {431, "fsconfig"}, {432, "fsmount"}, {433, "fspick"}, {434, "pidfd_open"}, {435, "clone3"},
    {436, "close_range"}, {437, "openat2"}, {438, "pidfd_getfd"}, {439, "faccessat2"},
    {440, "process_madvise"}, {441, "epoll_pwait2"}, {442, "mount_setattr"},
    {444, "landlock_create_ruleset"}, {445, "landlock_add_rule"}, {446, "landlock_restrict_self"},
    {447, "memfd_secret"},
}, aarch64[] = {
    {5, "setxattr"}, {6, "lsetxattr"}, {7, "fsetxattr"}, {14, "removexattr"}, {33, "mknodat"},
    {34, "mkdirat"}, {35, "unlinkat"}, {36, "symlinkat"}, {37, "linkat"}, {38, "renameat"},
    {39, "umount2"}, {40, "mount"}, {41, "pivot_root"}, {51, "chroot"}, {52, "fchmod"},
    {53, "fchmodat"}, {54, "fchownat"}, {55, "fchown"}, {56, "openat"}, {57, "close"},
    {63, "read"}, {64, "write"}, {91, "capset"}, {92, "personality"}, {93, "exit"},
    {94, "exit_group"}, {97, "unshare"}, {105, "init_module"}, {106, "delete_module"},
    {112, "clock_settime"}, {117, "ptrace"}, {129, "kill"}, {130, "tkill"}, {131, "tgkill"},
    {142, "reboot"}, {144, "setgid"}, {145, "setreuid"}, {146, "setuid"}, {147, "setresuid"},
    {161, "sethostname"}, {167, "prctl"}, {170, "settimeofday"}, {171, "adjtimex"},
    {198, "socket"}, {200, "bind"}, {201, "listen"}, {202, "accept"}, {203, "connect"},
    {206, "sendto"}, {220, "clone"}, {221, "execve"}, {242, "accept4"}, {268, "setns"},
    {270, "process_vm_readv"}, {271, "process_vm_writev"}, {273, "finit_module"},
    {276, "renameat2"}, {279, "memfd_create"}, {280, "bpf"}, {281, "execveat"},
    {425, "io_uring_setup"}, {435, "clone3"}, {437, "openat2"},
};
/* clang-format on */

static const char *find(const struct named *t, size_t n, int64_t nr)
{
    for (size_t i = 0; i < n; i++)
        if (t[i].nr == nr)
            return t[i].name;
    return NULL;
}

const char *mmr_audit_syscall(struct mmr_slice arch, struct mmr_slice number)
{
    int64_t nr;
    if (!mmr_slice_int(number, &nr) || nr < 0)
        return NULL;
    if (mmr_slice_is(arch, "c000003e") || mmr_slice_is(arch, "x86_64")) {
        if (nr < (int64_t)(sizeof x86_64 / sizeof x86_64[0]))
            return x86_64[nr];
        return find(x86_64_late, sizeof x86_64_late / sizeof x86_64_late[0], nr);
    }
    if (mmr_slice_is(arch, "c00000b7") || mmr_slice_is(arch, "aarch64"))
        return find(aarch64, sizeof aarch64 / sizeof aarch64[0], nr);
    return NULL;
}
