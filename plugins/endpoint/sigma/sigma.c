/*
 * sigma.c - org.mamori.sigma: every event of this node against the Sigma rules, a finding for each match.
 * Rules come from our own pack, embedded, and from the operator's folders; a rule that cannot be used is named in
 * the log and left out.
 */
#include <mamori/data.h>
#include <mamori/plugin.h>

#include "finding.h"
#include "fold.h"
#include "unseen.h"
#include "sigma/sigma.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const struct mmr_data_file mmr_data_sigma[];

struct config {
    struct mmr_strv rules, disable, only, placeholders;
    const char *exclusions;
    const char *min_level;
    int64_t fold;
    bool own_rules, windows_later;
};
static const struct mmr_cfg_key keys[] = {
    MMR_CFG(struct config, rules, MMR_CFG_STRV, MMR_CFG_RELOADABLE, NULL, 0, 0, "more rule files, or folders of .yml files"),
    MMR_CFG(struct config, own_rules, MMR_CFG_BOOL, MMR_CFG_RELOADABLE, "true", 0, 0, "use the rules that come with mamori"),
    MMR_CFG(struct config, disable, MMR_CFG_STRV, MMR_CFG_RELOADABLE, NULL, 0, 0, "ids, names or titles of rules that report nothing"),
    MMR_CFG(struct config, only, MMR_CFG_STRV, MMR_CFG_RELOADABLE, NULL, 0, 0, "ids, names or titles of the only rules that report; empty: all"),
    MMR_CFG(struct config, exclusions, MMR_CFG_STR, MMR_CFG_RELOADABLE, NULL, 0, 0,
            "file or folder of exclusions, each with rules, selection, owner, reason and expires"),
    MMR_CFG(struct config, placeholders, MMR_CFG_STRV, MMR_CFG_RELOADABLE, NULL, 0, 0,
            "values for %name% in rules, written name=value; a name may stand several times"),
    MMR_CFG(struct config, min_level, MMR_CFG_STR, MMR_CFG_RELOADABLE, "low", 0, 0,
            "lowest level that reports: informational, low, medium, high or critical"),
    MMR_CFG(struct config, fold, MMR_CFG_MSEC, MMR_CFG_RELOADABLE, "1m", 0, 86400000,
            "how long repetitions of a rule on the same process are only counted"),
    MMR_CFG(struct config, windows_later, MMR_CFG_BOOL, MMR_CFG_RELOADABLE, "false", 0, 0,
            "leave the rules of Windows logs aside until the first such event, which then waits for them; saves memory"),
    {0},
};

struct loaded { /* what a configuration makes; a reload prepares another beside it */
    struct mmr_sigma *rules;
    enum mmr_sigma_level min_level;
    int64_t fold_ns;
};
struct sigma {
    const struct mmr_host *host;
    struct loaded now, next;
    struct fold *fold;
    struct mmr_event_view view;
    uint64_t folded, refused;
    struct unseen unseen;
    uint8_t buf[MMR_EVENT_BYTES_MAX];
};

static void say(const struct mmr_host *host, int level, const char *text)
{
    host->log(host->impl, level, text);
}

static bool is_in(const struct mmr_strv *list, const struct mmr_sigma_rule *r)
{
    for (size_t i = 0; i < list->n; i++)
        if (mmr_sigma_rule_is(r, list->v[i]))
            return true;
    return false;
}

static int read_level(const char *text, enum mmr_sigma_level *ret, struct mmr_error *err)
{
    static const char *const names[] = {"informational", "low", "medium", "high", "critical"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!strcmp(text, names[i])) {
            *ret = (enum mmr_sigma_level)(i + 1);
            return 0;
        }
    return mmr_fail(err, MMR_ECONFIG, "min_level '%s'; expected informational, low, medium, high or critical", text);
}

static int add_placeholders(struct mmr_sigma *s, const struct mmr_strv *list, struct mmr_error *err)
{
    for (size_t i = 0; i < list->n; i++) {
        const char *eq = strchr(list->v[i], '=');
        char name[128];
        if (!eq || eq == list->v[i] || (size_t)(eq - list->v[i]) >= sizeof name)
            return mmr_fail(err, MMR_ECONFIG, "placeholders: '%s'; expected name=value", list->v[i]);
        memcpy(name, list->v[i], (size_t)(eq - list->v[i]));
        name[eq - list->v[i]] = 0;
        int rc = mmr_sigma_placeholder(s, name, eq + 1, err);
        if (rc)
            return rc;
    }
    return 0;
}

static void name_unusable(const struct mmr_host *host, const struct mmr_sigma *s)
{
    char text[512];
    size_t bad = 0, n = mmr_sigma_count(s);
    for (size_t i = 0; i < n; i++) {
        const struct mmr_sigma_rule *r = mmr_sigma_get(s, i);
        if (mmr_sigma_rule_ok(r))
            continue;
        if (bad++ >= 20) /* the rest: mamori sigma check */
            continue;
        (void)snprintf(text, sizeof text, "sigma.rule.left_out file=%s rule=\"%s\" reason=\"%s\"", r->file, r->id,
                       r->error ? r->error : r->unsupported.v[0]);
        say(host, MMR_LOG_WARN, text);
    }
    struct mmr_sigma_stats st;
    mmr_sigma_get_stats(s, &st);
    (void)snprintf(text, sizeof text, "sigma.loaded rules=%zu left_out=%zu atoms=%u hyperscan=%s", n, bad, st.atoms,
                   st.has_hyperscan ? "yes" : "no");
    say(host, bad ? MMR_LOG_WARN : MMR_LOG_INFO, text);
}

/* The operator's wish list names rules that exist. */
static int check_names(const struct mmr_sigma *s, const char *key, const struct mmr_strv *list, struct mmr_error *err)
{
    for (size_t i = 0; i < list->n; i++)
        if (!mmr_sigma_find(s, list->v[i]))
            return mmr_fail(err, MMR_ECONFIG, "%s: there is no rule '%s'; `mamori sigma check` lists them", key, list->v[i]);
    return 0;
}

static void woken(void *ctx, int rc)
{
    const struct mmr_host *host = ctx;
    say(host, rc ? MMR_LOG_ERR : MMR_LOG_INFO,
        rc ? "sigma.windows text=\"no memory for the rules of Windows logs: no rule is looked for any more; restart mamori\""
           : "sigma.windows text=\"a Windows log came: the rules about them are looked for from now on\"");
}

static int load(const struct mmr_host *host, const struct config *c, struct loaded *ret, struct mmr_error *err)
{
    struct loaded l = {.fold_ns = c->fold * 1000000};
    int rc = read_level(c->min_level, &l.min_level, err);
    if (!rc)
        rc = mmr_sigma_new(&l.rules, err);
    if (!rc)
        rc = add_placeholders(l.rules, &c->placeholders, err);
    for (const struct mmr_data_file *f = mmr_data_sigma; !rc && c->own_rules && f->name; f++)
        rc = mmr_sigma_add_text(l.rules, f->name, f->bytes, f->len, err);
    for (size_t i = 0; !rc && i < c->rules.n; i++)
        rc = mmr_sigma_add_path(l.rules, c->rules.v[i], err);
    if (!rc && c->exclusions)
        rc = mmr_sigma_add_path(l.rules, c->exclusions, err);
    if (!rc)
        rc = check_names(l.rules, "disable", &c->disable, err);
    if (!rc)
        rc = check_names(l.rules, "only", &c->only, err);
    if (!rc) {
        if (c->windows_later)
            mmr_sigma_lazy_windows(l.rules, woken, (void *)(uintptr_t)host);
        rc = mmr_sigma_compile(l.rules, err);
    }
    for (size_t i = 0; !rc && i < mmr_sigma_count(l.rules); i++) {
        const struct mmr_sigma_rule *r = mmr_sigma_get(l.rules, i);
        if (is_in(&c->disable, r) || (c->only.n && !is_in(&c->only, r)))
            mmr_sigma_disable(l.rules, i);
    }
    if (rc) {
        mmr_sigma_free(l.rules);
        return rc;
    }
    name_unusable(host, l.rules);
    *ret = l;
    return 0;
}

static void on_hit(void *ctx, const struct mmr_sigma_hit *h)
{
    struct sigma *s = ctx;
    uint64_t count = 1;
    struct mmr_event ev;
    if (h->rule->level && h->rule->level < s->now.min_level)
        return;
    if (!fold_take(s->fold, finding_key(h->rule, &s->view, h->group), mmr_event_get_int(&s->view, "time", 0),
                   s->now.fold_ns, &count)) {
        s->folded++;
        return;
    }
    finding_build(&ev, s->buf, h, &s->view, count);
    if (mmr_event_emit(&ev, s->host)) /* the host counts what its bus would not take */
        s->refused++;
}

static void warn(void *ctx, const char *text)
{
    const struct sigma *s = ctx;
    say(s->host, MMR_LOG_WARN, text);
}

static int event(void *self, const void *msgpack, size_t len, struct mmr_error *err)
{
    struct sigma *s = self;
    int rc = mmr_event_read(msgpack, len, &s->view, err);
    if (rc)
        return rc;
    const struct mmr_value *kind = mmr_event_get(&s->view, "mamori.kind");
    if (!kind || mmr_value_is(kind, "finding") || mmr_value_is(kind, "receipt")) /* what others concluded is no log */
        return 0;
    mmr_sigma_match(s->now.rules, &s->view, on_hit, s);
    struct mmr_sigma_stats st;
    mmr_sigma_get_stats(s->now.rules, &st);
    unseen_look(&s->unseen, &s->view);
    unseen_say(&s->unseen, &st, s->host->now_ns(s->host->impl, MMR_CLOCK_MONOTONIC), warn, s);
    return 0;
}

static void destroy(void *self)
{
    struct sigma *s = self;
    if (!s)
        return;
    mmr_sigma_free(s->now.rules);
    mmr_sigma_free(s->next.rules);
    fold_free(s->fold);
    free(s);
}

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    struct sigma *s = calloc(1, sizeof *s);
    if (!s || !(s->fold = fold_new())) {
        free(s);
        return mmr_fail(err, MMR_ENOMEM, "sigma: out of memory");
    }
    s->host = host;
    int rc = load(host, config, &s->now, err);
    if (rc)
        destroy(s);
    else
        *ret_self = s;
    return rc;
}

static int reload_prepare(void *self, const void *config, struct mmr_error *err)
{
    struct sigma *s = self;
    mmr_sigma_free(s->next.rules);
    s->next.rules = NULL;
    return load(s->host, config, &s->next, err);
}

static void reload_commit(void *self)
{
    struct sigma *s = self;
    mmr_sigma_free(s->now.rules);
    s->now = s->next;
    s->next.rules = NULL;
}

static void reload_abort(void *self)
{
    struct sigma *s = self;
    mmr_sigma_free(s->next.rules);
    s->next.rules = NULL;
}

static const char *const events[] = {"finding", NULL};
static const char *const subscribes[] = {"*", NULL};
static const struct mmr_analyzer_ops analyzer = {.struct_size = sizeof analyzer, .event = event};

MMR_PLUGIN(sigma) = {
    MMR_PLUGIN_HEAD,
    .side = MMR_SIDE_NETWORK | MMR_SIDE_ENDPOINT,
    .detects = MMR_DETECT_HOST | MMR_DETECT_INBOUND | MMR_DETECT_OUTBOUND,
    .needs = MMR_NEED_FILES_RO,
    .id = "org.mamori.sigma",
    .name = "Sigma rules",
    .version = "0.1.0",
    .vendor = "mamori",
    .license = "Apache-2.0",
    .doc = "matches every event of this node against Sigma rules",
    .events = events,
    .config = keys,
    .config_size = sizeof(struct config),
    .create = create,
    .destroy = destroy,
    .reload_prepare = reload_prepare,
    .reload_commit = reload_commit,
    .reload_abort = reload_abort,
    .subscribes = subscribes,
    .analyzer = &analyzer,
};
