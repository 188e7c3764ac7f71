/*
 * testhost.h - libmamori_testhost: a host for the unit tests of plugins. It keeps one or several
 * instances in one process, with a clock the test turns; collects what they emit, publish, answer
 * and log; and checks what the real host checks, so that a plugin that passes here is not refused there.
 *
 *     struct mmr_testhost *th = mmr_testhost_new();
 *     const char *const cfg[] = {"iface", "eth0", NULL};
 *     int i = mmr_testhost_add(th, &mmr_plugin_beacon, cfg, &err);       (config from text, create())
 *     mmr_testhost_start(th, &err);
 *     mmr_testhost_feed(th, i, MMR_TOPIC_PACKET, &packet);
 *     mmr_testhost_advance(th, 5 * MMR_TH_S);
 *     assert_int_equal(mmr_testhost_count(th, "finding"), 1);
 *     assert_string_equal(mmr_testhost_text(th, mmr_testhost_find(th, "finding", 0), "mamori.rule"), "...");
 *     mmr_testhost_free(th);                                             (stop(), destroy())
 *
 * Mistakes of the test itself (no such instance, no memory) abort with a message. Not thread safe: every function is
 * [loop], called on the thread that made the test host, which is the instances' loop; what the ABI calls [any] is so here too.
 * Texts are UTF-8 with a NUL; times are nanoseconds of the host's clock unless a name says ms; what is returned stays the test
 * host's until the next call or mmr_testhost_free(). Errors go to err, which may be NULL.
 *
 * source  what the real host does and refuses: core/plugin/runtime.c, core/plugin/route.c; held beside it by tests/plugins/test_testhost.c
 */
#ifndef MAMORI_TESTHOST_H
#define MAMORI_TESTHOST_H

#include <mamori/action.h>
#include <mamori/event.h>
#include <mamori/net.h>
#include <mamori/plugin.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MMR_TH_S INT64_C(1000000000) /* a second in ns */
#define MMR_TH_MS INT64_C(1000000)
#define MMR_TH_START_NS INT64_C(1700000000000000000) /* the wall clock of a new test host */

struct mmr_testhost;

/* [loop] An empty one, its clock at MMR_TH_START_NS. Returned; mmr_testhost_free(). */
struct mmr_testhost *mmr_testhost_new(void);
void mmr_testhost_free(struct mmr_testhost *th); /* stops and destroys every instance; accepts NULL */

/*
 * mmr_testhost_add - create an instance.
 *
 * config_text  pairs "key", "value as a user writes it", NULL at the end; lists comma separated.
 *              NULL: defaults only
 * returns      the instance's number from 0, or a negative error: MMR_ECONFIG for the text, or what
 *              create() gave
 */
int mmr_testhost_add(struct mmr_testhost *th, const struct mmr_plugin *p, const char *const *config_text,
                     struct mmr_error *err);
/* The same with a filled config struct of the plugin (borrowed until the test host is freed); returns as above. */
int mmr_testhost_add_filled(struct mmr_testhost *th, const struct mmr_plugin *p, const void *config,
                            struct mmr_error *err);
/* [loop] What create() of instance i returned, and the host it was given. Borrowed. */
void *mmr_testhost_self(struct mmr_testhost *th, int i);
const struct mmr_host *mmr_testhost_host(struct mmr_testhost *th, int i);
/* start() of every sensor not started yet, in order; the first error. */
int mmr_testhost_start(struct mmr_testhost *th, struct mmr_error *err);
/* stop() of every sensor that was started; afterwards an emit() is a refusal. */
void mmr_testhost_stop(struct mmr_testhost *th);
/* Two-phase reload of one instance; is_commit false: prepare, then abort. errors MMR_EUNSUPPORTED it has no reload_prepare; MMR_ECONFIG the
 * text; what prepare() gave */
int mmr_testhost_reload(struct mmr_testhost *th, int i, const char *const *config_text, bool is_commit,
                        struct mmr_error *err);
/* A directory of its own for the instances added from now on; removed with the test host. */
const char *mmr_testhost_make_state_dir(struct mmr_testhost *th);

/* ---- clock ---- */

void mmr_testhost_set_time(struct mmr_testhost *th, int64_t wall_ns); /* fires nothing */
int64_t mmr_testhost_time(const struct mmr_testhost *th);             /* wall ns */
void mmr_testhost_advance(struct mmr_testhost *th, int64_t ns);       /* fires the timers on the way, in order */
int64_t mmr_testhost_next_timer(const struct mmr_testhost *th);       /* wall ns, INT64_MAX: none */
void mmr_testhost_use_real_clock(struct mmr_testhost *th); /* from now on; poll() fires due timers */

/* ---- input ---- */

/* Hand an item of a topic to one instance's sink; -1: to every sink. Returns how many sinks took it. */
int mmr_testhost_feed(struct mmr_testhost *th, int i, const char *topic, const void *item);
/* Hand an event of len bytes (borrowed) to an analyzer, stamped or not, whatever it subscribes to. Returns what event() gave. */
int mmr_testhost_event(struct mmr_testhost *th, int i, const void *msgpack, size_t len,
                       struct mmr_error *err);
/* Every analyzer's finish(), in order; returns the first error. */
int mmr_testhost_finish(struct mmr_testhost *th, struct mmr_error *err);
/* Read a recorded input to its end through "mamori.replay/0"; the clock follows the records' times.
 * Returns the number of records, or a negative error. */
int64_t mmr_testhost_replay(struct mmr_testhost *th, int i, const char *path, const char *format,
                            struct mmr_error *err);
/* An order to a responder, a (borrowed) as the core would send it; returns what act() gave. The receipt: mmr_testhost_receipt(). */
int mmr_testhost_act(struct mmr_testhost *th, int i, const struct mmr_action *a, struct mmr_error *err);
/* A record (borrowed) to a forwarder, with its place in the queue; returns what forward() gave. How far it got: mmr_testhost_delivery(). */
int mmr_testhost_forward(struct mmr_testhost *th, int i, const char *json, uint64_t seq,
                         struct mmr_error *err);
/* Wait at most timeout_ms for watched descriptors and wakes, serve them once; how many were served. */
int mmr_testhost_poll(struct mmr_testhost *th, int timeout_ms);
/* poll() until an event of that kind is there (true) or the time is over. */
bool mmr_testhost_poll_until(struct mmr_testhost *th, const char *kind, int timeout_ms);
unsigned mmr_testhost_watched(const struct mmr_testhost *th, int fd); /* MMR_FD_*, 0: not watched */

/* ---- what came out ---- */

/* Events emitted, in order, by every instance. Kept until cleared. Analyzers in the same test host
 * that subscribe to the kind get it too (never its emitter), as in a real host. */
size_t mmr_testhost_events(const struct mmr_testhost *th);
void mmr_testhost_clear(struct mmr_testhost *th); /* events, receipts, deliveries and refusals */
int mmr_testhost_count(const struct mmr_testhost *th, const char *kind); /* how many of this kind; NULL: of all */
/* Number of the nth (from 0) event of a kind, or -1. */
int mmr_testhost_find(const struct mmr_testhost *th, const char *kind, int nth);
/* ... whose field has this text, or -1. */
int mmr_testhost_find_text(const struct mmr_testhost *th, const char *kind, const char *key,
                           const char *text);
/* Decoded; valid until the next call of any function of this test host. NULL for number -1. */
const struct mmr_event_view *mmr_testhost_view(struct mmr_testhost *th, int event);
/* Its bytes as emitted, borrowed until cleared; and the number of the instance that emitted it. */
const void *mmr_testhost_bytes(const struct mmr_testhost *th, int event, size_t *ret_len);
int mmr_testhost_emitter(const struct mmr_testhost *th, int event);
/* A string field, NUL-terminated; "" if absent. Valid for the next 15 calls. */
const char *mmr_testhost_text(struct mmr_testhost *th, int event, const char *key);
/* An integer field; dflt if absent or of another type. */
int64_t mmr_testhost_int(struct mmr_testhost *th, int event, const char *key, int64_t dflt);
/* Print every event, one line each, to stderr: for finding out why a test fails. */
void mmr_testhost_dump(struct mmr_testhost *th);

struct mmr_testhost_receipt { /* one action_done() */
    int instance, code;
    uint64_t id;
    const void *msgpack;
    size_t len;
};
/* How many there are; the nth from 0, borrowed until cleared, NULL beyond the last. */
size_t mmr_testhost_receipts(const struct mmr_testhost *th);
const struct mmr_testhost_receipt *mmr_testhost_receipt(const struct mmr_testhost *th, size_t n);
/* A field of the nth receipt's map; "" if absent. Valid for the next 15 calls. */
const char *mmr_testhost_receipt_text(struct mmr_testhost *th, size_t n, const char *key);
int64_t mmr_testhost_receipt_int(struct mmr_testhost *th, size_t n, const char *key, int64_t dflt);

struct mmr_testhost_delivery { /* one forward_done() */
    int instance, level;
    uint64_t seq;
    int64_t time_ns;
    char detail[128];
};
/* How many there are; the nth from 0, borrowed until cleared, NULL beyond the last. */
size_t mmr_testhost_deliveries(const struct mmr_testhost *th);
const struct mmr_testhost_delivery *mmr_testhost_delivery(const struct mmr_testhost *th, size_t n);

/* Listen to a topic: fn is called for every item published. At most 16 listeners. */
typedef void (*mmr_testhost_item_fn)(void *ctx, const void *item);
void mmr_testhost_listen(struct mmr_testhost *th, const char *topic, mmr_testhost_item_fn fn, void *ctx);
/* Offer a service under an id through host->extension(); p is borrowed. At most 16. */
void mmr_testhost_offer(struct mmr_testhost *th, const char *id, const void *p);

/* emit() answers this code from now on and keeps nothing (MMR_EAGAIN: the bus is full); 0 ends it. */
void mmr_testhost_emit_result(struct mmr_testhost *th, int code);
/* What the real host would have refused or noted as misbehaviour; count, and the last one in words. */
unsigned mmr_testhost_refusals(const struct mmr_testhost *th, const char **ret_text);
/* Lines logged at this level or more important ones, and the last one. */
unsigned mmr_testhost_logged(const struct mmr_testhost *th, int level, const char **ret_text);

/* ---- trouble on request ---- */

/* Call on_fd() for a watched descriptor now, whether or not there is anything: as epoll may. False: it is not watched so. */
bool mmr_testhost_ready(struct mmr_testhost *th, int fd, unsigned rw);
/*
 * mmr_testhost_fail_alloc - the nth allocation from now (1: the next) fails once, with ENOMEM; 0: none.
 *
 * Counted are malloc, calloc, realloc, reallocarray, strdup and strndup of the objects linked into the test program (the plugin, the
 * SDK, the test itself), in every thread; neither those of shared libraries nor the test host's own.
 */
void mmr_testhost_fail_alloc(uint64_t nth);
bool mmr_testhost_alloc_failed(void); /* did it come to that since? */
/* fn once with the first allocation failing, once with the second, ... until it comes through without a failure. fn makes its own test
 * host and frees it; whatever it asserts must hold each time. Returns how many allocations failed. [loop] */
uint64_t mmr_testhost_each_alloc(void (*fn)(void *ctx), void *ctx);

#ifdef __cplusplus
}
#endif
#endif
