/* drop_in.c - a drop-in of a command, written whole or not at all. */
#include "cli/drop_in.h"

#include "cli/command.h"
#include "util/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int make_folder(const char *dir)
{
    char path[4096];
    struct stat st;
    size_t len = strlen(dir);
    if (stat(dir, &st) == 0 || len >= sizeof path)
        return 0;
    memcpy(path, dir, len + 1);
    for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
        *p = '\0';
        if (mkdir(path, 0755) != 0 && errno != EEXIST)
            return -1;
        *p = '/';
    }
    return mkdir(path, 0755) == 0 || errno == EEXIST ? 0 : -1;
}

static int failed(const char *command, const char *path)
{
    (void)fprintf(stderr, "mamori %s: '%s': %s\n", command, path, strerror(errno));
    return MMR_EXIT_FAILED;
}

int mmr_cli_drop_in_write(const char *command, const char *dir, const char *file, const char *text)
{
    char path[4096], part[4096];
    size_t len = strlen(text);
    if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, file) >= sizeof path ||
        (size_t)snprintf(part, sizeof part, "%s/.%s.%ld", dir, file, (long)getpid()) >= sizeof part) {
        (void)fprintf(stderr, "mamori %s: the path of the configuration folder is too long\n", command);
        return MMR_EXIT_USAGE;
    }
    if (make_folder(dir) != 0)
        return failed(command, dir);
    mmr_autoclose int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return failed(command, dir);
    (void)unlink(part); /* of a process with our number that was ended */
    mmr_autoclose int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return failed(command, part);
    for (size_t at = 0; at < len;) {
        ssize_t n = write(fd, text + at, len - at);
        if (n < 0 && errno != EINTR) {
            int status = failed(command, part);
            (void)unlink(part);
            return status;
        }
        at += n > 0 ? (size_t)n : 0;
    }
    if (fchmod(fd, 0644) != 0 || fsync(fd) != 0 || rename(part, path) != 0 || fsync(folder) != 0) {
        int status = failed(command, path);
        (void)unlink(part);
        return status;
    }
    return MMR_EXIT_OK;
}
