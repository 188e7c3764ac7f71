/* cmd_upstream_join.c - `mamori upstream join`: at a hub, this site sends its records to the collector that gave the token. */
#include "brain/uplink.h"
#include "cli/drop_in.h"
#include "cli/joining.h"

#include <stdio.h>
#include <string.h>

#define UPSTREAM_FILE "80-upstream.yaml"

/* TENANT.SITE of the configuration, with letters that a name may have; a token that names the site wins over it. */
static void name_of_site(const struct mmr_config *c, char ret[MMR_JOIN_NAME_MAX + 1])
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    (void)snprintf(ret, MMR_JOIN_NAME_MAX + 1, "%s.%s", mmr_config_str(c, "site.tenant"), mmr_config_str(c, "site.name"));
    for (char *p = ret; *p; p++)
        if (!strchr(good, *p))
            *p = '-';
}

/* Its other addresses, as a list in YAML: tried when this one is not reached. */
static void other_addresses(const struct mmr_cli_joining *j, char *buf, size_t cap)
{
    size_t at = 0;
    buf[0] = '\0';
    for (uint32_t i = 0; i < j->token.n_hosts; i++) {
        const char *host = j->token.host[i], *colon = strrchr(host, ':');
        if (!colon || strcmp(host, j->host) == 0 || strpbrk(host, "\"\\\n"))
            continue;
        int n = snprintf(buf + at, cap - at, "%s\"tcp://%.*s:%u\"", at ? ", " : "", (int)(colon - host), host, j->answer.port);
        if (n < 0 || (size_t)n >= cap - at) {
            buf[at] = '\0';
            return;
        }
        at += (size_t)n;
    }
}

static int write_site(struct mmr_cli_joining *j, const char *key_dir, const char *dir)
{
    char text[6200], also[MMR_TOKEN_HOSTS_MAX * (MMR_TOKEN_HOST_MAX + 16)];
    int status = mmr_cli_joining_pin(j, key_dir, "collector.pub");
    if (status)
        return status;
    other_addresses(j, also, sizeof also);
    (void)snprintf(text, sizeof text,
                   "# Written by 'mamori upstream join'; that command changes it.\n"
                   "upstream:\n  collector: \"%s\"\n  also: [%s]\n  collector_key: \"%s\"\n  name: \"%s\"\n",
                   j->address, also, j->key_file, j->answer.name);
    return mmr_cli_drop_in_write("upstream join", dir, UPSTREAM_FILE, text);
}

static int report(struct mmr_cli_joining *j, const char *dir)
{
    const struct mmr_cli_site *s = &j->site;
    char own[MMR_FINGERPRINT_MAX], theirs[MMR_FINGERPRINT_MAX], path[4200];
    const bool waits = j->answer.state == MMR_JOIN_WAITS;
    mmr_cli_joining_fingerprints(j, own, theirs);
    (void)snprintf(path, sizeof path, "%s/%s", dir, UPSTREAM_FILE);
    if (s->is_json) {
        struct json_object *o = json_object_new_object();
        mmr_cli_json_str(o, "site", j->answer.name);
        mmr_cli_json_str(o, "state", waits ? "waits" : "approved");
        mmr_cli_json_str(o, "collector", j->address);
        mmr_cli_json_str(o, "collector_keys", theirs);
        mmr_cli_json_str(o, "keys", own);
        mmr_cli_json_str(o, "file", path);
        mmr_cli_json_print(o);
        return MMR_EXIT_OK;
    }
    (void)printf(mmr_cli_word(s, "この拠点は「%s」として収集サーバー %s に登録されました。\n設定: %s\nこの拠点の鍵: %s\n収集サーバーの鍵: %s\n",
                              "this site is '%s' at the collector %s\nwritten: %s\nkeys of this site: %s\nkeys of the collector: %s\n"),
                 j->answer.name, j->address, path, own, theirs);
    if (waits)
        (void)puts(mmr_cli_word(s, "収集サーバーで承認されると送信が始まります。", "Records go once somebody runs 'mamori node approve' at the collector; compare the keys first."));
    (void)puts(mmr_cli_word(s, "つぎは「mamori run」です（動いている場合は入れ直してください）。", "Next: 'mamori run' (restart it where it runs already)."));
    return MMR_EXIT_OK;
}

static int run(int argc, char **argv)
{
    /* twice: a collector opens its door within a second after the token was made, and who was turned away is not let in on that connection */
    static const int waits_ms[] = {3000, 10000, 0};
    struct mmr_cli_joining j = {.site = {.command = "upstream join"}};
    char own_name[MMR_JOIN_NAME_MAX + 1], key_dir[4096];
    int status = mmr_cli_joining_begin(&j, argc, argv);
    const char *dir = j.site.dir ? j.site.dir : MMR_SITE_DIR;
    if (!status) {
        name_of_site(j.site.config, own_name);
        /* keys for this link alone: the hub's own change without the provider */
        int n = snprintf(key_dir, sizeof key_dir, "%s/" MMR_UPLINK_DIR, j.site.state_dir);
        if (n < 0 || (size_t)n >= sizeof key_dir - 100) {
            (void)fprintf(stderr, "mamori upstream join: node.state_dir '%.60s…' is too long\n", j.site.state_dir);
            status = MMR_EXIT_USAGE;
        }
    }
    if (!status)
        status = mmr_cli_joining_ask(&j, key_dir, own_name, waits_ms, "from the provider");
    if (!status)
        status = write_site(&j, key_dir, dir);
    if (!status)
        status = report(&j, dir);
    mmr_cli_joining_done(&j);
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
