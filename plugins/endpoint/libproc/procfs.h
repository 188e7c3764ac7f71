/* procfs.h - one process's entries of /proc. The texts are other people's words; every buffer is bounded, and a process
 * may be gone at any step: then the functions say so and leave their outputs alone. */
#ifndef MMR_PROCFS_H
#define MMR_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mmr_pstat {
    char state;
    char comm[16];
    uint32_t ppid, reserved;
    int64_t start_ticks; /* field 22 of /proc/PID/stat */
};

bool mmr_procfs_stat(uint32_t pid, struct mmr_pstat *ret);
/* Link of exe or cwd ("exe", "cwd"); the length, 0 when it cannot be read. ret is NUL-terminated. */
size_t mmr_procfs_link(uint32_t pid, const char *name, char *ret, size_t cap);
/* The command line, its arguments joined by spaces and control bytes made spaces; the length, 0: none. */
size_t mmr_procfs_cmdline(uint32_t pid, char *ret, size_t cap);
bool mmr_procfs_uid(uint32_t pid, uint32_t *ret_uid); /* the real one */
uint64_t mmr_procfs_netns(uint32_t pid);              /* inode of its network namespace, 0: unknown; pid 0: our own */
/* Last component of its control group (v2 line, else the first with a long id). */
bool mmr_procfs_cgroup(uint32_t pid, char *ret, size_t cap);
bool mmr_procfs_same_cgroup(uint32_t pid); /* as ours, in every hierarchy */
/* Every process id of /proc, in no order, until fn says false. */
void mmr_procfs_each(bool (*fn)(void *ctx, uint32_t pid), void *ctx);
/* inode of the socket behind descriptor fd, 0: none */
uint64_t mmr_procfs_socket(uint32_t pid, int fd);
/* Fill rows[].pid for every inode found among the descriptors of all processes; rows are sorted by inode. */
struct mmr_holder {
    uint64_t inode;
    uint32_t pid, reserved;
};
void mmr_procfs_holders(struct mmr_holder *rows, size_t n);
/* This start of the kernel, 36 characters: numbers of processes mean nothing to another one. False: it cannot be read. */
bool mmr_procfs_boot_id(char ret[37]);
/* Arguments as the kernel keeps them (NULs between) made one line, in place; the length. */
size_t mmr_procfs_join_args(char *args, size_t len);
/* The id in a control group's name as container engines write it (64 hex digits), cut to 12; false: none. */
bool mmr_procfs_container(const char *cgroup, char ret[13]);

#endif
