/* auditd.c - audit lines to fields, fields to events. Lines come from files and the network. */
#include "auditd.h"

#include <string.h>

#include "timestamp.h"

static bool starts(const char *p, const char *end, const char *text)
{
    size_t n = strlen(text);
    return (size_t)(end - p) >= n && memcmp(p, text, n) == 0;
}

static bool is_key_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Fields the kernel writes as hex when they hold anything a log line must not. */
static bool is_encoded(struct mmr_slice type, struct mmr_slice key)
{
    static const char *const names[] = {"exe", "comm", "cwd", "name", "proctitle", "cmd", "acct", "data", "dir",
                                        "path", "file", "key", "old", "new", "vm", "watch", "device"};
    if (key.p[0] == 'a' && key.n >= 2 && mmr_slice_is(type, "EXECVE")) {
        for (uint32_t i = 1; i < key.n; i++)
            if (!(key.p[i] >= '0' && key.p[i] <= '9') && key.p[i] != '[' && key.p[i] != ']')
                return false;
        return true;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (mmr_slice_is(key, names[i]))
            return true;
    return false;
}

/* Upper-case hex of even length, decoded where it stands; NULs between arguments become spaces. */
static void unhex(struct mmr_slice *s, char *at)
{
    if (s->n < 2 || s->n % 2)
        return;
    for (uint32_t i = 0; i < s->n; i++)
        if (hex(s->p[i]) < 0 || (s->p[i] >= 'a' && s->p[i] <= 'f'))
            return;
    for (uint32_t i = 0; i < s->n / 2; i++) {
        char c = (char)((unsigned)hex(s->p[2 * i]) << 4 | (unsigned)hex(s->p[2 * i + 1]));
        at[i] = c ? c : ' ';
    }
    s->n /= 2;
}

static void add(struct mmr_audit_rec *r, struct mmr_slice key, struct mmr_slice val)
{
    if (r->n < MMR_AUDIT_FIELDS_MAX)
        r->f[r->n++] = (struct mmr_audit_field){key, val};
}

/* A value with spaces that only the next known key ends (AUOMS writes some so). */
static const char *spaced_end(const char *p, const char *end, const char *next)
{
    size_t n = strlen(next);
    const char *found = NULL;
    for (const char *q = p; q + n <= end; q++)
        if (memcmp(q, next, n) == 0)
            found = q;
    return found ? found : end;
}

/* "a ""quoted"" word" where it stands */
static struct mmr_slice unquote(char *p, char *end)
{
    if (end - p < 2 || *p != '"' || end[-1] != '"')
        return (struct mmr_slice){p, (uint32_t)(end - p), 0};
    char *o = p;
    for (char *q = p + 1; q < end - 1; q++) {
        *o++ = *q;
        if (*q == '"' && q + 1 < end - 1 && q[1] == '"')
            q++;
    }
    return (struct mmr_slice){p, (uint32_t)(o - p), 0};
}

static void fields(struct mmr_audit_rec *r, char *p, char *end, int level)
{
    while (p < end) {
        while (p < end && !is_key_char(*p)) /* spaces, the 0x1d before enriched fields, "(" and the like */
            p++;
        char *key_at = p;
        while (p < end && is_key_char(*p))
            p++;
        struct mmr_slice key = {key_at, (uint32_t)(p - key_at), 0}, val;
        if (p >= end || *p != '=' || !key.n)
            continue; /* a word of free text, as in "user pid=1": skipped */
        if (++p >= end) {
            add(r, key, (struct mmr_slice){p, 0, 0});
            return;
        }
        if (*p == '\'' && level == 0) { /* msg='..': fields of the user space program */
            char *close = memchr(p + 1, '\'', (size_t)(end - p - 1));
            char *last = end;
            while (last > p + 1 && last[-1] != '\'') /* the outer quote is the last one of the line */
                last--;
            close = last > p + 1 ? last - 1 : close;
            if (!close)
                close = end;
            fields(r, p + 1, close, 1);
            p = close < end ? close + 1 : end;
            continue;
        }
        if (r->is_auoms && (mmr_slice_is(key, "proctitle") || mmr_slice_is(key, "cmdline"))) {
            char *stop = p + (spaced_end(p, end, " redactors=") - p);
            val = unquote(p, stop);
            p = stop;
        } else if (*p == '"') {
            char *close = memchr(p + 1, '"', (size_t)(end - p - 1));
            if (!close)
                close = end;
            val = (struct mmr_slice){p + 1, (uint32_t)(close - p - 1), 0};
            p = close < end ? close + 1 : end;
        } else if (*p == '[' && r->is_auoms) {
            char *close = memchr(p, ']', (size_t)(end - p));
            char *stop = close ? close + 1 : end;
            val = (struct mmr_slice){p, (uint32_t)(stop - p), 0};
            p = stop;
        } else {
            char *start = p;
            while (p < end && *p != ' ' && *p != '\x1d' && *p != '\n' && *p != '\r' && !(*p == '\'' && level) &&
                   !(*p == ',' && p + 1 < end && p[1] == ' ') && !(*p == ')' && level && p + 1 == end))
                p++;
            val = (struct mmr_slice){start, (uint32_t)(p - start), 0};
            if (!r->is_auoms && is_encoded(r->type, key))
                unhex(&val, start);
        }
        add(r, key, val);
    }
}

int mmr_audit_read(char *line, size_t len, struct mmr_audit_rec *ret, struct mmr_error *err)
{
    char *p = line, *end = line + len;
    struct mmr_audit_rec *r = ret;
    r->n = 0;
    r->is_auoms = false;
    r->node = (struct mmr_slice){0};
    while (end > p && (end[-1] == '\r' || end[-1] == ' '))
        end--;
    if (starts(p, end, "node=")) {
        char *sp = memchr(p, ' ', (size_t)(end - p));
        if (!sp)
            return mmr_fail(err, MMR_EUNSUPPORTED, "audit line: a node and nothing else");
        r->node = (struct mmr_slice){p + 5, (uint32_t)(sp - p - 5), 0};
        p = sp + 1;
    }
    if (!starts(p, end, "type="))
        return mmr_fail(err, MMR_EUNSUPPORTED, "audit line does not start with 'type='");
    char *sp = memchr(p, ' ', (size_t)(end - p));
    if (!sp || sp - p > 64)
        return mmr_fail(err, MMR_EUNSUPPORTED, "audit line without fields behind its type");
    r->type = (struct mmr_slice){p + 5, (uint32_t)(sp - p - 5), 0};
    r->is_auoms = r->type.n > 6 && memcmp(r->type.p, "AUOMS_", 6) == 0;
    p = sp + 1;
    if (starts(p, end, "msg="))
        p += 4;
    if (!starts(p, end, "audit("))
        return mmr_fail(err, MMR_EBADMSG, "audit record '%.*s' without 'audit(time:serial)'", (int)r->type.n, r->type.p);
    p += 6;
    size_t used = mmr_stamp_epoch(p, (size_t)(end - p), &r->time_ns);
    p += used;
    if (!used || p >= end || *p++ != ':')
        return mmr_fail(err, MMR_EBADMSG, "audit record '%.*s': no time in 'audit(time:serial)'", (int)r->type.n, r->type.p);
    uint64_t serial = 0;
    char *first = p;
    for (; p < end && *p >= '0' && *p <= '9' && p - first < 19; p++)
        serial = serial * 10 + (uint64_t)(*p - '0');
    if (p == first || p >= end || *p++ != ')')
        return mmr_fail(err, MMR_EBADMSG, "audit record '%.*s': no serial in 'audit(time:serial)'", (int)r->type.n, r->type.p);
    r->serial = serial;
    fields(r, p, end, 0);
    return 0;
}

struct mmr_slice mmr_audit_get(const struct mmr_audit_rec *r, const char *key)
{
    for (uint32_t i = 0; i < r->n; i++)
        if (mmr_slice_is(r->f[i].key, key))
            return r->f[i].val;
    return (struct mmr_slice){0};
}

/* ---- grouping ---- */

void mmr_audit_groups_init(struct mmr_audit_groups *a)
{
    a->n = a->reserved = 0;
    a->cut = 0;
}

static void close_at(struct mmr_audit_groups *a, uint32_t pos, mmr_audit_done *done, void *ctx)
{
    uint8_t which = a->order[pos];
    done(ctx, &a->g[which]);
    memmove(a->order + pos, a->order + pos + 1, a->n - pos - 1);
    a->order[--a->n] = which; /* the slots behind n are free */
}

static bool append(struct mmr_audit_group *g, struct mmr_slice s, uint32_t *ret_at)
{
    if (MMR_AUDIT_GROUP_BYTES - g->used < s.n + 1)
        return false;
    memcpy(g->text + g->used, s.p, s.n);
    g->text[g->used + s.n] = '\0';
    *ret_at = g->used;
    g->used += s.n + 1;
    return true;
}

static void copy(struct mmr_audit_groups *a, struct mmr_audit_group *g, const struct mmr_audit_rec *r)
{
    uint32_t at;
    if (g->records >= sizeof g->type_at / sizeof g->type_at[0] || !append(g, r->type, &at)) {
        a->cut += r->n;
        return;
    }
    g->type_at[g->records++] = at;
    for (uint32_t i = 0; i <= r->n; i++) {
        struct mmr_slice key = i < r->n ? r->f[i].key : MMR_SLICE("node");
        struct mmr_slice val = i < r->n ? r->f[i].val : r->node;
        uint32_t k, v;
        if (!val.p || key.n > 100)
            continue;
        if (g->n >= MMR_AUDIT_GROUP_FIELDS || !append(g, key, &k) || !append(g, val, &v)) {
            a->cut++;
            continue;
        }
        g->f[g->n].key = k;
        g->f[g->n].key_len = (uint16_t)key.n;
        g->f[g->n].val = v;
        g->f[g->n].val_len = val.n;
        g->f[g->n++].rec = (uint16_t)(g->records - 1);
    }
}

/* Records of user space and of the daemon come alone; those of the kernel's syscall path in company. */
static bool is_alone(const struct mmr_audit_rec *r)
{
    static const char *const together[] = {
        "SYSCALL", "EXECVE", "PATH", "CWD", "PROCTITLE", "SOCKADDR", "SOCKETCALL", "IPC", "FD_PAIR", "OBJ_PID", "MMAP",
        "AVC", "SELINUX_ERR", "BPRM_FCAPS", "CAPSET", "EOE", "NETFILTER_CFG", "KERN_MODULE", "CONFIG_CHANGE", "SECCOMP",
        "MQ_OPEN", "MQ_SENDRECV", "OPENAT2", "BPF", "EVENT_LISTENER", "TIME_ADJNTPVAL", "TIME_INJOFFSET", "URINGOP",
        "FANOTIFY", "INTEGRITY_RULE",
    };
    if (r->is_auoms)
        return true;
    for (size_t i = 0; i < sizeof together / sizeof together[0]; i++)
        if (mmr_slice_is(r->type, together[i]))
            return false;
    return true;
}

void mmr_audit_add(struct mmr_audit_groups *a, const struct mmr_audit_rec *r, uint64_t index, mmr_audit_done *done, void *ctx)
{
    const int64_t late_ns = INT64_C(2000000000);
    uint32_t pos = 0;
    while (pos < a->n && (a->g[a->order[pos]].serial != r->serial || a->g[a->order[pos]].time_ns != r->time_ns))
        pos++;
    bool is_new = pos == a->n;
    if (is_new) {
        for (uint32_t i = 0; i < a->n;)
            if (r->time_ns - a->g[a->order[i]].time_ns > late_ns)
                close_at(a, i, done, ctx);
            else
                i++;
        if (a->n == MMR_AUDIT_GROUPS_MAX)
            close_at(a, 0, done, ctx);
        pos = a->n;
        if (mmr_slice_is(r->type, "EOE"))
            return;
        /* a free slot: one that order[0..n) does not name */
        bool is_used[MMR_AUDIT_GROUPS_MAX] = {false};
        for (uint32_t i = 0; i < a->n; i++)
            is_used[a->order[i]] = true;
        uint8_t slot = 0;
        while (is_used[slot])
            slot++;
        a->order[a->n++] = slot;
        struct mmr_audit_group *g = &a->g[slot];
        g->serial = r->serial;
        g->index = index;
        g->time_ns = r->time_ns;
        g->n = g->used = g->records = 0;
    }
    if (!mmr_slice_is(r->type, "EOE"))
        copy(a, &a->g[a->order[pos]], r);
    if (mmr_slice_is(r->type, "EOE") || (is_new && is_alone(r)))
        close_at(a, pos, done, ctx);
}

void mmr_audit_flush(struct mmr_audit_groups *a, mmr_audit_done *done, void *ctx)
{
    while (a->n)
        close_at(a, 0, done, ctx);
}
