/* program_start.c - from a host process that has given its privileges away to the program it becomes. */
#include "plugin/program.h"

#include "bus/local.h"
#include "config/config.h"
#include "plugin/channel.h"
#include "trust/place.h"
#include "util/scope.h"

#include <mamori/action.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/* ---- what runs a script ---- */

int mmr_program_interpreter(int fd, const char *name, char *buf, struct mmr_error *err)
{
    char line[256];
    mmr_autoclose int at = -1;
    ssize_t n = pread(fd, line, sizeof line - 1, 0);
    buf[0] = '\0';
    if (n < 0)
        return mmr_fail(err, MMR_EIO, "program '%.80s' cannot be read: %s", name, strerror(errno));
    line[n] = '\0';
    if (strncmp(line, "#!", 2) != 0)
        return 0;
    char *word = line + 2 + strspn(line + 2, " \t");
    word[strcspn(word, " \t\r\n")] = '\0';
    if (word[0] != '/')
        return mmr_fail(err, MMR_EPERM, "program '%.80s': its first line names '%.80s', expected an absolute path such as #!/usr/bin/python3", name, word);
    const char *last = strrchr(word, '/');
    if (strcmp(last, "/env") == 0) /* it would have to execute another program, which a plugin may not */
        return mmr_fail(err, MMR_EPERM, "program '%.80s': its first line names '%.80s'; name the interpreter itself, such as #!/usr/bin/python3", name, word);
    if (!realpath(word, buf))
        return mmr_fail(err, MMR_EPERM, "program '%.80s': its first line names '%.80s': %s", name, word, strerror(errno));
    return mmr_place_open("interpreter", buf, INT64_C(1) << 30, &at, NULL, err);
}

/* ---- the assignment ---- */

static size_t split_lines(char *text, const char **list, size_t max)
{
    size_t n = 0;
    for (char *p = text; *p && n < max;) {
        size_t len = strcspn(p, "\n");
        bool is_more = p[len] == '\n';
        p[len] = '\0';
        if (len)
            list[n++] = p;
        p += len + is_more;
    }
    return n;
}

static void put_value(struct mmr_event *map, const struct mmr_cfg_key *k, const uint8_t *filled)
{
    const void *at = filled + k->offset;
    int64_t number;
    const char *text;
    struct mmr_strv list;
    bool is_yes;
    switch (k->type) {
    case MMR_CFG_STR:
        memcpy(&text, at, sizeof text);
        if (text)
            mmr_event_str(map, k->name, text);
        break;
    case MMR_CFG_BOOL:
        memcpy(&is_yes, at, sizeof is_yes);
        mmr_event_bool(map, k->name, is_yes);
        break;
    case MMR_CFG_STRV:
        memcpy(&list, at, sizeof list);
        mmr_event_strv(map, k->name, list.v, list.n);
        break;
    default: /* integers, milliseconds, bytes */
        memcpy(&number, at, sizeof number);
        mmr_event_int(map, k->name, number);
    }
}

static void put_assignment(struct mmr_event *map, const struct mmr_program_start *s)
{
    const char *list[MMR_EVENT_ARRAY_MAX];
    mmr_autofree char *wants = strdup(s->wants ? s->wants : "");
    mmr_event_int(map, "protocol", MMR_PROGRAM_PROTOCOL);
    mmr_event_str(map, "host", s->host);
    mmr_event_str(map, "instance", s->instance);
    mmr_event_str(map, "plugin", s->plugin->id);
    mmr_event_str(map, "node", s->node);
    mmr_event_str(map, "endpoint", s->endpoint);
    mmr_event_bin(map, "secret", s->secret, MMR_LOCAL_SECRET);
    mmr_event_str(map, "state_dir", s->state_dir ? s->state_dir : "");
    mmr_event_str(map, "side", s->side == MMR_SIDE_NETWORK ? "network" : "endpoint");
    mmr_event_int(map, "needs", s->needs);
    if (wants)
        mmr_event_strv(map, "wants", list, split_lines(wants, list, MMR_EVENT_ARRAY_MAX));
}

int mmr_program_assignment(const struct mmr_program_start *s, uint8_t **ret, size_t *ret_len, struct mmr_error *err)
{
    struct mmr_event map, config;
    void *raw = NULL;
    int r = mmr_config_fill(s->plugin, s->packed_len ? s->packed : NULL, s->packed_len, &raw, err);
    mmr_autofree uint8_t *filled = raw;
    if (r)
        return r;
    mmr_autofree uint8_t *buf = malloc(MMR_PROGRAM_ASSIGNMENT_MAX);
    if (!buf)
        return mmr_fail(err, MMR_ENOMEM, "instance '%.64s': out of memory", s->instance);
    mmr_event_begin_map(&map, buf, MMR_PROGRAM_ASSIGNMENT_MAX / 2);
    put_assignment(&map, s);
    r = mmr_event_end(&map);
    if (r == 0) {
        mmr_event_begin_map(&config, buf + map.len, MMR_PROGRAM_ASSIGNMENT_MAX / 2);
        for (const struct mmr_cfg_key *k = s->plugin->config; k && k->name; k++)
            put_value(&config, k, filled);
        r = mmr_event_end(&config);
    }
    if (r)
        return mmr_fail(err, r, "instance '%.64s': its assignment does not fit; is a value of its configuration over 16 KiB?", s->instance);
    *ret_len = map.len + config.len;
    *ret = buf;
    buf = NULL; /* the caller's now */
    return 0;
}

/* ---- becoming it ---- */

static int make_assignment_file(const void *bytes, size_t len)
{
    mmr_autoclose int fd = memfd_create("assignment", MFD_ALLOW_SEALING | MFD_CLOEXEC);
    if (fd < 0 || write(fd, bytes, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) != 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0)
        return -1;
    int ret = fcntl(fd, F_DUPFD_CLOEXEC, 64); /* above all that is about to be replaced */
    return ret;
}

int mmr_program_exec(int fd, const char *name, const void *assignment, size_t len, struct mmr_error *err)
{
    static const char *const kept[] = {"PATH", "TZ", "LANG"};
    char protocol[32], *env[8];
    char base[64];
    char *argv[] = {base, NULL};
    size_t n = 0;
    int given = make_assignment_file(assignment, len), program = fcntl(fd, F_DUPFD_CLOEXEC, 64);
    (void)snprintf(base, sizeof base, "%.60s", name);
    (void)snprintf(protocol, sizeof protocol, "MAMORI_PROTOCOL=%d", MMR_PROGRAM_PROTOCOL);
    env[n++] = protocol;
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        const char *v = getenv(kept[i]);
        if (v && asprintf(&env[n], "%s=%s", kept[i], v) >= 0)
            n++;
    }
    env[n] = NULL;
    /* the numbers are the contract; what stood there is closed by it. Not closed by the start: a script is opened by its number */
    if (given < 0 || program < 0 || dup2(given, MMR_PROGRAM_ASSIGNMENT_FD) < 0 || dup2(program, MMR_PROGRAM_FD) < 0 ||
        fcntl(MMR_CHANNEL_FD, F_SETFD, 0) != 0)
        return mmr_fail(err, MMR_EIO, "program '%.80s': descriptors: %s", name, strerror(errno));
    (void)signal(SIGPIPE, SIG_DFL);
    (void)signal(SIGXFSZ, SIG_DFL);
    (void)syscall(SYS_execveat, MMR_PROGRAM_FD, "", argv, env, AT_EMPTY_PATH);
    return mmr_fail(err, MMR_EIO, "program '%.80s' cannot be executed: %s", name, strerror(errno));
}
