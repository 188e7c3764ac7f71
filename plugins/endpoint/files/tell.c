/* tell.c - from a change to events: who did it, what it is now, whether it is a place programs are started from. */
#include "files.h"

#include <stdio.h>
#include <string.h>

#include "names.h"

static const struct {
    const char *kind;
    uint32_t activity;
} kinds[] = {
    [MMR_CHANGE_CREATE] = {"file.create", 1},
    [MMR_CHANGE_WRITE] = {"file.change", 3},
    [MMR_CHANGE_RENAME] = {"file.rename", 5},
    [MMR_CHANGE_DELETE] = {"file.delete", 4},
};

static int64_t wall(const struct mmr_files *f)
{
    return f->host->now_ns(f->host->impl, MMR_CLOCK_WALL);
}

static void put_some(struct mmr_files *f, const char *key, const char *text)
{
    if (text && *text)
        mmr_event_str(&f->ev, key, text);
}

static void begin(struct mmr_files *f, const char *kind, uint32_t class_uid, uint32_t activity, uint32_t severity)
{
    mmr_event_begin(&f->ev, f->buf, sizeof f->buf, kind, class_uid, activity, wall(f), severity);
    put_some(f, "device.hostname", f->hostname);
}

static void send(struct mmr_files *f)
{
    uint32_t len;
    if (mmr_event_end(&f->ev) != 0) {
        mmr_files_lose(f, 1);
        return;
    }
    if (!f->is_stopped && f->host->emit(f->host->impl, f->ev.buf, f->ev.len) != MMR_EAGAIN)
        return;
    len = (uint32_t)f->ev.len;
    if (f->pending_len + sizeof len + len > MMR_FILES_PENDING_BYTES) {
        mmr_files_lose(f, 1);
        return;
    }
    memcpy(f->pending + f->pending_len, &len, sizeof len);
    memcpy(f->pending + f->pending_len + sizeof len, f->ev.buf, len);
    f->pending_len += sizeof len + len;
    f->is_stopped = true;
}

bool mmr_files_flush(struct mmr_files *f)
{
    while (f->pending_at < f->pending_len) {
        uint32_t len;
        memcpy(&len, f->pending + f->pending_at, sizeof len);
        if (f->host->emit(f->host->impl, f->pending + f->pending_at + sizeof len, len) == MMR_EAGAIN)
            return false;
        f->pending_at += sizeof len + len;
    }
    f->pending_at = f->pending_len = 0;
    f->is_stopped = false;
    return true;
}

static void put_process(struct mmr_files *f, uint32_t pid, const struct mmr_pentry *e)
{
    char text[48];
    if (pid)
        mmr_event_int(&f->ev, "process.pid", pid);
    if (!e)
        return;
    (void)snprintf(text, sizeof text, "%u:%lld", e->pid, (long long)e->start_ticks);
    mmr_event_int(&f->ev, "process.start_ticks", e->start_ticks);
    mmr_event_str(&f->ev, "process.uid", text);
    put_some(f, "process.name", e->name);
    put_some(f, "process.file.path", e->path);
    put_some(f, "process.cmd_line", e->cmd_line);
    put_some(f, "user.name", mmr_users_name(&f->users, e->uid, f->host->now_ns(f->host->impl, MMR_CLOCK_MONOTONIC)));
    (void)snprintf(text, sizeof text, "%u", e->uid);
    mmr_event_str(&f->ev, "user.uid", text);
}

static void put_file(struct mmr_files *f, const struct mmr_change *c, const struct mmr_content *now)
{
    mmr_event_str(&f->ev, "file.path", c->path);
    mmr_event_str(&f->ev, "file.name", mmr_name_base(c->path));
    if (!now->is_there)
        return;
    mmr_event_int(&f->ev, "file.inode", (int64_t)now->inode);
    mmr_event_int(&f->ev, "file.device", (int64_t)now->device);
    put_some(f, "file.hashes.sha256", now->sha256);
}

static void find_autostart(struct mmr_files *f, const struct mmr_change *c, const struct mmr_content *now, const struct mmr_pentry *e)
{
    const char *what = NULL, *technique = mmr_persist_technique(c->path, &what), *why = NULL;
    struct mmr_persist_news news;
    char text[1400];
    /* a file that was only made now is told when it is closed; a link is whole at once */
    if (!technique || !now->is_there || !(c->is_written || now->is_link))
        return;
    mmr_persist_look(f->persist, c->path, &news);
    if (e) {
        mmr_ptable_mark_listeners(f->table);
        e = mmr_ptable_get(f->table, e->pid, e->start_ticks);
    }
    const struct mmr_pentry *service = e ? mmr_lineage_service(f->table, e) : NULL;
    if (e && mmr_path_is_temporary(e->path))
        why = "which runs from a temporary folder";
    else if (service)
        why = "which works for a network service";
    else if (e && mmr_lineage_has(f->table, e, MMR_NAME_FETCH))
        why = "which comes from a download";
    else if (news.is_temporary)
        why = "and it starts a program from a temporary folder";
    (void)snprintf(text, sizeof text, "%.300s (%s) was written by %.16s (pid %u)%s%s%s%s", c->path, what, e ? e->name : "a process", c->pid,
                   why ? ", " : "", why ? why : "", news.lines[0] ? ": " : "", news.lines);
    begin(f, "finding", MMR_CLASS_FINDING, 1, why ? 4 : 1);
    mmr_event_str(&f->ev, "mamori.rule", "mamori.files.autostart");
    mmr_event_str(&f->ev, "finding_info.title", "A place from which programs are started was changed");
    mmr_event_str(&f->ev, "message", text);
    if (why)
        mmr_event_str(&f->ev, "mamori.phase", "foothold.process");
    mmr_event_str(&f->ev, "mamori.potential", why ? "high" : "info");
    mmr_event_str(&f->ev, "mamori.direction", "local");
    mmr_event_strv(&f->ev, "mamori.attack", &technique, 1);
    mmr_event_str(&f->ev, "mamori.autostart", c->path);
    put_some(f, "mamori.autostart_entry", news.entry);
    put_file(f, c, now);
    put_process(f, c->pid, e);
    send(f);
}

void mmr_files_changed(struct mmr_files *f, const struct mmr_change *c)
{
    struct mmr_writer *k;
    const char *what;
    struct mmr_content now = {0};
    const struct mmr_pentry *e = mmr_who_find(f->who, c->pid, &k);
    if (k->is_own || k->is_foreign)
        return;
    if (f->is_told_starts && !c->is_late && (!e || mmr_late_is_waiting(f, c->pid)) && mmr_late_keep(f, c))
        return;
    bool is_over = mmr_who_is_over(f->who, k, e);
    bool is_start_place = mmr_persist_technique(c->path, &what) != NULL;
    if (is_over && !is_start_place && !mmr_path_is_temporary(c->path))
        return;
    if (c->kind != MMR_CHANGE_DELETE)
        mmr_content_look(c->path, c->is_written, f->config->hash_bytes, &now);
    if (is_over && !is_start_place && !now.is_executable)
        return;
    if (is_over)
        k->suppressed--;
    begin(f, kinds[c->kind].kind, MMR_CLASS_FILE, kinds[c->kind].activity, 1);
    put_file(f, c, &now);
    put_some(f, "unmapped.OldPath", c->old_path);
    put_process(f, c->pid, e);
    send(f);
    if (is_start_place && c->kind != MMR_CHANGE_DELETE)
        find_autostart(f, c, &now, e);
}

static void tell_suppressed(void *ctx, struct mmr_writer *k)
{
    struct mmr_files *f = ctx;
    char text[128];
    const struct mmr_pentry *e = mmr_ptable_get(f->table, k->pid, k->start_ticks > 0 ? k->start_ticks : 0);
    (void)snprintf(text, sizeof text, "%u changes of files by %.16s (pid %u) were only counted", k->suppressed, k->name, k->pid);
    begin(f, "sensor.drops", MMR_CLASS_EVENT_LOG, 99, 1);
    mmr_event_str(&f->ev, "message", text);
    mmr_event_int(&f->ev, "count", k->suppressed);
    put_process(f, k->pid, e);
    send(f);
}

void mmr_files_lose(struct mmr_files *f, uint64_t n)
{
    f->lost += n;
    if (!f->is_summary_due) {
        f->is_summary_due = true;
        (void)f->host->set_timer(f->host->impl, f->config->rate_window, MMR_FILES_TIMER_SUMMARY);
    }
}

void mmr_files_summary(struct mmr_files *f)
{
    char text[128];
    f->is_summary_due = false;
    mmr_who_summary(f->who, tell_suppressed, f);
    if (!f->lost)
        return;
    (void)snprintf(text, sizeof text, "at least %llu changes of files were lost", (unsigned long long)f->lost);
    begin(f, "sensor.drops", MMR_CLASS_EVENT_LOG, 99, 3);
    mmr_event_str(&f->ev, "message", text);
    mmr_event_int(&f->ev, "count", (int64_t)f->lost);
    f->lost = 0;
    send(f);
    f->host->log(f->host->impl, MMR_LOG_WARN, text);
}

void mmr_files_tell_mode(struct mmr_files *f, const char *mode, const char *text, bool is_full)
{
    f->host->log(f->host->impl, is_full ? MMR_LOG_INFO : MMR_LOG_WARN, text);
    begin(f, "sensor.mode", MMR_CLASS_EVENT_LOG, 99, is_full ? 1 : 2);
    mmr_event_str(&f->ev, "message", text);
    mmr_event_str(&f->ev, "status_detail", mode);
    send(f);
}
