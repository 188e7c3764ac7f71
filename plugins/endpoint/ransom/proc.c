/* proc.c - a few fields of /proc, whose texts are other people's words; everything may be gone at any step. */
#include "ransom.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { RUNNING_LOOKS = 100, RUNNING_LOOK_US = 50 };

static size_t read_text(const char *path, char *buf, size_t cap)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, buf, cap - 1);
    if (fd >= 0)
        (void)close(fd);
    buf[n > 0 ? n : 0] = '\0';
    return n > 0 ? (size_t)n : 0;
}

uint32_t mmr_ransom_group(uint32_t pid)
{
    char path[64], text[1024];
    unsigned group;
    (void)snprintf(path, sizeof path, "/proc/%u/stat", pid);
    if (!read_text(path, text, sizeof text))
        return 0;
    const char *p = strrchr(text, ')'); /* the name in brackets may hold anything */
    return p && sscanf(p + 1, " %*c %*u %u", &group) == 1 ? group : 0;
}

uint32_t mmr_ransom_process(uint32_t tid)
{
    char path[64], text[2048];
    unsigned pid;
    (void)snprintf(path, sizeof path, "/proc/%u/status", tid);
    if (!read_text(path, text, sizeof text))
        return 0;
    const char *p = strstr(text, "\nTgid:");
    return p && sscanf(p, "\nTgid: %u", &pid) == 1 ? pid : 0;
}

const char *const mmr_ransom_system_folders[] = {"/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/", "/usr/local/bin/", "/usr/local/sbin/", "/usr/lib/",
                                                 "/usr/lib/systemd/", "/lib/systemd/", "/usr/libexec/", NULL};

bool mmr_ransom_is_named(const char *exe, const struct mmr_strv *names)
{
    for (const char *const *d = mmr_ransom_system_folders; *d; d++) {
        size_t n = strlen(*d);
        for (size_t i = 0; i < names->n && strncmp(exe, *d, n) == 0; i++)
            if (strcmp(exe + n, names->v[i]) == 0)
                return true;
    }
    return false;
}

static enum mmr_intent of_flags(unsigned long long flags)
{
    return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) ? MMR_INTENT_WRITE : MMR_INTENT_READ;
}

/* openat2() has its flags in memory: the first eight bytes of struct open_how. */
static enum mmr_intent of_how(uint32_t tid, unsigned long long where)
{
    char path[64];
    uint64_t flags;
    (void)snprintf(path, sizeof path, "/proc/%u/mem", tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : pread(fd, &flags, sizeof flags, (off_t)where);
    if (fd >= 0)
        (void)close(fd);
    return n == (ssize_t)sizeof flags ? of_flags(flags) : MMR_INTENT_UNKNOWN;
}

enum mmr_intent mmr_ransom_intent(uint32_t tid)
{
    char path[64], text[512];
    long call;
    unsigned long long a[3];
    (void)snprintf(path, sizeof path, "/proc/%u/syscall", tid); /* "CALL ARG0 ARG1 …", the thread stands in it */
    text[0] = '\0';
    for (int i = 0; i < RUNNING_LOOKS; i++) { /* we are asked a moment before it lies down to wait */
        if (!read_text(path, text, sizeof text) || strncmp(text, "running", 7) != 0)
            break;
        (void)usleep(RUNNING_LOOK_US);
    }
    if (sscanf(text, "%ld %llx %llx %llx", &call, &a[0], &a[1], &a[2]) != 4)
        return MMR_INTENT_UNKNOWN;
#ifdef SYS_open
    if (call == SYS_open)
        return of_flags(a[1]);
    if (call == SYS_creat)
        return MMR_INTENT_WRITE;
#endif
    if (call == SYS_openat)
        return of_flags(a[2]);
#ifdef SYS_openat2
    if (call == SYS_openat2)
        return of_how(tid, a[2]);
#endif
    if (call == SYS_execve || call == SYS_execveat)
        return MMR_INTENT_READ;
    return MMR_INTENT_UNKNOWN; /* a ring, a file server of the kernel */
}
