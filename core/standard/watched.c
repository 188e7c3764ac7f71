/* watched.c - agents and ways out, judged one by one. */
#include "standard/watched.h"

#include "plugin/describe.h"
#include "util/clock.h"
#include "util/scope.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NAMES_MAX = 4096, KEY_BYTES = 256 };

static const char *text_at(struct json_object *o, const char *key)
{
    struct json_object *x = NULL;
    return o && json_object_object_get_ex(o, key, &x) && json_object_is_type(x, json_type_string) ? json_object_get_string(x) : "";
}

static int64_t number_at(struct json_object *o, const char *key)
{
    struct json_object *x = NULL;
    return o && json_object_object_get_ex(o, key, &x) && json_object_is_type(x, json_type_int) ? json_object_get_int64(x) : 0;
}

static struct json_object *list_at(struct json_object *o, const char *key, size_t *ret_n)
{
    struct json_object *x = NULL;
    if (!o || !json_object_object_get_ex(o, key, &x) || !json_object_is_type(x, json_type_array))
        x = NULL;
    *ret_n = x ? json_object_array_length(x) : 0;
    return x;
}

static const char *setting(const struct mmr_watched *v, const char *section, const char *name, const char *key)
{
    char path[KEY_BYTES];
    if ((size_t)snprintf(path, sizeof path, "%s.%s.%s", section, name, key) >= sizeof path)
        return NULL;
    return mmr_config_str(v->config, path);
}

static struct mmr_strv settings(const struct mmr_watched *v, const char *section, const char *name, const char *key)
{
    char path[KEY_BYTES];
    if ((size_t)snprintf(path, sizeof path, "%s.%s.%s", section, name, key) >= sizeof path)
        return (struct mmr_strv){0};
    return mmr_config_strv(v->config, path);
}

/* "PC1" and "pc1.office.example" are one machine. */
static bool same_machine(const char *a, const char *b)
{
    size_t na = strcspn(a, "."), nb = strcspn(b, ".");
    return na && na == nb && strncasecmp(a, b, na) == 0;
}

static bool share_address(struct mmr_strv a, struct mmr_strv b)
{
    for (size_t i = 0; i < a.n; i++)
        for (size_t k = 0; k < b.n; k++)
            if (strcasecmp(a.v[i], b.v[k]) == 0)
                return true;
    return false;
}

static struct json_object *part(struct json_object *o, const char *key)
{
    struct json_object *x = NULL;
    return o && json_object_object_get_ex(o, key, &x) && json_object_is_type(x, json_type_object) ? x : NULL;
}

static bool is_true(struct json_object *o, const char *key)
{
    struct json_object *x = NULL;
    return o && json_object_object_get_ex(o, key, &x) && json_object_get_boolean(x);
}

static bool is_own_address(const char *ip)
{
    struct ifaddrs *list;
    bool is_own = false;
    char text[INET6_ADDRSTRLEN];
    if (getifaddrs(&list) != 0)
        return false;
    for (const struct ifaddrs *i = list; i && !is_own; i = i->ifa_next) {
        const void *a = !i->ifa_addr                              ? NULL
                        : i->ifa_addr->sa_family == AF_INET  ? (const void *)&((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr
                        : i->ifa_addr->sa_family == AF_INET6 ? (const void *)&((const struct sockaddr_in6 *)(const void *)i->ifa_addr)->sin6_addr
                                                             : NULL;
        is_own = a && inet_ntop(i->ifa_addr->sa_family, a, text, sizeof text) && strcmp(text, ip) == 0;
    }
    freeifaddrs(list);
    return is_own;
}

/* ---- what runs ---- */

static bool has_cap(struct json_object *instance, const char *cap)
{
    size_t n;
    struct json_object *caps = list_at(instance, "caps", &n);
    for (size_t i = 0; i < n; i++) {
        const char *text = json_object_get_string(json_object_array_get_idx(caps, i));
        if (text && strcmp(text, cap) == 0)
            return true;
    }
    return false;
}

/* An instance of this machine by name, whose process runs; NULL. name NULL: any that has the capability. */
static struct json_object *running(const struct mmr_watched *v, const char *name, const char *cap)
{
    size_t n, m;
    struct json_object *hosts = list_at(v->status, "hosts", &n);
    for (size_t i = 0; i < n; i++) {
        struct json_object *h = json_object_array_get_idx(hosts, i), *list = list_at(h, "instances", &m);
        for (size_t k = 0; k < m && strcmp(text_at(h, "state"), "running") == 0; k++) {
            struct json_object *x = json_object_array_get_idx(list, k);
            if ((!name || strcmp(text_at(x, "name"), name) == 0) && (!cap || has_cap(x, cap)))
                return x;
        }
    }
    return NULL;
}

/* The node that this machine is, as the brain knows it; NULL. */
static struct json_object *node_of(const struct mmr_watched *v, const char *name, struct mmr_strv ips)
{
    size_t n;
    struct json_object *nodes = list_at(part(v->status, "brain"), "nodes", &n);
    for (size_t i = 0; i < n; i++) {
        struct json_object *x = json_object_array_get_idx(nodes, i);
        const char *node = text_at(x, "name");
        if (same_machine(node, name) || same_machine(text_at(x, "hostname"), name) ||
            share_address(settings(v, "site.nodes", node, "ip"), ips))
            return x;
    }
    return NULL;
}

static void judge_agent(const struct mmr_watched *v, struct mmr_asset *a)
{
    struct mmr_strv ips = settings(v, "assets", a->name, "ip");
    struct json_object *node = node_of(v, a->name, ips);
    const char *const *enrolled = NULL;
    mmr_autofree const char **names = calloc(NAMES_MAX, sizeof *names);
    if (same_machine(a->name, v->own) || same_machine(a->name, v->hostname)) {
        a->has_agent = v->status != NULL;
        a->is_agent_healthy = running(v, NULL, mmr_cap_name(MMR_CAP_EP_DETECT)) != NULL;
        return;
    }
    if (node) {
        a->has_agent = true;
        a->is_agent_healthy = is_true(node, "up") && (number_at(node, "caps") & MMR_CAP_EP_DETECT);
        a->is_announced_off = is_true(node, "announced_off");
        return;
    }
    size_t n = names ? mmr_config_names(v->config, "site.nodes", names, NAMES_MAX) : 0;
    enrolled = names;
    for (size_t i = 0; i < n && i < NAMES_MAX && !a->has_agent; i++) /* enrolled, and nothing is heard of it */
        a->has_agent = same_machine(enrolled[i], a->name) || share_address(settings(v, "site.nodes", enrolled[i], "ip"), ips);
}

__attribute__((format(printf, 2, 3))) static void note(struct mmr_watched *v, const char *fmt, ...)
{
    char text[300];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    (void)json_object_array_add(v->notes, json_object_new_string(text));
}

/* A machine without an agent of ours whose logs come in counts, if the configuration lists the tool that makes them. */
static void judge_seat(struct mmr_watched *v, struct mmr_asset *a)
{
    size_t n;
    struct json_object *seats = list_at(part(v->status, "brain"), "seats", &n);
    for (size_t i = 0; i < n && !a->has_agent; i++) {
        struct json_object *x = json_object_array_get_idx(seats, i);
        const char *state = text_at(x, "state");
        if (!same_machine(text_at(x, "name"), a->name))
            continue;
        a->has_agent = text_at(x, "tool")[0] != '\0';
        a->is_agent_healthy = strcmp(state, "up") == 0;
        a->is_announced_off = strcmp(state, "off") == 0;
        if (!a->has_agent)
            note(v, "'%s' sends its logs, but no tool is listed for it, so it does not count; add 'tool=NAME' to its line in the listener's 'senders'", a->name);
    }
}

static enum mmr_asset_class kind_of(const char *role)
{
    static const struct {
        const char *role;
        enum mmr_asset_class kind;
    } kinds[] = {{"client", MMR_ASSET_PC},         {"server", MMR_ASSET_SERVER},  {"domain-controller", MMR_ASSET_SERVER},
                 {"dns", MMR_ASSET_SERVER},        {"gateway", MMR_ASSET_NETWORK}, {"nas", MMR_ASSET_NAS},
                 {"printer", MMR_ASSET_OFFICE_DEVICE}, {"office_device", MMR_ASSET_OFFICE_DEVICE}};
    for (size_t i = 0; role && i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].role, role) == 0)
            return kinds[i].kind;
    return MMR_ASSET_OTHER;
}

/* When a host of the brain's list was seen, by any of its addresses; 0: never, or no such list. */
static void judge_flows(const struct mmr_watched *v, struct mmr_asset *a)
{
    struct mmr_strv ips = settings(v, "assets", a->name, "ip");
    size_t n, m;
    struct json_object *hosts = list_at(part(v->status, "brain"), "hosts", &n);
    for (size_t i = 0; i < n; i++) {
        struct json_object *h = json_object_array_get_idx(hosts, i), *list = list_at(h, "ips", &m);
        bool is_it = same_machine(text_at(h, "name"), a->name);
        for (size_t k = 0; k < m && !is_it; k++) {
            const char *ip = json_object_get_string(json_object_array_get_idx(list, k));
            for (size_t j = 0; ip && j < ips.n && !is_it; j++)
                is_it = strcasecmp(ip, ips.v[j]) == 0;
        }
        if (is_it) {
            a->first_seen_ns = number_at(h, "first_seen_ns");
            a->flow_seen_ns = number_at(h, "flow_seen_ns");
            return;
        }
    }
}

/* Is host number k of the brain's list a machine that is looked at already: listed, a node, this one, or its card was met before? */
static bool is_accounted(const struct mmr_watched *v, struct json_object *hosts, size_t k, const struct mmr_asset *a, size_t n_listed)
{
    struct json_object *h = json_object_array_get_idx(hosts, k);
    size_t n;
    struct json_object *list = list_at(h, "ips", &n);
    const char *ip = n ? json_object_get_string(json_object_array_get_idx(list, 0)) : NULL, *mac = text_at(h, "mac");
    const struct mmr_strv ips = {&ip, 1};
    if (!ip || node_of(v, text_at(h, "name"), ips) || is_own_address(ip))
        return true;
    for (size_t i = 0; i < n_listed; i++)
        if (same_machine(a[i].name, text_at(h, "name")) || share_address(settings(v, "assets", a[i].name, "ip"), ips))
            return true;
    for (size_t i = 0; i < k && *mac; i++)
        if (strcmp(text_at(json_object_array_get_idx(hosts, i), "mac"), mac) == 0)
            return true;
    return false;
}

/* Machines that were seen and that nobody listed: what they hold is unknown, which counts as important. */
static size_t add_seen(const struct mmr_watched *v, struct mmr_asset *a, size_t n_listed)
{
    size_t n, have = n_listed;
    struct json_object *hosts = list_at(part(v->status, "brain"), "hosts", &n);
    for (size_t k = 0; k < n && have < NAMES_MAX; k++) {
        struct json_object *h = json_object_array_get_idx(hosts, k), *ips;
        size_t m;
        if (is_accounted(v, hosts, k, a, n_listed))
            continue;
        ips = list_at(h, "ips", &m);
        const char *name = text_at(h, "name");
        a[have++] = (struct mmr_asset){.name = *name ? name : json_object_get_string(json_object_array_get_idx(ips, 0)),
                                       .kind = kind_of(text_at(h, "role")),
                                       .first_seen_ns = number_at(h, "first_seen_ns"),
                                       .flow_seen_ns = number_at(h, "flow_seen_ns")};
    }
    return have;
}

static struct mmr_asset *assets_of(struct mmr_watched *v, size_t *ret_n)
{
    mmr_autofree const char **names = calloc(NAMES_MAX, sizeof *names);
    struct mmr_asset *a = calloc(NAMES_MAX, sizeof *a);
    if (!names || !a) {
        free(a);
        return NULL;
    }
    size_t n = mmr_config_names(v->config, "assets", names, NAMES_MAX);
    *ret_n = n < NAMES_MAX ? n : NAMES_MAX;
    for (size_t i = 0; i < *ret_n; i++) {
        const char *important = setting(v, "assets", names[i], "important_info");
        a[i].name = names[i];
        a[i].kind = kind_of(setting(v, "assets", names[i], "role"));
        a[i].important = important && strcmp(important, "yes") == 0  ? MMR_IMPORTANT_YES
                         : important && strcmp(important, "no") == 0 ? MMR_IMPORTANT_NO
                                                                     : MMR_IMPORTANT_UNKNOWN;
        judge_agent(v, &a[i]);
        if (!a[i].has_agent)
            judge_seat(v, &a[i]);
        judge_flows(v, &a[i]);
    }
    *ret_n = add_seen(v, a, *ret_n);
    return a;
}

/* ---- ways out ---- */

static bool is_configured(const struct mmr_watched *v, const char *instance)
{
    for (size_t i = 0; i < mmr_config_instances(v->config); i++) {
        const struct mmr_instance_conf *x = mmr_config_instance(v->config, i);
        if (x->is_enabled && strcmp(x->name, instance) == 0)
            return true;
    }
    return false;
}

/* Sums up the interfaces of a capture instance, as the brain heard of them; false: their directions are not known. */
static bool measure_captures(const struct mmr_watched *v, const char *instance, struct mmr_way_out *e)
{
    size_t n;
    bool has_sees = false, in = false, out = false;
    struct json_object *list = list_at(part(v->status, "brain"), "captures", &n);
    for (size_t i = 0; i < n; i++) {
        struct json_object *x = json_object_array_get_idx(list, i), *sees = part(x, "sees");
        if (strcmp(text_at(x, "instance"), instance) != 0)
            continue;
        e->captured += (uint64_t)number_at(x, "captured");
        e->dropped += (uint64_t)number_at(x, "dropped");
        e->sensor_bytes += (uint64_t)number_at(x, "seen_bytes");
        e->gateway_bytes += (uint64_t)number_at(x, "gateway_bytes");
        has_sees = has_sees || sees;
        in = in || is_true(sees, "in");
        out = out || is_true(sees, "out");
    }
    e->sees_in = !has_sees || in; /* the two halves of a tap are two interfaces of one instance */
    e->sees_out = !has_sees || out;
    return has_sees;
}

static void judge_exit(struct mmr_watched *v, struct mmr_way_out *e)
{
    const char *sensor = setting(v, "exits", e->name, "sensor");
    e->has_sensor = sensor && *sensor && is_configured(v, sensor);
    if (sensor && *sensor && !e->has_sensor)
        note(v, "exit '%s' names the sensor '%s', which is no enabled plugin instance here", e->name, sensor);
    struct json_object *x = e->has_sensor ? running(v, sensor, NULL) : NULL;
    e->is_sensor_healthy = x != NULL;
    bool has_sees = x && measure_captures(v, sensor, e);
    if (e->is_sensor_healthy && !has_sees)
        note(v, "exit '%s': whether both directions are seen is not measured", e->name);
    if (e->is_sensor_healthy && !e->captured)
        note(v, "exit '%s': how many packets are dropped is not measured", e->name);
}

static struct mmr_way_out *exits_of(struct mmr_watched *v, size_t *ret_n)
{
    mmr_autofree const char **names = calloc(NAMES_MAX, sizeof *names);
    struct mmr_way_out *e = calloc(NAMES_MAX, sizeof *e);
    if (!names || !e) {
        free(e);
        return NULL;
    }
    size_t n = mmr_config_names(v->config, "exits", names, NAMES_MAX);
    *ret_n = n < NAMES_MAX ? n : NAMES_MAX;
    for (size_t i = 0; i < *ret_n; i++) {
        e[i].name = names[i];
        judge_exit(v, &e[i]);
    }
    return e;
}

/* ---- the interface ---- */

int mmr_watched_coverage(struct mmr_watched *v, bool is_net, struct mmr_coverage *ret)
{
    size_t n_exits = 0, n_assets = 0;
    mmr_autofree struct mmr_asset *assets = assets_of(v, &n_assets);
    if (is_net) { /* what was noted of agents is not asked here */
        json_object_put(v->notes);
        v->notes = json_object_new_array();
    }
    mmr_autofree struct mmr_way_out *exits = is_net ? exits_of(v, &n_exits) : NULL;
    if (!assets || (is_net && !exits))
        return MMR_ENOMEM;
    if (is_net)
        mmr_coverage_net(exits, n_exits, assets, n_assets, mmr_clock_wall_ns(), ret);
    else
        mmr_coverage_ep(assets, n_assets, ret);
    return 0;
}
