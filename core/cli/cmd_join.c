/* cmd_join.c - `mamori join`: this machine becomes a node of the hub that gave the token. Safe to do again when it was cut short. */
#include "cli/drop_in.h"
#include "cli/joining.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define JOINED_FILE "80-joined.yaml"

/* A host name's letters that a node's name may have. */
static void name_of_machine(char ret[MMR_JOIN_NAME_MAX + 1])
{
    char host[64] = "";
    size_t n = 0;
    (void)gethostname(host, sizeof host - 1);
    for (const char *c = host; *c && n < MMR_JOIN_NAME_MAX; c++) {
        char one[2] = {*c, '\0'};
        ret[n] = strspn(one, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ? *c : '-';
        n += n || (*c != '-' && *c != '.');
    }
    ret[n] = '\0';
    if (!n)
        (void)snprintf(ret, MMR_JOIN_NAME_MAX + 1, "pc");
}

static int write_site(struct mmr_cli_joining *j, const char *dir)
{
    char text[5200];
    int status = mmr_cli_joining_pin(j, j->site.state_dir, "hub.pub");
    if (status)
        return status;
    (void)snprintf(text, sizeof text,
                   "# Written by 'mamori join'; that command changes it.\n"
                   "deployment: endpoint\n"
                   "node:\n  name: \"%s\"\n  role: endpoint\n"
                   "site:\n  hub: \"%s\"\n  hub_key: \"%s\"\n",
                   j->answer.name, j->address, j->key_file);
    return mmr_cli_drop_in_write("join", dir, JOINED_FILE, text);
}

static void say(void *ctx, const char *line)
{
    (void)ctx;
    (void)fprintf(stderr, "%s\n", line);
}

/* What is in force must be what was written: a later drop-in may say otherwise. */
static int check_force(struct mmr_cli_joining *j)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_config *c = NULL;
    if (mmr_config_load_site(j->site.dir, NULL, say, NULL, &c, &err) != 0)
        return (void)fprintf(stderr, "mamori join: %s\n", err.text), MMR_EXIT_USAGE;
    const char *hub = mmr_config_str(c, "site.hub"), *name = mmr_config_str(c, "node.name");
    bool is_good = strcmp(mmr_config_str(c, "node.role"), "endpoint") == 0 && hub && strcmp(hub, j->address) == 0 && name &&
                   strcmp(name, j->answer.name) == 0;
    mmr_config_free(c);
    if (is_good)
        return MMR_EXIT_OK;
    (void)fprintf(stderr, "mamori join: joined, but another drop-in says something else after %s: 'mamori config show --origin' says which; "
                          "take node.role, node.name, site.hub and deployment out there\n", JOINED_FILE);
    return MMR_EXIT_USAGE;
}

static int report(struct mmr_cli_joining *j, const char *dir)
{
    const struct mmr_cli_site *s = &j->site;
    char own[MMR_FINGERPRINT_MAX], hub[MMR_FINGERPRINT_MAX];
    const bool waits = j->answer.state == MMR_JOIN_WAITS;
    mmr_cli_joining_fingerprints(j, own, hub);
    if (s->is_json) {
        struct json_object *o = json_object_new_object();
        char path[4200];
        (void)snprintf(path, sizeof path, "%s/%s", dir, JOINED_FILE);
        mmr_cli_json_str(o, "node", j->answer.name);
        mmr_cli_json_str(o, "state", waits ? "waits" : "approved");
        mmr_cli_json_str(o, "hub", j->address);
        mmr_cli_json_str(o, "hub_keys", hub);
        mmr_cli_json_str(o, "keys", own);
        mmr_cli_json_str(o, "file", path);
        mmr_cli_json_print(o);
        return MMR_EXIT_OK;
    }
    (void)printf(mmr_cli_word(s, "この端末は「%s」として参加しました（ハブ %s）。\n設定: %s/%s\nこの端末の鍵: %s\nハブの鍵: %s\n",
                              "this machine has joined as '%s' (hub %s)\nwritten: %s/%s\nkeys of this machine: %s\nkeys of the hub: %s\n"),
                 j->answer.name, j->address, dir, JOINED_FILE, own, hub);
    if (waits)
        (void)printf(mmr_cli_word(s, "ハブで承認されるまで接続できません。ハブの人に「mamori node approve %s」をお願いしてください（鍵を見くらべてから）。\n",
                                  "It may connect once somebody runs 'mamori node approve %s' at the hub; compare the keys first.\n"),
                     j->answer.name);
    (void)puts(mmr_cli_word(s, "つぎは「mamori run」です（動いている場合は入れ直してください）。", "Next: 'mamori run' (restart it where it runs already)."));
    return MMR_EXIT_OK;
}

static int run(int argc, char **argv)
{
    static const int waits_ms[] = {10000, 0};
    struct mmr_cli_joining j = {.site = {.command = "join"}};
    char own_name[MMR_JOIN_NAME_MAX + 1];
    name_of_machine(own_name);
    int status = mmr_cli_joining_begin(&j, argc, argv);
    const char *dir = j.site.dir ? j.site.dir : MMR_SITE_DIR;
    if (!status)
        status = mmr_cli_joining_ask(&j, j.site.state_dir, own_name, waits_ms, "'mamori token new' at the hub");
    if (!status)
        status = write_site(&j, dir);
    if (!status)
        status = check_force(&j);
    if (!status)
        status = report(&j, dir);
    mmr_cli_joining_done(&j);
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
