/* ocsf_finding.c - Detection Finding (2004) of one finding. */
#include "model/ocsf_common.h"

#include "model/record.h"
#include "util/id.h"

#include <string.h>

static void endpoint(struct mmr_js *w, struct json_object *to, const char *key, const struct mmr_addr *a, uint16_t port)
{
    if (!mmr_addr_is_set(a))
        return;
    struct json_object *e = mmr_js_object(w, to, key);
    mmr_js_addr(w, e, "ip", a);
    if (port)
        mmr_js_int(w, e, "port", port);
}

static int direction_of(enum mmr_direction d)
{
    return d == MMR_DIR_INBOUND ? 1 : d == MMR_DIR_OUTBOUND ? 2 : d == MMR_DIR_INTERNAL ? 3 : d == MMR_DIR_LOCAL ? 4 : 0;
}

static void file(struct mmr_js *w, struct json_object *to, const char *path, const char *sha256)
{
    const char *name = path;
    for (const char *p = path; *p; p++)
        if ((*p == '/' || *p == '\\') && p[1])
            name = p + 1;
    struct json_object *o = mmr_js_object(w, to, "file");
    mmr_js_text(w, o, "name", name);
    mmr_js_int(w, o, "type_id", 1);
    mmr_js_text(w, o, "path", path);
    if (sha256 && strlen(sha256) == 64) {
        struct json_object *h = json_object_new_object();
        mmr_js_int(w, h, "algorithm_id", 3);
        mmr_js_text(w, h, "value", sha256);
        mmr_js_push(w, mmr_js_array(w, o, "hashes"), h);
    }
}

static void process(struct mmr_js *w, struct json_object *to, const struct mmr_process *p)
{
    struct json_object *o = mmr_js_object(w, to, "process");
    mmr_js_text(w, o, "name", p->name);
    if (p->pid > 0 && p->pid <= INT32_MAX)
        mmr_js_int(w, o, "pid", p->pid);
    mmr_js_text(w, o, "uid", p->uid);
    mmr_js_text(w, o, "cmd_line", p->cmd_line);
    if (p->path && p->path[0])
        file(w, o, p->path, p->sha256);
    bool has_pid = p->parent_pid > 0 && p->parent_pid <= INT32_MAX;
    if (has_pid || (p->parent_uid && p->parent_uid[0])) {
        struct json_object *q = mmr_js_object(w, o, "parent_process");
        mmr_js_text(w, q, "name", p->parent_name);
        mmr_js_text(w, q, "uid", p->parent_uid);
        if (has_pid)
            mmr_js_int(w, q, "pid", p->parent_pid);
        mmr_js_text(w, q, "cmd_line", p->parent_cmd_line);
    }
}

/* "name\tvalue\n" lines: the record's own fields by their own names */
static void record(struct mmr_js *w, struct json_object *to, const char *p)
{
    struct json_object *o = mmr_js_object(w, to, "record");
    char line[MMR_RECORD_MAX];
    for (const char *nl; (nl = strchr(p, '\n')) != NULL; p = nl + 1) {
        size_t n = (size_t)(nl - p);
        const char *tab = memchr(p, '\t', n);
        if (!tab || n >= sizeof line)
            continue;
        memcpy(line, p, n);
        line[n] = line[tab - p] = '\0';
        mmr_js_text(w, o, line, line + (tab - p) + 1);
    }
}

int mmr_finding_to_json(const struct mmr_finding *f, char **ret_json, struct mmr_error *err)
{
    struct mmr_js w = {0};
    char uid[MMR_UUID_TEXT_MAX];
    mmr_uuid_format(f->id, uid);
    mmr_js_head(&w, MMR_CLASS_FINDING, 1, mmr_finding_time(f), (int)f->severity_id);
    mmr_js_int(&w, w.root, "status_id", 1);
    mmr_js_text(&w, w.root, "message", f->what ? f->what : f->title);
    mmr_js_metadata(&w, uid, NULL, NULL, f->received_ns);

    struct json_object *info = mmr_js_object(&w, w.root, "finding_info");
    mmr_js_text(&w, info, "uid", uid);
    mmr_js_text(&w, info, "title", f->title ? f->title : f->rule ? f->rule : f->kind);
    if (f->rule) {
        struct json_object *a = mmr_js_object(&w, info, "analytic");
        mmr_js_int(&w, a, "type_id", 1);
        mmr_js_text(&w, a, "uid", f->rule);
    }
    mmr_js_attacks(&w, info, f->attack, f->n_attack);
    mmr_js_ms(&w, info, "first_seen_time", mmr_finding_time(f));

    struct json_object *e = json_object_new_object();
    bool has_flow = mmr_addr_is_set(&f->src) || mmr_addr_is_set(&f->dst);
    endpoint(&w, e, "src_endpoint", &f->src, f->src_port);
    if (!mmr_addr_is_set(&f->src) && f->src_name && f->src_name[0])
        mmr_js_text(&w, mmr_js_object(&w, e, "src_endpoint"), "hostname", f->src_name);
    endpoint(&w, e, "dst_endpoint", &f->dst, f->dst_port);
    if (has_flow) {
        struct json_object *c = mmr_js_object(&w, e, "connection_info");
        mmr_js_int(&w, c, "direction_id", direction_of(f->direction));
        mmr_js_text(&w, c, "protocol_name", f->proto);
    }
    /* OCSF has a process only with an identity; our own part takes a bare name too */
    bool has_process = (f->process.pid > 0 && f->process.pid <= INT32_MAX) || (f->process.uid && f->process.uid[0]);
    if (has_process)
        process(&w, e, &f->process);
    if (f->file && f->file[0])
        file(&w, e, f->file, f->sha256);
    mmr_js_text(&w, f->user ? mmr_js_object(&w, e, "user") : e, "name", f->user);
    if (f->domain && f->domain[0])
        mmr_js_text(&w, mmr_js_object(&w, e, "query"), "hostname", f->domain);
    if (json_object_object_length(e) > 0) /* OCSF has no empty evidence */
        mmr_js_push(&w, mmr_js_array(&w, w.root, "evidences"), e);
    else
        json_object_put(e);
    if (f->host || mmr_addr_is_set(&f->host_addr)) {
        struct json_object *d = mmr_js_object(&w, w.root, "device");
        mmr_js_int(&w, d, "type_id", 0);
        mmr_js_text(&w, d, "hostname", f->host);
        mmr_js_addr(&w, d, "ip", &f->host_addr);
    }
    struct json_object *m = mmr_js_object(&w, mmr_js_object(&w, w.root, "unmapped"), "mamori");
    mmr_js_text(&w, m, "side", mmr_side_name(f->side));
    mmr_js_text(&w, m, "phase", mmr_phase_name(f->phase));
    mmr_js_text(&w, m, "direction", mmr_direction_name(f->direction));
    mmr_js_text(&w, m, "potential", mmr_potential_name(f->potential));
    mmr_js_text(&w, m, "node", f->node);
    mmr_js_text(&w, m, "plugin", f->plugin);
    mmr_js_addr(&w, m, "src", &f->src);
    mmr_js_text(&w, m, "host", f->host);
    if (f->process.name || f->process.path || f->process.pid) { /* as in an incident's evidence */
        struct json_object *p = mmr_js_object(&w, m, "process");
        mmr_js_text(&w, p, "name", f->process.name);
        if (f->process.pid)
            mmr_js_int(&w, p, "pid", f->process.pid);
        mmr_js_text(&w, p, "path", f->process.path);
    }
    mmr_js_text(&w, m, "user", f->user);
    if (f->record)
        record(&w, m, f->record);
    if (f->input) {
        struct json_object *in = mmr_js_object(&w, m, "input");
        mmr_js_text(&w, in, "file", f->input);
        mmr_js_int(&w, in, "index", (int64_t)f->index);
    }
    return mmr_js_end(&w, ret_json, err);
}
