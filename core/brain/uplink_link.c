/*
 * uplink_link.c - the uplink's link: to which of the collector's addresses, with which keys, and opened anew when either changes.
 *
 * Addresses: the next one is tried when the collector was not reached for a while. Another address may be another machine with
 * an older state, so what was under way begins anew there, in a new epoch; the collector knows a record by its content.
 *
 * Own keys: the next ones are on disk before the collector hears of them, it keeps them before it says so, and only then do they become
 * this end's. The collector's next keys are kept beside the pinned ones and become them when it first answers with them.
 */
#include "brain/uplink_internal.h"

#include "brain/site_conf.h"
#include "util/clock.h"
#include "util/log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { OTHER_ADDRESS_AFTER_S = 20 };

static void dir_of(const struct mmr_uplink *u, char *buf, size_t cap)
{
    (void)snprintf(buf, cap, "%.480s/" MMR_UPLINK_DIR, mmr_config_str(u->l->config, "node.state_dir"));
}

static void next_path(const struct mmr_uplink *u, char *buf, size_t cap)
{
    (void)snprintf(buf, cap, "%.480s/" MMR_UPLINK_DIR "/collector.pub.next", mmr_config_str(u->l->config, "node.state_dir"));
}

/* ---- what the link says ---- */

static void on_acked(void *ctx, uint32_t lane, uint64_t upto)
{
    mmr_uplink_acked(ctx, lane, upto);
}

void mmr_uplink_link_state(struct mmr_uplink *u, bool is_up)
{
    int64_t now = mmr_clock_mono_ns();
    mmr_log(is_up ? MMR_LOG_INFO : MMR_LOG_WARN, is_up ? "upstream.up" : "upstream.gone", "collector=%s after_s=%lld", u->address[u->at],
            (long long)((now - u->since_ns) / MMR_NS_PER_S));
    u->is_up = is_up;
    u->since_ns = u->tried_ns = now;
    u->l->has_news = true;
}

static void on_state(void *ctx, bool is_up)
{
    mmr_uplink_link_state(ctx, is_up);
}

static void on_refused(void *ctx, const char *what)
{
    (void)ctx;
    mmr_log(MMR_LOG_WARN, "upstream.refused", "what=\"%s\"", what);
}

static void on_rotated(void *ctx)
{
    struct mmr_uplink *u = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    char dir[512];
    dir_of(u, dir, sizeof dir);
    if (mmr_site_keys_switch(dir, &err) != 0) {
        mmr_log(MMR_LOG_ERR, "upstream.keys_not_changed", "reason=\"%s\" what=\"the collector admits both; it is tried again at the next start\"", err.text);
        return;
    }
    mmr_log(MMR_LOG_INFO, "upstream.keys_changed", "what=\"the collector has them; connecting with the new ones\"");
    mmr_keys_done(&u->next);
    u->has_next = false;
    u->is_link_due = true;
}

static void on_hub_rotated(void *ctx)
{
    struct mmr_uplink *u = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_public_keys next;
    char path[512];
    next_path(u, path, sizeof path);
    int r = mmr_site_read_public(path, &next, &err);
    if (!r)
        r = mmr_site_write_public(mmr_config_str(u->l->config, "upstream.collector_key"), &next, &err);
    if (r) { /* they stay beside each other: both are tried at each start */
        mmr_log(MMR_LOG_ERR, "upstream.key_not_pinned", "reason=\"%s\"", err.text);
        return;
    }
    (void)unlink(path);
    mmr_log(MMR_LOG_INFO, "upstream.key_changed", "what=\"the collector uses its next key; it is pinned now\"");
}

static void on_rolled_back(void *ctx)
{
    struct mmr_uplink *u = ctx;
    mmr_log(MMR_LOG_WARN, "upstream.rolled_back", "what=\"the collector's store is older than what it acknowledged: what is under way begins anew\"");
    u->is_link_due = u->is_anew_due = true;
}

/* ---- what the collector asks: nothing but about keys; what a site does is decided in the site ---- */

static int rotate(struct mmr_uplink *u, struct mmr_error *err)
{
    char dir[512];
    dir_of(u, dir, sizeof dir);
    int r = u->has_next ? 0 : mmr_site_keys_next(dir, &u->next, err);
    if (r)
        return r;
    u->has_next = true;
    if (!u->link) /* opened when it is due, with them */
        return 0;
    r = mmr_site_node_rotate(u->link, &u->next);
    return r ? mmr_fail(err, r, "the new keys could not be handed to the link; ask again") : 0;
}

static void know_next(struct mmr_uplink *u, const struct mmr_site_record *o)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_public_keys next;
    char path[512];
    memcpy(next.curve, o->bytes, MMR_KEY);
    memcpy(next.sign, (const uint8_t *)o->bytes + MMR_KEY, MMR_KEY);
    next_path(u, path, sizeof path);
    int r = mmr_site_write_public(path, &next, &err); /* kept before the collector is told that it is */
    if (!r)
        r = mmr_site_node_hub_next(u->link, &next);
    if (!r)
        r = mmr_site_node_send(u->link, MMR_LANE_URGENT, "agent", MMR_SITE_HUB_KEY, 0, next.curve, MMR_KEY, NULL);
    if (r)
        mmr_log(MMR_LOG_ERR, "upstream.key_not_kept", "code=%d reason=\"%s\"", r, err.text);
}

static void on_order(void *ctx, const struct mmr_site_record *order)
{
    struct mmr_uplink *u = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    const bool is_own = strcmp(order->instance, "agent") == 0;
    if (is_own && order->kind == MMR_SITE_ROTATE) {
        if (rotate(u, &err) != 0)
            mmr_log(MMR_LOG_ERR, "upstream.keys_not_made", "reason=\"%s\"", err.text);
    } else if (is_own && order->kind == MMR_SITE_HUB_KEY && order->len == (size_t)2 * MMR_KEY) {
        know_next(u, order);
    } else {
        mmr_log(MMR_LOG_WARN, "upstream.order_refused", "kind=%u", order->kind);
    }
}

static const struct mmr_site_node_ops link_ops = {.order = on_order, .acked = on_acked, .state = on_state, .refused = on_refused,
                                                  .rotated = on_rotated, .hub_rotated = on_hub_rotated, .rolled_back = on_rolled_back};

/* ---- open, close, again ---- */

static void read_addresses(struct mmr_uplink *u)
{
    const struct mmr_strv more = mmr_config_strv(u->l->config, "upstream.also");
    u->address[0] = mmr_config_str(u->l->config, "upstream.collector");
    u->n_addresses = 1;
    for (size_t i = 0; i < more.n; i++) {
        if (u->n_addresses == MMR_UPLINK_ADDRESSES_MAX) {
            mmr_log(MMR_LOG_WARN, "upstream.too_many_addresses", "taken=%d given=%zu", MMR_UPLINK_ADDRESSES_MAX, more.n + 1);
            break;
        }
        u->address[u->n_addresses++] = more.v[i];
    }
}

int mmr_uplink_link_open(struct mmr_uplink *u, struct mmr_error *err)
{
    const struct mmr_config *c = u->l->config;
    const char *key = mmr_config_str(c, "upstream.collector_key"), *name = mmr_config_str(c, "upstream.name");
    struct mmr_public_keys pub, next;
    struct mmr_keys keys;
    char bulk[128], dir[512], path[512];
    if (!key || !name)
        return mmr_fail(err, MMR_ECONFIG, "upstream.collector is set, but not %s: run 'mamori upstream join TOKEN' here, which sets all three",
                        key ? "upstream.name" : "upstream.collector_key");
    if (u->n_addresses == 0)
        read_addresses(u);
    int r = u->spool ? 0 : mmr_spool_memory_new(MMR_UPLINK_SPOOL_BYTES, &u->spool, err);
    u->tried_ns = mmr_clock_mono_ns();
    dir_of(u, dir, sizeof dir);
    if (!r)
        r = mmr_site_port_endpoint(u->address[u->at], 1, bulk, sizeof bulk, err);
    if (!r)
        r = mmr_site_read_public(key, &pub, err);
    if (!r)
        r = mmr_site_read_keys(dir, &keys, err);
    if (r)
        return r;
    r = mmr_site_node_new(u->l->bus, u->address[u->at], bulk, name, &keys, &pub, &mmr_spool_memory_ops, u->spool, &link_ops, u, NULL, &u->link, err);
    mmr_keys_done(&keys);
    next_path(u, path, sizeof path);
    if (!r && mmr_site_read_public(path, &next, NULL) == 0)
        r = mmr_site_node_hub_next(u->link, &next);
    if (!r && !u->has_next && mmr_site_keys_read_next(dir, &u->next, NULL) == 0)
        u->has_next = true;
    if (!r && u->has_next)
        r = mmr_site_node_rotate(u->link, &u->next);
    return r;
}

void mmr_uplink_link_close(struct mmr_uplink *u)
{
    mmr_site_node_free(u->link);
    u->link = NULL;
    if (u->is_up)
        mmr_uplink_link_state(u, false);
}

/* Rows under way are offered again, in a new epoch. */
static void begin_anew(struct mmr_uplink *u)
{
    mmr_spool_memory_free(u->spool);
    u->spool = NULL;
    u->n = 0;
    memset(u->n_lane, 0, sizeof u->n_lane);
    u->bytes = 0;
    u->marked = 0;
}

/* What was acknowledged while nobody listened any more is out of the spool. */
static void look_at_spool(struct mmr_uplink *u)
{
    for (uint32_t lane = 0; lane < MMR_LANES; lane++) {
        uint64_t first, last;
        mmr_spool_memory_ops.range(u->spool, lane, &first, &last);
        mmr_uplink_acked(u, lane, first - 1);
    }
}

void mmr_uplink_tick(struct mmr_uplink *u)
{
    struct mmr_error err = {.struct_size = sizeof err};
    if (!u)
        return;
    if (!u->is_up && u->n_addresses > 1 && mmr_clock_mono_ns() - u->tried_ns >= OTHER_ADDRESS_AFTER_S * MMR_NS_PER_S) {
        u->at = (u->at + 1) % u->n_addresses;
        u->is_link_due = u->is_anew_due = true;
        mmr_log(MMR_LOG_INFO, "upstream.tries", "collector=%s", u->address[u->at]);
    }
    if (!u->is_link_due)
        return;
    mmr_uplink_link_close(u);
    if (u->is_anew_due)
        begin_anew(u);
    else if (u->spool)
        look_at_spool(u);
    u->is_anew_due = false;
    int r = mmr_uplink_link_open(u, &err);
    u->is_link_due = r != 0; /* again in two seconds */
    if (r)
        mmr_log(MMR_LOG_ERR, "upstream.not_open", "reason=\"%s\" what=\"records wait in the store; the office is watched and defended\"", err.text);
}

const char *mmr_uplink_address(const struct mmr_uplink *u, const char *none)
{
    return u ? u->address[u->at] : none;
}

bool mmr_uplink_request(struct mmr_uplink *u, const char *command, struct json_object *o, int *ret_status)
{
    struct mmr_error err = {.struct_size = sizeof err};
    char print[MMR_FINGERPRINT_MAX];
    if (strcmp(command, "upstream.rotate") != 0)
        return false;
    *ret_status = 0;
    if (!u) {
        json_object_object_add(o, "error", json_object_new_string("this hub has no link to a collector: 'mamori upstream join TOKEN' is how it gets one; "
                                                                  "where it has, see 'mamori status' and the log"));
        *ret_status = 2;
    } else if (rotate(u, &err) != 0) {
        json_object_object_add(o, "error", json_object_new_string(err.text));
        *ret_status = 3;
    } else {
        mmr_public_keys_fingerprint(&u->next.pub, print);
        json_object_object_add(o, "keys", json_object_new_string(print));
        json_object_object_add(o, "connected", json_object_new_boolean(u->is_up));
    }
    return true;
}
