/* cmd_token.c - `mamori token`: at the hub, what one machine needs to join. */
#include "brain/site_conf.h"
#include "bus/join.h"
#include "cli/person.h"
#include "cli/site.h"
#include "config/value.h"
#include "store/members.h"
#include "upstream/collector.h"
#include "util/addr.h"
#include "util/clock.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <ifaddrs.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DAY_MS = 24 * 3600 * 1000, VALID_MAX_MS = 7 * DAY_MS, ASK_MS = 5000 };

struct order {
    struct mmr_cli_site site;
    struct mmr_token token;
    const char *name;
    int64_t valid_ms;
};

static int wrong(const char *text, const char *found)
{
    (void)fprintf(stderr, "mamori token: %s%s%s; see 'mamori help token'\n", text, found ? ", found " : "", found ? found : "");
    return MMR_EXIT_USAGE;
}

static int failed(const struct mmr_error *err)
{
    (void)fprintf(stderr, "mamori token: %s\n", err->text);
    return MMR_EXIT_FAILED;
}

static void add_host(struct mmr_token *t, const char *address, const char *port)
{
    if (t->n_hosts == MMR_TOKEN_HOSTS_MAX)
        return;
    int n = snprintf(t->host[t->n_hosts], sizeof t->host[0], "%s:%s", address, port);
    if (n > 0 && (size_t)n < sizeof t->host[0])
        t->n_hosts++;
}

/* Every address of this machine that others can reach, if it listens on all. */
static void add_own(struct mmr_token *t, const char *port)
{
    struct ifaddrs *list;
    if (getifaddrs(&list) != 0)
        return;
    for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
        char text[INET_ADDRSTRLEN];
        struct mmr_addr a;
        if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET &&
            inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr, text, sizeof text) &&
            mmr_addr_parse(text, strlen(text), &a) && !mmr_addr_is_loopback(&a) && !mmr_addr_is_linklocal(&a))
            add_host(t, text, port);
    }
    freeifaddrs(list);
}

/* Where a machine asks to join: two ports above site.listen. */
static int find_hosts(struct order *o, struct mmr_error *err)
{
    const char *listen = mmr_config_str(o->site.config, "site.listen");
    char join[128];
    if (!listen)
        return mmr_fail(err, MMR_ECONFIG, "site.listen is not set: where shall machines connect? As in 'site: {listen: tcp://192.0.2.1:7400}'");
    int r = mmr_site_port_endpoint(listen, 2, join, sizeof join, err);
    if (r)
        return r;
    const char *host = join + 6, *port = strrchr(join, ':') + 1;
    if (o->token.n_hosts) { /* --address: with the port of ours where it has none */
        for (uint32_t i = 0; i < o->token.n_hosts; i++)
            if (!strchr(o->token.host[i], ':') && strlen(o->token.host[i]) + strlen(port) + 1 < sizeof o->token.host[i]) {
                (void)strncat(o->token.host[i], ":", 2);
                (void)strncat(o->token.host[i], port, 6);
            }
    } else if (host[0] == '*' || strncmp(host, "0.0.0.0:", 8) == 0) {
        add_own(&o->token, port);
    } else {
        (void)snprintf(o->token.host[0], sizeof o->token.host[0], "%.63s", host);
        o->token.n_hosts = 1;
    }
    return o->token.n_hosts ? 0 : mmr_fail(err, MMR_ECONFIG, "this machine has no address that others could reach; name one with --address");
}

static int keep(const struct order *o, int64_t now_ns, struct mmr_error *err)
{
    struct mmr_members *m;
    int r = mmr_members_open(o->site.state_dir, true, &m, err);
    if (r)
        return r;
    r = mmr_members_token_put(m, o->token.id, o->token.secret, o->name, now_ns, o->token.expires_s * MMR_NS_PER_S, err);
    mmr_members_close(m);
    return r;
}

static int on_line(void *ctx, struct json_object *line, const char *text, size_t len)
{
    (void)ctx;
    (void)line;
    (void)text;
    (void)len;
    return 0;
}

/* Is it a provider's collector that offices join, not a hub that machines join? */
static bool is_collector(const struct mmr_cli_site *s)
{
    return mmr_config_str(s->config, "collector.file") || mmr_collector_is_running(s->state_dir);
}

static void tell(const struct order *o, const char *text, bool is_down, const char *print)
{
    const struct mmr_cli_site *s = &o->site;
    char until[40];
    if (s->is_json) {
        struct json_object *j = json_object_new_object(), *hosts = json_object_new_array();
        mmr_cli_json_str(j, "token", text);
        mmr_cli_json_time(j, "expires", o->token.expires_s * MMR_NS_PER_S);
        for (uint32_t i = 0; i < o->token.n_hosts; i++)
            json_object_array_add(hosts, json_object_new_string(o->token.host[i]));
        json_object_object_add(j, "addresses", hosts);
        mmr_cli_json_str(j, "hub_keys", print);
        if (o->name)
            mmr_cli_json_str(j, "name", o->name);
        json_object_object_add(j, "running", json_object_new_boolean(is_collector(s) ? mmr_collector_is_running(s->state_dir) : !is_down));
        mmr_cli_json_print(j);
        return;
    }
    (void)printf("%s\n", text);
    if (is_collector(s)) {
        (void)fprintf(stderr, mmr_cli_word(s, "\n拠点のハブで次を実行してください（1拠点だけ、%s まで有効）:\n  mamori upstream join 上の文字列\n収集サーバーの鍵: %s\n",
                                           "\nOn the hub of the office that joins (one office, until %s):\n  mamori upstream join THE-LINE-ABOVE\nkeys of this collector: %s\n"),
                      mmr_person_time(o->token.expires_s * MMR_NS_PER_S, until, sizeof until), print);
        if (!mmr_collector_is_running(s->state_dir))
            (void)fprintf(stderr, "%s\n", mmr_cli_word(s, "収集サーバーが動いていません。「mamori upstream」で動かしておいてください。",
                                                       "The collector does not run: start it with 'mamori upstream' first."));
        return;
    }
    (void)fprintf(stderr, mmr_cli_word(s, "\n追加する端末で次を実行してください（1台だけ、%s まで有効）:\n  mamori join 上の文字列 && mamori run\nハブの鍵: %s\n",
                                       "\nOn the machine that joins (one machine, until %s):\n  mamori join THE-LINE-ABOVE && mamori run\nkeys of this hub: %s\n"),
                  mmr_person_time(o->token.expires_s * MMR_NS_PER_S, until, sizeof until), print);
    if (is_down)
        (void)fprintf(stderr, "%s\n", mmr_cli_word(s, "ハブの mamori が動いていません。「mamori run」で動かしておいてください。",
                                                   "mamori does not run here; start it with 'mamori run' first."));
}

static int make(struct order *o)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_keys keys;
    char text[MMR_TOKEN_TEXT_MAX], print[MMR_FINGERPRINT_MAX];
    bool is_down = false;
    int64_t now = mmr_clock_wall_ns();
    if (find_hosts(o, &err) != 0) {
        (void)fprintf(stderr, "mamori token: %s\n", err.text);
        return MMR_EXIT_USAGE;
    }
    if (mmr_site_own_keys(o->site.state_dir, &keys, &err) != 0)
        return failed(&err);
    memcpy(o->token.hub_curve, keys.pub.curve, MMR_KEY);
    mmr_public_keys_fingerprint(&keys.pub, print);
    mmr_keys_done(&keys);
    randombytes_buf(o->token.id, sizeof o->token.id);
    randombytes_buf(o->token.secret, sizeof o->token.secret);
    o->token.expires_s = (now + o->valid_ms * MMR_NS_PER_MS) / MMR_NS_PER_S;
    if (mmr_token_format(&o->token, text, &err) != 0) {
        (void)fprintf(stderr, "mamori token: %s\n", err.text);
        return MMR_EXIT_USAGE;
    }
    if (keep(o, now, &err) != 0)
        return failed(&err);
    (void)mmr_cli_site_ask(&o->site, "node.changed", NULL, ASK_MS, on_line, NULL, &is_down); /* the door opens now, not in a second */
    tell(o, text, is_down, print);
    sodium_memzero(text, sizeof text);
    return MMR_EXIT_OK;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'},
                                            {"name", required_argument, NULL, 'n'},   {"valid", required_argument, NULL, 'v'},
                                            {"address", required_argument, NULL, 'a'}, {0}};
    struct order o = {.site = {.command = "token"}, .valid_ms = DAY_MS};
    char why[200];
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (c) {
        case 'c': o.site.dir = optarg; break;
        case 'j': o.site.is_json = true; break;
        case 'n': o.name = optarg; break;
        case 'v':
            if (!mmr_value_parse(MMR_CFG_MSEC, optarg, 1000, VALID_MAX_MS, &o.valid_ms, why, sizeof why))
                return wrong("--valid takes a time from 1s to 7d", optarg);
            break;
        case 'a':
            if (o.token.n_hosts == MMR_TOKEN_HOSTS_MAX || strlen(optarg) > MMR_TOKEN_HOST_MAX - 6)
                return wrong("--address takes ADDRESS[:PORT], at most four times", optarg);
            (void)snprintf(o.token.host[o.token.n_hosts++], sizeof o.token.host[0], "%s", optarg);
            break;
        default: return MMR_EXIT_USAGE;
        }
    if (optind + 1 != argc || strcmp(argv[optind], "new") != 0)
        return wrong("expected 'new'", optind < argc ? argv[optind] : NULL);
    if (o.name && !mmr_join_name_is_good(o.name))
        return wrong("--name takes up to 39 letters, digits, '-', '_' and '.'", o.name);
    if (sodium_init() < 0)
        return wrong("the system gives no random numbers", NULL);
    int status = mmr_cli_site_open(&o.site);
    if (!status)
        status = make(&o);
    mmr_cli_site_done(&o.site);
    sodium_memzero(&o.token, sizeof o.token);
    return status;
}

MMR_COMMAND(token) = {
    .name = "token",
    .help = "at the hub: what one machine needs to join",
    .usage = "mamori token new [--name NODE] [--valid 24h] [--address ADDRESS[:PORT]]... [--config DIR] [--json]\n"
             "\n"
             "Prints a line for 'mamori join' on the machine that shall belong to this site (at a provider's collector: for\n"
             "'mamori upstream join' on an office's hub). It is good once, for one\n"
             "machine, until it expires (24 h; at most 7 d). Whoever has it can join: send it as you would a password.\n"
             "--name     the name the machine gets; without it, it says its own\n"
             "--address  where it reaches this hub, when that is not what site.listen says (behind address translation)\n"
             "--json: {\"token\":...,\"expires\":...,\"addresses\":[...],\"hub_keys\":...,\"running\":...}\n",
    .run = run,
};
