/* tell.c - what differs, in words: an event for each, one for all that the package manager did, a finding for a packaged program that
 * is no longer what its package has, one hint for the rest. */
#include "integrity.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "names.h"
#include "procfs.h"

enum { SAID_MAX = 200 }; /* events of one batch; the rest is counted */

static void put(struct mmr_integrity *f, const char *key, const char *text)
{
    if (text && *text)
        mmr_event_str(&f->ev, key, text);
}

static void begin(struct mmr_integrity *f, const char *kind, uint32_t class_uid, uint32_t activity, uint32_t severity)
{
    mmr_event_begin(&f->ev, f->buf, sizeof f->buf, kind, class_uid, activity, f->host->now_ns(f->host->impl, MMR_CLOCK_WALL), severity);
    put(f, "device.hostname", f->hostname);
}

static void send(struct mmr_integrity *f)
{
    if (mmr_event_emit(&f->ev, f->host) == MMR_EAGAIN)
        f->batch.unsaid++;
}

void mmr_integrity_say(struct mmr_integrity *f, uint32_t severity, const char *detail, const char *text)
{
    f->host->log(f->host->impl, severity > 2 ? MMR_LOG_WARN : MMR_LOG_INFO, text);
    begin(f, "sensor.mode", MMR_CLASS_EVENT_LOG, 99, severity);
    put(f, "message", text);
    put(f, "status_detail", detail);
    send(f);
}

static void what_of(uint32_t diff, char *text, size_t cap)
{
    static const char *const words[] = {"content", "mode", "owner", "attributes", "kind", "added", "removed"};
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < sizeof words / sizeof words[0] && at < cap; i++)
        if (diff & 1u << i)
            at += (size_t)snprintf(text + at, cap - at, "%s%s", at ? ", " : "", words[i]);
}

static void state_in_words(const struct mmr_state *s, char *text, size_t cap)
{
    char hex[17];
    if (!s->kind) {
        (void)snprintf(text, cap, "not there");
        return;
    }
    (void)sodium_bin2hex(hex, sizeof hex, s->hash, 8);
    (void)snprintf(text, cap, "%s mode=%04o owner=%u:%u size=%llu blake2b=%s%s",
                   S_ISREG(s->kind) ? "file" : S_ISDIR(s->kind) ? "folder" : S_ISLNK(s->kind) ? "link" : "special", s->mode, s->uid, s->gid,
                   (unsigned long long)s->size, hex, s->has_caps ? " with capabilities" : "");
}

/* Does it give more power than before to who runs it? */
static bool is_gain(const struct mmr_state *before, const struct mmr_state *now)
{
    const uint32_t special = S_ISUID | S_ISGID;
    return S_ISREG(now->kind) && (now->mode & 0111) && ((now->mode & special & ~before->mode) || (now->has_caps && !before->has_caps));
}

static uint32_t activity_of(uint32_t diff)
{
    return diff & MMR_DIFF_ADDED ? 1 : diff & MMR_DIFF_REMOVED ? 4 : diff & (MMR_DIFF_CONTENT | MMR_DIFF_KIND) ? 3 : diff & MMR_DIFF_XATTRS ? 7 : 6;
}

static const struct mmr_pentry *put_process(struct mmr_integrity *f)
{
    char text[48];
    const struct mmr_pentry *e = f->is_live && f->at_pid ? mmr_ptable_load(f->table, f->at_pid, 0) : NULL;
    if (f->is_live && f->at_pid)
        mmr_event_int(&f->ev, "process.pid", f->at_pid);
    if (!e)
        return NULL;
    (void)snprintf(text, sizeof text, "%u:%lld", e->pid, (long long)e->start_ticks);
    mmr_event_int(&f->ev, "process.start_ticks", e->start_ticks);
    mmr_event_str(&f->ev, "process.uid", text);
    put(f, "process.name", e->name);
    put(f, "process.file.path", e->path);
    put(f, "process.cmd_line", e->cmd_line);
    put(f, "user.name", mmr_users_name(&f->users, e->uid, f->host->now_ns(f->host->impl, MMR_CLOCK_MONOTONIC)));
    return e;
}

static void put_difference(struct mmr_integrity *f, const struct mmr_state *before, uint32_t diff)
{
    char text[200], what[80];
    what_of(diff, what, sizeof what);
    mmr_event_str(&f->ev, "file.path", f->at);
    mmr_event_str(&f->ev, "file.name", mmr_name_base(f->at));
    put(f, "unmapped.What", what);
    state_in_words(before, text, sizeof text);
    put(f, "unmapped.Before", text);
    state_in_words(&f->looking.state, text, sizeof text);
    put(f, "unmapped.After", text);
    put(f, "unmapped.Noticed", f->is_live ? "when it happened" : "by looking through the places");
}

/* A finding of its own: this one alone says that something is wrong. */
static void find_one(struct mmr_integrity *f, const struct mmr_state *before, uint32_t diff, bool is_other)
{
    static const char *const replaced[] = {"T1554"}, *const raised[] = {"T1548.001"};
    char text[PATH_MAX + 200], what[80];
    what_of(diff, what, sizeof what);
    (void)snprintf(text, sizeof text, "%.1000s: %s changed; %s", f->at, what,
                   is_other ? "it is no longer what its package has on record" : "who runs it gets more rights than before");
    begin(f, "finding", MMR_CLASS_FINDING, 1, is_other ? 4 : 3);
    mmr_event_str(&f->ev, "mamori.rule", is_other ? "mamori.integrity.program" : "mamori.integrity.rights");
    mmr_event_str(&f->ev, "finding_info.title", is_other ? "A program of the system was replaced" : "A program was given more rights");
    mmr_event_str(&f->ev, "message", text);
    if (is_other)
        mmr_event_str(&f->ev, "mamori.phase", "foothold.process");
    mmr_event_str(&f->ev, "mamori.potential", is_other ? "high" : "low");
    mmr_event_str(&f->ev, "mamori.direction", "local");
    mmr_event_strv(&f->ev, "mamori.attack", is_other ? replaced : raised, 1);
    put_difference(f, before, diff);
    (void)put_process(f);
    send(f);
}

enum mmr_verdict mmr_integrity_judge(struct mmr_integrity *f, const struct mmr_row *row, uint32_t diff)
{
    const bool is_program = S_ISREG(f->looking.state.kind) && (diff & (MMR_DIFF_CONTENT | MMR_DIFF_ADDED | MMR_DIFF_KIND)) && (f->looking.state.mode & 0111);
    enum mmr_pkg_says says = MMR_PKG_UNKNOWN;
    if (is_program) { /* what packages have on record decides, whoever wrote it */
        if (!mmr_pkg_learn(f->pkg, 0)) {
            f->is_index_wanted = true;
            return MMR_VERDICT_WAIT;
        }
        says = mmr_pkg_ask(f->pkg, f->at);
    }
    if (says == MMR_PKG_SAME || (f->at_is_packaged && says != MMR_PKG_OTHER)) {
        f->batch.packaged++;
        return MMR_VERDICT_PACKAGED;
    }
    const bool is_raised = is_gain(&row->state, &f->looking.state);
    if (f->batch.changed < MMR_INTEGRITY_SAMPLE)
        (void)snprintf(f->batch.sample[f->batch.changed], sizeof f->batch.sample[0], "%.255s", f->at);
    f->batch.changed++;
    if (f->batch.changed > SAID_MAX && says != MMR_PKG_OTHER && !is_raised) {
        f->batch.unsaid++;
        return MMR_VERDICT_TOLD;
    }
    begin(f, "integrity.change", MMR_CLASS_FILE, activity_of(diff), 2);
    put_difference(f, &row->state, diff);
    (void)put_process(f);
    send(f);
    if (says == MMR_PKG_OTHER || is_raised)
        find_one(f, &row->state, diff, says == MMR_PKG_OTHER);
    return MMR_VERDICT_TOLD;
}

void mmr_integrity_summary(struct mmr_integrity *f)
{
    char text[1024];
    size_t at = 0;
    if (f->batch.packaged) {
        (void)snprintf(text, sizeof text, "the package manager changed %u files, links or folders", f->batch.packaged);
        begin(f, "integrity.change", MMR_CLASS_FILE, 3, 1);
        put(f, "message", text);
        put(f, "unmapped.What", "packages");
        mmr_event_int(&f->ev, "count", f->batch.packaged);
        send(f);
    }
    if (f->batch.changed) {
        at = (size_t)snprintf(text, sizeof text, "%u differ from what was agreed: ", f->batch.changed);
        for (uint32_t i = 0; i < f->batch.changed && i < MMR_INTEGRITY_SAMPLE && at < sizeof text; i++)
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%.200s", i ? ", " : "", f->batch.sample[i]);
        if (f->batch.changed > MMR_INTEGRITY_SAMPLE && at < sizeof text)
            (void)snprintf(text + at, sizeof text - at, " and more ('mamori integrity' lists them)");
        begin(f, "finding", MMR_CLASS_FINDING, 1, 1);
        mmr_event_str(&f->ev, "mamori.rule", "mamori.integrity.changed");
        mmr_event_str(&f->ev, "finding_info.title", "Files of the system were changed");
        mmr_event_str(&f->ev, "message", text);
        mmr_event_str(&f->ev, "mamori.potential", "info");
        mmr_event_str(&f->ev, "mamori.direction", "local");
        mmr_event_int(&f->ev, "count", f->batch.changed);
        put(f, "file.path", f->batch.sample[0]);
        send(f);
    }
    if (f->batch.unsaid) {
        (void)snprintf(text, sizeof text, "%u differences of files were only counted; 'mamori integrity' lists them", f->batch.unsaid);
        begin(f, "sensor.drops", MMR_CLASS_EVENT_LOG, 99, 2);
        put(f, "message", text);
        mmr_event_int(&f->ev, "count", f->batch.unsaid);
        (void)mmr_event_emit(&f->ev, f->host);
    }
    memset(&f->batch, 0, sizeof f->batch);
}
