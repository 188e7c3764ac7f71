/* test_lasting.c - what can be taken back: denied programs, shared quarantine, locked accounts, a machine cut off; and what
 * a crash leaves. Files, processes and namespaces of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "account.h"
#include "acts.h"
#include "isolate.h"
#include "process.h"
#include "testhost.h"
#include "vault.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

extern const struct mmr_plugin mmr_plugin_contain;

static uint8_t target_buf[4096];
static struct mmr_event target;
static bool has_own_network;

static struct mmr_testhost *start(const char *const *config)
{
    struct mmr_testhost *th = mmr_testhost_new();
    struct mmr_error err = {.struct_size = sizeof err};
    (void)mmr_testhost_make_state_dir(th);
    mmr_testhost_use_real_clock(th);
    if (mmr_testhost_add(th, &mmr_plugin_contain, config, &err) != 0)
        fail_msg("%s", err.text);
    return th;
}

static void send_order(struct mmr_testhost *th, uint64_t id, uint32_t flags, const char *verb)
{
    struct mmr_error err = {.struct_size = sizeof err};
    assert_int_equal(mmr_event_end(&target), 0);
    struct mmr_action a = {.struct_size = sizeof a, .flags = flags, .id = id, .verb = verb, .ttl_ms = 60000,
                           .msgpack = target.buf, .len = target.len};
    size_t before = mmr_testhost_receipts(th);
    if (mmr_testhost_act(th, 0, &a, &err) != 0)
        fail_msg("%s: %s", verb, err.text);
    assert_int_equal(mmr_testhost_receipts(th), before + 1);
}

static void want(struct mmr_testhost *th, const char *result, const char *verified)
{
    size_t n = mmr_testhost_receipts(th) - 1;
    if (strcmp(mmr_testhost_receipt_text(th, n, "result"), result) != 0 ||
        strcmp(mmr_testhost_receipt_text(th, n, "verify.result"), verified) != 0)
        fail_msg("want %s %s, got %s %s: %s", result, verified, mmr_testhost_receipt_text(th, n, "result"),
                 mmr_testhost_receipt_text(th, n, "verify.result"), mmr_testhost_receipt_text(th, n, "detail"));
}

static void name_text(const char *key, const char *value)
{
    mmr_event_begin_map(&target, target_buf, sizeof target_buf);
    mmr_event_str(&target, key, value);
}

static void order_file(struct mmr_testhost *th, uint64_t id, uint32_t flags, const char *verb, const char *path)
{
    name_text("file.path", path);
    send_order(th, id, flags, verb);
}

static void put_file(const char *path, const char *text, mode_t mode)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

/* 0 when it ran to its end, else why it did not start (or 1000 + status). */
static int try_run(const char *path, const char *arg)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        (void)!freopen("/dev/null", "w", stderr);
        (void)execl(path, path, arg, (char *)NULL);
        _exit(errno == EPERM || errno == EACCES ? 100 : 101);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000;
}

static void a_denied_program_does_not_run_until_it_is_allowed(void **state)
{
    (void)state;
    char dir[] = "/tmp/mamori-deny-XXXXXX", path[64], script[64], cmd[256];
    if (geteuid() != 0)
        skip();
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/prog", dir);
    (void)snprintf(script, sizeof script, "%s/script", dir);
    (void)snprintf(cmd, sizeof cmd, "cp /bin/true %s", path);
    assert_int_equal(system(cmd), 0);
    put_file(script, "#!/bin/sh\nexit 0\n", 0755);
    struct mmr_testhost *th = start(NULL);
    assert_int_equal(try_run(path, NULL), 0);
    order_file(th, 1, MMR_ACT_DRY_RUN, "deny.exec", path);
    assert_int_equal(try_run(path, NULL), 0);
    order_file(th, 1, 0, "deny.exec", path);
    want(th, "applied", "confirmed");
    order_file(th, 2, 0, "deny.exec", path); /* a second reason */
    want(th, "already", "confirmed");
    order_file(th, 3, 0, "deny.exec", script);
    want(th, "applied", "confirmed");
    assert_int_equal(try_run(path, NULL), 100);
    assert_int_equal(try_run(script, NULL), 100);
    order_file(th, 1, MMR_ACT_UNDO, "deny.exec", path);
    assert_int_equal(try_run(path, NULL), 100); /* the other reason still holds */
    order_file(th, 2, MMR_ACT_VERIFY, "deny.exec", path);
    want(th, "already", "confirmed");
    order_file(th, 2, MMR_ACT_UNDO, "deny.exec", path);
    want(th, "applied", "confirmed");
    assert_int_equal(try_run(path, NULL), 0);
    order_file(th, 3, MMR_ACT_UNDO, "deny.exec", script);
    assert_int_equal(try_run(script, NULL), 0);
    order_file(th, 4, 0, "deny.exec", "/bin/sh");
    want(th, "refused", "none");
    order_file(th, 5, MMR_ACT_DRY_RUN, "deny.exec", "/bin/sh"); /* a rehearsal says so too */
    want(th, "refused", "none");
    mmr_testhost_free(th);
    (void)unlink(path);
    (void)unlink(script);
    (void)rmdir(dir);
}

static void quarantine_for_two_reasons_ends_with_the_last_and_brings_attributes_back(void **state)
{
    (void)state;
    char path[] = "/tmp/mamori-two-XXXXXX", value[16] = "";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "bad", 3), 3);
    const bool has_attributes = fsetxattr(fd, "user.origin", "mail", 4, 0) == 0;
    (void)close(fd);
    struct mmr_testhost *th = start(NULL);
    order_file(th, 1, 0, "quarantine.file", path);
    want(th, "applied", "confirmed");
    order_file(th, 2, 0, "quarantine.file", path);
    want(th, "already", "confirmed");
    order_file(th, 1, MMR_ACT_UNDO, "quarantine.file", path);
    want(th, "applied", "confirmed");
    assert_int_equal(access(path, F_OK), -1);
    order_file(th, 2, MMR_ACT_VERIFY, "quarantine.file", path);
    want(th, "already", "confirmed");
    order_file(th, 2, MMR_ACT_UNDO, "quarantine.file", path);
    assert_int_equal(access(path, F_OK), 0);
    if (has_attributes) {
        assert_int_equal(getxattr(path, "user.origin", value, sizeof value), 4);
        assert_string_equal(value, "mail");
    }
    (void)unlink(path);
    mmr_testhost_free(th);
}

static void a_tree_is_frozen_and_goes_on(void **state)
{
    (void)state;
    int ready[2];
    char c;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        pid_t below = fork();
        if (below > 0)
            (void)!write(ready[1], "x", 1);
        (void)execl("/bin/sleep", "sleep", "60", (char *)NULL);
        _exit(1);
    }
    assert_int_equal(read(ready[0], &c, 1), 1);
    (void)usleep(100000);
    struct mmr_fingerprint f = {.pid = pid, .start_ticks = mmr_process_start_ticks(pid)};
    struct mmr_testhost *th = start(NULL);
    for (int flags = 0; flags <= MMR_ACT_UNDO; flags += MMR_ACT_UNDO) {
        mmr_event_begin_map(&target, target_buf, sizeof target_buf);
        mmr_event_int(&target, "process.pid", pid);
        mmr_event_int(&target, "process.start_ticks", f.start_ticks);
        mmr_event_bool(&target, "tree", true);
        send_order(th, 1, (uint32_t)flags, "freeze.process");
        want(th, "applied", "confirmed");
        if (!flags)
            assert_true(mmr_process_is_stopped(&f, true));
    }
    for (int i = 0; i < 200 && mmr_process_is_stopped(&f, false); i++)
        (void)usleep(10000);
    assert_false(mmr_process_is_stopped(&f, false));
    mmr_event_begin_map(&target, target_buf, sizeof target_buf);
    mmr_event_int(&target, "process.pid", pid);
    mmr_event_int(&target, "process.start_ticks", f.start_ticks);
    mmr_event_bool(&target, "tree", true);
    assert_int_equal(mmr_event_end(&target), 0);
    struct mmr_action a = {.struct_size = sizeof a, .id = 2, .verb = "kill.process", .msgpack = target.buf, .len = target.len};
    struct mmr_error err = {.struct_size = sizeof err};
    (void)mmr_testhost_act(th, 0, &a, &err);
    (void)waitpid(pid, NULL, 0);
    mmr_testhost_free(th);
}

static void an_account_is_locked_with_its_key_and_opened_as_it_was(void **state)
{
    (void)state;
    static const char shadow[] = "root:*:19000:0:99999:7:::\nalice:$6$abc:19000:0:99999:7:::\nbob:!$6$x:19000:0:99999:7::20000:\n";
    static const char *const never[] = {"carol"};
    char etc[] = "/tmp/mamori-etc-XXXXXX", passwd_path[64], shadow_path[64], text[512] = "", undo[MMR_ACCOUNT_UNDO_MAX];
    struct mmr_error err = {.struct_size = sizeof err};
    uid_t uid = 0;
    if (geteuid() != 0)
        skip();
    assert_non_null(mkdtemp(etc));
    (void)snprintf(passwd_path, sizeof passwd_path, "%s/passwd", etc);
    (void)snprintf(shadow_path, sizeof shadow_path, "%s/shadow", etc);
    put_file(passwd_path, "root:x:0:0::/root:/bin/sh\ndaemon:x:1:1::/:/bin/false\nalice:x:1000:1000::/home/alice:/bin/sh\n"
                          "bob:x:1001:1001::/home/bob:/bin/sh\ncarol:x:1002:1002::/home/carol:/bin/sh\n", 0644);
    put_file(shadow_path, shadow, 0640);
    assert_int_equal(mmr_account_check(etc, "root", NULL, 0, NULL, &err), MMR_EPERM);
    assert_int_equal(mmr_account_check(etc, "daemon", NULL, 0, NULL, &err), MMR_EPERM);
    assert_int_equal(mmr_account_check(etc, "carol", never, 1, NULL, &err), MMR_EPERM);
    assert_int_equal(mmr_account_check(etc, "mallory", NULL, 0, NULL, &err), MMR_ENOENT);
    assert_int_equal(mmr_account_check(etc, "alice:x", NULL, 0, NULL, &err), MMR_EPERM);
    assert_int_equal(mmr_account_check(etc, "alice", never, 1, &uid, &err), 0);
    assert_int_equal(uid, 1000);
    for (int who = 0; who < 2; who++) {
        const char *user = who ? "bob" : "alice";
        assert_int_equal(mmr_account_is_locked(etc, user, &err), MMR_ENOENT);
        if (mmr_account_lock(etc, user, undo, &err) != 0)
            fail_msg("%s", err.text);
        assert_int_equal(mmr_account_is_locked(etc, user, &err), 0);
        struct stat st;
        assert_int_equal(stat(shadow_path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0640);
        assert_int_equal(mmr_account_unlock(etc, user, undo, &err), 0);
    }
    FILE *f = fopen(shadow_path, "r");
    (void)!fread(text, 1, sizeof text - 1, f);
    (void)fclose(f);
    assert_string_equal(text, shadow); /* byte for byte as it was, for every account */
    (void)unlink(passwd_path);
    (void)unlink(shadow_path);
    (void)rmdir(etc);
}

static void isolate(struct mmr_testhost *th, uint64_t id, uint32_t flags)
{
    mmr_event_begin_map(&target, target_buf, sizeof target_buf);
    mmr_event_str(&target, "device.hostname", "pc1");
    send_order(th, id, flags, "isolate.host");
}

static void a_machine_comes_back_when_nobody_confirms(void **state)
{
    (void)state;
    static const char *const config[] = {"confirm", "1s", "keep", "192.0.2.7", NULL};
    struct mmr_error err = {.struct_size = sizeof err};
    if (!has_own_network)
        skip();
    struct mmr_testhost *th = start(config);
    isolate(th, 1, 0);
    want(th, "applied", "confirmed");
    assert_int_equal(mmr_isolate_check("mamori_host_iso", &err), 0);
    size_t before = mmr_testhost_receipts(th);
    for (int i = 0; i < 600 && mmr_testhost_receipts(th) == before; i++)
        (void)mmr_testhost_poll(th, 50);
    assert_int_equal(mmr_testhost_receipts(th), before + 1);
    assert_true(mmr_testhost_receipt_int(th, before, "revoked_at", 0) > 0);
    assert_int_equal(mmr_testhost_count(th, "enforcement.lost"), 1);
    assert_int_equal(mmr_isolate_check("mamori_host_iso", &err), MMR_ENOENT);
    mmr_testhost_free(th);
}

static void a_confirmed_machine_stays_cut_off_until_it_is_released(void **state)
{
    (void)state;
    static const char *const config[] = {"confirm", "1s", NULL};
    struct mmr_error err = {.struct_size = sizeof err};
    if (!has_own_network)
        skip();
    struct mmr_testhost *th = start(config);
    isolate(th, 1, 0);
    isolate(th, 1, MMR_ACT_VERIFY); /* the hub reaches us: this order came */
    want(th, "already", "confirmed");
    for (int i = 0; i < 20; i++)
        (void)mmr_testhost_poll(th, 100);
    assert_int_equal(mmr_isolate_check("mamori_host_iso", &err), 0);
    isolate(th, 1, MMR_ACT_UNDO);
    want(th, "applied", "confirmed");
    assert_int_equal(mmr_isolate_check("mamori_host_iso", &err), MMR_ENOENT);
    mmr_testhost_free(th);
}

static void the_kernel_lets_a_machine_go_when_its_defender_is_gone(void **state)
{
    (void)state;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_deny_key keep;
    if (!has_own_network)
        skip();
    assert_true(mmr_deny_parse("192.0.2.0/24", &keep));
    if (mmr_isolate_apply("t_iso", &keep, 1, 500, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(mmr_isolate_check("t_iso", &err), 0);
    int r = 0;
    for (int i = 0; i < 300 && r == 0; i++) { /* and nobody of us does anything */
        (void)usleep(50000);
        r = mmr_isolate_check("t_iso", &err);
    }
    assert_int_equal(r, MMR_ENOENT);
    assert_int_equal(mmr_isolate_remove("t_iso", &err), 0);
}

/* As after a crash between the words "about to" and "done": the journal says begun; was it done or not? */
static void what_a_crash_left_half_is_finished_or_forgotten(void **state)
{
    (void)state;
    char done[] = "/tmp/mamori-done-XXXXXX", not_done[] = "/tmp/mamori-not-XXXXXX", dir[4200], sha[65];
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_acts *acts;
    struct mmr_act *act;
    unsigned damaged;
    (void)close(mkstemp(done));
    (void)close(mkstemp(not_done));
    struct mmr_testhost *th = mmr_testhost_new();
    const char *state_dir = mmr_testhost_make_state_dir(th);
    mmr_testhost_use_real_clock(th);
    (void)snprintf(dir, sizeof dir, "%s/probe", state_dir);
    struct mmr_testhost *helper = start(NULL); /* lends its host services to the journal */
    assert_int_equal(mmr_acts_open(mmr_testhost_host(helper, 0), state_dir, &acts, &damaged, &err), 0);
    (void)snprintf(dir, sizeof dir, "%s/vault", state_dir);
    for (uint64_t id = 1; id <= 2; id++) {
        name_text("file.path", id == 1 ? done : not_done);
        assert_int_equal(mmr_event_end(&target), 0);
        const struct mmr_action a = {.struct_size = sizeof a, .id = id, .verb = "quarantine.file", .msgpack = target.buf, .len = target.len};
        assert_int_equal(mmr_acts_begin(acts, &a, "", &act, &err), 0);
    }
    const struct mmr_file_id f = {.path = done};
    assert_int_equal(mmr_vault_take(dir, 1, &f, 1000, sha, &err), 0);
    mmr_acts_close(acts);
    assert_int_equal(mmr_testhost_add(th, &mmr_plugin_contain, NULL, &err), 0);
    order_file(th, 1, MMR_ACT_VERIFY, "quarantine.file", done);
    want(th, "already", "confirmed");
    order_file(th, 2, MMR_ACT_VERIFY, "quarantine.file", not_done);
    want(th, "failed", "refuted");
    assert_int_equal(access(not_done, F_OK), 0);
    order_file(th, 1, MMR_ACT_UNDO, "quarantine.file", done);
    assert_int_equal(access(done, F_OK), 0);
    (void)unlink(done);
    (void)unlink(not_done);
    mmr_testhost_free(helper);
    mmr_testhost_free(th);
}

static int own_network(void **state)
{
    (void)state;
    has_own_network = geteuid() == 0 && unshare(CLONE_NEWNET) == 0 && system("ip link set lo up 2>/dev/null && nft list ruleset 2>/dev/null") == 0;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_denied_program_does_not_run_until_it_is_allowed),
        cmocka_unit_test(quarantine_for_two_reasons_ends_with_the_last_and_brings_attributes_back),
        cmocka_unit_test(a_tree_is_frozen_and_goes_on),
        cmocka_unit_test(an_account_is_locked_with_its_key_and_opened_as_it_was),
        cmocka_unit_test(a_machine_comes_back_when_nobody_confirms),
        cmocka_unit_test(a_confirmed_machine_stays_cut_off_until_it_is_released),
        cmocka_unit_test(the_kernel_lets_a_machine_go_when_its_defender_is_gone),
        cmocka_unit_test(what_a_crash_left_half_is_finished_or_forgotten),
    };
    return cmocka_run_group_tests(tests, own_network, NULL);
}
