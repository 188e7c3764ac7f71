/* sources.c - the shipped drop-ins are embedded at build time, so a lone executable has them too. */
#include "config/sources.h"

#include "config/schema.h"
#include "util/scope.h"

#include <mamori/data.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

extern const struct mmr_data_file mmr_data_conf[]; /* generated from conf.d/ */

enum { SOURCES_MAX = 64, DEPLOYMENT_MAX = 32 };

/* The deployment the site's drop-ins choose: the last one that says so, read before all is merged. */
static void find_deployment(const char *dir, const char *over, char *buf, size_t cap)
{
    struct mmr_yaml_pool *pool = mmr_yaml_pool_new();
    struct mmr_config_source src = {.dir = dir};
    struct dirent **list = NULL;
    int n = src.dir && pool ? scandir(dir, &list, NULL, alphasort) : 0;
    struct mmr_error err = {.struct_size = sizeof err};
    for (int i = 0; i < n; i++) {
        char path[4096];
        struct mmr_yaml *tree = NULL;
        size_t len = strlen(list[i]->d_name);
        int m = snprintf(path, sizeof path, "%s/%s", dir, list[i]->d_name);
        bool is_yaml = len > 4 && (strcmp(list[i]->d_name + len - 4, "yaml") == 0 ||
                                   strcmp(list[i]->d_name + len - 4, ".yml") == 0);
        free(list[i]);
        if (!is_yaml || m < 0 || (size_t)m >= sizeof path ||
            mmr_yaml_parse_file(pool, path, NULL, NULL, &tree, &err) != 0)
            continue; /* its errors are said when it is loaded in earnest */
        const struct mmr_yaml *d = mmr_yaml_child(tree, "deployment");
        if (d && d->type == MMR_YAML_SCALAR)
            (void)snprintf(buf, cap, "%s", d->text);
    }
    free(list);
    if (over && pool) {
        struct mmr_yaml *tree = NULL;
        if (mmr_yaml_parse(pool, "over", over, strlen(over), NULL, NULL, &tree, &err) == 0) {
            const struct mmr_yaml *d = mmr_yaml_child(tree, "deployment");
            if (d && d->type == MMR_YAML_SCALAR)
                (void)snprintf(buf, cap, "%s", d->text);
        }
    }
    mmr_yaml_pool_free(pool);
}

int mmr_config_load_site(const char *dir, const char *over, mmr_diag_fn diag, void *ctx,
                         struct mmr_config **ret, struct mmr_error *err)
{
    struct mmr_config_source src[SOURCES_MAX];
    char names[SOURCES_MAX][96];
    char deployment[DEPLOYMENT_MAX] = "office";
    size_t n = 0;
    struct stat st;

    if (!dir && stat(MMR_SITE_DIR, &st) == 0)
        dir = MMR_SITE_DIR;
    else if (dir && (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode)))
        return mmr_fail(err, MMR_EIO, "configuration folder '%s': %s", dir,
                        errno ? strerror(errno) : "is no folder");
    find_deployment(dir, over, deployment, sizeof deployment);
    for (int pass = 0; pass < 2; pass++)
        for (const struct mmr_data_file *f = mmr_data_conf; f->name && n < SOURCES_MAX - 2; f++) {
            const char *slash = strchr(f->name, '/');
            size_t len = slash ? (size_t)(slash - f->name) : 0;
            bool is_ours = pass == 0 ? !slash : slash && strlen(deployment) == len && memcmp(deployment, f->name, len) == 0;
            if (!is_ours || strcmp(deployment, "none") == 0)
                continue;
            (void)snprintf(names[n], sizeof names[n], "shipped:%s", f->name);
            src[n] = (struct mmr_config_source){.name = names[n], .text = f->bytes};
            n++;
        }
    if (dir)
        src[n++] = (struct mmr_config_source){.dir = dir};
    if (over)
        src[n++] = (struct mmr_config_source){.name = "command line", .text = over};
    return mmr_config_load(src, n, diag, ctx, ret, err);
}
