/* frame.c - writes and reads the envelope. What is read comes from another process or machine. */
#include "bus/frame.h"

#include "event/skim.h"

#include <sodium.h>
#include <string.h>

static size_t put_be(uint8_t *p, uint8_t first, uint64_t v, unsigned bytes)
{
    *p++ = first;
    for (unsigned i = 0; i < bytes; i++)
        p[i] = (uint8_t)(v >> (8 * (bytes - 1 - i)));
    return 1 + bytes;
}

size_t mmr_wire_put_uint(uint8_t *p, uint64_t v)
{
    if (v < 0x80) {
        *p = (uint8_t)v;
        return 1;
    }
    if (v <= UINT8_MAX)
        return put_be(p, 0xcc, v, 1);
    if (v <= UINT16_MAX)
        return put_be(p, 0xcd, v, 2);
    if (v <= UINT32_MAX)
        return put_be(p, 0xce, v, 4);
    return put_be(p, 0xcf, v, 8);
}

size_t mmr_wire_put_int(uint8_t *p, int64_t v)
{
    return put_be(p, 0xd3, (uint64_t)v, 8);
}

size_t mmr_wire_put_bin(uint8_t *p, const void *b, size_t n)
{
    size_t head = n <= UINT8_MAX ? put_be(p, 0xc4, n, 1) : n <= UINT16_MAX ? put_be(p, 0xc5, n, 2) : put_be(p, 0xc6, n, 4);
    if (n)
        memcpy(p + head, b, n);
    return head + n;
}

size_t mmr_wire_put_str(uint8_t *p, const char *s, size_t n)
{
    size_t head = n <= UINT8_MAX ? put_be(p, 0xd9, n, 1) : n <= UINT16_MAX ? put_be(p, 0xda, n, 2) : put_be(p, 0xdb, n, 4);
    if (n)
        memcpy(p + head, s, n);
    return head + n;
}

static uint64_t take_be(struct mmr_wire_cursor *c, unsigned bytes)
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

uint64_t mmr_wire_uint(struct mmr_wire_cursor *c)
{
    uint8_t b = (uint8_t)take_be(c, 1);
    if (b < 0x80)
        return b;
    if (b >= 0xcc && b <= 0xcf)
        return take_be(c, 1u << (b - 0xcc));
    c->bad = true;
    return 0;
}

int64_t mmr_wire_int(struct mmr_wire_cursor *c)
{
    if (c->p < c->end && *c->p == 0xd3) {
        c->p++;
        return (int64_t)take_be(c, 8);
    }
    uint64_t v = mmr_wire_uint(c);
    if (v > INT64_MAX)
        c->bad = true;
    return (int64_t)v;
}

const uint8_t *mmr_wire_bin(struct mmr_wire_cursor *c, size_t *ret_len)
{
    uint8_t b = (uint8_t)take_be(c, 1);
    uint64_t n = 0;
    if (b >= 0xa0 && b < 0xc0)
        n = b & 0x1f;
    else if (b >= 0xc4 && b <= 0xc6)
        n = take_be(c, 1u << (b - 0xc4));
    else if (b >= 0xd9 && b <= 0xdb)
        n = take_be(c, 1u << (b - 0xd9));
    else
        c->bad = true;
    if (c->bad || n > (size_t)(c->end - c->p)) {
        c->bad = true;
        *ret_len = 0;
        return NULL;
    }
    const uint8_t *p = c->p;
    c->p += n;
    *ret_len = (size_t)n;
    return p;
}

/* ---- envelope ---- */

size_t mmr_frame_put_head(const struct mmr_envelope *env, bool has_sig, uint8_t head[MMR_FRAME_HEAD_MAX])
{
    uint8_t *p = head;
    *p++ = has_sig ? 0x9e : 0x9d;
    *p++ = MMR_FRAME_VERSION;
    p += mmr_wire_put_uint(p, env->kind);
    p += mmr_wire_put_uint(p, env->lane);
    p += mmr_wire_put_uint(p, env->flags);
    p += mmr_wire_put_bin(p, env->node, 16);
    p += mmr_wire_put_bin(p, env->epoch, 16);
    p += mmr_wire_put_uint(p, env->seq);
    p += mmr_wire_put_bin(p, env->id, 16);
    p += mmr_wire_put_int(p, env->t_wall_ns);
    p += mmr_wire_put_int(p, env->t_mono_ns);
    p += mmr_wire_put_bin(p, env->boot, 16);
    p += mmr_wire_put_uint(p, env->body_type);
    p += put_be(p, 0xc6, env->body_len, 4);
    return (size_t)(p - head);
}

int mmr_frame_encode(const struct mmr_envelope *env, const uint8_t *sign_secret, void *buf, size_t cap,
                     size_t *ret_len, struct mmr_error *err)
{
    uint8_t head[MMR_FRAME_HEAD_MAX];
    uint8_t *out = buf;
    size_t n = mmr_frame_put_head(env, sign_secret != NULL, head);
    size_t need = n + env->body_len + (sign_secret ? MMR_FRAME_SIG + 2 : 0);
    if (env->body_len > MMR_FRAME_MAX || need > MMR_FRAME_MAX || need > cap)
        return mmr_fail(err, MMR_ETOOBIG, "message: %zu bytes, at most %zu", need,
                        cap < MMR_FRAME_MAX ? cap : (size_t)MMR_FRAME_MAX);
    memcpy(out, head, n);
    if (env->body_len)
        memcpy(out + n, env->body, env->body_len);
    n += env->body_len;
    if (sign_secret) {
        uint8_t sig[MMR_FRAME_SIG];
        /* not over the array's first byte: it says whether a signature follows */
        (void)crypto_sign_detached(sig, NULL, out + 1, n - 1, sign_secret);
        n += mmr_wire_put_bin(out + n, sig, sizeof sig);
    }
    *ret_len = n;
    return 0;
}

static void take_id(struct mmr_wire_cursor *c, uint8_t id[16])
{
    size_t n;
    const uint8_t *p = mmr_wire_bin(c, &n);
    if (!p || n != 16) {
        c->bad = true;
        return;
    }
    memcpy(id, p, 16);
}

int mmr_frame_decode(const void *bytes, size_t len, struct mmr_envelope *ret_env, struct mmr_error *err)
{
    static const struct mmr_skim_limits limits = {.bytes_max = MMR_FRAME_MAX};
    struct mmr_envelope e = {0};
    int r = mmr_skim(bytes, len, &limits, err);
    if (r)
        return r;
    struct mmr_wire_cursor c = {bytes, (const uint8_t *)bytes + len, false};
    uint8_t first = *c.p++;
    uint64_t places;
    if (first >= 0x90 && first <= 0x9f)
        places = first & 0x0f;
    else if (first == 0xdc)
        places = take_be(&c, 2);
    else
        return mmr_fail(err, MMR_EBADMSG, "message: first byte 0x%02x, expected an array of 13 places", first);
    const uint8_t *signed_part = c.p;
    uint64_t ver = mmr_wire_uint(&c);
    if (!c.bad && places && ver != MMR_FRAME_VERSION)
        return mmr_fail(err, MMR_EUNSUPPORTED, "message: protocol version %llu, this end speaks %d; update the older",
                        (unsigned long long)ver, MMR_FRAME_VERSION);
    if (places < 13)
        return mmr_fail(err, MMR_EBADMSG, "message: %u places, expected at least 13", (unsigned)places);
    uint64_t kind = mmr_wire_uint(&c), lane = mmr_wire_uint(&c), flags = mmr_wire_uint(&c);
    take_id(&c, e.node);
    take_id(&c, e.epoch);
    e.seq = mmr_wire_uint(&c);
    take_id(&c, e.id);
    e.t_wall_ns = mmr_wire_int(&c);
    e.t_mono_ns = mmr_wire_int(&c);
    take_id(&c, e.boot);
    uint64_t body_type = mmr_wire_uint(&c);
    e.body = mmr_wire_bin(&c, &e.body_len);
    e.signed_part = signed_part;
    e.signed_len = (size_t)(c.p - signed_part);
    if (!c.bad && places > 13 && *c.p != 0xc0) { /* nil: no signature, but places after it */
        size_t n;
        e.sig = mmr_wire_bin(&c, &n);
        if (e.sig && n != MMR_FRAME_SIG)
            c.bad = true;
    }
    if (c.bad || kind < MMR_FRAME_HELLO || kind > MMR_FRAME_ERROR || lane > 3 || flags > UINT32_MAX ||
        body_type > UINT32_MAX || e.seq > INT64_MAX)
        return mmr_fail(err, MMR_EBADMSG, "message: a place of the envelope is of the wrong type or out of range");
    e.kind = (uint32_t)kind;
    e.lane = (uint32_t)lane;
    e.flags = (uint32_t)flags;
    e.body_type = (uint32_t)body_type;
    *ret_env = e;
    return 0;
}

bool mmr_frame_is_signed_by(const struct mmr_envelope *env, const uint8_t sign_public[32])
{
    return env->sig && crypto_sign_verify_detached(env->sig, env->signed_part, env->signed_len, sign_public) == 0;
}

/* ---- records ---- */

size_t mmr_record_put(uint8_t *p, const struct mmr_wire_record *r)
{
    size_t n = 0;
    p[n++] = 0x94;
    n += r->name ? mmr_wire_put_str(p + n, r->name, r->name_len) : mmr_wire_put_uint(p + n, r->who);
    n += mmr_wire_put_uint(p + n, r->kind);
    n += mmr_wire_put_uint(p + n, r->number);
    n += mmr_wire_put_bin(p + n, r->bytes, r->len);
    return n;
}

bool mmr_record_next(struct mmr_wire_cursor *c, struct mmr_wire_record *ret)
{
    if (c->bad || c->p == c->end)
        return false;
    if (*c->p++ != 0x94 || c->p == c->end) {
        c->bad = true;
        return false;
    }
    struct mmr_wire_record r = {0};
    if (*c->p >= 0xa0 && *c->p != 0xcc && *c->p != 0xcd && *c->p != 0xce && *c->p != 0xcf) {
        size_t n;
        r.name = (const char *)mmr_wire_bin(c, &n);
        r.name_len = (uint32_t)n;
    } else {
        uint64_t who = mmr_wire_uint(c);
        r.who = (uint32_t)who;
        c->bad = c->bad || who > UINT32_MAX;
    }
    uint64_t kind = mmr_wire_uint(c);
    r.kind = (uint32_t)kind;
    r.number = mmr_wire_uint(c);
    r.bytes = mmr_wire_bin(c, &r.len);
    if (c->bad || kind > UINT32_MAX) {
        c->bad = true;
        return false;
    }
    *ret = r;
    return true;
}

uint32_t mmr_records_count(const uint8_t *body, size_t len)
{
    struct mmr_wire_cursor c = {body, body + len, false};
    struct mmr_wire_record r;
    uint32_t n = 0;
    while (mmr_record_next(&c, &r))
        if (++n > MMR_BATCH_RECORDS_MAX)
            return 0;
    return c.bad ? 0 : n;
}
