/*
 * run_users.c - a user of its own for each plugin host, out of a range nobody else uses: what one owns the others cannot
 * touch. Where that cannot be, hosts run as the supervisor's user, and the reason is shown.
 */
#include "control/run_internal.h"

#include "util/id.h"
#include "util/log.h"
#include "util/scope.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { USERS = 65536, DEPTH_MAX = 16 };

/* Does this user namespace have the whole range? */
static bool is_mapped(const char *map, uint32_t first)
{
    FILE *f = fopen(map, "re");
    unsigned long long inside, outside, n;
    bool is_in = false;
    while (f && !is_in && fscanf(f, "%llu %llu %llu", &inside, &outside, &n) == 3)
        is_in = first >= inside && first + (unsigned long long)USERS <= inside + n;
    if (f)
        (void)fclose(f);
    return is_in;
}

/* The first folder on the way to path that other users cannot pass. */
static bool is_closed(const char *path, char ret[PATH_MAX])
{
    struct stat st;
    if (!realpath(path, ret))
        return false; /* what is not there is said elsewhere */
    for (char *cut = strrchr(ret, '/'); cut && cut != ret; cut = strrchr(ret, '/')) {
        *cut = '\0';
        if (stat(ret, &st) == 0 && !(st.st_mode & S_IXOTH))
            return true;
    }
    return false;
}

void mmr_run_users_begin(struct mmr_run_state *s)
{
    const uint32_t first = (uint32_t)mmr_config_int(s->config, "sandbox.first_user");
    const char *dirs[] = {mmr_config_str(s->config, "node.state_dir"), mmr_config_str(s->config, "node.run_dir")};
    char at[PATH_MAX];
    s->first_user = 0;
    s->no_users[0] = '\0';
    if (strcmp(mmr_config_str(s->config, "sandbox.users"), "own") != 0)
        (void)snprintf(s->no_users, sizeof s->no_users, "sandbox.users is off");
    else if (geteuid() != 0)
        (void)snprintf(s->no_users, sizeof s->no_users, "mamori does not run as root");
    else if (!is_mapped("/proc/self/uid_map", first) || !is_mapped("/proc/self/gid_map", first))
        (void)snprintf(s->no_users, sizeof s->no_users, "this container has no users from %u on (sandbox.first_user)", first);
    for (size_t i = 0; i < 2 && !s->no_users[0]; i++)
        if (is_closed(dirs[i], at))
            (void)snprintf(s->no_users, sizeof s->no_users, "folder '%.150s' lets no other user through; chmod o+x it", at);
    if (!s->no_users[0])
        s->first_user = first;
}

/* What a host will do, tried as one: the folders' own permissions do not tell everything (a file system of one user, a
 * rule of another module). */
void mmr_run_users_try(struct mmr_run_state *s)
{
    const char *dirs[] = {mmr_config_str(s->config, "node.state_dir"), mmr_config_str(s->config, "node.run_dir")};
    static const char *const below[] = {"plugins", "bus"};
    const gid_t group = s->first_user;
    const uid_t user = s->first_user + USERS - 1;
    int status = 0;
    pid_t pid = s->first_user ? fork() : 0;
    if (!s->first_user)
        return;
    if (pid == 0) {
        char path[4096];
        if (setgroups(1, &group) != 0 || setresgid(user, user, user) != 0 || setresuid(user, user, user) != 0)
            _exit(3);
        for (int i = 0; i < 2; i++) {
            struct stat st;
            (void)snprintf(path, sizeof path, "%s/%s/.", dirs[i], below[i]);
            if (stat(path, &st) != 0)
                _exit(1 + i);
        }
        _exit(0);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    int code = pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 3;
    if (code == 0)
        return;
    if (code == 3)
        (void)snprintf(s->no_users, sizeof s->no_users, "this process may not become another user");
    else
        (void)snprintf(s->no_users, sizeof s->no_users, "another user does not get to '%.180s/%s'", dirs[code - 1], below[code - 1]);
    s->first_user = 0;
}

/* The same name gets the same user, so that files stay its own; two names that would share one go to the next. */
uint32_t mmr_run_user(const struct mmr_run_state *s, const char *host)
{
    uint32_t at = (uint32_t)(mmr_hash64(host, strlen(host), 1) % (USERS - 1));
    if (!s->first_user)
        return 0;
    for (bool is_taken = true; is_taken;) {
        at = at % (USERS - 1) + 1; /* the first of the range is the group of all */
        is_taken = false;
        for (size_t i = 0; i < s->n_hosts; i++)
            is_taken = is_taken || s->host[i].user == s->first_user + at;
    }
    return s->first_user + at;
}

/* What could not be handed over is the new user's loss, not a reason to stop the others. */
static void give(int result, const char *name)
{
    if (result != 0)
        mmr_log(MMR_LOG_WARN, "user.not_handed_over", "file=%s reason=\"%s\"", name, strerror(errno));
}

/* What a host left behind under another user. Nothing is followed, and a file with a second name is left alone: its
 * other name may be anything. */
static void hand_over(int parent, const char *name, uid_t user, int depth)
{
    struct stat st;
    mmr_autoclose int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        return;
    if (st.st_uid != user || st.st_gid != user)
        give(fchown(fd, user, user), ".");
    int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = again >= 0 ? fdopendir(again) : NULL;
    if (!d && again >= 0)
        (void)close(again);
    for (const struct dirent *e; d && (e = readdir(d)) != NULL;) {
        struct stat in;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || fstatat(fd, e->d_name, &in, AT_SYMLINK_NOFOLLOW) != 0 ||
            in.st_dev != st.st_dev)
            continue;
        if (S_ISDIR(in.st_mode) && depth < DEPTH_MAX)
            hand_over(fd, e->d_name, user, depth + 1);
        else if (S_ISREG(in.st_mode) && in.st_nlink == 1 && in.st_uid != user && (in.st_uid == 0 || (in.st_mode & 06000) == 0))
            give(fchownat(fd, e->d_name, user, user, AT_SYMLINK_NOFOLLOW), e->d_name);
    }
    if (d)
        (void)closedir(d);
}

void mmr_run_own_folder(const char *path, uint32_t user)
{
    (void)chmod(path, 0700);
    if (geteuid() == 0)
        hand_over(AT_FDCWD, path, user, 0);
}

int mmr_run_pass_folder(const struct mmr_run_state *s, const char *path, uint32_t group, mode_t mode, struct mmr_error *err)
{
    if (!s->first_user)
        return 0;
    if (chown(path, (uid_t)-1, group) != 0 || chmod(path, mode) != 0)
        return mmr_fail(err, MMR_EIO, "folder '%s' for plugin hosts: %s", path, strerror(errno));
    return 0;
}
