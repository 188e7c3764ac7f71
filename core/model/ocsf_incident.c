/* ocsf_incident.c - Incident Finding (2005) with unmapped.mamori, the form of the command contract. */
#include "model/ocsf_common.h"

#include "util/id.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { CLASS_INCIDENT = 2005, ATTACKS_MAX = 32 };

static int severity_of(const struct mmr_incident *i)
{
    if (i->class_current == MMR_CLASS_OF_SEVERE)
        return i->band == MMR_BAND_RED ? 5 : 4;
    return i->class_current == MMR_CLASS_OF_NO_RESPONSE ? 1 : 3;
}

static int status_of(const struct mmr_incident *i)
{
    if (i->is_closed)
        return 5;
    if (i->class_current == MMR_CLASS_OF_DEFENDED || i->class_current == MMR_CLASS_OF_NO_RESPONSE)
        return 4;
    return i->n_actions ? 2 : 1;
}

static void endpoint(struct mmr_js *w, struct json_object *to, const char *key, const struct mmr_addr *a, uint16_t port)
{
    if (!mmr_addr_is_set(a))
        return;
    struct json_object *e = mmr_js_object(w, to, key);
    mmr_js_addr(w, e, "ip", a);
    if (port)
        mmr_js_int(w, e, "port", port);
}

static struct json_object *evidence(struct mmr_js *w, const struct mmr_evidence *e)
{
    const struct mmr_finding *f = e->finding;
    struct json_object *o = json_object_new_object();
    mmr_js_text(w, o, "side", mmr_side_name(f->side));
    mmr_js_time(w, o, "time", mmr_finding_time(f));
    mmr_js_text(w, o, "rule", f->rule ? f->rule : f->title ? f->title : f->kind);
    if (f->title && f->rule)
        mmr_js_text(w, o, "title", f->title);
    mmr_js_text(w, o, "phase", mmr_phase_name(f->phase));
    struct json_object *attack = mmr_js_array(w, o, "attack");
    for (uint32_t k = 0; k < f->n_attack; k++)
        mmr_js_push_text(w, attack, f->attack[k]);
    mmr_js_text(w, o, "what", f->what ? f->what : f->title);
    mmr_js_text(w, o, "host", f->host);
    endpoint(w, o, "src", &f->src, f->src_port);
    endpoint(w, o, "dst", &f->dst, f->dst_port);
    mmr_js_text(w, o, "proto", f->proto);
    mmr_js_text(w, o, "domain", f->domain);
    mmr_js_text(w, o, "url", f->url);
    if (f->process.name || f->process.pid || f->process.cmd_line) {
        struct json_object *p = mmr_js_object(w, o, "process");
        mmr_js_text(w, p, "name", f->process.name);
        if (f->process.pid)
            mmr_js_int(w, p, "pid", f->process.pid);
        mmr_js_text(w, p, "cmd_line", f->process.cmd_line);
        mmr_js_text(w, p, "path", f->process.path);
        mmr_js_text(w, p, "parent", f->process.parent_name);
    }
    mmr_js_text(w, o, "file", f->file);
    mmr_js_text(w, o, "user", f->user);
    if (e->count > 1)
        mmr_js_int(w, o, "count", e->count);
    if (e->last_ns > mmr_finding_time(f))
        mmr_js_time(w, o, "last", e->last_ns);
    if (f->estimate_ns)
        mmr_js_int(w, o, "clock_correction_ms", f->estimate_ns / 1000000);
    if (f->input) {
        struct json_object *in = mmr_js_object(w, o, "input");
        mmr_js_text(w, in, "file", f->input);
        mmr_js_int(w, in, "index", (int64_t)f->index);
    }
    return o;
}

static void addrs(struct mmr_js *w, struct json_object *to, const char *key, const struct mmr_addr *list, uint32_t n)
{
    char text[MMR_ADDR_TEXT_MAX];
    struct json_object *a = mmr_js_array(w, to, key);
    for (uint32_t k = 0; k < n && mmr_addr_is_set(&list[k]); k++) {
        mmr_addr_format(&list[k], text);
        mmr_js_push(w, a, json_object_new_string(text));
    }
}

static struct json_object *host(struct mmr_js *w, const struct mmr_host_ref *h)
{
    static const char *const roles[] = {"other", "victim", "attacker", "source"};
    struct json_object *o = json_object_new_object();
    mmr_js_text(w, o, "name", h->name);
    addrs(w, o, "ip", h->addr, 4);
    mmr_js_text(w, o, "role", roles[h->role & 3]);
    return o;
}

static struct json_object *action(struct mmr_js *w, const struct mmr_action_rec *a)
{
    char target[320];
    struct json_object *o = json_object_new_object();
    mmr_target_format(a->verb, &a->target, target, sizeof target);
    mmr_js_text(w, o, "verb", mmr_verb_name(a->verb));
    mmr_js_text(w, o, "side", mmr_side_name(a->side));
    mmr_js_text(w, o, "target", target);
    mmr_js_time(w, o, "at", a->ordered_ns);
    mmr_js_text(w, o, "mode", a->is_planned_only ? "planned" : "done");
    mmr_js_text(w, o, "state", mmr_action_state_name(a->state));
    mmr_js_text(w, o, "reason", a->reason);
    if (a->receipt.result != MMR_RESULT_NONE) {
        struct json_object *r = mmr_js_object(w, o, "receipt");
        mmr_js_text(w, r, "result", mmr_result_name(a->receipt.result));
        mmr_js_text(w, r, "verified", mmr_verified_name(a->receipt.verified));
        if (a->receipt.expires_ns)
            mmr_js_time(w, r, "expires", a->receipt.expires_ns);
        mmr_js_text(w, r, "detail", a->receipt.detail);
    }
    return o;
}

/* n_evidence: so many of its evidence are shown, the oldest. */
static void own(struct mmr_js *w, const struct mmr_incident *i, uint32_t n_evidence)
{
    struct json_object *m = mmr_js_object(w, mmr_js_object(w, w->root, "unmapped"), "mamori");
    unsigned sides = 0;
    mmr_js_text(w, m, "class", mmr_class_name(i->class_current));
    if (i->band == MMR_BAND_NONE) {
        if (m && json_object_object_add(m, "band", NULL) < 0)
            w->is_failed = true;
    } else {
        mmr_js_text(w, m, "band", mmr_band_name(i->band));
    }
    mmr_js_text(w, m, "notify", i->class_current == MMR_CLASS_OF_SEVERE ? "immediate" : "weekly");
    struct json_object *s = mmr_js_array(w, m, "sides");
    for (uint32_t k = 0; k < i->n_evidence; k++)
        sides |= (unsigned)i->evidence[k].finding->side;
    if (sides & MMR_SIDE_NETWORK)
        mmr_js_push(w, s, json_object_new_string("network"));
    if (sides & MMR_SIDE_ENDPOINT)
        mmr_js_push(w, s, json_object_new_string("endpoint"));
    struct json_object *a = mmr_js_array(w, m, "hosts");
    for (uint32_t k = 0; k < i->n_hosts; k++)
        mmr_js_push(w, a, host(w, &i->hosts[k]));
    addrs(w, m, "attackers", i->attackers, i->n_attackers);
    addrs(w, m, "victims", i->victims, i->n_victims);
    a = mmr_js_array(w, m, "evidence");
    for (uint32_t k = 0; k < n_evidence; k++)
        mmr_js_push(w, a, evidence(w, &i->evidence[k]));
    if (i->evicted || n_evidence < i->n_evidence)
        mmr_js_int(w, m, "evidence_left_out", (int64_t)i->evicted + i->n_evidence - n_evidence);
    if (w->text_max)
        mmr_js_int(w, m, "texts_cut_to", (int64_t)w->text_max);
    a = mmr_js_array(w, m, "joined_by");
    for (uint32_t k = 0; k < i->n_joins; k++) {
        struct json_object *j = json_object_new_object();
        mmr_js_text(w, j, "kind", mmr_entity_kind_name(i->joins[k].kind));
        mmr_js_text(w, j, "value", i->joins[k].value);
        mmr_js_push(w, a, j);
    }
    a = mmr_js_array(w, m, "actions");
    for (uint32_t k = 0; k < i->n_actions; k++)
        mmr_js_push(w, a, action(w, &i->actions[k]));
    a = mmr_js_array(w, m, "why");
    for (uint32_t k = 0; k < i->n_why; k++)
        mmr_js_push_text(w, a, i->why[k]);
    if (i->is_exercise)
        mmr_js_add(w, m, "exercise", json_object_new_boolean(1));
}

static void finding_list(struct mmr_js *w, const struct mmr_incident *i, uint32_t n_evidence)
{
    struct json_object *list = mmr_js_array(w, w->root, "finding_info_list");
    char uid[MMR_UUID_TEXT_MAX];
    for (uint32_t k = 0; k < n_evidence; k++) {
        const struct mmr_finding *f = i->evidence[k].finding;
        struct json_object *o = json_object_new_object();
        assert(f); /* evidence is its finding */
        mmr_uuid_format(f->id, uid);
        mmr_js_text(w, o, "uid", uid);
        mmr_js_text(w, o, "title", f->title ? f->title : f->rule);
        mmr_js_attacks(w, o, f->attack, f->n_attack);
        mmr_js_ms(w, o, "first_seen_time", mmr_finding_time(f));
        mmr_js_ms(w, o, "last_seen_time", i->evidence[k].last_ns);
        mmr_js_push(w, list, o);
    }
}

static void all_attacks(struct mmr_js *w, const struct mmr_incident *i)
{
    const char *ids[ATTACKS_MAX];
    uint32_t n = 0;
    for (uint32_t k = 0; k < i->n_evidence; k++)
        for (uint32_t a = 0; a < i->evidence[k].finding->n_attack && n < ATTACKS_MAX; a++) {
            const char *id = i->evidence[k].finding->attack[a];
            uint32_t m = 0;
            while (m < n && strcmp(ids[m], id) != 0)
                m++;
            if (m == n)
                ids[n++] = id;
        }
    mmr_js_attacks(w, w->root, ids, n);
}

static int write(const struct mmr_incident *i, int activity_id, size_t text_max, uint32_t evidence_max, char **ret_json, struct mmr_error *err)
{
    struct mmr_js w = {.text_max = text_max};
    const uint32_t n_evidence = i->n_evidence < evidence_max ? i->n_evidence : evidence_max;
    char uid[MMR_UUID_TEXT_MAX], text[256];
    const struct mmr_finding *main_one = NULL;
    for (uint32_t k = 0; k < i->n_evidence; k++) /* the gravest, then the furthest along, tells the story */
        if (!main_one || i->evidence[k].finding->potential > main_one->potential ||
            (i->evidence[k].finding->potential == main_one->potential &&
             i->evidence[k].finding->phase > main_one->phase))
            main_one = i->evidence[k].finding;
    mmr_uuid_format(i->uid, uid);
    mmr_js_head(&w, CLASS_INCIDENT, activity_id, i->last_ns, severity_of(i));
    mmr_js_ms(&w, w.root, "start_time", i->first_ns);
    mmr_js_ms(&w, w.root, "end_time", i->last_ns);
    mmr_js_int(&w, w.root, "status_id", status_of(i));
    (void)snprintf(text, sizeof text, "%.180s", main_one && main_one->title  ? main_one->title
                                                : main_one && main_one->rule ? main_one->rule
                                                                             : "incident");
    mmr_js_text(&w, w.root, "message", text);
    mmr_js_text(&w, mmr_js_object(&w, w.root, "assignee_group"), "name", "provider-soc");
    all_attacks(&w, i);
    mmr_js_metadata(&w, uid, "incident", uid, i->updated_ns);
    finding_list(&w, i, n_evidence);
    own(&w, i, n_evidence);
    return mmr_js_end(&w, ret_json, err);
}

int mmr_incident_to_json(const struct mmr_incident *i, int activity_id, char **ret_json, struct mmr_error *err)
{
    return write(i, activity_id, 0, UINT32_MAX, ret_json, err);
}

int mmr_incident_to_record(const struct mmr_incident *i, int activity_id, char **ret_json, struct mmr_error *err)
{
    /* 48: a UUID and a time are whole; 16 of each ceiling's worst are below the limit */
    static const struct {
        size_t text_max;
        uint32_t evidence_max;
    } tries[] = {{0, UINT32_MAX}, {1024, UINT32_MAX}, {256, UINT32_MAX}, {48, UINT32_MAX}, {48, 16}};
    for (size_t k = 0; k < sizeof tries / sizeof tries[0]; k++) {
        char *json = NULL;
        int r = write(i, activity_id, tries[k].text_max, tries[k].evidence_max, &json, err);
        if (r)
            return r;
        if (strlen(json) <= MMR_INCIDENT_RECORD_MAX) {
            *ret_json = json;
            return 0;
        }
        free(json);
    }
    return mmr_fail(err, MMR_ETOOBIG, "incident %016llx does not fit a record of %d bytes, however it is cut", (unsigned long long)i->id,
                    MMR_INCIDENT_RECORD_MAX);
}
