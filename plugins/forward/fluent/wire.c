/* wire.c - see wire.h. Answers are read through a cursor that builds nothing; lengths are checked before they are used. */
#include "wire.h"

#include "mp.h"

#include <json-c/json.h>
#include <msgpack.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 16, NS_PER_S = 1000000000, NS_PER_MS = 1000000 };

/* ---- what we say ---- */

static int put_text(msgpack_packer *pk, const char *p, size_t n)
{
    return msgpack_pack_str(pk, n) != 0 || msgpack_pack_str_body(pk, p, n) != 0;
}

static int put_word(msgpack_packer *pk, const char *word)
{
    return put_text(pk, word, strlen(word));
}

static int put_json(msgpack_packer *pk, struct json_object *o, unsigned depth);

static int put_map(msgpack_packer *pk, struct json_object *o, unsigned depth)
{
    int bad = msgpack_pack_map(pk, (size_t)json_object_object_length(o));
    json_object_object_foreach(o, key, value) bad |= put_word(pk, key) || put_json(pk, value, depth + 1);
    return bad;
}

static int put_list(msgpack_packer *pk, struct json_object *o, unsigned depth)
{
    size_t n = json_object_array_length(o);
    int bad = msgpack_pack_array(pk, n);
    for (size_t i = 0; i < n && !bad; i++)
        bad |= put_json(pk, json_object_array_get_idx(o, i), depth + 1);
    return bad;
}

static int put_int(msgpack_packer *pk, struct json_object *o)
{
    int64_t v = json_object_get_int64(o);
    return v == INT64_MAX ? msgpack_pack_uint64(pk, json_object_get_uint64(o)) : msgpack_pack_int64(pk, v); /* it clamps */
}

static int put_json(msgpack_packer *pk, struct json_object *o, unsigned depth)
{
    if (depth > MMR_FLUENT_JSON_DEPTH)
        return -1;
    switch (json_object_get_type(o)) {
    case json_type_boolean: return json_object_get_boolean(o) ? msgpack_pack_true(pk) : msgpack_pack_false(pk);
    case json_type_int: return put_int(pk, o);
    case json_type_double: return msgpack_pack_double(pk, json_object_get_double(o));
    case json_type_string: return put_text(pk, json_object_get_string(o), (size_t)json_object_get_string_len(o));
    case json_type_array: return put_list(pk, o, depth);
    case json_type_object: return put_map(pk, o, depth);
    case json_type_null: break;
    }
    return msgpack_pack_nil(pk);
}

/* EventTime: ext type 0 of eight bytes, seconds and nanoseconds. */
static int put_time(msgpack_packer *pk, int64_t ns)
{
    uint32_t part[2] = {(uint32_t)(ns / NS_PER_S), (uint32_t)(ns % NS_PER_S)};
    uint8_t b[8];
    for (size_t i = 0; i < sizeof b; i++)
        b[i] = (uint8_t)(part[i / 4] >> (24 - 8 * (i % 4)));
    return msgpack_pack_ext(pk, sizeof b, 0) != 0 || msgpack_pack_ext_body(pk, b, sizeof b) != 0;
}

static void name_chunk(const void *data, size_t len, uint64_t seq, char ret[MMR_FLUENT_CHUNK_TEXT + 1])
{
    uint8_t sum[CHUNK_BYTES];
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, NULL, 0, sizeof sum);
    (void)crypto_generichash_update(&state, (const uint8_t *)&seq, sizeof seq);
    (void)crypto_generichash_update(&state, data, len);
    (void)crypto_generichash_final(&state, sum, sizeof sum);
    (void)sodium_bin2base64(ret, MMR_FLUENT_CHUNK_TEXT + 1, sum, sizeof sum, sodium_base64_VARIANT_ORIGINAL);
}

static struct json_object *parse(const void *data, size_t len)
{
    struct json_tokener *t = json_tokener_new_ex(MMR_FLUENT_JSON_DEPTH);
    struct json_object *o = t && len <= INT32_MAX ? json_tokener_parse_ex(t, data, (int)len) : NULL;
    json_tokener_free(t);
    if (json_object_is_type(o, json_type_object))
        return o;
    json_object_put(o);
    return NULL;
}

static int64_t time_of(struct json_object *o, int64_t now_ns)
{
    struct json_object *v = NULL;
    int64_t ms = json_object_object_get_ex(o, "time", &v) && json_object_is_type(v, json_type_int) ? json_object_get_int64(v) : 0;
    return ms > 0 && ms / 1000 <= UINT32_MAX ? ms * NS_PER_MS : now_ns;
}

static void tag_of(const char *first, struct json_object *o, char *buf, size_t cap)
{
    struct json_object *v = NULL;
    const char *kind = json_object_object_get_ex(o, "kind", &v) ? json_object_get_string(v) : NULL;
    if (json_object_object_get_ex(o, "class_uid", &v) && json_object_is_type(v, json_type_int))
        (void)snprintf(buf, cap, "%s.%d", first, json_object_get_int(v));
    else
        (void)snprintf(buf, cap, "%s.%s", first, kind && (strcmp(kind, "notice") == 0 || strcmp(kind, "report") == 0) ? kind : "record");
}

/* Hands the buffer over; a message that could not be made whole is none. */
static int give(msgpack_sbuffer *b, int bad, uint8_t **ret, size_t *ret_len, struct mmr_error *err)
{
    *ret_len = b->size;
    *ret = bad ? NULL : (uint8_t *)msgpack_sbuffer_release(b);
    msgpack_sbuffer_destroy(b);
    return *ret ? 0 : mmr_fail(err, MMR_ENOMEM, "a message of the forward protocol: out of memory");
}

int mmr_fluent_chunk(const char *tag, const void *data, size_t len, uint64_t seq, int64_t now_ns, char chunk[MMR_FLUENT_CHUNK_TEXT + 1], uint8_t **ret,
                     size_t *ret_len, struct mmr_error *err)
{
    msgpack_sbuffer entry, out;
    msgpack_packer pk;
    char whole[MMR_FLUENT_TAG_MAX + 16];
    if (strlen(tag) > MMR_FLUENT_TAG_MAX)
        return mmr_fail(err, MMR_EINVAL, "a tag of %zu bytes; expected at most %d", strlen(tag), MMR_FLUENT_TAG_MAX);
    struct json_object *o = parse(data, len);
    if (!o)
        return mmr_fail(err, MMR_EBADMSG, "a record of %zu bytes is no JSON object of at most %d levels", len, MMR_FLUENT_JSON_DEPTH);
    msgpack_sbuffer_init(&entry);
    msgpack_packer_init(&pk, &entry, msgpack_sbuffer_write);
    int bad = msgpack_pack_array(&pk, 2) || put_time(&pk, time_of(o, now_ns)) || put_json(&pk, o, 0);
    tag_of(tag, o, whole, sizeof whole);
    json_object_put(o);
    name_chunk(data, len, seq, chunk);
    msgpack_sbuffer_init(&out);
    msgpack_packer_init(&pk, &out, msgpack_sbuffer_write);
    bad = bad || msgpack_pack_array(&pk, 3) || put_word(&pk, whole) || msgpack_pack_bin(&pk, entry.size) || msgpack_pack_bin_body(&pk, entry.data, entry.size) ||
          msgpack_pack_map(&pk, 2) || put_word(&pk, "chunk") || put_word(&pk, chunk) || put_word(&pk, "size") || msgpack_pack_int(&pk, 1);
    msgpack_sbuffer_destroy(&entry);
    return give(&out, bad, ret, ret_len, err);
}

struct part {
    const void *p;
    size_t n;
};
static struct part text_part(const char *text)
{
    return (struct part){text, strlen(text)};
}
/* hex(sha512(parts in a row)) */
static void digest(const struct part *part, size_t n, char ret[MMR_FLUENT_DIGEST_TEXT + 1])
{
    crypto_hash_sha512_state state;
    uint8_t sum[crypto_hash_sha512_BYTES];
    (void)crypto_hash_sha512_init(&state);
    for (size_t i = 0; i < n; i++)
        if (part[i].n)
            (void)crypto_hash_sha512_update(&state, part[i].p, part[i].n);
    (void)crypto_hash_sha512_final(&state, sum);
    (void)sodium_bin2hex(ret, MMR_FLUENT_DIGEST_TEXT + 1, sum, sizeof sum);
}

static void key_digest(const struct mmr_fluent_self *self, const struct mmr_fluent_session *s, struct part name, char ret[MMR_FLUENT_DIGEST_TEXT + 1])
{
    const struct part parts[] = {text_part(s->salt), name, {s->nonce, s->n_nonce}, text_part(self->key)};
    digest(parts, 4, ret);
}

int mmr_fluent_ping(const struct mmr_fluent_self *self, struct mmr_fluent_session *s, uint8_t **ret, size_t *ret_len, struct mmr_error *err)
{
    msgpack_sbuffer out;
    msgpack_packer pk;
    uint8_t salt[16];
    char key[MMR_FLUENT_DIGEST_TEXT + 1], password[MMR_FLUENT_DIGEST_TEXT + 1] = "";
    if (s->n_auth && !self->user)
        return mmr_fail(err, MMR_EPERM, "the receiver asks for a user; set 'user' and 'password_file'");
    randombytes_buf(salt, sizeof salt);
    (void)sodium_bin2hex(s->salt, sizeof s->salt, salt, sizeof salt);
    key_digest(self, s, text_part(self->name), key);
    if (s->n_auth) {
        const struct part parts[] = {{s->auth, s->n_auth}, text_part(self->user), text_part(self->password)};
        digest(parts, 3, password);
    }
    msgpack_sbuffer_init(&out);
    msgpack_packer_init(&pk, &out, msgpack_sbuffer_write);
    int bad = msgpack_pack_array(&pk, 6) || put_word(&pk, "PING") || put_word(&pk, self->name) || put_word(&pk, s->salt) || put_word(&pk, key) ||
              put_word(&pk, s->n_auth ? self->user : "") || put_word(&pk, password);
    return give(&out, bad, ret, ret_len, err);
}

/* ---- what the peer answers ---- */

static bool read_text(struct mmr_mp_cur *c, struct mmr_fluent_text *ret)
{
    struct mmr_mp_item it;
    if (!mmr_mp_read(c, &it) || (it.type != MMR_MP_STR && it.type != MMR_MP_BIN))
        return false;
    *ret = (struct mmr_fluent_text){(const char *)it.p, it.n};
    return true;
}

static bool is_word(struct mmr_fluent_text t, const char *word)
{
    return t.n == strlen(word) && memcmp(t.p, word, t.n) == 0;
}

/* Of a map, the value of each wanted name, where it is text; others are stepped over. */
static bool pick(struct mmr_mp_cur *c, uint32_t pairs, const char *const *name, struct mmr_fluent_text *const *ret, size_t n)
{
    struct mmr_fluent_text key, value;
    for (uint32_t i = 0; i < pairs; i++) {
        if (!read_text(c, &key))
            return false;
        struct mmr_mp_cur at = *c;
        if (!mmr_mp_skip(c))
            return false;
        for (size_t k = 0; k < n; k++)
            if (is_word(key, name[k]) && read_text(&at, &value))
                *ret[k] = value;
    }
    return true;
}

static bool read_helo(struct mmr_mp_cur *c, struct mmr_fluent_answer *a)
{
    static const char *const names[] = {"nonce", "auth"};
    struct mmr_fluent_text *const to[] = {&a->nonce, &a->auth};
    struct mmr_mp_item it;
    a->kind = MMR_FLUENT_HELO;
    return mmr_mp_read(c, &it) && it.type == MMR_MP_MAP && pick(c, it.n, names, to, 2);
}

static bool read_pong(struct mmr_mp_cur *c, struct mmr_fluent_answer *a)
{
    struct mmr_mp_item it;
    a->kind = MMR_FLUENT_PONG;
    if (!mmr_mp_read(c, &it) || it.type != MMR_MP_BOOL)
        return false;
    a->is_ok = it.v.i != 0;
    return read_text(c, &a->reason) && read_text(c, &a->name) && read_text(c, &a->digest);
}

static bool read_answer(struct mmr_mp_cur *c, struct mmr_fluent_answer *a)
{
    static const char *const names[] = {"ack"};
    struct mmr_fluent_text *const to[] = {&a->chunk};
    struct mmr_fluent_text head;
    struct mmr_mp_item it;
    if (!mmr_mp_read(c, &it))
        return false;
    if (it.type == MMR_MP_MAP) {
        a->kind = MMR_FLUENT_ACK;
        return pick(c, it.n, names, to, 1) && a->chunk.n;
    }
    if (it.type != MMR_MP_ARRAY)
        return false;
    if (!read_text(c, &head))
        return false;
    return (it.n == 2 && is_word(head, "HELO") && read_helo(c, a)) || (it.n == 5 && is_word(head, "PONG") && read_pong(c, a));
}

int mmr_fluent_answer(const uint8_t *p, size_t len, size_t *ret_used, struct mmr_fluent_answer *ret, struct mmr_error *err)
{
    struct mmr_mp_scan scan = {0};
    struct mmr_fluent_answer a = {0};
    if (!len)
        return 0;
    int r = mmr_mp_scan(&scan, p, len, MMR_FLUENT_ANSWER_MAX);
    if (r == MMR_ETOOBIG)
        return mmr_fail(err, r, "an answer of over %d bytes or %d levels", MMR_FLUENT_ANSWER_MAX, MMR_MP_DEPTH_MAX);
    if (r == 0)
        return 0;
    struct mmr_mp_cur c = {p, scan.off, false};
    if (r < 0 || !read_answer(&c, &a) || c.bad || c.left)
        return mmr_fail(err, MMR_EBADMSG, "found no answer of the forward protocol, expected HELO, PONG or an acknowledgement; is 'server' a Fluentd forward input?");
    *ret_used = scan.off;
    *ret = a;
    return 1;
}

int mmr_fluent_hello(struct mmr_fluent_session *s, const struct mmr_fluent_answer *helo, struct mmr_error *err)
{
    if (!helo->nonce.n || helo->nonce.n > sizeof s->nonce || helo->auth.n > sizeof s->auth)
        return mmr_fail(err, MMR_EBADMSG, "HELO with a nonce of %zu and a salt of %zu bytes; expected at most %d", helo->nonce.n, helo->auth.n, MMR_FLUENT_NONCE_MAX);
    memcpy(s->nonce, helo->nonce.p, helo->nonce.n);
    s->n_nonce = helo->nonce.n;
    if (helo->auth.n)
        memcpy(s->auth, helo->auth.p, helo->auth.n);
    s->n_auth = helo->auth.n;
    return 0;
}

int mmr_fluent_pong(const struct mmr_fluent_self *self, const struct mmr_fluent_session *s, const struct mmr_fluent_answer *pong, struct mmr_error *err)
{
    char want[MMR_FLUENT_DIGEST_TEXT + 1];
    if (!pong->is_ok)
        return mmr_fail(err, MMR_EPERM, "the receiver refused us: %.*s", (int)(pong->reason.n < 100 ? pong->reason.n : 100), pong->reason.n ? pong->reason.p : "");
    if (pong->name.n == strlen(self->name) && memcmp(pong->name.p, self->name, pong->name.n) == 0) /* our own proof thrown back would pass */
        return mmr_fail(err, MMR_EPERM, "the receiver has our own name '%.60s'; set another 'hostname'", self->name);
    key_digest(self, s, (struct part){pong->name.p, pong->name.n}, want);
    if (pong->digest.n != MMR_FLUENT_DIGEST_TEXT || sodium_memcmp(pong->digest.p, want, MMR_FLUENT_DIGEST_TEXT) != 0)
        return mmr_fail(err, MMR_EPERM, "the receiver did not prove that it has the shared key; is it the right one?");
    return 0;
}
