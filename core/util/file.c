/* file.c - see file.h. The temporary file carries the process's number: two commands at once do not meet in it. */
#include "util/file.h"

#include "util/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int mmr_write_all(int fd, const void *bytes, size_t len)
{
    const char *p = bytes;
    while (len) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n < 0 ? errno : EIO;
            return -1;
        }
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

int mmr_sync_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    mmr_autofree char *dir = !slash ? strdup(".") : slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
    if (!dir)
        return -1;
    mmr_autoclose int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == EACCES ? 0 : -1; /* a folder one may write into but not read: its owner's choice */
    return fsync(fd);
}

int mmr_file_replace(const char *what, const char *path, unsigned mode, const void *bytes, size_t len, struct mmr_error *err)
{
    mmr_autofree char *temp = NULL;
    if (asprintf(&temp, "%s.%ld.new", path, (long)getpid()) < 0) {
        temp = NULL;
        return mmr_fail(err, MMR_ENOMEM, "%s '%s': out of memory", what, path);
    }
    (void)unlink(temp); /* of a process with our number that was ended in the middle */
    mmr_autoclose int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0 || fchmod(fd, mode) != 0 || mmr_write_all(fd, bytes, len) != 0 || fsync(fd) != 0 || rename(temp, path) != 0 ||
        mmr_sync_folder_of(path) != 0) {
        int e = errno;
        if (fd >= 0)
            (void)unlink(temp);
        return mmr_fail(err, MMR_EIO, "%s '%.400s' could not be written: %s", what, path, strerror(e));
    }
    return 0;
}
