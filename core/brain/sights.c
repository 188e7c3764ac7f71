/* sights.c - see sights.h. Texts come from the network side, which has them from the network: bounded, escaped by JSON. */
#include "brain/sights.h"

#include "util/clock.h"

#include <stdlib.h>
#include <string.h>

enum { SIGHTS_HOSTS_MAX = 2048, SIGHTS_CAPTURES_MAX = 64 };
#define FRESH_NS (600 * MMR_NS_PER_S) /* a direction not seen for this long, while the other is, is missing */

struct sight {
    char ip[64], name[64], mac[18], maker[40], system[32], role[24], services[160];
    int64_t first_ns, last_ns, flow_ns;
};
struct point { /* one interface of one node */
    char node[64], interface[64], instance[64];
    int64_t received, dropped, bytes, in, out;
    int64_t seen_bytes, gateway_bytes; /* since they are compared; 0 gateway_bytes: they are not */
    int64_t in_ns, out_ns; /* when last more was seen */
    bool has_stats, has_sees;
};
struct mmr_sights {
    struct sight host[SIGHTS_HOSTS_MAX];
    uint32_t n_hosts;
    struct point point[SIGHTS_CAPTURES_MAX];
    uint32_t n_points;
};

struct mmr_sights *mmr_sights_new(void)
{
    return calloc(1, sizeof(struct mmr_sights));
}

void mmr_sights_free(struct mmr_sights *s)
{
    free(s);
}

static void take_host(struct mmr_sights *s, const struct mmr_event_view *v)
{
    char ip[64];
    struct sight *h = NULL, *oldest = &s->host[0];
    if (!mmr_event_copy_str(v, "device.ip", ip, sizeof ip))
        return;
    for (uint32_t i = 0; i < s->n_hosts && !h; i++) {
        if (strcmp(s->host[i].ip, ip) == 0)
            h = &s->host[i];
        else if (s->host[i].last_ns < oldest->last_ns)
            oldest = &s->host[i];
    }
    if (!h)
        h = s->n_hosts < SIGHTS_HOSTS_MAX ? &s->host[s->n_hosts++] : oldest;
    *h = (struct sight){.first_ns = mmr_event_get_int(v, "unmapped.first_seen", 0), .last_ns = mmr_event_get_int(v, "unmapped.last_seen", 0),
                        .flow_ns = mmr_event_get_int(v, "unmapped.flow_seen", 0)};
    memcpy(h->ip, ip, sizeof ip);
    (void)mmr_event_copy_str(v, "device.hostname", h->name, sizeof h->name);
    (void)mmr_event_copy_str(v, "device.mac", h->mac, sizeof h->mac);
    (void)mmr_event_copy_str(v, "unmapped.maker", h->maker, sizeof h->maker);
    (void)mmr_event_copy_str(v, "unmapped.system", h->system, sizeof h->system);
    (void)mmr_event_copy_str(v, "unmapped.role", h->role, sizeof h->role);
    (void)mmr_event_copy_str(v, "unmapped.services", h->services, sizeof h->services);
}

static struct point *point_of(struct mmr_sights *s, const struct mmr_event_view *v)
{
    char node[64] = "", interface[64] = "";
    (void)mmr_event_copy_str(v, "mamori.node", node, sizeof node);
    if (!mmr_event_copy_str(v, "unmapped.interface", interface, sizeof interface))
        return NULL;
    for (uint32_t i = 0; i < s->n_points; i++)
        if (strcmp(s->point[i].interface, interface) == 0 && strcmp(s->point[i].node, node) == 0)
            return &s->point[i];
    if (s->n_points == SIGHTS_CAPTURES_MAX)
        return NULL;
    struct point *p = &s->point[s->n_points++];
    *p = (struct point){0};
    memcpy(p->node, node, sizeof node);
    memcpy(p->interface, interface, sizeof interface);
    return p;
}

void mmr_sights_event(struct mmr_sights *s, const struct mmr_event_view *v)
{
    const struct mmr_value *kind = mmr_event_get(v, "mamori.kind");
    if (mmr_value_is(kind, "asset.seen")) {
        take_host(s, v);
        return;
    }
    bool is_stats = mmr_value_is(kind, "capture.stats"), is_sees = mmr_value_is(kind, "net.sees");
    struct point *p = is_stats || is_sees ? point_of(s, v) : NULL;
    if (!p)
        return;
    int64_t now = mmr_event_get_int(v, "time", 0);
    if (is_stats) {
        (void)mmr_event_copy_str(v, "mamori.instance", p->instance, sizeof p->instance);
        p->received = mmr_event_get_int(v, "unmapped.received", 0);
        p->dropped = mmr_event_get_int(v, "unmapped.dropped", 0);
        p->seen_bytes = mmr_event_get_int(v, "unmapped.bytes", 0);
        p->gateway_bytes = mmr_event_get_int(v, "unmapped.gateway_bytes", 0);
        p->has_stats = true;
        return;
    }
    int64_t in = mmr_event_get_int(v, "unmapped.packets_in", 0), out = mmr_event_get_int(v, "unmapped.packets_out", 0);
    if (in && in != p->in)
        p->in_ns = now;
    if (out && out != p->out)
        p->out_ns = now;
    p->in = in;
    p->out = out;
    p->bytes = mmr_event_get_int(v, "unmapped.bytes", 0);
    p->has_sees = in || out;
}

static void add_text(struct json_object *o, const char *key, const char *text)
{
    if (text[0])
        json_object_object_add(o, key, json_object_new_string(text));
}

static struct json_object *point_json(const struct point *p)
{
    struct json_object *o = json_object_new_object();
    add_text(o, "node", p->node);
    add_text(o, "interface", p->interface);
    add_text(o, "instance", p->instance);
    if (p->has_stats) {
        json_object_object_add(o, "captured", json_object_new_int64(p->received));
        json_object_object_add(o, "dropped", json_object_new_int64(p->dropped));
    }
    if (p->has_stats && p->gateway_bytes > 0) {
        json_object_object_add(o, "seen_bytes", json_object_new_int64(p->seen_bytes));
        json_object_object_add(o, "gateway_bytes", json_object_new_int64(p->gateway_bytes));
    }
    if (p->has_sees) {
        struct json_object *sees = json_object_new_object();
        int64_t newest = p->in_ns > p->out_ns ? p->in_ns : p->out_ns;
        json_object_object_add(sees, "in", json_object_new_boolean(p->in_ns && newest - p->in_ns < FRESH_NS));
        json_object_object_add(sees, "out", json_object_new_boolean(p->out_ns && newest - p->out_ns < FRESH_NS));
        json_object_object_add(o, "sees", sees);
        json_object_object_add(o, "bytes", json_object_new_int64(p->bytes));
    }
    return o;
}

void mmr_sights_json(const struct mmr_sights *s, struct json_object *o)
{
    struct json_object *hosts = json_object_new_array(), *points = json_object_new_array();
    for (uint32_t i = 0; i < s->n_hosts; i++) {
        const struct sight *h = &s->host[i];
        struct json_object *x = json_object_new_object(), *ips = json_object_new_array();
        json_object_array_add(ips, json_object_new_string(h->ip));
        json_object_object_add(x, "ips", ips);
        add_text(x, "name", h->name);
        add_text(x, "mac", h->mac);
        add_text(x, "maker", h->maker);
        add_text(x, "system", h->system);
        add_text(x, "role", h->role);
        add_text(x, "services", h->services);
        json_object_object_add(x, "first_seen_ns", json_object_new_int64(h->first_ns));
        json_object_object_add(x, "last_seen_ns", json_object_new_int64(h->last_ns));
        json_object_object_add(x, "flow_seen_ns", json_object_new_int64(h->flow_ns));
        json_object_array_add(hosts, x);
    }
    for (uint32_t i = 0; i < s->n_points; i++)
        json_object_array_add(points, point_json(&s->point[i]));
    json_object_object_add(o, "hosts", hosts);
    json_object_object_add(o, "captures", points);
}
