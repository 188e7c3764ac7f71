/* xattrs.c - listed, read, written again. */
#include "xattrs.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <linux/limits.h>
#include <sys/xattr.h>

static int put(unsigned char *all, size_t *at, const void *p, size_t n)
{
    if (n > MMR_XATTRS_MAX - *at) {
        errno = E2BIG;
        return -1;
    }
    memcpy(all + *at, p, n);
    *at += n;
    return 0;
}

long mmr_xattrs_read(int fd, unsigned char **ret_bytes)
{
    unsigned char *all = NULL;
    char *names = NULL, *value = NULL;
    size_t at = 0;
    *ret_bytes = NULL;
    ssize_t len = flistxattr(fd, NULL, 0);
    if (len <= 0)
        return len == 0 || errno == ENOTSUP ? 0 : -1;
    all = malloc(MMR_XATTRS_MAX);
    names = malloc((size_t)len);
    value = malloc(XATTR_SIZE_MAX);
    int r = all && names && value && (len = flistxattr(fd, names, (size_t)len)) >= 0 ? 0 : -1;
    for (const char *n = names; r == 0 && n < names + len; n += strlen(n) + 1) {
        ssize_t got = fgetxattr(fd, n, value, XATTR_SIZE_MAX);
        if (got < 0 && errno == ENODATA)
            continue; /* gone meanwhile */
        uint32_t size = (uint32_t)(got < 0 ? 0 : got);
        if (got < 0 || put(all, &at, n, strlen(n) + 1) != 0 || put(all, &at, &size, sizeof size) != 0 || put(all, &at, value, size) != 0)
            r = -1;
    }
    int saved = errno;
    free(names);
    free(value);
    if (r != 0 || at == 0) {
        free(all);
        errno = saved;
        return r;
    }
    *ret_bytes = all;
    return (long)at;
}

int mmr_xattrs_write(int fd, const unsigned char *bytes, size_t len)
{
    for (size_t at = 0; at < len;) {
        const char *name = (const char *)bytes + at;
        const void *end = memchr(name, '\0', len - at);
        uint32_t size;
        if (!end || len - (at += strlen(name) + 1) < sizeof size) {
            errno = EBADMSG;
            return -1;
        }
        memcpy(&size, bytes + at, sizeof size);
        at += sizeof size;
        if (size > len - at) {
            errno = EBADMSG;
            return -1;
        }
        /* a label this system gives by itself may not be ours to set; it has it already then */
        if (fsetxattr(fd, name, bytes + at, size, 0) != 0 && errno != EPERM && errno != ENOTSUP)
            return -1;
        at += size;
    }
    return 0;
}

int mmr_xattrs_copy(int from, int to)
{
    unsigned char *bytes;
    long n = mmr_xattrs_read(from, &bytes);
    int r = n < 0 ? -1 : n == 0 ? 0 : mmr_xattrs_write(to, bytes, (size_t)n);
    free(bytes);
    return r;
}
