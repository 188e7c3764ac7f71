/* runtime.c - the life of the instances and the calls into their roles. Routing is in route.c, timers and
 * descriptors in wait.c, topics in topic.c. */
#include "plugin/runtime_internal.h"

#include "config/config.h"
#include "util/id.h"
#include "util/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A plugin's mistake is counted and, now and then, told; it never stops the core. */
void mmr_rt_misbehaved(struct mmr_rt_instance *in, const char *what)
{
    in->counters.refused++;
    if ((in->counters.refused & (in->counters.refused - 1)) == 0) { /* the 1st, 2nd, 4th, 8th ... */
        char quoted[256];
        mmr_log(MMR_LOG_WARN, "plugin.misbehaved", "instance=%s count=%llu what=\"%s\"", in->name,
                (unsigned long long)in->counters.refused,
                mmr_log_quote(what, strlen(what), quoted, sizeof quoted));
    }
}

bool mmr_rt_on_loop(struct mmr_rt_instance *in, const char *what)
{
    if (pthread_equal(in->rt->loop_thread, pthread_self()))
        return true;
    /* the counters belong to the loop, so only the log may be touched from here */
    mmr_log(MMR_LOG_ERR, "plugin.misbehaved", "instance=%s what=\"%s() called from a thread of its own\"", in->name,
            what);
    return false;
}

static void host_log(void *impl, int level, const char *text)
{
    struct mmr_rt_instance *in = impl;
    if (in->rt->ops.on_log) {
        in->rt->ops.on_log(in->rt->opts.ctx, in->index, level, text);
        return;
    }
    char quoted[512];
    mmr_log(level, "plugin.log", "instance=%s text=\"%s\"", in->name,
            mmr_log_quote(text, strlen(text), quoted, sizeof quoted));
}

static int host_action_done(void *impl, uint64_t action_id, int code, const void *msgpack, size_t len)
{
    struct mmr_rt_instance *in = impl;
    struct mmr_runtime *rt = in->rt;
    struct mmr_error err = {.struct_size = sizeof err};
    if (!mmr_rt_on_loop(in, "action_done"))
        return MMR_EINVAL;
    if (len) {
        struct mmr_event_view *view = malloc(sizeof *view);
        int r = view ? mmr_event_read(msgpack, len, view, &err) : MMR_ENOMEM;
        free(view);
        if (r) {
            mmr_rt_misbehaved(in, r == MMR_ENOMEM ? "receipt: out of memory" : err.text);
            return r;
        }
    }
    in->counters.receipts++;
    return rt->ops.on_receipt ? rt->ops.on_receipt(rt->opts.ctx, in->index, action_id, code, msgpack, len) : 0;
}

static int host_forward_done(void *impl, uint64_t seq, int level, int64_t time_ns, const char *detail)
{
    struct mmr_rt_instance *in = impl;
    struct mmr_runtime *rt = in->rt;
    if (!mmr_rt_on_loop(in, "forward_done"))
        return MMR_EINVAL;
    if (level < MMR_DELIVERY_FAILED || level > MMR_DELIVERY_CONFIRMED) {
        mmr_rt_misbehaved(in, "forward_done() with an unknown level");
        return MMR_EINVAL;
    }
    in->counters.forwards++;
    return rt->ops.on_forwarded ? rt->ops.on_forwarded(rt->opts.ctx, in->index, seq, level, time_ns, detail) : 0;
}

/* ---- life ---- */

int mmr_runtime_new(const struct mmr_runtime_opts *opts, struct mmr_runtime **ret_rt, struct mmr_error *err)
{
    struct mmr_runtime *rt = calloc(1, sizeof *rt);
    if (!rt)
        return mmr_fail(err, MMR_ENOMEM, "plugin runtime: out of memory");
    rt->opts = *opts;
    if (opts->ops)
        rt->ops = *opts->ops;
    rt->wake_fd = -1;
    rt->wants_all = opts->wants_all;
    rt->loop_thread = pthread_self();
    rt->trace = opts->trace ? opts->trace : &rt->own_trace;
    (void)snprintf(rt->node, sizeof rt->node, "%s", opts->node ? opts->node : "");
    (void)snprintf(rt->core_version, sizeof rt->core_version, "%s", opts->core_version ? opts->core_version : "");
    rt->stamp_buf = malloc(MMR_EVENT_BYTES_MAX + MMR_STAMP_EXTRA_MAX);
    rt->read_buf = malloc(MMR_EVENT_BYTES_MAX + MMR_STAMP_EXTRA_MAX);
    int r = rt->stamp_buf && rt->read_buf ? mmr_rt_wait_init(rt, err)
                                          : mmr_fail(err, MMR_ENOMEM, "plugin runtime: out of memory");
    if (r) {
        mmr_runtime_free(rt);
        return r;
    }
    *ret_rt = rt;
    return 0;
}

static void free_instance(struct mmr_rt_instance *in)
{
    free(in->config);
    free(in->next_config);
    free(in->routes);
    free(in);
}

static void destroy(struct mmr_rt_instance *in)
{
    struct mmr_runtime *rt = in->rt;
    if (!in->self)
        return;
    struct mmr_rt_was was = mmr_rt_enter(rt, in, MMR_DOING_DESTROY);
    in->plugin->destroy(in->self);
    mmr_rt_leave(rt, was);
    in->self = NULL;
    mmr_rt_wait_forget(in);
    mmr_rt_topics_rebuild(rt);
}

void mmr_runtime_free(struct mmr_runtime *rt)
{
    if (!rt)
        return;
    mmr_runtime_stop(rt);
    for (uint32_t i = rt->n; i-- > 0;)
        destroy(rt->inst[i]);
    mmr_rt_wait_done(rt);
    for (uint32_t i = 0; i < rt->n; i++)
        free_instance(rt->inst[i]);
    for (uint32_t i = 0; i < rt->n_kinds; i++)
        free(rt->kinds[i]);
    for (uint32_t i = 0; i < rt->n_topics; i++)
        free(rt->topics[i]);
    free(rt->queue.bytes);
    free(rt->stamp_buf);
    free(rt->read_buf);
    free(rt);
}

void mmr_runtime_drop_last(struct mmr_runtime *rt)
{
    struct mmr_rt_instance *in = rt->inst[rt->n - 1];
    if (in->is_started)
        in->plugin->sensor->stop(in->self);
    destroy(in);
    mmr_rt_wait_forget(in);
    for (uint32_t i = 0; i < rt->n_kinds; i++) {
        struct mmr_rt_kind *k = rt->kinds[i];
        if (k->n_readers && k->readers[k->n_readers - 1] == in->index)
            k->n_readers--;
    }
    rt->n--;
    mmr_rt_topics_rebuild(rt);
    free_instance(in);
}

static void fill_host(struct mmr_rt_instance *in)
{
    in->host = (struct mmr_host){
        .struct_size = sizeof in->host, .abi_major = MMR_ABI_MAJOR, .abi_minor = MMR_ABI_MINOR, .impl = in,
        .core_version = in->rt->core_version, .instance = in->name, .state_dir = in->state_dir,
        .log = host_log, .emit = mmr_rt_emit, .action_done = host_action_done, .watch_fd = mmr_rt_watch_fd,
        .set_timer = mmr_rt_set_timer, .wake = mmr_rt_wake, .now_ns = mmr_rt_now_ns,
        .extension = mmr_rt_extension, .forward_done = host_forward_done,
    };
}

static int check_conf(const struct mmr_runtime *rt, const struct mmr_runtime_instance *conf, struct mmr_error *err)
{
    size_t len = strnlen(conf->name, MMR_RUNTIME_NAME_MAX + 1);
    if (rt->n == MMR_RUNTIME_INSTANCES_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "instance '%s': at most %d instances share a host", conf->name,
                        MMR_RUNTIME_INSTANCES_MAX);
    if (len == 0 || len > MMR_RUNTIME_NAME_MAX)
        return mmr_fail(err, MMR_EINVAL, "instance '%.64s': its name has %zu bytes, expected 1 to %d", conf->name,
                        len, MMR_RUNTIME_NAME_MAX);
    if (conf->side != MMR_SIDE_NETWORK && conf->side != MMR_SIDE_ENDPOINT)
        return mmr_fail(err, MMR_EINVAL, "instance '%s': side %u, expected network or endpoint", conf->name, conf->side);
    for (uint32_t i = 0; i < rt->n; i++)
        if (strcmp(rt->inst[i]->name, conf->name) == 0)
            return mmr_fail(err, MMR_EINVAL, "instance '%s' exists already", conf->name);
    return 0;
}

int mmr_runtime_add(struct mmr_runtime *rt, const struct mmr_runtime_instance *conf, uint32_t *ret_index,
                    struct mmr_error *err)
{
    const struct mmr_plugin *p = conf->plugin;
    struct mmr_error own = {.struct_size = sizeof own};
    int r = check_conf(rt, conf, err);
    if (r)
        return r;
    struct mmr_rt_instance *in = calloc(1, sizeof *in);
    if (!in)
        return mmr_fail(err, MMR_ENOMEM, "instance '%s': out of memory", conf->name);
    in->rt = rt;
    in->plugin = p;
    in->index = rt->n;
    in->side = conf->side;
    in->group = conf->group ? mmr_hash64(conf->group, strlen(conf->group), 1) : 0;
    memcpy(in->name, conf->name, strlen(conf->name));
    (void)snprintf(in->state_dir, sizeof in->state_dir, "%s", conf->state_dir ? conf->state_dir : "");
    fill_host(in);
    r = mmr_config_fill(p, conf->packed, conf->packed_len, &in->config, &own);
    if (r) {
        free_instance(in);
        return mmr_fail(err, r, "instance '%s': %.180s", conf->name, own.text);
    }
    r = mmr_stamper_init(&in->stamper, p->events, rt->node,
                         conf->side == MMR_SIDE_NETWORK ? "network" : "endpoint", p->id, in->name, err);
    rt->inst[rt->n++] = in; /* known from here: create() may already set timers and emit */
    if (r == 0)
        r = mmr_rt_route_instance(in, err);
    if (r == 0) {
        struct mmr_rt_was was = mmr_rt_enter(rt, in, MMR_DOING_CREATE);
        r = p->create(&in->host, in->config, &in->self, &own);
        if (r) {
            in->self = NULL;
            (void)mmr_fail(err, r, "instance '%s': create: %.180s", in->name, own.text[0] ? own.text : "failed");
        }
        mmr_rt_leave(rt, was);
    }
    if (r) {
        mmr_runtime_drop_last(rt);
        return r;
    }
    mmr_rt_topics_rebuild(rt);
    *ret_index = in->index;
    return 0;
}

static int start_one(struct mmr_rt_instance *in, struct mmr_error *err)
{
    struct mmr_runtime *rt = in->rt;
    struct mmr_error own = {.struct_size = sizeof own};
    struct mmr_rt_was was = mmr_rt_enter(rt, in, MMR_DOING_START);
    in->is_stopped = false;
    int r = in->plugin->sensor->start(in->self, &own);
    mmr_rt_leave(rt, was);
    if (r)
        return mmr_fail(err, r, "instance '%s': start: %.180s", in->name, own.text[0] ? own.text : "failed");
    in->is_started = true;
    return 0;
}

int mmr_runtime_start(struct mmr_runtime *rt, struct mmr_error *err)
{
    for (int is_source = 0; is_source < 2; is_source++)
        for (uint32_t i = 0; i < rt->n; i++) {
            struct mmr_rt_instance *in = rt->inst[i];
            if (!in->self || !in->plugin->sensor || in->is_started || mmr_rt_has_sink(rt, in) == is_source)
                continue;
            int r = start_one(in, err);
            if (r) {
                mmr_runtime_stop(rt);
                return r;
            }
        }
    return 0;
}

static void stop_one(struct mmr_rt_instance *in)
{
    struct mmr_rt_was was = mmr_rt_enter(in->rt, in, MMR_DOING_STOP);
    in->plugin->sensor->stop(in->self);
    mmr_rt_leave(in->rt, was);
    in->is_started = false;
    in->is_stopped = true;
}

void mmr_runtime_stop(struct mmr_runtime *rt)
{
    for (int has_sink = 0; has_sink < 2; has_sink++) /* pure sources first */
        for (uint32_t i = rt->n; i-- > 0;) {
            struct mmr_rt_instance *in = rt->inst[i];
            if (in->self && in->is_started && mmr_rt_has_sink(rt, in) == has_sink)
                stop_one(in);
        }
}

/* ---- what the owner asks ---- */

size_t mmr_runtime_count(const struct mmr_runtime *rt)
{
    return rt->n;
}

void *mmr_runtime_self(const struct mmr_runtime *rt, uint32_t i)
{
    return i < rt->n ? rt->inst[i]->self : NULL;
}

void mmr_runtime_counters(const struct mmr_runtime *rt, uint32_t i, struct mmr_runtime_counters *ret)
{
    *ret = i < rt->n ? rt->inst[i]->counters : (struct mmr_runtime_counters){0};
}

static struct mmr_rt_instance *live(struct mmr_runtime *rt, uint32_t i)
{
    return i < rt->n && rt->inst[i]->self ? rt->inst[i] : NULL;
}

static bool has_verb(const struct mmr_plugin *p, const char *verb)
{
    for (const char *const *v = p->actions; v && *v; v++)
        if (strcmp(*v, verb) == 0)
            return true;
    return false;
}

int mmr_runtime_act(struct mmr_runtime *rt, uint32_t i, const struct mmr_action *a, struct mmr_error *err)
{
    struct mmr_rt_instance *in = live(rt, i);
    if (!in || !in->plugin->responder)
        return mmr_fail(err, MMR_ENOENT, "instance %u is no responder", i);
    if (!has_verb(in->plugin, a->verb))
        return mmr_fail(err, MMR_ENOENT, "instance '%s' does not declare '%.40s'", in->name, a->verb);
    in->counters.acts++;
    struct mmr_rt_was was = mmr_rt_enter(rt, in, MMR_DOING_ACT);
    int r = in->plugin->responder->act(in->self, a, err);
    mmr_rt_leave(rt, was);
    if (r && r != MMR_EAGAIN)
        in->counters.failed++;
    return r;
}

int mmr_runtime_reconcile(struct mmr_runtime *rt, uint32_t i, const uint64_t *ids, size_t n, struct mmr_error *err)
{
    struct mmr_rt_instance *in = live(rt, i);
    if (!in || !in->plugin->responder)
        return mmr_fail(err, MMR_ENOENT, "instance %u is no responder", i);
    struct mmr_rt_was was = mmr_rt_enter(rt, in, MMR_DOING_ACT);
    int r = in->plugin->responder->reconcile(in->self, ids, n, err);
    mmr_rt_leave(rt, was);
    return r;
}

int mmr_runtime_forward(struct mmr_runtime *rt, uint32_t i, const void *data, size_t len, uint64_t seq,
                        struct mmr_error *err)
{
    struct mmr_rt_instance *in = live(rt, i);
    if (!in || !in->plugin->forwarder)
        return mmr_fail(err, MMR_ENOENT, "instance %u is no forwarder", i);
    struct mmr_rt_was was = mmr_rt_enter(rt, in, MMR_DOING_FORWARD);
    int r = in->plugin->forwarder->forward(in->self, data, len, seq, err);
    mmr_rt_leave(rt, was);
    if (r && r != MMR_EAGAIN)
        in->counters.failed++;
    return r;
}

int mmr_runtime_flush(struct mmr_runtime *rt, int64_t deadline_ms, struct mmr_error *err)
{
    int first = 0;
    for (uint32_t i = 0; i < rt->n; i++) {
        struct mmr_rt_instance *in = live(rt, i);
        if (!in || !in->plugin->forwarder)
            continue;
        struct mmr_rt_was was = mmr_rt_enter(rt, in, MMR_DOING_FORWARD);
        int r = in->plugin->forwarder->flush(in->self, deadline_ms, err);
        mmr_rt_leave(rt, was);
        first = first ? first : r;
    }
    return first;
}

void mmr_runtime_committed(struct mmr_runtime *rt, uint32_t i, uint64_t upto)
{
    struct mmr_rt_instance *in = live(rt, i);
    const struct mmr_sensor_ops *s = in ? in->plugin->sensor : NULL;
    if (!s || !MMR_HAS(s, on_committed) || !s->on_committed)
        return;
    struct mmr_rt_was was = mmr_rt_enter(rt, in, MMR_DOING_WAKE);
    s->on_committed(in->self, upto < in->seq ? upto : in->seq);
    mmr_rt_leave(rt, was);
}

void mmr_runtime_set_origin(struct mmr_runtime *rt, const char *input, uint64_t index)
{
    (void)snprintf(rt->origin, sizeof rt->origin, "%s", input);
    rt->origin_index = index;
    rt->origin_counter = 0;
}

/* ---- reload ---- */

int mmr_runtime_prepare(struct mmr_runtime *rt, uint32_t i, const uint8_t *packed, size_t len,
                        struct mmr_error *err)
{
    struct mmr_rt_instance *in = live(rt, i);
    struct mmr_error own = {.struct_size = sizeof own};
    void *config;
    if (!in)
        return mmr_fail(err, MMR_ENOENT, "reload: there is no instance %u", i);
    if (in->is_prepared)
        return mmr_fail(err, MMR_EINVAL, "reload: instance '%s' is prepared already", in->name);
    int r = mmr_config_fill(in->plugin, packed, len, &config, &own);
    if (r)
        return mmr_fail(err, r, "instance '%s': %.180s", in->name, own.text);
    if (!in->plugin->reload_prepare) {
        free(config);
        return mmr_fail(err, MMR_EUNSUPPORTED, "instance '%s' cannot reload; its host must be restarted", in->name);
    }
    struct mmr_rt_was was = mmr_rt_enter(rt, in, MMR_DOING_RELOAD);
    r = in->plugin->reload_prepare(in->self, config, &own);
    mmr_rt_leave(rt, was);
    if (r) {
        free(config);
        return mmr_fail(err, r, "instance '%s': reload: %.180s", in->name, own.text[0] ? own.text : "refused");
    }
    in->next_config = config;
    in->is_prepared = true;
    return 0;
}

static void end_reload(struct mmr_runtime *rt, bool is_commit)
{
    for (uint32_t i = 0; i < rt->n; i++) {
        struct mmr_rt_instance *in = rt->inst[i];
        if (!in->is_prepared)
            continue;
        struct mmr_rt_was was = mmr_rt_enter(rt, in, MMR_DOING_RELOAD);
        if (is_commit)
            in->plugin->reload_commit(in->self);
        else
            in->plugin->reload_abort(in->self);
        mmr_rt_leave(rt, was);
        if (is_commit) {
            free(in->config);
            in->config = in->next_config;
        } else {
            free(in->next_config);
        }
        in->next_config = NULL;
        in->is_prepared = false;
    }
}

void mmr_runtime_commit(struct mmr_runtime *rt)
{
    end_reload(rt, true);
}

void mmr_runtime_abort(struct mmr_runtime *rt)
{
    end_reload(rt, false);
}
