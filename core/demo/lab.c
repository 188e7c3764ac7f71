/* lab.c - namespaces of machines, children in them, and their end. */
#include "demo/lab.h"

#include "util/clock.h"
#include "util/scope.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "demo/demo.h"

enum { TOOL_TEXT = 4096, TOOL_MS = 10000 };

int mmr_lab_write(const char *path, const char *text, mode_t mode, struct mmr_error *err)
{
    size_t len = strlen(text);
    mmr_autoclose int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0 || write(fd, text, len) != (ssize_t)len || fchmod(fd, mode) != 0)
        return mmr_fail(err, MMR_EIO, "'%s': %s", path, strerror(errno));
    return 0;
}

bool mmr_lab_sleep(int64_t ms)
{
    int64_t until = mmr_clock_mono_ns() + ms * MMR_NS_PER_MS;
    while (!mmr_demo_is_stopping()) {
        int64_t left = (until - mmr_clock_mono_ns()) / MMR_NS_PER_MS;
        if (left <= 0)
            return true;
        (void)poll(NULL, 0, (int)(left < 100 ? left : 100)); /* a signal cuts it short */
    }
    return false;
}

/* ---- one machine ---- */

static int make_folders(const struct mmr_machine *m, struct mmr_error *err)
{
    static const char *const below[] = {"", "/fs", "/fs/log", "/fs/opt", "/conf", "/run", "/log", NULL};
    char path[MMR_LAB_PATH + 32];
    for (size_t i = 0; below[i]; i++) {
        (void)snprintf(path, sizeof path, "%s%s", m->dir, below[i]);
        if (mkdir(path, 0755) != 0 && errno != EEXIST)
            return mmr_fail(err, MMR_EIO, "folder '%s': %s", path, strerror(errno));
    }
    return 0;
}

static bool lay_over(const struct mmr_machine *m, const char *from, const char *to)
{
    char path[MMR_LAB_PATH + 32];
    (void)snprintf(path, sizeof path, "%s/fs/%s", m->dir, from);
    return mount(path, to, NULL, MS_BIND, NULL) == 0;
}

static int make_parents(const char *path)
{
    char text[4096];
    (void)snprintf(text, sizeof text, "%s", path);
    for (char *p = text + 1; *p; p++)
        if (*p == '/') {
            *p = '\0';
            if (mkdir(text, 0755) != 0 && errno != EEXIST)
                return -1;
            *p = '/';
        }
    return mkdir(text, 0755) != 0 && errno != EEXIST ? -1 : 0;
}

/*
 * Folders that are a machine's own: all that its file sensor watches, so that nothing the world outside writes (an
 * editor, a compiler's cache below /root) can be taken for a change on that machine.
 */
static const struct {
    const char *path, *options;
} own_folders[] = {{"/tmp", "size=64m,mode=1777"},
                   {"/etc/cron.d", "size=1m,mode=755"},
                   {"/root", "size=16m,mode=700"},
                   {"/home", "size=16m,mode=755"},
                   {"/var/spool/cron", "size=1m,mode=755"}};

static bool make_own_folders(void)
{
    (void)mkdir("/etc/cron.d", 0755);
    for (size_t i = 0; i < sizeof own_folders / sizeof own_folders[0]; i++)
        if (mount("mamori-demo", own_folders[i].path, "tmpfs", MS_NOSUID, own_folders[i].options) != 0 && errno != ENOENT)
            return false; /* what is not there cannot be written to from outside either */
    return true;
}

/* When this executable lies below one of them it must stay to be found there, with its plugins. */
static bool show_own_folder(int dir_fd, const char *dir)
{
    char from[64];
    for (size_t i = 0; i < sizeof own_folders / sizeof own_folders[0]; i++) {
        size_t n = strlen(own_folders[i].path);
        if (strncmp(dir, own_folders[i].path, n) != 0 || dir[n] != '/')
            continue;
        (void)snprintf(from, sizeof from, "/proc/self/fd/%d", dir_fd);
        return make_parents(dir) == 0 && mount(from, dir, NULL, MS_BIND | MS_REC, NULL) == 0;
    }
    return true;
}

/* In the child: become the machine. Returns the name of what failed. */
static const char *become(const struct mmr_machine *m)
{
    char exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    exe[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(exe, '/');
    if (slash)
        *slash = '\0';
    if (unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS) != 0)
        return "new namespaces";
    if (sethostname(m->name, strlen(m->name)) != 0)
        return "host name";
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return "private mounts";
    /* of this mount namespace: a folder of another cannot be mounted here */
    mmr_autoclose int dir_fd = open(exe, O_PATH | O_DIRECTORY | O_CLOEXEC), own_fd = open(m->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (!make_own_folders() || !lay_over(m, "log", "/var/log") || !lay_over(m, "opt", "/opt"))
        return "folders of its own";
    return show_own_folder(dir_fd, exe) && show_own_folder(own_fd, m->dir) ? NULL : "the folder of the executable, or of the lab";
}

static int open_ns(pid_t pid, const char *kind, int *ret)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)pid, kind);
    *ret = open(path, O_RDONLY | O_CLOEXEC);
    return *ret < 0 ? -1 : 0;
}

static int make_machine(struct mmr_lab *lab, const char *name, const char *ip, struct mmr_error *err)
{
    struct mmr_machine *m = &lab->machine[lab->n];
    int up[2] = {-1, -1}, down[2] = {-1, -1};
    char why[64] = "";
    struct stat st;
    memset(m, 0, sizeof *m);
    m->net = m->mnt = m->uts = -1;
    (void)snprintf(m->name, sizeof m->name, "%s", name);
    (void)snprintf(m->ip, sizeof m->ip, "%s", ip);
    char dir[sizeof m->dir] = ""; /* of its own: m lies in lab, and what is printed may not overlap what is read */
    (void)snprintf(dir, sizeof dir, "%.200s/%s", lab->dir, name);
    memcpy(m->dir, dir, sizeof dir);
    int r = make_folders(m, err);
    if (r)
        return r;
    if (pipe2(up, O_CLOEXEC) != 0 || pipe2(down, O_CLOEXEC) != 0)
        return mmr_fail(err, MMR_EIO, "pipe: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0) {
        const char *bad = become(m);
        char text[64];
        (void)close(down[1]);
        (void)snprintf(text, sizeof text, "%s%s%s", bad ? bad : "+", bad ? ": " : "", bad ? strerror(errno) : "");
        (void)!write(up[1], text, strlen(text) + 1);
        (void)!read(down[0], text, 1);
        _exit(0);
    }
    (void)close(up[1]);
    (void)close(down[0]);
    if (pid > 0 && read(up[0], why, sizeof why - 1) > 0 && strcmp(why, "+") == 0 && open_ns(pid, "net", &m->net) == 0 &&
        open_ns(pid, "mnt", &m->mnt) == 0 && open_ns(pid, "uts", &m->uts) == 0 && fstat(m->net, &st) == 0) {
        m->netns = st.st_ino;
        lab->n++;
    } else {
        r = mmr_fail(err, MMR_EUNSUPPORTED, "machine '%s' cannot be made here: %s", name, why[0] ? why : strerror(errno));
    }
    (void)close(down[1]);
    (void)close(up[0]);
    if (pid > 0)
        (void)waitpid(pid, NULL, 0);
    return r;
}

struct mmr_machine *mmr_lab_machine(struct mmr_lab *lab, const char *name)
{
    for (size_t i = 0; i < lab->n; i++)
        if (strcmp(lab->machine[i].name, name) == 0)
            return &lab->machine[i];
    abort(); /* no machine of this lab: our own mistake */
}

struct mmr_machine *mmr_lab_of(struct mmr_lab *lab, pid_t pid)
{
    char path[64];
    struct stat st;
    (void)snprintf(path, sizeof path, "/proc/%d/ns/net", (int)pid);
    if (stat(path, &st) != 0)
        return NULL;
    for (size_t i = 0; i < lab->n; i++)
        if (lab->machine[i].netns == st.st_ino)
            return &lab->machine[i];
    return NULL;
}

/* ---- children ---- */

static void enter(const struct mmr_machine *m, pid_t parent, const char *out)
{
    char path[MMR_LAB_PATH + 64];
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(3);
    (void)snprintf(path, sizeof path, "%s/log/%s", m->dir, out);
    int fd = open(out[0] ? path : "/dev/null", O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0644), in = open("/dev/null", O_RDONLY);
    if (fd < 0 || in < 0 || dup2(in, 0) < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0 || setns(m->net, CLONE_NEWNET) != 0 ||
        setns(m->uts, CLONE_NEWUTS) != 0 || setns(m->mnt, CLONE_NEWNS) != 0 || chdir("/") != 0)
        _exit(3);
    static const int sigs[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    for (size_t i = 0; i < 4; i++)
        (void)signal(sigs[i], SIG_DFL);
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)setpgid(0, 0); /* Ctrl-C is for the demo; it ends its parts in order */
}

int mmr_lab_spawn(struct mmr_lab *lab, struct mmr_machine *m, const char *out, mmr_lab_fn fn, void *arg, pid_t *ret, struct mmr_error *err)
{
    size_t at = 0;
    while (at < MMR_LAB_CHILDREN_MAX && lab->child[at])
        at++;
    if (at == MMR_LAB_CHILDREN_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "more than %d parts of the demo at once", MMR_LAB_CHILDREN_MAX);
    (void)fflush(NULL);
    pid_t parent = getpid(), pid = fork();
    if (pid < 0)
        return mmr_fail(err, MMR_EIO, "fork: %s", strerror(errno));
    if (pid == 0) {
        enter(m, parent, out);
        int status = fn(m, arg);
        (void)fflush(NULL);
        _exit(status);
    }
    lab->child[at] = pid;
    if (ret)
        *ret = pid;
    return 0;
}

static void forget(struct mmr_lab *lab, pid_t pid)
{
    for (size_t i = 0; i < MMR_LAB_CHILDREN_MAX; i++)
        if (lab->child[i] == pid)
            lab->child[i] = 0;
}

int mmr_lab_wait(struct mmr_lab *lab, pid_t pid, int64_t timeout_ms, int *ret_status)
{
    int64_t until = mmr_clock_mono_ns() + timeout_ms * MMR_NS_PER_MS;
    for (;;) {
        pid_t got = waitpid(pid, ret_status, WNOHANG);
        if (got == pid || (got < 0 && errno == ECHILD)) {
            forget(lab, pid);
            return got == pid ? 0 : -1;
        }
        if (mmr_clock_mono_ns() >= until)
            return -1;
        (void)poll(NULL, 0, 5);
    }
}

void mmr_lab_end(struct mmr_lab *lab, pid_t pid)
{
    if (pid <= 0)
        return;
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    forget(lab, pid);
}

static bool is_child(const struct mmr_lab *lab, pid_t pid)
{
    for (size_t i = 0; i < MMR_LAB_CHILDREN_MAX; i++)
        if (lab->child[i] == pid)
            return true;
    return false;
}

void mmr_lab_reap(struct mmr_lab *lab)
{
    for (;;) {
        siginfo_t info = {0};
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0 || is_child(lab, info.si_pid))
            return; /* our own are waited for by name */
        (void)waitpid(info.si_pid, NULL, WNOHANG);
    }
}

struct tool {
    const char *const *argv;
    int in, out;
};

static int run_tool(const struct mmr_machine *m, void *arg)
{
    const struct tool *t = arg;
    char *argv[16];
    size_t n = 0;
    (void)m;
    for (; n < 15 && t->argv[n]; n++)
        argv[n] = (char *)(uintptr_t)t->argv[n]; /* execvp() does not write to them */
    argv[n] = NULL;
    (void)setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
    if (!argv[0] || dup2(t->in, 0) < 0 || dup2(t->out, 1) < 0 || dup2(t->out, 2) < 0)
        return 3;
    (void)execvp(argv[0], argv);
    (void)fprintf(stderr, "%s: %s", argv[0], strerror(errno));
    return 127;
}

int mmr_lab_tool(struct mmr_lab *lab, struct mmr_machine *m, const char *const *argv, const char *input, struct mmr_error *err)
{
    int in[2], out[2], status = 0;
    char text[TOOL_TEXT] = "";
    size_t at = 0;
    pid_t pid = -1;
    if (pipe2(in, O_CLOEXEC) != 0)
        return mmr_fail(err, MMR_EIO, "pipe: %s", strerror(errno));
    if (pipe2(out, O_CLOEXEC) != 0) {
        (void)close(in[0]);
        (void)close(in[1]);
        return mmr_fail(err, MMR_EIO, "pipe: %s", strerror(errno));
    }
    struct tool t = {argv, in[0], out[1]};
    int r = mmr_lab_spawn(lab, m, "", run_tool, &t, &pid, err);
    (void)close(in[0]);
    (void)close(out[1]);
    if (!r)
        (void)!write(in[1], input ? input : "", input ? strlen(input) : 0);
    (void)close(in[1]);
    for (ssize_t n; !r && at < sizeof text - 1 && (n = read(out[0], text + at, sizeof text - 1 - at)) > 0;)
        at += (size_t)n;
    (void)close(out[0]);
    if (r)
        return r;
    if (mmr_lab_wait(lab, pid, TOOL_MS, &status) != 0) {
        mmr_lab_end(lab, pid);
        return mmr_fail(err, MMR_EIO, "'%s' does not end", argv[0]);
    }
    text[strcspn(text, "\n")] = '\0';
    return WIFEXITED(status) && WEXITSTATUS(status) == 0
               ? 0
               : mmr_fail(err, MMR_EUNSUPPORTED, "'%s' in %s: %.150s", argv[0], m->name, text);
}

/* ---- life ---- */

int mmr_lab_open(const char *keep, struct mmr_lab *lab, struct mmr_error *err)
{
    static const struct {
        const char *name, *ip;
    } rows[] = {{"internet", "192.0.2.1"}, {"gateway", "192.168.77.1"}, {"switch", ""},
                {"pc1", "192.168.77.11"}, {"pc2", "192.168.77.12"}, {"printer", "192.168.77.20"}};
    memset(lab, 0, sizeof *lab);
    if (geteuid() != 0)
        return mmr_fail(err, MMR_EPERM, "the demo makes namespaces and needs root; run it with sudo");
    lab->is_kept = keep != NULL;
    if (keep) {
        if (mkdir(keep, 0755) != 0 && errno != EEXIST)
            return mmr_fail(err, MMR_EIO, "folder '%s': %s", keep, strerror(errno));
        mmr_autofree char *full = realpath(keep, NULL);
        if (!full || strlen(full) > 40) /* paths of sockets are short: 107 bytes */
            return mmr_fail(err, MMR_EINVAL, "folder '%s' is too deep; its full path may have 40 bytes", keep);
        if (strncmp(full, "/tmp/", 5) == 0)
            return mmr_fail(err, MMR_EINVAL, "folder '%s': the machines have a /tmp of their own; choose another place", keep);
        if (rmdir(full) != 0 || mkdir(full, 0755) != 0)
            return mmr_fail(err, MMR_EINVAL, "folder '%s' is not empty; name a new one", keep);
        (void)snprintf(lab->dir, sizeof lab->dir, "%s", full);
    } else {
        (void)snprintf(lab->dir, sizeof lab->dir, "/run/mamori-demo-XXXXXX");
        if (!mkdtemp(lab->dir)) {
            (void)snprintf(lab->dir, sizeof lab->dir, "/var/tmp/mamori-demo-XXXXXX");
            if (!mkdtemp(lab->dir))
                return mmr_fail(err, MMR_EIO, "'%s': %s", lab->dir, strerror(errno));
        }
    }
    (void)chmod(lab->dir, 0755);
    lab->exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int r = lab->exe < 0 ? mmr_fail(err, MMR_EIO, "this executable: %s", strerror(errno)) : 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && !r; i++)
        r = make_machine(lab, rows[i].name, rows[i].ip, err);
    return r ? r : mmr_lab_wire(lab, err);
}

static size_t kill_all(struct mmr_lab *lab)
{
    size_t n = 0;
    DIR *d = opendir("/proc");
    for (struct dirent *e; d && (e = readdir(d));) {
        char *end;
        long pid = strtol(e->d_name, &end, 10);
        if (*end || pid <= 1 || pid == getpid() || !mmr_lab_of(lab, (pid_t)pid))
            continue;
        (void)kill((pid_t)pid, SIGKILL);
        n++;
    }
    if (d)
        (void)closedir(d);
    return n;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    (void)remove(path);
    return 0;
}

void mmr_lab_close(struct mmr_lab *lab)
{
    for (int i = 0; i < 200 && kill_all(lab) > 0; i++) {
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        (void)poll(NULL, 0, 5);
    }
    for (size_t i = 0; i < MMR_LAB_CHILDREN_MAX; i++)
        mmr_lab_end(lab, lab->child[i]);
    for (size_t i = 0; i < lab->n; i++) {
        int *fds[] = {&lab->machine[i].net, &lab->machine[i].mnt, &lab->machine[i].uts};
        for (size_t k = 0; k < 3; k++) {
            if (*fds[k] >= 0)
                (void)close(*fds[k]);
            *fds[k] = -1;
        }
    }
    if (!lab->is_kept && strstr(lab->dir, "/mamori-demo-"))
        (void)nftw(lab->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}
