/* cmd_plugin_sign.c - `mamori plugin sign`: a signature in minisign's format for a plugin, or for a tool manifest. */
#include "cli/plugin_facts.h"
#include "cli/site.h"
#include "trust/place.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PASSWORD_MAX = 1024 };

static int bad(const char *text, int status)
{
    (void)fprintf(stderr, "mamori plugin sign: %s\n", text);
    return status;
}

/* The first line of a file; "" where none is named. */
static int read_password(const char *path, char *buf, struct mmr_error *err)
{
    mmr_autofree char *text = NULL;
    size_t len;
    buf[0] = '\0';
    int r = path ? mmr_place_read("password file", path, PASSWORD_MAX - 1, &text, &len, err) : 0;
    if (r || !path)
        return r;
    (void)snprintf(buf, PASSWORD_MAX, "%.*s", (int)strcspn(text, "\r\n"), text);
    sodium_memzero(text, len);
    return 0;
}

static int load_secret(const char *path, const char *password_file, struct mmr_sign_secret *ret, struct mmr_error *err)
{
    mmr_autofree char *text = NULL;
    char password[PASSWORD_MAX];
    struct stat st;
    size_t len;
    if (stat(path, &st) == 0 && (st.st_mode & 077))
        return mmr_fail(err, MMR_EPERM, "secret key '%s' has mode %03o, others can read it; chmod 600 it", path, st.st_mode & 0777);
    int r = mmr_place_read("secret key", path, MMR_SIGN_FILE_MAX, &text, &len, err);
    if (r)
        return r;
    r = read_password(password_file, password, err);
    if (r == 0)
        r = mmr_sign_secret_parse(path, text, len, password, ret, err);
    sodium_memzero(password, sizeof password);
    sodium_memzero(text, len);
    return r;
}

/* "id=… version=… abi=… timestamp=…": what the signature is for cannot be taken for another plugin's. */
static int comment_of(const struct mmr_config *c, const char *file, char *buf, size_t cap, struct mmr_error *err)
{
    struct mmr_admission a;
    struct json_object *facts = NULL;
    const long long now = (long long)(mmr_clock_wall_ns() / MMR_NS_PER_S);
    size_t n = strlen(file);
    if (n <= 3 || strcmp(file + n - 3, ".so") != 0) {
        const char *base = strrchr(file, '/');
        (void)snprintf(buf, cap, "timestamp=%lld file=%.200s", now, base ? base + 1 : file);
        return 0;
    }
    int r = mmr_plugin_named(c, file, &a, err);
    if (r == 0)
        r = mmr_plugin_facts(NULL, a.fd, file, &facts, err);
    if (r == 0)
        (void)snprintf(buf, cap, "id=%s version=%s abi=%lld timestamp=%lld", mmr_cli_json_text(facts, "id"), mmr_cli_json_text(facts, "version"),
                       (long long)mmr_cli_json_number(facts, "abi"), now);
    json_object_put(facts);
    mmr_admission_done(&a);
    return r;
}

static int sign(const struct mmr_config *c, const char *file, const struct mmr_sign_secret *secret, struct mmr_error *err)
{
    char comment[MMR_SIGN_COMMENT_MAX + 1], text[MMR_SIGN_FILE_MAX], id[MMR_SIGN_ID_TEXT];
    uint8_t blake2b[MMR_BLAKE2B_512];
    mmr_autofree char *out = NULL;
    size_t len = 0;
    mmr_autoclose int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return mmr_fail(err, MMR_EIO, "'%s': %s", file, strerror(errno));
    int r = comment_of(c, file, comment, sizeof comment, err);
    if (r == 0)
        r = mmr_place_hash(fd, NULL, blake2b, err);
    if (r == 0)
        r = mmr_signature_make(secret, blake2b, comment, text, &len, err);
    if (r == 0 && asprintf(&out, "%s.minisig", file) < 0)
        r = mmr_fail(err, MMR_ENOMEM, "out of memory");
    if (r == 0)
        r = mmr_file_replace("signature", out, 0644, text, len, err);
    if (r)
        return r;
    mmr_sign_id_text(secret->id, id);
    (void)printf("%s: signed with key %s (%s)\n", out, id, comment);
    return 0;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"key", required_argument, NULL, 'k'}, {"password-file", required_argument, NULL, 'p'},
                                            {"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'}, {0}};
    struct mmr_cli_site site = {.command = "plugin sign"};
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_sign_secret secret;
    const char *key = NULL, *password = NULL;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (o) {
        case 'k': key = optarg; break;
        case 'p': password = optarg; break;
        case 'c': site.dir = optarg; break;
        case 'j': break;
        default: return MMR_EXIT_USAGE;
        }
    if (!key || optind >= argc)
        return bad("expected FILE... --key KEY.sec; see 'mamori help plugin sign'", MMR_EXIT_USAGE);
    if (sodium_init() < 0)
        return bad("the system gives no random numbers", MMR_EXIT_FAILED);
    int status = mmr_cli_site_open(&site);
    if (status)
        return status;
    int r = load_secret(key, password, &secret, &err);
    for (int i = optind; i < argc && r == 0; i++)
        r = sign(site.config, argv[i], &secret, &err);
    mmr_sign_secret_done(&secret);
    mmr_cli_site_done(&site);
    return r ? bad(err.text, r == MMR_EIO || r == MMR_ENOMEM ? MMR_EXIT_FAILED : r == MMR_ENOENT ? MMR_EXIT_USAGE : MMR_EXIT_NO) : MMR_EXIT_OK;
}

MMR_COMMAND(plugin_sign) = {
    .name = "plugin sign",
    .help = "signs a plugin file or a tool manifest",
    .usage = "usage: mamori plugin sign FILE... --key KEY.sec [--password-file FILE]\n\n"
             "Writes FILE.minisig, which `minisign -V` verifies too. KEY.sec is a secret key of `mamori plugin key new` or of\n"
             "minisign; --password-file names a file whose first line is the key's password, if it has one. A plugin (.so) is\n"
             "signed as itself: its id, version and ABI stand in the signed comment. With minisign alone the same is\n"
             "  minisign -S -s KEY.sec -m FILE -t 'id=org.example.beacon version=1.0.0 abi=1'\n",
    .run = run,
};
