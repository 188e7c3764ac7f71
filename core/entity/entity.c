/* entity.c - identities, and the lists of what is too common to say anything. */
#include "entity/entity.h"

#include "util/id.h"

#include <netinet/in.h>
#include <string.h>
#include <strings.h>

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

void mmr_host_normalise(const char *name, char ret[MMR_HOST_NAME_MAX])
{
    struct mmr_addr a;
    size_t n = 0;
    bool is_addr = mmr_addr_parse(name, strlen(name), &a);
    for (; n < MMR_HOST_NAME_MAX - 1 && name[n] && (is_addr || name[n] != '.'); n++)
        ret[n] = lower(name[n]);
    if (n > 1 && ret[n - 1] == '$') /* a machine account names its machine */
        n--;
    ret[n] = '\0';
}

struct mmr_key mmr_key_of(unsigned kind, const void *p, size_t len)
{
    return (struct mmr_key){mmr_hash64(p, len, kind * UINT64_C(0x9e3779b97f4a7c15) + 1),
                            mmr_hash64(p, len, kind * UINT64_C(0xc2b2ae3d27d4eb4f) + 2)};
}

struct mmr_key mmr_key_text(unsigned kind, const char *scope, const char *text)
{
    char buf[640];
    size_t n = 0;
    for (; *scope && n < 128; scope++)
        buf[n++] = lower(*scope);
    buf[n++] = '\0';
    const char *rest = text;
    for (; *rest && n < sizeof buf - 8; rest++)
        buf[n++] = lower(*rest);
    if (*rest) { /* longer: its tail counts through a hash (case kept: paths this long are rare) */
        uint64_t h = mmr_hash64(rest, strlen(rest), 7);
        memcpy(buf + n, &h, 8);
        n += 8;
    }
    return mmr_key_of(kind, buf, n);
}

struct mmr_key mmr_key_addr(unsigned kind, const struct mmr_addr *a)
{
    return mmr_key_of(kind, a->b, 16);
}

struct mmr_key mmr_key_conn(const struct mmr_conn *c)
{
    uint8_t b[40] = {0};
    int order = memcmp(c->src.b, c->dst.b, 16);
    bool is_swapped = order > 0 || (order == 0 && c->src_port > c->dst_port);
    const struct mmr_addr *lo = is_swapped ? &c->dst : &c->src, *hi = is_swapped ? &c->src : &c->dst;
    uint16_t lo_port = is_swapped ? c->dst_port : c->src_port, hi_port = is_swapped ? c->src_port : c->dst_port;
    memcpy(b, lo->b, 16);
    memcpy(b + 16, hi->b, 16);
    memcpy(b + 32, &lo_port, 2);
    memcpy(b + 34, &hi_port, 2);
    b[36] = c->proto;
    return mmr_key_of(0x100, b, sizeof b);
}

static uint8_t proto_of(const char *name)
{
    if (!name)
        return IPPROTO_TCP; /* logs that do not say mean it */
    return strcasecmp(name, "tcp") == 0   ? IPPROTO_TCP
           : strcasecmp(name, "udp") == 0 ? IPPROTO_UDP
           : strncasecmp(name, "icmp", 4) == 0 ? IPPROTO_ICMP
                                               : 0;
}

bool mmr_conn_of(const struct mmr_finding *f, struct mmr_conn *ret)
{
    if (!mmr_addr_is_set(&f->src) || !mmr_addr_is_set(&f->dst) || (!f->src_port && !f->dst_port))
        return false;
    *ret = (struct mmr_conn){f->src, f->dst, f->src_port, f->dst_port, proto_of(f->proto), {0}};
    return ret->proto != IPPROTO_ICMP && f->src_port && f->dst_port;
}

void mmr_conn_format(const struct mmr_conn *c, char buf[MMR_CONN_TEXT_MAX])
{
    char s[MMR_ADDR_TEXT_MAX], d[MMR_ADDR_TEXT_MAX];
    mmr_addr_format(&c->src, s);
    mmr_addr_format(&c->dst, d);
    const char *sl = mmr_addr_is_v4(&c->src) ? "" : "[", *sr = mmr_addr_is_v4(&c->src) ? "" : "]";
    const char *dl = mmr_addr_is_v4(&c->dst) ? "" : "[", *dr = mmr_addr_is_v4(&c->dst) ? "" : "]";
    (void)snprintf(buf, MMR_CONN_TEXT_MAX, "%s%s%s:%u->%s%s%s:%u %s", sl, s, sr, c->src_port, dl, d, dr,
                   c->dst_port, c->proto == IPPROTO_UDP ? "udp" : c->proto == IPPROTO_TCP ? "tcp" : "ip");
}

void mmr_process_identity(const struct mmr_process *p, char *buf, size_t cap)
{
    buf[0] = '\0';
    if (p->uid && p->uid[0])
        (void)snprintf(buf, cap, "%s", p->uid);
    else if (p->pid > 0 && p->start_ticks > 0)
        (void)snprintf(buf, cap, "%lld:%lld", (long long)p->pid, (long long)p->start_ticks);
    else if (p->pid > 4 && p->path) /* no start time: pid and program; pids return, the window limits it */
        (void)snprintf(buf, cap, "%lld@%s", (long long)p->pid, p->path);
}

static bool is_one_of(const char *text, const char *const *list)
{
    for (; *list; list++)
        if (strcasecmp(text, *list) == 0)
            return true;
    return false;
}

bool mmr_user_is_common(const char *user)
{
    static const char *const names[] = {
        "system", "root", "local service", "network service", "localservice", "networkservice", "anonymous logon",
        "anonymous", "administrator", "admin", "guest", "nobody", "daemon", "www-data", "-", "unknown", "none",
        "invalid user", "user", "test", "krbtgt", NULL};
    const char *back = strrchr(user, '\\');
    const char *name = back ? back + 1 : user;
    size_t n = strlen(name);
    return n == 0 || name[n - 1] == '$' || is_one_of(name, names) || strncasecmp(name, "dwm-", 4) == 0 ||
           strncasecmp(name, "umfd-", 5) == 0;
}

bool mmr_session_is_common(const char *session)
{
    static const char *const ids[] = {"0x3e7", "0x3e4", "0x3e5", "999", "996", "997", "0x0", "0", "-",
                                      "4294967295", "unset", "-1", NULL};
    return session[0] == '\0' || is_one_of(session, ids);
}

bool mmr_process_is_common(const char *name_or_path)
{
    static const char *const names[] = {
        "system", "registry", "idle", "smss.exe", "csrss.exe", "wininit.exe", "winlogon.exe", "services.exe",
        "lsass.exe", "svchost.exe", "explorer.exe", "userinit.exe", "taskhostw.exe", "taskhost.exe",
        "runtimebroker.exe", "dllhost.exe", "sihost.exe", "spoolsv.exe", "wmiprvse.exe", "searchindexer.exe",
        "conhost.exe", "ntoskrnl.exe", "systemd", "init", "sshd", "cron", "crond", "kthreadd", "dockerd",
        "containerd", "containerd-shim", "containerd-shim-runc-v2", "runc", "launchd", "supervisord", "login",
        "gdm", "lightdm", "sddm", "gnome-shell", "tmux: server", "dbus-daemon", "rsyslogd", "polkitd", NULL};
    const char *name = name_or_path;
    for (const char *p = name_or_path; *p; p++)
        if ((*p == '/' || *p == '\\') && p[1])
            name = p + 1;
    return is_one_of(name, names);
}

bool mmr_path_is_common(const char *path)
{
    static const char *const roots[] = {
        ":\\windows\\system32\\", ":\\windows\\syswow64\\", ":\\windows\\winsxs\\", ":\\windows\\microsoft.net\\",
        ":\\program files\\", ":\\program files (x86)\\", NULL};
    static const char *const dirs[] = {"/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/", "/usr/lib/", "/lib/",
                                       "/usr/libexec/", "/lib64/", "/usr/lib64/", "/snap/", NULL};
    for (const char *const *d = dirs; *d; d++)
        if (strncmp(path, *d, strlen(*d)) == 0)
            return true;
    if (!path[0])
        return true;
    for (const char *const *r = roots; *r; r++)
        if (strncasecmp(path + 1, *r, strlen(*r)) == 0)
            return true;
    /* straight in \Windows, nothing below: explorer.exe, regedit.exe */
    return strncasecmp(path + 1, ":\\windows\\", 10) == 0 && !strchr(path + 11, '\\');
}
