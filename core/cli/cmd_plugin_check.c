/* cmd_plugin_check.c - `mamori plugin check`: does a plugin keep the rules of the ABI? */
#include "check/check.h"
#include "cli/command.h"
#include "cli/plugin_file.h"
#include "plugin/builtin.h"
#include "plugin/load.h"
#include "util/scope.h"

#include <json-c/json.h>

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { SETS_MAX = 64, ROUNDS = 400, LIMIT_S = 60 };

struct ask {
    struct mmr_check_opts opts;
    const char *what, *set[SETS_MAX + 1];
    char path[PATH_MAX];
    size_t n_set;
    json_object *cases; /* NULL: text */
    bool is_quiet;
};

static const char *const verdicts[] = {"pass", "FAIL", "skip", "-   "};
static const char *const json_verdicts[] = {"pass", "fail", "skip", "moot"};

static void on_case(void *ctx, const struct mmr_check_result *r)
{
    struct ask *a = ctx;
    if (a->cases) {
        json_object *o = json_object_new_object(), *lines = json_object_new_array();
        json_object_object_add(o, "case", json_object_new_string(r->name));
        json_object_object_add(o, "verdict", json_object_new_string(json_verdicts[r->verdict]));
        json_object_object_add(o, "ms", json_object_new_int64(r->ms));
        for (size_t i = 0; i < r->n; i++)
            json_object_array_add(lines, json_object_new_string(r->lines[i]));
        json_object_object_add(o, "text", lines);
        json_object_array_add(a->cases, o);
        return;
    }
    if (r->verdict == MMR_CHECK_MOOT || (a->is_quiet && r->verdict == MMR_CHECK_PASS))
        return;
    (void)printf("%s  %-17s %s\n", verdicts[r->verdict], r->name, r->what);
    for (size_t i = 0; i < r->n; i++)
        (void)printf("      %s\n", r->lines[i]);
    (void)fflush(stdout); /* a long one can be watched */
}

static int locate(struct ask *a, struct mmr_error *err)
{
    size_t n = strlen(a->what);
    char dir[PATH_MAX];
    mmr_autofree char *found = NULL;
    a->opts.path = a->what;
    if (strchr(a->what, '/') || (n > 3 && strcmp(a->what + n - 3, ".so") == 0))
        return 0;
    a->opts.builtin = mmr_plugin_builtin(mmr_builtin_plugins, a->what);
    if (a->opts.builtin) {
        a->opts.path = NULL;
        return 0;
    }
    if (!mmr_plugin_folder(dir, sizeof dir))
        return mmr_fail(err, MMR_ENOENT, "plugin '%s' is not built in, and there is no folder of plugin files", a->what);
    int r = mmr_plugin_locate(dir, a->what, &found, err);
    if (r)
        return r;
    if (snprintf(a->path, sizeof a->path, "%s", found) >= (int)sizeof a->path)
        return mmr_fail(err, MMR_ETOOBIG, "plugin '%s': its path is too long", a->what);
    a->opts.path = a->path;
    return 0;
}

static void print_end(const struct ask *a, const struct mmr_check_summary *s)
{
    if (a->cases) {
        json_object *o = json_object_new_object();
        json_object_object_add(o, "plugin", json_object_new_string(s->id));
        json_object_object_add(o, "version", json_object_new_string(s->version));
        json_object_object_add(o, "abi_major", json_object_new_int((int)s->abi_major));
        json_object_object_add(o, "abi_minor", json_object_new_int((int)s->abi_minor));
        json_object_object_add(o, "file", a->opts.path ? json_object_new_string(a->opts.path) : NULL);
        json_object_object_add(o, "ok", json_object_new_boolean(s->failed == 0));
        json_object_object_add(o, "passed", json_object_new_int((int)s->passed));
        json_object_object_add(o, "failed", json_object_new_int((int)s->failed));
        json_object_object_add(o, "skipped", json_object_new_int((int)s->skipped));
        json_object_object_add(o, "seed", json_object_new_uint64(a->opts.seed));
        json_object_object_add(o, "rounds", json_object_new_int64(a->opts.rounds));
        json_object_object_add(o, "isolated", json_object_new_boolean(s->is_isolated));
        json_object_object_add(o, "cases", json_object_get(a->cases));
        (void)puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
        (void)json_object_put(o);
        return;
    }
    (void)printf("%s %s: %s, %u passed, %u failed, %u skipped, seed %llu\n", s->id[0] ? s->id : a->what, s->version,
                 s->failed ? "breaks the rules" : s->skipped ? "sound as far as it was tried" : "sound", s->passed, s->failed, s->skipped, (unsigned long long)a->opts.seed);
    if (!s->is_isolated && !a->opts.is_in_process)
        (void)fputs("note: this kernel or user may make no namespaces, so the plugin ran with this user's view of the machine\n", stderr);
}

static bool number(const char *option, const char *text, uint64_t max, uint64_t *ret)
{
    char *end;
    unsigned long long v = strtoull(text, &end, 0);
    if (end == text || *end || text[0] == '-' || v > max) {
        (void)fprintf(stderr, "mamori plugin check: %s '%s' is no number up to %llu\n", option, text, (unsigned long long)max);
        return false;
    }
    *ret = v;
    return true;
}

enum { O_JSON = 1, O_CASE, O_SEED, O_ROUNDS, O_SET, O_IN_PROCESS, O_LIMIT, O_QUIET, O_FIRST, O_CONFIG };
static const struct option options[] = {
    {"json", no_argument, NULL, O_JSON}, {"case", required_argument, NULL, O_CASE}, {"seed", required_argument, NULL, O_SEED},
    {"rounds", required_argument, NULL, O_ROUNDS}, {"set", required_argument, NULL, O_SET}, {"in-process", no_argument, NULL, O_IN_PROCESS},
    {"limit", required_argument, NULL, O_LIMIT}, {"quiet", no_argument, NULL, O_QUIET}, {"first", no_argument, NULL, O_FIRST}, {"config", required_argument, NULL, O_CONFIG},
    {0}};

static bool parse(struct ask *a, int argc, char **argv)
{
    uint64_t v;
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case O_JSON: a->cases = a->cases ? a->cases : json_object_new_array(); break;
        case O_CASE: a->opts.only = optarg; break;
        case O_SEED:
            if (!number("--seed", optarg, UINT64_MAX, &a->opts.seed))
                return false;
            break;
        case O_ROUNDS:
            if (!number("--rounds", optarg, 100000000, &v))
                return false;
            a->opts.rounds = (uint32_t)v;
            break;
        case O_LIMIT:
            if (!number("--limit", optarg, 86400, &v) || v == 0)
                return false;
            a->opts.limit_s = (uint32_t)v;
            break;
        case O_SET:
            if (!strchr(optarg, '=') || a->n_set == SETS_MAX) {
                (void)fprintf(stderr, "mamori plugin check: --set '%s', expected KEY=VALUE, at most %d times\n", optarg, SETS_MAX);
                return false;
            }
            a->set[a->n_set++] = optarg;
            break;
        case O_IN_PROCESS: a->opts.is_in_process = true; break;
        case O_FIRST: a->opts.is_first_only = true; break;
        case O_QUIET: a->is_quiet = true; break;
        case O_CONFIG: break; /* global; a check asks no configuration */
        default: return false;
        }
    }
    if (optind + 1 != argc) {
        (void)fputs("mamori plugin check: expected one plugin, by id or file\n", stderr);
        return false;
    }
    a->what = argv[optind];
    return true;
}

static int run(int argc, char **argv)
{
    struct ask a = {.opts = {.rounds = ROUNDS, .limit_s = LIMIT_S}};
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_check_summary sum = {0};
    if (getrandom(&a.opts.seed, sizeof a.opts.seed, 0) != (ssize_t)sizeof a.opts.seed)
        a.opts.seed = 1;
    a.opts.seed >>= 32; /* shorter to type */
    if (!parse(&a, argc, argv)) {
        (void)json_object_put(a.cases);
        return MMR_EXIT_USAGE;
    }
    a.opts.set = a.set;
    int r = locate(&a, &err);
    if (r == 0)
        r = mmr_check_run(&a.opts, on_case, &a, &sum, &err);
    if (r)
        (void)fprintf(stderr, "mamori plugin check: %s\n", err.text);
    else
        print_end(&a, &sum);
    (void)json_object_put(a.cases);
    return r ? mmr_plugin_status(r) : sum.failed ? MMR_EXIT_NO : MMR_EXIT_OK;
}

MMR_COMMAND(plugin_check) = {
    .name = "plugin check",
    .help = "whether a plugin keeps every rule",
    .usage = "usage: mamori plugin check ID|FILE [--set KEY=VALUE]... [--case NAME] [--seed N] [--rounds N]\n"
             "                           [--limit SECONDS] [--first] [--quiet] [--json] [--in-process]\n\n"
             "Runs every rule of the plugin interface against the plugin, each in a process of its own with a time limit, shut off from the\n"
             "network, other processes and the files of this machine where the kernel allows it. Orders are dry runs only.\n\n"
             "  --set KEY=VALUE   a value of its configuration, for keys that nobody can make up (lists: a,b)\n"
             "  --case NAME       this case only\n"
             "  --seed N          of everything random; a failing case says which one it had\n"
             "  --rounds N        steps of the case fuzz (400)\n"
             "  --limit SECONDS   of one case (60)\n"
             "  --first           stop at the first case that fails\n"
             "  --quiet           only what fails or was skipped\n"
             "  --in-process      the named case in this process, for a debugger: not isolated, no limit\n\n"
             "Cases: entry-symbol, one-export, no-writable-code, no-search-path, load, abi, descriptor, capabilities, config-rows, extension,\n"
             "required-keys, create, leak, callbacks, start-stop, after-stop, events, threads, reload, responder, forwarder, fuzz, clean-end.\n\n"
             "Status 0: sound; 1: a rule is broken; 2: no such plugin or option; 3: it could not be tried.\n",
    .run = run,
};
