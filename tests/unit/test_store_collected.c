/* test_store_collected.c - a collector's store: a record counts once, whoever repeats it; long ones come in parts; severe ones are known. */
#include "store/collected.h"

#include "store/chain.h"
#include "store/incidents.h"
#include "util/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const int64_t t0 = 1700000000 * MMR_NS_PER_S;

struct world {
    char dir[64];
    struct mmr_db *db;
    struct mmr_error err;
};

static void open_world(struct world *w)
{
    memset(w, 0, sizeof *w);
    w->err.struct_size = sizeof w->err;
    (void)snprintf(w->dir, sizeof w->dir, "/tmp/mmr-collected-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    assert_int_equal(mmr_db_open(w->dir, MMR_DB_CREATE, &w->db, &w->err), 0);
    assert_int_equal(mmr_collected_open(w->db, &w->err), 0);
    assert_int_equal(mmr_collected_open(w->db, &w->err), 0); /* again, as at each start */
    assert_int_equal(mmr_store_outbox_register(w->db, "file", true, &w->err), 0);
}

static void close_world(struct world *w)
{
    static const char *const files[] = {"mamori.db", "mamori.db-wal", "mamori.db-shm"};
    mmr_db_close(w->db);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s/%s", w->dir, files[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(w->dir), 0);
}

static void incident(char *buf, size_t cap, const char *uid, const char *class_name, int status, int64_t logged)
{
    (void)snprintf(buf, cap, "{\"class_uid\":2005,\"time\":%lld,\"status_id\":%d,\"message\":\"guessing\",\"metadata\":{\"uid\":\"%s\",\"logged_time\":%lld},"
                             "\"unmapped\":{\"mamori\":{\"class\":\"%s\",\"band\":\"red\"}}}",
                   (long long)logged, status, uid, (long long)logged, class_name);
}

static int put(struct world *w, const char *site, const char *json, bool *ret_is_new)
{
    const struct mmr_collected_record r = {.site = site, .kind = "incident", .is_urgent = true, .at_ns = t0, .json = json, .len = strlen(json)};
    return mmr_collected_put(w->db, &r, t0, ret_is_new, &w->err);
}

static int count_row(void *ctx, const struct mmr_outbox_row *row)
{
    int *n = ctx;
    assert_non_null(strstr(row->json, "\"tenant_uid\":\"acme."));
    ++*n;
    return 0;
}

static int count_severe(void *ctx, const struct mmr_collected_incident *i)
{
    int *n = ctx;
    assert_string_equal(i->title, "guessing");
    ++*n;
    return 0;
}

static void a_record_counts_once_and_per_site(void **state)
{
    struct world w;
    char a[512], b[512];
    bool is_new = false;
    int n = 0;
    (void)state;
    open_world(&w);
    incident(a, sizeof a, "u1", "severe", 1, 1000);
    incident(b, sizeof b, "u1", "severe", 2, 2000);
    assert_int_equal(put(&w, "acme.one", a, &is_new), 0);
    assert_true(is_new);
    assert_int_equal(put(&w, "acme.one", a, &is_new), 0);
    assert_false(is_new);
    assert_int_equal(put(&w, "acme.two", a, &is_new), 0); /* the same words of another office */
    assert_true(is_new);
    assert_int_equal(put(&w, "acme.one", b, &is_new), 0); /* another state of the same incident */
    assert_true(is_new);
    assert_int_equal(mmr_db_commit(w.db, &w.err), 0);
    assert_int_equal(mmr_store_outbox_pending(w.db, "file", 0, count_row, &n, &w.err), 0);
    assert_int_equal(n, 3);
    close_world(&w);
}

static void what_is_severe_follows_the_latest_state(void **state)
{
    struct world w;
    char json[512];
    bool is_new;
    int n = 0;
    (void)state;
    open_world(&w);
    incident(json, sizeof json, "u1", "severe", 1, 1000);
    assert_int_equal(put(&w, "acme.one", json, &is_new), 0);
    incident(json, sizeof json, "u1", "severe", 5, 3000);
    assert_int_equal(put(&w, "acme.one", json, &is_new), 0);
    incident(json, sizeof json, "u1", "severe", 2, 2000); /* an older state that came late */
    assert_int_equal(put(&w, "acme.one", json, &is_new), 0);
    assert_int_equal(mmr_collected_severe(w.db, NULL, 0, count_severe, &n, &w.err), 0);
    assert_int_equal(n, 0);
    incident(json, sizeof json, "u2", "severe", 1, 1500);
    assert_int_equal(put(&w, "acme.one", json, &is_new), 0);
    assert_int_equal(mmr_collected_severe(w.db, "acme.one", 0, count_severe, &n, &w.err), 0);
    assert_int_equal(mmr_collected_severe(w.db, "acme.two", 0, count_severe, &n, &w.err), 0);
    assert_int_equal(n, 1);
    close_world(&w);
}

static void what_is_no_event_is_refused_and_changes_nothing(void **state)
{
    static const char *const bad[] = {"", "[]", "{", "{\"class_uid\":2005}", "{\"metadata\":{}}", "{\"class_uid\":\"2005\",\"metadata\":{}}",
                                      "{\"class_uid\":2005,\"metadata\":{}} x", "{\"class_uid\":2005,\"metadata\":[]}"};
    struct world w;
    int n = 0;
    (void)state;
    open_world(&w);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        bool is_new = false;
        if (put(&w, "acme.one", bad[i], &is_new) != MMR_EBADMSG)
            fail_msg("row %zu was taken", i);
    }
    assert_int_equal(mmr_db_commit(w.db, &w.err), 0);
    assert_int_equal(mmr_store_outbox_pending(w.db, "file", 0, count_row, &n, &w.err), 0);
    assert_int_equal(n, 0);
    close_world(&w);
}

static void long_records_come_whole_or_not_at_all(void **state)
{
    struct world w;
    char *json = NULL;
    size_t len = 0;
    (void)state;
    open_world(&w);
    assert_int_equal(mmr_collected_part(w.db, "acme.one", 0, 0, 3, "old", 3, &json, &len, &w.err), 0); /* cut short by a restart */
    assert_int_equal(mmr_collected_part(w.db, "acme.one", 0, 1, 3, "old", 3, &json, &len, &w.err), 0);
    assert_int_equal(mmr_collected_part(w.db, "acme.one", 0, 0, 2, "ab", 2, &json, &len, &w.err), 0);
    assert_null(json);
    assert_int_equal(mmr_collected_part(w.db, "acme.one", 2, 0, 2, "xx", 2, &json, &len, &w.err), 0); /* another lane does not mix in */
    assert_int_equal(mmr_db_commit(w.db, &w.err), 0);
    mmr_db_close(w.db); /* killed between two parts */
    assert_int_equal(mmr_db_open(w.dir, 0, &w.db, &w.err), 0);
    assert_int_equal(mmr_collected_part(w.db, "acme.one", 0, 1, 2, "cd", 2, &json, &len, &w.err), 0);
    assert_non_null(json);
    assert_int_equal(len, 4);
    assert_memory_equal(json, "abcd", 4);
    free(json);
    json = NULL;
    assert_int_equal(mmr_collected_part(w.db, "acme.one", 0, 1, 2, "cd", 2, &json, &len, &w.err), MMR_EBADMSG); /* the first is not here */
    assert_null(json);
    close_world(&w);
}

static void how_far_is_known_for_the_last_epoch_only(void **state)
{
    static const uint8_t one[16] = {1}, two[16] = {2};
    uint64_t upto[MMR_COLLECTED_LANES];
    struct world w;
    (void)state;
    open_world(&w);
    assert_int_equal(mmr_collected_received_put(w.db, "acme.one", one, 0, 7, &w.err), 0);
    assert_int_equal(mmr_collected_received_put(w.db, "acme.one", one, 0, 5, &w.err), 0); /* never goes back */
    assert_int_equal(mmr_collected_received_get(w.db, "acme.one", one, upto, &w.err), 0);
    assert_int_equal(upto[0], 7);
    assert_int_equal(mmr_collected_received_get(w.db, "acme.one", two, upto, &w.err), 0);
    assert_int_equal(upto[0], 0);
    assert_int_equal(mmr_collected_received_put(w.db, "acme.one", two, 0, 1, &w.err), 0);
    assert_int_equal(mmr_collected_received_get(w.db, "acme.one", one, upto, &w.err), 0);
    assert_int_equal(upto[0], 0);
    close_world(&w);
}

/* A checkpoint as a site's evidence log signs it. */
static struct mmr_evidence_mark mark(uint64_t seq, int64_t time_ns, uint8_t hash, uint8_t key)
{
    uint8_t seed[crypto_sign_SEEDBYTES] = {key}, secret[crypto_sign_SECRETKEYBYTES], bytes[MMR_CHAIN_SIGNED_BYTES];
    struct mmr_evidence_mark m = {.seq = seq, .time_ns = time_ns, .hash = {hash}};
    (void)crypto_sign_seed_keypair(m.key, secret, seed);
    mmr_chain_signed_bytes(seq, time_ns, m.hash, bytes);
    (void)crypto_sign_detached(m.sig, NULL, bytes, sizeof bytes, secret);
    return m;
}

static void evidence_that_contradicts_what_was_signed_is_named(void **state)
{
    static const struct {
        const char *why;
        uint64_t seq;
        int64_t time_ns;
        uint8_t hash, key;
        const char *doubt; /* a part of it; NULL: none */
    } rows[] = {
        {"the first", 10, 100, 1, 1, NULL},
        {"a later one", 20, 200, 2, 1, NULL},
        {"the same again", 20, 200, 2, 1, NULL},
        {"an older one that came late", 15, 150, 3, 1, NULL},
        {"the same record, another hash", 10, 300, 9, 1, "another hash"},
        {"fewer records, signed later", 12, 400, 4, 1, "cut or put back"},
        {"another key", 30, 500, 5, 2, "another key"},
    };
    struct world w;
    char doubt[MMR_COLLECTED_DOUBT_MAX + 1];
    uint64_t seq;
    int64_t at;
    (void)state;
    assert_true(sodium_init() >= 0);
    open_world(&w);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mmr_evidence_mark m = mark(rows[i].seq, rows[i].time_ns, rows[i].hash, rows[i].key);
        assert_int_equal(mmr_collected_checkpoint(w.db, "acme.one", &m, doubt, &w.err), 0);
        if (rows[i].doubt ? !strstr(doubt, rows[i].doubt) : doubt[0] != '\0')
            fail_msg("%s: \"%s\"", rows[i].why, doubt);
    }
    assert_int_equal(mmr_collected_evidence(w.db, "acme.one", &seq, &at, doubt, &w.err), 0);
    assert_int_equal(seq, 30);
    assert_int_equal(at, 500);
    assert_non_null(strstr(doubt, "another key"));
    struct mmr_evidence_mark m = mark(40, 600, 6, 1);
    m.hash[5] ^= 1;
    assert_int_equal(mmr_collected_checkpoint(w.db, "acme.one", &m, doubt, &w.err), MMR_EBADMSG);
    assert_int_equal(mmr_collected_evidence(w.db, "acme.two", &seq, &at, doubt, &w.err), 0);
    assert_int_equal(seq, 0);
    assert_string_equal(doubt, "");
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_counts_once_and_per_site),
        cmocka_unit_test(what_is_severe_follows_the_latest_state),
        cmocka_unit_test(what_is_no_event_is_refused_and_changes_nothing),
        cmocka_unit_test(long_records_come_whole_or_not_at_all),
        cmocka_unit_test(evidence_that_contradicts_what_was_signed_is_named),
        cmocka_unit_test(how_far_is_known_for_the_last_epoch_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
