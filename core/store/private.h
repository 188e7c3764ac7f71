/* private.h - what the files of this room share: statements inside a batch. */
#ifndef MMR_STORE_PRIVATE_H
#define MMR_STORE_PRIVATE_H

#include "store/db.h"

#include <sqlite3.h>

struct sqlite3 *mmr_db_handle(struct mmr_db *db);
/*
 * Statements are prepared once and kept (sql must be a string literal: the pointer is the key). The
 * statement comes reset, without bindings. mmr_db_ask(): a read. mmr_db_write(): begins a batch if
 * none is open; MMR_EIO when the batch is broken or the database read-only.
 */
int mmr_db_ask(struct mmr_db *db, const char *sql, sqlite3_stmt **ret, struct mmr_error *err);
int mmr_db_write(struct mmr_db *db, const char *sql, sqlite3_stmt **ret, struct mmr_error *err);
/* Step a write to its end and count it with its bytes; a failure breaks the batch. what: "incident
 * 12" */
int mmr_db_done(struct mmr_db *db, sqlite3_stmt *s, size_t bytes, const char *what,
                struct mmr_error *err);
/* The error of a failed read, in words; resets s. */
int mmr_db_fail(struct mmr_db *db, sqlite3_stmt *s, const char *what, struct mmr_error *err);

#endif
