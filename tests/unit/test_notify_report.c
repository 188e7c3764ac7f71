/* The weekly report as data, out of a real store and evidence log: SR-20's gap and SR-23's forty incidents over fifteen days. */
#include "notify/report.h"

#include "notify/catalogue.h"
#include "store/incidents.h"
#include "util/id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define S INT64_C(1000000000)
#define DAY (86400 * S)
#define MONDAY (INT64_C(1767571200) * S) /* 2026-01-05 00:00 UTC */
enum { COUNT = 40 };
static const char *const files[] = {MMR_DB_FILE, MMR_DB_FILE "-wal", MMR_DB_FILE "-shm", "evidence.key", "evidence.pub"};

struct world {
    char dir[64];
    struct mmr_db *db;
    struct mmr_evidence_log *log;
    struct mmr_office office;
    char uid[COUNT][MMR_UUID_TEXT_MAX];
};

static void begin(struct world *w, const char *lang)
{
    struct mmr_error err = {.struct_size = sizeof err};
    memset(w, 0, sizeof *w);
    assert_int_equal(setenv("TZ", "UTC", 1), 0);
    (void)snprintf(w->dir, sizeof w->dir, "/tmp/mamori-report-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    assert_int_equal(mmr_db_open(w->dir, MMR_DB_CREATE, &w->db, &err), 0);
    assert_int_equal(mmr_evidence_open(w->db, &w->log, &err), 0);
    w->office = (struct mmr_office){.name = "山田商店", .service = "みまもり", .phone = "03-0000-0000", .watchword = "さくら", .is_acting = true};
    (void)snprintf(w->office.lang, sizeof w->office.lang, "%s", lang);
}

static void end(struct world *w)
{
    char path[128];
    mmr_evidence_close(w->log);
    mmr_db_close(w->db);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", w->dir, files[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(w->dir), 0);
}

static void note(struct world *w, int64_t at_ns, const char *kind, const char *body)
{
    struct mmr_error err = {.struct_size = sizeof err};
    assert_int_equal(mmr_evidence_append(w->log, kind, at_ns, body, strlen(body), NULL, &err), 0);
}

static enum mmr_class class_at(int n)
{
    return n % 8 == 0 ? MMR_CLASS_OF_SEVERE : n % 2 ? MMR_CLASS_OF_DEFENDED : MMR_CLASS_OF_NO_RESPONSE;
}

/* Incident n, of a kind of its own, at its hour of fifteen days. */
static void add(struct world *w, int n)
{
    static const enum mmr_phase phases[] = {MMR_PHASE_ATTEMPT_INBOUND, MMR_PHASE_FOOTHOLD_PROCESS, MMR_PHASE_FOOTHOLD_C2, MMR_PHASE_ATTEMPT_USER, MMR_PHASE_SPREAD};
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_incident *i = mmr_incident_new((uint64_t)n + 1, &err);
    struct mmr_finding *f = calloc(1, sizeof *f);
    struct mmr_incident_row row;
    uint8_t *blob = NULL;
    size_t len = 0;
    char body[256];
    int64_t at = MONDAY + n * 9 * 3600 * S; /* 40 of them in 14.6 days */
    f->kind = "finding";
    f->node = f->plugin = f->instance = f->rule = f->title = f->what = "x";
    f->phase = phases[n % 5];
    f->time_ns = at;
    mmr_uuid_of(&n, sizeof n, i->uid);
    mmr_uuid_format(i->uid, w->uid[n]);
    i->t0_ns = i->first_ns = i->last_ns = i->clock_ns = at;
    i->class_current = i->class_peak = class_at(n);
    i->band = i->class_current == MMR_CLASS_OF_SEVERE ? MMR_BAND_RED : MMR_BAND_NONE;
    i->is_contained = n == 8;
    struct mmr_host_ref h = {.role = MMR_ROLE_VICTIM};
    (void)snprintf(h.name, sizeof h.name, "PC-%02d", n % 7);
    assert_int_equal(mmr_incident_add_host(i, &h, &err), 0);
    const struct mmr_evidence e = {.finding = f, .count = 3};
    assert_int_equal(mmr_incident_insert_evidence(i, &e, &err), 0);
    const struct mmr_action_rec a = {.id = (uint64_t)n + 1000, .verb = n % 5 == 3 ? MMR_VERB_QUARANTINE_FILE : MMR_VERB_BLOCK_ADDR, .state = MMR_STATE_PROVED,
                                     .receipt = {.result = MMR_RESULT_APPLIED, .verified = MMR_VERIFIED_CONFIRMED, .applied_ns = at + S, .verified_ns = at + 2 * S}};
    assert_int_equal(mmr_incident_add_action(i, &a, &err), 0);
    assert_int_equal(mmr_incident_pack(i, &blob, &len, &err), 0);
    mmr_incident_row_of(i, &row);
    row.title = "x";
    row.blob = blob;
    row.len = len;
    assert_int_equal(mmr_store_incident_put(w->db, &row, &err), 0);
    (void)snprintf(body, sizeof body, "{\"metadata\":{\"uid\":\"%s\"},\"unmapped\":{\"mamori\":{\"class\":\"%s\"}}}", w->uid[n], mmr_class_name(i->class_current));
    note(w, at, "incident.class", body);
    free(blob);
    mmr_incident_free(i);
}

struct seen {
    unsigned n;
    char what[320];
};

static void on_finding(void *ctx, unsigned line, const char *what)
{
    struct seen *s = ctx;
    (void)line;
    s->n++;
    (void)snprintf(s->what, sizeof s->what, "%s", what);
}

static void are_plain(struct json_object *o, const char *key)
{
    struct json_object *list = NULL, *text = NULL;
    assert_true(json_object_object_get_ex(o, key, &list));
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct seen s = {0};
        struct mmr_error err = {.struct_size = sizeof err};
        assert_true(json_object_object_get_ex(json_object_array_get_idx(list, i), "text", &text));
        const char *t = json_object_get_string(text);
        assert_true(*t);
        assert_true(mmr_wording_lint(t, strlen(t), MMR_WORDING_WEEKLY, 1, on_finding, &s, &err) >= 0);
        if (s.n)
            fail_msg("%s: '%s': %s", key, t, s.what);
    }
}

static size_t count(struct json_object *o, const char *key)
{
    struct json_object *list = NULL;
    return json_object_object_get_ex(o, key, &list) ? json_object_array_length(list) : 0;
}

static int64_t number(struct json_object *o, const char *key)
{
    struct json_object *v = NULL;
    return json_object_object_get_ex(o, key, &v) ? json_object_get_int64(v) : -1;
}

static void forty_incidents_over_fifteen_days_are_each_in_one_report(void **state)
{
    (void)state;
    static const char *const langs[] = {"ja", "en"};
    for (size_t lang = 0; lang < 2; lang++) {
        struct world w;
        struct mmr_error err = {.struct_size = sizeof err};
        struct mmr_week_log *l = NULL;
        unsigned times[COUNT] = {0};
        int64_t now = MONDAY + 29 * DAY;
        begin(&w, langs[lang]);
        for (int n = 0; n < COUNT; n++)
            add(&w, n);
        char gap[160];
        (void)snprintf(gap, sizeof gap, "{\"from\":%lld,\"to\":%lld,\"source\":\"*\",\"cause\":\"power\"}", (long long)(MONDAY + DAY), (long long)(MONDAY + DAY + 20 * 60 * S));
        note(&w, MONDAY + 16 * DAY, "watch_gap", gap);
        note(&w, MONDAY + 2 * DAY, "coverage", "{\"net\":{\"have\":0,\"want\":2,\"ok\":false},\"ep\":{\"have\":2,\"want\":5,\"ok\":false}}");
        note(&w, MONDAY + 5 * DAY, "coverage", "{\"net\":{\"have\":2,\"want\":2,\"ok\":true},\"ep\":{\"have\":3,\"want\":5,\"ok\":false}}");
        note(&w, MONDAY + 9 * DAY, "coverage", "{\"net\":{\"have\":0,\"want\":0,\"ok\":false},\"ep\":{\"have\":5,\"want\":5,\"ok\":true}}");
        note(&w, MONDAY + 9 * DAY, "coverage", "{\"net\":7}");
        static const struct {
            int day;
            bool is_free;
        } visits[] = {{-10, true}, {2, false}, {8, true}, {15, true}, {16, true}}; /* one before the contract year; one for the set-up */
        for (size_t i = 0; i < sizeof visits / sizeof visits[0]; i++) {
            char body[120];
            (void)snprintf(body, sizeof body, "{\"kind\":\"incident\",\"arrived_ns\":%lld,\"counts_as_free\":%s}", (long long)(MONDAY + visits[i].day * DAY),
                           visits[i].is_free ? "true" : "false");
            note(&w, MONDAY + 16 * DAY, "dispatch", body);
        }
        w.office.free_visits = 2;
        w.office.year_month = 1;
        w.office.year_day = 5; /* MONDAY */
        note(&w, MONDAY + 16 * DAY, "notice.target", "{\"incident\":\"0000000000000009\",\"target\":\"met\",\"elapsed_s\":130}");
        note(&w, MONDAY + 16 * DAY, "notice.target", "{\"incident\":\"0000000000000011\",\"target\":\"missed\"}");
        assert_int_equal(mmr_db_commit(w.db, &err), 0);
        assert_int_equal(mmr_week_log_read(w.db, now, &l, &err), 0);
        assert_int_equal(mmr_week_log_week(l)->issued, 4); /* the fourth week is quiet, and has its report, too */
        for (uint32_t k = 1; k <= 4; k++) {
            struct json_object *o = NULL, *ids = NULL;
            assert_int_equal(mmr_report_data(w.db, l, k, &w.office, now, &o, &err), 0);
            assert_true(json_object_object_get_ex(o, "incident_ids", &ids));
            size_t n_ids = json_object_array_length(ids);
            for (size_t i = 0; i < n_ids; i++)
                for (int n = 0; n < COUNT; n++)
                    times[n] += strcmp(json_object_get_string(json_object_array_get_idx(ids, i)), w.uid[n]) == 0;
            assert_int_equal(number(o, "severe") + number(o, "defended_n") + number(o, "no_response_n"), n_ids);
            assert_int_equal(count(o, "urgent"), number(o, "severe"));
            assert_int_equal(count(o, "defended"), number(o, "defended_n"));
            assert_int_equal(number(o, "late"), 0); /* at most 7 days after it was classed */
            static const char *const lists[] = {"defended", "no_response", "urgent", "requests", "gaps"};
            for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
                are_plain(o, lists[i]);
            assert_int_equal(count(o, "gaps"), k == 1);
            assert_true(count(o, "requests") <= 3);
            assert_int_equal(number(o, "important"), k <= 2 ? 5 : -1); /* as at the week's end; of a week that nobody measured, nothing */
            assert_int_equal(number(o, "important_ok"), k == 1 ? 3 : k == 2 ? 5 : -1);
            assert_int_equal(number(o, "exits"), k == 1 ? 2 : -1); /* nobody wrote a way out down: none is not the same as none there */
            assert_int_equal(number(o, "exits_ok"), k == 1 ? 2 : -1);
            assert_int_equal(number(o, "visits_free"), 2);
            assert_int_equal(number(o, "visits_left"), k == 1 ? 2 : k == 2 ? 1 : 0); /* never less than none */
            const char *json = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
            assert_true(strlen(json) < MMR_REPORT_BYTES_MAX);
            if (k == 1)
                assert_non_null(strstr(json, "\"watched\":\"99.8\"")); /* 20 minutes of a week are 0.2 % */
            if (k == 1 || k == 4)
                assert_true(json_object_object_get_ex(o, "light", &ids));
            if (k == 4) {
                assert_int_equal(n_ids, 0);
                assert_string_equal(json_object_get_string(ids), "green");
            }
            json_object_put(o);
        }
        for (int n = 0; n < COUNT; n++)
            if (times[n] != 1)
                fail_msg("incident %d is in %u reports", n, times[n]);
        struct json_object *o = NULL, *list = NULL, *v = NULL;
        assert_int_equal(mmr_report_data(w.db, l, 1, &w.office, now, &o, &err), 0);
        assert_true(json_object_object_get_ex(o, "urgent", &list));
        for (size_t i = 0; i < json_object_array_length(list); i++) { /* each severe one shows its minutes, a miss shows none */
            struct json_object *x = json_object_array_get_idx(list, i);
            const char *id = json_object_get_string(json_object_object_get(x, "id"));
            bool has = json_object_object_get_ex(x, "told_min", &v);
            if (strcmp(id, "0000000000000009") == 0)
                assert_true(has && json_object_get_int(v) == 3);
            else
                assert_false(has);
        }
        json_object_put(o);
        assert_int_equal(mmr_report_data(w.db, l, 5, &w.office, now, &o, &err), MMR_ENOENT);
        mmr_week_log_free(l);
        end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(forty_incidents_over_fifteen_days_are_each_in_one_report)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
