/* cmd_visit.c - `mamori visit`: a technician's visits, put on record by who manages them; how many free ones are left. */
#include "cli/person.h"
#include "cli/site.h"
#include "store/evidence.h"
#include "util/clock.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { ASK_MS = 10000 };

struct visit {
    struct mmr_cli_site site;
    const char *value[7]; /* kind, mode, paid_by, by, place, incident, technician */
    const char *on;
};
static const char *const names[] = {"kind", "mode", "paid_by", "by", "place", "incident", "technician"};

static int show(const struct mmr_cli_site *s, struct json_object *d)
{
    char at[40];
    struct json_object *v = NULL;
    bool is_free = json_object_object_get_ex(d, "counts_as_free", &v) && json_object_get_boolean(v);
    (void)printf("%s  %-13s %-6s %-9s %s  ", mmr_person_time(mmr_cli_json_number(d, "arrived_ns"), at, sizeof at), mmr_cli_json_text(d, "kind"),
                 mmr_cli_json_text(d, "mode"), mmr_cli_json_text(d, "paid_by"), is_free ? mmr_cli_word(s, "無料の回数に入ります", "counts as free") : mmr_cli_word(s, "無料の回数に入りません", "does not count"));
    mmr_person_text(stdout, mmr_cli_json_text(d, "place"));
    (void)fputc('\n', stdout);
    return 0;
}

static int on_line(void *ctx, struct json_object *o, const char *text, size_t len)
{
    const struct mmr_cli_site *s = ctx;
    struct json_object *d = NULL;
    (void)len;
    if (s->is_json)
        (void)puts(text);
    else if (json_object_object_get_ex(o, "recorded", &d))
        (void)show(s, d);
    return 0;
}

/* Noon of a day by the clock on the wall; 0: no such day */
static int64_t noon_of(const char *day)
{
    struct tm tm = {.tm_hour = 12, .tm_isdst = -1};
    const char *end = strptime(day, "%Y-%m-%d", &tm);
    time_t t = end && !*end ? mktime(&tm) : -1;
    return t > 0 ? (int64_t)t * MMR_NS_PER_S : 0;
}

static int record(struct visit *v)
{
    int64_t at = v->on ? noon_of(v->on) : mmr_clock_wall_ns();
    struct json_object *a = json_object_new_object();
    if (!at || !v->value[0] || !v->value[3]) {
        (void)fputs(at ? "mamori visit: --kind and --by are needed; see 'mamori help visit'\n" : "mamori visit: --on takes a day, as in 2026-01-31\n", stderr);
        json_object_put(a);
        return MMR_EXIT_USAGE;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (v->value[i])
            mmr_cli_json_str(a, names[i], v->value[i]);
    mmr_cli_json_int(a, "at_ns", at);
    int status = mmr_cli_site_ask(&v->site, "visit.record", a, ASK_MS, on_line, &v->site, NULL);
    json_object_put(a);
    return status;
}

static int one(void *ctx, uint64_t seq, int64_t time_ns, const char *kind, const void *body, size_t len)
{
    struct json_object *list = ctx, *o;
    struct json_tokener *t;
    (void)seq;
    (void)time_ns;
    if (strcmp(kind, "dispatch") != 0 || !(t = json_tokener_new()))
        return 0;
    o = json_tokener_parse_ex(t, body, (int)len);
    json_tokener_free(t);
    if (json_object_is_type(o, json_type_object))
        (void)json_object_array_add(list, o);
    else
        json_object_put(o);
    return 0;
}

static int list(struct visit *v)
{
    struct mmr_db *db = NULL;
    struct mmr_error err = {.struct_size = sizeof err};
    struct json_object *o = json_object_new_object(), *visits = json_object_new_array();
    int status = mmr_cli_site_store(&v->site, true, &db);
    if (!status && db && mmr_evidence_each(db, 0, one, visits, &err) != 0) {
        (void)fprintf(stderr, "mamori visit: %s\n", err.text);
        status = MMR_EXIT_FAILED;
    }
    if (!status && v->site.is_json) {
        json_object_object_add(o, "visits", json_object_get(visits));
        mmr_cli_json_print(json_object_get(o));
    } else if (!status) {
        for (size_t i = 0; i < json_object_array_length(visits); i++)
            (void)show(&v->site, json_object_array_get_idx(visits, i));
        if (json_object_array_length(visits) == 0)
            (void)puts(mmr_cli_word(&v->site, "駆付けの記録はありません。", "no visit is on record"));
    }
    json_object_put(o);
    json_object_put(visits);
    mmr_db_close(db);
    return status;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'}, {"on", required_argument, NULL, 'o'},
                                            {"kind", required_argument, NULL, 0}, {"mode", required_argument, NULL, 1}, {"paid-by", required_argument, NULL, 2},
                                            {"by", required_argument, NULL, 3}, {"place", required_argument, NULL, 4}, {"incident", required_argument, NULL, 5},
                                            {"technician", required_argument, NULL, 6}, {0}};
    struct visit v = {.site = {.command = "visit"}, .value = {[1] = "onsite", [2] = "provider"}};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        if (o >= 0 && o < 7)
            v.value[o] = optarg;
        else if (o == 'c')
            v.site.dir = optarg;
        else if (o == 'j')
            v.site.is_json = true;
        else if (o == 'o')
            v.on = optarg;
        else
            return MMR_EXIT_USAGE;
    const char *what = optind + 1 == argc ? argv[optind] : "";
    if (strcmp(what, "record") != 0 && strcmp(what, "list") != 0) {
        (void)fputs("mamori visit: expected 'record' or 'list'; see 'mamori help visit'\n", stderr);
        return MMR_EXIT_USAGE;
    }
    int status = mmr_cli_site_open(&v.site);
    if (!status)
        status = strcmp(what, "record") == 0 ? record(&v) : list(&v);
    mmr_cli_site_done(&v.site);
    return status;
}

MMR_COMMAND(visit) = {
    .name = "visit",
    .help = "visits of a technician: put on record, listed",
    .usage = "mamori visit record --kind incident|initial_setup --by NAME [--mode onsite|remote] [--on YYYY-MM-DD] [--place TEXT]\n"
             "                    [--incident ID] [--technician NAME] [--paid-by provider|insurance|user] [--json]\n"
             "mamori visit list [--json]\n"
             "\n"
             "A visit for an incident that the user did not pay for counts as one of support.free_visits of the contract year\n"
             "(support.year_from); one for the set-up, and help from afar, do not. The weekly report says how many are left. What is\n"
             "on record is evidence and cannot be taken back.\n",
    .run = run,
};
