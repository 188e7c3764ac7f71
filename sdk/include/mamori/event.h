/*
 * mamori/event.h - build and read events: flat MessagePack maps of dotted OCSF 1.8 names.
 *
 * An event always has `class_uid`, `activity_id`, `time` (ns UTC), `severity_id` and `mamori.kind`.
 * Values are strings, integers, floats, booleans, binary, and arrays of strings. The core stamps
 * mamori.node, .side, .plugin, .instance, .seq, .received and .id; a payload with one is refused.
 *
 * [any]: the functions keep nothing and share nothing, so each may run on any thread, with one builder or view of its own at a time.
 * Nothing allocates; what they read stays the caller's, what they return lies in the bytes they were given.
 *
 * source  the MessagePack specification (https://github.com/msgpack/msgpack/blob/master/spec.md); OCSF 1.8.0 for names, classes, activities
 *         and severities; RFC 3629 for UTF-8
 */
#ifndef MAMORI_EVENT_H
#define MAMORI_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mamori/error.h>
#include <mamori/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    MMR_EVENT_FIELDS_MAX = 256,       /* fields of one event */
    MMR_EVENT_KEY_MAX = 128,          /* bytes of one key */
    MMR_EVENT_STR_MAX = 16 * 1024,    /* bytes of one value; the builder cuts longer ones */
    MMR_EVENT_BYTES_MAX = 128 * 1024, /* bytes of one event */
    MMR_EVENT_ARRAY_MAX = 64,         /* items of one array */
};

/* OCSF class ids mamori uses */
enum {
    MMR_CLASS_FILE = 1001,
    MMR_CLASS_KERNEL_EXT = 1002, /* drivers and kernel modules */
    MMR_CLASS_MODULE = 1005,
    MMR_CLASS_SCHEDULED_JOB = 1006,
    MMR_CLASS_PROCESS = 1007,
    MMR_CLASS_EVENT_LOG = 1008,
    MMR_CLASS_FINDING = 2004,
    MMR_CLASS_ACCOUNT = 3001,
    MMR_CLASS_AUTH = 3002,
    MMR_CLASS_NETWORK = 4001,
    MMR_CLASS_HTTP = 4002,
    MMR_CLASS_DNS = 4003,
    MMR_CLASS_DHCP = 4004,
    MMR_CLASS_RDP = 4005,
    MMR_CLASS_SMB = 4006,
    MMR_CLASS_SSH = 4007,
    MMR_CLASS_FTP = 4008,
    MMR_CLASS_EMAIL = 4009,
    MMR_CLASS_REGISTRY_KEY = 201001,
    MMR_CLASS_REGISTRY_VALUE = 201002,
    MMR_CLASS_WINDOWS_SERVICE = 201004,
};

/* ---- builder: sticky error, fixed buffer, no allocation ---- */

struct mmr_event {
    uint8_t *buf; /* borrowed */
    size_t cap, len;
    uint32_t fields;
    int32_t err; /* the first error of the chain, or 0 */
};

/*
 * mmr_event_begin - start an event. [any]
 *
 * ev           the builder; what it held is forgotten
 * buf, cap     where the bytes go, borrowed until they were emitted or copied; MMR_EVENT_BYTES_MAX bytes are always enough
 * kind         "finding", "process.start", …: one of the descriptor's events[] (docs/vocabulary.md)
 * class_uid    MMR_CLASS_*; activity_id: OCSF's number inside that class; severity_id: OCSF's, 0 unknown to 6 fatal
 * time_ns      when it happened, nanoseconds since 1970 UTC: host->now_ns(), or the record's own time
 * errors       kept in ev->err, as by every function below: look once, at mmr_event_end()
 */
void mmr_event_begin(struct mmr_event *ev, void *buf, size_t cap, const char *kind,
                     uint32_t class_uid, uint32_t activity_id, int64_t time_ns,
                     uint32_t severity_id);
/*
 * mmr_event_str, mmr_event_strn - add a text. [any]
 *
 * key      a dotted OCSF name of 1 to MMR_EVENT_KEY_MAX bytes, given once (a second one is refused by who reads it)
 * text     NUL-terminated; NULL: nothing is added. Bytes that are not UTF-8 become U+FFFD; over MMR_EVENT_STR_MAX bytes it is cut at a
 *          character's start
 * len      strn: bytes of text, which needs no NUL then
 * errors   kept: MMR_ETOOBIG the buffer is full, the key is longer, or it is the 257th field
 */
void mmr_event_str(struct mmr_event *ev, const char *key, const char *text);
void mmr_event_strn(struct mmr_event *ev, const char *key, const char *text, size_t len);
/* Add a number or a switch under key (as above). Times are nanoseconds, durations in OCSF's unit. [any] errors kept: MMR_ETOOBIG */
void mmr_event_int(struct mmr_event *ev, const char *key, int64_t v);
void mmr_event_float(struct mmr_event *ev, const char *key, double v);
void mmr_event_bool(struct mmr_event *ev, const char *key, bool v);
/* Add len bytes, copied, under key; p NULL: nothing is added. [any] errors kept: MMR_ETOOBIG also when len is over MMR_EVENT_STR_MAX */
void mmr_event_bin(struct mmr_event *ev, const char *key, const void *p, size_t len);
/* Add a list of n texts, none of them NULL, copied and cleaned like one; only the first MMR_EVENT_ARRAY_MAX are taken. [any]
 * errors kept: MMR_ETOOBIG */
void mmr_event_strv(struct mmr_event *ev, const char *key, const char *const *v, size_t n);
/*
 * mmr_event_end - close the map: the event is ev->buf, ev->len bytes. [any]
 *
 * returns  0, or the first error of the chain; then the bytes are nothing
 * errors   MMR_ETOOBIG the buffer, the number of fields, a key or a value of bytes is over its limit
 */
int mmr_event_end(struct mmr_event *ev);
/* mmr_event_end(), then host->emit(), which copies. [loop] errors of both: MMR_ETOOBIG; MMR_EAGAIN, MMR_EBADMSG, MMR_EINVAL (plugin.h) */
int mmr_event_emit(struct mmr_event *ev, const struct mmr_host *host);

/* ---- reader: one pass over the bytes, no allocation, everything borrowed from them ---- */

enum mmr_value_type {
    MMR_VAL_NIL = 0, MMR_VAL_BOOL, MMR_VAL_INT, MMR_VAL_UINT, MMR_VAL_FLOAT, MMR_VAL_STR,
    MMR_VAL_BIN, MMR_VAL_ARRAY, /* of strings (other items are skipped by the iterator) */
};
struct mmr_value {
    uint32_t type;
    uint32_t len;     /* bytes of STR and BIN (no NUL at the end), items of ARRAY */
    const uint8_t *p; /* STR, BIN: the bytes; ARRAY: the first item */
    union {
        int64_t i; /* BOOL, INT */
        uint64_t u; /* UINT: only above INT64_MAX */
        double f;
    } n;
};
struct mmr_field {
    const char *key; /* not NUL-terminated */
    uint32_t key_len, reserved;
    struct mmr_value v;
};
struct mmr_event_view {
    uint32_t n, reserved;
    struct mmr_field f[MMR_EVENT_FIELDS_MAX];
};

/*
 * mmr_event_read - index the fields of one event. [any]
 *
 * msgpack, len  the bytes (borrowed: the view points into them)
 * ret_view      about 10 KiB, the caller's; its n is 0 when it fails. Values of other types than nil, strings, integers, floats, booleans, binary
 *               and arrays of these are refused
 * errors        MMR_EBADMSG not one flat map of string keys, truncated, trailing bytes, key twice; MMR_ETOOBIG over a limit above
 */
int mmr_event_read(const void *msgpack, size_t len, struct mmr_event_view *ret_view,
                   struct mmr_error *err);
/* The value of a field, borrowed; NULL: it is not there. [any] */
const struct mmr_value *mmr_event_get(const struct mmr_event_view *v, const char *key);
/* The text of a string value, with its length in bytes; NULL if absent or no string. Borrowed, not NUL-terminated. [any] */
const char *mmr_event_get_str(const struct mmr_event_view *v, const char *key, size_t *ret_len);
/* Copy a string value into buf with a NUL, cut to cap - 1 bytes at a character's start; false (buf is as it was) if absent or no string. [any] */
bool mmr_event_copy_str(const struct mmr_event_view *v, const char *key, char *buf, size_t cap);
/* An integer, or a boolean as 0 or 1; dflt if absent or of another type, also if it is above INT64_MAX. [any] */
int64_t mmr_event_get_int(const struct mmr_event_view *v, const char *key, int64_t dflt);
/* Is it a string equal to text? v may be NULL: false. [any] */
bool mmr_value_is(const struct mmr_value *v, const char *text);
/* Iterate the strings of an array (others are stepped over): `struct mmr_array_it it = {0}`, then until false. arr: of a view whose bytes
 * are still there; NULL or no array: false. ret_p, ret_len: borrowed, not NUL-terminated. [any] */
struct mmr_array_it { uint32_t at, reserved; size_t off; };
bool mmr_value_next(const struct mmr_value *arr, struct mmr_array_it *it, const char **ret_p,
                    size_t *ret_len);

#ifdef __cplusplus
}
#endif
#endif
