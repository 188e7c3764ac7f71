/* autostart.c - cron, systemd, profiles, keys: where programs start by themselves. */
#include "autostart.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_MAX = 4 << 20, PATH_BYTES = 4096 };

enum mmr_autostart_kind mmr_autostart_kind_of(const char *path)
{
    static const struct {
        const char *pattern;
        enum mmr_autostart_kind kind;
    } places[] = {
        {"/etc/cron.d/*", MMR_AUTOSTART_FILE},         {"/etc/cron.hourly/*", MMR_AUTOSTART_FILE},
        {"/etc/cron.daily/*", MMR_AUTOSTART_FILE},     {"/etc/cron.weekly/*", MMR_AUTOSTART_FILE},
        {"/etc/cron.monthly/*", MMR_AUTOSTART_FILE},   {"/etc/systemd/system/*", MMR_AUTOSTART_FILE},
        {"/etc/systemd/user/*", MMR_AUTOSTART_FILE},   {"*/.config/systemd/user/*", MMR_AUTOSTART_FILE},
        {"/etc/init.d/*", MMR_AUTOSTART_FILE},         {"/etc/profile.d/*", MMR_AUTOSTART_FILE},
        {"/etc/xdg/autostart/*", MMR_AUTOSTART_FILE},  {"*/.config/autostart/*", MMR_AUTOSTART_FILE},
        {"/etc/update-motd.d/*", MMR_AUTOSTART_FILE},  {"/etc/crontab", MMR_AUTOSTART_LINES},
        {"/var/spool/cron/*", MMR_AUTOSTART_LINES},    {"/etc/rc.local", MMR_AUTOSTART_LINES},
        {"/etc/profile", MMR_AUTOSTART_LINES},         {"/etc/bash.bashrc", MMR_AUTOSTART_LINES},
        {"/etc/ld.so.preload", MMR_AUTOSTART_LINES},   {"*/.bashrc", MMR_AUTOSTART_LINES},
        {"*/.bash_profile", MMR_AUTOSTART_LINES},      {"*/.profile", MMR_AUTOSTART_LINES},
        {"*/.zshrc", MMR_AUTOSTART_LINES},             {"*/.ssh/authorized_keys", MMR_AUTOSTART_LINES},
        {"/etc/modules", MMR_AUTOSTART_LINES},
    };
    if (path[0] != '/' || strstr(path, "/../"))
        return MMR_AUTOSTART_NO;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (fnmatch(places[i].pattern, path, 0) == 0)
            return places[i].kind;
    return MMR_AUTOSTART_NO;
}

static int replace_file(const char *path, const struct stat *st, const char *text, size_t len, struct mmr_error *err)
{
    char temp[PATH_BYTES];
    int n = snprintf(temp, sizeof temp, "%s.mamori-new", path);
    if (n < 0 || (size_t)n >= sizeof temp)
        return mmr_fail(err, MMR_ETOOBIG, "'%.100s…': path too long", path);
    int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool is_ok = fd >= 0 && write(fd, text, len) == (ssize_t)len && fchown(fd, st->st_uid, st->st_gid) == 0 &&
                 fchmod(fd, st->st_mode & 07777) == 0 && fsync(fd) == 0;
    if (fd >= 0)
        (void)close(fd);
    if (is_ok && rename(temp, path) == 0)
        return 0;
    int saved = errno;
    if (fd >= 0)
        (void)unlink(temp);
    return mmr_fail(err, MMR_EIO, "'%.200s' cannot be rewritten: %s", path, strerror(saved));
}

int mmr_autostart_cut(const char *path, const char *entry, char *ret_lines, size_t cap, struct mmr_error *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return mmr_fail(err, errno == ENOENT ? MMR_ENOENT : MMR_EIO, "'%.200s': %s", path, strerror(errno));
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > TEXT_MAX) {
        (void)close(fd);
        return mmr_fail(err, MMR_ETOOBIG, "'%.200s' is no regular file of up to 4 MiB", path);
    }
    size_t len = (size_t)st.st_size, out = 0, cut = 0;
    char *in = malloc(len + 1), *kept = malloc(len + 1);
    ssize_t got = in && kept ? read(fd, in, len) : -1;
    (void)close(fd);
    ret_lines[0] = '\0';
    int r = !in || !kept ? mmr_fail(err, MMR_ENOMEM, "'%.200s': out of memory", path)
            : got != (ssize_t)len ? mmr_fail(err, MMR_EIO, "'%.200s': changed while it was read", path) : 0;
    for (size_t at = 0; !r && at < len;) {
        const char *end = memchr(in + at, '\n', len - at);
        size_t n = end ? (size_t)(end - (in + at)) + 1 : len - at;
        if (memmem(in + at, n, entry, strlen(entry))) {
            if (n >= cap - cut) {
                r = mmr_fail(err, MMR_ETOOBIG, "'%.150s': the lines with the entry are longer than %zu bytes", path, cap);
            } else {
                memcpy(ret_lines + cut, in + at, n);
                ret_lines[cut += n] = '\0';
            }
        } else {
            memcpy(kept + out, in + at, n);
            out += n;
        }
        at += n;
    }
    if (!r && cut)
        r = replace_file(path, &st, kept, out, err);
    free(in);
    free(kept);
    return r;
}

int mmr_autostart_put_back(const char *path, const char *lines, struct mmr_error *err)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    size_t len = strlen(lines);
    bool is_ok = fd >= 0 && write(fd, lines, len) == (ssize_t)len && fsync(fd) == 0;
    int saved = errno;
    if (fd >= 0)
        (void)close(fd);
    return is_ok ? 0 : mmr_fail(err, MMR_EIO, "'%.200s': lines cannot be put back: %s", path, strerror(saved));
}
