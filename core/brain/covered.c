/* covered.c - see covered.h. */
#include "brain/covered.h"

#include "brain/live.h"
#include "standard/covers.h"
#include "util/clock.h"
#include "util/log.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

enum { LOOK_S = 600, DAY_S = 24 * 3600 };

/* {"net": {"have", "want", "ok"}, "ep": {…}}; false: no memory */
static bool measure(const struct mmr_live *l, char *buf, size_t cap)
{
    struct mmr_covers c;
    struct json_object *status = mmr_live_watched_json(l);
    int r = mmr_covers_measure(l->config, status, l->roster.node, l->roster.hostname, &c);
    json_object_put(status);
    if (!r)
        (void)snprintf(buf, cap, "{\"net\":{\"have\":%u,\"want\":%u,\"ok\":%s},\"ep\":{\"have\":%u,\"want\":%u,\"ok\":%s}}", c.exits_ok, c.exits,
                       c.is_net_ok ? "true" : "false", c.important_ok, c.important, c.is_ep_ok ? "true" : "false");
    return r == 0;
}

void mmr_covered_tick(struct mmr_live *l, struct mmr_covered *c)
{
    const int64_t mono = mmr_clock_mono_ns(), wall = mmr_clock_wall_ns();
    struct mmr_error err = {.struct_size = sizeof err};
    char now[sizeof c->noted];
    if (!l->is_settled || (c->looked_ns && mono - c->looked_ns < LOOK_S * MMR_NS_PER_S))
        return;
    c->looked_ns = mono;
    if (!measure(l, now, sizeof now))
        return;
    if (strcmp(now, c->noted) == 0 && wall >= c->noted_ns && wall - c->noted_ns < DAY_S * MMR_NS_PER_S)
        return;
    if (mmr_persist_note(l->persist, "coverage", now, wall, &err) != 0) {
        mmr_log(MMR_LOG_ERR, "coverage.not_kept", "reason=\"%s\"", err.text);
        return;
    }
    (void)snprintf(c->noted, sizeof c->noted, "%s", now);
    c->noted_ns = wall;
}
