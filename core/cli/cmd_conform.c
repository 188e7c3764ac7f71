/* cmd_conform.c - `mamori conform eval` and `mamori conform check`: the formal rule, and this
 * configuration by it. */
#include "cli/command.h"
#include "cli/json_lines.h"
#include "cli/survey.h"
#include "config/sources.h"
#include "model/action.h"
#include "plugin/admit.h"
#include "plugin/builtin.h"
#include "standard/conform.h"
#include "util/scope.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void say(void *ctx, const char *line)
{
    (void)ctx;
    (void)fprintf(stderr, "%s\n", line);
}

/* Verbs that may run by themselves: contract.auto_actions_agreed. */
static uint32_t agreed_verbs(const struct mmr_config *c)
{
    const struct mmr_strv list = mmr_config_strv(c, "defence.auto_actions_agreed");
    uint32_t verbs = 0;
    for (size_t i = 0; i < list.n; i++) {
        enum mmr_verb v;
        if (strcmp(list.v[i], "all") == 0)
            return UINT32_MAX;
        if (mmr_verb_parse(list.v[i], strlen(list.v[i]), &v))
            verbs |= 1u << (unsigned)v;
    }
    return verbs;
}

static uint32_t verbs_of(const struct mmr_plugin *p)
{
    uint32_t verbs = 0;
    for (size_t i = 0; p->responder && p->actions && p->actions[i]; i++) {
        enum mmr_verb v;
        if (mmr_verb_parse(p->actions[i], strlen(p->actions[i]), &v) &&
            v != MMR_VERB_QUERY_CONNECTION_OWNER)
            verbs |= 1u << (unsigned)v;
    }
    return verbs;
}

struct survey {
    struct mmr_cap_source *source;
    struct mmr_conform_in in;
};

static int look(const struct mmr_config *c, struct survey *s)
{
    const size_t n = mmr_config_instances(c);
    const bool is_dry_run = strcmp(mmr_config_str(c, "defence.mode"), "auto") != 0;
    const uint32_t agreed = agreed_verbs(c);
    struct mmr_trust trust;
    struct mmr_error bad = {.struct_size = sizeof bad};
    if (mmr_trust_open(c, &trust, &bad) != 0)
        return MMR_ENOMEM;
    s->in.is_service_profile = strcmp(mmr_config_str(c, "profile"), "service") == 0;
    s->source = calloc(n ? n : 1, sizeof *s->source);
    if (!s->source) {
        mmr_trust_done(&trust);
        return MMR_ENOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        const struct mmr_instance_conf *inst = mmr_config_instance(c, i);
        const struct mmr_plugin *p = NULL;
        struct mmr_error err = {.struct_size = sizeof err};
        if (!inst->is_enabled)
            continue;
        struct mmr_admission a;
        int r = mmr_plugin_admit(c, &trust, mmr_builtin_plugins, inst, &a, &err);
        const bool is_listed = a.verdict.is_listed;
        if (r == 0)
            r = mmr_plugin_load_admitted(mmr_builtin_plugins, &trust, inst->plugin, &a, &p, &err);
        mmr_admission_done(&a);
        if (r) {
            (void)fprintf(stderr, "mamori conform: plugin '%s' does not count: %s\n", inst->name,
                          err.text);
            s->in.refused_plugins += r == MMR_EPERM || r == MMR_EBADMSG;
            continue;
        }
        s->in.unnamed_tools += !p->vendor || !*p->vendor;
        const uint32_t side = inst->side ? inst->side : p->side;
        const bool is_dry = is_dry_run || inst->is_dry_run;
        const uint32_t verbs = is_dry ? 0 : verbs_of(p) & agreed;
        /* the service profile counts what the signed tool manifest lists */
        s->source[s->in.n_source++] = (struct mmr_cap_source){
            .plugin = p->id,
            .version = p->version,
            .instance = inst->name,
            .side = side,
            .detects = p->flags & MMR_PLUGIN_EXTERNAL && !inst->is_tool_named ? 0 : p->detects,
            .flags = p->flags,
            .is_detector = p->sensor || p->analyzer,
            .can_defend = verbs != 0,
            .is_dry_run = is_dry,
            .is_listed = is_listed || !s->in.is_service_profile,
            .is_loaded = true,
            .is_healthy = true,
        };
        if (side == MMR_SIDE_NETWORK)
            s->in.verbs_net |= verbs;
        else
            s->in.verbs_ep |= verbs;
    }
    s->in.source = s->source;
    mmr_trust_done(&trust);
    if (is_dry_run)
        (void)fprintf(
            stderr,
            "mamori conform: defence.mode is dry_run: nothing is blocked, so no defence counts\n");
    return 0;
}

/* What the running mamori can say of itself: coverage, self-tests, the parts at work. Without one: nothing is known. */
static void measure(struct mmr_survey *v, struct mmr_conform_in *in, struct mmr_coverage *net, struct mmr_coverage *ep)
{
    struct json_object *brain = NULL;
    size_t n = 0;
    if (mmr_cli_site_open(&v->site) != MMR_EXIT_OK || mmr_survey_take(v) != MMR_EXIT_OK || !v->status ||
        !json_object_object_get_ex(v->status, "brain", &brain) || !brain)
        return;
    in->net = mmr_survey_coverage(v, true, net) == 0 ? net : NULL;
    in->ep = mmr_survey_coverage(v, false, ep) == 0 ? ep : NULL;
    struct json_object *tests = mmr_cli_json_list(brain, "selftest", &n), *ok = NULL;
    for (size_t i = 0; i < n; i++) {
        const char *result = mmr_cli_json_text(json_object_array_get_idx(tests, i), "result");
        in->tests_passed += strcmp(result, "passed") == 0;
        in->tests_failed += strcmp(result, "failed") == 0;
        in->tests_open += strcmp(result, "open") == 0;
    }
    in->has_evidence = json_object_object_get_ex(brain, "store_ok", &ok) && json_object_get_boolean(ok);
    struct json_object *hosts = mmr_cli_json_list(v->status, "hosts", &n);
    in->has_heartbeat = n > 0;
    for (size_t i = 0; i < n; i++)
        in->has_heartbeat &= strcmp(mmr_cli_json_text(json_object_array_get_idx(hosts, i), "state"), "running") == 0;
}

static void show(const struct mmr_conform *c)
{
    (void)printf("combined: %s\nnetwork alone: %s\nendpoint alone: %s\n",
                 c->relief.combined ? "conform" : "fail", c->relief.network ? "conform" : "fail",
                 c->relief.endpoint ? "conform" : "fail");
    if (c->relief.net_defence_relieved)
        (void)puts("relief used: network defence");
    if (c->relief.ep_defence_relieved)
        (void)puts("relief used: endpoint defence");
    for (size_t i = 0; i < c->n_clause; i++)
        (void)printf("%s %c %-8s %s: %s\n", c->clause[i].id, c->clause[i].reach,
                     mmr_clause_state_name(c->clause[i].state), c->clause[i].clause,
                     c->clause[i].why);
    (void)puts("asset class, threat phase: defence that would act");
    for (size_t i = 0; i < c->n_gap; i++)
        (void)printf("%s, %s: %s\n", mmr_asset_class_name(c->gap[i].asset),
                     mmr_phase_name(c->gap[i].phase), c->gap[i].defence);
    (void)printf("result: %s\n", c->is_conforming ? "conform" : "fail");
}

static int check(const char *config_dir, bool is_json)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_config *config = NULL;
    struct survey s = {0};
    if (mmr_config_load_site(config_dir, NULL, say, NULL, &config, &err) < 0) {
        (void)fprintf(stderr, "mamori conform: %s\n", err.text);
        return err.code == MMR_ECONFIG ? MMR_EXIT_USAGE : MMR_EXIT_FAILED;
    }
    mmr_autofree struct mmr_conform *c = calloc(1, sizeof *c);
    mmr_autofree struct mmr_coverage *measured = calloc(2, sizeof *measured);
    struct mmr_survey v = {.site = {.command = "conform", .dir = config_dir}};
    int status = MMR_EXIT_FAILED;
    if (c && measured && look(config, &s) == 0) {
        measure(&v, &s.in, &measured[0], &measured[1]);
        mmr_conform_check(&s.in, c);
        mmr_autofree char *json = is_json ? mmr_conform_json(c, &s.in) : NULL;
        if (json)
            (void)puts(json);
        else if (!is_json)
            show(c);
        if (!is_json || json)
            status = c->is_conforming ? MMR_EXIT_OK : MMR_EXIT_NO;
    }
    if (status == MMR_EXIT_FAILED)
        (void)fprintf(stderr, "mamori conform: out of memory\n");
    free(s.source);
    mmr_survey_done(&v);
    mmr_config_free(config);
    return status;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'}, {0}};
    const char *config_dir = NULL;
    bool is_json = false;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (o) {
        case 'c':
            config_dir = optarg;
            break;
        case 'j':
            is_json = true;
            break;
        default:
            return MMR_EXIT_USAGE;
        }
    const char *what = optind < argc ? argv[optind] : "";
    if (optind + 1 == argc && strcmp(what, "eval") == 0)
        return mmr_json_lines("mamori conform eval", mmr_relief_json);
    if (optind + 1 == argc && strcmp(what, "check") == 0)
        return check(config_dir, is_json);
    (void)fprintf(
        stderr,
        "mamori conform: expected 'check' or 'eval', found '%s'; see 'mamori help conform'\n",
        what);
    return MMR_EXIT_USAGE;
}

MMR_COMMAND(conform) = {
    .name = "conform",
    .help = "does this service meet the standard's requirements?",
    .usage = "mamori conform check [--json]\n"
             "mamori conform eval < CAPABILITIES\n"
             "\n"
             "check: the configured plugins, each clause with its state, and what no defence would "
             "act on;\n"
             "       status 1 when it does not conform. The review and registration body decides, "
             "not this command.\n"
             "eval:  reads JSON lines "
             "{\"Na\":1,\"Ni\":1,\"Nu\":0,\"Ea\":1,\"Ei\":\"1|0|linked\",\"Linked\":0} and answers "
             "lines\n"
             "       "
             "{\"network\":\"conform|fail\",\"endpoint\":...,\"combined\":...,\"relief\":[...],"
             "\"missing\":[...]}\n",
    .run = run,
};
