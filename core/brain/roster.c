/* roster.c - the tables behind roster.h. Texts of other processes are cut to their fields. */
#include "brain/roster.h"

#include "plugin/describe.h"

#include <ifaddrs.h>
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ADDRS = 4 };

static void own_addresses(struct mmr_roster *r)
{
    struct ifaddrs *list;
    size_t n = 0;
    if (getifaddrs(&list) != 0)
        return;
    for (const struct ifaddrs *i = list; i && n < ADDRS; i = i->ifa_next) {
        char text[INET6_ADDRSTRLEN];
        struct mmr_addr a;
        if (!i->ifa_addr)
            continue;
        const void *raw = NULL;
        if (i->ifa_addr->sa_family == AF_INET)
            raw = &((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr;
        else if (i->ifa_addr->sa_family == AF_INET6)
            raw = &((const struct sockaddr_in6 *)(const void *)i->ifa_addr)->sin6_addr;
        if (raw && inet_ntop(i->ifa_addr->sa_family, raw, text, sizeof text) && mmr_addr_parse(text, strlen(text), &a) &&
            !mmr_addr_is_loopback(&a) && !mmr_addr_is_linklocal(&a))
            r->addr[n++] = a;
    }
    freeifaddrs(list);
}

int mmr_roster_init(struct mmr_roster *r, const char *node, struct mmr_error *err)
{
    memset(r, 0, sizeof *r);
    if (gethostname(r->hostname, sizeof r->hostname - 1) != 0)
        return mmr_fail(err, MMR_EIO, "this machine has no host name");
    (void)snprintf(r->node, sizeof r->node, "%.39s", node ? node : r->hostname);
    own_addresses(r);
    return 0;
}

void mmr_roster_done(struct mmr_roster *r)
{
    for (uint32_t i = 0; i < MMR_LOCAL_SLOTS_MAX; i++)
        free(r->slot[i].instance);
    free(r->nodes);
    r->nodes = NULL;
}

int mmr_roster_slot(struct mmr_roster *r, uint32_t slot, const char *host, struct mmr_error *err)
{
    if (slot >= MMR_LOCAL_SLOTS_MAX)
        return mmr_fail(err, MMR_EBADMSG, "slot %u, at most %d", slot, MMR_LOCAL_SLOTS_MAX - 1);
    struct mmr_roster_slot *s = &r->slot[slot];
    if (!s->instance)
        s->instance = calloc(MMR_LOCAL_INSTANCES_MAX, sizeof *s->instance);
    if (!s->instance)
        return mmr_fail(err, MMR_ENOMEM, "slot %u: out of memory", slot);
    s->is_used = true;
    (void)snprintf(s->host, sizeof s->host, "%s", host);
    return 0;
}

struct mmr_roster_instance *mmr_roster_get(struct mmr_roster *r, uint32_t slot, uint32_t index)
{
    if (slot >= MMR_LOCAL_SLOTS_MAX || index >= MMR_LOCAL_INSTANCES_MAX || !r->slot[slot].instance ||
        !r->slot[slot].instance[index].is_used)
        return NULL;
    return &r->slot[slot].instance[index];
}

int mmr_roster_instance(struct mmr_roster *r, const struct mmr_event_view *v, struct mmr_error *err)
{
    int64_t slot = mmr_event_get_int(v, "slot", -1), index = mmr_event_get_int(v, "index", -1);
    if (slot < 0 || slot >= MMR_LOCAL_SLOTS_MAX || index < 0 || index >= MMR_LOCAL_INSTANCES_MAX || !r->slot[slot].instance)
        return mmr_fail(err, MMR_EBADMSG, "instance %lld of slot %lld: no such place", (long long)index, (long long)slot);
    struct mmr_roster_instance *i = &r->slot[slot].instance[index];
    memset(i, 0, sizeof *i);
    if (!mmr_event_copy_str(v, "name", i->name, sizeof i->name) || !mmr_event_copy_str(v, "plugin", i->plugin, sizeof i->plugin))
        return mmr_fail(err, MMR_EBADMSG, "instance %lld of slot %lld has no name or plugin", (long long)index, (long long)slot);
    (void)mmr_event_copy_str(v, "version", i->version, sizeof i->version);
    (void)mmr_event_copy_str(v, "actions", i->actions, sizeof i->actions);
    (void)mmr_event_copy_str(v, "subscribes", i->subscribes, sizeof i->subscribes);
    r->has_listeners = r->has_listeners || i->subscribes[0];
    i->side = (uint32_t)mmr_event_get_int(v, "side", 0);
    i->caps = (uint32_t)mmr_event_get_int(v, "caps", 0);
    i->roles = (uint32_t)mmr_event_get_int(v, "roles", 0);
    i->is_dry_run = mmr_event_get_int(v, "dry_run", 0) != 0;
    i->is_used = true;
    return mmr_stamper_init(&i->stamper, NULL, r->node, i->side == MMR_SIDE_NETWORK ? "network" : "endpoint", i->plugin,
                            i->name, err);
}

bool mmr_roster_find(const struct mmr_roster *r, const char *instance, uint32_t *ret_slot, uint32_t *ret_index)
{
    for (uint32_t s = 0; s < MMR_LOCAL_SLOTS_MAX; s++)
        for (uint32_t i = 0; r->slot[s].instance && i < MMR_LOCAL_INSTANCES_MAX; i++)
            if (r->slot[s].instance[i].is_used && strcmp(r->slot[s].instance[i].name, instance) == 0) {
                *ret_slot = s;
                *ret_index = i;
                return true;
            }
    return false;
}

struct mmr_roster_node *mmr_roster_node(struct mmr_roster *r, const char *name)
{
    for (size_t i = 0; i < r->n_nodes; i++)
        if (strcmp(r->nodes[i].name, name) == 0)
            return &r->nodes[i];
    return NULL;
}

int mmr_roster_node_add(struct mmr_roster *r, const char *name, struct mmr_error *err)
{
    if (mmr_roster_node(r, name))
        return 0;
    if (r->n_nodes == MMR_ROSTER_NODES_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "more than %d nodes", MMR_ROSTER_NODES_MAX);
    struct mmr_roster_node *n = realloc(r->nodes, (r->n_nodes + 1) * sizeof *n);
    if (!n)
        return mmr_fail(err, MMR_ENOMEM, "node '%s': out of memory", name);
    r->nodes = n;
    n = &r->nodes[r->n_nodes++];
    memset(n, 0, sizeof *n);
    n->is_used = true;
    (void)snprintf(n->name, sizeof n->name, "%s", name);
    return 0;
}

static uint32_t verbs_of(const char *actions)
{
    uint32_t verbs = 0;
    for (const char *p = actions; *p; p += strspn(p, " ")) {
        size_t n = strcspn(p, " ");
        enum mmr_verb v;
        if (mmr_verb_parse(p, n, &v))
            verbs |= mmr_verb_bit(v);
        p += n;
    }
    return verbs;
}

int mmr_roster_describe(const struct mmr_roster *r, void *buf, size_t cap, size_t *ret_len)
{
    struct mmr_event ev;
    char ips[ADDRS][MMR_ADDR_TEXT_MAX];
    const char *ip[ADDRS], *lines[MMR_EVENT_ARRAY_MAX];
    size_t n_ip = 0, n = 0;
    char (*text)[512] = calloc(MMR_EVENT_ARRAY_MAX, sizeof *text);
    if (!text)
        return MMR_ENOMEM;
    for (; n_ip < ADDRS && mmr_addr_is_set(&r->addr[n_ip]); n_ip++) {
        mmr_addr_format(&r->addr[n_ip], ips[n_ip]);
        ip[n_ip] = ips[n_ip];
    }
    for (uint32_t s = 0; s < MMR_LOCAL_SLOTS_MAX; s++)
        for (uint32_t i = 0; r->slot[s].is_up && r->slot[s].instance && i < MMR_LOCAL_INSTANCES_MAX && n < MMR_EVENT_ARRAY_MAX; i++) {
            const struct mmr_roster_instance *x = &r->slot[s].instance[i];
            if (!x->is_used)
                continue;
            (void)snprintf(text[n], sizeof text[n], "%s|%s|%u|%u|%u|%d|%.300s", x->name, x->plugin, x->side, x->caps, x->roles,
                           x->is_dry_run, x->actions);
            lines[n] = text[n];
            n++;
        }
    mmr_event_begin_map(&ev, buf, cap);
    mmr_event_str(&ev, "node.hostname", r->hostname);
    mmr_event_strv(&ev, "node.ip", ip, n_ip);
    mmr_event_strv(&ev, "instances", lines, n);
    int code = mmr_event_end(&ev);
    free(text);
    *ret_len = ev.len;
    return code;
}

static void described_instance(struct mmr_roster_node *n, const char *line)
{
    char name[64], plugin[72], actions[301] = "";
    unsigned side, caps, roles, dry;
    if (sscanf(line, "%63[^|]|%71[^|]|%u|%u|%u|%u|%300[^\n]", name, plugin, &side, &caps, &roles, &dry, actions) < 6)
        return;
    n->caps |= caps;
    size_t at = strlen(n->sensors);
    (void)snprintf(n->sensors + at, sizeof n->sensors - at, "%s%s %s", at ? "; " : "", name, plugin);
    at = strlen(n->eyes);
    if (side == MMR_SIDE_ENDPOINT && caps & MMR_CAP_EP_DETECT)
        (void)snprintf(n->eyes + at, sizeof n->eyes - at, "%s%s ", at ? "" : " ", name);
    if (!(roles & MMR_ROLE_RESPONDER) || n->n_responder == sizeof n->responder / sizeof n->responder[0])
        return;
    struct mmr_responder *x = &n->responder[n->n_responder++];
    memset(x, 0, sizeof *x);
    (void)snprintf(x->node, sizeof x->node, "%s", n->name);
    (void)snprintf(x->instance, sizeof x->instance, "%.39s", name);
    x->side = side == MMR_SIDE_NETWORK ? MMR_SIDE_NETWORK : MMR_SIDE_ENDPOINT;
    x->verbs = verbs_of(actions);
    x->is_dry_run = dry != 0;
    (void)snprintf(x->host, sizeof x->host, "%s", n->hostname);
    memcpy(x->addr, n->addr, sizeof x->addr);
}

int mmr_roster_described(struct mmr_roster_node *n, const struct mmr_event_view *v, struct mmr_error *err)
{
    struct mmr_array_it it = {0};
    const char *p;
    size_t len, k = 0;
    if (!mmr_event_copy_str(v, "node.hostname", n->hostname, sizeof n->hostname))
        return mmr_fail(err, MMR_EBADMSG, "node '%s' did not say its host name", n->name);
    memset(n->addr, 0, sizeof n->addr);
    while (k < ADDRS && mmr_value_next(mmr_event_get(v, "node.ip"), &it, &p, &len))
        if (mmr_addr_parse(p, len, &n->addr[k]))
            k++;
    n->n_responder = 0;
    n->caps = 0;
    n->sensors[0] = n->eyes[0] = '\0';
    it = (struct mmr_array_it){0};
    while (mmr_value_next(mmr_event_get(v, "instances"), &it, &p, &len)) {
        char line[512];
        if (len >= sizeof line)
            continue;
        memcpy(line, p, len);
        line[len] = '\0';
        described_instance(n, line);
    }
    return 0;
}

uint32_t mmr_roster_responders(const struct mmr_roster *r, struct mmr_responder *ret, uint32_t cap)
{
    uint32_t n = 0;
    for (uint32_t s = 0; s < MMR_LOCAL_SLOTS_MAX; s++)
        for (uint32_t i = 0; r->slot[s].instance && i < MMR_LOCAL_INSTANCES_MAX && n < cap; i++) {
            const struct mmr_roster_instance *x = &r->slot[s].instance[i];
            if (!x->is_used || !(x->roles & MMR_ROLE_RESPONDER))
                continue;
            memset(&ret[n], 0, sizeof ret[n]);
            (void)snprintf(ret[n].node, sizeof ret[n].node, "%s", r->node);
            (void)snprintf(ret[n].instance, sizeof ret[n].instance, "%.39s", x->name);
            ret[n].side = x->side == MMR_SIDE_NETWORK ? MMR_SIDE_NETWORK : MMR_SIDE_ENDPOINT;
            ret[n].verbs = verbs_of(x->actions);
            ret[n].is_healthy = r->slot[s].is_up;
            ret[n].since_ns = r->slot[s].up_ns;
            ret[n].is_dry_run = x->is_dry_run;
            ret[n].sees_inside = r->inside_crosses && ret[n].side == MMR_SIDE_NETWORK;
            if (ret[n].side == MMR_SIDE_ENDPOINT) {
                (void)snprintf(ret[n].host, sizeof ret[n].host, "%s", r->hostname);
                memcpy(ret[n].addr, r->addr, sizeof ret[n].addr);
            }
            n++;
        }
    for (size_t k = 0; k < r->n_nodes; k++)
        for (uint32_t i = 0; i < r->nodes[k].n_responder && n < cap; i++) {
            ret[n] = r->nodes[k].responder[i];
            ret[n].since_ns = r->nodes[k].up_ns;
            ret[n++].is_healthy = r->nodes[k].is_up;
        }
    return n;
}
