/*
 * cmd_rules.c - `mamori rules check` and `mamori rules match`: network signature rules alone, without a
 * running sensor. `match` runs capture, flow, protocols and signature over a recorded capture.
 */
#include "cli/command.h"
#include "config/config.h"
#include "plugin/builtin.h"
#include "plugin/load.h"
#include "plugin/replay.h"
#include "plugin/runtime.h"
#include "util/scope.h"

#include <getopt.h>
#include <json-c/json.h>
#include <libgen.h>
#include <limits.h>
#include <mamori/net.h>
#include <msgpack.h>
#include <rules/rules.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARGS_MAX = 256 };

static int say(const char *text, int status)
{
    (void)fprintf(stderr, "mamori rules: %s\n", text);
    return status;
}

/* ---- check ---- */

struct check {
    size_t bad;
};

static void print_diag(void *ctx, const struct mmr_rule_diag *d)
{
    struct check *c = ctx;
    struct json_object *o = json_object_new_object(), *list = json_object_new_array();
    c->bad += !d->is_ok;
    json_object_object_add(o, "file", json_object_new_string(d->file));
    json_object_object_add(o, "line", json_object_new_int64(d->line));
    json_object_object_add(o, "sid", json_object_new_int64(d->sid));
    json_object_object_add(o, "ok", json_object_new_boolean(d->is_ok));
    if (d->is_enabled)
        json_object_object_add(o, "enabled", json_object_new_boolean(true));
    if (d->is_disabled)
        json_object_object_add(o, "disabled", json_object_new_boolean(true));
    for (size_t i = 0; i < d->n_unsupported; i++)
        json_object_array_add(list, json_object_new_string(d->unsupported[i]));
    json_object_object_add(o, "unsupported", list);
    if (d->reason[0])
        json_object_object_add(o, d->is_ok ? "notice" : "reason", json_object_new_string(d->reason));
    (void)puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    (void)json_object_put(o);
}

struct choice { /* --enable and --disable */
    const char *v[2][ARGS_MAX];
    size_t n[2];
};

static void name_idle(const struct mmr_rules *set)
{
    const char *entry;
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; (entry = mmr_rules_idle(set, k, i)); i++)
            (void)fprintf(stderr, "mamori rules: --%s %s: no rule of these files is meant by it\n", k ? "disable" : "enable", entry);
}

static int check(const char *const *files, size_t n, const char *home_net, const struct choice *choice)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_rules_config cfg = {.home_net = home_net, .enable = choice->v[0], .n_enable = choice->n[0], .disable = choice->v[1], .n_disable = choice->n[1]};
    struct mmr_rules *set = NULL;
    struct check c = {0};
    int rc = mmr_rules_new(&cfg, &set, &err);
    if (rc < 0)
        return say(err.text, MMR_EXIT_USAGE);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = mmr_rules_add_file(set, files[i], print_diag, &c, &err);
    if (rc == 0)
        name_idle(set);
    mmr_rules_free(set);
    if (rc < 0)
        return say(err.text, rc == MMR_EIO ? MMR_EXIT_FAILED : MMR_EXIT_USAGE);
    return c.bad ? MMR_EXIT_NO : MMR_EXIT_OK;
}

/* ---- match ---- */

struct count { /* alerts by sid, sorted */
    uint32_t *sid;
    uint64_t *n;
    size_t len, cap;
    bool is_out_of_memory;
};

static void add_alert(struct count *c, uint32_t sid)
{
    size_t lo = 0, hi = c->len;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (c->sid[mid] < sid)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo < c->len && c->sid[lo] == sid) {
        c->n[lo]++;
        return;
    }
    if (c->len == c->cap) {
        size_t cap = c->cap ? c->cap * 2 : 64;
        uint32_t *s = realloc(c->sid, cap * sizeof *s);
        if (s)
            c->sid = s;
        uint64_t *n = s ? realloc(c->n, cap * sizeof *n) : NULL;
        if (!n) {
            c->is_out_of_memory = true;
            return;
        }
        c->n = n;
        c->cap = cap;
    }
    memmove(c->sid + lo + 1, c->sid + lo, (c->len - lo) * sizeof *c->sid);
    memmove(c->n + lo + 1, c->n + lo, (c->len - lo) * sizeof *c->n);
    c->sid[lo] = sid;
    c->n[lo] = 1;
    c->len++;
}

/* A small analyzer of our own that listens to the alerts. */
static void on_alert(void *self, const void *item)
{
    const struct mmr_alert *a = item;
    add_alert(self, a->sid);
}

static int counter_create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    (void)host;
    (void)config;
    struct count *c = calloc(1, sizeof *c);
    if (!c)
        return mmr_fail(err, MMR_ENOMEM, "rules: out of memory");
    *ret_self = c;
    return 0;
}

static void counter_destroy(void *self)
{
    struct count *c = self;
    if (!c)
        return;
    free(c->sid);
    free(c->n);
    free(c);
}

static int counter_event(void *self, const void *msgpack, size_t len, struct mmr_error *err)
{
    (void)self;
    (void)msgpack;
    (void)len;
    (void)err;
    return 0;
}

static const void *counter_extension(const char *id)
{
    static const struct mmr_sink sink = {.struct_size = sizeof sink, .item = on_alert};
    return strcmp(id, MMR_TOPIC_ALERT) == 0 ? &sink : NULL;
}

static const struct mmr_analyzer_ops counter_ops = {.struct_size = sizeof counter_ops, .event = counter_event};
static const char *const counter_subscribes[] = {NULL};
static const char *const counter_events[] = {"finding", NULL};
static const struct mmr_plugin counter = {
    MMR_PLUGIN_HEAD,
    .side = MMR_SIDE_NETWORK,
    .detects = MMR_DETECT_INBOUND,
    .id = "org.mamori.rules-count",
    .name = "rules-count",
    .version = "0.1.0",
    .vendor = "mamori",
    .license = "Apache-2.0",
    .doc = "counts the alerts of the signature rules",
    .events = counter_events,
    .subscribes = counter_subscribes,
    .create = counter_create,
    .destroy = counter_destroy,
    .analyzer = &counter_ops,
    .extension = counter_extension,
};

/* Configuration texts as a flat map: { key: [text, ...] or text }. */
struct pack {
    msgpack_sbuffer buf;
    msgpack_packer pk;
};
static void pack_begin(struct pack *p, size_t n)
{
    msgpack_sbuffer_init(&p->buf);
    msgpack_packer_init(&p->pk, &p->buf, msgpack_sbuffer_write);
    (void)msgpack_pack_map(&p->pk, n);
}
static void pack_text(struct pack *p, const char *text)
{
    size_t n = strlen(text);
    (void)msgpack_pack_str(&p->pk, n);
    (void)msgpack_pack_str_body(&p->pk, text, n);
}
static void pack_list(struct pack *p, const char *key, const char *const *v, size_t n)
{
    pack_text(p, key);
    (void)msgpack_pack_array(&p->pk, n);
    for (size_t i = 0; i < n; i++)
        pack_text(p, v[i]);
}

struct match {
    const char *rules[ARGS_MAX], *pcaps[ARGS_MAX], *nets[ARGS_MAX];
    size_t n_rules, n_pcaps, n_nets;
    struct choice choice;
    char *nets_text; /* what nets[] points into */
    bool is_midstream;
};

/* Beside the executable in a build tree, or in the installed place. */
static int get_plugin(const char *id, const struct mmr_plugin **ret, struct mmr_error *err)
{
    static const char *const places[] = {"plugins", "../lib/mamori/plugins", "../lib64/mamori/plugins"};
    char self[PATH_MAX], dir[PATH_MAX + 64];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0)
        return mmr_fail(err, MMR_EIO, "the executable's own place cannot be read");
    self[n] = 0;
    const char *base = dirname(self);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        (void)snprintf(dir, sizeof dir, "%s/%s", base, places[i]);
        if (access(dir, X_OK) == 0)
            break;
    }
    return mmr_plugin_get(mmr_builtin_plugins, dir, id, NULL, ret, err); /* a built-in wins over the folder */
}

static int add_instance(struct mmr_runtime *rt, const struct mmr_plugin *p, const char *name, const struct pack *conf,
                        uint32_t *ret_index, struct mmr_error *err)
{
    struct mmr_runtime_instance in = {.plugin = p, .name = name, .side = MMR_SIDE_NETWORK, .state_dir = "",
                                      .packed = conf ? (const uint8_t *)conf->buf.data : NULL,
                                      .packed_len = conf ? conf->buf.size : 0};
    return mmr_runtime_add(rt, &in, ret_index, err);
}

static void warn(void *ctx, const char *line)
{
    (void)ctx;
    (void)fprintf(stderr, "mamori rules: %s\n", line);
}

static int run_match(const struct match *m, struct mmr_runtime *rt, struct mmr_error *err)
{
    static const char *const ids[] = {"org.mamori.capture", "org.mamori.flow", "org.mamori.protocols", "org.mamori.signature"};
    const struct mmr_plugin *p[4];
    struct pack flow, proto, sig;
    struct mmr_replay_stats stats;
    struct mmr_replay_input in[ARGS_MAX];
    uint32_t index, at_counter = 0;
    int rc = 0;
    for (int i = 0; rc == 0 && i < 4; i++)
        rc = get_plugin(ids[i], &p[i], err);
    if (rc < 0)
        return rc;
    pack_begin(&flow, (m->n_nets ? 1 : 0) + 2);
    if (m->n_nets)
        pack_list(&flow, "home_net", m->nets, m->n_nets);
    pack_text(&flow, "start_events");
    pack_text(&flow, "false");
    pack_text(&flow, "end_events");
    pack_text(&flow, "false");
    pack_begin(&proto, 1);
    pack_text(&proto, "events");
    pack_text(&proto, "false");
    pack_begin(&sig, (m->n_nets ? 1 : 0) + 6);
    pack_list(&sig, "rules", m->rules, m->n_rules);
    pack_list(&sig, "enable", m->choice.v[0], m->choice.n[0]);
    pack_list(&sig, "disable", m->choice.v[1], m->choice.n[1]);
    if (m->n_nets)
        pack_list(&sig, "home_net", m->nets, m->n_nets);
    pack_text(&sig, "pack");
    pack_text(&sig, "false");
    pack_text(&sig, "midstream"); /* else as the language's own engine: a connection must be seen from its start */
    pack_text(&sig, m->is_midstream ? "true" : "false");
    pack_text(&sig, "findings");
    pack_text(&sig, "false");
    rc = add_instance(rt, &counter, "rules-count", NULL, &at_counter, err);
    if (rc == 0)
        rc = add_instance(rt, p[3], "signature", &sig, &index, err);
    if (rc == 0)
        rc = add_instance(rt, p[2], "protocols", &proto, &index, err);
    if (rc == 0)
        rc = add_instance(rt, p[1], "flow", &flow, &index, err);
    for (size_t i = 0; i < m->n_pcaps; i++)
        in[i] = (struct mmr_replay_input){.path = m->pcaps[i], .name = m->pcaps[i], .side = MMR_SIDE_NETWORK};
    struct mmr_replay_reader reader = {.plugin = p[0], .side = MMR_SIDE_NETWORK};
    if (rc == 0)
        rc = mmr_replay_run(rt, &reader, 1, in, m->n_pcaps, 0, warn, NULL, NULL, &stats, err);
    if (rc == 0)
        rc = mmr_runtime_finish(rt, err);
    msgpack_sbuffer_destroy(&flow.buf);
    msgpack_sbuffer_destroy(&proto.buf);
    msgpack_sbuffer_destroy(&sig.buf);
    if (rc < 0)
        return rc;
    const struct count *c = mmr_runtime_self(rt, at_counter);
    if (c->is_out_of_memory)
        return mmr_fail(err, MMR_ENOMEM, "counting alerts: out of memory");
    for (size_t i = 0; i < c->len; i++)
        (void)printf("{\"sid\":%u,\"count\":%llu}\n", c->sid[i], (unsigned long long)c->n[i]);
    return 0;
}

static int match(const struct match *m)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_runtime *rt = NULL;
    struct mmr_runtime_opts opts = {.node = "rules", .core_version = MMR_VERSION};
    int rc = mmr_runtime_new(&opts, &rt, &err);
    if (rc == 0)
        rc = run_match(m, rt, &err);
    mmr_runtime_free(rt);
    if (rc == 0)
        return MMR_EXIT_OK;
    return say(err.text, rc == MMR_ECONFIG || rc == MMR_EUNSUPPORTED || rc == MMR_EBADMSG ? MMR_EXIT_USAGE : MMR_EXIT_FAILED);
}

/* ---- the call ---- */

static int split_nets(struct match *m, const char *text)
{
    char *save = NULL;
    m->nets_text = strdup(text);
    for (char *s = m->nets_text ? strtok_r(m->nets_text, ",", &save) : NULL; s; s = strtok_r(NULL, ",", &save)) {
        if (m->n_nets == ARGS_MAX)
            return -1;
        m->nets[m->n_nets++] = s;
    }
    return m->n_nets ? 0 : -1;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {
        {"rules", required_argument, NULL, 'r'}, {"pcap", required_argument, NULL, 'p'},
        {"home-net", required_argument, NULL, 'n'}, {"midstream", no_argument, NULL, 'm'},
        {"enable", required_argument, NULL, 'e'}, {"disable", required_argument, NULL, 'd'}, {NULL, 0, NULL, 0},
    };
    struct match m = {0};
    const char *home_net = NULL;
    int c;
    if (argc < 2)
        return say("expected 'check FILE...' or 'match --rules FILE... --pcap FILE'", MMR_EXIT_USAGE);
    bool is_check = strcmp(argv[1], "check") == 0, is_match = strcmp(argv[1], "match") == 0;
    if (!is_check && !is_match)
        return say("expected 'check' or 'match'", MMR_EXIT_USAGE);
    while ((c = getopt_long(argc - 1, argv + 1, "-", options, NULL)) != -1) { /* "-": plain words in order */
        if (c == 'n')
            home_net = optarg;
        else if (c == 'm' && is_match)
            m.is_midstream = true;
        else if ((c == 'e' || c == 'd') && m.choice.n[c == 'd'] < ARGS_MAX)
            m.choice.v[c == 'd'][m.choice.n[c == 'd']++] = optarg;
        else if (c == 'p' && is_match && m.n_pcaps < ARGS_MAX)
            m.pcaps[m.n_pcaps++] = optarg;
        else if ((c == 'r' || c == 1) && m.n_rules < ARGS_MAX) /* --rules A B: the words after it are files too */
            m.rules[m.n_rules++] = optarg;
        else
            return say("unknown option, or too many; see `mamori help rules`", MMR_EXIT_USAGE);
    }
    if (!m.n_rules || (is_match && !m.n_pcaps))
        return say(is_check ? "check needs at least one rule file" : "match needs --rules FILE and --pcap FILE", MMR_EXIT_USAGE);
    int rc;
    if (is_check) {
        rc = check(m.rules, m.n_rules, home_net, &m.choice);
    } else {
        if (home_net && split_nets(&m, home_net) < 0)
            return say("--home-net needs a list such as 192.0.2.0/24,198.51.100.0/24", MMR_EXIT_USAGE);
        rc = match(&m);
        free(m.nets_text);
    }
    return rc;
}

MMR_COMMAND(rules) = {
    .name = "rules",
    .help = "network signature rules alone: what is understood, what matches",
    .usage = "usage: mamori rules check [--enable RULES]... [--disable RULES]... FILE...\n"
             "       mamori rules match --rules FILE... --pcap FILE [--home-net CIDR[,CIDR]...] [--midstream]\n"
             "                          [--enable RULES]... [--disable RULES]...\n"
             "check prints a JSON line for each rule: file, line, sid, ok, unsupported keywords.\n"
             "--enable reads rules that are commented out, --disable keeps rules quiet; RULES is a sid, group:FILE\n"
             "(the file's name) or re:EXPRESSION (over the rule's line), as in the plugin's configuration.\n"
             "match prints a JSON line for each sid that alerted: sid, count. With --midstream it also looks\n"
             "into connections whose beginning was not recorded, as the running sensor does.\n",
    .run = run,
};
