/* replay.c - merges recorded inputs by event time and steps the runtime through them. */
#include "plugin/replay.h"

#include "plugin/describe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUTS_MAX = 48 }; /* each is an instance; the rest of a runtime's instances is for analyzers */

struct source {
    const struct mmr_replay_ops *ops;
    uint32_t instance;
    const char *name;
    int64_t at_ns; /* merge time of the next record: never before what was already read of this input */
    uint64_t index;
    bool is_open;
};

static const struct mmr_replay_ops *ops_of(const struct mmr_plugin *p)
{
    const struct mmr_replay_ops *ops = p->extension ? p->extension("mamori.replay/0") : NULL;
    return ops && MMR_HAS(ops, step) && ops->open && ops->next && ops->step ? ops : NULL;
}

/* An instance of this reader for this input. MMR_EUNSUPPORTED: not its format, nothing was left behind. */
static int try_reader(struct mmr_runtime *rt, const struct mmr_replay_reader *reader,
                      const struct mmr_replay_input *input, size_t number, struct source *s, struct mmr_error *err)
{
    char name[MMR_RUNTIME_NAME_MAX + 1];
    struct mmr_error own = {.struct_size = sizeof own};
    const struct mmr_replay_ops *ops = ops_of(reader->plugin);
    if (!ops)
        return MMR_EUNSUPPORTED;
    (void)snprintf(name, sizeof name, "%.32s-input%zu", reader->plugin->name, number + 1);
    struct mmr_runtime_instance conf = {.plugin = reader->plugin, .name = name, .side = reader->side, .group = reader->group,
                                        .state_dir = "", .packed = reader->packed, .packed_len = reader->packed_len};
    int r = mmr_runtime_add(rt, &conf, &s->instance, err);
    if (r)
        return r;
    mmr_runtime_set_origin(rt, input->name, 0);
    r = ops->open(mmr_runtime_self(rt, s->instance), input->path, input->name, input->format, &own);
    if (r) {
        mmr_runtime_drop_last(rt);
        if (strstr(own.text, input->path)) /* it names the file itself */
            return mmr_fail(err, r, "%s", own.text);
        return mmr_fail(err, r, "input '%.80s': %.160s", input->name, own.text[0] ? own.text : "cannot be read");
    }
    s->ops = ops;
    s->name = input->name;
    s->is_open = true;
    s->at_ns = INT64_MIN;
    return 0;
}

static int open_input(struct mmr_runtime *rt, const struct mmr_replay_reader *readers, size_t n_readers,
                      const struct mmr_replay_input *input, size_t number, struct source *s, struct mmr_error *err)
{
    for (size_t i = 0; i < n_readers; i++) {
        if (input->side && readers[i].side != input->side)
            continue;
        int r = try_reader(rt, &readers[i], input, number, s, err);
        if (r != MMR_EUNSUPPORTED)
            return r;
    }
    if (input->format)
        return mmr_fail(err, MMR_EUNSUPPORTED, "input '%.120s': no format '%.40s'; 'mamori help replay' names them", input->name,
                        input->format);
    if (input->side == MMR_SIDE_NETWORK)
        return mmr_fail(err, MMR_EUNSUPPORTED, "input '%.120s' is no capture: expected a pcap or pcapng file", input->name);
    return mmr_fail(err, MMR_EUNSUPPORTED, "input '%.120s' is of no known format; say --log FORMAT:FILE", input->name);
}

static void cut(struct source *s, const struct mmr_error *err, mmr_replay_warn_fn warn, void *ctx,
                struct mmr_replay_stats *stats)
{
    char line[512];
    s->is_open = false;
    stats->cut++;
    (void)snprintf(line, sizeof line, "input '%s': used up to record %llu: %s", s->name,
                   (unsigned long long)s->index, err->text[0] ? err->text : "unreadable from there on");
    if (warn)
        warn(ctx, line);
}

/* Ask for the time of the next record. */
static void look_ahead(struct mmr_runtime *rt, struct source *s, mmr_replay_warn_fn warn, void *ctx,
                       struct mmr_replay_stats *stats)
{
    struct mmr_error err = {.struct_size = sizeof err};
    int64_t t;
    int r = s->ops->next(mmr_runtime_self(rt, s->instance), &t, &err);
    if (r == MMR_ENOENT)
        s->is_open = false;
    else if (r)
        cut(s, &err, warn, ctx, stats);
    else if (t > s->at_ns) /* a record out of order is merged where its predecessor was; it keeps its own time */
        s->at_ns = t;
}

static struct source *earliest(struct source *s, size_t n)
{
    struct source *best = NULL;
    for (size_t i = 0; i < n; i++)
        if (s[i].is_open && (!best || s[i].at_ns < best->at_ns))
            best = &s[i];
    return best;
}

int mmr_replay_run(struct mmr_runtime *rt, const struct mmr_replay_reader *readers, size_t n_readers,
                   const struct mmr_replay_input *inputs, size_t n_inputs, int64_t grace_ns,
                   mmr_replay_warn_fn warn, bool (*should_stop)(void *ctx), void *ctx,
                   struct mmr_replay_stats *ret_stats, struct mmr_error *err)
{
    struct mmr_replay_stats stats = {0};
    struct source *sources, *s;
    int r = 0;

    if (n_inputs > INPUTS_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "%zu inputs, at most %d in one replay", n_inputs, INPUTS_MAX);
    sources = calloc(n_inputs + 1, sizeof *sources);
    if (!sources)
        return mmr_fail(err, MMR_ENOMEM, "replay: out of memory");
    for (size_t i = 0; i < n_inputs && r == 0; i++)
        r = open_input(rt, readers, n_readers, &inputs[i], i, &sources[i], err);
    if (r) {
        free(sources);
        return r;
    }
    for (size_t i = 0; i < n_inputs; i++)
        look_ahead(rt, &sources[i], warn, ctx, &stats);
    s = earliest(sources, n_inputs);
    if (s) {
        stats.first_ns = s->at_ns;
        mmr_runtime_begin(rt, s->at_ns);
    }
    while (s && !(should_stop && should_stop(ctx))) {
        struct mmr_error own = {.struct_size = sizeof own};
        mmr_runtime_set_origin(rt, "timers before record", stats.records + 1);
        mmr_runtime_advance(rt, s->at_ns);
        mmr_runtime_set_origin(rt, s->name, s->index + 1);
        r = s->ops->step(mmr_runtime_self(rt, s->instance), &own);
        if (r && r != MMR_EAGAIN) {
            cut(s, &own, warn, ctx, &stats);
        } else {
            s->index++;
            stats.records++;
            stats.last_ns = s->at_ns;
            look_ahead(rt, s, warn, ctx, &stats);
        }
        s = earliest(sources, n_inputs);
    }
    /* analyzers close what they hold open at the last data time; then what still waits for a timer gets its time */
    mmr_runtime_set_origin(rt, "end", 0);
    struct mmr_error own = {.struct_size = sizeof own};
    if (mmr_runtime_finish(rt, &own) && warn)
        warn(ctx, own.text);
    int64_t end_ns;
    if (stats.records && !__builtin_add_overflow(mmr_runtime_now_ns(rt), grace_ns, &end_ns))
        mmr_runtime_advance(rt, end_ns);
    free(sources);
    *ret_stats = stats;
    return 0;
}
