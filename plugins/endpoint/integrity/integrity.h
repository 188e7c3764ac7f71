/* integrity.h - the parts of the plugin: look.c says what a file is now, base.c keeps what it was (SQLite), walk.c goes through the
 * places, pkg.c knows what the package manager did and has on record, tell.c judges and tells, integrity.c wires and paces. One loop thread. */
#ifndef MMR_INTEGRITY_H
#define MMR_INTEGRITY_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sodium.h>

#include <mamori/event.h>
#include <mamori/plugin.h>

#include "fan.h"
#include "ptable.h"
#include "users.h"

enum { MMR_INTEGRITY_HASH = 32, MMR_INTEGRITY_QUEUE = 4096, MMR_INTEGRITY_SAMPLE = 3 };
enum { MMR_INTEGRITY_TIMER_TICK = 1, MMR_INTEGRITY_TIMER_SCAN, MMR_INTEGRITY_TIMER_ASKED };
enum { MMR_INTEGRITY_FD_CHANGES = 1 };

struct mmr_integrity_config {
    struct mmr_strv places, exclude;
    int64_t wait, rescan, pace, max_file, max_files;
};

/* ---- look.c: what a file is ---- */
struct mmr_state { /* kind: S_IFREG, S_IFDIR …, 0: it is not there */
    uint32_t kind, mode, uid, gid;
    uint64_t size, inode;
    int64_t mtime_ns, ctime_ns;
    uint8_t hash[MMR_INTEGRITY_HASH];   /* BLAKE2b of the content (of a link: of where it points); zero: not read */
    uint8_t xattrs[MMR_INTEGRITY_HASH]; /* BLAKE2b of all attributes but those the system keeps for itself; zero: none */
    bool has_caps;                      /* security.capability is among them */
};
struct mmr_looking { /* a file that is being read, some at a time */
    struct mmr_state state;
    crypto_generichash_state sum;
    uint64_t left;
    int fd;
    bool is_open; /* there is more to read */
};
/* Begin; is_open tells whether mmr_look_more() is to be called. before: may be NULL; when size, times, inode and owner are
 * as they were then, its hashes are taken and nothing is read. */
void mmr_look_begin(struct mmr_looking *l, const char *path, const struct mmr_state *before, uint64_t max_file);
uint64_t mmr_look_more(struct mmr_looking *l, uint64_t budget); /* bytes read */
void mmr_look_end(struct mmr_looking *l);
enum { /* what two states differ in */
    MMR_DIFF_CONTENT = 1 << 0, MMR_DIFF_MODE = 1 << 1, MMR_DIFF_OWNER = 1 << 2, MMR_DIFF_XATTRS = 1 << 3, MMR_DIFF_KIND = 1 << 4,
    MMR_DIFF_ADDED = 1 << 5, MMR_DIFF_REMOVED = 1 << 6,
};
uint32_t mmr_state_diff(const struct mmr_state *before, const struct mmr_state *now);
/* What it is apart from times and place on the disk, in 16 bytes. */
void mmr_state_digest(const struct mmr_state *s, uint8_t ret[16]);

/* ---- base.c: what it was ---- */
struct mmr_base;
struct mmr_row {
    struct mmr_state state; /* agreed */
    uint8_t told[16];       /* digest of the other state that was told last */
    bool is_known, is_told;
};
enum mmr_base_found { MMR_BASE_THERE = 0, MMR_BASE_NONE, MMR_BASE_DAMAGED };
/* Opens FOLDER/baseline.db. *ret_found: NONE it is new; DAMAGED it was no sound database and stands aside as baseline.damaged, why in
 * err->text. errors MMR_EIO, MMR_ENOMEM */
int mmr_base_open(const char *folder, struct mmr_base **ret, enum mmr_base_found *ret_found, struct mmr_error *err);
void mmr_base_close(struct mmr_base *b); /* accepts NULL */
void mmr_base_rest(struct mmr_base *b);  /* gives back the memory that only a walk needs */
int mmr_base_get(struct mmr_base *b, const char *path, struct mmr_row *ret, struct mmr_error *err); /* is_known false: no row */
int mmr_base_put(struct mmr_base *b, const char *path, const struct mmr_row *row, int64_t scan, struct mmr_error *err);
int mmr_base_remove(struct mmr_base *b, const char *path, struct mmr_error *err);
int mmr_base_seen(struct mmr_base *b, const char *path, int64_t scan, struct mmr_error *err);
/* A path whose row this scan did not see, or (is_told) whose state was told; false: none. */
bool mmr_base_unseen(struct mmr_base *b, int64_t scan, char *ret, size_t cap);
int64_t mmr_base_count(struct mmr_base *b, bool is_told);
void mmr_base_each_told(struct mmr_base *b, void (*fn)(void *ctx, const char *path), void *ctx);
int64_t mmr_base_number(struct mmr_base *b, const char *key); /* 0: none */
void mmr_base_set_number(struct mmr_base *b, const char *key, int64_t v);
void mmr_base_begin(struct mmr_base *b); /* one transaction; within one, nothing */
int mmr_base_commit(struct mmr_base *b, struct mmr_error *err);

/* ---- walk.c ---- */
struct mmr_walk;
int mmr_walk_new(const struct mmr_strv *places, const struct mmr_strv *exclude, struct mmr_walk **ret, struct mmr_error *err);
void mmr_walk_free(struct mmr_walk *w);
const char *mmr_walk_next(struct mmr_walk *w); /* the next path, folders too; NULL: that was all. Valid until the next call */

/* ---- pkg.c ---- */
struct mmr_pkg;
int mmr_pkg_new(const char *root, const struct mmr_strv *places, struct mmr_pkg **ret, struct mmr_error *err); /* root "": the system's */
void mmr_pkg_free(struct mmr_pkg *p);
int64_t mmr_pkg_changed_ns(const struct mmr_pkg *p); /* when packages were installed or removed last; 0: unknown */
uint32_t mmr_pkg_running(const struct mmr_pkg *p);   /* the process that holds the package manager's lock; 0: nobody */
bool mmr_pkg_is_manager(const char *exe);
/* The record of all packages' files below the places is read, so many packages at a time (0: none): true when it is there. */
bool mmr_pkg_learn(struct mmr_pkg *p, uint32_t n_files);
void mmr_pkg_forget(struct mmr_pkg *p);
enum mmr_pkg_says { MMR_PKG_UNKNOWN = 0, MMR_PKG_SAME, MMR_PKG_OTHER };
enum mmr_pkg_says mmr_pkg_ask(const struct mmr_pkg *p, const char *path); /* is the file as its package has it? reads it */
bool mmr_pkg_has(const struct mmr_pkg *p, const char *path);

/* ---- integrity.c and tell.c ---- */
struct mmr_integrity {
    const struct mmr_host *host;
    const struct mmr_integrity_config *cfg;
    struct mmr_fan *fan;
    struct mmr_base *base;
    struct mmr_walk *walk;
    struct mmr_pkg *pkg;
    struct mmr_ptable *table;
    struct mmr_users users;
    struct mmr_looking looking;
    char at[PATH_MAX]; /* what is being looked at */
    struct { /* paths that changed while we ran */
        char *path;
        int64_t due_ns;
        uint32_t pid;
        bool is_packaged, is_live;
    } queue[MMR_INTEGRITY_QUEUE];
    uint32_t q_at, q_n, at_pid;
    int64_t scan; /* number of the scan that runs; 0: none */
    bool is_live, at_is_packaged, is_building, is_sweeping, is_deep, is_index_wanted, is_overrun, is_ticking, is_base_bad;
    bool is_moved; /* packages changed since the places were last walked through */
    uint64_t n_files; /* looked at in this scan */
    struct { /* since the last word about it */
        uint32_t changed, packaged, unsaid;
        char sample[MMR_INTEGRITY_SAMPLE][256];
    } batch;
    char hostname[256];
    struct mmr_event ev;
    uint8_t buf[16 * 1024];
};
enum mmr_verdict {
    MMR_VERDICT_TOLD = 0, /* it differs, and it was said */
    MMR_VERDICT_PACKAGED, /* the package manager did it: it is how it should be now */
    MMR_VERDICT_WAIT,     /* ask again when the packages' record is read */
};
enum mmr_verdict mmr_integrity_judge(struct mmr_integrity *f, const struct mmr_row *row, uint32_t diff);
void mmr_integrity_summary(struct mmr_integrity *f); /* what the batch held, in one word */
void mmr_integrity_say(struct mmr_integrity *f, uint32_t severity, const char *detail, const char *text); /* sensor.mode, and the log */

#endif
