/* cmd_coverage.c - `mamori coverage net|ep`: is every way out of the office seen (SR-06), has every machine with
 * important information an agent (SR-07, SR-08)? */
#include "cli/person.h"
#include "cli/survey.h"
#include "util/scope.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const char *kind_word(enum mmr_gap_kind k)
{
    switch (k) {
    case MMR_GAP_NONE: break;
    case MMR_GAP_EXIT_NO_SENSOR: return "exit_no_sensor";
    case MMR_GAP_SENSOR_DOWN: return "sensor_down";
    case MMR_GAP_ONE_WAY: return "one_way";
    case MMR_GAP_BYTES: return "bytes";
    case MMR_GAP_DROPS: return "drops";
    case MMR_GAP_HOST_UNSEEN: return "host_unseen";
    case MMR_GAP_NO_AGENT: return "no_agent";
    case MMR_GAP_AGENT_DOWN: return "agent_down";
    case MMR_GAP_NOTHING_KNOWN: return "nothing_known";
    }
    return "none";
}

static void show_json(const struct mmr_survey *v, const char *what, const struct mmr_coverage *c)
{
    struct json_object *o = json_object_new_object(), *gaps = json_object_new_array();
    mmr_cli_json_str(o, "coverage", what);
    mmr_cli_json_str(o, "state", c->is_ok ? "ok" : "gap");
    mmr_cli_json_int(o, "have", c->have);
    mmr_cli_json_int(o, "want", c->want);
    for (uint32_t i = 0; i < c->n_gaps; i++) {
        struct json_object *g = json_object_new_object();
        mmr_cli_json_str(g, "kind", kind_word(c->gap[i].kind));
        mmr_cli_json_str(g, "name", c->gap[i].name);
        mmr_cli_json_str(g, "text", c->gap[i].text);
        (void)json_object_array_add(gaps, g);
    }
    (void)json_object_object_add(o, "gaps", gaps);
    mmr_cli_json_int(o, "more", c->more);
    (void)json_object_object_add(o, "not_measured", json_object_get(v->notes));
    (void)json_object_object_add(o, "running", json_object_new_boolean(v->status != NULL));
    mmr_cli_json_print(o);
}

static void show_text(const struct mmr_survey *v, bool is_net, const struct mmr_coverage *c)
{
    const struct mmr_cli_site *s = &v->site;
    (void)printf("%s %s  ", c->is_ok ? "✔" : "▲",
                 c->is_ok ? mmr_cli_word(s, "漏れなし", "ok") : mmr_cli_word(s, "漏れあり", "gap"));
    if (is_net)
        (void)printf(mmr_cli_word(s, "見ている出口 %u / %u\n", "%u of %u exits are seen\n"), c->have, c->want);
    else
        (void)printf(mmr_cli_word(s, "守られている重要な機器 %u / %u\n", "%u of %u important machines have a healthy agent\n"), c->have,
                     c->want);
    for (uint32_t i = 0; i < c->n_gaps; i++) {
        (void)fputs("  - ", stdout);
        mmr_person_text(stdout, c->gap[i].text);
        (void)fputc('\n', stdout);
    }
    if (c->more)
        (void)printf(mmr_cli_word(s, "  ほかに %u 件\n", "  and %u more\n"), c->more);
    for (size_t i = 0; i < json_object_array_length(v->notes); i++) {
        (void)fputs("  ? ", stdout);
        mmr_person_text(stdout, json_object_get_string(json_object_array_get_idx(v->notes, i)));
        (void)fputc('\n', stdout);
    }
}

static int look(struct mmr_survey *v, const char *what)
{
    mmr_autofree struct mmr_coverage *c = calloc(1, sizeof *c);
    const bool is_net = strcmp(what, "net") == 0;
    int status = mmr_survey_take(v);
    if (status != MMR_EXIT_OK)
        return status;
    if (!v->status)
        (void)fprintf(stderr, "mamori coverage: mamori is not running here, so no sensor and no agent counts; start it with 'mamori run'\n");
    if (!c || mmr_survey_coverage(v, is_net, c) != 0) {
        (void)fprintf(stderr, "mamori coverage: out of memory\n");
        return MMR_EXIT_FAILED;
    }
    if (v->site.is_json)
        show_json(v, what, c);
    else
        show_text(v, is_net, c);
    return c->is_ok ? MMR_EXIT_OK : MMR_EXIT_NO;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'}, {0}};
    struct mmr_survey v = {.site = {.command = "coverage"}};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (o) {
        case 'c': v.site.dir = optarg; break;
        case 'j': v.site.is_json = true; break;
        default: return MMR_EXIT_USAGE;
        }
    const char *what = optind < argc ? argv[optind] : "";
    if (optind + 1 != argc || (strcmp(what, "net") != 0 && strcmp(what, "ep") != 0)) {
        (void)fprintf(stderr, "mamori coverage: expected 'net' or 'ep', found '%s'; see 'mamori help coverage'\n", what);
        return MMR_EXIT_USAGE;
    }
    int status = mmr_cli_site_open(&v.site);
    if (status == MMR_EXIT_OK)
        status = look(&v, what);
    mmr_survey_done(&v);
    return status;
}

MMR_COMMAND(coverage) = {
    .name = "coverage",
    .help = "is every way out seen, has every important machine an agent?",
    .usage = "mamori coverage net|ep [--config DIR] [--json]\n"
             "\n"
             "net: each of the configured 'exits:' and its sensor: does it run, see both directions, lose packets? ep: each of the\n"
             "configured 'assets:' and each machine seen in the network that holds, or may hold, important information, and its\n"
             "agent. Status 1 with the gaps. What is not measured is named.\n",
    .run = run,
};
