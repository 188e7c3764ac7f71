/*
 * rotate.c - what a person asks of the running collector, over a control socket in its state folder: changes of its list at once,
 * new keys of a site, new keys of its own. Its next keys (<state>/node.key.next) are told to each site as an order and used from the
 * moment every approved site has said that it knows them, or at once when a person says so.
 */
#include "upstream/collector_internal.h"

#include "brain/site_conf.h"
#include "control/server.h"
#include "util/clock.h"
#include "util/log.h"

#include <json-c/json.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

enum { ORDER_TTL_MS = 30000, ANNOUNCE_S = 30, LISTEN_TRIES = 500, LISTEN_EVERY_MS = 10 };

static void announce_to(struct mmr_collector *c, const char *site)
{
    uint8_t body[2 * MMR_KEY];
    memcpy(body, c->next.pub.curve, MMR_KEY);
    memcpy(body + MMR_KEY, c->next.pub.sign, MMR_KEY);
    (void)mmr_site_hub_order(c->hub, site, "agent", MMR_SITE_HUB_KEY, 0, ORDER_TTL_MS, body, sizeof body);
}

static bool knows_next(struct mmr_collector *c, const struct mmr_collector_site *s)
{
    struct mmr_member x;
    return mmr_members_get(c->list, s->name, &x, NULL) != 0 || x.state != MMR_MEMBER_APPROVED ||
           (x.has_hub_next && memcmp(x.hub_next, c->next.pub.curve, MMR_KEY) == 0);
}

/* Who must still hear of the next keys; names into list (may be NULL). */
static uint32_t not_told(struct mmr_collector *c, struct json_object *list)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->n_sites; i++)
        if (!knows_next(c, &c->site[i])) {
            n++;
            if (list)
                json_object_array_add(list, json_object_new_string(c->site[i].name));
        }
    return n;
}

void mmr_collector_keys_tick(struct mmr_collector *c)
{
    const int64_t now = mmr_clock_mono_ns();
    if (!c->has_next || c->is_switch_due)
        return;
    if (c->announced_ns && now - c->announced_ns < ANNOUNCE_S * MMR_NS_PER_S)
        return;
    if (not_told(c, NULL) == 0) {
        c->is_switch_due = true;
        return;
    }
    c->announced_ns = now;
    for (uint32_t i = 0; i < c->n_sites; i++)
        if (c->site[i].is_up && !knows_next(c, &c->site[i]))
            announce_to(c, c->site[i].name);
}

void mmr_collector_knows_next(struct mmr_collector *c, const struct mmr_site_record *r)
{
    struct mmr_error err = {.struct_size = sizeof err};
    if (!c->has_next || r->len != MMR_KEY || memcmp(r->bytes, c->next.pub.curve, MMR_KEY) != 0)
        return;
    if (mmr_members_knows_hub_next(c->list, r->node, r->bytes, &err) != 0)
        mmr_log(MMR_LOG_ERR, "site.not_recorded", "site=%s reason=\"%s\"", r->node, err.text);
    mmr_log(MMR_LOG_INFO, "collector.key_known", "site=%s", r->node);
    if (not_told(c, NULL) == 0)
        c->is_switch_due = true;
}

int mmr_collector_keys_switch(struct mmr_collector *c, struct mmr_error *err)
{
    uint32_t n = 0;
    c->is_switch_due = false;
    int r = mmr_site_keys_switch(c->state_dir, err);
    if (r) {
        mmr_log(MMR_LOG_ERR, "collector.key_not_changed", "reason=\"%s\"", err->text);
        c->announced_ns = mmr_clock_mono_ns(); /* again in half a minute */
        return 0;
    }
    (void)mmr_members_token_void(c->list, mmr_clock_wall_ns(), &n, err); /* they name the old key */
    mmr_log(MMR_LOG_WARN, "collector.key_changed", "tokens_void=%u what=\"sites come back with the key they were told of\"", n);
    c->has_next = false;
    mmr_keys_done(&c->next);
    mmr_collector_members_close(c);
    for (uint32_t i = 0; i < c->n_sites; i++)
        c->site[i].is_up = c->site[i].has_epoch = false;
    for (unsigned k = 0; k < LISTEN_TRIES; k++) { /* the ports close in the background */
        if ((r = mmr_collector_members_open(c, err)) != MMR_EIO)
            break;
        mmr_collector_members_close(c);
        (void)poll(NULL, 0, LISTEN_EVERY_MS);
    }
    return r;
}

/* ---- what is asked ---- */

static void say_error(struct json_object *o, const char *text)
{
    json_object_object_add(o, "error", json_object_new_string(text));
}

static const char *text_of(struct json_object *args, const char *key)
{
    struct json_object *v = NULL;
    return args && json_object_object_get_ex(args, key, &v) && json_object_is_type(v, json_type_string) ? json_object_get_string(v) : "";
}

static int rotate_site(struct mmr_collector *c, const char *name, struct json_object *o)
{
    char text[200];
    struct mmr_member x;
    if (!*name) {
        say_error(o, "name the site whose keys shall change; the collector's own: 'mamori node rotate --hub'");
        return 2;
    }
    if (strlen(name) > MMR_MEMBER_NAME_MAX || mmr_members_get(c->list, name, &x, NULL) != 0) {
        (void)snprintf(text, sizeof text, "no site '%.60s' has joined this collector", name);
        say_error(o, text);
        return 1;
    }
    if (mmr_site_hub_order(c->hub, name, "agent", MMR_SITE_ROTATE, 0, ORDER_TTL_MS, "", 0) != 0) {
        (void)snprintf(text, sizeof text, "site '%s' is not connected; ask again when it is, or run 'mamori upstream rotate' there", name);
        say_error(o, text);
        return 3;
    }
    json_object_object_add(o, "asked", json_object_new_string(name));
    return 0;
}

static int rotate_own(struct mmr_collector *c, bool is_now, struct json_object *o)
{
    struct mmr_error err = {.struct_size = sizeof err};
    char print[MMR_FINGERPRINT_MAX];
    if (!c->has_next && mmr_site_keys_next(c->state_dir, &c->next, &err) != 0) {
        say_error(o, err.text);
        return 3;
    }
    c->has_next = true;
    c->announced_ns = 0;
    struct json_object *list = json_object_new_array();
    is_now |= not_told(c, list) == 0;
    mmr_public_keys_fingerprint(&c->next.pub, print);
    json_object_object_add(o, "next", json_object_new_string(print));
    json_object_object_add(o, "not_told_yet", list);
    json_object_object_add(o, "changed", json_object_new_boolean(is_now));
    c->is_switch_due = is_now; /* within a second */
    mmr_collector_keys_tick(c);
    return 0;
}

/* As in the status of a hub, for 'mamori node list'. */
static void who_is_up(struct mmr_collector *c, struct json_object *o)
{
    struct json_object *brain = json_object_new_object(), *nodes = json_object_new_array();
    for (uint32_t i = 0; i < c->n_sites; i++) {
        struct json_object *one = json_object_new_object();
        json_object_object_add(one, "name", json_object_new_string(c->site[i].name));
        json_object_object_add(one, "up", json_object_new_boolean(c->site[i].is_up));
        json_object_array_add(nodes, one);
    }
    json_object_object_add(brain, "nodes", nodes);
    json_object_object_add(o, "brain", brain);
}

static void on_request(void *ctx, uint64_t client, const char *command, struct json_object *args)
{
    struct mmr_collector *c = ctx;
    struct json_object *o = json_object_new_object();
    int status = 0;
    if (strcmp(command, "node.changed") == 0) {
        mmr_collector_members_apply(c);
        json_object_object_add(o, "applied", json_object_new_boolean(true));
    } else if (strcmp(command, "node.rotate") == 0) {
        status = rotate_site(c, text_of(args, "name"), o);
    } else if (strcmp(command, "node.rotate_hub") == 0) {
        status = rotate_own(c, strcmp(text_of(args, "now"), "yes") == 0, o);
    } else if (strcmp(command, "node.up") == 0) {
        who_is_up(c, o);
    } else {
        say_error(o, "this is a collector: it knows 'mamori upstream list', 'mamori token' and 'mamori node'");
        status = 2;
    }
    const char *text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    (void)mmr_control_answer(c->control, client, text, strlen(text));
    json_object_put(o);
    mmr_control_end(c->control, client, status);
}

void mmr_collector_control_open(struct mmr_collector *c)
{
    struct mmr_error err = {.struct_size = sizeof err};
    char path[4200];
    (void)snprintf(path, sizeof path, "%s/" MMR_CONTROL_SOCKET, c->state_dir);
    if (mmr_control_server_new(c->base, path, on_request, c, &c->control, &err) != 0)
        mmr_log(MMR_LOG_ERR, "collector.no_control", "reason=\"%s\" what=\"it runs; what 'mamori node' decides is in force within a second\"", err.text);
    if (mmr_site_keys_read_next(c->state_dir, &c->next, NULL) == 0)
        c->has_next = true;
}

void mmr_collector_control_close(struct mmr_collector *c)
{
    mmr_control_server_free(c->control);
    mmr_keys_done(&c->next);
}
