/*
 * db.h - the node's durable state: one SQLite file (WAL, full synchronous) in the state directory.
 *
 * Writes gather in a batch (one transaction); nothing is durable, and nothing may be acknowledged,
 * sent or shown, before mmr_db_commit() returned 0. One thread uses a handle. The owner's loop
 * drives group commit: commit when mmr_db_is_due(), or at mmr_db_deadline_ns().
 */
#ifndef MMR_STORE_DB_H
#define MMR_STORE_DB_H

#include <mamori/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mmr_db;
struct sqlite3;

enum { MMR_DB_CREATE = 1 << 0, MMR_DB_READONLY = 1 << 1 };
enum { MMR_DB_BATCH_RECORDS = 256, MMR_DB_BATCH_BYTES = 64 * 1024, MMR_DB_BATCH_MS = 5 };
#define MMR_DB_FILE "mamori.db"

/*
 * mmr_db_open - open (with MMR_DB_CREATE: or make) <dir>/mamori.db and bring it to the current
 * schema.
 *
 * errors  MMR_ENOENT no such store; MMR_EBADMSG not a database, damaged, or of a newer schema;
 *         MMR_EIO disk full, no permission, locked by another process
 */
int mmr_db_open(const char *dir, unsigned flags, struct mmr_db **ret, struct mmr_error *err);
void mmr_db_close(struct mmr_db *db); /* accepts NULL; an open batch is rolled back */
const char *mmr_db_dir(const struct mmr_db *db);

/*
 * Begin a batch if none is open (every put function does so itself). now_ns: monotonic.
 * After an error inside a batch (disk full …) the batch is broken: all further puts and the commit
 * fail with MMR_EIO until mmr_db_rollback(); what was put since the last commit is not stored and
 * must be put again.
 */
int mmr_db_begin(struct mmr_db *db, struct mmr_error *err);
int mmr_db_commit(struct mmr_db *db, struct mmr_error *err); /* 0 with no batch open too */
void mmr_db_rollback(struct mmr_db *db);
bool mmr_db_has_batch(const struct mmr_db *db);
bool mmr_db_is_due(const struct mmr_db *db,
                   int64_t mono_ns); /* 256 records, 64 KiB, or 5 ms since the first */
int64_t mmr_db_deadline_ns(const struct mmr_db *db); /* monotonic; INT64_MAX: no batch */

/* Set a small piece of state (mono offset, epoch, toolset hash …); value up to 64 KiB. */
int mmr_db_set(struct mmr_db *db, const char *key, const void *value, size_t len,
               struct mmr_error *err);
/* ret returned; free(). errors MMR_ENOENT */
int mmr_db_get(struct mmr_db *db, const char *key, void **ret, size_t *ret_len,
               struct mmr_error *err);
/* Every piece whose key begins with prefix, by key; fn not 0 stops and is returned. It must not write. */
int mmr_db_each(struct mmr_db *db, const char *prefix,
                int (*fn)(void *ctx, const char *key, const void *value, size_t len), void *ctx,
                struct mmr_error *err);
int mmr_db_drop(struct mmr_db *db, const char *key, struct mmr_error *err); /* 0 when there was none */

#endif
