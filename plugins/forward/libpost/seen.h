/*
 * seen.h - keys of what was handed on, and how far it got, kept in a file across restarts: the core gives a record again when
 * it did not hear of it, and nobody shall get the same message twice. Between the other side's "yes" and the line in the file
 * a crash may still double one; a lost one would be worse.
 */
#ifndef MMR_FORWARD_SEEN_H
#define MMR_FORWARD_SEEN_H

#include <mamori/error.h>

#include <stdbool.h>

enum { MMR_SEEN_MAX = 1024, MMR_SEEN_KEY_MAX = 121 };

struct mmr_seen;
/* dir: the instance's own folder; "": in memory only. A half line at the end is cut off. errors MMR_EIO, MMR_ENOMEM */
int mmr_seen_open(const char *dir, struct mmr_seen **ret, struct mmr_error *err);
void mmr_seen_close(struct mmr_seen *s); /* accepts NULL */
bool mmr_seen_has(const struct mmr_seen *s, const char *key, int *ret_level);
/* Written and synced; a file that refuses costs only the memory across a restart. */
void mmr_seen_add(struct mmr_seen *s, const char *key, int level);

#endif
