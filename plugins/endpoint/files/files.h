/* files.h - the file sensor's own parts: libfan turns fanotify's bytes into changes, who.c finds the process, content.c
 * reads what was written, persist.c knows the places where programs are started from, tell.c makes the events. */
#ifndef MMR_FILES_H
#define MMR_FILES_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mamori/event.h>
#include <mamori/plugin.h>

#include "fan.h"
#include "ptable.h"
#include "users.h"

enum { MMR_FILES_PENDING_BYTES = 256 * 1024, MMR_FILES_TIMER_SUMMARY = 1, MMR_FILES_TIMER_LATE = 2, MMR_FILES_FD_NOTIFY = 1 };

struct mmr_files_config {
    struct mmr_strv places, exclude;
    const char *scope;
    int64_t rate, rate_window, hash_bytes;
};

struct mmr_who;
struct mmr_persist;
struct mmr_late;

struct mmr_files {
    const struct mmr_host *host;
    const struct mmr_files_config *config;
    struct mmr_fan *fan;
    struct mmr_who *who;
    struct mmr_persist *persist;
    struct mmr_late *late;
    struct mmr_ptable *table;
    struct mmr_users users;
    uint64_t lost;
    bool is_stopped, is_summary_due;
    bool is_told_starts; /* a process sensor is in this host */
    uint8_t *pending;
    size_t pending_at, pending_len;
    char hostname[256];
    struct mmr_event_view view;
    struct mmr_event ev;
    uint8_t buf[32 * 1024];
};

/* who.c: processes that change files */
struct mmr_writer { /* counted over one window */
    uint32_t pid, n, suppressed, reserved;
    int64_t start_ticks, window_ns, checked_ns;
    bool is_own, is_foreign;
    char name[16]; /* of the last one that was suppressed */
};
int mmr_who_new(struct mmr_files *f, struct mmr_who **ret, struct mmr_error *err);
void mmr_who_free(struct mmr_who *w);
/* The process behind a change, NULL if it is unknown; *ret_writer is never NULL. */
struct mmr_pentry *mmr_who_find(struct mmr_who *w, uint32_t pid, struct mmr_writer **ret_writer);
/* Is this one more than a process may tell in a window? Counts. */
bool mmr_who_is_over(struct mmr_who *w, struct mmr_writer *k, const struct mmr_pentry *e);
void mmr_who_summary(struct mmr_who *w, void (*fn)(void *ctx, struct mmr_writer *k), void *ctx); /* suppressed ones; resets */

/* late.c */
int mmr_late_new(struct mmr_late **ret, struct mmr_error *err);
void mmr_late_free(struct mmr_late *l);
bool mmr_late_is_waiting(const struct mmr_files *f, uint32_t pid); /* something of this process is: keep the order */
bool mmr_late_keep(struct mmr_files *f, const struct mmr_change *c); /* false: no memory, tell it now */
void mmr_late_tell(struct mmr_files *f); /* all that waits */

/* content.c */
struct mmr_content {
    uint64_t inode, size, device;
    bool is_there, is_regular, is_link, is_executable; /* executable: ELF or #! */
    char sha256[65]; /* "" when not computed */
};
void mmr_content_look(const char *path, bool is_read, int64_t hash_bytes, struct mmr_content *ret);

/* persist.c */
int mmr_persist_new(struct mmr_persist **ret, struct mmr_error *err);
void mmr_persist_free(struct mmr_persist *p);
const char *mmr_persist_technique(const char *path, const char **ret_what); /* NULL: no such place */
enum { MMR_PERSIST_ENTRY_MAX = 256 };
struct mmr_persist_news {
    char lines[640];                   /* that were not in it when it was last looked at, joined by " | " */
    char entry[MMR_PERSIST_ENTRY_MAX]; /* the one line that is new, whole; "" when it is not one, or the file was never looked at */
    bool is_temporary;                 /* a new line names a program in a temporary folder */
};
void mmr_persist_look(struct mmr_persist *p, const char *path, struct mmr_persist_news *ret);
/* Learn what stands in the files that hold many people's lines (crontabs, profiles, key files), so that a new line is
 * known as one; below / and in every home folder. */
void mmr_persist_seed(struct mmr_persist *p);

/* tell.c */
void mmr_files_changed(struct mmr_files *f, const struct mmr_change *c);
void mmr_files_summary(struct mmr_files *f);
void mmr_files_lose(struct mmr_files *f, uint64_t n);
void mmr_files_tell_mode(struct mmr_files *f, const char *mode, const char *text, bool is_full);
bool mmr_files_flush(struct mmr_files *f);

#endif
