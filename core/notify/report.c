/* report.c - see report.h. */
#include "notify/report.h"

#include "notify/catalogue.h"
#include "store/incidents.h"
#include "util/clock.h"
#include "util/id.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TEXT_MAX = 900, REQUESTS_MAX = 3, ABSENCES_SHOWN = 10 };
#define SECOND_NS INT64_C(1000000000)

struct building {
    const struct mmr_office *o;
    const struct mmr_week_log *l;
    struct mmr_week_report r;
    struct json_object *urgent, *defended, *requests;
    uint32_t beyond, probes, others, open_red, open_yellow, stopped, asked;
};

static bool is_ja(const struct mmr_office *o)
{
    return o->lang[0] == 'j';
}

static void put(struct json_object *o, const char *key, const char *text)
{
    (void)json_object_object_add(o, key, json_object_new_string(text));
}

static void put_int(struct json_object *o, const char *key, int64_t v)
{
    (void)json_object_object_add(o, key, json_object_new_int64(v));
}

/* A built-in sentence; where the words fail, nothing is said rather than something wrong. */
static void say(const struct mmr_office *o, const char *name, const struct mmr_place *places, size_t n, char *buf, size_t cap)
{
    struct mmr_message_text t;
    struct mmr_error err = {.struct_size = sizeof err};
    buf[0] = '\0';
    if (mmr_catalogue_find(o->lang, name, &t, &err) != 0 || mmr_catalogue_render(&t, places, n, buf, cap, &err) != 0)
        buf[0] = '\0';
}

static bool has(const struct mmr_incident *i, enum mmr_phase phase)
{
    for (uint32_t k = 0; k < i->n_evidence; k++)
        if (i->evidence[k].finding->phase == phase)
            return true;
    return false;
}

static bool did(const struct mmr_incident *i, enum mmr_verb verb)
{
    for (uint32_t k = 0; k < i->n_actions; k++)
        if (i->actions[k].verb == verb && i->actions[k].receipt.verified == MMR_VERIFIED_CONFIRMED)
            return true;
    return false;
}

static int64_t stopped_ns(const struct mmr_incident *i)
{
    int64_t at = 0;
    for (uint32_t k = 0; k < i->n_actions; k++)
        if (i->actions[k].verb != MMR_VERB_CUT_FLOW && i->actions[k].receipt.verified == MMR_VERIFIED_CONFIRMED &&
            i->actions[k].receipt.applied_ns > at)
            at = i->actions[k].receipt.applied_ns;
    return at ? at : i->t0_ns;
}

static const char *defended_name(const struct mmr_incident *i)
{
    if (did(i, MMR_VERB_QUARANTINE_FILE) && has(i, MMR_PHASE_ATTEMPT_USER) && !has(i, MMR_PHASE_FOOTHOLD_PROCESS))
        return "weekly.defended.mail";
    if (has(i, MMR_PHASE_FOOTHOLD_PROCESS) || did(i, MMR_VERB_KILL_PROCESS))
        return "weekly.defended.program";
    if (has(i, MMR_PHASE_FOOTHOLD_C2))
        return "weekly.defended.outbound";
    return has(i, MMR_PHASE_ATTEMPT_INBOUND) ? "weekly.defended.inbound" : "weekly.defended.other";
}

static const char *state_of(const struct mmr_office *o, const struct mmr_incident *i, bool is_closed)
{
    if (i->is_withdrawn)
        return is_ja(o) ? "調べた結果、害のない動きでした" : "it was harmless after all";
    if (i->is_contained || i->class_current == MMR_CLASS_OF_DEFENDED)
        return is_ja(o) ? "止めて、止まったことを確かめました" : "stopped, and checked that it is";
    return is_closed ? is_ja(o) ? "終わりました" : "over" : is_ja(o) ? "まだ対応が終わっていません" : "not over yet";
}

static void add_severe(struct building *b, const struct mmr_incident *i, const struct mmr_incident_row *row, const struct mmr_place *places, size_t n)
{
    char text[TEXT_MAX], at[64], id[20];
    struct mmr_week_told told = mmr_week_log_told(b->l, row->id);
    bool is_open = !row->is_closed && !i->is_contained && !i->is_withdrawn && i->class_current == MMR_CLASS_OF_SEVERE;
    b->open_red += is_open && i->band == MMR_BAND_RED;
    b->open_yellow += is_open && i->band != MMR_BAND_RED;
    b->stopped += i->is_contained;
    if (json_object_array_length(b->urgent) >= MMR_REPORT_LISTED_MAX) {
        b->beyond++;
        return;
    }
    struct json_object *o = json_object_new_object();
    say(b->o, "weekly.severe", places, n, text, sizeof text);
    mmr_office_time(b->o, i->t0_ns, at, sizeof at);
    (void)snprintf(id, sizeof id, "%016llx", (unsigned long long)row->id);
    put(o, "id", id);
    put(o, "band", mmr_band_name(i->band));
    put(o, "text", text);
    put(o, "noticed", at);
    if (told.is_known && told.elapsed_s >= 0)
        put_int(o, "told_min", (told.elapsed_s + 59) / 60);
    put(o, "target", !told.is_known ? "open" : told.is_met ? "met" : "missed");
    put(o, "state", state_of(b->o, i, row->is_closed));
    (void)json_object_array_add(b->urgent, o);
    if (is_open && b->asked++ < REQUESTS_MAX) {
        o = json_object_new_object();
        say(b->o, "weekly.request.open", places, n, text, sizeof text);
        put(o, "text", text);
        (void)json_object_array_add(b->requests, o);
    }
}

static void add_defended(struct building *b, const struct mmr_incident *i, const struct mmr_incident_row *row, const struct mmr_place *places, size_t n)
{
    char text[TEXT_MAX], id[20];
    b->stopped++;
    if (json_object_array_length(b->defended) >= MMR_REPORT_LISTED_MAX) {
        b->beyond++;
        return;
    }
    struct json_object *o = json_object_new_object();
    say(b->o, defended_name(i), places, n, text, sizeof text);
    (void)snprintf(id, sizeof id, "%016llx", (unsigned long long)row->id);
    put(o, "id", id);
    put(o, "text", text);
    (void)json_object_array_add(b->defended, o);
}

static bool is_in(const struct mmr_week_report *r, uint64_t id)
{
    uint32_t lo = 0, hi = r->n_ids;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (r->ids[mid] < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < r->n_ids && r->ids[lo] == id;
}

static int on_row(void *ctx, const struct mmr_incident_row *row)
{
    struct building *b = ctx;
    struct mmr_incident *i = NULL;
    struct mmr_error err = {.struct_size = sizeof err};
    char time[64], stopped[64], machine[80], place[80];
    uint64_t id = mmr_week_log_id(row->uid);
    if (!is_in(&b->r, id))
        return 0;
    if (mmr_incident_unpack(row->blob, row->len, &i, &err) != 0)
        return 0; /* counted by its class, which the log has */
    mmr_office_time(b->o, i->t0_ns, time, sizeof time);
    mmr_office_time(b->o, stopped_ns(i), stopped, sizeof stopped);
    mmr_office_machine(b->o, i, machine, sizeof machine, place, sizeof place);
    const struct mmr_place places[] = {{"time", time}, {"stopped_time", stopped}, {"machine", machine}, {"place", place},
                                       {"phone", b->o->phone[0] ? b->o->phone : is_ja(b->o) ? "いつもの窓口" : "your usual contact"}};
    const size_t n = sizeof places / sizeof places[0];
    switch (mmr_week_log_class(b->l, id)) {
    case MMR_CLASS_OF_SEVERE: add_severe(b, i, row, places, n); break;
    case MMR_CLASS_OF_DEFENDED: add_defended(b, i, row, places, n); break;
    default:
        for (uint32_t k = 0; k < i->n_evidence; k++)
            *(i->evidence[k].finding->phase == MMR_PHASE_ATTEMPT_INBOUND ? &b->probes : &b->others) += i->evidence[k].count ? i->evidence[k].count : 1;
        break;
    }
    mmr_incident_free(i);
    return 0;
}

static void period(const struct mmr_office *o, int64_t from_ns, int64_t to_ns, char *buf, size_t cap)
{
    static const char *const ja[] = {"日", "月", "火", "水", "木", "金", "土"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t t[2] = {(time_t)(from_ns / SECOND_NS + o->utc_offset_s), (time_t)(to_ns / SECOND_NS - 1 + o->utc_offset_s)};
    struct tm a, z;
    (void)gmtime_r(&t[0], &a);
    (void)gmtime_r(&t[1], &z);
    if (is_ja(o))
        (void)snprintf(buf, cap, "%d年%d月%d日(%s)〜%d月%d日(%s)", a.tm_year + 1900, a.tm_mon + 1, a.tm_mday, ja[a.tm_wday], z.tm_mon + 1, z.tm_mday, ja[z.tm_wday]);
    else
        (void)snprintf(buf, cap, "%d %s to %d %s %d", a.tm_mday, months[a.tm_mon], z.tm_mday, months[z.tm_mon], z.tm_year + 1900);
}

static struct json_object *no_response(const struct building *b)
{
    struct json_object *list = json_object_new_array();
    const struct {
        const char *name;
        uint32_t n;
    } kinds[] = {{"weekly.probes", b->probes}, {"weekly.other", b->others}};
    for (size_t k = 0; k < 2; k++) {
        char count[16], text[TEXT_MAX];
        if (!kinds[k].n)
            continue;
        (void)snprintf(count, sizeof count, "%u", kinds[k].n);
        const struct mmr_place places[] = {{"count", count}};
        struct json_object *o = json_object_new_object();
        say(b->o, kinds[k].name, places, 1, text, sizeof text);
        put_int(o, "count", kinds[k].n);
        put(o, "text", text);
        (void)json_object_array_add(list, o);
    }
    return list;
}

static const char *cause_of(const struct mmr_office *o, const char *cause)
{
    static const struct {
        const char *cause, *ja, *en;
    } words[] = {{"power", "見守り装置の電源が切れていた、または止まっていたため", "the watching machine was off or stopped"},
                 {"unknown", "見守りの部品が止まっていたため", "a part of the watch had stopped"},
                 {"link", "通信が切れていたため", "the connection was cut"},
                 {"announced_off", "パソコンの電源が切られていたため", "the PC was switched off"}};
    for (size_t k = 0; k < sizeof words / sizeof words[0]; k++)
        if (strcmp(words[k].cause, cause) == 0)
            return is_ja(o) ? words[k].ja : words[k].en;
    return is_ja(o) ? "調べています" : "not known yet";
}

static struct json_object *gaps(const struct building *b)
{
    struct json_object *list = json_object_new_array();
    struct mmr_week_absence a[ABSENCES_SHOWN];
    uint32_t n = mmr_week_log_absences(b->l, b->r.from_ns, b->r.to_ns, a, ABSENCES_SHOWN);
    for (uint32_t i = 0; i < n; i++) {
        char from[64], to[64], text[TEXT_MAX];
        mmr_office_time(b->o, a[i].from_ns, from, sizeof from);
        mmr_office_time(b->o, a[i].to_ns, to, sizeof to);
        const char *what = strcmp(a[i].what, "*") == 0 || !a[i].what[0] ? is_ja(b->o) ? "会社全体" : "the whole company" : a[i].what;
        const struct mmr_place places[] = {{"from", from}, {"to", to}, {"place", what}, {"reason", cause_of(b->o, a[i].cause)}};
        struct json_object *o = json_object_new_object();
        say(b->o, "weekly.gap", places, 4, text, sizeof text);
        put(o, "text", text);
        put_int(o, "minutes", (a[i].to_ns - a[i].from_ns) / (60 * SECOND_NS));
        (void)json_object_array_add(list, o);
    }
    return list;
}

static void watched_text(uint32_t permille, char *buf, size_t cap)
{
    (void)snprintf(buf, cap, permille % 10 ? "%u.%u" : "%u", permille / 10, permille % 10);
}

static void sentence(const struct building *b, struct json_object *o)
{
    char percent[16], count[16], text[TEXT_MAX];
    watched_text(b->r.watch_permille, percent, sizeof percent);
    (void)snprintf(count, sizeof count, "%u", b->stopped);
    const struct mmr_place places[] = {{"percent", percent}, {"count", count}};
    bool is_open = b->open_red + b->open_yellow > 0;
    say(b->o, is_open ? "weekly.sentence.open" : b->stopped ? "weekly.sentence.stopped" : "weekly.quiet", places, 2, text, sizeof text);
    put(o, "light", b->open_red ? "red" : b->open_yellow || b->r.watch_permille < 990 ? "yellow" : "green");
    put(o, "sentence", text);
    put(o, "watched", percent);
}

/* As it was at the week's end. What nobody wrote down (ways out) is left out, rather than said to be none. */
static void coverage(const struct building *b, struct json_object *o)
{
    struct mmr_week_coverage c;
    if (!mmr_week_log_coverage(b->l, b->r.from_ns, b->r.to_ns, &c))
        return;
    if (c.important) {
        put_int(o, "important", c.important);
        put_int(o, "important_ok", c.important_ok);
    }
    if (c.exits) {
        put_int(o, "exits", c.exits);
        put_int(o, "exits_ok", c.exits_ok);
    }
}

/* The first instant of the contract year that holds a time. */
static int64_t year_of(const struct mmr_office *o, int64_t ns)
{
    time_t t = (time_t)(ns / SECOND_NS + o->utc_offset_s);
    struct tm tm;
    (void)gmtime_r(&t, &tm);
    const bool is_before = tm.tm_mon + 1 < o->year_month || (tm.tm_mon + 1 == o->year_month && tm.tm_mday < o->year_day);
    struct tm first = {.tm_year = tm.tm_year - is_before, .tm_mon = o->year_month - 1, .tm_mday = o->year_day};
    return ((int64_t)timegm(&first) - o->utc_offset_s) * SECOND_NS;
}

static void visits(const struct building *b, struct json_object *o)
{
    if (!b->o->free_visits)
        return;
    uint32_t used = mmr_week_log_visits(b->l, year_of(b->o, b->r.to_ns - 1), b->r.to_ns);
    put_int(o, "visits_free", b->o->free_visits);
    put_int(o, "visits_left", used < b->o->free_visits ? b->o->free_visits - used : 0);
}

static void last_week(const struct building *b, int64_t now_ns, struct json_object *o)
{
    struct mmr_week_report before;
    struct mmr_error err = {.struct_size = sizeof err};
    char percent[16];
    if (b->r.number < 2 || mmr_week_report(mmr_week_log_week(b->l), b->r.number - 1, now_ns, &before, &err) != 0)
        return;
    struct json_object *last = json_object_new_object();
    watched_text(before.watch_permille, percent, sizeof percent);
    put(last, "watched", percent);
    put_int(last, "stopped", before.defended);
    (void)json_object_object_add(o, "last_week", last);
    free(before.ids);
}

int mmr_report_data(struct mmr_db *db, const struct mmr_week_log *l, uint32_t number, const struct mmr_office *office, int64_t now_ns,
                    struct json_object **ret, struct mmr_error *err)
{
    struct building b = {.o = office, .l = l};
    const struct mmr_incident_filter all = {0};
    char text[120], at[40];
    int r = mmr_week_report(mmr_week_log_week(l), number, now_ns, &b.r, err);
    if (r)
        return r;
    b.urgent = json_object_new_array();
    b.defended = json_object_new_array();
    b.requests = json_object_new_array();
    r = mmr_store_incidents_each(db, &all, on_row, &b, err);
    struct json_object *o = json_object_new_object(), *ids = json_object_new_array();
    put(o, "kind", "report");
    put_int(o, "number", number);
    put(o, "lang", office->lang);
    put(o, "office", office->name);
    put(o, "service", office->service);
    put(o, "phone", office->phone[0] ? office->phone : is_ja(office) ? "いつもの窓口" : "your usual contact");
    put(o, "watchword", office->watchword);
    mmr_time_format(b.r.from_ns, at, sizeof at);
    put(o, "from", at);
    mmr_time_format(b.r.to_ns, at, sizeof at);
    put(o, "to_time", at);
    period(office, b.r.from_ns, b.r.to_ns, text, sizeof text);
    put(o, "period", text);
    sentence(&b, o);
    (void)json_object_object_add(o, "watch_percent", json_object_new_double((double)b.r.watch_permille / 10));
    put_int(o, "stopped", b.stopped);
    put_int(o, "asked", b.asked);
    put_int(o, "severe", b.r.severe);
    put_int(o, "defended_n", b.r.defended);
    put_int(o, "no_response_n", b.r.no_response);
    put_int(o, "late", b.r.late);
    put_int(o, "beyond", b.beyond); /* counted above, not listed one by one */
    (void)json_object_object_add(o, "requests", b.requests);
    (void)json_object_object_add(o, "urgent", b.urgent);
    (void)json_object_object_add(o, "defended", b.defended);
    (void)json_object_object_add(o, "no_response", no_response(&b));
    (void)json_object_object_add(o, "gaps", gaps(&b));
    coverage(&b, o);
    visits(&b, o);
    last_week(&b, now_ns, o);
    for (uint32_t i = 0; i < b.r.n_ids; i++)
        (void)json_object_array_add(ids, json_object_new_string(mmr_week_log_uid(l, b.r.ids[i])));
    (void)json_object_object_add(o, "incident_ids", ids);
    (void)snprintf(text, sizeof text, is_ja(office) ? "見守り週報 %s" : "Weekly report: %s", json_object_get_string(json_object_object_get(o, "period")));
    put(o, "subject", text);
    put(o, "text", json_object_get_string(json_object_object_get(o, "sentence")));
    free(b.r.ids);
    if (r) {
        json_object_put(o);
        return r;
    }
    *ret = o;
    return 0;
}
