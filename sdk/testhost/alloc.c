/*
 * alloc.c - the n-th allocation fails. The linker's --wrap brings the allocations of the test program's own objects (the
 * plugin, the SDK, the test) here; libraries keep theirs, and the test host calls the real ones.
 */
#include "internal.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

static struct {
    _Atomic uint64_t seen, fail_at; /* fail_at 0: none fails */
    atomic_bool has_failed;
} state; /* the allocator is the process's, so this is too */

static bool fails(void)
{
    uint64_t n = atomic_fetch_add(&state.seen, 1) + 1;
    if (atomic_load(&state.fail_at) != n)
        return false;
    atomic_store(&state.has_failed, true);
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t len);

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}
void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}
void *__wrap_realloc(void *p, size_t size)
{
    return fails() ? NULL : __real_realloc(p, size);
}
void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
    return fails() ? NULL : __real_reallocarray(p, n, size);
}
char *__wrap_strdup(const char *text)
{
    return __wrap_strndup(text, strlen(text));
}
char *__wrap_strndup(const char *text, size_t len)
{
    size_t n = strnlen(text, len);
    char *copy = fails() ? NULL : __real_malloc(n + 1);
    if (copy) {
        memcpy(copy, text, n);
        copy[n] = '\0';
    }
    return copy;
}

void mmr_testhost_fail_alloc(uint64_t nth)
{
    atomic_store(&state.seen, 0);
    atomic_store(&state.has_failed, false);
    atomic_store(&state.fail_at, nth);
}

bool mmr_testhost_alloc_failed(void)
{
    return atomic_load(&state.has_failed);
}

uint64_t mmr_testhost_each_alloc(void (*fn)(void *ctx), void *ctx)
{
    uint64_t n = 1;
    for (;; n++) {
        mmr_testhost_fail_alloc(n);
        fn(ctx);
        bool has_failed = mmr_testhost_alloc_failed();
        mmr_testhost_fail_alloc(0);
        if (!has_failed)
            return n - 1;
    }
}
