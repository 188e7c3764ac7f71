/* dropped.c - remembers files that web or application servers wrote, and tells when one of them is run. The file events
 * come from the file sensor; either side may arrive first, so recent starts are remembered too. */
#include "proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"

enum { FILES = 1024, RECENT = 128, PATH_KEPT = 512 };
static const int64_t age_max_ns = INT64_C(600000000000);
static const int64_t late_max_ns = INT64_C(10000000000);

struct written {
    char path[PATH_KEPT];
    char sha256[65], service[17], writer_name[17];
    uint8_t is_used;
    uint32_t writer_pid;
    int64_t writer_ticks, time_ns;
};
struct recent {
    char path[PATH_KEPT];
    uint32_t pid;
    uint8_t is_script, is_used, reserved[2];
    int64_t start_ticks, time_ns;
};
struct mmr_dropped {
    struct mmr_proc *p;
    struct written files[FILES]; /* ways of 8 by hash of the path; the oldest of a way goes */
    struct recent recent[RECENT];
    uint32_t next, reserved;
};

int mmr_dropped_new(struct mmr_proc *p, struct mmr_dropped **ret, struct mmr_error *err)
{
    *ret = calloc(1, sizeof **ret);
    if (!*ret)
        return mmr_fail(err, MMR_ENOMEM, "written programs: out of memory");
    (*ret)->p = p;
    return 0;
}

void mmr_dropped_free(struct mmr_dropped *d)
{
    free(d);
}

static struct written *way_of(struct mmr_dropped *d, const char *path)
{
    uint64_t h = 14695981039346656037u;
    for (const char *c = path; *c; c++)
        h = (h ^ (uint8_t)*c) * 1099511628211u;
    return &d->files[(h ^ h >> 31) % (FILES / 8) * 8];
}

static void tell(struct mmr_dropped *d, const struct written *w, uint32_t pid, int64_t ticks, bool is_script, int64_t time_ns)
{
    static const char *const attack[] = {"T1105", "T1204.002"};
    struct mmr_proc *p = d->p;
    char text[900];
    const struct mmr_pentry *e = mmr_ptable_get(p->table, pid, ticks);
    /* a server that runs a script it wrote itself is often a build or job server */
    bool is_high = !is_script;
    if (!e)
        return;
    (void)snprintf(text, sizeof text, "%.400s runs as pid %u; %.16s (pid %u), which works for the server %.16s, wrote it %lld s before", w->path,
                   pid, w->writer_name, w->writer_pid, w->service, (long long)((time_ns - w->time_ns) / 1000000000));
    mmr_proc_begin(p, "finding", MMR_CLASS_FINDING, 1, time_ns, is_high ? 5 : 3);
    mmr_event_str(&p->ev, "mamori.rule", "mamori.proc.dropped_exec");
    mmr_event_str(&p->ev, "finding_info.title", "A program written by a network service was run");
    mmr_event_str(&p->ev, "message", text);
    mmr_event_str(&p->ev, "mamori.phase", "foothold.process");
    mmr_event_str(&p->ev, "mamori.potential", is_high ? "high" : "low");
    mmr_event_str(&p->ev, "mamori.direction", "local");
    mmr_event_strv(&p->ev, "mamori.attack", attack, 2);
    mmr_event_str(&p->ev, "file.path", w->path);
    if (w->sha256[0])
        mmr_event_str(&p->ev, "file.hashes.sha256", w->sha256);
    mmr_proc_put_process(p, e);
    mmr_event_str(&p->ev, "process.cmd_line", e->cmd_line);
    mmr_proc_put_parent(p, e);
    mmr_proc_send(p);
}

void mmr_dropped_file(struct mmr_dropped *d, const struct mmr_event_view *v)
{
    struct mmr_proc *p = d->p;
    char path[PATH_KEPT];
    size_t len = 0;
    if (!mmr_event_get_str(v, "file.path", &len) || len >= sizeof path || !mmr_event_copy_str(v, "file.path", path, sizeof path))
        return;
    int64_t pid = mmr_event_get_int(v, "process.pid", 0), ticks = mmr_event_get_int(v, "process.start_ticks", 0);
    int64_t time_ns = mmr_event_get_int(v, "time", 0);
    if (pid <= 0 || pid > INT32_MAX)
        return;
    const struct mmr_pentry *e = mmr_ptable_load(p->table, (uint32_t)pid, ticks);
    const struct mmr_pentry *service = e ? mmr_lineage_service(p->table, e) : NULL;
    if (!service)
        return;
    struct written *way = way_of(d, path), *at = way;
    for (int i = 0; i < 8; i++) {
        if (way[i].is_used && strcmp(way[i].path, path) == 0) {
            at = &way[i];
            break;
        }
        if (!way[i].is_used || (at->is_used && way[i].time_ns < at->time_ns))
            at = &way[i];
    }
    *at = (struct written){.is_used = 1, .writer_pid = e->pid, .writer_ticks = e->start_ticks, .time_ns = time_ns};
    memcpy(at->path, path, len + 1);
    memcpy(at->service, service->name, sizeof service->name);
    memcpy(at->writer_name, e->name, sizeof e->name);
    (void)mmr_event_copy_str(v, "file.hashes.sha256", at->sha256, sizeof at->sha256);
    for (int i = 0; i < RECENT; i++) { /* it was run before we heard that it was written */
        struct recent *r = &d->recent[i];
        if (!r->is_used || r->time_ns < time_ns || r->time_ns - time_ns > late_max_ns || strcmp(r->path, path) != 0)
            continue;
        r->is_used = 0;
        if (r->pid != at->writer_pid || r->start_ticks != at->writer_ticks)
            tell(d, at, r->pid, r->start_ticks, r->is_script, r->time_ns);
    }
}

static void check(struct mmr_dropped *d, const struct mmr_start *s, const char *path, bool is_script)
{
    if (!path || strlen(path) >= PATH_KEPT)
        return;
    struct written *way = way_of(d, path);
    for (int i = 0; i < 8; i++) {
        const struct written *w = &way[i];
        if (!w->is_used || strcmp(w->path, path) != 0)
            continue;
        int64_t age = s->time_ns - w->time_ns;
        if (age < age_max_ns && age > -late_max_ns && (w->writer_pid != s->pid || w->writer_ticks != s->start_ticks))
            tell(d, w, s->pid, s->start_ticks, is_script, s->time_ns);
        return;
    }
    if (!mmr_path_is_temporary(path))
        return;
    struct recent *r = &d->recent[d->next++ % RECENT];
    *r = (struct recent){.pid = s->pid, .is_script = is_script, .is_used = 1, .start_ticks = s->start_ticks, .time_ns = s->time_ns};
    memcpy(r->path, path, strlen(path) + 1);
}

void mmr_dropped_start(struct mmr_dropped *d, const struct mmr_start *s)
{
    check(d, s, s->path, false);
    check(d, s, s->script, true);
}
