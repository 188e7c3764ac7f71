/* collect.c - what comes out of the instances: checked as the real host checks it, and kept. */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mmr_testhost_refuse(struct instance *in, const char *what)
{
    in->th->refusals++;
    (void)snprintf(in->th->refusal_text, sizeof in->th->refusal_text, "%s: %s", in->name, what);
    if (getenv("MMR_TESTHOST_LOG"))
        (void)fprintf(stderr, "refused %s: %s\n", in->name, what);
}

void mmr_testhost_on_loop(struct mmr_testhost *th, const char *what)
{
    if (!pthread_equal(th->loop_thread, pthread_self())) {
        (void)fprintf(stderr, "testhost: %s() called from another thread than the loop's\n", what);
        abort();
    }
}

/* Room for one more item; test data is small enough that running out of memory ends the test. */
static void *grow(void *items, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return items;
    *cap = *cap ? 2 * *cap : 64;
    items = __real_reallocarray(items, *cap, size);
    if (!items)
        mmr_testhost_die("out of memory");
    return items;
}

static void *copy(const void *p, size_t len)
{
    uint8_t *c = __real_malloc(len + 1);
    if (!c)
        mmr_testhost_die("out of memory");
    if (len)
        memcpy(c, p, len);
    return c;
}

static bool is_declared(const struct mmr_plugin *p, const char *kind)
{
    for (const char *const *k = p->events; k && *k; k++)
        if (strcmp(*k, kind) == 0)
            return true;
    return false;
}

/* NULL, or what is wrong with the event; fills kind. */
static const char *check_event(struct instance *in, const void *msgpack, size_t len, char kind[MAX_KIND],
                               struct mmr_error *err)
{
    static const char *const reserved[] = {"mamori.id", "mamori.node", "mamori.side", "mamori.plugin",
                                           "mamori.instance", "mamori.seq", "mamori.received"};
    static const char *const needed[] = {"class_uid", "activity_id", "time", "severity_id"};
    struct mmr_event_view *v = &in->th->check;

    if (mmr_event_read(msgpack, len, v, err))
        return err->text;
    if (!mmr_event_copy_str(v, "mamori.kind", kind, MAX_KIND) || !kind[0])
        return "event without mamori.kind";
    if (!is_declared(in->plugin, kind)) {
        (void)mmr_fail(err, MMR_EBADMSG, "kind '%s' is not in events[]", kind);
        return err->text;
    }
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        const struct mmr_value *f = mmr_event_get(v, needed[i]);
        if (!f || f->type != MMR_VAL_INT) {
            (void)mmr_fail(err, MMR_EBADMSG, "%s: no integer '%s'", kind, needed[i]);
            return err->text;
        }
    }
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        if (mmr_event_get(v, reserved[i])) {
            (void)mmr_fail(err, MMR_EBADMSG, "%s: '%s' is the core's to stamp", kind, reserved[i]);
            return err->text;
        }
    return NULL;
}

static bool reads(const struct mmr_plugin *p, const char *kind)
{
    for (const char *const *k = p->subscribes; k && *k; k++)
        if (strcmp(*k, kind) == 0 || strcmp(*k, "*") == 0)
            return true;
    return false;
}

void mmr_testhost_route(struct mmr_testhost *th)
{
    if (th->is_routing) /* emitted inside an analyzer's event(): the outer call goes on with it */
        return;
    th->is_routing = true;
    for (; th->routed < th->n_events; th->routed++) {
        for (int i = 0; i < th->n_inst; i++) {
            struct instance *in = th->inst[i];
            struct kept e = th->events[th->routed]; /* the array may move while it is handed over */
            struct mmr_error err = {.struct_size = sizeof err};
            if (!in->self || !in->plugin->analyzer || !in->plugin->analyzer->event || i == e.emitter || !reads(in->plugin, e.kind))
                continue;
            if (in->plugin->analyzer->event(in->self, e.bytes, e.len, &err))
                mmr_testhost_refuse(in, err.text);
        }
    }
    th->is_routing = false;
}

int mmr_testhost_emit(void *impl, const void *msgpack, size_t len)
{
    struct instance *in = impl;
    struct mmr_testhost *th = in->th;
    struct mmr_error err = {.struct_size = sizeof err};
    char kind[MAX_KIND];

    mmr_testhost_on_loop(th, "emit");
    if (in->is_stopped) {
        mmr_testhost_refuse(in, "emit() after stop()");
        return MMR_EINVAL;
    }
    if (th->emit_code)
        return th->emit_code;
    const char *wrong = check_event(in, msgpack, len, kind, &err);
    if (wrong) {
        mmr_testhost_refuse(in, wrong);
        return MMR_EBADMSG;
    }
    th->events = grow(th->events, th->n_events, &th->cap_events, sizeof *th->events);
    struct kept *e = &th->events[th->n_events++];
    *e = (struct kept){.bytes = copy(msgpack, len), .len = len, .emitter = in->number};
    memcpy(e->kind, kind, sizeof e->kind);
    mmr_testhost_route(th);
    return 0;
}

int mmr_testhost_action_done(void *impl, uint64_t id, int code, const void *msgpack, size_t len)
{
    struct instance *in = impl;
    struct mmr_testhost *th = in->th;
    struct mmr_error err = {.struct_size = sizeof err};

    mmr_testhost_on_loop(th, "action_done");
    if (len && mmr_event_read(msgpack, len, &th->check, &err)) {
        mmr_testhost_refuse(in, err.text);
        return MMR_EBADMSG;
    }
    th->receipts = grow(th->receipts, th->n_receipts, &th->cap_receipts, sizeof *th->receipts);
    th->receipts[th->n_receipts++] = (struct mmr_testhost_receipt){
        .instance = in->number, .code = code, .id = id, .msgpack = copy(msgpack, len), .len = len};
    return 0;
}

int mmr_testhost_forward_done(void *impl, uint64_t seq, int level, int64_t time_ns, const char *detail)
{
    struct instance *in = impl;
    struct mmr_testhost *th = in->th;

    mmr_testhost_on_loop(th, "forward_done");
    th->deliveries = grow(th->deliveries, th->n_deliveries, &th->cap_deliveries, sizeof *th->deliveries);
    struct mmr_testhost_delivery *d = &th->deliveries[th->n_deliveries++];
    *d = (struct mmr_testhost_delivery){
        .instance = in->number, .level = level, .seq = seq, .time_ns = time_ns};
    (void)snprintf(d->detail, sizeof d->detail, "%s", detail ? detail : "");
    return 0;
}

void mmr_testhost_clear(struct mmr_testhost *th)
{
    for (size_t i = 0; i < th->n_events; i++)
        free(th->events[i].bytes);
    for (size_t i = 0; i < th->n_receipts; i++) {
        void *p;
        memcpy(&p, &th->receipts[i].msgpack, sizeof p); /* ours, kept behind a const for readers */
        free(p);
    }
    th->n_events = th->routed = th->n_receipts = th->n_deliveries = 0;
    th->refusals = 0;
    th->refusal_text[0] = '\0';
}

/* ---- reading ---- */

size_t mmr_testhost_events(const struct mmr_testhost *th)
{
    return th->n_events;
}

int mmr_testhost_count(const struct mmr_testhost *th, const char *kind)
{
    int n = 0;
    for (size_t i = 0; i < th->n_events; i++)
        n += !kind || strcmp(th->events[i].kind, kind) == 0;
    return n;
}

int mmr_testhost_find(const struct mmr_testhost *th, const char *kind, int nth)
{
    for (size_t i = 0; i < th->n_events; i++)
        if ((!kind || strcmp(th->events[i].kind, kind) == 0) && nth-- == 0)
            return (int)i;
    return -1;
}

int mmr_testhost_find_text(const struct mmr_testhost *th, const char *kind, const char *key,
                           const char *text)
{
    struct mmr_event_view *v = __real_malloc(sizeof *v);
    int found = -1;
    if (!v)
        mmr_testhost_die("out of memory");
    for (size_t i = 0; i < th->n_events && found < 0; i++) {
        const struct kept *e = &th->events[i];
        if ((kind && strcmp(e->kind, kind) != 0) || mmr_event_read(e->bytes, e->len, v, NULL))
            continue;
        if (mmr_value_is(mmr_event_get(v, key), text))
            found = (int)i;
    }
    free(v);
    return found;
}

const struct mmr_event_view *mmr_testhost_view(struct mmr_testhost *th, int event)
{
    if (event < 0 || (size_t)event >= th->n_events)
        return NULL;
    if (mmr_event_read(th->events[event].bytes, th->events[event].len, &th->view, NULL))
        return NULL;
    return &th->view;
}

const void *mmr_testhost_bytes(const struct mmr_testhost *th, int event, size_t *ret_len)
{
    if (event < 0 || (size_t)event >= th->n_events)
        return NULL;
    *ret_len = th->events[event].len;
    return th->events[event].bytes;
}

int mmr_testhost_emitter(const struct mmr_testhost *th, int event)
{
    return event < 0 || (size_t)event >= th->n_events ? -1 : th->events[event].emitter;
}

static const char *text_of(struct mmr_testhost *th, const struct mmr_event_view *v, const char *key)
{
    char *buf = th->texts[th->next_text++ % TEXTS];
    buf[0] = '\0';
    if (v)
        (void)mmr_event_copy_str(v, key, buf, sizeof th->texts[0]);
    return buf;
}

const char *mmr_testhost_text(struct mmr_testhost *th, int event, const char *key)
{
    return text_of(th, mmr_testhost_view(th, event), key);
}

int64_t mmr_testhost_int(struct mmr_testhost *th, int event, const char *key, int64_t dflt)
{
    const struct mmr_event_view *v = mmr_testhost_view(th, event);
    return v ? mmr_event_get_int(v, key, dflt) : dflt;
}

void mmr_testhost_dump(struct mmr_testhost *th)
{
    for (size_t i = 0; i < th->n_events; i++) {
        const struct mmr_event_view *v = mmr_testhost_view(th, (int)i);
        (void)fprintf(stderr, "%zu %s", i, th->inst[th->events[i].emitter]->name);
        for (uint32_t f = 0; v && f < v->n; f++) {
            const struct mmr_field *x = &v->f[f];
            (void)fprintf(stderr, " %.*s=", (int)x->key_len, x->key);
            if (x->v.type == MMR_VAL_STR)
                (void)fprintf(stderr, "\"%.*s\"", (int)x->v.len, (const char *)x->v.p);
            else if (x->v.type == MMR_VAL_INT || x->v.type == MMR_VAL_BOOL)
                (void)fprintf(stderr, "%lld", (long long)x->v.n.i);
            else
                (void)fprintf(stderr, "<type %u, %u>", x->v.type, x->v.len);
        }
        (void)fputc('\n', stderr);
    }
}

size_t mmr_testhost_receipts(const struct mmr_testhost *th)
{
    return th->n_receipts;
}

const struct mmr_testhost_receipt *mmr_testhost_receipt(const struct mmr_testhost *th, size_t n)
{
    return n < th->n_receipts ? &th->receipts[n] : NULL;
}

static const struct mmr_event_view *receipt_view(struct mmr_testhost *th, size_t n)
{
    const struct mmr_testhost_receipt *r = mmr_testhost_receipt(th, n);
    return r && r->len && mmr_event_read(r->msgpack, r->len, &th->view, NULL) == 0 ? &th->view : NULL;
}

const char *mmr_testhost_receipt_text(struct mmr_testhost *th, size_t n, const char *key)
{
    return text_of(th, receipt_view(th, n), key);
}

int64_t mmr_testhost_receipt_int(struct mmr_testhost *th, size_t n, const char *key, int64_t dflt)
{
    const struct mmr_event_view *v = receipt_view(th, n);
    return v ? mmr_event_get_int(v, key, dflt) : dflt;
}

size_t mmr_testhost_deliveries(const struct mmr_testhost *th)
{
    return th->n_deliveries;
}

const struct mmr_testhost_delivery *mmr_testhost_delivery(const struct mmr_testhost *th, size_t n)
{
    return n < th->n_deliveries ? &th->deliveries[n] : NULL;
}

void mmr_testhost_emit_result(struct mmr_testhost *th, int code)
{
    th->emit_code = code;
}

unsigned mmr_testhost_refusals(const struct mmr_testhost *th, const char **ret_text)
{
    if (ret_text)
        *ret_text = th->refusal_text;
    return th->refusals;
}

unsigned mmr_testhost_logged(const struct mmr_testhost *th, int level, const char **ret_text)
{
    level = level < 0 ? 0 : level > 7 ? 7 : level;
    if (ret_text)
        *ret_text = th->log_text[level];
    return th->logged[level];
}
