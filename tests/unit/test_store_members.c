/* test_store_members.c - who is taken with which token, at which time. The clock is the test's. */
#include "store/members.h"

#include "util/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOUR (3600 * MMR_NS_PER_S)
static const int64_t t0 = 1700000000 * MMR_NS_PER_S;

struct world {
    char dir[64];
    struct mmr_members *m;
    struct mmr_error err;
};

static void open_world(struct world *w)
{
    struct stat st;
    char path[128];
    memset(w, 0, sizeof *w);
    w->err.struct_size = sizeof w->err;
    (void)snprintf(w->dir, sizeof w->dir, "/tmp/mmr-members-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    assert_int_equal(mmr_members_open(w->dir, false, &w->m, &w->err), MMR_ENOENT);
    assert_int_equal(mmr_members_open(w->dir, true, &w->m, &w->err), 0);
    (void)snprintf(path, sizeof path, "%s/" MMR_MEMBERS_FILE, w->dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void close_world(struct world *w)
{
    static const char *const names[] = {MMR_MEMBERS_FILE, MMR_MEMBERS_FILE "-wal", MMR_MEMBERS_FILE "-shm"};
    mmr_members_close(w->m);
    for (size_t i = 0; i < 3; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s/%s", w->dir, names[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(w->dir), 0);
}

static void give(struct world *w, uint8_t id, const char *name)
{
    uint8_t token[8], secret[16];
    memset(token, id, sizeof token);
    memset(secret, id + 100, sizeof secret);
    assert_int_equal(mmr_members_token_put(w->m, token, secret, name, t0, t0 + 24 * HOUR, &w->err), 0);
}

static bool is_pc9(void *ctx, const char *name)
{
    (void)ctx;
    return strcmp(name, "pc9") == 0;
}

static int join(struct world *w, uint8_t id, uint8_t key, const char *name, int64_t at, struct mmr_member *x)
{
    uint8_t token[8], curve[32], sign[32];
    memset(token, id, sizeof token);
    memset(curve, key, sizeof curve);
    memset(sign, key + 1, sizeof sign);
    const struct mmr_member_request r = {.token_id = token, .curve = curve, .sign = sign, .name = name, .hostname = "host", .is_taken = is_pc9,
                                         .is_approved_at_once = true};
    w->err.text[0] = '\0';
    return mmr_members_join(w->m, &r, at, x, &w->err);
}

static void a_token_is_good_once_until_it_expires(void **state)
{
    (void)state;
    struct world w;
    struct mmr_member x;
    uint8_t secret[16], id[8];
    open_world(&w);
    assert_false(mmr_members_has_open_token(w.m, t0));
    give(&w, 1, NULL);
    give(&w, 2, "named");
    give(&w, 3, NULL);
    assert_true(mmr_members_has_open_token(w.m, t0 + 24 * HOUR - 1));
    assert_false(mmr_members_has_open_token(w.m, t0 + 24 * HOUR));
    memset(id, 1, sizeof id);
    assert_int_equal(mmr_members_token_secret(w.m, id, secret, &w.err), 0);
    assert_int_equal(secret[0], 101);
    memset(id, 9, sizeof id);
    assert_int_equal(mmr_members_token_secret(w.m, id, secret, &w.err), MMR_ENOENT);
    assert_int_equal(join(&w, 9, 10, "pc1", t0, &x), MMR_EPERM);

    assert_int_equal(join(&w, 1, 10, "pc1", t0 + 24 * HOUR, &x), MMR_EPERM); /* a second too late */
    assert_non_null(strstr(w.err.text, "expired"));
    assert_int_equal(join(&w, 1, 10, "pc1", t0 + 24 * HOUR - 1, &x), 0);
    assert_string_equal(x.name, "pc1");
    assert_int_equal(x.state, MMR_MEMBER_APPROVED);
    assert_int_equal(join(&w, 1, 10, "pc1", t0 + HOUR, &x), 0); /* its answer was lost */
    assert_string_equal(x.name, "pc1");
    assert_int_equal(join(&w, 1, 20, "pc2", t0 + HOUR, &x), MMR_EPERM); /* another machine */
    assert_non_null(strstr(w.err.text, "used by another"));
    assert_int_equal(join(&w, 3, 20, "pc1", t0, &x), MMR_EPERM); /* another's name: nothing is spent */
    assert_non_null(strstr(w.err.text, "called pc1"));
    assert_int_equal(join(&w, 3, 20, "pc9", t0, &x), MMR_EPERM);
    assert_int_equal(join(&w, 3, 20, "pc2", t0, &x), 0);
    assert_int_equal(join(&w, 2, 30, "whatever", t0, &x), 0);
    assert_string_equal(x.name, "named"); /* the operator's word */
    close_world(&w);
}

static void the_revoked_stay_out(void **state)
{
    (void)state;
    struct world w;
    struct mmr_member x;
    open_world(&w);
    for (uint8_t i = 1; i <= 5; i++)
        give(&w, i, NULL);
    assert_int_equal(join(&w, 1, 10, "pc1", t0, &x), 0);
    assert_int_equal(mmr_members_decide(w.m, "nobody", MMR_MEMBER_REVOKED, t0, &w.err), MMR_ENOENT);
    assert_int_equal(mmr_members_decide(w.m, "pc1", MMR_MEMBER_REVOKED, t0 + 1, &w.err), 0);
    assert_int_equal(mmr_members_decide(w.m, "pc1", MMR_MEMBER_REVOKED, t0 + 2, &w.err), 0); /* twice is once */
    assert_int_equal(mmr_members_decide(w.m, "pc1", MMR_MEMBER_APPROVED, t0 + 3, &w.err), MMR_EPERM);
    assert_int_equal(join(&w, 1, 10, "pc1", t0, &x), MMR_EPERM); /* not with the old token */
    assert_int_equal(join(&w, 2, 10, "pc2", t0, &x), MMR_EPERM); /* nor with a new one */
    assert_non_null(strstr(w.err.text, "keys were revoked"));
    assert_int_equal(join(&w, 2, 40, "pc1", t0, &x), 0); /* with new keys the name is free again */
    assert_int_equal(join(&w, 3, 10, "pc3", t0, &x), MMR_EPERM); /* the old keys are burnt all the same */
    uint8_t curve[32], sign[32];
    memset(curve, 70, sizeof curve);
    memset(sign, 71, sizeof sign);
    assert_int_equal(mmr_members_revoke_keys(w.m, "byhand", curve, sign, t0, &w.err), 0);
    assert_int_equal(join(&w, 4, 70, "pc4", t0, &x), MMR_EPERM);
    close_world(&w);
}

static void new_keys_replace_old_ones_when_they_are_used(void **state)
{
    (void)state;
    struct world w, v;
    struct mmr_member x;
    uint8_t curve[32], sign[32];
    uint32_t n;
    open_world(&w);
    give(&w, 1, NULL);
    give(&w, 2, NULL);
    assert_int_equal(join(&w, 1, 10, "pc1", t0, &x), 0);
    memset(curve, 50, sizeof curve);
    memset(sign, 51, sizeof sign);
    assert_int_equal(mmr_members_next_keys(w.m, "nobody", curve, sign, &w.err), MMR_ENOENT);
    assert_int_equal(mmr_members_next_keys(w.m, "pc1", curve, sign, &w.err), 0);
    assert_int_equal(mmr_members_get(w.m, "pc1", &x, &w.err), 0);
    assert_true(x.has_next && x.next_curve[0] == 50 && x.curve[0] == 10);
    v = w;
    assert_int_equal(mmr_members_open(w.dir, false, &v.m, &w.err), 0); /* a command, or the brain after a crash */
    assert_true(mmr_members_has_news(v.m));
    assert_false(mmr_members_has_news(v.m));
    assert_int_equal(mmr_members_rotated(w.m, "pc1", t0 + 5, &w.err), 0);
    assert_true(mmr_members_has_news(v.m));
    assert_int_equal(mmr_members_get(v.m, "pc1", &x, &w.err), 0);
    assert_true(!x.has_next && x.curve[0] == 50 && x.rotated_ns == t0 + 5);
    assert_int_equal(mmr_members_rotated(w.m, "pc1", t0 + 6, &w.err), MMR_ENOENT);
    memset(curve, 10, sizeof curve);
    assert_int_equal(mmr_members_next_keys(w.m, "pc1", curve, sign, &w.err), MMR_EPERM); /* never back to those */
    assert_int_equal(join(&w, 2, 10, "pc2", t0, &x), MMR_EPERM);
    give(&w, 3, NULL);
    assert_int_equal(mmr_members_token_void(w.m, t0 + HOUR, &n, &w.err), 0);
    assert_int_equal(n, 2); /* 2 and 3: not used */
    assert_int_equal(join(&w, 3, 60, "pc3", t0 + HOUR, &x), MMR_EPERM);
    mmr_members_close(v.m);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_token_is_good_once_until_it_expires), cmocka_unit_test(the_revoked_stay_out),
                                       cmocka_unit_test(new_keys_replace_old_ones_when_they_are_used)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
