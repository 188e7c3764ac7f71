/*
 * commands_world.h - for tests that run the executable as a person does: a configuration folder, a store that the test
 * makes, a control socket that the test answers, and a responder whose blocks are a file (tests/plugins/keeper.c).
 */
#ifndef MMR_TEST_COMMANDS_WORLD_H
#define MMR_TEST_COMMANDS_WORLD_H

#include "control/server.h"

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

__attribute__((format(printf, 3, 4))) static inline void put_file(const char *dir, const char *name, const char *fmt, ...)
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

static inline void get_file(const char *dir, const char *name, char *buf, size_t cap)
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

static inline bool has_file(const char *dir, const char *name)
{
    char path[400];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

static inline int set_up(void **state)
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
             "trust: {require: any}\n" /* the plugins of the tests lie in the build folder */
             "plugins:\n  keeper: {plugin: org.example.keeper, file: %s}\n"
             "  second: {plugin: org.example.keeper, file: %s}\n",
             w->state, w->run, KEEPER, KEEPER);
    w->base = event_base_new();
    *state = w;
    return 0;
}

static inline int tear_down(void **state)
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

static inline int run(struct world *w, const char *const *words)
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

static inline void expect(const struct world *w, int got, int want)
{
    if (got != want)
        fail_msg("status %d, want %d\nout: %s\nerr: %s", got, want, w->out, w->err);
}

static inline void has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in: %s", part, text);
}

static inline void has_not(const char *text, const char *part)
{
    if (strstr(text, part))
        fail_msg("'%s' is in: %s", part, text);
}

static inline struct json_object *parse(const char *text)
{
    struct json_object *o = json_tokener_parse(text);
    if (!o)
        fail_msg("not JSON: %s", text);
    return o;
}

static inline struct json_object *member(struct json_object *o, const char *key)
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

static inline struct mmr_action_rec block(uint64_t id, uint64_t incident, const char *addr, const char *instance)
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

static inline void store(const struct world *w, const struct story *stories, size_t n)
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

static inline void three_stories(const struct world *w)
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

static inline void keep_blocks(const struct world *w, const char *instance, const char *also)
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

static inline bool keeps_blocks(const struct world *w, const char *instance)
{
    char dir[200];
    (void)snprintf(dir, sizeof dir, "%s/plugins/%s", w->state, instance);
    return has_file(dir, "blocks");
}

static inline enum mmr_action_state state_of(const struct world *w, uint64_t id)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_db *db = NULL;
    struct mmr_action_rec a;
    OK(mmr_db_open(w->state, MMR_DB_READONLY, &db, &err));
    OK(mmr_store_action_get(db, id, &a, &err));
    mmr_db_close(db);
    return a.state;
}

/* ---- a mamori that runs: its socket is the test's ---- */

static inline void answer(struct world *w, uint64_t client, const char *line, int status)
{
    assert_int_equal(mmr_control_answer(w->server, client, line, strlen(line)), 0);
    mmr_control_end(w->server, client, status);
}

static inline void undo_in_store(const struct world *w, uint64_t id)
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

static inline void handle(void *ctx, uint64_t client, const char *command, struct json_object *args)
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

static inline void listen_here(struct world *w)
{
    struct mmr_error err = {.struct_size = sizeof err};
    char path[200];
    (void)snprintf(path, sizeof path, "%s/%s", w->run, MMR_CONTROL_SOCKET);
    OK(mmr_control_server_new(w->base, path, handle, w, &w->server, &err));
}

#endif
