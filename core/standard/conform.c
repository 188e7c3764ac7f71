/* conform.c - the clauses of SERVICE_STANDARD section 2 as a table, and the gap list of 3.2. */
#include "standard/conform.h"

#include "model/action.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *mmr_clause_state_name(enum mmr_clause_state s)
{
    static const char *const names[] = {"unknown", "ok", "gap", "provider"};
    return (unsigned)s < sizeof names / sizeof names[0] ? names[s] : "unknown";
}

struct known {
    const struct mmr_conform_in *in;
    uint32_t caps;
    struct mmr_relief relief;
};
typedef enum mmr_clause_state (*clause_fn)(const struct known *k, char *why, size_t cap);

static enum mmr_clause_state answer(char *why, size_t cap, enum mmr_clause_state s,
                                    const char *text)
{
    (void)snprintf(why, cap, "%s", text);
    return s;
}

static bool wants_net(const struct known *k)
{
    return k->in->type != MMR_TYPE_ENDPOINT;
}
static bool wants_ep(const struct known *k)
{
    return k->in->type != MMR_TYPE_NETWORK;
}

static enum mmr_clause_state capability(const struct known *k, char *why, size_t cap,
                                        bool is_wanted, uint32_t c, const char *name)
{
    if (!is_wanted)
        return answer(why, cap, MMR_CLAUSE_OK, "not asked of this type of service");
    const bool has = (k->caps & c) != 0;
    (void)snprintf(why, cap, "%s %s", name,
                   has ? "is given by a listed, loaded, healthy plugin"
                       : "is given by no listed, loaded, healthy plugin");
    return has ? MMR_CLAUSE_OK : MMR_CLAUSE_GAP;
}

static enum mmr_clause_state inbound(const struct known *k, char *why, size_t cap)
{
    return capability(k, why, cap, wants_net(k), MMR_CAP_NET_DETECT_INBOUND, "net.detect.inbound");
}

static enum mmr_clause_state outbound(const struct known *k, char *why, size_t cap)
{
    return capability(k, why, cap, wants_net(k), MMR_CAP_NET_DETECT_OUTBOUND,
                      "net.detect.outbound");
}

static enum mmr_clause_state net_defence(const struct known *k, char *why, size_t cap)
{
    if (wants_net(k) && k->in->type == MMR_TYPE_COMBINED && k->relief.net_defence_relieved)
        return answer(why, cap, MMR_CLAUSE_OK, "relieved: the endpoint side defends");
    return capability(k, why, cap, wants_net(k), MMR_CAP_NET_DEFEND, "net.defend");
}

static enum mmr_clause_state endpoint(const struct known *k, char *why, size_t cap)
{
    if (!wants_ep(k))
        return answer(why, cap, MMR_CLAUSE_OK, "not asked of this type of service");
    if (!(k->caps & MMR_CAP_EP_DETECT))
        return answer(why, cap, MMR_CLAUSE_GAP,
                      "ep.detect is given by no listed, loaded, healthy plugin");
    if (k->caps & MMR_CAP_EP_DEFEND)
        return answer(why, cap, MMR_CLAUSE_OK, "ep.detect and ep.defend are given");
    if ((k->caps & MMR_CAP_EP_DEFEND_LINKED) && k->in->is_linked)
        return answer(why, cap, MMR_CLAUSE_OK,
                      "ep.detect is given; a linked defence acts, and its receipts are read");
    if (k->in->type == MMR_TYPE_COMBINED && k->relief.ep_defence_relieved)
        return answer(why, cap, MMR_CLAUSE_OK,
                      "ep.detect is given; defence relieved: the network side defends");
    return answer(why, cap, MMR_CLAUSE_GAP,
                  k->relief.is_linked_idle ? "the linked defence brings no receipts"
                                           : "nobody defends for the endpoints");
}

static enum mmr_clause_state relief(const struct known *k, char *why, size_t cap)
{
    if (k->in->type != MMR_TYPE_COMBINED)
        return answer(why, cap, MMR_CLAUSE_OK, "not asked of this type of service");
    if (k->relief.combined)
        return answer(
            why, cap, MMR_CLAUSE_OK,
            k->relief.net_defence_relieved  ? "network defence relieved by endpoint defence"
            : k->relief.ep_defence_relieved ? "endpoint defence relieved by network defence"
                                            : "no relief needed: both sides defend");
    if ((k->relief.missing & MMR_CAP_NET_DEFEND) && (k->relief.missing & MMR_CAP_EP_DEFEND))
        return answer(why, cap, MMR_CLAUSE_GAP, "no side defends; circular relief is not allowed");
    return answer(why, cap, MMR_CLAUSE_GAP,
                  "detection is missing on a side, and detection is never relieved");
}

static enum mmr_clause_state coverage(const struct mmr_coverage *c, char *why, size_t cap,
                                      const char *unit)
{
    if (!c)
        return answer(why, cap, MMR_CLAUSE_UNKNOWN, "not measured yet");
    if (c->is_ok)
        (void)snprintf(why, cap, "%u of %u %s", c->have, c->want, unit);
    else
        (void)snprintf(why, cap, "%.150s", c->n_gaps ? c->gap[0].text : "gap");
    return c->is_ok ? MMR_CLAUSE_OK : MMR_CLAUSE_GAP;
}

static enum mmr_clause_state net_coverage(const struct known *k, char *why, size_t cap)
{
    if (!wants_net(k))
        return answer(why, cap, MMR_CLAUSE_OK, "not asked of this type of service");
    return coverage(k->in->net, why, cap, "exits have a working sensor");
}

static enum mmr_clause_state ep_coverage(const struct known *k, char *why, size_t cap)
{
    if (!wants_ep(k))
        return answer(why, cap, MMR_CLAUSE_OK, "not asked of this type of service");
    return coverage(k->in->ep, why, cap, "important endpoints have a healthy agent");
}

static enum mmr_clause_state office_devices(const struct known *k, char *why, size_t cap)
{
    (void)k;
    return answer(
        why, cap, MMR_CLAUSE_OK,
        "office devices are left out of the endpoint coverage; their traffic stays watched");
}

static enum mmr_clause_state capability_report(const struct known *k, char *why, size_t cap)
{
    const struct mmr_conform_in *in = k->in;
    if (in->tests_passed + in->tests_failed + in->tests_open == 0)
        return answer(why, cap, MMR_CLAUSE_UNKNOWN,
                      "no result of a detection self-test is recorded: capabilities are unproven");
    (void)snprintf(why, cap, "self-tests: %u passed, %u failed, %u not finished; 'mamori capability report' names them",
                   in->tests_passed, in->tests_failed, in->tests_open);
    return in->tests_failed ? MMR_CLAUSE_GAP : in->tests_open ? MMR_CLAUSE_UNKNOWN : MMR_CLAUSE_OK;
}

static enum mmr_clause_state listed_only(const struct known *k, char *why, size_t cap)
{
    if (k->in->refused_plugins) {
        (void)snprintf(why, cap, "%u unlisted or altered plugins are configured and refused",
                       k->in->refused_plugins);
        return MMR_CLAUSE_GAP;
    }
    if (!k->in->is_service_profile)
        return answer(why, cap, MMR_CLAUSE_UNKNOWN,
                      "profile is not \"service\": the tool manifest is not enforced");
    return answer(why, cap, MMR_CLAUSE_OK, "only listed plugins load");
}

static enum mmr_clause_state tools_named(const struct known *k, char *why, size_t cap)
{
    if (k->in->unnamed_tools) {
        (void)snprintf(why, cap, "%u tools in use name no maker; 'mamori disclose lint' says which", k->in->unnamed_tools);
        return MMR_CLAUSE_GAP;
    }
    return answer(why, cap, MMR_CLAUSE_UNKNOWN,
                  k->in->n_source ? "'mamori disclose' prints maker and model for the terms; 'mamori disclose lint --terms FILE' checks them"
                                  : "no plugin is in use");
}

static enum mmr_clause_state one_product(const struct known *k, char *why, size_t cap)
{
    (void)k;
    return answer(why, cap, MMR_CLAUSE_OK,
                  "the plugin set belongs to the service; no setting overrides it for one tenant");
}

static enum mmr_clause_state one_endpoint(const struct known *k, char *why, size_t cap)
{
    (void)k;
    return answer(why, cap, MMR_CLAUSE_OK, "no minimum number of endpoints anywhere");
}

static enum mmr_clause_state running(bool is_running, char *why, size_t cap, const char *part)
{
    (void)snprintf(why, cap, "%s %s", part,
                   is_running ? "is at work" : "is not at work, or was not asked");
    return is_running ? MMR_CLAUSE_OK : MMR_CLAUSE_UNKNOWN;
}

static enum mmr_clause_state watching(const struct known *k, char *why, size_t cap)
{
    return running(k->in->has_heartbeat, why, cap, "the heartbeat of the sensors");
}

static enum mmr_clause_state no_staff(const struct known *k, char *why, size_t cap)
{
    return running(k->in->has_notice_channel && k->in->has_evidence, why, cap,
                   "classification and notice without an operator");
}

static enum mmr_clause_state at_once(const struct known *k, char *why, size_t cap)
{
    return running(k->in->has_notice_channel, why, cap, "a tested notice channel");
}

static enum mmr_clause_state weekly(const struct known *k, char *why, size_t cap)
{
    return running(k->in->has_weekly_report, why, cap, "the weekly report");
}

static enum mmr_clause_state unrecorded(const struct known *k, char *why, size_t cap)
{
    (void)k;
    return answer(why, cap, MMR_CLAUSE_UNKNOWN,
                  "no record is kept on this node; the provider shows it");
}

static enum mmr_clause_state provider_duty(const struct known *k, char *why, size_t cap)
{
    (void)k;
    return answer(why, cap, MMR_CLAUSE_PROVIDER, "the provider's duty; nothing is recorded here");
}

static const struct {
    const char *id;
    char reach;
    const char *clause;
    clause_fn state;
} clauses[] = {
    {"SR-01", 'F', "第1章2.(1)ア 外部からの不審アクセス等の脅威の検知", inbound},
    {"SR-02", 'F', "第1章2.(1)イ 内部からの不正通信等の検知", outbound},
    {"SR-03", 'F', "第1章2.(1)ウ 検知した脅威等の防御", net_defence},
    {"SR-04", 'F',
     "第1章2.(2)ア 端末を常時監視し、異常や不審な挙動の検知; イ "
     "検知した異常等の防御(…連動して一体的に機能するその他の防御も含む)",
     endpoint},
    {"SR-05", 'F', "第1章2.(1) ただし書き, 2.(2) ただし書き 防御機能の実装は要件として求めない",
     relief},
    {"SR-06", 'S', "附則1.(3) ネットワーク通信全体を監視できるよう監視機器の設置する場所等を考慮",
     net_coverage},
    {"SR-07", 'S', "附則1.(4) 少なくとも重要情報を取り扱う端末には導入", ep_coverage},
    {"SR-08", 'F', "プリンターなどのオフィス機器の監視は…求めない", office_devices},
    {"SR-09", 'S', "「UTM等」「EDR等」…包括的に異常を監視できる機能", capability_report},
    {"SR-10", 'F', "登録以外の監視機器・監視ツールの使用は認められません", listed_only},
    {"SR-11", 'F', "契約台数にかかわらず…同一の製品", one_product},
    {"SR-12", 'F', "端末1台から契約可能", one_endpoint},
    {"SR-20", 'F', "1.(2) ア/イ 24時間見守り、攻撃を検知・通知する仕組み", watching},
    {"SR-21", 'S', "場所の特定や人的拘束を要件とするものではありません", no_staff},
    {"SR-22", 'F', "重大なインシデントの場合は、即時(60分以内を目標)", at_once},
    {"SR-23", 'F',
     "十分な対策を行ったインシデント、あるいはインシデント対応が不要なアラート…後日のレポート("
     "週1回)等",
     weekly},
    {"SR-30", 'S',
     "第2章1.(3) ユーザーから要請された場合、ユーザーの指定する場所に技術者を派遣(駆付け支援)",
     unrecorded},
    {"SR-31", 'F', "リモートによる対応支援が可能な場合には、ユーザーからの合意を得て", unrecorded},
    {"SR-32", 'S', "リモートによる対応支援だけでは足りず", unrecorded},
    {"SR-33", 'S',
     "少なくとも年1回はユーザーの自己負担が生じない(簡易サイバー保険を活用する場合を含めて)",
     unrecorded},
    {"SR-34", 'F', "導入に伴う初期対応に必要な駆付け支援を除き", unrecorded},
    {"SR-35", 'F', "移動に要する交通費などの諸経費は除くことができる", unrecorded},
    {"SR-40", 'P', "第2章1.(5) サイバー保険が付帯; 簡易サイバー保険の付帯は必須要件…損害保険",
     provider_duty},
    {"SR-41", 'S',
     "補償範囲(補償対象となる事項、補償回数、補償限度額、免責金額等)及び…自己負担が生じる場合",
     unrecorded},
    {"SR-42", 'S', "別途…分かりやすい説明資料", unrecorded},
    {"SR-43", 'P', "申請時点", provider_duty},
    {"SR-44", 'F', "第2章1.(6) 異常の監視装置の製造メーカー・型式", tools_named},
    {"SR-45", 'F', "サービス提供の所在国、把握している場合はデータ保存先の所在国", unrecorded},
    {"SR-46", 'S', "第2章1.(6) 一元的に契約可能", unrecorded},
    {"SR-47", 'F',
     "第2章1.(7)エ ネットワーク 50万円以下/端末 端末数によらず50万円以下/併用型 "
     "これらの和に相当する価格(100万円(税抜き))を超えない",
     unrecorded},
    {"SR-48", 'S', "第2章1.(7)ウ 初期費用、契約年数等…口頭又は書面により…説明", unrecorded},
    {"SR-49", 'S', "第2章1.(7)オ 違約金やユーザー側の契約解除の権利等", unrecorded},
    {"SR-50", 'S', "第1章2. 実施主体/再販協力会社", unrecorded},
    {"SR-51", 'S', "第2章1.(10) 再販協力会社…困難となる場合は、実施主体がその責任", unrecorded},
    {"SR-52", 'S', "第2章2.(3) サービス内容の変更…速やかに届け出", unrecorded},
    {"SR-53", 'P', "第2章1.(11) 日本の法令及び本基準…遵守; 第2章3.(3) 是正…登録を取り消す",
     provider_duty},
    {"SR-54", 'S', "第2章1.(10) 要員の確保、品質管理等", unrecorded},
    {"SR-60", 'F', "インストーラーを数回クリック…数十秒", unrecorded},
    {"SR-61", 'F', "最新化を遠隔にて自動で", unrecorded},
    {"SR-62", 'F', "ダッシュボード; 幅広く…問合せにも対応; 専用の問合せ窓口", unrecorded},
    {"SR-63", 'F', "既導入のソフトウェアとの相性も確認できる「無料セキュリティ診断」", unrecorded},
    {"SR-64", 'P', "設置方法…動画; リモートデスクトップでサポート", provider_duty},
    {"SR-65", 'S', "30社以上…運用サポートも行うなど; パートナー…参酌", unrecorded},
    {"SR-66", 'F', "サービスを登録するもの", unrecorded},
};
_Static_assert(sizeof clauses / sizeof clauses[0] <= MMR_CLAUSES_MAX, "raise MMR_CLAUSES_MAX");

/* ---- gap list ---- */

/* Which verbs, together, meet the need of a phase on one side; 0: that side cannot. */
static uint32_t bit(enum mmr_verb v)
{
    return 1u << (unsigned)v;
}

static uint32_t enough(enum mmr_side side, enum mmr_phase p)
{
    const bool is_net = side == MMR_SIDE_NETWORK;
    switch (p) {
    case MMR_PHASE_ATTEMPT_INBOUND:
        return bit(MMR_VERB_BLOCK_ADDR);
    case MMR_PHASE_ATTEMPT_USER:
        return is_net ? bit(MMR_VERB_BLOCK_ADDR) : bit(MMR_VERB_QUARANTINE_FILE);
    case MMR_PHASE_FOOTHOLD_PROCESS:
        return is_net ? 0
                      : bit(MMR_VERB_KILL_PROCESS) | bit(MMR_VERB_QUARANTINE_FILE) |
                            bit(MMR_VERB_REMOVE_AUTOSTART);
    case MMR_PHASE_FOOTHOLD_C2: /* nothing on the network neutralises the cause */
        return is_net ? 0
                      : bit(MMR_VERB_BLOCK_ADDR) | bit(MMR_VERB_KILL_PROCESS) |
                            bit(MMR_VERB_QUARANTINE_FILE);
    case MMR_PHASE_SPREAD:
        return is_net ? 0 : bit(MMR_VERB_ISOLATE_HOST) | bit(MMR_VERB_KILL_PROCESS);
    case MMR_PHASE_ACCOUNT:
        return is_net ? 0 : bit(MMR_VERB_LOCK_ACCOUNT);
    default:
        return 0;
    }
}

/* Where an agent of ours can run. */
static bool can_have_agent(enum mmr_asset_class a)
{
    return a == MMR_ASSET_PC || a == MMR_ASSET_SERVER;
}

static bool append_verbs(char *buf, size_t cap, const char *side, uint32_t verbs)
{
    size_t at = strlen(buf);
    int n = snprintf(buf + at, cap - at, "%s%s", at ? ", " : "", side);
    for (int v = 1; v < MMR_VERB_COUNT; v++) {
        if (!(verbs & bit((enum mmr_verb)v)))
            continue;
        at = strlen(buf);
        n = snprintf(buf + at, cap - at, " %s", mmr_verb_name((enum mmr_verb)v));
    }
    return n > 0;
}

static void fill_gap(const struct known *k, enum mmr_asset_class a, enum mmr_phase p,
                     struct mmr_gap_row *row)
{
    const uint32_t net = enough(MMR_SIDE_NETWORK, p), ep = enough(MMR_SIDE_ENDPOINT, p);
    *row = (struct mmr_gap_row){.asset = a, .phase = p};
    if ((k->caps & MMR_CAP_NET_DEFEND) && net && (k->in->verbs_net & net) == net)
        (void)append_verbs(row->defence, sizeof row->defence, "network", net);
    if (can_have_agent(a) && (k->caps & MMR_CAP_EP_DEFEND) && ep && (k->in->verbs_ep & ep) == ep)
        (void)append_verbs(row->defence, sizeof row->defence, "endpoint", ep);
    else if (can_have_agent(a) && (k->caps & MMR_CAP_EP_DEFEND_LINKED) && k->in->is_linked && ep)
        (void)append_verbs(row->defence, sizeof row->defence, "linked endpoint defence", 0);
    row->is_none = row->defence[0] == '\0';
    if (row->is_none)
        memcpy(row->defence, "none", sizeof "none");
}

void mmr_conform_check(const struct mmr_conform_in *in, struct mmr_conform *ret)
{
    struct known k = {.in = in};
    memset(ret, 0, sizeof *ret);
    for (size_t i = 0; i < in->n_source; i++)
        k.caps |= mmr_caps_of(&in->source[i]);
    k.relief = mmr_relief_of(k.caps, in->is_linked);
    ret->caps = k.caps;
    ret->relief = k.relief;
    ret->is_conforming = in->type == MMR_TYPE_NETWORK    ? k.relief.network
                         : in->type == MMR_TYPE_ENDPOINT ? k.relief.endpoint
                                                         : k.relief.combined;
    for (size_t i = 0; i < sizeof clauses / sizeof clauses[0]; i++) {
        struct mmr_clause_result *c = &ret->clause[ret->n_clause++];
        c->id = clauses[i].id;
        c->clause = clauses[i].clause;
        c->reach = clauses[i].reach;
        c->state = clauses[i].state(&k, c->why, sizeof c->why);
        if (c->reach == 'F' && c->state == MMR_CLAUSE_GAP)
            ret->is_conforming = false;
    }
    static const enum mmr_asset_class assets[] = {
        MMR_ASSET_PC,      MMR_ASSET_SERVER,        MMR_ASSET_NAS,
        MMR_ASSET_NETWORK, MMR_ASSET_OFFICE_DEVICE, MMR_ASSET_MOBILE,
        MMR_ASSET_OTHER};
    for (size_t a = 0; a < sizeof assets / sizeof assets[0]; a++)
        for (int p = MMR_PHASE_ATTEMPT_INBOUND; p <= MMR_PHASE_IMPACT; p++)
            fill_gap(&k, assets[a], (enum mmr_phase)p, &ret->gap[ret->n_gap++]);
}

/* ---- JSON ---- */

static bool put(struct json_object *o, const char *key, struct json_object *v)
{
    if (v && json_object_object_add(o, key, v) == 0)
        return true;
    if (v)
        (void)json_object_put(v);
    return false;
}

static bool put_text(struct json_object *o, const char *key, const char *text)
{
    return put(o, key, json_object_new_string(text));
}

static const struct {
    uint32_t cap;
    const char *name, *sign;
} cap_names[] = {
    {MMR_CAP_NET_DETECT_INBOUND, "net.detect.inbound", "Na"},
    {MMR_CAP_NET_DETECT_OUTBOUND, "net.detect.outbound", "Ni"},
    {MMR_CAP_NET_DEFEND, "net.defend", "Nu"},
    {MMR_CAP_EP_DETECT, "ep.detect", "Ea"},
    {MMR_CAP_EP_DEFEND, "ep.defend", "Ei"},
    {MMR_CAP_EP_DEFEND_LINKED, "ep.defend.linked", "linked"},
};

static bool push(struct json_object *array, struct json_object *v)
{
    if (v && json_object_array_add(array, v) == 0)
        return true;
    if (v)
        (void)json_object_put(v);
    return false;
}

static bool put_lists(struct json_object *o, const struct mmr_conform *c)
{
    struct json_object *caps = json_object_new_array(), *relief = json_object_new_array(),
                       *missing = json_object_new_array();
    bool ok = put(o, "capabilities", caps);
    ok = put(o, "relief", relief) && ok;
    ok = put(o, "missing", missing) && ok;
    for (size_t i = 0; ok && i < sizeof cap_names / sizeof cap_names[0]; i++) {
        if (c->caps & cap_names[i].cap)
            ok = push(caps, json_object_new_string(cap_names[i].name));
        if (ok && (c->relief.missing & cap_names[i].cap))
            ok = push(missing, json_object_new_string(cap_names[i].sign));
    }
    if (ok && c->relief.net_defence_relieved)
        ok = push(relief, json_object_new_string("network defence"));
    if (ok && c->relief.ep_defence_relieved)
        ok = push(relief, json_object_new_string("endpoint defence"));
    return ok;
}

static bool put_rows(struct json_object *o, const struct mmr_conform *c)
{
    struct json_object *rows = json_object_new_array(), *gaps = json_object_new_array();
    bool ok = put(o, "clauses", rows);
    ok = put(o, "gaps", gaps) && ok;
    for (size_t i = 0; ok && i < c->n_clause; i++) {
        const struct mmr_clause_result *r = &c->clause[i];
        const char reach[2] = {r->reach, '\0'};
        struct json_object *x = json_object_new_object();
        ok = push(rows, x) && put_text(x, "id", r->id) && put_text(x, "clause", r->clause) &&
             put_text(x, "reach", reach) && put_text(x, "state", mmr_clause_state_name(r->state)) &&
             put_text(x, "why", r->why);
    }
    for (size_t i = 0; ok && i < c->n_gap; i++) {
        struct json_object *x = json_object_new_object();
        ok = push(gaps, x) && put_text(x, "asset", mmr_asset_class_name(c->gap[i].asset)) &&
             put_text(x, "phase", mmr_phase_name(c->gap[i].phase)) &&
             put_text(x, "defence", c->gap[i].defence);
    }
    return ok;
}

char *mmr_conform_json(const struct mmr_conform *c, const struct mmr_conform_in *in)
{
    static const char *const types[] = {"combined", "network", "endpoint"};
    struct json_object *o = json_object_new_object();
    char *copy = NULL;
    if (o && put_text(o, "type", types[in->type]) &&
        put_text(o, "result", c->is_conforming ? "conform" : "fail") &&
        put_text(o, "network", c->relief.network ? "conform" : "fail") &&
        put_text(o, "endpoint", c->relief.endpoint ? "conform" : "fail") &&
        put_text(o, "combined", c->relief.combined ? "conform" : "fail") && put_lists(o, c) &&
        put_rows(o, c)) {
        const char *text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
                                                                 JSON_C_TO_STRING_NOSLASHESCAPE);
        copy = text ? strdup(text) : NULL;
    }
    if (o)
        (void)json_object_put(o);
    return copy;
}
