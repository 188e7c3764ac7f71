/*
 * stamp.h - the checks an event passes when it comes from a plugin, and the stamps the core adds. The
 * fields themselves are copied as bytes, never encoded again. One pass, no allocation.
 */
#ifndef MMR_EVENT_STAMP_H
#define MMR_EVENT_STAMP_H

#include <mamori/event.h>

#include <stddef.h>
#include <stdint.h>

enum {
    MMR_STAMP_FIELDS = 7,            /* id, node, side, plugin, instance, seq, received */
    MMR_STAMP_CONST_MAX = 512,       /* encoded bytes of the stamps that do not change */
    MMR_STAMP_EXTRA_MAX = 640,       /* a stamped event is at most this much longer than the event */
};

struct mmr_event_facts { /* what the check learnt; borrowed from the event's bytes */
    const char *kind;    /* not NUL-terminated */
    uint32_t kind_len;
    uint32_t kind_index; /* in the kinds given to the check */
    uint32_t class_uid, activity_id, severity_id;
    uint32_t fields;     /* of the event's map */
    uint32_t head;       /* bytes before its first field */
    int64_t time_ns;
    bool has_phase;      /* a finding that needs a defence carries mamori.phase: lane 0 */
    bool is_finding;     /* class_uid is 2004 */
};

/*
 * mmr_event_check - one event of a plugin, as emitted: a flat map by the rules of mmr_event_read(), every
 * string UTF-8, the five head fields present and of the right type, the kind declared, no reserved name.
 *
 * kinds   NULL-terminated: the descriptor's events[]; NULL or a "*" in it: every kind passes
 * errors  MMR_EBADMSG naming the field; MMR_ETOOBIG over a limit of mamori/event.h (less
 *         MMR_STAMP_FIELDS and MMR_STAMP_EXTRA_MAX, so that the stamped event is inside them too); MMR_EPERM a kind that is not
 *         declared, or a name only the core may write
 */
int mmr_event_check(const void *msgpack, size_t len, const char *const *kinds,
                    struct mmr_event_facts *ret_facts, struct mmr_error *err);

/*
 * mmr_stamp_offset - add mamori.offset (ns to add to the event's times, so that they are the hub's) to an event that
 * a node stamped.
 *
 * buf, cap  the stamped event of len bytes, with room for 32 more
 * errors    MMR_EBADMSG it is not what mmr_stamp_event() writes, or has an offset already; MMR_ETOOBIG
 */
int mmr_stamp_offset(void *buf, size_t len, size_t cap, int64_t offset_ns, size_t *ret_len);

struct mmr_stamper { /* one per plugin instance; [loop], no lock */
    const char *const *kinds; /* borrowed, must outlive it */
    uint8_t fixed[MMR_STAMP_CONST_MAX]; /* node, side, plugin, instance, encoded once */
    uint32_t fixed_len, random_left;
    uint8_t random[1024]; /* kernel randomness for the next ids */
};

/*
 * mmr_stamper_init - texts are copied.
 *
 * side    "network" or "endpoint"
 * errors  MMR_EINVAL a text is missing, not UTF-8 or over 100 bytes
 */
int mmr_stamper_init(struct mmr_stamper *st, const char *const *kinds, const char *node, const char *side,
                     const char *plugin, const char *instance, struct mmr_error *err);

/*
 * mmr_stamp_event - check an event and write it with the stamps added.
 *
 * seq, received_ns  mamori.seq (of the instance, from 1) and mamori.received (ns UTC, this machine)
 * id                mamori.id to use, or NULL: a new UUIDv7
 * buf, cap          at least len + MMR_STAMP_EXTRA_MAX; must not overlap msgpack
 * ret_facts         may be NULL; borrowed from msgpack (not from buf)
 * errors            those of mmr_event_check(); MMR_ETOOBIG also when cap is too small
 */
int mmr_stamp_event(struct mmr_stamper *st, const void *msgpack, size_t len, uint64_t seq,
                    int64_t received_ns, const uint8_t id[16], void *buf, size_t cap, size_t *ret_len,
                    struct mmr_event_facts *ret_facts, struct mmr_error *err);
/* The same for an event that mmr_event_check() has just passed by this stamper's kinds: facts are its answer. errors MMR_ETOOBIG */
int mmr_stamp_checked(struct mmr_stamper *st, const void *msgpack, size_t len, const struct mmr_event_facts *facts, uint64_t seq,
                      int64_t received_ns, const uint8_t id[16], void *buf, size_t cap, size_t *ret_len, struct mmr_error *err);

#endif
