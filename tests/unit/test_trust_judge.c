/*
 * What may run: each condition by itself, and ten thousand damaged bytes. A site of its own in a folder: a plugin file, its
 * signature, keys, a registration, a manifest. The plugin is never loaded here; what counts is the answer.
 */
#include "trust/bundled.h"
#include "trust/trust.h"

#include "util/file.h"
#include "util/scope.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { FLIPS = 400, PLUGIN_BYTES = 3000 }; /* MMR_FLIPS=10000 in the environment: that many */
#define ID "org.example.beacon"

struct site {
    char dir[64], file[96], keys[96], registered[96], manifest[96];
    struct mmr_sign_secret author, service;
    struct mmr_config *config;
};

static void say(void *ctx, const char *line)
{
    (void)ctx;
    print_message("%s\n", line);
}

static void put(const char *path, const void *bytes, size_t len)
{
    struct mmr_error err = {.struct_size = sizeof err};
    if (mmr_file_replace("test", path, 0644, bytes, len, &err) != 0)
        fail_msg("%s", err.text);
}

static char *get(const char *path, size_t *ret_len)
{
    char *text = NULL;
    struct mmr_error err = {.struct_size = sizeof err};
    if (mmr_place_read("test", path, 1 << 20, &text, ret_len, &err) != 0)
        fail_msg("%s", err.text);
    return text;
}

static void sign(const char *path, const struct mmr_sign_secret *s, const char *comment)
{
    struct mmr_error err = {.struct_size = sizeof err};
    char text[MMR_SIGN_FILE_MAX], name[128];
    uint8_t hash[64];
    size_t len;
    mmr_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(mmr_place_hash(fd, NULL, hash, &err), 0);
    assert_int_equal(mmr_signature_make(s, hash, comment, text, &len, &err), 0);
    (void)snprintf(name, sizeof name, "%s.minisig", path);
    put(name, text, len);
}

static void add_key(const struct site *s, const char *name, const struct mmr_sign_secret *secret, unsigned signs, const char *revoked)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_ring_key k = {.signs = signs, .owner = "Example Ltd"};
    char text[MMR_SIGN_FILE_MAX], path[160];
    size_t len;
    mmr_sign_secret_public(secret, &k.key);
    (void)snprintf(k.revoked, sizeof k.revoked, "%s", revoked);
    assert_int_equal(mmr_ring_key_format(&k, text, &len, &err), 0);
    (void)snprintf(path, sizeof path, "%s/%s.yaml", s->keys, name);
    put(path, text, len);
}

static void configure(struct site *s, const char *level, const char *profile)
{
    char text[800];
    struct mmr_error err = {.struct_size = sizeof err};
    const struct mmr_config_source src = {.name = "test", .text = text};
    (void)snprintf(text, sizeof text, "profile: %s\ntrust: {require: %s, keys_dir: %s, register_dir: %s, manifest: %s}\n", profile, level, s->keys,
                   s->registered, s->manifest);
    mmr_config_free(s->config);
    s->config = NULL;
    if (mmr_config_load(&src, 1, say, NULL, &s->config, &err) != 0)
        fail_msg("%s", err.text);
}

static void do_register(const struct site *s)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_registration g = {.id = ID, .version = "1.2.3", .maker = "Example Ltd", .model = "beacon", .needs = "capture",
                                 .sides = "network", .at = "2026-11-22T00:00:00Z", .by = "root"};
    char name[128];
    size_t len;
    mmr_autoclose int fd = open(s->file, O_RDONLY | O_CLOEXEC);
    (void)snprintf(g.file, sizeof g.file, "%s", s->file);
    assert_int_equal(mmr_place_hash(fd, g.sha256, NULL, &err), 0);
    (void)snprintf(name, sizeof name, "%s.minisig", s->file);
    mmr_autofree char *sig = get(name, &len);
    mmr_place_hash_bytes(sig, len, g.signature);
    mmr_sign_id_text(s->author.id, g.key);
    if (mmr_registration_save(s->registered, &g, &err) != 0)
        fail_msg("%s", err.text);
}

static void list(const struct site *s, const char *id, const char *rule)
{
    struct mmr_error err = {.struct_size = sizeof err};
    char text[800], sha256[MMR_SHA256_TEXT];
    mmr_autoclose int fd = open(s->file, O_RDONLY | O_CLOEXEC);
    assert_int_equal(mmr_place_hash(fd, sha256, NULL, &err), 0);
    int n = snprintf(text, sizeof text,
                     "service: \"A service\"\nissued: \"2026-11-22\"\ntools:\n  - {id: %s, maker: Example Ltd, model: beacon, version: \"%s\", sha256: [%s]}\n"
                     "  - {id: com.example.edr, kind: sender, maker: Other, model: EDR 9, version: \"15.2 b\"}\n", id, rule, sha256);
    put(s->manifest, text, (size_t)n);
    sign(s->manifest, &s->service, "the tools");
}

static int setup(void **state)
{
    struct site *s = calloc(1, sizeof *s);
    struct mmr_error err = {.struct_size = sizeof err};
    uint8_t bytes[PLUGIN_BYTES];
    assert_non_null(s);
    (void)snprintf(s->dir, sizeof s->dir, "/tmp/mmr-trust-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    (void)snprintf(s->file, sizeof s->file, "%s/beacon.so", s->dir);
    (void)snprintf(s->keys, sizeof s->keys, "%s/keys.d", s->dir);
    (void)snprintf(s->registered, sizeof s->registered, "%s/plugins.d", s->dir);
    (void)snprintf(s->manifest, sizeof s->manifest, "%s/tools.yaml", s->dir);
    assert_int_equal(mkdir(s->keys, 0755), 0);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 31 >> 2);
    put(s->file, bytes, sizeof bytes);
    assert_int_equal(mmr_sign_secret_new(&s->author, &err), 0);
    assert_int_equal(mmr_sign_secret_new(&s->service, &err), 0);
    sign(s->file, &s->author, "id=" ID " version=1.2.3 abi=0");
    add_key(s, "author", &s->author, MMR_KEY_PLUGINS, "");
    add_key(s, "service", &s->service, MMR_KEY_TOOLS, "");
    do_register(s);
    list(s, ID, "1.2.3");
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct site *s = *state;
    char command[96];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", s->dir);
    assert_int_equal(system(command), 0);
    mmr_config_free(s->config);
    free(s);
    return 0;
}

/* The reason for this site as it is now; OK means it would be loaded. */
static enum mmr_trust_reason judge(struct site *s, const char *bundled, struct mmr_trust_verdict *v)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_trust t;
    assert_int_equal(mmr_trust_open(s->config, &t, &err), 0);
    mmr_autoclose int fd = open(s->file, O_RDONLY | O_CLOEXEC);
    const struct mmr_trust_ask ask = {.id = ID, .path = s->file, .fd = fd, .bundled = bundled};
    int r = mmr_trust_judge(&t, &ask, v, &err);
    if ((r == 0) != (v->reason == MMR_TRUST_OK) || (r != 0 && (r != MMR_EPERM || !v->text[0])))
        fail_msg("%d with reason '%s': %s", r, mmr_trust_reason_name(v->reason), v->text);
    mmr_trust_done(&t);
    return v->reason;
}

static void expect(struct site *s, const char *level, const char *profile, enum mmr_trust_reason want, const char *text)
{
    struct mmr_trust_verdict v;
    configure(s, level, profile);
    enum mmr_trust_reason got = judge(s, NULL, &v);
    if (got != want || !strstr(v.text, text))
        fail_msg("%s, %s: '%s' (%s), expected '%s' with '%s'", level, profile, mmr_trust_reason_name(got), v.text, mmr_trust_reason_name(want), text);
}

static void hash_of(const struct site *s, char sha256[MMR_SHA256_TEXT])
{
    struct mmr_error err = {.struct_size = sizeof err};
    mmr_autoclose int fd = open(s->file, O_RDONLY | O_CLOEXEC);
    assert_int_equal(mmr_place_hash(fd, sha256, NULL, &err), 0);
}

static void each_condition_is_asked_for_and_named(void **state)
{
    struct site *s = *state;
    char path[160], sha256[MMR_SHA256_TEXT];
    struct mmr_trust_verdict v;
    for (size_t i = 0; i < 4; i++)
        expect(s, mmr_trust_level_name((enum mmr_trust_level)i), "default", MMR_TRUST_OK, "");
    expect(s, "any", "service", MMR_TRUST_OK, "");

    add_key(s, "author", &s->author, MMR_KEY_PLUGINS, "2026-11-21"); /* its key is revoked after all this */
    expect(s, "any", "default", MMR_TRUST_OK, "");
    expect(s, "registered", "default", MMR_TRUST_KEY, "was revoked 2026-11-21");
    add_key(s, "author", &s->author, MMR_KEY_TOOLS, "");
    expect(s, "signed", "default", MMR_TRUST_KEY, "signs tools, not plugins");
    (void)snprintf(path, sizeof path, "%s/author.yaml", s->keys);
    assert_int_equal(unlink(path), 0);
    expect(s, "signed", "default", MMR_TRUST_KEY, "is not in the key ring");
    add_key(s, "author", &s->author, MMR_KEY_PLUGINS, "");
    (void)snprintf(path, sizeof path, "%s/service.yaml", s->keys);
    assert_int_equal(chmod(path, 0666), 0); /* anybody could have put it there: it counts for nothing */
    expect(s, "manifest", "default", MMR_TRUST_NO_MANIFEST, "a file was left out");
    assert_int_equal(chmod(path, 0644), 0);

    sign(s->file, &s->author, "id=org.example.other version=1.2.3 abi=0");
    expect(s, "signed", "default", MMR_TRUST_SIGNATURE, "says id=org.example.other, expected id=" ID);
    sign(s->file, &s->author, "id=" ID " version=9 abi=0"); /* good, but not the one that was registered */
    expect(s, "signed", "default", MMR_TRUST_SIGNATURE, "is not the signature that was registered");
    (void)snprintf(path, sizeof path, "%s.minisig", s->file);
    assert_int_equal(unlink(path), 0);
    expect(s, "signed", "default", MMR_TRUST_UNSIGNED, "is not signed");
    sign(s->file, &s->author, "id=" ID " version=1.2.3 abi=0");
    do_register(s);

    list(s, "org.example.other", "1.2.3");
    expect(s, "manifest", "default", MMR_TRUST_UNLISTED, "tool manifest of 'A service' (issued 2026-11-22) does not list it");
    expect(s, "any", "service", MMR_TRUST_UNLISTED, "profile is service"); /* no setting of the site weakens it */
    sign(s->manifest, &s->author, "not my list");
    expect(s, "manifest", "default", MMR_TRUST_NO_MANIFEST, "signs plugins, not the tool manifest");
    assert_int_equal(unlink(s->manifest), 0);
    expect(s, "manifest", "default", MMR_TRUST_NO_MANIFEST, "no tool manifest counts");
    configure(s, "registered", "service");
    hash_of(s, sha256);
    assert_int_equal(judge(s, sha256, &v), MMR_TRUST_NO_MANIFEST); /* bundled or not */

    (void)snprintf(path, sizeof path, "%s/" ID ".yaml", s->registered);
    assert_int_equal(unlink(path), 0);
    expect(s, "registered", "default", MMR_TRUST_UNREGISTERED, "mamori plugin register");
    configure(s, "registered", "default");
    assert_int_equal(judge(s, sha256, &v), MMR_TRUST_OK); /* what the package brought needs no step */
    assert_true(v.is_bundled);
    sha256[3] = sha256[3] == '0' ? '1' : '0'; /* on the list, with other bytes */
    assert_int_equal(judge(s, sha256, &v), MMR_TRUST_HASH);
    assert_non_null(strstr(v.text, "is not the file mamori was installed with"));
    assert_false(v.is_bundled);
}

static void an_older_file_with_a_good_signature_is_not_the_registered_one(void **state)
{
    struct site *s = *state;
    put(s->file, "the old one", 11);
    sign(s->file, &s->author, "id=" ID " version=1.2.2 abi=0");
    expect(s, "any", "default", MMR_TRUST_OK, "");
    expect(s, "registered", "default", MMR_TRUST_HASH, "not the one that was registered");
    expect(s, "manifest", "default", MMR_TRUST_HASH, "altered");
}

/* One byte of one file at a time, always changed to another value. seed: a failure names its number. */
static void damaged_bytes_are_never_taken(void **state)
{
    struct site *s = *state;
    const char *all = getenv("MMR_FLIPS");
    const int n = all && *all ? (int)strtol(all, NULL, 10) : FLIPS;
    char files[4][160];
    int reasons[MMR_TRUST_REASONS] = {0};
    uint64_t seed = 20261122;
    (void)snprintf(files[0], sizeof files[0], "%s", s->file);
    (void)snprintf(files[1], sizeof files[1], "%s.minisig", s->file);
    (void)snprintf(files[2], sizeof files[2], "%s/" ID ".yaml", s->registered);
    (void)snprintf(files[3], sizeof files[3], "%s", s->manifest);
    for (int i = 0; i < n; i++) {
        struct mmr_trust_verdict v;
        size_t len;
        const char *path = files[i % 4];
        bool is_manifest = i % 4 == 3;
        char name[200];
        (void)snprintf(name, sizeof name, "%s%s", path, is_manifest && i % 8 == 7 ? ".minisig" : "");
        mmr_autofree char *good = get(name, &len);
        mmr_autofree char *bad = malloc(len);
        assert_non_null(bad);
        memcpy(bad, good, len);
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        size_t at = (seed >> 20) % len;
        bad[at] = (char)(bad[at] ^ (char)(1 + (seed >> 50) % 255));
        put(name, bad, len);
        configure(s, is_manifest ? "manifest" : "signed", i % 3 ? "default" : is_manifest ? "service" : "default");
        enum mmr_trust_reason got = judge(s, NULL, &v);
        if (got == MMR_TRUST_OK)
            fail_msg("flip %d: byte %zu of '%s' from %02x to %02x was taken", i, at, name, (uint8_t)good[at], (uint8_t)bad[at]);
        reasons[got]++;
        put(name, good, len);
    }
    for (int i = 0; i < MMR_TRUST_REASONS; i++)
        if (reasons[i])
            print_message("%s: %d\n", mmr_trust_reason_name((enum mmr_trust_reason)i), reasons[i]);
    assert_true(reasons[MMR_TRUST_HASH] && reasons[MMR_TRUST_SIGNATURE] && reasons[MMR_TRUST_REGISTRATION] && reasons[MMR_TRUST_NO_MANIFEST]);
}

/* The list of what the installation brought along: read strictly, and no damaged one makes a stranger a bundled file. */
static void the_list_of_bundled_files_is_read_strictly(void **state)
{
    struct site *s = *state;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_trust_verdict v;
    char sha256[MMR_SHA256_TEXT], found[MMR_SHA256_TEXT], text[400], dir[128], path[160];
    const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";
    hash_of(s, sha256);
    int n = snprintf(text, sizeof text, "%s  other.so\n%s  beacon.so\n%s *last.so", zeros, sha256, zeros);
    assert_int_equal(mmr_bundled_find("list", text, "beacon.so", found, &err), 0);
    assert_string_equal(found, sha256);
    assert_int_equal(mmr_bundled_find("list", text, "last.so", found, &err), 0);
    assert_int_equal(mmr_bundled_find("list", text, "eacon.so", found, &err), MMR_ENOENT);
    assert_int_equal(mmr_bundled_find("list", text, "", found, &err), MMR_ENOENT);
    assert_int_equal(mmr_bundled_find("list", "", "beacon.so", found, &err), MMR_ENOENT);
    static const char *const bad[] = {"x", "\n", "%s beacon.so\n", "%s  \n", "%s  ../beacon.so\n", "%s  a\x01.so\n", "%s0  beacon.so\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char line[200];
        const char *rest = strncmp(bad[i], "%s", 2) == 0 ? bad[i] + 2 : bad[i];
        (void)snprintf(line, sizeof line, "%s%s", rest == bad[i] ? "" : zeros, rest);
        if (mmr_bundled_find("list", line, "beacon.so", found, &err) != MMR_EBADMSG || !strstr(err.text, "line 1"))
            fail_msg("row %zu: %s", i, err.text);
    }
    for (int i = 0; i < n; i++) { /* every byte, every bit; then the list says another hash, another name, or nothing */
        for (int bit = 0; bit < 8; bit++) {
            text[i] = (char)(text[i] ^ 1 << bit);
            int r = mmr_bundled_find("list", text, "beacon.so", found, &err);
            bool is_same = r == 0 && strcmp(found, sha256) == 0, is_of_row = i >= 75 && i <= 150; /* the second line */
            if ((r && r != MMR_ENOENT && r != MMR_EBADMSG) || (is_same && is_of_row))
                fail_msg("byte %d, bit %d: %d", i, bit, r);
            text[i] = (char)(text[i] ^ 1 << bit);
        }
    }
    (void)snprintf(dir, sizeof dir, "%s/own", s->dir);
    assert_int_equal(mkdir(dir, 0755), 0);
    assert_int_equal(mmr_bundled_hash(dir, "beacon.so", found, &err), MMR_ENOENT);
    (void)snprintf(path, sizeof path, "%s/" MMR_BUNDLED_FILE, dir);
    put(path, text, (size_t)n);
    assert_int_equal(mmr_bundled_hash(dir, "beacon.so", found, &err), 0);
    put(path, "\0", 1);
    assert_int_equal(mmr_bundled_hash(dir, "beacon.so", found, &err), MMR_EBADMSG);
    put(path, text, (size_t)n);
    assert_int_equal(chmod(path, 0666), 0); /* anybody could have written it */
    assert_int_equal(mmr_bundled_hash(dir, "beacon.so", found, &err), MMR_EPERM);
    (void)snprintf(path, sizeof path, "%s/" ID ".yaml", s->registered);
    assert_int_equal(unlink(path), 0);
    configure(s, "registered", "default");
    assert_int_equal(judge(s, NULL, &v), MMR_TRUST_UNREGISTERED); /* where it lies makes no difference */
}

static void versions_meet_rules_as_written(void **state)
{
    static const struct {
        const char *version, *rule;
        bool want;
    } rows[] = {{"1.2.3", "1.2.3", true},    {"1.2.4", "1.2.3", false},   {"1.2.4", ">=1.2.3", true}, {"1.10.0", ">=1.9.0", true},
                {"1.2.3-rc1", ">=1.2.3", false}, {"1.2.9", "1.2.x", true}, {"1.3.0", "1.2.x", false},  {"1.3.0", "1.x", true},
                {"2.0.0", "1.x", false},     {"", ">=0.0.0", false},      {"1.2", ">=1.0.0", false}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (mmr_version_meets(rows[i].version, rows[i].rule) != rows[i].want || !mmr_version_rule_is_valid(rows[i].rule))
            fail_msg("'%s' against '%s'", rows[i].version, rows[i].rule);
    assert_false(mmr_version_rule_is_valid("latest"));
    assert_false(mmr_version_rule_is_valid(">=1.x"));
    assert_false(mmr_version_rule_is_valid("x"));
}

static void the_toolset_hash_is_of_the_tools_alone(void **state)
{
    static const char a[] = "service: one\nissued: '1'\ntools:\n"
                            "  - {id: org.a, maker: M, model: A, version: 1.0.0, sha256: [%064d]}\n  - {id: org.b, kind: sender, maker: N, model: B, version: '9'}\n";
    static const char b[] = "# another layout and order\ntools:\n  - {id: org.b, kind: sender, maker: N, model: B, version: '9'}\n"
                            "  - maker: M\n    id: org.a\n    model: A\n    version: 1.0.0\n    sha256: [%064d]\nissued: '2'\nservice: two\n";
    static const char c[] = "service: one\nissued: '1'\ntools:\n  - {id: org.a, maker: M, model: A, version: 1.0.1, sha256: [%064d]}\n"
                            "  - {id: org.b, kind: sender, maker: N, model: B, version: '9'}\n";
    struct mmr_manifest m[3];
    struct mmr_error err = {.struct_size = sizeof err};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        char text[600];
        int n = i == 0 ? snprintf(text, sizeof text, a, 0) : i == 1 ? snprintf(text, sizeof text, b, 0) : snprintf(text, sizeof text, c, 0);
        if (mmr_manifest_parse("m", text, (size_t)n, &m[i], &err) != 0)
            fail_msg("%zu: %s", i, err.text);
    }
    assert_string_equal(m[0].toolset_hash, m[1].toolset_hash);
    assert_string_not_equal(m[0].toolset_hash, m[2].toolset_hash);
    assert_int_equal(strlen(m[0].toolset_hash), 64);
    for (size_t i = 0; i < 3; i++)
        mmr_manifest_done(&m[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_condition_is_asked_for_and_named, setup, teardown),
        cmocka_unit_test_setup_teardown(an_older_file_with_a_good_signature_is_not_the_registered_one, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_bytes_are_never_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(the_list_of_bundled_files_is_read_strictly, setup, teardown),
        cmocka_unit_test(versions_meet_rules_as_written),
        cmocka_unit_test(the_toolset_hash_is_of_the_tools_alone),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
