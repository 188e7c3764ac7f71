/* cmd_report.c - `mamori report week`: a weekly report as it was or will be sent, made from the evidence log and the store. */
#include "brain/notices.h"
#include "cli/person.h"
#include "cli/site.h"
#include "notify/report.h"
#include "plugin/builtin.h"
#include "plugin/instances.h"
#include "plugin/load.h"
#include "util/clock.h"
#include "util/scope.h"

#include <mamori/render.h>

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define RENDERER "org.mamori.report"

enum what { AS_TEXT, AS_JSON, AS_HTML };

/* The page, by the plugin that makes it: its own text for a terminal, HTML for a browser. */
static int render(const struct mmr_cli_site *s, struct json_object *data, enum what what)
{
    const char *dirs[8], *json = json_object_to_json_string_ext(data, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    char texts[8192];
    char *html = NULL, *text = NULL;
    const struct mmr_plugin *p = mmr_plugin_builtin(mmr_builtin_plugins, RENDERER);
    struct mmr_error err = {.struct_size = sizeof err};
    size_t n = mmr_plugin_dirs(s->config, texts, sizeof texts, dirs, 8);
    int r = p ? 0 : MMR_ENOENT;
    for (size_t i = 0; i < n && r; i++)
        r = mmr_plugin_get(mmr_builtin_plugins, dirs[i], RENDERER, NULL, &p, &err);
    const struct mmr_render_ops *ops = !r && p->extension ? p->extension(MMR_RENDER_ID) : NULL;
    if (!r && !(ops && MMR_HAS(ops, render)))
        r = mmr_fail(&err, MMR_EUNSUPPORTED, "plugin '%s' renders nothing", RENDERER);
    if (!r)
        r = ops->render(json, strlen(json), what == AS_HTML ? &html : NULL, what == AS_HTML ? NULL : &text, &err);
    if (r)
        (void)fprintf(stderr, "mamori report: %s\n", err.text);
    else if (what == AS_HTML)
        (void)fputs(html, stdout);
    else
        for (const char *line = text; *line;) { /* texts of incidents: nothing may move the cursor */
            size_t len = strcspn(line, "\n");
            mmr_autofree char *one = strndup(line, len);
            mmr_person_text(stdout, one);
            (void)fputc('\n', stdout);
            line += len + (line[len] == '\n');
        }
    free(html);
    free(text);
    return r ? MMR_EXIT_FAILED : MMR_EXIT_OK;
}

static int give(const struct mmr_cli_site *s, struct mmr_db *db, const struct mmr_week_log *l, uint32_t number, enum what what)
{
    struct mmr_outlet_config c;
    struct mmr_error err = {.struct_size = sizeof err};
    struct json_object *data = NULL;
    int r = mmr_notices_config(s->config, &c, &err);
    if (!r) {
        (void)snprintf(c.office.lang, sizeof c.office.lang, "%s", s->is_ja ? "ja" : "en");
        r = mmr_report_data(db, l, number, &c.office, mmr_clock_wall_ns(), &data, &err);
    }
    if (r) {
        (void)fprintf(stderr, "mamori report: %s\n", err.text);
        return r == MMR_ENOENT ? MMR_EXIT_NO : MMR_EXIT_FAILED;
    }
    if (what == AS_JSON) {
        mmr_cli_json_print(data);
        return MMR_EXIT_OK;
    }
    int status = render(s, data, what);
    json_object_put(data);
    return status;
}

static int show(const struct mmr_cli_site *s, struct mmr_db *db, uint32_t number, enum what what)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_week_log *l = NULL;
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
    } else {
        status = give(s, db, l, number ? number : w->issued, what);
    }
    mmr_week_log_free(l);
    return status;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'}, {"html", no_argument, NULL, 'h'}, {0}};
    struct mmr_cli_site s = {.command = "report", .is_tolerant = true};
    struct mmr_db *db = NULL;
    char *end = NULL;
    unsigned long number = 0;
    bool is_html = false;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (o) {
        case 'c': s.dir = optarg; break;
        case 'j': s.is_json = true; break;
        case 'h': is_html = true; break;
        default: return MMR_EXIT_USAGE;
        }
    bool is_good = optind < argc && strcmp(argv[optind], "week") == 0 && argc - optind <= 2;
    if (is_good && argc - optind == 2) {
        number = strtoul(argv[optind + 1], &end, 10);
        is_good = number > 0 && number < 100000 && end != argv[optind + 1] && !*end;
    }
    if (!is_good) {
        (void)fprintf(stderr, "mamori report: expected 'week' and perhaps a number from 1 on, found %s%s%s\n", argc > optind ? "'" : "",
                      argc > optind ? argv[argc - 1] : "nothing", argc > optind ? "'" : "");
        return MMR_EXIT_USAGE;
    }
    int status = mmr_cli_site_open(&s);
    if (status == MMR_EXIT_OK)
        status = mmr_cli_site_store(&s, false, &db);
    if (status == MMR_EXIT_OK)
        status = show(&s, db, (uint32_t)number, is_html ? AS_HTML : s.is_json ? AS_JSON : AS_TEXT);
    mmr_db_close(db);
    mmr_cli_site_done(&s);
    return status;
}

MMR_COMMAND(report) = {
    .name = "report",
    .help = "the weekly report: what happened, for people",
    .usage = "mamori report week [NUMBER] [--config DIR] [--html | --json]\n"
             "\n"
             "The report of a week that is over (the last one, or that NUMBER), in words; --html: the page as it is mailed;\n"
             "--json: as data, with the id of each incident. Each incident is in exactly one report, that of the week in which\n"
             "it was classed. Weeks begin on Monday. The running mamori sends it to user contacts with a mail address\n"
             "(notify.weekly). Exit status 1: that week has no report yet.\n",
    .run = run,
};
