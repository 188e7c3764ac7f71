/* describe.c - the rules a descriptor must keep. */
#include "plugin/describe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LIST_MAX = 256,       /* kinds, verbs, subscriptions and configuration rows of one plugin */
    CONFIG_SIZE_MAX = 64 * 1024,
    ID_MAX = 63,
    TEXT_MAX = 512,       /* a name, a version, one line of documentation */
};

static const char *const cap_names[MMR_CAPS] = {"net.detect.inbound", "net.detect.outbound", "net.defend",
                                                "ep.detect", "ep.defend", "ep.defend.linked"};
static const char *const need_names[MMR_NEEDS] = {"capture", "netfilter", "proc", "files_ro", "net_out",
                                                  "kill", "bpf", "fanotify", "files_rw", "listen", "run"};

const char *mmr_cap_name(enum mmr_cap cap)
{
    for (unsigned i = 0; i < MMR_CAPS; i++)
        if ((unsigned)cap == 1u << i)
            return cap_names[i];
    return "";
}

const char *mmr_need_name(enum mmr_need need)
{
    for (unsigned i = 0; i < MMR_NEEDS; i++)
        if ((unsigned)need == 1u << i)
            return need_names[i];
    return "";
}

bool mmr_need_parse(const char *text, uint32_t *ret_need)
{
    for (unsigned i = 0; i < MMR_NEEDS; i++)
        if (strcmp(text, need_names[i]) == 0) {
            *ret_need = 1u << i;
            return true;
        }
    return false;
}

uint32_t mmr_plugin_roles(const struct mmr_plugin *p)
{
    return (p->sensor ? (uint32_t)MMR_ROLE_SENSOR : 0) | (p->analyzer ? (uint32_t)MMR_ROLE_ANALYZER : 0) |
           (p->responder ? (uint32_t)MMR_ROLE_RESPONDER : 0) |
           (p->forwarder ? (uint32_t)MMR_ROLE_FORWARDER : 0);
}

static bool has_defending_verb(const struct mmr_plugin *p)
{
    for (const char *const *v = p->actions; v && *v; v++)
        if (strncmp(*v, "query.", 6) != 0)
            return true;
    return false;
}

uint32_t mmr_plugin_caps(const struct mmr_plugin *p, uint32_t side)
{
    uint32_t caps = 0;
    bool is_linked = p->flags & MMR_PLUGIN_LINKED;
    bool can_defend = p->responder && has_defending_verb(p);

    side &= p->side;
    if (side & MMR_SIDE_NETWORK) {
        if (p->detects & MMR_DETECT_INBOUND)
            caps |= MMR_CAP_NET_DETECT_INBOUND;
        if (p->detects & MMR_DETECT_OUTBOUND)
            caps |= MMR_CAP_NET_DETECT_OUTBOUND;
        if (can_defend)
            caps |= MMR_CAP_NET_DEFEND;
    }
    if (side & MMR_SIDE_ENDPOINT) {
        if (p->detects & MMR_DETECT_HOST)
            caps |= MMR_CAP_EP_DETECT;
        if (can_defend && !is_linked)
            caps |= MMR_CAP_EP_DEFEND;
        if (is_linked && (can_defend || p->sensor || p->analyzer))
            caps |= MMR_CAP_EP_DEFEND_LINKED;
    }
    return caps;
}

/* ---- syntax ---- */

bool mmr_plugin_id_is_valid(const char *id)
{
    size_t n = strnlen(id, ID_MAX + 1);
    if (n < 3 || n > ID_MAX || !strchr(id, '.'))
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = id[i];
        bool is_word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        bool is_mark = c == '.' || c == '-';
        if (!is_word && !is_mark)
            return false;
        if (is_mark && (i == 0 || i + 1 == n || id[i + 1] == '.' || (c == '.' && id[i + 1] == '-')))
            return false;
    }
    return true;
}

/* A number without leading zeros; returns the first character after it, or NULL. */
static const char *semver_number(const char *at)
{
    const char *from = at;
    while (*at >= '0' && *at <= '9')
        at++;
    return at == from || (at - from > 1 && *from == '0') ? NULL : at;
}

/* Dot-separated identifiers of a pre-release or build part. */
static const char *semver_identifiers(const char *at, bool is_prerelease)
{
    for (;;) {
        const char *from = at;
        bool is_number = true;
        for (; (*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || *at == '-';
             at++)
            is_number = is_number && *at >= '0' && *at <= '9';
        if (at == from || (is_prerelease && is_number && at - from > 1 && *from == '0'))
            return NULL;
        if (*at != '.')
            return at;
        at++;
    }
}

bool mmr_plugin_version_is_valid(const char *v)
{
    for (int part = 0; part < 3; part++) {
        v = semver_number(v);
        if (!v || (part < 2 && *v++ != '.'))
            return false;
    }
    if (*v == '-')
        v = semver_identifiers(v + 1, true);
    if (v && *v == '+')
        v = semver_identifiers(v + 1, false);
    return v && *v == '\0';
}

bool mmr_plugin_name_is_valid(const char *dotted)
{
    size_t n = strnlen(dotted, ID_MAX + 1);
    if (n == 0 || n > ID_MAX)
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = dotted[i];
        bool is_word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
        if (!is_word && (c != '.' || i == 0 || i + 1 == n || dotted[i + 1] == '.'))
            return false;
    }
    return true;
}

/* ---- the check ---- */

struct check {
    const struct mmr_plugin *p;
    const char *id; /* for messages */
    mmr_rule_fn rule_fn; /* one of these two, or none */
    mmr_diag_fn diag;
    void *ctx;
    const char *rule; /* which of them is being looked at */
    unsigned n;
    char first[248];
};

__attribute__((format(printf, 2, 3))) static void wrong(struct check *c, const char *fmt, ...)
{
    char line[512];
    int at = snprintf(line, sizeof line, "plugin %s: ", c->id);
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(line + at, sizeof line - (size_t)at, fmt, ap);
    va_end(ap);
    if (c->n++ == 0)
        (void)snprintf(c->first, sizeof c->first, "%.*s", (int)sizeof c->first - 1, line);
    if (c->rule_fn)
        c->rule_fn(c->ctx, c->rule, line);
    if (c->diag)
        c->diag(c->ctx, line);
}

static void check_texts(struct check *c)
{
    const struct mmr_plugin *p = c->p;
    if (!p->id || !mmr_plugin_id_is_valid(p->id))
        wrong(c, "id is not reverse-DNS of 3 to 63 of [a-z0-9.-], such as \"org.example.beacon\"");
    if (!p->name || !p->name[0] || strnlen(p->name, TEXT_MAX) == TEXT_MAX)
        wrong(c, "name is missing or too long");
    if (!p->version || !mmr_plugin_version_is_valid(p->version))
        wrong(c, "version '%.40s' is no semantic version, such as \"1.0.2\"", p->version ? p->version : "");
    if (!p->license || !p->license[0] || strnlen(p->license, TEXT_MAX) == TEXT_MAX)
        wrong(c, "license is missing; give its SPDX name");
}

static void check_bits(struct check *c)
{
    const struct mmr_plugin *p = c->p;
    const uint32_t sides = MMR_SIDE_NETWORK | MMR_SIDE_ENDPOINT;
    const uint32_t detects = MMR_DETECT_INBOUND | MMR_DETECT_OUTBOUND | MMR_DETECT_HOST;
    const uint32_t needs = (1u << MMR_NEEDS) - 1, flags = MMR_PLUGIN_LINKED | MMR_PLUGIN_EXTERNAL;

    if (!(p->side & sides) || (p->side & ~sides))
        wrong(c, "side 0x%x, expected network (1), endpoint (2) or both (3)", p->side);
    if (p->detects & ~detects)
        wrong(c, "detects has unknown bits 0x%x", p->detects & ~detects);
    if (p->needs & ~needs)
        wrong(c, "needs has unknown bits 0x%x, which nobody can grant; a newer mamori may", p->needs & ~needs);
    if (p->flags & ~flags)
        wrong(c, "flags has unknown bits 0x%x", p->flags & ~flags);
    if ((p->detects & MMR_DETECT_HOST) && !(p->side & MMR_SIDE_ENDPOINT))
        wrong(c, "detects HOST, but side is not endpoint");
    if ((p->detects & (MMR_DETECT_INBOUND | MMR_DETECT_OUTBOUND)) && !(p->side & MMR_SIDE_NETWORK))
        wrong(c, "detects INBOUND or OUTBOUND, but side is not network");
    if (p->reserved || p->reserved2)
        wrong(c, "reserved fields are not 0");
}

static void check_list(struct check *c, const char *what, const char *const *list, bool is_star_ok)
{
    size_t n = 0;
    for (; list && list[n]; n++) {
        if (n == LIST_MAX) {
            wrong(c, "%s has over %d entries, or no NULL at its end", what, LIST_MAX);
            return;
        }
        if (!(is_star_ok && strcmp(list[n], "*") == 0) && !mmr_plugin_name_is_valid(list[n]))
            wrong(c, "%s: '%.64s' is no dotted name of [a-z0-9_-]", what, list[n]);
        for (size_t i = 0; i < n; i++)
            if (strcmp(list[i], list[n]) == 0)
                wrong(c, "%s: '%.64s' stands there twice", what, list[n]);
    }
}

static size_t count(const char *const *list)
{
    size_t n = 0;
    while (list && list[n] && n < LIST_MAX)
        n++;
    return n;
}

static bool has_text(const char *const *list, const char *text)
{
    for (size_t n = count(list), i = 0; i < n; i++)
        if (strcmp(list[i], text) == 0)
            return true;
    return false;
}

static void check_events(struct check *c)
{
    static const char *const ours[] = {"receipt", "sensor.lost", "sensor.back", "plugin.refused", "events.lost"};
    for (size_t n = count(c->p->events), i = 0; i < n; i++)
        for (size_t j = 0; j < sizeof ours / sizeof ours[0]; j++)
            if (strcmp(c->p->events[i], ours[j]) == 0)
                wrong(c, "events: '%s' is the core's own kind; a plugin cannot emit it", ours[j]);
}

/* A role's table: big enough for its functions, and they are there. */
static void check_roles(struct check *c)
{
    const struct mmr_plugin *p = c->p;
    const struct mmr_sensor_ops *s = p->sensor;
    const struct mmr_analyzer_ops *a = p->analyzer;
    const struct mmr_responder_ops *r = p->responder;
    const struct mmr_forwarder_ops *f = p->forwarder;

    if (s && (!MMR_HAS(s, stop) || !s->start || !s->stop))
        wrong(c, "sensor: struct_size too small, or start or stop missing");
    if (a && !MMR_HAS(a, event))
        wrong(c, "analyzer: struct_size too small");
    else if (a && !a->event && (count(p->subscribes) || !MMR_HAS(a, finish) || !a->finish))
        wrong(c, "analyzer: event is missing; only one that subscribes to nothing and has finish does without");
    if (r && (!MMR_HAS(r, reconcile) || !r->act || !r->reconcile))
        wrong(c, "responder: struct_size too small, or act or reconcile missing");
    if (f && (!MMR_HAS(f, flush) || !f->forward || !f->flush))
        wrong(c, "forwarder: struct_size too small, or forward or flush missing");
    if (!mmr_plugin_roles(p) && !p->extension)
        wrong(c, "no role: sensor, analyzer, responder, forwarder and extension are all NULL");
    if (count(p->actions) && !r)
        wrong(c, "actions are declared, but there is no responder table");
    if (r && !count(p->actions))
        wrong(c, "there is a responder table, but actions declares no verb");
    if (count(p->subscribes) && !a)
        wrong(c, "subscribes is given, but there is no analyzer table");
    if (count(p->events) && !s && !a && !r && !p->extension)
        wrong(c, "events are declared, but nothing here makes them: no sensor, analyzer, responder or extension");
    if (p->detects && !s && !a && !p->extension)
        wrong(c, "detects is declared, but there is no sensor, analyzer or extension");
    if (p->detects && !has_text(p->events, "finding"))
        wrong(c, "detects is declared, but 'finding' is not in events: nobody would hear of what it detects");
    if ((p->flags & MMR_PLUGIN_LINKED) && !r && !s && !a)
        wrong(c, "LINKED is for responders, sensors and analyzers");
}

static void check_life(struct check *c)
{
    const struct mmr_plugin *p = c->p;
    if (!p->create || !p->destroy)
        wrong(c, "create or destroy is missing");
    if (p->reload_prepare ? !p->reload_commit || !p->reload_abort : p->reload_commit || p->reload_abort)
        wrong(c, "reload_prepare, reload_commit and reload_abort come together or not at all");
}

static size_t type_size(uint32_t type)
{
    switch (type) {
    case MMR_CFG_STR: return sizeof(const char *);
    case MMR_CFG_INT: case MMR_CFG_MSEC: case MMR_CFG_BYTES: return sizeof(int64_t);
    case MMR_CFG_BOOL: return sizeof(bool);
    case MMR_CFG_STRV: return sizeof(struct mmr_strv);
    default: return 0;
    }
}

static const struct mmr_cfg_key *row_at(const struct mmr_plugin *p, size_t i)
{
    return (const void *)((const char *)p->config + i * p->config_stride);
}

static bool is_key_name(const char *name)
{
    size_t n = strnlen(name, ID_MAX + 1);
    if (n == 0 || n > ID_MAX || !(name[0] >= 'a' && name[0] <= 'z'))
        return false;
    return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == n;
}

/* The core's own filler reads the default, alone, so that the check and the start cannot disagree. */
static void check_default(struct check *c, const struct mmr_cfg_key *k)
{
    struct mmr_cfg_key rows[2] = {*k, {0}};
    struct mmr_plugin one = *c->p;
    struct mmr_error err = {.struct_size = sizeof err};
    void *filled = NULL;

    rows[0].flags &= ~(uint32_t)MMR_CFG_REQUIRED;
    one.config = rows;
    one.config_stride = sizeof rows[0];
    if (mmr_config_fill(&one, NULL, 0, &filled, &err))
        wrong(c, "config '%s': the default does not hold: %s", k->name, err.text);
    free(filled);
}

static void check_row(struct check *c, size_t i)
{
    const struct mmr_cfg_key *k = row_at(c->p, i);
    size_t size = type_size(k->type);
    unsigned before = c->n;

    if (!is_key_name(k->name))
        wrong(c, "config row %zu: name '%.64s' is no lower-case word", i, k->name);
    if (!size)
        wrong(c, "config '%.64s': unknown type %u", k->name, k->type);
    else if (k->offset % (size > 8 ? 8 : size) || (uint64_t)k->offset + size > c->p->config_size)
        wrong(c, "config '%.64s': offset %u does not fit a config struct of %u bytes", k->name, k->offset,
              c->p->config_size);
    if (k->flags & ~(uint32_t)(MMR_CFG_REQUIRED | MMR_CFG_SECRET | MMR_CFG_RELOADABLE))
        wrong(c, "config '%.64s': unknown flags 0x%x", k->name, k->flags);
    if ((k->flags & MMR_CFG_REQUIRED) && k->dflt)
        wrong(c, "config '%.64s': required, and yet it has a default", k->name);
    if ((k->flags & MMR_CFG_SECRET) && k->dflt)
        wrong(c, "config '%.64s': a secret cannot have a default", k->name);
    if (k->min > k->max)
        wrong(c, "config '%.64s': minimum is above maximum", k->name);
    if (!k->doc || !k->doc[0])
        wrong(c, "config '%.64s': doc is missing", k->name);
    for (size_t j = 0; j < i; j++) {
        const struct mmr_cfg_key *o = row_at(c->p, j);
        if (strcmp(o->name, k->name) == 0)
            wrong(c, "config '%.64s' is declared twice", k->name);
        else if (size && k->offset < o->offset + type_size(o->type) && o->offset < k->offset + size)
            wrong(c, "config '%.64s' and '%.64s' lie on each other", o->name, k->name);
    }
    if (before == c->n && k->dflt)
        check_default(c, k);
}

static void check_config(struct check *c)
{
    const struct mmr_plugin *p = c->p;
    if (!p->config) {
        if (p->config_size)
            wrong(c, "config_size is %u, but config is NULL", p->config_size);
        return;
    }
    if (p->config_stride < sizeof(struct mmr_cfg_key) || p->config_stride % 8) {
        wrong(c, "config_stride is %u, expected at least %zu and whole 8 bytes; use MMR_PLUGIN_HEAD",
              p->config_stride, sizeof(struct mmr_cfg_key));
        return;
    }
    if (p->config_size == 0 || p->config_size > CONFIG_SIZE_MAX) {
        wrong(c, "config_size is %u, expected 1 to %d", p->config_size, CONFIG_SIZE_MAX);
        return;
    }
    for (size_t i = 0; row_at(p, i)->name; i++) {
        if (i == LIST_MAX) {
            wrong(c, "config has over %d rows, or no {0} at its end", LIST_MAX);
            return;
        }
        check_row(c, i);
    }
}

static int check_all(struct check *all, struct mmr_error *err)
{
    struct check c = *all;
    const struct mmr_plugin *p = c.p;
    c.id = "?";
    c.rule = MMR_RULE_ABI;

    /* the size first: nothing behind it may be read before */
    if (!MMR_HAS(p, extension)) {
        wrong(&c, "descriptor of %u bytes, expected at least %zu; build it against this SDK with MMR_PLUGIN_HEAD",
              p->struct_size, offsetof(struct mmr_plugin, extension) + sizeof p->extension);
        return mmr_fail(err, MMR_EUNSUPPORTED, "%s", c.first);
    }
    if (p->id && mmr_plugin_id_is_valid(p->id))
        c.id = p->id;
    if (p->abi_major != MMR_ABI_MAJOR) {
        wrong(&c, "built for ABI %u.%u, this is %d.%d; rebuild it against this SDK", p->abi_major, p->abi_minor,
              MMR_ABI_MAJOR, MMR_ABI_MINOR);
        return mmr_fail(err, MMR_EUNSUPPORTED, "%s", c.first);
    }
    if (p->min_host_minor > MMR_ABI_MINOR) {
        wrong(&c, "needs a host of ABI %u.%u, this is %d.%d; update mamori", p->abi_major, p->min_host_minor,
              MMR_ABI_MAJOR, MMR_ABI_MINOR);
        return mmr_fail(err, MMR_EUNSUPPORTED, "%s", c.first);
    }
    c.rule = MMR_RULE_DESCRIPTOR;
    check_texts(&c);
    check_list(&c, "events", p->events, false);
    check_list(&c, "actions", p->actions, false);
    check_list(&c, "subscribes", p->subscribes, true);
    check_events(&c);
    check_life(&c);
    c.rule = MMR_RULE_CAPABILITIES;
    check_bits(&c);
    check_roles(&c);
    c.rule = MMR_RULE_CONFIG;
    check_config(&c);
    if (c.n == 0)
        return 0;
    if (c.n == 1)
        return mmr_fail(err, MMR_EBADMSG, "%s", c.first);
    return mmr_fail(err, MMR_EBADMSG, "%.220s (and %u more)", c.first, c.n - 1);
}

int mmr_plugin_check(const struct mmr_plugin *p, mmr_diag_fn diag, void *ctx, struct mmr_error *err)
{
    struct check c = {.p = p, .diag = diag, .ctx = ctx};
    return check_all(&c, err);
}

int mmr_plugin_check_rules(const struct mmr_plugin *p, mmr_rule_fn rule_fn, void *ctx, struct mmr_error *err)
{
    struct check c = {.p = p, .rule_fn = rule_fn, .ctx = ctx};
    return check_all(&c, err);
}

int mmr_plugin_check_grant(const struct mmr_plugin *p, uint32_t side, uint32_t needs,
                           struct mmr_strv actions, mmr_diag_fn diag, void *ctx, uint32_t *ret_side,
                           struct mmr_error *err)
{
    struct check c = {.p = p, .id = p->id, .diag = diag, .ctx = ctx};
    bool is_forwarder_only = mmr_plugin_roles(p) == MMR_ROLE_FORWARDER;

    if (side == 0)
        side = is_forwarder_only && (p->side & MMR_SIDE_NETWORK) ? (uint32_t)MMR_SIDE_NETWORK : p->side;
    if (side != MMR_SIDE_NETWORK && side != MMR_SIDE_ENDPOINT)
        wrong(&c, "works on both sides; say `side: network` or `side: endpoint`");
    else if (!(side & p->side))
        wrong(&c, "does not work on the %s side", side == MMR_SIDE_NETWORK ? "network" : "endpoint");
    for (unsigned i = 0; i < MMR_NEEDS; i++)
        if ((p->needs & ~needs) & (1u << i))
            wrong(&c, "needs '%s', which is not granted; add it to the entry's grant", need_names[i]);
    for (size_t n = count(p->actions), i = 0; actions.v && i < n; i++) {
        bool is_granted = false;
        for (size_t j = 0; j < actions.n; j++)
            is_granted = is_granted || strcmp(actions.v[j], p->actions[i]) == 0;
        if (!is_granted)
            wrong(&c, "action '%s' is not granted; add it to the entry's grant", p->actions[i]);
    }
    if (c.n)
        return mmr_fail(err, MMR_EPERM, "%.220s%s", c.first, c.n > 1 ? " (and more)" : "");
    *ret_side = side;
    return 0;
}
