/* resources.c - what this process holds, and what a stretch of code cost it. */
#include "check/probe.h"

#include "util/clock.h"

#include <dirent.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak)); /* there in a sanitizer's build */

static size_t entries(const char *dir)
{
    size_t n = 0;
    DIR *d = opendir(dir);
    while (d && readdir(d))
        n++;
    if (d)
        (void)closedir(d);
    return n;
}

void mmr_resources_now(struct mmr_resources *ret)
{
    if (__sanitizer_get_current_allocated_bytes) {
        ret->heap_bytes = __sanitizer_get_current_allocated_bytes();
    } else {
        struct mallinfo2 m = mallinfo2(); /* of the main arena, the only one: the case set M_ARENA_MAX */
        ret->heap_bytes = m.uordblks + m.hblkhd;
    }
    ret->fds = entries("/proc/self/fd");
    ret->threads = entries("/proc/self/task");
}

static int64_t clock_of(clockid_t id)
{
    struct timespec ts = {0};
    (void)clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * MMR_NS_PER_S + ts.tv_nsec;
}

/* How long this thread stood in line for a processor; 0 where the kernel does not say. */
static int64_t waited_ns(void)
{
    char text[96];
    int fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, sizeof text - 1);
    (void)close(fd);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    char *end;
    (void)strtoll(text, &end, 10);
    return strtoll(end, NULL, 10);
}

void mmr_stopwatch_start(struct mmr_stopwatch *w)
{
    w->wait_ns = waited_ns();
    w->cpu_ns = clock_of(CLOCK_THREAD_CPUTIME_ID);
    w->wall_ns = clock_of(CLOCK_MONOTONIC);
}

void mmr_stopwatch_stop(const struct mmr_stopwatch *w, int64_t *ret_cpu_ns, int64_t *ret_slept_ns)
{
    int64_t wall = clock_of(CLOCK_MONOTONIC) - w->wall_ns;
    int64_t cpu = clock_of(CLOCK_THREAD_CPUTIME_ID) - w->cpu_ns;
    int64_t slept = wall - cpu - (waited_ns() - w->wait_ns);
    *ret_cpu_ns = cpu;
    *ret_slept_ns = slept > 0 ? slept : 0;
}
