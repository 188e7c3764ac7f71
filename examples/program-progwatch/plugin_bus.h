/*
 * plugin_bus.h - the plugin protocol of mamori, version 1, for programs in C: with libzmq and msgpack-c, and nothing of mamori. What it
 * says and hears stands in docs/plugin-protocol.md. Take both files for your own program; they know nothing of what it watches.
 * One thread; every function returns 0, or a negative errno.
 */
#ifndef PLUGIN_BUS_H
#define PLUGIN_BUS_H

#include <msgpack.h>

enum { PB_URGENT = 0, PB_FINDINGS = 1 };                                     /* lanes: nothing in them is lost */
enum { PB_EVENT = 1, PB_RECEIPT = 2, PB_ORDER = 3, PB_FORWARD = 4, PB_FORWARDED = 5, PB_RECONCILE = 65 }; /* records */

struct pb;
struct pb_record { /* what the core sent: an event for an analyzer, an order, a record to forward; borrowed for the call */
    int kind;
    uint64_t number;
    const char *bytes;
    size_t len;
};
typedef void (*pb_take)(void *ctx, struct pb *bus, const struct pb_record *r);

/* Reads the assignment and connects. -EPROTO: not started by mamori, or by one that speaks otherwise. */
int pb_open(struct pb **ret);
/* Of the assignment ("state_dir", "plugin", …) and of the configuration. NULL: it is not there. Borrowed until pb_close(). */
const msgpack_object *pb_told(const struct pb *bus, const char *key);
const msgpack_object *pb_config(const struct pb *bus, const char *key);
/* It can work; or it cannot, for this reason, and then it should end. */
int pb_ready(struct pb *bus);
void pb_refuse(struct pb *bus, const char *why);
/*
 * Work for at most timeout_ms: what the core sends goes to take, what is kept is sent, the supervisor hears that we live.
 * 1: told to end. Call it at least once a second.
 */
int pb_work(struct pb *bus, int timeout_ms, pb_take take, void *ctx);
/* Keep a record until the core has committed it. -EAGAIN: 1024 wait already, nothing was kept: stop reading the source. */
int pb_put(struct pb *bus, int lane, int kind, uint64_t number, const void *bytes, size_t len);
int pb_event(struct pb *bus, int lane, const void *map, size_t len); /* the same for an event, with its own count */
void pb_close(struct pb *bus); /* says goodbye; accepts NULL */

/* What this and that is in a map. */
const msgpack_object *pb_get(const msgpack_object *map, const char *key);
void pb_str(msgpack_packer *p, const char *text, size_t len);
void pb_key_str(msgpack_packer *p, const char *key, const char *text);

#endif
