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
/* Is it one of these? (of a list of MMR_SLICE, whose lengths the compiler knows) */
static inline bool mmr_slice_in(struct mmr_slice s, const struct mmr_slice *list, size_t n)
{
    for (size_t i = 0; s.n && i < n; i++)
        if (list[i].n == s.n && list[i].p[0] == s.p[0] && __builtin_memcmp(list[i].p, s.p, s.n) == 0)
            return true;
    return false;
}

/* Hash of bytes for tables in memory, eight bytes at a step; the same on one machine only. */
static inline uint32_t mmr_bytes_hash(const char *p, size_t n, uint32_t seed)
{
    const uint64_t k = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t h = (seed ^ n) * k, w = 0;
    for (; n >= 8; n -= 8, p += 8) {
        __builtin_memcpy(&w, p, 8);
        h = (h ^ w) * k;
        h ^= h >> 32;
    }
    w = 0;
    if (n >= 4) { /* what is left, by two reads that may overlap */
        uint32_t a, b;
        __builtin_memcpy(&a, p, 4);
        __builtin_memcpy(&b, p + n - 4, 4);
        w = (uint64_t)a << 32 | b;
    } else if (n) {
        w = (uint64_t)(uint8_t)p[0] << 16 | (uint64_t)(uint8_t)p[n / 2] << 8 | (uint8_t)p[n - 1];
    }
    h = (h ^ w) * k;
    return (uint32_t)(h >> 32 ^ h);
}

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
