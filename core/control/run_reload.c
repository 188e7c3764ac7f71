/*
 * run_reload.c - a new configuration applies whole or not at all: it is loaded and checked beside the old one; hosts
 * whose plugins' own keys changed prepare it in two phases; only when all agree is anything changed. A host whose
 * set of instances changed, and the core when its own settings changed, are started again.
 */
#include "control/run_internal.h"

#include "util/id.h"
#include "util/log.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { PREPARE_MS = 10000 };

static void note(struct mmr_run_state *s, const char *key, const char *text)
{
    struct json_object *list = NULL;
    if (!s->changes)
        return;
    if (!json_object_object_get_ex(s->changes, key, &list)) {
        list = json_object_new_array();
        json_object_object_add(s->changes, key, list);
    }
    json_object_array_add(list, json_object_new_string(text));
}

static void collect(void *ctx, const char *line)
{
    note(ctx, "errors", line);
    mmr_log(MMR_LOG_ERR, "config", "%s", line);
}

static void end(struct mmr_run_state *s, bool is_applied)
{
    json_object_object_add(s->changes, "applied", json_object_new_boolean(is_applied));
    mmr_log(is_applied ? MMR_LOG_INFO : MMR_LOG_ERR, "config.reload", "applied=%s", is_applied ? "yes" : "no what=\"the old configuration goes on\"");
    if (s->reload_client) {
        const char *text = json_object_to_json_string_ext(s->changes, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
        (void)mmr_control_answer(s->control, s->reload_client, text, strlen(text));
        mmr_control_end(s->control, s->reload_client, is_applied ? 0 : 1);
    }
    json_object_put(s->changes);
    s->changes = NULL;
    if (is_applied)
        mmr_run_measure_follow(s, s->next_config); /* which is the one before */
    mmr_config_free(s->next_config);
    s->next_config = NULL;
    s->is_reloading = false;
    s->reload_client = 0;
    if (s->is_reload_due && !s->is_stopping) { /* what was written meanwhile counts too */
        s->is_reload_due = false;
        event_active(s->sighup, SIGHUP, 1);
    }
}

static void hash_line(void *ctx, const char *path, const char *value, const char *origin)
{
    uint64_t *h = ctx;
    (void)origin;
    if (strncmp(path, "plugins.", 8) == 0 || strncmp(path, "metrics.", 8) == 0)
        return;
    *h = mmr_hash64(path, strlen(path), *h);
    *h = mmr_hash64(value, strlen(value), *h);
}

static uint64_t core_hash(const struct mmr_config *c)
{
    uint64_t h = 1;
    mmr_config_show(c, hash_line, &h);
    return h;
}

static bool is_host_wanted(const struct mmr_config *c, const char *host)
{
    for (size_t i = 0; i < mmr_config_instances(c); i++)
        if (mmr_config_instance(c, i)->is_enabled && strcmp(mmr_config_instance(c, i)->host, host) == 0)
            return true;
    return false;
}

/* Are hosts added, taken away, or made of other instances? Then the set of children is made anew. */
static bool is_set_changed(const struct mmr_run_state *s)
{
    if (mmr_trust_digest(s->next_config) != s->trust.digest)
        return true; /* keys, registrations or the manifest: every plugin is judged again */
    for (size_t i = 0; i < s->n_hosts; i++)
        if (!is_host_wanted(s->next_config, s->host[i].name) ||
            mmr_run_conf_hash(s->next_config, s->host[i].name) != s->host[i].conf_hash)
            return true;
    for (size_t i = 0; i < mmr_config_instances(s->next_config); i++) {
        const struct mmr_instance_conf *x = mmr_config_instance(s->next_config, i);
        bool is_known = !x->is_enabled;
        for (size_t k = 0; k < s->n_hosts && !is_known; k++)
            is_known = strcmp(s->host[k].name, x->host) == 0;
        for (size_t k = 0; k < s->trust.n_refused && !is_known; k++) /* it was judged, and nothing it depends on changed */
            is_known = strcmp(s->trust.refused[k].instance, x->name) == 0 && strcmp(s->trust.refused[k].plugin, x->plugin) == 0;
        if (!is_known)
            return true;
    }
    return false;
}

static void swap_config(struct mmr_run_state *s)
{
    struct mmr_config *old = s->config;
    bool is_core_changed = core_hash(old) != core_hash(s->next_config);
    s->config = s->next_config;
    s->next_config = old;
    if (is_core_changed) {
        note(s, "changes", "settings of the core changed: it is started again, plugin hosts go on");
        mmr_child_restart(s->core);
    }
}

static void on_prepared(void *ctx, int code, const char *text)
{
    struct mmr_run_state *s = ctx;
    if (code) {
        note(s, "errors", text);
        mmr_reload_abort(s->sup);
        end(s, false);
        return;
    }
    mmr_reload_commit(s->sup);
    swap_config(s);
    end(s, true);
}

static int prepare_hosts(struct mmr_run_state *s, struct mmr_error *err)
{
    struct mmr_reload_item items[MMR_RUN_HOSTS_MAX];
    uint8_t *packed[MMR_RUN_HOSTS_MAX] = {0};
    size_t n = 0;
    int r = 0;
    for (size_t i = 0; i < mmr_config_instances(s->next_config) && !r && n < MMR_RUN_HOSTS_MAX; i++) {
        const struct mmr_instance_conf *x = mmr_config_instance(s->next_config, i), *old = NULL;
        uint8_t *was = NULL;
        size_t was_len = 0;
        for (size_t k = 0; k < mmr_config_instances(s->config); k++)
            if (strcmp(mmr_config_instance(s->config, k)->name, x->name) == 0)
                old = mmr_config_instance(s->config, k);
        if (!x->is_enabled || !old)
            continue;
        r = mmr_config_pack(s->next_config, x, &packed[n], &items[n].packed_len, err);
        if (!r)
            r = mmr_config_pack(s->config, old, &was, &was_len, err);
        bool is_same = !r && was_len == items[n].packed_len && memcmp(was, packed[n], was_len) == 0;
        free(was);
        if (r || is_same) {
            free(packed[n]);
            packed[n] = NULL;
            continue;
        }
        for (size_t k = 0; k < s->n_hosts; k++)
            for (size_t m = 0; m < s->host[k].n; m++)
                if (strcmp(s->host[k].instance[m], x->name) == 0) {
                    char line[128];
                    items[n].host = s->host[k].child;
                    items[n].instance = m;
                    items[n].packed = packed[n];
                    (void)snprintf(line, sizeof line, "%s has new settings", x->name);
                    note(s, "changes", line);
                }
        n++;
    }
    if (!r && n == 0) {
        on_prepared(s, 0, "");
        return 0;
    }
    if (!r)
        r = mmr_reload_prepare(s->sup, items, n, PREPARE_MS, on_prepared, s, err);
    for (size_t i = 0; i < n; i++)
        free(packed[i]);
    return r;
}

/* Hosts anew: those that stay as they are keep their process. */
static int remake_hosts(struct mmr_run_state *s, struct mmr_error *err)
{
    struct mmr_config *old = s->config;
    s->config = s->next_config;
    for (size_t i = 0; i < s->n_hosts; i++) {
        bool is_same = is_host_wanted(s->config, s->host[i].name) &&
                       mmr_run_conf_hash(s->config, s->host[i].name) == s->host[i].conf_hash;
        char line[160];
        if (is_same)
            continue;
        (void)snprintf(line, sizeof line, "%s is started anew or taken away", s->host[i].name);
        note(s, "changes", line);
    }
    /* Slots are positions in the table, so the whole table is made again; the core binds them anew. */
    for (size_t i = 0; i < s->n_hosts; i++)
        mmr_child_free(s->host[i].child);
    s->n_hosts = 0;
    int r = mmr_run_make_hosts(s, err);
    if (r) { /* the new set cannot be made: back to the old one, whole */
        struct mmr_error again = {.struct_size = sizeof again};
        for (size_t i = 0; i < s->n_hosts; i++)
            mmr_child_free(s->host[i].child);
        s->n_hosts = 0;
        s->config = old;
        (void)mmr_run_make_hosts(s, &again);
    } else {
        s->next_config = old;
    }
    for (size_t i = 0; i < s->n_hosts; i++)
        mmr_child_start(s->host[i].child);
    mmr_child_restart(s->core);
    return r;
}

void mmr_run_reload(struct mmr_run_state *s, uint64_t client)
{
    struct mmr_error err = {.struct_size = sizeof err};
    if (s->is_reloading) {
        if (client) {
            (void)mmr_control_error(s->control, client, "a reload is under way; ask again");
            mmr_control_end(s->control, client, 3);
        } else {
            s->is_reload_due = true;
        }
        return;
    }
    s->is_reloading = true;
    s->reload_client = client;
    s->changes = json_object_new_object();
    int r = mmr_config_load_site(s->opts->config_dir, s->opts->over, collect, s, &s->next_config, &err);
    if (!r && (strcmp(mmr_config_str(s->next_config, "node.state_dir"), mmr_config_str(s->config, "node.state_dir")) != 0 ||
               strcmp(mmr_config_str(s->next_config, "node.run_dir"), mmr_config_str(s->config, "node.run_dir")) != 0 ||
               strcmp(mmr_config_str(s->next_config, "node.role"), mmr_config_str(s->config, "node.role")) != 0))
        r = mmr_fail(&err, MMR_ECONFIG, "node.state_dir, node.run_dir and node.role cannot change while it runs; start it again");
    if (!r)
        r = mmr_run_clock_allowed(s, s->next_config, &err);
    if (!r && is_set_changed(s)) {
        r = remake_hosts(s, &err);
        if (!r) {
            end(s, true);
            return;
        }
    } else if (!r) {
        r = prepare_hosts(s, &err);
        if (!r)
            return; /* on_prepared() ends it */
    }
    note(s, "errors", err.text);
    end(s, false);
}
