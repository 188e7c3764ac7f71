/*
 * cmd_inventory.c - `mamori inventory`: the machines of this office as one list, out of what the configuration, the nodes
 * and the seats say of them, and of this machine its software and its users. What nobody reports is not there.
 */
#include "cli/person.h"
#include "cli/site.h"
#include "util/scope.h"

#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { STATUS_MS = 10000, NAMES_MAX = 4096, KEY_BYTES = 256, SOFTWARE_MAX = 20000, USERS_MAX = 10000, DPKG_LINE = 4096 };

static int keep(void *ctx, struct json_object *o, const char *text, size_t len)
{
    struct json_object **status = ctx;
    (void)text;
    (void)len;
    if (!*status)
        *status = json_object_get(o);
    return 0;
}

/* "PC1" and "pc1.office.example" are one machine. */
static bool same_machine(const char *a, const char *b)
{
    size_t na = strcspn(a, "."), nb = strcspn(b, ".");
    return na && na == nb && strncasecmp(a, b, na) == 0;
}

/* The machine of that name; made when there is none yet. */
static struct json_object *machine(struct json_object *list, const char *name)
{
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *o = json_object_array_get_idx(list, i);
        if (same_machine(mmr_cli_json_text(o, "name"), name))
            return o;
    }
    struct json_object *o = json_object_new_object();
    mmr_cli_json_str(o, "name", name);
    (void)json_object_object_add(o, "ip", json_object_new_array());
    mmr_cli_json_str(o, "important_info", "unknown"); /* counts as yes */
    mmr_cli_json_str(o, "agent", "none");
    (void)json_object_array_add(list, o);
    return o;
}

static void add_address(struct json_object *o, const char *ip)
{
    size_t n;
    struct json_object *list = mmr_cli_json_list(o, "ip", &n);
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(json_object_get_string(json_object_array_get_idx(list, i)), ip) == 0)
            return;
    (void)json_object_array_add(list, json_object_new_string(ip));
}

static void add_setting(const struct mmr_config *c, struct json_object *o, const char *name, const char *key)
{
    char path[KEY_BYTES];
    (void)snprintf(path, sizeof path, "assets.%s.%s", name, key);
    const char *text = mmr_config_str(c, path);
    if (text && *text)
        mmr_cli_json_str(o, key, text);
}

static void add_assets(const struct mmr_config *c, struct json_object *list)
{
    mmr_autofree const char **names = calloc(NAMES_MAX, sizeof *names);
    size_t n = names ? mmr_config_names(c, "assets", names, NAMES_MAX) : 0;
    for (size_t i = 0; i < n && i < NAMES_MAX; i++) {
        struct json_object *o = machine(list, names[i]);
        char path[KEY_BYTES];
        add_setting(c, o, names[i], "role");
        add_setting(c, o, names[i], "important_info");
        (void)snprintf(path, sizeof path, "assets.%s.ip", names[i]);
        struct mmr_strv ips = mmr_config_strv(c, path);
        for (size_t k = 0; k < ips.n; k++)
            add_address(o, ips.v[k]);
    }
}

static void add_watchers(struct json_object *status, struct json_object *list)
{
    struct json_object *brain = NULL, *up = NULL;
    size_t n;
    if (!status || !json_object_object_get_ex(status, "brain", &brain))
        return;
    struct json_object *nodes = mmr_cli_json_list(brain, "nodes", &n);
    for (size_t i = 0; i < n; i++) {
        struct json_object *x = json_object_array_get_idx(nodes, i);
        const char *host = mmr_cli_json_text(x, "hostname");
        struct json_object *o = machine(list, *host ? host : mmr_cli_json_text(x, "name"));
        mmr_cli_json_str(o, "agent", "agent");
        mmr_cli_json_str(o, "agent_state", json_object_object_get_ex(x, "up", &up) && json_object_get_boolean(up) ? "up" : "down");
    }
    struct json_object *seats = mmr_cli_json_list(brain, "seats", &n);
    for (size_t i = 0; i < n; i++) {
        struct json_object *x = json_object_array_get_idx(seats, i), *o = machine(list, mmr_cli_json_text(x, "name"));
        if (strcmp(mmr_cli_json_text(o, "agent"), "agent") == 0) /* one of ours is there as well */
            continue;
        mmr_cli_json_str(o, "agent", "seat");
        mmr_cli_json_str(o, "agent_state", mmr_cli_json_text(x, "state"));
        mmr_cli_json_str(o, "tool", mmr_cli_json_text(x, "tool"));
        mmr_cli_json_time(o, "heard", mmr_cli_json_number(x, "heard_ns"));
    }
}

/* dpkg's list of what is installed: paragraphs of "Package: ", "Status: ", "Version: ". NULL: this machine has none. */
static struct json_object *software(const char *path)
{
    FILE *f = fopen(path, "re");
    char line[DPKG_LINE], name[256] = "", version[256] = "";
    bool is_installed = false;
    if (!f)
        return NULL;
    struct json_object *list = json_object_new_array();
    for (bool is_more = true; is_more && json_object_array_length(list) < SOFTWARE_MAX;) {
        is_more = fgets(line, sizeof line, f) != NULL;
        line[is_more ? strcspn(line, "\n") : 0] = '\0';
        if (!*line) {
            if (is_installed && *name) {
                struct json_object *o = json_object_new_object();
                mmr_cli_json_str(o, "name", name);
                mmr_cli_json_str(o, "version", version);
                (void)json_object_array_add(list, o);
            }
            *name = *version = '\0';
            is_installed = false;
        } else if (strncmp(line, "Package: ", 9) == 0) {
            (void)snprintf(name, sizeof name, "%.255s", line + 9);
        } else if (strncmp(line, "Version: ", 9) == 0) {
            (void)snprintf(version, sizeof version, "%.255s", line + 9);
        } else if (strncmp(line, "Status: ", 8) == 0) {
            is_installed = strstr(line, " installed") != NULL;
        }
    }
    (void)fclose(f);
    return list;
}

/* Accounts that a person can log in with: root, and those from 1000 on, with a shell. */
static struct json_object *users(void)
{
    struct json_object *list = json_object_new_array();
    setpwent();
    for (const struct passwd *p; (p = getpwent()) != NULL && json_object_array_length(list) < USERS_MAX;) {
        const char *shell = p->pw_shell ? p->pw_shell : "";
        if ((p->pw_uid != 0 && (p->pw_uid < 1000 || p->pw_uid == 65534)) || strstr(shell, "nologin") || strstr(shell, "/false"))
            continue;
        struct json_object *o = json_object_new_object();
        mmr_cli_json_str(o, "name", p->pw_name);
        mmr_cli_json_int(o, "uid", p->pw_uid);
        (void)json_object_array_add(list, o);
    }
    endpwent();
    return list;
}

static const char *agent_word(const struct mmr_cli_site *s, struct json_object *o, char *buf, size_t cap)
{
    const char *agent = mmr_cli_json_text(o, "agent"), *state = mmr_cli_json_text(o, "agent_state"), *tool = mmr_cli_json_text(o, "tool");
    if (strcmp(agent, "none") == 0)
        return mmr_cli_word(s, "なし", "none");
    (void)snprintf(buf, cap, "%s%s%s, %s", strcmp(agent, "agent") == 0 ? "mamori" : mmr_cli_word(s, "ログ送信", "sends its log"), *tool ? ": " : "", tool, state);
    return buf;
}

static void show(const struct mmr_cli_site *s, struct json_object *o, bool is_long)
{
    size_t n, m;
    char buf[160];
    struct json_object *list = mmr_cli_json_list(o, "machines", &n), *own = NULL;
    for (size_t i = 0; i < n; i++) {
        struct json_object *x = json_object_array_get_idx(list, i), *ips = mmr_cli_json_list(x, "ip", &m);
        const char *important = mmr_cli_json_text(x, "important_info");
        mmr_person_column(stdout, mmr_cli_json_text(x, "name"), 24);
        (void)putchar(' ');
        mmr_person_column(stdout, m ? json_object_get_string(json_object_array_get_idx(ips, 0)) : "-", 16);
        (void)putchar(' ');
        mmr_person_column(stdout, mmr_cli_json_text(x, "role"), 18);
        (void)putchar(' ');
        mmr_person_column(stdout, strcmp(important, "yes") == 0 ? mmr_cli_word(s, "重要", "important") : strcmp(important, "no") == 0 ? "-" : mmr_cli_word(s, "不明", "unknown"), 10);
        (void)putchar(' ');
        mmr_person_text(stdout, agent_word(s, x, buf, sizeof buf));
        (void)putchar('\n');
    }
    (void)json_object_object_get_ex(o, "this_machine", &own);
    struct json_object *packages = mmr_cli_json_list(own, "software", &n), *people = mmr_cli_json_list(own, "users", &m);
    (void)printf(mmr_cli_word(s, "\nこの機械「%s」：ソフトウェア %zu、利用者 %zu\n", "\nThis machine, '%s': %zu packages, %zu users\n"), mmr_cli_json_text(own, "name"), n, m);
    for (size_t i = 0; is_long && i < m; i++)
        (void)printf("  %s\n", mmr_cli_json_text(json_object_array_get_idx(people, i), "name"));
    for (size_t i = 0; is_long && i < n; i++) {
        struct json_object *x = json_object_array_get_idx(packages, i);
        (void)printf("  %s %s\n", mmr_cli_json_text(x, "name"), mmr_cli_json_text(x, "version"));
    }
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'}, {"long", no_argument, NULL, 'l'}, {0}};
    struct mmr_cli_site site = {.command = "inventory"};
    struct json_object *status = NULL;
    bool is_down = false, is_long = false;
    char name[64] = "";
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (o) {
        case 'c': site.dir = optarg; break;
        case 'j': site.is_json = true; break;
        case 'l': is_long = true; break;
        default: return MMR_EXIT_USAGE;
        }
    if (optind != argc) {
        (void)fprintf(stderr, "mamori inventory: found '%s', expected no argument; see 'mamori help inventory'\n", argv[optind]);
        return MMR_EXIT_USAGE;
    }
    int r = mmr_cli_site_open(&site);
    if (r == MMR_EXIT_OK)
        r = mmr_cli_site_ask(&site, "status", NULL, STATUS_MS, keep, &status, &is_down);
    if (is_down) {
        (void)fprintf(stderr, "mamori inventory: mamori is not running here, so nothing is known of agents; start it with 'mamori run'\n");
        r = MMR_EXIT_OK;
    }
    if (r == MMR_EXIT_OK) {
        struct json_object *o = json_object_new_object(), *list = json_object_new_array(), *own = json_object_new_object();
        (void)gethostname(name, sizeof name - 1);
        add_assets(site.config, list);
        add_watchers(status, list);
        struct json_object *here = machine(list, name), *packages = software("/var/lib/dpkg/status");
        if (status) {
            mmr_cli_json_str(here, "agent", "agent");
            mmr_cli_json_str(here, "agent_state", "up");
        }
        mmr_cli_json_str(own, "name", name);
        if (packages)
            (void)json_object_object_add(own, "software", packages);
        (void)json_object_object_add(own, "users", users());
        (void)json_object_object_add(o, "machines", list);
        (void)json_object_object_add(o, "this_machine", own);
        if (site.is_json) {
            mmr_cli_json_print(o);
        } else {
            show(&site, o, is_long);
            json_object_put(o);
        }
    }
    json_object_put(status);
    mmr_cli_site_done(&site);
    return r;
}

MMR_COMMAND(inventory) = {
    .name = "inventory",
    .help = "machines, addresses, who watches each; software and users of this one",
    .usage = "mamori inventory [--config DIR] [--json] [--long]\n"
             "\n"
             "The machines of this office as the configuration, the nodes and the seats name them: address, role, whether important\n"
             "information is on it ('unknown' counts as yes), and what watches it. Of this machine also how many packages (dpkg) and\n"
             "users there are; --long and --json name them.\n",
    .run = run,
};
