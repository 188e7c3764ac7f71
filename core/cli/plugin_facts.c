/* plugin_facts.c - the child loads and describes, the parent reads at most so much for at most so long. */
#include "cli/plugin_facts.h"

#include "cli/site.h"
#include "plugin/builtin.h"
#include "plugin/describe.h"
#include "plugin/load.h"
#include "plugin/sandbox.h"
#include "util/json.h"
#include "util/file.h"
#include "util/scope.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FACTS_MAX = 256 * 1024, CHILD_S = 20, NOBODY = 65534 };

static void add_words(struct json_object *o, const char *key, const char *const *list)
{
    struct json_object *a = json_object_new_array();
    for (; list && *list; list++)
        json_object_array_add(a, json_object_new_string(*list));
    json_object_object_add(o, key, a);
}

/* by enum mmr_cfg_type; the words of docs/plugin-protocol.md */
static const char *const types[] = {"", "text", "integer", "boolean", "duration", "size", "list"};

static void add_config(struct json_object *o, const struct mmr_plugin *p)
{
    struct json_object *a = json_object_new_array();
    for (size_t i = 0; p->config; i++) {
        const struct mmr_cfg_key *k = (const void *)((const char *)p->config + i * p->config_stride);
        if (!k->name)
            break;
        struct json_object *x = json_object_new_object();
        mmr_cli_json_str(x, "name", k->name);
        mmr_cli_json_str(x, "default", k->dflt ? k->dflt : k->flags & MMR_CFG_REQUIRED ? "required" : "unset");
        mmr_cli_json_str(x, "doc", k->doc);
        mmr_cli_json_str(x, "type", k->type >= MMR_CFG_STR && k->type <= MMR_CFG_STRV ? types[k->type] : "");
        json_object_object_add(x, "required", json_object_new_boolean((k->flags & MMR_CFG_REQUIRED) != 0));
        if (k->min || k->max) {
            mmr_cli_json_int(x, "min", k->min);
            mmr_cli_json_int(x, "max", k->max);
        }
        json_object_array_add(a, x);
    }
    json_object_object_add(o, "config", a);
}

static struct json_object *describe(const struct mmr_plugin *p)
{
    struct json_object *o = json_object_new_object();
    const char *sides[3] = {0}, *roles[5] = {0}, *caps[MMR_CAPS + 1] = {0}, *needs[MMR_NEEDS + 1] = {0};
    const uint32_t has = mmr_plugin_caps(p, MMR_SIDE_NETWORK) | mmr_plugin_caps(p, MMR_SIDE_ENDPOINT);
    size_t n = 0;
    const struct {
        bool is;
        const char *name;
    } all_sides[] = {{p->side & MMR_SIDE_NETWORK, "network"}, {p->side & MMR_SIDE_ENDPOINT, "endpoint"}},
      all_roles[] = {{p->sensor, "sensor"}, {p->analyzer, "analyzer"}, {p->responder, "responder"}, {p->forwarder, "forwarder"}};
    mmr_cli_json_str(o, "id", p->id);
    mmr_cli_json_str(o, "maker", p->vendor ? p->vendor : "");
    mmr_cli_json_str(o, "model", p->name);
    mmr_cli_json_str(o, "version", p->version);
    mmr_cli_json_str(o, "license", p->license);
    mmr_cli_json_str(o, "doc", p->doc ? p->doc : "");
    mmr_cli_json_int(o, "abi", p->abi_major);
    for (size_t i = 0; i < 2; i++)
        if (all_sides[i].is)
            sides[n++] = all_sides[i].name;
    n = 0;
    for (size_t i = 0; i < 4; i++)
        if (all_roles[i].is)
            roles[n++] = all_roles[i].name;
    n = 0;
    for (unsigned i = 0; i < MMR_CAPS; i++)
        if (has & (1u << i))
            caps[n++] = mmr_cap_name((enum mmr_cap)(1u << i));
    n = 0;
    for (unsigned i = 0; i < MMR_NEEDS; i++)
        if (p->needs & (1u << i))
            needs[n++] = mmr_need_name((enum mmr_need)(1u << i));
    add_words(o, "sides", sides);
    add_words(o, "roles", roles);
    add_words(o, "capabilities", caps);
    add_words(o, "needs", needs);
    add_words(o, "actions", p->actions);
    add_words(o, "events", p->events);
    add_words(o, "subscribes", p->subscribes);
    add_config(o, p);
    return o;
}

/* In the child: nothing of the file runs before the privileges are gone. */
static void answer(int fd, const char *name, int to)
{
    const uint32_t nobody = geteuid() == 0 ? NOBODY : 0;
    const struct mmr_sandbox box = {.needs = 0, .uid = nobody, .gid = nobody};
    const struct mmr_plugin *p = NULL;
    struct mmr_error err = {.struct_size = sizeof err};
    struct json_object *o = NULL;
    int r = mmr_sandbox_enter(&box, NULL, &err);
    if (r == 0)
        r = mmr_plugin_load(fd, name, &p, &err);
    if (r == 0)
        r = mmr_plugin_check(p, NULL, NULL, &err);
    if (r == 0)
        o = describe(p);
    else if ((o = json_object_new_object()) != NULL)
        mmr_cli_json_str(o, "error", err.text);
    const char *text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    (void)mmr_write_all(to, text, strlen(text)); /* who does not read it sees that it is not whole */
}

static size_t read_answer(int from, char *buf)
{
    size_t len = 0;
    for (ssize_t n = 1; len < FACTS_MAX && n > 0;) {
        struct pollfd p = {.fd = from, .events = POLLIN};
        if (poll(&p, 1, (CHILD_S + 2) * 1000) <= 0)
            break;
        n = read(from, buf + len, FACTS_MAX - len);
        if (n > 0)
            len += (size_t)n;
    }
    return len;
}

static int ask_child(int fd, const char *name, char *buf, size_t *ret_len, struct mmr_error *err)
{
    int ends[2], status = 0;
    if (pipe(ends) != 0)
        return mmr_fail(err, MMR_EIO, "plugin '%s': pipe: %s", name, strerror(errno));
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        (void)alarm(CHILD_S); /* a constructor that never returns */
        (void)close(ends[0]);
        answer(fd, name, ends[1]);
        _exit(0);
    }
    (void)close(ends[1]);
    *ret_len = pid > 0 ? read_answer(ends[0], buf) : 0;
    (void)close(ends[0]);
    if (pid < 0)
        return mmr_fail(err, MMR_EIO, "plugin '%s': no process could be made", name);
    (void)kill(pid, SIGKILL); /* it has said all, or too much, or nothing in time */
    (void)waitpid(pid, &status, 0);
    return 0;
}

int mmr_plugin_facts(const struct mmr_plugin *p, int fd, const char *name, struct json_object **ret, struct mmr_error *err)
{
    mmr_autofree char *buf = malloc(FACTS_MAX + 1);
    size_t len = 0;
    if (p) {
        *ret = describe(p);
        return 0;
    }
    int r = buf ? ask_child(fd, name, buf, &len, err) : mmr_fail(err, MMR_ENOMEM, "plugin '%s': out of memory", name);
    if (r)
        return r;
    if (len == 0)
        return mmr_fail(err, MMR_EBADMSG, "plugin '%s': loading it ended without an answer; it crashes, or never returns", name);
    r = mmr_json_line(buf, len, "a plugin's description", ret, err);
    if (r)
        return mmr_fail(err, MMR_EBADMSG, "plugin '%s': its description cannot be read", name);
    if (*mmr_cli_json_text(*ret, "error")) {
        r = mmr_fail(err, MMR_EBADMSG, "%s", mmr_cli_json_text(*ret, "error"));
        json_object_put(*ret);
        *ret = NULL;
    }
    return r;
}

int mmr_plugin_fact_rows(struct json_object *facts, struct mmr_plugin *ret, struct mmr_error *err)
{
    enum { SLOT = 16 }; /* the largest value, a list, has as many bytes */
    size_t n;
    struct json_object *list = mmr_cli_json_list(facts, "config", &n);
    struct mmr_cfg_key *rows = calloc(n + 1, sizeof *rows);
    if (!rows)
        return mmr_fail(err, MMR_ENOMEM, "out of memory");
    for (size_t i = 0; i < n; i++) {
        struct json_object *x = json_object_array_get_idx(list, i), *is_required = NULL;
        (void)json_object_object_get_ex(x, "required", &is_required);
        rows[i] = (struct mmr_cfg_key){.name = mmr_cli_json_text(x, "name"), .doc = mmr_cli_json_text(x, "doc"), .offset = (uint32_t)(i * SLOT),
                                       .flags = is_required && json_object_get_boolean(is_required) ? MMR_CFG_REQUIRED : 0,
                                       .min = mmr_cli_json_number(x, "min"), .max = mmr_cli_json_number(x, "max")};
        for (uint32_t t = MMR_CFG_STR; t <= MMR_CFG_STRV; t++)
            if (strcmp(mmr_cli_json_text(x, "type"), types[t]) == 0)
                rows[i].type = t;
    }
    *ret = (struct mmr_plugin){MMR_PLUGIN_HEAD, .id = mmr_cli_json_text(facts, "id"), .config = rows, .config_size = (uint32_t)(n * SLOT)};
    return 0;
}

void mmr_plugin_fact_words(struct json_object *facts, const char *key, char *buf, size_t cap)
{
    size_t n, at = 0;
    struct json_object *list = mmr_cli_json_list(facts, key, &n);
    buf[0] = '\0';
    for (size_t i = 0; i < n && at < cap; i++)
        at += (size_t)snprintf(buf + at, cap - at, "%s%s", i ? " " : "", json_object_get_string(json_object_array_get_idx(list, i)));
}

int mmr_plugin_named(const struct mmr_config *c, const char *what, struct mmr_admission *ret, struct mmr_error *err)
{
    size_t n = strlen(what);
    bool is_file = strchr(what, '/') || (n > 3 && strcmp(what + n - 3, ".so") == 0);
    return mmr_plugin_lookup(c, mmr_builtin_plugins, is_file ? "" : what, is_file ? what : NULL, ret, err);
}
