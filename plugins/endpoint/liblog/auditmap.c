/* auditmap.c - an audit event (all records of one serial) becomes an event of docs/vocabulary.md. */
#include "auditd.h"

#include <arpa/inet.h>
#include <string.h>

enum { CMD_MAX = MMR_EVENT_STR_MAX + 1 }; /* one more than an event holds: what is cut is seen to be */

static struct mmr_slice key_at(const struct mmr_audit_group *g, uint32_t i)
{
    return (struct mmr_slice){g->f[i].key, g->f[i].key_len, 0};
}

static struct mmr_slice val_at(const struct mmr_audit_group *g, uint32_t i)
{
    return (struct mmr_slice){g->f[i].val, g->f[i].val_len, 0};
}

static bool is_of(const struct mmr_audit_group *g, uint32_t i, const char *type)
{
    return mmr_slice_is(g->type[g->f[i].rec], type);
}

/* First value of key in a record of this type (NULL: any); "?" and "(null)" count as absent. */
static struct mmr_slice get(const struct mmr_audit_group *g, const char *type, enum mmr_audit_key key)
{
    if (!(g->keys >> key & 1))
        return (struct mmr_slice){0};
    for (uint32_t i = 0; i < g->n; i++) {
        if (g->f[i].id != key || (type && !is_of(g, i, type)))
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
        if (mmr_slice_is(g->type[i], type))
            return true;
    return false;
}

/* "success", "fail", or NULL where the event does not say */
static const char *result_of(const struct mmr_audit_group *g)
{
    static const enum mmr_audit_key keys[] = {MMR_AUDIT_SUCCESS, MMR_AUDIT_RES, MMR_AUDIT_RESULT};
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
        if (k.p[0] != 'a' || k.n < 2 || !is_of(g, i, "EXECVE"))
            continue;
        const char *box = memchr(k.p, '[', k.n);
        struct mmr_slice num = {k.p + 1, (uint32_t)((box ? box : k.p + k.n) - k.p - 1), 0};
        if (!mmr_slice_int(num, &arg) || arg < 0)
            continue;
        bool is_more = (uint32_t)arg == last_arg; /* a1[0]=.. a1[1]=..: pieces of one argument */
        last_arg = (uint32_t)arg;
        if (n && n < CMD_MAX && !is_more)
            out[n++] = ' ';
        size_t fits = v.n < CMD_MAX - n ? v.n : CMD_MAX - n;
        memcpy(out + n, v.p, fits);
        n += fits;
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
    struct mmr_slice s = get(g, "SOCKADDR", MMR_AUDIT_SADDR);
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

/* Does any PATH record say so? The folder's own record (PARENT) stands before the file's. */
static bool has_path_of(const struct mmr_audit_group *g, const char *nametype)
{
    for (uint32_t i = 0; i < g->n; i++)
        if (g->f[i].id == MMR_AUDIT_NAMETYPE && mmr_slice_is(val_at(g, i), nametype) && is_of(g, i, "PATH"))
            return true;
    return false;
}

/* Was the file opened to be written? Flags stand in hex, in the second argument or, with a folder before it, in the third. */
static bool is_opened_to_write(const struct mmr_audit_group *g, struct mmr_slice call)
{
    const char *key = mmr_slice_is(call, "openat") ? "a2" : mmr_slice_is(call, "open") ? "a1" : NULL;
    if (mmr_slice_is(call, "creat"))
        return true;
    for (uint32_t i = 0; key && i < g->n; i++) {
        struct mmr_slice v = val_at(g, i);
        uint64_t flags = 0;
        if (!mmr_slice_is(key_at(g, i), key) || !is_of(g, i, "SYSCALL"))
            continue;
        for (uint32_t at = 0; at < v.n && at < 16; at++) {
            int digit = nibble(v.p[at]);
            if (digit < 0)
                return false;
            flags = flags << 4 | (uint64_t)digit;
        }
        return (flags & 3) != 0; /* O_WRONLY, O_RDWR */
    }
    return false;
}

#define IS_ANY(s, list) mmr_slice_in((s), (list), sizeof(list) / sizeof((list)[0]))

static struct verdict kind_of(const struct mmr_audit_group *g, const char *call, const char *result, const struct sock *sock)
{
    static const struct mmr_slice log_in[] = {MMR_SLICE("USER_LOGIN"), MMR_SLICE("USER_AUTH"), MMR_SLICE("USER_ERR")};
    static const struct mmr_slice accounts[] = {MMR_SLICE("ADD_USER"), MMR_SLICE("DEL_USER"), MMR_SLICE("ADD_GROUP"),
                                                MMR_SLICE("DEL_GROUP"), MMR_SLICE("USER_MGMT"), MMR_SLICE("GRP_MGMT"),
                                                MMR_SLICE("USER_CHAUTHTOK"), MMR_SLICE("ACCT_LOCK"), MMR_SLICE("ACCT_UNLOCK"),
                                                MMR_SLICE("ROLE_ASSIGN")};
    static const struct mmr_slice unlinks[] = {MMR_SLICE("unlink"), MMR_SLICE("unlinkat"), MMR_SLICE("rmdir")};
    static const struct mmr_slice renames[] = {MMR_SLICE("rename"), MMR_SLICE("renameat"), MMR_SLICE("renameat2")};
    static const struct mmr_slice changes[] = {MMR_SLICE("chmod"), MMR_SLICE("fchmodat"), MMR_SLICE("chown"),
                                               MMR_SLICE("fchownat"), MMR_SLICE("lchown"), MMR_SLICE("truncate"),
                                               MMR_SLICE("setxattr"), MMR_SLICE("lsetxattr"), MMR_SLICE("removexattr")};
    static const struct mmr_slice opens[] = {MMR_SLICE("open"), MMR_SLICE("openat"), MMR_SLICE("openat2"), MMR_SLICE("creat"),
                                             MMR_SLICE("mknod"), MMR_SLICE("mknodat"), MMR_SLICE("link"), MMR_SLICE("linkat"),
                                             MMR_SLICE("symlink"), MMR_SLICE("symlinkat"), MMR_SLICE("mkdir"),
                                             MMR_SLICE("mkdirat")};
    static const struct mmr_slice modules[] = {MMR_SLICE("init_module"), MMR_SLICE("finit_module")};
    const struct verdict other = {"log.record", MMR_CLASS_EVENT_LOG, 99, 0};
    const struct mmr_slice type = g->records ? g->type[0] : MMR_SLICE("");
    const struct mmr_slice syscall = {call, call ? (uint32_t)strlen(call) : 0, 0};
    bool is_ok = result && strcmp(result, "success") == 0, is_fail = result && !is_ok;

    if (IS_ANY(type, log_in)) {
        if (is_fail)
            return (struct verdict){"auth.fail", MMR_CLASS_AUTH, 1, 2};
        if (is_ok && mmr_slice_is(type, "USER_LOGIN"))
            return (struct verdict){"auth.logon", MMR_CLASS_AUTH, 1, 1};
        return other;
    }
    if (mmr_slice_is(type, "USER_LOGOUT"))
        return (struct verdict){"auth.logoff", MMR_CLASS_AUTH, 2, 1};
    if (IS_ANY(type, accounts))
        return (struct verdict){"account.change", MMR_CLASS_ACCOUNT, 99, 0};
    if (!call || is_fail) {
        bool is_pending = mmr_slice_is(syscall, "connect") && mmr_slice_is(get(g, NULL, MMR_AUDIT_EXIT), "-115");
        if (!is_pending) /* EINPROGRESS: a connection that does not wait is on its way */
            return other;
    }
    if (mmr_slice_is(syscall, "execve") || mmr_slice_is(syscall, "execveat"))
        return (struct verdict){"process.start", MMR_CLASS_PROCESS, 1, 0};
    if ((mmr_slice_is(syscall, "connect") || mmr_slice_is(syscall, "accept") || mmr_slice_is(syscall, "accept4")) &&
        (sock->family == 2 || sock->family == 10) && sock->ip[0])
        return (struct verdict){"conn.open", MMR_CLASS_NETWORK, 1, 0};
    if (IS_ANY(syscall, unlinks))
        return (struct verdict){"file.delete", MMR_CLASS_FILE, 4, 0};
    if (IS_ANY(syscall, renames))
        return (struct verdict){"file.rename", MMR_CLASS_FILE, 5, 0};
    if (IS_ANY(syscall, changes))
        return (struct verdict){"file.change", MMR_CLASS_FILE, 3, 0};
    if (IS_ANY(syscall, opens) && has_path_of(g, "CREATE"))
        return (struct verdict){"file.create", MMR_CLASS_FILE, 1, 0};
    if (has_path_of(g, "NORMAL") && is_opened_to_write(g, syscall))
        return (struct verdict){"file.change", MMR_CLASS_FILE, 3, 0};
    if (IS_ANY(syscall, modules))
        return (struct verdict){"driver.load", MMR_CLASS_KERNEL_EXT, 1, 0};
    return other;
}

/* The path a file event is about: the PATH record of that nametype, or the first, made absolute by cwd. */
static void file_path(const struct mmr_audit_group *g, struct mmr_outev *o)
{
    static const char *const wanted[] = {"CREATE", "DELETE", "NORMAL"};
    struct mmr_slice name = {0}, cwd = get(g, NULL, MMR_AUDIT_CWD);
    char full[4200];
    for (size_t w = 0; w < 3 && !name.p; w++)
        for (uint32_t i = 0; i < g->n && !name.p; i++)
            if (g->f[i].id == MMR_AUDIT_NAMETYPE && mmr_slice_is(val_at(g, i), wanted[w]))
                for (uint32_t j = 0; j < g->n; j++)
                    if (g->f[j].rec == g->f[i].rec && g->f[j].id == MMR_AUDIT_NAME)
                        name = val_at(g, j);
    if (!name.p)
        name = get(g, NULL, MMR_AUDIT_NAME);
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

static struct mmr_slice unset_or(struct mmr_slice v)
{
    return mmr_slice_is(v, "4294967295") || mmr_slice_is(v, "-1") ? MMR_SLICE("unset") : v;
}

static void process(const struct mmr_audit_group *g, struct mmr_outev *o)
{
    int64_t n;
    char cmd[CMD_MAX];
    struct mmr_slice exe = get(g, NULL, MMR_AUDIT_EXE), comm = get(g, NULL, MMR_AUDIT_COMM), s;
    if (mmr_slice_int(get(g, NULL, MMR_AUDIT_PID), &n))
        mmr_out_int(o, "process.pid", n);
    if (mmr_slice_int(get(g, NULL, MMR_AUDIT_PPID), &n))
        mmr_out_int(o, "process.parent_process.pid", n);
    mmr_out_slice(o, "process.file.path", exe);
    mmr_out_slice(o, "process.name", exe.p ? mmr_slice_base(exe) : comm);
    size_t used = command_line(g, cmd);
    if (used) {
        mmr_out_strn(o, "process.cmd_line", cmd, used);
    } else {
        s = get(g, NULL, MMR_AUDIT_CMDLINE);
        mmr_out_slice(o, "process.cmd_line", s.p ? s : get(g, NULL, MMR_AUDIT_PROCTITLE));
    }
    mmr_out_slice(o, "process.working_directory", get(g, NULL, MMR_AUDIT_CWD));
    mmr_out_slice(o, "session.uid", unset_or(get(g, NULL, MMR_AUDIT_SES)));
    mmr_out_slice(o, "user.uid", get(g, NULL, MMR_AUDIT_UID));
    s = get(g, NULL, MMR_AUDIT_ACCT);
    if (!s.p)
        s = get(g, NULL, MMR_AUDIT_UID_NAME); /* enriched by the sender */
    if (!s.p)
        s = get(g, NULL, MMR_AUDIT_USER);
    mmr_out_slice(o, "user.name", s);
}

/* Rules ask for audit's own names: the first record that has a field gives it; PATH names are a list. */
static void originals(const struct mmr_audit_group *g, struct mmr_fieldmemo *memo, struct mmr_outev *o)
{
    const char *names[16];
    size_t n_names = 0;
    bool has_argv = has_type(g, "EXECVE");
    for (uint32_t i = 0; i < g->n; i++) {
        struct mmr_slice k = key_at(g, i), v = val_at(g, i);
        const struct mmr_field_place *to;
        switch (g->f[i].id) {
        case MMR_AUDIT_SYSCALL_NR:
        case MMR_AUDIT_RES:
        case MMR_AUDIT_ADDR:
        case MMR_AUDIT_TYPE:
            continue;
        case MMR_AUDIT_AUID:
        case MMR_AUDIT_SES:
        case MMR_AUDIT_OLD_AUID:
            if (v.n)
                mmr_out_unmapped(o, k, unset_or(v));
            continue;
        case MMR_AUDIT_COMM: /* the thread's name, not the file's */
            mmr_out_unmapped(o, k, v);
            continue;
        case MMR_AUDIT_NAME:
            if (!is_of(g, i, "PATH"))
                break;
            if (n_names < sizeof names / sizeof names[0])
                names[n_names++] = v.p; /* PATH records come in company: NUL-terminated in the group's text */
            continue;
        case MMR_AUDIT_OTHER:
            if (has_argv && k.n == 2 && k.p[0] == 'a' && k.p[1] >= '0' && k.p[1] <= '3' && is_of(g, i, "SYSCALL"))
                continue; /* raw pointers; a0, a1 mean argv here */
            break;
        default:
            break;
        }
        to = mmr_fieldmemo_find(memo, k);
        if (!to->ocsf || !mmr_out_has(o, to->ocsf))
            mmr_out_unmapped(o, k, v);
    }
    if (n_names)
        mmr_out_strv(o, "unmapped.name", names, n_names);
}

/* n in decimal; the end of out, which holds 20 digits and a NUL */
static struct mmr_slice decimal(uint64_t n, char out[21])
{
    char *p = out + 20;
    *p = '\0';
    do
        *--p = (char)('0' + n % 10);
    while (n /= 10);
    return (struct mmr_slice){p, (uint32_t)(out + 20 - p), 0};
}

void mmr_audit_event(const struct mmr_audit_group *g, const struct mmr_origin *from, struct mmr_fieldmemo *memo, struct mmr_outev *o,
                     void *buf, size_t cap)
{
    struct sock sock = {0};
    char path[110], serial[21], name[32] = "";
    const char *types[MMR_AUDIT_GROUP_RECORDS];
    bool has_sock = sockaddr_of(g, &sock, path);
    struct mmr_slice number = get(g, NULL, MMR_AUDIT_SYSCALL_NR), arch = get(g, NULL, MMR_AUDIT_ARCH);
    const char *known = mmr_audit_syscall(arch, number);
    if (number.p)
        memcpy(name, number.p, number.n < sizeof name ? number.n : sizeof name - 1);
    const char *syscall = number.p ? (known ? known : name) : NULL;
    const char *result = result_of(g);
    struct verdict v = kind_of(g, syscall, result, &sock);

    mmr_out_begin(o, buf, cap, v.kind, v.class_uid, v.activity, from);
    mmr_out_str(o, "metadata.log_name", "auditd");
    mmr_out_str(o, "metadata.log_provider", "auditd");
    mmr_out_str(o, "metadata.event_code", g->records ? g->type[0].p : "");
    struct mmr_slice node = get(g, NULL, MMR_AUDIT_NODE);
    mmr_out_slice(o, "device.hostname", node);
    if (v.status_id)
        mmr_out_int(o, "status_id", v.status_id);
    process(g, o);
    if (v.class_uid == MMR_CLASS_AUTH || v.class_uid == MMR_CLASS_ACCOUNT) {
        if (!mmr_out_addr(o, "src_endpoint.ip", get(g, NULL, MMR_AUDIT_ADDR)))
            mmr_out_slice(o, "src_endpoint.hostname", get(g, NULL, MMR_AUDIT_HOSTNAME));
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
            types[i] = g->type[i].p;
        mmr_out_strv(o, "unmapped.type", types, g->records);
    } else if (g->records) {
        mmr_out_str(o, "unmapped.type", g->type[0].p);
    }
    mmr_out_slice(o, "unmapped.sequence", decimal(g->serial, serial));
    mmr_out_str(o, "unmapped.result", result);
    mmr_out_str(o, "unmapped.syscall", syscall);
    struct mmr_slice addr = get(g, NULL, MMR_AUDIT_ADDR);
    if (addr.p)
        mmr_out_slice(o, "unmapped.addr", addr);
    else if (has_sock && sock.ip[0])
        mmr_out_str(o, "unmapped.addr", sock.ip);
    if (has_sock && sock.path.n)
        mmr_out_slice(o, "unmapped.path", sock.path);
    mmr_fieldmemo_event(memo, v.kind, "");
    originals(g, memo, o);
}
