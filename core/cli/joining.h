/*
 * joining.h - what `mamori join` and `mamori upstream join` share: a token is read, keys are made, the other end is asked, and its keys
 * are pinned. Problems are said on stderr, once, here.
 */
#ifndef MMR_CLI_JOINING_H
#define MMR_CLI_JOINING_H

#include "bus/join.h"
#include "cli/site.h"

struct mmr_cli_joining {
    struct mmr_cli_site site; /* site.command is set by the caller */
    const char *name;         /* --name; NULL: the caller's own_name */
    struct mmr_token token;
    struct mmr_keys keys;     /* this end's */
    struct mmr_join_answer answer;
    char host[MMR_TOKEN_HOST_MAX + 1]; /* the address of the other end that answered */
    char address[128];                 /* where its urgent port is: tcp://HOST:PORT */
    char key_file[4200];               /* its pinned public keys */
};

/* Options and the one TOKEN; opens the site. Returns enum mmr_exit; mmr_cli_joining_done() in any case. */
int mmr_cli_joining_begin(struct mmr_cli_joining *j, int argc, char **argv);
/*
 * mmr_cli_joining_ask - one use of the token.
 *
 * key_dir    where this end's keys are made or lie: made once and kept, so that asking again is the same machine asking
 * own_name   when --name was not given and the token does not say
 * waits_ms   how long each attempt waits for an answer; ends with 0
 * issuer     who gives a new token, for messages: "'mamori token new' at the hub"
 */
int mmr_cli_joining_ask(struct mmr_cli_joining *j, const char *key_dir, const char *own_name, const int *waits_ms, const char *issuer);
/* The other end's keys into FOLDER/file (key_file), its address into address. */
int mmr_cli_joining_pin(struct mmr_cli_joining *j, const char *folder, const char *file);
/* For a person to compare. */
void mmr_cli_joining_fingerprints(const struct mmr_cli_joining *j, char ret_own[MMR_FINGERPRINT_MAX], char ret_theirs[MMR_FINGERPRINT_MAX]);
void mmr_cli_joining_done(struct mmr_cli_joining *j);

#endif
