/* trust.c - the conditions in their order; the first one that is not met is the answer. */
#include "trust/trust.h"

#include "util/id.h"
#include "util/scope.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const level_names[] = {"any", "registered", "signed", "manifest"};
static const char *const reason_names[] = {"ok", "unregistered", "registration", "unsigned", "signature", "key", "hash", "no_manifest",
                                           "unlisted", "version", "owner", "kind"};
_Static_assert(sizeof reason_names / sizeof reason_names[0] == MMR_TRUST_REASONS, "a name for each reason");

const char *mmr_trust_level_name(enum mmr_trust_level l)
{
    return (size_t)l < sizeof level_names / sizeof level_names[0] ? level_names[l] : "";
}

const char *mmr_trust_reason_name(enum mmr_trust_reason r)
{
    return (size_t)r < sizeof reason_names / sizeof reason_names[0] ? reason_names[r] : "";
}

int mmr_trust_open(const struct mmr_config *c, struct mmr_trust *ret, struct mmr_error *err)
{
    struct mmr_error why = {.struct_size = sizeof why};
    const char *level = mmr_config_str(c, "trust.require");
    struct mmr_trust t = {.level = MMR_TRUST_REGISTERED, .is_service = strcmp(mmr_config_str(c, "profile"), "service") == 0,
                          .register_dir = mmr_config_str(c, "trust.register_dir"), .keys_dir = mmr_config_str(c, "trust.keys_dir"),
                          .manifest_path = mmr_config_str(c, "trust.manifest")};
    for (size_t i = 0; i < sizeof level_names / sizeof level_names[0]; i++)
        if (strcmp(level, level_names[i]) == 0)
            t.level = (enum mmr_trust_level)i;
    if (t.is_service)
        t.level = MMR_TRUST_MANIFEST; /* no setting of one site weakens it */
    int r = mmr_keyring_load(t.keys_dir, &t.ring, &why);
    if (r == MMR_ENOMEM)
        return mmr_fail(err, r, "%s", why.text);
    if (r)
        (void)snprintf(t.no_ring, sizeof t.no_ring, "%s", why.text);
    r = mmr_manifest_load(t.manifest_path, &t.ring, &t.manifest, &why);
    if (r)
        (void)snprintf(t.no_manifest, sizeof t.no_manifest, "%s", why.text);
    *ret = t;
    return 0;
}

void mmr_trust_done(struct mmr_trust *t)
{
    mmr_keyring_done(&t->ring);
    mmr_manifest_done(&t->manifest);
}

int mmr_trust_signature(const struct mmr_trust *t, const char *id, const char *path, const uint8_t blake2b[MMR_BLAKE2B_512],
                        const struct mmr_ring_key **ret_key, char *ret_sha256, enum mmr_trust_reason *ret_reason, struct mmr_error *err)
{
    mmr_autofree char *name = NULL, *text = NULL;
    struct mmr_signature s;
    const struct mmr_ring_key *key = NULL;
    char word[64];
    size_t len;
    if (asprintf(&name, "%s.minisig", path) < 0) {
        name = NULL;
        return mmr_fail(err, MMR_ENOMEM, "plugin %s: out of memory", id);
    }
    *ret_reason = MMR_TRUST_SIGNATURE;
    int r = mmr_place_read("signature", name, MMR_SIGN_FILE_MAX, &text, &len, err);
    if (r == MMR_ENOENT) {
        *ret_reason = MMR_TRUST_UNSIGNED;
        return mmr_fail(err, MMR_ENOENT, "plugin %s is not signed: expected '%s'; its author makes it with mamori plugin sign FILE --key KEY.sec", id,
                        name);
    }
    if (r == 0)
        r = mmr_signature_parse(name, text, len, &s, err);
    if (r)
        return r;
    *ret_reason = MMR_TRUST_KEY;
    r = mmr_keyring_find(&t->ring, name, s.id, MMR_KEY_PLUGINS, &key, err);
    if (r)
        return t->no_ring[0] ? mmr_fail(err, MMR_EPERM, "%s", t->no_ring) : MMR_EPERM;
    *ret_reason = MMR_TRUST_SIGNATURE;
    r = mmr_signature_verify(name, &key->key, &s, blake2b, err);
    if (r)
        return r;
    mmr_signature_word(&s, "id", word, sizeof word);
    if (strcmp(word, id) != 0)
        return mmr_fail(err, MMR_EPERM, "%s: its trusted comment says id=%s, expected id=%s; sign it as that plugin", name, word[0] ? word : "(nothing)", id);
    *ret_reason = MMR_TRUST_OK;
    *ret_key = key;
    mmr_place_hash_bytes(text, len, ret_sha256);
    return 0;
}

static int refuse(struct mmr_trust_verdict *v, enum mmr_trust_reason reason, struct mmr_error *err)
{
    v->reason = reason;
    (void)snprintf(v->text, sizeof v->text, "%s", err->text);
    return err->code = MMR_EPERM;
}

/* Is it on the signed list, as these bytes? */
static int judge_listed(const struct mmr_trust *t, const struct mmr_trust_ask *a, struct mmr_trust_verdict *v, struct mmr_error *err)
{
    const struct mmr_tool *tool = mmr_manifest_find(&t->manifest, a->id);
    const char *why = t->is_service ? "profile is service" : "trust.require is manifest";
    if (t->no_manifest[0]) {
        (void)mmr_fail(err, MMR_EPERM, "plugin %s: %s, and no tool manifest counts: %.150s", a->id, why, t->no_manifest);
        return refuse(v, MMR_TRUST_NO_MANIFEST, err);
    }
    if (!tool || tool->is_sender) {
        (void)mmr_fail(err, MMR_EPERM, "plugin %s: %s, and the tool manifest of '%s' (issued %s) does not list it: take it out, or have it listed and signed",
                       a->id, why, t->manifest.service, t->manifest.issued);
        return refuse(v, MMR_TRUST_UNLISTED, err);
    }
    for (size_t i = 0; i < tool->n_sha256 && !v->is_listed; i++)
        v->is_listed = strcmp(tool->sha256[i], v->sha256) == 0;
    if (!v->is_listed) {
        (void)mmr_fail(err, MMR_EPERM, "plugin %s: the file was altered, or is of another build: found sha256 %.16s…, the manifest lists %.16s…%s; install the listed build",
                       a->id, v->sha256, tool->sha256[0], tool->n_sha256 > 1 ? " and others" : "");
        return refuse(v, MMR_TRUST_HASH, err);
    }
    return 0;
}

/* Did this site agree to these bytes? Does the signature it agreed to still hold? */
static int judge_registered(const struct mmr_trust *t, const struct mmr_trust_ask *a, const uint8_t *blake2b, struct mmr_trust_verdict *v,
                            struct mmr_error *err)
{
    const struct mmr_ring_key *key = NULL;
    char signature[MMR_SHA256_TEXT] = "";
    enum mmr_trust_reason reason = MMR_TRUST_SIGNATURE;
    struct mmr_registration *g = &v->registration;
    int r = mmr_registration_load(t->register_dir, a->id, g, err);
    if (r == MMR_ENOENT && v->is_listed)
        return 0; /* the signed list says yes, and nothing here says otherwise */
    if (r == MMR_ENOENT && a->bundled) {
        (void)mmr_fail(err, MMR_EPERM, "plugin %s: '%s' is not the file mamori was installed with: found sha256 %.16s…, expected %.16s…; install mamori again, or, if you replaced it: mamori plugin register %s",
                       a->id, a->path, v->sha256, a->bundled, a->path);
        return refuse(v, MMR_TRUST_HASH, err);
    }
    if (r == MMR_ENOENT) {
        (void)mmr_fail(err, MMR_EPERM, "plugin %s ('%s') is not registered here; if you want it: mamori plugin register %s", a->id, a->path, a->path);
        return refuse(v, MMR_TRUST_UNREGISTERED, err);
    }
    if (r)
        return refuse(v, MMR_TRUST_REGISTRATION, err);
    if (strcmp(g->sha256, v->sha256) != 0) {
        (void)mmr_fail(err, MMR_EPERM, "plugin %s: the file is not the one that was registered %s: found sha256 %.16s…, expected %.16s…; if you replaced it: mamori plugin register %s",
                       a->id, g->at, v->sha256, g->sha256, a->path);
        return refuse(v, MMR_TRUST_HASH, err);
    }
    v->has_registration = true;
    if (!g->key[0] && t->level != MMR_TRUST_SIGNED)
        return 0;
    /* what was signed when it was registered must still be: a key that was revoked since takes its plugins with it */
    r = mmr_trust_signature(t, a->id, a->path, blake2b, &key, signature, &reason, err);
    if (r)
        return refuse(v, reason, err);
    if (g->signature[0] && strcmp(g->signature, signature) != 0) {
        (void)mmr_fail(err, MMR_EPERM, "plugin %s: '%s.minisig' is not the signature that was registered; register again", a->id, a->path);
        return refuse(v, MMR_TRUST_SIGNATURE, err);
    }
    mmr_sign_id_text(key->key.id, v->key);
    (void)snprintf(v->owner, sizeof v->owner, "%s", key->owner);
    return 0;
}

int mmr_trust_judge(const struct mmr_trust *t, const struct mmr_trust_ask *ask, struct mmr_trust_verdict *ret, struct mmr_error *err)
{
    struct mmr_error mine = {.struct_size = sizeof mine};
    uint8_t blake2b[MMR_BLAKE2B_512];
    mmr_autoclose int exe = -1;
    *ret = (struct mmr_trust_verdict){.reason = MMR_TRUST_OK};
    if (!err)
        err = &mine;
    if (!ask->path && (exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC)) < 0)
        return mmr_fail(err, MMR_EIO, "the executable cannot be read, so what is built in cannot be checked");
    int r = mmr_place_hash(ask->path ? ask->fd : exe, ret->sha256, blake2b, err);
    ret->is_bundled = r == 0 && (!ask->path || (ask->bundled && strcmp(ask->bundled, ret->sha256) == 0));
    if (r == 0 && t->level == MMR_TRUST_MANIFEST)
        r = judge_listed(t, ask, ret, err);
    if (r || ret->is_bundled || t->level == MMR_TRUST_ANY)
        return r;
    return judge_registered(t, ask, blake2b, ret, err);
}

int mmr_trust_version(const struct mmr_trust *t, const char *id, const char *version, struct mmr_error *err)
{
    const struct mmr_tool *tool = t->level == MMR_TRUST_MANIFEST ? mmr_manifest_find(&t->manifest, id) : NULL;
    if (!tool || mmr_version_meets(version, tool->version))
        return 0;
    return mmr_fail(err, MMR_EPERM, "plugin %s is version %s, the tool manifest lists %s; install the listed version", id, version, tool->version);
}

/* ---- has anything changed? ---- */

static uint64_t add_file(const char *path, uint64_t h)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return mmr_hash64(path, strlen(path), h);
    int64_t v[4] = {st.st_size, (int64_t)st.st_ino, st.st_mtim.tv_sec, st.st_mtim.tv_nsec};
    return mmr_hash64(v, sizeof v, mmr_hash64(path, strlen(path), h));
}

static uint64_t add_folder(const char *dir, uint64_t h)
{
    struct dirent **list = NULL;
    int n = scandir(dir, &list, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        mmr_autofree char *path = NULL;
        if (list[i]->d_name[0] != '.' && asprintf(&path, "%s/%s", dir, list[i]->d_name) >= 0)
            h = add_file(path, h);
        free(list[i]);
    }
    free(list);
    return h;
}

uint64_t mmr_trust_digest(const struct mmr_config *c)
{
    mmr_autofree char *sig = NULL;
    const char *manifest = mmr_config_str(c, "trust.manifest"), *level = mmr_config_str(c, "trust.require"), *profile = mmr_config_str(c, "profile");
    uint64_t h = mmr_hash64(level, strlen(level), mmr_hash64(profile, strlen(profile), 1));
    h = add_folder(mmr_config_str(c, "trust.register_dir"), add_folder(mmr_config_str(c, "trust.keys_dir"), add_file(manifest, h)));
    return asprintf(&sig, "%s.minisig", manifest) >= 0 ? add_file(sig, h) : h;
}
