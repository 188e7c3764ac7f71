/* load.c - plugin files: where they may lie, and how they come into the process. */
#include "plugin/load.h"

#include "plugin/describe.h"
#include "plugin/program.h"
#include "trust/place.h"
#include "util/scope.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

const struct mmr_plugin *mmr_plugin_builtin(const struct mmr_plugin *const *table, const char *id)
{
    for (; table && *table; table++)
        if ((*table)->id && strcmp((*table)->id, id) == 0)
            return *table;
    return NULL;
}

/* ---- the safe place ---- */

static int copy(int from, int to, off_t size)
{
    char buf[64 * 1024];
    while (size > 0) {
        ssize_t n = read(from, buf, sizeof buf);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || n > size)
            return -1; /* shrank or grew while we read it */
        for (ssize_t done = 0; done < n;) {
            ssize_t w = write(to, buf + done, (size_t)(n - done));
            if (w <= 0)
                return -1;
            done += w;
        }
        size -= n;
    }
    return 0;
}

int mmr_plugin_seal(const char *path, int *ret_fd, struct mmr_error *err)
{
    mmr_autoclose int fd = -1;
    int64_t size;
    int r = mmr_place_open("plugin file", path, MMR_PLUGIN_FILE_MAX, &fd, &size, err);
    if (r)
        return r;
    const char *base = strrchr(path, '/');
    char name[64];
    (void)snprintf(name, sizeof name, "%.60s", base ? base + 1 : path);
    mmr_autoclose int mem = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (mem < 0)
        return mmr_fail(err, MMR_EIO, "plugin file '%s': memfd: %s", path, strerror(errno));
    if (copy(fd, mem, size) != 0)
        return mmr_fail(err, MMR_EIO, "plugin file '%s' could not be copied whole; was it being written?", path);
    if (fcntl(mem, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0)
        return mmr_fail(err, MMR_EIO, "plugin file '%s': sealing: %s", path, strerror(errno));
    *ret_fd = mem;
    mem = -1; /* the caller's now */
    return 0;
}

/* ---- finding a file by id, without running it ---- */

/* What stands before a text in a file is any constant's last byte; part of a longer id it is only when it could be in one. */
static bool is_of_id(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

static bool holds_id(const char *path, const char *id)
{
    struct stat st;
    bool is_found = false;
    mmr_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > MMR_PLUGIN_FILE_MAX)
        return false;
    void *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return false;
    const char *at = bytes, *end = at + st.st_size;
    size_t len = strlen(id) + 1; /* with its NUL, so that no longer id matches */
    while (!is_found && (at = memmem(at, (size_t)(end - at), id, len)) != NULL) {
        is_found = at == (const char *)bytes || !is_of_id(at[-1]);
        at++;
    }
    (void)munmap(bytes, (size_t)st.st_size);
    return is_found;
}

static int is_module(const struct dirent *e)
{
    size_t n = strlen(e->d_name);
    return n > 3 && strcmp(e->d_name + n - 3, ".so") == 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

int mmr_plugin_locate(const char *dir, const char *id, char **ret_path, struct mmr_error *err)
{
    const char *last = strrchr(id, '.');
    mmr_autofree char *likely = NULL;
    struct dirent **entries = NULL;
    char *found = NULL;

    if (!mmr_plugin_id_is_valid(id))
        return mmr_fail(err, MMR_EINVAL, "plugin id '%.64s' is not reverse-DNS, such as \"org.example.beacon\"", id);
    if (asprintf(&likely, "%s/%s.so", dir, last + 1) < 0) {
        likely = NULL;
        return mmr_fail(err, MMR_ENOMEM, "plugin %s: out of memory", id);
    }
    if (holds_id(likely, id)) {
        *ret_path = likely;
        likely = NULL;
        return 0;
    }
    int n = scandir(dir, &entries, is_module, by_bytes);
    if (n < 0)
        return mmr_fail(err, errno == ENOENT ? MMR_ENOENT : MMR_EIO, "plugin %s: folder '%s': %s", id, dir,
                        strerror(errno));
    for (int i = 0; i < n; i++) {
        char *path = NULL;
        if (!found && asprintf(&path, "%s/%s", dir, entries[i]->d_name) >= 0) {
            if (holds_id(path, id))
                found = path;
            else
                free(path);
        }
        free(entries[i]);
    }
    free(entries);
    if (!found)
        return mmr_fail(err, MMR_ENOENT, "plugin %s is neither built in nor in '%s'; `mamori plugin list` shows all", id,
                        dir);
    *ret_path = found;
    return 0;
}

/*
 * All that the plugin calls is there, or it does not load. One that is linked with "-z now" says so of itself; the libraries it
 * brings along (thirty behind libcurl) are then bound as they are called, which is half of what loading them costs.
 */
static void *open_bound(const char *path)
{
    struct link_map *map;
    void *lib = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
    if (!lib || dlinfo(lib, RTLD_DI_LINKMAP, &map) != 0)
        return lib;
    for (const ElfW(Dyn) *d = map->l_ld; d->d_tag != DT_NULL; d++)
        if (d->d_tag == DT_BIND_NOW || (d->d_tag == DT_FLAGS && d->d_un.d_val & DF_BIND_NOW) || (d->d_tag == DT_FLAGS_1 && d->d_un.d_val & DF_1_NOW))
            return lib;
    (void)dlclose(lib);
    return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

/* ---- into the process ---- */

int mmr_plugin_load(int fd, const char *name, const struct mmr_plugin **ret_p, struct mmr_error *err)
{
    char path[64];
    if (mmr_program_is(fd))
        return mmr_program_read(fd, name, ret_p, err);
    /* The dynamic linker takes a name it has seen for the same file, so the number must never come again:
     * this copy of the descriptor stays open as long as the plugin, that is, for ever. */
    int kept = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (kept < 0)
        return mmr_fail(err, MMR_EIO, "plugin file '%.80s': %s", name, strerror(errno));
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", kept);
    void *lib = open_bound(path);
    if (!lib) {
        const char *why = dlerror();
        const size_t n = strlen(path); /* what the linker calls the file says nothing to anybody */
        why = !why ? "?" : strncmp(why, path, n) == 0 && strncmp(why + n, ": ", 2) == 0 ? why + n + 2 : why;
        (void)close(kept);
        return mmr_fail(err, MMR_EBADMSG, "plugin file '%.80s' does not load: %.140s", name, why);
    }
    /* from here on it stays: its threads and static data may live for ever */
    const struct mmr_plugin *const *entry = dlsym(lib, MMR_ENTRY_NAME);
    if (!entry || !*entry)
        return mmr_fail(err, MMR_EUNSUPPORTED, "plugin file '%.80s' has no symbol " MMR_ENTRY_NAME
                        "; it is no plugin of ABI %d, build it with MMR_PLUGIN_SHARED against this SDK",
                        name, MMR_ABI_MAJOR);
    *ret_p = *entry;
    return 0;
}

int mmr_plugin_get(const struct mmr_plugin *const *builtins, const char *dir, const char *id, const char *file,
                   const struct mmr_plugin **ret_p, struct mmr_error *err)
{
    const struct mmr_plugin *p = file ? NULL : mmr_plugin_builtin(builtins, id);
    mmr_autofree char *located = NULL;
    int r;

    if (!p) {
        mmr_autoclose int fd = -1;
        if (!file && (r = mmr_plugin_locate(dir, id, &located, err)) != 0)
            return r;
        const char *path = file ? file : located;
        r = mmr_plugin_seal(path, &fd, err);
        if (r == 0)
            r = mmr_plugin_load(fd, path, &p, err);
        if (r)
            return r;
    }
    r = mmr_plugin_check(p, NULL, NULL, err);
    if (r)
        return r;
    if (strcmp(p->id, id) != 0)
        return mmr_fail(err, MMR_EBADMSG, "plugin file '%s' holds %s, expected %s", file ? file : located, p->id, id);
    *ret_p = p;
    return 0;
}
