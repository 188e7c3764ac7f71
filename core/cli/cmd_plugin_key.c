/* cmd_plugin_key.c - `mamori plugin key`: pairs of keys for signing, and the ring of keys whose signatures count here. */
#include "cli/site.h"
#include "trust/keyring.h"
#include "trust/place.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/id.h"
#include "util/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct asked {
    struct mmr_cli_site site;
    const char *owner, *comment, *signs, *why;
};

static int bad(const char *text, int status)
{
    (void)fprintf(stderr, "mamori plugin key: %s\n", text);
    return status;
}

static int status_of(int r)
{
    return r == MMR_EIO || r == MMR_ENOMEM ? MMR_EXIT_FAILED : r == MMR_ENOENT || r == MMR_EINVAL ? MMR_EXIT_USAGE : MMR_EXIT_NO;
}

static int new_pair(const char *name)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_sign_secret s;
    struct mmr_sign_key k;
    char text[MMR_SIGN_FILE_MAX], id[MMR_SIGN_ID_TEXT];
    mmr_autofree char *sec = NULL, *pub = NULL;
    struct stat st;
    if (asprintf(&sec, "%s.sec", name) < 0 || asprintf(&pub, "%s.pub", name) < 0)
        return bad("out of memory", MMR_EXIT_FAILED);
    if (lstat(sec, &st) == 0 || lstat(pub, &st) == 0) {
        (void)fprintf(stderr, "mamori plugin key: '%s' or '%s' exists already; a key is never overwritten, move it away first\n", sec, pub);
        return MMR_EXIT_NO;
    }
    int r = mmr_sign_secret_new(&s, &err);
    if (r)
        return bad(err.text, MMR_EXIT_FAILED);
    mmr_sign_secret_public(&s, &k);
    size_t n = mmr_sign_secret_format(&s, text);
    r = mmr_file_replace("secret key", sec, 0600, text, n, &err);
    sodium_memzero(text, sizeof text);
    mmr_sign_secret_done(&s);
    n = mmr_sign_key_format(&k, text);
    if (r == 0)
        r = mmr_file_replace("public key", pub, 0644, text, n, &err);
    if (r)
        return bad(err.text, MMR_EXIT_FAILED);
    mmr_sign_id_text(k.id, id);
    (void)printf("key %s: %s is secret, keep it off the machines it signs for; %s is for everybody\n", id, sec, pub);
    return MMR_EXIT_OK;
}

static int ring_path(const struct asked *a, const char *file, char **ret, struct mmr_error *err)
{
    const char *dir = mmr_config_str(a->site.config, "trust.keys_dir");
    if (mkdir(dir, 0755) != 0 && errno != EEXIST)
        return mmr_fail(err, MMR_EIO, "key ring '%s': %s", dir, strerror(errno));
    if (asprintf(ret, "%s/%s", dir, file) < 0) {
        *ret = NULL;
        return mmr_fail(err, MMR_ENOMEM, "out of memory");
    }
    return 0;
}

static int save(const struct asked *a, const struct mmr_ring_key *k, struct mmr_error *err)
{
    char text[MMR_SIGN_FILE_MAX];
    mmr_autofree char *path = NULL;
    size_t len;
    int r = mmr_ring_key_format(k, text, &len, err);
    if (r == 0)
        r = ring_path(a, k->file, &path, err);
    return r ? r : mmr_file_replace("key", path, 0644, text, len, err);
}

static int add(const struct asked *a, const char *file)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_ring_key k = {.signs = MMR_KEY_PLUGINS};
    struct mmr_keyring ring;
    mmr_autofree char *text = NULL;
    char id[MMR_SIGN_ID_TEXT];
    size_t len;
    if (!a->owner || !*a->owner)
        return bad("--owner is missing: whose key is it?", MMR_EXIT_USAGE);
    if (a->signs)
        k.signs = strcmp(a->signs, "plugins") == 0 ? MMR_KEY_PLUGINS : strcmp(a->signs, "tools") == 0 ? MMR_KEY_TOOLS
                                                                  : strcmp(a->signs, "both") == 0 ? 3 : 0;
    if (!k.signs)
        return bad("--signs must be plugins, tools or both", MMR_EXIT_USAGE);
    int r = mmr_place_read("public key", file, MMR_SIGN_FILE_MAX, &text, &len, &err);
    if (r == 0)
        r = mmr_sign_key_parse(file, text, len, &k.key, &err);
    if (r == 0)
        r = mmr_keyring_load(mmr_config_str(a->site.config, "trust.keys_dir"), &ring, &err);
    if (r)
        return bad(err.text, status_of(r));
    mmr_sign_id_text(k.key.id, id);
    for (size_t i = 0; i < ring.n && r == 0; i++)
        if (memcmp(ring.key[i].key.id, k.key.id, 8) == 0)
            r = mmr_fail(&err, MMR_EPERM, "key %s is in the ring already, as '%s'%s", id, ring.key[i].file, ring.key[i].revoked[0] ? ", revoked" : "");
    mmr_keyring_done(&ring);
    (void)snprintf(k.file, sizeof k.file, "%s.yaml", id);
    if (snprintf(k.owner, sizeof k.owner, "%s", a->owner) >= (int)sizeof k.owner || snprintf(k.comment, sizeof k.comment, "%s", a->comment ? a->comment : "") >= (int)sizeof k.comment)
        r = mmr_fail(&err, MMR_EINVAL, "--owner has at most %zu bytes, --comment %zu", sizeof k.owner - 1, sizeof k.comment - 1);
    mmr_time_format(mmr_clock_wall_ns(), k.added, sizeof k.added);
    if (r == 0)
        r = save(a, &k, &err);
    if (r)
        return bad(err.text, status_of(r));
    (void)printf("key %s of %s is in the ring\n", id, k.owner);
    return MMR_EXIT_OK;
}

static int revoke_key(const struct asked *a, const char *id)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_keyring ring;
    char text[MMR_SIGN_ID_TEXT];
    int found = 0, r = mmr_keyring_load(mmr_config_str(a->site.config, "trust.keys_dir"), &ring, &err);
    if (r)
        return bad(err.text, status_of(r));
    for (size_t i = 0; i < ring.n && r == 0; i++) {
        struct mmr_ring_key *k = &ring.key[i];
        mmr_sign_id_text(k->key.id, text);
        if (strcasecmp(text, id) != 0)
            continue;
        found++;
        if (k->revoked[0])
            continue;
        mmr_time_format(mmr_clock_wall_ns(), k->revoked, sizeof k->revoked);
        (void)snprintf(k->why, sizeof k->why, "%s", a->why ? a->why : "");
        r = save(a, k, &err);
    }
    mmr_keyring_done(&ring);
    if (r)
        return bad(err.text, status_of(r));
    if (!found) {
        (void)fprintf(stderr, "mamori plugin key: key %s is not in the ring; 'mamori plugin key list' shows all\n", id);
        return MMR_EXIT_NO;
    }
    (void)printf("key %s is revoked; 'mamori reload' ends the plugins it signed\n", id);
    return MMR_EXIT_OK;
}

static int list(const struct asked *a)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_keyring ring;
    static const char *const uses[] = {"", "plugins", "tools", "both"};
    int r = mmr_keyring_load(mmr_config_str(a->site.config, "trust.keys_dir"), &ring, &err);
    if (r)
        return bad(err.text, status_of(r));
    struct json_object *o = json_object_new_object(), *keys = json_object_new_array();
    for (size_t i = 0; i < ring.n; i++) {
        const struct mmr_ring_key *k = &ring.key[i];
        struct json_object *x = json_object_new_object();
        char id[MMR_SIGN_ID_TEXT], text[MMR_SIGN_KEY_TEXT];
        mmr_sign_id_text(k->key.id, id);
        mmr_sign_key_text(&k->key, text);
        mmr_cli_json_str(x, "id", id);
        mmr_cli_json_str(x, "key", text);
        mmr_cli_json_str(x, "owner", k->owner);
        mmr_cli_json_str(x, "comment", k->comment);
        mmr_cli_json_str(x, "signs", uses[k->signs & 3]);
        mmr_cli_json_str(x, "added", k->added);
        mmr_cli_json_str(x, "revoked", k->revoked);
        mmr_cli_json_str(x, "why", k->why);
        json_object_array_add(keys, x);
        if (!a->site.is_json)
            (void)printf("%s  %-8s %-24s %s%s%s\n", id, uses[k->signs & 3], k->owner, k->revoked[0] ? "revoked " : "", k->revoked, k->comment);
    }
    json_object_object_add(o, "keys", keys);
    json_object_object_add(o, "left_out", json_object_new_int64((int64_t)ring.n_bad));
    if (a->site.is_json)
        mmr_cli_json_print(o);
    else
        json_object_put(o);
    if (ring.n_bad)
        (void)fprintf(stderr, "mamori plugin key: %zu file%s left out; the first: %s\n", ring.n_bad, ring.n_bad == 1 ? " was" : "s were", ring.bad);
    mmr_keyring_done(&ring);
    return MMR_EXIT_OK;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"owner", required_argument, NULL, 'o'}, {"comment", required_argument, NULL, 'm'},
                                            {"signs", required_argument, NULL, 's'}, {"why", required_argument, NULL, 'w'},
                                            {"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'}, {0}};
    struct asked a = {.site = {.command = "plugin key"}};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (o) {
        case 'o': a.owner = optarg; break;
        case 'm': a.comment = optarg; break;
        case 's': a.signs = optarg; break;
        case 'w': a.why = optarg; break;
        case 'c': a.site.dir = optarg; break;
        case 'j': a.site.is_json = true; break;
        default: return MMR_EXIT_USAGE;
        }
    const char *what = optind < argc ? argv[optind] : "", *of = optind + 1 < argc ? argv[optind + 1] : "";
    bool has_one = optind + 2 == argc, has_none = optind + 1 == argc;
    if (strcmp(what, "new") == 0 && has_one)
        return new_pair(of);
    bool is_known = (has_one && (strcmp(what, "add") == 0 || strcmp(what, "revoke") == 0)) || (has_none && strcmp(what, "list") == 0);
    if (!is_known)
        return bad("expected new NAME, add FILE.pub, revoke ID or list; see 'mamori help plugin key'", MMR_EXIT_USAGE);
    int status = mmr_cli_site_open(&a.site);
    if (status)
        return status;
    status = what[0] == 'a' ? add(&a, of) : what[0] == 'r' ? revoke_key(&a, of) : list(&a);
    mmr_cli_site_done(&a.site);
    return status;
}

MMR_COMMAND(plugin_key) = {
    .name = "plugin key",
    .help = "keys for signing, and the ring of keys that count here",
    .usage = "usage: mamori plugin key new NAME\n"
             "       mamori plugin key add FILE.pub --owner NAME [--comment TEXT] [--signs plugins|tools|both]\n"
             "       mamori plugin key revoke ID [--why TEXT]\n"
             "       mamori plugin key list [--json]\n\n"
             "new:    NAME.sec (secret, without a password) and NAME.pub, in minisign's format; `minisign -G` makes them too.\n"
             "add:    signatures of this key count here from now on, for plugins (the default), for the tool manifest, or both.\n"
             "revoke: they no longer do; what it signed is refused at the next start or reload.\n"
             "The ring is the folder trust.keys_dir names (/etc/mamori/keys.d).\n",
    .run = run,
};
