/*
 * tries.h - what an intruder tries who has taken over a plugin: each try writes "NAME ok" or "NAME errno text". Shared by a plugin that is a shared
 * object (taken.c) and one that is a program (taken_program.c). The test that runs them says what must have been refused
 * (tests/e2e/run/taken_over.py).
 */
#ifndef TRIES_H
#define TRIES_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

struct tries {
    FILE *out;
    const char *state_dir, *site; /* its own folder; the test's */
    const char *socket;           /* an abstract socket of somebody else, with @; NULL: none */
    pid_t prey;                   /* a process of another host */
};

static void note(struct tries *s, const char *name, bool is_ok)
{
    int e = errno;
    (void)fprintf(s->out, "%s %s\n", name, is_ok ? "ok" : strerrorname_np(e) ? strerrorname_np(e) : "E?");
}

static const char *at(const struct tries *s, const char *below)
{
    static char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", s->site, below);
    return path;
}

static void try_open(struct tries *s, const char *name, const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);
    note(s, name, fd >= 0);
    if (fd >= 0)
        (void)close(fd);
}

static void try_unix(struct tries *s, const char *name, const char *path, bool binds)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_abstract = path[0] == '@';
    (void)snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(to.sun_path) + !is_abstract);
    if (is_abstract)
        to.sun_path[0] = '\0';
    note(s, name, fd >= 0 && (binds ? bind(fd, (void *)&to, len) : connect(fd, (void *)&to, len)) == 0);
    if (fd >= 0)
        (void)close(fd);
}

static void try_socket(struct tries *s, const char *name, int family, int type, int protocol)
{
    int fd = socket(family, type | SOCK_CLOEXEC, protocol);
    note(s, name, fd >= 0);
    if (fd >= 0)
        (void)close(fd);
}

static void files(struct tries *s)
{
    char own[4096];
    (void)snprintf(own, sizeof own, "%s/mine", s->state_dir);
    try_open(s, "own_folder", own, O_RDWR | O_CREAT);
    try_open(s, "read_shadow", "/etc/shadow", O_RDONLY);
    try_open(s, "read_store", at(s, "state/mamori.db"), O_RDONLY);
    try_open(s, "read_evidence_key", at(s, "state/evidence.key"), O_RDONLY);
    try_open(s, "write_store", at(s, "state/mamori.db"), O_RDWR);
    try_open(s, "read_site", at(s, "site/00-lab.yaml"), O_RDONLY);
    try_open(s, "read_other_folder", at(s, "state/plugins/nft"), O_RDONLY | O_DIRECTORY);
    try_open(s, "write_other_folder", at(s, "state/plugins/nft/x"), O_RDWR | O_CREAT);
    try_open(s, "write_tmp", "/tmp/taken-was-here", O_RDWR | O_CREAT);
    try_open(s, "write_etc", "/etc/cron.d/taken", O_RDWR | O_CREAT);
    try_open(s, "write_shm", "/dev/shm/taken", O_RDWR | O_CREAT);
    try_open(s, "read_init_environ", "/proc/1/environ", O_RDONLY);
    try_open(s, "read_prey_status", at(s, "prey-status"), O_RDONLY); /* a link to its /proc entry */
    try_open(s, "read_disk", "/dev/mem", O_RDONLY);
    (void)snprintf(own, sizeof own, "%s/link", s->state_dir);
    note(s, "hard_link_out", link(at(s, "state/mamori.db"), own) == 0);
    note(s, "chmod_store", chmod(at(s, "state/mamori.db"), 0666) == 0);
    (void)snprintf(own, sizeof own, "%s/null", s->state_dir);
    note(s, "make_device", mknod(own, S_IFCHR | 0666, makedev(1, 1)) == 0);
}

/* To a port of this machine that nobody may be reached at: refused before it gets so far. */
static void try_connect(struct tries *s)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(22), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    note(s, "connect_tcp", fd >= 0 && (connect(fd, (void *)&to, sizeof to) == 0 || errno == ECONNREFUSED));
    if (fd >= 0)
        (void)close(fd);
}

static void sockets(struct tries *s)
{
    try_connect(s);
    try_socket(s, "tcp_socket", AF_INET, SOCK_STREAM, 0);
    try_socket(s, "udp_socket", AF_INET6, SOCK_DGRAM, 0);
    try_socket(s, "packet_socket", AF_PACKET, SOCK_RAW, htons(3));
    try_socket(s, "netlink_socket", AF_NETLINK, SOCK_RAW, 12); /* nftables */
    try_socket(s, "vsock_socket", AF_VSOCK, SOCK_STREAM, 0);
    try_unix(s, "control_socket", at(s, "run/control.sock"), false);
    for (int i = 0; i < 6; i++) { /* the shipped five and itself */
        char name[64], path[256];
        struct stat st;
        (void)snprintf(path, sizeof path, "run/bus/%d", i);
        (void)snprintf(name, sizeof name, "bus_of_%d", i);
        bool is_own = stat(at(s, path), &st) == 0 && st.st_gid == getgid() && getgid() != 0;
        (void)snprintf(path, sizeof path, "run/bus/%d/s", i);
        if (is_own)
            try_unix(s, "bus_of_itself", at(s, path), false);
        else
            try_unix(s, name, at(s, path), false);
        (void)snprintf(path, sizeof path, "run/bus/%d/x", i);
        (void)snprintf(name, sizeof name, "bind_in_bus_%d", i);
        try_unix(s, name, at(s, path), true);
        (void)snprintf(path, sizeof path, "run/bus/%d/s", i);
        (void)snprintf(name, sizeof name, "unlink_bus_%d", i);
        note(s, name, unlink(at(s, path)) == 0);
        (void)snprintf(name, sizeof name, "bind_as_bus_%d", i);
        try_unix(s, name, at(s, path), true);
    }
    if (s->socket)
        try_unix(s, "abstract_socket", s->socket, false);
}

static void processes(struct tries *s)
{
    pid_t prey = s->prey;
    char byte;
    struct iovec mine = {&byte, 1}, theirs = {&byte, 1};
    note(s, "kill_supervisor", kill(getppid(), 0) == 0);
    note(s, "kill_prey", kill(prey, SIGKILL) == 0);
    note(s, "kill_all", kill(-1, 0) == 0);
    int fd = (int)syscall(SYS_pidfd_open, prey, 0);
    note(s, "kill_by_pidfd", fd >= 0 && syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0);
    note(s, "take_descriptor", fd >= 0 && syscall(SYS_pidfd_getfd, fd, 0, 0) >= 0);
    note(s, "ptrace", ptrace(PTRACE_ATTACH, prey, NULL, NULL) == 0);
    note(s, "read_memory", process_vm_readv(prey, &mine, 1, &theirs, 1, 0) == 1);
    pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0)
        _exit(0);
    note(s, "clone_process", child > 0);
    child = fork();
    if (child == 0)
        _exit(0);
    note(s, "fork", child > 0);
    char *const argv[] = {(char[]){"true"}, NULL}, *const env[] = {NULL};
    note(s, "exec", execve("/bin/true", argv, env) == 0);
    int mem = memfd_create("x", MFD_CLOEXEC);
    note(s, "exec_memory", mem >= 0 && fexecve(mem, argv, env) == 0);
    note(s, "outlive_supervisor", prctl(PR_SET_PDEATHSIG, 0) == 0);
    note(s, "be_root", setuid(0) == 0);
    note(s, "more_files", setrlimit(RLIMIT_NOFILE, &(struct rlimit){1 << 20, 1 << 20}) == 0);
}

static void kernel(struct tries *s)
{
    note(s, "mount", mount("none", "/mnt", "tmpfs", 0, NULL) == 0);
    note(s, "unshare", unshare(CLONE_NEWUSER) == 0);
    note(s, "setns", setns(0, 0) == 0);
    note(s, "bpf", syscall(SYS_bpf, 0, NULL, 0) >= 0);
    note(s, "perf", syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0) >= 0);
    note(s, "module", syscall(SYS_init_module, NULL, 0, "") == 0);
    note(s, "keyring", syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, -1, 0) >= 0);
    note(s, "userfaultfd", syscall(SYS_userfaultfd, 0) >= 0);
    note(s, "io_uring", syscall(SYS_io_uring_setup, 1, NULL) >= 0);
    note(s, "clock", syscall(SYS_settimeofday, NULL, NULL) == 0);
    note(s, "hostname", sethostname("taken", 5) == 0);
    note(s, "chroot", chroot("/") == 0);
    note(s, "reboot", syscall(SYS_reboot, 0, 0, 0, NULL) == 0);
}

static void all_tries(struct tries *s)
{
    files(s);
    sockets(s);
    processes(s);
    kernel(s);
}

static void fill_memory(void)
{
    for (;;) {
        char *p = mmap(NULL, 16 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
            continue; /* the limit of addresses: stay here until the supervisor misses us */
        memset(p, 1, 16 << 20);
    }
}

#endif
