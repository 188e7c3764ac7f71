/* site_conf.c - endpoints and key files of the site link. */
#include "brain/site_conf.h"

#include "config/links.h"
#include "util/file.h"
#include "util/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int mmr_site_port_endpoint(const char *urgent, unsigned plus, char *buf, size_t cap, struct mmr_error *err)
{
    int port, before;
    if (mmr_link_port("endpoint", urgent, &port, &before, err) != 0)
        return MMR_ECONFIG;
    int n = snprintf(buf, cap, "%.*s:%u", before, urgent, (unsigned)port + plus);
    return n > 0 && (size_t)n < cap ? 0 : mmr_fail(err, MMR_ECONFIG, "'%.100s…': longer than %zu bytes", urgent, cap - 1);
}

int mmr_site_read_public(const char *path, struct mmr_public_keys *ret, struct mmr_error *err)
{
    char line[MMR_PUBLIC_TEXT_MAX + 2] = "";
    FILE *f = fopen(path, "re");
    if (!f)
        return mmr_fail(err, MMR_EIO, "public keys '%.100s': %s; 'mamori keys show' prints them on the other machine", path,
                        strerror(errno));
    bool has_line = fgets(line, sizeof line, f) != NULL;
    (void)fclose(f);
    if (!has_line)
        return mmr_fail(err, MMR_EIO, "public keys '%.100s': the file is empty; 'mamori keys show' prints them on the other machine",
                        path);
    line[strcspn(line, "\r\n")] = '\0';
    return mmr_public_keys_parse(line, ret, err);
}

static int path_of(const char *dir, const char *name, char *buf, size_t cap, struct mmr_error *err)
{
    int n = snprintf(buf, cap, "%s/%s", dir, name);
    return n > 0 && (size_t)n < cap ? 0 : mmr_fail(err, MMR_ECONFIG, "'%.60s…/%s' is too long", dir, name);
}

int mmr_site_write_public(const char *path, const struct mmr_public_keys *pub, struct mmr_error *err)
{
    char line[MMR_PUBLIC_TEXT_MAX + 1];
    mmr_public_keys_format(pub, line);
    const size_t len = strlen(line);
    memcpy(line + len, "\n", 2);
    return mmr_file_replace("public keys", path, 0644, line, len + 1, err);
}

int mmr_site_read_keys(const char *state_dir, struct mmr_keys *ret, struct mmr_error *err)
{
    char path[512];
    int r = path_of(state_dir, "node.key", path, sizeof path, err);
    if (!r)
        r = mmr_keys_load(path, ret, err);
    return r == MMR_ENOENT ? mmr_fail(err, r, "this machine has no keys (%.100s): run 'mamori keys new'", path) : r;
}

int mmr_site_own_keys(const char *state_dir, struct mmr_keys *ret, struct mmr_error *err)
{
    char key[512], pub[512];
    int r = mmr_site_read_keys(state_dir, ret, err);
    if (r != MMR_ENOENT)
        return r;
    r = path_of(state_dir, "node.key", key, sizeof key, err);
    if (!r)
        r = path_of(state_dir, "node.pub", pub, sizeof pub, err);
    if (!r && mkdir(state_dir, 0700) != 0 && errno != EEXIST)
        r = mmr_fail(err, MMR_EIO, "state folder '%.200s': %s", state_dir, strerror(errno));
    if (!r)
        r = mmr_keys_new(ret, err);
    if (!r)
        r = mmr_keys_save(ret, key, err);
    if (r == MMR_EPERM) /* another process was first: those, then */
        return mmr_site_read_keys(state_dir, ret, err);
    return r ? r : mmr_site_write_public(pub, &ret->pub, err);
}

int mmr_site_keys_read_next(const char *state_dir, struct mmr_keys *ret, struct mmr_error *err)
{
    char path[512];
    int r = path_of(state_dir, "node.key.next", path, sizeof path, err);
    return r ? r : mmr_keys_load(path, ret, err);
}

int mmr_site_keys_next(const char *state_dir, struct mmr_keys *ret, struct mmr_error *err)
{
    char path[512];
    int r = mmr_site_keys_read_next(state_dir, ret, err);
    if (r != MMR_ENOENT)
        return r;
    r = path_of(state_dir, "node.key.next", path, sizeof path, err);
    if (!r)
        r = mmr_keys_new(ret, err);
    if (!r)
        r = mmr_keys_save(ret, path, err);
    return r;
}

int mmr_site_keys_switch(const char *state_dir, struct mmr_error *err)
{
    char key[512], next[512], old[512], pub[512];
    struct mmr_keys k;
    int r = path_of(state_dir, "node.key", key, sizeof key, err);
    if (!r)
        r = path_of(state_dir, "node.key.next", next, sizeof next, err);
    if (!r)
        r = path_of(state_dir, "node.key.old", old, sizeof old, err);
    if (!r)
        r = path_of(state_dir, "node.pub", pub, sizeof pub, err);
    if (!r)
        r = mmr_keys_load(next, &k, err);
    if (r)
        return r;
    (void)unlink(old);
    if (link(key, old) != 0 || rename(next, key) != 0 || mmr_sync_folder_of(key) != 0) /* node.key is there at every instant */
        r = mmr_fail(err, MMR_EIO, "'%.200s': %s", key, strerror(errno));
    if (!r)
        r = mmr_site_write_public(pub, &k.pub, err);
    mmr_keys_done(&k);
    return r;
}
