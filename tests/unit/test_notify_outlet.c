/* The notices of one office, driven as the brain drives them, on a simulated clock: what is stored before it goes out, a crash
 * at every point, every mix of dead channels, a wall clock that is set by a day, links that confirm once. SERVICE_STANDARD 5. */
#include "notify/outlet.h"
#include "notify/outlet_internal.h"
#include "notify/timeline.h"

#include "classify/facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <json-c/json.h>
#include <mamori/plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define S INT64_C(1000000000)
#define M (60 * S)
#define NOON (INT64_C(1767225600) * S + 3 * 3600 * S) /* 2026-01-01 12:00 in Japan */
enum { OK, ACCEPT_ONLY, TEMPFAIL, PERMFAIL, PIECES_MAX = 64, SENT_MAX = 1024, WIRE_MAX = 256, JST = 9 * 3600 };

struct piece {
    char key[64];
    uint8_t *bytes;
    size_t len;
};
struct store {
    struct piece piece[PIECES_MAX];
    uint32_t n, notes;
};
struct world {
    struct mmr_outlet *o;
    struct mmr_outlet_config c;
    struct mmr_incident *incident;
    struct store durable, open;
    int64_t now_ns, wall_skew_ns;
    int channel[MMR_NOTICE_CHANNELS];
    bool is_down; /* no plugin is connected */
    struct { uint64_t number; char *json; unsigned channel; } wire[WIRE_MAX];
    uint32_t n_wire;
    char *got[SENT_MAX]; /* keys the outside has accepted, once each */
    uint32_t n_got, n_handed;
    int points, crash_at;
};

static void put_piece(struct store *s, const char *key, const void *value, size_t len)
{
    uint32_t i = 0;
    while (i < s->n && strcmp(s->piece[i].key, key) != 0)
        i++;
    assert_true(i < PIECES_MAX);
    if (i == s->n)
        s->n++;
    else
        free(s->piece[i].bytes);
    (void)snprintf(s->piece[i].key, sizeof s->piece[i].key, "%s", key);
    s->piece[i].bytes = malloc(len + 1);
    memcpy(s->piece[i].bytes, value, len);
    s->piece[i].len = len;
}

static void empty(struct store *s)
{
    for (uint32_t i = 0; i < s->n; i++)
        free(s->piece[i].bytes);
    memset(s, 0, sizeof *s);
}

static int put(void *ctx, const char *key, const void *value, size_t len, struct mmr_error *err)
{
    struct world *w = ctx;
    (void)err;
    put_piece(&w->open, key, value, len);
    return 0;
}

static int note(void *ctx, const char *kind, const char *json, struct mmr_error *err)
{
    struct world *w = ctx;
    struct json_object *o = json_tokener_parse(json);
    (void)err;
    assert_true(strncmp(kind, "notice.", 7) == 0);
    assert_non_null(o);
    json_object_put(o);
    w->open.notes++;
    return 0;
}

static bool hand(void *ctx, const char *instance, uint64_t number, const char *json, size_t len)
{
    struct world *w = ctx;
    static const char *const names[] = {"push", "mail", "sms", "voice"};
    unsigned ch = 0;
    while (ch < 4 && strcmp(names[ch], instance) != 0)
        ch++;
    assert_true(ch < 4 && w->n_wire < WIRE_MAX);
    if (w->is_down)
        return false;
    assert_int_equal(w->open.n, 0); /* nothing goes out before what it rests on is durable */
    w->wire[w->n_wire].number = number;
    w->wire[w->n_wire].channel = ch;
    w->wire[w->n_wire++].json = strndup(json, len);
    w->n_handed++;
    return true;
}

static const struct mmr_incident *incident(void *ctx, uint64_t id)
{
    const struct world *w = ctx;
    return w->incident && w->incident->id == id ? w->incident : NULL;
}

static int64_t wall_of(void *ctx, int64_t ns)
{
    const struct world *w = ctx;
    return ns + w->wall_skew_ns;
}

static void person(struct mmr_contact *c, const char *name, enum mmr_contact_role role, const char *channels)
{
    memset(c, 0, sizeof *c);
    c->role = role;
    (void)snprintf(c->name, sizeof c->name, "%s", name);
    for (int ch = 0; ch < MMR_NOTICE_CHANNELS; ch++)
        if (strchr(channels, "pmsv"[ch])) {
            (void)snprintf(c->address[ch], sizeof c->address[ch], "%s@%c.test", name, "pmsv"[ch]);
            (void)snprintf(c->carrier[ch][0], sizeof c->carrier[ch][0], "%s", ch < 2 ? "internet" : "telephone");
        }
}

static void open_outlet(struct world *w)
{
    const struct mmr_outlet_ops ops = {.put = put, .note = note, .hand = hand, .incident = incident, .wall_of = wall_of, .ctx = w};
    struct mmr_error err = {.struct_size = sizeof err};
    assert_int_equal(mmr_outlet_new(&w->c, &ops, &w->o, &err), 0);
    for (int pass = 0; pass < 2; pass++) /* as the store gives them, by key: the contacts before the notices */
        for (uint32_t i = 0; i < w->durable.n; i++)
            if ((strncmp(w->durable.piece[i].key, "notice.0", 8) == 0) == (pass == 0))
                assert_int_equal(mmr_outlet_restore(w->o, w->durable.piece[i].key, w->durable.piece[i].bytes, w->durable.piece[i].len, &err), 0);
    assert_int_equal(mmr_outlet_restored(w->o, &err), 0);
    mmr_outlet_book(w->o)->utc_offset_s = JST;
}

static struct world *world(void)
{
    struct world *w = calloc(1, sizeof *w);
    struct mmr_error err = {.struct_size = sizeof err};
    static const char *const names[] = {"push", "mail", "sms", "voice"};
    assert_non_null(w);
    w->now_ns = NOON;
    w->crash_at = -1;
    person(&w->c.contact[0], "owner", MMR_CONTACT_USER, "pmsv");
    person(&w->c.contact[1], "clerk", MMR_CONTACT_USER, "msv");
    person(&w->c.contact[2], "duty", MMR_CONTACT_DUTY, "s");
    w->c.n_contacts = 3;
    for (int ch = 0; ch < 4; ch++)
        (void)snprintf(w->c.channel[ch].through[0], sizeof w->c.channel[ch].through[0], "%s", names[ch]);
    (void)snprintf(w->c.office.lang, sizeof w->c.office.lang, "ja");
    (void)snprintf(w->c.office.service, sizeof w->c.office.service, "みまもり");
    (void)snprintf(w->c.office.phone, sizeof w->c.office.phone, "03-0000-0000");
    (void)snprintf(w->c.office.watchword, sizeof w->c.office.watchword, "さくら");
    (void)snprintf(w->c.confirm_url, sizeof w->c.confirm_url, "https://m.example.jp");
    w->c.office.utc_offset_s = JST;
    w->c.office.n_places = 1;
    (void)snprintf(w->c.office.place[0].host, sizeof w->c.office.place[0].host, "KEIRI-01");
    (void)snprintf(w->c.office.place[0].place, sizeof w->c.office.place[0].place, "経理");
    w->incident = mmr_incident_new(0xabc, &err);
    assert_non_null(w->incident);
    struct mmr_host_ref h = {.name = "KEIRI-01", .role = MMR_ROLE_VICTIM};
    assert_int_equal(mmr_incident_add_host(w->incident, &h, &err), 0);
    w->incident->class_current = w->incident->class_peak = MMR_CLASS_OF_SEVERE;
    w->incident->band = MMR_BAND_RED;
    w->incident->t0_ns = w->incident->clock_ns = NOON;
    open_outlet(w);
    return w;
}

static void drop_wire(struct world *w)
{
    for (uint32_t i = 0; i < w->n_wire; i++)
        free(w->wire[i].json);
    w->n_wire = 0;
}

static void end(struct world *w)
{
    mmr_outlet_free(w->o);
    mmr_incident_free(w->incident);
    empty(&w->durable);
    empty(&w->open);
    drop_wire(w);
    for (uint32_t i = 0; i < w->n_got; i++)
        free(w->got[i]);
    free(w);
}

static bool is_crash(struct world *w)
{
    if (w->points++ != w->crash_at)
        return false;
    mmr_outlet_free(w->o); /* kill -9: what is in memory and in the open batch is gone */
    empty(&w->open);
    drop_wire(w);
    open_outlet(w);
    mmr_outlet_incident(w->o, w->incident, 0, NOON, w->now_ns); /* the store gives severe incidents back */
    return true;
}

static void commit(struct world *w)
{
    for (uint32_t i = 0; i < w->open.n; i++)
        put_piece(&w->durable, w->open.piece[i].key, w->open.piece[i].bytes, w->open.piece[i].len);
    w->durable.notes += w->open.notes;
    empty(&w->open);
}

/* What the outside does with a record: it knows a key it has accepted. */
static int outside(struct world *w, const char *json, unsigned channel)
{
    struct json_object *o = json_tokener_parse(json), *key = NULL;
    int is = w->channel[channel];
    bool is_known = false;
    assert_true(json_object_object_get_ex(o, "key", &key));
    for (uint32_t i = 0; i < w->n_got; i++)
        is_known |= strcmp(w->got[i], json_object_get_string(key)) == 0;
    if ((is == OK || is == ACCEPT_ONLY) && !is_known) {
        assert_true(w->n_got < SENT_MAX);
        w->got[w->n_got++] = strdup(json_object_get_string(key));
    }
    json_object_put(o);
    return is == OK ? (int)MMR_DELIVERY_RECIPIENT : is == ACCEPT_ONLY ? (int)MMR_DELIVERY_GATEWAY : is == TEMPFAIL ? (int)MMR_DELIVERY_TRIED : (int)MMR_DELIVERY_FAILED;
}

/* One turn of the brain's loop, with a place to die between every two acts. */
static void turn(struct world *w)
{
    struct mmr_error err = {.struct_size = sizeof err};
    if (is_crash(w))
        return;
    assert_int_equal(mmr_outlet_tick(w->o, w->now_ns, &err), 0);
    if (is_crash(w))
        return;
    commit(w);
    if (is_crash(w))
        return;
    mmr_outlet_send(w->o, w->now_ns);
    if (is_crash(w))
        return;
    for (uint32_t i = 0; i < w->n_wire; i++) {
        int level = outside(w, w->wire[i].json, w->wire[i].channel);
        if (i == 0 && is_crash(w))
            return; /* it was accepted, and nobody heard */
        mmr_outlet_answer(w->o, w->wire[i].number, level, false, w->now_ns, "answer", w->now_ns);
    }
    drop_wire(w);
}

static void run(struct world *w, int64_t until_ns)
{
    while (w->now_ns <= until_ns) {
        turn(w);
        int64_t next = mmr_outlet_next(w->o);
        w->now_ns = next > w->now_ns ? (next < w->now_ns + M ? next : w->now_ns + M) : w->now_ns + S;
    }
}

static const struct mmr_notice *the_notice(struct world *w)
{
    return mmr_deadline_find(mmr_outlet_book(w->o), w->incident->id);
}

static void begin(struct world *w)
{
    mmr_outlet_incident(w->o, w->incident, MMR_CHANGE_CLASS, NOON, w->now_ns);
}

static void the_target_is_met_whenever_a_channel_can_reach(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        struct world *w = world();
        bool can_reach = false;
        for (int ch = 0; ch < 4; ch++) {
            w->channel[ch] = c >> (2 * ch) & 3;
            can_reach |= w->channel[ch] == OK;
        }
        begin(w);
        run(w, NOON + 75 * M);
        const struct mmr_notice *n = the_notice(w);
        if (n->target != (can_reach ? MMR_TARGET_MET : MMR_TARGET_MISSED) || (can_reach && n->first_l2_ns - n->t0_ns > 60 * M) || (!can_reach && !n->reason[0]))
            fail_msg("case %d: target %d after %lld s: %s", c, (int)n->target, (long long)((n->first_l2_ns - n->t0_ns) / S), n->reason);
        assert_int_equal(n->confirmed_ns, 0); /* it goes on until a person answers */
        end(w);
    }
}

static int by_text(const void *a, const void *b)
{
    char *x, *y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return strcmp(x, y);
}

static void a_crash_at_any_point_loses_and_doubles_nothing(void **state)
{
    (void)state;
    struct world *calm = world();
    calm->channel[MMR_NOTICE_MAIL] = ACCEPT_ONLY;
    calm->channel[MMR_NOTICE_SMS] = PERMFAIL;
    begin(calm);
    run(calm, NOON + 70 * M);
    qsort(calm->got, calm->n_got, sizeof(char *), by_text);
    assert_true(calm->n_got >= 8);
    int points = calm->points;
    for (int at = 0; at < points; at++) {
        struct world *w = world();
        w->channel[MMR_NOTICE_MAIL] = ACCEPT_ONLY;
        w->channel[MMR_NOTICE_SMS] = PERMFAIL;
        w->crash_at = at;
        begin(w);
        run(w, NOON + 70 * M);
        qsort(w->got, w->n_got, sizeof(char *), by_text);
        bool is_same = w->n_got == calm->n_got;
        for (uint32_t i = 0; i < w->n_got && is_same; i++)
            is_same = strcmp(w->got[i], calm->got[i]) == 0;
        if (!is_same || the_notice(w)->target != MMR_TARGET_MET)
            fail_msg("crash at %d of %d: %u messages instead of %u, target %d", at, points, w->n_got, calm->n_got, (int)the_notice(w)->target);
        end(w);
    }
    end(calm);
}

/* The brain's line under the outlet: the wall jumps by a day either way in the middle; minutes stay minutes. */
static void a_wall_clock_set_by_a_day_does_not_break_the_hour(void **state)
{
    (void)state;
    static const int64_t jump[] = {86400 * S, -86400 * S};
    for (size_t k = 0; k < 2; k++) {
        struct world *w = world();
        struct mmr_timeline line = {.boot = ""};
        const int64_t boot0 = 1000 * S;
        for (int ch = 0; ch < 4; ch++)
            w->channel[ch] = ch == MMR_NOTICE_VOICE ? OK : PERMFAIL;
        mmr_timeline_start(&line, "b", boot0, NOON);
        begin(w);
        bool was_voice = false;
        for (int64_t s = 0; s <= 65 * 60; s += 5) {
            int64_t wall = NOON + s * S + (s >= 600 ? jump[k] : 0);
            if (s == 1200) { /* and the process starts anew under the wrong wall */
                uint8_t bytes[MMR_TIMELINE_PACKED];
                struct mmr_error err = {.struct_size = sizeof err};
                mmr_timeline_pack(&line, bytes);
                assert_int_equal(mmr_timeline_unpack(&line, bytes, sizeof bytes, &err), 0);
                mmr_timeline_start(&line, "b", boot0 + s * S, wall);
            }
            w->now_ns = mmr_timeline_now(&line, boot0 + s * S, wall);
            w->wall_skew_ns = -line.skew_ns;
            mmr_outlet_book(w->o)->utc_offset_s = (int32_t)(JST - line.skew_ns / S);
            turn(w);
            was_voice |= the_notice(w)->first_l2_ns != 0;
        }
        const struct mmr_notice *n = the_notice(w);
        assert_true(was_voice);
        assert_int_equal(n->target, MMR_TARGET_MET);
        assert_true(n->first_l2_ns - n->t0_ns <= 16 * M);
        end(w);
    }
}

static void a_link_confirms_once_and_a_report_moves_the_level(void **state)
{
    (void)state;
    struct world *w = world();
    for (int ch = 0; ch < 4; ch++)
        w->channel[ch] = ACCEPT_ONLY;
    begin(w);
    struct mmr_error err = {.struct_size = sizeof err};
    assert_int_equal(mmr_outlet_tick(w->o, w->now_ns, &err), 0);
    commit(w);
    mmr_outlet_send(w->o, w->now_ns);
    char confirm[64] = "", report[64] = "";
    for (uint32_t i = 0; i < w->n_wire; i++) {
        struct json_object *o = json_tokener_parse(w->wire[i].json), *url = NULL;
        if (w->wire[i].channel == MMR_NOTICE_MAIL && json_object_object_get_ex(o, "confirm_url", &url))
            (void)snprintf(confirm, sizeof confirm, "%s", strrchr(json_object_get_string(url), '/') + 1);
        if (w->wire[i].channel == MMR_NOTICE_SMS && json_object_object_get_ex(o, "report_url", &url))
            (void)snprintf(report, sizeof report, "%s", strrchr(json_object_get_string(url), '/') + 1);
        assert_true(json_object_object_get_ex(o, "text", &url));
        assert_non_null(strstr(json_object_get_string(url), "経理のパソコン"));
        assert_non_null(strstr(json_object_get_string(url), "1月1日 12:00"));
        json_object_put(o);
        mmr_outlet_answer(w->o, w->wire[i].number, MMR_DELIVERY_GATEWAY, false, w->now_ns, "", w->now_ns);
    }
    drop_wire(w);
    const struct mmr_notice *n = the_notice(w);
    assert_int_equal(strlen(confirm), 32);
    assert_int_equal(n->first_l2_ns, 0); /* accepted is not received */
    w->now_ns += 3 * M;
    assert_int_equal(mmr_outlet_token(w->o, report, MMR_DELIVERY_RECIPIENT, "gateway", w->now_ns), 0);
    assert_int_equal(n->target, MMR_TARGET_MET);
    assert_int_equal(n->confirmed_ns, 0);
    assert_int_equal(mmr_outlet_token(w->o, "0123456789abcdef0123456789abcdef", MMR_DELIVERY_CONFIRMED, "x", w->now_ns), MMR_ENOENT);
    assert_int_equal(mmr_outlet_token(w->o, "short", MMR_DELIVERY_CONFIRMED, "x", w->now_ns), MMR_ENOENT);
    assert_int_equal(mmr_outlet_token(w->o, report, 9, "gateway", w->now_ns), MMR_EINVAL);
    assert_int_equal(mmr_outlet_tick(w->o, w->now_ns, &err), 0);
    commit(w);
    mmr_outlet_free(w->o); /* the key of the links is the same after a restart */
    open_outlet(w);
    n = the_notice(w);
    assert_int_equal(mmr_outlet_token(w->o, confirm, MMR_DELIVERY_TRIED, "link", w->now_ns), 0);
    assert_true(n->confirmed_ns != 0);
    assert_int_equal(mmr_outlet_token(w->o, confirm, MMR_DELIVERY_CONFIRMED, "link", w->now_ns), MMR_EPERM);
    uint32_t before = w->n_handed;
    run(w, NOON + 90 * M);
    assert_int_equal(w->n_handed, before); /* it is over */
    end(w);
}

/* A mail's own tokens: a delivery notice carries one, a reply refers to the other. */
static void mail_that_comes_back_is_known_by_its_token(void **state)
{
    (void)state;
    struct world *w = world();
    struct mmr_error err = {.struct_size = sizeof err};
    char reply[64] = "", report[64] = "", subject[64] = "";
    for (int ch = 0; ch < 4; ch++)
        w->channel[ch] = ACCEPT_ONLY;
    begin(w);
    assert_int_equal(mmr_outlet_tick(w->o, w->now_ns, &err), 0);
    commit(w);
    mmr_outlet_send(w->o, w->now_ns);
    for (uint32_t i = 0; i < w->n_wire; i++) {
        struct json_object *o = json_tokener_parse(w->wire[i].json), *v = NULL;
        bool is_mail = w->wire[i].channel == MMR_NOTICE_MAIL;
        assert_int_equal(json_object_object_get_ex(o, "reply_token", &v), is_mail); /* nothing else comes back by itself */
        if (is_mail)
            (void)snprintf(reply, sizeof reply, "%s", json_object_get_string(v));
        if (is_mail && json_object_object_get_ex(o, "report_token", &v))
            (void)snprintf(report, sizeof report, "%s", json_object_get_string(v));
        if (is_mail && json_object_object_get_ex(o, "confirm_url", &v))
            (void)snprintf(subject, sizeof subject, "%s", strrchr(json_object_get_string(v), '/') + 1);
        json_object_put(o);
        mmr_outlet_answer(w->o, w->wire[i].number, MMR_DELIVERY_GATEWAY, false, w->now_ns, "", w->now_ns);
    }
    drop_wire(w);
    assert_true(strlen(reply) == 32 && strlen(report) == 32 && strcmp(reply, report) != 0 && strcmp(reply, subject) != 0);
    const struct mmr_notice *n = the_notice(w);
    char forged[64];
    (void)snprintf(forged, sizeof forged, "%s", report);
    forged[31] = forged[31] == '0' ? '1' : '0';
    assert_int_equal(mmr_outlet_token(w->o, forged, MMR_DELIVERY_RECIPIENT, "delivery notice", w->now_ns), MMR_ENOENT);
    assert_int_equal(n->first_l2_ns, 0);
    assert_int_equal(mmr_outlet_token(w->o, report, MMR_DELIVERY_RECIPIENT, "delivery notice", w->now_ns), 0);
    assert_int_equal(n->target, MMR_TARGET_MET);
    assert_int_equal(n->confirmed_ns, 0); /* a server has it; nobody has read it */
    assert_int_equal(mmr_outlet_token(w->o, reply, MMR_DELIVERY_CONFIRMED, "reply", w->now_ns + M), 0);
    assert_true(n->confirmed_ns != 0);
    assert_int_equal(mmr_outlet_token(w->o, reply, MMR_DELIVERY_CONFIRMED, "reply", w->now_ns + 2 * M), MMR_EPERM);
    end(w);
}

static void people_and_tests(void **state)
{
    (void)state;
    struct world *w = world();
    struct mmr_error err = {.struct_size = sizeof err};
    begin(w);
    w->is_down = true; /* no plugin is there yet: tried again, not lost */
    turn(w);
    w->is_down = false;
    run(w, NOON + 2 * M);
    assert_int_equal(the_notice(w)->target, MMR_TARGET_MET);
    assert_int_equal(mmr_outlet_confirm(w->o, 0xabc, "", w->now_ns, &err), MMR_EINVAL);
    assert_int_equal(mmr_outlet_confirm(w->o, 0x999, "山田", w->now_ns, &err), MMR_ENOENT);
    assert_int_equal(mmr_outlet_confirm(w->o, 0xabc, "山田", w->now_ns, &err), 0);
    assert_string_equal(the_notice(w)->closed_by, "山田");
    assert_int_equal(mmr_outlet_close(w->o, 0xabc, "山田", false, w->now_ns, &err), 0);
    assert_int_equal(mmr_outlet_test(w->o, "nobody", w->now_ns, &err), MMR_ENOENT);
    assert_int_equal(mmr_outlet_tick(w->o, w->now_ns, &err), 0);
    commit(w);
    assert_int_equal(mmr_outlet_test(w->o, NULL, w->now_ns, &err), 8); /* 4 of the owner, 3 of the clerk, 1 of the duty */
    assert_int_equal(w->n_wire, 8);
    for (uint32_t i = 0; i < w->n_wire; i++) {
        assert_non_null(strstr(w->wire[i].json, "\"message\":\"test\""));
        assert_true(mmr_outlet_is_number(w->wire[i].number));
        mmr_outlet_answer(w->o, w->wire[i].number, i ? (int)MMR_DELIVERY_RECIPIENT : (int)MMR_DELIVERY_FAILED, false, w->now_ns, "d", w->now_ns);
    }
    struct json_object *tests = mmr_outlet_tests_json(w->o), *level = NULL;
    assert_int_equal(json_object_array_length(tests), 8);
    assert_true(json_object_object_get_ex(json_object_array_get_idx(tests, 0), "level", &level));
    assert_int_equal(json_object_get_int(level), -1);
    json_object_put(tests);
    struct json_object *shown = mmr_outlet_json(w->o, w->now_ns);
    const char *text = json_object_to_json_string(shown);
    assert_null(strstr(text, "owner@m.test")); /* addresses are masked where people look */
    assert_non_null(strstr(text, "o***@m.test"));
    json_object_put(shown);
    end(w);
}

static void an_exercise_and_an_office_that_only_watches_say_so(void **state)
{
    (void)state;
    struct world *w = world();
    w->incident->is_exercise = true;
    begin(w);
    turn(w);
    assert_non_null(strstr(the_notice(w)->text[0], "【訓練】"));
    assert_non_null(strstr(the_notice(w)->text[0], "まだ止まっていません")); /* nothing was stopped: it must not say so */
    end(w);
    w = world();
    w->c.n_contacts = 0; /* nobody is named: no notice, no crash */
    mmr_outlet_free(w->o);
    open_outlet(w);
    begin(w);
    turn(w);
    assert_null(the_notice(w));
    end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_target_is_met_whenever_a_channel_can_reach),
        cmocka_unit_test(a_crash_at_any_point_loses_and_doubles_nothing),
        cmocka_unit_test(a_wall_clock_set_by_a_day_does_not_break_the_hour),
        cmocka_unit_test(a_link_confirms_once_and_a_report_moves_the_level),
        cmocka_unit_test(mail_that_comes_back_is_known_by_its_token),
        cmocka_unit_test(people_and_tests),
        cmocka_unit_test(an_exercise_and_an_office_that_only_watches_say_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
