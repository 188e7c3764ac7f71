/* membership.c - see membership.h. What it decides is in the list of members before anybody is told. */
#include "brain/membership.h"

#include "brain/live.h"
#include "brain/site_conf.h"
#include "bus/join.h"
#include "store/members.h"
#include "util/clock.h"
#include "util/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { LOST_AFTER_S = 20, START_GRACE_S = 60, SEEN_EVERY_S = 60, ORDER_TTL_MS = 30000, ANNOUNCE_S = 30, FACT_MAX = 300, ACCUSED_AGAIN_S = 600 };

struct mmr_membership {
    struct mmr_live *l;
    struct mmr_members *list;
    struct mmr_join_server *join;
    bool is_automatic;
    uint32_t port;
    int64_t seen_ns, seen_every_ns, announced_ns;
    bool has_next; /* the hub's next keys */
    struct mmr_keys next;
};

/* ---- what is said ---- */

static void fact(struct mmr_membership *m, const char *kind, uint32_t severity, const char *text)
{
    uint8_t buf[1024];
    struct mmr_event ev;
    mmr_event_begin(&ev, buf, sizeof buf, kind, MMR_CLASS_EVENT_LOG, 99, mmr_clock_wall_ns(), severity);
    mmr_event_str(&ev, "message", text);
    if (mmr_event_end(&ev) == 0)
        mmr_live_fact(m->l, ev.buf, ev.len);
}

void mmr_membership_misbehaved(struct mmr_membership *m, const char *node, const char *what)
{
    struct mmr_roster_node *n = mmr_roster_node(&m->l->roster, node);
    const int64_t now = mmr_clock_mono_ns();
    const bool is_claim = strncmp(what, MMR_SITE_CLAIMS_ANOTHER, sizeof MMR_SITE_CLAIMS_ANOTHER - 1) == 0;
    uint8_t buf[1024];
    struct mmr_event ev;
    if (!n || (!is_claim && strncmp(what, MMR_SITE_CANNOT_SIGN, sizeof MMR_SITE_CANNOT_SIGN - 1) != 0) ||
        (n->accused_ns && now - n->accused_ns < ACCUSED_AGAIN_S * MMR_NS_PER_S))
        return;
    n->accused_ns = now;
    mmr_event_begin(&ev, buf, sizeof buf, "finding", MMR_CLASS_FINDING, 1, mmr_clock_wall_ns(), 4);
    mmr_event_str(&ev, "mamori.rule", is_claim ? "mamori.node_claims_another" : "mamori.node_cannot_sign");
    mmr_event_str(&ev, "finding_info.title", is_claim ? "The key of this machine was used in the name of another machine of the site"
                                                      : "The key of this machine was used for receipts that its signature does not cover");
    mmr_event_str(&ev, "mamori.phase", "foothold.process");
    mmr_event_str(&ev, "mamori.potential", "high");
    mmr_event_str(&ev, "mamori.direction", "local");
    mmr_event_str(&ev, "device.hostname", n->hostname[0] ? n->hostname : node);
    mmr_event_str(&ev, "message", what);
    if (mmr_event_end(&ev) == 0)
        mmr_live_fact(m->l, ev.buf, ev.len);
}

/* ---- the list and the link ---- */

static bool is_configured(struct mmr_membership *m, const char *node)
{
    char path[256];
    (void)snprintf(path, sizeof path, "site.nodes.%s.key", node);
    return mmr_config_str(m->l->config, path) != NULL;
}

static int admit(struct mmr_membership *m, const char *node, const struct mmr_public_keys *pub, struct mmr_error *err)
{
    int r = mmr_roster_node_add(&m->l->roster, node, err);
    return r ? r : mmr_site_hub_allow(m->l->hub, node, pub, err);
}

static int apply_one(void *ctx, const struct mmr_member *x)
{
    struct mmr_membership *m = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_public_keys pub;
    int r = 0;
    if (x->state != MMR_MEMBER_APPROVED) {
        if (mmr_site_hub_is_up(m->l->hub, x->name))
            mmr_log(MMR_LOG_WARN, "node.shut_out", "node=%s state=%s", x->name, mmr_member_state_name(x->state));
        mmr_site_hub_revoke(m->l->hub, x->name);
        return 0;
    }
    memcpy(pub.curve, x->curve, MMR_KEY);
    memcpy(pub.sign, x->sign, MMR_KEY);
    r = admit(m, x->name, &pub, &err);
    if (!r && x->has_next) {
        memcpy(pub.curve, x->next_curve, MMR_KEY);
        memcpy(pub.sign, x->next_sign, MMR_KEY);
        r = mmr_site_hub_allow_next(m->l->hub, x->name, &pub, &err);
    }
    struct mmr_roster_node *n = mmr_roster_node(&m->l->roster, x->name);
    if (n && !n->down_ns && !n->is_up)
        n->down_ns = x->seen_ns;
    if (r)
        mmr_log(MMR_LOG_ERR, "node.not_admitted", "node=%s reason=\"%s\"", x->name, err.text);
    return 0; /* the others all the same */
}

static int apply(struct mmr_membership *m, struct mmr_error *err)
{
    (void)mmr_members_has_news(m->list);
    int r = mmr_members_each(m->list, apply_one, m, err);
    if (r)
        mmr_log(MMR_LOG_ERR, "members.not_read", "reason=\"%s\"", err->text);
    mmr_site_hub_open_door(m->l->hub, mmr_members_has_open_token(m->list, mmr_clock_wall_ns()));
    return r;
}

/* Nodes whose keys a person placed by hand; one that was revoked since stays out. */
static int admit_configured(struct mmr_membership *m, struct mmr_error *err)
{
    enum { NODES_MAX = 1024 };
    const char **names = calloc(NODES_MAX, sizeof *names);
    size_t n = names ? mmr_config_names(m->l->config, "site.nodes", names, NODES_MAX) : 0;
    int r = names ? 0 : mmr_fail(err, MMR_ENOMEM, "site.nodes: out of memory");
    for (size_t i = 0; i < n && i < NODES_MAX && !r; i++) {
        struct mmr_public_keys pub;
        struct mmr_member x;
        char path[256];
        (void)snprintf(path, sizeof path, "site.nodes.%s.key", names[i]);
        const char *file = mmr_config_str(m->l->config, path);
        if (!file)
            r = mmr_fail(err, MMR_ECONFIG, "site.nodes.%s needs 'key:', its public key file", names[i]);
        else if (mmr_members_get(m->list, names[i], &x, NULL) != 0 && (r = mmr_site_read_public(file, &pub, err)) == 0)
            r = admit(m, names[i], &pub, err);
    }
    free(names);
    return r;
}

/* ---- joining ---- */

static int on_secret(void *ctx, const uint8_t token_id[MMR_TOKEN_ID], uint8_t ret_secret[MMR_TOKEN_SECRET])
{
    struct mmr_membership *m = ctx;
    return mmr_members_token_secret(m->list, token_id, ret_secret, NULL);
}

static bool is_taken(void *ctx, const char *name)
{
    struct mmr_membership *m = ctx;
    return strcmp(name, m->l->roster.node) == 0 || is_configured(m, name);
}

static void on_join(void *ctx, const struct mmr_join_request *r, struct mmr_join_answer *ret)
{
    struct mmr_membership *m = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_member x;
    char print[MMR_FINGERPRINT_MAX], text[FACT_MAX];
    const struct mmr_member_request ask = {.token_id = r->token_id, .curve = r->pub.curve, .sign = r->pub.sign, .name = r->name,
                                           .hostname = r->hostname, .is_approved_at_once = m->is_automatic, .is_taken = is_taken,
                                           .ctx = m};
    mmr_public_keys_fingerprint(&r->pub, print);
    int code = mmr_members_join(m->list, &ask, mmr_clock_wall_ns(), &x, &err);
    if (code) {
        mmr_log(MMR_LOG_WARN, "join.refused", "name=%s keys=%s reason=\"%s\"", r->name, print, err.text);
        ret->result = MMR_JOIN_REFUSED;
        (void)snprintf(ret->why, sizeof ret->why, "%s", code == MMR_EPERM ? err.text : "the hub could not keep it; see its log");
        for (char *c = ret->why; *c; c++)
            if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e || *c == '"' || *c == '\\')
                *c = '_';
        return;
    }
    ret->result = MMR_JOIN_TAKEN;
    ret->state = x.state == MMR_MEMBER_APPROVED ? MMR_JOIN_APPROVED : MMR_JOIN_WAITS;
    ret->port = m->port;
    (void)snprintf(ret->name, sizeof ret->name, "%s", x.name);
    mmr_log(MMR_LOG_INFO, "node.joined", "node=%s hostname=\"%s\" state=%s keys=%s", x.name, x.hostname, mmr_member_state_name(x.state), print);
    (void)snprintf(text, sizeof text, "the machine %s (%s) joined the site; %s", x.name, x.hostname,
                   x.state == MMR_MEMBER_APPROVED ? "it may connect" : "it waits for 'mamori node approve'");
    fact(m, "node.joined", 2, text);
    (void)apply(m, &err);
    mmr_live_settle(m->l);
}

static void on_join_misbehaved(void *ctx, const char *source, uint64_t count, const char *what)
{
    (void)ctx;
    mmr_log(MMR_LOG_WARN, "join.misbehaves", "source=%s count=%llu what=\"%s\"", source, (unsigned long long)count, what);
}

static const struct mmr_join_server_ops join_ops = {.secret = on_secret, .join = on_join, .misbehaved = on_join_misbehaved};

/* ---- keys that change ---- */

int mmr_membership_rotate(struct mmr_membership *m, const char *node, const struct mmr_public_keys *next)
{
    struct mmr_error err = {.struct_size = sizeof err};
    int r = mmr_members_next_keys(m->list, node, next->curve, next->sign, &err);
    if (r == MMR_ENOENT)
        (void)mmr_fail(&err, r, "its keys were placed by hand: change them by hand, or let it join with a token");
    if (r)
        mmr_log(MMR_LOG_WARN, "node.rotate_refused", "node=%s reason=\"%s\"", node, err.text);
    return r;
}

void mmr_membership_rotated(struct mmr_membership *m, const char *node)
{
    char text[FACT_MAX];
    struct mmr_error err = {.struct_size = sizeof err};
    int64_t now = mmr_clock_wall_ns();
    if (mmr_members_rotated(m->list, node, now, &err) != 0)
        mmr_log(MMR_LOG_ERR, "node.rotation_not_recorded", "node=%s reason=\"%s\"", node, err.text);
    mmr_log(MMR_LOG_INFO, "node.rotated", "node=%s", node);
    (void)snprintf(text, sizeof text, "the machine %s uses new keys; the old ones are not taken any more", node);
    fact(m, "node.rotated", 1, text);
}

static void announce_to(struct mmr_membership *m, const char *node)
{
    uint8_t body[2 * MMR_KEY];
    memcpy(body, m->next.pub.curve, MMR_KEY);
    memcpy(body + MMR_KEY, m->next.pub.sign, MMR_KEY);
    (void)mmr_site_hub_order(m->l->hub, node, "agent", MMR_SITE_HUB_KEY, 0, ORDER_TTL_MS, body, sizeof body);
}

static bool knows_next(struct mmr_membership *m, const struct mmr_roster_node *n)
{
    struct mmr_member x;
    if (mmr_members_get(m->list, n->name, &x, NULL) != 0)
        return n->knows_hub_next;
    return x.state != MMR_MEMBER_APPROVED || (x.has_hub_next && memcmp(x.hub_next, m->next.pub.curve, MMR_KEY) == 0);
}

/* Who must still hear of the next key; names into list (may be NULL). */
static uint32_t not_told(struct mmr_membership *m, struct json_object *list)
{
    uint32_t n = 0;
    for (size_t i = 0; i < m->l->roster.n_nodes; i++)
        if (!knows_next(m, &m->l->roster.nodes[i])) {
            n++;
            if (list)
                json_object_array_add(list, json_object_new_string(m->l->roster.nodes[i].name));
        }
    return n;
}

/* The brain starts anew with the next key. */
static void switch_key(struct mmr_membership *m)
{
    struct mmr_error err = {.struct_size = sizeof err};
    int r = mmr_site_keys_switch(mmr_config_str(m->l->config, "node.state_dir"), &err);
    if (r) {
        mmr_log(MMR_LOG_ERR, "hub.key_not_changed", "reason=\"%s\"", err.text);
        return;
    }
    uint32_t n = 0;
    (void)mmr_members_token_void(m->list, mmr_clock_wall_ns(), &n, &err); /* they name the old key */
    mmr_log(MMR_LOG_WARN, "hub.key_changed", "tokens_void=%u what=\"the brain starts again with its next key\"", n);
    fact(m, "hub.rotated", 1, "the hub uses its next key from now on");
    m->has_next = false;
    mmr_live_end(m->l);
}

static void next_key(struct mmr_membership *m)
{
    int64_t now = mmr_clock_mono_ns();
    if (!m->has_next)
        return;
    if (not_told(m, NULL) == 0) {
        switch_key(m);
        return;
    }
    if (m->announced_ns && now - m->announced_ns < ANNOUNCE_S * MMR_NS_PER_S)
        return;
    m->announced_ns = now;
    for (size_t i = 0; i < m->l->roster.n_nodes; i++)
        if (m->l->roster.nodes[i].is_up && !knows_next(m, &m->l->roster.nodes[i]))
            announce_to(m, m->l->roster.nodes[i].name);
}

void mmr_membership_record(struct mmr_membership *m, const struct mmr_site_record *r)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_roster_node *n = mmr_roster_node(&m->l->roster, r->node);
    if (r->kind != MMR_SITE_HUB_KEY || !n || !m->has_next || r->len != MMR_KEY || memcmp(r->bytes, m->next.pub.curve, MMR_KEY) != 0)
        return;
    n->knows_hub_next = true;
    int code = mmr_members_knows_hub_next(m->list, r->node, r->bytes, &err);
    if (code && code != MMR_ENOENT)
        mmr_log(MMR_LOG_ERR, "node.not_recorded", "node=%s reason=\"%s\"", r->node, err.text);
    mmr_log(MMR_LOG_INFO, "hub.key_known", "node=%s", r->node);
}

/* ---- who is there ---- */

void mmr_membership_up(struct mmr_membership *m, const char *node)
{
    struct mmr_roster_node *n = mmr_roster_node(&m->l->roster, node);
    char text[FACT_MAX];
    int64_t now = mmr_clock_wall_ns();
    if (!n)
        return;
    if (n->down_ns && !n->is_bye)
        mmr_weekly_gap(m->l, n->down_ns, now, n->hostname[0] ? n->hostname : node, "link", true);
    if (n->is_lost) {
        (void)snprintf(text, sizeof text, "the machine %s is heard again after %lld s; what it kept meanwhile comes with its own times", node,
                       (long long)(n->down_ns ? (now - n->down_ns) / MMR_NS_PER_S : 0));
        fact(m, "node.back", 1, text);
    }
    n->is_lost = n->is_bye = false;
    n->is_seen_due = true;
    if (m->has_next && !knows_next(m, n))
        m->announced_ns = 0;
}

void mmr_membership_gone(struct mmr_membership *m, const char *node, bool is_bye)
{
    struct mmr_roster_node *n = mmr_roster_node(&m->l->roster, node);
    if (!n)
        return;
    n->is_bye = is_bye;
    n->is_seen_due = true;
}

static void look_for_silent(struct mmr_membership *m)
{
    char text[FACT_MAX];
    int64_t now = mmr_clock_wall_ns();
    const bool is_young = mmr_clock_mono_ns() - m->l->started_ns < START_GRACE_S * MMR_NS_PER_S;
    for (size_t i = 0; i < m->l->roster.n_nodes; i++) {
        struct mmr_roster_node *n = &m->l->roster.nodes[i];
        if (n->is_up || n->is_lost || n->is_bye || !mmr_site_hub_is_allowed(m->l->hub, n->name) ||
            (is_young && !n->has_epoch) || (n->has_epoch && now - n->down_ns < LOST_AFTER_S * MMR_NS_PER_S))
            continue;
        n->is_lost = true;
        mmr_log(MMR_LOG_WARN, "node.lost", "node=%s", n->name);
        (void)snprintf(text, sizeof text, "the machine %s is silent: nothing watches there, and nothing is defended there, until it is heard again",
                       n->name);
        fact(m, "node.lost", 3, text);
    }
}

/* When each was heard last, written together: a brain that starts again tells gaps from it. */
static void note_seen(struct mmr_membership *m)
{
    struct mmr_error err = {.struct_size = sizeof err};
    const int64_t now = mmr_clock_mono_ns(), wall = mmr_clock_wall_ns();
    const bool is_time = !m->seen_ns || now - m->seen_ns >= m->seen_every_ns;
    bool has_begun = false;
    for (size_t i = 0; i < m->l->roster.n_nodes; i++) {
        struct mmr_roster_node *n = &m->l->roster.nodes[i];
        if (!n->is_seen_due && !(is_time && n->is_up))
            continue;
        if (!has_begun && mmr_members_begin(m->list, &err) != 0)
            break;
        has_begun = true;
        (void)mmr_members_seen(m->list, n->name, n->is_up ? wall : n->down_ns, &err); /* keys placed by hand have no row */
        n->is_seen_due = false;
    }
    if (is_time)
        m->seen_ns = now;
    if (has_begun && mmr_members_end(m->list, &err) != 0)
        mmr_log(MMR_LOG_ERR, "node.not_recorded", "reason=\"%s\"", err.text);
}

void mmr_membership_tick(struct mmr_membership *m)
{
    struct mmr_error err = {.struct_size = sizeof err};
    if (mmr_members_has_news(m->list))
        (void)apply(m, &err);
    else
        mmr_site_hub_open_door(m->l->hub, mmr_members_has_open_token(m->list, mmr_clock_wall_ns()));
    look_for_silent(m);
    note_seen(m);
    next_key(m);
}

/* ---- what is asked ---- */

static void say_error(struct json_object *o, const char *text)
{
    json_object_object_add(o, "error", json_object_new_string(text));
}

static bool get_text(const char *args, const char *key, char *buf, size_t cap)
{
    struct json_object *o = json_tokener_parse(args), *v = NULL;
    bool is_good = json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, key, &v) &&
                   json_object_is_type(v, json_type_string) && (size_t)json_object_get_string_len(v) < cap;
    if (is_good)
        (void)snprintf(buf, cap, "%s", json_object_get_string(v));
    json_object_put(o);
    return is_good;
}

static int rotate_node(struct mmr_membership *m, const char *args, struct json_object *o)
{
    char name[MMR_SITE_NAME_MAX + 1], text[200];
    struct mmr_member x;
    if (!get_text(args, "name", name, sizeof name)) {
        say_error(o, "'name' must be a node's name");
        return 2;
    }
    if (mmr_members_get(m->list, name, &x, NULL) != 0) {
        (void)snprintf(text, sizeof text, "no node '%s' has joined with a token; keys placed by hand are changed by hand", name);
        say_error(o, text);
        return 1;
    }
    int r = mmr_site_hub_order(m->l->hub, name, "agent", MMR_SITE_ROTATE, 0, ORDER_TTL_MS, "", 0);
    if (r) {
        (void)snprintf(text, sizeof text, "node '%s' is not connected; ask again when it is", name);
        say_error(o, text);
        return 3;
    }
    json_object_object_add(o, "asked", json_object_new_string(name));
    return 0;
}

static int rotate_hub(struct mmr_membership *m, const char *args, struct json_object *o)
{
    struct mmr_error err = {.struct_size = sizeof err};
    char now[8] = "", print[MMR_FINGERPRINT_MAX];
    if (!m->has_next) {
        int r = mmr_site_keys_next(mmr_config_str(m->l->config, "node.state_dir"), &m->next, &err);
        if (r) {
            say_error(o, err.text);
            return 3;
        }
        m->has_next = true;
        m->announced_ns = 0;
        for (size_t i = 0; i < m->l->roster.n_nodes; i++)
            m->l->roster.nodes[i].knows_hub_next = false;
    }
    struct json_object *list = json_object_new_array();
    uint32_t waiting = not_told(m, list);
    mmr_public_keys_fingerprint(&m->next.pub, print);
    json_object_object_add(o, "next", json_object_new_string(print));
    json_object_object_add(o, "not_told_yet", list);
    (void)get_text(args, "now", now, sizeof now);
    const bool is_now = strcmp(now, "yes") == 0 || waiting == 0;
    json_object_object_add(o, "changed", json_object_new_boolean(is_now));
    if (is_now)
        switch_key(m);
    else
        next_key(m);
    return 0;
}

bool mmr_membership_request(struct mmr_membership *m, const char *command, const char *args, struct json_object *o, int *ret_status)
{
    struct mmr_error err = {.struct_size = sizeof err};
    if (strcmp(command, "node.changed") == 0) {
        *ret_status = apply(m, &err) ? 3 : 0;
        if (*ret_status)
            say_error(o, err.text);
        json_object_object_add(o, "applied", json_object_new_boolean(*ret_status == 0));
    } else if (strcmp(command, "node.rotate") == 0) {
        *ret_status = rotate_node(m, args, o);
    } else if (strcmp(command, "node.rotate_hub") == 0) {
        *ret_status = rotate_hub(m, args, o);
    } else {
        return false;
    }
    return true;
}

/* ---- start and end ---- */

/* Silent connections cost a descriptor each; there must be enough for the real ones (WIRE: an exhausted table spins). */
static void raise_descriptors(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
        r.rlim_cur = r.rlim_max < 65536 ? r.rlim_max : 65536;
        (void)setrlimit(RLIMIT_NOFILE, &r);
    }
}

static int open_parts(struct mmr_membership *m, const char *listen, const char *state_dir, struct mmr_error *err)
{
    struct mmr_keys keys;
    char bulk[128], join[128];
    int r = mmr_site_port_endpoint(listen, 1, bulk, sizeof bulk, err);
    if (!r)
        r = mmr_site_port_endpoint(listen, 2, join, sizeof join, err);
    if (!r)
        r = mmr_site_own_keys(state_dir, &keys, err);
    if (r)
        return r;
    raise_descriptors();
    r = mmr_members_open(state_dir, true, &m->list, err);
    if (!r)
        r = mmr_site_hub_new(m->l->bus, listen, bulk, &keys, &mmr_live_site_ops, m->l, NULL, &m->l->hub, err);
    if (!r)
        r = mmr_join_server_new(m->l->bus, join, &keys, &join_ops, m, &m->join, err);
    mmr_keys_done(&keys);
    if (!r && mmr_site_keys_read_next(state_dir, &m->next, NULL) == 0)
        m->has_next = true;
    m->port = (uint32_t)strtoul(strrchr(listen, ':') + 1, NULL, 10);
    if (!r)
        r = admit_configured(m, err);
    return r ? r : apply(m, err);
}

int mmr_membership_open(struct mmr_live *l, struct mmr_membership **ret, struct mmr_error *err)
{
    const char *listen = mmr_config_str(l->config, "site.listen");
    *ret = NULL;
    if (!listen)
        return 0;
    struct mmr_membership *m = calloc(1, sizeof *m);
    if (!m)
        return mmr_fail(err, MMR_ENOMEM, "site: out of memory");
    m->l = l;
    /* more often than a gap is long: a restart of the brain is none */
    m->seen_every_ns = mmr_config_int(l->config, "site.gap_after") * MMR_NS_PER_MS / 3;
    if (m->seen_every_ns > SEEN_EVERY_S * MMR_NS_PER_S)
        m->seen_every_ns = SEEN_EVERY_S * MMR_NS_PER_S;
    m->is_automatic = strcmp(mmr_config_str(l->config, "site.approve"), "auto") == 0;
    int r = open_parts(m, listen, mmr_config_str(l->config, "node.state_dir"), err);
    if (r) {
        mmr_membership_close(m);
        return r;
    }
    *ret = m;
    return 0;
}

void mmr_membership_close(struct mmr_membership *m)
{
    if (!m)
        return;
    mmr_join_server_free(m->join);
    mmr_site_hub_free(m->l->hub);
    m->l->hub = NULL;
    mmr_members_close(m->list);
    mmr_keys_done(&m->next);
    free(m);
}
