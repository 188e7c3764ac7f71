/*
 * agent_link.c - the agent's link to its hub: opened with this node's keys and the hub's pinned ones, and opened anew when
 * either change.
 *
 * Own keys: the next ones are on disk before the hub hears of them, the hub keeps them before it says so, and only then do they
 * become this node's. Whatever is cut short in between is asked again at the next start. The hub's next keys are kept beside
 * the pinned ones and become them when the hub first answers with them.
 */
#include "brain/agent.h"

#include "brain/site_conf.h"
#include "util/clock.h"
#include "util/log.h"

#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void on_order(void *ctx, const struct mmr_site_record *order)
{
    mmr_agent_order(ctx, order);
}

static void on_state(void *ctx, bool is_up)
{
    struct mmr_agent *a = ctx;
    int64_t now = mmr_clock_mono_ns();
    mmr_log(is_up ? MMR_LOG_INFO : MMR_LOG_WARN, is_up ? "node.hub_back" : "node.hub_gone", "hub=%s after_s=%lld",
            mmr_config_str(a->config, "site.hub"), (long long)((now - a->hub_since_ns) / MMR_NS_PER_S));
    a->is_hub_up = is_up;
    a->hub_since_ns = now;
    a->is_account_due = is_up;
}

static void on_refused(void *ctx, const char *what)
{
    (void)ctx;
    mmr_log(MMR_LOG_WARN, "node.refused", "what=\"%s\"", what);
}

static const char *state_dir(const struct mmr_agent *a)
{
    return mmr_config_str(a->config, "node.state_dir");
}

static void hub_next_path(const struct mmr_agent *a, char *buf, size_t cap)
{
    (void)snprintf(buf, cap, "%.480s/hub.pub.next", state_dir(a));
}

static void on_rotated(void *ctx)
{
    struct mmr_agent *a = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    if (mmr_site_keys_switch(state_dir(a), &err) != 0) {
        mmr_log(MMR_LOG_ERR, "node.keys_not_changed", "reason=\"%s\" what=\"the hub admits both; it is tried again at the next start\"", err.text);
        return;
    }
    mmr_log(MMR_LOG_INFO, "node.keys_changed", "what=\"the hub has them; connecting with the new ones\"");
    mmr_keys_done(&a->next);
    a->has_next = false;
    a->is_link_due = true;
}

static void on_hub_rotated(void *ctx)
{
    struct mmr_agent *a = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_public_keys next;
    char path[512];
    hub_next_path(a, path, sizeof path);
    int r = mmr_site_read_public(path, &next, &err);
    if (!r)
        r = mmr_site_write_public(mmr_config_str(a->config, "site.hub_key"), &next, &err);
    if (r) { /* they stay beside each other: both are tried at each start */
        mmr_log(MMR_LOG_ERR, "hub.key_not_pinned", "reason=\"%s\"", err.text);
        return;
    }
    (void)unlink(path);
    mmr_log(MMR_LOG_INFO, "hub.key_changed", "what=\"the hub uses its next key; it is pinned now\"");
}

static void on_rolled_back(void *ctx)
{
    struct mmr_agent *a = ctx;
    mmr_log(MMR_LOG_WARN, "spool.rolled_back", "what=\"the hub has more than this spool ever sent, or less than it acknowledged: here or there an older copy of the disk is in use; numbers begin anew\"");
    a->is_renewal_due = a->is_link_due = true;
}

static const struct mmr_site_node_ops link_ops = {.order = on_order, .state = on_state, .refused = on_refused, .rotated = on_rotated,
                                                  .hub_rotated = on_hub_rotated, .rolled_back = on_rolled_back};

static int open_node(struct mmr_agent *a, struct mmr_error *err)
{
    const char *hub = mmr_config_str(a->config, "site.hub"), *hub_key = mmr_config_str(a->config, "site.hub_key");
    struct mmr_public_keys pub, next;
    struct mmr_keys keys;
    char bulk[128], path[512];
    int r = mmr_site_port_endpoint(hub, 1, bulk, sizeof bulk, err);
    if (!r)
        r = mmr_site_read_public(hub_key, &pub, err);
    if (!r)
        r = mmr_site_read_keys(state_dir(a), &keys, err);
    if (r)
        return r;
    r = mmr_site_node_new(a->bus, hub, bulk, a->roster.node, &keys, &pub, &mmr_spool_disk_ops, a->spool, &link_ops, a, NULL, &a->link,
                          err);
    mmr_keys_done(&keys);
    hub_next_path(a, path, sizeof path);
    if (!r && mmr_site_read_public(path, &next, NULL) == 0)
        r = mmr_site_node_hub_next(a->link, &next);
    if (!r && !a->has_next && mmr_site_keys_read_next(state_dir(a), &a->next, NULL) == 0)
        a->has_next = true;
    if (!r && a->has_next)
        r = mmr_site_node_rotate(a->link, &a->next);
    return r;
}

int mmr_agent_open_link(struct mmr_agent *a, struct mmr_error *err)
{
    const char *hub = mmr_config_str(a->config, "site.hub");
    struct mmr_public_keys pub;
    struct mmr_keys keys;
    char bulk[128];
    bool is_damaged = false;
    if (!hub)
        return mmr_fail(err, MMR_ECONFIG, "site.hub is not set: this endpoint has not joined a hub. Run 'mamori token new' at the hub and "
                        "'mamori join TOKEN' here, or set 'site: {hub: tcp://192.0.2.1:7400}'");
    if (!mmr_config_str(a->config, "site.hub_key"))
        return mmr_fail(err, MMR_ECONFIG, "site.hub_key is not set: run 'mamori keys show' on the hub, put its line into a "
                        "file here, and name the file");
    int r = mmr_site_port_endpoint(hub, 1, bulk, sizeof bulk, err);
    if (!r)
        r = mmr_site_read_public(mmr_config_str(a->config, "site.hub_key"), &pub, err);
    if (!r)
        r = mmr_site_read_keys(state_dir(a), &keys, err);
    if (r)
        return r;
    mmr_keys_done(&keys); /* they are there and good; open_node() reads them */
    a->spool_bytes = (size_t)mmr_config_int(a->config, "site.spool");
    a->hub_since_ns = mmr_clock_mono_ns();
    r = mmr_gate_new(&a->setup, hub, a->roster.hostname, &a->gate, err);
    if (!r)
        r = mmr_spool_disk_open(state_dir(a), a->spool_bytes, &a->spool, &is_damaged, err);
    if (is_damaged)
        mmr_log(MMR_LOG_ERR, "spool.damaged", "what=\"put aside as " MMR_SPOOL_FILE ".damaged; what it held and the hub had not is lost\"");
    return r ? r : open_node(a, err);
}

void mmr_agent_link_work(struct mmr_agent *a)
{
    struct mmr_error err = {.struct_size = sizeof err};
    if (!a->is_link_due)
        return;
    if (a->is_renewal_due && mmr_spool_disk_renew(a->spool, &err) != 0) {
        mmr_log(MMR_LOG_ERR, "spool.not_renewed", "reason=\"%s\"", err.text);
        return; /* asked again in a second */
    }
    a->is_renewal_due = a->is_link_due = false;
    if (a->is_hub_up)
        on_state(a, false);
    mmr_site_node_free(a->link);
    a->link = NULL;
    if (open_node(a, &err) == 0)
        return;
    mmr_log(MMR_LOG_ERR, "agent.cannot_run", "reason=\"%s\"", err.text);
    mmr_tether_refuse(a->tether, err.text);
    a->is_exit = true;
    (void)event_base_loopbreak(a->base);
}

int mmr_agent_rotate(struct mmr_agent *a, struct mmr_error *err)
{
    if (!a->has_next) {
        int r = mmr_site_keys_next(state_dir(a), &a->next, err);
        if (r)
            return r;
        a->has_next = true;
    }
    int r = mmr_site_node_rotate(a->link, &a->next);
    return r ? mmr_fail(err, r, "the new keys could not be handed to the link; ask again") : 0;
}

static void know_hub_next(struct mmr_agent *a, const struct mmr_site_record *o)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_public_keys next;
    char path[512];
    memcpy(next.curve, o->bytes, MMR_KEY);
    memcpy(next.sign, (const uint8_t *)o->bytes + MMR_KEY, MMR_KEY);
    hub_next_path(a, path, sizeof path);
    int r = mmr_site_write_public(path, &next, &err); /* kept before the hub is told that it is */
    if (!r)
        r = mmr_site_node_hub_next(a->link, &next);
    if (!r)
        r = mmr_agent_say(a, MMR_LANE_URGENT, "agent", MMR_SITE_HUB_KEY, 0, next.curve, MMR_KEY);
    if (r)
        mmr_log(MMR_LOG_ERR, "hub.key_not_kept", "code=%d reason=\"%s\"", r, err.text);
}

bool mmr_agent_own_order(struct mmr_agent *a, const struct mmr_site_record *o)
{
    struct mmr_error err = {.struct_size = sizeof err};
    if (strcmp(o->instance, "agent") != 0)
        return false;
    if (o->kind == MMR_SITE_ROTATE) {
        if (mmr_agent_rotate(a, &err) != 0)
            mmr_log(MMR_LOG_ERR, "node.keys_not_made", "reason=\"%s\"", err.text);
    } else if (o->kind == MMR_SITE_HUB_KEY && o->len == (size_t)2 * MMR_KEY) {
        know_hub_next(a, o);
    } else {
        return false;
    }
    return true;
}
