/* starts.c - program starts and ends: from a kernel record or a /proc entry to a whole start, the table and the events. */
#include "proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "procfs.h"

bool mmr_proc_in_scope(const struct mmr_proc *p, uint32_t pid)
{
    if (p->scope == MMR_PROC_NETNS)
        return mmr_procfs_netns(pid) == p->netns;
    return p->scope != MMR_PROC_CGROUP || mmr_procfs_same_cgroup(pid);
}

/* Components from the leaf up, each with its NUL, made a path. */
static void join_path(const char *parts, size_t len, char *ret, size_t cap)
{
    size_t at = 0;
    while (len > 1 && at + 2 < cap) {
        size_t end = len - 1, begin = end; /* parts[end] is this component's NUL */
        while (begin > 0 && parts[begin - 1] != '\0')
            begin--;
        size_t n = end - begin;
        n = n < cap - at - 2 ? n : cap - at - 2;
        ret[at++] = '/';
        memcpy(ret + at, parts + begin, n);
        at += n;
        len = begin;
    }
    if (!at)
        ret[at++] = '/';
    ret[at] = '\0';
}

static void strip_deleted(char *path)
{
    static const char mark[] = " (deleted)";
    size_t n = strlen(path);
    if (n > sizeof mark - 1 && strcmp(path + n - (sizeof mark - 1), mark) == 0)
        path[n - (sizeof mark - 1)] = '\0';
}

/* The first argument that is no option of an interpreter: the script it runs. args: NUL between. */
static const char *find_script(struct mmr_proc *p, const char *args, size_t len, const char *cwd)
{
    size_t at = strnlen(args, len) + 1;
    for (int i = 0; i < 4 && at < len; i++) {
        const char *a = args + at;
        size_t n = strnlen(a, len - at);
        at += n + 1;
        if (n < 2 || *a == '-')
            continue;
        if (*a == '/')
            (void)snprintf(p->script, sizeof p->script, "%.*s", (int)n, a);
        else
            (void)snprintf(p->script, sizeof p->script, "%.4000s/%.*s", cwd ? cwd : "", (int)n, strncmp(a, "./", 2) == 0 ? a + 2 : a);
        return p->script;
    }
    return NULL;
}

static bool is_interpreter(const char *path)
{
    return mmr_name_traits(mmr_name_base(path)) & (MMR_NAME_SHELL | MMR_NAME_RUNTIME);
}

/* What is only the beginning of a value, by name: a rule that finds nothing there has not seen all. */
static void put_cut(struct mmr_proc *p, const struct mmr_start *s, const struct mmr_pentry *e)
{
    const char *names[2];
    size_t n = 0;
    const struct mmr_pentry *up = mmr_ptable_parent(p->table, e);
    if (s->is_cmd_cut)
        names[n++] = "process.cmd_line";
    if (up && strlen(up->cmd_line) >= MMR_PTABLE_CMD_MAX)
        names[n++] = "process.parent_process.cmd_line";
    if (n)
        mmr_event_strv(&p->ev, "mamori.cut", names, n);
}

static void started(struct mmr_proc *p, const struct mmr_start *s)
{
    struct mmr_pnew row = {.pid = s->pid, .ppid = s->ppid, .uid = s->uid, .is_started = true, .start_ticks = s->start_ticks,
                           .parent_ticks = s->parent_ticks, .seen_ns = s->time_ns, .name = s->name, .path = s->path,
                           .cmd_line = s->cmd_line, .container = s->container};
    if (s->ppid)
        (void)mmr_ptable_load(p->table, s->ppid, s->parent_ticks);
    const struct mmr_pentry *e = mmr_ptable_put(p->table, &row);
    if (!e) {
        mmr_proc_lose(p, 1);
        return;
    }
    mmr_proc_begin(p, "process.start", MMR_CLASS_PROCESS, 1, s->time_ns, 1);
    mmr_proc_put_process(p, e);
    if (strlen(s->cmd_line ? s->cmd_line : "") <= MMR_PTABLE_CMD_MAX) /* else the table's copy is cut */
        mmr_event_str(&p->ev, "process.cmd_line", e->cmd_line);
    else
        mmr_event_str(&p->ev, "process.cmd_line", s->cmd_line);
    put_cut(p, s, e);
    mmr_event_str(&p->ev, "process.working_directory", s->cwd);
    if (e->container[0])
        mmr_event_str(&p->ev, "process.container", e->container);
    mmr_proc_put_parent(p, e);
    mmr_proc_send(p);
    mmr_missed_told(p->missed, s->start_ticks);
    mmr_proc_judge_start(p, s);
    mmr_dropped_start(p->dropped, s);
}

/* The kernel's chain of ancestors into the table, so that a parent that is gone still has a name and a parent. */
static void learn_ancestors(struct mmr_proc *p, const struct mmr_rec_exec *r)
{
    for (int i = MMR_REC_ANCESTORS - 1; i >= 0; i--) {
        const struct mmr_rec_ancestor *a = &r->up[i];
        const struct mmr_rec_ancestor *above = i + 1 < MMR_REC_ANCESTORS && r->up[i + 1].pid ? &r->up[i + 1] : NULL;
        int64_t ticks = (int64_t)(a->start_ns / MMR_PROC_TICK_NS);
        if (!a->pid)
            continue;
        struct mmr_pentry *e = mmr_ptable_load(p->table, a->pid, ticks);
        if (!e) {
            char name[17];
            (void)snprintf(name, sizeof name, "%.16s", a->comm);
            struct mmr_pnew row = {.pid = a->pid, .uid = r->uid, .start_ticks = ticks, .name = name};
            e = mmr_ptable_put(p->table, &row);
        }
        if (e && above && !e->parent_ticks) {
            e->ppid = above->pid;
            e->parent_ticks = (int64_t)(above->start_ns / MMR_PROC_TICK_NS);
        }
    }
}

void mmr_proc_exec_record(struct mmr_proc *p, const struct mmr_rec_exec *r, size_t len, int64_t wall_ns)
{
    const char *data = (const char *)(r + 1);
    char name[17], box[13], cgroup[97];
    if (len < sizeof *r + (size_t)r->path_len + r->cwd_len + r->args_len || r->args_len > MMR_REC_ARGS_MAX)
        return;
    struct mmr_start s = {.pid = r->h.pid, .uid = r->uid, .start_ticks = (int64_t)(r->h.start_ns / MMR_PROC_TICK_NS),
                          .ppid = r->up[0].pid, .parent_ticks = (int64_t)(r->up[0].start_ns / MMR_PROC_TICK_NS),
                          .exe_dev = r->exe_dev, .exe_ino = r->exe_ino, .time_ns = wall_ns, .name = name, .path = p->path,
                          .cmd_line = p->cmd, .cwd = p->cwd, .socket_mask = r->socket_mask, .sock = r->sock};
    (void)snprintf(name, sizeof name, "%.16s", r->comm);
    (void)snprintf(cgroup, sizeof cgroup, "%.96s", r->cgroup);
    if (mmr_procfs_container(cgroup, box))
        s.container = box;
    join_path(data, r->path_len, p->path, sizeof p->path);
    if (r->is_path_cut && mmr_procfs_link(s.pid, "exe", p->path, sizeof p->path))
        strip_deleted(p->path);
    join_path(data + r->path_len, r->cwd_len, p->cwd, sizeof p->cwd);
    if (r->is_cwd_cut && mmr_procfs_link(s.pid, "cwd", p->cwd, sizeof p->cwd))
        strip_deleted(p->cwd);

    const char *args = data + r->path_len + r->cwd_len;
    s.script = is_interpreter(p->path) ? find_script(p, args, r->args_len, p->cwd) : NULL;
    memcpy(p->cmd, args, r->args_len);
    size_t n = mmr_procfs_join_args(p->cmd, r->args_len);
    p->cmd[n] = '\0';
    if (r->args_total > r->args_len && n) {
        char whole[MMR_PROC_CMD_MAX + 1];
        size_t m = mmr_procfs_cmdline(s.pid, whole, sizeof whole);
        s.is_cmd_cut = true;
        if (m > n && memcmp(whole, p->cmd, n) == 0) { /* it has not become another program meanwhile */
            memcpy(p->cmd, whole, m + 1);
            s.is_cmd_cut = m == MMR_PROC_CMD_MAX;
        }
    }
    learn_ancestors(p, r);
    started(p, &s);
}

void mmr_proc_exec_pid(struct mmr_proc *p, uint32_t pid, int64_t time_ns)
{
    struct mmr_pstat st;
    char cgroup[256], box[13];
    struct mmr_start s = {.pid = pid, .time_ns = time_ns, .path = p->path, .cmd_line = p->cmd, .cwd = p->cwd};
    if (!mmr_proc_in_scope(p, pid) || !mmr_procfs_stat(pid, &st))
        return;
    s.start_ticks = st.start_ticks;
    s.ppid = st.ppid;
    s.name = st.comm;
    (void)mmr_procfs_uid(pid, &s.uid);
    if (mmr_procfs_link(pid, "exe", p->path, sizeof p->path))
        strip_deleted(p->path);
    if (mmr_procfs_link(pid, "cwd", p->cwd, sizeof p->cwd))
        strip_deleted(p->cwd);
    s.is_cmd_cut = mmr_procfs_cmdline(pid, p->cmd, sizeof p->cmd) == MMR_PROC_CMD_MAX;
    if (mmr_procfs_cgroup(pid, cgroup, sizeof cgroup) && mmr_procfs_container(cgroup, box))
        s.container = box;
    const struct mmr_pentry *up = s.ppid ? mmr_ptable_load(p->table, s.ppid, 0) : NULL;
    if (up && up->start_ticks <= s.start_ticks)
        s.parent_ticks = up->start_ticks;
    for (int fd = 0; is_interpreter(p->path) && fd < 3; fd++) {
        uint64_t inode = mmr_procfs_socket(pid, fd);
        struct mmr_rec_tuple t;
        if (inode && mmr_conns_by_inode(p->conns, inode, &t)) {
            s.sock = t;
            s.socket_mask |= 1u << fd;
        }
    }
    started(p, &s);
}

void mmr_proc_ended(struct mmr_proc *p, uint32_t pid, int64_t start_ticks, bool has_code, int code, int64_t time_ns)
{
    struct mmr_pentry *e = mmr_ptable_get(p->table, pid, start_ticks);
    if (!e || e->is_exited)
        return;
    e->is_exited = 1;
    e->is_touched = 0;
    if (!e->is_started || !p->config->exits) /* a copy of its parent that never started a program */
        return;
    mmr_proc_begin(p, "process.exit", MMR_CLASS_PROCESS, 2, time_ns, 1);
    mmr_proc_put_process(p, e);
    if (has_code)
        mmr_event_int(&p->ev, "exit_code", code & 0x7f ? 128 + (code & 0x7f) : (code >> 8) & 0xff);
    mmr_proc_send(p);
}
