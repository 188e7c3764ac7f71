/* story.c - reads a hub's store while it runs. */
#include "demo/story.h"

#include "store/incidents.h"

#include <string.h>

struct load {
    struct mmr_story *to;
    struct mmr_error *err;
};

static int take(void *ctx, const struct mmr_incident_row *row)
{
    struct load *l = ctx;
    if (l->to->n == MMR_STORY_MAX)
        return 0;
    int r = mmr_incident_unpack(row->blob, row->len, &l->to->incident[l->to->n], l->err);
    if (!r)
        l->to->n++;
    return r;
}

int mmr_story_load(const char *state_dir, struct mmr_story *ret, struct mmr_error *err)
{
    struct mmr_db *db = NULL;
    const struct mmr_incident_filter all = {0};
    struct load l = {ret, err};
    memset(ret, 0, sizeof *ret);
    int r = mmr_db_open(state_dir, MMR_DB_READONLY, &db, err);
    if (!r)
        r = mmr_store_incidents_each(db, &all, take, &l, err);
    mmr_db_close(db);
    if (r)
        mmr_story_done(ret);
    return r;
}

void mmr_story_done(struct mmr_story *s)
{
    for (size_t i = 0; i < s->n; i++)
        mmr_incident_free(s->incident[i]);
    memset(s, 0, sizeof *s);
}

unsigned mmr_story_sides(const struct mmr_incident *i)
{
    unsigned sides = 0;
    for (uint32_t k = 0; k < i->n_evidence; k++)
        sides |= (unsigned)i->evidence[k].finding->side;
    return sides;
}

static bool is_about(const struct mmr_incident *i, const char *host, const struct mmr_addr *ip)
{
    for (uint32_t k = 0; k < i->n_evidence; k++) {
        const struct mmr_finding *f = i->evidence[k].finding;
        if ((f->host && strcmp(f->host, host) == 0) || mmr_addr_equal(&f->src, ip) || mmr_addr_equal(&f->dst, ip))
            return true;
    }
    return false;
}

const struct mmr_incident *mmr_story_of(const struct mmr_story *s, const char *host, const char *host_ip)
{
    const struct mmr_incident *best = NULL;
    struct mmr_addr ip = {0};
    (void)mmr_addr_parse(host_ip, strlen(host_ip), &ip);
    for (size_t i = 0; i < s->n; i++) {
        const struct mmr_incident *x = s->incident[i];
        if (x->potential == MMR_POTENTIAL_INFO && best)
            continue;
        if (is_about(x, host, &ip) && (!best || x->n_evidence > best->n_evidence))
            best = x;
    }
    return best;
}
