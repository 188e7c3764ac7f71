/* cmd_upstream_join.c - `mamori upstream join`: at a hub, this site sends its records to the collector that gave the token. */
#include "brain/site_conf.h"
#include "brain/uplink.h"
#include "bus/join.h"
#include "cli/drop_in.h"
#include "cli/person.h"
#include "cli/site.h"
#include "util/clock.h"

#include <errno.h>
#include <getopt.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define UPSTREAM_FILE "80-upstream.yaml"
enum { FIRST_MS = 3000, TIMEOUT_MS = 10000 };

struct joining {
    struct mmr_cli_site site;
    const char *name;
    char own_name[MMR_JOIN_NAME_MAX + 1], host[MMR_TOKEN_HOST_MAX + 1], dir[4096], collector[128], key[4200];
    struct mmr_token token;
    struct mmr_keys keys;
    struct mmr_join_answer answer;
};

static int said(const struct mmr_error *err, int status)
{
    (void)fprintf(stderr, "mamori upstream join: %s\n", err->text);
    return status;
}

/* TENANT.SITE of the configuration, with letters that a name may have; a token that names the site wins over it. */
static void name_of_site(struct joining *j)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    (void)snprintf(j->own_name, sizeof j->own_name, "%s.%s", mmr_config_str(j->site.config, "site.tenant"), mmr_config_str(j->site.config, "site.name"));
    for (char *c = j->own_name; *c; c++)
        if (!strchr(good, *c))
            *c = '-';
}

static int write_site(struct joining *j, const char *dir)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_public_keys pub;
    char text[9000];
    const char *colon = strrchr(j->host, ':');
    (void)snprintf(j->key, sizeof j->key, "%s/collector.pub", j->dir);
    (void)snprintf(j->collector, sizeof j->collector, "tcp://%.*s:%u", (int)(colon ? colon - j->host : 0), j->host, j->answer.port);
    if (!colon || strpbrk(j->key, "\"\\\n"))
        return said((mmr_fail(&err, MMR_EINVAL, "node.state_dir '%.60s' has quotes in it", j->site.state_dir), &err), MMR_EXIT_USAGE);
    memcpy(pub.curve, j->token.hub_curve, MMR_KEY);
    memcpy(pub.sign, j->answer.hub_sign, MMR_KEY);
    if (mmr_site_write_public(j->key, &pub, &err) != 0)
        return said(&err, MMR_EXIT_FAILED);
    (void)snprintf(text, sizeof text,
                   "# Written by 'mamori upstream join'; that command changes it.\n"
                   "upstream:\n  collector: \"%s\"\n  collector_key: \"%s\"\n  name: \"%s\"\n",
                   j->collector, j->key, j->answer.name);
    return mmr_cli_drop_in_write("upstream join", dir, UPSTREAM_FILE, text);
}

static int report(struct joining *j, const char *dir)
{
    const struct mmr_cli_site *s = &j->site;
    char own[MMR_FINGERPRINT_MAX], theirs[MMR_FINGERPRINT_MAX], path[4200];
    struct mmr_public_keys pub;
    const bool waits = j->answer.state == MMR_JOIN_WAITS;
    memcpy(pub.curve, j->token.hub_curve, MMR_KEY);
    memcpy(pub.sign, j->answer.hub_sign, MMR_KEY);
    mmr_public_keys_fingerprint(&pub, theirs);
    mmr_public_keys_fingerprint(&j->keys.pub, own);
    (void)snprintf(path, sizeof path, "%s/%s", dir, UPSTREAM_FILE);
    if (s->is_json) {
        struct json_object *o = json_object_new_object();
        mmr_cli_json_str(o, "site", j->answer.name);
        mmr_cli_json_str(o, "state", waits ? "waits" : "approved");
        mmr_cli_json_str(o, "collector", j->collector);
        mmr_cli_json_str(o, "collector_keys", theirs);
        mmr_cli_json_str(o, "keys", own);
        mmr_cli_json_str(o, "file", path);
        mmr_cli_json_print(o);
        return MMR_EXIT_OK;
    }
    (void)printf(mmr_cli_word(s, "この拠点は「%s」として収集サーバー %s に登録されました。\n設定: %s\nこの拠点の鍵: %s\n収集サーバーの鍵: %s\n",
                              "this site is '%s' at the collector %s\nwritten: %s\nkeys of this site: %s\nkeys of the collector: %s\n"),
                 j->answer.name, j->collector, path, own, theirs);
    if (waits)
        (void)puts(mmr_cli_word(s, "収集サーバーで承認されると送信が始まります。", "Records go once somebody runs 'mamori node approve' at the collector; compare the keys first."));
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
        return said((mmr_fail(&err, MMR_EPERM, "the token has expired (or this machine's clock is wrong); get a new one from the provider"), &err),
                    MMR_EXIT_NO);
    int n = snprintf(j->dir, sizeof j->dir, "%s/" MMR_UPLINK_DIR, j->site.state_dir);
    if (n < 0 || (size_t)n >= sizeof j->dir - 100)
        return said((mmr_fail(&err, MMR_ECONFIG, "node.state_dir '%.60s…' is too long", j->site.state_dir), &err), MMR_EXIT_USAGE);
    if (mkdir(j->site.state_dir, 0700) != 0 && errno != EEXIST)
        return said((mmr_fail(&err, MMR_EIO, "state folder '%.200s': %s", j->site.state_dir, strerror(errno)), &err), MMR_EXIT_FAILED);
    /* keys for this link alone: the hub's own change without the provider */
    if (mmr_site_own_keys(j->dir, &j->keys, &err) != 0)
        return said(&err, MMR_EXIT_FAILED);
    /* twice: a collector opens its door within a second after the token was made, and who was turned away is not let in on that connection */
    const char *name = j->name ? j->name : j->own_name;
    if (mmr_join_ask(&j->token, &j->keys, name, host, FIRST_MS, &j->answer, j->host, &err) != 0 &&
        mmr_join_ask(&j->token, &j->keys, name, host, TIMEOUT_MS, &j->answer, j->host, &err) != 0)
        return said(&err, MMR_EXIT_FAILED);
    if (j->answer.result != MMR_JOIN_TAKEN) {
        (void)fprintf(stderr, "mamori upstream join: ");
        mmr_person_text(stderr, j->answer.why);
        (void)fputc('\n', stderr);
        return MMR_EXIT_NO;
    }
    int status = write_site(j, dir);
    return status ? status : report(j, dir);
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'},
                                            {"name", required_argument, NULL, 'n'}, {0}};
    struct joining j = {.site = {.command = "upstream join"}};
    struct mmr_error err = {.struct_size = sizeof err};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (o) {
        case 'c': j.site.dir = optarg; break;
        case 'j': j.site.is_json = true; break;
        case 'n': j.name = optarg; break;
        default: return MMR_EXIT_USAGE;
        }
    if (optind + 1 != argc) {
        (void)fprintf(stderr, "mamori upstream join: expected one token; see 'mamori help upstream join'\n");
        return MMR_EXIT_USAGE;
    }
    if (j.name && !mmr_join_name_is_good(j.name)) {
        (void)fprintf(stderr, "mamori upstream join: --name '%.60s': up to 39 letters, digits, '-', '_' and '.'\n", j.name);
        return MMR_EXIT_USAGE;
    }
    if (sodium_init() < 0 || mmr_token_parse(argv[optind], &j.token, &err) != 0)
        return said(&err, MMR_EXIT_USAGE);
    int status = mmr_cli_site_open(&j.site);
    if (!status) {
        name_of_site(&j);
        status = join(&j);
    }
    mmr_cli_site_done(&j.site);
    mmr_keys_done(&j.keys);
    sodium_memzero(&j.token, sizeof j.token);
    return status;
}

MMR_COMMAND(upstream_join) = {
    .name = "upstream join",
    .help = "at a hub: this site sends its records to a collector",
    .usage = "mamori upstream join TOKEN [--name TENANT.SITE] [--config DIR] [--json]\n"
             "\n"
             "TOKEN is from 'mamori token new' at the provider's collector. Makes keys for this link, gives their public half to the\n"
             "collector, whose own key the token holds and this pins, and writes 80-upstream.yaml into the site's folder. From the next\n"
             "'mamori run' on, incidents and receipts go to the collector, severe ones first; what it has not is kept and sent later.\n"
             "Status 1: the collector refused; 3: no answer.\n",
    .run = run,
};
