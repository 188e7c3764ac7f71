/*
 * clockshift.c - preloaded into every process of the test's mount namespace: the wall clock is as far off as the number in
 * /etc/mamori-clock says (nanoseconds, 8 bytes, changed while they run). No other clock is touched, as when a clock is set.
 */
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *shift_ns;

__attribute__((constructor)) static void begin(void)
{
    int fd = open("/etc/mamori-clock", O_RDONLY | O_CLOEXEC);
    void *p = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *shift_ns, PROT_READ, MAP_SHARED, fd, 0);
    if (p != MAP_FAILED)
        shift_ns = p;
    if (fd >= 0)
        (void)close(fd);
}

__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec *ret)
{
    int r = (int)syscall(SYS_clock_gettime, clock, ret);
    if (r == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) && shift_ns) {
        int64_t ns = (int64_t)ret->tv_sec * 1000000000 + ret->tv_nsec + *shift_ns;
        ret->tv_sec = (time_t)(ns / 1000000000);
        ret->tv_nsec = (long)(ns % 1000000000);
    }
    return r;
}
