/*
 * weekly.c - see weekly.h. What is kept is the number of the last report that is dealt with and how many in a row reached
 * nobody's system; a report itself can be made again at any time, and who carries it knows its key.
 */
#include "brain/weekly.h"

#include "brain/live.h"
#include "notify/report.h"
#include "util/clock.h"
#include "util/log.h"

#include <json-c/json.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define KEY_STATE "report.state"
#define NUMBER_REPORT (UINT64_C(1) << 60)
enum { RECIPIENTS_MAX = 24, LOOK_S = 60, ANSWER_S = 120, AGAIN_S = 600, CAUGHT_UP_MAX = 8, NO_ANSWER = -2, CALL_AFTER = 2 };

struct recipient {
    char name[40], instance[64], to[96];
    bool is_person, is_done, is_waiting;
    int level;
    uint32_t tries;
    int64_t next_ns;
};
struct mmr_weekly {
    struct mmr_live *l;
    bool is_off;
    int64_t first_ns; /* of the log; 0: there is none yet */
    uint32_t done, undelivered, at; /* at: the report under way; 0: none */
    int64_t look_ns, since_ns;
    struct json_object *data;
    struct recipient recipient[RECIPIENTS_MAX];
    uint32_t n;
};

static int keep_first(void *ctx, uint64_t seq, int64_t time_ns, const char *kind, const void *body, size_t len)
{
    int64_t *first = ctx;
    (void)seq;
    (void)kind;
    (void)body;
    (void)len;
    *first = mmr_week_begin(time_ns);
    return 1;
}

static void read_state(struct mmr_weekly *w)
{
    void *text = NULL;
    size_t len = 0;
    struct mmr_error err = {.struct_size = sizeof err};
    if (mmr_db_get(mmr_persist_db(w->l->persist), KEY_STATE, &text, &len, &err) == 0 && sscanf(text, "%u %u", &w->done, &w->undelivered) != 2)
        w->done = w->undelivered = 0;
    free(text);
}

static void keep_state(struct mmr_weekly *w)
{
    char text[32];
    struct mmr_error err = {.struct_size = sizeof err};
    int len = snprintf(text, sizeof text, "%u %u", w->done, w->undelivered);
    if (mmr_persist_state(w->l->persist, KEY_STATE, text, (size_t)len, &err) != 0)
        mmr_log(MMR_LOG_ERR, "report.not_kept", "reason=\"%s\"", err.text);
}

int mmr_weekly_new(struct mmr_live *l, struct mmr_weekly **ret, struct mmr_error *err)
{
    struct mmr_weekly *w = calloc(1, sizeof *w);
    if (!w)
        return mmr_fail(err, MMR_ENOMEM, "weekly report: out of memory");
    w->l = l;
    w->is_off = !mmr_config_bool(l->config, "notify.weekly");
    read_state(w);
    *ret = w;
    return 0;
}

void mmr_weekly_free(struct mmr_weekly *w)
{
    if (w)
        json_object_put(w->data);
    free(w);
}

/* ---- who gets it ---- */

static void add(struct mmr_weekly *w, const char *name, const char *instance, const char *to, bool is_person)
{
    if (w->n == RECIPIENTS_MAX || !*instance)
        return;
    struct recipient *r = &w->recipient[w->n++];
    *r = (struct recipient){.is_person = is_person, .level = NO_ANSWER};
    (void)snprintf(r->name, sizeof r->name, "%s", name);
    (void)snprintf(r->instance, sizeof r->instance, "%s", instance);
    (void)snprintf(r->to, sizeof r->to, "%s", to);
}

static bool takes_reports(const struct mmr_config *c, const char *instance)
{
    char path[128];
    (void)snprintf(path, sizeof path, "plugins.%s.takes", instance);
    struct mmr_strv v = mmr_config_strv(c, path);
    for (size_t i = 0; i < v.n; i++)
        if (strcmp(v.v[i], "report") == 0)
            return true;
    return false;
}

static void read_recipients(struct mmr_weekly *w, const struct mmr_outlet_config *c)
{
    const struct mmr_config *config = w->l->config;
    const char *mail = c->channel[MMR_NOTICE_MAIL].through[0];
    w->n = 0;
    for (uint32_t i = 0; i < c->n_contacts; i++)
        if (c->contact[i].role == MMR_CONTACT_USER && c->contact[i].address[MMR_NOTICE_MAIL][0])
            add(w, c->contact[i].name, mail, c->contact[i].address[MMR_NOTICE_MAIL], true);
    for (size_t i = 0; i < mmr_config_instances(config); i++) {
        const struct mmr_instance_conf *x = mmr_config_instance(config, i);
        if (x->is_enabled && strcmp(x->name, mail) != 0 && takes_reports(config, x->name))
            add(w, x->name, x->name, "", false);
    }
}

/* ---- one report ---- */

static void begin(struct mmr_weekly *w, uint32_t number, int64_t now_ns)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_week_log *log = NULL;
    const struct mmr_outlet_config *c = mmr_notices_outlet_config(w->l->notices);
    json_object_put(w->data);
    w->data = NULL;
    read_recipients(w, c);
    int r = mmr_week_log_read(mmr_persist_db(w->l->persist), now_ns, &log, &err);
    if (!r && log)
        r = mmr_report_data(mmr_persist_db(w->l->persist), log, number, &c->office, now_ns, &w->data, &err);
    mmr_week_log_free(log);
    if (r || !w->data) {
        mmr_log(MMR_LOG_ERR, "report.not_made", "number=%u reason=\"%s\"", number, err.text);
        return; /* looked at again with the next look */
    }
    w->at = number;
    w->since_ns = now_ns;
    struct json_object *note = json_object_new_object(), *ids = NULL;
    json_object_object_add(note, "number", json_object_new_int64(number));
    if (json_object_object_get_ex(w->data, "incident_ids", &ids))
        json_object_object_add(note, "incident_ids", json_object_get(ids));
    (void)mmr_persist_note(w->l->persist, "report.issued", json_object_to_json_string_ext(note, JSON_C_TO_STRING_PLAIN), now_ns, &err);
    json_object_put(note);
    mmr_log(MMR_LOG_INFO, "report.issued", "number=%u recipients=%u", number, w->n);
}

static void put_tokens(struct mmr_weekly *w, const char *key)
{
    char token[MMR_TOKEN_MAX];
    mmr_notices_token_for(w->l->notices, "report", key, token);
    json_object_object_add(w->data, "report_token", json_object_new_string(token));
    mmr_notices_token_for(w->l->notices, "reply", key, token);
    json_object_object_add(w->data, "reply_token", json_object_new_string(token));
}

/* A person's mail of a report by its token? A report that ended is still the one that was delivered or not. */
bool mmr_weekly_token(struct mmr_weekly *w, const char *token, int level)
{
    const struct mmr_outlet_config *c = mmr_notices_outlet_config(w->l->notices);
    struct mmr_error err = {.struct_size = sizeof err};
    const uint32_t number = w->at ? w->at : w->done;
    for (uint32_t i = 0; number && i < c->n_contacts; i++) {
        char key[80], reply[MMR_TOKEN_MAX], report[MMR_TOKEN_MAX];
        (void)snprintf(key, sizeof key, "report.%u.%s", number, c->contact[i].name);
        mmr_notices_token_for(w->l->notices, "reply", key, reply);
        mmr_notices_token_for(w->l->notices, "report", key, report);
        if (c->contact[i].role != MMR_CONTACT_USER || (sodium_memcmp(reply, token, MMR_TOKEN_MAX - 1) != 0 && sodium_memcmp(report, token, MMR_TOKEN_MAX - 1) != 0))
            continue;
        mmr_log(MMR_LOG_INFO, "report.token", "number=%u to=%s level=%d", number, c->contact[i].name, level);
        for (uint32_t k = 0; w->at && k < w->n; k++)
            if (strcmp(w->recipient[k].name, c->contact[i].name) == 0 && level > w->recipient[k].level)
                w->recipient[k].level = level;
        if (!w->at && level >= MMR_DELIVERY_RECIPIENT && w->undelivered) {
            struct json_object *note = json_object_new_object();
            json_object_object_add(note, "number", json_object_new_int64(number));
            json_object_object_add(note, "contact", json_object_new_string(c->contact[i].name));
            json_object_object_add(note, "level", json_object_new_int(level));
            (void)mmr_persist_note(w->l->persist, "report.delivered", json_object_to_json_string_ext(note, JSON_C_TO_STRING_PLAIN), mmr_clock_wall_ns(), &err);
            json_object_put(note);
            w->undelivered = 0;
            keep_state(w);
        }
        return true;
    }
    return false;
}

static void hand(struct mmr_weekly *w, uint32_t k, int64_t now_ns)
{
    struct recipient *r = &w->recipient[k];
    char key[80];
    uint32_t slot, index;
    (void)snprintf(key, sizeof key, "report.%u.%s", w->at, r->name);
    json_object_object_add(w->data, "key", json_object_new_string(key));
    json_object_object_add(w->data, "to", json_object_new_string(r->to));
    json_object_object_add(w->data, "contact", json_object_new_string(r->name));
    json_object_object_add(w->data, "channel", json_object_new_string("mail"));
    json_object_object_del(w->data, "report_token");
    json_object_object_del(w->data, "reply_token");
    if (r->is_person) /* a page in a folder does not come back */
        put_tokens(w, key);
    const char *json = json_object_to_json_string_ext(w->data, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    r->tries++;
    r->next_ns = now_ns + ANSWER_S * MMR_NS_PER_S;
    r->is_waiting = mmr_roster_find(&w->l->roster, r->instance, &slot, &index) && w->l->roster.slot[slot].is_up &&
                    mmr_local_order(w->l->server, slot, index, MMR_LOCAL_FORWARD, MMR_LANE_FINDING, NUMBER_REPORT | (uint64_t)w->at << 8 | k, json, strlen(json)) == 0;
    if (!r->is_waiting)
        r->next_ns = now_ns + LOOK_S * MMR_NS_PER_S;
}

static void end(struct mmr_weekly *w, int64_t now_ns)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct json_object *note = json_object_new_object(), *levels = json_object_new_object();
    bool has_person = false, is_delivered = false;
    for (uint32_t k = 0; k < w->n; k++) {
        has_person |= w->recipient[k].is_person;
        is_delivered |= w->recipient[k].is_person && w->recipient[k].level >= MMR_DELIVERY_RECIPIENT;
        json_object_object_add(levels, w->recipient[k].name, json_object_new_int(w->recipient[k].level));
    }
    json_object_object_add(note, "number", json_object_new_int64(w->at));
    json_object_object_add(note, "levels", levels);
    (void)mmr_persist_note(w->l->persist, "report.sent", json_object_to_json_string_ext(note, JSON_C_TO_STRING_PLAIN), now_ns, &err);
    json_object_put(note);
    w->undelivered = !has_person || is_delivered ? 0 : w->undelivered + 1;
    w->done = w->at;
    w->at = 0;
    keep_state(w);
}

static void go_on(struct mmr_weekly *w, int64_t now_ns)
{
    bool is_open = false;
    for (uint32_t k = 0; k < w->n; k++) {
        struct recipient *r = &w->recipient[k];
        if (!r->is_done && (now_ns >= r->next_ns || r->next_ns - now_ns > ANSWER_S * MMR_NS_PER_S * 6)) /* or the wall went back */
            hand(w, k, now_ns);
        is_open |= !r->is_done;
    }
    if (!is_open || now_ns - w->since_ns > MMR_WEEK_NS)
        end(w, now_ns);
}

void mmr_weekly_tick(struct mmr_weekly *w, int64_t wall_ns)
{
    struct mmr_error err = {.struct_size = sizeof err};
    if (w->is_off || !w->l->is_settled)
        return;
    if (w->at) {
        go_on(w, wall_ns);
        return;
    }
    if (w->look_ns && wall_ns >= w->look_ns && wall_ns - w->look_ns < LOOK_S * MMR_NS_PER_S)
        return;
    w->look_ns = wall_ns;
    if (!w->first_ns)
        (void)mmr_evidence_each(mmr_persist_db(w->l->persist), 0, keep_first, &w->first_ns, &err);
    if (!w->first_ns || wall_ns < w->first_ns)
        return;
    int64_t issued = (wall_ns - w->first_ns) / MMR_WEEK_NS;
    if (issued - w->done > CAUGHT_UP_MAX)
        w->done = (uint32_t)(issued - CAUGHT_UP_MAX); /* a machine that was off for months does not send months of mail */
    if (issued > w->done)
        begin(w, w->done + 1, wall_ns);
}

bool mmr_weekly_answer(struct mmr_weekly *w, uint64_t number, int level, bool is_busy, int64_t wall_ns, const char *detail)
{
    uint32_t k = number & 0xff;
    if (!(number & NUMBER_REPORT) || number & ((UINT64_C(1) << 62) | (UINT64_C(1) << 61)))
        return false;
    if ((number & ~NUMBER_REPORT) >> 8 != w->at || k >= w->n)
        return true;
    struct recipient *r = &w->recipient[k];
    mmr_log(MMR_LOG_INFO, "report.answer", "number=%u to=%s level=%d detail=\"%s\"", w->at, r->name, level, detail);
    r->is_waiting = false;
    if (is_busy || level == MMR_DELIVERY_TRIED) {
        r->next_ns = wall_ns + AGAIN_S * MMR_NS_PER_S;
    } else {
        r->level = level;
        r->is_done = true;
    }
    return true;
}

void mmr_weekly_gap(struct mmr_live *l, int64_t from_ns, int64_t to_ns, const char *what, const char *cause, bool is_buffered)
{
    struct mmr_error err = {.struct_size = sizeof err};
    if (to_ns - from_ns < mmr_config_int(l->config, "site.gap_after") * MMR_NS_PER_MS)
        return;
    struct json_object *o = json_object_new_object();
    json_object_object_add(o, "from", json_object_new_int64(from_ns));
    json_object_object_add(o, "to", json_object_new_int64(to_ns));
    json_object_object_add(o, "source", json_object_new_string(what));
    json_object_object_add(o, "cause", json_object_new_string(cause));
    json_object_object_add(o, "buffered", json_object_new_boolean(is_buffered));
    if (mmr_persist_note(l->persist, "watch_gap", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN), mmr_clock_wall_ns(), &err) != 0)
        mmr_log(MMR_LOG_ERR, "watch.gap", "reason=\"%s\"", err.text);
    json_object_put(o);
    mmr_log(MMR_LOG_WARN, "watch.gap", "what=%s cause=%s seconds=%lld", what, cause, (long long)((to_ns - from_ns) / MMR_NS_PER_S));
}

struct json_object *mmr_weekly_json(const struct mmr_weekly *w)
{
    struct json_object *o = json_object_new_object();
    char at[40];
    json_object_object_add(o, "sent", json_object_new_int64(w->done));
    json_object_object_add(o, "under_way", json_object_new_int64(w->at));
    if (w->first_ns) {
        mmr_time_format(w->first_ns + ((int64_t)w->done + 1) * MMR_WEEK_NS, at, sizeof at);
        json_object_object_add(o, "due", json_object_new_string(at));
    }
    json_object_object_add(o, "call", json_object_new_boolean(w->undelivered >= CALL_AFTER));
    return o;
}
