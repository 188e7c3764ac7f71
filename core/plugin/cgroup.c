/* cgroup.c - groups are folders, their settings files; each write that fails leaves things as they were. */
#include "plugin/cgroup.h"

#include "util/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static bool put(const char *dir, const char *file, const char *text)
{
    char path[1400];
    (void)snprintf(path, sizeof path, "%s/%s", dir, file);
    mmr_autoclose int fd = open(path, O_WRONLY | O_CLOEXEC | O_TRUNC);
    return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

/* The number behind a word in one of a group's files, 0 if it is not there. */
static long number(const char *dir, const char *file, const char *word)
{
    char path[1400], line[128];
    size_t n = strlen(word);
    long found = 0;
    (void)snprintf(path, sizeof path, "%s/%s", dir, file);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, word, n) == 0 && line[n] == ' ')
            found = strtol(line + n, NULL, 10);
    if (f)
        (void)fclose(f);
    return found;
}

/* The path in the line of /proc/self/cgroup whose controllers hold `which` ("" is version 2). */
static bool path_of(const char *own, const char *which, char *buf, size_t cap)
{
    for (const char *line = own; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        const char *a = strchr(line, ':'), *b = a ? strchr(a + 1, ':') : NULL;
        char list[256];
        if (!b || (size_t)(b - a) >= sizeof list)
            continue;
        (void)snprintf(list, sizeof list, ",%.*s,", (int)(b - a - 1), a + 1);
        char want[32];
        (void)snprintf(want, sizeof want, ",%s,", which);
        if (!strstr(list, want))
            continue;
        size_t n = strcspn(b + 1, "\n");
        if (n >= cap)
            return false;
        memcpy(buf, b + 1, n);
        buf[n] = '\0';
        return true;
    }
    return false;
}

static bool is_delegated(const char *dir)
{
    static const char *const names[] = {"trusted.delegate", "user.delegate"};
    char v[4];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (getxattr(dir, names[i], v, sizeof v) == 1 && v[0] == '1')
            return true;
    return false;
}

static void open_v2(struct mmr_cgroup *g, const char *root, const char *path)
{
    char dir[900], core[1000], self[32];
    g->is_v2 = true;
    (void)snprintf(dir, sizeof dir, "%.100s%.700s", root, strcmp(path, "/") == 0 ? "" : path);
    if (!is_delegated(dir)) {
        (void)snprintf(g->why, sizeof g->why, "the service manager did not hand over this group (Delegate=yes in the unit)");
        return;
    }
    (void)snprintf(core, sizeof core, "%s/core", dir);
    (void)snprintf(self, sizeof self, "%d", (int)getpid());
    if ((mkdir(core, 0755) != 0 && errno != EEXIST) || !put(core, "cgroup.procs", self) || !put(dir, "cgroup.subtree_control", "+memory"))
        (void)snprintf(g->why, sizeof g->why, "the group cannot be divided: %s", strerror(errno));
    else
        (void)snprintf(g->dir, sizeof g->dir, "%s", dir);
}

static void open_v1(struct mmr_cgroup *g, const char *root, const char *path)
{
    char dir[1000];
    (void)snprintf(dir, sizeof dir, "%.100s/memory%.700s/mamori-%d", root, strcmp(path, "/") == 0 ? "" : path, (int)getpid());
    if (mkdir(dir, 0755) != 0 && errno != EEXIST)
        (void)snprintf(g->why, sizeof g->why, "no group can be made: %s", strerror(errno));
    else
        (void)snprintf(g->dir, sizeof g->dir, "%s", dir);
}

void mmr_cgroup_open(struct mmr_cgroup *g, const char *root, const char *own)
{
    char path[800], file[200];
    *g = (struct mmr_cgroup){.dir = ""};
    (void)snprintf(file, sizeof file, "%.150s/cgroup.controllers", root);
    if (path_of(own, "memory", path, sizeof path))
        open_v1(g, root, path);
    else if (access(file, F_OK) == 0 && path_of(own, "", path, sizeof path))
        open_v2(g, root, path);
    else
        (void)snprintf(g->why, sizeof g->why, "this kernel has no memory groups, or they are not mounted at %.60s", root);
}

bool mmr_cgroup_put(const struct mmr_cgroup *g, const char *name, pid_t pid, int64_t bytes)
{
    char dir[1200], text[32];
    if (!g->dir[0])
        return false;
    (void)snprintf(dir, sizeof dir, "%s/host-%.64s", g->dir, name);
    if (mkdir(dir, 0755) != 0 && errno != EEXIST)
        return false;
    (void)snprintf(text, sizeof text, "%lld", (long long)bytes);
    if (!put(dir, g->is_v2 ? "memory.max" : "memory.limit_in_bytes", text))
        return false;
    (void)put(dir, g->is_v2 ? "memory.swap.max" : "memory.memsw.limit_in_bytes", g->is_v2 ? "0" : text); /* where swap is counted */
    (void)snprintf(text, sizeof text, "%d", (int)pid);
    return put(dir, "cgroup.procs", text);
}

bool mmr_cgroup_end(const struct mmr_cgroup *g, const char *name)
{
    char dir[1200];
    if (!g->dir[0])
        return false;
    (void)snprintf(dir, sizeof dir, "%s/host-%.64s", g->dir, name);
    bool was_full = number(dir, g->is_v2 ? "memory.events" : "memory.oom_control", "oom_kill") > 0;
    (void)rmdir(dir); /* an end that is still under way keeps it; the next start uses it again */
    return was_full;
}

void mmr_cgroup_close(const struct mmr_cgroup *g)
{
    if (g->dir[0] && !g->is_v2)
        (void)rmdir(g->dir);
}
