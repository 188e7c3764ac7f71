/* plugin_file.c - the plugin a user names on the command line: found, loaded, and kept out of our own process. */
#include "cli/plugin_file.h"

#include "cli/command.h"
#include "plugin/builtin.h"
#include "plugin/load.h"
#include "util/scope.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

bool mmr_plugin_folder(char *buf, size_t cap)
{
    static const char *const beside[] = {"plugins", "../lib/mamori/plugins", "../lib/x86_64-linux-gnu/mamori/plugins"};
    const char *env = getenv("MAMORI_PLUGINS");
    char exe[PATH_MAX];
    if (env)
        return snprintf(buf, cap, "%s", env) < (int)cap;
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (n <= 0)
        return false;
    exe[n] = '\0';
    *strrchr(exe, '/') = '\0';
    for (size_t i = 0; i < sizeof beside / sizeof beside[0]; i++)
        if (snprintf(buf, cap, "%s/%s", exe, beside[i]) < (int)cap && access(buf, R_OK | X_OK) == 0)
            return true;
    return false;
}

int mmr_plugin_find(const char *what, const struct mmr_plugin **ret_p, struct mmr_error *err)
{
    mmr_autofree char *located = NULL;
    mmr_autoclose int fd = -1;
    char dir[PATH_MAX] = "";
    size_t n = strlen(what);
    bool is_file = strchr(what, '/') || (n > 3 && strcmp(what + n - 3, ".so") == 0);
    int r;
    if (!is_file && (*ret_p = mmr_plugin_builtin(mmr_builtin_plugins, what)) != NULL)
        return 0;
    if (!is_file) {
        if (!mmr_plugin_folder(dir, sizeof dir))
            return mmr_fail(err, MMR_ENOENT, "plugin '%s' is not built in, and there is no folder of plugin files", what);
        if ((r = mmr_plugin_locate(dir, what, &located, err)) != 0)
            return r;
    }
    r = mmr_plugin_seal(is_file ? what : located, &fd, err);
    return r ? r : mmr_plugin_load(fd, what, ret_p, err);
}

int mmr_plugin_status(int r)
{
    return r == MMR_EIO || r == MMR_ENOMEM ? MMR_EXIT_FAILED : r == MMR_ENOENT || r == MMR_EINVAL ? MMR_EXIT_USAGE
                                                                                                 : MMR_EXIT_NO;
}

int mmr_plugin_in_process(int (*fn)(const char *what), const char *what)
{
    int status = 0;
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid < 0) {
        (void)fputs("mamori plugin: no process could be made\n", stderr);
        return MMR_EXIT_FAILED;
    }
    if (pid == 0) {
        (void)alarm(20); /* a constructor that never returns */
        int r = fn(what);
        (void)fflush(stdout);
        _exit(r);
    }
    if (waitpid(pid, &status, 0) != pid)
        return MMR_EXIT_FAILED;
    if (WIFSIGNALED(status)) {
        (void)fprintf(stderr, "mamori plugin: loading '%s' ended by signal %d (%s)\n", what, WTERMSIG(status),
                      strsignal(WTERMSIG(status)));
        return MMR_EXIT_NO;
    }
    return WEXITSTATUS(status);
}
