/* joining.c - see joining.h. */
#include "cli/joining.h"

#include "brain/site_conf.h"
#include "cli/person.h"
#include "util/clock.h"

#include <errno.h>
#include <getopt.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int said(const struct mmr_cli_joining *j, const struct mmr_error *err, int status)
{
    (void)fprintf(stderr, "mamori %s: %s\n", j->site.command, err->text);
    return status;
}

int mmr_cli_joining_begin(struct mmr_cli_joining *j, int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'},
                                            {"name", required_argument, NULL, 'n'}, {0}};
    struct mmr_error err = {.struct_size = sizeof err};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (o) {
        case 'c': j->site.dir = optarg; break;
        case 'j': j->site.is_json = true; break;
        case 'n': j->name = optarg; break;
        default: return MMR_EXIT_USAGE;
        }
    if (optind + 1 != argc) {
        (void)fprintf(stderr, "mamori %s: expected one token%s%s; see 'mamori help %s'\n", j->site.command, optind < argc ? ", found more: " : "",
                      optind < argc ? argv[argc - 1] : "", j->site.command);
        return MMR_EXIT_USAGE;
    }
    if (j->name && !mmr_join_name_is_good(j->name)) {
        (void)fprintf(stderr, "mamori %s: --name '%.60s': up to 39 letters, digits, '-', '_' and '.'\n", j->site.command, j->name);
        return MMR_EXIT_USAGE;
    }
    if (sodium_init() < 0 || mmr_token_parse(argv[optind], &j->token, &err) != 0)
        return said(j, &err, MMR_EXIT_USAGE);
    return mmr_cli_site_open(&j->site);
}

int mmr_cli_joining_ask(struct mmr_cli_joining *j, const char *key_dir, const char *own_name, const int *waits_ms, const char *issuer)
{
    struct mmr_error err = {.struct_size = sizeof err};
    char host[64] = "";
    int r = MMR_EIO;
    (void)gethostname(host, sizeof host - 1);
    if (mmr_clock_wall_ns() / MMR_NS_PER_S >= j->token.expires_s) {
        (void)mmr_fail(&err, MMR_EPERM, "the token has expired (or this machine's clock is wrong); get a new one: %s", issuer);
        return said(j, &err, MMR_EXIT_NO);
    }
    if (mkdir(j->site.state_dir, 0700) != 0 && errno != EEXIST && errno != ENOENT) { /* ENOENT: the keys' own error says more */
        (void)mmr_fail(&err, MMR_EIO, "state folder '%.180s': %s", j->site.state_dir, strerror(errno));
        return said(j, &err, MMR_EXIT_FAILED);
    }
    if (mmr_site_own_keys(key_dir, &j->keys, &err) != 0)
        return said(j, &err, MMR_EXIT_FAILED);
    for (; *waits_ms && r != 0; waits_ms++)
        r = mmr_join_ask(&j->token, &j->keys, j->name ? j->name : own_name, host, *waits_ms, &j->answer, j->host, &err);
    if (r)
        return said(j, &err, MMR_EXIT_FAILED);
    if (j->answer.result == MMR_JOIN_TAKEN)
        return MMR_EXIT_OK;
    (void)fprintf(stderr, "mamori %s: ", j->site.command);
    mmr_person_text(stderr, j->answer.why); /* the other end's words */
    (void)fputc('\n', stderr);
    return MMR_EXIT_NO;
}

static struct mmr_public_keys theirs(const struct mmr_cli_joining *j)
{
    struct mmr_public_keys pub;
    memcpy(pub.curve, j->token.hub_curve, MMR_KEY);
    memcpy(pub.sign, j->answer.hub_sign, MMR_KEY);
    return pub;
}

int mmr_cli_joining_pin(struct mmr_cli_joining *j, const char *folder, const char *file)
{
    const struct mmr_public_keys pub = theirs(j);
    struct mmr_error err = {.struct_size = sizeof err};
    const char *colon = strrchr(j->host, ':');
    int n = snprintf(j->key_file, sizeof j->key_file, "%s/%s", folder, file);
    (void)snprintf(j->address, sizeof j->address, "tcp://%.*s:%u", (int)(colon ? colon - j->host : 0), j->host, j->answer.port);
    if (n < 0 || (size_t)n >= sizeof j->key_file || !colon || strpbrk(j->key_file, "\"\\\n")) {
        (void)mmr_fail(&err, MMR_EINVAL, "node.state_dir '%.60s' is too long, or has quotes in it", j->site.state_dir);
        return said(j, &err, MMR_EXIT_USAGE);
    }
    return mmr_site_write_public(j->key_file, &pub, &err) != 0 ? said(j, &err, MMR_EXIT_FAILED) : MMR_EXIT_OK;
}

void mmr_cli_joining_fingerprints(const struct mmr_cli_joining *j, char ret_own[MMR_FINGERPRINT_MAX], char ret_theirs[MMR_FINGERPRINT_MAX])
{
    const struct mmr_public_keys pub = theirs(j);
    mmr_public_keys_fingerprint(&pub, ret_theirs);
    mmr_public_keys_fingerprint(&j->keys.pub, ret_own);
}

void mmr_cli_joining_done(struct mmr_cli_joining *j)
{
    mmr_cli_site_done(&j->site);
    mmr_keys_done(&j->keys);
    sodium_memzero(&j->token, sizeof j->token);
}
