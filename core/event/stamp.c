/* stamp.c - checks and stamps an event. The event comes from a plugin: no byte is trusted. */
#include "event/stamp.h"

#include "event/skim.h"
#include "util/clock.h"

#include <sodium.h>
#include <string.h>

struct cursor {
    const uint8_t *p, *end;
    bool bad; /* sticky */
};

struct value {
    uint8_t type; /* enum mmr_value_type */
    uint32_t len; /* STR, BIN bytes; ARRAY items */
    const uint8_t *p;
    uint64_t u; /* INT (two's complement), UINT, BOOL */
};

static uint64_t take(struct cursor *c, unsigned bytes)
{
    uint64_t v = 0;
    if ((size_t)(c->end - c->p) < bytes) {
        c->bad = true;
        c->p = c->end;
        return 0;
    }
    for (unsigned i = 0; i < bytes; i++)
        v = v << 8 | c->p[i];
    c->p += bytes;
    return v;
}

static uint64_t sign_extend(uint64_t v, unsigned bytes)
{
    unsigned shift = 64 - 8 * bytes;
    return shift ? (uint64_t)((int64_t)(v << shift) >> shift) : v;
}

/* One value of those an event may hold; an array only its head. */
static void take_value(struct cursor *c, struct value *v)
{
    uint8_t b = (uint8_t)take(c, 1);
    v->len = 0;
    v->u = 0;
    if (b < 0x80 || b >= 0xe0) {
        v->type = MMR_VAL_INT;
        v->u = b < 0x80 ? b : sign_extend(b, 1);
    } else if (b >= 0xa0 && b < 0xc0) {
        v->type = MMR_VAL_STR;
        v->len = b & 0x1f;
    } else if (b >= 0x90 && b < 0xa0) {
        v->type = MMR_VAL_ARRAY;
        v->len = b & 0x0f;
    } else {
        switch (b) {
        case 0xc0: v->type = MMR_VAL_NIL; break;
        case 0xc2: case 0xc3: v->type = MMR_VAL_BOOL; v->u = b & 1; break;
        case 0xc4: v->type = MMR_VAL_BIN; v->len = (uint32_t)take(c, 1); break;
        case 0xc5: v->type = MMR_VAL_BIN; v->len = (uint32_t)take(c, 2); break;
        case 0xc6: v->type = MMR_VAL_BIN; v->len = (uint32_t)take(c, 4); break;
        case 0xca: v->type = MMR_VAL_FLOAT; v->u = take(c, 4); break;
        case 0xcb: v->type = MMR_VAL_FLOAT; v->u = take(c, 8); break;
        case 0xcc: case 0xcd: case 0xce:
            v->type = MMR_VAL_INT; v->u = take(c, 1u << (b - 0xcc)); break;
        case 0xcf:
            v->u = take(c, 8);
            v->type = v->u > INT64_MAX ? MMR_VAL_UINT : MMR_VAL_INT;
            break;
        case 0xd0: case 0xd1: case 0xd2: case 0xd3:
            v->type = MMR_VAL_INT;
            v->u = sign_extend(take(c, 1u << (b - 0xd0)), 1u << (b - 0xd0));
            break;
        case 0xd9: v->type = MMR_VAL_STR; v->len = (uint32_t)take(c, 1); break;
        case 0xda: v->type = MMR_VAL_STR; v->len = (uint32_t)take(c, 2); break;
        case 0xdb: v->type = MMR_VAL_STR; v->len = (uint32_t)take(c, 4); break;
        case 0xdc: v->type = MMR_VAL_ARRAY; v->len = (uint32_t)take(c, 2); break;
        case 0xdd: v->type = MMR_VAL_ARRAY; v->len = (uint32_t)take(c, 4); break;
        default: c->bad = true; v->type = MMR_VAL_NIL; break; /* maps, ext, 0xc1: no event value */
        }
    }
    v->p = c->p;
    if (v->type == MMR_VAL_STR || v->type == MMR_VAL_BIN) {
        if (v->len > (size_t)(c->end - c->p)) {
            c->bad = true;
            return;
        }
        if (v->type == MMR_VAL_STR && !mmr_is_utf8(c->p, v->len))
            c->bad = true;
        c->p += v->len;
    }
}

static bool key_is(const struct value *k, const char *name, size_t len)
{
    return k->len == len && memcmp(k->p, name, len) == 0;
}
#define KEY_IS(k, text) key_is(k, text, sizeof(text) - 1)

/* Spread enough for a table; equal hashes are compared by bytes. */
static uint32_t key_hash(const uint8_t *p, uint32_t len)
{
    uint64_t a = 0, z = 0;
    if (len >= 8) { /* both ends, overlapping: keys of events differ there */
        memcpy(&a, p, 8);
        memcpy(&z, p + len - 8, 8);
        if (len > 16) {
            uint64_t m;
            memcpy(&m, p + len / 2 - 4, 8);
            a += m * UINT64_C(0xc2b2ae3d27d4eb4f);
        }
    } else {
        for (uint32_t i = 0; i < len; i++)
            a = a << 8 | p[i];
    }
    a = (a ^ len) * UINT64_C(0x9e3779b97f4a7c15) ^ z * UINT64_C(0xff51afd7ed558ccd);
    return (uint32_t)(a >> 32) ^ (uint32_t)a;
}

enum { HAS_KIND = 1, HAS_CLASS = 2, HAS_ACTIVITY = 4, HAS_TIME = 8, HAS_SEVERITY = 16, HAS_ALL = 31 };

static bool is_reserved(const struct value *k)
{
    return KEY_IS(k, "mamori.id") || KEY_IS(k, "mamori.node") || KEY_IS(k, "mamori.side") ||
           KEY_IS(k, "mamori.plugin") || KEY_IS(k, "mamori.instance") || KEY_IS(k, "mamori.seq") ||
           KEY_IS(k, "mamori.received") || KEY_IS(k, "mamori.offset");
}

static int want_u32(const struct value *v, const char *key, uint32_t *ret, struct mmr_error *err)
{
    if (v->type != MMR_VAL_INT || v->u > UINT32_MAX)
        return mmr_fail(err, MMR_EBADMSG, "event: '%s' is not an integer from 0 to 4294967295", key);
    *ret = (uint32_t)v->u;
    return 0;
}

/* The fields the core itself reads. */
static int look_at(const struct value *k, const struct value *v, struct mmr_event_facts *f, unsigned *has,
                   struct mmr_error *err)
{
    if (k->len > 7 && memcmp(k->p, "mamori.", 7) == 0) {
        if (KEY_IS(k, "mamori.kind")) {
            if (v->type != MMR_VAL_STR || v->len == 0)
                return mmr_fail(err, MMR_EBADMSG, "event: 'mamori.kind' is not text");
            f->kind = (const char *)v->p;
            f->kind_len = v->len;
            *has |= HAS_KIND;
        } else if (KEY_IS(k, "mamori.phase")) {
            f->has_phase = true;
        } else if (is_reserved(k)) {
            return mmr_fail(err, MMR_EPERM, "event: '%.*s' is written by the core alone; do not set it",
                            (int)k->len, (const char *)k->p);
        }
    } else if (KEY_IS(k, "class_uid")) {
        *has |= HAS_CLASS;
        return want_u32(v, "class_uid", &f->class_uid, err);
    } else if (KEY_IS(k, "activity_id")) {
        *has |= HAS_ACTIVITY;
        return want_u32(v, "activity_id", &f->activity_id, err);
    } else if (KEY_IS(k, "severity_id")) {
        *has |= HAS_SEVERITY;
        return want_u32(v, "severity_id", &f->severity_id, err);
    } else if (KEY_IS(k, "time")) {
        if (v->type != MMR_VAL_INT)
            return mmr_fail(err, MMR_EBADMSG, "event: 'time' is not an integer of nanoseconds");
        f->time_ns = (int64_t)v->u;
        *has |= HAS_TIME;
    }
    return 0;
}

static int find_kind(const char *const *kinds, struct mmr_event_facts *f, struct mmr_error *err)
{
    if (!kinds)
        return 0;
    for (uint32_t i = 0; kinds[i]; i++) {
        if ((strlen(kinds[i]) == f->kind_len && memcmp(kinds[i], f->kind, f->kind_len) == 0) ||
            strcmp(kinds[i], "*") == 0) {
            f->kind_index = i;
            return 0;
        }
    }
    return mmr_fail(err, MMR_EPERM, "event: kind '%.*s' is not among the events the plugin declares",
                    (int)(f->kind_len < 64 ? f->kind_len : 64), f->kind);
}

static int check(const void *msgpack, size_t len, const char *const *kinds, struct mmr_event_facts *f, struct mmr_error *err)
{
    struct cursor c = {msgpack, (const uint8_t *)msgpack + len, false};
    struct { const uint8_t *p; uint32_t len; } keys[MMR_EVENT_FIELDS_MAX];
    uint16_t seen[512]; /* open addressing over field numbers + 1: a key given twice is refused */
    unsigned has = 0;
    uint64_t n;

    *f = (struct mmr_event_facts){0};
    if (len > MMR_EVENT_BYTES_MAX - MMR_STAMP_EXTRA_MAX) /* stamped it must be inside the limit too */
        return mmr_fail(err, MMR_ETOOBIG, "event: %zu bytes, at most %d", len,
                        MMR_EVENT_BYTES_MAX - MMR_STAMP_EXTRA_MAX);
    uint8_t b = (uint8_t)take(&c, 1);
    if (b >= 0x80 && b <= 0x8f)
        n = b & 0x0f;
    else if (b == 0xde || b == 0xdf)
        n = take(&c, b == 0xde ? 2 : 4);
    else
        return mmr_fail(err, MMR_EBADMSG, "event: first byte 0x%02x, expected a MessagePack map", b);
    if (n > MMR_EVENT_FIELDS_MAX - MMR_STAMP_FIELDS)
        return mmr_fail(err, MMR_ETOOBIG, "event: %llu fields, at most %d", (unsigned long long)n,
                        MMR_EVENT_FIELDS_MAX - MMR_STAMP_FIELDS);
    f->head = (uint32_t)(c.p - (const uint8_t *)msgpack);
    uint32_t mask = n <= 32 ? 63 : 511; /* the usual small event clears a small table */
    memset(seen, 0, (mask + 1) * sizeof seen[0]);

    for (uint32_t i = 0; i < n; i++) {
        struct value k, v;
        take_value(&c, &k);
        if (c.bad)
            break;
        if (k.type != MMR_VAL_STR || k.len == 0 || k.len > MMR_EVENT_KEY_MAX)
            return mmr_fail(err, MMR_EBADMSG, "event: key of field %u is no string of 1 to %d bytes", i,
                            MMR_EVENT_KEY_MAX);
        take_value(&c, &v);
        if (c.bad)
            return mmr_fail(err, MMR_EBADMSG,
                            "event: '%.*s' is truncated, not UTF-8, or of a type events do not use", (int)k.len,
                            (const char *)k.p);
        if (v.type == MMR_VAL_ARRAY) {
            if (v.len > MMR_EVENT_ARRAY_MAX)
                return mmr_fail(err, MMR_ETOOBIG, "event: '%.*s' has %u items, at most %d", (int)k.len,
                                (const char *)k.p, v.len, MMR_EVENT_ARRAY_MAX);
            for (uint32_t j = 0; j < v.len; j++) {
                struct value item;
                take_value(&c, &item);
                if (c.bad || item.type == MMR_VAL_ARRAY)
                    return mmr_fail(err, MMR_EBADMSG, "event: item %u of '%.*s' is truncated or no plain value", j,
                                    (int)k.len, (const char *)k.p);
            }
        } else if ((v.type == MMR_VAL_STR || v.type == MMR_VAL_BIN) && v.len > MMR_EVENT_STR_MAX) {
            return mmr_fail(err, MMR_ETOOBIG, "event: '%.*s' has %u bytes, at most %d", (int)k.len,
                            (const char *)k.p, v.len, MMR_EVENT_STR_MAX);
        }
        uint32_t h = key_hash(k.p, k.len) & mask;
        for (; seen[h]; h = (h + 1) & mask)
            if (keys[seen[h] - 1].len == k.len && memcmp(keys[seen[h] - 1].p, k.p, k.len) == 0)
                return mmr_fail(err, MMR_EBADMSG, "event: '%.*s' is given twice", (int)k.len, (const char *)k.p);
        seen[h] = (uint16_t)(i + 1);
        keys[i].p = k.p;
        keys[i].len = k.len;
        int r = look_at(&k, &v, f, &has, err);
        if (r)
            return r;
    }
    if (c.bad)
        return mmr_fail(err, MMR_EBADMSG, "event: truncated after %zu bytes, or a key that is not text", len);
    if (c.p != c.end)
        return mmr_fail(err, MMR_EBADMSG, "event: %zu bytes after its end", (size_t)(c.end - c.p));
    if (has != HAS_ALL)
        return mmr_fail(err, MMR_EBADMSG, "event: '%s' is missing",
                        !(has & HAS_KIND)       ? "mamori.kind"
                        : !(has & HAS_CLASS)    ? "class_uid"
                        : !(has & HAS_ACTIVITY) ? "activity_id"
                        : !(has & HAS_TIME)     ? "time"
                                                : "severity_id");
    f->fields = (uint32_t)n;
    f->is_finding = f->class_uid == MMR_CLASS_FINDING;
    return find_kind(kinds, f, err);
}

int mmr_event_check(const void *msgpack, size_t len, const char *const *kinds,
                    struct mmr_event_facts *ret_facts, struct mmr_error *err)
{
    struct mmr_event_facts f;
    int r = check(msgpack, len, kinds, &f, err);
    if (r == 0)
        *ret_facts = f;
    return r;
}

/* ---- stamps ---- */

static size_t put_str(uint8_t *p, const char *s, size_t len)
{
    size_t n = 0;
    if (len < 32) {
        p[n++] = (uint8_t)(0xa0 | len);
    } else { /* texts here are at most 100 bytes */
        p[n++] = 0xd9;
        p[n++] = (uint8_t)len;
    }
    memcpy(p + n, s, len);
    return n + len;
}

static uint8_t *put_u64(uint8_t *p, uint64_t v)
{
    *p++ = 0xcf;
    for (unsigned i = 0; i < 8; i++)
        *p++ = (uint8_t)(v >> (56 - 8 * i));
    return p;
}

int mmr_stamper_init(struct mmr_stamper *st, const char *const *kinds, const char *node, const char *side,
                     const char *plugin, const char *instance, struct mmr_error *err)
{
    const struct { const char *key, *text; } rows[] = {
        {"mamori.node", node}, {"mamori.side", side}, {"mamori.plugin", plugin}, {"mamori.instance", instance}};
    st->kinds = kinds;
    st->fixed_len = 0;
    st->random_left = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t len = rows[i].text ? strlen(rows[i].text) : 0;
        if (len == 0 || len > 100 || !mmr_is_utf8(rows[i].text, len))
            return mmr_fail(err, MMR_EINVAL, "stamp: '%s' is not UTF-8 text of 1 to 100 bytes", rows[i].key);
        st->fixed_len += (uint32_t)put_str(st->fixed + st->fixed_len, rows[i].key, strlen(rows[i].key));
        st->fixed_len += (uint32_t)put_str(st->fixed + st->fixed_len, rows[i].text, len);
    }
    return 0;
}

/* UUIDv7 as mmr_uuid7(), but the randomness comes from the kernel for many ids at once. */
static void new_id(struct mmr_stamper *st, int64_t wall_ns, uint8_t id[16])
{
    uint64_t ms = (uint64_t)(wall_ns / MMR_NS_PER_MS);
    if (st->random_left < 10) {
        randombytes_buf(st->random, sizeof st->random);
        st->random_left = sizeof st->random;
    }
    st->random_left -= 10;
    memcpy(id + 6, st->random + st->random_left, 10);
    for (unsigned i = 0; i < 6; i++)
        id[i] = (uint8_t)(ms >> (8 * (5 - i)));
    id[6] = (uint8_t)((id[6] & 0x0f) | 0x70); /* RFC 9562 section 5.7 */
    id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
}

int mmr_stamp_event(struct mmr_stamper *st, const void *msgpack, size_t len, uint64_t seq,
                    int64_t received_ns, const uint8_t id[16], void *buf, size_t cap, size_t *ret_len,
                    struct mmr_event_facts *ret_facts, struct mmr_error *err)
{
    struct mmr_event_facts f;
    int r = check(msgpack, len, st->kinds, &f, err);
    if (r == 0)
        r = mmr_stamp_checked(st, msgpack, len, &f, seq, received_ns, id, buf, cap, ret_len, err);
    if (r == 0 && ret_facts)
        *ret_facts = f;
    return r;
}

int mmr_stamp_checked(struct mmr_stamper *st, const void *msgpack, size_t len, const struct mmr_event_facts *f, uint64_t seq,
                      int64_t received_ns, const uint8_t id[16], void *buf, size_t cap, size_t *ret_len, struct mmr_error *err)
{
    static const char k_id[] = "\xa9mamori.id\xc4\x10", k_seq[] = "\xaamamori.seq",
                      k_received[] = "\xafmamori.received";
    size_t head = f->head;
    size_t body = len - head;
    size_t need = 3 + body + st->fixed_len + (sizeof k_id - 1) + 16 + (sizeof k_seq - 1) + 9 +
                  (sizeof k_received - 1) + 9;
    if (need > cap)
        return mmr_fail(err, MMR_ETOOBIG, "event: stamped it has %zu bytes, the buffer has %zu", need, cap);
    uint8_t *p = buf;
    uint32_t n = f->fields + MMR_STAMP_FIELDS;
    *p++ = 0xde;
    *p++ = (uint8_t)(n >> 8);
    *p++ = (uint8_t)n;
    memcpy(p, (const uint8_t *)msgpack + head, body);
    p += body;
    memcpy(p, st->fixed, st->fixed_len);
    p += st->fixed_len;
    memcpy(p, k_id, sizeof k_id - 1);
    p += sizeof k_id - 1;
    if (id)
        memcpy(p, id, 16);
    else
        new_id(st, received_ns, p);
    p += 16;
    memcpy(p, k_seq, sizeof k_seq - 1);
    p = put_u64(p + sizeof k_seq - 1, seq);
    memcpy(p, k_received, sizeof k_received - 1);
    p = put_u64(p + sizeof k_received - 1, (uint64_t)received_ns);
    *ret_len = (size_t)(p - (uint8_t *)buf);
    return 0;
}

int mmr_stamp_offset(void *buf, size_t len, size_t cap, int64_t offset_ns, size_t *ret_len)
{
    static const char key[] = "mamori.offset";
    uint8_t *b = buf;
    if (len < 3 || b[0] != 0xde || memmem(buf, len, key, sizeof key - 1))
        return MMR_EBADMSG;
    unsigned n = (unsigned)b[1] << 8 | b[2];
    size_t need = 1 + sizeof key - 1 + 9;
    if (n >= MMR_EVENT_FIELDS_MAX || cap - len < need)
        return MMR_ETOOBIG;
    n++;
    b[1] = (uint8_t)(n >> 8);
    b[2] = (uint8_t)n;
    uint8_t *p = b + len;
    *p++ = (uint8_t)(0xa0 | (sizeof key - 1)); /* fixstr: 13 bytes */
    memcpy(p, key, sizeof key - 1);
    p += sizeof key - 1;
    *p++ = 0xd3;
    for (unsigned i = 0; i < 8; i++)
        *p++ = (uint8_t)((uint64_t)offset_ns >> (8 * (7 - i)));
    *ret_len = len + need;
    return 0;
}
