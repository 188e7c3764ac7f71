/* cmd_incident.c - `mamori incident list` and `show`: read from the store, so they work without the brain; `confirm` and
 * `close` tell the running one that a person knows; `allow` is in incident_allow.c. */
#include "cli/incident_allow.h"
#include "cli/person.h"
#include "cli/site.h"
#include "store/incidents.h"
#include "util/clock.h"
#include "util/id.h"
#include "util/scope.h"

#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MATCHES_MAX = 8, HOSTS_SHOWN = 3, ANSWER_MS = 10000 };

static const char *class_word(const struct mmr_cli_site *s, enum mmr_class c)
{
    switch (c) {
    case MMR_CLASS_OF_SEVERE: return mmr_cli_word(s, "重大", "severe");
    case MMR_CLASS_OF_DEFENDED: return mmr_cli_word(s, "防御済み", "defended");
    case MMR_CLASS_OF_NO_RESPONSE: return mmr_cli_word(s, "対応不要", "no response needed");
    default: return mmr_cli_word(s, "判定中", "pending");
    }
}

static const char *band_word(const struct mmr_cli_site *s, enum mmr_band b)
{
    return b == MMR_BAND_RED ? mmr_cli_word(s, "赤", "red") : b == MMR_BAND_YELLOW ? mmr_cli_word(s, "黄", "yellow") : "-";
}

static const char *side_word(const struct mmr_cli_site *s, enum mmr_side side)
{
    return side == MMR_SIDE_NETWORK ? mmr_cli_word(s, "ネットワーク", "network") : mmr_cli_word(s, "端末", "endpoint");
}

static const char *role_word(const struct mmr_cli_site *s, enum mmr_role r)
{
    switch (r) {
    case MMR_ROLE_VICTIM: return mmr_cli_word(s, "被害", "victim");
    case MMR_ROLE_ATTACKER: return mmr_cli_word(s, "攻撃元", "attacker");
    case MMR_ROLE_SOURCE: return mmr_cli_word(s, "発信元", "source");
    default: return mmr_cli_word(s, "その他", "other");
    }
}

static const char *state_word(const struct mmr_cli_site *s, enum mmr_action_state a)
{
    switch (a) {
    case MMR_STATE_PLANNED: return mmr_cli_word(s, "予定(実行していない)", "planned, not done");
    case MMR_STATE_ORDERED: return mmr_cli_word(s, "指示済み(返事待ち)", "ordered, no answer yet");
    case MMR_STATE_APPLIED: return mmr_cli_word(s, "実行済み(未確認)", "done, not proved");
    case MMR_STATE_PROVED: return mmr_cli_word(s, "実行・確認済み", "done and proved");
    case MMR_STATE_EFFECTIVE: return mmr_cli_word(s, "効果も確認済み", "done, proved and effective");
    case MMR_STATE_FAILED: return mmr_cli_word(s, "失敗", "failed");
    case MMR_STATE_EXPIRED: return mmr_cli_word(s, "期限切れ", "expired");
    case MMR_STATE_UNDONE: return mmr_cli_word(s, "解除済み", "undone");
    }
    return "?";
}

static void host_name(const struct mmr_host_ref *h, char *buf, size_t cap)
{
    char addr[MMR_ADDR_TEXT_MAX] = "?";
    if (mmr_addr_is_set(&h->addr[0]))
        mmr_addr_format(&h->addr[0], addr);
    (void)snprintf(buf, cap, "%s", h->name[0] ? h->name : addr);
}

/* ---- list ---- */

struct listing {
    const struct mmr_cli_site *site;
    uint64_t n;
};

static struct json_object *json_of_row(const struct mmr_incident_row *row, const struct mmr_incident *i)
{
    struct json_object *o = json_object_new_object(), *hosts = json_object_new_array();
    char id[20], uid[MMR_UUID_TEXT_MAX], name[80];
    (void)snprintf(id, sizeof id, "%016llx", (unsigned long long)row->id);
    mmr_uuid_format(row->uid, uid);
    mmr_cli_json_str(o, "id", id);
    mmr_cli_json_str(o, "uid", uid);
    mmr_cli_json_time(o, "time", row->t0_ns);
    mmr_cli_json_time(o, "last", row->last_ns);
    mmr_cli_json_time(o, "updated", row->updated_ns);
    mmr_cli_json_str(o, "class", mmr_class_name(row->class_current));
    mmr_cli_json_str(o, "class_peak", mmr_class_name(row->class_peak));
    if (row->band)
        mmr_cli_json_str(o, "band", mmr_band_name(row->band));
    else
        (void)json_object_object_add(o, "band", NULL);
    (void)json_object_object_add(o, "closed", json_object_new_boolean(row->is_closed));
    (void)json_object_object_add(o, "exercise", json_object_new_boolean(row->is_exercise));
    mmr_cli_json_int(o, "revision", row->revision);
    mmr_cli_json_str(o, "title", row->title);
    for (uint32_t k = 0; i && k < i->n_hosts; k++) {
        struct json_object *h = json_object_new_object();
        host_name(&i->hosts[k], name, sizeof name);
        mmr_cli_json_str(h, "name", name);
        mmr_cli_json_str(h, "role", i->hosts[k].role == MMR_ROLE_VICTIM     ? "victim"
                                    : i->hosts[k].role == MMR_ROLE_ATTACKER ? "attacker"
                                    : i->hosts[k].role == MMR_ROLE_SOURCE   ? "source"
                                                                            : "other");
        (void)json_object_array_add(hosts, h);
    }
    (void)json_object_object_add(o, "hosts", hosts);
    return o;
}

static void print_row(const struct mmr_cli_site *s, const struct mmr_incident_row *row, const struct mmr_incident *i)
{
    char at[40], hosts[256] = "", name[80];
    size_t len = 0;
    for (uint32_t k = 0; i && k < i->n_hosts && k < HOSTS_SHOWN && len < sizeof hosts; k++) {
        host_name(&i->hosts[k], name, sizeof name);
        len += (size_t)snprintf(hosts + len, sizeof hosts - len, "%s%s", k ? "," : "", name);
    }
    if (i && i->n_hosts > HOSTS_SHOWN && len < sizeof hosts)
        (void)snprintf(hosts + len, sizeof hosts - len, " +%u", (unsigned)(i->n_hosts - HOSTS_SHOWN));
    (void)printf("%016llx  ", (unsigned long long)row->id);
    mmr_person_column(stdout, mmr_person_time(row->t0_ns, at, sizeof at), 26);
    mmr_person_column(stdout, class_word(s, row->class_current), 20);
    mmr_person_column(stdout, band_word(s, row->band), 8);
    mmr_person_column(stdout, row->is_closed ? mmr_cli_word(s, "終了", "closed") : mmr_cli_word(s, "継続", "open"), 8);
    mmr_person_column(stdout, hosts, 28);
    (void)fputs("  ", stdout);
    mmr_person_text(stdout, row->title);
    (void)fputs(row->is_exercise ? mmr_cli_word(s, " [訓練]\n", " [exercise]\n") : "\n", stdout);
}

static int list_row(void *ctx, const struct mmr_incident_row *row)
{
    struct listing *l = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_incident *i = NULL;
    if (mmr_incident_unpack(row->blob, row->len, &i, &err) != 0) {
        (void)fprintf(stderr, "mamori incident: %016llx: %s\n", (unsigned long long)row->id, err.text);
        i = NULL; /* its columns are still worth showing */
    }
    if (l->site->is_json) {
        struct json_object *o = json_of_row(row, i);
        (void)printf("%s%s", l->n ? "," : "",
                     json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
        json_object_put(o);
    } else {
        if (l->n == 0) {
            mmr_person_column(stdout, mmr_cli_word(l->site, "番号", "ID"), 18);
            mmr_person_column(stdout, mmr_cli_word(l->site, "検知した時刻", "DETECTED"), 26);
            mmr_person_column(stdout, mmr_cli_word(l->site, "区分", "CLASS"), 20);
            mmr_person_column(stdout, mmr_cli_word(l->site, "色", "BAND"), 8);
            mmr_person_column(stdout, mmr_cli_word(l->site, "状態", "STATE"), 8);
            mmr_person_column(stdout, mmr_cli_word(l->site, "機器", "HOSTS"), 30);
            (void)puts(mmr_cli_word(l->site, "内容", "WHAT"));
        }
        print_row(l->site, row, i);
    }
    l->n++;
    mmr_incident_free(i);
    return 0;
}

static int list(const struct mmr_cli_site *s, struct mmr_db *db, bool is_all)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct listing l = {.site = s};
    const struct mmr_incident_filter f = {.only_open = !is_all, .limit = UINT32_MAX}; /* a limit: newest first */
    if (s->is_json)
        (void)fputs("{\"incidents\":[", stdout);
    int r = mmr_store_incidents_each(db, &f, list_row, &l, &err);
    if (s->is_json)
        (void)puts("]}");
    else if (r == 0 && l.n == 0)
        (void)puts(is_all ? mmr_cli_word(s, "記録されたインシデントはありません。", "no incident is recorded")
                          : mmr_cli_word(s, "継続中のインシデントはありません(終了したものは --all)。",
                                         "no incident is open (--all shows closed ones)"));
    if (r == 0)
        return MMR_EXIT_OK;
    (void)fprintf(stderr, "mamori incident: %s\n", err.text);
    return MMR_EXIT_FAILED;
}

/* ---- which one is meant ---- */

struct matching {
    char text[MMR_UUID_TEXT_MAX];
    size_t len;
    uint64_t id[MATCHES_MAX];
    size_t n;
};

static int match_row(void *ctx, const struct mmr_incident_row *row)
{
    struct matching *m = ctx;
    char id[20], uid[MMR_UUID_TEXT_MAX];
    (void)snprintf(id, sizeof id, "%016llx", (unsigned long long)row->id);
    mmr_uuid_format(row->uid, uid);
    if (strncmp(id, m->text, m->len) == 0 || strncmp(uid, m->text, m->len) == 0) {
        if (m->n < MATCHES_MAX)
            m->id[m->n] = row->id;
        m->n++;
    }
    return 0;
}

static int find(struct mmr_db *db, const char *text, uint64_t *ret_id)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct matching m = {.len = strlen(text)};
    const struct mmr_incident_filter all = {0};
    if (m.len == 0 || m.len >= sizeof m.text || strspn(text, "0123456789abcdefABCDEF-") != m.len) {
        (void)fprintf(stderr, "mamori incident: '%.60s' is no incident's number; expected its 16 hex digits, their beginning, or its UUID\n",
                      text);
        return MMR_EXIT_USAGE;
    }
    for (size_t i = 0; i < m.len; i++)
        m.text[i] = (char)(text[i] >= 'A' && text[i] <= 'F' ? text[i] - 'A' + 'a' : text[i]);
    if (mmr_store_incidents_each(db, &all, match_row, &m, &err) != 0) {
        (void)fprintf(stderr, "mamori incident: %s\n", err.text);
        return MMR_EXIT_FAILED;
    }
    if (m.n == 0) {
        (void)fprintf(stderr, "mamori incident: there is no incident '%s'; see 'mamori incident list --all'\n", text);
        return MMR_EXIT_NO;
    }
    if (m.n > 1) {
        (void)fprintf(stderr, "mamori incident: '%s' is the beginning of %zu incidents; give more digits:\n", text, m.n);
        for (size_t i = 0; i < m.n && i < MATCHES_MAX; i++)
            (void)fprintf(stderr, "  %016llx\n", (unsigned long long)m.id[i]);
        return MMR_EXIT_USAGE;
    }
    *ret_id = m.id[0];
    return MMR_EXIT_OK;
}

/* ---- show ---- */

static void field(const struct mmr_cli_site *s, const char *ja, const char *en, const char *text)
{
    mmr_person_column(stdout, mmr_cli_word(s, ja, en), 14);
    mmr_person_text(stdout, text);
    (void)fputc('\n', stdout);
}

static void show_addresses(const struct mmr_cli_site *s, const char *ja, const char *en, const struct mmr_addr *a, uint32_t n)
{
    char addr[MMR_ADDR_TEXT_MAX];
    if (n == 0)
        return;
    mmr_person_column(stdout, mmr_cli_word(s, ja, en), 14);
    for (uint32_t k = 0; k < n; k++) {
        mmr_addr_format(&a[k], addr);
        (void)printf("%s%s", k ? ", " : "", addr);
    }
    (void)fputc('\n', stdout);
}

static void show_hosts(const struct mmr_cli_site *s, const struct mmr_incident *i)
{
    for (uint32_t k = 0; k < i->n_hosts; k++) {
        const struct mmr_host_ref *h = &i->hosts[k];
        mmr_person_column(stdout, k ? "" : mmr_cli_word(s, "機器", "hosts"), 14);
        mmr_person_text(stdout, h->name[0] ? h->name : mmr_cli_word(s, "(名前は不明)", "(no name known)"));
        for (size_t a = 0; a < 4 && mmr_addr_is_set(&h->addr[a]); a++) {
            char addr[MMR_ADDR_TEXT_MAX];
            mmr_addr_format(&h->addr[a], addr);
            (void)printf(" %s", addr);
        }
        (void)printf(" (%s)\n", role_word(s, h->role));
    }
}

static void show_evidence(const struct mmr_cli_site *s, const struct mmr_incident *i)
{
    char at[40];
    (void)printf("\n%s\n", mmr_cli_word(s, "起きたこと", "what happened"));
    for (uint32_t k = 0; k < i->n_evidence; k++) {
        const struct mmr_evidence *e = &i->evidence[k];
        const struct mmr_finding *f = e->finding;
        (void)printf("  %s  ", mmr_person_time(mmr_finding_time(f), at, sizeof at));
        mmr_person_column(stdout, side_word(s, f->side), 13);
        mmr_person_text(stdout, f->what && *f->what ? f->what : f->title);
        if (e->count > 1)
            (void)printf(mmr_cli_word(s, " (%u 回)", " (%u times)"), e->count);
        (void)fputs("\n      ", stdout);
        mmr_person_text(stdout, f->rule ? f->rule : f->kind);
        for (uint32_t a = 0; a < f->n_attack; a++) {
            (void)fputc(' ', stdout);
            mmr_person_text(stdout, f->attack[a]);
        }
        if (f->host && *f->host) {
            (void)fputs(mmr_cli_word(s, "  機器 ", "  on "), stdout);
            mmr_person_text(stdout, f->host);
        }
        if (f->process.cmd_line && *f->process.cmd_line) {
            (void)fputs("\n      > ", stdout);
            mmr_person_text(stdout, f->process.cmd_line);
        }
        (void)fputc('\n', stdout);
    }
    if (i->evicted)
        (void)printf(mmr_cli_word(s, "  ほかに %u 件(数だけ記録)\n", "  and %u more, counted only\n"), i->evicted);
}

static void show_actions(const struct mmr_cli_site *s, const struct mmr_incident *i)
{
    char target[400], at[40], until[40];
    (void)printf("\n%s\n", mmr_cli_word(s, "防御", "defence"));
    if (i->n_actions == 0)
        (void)printf("  %s\n", mmr_cli_word(s, "なし", "none"));
    for (uint32_t k = 0; k < i->n_actions; k++) {
        const struct mmr_action_rec *a = &i->actions[k];
        mmr_target_format(a->verb, &a->target, target, sizeof target);
        (void)printf("  %s  ", mmr_person_time(a->ordered_ns, at, sizeof at));
        mmr_person_column(stdout, mmr_verb_name(a->verb), 17);
        mmr_person_text(stdout, target);
        (void)printf("\n      %s, %s", side_word(s, a->side), a->is_planned_only
                                                                  ? mmr_cli_word(s, "予定のみ", "planned only")
                                                                  : state_word(s, a->state));
        if (a->receipt.verified != MMR_VERIFIED_NONE)
            (void)printf(" (%s%s%s)", mmr_verified_name(a->receipt.verified), a->receipt.method[0] ? ", " : "", a->receipt.method);
        if (a->receipt.expires_ns)
            (void)printf("%s%s", mmr_cli_word(s, ", 期限 ", ", until "), mmr_person_time(a->receipt.expires_ns, until, sizeof until));
        if (a->receipt.packets)
            (void)printf(mmr_cli_word(s, ", 止めたパケット %llu", ", stopped %llu packets"), (unsigned long long)a->receipt.packets);
        (void)printf("  [%016llx]\n", (unsigned long long)a->id);
        if (a->receipt.detail[0] && !a->is_planned_only) { /* a rehearsal went to nobody, who then owes no answer */
            (void)fputs("      ", stdout);
            mmr_person_text(stdout, a->receipt.detail);
            (void)fputc('\n', stdout);
        }
    }
}

static void show_text(const struct mmr_cli_site *s, const struct mmr_incident_row *row, const struct mmr_incident *i)
{
    char text[160], uid[MMR_UUID_TEXT_MAX], at[40];
    mmr_uuid_format(row->uid, uid);
    mmr_person_text(stdout, row->title);
    (void)fputc('\n', stdout);
    (void)snprintf(text, sizeof text, "%016llx (%s)", (unsigned long long)row->id, uid);
    field(s, "番号", "number", text);
    (void)snprintf(text, sizeof text, "%s%s%s%s%s", class_word(s, row->class_current),
                   row->band ? mmr_cli_word(s, "、", ", ") : "", row->band ? band_word(s, row->band) : "",
                   i->is_contained ? mmr_cli_word(s, "、封じ込め済み", ", contained since") : "",
                   i->is_withdrawn ? mmr_cli_word(s, "、取り消し", ", withdrawn") : "");
    field(s, "区分", "class", text);
    (void)snprintf(text, sizeof text, "%s%s", row->is_closed ? mmr_cli_word(s, "終了", "closed") : mmr_cli_word(s, "継続中", "open"),
                   row->is_exercise ? mmr_cli_word(s, "、訓練", ", exercise") : "");
    field(s, "状態", "state", text);
    field(s, "検知", "detected", mmr_person_time(row->t0_ns, at, sizeof at));
    if (row->last_ns != row->t0_ns)
        field(s, "最後の動き", "last seen", mmr_person_time(row->last_ns, at, sizeof at));
    show_hosts(s, i);
    show_addresses(s, "攻撃元", "attackers", i->attackers, i->n_attackers);
    show_addresses(s, "被害", "victims", i->victims, i->n_victims);
    show_evidence(s, i);
    show_actions(s, i);
    if (i->n_joins) {
        (void)printf("\n%s\n", mmr_cli_word(s, "ひとつの出来事と判断した理由", "why this is one story"));
        for (uint32_t k = 0; k < i->n_joins; k++) {
            (void)printf("  %-11s ", mmr_entity_kind_name(i->joins[k].kind));
            mmr_person_text(stdout, i->joins[k].value);
            (void)fputc('\n', stdout);
        }
    }
    (void)printf("\n%s\n", mmr_cli_word(s, "区分の理由", "why this class"));
    for (uint32_t k = 0; k < i->n_why; k++) {
        (void)fputs("  ", stdout);
        mmr_person_text(stdout, i->why[k]);
        (void)fputc('\n', stdout);
    }
}

static int show_row(void *ctx, const struct mmr_incident_row *row)
{
    const struct mmr_cli_site *s = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_incident *i = NULL;
    mmr_autofree char *json = NULL;
    int r = mmr_incident_unpack(row->blob, row->len, &i, &err);
    if (!r && s->is_json)
        r = mmr_incident_to_json(i, row->is_closed ? 3 : row->revision > 1 ? 2 : 1, &json, &err);
    if (r)
        (void)fprintf(stderr, "mamori incident: %016llx: %s\n", (unsigned long long)row->id, err.text);
    else if (json)
        (void)puts(json);
    else
        show_text(s, row, i);
    mmr_incident_free(i);
    return r ? MMR_EBADMSG : 0;
}

static int show(struct mmr_cli_site *s, struct mmr_db *db, const char *text)
{
    struct mmr_error err = {.struct_size = sizeof err};
    uint64_t id = 0;
    int status = find(db, text, &id);
    if (status)
        return status;
    int r = mmr_store_incident_get(db, id, show_row, s, &err);
    if (r && *err.text)
        (void)fprintf(stderr, "mamori incident: %s\n", err.text);
    return r ? MMR_EXIT_FAILED : MMR_EXIT_OK;
}

/* ---- answer to the message about it ---- */

static int said(void *ctx, struct json_object *o, const char *text, size_t len)
{
    const struct mmr_cli_site *s = ctx;
    (void)o;
    (void)len;
    if (s->is_json)
        (void)puts(text);
    return 0;
}

static const char *person(const char *by)
{
    const char *sudo = getenv("SUDO_USER");
    const struct passwd *pw = getpwuid(getuid());
    return by ? by : sudo && *sudo ? sudo : pw ? pw->pw_name : "";
}

/* what: "confirm" (somebody knows: the repeats stop) or "close" (the escalation ends) */
static int answer(struct mmr_cli_site *s, struct mmr_db *db, const char *what, const char *text, const char *by)
{
    uint64_t id = 0;
    char hex[20], command[32];
    int status = find(db, text, &id);
    if (status)
        return status;
    (void)snprintf(hex, sizeof hex, "%016llx", (unsigned long long)id);
    (void)snprintf(command, sizeof command, "notice.%s", what);
    struct json_object *args = json_object_new_object();
    json_object_object_add(args, "id", json_object_new_string(hex));
    json_object_object_add(args, "by", json_object_new_string(person(by)));
    status = mmr_cli_site_ask(s, command, args, ANSWER_MS, said, s, NULL);
    json_object_put(args);
    if (status == MMR_EXIT_OK && !s->is_json)
        (void)printf(mmr_cli_word(s, "%s: %s が受け取りました。同じお知らせの繰り返しは止まります。\n", "%s: answered by %s; the messages about it stop\n"), hex, person(by));
    return status;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'}, {"all", no_argument, NULL, 'a'}, {"by", required_argument, NULL, 'b'}, {0}};
    struct mmr_cli_site s = {.command = "incident", .is_tolerant = true};
    struct mmr_db *db = NULL;
    const char *by = NULL;
    bool is_all = false;
    int at = 1; /* what main() put in front */
    while (at < argc && argv[at][0] == '-')
        at += strcmp(argv[at], "--config") == 0 ? 2 : 1;
    if (at < argc && strcmp(argv[at], "allow") == 0)
        return mmr_cli_incident_allow(argc, argv);
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (o) {
        case 'c': s.dir = optarg; break;
        case 'j': s.is_json = true; break;
        case 'a': is_all = true; break;
        case 'b': by = optarg; break;
        default: return MMR_EXIT_USAGE;
        }
    const char *what = optind < argc ? argv[optind] : "";
    bool is_list = strcmp(what, "list") == 0 && optind + 1 == argc;
    bool is_answer = strcmp(what, "confirm") == 0 || strcmp(what, "close") == 0;
    if (!is_list && ((strcmp(what, "show") != 0 && !is_answer) || optind + 2 != argc || is_all)) {
        (void)fprintf(stderr, "mamori incident: expected 'list [--all]', 'show ID', 'confirm ID', 'close ID' or 'allow ID ...', found '%s'; see 'mamori help incident'\n", what);
        return MMR_EXIT_USAGE;
    }
    int status = mmr_cli_site_open(&s);
    if (status == MMR_EXIT_OK)
        status = mmr_cli_site_store(&s, false, &db);
    if (status == MMR_EXIT_OK)
        status = is_list     ? list(&s, db, is_all)
                 : is_answer ? answer(&s, db, what, argv[optind + 1], by)
                             : show(&s, db, argv[optind + 1]);
    mmr_db_close(db);
    mmr_cli_site_done(&s);
    return status;
}

MMR_COMMAND(incident) = {
    .name = "incident",
    .help = "what was found: the list, or one with its evidence, defence and reasons",
    .usage = "mamori incident list [--all] [--config DIR] [--json]\n"
             "mamori incident show ID [--config DIR] [--json]\n"
             "mamori incident allow ID --by NAME --reason TEXT [--days N] [--only source|destination|rule|process]\n"
             "mamori incident allow --list | --end ID\n"
             "mamori incident confirm ID [--by NAME] [--config DIR] [--json]\n"
             "mamori incident close ID --by NAME [--config DIR] [--json]\n"
             "\n"
             "list: open incidents, newest first; --all: closed ones too. --json: {\"incidents\":[...]}\n"
             "show: ID is the 16 hex digits, their beginning where it is unique, or the UUID. --json: the OCSF\n"
             "      Incident Finding. Both read the store and need nothing that runs.\n"
             "confirm: a person has got the message about it: the repeats stop (NAME: you, when left out).\n"
             "close: a person ends the messages about it. Both are recorded with the name.\n"
             "allow: what this incident is made of is known to be good, says NAME: each rule with the program or sender it was\n"
             "      seen with (--only: that one thing alone), for N days (30). Blocks against it are taken back, a severe\n"
             "      incident is withdrawn, and it is evidence. --list shows the rules, --end takes one back now.\n",
    .run = run,
};
