/* parts.c - starting the parts, and looking at the machines from outside. */
#include "demo/parts_internal.h"

#include "demo/demo.h"
#include "util/clock.h"
#include "util/scope.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

static int run_actor(const struct mmr_machine *m, void *arg)
{
    (void)m;
    (void)arg;
    (void)execl("/opt/stocklist/stocklistd", "stocklistd", "web", "8080", (char *)NULL);
    return 127;
}

static int put_actor(const struct mmr_machine *m, const char *name, struct mmr_error *err)
{
    char path[MMR_LAB_PATH + 64];
    (void)snprintf(path, sizeof path, "%s/fs/opt/stocklist", m->dir);
    (void)mkdir(path, 0755);
    (void)snprintf(path, sizeof path, "%s/fs/opt/stocklist/%s", m->dir, name);
    (void)unlink(path);
    FILE *f = fopen(path, "we");
    size_t len = (size_t)(mmr_demo_actor_end - mmr_demo_actor);
    bool is_good = f && fwrite(mmr_demo_actor, 1, len, f) == len;
    if (f && fclose(f) != 0)
        is_good = false;
    if (!is_good || chmod(path, 0755) != 0)
        return mmr_fail(err, MMR_EIO, "'%s': %s", path, strerror(errno));
    return 0;
}

static void end_all(struct mmr_lab *lab, const char *machine, const char *path)
{
    for (pid_t pid; (pid = mmr_parts_running(lab, machine, path)) > 0;) {
        (void)kill(pid, SIGKILL);
        (void)poll(NULL, 0, 2);
        mmr_lab_reap(lab);
    }
}

int mmr_parts_web(struct mmr_parts *p, struct mmr_error *err)
{
    struct mmr_machine *m = mmr_lab_machine(p->lab, "pc1");
    mmr_lab_end(p->lab, p->web);
    p->web = 0;
    end_all(p->lab, "pc1", MMR_DEMO_STAGE);
    (void)mmr_parts_file(p->lab, "pc1", MMR_DEMO_STAGE, true);
    (void)mmr_parts_file(p->lab, "pc1", MMR_DEMO_ENTRY, true);
    memset(p->view, 0, sizeof *p->view);
    int r = 0;
    static const char *const flush[] = {"nft", "flush", "ruleset", NULL}, *const nodes[] = {"gateway", "pc1", "pc2"};
    for (size_t i = 0; i < 3 && !r; i++) /* blocks outlive mamori, as they should */
        r = mmr_lab_tool(p->lab, mmr_lab_machine(p->lab, nodes[i]), flush, NULL, err);
    if (!r)
        r = put_actor(m, "stocklistd", err);
    if (!r)
        r = put_actor(m, "stocklist-get", err);
    if (!r)
        r = mmr_lab_spawn(p->lab, m, "web.log", run_actor, NULL, &p->web, err);
    for (int i = 0; !r && i < 200 && !mmr_parts_reaches(p->lab, "gateway", NULL, m->ip, MMR_DEMO_WEB_PORT); i++)
        (void)poll(NULL, 0, 10);
    return r;
}

int mmr_parts_start(struct mmr_lab *lab, struct mmr_parts *p, struct mmr_error *err)
{
    memset(p, 0, sizeof *p);
    p->lab = lab;
    p->view = mmap(NULL, sizeof *p->view, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p->view == MAP_FAILED) {
        p->view = NULL;
        return mmr_fail(err, MMR_ENOMEM, "shared memory: %s", strerror(errno));
    }
    int r = mmr_lab_spawn(lab, mmr_lab_machine(lab, "internet"), "c2.log", mmr_part_c2, p->view, &p->c2, err);
    if (!r)
        r = mmr_lab_spawn(lab, mmr_lab_machine(lab, "printer"), "printer.log", mmr_part_printer, NULL, NULL, err);
    if (!r)
        r = mmr_part_start_sshd(p, err);
    return r;
}

void mmr_parts_stop(struct mmr_parts *p)
{
    if (p->view)
        (void)munmap(p->view, sizeof *p->view);
    p->view = NULL;
}

int mmr_parts_exploit(struct mmr_parts *p, struct mmr_error *err)
{
    pid_t pid;
    int status = 0;
    struct mmr_part_exploit x = {.view = p->view, .victim = mmr_lab_machine(p->lab, "pc1")->ip};
    int r = mmr_lab_spawn(p->lab, mmr_lab_machine(p->lab, "internet"), "attacker.log", mmr_part_exploit, &x, &pid, err);
    if (!r && mmr_lab_wait(p->lab, pid, 5000, &status) != 0) {
        mmr_lab_end(p->lab, pid);
        return 0; /* cut off in the middle: the checks look at what it could do */
    }
    return r ? r : status == 0 ? 0 : mmr_fail(err, MMR_EIO, "the weak service on PC1 cannot be reached");
}

int mmr_parts_guess(struct mmr_parts *p, struct mmr_error *err)
{
    p->view->first_ns = 0;
    return mmr_lab_spawn(p->lab, mmr_lab_machine(p->lab, "internet"), "guesser.log", mmr_part_guess, p, &p->guesser, err);
}

void mmr_parts_guess_stop(struct mmr_parts *p)
{
    mmr_lab_end(p->lab, p->guesser);
    p->guesser = 0;
    end_all(p->lab, "internet", "/usr/bin/ssh");
}

/* ---- looking ---- */

struct reach {
    const char *source, *address;
    int port;
};

static int reach(const struct mmr_machine *m, void *arg)
{
    const struct reach *x = arg;
    (void)m;
    mmr_autoclose int s = mmr_part_connect(x->source, x->address, x->port, 400);
    return s >= 0 ? 0 : 1;
}

bool mmr_parts_reaches(struct mmr_lab *lab, const char *machine, const char *source, const char *address, int port)
{
    struct reach x = {source, address, port};
    struct mmr_error err = {.struct_size = sizeof err};
    pid_t pid;
    int status = 1;
    if (mmr_lab_spawn(lab, mmr_lab_machine(lab, machine), "", reach, &x, &pid, &err) != 0)
        return false;
    if (mmr_lab_wait(lab, pid, 3000, &status) != 0)
        mmr_lab_end(lab, pid);
    return status == 0;
}

struct look {
    const char *path;
    bool is_removed;
};

static int look(const struct mmr_machine *m, void *arg)
{
    const struct look *x = arg;
    (void)m;
    return (x->is_removed ? unlink(x->path) : access(x->path, F_OK)) == 0 ? 0 : 1;
}

bool mmr_parts_file(struct mmr_lab *lab, const char *machine, const char *path, bool is_removed)
{
    struct look x = {path, is_removed};
    struct mmr_error err = {.struct_size = sizeof err};
    pid_t pid;
    int status = 1;
    if (mmr_lab_spawn(lab, mmr_lab_machine(lab, machine), "", look, &x, &pid, &err) != 0)
        return false;
    if (mmr_lab_wait(lab, pid, 3000, &status) != 0)
        mmr_lab_end(lab, pid);
    return status == 0;
}

pid_t mmr_parts_running(struct mmr_lab *lab, const char *machine, const char *path)
{
    const struct mmr_machine *m = mmr_lab_machine(lab, machine);
    pid_t found = 0;
    DIR *d = opendir("/proc");
    for (struct dirent *e; d && !found && (e = readdir(d));) {
        char link[64], exe[512];
        char *end;
        long pid = strtol(e->d_name, &end, 10);
        if (*end || pid <= 1)
            continue;
        (void)snprintf(link, sizeof link, "/proc/%ld/exe", pid);
        ssize_t n = readlink(link, exe, sizeof exe - 1);
        exe[n > 0 ? n : 0] = '\0';
        char *gone = strstr(exe, " (deleted)");
        if (gone)
            *gone = '\0';
        size_t len = strlen(exe), want = strlen(path); /* seen from outside the path may have the machine's folder before it */
        if (len >= want && strcmp(exe + len - want, path) == 0 && mmr_lab_of(lab, (pid_t)pid) == m)
            found = (pid_t)pid;
    }
    if (d)
        (void)closedir(d);
    return found;
}
