/* answer.c - what the brain says when asked over the control socket: one JSON object a request. */
#include "brain/live.h"

#include "brain/membership.h"
#include "brain/request.h"
#include "brain/uplink.h"
#include "plugin/describe.h"
#include "plugin/roles.h"
#include "util/clock.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

static void add_str(struct json_object *o, const char *key, const char *text)
{
    json_object_object_add(o, key, json_object_new_string(text));
}

static void add_int(struct json_object *o, const char *key, uint64_t v)
{
    json_object_object_add(o, key, json_object_new_int64((int64_t)v));
}

static void add_bool(struct json_object *o, const char *key, bool v)
{
    json_object_object_add(o, key, json_object_new_boolean(v));
}

struct counts {
    unsigned open, by_class[MMR_CLASS_OF_SEVERE + 1];
};

static int count_row(void *ctx, const struct mmr_incident_row *row)
{
    struct counts *c = ctx;
    c->open++;
    if ((unsigned)row->class_current <= MMR_CLASS_OF_SEVERE)
        c->by_class[row->class_current]++;
    return 0;
}

static struct json_object *nodes_json(const struct mmr_live *l)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < l->roster.n_nodes; i++) {
        const struct mmr_roster_node *n = &l->roster.nodes[i];
        struct json_object *o = json_object_new_object();
        struct mmr_site_clock clock;
        add_str(o, "name", n->name);
        add_str(o, "hostname", n->hostname);
        add_bool(o, "up", n->is_up);
        add_bool(o, "lost", n->is_lost);
        if (!n->is_up && n->down_ns)
            add_int(o, "away_s", (uint64_t)((mmr_clock_wall_ns() - n->down_ns) / MMR_NS_PER_S));
        add_str(o, "instances", n->sensors);
        add_int(o, "responders", n->n_responder);
        add_int(o, "caps", n->caps);
        if (l->hub && mmr_site_hub_clock(l->hub, n->name, &clock) && clock.measured_ns) {
            json_object_object_add(o, "clock_offset_ms", json_object_new_double((double)clock.offset_ns / 1e6));
            json_object_object_add(o, "clock_error_ms", json_object_new_double((double)clock.error_ns / 1e6));
        }
        json_object_array_add(list, o);
    }
    return list;
}

static struct json_object *seats_json(const struct mmr_live *l)
{
    struct json_object *list = json_object_new_array();
    const int64_t now = mmr_clock_wall_ns();
    for (uint32_t i = 0; l->seats && i < l->seats->n; i++) {
        const struct mmr_seat_row *r = &l->seats->row[i];
        struct json_object *o = json_object_new_object();
        add_str(o, "name", r->name);
        add_str(o, "state", mmr_seats_state(r, now));
        if (r->tool[0])
            add_str(o, "tool", r->tool);
        if (r->heard_ns > 0)
            add_int(o, "heard_ns", (uint64_t)r->heard_ns);
        json_object_array_add(list, o);
    }
    return list;
}

/* The provider's collector, also where its link could not be opened. */
static void add_upstream(const struct mmr_live *l, struct json_object *o, struct json_object *outbox)
{
    struct mmr_error err = {.struct_size = sizeof err};
    int64_t since_ns = l->started_ns;
    uint64_t pending = 0;
    if (!mmr_config_str(l->config, "upstream.collector"))
        return;
    struct json_object *u = json_object_new_object();
    add_str(u, "collector", mmr_uplink_address(l->uplink, mmr_config_str(l->config, "upstream.collector")));
    add_bool(u, "up", mmr_uplink_is_up(l->uplink, &since_ns));
    add_int(u, "for_s", (uint64_t)((mmr_clock_mono_ns() - since_ns) / MMR_NS_PER_S));
    json_object_object_add(o, "upstream", u);
    if (mmr_store_outbox_count(mmr_persist_db(l->persist), MMR_UPLINK_FORWARDER, &pending, &err) == 0)
        add_int(outbox, MMR_UPLINK_FORWARDER, pending);
}

struct json_object *mmr_live_watched_json(const struct mmr_live *l)
{
    struct json_object *o = json_object_new_object(), *hosts = json_object_new_array(), *brain = json_object_new_object();
    for (uint32_t s = 0; s < MMR_LOCAL_SLOTS_MAX; s++) {
        struct json_object *h = json_object_new_object(), *list = json_object_new_array();
        add_str(h, "state", l->roster.slot[s].is_up ? "running" : "away");
        for (uint32_t i = 0; l->roster.slot[s].instance && i < MMR_LOCAL_INSTANCES_MAX; i++) {
            const struct mmr_roster_instance *x = &l->roster.slot[s].instance[i];
            if (!x->is_used)
                continue;
            struct json_object *one = json_object_new_object(), *caps = json_object_new_array();
            add_str(one, "name", x->name);
            for (unsigned b = 0; b < MMR_CAPS; b++)
                if (x->caps & (1u << b))
                    json_object_array_add(caps, json_object_new_string(mmr_cap_name((enum mmr_cap)(1u << b))));
            json_object_object_add(one, "caps", caps);
            json_object_array_add(list, one);
        }
        json_object_object_add(h, "instances", list);
        json_object_array_add(hosts, h);
    }
    json_object_object_add(o, "hosts", hosts);
    json_object_object_add(brain, "nodes", nodes_json(l));
    json_object_object_add(brain, "seats", seats_json(l));
    mmr_sights_json(l->sights, brain);
    json_object_object_add(o, "brain", brain);
    return o;
}

static struct json_object *status_json(struct mmr_live *l)
{
    struct json_object *o = json_object_new_object(), *instances = json_object_new_array();
    struct mmr_pipeline_stats s;
    struct counts c = {0};
    struct mmr_error err = {.struct_size = sizeof err};
    const struct mmr_incident_filter f = {.only_open = true};
    const struct mmr_persist_health *h = mmr_persist_health(l->persist);
    mmr_pipeline_stats(l->pipeline, &s);
    (void)mmr_store_incidents_each(mmr_persist_db(l->persist), &f, count_row, &c, &err);
    add_str(o, "node", l->roster.node);
    add_str(o, "hostname", l->roster.hostname);
    add_int(o, "incidents_open", c.open);
    add_int(o, "incidents_severe", c.by_class[MMR_CLASS_OF_SEVERE]);
    add_int(o, "incidents_pending", c.by_class[MMR_CLASS_OF_PENDING]);
    struct json_object *by = json_object_new_object();
    for (unsigned k = 0; k <= MMR_CLASS_OF_SEVERE; k++)
        add_int(by, mmr_class_name((enum mmr_class)k), c.by_class[k]);
    json_object_object_add(o, "incidents_by_class", by);
    add_int(o, "events", l->events);
    add_int(o, "refused", l->refused);
    add_int(o, "findings", s.findings);
    add_int(o, "folded", s.folded);
    add_int(o, "duplicates", s.duplicates);
    add_int(o, "ordered", s.ordered);
    add_int(o, "leases", s.leases);
    add_int(o, "evicted", s.track.evicted_incidents);
    add_bool(o, "store_ok", !h->is_failing);
    if (h->is_failing)
        add_str(o, "store_error", h->error);
    add_int(o, "commits", h->commits);
    for (uint32_t k = 0; k < MMR_LOCAL_SLOTS_MAX; k++)
        for (uint32_t i = 0; l->roster.slot[k].instance && i < MMR_LOCAL_INSTANCES_MAX; i++) {
            const struct mmr_roster_instance *x = &l->roster.slot[k].instance[i];
            if (!x->is_used)
                continue;
            struct json_object *one = json_object_new_object();
            add_str(one, "name", x->name);
            add_bool(one, "up", l->roster.slot[k].is_up);
            add_int(one, "events", x->events);
            add_int(one, "refused", x->refused);
            json_object_array_add(instances, one);
        }
    json_object_object_add(o, "instances", instances);
    struct json_object *tests = json_object_new_array();
    for (uint32_t i = 0; i < l->selftest.n; i++) {
        const struct mmr_selftest_row *x = &l->selftest.row[i];
        char at[40];
        if (!x->sent_ns)
            continue; /* it was here before, and is not now */
        struct json_object *one = json_object_new_object();
        add_str(one, "node", x->node);
        add_str(one, "instance", x->instance);
        add_str(one, "what", x->what);
        add_str(one, "result", mmr_selftest_result_name(x->result));
        add_str(one, "detail", x->detail);
        if (x->ended_ns) {
            mmr_time_format(x->ended_ns, at, sizeof at);
            add_str(one, "at", at);
            add_int(one, "at_s", (uint64_t)(x->ended_ns / MMR_NS_PER_S));
        }
        if (x->passed_ns) {
            mmr_time_format(x->passed_ns, at, sizeof at);
            add_str(one, "passed_at", at);
        }
        json_object_array_add(tests, one);
    }
    json_object_object_add(o, "selftest", tests);
    json_object_object_add(o, "nodes", nodes_json(l));
    mmr_sights_json(l->sights, o);
    json_object_object_add(o, "seats", seats_json(l));
    json_object_object_add(o, "notices", mmr_notices_json(l->notices));
    json_object_object_add(o, "reports", mmr_weekly_json(l->weekly));
    json_object_object_add(o, "outbox", json_object_new_object());
    struct json_object *outbox;
    (void)json_object_object_get_ex(o, "outbox", &outbox);
    for (uint32_t i = 0; i < l->n_forwarder; i++) {
        uint64_t pending = 0;
        if (mmr_store_outbox_count(mmr_persist_db(l->persist), l->forwarder[i].name, &pending, &err) == 0)
            add_int(outbox, l->forwarder[i].name, pending);
    }
    add_upstream(l, o, outbox);
    return o;
}

struct undoing {
    struct mmr_live *l;
    uint64_t n;
};

static int undo_one(void *ctx, const struct mmr_action_rec *a)
{
    struct undoing *u = ctx;
    mmr_live_order(u->l, a, MMR_ACT_UNDO);
    u->n++;
    return 0;
}

static int undo(struct mmr_live *l, const char *args, struct json_object *o)
{
    struct mmr_action_rec a;
    struct mmr_error err = {.struct_size = sizeof err};
    uint64_t id;
    char text[17];
    if (!mmr_request_action_id(args, &id)) {
        add_str(o, "error", "'id' must be 16 hex digits");
        return 2;
    }
    if (mmr_store_action_get(mmr_persist_db(l->persist), id, &a, &err) != 0) {
        add_str(o, "error", err.text);
        return 1;
    }
    mmr_live_order(l, &a, MMR_ACT_UNDO);
    (void)snprintf(text, sizeof text, "%016llx", (unsigned long long)id);
    add_str(o, "undone", text);
    return 0;
}

void mmr_live_request(struct mmr_live *l, const struct mmr_message *m)
{
    char command[64] = "", text[4096] = "{}";
    int64_t id = mmr_event_get_int(m->map, "id", 0);
    struct json_object *o = NULL;
    struct mmr_error err = {.struct_size = sizeof err};
    int status = 0;
    (void)mmr_event_copy_str(m->map, "command", command, sizeof command);
    (void)mmr_event_copy_str(m->map, "text", text, sizeof text);
    if (strcmp(command, "status") == 0) {
        o = status_json(l);
    } else if (strcmp(command, "block.undo-all") == 0) {
        o = json_object_new_object();
        struct undoing u = {.l = l};
        status = mmr_store_actions_each(mmr_persist_db(l->persist), 0, true, undo_one, &u, &err) ? 3 : 0;
        add_int(o, "undone", u.n);
    } else if (strcmp(command, "block.undo") == 0) {
        o = json_object_new_object();
        status = undo(l, text, o);
    } else if (o = json_object_new_object(), mmr_live_known_request(l, command, text, o, &status) || mmr_live_simclock_request(l, command, text, o, &status) ||
               mmr_live_visit_request(l, command, text, o, &status) || mmr_uplink_request(l->uplink, command, o, &status)) {
        ; /* answered */
    } else if (strncmp(command, "node.", 5) == 0 && !l->membership) {
        add_str(o, "error", "this hub has no other machines: set site.listen, as in 'site: {listen: tcp://192.0.2.1:7400}'");
        status = 2;
    } else if (l->membership && mmr_membership_request(l->membership, command, text, o, &status)) {
        ; /* answered */
    } else if (status = mmr_notices_request(l->notices, command, text, o), status < 0) {
        add_str(o, "error", "the brain does not know this command");
        status = 2;
    }
    mmr_tell_answer(l->tether, id, status, json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(o);
    mmr_live_settle(l);
}
