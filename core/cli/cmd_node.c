/* cmd_node.c - `mamori node`: at the hub, the machines of the site and what is decided about them; anywhere, new keys. */
#include "brain/site_conf.h"
#include "bus/join.h"
#include "cli/person.h"
#include "cli/site.h"
#include "store/members.h"
#include "upstream/collector.h"
#include "util/clock.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ASK_MS = 15000, NODES_MAX = 1024 };

struct work {
    struct mmr_cli_site site;
    const char *what, *name;
    bool is_hub, is_now;
    struct mmr_members *members; /* NULL: nobody ever joined */
    struct json_object *status;  /* of the running mamori, or NULL */
    struct json_object *list;
};

static int failed(const struct mmr_error *err, int status)
{
    (void)fprintf(stderr, "mamori node: %s\n", err->text);
    return status;
}

/* ---- list ---- */

static int on_status(void *ctx, struct json_object *line, const char *text, size_t len)
{
    struct work *w = ctx;
    struct json_object *brain = NULL;
    (void)text;
    (void)len;
    if (json_object_object_get_ex(line, "brain", &brain) && brain)
        w->status = json_object_get(brain);
    return 0;
}

static struct json_object *live_of(const struct work *w, const char *name)
{
    size_t n;
    struct json_object *list = mmr_cli_json_list(w->status, "nodes", &n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(mmr_cli_json_text(json_object_array_get_idx(list, i), "name"), name) == 0)
            return json_object_array_get_idx(list, i);
    return NULL;
}

static void add(struct work *w, const char *name, const char *hostname, const char *state, const struct mmr_public_keys *pub,
                int64_t joined_ns, int64_t seen_ns, bool has_next)
{
    struct json_object *o = json_object_new_object(), *live = live_of(w, name), *up = NULL;
    char print[MMR_FINGERPRINT_MAX];
    mmr_cli_json_str(o, "name", name);
    mmr_cli_json_str(o, "hostname", hostname[0] ? hostname : mmr_cli_json_text(live, "hostname"));
    mmr_cli_json_str(o, "state", state);
    bool is_up = live && json_object_object_get_ex(live, "up", &up) && json_object_get_boolean(up);
    json_object_object_add(o, "up", json_object_new_boolean(is_up));
    if (pub) {
        mmr_public_keys_fingerprint(pub, print);
        mmr_cli_json_str(o, "keys", print);
    }
    json_object_object_add(o, "rotating", json_object_new_boolean(has_next));
    mmr_cli_json_time(o, "joined", joined_ns);
    mmr_cli_json_time(o, "seen", seen_ns);
    if (live && json_object_object_get_ex(live, "clock_offset_ms", &up))
        json_object_object_add(o, "clock_offset_ms", json_object_get(up));
    if (live)
        mmr_cli_json_str(o, "instances", mmr_cli_json_text(live, "instances"));
    json_object_array_add(w->list, o);
}

static int add_member(void *ctx, const struct mmr_member *x)
{
    struct mmr_public_keys pub;
    memcpy(pub.curve, x->curve, MMR_KEY);
    memcpy(pub.sign, x->sign, MMR_KEY);
    add(ctx, x->name, x->hostname, mmr_member_state_name(x->state), &pub, x->joined_ns, x->seen_ns, x->has_next);
    return 0;
}

/* Those whose keys were placed by hand. */
static int add_configured(struct work *w, struct mmr_error *err)
{
    const char **names = calloc(NODES_MAX, sizeof *names);
    size_t n = names ? mmr_config_names(w->site.config, "site.nodes", names, NODES_MAX) : 0;
    for (size_t i = 0; i < n && i < NODES_MAX; i++) {
        struct mmr_public_keys pub;
        struct mmr_member x;
        char path[256];
        (void)snprintf(path, sizeof path, "site.nodes.%s.key", names[i]);
        const char *file = mmr_config_str(w->site.config, path);
        if (w->members && mmr_members_get(w->members, names[i], &x, NULL) == 0)
            continue;
        bool has_key = file && mmr_site_read_public(file, &pub, err) == 0;
        add(w, names[i], "", "by_hand", has_key ? &pub : NULL, 0, 0, false);
    }
    free(names);
    return 0;
}

static void print_list(const struct work *w)
{
    static const struct {
        const char *state, *ja, *en;
    } words[] = {{"approved", "承認済み", "approved"}, {"waits", "承認待ち", "waits"}, {"revoked", "取り消し", "revoked"}, {"by_hand", "手動登録", "by hand"}};
    size_t n = json_object_array_length(w->list);
    if (n == 0)
        (void)puts(mmr_cli_word(&w->site, "端末はまだありません。「mamori token new」で追加できます。",
                                "there are no nodes yet; 'mamori token new' is how one joins"));
    for (size_t i = 0; i < n; i++) {
        struct json_object *o = json_object_array_get_idx(w->list, i), *up = NULL;
        const char *state = mmr_cli_json_text(o, "state");
        for (size_t k = 0; k < sizeof words / sizeof words[0]; k++)
            if (strcmp(words[k].state, state) == 0)
                state = mmr_cli_word(&w->site, words[k].ja, words[k].en);
        (void)json_object_object_get_ex(o, "up", &up);
        mmr_person_column(stdout, mmr_cli_json_text(o, "name"), 24);
        mmr_person_column(stdout, state, 12);
        mmr_person_column(stdout, !w->status ? "?" : json_object_get_boolean(up) ? mmr_cli_word(&w->site, "✔ 接続中", "✔ connected")
                                                                                 : mmr_cli_word(&w->site, "- 不在", "- away"), 14);
        mmr_person_column(stdout, mmr_cli_json_text(o, "keys"), 22);
        mmr_person_column(stdout, mmr_cli_json_text(o, "hostname"), 24);
        mmr_person_text(stdout, mmr_cli_json_text(o, "seen"));
        (void)fputc('\n', stdout);
    }
}

static int list(struct work *w)
{
    struct mmr_error err = {.struct_size = sizeof err};
    bool is_down = false;
    (void)mmr_cli_site_ask(&w->site, mmr_collector_is_folder(w->site.state_dir) ? "node.up" : "status", NULL, ASK_MS, on_status, w, &is_down);
    w->list = json_object_new_array();
    int r = w->members ? mmr_members_each(w->members, add_member, w, &err) : 0;
    if (!r)
        r = add_configured(w, &err);
    if (r) {
        json_object_put(w->list);
        return failed(&err, MMR_EXIT_FAILED);
    }
    if (w->site.is_json) {
        struct json_object *o = json_object_new_object();
        json_object_object_add(o, "nodes", w->list);
        mmr_cli_json_print(o);
    } else {
        print_list(w);
        json_object_put(w->list);
    }
    json_object_put(w->status);
    return MMR_EXIT_OK;
}

/* ---- approve, revoke ---- */

static int on_quiet(void *ctx, struct json_object *line, const char *text, size_t len)
{
    (void)ctx;
    (void)line;
    (void)text;
    (void)len;
    return 0;
}

static int revoke_by_hand(struct work *w, struct mmr_error *err)
{
    struct mmr_public_keys pub;
    char path[256];
    (void)snprintf(path, sizeof path, "site.nodes.%s.key", w->name);
    const char *file = mmr_config_str(w->site.config, path);
    if (!file)
        return MMR_ENOENT;
    int r = mmr_site_read_public(file, &pub, err);
    return r ? r : mmr_members_revoke_keys(w->members, w->name, pub.curve, pub.sign, mmr_clock_wall_ns(), err);
}

static int decide(struct work *w)
{
    struct mmr_error err = {.struct_size = sizeof err}, other = {.struct_size = sizeof other};
    const bool is_revoke = strcmp(w->what, "revoke") == 0;
    bool is_down = false;
    int r = mmr_members_decide(w->members, w->name, is_revoke ? MMR_MEMBER_REVOKED : MMR_MEMBER_APPROVED, mmr_clock_wall_ns(), &err);
    if (r == MMR_ENOENT && is_revoke && (r = revoke_by_hand(w, &other)) != 0 && r != MMR_ENOENT)
        err = other;
    if (r)
        return failed(&err, r == MMR_ENOENT || r == MMR_EPERM ? MMR_EXIT_NO : MMR_EXIT_FAILED);
    int status = mmr_cli_site_ask(&w->site, "node.changed", NULL, ASK_MS, on_quiet, NULL, &is_down);
    if (w->site.is_json) {
        struct json_object *o = json_object_new_object();
        mmr_cli_json_str(o, "node", w->name);
        mmr_cli_json_str(o, "state", is_revoke ? "revoked" : "approved");
        json_object_object_add(o, "in_force", json_object_new_boolean(status == 0));
        mmr_cli_json_print(o);
    } else {
        (void)printf(is_revoke ? mmr_cli_word(&w->site, "「%s」を取り消しました。もう受け付けません。\n", "'%s' is revoked: nothing of it is taken any more\n")
                               : mmr_cli_word(&w->site, "「%s」を承認しました。\n", "'%s' is approved\n"), w->name);
        if (is_down)
            (void)puts(mmr_cli_word(&w->site, "mamori は動いていません。次に動かしたときから有効です。",
                                    "mamori is not running; it is in force from its next start on."));
    }
    return is_down || status == 0 ? MMR_EXIT_OK : MMR_EXIT_FAILED;
}

/* ---- rotate ---- */

static int on_rotate(void *ctx, struct json_object *line, const char *text, size_t len)
{
    const struct work *w = ctx;
    size_t n;
    (void)len;
    if (w->site.is_json) {
        (void)puts(text);
        return 0;
    }
    if (*mmr_cli_json_text(line, "asked"))
        (void)printf(mmr_cli_word(&w->site, "「%s」に新しい鍵を作るよう伝えました。「mamori node list」で確かめられます。\n",
                                  "'%s' was asked to make new keys; 'mamori node list' shows them\n"), mmr_cli_json_text(line, "asked"));
    if (*mmr_cli_json_text(line, "keys"))
        (void)printf(mmr_cli_word(&w->site, "新しい鍵 %s をハブに届けます。つながりしだい切り替わります。\n",
                                  "new keys %s; they are used as soon as the hub has them\n"), mmr_cli_json_text(line, "keys"));
    if (*mmr_cli_json_text(line, "next"))
        (void)printf(mmr_cli_word(&w->site, "ハブの新しい鍵 %s\n", "the hub's next keys %s\n"), mmr_cli_json_text(line, "next"));
    struct json_object *list = mmr_cli_json_list(line, "not_told_yet", &n), *changed = NULL;
    if (json_object_object_get_ex(line, "changed", &changed) && json_object_get_boolean(changed))
        (void)puts(mmr_cli_word(&w->site, "切り替えました。まだ使われていない参加用の文字列は無効です。", "They are in use now. Tokens that were not used yet are void."));
    else if (n)
        (void)puts(mmr_cli_word(&w->site, "次の端末に伝わりしだい切り替わります:", "They are used once these nodes know them:"));
    for (size_t i = 0; i < n; i++) {
        (void)fputs("  ", stdout);
        mmr_person_text(stdout, json_object_get_string(json_object_array_get_idx(list, i)));
        (void)fputc('\n', stdout);
    }
    return 0;
}

static int rotate(struct work *w)
{
    struct json_object *args = json_object_new_object();
    if (w->name)
        json_object_object_add(args, "name", json_object_new_string(w->name));
    if (w->is_now)
        json_object_object_add(args, "now", json_object_new_string("yes"));
    int status = mmr_cli_site_ask(&w->site, w->is_hub ? "node.rotate_hub" : "node.rotate", args, ASK_MS, on_rotate, w, NULL);
    json_object_put(args);
    return status;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'},
                                            {"hub", no_argument, NULL, 'h'}, {"now", no_argument, NULL, 'n'}, {0}};
    struct work w = {.site = {.command = "node"}};
    struct mmr_error err = {.struct_size = sizeof err};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (o) {
        case 'c': w.site.dir = optarg; break;
        case 'j': w.site.is_json = true; break;
        case 'h': w.is_hub = true; break;
        case 'n': w.is_now = true; break;
        default: return MMR_EXIT_USAGE;
        }
    w.what = optind < argc ? argv[optind] : "";
    w.name = optind + 1 < argc ? argv[optind + 1] : NULL;
    const bool is_list = strcmp(w.what, "list") == 0, is_rotate = strcmp(w.what, "rotate") == 0;
    const bool is_decision = strcmp(w.what, "approve") == 0 || strcmp(w.what, "revoke") == 0;
    if (!(is_list || is_rotate || is_decision) || optind + 2 < argc || (is_list && w.name) || (is_decision && !w.name) ||
        (!is_rotate && (w.is_hub || w.is_now)) || (w.is_hub && w.name) || (w.is_now && !w.is_hub) ||
        (w.name && strlen(w.name) > MMR_MEMBER_NAME_MAX)) {
        (void)fprintf(stderr, "mamori node: expected 'list', 'approve NODE', 'revoke NODE', 'rotate [NODE]' or 'rotate --hub [--now]'; see 'mamori help node'\n");
        return MMR_EXIT_USAGE;
    }
    int status = mmr_cli_site_open(&w.site);
    if (!status && is_rotate)
        status = rotate(&w);
    else if (!status) {
        int r = mmr_members_open(w.site.state_dir, is_decision, &w.members, &err);
        status = r && r != MMR_ENOENT ? failed(&err, MMR_EXIT_FAILED) : is_list ? list(&w) : decide(&w);
    }
    mmr_members_close(w.members);
    mmr_cli_site_done(&w.site);
    return status;
}

MMR_COMMAND(node) = {
    .name = "node",
    .help = "the machines of the site: who they are, who may, and their keys",
    .usage = "mamori node list [--config DIR] [--json]\n"
             "mamori node approve NODE | revoke NODE [--config DIR] [--json]\n"
             "mamori node rotate [NODE] [--config DIR] [--json]\n"
             "mamori node rotate --hub [--now] [--config DIR] [--json]\n"
             "\n"
             "list     at the hub: every machine that joined or was configured. --json: {\"nodes\":[...]}\n"
             "approve  one that waits (site.approve: by_hand); compare its keys with what it shows first\n"
             "revoke   nothing of it is taken or answered any more, also on an open connection; its keys stay refused\n"
             "rotate   new keys. At an endpoint: its own. At the hub with NODE: that node is asked to make its own. With --hub:\n"
             "         the hub's, told to every node first and used once all know them; --now: at once, and who does not know\n"
             "         them yet must join again.\n"
             "At a provider's collector a NODE is a site, and the hub is the collector.\n",
    .run = run,
};
