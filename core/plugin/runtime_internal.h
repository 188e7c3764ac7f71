/* runtime_internal.h - the insides of the runtime, shared by runtime.c, route.c, wait.c and topic.c only. */
#ifndef MMR_PLUGIN_RUNTIME_INTERNAL_H
#define MMR_PLUGIN_RUNTIME_INTERNAL_H

#include "plugin/runtime.h"

#include <event2/event.h>

#include <limits.h>
#include <pthread.h>

enum {
    KIND_NAME_MAX = 63, KIND_SLOTS = 1024, /* a power of two, at least twice the kinds of a runtime */
    KINDS_MAX = 512,
    TIMER_BUCKETS = 1024,
    CHAIN_MAX = 8,   /* an event made of an event made of ...: a loop of analyzers ends here */
    TOPIC_DEPTH_MAX = 16,
};

struct mmr_rt_kind { /* one event kind known in this runtime, and who gets it */
    char name[KIND_NAME_MAX + 1];
    bool is_wanted; /* by the owner */
    uint32_t n_readers;
    uint8_t readers[MMR_RUNTIME_INSTANCES_MAX]; /* indices of analyzers, rising */
};

struct mmr_rt_instance {
    struct mmr_runtime *rt;
    const struct mmr_plugin *plugin;
    struct mmr_host host;
    void *self;
    void *config, *next_config;
    uint32_t index, side;
    uint64_t group; /* hash of its name; 0: none */
    bool is_started, is_stopped, is_busy; /* is_busy: was told MMR_EAGAIN, wants on_wake() */
    bool is_prepared;
    atomic_bool is_woken;
    uint64_t seq;
    struct mmr_rt_kind **routes; /* by the position in plugin->events */
    struct mmr_stamper stamper;
    struct mmr_runtime_counters counters;
    uint64_t refused_logged;
    char name[MMR_RUNTIME_NAME_MAX + 1];
    char state_dir[PATH_MAX];
};

struct mmr_rt_timer {
    int64_t due_ns;
    uint64_t cookie, order;
    uint32_t instance;
    uint32_t heap_at; /* its place in the heap */
    struct mmr_rt_timer *next; /* in its bucket */
};

struct mmr_rt_watch {
    struct mmr_rt_instance *in;
    struct event *ev; /* NULL: free */
    int fd;
    uint64_t cookie;
};

struct mmr_rt_sink {
    void (*item)(void *self, const void *item);
    void *self;
    uint32_t instance;
};
struct mmr_rt_topic {
    struct mmr_topic pub; /* what plugins hold; first, so that it leads back here */
    char id[64];
    struct mmr_rt_sink sinks[MMR_RUNTIME_INSTANCES_MAX];
    uint32_t n;
};

struct mmr_rt_queue { /* events waiting for analyzers: records one behind the other */
    uint8_t *bytes;
    size_t at, len, cap;
};

struct mmr_runtime {
    struct mmr_runtime_opts opts;
    struct mmr_runtime_ops ops;
    char node[64], core_version[64];
    pthread_t loop_thread;
    struct mmr_trace own_trace, *trace;
    struct mmr_rt_instance *inst[MMR_RUNTIME_INSTANCES_MAX];
    uint32_t n;
    /* kinds */
    struct mmr_rt_kind *kinds[KINDS_MAX];
    uint32_t n_kinds;
    uint16_t kind_slots[KIND_SLOTS]; /* open addressing: number + 1 */
    bool wants_all;
    /* routing */
    uint32_t event_depth; /* inside event(): further events are queued */
    uint32_t chain;       /* how many events led to the one being handled */
    struct mmr_rt_queue queue;
    uint8_t *stamp_buf, *read_buf; /* one event each: being stamped, being read */
    /* time */
    _Atomic int64_t now_ns; /* virtual; instances may ask for it from any thread */
    bool has_begun;
    struct mmr_rt_timer **heap;
    size_t n_timers, cap_timers;
    uint64_t timer_order;
    struct mmr_rt_timer *buckets[TIMER_BUCKETS];
    struct event *timer_ev, *wake_ev;
    int wake_fd;
    struct mmr_rt_watch **watches;
    size_t n_watches, cap_watches;
    /* topics */
    struct mmr_rt_topic *topics[MMR_RUNTIME_TOPICS_MAX];
    uint32_t n_topics, topic_depth;
    /* origin of ids in replay */
    char origin[512];
    uint64_t origin_index, origin_counter;
};

/* Say what the loop is doing; returns what it did before, for mmr_rt_leave(). */
struct mmr_rt_was {
    uint32_t instance, doing;
};
static inline struct mmr_rt_was mmr_rt_enter(struct mmr_runtime *rt, const struct mmr_rt_instance *in,
                                             enum mmr_doing doing)
{
    struct mmr_rt_was was = {rt->trace->instance, rt->trace->doing};
    rt->trace->instance = in->index + 1;
    rt->trace->doing = doing;
    return was;
}
static inline void mmr_rt_leave(struct mmr_runtime *rt, struct mmr_rt_was was)
{
    rt->trace->instance = was.instance;
    rt->trace->doing = was.doing;
}

/* runtime.c */
void mmr_rt_misbehaved(struct mmr_rt_instance *in, const char *what);
bool mmr_rt_on_loop(struct mmr_rt_instance *in, const char *what);
/* route.c */
int mmr_rt_emit(void *impl, const void *msgpack, size_t len);
struct mmr_rt_kind *mmr_rt_kind(struct mmr_runtime *rt, const char *name, size_t len, bool is_new_ok);
int mmr_rt_route_instance(struct mmr_rt_instance *in, struct mmr_error *err);
/* wait.c */
int mmr_rt_watch_fd(void *impl, int fd, unsigned rw, uint64_t cookie);
int mmr_rt_set_timer(void *impl, int64_t msec, uint64_t cookie);
void mmr_rt_wake(void *impl);
int64_t mmr_rt_now_ns(void *impl, int clock);
int mmr_rt_wait_init(struct mmr_runtime *rt, struct mmr_error *err);
void mmr_rt_wait_forget(struct mmr_rt_instance *in); /* its timers and descriptors */
void mmr_rt_wait_done(struct mmr_runtime *rt);
void mmr_rt_deliver_wakes(struct mmr_runtime *rt);
/* topic.c */
const void *mmr_rt_extension(void *impl, const char *id);
void mmr_rt_topics_rebuild(struct mmr_runtime *rt); /* after an instance came or went */
bool mmr_rt_has_sink(struct mmr_runtime *rt, const struct mmr_rt_instance *in);

#endif
