/* cmd_capability.c - `mamori capability report`: what this deployment can do, with which tools, and what of it was shown. */
#include "cli/person.h"
#include "cli/plugin_rows.h"
#include "cli/site.h"
#include "plugin/describe.h"
#include "trust/trust.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static bool has_word(struct json_object *o, const char *key, const char *word)
{
    size_t n;
    struct json_object *list = mmr_cli_json_list(o, key, &n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(json_object_get_string(json_object_array_get_idx(list, i)), word) == 0)
            return true;
    return false;
}

/* The last test of this plugin that passed; else the last that did not; NULL: none was made. */
static struct json_object *test_of(struct json_object *row)
{
    size_t n;
    struct json_object *list = mmr_cli_json_list(row, "selftests", &n), *found = NULL;
    for (size_t i = 0; i < n; i++) {
        struct json_object *x = json_object_array_get_idx(list, i);
        if (!found || strcmp(mmr_cli_json_text(x, "result"), "passed") == 0)
            found = x;
    }
    return found;
}

static bool is_loaded(struct json_object *row)
{
    size_t n;
    struct json_object *list = mmr_cli_json_list(row, "instances", &n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(mmr_cli_json_text(json_object_array_get_idx(list, i), "state"), "running") == 0)
            return true;
    return false;
}

static struct json_object *line_of(struct json_object *row, const char *cap)
{
    struct json_object *o = json_object_new_object(), *test = test_of(row);
    bool is_passed = test && strcmp(mmr_cli_json_text(test, "result"), "passed") == 0;
    static const char *const kept[] = {"id", "maker", "model", "version", "sha256", "trust"};
    mmr_cli_json_str(o, "capability", cap);
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        mmr_cli_json_str(o, strcmp(kept[i], "id") == 0 ? "plugin" : kept[i], mmr_cli_json_text(row, kept[i]));
    mmr_cli_json_str(o, "state", is_passed ? "proven" : "unproven");
    mmr_cli_json_str(o, "test", mmr_cli_json_text(test, "what"));
    mmr_cli_json_str(o, "result", test ? mmr_cli_json_text(test, "result") : "none");
    mmr_cli_json_str(o, "at", mmr_cli_json_text(test, "at"));
    if (*mmr_cli_json_text(test, "passed_at"))
        mmr_cli_json_str(o, "passed_at", mmr_cli_json_text(test, "passed_at")); /* the last time it did, also when it fails now */
    return o;
}

static void column(const char *text, size_t columns)
{
    mmr_person_column(stdout, text, columns);
    (void)fputc(' ', stdout);
}

static void show(struct json_object *x)
{
    column(mmr_cli_json_text(x, "capability"), 20);
    column(mmr_cli_json_text(x, "state"), 9);
    column(mmr_cli_json_text(x, "maker"), 12);
    column(mmr_cli_json_text(x, "plugin"), 26);
    column(mmr_cli_json_text(x, "version"), 8);
    mmr_person_text(stdout, *mmr_cli_json_text(x, "test") ? mmr_cli_json_text(x, "test") : "no self-test");
    (void)fputs("  ", stdout);
    mmr_person_text(stdout, mmr_cli_json_text(x, "at"));
    (void)fputc('\n', stdout);
}

/* As the supervisor does it where no manifest says what the service consists of: what runs. */
static void loaded_hash(struct json_object *rows, char ret[MMR_SHA256_TEXT])
{
    struct mmr_tool *tools = calloc(MMR_TOOLS_MAX, sizeof *tools);
    size_t n = 0;
    ret[0] = '\0';
    for (size_t i = 0; tools && i < json_object_array_length(rows) && n < MMR_TOOLS_MAX; i++) {
        struct json_object *row = json_object_array_get_idx(rows, i);
        if (!is_loaded(row))
            continue;
        struct mmr_tool *t = &tools[n++];
        (void)snprintf(t->id, sizeof t->id, "%s", mmr_cli_json_text(row, "id"));
        (void)snprintf(t->maker, sizeof t->maker, "%s", mmr_cli_json_text(row, "maker"));
        (void)snprintf(t->model, sizeof t->model, "%s", mmr_cli_json_text(row, "model"));
        (void)snprintf(t->version, sizeof t->version, "%s", mmr_cli_json_text(row, "version"));
        (void)snprintf(t->sha256[0], sizeof t->sha256[0], "%s", mmr_cli_json_text(row, "sha256"));
        t->n_sha256 = 1;
    }
    if (tools)
        mmr_toolset_hash(tools, n, ret);
    free(tools);
}

static int report(const struct mmr_cli_site *s)
{
    bool is_running = false;
    char hash[MMR_SHA256_TEXT] = "";
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_trust trust;
    struct json_object *rows = mmr_plugin_rows(s, NULL, &is_running), *lines = json_object_new_array(), *o = json_object_new_object();
    if (!rows || mmr_trust_open(s->config, &trust, &err) != 0) {
        (void)fputs("mamori capability: out of memory\n", stderr);
        return MMR_EXIT_FAILED;
    }
    if (!is_running)
        (void)fputs("mamori capability: no mamori runs here, so nothing is proven and nothing is loaded\n", stderr);
    for (unsigned c = 0; c < MMR_CAPS; c++)
        for (size_t i = 0; i < json_object_array_length(rows); i++) {
            struct json_object *row = json_object_array_get_idx(rows, i);
            const char *cap = mmr_cap_name((enum mmr_cap)(1u << c));
            if (!has_word(row, "capabilities", cap) || !is_loaded(row))
                continue;
            struct json_object *x = line_of(row, cap);
            json_object_array_add(lines, x);
            if (!s->is_json)
                show(x);
        }
    if (trust.manifest.toolset_hash[0])
        (void)snprintf(hash, sizeof hash, "%s", trust.manifest.toolset_hash);
    else if (is_running)
        loaded_hash(rows, hash);
    mmr_cli_json_str(o, "site", mmr_config_str(s->config, "site.name"));
    mmr_cli_json_str(o, "toolset_hash", hash);
    json_object_object_add(o, "capabilities", lines);
    if (s->is_json)
        mmr_cli_json_print(json_object_get(o));
    else if (hash[0])
        (void)printf("toolset %s\n", hash);
    json_object_put(o);
    json_object_put(rows);
    mmr_trust_done(&trust);
    return is_running ? MMR_EXIT_OK : MMR_EXIT_FAILED;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'}, {0}};
    struct mmr_cli_site s = {.command = "capability", .is_tolerant = true};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (o) {
        case 'c': s.dir = optarg; break;
        case 'j': s.is_json = true; break;
        default: return MMR_EXIT_USAGE;
        }
    if (optind + 1 != argc || strcmp(argv[optind], "report") != 0) {
        (void)fputs("mamori capability: expected 'report'; see 'mamori help capability'\n", stderr);
        return MMR_EXIT_USAGE;
    }
    int status = mmr_cli_site_open(&s);
    if (status)
        return status;
    status = report(&s);
    mmr_cli_site_done(&s);
    return status;
}

MMR_COMMAND(capability) = {
    .name = "capability",
    .help = "what this deployment can do, with which tools, and what was shown",
    .usage = "usage: mamori capability report [--json]\n\n"
             "Each capability of the plugins that run here: maker, model and version of the tool, the last self-test with its\n"
             "date. A capability whose tool passed no self-test is 'unproven'. Tests run at the start, each month, and each hour while\n"
             "they fail; results are kept and are evidence (selftest.result). Status 3 when no mamori runs here.\n",
    .run = run,
};
