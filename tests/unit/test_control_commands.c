/*
 * The commands about a site, run as a person runs them: against a store that the test makes, a control socket that the
 * test answers, and a responder whose blocks are a file (tests/plugins/keeper.c).
 */
#include "control/server.h"

#include "plugin/load.h"
#include "plugin/runtime.h"
#include "store/actions.h"
#include "store/evidence.h"
#include "store/incidents.h"
#include "util/clock.h"
#include "util/id.h"
#include "util/scope.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define EXE MMR_BINARY_DIR "/mamori"
#define KEEPER MMR_BINARY_DIR "/tests/plugins/so/keeper.so"
#define NFT MMR_BINARY_DIR "/plugins/nft.so"

enum { OUT_MAX = 1 << 18, WAIT_MS = 60000 };

struct world {
    char dir[64], conf[96], state[96], run[96];
    struct event_base *base;
    struct mmr_control_server *server;
    char asked[512]; /* the commands that came, in order, each with a space behind it */
    const char *status; /* the answer to "status" */
    bool is_brainless;
    char out[OUT_MAX], err[OUT_MAX];
};

/* ---- files ---- */

__attribute__((format(printf, 3, 4))) static void put_file(const char *dir, const char *name, const char *fmt, ...)
{
    char path[400];
    va_list ap;
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    va_start(ap, fmt);
    assert_true(vfprintf(f, fmt, ap) >= 0);
    va_end(ap);
    assert_int_equal(fclose(f), 0);
}

static void get_file(const char *dir, const char *name, char *buf, size_t cap)
{
    char path[400];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "re");
    if (!f)
        fail_msg("'%s': %s", path, strerror(errno));
    size_t len = fread(buf, 1, cap - 1, f);
    buf[len] = '\0';
    (void)fclose(f);
}

static bool has_file(const char *dir, const char *name)
{
    char path[400];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    (void)snprintf(w->dir, sizeof w->dir, "/tmp/mmr-commands-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    (void)snprintf(w->conf, sizeof w->conf, "%s/conf", w->dir);
    (void)snprintf(w->state, sizeof w->state, "%s/state", w->dir);
    (void)snprintf(w->run, sizeof w->run, "%s/run", w->dir);
    assert_int_equal(mkdir(w->conf, 0700), 0);
    assert_int_equal(mkdir(w->state, 0700), 0);
    assert_int_equal(mkdir(w->run, 0700), 0);
    put_file(w->conf, "10-site.yaml",
             "deployment: none\nlanguage: en\nnode: {name: hub-1, state_dir: %s, run_dir: %s}\n"
             "plugins:\n  keeper: {plugin: org.example.keeper, file: %s}\n"
             "  second: {plugin: org.example.keeper, file: %s}\n",
             w->state, w->run, KEEPER, KEEPER);
    w->base = event_base_new();
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    char command[160];
    mmr_control_server_free(w->server);
    event_base_free(w->base);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", w->dir);
    assert_int_equal(system(command), 0);
    free(w);
    return 0;
}

/* ---- commands ---- */

static int run(struct world *w, const char *const *words)
{
    const char *argv[16] = {EXE, words[0], "--config", w->conf};
    char *args[17];
    char path[160];
    size_t n = 4;
    for (size_t i = 1; words[i] && n < 15; i++)
        argv[n++] = words[i];
    for (size_t i = 0; i < n; i++)
        args[i] = strdup(argv[i]);
    args[n] = NULL;
    (void)fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)snprintf(path, sizeof path, "%s/out", w->dir);
        int out = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
        (void)snprintf(path, sizeof path, "%s/err", w->dir);
        int err = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600), in = open("/dev/null", O_RDONLY);
        if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0 || setenv("TZ", "UTC", 1) != 0 || unsetenv("LANG") != 0)
            _exit(99);
        (void)execv(EXE, args);
        _exit(98);
    }
    int status = 0;
    for (int64_t until = mmr_clock_mono_ns() + WAIT_MS * MMR_NS_PER_MS;;) {
        (void)event_base_loop(w->base, EVLOOP_NONBLOCK);
        if (waitpid(pid, &status, WNOHANG) == pid)
            break;
        if (mmr_clock_mono_ns() > until) {
            (void)kill(pid, SIGKILL);
            fail_msg("'mamori %s' did not end", words[0]);
        }
        (void)poll(NULL, 0, 2);
    }
    for (size_t i = 0; i < n; i++)
        free(args[i]);
    get_file(w->dir, "out", w->out, sizeof w->out);
    get_file(w->dir, "err", w->err, sizeof w->err);
    if (!WIFEXITED(status))
        fail_msg("'mamori %s' ended by signal %d: %s", words[0], WTERMSIG(status), w->err);
    assert_true(WEXITSTATUS(status) < 90);
    return WEXITSTATUS(status);
}
#define RUN(w, ...) run(w, (const char *const[]){__VA_ARGS__, NULL})

static void expect(const struct world *w, int got, int want)
{
    if (got != want)
        fail_msg("status %d, want %d\nout: %s\nerr: %s", got, want, w->out, w->err);
}

static void has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in: %s", part, text);
}

static void has_not(const char *text, const char *part)
{
    if (strstr(text, part))
        fail_msg("'%s' is in: %s", part, text);
}

static struct json_object *parse(const char *text)
{
    struct json_object *o = json_tokener_parse(text);
    if (!o)
        fail_msg("not JSON: %s", text);
    return o;
}

static struct json_object *member(struct json_object *o, const char *key)
{
    struct json_object *v = NULL;
    if (!json_object_object_get_ex(o, key, &v))
        fail_msg("no '%s' in %s", key, json_object_to_json_string(o));
    return v;
}

/* ---- the store ---- */

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != 0)                                                                           \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)

static const int64_t t0 = INT64_C(1763800000) * INT64_C(1000000000); /* 2025-11-22T08:26:40Z */

struct story {
    uint64_t id;
    int64_t at_s; /* after t0 */
    enum mmr_class class_current;
    bool is_closed;
    const char *title, *host;
    struct mmr_action_rec action[4];
    uint32_t n_actions;
};

static struct mmr_action_rec block(uint64_t id, uint64_t incident, const char *addr, const char *instance)
{
    struct mmr_action_rec a = {.id = id, .verb = MMR_VERB_BLOCK_ADDR, .side = MMR_SIDE_NETWORK, .incident = incident,
                               .ordered_ns = t0, .ttl_ms = 3600000, .state = MMR_STATE_PROVED,
                               .receipt = {.result = MMR_RESULT_APPLIED, .verified = MMR_VERIFIED_CONFIRMED, .method = "readback",
                                           .applied_ns = t0, .expires_ns = mmr_clock_wall_ns() + 3600 * MMR_NS_PER_S}};
    (void)snprintf(a.node, sizeof a.node, "hub-1");
    (void)snprintf(a.instance, sizeof a.instance, "%s", instance);
    (void)snprintf(a.reason, sizeof a.reason, "a scan");
    assert_true(mmr_addr_parse(addr, strlen(addr), &a.target.addr.addr));
    a.target.addr.bits = 128;
    return a;
}

static void store(const struct world *w, const struct story *stories, size_t n)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_db *db = NULL;
    struct mmr_evidence_log *log = NULL;
    OK(mmr_db_open(w->state, MMR_DB_CREATE, &db, &err));
    OK(mmr_evidence_open(db, &log, &err));
    for (size_t k = 0; k < n; k++) {
        const struct story *s = &stories[k];
        struct mmr_incident *i = mmr_incident_new(s->id, &err);
        assert_non_null(i);
        const struct mmr_finding f = {.kind = "finding", .class_uid = 2004, .severity_id = 4, .time_ns = t0 + s->at_s * MMR_NS_PER_S,
                                      .side = MMR_SIDE_NETWORK, .node = "hub-1", .plugin = "org.example.x", .instance = "x",
                                      .rule = "scan.tcp", .title = s->title, .what = s->title, .attack = {"T1046"}, .n_attack = 1,
                                      .phase = MMR_PHASE_ATTEMPT_INBOUND, .proto = "tcp", .host = s->host};
        const struct mmr_evidence e = {.finding = mmr_finding_copy(&f), .count = 3, .last_ns = f.time_ns};
        struct mmr_host_ref h = {.role = MMR_ROLE_VICTIM};
        struct mmr_incident_row row;
        uint8_t *blob = NULL;
        size_t len = 0;
        (void)snprintf(h.name, sizeof h.name, "%s", s->host);
        assert_non_null(e.finding);
        OK(mmr_incident_insert_evidence(i, &e, &err));
        OK(mmr_incident_add_host(i, &h, &err));
        OK(mmr_incident_add_join(i, MMR_ENT_ADDRESS, "198.51.100.6", &err));
        mmr_incident_why(i, "H: no harm was seen");
        mmr_uuid_of(&s->id, sizeof s->id, i->uid);
        i->t0_ns = i->first_ns = i->last_ns = i->updated_ns = f.time_ns;
        i->class_current = i->class_peak = s->class_current;
        i->band = s->class_current == MMR_CLASS_OF_SEVERE ? MMR_BAND_RED : MMR_BAND_NONE;
        i->harm = 'n';
        i->revision = 1;
        i->is_closed = s->is_closed;
        for (uint32_t a = 0; a < s->n_actions; a++) {
            OK(mmr_incident_add_action(i, &s->action[a], &err));
            OK(mmr_store_action_put(db, &s->action[a], &err));
        }
        OK(mmr_incident_pack(i, &blob, &len, &err));
        mmr_incident_row_of(i, &row);
        row.title = s->title;
        row.blob = blob;
        row.len = len;
        OK(mmr_store_incident_put(db, &row, &err));
        OK(mmr_evidence_append(log, "incident.class", t0, "{}", 2, NULL, &err));
        free(blob);
        mmr_incident_free(i);
    }
    OK(mmr_db_commit(db, &err));
    mmr_evidence_close(log);
    mmr_db_close(db);
}

static void three_stories(const struct world *w)
{
    const struct story s[] = {
        {.id = 0xabc1000000000001, .at_s = 0, .class_current = MMR_CLASS_OF_DEFENDED, .title = "older", .host = "PC1"},
        {.id = 0xabc2000000000002, .at_s = 60, .class_current = MMR_CLASS_OF_SEVERE, .title = "newer", .host = "PC2",
         .action = {block(0x11, 0xabc2000000000002, "198.51.100.6", "keeper")}, .n_actions = 1},
        {.id = 0xdef0000000000003, .at_s = 30, .class_current = MMR_CLASS_OF_NO_RESPONSE, .is_closed = true, .title = "done",
         .host = "PC3"},
    };
    store(w, s, 3);
}

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

static void keep_blocks(const struct world *w, const char *instance, const char *also)
{
    char dir[200];
    (void)snprintf(dir, sizeof dir, "%s/plugins", w->state);
    (void)mkdir(dir, 0700);
    (void)snprintf(dir, sizeof dir, "%s/plugins/%s", w->state, instance);
    assert_int_equal(mkdir(dir, 0700), 0);
    put_file(dir, "blocks", "198.51.100.6\n");
    if (also)
        put_file(dir, also, "yes\n");
}

static bool keeps_blocks(const struct world *w, const char *instance)
{
    char dir[200];
    (void)snprintf(dir, sizeof dir, "%s/plugins/%s", w->state, instance);
    return has_file(dir, "blocks");
}

static enum mmr_action_state state_of(const struct world *w, uint64_t id)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_db *db = NULL;
    struct mmr_action_rec a;
    OK(mmr_db_open(w->state, MMR_DB_READONLY, &db, &err));
    OK(mmr_store_action_get(db, id, &a, &err));
    mmr_db_close(db);
    return a.state;
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

/* ---- a mamori that runs: its socket is the test's ---- */

static void answer(struct world *w, uint64_t client, const char *line, int status)
{
    assert_int_equal(mmr_control_answer(w->server, client, line, strlen(line)), 0);
    mmr_control_end(w->server, client, status);
}

static void undo_in_store(const struct world *w, uint64_t id)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_db *db = NULL;
    struct mmr_action_rec a;
    OK(mmr_db_open(w->state, 0, &db, &err));
    OK(mmr_store_action_get(db, id, &a, &err));
    a.state = MMR_STATE_UNDONE;
    a.receipt.revoked_ns = mmr_clock_wall_ns();
    OK(mmr_store_action_put(db, &a, &err));
    OK(mmr_db_commit(db, &err));
    mmr_db_close(db);
}

static void handle(void *ctx, uint64_t client, const char *command, struct json_object *args)
{
    struct world *w = ctx;
    size_t at = strlen(w->asked);
    (void)snprintf(w->asked + at, sizeof w->asked - at, "%s ", command);
    if (strcmp(command, "status") == 0) {
        answer(w, client, w->status, 0);
    } else if (strcmp(command, "reload") == 0) {
        if (has_file(w->conf, "70-refused.yaml"))
            answer(w, client, "{\"applied\":false,\"errors\":[\"instance 'keeper': no\"]}", 1);
        else
            answer(w, client, "{\"applied\":true,\"changes\":[\"keeper has new settings\"]}", 0);
    } else if (strcmp(command, "block.undo") == 0) {
        assert_string_equal(json_object_get_string(member(args, "id")), "0000000000000011");
        undo_in_store(w, 0x11);
        answer(w, client, "{\"undone\":\"0000000000000011\"}", 0);
    } else if (strncmp(command, "responders.", 11) == 0) {
        assert_true(keeps_blocks(w, "keeper") == (strcmp(command, "responders.stop") == 0));
        answer(w, client, "{\"hosts\":[\"keeper\"]}", 0);
    } else if (strcmp(command, "block.undo-all") == 0 && !w->is_brainless) {
        undo_in_store(w, 0x11);
        answer(w, client, "{\"undone\":1}", 0);
    } else {
        (void)mmr_control_error(w->server, client, "the brain does not run; see 'mamori status'");
        mmr_control_end(w->server, client, 3);
    }
}

static void listen_here(struct world *w)
{
    struct mmr_error err = {.struct_size = sizeof err};
    char path[200];
    (void)snprintf(path, sizeof path, "%s/%s", w->run, MMR_CONTROL_SOCKET);
    OK(mmr_control_server_new(w->base, path, handle, w, &w->server, &err));
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

static void the_light_is_told_in_words_and_shape(void **state)
{
    static const struct {
        const char *json, *en, *ja;
    } rows[] = {{"green", "✔ GREEN", "✔ 青"}, {"yellow", "▲ YELLOW", "▲ 黄"}, {"red", "■ RED", "■ 赤"},
                {"grey", "? GREY", "? 灰"},   {"purple", "? GREY", "? 灰"}};
    struct world *w = *state;
    char status[1200];
    expect(w, RUN(w, "status"), 3);
    has(w->err, "mamori is not running here (no socket '");
    listen_here(w);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        (void)snprintf(status, sizeof status,
                       "{\"node\":\"hub-1\",\"role\":\"hub\",\"profile\":\"default\",\"mode\":\"dry_run\",\"version\":\"9\",\"uptime_s\":7200,"
                       "\"light\":\"%s\",\"why\":[\"because \\u001b[2J\"],\"hosts\":[{\"name\":\"net\",\"state\":\"running\",\"pid\":12,"
                       "\"restarts\":3,\"rss_bytes\":2097152,\"last_end\":null,\"instances\":[{\"name\":\"capture\",\"plugin\":\"p\","
                       "\"version\":\"1\",\"side\":\"network\",\"caps\":[],\"events\":42,\"dropped\":1,\"refused\":0,\"receipts\":0}]}],"
                       "\"brain\":%s}",
                       rows[i].json, i ? "{\"incidents_open\":4,\"store_ok\":true,\"nodes\":[{\"name\":\"pc-1\",\"up\":false}]}" : "null");
        w->status = status;
        put_file(w->conf, "20-language.yaml", "language: en\n");
        expect(w, RUN(w, "status"), 0);
        assert_int_equal(strncmp(w->out, rows[i].en, strlen(rows[i].en)), 0);
        has(w->out, "  - because ?[2J");
        has(w->out, "up 2 h");
        has(w->out, "pid 12");
        has(w->out, "2.0 MiB");
        has(w->out, i ? "open 4" : "the brain does not answer");
        if (i)
            has(w->out, "▲ no answer");
        put_file(w->conf, "20-language.yaml", "language: ja\n");
        expect(w, RUN(w, "status"), 0);
        assert_int_equal(strncmp(w->out, rows[i].ja, strlen(rows[i].ja)), 0);
        expect(w, RUN(w, "status", "--json"), 0);
        w->out[strcspn(w->out, "\n")] = '\0';
        assert_string_equal(w->out, status); /* as it came */
    }
}

static void a_reload_is_told_as_it_went(void **state)
{
    struct world *w = *state;
    expect(w, RUN(w, "reload"), 3);
    listen_here(w);
    expect(w, RUN(w, "reload"), 0);
    has(w->out, "keeper has new settings");
    put_file(w->conf, "70-refused.yaml", "# %d\n", 1);
    expect(w, RUN(w, "reload"), 1);
    has(w->err, "the one from before stays in force");
    has(w->err, "instance 'keeper': no");
    expect(w, RUN(w, "reload", "--json"), 1);
    has(w->out, "\"applied\":false");
}

/* ---- agreement ---- */

static void agreement_is_written_and_taken_back(void **state)
{
    struct world *w = *state;
    char text[8192];
    expect(w, RUN(w, "agree", "--by", "Hanako"), 2); /* nobody is there to be asked */
    assert_false(has_file(w->conf, "90-agreed.yaml"));
    expect(w, RUN(w, "agree", "--by", "Hanako \"H\" 山田", "--yes", "--json"), 0);
    struct json_object *o = parse(w->out);
    assert_string_equal(json_object_get_string(member(o, "mode")), "auto");
    assert_string_equal(json_object_get_string(member(o, "by")), "Hanako \"H\" 山田");
    assert_false(json_object_get_boolean(member(o, "in_force")));
    assert_int_equal(json_object_array_length(member(o, "verbs")), 8); /* not isolate.host, not lock.account */
    json_object_put(o);
    get_file(w->conf, "90-agreed.yaml", text, sizeof text);
    has(text, "  mode: auto\n");
    has(text, "[block.addr, cut.flow, block.name, kill.process, freeze.process, deny.exec, quarantine.file, remove.autostart]");
    has(text, "agreed_by: \"Hanako \\\"H\\\" 山田\"");
    has(text, "# ");
    has_not(text, "isolate.host");
    expect(w, RUN(w, "config", "show", "--origin"), 0);
    has(w->out, "Hanako");
    has(w->out, "90-agreed.yaml:");
    expect(w, RUN(w, "agree", "--yes", "--verbs", "all"), 0);
    has(w->out, "isolate.host");
    expect(w, RUN(w, "agree", "--yes", "--verbs", "block.addr,cut.flow"), 0);
    get_file(w->conf, "90-agreed.yaml", text, sizeof text);
    has(text, "auto_actions_agreed: [block.addr, cut.flow]\n");
    listen_here(w);
    expect(w, RUN(w, "agree", "--withdraw", "--yes"), 0);
    assert_string_equal(w->asked, "reload ");
    has(w->out, "It is in force now.");
    get_file(w->conf, "90-agreed.yaml", text, sizeof text);
    has(text, "  mode: dry_run\n  auto_actions_agreed: []\n");
}

static void agreement_refuses_what_it_cannot_stand_for(void **state)
{
    struct world *w = *state;
    expect(w, RUN(w, "agree", "--yes", "--verbs", "block.addr,block.adr"), 2);
    has(w->err, "'block.adr' is nothing that can be agreed to");
    expect(w, RUN(w, "agree", "--yes", "--verbs", "query.connection_owner"), 2);
    expect(w, RUN(w, "agree", "--yes", "--verbs", ""), 2);
    expect(w, RUN(w, "agree", "--yes", "--by", ""), 2);
    expect(w, RUN(w, "agree", "--yes", "--by", "two\nlines"), 2);
    expect(w, RUN(w, "agree", "--yes", "--withdraw", "--verbs", "all"), 2);
    assert_false(has_file(w->conf, "90-agreed.yaml"));
    put_file(w->conf, "99-late.yaml", "defence: {mode: dry_run}\n");
    expect(w, RUN(w, "agree", "--yes"), 2); /* written, but something later says otherwise */
    has(w->err, "another drop-in sets defence.mode after 90-agreed.yaml");
}

/* ---- coverage ---- */

static void every_way_out_needs_a_sensor(void **state)
{
    struct world *w = *state;
    expect(w, RUN(w, "coverage", "net", "--json"), 1);
    has(w->out, "nothing_known");
    put_file(w->conf, "20-exits.yaml", "exits: {main: {kind: line, sensor: keeper}}\n");
    expect(w, RUN(w, "coverage", "net", "--json"), 1); /* nothing runs: no sensor counts */
    has(w->out, "sensor_down");
    has(w->out, "\"running\":false");
    listen_here(w);
    w->status = "{\"hosts\":[{\"name\":\"k\",\"state\":\"running\",\"instances\":[{\"name\":\"keeper\",\"caps\":[],"
                "\"sees\":{\"in\":true,\"out\":true},\"captured\":1000,\"capture_dropped\":1}]}]}";
    expect(w, RUN(w, "coverage", "net", "--json"), 0);
    assert_string_equal(w->out, "{\"coverage\":\"net\",\"state\":\"ok\",\"have\":1,\"want\":1,\"gaps\":[],\"more\":0,"
                                "\"not_measured\":[],\"running\":true}\n");
    w->status = "{\"hosts\":[{\"name\":\"k\",\"state\":\"running\",\"instances\":[{\"name\":\"keeper\",\"caps\":[],"
                "\"sees\":{\"in\":true,\"out\":false},\"captured\":1000,\"capture_dropped\":2}]}]}";
    expect(w, RUN(w, "coverage", "net", "--json"), 1);
    has(w->out, "one_way");
    has(w->out, "drops");
    w->status = "{\"hosts\":[{\"name\":\"k\",\"state\":\"waiting\",\"instances\":[{\"name\":\"keeper\",\"caps\":[]}]}]}";
    expect(w, RUN(w, "coverage", "net", "--json"), 1);
    has(w->out, "sensor_down");
    w->status = "{\"hosts\":[{\"name\":\"k\",\"state\":\"running\",\"instances\":[{\"name\":\"keeper\",\"caps\":[]}]}]}";
    put_file(w->conf, "30-second.yaml", "exits: {lte: {kind: mobile}}\n");
    expect(w, RUN(w, "coverage", "net"), 1);
    has(w->out, "1 of 2 exits are seen");
    has(w->out, "exit 'lte' has no sensor");
    has(w->out, "whether both directions are seen is not measured");
    put_file(w->conf, "30-second.yaml", "exits: {lte: {kind: mobile, sensor: nobody}}\n");
    expect(w, RUN(w, "coverage", "net"), 1);
    has(w->out, "names the sensor 'nobody', which is no enabled plugin instance");
}

static void every_important_machine_needs_an_agent(void **state)
{
    struct world *w = *state;
    put_file(w->conf, "20-assets.yaml",
             "assets:\n  PC1: {ip: [192.0.2.11], important_info: yes}\n  PC2: {ip: [192.0.2.12], important_info: yes}\n"
             "  PC3: {ip: [192.0.2.13], important_info: yes}\n  PC4: {important_info: no}\n  printer-1: {role: printer}\n"
             "  hub-1: {role: server}\nsite: {nodes: {agent-2: {ip: [192.0.2.12]}}}\n");
    listen_here(w);
    w->status = "{\"hosts\":[{\"name\":\"e\",\"state\":\"running\",\"instances\":[{\"name\":\"log\",\"caps\":[\"ep.detect\"]}]}],"
                "\"brain\":{\"nodes\":[{\"name\":\"node-a\",\"hostname\":\"pc1.office.example\",\"up\":true,\"caps\":8},"
                "{\"name\":\"agent-2\",\"hostname\":\"\",\"up\":true,\"caps\":24}]}}";
    expect(w, RUN(w, "coverage", "ep", "--json"), 1);
    struct json_object *o = parse(w->out), *gaps = member(o, "gaps");
    assert_int_equal(json_object_get_int(member(o, "have")), 3);
    assert_int_equal(json_object_get_int(member(o, "want")), 4);
    assert_int_equal(json_object_array_length(gaps), 1);
    assert_string_equal(json_object_get_string(member(json_object_array_get_idx(gaps, 0), "name")), "PC3");
    assert_string_equal(json_object_get_string(member(json_object_array_get_idx(gaps, 0), "kind")), "no_agent");
    json_object_put(o);
    put_file(w->conf, "30-third.yaml", "site: {nodes: {pc3: {}}}\nassets: {PC3: {important_info: no}}\n");
    expect(w, RUN(w, "coverage", "ep"), 0);
    has(w->out, "3 of 3 important machines");
    w->status = "{\"hosts\":[],\"brain\":{\"nodes\":[{\"name\":\"pc1\",\"up\":false,\"caps\":8},{\"name\":\"agent-2\",\"up\":true,\"caps\":16}]}}";
    expect(w, RUN(w, "coverage", "ep"), 1); /* gone; no detection; not even here */
    has(w->out, "the agent on 'PC1' does not answer");
    has(w->out, "the agent on 'PC2' does not answer");
    has(w->out, "the agent on 'hub-1' does not answer");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(incidents_are_listed_newest_first), T(an_incident_is_found_by_what_is_unique),
        T(text_from_outside_cannot_drive_the_terminal), T(without_a_store_nothing_is_claimed), T(blocks_in_force_are_listed),
        T(every_block_is_taken_back_with_nothing_else_running), T(what_could_not_be_taken_back_is_said),
        T(one_failing_responder_does_not_hold_up_the_others), T(blocks_of_other_machines_and_lost_responders_are_named),
        T(a_damaged_store_does_not_keep_the_blocks), T(a_wrong_drop_in_does_not_keep_the_blocks),
        T(a_mamori_that_does_not_answer_is_not_undermined), T(a_block_in_the_kernel_is_really_gone), T(a_running_mamori_undoes_by_itself),
        T(without_a_brain_the_responders_are_stopped_and_undone), T(the_light_is_told_in_words_and_shape),
        T(a_reload_is_told_as_it_went), T(agreement_is_written_and_taken_back), T(agreement_refuses_what_it_cannot_stand_for),
        T(every_way_out_needs_a_sensor), T(every_important_machine_needs_an_agent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
