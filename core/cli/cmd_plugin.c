/* cmd_plugin.c - `mamori plugin`: what plugins there are, what one says of itself, and whether it keeps the rules. */
#include "cli/command.h"
#include "plugin/builtin.h"
#include "plugin/describe.h"
#include "plugin/load.h"
#include "util/scope.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where bundled .so files lie: MAMORI_PLUGINS, else beside the executable, as built or as installed. */
static bool plugin_dir(char *buf, size_t cap)
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

static void print_error(void *ctx, const char *line)
{
    (void)ctx;
    (void)fprintf(stderr, "%s\n", line);
}

static void print_words(const char *title, const char *const *list)
{
    if (!list || !*list)
        return;
    (void)printf("%-12s", title);
    for (; *list; list++)
        (void)printf(" %s", *list);
    (void)putchar('\n');
}

static void print_caps(const struct mmr_plugin *p)
{
    uint32_t caps = mmr_plugin_caps(p, MMR_SIDE_NETWORK) | mmr_plugin_caps(p, MMR_SIDE_ENDPOINT);
    (void)printf("%-12s", "capabilities");
    for (unsigned i = 0; i < MMR_CAPS; i++)
        if (caps & (1u << i))
            (void)printf(" %s", mmr_cap_name((enum mmr_cap)(1u << i)));
    (void)printf("%s\n%-12s", caps ? "" : " none", "needs");
    for (unsigned i = 0; i < MMR_NEEDS; i++)
        if (p->needs & (1u << i))
            (void)printf(" %s", mmr_need_name((enum mmr_need)(1u << i)));
    (void)printf("%s\n", p->needs ? "" : " none");
}

static void print_info(const struct mmr_plugin *p)
{
    (void)printf("%-12s %s\n%-12s %s %s\n%-12s %s\n", "id", p->id, "name", p->name, p->version, "license", p->license);
    if (p->doc)
        (void)printf("%-12s %s\n", "about", p->doc);
    (void)printf("%-12s%s%s\n", "side", p->side & MMR_SIDE_NETWORK ? " network" : "",
                 p->side & MMR_SIDE_ENDPOINT ? " endpoint" : "");
    (void)printf("%-12s%s%s%s%s\n", "roles", p->sensor ? " sensor" : "", p->analyzer ? " analyzer" : "",
                 p->responder ? " responder" : "", p->forwarder ? " forwarder" : "");
    print_caps(p);
    print_words("events", p->events);
    print_words("subscribes", p->subscribes);
    print_words("actions", p->actions);
    for (size_t i = 0; p->config; i++) {
        const struct mmr_cfg_key *k = (const void *)((const char *)p->config + i * p->config_stride);
        if (!k->name)
            break;
        (void)printf("%-12s %s [%s] %s\n", "config", k->name,
                     k->dflt ? k->dflt : k->flags & MMR_CFG_REQUIRED ? "required" : "unset", k->doc);
    }
}

/* By file name (with a '/' or ending in .so) or by id. */
static int find(const char *what, const struct mmr_plugin **ret_p, struct mmr_error *err)
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
        if (!plugin_dir(dir, sizeof dir))
            return mmr_fail(err, MMR_ENOENT, "plugin '%s' is not built in, and there is no folder of plugin files", what);
        if ((r = mmr_plugin_locate(dir, what, &located, err)) != 0)
            return r;
    }
    r = mmr_plugin_seal(is_file ? what : located, &fd, err);
    return r ? r : mmr_plugin_load(fd, what, ret_p, err);
}

static int status_of(int r)
{
    return r == MMR_EIO || r == MMR_ENOMEM ? MMR_EXIT_FAILED : r == MMR_ENOENT || r == MMR_EINVAL ? MMR_EXIT_USAGE
                                                                                                 : MMR_EXIT_NO;
}

static int info(const char *what, bool is_check)
{
    const struct mmr_plugin *p = NULL;
    struct mmr_error err = {.struct_size = sizeof err};
    int r = find(what, &p, &err);
    if (r) {
        (void)fprintf(stderr, "mamori plugin: %s\n", err.text);
        return status_of(r);
    }
    if (mmr_plugin_check(p, print_error, NULL, &err))
        return MMR_EXIT_NO;
    if (is_check)
        (void)printf("%s %s: sound\n", p->id, p->version);
    else
        print_info(p);
    return MMR_EXIT_OK;
}

/* A plugin file is foreign code: each is loaded in a process of its own. */
static int in_own_process(int (*fn)(const char *what, bool flag), const char *what, bool flag)
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
        int r = fn(what, flag);
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

static int line(const char *path, bool is_unused)
{
    const struct mmr_plugin *p = NULL;
    struct mmr_error err = {.struct_size = sizeof err};
    (void)is_unused;
    if (find(path, &p, &err) || mmr_plugin_check(p, NULL, NULL, &err)) {
        (void)fprintf(stderr, "mamori plugin: %s\n", err.text);
        return MMR_EXIT_NO;
    }
    (void)printf("%-28s %-8s file %s\n", p->id, p->version, path);
    return MMR_EXIT_OK;
}

static int is_module(const struct dirent *e)
{
    size_t n = strlen(e->d_name);
    return n > 3 && strcmp(e->d_name + n - 3, ".so") == 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int list(void)
{
    char dir[PATH_MAX], path[2 * PATH_MAX];
    struct dirent **e = NULL;
    for (size_t i = 0; mmr_builtin_plugins[i]; i++)
        (void)printf("%-28s %-8s built in\n", mmr_builtin_plugins[i]->id, mmr_builtin_plugins[i]->version);
    if (!plugin_dir(dir, sizeof dir))
        return MMR_EXIT_OK;
    int n = scandir(dir, &e, is_module, by_bytes);
    for (int i = 0; i < n; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, e[i]->d_name);
        (void)in_own_process(line, path, false); /* one that is broken is named and left out */
        free(e[i]);
    }
    free(e);
    return MMR_EXIT_OK;
}

static int run(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "list") == 0)
        return list();
    if (argc == 3 && strcmp(argv[1], "info") == 0)
        return in_own_process(info, argv[2], false);
    if (argc == 3 && strcmp(argv[1], "check") == 0)
        return in_own_process(info, argv[2], true);
    (void)fputs("mamori plugin: expected 'list', 'info PLUGIN' or 'check PLUGIN'\n", stderr);
    return MMR_EXIT_USAGE;
}

MMR_COMMAND(plugin) = {
    .name = "plugin",
    .help = "the plugins: what there is, and whether one is sound",
    .usage = "usage: mamori plugin list\n       mamori plugin info ID|FILE\n       mamori plugin check ID|FILE\n\n"
             "check names every rule of the plugin ABI that the descriptor breaks; status 1 if there is one.\n"
             "MAMORI_PLUGINS names the folder of plugin files; without it they are looked for beside the executable.\n",
    .run = run,
};
