/*
 * order.h - the bytes inside the local bus's ACTION, RECEIPT, FORWARDED and RECONCILE records, shared by the
 * plugin host and the core. A target and a receipt travel as the flat maps of mamori/action.h.
 */
#ifndef MMR_PLUGIN_ORDER_H
#define MMR_PLUGIN_ORDER_H

#include <mamori/plugin.h>

enum { MMR_ORDER_VERB_MAX = 63, MMR_ORDER_HEAD_MAX = 16 + MMR_ORDER_VERB_MAX + 1, MMR_RECEIPT_HEAD = 4,
       MMR_FORWARDED_DETAIL_MAX = 127, MMR_FORWARDED_MAX = 12 + MMR_FORWARDED_DETAIL_MAX, MMR_RECONCILE_MAX = 4096 };
enum { /* record kinds of our own on the local bus */
    MMR_HOST_RECONCILE = 65, /* core -> host, urgent: the ids that live, 8 bytes each, little endian */
    MMR_HOST_WANT = 66,      /* core -> host: event kinds to send, one a line */
};
enum { MMR_FORWARD_BUSY = -2 }; /* beside enum mmr_delivery: not taken now, offer it again later */

/* ACTION: the id is the record's number. a->len at most MMR_EVENT_BYTES_MAX. errors MMR_ETOOBIG; MMR_EINVAL */
int mmr_order_encode(const struct mmr_action *a, void *buf, size_t cap, size_t *ret_len);
/* verb: MMR_ORDER_VERB_MAX + 1 bytes that ret->verb points to; the map is borrowed from bytes. errors MMR_EBADMSG */
int mmr_order_decode(const void *bytes, size_t len, uint64_t id, char *verb, struct mmr_action *ret,
                     struct mmr_error *err);
/* RECEIPT: the action's id is the record's number; code as given to action_done(). */
int mmr_receipt_wrap(int code, const void *msgpack, size_t len, void *buf, size_t cap, size_t *ret_len);
int mmr_receipt_unwrap(const void *bytes, size_t len, int *ret_code, const void **ret_msgpack, size_t *ret_len,
                       struct mmr_error *err);
/* FORWARDED: the queue position is the record's number. detail: MMR_FORWARDED_DETAIL_MAX + 1 bytes */
size_t mmr_forwarded_wrap(int level, int64_t time_ns, const char *detail, uint8_t buf[MMR_FORWARDED_MAX]);
int mmr_forwarded_unwrap(const void *bytes, size_t len, int *ret_level, int64_t *ret_time_ns, char *detail,
                         struct mmr_error *err);

#endif
