/* direct_measure.c - measurements of a collector that keeps nothing (metrics.listen): who is connected to it, what came, what is on its way to the engine. */
#include "upstream/direct_internal.h"

#include "control/metrics_http.h"
#include "control/openmetrics.h"
#include "util/clock.h"

#include <stdlib.h>

static void put(struct mmr_om *m, const struct mmr_direct *d)
{
    static const char *const info[] = {"version", MMR_VERSION, "role", "collector", NULL};
    const char *const outlet[] = {"outlet", d->outlet->ops->name, NULL};
    mmr_om_family(m, "mamori_build", MMR_OM_INFO, NULL, "Version and role of this mamori");
    mmr_om_count(m, 1, info);
    mmr_om_family(m, "mamori_uptime_seconds", MMR_OM_GAUGE, "seconds", "Since the collector started");
    mmr_om_count(m, (uint64_t)((mmr_clock_mono_ns() - d->started_ns) / MMR_NS_PER_S), NULL);
    mmr_om_family(m, "mamori_collector_records", MMR_OM_COUNTER, NULL, "Records of sites taken since it started");
    mmr_om_count(m, d->records, NULL);
    mmr_om_family(m, "mamori_collector_refused_records", MMR_OM_COUNTER, NULL, "Records that broke a rule");
    mmr_om_count(m, d->refused, NULL);
    mmr_om_family(m, "mamori_collector_unstorable_records", MMR_OM_COUNTER, NULL, "Records that the engine will never take");
    mmr_om_count(m, d->dropped, NULL);
    mmr_om_family(m, "mamori_outbox_records", MMR_OM_GAUGE, NULL, "Records that wait for an outlet");
    mmr_om_count(m, d->held, outlet);
    mmr_om_family(m, "mamori_outlet_ready", MMR_OM_GAUGE, NULL, "Does the outlet's engine take records");
    mmr_om_count(m, mmr_outlet_program_is_ready(d->outlet), outlet);
    mmr_om_family(m, "mamori_collector_paused", MMR_OM_GAUGE, NULL, "Is nothing taken from sites because the engine does not keep up");
    mmr_om_count(m, d->is_paused, NULL);
    mmr_om_family(m, "mamori_site_up", MMR_OM_GAUGE, NULL, "Is this site connected here (it may be at another collector)");
    for (uint32_t i = 0; i < d->n_sites; i++) {
        const char *const site[] = {"site", d->site[i].name, NULL};
        mmr_om_count(m, d->site[i].is_up, site);
    }
    mmr_om_end(m);
}

static void wanted(void *ctx)
{
    struct mmr_direct *d = ctx;
    struct mmr_om m = {0};
    char *text = NULL;
    size_t len = 0;
    m.f = open_memstream(&text, &len);
    if (m.f)
        put(&m, d);
    const bool is_written = m.f && !ferror(m.f), is_good = m.f && fclose(m.f) == 0 && is_written;
    mmr_metrics_http_answer(d->metrics, is_good ? text : NULL, len);
    free(text);
}

int mmr_direct_measure_open(struct mmr_direct *d, struct mmr_error *err)
{
    const char *listen = mmr_config_str(d->config, "metrics.listen");
    struct mmr_metrics_listen at;
    if (!listen)
        return 0;
    int r = mmr_metrics_listen_read(listen, mmr_config_bool(d->config, "metrics.open"), &at, err);
    return r ? r : mmr_metrics_http_open(d->base, &at, wanted, d, &d->metrics, err);
}
