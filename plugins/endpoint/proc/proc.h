/* proc.h - the process sensor's own parts. One loop thread; kernel records or /proc entries come in (bpf.c, cnproc.c,
 * poll.c), are made whole with the table of processes (starts.c, conns.c), and leave as events (events.c, findings.c). */
#ifndef MMR_PROC_H
#define MMR_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mamori/event.h>
#include <mamori/plugin.h>

#include "diag.h"
#include "ptable.h"
#include "record.h"
#include "users.h"

enum { MMR_PROC_PATH_MAX = 4096, MMR_PROC_CMD_MAX = MMR_EVENT_STR_MAX, MMR_PROC_PENDING_BYTES = 512 * 1024 };
enum mmr_proc_scope { MMR_PROC_HOST, MMR_PROC_CGROUP, MMR_PROC_NETNS };

struct mmr_proc_config {
    const char *mode, *scope;
    int64_t ring_bytes, table, poll, conn_poll;
    bool connections, exits;
};

struct mmr_start { /* a program start made whole; texts are borrowed, NULL if unknown */
    uint32_t pid, ppid, uid;
    uint32_t exe_dev;
    uint64_t exe_ino;
    int64_t start_ticks, parent_ticks, time_ns;
    const char *name, *path, *cmd_line, *cwd, *container, *cgroup;
    bool is_cmd_cut;    /* cmd_line is only the beginning */
    const char *script; /* absolute path of the script an interpreter was started on, or NULL */
    uint32_t socket_mask;
    struct mmr_rec_tuple sock;
};

struct mmr_bpf;
struct mmr_cnproc;
struct mmr_poll;
struct mmr_conns;
struct mmr_dropped;
struct mmr_missed;

struct mmr_proc {
    const struct mmr_host *host;
    const struct mmr_proc_config *config;
    enum mmr_proc_scope scope;
    struct mmr_ptable *table;
    struct mmr_bpf *bpf;
    struct mmr_cnproc *cnproc;
    struct mmr_poll *poll;
    struct mmr_conns *conns;
    struct mmr_dropped *dropped;
    struct mmr_missed *missed;
    uint64_t netns; /* our own */
    uint64_t lost;  /* records the kernel or the bus dropped and nobody was told about yet */
    int64_t lost_told_ns;
    uint8_t *pending; /* events the bus had no room for, each behind its length */
    size_t pending_at, pending_len;
    uint64_t emitted, waiting; /* events: taken by the bus; in pending */
    bool is_stopped; /* reading rests until on_wake() */
    int64_t address_ns;
    char hostname[256], address[64];
    struct mmr_users users;
    struct mmr_event_view view;
    struct mmr_event ev;
    uint8_t buf[64 * 1024];
    char path[2 * MMR_PROC_PATH_MAX], cwd[2 * MMR_PROC_PATH_MAX], cmd[MMR_PROC_CMD_MAX + 1], script[2 * MMR_PROC_PATH_MAX];
};

enum { MMR_PROC_TICK_NS = 10000000 }; /* a tick of /proc's start times: USER_HZ is 100 on every Linux port we build for */
enum { MMR_PROC_FD_RING = 1, MMR_PROC_FD_CNPROC = 2 };
enum { MMR_PROC_TIMER_POLL = 1, MMR_PROC_TIMER_CONNS = 2, MMR_PROC_TIMER_LOST = 3 };

/* bpf.c: kernel programs. errors MMR_EUNSUPPORTED with the reason when this kernel or build cannot. */
int mmr_bpf_open(struct mmr_proc *p, struct mmr_bpf **ret, struct mmr_error *err);
void mmr_bpf_close(struct mmr_bpf *b);
int mmr_bpf_fd(const struct mmr_bpf *b);
void mmr_bpf_read(struct mmr_bpf *b); /* hands what is there to starts.c and conns.c, a bounded number at once */

/* cnproc.c: the process connector */
int mmr_cnproc_open(struct mmr_proc *p, struct mmr_cnproc **ret, struct mmr_error *err);
void mmr_cnproc_close(struct mmr_cnproc *c);
int mmr_cnproc_fd(const struct mmr_cnproc *c);
void mmr_cnproc_read(struct mmr_cnproc *c);

/* poll.c: /proc looked at again and again */
int mmr_poll_open(struct mmr_proc *p, struct mmr_poll **ret, struct mmr_error *err);
void mmr_poll_close(struct mmr_poll *q);
void mmr_poll_look(struct mmr_poll *q);

/* starts.c */
bool mmr_proc_in_scope(const struct mmr_proc *p, uint32_t pid);
void mmr_proc_exec_record(struct mmr_proc *p, const struct mmr_rec_exec *r, size_t len, int64_t wall_ns);
void mmr_proc_exec_pid(struct mmr_proc *p, uint32_t pid, int64_t time_ns); /* from /proc, as far as it is still there */
void mmr_proc_ended(struct mmr_proc *p, uint32_t pid, int64_t start_ticks, bool has_code, int code, int64_t time_ns);

/* conns.c: who listens, who is connected */
int mmr_conns_new(struct mmr_proc *p, struct mmr_conns **ret, struct mmr_error *err);
void mmr_conns_free(struct mmr_conns *c);
void mmr_conns_record(struct mmr_conns *c, const struct mmr_rec_conn *r, int64_t wall_ns);
/* inet_diag: tell what came and went; of the new ones those of programs started in or after this tick (0: all, INT64_MAX: none) */
void mmr_conns_look(struct mmr_conns *c, int64_t since);
void mmr_conns_forget(struct mmr_conns *c); /* frees what only looking needs */
void mmr_conns_refresh_listeners(struct mmr_conns *c);
bool mmr_conns_is_listening(struct mmr_conns *c, uint16_t port);
bool mmr_conns_by_inode(struct mmr_conns *c, uint64_t inode, struct mmr_rec_tuple *ret);

/* events.c */
void mmr_proc_begin(struct mmr_proc *p, const char *kind, uint32_t class_uid, uint32_t activity, int64_t time_ns,
                    uint32_t severity);
void mmr_proc_put_process(struct mmr_proc *p, const struct mmr_pentry *e); /* process.*, user.* */
void mmr_proc_put_parent(struct mmr_proc *p, const struct mmr_pentry *e);
void mmr_proc_put_user(struct mmr_proc *p, uint32_t uid);
void mmr_proc_put_ends(struct mmr_proc *p, const struct mmr_rec_tuple *t, bool is_incoming);
void mmr_proc_addr_text(const struct mmr_rec_tuple *t, bool is_local, char ret[64]);
void mmr_proc_send(struct mmr_proc *p); /* ends the event and hands it to the host */
bool mmr_proc_flush(struct mmr_proc *p); /* false: the bus is still full */
void mmr_proc_lose(struct mmr_proc *p, uint64_t n);
void mmr_proc_tell_lost(struct mmr_proc *p);

/* findings.c */
void mmr_proc_judge_start(struct mmr_proc *p, const struct mmr_start *s);

/* missed.c: what started while the sensor was away */
int mmr_missed_new(struct mmr_proc *p, struct mmr_missed **ret, struct mmr_error *err);
void mmr_missed_free(struct mmr_missed *m);
void mmr_missed_told(struct mmr_missed *m, int64_t start_ticks); /* the newest event is the start of a program */
void mmr_missed_committed(struct mmr_missed *m, uint64_t upto);  /* and what rules here made of the events up to this one */
/* Once, when the kernel has begun to tell: tells them. Returns the tick since which nothing may have been told; INT64_MAX: nobody was away. */
int64_t mmr_missed_tell(struct mmr_missed *m);

/* dropped.c: executables that servers wrote */
int mmr_dropped_new(struct mmr_proc *p, struct mmr_dropped **ret, struct mmr_error *err);
void mmr_dropped_free(struct mmr_dropped *d);
void mmr_dropped_file(struct mmr_dropped *d, const struct mmr_event_view *v);
void mmr_dropped_start(struct mmr_dropped *d, const struct mmr_start *s);

#endif
