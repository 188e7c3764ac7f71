/* notices.c - see notices.h. The time of everything here is the line of timeline.h, kept across restarts. */
#include "brain/notices.h"

#include "brain/live.h"
#include "brain/request.h"
#include "brain/weekly.h"
#include "notify/timeline.h"
#include "util/clock.h"
#include "util/log.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define KEY_LINE "timeline"
enum { BEAT_S = 60, DESPITE_S = 30, SOONEST_MS = 20, WHO_MAX = 47 };

struct mmr_notices {
    struct mmr_live *l;
    struct mmr_outlet_config config;
    struct mmr_outlet *outlet;
    struct mmr_timeline line;
    int64_t beat_ns;      /* when the line was last kept */
    int64_t refused_ns;   /* monotonic: since when the store refuses; 0: it does not */
    bool was_put;         /* something of ours is in the open batch */
};

static int64_t now_of(struct mmr_notices *n)
{
    return mmr_timeline_now(&n->line, mmr_clock_boot_ns(), mmr_clock_wall_ns());
}

/* ---- what the outlet asks for ---- */

static int put(void *ctx, const char *key, const void *value, size_t len, struct mmr_error *err)
{
    struct mmr_notices *n = ctx;
    n->was_put = true;
    return mmr_persist_state(n->l->persist, key, value, len, err);
}

static int note(void *ctx, const char *kind, const char *json, struct mmr_error *err)
{
    struct mmr_notices *n = ctx;
    return mmr_persist_note(n->l->persist, kind, json, mmr_clock_wall_ns(), err);
}

static bool hand(void *ctx, const char *instance, uint64_t number, const char *json, size_t len)
{
    struct mmr_notices *n = ctx;
    uint32_t slot, index;
    return mmr_roster_find(&n->l->roster, instance, &slot, &index) && n->l->roster.slot[slot].is_up &&
           mmr_local_order(n->l->server, slot, index, MMR_LOCAL_FORWARD, MMR_LANE_URGENT, number, json, len) == 0;
}

static const struct mmr_incident *incident(void *ctx, uint64_t id)
{
    struct mmr_notices *n = ctx;
    return mmr_pipeline_incident(n->l->pipeline, id);
}

static int64_t wall_of(void *ctx, int64_t line_ns)
{
    struct mmr_notices *n = ctx;
    return mmr_timeline_wall(&n->line, line_ns);
}

/* ---- start ---- */

static int restore(void *ctx, const char *key, const void *value, size_t len)
{
    struct mmr_notices *n = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    if (mmr_outlet_restore(n->outlet, key, value, len, &err) != 0)
        mmr_log(MMR_LOG_ERR, "notice.not_restored", "key=%s reason=\"%s\"", key, err.text);
    return 0;
}

static void restore_line(struct mmr_notices *n)
{
    struct mmr_error err = {.struct_size = sizeof err};
    char boot[MMR_BOOT_ID_MAX];
    void *bytes = NULL;
    size_t len = 0;
    mmr_boot_id(boot);
    if (mmr_db_get(mmr_persist_db(n->l->persist), KEY_LINE, &bytes, &len, &err) == 0 && mmr_timeline_unpack(&n->line, bytes, len, &err) != 0)
        mmr_log(MMR_LOG_ERR, "notice.time", "reason=\"%s\" what=\"it begins anew at this machine's clock\"", err.text);
    free(bytes);
    const int64_t last = n->line.last_ns;
    mmr_timeline_start(&n->line, boot, mmr_clock_boot_ns(), mmr_clock_wall_ns());
    if (last) /* nobody watched between our last beat and now; by this clock */
        mmr_weekly_gap(n->l, mmr_timeline_wall(&n->line, last), mmr_timeline_wall(&n->line, n->line.last_ns), "*", "power", false);
}

int mmr_notices_new(struct mmr_live *l, struct mmr_notices **ret, struct mmr_error *err)
{
    struct mmr_notices *n = calloc(1, sizeof *n);
    if (!n)
        return mmr_fail(err, MMR_ENOMEM, "notices: out of memory");
    const struct mmr_outlet_ops ops = {.put = put, .note = note, .hand = hand, .incident = incident, .wall_of = wall_of, .ctx = n};
    n->l = l;
    int r = mmr_notices_config(l->config, &n->config, err);
    if (!r)
        r = mmr_outlet_new(&n->config, &ops, &n->outlet, err);
    if (r) {
        mmr_notices_free(n);
        return r;
    }
    restore_line(n);
    r = mmr_db_each(mmr_persist_db(l->persist), MMR_OUTLET_STATE, restore, n, err);
    if (!r)
        r = mmr_outlet_restored(n->outlet, err);
    if (r) {
        mmr_notices_free(n);
        return r;
    }
    struct mmr_error check = {.struct_size = sizeof check};
    if (n->config.n_contacts && mmr_contacts_check(n->config.contact, n->config.n_contacts, &check) != 0)
        mmr_log(MMR_LOG_WARN, "notice.contacts", "what=\"%s\"", check.text);
    *ret = n;
    return 0;
}

void mmr_notices_free(struct mmr_notices *n)
{
    if (!n)
        return;
    mmr_outlet_free(n->outlet);
    free(n);
}

static int told_one(void *ctx, const struct mmr_incident_row *row)
{
    struct mmr_notices *n = ctx;
    const struct mmr_incident *i = mmr_pipeline_incident(n->l->pipeline, row->id);
    if (i)
        mmr_notices_incident(n, i, 0);
    return 0;
}

void mmr_notices_restored(struct mmr_notices *n)
{
    struct mmr_error err = {.struct_size = sizeof err};
    const struct mmr_incident_filter f = {.only_open = true, .min_class = MMR_CLASS_OF_SEVERE};
    if (mmr_store_incidents_each(mmr_persist_db(n->l->persist), &f, told_one, n, &err) != 0)
        mmr_log(MMR_LOG_ERR, "notice.not_restored", "reason=\"%s\"", err.text);
}

/* ---- the live order ---- */

void mmr_notices_incident(struct mmr_notices *n, const struct mmr_incident *i, unsigned change)
{
    int64_t now = now_of(n), t0 = i->clock_ns ? i->clock_ns : i->t0_ns;
    mmr_outlet_incident(n->outlet, i, change, mmr_timeline_of(&n->line, t0), now);
}

static void keep_line(struct mmr_notices *n, int64_t now_ns)
{
    uint8_t bytes[MMR_TIMELINE_PACKED];
    struct mmr_error err = {.struct_size = sizeof err};
    if (!n->was_put && n->beat_ns && now_ns - n->beat_ns < BEAT_S * MMR_NS_PER_S)
        return;
    mmr_timeline_pack(&n->line, bytes);
    if (mmr_persist_state(n->l->persist, KEY_LINE, bytes, sizeof bytes, &err) != 0)
        mmr_log(MMR_LOG_ERR, "notice.time", "reason=\"%s\"", err.text);
    n->beat_ns = now_ns;
    n->was_put = false;
}

void mmr_notices_tick(struct mmr_notices *n)
{
    struct mmr_error err = {.struct_size = sizeof err};
    int64_t now = now_of(n);
    time_t wall = (time_t)(mmr_clock_wall_ns() / MMR_NS_PER_S);
    struct tm tm;
    if (localtime_r(&wall, &tm)) /* calls by day only: the day of the clock on the wall, from a time of the line */
        mmr_outlet_book(n->outlet)->utc_offset_s = (int32_t)(tm.tm_gmtoff - n->line.skew_ns / MMR_NS_PER_S);
    if (mmr_outlet_tick(n->outlet, now, &err) != 0)
        mmr_log(MMR_LOG_ERR, "notice.not_kept", "reason=\"%s\"", err.text);
    keep_line(n, now);
}

void mmr_notices_committed(struct mmr_notices *n)
{
    n->refused_ns = 0;
    mmr_outlet_send(n->outlet, now_of(n));
}

void mmr_notices_despite(struct mmr_notices *n)
{
    int64_t mono = mmr_clock_mono_ns();
    if (!n->refused_ns)
        n->refused_ns = mono;
    if (mono - n->refused_ns < DESPITE_S * MMR_NS_PER_S)
        return;
    mmr_outlet_send(n->outlet, now_of(n));
}

int64_t mmr_notices_wait_ns(const struct mmr_notices *n)
{
    int64_t next = mmr_outlet_next(n->outlet), beat = n->beat_ns + BEAT_S * MMR_NS_PER_S;
    if (beat < next)
        next = beat;
    int64_t wait = next - n->line.last_ns;
    return wait < SOONEST_MS * MMR_NS_PER_MS ? SOONEST_MS * MMR_NS_PER_MS : wait;
}

/* ---- answers ---- */

bool mmr_notices_answer(struct mmr_notices *n, uint64_t number, int level, bool is_busy, int64_t at_ns, const char *detail)
{
    if (!mmr_outlet_is_number(number))
        return false;
    int64_t now = now_of(n);
    mmr_log(MMR_LOG_INFO, "notice.answer", "number=%016llx level=%d busy=%d detail=\"%s\"", (unsigned long long)number, level, is_busy, detail);
    mmr_outlet_answer(n->outlet, number, level, is_busy, mmr_timeline_of(&n->line, at_ns), detail, now);
    return true;
}

void mmr_notices_event(struct mmr_notices *n, const struct mmr_event_view *v)
{
    char token[64] = "", who[48] = "";
    if (!mmr_value_is(mmr_event_get(v, "mamori.kind"), "notice.answer"))
        return;
    (void)mmr_event_copy_str(v, "unmapped.token", token, sizeof token);
    (void)mmr_event_copy_str(v, "unmapped.who", who, sizeof who);
    int level = (int)mmr_event_get_int(v, "unmapped.level", MMR_DELIVERY_CONFIRMED);
    int r = mmr_outlet_token(n->outlet, token, level, who, now_of(n));
    if (r == MMR_ENOENT && strlen(token) == MMR_TOKEN_MAX - 1 && mmr_weekly_token(n->l->weekly, token, level))
        r = 0;
    mmr_log(r ? MMR_LOG_WARN : MMR_LOG_INFO, "notice.token", "level=%d result=%s", level,
            r == 0 ? "taken" : r == MMR_EPERM ? "used-before" : "unknown");
}

/* ---- people ---- */

static const char *text_at(struct json_object *o, const char *key)
{
    struct json_object *v = NULL;
    return json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_string)
               ? json_object_get_string(v)
               : NULL;
}

static int say_error(struct json_object *o, const struct mmr_error *err, int status)
{
    json_object_object_add(o, "error", json_object_new_string(err->text));
    return status;
}

static int ended(struct mmr_notices *n, const char *command, const char *args, struct json_object *o)
{
    struct json_object *a = json_tokener_parse(args), *v = NULL;
    struct mmr_error err = {.struct_size = sizeof err};
    const char *by = text_at(a, "by");
    char who[WHO_MAX + 1] = "";
    uint64_t id = 0;
    int r;
    if (by && strlen(by) <= WHO_MAX)
        (void)snprintf(who, sizeof who, "%s", by);
    if (!mmr_request_action_id(args, &id))
        r = mmr_fail(&err, MMR_EINVAL, "'id' must be 16 hex digits");
    else if (strcmp(command, "notice.confirm") == 0)
        r = mmr_outlet_confirm(n->outlet, id, who, now_of(n), &err);
    else
        r = mmr_outlet_close(n->outlet, id, who,
                             json_object_is_type(a, json_type_object) && json_object_object_get_ex(a, "withdrawn", &v) && json_object_get_boolean(v), now_of(n), &err);
    json_object_put(a);
    if (r)
        return say_error(o, &err, r == MMR_ENOENT ? 1 : 2);
    json_object_object_add(o, "done", json_object_new_boolean(true));
    return 0;
}

static int test(struct mmr_notices *n, const char *args, struct json_object *o)
{
    struct json_object *a = json_tokener_parse(args);
    struct mmr_error err = {.struct_size = sizeof err};
    int sent = mmr_outlet_test(n->outlet, text_at(a, "contact"), now_of(n), &err);
    json_object_put(a);
    if (sent < 0)
        return say_error(o, &err, 1);
    json_object_object_add(o, "sent", json_object_new_int(sent));
    return 0;
}

int mmr_notices_request(struct mmr_notices *n, const char *command, const char *args, struct json_object *o)
{
    if (strcmp(command, "notice.test") == 0)
        return test(n, args, o);
    if (strcmp(command, "notice.state") == 0) {
        json_object_object_add(o, "tests", mmr_outlet_tests_json(n->outlet));
        return 0;
    }
    if (strcmp(command, "notice.confirm") == 0 || strcmp(command, "notice.close") == 0)
        return ended(n, command, args, o);
    return -1;
}

void mmr_notices_token_for(const struct mmr_notices *n, const char *what, const char *key, char buf[MMR_TOKEN_MAX])
{
    mmr_outlet_token_for(n->outlet, what, key, buf);
}

const struct mmr_outlet_config *mmr_notices_outlet_config(const struct mmr_notices *n)
{
    return &n->config;
}

struct json_object *mmr_notices_json(const struct mmr_notices *n)
{
    return mmr_outlet_json(n->outlet, n->line.last_ns);
}
