/*
 * mamori/event.h - build and read events: flat MessagePack maps of dotted OCSF 1.8 names.
 *
 * An event always has `class_uid`, `activity_id`, `time` (ns UTC), `severity_id` and `mamori.kind`.
 * Values are strings, integers, floats, booleans, binary, and arrays of strings. The core stamps
 * mamori.node, .side, .plugin, .instance, .seq, .received and .id; a payload with one is refused.
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

/* Start an event in buf (borrowed; MMR_EVENT_BYTES_MAX is always enough). */
void mmr_event_begin(struct mmr_event *ev, void *buf, size_t cap, const char *kind,
                     uint32_t class_uid, uint32_t activity_id, int64_t time_ns,
                     uint32_t severity_id);
/* Strings: NULL is skipped; bytes that are not UTF-8 become U+FFFD; over MMR_EVENT_STR_MAX is cut. */
void mmr_event_str(struct mmr_event *ev, const char *key, const char *text);
void mmr_event_strn(struct mmr_event *ev, const char *key, const char *text, size_t len);
void mmr_event_int(struct mmr_event *ev, const char *key, int64_t v);
void mmr_event_float(struct mmr_event *ev, const char *key, double v);
void mmr_event_bool(struct mmr_event *ev, const char *key, bool v);
void mmr_event_bin(struct mmr_event *ev, const char *key, const void *p, size_t len);
void mmr_event_strv(struct mmr_event *ev, const char *key, const char *const *v, size_t n);
/* Close the map: 0 and the bytes in ev->buf, ev->len; or the first error of the chain
 * (MMR_ETOOBIG: buffer, fields or key over the limit). */
int mmr_event_end(struct mmr_event *ev);
/* mmr_event_end() and host->emit(). [loop] */
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
 * mmr_event_read - index the fields of one event.
 *
 * errors  MMR_EBADMSG not one flat map of string keys, truncated, trailing bytes, key twice;
 *         MMR_ETOOBIG over a limit above
 */
int mmr_event_read(const void *msgpack, size_t len, struct mmr_event_view *ret_view,
                   struct mmr_error *err);
const struct mmr_value *mmr_event_get(const struct mmr_event_view *v, const char *key); /* or NULL */
/* The text of a string value, with its length; NULL if absent or no string. Not NUL-terminated. */
const char *mmr_event_get_str(const struct mmr_event_view *v, const char *key, size_t *ret_len);
/* Copy a string value into buf, cut to cap - 1 bytes at a character's start; false if absent. */
bool mmr_event_copy_str(const struct mmr_event_view *v, const char *key, char *buf, size_t cap);
int64_t mmr_event_get_int(const struct mmr_event_view *v, const char *key, int64_t dflt);
bool mmr_value_is(const struct mmr_value *v, const char *text); /* a string equal to text */
/* Iterate the strings of an array: it starts as {0}; false at the end. */
struct mmr_array_it { uint32_t at, reserved; size_t off; };
bool mmr_value_next(const struct mmr_value *arr, struct mmr_array_it *it, const char **ret_p,
                    size_t *ret_len);

#ifdef __cplusplus
}
#endif
#endif
