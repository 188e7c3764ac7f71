/* account.c - one line of shadow(5) changed by fgetspent() and putspent(); everybody else's are copied byte for byte. */
#include "account.h"

#include "xattrs.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <shadow.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, LINE_BYTES = 4096, LOCK_TRIES = 20 };

int mmr_account_check(const char *etc, const char *user, const char *const *never, size_t n_never, uid_t *ret_uid, struct mmr_error *err)
{
    char path[PATH_BYTES];
    const struct passwd *p = NULL;
    (void)snprintf(path, sizeof path, "%.4000s/passwd", etc);
    if (!user[0] || strpbrk(user, ":\n/"))
        return mmr_fail(err, MMR_EPERM, "lock.account needs user.name, an account of this machine; found '%.40s'", user);
    FILE *f = fopen(path, "re");
    while (f && (p = fgetpwent(f)) && strcmp(p->pw_name, user) != 0)
        ;
    uid_t uid = p ? p->pw_uid : 0;
    if (f)
        (void)fclose(f);
    if (!p)
        return mmr_fail(err, MMR_ENOENT, "'%.60s' is no local account of this machine", user);
    if (uid < MMR_ACCOUNT_UID_LEAST || uid == 65534)
        return mmr_fail(err, MMR_EPERM, "the account '%.60s' (uid %u) belongs to the machine and is never locked", user, (unsigned)uid);
    for (size_t i = 0; i < n_never; i++)
        if (strcmp(never[i], user) == 0)
            return mmr_fail(err, MMR_EPERM, "the account '%.60s' is on the list of accounts that are never locked", user);
    if (ret_uid)
        *ret_uid = uid;
    return 0;
}

/* Take the lock that passwd and usermod take; a holder is gone in a moment. */
static int take_lock(struct mmr_error *err)
{
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (lckpwdf() == 0)
            return 0;
        (void)usleep(5000);
    }
    return mmr_fail(err, MMR_EAGAIN, "the password files are being changed by somebody else");
}

/* Does this line of shadow belong to the account? */
static bool is_of(const char *line, const char *user)
{
    size_t n = strlen(user);
    return strncmp(line, user, n) == 0 && line[n] == ':';
}

static int read_entry(const char *path, const char *user, char *line, size_t cap, struct spwd *ret, char *buf, size_t buf_cap,
                      struct mmr_error *err)
{
    struct spwd *got = NULL;
    FILE *f = fopen(path, "re");
    bool is_found = false;
    if (!f)
        return mmr_fail(err, MMR_EIO, "'%.100s': %s", path, strerror(errno));
    while (!is_found && fgets(line, (int)cap, f))
        is_found = is_of(line, user);
    (void)fclose(f);
    line[strcspn(line, "\n")] = '\0';
    if (!is_found || sgetspent_r(line, ret, buf, buf_cap, &got) != 0 || !got)
        return mmr_fail(err, MMR_ENOENT, "'%.60s' has no entry in '%.100s'", user, path);
    return 0;
}

/* Copy the file with the account's line replaced, then put it in the old one's place. */
static int rewrite(const char *path, const char *user, const struct spwd *entry, struct mmr_error *err)
{
    char temp[PATH_BYTES + 16], line[LINE_BYTES];
    struct stat st;
    (void)snprintf(temp, sizeof temp, "%s.mamori-new", path);
    (void)unlink(temp);
    FILE *in = fopen(path, "re");
    int fd = in && fstat(fileno(in), &st) == 0 ? open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
    FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
    bool is_ok = out && fchown(fd, st.st_uid, st.st_gid) == 0 && fchmod(fd, st.st_mode & 07777) == 0;
    while (is_ok && fgets(line, sizeof line, in)) {
        if (!strchr(line, '\n') && !feof(in))
            is_ok = false; /* longer than any entry: not ours to cut */
        else
            is_ok = is_of(line, user) ? putspent(entry, out) == 0 : fputs(line, out) >= 0;
    }
    is_ok = is_ok && !ferror(in) && fflush(out) == 0 && mmr_xattrs_copy(fileno(in), fd) == 0 && fsync(fd) == 0;
    int saved = errno;
    if (out)
        (void)fclose(out);
    else if (fd >= 0)
        (void)close(fd);
    if (in)
        (void)fclose(in);
    if (is_ok && rename(temp, path) == 0)
        return 0;
    saved = is_ok ? errno : saved;
    if (fd >= 0)
        (void)unlink(temp);
    return mmr_fail(err, MMR_EIO, "'%.100s' cannot be rewritten: %s", path, strerror(saved));
}

int mmr_account_lock(const char *etc, const char *user, char *ret_undo, struct mmr_error *err)
{
    char path[PATH_BYTES], line[LINE_BYTES], buf[LINE_BYTES], locked[LINE_BYTES];
    struct spwd e;
    (void)snprintf(path, sizeof path, "%.4000s/shadow", etc);
    int r = take_lock(err);
    if (r)
        return r;
    r = read_entry(path, user, line, sizeof line, &e, buf, sizeof buf, err);
    if (!r) {
        const bool was_locked = e.sp_pwdp && e.sp_pwdp[0] == '!';
        (void)snprintf(ret_undo, MMR_ACCOUNT_UNDO_MAX, "%d %ld", was_locked, e.sp_expire);
        (void)snprintf(locked, sizeof locked, "%s%.4000s", was_locked ? "" : "!", e.sp_pwdp ? e.sp_pwdp : "");
        e.sp_pwdp = locked;
        e.sp_expire = 1; /* the second day of 1970: 0 means "never" to some */
        r = rewrite(path, user, &e, err);
    }
    (void)ulckpwdf();
    return r;
}

int mmr_account_unlock(const char *etc, const char *user, const char *undo, struct mmr_error *err)
{
    char path[PATH_BYTES], line[LINE_BYTES], buf[LINE_BYTES];
    struct spwd e;
    int was_locked;
    long expire;
    if (sscanf(undo, "%d %ld", &was_locked, &expire) != 2)
        return mmr_fail(err, MMR_EBADMSG, "how '%.60s' was before is not known: '%.40s'", user, undo);
    (void)snprintf(path, sizeof path, "%.4000s/shadow", etc);
    int r = take_lock(err);
    if (r)
        return r;
    r = read_entry(path, user, line, sizeof line, &e, buf, sizeof buf, err);
    if (!r) {
        if (!was_locked && e.sp_pwdp && e.sp_pwdp[0] == '!')
            e.sp_pwdp++;
        if (e.sp_expire == 1) /* another date was set by a person since */
            e.sp_expire = expire;
        r = rewrite(path, user, &e, err);
    }
    (void)ulckpwdf();
    return r;
}

int mmr_account_is_locked(const char *etc, const char *user, struct mmr_error *err)
{
    char path[PATH_BYTES], line[LINE_BYTES], buf[LINE_BYTES];
    struct spwd e;
    (void)snprintf(path, sizeof path, "%.4000s/shadow", etc);
    int r = read_entry(path, user, line, sizeof line, &e, buf, sizeof buf, err);
    if (!r && (!e.sp_pwdp || e.sp_pwdp[0] != '!' || e.sp_expire != 1))
        r = mmr_fail(err, MMR_ENOENT, "the account '%.60s' is open (again)", user);
    return r;
}
