/* cmd_join.c - `mamori join`: this machine becomes a node of the hub that gave the token. Safe to do again when it was cut short. */
#include "brain/site_conf.h"
#include "bus/join.h"
#include "cli/drop_in.h"
#include "cli/person.h"
#include "cli/site.h"
#include "util/clock.h"

#include <getopt.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define JOINED_FILE "80-joined.yaml"
enum { TIMEOUT_MS = 10000 };

struct joining {
    struct mmr_cli_site site;
    const char *name;
    char own_name[64], host[MMR_TOKEN_HOST_MAX + 1], hub[128], hub_key[512];
    struct mmr_token token;
    struct mmr_keys keys;
    struct mmr_join_answer answer;
};

static int said(const struct mmr_error *err, int status)
{
    (void)fprintf(stderr, "mamori join: %s\n", err->text);
    return status;
}

/* A host name's letters that a node's name may have. */
static void name_of_machine(struct joining *j)
{
    char host[64] = "";
    size_t n = 0;
    (void)gethostname(host, sizeof host - 1);
    for (const char *c = host; *c && n < MMR_JOIN_NAME_MAX; c++) {
        char one[2] = {*c, '\0'};
        j->own_name[n] = strspn(one, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ? *c : '-';
        n += n || (*c != '-' && *c != '.');
    }
    j->own_name[n] = '\0';
    if (!n)
        (void)snprintf(j->own_name, sizeof j->own_name, "pc");
}

static int write_site(struct joining *j, const char *dir)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_public_keys hub;
    char text[1200];
    memcpy(hub.curve, j->token.hub_curve, MMR_KEY);
    memcpy(hub.sign, j->answer.hub_sign, MMR_KEY);
    int n = snprintf(j->hub_key, sizeof j->hub_key, "%s/hub.pub", j->site.state_dir);
    const char *colon = strrchr(j->host, ':');
    (void)snprintf(j->hub, sizeof j->hub, "tcp://%.*s:%u", (int)(colon ? colon - j->host : 0), j->host, j->answer.port);
    if (n < 0 || (size_t)n >= sizeof j->hub_key || !colon || strpbrk(j->hub_key, "\"\\\n"))
        return said((mmr_fail(&err, MMR_EINVAL, "node.state_dir '%.60s…' is too long, or has quotes in it", j->site.state_dir), &err),
                    MMR_EXIT_USAGE);
    if (mmr_site_write_public(j->hub_key, &hub, &err) != 0)
        return said(&err, MMR_EXIT_FAILED);
    (void)snprintf(text, sizeof text,
                   "# Written by 'mamori join'; that command changes it.\n"
                   "deployment: endpoint\n"
                   "node:\n  name: \"%s\"\n  role: endpoint\n"
                   "site:\n  hub: \"%s\"\n  hub_key: \"%s\"\n",
                   j->answer.name, j->hub, j->hub_key);
    return mmr_cli_drop_in_write("join", dir, JOINED_FILE, text);
}

static void say(void *ctx, const char *line)
{
    (void)ctx;
    (void)fprintf(stderr, "%s\n", line);
}

/* What is in force must be what was written: a later drop-in may say otherwise. */
static int check_force(struct joining *j)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_config *c = NULL;
    if (mmr_config_load_site(j->site.dir, NULL, say, NULL, &c, &err) != 0)
        return said(&err, MMR_EXIT_USAGE);
    const char *hub = mmr_config_str(c, "site.hub"), *name = mmr_config_str(c, "node.name");
    bool is_good = strcmp(mmr_config_str(c, "node.role"), "endpoint") == 0 && hub && strcmp(hub, j->hub) == 0 && name &&
                   strcmp(name, j->answer.name) == 0;
    mmr_config_free(c);
    if (is_good)
        return MMR_EXIT_OK;
    (void)fprintf(stderr, "mamori join: joined, but another drop-in says something else after %s: 'mamori config show --origin' says which; "
                          "take node.role, node.name, site.hub and deployment out there\n", JOINED_FILE);
    return MMR_EXIT_USAGE;
}

static int report(struct joining *j, const char *dir)
{
    const struct mmr_cli_site *s = &j->site;
    char own[MMR_FINGERPRINT_MAX], hub[MMR_FINGERPRINT_MAX];
    struct mmr_public_keys hub_pub;
    const bool waits = j->answer.state == MMR_JOIN_WAITS;
    memcpy(hub_pub.curve, j->token.hub_curve, MMR_KEY);
    memcpy(hub_pub.sign, j->answer.hub_sign, MMR_KEY);
    mmr_public_keys_fingerprint(&hub_pub, hub);
    mmr_public_keys_fingerprint(&j->keys.pub, own);
    if (s->is_json) {
        struct json_object *o = json_object_new_object();
        char path[4200];
        (void)snprintf(path, sizeof path, "%s/%s", dir, JOINED_FILE);
        mmr_cli_json_str(o, "node", j->answer.name);
        mmr_cli_json_str(o, "state", waits ? "waits" : "approved");
        mmr_cli_json_str(o, "hub", j->hub);
        mmr_cli_json_str(o, "hub_keys", hub);
        mmr_cli_json_str(o, "keys", own);
        mmr_cli_json_str(o, "file", path);
        mmr_cli_json_print(o);
        return MMR_EXIT_OK;
    }
    (void)printf(mmr_cli_word(s, "この端末は「%s」として参加しました（ハブ %s）。\n設定: %s/%s\nこの端末の鍵: %s\nハブの鍵: %s\n",
                              "this machine has joined as '%s' (hub %s)\nwritten: %s/%s\nkeys of this machine: %s\nkeys of the hub: %s\n"),
                 j->answer.name, j->hub, dir, JOINED_FILE, own, hub);
    if (waits)
        (void)printf(mmr_cli_word(s, "ハブで承認されるまで接続できません。ハブの人に「mamori node approve %s」をお願いしてください（鍵を見くらべてから）。\n",
                                  "It may connect once somebody runs 'mamori node approve %s' at the hub; compare the keys first.\n"),
                     j->answer.name);
    (void)puts(mmr_cli_word(s, "つぎは「mamori run」です（動いている場合は入れ直してください）。", "Next: 'mamori run' (restart it where it runs already)."));
    return MMR_EXIT_OK;
}

static int join(struct joining *j)
{
    struct mmr_error err = {.struct_size = sizeof err};
    const char *dir = j->site.dir ? j->site.dir : MMR_SITE_DIR;
    char host[64] = "";
    (void)gethostname(host, sizeof host - 1);
    if (mmr_clock_wall_ns() / MMR_NS_PER_S >= j->token.expires_s)
        return said((mmr_fail(&err, MMR_EPERM, "the token has expired (or this machine's clock is wrong); get a new one with "
                                               "'mamori token new' at the hub"), &err), MMR_EXIT_NO);
    /* the keys are made once and kept, so that asking again is the same machine asking */
    if (mmr_site_own_keys(j->site.state_dir, &j->keys, &err) != 0)
        return said(&err, MMR_EXIT_FAILED);
    if (mmr_join_ask(&j->token, &j->keys, j->name ? j->name : j->own_name, host, TIMEOUT_MS, &j->answer, j->host, &err) != 0)
        return said(&err, MMR_EXIT_FAILED);
    if (j->answer.result != MMR_JOIN_TAKEN) {
        (void)fprintf(stderr, "mamori join: ");
        mmr_person_text(stderr, j->answer.why);
        (void)fputc('\n', stderr);
        return MMR_EXIT_NO;
    }
    int status = write_site(j, dir);
    if (!status)
        status = check_force(j);
    return status ? status : report(j, dir);
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'},
                                            {"name", required_argument, NULL, 'n'}, {0}};
    struct joining j = {.site = {.command = "join"}};
    struct mmr_error err = {.struct_size = sizeof err};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (o) {
        case 'c': j.site.dir = optarg; break;
        case 'j': j.site.is_json = true; break;
        case 'n': j.name = optarg; break;
        default: return MMR_EXIT_USAGE;
        }
    if (optind + 1 != argc) {
        (void)fprintf(stderr, "mamori join: expected one token%s%s; see 'mamori help join'\n", optind < argc ? ", found more: " : "",
                      optind < argc ? argv[argc - 1] : "");
        return MMR_EXIT_USAGE;
    }
    if (j.name && !mmr_join_name_is_good(j.name)) {
        (void)fprintf(stderr, "mamori join: --name '%.60s': up to 39 letters, digits, '-', '_' and '.'\n", j.name);
        return MMR_EXIT_USAGE;
    }
    if (sodium_init() < 0 || mmr_token_parse(argv[optind], &j.token, &err) != 0)
        return said(&err, MMR_EXIT_USAGE);
    name_of_machine(&j);
    int status = mmr_cli_site_open(&j.site);
    if (!status)
        status = join(&j);
    mmr_cli_site_done(&j.site);
    mmr_keys_done(&j.keys);
    sodium_memzero(&j.token, sizeof j.token);
    return status;
}

MMR_COMMAND(join) = {
    .name = "join",
    .help = "this machine joins the site whose hub gave the token",
    .usage = "mamori join TOKEN [--name NODE] [--config DIR] [--json]\n"
             "\n"
             "Makes this machine's keys if it has none (they never leave it), gives their public half to the hub, whose own key\n"
             "the token holds, and writes 80-joined.yaml into the site's folder (deployment: endpoint). Then 'mamori run' is all.\n"
             "If no answer came, do it again with the same token. Status 1: the hub refused; 3: no answer.\n"
             "--json: {\"node\":...,\"state\":\"approved|waits\",\"hub\":...,\"hub_keys\":...,\"keys\":...,\"file\":...}\n",
    .run = run,
};
