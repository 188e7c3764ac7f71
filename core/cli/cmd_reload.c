/* cmd_reload.c - `mamori reload`: the running mamori reads its configuration again, all of it or nothing. */
#include "cli/person.h"
#include "cli/site.h"

#include <getopt.h>
#include <stdio.h>

enum { RELOAD_MS = 60000 };

static void list(struct json_object *o, const char *key, const char *mark, FILE *to)
{
    size_t n;
    struct json_object *v = mmr_cli_json_list(o, key, &n);
    for (size_t i = 0; i < n; i++) {
        (void)fprintf(to, "  %s ", mark);
        mmr_person_text(to, json_object_get_string(json_object_array_get_idx(v, i)));
        (void)fputc('\n', to);
    }
}

static int on_line(void *ctx, struct json_object *o, const char *text, size_t len)
{
    const struct mmr_cli_site *s = ctx;
    struct json_object *applied = NULL;
    (void)len;
    if (s->is_json) {
        (void)puts(text);
    } else if (json_object_object_get_ex(o, "applied", &applied) && json_object_get_boolean(applied)) {
        (void)puts(mmr_cli_word(s, "設定を読み直しました。", "the configuration was read again and is in force"));
        list(o, "changes", "-", stdout);
    } else if (applied) {
        (void)fprintf(stderr, "%s\n", mmr_cli_word(s, "設定に誤りがあります。いままでの設定で動き続けます。",
                                              "the configuration is wrong; the one from before stays in force"));
        list(o, "errors", "-", stderr);
    }
    return 0;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'}, {0}};
    struct mmr_cli_site s = {.command = "reload", .is_tolerant = true};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (o) {
        case 'c': s.dir = optarg; break;
        case 'j': s.is_json = true; break;
        default: return MMR_EXIT_USAGE;
        }
    if (optind != argc) {
        (void)fprintf(stderr, "mamori reload: unexpected '%s'; see 'mamori help reload'\n", argv[optind]);
        return MMR_EXIT_USAGE;
    }
    int status = mmr_cli_site_open(&s);
    if (status == MMR_EXIT_OK)
        status = mmr_cli_site_ask(&s, "reload", NULL, RELOAD_MS, on_line, &s, NULL);
    mmr_cli_site_done(&s);
    return status;
}

MMR_COMMAND(reload) = {
    .name = "reload",
    .help = "the running mamori reads its configuration again",
    .usage = "mamori reload [--config DIR] [--json]\n"
             "\n"
             "Checks the whole configuration first. What is wrong is said with its place, and the configuration from\n"
             "before stays in force (status 1). --json: {\"applied\":true|false,\"changes\":[...],\"errors\":[...]}\n",
    .run = run,
};
