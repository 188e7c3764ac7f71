/*
 * forward.c - the Fluentd forward protocol, version 1: message, forward, packed forward and compressed packed
 * forward, the handshake with a shared key, and acknowledgements by chunk. Source: its public specification
 * ("Fluentd Forward Protocol Specification v1").
 */
#include "stream.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum state { READY = 0, WAIT_PING };
enum { NAME_MAX_BYTES = 128, DIGEST_TEXT = 128 };

static const char own_name[] = "mamori";

/* ---- what we write ---- */

struct out {
    uint8_t p[1024];
    size_t n;
};
static void raw(struct out *o, const void *p, size_t n)
{
    if (sizeof o->p - o->n >= n) {
        memcpy(o->p + o->n, p, n);
        o->n += n;
    }
}
static void byte(struct out *o, unsigned b)
{
    uint8_t v = (uint8_t)b;
    raw(o, &v, 1);
}
static void str(struct out *o, const char *p, size_t n)
{
    if (n < 32) {
        byte(o, 0xa0u | (unsigned)n);
    } else { /* everything we say is below 256 bytes */
        byte(o, 0xd9);
        byte(o, (unsigned)n);
    }
    raw(o, p, n);
}
static void send_out(struct mmr_seat_stream *s, const struct out *o)
{
    if (!mmr_seat_buf_add(&s->out, o->p, o->n, MMR_SEAT_OUT_MAX))
        s->is_ended = true;
}

static void open_stream(struct mmr_seat_stream *s)
{
    struct out o = {.n = 0};
    if (!s->needs_key)
        return;
    if (RAND_bytes(s->nonce, sizeof s->nonce) != 1) {
        s->is_ended = true;
        return;
    }
    s->state = WAIT_PING;
    byte(&o, 0x92);
    str(&o, "HELO", 4);
    byte(&o, 0x83);
    str(&o, "nonce", 5);
    byte(&o, 0xc4);
    byte(&o, sizeof s->nonce);
    raw(&o, s->nonce, sizeof s->nonce);
    str(&o, "auth", 4);
    byte(&o, 0xc4);
    byte(&o, 0);
    str(&o, "keepalive", 9);
    byte(&o, 0xc3);
    send_out(s, &o);
}

static void ack(struct mmr_seat_stream *s, const struct mmr_seat_unit *u)
{
    struct out o = {.n = 0};
    byte(&o, 0x81);
    str(&o, "ack", 3);
    str(&o, u->chunk, u->len);
    send_out(s, &o);
}

/* ---- handshake ---- */

struct text {
    const char *p;
    size_t n;
};
static bool read_text(struct mmr_mp_cur *c, struct text *ret)
{
    struct mmr_mp_item it;
    if (!mmr_mp_read(c, &it) || (it.type != MMR_MP_STR && it.type != MMR_MP_BIN))
        return false;
    *ret = (struct text){(const char *)it.p, it.n};
    return true;
}

/* hex(sha512(salt + name + nonce + key)); false: OpenSSL has no memory */
static bool digest(const struct mmr_seat_stream *s, struct text salt, struct text name, const char *key, char ret[DIGEST_TEXT + 1])
{
    uint8_t sum[64];
    unsigned n = 0;
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    bool is_ok = c && EVP_DigestInit_ex(c, EVP_sha512(), NULL) == 1 && EVP_DigestUpdate(c, salt.p, salt.n) == 1 &&
                 EVP_DigestUpdate(c, name.p, name.n) == 1 && EVP_DigestUpdate(c, s->nonce, sizeof s->nonce) == 1 &&
                 EVP_DigestUpdate(c, key, strlen(key)) == 1 && EVP_DigestFinal_ex(c, sum, &n) == 1 && n == sizeof sum;
    EVP_MD_CTX_free(c);
    for (size_t i = 0; is_ok && i < sizeof sum; i++)
        (void)snprintf(ret + 2 * i, 3, "%02x", sum[i]);
    return is_ok;
}

static void pong(struct mmr_seat_stream *s, bool is_ok, const char *reason, const char *proof)
{
    struct out o = {.n = 0};
    byte(&o, 0x95);
    str(&o, "PONG", 4);
    byte(&o, is_ok ? 0xc3 : 0xc2);
    str(&o, reason, strlen(reason));
    str(&o, is_ok ? own_name : "", is_ok ? sizeof own_name - 1 : 0);
    str(&o, proof, strlen(proof));
    send_out(s, &o);
}

static int ping(struct mmr_seat_stream *s, struct mmr_mp_cur c, struct mmr_error *err)
{
    struct mmr_mp_item it;
    struct text word, name, salt, theirs;
    char own[NAME_MAX_BYTES + 1], sum[DIGEST_TEXT + 1];
    if (!mmr_mp_read(&c, &it) || it.type != MMR_MP_ARRAY || it.n != 6 || !read_text(&c, &word) || word.n != 4 ||
        memcmp(word.p, "PING", 4) != 0 || !read_text(&c, &name) || !read_text(&c, &salt) || !read_text(&c, &theirs))
        return mmr_fail(err, MMR_EBADMSG, "no PING; this listener wants a shared key, set it at the sender");
    if (!name.n || name.n > NAME_MAX_BYTES || memchr(name.p, '\0', name.n))
        return mmr_fail(err, MMR_EPERM, "a sender's name of %zu bytes; expected 1 to %d", name.n, NAME_MAX_BYTES);
    memcpy(own, name.p, name.n);
    own[name.n] = '\0';
    const char *key = s->sink.key(s->sink.ctx, own);
    /* an unknown name costs the same time as a known one */
    if (!digest(s, salt, name, key ? key : "", sum))
        return mmr_fail(err, MMR_ENOMEM, "out of memory for a handshake");
    bool is_ok = theirs.n == DIGEST_TEXT && CRYPTO_memcmp(sum, theirs.p, DIGEST_TEXT) == 0 && key;
    if (!is_ok) {
        pong(s, false, "shared key mismatch", "");
        return mmr_fail(err, MMR_EPERM, "'%.60s' %s", own, key ? "has another shared key than ours" : "is no sender with a key here; add it to 'senders' and the key file");
    }
    if (!digest(s, salt, (struct text){own_name, sizeof own_name - 1}, key, sum))
        return mmr_fail(err, MMR_ENOMEM, "out of memory for a handshake");
    pong(s, true, "", sum);
    s->state = READY;
    s->is_known = true;
    s->sink.proved(s->sink.ctx, own);
    return 0;
}

/* ---- records ---- */

/* An integer of seconds, EventTime (ext 0: seconds and nanoseconds), or [that, metadata]. */
static int64_t time_of(struct mmr_mp_cur *c)
{
    struct mmr_mp_item it;
    int64_t ns = 0;
    if (!mmr_mp_read(c, &it))
        return 0;
    if (it.type == MMR_MP_ARRAY) {
        if (it.n)
            ns = time_of(&(struct mmr_mp_cur){c->p, c->left, false}); /* one level: an array within it gives what it has */
        (void)mmr_mp_skip_inside(c, &it);
        return ns;
    }
    if (it.type == MMR_MP_INT && it.v.i > 0 && it.v.i < INT64_MAX / 1000000000)
        ns = it.v.i * 1000000000;
    else if (it.type == MMR_MP_FLOAT && it.v.f > 0 && it.v.f < 9e9)
        ns = (int64_t)(it.v.f * 1e9);
    else if (it.type == MMR_MP_EXT && it.ext == 0 && it.n == 8) {
        uint32_t sec = (uint32_t)it.p[0] << 24 | (uint32_t)it.p[1] << 16 | (uint32_t)it.p[2] << 8 | it.p[3];
        uint32_t part = (uint32_t)it.p[4] << 24 | (uint32_t)it.p[5] << 16 | (uint32_t)it.p[6] << 8 | it.p[7];
        ns = (int64_t)sec * 1000000000 + (part < 1000000000 ? part : 0);
    }
    (void)mmr_mp_skip_inside(c, &it);
    return ns;
}

static bool record(struct mmr_seat_stream *s, struct mmr_mp_cur *c, int64_t time_ns)
{
    struct mmr_mp_cur at = *c;
    struct mmr_mp_json json = {.p = s->scratch, .cap = MMR_SEAT_LINE_MAX};
    if (!mmr_mp_skip(c))
        return false;
    if (!at.left || !mmr_mp_to_json(&at, &json)) {
        s->sink.skipped(s->sink.ctx, json.is_full ? "a record over 1 MiB" : "a record that has no form in JSON");
        return true;
    }
    json.p[json.n] = '\0';
    s->sink.line(s->sink.ctx, json.p, json.n, time_ns);
    return true;
}

static bool entry(struct mmr_seat_stream *s, struct mmr_mp_cur *c)
{
    struct mmr_mp_item it;
    if (!mmr_mp_read(c, &it) || it.type != MMR_MP_ARRAY || it.n < 2)
        return false;
    int64_t t = time_of(c);
    if (c->bad || !record(s, c, t))
        return false;
    for (uint32_t i = 2; i < it.n; i++)
        if (!mmr_mp_skip(c))
            return false;
    return true;
}

static int malformed(const char *what, struct mmr_error *err)
{
    return mmr_fail(err, MMR_EBADMSG, "no message of the forward protocol (%s)", what);
}

static bool key_is(struct text t, const char *word)
{
    return t.n == strlen(word) && memcmp(t.p, word, t.n) == 0;
}

/* {"chunk": .., "compressed": "gzip", "size": .., "fluent_signal": ..} */
static int options(struct mmr_seat_stream *s, struct mmr_mp_cur *c, bool *ret_gzip, bool *ret_is_log, struct mmr_error *err)
{
    struct mmr_mp_item it;
    struct text key, val;
    if (!mmr_mp_read(c, &it))
        return malformed("options", err);
    if (it.type != MMR_MP_MAP)
        return it.type == MMR_MP_NIL ? 0 : malformed("options that are no map", err);
    for (uint32_t i = 0; i < it.n; i++) {
        struct mmr_mp_cur v;
        if (!read_text(c, &key))
            return malformed("name of an option", err);
        v = *c;
        if (!mmr_mp_skip(c))
            return malformed("value of an option", err);
        if (key_is(key, "chunk")) {
            if (!read_text(&v, &val) || !val.n || val.n > sizeof s->unit.chunk)
                return mmr_fail(err, MMR_EBADMSG, "the name of a chunk must be text of 1 to %zu bytes", sizeof s->unit.chunk);
            memcpy(s->unit.chunk, val.p, val.n);
            s->unit.len = (uint16_t)val.n;
            s->has_unit = true;
        } else if (key_is(key, "compressed")) {
            if (!read_text(&v, &val) || (!key_is(val, "gzip") && !key_is(val, "text")))
                return mmr_fail(err, MMR_EUNSUPPORTED, "a chunk compressed in a way that is not known; use gzip");
            *ret_gzip = key_is(val, "gzip");
        } else if (key_is(key, "fluent_signal")) {
            struct mmr_mp_item n;
            *ret_is_log = mmr_mp_read(&v, &n) && n.type == MMR_MP_INT && n.v.i == 0;
        }
    }
    return 0;
}

/* The message of s->message bytes at the front of the buffer: what is in it. */
static int begin(struct mmr_seat_stream *s, struct mmr_error *err)
{
    struct mmr_mp_cur c = {s->in.p + s->in.at, s->message, false}, o;
    struct mmr_mp_item top, second;
    struct text tag;
    bool is_gzip = false, is_log = true;
    s->has_unit = false;
    s->unit = (struct mmr_seat_unit){0};
    s->entries = (struct mmr_mp_cur){0};
    s->entries_left = 0;
    if (!mmr_mp_read(&c, &top))
        return malformed("first byte", err);
    if (top.type == MMR_MP_NIL)
        return 0; /* a heartbeat */
    if (top.type != MMR_MP_ARRAY || top.n < 2 || top.n > 4 || !read_text(&c, &tag))
        return malformed("expected [tag, ..]", err);
    struct mmr_mp_cur body = c;
    if (!mmr_mp_read(&c, &second))
        return malformed("second value", err);
    struct mmr_mp_cur inside = c;
    if (!mmr_mp_skip_inside(&c, &second))
        return malformed("second value", err);
    bool is_packed = second.type == MMR_MP_STR || second.type == MMR_MP_BIN;
    bool is_forward = false;
    if (second.type == MMR_MP_ARRAY) { /* entries, or [time, metadata] of a single message */
        struct mmr_mp_cur look = inside;
        struct mmr_mp_item first;
        is_forward = !second.n || (mmr_mp_read(&look, &first) && first.type == MMR_MP_ARRAY);
    }
    o = c;
    if (!is_packed && !is_forward) {
        if (top.n < 3)
            return malformed("a message without record", err);
        if (!mmr_mp_skip(&o))
            return malformed("record", err);
    }
    uint32_t had = is_packed || is_forward ? 2 : 3;
    if (top.n > had) {
        int r = options(s, &o, &is_gzip, &is_log, err);
        if (r != 0)
            return r;
    }
    if (!is_log)
        return 0; /* metrics and traces are no log records */
    if (s->has_unit && s->sink.is_repeated(s->sink.ctx, &s->unit))
        return 0;
    if (is_packed) {
        s->entries = (struct mmr_mp_cur){second.p, second.n, false};
        s->entries_left = UINT64_MAX;
        if (is_gzip) {
            size_t n = 0;
            int r = mmr_seat_inflate(second.p, second.n, true, MMR_SEAT_UNPACKED_MAX, &s->unpacked, &n, err);
            if (r != 0)
                return r;
            s->entries = (struct mmr_mp_cur){s->unpacked, n, false};
        }
    } else if (is_forward) {
        s->entries = inside;
        s->entries_left = second.n;
    } else { /* one record, its time in front of it */
        int64_t t = time_of(&body);
        if (body.bad || !record(s, &body, t))
            return malformed("record", err);
    }
    return 0;
}

static void end(struct mmr_seat_stream *s)
{
    if (s->has_unit)
        s->sink.unit(s->sink.ctx, &s->unit);
    free(s->unpacked);
    s->unpacked = NULL;
    mmr_seat_buf_take(&s->in, s->message);
    s->message = 0;
    s->has_unit = false;
    s->scan = (struct mmr_mp_scan){0};
}

static int step(struct mmr_seat_stream *s, struct mmr_error *err)
{
    if (!s->message) {
        size_t n = mmr_seat_buf_len(&s->in);
        if (!n)
            return 0;
        int r = mmr_mp_scan(&s->scan, s->in.p + s->in.at, n, s->is_known ? MMR_SEAT_MESSAGE_MAX : MMR_SEAT_UNKNOWN_MAX);
        if (r == MMR_ETOOBIG)
            return mmr_fail(err, r, "a message over %d MiB or deeper than %d levels; make the sender's chunks smaller",
                            MMR_SEAT_MESSAGE_MAX >> 20, MMR_MP_DEPTH_MAX);
        if (r < 0)
            return malformed("no MessagePack", err);
        if (r == 0)
            return 0;
        if (s->state == WAIT_PING) {
            r = ping(s, (struct mmr_mp_cur){s->in.p + s->in.at, s->scan.off, false}, err);
            if (r != 0)
                return r;
            mmr_seat_buf_take(&s->in, s->scan.off);
            s->scan = (struct mmr_mp_scan){0};
            return 1;
        }
        s->message = s->scan.off;
        r = begin(s, err);
        return r != 0 ? r : 1;
    }
    if (s->entries_left && (s->entries_left != UINT64_MAX || s->entries.left)) {
        if (!entry(s, &s->entries))
            return malformed("entry; expected [time, record]", err);
        if (s->entries_left != UINT64_MAX)
            s->entries_left--;
        return 1;
    }
    end(s);
    return 1;
}

const struct mmr_seat_proto mmr_seat_forward = {
    .name = "forward", .message_max = MMR_SEAT_MESSAGE_MAX, .has_acks = true, .open = open_stream, .step = step, .ack = ack};
