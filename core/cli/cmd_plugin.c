/* cmd_plugin.c - `mamori plugin list` and `info`; the other commands of `mamori plugin` are cmd_plugin_*.c. */
#include "cli/person.h"
#include "cli/plugin_facts.h"
#include "cli/plugin_rows.h"
#include "cli/site.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static void column(const char *text, size_t columns)
{
    mmr_person_column(stdout, text, columns);
    (void)fputc(' ', stdout);
}

static void words(struct json_object *o, const char *key, char *buf, size_t cap)
{
    mmr_plugin_fact_words(o, key, buf, cap);
}

static struct json_object *item(struct json_object *o, const char *key, size_t i)
{
    size_t n;
    struct json_object *list = mmr_cli_json_list(o, key, &n);
    return i < n ? json_object_array_get_idx(list, i) : NULL;
}

/* The last of its self-tests, in a few words. */
static void last_test(struct json_object *o, char *buf, size_t cap)
{
    size_t n;
    struct json_object *list = mmr_cli_json_list(o, "selftests", &n), *last = NULL;
    for (size_t i = 0; i < n; i++) {
        struct json_object *x = json_object_array_get_idx(list, i);
        if (!last || strcmp(mmr_cli_json_text(x, "at"), mmr_cli_json_text(last, "at")) >= 0)
            last = x;
    }
    if (last)
        (void)snprintf(buf, cap, "%s %s", mmr_cli_json_text(last, "result"), mmr_cli_json_text(last, "at"));
    else
        (void)snprintf(buf, cap, "none");
}

/* Below a configured one: what it can do, what it may use, how its last test went. */
static void show_second(struct json_object *o)
{
    char caps[256], needs[256], actions[512], test[160], text[1300];
    words(o, "capabilities", caps, sizeof caps);
    words(o, "granted_needs", needs, sizeof needs);
    words(o, "granted_actions", actions, sizeof actions);
    last_test(o, test, sizeof test);
    (void)snprintf(text, sizeof text, "    can: %s; granted: %s%s%s; self-test: %s", *caps ? caps : "no capability of its own", *needs || *actions ? needs : "nothing",
                   *needs && *actions ? " " : "", actions, test);
    mmr_person_text(stdout, text);
    (void)fputc('\n', stdout);
}

static void show_row(struct json_object *o)
{
    char text[512];
    size_t n;
    column(mmr_cli_json_text(o, "id"), 26);
    column(mmr_cli_json_text(o, "maker"), 12);
    column(mmr_cli_json_text(o, "model"), 12);
    column(mmr_cli_json_text(o, "version"), 8);
    words(o, "sides", text, sizeof text);
    column(text, 17);
    column(mmr_cli_json_text(o, "trust"), 10);
    (void)mmr_cli_json_list(o, "instances", &n);
    (void)fputs(n ? "" : "not configured", stdout);
    for (size_t i = 0; i < n; i++) {
        struct json_object *x = item(o, "instances", i);
        (void)snprintf(text, sizeof text, "%s%s: %s", i ? ", " : "", mmr_cli_json_text(x, "name"), mmr_cli_json_text(x, "state"));
        mmr_person_text(stdout, text);
    }
    (void)fputc('\n', stdout);
    if (n)
        show_second(o);
    if (strcmp(mmr_cli_json_text(o, "trust"), "refused") == 0) {
        (void)fputs("    ", stdout);
        mmr_person_text(stdout, mmr_cli_json_text(o, "why"));
        (void)fputc('\n', stdout);
    }
}

static void show_line(const char *title, const char *text)
{
    if (!*text)
        return;
    (void)printf("%-12s ", title);
    mmr_person_text(stdout, text);
    (void)fputc('\n', stdout);
}

static void show_words(struct json_object *o, const char *title, const char *key)
{
    char text[2048];
    words(o, key, text, sizeof text);
    show_line(title, text);
}

static void show_trust(struct json_object *o)
{
    char text[600];
    struct json_object *g = NULL;
    show_line("file", mmr_cli_json_text(o, "file"));
    show_line("sha256", mmr_cli_json_text(o, "sha256"));
    (void)snprintf(text, sizeof text, "%s%s%s", mmr_cli_json_text(o, "trust"), *mmr_cli_json_text(o, "why") ? ": " : "", mmr_cli_json_text(o, "why"));
    show_line("trust", text);
    if (*mmr_cli_json_text(o, "key")) {
        (void)snprintf(text, sizeof text, "%s of %s", mmr_cli_json_text(o, "key"), mmr_cli_json_text(o, "key_owner"));
        show_line("signed by", text);
    }
    if (json_object_object_get_ex(o, "registration", &g)) {
        (void)snprintf(text, sizeof text, "%s by %s; needs: %s; actions: %s", mmr_cli_json_text(g, "at"), mmr_cli_json_text(g, "by"),
                       *mmr_cli_json_text(g, "needs") ? mmr_cli_json_text(g, "needs") : "none",
                       *mmr_cli_json_text(g, "actions") ? mmr_cli_json_text(g, "actions") : "none");
        show_line("registered", text);
    }
}

static void show_info(struct json_object *o)
{
    char text[512];
    struct json_object *x;
    show_line("id", mmr_cli_json_text(o, "id"));
    show_line("maker", mmr_cli_json_text(o, "maker"));
    (void)snprintf(text, sizeof text, "%s %s", mmr_cli_json_text(o, "model"), mmr_cli_json_text(o, "version"));
    show_line("model", text);
    show_line("license", mmr_cli_json_text(o, "license"));
    show_line("about", mmr_cli_json_text(o, "doc"));
    show_words(o, "side", "sides");
    show_words(o, "roles", "roles");
    words(o, "capabilities", text, sizeof text);
    show_line("capabilities", *text ? text : "none");
    words(o, "needs", text, sizeof text);
    show_line("needs", *text ? text : "none");
    words(o, "granted_needs", text, sizeof text);
    show_line("granted", *text ? text : "none");
    show_words(o, "may do", "granted_actions");
    show_words(o, "events", "events");
    show_words(o, "subscribes", "subscribes");
    show_words(o, "actions", "actions");
    show_trust(o);
    for (size_t i = 0; (x = item(o, "instances", i)) != NULL; i++) {
        (void)snprintf(text, sizeof text, "%s in host %s: %s %s", mmr_cli_json_text(x, "name"), mmr_cli_json_text(x, "host"), mmr_cli_json_text(x, "state"),
                       mmr_cli_json_text(x, "text"));
        show_line("instance", text);
    }
    for (size_t i = 0; (x = item(o, "selftests", i)) != NULL; i++) {
        (void)snprintf(text, sizeof text, "%s: %s %s %s", mmr_cli_json_text(x, "what"), mmr_cli_json_text(x, "result"), mmr_cli_json_text(x, "at"),
                       mmr_cli_json_text(x, "detail"));
        show_line("self-test", text);
    }
    if (!item(o, "selftests", 0))
        show_line("self-test", "none");
    for (size_t i = 0; (x = item(o, "config", i)) != NULL; i++) {
        (void)snprintf(text, sizeof text, "%s [%s] %s", mmr_cli_json_text(x, "name"), mmr_cli_json_text(x, "default"), mmr_cli_json_text(x, "doc"));
        show_line("config", text);
    }
}

/* A row of what could not even be described: there is nothing to show of it. */
static bool is_unknown(struct json_object *o)
{
    return !*mmr_cli_json_text(o, "version");
}

static int show_list(const struct mmr_cli_site *s)
{
    bool is_running = false;
    struct json_object *rows = mmr_plugin_rows(s, NULL, &is_running);
    if (!rows)
        return MMR_EXIT_FAILED;
    static const struct {
        const char *name;
        size_t columns;
    } heads[] = {{"plugin", 26}, {"maker", 12}, {"model", 12}, {"version", 8}, {"side", 17}, {"trust", 10}, {"instances", 0}};
    if (s->is_json) {
        struct json_object *o = json_object_new_object();
        json_object_object_add(o, "running", json_object_new_boolean(is_running));
        json_object_object_add(o, "plugins", rows);
        mmr_cli_json_print(o);
        return MMR_EXIT_OK;
    }
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        column(heads[i].name, heads[i].columns ? heads[i].columns : 9);
    (void)fputc('\n', stdout);
    for (size_t i = 0; i < json_object_array_length(rows); i++) {
        struct json_object *o = json_object_array_get_idx(rows, i);
        if (is_unknown(o))
            (void)fprintf(stderr, "mamori plugin: %s\n", mmr_cli_json_text(o, "why")); /* one that is broken is named and left out */
        else
            show_row(o);
    }
    if (!is_running)
        (void)fputs("No mamori runs here; the states are what would be.\n", stderr);
    json_object_put(rows);
    return MMR_EXIT_OK;
}

static int show_one(const struct mmr_cli_site *s, const char *what)
{
    bool is_running = false;
    struct json_object *rows = mmr_plugin_rows(s, what, &is_running), *o = rows ? json_object_array_get_idx(rows, 0) : NULL;
    int status = MMR_EXIT_OK;
    if (!o || is_unknown(o)) {
        (void)fprintf(stderr, "mamori plugin: %s\n", o ? mmr_cli_json_text(o, "why") : "out of memory");
        status = o && strcmp(mmr_cli_json_text(o, "reason"), "missing") == 0 ? MMR_EXIT_USAGE : MMR_EXIT_NO;
    } else if (s->is_json) {
        mmr_cli_json_print(json_object_get(o));
    } else {
        show_info(o);
    }
    json_object_put(rows);
    return status;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'}, {0}};
    struct mmr_cli_site s = {.command = "plugin", .is_tolerant = true};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (o) {
        case 'c': s.dir = optarg; break;
        case 'j': s.is_json = true; break;
        default: return MMR_EXIT_USAGE;
        }
    bool is_list = optind + 1 == argc && strcmp(argv[optind], "list") == 0;
    bool is_info = optind + 2 == argc && strcmp(argv[optind], "info") == 0;
    if (!is_list && !is_info) {
        (void)fputs("mamori plugin: expected one of the commands below\n", stderr);
        mmr_print_usage(stderr, "plugin");
        return MMR_EXIT_USAGE;
    }
    int status = mmr_cli_site_open(&s);
    if (status)
        return status;
    status = is_list ? show_list(&s) : show_one(&s, argv[optind + 1]);
    mmr_cli_site_done(&s);
    return status;
}

MMR_COMMAND(plugin) = {
    .name = "plugin",
    .help = "the plugins: what there is, what may run, what runs",
    .usage = "usage: mamori plugin list [--json]\n       mamori plugin info ID|FILE [--json]\n\n"
             "list: maker, model, version, side, whether it may run here (bundled, registered, signed, listed; refused with the\n"
             "      reason), the state of each instance; of configured ones its capabilities, grants and last self-test. info: everything it says of itself, who signed it, what is granted,\n"
             "      its last self-test. Plugin code that is asked for this runs in a process of its own without privileges.\n"
             "MAMORI_PLUGINS names the folder of plugin files; without it they are looked for beside the executable.\n",
    .run = run,
};
