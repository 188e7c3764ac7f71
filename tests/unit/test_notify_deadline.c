/* The 60-minute clock on a simulated clock and sinks: SERVICE_STANDARD 5, SR-22. Times are worked out from its table. */
#include "notify/deadline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <mamori/plugin.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define S INT64_C(1000000000)
#define M (60 * S)
#define NOON (INT64_C(1767225600) * S + 3 * 3600 * S) /* 2026-01-01 12:00 in Japan */
enum { OK, ACCEPT_ONLY, TEMPFAIL, PERMFAIL, SENT_MAX = 2048, JST = 9 * 3600 };

struct sent {
    char key[MMR_ATTEMPT_KEY_TEXT_MAX];
    int64_t at_ns;
    enum mmr_text_kind kind;
    bool is_received;
};
struct world {
    struct mmr_deadline d;
    int64_t now_ns;
    int channel[MMR_NOTICE_CHANNELS]; /* how each behaves */
    int ok_level;
    struct sent sent[SENT_MAX]; /* what the sinks saw */
    uint32_t n_sent, n_received, n_twice;
    uint8_t *blob[16], *contacts; /* what is durable */
    size_t len[16], contacts_len;
    uint32_t n_blobs;
    int points, crash_at; /* crash_at: which of the points ends the process; -1 none */
    struct mmr_severe severe;
    struct { struct mmr_attempt_key key; char text[MMR_ATTEMPT_KEY_TEXT_MAX]; enum mmr_text_kind kind; } wire[MMR_NOTICE_ATTEMPTS_MAX];
    uint32_t n_wire;
};

static void compose(void *ctx, const struct mmr_notice *n, enum mmr_text_kind kind, char *buf, size_t cap)
{
    (void)ctx;
    (void)snprintf(buf, cap, "kind %d of %llx, band %d, %u machines, %u members", (int)kind, (unsigned long long)n->id, (int)n->band, n->n_assets, n->n_members);
}
static const struct mmr_deadline_ops ops = {.compose = compose};

static struct mmr_contact person(const char *name, enum mmr_contact_role role, const char *channels)
{
    struct mmr_contact c = {.role = role};
    (void)snprintf(c.name, sizeof c.name, "%s", name);
    for (int ch = 0; ch < MMR_NOTICE_CHANNELS; ch++)
        if (strchr(channels, "pmsv"[ch])) {
            (void)snprintf(c.address[ch], sizeof c.address[ch], "%s by %s", name, mmr_notice_channel_name((enum mmr_notice_channel)ch));
            (void)snprintf(c.carrier[ch][0], sizeof c.carrier[ch][0], "carrier-%c", "aabb"[ch]);
        }
    return c;
}

static struct world *world(void)
{
    struct world *w = calloc(1, sizeof *w);
    const struct mmr_contact who[] = {person("owner", MMR_CONTACT_USER, "pmsv"), person("clerk", MMR_CONTACT_USER, "msv"),
                                      person("duty", MMR_CONTACT_DUTY, "s"), person("chief", MMR_CONTACT_MANAGER, "m")};
    struct mmr_error err = {.struct_size = sizeof err};
    assert_non_null(w);
    assert_int_equal(mmr_deadline_init(&w->d, who, 4, &ops, &err), 0);
    w->d.utc_offset_s = JST;
    w->now_ns = NOON;
    w->crash_at = -1;
    w->ok_level = MMR_DELIVERY_RECIPIENT;
    return w;
}

static void end(struct world *w)
{
    mmr_deadline_done(&w->d);
    for (uint32_t i = 0; i < w->n_blobs; i++)
        free(w->blob[i]);
    free(w->contacts);
    free(w);
}

static void store(struct world *w)
{
    struct mmr_error err = {.struct_size = sizeof err};
    for (uint32_t i = 0; i < w->n_blobs; i++)
        free(w->blob[i]);
    free(w->contacts);
    w->n_blobs = w->d.n_notices;
    assert_true(w->n_blobs <= 16);
    for (uint32_t i = 0; i < w->n_blobs; i++)
        assert_int_equal(mmr_notice_pack(w->d.notice[i], &w->blob[i], &w->len[i], &err), 0);
    assert_int_equal(mmr_contacts_pack(&w->d, &w->contacts, &w->contacts_len, &err), 0);
}

static void restart(struct world *w)
{
    struct mmr_error err = {.struct_size = sizeof err};
    mmr_deadline_done(&w->d);
    memset(w->d.contact, 0, sizeof w->d.contact);
    w->n_wire = 0;
    assert_int_equal(mmr_contacts_unpack(&w->d, w->contacts, w->contacts_len, &err), 0);
    for (uint32_t i = 0; i < w->n_blobs; i++)
        assert_int_equal(mmr_notice_unpack(&w->d, w->blob[i], w->len[i], &err), 0);
    assert_true(mmr_deadline_severe(&w->d, &w->severe, w->now_ns, &err) > 0); /* incidents are told again after a start */
}

static bool is_crash(struct world *w)
{
    if (w->points++ != w->crash_at)
        return false;
    restart(w);
    return true;
}

static void on_send(void *ctx, const struct mmr_notice *n, const struct mmr_attempt *a, const struct mmr_contact *c)
{
    struct world *w = ctx;
    (void)c;
    w->wire[w->n_wire].key = (struct mmr_attempt_key){n->id, a->step, a->contact, a->channel};
    w->wire[w->n_wire].kind = (enum mmr_text_kind)a->kind;
    assert_true(a->text < n->n_texts && n->text[a->text][0]); /* the words were there before it goes out */
    mmr_attempt_key_text(&w->d, n, a, w->wire[w->n_wire++].text);
}

/* A sink: what it accepted once under a key it answers again without doing it again. */
static int sink(struct world *w, uint32_t i)
{
    int is = w->channel[w->wire[i].key.channel];
    bool is_received = is == OK || is == ACCEPT_ONLY;
    for (uint32_t k = 0; is_received && k < w->n_sent; k++)
        if (w->sent[k].is_received && strcmp(w->sent[k].key, w->wire[i].text) == 0) {
            w->n_twice++;
            is_received = false;
        }
    assert_true(w->n_sent < SENT_MAX);
    struct sent *s = &w->sent[w->n_sent++];
    *s = (struct sent){.at_ns = w->now_ns, .kind = w->wire[i].kind, .is_received = is_received};
    memcpy(s->key, w->wire[i].text, sizeof s->key);
    w->n_received += is_received;
    return is == OK ? w->ok_level : is == ACCEPT_ONLY ? MMR_DELIVERY_GATEWAY : is == TEMPFAIL ? MMR_NOTICE_TEMPFAIL : MMR_DELIVERY_FAILED;
}

/* The owner's order, with a place to crash between every two acts. Returns false after a crash. */
static bool turn(struct world *w)
{
    struct mmr_error err = {.struct_size = sizeof err};
    if (is_crash(w))
        return false;
    assert_int_equal(mmr_deadline_tick(&w->d, w->now_ns, &err), 0);
    if (is_crash(w))
        return false;
    store(w);
    if (is_crash(w))
        return false;
    w->n_wire = 0;
    mmr_deadline_send(&w->d, on_send, w);
    for (uint32_t i = 0; i < w->n_wire; i++) {
        if (is_crash(w))
            return false;
        int level = sink(w, i);
        if (is_crash(w))
            return false;
        assert_int_equal(mmr_deadline_result(&w->d, &w->wire[i].key, level, w->now_ns, "as the test says", w->now_ns, &err), 0);
        if (is_crash(w))
            return false;
        store(w);
    }
    return true;
}

static void run_until(struct world *w, int64_t until_ns)
{
    for (int guard = 0; guard < 20000; guard++) {
        if (!turn(w))
            continue;
        int64_t next = mmr_deadline_next(&w->d);
        if (next > until_ns)
            break;
        if (next > w->now_ns)
            w->now_ns = next;
    }
    w->now_ns = until_ns;
}

static struct mmr_notice *open_one(struct world *w, uint64_t id, enum mmr_band band, int64_t t0_ns, int want)
{
    struct mmr_error err = {.struct_size = sizeof err};
    static const uint64_t asset[] = {77};
    w->severe = (struct mmr_severe){.id = id, .band = band, .t0_ns = t0_ns, .classed_ns = w->now_ns, .assets = asset, .n_assets = 1};
    assert_int_equal(mmr_deadline_severe(&w->d, &w->severe, w->now_ns, &err), want);
    store(w);
    return mmr_deadline_find(&w->d, id);
}

static int64_t when(const struct world *w, const char *key)
{
    for (uint32_t i = 0; i < w->n_sent; i++)
        if (strcmp(w->sent[i].key, key) == 0)
            return w->sent[i].at_ns;
    return -1;
}

static void fault_matrix_of_256_cases(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        struct world *w = world();
        bool has_ok = false;
        for (int ch = 0; ch < MMR_NOTICE_CHANNELS; ch++) {
            w->channel[ch] = c >> (2 * ch) & 3;
            has_ok |= w->channel[ch] == OK;
        }
        int64_t t0 = w->now_ns - 2 * M;
        (void)open_one(w, 1, MMR_BAND_RED, t0, MMR_OPENED_NEW);
        run_until(w, t0 + 150 * M);
        const struct mmr_notice *n = mmr_deadline_find(&w->d, 1);
        if (n->target != (has_ok ? MMR_TARGET_MET : MMR_TARGET_MISSED))
            fail_msg("case %d (push %d, mail %d, sms %d, voice %d): target %d, first L2 after %lld min (%s)", c, w->channel[0], w->channel[1],
                     w->channel[2], w->channel[3], (int)n->target, (long long)((n->first_l2_ns - t0) / M), n->reason);
        assert_true(!has_ok || (n->first_l2_ns && n->first_l2_ns - t0 <= 60 * M));
        assert_true(has_ok || (n->reason[0] && n->written_ns == t0 + 60 * M));
        assert_int_equal(n->n_rounds, 4); /* t0 + 60, 90, 120, 150: nobody confirmed, so it goes on */
        end(w);
    }
}

static void a_crash_at_any_point_loses_and_doubles_nothing(void **state)
{
    (void)state;
    static const int how[][MMR_NOTICE_CHANNELS] = {{OK, OK, OK, OK}, {TEMPFAIL, PERMFAIL, TEMPFAIL, OK}, {PERMFAIL, ACCEPT_ONLY, PERMFAIL, TEMPFAIL}};
    for (size_t h = 0; h < sizeof how / sizeof how[0]; h++) {
        struct world *plain = world();
        memcpy(plain->channel, how[h], sizeof plain->channel);
        (void)open_one(plain, 9, MMR_BAND_RED, NOON - M, MMR_OPENED_NEW);
        run_until(plain, NOON + 95 * M);
        assert_true(plain->n_received >= 6 && plain->n_twice == 0);
        for (int at = 0; at < plain->points; at++) {
            struct world *w = world();
            memcpy(w->channel, how[h], sizeof w->channel);
            w->crash_at = at;
            (void)open_one(w, 9, MMR_BAND_RED, NOON - M, MMR_OPENED_NEW);
            run_until(w, NOON + 95 * M);
            if (w->n_received != plain->n_received)
                fail_msg("setting %zu, crash at point %d: %u messages received, %u without it", h, at, w->n_received, plain->n_received);
            assert_true(w->n_twice <= MMR_NOTICE_CHANNELS); /* offered again under the same key: only what was in flight */
            for (uint32_t i = 0; i < plain->n_sent; i++)
                if (plain->sent[i].is_received && when(w, plain->sent[i].key) != when(plain, plain->sent[i].key))
                    fail_msg("setting %zu, crash at point %d: '%s' went at another time or not at all", h, at, plain->sent[i].key);
            assert_int_equal(mmr_deadline_find(&w->d, 9)->target, mmr_deadline_find(&plain->d, 9)->target);
            assert_int_equal(mmr_deadline_find(&w->d, 9)->first_l2_ns, mmr_deadline_find(&plain->d, 9)->first_l2_ns);
            end(w);
        }
        end(plain);
    }
}

static void steps_come_at_their_minutes_until_a_person_confirms(void **state)
{
    (void)state;
    struct world *w = world();
    (void)open_one(w, 1, MMR_BAND_RED, NOON, MMR_OPENED_NEW);
    run_until(w, NOON + 60 * M);
    static const struct { const char *key; int min; } rows[] = {
        {"0000000000000001.0.owner.push", 0}, {"0000000000000001.0.owner.mail", 0}, {"0000000000000001.0.owner.sms", 0},
        {"0000000000000001.0.owner.voice", -1}, {"0000000000000001.0.clerk.mail", -1},
        {"0000000000000001.1.owner.voice", 15}, {"0000000000000001.1.clerk.mail", 15}, {"0000000000000001.1.clerk.sms", 15},
        {"0000000000000001.2.clerk.voice", 30}, {"0000000000000001.2.duty.sms", 30},
        {"0000000000000001.3.owner.voice", 45}, {"0000000000000001.3.clerk.sms", 45}, {"0000000000000001.3.chief.mail", 45},
        {"0000000000000001.4.owner.push", 60}, {"0000000000000001.4.clerk.voice", 60}, {"0000000000000001.4.duty.sms", -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t at = when(w, rows[i].key), want = rows[i].min < 0 ? -1 : NOON + rows[i].min * M;
        if (at != want)
            fail_msg("'%s': at minute %lld, expected %d", rows[i].key, at < 0 ? -1LL : (long long)((at - NOON) / M), rows[i].min);
    }
    uint32_t before = w->n_sent;
    struct mmr_error err = {.struct_size = sizeof err};
    const struct mmr_attempt_key duty = {1, 2, 2, MMR_NOTICE_SMS}, tap = {1, 0, 0, MMR_NOTICE_PUSH};
    assert_int_equal(mmr_deadline_result(&w->d, &duty, MMR_DELIVERY_CONFIRMED, w->now_ns, "", w->now_ns, &err), 0);
    assert_int_equal(mmr_deadline_find(&w->d, 1)->confirmed_ns, 0); /* the provider's own people are not the user */
    assert_int_equal(mmr_deadline_result(&w->d, &tap, MMR_DELIVERY_CONFIRMED, w->now_ns, "tap", w->now_ns, &err), 0);
    run_until(w, NOON + 600 * M);
    assert_int_equal(w->n_sent, before);
    assert_int_equal(mmr_deadline_next(&w->d), INT64_MAX);
    end(w);
}

static void temporary_failures_are_tried_at_0_1_3_and_7_minutes(void **state)
{
    (void)state;
    static const int min[] = {0, 1, 3, 7};
    struct world *w = world();
    for (int ch = 0; ch < MMR_NOTICE_CHANNELS; ch++)
        w->channel[ch] = TEMPFAIL;
    (void)open_one(w, 1, MMR_BAND_RED, NOON, MMR_OPENED_NEW);
    run_until(w, NOON + 10 * M);
    uint32_t tries = 0;
    for (uint32_t i = 0; i < w->n_sent; i++)
        if (strcmp(w->sent[i].key, "0000000000000001.0.owner.mail") == 0) {
            int64_t late = w->sent[i].at_ns - NOON - min[tries] * M;
            assert_true(tries < 4 && late >= 0 && late < 20 * S);
            tries++;
        }
    assert_int_equal(tries, 4);
    assert_true(when(w, "0000000000000001.0.owner.voice") >= NOON + 7 * M); /* given up: the next channel */
    end(w);
}

static void a_refusal_goes_to_the_next_channel_at_once_and_marks_it_broken(void **state)
{
    (void)state;
    struct world *w = world();
    w->channel[MMR_NOTICE_PUSH] = PERMFAIL;
    (void)open_one(w, 1, MMR_BAND_RED, NOON, MMR_OPENED_NEW);
    run_until(w, NOON + 59 * M);
    assert_int_equal(when(w, "0000000000000001.0.owner.voice"), NOON);
    assert_true(w->d.contact[0].is_broken[MMR_NOTICE_PUSH][0]);
    assert_int_equal(when(w, "0000000000000001.3.owner.push"), -1); /* no second carrier is named for it */
    run_until(w, NOON + 61 * M);
    assert_int_equal(when(w, "0000000000000001.4.owner.push"), NOON + 60 * M);
    end(w);
}

static void what_is_late_hurries(void **state)
{
    (void)state;
    struct world *w = world();
    for (int ch = 0; ch < MMR_NOTICE_CHANNELS; ch++)
        w->channel[ch] = ACCEPT_ONLY;
    (void)open_one(w, 1, MMR_BAND_RED, NOON - 20 * M, MMR_OPENED_NEW); /* t0 + 40 is in 20 min: steps 2 and 3 do not wait */
    run_until(w, NOON + 21 * M);
    assert_int_equal(when(w, "0000000000000001.1.owner.voice"), NOON + 15 * M);
    assert_int_equal(when(w, "0000000000000001.2.clerk.voice"), NOON + 20 * M);
    assert_int_equal(when(w, "0000000000000001.3.owner.mail"), NOON + 20 * M);
    end(w);
    w = world();
    (void)open_one(w, 1, MMR_BAND_RED, NOON - 70 * M, MMR_OPENED_NEW); /* events buffered during an outage */
    run_until(w, NOON);
    assert_int_equal(when(w, "0000000000000001.3.chief.mail"), NOON); /* nothing had arrived at t0 + 40: all steps at once */
    assert_int_equal(mmr_deadline_find(&w->d, 1)->target, MMR_TARGET_MISSED);
    assert_string_equal(mmr_deadline_find(&w->d, 1)->reason, "classed 70 min after it was noticed");
    end(w);
}

static void yellow_calls_by_day_only(void **state)
{
    (void)state;
    static const struct { enum mmr_band band; int hour; bool is_called; } rows[] = {
        {MMR_BAND_YELLOW, 3, false}, {MMR_BAND_YELLOW, 12, true}, {MMR_BAND_YELLOW, 21, false}, {MMR_BAND_RED, 3, true}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world *w = world();
        w->now_ns = NOON + (rows[i].hour - 12) * 60 * M;
        int64_t from = w->now_ns;
        (void)open_one(w, 1, rows[i].band, from, MMR_OPENED_NEW);
        run_until(w, from + 20 * M);
        assert_int_equal(when(w, "0000000000000001.0.owner.mail"), from);
        if ((when(w, "0000000000000001.1.owner.voice") >= 0) != rows[i].is_called)
            fail_msg("band %d at %d h: called is not %d", (int)rows[i].band, rows[i].hour, (int)rows[i].is_called);
        end(w);
    }
}

static void repeats_merge_and_news_wait_half_an_hour_unless_a_machine_is_new(void **state)
{
    (void)state;
    struct world *w = world();
    struct mmr_error err = {.struct_size = sizeof err};
    static const uint64_t same[] = {77}, other[] = {77, 78};
    struct mmr_severe s = {.id = 1, .fingerprint = 5, .band = MMR_BAND_RED, .t0_ns = NOON, .classed_ns = NOON, .assets = same, .n_assets = 1};
    w->severe = s;
    assert_int_equal(mmr_deadline_severe(&w->d, &s, NOON, &err), MMR_OPENED_NEW);
    store(w);
    run_until(w, NOON + 5 * M);
    s.id = 2;
    assert_int_equal(mmr_deadline_severe(&w->d, &s, w->now_ns, &err), MMR_OPENED_MERGED);
    run_until(w, NOON + 29 * M);
    assert_int_equal(when(w, "0000000000000001.6000.owner.mail"), -1);
    run_until(w, NOON + 31 * M);
    assert_int_equal(when(w, "0000000000000001.6000.owner.mail"), NOON + 30 * M);
    s.id = 1;
    s.assets = other;
    s.n_assets = 2;
    assert_int_equal(mmr_deadline_severe(&w->d, &s, w->now_ns, &err), MMR_OPENED_CHANGED);
    run_until(w, NOON + 32 * M);
    assert_int_equal(when(w, "0000000000000001.6001.owner.mail"), NOON + 31 * M);
    assert_int_equal(mmr_deadline_severe(&w->d, &s, w->now_ns, &err), MMR_OPENED_NOTHING);
    run_until(w, NOON + 61 * M);
    s.id = 3;
    assert_int_equal(mmr_deadline_severe(&w->d, &s, w->now_ns, &err), MMR_OPENED_NEW); /* after an hour it speaks for itself */
    end(w);
}

static void five_in_ten_minutes_get_one_message(void **state)
{
    (void)state;
    struct world *w = world();
    struct mmr_error err = {.struct_size = sizeof err};
    for (uint64_t id = 1; id <= 4; id++) {
        (void)open_one(w, id, MMR_BAND_YELLOW, w->now_ns, MMR_OPENED_NEW);
        run_until(w, w->now_ns + M);
    }
    int64_t fifth = w->now_ns;
    (void)open_one(w, 5, MMR_BAND_RED, fifth, MMR_OPENED_STORM);
    run_until(w, fifth + 2 * M);
    assert_int_equal(when(w, "0000000000000005.0.owner.mail"), -1);
    const struct mmr_notice *u = mmr_deadline_find(&w->d, mmr_deadline_find(&w->d, 5)->parent);
    assert_true(u && u->is_umbrella && u->n_members == 5 && u->band == MMR_BAND_RED && u->t0_ns == NOON);
    assert_int_equal(mmr_deadline_find(&w->d, 5)->target, MMR_TARGET_MET); /* by the umbrella's message */
    assert_int_equal(mmr_deadline_find(&w->d, 5)->first_l2_ns, fifth);
    uint64_t umbrella = u->id;
    (void)open_one(w, 6, MMR_BAND_RED, w->now_ns, MMR_OPENED_STORM);
    assert_int_equal(mmr_deadline_find(&w->d, 6)->first_l2_ns, 0); /* it is in no message yet */
    struct mmr_attempt_key tap = {umbrella, 0, 0, MMR_NOTICE_PUSH};
    assert_int_equal(mmr_deadline_result(&w->d, &tap, MMR_DELIVERY_CONFIRMED, w->now_ns, "", w->now_ns, &err), 0);
    assert_true(mmr_deadline_find(&w->d, 5)->confirmed_ns && !mmr_deadline_find(&w->d, 6)->confirmed_ns && !u->confirmed_ns);
    run_until(w, fifth + 6 * M);
    assert_int_equal(mmr_deadline_find(&w->d, 6)->first_l2_ns, fifth + 5 * M); /* the list again, five minutes after the first */
    for (uint32_t i = 0; i < w->n_sent; i++)
        assert_true(w->sent[i].at_ns <= fifth || strstr(w->sent[i].key, ".1.") == NULL || w->sent[i].at_ns >= fifth + 15 * M);
    end(w);
}

static void late_defence_withdrawal_and_a_new_clock(void **state)
{
    (void)state;
    struct world *w = world();
    struct mmr_error err = {.struct_size = sizeof err};
    (void)open_one(w, 1, MMR_BAND_RED, NOON, MMR_OPENED_NEW);
    run_until(w, NOON + 5 * M);
    assert_int_equal(mmr_deadline_followup(&w->d, 1, w->now_ns, &err), 0);
    run_until(w, NOON + 6 * M);
    assert_int_equal(when(w, "0000000000000001.4000.owner.mail"), NOON + 5 * M);
    assert_int_equal(when(w, "0000000000000001.4000.clerk.mail"), -1); /* who heard nothing hears no "update" */
    assert_int_equal(mmr_deadline_close(&w->d, 1, "", true, w->now_ns, &err), MMR_EINVAL);
    assert_int_equal(mmr_deadline_close(&w->d, 1, "Sato", true, w->now_ns, &err), 0);
    run_until(w, NOON + 120 * M);
    assert_int_equal(when(w, "0000000000000001.8000.owner.mail"), NOON + 6 * M);
    assert_int_equal(when(w, "0000000000000001.1.owner.voice"), -1);
    w->severe.t0_ns = w->severe.classed_ns = w->now_ns; /* the defence lapsed */
    assert_int_equal(mmr_deadline_severe(&w->d, &w->severe, w->now_ns, &err), MMR_OPENED_NEW);
    run_until(w, NOON + 121 * M);
    assert_int_equal(when(w, "0000000000000001.10000.owner.mail"), NOON + 120 * M);
    assert_int_equal(mmr_deadline_find(&w->d, 1)->target, MMR_TARGET_MET);
    assert_int_equal(mmr_deadline_followup(&w->d, 99, w->now_ns, &err), MMR_ENOENT);
    end(w);
}

static void a_late_report_of_a_timely_delivery_counts(void **state)
{
    (void)state;
    struct world *w = world();
    struct mmr_error err = {.struct_size = sizeof err};
    for (int ch = 0; ch < MMR_NOTICE_CHANNELS; ch++)
        w->channel[ch] = ACCEPT_ONLY;
    (void)open_one(w, 1, MMR_BAND_RED, NOON, MMR_OPENED_NEW);
    run_until(w, NOON + 70 * M);
    assert_int_equal(mmr_deadline_find(&w->d, 1)->target, MMR_TARGET_MISSED);
    const struct mmr_attempt_key sms = {1, 0, 0, MMR_NOTICE_SMS};
    assert_int_equal(mmr_deadline_result(&w->d, &sms, MMR_DELIVERY_RECIPIENT, NOON - 5 * M, "report", w->now_ns, &err), 0);
    assert_int_equal(mmr_deadline_find(&w->d, 1)->target, MMR_TARGET_MET);
    assert_int_equal(mmr_deadline_find(&w->d, 1)->first_l2_ns, NOON); /* not before it was planned, whatever a gateway says */
    end(w);
}

static void two_unanswered_days_stay_bounded(void **state)
{
    (void)state;
    struct world *w = world();
    (void)open_one(w, 1, MMR_BAND_RED, NOON, MMR_OPENED_NEW);
    run_until(w, NOON + 2 * 1440 * M);
    const struct mmr_notice *n = mmr_deadline_find(&w->d, 1);
    assert_int_equal(n->n_rounds, 95); /* from minute 60 to minute 2880, every 30 */
    assert_true(n->n_attempts <= MMR_NOTICE_ATTEMPTS_MAX && n->forgotten > 0);
    assert_int_equal(w->n_twice, 0);
    assert_non_null(strstr(w->sent[w->n_sent - 1].key, ".98.clerk.voice"));
    end(w);
}

static void damaged_bytes_and_bad_contacts_are_refused(void **state)
{
    (void)state;
    struct world *w = world();
    struct mmr_error err = {.struct_size = sizeof err};
    (void)open_one(w, 1, MMR_BAND_RED, NOON, MMR_OPENED_NEW);
    run_until(w, NOON + 20 * M);
    for (size_t len = 0; len < w->len[0]; len += 7) {
        mmr_deadline_done(&w->d);
        assert_int_equal(mmr_notice_unpack(&w->d, w->blob[0], len, &err), MMR_EBADMSG);
    }
    for (size_t at = 0; at < w->len[0]; at++) { /* any byte may be any other: refused, or at least sound */
        w->blob[0][at] ^= 0xff;
        mmr_deadline_done(&w->d);
        if (mmr_notice_unpack(&w->d, w->blob[0], w->len[0], &err) == 0) {
            w->n_wire = 0;
            mmr_deadline_send(&w->d, on_send, w);
        }
        w->blob[0][at] ^= 0xff;
    }
    struct mmr_deadline d;
    struct mmr_contact who[] = {person("owner", MMR_CONTACT_USER, "m"), person("owner", MMR_CONTACT_USER, "mv")};
    assert_int_equal(mmr_contacts_check(who, 1, &err), MMR_ECONFIG); /* one channel */
    who[0] = person("owner", MMR_CONTACT_USER, "mv");
    assert_int_equal(mmr_deadline_init(&d, who, 2, &ops, &err), MMR_ECONFIG); /* one name twice */
    who[0] = person("owner", MMR_CONTACT_USER, "pm"); /* both of one carrier */
    assert_int_equal(mmr_contacts_check(who, 1, &err), MMR_ECONFIG);
    who[0] = person("duty", MMR_CONTACT_DUTY, "mv");
    assert_int_equal(mmr_contacts_check(who, 1, &err), MMR_ECONFIG); /* no user */
    assert_int_equal(mmr_contacts_check(&who[1], 1, &err), 0);
    assert_int_equal(mmr_deadline_init(&d, &who[1], 1, &ops, &err), 0);
    end(w);
}

/* The order of the list decides who is told first; a notice under way follows the people, not the places. */
static void another_list_of_contacts_takes_open_notices_along(void **state)
{
    (void)state;
    struct world *w = world();
    struct mmr_error err = {.struct_size = sizeof err};
    w->channel[MMR_NOTICE_MAIL] = PERMFAIL;
    w->severe = (struct mmr_severe){.id = 5, .fingerprint = 5, .band = MMR_BAND_RED, .t0_ns = NOON, .classed_ns = NOON};
    assert_int_equal(mmr_deadline_severe(&w->d, &w->severe, w->now_ns, &err), MMR_OPENED_NEW);
    assert_true(turn(w));
    assert_true(w->d.contact[0].is_broken[MMR_NOTICE_MAIL][0]);
    const struct mmr_notice *n = mmr_deadline_find(&w->d, 5);
    uint32_t owners = 0, still = 0;
    for (uint32_t i = 0; i < n->n_attempts; i++)
        owners += strcmp(w->d.contact[n->attempt[i].contact].name, "owner") == 0;
    assert_true(owners >= 3); /* push, mail and SMS */
    struct mmr_contact next[] = {person("clerk", MMR_CONTACT_USER, "msv"), person("new", MMR_CONTACT_USER, "ms"), person("owner", MMR_CONTACT_USER, "mv")};
    assert_int_equal(mmr_deadline_contacts(&w->d, next, 3, &err), 0);
    for (uint32_t i = 0; i < n->n_attempts; i++)
        still += strcmp(w->d.contact[n->attempt[i].contact].name, "owner") == 0;
    assert_int_equal(still, owners);
    assert_int_equal(w->d.n_contacts, 3); /* nobody asked for the duty or the chief yet */
    assert_true(w->d.contact[2].is_broken[MMR_NOTICE_MAIL][0]);
    assert_int_equal(mmr_deadline_contacts(&w->d, next, 2, &err), 0); /* the owner has left */
    assert_int_equal(w->d.n_contacts, 3);
    assert_string_equal(w->d.contact[2].name, "owner");
    assert_string_equal(w->d.contact[2].address[MMR_NOTICE_VOICE], "");
    memcpy(next[2].address[MMR_NOTICE_MAIL], "other", 6); /* back with another address: not known to be broken */
    assert_int_equal(mmr_deadline_contacts(&w->d, next, 3, &err), 0);
    assert_false(w->d.contact[2].is_broken[MMR_NOTICE_MAIL][0]);
    end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_matrix_of_256_cases),
        cmocka_unit_test(a_crash_at_any_point_loses_and_doubles_nothing),
        cmocka_unit_test(steps_come_at_their_minutes_until_a_person_confirms),
        cmocka_unit_test(temporary_failures_are_tried_at_0_1_3_and_7_minutes),
        cmocka_unit_test(a_refusal_goes_to_the_next_channel_at_once_and_marks_it_broken),
        cmocka_unit_test(what_is_late_hurries),
        cmocka_unit_test(yellow_calls_by_day_only),
        cmocka_unit_test(repeats_merge_and_news_wait_half_an_hour_unless_a_machine_is_new),
        cmocka_unit_test(five_in_ten_minutes_get_one_message),
        cmocka_unit_test(late_defence_withdrawal_and_a_new_clock),
        cmocka_unit_test(a_late_report_of_a_timely_delivery_counts),
        cmocka_unit_test(two_unanswered_days_stay_bounded),
        cmocka_unit_test(damaged_bytes_and_bad_contacts_are_refused),
        cmocka_unit_test(another_list_of_contacts_takes_open_notices_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
