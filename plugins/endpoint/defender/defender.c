/*
 * defender.c - Microsoft Defender on a PC as a linked defence: what it found becomes a finding, and what it did about it a
 * receipt for exactly that finding. Its own "done" proves nothing: the receipt is confirmed when for five minutes nothing
 * more was heard of the threat on a machine whose log still comes in.
 */
#include <mamori/plugin.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "outev.h"
#include "report.h"

enum { DETECTIONS_MAX = 1024, TICK_MS = 15000 };

struct defender_config {
    int64_t confirm_after;
};
struct detection { /* one found threat on one machine */
    bool is_used, is_done, is_confirmed, reserved[5];
    char host[64], key[64]; /* key: Detection ID, else the threat's name */
    char threat[160];
    char file[MMR_DEFENDER_FILES_MAX][MMR_DEFENDER_PATH_MAX + 1];
    uint32_t n_files;
    int64_t action;
    int64_t seen_ns, done_ns, heard_ns; /* heard: any event of that machine, event time */
};
struct defender_self {
    const struct mmr_host *host;
    const struct defender_config *config;
    struct detection *d;
    uint64_t refused;
    struct mmr_event_view view;
    struct mmr_outev out;
    uint8_t buf[32 * 1024];
    bool has_timer;
};

static const struct mmr_cfg_key config_keys[] = {
    MMR_CFG(struct defender_config, confirm_after, MMR_CFG_MSEC, 0, "5m", 60000, 86400000,
            "a removal counts as confirmed when the threat was not seen again for this long"),
    {0},
};

/* ---- what was found ---- */

static const char *key_of(const struct mmr_defender_report *r)
{
    return r->detection[0] ? r->detection : r->threat;
}

static struct detection *find(struct defender_self *s, const struct mmr_defender_report *r)
{
    for (size_t i = 0; i < DETECTIONS_MAX; i++)
        if (s->d[i].is_used && strcasecmp(s->d[i].host, r->host) == 0 && strncmp(s->d[i].key, key_of(r), sizeof s->d[i].key - 1) == 0)
            return &s->d[i];
    return NULL;
}

static struct detection *remember(struct defender_self *s, const struct mmr_defender_report *r)
{
    struct detection *d = find(s, r);
    for (size_t i = 0; !d && i < DETECTIONS_MAX; i++)
        if (!s->d[i].is_used)
            d = &s->d[i];
    for (size_t i = 0; !d && i < DETECTIONS_MAX; i++) /* the one seen longest ago makes room */
        d = i == 0 || s->d[i].seen_ns < d->seen_ns ? &s->d[i] : d;
    if (!d)
        d = &s->d[0];
    *d = (struct detection){.is_used = true, .n_files = r->n_files, .seen_ns = r->time_ns, .heard_ns = r->time_ns};
    (void)snprintf(d->host, sizeof d->host, "%s", r->host);
    (void)snprintf(d->key, sizeof d->key, "%.63s", key_of(r));
    (void)snprintf(d->threat, sizeof d->threat, "%s", r->threat);
    memcpy(d->file, r->file, sizeof d->file);
    return d;
}

static void begin(struct defender_self *s, const char *kind, uint32_t class_uid, uint32_t severity, const char *host, int64_t time_ns)
{
    char input[256];
    bool has_input = mmr_event_copy_str(&s->view, "mamori.input", input, sizeof input);
    struct mmr_origin from = {has_input ? input : NULL, (uint64_t)mmr_event_get_int(&s->view, "mamori.index", 0), time_ns};
    mmr_out_begin_severity(&s->out, s->buf, sizeof s->buf, kind, class_uid, 1, &from, severity);
    mmr_out_str(&s->out, "device.hostname", host);
}

static void finding(struct defender_self *s, const struct mmr_defender_report *r)
{
    static const char *const run[] = {"T1204"}, *const impair[] = {"T1562.001"};
    char text[400];
    bool is_off = r->what == MMR_DEFENDER_OFF;
    begin(s, "finding", MMR_CLASS_FINDING, is_off ? 3 : r->severity >= 4 ? 4 : 3, r->host, r->time_ns);
    struct mmr_outev *o = &s->out;
    mmr_out_str(o, "mamori.rule", is_off ? "mamori.defender.off" : "mamori.defender.found");
    mmr_out_str(o, "finding_info.title", is_off ? "Virus protection was switched off" : "Malware found by Microsoft Defender");
    mmr_out_str(o, "mamori.potential", is_off || r->severity < 4 ? "low" : "high");
    mmr_out_str(o, "mamori.phase", is_off || r->is_running ? "foothold.process" : "attempt.user");
    mmr_out_str(o, "mamori.direction", "local");
    mmr_out_strv(o, "mamori.attack", is_off ? impair : run, 1);
    if (r->n_files) {
        struct mmr_slice path = {r->file[0], (uint32_t)strlen(r->file[0]), 0};
        mmr_out_slice(o, "file.path", path);
        mmr_out_slice(o, "file.name", mmr_slice_base(path));
    }
    if (r->pid > 0)
        mmr_out_int(o, "process.pid", r->pid);
    mmr_out_account(o, "user.", (struct mmr_slice){r->user, (uint32_t)strlen(r->user), 0});
    if (r->process[0] && strcasecmp(r->process, "Unknown") != 0)
        mmr_out_str(o, "actor.process.file.path", r->process);
    (void)snprintf(text, sizeof text, is_off ? "Microsoft Defender on %.60s says that a protection was switched off%s%.200s" : "Microsoft Defender on %.60s found %s in %.200s",
                   r->host, is_off ? "" : r->threat[0] ? r->threat : "malware", is_off ? "" : r->n_files ? r->file[0] : "memory");
    mmr_out_str(o, "message", text);
    (void)mmr_event_emit(&o->ev, s->host);
}

/* ---- what was done ---- */

static void tell(struct defender_self *s, const struct detection *d, const char *result, const char *verify, int64_t time_ns, const char *detail)
{
    for (uint32_t i = 0; i < d->n_files; i++) {
        begin(s, "defence.report", MMR_CLASS_EVENT_LOG, 1, d->host, time_ns);
        mmr_out_str(&s->out, "unmapped.verb", d->action == MMR_DEFENDER_BLOCK ? "deny.exec" : "quarantine.file");
        mmr_out_str(&s->out, "unmapped.result", result);
        mmr_out_str(&s->out, "unmapped.verify", verify);
        mmr_out_str(&s->out, "file.path", d->file[i]);
        mmr_out_str(&s->out, "message", detail);
        (void)mmr_event_emit(&s->out.ev, s->host);
    }
}

static void refuse(struct defender_self *s, const struct mmr_defender_report *r, const char *why)
{
    char text[300];
    s->refused++;
    (void)snprintf(text, sizeof text, "defender.receipt_refused host=%.60s threat=%.80s refused=%" PRIu64 " why=\"%.100s\"", r->host, r->threat, s->refused, why);
    s->host->log(s->host->impl, MMR_LOG_WARN, text);
}

/* A receipt counts only for a threat that was found before, and for the very files it was found in. */
static bool names_its_files(const struct detection *d, const struct mmr_defender_report *r)
{
    for (uint32_t i = 0; i < d->n_files; i++) {
        bool is_there = false;
        for (uint32_t k = 0; k < r->n_files; k++)
            is_there |= strcasecmp(d->file[i], r->file[k]) == 0;
        if (!is_there)
            return false;
    }
    return d->n_files > 0;
}

static void acted(struct defender_self *s, const struct mmr_defender_report *r)
{
    char text[200];
    struct detection *d = find(s, r);
    if (!d) {
        refuse(s, r, "no detection of that threat on that machine was seen before");
        return;
    }
    if (r->is_cut || !names_its_files(d, r)) {
        refuse(s, r, "it does not name the files in which the threat was found");
        return;
    }
    bool is_removed = r->action == MMR_DEFENDER_CLEAN || r->action == MMR_DEFENDER_QUARANTINE || r->action == MMR_DEFENDER_REMOVE || r->action == MMR_DEFENDER_BLOCK;
    d->action = r->action;
    if (r->what == MMR_DEFENDER_FAILED || r->is_error || !is_removed) {
        bool is_allowed = r->action == MMR_DEFENDER_ALLOW || r->action == MMR_DEFENDER_NONE || r->action == MMR_DEFENDER_USER;
        d->is_done = false;
        (void)snprintf(text, sizeof text, is_allowed ? "%.100s was left where it is, by a person or a setting" : "Microsoft Defender could not remove %.100s", d->threat);
        tell(s, d, is_allowed ? "refused" : "failed", "none", r->time_ns, text);
        return;
    }
    d->is_done = true;
    d->is_confirmed = false;
    d->done_ns = d->heard_ns = r->time_ns;
    (void)snprintf(text, sizeof text, "Microsoft Defender says it %s %.100s; not confirmed yet", r->action == MMR_DEFENDER_BLOCK ? "blocked" : "removed", d->threat);
    tell(s, d, "applied", "none", r->time_ns, text);
    if (!s->has_timer)
        s->has_timer = s->host->set_timer(s->host->impl, TICK_MS, 1) == 0;
}

/* Seen again after it was said to be gone: it is not gone. */
static void found(struct defender_self *s, const struct mmr_defender_report *r)
{
    struct detection *d = find(s, r);
    for (size_t i = 0; i < DETECTIONS_MAX; i++) { /* under another number as well: the same threat in the same file */
        struct detection *o = &s->d[i];
        if (!o->is_used || !o->is_done || strcasecmp(o->host, r->host) != 0 || strcmp(o->threat, r->threat) != 0 || r->time_ns <= o->done_ns || !o->n_files || !r->n_files ||
            strcasecmp(o->file[0], r->file[0]) != 0)
            continue;
        o->is_done = false;
        tell(s, o, "applied", "refuted", r->time_ns, "it was found again after it was said to be gone");
    }
    if (d && d->is_done && r->time_ns <= d->done_ns)
        return; /* late news of what is done already */
    (void)remember(s, r);
    finding(s, r);
}

static void on_timer(void *self, uint64_t cookie)
{
    struct defender_self *s = self;
    bool is_open = false;
    (void)cookie;
    s->has_timer = false;
    for (size_t i = 0; i < DETECTIONS_MAX; i++) {
        struct detection *d = &s->d[i];
        if (!d->is_used || !d->is_done || d->is_confirmed)
            continue;
        /* its own clock has to pass: a machine that is silent confirms nothing */
        if (d->heard_ns - d->done_ns >= s->config->confirm_after * 1000000) {
            d->is_confirmed = true;
            s->view.n = 0;
            tell(s, d, "applied", "confirmed", d->heard_ns, "not seen again since, on a machine that is heard of");
        } else {
            is_open = true;
        }
    }
    if (is_open)
        s->has_timer = s->host->set_timer(s->host->impl, TICK_MS, 1) == 0;
}

/* ---- life ---- */

static int on_event(void *self, const void *msgpack, size_t len, struct mmr_error *err)
{
    struct defender_self *s = self;
    struct mmr_defender_report r;
    char host[64];
    int e = mmr_event_read(msgpack, len, &s->view, err);
    if (e != 0)
        return e;
    if (s->has_timer && mmr_event_copy_str(&s->view, "device.hostname", host, sizeof host)) {
        int64_t t = mmr_event_get_int(&s->view, "time", 0);
        for (size_t i = 0; i < DETECTIONS_MAX; i++)
            if (s->d[i].is_used && s->d[i].is_done && t > s->d[i].heard_ns && strcasecmp(s->d[i].host, host) == 0)
                s->d[i].heard_ns = t;
    }
    if (!mmr_defender_read(&s->view, &r))
        return 0;
    switch (r.what) {
    case MMR_DEFENDER_FOUND: found(s, &r); break;
    case MMR_DEFENDER_DONE:
    case MMR_DEFENDER_FAILED: acted(s, &r); break;
    case MMR_DEFENDER_OFF: finding(s, &r); break;
    }
    return 0;
}

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    struct defender_self *s = calloc(1, sizeof *s);
    if (s)
        s->d = calloc(DETECTIONS_MAX, sizeof *s->d);
    if (!s || !s->d) {
        free(s);
        return mmr_fail(err, MMR_ENOMEM, "defender: out of memory");
    }
    s->host = host;
    s->config = config;
    *ret_self = s;
    return 0;
}

static void destroy(void *self)
{
    struct defender_self *s = self;
    if (s)
        free(s->d);
    free(s);
}

static const struct mmr_analyzer_ops analyzer = {.struct_size = sizeof analyzer, .event = on_event};

MMR_PLUGIN(defender) = {
    MMR_PLUGIN_HEAD,
    .side = MMR_SIDE_ENDPOINT,
    .detects = MMR_DETECT_HOST,
    .flags = MMR_PLUGIN_LINKED,
    .id = "org.mamori.defender",
    .name = "defender",
    .version = "0.1.0",
    .vendor = "mamori",
    .license = "Apache-2.0",
    .doc = "Microsoft Defender as a linked defence: reads what it found and what it did from the PC's own log",
    .events = (const char *const[]){"finding", "defence.report", NULL},
    .subscribes = (const char *const[]){"log.record", NULL},
    .config = config_keys,
    .config_size = sizeof(struct defender_config),
    .create = create,
    .destroy = destroy,
    .on_timer = on_timer,
    .analyzer = &analyzer,
};
