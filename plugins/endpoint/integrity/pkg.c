/*
 * pkg.c - what the package manager says: when it changed something last, whether it is at work now, and the sums it has on
 * record of each package's files (dpkg; MD5, which is what it keeps: enough to say that a file is as packaged, by who did not
 * change the record too). Where there is no dpkg, only the process says something.
 */
#include "integrity.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SUM = 16, RECORDS_MAX = 200000, LINE = 4200 };

struct record {
    uint64_t path; /* its hash; the path itself would take ten times the room */
    uint8_t sum[SUM];
};
struct mmr_pkg {
    char root[PATH_MAX / 2];
    const struct mmr_strv *places;
    DIR *dir; /* of the record, while it is read */
    struct record *v;
    size_t n, cap;
    bool is_there;
};

int mmr_pkg_new(const char *root, const struct mmr_strv *places, struct mmr_pkg **ret, struct mmr_error *err)
{
    struct mmr_pkg *p = calloc(1, sizeof *p);
    if (!p)
        return mmr_fail(err, MMR_ENOMEM, "integrity: out of memory");
    (void)snprintf(p->root, sizeof p->root, "%s", root);
    p->places = places;
    *ret = p;
    return 0;
}

void mmr_pkg_forget(struct mmr_pkg *p)
{
    if (p->dir)
        (void)closedir(p->dir);
    free(p->v);
    p->dir = NULL;
    p->v = NULL;
    p->n = p->cap = 0;
    p->is_there = false;
}

void mmr_pkg_free(struct mmr_pkg *p)
{
    if (p)
        mmr_pkg_forget(p);
    free(p);
}

int64_t mmr_pkg_changed_ns(const struct mmr_pkg *p)
{
    static const char *const marks[] = {"/var/lib/dpkg/status", "/var/lib/rpm/rpmdb.sqlite", "/usr/lib/sysimage/rpm/rpmdb.sqlite", "/lib/apk/db/installed"};
    int64_t last = 0;
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        char path[PATH_MAX];
        struct stat st;
        (void)snprintf(path, sizeof path, "%s%s", p->root, marks[i]);
        int64_t t = stat(path, &st) == 0 ? (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec : 0;
        last = t > last ? t : last;
    }
    return last;
}

uint32_t mmr_pkg_running(const struct mmr_pkg *p)
{
    static const char *const locks[] = {"/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/rpm/.rpm.lock"};
    for (size_t i = 0; i < sizeof locks / sizeof locks[0]; i++) {
        char path[PATH_MAX];
        struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        (void)snprintf(path, sizeof path, "%s%s", p->root, locks[i]);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        bool is_held = fd >= 0 && fcntl(fd, F_GETLK, &l) == 0 && l.l_type != F_UNLCK && l.l_pid > 0;
        if (fd >= 0)
            (void)close(fd);
        if (is_held)
            return (uint32_t)l.l_pid;
    }
    return 0;
}

bool mmr_pkg_is_manager(const char *exe)
{
    static const char *const names[] = {"dpkg", "dpkg-divert", "dpkg-statoverride", "apt", "apt-get", "aptitude", "unattended-upgrade", "update-alternatives",
                                        "rpm", "dnf", "yum", "zypper", "apk", "pacman", "packagekitd", "snapd", "needrestart"};
    static const char *const folders[] = {"/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/", "/usr/libexec/", "/usr/lib/snapd/", "/usr/lib/packagekit/"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        size_t n = strlen(folders[i]);
        for (size_t k = 0; strncmp(exe, folders[i], n) == 0 && k < sizeof names / sizeof names[0]; k++)
            if (strcmp(exe + n, names[k]) == 0)
                return true;
    }
    return false;
}

static uint64_t hash(const char *p)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (; *p; p++)
        h = (h ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
    return h;
}

/* "MD5  usr/bin/ls"; anything else is passed over. */
static void take_line(struct mmr_pkg *p, char *line)
{
    struct record r;
    size_t len;
    line[strcspn(line, "\n")] = '\0';
    if (strlen(line) < SUM * 2 + 3 || line[SUM * 2] != ' ' || sodium_hex2bin(r.sum, SUM, line, SUM * 2, NULL, &len, NULL) != 0 || len != SUM)
        return;
    char *path = line + SUM * 2 + 1; /* the second blank makes room for the '/' that is not written there */
    *path = '/';
    static const char *const merged[] = {"/bin/", "/sbin/", "/lib/", "/lib64/"}; /* what is one folder with /usr's on many systems */
    char below_usr[LINE];
    for (size_t i = 0; i < sizeof merged / sizeof merged[0]; i++)
        if (strncmp(path, merged[i], strlen(merged[i])) == 0) {
            (void)snprintf(below_usr, sizeof below_usr, "/usr%s", path);
            path = below_usr;
            break;
        }
    const struct mmr_fan_config c = {.places = *p->places};
    if (!mmr_fan_is_wanted(&c, path) || p->n == RECORDS_MAX)
        return;
    if (p->n == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 4096;
        struct record *v = realloc(p->v, cap * sizeof *v);
        if (!v)
            return;
        p->v = v;
        p->cap = cap;
    }
    r.path = hash(path);
    p->v[p->n++] = r;
}

static int by_path(const void *a, const void *b)
{
    uint64_t x = ((const struct record *)a)->path, y = ((const struct record *)b)->path;
    return x < y ? -1 : x > y;
}

bool mmr_pkg_learn(struct mmr_pkg *p, uint32_t n_files)
{
    char path[PATH_MAX], line[LINE];
    if (p->is_there || !n_files)
        return p->is_there;
    (void)snprintf(path, sizeof path, "%s/var/lib/dpkg/info", p->root);
    if (!p->dir)
        p->dir = opendir(path);
    for (const struct dirent *e; p->dir && n_files && (e = readdir(p->dir));) {
        size_t n = strlen(e->d_name);
        if (n < 9 || strcmp(e->d_name + n - 8, ".md5sums") != 0)
            continue;
        (void)snprintf(path, sizeof path, "%s/var/lib/dpkg/info/%s", p->root, e->d_name);
        FILE *f = fopen(path, "re");
        while (f && fgets(line, sizeof line, f))
            take_line(p, line);
        if (f)
            (void)fclose(f);
        if (!--n_files)
            return false;
    }
    if (p->dir)
        (void)closedir(p->dir);
    p->dir = NULL;
    if (p->n)
        qsort(p->v, p->n, sizeof *p->v, by_path);
    p->is_there = true;
    return true;
}

static const struct record *find(const struct mmr_pkg *p, const char *path)
{
    const struct record key = {.path = hash(path)};
    return p->is_there && p->n ? bsearch(&key, p->v, p->n, sizeof *p->v, by_path) : NULL;
}

bool mmr_pkg_has(const struct mmr_pkg *p, const char *path)
{
    return find(p, path) != NULL;
}

enum mmr_pkg_says mmr_pkg_ask(const struct mmr_pkg *p, const char *path)
{
    uint8_t buf[16384], sum[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    const struct record *r = find(p, path);
    int fd = r ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
    EVP_MD_CTX *md = fd >= 0 ? EVP_MD_CTX_new() : NULL;
    bool is_ok = md && EVP_DigestInit_ex(md, EVP_md5(), NULL) == 1; /* refused where only approved sums are allowed */
    for (ssize_t n; is_ok && (n = read(fd, buf, sizeof buf)) > 0;)
        is_ok = EVP_DigestUpdate(md, buf, (size_t)n) == 1;
    is_ok = is_ok && EVP_DigestFinal_ex(md, sum, &len) == 1 && len == SUM;
    EVP_MD_CTX_free(md);
    if (fd >= 0)
        (void)close(fd);
    if (!is_ok)
        return MMR_PKG_UNKNOWN;
    return memcmp(sum, r->sum, SUM) == 0 ? MMR_PKG_SAME : MMR_PKG_OTHER;
}
