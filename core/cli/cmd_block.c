/*
 * cmd_block.c - `mamori block list`, `undo ID`, `undo-all`. The list reads the store. Undoing asks the running mamori;
 * undo-all does it in a process of its own when nothing runs, or when no brain answers.
 */
#include "cli/person.h"
#include "cli/site.h"
#include "control/undo.h"
#include "plugin/builtin.h"
#include "store/actions.h"
#include "util/clock.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ASK_MS = 10000, PAUSE_MS = 20000, SETTLE_MS = 15000, LOOK_MS = 200, MATCHES_MAX = 8 };

static const char *verb_word(const struct mmr_cli_site *s, enum mmr_verb v)
{
    switch (v) {
    case MMR_VERB_BLOCK_ADDR: return mmr_cli_word(s, "通信の遮断", "blocked address");
    case MMR_VERB_CUT_FLOW: return mmr_cli_word(s, "接続の切断", "cut connection");
    case MMR_VERB_BLOCK_NAME: return mmr_cli_word(s, "名前の遮断", "blocked name");
    case MMR_VERB_KILL_PROCESS: return mmr_cli_word(s, "プログラムの停止", "ended program");
    case MMR_VERB_FREEZE_PROCESS: return mmr_cli_word(s, "プログラムの凍結", "frozen program");
    case MMR_VERB_DENY_EXEC: return mmr_cli_word(s, "実行の禁止", "denied program");
    case MMR_VERB_QUARANTINE_FILE: return mmr_cli_word(s, "ファイルの隔離", "quarantined file");
    case MMR_VERB_REMOVE_AUTOSTART: return mmr_cli_word(s, "自動起動の解除", "removed autostart");
    case MMR_VERB_ISOLATE_HOST: return mmr_cli_word(s, "機器の隔離", "isolated machine");
    case MMR_VERB_LOCK_ACCOUNT: return mmr_cli_word(s, "アカウントの停止", "locked account");
    default: return mmr_verb_name(v);
    }
}

/* Does it still do something? One-time acts do not, nor does a lease that has run out. */
static bool is_in_force(const struct mmr_action_rec *a, int64_t now_ns)
{
    return mmr_undo_is_possible(a->verb) && !a->receipt.revoked_ns && !a->receipt.is_dry_run && !a->is_planned_only &&
           (a->receipt.expires_ns == 0 || a->receipt.expires_ns > now_ns);
}

/* ---- list ---- */

struct listing {
    const struct mmr_cli_site *site;
    int64_t now_ns;
    uint64_t n;
};

static struct json_object *json_of(const struct mmr_action_rec *a)
{
    struct json_object *o = json_object_new_object();
    char id[20], incident[20], target[400];
    (void)snprintf(id, sizeof id, "%016llx", (unsigned long long)a->id);
    (void)snprintf(incident, sizeof incident, "%016llx", (unsigned long long)a->incident);
    mmr_target_format(a->verb, &a->target, target, sizeof target);
    mmr_cli_json_str(o, "id", id);
    mmr_cli_json_str(o, "verb", mmr_verb_name(a->verb));
    mmr_cli_json_str(o, "target", target);
    mmr_cli_json_str(o, "side", mmr_side_name(a->side));
    mmr_cli_json_str(o, "node", a->node);
    mmr_cli_json_str(o, "instance", a->instance);
    mmr_cli_json_str(o, "incident", incident);
    mmr_cli_json_str(o, "reason", a->reason);
    mmr_cli_json_str(o, "state", mmr_action_state_name(a->state));
    mmr_cli_json_time(o, "at", a->ordered_ns);
    mmr_cli_json_time(o, "expires", a->receipt.expires_ns);
    mmr_cli_json_str(o, "result", mmr_result_name(a->receipt.result));
    mmr_cli_json_str(o, "verified", mmr_verified_name(a->receipt.verified));
    mmr_cli_json_int(o, "packets", (int64_t)a->receipt.packets);
    return o;
}

static void print_block(const struct mmr_cli_site *s, const struct mmr_action_rec *a)
{
    char target[400], at[40];
    mmr_target_format(a->verb, &a->target, target, sizeof target);
    (void)printf("%016llx  ", (unsigned long long)a->id);
    mmr_person_column(stdout, verb_word(s, a->verb), 20);
    mmr_person_column(stdout, target, 34);
    (void)fputs("  ", stdout);
    mmr_person_column(stdout, a->state >= MMR_STATE_PROVED    ? mmr_cli_word(s, "✔ 確認済み", "✔ proved")
                              : a->state == MMR_STATE_APPLIED ? mmr_cli_word(s, "▲ 未確認", "▲ not proved")
                                                              : mmr_cli_word(s, "… 返事待ち", "… no answer yet"), 16);
    mmr_person_column(stdout, a->receipt.expires_ns ? mmr_person_time(a->receipt.expires_ns, at, sizeof at)
                                                    : mmr_cli_word(s, "解除まで", "until undone"), 26);
    mmr_person_text(stdout, a->reason);
    (void)fputc('\n', stdout);
}

static int list_one(void *ctx, const struct mmr_action_rec *a)
{
    struct listing *l = ctx;
    if (!is_in_force(a, l->now_ns))
        return 0;
    if (l->site->is_json) {
        struct json_object *o = json_of(a);
        (void)printf("%s%s", l->n ? "," : "", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
        json_object_put(o);
    } else {
        if (l->n == 0) {
            mmr_person_column(stdout, mmr_cli_word(l->site, "番号", "ID"), 18);
            mmr_person_column(stdout, mmr_cli_word(l->site, "防御", "DEFENCE"), 20);
            mmr_person_column(stdout, mmr_cli_word(l->site, "対象", "TARGET"), 36);
            mmr_person_column(stdout, mmr_cli_word(l->site, "証明", "PROOF"), 16);
            mmr_person_column(stdout, mmr_cli_word(l->site, "期限", "UNTIL"), 26);
            (void)puts(mmr_cli_word(l->site, "理由", "WHY"));
        }
        print_block(l->site, a);
    }
    l->n++;
    return 0;
}

static int list(const struct mmr_cli_site *s)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct listing l = {.site = s, .now_ns = mmr_clock_wall_ns()};
    struct mmr_db *db = NULL;
    int status = mmr_cli_site_store(s, false, &db);
    if (status)
        return status;
    if (s->is_json)
        (void)fputs("{\"blocks\":[", stdout);
    int r = mmr_store_actions_each(db, 0, true, list_one, &l, &err);
    if (s->is_json)
        (void)puts("]}");
    else if (r == 0 && l.n == 0)
        (void)puts(mmr_cli_word(s, "いま有効な遮断はありません。", "nothing is blocked now"));
    mmr_db_close(db);
    if (r == 0)
        return MMR_EXIT_OK;
    (void)fprintf(stderr, "mamori block: %s\n", err.text);
    return MMR_EXIT_FAILED;
}

/* ---- what came of an order to undo, as the store says ---- */

struct wait {
    const struct mmr_cli_site *site;
    uint64_t only; /* this action; 0: every one that was in force at the start */
    struct mmr_action_rec *v;
    bool *is_told;
    size_t n, cap;
    int64_t now_ns;
};

static int collect(void *ctx, const struct mmr_action_rec *a)
{
    struct wait *w = ctx;
    if ((w->only && a->id != w->only) || !is_in_force(a, w->now_ns))
        return 0;
    if (w->n == w->cap) {
        size_t cap = w->cap ? 2 * w->cap : 32;
        struct mmr_action_rec *v = realloc(w->v, cap * sizeof *v);
        if (v)
            w->v = v;
        bool *told = v ? realloc(w->is_told, cap * sizeof *told) : NULL;
        if (!told)
            return MMR_ENOMEM;
        w->is_told = told;
        w->cap = cap;
    }
    w->v[w->n] = *a;
    w->is_told[w->n++] = false;
    return 0;
}

static void tell(const struct mmr_cli_site *s, const struct mmr_action_rec *a, bool is_undone, const char *why)
{
    char target[400];
    if (s->is_json) {
        struct json_object *o = json_of(a);
        (void)json_object_object_add(o, "undone", json_object_new_boolean(is_undone));
        if (why && *why)
            mmr_cli_json_str(o, "detail", why);
        mmr_cli_json_print(o);
        return;
    }
    mmr_target_format(a->verb, &a->target, target, sizeof target);
    (void)printf("%s %016llx  ", is_undone ? mmr_cli_word(s, "✔ 解除しました", "✔ undone")
                                           : mmr_cli_word(s, "■ 解除できていません", "■ NOT undone"), (unsigned long long)a->id);
    mmr_person_column(stdout, verb_word(s, a->verb), 20);
    mmr_person_text(stdout, target);
    if (why && *why) {
        (void)fputs("\n    ", stdout);
        mmr_person_text(stdout, why);
    }
    (void)fputc('\n', stdout);
}

/* Look into the store until every one is undone, or the time is over. Returns how many are not. */
static size_t watch(struct wait *w, struct mmr_db *db)
{
    int64_t until = mmr_clock_mono_ns() + SETTLE_MS * MMR_NS_PER_MS;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_action_rec a;
    size_t left = w->n;
    while (left) {
        for (size_t i = 0; i < w->n; i++)
            if (!w->is_told[i] && mmr_store_action_get(db, w->v[i].id, &a, &err) == 0 &&
                (a.receipt.revoked_ns || a.state == MMR_STATE_UNDONE || a.state == MMR_STATE_EXPIRED)) {
                tell(w->site, &a, true, "");
                w->is_told[i] = true;
                left--;
            }
        if (!left || mmr_clock_mono_ns() > until)
            break;
        (void)poll(NULL, 0, LOOK_MS);
    }
    for (size_t i = 0; i < w->n; i++)
        if (!w->is_told[i])
            tell(w->site, &w->v[i], false,
                 mmr_store_action_get(db, w->v[i].id, &a, &err) == 0 && a.receipt.detail[0]
                     ? a.receipt.detail
                     : mmr_cli_word(w->site, "担当の部品がまだ答えていません", "its responder has not answered yet"));
    return left;
}

static int no_line(void *ctx, struct json_object *o, const char *text, size_t len)
{
    (void)ctx;
    (void)o;
    (void)text;
    (void)len;
    return 0;
}

/* ---- undo one ---- */

struct matching {
    char text[20];
    size_t len, n;
    uint64_t id[MATCHES_MAX];
};

static int match(void *ctx, const struct mmr_action_rec *a)
{
    struct matching *m = ctx;
    char id[20];
    (void)snprintf(id, sizeof id, "%016llx", (unsigned long long)a->id);
    if (strncmp(id, m->text, m->len) == 0) {
        if (m->n < MATCHES_MAX)
            m->id[m->n] = a->id;
        m->n++;
    }
    return 0;
}

static int find(struct mmr_db *db, const char *text, uint64_t *ret_id)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct matching m = {.len = strlen(text)};
    if (m.len == 0 || m.len > 16 || strspn(text, "0123456789abcdefABCDEF") != m.len) {
        (void)fprintf(stderr, "mamori block: '%.60s' is no block's number; expected its 16 hex digits or their beginning\n", text);
        return MMR_EXIT_USAGE;
    }
    for (size_t i = 0; i < m.len; i++)
        m.text[i] = (char)(text[i] >= 'A' && text[i] <= 'F' ? text[i] - 'A' + 'a' : text[i]);
    if (mmr_store_actions_each(db, 0, true, match, &m, &err) != 0) {
        (void)fprintf(stderr, "mamori block: %s\n", err.text);
        return MMR_EXIT_FAILED;
    }
    if (m.n == 1) {
        *ret_id = m.id[0];
        return MMR_EXIT_OK;
    }
    if (m.n == 0) {
        (void)fprintf(stderr, "mamori block: no block '%s' is in force; see 'mamori block list'\n", text);
        return MMR_EXIT_NO;
    }
    (void)fprintf(stderr, "mamori block: '%s' is the beginning of %zu blocks; give more digits:\n", text, m.n);
    for (size_t i = 0; i < m.n && i < MATCHES_MAX; i++)
        (void)fprintf(stderr, "  %016llx\n", (unsigned long long)m.id[i]);
    return MMR_EXIT_USAGE;
}

static int undo(const struct mmr_cli_site *s, const char *text)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct wait w = {.site = s, .now_ns = mmr_clock_wall_ns()};
    struct mmr_action_rec a;
    struct mmr_db *db = NULL;
    char id[20];
    int status = mmr_cli_site_store(s, false, &db);
    if (!status)
        status = find(db, text, &w.only);
    if (!status && mmr_store_action_get(db, w.only, &a, &err) != 0) {
        (void)fprintf(stderr, "mamori block: %s\n", err.text);
        status = MMR_EXIT_FAILED;
    }
    if (!status && !mmr_undo_is_possible(a.verb)) {
        (void)fprintf(stderr, "mamori block: %016llx is '%s', which happened once and cannot be taken back\n",
                      (unsigned long long)w.only, mmr_verb_name(a.verb));
        status = MMR_EXIT_NO;
    }
    if (!status) {
        struct json_object *args = json_object_new_object();
        (void)snprintf(id, sizeof id, "%016llx", (unsigned long long)w.only);
        (void)json_object_object_add(args, "id", json_object_new_string(id));
        (void)mmr_store_actions_each(db, 0, true, collect, &w, &err);
        status = mmr_cli_site_ask(s, "block.undo", args, ASK_MS, no_line, NULL, NULL);
        json_object_put(args);
        if (!status && watch(&w, db))
            status = MMR_EXIT_NO;
    }
    free(w.v);
    free(w.is_told);
    mmr_db_close(db);
    return status;
}

/* ---- undo all, with nothing else that runs ---- */

static void on_news(void *ctx, const struct mmr_undo_news *n)
{
    const struct mmr_cli_site *s = ctx;
    char until[40], text[400];
    switch (n->what) {
    case MMR_UNDO_DONE: tell(s, n->action, true, ""); return;
    case MMR_UNDO_ELSEWHERE:
    case MMR_UNDO_UNKNOWN:
        (void)snprintf(text, sizeof text, n->what == MMR_UNDO_UNKNOWN
                           ? mmr_cli_word(s, "担当の部品 '%s' が設定にありません。期限 %s に自動で解けます",
                                          "its responder '%s' is not configured any more; its lease ends %s")
                           : mmr_cli_word(s, "別の機器 '%s' の遮断です。期限 %s に自動で解けます。すぐに解くにはその機器で実行してください",
                                          "it is on the machine '%s'; its lease ends %s; run this command there to end it now"),
                       n->what == MMR_UNDO_UNKNOWN ? n->instance : n->action->node,
                       mmr_person_time(n->action->receipt.expires_ns, until, sizeof until));
        tell(s, n->action, false, text);
        return;
    case MMR_UNDO_FAILED:
        if (n->action) {
            tell(s, n->action, false, n->text);
        } else {
            (void)fprintf(stderr, "mamori block: %s: ", n->instance);
            mmr_person_text(stderr, n->text);
            (void)fputc('\n', stderr);
        }
        return;
    case MMR_UNDO_CLEARED:
        if (!s->is_json)
            (void)printf(mmr_cli_word(s, "✔ %s: 残っている遮断はありません\n", "✔ %s: keeps no block any more\n"), n->instance);
        return;
    }
}

static const char *person(char *buf, size_t cap)
{
    const char *sudo = getenv("SUDO_USER");
    const struct passwd *pw = getpwuid(getuid());
    (void)snprintf(buf, cap, "%s", sudo && *sudo ? sudo : pw ? pw->pw_name : "?");
    return buf;
}

static int undo_here(struct mmr_cli_site *s, bool are_hosts_gone)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_undo_result result = {0};
    char host[64] = "", who[64];
    const char *node = mmr_config_str(s->config, "node.name");
    (void)gethostname(host, sizeof host - 1);
    int r = mmr_undo_all(s->config, mmr_builtin_plugins, node ? node : host, person(who, sizeof who), are_hosts_gone, on_news,
                         s, &result, &err);
    if (r) {
        (void)fprintf(stderr, "mamori block: %s\n", err.text);
        return MMR_EXIT_FAILED;
    }
    if (s->is_json) {
        struct json_object *o = json_object_new_object();
        mmr_cli_json_int(o, "undone", result.undone);
        mmr_cli_json_int(o, "failed", result.failed);
        mmr_cli_json_int(o, "elsewhere", result.elsewhere);
        mmr_cli_json_print(o);
    } else {
        (void)printf(mmr_cli_word(s, "解除 %u 件、失敗 %u 件、別の機器 %u 件\n", "%u undone, %u failed, %u on other machines\n"),
                     result.undone, result.failed, result.elsewhere);
    }
    return result.failed || result.elsewhere ? MMR_EXIT_NO : MMR_EXIT_OK;
}

/* Responders' code runs in a child: whatever it does, the responders are called back afterwards. */
static int undo_apart(struct mmr_cli_site *s, bool are_hosts_gone)
{
    int status;
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid < 0) {
        (void)fprintf(stderr, "mamori block: cannot start a process: %s\n", strerror(errno));
        return MMR_EXIT_FAILED;
    }
    if (pid == 0) {
        (void)signal(SIGPIPE, SIG_IGN);
        int r = undo_here(s, are_hosts_gone);
        (void)fflush(stdout);
        _exit(r);
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return MMR_EXIT_FAILED;
    if (!WIFSIGNALED(status))
        return WEXITSTATUS(status);
    (void)fprintf(stderr, "mamori block: a responder ended the undoing process by signal %d (%s)\n", WTERMSIG(status),
                  strsignal(WTERMSIG(status)));
    return MMR_EXIT_FAILED;
}

static int undo_all(struct mmr_cli_site *s)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct wait w = {.site = s, .now_ns = mmr_clock_wall_ns()};
    struct mmr_db *db = NULL;
    bool is_down = false;
    int status;
    (void)mmr_cli_site_store(s, true, &db);
    if (db)
        (void)mmr_store_actions_each(db, 0, true, collect, &w, &err);
    status = mmr_cli_site_ask(s, "block.undo-all", NULL, ASK_MS, no_line, NULL, &is_down);
    if (status == MMR_EXIT_OK && db) {
        size_t left = watch(&w, db);
        if (s->is_json) {
            struct json_object *o = json_object_new_object();
            mmr_cli_json_int(o, "undone", (int64_t)(w.n - left));
            mmr_cli_json_int(o, "failed", (int64_t)left);
            mmr_cli_json_int(o, "elsewhere", 0);
            mmr_cli_json_print(o);
        } else {
            (void)printf(mmr_cli_word(s, "解除 %zu 件、未完了 %zu 件\n", "%zu undone, %zu not\n"), w.n - left, left);
        }
        status = left ? MMR_EXIT_NO : MMR_EXIT_OK;
    }
    mmr_db_close(db);
    free(w.v);
    free(w.is_told);
    if (is_down)
        return undo_apart(s, false);
    if (status == MMR_EXIT_OK || status == MMR_EXIT_NO)
        return status;
    (void)fputs(mmr_cli_word(s, "中枢が応答しないので、担当の部品を止めて直接解除します。\n",
                             "the brain does not answer; the responders are stopped and their blocks taken back directly\n"), stderr);
    if (mmr_cli_site_ask(s, "responders.stop", NULL, PAUSE_MS, no_line, NULL, NULL) != MMR_EXIT_OK)
        return MMR_EXIT_FAILED;
    status = undo_apart(s, true);
    (void)mmr_cli_site_ask(s, "responders.start", NULL, ASK_MS, no_line, NULL, NULL); /* they come back by themselves, too */
    return status;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'}, {0}};
    struct mmr_cli_site s = {.command = "block", .is_tolerant = true};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (o) {
        case 'c': s.dir = optarg; break;
        case 'j': s.is_json = true; break;
        default: return MMR_EXIT_USAGE;
        }
    const char *what = optind < argc ? argv[optind] : "";
    int left = argc - optind;
    bool is_list = strcmp(what, "list") == 0 && left == 1, is_all = strcmp(what, "undo-all") == 0 && left == 1;
    if (!is_list && !is_all && (strcmp(what, "undo") != 0 || left != 2)) {
        (void)fprintf(stderr, "mamori block: expected 'list', 'undo ID' or 'undo-all', found '%s'; see 'mamori help block'\n", what);
        return MMR_EXIT_USAGE;
    }
    int status = mmr_cli_site_open(&s);
    if (status == MMR_EXIT_OK)
        status = is_list ? list(&s) : is_all ? undo_all(&s) : undo(&s, argv[optind + 1]);
    mmr_cli_site_done(&s);
    return status;
}

MMR_COMMAND(block) = {
    .name = "block",
    .help = "what is blocked now; takes one block back, or all of them",
    .usage = "mamori block list [--config DIR] [--json]\n"
             "mamori block undo ID [--config DIR] [--json]\n"
             "mamori block undo-all [--config DIR] [--json]\n"
             "\n"
             "list:     what is in force, from the store. --json: {\"blocks\":[...]}\n"
             "undo:     ID is the 16 hex digits or their beginning; asks the running mamori and waits for the proof.\n"
             "undo-all: every block; works when nothing runs, too: then the configured responders are loaded here and told\n"
             "          to take back everything of theirs. --json: a line for each block, then the numbers.\n"
             "Status 1 when something is still in force.\n",
    .run = run,
};
