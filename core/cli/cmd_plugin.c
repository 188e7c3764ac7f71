/* cmd_plugin.c - `mamori plugin list` and `info`; the other commands of `mamori plugin` are cmd_plugin_*.c. */
#include "cli/command.h"
#include "cli/plugin_file.h"
#include "plugin/builtin.h"
#include "plugin/describe.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static int info(const char *what)
{
    const struct mmr_plugin *p = NULL;
    struct mmr_error err = {.struct_size = sizeof err};
    int r = mmr_plugin_find(what, &p, &err);
    if (r) {
        (void)fprintf(stderr, "mamori plugin: %s\n", err.text);
        return mmr_plugin_status(r);
    }
    if (mmr_plugin_check(p, print_error, NULL, &err))
        return MMR_EXIT_NO;
    print_info(p);
    return MMR_EXIT_OK;
}

static int line(const char *path)
{
    const struct mmr_plugin *p = NULL;
    struct mmr_error err = {.struct_size = sizeof err};
    if (mmr_plugin_find(path, &p, &err) || mmr_plugin_check(p, NULL, NULL, &err)) {
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
    if (!mmr_plugin_folder(dir, sizeof dir))
        return MMR_EXIT_OK;
    int n = scandir(dir, &e, is_module, by_bytes);
    for (int i = 0; i < n; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, e[i]->d_name);
        (void)mmr_plugin_in_process(line, path); /* one that is broken is named and left out */
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
        return mmr_plugin_in_process(info, argv[2]);
    (void)fputs("mamori plugin: expected one of the commands below\n", stderr);
    mmr_print_usage(stderr, "plugin");
    return MMR_EXIT_USAGE;
}

MMR_COMMAND(plugin) = {
    .name = "plugin",
    .help = "the plugins: what there is, and whether one is sound",
    .usage = "usage: mamori plugin list\n       mamori plugin info ID|FILE\n\n"
             "MAMORI_PLUGINS names the folder of plugin files; without it they are looked for beside the executable.\n",
    .run = run,
};
