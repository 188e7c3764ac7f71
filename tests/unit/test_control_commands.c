/* What is recorded and what is blocked: `mamori incident`, `mamori block`. */
#include "plugin/load.h"
#include "plugin/runtime.h"

#include "commands_world.h"

#define NFT MMR_BINARY_DIR "/plugins/nft.so"

/* ---- incidents ---- */

static void incidents_are_listed_newest_first(void **state)
{
    struct world *w = *state;
    three_stories(w);
    expect(w, RUN(w, "incident", "list", "--json"), 0);
    struct json_object *o = parse(w->out), *list = member(o, "incidents");
    assert_int_equal(json_object_array_length(list), 2);
    struct json_object *first = json_object_array_get_idx(list, 0);
    assert_string_equal(json_object_get_string(member(first, "id")), "abc2000000000002");
    assert_string_equal(json_object_get_string(member(first, "class")), "severe");
    assert_string_equal(json_object_get_string(member(first, "band")), "red");
    assert_string_equal(json_object_get_string(member(first, "time")), "2025-11-22T08:27:40.000Z");
    struct json_object *host = json_object_array_get_idx(member(first, "hosts"), 0);
    assert_string_equal(json_object_get_string(member(host, "name")), "PC2");
    assert_string_equal(json_object_get_string(member(host, "role")), "victim");
    json_object_put(o);
    expect(w, RUN(w, "incident", "list", "--all", "--json"), 0);
    o = parse(w->out);
    list = member(o, "incidents");
    assert_int_equal(json_object_array_length(list), 3);
    assert_string_equal(json_object_get_string(member(json_object_array_get_idx(list, 1), "id")), "def0000000000003");
    json_object_put(o);
    expect(w, RUN(w, "incident", "list"), 0);
    has(w->out, "abc2000000000002  2025-11-22 08:27:40 +0000");
    has(w->out, "newer");
    has_not(w->out, "done");
}

static void an_incident_is_found_by_what_is_unique(void **state)
{
    struct world *w = *state;
    three_stories(w);
    uint64_t id = 0xabc2000000000002;
    uint8_t uid[16];
    char uuid[MMR_UUID_TEXT_MAX];
    mmr_uuid_of(&id, sizeof id, uid);
    mmr_uuid_format(uid, uuid);
    const char *const good[] = {"abc2000000000002", "abc2", "ABC2", uuid};
    for (size_t i = 0; i < 4; i++) {
        expect(w, RUN(w, "incident", "show", good[i]), 0);
        has(w->out, "abc2000000000002");
        has(w->out, "class         severe, red");
        has(w->out, "PC2 (victim)");
        has(w->out, "newer (3 times)");
        has(w->out, "scan.tcp T1046");
        has(w->out, "198.51.100.6\n      network, done and proved (confirmed, readback), until 2");
        has(w->out, "H: no harm was seen");
    }
    expect(w, RUN(w, "incident", "show", "abc"), 2);
    has(w->err, "abc1000000000001");
    has(w->err, "abc2000000000002");
    expect(w, RUN(w, "incident", "show", "99"), 1);
    has(w->err, "there is no incident '99'");
    expect(w, RUN(w, "incident", "show", "x1"), 2);
    expect(w, RUN(w, "incident", "show"), 2);
    expect(w, RUN(w, "incident", "show", "abc2", "--json"), 0);
    struct json_object *o = parse(w->out);
    assert_int_equal(json_object_get_int(member(o, "class_uid")), 2005);
    assert_string_equal(json_object_get_string(member(member(member(o, "unmapped"), "mamori"), "class")), "severe");
    json_object_put(o);
}

static void text_from_outside_cannot_drive_the_terminal(void **state)
{
    struct world *w = *state;
    const struct story s = {.id = 7, .class_current = MMR_CLASS_OF_DEFENDED, .host = "PC1",
                            .title = "a\x1b[2Jb\xe2\x80\xae" "c\xc2\x9b" "d\x7f\xff 日本"};
    store(w, &s, 1);
    expect(w, RUN(w, "incident", "list"), 0);
    has(w->out, "a?[2Jb?c?d?? 日本");
    expect(w, RUN(w, "incident", "show", "0000"), 0);
    has(w->out, "a?[2Jb?c?d?? 日本");
    expect(w, RUN(w, "incident", "list", "--json"), 0);
    for (const char *p = w->out; *p; p++)
        assert_true((unsigned char)*p >= 0x20 || *p == '\n');
}

static void without_a_store_nothing_is_claimed(void **state)
{
    struct world *w = *state;
    expect(w, RUN(w, "incident", "list"), 3);
    has(w->err, "no store");
    assert_string_equal(w->out, "");
    expect(w, RUN(w, "block", "list"), 3);
    put_file(w->state, MMR_DB_FILE, "this is no database, but long enough to look at: %0512d", 0);
    expect(w, RUN(w, "incident", "list"), 3);
    expect(w, RUN(w, "block", "list"), 3);
}

/* ---- blocks ---- */

static void blocks_in_force_are_listed(void **state)
{
    struct world *w = *state;
    struct story s = {.id = 5, .class_current = MMR_CLASS_OF_SEVERE, .title = "x", .host = "PC1", .n_actions = 4};
    for (unsigned i = 0; i < 4; i++)
        s.action[i] = block(0x21 + i, 5, "198.51.100.7", "keeper");
    s.action[1].receipt.expires_ns = mmr_clock_wall_ns() - MMR_NS_PER_S; /* its lease is over */
    s.action[2].verb = MMR_VERB_KILL_PROCESS;                            /* happened once */
    s.action[3].state = MMR_STATE_UNDONE;
    store(w, &s, 1);
    expect(w, RUN(w, "block", "list", "--json"), 0);
    struct json_object *o = parse(w->out), *list = member(o, "blocks");
    assert_int_equal(json_object_array_length(list), 1);
    struct json_object *b = json_object_array_get_idx(list, 0);
    assert_string_equal(json_object_get_string(member(b, "id")), "0000000000000021");
    assert_string_equal(json_object_get_string(member(b, "verb")), "block.addr");
    assert_string_equal(json_object_get_string(member(b, "target")), "198.51.100.7");
    assert_string_equal(json_object_get_string(member(b, "state")), "proved");
    assert_string_equal(json_object_get_string(member(b, "incident")), "0000000000000005");
    json_object_put(o);
    expect(w, RUN(w, "block", "list"), 0);
    has(w->out, "proved");
    expect(w, RUN(w, "block", "undo", "23"), 1);
    expect(w, RUN(w, "block", "undo", "0000000000000023"), 1);
    has(w->err, "cannot be taken back");
    expect(w, RUN(w, "block", "undo", "0000000000000021"), 3); /* nothing runs that could */
    has(w->err, "mamori is not running here");
}

static int look_at_action(void *ctx, const struct mmr_incident_row *row)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_action_rec *ret = ctx;
    struct mmr_incident *i = NULL;
    OK(mmr_incident_unpack(row->blob, row->len, &i, &err));
    assert_string_equal(row->title, "newer"); /* the rest stays as it was */
    assert_int_equal(row->revision, 2);
    assert_int_equal(i->revision, 2);
    *ret = i->actions[0];
    mmr_incident_free(i);
    return 0;
}

static void every_block_is_taken_back_with_nothing_else_running(void **state)
{
    struct world *w = *state;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_db *db = NULL;
    struct mmr_action_rec a = {0};
    struct mmr_evidence_report report;
    three_stories(w);
    keep_blocks(w, "keeper", NULL);
    keep_blocks(w, "second", NULL); /* of this one the store knows nothing: its journal does */
    expect(w, RUN(w, "block", "undo-all"), 0);
    has(w->out, "undone 0000000000000011");
    has(w->out, "1 undone, 0 failed, 0 on other machines");
    assert_false(keeps_blocks(w, "keeper"));
    assert_false(keeps_blocks(w, "second"));
    assert_int_equal(state_of(w, 0x11), MMR_STATE_UNDONE);
    OK(mmr_db_open(w->state, MMR_DB_READONLY, &db, &err));
    OK(mmr_store_incident_get(db, 0xabc2000000000002, look_at_action, &a, &err));
    mmr_db_close(db);
    assert_int_equal(a.state, MMR_STATE_UNDONE); /* so that a brain that starts does not renew it */
    assert_true(a.receipt.revoked_ns > t0);
    OK(mmr_evidence_verify(w->state, &report, &err));
    assert_int_equal(report.bad_seq, 0);
    assert_int_equal(report.records, 4);
    assert_int_equal(report.signed_upto, 4);
    expect(w, RUN(w, "block", "undo-all", "--json"), 0);
    assert_string_equal(w->out, "{\"undone\":0,\"failed\":0,\"elsewhere\":0}\n");
}

static void what_could_not_be_taken_back_is_said(void **state)
{
    static const struct {
        const char *also, *why;
        int status;
    } rows[] = {{"broken", "the keeper lost its key", 1}, {"refuse", "the keeper cannot reach its blocks", 1}, {"crash", "signal", 3}};
    struct world *w = *state;
    three_stories(w);
    for (size_t i = 0; i < 3; i++) {
        char command[300];
        keep_blocks(w, "keeper", rows[i].also);
        expect(w, RUN(w, "block", "undo-all"), rows[i].status);
        has(rows[i].status == 1 ? w->out : w->err, rows[i].why);
        assert_true(keeps_blocks(w, "keeper"));
        assert_int_equal(state_of(w, 0x11), MMR_STATE_PROVED); /* not undone, so not noted as undone */
        (void)snprintf(command, sizeof command, "rm -r '%s/plugins/keeper'", w->state);
        assert_int_equal(system(command), 0);
    }
}

static void one_failing_responder_does_not_hold_up_the_others(void **state)
{
    struct world *w = *state;
    three_stories(w);
    keep_blocks(w, "keeper", "broken");
    keep_blocks(w, "second", NULL);
    expect(w, RUN(w, "block", "undo-all"), 1);
    assert_true(keeps_blocks(w, "keeper"));
    assert_false(keeps_blocks(w, "second"));
}

static void blocks_of_other_machines_and_lost_responders_are_named(void **state)
{
    struct world *w = *state;
    struct story s = {.id = 5, .class_current = MMR_CLASS_OF_SEVERE, .title = "x", .host = "PC1", .n_actions = 2,
                      .action = {block(0x31, 5, "198.51.100.7", "keeper"), block(0x32, 5, "198.51.100.8", "gone")}};
    (void)snprintf(s.action[0].node, sizeof s.action[0].node, "pc-9");
    store(w, &s, 1);
    expect(w, RUN(w, "block", "undo-all"), 1);
    has(w->out, "it is on the machine 'pc-9'");
    has(w->out, "'gone' is not configured any more");
    assert_int_equal(state_of(w, 0x31), MMR_STATE_PROVED);
}

static void a_damaged_store_does_not_keep_the_blocks(void **state)
{
    struct world *w = *state;
    keep_blocks(w, "keeper", NULL);
    put_file(w->state, MMR_DB_FILE, "this is no database, but long enough to look at: %0512d", 0);
    expect(w, RUN(w, "block", "undo-all"), 0);
    has(w->err, "store '"); /* it is said, and nothing is noted */
    assert_false(keeps_blocks(w, "keeper"));
}

static void a_wrong_drop_in_does_not_keep_the_blocks(void **state)
{
    struct world *w = *state;
    three_stories(w);
    keep_blocks(w, "keeper", NULL);
    put_file(w->conf, "50-mistake.yaml", "defence: {mode: everything}\n");
    put_file(w->conf, "60-worse.yaml", "]]\n");
    expect(w, RUN(w, "block", "undo-all"), 0);
    has(w->err, "50-mistake.yaml: left out");
    has(w->err, "60-worse.yaml: left out");
    assert_false(keeps_blocks(w, "keeper"));
    expect(w, RUN(w, "coverage", "net"), 2); /* what is no emergency insists */
}

static void a_mamori_that_does_not_answer_is_not_undermined(void **state)
{
    struct world *w = *state;
    char path[200];
    three_stories(w);
    keep_blocks(w, "keeper", NULL);
    (void)snprintf(path, sizeof path, "%s/lock", w->run);
    mmr_autoclose int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    expect(w, RUN(w, "block", "undo-all"), 3);
    has(w->err, "a mamori runs here");
    assert_true(keeps_blocks(w, "keeper"));
}

/* ---- the gateway's own responder, in a network namespace of its own ---- */

static int on_receipt(void *ctx, uint32_t instance, uint64_t id, int code, const void *msgpack, size_t len)
{
    struct mmr_error err = {.struct_size = sizeof err};
    (void)instance;
    (void)id;
    return code == 0 && mmr_receipt_decode(msgpack, len, ctx, &err) == 0 ? 0 : MMR_EBADMSG;
}

/* As a plugin host would: the block stays in the kernel when the process has ended. */
static void block_for_real(const struct world *w, const struct mmr_plugin *p, const struct mmr_action_rec *a, const char *dir)
{
    static const struct mmr_runtime_ops ops = {.on_receipt = on_receipt};
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_receipt receipt = {0};
    const struct mmr_runtime_opts opts = {.base = w->base, .node = "hub-1", .core_version = "0", .ops = &ops, .ctx = &receipt};
    const struct mmr_runtime_instance conf = {.plugin = p, .name = a->instance, .side = MMR_SIDE_NETWORK, .state_dir = dir};
    struct mmr_runtime *rt = NULL;
    uint8_t map[4096];
    uint32_t index;
    size_t len;
    OK(mmr_runtime_new(&opts, &rt, &err));
    OK(mmr_runtime_add(rt, &conf, &index, &err));
    assert_int_equal(mmr_action_encode(a, map, sizeof map, &len), 0);
    const struct mmr_action order = {.struct_size = sizeof order, .id = a->id, .verb = "block.addr", .ttl_ms = 3600000, .msgpack = map,
                                     .len = len};
    OK(mmr_runtime_act(rt, index, &order, &err));
    mmr_runtime_free(rt);
    assert_int_equal(receipt.result, MMR_RESULT_APPLIED);
    assert_int_equal(receipt.verified, MMR_VERIFIED_CONFIRMED);
}

static void a_block_in_the_kernel_is_really_gone(void **state)
{
    static const char look[] = "nft list ruleset | grep -q 198.51.100.77";
    struct world *w = *state;
    struct mmr_error err = {.struct_size = sizeof err};
    const struct mmr_plugin *p = NULL;
    char dir[200];
    struct story s = {.id = 5, .class_current = MMR_CLASS_OF_SEVERE, .title = "x", .host = "PC1", .n_actions = 1,
                      .action = {block(0x41, 5, "198.51.100.77", "gate")}};
    mmr_autoclose int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (geteuid() != 0 || system("nft --version >/dev/null 2>&1") != 0 || access(NFT, R_OK) != 0 || home < 0 ||
        unshare(CLONE_NEWNET) != 0)
        skip(); /* needs root, nft, and the plugin as a file */
    put_file(w->conf, "20-gate.yaml", "plugins:\n  gate: {plugin: org.mamori.nft, file: %s}\n", NFT);
    (void)snprintf(dir, sizeof dir, "%s/plugins", w->state);
    assert_int_equal(mkdir(dir, 0700), 0);
    (void)snprintf(dir, sizeof dir, "%s/plugins/gate", w->state);
    assert_int_equal(mkdir(dir, 0700), 0);
    OK(mmr_plugin_get(NULL, NULL, "org.mamori.nft", NFT, &p, &err));
    block_for_real(w, p, &s.action[0], dir);
    assert_int_equal(system(look), 0);
    store(w, &s, 1);
    expect(w, RUN(w, "block", "undo-all"), 0);
    has(w->out, "undone 0000000000000041");
    assert_int_not_equal(system(look), 0);
    assert_int_equal(state_of(w, 0x41), MMR_STATE_UNDONE);
    assert_int_equal(setns(home, CLONE_NEWNET), 0);
}

static void a_running_mamori_undoes_by_itself(void **state)
{
    struct world *w = *state;
    three_stories(w);
    keep_blocks(w, "keeper", NULL);
    listen_here(w);
    expect(w, RUN(w, "block", "undo", "00000000000000"), 0);
    has(w->out, "undone 0000000000000011");
    expect(w, RUN(w, "block", "undo", "11"), 1); /* it is not in force any more */
    expect(w, RUN(w, "block", "undo-all", "--json"), 0);
    assert_string_equal(w->out, "{\"undone\":0,\"failed\":0,\"elsewhere\":0}\n");
    assert_string_equal(w->asked, "block.undo block.undo-all ");
    assert_true(keeps_blocks(w, "keeper")); /* its journal was left to the process that owns it */
}

static void without_a_brain_the_responders_are_stopped_and_undone(void **state)
{
    struct world *w = *state;
    three_stories(w);
    keep_blocks(w, "keeper", NULL);
    w->is_brainless = true;
    listen_here(w);
    expect(w, RUN(w, "block", "undo-all"), 0);
    assert_string_equal(w->asked, "block.undo-all responders.stop responders.start ");
    assert_int_equal(state_of(w, 0x11), MMR_STATE_UNDONE);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(incidents_are_listed_newest_first),
        T(an_incident_is_found_by_what_is_unique),
        T(text_from_outside_cannot_drive_the_terminal),
        T(without_a_store_nothing_is_claimed),
        T(blocks_in_force_are_listed),
        T(every_block_is_taken_back_with_nothing_else_running),
        T(what_could_not_be_taken_back_is_said),
        T(one_failing_responder_does_not_hold_up_the_others),
        T(blocks_of_other_machines_and_lost_responders_are_named),
        T(a_damaged_store_does_not_keep_the_blocks),
        T(a_wrong_drop_in_does_not_keep_the_blocks),
        T(a_mamori_that_does_not_answer_is_not_undermined),
        T(a_block_in_the_kernel_is_really_gone),
        T(a_running_mamori_undoes_by_itself),
        T(without_a_brain_the_responders_are_stopped_and_undone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
