/* metrics.c - see metrics.h. Names follow the conventions: a unit as the last word, "_total" on what only grows. */
#include "control/metrics.h"

#include "control/openmetrics.h"
#include "plugin/describe.h"
#include "util/clock.h"

#include <stdlib.h>
#include <string.h>

enum { LABELS_MAX = 8 };

static struct json_object *part(struct json_object *o, const char *key)
{
    struct json_object *v = NULL;
    return o && json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, key, &v) ? v : NULL;
}

static const char *text(struct json_object *o, const char *key)
{
    struct json_object *v = part(o, key);
    return v && json_object_is_type(v, json_type_string) ? json_object_get_string(v) : "";
}

static uint64_t count(struct json_object *o, const char *key)
{
    struct json_object *v = part(o, key);
    int64_t n = v ? json_object_get_int64(v) : 0;
    return n > 0 ? (uint64_t)n : 0;
}

static bool is_true(struct json_object *o, const char *key)
{
    struct json_object *v = part(o, key);
    return v && json_object_get_boolean(v);
}

static size_t length(struct json_object *list)
{
    return list && json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

/* A counter and a gauge without labels. */
static void counter(struct mmr_om *m, const char *name, const char *unit, const char *help, uint64_t v)
{
    mmr_om_family(m, name, MMR_OM_COUNTER, unit, help);
    mmr_om_count(m, v, NULL);
}

static void gauge(struct mmr_om *m, const char *name, const char *unit, const char *help, double v)
{
    mmr_om_family(m, name, MMR_OM_GAUGE, unit, help);
    mmr_om_sample(m, v, NULL);
}

/* A gauge or counter of each object of a list: by labels that are texts of it. */
struct column {
    const char *name, *unit, *help, *key;
    enum mmr_om_type type;
    const char *label[LABELS_MAX / 2][2]; /* label, key; ends with NULL */
};

static void put_labels(struct json_object *o, const struct column *c, const char **label, size_t at)
{
    for (size_t k = 0; k < LABELS_MAX / 2 && c->label[k][0]; k++) {
        label[at++] = c->label[k][0];
        label[at++] = text(o, c->label[k][1]);
    }
    label[at] = NULL;
}

static void one(struct mmr_om *m, const struct column *c, struct json_object *o, const char *const *label)
{
    struct json_object *v = part(o, c->key);
    if (!v)
        return; /* not measured: no sample, rather than a zero */
    if (json_object_is_type(v, json_type_boolean))
        mmr_om_count(m, json_object_get_boolean(v) ? 1 : 0, label);
    else if (json_object_is_type(v, json_type_double))
        mmr_om_sample(m, json_object_get_double(v), label);
    else
        mmr_om_count(m, count(o, c->key), label);
}

static void columns(struct mmr_om *m, struct json_object *list, const struct column *c, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        mmr_om_family(m, c[i].name, c[i].type, c[i].unit, c[i].help);
        for (size_t k = 0; k < length(list); k++) {
            const char *label[LABELS_MAX + 1];
            struct json_object *o = json_object_array_get_idx(list, k);
            put_labels(o, &c[i], label, 0);
            one(m, &c[i], o, label);
        }
    }
}

/* ---- the parts of it ---- */

static void about(struct mmr_om *m, struct json_object *s)
{
    static const char *const lights[] = {"green", "yellow", "red", "grey"};
    const char *const info[] = {"version", text(s, "version"), "node", text(s, "node"), "role", text(s, "role"), "profile", text(s, "profile"), NULL};
    mmr_om_family(m, "mamori_build", MMR_OM_INFO, NULL, "Version and role of this mamori");
    mmr_om_count(m, 1, info);
    gauge(m, "mamori_uptime_seconds", "seconds", "Since mamori started", (double)count(s, "uptime_s"));
    mmr_om_family(m, "mamori_light", MMR_OM_STATESET, NULL, "The light as the owner sees it");
    for (size_t i = 0; i < sizeof lights / sizeof lights[0]; i++) {
        const char *const label[] = {"mamori_light", lights[i], NULL};
        mmr_om_count(m, strcmp(text(s, "light"), lights[i]) == 0, label);
    }
    gauge(m, "mamori_brain_up", NULL, "Does the brain (or the agent) answer", part(s, "brain") != NULL);
}

static void processes(struct mmr_om *m, struct json_object *s)
{
    static const struct column of_process[] = {
        {"mamori_process_restarts", NULL, "Starts after the first one", "restarts", MMR_OM_COUNTER, {{"process", "name"}}},
        {"mamori_process_resident_memory_bytes", "bytes", "Memory in use", "rss_bytes", MMR_OM_GAUGE, {{"process", "name"}}},
    };
    static const struct {
        const char *name, *key, *help;
    } of_instance[] = {
        {"mamori_instance_events", "events", "Events a plugin's instance has sent"},
        {"mamori_instance_dropped_events", "dropped", "Telemetry it had to drop: what was lost"},
        {"mamori_instance_refused_events", "refused", "Events that broke a rule"},
        {"mamori_instance_receipts", "receipts", "Answers to orders"},
        {"mamori_instance_forwards", "forwards", "Records a forwarder was given"},
    };
    struct json_object *hosts = part(s, "hosts");
    mmr_om_family(m, "mamori_process_up", MMR_OM_GAUGE, NULL, "Is this process running");
    for (size_t i = 0; i < length(hosts); i++) {
        struct json_object *h = json_object_array_get_idx(hosts, i);
        const char *const label[] = {"process", text(h, "name"), NULL};
        mmr_om_count(m, strcmp(text(h, "state"), "running") == 0, label);
    }
    columns(m, hosts, of_process, sizeof of_process / sizeof of_process[0]);
    for (size_t c = 0; c < sizeof of_instance / sizeof of_instance[0]; c++) {
        mmr_om_family(m, of_instance[c].name, MMR_OM_COUNTER, NULL, of_instance[c].help);
        for (size_t i = 0; i < length(hosts); i++) {
            struct json_object *h = json_object_array_get_idx(hosts, i), *list = part(h, "instances");
            for (size_t k = 0; k < length(list); k++) {
                struct json_object *x = json_object_array_get_idx(list, k);
                const char *const label[] = {"process", text(h, "name"), "instance", text(x, "name"), "plugin", text(x, "plugin"), NULL};
                mmr_om_count(m, count(x, of_instance[c].key), label);
            }
        }
    }
}

/* What runs here; a capability of another machine is in mamori_node_*. */
static void capabilities(struct mmr_om *m, struct json_object *s)
{
    struct json_object *hosts = part(s, "hosts");
    mmr_om_family(m, "mamori_capability", MMR_OM_GAUGE, NULL, "Does a plugin that runs here give this capability");
    for (unsigned b = 0; b < MMR_CAPS; b++) {
        const char *const label[] = {"capability", mmr_cap_name((enum mmr_cap)(1u << b)), NULL};
        bool is_there = false;
        for (size_t i = 0; i < length(hosts); i++) {
            struct json_object *h = json_object_array_get_idx(hosts, i), *list = part(h, "instances");
            for (size_t k = 0; k < length(list) && strcmp(text(h, "state"), "running") == 0; k++) {
                struct json_object *caps = part(json_object_array_get_idx(list, k), "caps");
                for (size_t x = 0; x < length(caps); x++)
                    is_there |= strcmp(json_object_get_string(json_object_array_get_idx(caps, x)), label[1]) == 0;
            }
        }
        mmr_om_count(m, is_there, label);
    }
}

static void incidents(struct mmr_om *m, struct json_object *b)
{
    static const char *const classes[] = {"severe", "pending", "defended", "no_response_needed"};
    struct json_object *by = part(b, "incidents_by_class");
    counter(m, "mamori_events", NULL, "Events the brain has taken", count(b, "events"));
    counter(m, "mamori_refused_events", NULL, "Events the brain has refused", count(b, "refused"));
    counter(m, "mamori_findings", NULL, "Findings it has correlated", count(b, "findings"));
    counter(m, "mamori_folded_findings", NULL, "Repeats that were folded into one", count(b, "folded"));
    counter(m, "mamori_duplicate_findings", NULL, "Findings of packets that were seen twice", count(b, "duplicates"));
    counter(m, "mamori_evicted_incidents", NULL, "Open incidents that had to give way", count(b, "evicted"));
    mmr_om_family(m, "mamori_open_incidents", MMR_OM_GAUGE, NULL, "Open incidents by their class");
    for (size_t i = 0; by && i < sizeof classes / sizeof classes[0]; i++) {
        const char *const label[] = {"class", classes[i], NULL};
        mmr_om_count(m, count(by, classes[i]), label);
    }
}

/* The hour in which a severe incident must have reached somebody. */
static void notices(struct mmr_om *m, struct json_object *b)
{
    static const char *const targets[] = {"open", "met", "missed"};
    struct json_object *open = part(part(b, "notices"), "open");
    size_t n[3] = {0};
    int64_t left = INT64_MAX;
    for (size_t i = 0; i < length(open); i++) {
        struct json_object *x = json_object_array_get_idx(open, i), *v = part(x, "left_s");
        for (size_t k = 0; k < 3; k++)
            n[k] += strcmp(text(x, "target"), targets[k]) == 0;
        if (v && strcmp(text(x, "target"), targets[0]) == 0 && json_object_get_int64(v) < left)
            left = json_object_get_int64(v);
    }
    mmr_om_family(m, "mamori_open_notices", MMR_OM_GAUGE, NULL, "Severe incidents nobody has confirmed yet: was the 60-minute target met");
    for (size_t k = 0; k < 3; k++) {
        const char *const label[] = {"target", targets[k], NULL};
        mmr_om_count(m, n[k], label);
    }
    mmr_om_family(m, "mamori_notice_left_seconds", MMR_OM_GAUGE, "seconds", "Until the first open severe incident's 60 minutes are over; absent when none is open");
    if (left != INT64_MAX)
        mmr_om_sample(m, (double)left, NULL);
}

static void defence(struct mmr_om *m, struct json_object *b)
{
    static const struct column tests[] = {
        {"mamori_selftest_time_seconds", "seconds", "When a capability was last tried (Unix)", "at_s", MMR_OM_GAUGE, {{"node", "node"}, {"instance", "instance"}, {"test", "what"}}},
    };
    struct json_object *list = part(b, "selftest");
    counter(m, "mamori_orders", NULL, "Actions ordered", count(b, "ordered"));
    gauge(m, "mamori_leases", NULL, "Blocks and other actions that are held now", (double)count(b, "leases"));
    mmr_om_family(m, "mamori_selftest_passed", MMR_OM_GAUGE, NULL, "Did the capability show itself when it was last tried");
    for (size_t i = 0; i < length(list); i++) {
        struct json_object *x = json_object_array_get_idx(list, i);
        const char *const label[] = {"node", text(x, "node"), "instance", text(x, "instance"), "test", text(x, "what"), NULL};
        if (strcmp(text(x, "result"), "open") != 0)
            mmr_om_count(m, strcmp(text(x, "result"), "passed") == 0, label);
    }
    columns(m, list, tests, 1);
}

static void records(struct mmr_om *m, struct json_object *b)
{
    struct json_object *outbox = part(b, "outbox"), *up = part(b, "upstream");
    counter(m, "mamori_store_commits", NULL, "Batches the store has made durable", count(b, "commits"));
    gauge(m, "mamori_store_ok", NULL, "Does the store take records", is_true(b, "store_ok"));
    mmr_om_family(m, "mamori_outbox_records", MMR_OM_GAUGE, NULL, "Records that wait for a forwarder");
    if (outbox && json_object_is_type(outbox, json_type_object)) {
        json_object_object_foreach(outbox, key, v)
        {
            const char *const label[] = {"forwarder", key, NULL};
            mmr_om_count(m, (uint64_t)json_object_get_int64(v), label);
        }
    }
    mmr_om_family(m, "mamori_upstream_up", MMR_OM_GAUGE, NULL, "Is the provider's collector connected; absent when there is none");
    if (up)
        mmr_om_count(m, is_true(up, "up"), NULL);
}

static void machines(struct mmr_om *m, struct json_object *b)
{
    static const struct column nodes[] = {
        {"mamori_node_up", NULL, "Is this machine connected", "up", MMR_OM_GAUGE, {{"node", "name"}}},
        {"mamori_node_lost", NULL, "Does nothing watch there, without its having said so", "lost", MMR_OM_GAUGE, {{"node", "name"}}},
    };
    static const struct column captures[] = {
        {"mamori_capture_packets", NULL, "Packets a capture point has taken", "captured", MMR_OM_COUNTER, {{"node", "node"}, {"interface", "interface"}, {"instance", "instance"}}},
        {"mamori_capture_dropped_packets", NULL, "Packets it has lost", "dropped", MMR_OM_COUNTER, {{"node", "node"}, {"interface", "interface"}, {"instance", "instance"}}},
    };
    static const char *const states[] = {"up", "silent", "off", "unheard", "unknown"};
    struct json_object *seats = part(b, "seats");
    struct json_object *list = part(b, "nodes");
    columns(m, list, nodes, sizeof nodes / sizeof nodes[0]);
    mmr_om_family(m, "mamori_node_clock_offset_seconds", MMR_OM_GAUGE, "seconds", "How far its clock is off ours, where it was measured");
    for (size_t i = 0; i < length(list); i++) {
        struct json_object *x = json_object_array_get_idx(list, i), *v = part(x, "clock_offset_ms");
        const char *const label[] = {"node", text(x, "name"), NULL};
        if (v)
            mmr_om_sample(m, json_object_get_double(v) / 1e3, label);
    }
    columns(m, part(b, "captures"), captures, sizeof captures / sizeof captures[0]);
    mmr_om_family(m, "mamori_seats", MMR_OM_GAUGE, NULL, "Machines that send their logs, by state");
    for (size_t k = 0; k < sizeof states / sizeof states[0]; k++) {
        const char *const label[] = {"state", states[k], NULL};
        uint64_t n = 0;
        for (size_t i = 0; i < length(seats); i++)
            n += strcmp(text(json_object_array_get_idx(seats, i), "state"), states[k]) == 0;
        mmr_om_count(m, n, label);
    }
}

/* An endpoint's agent: what waits for the hub. */
static void agent(struct mmr_om *m, struct json_object *b)
{
    static const char *const lanes[] = {"urgent", "findings", "other", "telemetry"};
    struct json_object *spool = part(b, "spool"), *actions = part(b, "actions"), *v = part(b, "clock_offset_ms");
    counter(m, "mamori_events", NULL, "Events the agent has taken", count(b, "events"));
    counter(m, "mamori_refused_events", NULL, "Events the agent has refused", count(b, "refused"));
    gauge(m, "mamori_hub_up", NULL, "Is the hub connected", is_true(b, "hub_up"));
    mmr_om_family(m, "mamori_hub_clock_offset_seconds", MMR_OM_GAUGE, "seconds", "How far our clock is off the hub's, once it was measured");
    if (v)
        mmr_om_sample(m, json_object_get_double(v) / 1e3, NULL);
    mmr_om_family(m, "mamori_spool_records", MMR_OM_GAUGE, NULL, "Records that wait for the hub");
    for (size_t i = 0; i < sizeof lanes / sizeof lanes[0]; i++) {
        const char *const label[] = {"lane", lanes[i], NULL};
        mmr_om_count(m, count(spool, lanes[i]), label);
    }
    gauge(m, "mamori_spool_bytes", "bytes", "Disk space they take", (double)(count(spool, "bytes_urgent_and_findings") + count(spool, "bytes_telemetry")));
    gauge(m, "mamori_spool_ok", NULL, "Does the disk take records", !is_true(spool, "failing"));
    counter(m, "mamori_dropped_telemetry", NULL, "Telemetry that found no room", count(spool, "telemetry_dropped"));
    gauge(m, "mamori_leases", NULL, "Blocks and other actions that are held now", (double)count(actions, "live"));
    counter(m, "mamori_orders", NULL, "Actions ordered", count(actions, "ordered"));
    counter(m, "mamori_refused_orders", NULL, "Orders refused at the last gate", count(actions, "refused"));
}

int mmr_metrics_text(struct json_object *status, char **ret, size_t *ret_len, struct mmr_error *err)
{
    struct mmr_om m = {0};
    char *out = NULL;
    size_t len = 0;
    if (!json_object_is_type(status, json_type_object) || !part(status, "hosts"))
        return mmr_fail(err, MMR_EBADMSG, "measurements: found no status of mamori");
    m.f = open_memstream(&out, &len);
    if (!m.f)
        return mmr_fail(err, MMR_ENOMEM, "measurements: out of memory");
    struct json_object *b = part(status, "brain");
    about(&m, status);
    processes(&m, status);
    capabilities(&m, status);
    if (b && strcmp(text(status, "role"), "endpoint") == 0) {
        agent(&m, b);
    } else if (b) { /* what is not known is absent */
        incidents(&m, b);
        notices(&m, b);
        defence(&m, b);
        records(&m, b);
        machines(&m, b);
    }
    mmr_om_end(&m);
    bool is_bad = ferror(m.f) != 0;
    if (fclose(m.f) != 0 || is_bad) {
        free(out);
        return mmr_fail(err, MMR_ENOMEM, "measurements: out of memory");
    }
    *ret = out;
    *ret_len = len;
    return 0;
}
