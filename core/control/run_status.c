/* run_status.c - questions from the control socket: answered here, or passed on to the core. */
#include "control/run_internal.h"

#include "plugin/describe.h"
#include "standard/relief.h"
#include "util/clock.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_MAX = 4 << 20, OLD_S = 20 };

static void put(struct json_object *o, const char *key, const char *text)
{
    json_object_object_add(o, key, text ? json_object_new_string(text) : NULL);
}

static struct json_object *instances_json(const struct mmr_run_host *h)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < h->n; i++) {
        const struct mmr_host_info *x = mmr_host_info(h->child, i);
        struct mmr_runtime_counters n = {0};
        struct json_object *o = json_object_new_object(), *caps = json_object_new_array();
        (void)mmr_host_counters(h->child, i, &n);
        put(o, "name", h->instance[i]);
        put(o, "plugin", mmr_host_instance_plugin(h->child, i));
        put(o, "version", x && x->is_known ? x->version : "");
        put(o, "side", x && x->is_known ? (x->side == MMR_SIDE_NETWORK ? "network" : "endpoint") : "");
        for (unsigned b = 0; x && x->is_known && b < MMR_CAPS; b++)
            if (x->caps & (1u << b))
                json_object_array_add(caps, json_object_new_string(mmr_cap_name((enum mmr_cap)(1u << b))));
        json_object_object_add(o, "caps", caps);
        mmr_run_tool_json(o, &h->tool[i], x);
        json_object_object_add(o, "events", json_object_new_int64((int64_t)n.emitted));
        json_object_object_add(o, "dropped", json_object_new_int64((int64_t)n.dropped));
        json_object_object_add(o, "refused", json_object_new_int64((int64_t)n.refused));
        json_object_object_add(o, "receipts", json_object_new_int64((int64_t)n.receipts));
        json_object_object_add(o, "forwards", json_object_new_int64((int64_t)n.forwards));
        json_object_array_add(list, o);
    }
    return list;
}

static struct json_object *end_json(const struct mmr_child_end *e)
{
    char at[32];
    if (!e->at_ns)
        return NULL;
    struct json_object *o = json_object_new_object();
    mmr_time_format(e->at_ns, at, sizeof at);
    put(o, "cause", mmr_child_cause_name(e->cause));
    json_object_object_add(o, "status", json_object_new_int(e->status));
    put(o, "at", at);
    put(o, "instance", e->instance);
    put(o, "text", e->text);
    return o;
}

static struct json_object *sandbox_json(const struct mmr_run_host *h)
{
    const struct mmr_host_sandbox *x = mmr_host_sandbox(h->child);
    if (!x || !x->is_known)
        return NULL;
    struct json_object *o = json_object_new_object();
    json_object_object_add(o, "user", json_object_new_int64(x->user));
    json_object_object_add(o, "landlock", json_object_new_int(x->landlock));
    json_object_object_add(o, "memory_ceiling", json_object_new_boolean(x->has_ceiling));
    put(o, "no_landlock", x->no_landlock[0] ? x->no_landlock : NULL);
    return o;
}

static struct json_object *child_json(const struct mmr_child *c, const struct mmr_run_host *h)
{
    struct json_object *o = json_object_new_object();
    struct mmr_child_status st;
    mmr_child_status(c, &st);
    put(o, "name", st.name);
    put(o, "state", mmr_child_state_name(st.state));
    json_object_object_add(o, "pid", st.pid > 0 ? json_object_new_int(st.pid) : NULL);
    json_object_object_add(o, "restarts", json_object_new_int((int32_t)st.restarts));
    json_object_object_add(o, "rss_bytes", json_object_new_int64(st.rss_bytes));
    json_object_object_add(o, "next_start_ms", json_object_new_int64(st.next_start_ms));
    json_object_object_add(o, "last_end", end_json(&st.end));
    json_object_object_add(o, "sandbox", h ? sandbox_json(h) : NULL);
    json_object_object_add(o, "instances", h ? instances_json(h) : json_object_new_array());
    return o;
}

static int64_t brain_int(const struct mmr_run_state *s, const char *key)
{
    struct json_object *v = NULL;
    return s->brain && json_object_object_get_ex(s->brain, key, &v) ? json_object_get_int64(v) : 0;
}

/* Everything that runs here and at the nodes; defence in dry run gives none. */
static uint32_t capabilities(const struct mmr_run_state *s)
{
    uint32_t caps = 0;
    bool is_dry = strcmp(mmr_config_str(s->config, "defence.mode"), "auto") != 0;
    struct json_object *nodes = NULL, *v = NULL;
    for (size_t i = 0; i < s->n_hosts; i++) {
        struct mmr_child_status st;
        mmr_child_status(s->host[i].child, &st);
        for (size_t k = 0; st.state == MMR_CHILD_RUNNING && k < s->host[i].n; k++) {
            const struct mmr_host_info *x = mmr_host_info(s->host[i].child, k);
            if (x && x->is_known && !s->host[i].is_dry_run[k])
                caps |= x->caps;
        }
    }
    if (s->brain && json_object_object_get_ex(s->brain, "nodes", &nodes))
        for (size_t i = 0; i < json_object_array_length(nodes); i++) {
            struct json_object *n = json_object_array_get_idx(nodes, i);
            if (json_object_object_get_ex(n, "up", &v) && json_object_get_boolean(v) && json_object_object_get_ex(n, "caps", &v))
                caps |= (uint32_t)json_object_get_int64(v);
        }
    if (is_dry)
        caps &= ~(uint32_t)(MMR_CAP_NET_DEFEND | MMR_CAP_EP_DEFEND | MMR_CAP_EP_DEFEND_LINKED);
    return caps;
}

static struct json_object *brain_part(const struct mmr_run_state *s, const char *key)
{
    struct json_object *v = NULL;
    return s->brain && json_object_object_get_ex(s->brain, key, &v) ? v : NULL;
}

/* Can people be told? A way that failed its test, a list of contacts the service profile does not allow, reports that reach
 * nobody. Returns whether something was said. */
static bool say_notices(const struct mmr_run_state *s, bool is_ja, struct json_object *why)
{
    struct json_object *notices = brain_part(s, "notices"), *reports = brain_part(s, "reports"), *v = NULL, *tests = NULL;
    const size_t before = json_object_array_length(why);
    char text[400];
    bool is_service = strcmp(mmr_config_str(s->config, "profile"), "service") == 0;
    if (is_service && notices && json_object_object_get_ex(notices, "problem", &v)) {
        (void)snprintf(text, sizeof text, is_ja ? "お知らせ先が足りません（%s）。" : "Contacts for urgent messages: %s.", json_object_get_string(v));
        json_object_array_add(why, json_object_new_string(text));
    }
    for (size_t i = 0; notices && json_object_object_get_ex(notices, "tests", &tests) && i < json_object_array_length(tests); i++) {
        struct json_object *one = json_object_array_get_idx(tests, i), *contact = NULL, *channel = NULL;
        if (!json_object_object_get_ex(one, "level", &v) || !v || json_object_get_int(v) > 0)
            continue;
        (void)json_object_object_get_ex(one, "contact", &contact);
        (void)json_object_object_get_ex(one, "channel", &channel);
        (void)snprintf(text, sizeof text, is_ja ? "お知らせの試しが「%s」へ届きませんでした（%s）。「mamori notice test」でお確かめください。"
                                                : "The test message to '%s' by %s did not go out; see 'mamori notice test'.",
                       json_object_get_string(contact), json_object_get_string(channel));
        json_object_array_add(why, json_object_new_string(text));
    }
    if (reports && json_object_object_get_ex(reports, "call", &v) && json_object_get_boolean(v))
        json_object_array_add(why, json_object_new_string(is_ja ? "週報が2回続けて、届いたことを確かめられません。お電話でお確かめください。"
                                                                 : "Two weekly reports in a row are not known to have arrived; please ask by telephone."));
    return json_object_array_length(why) > before;
}

/* The light, and every reason for it in a sentence; ja and en say the same. */
static const char *light_of(const struct mmr_run_state *s, bool is_ja, struct json_object *why)
{
    const char *light = "green";
    char text[300];
#define SAY(ja, en) json_object_array_add(why, json_object_new_string(is_ja ? (ja) : (en)))
    bool is_known = s->is_core_ready && s->brain && mmr_clock_mono_ns() - s->brain_at_ns < OLD_S * MMR_NS_PER_S;
    for (size_t i = 0; i < s->n_hosts; i++) {
        struct mmr_child_status st;
        mmr_child_status(s->host[i].child, &st);
        if (st.state == MMR_CHILD_RUNNING)
            continue;
        (void)snprintf(text, sizeof text, is_ja ? "見守りの部品「%s」が動いていません（%s）。" : "The part '%s' is not running (%s).",
                       s->host[i].name, mmr_child_state_name(st.state));
        json_object_array_add(why, json_object_new_string(text));
        light = "yellow";
    }
    for (size_t i = 0; i < s->trust.n_refused; i++) {
        const struct mmr_run_refused *x = &s->trust.refused[i];
        (void)snprintf(text, sizeof text, is_ja ? "部品「%s」は安全を確かめられないため動かしていません（%s）。「mamori plugin list」に理由があります。"
                                                : "The part '%s' was refused (%s); 'mamori plugin list' says why.",
                       x->instance, x->reason);
        json_object_array_add(why, json_object_new_string(text));
        light = "yellow";
    }
    if (strcmp(mmr_config_str(s->config, "defence.mode"), "auto") != 0) {
        SAY("自動で止める動きはまだ練習中です。「mamori agree」で同意すると、実際に止めるようになります。",
            "Automatic defence is a dry run until you agree to it with 'mamori agree'.");
        light = "yellow";
    }
    struct mmr_relief relief = mmr_relief_of(capabilities(s), false);
    for (unsigned b = 0; !s->is_endpoint && !relief.combined && b < MMR_CAPS; b++)
        if (relief.missing & (1u << b)) {
            (void)snprintf(text, sizeof text, is_ja ? "見守りがそろっていません（足りないもの：%s）。" : "The watch is not complete; missing: %s.",
                           mmr_cap_name((enum mmr_cap)(1u << b)));
            json_object_array_add(why, json_object_new_string(text));
            light = "yellow";
        }
    if (!s->is_endpoint && say_notices(s, is_ja, why))
        light = "yellow";
    if (brain_int(s, "incidents_severe") > 0) {
        SAY("急いで見ていただきたいできごとがあります。「mamori incident list」でご確認ください。",
            "There is an incident that needs you now; see 'mamori incident list'.");
        light = "red";
    }
    struct json_object *tests = NULL, *result = NULL;
    for (size_t i = 0; s->brain && json_object_object_get_ex(s->brain, "selftest", &tests) && i < json_object_array_length(tests); i++) {
        struct json_object *one = json_object_array_get_idx(tests, i), *name = NULL, *what = NULL;
        if (!json_object_object_get_ex(one, "result", &result) || strcmp(json_object_get_string(result), "failed") != 0)
            continue;
        (void)json_object_object_get_ex(one, "instance", &name);
        (void)json_object_object_get_ex(one, "what", &what);
        (void)snprintf(text, sizeof text, is_ja ? "部品「%s」は自分の試し（%s）に通りませんでした。" : "The part '%s' did not pass its own test: %s.",
                       json_object_get_string(name), json_object_get_string(what));
        json_object_array_add(why, json_object_new_string(text));
        if (strcmp(light, "green") == 0)
            light = "yellow";
    }
    struct json_object *nodes = NULL, *lost = NULL, *who = NULL;
    for (size_t i = 0; s->brain && json_object_object_get_ex(s->brain, "nodes", &nodes) && i < json_object_array_length(nodes); i++) {
        struct json_object *one = json_object_array_get_idx(nodes, i);
        if (!json_object_object_get_ex(one, "lost", &lost) || !json_object_get_boolean(lost) || !json_object_object_get_ex(one, "name", &who))
            continue;
        (void)snprintf(text, sizeof text, is_ja ? "端末「%s」から応答がありません。いまその端末は見守られていません。" : "The machine '%s' does not answer; nothing watches there now.",
                       json_object_get_string(who));
        json_object_array_add(why, json_object_new_string(text));
        if (strcmp(light, "green") == 0)
            light = "yellow";
    }
    if (s->brain && !s->is_endpoint && brain_int(s, "store_ok") == 0) {
        struct json_object *reason = NULL;
        (void)json_object_object_get_ex(s->brain, "store_error", &reason);
        (void)snprintf(text, sizeof text, is_ja ? "記録を書き込めません。ディスクの空きをご確認ください（%s）。" : "Records cannot be written; check the disk's free space (%s).",
                       reason ? json_object_get_string(reason) : "");
        json_object_array_add(why, json_object_new_string(text));
        light = "red";
    }
    if (!is_known) {
        SAY("いま状態を確認できません。", "The state cannot be known right now.");
        light = "grey";
    }
    if (json_object_array_length(why) == 0)
        SAY("問題ありません。", "All is well.");
#undef SAY
    return light;
}

static bool is_japanese(const struct mmr_run_state *s)
{
    const char *language = mmr_config_str(s->config, "language");
    if (strcmp(language, "auto") != 0)
        return strcmp(language, "ja") == 0;
    const char *lang = getenv("LC_ALL");
    if (!lang || !*lang)
        lang = getenv("LC_MESSAGES");
    if (!lang || !*lang)
        lang = getenv("LANG");
    return lang && strncmp(lang, "ja", 2) == 0;
}

struct json_object *mmr_run_status_json(struct mmr_run_state *s)
{
    struct json_object *o = json_object_new_object(), *hosts = json_object_new_array(), *why = json_object_new_array();
    char name[64] = "";
    (void)gethostname(name, sizeof name - 1);
    const char *node = mmr_config_str(s->config, "node.name");
    put(o, "node", node ? node : name);
    put(o, "role", s->is_endpoint ? "endpoint" : "hub");
    put(o, "profile", mmr_config_str(s->config, "profile"));
    put(o, "deployment", mmr_config_str(s->config, "deployment"));
    put(o, "mode", mmr_config_str(s->config, "defence.mode"));
    put(o, "version", MMR_VERSION);
    json_object_object_add(o, "uptime_s", json_object_new_int64((mmr_clock_mono_ns() - s->started_ns) / MMR_NS_PER_S));
    put(o, "config_dir", s->opts->config_dir);
    put(o, "light", light_of(s, is_japanese(s), why));
    json_object_object_add(o, "why", why);
    json_object_array_add(hosts, child_json(s->core, NULL));
    for (size_t i = 0; i < s->n_hosts; i++)
        json_object_array_add(hosts, child_json(s->host[i].child, &s->host[i]));
    if (s->measure)
        json_object_array_add(hosts, child_json(s->measure, NULL));
    json_object_object_add(o, "hosts", hosts);
    put(o, "no_ceiling", s->no_ceiling[0] ? s->no_ceiling : NULL);
    put(o, "no_users", s->no_users[0] ? s->no_users : NULL);
    json_object_object_add(o, "trust", mmr_run_trust_json(s));
    json_object_object_add(o, "refused", mmr_run_refused_json(s));
    return o;
}

static bool print_selftest(const struct mmr_run_state *s, bool is_ja)
{
    struct json_object *tests = NULL, *v[4] = {0};
    static const char *const keys[] = {"instance", "what", "result", "detail"};
    if (!s->brain || !json_object_object_get_ex(s->brain, "selftest", &tests) || json_object_array_length(tests) == 0)
        return false;
    (void)printf("\n  %s\n", is_ja ? "自分で試した結果（何も止めず、何も変えません）:" : "Self-test (nothing is blocked or changed):");
    for (size_t i = 0; i < json_object_array_length(tests); i++) {
        for (size_t k = 0; k < 4; k++)
            (void)json_object_object_get_ex(json_object_array_get_idx(tests, i), keys[k], &v[k]);
        bool is_ok = strcmp(json_object_get_string(v[2]), "passed") == 0;
        (void)printf("    %s %-16s %s%s%s\n", is_ok ? "✔" : "✘", json_object_get_string(v[0]), json_object_get_string(v[1]),
                     is_ok ? "" : ": ", is_ok ? "" : json_object_get_string(v[3]));
    }
    return true;
}

/* Has every self-test come to an end? */
bool mmr_run_is_tested(const struct mmr_run_state *s)
{
    struct json_object *tests = NULL, *v = NULL;
    if (!s->brain || !json_object_object_get_ex(s->brain, "selftest", &tests))
        return false;
    for (size_t i = 0; i < json_object_array_length(tests); i++)
        if (json_object_object_get_ex(json_object_array_get_idx(tests, i), "result", &v) && strcmp(json_object_get_string(v), "open") == 0)
            return false;
    return json_object_array_length(tests) > 0;
}

void mmr_run_announce(struct mmr_run_state *s)
{
    bool is_ja = is_japanese(s);
    struct json_object *why = json_object_new_array();
    const char *light = light_of(s, is_ja, why);
    static const struct {
        const char *light, *ja, *en;
    } words[] = {{"green", "青 ✔ 問題ありません", "green ✔ all is well"},
                 {"yellow", "黄 ▲ 確認のお願いがあります", "yellow ▲ please check"},
                 {"red", "赤 ■ すぐに対応が必要です", "red ■ act now"},
                 {"grey", "灰 ? いま確認できません", "grey ? cannot be known now"}};
    for (size_t i = 0; i < 4; i++)
        if (strcmp(words[i].light, light) == 0)
            (void)printf("\n  %s\n", is_ja ? words[i].ja : words[i].en);
    for (size_t i = 0; i < json_object_array_length(why); i++)
        (void)printf("    %s\n", json_object_get_string(json_object_array_get_idx(why, i)));
    (void)printf("\n  %s\n", is_ja ? "見守っているもの:" : "Watching:");
    for (size_t i = 0; i < s->n_hosts; i++)
        for (size_t k = 0; k < s->host[i].n; k++) {
            const struct mmr_host_info *x = mmr_host_info(s->host[i].child, k);
            struct mmr_child_status st;
            char caps[256] = "";
            mmr_child_status(s->host[i].child, &st);
            for (unsigned b = 0; x && x->is_known && b < MMR_CAPS; b++)
                if (x->caps & (1u << b)) {
                    size_t at = strlen(caps);
                    (void)snprintf(caps + at, sizeof caps - at, "%s%s", at ? ", " : "", mmr_cap_name((enum mmr_cap)(1u << b)));
                }
            (void)printf("    %s %-16s %-10s %s\n", st.state == MMR_CHILD_RUNNING ? "✔" : "✘", s->host[i].instance[k],
                         x && x->is_known ? (x->side == MMR_SIDE_NETWORK ? "network" : "endpoint") : "?", caps);
        }
    (void)print_selftest(s, is_ja);
    (void)printf("\n  %s\n\n", is_ja ? "終えるには Ctrl-C。状態は「mamori status」。" : "Ctrl-C ends it; 'mamori status' shows the state.");
    (void)fflush(stdout);
    json_object_put(why);
}

/* ---- asking the core ---- */

void mmr_run_ask(struct mmr_run_state *s, uint64_t client, const char *command, const char *text, struct json_object *pending)
{
    uint8_t buf[8192];
    struct mmr_event map;
    for (size_t i = 0; i < MMR_RUN_ASKED_MAX; i++) {
        struct mmr_run_asked *a = &s->asked[i];
        if (a->id && !a->client && !client)
            return; /* our own question waits already: a core that stands still is not asked without end */
        if (a->id)
            continue;
        a->id = ++s->next_id;
        a->client = client;
        a->pending = pending;
        (void)snprintf(a->command, sizeof a->command, "%s", command);
        mmr_event_begin_map(&map, buf, sizeof buf);
        mmr_event_int(&map, "id", a->id);
        mmr_event_str(&map, "command", command);
        mmr_event_str(&map, "text", text);
        if (mmr_child_send(s->core, MMR_TELL_REQUEST, &map, NULL, 0, -1) == 0)
            return;
        a->id = 0;
        a->pending = NULL;
        break;
    }
    if (client == MMR_RUN_MEASURE) {
        const char *now = json_object_to_json_string_ext(pending, JSON_C_TO_STRING_PLAIN);
        mmr_run_measured(s, now, strlen(now));
    } else if (client) {
        if (pending)
            (void)mmr_control_answer(s->control, client, json_object_to_json_string_ext(pending, JSON_C_TO_STRING_PLAIN),
                                     strlen(json_object_to_json_string_ext(pending, JSON_C_TO_STRING_PLAIN)));
        else
            (void)mmr_control_error(s->control, client, "the brain does not answer; see 'mamori status'");
        mmr_control_end(s->control, client, pending ? 0 : 3);
    }
    json_object_put(pending);
}

static void finish(struct mmr_run_state *s, struct mmr_run_asked *a, int status)
{
    struct json_object *brain = a->text ? json_tokener_parse(a->text) : NULL;
    if (strcmp(a->command, "status") == 0 && brain) {
        json_object_put(s->brain);
        s->brain = json_object_get(brain);
        s->brain_at_ns = mmr_clock_mono_ns();
    }
    if (a->client && a->pending) {
        json_object_object_add(a->pending, "brain", json_object_get(brain));
        const char *text = json_object_to_json_string_ext(a->pending, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
        if (a->client == MMR_RUN_MEASURE)
            mmr_run_measured(s, text, strlen(text));
        else
            (void)mmr_control_answer(s->control, a->client, text, strlen(text));
    } else if (a->client && a->text) {
        (void)mmr_control_answer(s->control, a->client, a->text, a->len);
    }
    if (a->client && a->client != MMR_RUN_MEASURE)
        mmr_control_end(s->control, a->client, status);
    json_object_put(brain);
    json_object_put(a->pending);
    free(a->text);
    memset(a, 0, sizeof *a);
}

void mmr_run_unanswered(struct mmr_run_state *s)
{
    for (size_t i = 0; i < MMR_RUN_ASKED_MAX; i++) {
        struct mmr_run_asked *a = &s->asked[i];
        if (!a->id)
            continue;
        free(a->text);
        a->text = NULL;
        a->len = 0;
        if (a->client && !a->pending)
            (void)mmr_control_error(s->control, a->client, "the brain ended before it answered; it is started again, ask again");
        finish(s, a, a->pending ? 0 : 3);
    }
}

void mmr_run_answered(struct mmr_run_state *s, const struct mmr_message *m)
{
    int64_t id = mmr_event_get_int(m->map, "id", 0);
    for (size_t i = 0; i < MMR_RUN_ASKED_MAX; i++) {
        struct mmr_run_asked *a = &s->asked[i];
        if (!id || a->id != id)
            continue;
        if (a->len + m->tail_len > TEXT_MAX) {
            finish(s, a, 3);
            return;
        }
        char *text = realloc(a->text, a->len + m->tail_len + 1);
        if (!text)
            return;
        memcpy(text + a->len, m->tail, m->tail_len);
        a->text = text;
        a->len += m->tail_len;
        text[a->len] = '\0';
        if (!mmr_event_get_int(m->map, "more", 0))
            finish(s, a, (int)mmr_event_get_int(m->map, "status", 0));
        return;
    }
}

void mmr_run_request(void *ctx, uint64_t client, const char *command, struct json_object *args)
{
    struct mmr_run_state *s = ctx;
    if (strcmp(command, "status") == 0) {
        struct json_object *o = mmr_run_status_json(s);
        if (s->is_core_ready) {
            mmr_run_ask(s, client, command, "{}", o);
            return;
        }
        json_object_object_add(o, "brain", NULL);
        const char *text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
        (void)mmr_control_answer(s->control, client, text, strlen(text));
        mmr_control_end(s->control, client, 0);
        json_object_put(o);
    } else if (strcmp(command, "reload") == 0) {
        mmr_run_reload(s, client);
    } else if (strcmp(command, "responders.stop") == 0) {
        mmr_run_responders_stop(s, client);
    } else if (strcmp(command, "responders.start") == 0) {
        mmr_run_responders_start(s, client);
    } else if (s->is_core_ready) {
        mmr_run_ask(s, client, command, json_object_to_json_string_ext(args, JSON_C_TO_STRING_PLAIN), NULL);
    } else {
        (void)mmr_control_error(s->control, client, "the brain does not run; see 'mamori status'");
        mmr_control_end(s->control, client, 3);
    }
}
