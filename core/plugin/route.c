/* route.c - from emit() to whoever reads the kind: the checks, the stamps, the owner, the analyzers here.
 * The routes are worked out when an instance is added, so an event costs one table look-up. */
#include "plugin/runtime_internal.h"

#include "util/clock.h"
#include "util/id.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct queued { /* in front of each queued event's bytes */
    uint32_t len, emitter; /* emitter: index, UINT32_MAX: from outside */
    uint16_t kind;
    uint16_t chain;
    uint32_t reserved;
};

/* ---- kinds ---- */

struct mmr_rt_kind *mmr_rt_kind(struct mmr_runtime *rt, const char *name, size_t len, bool is_new_ok)
{
    if (len == 0 || len > KIND_NAME_MAX)
        return NULL;
    size_t at = mmr_hash64(name, len, 0) % KIND_SLOTS;
    for (; rt->kind_slots[at]; at = (at + 1) % KIND_SLOTS) {
        struct mmr_rt_kind *k = rt->kinds[rt->kind_slots[at] - 1];
        if (strlen(k->name) == len && memcmp(k->name, name, len) == 0)
            return k;
    }
    if (!is_new_ok || rt->n_kinds == KINDS_MAX)
        return NULL;
    struct mmr_rt_kind *k = calloc(1, sizeof *k);
    if (!k)
        return NULL;
    memcpy(k->name, name, len);
    k->is_wanted = rt->wants_all;
    for (uint32_t i = 0; i < rt->n; i++) { /* those that read every kind read this one too */
        const char *const *s = rt->inst[i]->plugin->analyzer ? rt->inst[i]->plugin->subscribes : NULL;
        for (; s && *s; s++)
            if (strcmp(*s, "*") == 0)
                k->readers[k->n_readers++] = (uint8_t)i;
    }
    rt->kinds[rt->n_kinds] = k;
    rt->kind_slots[at] = (uint16_t)++rt->n_kinds;
    return k;
}

static uint16_t kind_number(const struct mmr_runtime *rt, const struct mmr_rt_kind *k)
{
    uint16_t i = 0;
    while (rt->kinds[i] != k)
        i++;
    return i;
}

static void add_reader(struct mmr_rt_kind *k, uint32_t index)
{
    for (uint32_t i = 0; i < k->n_readers; i++)
        if (k->readers[i] == index)
            return;
    k->readers[k->n_readers++] = (uint8_t)index; /* instances are added in rising order */
}

int mmr_rt_route_instance(struct mmr_rt_instance *in, struct mmr_error *err)
{
    struct mmr_runtime *rt = in->rt;
    size_t n = 0;

    for (const char *const *s = in->plugin->analyzer ? in->plugin->subscribes : NULL; s && *s; s++) {
        if (strcmp(*s, "*") == 0) {
            for (uint32_t i = 0; i < rt->n_kinds; i++)
                add_reader(rt->kinds[i], in->index);
            continue;
        }
        struct mmr_rt_kind *k = mmr_rt_kind(rt, *s, strlen(*s), true);
        if (!k)
            return mmr_fail(err, MMR_ETOOBIG, "instance '%s': no room for kind '%s' (at most %d kinds)", in->name,
                            *s, KINDS_MAX);
        add_reader(k, in->index);
    }
    while (in->plugin->events && in->plugin->events[n])
        n++;
    in->routes = calloc(n + 1, sizeof(struct mmr_rt_kind *));
    if (!in->routes)
        return mmr_fail(err, MMR_ENOMEM, "instance '%s': out of memory", in->name);
    for (size_t i = 0; i < n; i++) {
        const char *name = in->plugin->events[i];
        in->routes[i] = mmr_rt_kind(rt, name, strlen(name), true);
        if (!in->routes[i])
            return mmr_fail(err, MMR_ETOOBIG, "instance '%s': no room for kind '%s' (at most %d kinds)", in->name,
                            name, KINDS_MAX);
    }
    return 0;
}

int mmr_runtime_want(struct mmr_runtime *rt, const char *kind)
{
    if (strcmp(kind, "*") == 0) {
        rt->wants_all = true;
        for (uint32_t i = 0; i < rt->n_kinds; i++)
            rt->kinds[i]->is_wanted = true;
        return 0;
    }
    struct mmr_rt_kind *k = mmr_rt_kind(rt, kind, strlen(kind), true);
    if (!k)
        return MMR_ENOMEM;
    k->is_wanted = true;
    return 0;
}

/* ---- to the analyzers ---- */

static void hand_over(struct mmr_rt_instance *in, const void *stamped, size_t len)
{
    struct mmr_runtime *rt = in->rt;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_rt_was was = mmr_rt_enter(rt, in, MMR_DOING_EVENT);
    rt->event_depth++;
    in->counters.delivered++;
    if (in->plugin->analyzer->event(in->self, stamped, len, &err))
        in->counters.failed++;
    rt->event_depth--;
    mmr_rt_leave(rt, was);
}

static bool is_for(const struct mmr_runtime *rt, uint32_t reader, uint32_t emitter)
{
    /* cppcheck-suppress arrayIndexOutOfBounds ; emitter >= n (nobody) is asked first */
    return reader != emitter && (emitter >= rt->n || rt->inst[reader]->group == rt->inst[emitter]->group);
}

static void to_readers(struct mmr_runtime *rt, const struct mmr_rt_kind *k, uint32_t emitter,
                       const void *stamped, size_t len)
{
    memcpy(rt->trace->kind, k->name, sizeof rt->trace->kind);
    for (uint32_t i = 0; i < k->n_readers; i++)
        if (is_for(rt, k->readers[i], emitter) && rt->inst[k->readers[i]]->self)
            hand_over(rt->inst[k->readers[i]], stamped, len);
}

static void count_dropped(struct mmr_runtime *rt, const struct mmr_rt_kind *k, uint32_t emitter)
{
    for (uint32_t i = 0; i < k->n_readers; i++)
        if (is_for(rt, k->readers[i], emitter))
            rt->inst[k->readers[i]]->counters.dropped++;
}

static void enqueue(struct mmr_runtime *rt, const struct mmr_rt_kind *k, uint32_t emitter, const void *stamped,
                    size_t len)
{
    struct mmr_rt_queue *q = &rt->queue;
    struct queued head = {.len = (uint32_t)len, .emitter = emitter, .kind = kind_number(rt, k),
                          .chain = (uint16_t)(rt->chain + 1)};
    size_t need = sizeof head + len;

    if (head.chain > CHAIN_MAX || q->len - q->at + need > MMR_RUNTIME_QUEUE_BYTES) {
        count_dropped(rt, k, emitter);
        return;
    }
    if (q->len + need > q->cap) {
        if (q->at) {
            memmove(q->bytes, q->bytes + q->at, q->len - q->at);
            q->len -= q->at;
            q->at = 0;
        }
        if (q->len + need > q->cap) {
            size_t cap = 2 * (q->len + need);
            uint8_t *bytes = realloc(q->bytes, cap);
            if (!bytes) {
                count_dropped(rt, k, emitter);
                return;
            }
            q->bytes = bytes;
            q->cap = cap;
        }
    }
    memcpy(q->bytes + q->len, &head, sizeof head);
    memcpy(q->bytes + q->len + sizeof head, stamped, len);
    q->len += need;
}

/* Events emitted inside event(), until there are none. Only at the bottom of the stack: there nobody reads
 * read_buf any more. */
static void drain_queue(struct mmr_runtime *rt)
{
    struct mmr_rt_queue *q = &rt->queue;
    if (rt->event_depth)
        return;
    while (q->at < q->len) {
        struct queued head;
        memcpy(&head, q->bytes + q->at, sizeof head);
        memcpy(rt->read_buf, q->bytes + q->at + sizeof head, head.len);
        q->at += sizeof head + head.len;
        rt->chain = head.chain;
        to_readers(rt, rt->kinds[head.kind], head.emitter, rt->read_buf, head.len);
    }
    q->at = q->len = 0;
    rt->chain = 0;
}

/* The event just stamped. Readers get it in read_buf, because what they emit is stamped into stamp_buf. */
static void route(struct mmr_runtime *rt, const struct mmr_rt_kind *k, uint32_t emitter, size_t len)
{
    if (rt->event_depth) {
        enqueue(rt, k, emitter, rt->stamp_buf, len);
        return;
    }
    uint8_t *stamped = rt->stamp_buf;
    rt->stamp_buf = rt->read_buf;
    rt->read_buf = stamped;
    rt->chain = 0;
    to_readers(rt, k, emitter, stamped, len);
    drain_queue(rt);
}

/* ---- emit ---- */

static void origin_id(struct mmr_runtime *rt, uint8_t ret_id[16])
{
    char text[sizeof rt->origin + 48];
    int n = snprintf(text, sizeof text, "%s\n%llu\n%llu", rt->origin, (unsigned long long)rt->origin_index,
                     (unsigned long long)rt->origin_counter++);
    mmr_uuid_of(text, n < 0 ? 0 : (size_t)n, ret_id);
}

static int refuse(struct mmr_rt_instance *in, const struct mmr_error *err)
{
    mmr_rt_misbehaved(in, err->text);
    return MMR_EBADMSG;
}

/* The event, checked already, with the core's fields. */
static int stamp(struct mmr_rt_instance *in, const void *msgpack, size_t len, struct mmr_runtime_event *ev, struct mmr_error *err)
{
    struct mmr_runtime *rt = in->rt;
    uint8_t id[16];
    bool is_virtual = rt->opts.base == NULL;
    if (is_virtual)
        origin_id(rt, id);
    int64_t received = is_virtual ? rt->now_ns : mmr_clock_wall_ns();
    int r = mmr_stamp_checked(&in->stamper, msgpack, len, ev->facts, ev->seq, received, is_virtual ? id : NULL, rt->stamp_buf,
                              MMR_EVENT_BYTES_MAX + MMR_STAMP_EXTRA_MAX, &ev->stamped_len, err);
    if (r == 0)
        ev->stamped = rt->stamp_buf;
    return r;
}

int mmr_rt_emit(void *impl, const void *msgpack, size_t len)
{
    struct mmr_rt_instance *in = impl;
    struct mmr_runtime *rt = in->rt;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_event_facts facts;
    struct mmr_runtime_event ev = {.instance = in->index, .seq = in->seq + 1, .facts = &facts, .raw = msgpack,
                                   .raw_len = len};
    uint64_t counter = rt->origin_counter;
    int r;

    if (!mmr_rt_on_loop(in, "emit"))
        return MMR_EINVAL;
    if (in->is_stopped) {
        mmr_rt_misbehaved(in, "emit() after stop()");
        return MMR_EINVAL;
    }
    r = mmr_event_check(msgpack, len, in->plugin->events, &facts, &err);
    if (r == 0 && !rt->opts.is_raw_owner)
        r = stamp(in, msgpack, len, &ev, &err);
    if (r)
        return refuse(in, &err);
    const struct mmr_rt_kind *k = in->routes[facts.kind_index];
    uint32_t readers = k->n_readers;
    for (uint32_t i = 0; i < k->n_readers; i++)
        readers -= k->readers[i] == in->index; /* never back to its emitter */
    bool is_owners = rt->ops.on_event && (k->is_wanted || facts.is_finding);
    if (readers && !ev.stamped) {
        r = stamp(in, msgpack, len, &ev, &err);
        if (r)
            return refuse(in, &err);
    }
    if (is_owners && (r = rt->ops.on_event(rt->opts.ctx, &ev)) != 0) {
        rt->origin_counter = counter;
        in->counters.busy++;
        in->is_busy = r == MMR_EAGAIN;
        return r;
    }
    in->seq++;
    in->counters.emitted++;
    if (rt->ops.on_emitted)
        rt->ops.on_emitted(rt->opts.ctx, in->index);
    if (readers)
        route(rt, k, in->index, ev.stamped_len);
    return 0;
}

int mmr_runtime_deliver(struct mmr_runtime *rt, const void *stamped, size_t len, struct mmr_error *err)
{
    struct mmr_event_view *view = calloc(1, sizeof *view);
    char kind[KIND_NAME_MAX + 1];
    if (!view)
        return mmr_fail(err, MMR_ENOMEM, "event for analyzers: out of memory");
    int r = mmr_event_read(stamped, len, view, err);
    bool has_kind = r == 0 && mmr_event_copy_str(view, "mamori.kind", kind, sizeof kind);
    free(view);
    if (r)
        return r;
    if (!has_kind)
        return mmr_fail(err, MMR_EBADMSG, "event for analyzers: no mamori.kind");
    struct mmr_rt_kind *k = mmr_rt_kind(rt, kind, strlen(kind), true);
    if (!k)
        return mmr_fail(err, MMR_ETOOBIG, "event for analyzers: kind '%s' is one too many", kind);
    rt->chain = 0;
    to_readers(rt, k, UINT32_MAX, stamped, len);
    drain_queue(rt);
    return 0;
}

int mmr_runtime_finish(struct mmr_runtime *rt, struct mmr_error *err)
{
    int first = 0;
    for (uint32_t i = 0; i < rt->n; i++) {
        struct mmr_rt_instance *in = rt->inst[i];
        const struct mmr_analyzer_ops *a = in->plugin->analyzer;
        struct mmr_error own = {.struct_size = sizeof own};
        if (!in->self || !a || !MMR_HAS(a, finish) || !a->finish)
            continue;
        struct mmr_rt_was was = mmr_rt_enter(rt, in, MMR_DOING_EVENT);
        int r = a->finish(in->self, &own);
        mmr_rt_leave(rt, was);
        if (!r)
            continue;
        in->counters.failed++;
        if (!first)
            first = mmr_fail(err, r, "instance '%s': %.200s", in->name, own.text);
    }
    return first;
}
