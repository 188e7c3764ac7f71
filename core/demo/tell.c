/* tell.c - plain words for what happened; technical names stay in --json. */
#include "demo/tell.h"

#include "util/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINES_MAX = 160, TEXT = 400 };

static const char *pick(const struct mmr_tell *t, const char *ja, const char *en)
{
    return t->is_ja ? ja : en;
}

static const char *colour(const struct mmr_tell *t, const char *code)
{
    return t->is_colour ? code : "";
}
#define BOLD(t) colour(t, "\033[1m")
#define DIM(t) colour(t, "\033[2m")
#define RED(t) colour(t, "\033[31m")
#define GREEN(t) colour(t, "\033[32m")
#define YELLOW(t) colour(t, "\033[33m")
#define PLAIN(t) colour(t, "\033[0m")

static bool is_japanese(const char *lang)
{
    static const char *const names[] = {"LC_ALL", "LC_MESSAGES", "LANG"};
    if (lang)
        return strcmp(lang, "ja") == 0;
    for (size_t i = 0; i < 3; i++) {
        const char *v = getenv(names[i]);
        if (v && *v)
            return strncmp(v, "ja", 2) == 0;
    }
    return false;
}

void mmr_tell_init(struct mmr_tell *t, const char *lang, bool is_json)
{
    memset(t, 0, sizeof *t);
    t->is_ja = is_japanese(lang);
    t->is_json = is_json;
    t->is_colour = !is_json && isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    t->root = json_object_new_object();
    json_object_object_add(t->root, "acts", json_object_new_array());
}

void mmr_tell_head(struct mmr_tell *t, bool is_mirrored)
{
    if (t->is_json)
        return;
    (void)printf("\n  %s%s%s\n\n", BOLD(t), pick(t, "まもり：小さな会社を、いまここで攻撃して確かめます", "mamori: a small office, attacked here and now"), PLAIN(t));
    (void)printf("      %s ── %s ── %s ─┬─ PC1\n", pick(t, "外の世界", "internet"), pick(t, "会社の出入口", "gateway"), pick(t, "スイッチ", "switch"));
    (void)printf("      %s               ├─ PC2\n", pick(t, "(攻撃する人)           ", "(attacker)      "));
    (void)printf("      %s               └─ %s\n", pick(t, "                       ", "                "), pick(t, "プリンター", "printer"));
    if (!is_mirrored)
        (void)printf("      %s%s%s\n", DIM(t), pick(t, "（このカーネルには写し口がないため、出入口で見ます）", "(no mirror port on this kernel: the gateway's own card is watched)"), PLAIN(t));
    (void)fflush(stdout);
}

void mmr_tell_act(struct mmr_tell *t, char letter, const char *ja, const char *en)
{
    struct json_object *acts = NULL;
    (void)json_object_object_get_ex(t->root, "acts", &acts);
    t->act = json_object_new_object();
    char name[2] = {letter, '\0'};
    json_object_object_add(t->act, "act", json_object_new_string(name));
    json_object_object_add(t->act, "title", json_object_new_string(en));
    json_object_object_add(t->act, "checks", json_object_new_array());
    json_object_array_add(acts, t->act);
    if (!t->is_json) {
        (void)printf("\n  %s(%c) %s%s\n", BOLD(t), letter, pick(t, ja, en), PLAIN(t));
        (void)fflush(stdout);
    }
}

void mmr_tell_note(struct mmr_tell *t, const char *ja, const char *en)
{
    if (t->is_json)
        return;
    (void)printf("      %s%s%s\n", DIM(t), pick(t, ja, en), PLAIN(t));
    (void)fflush(stdout);
}

void mmr_tell_chaos(struct mmr_tell *t, unsigned kills, unsigned mended)
{
    char ja[120], en[120];
    (void)snprintf(ja, sizeof ja, "（この幕で、まもりの部品を%u回、力ずくで止めました。親を起こし直したのは%u回）", kills, mended);
    (void)snprintf(en, sizeof en, "(parts killed during this act: %u; supervisors started again: %u)", kills, mended);
    json_object_object_add(t->act, "kills", json_object_new_int((int)kills));
    mmr_tell_note(t, ja, en);
}

void mmr_tell_trouble(struct mmr_tell *t, const char *text)
{
    t->wrong++;
    if (t->act)
        json_object_object_add(t->act, "trouble", json_object_new_string(text));
    if (!t->is_json)
        (void)printf("      %s✘%s %s\n", RED(t), PLAIN(t), text);
    (void)fflush(stdout);
}

void mmr_tell_check(struct mmr_tell *t, bool is_right, const char *name, const char *ja, const char *en, const char *detail, ...)
{
    char text[TEXT];
    struct json_object *o = json_object_new_object(), *checks = NULL;
    va_list ap;
    va_start(ap, detail);
    (void)vsnprintf(text, sizeof text, detail, ap);
    va_end(ap);
    *(is_right ? &t->right : &t->wrong) += 1;
    json_object_object_add(o, "name", json_object_new_string(name));
    json_object_object_add(o, "ok", json_object_new_boolean(is_right));
    json_object_object_add(o, "what", json_object_new_string(en));
    if (text[0])
        json_object_object_add(o, "detail", json_object_new_string(text));
    if (t->act && json_object_object_get_ex(t->act, "checks", &checks))
        json_object_array_add(checks, o);
    else
        json_object_put(o);
    if (t->is_json)
        return;
    (void)printf("      %s%s%s %s", is_right ? GREEN(t) : RED(t), is_right ? "✔" : "✘", PLAIN(t), pick(t, ja, en));
    if (!is_right && text[0])
        (void)printf(" %s— %s%s", DIM(t), text, PLAIN(t));
    (void)printf("\n");
    (void)fflush(stdout);
}

/* ---- the timeline ---- */

struct line {
    int64_t at_ns;
    char mark; /* '!' seen, '+' proved, '-' not done */
    char text[TEXT], small[TEXT];
};

static void plain(char *text) /* names come from outside: nothing in them moves the cursor */
{
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
}

static void upper(const char *host, char ret[64])
{
    (void)snprintf(ret, 64, "%s", host && *host ? host : "");
    if (strncmp(ret, "pc", 2) == 0)
        ret[0] = 'P', ret[1] = 'C';
}

static bool has_attack(const struct mmr_finding *f, const char *id)
{
    for (uint32_t k = 0; k < f->n_attack; k++)
        if (strncmp(f->attack[k], id, strlen(id)) == 0)
            return true;
    return false;
}

static void say_finding(const struct mmr_tell *t, const struct mmr_finding *f, const char *place, struct line *l)
{
    const bool is_net = f->side == MMR_SIDE_NETWORK;
    const char *ja = NULL, *en = NULL;
    if (f->autostart && *f->autostart)
        ja = "に、自動で動き出す細工をされました", en = " was rigged to start the bad program by itself";
    else if (f->phase == MMR_PHASE_ATTEMPT_INBOUND && has_attack(f, "T1110"))
        ja = "に、パスワードを当てて入ろうとする人がいます", en = ": somebody guesses passwords to get in";
    else if (f->phase == MMR_PHASE_ATTEMPT_INBOUND)
        ja = "に、外から攻撃が届きました", en = ": an attack from outside reached it";
    else if (f->phase == MMR_PHASE_ATTEMPT_USER || (f->phase == MMR_PHASE_FOOTHOLD_PROCESS && is_net))
        ja = "が、攻撃した相手からプログラムを受け取りました", en = " fetched a program from the attacker";
    else if (f->phase == MMR_PHASE_FOOTHOLD_PROCESS)
        ja = "で、悪いプログラムが動きました", en = ": a bad program ran";
    else if (f->phase == MMR_PHASE_FOOTHOLD_C2)
        ja = "が、あやしい相手と通信しました", en = " talked to a suspicious address";
    else if (f->phase == MMR_PHASE_SPREAD)
        ja = "から、ほかの機械に広がろうとしています", en = " tries to spread to other machines";
    else
        ja = "で、気になることがありました", en = ": something odd";
    l->mark = '!';
    (void)snprintf(l->text, sizeof l->text, "%s  %s%s", is_net ? pick(t, "通信  ", "network ") : pick(t, "端末  ", "endpoint"), place, pick(t, ja, en));
    (void)snprintf(l->small, sizeof l->small, "%.120s", f->title ? f->title : f->rule ? f->rule : "");
}

static const struct {
    enum mmr_verb verb;
    const char *ja, *en;
} verbs[] = {
    {MMR_VERB_KILL_PROCESS, "悪いプログラムを止めました", "bad program stopped"},
    {MMR_VERB_FREEZE_PROCESS, "悪いプログラムを固めました", "bad program frozen"},
    {MMR_VERB_QUARANTINE_FILE, "悪いプログラムを、使えない場所に移しました", "bad program moved where it cannot run"},
    {MMR_VERB_REMOVE_AUTOSTART, "自動で動き出す細工を外しました", "self-start entry taken out"},
    {MMR_VERB_ISOLATE_HOST, "つながりを切りました", "machine cut off"},
    {MMR_VERB_CUT_FLOW, "通信を切りました", "connection cut"},
};

static void say_action(const struct mmr_tell *t, const struct mmr_action_rec *a, struct line *l)
{
    const bool is_proved = a->receipt.verified == MMR_VERIFIED_CONFIRMED;
    char place[64], target[320];
    const char *ja = "相手との通信を断ちました", *en = "attacker's address denied";
    upper(a->target.host, place);
    for (size_t k = 0; k < sizeof verbs / sizeof verbs[0]; k++)
        if (verbs[k].verb == a->verb)
            ja = verbs[k].ja, en = verbs[k].en;
    mmr_target_format(a->verb, &a->target, target, sizeof target);
    l->mark = is_proved ? '+' : '-';
    const char *who = a->side == MMR_SIDE_NETWORK ? pick(t, "出入口", "gateway ") : pick(t, "端末  ", "endpoint");
    const char *at = a->side == MMR_SIDE_NETWORK ? "" : place, *sep = *at ? pick(t, "：", ": ") : "";
    if (is_proved)
        (void)snprintf(l->text, sizeof l->text, "%s  %s%s%s%s", who, at, sep, pick(t, ja, en), pick(t, "。確かめました", ", proved"));
    else
        (void)snprintf(l->text, sizeof l->text, "%s  %s%s%s: %s", who, at, sep, pick(t, "できませんでした", "not done"), pick(t, ja, en));
    (void)snprintf(l->small, sizeof l->small, "%.160s%s%.120s", target, is_proved ? "" : " — ", is_proved ? "" : a->receipt.detail);
}

static int by_time(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    return x->at_ns < y->at_ns ? -1 : x->at_ns > y->at_ns;
}

static const char *place_of(const struct mmr_incident *i, const struct mmr_finding *f, char ret[64])
{
    const struct mmr_addr *a = f->phase == MMR_PHASE_ATTEMPT_INBOUND ? &f->dst : &f->src;
    if (f->host && *f->host) {
        upper(f->host, ret);
        return ret;
    }
    for (uint32_t h = 0; h < i->n_hosts; h++)
        for (size_t k = 0; k < 4; k++)
            if (mmr_addr_is_set(&i->hosts[h].addr[k]) && (mmr_addr_equal(&i->hosts[h].addr[k], &f->dst) || mmr_addr_equal(&i->hosts[h].addr[k], &f->src)) &&
                i->hosts[h].name[0]) {
                upper(i->hosts[h].name, ret);
                return ret;
            }
    mmr_addr_format(a, ret);
    return ret;
}

/* ---- the class ---- */

static const struct {
    const char *effect, *ja, *en;
} open_words[] = {
    {"stop", "パソコンの中の原因（悪いプログラム）は、まだ止まっていません", "the cause on the PC (the bad program) is not neutralised"},
    {"neutralise", "パソコンの中の原因は、取り除かれていません", "the cause on the PC is not neutralised"},
    {"quarantine", "悪いプログラムが、まだパソコンに残っています", "the bad program is still on the PC: the cause is not neutralised"},
    {"no autostart", "自動で動き出す細工が、まだ残っています", "the self-start entry is still there: the cause is not neutralised"},
    {"deny", "相手との通信を、まだ断てていません", "the attacker's address is not denied"},
};

static void say_class(const struct mmr_tell *t, const struct mmr_incident *i)
{
    const char *ja = "判定中です", *en = "not decided yet", *why_ja = "", *why_en = "", *mark = "?";
    for (uint32_t k = 0; k < i->n_why; k++) {
        const char *open = strstr(i->why[k], "; open: ");
        for (size_t w = 0; open && !*why_ja && w < sizeof open_words / sizeof open_words[0]; w++)
            if (strncmp(open + 8, open_words[w].effect, strlen(open_words[w].effect)) == 0)
                why_ja = open_words[w].ja, why_en = open_words[w].en;
        if (strncmp(i->why[k], "H unknown", 9) == 0 && i->row == 11)
            why_ja = "止めるまでの間に何もなかったと、言い切れません", why_en = "that nothing happened before the stop cannot be shown";
    }
    if (i->class_current == MMR_CLASS_OF_DEFENDED) {
        ja = "止めました。していただくことはありません", en = "DEFENDED: nothing for you to do", mark = "✔";
        why_ja = "必要な守りがすべて効き、それを確かめました", why_en = "every effect that was needed is in force and proved";
    } else if (i->class_current == MMR_CLASS_OF_SEVERE && i->band == MMR_BAND_RED) {
        ja = "至急のお知らせ：すぐに対応が必要です", en = "SEVERE: act now", mark = "■";
    } else if (i->class_current == MMR_CLASS_OF_SEVERE) {
        ja = "お早めに：確認のお願いがあります", en = "SEVERE: check soon", mark = "▲";
    } else if (i->class_current == MMR_CLASS_OF_NO_RESPONSE) {
        ja = "対応のいらないできごとです", en = "no response needed", mark = "✔";
    }
    (void)printf("      %s%s %s%s %s%s%s\n", i->class_current == MMR_CLASS_OF_SEVERE ? RED(t) : GREEN(t), mark, pick(t, ja, en), PLAIN(t),
                 *pick(t, why_ja, why_en) ? "— " : "", pick(t, why_ja, why_en), pick(t, "。", "."));
}

static void as_json(struct mmr_tell *t, const struct mmr_incident *i, const struct line *lines, size_t n, int64_t first_ns)
{
    struct json_object *o = json_object_new_object(), *list = json_object_new_array(), *why = json_object_new_array();
    json_object_object_add(o, "class", json_object_new_string(mmr_class_name(i->class_current)));
    json_object_object_add(o, "band", json_object_new_string(mmr_band_name(i->band)));
    json_object_object_add(o, "row", json_object_new_int(i->row));
    for (size_t k = 0; k < n; k++) {
        struct json_object *x = json_object_new_object();
        json_object_object_add(x, "ms", json_object_new_double((double)(lines[k].at_ns - first_ns) / 1e6));
        json_object_object_add(x, "is", json_object_new_string(lines[k].mark == '+' ? "proved" : lines[k].mark == '!' ? "seen" : "not_done"));
        json_object_object_add(x, "text", json_object_new_string(lines[k].text));
        json_object_object_add(x, "what", json_object_new_string(lines[k].small));
        json_object_array_add(list, x);
    }
    for (uint32_t k = 0; k < i->n_why; k++)
        json_object_array_add(why, json_object_new_string(i->why[k]));
    json_object_object_add(o, "timeline", list);
    json_object_object_add(o, "why", why);
    struct json_object *incidents = NULL;
    if (!json_object_object_get_ex(t->act, "incidents", &incidents)) {
        incidents = json_object_new_array();
        json_object_object_add(t->act, "incidents", incidents);
    }
    json_object_array_add(incidents, o);
}

/* Given again, and proved then: the owner needs to know of one. */
static bool is_done_later(const struct mmr_incident *i, const struct mmr_action_rec *a)
{
    for (uint32_t k = 0; a->receipt.verified != MMR_VERIFIED_CONFIRMED && k < i->n_actions; k++) {
        const struct mmr_action_rec *b = &i->actions[k];
        if (b != a && b->verb == a->verb && mmr_target_equal(a->verb, &a->target, &b->target) && b->receipt.verified == MMR_VERIFIED_CONFIRMED)
            return true;
    }
    return false;
}

void mmr_tell_incident(struct mmr_tell *t, const struct mmr_incident *i, int64_t first_ns)
{
    struct line *l = calloc(LINES_MAX, sizeof *l);
    size_t n = 0;
    if (!l || !i) {
        free(l);
        return;
    }
    for (uint32_t k = 0; k < i->n_evidence && n < LINES_MAX / 2; k++) {
        const struct mmr_finding *f = i->evidence[k].finding;
        char place[64];
        if (f->phase == MMR_PHASE_NONE || f->potential == MMR_POTENTIAL_INFO)
            continue;
        say_finding(t, f, place_of(i, f, place), &l[n]);
        l[n].at_ns = f->received_ns ? f->received_ns : mmr_finding_time(f);
        bool is_said = false;
        for (size_t m = 0; m < n && !is_said; m++)
            is_said = strcmp(l[m].text, l[n].text) == 0;
        n += !is_said || t->is_json;
    }
    for (uint32_t k = 0; k < i->n_actions && n < LINES_MAX; k++) {
        const struct mmr_action_rec *a = &i->actions[k];
        if (a->verb == MMR_VERB_QUERY_CONNECTION_OWNER)
            continue;
        if (!t->is_json && is_done_later(i, a))
            continue;
        say_action(t, a, &l[n]);
        l[n].at_ns = a->receipt.verified_ns ? a->receipt.verified_ns : a->receipt.applied_ns ? a->receipt.applied_ns : a->ordered_ns;
        n++;
    }
    qsort(l, n, sizeof *l, by_time);
    for (size_t k = 0; k < n; k++) {
        plain(l[k].text);
        plain(l[k].small);
    }
    if (t->is_json) {
        as_json(t, i, l, n, first_ns);
        free(l);
        return;
    }
    for (size_t k = 0; k < n; k++) {
        int64_t ms = (l[k].at_ns - first_ns + 500000) / 1000000;
        const char *c = l[k].mark == '+' ? GREEN(t) : l[k].mark == '-' ? RED(t) : YELLOW(t);
        (void)printf("    %s%6lld ms%s  %s%s%s %s  %s%s%s\n", BOLD(t), (long long)ms, PLAIN(t), c, l[k].mark == '+' ? "●" : l[k].mark == '-' ? "✘" : "▲", PLAIN(t),
                     l[k].text, DIM(t), l[k].small, PLAIN(t));
    }
    say_class(t, i);
    (void)fflush(stdout);
    free(l);
}

void mmr_tell_done(struct mmr_tell *t, int64_t total_ms)
{
    if (t->is_json) {
        json_object_object_add(t->root, "ok", json_object_new_boolean(t->wrong == 0));
        json_object_object_add(t->root, "right", json_object_new_int((int)t->right));
        json_object_object_add(t->root, "wrong", json_object_new_int((int)t->wrong));
        json_object_object_add(t->root, "seconds", json_object_new_double((double)total_ms / 1000));
        (void)printf("%s\n", json_object_to_json_string_ext(t->root, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
    } else {
        (void)printf(t->is_ja ? "\n  %s%s %u件を確かめ、%u件が期待どおりでした%s（%.1f秒。あとには何も残していません）\n\n" : "\n  %s%s %u checked, %u as they should be%s (%.1f s; nothing is left behind)\n\n",
                     t->wrong ? RED(t) : GREEN(t), t->wrong ? "✘" : "✔", t->right + t->wrong, t->right, PLAIN(t), (double)total_ms / 1000);
    }
    (void)fflush(stdout);
    json_object_put(t->root);
    t->root = t->act = NULL;
}
