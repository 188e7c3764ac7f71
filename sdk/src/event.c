/* event.c - the event builder and reader. The reader trusts no byte it is given. */
#include <mamori/action.h>
#include <mamori/event.h>

#include <string.h>

/* ---- builder ---- */

/* Where n more bytes go; NULL, with the error noted, when there is no room. */
static uint8_t *room(struct mmr_event *ev, size_t n)
{
    if (ev->err)
        return NULL;
    if (n > ev->cap - ev->len) {
        ev->err = MMR_ETOOBIG;
        return NULL;
    }
    uint8_t *at = ev->buf + ev->len;
    ev->len += n;
    return at;
}

static void put(struct mmr_event *ev, const void *p, size_t n)
{
    uint8_t *at = room(ev, n);
    if (at && n)
        memcpy(at, p, n);
}

static void put_u8(struct mmr_event *ev, uint8_t v)
{
    uint8_t *at = room(ev, 1);
    if (at)
        *at = v;
}

static void be16_at(uint8_t *at, uint16_t v)
{
    v = __builtin_bswap16(v);
    memcpy(at, &v, sizeof v);
}

static void be32_at(uint8_t *at, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(at, &v, sizeof v);
}

static void be64_at(uint8_t *at, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(at, &v, sizeof v);
}

/* A tag and two bytes of length. */
static void put_head16(struct mmr_event *ev, uint8_t tag, size_t len)
{
    uint8_t *at = room(ev, 3);
    if (at) {
        at[0] = tag;
        be16_at(at + 1, (uint16_t)len);
    }
}

static void put_str_head(struct mmr_event *ev, size_t len)
{
    if (len < 32) {
        put_u8(ev, (uint8_t)(0xa0 | len));
    } else if (len < 256) {
        uint8_t *at = room(ev, 2);
        if (at) {
            at[0] = 0xd9;
            at[1] = (uint8_t)len;
        }
    } else {
        put_head16(ev, 0xda, len); /* values are cut at MMR_EVENT_STR_MAX < 65536 */
    }
}

/* The length of the UTF-8 sequence at p, or 0 if it is not valid (overlong, surrogate, cut). */
static size_t utf8_len(const uint8_t *p, size_t left)
{
    uint8_t c = p[0];
    if (c < 0x80)
        return 1;
    if (c >= 0xc2 && c <= 0xdf)
        return left >= 2 && (p[1] & 0xc0) == 0x80 ? 2 : 0;
    if (c >= 0xe0 && c <= 0xef) {
        if (left < 3 || (p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80)
            return 0;
        if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f))
            return 0;
        return 3;
    }
    if (c >= 0xf0 && c <= 0xf4) {
        if (left < 4 || (p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80 || (p[3] & 0xc0) != 0x80)
            return 0;
        if ((c == 0xf0 && p[1] < 0x90) || (c == 0xf4 && p[1] > 0x8f))
            return 0;
        return 4;
    }
    return 0;
}

/* How many bytes from the start of p are ASCII, eight at a time. */
static size_t ascii_len(const uint8_t *p, size_t len)
{
    size_t i = 0;
    for (uint64_t v; i + 8 <= len; i += 8) {
        memcpy(&v, p + i, 8);
        if (v & 0x8080808080808080U)
            break;
    }
    while (i < len && p[i] < 0x80)
        i++;
    return i;
}

/* Length that text of len bytes has once invalid bytes are U+FFFD, cut to the limit at a character. */
static size_t clean_len(const uint8_t *p, size_t len, bool *ret_clean)
{
    size_t out = ascii_len(p, len < MMR_EVENT_STR_MAX ? len : MMR_EVENT_STR_MAX);
    *ret_clean = true;
    for (size_t i = out; i < len && out < MMR_EVENT_STR_MAX;) {
        size_t n = utf8_len(p + i, len - i);
        size_t w = n ? n : 3;
        if (!n)
            *ret_clean = false;
        if (out + w > MMR_EVENT_STR_MAX)
            break;
        out += w;
        i += n ? n : 1;
    }
    return out;
}

static void put_text(struct mmr_event *ev, const char *text, size_t len)
{
    const uint8_t *p = (const uint8_t *)text;
    bool is_clean;
    if (len < 32 && ascii_len(p, len) == len) { /* nearly all of them */
        uint8_t *at = room(ev, 1 + len);
        if (at) {
            at[0] = (uint8_t)(0xa0 | len);
            memcpy(at + 1, p, len);
        }
        return;
    }
    size_t out = clean_len(p, len, &is_clean);
    put_str_head(ev, out);
    if (is_clean) {
        put(ev, p, out);
        return;
    }
    for (size_t i = 0, done = 0; done < out;) {
        size_t n = utf8_len(p + i, len - i);
        if (n)
            put(ev, p + i, n);
        else
            put(ev, "\xef\xbf\xbd", 3);
        done += n ? n : 3;
        i += n ? n : 1;
    }
}

static void put_key(struct mmr_event *ev, const char *key)
{
    size_t len = strlen(key);
    if (len > MMR_EVENT_KEY_MAX || ev->fields >= MMR_EVENT_FIELDS_MAX) {
        if (!ev->err)
            ev->err = MMR_ETOOBIG;
        return;
    }
    ev->fields++;
    if (len < 32) {
        uint8_t *at = room(ev, 1 + len);
        if (at) {
            at[0] = (uint8_t)(0xa0 | len);
            memcpy(at + 1, key, len);
        }
        return;
    }
    put_str_head(ev, len);
    put(ev, key, len);
}

void mmr_event_begin_map(struct mmr_event *ev, void *buf, size_t cap)
{
    *ev = (struct mmr_event){.buf = buf, .cap = cap};
    put(ev, "\xdf\0\0\0\0", 5); /* map32; the count is patched on close */
}

void mmr_event_begin(struct mmr_event *ev, void *buf, size_t cap, const char *kind,
                     uint32_t class_uid, uint32_t activity_id, int64_t time_ns,
                     uint32_t severity_id)
{
    mmr_event_begin_map(ev, buf, cap);
    mmr_event_str(ev, "mamori.kind", kind);
    mmr_event_int(ev, "class_uid", class_uid);
    mmr_event_int(ev, "activity_id", activity_id);
    mmr_event_int(ev, "time", time_ns);
    mmr_event_int(ev, "severity_id", severity_id);
}

void mmr_event_strn(struct mmr_event *ev, const char *key, const char *text, size_t len)
{
    if (!text)
        return;
    put_key(ev, key);
    put_text(ev, text, len);
}

void mmr_event_str(struct mmr_event *ev, const char *key, const char *text)
{
    if (text)
        mmr_event_strn(ev, key, text, strlen(text));
}

void mmr_event_int(struct mmr_event *ev, const char *key, int64_t v)
{
    put_key(ev, key);
    uint8_t *at = room(ev, v >= 0 && v < 128 ? 1 : v >= 0 && v <= UINT32_MAX ? 5 : 9);
    if (!at)
        return;
    if (v >= 0 && v < 128) {
        at[0] = (uint8_t)v;
    } else if (v >= 0 && v <= UINT32_MAX) {
        at[0] = 0xce;
        be32_at(at + 1, (uint32_t)v);
    } else {
        at[0] = 0xd3;
        be64_at(at + 1, (uint64_t)v);
    }
}

void mmr_event_float(struct mmr_event *ev, const char *key, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    put_key(ev, key);
    uint8_t *at = room(ev, 9);
    if (at) {
        at[0] = 0xcb;
        be64_at(at + 1, bits);
    }
}

void mmr_event_bool(struct mmr_event *ev, const char *key, bool v)
{
    put_key(ev, key);
    put_u8(ev, v ? 0xc3 : 0xc2);
}

void mmr_event_bin(struct mmr_event *ev, const char *key, const void *p, size_t len)
{
    if (!p)
        return;
    put_key(ev, key);
    if (len > MMR_EVENT_STR_MAX) {
        if (!ev->err)
            ev->err = MMR_ETOOBIG;
        return;
    }
    put_head16(ev, 0xc5, len);
    put(ev, p, len);
}

void mmr_event_strv(struct mmr_event *ev, const char *key, const char *const *v, size_t n)
{
    if (n > MMR_EVENT_ARRAY_MAX)
        n = MMR_EVENT_ARRAY_MAX;
    put_key(ev, key);
    put_head16(ev, 0xdc, n);
    for (size_t i = 0; i < n; i++)
        put_text(ev, v[i], strlen(v[i]));
}

int mmr_event_end(struct mmr_event *ev)
{
    if (ev->err)
        return ev->err;
    for (unsigned i = 0; i < 4; i++)
        ev->buf[1 + i] = (uint8_t)(ev->fields >> (8 * (3 - i)));
    return 0;
}

int mmr_event_emit(struct mmr_event *ev, const struct mmr_host *host)
{
    int r = mmr_event_end(ev);
    return r ? r : host->emit(host->impl, ev->buf, ev->len);
}

/* ---- reader ---- */

struct cursor {
    const uint8_t *p;
    size_t left;
    bool bad; /* sticky */
};

static uint64_t cur_be(struct cursor *c, unsigned bytes)
{
    uint64_t v = 0;
    if (c->left < bytes) {
        c->bad = true;
        c->left = 0;
        return 0;
    }
    for (unsigned i = 0; i < bytes; i++)
        v = v << 8 | c->p[i];
    c->p += bytes;
    c->left -= bytes;
    return v;
}

static const uint8_t *cur_take(struct cursor *c, size_t n)
{
    const uint8_t *p = c->p;
    if (c->left < n) {
        c->bad = true;
        c->left = 0;
        return p;
    }
    c->p += n;
    c->left -= n;
    return p;
}

static int64_t sign_extend(uint64_t v, unsigned bytes)
{
    unsigned shift = 64 - 8 * bytes;
    return (int64_t)(v << shift) >> shift;
}

static void read_bytes(struct cursor *c, struct mmr_value *v, uint32_t type, uint64_t len)
{
    v->type = type;
    v->len = (uint32_t)len;
    v->p = cur_take(c, (size_t)len);
}

/* One value that is no container; arrays give their count and stay at the first item. */
static void read_value(struct cursor *c, struct mmr_value *v)
{
    *v = (struct mmr_value){0};
    uint8_t b = (uint8_t)cur_be(c, 1);
    if (b < 0x80) {
        v->type = MMR_VAL_INT;
        v->n.i = b;
    } else if (b >= 0xe0) {
        v->type = MMR_VAL_INT;
        v->n.i = (int64_t)b - 256;
    } else if (b >= 0xa0 && b <= 0xbf) {
        read_bytes(c, v, MMR_VAL_STR, b & 0x1f);
    } else if (b >= 0x90 && b <= 0x9f) {
        v->type = MMR_VAL_ARRAY;
        v->len = b & 0x0f;
        v->p = c->p;
    } else {
        switch (b) {
        case 0xc0: break;
        case 0xc2: case 0xc3:
            v->type = MMR_VAL_BOOL;
            v->n.i = b & 1;
            break;
        case 0xc4: read_bytes(c, v, MMR_VAL_BIN, cur_be(c, 1)); break;
        case 0xc5: read_bytes(c, v, MMR_VAL_BIN, cur_be(c, 2)); break;
        case 0xc6: read_bytes(c, v, MMR_VAL_BIN, cur_be(c, 4)); break;
        case 0xca: {
            uint32_t bits = (uint32_t)cur_be(c, 4);
            float f;
            memcpy(&f, &bits, sizeof f);
            v->type = MMR_VAL_FLOAT;
            v->n.f = (double)f;
            break;
        }
        case 0xcb: {
            uint64_t bits = cur_be(c, 8);
            v->type = MMR_VAL_FLOAT;
            memcpy(&v->n.f, &bits, sizeof bits);
            break;
        }
        case 0xcc: case 0xcd: case 0xce: case 0xcf: {
            uint64_t u = cur_be(c, 1u << (b - 0xcc));
            v->type = u > INT64_MAX ? MMR_VAL_UINT : MMR_VAL_INT;
            v->n.u = u;
            break;
        }
        case 0xd0: case 0xd1: case 0xd2: case 0xd3: {
            unsigned bytes = 1u << (b - 0xd0);
            v->type = MMR_VAL_INT;
            v->n.i = sign_extend(cur_be(c, bytes), bytes);
            break;
        }
        case 0xd9: read_bytes(c, v, MMR_VAL_STR, cur_be(c, 1)); break;
        case 0xda: read_bytes(c, v, MMR_VAL_STR, cur_be(c, 2)); break;
        case 0xdb: read_bytes(c, v, MMR_VAL_STR, cur_be(c, 4)); break;
        case 0xdc:
            v->type = MMR_VAL_ARRAY;
            v->len = (uint32_t)cur_be(c, 2);
            v->p = c->p;
            break;
        default: /* maps inside the map, array32, ext types, the reserved byte */
            c->bad = true;
            c->left = 0;
        }
    }
}

static uint32_t key_hash(const uint8_t *p, size_t n)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * 16777619u;
    return h;
}

int mmr_event_read(const void *msgpack, size_t len, struct mmr_event_view *ret_view,
                   struct mmr_error *err)
{
    struct cursor c = {msgpack, len, false};
    uint64_t n = 0;
    uint16_t seen[512] = {0}; /* open addressing over field numbers + 1, to refuse a key given twice */

    ret_view->n = 0;
    if (len > MMR_EVENT_BYTES_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "event: %zu bytes, at most %d", len, MMR_EVENT_BYTES_MAX);
    uint8_t b = (uint8_t)cur_be(&c, 1);
    if (b >= 0x80 && b <= 0x8f)
        n = b & 0x0f;
    else if (b == 0xde)
        n = cur_be(&c, 2);
    else if (b == 0xdf)
        n = cur_be(&c, 4);
    else
        return mmr_fail(err, MMR_EBADMSG, "event: first byte 0x%02x, expected a MessagePack map", b);
    if (n > MMR_EVENT_FIELDS_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "event: %llu fields, at most %d", (unsigned long long)n,
                        MMR_EVENT_FIELDS_MAX);
    for (uint32_t i = 0; i < n && !c.bad; i++) {
        struct mmr_field *f = &ret_view->f[i];
        struct mmr_value k;
        read_value(&c, &k);
        if (c.bad)
            break;
        if (k.type != MMR_VAL_STR || k.len == 0 || k.len > MMR_EVENT_KEY_MAX)
            return mmr_fail(err, MMR_EBADMSG, "event: key of field %u is no string of 1 to %d bytes", i,
                            MMR_EVENT_KEY_MAX);
        f->key = (const char *)k.p;
        f->key_len = k.len;
        f->reserved = 0;
        read_value(&c, &f->v);
        if (f->v.type == MMR_VAL_ARRAY && !c.bad) {
            if (f->v.len > MMR_EVENT_ARRAY_MAX)
                return mmr_fail(err, MMR_ETOOBIG, "event: '%.*s' has %u items, at most %d", (int)k.len,
                                f->key, f->v.len, MMR_EVENT_ARRAY_MAX);
            for (uint32_t j = 0; j < f->v.len && !c.bad; j++) {
                struct mmr_value item;
                read_value(&c, &item);
                if (item.type == MMR_VAL_ARRAY)
                    c.bad = true;
            }
        }
        uint32_t h = key_hash(k.p, k.len) & 511;
        for (; seen[h]; h = (h + 1) & 511) {
            const struct mmr_field *o = &ret_view->f[seen[h] - 1];
            if (o->key_len == f->key_len && memcmp(o->key, f->key, f->key_len) == 0)
                return mmr_fail(err, MMR_EBADMSG, "event: '%.*s' is given twice", (int)k.len, f->key);
        }
        seen[h] = (uint16_t)(i + 1);
    }
    if (c.bad)
        return mmr_fail(err, MMR_EBADMSG, "event: truncated, nested, or of a type events do not use");
    if (c.left)
        return mmr_fail(err, MMR_EBADMSG, "event: %zu bytes after its end", c.left);
    ret_view->n = (uint32_t)n;
    return 0;
}

const struct mmr_value *mmr_event_get(const struct mmr_event_view *v, const char *key)
{
    size_t len = strlen(key);
    for (uint32_t i = 0; i < v->n; i++)
        if (v->f[i].key_len == len && memcmp(v->f[i].key, key, len) == 0)
            return &v->f[i].v;
    return NULL;
}

const char *mmr_event_get_str(const struct mmr_event_view *v, const char *key, size_t *ret_len)
{
    const struct mmr_value *x = mmr_event_get(v, key);
    if (!x || x->type != MMR_VAL_STR)
        return NULL;
    *ret_len = x->len;
    return (const char *)x->p;
}

bool mmr_event_copy_str(const struct mmr_event_view *v, const char *key, char *buf, size_t cap)
{
    size_t len;
    const char *p = mmr_event_get_str(v, key, &len);
    if (!p || cap == 0)
        return false;
    if (len > cap - 1) {
        len = cap - 1;
        while (len && ((uint8_t)p[len] & 0xc0) == 0x80)
            len--;
    }
    if (len)
        memcpy(buf, p, len);
    buf[len] = '\0';
    return true;
}

int64_t mmr_event_get_int(const struct mmr_event_view *v, const char *key, int64_t dflt)
{
    const struct mmr_value *x = mmr_event_get(v, key);
    return x && (x->type == MMR_VAL_INT || x->type == MMR_VAL_BOOL) ? x->n.i : dflt;
}

bool mmr_value_is(const struct mmr_value *v, const char *text)
{
    size_t len = strlen(text);
    return v && v->type == MMR_VAL_STR && v->len == len && memcmp(v->p, text, len) == 0;
}

bool mmr_value_next(const struct mmr_value *arr, struct mmr_array_it *it, const char **ret_p,
                    size_t *ret_len)
{
    if (!arr || arr->type != MMR_VAL_ARRAY)
        return false;
    while (it->at < arr->len) {
        struct cursor c = {arr->p + it->off, SIZE_MAX / 2, false}; /* bounds were checked on read */
        struct mmr_value item;
        read_value(&c, &item);
        it->at++;
        it->off = (size_t)(c.p - arr->p);
        if (item.type == MMR_VAL_STR) {
            *ret_p = (const char *)item.p;
            *ret_len = item.len;
            return true;
        }
    }
    return false;
}
