/* internal.h - the insides of the test host, shared by its files. */
#ifndef MAMORI_TESTHOST_INTERNAL_H
#define MAMORI_TESTHOST_INTERNAL_H

#include "config_text.h"
#include "testhost.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* What the linker's --wrap leaves of the allocator: the test host's own memory never fails. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);

enum {
    MAX_INSTANCES = 32, MAX_WATCHES = 256, MAX_TOPICS = 32, MAX_LISTENERS = 16, MAX_OFFERS = 16,
    MAX_KIND = 64, TEXTS = 16,
};

struct instance {
    struct mmr_testhost *th;
    const struct mmr_plugin *plugin;
    struct mmr_host host;
    void *self;
    void *owned_config[2];
    int number;
    bool is_started, is_stopped, is_dead;
    atomic_bool is_woken;
    char name[80];
    char state_dir[PATH_MAX];
};
struct watch {
    struct instance *in;
    int fd;
    unsigned rw; /* 0: free */
    uint64_t cookie;
};
struct timer {
    struct instance *in;
    uint64_t cookie, order;
    int64_t due_ns;
};
struct topic {
    char id[64];
    struct mmr_topic pub;
};
struct listener {
    const char *topic;
    mmr_testhost_item_fn fn;
    void *ctx;
};
struct offer {
    const char *id;
    const void *p;
};
struct kept { /* one event */
    uint8_t *bytes;
    size_t len;
    int emitter;
    char kind[MAX_KIND];
};

struct mmr_testhost {
    pthread_mutex_t lock; /* log lines only: they may come from any thread */
    pthread_t loop_thread;
    struct instance *inst[MAX_INSTANCES];
    int n_inst;
    struct watch watches[MAX_WATCHES];
    struct timer *timers;
    size_t n_timers, cap_timers;
    uint64_t timer_order;
    struct topic topics[MAX_TOPICS];
    size_t n_topics;
    struct listener listeners[MAX_LISTENERS];
    size_t n_listeners;
    struct offer offers[MAX_OFFERS];
    size_t n_offers;
    _Atomic int64_t wall_ns; /* instances may ask for the time from any thread */
    bool is_real, is_routing;
    int wake_fd;
    int emit_code;
    struct kept *events;
    size_t n_events, cap_events, routed;
    struct mmr_testhost_receipt *receipts;
    size_t n_receipts, cap_receipts;
    struct mmr_testhost_delivery *deliveries;
    size_t n_deliveries, cap_deliveries;
    unsigned refusals, logged[8];
    char refusal_text[256], log_text[8][256];
    char state_dir[PATH_MAX];
    struct mmr_event_view view, check;
    char texts[TEXTS][MMR_EVENT_STR_MAX + 1];
    unsigned next_text;
};

_Noreturn void mmr_testhost_die(const char *what);
void mmr_testhost_refuse(struct instance *in, const char *what);
void mmr_testhost_on_loop(struct mmr_testhost *th, const char *what); /* aborts on another thread */
void mmr_testhost_route(struct mmr_testhost *th); /* queued events to the analyzers that read them */
int mmr_testhost_emit(void *impl, const void *msgpack, size_t len);
int mmr_testhost_action_done(void *impl, uint64_t id, int code, const void *msgpack, size_t len);
int mmr_testhost_forward_done(void *impl, uint64_t seq, int level, int64_t time_ns, const char *detail);

#endif
