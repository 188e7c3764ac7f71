/*
 * failing_malloc.c - preloaded into a program under test: the MMR_FAIL_AT-th allocation after its start fails, once, or with
 * MMR_FAIL_ON=1 every one from there on. Nothing else changes.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);
__attribute__((visibility("default"))) void *malloc(size_t n);
__attribute__((visibility("default"))) void *calloc(size_t n, size_t size);
__attribute__((visibility("default"))) void *realloc(void *p, size_t n);

static atomic_long left = -1; /* the process's own: there is one malloc */
static atomic_int is_for_good;

__attribute__((constructor)) static void begin(void)
{
    const char *at = getenv("MMR_FAIL_AT"), *on = getenv("MMR_FAIL_ON");
    atomic_store(&is_for_good, on && *on == '1');
    atomic_store(&left, at ? strtol(at, NULL, 10) : -1);
}

static int is_due(void)
{
    long n = atomic_load(&left);
    if (n < 0)
        return 0;
    if (n == 0)
        return atomic_load(&is_for_good);
    return atomic_fetch_sub(&left, 1) == 1;
}

static void *fail(void)
{
    errno = ENOMEM;
    return NULL;
}

void *malloc(size_t n)
{
    return is_due() ? fail() : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return is_due() ? fail() : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    return is_due() ? fail() : __libc_realloc(p, n);
}
