/*
 * part_ssh.c - PC2's real sshd with a syslog of its own, and who guesses passwords at it with the real ssh. The account
 * exists on PC2 only: its passwd and shadow are laid over the machine's.
 */
#include "demo/demo.h"
#include "demo/parts_internal.h"

#include "util/clock.h"
#include "util/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { GUESS_PAUSE_MS = 100, GUESS_PATIENCE_MS = 1200 };

/* ---- PC2 ---- */

/* What a small syslog daemon does: datagrams of /dev/log become lines of auth.log. */
static int syslog_daemon(const struct mmr_machine *m, void *arg)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "/dev/log"};
    char text[2048], when[32];
    (void)arg;
    mmr_autoclose int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    (void)unlink(at.sun_path);
    if (s < 0 || bind(s, (struct sockaddr *)&at, sizeof at) != 0 || chmod(at.sun_path, 0666) != 0)
        return 3;
    FILE *f = fopen("/var/log/auth.log", "ae");
    for (ssize_t n; f && (n = recv(s, text, sizeof text - 1, 0)) >= 0;) {
        text[n] = '\0';
        const char *p = text[0] == '<' && strchr(text, '>') ? strchr(text, '>') + 1 : text;
        struct tm tm;
        time_t now = time(NULL);
        /* glibc's own stamp ("Nov  4 10:11:12 ") is replaced, as daemons do */
        if (strlen(p) > 16 && p[3] == ' ' && p[15] == ' ')
            p += 16;
        (void)localtime_r(&now, &tm);
        (void)strftime(when, sizeof when, "%b %e %H:%M:%S", &tm);
        (void)fprintf(f, "%s %s %s\n", when, m->name, p);
        (void)fflush(f);
    }
    return 3;
}

static int sshd_daemon(const struct mmr_machine *m, void *arg)
{
    char conf[MMR_LAB_PATH + 32];
    (void)arg;
    (void)snprintf(conf, sizeof conf, "%s/conf/sshd_config", m->dir);
    (void)execl("/usr/sbin/sshd", "/usr/sbin/sshd", "-D", "-f", conf, (char *)NULL);
    return 127;
}

/* Once, in a child of PC2: its own /dev with a /dev/log, its own accounts, sshd's folder. */
static int furnish(const struct mmr_machine *m, void *arg)
{
    static const char *const nodes[] = {"null", "zero", "full", "random", "urandom", "tty"};
    char from[MMR_LAB_PATH + 64], to[64];
    int fd[6];
    (void)arg;
    for (size_t i = 0; i < 6; i++) {
        (void)snprintf(from, sizeof from, "/dev/%s", nodes[i]);
        fd[i] = open(from, O_PATH | O_CLOEXEC);
    }
    if (mount("mamori-demo", "/dev", "tmpfs", MS_NOSUID, "size=256k,mode=755") != 0)
        return 3;
    for (size_t i = 0; i < 6; i++) {
        (void)snprintf(to, sizeof to, "/dev/%s", nodes[i]);
        (void)snprintf(from, sizeof from, "/proc/self/fd/%d", fd[i]);
        int made = fd[i] < 0 ? -1 : open(to, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
        if (made < 0 || mount(from, to, NULL, MS_BIND, NULL) != 0)
            return 3;
        (void)close(made);
    }
    static const char *const files[] = {"passwd", "shadow"};
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(from, sizeof from, "%s/fs/%s", m->dir, files[i]);
        (void)snprintf(to, sizeof to, "/etc/%s", files[i]);
        if (mount(from, to, NULL, MS_BIND, NULL) != 0)
            return 3;
    }
    return mkdir("/run/sshd", 0755) != 0 && errno != EEXIST ? 3 : 0;
}

static int copy_accounts(const struct mmr_machine *m, const char *name, const char *line, mode_t mode, struct mmr_error *err)
{
    char path[MMR_LAB_PATH + 64], text[512];
    (void)snprintf(path, sizeof path, "/etc/%s", name);
    FILE *in = fopen(path, "re");
    (void)snprintf(path, sizeof path, "%s/fs/%s", m->dir, name);
    FILE *out = fopen(path, "we");
    while (in && out && fgets(text, sizeof text, in))
        if (strcmp(name, "passwd") == 0) /* no secret of this machine goes anywhere */
            (void)fputs(text, out);
    if (out)
        (void)fputs(line, out);
    if (in)
        (void)fclose(in);
    if (!in || !out || fclose(out) != 0 || chmod(path, mode) != 0)
        return mmr_fail(err, MMR_EIO, "'%s': %s", path, strerror(errno));
    return 0;
}

int mmr_part_start_sshd(struct mmr_parts *p, struct mmr_error *err)
{
    struct mmr_machine *m = mmr_lab_machine(p->lab, "pc2");
    char path[MMR_LAB_PATH + 64], text[1024], key[MMR_LAB_PATH + 64];
    pid_t pid;
    int status = 1;
    if (access("/usr/sbin/sshd", X_OK) != 0 || access("/usr/bin/ssh", X_OK) != 0)
        return mmr_fail(err, MMR_EUNSUPPORTED, "openssh-server and openssh-client are needed; apt-get install them");
    (void)snprintf(key, sizeof key, "%s/conf/host_key", m->dir);
    (void)unlink(key);
    const char *const keygen[] = {"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key, NULL};
    int r = mmr_lab_tool(p->lab, m, keygen, NULL, err);
    if (!r)
        r = copy_accounts(m, "passwd", "hanako:x:12001:12001::/nonexistent:/bin/sh\n", 0644, err);
    if (!r) /* a hash no password has: the guesser never gets in */
        r = copy_accounts(m, "shadow", "hanako:$6$mamoridemo$0000000000000000000000000000000000000000000000000000000000000000000000000000000000000:19000:0:99999:7:::\n", 0600, err);
    (void)snprintf(path, sizeof path, "%s/conf/sshd_config", m->dir);
    (void)snprintf(text, sizeof text,
                   "ListenAddress %s\nPort %d\nHostKey %s\nPidFile none\nUsePAM no\nPasswordAuthentication yes\n"
                   "KbdInteractiveAuthentication no\nPubkeyAuthentication no\nMaxStartups 100\nSyslogFacility AUTH\nLogLevel INFO\nUseDNS no\n",
                   m->ip, MMR_DEMO_SSH_PORT, key);
    if (!r)
        r = mmr_lab_write(path, text, 0644, err);
    if (!r)
        r = mmr_lab_spawn(p->lab, m, "furnish.log", furnish, NULL, &pid, err);
    if (!r && (mmr_lab_wait(p->lab, pid, 5000, &status) != 0 || status != 0))
        r = mmr_fail(err, MMR_EUNSUPPORTED, "pc2 cannot be given a /dev and accounts of its own");
    if (!r)
        r = mmr_lab_spawn(p->lab, m, "syslog.log", syslog_daemon, NULL, NULL, err);
    (void)snprintf(path, sizeof path, "%s/fs/log/auth.log", m->dir);
    for (int i = 0; !r && i < 200 && access(path, F_OK) != 0; i++)
        (void)poll(NULL, 0, 5);
    if (!r)
        r = mmr_lab_spawn(p->lab, m, "sshd.log", sshd_daemon, NULL, NULL, err);
    for (int i = 0; !r && i < 300; i++) {
        if (mmr_parts_reaches(p->lab, "gateway", NULL, m->ip, MMR_DEMO_SSH_PORT)) {
            p->has_sshd = true;
            break;
        }
        (void)poll(NULL, 0, 10);
    }
    return r ? r : p->has_sshd ? 0 : mmr_fail(err, MMR_EUNSUPPORTED, "sshd does not start on pc2");
}

/* ---- the guesser ---- */

enum answer { GUESS_REFUSED = 1, GUESS_LOST };

static enum answer try_once(const char *victim, const char *askpass, unsigned n)
{
    int words[2];
    char text[1024];
    size_t at = 0;
    if (pipe2(words, O_CLOEXEC) != 0)
        return GUESS_LOST;
    pid_t pid = fork();
    if (pid == 0) {
        char guess[32];
        (void)snprintf(guess, sizeof guess, "summer%u", 2000 + n);
        (void)setenv("MAMORI_DEMO_GUESS", guess, 1);
        (void)setenv("SSH_ASKPASS", askpass, 1);
        (void)setenv("SSH_ASKPASS_REQUIRE", "force", 1);
        (void)dup2(words[1], 2);
        (void)execl("/usr/bin/ssh", "ssh", "-F", "none", "-b", MMR_DEMO_GUESSER, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                    "-o", "NumberOfPasswordPrompts=1", "-o", "PubkeyAuthentication=no", "-o", "ConnectTimeout=1", "-o", "LogLevel=ERROR",
                    "-l", "hanako", victim, "true", (char *)NULL);
        _exit(127);
    }
    (void)close(words[1]);
    int64_t until = mmr_clock_mono_ns() + GUESS_PATIENCE_MS * MMR_NS_PER_MS;
    for (;;) {
        struct pollfd p = {.fd = words[0], .events = POLLIN};
        int64_t left = (until - mmr_clock_mono_ns()) / MMR_NS_PER_MS;
        ssize_t k = pid > 0 && left > 0 && poll(&p, 1, (int)left) == 1 ? read(words[0], text + at, sizeof text - 1 - at) : 0;
        if (k <= 0 || at + (size_t)k == sizeof text - 1)
            break;
        at += (size_t)k;
    }
    text[at] = '\0';
    (void)close(words[0]);
    if (pid > 0)
        (void)kill(pid, SIGKILL); /* a connection that was cut in the middle would wait for long */
    if (pid > 0)
        (void)waitpid(pid, NULL, 0);
    return strstr(text, "Permission denied") ? GUESS_REFUSED : GUESS_LOST;
}

int mmr_part_guess(const struct mmr_machine *m, void *arg)
{
    const struct mmr_parts *p = arg;
    const char *victim = mmr_lab_machine(p->lab, "pc2")->ip;
    struct mmr_error err = {.struct_size = sizeof err};
    char askpass[MMR_LAB_PATH + 32];
    (void)snprintf(askpass, sizeof askpass, "%s/conf/askpass", m->dir);
    if (mmr_lab_write(askpass, "#!/bin/sh\necho \"$MAMORI_DEMO_GUESS\"\n", 0755, &err) != 0)
        return 3;
    for (unsigned n = 1;; n++) {
        int64_t never = 0;
        (void)atomic_compare_exchange_strong(&p->view->first_ns, &never, mmr_clock_wall_ns());
        enum answer a = try_once(victim, askpass, n);
        atomic_fetch_add(&p->view->guesses, 1);
        atomic_fetch_add(a == GUESS_REFUSED ? &p->view->guesses_refused : &p->view->guesses_lost, 1);
        (void)poll(NULL, 0, GUESS_PAUSE_MS);
    }
}
