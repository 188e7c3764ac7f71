/* setup.c - configuration into plain data for the pipeline. */
#include "brain/setup.h"

#include "plugin/describe.h"
#include "util/scope.h"

#include <stdio.h>
#include <string.h>

enum { ASSETS_MAX = 4096 };

static int read_home(const struct mmr_config *c, struct mmr_setup *s, struct mmr_error *err)
{
    struct mmr_strv v = mmr_config_strv(c, "site.home_net");
    s->home = calloc(v.n ? v.n : 1, sizeof *s->home);
    if (!s->home)
        return mmr_fail(err, MMR_ENOMEM, "site.home_net: out of memory");
    for (size_t i = 0; i < v.n; i++) {
        struct mmr_error why = {.struct_size = sizeof why};
        if (mmr_cidr_parse(v.v[i], &s->home[s->n_home++], &why) != 0)
            return mmr_fail(err, MMR_ECONFIG, "site.home_net: %s", why.text);
    }
    return 0;
}

static int add_asset(struct mmr_setup *s, const char *name, const char *role, const char *important, struct mmr_error *err)
{
    if (s->n_assets == ASSETS_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "more than %d assets", ASSETS_MAX);
    struct mmr_asset *a = &s->assets[s->n_assets++];
    a->name = name;
    a->role = role;
    a->is_important = !important || strcmp(important, "no") != 0; /* unknown counts as yes */
    return 0;
}

static int add_addr(struct mmr_asset *a, size_t n, const char *text, struct mmr_error *err)
{
    if (n >= 4)
        return mmr_fail(err, MMR_ETOOBIG, "asset '%.60s' has more than 4 addresses", a->name);
    if (!mmr_addr_parse(text, strlen(text), &a->addr[n]))
        return mmr_fail(err, MMR_ECONFIG, "asset '%.60s': '%.60s' is no IP address", a->name, text);
    return 0;
}

static int configured_assets(const struct mmr_config *c, struct mmr_setup *s, struct mmr_error *err)
{
    mmr_autofree const char **names = calloc(ASSETS_MAX, sizeof *names);
    if (!names)
        return mmr_fail(err, MMR_ENOMEM, "assets: out of memory");
    size_t n = mmr_config_names(c, "assets", names, ASSETS_MAX);
    for (size_t i = 0; i < n && i < ASSETS_MAX; i++) {
        char path[256];
        (void)snprintf(path, sizeof path, "assets.%s.role", names[i]);
        const char *role = mmr_config_str(c, path);
        (void)snprintf(path, sizeof path, "assets.%s.important_info", names[i]);
        int r = add_asset(s, names[i], role, mmr_config_str(c, path), err);
        (void)snprintf(path, sizeof path, "assets.%s.ip", names[i]);
        struct mmr_strv ips = mmr_config_strv(c, path);
        for (size_t k = 0; k < ips.n && !r; k++)
            r = add_addr(&s->assets[s->n_assets - 1], k, ips.v[k], err);
        if (r)
            return r;
    }
    return 0;
}

static const char *text_of(const struct mmr_yaml *map, const char *key)
{
    const struct mmr_yaml *n = mmr_yaml_child(map, key);
    return n && n->type == MMR_YAML_SCALAR ? n->text : NULL;
}

static int assets_of_file(struct mmr_setup *s, const char *path, mmr_diag_fn diag, void *ctx, struct mmr_error *err)
{
    struct mmr_yaml *tree = NULL;
    s->pool = mmr_yaml_pool_new();
    if (!s->pool)
        return mmr_fail(err, MMR_ENOMEM, "'%s': out of memory", path);
    int r = mmr_yaml_parse_file(s->pool, path, diag, ctx, &tree, err);
    const struct mmr_yaml *hosts = r ? NULL : mmr_yaml_child(tree, "hosts");
    if (r)
        return r == MMR_ENOMEM ? r : MMR_ECONFIG;
    if (!hosts || hosts->type != MMR_YAML_LIST)
        return mmr_fail(err, MMR_ECONFIG, "'%s': expected 'hosts:' with a list of {name, ip, role, important_info}", path);
    for (const struct mmr_yaml *h = hosts->first; h && !r; h = h->next) {
        const char *name = text_of(h, "name");
        const struct mmr_yaml *ip = mmr_yaml_child(h, "ip");
        if (!name)
            return mmr_fail(err, MMR_ECONFIG, "%s:%u:%u: a host needs 'name'", path, h->line, h->column);
        r = add_asset(s, name, text_of(h, "role"), text_of(h, "important_info"), err);
        size_t k = 0;
        for (const struct mmr_yaml *i = ip && ip->type == MMR_YAML_LIST ? ip->first : NULL; i && !r; i = i->next)
            r = add_addr(&s->assets[s->n_assets - 1], k++, i->text, err);
        if (!r && ip && ip->type == MMR_YAML_SCALAR)
            r = add_addr(&s->assets[s->n_assets - 1], 0, ip->text, err);
    }
    return r;
}

bool mmr_setup_responder(const struct mmr_plugin *p, const char *instance, uint32_t side, struct mmr_responder *ret)
{
    if (!p->responder || !p->actions)
        return false;
    memset(ret, 0, sizeof *ret);
    (void)snprintf(ret->instance, sizeof ret->instance, "%s", instance);
    ret->side = side == MMR_SIDE_NETWORK ? MMR_SIDE_NETWORK : MMR_SIDE_ENDPOINT;
    ret->is_linked = (p->flags & MMR_PLUGIN_LINKED) != 0;
    for (const char *const *a = p->actions; *a; a++) {
        enum mmr_verb v;
        if (mmr_verb_parse(*a, strlen(*a), &v))
            ret->verbs |= mmr_verb_bit(v);
    }
    return true;
}

static int read_responders(const struct mmr_instances *inst, bool is_replay, struct mmr_setup *s, struct mmr_error *err)
{
    s->responder = calloc(inst->n ? inst->n : 1, sizeof *s->responder);
    if (!s->responder)
        return mmr_fail(err, MMR_ENOMEM, "responders: out of memory");
    for (size_t i = 0; i < inst->n; i++) {
        struct mmr_responder *r = &s->responder[s->n_responder];
        if (!mmr_setup_responder(inst->v[i].plugin, inst->v[i].conf->name, inst->v[i].side, r))
            continue;
        r->is_healthy = is_replay; /* live: once its host says so */
        r->is_dry_run = inst->v[i].conf->is_dry_run;
        r->sees_inside = true; /* declared for a whole deployment */
        s->n_responder++;
    }
    return 0;
}

static int read_policy(const struct mmr_config *c, bool is_replay, struct mmr_setup *s, struct mmr_error *err)
{
    struct mmr_strv agreed = mmr_config_strv(c, "defence.auto_actions_agreed");
    mmr_policy_default(&s->policy);
    s->policy.mode = strcmp(mmr_config_str(c, "defence.mode"), "auto") == 0 ? MMR_AUTO_AGREED : MMR_AUTO_DRY_RUN;
    s->policy.ttl_ms = mmr_config_int(c, "defence.ttl");
    s->policy.answer_ms = mmr_config_int(c, "defence.action_timeout");
    s->policy.is_replay = is_replay;
    for (size_t i = 0; i < agreed.n; i++) {
        enum mmr_verb v;
        if (strcmp(agreed.v[i], "all") == 0)
            s->policy.agreed_verbs = UINT32_MAX;
        else if (mmr_verb_parse(agreed.v[i], strlen(agreed.v[i]), &v))
            s->policy.agreed_verbs |= mmr_verb_bit(v);
        else
            return mmr_fail(err, MMR_ECONFIG, "defence.auto_actions_agreed: '%.60s' is no verb; see 'mamori plugin info'",
                            agreed.v[i]);
    }
    s->rails = (struct mmr_rails_limits){.per_minute = (uint32_t)mmr_config_int(c, "defence.per_minute"),
                                         .per_hour = (uint32_t)mmr_config_int(c, "defence.per_hour"),
                                         .internal_percent = (uint32_t)mmr_config_int(c, "defence.share_of_hosts")};
    return 0;
}

static int read_never_block(const struct mmr_config *c, struct mmr_setup *s, struct mmr_error *err)
{
    static const char *const paths[] = {"defence.never_block", "site.gateway", "site.dns"};
    size_t n = 0;
    for (size_t i = 0; i < 3; i++)
        n += mmr_config_strv(c, paths[i]).n;
    s->never_block = calloc(n ? n : 1, sizeof *s->never_block);
    if (!s->never_block)
        return mmr_fail(err, MMR_ENOMEM, "defence.never_block: out of memory");
    for (size_t i = 0; i < 3; i++) {
        struct mmr_strv v = mmr_config_strv(c, paths[i]);
        for (size_t k = 0; k < v.n; k++)
            s->never_block[s->n_never_block++] = v.v[k];
    }
    return 0;
}

int mmr_setup_new(const struct mmr_config *c, const struct mmr_instances *inst, const char *assets_file, bool is_replay,
                  mmr_diag_fn diag, void *ctx, struct mmr_setup *ret, struct mmr_error *err)
{
    struct mmr_setup s = {0};
    s.assets = calloc(ASSETS_MAX, sizeof *s.assets);
    int r = s.assets ? read_home(c, &s, err) : mmr_fail(err, MMR_ENOMEM, "assets: out of memory");
    if (!r)
        r = assets_file ? assets_of_file(&s, assets_file, diag, ctx, err) : configured_assets(c, &s, err);
    if (!r)
        r = read_policy(c, is_replay, &s, err);
    if (!r)
        r = read_never_block(c, &s, err);
    if (!r)
        r = read_responders(inst, is_replay, &s, err);
    if (r) {
        mmr_setup_done(&s);
        return r;
    }
    *ret = s;
    return 0;
}

void mmr_setup_done(struct mmr_setup *s)
{
    free(s->home);
    free(s->assets);
    free(s->responder);
    free(s->never_block);
    mmr_yaml_pool_free(s->pool);
    memset(s, 0, sizeof *s);
}

void mmr_setup_pipeline(const struct mmr_config *c, const struct mmr_setup *s, struct mmr_pipeline_config *ret)
{
    *ret = (struct mmr_pipeline_config){
        .resolve = {.home = s->home, .n_home = s->n_home, .assets = s->assets, .n_assets = s->n_assets,
                    .max_conns = (uint32_t)mmr_config_int(c, "correlate.max_connections")},
        .track = {.max_incidents = (uint32_t)mmr_config_int(c, "correlate.max_incidents")},
        .stories = mmr_config_strv(c, "correlate.rules").v,
        .n_stories = mmr_config_strv(c, "correlate.rules").n,
        .policy = s->policy,
        .responder = s->responder,
        .n_responder = s->n_responder,
        .never_block = s->never_block,
        .n_never_block = s->n_never_block,
        .rails = &s->rails,
    };
}
