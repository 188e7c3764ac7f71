/* test_event_stamp.c - what an event must be, and what the core adds to it. */
#include "event/skim.h"
#include "event/stamp.h"

#include <mamori/action.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char *const kinds[] = {"conn.open", "finding", NULL};
static uint8_t buf[MMR_EVENT_BYTES_MAX], out[MMR_EVENT_BYTES_MAX + MMR_STAMP_EXTRA_MAX];

static struct mmr_stamper stamper(void)
{
    struct mmr_stamper st;
    assert_int_equal(mmr_stamper_init(&st, kinds, "pc1", "endpoint", "org.mamori.proc", "proc", NULL), 0);
    return st;
}

static void stamps_are_added_and_fields_stay(void **state)
{
    (void)state;
    struct mmr_stamper st = stamper();
    struct mmr_event ev;
    struct mmr_event_facts f;
    struct mmr_event_view *v = test_malloc(sizeof *v);
    size_t len = 0, n;
    mmr_event_begin(&ev, buf, sizeof buf, "finding", 2004, 1, 1652292620900000000, 4);
    mmr_event_str(&ev, "mamori.phase", "foothold.c2");
    mmr_event_str(&ev, "message", "\xe5\xae\x88\xe3\x82\x8a");
    mmr_event_bool(&ev, "mamori.harm", true);
    mmr_event_strv(&ev, "mamori.attack", (const char *const[]){"T1071", "T1059"}, 2);
    assert_int_equal(mmr_event_end(&ev), 0);
    assert_int_equal(mmr_stamp_event(&st, ev.buf, ev.len, 77, 1652292621000000000, NULL, out, sizeof out, &len, &f, NULL), 0);
    assert_true(len <= ev.len + MMR_STAMP_EXTRA_MAX);
    assert_int_equal(mmr_event_read(out, len, v, NULL), 0);
    assert_int_equal(mmr_skim(out, len, NULL, NULL), 0);
    assert_int_equal(v->n, 9 + 7);
    assert_true(mmr_value_is(mmr_event_get(v, "mamori.node"), "pc1"));
    assert_true(mmr_value_is(mmr_event_get(v, "mamori.side"), "endpoint"));
    assert_true(mmr_value_is(mmr_event_get(v, "mamori.plugin"), "org.mamori.proc"));
    assert_true(mmr_value_is(mmr_event_get(v, "mamori.instance"), "proc"));
    assert_true(mmr_value_is(mmr_event_get(v, "message"), "\xe5\xae\x88\xe3\x82\x8a"));
    assert_int_equal(mmr_event_get_int(v, "mamori.seq", 0), 77);
    assert_true(mmr_event_get_int(v, "mamori.received", 0) == 1652292621000000000);
    const struct mmr_value *id = mmr_event_get(v, "mamori.id");
    assert_non_null(id);
    assert_int_equal(id->type, MMR_VAL_BIN);
    assert_int_equal(id->len, 16);
    assert_int_equal(id->p[6] >> 4, 7); /* RFC 9562: version 7, variant 10 */
    assert_int_equal(id->p[8] >> 6, 2);
    uint64_t ms = 0;
    for (unsigned i = 0; i < 6; i++)
        ms = ms << 8 | id->p[i];
    assert_true(ms == 1652292621000);
    assert_int_equal(f.class_uid, 2004);
    assert_int_equal(f.severity_id, 4);
    assert_int_equal(f.kind_index, 1);
    assert_true(f.time_ns == 1652292620900000000);
    assert_true(f.has_phase && f.is_finding);
    assert_int_equal(f.fields, 9);

    uint8_t first[16];
    memcpy(first, id->p, 16);
    assert_int_equal(mmr_stamp_event(&st, ev.buf, ev.len, 78, 1652292621000000000, NULL, out, sizeof out, &len, NULL, NULL), 0);
    assert_int_equal(mmr_event_read(out, len, v, NULL), 0);
    assert_memory_not_equal(mmr_event_get(v, "mamori.id")->p, first, 16);
    assert_int_equal(mmr_stamp_event(&st, ev.buf, ev.len, 79, 1, first, out, sizeof out, &len, NULL, NULL), 0);
    assert_int_equal(mmr_event_read(out, len, v, NULL), 0);
    assert_memory_equal(mmr_event_get(v, "mamori.id")->p, first, 16);
    n = len - 1;
    assert_int_equal(mmr_stamp_event(&st, ev.buf, ev.len, 79, 1, first, out, n, &len, NULL, NULL), MMR_ETOOBIG);
    test_free(v);
}

static void bad_events_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *why, *drop, *add;
        const char *kind;
        int want;
        const char *says;
    } rows[] = {
        {"good", NULL, NULL, "conn.open", 0, ""},
        {"kind not declared", NULL, NULL, "dns.query", MMR_EPERM, "dns.query"},
        {"reserved id", NULL, "mamori.id", "conn.open", MMR_EPERM, "mamori.id"},
        {"reserved node", NULL, "mamori.node", "conn.open", MMR_EPERM, "mamori.node"},
        {"reserved side", NULL, "mamori.side", "conn.open", MMR_EPERM, "mamori.side"},
        {"reserved plugin", NULL, "mamori.plugin", "conn.open", MMR_EPERM, "mamori.plugin"},
        {"reserved instance", NULL, "mamori.instance", "conn.open", MMR_EPERM, "mamori.instance"},
        {"reserved seq", NULL, "mamori.seq", "conn.open", MMR_EPERM, "mamori.seq"},
        {"reserved received", NULL, "mamori.received", "conn.open", MMR_EPERM, "mamori.received"},
        {"other mamori name", NULL, "mamori.rule", "conn.open", 0, ""},
        {"no class", "class_uid", NULL, "conn.open", MMR_EBADMSG, "class_uid"},
        {"no activity", "activity_id", NULL, "conn.open", MMR_EBADMSG, "activity_id"},
        {"no time", "time", NULL, "conn.open", MMR_EBADMSG, "time"},
        {"no severity", "severity_id", NULL, "conn.open", MMR_EBADMSG, "severity_id"},
        {"no kind", "mamori.kind", NULL, "conn.open", MMR_EBADMSG, "mamori.kind"},
        {"a key twice", NULL, "time", "conn.open", MMR_EBADMSG, "time"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mmr_event ev;
        struct mmr_event_facts f;
        struct mmr_error err = {.struct_size = sizeof err};
        mmr_event_begin_map(&ev, buf, sizeof buf);
        const char *names[] = {"class_uid", "activity_id", "time", "severity_id"};
        if (!rows[i].drop || strcmp(rows[i].drop, "mamori.kind") != 0)
            mmr_event_str(&ev, "mamori.kind", rows[i].kind);
        for (size_t k = 0; k < 4; k++)
            if (!rows[i].drop || strcmp(rows[i].drop, names[k]) != 0)
                mmr_event_int(&ev, names[k], 1);
        if (rows[i].add)
            mmr_event_str(&ev, rows[i].add, "forged");
        assert_int_equal(mmr_event_end(&ev), 0);
        int got = mmr_event_check(ev.buf, ev.len, kinds, &f, &err);
        if (got != rows[i].want || (got && !strstr(err.text, rows[i].says)))
            fail_msg("%s: got %d, want %d (%s)", rows[i].why, got, rows[i].want, err.text);
        for (size_t cut = 0; cut < ev.len; cut++) /* every truncation is an error, none is read past */
            assert_true(mmr_event_check(ev.buf, cut, kinds, &f, NULL) < 0);
    }
}

static void limits_hold(void **state)
{
    (void)state;
    struct mmr_event ev;
    struct mmr_event_facts f;
    char key[16];
    for (unsigned extra = 244; extra <= 245; extra++) { /* 5 head fields: 249 fit, 250 do not */
        mmr_event_begin(&ev, buf, sizeof buf, "finding", 2004, 1, 1, 1);
        for (unsigned i = 0; i < extra; i++) {
            (void)snprintf(key, sizeof key, "k%u", i);
            mmr_event_int(&ev, key, i);
        }
        assert_int_equal(mmr_event_end(&ev), 0);
        assert_int_equal(mmr_event_check(ev.buf, ev.len, kinds, &f, NULL), extra == 244 ? 0 : MMR_ETOOBIG);
    }
    /* a nested map, invalid UTF-8, an extension type, bytes after the end */
    mmr_event_begin(&ev, buf, sizeof buf, "finding", 2004, 1, 1, 1);
    mmr_event_str(&ev, "message", "x");
    assert_int_equal(mmr_event_end(&ev), 0);
    assert_int_equal(mmr_event_check(ev.buf, ev.len, kinds, &f, NULL), 0);
    const uint8_t bad[] = {0x80, 0xd4, 0xc1};
    for (size_t i = 0; i < sizeof bad; i++) {
        buf[ev.len - 2] = bad[i]; /* where the one-byte string's head was */
        assert_int_equal(mmr_event_check(ev.buf, ev.len, kinds, &f, NULL), MMR_EBADMSG);
    }
    buf[ev.len - 2] = 0xa1;
    buf[ev.len - 1] = 0xff;
    assert_int_equal(mmr_event_check(ev.buf, ev.len, kinds, &f, NULL), MMR_EBADMSG);
    buf[ev.len - 1] = 'x';
    assert_int_equal(mmr_event_check(ev.buf, ev.len + 1, kinds, &f, NULL), MMR_EBADMSG);
    assert_int_equal(mmr_event_check(ev.buf, ev.len, (const char *const[]){"*", NULL}, &f, NULL), 0);
    struct mmr_stamper st;
    assert_int_equal(mmr_stamper_init(&st, kinds, "", "network", "p", "i", NULL), MMR_EINVAL);
}

static void a_nodes_offset_is_added_once(void **state)
{
    (void)state;
    uint8_t raw[512];
    struct mmr_event ev;
    struct mmr_stamper st;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_event_view *v = calloc(1, sizeof *v);
    size_t len, longer;
    assert_non_null(v);
    mmr_event_begin(&ev, raw, sizeof raw, "flow.end", 4001, 2, 5, 1);
    assert_int_equal(mmr_event_end(&ev), 0);
    assert_int_equal(mmr_stamper_init(&st, NULL, "pc1", "endpoint", "org.example.a", "a", &err), 0);
    assert_int_equal(mmr_stamp_event(&st, ev.buf, ev.len, 1, 6, NULL, out, sizeof out, &len, NULL, &err), 0);
    assert_int_equal(mmr_stamp_offset(out, len, sizeof out, -1500000000, &longer), 0);
    assert_int_equal(mmr_event_read(out, longer, v, &err), 0);
    assert_int_equal(mmr_event_get_int(v, "mamori.offset", 0), -1500000000);
    assert_int_equal(mmr_event_get_int(v, "time", 0), 5);
    assert_int_equal(mmr_stamp_offset(out, longer, sizeof out, 1, &longer), MMR_EBADMSG);
    assert_int_equal(mmr_stamp_offset(raw, 2, sizeof raw, 1, &longer), MMR_EBADMSG);
    /* a plugin may not claim one */
    mmr_event_begin(&ev, raw, sizeof raw, "flow.end", 4001, 2, 5, 1);
    mmr_event_int(&ev, "mamori.offset", 7);
    assert_int_equal(mmr_event_end(&ev), 0);
    assert_int_equal(mmr_event_check(ev.buf, ev.len, NULL, &(struct mmr_event_facts){0}, &err), MMR_EPERM);
    free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_nodes_offset_is_added_once),
        cmocka_unit_test(stamps_are_added_and_fields_stay),
        cmocka_unit_test(bad_events_are_refused_by_name),
        cmocka_unit_test(limits_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
