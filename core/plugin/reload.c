/* reload.c - a new configuration for all hosts, whole or not at all. */
#include "plugin/supervise_internal.h"

#include <mamori/action.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void decide(struct mmr_supervisor *sup, int code, const char *text)
{
    struct mmr_reload *r = &sup->reload;
    if (!r->is_active || r->is_done_called)
        return;
    r->is_done_called = true;
    if (r->timeout_ev)
        (void)event_del(r->timeout_ev);
    r->done(r->ctx, code, text);
}

static void on_timeout(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    decide(ctx, MMR_EIO, "a plugin host did not answer in time");
}

static struct mmr_group_instance *instance_of(const struct mmr_reload_item *item)
{
    const struct mmr_group *g = item->host->group;
    return g && item->instance < g->n ? &g->instances[item->instance] : NULL;
}

/* Keep the bytes and ask; a host that does not run gets them at its next start. */
static int ask(const struct mmr_reload_item *item, struct mmr_error *err)
{
    struct mmr_group_instance *in = instance_of(item);
    struct mmr_child *c = item->host;
    uint8_t buf[64];
    struct mmr_event map;

    if (!in)
        return mmr_fail(err, MMR_EINVAL, "reload: host '%s' has no instance %zu", c->name, item->instance);
    in->next_packed = malloc(item->packed_len + 1);
    if (!in->next_packed)
        return mmr_fail(err, MMR_ENOMEM, "reload: out of memory");
    if (item->packed_len)
        memcpy(in->next_packed, item->packed, item->packed_len);
    in->next_len = item->packed_len;
    if (c->state != MMR_CHILD_RUNNING)
        return 0;
    if (in->is_program) { /* it reads its configuration once, at its start */
        c->is_restart_due = true;
        return 0;
    }
    mmr_event_begin_map(&map, buf, sizeof buf);
    mmr_event_int(&map, "index", (int64_t)item->instance);
    int r = mmr_channel_send(c->channel, MMR_MSG_PREPARE, &map, item->packed, item->packed_len, -1);
    if (r)
        return mmr_fail(err, r, "reload: host '%s' cannot be asked", c->name);
    c->sup->reload.waiting++;
    return 0;
}

int mmr_reload_prepare(struct mmr_supervisor *sup, const struct mmr_reload_item *items, size_t n, int64_t timeout_ms,
                       mmr_reload_fn done, void *ctx, struct mmr_error *err)
{
    struct mmr_reload *r = &sup->reload;
    const struct timeval tv = {.tv_sec = (time_t)(timeout_ms / 1000), .tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000};
    if (r->is_active)
        return mmr_fail(err, MMR_EAGAIN, "reload: one is under way");
    if (!r->timeout_ev)
        r->timeout_ev = evtimer_new(sup->base, on_timeout, sup);
    if (!r->timeout_ev)
        return mmr_fail(err, MMR_ENOMEM, "reload: no event");
    r->is_active = true;
    r->is_done_called = false;
    r->waiting = 0;
    r->done = done;
    r->ctx = ctx;
    for (size_t i = 0; i < n; i++) {
        int e = ask(&items[i], err);
        if (e) {
            mmr_reload_abort(sup);
            return e;
        }
    }
    if (r->waiting == 0)
        decide(sup, 0, "");
    else
        (void)evtimer_add(r->timeout_ev, &tv);
    return 0;
}

void mmr_reload_answer(struct mmr_child *c, const struct mmr_message *m)
{
    struct mmr_reload *r = &c->sup->reload;
    char text[248] = "";
    if (!r->is_active || r->is_done_called || r->waiting == 0)
        return;
    int64_t code = mmr_event_get_int(m->map, "code", MMR_EINTERNAL);
    (void)mmr_event_copy_str(m->map, "text", text, sizeof text);
    if (code == MMR_EUNSUPPORTED) { /* sound, but it takes a restart, which commit does */
        c->is_restart_due = true;
    } else if (code) {
        decide(c->sup, (int)code, text);
        return;
    }
    if (--r->waiting == 0)
        decide(c->sup, 0, "");
}

void mmr_reload_child_ended(struct mmr_child *c)
{
    char text[248];
    if (!c->sup->reload.is_active || c->sup->reload.is_done_called || !c->group)
        return;
    for (size_t i = 0; i < c->group->n; i++)
        if (c->group->instances[i].next_packed) {
            (void)snprintf(text, sizeof text, "host '%s' ended during the reload", c->name);
            decide(c->sup, MMR_EIO, text);
            return;
        }
}

static void finish(struct mmr_supervisor *sup, bool is_commit)
{
    for (struct mmr_child *c = sup->children; c; c = c->next) {
        bool is_changed = false;
        for (size_t i = 0; c->group && i < c->group->n; i++) {
            struct mmr_group_instance *in = &c->group->instances[i];
            if (!in->next_packed)
                continue;
            is_changed = true;
            if (is_commit) {
                free(in->packed);
                in->packed = in->next_packed;
                in->packed_len = in->next_len;
            } else {
                free(in->next_packed);
            }
            in->next_packed = NULL;
        }
        if (is_changed && c->channel && !c->group->instances[0].is_program)
            (void)mmr_channel_send(c->channel, is_commit ? MMR_MSG_COMMIT : MMR_MSG_ABORT, NULL, NULL, 0, -1);
        /* one that was starting read the old configuration */
        if (is_changed && is_commit && (c->is_restart_due || c->state == MMR_CHILD_STARTING))
            mmr_child_restart(c);
        c->is_restart_due = false;
    }
    if (sup->reload.timeout_ev)
        (void)event_del(sup->reload.timeout_ev);
    sup->reload.is_active = false;
}

void mmr_reload_commit(struct mmr_supervisor *sup)
{
    finish(sup, true);
}

void mmr_reload_abort(struct mmr_supervisor *sup)
{
    finish(sup, false);
}
