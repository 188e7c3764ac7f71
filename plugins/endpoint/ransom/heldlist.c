/*
 * heldlist.c - who stands still because of us, on disk before he does: a host process that is killed cannot let anybody go, the
 * next one does. Written, not synchronised: what is to be outlived is this process, not the machine, whose end is theirs too.
 */
#include "ransom.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "procfs.h"

enum { LIST_BYTES = 64 * 1024, BOOT_ID = 36 };

struct mmr_heldlist {
    int fd; /* -1: no list */
    bool is_broken;
    char path[MMR_RANSOM_PATH], boot[BOOT_ID + 2];
};

/* The first line: of another start of the kernel nobody is let go. */
static void boot_line(char ret[BOOT_ID + 2])
{
    if (!mmr_procfs_boot_id(ret))
        memset(ret, '-', BOOT_ID);
    ret[BOOT_ID] = '\n';
    ret[BOOT_ID + 1] = '\0';
}

struct mmr_heldlist *mmr_heldlist_new(const char *state_dir)
{
    struct mmr_heldlist *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->fd = -1;
    if (state_dir && *state_dir)
        (void)snprintf(l->path, sizeof l->path, "%.4000s/held", state_dir);
    boot_line(l->boot);
    return l;
}

void mmr_heldlist_free(struct mmr_heldlist *l)
{
    if (l && l->fd >= 0)
        (void)close(l->fd);
    free(l);
}

bool mmr_heldlist_add(struct mmr_heldlist *l, uint32_t pid)
{
    char line[64];
    struct mmr_pstat st;
    if (!*l->path)
        return true;
    if (l->fd < 0) {
        l->fd = open(l->path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
        l->is_broken = l->fd < 0 || write(l->fd, l->boot, BOOT_ID + 1) != BOOT_ID + 1;
    }
    if (!mmr_procfs_stat(pid, &st))
        return true; /* gone: nobody to remember */
    int n = snprintf(line, sizeof line, "%u %lld\n", pid, (long long)st.start_ticks);
    if (l->fd < 0 || write(l->fd, line, (size_t)n) != n)
        l->is_broken = true;
    return !l->is_broken;
}

void mmr_heldlist_clear(struct mmr_heldlist *l)
{
    if (l->fd < 0)
        return;
    (void)close(l->fd);
    l->fd = -1;
    (void)unlink(l->path);
}

/* The process as it was written down, and still standing: true, and it goes on. */
static bool let_go(uint32_t pid, int64_t start_ticks)
{
    struct mmr_pstat st;
    int fd = (int)syscall(SYS_pidfd_open, pid, 0); /* before looking: from here on it is one and the same process */
    bool is_his = fd >= 0 && mmr_procfs_stat(pid, &st) && st.start_ticks == start_ticks && st.state == 'T' &&
                  syscall(SYS_pidfd_send_signal, fd, SIGCONT, NULL, 0) == 0;
    if (fd >= 0)
        (void)close(fd);
    return is_his;
}

uint32_t mmr_heldlist_recover(struct mmr_heldlist *l)
{
    uint32_t n = 0;
    if (!*l->path || l->fd >= 0)
        return 0;
    int fd = open(l->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return 0;
    char *text = malloc(LIST_BYTES + 1);
    ssize_t len = text ? read(fd, text, LIST_BYTES) : 0;
    (void)close(fd);
    if (!text)
        return 0; /* the list stays for the next start */
    text[len > 0 ? len : 0] = '\0';
    if (strncmp(text, l->boot, BOOT_ID + 1) == 0)
        for (char *line = text + BOOT_ID + 1, *next; *line; line = next) {
            uint32_t pid;
            long long ticks;
            next = strchr(line, '\n');
            if (!next)
                break; /* cut short while it was written: he was not stopped yet */
            *next++ = '\0';
            if (sscanf(line, "%u %lld", &pid, &ticks) == 2 && pid > 1)
                n += let_go(pid, ticks);
        }
    free(text);
    (void)unlink(l->path);
    return n;
}
