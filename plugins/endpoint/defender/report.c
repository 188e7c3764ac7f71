/* report.c - field names as Defender writes them in EventData ("Threat Name"; senders may leave out the space). */
#include "report.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The field under either spelling; with_space is the longer one. */
static const struct mmr_value *field(const struct mmr_event_view *v, const char *with_space)
{
    char key[MMR_EVENT_KEY_MAX + 1] = "unmapped.";
    const struct mmr_value *r;
    for (int turn = 0; turn < 3; turn++) {
        size_t n = 9;
        for (const char *p = with_space; *p && n < MMR_EVENT_KEY_MAX; p++)
            if (*p != ' ' || turn != 1)
                key[n++] = turn == 2 && *p == ' ' ? '_' : *p;
        key[n] = '\0';
        if ((r = mmr_event_get(v, key)))
            return r;
    }
    return NULL;
}

static bool text(const struct mmr_value *f, char *out, size_t cap)
{
    out[0] = '\0';
    if (!f || f->type != MMR_VAL_STR || f->len >= cap || memchr(f->p, '\0', f->len))
        return false;
    memcpy(out, f->p, f->len);
    out[f->len] = '\0';
    return f->len > 0;
}

static int64_t number(const struct mmr_value *f)
{
    char t[24];
    if (f && f->type == MMR_VAL_INT)
        return f->n.i;
    return text(f, t, sizeof t) ? strtoll(t, NULL, 0) : 0;
}

static const struct {
    const char *code;
    enum mmr_defender_what what;
} rows[] = {
    {"1116", MMR_DEFENDER_FOUND}, {"1006", MMR_DEFENDER_FOUND}, {"1117", MMR_DEFENDER_DONE}, {"1007", MMR_DEFENDER_DONE},
    {"1118", MMR_DEFENDER_FAILED}, {"1119", MMR_DEFENDER_FAILED}, {"1008", MMR_DEFENDER_FAILED}, {"5001", MMR_DEFENDER_OFF},
    {"5010", MMR_DEFENDER_OFF}, {"5012", MMR_DEFENDER_OFF},
};

/* "file:_C:\a.exe; containerfile:_C:\b.zip; file:_C:\b.zip->x.exe; process:_pid:12,ProcessStart:13": files, each once. */
static void paths(const struct mmr_value *f, struct mmr_defender_report *r)
{
    const char *p = f && f->type == MMR_VAL_STR ? (const char *)f->p : NULL, *end = p ? p + f->len : NULL;
    while (p && p < end) {
        const char *semi = memchr(p, ';', (size_t)(end - p)), *stop = semi ? semi : end;
        while (p < stop && *p == ' ')
            p++;
        const char *mark = memmem(p, (size_t)(stop - p), ":_", 2);
        size_t kind = mark ? (size_t)(mark - p) : 0;
        bool is_file = kind == 4 && strncasecmp(p, "file", 4) == 0, is_container = kind == 13 && strncasecmp(p, "containerfile", 13) == 0;
        if (kind == 7 && strncasecmp(p, "process", 7) == 0 && (size_t)(stop - mark) > 6 && memcmp(mark + 2, "pid:", 4) == 0)
            r->pid = strtoll(mark + 6, NULL, 10);
        r->is_running |= (kind == 7 && strncasecmp(p, "process", 7) == 0) || (kind == 8 && strncasecmp(p, "behavior", 8) == 0);
        if (is_file || is_container) {
            const char *at = mark + 2, *inside = memmem(at, (size_t)(stop - at), "->", 2);
            size_t n = (size_t)((inside ? inside : stop) - at);
            bool is_known = false;
            r->is_container |= is_container || inside;
            for (uint32_t i = 0; i < r->n_files; i++)
                is_known |= strlen(r->file[i]) == n && strncasecmp(r->file[i], at, n) == 0;
            if (!is_known && n && n <= MMR_DEFENDER_PATH_MAX && r->n_files < MMR_DEFENDER_FILES_MAX)
                memcpy(r->file[r->n_files++], at, n); /* the rest is zero already */
            else
                r->is_cut |= !is_known && n;
        }
        p = semi ? semi + 1 : end;
    }
}

bool mmr_defender_read(const struct mmr_event_view *v, struct mmr_defender_report *ret)
{
    static const char log[] = "Microsoft-Windows-Windows Defender/Operational";
    char name[80], code[16];
    struct mmr_defender_report r = {0};
    if (!mmr_event_copy_str(v, "metadata.log_name", name, sizeof name) || strcasecmp(name, log) != 0 ||
        !mmr_event_copy_str(v, "metadata.event_code", code, sizeof code))
        return false;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(code, rows[i].code) == 0)
            r.what = rows[i].what;
    if (!r.what || !mmr_event_copy_str(v, "device.hostname", r.host, sizeof r.host))
        return false;
    r.time_ns = mmr_event_get_int(v, "time", 0);
    (void)text(field(v, "Threat Name"), r.threat, sizeof r.threat);
    (void)text(field(v, "Detection ID"), r.detection, sizeof r.detection);
    (void)text(field(v, "Process Name"), r.process, sizeof r.process);
    if (!text(field(v, "Detection User"), r.user, sizeof r.user))
        (void)text(field(v, "Remediation User"), r.user, sizeof r.user);
    r.severity = number(field(v, "Severity ID"));
    r.action = number(field(v, "Action ID"));
    int64_t execution = number(field(v, "Execution ID")), error = number(field(v, "Error Code"));
    r.is_running = execution == 2 || execution == 3;
    r.is_error = error != 0;
    paths(field(v, "Path"), &r);
    *ret = r;
    return true;
}
