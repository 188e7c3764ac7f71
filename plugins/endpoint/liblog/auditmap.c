/* auditmap.c - an audit event (all records of one serial) becomes an event of docs/vocabulary.md. */
#include "auditd.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "sigma/fields.h"

enum { CMD_MAX = 12 * 1024, ARGS_MAX = 64 };

static struct mmr_slice key_at(const struct mmr_audit_group *g, uint32_t i)
{
    return (struct mmr_slice){g->text + g->f[i].key, g->f[i].key_len, 0};
}

static struct mmr_slice val_at(const struct mmr_audit_group *g, uint32_t i)
{
    return (struct mmr_slice){g->text + g->f[i].val, g->f[i].val_len, 0};
}

static const char *type_of(const struct mmr_audit_group *g, uint32_t rec)
{
    return g->text + g->type_at[rec];
}

/* First value of key in a record of this type (NULL: any); "?" and "(null)" count as absent. */
static struct mmr_slice get(const struct mmr_audit_group *g, const char *type, const char *key)
{
    for (uint32_t i = 0; i < g->n; i++) {
        if (!mmr_slice_is(key_at(g, i), key) || (type && strcmp(type_of(g, g->f[i].rec), type) != 0))
            continue;
        struct mmr_slice v = val_at(g, i);
        if (v.n && !mmr_slice_is(v, "?") && !mmr_slice_is(v, "(null)") && !mmr_slice_is(v, "(none)"))
            return v;
    }
    return (struct mmr_slice){0};
}

static bool has_type(const struct mmr_audit_group *g, const char *type)
{
    for (uint32_t i = 0; i < g->records; i++)
        if (strcmp(type_of(g, i), type) == 0)
            return true;
    return false;
}

/* "success", "fail", or NULL where the event does not say */
static const char *result_of(const struct mmr_audit_group *g)
{
    static const char *const keys[] = {"success", "res", "result"};
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
        struct mmr_slice v = get(g, NULL, keys[k]);
        if (!v.p)
            continue;
        if (mmr_slice_is(v, "yes") || mmr_slice_is(v, "1") || mmr_slice_is(v, "success"))
            return "success";
        if (mmr_slice_is(v, "no") || mmr_slice_is(v, "0") || mmr_slice_is(v, "failed") || mmr_slice_is(v, "fail"))
            return "fail";
    }
    return NULL;
}

/* argv as one line; arguments with blanks are quoted so that the line says where they end. */
static size_t command_line(const struct mmr_audit_group *g, char *out)
{
    size_t n = 0;
    uint32_t last_arg = UINT32_MAX;
    for (uint32_t i = 0; i < g->n; i++) {
        struct mmr_slice k = key_at(g, i), v = val_at(g, i);
        int64_t arg;
        if (k.p[0] != 'a' || k.n < 2 || strcmp(type_of(g, g->f[i].rec), "EXECVE") != 0)
            continue;
        const char *box = memchr(k.p, '[', k.n);
        struct mmr_slice num = {k.p + 1, (uint32_t)((box ? box : k.p + k.n) - k.p - 1), 0};
        if (!mmr_slice_int(num, &arg) || arg < 0)
            continue;
        bool is_more = (uint32_t)arg == last_arg; /* a1[0]=.. a1[1]=..: pieces of one argument */
        last_arg = (uint32_t)arg;
        if (CMD_MAX - n < (size_t)v.n + 1)
            break;
        if (n && !is_more)
            out[n++] = ' ';
        memcpy(out + n, v.p, v.n);
        n += v.n;
    }
    return n;
}

struct sock {
    int family;
    char ip[INET6_ADDRSTRLEN];
    uint16_t port;
    struct mmr_slice path;
};

static int nibble(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* saddr=: struct sockaddr in hex, family in the machine's (little endian) order */
static bool sockaddr_of(const struct mmr_audit_group *g, struct sock *ret, char path[110])
{
    struct mmr_slice s = get(g, "SOCKADDR", "saddr");
    uint8_t b[128];
    size_t n = 0;
    for (; s.p && n < sizeof b && 2 * n + 1 < s.n; n++) {
        int hi = nibble(s.p[2 * n]), lo = nibble(s.p[2 * n + 1]);
        if (hi < 0 || lo < 0)
            break;
        b[n] = (uint8_t)(hi << 4 | lo);
    }
    if (n < 4)
        return false;
    memset(ret, 0, sizeof *ret);
    ret->family = b[0] | b[1] << 8;
    ret->port = (uint16_t)(b[2] << 8 | b[3]);
    if (ret->family == 2 && n >= 8)
        return inet_ntop(AF_INET, b + 4, ret->ip, sizeof ret->ip) != NULL;
    if (ret->family == 10 && n >= 24)
        return inet_ntop(AF_INET6, b + 8, ret->ip, sizeof ret->ip) != NULL;
    if (ret->family == 1) {
        size_t l = strnlen((const char *)b + 2, n - 2);
        if (l > 108)
            l = 108;
        memcpy(path, b + 2, l);
        ret->path = (struct mmr_slice){path, (uint32_t)l, 0};
        return l > 0;
    }
    return false;
}

struct verdict {
    const char *kind;
    uint32_t class_uid, activity;
    int status_id; /* 0: none */
};

static bool is_any(const char *s, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(s, *list) == 0)
            return true;
    return false;
}

static struct verdict kind_of(const struct mmr_audit_group *g, const char *syscall, const char *result, const struct sock *sock)
{
    static const char *const log_in[] = {"USER_LOGIN", "USER_AUTH", "USER_ERR", NULL};
    static const char *const accounts[] = {"ADD_USER", "DEL_USER", "ADD_GROUP", "DEL_GROUP", "USER_MGMT", "GRP_MGMT",
                                           "USER_CHAUTHTOK", "ACCT_LOCK", "ACCT_UNLOCK", "ROLE_ASSIGN", NULL};
    static const char *const unlinks[] = {"unlink", "unlinkat", "rmdir", NULL};
    static const char *const renames[] = {"rename", "renameat", "renameat2", NULL};
    static const char *const changes[] = {"chmod", "fchmodat", "chown", "fchownat", "lchown", "truncate", "setxattr",
                                          "lsetxattr", "removexattr", NULL};
    static const char *const opens[] = {"open", "openat", "openat2", "creat", "mknod", "mknodat", "link", "linkat",
                                        "symlink", "symlinkat", "mkdir", "mkdirat", NULL};
    static const char *const modules[] = {"init_module", "finit_module", NULL};
    const struct verdict other = {"log.record", MMR_CLASS_EVENT_LOG, 99, 0};
    const char *type = g->records ? type_of(g, 0) : "";
    bool is_ok = result && strcmp(result, "success") == 0, is_fail = result && !is_ok;

    if (is_any(type, log_in)) {
        if (is_fail)
            return (struct verdict){"auth.fail", MMR_CLASS_AUTH, 1, 2};
        if (is_ok && strcmp(type, "USER_LOGIN") == 0)
            return (struct verdict){"auth.logon", MMR_CLASS_AUTH, 1, 1};
        return other;
    }
    if (strcmp(type, "USER_LOGOUT") == 0)
        return (struct verdict){"auth.logoff", MMR_CLASS_AUTH, 2, 1};
    if (is_any(type, accounts))
        return (struct verdict){"account.change", MMR_CLASS_ACCOUNT, 99, 0};
    if (!syscall || is_fail) {
        bool is_pending = syscall && strcmp(syscall, "connect") == 0 && mmr_slice_is(get(g, NULL, "exit"), "-115");
        if (!is_pending) /* EINPROGRESS: a connection that does not wait is on its way */
            return other;
    }
    if (strcmp(syscall, "execve") == 0 || strcmp(syscall, "execveat") == 0)
        return (struct verdict){"process.start", MMR_CLASS_PROCESS, 1, 0};
    if ((strcmp(syscall, "connect") == 0 || strcmp(syscall, "accept") == 0 || strcmp(syscall, "accept4") == 0) &&
        (sock->family == 2 || sock->family == 10) && sock->ip[0])
        return (struct verdict){"conn.open", MMR_CLASS_NETWORK, 1, 0};
    if (is_any(syscall, unlinks))
        return (struct verdict){"file.delete", MMR_CLASS_FILE, 4, 0};
    if (is_any(syscall, renames))
        return (struct verdict){"file.rename", MMR_CLASS_FILE, 5, 0};
    if (is_any(syscall, changes))
        return (struct verdict){"file.change", MMR_CLASS_FILE, 3, 0};
    if (is_any(syscall, opens) && mmr_slice_is(get(g, "PATH", "nametype"), "CREATE"))
        return (struct verdict){"file.create", MMR_CLASS_FILE, 1, 0};
    if (is_any(syscall, modules))
        return (struct verdict){"driver.load", MMR_CLASS_KERNEL_EXT, 1, 0};
    return other;
}

/* The path a file event is about: the PATH record of that nametype, or the first, made absolute by cwd. */
static void file_path(const struct mmr_audit_group *g, struct mmr_outev *o)
{
    static const char *const wanted[] = {"CREATE", "DELETE", "NORMAL"};
    struct mmr_slice name = {0}, cwd = get(g, NULL, "cwd");
    char full[4200];
    for (size_t w = 0; w < 3 && !name.p; w++)
        for (uint32_t i = 0; i < g->n && !name.p; i++)
            if (mmr_slice_is(key_at(g, i), "nametype") && mmr_slice_is(val_at(g, i), wanted[w]))
                for (uint32_t j = 0; j < g->n; j++)
                    if (g->f[j].rec == g->f[i].rec && mmr_slice_is(key_at(g, j), "name"))
                        name = val_at(g, j);
    if (!name.p)
        name = get(g, NULL, "name");
    if (!name.n)
        return;
    if (name.p[0] != '/' && cwd.n && (size_t)cwd.n + name.n + 1 < sizeof full) {
        memcpy(full, cwd.p, cwd.n);
        full[cwd.n] = '/';
        memcpy(full + cwd.n + 1, name.p, name.n);
        name = (struct mmr_slice){full, cwd.n + 1 + name.n, 0};
    }
    mmr_out_slice(o, "file.path", name);
    mmr_out_slice(o, "file.name", mmr_slice_base(name));
}

static void unset_or(struct mmr_outev *o, const char *key, struct mmr_slice v)
{
    if (mmr_slice_is(v, "4294967295") || mmr_slice_is(v, "-1"))
        mmr_out_str(o, key, "unset");
    else
        mmr_out_slice(o, key, v);
}

static void process(const struct mmr_audit_group *g, struct mmr_outev *o)
{
    int64_t n;
    char cmd[CMD_MAX];
    struct mmr_slice exe = get(g, NULL, "exe"), comm = get(g, NULL, "comm"), s;
    if (mmr_slice_int(get(g, NULL, "pid"), &n))
        mmr_out_int(o, "process.pid", n);
    if (mmr_slice_int(get(g, NULL, "ppid"), &n))
        mmr_out_int(o, "process.parent_process.pid", n);
    mmr_out_slice(o, "process.file.path", exe);
    mmr_out_slice(o, "process.name", exe.p ? mmr_slice_base(exe) : comm);
    size_t used = command_line(g, cmd);
    if (used) {
        mmr_out_strn(o, "process.cmd_line", cmd, used);
    } else {
        s = get(g, NULL, "cmdline");
        mmr_out_slice(o, "process.cmd_line", s.p ? s : get(g, NULL, "proctitle"));
    }
    mmr_out_slice(o, "process.working_directory", get(g, NULL, "cwd"));
    unset_or(o, "session.uid", get(g, NULL, "ses"));
    mmr_out_slice(o, "user.uid", get(g, NULL, "uid"));
    s = get(g, NULL, "acct");
    if (!s.p)
        s = get(g, NULL, "UID"); /* enriched by the sender */
    if (!s.p)
        s = get(g, NULL, "user");
    mmr_out_slice(o, "user.name", s);
}

/* Rules ask for audit's own names: the first record that has a field gives it; PATH names are a list. */
static void originals(const struct mmr_audit_group *g, struct mmr_outev *o, const char *kind)
{
    const char *names[16];
    size_t n_names = 0;
    bool has_argv = has_type(g, "EXECVE");
    for (uint32_t i = 0; i < g->n; i++) {
        struct mmr_slice k = key_at(g, i), v = val_at(g, i);
        const char *type = type_of(g, g->f[i].rec);
        if (has_argv && strcmp(type, "SYSCALL") == 0 && k.n == 2 && k.p[0] == 'a' && k.p[1] >= '0' && k.p[1] <= '3')
            continue; /* raw pointers; a0, a1 mean argv here */
        if (strcmp(type, "PATH") == 0 && mmr_slice_is(k, "name")) {
            if (n_names < sizeof names / sizeof names[0])
                names[n_names++] = v.p;
            continue;
        }
        if (mmr_slice_is(k, "auid") || mmr_slice_is(k, "ses") || mmr_slice_is(k, "old-auid")) {
            char key[32];
            (void)snprintf(key, sizeof key, "unmapped.%.*s", (int)k.n, k.p);
            unset_or(o, key, v);
            continue;
        }
        if (mmr_slice_is(k, "syscall") || mmr_slice_is(k, "res") || mmr_slice_is(k, "addr") || mmr_slice_is(k, "type"))
            continue;
        const struct mmr_sigma_field *m = mmr_sigma_field_find(kind, NULL, k.p, k.n);
        if (!m || !mmr_out_has(o, m->ocsf) || mmr_slice_is(k, "comm")) /* comm is the thread's name, not the file's */
            mmr_out_unmapped(o, k, v);
    }
    if (n_names)
        mmr_out_strv(o, "unmapped.name", names, n_names);
}

void mmr_audit_event(const struct mmr_audit_group *g, const struct mmr_origin *from, struct mmr_outev *o, void *buf, size_t cap)
{
    struct sock sock = {0};
    char path[110], serial[24];
    const char *types[24];
    bool has_sock = sockaddr_of(g, &sock, path);
    struct mmr_slice number = get(g, NULL, "syscall"), arch = get(g, NULL, "arch");
    const char *known = mmr_audit_syscall(arch, number);
    char name[32];
    (void)snprintf(name, sizeof name, "%.*s", (int)(number.n < 31 ? number.n : 31), number.p ? number.p : "");
    const char *syscall = number.p ? (known ? known : name) : NULL;
    const char *result = result_of(g);
    struct verdict v = kind_of(g, syscall, result, &sock);

    mmr_out_begin(o, buf, cap, v.kind, v.class_uid, v.activity, from);
    mmr_out_str(o, "metadata.log_name", "auditd");
    mmr_out_str(o, "metadata.log_provider", "auditd");
    mmr_out_str(o, "metadata.event_code", g->records ? type_of(g, 0) : "");
    struct mmr_slice node = get(g, NULL, "node");
    mmr_out_slice(o, "device.hostname", node);
    if (v.status_id)
        mmr_out_int(o, "status_id", v.status_id);
    process(g, o);
    if (v.class_uid == MMR_CLASS_AUTH || v.class_uid == MMR_CLASS_ACCOUNT) {
        if (!mmr_out_addr(o, "src_endpoint.ip", get(g, NULL, "addr")))
            mmr_out_slice(o, "src_endpoint.hostname", get(g, NULL, "hostname"));
    }
    if (strcmp(v.kind, "conn.open") == 0) { /* the kernel tells the far end only */
        bool is_in = strncmp(syscall, "accept", 6) == 0;
        mmr_out_str(o, is_in ? "src_endpoint.ip" : "dst_endpoint.ip", sock.ip);
        mmr_out_int(o, is_in ? "src_endpoint.port" : "dst_endpoint.port", sock.port);
        mmr_out_str(o, "connection_info.direction", is_in ? "inbound" : "outbound");
    }
    if (v.class_uid == MMR_CLASS_FILE)
        file_path(g, o);
    if (g->records > 1) {
        for (uint32_t i = 0; i < g->records; i++)
            types[i] = type_of(g, i);
        mmr_out_strv(o, "unmapped.type", types, g->records);
    } else if (g->records) {
        mmr_out_str(o, "unmapped.type", type_of(g, 0));
    }
    (void)snprintf(serial, sizeof serial, "%llu", (unsigned long long)g->serial);
    mmr_out_str(o, "unmapped.sequence", serial);
    mmr_out_str(o, "unmapped.result", result);
    mmr_out_str(o, "unmapped.syscall", syscall);
    struct mmr_slice addr = get(g, NULL, "addr");
    if (addr.p)
        mmr_out_slice(o, "unmapped.addr", addr);
    else if (has_sock && sock.ip[0])
        mmr_out_str(o, "unmapped.addr", sock.ip);
    if (has_sock && sock.path.n)
        mmr_out_slice(o, "unmapped.path", sock.path);
    originals(g, o, v.kind);
}
