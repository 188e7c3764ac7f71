/* site_conf.c - endpoints and key files of the site link. */
#include "brain/site_conf.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int mmr_site_bulk_endpoint(const char *urgent, char *buf, size_t cap, struct mmr_error *err)
{
    const char *colon = strrchr(urgent, ':');
    char *end = NULL;
    long port = colon ? strtol(colon + 1, &end, 10) : 0;
    if (!colon || strncmp(urgent, "tcp://", 6) != 0 || *end || port < 1 || port > 65534)
        return mmr_fail(err, MMR_ECONFIG, "'%.100s': expected tcp://ADDRESS:PORT with a port from 1 to 65534", urgent);
    int n = snprintf(buf, cap, "%.*s:%ld", (int)(colon - urgent), urgent, port + 1);
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

int mmr_site_read_keys(const char *state_dir, struct mmr_keys *ret, struct mmr_error *err)
{
    char path[512];
    int n = snprintf(path, sizeof path, "%s/node.key", state_dir);
    if (n < 0 || (size_t)n >= sizeof path)
        return mmr_fail(err, MMR_ECONFIG, "node.state_dir '%.60s…' is too long", state_dir);
    int r = mmr_keys_load(path, ret, err);
    return r == MMR_ENOENT ? mmr_fail(err, r, "this machine has no keys (%.100s): run 'mamori keys new'", path) : r;
}
