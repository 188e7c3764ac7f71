/* inode.h - what a file is beside its bytes: flags that keep it from being removed, other names, holes. */
#ifndef MMR_CONTAIN_INODE_H
#define MMR_CONTAIN_INODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

enum { MMR_INODE_HANDLE = 128 };
struct mmr_inode {
    unsigned flags, names; /* flags: immutable and append-only alone (chattr +i, +a); names: how many it had */
    bool is_sparse;        /* less on the disk than it is long */
    int32_t type;          /* of the handle; len 0: this file system has none */
    uint32_t len;
    uint8_t handle[MMR_INODE_HANDLE];
};

/* What is to be known of an open file; st is its state. */
void mmr_inode_look(int fd, const struct stat *st, struct mmr_inode *ret);
/* Nothing of it is out of the ordinary: there is nothing to keep. */
bool mmr_inode_is_plain(const struct mmr_inode *n);
/* Make it removable, and, when it has other names that can be found again, of no use by them: nobody may run or read it. 0, or -1 and errno */
int mmr_inode_disarm(int fd, const struct mmr_inode *n);
int mmr_inode_rearm(int fd, const struct mmr_inode *n, mode_t mode); /* as it was: the other way */
/* The file by its handle, when it still has a name somewhere: a descriptor; -1. */
int mmr_inode_find(const char *path, const struct mmr_inode *n);
int mmr_inode_flags_on(int fd, const struct mmr_inode *n);

/* As text of at most cap bytes (400 are enough), and back; -1: too long, or not such a text. */
int mmr_inode_write(const struct mmr_inode *n, char *text, size_t cap);
int mmr_inode_read(const char *text, struct mmr_inode *ret);

#endif
