/* ransom.h - the parts of the plugin: look.c says whether bytes look encrypted, score.c counts what each group of processes
 * does to files, canary.c places files nobody has reason to write and holds who does, hold.c stops a tree of processes for
 * a moment, heldlist.c remembers them for who comes after us, gone.c waits whether a deleted canary's folder goes too, counter.c has the kernel count and stop, ransom.c wires them and tells. One loop thread. */
#ifndef MMR_RANSOM_H
#define MMR_RANSOM_H

#include <mamori/event.h>
#include <mamori/plugin.h>

#include "counter.h"
#include "fan.h"
#include "ptable.h"
#include "users.h"

enum { MMR_RANSOM_PATH = 4096, MMR_RANSOM_HEAD = 4096, MMR_RANSOM_WRITERS = 16 };
enum { MMR_RANSOM_FD_CHANGES = 1, MMR_RANSOM_FD_CANARY, MMR_RANSOM_FD_COUNTER };
enum { MMR_RANSOM_TIMER_HOLD = 1, MMR_RANSOM_TIMER_CANARIES, MMR_RANSOM_TIMER_LOST };

struct mmr_ransom_config {
    struct mmr_strv places, exclude, canary_names, never_hold, trusted;
    const char *scope;
    int64_t hold, threshold, window;
    bool canaries, counter;
};

/* ---- look.c: pure ---- */
/*
 * mmr_look_is_encrypted - do the first bytes of a file look encrypted? Spread as evenly as random bytes are, and not the
 * beginning of a kind of file that is packed by nature (archives, pictures, sound, PDF, Office, programs …).
 *
 * n  bytes at p; under 256 nothing can be said: false
 */
bool mmr_look_is_encrypted(const uint8_t *p, size_t n);
/* What is_encrypted takes for packed by nature: the same list is the kernel program's. */
const struct mmr_counter_kind *mmr_look_kinds(size_t *ret_n);
bool mmr_look_is_note(const char *name);   /* a file's name: does it tell how to get data back? */
bool mmr_look_is_document(const char *name); /* an ending of what people keep; such a file never looks encrypted by nature */
bool mmr_look_is_backup(const char *path); /* a backup by its name or folder */

/* ---- score.c ---- */
struct mmr_actor { /* a process group and what it did within the window */
    uint32_t group, hits, notes, backups, n_writers, last_pid;
    int64_t window_ns, told_ns, used_ns;
    uint64_t note;
    uint32_t writers[MMR_RANSOM_WRITERS];
    char sample[256]; /* one of the files */
};
struct mmr_score;
struct mmr_score_config {
    int64_t window_ns;
    uint32_t threshold;
    void *ctx;
    /* the head of a file; bytes read, 0: nothing to be said (gone, no regular file, one of ours) */
    size_t (*head)(void *ctx, const char *path, uint8_t *buf, size_t cap);
};
int mmr_score_new(const struct mmr_score_config *c, struct mmr_score **ret, struct mmr_error *err);
void mmr_score_free(struct mmr_score *s);
/* Count one change by a process of this group; the actor when it has just become too much (once in a minute), else NULL. */
struct mmr_actor *mmr_score_change(struct mmr_score *s, const struct mmr_change *c, uint32_t group, int64_t now_ns);
struct mmr_actor *mmr_score_actor(struct mmr_score *s, uint32_t group, int64_t now_ns); /* never NULL */
void mmr_score_stopped(struct mmr_actor *a, uint32_t pid, uint32_t hits, const char *name); /* the kernel counted, and stopped this process */

/* ---- heldlist.c: whom we made stand still, in a file that outlives us ---- */
struct mmr_heldlist;
struct mmr_heldlist *mmr_heldlist_new(const char *state_dir); /* "" or NULL: keeps nothing. Returned; NULL: out of memory */
void mmr_heldlist_free(struct mmr_heldlist *l); /* accepts NULL; leaves the file */
/* Write down the process and when it started, before it is stopped. false: the file could not be written. */
bool mmr_heldlist_add(struct mmr_heldlist *l, uint32_t pid);
void mmr_heldlist_clear(struct mmr_heldlist *l); /* nobody is held any more */
/*
 * mmr_heldlist_recover - let go whom a run that was killed left standing, and forget the list.
 *
 * A process goes on when it is still the one that was written down (its start, this start of the kernel) and still stopped.
 * return  how many
 */
uint32_t mmr_heldlist_recover(struct mmr_heldlist *l);

/* ---- hold.c ---- */
struct mmr_hold;
/* list: borrowed, told of everybody before he is stopped */
int mmr_hold_new(struct mmr_heldlist *list, struct mmr_hold **ret, struct mmr_error *err);
void mmr_hold_free(struct mmr_hold *h); /* lets everybody go */
/* Stop the process and all that descend from it, until mmr_hold_release(); how many. Never pid 1, ourselves, our parent,
 * our own executable, or a program of the system's folders on the list `never`; then 0. */
uint32_t mmr_hold_tree(struct mmr_hold *h, uint32_t pid, const struct mmr_strv *never, int64_t until_ns);
bool mmr_hold_has(const struct mmr_hold *h, uint32_t pid);
bool mmr_hold_is_unlisted(const struct mmr_hold *h); /* somebody stands still who could not be written down */
void mmr_hold_let_go(uint32_t pid); /* who was stopped by somebody else, and must not be */
int64_t mmr_hold_next_ns(const struct mmr_hold *h); /* when somebody is to be let go; 0: nobody is held */
/* Let go whose time is over (or all: INT64_MAX); how many of them were still alive. */
uint32_t mmr_hold_release(struct mmr_hold *h, int64_t now_ns);

/* ---- canary.c ---- */
struct mmr_canary;
struct mmr_canary_config { /* copied; lists and host borrowed */
    const struct mmr_host *host;
    struct mmr_strv places, exclude, names;
    const char *state_dir; /* keeps the list of what was placed; "": no list */
    int64_t hold_ns; /* how long a writer waits for the verdict; 0: it is refused at once */
    void *ctx;
    /* Somebody opens a canary and means to write (or cannot be asked): true: hold him. */
    bool (*touched)(void *ctx, uint32_t pid, const char *path, bool is_write);
};
int mmr_canary_new(const struct mmr_canary_config *c, struct mmr_canary **ret, struct mmr_error *err);
void mmr_canary_free(struct mmr_canary *c); /* removes the files it placed, refuses whom it holds */
/* Remove what a run that was cut short left and nobody placed again; c may be NULL: all of it. */
void mmr_canary_tidy(const char *state_dir, const struct mmr_canary *c);
void mmr_canary_place(struct mmr_canary *c); /* where they are missing: folders come and go */
int mmr_canary_fd(const struct mmr_canary *c); /* -1: this kernel asks nobody; changes are seen all the same */
void mmr_canary_read(struct mmr_canary *c);
void mmr_canary_expire(struct mmr_canary *c, int64_t now_ns);
int64_t mmr_canary_next_ns(const struct mmr_canary *c); /* when somebody held is to be answered; 0: nobody */
bool mmr_canary_is(const struct mmr_canary *c, uint64_t inode, uint64_t device);
bool mmr_canary_has_path(const struct mmr_canary *c, const char *path);
uint32_t mmr_canary_count(const struct mmr_canary *c);

/* ---- gone.c ---- */
struct mmr_gone;
bool mmr_gone_is_remover(const char *exe); /* a tool people remove folders with */
int mmr_gone_new(struct mmr_gone **ret, struct mmr_error *err);
void mmr_gone_free(struct mmr_gone *g);
bool mmr_gone_wait(struct mmr_gone *g, const char *path, uint32_t pid, int64_t now_ns); /* false: no room, judge it now */
int64_t mmr_gone_next_ns(const struct mmr_gone *g); /* 0: nothing waits */
/* alone() for each whose folder stayed when its process ended, or after two minutes. */
void mmr_gone_look(struct mmr_gone *g, int64_t now_ns, void (*alone)(void *ctx, const char *path, uint32_t pid), void *ctx);

/* ---- counter.c: the kernel counts and stops by itself, where it can ---- */
struct mmr_counter;
struct mmr_counter_opts {
    const struct mmr_ransom_config *config; /* borrowed until it is closed */
    uint32_t threshold;
    void *ctx;
    void (*stopped)(void *ctx, const struct mmr_counter_stop *s); /* this process stands still, and is ours to let go */
};
/* errors MMR_EUNSUPPORTED this kernel or build cannot, or may not; MMR_ENOMEM */
int mmr_counter_open(const struct mmr_counter_opts *o, struct mmr_counter **ret, struct mmr_error *err);
void mmr_counter_close(struct mmr_counter *c); /* hands over whom it stopped last; accepts NULL */
int mmr_counter_fd(const struct mmr_counter *c);
void mmr_counter_read(struct mmr_counter *c);
void mmr_counter_learn(struct mmr_counter *c); /* again: places and programs come and go */
void mmr_counter_spare(struct mmr_counter *c, int64_t for_ns); /* whom it has stopped, for so long: nobody decided */

/* ---- proc.c: what /proc says of a process; false, 0: gone ---- */
uint32_t mmr_ransom_group(uint32_t pid);   /* its process group */
uint32_t mmr_ransom_process(uint32_t tid); /* the process a thread belongs to */
extern const char *const mmr_ransom_system_folders[]; /* where only the administrator puts programs; each ends with '/'; NULL ends */
/* Is this executable's path one of these names in a folder of the system? */
bool mmr_ransom_is_named(const char *exe, const struct mmr_strv *names);
enum mmr_intent { MMR_INTENT_UNKNOWN = 0, MMR_INTENT_READ, MMR_INTENT_WRITE };
enum mmr_intent mmr_ransom_intent(uint32_t tid); /* of the call that opens, which the thread stands in */

#endif
