/*
 * measure.c - see measure.h. It holds no privilege it does not need: no capability but to bind, no program, files of its own number only
 * for its few connections. What it serves comes from the supervisor when somebody asks.
 */
#include "control/measure.h"

#include "control/metrics.h"
#include "control/metrics_http.h"
#include "plugin/loop.h"
#include "plugin/roles.h"
#include "plugin/sandbox.h"

#include <event2/event.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { STATUS_MAX = 8 << 20, FILES_MAX = 64 };

struct measure {
    struct event_base *base;
    struct mmr_tether *tether;
    struct mmr_metrics_http *http;
    char *status; /* parts so far */
    size_t len;
    bool is_refused;
};

static void wanted(void *ctx)
{
    struct measure *m = ctx;
    m->len = 0;
    if (mmr_tether_send(m->tether, MMR_TELL_MEASURE, NULL, NULL, 0, -1) != 0)
        mmr_metrics_http_answer(m->http, NULL, 0);
}

static void tell(struct measure *m)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct json_tokener *t = json_tokener_new();
    struct json_object *o = t ? json_tokener_parse_ex(t, m->status, (int)m->len) : NULL;
    char *text = NULL;
    size_t len = 0;
    json_tokener_free(t);
    if (mmr_metrics_text(o, &text, &len, &err) != 0)
        text = NULL;
    mmr_metrics_http_answer(m->http, text, len);
    free(text);
    json_object_put(o);
    m->len = 0;
}

static void take(struct measure *m, const struct mmr_message *x)
{
    char *more = m->len + x->tail_len <= STATUS_MAX ? realloc(m->status, m->len + x->tail_len + 1) : NULL;
    if (!more) {
        m->len = 0;
        mmr_metrics_http_answer(m->http, NULL, 0);
        return;
    }
    m->status = more;
    memcpy(m->status + m->len, x->tail, x->tail_len);
    m->len += x->tail_len;
    m->status[m->len] = '\0';
    if (!mmr_event_get_int(x->map, "more", 0))
        tell(m);
}

static void on_message(void *ctx, const struct mmr_message *x)
{
    struct measure *m = ctx;
    struct mmr_metrics_listen at;
    struct mmr_error err = {.struct_size = sizeof err};
    char text[256] = "";
    if (x->type == MMR_TELL_MEASURED && m->http) {
        take(m, x);
    } else if (x->type == MMR_TELL_LISTEN && !m->http) {
        (void)mmr_event_copy_str(x->map, "listen", text, sizeof text);
        int r = mmr_metrics_listen_read(text, mmr_event_get_int(x->map, "open", 0) != 0, &at, &err);
        if (!r)
            r = mmr_metrics_http_open(m->base, &at, wanted, m, &m->http, &err);
        m->is_refused = r != 0;
        if (r)
            mmr_tether_refuse(m->tether, err.text);
    } else if (x->type == MMR_MSG_GO) {
        if (m->is_refused)
            (void)event_base_loopbreak(m->base);
        else
            mmr_tether_ready(m->tether);
    }
}

static void on_end(void *ctx)
{
    struct measure *m = ctx;
    (void)event_base_loopbreak(m->base);
}

int mmr_measure_main(void)
{
    static const struct mmr_tether_ops ops = {.message = on_message, .end = on_end};
    const struct rlimit files = {FILES_MAX, FILES_MAX};
    struct mmr_error err = {.struct_size = sizeof err};
    struct measure m = {.base = mmr_loop_new()};
    int status = 3;
    if (m.base && (mmr_sandbox_core(&err) != 0 || mmr_tether_new(m.base, &ops, &m, &m.tether, &err) != 0)) {
        (void)fprintf(stderr, "mamori measure: %s\n", err.text);
        status = 2;
    } else if (m.base) {
        (void)setrlimit(RLIMIT_NOFILE, &files);
        (void)event_base_dispatch(m.base);
        status = m.is_refused ? 2 : 0;
    }
    mmr_metrics_http_close(m.http);
    mmr_tether_free(m.tether);
    free(m.status);
    if (m.base)
        event_base_free(m.base);
    return status;
}
