/*
 * trust.h - may this plugin file run here? The keys, registrations and the manifest of a site, loaded once, and the
 * judgement of one sealed file by them. Nothing of the file is executed.
 */
#ifndef MMR_TRUST_TRUST_H
#define MMR_TRUST_TRUST_H

#include "config/config.h"
#include "trust/manifest.h"
#include "trust/registration.h"

enum mmr_trust_level { /* trust.require; each asks for what the ones before it ask for */
    MMR_TRUST_ANY = 0,    /* a safe place is enough: development */
    MMR_TRUST_REGISTERED, /* the default: bundled, or registered here */
    MMR_TRUST_SIGNED,     /* bundled, or registered here and signed by a key of the ring */
    MMR_TRUST_MANIFEST,   /* listed in the signed tool manifest, bundled or not; profile: service asks for it */
};
enum mmr_trust_reason {
    MMR_TRUST_OK = 0, MMR_TRUST_UNREGISTERED, MMR_TRUST_REGISTRATION, /* damaged, or in an unsafe place */
    MMR_TRUST_UNSIGNED, MMR_TRUST_SIGNATURE, MMR_TRUST_KEY, MMR_TRUST_HASH, MMR_TRUST_NO_MANIFEST, MMR_TRUST_UNLISTED, MMR_TRUST_VERSION,
    MMR_TRUST_OWNER, /* owner, mode, folder: said by mmr_plugin_seal() */
    MMR_TRUST_KIND,  /* a program where a shared object was expected, or the other way round: said by mmr_plugin_admit() */
    MMR_TRUST_REASONS,
};
const char *mmr_trust_level_name(enum mmr_trust_level l);   /* "any", "registered", … */
const char *mmr_trust_reason_name(enum mmr_trust_reason r); /* "ok", "unregistered", "signature", "hash", … */

struct mmr_trust {
    enum mmr_trust_level level;
    bool is_service;
    const char *register_dir, *keys_dir, *manifest_path; /* borrowed from the configuration */
    struct mmr_keyring ring;
    struct mmr_manifest manifest; /* n 0: there is none that counts */
    char no_manifest[248];        /* why there is none; "" there is one */
    char no_ring[248];            /* why the ring could not be read; "" it could */
};

/*
 * mmr_trust_open - read the ring and the manifest that the configuration names. What cannot be read makes what
 * depends on it be refused later, with this reason; it is no error here.
 *
 * c       borrowed, must outlive it
 * errors  MMR_ENOMEM
 */
int mmr_trust_open(const struct mmr_config *c, struct mmr_trust *ret, struct mmr_error *err);
void mmr_trust_done(struct mmr_trust *t);

struct mmr_trust_ask {
    const char *id;     /* as configured */
    const char *path;   /* the file; NULL: built in */
    int fd;             /* its sealed copy; built in: -1, and the executable's bytes count */
    const char *bundled; /* the hash the installation's own list has for this file (bundled.h); NULL: it is not on it */
};
struct mmr_trust_verdict {
    enum mmr_trust_reason reason;
    char text[248];               /* what was found, what was expected, what to do; "" for OK */
    char sha256[MMR_SHA256_TEXT];
    char key[MMR_SIGN_ID_TEXT], owner[128]; /* whose signature was found good; "" none was asked for */
    bool is_bundled;              /* of the installation itself: in the executable, or on its list with this hash */
    bool is_listed;               /* in the manifest, with this hash */
    bool has_registration;        /* a good one, of these bytes */
    struct mmr_registration registration;
};
/* Judge. errors MMR_EPERM refused (look at ret, which is filled in any case); MMR_EIO the bytes cannot be read */
int mmr_trust_judge(const struct mmr_trust *t, const struct mmr_trust_ask *ask, struct mmr_trust_verdict *ret, struct mmr_error *err);
/* The version in the descriptor against the manifest's rule, once it is known. errors MMR_EPERM */
int mmr_trust_version(const struct mmr_trust *t, const char *id, const char *version, struct mmr_error *err);

/*
 * The signature beside a plugin file (<path>.minisig), against the ring; its trusted comment must name the same id.
 *
 * ret_sha256  hash of the signature file, MMR_SHA256_TEXT
 * errors      MMR_ENOENT there is none; MMR_EPERM it is not good, or its key is not; ret_reason says which
 */
int mmr_trust_signature(const struct mmr_trust *t, const char *id, const char *path, const uint8_t blake2b[MMR_BLAKE2B_512],
                        const struct mmr_ring_key **ret_key, char *ret_sha256, enum mmr_trust_reason *ret_reason, struct mmr_error *err);

/* A number that changes when anything a judgement depends on changes: for reload. */
uint64_t mmr_trust_digest(const struct mmr_config *c);

#endif
