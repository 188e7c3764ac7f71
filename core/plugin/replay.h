/*
 * replay.h - recorded inputs through a runtime in event time, merged by the records' own times. The
 * same inputs and configuration give the same calls in the same order.
 */
#ifndef MMR_PLUGIN_REPLAY_H
#define MMR_PLUGIN_REPLAY_H

#include "plugin/runtime.h"

struct mmr_replay_reader { /* a sensor plugin that may read inputs ("mamori.replay/0"); borrowed */
    const struct mmr_plugin *plugin;
    uint32_t side;
    const char *group;     /* as in struct mmr_runtime_instance */
    const uint8_t *packed; /* configuration of the instances made for it; NULL: defaults */
    size_t packed_len;
};
struct mmr_replay_input { /* borrowed */
    const char *path;   /* "-" is stdin */
    const char *name;   /* as the user gave it; stamped into events */
    const char *format; /* NULL: recognise from the content */
    uint32_t side;      /* only readers of that side are asked (a --pcap or a --log); 0: all */
};
struct mmr_replay_stats {
    uint64_t records;           /* steps made */
    int64_t first_ns, last_ns;  /* data time; 0: no record */
    size_t cut;                 /* inputs that ended with an error and were used as far as they went */
};
/* One line about an input that was cut short or is out of order; may be NULL. */
typedef void (*mmr_replay_warn_fn)(void *ctx, const char *line);

/*
 * mmr_replay_run - add one reader instance per input to the runtime, then step through all of them.
 *
 * rt          virtual time, its analyzers already added, its sensors not started
 * grace_ns    after the last record timers still fire until last_ns + grace_ns
 * should_stop asked between records; may be NULL
 * errors      MMR_EUNSUPPORTED nobody reads this input; MMR_EBADMSG it is somebody's but unusable; MMR_EIO.
 *             The text names the input; nothing was stepped then. An error further on only cuts that input.
 */
int mmr_replay_run(struct mmr_runtime *rt, const struct mmr_replay_reader *readers, size_t n_readers,
                   const struct mmr_replay_input *inputs, size_t n_inputs, int64_t grace_ns,
                   mmr_replay_warn_fn warn, bool (*should_stop)(void *ctx), void *ctx,
                   struct mmr_replay_stats *ret_stats, struct mmr_error *err);

#endif
