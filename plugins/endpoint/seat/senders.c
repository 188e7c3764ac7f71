/* senders.c - reads the list of senders; looks them up. */
#include "senders.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY_FILE_MAX = 256 * 1024, KEY_MIN = 8 };
static const char expected[] = "expected 'addr:ADDRESS', 'cert:NAME' or 'key:NAME', then the machines it may speak for, then 'tool=NAME' if it counts";

static bool parse_addr(const char *text, struct in6_addr *ret)
{
    struct in_addr a4;
    if (inet_pton(AF_INET6, text, ret) == 1)
        return true;
    if (inet_pton(AF_INET, text, &a4) != 1)
        return false;
    memset(ret, 0, sizeof *ret);
    ret->s6_addr[10] = ret->s6_addr[11] = 0xff;
    memcpy(ret->s6_addr + 12, &a4, 4);
    return true;
}

static int identity(struct mmr_senders *s, struct mmr_sender *x, const char *line, struct mmr_error *err)
{
    static const char *const kinds[] = {"addr:", "cert:", "key:"};
    const char *what = strchr(x->id, ':');
    for (x->kind = 0; x->kind < 3 && strncmp(x->id, kinds[x->kind], strlen(kinds[x->kind])) != 0;)
        x->kind++;
    if (x->kind == 3 || !what || !what[1])
        return mmr_fail(err, MMR_ECONFIG, "senders: '%.60s': %s", line, expected);
    if (x->kind == MMR_SENDER_ADDR && !parse_addr(what + 1, &x->addr))
        return mmr_fail(err, MMR_ECONFIG, "senders: '%.60s' is no address; %s", what + 1, expected);
    for (uint32_t i = 0; i + 1 < s->n; i++) {
        const struct mmr_sender *o = &s->s[i];
        bool is_same = o->kind == x->kind && (x->kind == MMR_SENDER_ADDR ? memcmp(&o->addr, &x->addr, sizeof x->addr) == 0 : strcasecmp(o->id, x->id) == 0);
        if (is_same)
            return mmr_fail(err, MMR_ECONFIG, "senders: '%.60s' stands there twice; write all its machines in one line", x->id);
    }
    return 0;
}

static int add_name(struct mmr_senders *s, struct mmr_sender *x, const char *name, size_t len, struct mmr_error *err)
{
    uint32_t i = 0;
    if (len >= sizeof s->name[0].name)
        return mmr_fail(err, MMR_ECONFIG, "senders: the machine name '%.60s' has %zu bytes; at most %zu", name, len, sizeof s->name[0].name - 1);
    while (i < s->n_names && !(strncasecmp(s->name[i].name, name, len) == 0 && !s->name[i].name[len]))
        i++;
    if (i == MMR_SEAT_NAMES_MAX || x->n == MMR_SENDER_NAMES_MAX)
        return mmr_fail(err, MMR_ECONFIG, "senders: more than %d machines, or more than %d for '%.60s'; use a second instance", MMR_SEAT_NAMES_MAX,
                        MMR_SENDER_NAMES_MAX, x->id);
    if (i == s->n_names) {
        memcpy(s->name[i].name, name, len);
        s->n_names++;
    }
    x->name[x->n++] = (uint16_t)i;
    return 0;
}

static int add_line(struct mmr_senders *s, const char *line, struct mmr_error *err)
{
    const char *p = line + strspn(line, " \t"), *tool = NULL;
    size_t n = strcspn(p, " \t"), tool_len = 0;
    if (s->n == MMR_SENDERS_MAX)
        return mmr_fail(err, MMR_ECONFIG, "senders: more than %d; use a second instance", MMR_SENDERS_MAX);
    struct mmr_sender *x = &s->s[s->n++];
    if (n >= sizeof x->id)
        return mmr_fail(err, MMR_ECONFIG, "senders: '%.60s' is longer than %zu bytes", line, sizeof x->id - 1);
    memcpy(x->id, p, n);
    int r = identity(s, x, line, err);
    for (p += n; r == 0;) {
        p += strspn(p, " \t");
        n = strcspn(p, " \t");
        if (!n)
            break;
        if (n > 5 && strncmp(p, "tool=", 5) == 0) {
            tool = p + 5;
            tool_len = n - 5;
        } else {
            r = add_name(s, x, p, n, err);
        }
        p += n;
    }
    if (r == 0 && !x->n)
        return mmr_fail(err, MMR_ECONFIG, "senders: '%.60s' names no machine it may speak for; %s", line, expected);
    if (r == 0 && tool_len >= sizeof s->name[0].tool)
        return mmr_fail(err, MMR_ECONFIG, "senders: '%.60s': a tool's name has at most %zu bytes", line, sizeof s->name[0].tool - 1);
    for (uint32_t i = 0; r == 0 && tool && i < x->n; i++) {
        memset(s->name[x->name[i]].tool, 0, sizeof s->name[0].tool);
        memcpy(s->name[x->name[i]].tool, tool, tool_len);
    }
    return r;
}

static int key_line(struct mmr_senders *s, const char *path, char *line, unsigned number, struct mmr_error *err)
{
    char *name = line + strspn(line, " \t\r");
    size_t n = strcspn(name, " \t\r");
    if (!n || *name == '#')
        return 0;
    char *key = name + n + strspn(name + n, " \t");
    name[n] = '\0';
    key[strcspn(key, "\r")] = '\0';
    if (strlen(key) < KEY_MIN)
        return mmr_fail(err, MMR_ECONFIG, "keys '%s' line %u: expected a sender's name and its key of at least %d bytes", path, number, KEY_MIN);
    struct mmr_sender *x = mmr_sender_by_name(s, MMR_SENDER_KEY, name);
    if (!x)
        return mmr_fail(err, MMR_ECONFIG, "keys '%s' line %u: '%.60s' is not listed in 'senders'; add 'key:%.60s MACHINE' there", path, number, name, name);
    free(x->key);
    x->key = strdup(key);
    return x->key ? 0 : mmr_fail(err, MMR_ENOMEM, "keys '%s': out of memory", path);
}

static int read_keys(struct mmr_senders *s, const char *path, struct mmr_error *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), r = 0;
    if (fd < 0 || fstat(fd, &st) != 0)
        r = mmr_fail(err, MMR_ECONFIG, "keys '%s': %s", path, strerror(errno));
    else if (!S_ISREG(st.st_mode) || (st.st_mode & (S_IRWXG | S_IRWXO)))
        r = mmr_fail(err, MMR_EPERM, "keys '%s' can be read or changed by others; chmod 600 it", path);
    else if (st.st_size > KEY_FILE_MAX)
        r = mmr_fail(err, MMR_ECONFIG, "keys '%s' has %lld bytes; at most %d", path, (long long)st.st_size, KEY_FILE_MAX);
    FILE *f = r == 0 ? fdopen(fd, "r") : NULL;
    if (r == 0 && !f)
        r = mmr_fail(err, MMR_ENOMEM, "keys '%s': out of memory", path);
    if (fd >= 0 && !f)
        (void)close(fd);
    char line[1024];
    for (unsigned number = 1; f && r == 0 && fgets(line, sizeof line, f); number++) {
        line[strcspn(line, "\n")] = '\0';
        r = key_line(s, path, line, number, err);
    }
    OPENSSL_cleanse(line, sizeof line);
    if (f)
        (void)fclose(f);
    return r;
}

int mmr_senders_read(const struct mmr_strv *lines, const char *keys_path, struct mmr_senders **ret, struct mmr_error *err)
{
    struct mmr_senders *s = calloc(1, sizeof *s);
    if (!s)
        return mmr_fail(err, MMR_ENOMEM, "senders: out of memory");
    int r = lines->n ? 0 : mmr_fail(err, MMR_ECONFIG, "senders: nobody may send; %s", expected);
    for (size_t i = 0; r == 0 && i < lines->n; i++)
        r = add_line(s, lines->v[i], err);
    if (r == 0 && keys_path && *keys_path)
        r = read_keys(s, keys_path, err);
    for (uint32_t i = 0; r == 0 && i < s->n; i++)
        if (s->s[i].kind == MMR_SENDER_KEY && !s->s[i].key)
            r = mmr_fail(err, MMR_ECONFIG, "senders: '%.60s' has no key; write a line 'NAME KEY' into the file named by 'keys'", s->s[i].id);
    if (r != 0) {
        mmr_senders_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

void mmr_senders_free(struct mmr_senders *s)
{
    if (!s)
        return;
    for (uint32_t i = 0; i < s->n; i++) {
        if (s->s[i].key)
            OPENSSL_cleanse(s->s[i].key, strlen(s->s[i].key));
        free(s->s[i].key);
        mmr_logdec_free(s->s[i].dec);
    }
    free(s);
}

struct mmr_sender *mmr_sender_by_addr(struct mmr_senders *s, const struct in6_addr *a)
{
    for (uint32_t i = 0; i < s->n; i++)
        if (s->s[i].kind == MMR_SENDER_ADDR && memcmp(&s->s[i].addr, a, sizeof *a) == 0)
            return &s->s[i];
    return NULL;
}

struct mmr_sender *mmr_sender_by_name(struct mmr_senders *s, enum mmr_sender_kind kind, const char *name)
{
    for (uint32_t i = 0; i < s->n; i++)
        if (s->s[i].kind == kind && strcasecmp(strchr(s->s[i].id, ':') + 1, name) == 0)
            return &s->s[i];
    return NULL;
}

bool mmr_senders_have(const struct mmr_senders *s, enum mmr_sender_kind kind)
{
    for (uint32_t i = 0; i < s->n; i++)
        if (s->s[i].kind == kind)
            return true;
    return false;
}

struct mmr_seat_name *mmr_sender_may(struct mmr_senders *s, const struct mmr_sender *x, const char *host, size_t len)
{
    const char *dot = memchr(host, '.', len);
    size_t label = dot ? (size_t)(dot - host) : len;
    for (uint32_t i = 0; i < x->n; i++) {
        struct mmr_seat_name *m = &s->name[x->name[i]];
        size_t n = strlen(m->name), have = strchr(m->name, '.') ? len : label;
        if (n == have && strncasecmp(m->name, host, n) == 0)
            return m;
    }
    return NULL;
}

const char *mmr_sender_only(const struct mmr_senders *s, const struct mmr_sender *x)
{
    return x->n == 1 ? s->name[x->name[0]].name : NULL;
}
