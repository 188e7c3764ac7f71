/* cmd_report.c - `mamori report week`: which incidents are in which weekly report, read from the evidence log. */
#include "cli/person.h"
#include "cli/site.h"
#include "notify/week_log.h"
#include "util/clock.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void show_json(const struct mmr_week_log *l, const struct mmr_week_report *r)
{
    struct json_object *o = json_object_new_object(), *ids = json_object_new_array();
    mmr_cli_json_int(o, "number", r->number);
    mmr_cli_json_time(o, "from", r->from_ns);
    mmr_cli_json_time(o, "to", r->to_ns);
    mmr_cli_json_int(o, "severe", r->severe);
    mmr_cli_json_int(o, "defended", r->defended);
    mmr_cli_json_int(o, "no_response_needed", r->no_response);
    (void)json_object_object_add(o, "watch_percent", NULL); /* gaps are not in the log */
    for (uint32_t i = 0; i < r->n_ids; i++)
        (void)json_object_array_add(ids, json_object_new_string(mmr_week_log_uid(l, r->ids[i])));
    (void)json_object_object_add(o, "incident_ids", ids);
    mmr_cli_json_print(o);
}

static void show_text(const struct mmr_cli_site *s, const struct mmr_week_log *l, const struct mmr_week_report *r)
{
    char from[40], to[40];
    (void)printf(mmr_cli_word(s, "第%u週 %s から %s まで\n", "week %u, %s to %s\n"), r->number, mmr_person_time(r->from_ns, from, sizeof from),
                 mmr_person_time(r->to_ns, to, sizeof to));
    (void)printf(mmr_cli_word(s, "重大 %u件、防御済み %u件、対応不要 %u件\n", "%u severe, %u defended, %u without need of a response\n"), r->severe,
                 r->defended, r->no_response);
    for (uint32_t i = 0; i < r->n_ids; i++)
        (void)printf("%s\n", mmr_week_log_uid(l, r->ids[i]));
}

static int show(const struct mmr_cli_site *s, struct mmr_db *db, uint32_t number)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_week_log *l = NULL;
    struct mmr_week_report r;
    char due[40];
    int64_t now = mmr_clock_wall_ns();
    int status = MMR_EXIT_OK;
    if (mmr_week_log_read(db, now, &l, &err) != 0) {
        (void)fprintf(stderr, "mamori report: %s\n", err.text);
        return MMR_EXIT_FAILED;
    }
    const struct mmr_week *w = l ? mmr_week_log_week(l) : NULL;
    if (l && mmr_week_log_unreadable(l))
        (void)fprintf(stderr, "mamori report: %" PRIu64 " records of the evidence log cannot be read; see 'mamori evidence verify'\n", mmr_week_log_unreadable(l));
    if (!w || (!number && !w->issued)) {
        (void)fprintf(stderr, mmr_cli_word(s, "mamori report: 終わった週はまだありません。最初の週報: %s\n", "mamori report: no week is over yet; the first report is due %s\n"),
                      w ? mmr_person_time(mmr_week_due(w), due, sizeof due) : "-");
        status = MMR_EXIT_NO;
    } else if (mmr_week_report(w, number ? number : w->issued, now, &r, &err) != 0) {
        (void)fprintf(stderr, "mamori report: %s\n", err.text);
        status = MMR_EXIT_NO;
    } else {
        if (s->is_json)
            show_json(l, &r);
        else
            show_text(s, l, &r);
        free(r.ids);
    }
    mmr_week_log_free(l);
    return status;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'}, {0}};
    struct mmr_cli_site s = {.command = "report", .is_tolerant = true};
    struct mmr_db *db = NULL;
    char *end = NULL;
    unsigned long number = 0;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (o) {
        case 'c': s.dir = optarg; break;
        case 'j': s.is_json = true; break;
        default: return MMR_EXIT_USAGE;
        }
    bool is_good = optind < argc && strcmp(argv[optind], "week") == 0 && argc - optind <= 2;
    if (is_good && argc - optind == 2) {
        number = strtoul(argv[optind + 1], &end, 10);
        is_good = number > 0 && number < 100000 && end != argv[optind + 1] && !*end;
    }
    if (!is_good) {
        (void)fprintf(stderr, "mamori report: expected 'week' and perhaps a number from 1 on, found '%s'\n", argc > optind ? argv[argc - 1] : "nothing");
        return MMR_EXIT_USAGE;
    }
    int status = mmr_cli_site_open(&s);
    if (status == MMR_EXIT_OK)
        status = mmr_cli_site_store(&s, false, &db);
    if (status == MMR_EXIT_OK)
        status = show(&s, db, (uint32_t)number);
    mmr_db_close(db);
    mmr_cli_site_done(&s);
    return status;
}

MMR_COMMAND(report) = {
    .name = "report",
    .help = "which incidents are in which weekly report",
    .usage = "mamori report week [NUMBER] [--config DIR] [--json]\n"
             "\n"
             "The report of a week that is over (the last one, or that NUMBER): each incident is in exactly one, that of\n"
             "the week in which it was classed. Weeks begin on Monday. The share of watched time is not recorded yet\n"
             "(watch_percent is null), and reports are not sent. Exit status 1: that week has no report yet.\n",
    .run = run,
};
