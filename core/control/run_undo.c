/*
 * run_undo.c - "responders.stop" and "responders.start": `mamori block undo-all` needs the responders' journals for
 * itself when no brain answers. Hosts with a responder end, stay away until they are called back (or the caller is
 * gone for too long), and the brain starts again with what the store says then.
 */
#include "control/run_internal.h"

#include "plugin/describe.h"
#include "util/clock.h"
#include "util/log.h"

#include <stdlib.h>
#include <string.h>

enum { POLL_MS = 50, GONE_MS = 15000, AWAY_S = 60 };

struct mmr_run_pause {
    struct event *timer;
    uint64_t client; /* who waits for the hosts to be gone; 0: nobody */
    int64_t until_ns; /* monotonic */
    bool is_away[MMR_RUN_HOSTS_MAX];
    char name[MMR_RUN_HOSTS_MAX][64]; /* a reload may have moved the slots */
};

static bool has_responder(const struct mmr_run_host *h)
{
    for (size_t i = 0; i < h->n; i++) {
        const struct mmr_host_info *x = mmr_host_info(h->child, i);
        if (!x || !x->is_known || x->roles & MMR_ROLE_RESPONDER) /* not known: it may be one */
            return true;
    }
    return false;
}

static void answer(struct mmr_run_state *s, uint64_t client, int status)
{
    struct json_object *o = json_object_new_object(), *hosts = json_object_new_array();
    for (size_t i = 0; s->pause && i < MMR_RUN_HOSTS_MAX; i++)
        if (s->pause->is_away[i])
            json_object_array_add(hosts, json_object_new_string(s->pause->name[i]));
    json_object_object_add(o, "hosts", hosts);
    const char *text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    if (text)
        (void)mmr_control_answer(s->control, client, text, strlen(text));
    mmr_control_end(s->control, client, status);
    json_object_put(o);
}

static void come_back(struct mmr_run_state *s)
{
    struct mmr_run_pause *p = s->pause;
    s->pause = NULL;
    for (size_t k = 0; k < MMR_RUN_HOSTS_MAX; k++)
        for (size_t i = 0; p->is_away[k] && i < s->n_hosts; i++)
            if (strcmp(s->host[i].name, p->name[k]) == 0 && !s->is_stopping)
                mmr_child_start(s->host[i].child);
    if (!s->is_stopping)
        mmr_child_restart(s->core); /* what it remembers of the blocks is from before */
    event_free(p->timer);
    free(p);
}

static bool are_gone(const struct mmr_run_state *s)
{
    for (size_t k = 0; k < MMR_RUN_HOSTS_MAX; k++)
        for (size_t i = 0; s->pause->is_away[k] && i < s->n_hosts; i++) {
            struct mmr_child_status st;
            mmr_child_status(s->host[i].child, &st);
            if (strcmp(s->host[i].name, s->pause->name[k]) == 0 && st.pid > 0)
                return false;
        }
    return true;
}

static void on_poll(evutil_socket_t fd, short what, void *ctx)
{
    struct mmr_run_state *s = ctx;
    struct mmr_run_pause *p = s->pause;
    (void)fd;
    (void)what;
    if (p->client && (are_gone(s) || mmr_clock_mono_ns() > p->until_ns)) {
        uint64_t client = p->client;
        bool is_good = are_gone(s);
        p->client = 0;
        p->until_ns = mmr_clock_mono_ns() + AWAY_S * MMR_NS_PER_S;
        if (!is_good)
            (void)mmr_control_error(s->control, client, "a responder's host does not end; end mamori itself, then ask again");
        answer(s, client, is_good ? 0 : 3);
        if (!is_good)
            come_back(s);
    } else if (!p->client && mmr_clock_mono_ns() > p->until_ns) {
        mmr_log(MMR_LOG_WARN, "responders.back", "what=\"nobody called them back in %d s\"", AWAY_S);
        come_back(s);
    }
}

void mmr_run_responders_stop(struct mmr_run_state *s, uint64_t client)
{
    static const struct timeval every = {.tv_usec = POLL_MS * 1000L};
    if (s->pause) {
        (void)mmr_control_error(s->control, client, "the responders are away already; ask again in a minute");
        mmr_control_end(s->control, client, 3);
        return;
    }
    struct mmr_run_pause *p = calloc(1, sizeof *p);
    if (p)
        p->timer = event_new(s->base, -1, EV_PERSIST, on_poll, s);
    if (!p || !p->timer || event_add(p->timer, &every) != 0) {
        if (p && p->timer)
            event_free(p->timer);
        free(p);
        (void)mmr_control_error(s->control, client, "out of memory");
        mmr_control_end(s->control, client, 3);
        return;
    }
    p->client = client;
    p->until_ns = mmr_clock_mono_ns() + GONE_MS * MMR_NS_PER_MS;
    s->pause = p;
    for (size_t i = 0; i < s->n_hosts; i++) {
        p->is_away[i] = has_responder(&s->host[i]);
        memcpy(p->name[i], s->host[i].name, sizeof p->name[i]);
        if (p->is_away[i])
            mmr_child_stop(s->host[i].child);
    }
    mmr_log(MMR_LOG_WARN, "responders.away", "what=\"stopped on request, to take every block back without the brain\"");
}

void mmr_run_responders_start(struct mmr_run_state *s, uint64_t client)
{
    if (s->pause && s->pause->client) {
        (void)mmr_control_error(s->control, client, "the responders are still ending; ask again in a moment");
        mmr_control_end(s->control, client, 3);
        return;
    }
    answer(s, client, 0);
    if (s->pause)
        come_back(s);
}

void mmr_run_pause_free(struct mmr_run_state *s)
{
    if (s->pause) {
        event_free(s->pause->timer);
        free(s->pause);
        s->pause = NULL;
    }
}
