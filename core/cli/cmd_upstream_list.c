/* cmd_upstream_list.c - `mamori upstream list`: the sites of a collector, when each was heard, and what is severe there. */
#include "cli/person.h"
#include "cli/site.h"
#include "store/collected.h"
#include "upstream/collector.h"
#include "util/clock.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

enum { SEVERE_MAX = 1000 };

struct listing {
    struct mmr_cli_site site;
    struct mmr_db *db;
    struct json_object *sites;
    uint64_t silent, severe, doubts;
    int64_t silent_after_ns, now_ns;
    bool is_running;
};

static int add_site(void *ctx, const struct mmr_collected_site *s)
{
    struct listing *l = ctx;
    char tenant[MMR_COLLECTED_SITE_MAX + 1];
    const bool is_up = l->is_running && s->is_up;
    const bool is_silent = !is_up && l->now_ns - s->seen_ns >= l->silent_after_ns;
    struct json_object *o = json_object_new_object();
    mmr_cli_json_str(o, "site", s->name);
    (void)snprintf(tenant, sizeof tenant, "%.*s", (int)strcspn(s->name, "."), s->name);
    mmr_cli_json_str(o, "tenant", tenant);
    mmr_cli_json_str(o, "state", is_up ? "up" : is_silent ? "silent" : "away");
    mmr_cli_json_time(o, "seen", s->seen_ns);
    mmr_cli_json_time(o, "last_record", s->record_ns);
    mmr_cli_json_int(o, "records", (int64_t)s->records);
    mmr_cli_json_int(o, "severe_open", (int64_t)s->severe_open);
    (void)json_object_array_add(l->sites, o);
    l->silent += is_silent;
    l->severe += s->severe_open;
    return 0;
}

/* After the sites were read: a question inside a question would lose the first one's place. */
static int add_evidence(struct listing *l, struct mmr_error *err)
{
    int r = 0;
    for (size_t i = 0; i < json_object_array_length(l->sites) && !r; i++) {
        struct json_object *o = json_object_array_get_idx(l->sites, i);
        char doubt[MMR_COLLECTED_DOUBT_MAX + 1];
        uint64_t seq = 0;
        int64_t time_ns = 0;
        r = mmr_collected_evidence(l->db, mmr_cli_json_text(o, "site"), &seq, &time_ns, doubt, err);
        if (r)
            break;
        mmr_cli_json_int(o, "evidence_signed_upto", (int64_t)seq);
        mmr_cli_json_time(o, "evidence_signed_at", time_ns);
        if (doubt[0])
            mmr_cli_json_str(o, "evidence_doubt", doubt);
        l->doubts += doubt[0] != '\0';
    }
    return r;
}

static int add_severe(void *ctx, const struct mmr_collected_incident *i)
{
    struct json_object *o = json_object_new_object();
    mmr_cli_json_str(o, "site", i->site);
    mmr_cli_json_str(o, "id", i->uid);
    mmr_cli_json_str(o, "band", i->band);
    mmr_cli_json_str(o, "title", i->title);
    mmr_cli_json_time(o, "last", i->last_ns);
    return json_object_array_add(ctx, o);
}

static void print_people(const struct listing *l, struct json_object *severe)
{
    const struct mmr_cli_site *s = &l->site;
    size_t n = json_object_array_length(l->sites);
    if (!l->is_running)
        (void)puts(mmr_cli_word(s, "収集サーバーが動いていません。「mamori upstream」で動かしてください。", "The collector does not run: start it with 'mamori upstream'."));
    for (size_t i = 0; i < n; i++) {
        struct json_object *o = json_object_array_get_idx(l->sites, i);
        (void)printf("%-7s %-39s %s  ", mmr_cli_json_text(o, "state"), mmr_cli_json_text(o, "site"), mmr_cli_json_text(o, "seen"));
        (void)printf(mmr_cli_word(s, "重大 %lld 件\n", "%lld severe\n"), (long long)mmr_cli_json_number(o, "severe_open"));
        if (*mmr_cli_json_text(o, "evidence_doubt"))
            (void)printf(mmr_cli_word(s, "        証跡に矛盾があります: %s\n", "        its evidence contradicts what it signed before: %s\n"),
                         mmr_cli_json_text(o, "evidence_doubt"));
    }
    if (n == 0)
        (void)puts(mmr_cli_word(s, "まだ拠点がありません。「mamori token new --name 会社.拠点」で追加します。", "No site yet: 'mamori token new --name TENANT.SITE' makes a token for one."));
    for (size_t i = 0; i < json_object_array_length(severe); i++) {
        struct json_object *o = json_object_array_get_idx(severe, i);
        (void)printf("%s %s %s ", mmr_cli_json_text(o, "last"), mmr_cli_json_text(o, "site"), mmr_cli_json_text(o, "id"));
        mmr_person_text(stdout, mmr_cli_json_text(o, "title"));
        (void)putchar('\n');
    }
}

static int list(struct listing *l)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct json_object *severe = json_object_new_array();
    int r = mmr_collected_sites(l->db, add_site, l, &err);
    if (!r)
        r = add_evidence(l, &err);
    if (!r)
        r = mmr_collected_severe(l->db, NULL, SEVERE_MAX, add_severe, severe, &err);
    if (r) {
        (void)fprintf(stderr, "mamori upstream list: %s; is this a collector's folder?\n", err.text);
        json_object_put(severe);
        return MMR_EXIT_FAILED;
    }
    if (l->site.is_json) {
        struct json_object *o = json_object_new_object();
        json_object_object_add(o, "running", json_object_new_boolean(l->is_running));
        json_object_object_add(o, "sites", json_object_get(l->sites));
        json_object_object_add(o, "severe", severe);
        mmr_cli_json_print(o);
    } else {
        print_people(l, severe);
        json_object_put(severe);
    }
    return !l->is_running || l->silent || l->severe || l->doubts ? MMR_EXIT_NO : MMR_EXIT_OK;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'}, {0}};
    struct listing l = {.site = {.command = "upstream list"}, .now_ns = mmr_clock_wall_ns()};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (o) {
        case 'c': l.site.dir = optarg; break;
        case 'j': l.site.is_json = true; break;
        default: return MMR_EXIT_USAGE;
        }
    if (optind < argc) {
        (void)fprintf(stderr, "mamori upstream list: unexpected '%s'; see 'mamori help upstream list'\n", argv[optind]);
        return MMR_EXIT_USAGE;
    }
    int status = mmr_cli_site_open(&l.site);
    if (!status)
        status = mmr_cli_site_store(&l.site, false, &l.db);
    if (!status) {
        l.silent_after_ns = mmr_config_int(l.site.config, "collector.silent_after") * MMR_NS_PER_MS;
        l.is_running = mmr_collector_is_running(l.site.state_dir);
        l.sites = json_object_new_array();
        status = list(&l);
        json_object_put(l.sites);
    }
    mmr_db_close(l.db);
    mmr_cli_site_done(&l.site);
    return status;
}

MMR_COMMAND(upstream_list) = {
    .name = "upstream list",
    .help = "at the collector: its sites, who is silent, what is severe",
    .usage = "mamori upstream list [--config DIR] [--json]\n"
             "\n"
             "Each site with its state (up; away: not connected; silent: not heard for collector.silent_after), when it was last heard,\n"
             "and how many incidents are severe and open there; then those incidents, newest first.\n"
             "Status 1: a site is silent, something severe is open, a site's evidence contradicts what it signed before, or the collector does not run.\n"
             "--json: {\"running\":...,\"sites\":[{\"site\",\"tenant\",\"state\",\"seen\",\"last_record\",\"records\",\"severe_open\",\n"
             "\"evidence_signed_upto\",\"evidence_signed_at\",\"evidence_doubt\"}],\n"
             "\"severe\":[{\"site\",\"id\",\"band\",\"title\",\"last\"}]}\n",
    .run = run,
};
