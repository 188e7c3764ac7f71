/* cmd_config.c - `mamori config check` and `mamori config show [--origin]`. */
#include "cli/command.h"
#include "config/sources.h"

#include <getopt.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

static void say(void *ctx, const char *line)
{
    (void)ctx;
    (void)fprintf(stderr, "%s\n", line);
}

struct show {
    bool is_json, has_origin;
};

static void show_line(void *ctx, const char *path, const char *value, const char *origin)
{
    const struct show *s = ctx;
    if (s->is_json) {
        struct json_object *o = json_object_new_object();
        json_object_object_add(o, "path", json_object_new_string(path));
        json_object_object_add(o, "value", json_object_new_string(value));
        json_object_object_add(o, "origin", json_object_new_string(origin));
        (void)puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
        json_object_put(o);
    } else if (s->has_origin) {
        (void)printf("%-44s %-40s %s\n", path, value, origin);
    } else {
        (void)printf("%s: %s\n", path, value);
    }
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"origin", no_argument, NULL, 'o'},
                                            {0}};
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_config *config = NULL;
    struct show s = {0};
    const char *dir = NULL;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (o) {
        case 'c': dir = optarg; break;
        case 'j': s.is_json = true; break;
        case 'o': s.has_origin = true; break;
        default: return MMR_EXIT_USAGE;
        }
    const char *what = optind < argc ? argv[optind] : "";
    bool is_check = strcmp(what, "check") == 0;
    if ((!is_check && strcmp(what, "show") != 0) || optind + 1 != argc) {
        (void)fprintf(stderr, "mamori config: expected 'check' or 'show', found '%s'; see 'mamori help config'\n", what);
        return MMR_EXIT_USAGE;
    }
    int r = mmr_config_load_site(dir, NULL, say, NULL, &config, &err);
    if (r) {
        (void)fprintf(stderr, "mamori config: %s\n", err.text);
        return r == MMR_ECONFIG || r == MMR_EIO ? MMR_EXIT_USAGE : MMR_EXIT_FAILED;
    }
    if (is_check && s.is_json)
        (void)puts("{\"ok\":true}");
    else if (is_check)
        (void)printf("configuration is good: %zu plugin instances\n", mmr_config_instances(config));
    else
        mmr_config_show(config, show_line, &s);
    mmr_config_free(config);
    return MMR_EXIT_OK;
}

MMR_COMMAND(config) = {
    .name = "config",
    .help = "checks the merged drop-ins; shows each value and where it came from",
    .usage = "mamori config check [--config DIR] [--json]\n"
             "mamori config show [--origin] [--config DIR] [--json]\n",
    .run = run,
};
