/*
 * sandbox_paths.c - Landlock: which files, which TCP ports, signals to whom. The kernel may lack it, or have an older one:
 * then less is confined, and status says so. The interface is declared here, because the headers of the oldest
 * distribution we build on know its first version only.
 *
 * source  the kernel's Documentation/userspace-api/landlock.rst
 */
#include "plugin/sandbox.h"

#include "util/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { /* struct landlock_path_beneath_attr.allowed_access */
    EXECUTE = 1 << 0, WRITE_FILE = 1 << 1, READ_FILE = 1 << 2, READ_DIR = 1 << 3, CHANGE_NAMES = 0x3f0, /* make, remove */
    REMOVE_FILE = 1 << 5, MAKE_SOCK = 1 << 9, MAKE_CHAR = 1 << 6, MAKE_BLOCK = 1 << 11, MAKE_SYM = 1 << 12, REFER = 1 << 13, TRUNCATE = 1 << 14, IOCTL_DEV = 1 << 15,
    BIND_TCP = 1 << 0, CONNECT_TCP = 1 << 1, /* handled_access_net */
    SCOPE_ABSTRACT = 1 << 0, SCOPE_SIGNAL = 1 << 1, /* scoped */
    ABI_REFER = 2, ABI_TRUNCATE = 3, ABI_NET = 4, ABI_IOCTL = 5, ABI_SCOPE = 6,
    READ = READ_FILE | READ_DIR,
    CHANGE = WRITE_FILE | CHANGE_NAMES | 1 << 10 | MAKE_SYM | REFER | TRUNCATE,
    OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV, /* what can be said of a file that is no folder */
    ALL = (1 << 16) - 1,
};
struct ruleset {
    uint64_t handled_fs, handled_net, scoped;
};
struct __attribute__((packed)) beneath {
    uint64_t allowed;
    int32_t fd;
};
enum { CREATE = 444, ADD = 445, RESTRICT = 446, RULE_BENEATH = 1, VERSION = 1 }; /* one number on every architecture */

/* What every program may read: libraries, names, time zones, what the C library asks /proc and /sys. */
static const char *const common[] = {
    "/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/etc/timezone", "/etc/resolv.conf", "/run/systemd/resolve", "/etc/hosts",
    "/etc/host.conf", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/passwd", "/etc/group", "/etc/services", "/etc/protocols", "/etc/networks",
    "/etc/ssl", "/etc/os-release", "/dev/urandom", "/dev/random", "/proc/self", "/proc/sys", "/proc/stat", "/proc/meminfo", "/proc/cpuinfo",
    "/proc/version", "/proc/filesystems", "/proc/uptime", "/sys/devices/system", NULL};
static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/full", NULL};
static const char *const network[] = {"/sys/class/net", "/sys/devices", NULL};
static const char *const nft[] = {"/usr/sbin/nft", "/sbin/nft", "/usr/lib", "/lib", "/lib64", NULL}; /* with the loader */
static const char *const programs[] = {"/usr", "/bin", "/sbin", "/lib", "/lib64", NULL};

static void allow(int set, const char *path, uint64_t rights)
{
    struct stat st;
    mmr_autoclose int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        return; /* what is not there need not be opened */
    const struct beneath rule = {S_ISDIR(st.st_mode) ? rights : rights & OF_FILES, fd};
    if (rule.allowed)
        (void)syscall(ADD, set, RULE_BENEATH, &rule, 0);
}

static void allow_all(int set, const char *const *paths, uint64_t rights)
{
    for (; paths && *paths; paths++)
        allow(set, *paths, rights);
}

static void allow_parents(int set, const char *const *paths, uint64_t rights)
{
    for (; paths && *paths; paths++) {
        mmr_autofree char *folder = strdup(*paths);
        char *cut = folder ? strrchr(folder, '/') : NULL;
        if (!cut || cut == folder)
            continue;
        *cut = '\0';
        allow(set, folder, rights);
    }
}

static struct ruleset wanted(uint32_t needs, int abi)
{
    struct ruleset r = {.handled_fs = ALL & ~(uint64_t)(REFER | TRUNCATE | IOCTL_DEV)};
    if (abi >= ABI_REFER)
        r.handled_fs |= REFER;
    if (abi >= ABI_TRUNCATE)
        r.handled_fs |= TRUNCATE;
    if (abi >= ABI_IOCTL && !(needs & (MMR_NEED_CAPTURE | MMR_NEED_BPF)))
        r.handled_fs |= IOCTL_DEV;
    if (abi >= ABI_NET) /* a port cannot be told from another here; a need is for all of them */
        r.handled_net = (needs & MMR_NEED_LISTEN ? 0 : BIND_TCP) | (needs & (MMR_NEED_NET_OUT | MMR_NEED_LISTEN) ? 0 : CONNECT_TCP);
    if (abi >= ABI_SCOPE)
        r.scoped = SCOPE_ABSTRACT | (needs & MMR_NEED_KILL ? 0 : SCOPE_SIGNAL);
    return r;
}

static void add_rules(int set, const struct mmr_sandbox *s, uint64_t handled)
{
    allow_all(set, common, READ & handled);
    allow_all(set, devices, (READ_FILE | WRITE_FILE | TRUNCATE) & handled);
    allow_all(set, s->reads, READ & handled);
    allow_all(set, s->writes, (READ | CHANGE) & handled);
    allow_all(set, s->execs, (READ | EXECUTE) & handled);
    if (s->needs & MMR_NEED_LISTEN) /* a unix socket is a name in a folder */
        allow_parents(set, s->reads, (MAKE_SOCK | REMOVE_FILE) & handled);
    if (s->needs & (MMR_NEED_CAPTURE | MMR_NEED_NETFILTER))
        allow_all(set, network, READ & handled);
    if (s->needs & MMR_NEED_KILL) /* who it is about to end: what anybody may read there */
        allow(set, "/proc", READ & handled);
    if (s->needs & MMR_NEED_BPF)
        allow(set, "/sys", (READ | WRITE_FILE) & handled);
    if (s->needs & MMR_NEED_NETFILTER)
        allow_all(set, nft, (READ | EXECUTE) & handled);
    if (s->needs & MMR_NEED_RUN)
        allow_all(set, programs, (READ | EXECUTE) & handled);
    if (s->needs & (MMR_NEED_FILES_RO | MMR_NEED_FANOTIFY | MMR_NEED_FILES_RW))
        allow(set, "/", READ & handled);
    if (s->needs & MMR_NEED_FILES_RW)
        allow(set, "/", (READ | CHANGE) & handled);
}

void mmr_sandbox_confine(const struct mmr_sandbox *s, struct mmr_sandbox_report *ret)
{
    /*
     * A confined process may not look into others outside: exe, fd, cwd, root and ns of /proc/PID ask the kernel's rule for
     * tracing, and Landlock's answer to it is no, whatever the rule set and the capabilities (security/landlock/ptrace.c,
     * test_plugin_sandbox). That is what this need is for. To end others takes no such look.
     */
    if (s->needs & MMR_NEED_PROC) {
        (void)snprintf(ret->no_landlock, sizeof ret->no_landlock, "a plugin here needs to look into other programs, which Landlock would hide");
        return;
    }
    long abi = syscall(CREATE, NULL, 0, VERSION);
    if (abi < 1) {
        (void)snprintf(ret->no_landlock, sizeof ret->no_landlock, "this kernel has no Landlock, or it is off: %s", strerror(errno));
        return;
    }
    const struct ruleset want = wanted(s->needs, (int)abi);
    mmr_autoclose int set = (int)syscall(CREATE, &want, sizeof want, 0);
    if (set < 0) {
        (void)snprintf(ret->no_landlock, sizeof ret->no_landlock, "Landlock gives no rule set: %s", strerror(errno));
        return;
    }
    add_rules(set, s, want.handled_fs);
    if (syscall(RESTRICT, set, 0) != 0)
        (void)snprintf(ret->no_landlock, sizeof ret->no_landlock, "Landlock refuses: %s", strerror(errno));
    else
        ret->landlock = (int)abi;
}
