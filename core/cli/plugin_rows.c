/* plugin_rows.c - files and built-ins, what the configuration makes of them, and what the running mamori says. */
#include "cli/plugin_rows.h"

#include "cli/plugin_facts.h"
#include "plugin/builtin.h"
#include "plugin/describe.h"
#include "plugin/instances.h"
#include "util/scope.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

enum { DIRS_MAX = 8, STATUS_MS = 10000 };

struct rows {
    const struct mmr_cli_site *site;
    struct mmr_trust trust;
    struct json_object *list, *status; /* status: NULL, nothing runs here */
};

static struct json_object *child(struct json_object *o, const char *key)
{
    struct json_object *v = NULL;
    return o && json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, key, &v) ? v : NULL;
}

static int keep_status(void *ctx, struct json_object *line, const char *text, size_t len)
{
    struct rows *r = ctx;
    (void)text;
    (void)len;
    if (!r->status)
        r->status = json_object_get(line);
    return 0;
}

static struct json_object *row_of(const struct rows *r, const char *id, const char *file)
{
    for (size_t i = 0; i < json_object_array_length(r->list); i++) {
        struct json_object *o = json_object_array_get_idx(r->list, i);
        if (strcmp(mmr_cli_json_text(o, "id"), id) == 0 && strcmp(mmr_cli_json_text(o, "file"), file) == 0)
            return o;
    }
    return NULL;
}

/* What it may use: as registered; without a registration what it asks for; refused, nothing. */
static void grant(struct json_object *o, const char *key, const char *asked, const struct mmr_trust_verdict *v, const char *registered)
{
    struct json_object *list = json_object_new_array(), *all = child(o, asked);
    for (const char *p = v->has_registration && !v->reason ? registered : ""; *p; p += strspn(p, " ")) {
        size_t n = strcspn(p, " ");
        json_object_array_add(list, json_object_new_string_len(p, (int)n));
        p += n;
    }
    for (size_t i = 0; !v->has_registration && !v->reason && all && i < json_object_array_length(all); i++)
        json_object_array_add(list, json_object_get(json_object_array_get_idx(all, i)));
    json_object_object_add(o, key, list);
}

static void judge(const struct rows *r, struct json_object *o, const char *id, const struct mmr_admission *a)
{
    const struct mmr_trust_ask ask = mmr_admission_ask(a, id);
    struct mmr_trust_verdict v;
    struct mmr_error err = {.struct_size = sizeof err};
    (void)mmr_trust_judge(&r->trust, &ask, &v, &err);
    mmr_cli_json_str(o, "sha256", v.sha256);
    mmr_cli_json_str(o, "trust", v.reason ? "refused" : v.is_listed ? "listed" : v.has_registration ? (v.key[0] ? "signed" : "registered")
                                                                               : v.is_bundled ? "bundled" : "any");
    mmr_cli_json_str(o, "reason", v.reason ? mmr_trust_reason_name(v.reason) : "");
    mmr_cli_json_str(o, "why", v.text);
    mmr_cli_json_str(o, "key", v.key);
    mmr_cli_json_str(o, "key_owner", v.owner);
    grant(o, "granted_needs", "needs", &v, v.registration.needs);
    grant(o, "granted_actions", "actions", &v, v.registration.actions);
    if (v.has_registration) {
        struct json_object *g = json_object_new_object();
        mmr_cli_json_str(g, "at", v.registration.at);
        mmr_cli_json_str(g, "by", v.registration.by);
        mmr_cli_json_str(g, "needs", v.registration.needs);
        mmr_cli_json_str(g, "actions", v.registration.actions);
        json_object_object_add(o, "registration", g);
    }
}

/* One file or built-in; id "" when the file says it. A file that cannot be described is a row with its reason. */
static void add(struct rows *r, const char *id, const char *file)
{
    struct mmr_admission a;
    struct mmr_error err = {.struct_size = sizeof err};
    struct json_object *o = NULL;
    int e = mmr_plugin_lookup(r->site->config, mmr_builtin_plugins, id, file, &a, &err);
    const struct mmr_plugin *builtin = NULL;
    for (size_t i = 0; !e && !a.path && mmr_builtin_plugins[i]; i++)
        if (strcmp(mmr_builtin_plugins[i]->id, id) == 0)
            builtin = mmr_builtin_plugins[i];
    if (!e)
        e = mmr_plugin_facts(builtin, a.fd, a.path ? a.path : id, &o, &err);
    if (e || !o) {
        o = json_object_new_object();
        mmr_cli_json_str(o, "id", id);
        mmr_cli_json_str(o, "trust", "refused");
        mmr_cli_json_str(o, "reason", e == MMR_EPERM ? mmr_trust_reason_name(MMR_TRUST_OWNER) : e == MMR_ENOENT ? "missing" : "unsound");
        mmr_cli_json_str(o, "why", err.text);
    } else {
        judge(r, o, mmr_cli_json_text(o, "id"), &a);
    }
    mmr_cli_json_str(o, "file", a.path ? a.path : "");
    json_object_object_add(o, "instances", json_object_new_array());
    json_object_object_add(o, "selftests", json_object_new_array());
    if (row_of(r, mmr_cli_json_text(o, "id"), a.path ? a.path : ""))
        json_object_put(o);
    else
        json_object_array_add(r->list, o);
    mmr_admission_done(&a);
}

static int is_module(const struct dirent *e)
{
    size_t n = strlen(e->d_name);
    return n > 3 && strcmp(e->d_name + n - 3, ".so") == 0;
}

static void add_folder(struct rows *r, const char *dir)
{
    struct dirent **e = NULL;
    int n = scandir(dir, &e, is_module, alphasort);
    for (int i = 0; i < n; i++) {
        mmr_autofree char *path = NULL;
        if (asprintf(&path, "%s/%s", dir, e[i]->d_name) >= 0)
            add(r, "", path);
        free(e[i]);
    }
    free(e);
}

/* ---- what runs ---- */

static void state_of(const struct rows *r, const struct mmr_instance_conf *x, struct json_object *o, struct json_object *row)
{
    size_t n_hosts, n;
    struct json_object *hosts = mmr_cli_json_list(r->status, "hosts", &n_hosts), *refused = mmr_cli_json_list(r->status, "refused", &n);
    const char *state = !x->is_enabled ? "off" : r->status ? "not loaded" : strcmp(mmr_cli_json_text(row, "trust"), "refused") == 0 ? "refused" : "not running";
    mmr_cli_json_str(o, "reason", r->status ? "" : mmr_cli_json_text(row, "reason"));
    for (size_t i = 0; i < n; i++) {
        struct json_object *k = json_object_array_get_idx(refused, i);
        if (strcmp(mmr_cli_json_text(k, "instance"), x->name) != 0)
            continue;
        state = "refused";
        mmr_cli_json_str(o, "reason", mmr_cli_json_text(k, "reason"));
        mmr_cli_json_str(o, "text", mmr_cli_json_text(k, "text"));
    }
    for (size_t h = 0; h < n_hosts; h++) {
        struct json_object *host = json_object_array_get_idx(hosts, h);
        size_t n_inst;
        struct json_object *inst = mmr_cli_json_list(host, "instances", &n_inst);
        for (size_t i = 0; i < n_inst; i++) {
            struct json_object *k = json_object_array_get_idx(inst, i);
            if (strcmp(mmr_cli_json_text(k, "name"), x->name) != 0)
                continue;
            state = mmr_cli_json_text(host, "state");
            mmr_cli_json_str(o, "text", mmr_cli_json_text(child(host, "last_end"), "text"));
            json_object_object_add(o, "sandbox", json_object_get(child(host, "sandbox")));
            json_object_object_add(o, "needs", json_object_get(child(k, "needs")));
        }
    }
    mmr_cli_json_str(o, "state", state);
}

static void add_tests(const struct rows *r, const char *instance, struct json_object *row)
{
    size_t n;
    struct json_object *list = mmr_cli_json_list(child(r->status, "brain"), "selftest", &n), *to = child(row, "selftests");
    for (size_t i = 0; i < n; i++)
        if (strcmp(mmr_cli_json_text(json_object_array_get_idx(list, i), "instance"), instance) == 0)
            json_object_array_add(to, json_object_get(json_object_array_get_idx(list, i)));
}

static void add_instance(struct rows *r, const struct mmr_instance_conf *x)
{
    struct mmr_admission a;
    if (!x->plugin)
        return;
    int e = mmr_plugin_lookup(r->site->config, mmr_builtin_plugins, x->plugin, x->file, &a, NULL);
    mmr_autofree char *path = strdup(e == 0 && !a.path ? "" : a.path ? a.path : x->file ? x->file : "");
    mmr_admission_done(&a);
    struct json_object *row = path ? row_of(r, x->plugin, path) : NULL;
    if (!row && path) {
        add(r, x->plugin, x->file);
        row = row_of(r, x->plugin, path);
        if (!row && json_object_array_length(r->list)) /* its file says another id: the row just made */
            row = json_object_array_get_idx(r->list, json_object_array_length(r->list) - 1);
    }
    if (!row)
        return;
    struct json_object *o = json_object_new_object();
    mmr_cli_json_str(o, "name", x->name);
    mmr_cli_json_str(o, "host", x->host);
    state_of(r, x, o, row);
    json_object_array_add(child(row, "instances"), o);
    add_tests(r, x->name, row);
}

static int by_id(const void *a, const void *b)
{
    struct json_object *const *x = a, *const *y = b;
    int order = strcmp(mmr_cli_json_text(*x, "id"), mmr_cli_json_text(*y, "id"));
    return order ? order : strcmp(mmr_cli_json_text(*x, "file"), mmr_cli_json_text(*y, "file"));
}

struct json_object *mmr_plugin_rows(const struct mmr_cli_site *s, const char *only, bool *is_running)
{
    struct rows r = {.site = s, .list = json_object_new_array()};
    struct mmr_error err = {.struct_size = sizeof err};
    char texts[4096];
    const char *dirs[DIRS_MAX];
    bool is_down = false;
    if (!r.list || mmr_trust_open(s->config, &r.trust, &err) != 0) {
        json_object_put(r.list);
        return NULL;
    }
    (void)mmr_cli_site_ask(s, "status", NULL, STATUS_MS, keep_status, &r, &is_down);
    *is_running = r.status != NULL;
    size_t len = only ? strlen(only) : 0;
    bool is_file = only && (strchr(only, '/') || (len > 3 && strcmp(only + len - 3, ".so") == 0));
    if (is_file)
        add(&r, "", only);
    for (size_t i = 0; !only && mmr_builtin_plugins[i]; i++)
        add(&r, mmr_builtin_plugins[i]->id, NULL);
    const char *env = getenv("MAMORI_PLUGINS");
    size_t n = only ? 0 : mmr_plugin_dirs(s->config, texts, sizeof texts, dirs, DIRS_MAX);
    if (env && !only)
        add_folder(&r, env);
    for (size_t i = 0; i < n && !env; i++)
        add_folder(&r, dirs[i]);
    for (size_t i = 0; i < mmr_config_instances(s->config); i++) {
        const struct mmr_instance_conf *x = mmr_config_instance(s->config, i);
        bool is_asked = !only || (!is_file && x->plugin && strcmp(x->plugin, only) == 0) || (is_file && x->file && strcmp(x->file, only) == 0);
        if (is_asked)
            add_instance(&r, x);
    }
    if (only && json_object_array_length(r.list) == 0) /* it is not configured; perhaps it lies in a folder */
        add(&r, only, NULL);
    json_object_array_sort(r.list, by_id);
    json_object_put(r.status);
    mmr_trust_done(&r.trust);
    return r.list;
}
