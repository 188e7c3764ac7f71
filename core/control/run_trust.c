/*
 * run_trust.c - which of the configured plugins may run: judged before any process is made. One that is refused is left
 * out, logged, told to the core (which writes it into the evidence) and shown; the others run.
 */
#include "control/run_internal.h"

#include "plugin/admit.h"
#include "plugin/describe.h"
#include "util/clock.h"
#include "util/log.h"

#include <stdio.h>
#include <string.h>

static void put(struct json_object *o, const char *key, const char *text)
{
    json_object_object_add(o, key, text && *text ? json_object_new_string(text) : NULL);
}

int mmr_run_trust_begin(struct mmr_run_state *s, struct mmr_trust *t, struct mmr_error *err)
{
    struct mmr_run_trust *k = &s->trust;
    int r = mmr_trust_open(s->config, t, err);
    if (r)
        return r;
    *k = (struct mmr_run_trust){.digest = mmr_trust_digest(s->config), .n_keys = t->ring.n, .n_bad_keys = t->ring.n_bad};
    (void)snprintf(k->level, sizeof k->level, "%s", mmr_trust_level_name(t->level));
    (void)snprintf(k->service, sizeof k->service, "%s", t->manifest.service);
    (void)snprintf(k->issued, sizeof k->issued, "%s", t->manifest.issued);
    (void)snprintf(k->signed_by, sizeof k->signed_by, "%s", t->manifest.owner);
    (void)snprintf(k->toolset_hash, sizeof k->toolset_hash, "%s", t->manifest.toolset_hash);
    (void)snprintf(k->no_manifest, sizeof k->no_manifest, "%s", t->no_manifest);
    if (t->ring.n_bad)
        mmr_log(MMR_LOG_WARN, "trust.key", "left_out=%zu first=\"%s\"", t->ring.n_bad, t->ring.bad);
    return 0;
}

static void tell(struct mmr_run_state *s, const struct mmr_run_refused *x)
{
    uint8_t buf[4096];
    struct mmr_event ev;
    mmr_event_begin(&ev, buf, sizeof buf, "plugin.refused", MMR_CLASS_EVENT_LOG, 99, mmr_clock_wall_ns(), 3);
    mmr_event_str(&ev, "message", x->text);
    mmr_event_str(&ev, "unmapped.instance", x->instance);
    mmr_event_str(&ev, "unmapped.refused_plugin", x->plugin);
    mmr_event_str(&ev, "unmapped.cause", x->reason);
    mmr_event_str(&ev, "unmapped.file", x->file);
    if (mmr_event_end(&ev) == 0)
        mmr_run_tell_fact(s, buf, ev.len);
}

int mmr_run_admit(struct mmr_run_state *s, const struct mmr_trust *t, const struct mmr_instance_conf *x, struct mmr_admission *ret,
                  bool *ret_is_in, struct mmr_error *err)
{
    int r = mmr_plugin_admit(s->config, t, s->opts->builtins, x, ret, err);
    *ret_is_in = r == 0;
    if (r != MMR_EPERM) {
        if (r && err->code == MMR_ENOENT) {
            char text[sizeof err->text];
            memcpy(text, err->text, sizeof text);
            (void)mmr_fail(err, r, "plugins.%s: %s", x->name, text);
        }
        return r;
    }
    struct mmr_run_refused *k = &s->trust.refused[s->trust.n_refused < MMR_RUN_REFUSED_MAX ? s->trust.n_refused++ : MMR_RUN_REFUSED_MAX - 1];
    (void)snprintf(k->instance, sizeof k->instance, "%s", x->name);
    (void)snprintf(k->plugin, sizeof k->plugin, "%s", x->plugin ? x->plugin : "");
    (void)snprintf(k->file, sizeof k->file, "%s", ret->path ? ret->path : "");
    (void)snprintf(k->reason, sizeof k->reason, "%s", mmr_trust_reason_name(ret->verdict.reason));
    (void)snprintf(k->text, sizeof k->text, "%s", err->text);
    mmr_log(MMR_LOG_ERR, "plugin.refused", "instance=%s id=%s reason=%s text=\"%s\"", k->instance, k->plugin, k->reason, k->text);
    tell(s, k);
    mmr_admission_done(ret);
    return 0;
}

void mmr_run_note_tool(struct mmr_run_tool *k, const struct mmr_admission *a)
{
    (void)snprintf(k->sha256, sizeof k->sha256, "%s", a->verdict.sha256);
    (void)snprintf(k->key, sizeof k->key, "%s", a->verdict.key);
    (void)snprintf(k->file, sizeof k->file, "%s", a->path ? a->path : "");
    k->needs = a->needs;
    k->is_bundled = a->verdict.is_bundled;
    k->is_listed = a->verdict.is_listed;
    k->is_registered = a->verdict.has_registration;
}

/* Of what runs here, where no manifest says what the service consists of. */
static void loaded_hash(const struct mmr_run_state *s, char ret[MMR_SHA256_TEXT])
{
    struct mmr_tool *tools = calloc(MMR_TOOLS_MAX, sizeof *tools);
    size_t n = 0;
    ret[0] = '\0';
    for (size_t i = 0; tools && i < s->n_hosts; i++)
        for (size_t j = 0; j < s->host[i].n && n < MMR_TOOLS_MAX; j++) {
            const struct mmr_host_info *x = mmr_host_info(s->host[i].child, j);
            const char *id = mmr_host_instance_plugin(s->host[i].child, j);
            bool is_known = !x || !x->is_known;
            for (size_t k = 0; k < n && !is_known; k++)
                is_known = strcmp(tools[k].id, id) == 0;
            if (is_known)
                continue;
            (void)snprintf(tools[n].id, sizeof tools[n].id, "%s", id);
            (void)snprintf(tools[n].maker, sizeof tools[n].maker, "%s", x->maker);
            (void)snprintf(tools[n].model, sizeof tools[n].model, "%s", x->model);
            (void)snprintf(tools[n].version, sizeof tools[n].version, "%s", x->version);
            memcpy(tools[n].sha256[0], s->host[i].tool[j].sha256, MMR_SHA256_TEXT);
            tools[n++].n_sha256 = 1;
        }
    if (tools)
        mmr_toolset_hash(tools, n, ret);
    free(tools);
}

struct json_object *mmr_run_trust_json(const struct mmr_run_state *s)
{
    const struct mmr_run_trust *k = &s->trust;
    struct json_object *o = json_object_new_object(), *m = NULL;
    char hash[MMR_SHA256_TEXT];
    bool is_manifest = k->toolset_hash[0] != '\0';
    put(o, "require", k->level);
    json_object_object_add(o, "keys", json_object_new_int64((int64_t)k->n_keys));
    json_object_object_add(o, "keys_left_out", json_object_new_int64((int64_t)k->n_bad_keys));
    if (is_manifest) {
        m = json_object_new_object();
        put(m, "service", k->service);
        put(m, "issued", k->issued);
        put(m, "signed_by", k->signed_by);
    }
    json_object_object_add(o, "manifest", m);
    put(o, "no_manifest", k->no_manifest);
    if (!is_manifest)
        loaded_hash(s, hash);
    put(o, "toolset_hash", is_manifest ? k->toolset_hash : hash);
    put(o, "toolset_of", is_manifest ? "manifest" : "loaded");
    return o;
}

struct json_object *mmr_run_refused_json(const struct mmr_run_state *s)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < s->trust.n_refused; i++) {
        const struct mmr_run_refused *x = &s->trust.refused[i];
        struct json_object *o = json_object_new_object();
        put(o, "instance", x->instance);
        put(o, "plugin", x->plugin);
        put(o, "file", x->file);
        put(o, "reason", x->reason);
        put(o, "text", x->text);
        json_object_array_add(list, o);
    }
    return list;
}

void mmr_run_tool_json(struct json_object *o, const struct mmr_run_tool *k, const struct mmr_host_info *x)
{
    struct json_object *needs = json_object_new_array();
    bool is_known = x && x->is_known;
    put(o, "maker", is_known ? x->maker : "");
    put(o, "model", is_known ? x->model : "");
    put(o, "sha256", k->sha256);
    put(o, "file", k->file);
    put(o, "key", k->key);
    put(o, "trust", k->is_listed ? "listed" : k->is_registered ? (k->key[0] ? "signed" : "registered") : k->is_bundled ? "bundled" : "any");
    for (unsigned b = 0; is_known && b < MMR_NEEDS; b++)
        if (x->needs & k->needs & (1u << b))
            json_object_array_add(needs, json_object_new_string(mmr_need_name((enum mmr_need)(1u << b))));
    json_object_object_add(o, "needs", needs);
}
