/* links.c - see links.h; and the check of what stands in a site's files, before anything is started with it. */
#include "config/links.h"

#include "config/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int mmr_link_port(const char *key, const char *text, int *ret_port, int *ret_before, struct mmr_error *err)
{
    const char *colon = strrchr(text, ':');
    char *end = NULL;
    long port = colon && colon[1] >= '0' && colon[1] <= '9' ? strtol(colon + 1, &end, 10) : 0;
    if (!end || *end || strncmp(text, "tcp://", 6) != 0 || colon - text <= 6 || port < 1 || port > 65533)
        return mmr_fail(err, MMR_ECONFIG, "'%s': found '%.80s', expected tcp://ADDRESS:PORT with a port from 1 to 65533", key, text);
    *ret_port = (int)port;
    *ret_before = (int)(colon - text);
    return 0;
}

unsigned mmr_links_check(const struct mmr_yaml *root, mmr_diag_fn diag, void *ctx)
{
    static const char *const keys[][2] = {{"site", "listen"}, {"site", "hub"}, {"upstream", "collector"}};
    unsigned problems = 0;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const struct mmr_yaml *map = mmr_yaml_child(root, keys[i][0]);
        const struct mmr_yaml *at = map && map->type == MMR_YAML_MAP ? mmr_yaml_child(map, keys[i][1]) : NULL;
        struct mmr_error err = {.struct_size = sizeof err};
        char key[40];
        int port, before;
        (void)snprintf(key, sizeof key, "%s.%s", keys[i][0], keys[i][1]);
        if (!at || at->type != MMR_YAML_SCALAR || !at->text[0] || mmr_link_port(key, at->text, &port, &before, &err) == 0)
            continue;
        mmr_yaml_diag(diag, ctx, at, "%s", err.text);
        problems++;
    }
    return problems;
}
