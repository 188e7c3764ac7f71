/*
 * lab.h - machines made of namespaces: network, mounts and host name of their own, folders of their own under the lab's
 * working folder. Nothing has a name outside: when the last process and descriptor are gone, so are the namespaces.
 */
#ifndef MMR_DEMO_LAB_H
#define MMR_DEMO_LAB_H

#include <mamori/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { MMR_LAB_MACHINES_MAX = 8, MMR_LAB_PATH = 256, MMR_LAB_CHILDREN_MAX = 128 };

struct mmr_machine {
    char name[16], ip[20];
    char dir[MMR_LAB_PATH]; /* its folder: fs/ is laid over parts of its tree; conf/ state/ run/ for mamori; log/ */
    int net, mnt, uts;      /* namespaces */
    uint64_t netns;         /* inode of net: tells whose process one is */
};
struct mmr_lab {
    char dir[MMR_LAB_PATH]; /* removed at the end, unless kept */
    bool is_kept, is_mirrored;
    struct mmr_machine machine[MMR_LAB_MACHINES_MAX];
    size_t n;
    pid_t child[MMR_LAB_CHILDREN_MAX];
    int exe; /* this executable, open */
};

/*
 * Build the lab: internet, gateway, switch, pc1, pc2, printer, wired. keep: a folder for state and logs that stays, or
 * NULL. errors MMR_EPERM not root; MMR_EUNSUPPORTED this kernel lacks what is named; MMR_EIO
 */
int mmr_lab_open(const char *keep, struct mmr_lab *ret, struct mmr_error *err);
/* End every process in the lab's namespaces and remove its folder. May be called at any time, also after a failed open,
 * and from the parent of the process that opened it. */
void mmr_lab_close(struct mmr_lab *lab);

struct mmr_machine *mmr_lab_machine(struct mmr_lab *lab, const char *name); /* it must exist */

/* Run fn in the machine, in a child that dies with this process; out: its stdout and stderr below the machine's log/
 * ("" is /dev/null). The child's exit status is what fn returns. MMR_EIO: no process. */
typedef int (*mmr_lab_fn)(const struct mmr_machine *m, void *arg);
int mmr_lab_spawn(struct mmr_lab *lab, struct mmr_machine *m, const char *out, mmr_lab_fn fn, void *arg, pid_t *ret, struct mmr_error *err);
/* Wait for one child; -1 when it is not over in time. ret_status as of waitpid(). */
int mmr_lab_wait(struct mmr_lab *lab, pid_t pid, int64_t timeout_ms, int *ret_status);
void mmr_lab_end(struct mmr_lab *lab, pid_t pid); /* SIGKILL and reap; pid <= 0: nothing */
void mmr_lab_reap(struct mmr_lab *lab);           /* orphans that came to us */
/* The machine a process is in; NULL: none of ours, or gone. */
struct mmr_machine *mmr_lab_of(struct mmr_lab *lab, pid_t pid);
/* Feed lines to a tool (argv NULL-terminated) that runs in the machine; its words go into err when it fails. */
int mmr_lab_tool(struct mmr_lab *lab, struct mmr_machine *m, const char *const *argv, const char *input, struct mmr_error *err);

int mmr_lab_wire(struct mmr_lab *lab, struct mmr_error *err); /* lab_wire.c, called by open */
int mmr_lab_write(const char *path, const char *text, mode_t mode, struct mmr_error *err);
bool mmr_lab_sleep(int64_t ms); /* false: asked to stop meanwhile */

#endif
