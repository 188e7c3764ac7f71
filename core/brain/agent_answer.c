/* agent_answer.c - what the agent says when asked over the control socket: one JSON object a request. */
#include "brain/agent.h"

#include "brain/request.h"
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

static struct json_object *instances_json(const struct mmr_agent *a)
{
    struct json_object *list = json_object_new_array();
    for (uint32_t s = 0; s < MMR_LOCAL_SLOTS_MAX; s++)
        for (uint32_t i = 0; a->roster.slot[s].instance && i < MMR_LOCAL_INSTANCES_MAX; i++) {
            const struct mmr_roster_instance *x = &a->roster.slot[s].instance[i];
            if (!x->is_used)
                continue;
            struct json_object *one = json_object_new_object();
            add_str(one, "name", x->name);
            add_str(one, "plugin", x->plugin);
            json_object_object_add(one, "up", json_object_new_boolean(a->roster.slot[s].is_up));
            add_int(one, "events", x->events);
            add_int(one, "refused", x->refused);
            json_object_array_add(list, one);
        }
    return list;
}

static struct json_object *spool_json(const struct mmr_agent *a)
{
    struct json_object *o = json_object_new_object();
    static const char *const names[MMR_LANES] = {"urgent", "findings", "other", "telemetry"};
    for (uint32_t lane = 0; lane < MMR_LANES; lane++) {
        uint64_t first, last;
        mmr_spool_disk_ops.range(a->spool, lane, &first, &last);
        add_int(o, names[lane], last + 1 - first);
    }
    add_int(o, "bytes_urgent_and_findings", mmr_spool_disk_bytes(a->spool, MMR_LANE_URGENT) + mmr_spool_disk_bytes(a->spool, MMR_LANE_FINDING));
    add_int(o, "bytes_telemetry", mmr_spool_disk_bytes(a->spool, MMR_LANE_TELEMETRY));
    add_int(o, "bytes_max", a->spool_bytes);
    add_int(o, "telemetry_dropped", mmr_spool_disk_dropped(a->spool, MMR_LANE_TELEMETRY));
    add_int(o, "commits", a->commits);
    json_object_object_add(o, "failing", json_object_new_boolean(a->is_spool_failing));
    return o;
}

static struct json_object *status_json(const struct mmr_agent *a)
{
    struct json_object *o = json_object_new_object();
    struct mmr_site_clock clock;
    uint64_t live = 0;
    add_str(o, "node", a->roster.node);
    add_str(o, "hostname", a->roster.hostname);
    add_str(o, "hub", mmr_config_str(a->config, "site.hub"));
    json_object_object_add(o, "hub_up", json_object_new_boolean(a->is_hub_up));
    add_int(o, "hub_since_s", (uint64_t)((mmr_clock_mono_ns() - a->hub_since_ns) / MMR_NS_PER_S));
    if (mmr_site_node_clock(a->link, &clock) && clock.measured_ns) {
        json_object_object_add(o, "clock_offset_ms", json_object_new_double((double)clock.offset_ns / 1e6));
        json_object_object_add(o, "clock_error_ms", json_object_new_double((double)clock.error_ns / 1e6));
    }
    json_object_object_add(o, "spool", spool_json(a));
    for (size_t i = 0; i < MMR_AGENT_ACTS_MAX; i++)
        live += a->act[i].is_applied;
    struct json_object *actions = json_object_new_object();
    add_int(actions, "live", live);
    add_int(actions, "ordered", a->orders);
    add_int(actions, "refused", a->orders_refused);
    json_object_object_add(o, "actions", actions);
    add_int(o, "events", a->events);
    add_int(o, "refused", a->refused);
    json_object_object_add(o, "instances", instances_json(a));
    return o;
}

static int undo(struct mmr_agent *a, const char *text, bool is_all, struct json_object *o)
{
    uint64_t id = 0;
    uint32_t done, failed;
    if (!is_all && !mmr_request_action_id(text, &id)) {
        add_str(o, "error", "'id' must be 16 hex digits");
        return 2;
    }
    mmr_agent_undo(a, id, &done, &failed);
    add_int(o, "undone", done);
    add_int(o, "failed", failed);
    if (is_all || done)
        return failed ? 1 : 0;
    add_str(o, "error", failed ? "the responder is not connected" : "no action with this id lives on this machine");
    return 1;
}

static int rotate(struct mmr_agent *a, const char *text, struct json_object *o)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct json_object *args = json_tokener_parse(text), *name = NULL;
    const bool is_other = json_object_is_type(args, json_type_object) && json_object_object_get_ex(args, "name", &name) &&
                          (!json_object_is_type(name, json_type_string) || strcmp(json_object_get_string(name), a->roster.node) != 0);
    char print[MMR_FINGERPRINT_MAX];
    json_object_put(args);
    if (is_other) {
        add_str(o, "error", "an endpoint changes its own keys only; ask the hub");
        return 2;
    }
    if (mmr_agent_rotate(a, &err) != 0) {
        add_str(o, "error", err.text);
        return 3;
    }
    mmr_public_keys_fingerprint(&a->next.pub, print);
    add_str(o, "keys", print);
    return 0;
}

void mmr_agent_request(struct mmr_agent *a, const struct mmr_message *m)
{
    char command[64] = "", text[4096] = "{}";
    struct json_object *o;
    int status = 0;
    (void)mmr_event_copy_str(m->map, "command", command, sizeof command);
    (void)mmr_event_copy_str(m->map, "text", text, sizeof text);
    if (strcmp(command, "status") == 0) {
        o = status_json(a);
    } else {
        o = json_object_new_object();
        if (strcmp(command, "block.undo-all") == 0 || strcmp(command, "block.undo") == 0)
            status = undo(a, text, strcmp(command, "block.undo-all") == 0, o);
        else if (strcmp(command, "node.rotate") == 0)
            status = rotate(a, text, o);
        else {
            add_str(o, "error", "an endpoint's agent does not know this command; ask the hub");
            status = 2;
        }
    }
    mmr_tell_answer(a->tether, mmr_event_get_int(m->map, "id", 0), status,
           json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(o);
}
