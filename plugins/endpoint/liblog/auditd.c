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

/* Field names by their length. */
enum { KEY_LONGEST = 9, KEY_MOST = 14 };
struct key_row {
    char name[KEY_LONGEST + 1];
    uint8_t id;
};
static const struct key_row keys[KEY_LONGEST + 1][KEY_MOST] = {
    [2] = {{"vm", MMR_AUDIT_ENCODED}},
    [3] = {{"exe", MMR_AUDIT_EXE}, {"cwd", MMR_AUDIT_CWD}, {"pid", MMR_AUDIT_PID}, {"uid", MMR_AUDIT_UID}, {"ses", MMR_AUDIT_SES},
           {"res", MMR_AUDIT_RES}, {"key", MMR_AUDIT_ENCODED}, {"cmd", MMR_AUDIT_ENCODED}, {"dir", MMR_AUDIT_ENCODED},
           {"old", MMR_AUDIT_ENCODED}, {"new", MMR_AUDIT_ENCODED}, {"UID", MMR_AUDIT_UID_NAME}},
    [4] = {{"comm", MMR_AUDIT_COMM}, {"name", MMR_AUDIT_NAME}, {"acct", MMR_AUDIT_ACCT}, {"auid", MMR_AUDIT_AUID},
           {"ppid", MMR_AUDIT_PPID}, {"exit", MMR_AUDIT_EXIT}, {"arch", MMR_AUDIT_ARCH}, {"addr", MMR_AUDIT_ADDR},
           {"user", MMR_AUDIT_USER}, {"type", MMR_AUDIT_TYPE}, {"node", MMR_AUDIT_NODE}, {"data", MMR_AUDIT_ENCODED},
           {"path", MMR_AUDIT_ENCODED}, {"file", MMR_AUDIT_ENCODED}},
    [5] = {{"saddr", MMR_AUDIT_SADDR}, {"watch", MMR_AUDIT_ENCODED}},
    [6] = {{"result", MMR_AUDIT_RESULT}, {"device", MMR_AUDIT_ENCODED}},
    [7] = {{"success", MMR_AUDIT_SUCCESS}, {"syscall", MMR_AUDIT_SYSCALL_NR}, {"cmdline", MMR_AUDIT_CMDLINE}},
    [8] = {{"nametype", MMR_AUDIT_NAMETYPE}, {"hostname", MMR_AUDIT_HOSTNAME}, {"old-auid", MMR_AUDIT_OLD_AUID}},
    [9] = {{"proctitle", MMR_AUDIT_PROCTITLE}},
};

static enum mmr_audit_key key_of(struct mmr_slice key)
{
    if (key.n > KEY_LONGEST)
        return MMR_AUDIT_OTHER;
    for (const struct key_row *row = keys[key.n]; row < keys[key.n] + KEY_MOST && row->id; row++)
        if (row->name[0] == key.p[0] && memcmp(row->name, key.p, key.n) == 0)
            return row->id;
    return MMR_AUDIT_OTHER;
}

/* Arguments of a program, a0, a1[2], which the kernel writes as hex like the names of its list. */
static bool is_argument(struct mmr_slice type, struct mmr_slice key)
{
    if (key.p[0] != 'a' || key.n < 2 || !mmr_slice_is(type, "EXECVE"))
        return false;
    for (uint32_t i = 1; i < key.n; i++)
        if (!(key.p[i] >= '0' && key.p[i] <= '9') && key.p[i] != '[' && key.p[i] != ']')
            return false;
    return true;
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

static void add(struct mmr_audit_rec *r, struct mmr_slice key, enum mmr_audit_key id, struct mmr_slice val)
{
    if (r->n < MMR_AUDIT_FIELDS_MAX)
        r->f[r->n++] = (struct mmr_audit_field){key, val, id};
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
        enum mmr_audit_key id = key_of(key);
        if (++p >= end) {
            add(r, key, id, (struct mmr_slice){p, 0, 0});
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
        if (r->is_auoms && (id == MMR_AUDIT_PROCTITLE || id == MMR_AUDIT_CMDLINE)) {
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
            bool is_encoded = (id >= MMR_AUDIT_EXE && id <= MMR_AUDIT_ENCODED_LAST) || is_argument(r->type, key);
            if (!r->is_auoms && is_encoded)
                unhex(&val, start);
        }
        add(r, key, id, val);
    }
}

/* The kernel's own log has a type's number where auditd writes its name (linux/audit.h). */
static struct mmr_slice named_type(struct mmr_slice number)
{
    static const struct {
        char number[5];
        struct mmr_slice name;
    } types[] = {
        {"1006", MMR_SLICE("LOGIN")}, {"1100", MMR_SLICE("USER_AUTH")}, {"1101", MMR_SLICE("USER_ACCT")},
        {"1102", MMR_SLICE("USER_MGMT")}, {"1103", MMR_SLICE("CRED_ACQ")}, {"1104", MMR_SLICE("CRED_DISP")},
        {"1105", MMR_SLICE("USER_START")}, {"1106", MMR_SLICE("USER_END")}, {"1108", MMR_SLICE("USER_CHAUTHTOK")},
        {"1109", MMR_SLICE("USER_ERR")}, {"1112", MMR_SLICE("USER_LOGIN")}, {"1113", MMR_SLICE("USER_LOGOUT")},
        {"1114", MMR_SLICE("ADD_USER")}, {"1115", MMR_SLICE("DEL_USER")}, {"1116", MMR_SLICE("ADD_GROUP")},
        {"1117", MMR_SLICE("DEL_GROUP")}, {"1123", MMR_SLICE("USER_CMD")}, {"1130", MMR_SLICE("SERVICE_START")},
        {"1131", MMR_SLICE("SERVICE_STOP")}, {"1300", MMR_SLICE("SYSCALL")}, {"1302", MMR_SLICE("PATH")},
        {"1303", MMR_SLICE("IPC")}, {"1304", MMR_SLICE("SOCKETCALL")}, {"1305", MMR_SLICE("CONFIG_CHANGE")},
        {"1306", MMR_SLICE("SOCKADDR")}, {"1307", MMR_SLICE("CWD")}, {"1309", MMR_SLICE("EXECVE")},
        {"1318", MMR_SLICE("OBJ_PID")}, {"1320", MMR_SLICE("EOE")}, {"1321", MMR_SLICE("BPRM_FCAPS")},
        {"1325", MMR_SLICE("NETFILTER_CFG")}, {"1326", MMR_SLICE("SECCOMP")}, {"1327", MMR_SLICE("PROCTITLE")},
        {"1330", MMR_SLICE("KERN_MODULE")}, {"1334", MMR_SLICE("BPF")}, {"1400", MMR_SLICE("AVC")},
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (mmr_slice_is(number, types[i].number))
            return types[i].name;
    return number;
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
    *sp = '\0';
    if (r->type.n == 4 && r->type.p[0] == '1')
        r->type = named_type(r->type);
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

/* ---- grouping ---- */

void mmr_audit_groups_init(struct mmr_audit_groups *a)
{
    a->n = a->reserved = 0;
    a->cut = 0;
    for (unsigned i = 0; i < MMR_AUDIT_GROUPS_MAX; i++)
        a->order[i] = (uint8_t)i;
}

static void close_at(struct mmr_audit_groups *a, uint32_t pos, mmr_audit_done *done, void *ctx)
{
    uint8_t which = a->order[pos];
    done(ctx, &a->g[which]);
    memmove(a->order + pos, a->order + pos + 1, a->n - pos - 1);
    a->order[--a->n] = which; /* the slots behind n are free */
}

/* Where s stays as long as the group does: where it is, or in the group's text. NULL: the group is full. */
static const char *keep(struct mmr_audit_group *g, struct mmr_slice s, bool is_borrowed)
{
    char *at = g->text + g->used;
    if (MMR_AUDIT_GROUP_BYTES - g->used < s.n + 1)
        return NULL;
    g->used += s.n + 1;
    if (is_borrowed)
        return s.p;
    memcpy(at, s.p, s.n);
    at[s.n] = '\0';
    return at;
}

/* "?" and the like say that there is nothing */
static bool has_value(struct mmr_slice v)
{
    return v.n && !((v.p[0] == '?' || v.p[0] == '(') &&
                    (mmr_slice_is(v, "?") || mmr_slice_is(v, "(null)") || mmr_slice_is(v, "(none)")));
}

static void take(struct mmr_audit_groups *a, struct mmr_audit_group *g, const struct mmr_audit_rec *r, bool is_borrowed)
{
    const char *type = g->records < MMR_AUDIT_GROUP_RECORDS ? keep(g, r->type, is_borrowed) : NULL;
    if (!type) {
        a->cut += r->n;
        return;
    }
    g->type[g->records++] = (struct mmr_slice){type, r->type.n, 0};
    const struct mmr_audit_field node = {MMR_SLICE("node"), r->node, MMR_AUDIT_NODE};
    for (uint32_t i = 0; i <= r->n; i++) {
        const struct mmr_audit_field *f = i < r->n ? &r->f[i] : &node;
        const char *key, *val;
        if (!f->val.p || f->key.n > 100)
            continue;
        if (g->n >= MMR_AUDIT_GROUP_FIELDS || !(key = keep(g, f->key, is_borrowed)) || !(val = keep(g, f->val, is_borrowed))) {
            a->cut++;
            continue;
        }
        if (has_value(f->val))
            g->keys |= UINT64_C(1) << f->id;
        g->f[g->n++] = (struct mmr_audit_group_field){key, val, f->val.n, (uint16_t)f->key.n, (uint8_t)(g->records - 1), (uint8_t)f->id};
    }
}

/* Records of user space and of the daemon come alone; those of the kernel's syscall path in company. */
static bool is_alone(const struct mmr_audit_rec *r)
{
    static const struct mmr_slice together[] = {
        MMR_SLICE("SYSCALL"), MMR_SLICE("EXECVE"), MMR_SLICE("PATH"), MMR_SLICE("CWD"), MMR_SLICE("PROCTITLE"),
        MMR_SLICE("SOCKADDR"), MMR_SLICE("SOCKETCALL"), MMR_SLICE("IPC"), MMR_SLICE("FD_PAIR"), MMR_SLICE("OBJ_PID"),
        MMR_SLICE("MMAP"), MMR_SLICE("AVC"), MMR_SLICE("SELINUX_ERR"), MMR_SLICE("BPRM_FCAPS"), MMR_SLICE("CAPSET"),
        MMR_SLICE("EOE"), MMR_SLICE("NETFILTER_CFG"), MMR_SLICE("KERN_MODULE"), MMR_SLICE("CONFIG_CHANGE"),
        MMR_SLICE("SECCOMP"), MMR_SLICE("MQ_OPEN"), MMR_SLICE("MQ_SENDRECV"), MMR_SLICE("OPENAT2"), MMR_SLICE("BPF"),
        MMR_SLICE("EVENT_LISTENER"), MMR_SLICE("TIME_ADJNTPVAL"), MMR_SLICE("TIME_INJOFFSET"), MMR_SLICE("URINGOP"),
        MMR_SLICE("FANOTIFY"), MMR_SLICE("INTEGRITY_RULE"),
    };
    return r->is_auoms || !mmr_slice_in(r->type, together, sizeof together / sizeof together[0]);
}

void mmr_audit_add(struct mmr_audit_groups *a, const struct mmr_audit_rec *r, uint64_t index, mmr_audit_done *done, void *ctx)
{
    const int64_t late_ns = INT64_C(2000000000);
    bool is_end = mmr_slice_is(r->type, "EOE"), is_lone = false;
    uint32_t pos = 0;
    while (pos < a->n && (a->g[a->order[pos]].serial != r->serial || a->g[a->order[pos]].time_ns != r->time_ns))
        pos++;
    if (pos == a->n) {
        for (uint32_t i = 0; i < a->n;)
            if (r->time_ns - a->g[a->order[i]].time_ns > late_ns)
                close_at(a, i, done, ctx);
            else
                i++;
        if (a->n == MMR_AUDIT_GROUPS_MAX)
            close_at(a, 0, done, ctx);
        if (is_end)
            return;
        pos = a->n++;
        is_lone = is_alone(r);
        struct mmr_audit_group *g = &a->g[a->order[pos]];
        g->serial = r->serial;
        g->index = index;
        g->time_ns = r->time_ns;
        g->keys = 0;
        g->n = g->used = g->records = 0;
    }
    if (!is_end)
        take(a, &a->g[a->order[pos]], r, is_lone);
    if (is_end || is_lone)
        close_at(a, pos, done, ctx);
}

void mmr_audit_flush(struct mmr_audit_groups *a, mmr_audit_done *done, void *ctx)
{
    while (a->n)
        close_at(a, 0, done, ctx);
}
