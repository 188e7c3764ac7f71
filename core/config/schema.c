/* schema.c - the table of the core's keys, and the check of a merged tree against it. */
#include "config/schema.h"

#include "config/value.h"
#include "util/nearest.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define PRIVATE_NETS "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7"

const struct mmr_schema_row mmr_schema[] = {
    {"deployment", MMR_CFG_CHOICE, "office", "office passive-tap inline-gateway endpoint none", 0, 0,
     "which reference deployment this site starts from"},
    {"profile", MMR_CFG_CHOICE, "default", "default service", 0, 0,
     "service: only what the signed tool manifest lists is loaded and counted"},
    {"language", MMR_CFG_CHOICE, "auto", "auto ja en", 0, 0, "language of what people read"},
    {"log.level", MMR_CFG_CHOICE, "info", "error warn info debug", 0, 0, "how much is logged"},
    {"node.name", MMR_CFG_STR, NULL, NULL, 0, 0, "this machine's name; the host name when unset"},
    {"node.role", MMR_CFG_CHOICE, "hub", "hub endpoint", 0, 0, "hub: has the brain; endpoint: joins a hub"},
    {"node.state_dir", MMR_CFG_STR, "/var/lib/mamori", NULL, 0, 0, "where state is kept across restarts"},
    {"node.run_dir", MMR_CFG_STR, "/run/mamori", NULL, 0, 0, "where sockets are made"},
    {"node.device_maker", MMR_CFG_STR, NULL, NULL, 0, 0, "who made this machine, for the terms of service ('mamori disclose'); unset: as its firmware says"},
    {"node.device_model", MMR_CFG_STR, NULL, NULL, 0, 0, "its model"},
    {"node.plugin_dirs", MMR_CFG_STRV, NULL, NULL, 0, 0, "folders searched for plugin files"},
    {"site.name", MMR_CFG_STR, "office", NULL, 0, 0, "the office"},
    {"site.tenant", MMR_CFG_STR, "default", NULL, 0, 0, "the user company"},
    {"site.service", MMR_CFG_STR, "mamori", NULL, 0, 0, "the registered service"},
    {"site.home_net", MMR_CFG_STRV, PRIVATE_NETS, NULL, 0, 0, "networks of the office"},
    {"site.gateway", MMR_CFG_STRV, NULL, NULL, 0, 0, "gateways, never blocked; the default route's is always added"},
    {"site.dns", MMR_CFG_STRV, NULL, NULL, 0, 0, "name servers, never blocked; the machine's own are always added"},
    {"site.listen", MMR_CFG_STR, NULL, NULL, 0, 0, "hub: tcp://ADDRESS:PORT where endpoints connect (urgent; bulk is the next port, joining the one after)"},
    {"site.hub", MMR_CFG_STR, NULL, NULL, 0, 0, "endpoint: tcp://ADDRESS:PORT of the hub"},
    {"site.hub_key", MMR_CFG_STR, NULL, NULL, 0, 0, "endpoint: file with the hub's public keys"},
    {"site.spool", MMR_CFG_BYTES, "256M", NULL, 4194304, 0x7fffffffffff, "endpoint: most disk space for what the hub has not got yet"},
    {"site.approve", MMR_CFG_CHOICE, "auto", "auto by_hand", 0, 0,
     "hub: a machine with a good token may connect at once, or waits for 'mamori node approve'"},
    {"site.gap_after", MMR_CFG_MSEC, "5m", NULL, 1000, 86400000, "a machine or part that did not watch for longer is a gap in the record"},
    {"site.nodes.*.key", MMR_CFG_STR, NULL, NULL, 0, 0, "hub: file with this node's public keys"},
    {"site.nodes.*.ip", MMR_CFG_STRV, NULL, NULL, 0, 0, "hub: addresses of this node"},
    {"upstream.collector", MMR_CFG_STR, NULL, NULL, 0, 0, "hub: tcp://ADDRESS:PORT of the provider's collector; 'mamori upstream join' sets it"},
    {"upstream.also", MMR_CFG_STRV, NULL, NULL, 0, 0, "hub: further addresses of that collector, tried in turn when it is not reached"},
    {"upstream.collector_key", MMR_CFG_STR, NULL, NULL, 0, 0, "hub: file with the collector's public keys"},
    {"upstream.name", MMR_CFG_STR, NULL, NULL, 0, 0, "hub: this site's name at the collector"},
    {"collector.file", MMR_CFG_STR, NULL, NULL, 0, 0, "collector: file for what the sites send, a line of OCSF JSON each; without it nothing is written out"},
    {"collector.engine", MMR_CFG_STRV, NULL, NULL, 0, 0, "collector: servers of the engine that records go to: nats://HOST:PORT, tls://HOST:PORT, or one postgresql://USER@HOST/DATABASE"},
    {"collector.engine_stream", MMR_CFG_STR, "mamori", NULL, 0, 0, "collector: the engine's stream, or table; acknowledged to a site when it is in there"},
    {"collector.engine_subject", MMR_CFG_STR, "mamori.v1", NULL, 0, 0, "collector: begin of subjects: SUBJECT.TENANT.SITE.urgent|other.KIND"},
    {"collector.engine_login", MMR_CFG_STR, NULL, NULL, 0, 0, "collector: file (mode 0600) with user and password, token, nkey or credentials for the engine; with PostgreSQL a password file of its own form"},
    {"collector.engine_ca", MMR_CFG_STR, NULL, NULL, 0, 0, "collector: file with the authorities whose certificates the engine's servers may have"},
    {"collector.engine_monitor", MMR_CFG_STRV, NULL, NULL, 0, 0, "collector: http://HOST:8222 of the engine's servers, to see whether they write before they acknowledge"},
    {"collector.engine_replicas", MMR_CFG_INT, "3", NULL, 0, 5, "collector: servers that hold the stream when it has to be made; 0: it (or the table) is never made"},
    {"collector.engine_dedup", MMR_CFG_MSEC, "1h", NULL, 1000, 604800000, "collector: how long the stream, when it has to be made, knows a record that comes again"},
    {"collector.sites", MMR_CFG_STR, NULL, NULL, 0, 0, "collector: file with the sites' names and keys; with it the collector keeps nothing itself, and any number may run side by side"},
    {"collector.silent_after", MMR_CFG_MSEC, "10m", NULL, 1000, 604800000, "collector: a site that was not heard for longer is named as silent"},
    {"collector.keep", MMR_CFG_MSEC, "90d", NULL, 3600000, 31536000000, "collector: how long it remembers what it has taken, and incidents that are closed"},
    {"assets.*.ip", MMR_CFG_STRV, NULL, NULL, 0, 0, "addresses of this machine"},
    {"assets.*.role", MMR_CFG_CHOICE, "client",
     "client server domain-controller gateway dns printer nas office_device other", 0, 0, "what the machine is"},
    {"assets.*.important_info", MMR_CFG_CHOICE, "unknown", "yes no unknown", 0, 0,
     "does it hold important information; unknown counts as yes"},
    {"exits.*.kind", MMR_CFG_CHOICE, "line", "line vpn mobile other", 0, 0, "a way out of the office: what it is"},
    {"exits.*.sensor", MMR_CFG_STR, NULL, NULL, 0, 0, "the capture instance that sees it; unset: none, a gap in coverage"},
    {"assets.*.place", MMR_CFG_STR, NULL, NULL, 0, 0, "where staff know it to stand, as messages to people say it; its name when unset"},
    {"defence.mode", MMR_CFG_CHOICE, "dry_run", "dry_run auto", 0, 0,
     "dry_run: say what would be done; auto: do what is agreed to"},
    {"defence.auto_actions_agreed", MMR_CFG_STRV, NULL, NULL, 0, 0,
     "verbs that may run by themselves, or 'all'"},
    {"defence.agreed_by", MMR_CFG_STR, NULL, NULL, 0, 0, "who agreed to automatic defence ('mamori agree')"},
    {"defence.agreed_at", MMR_CFG_STR, NULL, NULL, 0, 0, "when; RFC 3339"},
    {"defence.never_block", MMR_CFG_STRV, NULL, NULL, 0, 0, "addresses, networks and names never acted against"},
    {"defence.inside_crosses_gateway", MMR_CFG_BOOL, "no", NULL, 0, 0,
     "traffic between inside machines passes the blocking gateway, so that it can cut them off from each other"},
    {"defence.ttl", MMR_CFG_MSEC, "1h", NULL, 1000, 86400000, "lease of a block; renewed while the threat lasts"},
    {"defence.per_minute", MMR_CFG_INT, "60", NULL, 1, 100000, "most actions a minute before automatic defence stops"},
    {"defence.per_hour", MMR_CFG_INT, "300", NULL, 1, 1000000, "most actions an hour"},
    {"defence.share_of_hosts", MMR_CFG_INT, "30", NULL, 1, 100, "most inside hosts acted against at once, per cent"},
    {"defence.action_timeout", MMR_CFG_MSEC, "3s", NULL, 50, 60000, "no answer by then: the next candidate"},
    {"correlate.window", MMR_CFG_MSEC, "30m", NULL, 1000, 604800000, "findings of one host further apart are another story"},
    {"correlate.rules", MMR_CFG_STRV, NULL, NULL, 0, 0, "files or folders of Sigma correlation rules over the findings of all machines"},
    {"correlate.max_incidents", MMR_CFG_INT, "20000", NULL, 16, 1000000, "open incidents kept"},
    {"correlate.max_connections", MMR_CFG_INT, "100000", NULL, 64, 10000000, "recent connections remembered"},
    {"notify.watchword", MMR_CFG_STR, NULL, NULL, 0, 0, "word in every message by which your people know it is not forged"},
    {"notify.phone", MMR_CFG_STR, NULL, NULL, 0, 0, "number that messages ask to call"},
    {"notify.confirm_url", MMR_CFG_STR, NULL, NULL, 0, 0, "https://NAME as people outside reach the 'answers' plugin; unset: messages carry no link"},
    {"notify.contacts.*.role", MMR_CFG_CHOICE, "user", "user duty manager partner", 0, 0, "user: of the company; the others: of the provider"},
    {"notify.contacts.*.mail", MMR_CFG_STR, NULL, NULL, 0, 0, "mail address"},
    {"notify.contacts.*.sms", MMR_CFG_STR, NULL, NULL, 0, 0, "number for short messages, +81901234567"},
    {"notify.contacts.*.voice", MMR_CFG_STR, NULL, NULL, 0, 0, "number to call"},
    {"notify.contacts.*.push", MMR_CFG_STR, NULL, NULL, 0, 0, "name or room in what carries pushed messages (a chat, the screen)"},
    {"notify.channels.mail.through", MMR_CFG_STR, "mail", NULL, 0, 0, "forwarder instance that carries mail"},
    {"notify.channels.mail.carrier", MMR_CFG_STR, "internet", NULL, 0, 0, "whose network it goes by; two independent ones must be named in all"},
    {"notify.channels.mail.second", MMR_CFG_STR, NULL, NULL, 0, 0, "forwarder instance of a second carrier, used from minute 45 and when the first is broken"},
    {"notify.channels.mail.second_carrier", MMR_CFG_STR, "second", NULL, 0, 0, "whose network that is"},
    {"notify.channels.sms.through", MMR_CFG_STR, "sms", NULL, 0, 0, "forwarder instance that carries short messages"},
    {"notify.channels.sms.carrier", MMR_CFG_STR, "telephone", NULL, 0, 0, "whose network it goes by"},
    {"notify.channels.sms.second", MMR_CFG_STR, NULL, NULL, 0, 0, "forwarder instance of a second carrier"},
    {"notify.channels.sms.second_carrier", MMR_CFG_STR, "second", NULL, 0, 0, "whose network that is"},
    {"notify.channels.voice.through", MMR_CFG_STR, "voice", NULL, 0, 0, "forwarder instance that calls"},
    {"notify.channels.voice.carrier", MMR_CFG_STR, "telephone", NULL, 0, 0, "whose network it goes by"},
    {"notify.channels.voice.second", MMR_CFG_STR, NULL, NULL, 0, 0, "forwarder instance of a second carrier"},
    {"notify.channels.voice.second_carrier", MMR_CFG_STR, "second", NULL, 0, 0, "whose network that is"},
    {"notify.channels.push.through", MMR_CFG_STR, "screen", NULL, 0, 0, "forwarder instance that carries pushed messages"},
    {"notify.channels.push.carrier", MMR_CFG_STR, "internet", NULL, 0, 0, "whose network it goes by"},
    {"notify.channels.push.second", MMR_CFG_STR, NULL, NULL, 0, 0, "forwarder instance of a second carrier"},
    {"notify.channels.push.second_carrier", MMR_CFG_STR, "second", NULL, 0, 0, "whose network that is"},
    {"notify.weekly", MMR_CFG_BOOL, "yes", NULL, 0, 0, "send the weekly report to every user contact with a mail address"},
    {"metrics.listen", MMR_CFG_STR, NULL, NULL, 0, 0,
     "ADDRESS:PORT or unix:/PATH where measurements are read (/metrics, OpenMetrics), as in 127.0.0.1:9464; unset: nowhere"},
    {"metrics.open", MMR_CFG_BOOL, "no", NULL, 0, 0, "yes: metrics.listen may be an address that others can reach; whoever does reads them"},
    {"support.free_visits", MMR_CFG_INT, "0", NULL, 0, 12, "visits a contract year that cost the user nothing, as the contract says (the standard asks for one); 0: the report does not speak of them"},
    {"support.year_from", MMR_CFG_STR, "01-01", NULL, 0, 0, "first day of the contract year, MM-DD"},
    {"supervise.ready_timeout", MMR_CFG_MSEC, "20s", NULL, 100, 600000, "a plugin host must be ready by then"},
    {"supervise.stuck_timeout", MMR_CFG_MSEC, "10s", NULL, 500, 600000, "a loop that stands still this long is ended"},
    {"supervise.memory_max", MMR_CFG_BYTES, "512M", NULL, 16777216, 0x7fffffffffff, "most memory of one plugin host"},
    {"supervise.restart_delay", MMR_CFG_MSEC, "200ms", NULL, 10, 60000, "first pause before a restart; doubles"},
    {"supervise.quarantine_after", MMR_CFG_INT, "5", NULL, 1, 1000, "ends within ten minutes that quarantine a host"},
    {"tools.*.maker", MMR_CFG_STR, NULL, NULL, 0, 0, "a monitoring tool that is not ours and sends us what it finds: who makes it"},
    {"tools.*.model", MMR_CFG_STR, NULL, NULL, 0, 0, "what it is called"},
    {"tools.*.version", MMR_CFG_STR, NULL, NULL, 0, 0, "its version"},
    {"sandbox.users", MMR_CFG_CHOICE, "own", "own off", 0, 0, "own: each plugin host runs as a user of its own; off: as the user mamori runs as"},
    {"sandbox.first_user", MMR_CFG_INT, "1881000000", NULL, 1000, 2147000000, "first of the 65536 user and group numbers for plugin hosts; nobody else may use them"},
    {"trust.require", MMR_CFG_CHOICE, "registered", "any registered signed manifest", 0, 0,
     "what a plugin file must be to run; bundled ones are taken as registered and signed; profile: service is always manifest"},
    {"trust.keys_dir", MMR_CFG_STR, "/etc/mamori/keys.d", NULL, 0, 0, "the key ring: whose signatures count"},
    {"trust.register_dir", MMR_CFG_STR, "/etc/mamori/plugins.d", NULL, 0, 0, "what 'mamori plugin register' wrote"},
    {"trust.manifest", MMR_CFG_STR, "/etc/mamori/tools.yaml", NULL, 0, 0, "the signed tool manifest; its signature lies beside it, with .minisig behind its name"},
    {"plugins.*.plugin", MMR_CFG_STR, NULL, NULL, 0, 0, "plugin id"},
    {"plugins.*.file", MMR_CFG_STR, NULL, NULL, 0, 0, "the .so to load; without it the bundled plugin of that id"},
    {"plugins.*.exec", MMR_CFG_STR, NULL, NULL, 0, 0, "the program that is this plugin, in any language: docs/plugin-protocol.md"},
    {"plugins.*.host", MMR_CFG_STR, NULL, NULL, 0, 0, "process shared by instances that name the same"},
    {"plugins.*.user", MMR_CFG_CHOICE, "own", "own service", 0, 0,
     "service: its host runs as the user mamori runs as, for what only that user may do, such as a socket in a folder of root's"},
    {"plugins.*.side", MMR_CFG_CHOICE, NULL, "network endpoint", 0, 0, "for plugins that can be of either side"},
    {"plugins.*.enabled", MMR_CFG_BOOL, "yes", NULL, 0, 0, "no: known but not started"},
    {"plugins.*.tool", MMR_CFG_STR, NULL, NULL, 0, 0,
     "the entry of 'tools:' this instance speaks for; without it, what such an instance brings gives no capability"},
    {"plugins.*.dry_run", MMR_CFG_BOOL, "no", NULL, 0, 0, "responder: check and report, change nothing"},
    {"plugins.*.takes", MMR_CFG_STRV, "incident,receipt", NULL, 0, 0,
     "forwarder: which records it gets, of incident, receipt, notice and report"},
    {"plugins.*.config", MMR_CFG_ANY, NULL, NULL, 0, 0, "the plugin's own keys"},
    {0},
};

/* Does the dotted pattern stand for path, or (is_prefix) for something below it? */
static bool path_matches(const char *pattern, const char *path, bool is_prefix)
{
    while (*path) {
        size_t a = strcspn(pattern, "."), b = strcspn(path, ".");
        if (!(a == 1 && *pattern == '*') && (a != b || memcmp(pattern, path, a) != 0))
            return false;
        pattern += a;
        path += b;
        if (!*path)
            return is_prefix ? *pattern == '.' : !*pattern;
        if (!*pattern)
            return false;
        pattern++;
        path++;
    }
    return is_prefix;
}

const struct mmr_schema_row *mmr_schema_find(const char *path)
{
    for (const struct mmr_schema_row *r = mmr_schema; r->path; r++)
        if (path_matches(r->path, path, false))
            return r;
    return NULL;
}

static bool is_section(const char *path)
{
    for (const struct mmr_schema_row *r = mmr_schema; r->path; r++)
        if (path_matches(r->path, path, true))
            return true;
    return false;
}

struct check {
    mmr_diag_fn diag;
    void *ctx;
    unsigned problems;
};

static void unknown_key(struct check *c, const struct mmr_yaml *at, const char *parent, const char *path)
{
    const char *best = NULL;
    char words[128][64];
    size_t n = 0, distance = SIZE_MAX;
    size_t plen = strlen(parent);
    for (const struct mmr_schema_row *r = mmr_schema; r->path && n < 128; r++) {
        const char *p = r->path;
        if (plen) { /* skip the components of the parent */
            if (!path_matches(r->path, parent, true))
                continue;
            for (const char *s = parent; s; s = strchr(s, '.'), s = s ? s + 1 : NULL)
                p += strcspn(p, ".") + 1;
        }
        size_t len = strcspn(p, ".");
        if (len >= sizeof words[0] || *p == '*')
            continue;
        memcpy(words[n], p, len);
        words[n][len] = '\0';
        mmr_nearest(at->key, words[n], &best, &distance);
        n++;
    }
    struct mmr_yaml key_at = *at;
    key_at.line = at->key_line;
    key_at.column = at->key_column;
    if (best)
        mmr_yaml_diag(c->diag, c->ctx, &key_at, "unknown key '%s'; did you mean '%s'?", path, best);
    else
        mmr_yaml_diag(c->diag, c->ctx, &key_at, "unknown key '%s'", path);
    c->problems++;
}

static bool in_choices(const char *choices, const char *text)
{
    size_t len = strlen(text);
    for (const char *p = choices; *p; p += strspn(p, " ")) {
        size_t n = strcspn(p, " ");
        if (n == len && memcmp(p, text, n) == 0)
            return true;
        p += n;
    }
    return false;
}

static void check_value(struct check *c, const struct mmr_yaml *n, const char *path,
                        const struct mmr_schema_row *row)
{
    char why[200];
    int64_t v;
    if (row->type == MMR_CFG_ANY) {
        if (n->type != MMR_YAML_MAP && n->type != MMR_YAML_NULL) {
            mmr_yaml_diag(c->diag, c->ctx, n, "'%s' must be a map of the plugin's keys", path);
            c->problems++;
        }
        return;
    }
    if (row->type == MMR_CFG_STRV) {
        bool is_ok = n->type == MMR_YAML_LIST;
        for (const struct mmr_yaml *i = n->first; is_ok && i; i = i->next)
            is_ok = i->type == MMR_YAML_SCALAR;
        if (!is_ok) {
            mmr_yaml_diag(c->diag, c->ctx, n, "'%s' must be a list of plain values, as in [a, b]", path);
            c->problems++;
        }
        return;
    }
    if (n->type != MMR_YAML_SCALAR) {
        mmr_yaml_diag(c->diag, c->ctx, n, "'%s' must be %s", path,
                      row->type == MMR_CFG_CHOICE ? row->choices : mmr_value_type_name(row->type));
        c->problems++;
    } else if (row->type == MMR_CFG_CHOICE) {
        if (!in_choices(row->choices, n->text)) {
            mmr_yaml_diag(c->diag, c->ctx, n, "'%s' must be one of: %s; found '%.60s'", path, row->choices, n->text);
            c->problems++;
        }
    } else if (row->type != MMR_CFG_STR && !mmr_value_parse(row->type, n->text, row->min, row->max, &v, why, sizeof why)) {
        mmr_yaml_diag(c->diag, c->ctx, n, "'%s' %s", path, why);
        c->problems++;
    }
}

static void check_map(struct check *c, const struct mmr_yaml *map, const char *parent)
{
    for (const struct mmr_yaml *n = map->first; n; n = n->next) {
        char path[512];
        int len = snprintf(path, sizeof path, "%s%s%s", parent, *parent ? "." : "", n->key);
        if (len < 0 || (size_t)len >= sizeof path || strchr(n->key, '.')) {
            mmr_yaml_diag(c->diag, c->ctx, n, "'%.60s': a key may not contain a dot; nest instead", n->key);
            c->problems++;
            continue;
        }
        const struct mmr_schema_row *row = mmr_schema_find(path);
        if (row)
            check_value(c, n, path, row);
        else if (!is_section(path))
            unknown_key(c, n, parent, path);
        else if (n->type == MMR_YAML_MAP)
            check_map(c, n, path);
        else if (n->type != MMR_YAML_NULL) {
            mmr_yaml_diag(c->diag, c->ctx, n, "'%s' must be a map", path);
            c->problems++;
        }
    }
}

unsigned mmr_schema_check(const struct mmr_yaml *root, mmr_diag_fn diag, void *ctx)
{
    struct check c = {.diag = diag, .ctx = ctx};
    if (root)
        check_map(&c, root, "");
    return c.problems;
}
