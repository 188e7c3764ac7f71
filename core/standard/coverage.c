/* coverage.c - the arithmetic of SR-06, SR-07 and SR-08. */
#include "standard/coverage.h"

#include "util/clock.h"

#include <stdarg.h>
#include <stdio.h>

#define UNSEEN_NS (24 * 3600 * MMR_NS_PER_S) /* SR-06: never seen in flows for 24 h */

const char *mmr_asset_class_name(enum mmr_asset_class c)
{
    static const char *const names[] = {"other",         "pc",    "server", "nas", "network",
                                        "office_device", "mobile"};
    return (unsigned)c < sizeof names / sizeof names[0] ? names[c] : "other";
}

__attribute__((format(printf, 4, 5))) static void
gap(struct mmr_coverage *c, enum mmr_gap_kind kind, const char *name, const char *fmt, ...)
{
    c->is_ok = false;
    if (c->n_gaps == MMR_GAPS_MAX) {
        c->more++;
        return;
    }
    struct mmr_gap *g = &c->gap[c->n_gaps++];
    g->kind = kind;
    g->name = name;
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(g->text, sizeof g->text, fmt, ap);
    va_end(ap);
}

/* a / b < num / den without floating point; b > 0 */
static bool is_below(uint64_t a, uint64_t b, uint64_t num, uint64_t den)
{
    return (unsigned __int128)a * den < (unsigned __int128)b * num;
}

static void check_exit(const struct mmr_way_out *e, struct mmr_coverage *c)
{
    const uint32_t before = c->n_gaps + c->more;
    if (!e->has_sensor)
        gap(c, MMR_GAP_EXIT_NO_SENSOR, e->name, "exit '%.60s' has no sensor", e->name);
    else if (!e->is_sensor_healthy)
        gap(c, MMR_GAP_SENSOR_DOWN, e->name, "the sensor at exit '%.60s' does not answer", e->name);
    else if (!e->sees_in || !e->sees_out)
        gap(c, MMR_GAP_ONE_WAY, e->name, "the sensor at exit '%.60s' sees only %s traffic", e->name,
            e->sees_in    ? "incoming"
            : e->sees_out ? "outgoing"
                          : "no");
    if (e->has_sensor && e->gateway_bytes && is_below(e->sensor_bytes, e->gateway_bytes, 95, 100))
        gap(c, MMR_GAP_BYTES, e->name,
            "the sensor at exit '%.60s' saw %llu of the gateway's %llu bytes; at least 95 %% are "
            "expected",
            e->name, (unsigned long long)e->sensor_bytes, (unsigned long long)e->gateway_bytes);
    const unsigned __int128 all = (unsigned __int128)e->captured + e->dropped;
    if (e->has_sensor && all && (unsigned __int128)e->dropped * 1000 > all)
        gap(c, MMR_GAP_DROPS, e->name,
            "capture at exit '%.60s' dropped %llu packets of %llu; at most 0.1 %% is allowed",
            e->name, (unsigned long long)e->dropped,
            (unsigned long long)e->captured + e->dropped);
    if (c->n_gaps + c->more == before)
        c->have++;
}

void mmr_coverage_net(const struct mmr_way_out *e, size_t n_exit, const struct mmr_asset *a,
                      size_t n_asset, int64_t now_ns, struct mmr_coverage *ret)
{
    *ret = (struct mmr_coverage){.is_ok = true};
    if (n_exit == 0)
        gap(ret, MMR_GAP_NOTHING_KNOWN, "",
            "no exit of the office is recorded; list each line, VPN and mobile router");
    for (size_t k = 0; k < n_exit; k++) {
        ret->want++;
        check_exit(&e[k], ret);
    }
    for (size_t k = 0; k < n_asset; k++) {
        const int64_t since = a[k].flow_seen_ns ? a[k].flow_seen_ns : a[k].first_seen_ns;
        if (a[k].is_announced_off || since == 0 || now_ns - since < UNSEEN_NS)
            continue;
        gap(ret, MMR_GAP_HOST_UNSEEN, a[k].name,
            "'%.60s' is on the network, but its traffic was not seen for 24 h", a[k].name);
    }
}

void mmr_coverage_ep(const struct mmr_asset *a, size_t n, struct mmr_coverage *ret)
{
    *ret = (struct mmr_coverage){.is_ok = true};
    if (n == 0)
        gap(ret, MMR_GAP_NOTHING_KNOWN, "", "no machine is recorded");
    for (size_t k = 0; k < n; k++) {
        if (a[k].kind == MMR_ASSET_OFFICE_DEVICE || a[k].kind == MMR_ASSET_NETWORK ||
            a[k].important == MMR_IMPORTANT_NO)
            continue; /* SR-08; network devices are no 端末 */
        ret->want++;
        if (a[k].has_agent && (a[k].is_agent_healthy || a[k].is_announced_off))
            ret->have++;
        else if (!a[k].has_agent)
            gap(ret, MMR_GAP_NO_AGENT, a[k].name,
                "'%.60s' %s important information and has no agent", a[k].name,
                a[k].important == MMR_IMPORTANT_YES ? "holds" : "may hold");
        else
            gap(ret, MMR_GAP_AGENT_DOWN, a[k].name, "the agent on '%.60s' does not answer",
                a[k].name);
    }
}
