/* sources.c - the shipped drop-ins are embedded at build time, so a lone executable has them too. */
#include "config/sources.h"

#include "config/schema.h"
#include "util/scope.h"

#include <mamori/data.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

extern const struct mmr_data_file mmr_data_conf[]; /* generated from conf.d/ */

enum { SOURCES_MAX = 64, DEPLOYMENT_MAX = 32, NAME_MAX_BYTES = 96 };

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

/* Shipped drop-ins: those of every site, then those of the deployment. Returns how many. */
static size_t add_shipped(const char *deployment, struct mmr_config_source *src, char (*names)[NAME_MAX_BYTES], size_t max)
{
    size_t n = 0;
    if (strcmp(deployment, "none") == 0)
        return 0;
    for (int pass = 0; pass < 2; pass++)
        for (const struct mmr_data_file *f = mmr_data_conf; f->name && n < max; f++) {
            const char *slash = strchr(f->name, '/');
            size_t len = slash ? (size_t)(slash - f->name) : 0;
            bool is_ours = pass == 0 ? !slash : slash && strlen(deployment) == len && memcmp(deployment, f->name, len) == 0;
            if (!is_ours)
                continue;
            (void)snprintf(names[n], NAME_MAX_BYTES, "shipped:%s", f->name);
            src[n] = (struct mmr_config_source){.name = names[n], .text = f->bytes};
            n++;
        }
    return n;
}

/* dir as it counts: the usual one where none is named and it exists. */
static int site_dir(const char **dir, struct mmr_error *err)
{
    struct stat st;
    if (!*dir) {
        *dir = stat(MMR_SITE_DIR, &st) == 0 ? MMR_SITE_DIR : NULL;
        return 0;
    }
    if (stat(*dir, &st) != 0)
        return mmr_fail(err, MMR_EIO, "configuration folder '%s': %s; name the folder of your drop-ins with --config DIR", *dir, strerror(errno));
    return S_ISDIR(st.st_mode) ? 0 : mmr_fail(err, MMR_EIO, "configuration folder '%s' is a file; name the folder it stands in", *dir);
}

int mmr_config_load_site(const char *dir, const char *over, mmr_diag_fn diag, void *ctx,
                         struct mmr_config **ret, struct mmr_error *err)
{
    struct mmr_config_source src[SOURCES_MAX];
    char names[SOURCES_MAX][NAME_MAX_BYTES];
    char deployment[DEPLOYMENT_MAX] = "office";
    int r = site_dir(&dir, err);
    if (r)
        return r;
    find_deployment(dir, over, deployment, sizeof deployment);
    size_t n = add_shipped(deployment, src, names, SOURCES_MAX - 2);
    if (dir)
        src[n++] = (struct mmr_config_source){.dir = dir};
    if (over)
        src[n++] = (struct mmr_config_source){.name = "command line", .text = over};
    return mmr_config_load(src, n, diag, ctx, ret, err);
}

static char *read_text(const char *path)
{
    mmr_autofree char *text = malloc(MMR_YAML_BYTES_MAX + 1);
    mmr_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    if (!text || fd < 0)
        return NULL;
    for (ssize_t n; (n = read(fd, text + len, MMR_YAML_BYTES_MAX + 1 - len)) != 0;) {
        if (n < 0 || (len += (size_t)n) > MMR_YAML_BYTES_MAX)
            return NULL;
    }
    text[len] = '\0';
    char *ret = memchr(text, '\0', len) ? NULL : realloc(text, len + 1);
    if (ret)
        text = NULL;
    return ret;
}

static int is_drop_in(const struct dirent *e) /* as mmr_config_load() reads a folder */
{
    size_t n = strlen(e->d_name);
    return e->d_name[0] != '.' && ((n > 5 && strcmp(e->d_name + n - 5, ".yaml") == 0) ||
                                   (n > 4 && strcmp(e->d_name + n - 4, ".yml") == 0));
}

int mmr_config_load_sound(const char *dir, mmr_diag_fn diag, void *ctx, struct mmr_config **ret, unsigned *ret_left_out,
                          struct mmr_error *err)
{
    struct mmr_config_source src[SOURCES_MAX];
    char names[SOURCES_MAX][NAME_MAX_BYTES], deployment[DEPLOYMENT_MAX] = "office", line[400];
    char *texts[SOURCES_MAX + 1] = {0}, *paths[SOURCES_MAX + 1] = {0};
    struct dirent **list = NULL;
    struct mmr_config *sound = NULL;
    unsigned left_out = 0;
    int r = mmr_config_load_site(dir, NULL, diag, ctx, ret, err);
    *ret_left_out = 0;
    if (r != MMR_ECONFIG || site_dir(&dir, err) != 0 || !dir)
        return r;
    find_deployment(dir, NULL, deployment, sizeof deployment);
    size_t n = add_shipped(deployment, src, names, SOURCES_MAX - 1), first = n;
    r = mmr_config_load(src, n, NULL, NULL, &sound, err);
    int files = scandir(dir, &list, is_drop_in, alphasort);
    for (int i = 0; i < files; i++) {
        struct mmr_config *next = NULL;
        if (!r && n < SOURCES_MAX && asprintf(&paths[n], "%s/%s", dir, list[i]->d_name) < 0)
            paths[n] = NULL;
        texts[n] = paths[n] ? read_text(paths[n]) : NULL;
        if (texts[n]) {
            src[n] = (struct mmr_config_source){.name = paths[n], .text = texts[n]};
            (void)mmr_config_load(src, n + 1, NULL, NULL, &next, err);
        }
        if (next) {
            mmr_config_free(sound);
            sound = next;
            n++;
        } else {
            (void)snprintf(line, sizeof line, "%s/%s: left out", dir, list[i]->d_name);
            if (diag)
                diag(ctx, line);
            left_out++;
            free(texts[n]);
            free(paths[n]);
            texts[n] = paths[n] = NULL;
        }
        free(list[i]);
    }
    free(list);
    for (size_t i = first; i < SOURCES_MAX; i++) {
        free(texts[i]);
        free(paths[i]);
    }
    if (r)
        return r;
    *ret = sound;
    *ret_left_out = left_out;
    return 0;
}
