/* cmd_plugin_manifest.c - `mamori plugin manifest`: the list of tools a service is registered with. */
#include "cli/plugin_facts.h"
#include "cli/site.h"
#include "plugin/builtin.h"
#include "trust/place.h"
#include "util/clock.h"
#include "util/id.h"
#include "util/scope.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int bad(const char *text, int r)
{
    (void)fprintf(stderr, "mamori plugin manifest: %s\n", text);
    return r == MMR_EIO || r == MMR_ENOMEM ? MMR_EXIT_FAILED : r == MMR_ENOENT || r == MMR_EINVAL ? MMR_EXIT_USAGE : MMR_EXIT_NO;
}

static void quoted(FILE *f, const char *key, const char *text)
{
    (void)fprintf(f, "%s: \"", key);
    for (; *text; text++) /* a maker's name is the maker's own words */
        if ((unsigned char)*text >= ' ' && *text != '"' && *text != '\\' && *text != 0x7f)
            (void)fputc(*text, f);
    (void)fputs("\"\n", f);
}

static int write_tool(FILE *f, const struct mmr_config *c, const char *what, struct mmr_error *err)
{
    struct mmr_admission a;
    struct json_object *facts = NULL;
    char sha256[MMR_SHA256_TEXT];
    mmr_autoclose int exe = -1;
    int r = mmr_plugin_named(c, what, &a, err);
    if (r == 0 && !a.path) {
        exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        const struct mmr_plugin *const *p = mmr_builtin_plugins;
        while (*p && strcmp((*p)->id, what) != 0)
            p++;
        r = mmr_plugin_facts(*p, -1, what, &facts, err);
    } else if (r == 0) {
        r = mmr_plugin_facts(NULL, a.fd, what, &facts, err);
    }
    if (r == 0)
        r = mmr_place_hash(a.path ? a.fd : exe, sha256, NULL, err);
    if (r == 0 && !*mmr_cli_json_text(facts, "maker"))
        r = mmr_fail(err, MMR_EPERM, "plugin %s names no maker (.vendor of its descriptor); the list must name one", mmr_cli_json_text(facts, "id"));
    if (r == 0) {
        quoted(f, "  - id", mmr_cli_json_text(facts, "id"));
        quoted(f, "    maker", mmr_cli_json_text(facts, "maker"));
        quoted(f, "    model", mmr_cli_json_text(facts, "model"));
        quoted(f, "    version", mmr_cli_json_text(facts, "version"));
        (void)fprintf(f, "    sha256: [%s]\n", sha256);
    }
    json_object_put(facts);
    mmr_admission_done(&a);
    return r;
}

/* Every enabled plugin of the configuration, or those that are named. */
static int make(struct mmr_cli_site *s, const char *service, char **what, int n_what)
{
    struct mmr_error err = {.struct_size = sizeof err};
    char at[40];
    int r = 0;
    mmr_time_format(mmr_clock_wall_ns(), at, sizeof at);
    (void)printf("# The tools of this service. 'mamori plugin sign' signs it; add tools of other makers that only send events with\n"
                 "# 'kind: sender', maker, model and version.\n");
    quoted(stdout, "service", service);
    quoted(stdout, "issued", at);
    (void)puts("tools:");
    for (int i = 0; i < n_what && r == 0; i++)
        r = write_tool(stdout, s->config, what[i], &err);
    for (size_t i = 0; n_what == 0 && i < mmr_config_instances(s->config) && r == 0; i++) {
        const struct mmr_instance_conf *x = mmr_config_instance(s->config, i);
        bool is_twice = !x->is_enabled;
        for (size_t k = 0; k < i && !is_twice; k++)
            is_twice = mmr_config_instance(s->config, k)->is_enabled && strcmp(mmr_config_instance(s->config, k)->plugin, x->plugin) == 0;
        if (!is_twice)
            r = write_tool(stdout, s->config, x->file ? x->file : x->plugin, &err);
    }
    return r ? bad(err.text, r) : MMR_EXIT_OK;
}

static int show(struct mmr_cli_site *s)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_trust t;
    if (mmr_trust_open(s->config, &t, &err) != 0)
        return bad(err.text, MMR_ENOMEM);
    if (t.no_manifest[0]) {
        int status = bad(t.no_manifest, MMR_EPERM);
        mmr_trust_done(&t);
        return status;
    }
    const struct mmr_manifest *m = &t.manifest;
    struct json_object *o = json_object_new_object(), *tools = json_object_new_array();
    mmr_cli_json_str(o, "service", m->service);
    mmr_cli_json_str(o, "issued", m->issued);
    mmr_cli_json_str(o, "key", m->key);
    mmr_cli_json_str(o, "signed_by", m->owner);
    mmr_cli_json_str(o, "toolset_hash", m->toolset_hash);
    if (!s->is_json)
        (void)printf("service       %s\nissued        %s\nsigned by     %s (%s)\ntoolset hash  %s\n", m->service, m->issued, m->owner, m->key, m->toolset_hash);
    for (size_t i = 0; i < m->n; i++) {
        const struct mmr_tool *k = &m->tool[i];
        struct json_object *x = json_object_new_object(), *hashes = json_object_new_array();
        mmr_cli_json_str(x, "id", k->id);
        mmr_cli_json_str(x, "kind", k->is_sender ? "sender" : "plugin");
        mmr_cli_json_str(x, "maker", k->maker);
        mmr_cli_json_str(x, "model", k->model);
        mmr_cli_json_str(x, "version", k->version);
        for (size_t j = 0; j < k->n_sha256; j++)
            json_object_array_add(hashes, json_object_new_string(k->sha256[j]));
        json_object_object_add(x, "sha256", hashes);
        json_object_array_add(tools, x);
        if (!s->is_json)
            (void)printf("  %-28s %-16s %-16s %-10s %s\n", k->id, k->maker, k->model, k->version, k->is_sender ? "sender" : "plugin");
    }
    json_object_object_add(o, "tools", tools);
    if (s->is_json)
        mmr_cli_json_print(o);
    else
        json_object_put(o);
    mmr_trust_done(&t);
    return MMR_EXIT_OK;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"service", required_argument, NULL, 's'}, {"config", required_argument, NULL, 'c'},
                                            {"json", no_argument, NULL, 'j'}, {0}};
    struct mmr_cli_site site = {.command = "plugin manifest"};
    const char *service = NULL;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (o) {
        case 's': service = optarg; break;
        case 'c': site.dir = optarg; break;
        case 'j': site.is_json = true; break;
        default: return MMR_EXIT_USAGE;
        }
    const char *what = optind < argc ? argv[optind] : "";
    bool is_make = strcmp(what, "make") == 0;
    if (!is_make && !(strcmp(what, "show") == 0 && optind + 1 == argc))
        return bad("expected make [ID|FILE...] or show; see 'mamori help plugin manifest'", MMR_EINVAL);
    int status = mmr_cli_site_open(&site);
    if (status)
        return status;
    status = is_make ? make(&site, service ? service : mmr_config_str(site.config, "site.service"), argv + optind + 1, argc - optind - 1) : show(&site);
    mmr_cli_site_done(&site);
    return status;
}

MMR_COMMAND(plugin_manifest) = {
    .name = "plugin manifest",
    .help = "the signed list of the tools a service is registered with",
    .usage = "usage: mamori plugin manifest make [--service NAME] [ID|FILE...]\n       mamori plugin manifest show [--json]\n\n"
             "make: the list of the configured plugins, or of those named, on stdout: maker, model, version, sha256 of each. Then\n"
             "        mamori plugin manifest make > /etc/mamori/tools.yaml\n"
             "        mamori plugin sign /etc/mamori/tools.yaml --key SERVICE.sec\n"
             "        mamori plugin key add SERVICE.pub --owner 'THE SERVICE' --signs tools\n"
             "show: the list in force, who signed it, and the toolset hash, the same at every site of the service; status 1 if no\n"
             "      list counts, with the reason.\n"
             "With profile: service (or trust.require: manifest) nothing runs that is not listed with these bytes.\n",
    .run = run,
};
