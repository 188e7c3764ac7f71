/* measure.c - the collector's measurements (metrics.listen): its sites as they are known, what came, what waits for an outlet. */
#include "upstream/collector_internal.h"

#include "control/metrics_http.h"
#include "control/openmetrics.h"
#include "store/incidents.h"
#include "util/clock.h"
#include "util/log.h"

#include <stdlib.h>
#include <string.h>

struct sites {
    struct mmr_collected_site *v;
    uint32_t n, cap;
};

static int keep(void *ctx, const struct mmr_collected_site *s)
{
    struct sites *x = ctx;
    if (x->n == x->cap)
        return 1;
    x->v[x->n++] = *s;
    return 0;
}

static void family(struct mmr_om *m, const struct sites *x, const char *name, enum mmr_om_type type, const char *unit, const char *help,
                   double (*value)(const struct mmr_collected_site *s))
{
    mmr_om_family(m, name, type, unit, help);
    for (uint32_t i = 0; i < x->n; i++) {
        const char *const label[] = {"site", x->v[i].name, NULL};
        mmr_om_sample(m, value(&x->v[i]), label);
    }
}

static double up_of(const struct mmr_collected_site *s) { return s->is_up; }
static double silent_of(const struct mmr_collected_site *s) { return s->is_silent; }
static double seen_of(const struct mmr_collected_site *s) { return (double)s->seen_ns / 1e9; }
static double record_of(const struct mmr_collected_site *s) { return (double)s->record_ns / 1e9; }
static double records_of(const struct mmr_collected_site *s) { return (double)s->records; }
static double severe_of(const struct mmr_collected_site *s) { return (double)s->severe_open; }

/* How it stands now: what is written about a site is as old as its last change. */
static void freshen(struct mmr_collector *c, struct sites *x)
{
    for (uint32_t i = 0; i < x->n; i++) {
        const struct mmr_collector_site *s = mmr_collector_site(c, x->v[i].name);
        x->v[i].is_up = s && s->is_up;
        x->v[i].is_silent = s ? s->is_silent : x->v[i].is_silent;
        if (s && s->seen_ns > x->v[i].seen_ns)
            x->v[i].seen_ns = s->seen_ns;
    }
}

static void put_own(struct mmr_om *m, struct mmr_collector *c)
{
    static const char *const info[] = {"version", MMR_VERSION, "role", "collector", NULL};
    struct mmr_error err = {.struct_size = sizeof err};
    mmr_om_family(m, "mamori_build", MMR_OM_INFO, NULL, "Version and role of this mamori");
    mmr_om_count(m, 1, info);
    mmr_om_family(m, "mamori_uptime_seconds", MMR_OM_GAUGE, "seconds", "Since the collector started");
    mmr_om_sample(m, (double)(mmr_clock_wall_ns() - c->started_ns) / 1e9, NULL);
    mmr_om_family(m, "mamori_collector_records", MMR_OM_COUNTER, NULL, "Records of sites taken since it started");
    mmr_om_count(m, c->records, NULL);
    mmr_om_family(m, "mamori_collector_repeated_records", MMR_OM_COUNTER, NULL, "Records that had come before");
    mmr_om_count(m, c->repeated, NULL);
    mmr_om_family(m, "mamori_collector_refused_records", MMR_OM_COUNTER, NULL, "Records that broke a rule");
    mmr_om_count(m, c->refused, NULL);
    mmr_om_family(m, "mamori_outbox_records", MMR_OM_GAUGE, NULL, "Records that wait for an outlet");
    for (uint32_t i = 0; i < c->n_outlets; i++) {
        const char *const label[] = {"outlet", c->outlet[i]->ops->name, NULL};
        uint64_t n = 0;
        if (mmr_store_outbox_count(c->db, c->outlet[i]->ops->name, &n, &err) == 0)
            mmr_om_count(m, n, label);
    }
}

static void put_sites(struct mmr_om *m, const struct sites *x)
{
    static const char *const states[] = {"up", "away", "silent"};
    mmr_om_family(m, "mamori_sites", MMR_OM_GAUGE, NULL, "Sites by state");
    for (unsigned k = 0; k < 3; k++) {
        const char *const label[] = {"state", states[k], NULL};
        uint64_t n = 0;
        for (uint32_t i = 0; i < x->n; i++)
            n += k == (x->v[i].is_up ? 0U : x->v[i].is_silent ? 2U : 1U);
        mmr_om_count(m, n, label);
    }
    family(m, x, "mamori_site_up", MMR_OM_GAUGE, NULL, "Is this site connected", up_of);
    family(m, x, "mamori_site_silent", MMR_OM_GAUGE, NULL, "Was it not heard for longer than collector.silent_after", silent_of);
    family(m, x, "mamori_site_seen_time_seconds", MMR_OM_GAUGE, "seconds", "When it was last heard (Unix)", seen_of);
    family(m, x, "mamori_site_record_time_seconds", MMR_OM_GAUGE, "seconds", "When its last record came (Unix); 0: none", record_of);
    family(m, x, "mamori_site_records", MMR_OM_COUNTER, NULL, "Records it has sent", records_of);
    family(m, x, "mamori_site_open_severe_incidents", MMR_OM_GAUGE, NULL, "Severe incidents there that are not closed", severe_of);
}

static void wanted(void *ctx)
{
    struct mmr_collector *c = ctx;
    struct sites x = {.v = calloc(MMR_SITE_NODES_MAX, sizeof *x.v), .cap = MMR_SITE_NODES_MAX};
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_om m = {0};
    char *text = NULL;
    size_t len = 0;
    m.f = x.v ? open_memstream(&text, &len) : NULL;
    bool is_good = m.f && mmr_collected_sites(c->db, keep, &x, &err) >= 0;
    if (is_good) {
        freshen(c, &x);
        put_own(&m, c);
        put_sites(&m, &x);
        mmr_om_end(&m);
    } else {
        mmr_log(MMR_LOG_WARN, "collector.not_measured", "reason=\"%s\"", err.text);
    }
    if (m.f && ferror(m.f) != 0)
        is_good = false;
    if (m.f && fclose(m.f) != 0)
        is_good = false;
    mmr_metrics_http_answer(c->metrics, is_good ? text : NULL, len);
    free(text);
    free(x.v);
}

int mmr_collector_measure_open(struct mmr_collector *c, struct mmr_error *err)
{
    const char *listen = mmr_config_str(c->config, "metrics.listen");
    struct mmr_metrics_listen at;
    if (!listen)
        return 0;
    int r = mmr_metrics_listen_read(listen, mmr_config_bool(c->config, "metrics.open"), &at, err);
    return r ? r : mmr_metrics_http_open(c->base, &at, wanted, c, &c->metrics, err);
}
