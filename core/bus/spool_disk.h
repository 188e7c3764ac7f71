/*
 * spool_disk.h - a node's spool on disk: what the hub has not acknowledged survives a crash and a power cut, with its number.
 *
 * One SQLite file, <dir>/spool.db (WAL, full synchronous). Records gather in memory, a commit writes them as one row a lane
 * (up to 256 records or 64 KiB each), and only what is committed is sent: a number never stands for two records. In the same
 * transaction it keeps how far each plugin host was taken (marks), so that a host may be told once the commit is done.
 *
 * Full: telemetry goes first, oldest first, then the oldest other findings, each counted exactly; lanes 0 and 1 are never
 * dropped, they are refused (MMR_EAGAIN) and their sender keeps them. When the disk takes nothing, records stay in memory, up
 * to MMR_SPOOL_PENDING_MAX bytes, and the commit is tried again each second.
 *
 * [loop] all but the ops that site.h names [bus].
 */
#ifndef MMR_BUS_SPOOL_DISK_H
#define MMR_BUS_SPOOL_DISK_H

#include "bus/site.h"

#define MMR_SPOOL_FILE "spool.db"
enum { MMR_SPOOL_PENDING_MAX = 8 * 1024 * 1024, MMR_SPOOL_ROW_COST = 256 /* bytes a row counts beside its content */ };

struct mmr_spool_disk;
/*
 * mmr_spool_disk_open - the spool of this state folder, made if there is none. A damaged one is put aside as
 * spool.db.damaged, and a new one with another epoch begins; *ret_is_damaged says so (may be NULL).
 *
 * bytes_max  of records kept, in memory or on disk
 * errors     MMR_EIO; MMR_EBADMSG of a newer mamori; MMR_ENOMEM
 */
int mmr_spool_disk_open(const char *dir, size_t bytes_max, struct mmr_spool_disk **ret, bool *ret_is_damaged, struct mmr_error *err);
void mmr_spool_disk_close(struct mmr_spool_disk *s); /* accepts NULL; what was not committed is gone */
extern const struct mmr_spool_ops mmr_spool_disk_ops;

/* Must a commit be made: 256 records, 64 KiB, or one of lanes 0 to 2 and 5 ms since the last commit, 250 ms after telemetry alone? */
bool mmr_spool_disk_is_due(const struct mmr_spool_disk *s, int64_t mono_ns);
int64_t mmr_spool_disk_deadline_ns(const struct mmr_spool_disk *s); /* monotonic; INT64_MAX: nothing waits */
/* errors MMR_EIO the disk took nothing; it is due again in a second. Afterwards call mmr_site_node_committed(). */
int mmr_spool_disk_commit(struct mmr_spool_disk *s, struct mmr_error *err);
bool mmr_spool_disk_is_failing(const struct mmr_spool_disk *s);

/* How far the records of a host's start (its epoch) are in here, told with the next commit; and as of the last one. */
int mmr_spool_disk_mark(struct mmr_spool_disk *s, const uint8_t epoch[16], uint32_t lane, uint64_t upto);
uint64_t mmr_spool_disk_marked(struct mmr_spool_disk *s, const uint8_t epoch[16], uint32_t lane);

size_t mmr_spool_disk_bytes(struct mmr_spool_disk *s, uint32_t lane);
uint64_t mmr_spool_disk_dropped(struct mmr_spool_disk *s, uint32_t lane); /* ever */
/* Dropped and not told to the hub yet; with is_told they count as told from the next commit on: put what tells it in before. */
uint64_t mmr_spool_disk_untold(struct mmr_spool_disk *s, uint32_t lane, bool is_told);
/* Another epoch, and numbers from 1: the hub said it has more than we ever sent (an older copy of the disk is in use). */
int mmr_spool_disk_renew(struct mmr_spool_disk *s, struct mmr_error *err);

#endif
