/* cmd_plugin_register.c - `mamori plugin register`: this site agrees to one file, by its hash, its key and what it may do. */
#include "cli/plugin_facts.h"
#include "cli/site.h"
#include "plugin/describe.h"
#include "plugin/program.h"
#include "util/clock.h"
#include "util/id.h"
#include "util/scope.h"

#include <getopt.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct asked {
    struct mmr_cli_site site;
    const char *needs, *actions; /* comma separated; NULL: what the plugin asks for */
};

static int bad(const char *text, int r)
{
    (void)fprintf(stderr, "mamori plugin register: %s\n", text);
    return r == MMR_EIO || r == MMR_ENOMEM ? MMR_EXIT_FAILED : r == MMR_ENOENT || r == MMR_EINVAL ? MMR_EXIT_USAGE : MMR_EXIT_NO;
}

/* "a,b" into "a b", each of which must be among what is asked for. */
static int narrow(const char *what, const char *given, const char *asked, char *buf, size_t cap, struct mmr_error *err)
{
    char padded[1100], word[80];
    if (!given)
        return snprintf(buf, cap, "%s", asked) < (int)cap ? 0 : mmr_fail(err, MMR_ETOOBIG, "the list of %s is too long", what);
    (void)snprintf(padded, sizeof padded, " %s ", asked);
    buf[0] = '\0';
    for (const char *p = given; *p; p += *p == ',') {
        size_t n = strcspn(p, ","), at = strlen(buf);
        (void)snprintf(word, sizeof word, " %.*s ", (int)(n < 70 ? n : 70), p);
        p += n;
        if (strcmp(word, " none ") == 0)
            continue;
        if (!strstr(padded, word))
            return mmr_fail(err, MMR_EINVAL, "--%s: '%.*s' is not what it asks for; it asks for: %s", what, (int)strlen(word) - 2, word + 1,
                            *asked ? asked : "nothing");
        (void)snprintf(buf + at, cap - at, "%s%.*s", at ? " " : "", (int)strlen(word) - 2, word + 1);
    }
    return 0;
}

static int fill(const struct asked *a, const struct mmr_admission *in, struct json_object *facts, struct mmr_registration *g, struct mmr_error *err)
{
    char needs[256], actions[1024], real[PATH_MAX];
    const struct {
        char *to;
        size_t cap;
        const char *key;
    } texts[] = {{g->id, sizeof g->id, "id"}, {g->version, sizeof g->version, "version"}, {g->maker, sizeof g->maker, "maker"},
                 {g->model, sizeof g->model, "model"}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (snprintf(texts[i].to, texts[i].cap, "%s", mmr_cli_json_text(facts, texts[i].key)) >= (int)texts[i].cap)
            return mmr_fail(err, MMR_ETOOBIG, "'%s' of the plugin is longer than %zu bytes", texts[i].key, texts[i].cap - 1);
    if (!realpath(in->path, real) || snprintf(g->file, sizeof g->file, "%s", real) >= (int)sizeof g->file)
        return mmr_fail(err, MMR_EIO, "the path of '%s' cannot be told, or is too long", in->path);
    mmr_plugin_fact_words(facts, "needs", needs, sizeof needs);
    mmr_plugin_fact_words(facts, "actions", actions, sizeof actions);
    mmr_plugin_fact_words(facts, "sides", g->sides, sizeof g->sides);
    int r = narrow("needs", a->needs, needs, g->needs, sizeof g->needs, err);
    if (r == 0)
        r = narrow("actions", a->actions, actions, g->actions, sizeof g->actions, err);
    mmr_time_format(mmr_clock_wall_ns(), g->at, sizeof g->at);
    const struct passwd *who = getpwuid(getuid());
    (void)snprintf(g->by, sizeof g->by, "%.60s", who ? who->pw_name : "");
    return r;
}

/* The signature beside it, if there is one: a bad one is refused, none is said. */
static int take_signature(const struct mmr_trust *t, const struct mmr_admission *in, struct mmr_registration *g, char *owner, size_t cap,
                          struct mmr_error *err)
{
    const struct mmr_ring_key *key = NULL;
    enum mmr_trust_reason reason;
    uint8_t blake2b[MMR_BLAKE2B_512];
    int r = mmr_place_hash(in->fd, g->sha256, blake2b, err);
    if (r)
        return r;
    r = mmr_trust_signature(t, g->id, in->path, blake2b, &key, g->signature, &reason, err);
    if (r == MMR_ENOENT && t->level != MMR_TRUST_SIGNED) {
        g->signature[0] = '\0';
        return 0;
    }
    if (r)
        return r == MMR_ENOENT ? MMR_EPERM : r;
    mmr_sign_id_text(key->key.id, g->key);
    (void)snprintf(owner, cap, "%s", key->owner);
    return 0;
}

static int do_register(const struct asked *a, const char *what)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_admission in = {.fd = -1};
    struct mmr_trust trust;
    struct json_object *facts = NULL;
    mmr_autofree struct mmr_registration *g = calloc(1, sizeof *g);
    char owner[128] = "";
    int r = g ? mmr_trust_open(a->site.config, &trust, &err) : mmr_fail(&err, MMR_ENOMEM, "out of memory");
    if (r)
        return bad(err.text, r);
    r = mmr_plugin_named(a->site.config, what, &in, &err);
    if (r == 0 && !in.path)
        r = mmr_fail(&err, MMR_EINVAL, "plugin %s is built in; it needs no registration", what);
    if (r == 0)
        r = mmr_plugin_facts(NULL, in.fd, what, &facts, &err);
    if (r == 0)
        r = fill(a, &in, facts, g, &err);
    if (r == 0)
        r = take_signature(&trust, &in, g, owner, sizeof owner, &err);
    if (r == 0)
        r = mmr_registration_save(trust.register_dir, g, &err);
    if (r == 0 && a->site.is_json) {
        struct json_object *o = json_object_new_object();
        mmr_cli_json_str(o, "id", g->id);
        mmr_cli_json_str(o, "version", g->version);
        mmr_cli_json_str(o, "sha256", g->sha256);
        mmr_cli_json_str(o, "key", g->key);
        mmr_cli_json_str(o, "needs", g->needs);
        mmr_cli_json_str(o, "actions", g->actions);
        mmr_cli_json_print(o);
    } else if (r == 0) {
        (void)printf("%s %s of %s is registered\n  sha256   %s\n  signed   %s%s%s\n  needs    %s\n  actions  %s\n", g->id, g->version,
                     g->maker[0] ? g->maker : "an unnamed maker", g->sha256, g->key[0] ? g->key : "no", owner[0] ? " of " : "", owner,
                     g->needs[0] ? g->needs : "none", g->actions[0] ? g->actions : "none");
        (void)printf("It runs once it is configured: plugins: {NAME: {plugin: %s, %s: %s}}, then 'mamori reload'.\n", g->id,
                     mmr_program_is(in.fd) ? "exec" : "file", g->file);
    }
    json_object_put(facts);
    mmr_admission_done(&in);
    mmr_trust_done(&trust);
    return r ? bad(err.text, r) : MMR_EXIT_OK;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"needs", required_argument, NULL, 'n'}, {"actions", required_argument, NULL, 'a'},
                                            {"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'}, {0}};
    struct asked a = {.site = {.command = "plugin register"}};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (o) {
        case 'n': a.needs = optarg; break;
        case 'a': a.actions = optarg; break;
        case 'c': a.site.dir = optarg; break;
        case 'j': a.site.is_json = true; break;
        default: return MMR_EXIT_USAGE;
        }
    if (optind + 1 != argc)
        return bad("expected one plugin, by file or id; see 'mamori help plugin register'", MMR_EINVAL);
    int status = mmr_cli_site_open(&a.site);
    if (status)
        return status;
    status = do_register(&a, argv[optind]);
    mmr_cli_site_done(&a.site);
    return status;
}

MMR_COMMAND(plugin_register) = {
    .name = "plugin register",
    .help = "this site agrees to a plugin file: its bytes, its key, what it may do",
    .usage = "usage: mamori plugin register FILE|ID [--needs LIST] [--actions LIST] [--json]\n\n"
             "Writes <trust.register_dir>/<id>.yaml: the hash of the file, the key that signed it (FILE.minisig, if it is there),\n"
             "and what is granted. --needs and --actions grant less than it asks for: comma separated, or none; an instance that\n"
             "declares more than is granted is refused. The file and each folder above it must belong to root or the service and be\n"
             "writable by nobody else. A file that is replaced later is refused until it is registered again.\n",
    .run = run,
};
