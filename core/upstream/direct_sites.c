/*
 * direct_sites.c - who is let in: the file collector.sites, a line 'NAME mamori-public-1 HEX HEX' a site, as 'mamori upstream sites' prints it at the
 * collector where they joined. Read again when it changes; a file with an error changes nothing.
 */
#include "upstream/direct_internal.h"

#include "bus/join.h"
#include "util/log.h"
#include "util/scope.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LINE_BYTES = 512 };

struct entry {
    char name[MMR_SITE_NAME_MAX + 1];
    struct mmr_public_keys pub;
};

struct mmr_direct_site *mmr_direct_site(struct mmr_direct *d, const char *name)
{
    for (uint32_t i = 0; i < d->n_sites; i++)
        if (strcmp(d->site[i].name, name) == 0)
            return &d->site[i];
    return NULL;
}

static int read_line(char *line, const char *path, unsigned number, struct entry *ret, struct mmr_error *err)
{
    struct mmr_error why = {.struct_size = sizeof why};
    char *keys = line + strcspn(line, " \t");
    if (!*keys)
        return mmr_fail(err, MMR_ECONFIG, "collector.sites '%.150s' line %u: expected NAME mamori-public-1 HEX HEX", path, number);
    *keys++ = '\0';
    keys += strspn(keys, " \t");
    if (!mmr_join_name_is_good(line))
        return mmr_fail(err, MMR_ECONFIG, "collector.sites '%.150s' line %u: a name has up to 39 letters, digits, '-', '_' and '.'", path, number);
    if (mmr_public_keys_parse(keys, &ret->pub, &why) != 0)
        return mmr_fail(err, MMR_ECONFIG, "collector.sites '%.150s' line %u: %.150s", path, number, why.text);
    memcpy(ret->name, line, strlen(line) + 1); /* which is short enough: it is good */
    return 0;
}

static int read_file(FILE *f, const char *path, struct entry *list, uint32_t *ret_n, struct mmr_error *err)
{
    char line[LINE_BYTES];
    uint32_t n = 0;
    for (unsigned number = 1; fgets(line, sizeof line, f); number++) {
        size_t len = strlen(line);
        if (len && line[len - 1] != '\n' && !feof(f))
            return mmr_fail(err, MMR_ECONFIG, "collector.sites '%.150s' line %u: longer than %d bytes", path, number, LINE_BYTES - 2);
        line[strcspn(line, "\r\n")] = '\0';
        if (!line[0] || line[0] == '#')
            continue;
        if (n == MMR_SITE_NODES_MAX)
            return mmr_fail(err, MMR_ECONFIG, "collector.sites '%.150s': more than %d sites: give some to other collectors", path, MMR_SITE_NODES_MAX);
        int r = read_line(line, path, number, &list[n], err);
        if (r)
            return r;
        for (uint32_t i = 0; i < n; i++)
            if (strcmp(list[i].name, list[n].name) == 0 || memcmp(list[i].pub.curve, list[n].pub.curve, MMR_KEY) == 0)
                return mmr_fail(err, MMR_ECONFIG, "collector.sites '%.150s' line %u: '%s' has the name or the key of an earlier line", path, number, line);
        n++;
    }
    *ret_n = n;
    return ferror(f) ? mmr_fail(err, MMR_EIO, "collector.sites '%.150s': %s", path, strerror(errno)) : 0;
}

static void apply(struct mmr_direct *d, const struct entry *list, uint32_t n)
{
    struct mmr_error err = {.struct_size = sizeof err};
    for (uint32_t i = 0; i < d->n_sites; i++)
        d->site[i].is_listed = false;
    for (uint32_t i = 0; i < n; i++) {
        struct mmr_direct_site *s = mmr_direct_site(d, list[i].name);
        if (s)
            s->is_listed = true;
    }
    for (uint32_t i = 0; i < d->n_sites; i++) /* first those who go: their keys may be another's now */
        if (!d->site[i].is_listed && mmr_site_hub_is_allowed(d->hub, d->site[i].name)) {
            mmr_site_hub_revoke(d->hub, d->site[i].name);
            mmr_log(MMR_LOG_WARN, "site.shut_out", "site=%s what=\"it is in collector.sites no more\"", d->site[i].name);
        }
    for (uint32_t i = 0; i < n; i++) {
        struct mmr_direct_site *s = mmr_direct_site(d, list[i].name);
        int r = 0;
        if (!s && d->n_sites == MMR_SITE_NODES_MAX)
            r = mmr_fail(&err, MMR_ETOOBIG, "more than %d names since this process began: start it again", MMR_SITE_NODES_MAX);
        if (!r && !s) {
            s = &d->site[d->n_sites++];
            (void)snprintf(s->name, sizeof s->name, "%s", list[i].name);
        }
        if (!r)
            r = mmr_site_hub_allow(d->hub, list[i].name, &list[i].pub, &err);
        if (r)
            mmr_log(MMR_LOG_ERR, "site.not_admitted", "site=%s reason=\"%s\"", list[i].name, err.text);
    }
}

bool mmr_direct_sites_changed(const struct mmr_direct *d)
{
    struct stat st;
    return stat(mmr_config_str(d->config, "collector.sites"), &st) == 0 &&
           (st.st_ino != d->list_inode || st.st_size != d->list_size || st.st_mtim.tv_sec != d->list_time.tv_sec || st.st_mtim.tv_nsec != d->list_time.tv_nsec);
}

int mmr_direct_sites_read(struct mmr_direct *d, struct mmr_error *err)
{
    const char *path = mmr_config_str(d->config, "collector.sites");
    struct stat st;
    uint32_t n = 0;
    mmr_autofree struct entry *list = calloc(MMR_SITE_NODES_MAX, sizeof *list);
    FILE *f = fopen(path, "re");
    if (!f || !list || fstat(fileno(f), &st) != 0) {
        int e = errno;
        if (f)
            (void)fclose(f);
        return mmr_fail(err, MMR_ECONFIG, "collector.sites '%.150s': %s; 'mamori upstream sites' prints one where the sites joined", path, strerror(e));
    }
    int r = read_file(f, path, list, &n, err);
    (void)fclose(f);
    d->list_inode = st.st_ino; /* also of a bad one: it is told once */
    d->list_size = st.st_size;
    d->list_time = st.st_mtim;
    if (!r)
        apply(d, list, n);
    return r;
}
