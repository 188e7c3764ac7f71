/*
 * manifest.h - the signed list of the tools a service is registered with: maker, model, version and the bytes of each
 * plugin, and the outside tools whose events count. In the service profile nothing else loads.
 */
#ifndef MMR_TRUST_MANIFEST_H
#define MMR_TRUST_MANIFEST_H

#include "trust/keyring.h"
#include "trust/place.h"

enum { MMR_MANIFEST_MAX = 512 * 1024, MMR_TOOLS_MAX = 256, MMR_TOOL_BUILDS_MAX = 16 };

struct mmr_tool {
    char id[64], maker[128], model[128], version[48]; /* version: "1.2.3", ">=1.2.3" or "1.2.x" */
    bool is_sender; /* a tool of another maker that only sends events: nothing of it is loaded */
    char sha256[MMR_TOOL_BUILDS_MAX][MMR_SHA256_TEXT]; /* one for each build (architecture) */
    size_t n_sha256;
};
struct mmr_manifest {
    char service[128], issued[40];
    char key[MMR_SIGN_ID_TEXT], owner[128]; /* who signed; "" not verified */
    char toolset_hash[MMR_SHA256_TEXT];     /* of what is listed, whatever the order and the layout of the text */
    struct mmr_tool *tool;                  /* by id */
    size_t n;
};

/* The text alone, no signature. ret mmr_manifest_done(). errors MMR_EBADMSG with the place; MMR_ETOOBIG; MMR_ENOMEM */
int mmr_manifest_parse(const char *name, const char *text, size_t len, struct mmr_manifest *ret, struct mmr_error *err);
/*
 * mmr_manifest_load - <path>, whose signature <path>.minisig must be good and of a key that signs tools.
 *
 * errors  MMR_ENOENT there is no manifest, or no signature; MMR_EPERM the signature, its key, or the place; MMR_EBADMSG
 */
int mmr_manifest_load(const char *path, const struct mmr_keyring *ring, struct mmr_manifest *ret, struct mmr_error *err);
void mmr_manifest_done(struct mmr_manifest *m);
const struct mmr_tool *mmr_manifest_find(const struct mmr_manifest *m, const char *id); /* or NULL */

bool mmr_version_rule_is_valid(const char *rule);
bool mmr_version_meets(const char *version, const char *rule); /* "0.1.0" meets "0.1.0", ">=0.1.0", "0.1.x" */

/* The hash of a set of tools given one by one: maker, model, version, hashes; any order. For a site without a manifest. */
void mmr_toolset_hash(const struct mmr_tool *tools, size_t n, char ret[MMR_SHA256_TEXT]);

#endif
