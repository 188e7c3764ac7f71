/* ocsf_action.c - Remediation Activity (7001 to 7004) of one ordered action and its receipt. */
#include "model/ocsf_common.h"

#include "util/id.h"

#include <string.h>

enum { ACT_ISOLATE = 1, ACT_EVICT = 2, ACT_RESTORE = 3 };

struct shape {
    int class_uid, activity;
    const char *technique, *name, *tactic;
};

static struct shape shape_of(const struct mmr_action_rec *a)
{
    bool is_in = a->target.direction == MMR_DIR_INBOUND;
    switch (a->verb) {
    case MMR_VERB_BLOCK_ADDR:
        return is_in ? (struct shape){7004, ACT_ISOLATE, "D3-ITF", "Inbound Traffic Filtering", "Isolate"}
                     : (struct shape){7004, ACT_ISOLATE, "D3-OTF", "Outbound Traffic Filtering", "Isolate"};
    case MMR_VERB_BLOCK_NAME:
        return (struct shape){7004, ACT_ISOLATE, "D3-OTF", "Outbound Traffic Filtering", "Isolate"};
    case MMR_VERB_CUT_FLOW:
        return (struct shape){7004, ACT_EVICT, "D3-OTF", "Outbound Traffic Filtering", "Evict"};
    case MMR_VERB_KILL_PROCESS:
        return (struct shape){7003, ACT_EVICT, "D3-PT", "Process Termination", "Evict"};
    case MMR_VERB_FREEZE_PROCESS:
        return (struct shape){7003, ACT_ISOLATE, "D3-PS", "Process Suspension", "Evict"};
    case MMR_VERB_DENY_EXEC:
        return (struct shape){7002, ACT_ISOLATE, "D3-EDL", "Executable Denylisting", "Isolate"};
    case MMR_VERB_QUARANTINE_FILE:
        return (struct shape){7002, ACT_EVICT, "D3-FEV", "File Eviction", "Evict"};
    case MMR_VERB_REMOVE_AUTOSTART:
        return (struct shape){7001, ACT_EVICT, "D3-FEV", "File Eviction", "Evict"};
    case MMR_VERB_ISOLATE_HOST:
        return (struct shape){7001, ACT_ISOLATE, "D3-NI", "Network Isolation", "Isolate"};
    case MMR_VERB_LOCK_ACCOUNT:
        return (struct shape){7001, ACT_ISOLATE, "D3-AL", "Account Locking", "Evict"};
    default:
        return (struct shape){7001, ACT_ISOLATE, NULL, NULL, NULL};
    }
}

static int status_of(enum mmr_result r)
{
    switch (r) {
    case MMR_RESULT_APPLIED:
    case MMR_RESULT_ALREADY: return 1;
    case MMR_RESULT_PARTIAL: return 4;
    case MMR_RESULT_UNSUPPORTED: return 5;
    case MMR_RESULT_FAILED:
    case MMR_RESULT_REFUSED:
    case MMR_RESULT_TIMEOUT: return 2;
    case MMR_RESULT_NONE: break;
    }
    return 99;
}

static void target(struct mmr_js *w, const struct mmr_action_rec *a, int class_uid)
{
    const struct mmr_target *t = &a->target;
    char line[320], addr[MMR_ADDR_TEXT_MAX];
    mmr_target_format(a->verb, t, line, sizeof line);
    if (class_uid == 7004) {
        struct json_object *c = mmr_js_object(w, w->root, "connection_info");
        mmr_js_int(w, c, "direction_id", t->direction == MMR_DIR_INBOUND ? 1 : t->direction == MMR_DIR_OUTBOUND ? 2 : 0);
        mmr_js_text(w, c, "protocol_name", t->proto);
    } else if (class_uid == 7003) {
        struct json_object *p = mmr_js_object(w, w->root, "process");
        const char *name = t->text[0] ? t->text : t->exe;
        mmr_js_text(w, p, "name", name);
        if (t->pid > 0 && t->pid <= INT32_MAX)
            mmr_js_int(w, p, "pid", t->pid);
        else
            mmr_js_text(w, p, "uid", line);
    } else if (class_uid == 7002) {
        struct json_object *f = mmr_js_object(w, w->root, "file");
        const char *name = t->text;
        for (const char *p = t->text; *p; p++)
            if ((*p == '/' || *p == '\\') && p[1])
                name = p + 1;
        mmr_js_text(w, f, "name", name[0] ? name : "unknown");
        mmr_js_int(w, f, "type_id", 1);
        mmr_js_text(w, f, "path", t->text);
    }
    const struct mmr_addr *at = a->verb == MMR_VERB_CUT_FLOW ? &t->dst : &t->addr.addr;
    if (mmr_addr_is_set(at)) {
        struct json_object *o = json_object_new_object();
        mmr_addr_format(at, addr);
        mmr_js_int(w, o, "type_id", 2);
        mmr_js_text(w, o, "value", addr);
        mmr_js_push(w, mmr_js_array(w, w->root, "observables"), o);
    }
    mmr_js_text(w, w->root, "message", line);
}

int mmr_action_to_json(const struct mmr_action_rec *a, const struct mmr_incident *i, char **ret_json,
                       struct mmr_error *err)
{
    struct mmr_js w = {0};
    struct shape s = shape_of(a);
    const struct mmr_receipt *r = &a->receipt;
    char uid[MMR_UUID_TEXT_MAX], correlation[MMR_UUID_TEXT_MAX];
    uint8_t id[16];
    struct {
        uint64_t id, state;
        int64_t at;
    } seed = {a->id, (uint64_t)a->state, r->applied_ns};
    int64_t at = r->revoked_ns ? r->revoked_ns : r->applied_ns ? r->applied_ns : a->ordered_ns;
    if (a->state == MMR_STATE_UNDONE || a->state == MMR_STATE_EXPIRED)
        s.activity = ACT_RESTORE;
    mmr_uuid_of(&seed, sizeof seed, id);
    mmr_uuid_format(id, uid);
    if (i)
        mmr_uuid_format(i->uid, correlation);

    mmr_js_head(&w, s.class_uid, s.activity, at, 1);
    int status = status_of(r->result);
    mmr_js_int(&w, w.root, "status_id", status);
    if (status == 99)
        mmr_js_text(&w, w.root, "status", a->is_planned_only ? "Planned" : "Accepted");
    char command[20];
    (void)snprintf(command, sizeof command, "%016llx", (unsigned long long)a->id);
    mmr_js_text(&w, w.root, "command_uid", command);
    mmr_js_metadata(&w, uid, NULL, i ? correlation : NULL, 0);
    if (s.technique) {
        struct json_object *c = json_object_new_object();
        mmr_js_text(&w, mmr_js_object(&w, c, "d3f_tactic"), "name", s.tactic);
        struct json_object *t = mmr_js_object(&w, c, "d3f_technique");
        mmr_js_text(&w, t, "uid", s.technique);
        mmr_js_text(&w, t, "name", s.name);
        mmr_js_push(&w, mmr_js_array(&w, w.root, "countermeasures"), c);
    }
    target(&w, a, s.class_uid);
    mmr_js_text(&w, w.root, "status_detail", r->detail);
    struct json_object *m = mmr_js_object(&w, mmr_js_object(&w, w.root, "unmapped"), "mamori");
    mmr_js_text(&w, m, "verb", mmr_verb_name(a->verb));
    mmr_js_text(&w, m, "side", mmr_side_name(a->side));
    mmr_js_text(&w, m, "node", a->node);
    mmr_js_text(&w, m, "instance", a->instance);
    mmr_js_text(&w, m, "state", mmr_action_state_name(a->state));
    mmr_js_text(&w, m, "result", mmr_result_name(r->result));
    mmr_js_text(&w, m, "verified", mmr_verified_name(r->verified));
    if (r->verified_ns)
        mmr_js_int(&w, m, "verified_ns", r->verified_ns);
    if (r->expires_ns)
        mmr_js_time(&w, m, "expires", r->expires_ns);
    return mmr_js_end(&w, ret_json, err);
}
