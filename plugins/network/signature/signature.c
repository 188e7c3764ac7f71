/*
 * signature.c - the signature plugin: rule files in, packets, streams and messages through the rule library,
 * findings out. One finding for each rule and flow; what follows in the same flow is only counted.
 */
#include "finding.h"
#include "pack.h"
#include "suppress.h"

#include <dirent.h>
#include <mamori/plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { TOLD_SLOTS = 1 << 14, FILES_MAX = 1024 };

struct signature_config {
    struct mmr_strv rules, home_net, external_net, vars, enable, disable, suppress, tune;
    int64_t stream_memory, flows_max;
    bool pack, midstream, findings, hints;
    uint8_t reserved[4];
};
struct signature {
    const struct mmr_host *host;
    const struct signature_config *cfg, *next_cfg;
    struct mmr_rules *set, *next;
    struct suppress *suppress, *next_suppress;
    struct mmr_rules_engine *engine;
    const struct mmr_topic *alerts;
    bool has_asked, is_loading;
    uint8_t reserved[6];
    uint64_t repeated, bad_rules;
    uint64_t told[TOLD_SLOTS]; /* hash of rule and flow: already a finding; the newest of a slot stays */
    uint8_t event[64 * 1024];
};

/* ---- loading ---- */

struct load {
    struct signature *m;
    uint64_t told;
};

static void on_diag(void *ctx, const struct mmr_rule_diag *d)
{
    struct load *l = ctx;
    char line[400];
    if (d->is_ok)
        return;
    if (l->told++ < 20) { /* the rest is in the count; `mamori rules check` names them all */
        (void)snprintf(line, sizeof line, "signature.rule_left_out file=%s line=%u sid=%u reason=\"%.200s\"", d->file,
                       d->line, d->sid, d->reason);
        l->m->host->log(l->m->host->impl, MMR_LOG_WARN, line);
    }
}

static int add_dir(struct load *l, struct mmr_rules *set, const char *path, struct mmr_error *err)
{
    struct dirent **names = NULL;
    int n = scandir(path, &names, NULL, alphasort), rc = 0;
    if (n < 0)
        return mmr_fail(err, MMR_EIO, "rules folder '%s' cannot be read", path);
    for (int i = 0; i < n; i++) {
        size_t len = strlen(names[i]->d_name);
        bool is_rules = (len > 6 && strcmp(names[i]->d_name + len - 6, ".rules") == 0) ||
                        (len > 9 && strcmp(names[i]->d_name + len - 9, ".rules.gz") == 0);
        char file[4096];
        if (rc == 0 && is_rules) {
            int used = snprintf(file, sizeof file, "%s/%s", path, names[i]->d_name);
            rc = used < 0 || (size_t)used >= sizeof file ? mmr_fail(err, MMR_ETOOBIG, "path '%.100s' is too long", path)
                                                         : mmr_rules_add_file(set, file, on_diag, l, err);
        }
        free(names[i]);
    }
    free(names);
    return rc;
}

/* "[a,b]" of a list; NULL for an empty one. free() */
static int join(const struct mmr_strv *v, char **ret, struct mmr_error *err)
{
    size_t len = 3, at = 0;
    *ret = NULL;
    if (!v->n)
        return 0;
    if (v->n == 1)
        return (*ret = strdup(v->v[0])) ? 0 : mmr_fail(err, MMR_ENOMEM, "signature: out of memory");
    for (size_t i = 0; i < v->n; i++)
        len += strlen(v->v[i]) + 1;
    char *s = malloc(len);
    if (!s)
        return mmr_fail(err, MMR_ENOMEM, "signature: out of memory");
    s[at++] = '[';
    for (size_t i = 0; i < v->n; i++) {
        size_t n = strlen(v->v[i]);
        memcpy(s + at, v->v[i], n);
        at += n;
        s[at++] = i + 1 < v->n ? ',' : ']';
    }
    s[at] = 0;
    *ret = s;
    return 0;
}

static int new_set(const struct signature_config *cfg, struct mmr_rules **ret, struct mmr_error *err)
{
    struct mmr_rules_config rc_cfg = {0};
    struct mmr_rule_var *vars = calloc(cfg->vars.n + 1, sizeof *vars);
    char *home = NULL, *external = NULL;
    int rc = vars ? 0 : mmr_fail(err, MMR_ENOMEM, "signature: out of memory");
    if (rc == 0)
        rc = join(&cfg->home_net, &home, err);
    if (rc == 0)
        rc = join(&cfg->external_net, &external, err);
    for (size_t i = 0; rc == 0 && i < cfg->vars.n; i++) {
        const char *eq = strchr(cfg->vars.v[i], '=');
        char *name = eq ? strndup(cfg->vars.v[i], (size_t)(eq - cfg->vars.v[i])) : NULL;
        if (!name) {
            rc = mmr_fail(err, MMR_ECONFIG, "vars: '%s' is not NAME=value", cfg->vars.v[i]);
            break;
        }
        vars[rc_cfg.n_vars++] = (struct mmr_rule_var){name, eq + 1};
    }
    rc_cfg.home_net = home;
    rc_cfg.external_net = external;
    rc_cfg.vars = vars;
    rc_cfg.enable = cfg->enable.v;
    rc_cfg.n_enable = cfg->enable.n;
    rc_cfg.disable = cfg->disable.v;
    rc_cfg.n_disable = cfg->disable.n;
    if (rc == 0)
        rc = mmr_rules_new(&rc_cfg, ret, err);
    for (size_t i = 0; vars && i < rc_cfg.n_vars; i++) {
        union { /* strndup'ed above */
            const char *c;
            char *m;
        } u = {vars[i].name};
        free(u.m);
    }
    free(vars);
    free(home);
    free(external);
    return rc;
}

static void tell_loaded(const struct signature *m, const struct mmr_rules *set)
{
    enum { IDLE_TOLD = 20 };
    char line[400];
    const char *entry;
    (void)snprintf(line, sizeof line, "signature.loaded rules=%zu left_out=%zu enabled=%zu", mmr_rules_count(set), mmr_rules_failed(set),
                   mmr_rules_enabled(set));
    m->host->log(m->host->impl, MMR_LOG_INFO, line);
    for (int is_disable = 0; is_disable < 2; is_disable++)
        for (size_t i = 0; i < IDLE_TOLD && (entry = mmr_rules_idle(set, is_disable, i)); i++) {
            (void)snprintf(line, sizeof line, "signature.entry_idle list=%s entry=\"%.200s\" hint=\"no rule of the packs is meant by it\"",
                           is_disable ? "disable" : "enable", entry);
            m->host->log(m->host->impl, MMR_LOG_WARN, line);
        }
}

static int load_rules(struct signature *m, const struct signature_config *cfg, struct mmr_rules **ret, struct mmr_error *err)
{
    struct load l = {.m = m};
    struct mmr_rules *set = NULL;
    struct stat st;
    int rc = new_set(cfg, &set, err);
    for (size_t i = 0; rc == 0 && cfg->pack && signature_pack[i].name; i++)
        rc = mmr_rules_add_text(set, signature_pack[i].name, (const char *)signature_pack[i].data, signature_pack[i].len,
                                on_diag, &l, err);
    for (size_t i = 0; rc == 0 && i < cfg->rules.n; i++) {
        const char *path = cfg->rules.v[i];
        if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
            rc = add_dir(&l, set, path, err);
        else
            rc = mmr_rules_add_file(set, path, on_diag, &l, err);
    }
    if (rc == 0)
        rc = mmr_rules_compile_like(set, m->set, err); /* NULL at the start; at a reload the rules in use */
    if (rc < 0) {
        mmr_rules_free(set);
        return rc;
    }
    tell_loaded(m, set);
    *ret = set;
    return 0;
}

/* ---- alerts ---- */

/* First time for this rule on this flow (or between these hosts, without a flow)? */
static bool is_first(struct signature *m, const struct mmr_rule_hit *hit)
{
    uint64_t h = (uint64_t)hit->rule->sid << 32 | hit->rule->gid;
    uint64_t id = hit->flow ? hit->flow->id : 0;
    if (!id && hit->packet)
        for (int i = 0; i < 16; i++)
            id = (id ^ hit->packet->src.b[i]) * 0x100000001b3u + hit->packet->dst.b[i];
    h = (h ^ id * 0x9e3779b97f4a7c15u) * 0xff51afd7ed558ccdu;
    h = (h ^ h >> 31) | 1;
    uint64_t *slot = &m->told[h >> 40 & (TOLD_SLOTS - 1)];
    if (*slot == h)
        return false;
    *slot = h;
    return true;
}

static void on_hit(void *ctx, const struct mmr_rule_hit *hit)
{
    struct signature *m = ctx;
    if (hit->rule->is_disabled || !suppress_lets(m->suppress, hit))
        return;
    if (!m->has_asked) {
        m->has_asked = true;
        m->alerts = m->host->extension(m->host->impl, MMR_TOPIC_ALERT);
    }
    if (m->alerts && m->alerts->sinks) {
        struct mmr_alert a = {.struct_size = sizeof a, .sid = hit->rule->sid, .gid = hit->rule->gid, .rev = hit->rule->rev,
                              .time_ns = hit->time_ns, .flow = hit->flow, .packet = hit->packet, .msg = hit->rule->msg,
                              .dir = hit->dir};
        m->alerts->publish(m->host->impl, m->alerts, &a);
    }
    if (!m->cfg->findings)
        return;
    if (!is_first(m, hit)) {
        m->repeated++;
        return;
    }
    struct finding_facts facts;
    struct mmr_event ev;
    finding_facts_of(hit->rule, hit->flow, &facts);
    if (!facts.phase && !m->cfg->hints)
        return;
    finding_build(&ev, m->event, sizeof m->event, hit, &facts);
    (void)mmr_event_emit(&ev, m->host); /* the host counts what it cannot take */
}

/* ---- plugin ---- */

static void destroy(void *self)
{
    struct signature *m = self;
    if (!m)
        return;
    mmr_rules_engine_free(m->engine);
    mmr_rules_free(m->set);
    mmr_rules_free(m->next);
    suppress_free(m->suppress);
    suppress_free(m->next_suppress);
    free(m);
}

static void tell_suppressed(const struct signature *m)
{
    size_t expired = suppress_expired(m->suppress, m->host->now_ns(m->host->impl, MMR_CLOCK_WALL) / 1000000000);
    char line[160];
    if (!m->cfg->suppress.n && !m->cfg->tune.n)
        return;
    (void)snprintf(line, sizeof line, "signature.tuned suppress=%zu tune=%zu expired=%zu%s", m->cfg->suppress.n, m->cfg->tune.n, expired,
                   expired ? " hint=\"entries that ran out have no effect; take them out\"" : "");
    m->host->log(m->host->impl, expired ? MMR_LOG_WARN : MMR_LOG_INFO, line);
}

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    struct signature *m = calloc(1, sizeof *m);
    if (!m)
        return mmr_fail(err, MMR_ENOMEM, "signature: out of memory");
    m->host = host;
    m->cfg = config;
    struct mmr_rules_options opt = {.is_midstream_ok = m->cfg->midstream, .flows_max = (uint32_t)m->cfg->flows_max,
                                    .stream_bytes_max = (uint64_t)m->cfg->stream_memory, .hit = on_hit, .ctx = m};
    int rc = suppress_new(&m->cfg->suppress, &m->cfg->tune, &m->suppress, err);
    if (rc == 0)
        rc = load_rules(m, m->cfg, &m->set, err);
    if (rc == 0)
        rc = mmr_rules_engine_new(m->set, &opt, &m->engine, err);
    if (rc < 0) {
        destroy(m);
        return rc;
    }
    tell_suppressed(m);
    *ret_self = m;
    return 0;
}

static int reload_prepare(void *self, const void *config, struct mmr_error *err)
{
    struct signature *m = self;
    m->next_cfg = config;
    int rc = suppress_new(&m->next_cfg->suppress, &m->next_cfg->tune, &m->next_suppress, err);
    if (rc == 0)
        rc = load_rules(m, m->next_cfg, &m->next, err);
    if (rc < 0) { /* neither commit nor abort follows */
        suppress_free(m->next_suppress);
        m->next_suppress = NULL;
    }
    return rc;
}

static void reload_abort(void *self)
{
    struct signature *m = self;
    mmr_rules_free(m->next);
    m->next = NULL;
    suppress_free(m->next_suppress);
    m->next_suppress = NULL;
}

static void reload_commit(void *self)
{
    struct signature *m = self;
    struct mmr_error err = {.struct_size = sizeof err};
    if (!m->next)
        return;
    if (mmr_rules_engine_swap(m->engine, m->next, &err) < 0) {
        m->host->log(m->host->impl, MMR_LOG_ERR, err.text); /* the old rules go on */
        reload_abort(self);
        return;
    }
    mmr_rules_free(m->set);
    m->set = m->next;
    m->next = NULL;
    m->cfg = m->next_cfg;
    suppress_free(m->suppress);
    m->suppress = m->next_suppress;
    m->next_suppress = NULL;
    tell_suppressed(m);
}

static void on_packet(void *self, const void *item)
{
    mmr_rules_packet(((struct signature *)self)->engine, item);
}
static void on_chunk(void *self, const void *item)
{
    mmr_rules_chunk(((struct signature *)self)->engine, item);
}
static void on_tx(void *self, const void *item)
{
    mmr_rules_tx(((struct signature *)self)->engine, item);
}
static void on_flow(void *self, const void *item)
{
    const struct mmr_flow *f = item;
    union { /* the last call for our slot: net.h */
        const struct mmr_flow *c;
        struct mmr_flow *m;
    } u = {f};
    mmr_rules_flow_end(((struct signature *)self)->engine, u.m);
}

static int on_event(void *self, const void *msgpack, size_t len, struct mmr_error *err)
{
    (void)self;
    (void)msgpack;
    (void)len;
    (void)err;
    return 0;
}

static const void *extension(const char *id)
{
    static const struct {
        const char *id;
        struct mmr_sink sink;
    } sinks[] = {
        {MMR_TOPIC_PACKET, {.struct_size = sizeof(struct mmr_sink), .item = on_packet}},
        {MMR_TOPIC_STREAM, {.struct_size = sizeof(struct mmr_sink), .item = on_chunk}},
        {MMR_TOPIC_TX, {.struct_size = sizeof(struct mmr_sink), .item = on_tx}},
        {MMR_TOPIC_FLOW, {.struct_size = sizeof(struct mmr_sink), .item = on_flow}},
    };
    for (size_t i = 0; i < sizeof sinks / sizeof sinks[0]; i++)
        if (strcmp(id, sinks[i].id) == 0)
            return &sinks[i].sink;
    return NULL;
}

static const struct mmr_cfg_key keys[] = {
    MMR_CFG(struct signature_config, rules, MMR_CFG_STRV, MMR_CFG_RELOADABLE, "", 0, 0,
            "more rule files (.rules, .rules.gz) or folders of them"),
    MMR_CFG(struct signature_config, pack, MMR_CFG_BOOL, MMR_CFG_RELOADABLE, "true", 0, 0, "use our own starting pack"),
    MMR_CFG(struct signature_config, home_net, MMR_CFG_STRV, MMR_CFG_RELOADABLE, "", 0, 0,
            "networks of this site (HOME_NET); empty: the private ranges"),
    MMR_CFG(struct signature_config, external_net, MMR_CFG_STRV, MMR_CFG_RELOADABLE, "", 0, 0,
            "EXTERNAL_NET; empty: everything that is not home_net"),
    MMR_CFG(struct signature_config, vars, MMR_CFG_STRV, MMR_CFG_RELOADABLE, "", 0, 0,
            "more address and port variables, as NAME=value"),
    MMR_CFG(struct signature_config, enable, MMR_CFG_STRV, MMR_CFG_RELOADABLE, "", 0, 0,
            "rules the packs have commented out and that are wanted: a sid, 'group:FILE', 're:EXPRESSION' over the rule's line"),
    MMR_CFG(struct signature_config, disable, MMR_CFG_STRV, MMR_CFG_RELOADABLE, "", 0, 0,
            "rules that never alert, named in the same way"),
    MMR_CFG(struct signature_config, suppress, MMR_CFG_STRV, MMR_CFG_RELOADABLE, "", 0, 0,
            "matches kept quiet: 'sid=N src=NET dst=NET until=2030-01-31 owner=NAME reason=TEXT'; src, dst, until may be left out"),
    MMR_CFG(struct signature_config, tune, MMR_CFG_STRV, MMR_CFG_RELOADABLE, "", 0, 0,
            "matches that alert less often: 'sid=N count=5 seconds=60 track=src|dst|rule owner=NAME reason=TEXT'"),
    MMR_CFG(struct signature_config, midstream, MMR_CFG_BOOL, 0, "true", 0, 0,
            "look into connections whose beginning was not seen"),
    MMR_CFG(struct signature_config, findings, MMR_CFG_BOOL, MMR_CFG_RELOADABLE, "true", 0, 0, "send findings"),
    MMR_CFG(struct signature_config, hints, MMR_CFG_BOOL, MMR_CFG_RELOADABLE, "true", 0, 0,
            "also send findings that are only hints (policy, informational)"),
    MMR_CFG(struct signature_config, stream_memory, MMR_CFG_BYTES, 0, "16M", 65536, 1LL << 32,
            "memory for stream data kept for matches across segments"),
    MMR_CFG(struct signature_config, flows_max, MMR_CFG_INT, 0, "131072", 256, 4194304, "flows with rule state at once"),
    {0},
};
static const char *const events[] = {"finding", NULL};
static const char *const subscribes[] = {NULL};
static const struct mmr_analyzer_ops analyzer = {.struct_size = sizeof analyzer, .event = on_event};

MMR_PLUGIN(signature) = {
    MMR_PLUGIN_HEAD,
    .side = MMR_SIDE_NETWORK,
    .detects = MMR_DETECT_INBOUND | MMR_DETECT_OUTBOUND,
    .id = "org.mamori.signature",
    .name = "signature",
    .version = "0.1.0",
    .vendor = "mamori",
    .license = "Apache-2.0",
    .doc = "network signature rules in the Suricata language, with a starting pack",
    .events = events,
    .config = keys,
    .config_size = sizeof(struct signature_config),
    .create = create,
    .destroy = destroy,
    .reload_prepare = reload_prepare,
    .reload_commit = reload_commit,
    .reload_abort = reload_abort,
    .subscribes = subscribes,
    .analyzer = &analyzer,
    .extension = extension,
};
