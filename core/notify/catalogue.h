/*
 * catalogue.h - the words people read: messages, voice and weekly sentences as templates with named places, in Japanese and
 * English, as data built in (core/notify/words/); and the rules they are checked by (SERVICE_STANDARD 7).
 *
 * A file of messages:  [NAME] KIND, the text on the lines after it up to the next [NAME]; '#' begins a comment before the first.
 */
#ifndef MMR_NOTIFY_CATALOGUE_H
#define MMR_NOTIFY_CATALOGUE_H

#include <mamori/error.h>

#include <stdbool.h>
#include <stddef.h>

enum mmr_wording { MMR_WORDING_NOTICE = 0, MMR_WORDING_WEEKLY, MMR_WORDING_VOICE }; /* voice: needs only what to do */

struct mmr_message_text { /* borrowed from the file's bytes */
    char name[64];
    enum mmr_wording kind;
    const char *text;
    size_t len;
    unsigned line; /* of its first line of text, from 1 */
};
/* Is this a file of messages (its first line that is no comment is "[NAME] KIND")? */
bool mmr_catalogue_is(const char *bytes, size_t len);
/* The next message from *pos on. errors MMR_ENOENT no more; MMR_EBADMSG a head that is none, with its line */
int mmr_catalogue_next(const char *bytes, size_t len, size_t *pos, struct mmr_message_text *ret, struct mmr_error *err);
/* A built-in file: "ja.txt", "en.txt", "rules.txt". errors MMR_ENOENT */
int mmr_catalogue_file(const char *name, const char **ret, size_t *ret_len, struct mmr_error *err);
/* lang "ja" or "en". errors MMR_ENOENT */
int mmr_catalogue_find(const char *lang, const char *name, struct mmr_message_text *ret, struct mmr_error *err);

struct mmr_place {
    const char *name, *value; /* value: from outside; control characters become spaces */
};
/* errors MMR_EINVAL a place without a value, or '{' without '}'; MMR_ETOOBIG over cap bytes with the NUL */
int mmr_catalogue_render(const struct mmr_message_text *t, const struct mmr_place *places, size_t n, char *buf, size_t cap,
                         struct mmr_error *err);

/*
 * mmr_wording_lint - is this text plain enough? Named terms, a Japanese sentence over 60 characters, and a message without
 * time, place, what we did, or what to do. A text with kana or kanji is Japanese.
 *
 * first_line  number of the text's first line, for `line`; 0 of a finding about the whole text
 * returns     how many findings fn was given; or MMR_EBADMSG: not UTF-8, or the rules are damaged
 */
typedef void (*mmr_wording_fn)(void *ctx, unsigned line, const char *what);
int mmr_wording_lint(const char *text, size_t len, enum mmr_wording kind, unsigned first_line, mmr_wording_fn fn, void *ctx,
                     struct mmr_error *err);

#endif
