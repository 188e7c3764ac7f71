/* cmd_config.c - `mamori config check`, `mamori config show [--origin]`, `mamori config keys [--markdown]`. */
#include "cli/command.h"
#include "cli/config_plugins.h"
#include "config/schema.h"
#include "config/sources.h"
#include "config/value.h"

#include <getopt.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

static void say(void *ctx, const char *line)
{
    (void)ctx;
    (void)fprintf(stderr, "%s\n", line);
}

static void note(void *ctx, const char *line)
{
    (void)ctx;
    (void)fprintf(stderr, "%s (it is left out when mamori runs, and its keys were not checked)\n", line);
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

/* ---- keys: the schema as a table, for the manual and for people ---- */

static const char *type_of(const struct mmr_schema_row *r)
{
    return r->type == MMR_CFG_CHOICE ? "one of" : r->type == MMR_CFG_ANY ? "a map" : mmr_value_type_name(r->type);
}

/* A bound as a user writes it: in the largest unit that divides it. */
static void bound(uint32_t type, int64_t v, char *buf, size_t cap)
{
    static const struct {
        uint32_t type;
        int64_t unit;
        const char *name;
    } units[] = {{MMR_CFG_MSEC, 86400000, "d"}, {MMR_CFG_MSEC, 3600000, "h"}, {MMR_CFG_MSEC, 60000, "m"},
                 {MMR_CFG_MSEC, 1000, "s"},     {MMR_CFG_MSEC, 1, "ms"},      {MMR_CFG_BYTES, 1 << 30, "G"},
                 {MMR_CFG_BYTES, 1 << 20, "M"}, {MMR_CFG_BYTES, 1 << 10, "K"}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (units[i].type == type && v % units[i].unit == 0) {
            (void)snprintf(buf, cap, "%lld%s", (long long)(v / units[i].unit), units[i].name);
            return;
        }
    (void)snprintf(buf, cap, "%lld", (long long)v);
}

/* What may stand there: the words of a choice, or the range. Bytes have no ceiling worth a name. */
static void values_of(const struct mmr_schema_row *r, char *buf, size_t cap)
{
    char lo[32], hi[32];
    buf[0] = '\0';
    if (r->type == MMR_CFG_CHOICE)
        (void)snprintf(buf, cap, "%s", r->choices);
    if (r->min == 0 && r->max == 0)
        return;
    bound(r->type, r->min, lo, sizeof lo);
    bound(r->type, r->max, hi, sizeof hi);
    if (r->type == MMR_CFG_BYTES)
        (void)snprintf(buf, cap, "from %s", lo);
    else
        (void)snprintf(buf, cap, "%s to %s", lo, hi);
}

static void keys(bool is_json, bool is_markdown)
{
    if (is_markdown)
        (void)puts("| key | takes | default | meaning |\n| --- | --- | --- | --- |");
    for (const struct mmr_schema_row *r = mmr_schema; r->path; r++) {
        char values[200];
        values_of(r, values, sizeof values);
        if (is_json) {
            struct json_object *o = json_object_new_object();
            json_object_object_add(o, "key", json_object_new_string(r->path));
            json_object_object_add(o, "type", json_object_new_string(type_of(r)));
            json_object_object_add(o, "values", json_object_new_string(values));
            json_object_object_add(o, "default", r->dflt ? json_object_new_string(r->dflt) : NULL);
            json_object_object_add(o, "doc", json_object_new_string(r->doc));
            (void)puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
            json_object_put(o);
        } else if (is_markdown) {
            const char *type = type_of(r), *example = strstr(type, " such as"); /* said once, above the table */
            (void)printf("| `%s` | %.*s%s%s | %s%s%s | %s |\n", r->path, (int)(example ? (size_t)(example - type) : strlen(type)),
                         type, *values ? ": " : "", values, r->dflt ? "`" : "", r->dflt ? r->dflt : "unset",
                         r->dflt ? "`" : "", r->doc);
        } else {
            (void)printf("%-32s %s%s%s, default %s\n    %s\n", r->path, type_of(r), *values ? ": " : "", values,
                         r->dflt ? r->dflt : "unset", r->doc);
        }
    }
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"markdown", no_argument, NULL, 'm'},
                                            {"origin", no_argument, NULL, 'o'},
                                            {0}};
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_config *config = NULL;
    struct show s = {0};
    const char *dir = NULL;
    bool is_markdown = false;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (o) {
        case 'c': dir = optarg; break;
        case 'j': s.is_json = true; break;
        case 'm': is_markdown = true; break;
        case 'o': s.has_origin = true; break;
        default: return MMR_EXIT_USAGE;
        }
    const char *what = optind < argc ? argv[optind] : "";
    bool is_check = strcmp(what, "check") == 0;
    if (strcmp(what, "keys") == 0 && optind + 1 == argc) {
        keys(s.is_json, is_markdown);
        return MMR_EXIT_OK;
    }
    if ((!is_check && strcmp(what, "show") != 0) || optind + 1 != argc) {
        (void)fprintf(stderr, "mamori config: expected 'check', 'show' or 'keys', found '%s'; see 'mamori help config'\n", what);
        return MMR_EXIT_USAGE;
    }
    int r = mmr_config_load_site(dir, NULL, say, NULL, &config, &err);
    if (r) {
        (void)fprintf(stderr, "mamori config: %s\n", err.text);
        return r == MMR_ECONFIG || r == MMR_EIO ? MMR_EXIT_USAGE : MMR_EXIT_FAILED;
    }
    size_t problems = is_check ? mmr_cli_check_plugins(config, say, note, NULL) : 0;
    if (problems) {
        (void)fprintf(stderr, "mamori config: plugins: %zu instance%s wrong, see above\n", problems, problems == 1 ? " is" : "s are");
        mmr_config_free(config);
        return MMR_EXIT_USAGE;
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
             "mamori config show [--origin] [--config DIR] [--json]\n"
             "mamori config keys [--markdown] [--json]\n"
             "\n"
             "check: every error of every file, with its place; the keys of each plugin too, held against what it says it takes. show: each\n"
             "value in force; --origin: the file and line it came from. keys: every key of the core, what it takes, its default; a plugin's\n"
             "own: 'mamori plugin info ID'.\n",
    .run = run,
};
