/*
 * cmd_sigma.c - `mamori sigma check PATH...` and `mamori sigma match --rules PATH... --log [FORMAT:]FILE`:
 * Sigma rules alone, without analyzers and without a brain. Rules and logs come from outside; both are read by
 * code that trusts neither.
 */
#include "cli/command.h"
#include "config/sources.h"
#include "plugin/builtin.h"
#include "plugin/load.h"
#include "plugin/replay.h"
#include "sigma/sigma.h"

#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_SENSOR "org.mamori.log"

enum { INPUTS_MAX = 64 };

static void print_line(struct json_object *o)
{
    (void)puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(o);
}

static void add(struct json_object *o, const char *key, const char *text)
{
    if (text && *text)
        (void)json_object_object_add(o, key, json_object_new_string(text));
}

static int load(const char *const *paths, size_t n, struct mmr_sigma **ret)
{
    struct mmr_error err = {.struct_size = sizeof err};
    for (size_t i = 0; i < n; i++)
        if (access(paths[i], R_OK)) {
            (void)fprintf(stderr, "mamori sigma: rules '%s' cannot be read; give a rule file or a folder of rules\n", paths[i]);
            return MMR_EXIT_USAGE;
        }
    if (!mmr_sigma_load(paths, n, ret, &err))
        return MMR_EXIT_OK;
    (void)fprintf(stderr, "mamori sigma: %s\n", err.text);
    return MMR_EXIT_FAILED;
}

/* ---- check ---- */

static int check(char **paths, size_t n)
{
    static const char *const kinds[] = {"detection", "correlation", "filter", "exclusion"};
    struct mmr_sigma *s = NULL;
    int rc = load((const char *const *)paths, n, &s);
    if (rc)
        return rc;
    for (size_t i = 0; i < mmr_sigma_count(s); i++) {
        const struct mmr_sigma_rule *r = mmr_sigma_get(s, i);
        struct json_object *o = json_object_new_object(), *list = json_object_new_array();
        (void)json_object_object_add(o, "file", json_object_new_string(r->file));
        (void)json_object_object_add(o, "line", json_object_new_int(r->line));
        (void)json_object_object_add(o, "rule", json_object_new_string(r->id));
        add(o, "title", r->title);
        add(o, "kind", kinds[r->kind]);
        (void)json_object_object_add(o, "ok", json_object_new_boolean(mmr_sigma_rule_ok(r)));
        for (size_t k = 0; k < r->unsupported.n; k++)
            (void)json_object_array_add(list, json_object_new_string(r->unsupported.v[k]));
        (void)json_object_object_add(o, "unsupported", list);
        add(o, "error", r->error);
        if (!mmr_sigma_rule_ok(r))
            rc = MMR_EXIT_NO;
        print_line(o);
    }
    mmr_sigma_free(s);
    return rc;
}

/* ---- match ---- */

struct matching {
    struct mmr_sigma *s;
    struct mmr_event_view view;
    int64_t index;
    bool has_several_inputs;
    char input[256];
};

static void on_hit(void *ctx, const struct mmr_sigma_hit *h)
{
    const struct matching *m = ctx;
    struct json_object *o = json_object_new_object();
    (void)json_object_object_add(o, "rule", json_object_new_string(h->rule->id));
    (void)json_object_object_add(o, "title", json_object_new_string(h->rule->title));
    (void)json_object_object_add(o, "index", json_object_new_int64(m->index));
    if (m->has_several_inputs)
        add(o, "input", m->input);
    if (h->rule->kind == MMR_SIGMA_CORRELATION) {
        (void)json_object_object_add(o, "count", json_object_new_double(h->count));
        add(o, "group", h->group);
    }
    print_line(o);
}

static int on_event(void *ctx, const struct mmr_runtime_event *ev)
{
    struct matching *m = ctx;
    if (mmr_event_read(ev->raw, ev->raw_len, &m->view, NULL))
        return 0; /* the runtime checked it already */
    m->index = mmr_event_get_int(&m->view, "mamori.index", 0);
    m->input[0] = 0;
    (void)mmr_event_copy_str(&m->view, "mamori.input", m->input, sizeof m->input);
    mmr_sigma_match(m->s, &m->view, on_hit, m);
    return 0;
}

static void warn(void *ctx, const char *line)
{
    (void)ctx;
    (void)fprintf(stderr, "mamori sigma: %s\n", line);
}

/* The log sensor: built in, or a file in a configured folder or beside the executable. */
static int find_sensor(const char *config_dir, const struct mmr_plugin **ret, struct mmr_error *err)
{
    const struct mmr_plugin *p = mmr_plugin_builtin(mmr_builtin_plugins, LOG_SENSOR);
    if (p) {
        *ret = p;
        return 0;
    }
    struct mmr_config *config = NULL;
    struct mmr_strv dirs = {0};
    int rc = MMR_ENOENT;
    if (!mmr_config_load_site(config_dir, NULL, warn, NULL, &config, NULL))
        dirs = mmr_config_strv(config, "node.plugin_dirs");
    for (size_t i = 0; rc && i < dirs.n; i++)
        rc = mmr_plugin_get(mmr_builtin_plugins, dirs.v[i], LOG_SENSOR, NULL, ret, err);
    char exe[PATH_MAX], dir[PATH_MAX + 32];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    static const char *const beside[] = {"plugins", "../lib/mamori/plugins", "../lib/x86_64-linux-gnu/mamori/plugins"};
    for (size_t i = 0; rc && n > 0 && i < sizeof beside / sizeof beside[0]; i++) {
        exe[n] = 0;
        char *slash = strrchr(exe, '/');
        if (!slash)
            break;
        *slash = 0;
        int w = snprintf(dir, sizeof dir, "%s/%s", exe, beside[i]);
        exe[slash - exe] = '/';
        if (w > 0 && (size_t)w < sizeof dir)
            rc = mmr_plugin_get(mmr_builtin_plugins, dir, LOG_SENSOR, NULL, ret, err);
    }
    mmr_config_free(config);
    return rc;
}

/* FORMAT: before the name only where it is a format, so that a file may have a ':' in its name. */
static void split_format(char *arg, struct mmr_replay_input *in)
{
    static const char *const formats[] = {"winevent-json", "sysmon-linux", "auditd", "syslog", "eve"};
    *in = (struct mmr_replay_input){.path = arg, .name = arg, .side = MMR_SIDE_ENDPOINT};
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        size_t n = strlen(formats[i]);
        if (!strncmp(arg, formats[i], n) && arg[n] == ':') {
            in->format = formats[i];
            in->path = in->name = arg + n + 1;
        }
    }
}

static int run_logs(struct matching *m, const char *config_dir, const struct mmr_replay_input *inputs, size_t n)
{
    struct mmr_error err = {.struct_size = sizeof err};
    const struct mmr_plugin *sensor = NULL;
    if (find_sensor(config_dir, &sensor, &err)) {
        (void)fprintf(stderr, "mamori sigma: the log sensor cannot be loaded: %s\n", err.text);
        return MMR_EXIT_FAILED;
    }
    static const struct mmr_runtime_ops ops = {.on_event = on_event};
    const struct mmr_runtime_opts opts = {.node = "replay", .core_version = MMR_VERSION, .ops = &ops, .ctx = m,
                                          .wants_all = true, .is_raw_owner = true};
    const struct mmr_replay_reader reader = {.plugin = sensor, .side = MMR_SIDE_ENDPOINT};
    struct mmr_replay_stats stats;
    struct mmr_runtime *rt = NULL;
    int rc = mmr_runtime_new(&opts, &rt, &err);
    if (!rc)
        rc = mmr_replay_run(rt, &reader, 1, inputs, n, 0, warn, NULL, m, &stats, &err);
    mmr_runtime_free(rt);
    if (!rc)
        return MMR_EXIT_OK;
    (void)fprintf(stderr, "mamori sigma: %s\n", err.text);
    return rc == MMR_EUNSUPPORTED || rc == MMR_EBADMSG ? MMR_EXIT_USAGE : MMR_EXIT_FAILED;
}

/* `--rules` and `--log` take every argument up to the next option. */
static int match(int argc, char **argv)
{
    const char **rules = calloc((size_t)argc + 1, sizeof *rules);
    struct mmr_replay_input inputs[INPUTS_MAX];
    size_t n_rules = 0, n_inputs = 0;
    const char *config_dir = NULL, *bad = NULL;
    char taking = 0;
    if (!rules)
        return MMR_EXIT_FAILED;
    for (int i = 0; i < argc && !bad; i++) {
        char *a = argv[i];
        if (!strcmp(a, "--rules") || !strcmp(a, "--log") || !strcmp(a, "--config"))
            taking = a[2];
        else if (!strcmp(a, "--json"))
            taking = 0;
        else if (a[0] == '-' && a[1])
            bad = a;
        else if (taking == 'r')
            rules[n_rules++] = a;
        else if (taking == 'l' && n_inputs < INPUTS_MAX)
            split_format(a, &inputs[n_inputs++]);
        else if (taking == 'c')
            config_dir = a;
        else
            bad = a;
    }
    if (bad || !n_rules || !n_inputs) {
        if (bad)
            (void)fprintf(stderr, "mamori sigma match: '%s' is not expected here\n", bad);
        (void)fputs("mamori sigma match: expected --rules PATH... --log [FORMAT:]FILE\n", stderr);
        free(rules);
        return MMR_EXIT_USAGE;
    }
    struct matching *m = calloc(1, sizeof *m);
    int rc = m ? load(rules, n_rules, &m->s) : MMR_EXIT_FAILED;
    size_t usable = 0;
    for (size_t i = 0; !rc && i < mmr_sigma_count(m->s); i++) {
        const struct mmr_sigma_rule *r = mmr_sigma_get(m->s, i);
        usable += mmr_sigma_rule_ok(r);
        if (r->error)
            (void)fprintf(stderr, "mamori sigma: left out: %s\n", r->error);
        for (size_t k = 0; k < r->unsupported.n; k++)
            (void)fprintf(stderr, "mamori sigma: %s: left out: %s is not supported\n", r->file, r->unsupported.v[k]);
    }
    if (!rc && !usable) {
        (void)fputs("mamori sigma match: none of the rules can be used\n", stderr);
        rc = MMR_EXIT_USAGE;
    }
    if (!rc) {
        m->has_several_inputs = n_inputs > 1;
        rc = run_logs(m, config_dir, inputs, n_inputs);
    }
    if (m)
        mmr_sigma_free(m->s);
    free(m);
    free(rules);
    return rc;
}

static int run(int argc, char **argv)
{
    int at = 1; /* global options may stand before the verb */
    while (at < argc && !strncmp(argv[at], "--", 2))
        at += strcmp(argv[at], "--config") == 0 ? 2 : 1;
    const char *verb = at < argc ? argv[at] : "";
    if (!strcmp(verb, "match")) {
        for (int i = at; i > 1; i--) /* keep the options, drop the verb */
            argv[i] = argv[i - 1];
        return match(argc - 2, argv + 2);
    }
    if (!strcmp(verb, "check") && at + 1 < argc)
        return check(argv + at + 1, (size_t)(argc - at - 1));
    (void)fputs("mamori sigma: expected 'check PATH...' or 'match --rules PATH... --log [FORMAT:]FILE'\n", stderr);
    return MMR_EXIT_USAGE;
}

MMR_COMMAND(sigma) = {
    .name = "sigma",
    .help = "Sigma rules alone: are they understood, and which lines of a log do they match",
    .usage = "usage: mamori sigma check PATH...\n"
             "       mamori sigma match --rules PATH... --log [FORMAT:]FILE\n"
             "\n"
             "  PATH    a rule file, or a folder of .yml files\n"
             "  FORMAT  winevent-json, sysmon-linux, auditd, syslog or eve; recognised when left out\n"
             "\n"
             "check prints a line for each rule: what it lacks stands in \"unsupported\". match prints a line\n"
             "for each rule and event that match; index is the line of the log, from 1.\n",
    .run = run,
};
