/*
 * outev.h - an event being built from somebody else's record: a field is taken once (the first
 * wins), and what does not fit is left out and counted, so that a strange record still gives a valid
 * event.
 */
#ifndef MMR_OUTEV_H
#define MMR_OUTEV_H

#include <mamori/action.h>
#include <mamori/event.h>

struct mmr_slice { /* borrowed text, not NUL-terminated; p NULL: absent */
    const char *p;
    uint32_t n, reserved;
};
#define MMR_SLICE(lit) ((struct mmr_slice){lit, sizeof(lit) - 1, 0})

static inline bool mmr_slice_is(struct mmr_slice s, const char *text)
{
    size_t n = __builtin_strlen(text);
    return s.p && s.n == n && __builtin_memcmp(s.p, text, n) == 0;
}
bool mmr_slice_is_nocase(struct mmr_slice s, const char *text);
bool mmr_slice_int(struct mmr_slice s, int64_t *ret); /* decimal, or hex with 0x; all of it */
/* 32-bit hash without ASCII case */
uint32_t mmr_slice_hash(struct mmr_slice s);

struct mmr_outev {
    struct mmr_event ev;
    uint32_t left_out; /* fields that did not fit */
    uint32_t reserved;
    struct mmr_charset *charset; /* NULL, or: values that are no UTF-8 may be CP932 (charset.h) */
    uint16_t slot[512]; /* open addressing: number of the field + 1 */
    uint32_t key_at[MMR_EVENT_FIELDS_MAX];
    uint8_t key_len[MMR_EVENT_FIELDS_MAX];
};

struct mmr_origin { /* where a record came from */
    const char *input; /* mamori.input, or NULL when live */
    uint64_t index;    /* mamori.index */
    int64_t time_ns;
};

void mmr_out_begin(struct mmr_outev *o, void *buf, size_t cap, const char *kind, uint32_t class_uid,
                   uint32_t activity_id, const struct mmr_origin *from); /* severity_id 1: informational */
void mmr_out_begin_severity(struct mmr_outev *o, void *buf, size_t cap, const char *kind, uint32_t class_uid,
                            uint32_t activity_id, const struct mmr_origin *from, uint32_t severity);
void mmr_out_strn(struct mmr_outev *o, const char *key, const char *p, size_t n);
void mmr_out_str(struct mmr_outev *o, const char *key, const char *text);
void mmr_out_slice(struct mmr_outev *o, const char *key, struct mmr_slice s); /* absent: skipped */
void mmr_out_int(struct mmr_outev *o, const char *key, int64_t v);
void mmr_out_strv(struct mmr_outev *o, const char *key, const char *const *v, size_t n);
/* unmapped.<name>; bytes of the name that no field name has become '_', and it is cut at 100 bytes */
void mmr_out_unmapped(struct mmr_outev *o, struct mmr_slice name, struct mmr_slice val);
bool mmr_out_has(const struct mmr_outev *o, const char *key);
/* An address in its usual spelling (::ffff:1.2.3.4 becomes 1.2.3.4); text that is none: false, not set. */
bool mmr_out_addr(struct mmr_outev *o, const char *key, struct mmr_slice s);
/* DOMAIN\name into <prefix>domain and <prefix>name (prefix "user.") */
void mmr_out_account(struct mmr_outev *o, const char *prefix, struct mmr_slice s);
/* last part of a path in either spelling */
struct mmr_slice mmr_slice_base(struct mmr_slice path);

#endif
