/* incident_allow.c - asks the running brain; what it answers is shown as it is kept. */
#include "cli/incident_allow.h"

#include "cli/person.h"
#include "util/clock.h"

#include <getopt.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

enum { ASK_MS = 10000, DAYS = 30 };

static void show(const struct mmr_cli_site *s, struct json_object *r)
{
    static const char *const keys[] = {"rule", "source", "destination", "process", "host"};
    static const char *const ja[] = {"検知の種類", "送信元", "宛先", "プログラム", "機器"};
    char until[40];
    struct json_object *over = NULL;
    bool is_over = json_object_object_get_ex(r, "over", &over) && json_object_get_boolean(over);
    (void)printf("%s  ", mmr_cli_json_text(r, "id"));
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
        const char *v = mmr_cli_json_text(r, keys[k]);
        if (!v[0])
            continue;
        (void)printf("%s ", mmr_cli_word(s, ja[k], keys[k]));
        mmr_person_text(stdout, v);
        (void)fputs("  ", stdout);
    }
    (void)printf("\n    %s %s: ", is_over ? mmr_cli_word(s, "終了", "over since") : mmr_cli_word(s, "期限", "until"),
                 mmr_person_time(mmr_cli_json_number(r, "expires_ns"), until, sizeof until));
    mmr_person_text(stdout, mmr_cli_json_text(r, "owner"));
    (void)fputs(", ", stdout);
    mmr_person_text(stdout, mmr_cli_json_text(r, "reason"));
    (void)printf(mmr_cli_word(s, "(%lld 回)\n", " (%lld times)\n"), (long long)mmr_cli_json_number(r, "hits"));
}

static int line(void *ctx, struct json_object *o, const char *text, size_t len)
{
    const struct mmr_cli_site *s = ctx;
    static const char *const lists[] = {"allowed", "ended", "rules"};
    (void)len;
    if (s->is_json) {
        (void)puts(text);
        return 0;
    }
    for (size_t k = 0; k < 3; k++) {
        size_t n = 0;
        struct json_object *list = mmr_cli_json_list(o, lists[k], &n);
        for (size_t i = 0; i < n; i++)
            show(s, json_object_array_get_idx(list, i));
        if (list && n == 0)
            (void)puts(mmr_cli_word(s, "許可の規則はありません。", "there is no allow rule"));
    }
    return 0;
}

int mmr_cli_incident_allow(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'}, {"by", required_argument, NULL, 'b'},
        {"reason", required_argument, NULL, 'r'}, {"days", required_argument, NULL, 'd'}, {"only", required_argument, NULL, 'o'},
        {"list", no_argument, NULL, 'l'}, {"end", required_argument, NULL, 'e'}, {0}};
    struct mmr_cli_site s = {.command = "incident", .is_tolerant = true};
    const char *by = NULL, *reason = NULL, *only = "", *ended = NULL, *command = "incident.allow";
    char *rest = NULL;
    long days = DAYS;
    bool is_list = false;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (o) {
        case 'c': s.dir = optarg; break;
        case 'j': s.is_json = true; break;
        case 'b': by = optarg; break;
        case 'r': reason = optarg; break;
        case 'd': days = strtol(optarg, &rest, 10); break;
        case 'o': only = optarg; break;
        case 'l': is_list = true; break;
        case 'e': ended = optarg; break;
        default: return MMR_EXIT_USAGE;
        }
    const bool has_id = optind + 2 == argc;
    if ((rest && *rest) || is_list + (ended != NULL) + has_id != 1 || (has_id && (!by || !reason)) || (!has_id && optind + 1 != argc)) {
        (void)fprintf(stderr, "mamori incident: expected 'allow ID --by NAME --reason TEXT [--days N] [--only source|destination|rule|process]', "
                              "'allow --list' or 'allow --end ID'; see 'mamori help incident'\n");
        return MMR_EXIT_USAGE;
    }
    struct json_object *args = json_object_new_object();
    if (has_id || ended)
        mmr_cli_json_str(args, "id", ended ? ended : argv[optind + 1]);
    if (has_id) {
        mmr_cli_json_str(args, "by", by);
        mmr_cli_json_str(args, "reason", reason);
        mmr_cli_json_str(args, "only", only);
        mmr_cli_json_int(args, "days", days);
    } else {
        command = ended ? "incident.allow.end" : "incident.allow.list";
    }
    int status = mmr_cli_site_open(&s);
    if (status == MMR_EXIT_OK)
        status = mmr_cli_site_ask(&s, command, args, ASK_MS, line, &s, NULL);
    json_object_put(args);
    mmr_cli_site_done(&s);
    return status;
}
