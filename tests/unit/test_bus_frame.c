/* test_bus_frame.c - the envelope, records, and the skim against msgpack-c: what passes must unpack. */
#include "bus/frame.h"
#include "event/skim.h"

#include <msgpack.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct mmr_envelope sample(const void *body, size_t len)
{
    struct mmr_envelope e = {.kind = MMR_FRAME_DATA, .lane = 1, .flags = 3, .body_type = MMR_BODY_RECORDS,
                             .seq = 1234567890123, .t_wall_ns = 1652292620900000000, .t_mono_ns = 77, .body = body,
                             .body_len = len};
    memset(e.node, 1, 16);
    memset(e.epoch, 2, 16);
    memset(e.id, 3, 16);
    memset(e.boot, 4, 16);
    return e;
}

static void an_envelope_comes_back_as_it_was(void **state)
{
    (void)state;
    uint8_t pk[32], sk[64], other[32], buf[2048], body[1000];
    size_t len;
    struct mmr_envelope got;
    (void)crypto_sign_keypair(pk, sk);
    memset(other, 9, sizeof other);
    memset(body, 7, sizeof body);
    for (int is_signed = 0; is_signed < 2; is_signed++) {
        struct mmr_envelope e = sample(body, sizeof body);
        assert_int_equal(mmr_frame_encode(&e, is_signed ? sk : NULL, buf, sizeof buf, &len, NULL), 0);
        assert_int_equal(mmr_frame_decode(buf, len, &got, NULL), 0);
        assert_int_equal(got.kind, e.kind);
        assert_int_equal(got.lane, e.lane);
        assert_int_equal(got.flags, e.flags);
        assert_int_equal(got.body_type, e.body_type);
        assert_true(got.seq == e.seq && got.t_wall_ns == e.t_wall_ns && got.t_mono_ns == e.t_mono_ns);
        assert_memory_equal(got.node, e.node, 16);
        assert_memory_equal(got.epoch, e.epoch, 16);
        assert_memory_equal(got.id, e.id, 16);
        assert_memory_equal(got.boot, e.boot, 16);
        assert_int_equal(got.body_len, sizeof body);
        assert_memory_equal(got.body, body, sizeof body);
        assert_int_equal(mmr_frame_is_signed_by(&got, pk), is_signed);
        assert_false(mmr_frame_is_signed_by(&got, other));
        for (size_t cut = 0; cut < len; cut++)
            assert_true(mmr_frame_decode(buf, cut, &got, NULL) < 0);
        if (is_signed)
            for (size_t i = 1; i < len; i += 7) { /* whatever is changed: refused, or the signature is wrong */
                buf[i] ^= 1;
                assert_false(mmr_frame_decode(buf, len, &got, NULL) == 0 && mmr_frame_is_signed_by(&got, pk));
                buf[i] ^= 1;
            }
    }
    struct mmr_envelope e = sample(body, sizeof body);
    assert_int_equal(mmr_frame_encode(&e, NULL, buf, 900, &len, NULL), MMR_ETOOBIG);
}

static void later_versions_are_refused_and_later_places_ignored(void **state)
{
    (void)state;
    uint8_t buf[512];
    size_t len;
    struct mmr_envelope e = sample("x", 1), got;
    struct mmr_error err = {.struct_size = sizeof err};
    assert_int_equal(mmr_frame_encode(&e, NULL, buf, sizeof buf, &len, NULL), 0);
    buf[0] = 0x9f; /* 15 places: no signature, and one of the future */
    buf[len] = 0xc0;
    buf[len + 1] = 0x2a;
    assert_int_equal(mmr_frame_decode(buf, len + 2, &got, &err), 0);
    assert_null(got.sig);
    assert_int_equal(got.body_len, 1);
    buf[1] = 2;
    assert_int_equal(mmr_frame_decode(buf, len + 2, &got, &err), MMR_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "version 2"));
}

static void hostile_bytes_are_refused_without_memory(void **state)
{
    (void)state;
    static const struct {
        const char *why;
        uint8_t b[12];
        size_t len;
        int want;
    } rows[] = {
        {"empty", {0}, 0, MMR_EBADMSG},
        {"array32 bomb", {0xdd, 0x10, 0, 0, 0}, 5, MMR_EBADMSG},
        {"map32 bomb", {0xdf, 0x0f, 0xff, 0xff, 0xff}, 5, MMR_EBADMSG},
        {"str32 beyond the end", {0xdb, 0xff, 0xff, 0xff, 0xff, 'x'}, 6, MMR_EBADMSG},
        {"reserved byte", {0x91, 0xc1}, 2, MMR_EBADMSG},
        {"extension type", {0xd4, 0, 0}, 3, MMR_EBADMSG},
        {"two values", {0xc0, 0xc0}, 2, MMR_EBADMSG},
        {"nine deep", {0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x01}, 10, MMR_ETOOBIG},
        {"eight deep", {0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x01}, 9, 0},
        {"eight deep, empty inside", {0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x90}, 8, 0},
        {"overlong slash", {0xa2, 0xc0, 0xaf}, 3, MMR_EBADMSG},
        {"surrogate", {0xa3, 0xed, 0xa0, 0x80}, 4, MMR_EBADMSG},
        {"above U+10FFFF", {0xa4, 0xf4, 0x90, 0x80, 0x80}, 5, MMR_EBADMSG},
        {"largest character", {0xa4, 0xf4, 0x8f, 0xbf, 0xbf}, 5, 0},
        {"key without value", {0x81, 0xa1, 'k'}, 3, MMR_EBADMSG},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mmr_envelope e;
        int got = mmr_skim(rows[i].b, rows[i].len, NULL, NULL);
        if (got != rows[i].want)
            fail_msg("%s: got %d, want %d", rows[i].why, got, rows[i].want);
        assert_true(mmr_frame_decode(rows[i].b, rows[i].len, &e, NULL) < 0);
    }
    uint8_t many[600] = {0xdc, 0x02, 0x01}; /* 513 items */
    assert_int_equal(mmr_skim(many, 3 + 513, NULL, NULL), MMR_ETOOBIG);
    many[2] = 0;
    assert_int_equal(mmr_skim(many, 3 + 512, NULL, NULL), 0);
}

static uint32_t next_random(uint32_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 17;
    *s ^= *s << 5;
    return *s;
}

static void what_the_skim_passes_unpacks(void **state)
{
    (void)state;
    uint32_t seed = 2463534242u, passed = 0;
    struct rusage before, after;
    msgpack_zone zone;
    assert_true(msgpack_zone_init(&zone, 64 * 1024));
    assert_int_equal(getrusage(RUSAGE_SELF, &before), 0);
    for (unsigned round = 0; round < 400000; round++) {
        static const uint8_t heads[] = {0x81, 0x82, 0x91, 0x92, 0xa1, 0xa3, 0xc0, 0xc2, 0xc4, 0xc7, 0xca, 0xcc, 0xcd, 0xce,
                                        0xcf, 0xd0, 0xd3, 0xd4, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0x01, 0x00};
        uint8_t b[40];
        size_t len = 1 + next_random(&seed) % sizeof b, off = 0;
        for (size_t i = 0; i < len; i++) /* mostly heads and small numbers, so that much of it is nearly right */
            b[i] = next_random(&seed) % 3 ? heads[next_random(&seed) % sizeof heads] : (uint8_t)(next_random(&seed) % 5);
        for (; len; len--) {
            if (mmr_skim(b, len, NULL, NULL) != 0)
                continue;
            msgpack_object o;
            msgpack_zone_clear(&zone);
            msgpack_unpack_return r = msgpack_unpack((const char *)b, len, &off, &zone, &o);
            if (r != MSGPACK_UNPACK_SUCCESS || off != len)
                fail_msg("round %u: %zu bytes passed the skim, msgpack says %d at %zu", round, len, r, off);
            passed++;
            break;
        }
    }
    assert_int_equal(getrusage(RUSAGE_SELF, &after), 0);
    assert_true(passed > 100000);
    assert_true(after.ru_maxrss - before.ru_maxrss < 4096); /* KiB */
    msgpack_zone_destroy(&zone);
}

static void records_are_read_back_and_counted(void **state)
{
    (void)state;
    uint8_t body[4096];
    size_t n = 0;
    static const struct mmr_wire_record rows[] = {
        {.who = 0, .kind = 1, .number = 1, .bytes = (const uint8_t *)"a", .len = 1},
        {.who = 63, .kind = 300, .number = 70000, .bytes = (const uint8_t *)"", .len = 0},
        {.who = 200, .kind = 2, .number = UINT64_MAX, .bytes = (const uint8_t *)"bb", .len = 2},
        {.who = 70000, .kind = 2, .number = 5000000000, .bytes = (const uint8_t *)"bb", .len = 2},
        {.name = "proc", .name_len = 4, .kind = 2, .number = 0, .bytes = (const uint8_t *)"ccc", .len = 3},
    };
    enum { ROWS = sizeof rows / sizeof rows[0] };
    for (unsigned i = 0; i < ROWS; i++)
        n += mmr_record_put(body + n, &rows[i]);
    assert_int_equal(mmr_records_count(body, n), ROWS);
    struct mmr_wire_cursor c = {body, body + n, false};
    struct mmr_wire_record r;
    for (unsigned i = 0; i < ROWS; i++) {
        assert_true(mmr_record_next(&c, &r));
        assert_int_equal(r.name != NULL, rows[i].name != NULL);
        assert_int_equal(r.who, rows[i].who);
        assert_int_equal(r.kind, rows[i].kind);
        assert_true(r.number == rows[i].number);
        assert_int_equal(r.len, rows[i].len);
        assert_memory_equal(r.bytes, rows[i].bytes, r.len);
    }
    assert_false(mmr_record_next(&c, &r));
    assert_false(c.bad);
    for (size_t cut = n - 3; cut < n; cut++) /* cut inside the last one */
        assert_int_equal(mmr_records_count(body, cut), 0);
    n = 0;
    for (unsigned i = 0; i < MMR_BATCH_RECORDS_MAX + 1; i++)
        n += mmr_record_put(body + n, &rows[0]);
    assert_int_equal(mmr_records_count(body, n), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_envelope_comes_back_as_it_was),
        cmocka_unit_test(later_versions_are_refused_and_later_places_ignored),
        cmocka_unit_test(hostile_bytes_are_refused_without_memory),
        cmocka_unit_test(what_the_skim_passes_unpacks),
        cmocka_unit_test(records_are_read_back_and_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
