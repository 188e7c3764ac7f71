/* host_paths.h - the files and folders that instances' settings name: those a host may read besides what every program needs. */
#ifndef MMR_PLUGIN_HOST_PATHS_H
#define MMR_PLUGIN_HOST_PATHS_H

#include <stddef.h>
#include <stdint.h>

enum { MMR_HOST_PATHS_MAX = 256 };
struct mmr_host_paths {
    char *v[MMR_HOST_PATHS_MAX + 1]; /* NULL at the end */
    size_t n;
};

/* Every absolute path in a packed configuration (mmr_config_pack), up to a semicolon; of a pattern, the folder before its first wildcard; of a
 * file, its folder too, so that one renamed over it can be read (not of folders such as /etc, which hold everything). */
void mmr_host_paths_add(struct mmr_host_paths *p, const uint8_t *packed, size_t len);
void mmr_host_paths_put(struct mmr_host_paths *p, const char *path); /* one more; cut at MMR_HOST_PATHS_MAX */
void mmr_host_paths_done(struct mmr_host_paths *p);

#endif
