/* cmd_status.c - `mamori status`: the light first, in words and shape, then why, then every part. */
#include "cli/person.h"
#include "cli/site.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

enum { STATUS_MS = 10000 };

struct light {
    const char *name, *ja, *en;
};
static const struct light lights[] = {
    {"green", "✔ 青  問題ありません", "✔ GREEN  all is well"},
    {"yellow", "▲ 黄  確認が必要です", "▲ YELLOW  something needs a look"},
    {"red", "■ 赤  すぐに対応が必要です", "■ RED  act now"},
    {"grey", "? 灰  状態が分かりません", "? GREY  the state is not known"},
};

static const struct light *light_of(struct json_object *o)
{
    const char *name = mmr_cli_json_text(o, "light");
    for (size_t i = 0; i < sizeof lights / sizeof lights[0]; i++)
        if (strcmp(lights[i].name, name) == 0)
            return &lights[i];
    return &lights[3]; /* what is not understood is not known */
}

static struct json_object *child(struct json_object *o, const char *key)
{
    struct json_object *v = NULL;
    return o && json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_object) ? v : NULL;
}

static bool is_true(struct json_object *o, const char *key)
{
    struct json_object *v = NULL;
    return o && json_object_object_get_ex(o, key, &v) && json_object_get_boolean(v);
}

static void column(const char *text, size_t columns)
{
    mmr_person_column(stdout, text, columns);
    (void)fputc(' ', stdout);
}

static void number(struct json_object *o, const char *key, size_t columns)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%lld", (long long)mmr_cli_json_number(o, key));
    column(text, columns);
}

static void show_instance(struct json_object *i)
{
    (void)fputs("    ", stdout);
    column(mmr_cli_json_text(i, "name"), 18);
    column(mmr_cli_json_text(i, "plugin"), 28);
    column(mmr_cli_json_text(i, "version"), 9);
    column(mmr_cli_json_text(i, "side"), 9);
    number(i, "events", 10);
    number(i, "dropped", 8);
    number(i, "refused", 8);
    number(i, "receipts", 9);
    (void)fputc('\n', stdout);
}

/* What confines a plugin host, in one line; a gap is said with its reason. */
static void show_sandbox(const struct mmr_cli_site *s, struct json_object *status, struct json_object *host)
{
    struct json_object *box = child(host, "sandbox");
    if (!box)
        return;
    const bool has_user = !*mmr_cli_json_text(status, "no_users"), has_ceiling = is_true(box, "memory_ceiling");
    (void)fputs(mmr_cli_word(s, "    囲い: ", "    confined: "), stdout);
    if (has_user)
        (void)printf(mmr_cli_word(s, "専用ユーザー %lld", "user %lld of its own"), (long long)mmr_cli_json_number(box, "user"));
    else
        mmr_person_text(stdout, mmr_cli_json_text(status, "no_users"));
    (void)fputs("; ", stdout);
    if (mmr_cli_json_number(box, "landlock"))
        (void)printf("Landlock %lld", (long long)mmr_cli_json_number(box, "landlock"));
    else
        mmr_person_text(stdout, mmr_cli_json_text(box, "no_landlock"));
    (void)fputs("; ", stdout);
    if (has_ceiling)
        (void)fputs(mmr_cli_word(s, "メモリー上限 (カーネル)", "memory held by the kernel"), stdout);
    else
        mmr_person_text(stdout, mmr_cli_json_text(status, "no_ceiling"));
    (void)fputc('\n', stdout);
}

static void show_host(const struct mmr_cli_site *s, struct json_object *status, struct json_object *h, bool *is_first)
{
    static const struct {
        const char *name, *ja, *en;
    } states[] = {{"running", "✔ 動作中", "✔ running"},       {"starting", "… 起動中", "… starting"},
                  {"stopping", "… 停止中", "… stopping"},     {"stopped", "- 停止", "- stopped"},
                  {"waiting", "▲ 再起動待ち", "▲ restarting"}, {"quarantined", "■ 隔離", "■ quarantined"}};
    const char *state = mmr_cli_json_text(h, "state"), *word = state;
    char text[64];
    size_t n;
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        if (strcmp(states[i].name, state) == 0)
            word = mmr_cli_word(s, states[i].ja, states[i].en);
    (void)fputs("  ", stdout);
    column(mmr_cli_json_text(h, "name"), 20);
    column(word, 15);
    if (mmr_cli_json_number(h, "pid"))
        (void)snprintf(text, sizeof text, "pid %lld", (long long)mmr_cli_json_number(h, "pid"));
    else
        (void)snprintf(text, sizeof text, "-");
    column(text, 12);
    column(mmr_person_bytes(mmr_cli_json_number(h, "rss_bytes"), text, sizeof text), 11);
    (void)printf(mmr_cli_word(s, "再起動 %lld 回\n", "%lld restarts\n"), (long long)mmr_cli_json_number(h, "restarts"));
    show_sandbox(s, status, h);
    struct json_object *end = child(h, "last_end");
    if (end && *mmr_cli_json_text(end, "text")) {
        (void)fputs("    ", stdout);
        mmr_person_text(stdout, mmr_cli_json_text(end, "at"));
        (void)fputs("  ", stdout);
        mmr_person_text(stdout, mmr_cli_json_text(end, "text"));
        (void)fputc('\n', stdout);
    }
    struct json_object *list = mmr_cli_json_list(h, "instances", &n);
    for (size_t i = 0; i < n && *is_first; *is_first = false, i++) { /* what the columns are, once */
        static const struct {
            const char *ja, *en;
            size_t columns;
        } heads[] = {{"部品", "part", 18}, {"プラグイン", "plugin", 28}, {"版", "version", 9}, {"側", "side", 9},
                     {"イベント", "events", 10}, {"欠落", "dropped", 8}, {"拒否", "refused", 8}, {"受領", "receipts", 9}};
        (void)fputs("    ", stdout);
        for (size_t k = 0; k < sizeof heads / sizeof heads[0]; k++)
            column(mmr_cli_word(s, heads[k].ja, heads[k].en), heads[k].columns);
        (void)fputc('\n', stdout);
    }
    for (size_t i = 0; i < n; i++)
        show_instance(json_object_array_get_idx(list, i));
}

static void show_trust(const struct mmr_cli_site *s, struct json_object *o)
{
    size_t n;
    struct json_object *list = mmr_cli_json_list(o, "refused", &n), *trust = child(o, "trust");
    for (size_t i = 0; i < n; i++) {
        struct json_object *x = json_object_array_get_idx(list, i);
        (void)fputs("  ", stdout);
        column(mmr_cli_json_text(x, "instance"), 20);
        column(mmr_cli_word(s, "■ 拒否", "■ refused"), 15);
        mmr_person_text(stdout, mmr_cli_json_text(x, "text"));
        (void)fputc('\n', stdout);
    }
    if (trust)
        (void)printf("%s  %.16s… (%s)\n", mmr_cli_word(s, "ツール構成", "toolset"), mmr_cli_json_text(trust, "toolset_hash"),
                     mmr_cli_json_text(trust, "toolset_of"));
}

static void show_nodes(const struct mmr_cli_site *s, struct json_object *brain)
{
    size_t n;
    struct json_object *list = mmr_cli_json_list(brain, "nodes", &n);
    if (n == 0)
        return;
    (void)printf("\n%s\n", mmr_cli_word(s, "端末", "nodes"));
    for (size_t i = 0; i < n; i++) {
        struct json_object *x = json_object_array_get_idx(list, i);
        (void)fputs("  ", stdout);
        column(mmr_cli_json_text(x, "name"), 20);
        column(is_true(x, "up") ? mmr_cli_word(s, "✔ 接続中", "✔ connected") : mmr_cli_word(s, "▲ 応答なし", "▲ no answer"), 15);
        column(mmr_cli_json_text(x, "hostname"), 20);
        mmr_person_text(stdout, mmr_cli_json_text(x, "instances"));
        (void)fputc('\n', stdout);
    }
}

/* Urgent messages nobody confirmed, and whether anybody can be told at all. */
static void show_notices(const struct mmr_cli_site *s, struct json_object *notices)
{
    size_t n;
    if (!notices)
        return;
    if (!is_true(notices, "configured")) {
        (void)puts(mmr_cli_word(s, "お知らせ先  登録がありません。'60-notify.yaml' に書くと、重大なときに連絡します",
                                "notices    nobody is named; with contacts in '60-notify.yaml' people are told when it is severe"));
        return;
    }
    if (*mmr_cli_json_text(notices, "problem")) {
        (void)fputs(mmr_cli_word(s, "▲ お知らせ先: ", "▲ notices: "), stdout);
        mmr_person_text(stdout, mmr_cli_json_text(notices, "problem"));
        (void)fputc('\n', stdout);
    }
    struct json_object *open = mmr_cli_json_list(notices, "open", &n);
    for (size_t i = 0; i < n; i++) {
        struct json_object *x = json_object_array_get_idx(open, i), *reached = NULL;
        (void)printf(mmr_cli_word(s, "■ 急ぎのお知らせ %s  %lld分前から  ", "■ urgent message %s  for %lld min  "), mmr_cli_json_text(x, "incident"),
                     (long long)mmr_cli_json_number(x, "age_min"));
        if (json_object_object_get_ex(x, "reached_min", &reached))
            (void)printf(mmr_cli_word(s, "%lld分で届きました。まだ確認されていません", "arrived after %lld min, nobody confirmed yet"), (long long)json_object_get_int64(reached));
        else
            (void)fputs(mmr_cli_word(s, "まだ届いたことを確かめられていません", "not known to have arrived"), stdout);
        (void)fputs("\n    ", stdout);
        for (const char *line = mmr_cli_json_text(x, "text"); *line;) {
            char one[512];
            size_t len = strcspn(line, "\n");
            (void)snprintf(one, sizeof one, "%.*s", (int)(len < sizeof one ? len : sizeof one - 1), line);
            mmr_person_text(stdout, one);
            line += len + (line[len] == '\n');
            (void)fputs(*line ? "\n    " : "\n", stdout);
        }
    }
}

static void show_brain(const struct mmr_cli_site *s, struct json_object *brain)
{
    struct json_object *outbox = child(brain, "outbox");
    if (!brain) {
        (void)printf("\n%s\n", mmr_cli_word(s, "インシデントの状態は分かりません(中枢が応答しません)",
                                            "incidents: not known, the brain does not answer"));
        return;
    }
    (void)printf(mmr_cli_word(s, "\nインシデント  継続中 %lld  重大 %lld  判定中 %lld\n", "\nincidents  open %lld  severe %lld  pending %lld\n"),
                 (long long)mmr_cli_json_number(brain, "incidents_open"), (long long)mmr_cli_json_number(brain, "incidents_severe"),
                 (long long)mmr_cli_json_number(brain, "incidents_pending"));
    (void)printf(mmr_cli_word(s, "イベント  受付 %lld  拒否 %lld  検知 %lld\n", "events     taken %lld  refused %lld  findings %lld\n"),
                 (long long)mmr_cli_json_number(brain, "events"), (long long)mmr_cli_json_number(brain, "refused"),
                 (long long)mmr_cli_json_number(brain, "findings"));
    if (!is_true(brain, "store_ok")) {
        (void)fputs(mmr_cli_word(s, "■ 記録を書き込めません: ", "■ the store cannot be written: "), stdout);
        mmr_person_text(stdout, mmr_cli_json_text(brain, "store_error"));
        (void)fputc('\n', stdout);
    }
    if (outbox && json_object_object_length(outbox)) {
        (void)fputs(mmr_cli_word(s, "送信待ち", "waiting to be sent"), stdout);
        json_object_object_foreach(outbox, name, waiting)
        {
            (void)fputs("  ", stdout);
            mmr_person_text(stdout, name);
            (void)printf(" %lld", (long long)json_object_get_int64(waiting));
        }
        (void)fputc('\n', stdout);
    }
    struct json_object *upstream = child(brain, "upstream");
    if (upstream)
        (void)printf(is_true(upstream, "up") ? mmr_cli_word(s, "事業者の収集サーバー  接続中 %lld秒\n", "provider's collector  connected for %lld s\n")
                                             : mmr_cli_word(s, "■ 事業者の収集サーバーに接続できていません  %lld秒\n", "■ provider's collector  not connected for %lld s\n"),
                     (long long)mmr_cli_json_number(upstream, "for_s"));
    show_notices(s, child(brain, "notices"));
    show_nodes(s, brain);
}

static void show(const struct mmr_cli_site *s, struct json_object *o)
{
    const struct light *l = light_of(o);
    char up[32];
    size_t n;
    bool is_first = true;
    (void)printf("%s\n", mmr_cli_word(s, l->ja, l->en));
    struct json_object *why = mmr_cli_json_list(o, "why", &n);
    for (size_t i = 0; i < n; i++) {
        (void)fputs("  - ", stdout);
        mmr_person_text(stdout, json_object_get_string(json_object_array_get_idx(why, i)));
        (void)fputc('\n', stdout);
    }
    (void)fputc('\n', stdout);
    mmr_person_text(stdout, mmr_cli_json_text(o, "node"));
    (void)printf(" (%s, %s)  mamori %s  ", mmr_cli_json_text(o, "role"), mmr_cli_json_text(o, "profile"), mmr_cli_json_text(o, "version"));
    (void)printf(mmr_cli_word(s, "起動から %s\n", "up %s\n"), mmr_person_span(mmr_cli_json_number(o, "uptime_s"), up, sizeof up));
    bool is_auto = strcmp(mmr_cli_json_text(o, "mode"), "auto") == 0;
    (void)puts(is_auto ? mmr_cli_word(s, "防御  自動(同意済みのもの)", "defence: automatic, what was agreed to")
                       : mmr_cli_word(s, "防御  練習のみ(何も止めません)。始めるには 'mamori agree'",
                                      "defence: dry run, nothing is blocked; 'mamori agree' starts it"));
    struct json_object *hosts = mmr_cli_json_list(o, "hosts", &n);
    (void)printf("\n%s\n", mmr_cli_word(s, "プロセス", "processes"));
    for (size_t i = 0; i < n; i++)
        show_host(s, o, json_object_array_get_idx(hosts, i), &is_first);
    show_trust(s, o);
    if (strcmp(mmr_cli_json_text(o, "role"), "endpoint") != 0)
        show_brain(s, child(o, "brain"));
}

static int on_line(void *ctx, struct json_object *o, const char *text, size_t len)
{
    const struct mmr_cli_site *s = ctx;
    (void)len;
    if (s->is_json)
        (void)puts(text);
    else
        show(s, o);
    return 0;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'}, {0}};
    struct mmr_cli_site s = {.command = "status", .is_tolerant = true};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (o) {
        case 'c': s.dir = optarg; break;
        case 'j': s.is_json = true; break;
        default: return MMR_EXIT_USAGE;
        }
    if (optind != argc) {
        (void)fprintf(stderr, "mamori status: unexpected '%s'; see 'mamori help status'\n", argv[optind]);
        return MMR_EXIT_USAGE;
    }
    int status = mmr_cli_site_open(&s);
    if (status == MMR_EXIT_OK)
        status = mmr_cli_site_ask(&s, "status", NULL, STATUS_MS, on_line, &s, NULL);
    mmr_cli_site_done(&s);
    return status;
}

MMR_COMMAND(status) = {
    .name = "status",
    .help = "the light, and every part that runs",
    .usage = "mamori status [--config DIR] [--json]\n"
             "\n"
             "green: all is well; yellow: something needs a look; red: act now; grey: it cannot be known. Status 3 when\n"
             "nothing runs here. --json: one object.\n",
    .run = run,
};
