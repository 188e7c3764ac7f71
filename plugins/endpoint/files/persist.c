/* persist.c - places from which programs are started again and again, and what is new in a file there. */
#include "files.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "names.h"

enum { FILES = 256, LINES = 256, READ_MAX = 65536, LAST_LINES = 3 };

struct known { /* the lines a file had, by hash; the oldest file goes */
    uint64_t path, lines[LINES];
    uint32_t n, used_at;
};
struct mmr_persist {
    struct known files[FILES];
    uint32_t now, reserved;
    char text[READ_MAX + 1];
};

static const struct {
    const char *begins, *ends, *technique, *what; /* begins "~": below any home folder, at the start of the rest */
} places[] = {
    {"/etc/cron.d/", NULL, "T1053.003", "a cron entry"},
    {"/etc/crontab", NULL, "T1053.003", "a cron entry"},
    {"/etc/cron.hourly/", NULL, "T1053.003", "a cron job"},
    {"/etc/cron.daily/", NULL, "T1053.003", "a cron job"},
    {"/etc/cron.weekly/", NULL, "T1053.003", "a cron job"},
    {"/etc/cron.monthly/", NULL, "T1053.003", "a cron job"},
    {"/etc/anacrontab", NULL, "T1053.003", "a cron entry"},
    {"/var/spool/cron/atjobs/", NULL, "T1053.002", "an at job"},
    {"/var/spool/cron/", NULL, "T1053.003", "a user's cron entries"},
    {"/etc/systemd/system/", NULL, "T1543.002", "a systemd unit"},
    {"/etc/systemd/user/", NULL, "T1543.002", "a systemd unit"},
    {"/usr/lib/systemd/system/", NULL, "T1543.002", "a systemd unit"},
    {"/lib/systemd/system/", NULL, "T1543.002", "a systemd unit"},
    {"/usr/local/lib/systemd/", NULL, "T1543.002", "a systemd unit"},
    {"~.config/systemd/user/", NULL, "T1543.002", "a user's systemd unit"},
    {"~.local/share/systemd/user/", NULL, "T1543.002", "a user's systemd unit"},
    {"/etc/profile.d/", NULL, "T1546.004", "a shell profile"},
    {"/etc/profile", NULL, "T1546.004", "a shell profile"},
    {"/etc/bash.bashrc", NULL, "T1546.004", "a shell profile"},
    {"/etc/bashrc", NULL, "T1546.004", "a shell profile"},
    {"/etc/zsh/", NULL, "T1546.004", "a shell profile"},
    {"~.bashrc", NULL, "T1546.004", "a shell profile"},
    {"~.bash_profile", NULL, "T1546.004", "a shell profile"},
    {"~.bash_login", NULL, "T1546.004", "a shell profile"},
    {"~.bash_logout", NULL, "T1546.004", "a shell profile"},
    {"~.profile", NULL, "T1546.004", "a shell profile"},
    {"~.zshrc", NULL, "T1546.004", "a shell profile"},
    {"~.zprofile", NULL, "T1546.004", "a shell profile"},
    {"~.zshenv", NULL, "T1546.004", "a shell profile"},
    {"", "/.ssh/authorized_keys", "T1098.004", "keys that may log in"},
    {"", "/.ssh/authorized_keys2", "T1098.004", "keys that may log in"},
    {"/etc/ssh/authorized_keys", NULL, "T1098.004", "keys that may log in"},
    {"/etc/ld.so.preload", NULL, "T1574.006", "libraries loaded into every program"},
    {"/etc/rc.local", NULL, "T1037.004", "a start script"},
    {"/etc/init.d/", NULL, "T1037.004", "a start script"},
    {"/etc/xdg/autostart/", ".desktop", "T1547.013", "a desktop autostart entry"},
    {"~.config/autostart/", ".desktop", "T1547.013", "a desktop autostart entry"},
    {"/etc/udev/rules.d/", ".rules", "T1546.017", "a device rule"},
    {"/etc/modules-load.d/", ".conf", "T1547.006", "kernel modules loaded at start"},
    {"/etc/modules", NULL, "T1547.006", "kernel modules loaded at start"},
};

static bool has_end(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* What follows a home folder: behind /root/, or behind /home/NAME/ */
static const char *in_home(const char *path)
{
    if (strncmp(path, "/root/", 6) == 0)
        return path + 6;
    if (strncmp(path, "/home/", 6) != 0)
        return NULL;
    const char *p = strchr(path + 6, '/');
    return p ? p + 1 : NULL;
}

/* A folder's entries match by prefix, a single file by its whole name. */
static bool has_begin(const char *text, const char *begins)
{
    size_t n = strlen(begins);
    return !n || (begins[n - 1] == '/' ? strncmp(text, begins, n) == 0 && text[n] != '\0' : strcmp(text, begins) == 0);
}

const char *mmr_persist_technique(const char *path, const char **ret_what)
{
    static const char *const passing[] = {"~", ".swp", ".swx", ".swpx", ".tmp", ".dpkg-new", ".dpkg-tmp", ".dpkg-old", ".lock", ".bak"};
    for (size_t i = 0; i < sizeof passing / sizeof passing[0]; i++)
        if (has_end(path, passing[i]))
            return NULL;
    const char *home = in_home(path);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        bool is_home = places[i].begins[0] == '~';
        if ((is_home && !home) || !has_begin(is_home ? home : path, places[i].begins + is_home) ||
            (places[i].ends && !has_end(path, places[i].ends)))
            continue;
        *ret_what = places[i].what;
        return places[i].technique;
    }
    return NULL;
}

int mmr_persist_new(struct mmr_persist **ret, struct mmr_error *err)
{
    *ret = calloc(1, sizeof **ret);
    return *ret ? 0 : mmr_fail(err, MMR_ENOMEM, "file watch: out of memory");
}

void mmr_persist_free(struct mmr_persist *p)
{
    free(p);
}

static uint64_t hash(const char *p, size_t n)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (uint8_t)p[i]) * 1099511628211u;
    return h;
}

static size_t read_text(const char *path, char *buf, size_t cap)
{
    struct stat st;
    size_t at = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a link is followed: what it starts is what counts */
    if (fd < 0)
        return 0;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        for (ssize_t n; at < cap && (n = read(fd, buf + at, cap - at)) > 0;)
            at += (size_t)n;
    (void)close(fd);
    return at;
}

static bool names_temporary(const char *line, size_t n)
{
    char word[256];
    for (size_t i = 0; i < n; i++) {
        if (line[i] != '/' || (i && ((line[i - 1] >= 'a' && line[i - 1] <= 'z') || line[i - 1] == '/')))
            continue;
        size_t m = n - i < sizeof word - 1 ? n - i : sizeof word - 1;
        memcpy(word, line + i, m);
        word[m] = '\0';
        if (mmr_path_is_temporary(word))
            return true;
    }
    return false;
}

static struct known *known_of(struct mmr_persist *p, uint64_t path, bool *is_new)
{
    struct known *at = p->files;
    for (int i = 0; i < FILES; i++) {
        if (p->files[i].path == path && p->files[i].used_at) {
            *is_new = false;
            return &p->files[i];
        }
        if (p->files[i].used_at < at->used_at)
            at = &p->files[i];
    }
    *is_new = true;
    *at = (struct known){.path = path};
    return at;
}

void mmr_persist_look(struct mmr_persist *p, const char *path, struct mmr_persist_news *news)
{
    char *ret = news->lines;
    const size_t cap = sizeof news->lines;
    uint64_t lines[LINES] = {0};
    uint32_t n_lines = 0, n_fresh = 0;
    bool is_new;
    struct {
        const char *p;
        size_t n;
    } fresh[LAST_LINES] = {0}; /* the last ones: entries are usually added at the end */
    struct known *k = known_of(p, hash(path, strlen(path)), &is_new);
    size_t len = read_text(path, p->text, READ_MAX), at = 0, out = 0;
    memset(news, 0, sizeof *news);
    while (at < len) {
        const char *line = p->text + at;
        size_t n = 0;
        while (at + n < len && line[n] != '\n')
            n++;
        at += n + 1;
        while (n && (*line == ' ' || *line == '\t'))
            line++, n--;
        uint64_t h = hash(line, n);
        if (n_lines < LINES)
            lines[n_lines++] = h;
        bool is_known = false;
        for (uint32_t i = 0; !is_new && i < k->n && !is_known; i++)
            is_known = k->lines[i] == h;
        if (is_known || n < 2 || *line == '#' || (!memchr(line, '/', n) && !memchr(line, ' ', n)))
            continue;
        news->is_temporary = news->is_temporary || names_temporary(line, n);
        if (n < sizeof news->entry) { /* one line, and all of it, or none */
            memcpy(news->entry, line, n);
            news->entry[n] = '\0';
        }
        fresh[n_fresh++ % LAST_LINES].p = line;
        fresh[(n_fresh - 1) % LAST_LINES].n = n < 200 ? n : 200;
    }
    memcpy(k->lines, lines, n_lines * sizeof lines[0]);
    k->n = n_lines;
    k->used_at = ++p->now;
    if (is_new || n_fresh != 1)
        news->entry[0] = '\0';
    uint32_t from = n_fresh > LAST_LINES ? n_fresh - LAST_LINES : 0;
    for (uint32_t i = from; i < n_fresh; i++) {
        int w = snprintf(ret + out, cap - out, "%s%.*s", out ? " | " : "", (int)fresh[i % LAST_LINES].n, fresh[i % LAST_LINES].p);
        if (w < 0 || (size_t)w >= cap - out)
            break;
        out += (size_t)w;
    }
}

static void seed_home(struct mmr_persist *p, const char *home)
{
    static const char *const names[] = {".ssh/authorized_keys", ".ssh/authorized_keys2", ".bashrc", ".bash_profile", ".profile",
                                        ".zshrc", ".bash_login"};
    struct mmr_persist_news news;
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int n = snprintf(path, sizeof path, "%s/%s", home, names[i]);
        if (n > 0 && (size_t)n < sizeof path) /* one that is not there yet has no lines: what comes is new */
            mmr_persist_look(p, path, &news);
    }
}

static void seed_folder(struct mmr_persist *p, const char *folder, bool are_homes)
{
    struct mmr_persist_news news;
    char path[PATH_MAX];
    DIR *d = opendir(folder);
    for (const struct dirent *e; d && (e = readdir(d));) {
        int n = snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (e->d_name[0] == '.' || n < 0 || (size_t)n >= sizeof path || p->now > FILES - 16)
            continue; /* what does not fit is learnt when it changes */
        if (are_homes)
            seed_home(p, path);
        else
            mmr_persist_look(p, path, &news);
    }
    if (d)
        (void)closedir(d);
}

void mmr_persist_seed(struct mmr_persist *p)
{
    static const char *const files[] = {"/etc/crontab", "/etc/rc.local", "/etc/profile", "/etc/bash.bashrc", "/etc/ld.so.preload",
                                        "/etc/modules"};
    struct mmr_persist_news news;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        mmr_persist_look(p, files[i], &news);
    seed_home(p, "/root");
    seed_folder(p, "/var/spool/cron", false);
    seed_folder(p, "/var/spool/cron/crontabs", false);
    seed_folder(p, "/home", true);
}
