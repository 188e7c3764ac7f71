/* site_allow.c - who may speak to the hub: the list of keys, changed by the loop, looked up by the bus thread for each message. */
#include "bus/site_hub_internal.h"

#include <stdlib.h>

static uint32_t key_slot(const uint8_t curve[MMR_KEY])
{
    uint32_t h;
    memcpy(&h, curve, sizeof h);
    return (h * 2654435761u) >> 19; /* 13 bits; keys are uniform, and only admitted ones enter */
}

static void enter(struct mmr_site_hub *hub, const uint8_t curve[MMR_KEY], uint32_t value)
{
    uint32_t at = key_slot(curve);
    while (hub->table[at] != MMR_HUB_NOBODY)
        at = (at + 1) % MMR_HUB_TABLE;
    hub->table[at] = (uint16_t)value;
}

void mmr_hub_rebuild_table(struct mmr_site_hub *hub)
{
    memset(hub->table, 0xff, sizeof hub->table);
    for (uint32_t i = 0; i < hub->n_nodes; i++) {
        const struct mmr_hub_node *n = hub->node[i];
        if (!n->is_allowed)
            continue;
        enter(hub, n->key.pub.curve, 2 * i);
        if (n->has_next)
            enter(hub, n->next.pub.curve, 2 * i + 1);
    }
}

struct mmr_hub_node *mmr_hub_find_key(struct mmr_site_hub *hub, const uint8_t curve[MMR_KEY], struct mmr_hub_key *ret_key,
                                      bool *ret_is_next)
{
    struct mmr_hub_node *found = NULL;
    (void)pthread_mutex_lock(&hub->lock);
    for (uint32_t at = key_slot(curve); hub->table[at] != MMR_HUB_NOBODY && !found; at = (at + 1) % MMR_HUB_TABLE) {
        struct mmr_hub_node *n = hub->node[hub->table[at] / 2];
        const bool is_next = hub->table[at] & 1;
        const struct mmr_hub_key *k = is_next ? &n->next : &n->key;
        if (memcmp(k->pub.curve, curve, MMR_KEY) != 0)
            continue;
        found = n;
        if (ret_key)
            *ret_key = *k;
        if (ret_is_next)
            *ret_is_next = is_next;
    }
    (void)pthread_mutex_unlock(&hub->lock);
    return found;
}

struct mmr_hub_node *mmr_hub_find_name(struct mmr_site_hub *hub, const char *name)
{
    if (hub->loop_hit < hub->n_nodes && strcmp(hub->node[hub->loop_hit]->name, name) == 0)
        return hub->node[hub->loop_hit];
    for (uint32_t i = 0; i < hub->n_nodes; i++)
        if (strcmp(hub->node[i]->name, name) == 0) {
            hub->loop_hit = i;
            return hub->node[i];
        }
    return NULL;
}

bool mmr_hub_promote(struct mmr_site_hub *hub, struct mmr_hub_node *n)
{
    (void)pthread_mutex_lock(&hub->lock);
    const bool has_next = n->has_next;
    if (has_next) {
        n->key = n->next;
        n->has_next = false;
        mmr_hub_rebuild_table(hub);
    }
    (void)pthread_mutex_unlock(&hub->lock);
    return has_next;
}

static struct mmr_hub_node *new_node(struct mmr_site_hub *hub, const char *name, struct mmr_error *err)
{
    struct mmr_hub_node *n;
    if (hub->n_nodes == MMR_SITE_NODES_MAX) {
        (void)mmr_fail(err, MMR_ETOOBIG, "node '%s': the site has %d nodes, the most there can be", name, MMR_SITE_NODES_MAX);
        return NULL;
    }
    if (!(n = calloc(1, sizeof *n))) {
        (void)mmr_fail(err, MMR_ENOMEM, "node '%s': out of memory", name);
        return NULL;
    }
    (void)snprintf(n->name, sizeof n->name, "%s", name);
    n->orders_end = &n->orders;
    (void)pthread_mutex_init(&n->clock.lock, NULL);
    (void)pthread_mutex_lock(&hub->lock);
    hub->node[hub->n_nodes++] = n;
    (void)pthread_mutex_unlock(&hub->lock);
    return n;
}

/* Of another node already? */
static int is_free(struct mmr_site_hub *hub, const struct mmr_hub_node *n, const char *name, const struct mmr_public_keys *pub,
                   struct mmr_error *err)
{
    const struct mmr_hub_node *other = mmr_hub_find_key(hub, pub->curve, NULL, NULL);
    return other && other != n ? mmr_fail(err, MMR_EINVAL, "node '%s': node '%s' has this key already", name, other->name) : 0;
}

int mmr_site_hub_allow(struct mmr_site_hub *hub, const char *node, const struct mmr_public_keys *pub, struct mmr_error *err)
{
    size_t len = strlen(node);
    if (len == 0 || len > MMR_SITE_NAME_MAX)
        return mmr_fail(err, MMR_EINVAL, "node '%.60s': a name has 1 to %d bytes", node, MMR_SITE_NAME_MAX);
    struct mmr_hub_node *n = mmr_hub_find_name(hub, node);
    int r = is_free(hub, n, node, pub, err);
    if (r)
        return r;
    if (!n && !(n = new_node(hub, node, err)))
        return hub->n_nodes == MMR_SITE_NODES_MAX ? MMR_ETOOBIG : MMR_ENOMEM;
    (void)pthread_mutex_lock(&hub->lock);
    n->key.pub = *pub;
    mmr_site_node_id(pub->curve, n->key.id);
    n->has_next = n->has_next && memcmp(n->next.pub.curve, pub->curve, MMR_KEY) != 0;
    n->is_allowed = true;
    mmr_hub_rebuild_table(hub);
    (void)pthread_mutex_unlock(&hub->lock);
    n->is_loop_allowed = true;
    return 0;
}

int mmr_site_hub_allow_next(struct mmr_site_hub *hub, const char *node, const struct mmr_public_keys *pub, struct mmr_error *err)
{
    struct mmr_hub_node *n = mmr_hub_find_name(hub, node);
    if (!n || !n->is_loop_allowed)
        return mmr_fail(err, MMR_ENOENT, "node '%s' is not admitted", node);
    int r = is_free(hub, n, node, pub, err);
    if (r || memcmp(n->key.pub.curve, pub->curve, MMR_KEY) == 0)
        return r;
    (void)pthread_mutex_lock(&hub->lock);
    n->next.pub = *pub;
    mmr_site_node_id(pub->curve, n->next.id);
    n->has_next = true;
    mmr_hub_rebuild_table(hub);
    (void)pthread_mutex_unlock(&hub->lock);
    return 0;
}

void mmr_site_hub_revoke(struct mmr_site_hub *hub, const char *node)
{
    struct mmr_hub_node *n = mmr_hub_find_name(hub, node);
    if (!n)
        return;
    n->is_loop_allowed = false;
    (void)pthread_mutex_lock(&hub->lock);
    n->is_allowed = n->has_next = false;
    mmr_hub_rebuild_table(hub);
    (void)pthread_mutex_unlock(&hub->lock);
    mmr_bus_wake(hub->part.bus);
}

void mmr_site_hub_open_door(struct mmr_site_hub *hub, bool is_open)
{
    atomic_store(&hub->is_join_open, is_open);
}

bool mmr_site_hub_is_allowed(const struct mmr_site_hub *hub, const char *node)
{
    for (uint32_t i = 0; i < hub->n_nodes; i++)
        if (strcmp(hub->node[i]->name, node) == 0)
            return hub->node[i]->is_loop_allowed;
    return false;
}
