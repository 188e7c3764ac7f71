/* test_note.c - orders as the core sends them, and what is in the file afterwards. */
#include <mamori/testhost.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

extern const struct mmr_plugin mmr_plugin_note;

struct world {
    struct mmr_testhost *th;
    struct mmr_error err;
    char file[512];
};

static void begin(struct world *w)
{
    memset(w, 0, sizeof *w);
    w->err.struct_size = sizeof w->err;
    w->th = mmr_testhost_new();
    (void)mmr_testhost_make_state_dir(w->th);
    const char *const config[] = {"never", "root,admin", NULL};
    assert_int_equal(mmr_testhost_add(w->th, &mmr_plugin_note, config, &w->err), 0);
    (void)snprintf(w->file, sizeof w->file, "%s/denied-users", mmr_testhost_host(w->th, 0)->state_dir);
}

static void end(struct world *w)
{
    const char *why = "";
    if (mmr_testhost_refusals(w->th, &why) != 0)
        fail_msg("the host would have refused something: %s", why);
    mmr_testhost_free(w->th);
}

static void order(struct world *w, uint64_t id, unsigned flags, const char *user, int64_t ttl_ms)
{
    uint8_t buf[512];
    struct mmr_event map;
    mmr_event_begin_map(&map, buf, sizeof buf);
    mmr_event_str(&map, "target", user);
    mmr_event_str(&map, "user.name", user);
    assert_int_equal(mmr_event_end(&map), 0);
    const struct mmr_action a = {.struct_size = sizeof a, .flags = flags, .id = id, .verb = "lock.account", .ttl_ms = ttl_ms,
                                 .msgpack = map.buf, .len = map.len};
    assert_int_equal(mmr_testhost_act(w->th, 0, &a, &w->err), MMR_OK);
}

static const char *last(struct world *w, const char *key)
{
    return mmr_testhost_receipt_text(w->th, mmr_testhost_receipts(w->th) - 1, key);
}

static const char *list(const struct world *w)
{
    static char text[1024];
    FILE *f = fopen(w->file, "re");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    (void)fclose(f);
    return text;
}

static void a_lock_is_written_read_back_and_undone(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    order(&w, 7, 0, "tanaka", 0);
    assert_string_equal(last(&w, "result"), "applied");
    assert_string_equal(last(&w, "verify.result"), "confirmed");
    assert_string_equal(list(&w), "tanaka\n");
    order(&w, 7, 0, "tanaka", 0); /* the same again */
    assert_string_equal(last(&w, "result"), "already");
    assert_string_equal(list(&w), "tanaka\n");
    order(&w, 7, MMR_ACT_UNDO, "tanaka", 0);
    assert_string_equal(last(&w, "result"), "applied");
    assert_string_equal(list(&w), "");
    order(&w, 7, MMR_ACT_VERIFY, "tanaka", 0);
    assert_string_equal(last(&w, "verify.result"), "refuted");
    end(&w);
}

static void a_lock_ends_with_its_time_unless_renewed(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    order(&w, 1, 0, "suzuki", 60000);
    order(&w, 2, 0, "sato", 60000);
    mmr_testhost_advance(w.th, 40 * MMR_TH_S);
    order(&w, 2, MMR_ACT_RENEW, "sato", 60000);
    mmr_testhost_advance(w.th, 30 * MMR_TH_S);
    assert_string_equal(list(&w), "sato\n");
    mmr_testhost_advance(w.th, 40 * MMR_TH_S);
    assert_string_equal(list(&w), "");
    end(&w);
}

static void what_must_not_be_locked_is_refused(void **state)
{
    static const struct {
        const char *user, *result;
    } rows[] = {{"root", "refused"}, {"admin", "refused"}, {"", "refused"},       {"a b", "refused"}, {"-x", "refused"},
                {"a\nroot", "refused"}, {"a:b", "refused"}, {"yamada", "applied"}};
    struct world w;
    (void)state;
    begin(&w);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        order(&w, 100 + i, 0, rows[i].user, 0);
        if (strcmp(last(&w, "result"), rows[i].result) != 0)
            fail_msg("'%s': %s, want %s", rows[i].user, last(&w, "result"), rows[i].result);
    }
    assert_string_equal(list(&w), "yamada\n");
    end(&w);
}

static void a_rehearsal_changes_nothing(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    order(&w, 5, MMR_ACT_DRY_RUN, "ito", 0);
    assert_string_equal(last(&w, "result"), "applied");
    assert_string_equal(last(&w, "verify.result"), "none");
    assert_string_equal(list(&w), "");
    end(&w);
}

static void only_what_lives_survives_a_reconcile(void **state)
{
    struct world w;
    const uint64_t live[] = {2};
    (void)state;
    begin(&w);
    order(&w, 1, 0, "suzuki", 0);
    order(&w, 2, 0, "sato", 0);
    mmr_testhost_clear(w.th);
    assert_int_equal(mmr_plugin_note.responder->reconcile(mmr_testhost_self(w.th, 0), live, 1, &w.err), 0);
    assert_string_equal(list(&w), "sato\n");
    assert_int_equal(mmr_testhost_receipts(w.th), 1);
    assert_string_equal(last(&w, "verify.result"), "confirmed");
    end(&w);
}

static void it_knows_its_locks_after_a_restart(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    order(&w, 1, 0, "suzuki", 0);
    order(&w, 2, 0, "sato", 60000);
    const struct mmr_host *host = mmr_testhost_host(w.th, 0);
    static const struct mmr_strv none = {NULL, 0};
    const struct {
        const char *file;
        struct mmr_strv never;
    } config = {NULL, none};
    mmr_testhost_set_time(w.th, mmr_testhost_time(w.th) + 120 * MMR_TH_S);
    void *again = NULL;
    assert_int_equal(mmr_plugin_note.create(host, &config, &again, &w.err), 0);
    assert_string_equal(list(&w), "suzuki\n"); /* sato's time was over while nobody ran */
    mmr_plugin_note.destroy(again);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lock_is_written_read_back_and_undone), cmocka_unit_test(a_lock_ends_with_its_time_unless_renewed),
        cmocka_unit_test(what_must_not_be_locked_is_refused), cmocka_unit_test(a_rehearsal_changes_nothing),
        cmocka_unit_test(only_what_lives_survives_a_reconcile), cmocka_unit_test(it_knows_its_locks_after_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
