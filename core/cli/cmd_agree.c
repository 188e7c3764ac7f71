/*
 * cmd_agree.c - `mamori agree`: a named person agrees to what may be done by itself. It is written into the site's
 * folder as 90-agreed.yaml, with who, when and what was shown; `--withdraw` goes back to the dry run.
 */
#include "cli/drop_in.h"
#include "cli/person.h"
#include "cli/site.h"
#include "model/action.h"
#include "util/clock.h"
#include "util/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AGREED_FILE "90-agreed.yaml"

enum { RELOAD_MS = 60000, BY_MAX = 120 };

struct explained {
    enum mmr_verb verb;
    bool is_usual; /* agreed to when no --verbs are given: undone by itself or by one command, and narrow */
    const char *ja, *en;
};
static const struct explained verbs[] = {
    {MMR_VERB_BLOCK_ADDR, true, "攻撃元や不正な通信先のアドレスとの通信を、期限つきで止めます",
     "stops traffic with an attacker's or a command server's address, for a limited time"},
    {MMR_VERB_CUT_FLOW, true, "攻撃に使われている接続を切ります", "cuts a connection that an attack uses"},
    {MMR_VERB_BLOCK_NAME, true, "不正なサイトの名前を引けなくします", "stops the name of a bad site from being looked up"},
    {MMR_VERB_KILL_PROCESS, true, "攻撃に使われているプログラムを終了します(保存していない作業は失われることがあります)",
     "ends a program that an attack uses (its unsaved work may be lost)"},
    {MMR_VERB_FREEZE_PROCESS, true, "疑わしいプログラムを一時停止します", "pauses a suspicious program"},
    {MMR_VERB_DENY_EXEC, true, "不正なプログラムが起動できないようにします", "keeps a bad program from being started"},
    {MMR_VERB_QUARANTINE_FILE, true, "不正なファイルを隔離します(元に戻せます)", "puts a bad file into quarantine (it can be put back)"},
    {MMR_VERB_REMOVE_AUTOSTART, true, "攻撃者が仕込んだ自動起動を外します(元に戻せます)",
     "removes an autostart entry that an attacker placed (it can be put back)"},
    {MMR_VERB_ISOLATE_HOST, false, "感染した機器をネットワークから切り離します(その機器は通信できなくなります)",
     "cuts an infected machine off the network (it cannot communicate any more)"},
    {MMR_VERB_LOCK_ACCOUNT, false, "乗っ取られたアカウントを使えなくします(本人も入れなくなります)",
     "locks an account that was taken over (its owner cannot log in either)"},
};
enum { VERBS = sizeof verbs / sizeof verbs[0] };

struct agree {
    struct mmr_cli_site site;
    bool is_withdrawal, is_yes;
    const char *list, *by;
    bool is_chosen[VERBS];
    char at[40];
    char by_text[BY_MAX + 1];
};

static int choose(struct agree *a)
{
    bool is_all = a->list && strcmp(a->list, "all") == 0;
    size_t n = 0;
    for (size_t i = 0; i < VERBS; i++)
        a->is_chosen[i] = !a->is_withdrawal && (is_all || (!a->list && verbs[i].is_usual));
    for (const char *p = a->list; p && !is_all && *p; p += *p == ',') {
        size_t len = strcspn(p, ","), k = 0;
        enum mmr_verb v = MMR_VERB_NONE;
        bool is_known = mmr_verb_parse(p, len, &v);
        while (k < VERBS && verbs[k].verb != v)
            k++;
        if (!is_known || k == VERBS) {
            (void)fprintf(stderr, "mamori agree: --verbs: '%.*s' is nothing that can be agreed to; expected 'all', or of:", (int)len, p);
            for (size_t i = 0; i < VERBS; i++)
                (void)fprintf(stderr, " %s", mmr_verb_name(verbs[i].verb));
            (void)fputc('\n', stderr);
            return MMR_EXIT_USAGE;
        }
        a->is_chosen[k] = true;
        p += len;
    }
    for (size_t i = 0; i < VERBS; i++)
        n += a->is_chosen[i];
    if (n || a->is_withdrawal)
        return MMR_EXIT_OK;
    (void)fprintf(stderr, "mamori agree: --verbs is empty; to take the agreement back, use --withdraw\n");
    return MMR_EXIT_USAGE;
}

static int name_person(struct agree *a)
{
    const char *sudo = getenv("SUDO_USER");
    const struct passwd *pw = getpwuid(getuid());
    const char *by = a->by ? a->by : sudo && *sudo ? sudo : pw ? pw->pw_name : "";
    size_t len = strlen(by);
    bool is_plain = len > 0 && len <= BY_MAX;
    for (size_t i = 0; i < len && is_plain; i++)
        is_plain = (unsigned char)by[i] >= 0x20 && by[i] != 0x7f;
    if (!is_plain) {
        (void)fprintf(stderr, "mamori agree: --by needs the name of the person who agrees, one line of at most %d bytes\n", BY_MAX);
        return MMR_EXIT_USAGE;
    }
    memcpy(a->by_text, by, len + 1);
    mmr_time_format(mmr_clock_wall_ns(), a->at, sizeof a->at);
    return MMR_EXIT_OK;
}

/* ---- what is shown ---- */

static void explain(FILE *to, const struct agree *a, const char *mark)
{
    const struct mmr_cli_site *s = &a->site;
    if (a->is_withdrawal) {
        (void)fprintf(to, "%s%s\n", mark, mmr_cli_word(s, "自動の防御をやめ、練習に戻します。何も止めず、止めるはずだったことだけを記録します。",
                                                      "Automatic defence ends: nothing is stopped any more, only what would have been stopped is recorded."));
        (void)fprintf(to, "%s%s\n", mark, mmr_cli_word(s, "すでに行った遮断は期限まで残ります('mamori block undo-all' ですぐに解けます)。",
                                                      "Blocks that are in force stay until their time is over ('mamori block undo-all' takes them back now)."));
        return;
    }
    (void)fprintf(to, "%s%s\n", mark, mmr_cli_word(s, "攻撃を見つけたとき、次のことを人に聞かずに行います。",
                                                  "When an attack is found, this will be done without asking anybody:"));
    for (size_t i = 0; i < VERBS; i++)
        if (a->is_chosen[i])
            (void)fprintf(to, "%s  - %s (%s)\n", mark, mmr_cli_word(s, verbs[i].ja, verbs[i].en), mmr_verb_name(verbs[i].verb));
    (void)fprintf(to, "%s%s\n", mark, mmr_cli_word(s, "しないこと: ルーター・DNS・この機器と、止めないと決めた相手(defence.never_block)は遮断しません。",
                                                  "Never: routers, name servers, this machine, and what defence.never_block names are not blocked."));
    (void)fprintf(to, "%s%s\n", mark, mmr_cli_word(s, "いつでも 'mamori block undo-all' で解除、'mamori agree --withdraw' で同意の取り消しができます。",
                                                  "At any time 'mamori block undo-all' undoes it, and 'mamori agree --withdraw' takes the agreement back."));
}

static int confirm(const struct agree *a)
{
    char line[16] = "";
    if (a->is_yes)
        return MMR_EXIT_OK;
    if (!isatty(STDIN_FILENO)) {
        (void)fprintf(stderr, "mamori agree: nobody is at a terminal to be asked; --yes says that the text was read and agreed to\n");
        return MMR_EXIT_USAGE;
    }
    (void)printf(mmr_cli_word(&a->site, "\n%s として同意しますか? [y/N] ", "\nDo you agree, as %s? [y/N] "), a->by_text);
    (void)fflush(stdout);
    if (fgets(line, sizeof line, stdin) && (line[0] == 'y' || line[0] == 'Y'))
        return MMR_EXIT_OK;
    (void)puts(mmr_cli_word(&a->site, "何も変えていません。", "Nothing was changed."));
    return MMR_EXIT_NO;
}

/* ---- the file ---- */

static void quoted(FILE *to, const char *text) /* a JSON string is a YAML string */
{
    struct json_object *o = json_object_new_string(text);
    (void)fputs(o ? json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE) : "\"\"", to);
    json_object_put(o);
}

/* Sensors that may make a suspect stand still by themselves do it only where pausing programs was agreed to. */
static void write_holds(FILE *to, const struct agree *a)
{
    const struct mmr_config *c = a->site.config;
    size_t k = 0;
    while (k < VERBS && verbs[k].verb != MMR_VERB_FREEZE_PROCESS)
        k++;
    for (size_t i = 0; c && k < VERBS && a->is_chosen[k] && i < mmr_config_instances(c); i++) {
        const struct mmr_instance_conf *x = mmr_config_instance(c, i);
        if (strcmp(x->plugin, "org.mamori.ransom") == 0)
            (void)fprintf(to, "plugins:\n  %s: {config: {hold: 3s}} # files that are being encrypted\n", x->name);
    }
}

/* returned; free() */
static char *content(const struct agree *a)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    const char *comma = "";
    if (!f)
        return NULL;
    (void)fputs("# Written by 'mamori agree'; that command changes it.\n#\n", f);
    explain(f, a, "# ");
    (void)fputs("defence:\n", f);
    (void)fprintf(f, "  mode: %s\n  auto_actions_agreed: [", a->is_withdrawal ? "dry_run" : "auto");
    for (size_t i = 0; i < VERBS; i++)
        if (a->is_chosen[i]) {
            (void)fprintf(f, "%s%s", comma, mmr_verb_name(verbs[i].verb));
            comma = ", ";
        }
    (void)fputs("]\n  agreed_by: ", f);
    quoted(f, a->by_text);
    (void)fprintf(f, "\n  agreed_at: \"%s\"\n", a->at);
    write_holds(f, a);
    bool is_bad = ferror(f) != 0;
    if (fclose(f) != 0 || is_bad) {
        free(text);
        return NULL;
    }
    return text;
}

static void say(void *ctx, const char *line)
{
    (void)ctx;
    (void)fprintf(stderr, "%s\n", line);
}

/* The mode in force must be what was written: a later drop-in may say otherwise. */
static int check_force(const struct agree *a, const char *dir, const char *over)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_config *c = NULL;
    int r = mmr_config_load_site(dir, over, say, NULL, &c, &err);
    if (r) {
        (void)fprintf(stderr, "mamori agree: %s\n", err.text);
        return MMR_EXIT_USAGE;
    }
    bool is_good = strcmp(mmr_config_str(c, "defence.mode"), a->is_withdrawal ? "dry_run" : "auto") == 0;
    mmr_config_free(c);
    if (is_good)
        return MMR_EXIT_OK;
    (void)fprintf(stderr, "mamori agree: another drop-in sets defence.mode after %s; 'mamori config show --origin' says which, take it out there\n",
                  AGREED_FILE);
    return MMR_EXIT_USAGE;
}

static int on_reload(void *ctx, struct json_object *o, const char *text, size_t len)
{
    bool *is_applied = ctx;
    struct json_object *v = NULL;
    size_t n;
    (void)text;
    (void)len;
    if (json_object_object_get_ex(o, "applied", &v))
        *is_applied = json_object_get_boolean(v);
    struct json_object *errors = mmr_cli_json_list(o, "errors", &n);
    for (size_t i = 0; i < n; i++)
        (void)fprintf(stderr, "%s\n", json_object_get_string(json_object_array_get_idx(errors, i)));
    return 0;
}

static int report(const struct agree *a, const char *dir)
{
    const struct mmr_cli_site *s = &a->site;
    bool is_down = false, is_applied = false;
    int status = mmr_cli_site_ask(s, "reload", NULL, RELOAD_MS, on_reload, &is_applied, &is_down);
    if (s->is_json) {
        struct json_object *o = json_object_new_object(), *list = json_object_new_array();
        char path[4200];
        (void)snprintf(path, sizeof path, "%s/%s", dir, AGREED_FILE);
        mmr_cli_json_str(o, "mode", a->is_withdrawal ? "dry_run" : "auto");
        for (size_t i = 0; i < VERBS; i++)
            if (a->is_chosen[i])
                (void)json_object_array_add(list, json_object_new_string(mmr_verb_name(verbs[i].verb)));
        (void)json_object_object_add(o, "verbs", list);
        mmr_cli_json_str(o, "by", a->by_text);
        mmr_cli_json_str(o, "at", a->at);
        mmr_cli_json_str(o, "file", path);
        (void)json_object_object_add(o, "in_force", json_object_new_boolean(is_applied));
        mmr_cli_json_print(o);
    } else {
        (void)printf(mmr_cli_word(s, "記録しました: %s/%s\n", "written: %s/%s\n"), dir, AGREED_FILE);
        (void)puts(is_applied ? mmr_cli_word(s, "いまから有効です。", "It is in force now.")
                   : is_down  ? mmr_cli_word(s, "mamori は動いていません。次に動かしたときから有効です。",
                                             "mamori is not running; it is in force from its next start on.")
                              : mmr_cli_word(s, "動いている mamori には反映できませんでした。'mamori reload' で確かめてください。",
                                             "The running mamori did not take it; see 'mamori reload'."));
    }
    return is_applied || is_down ? MMR_EXIT_OK : status == MMR_EXIT_OK ? MMR_EXIT_FAILED : status;
}

static int agree(struct agree *a)
{
    const char *dir = a->site.dir ? a->site.dir : MMR_SITE_DIR;
    mmr_autofree char *text = content(a);
    if (!text) {
        (void)fprintf(stderr, "mamori agree: out of memory\n");
        return MMR_EXIT_FAILED;
    }
    int status = check_force(a, a->site.dir, text); /* is it sound at all? nothing is written yet */
    if (!status && !(a->site.is_json && a->is_yes))
        explain(a->site.is_json ? stderr : stdout, a, "");
    if (!status)
        status = confirm(a);
    if (!status)
        status = mmr_cli_drop_in_write("agree", dir, AGREED_FILE, text);
    if (!status)
        status = check_force(a, a->site.dir, NULL);
    return status ? status : report(a, dir);
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'},
                                            {"verbs", required_argument, NULL, 'v'},  {"by", required_argument, NULL, 'b'},
                                            {"withdraw", no_argument, NULL, 'w'},     {"yes", no_argument, NULL, 'y'}, {0}};
    struct agree a = {.site = {.command = "agree"}};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (o) {
        case 'c': a.site.dir = optarg; break;
        case 'j': a.site.is_json = true; break;
        case 'v': a.list = optarg; break;
        case 'b': a.by = optarg; break;
        case 'w': a.is_withdrawal = true; break;
        case 'y': a.is_yes = true; break;
        default: return MMR_EXIT_USAGE;
        }
    if (optind != argc || (a.is_withdrawal && a.list)) {
        (void)fprintf(stderr, "mamori agree: %s; see 'mamori help agree'\n",
                      optind != argc ? "nothing is expected behind the options" : "--withdraw takes everything back, without --verbs");
        return MMR_EXIT_USAGE;
    }
    int status = choose(&a);
    if (!status)
        status = name_person(&a);
    if (!status)
        status = mmr_cli_site_open(&a.site);
    if (!status)
        status = agree(&a);
    mmr_cli_site_done(&a.site);
    return status;
}

MMR_COMMAND(agree) = {
    .name = "agree",
    .help = "what may be done by itself, agreed to by a named person",
    .usage = "mamori agree [--verbs LIST|all] [--by NAME] [--yes] [--config DIR] [--json]\n"
             "mamori agree --withdraw [--by NAME] [--yes] [--config DIR] [--json]\n"
             "\n"
             "Shows what will be done without asking and asks once (--yes: agreed to already). Without --verbs it is all but\n"
             "isolate.host and lock.account. Writes 90-agreed.yaml into the site's folder and reloads a running mamori.\n"
             "--withdraw goes back to the dry run: nothing is stopped, only recorded.\n",
    .run = run,
};
