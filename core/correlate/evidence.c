/* evidence.c - folding. The outcome is the same in whatever order the repeats come. */
#include "correlate/evidence.h"

#include "util/id.h"

#include <stdlib.h>
#include <string.h>

static uint64_t mix(uint64_t h, const char *text)
{
    return text ? mmr_hash64(text, strlen(text), h) : h * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

uint64_t mmr_evidence_fold(const struct mmr_finding *f)
{
    struct {
        struct mmr_addr src, dst;
        int64_t pid;
        uint32_t side, port;
    } fixed;
    memset(&fixed, 0, sizeof fixed);
    fixed.src = f->src;
    fixed.dst = f->dst;
    fixed.pid = f->process.pid;
    fixed.side = (uint32_t)f->side;
    fixed.port = f->dst_port;
    uint64_t h = mmr_hash64(&fixed, sizeof fixed, 11);
    h = mix(h, f->rule ? f->rule : f->title);
    h = mix(h, f->host);
    h = mix(h, f->process.uid);
    h = mix(h, f->process.uid ? NULL : f->process.name);
    h = mix(h, f->file);
    h = mix(h, f->user);
    h = mix(h, f->session);
    return mix(h, f->domain);
}

uint64_t mmr_evidence_content(const struct mmr_finding *f, uint64_t fold)
{
    struct {
        uint64_t fold;
        int64_t time;
        uint32_t src_port, dst_port;
    } k = {fold, f->time_ns, f->src_port, f->dst_port};
    return mmr_hash64(&k, sizeof k, 12);
}

static uint64_t source_of(const struct mmr_finding *f)
{
    if (f->input)
        return mix(13, f->input);
    return mix(mix(14, f->node), f->instance);
}

static void count_source(struct mmr_evidence *e, uint64_t source, uint32_t n)
{
    for (unsigned i = 0; i < 4; i++) {
        if (e->source_count[i] && e->source[i] != source)
            continue;
        e->source[i] = source;
        e->source_count[i] = e->source_count[i] > UINT32_MAX - n ? UINT32_MAX : e->source_count[i] + n;
        break;
    }
    e->count = 0;
    for (unsigned i = 0; i < 4; i++)
        if (e->source_count[i] > e->count)
            e->count = e->source_count[i];
}

static struct mmr_evidence *find(struct mmr_incident *i, uint64_t fold)
{
    for (uint32_t k = 0; k < i->n_evidence; k++)
        if (i->evidence[k].fold == fold)
            return &i->evidence[k];
    return NULL;
}

static int order(const struct mmr_finding *a, const struct mmr_finding *b)
{
    int64_t x = mmr_finding_time(a), y = mmr_finding_time(b);
    if (x != y)
        return x < y ? -1 : 1;
    return memcmp(a->id, b->id, 16);
}

static int compare(const void *a, const void *b)
{
    const struct mmr_evidence *x = a, *y = b;
    return order(x->finding, y->finding);
}

void mmr_evidence_sort(struct mmr_incident *i)
{
    if (i->n_evidence > 1)
        qsort(i->evidence, i->n_evidence, sizeof *i->evidence, compare);
}

/* One machine's clock: what was learnt of it since the last repeat came holds for the earlier ones, too. */
static void align(struct mmr_evidence *e, const struct mmr_finding *f)
{
    int64_t by = f->estimate_ns - e->finding->estimate_ns;
    if (by == 0 || f->offset_ns != 0 || e->finding->offset_ns != 0)
        return;
    e->finding->estimate_ns += by;
    e->last_ns += by;
}

/* The earliest of the repeats stands for them. Returns true when it is another one now. */
static bool keep_earliest(struct mmr_evidence *e, struct mmr_finding *f)
{
    if (mmr_finding_time(f) > e->last_ns)
        e->last_ns = mmr_finding_time(f);
    if (order(f, e->finding) >= 0) {
        free(f);
        return false;
    }
    free(e->finding);
    e->finding = f;
    return true;
}

static void cover(struct mmr_incident *i, int64_t from_ns, int64_t to_ns)
{
    if (i->n_evidence == 0 || from_ns < i->first_ns)
        i->first_ns = from_ns;
    if (i->n_evidence == 0 || to_ns > i->last_ns)
        i->last_ns = to_ns;
}

int mmr_evidence_add(struct mmr_incident *i, struct mmr_finding *f, uint64_t fold, bool *ret_is_new,
                     struct mmr_error *err)
{
    int64_t at = mmr_finding_time(f);
    struct mmr_evidence *e = find(i, fold);
    cover(i, at, at);
    *ret_is_new = e == NULL;
    if (e) {
        count_source(e, source_of(f), f->count ? f->count : 1);
        align(e, f);
        if (keep_earliest(e, f))
            mmr_evidence_sort(i);
        return 0;
    }
    struct mmr_evidence n = {.finding = f, .fold = fold, .last_ns = at};
    count_source(&n, source_of(f), f->count ? f->count : 1);
    return mmr_incident_insert_evidence(i, &n, err);
}

static int move_one(struct mmr_incident *into, struct mmr_evidence *e, struct mmr_error *err)
{
    struct mmr_evidence *old = find(into, e->fold);
    cover(into, mmr_finding_time(e->finding), e->last_ns);
    if (!old)
        return mmr_incident_insert_evidence(into, e, err);
    for (unsigned k = 0; k < 4; k++)
        if (e->source_count[k])
            count_source(old, e->source[k], e->source_count[k]);
    if (e->last_ns > old->last_ns)
        old->last_ns = e->last_ns;
    if (keep_earliest(old, e->finding))
        mmr_evidence_sort(into);
    return 0;
}

int mmr_evidence_merge(struct mmr_incident *into, struct mmr_incident *from, struct mmr_error *err)
{
    int rc = 0;
    for (uint32_t k = 0; k < from->n_evidence; k++) {
        int e = move_one(into, &from->evidence[k], err);
        rc = rc < 0 ? rc : e;
    }
    from->n_evidence = 0;
    into->evicted += from->evicted;
    for (uint32_t k = 0; k < from->n_actions; k++) {
        struct mmr_action_rec a = from->actions[k];
        a.incident = into->id;
        if (!mmr_incident_action(into, a.id)) {
            int e = mmr_incident_add_action(into, &a, err);
            rc = rc < 0 ? rc : e;
        }
    }
    if (from->class_peak > into->class_peak)
        into->class_peak = from->class_peak;
    if (from->t0_ns && (into->t0_ns == 0 || from->t0_ns < into->t0_ns))
        into->t0_ns = from->t0_ns;
    return rc;
}
