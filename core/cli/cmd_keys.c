/* cmd_keys.c - `mamori keys`: makes this machine's keys, and prints the half that other machines are given. */
#include "bus/keys.h"
#include "cli/command.h"
#include "config/sources.h"
#include "util/file.h"
#include "util/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_CAP = 512 };

static void say(void *ctx, const char *line)
{
    (void)ctx;
    (void)fprintf(stderr, "%s\n", line);
}

static int path_in(const char *dir, const char *name, char buf[PATH_CAP], struct mmr_error *err)
{
    int n = snprintf(buf, PATH_CAP, "%s/%s", dir, name);
    return n > 0 && n < PATH_CAP ? 0 : mmr_fail(err, MMR_EINVAL, "'%.60s…/%s' is too long", dir, name);
}

static int write_public(const char *dir, const char *line, struct mmr_error *err)
{
    char path[PATH_CAP], text[MMR_PUBLIC_TEXT_MAX + 1];
    const int n = snprintf(text, sizeof text, "%s\n", line);
    int r = path_in(dir, "node.pub", path, err);
    return r ? r : mmr_file_replace("public keys", path, 0644, text, (size_t)n, err);
}

/* The old file stays under another name: whoever still has its public half can be told which one that was. */
static int put_aside(const char *path, struct mmr_error *err)
{
    char old[PATH_CAP];
    int n = snprintf(old, sizeof old, "%s.old", path);
    if (n < 0 || (size_t)n >= sizeof old)
        return mmr_fail(err, MMR_EINVAL, "'%.60s…' is too long", path);
    if (rename(path, old) != 0 && errno != ENOENT)
        return mmr_fail(err, MMR_EIO, "'%s' cannot be put aside as '%s': %s", path, old, strerror(errno));
    return 0;
}

static int make(const char *dir, bool is_forced, struct mmr_error *err)
{
    char path[PATH_CAP], line[MMR_PUBLIC_TEXT_MAX];
    struct mmr_keys keys;
    struct stat st;
    int r = path_in(dir, "node.key", path, err);
    if (!r && mkdir(dir, 0700) != 0 && errno != EEXIST)
        r = mmr_fail(err, MMR_EIO, "state folder '%s': %s; make it, or name one with --state DIR", dir, strerror(errno));
    if (!r && !is_forced && lstat(path, &st) == 0)
        r = mmr_fail(err, MMR_EPERM, "'%s' exists; new keys would shut this machine out of its site until the other side has "
                     "their public half. --force makes them all the same", path);
    if (!r && is_forced)
        r = put_aside(path, err);
    if (!r)
        r = mmr_keys_new(&keys, err);
    if (r)
        return r;
    r = mmr_keys_save(&keys, path, err);
    mmr_public_keys_format(&keys.pub, line);
    mmr_keys_done(&keys);
    if (!r)
        r = write_public(dir, line, err);
    if (!r)
        (void)puts(line);
    return r;
}

static int show(const char *dir, struct mmr_error *err)
{
    char path[PATH_CAP], line[MMR_PUBLIC_TEXT_MAX];
    struct mmr_keys keys;
    int r = path_in(dir, "node.key", path, err);
    if (!r)
        r = mmr_keys_load(path, &keys, err);
    if (r)
        return r == MMR_ENOENT ? mmr_fail(err, r, "this machine has no keys (%s): run 'mamori keys new'", path) : r;
    mmr_public_keys_format(&keys.pub, line);
    mmr_keys_done(&keys);
    (void)puts(line);
    return 0;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'},
                                            {"state", required_argument, NULL, 's'}, {"force", no_argument, NULL, 'f'}, {0}};
    const char *config_dir = NULL, *dir = NULL;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_config *config = NULL;
    bool is_forced = false;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (o) {
        case 'c': config_dir = optarg; break;
        case 'j': break; /* a line of keys is the same for everybody */
        case 's': dir = optarg; break;
        case 'f': is_forced = true; break;
        default: return MMR_EXIT_USAGE;
        }
    const char *what = optind + 1 == argc ? argv[optind] : "";
    if (strcmp(what, "new") != 0 && strcmp(what, "show") != 0) {
        (void)fprintf(stderr, "mamori keys: expected 'new' or 'show'%s%s; see 'mamori help keys'\n", optind < argc ? ", found " : "",
                      optind < argc ? argv[optind] : "");
        return MMR_EXIT_USAGE;
    }
    if (!dir) {
        if (mmr_config_load_site(config_dir, NULL, say, NULL, &config, &err) < 0) {
            (void)fprintf(stderr, "mamori keys: %s\n", err.text);
            return MMR_EXIT_USAGE;
        }
        dir = mmr_config_str(config, "node.state_dir");
    }
    int r = strcmp(what, "new") == 0 ? make(dir, is_forced, &err) : show(dir, &err);
    if (r)
        (void)fprintf(stderr, "mamori keys: %s\n", err.text);
    mmr_config_free(config);
    return r == 0 ? MMR_EXIT_OK : MMR_EXIT_FAILED;
}

MMR_COMMAND(keys) = {
    .name = "keys",
    .help = "the keys this machine is known by to the others of its site",
    .usage = "mamori keys new [--state DIR] [--force]\n"
             "mamori keys show [--state DIR]\n"
             "\n"
             "new   makes <state>/node.key (mode 0600) and <state>/node.pub, and prints the public line. With --force the\n"
             "      keys that are there are put aside as node.key.old.\n"
             "show  prints the public line again.\n"
             "\n"
             "The line is placed by hand: a hub's in a file that its endpoints name as site.hub_key, an endpoint's in a\n"
             "file that the hub names as site.nodes.<node>.key.\n",
    .run = run,
};
