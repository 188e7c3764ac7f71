/* admit.h - from a configured instance to a file that may run: found, in a safe place, sealed, judged. Loads nothing. */
#ifndef MMR_PLUGIN_ADMIT_H
#define MMR_PLUGIN_ADMIT_H

#include "trust/trust.h"

#include <mamori/plugin.h>

struct mmr_admission {
    char *path;  /* where the .so or the program lies; NULL: built in */
    int fd;      /* its sealed copy; -1: built in */
    char bundled[MMR_SHA256_TEXT]; /* what the installation's own list says of this file; "" it is not on it */
    bool is_program;          /* program.h; after mmr_plugin_admit() */
    uint32_t needs;           /* granted, enum mmr_need; all where no registration says less */
    struct mmr_strv actions;  /* granted; v NULL: all */
    char *words;              /* the texts of actions */
    struct mmr_trust_verdict verdict;
};

/*
 * mmr_plugin_admit - what is behind this entry, and may it run?
 *
 * ret     mmr_admission_done(), also after MMR_EPERM, when its verdict says why
 * errors  MMR_EPERM refused; MMR_ENOENT no such plugin; MMR_EIO; MMR_ETOOBIG; MMR_ENOMEM
 */
int mmr_plugin_admit(const struct mmr_config *c, const struct mmr_trust *t, const struct mmr_plugin *const *builtins,
                     const struct mmr_instance_conf *conf, struct mmr_admission *ret, struct mmr_error *err);
/* The same for a plugin by id (in the folders of c) or by file, without an entry; id may be NULL with a file whose
 * registration is not asked for. */
int mmr_plugin_lookup(const struct mmr_config *c, const struct mmr_plugin *const *builtins, const char *id, const char *file,
                    struct mmr_admission *ret, struct mmr_error *err);
void mmr_admission_done(struct mmr_admission *a);
/* What to ask of the judge for this file; borrows from a. id: as configured, or as the file says. */
struct mmr_trust_ask mmr_admission_ask(const struct mmr_admission *a, const char *id);

/* After the file was loaded: is it what was admitted? Id, version by the manifest, needs and actions by the registration.
 * errors MMR_EPERM, MMR_EBADMSG */
int mmr_admission_check(const struct mmr_admission *a, const struct mmr_trust *t, const char *id, const struct mmr_plugin *p,
                        struct mmr_error *err);
/* Load what was admitted into this process, and check it (also mmr_plugin_check()). For replay and the command line. */
int mmr_plugin_load_admitted(const struct mmr_plugin *const *builtins, const struct mmr_trust *t, const char *id,
                             const struct mmr_admission *a, const struct mmr_plugin **ret, struct mmr_error *err);

#endif
