/* order.c - fixed heads in little endian, read through a cursor that cannot step past the end. */
#include "plugin/order.h"

#include "plugin/describe.h"

#include <mamori/event.h>

#include <string.h>

static void put(uint8_t *p, uint64_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get(const uint8_t *p, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

int mmr_order_encode(const struct mmr_action *a, void *buf, size_t cap, size_t *ret_len)
{
    uint8_t *p = buf;
    size_t verb = strnlen(a->verb, MMR_ORDER_VERB_MAX + 1), head = 13 + verb;
    if (verb > MMR_ORDER_VERB_MAX || !mmr_plugin_name_is_valid(a->verb))
        return MMR_EINVAL;
    if (a->len > MMR_EVENT_BYTES_MAX || head + a->len > cap)
        return MMR_ETOOBIG;
    put(p, a->flags, 4);
    put(p + 4, (uint64_t)a->ttl_ms, 8);
    p[12] = (uint8_t)verb;
    memcpy(p + 13, a->verb, verb);
    if (a->len)
        memcpy(p + head, a->msgpack, a->len);
    *ret_len = head + a->len;
    return 0;
}

int mmr_order_decode(const void *bytes, size_t len, uint64_t id, char *verb, struct mmr_action *ret,
                     struct mmr_error *err)
{
    const uint8_t *p = bytes;
    if (len < 13 || p[12] > MMR_ORDER_VERB_MAX || len < 13u + p[12])
        return mmr_fail(err, MMR_EBADMSG, "order %llu: %zu bytes are cut short", (unsigned long long)id, len);
    memcpy(verb, p + 13, p[12]);
    verb[p[12]] = '\0';
    if (strlen(verb) != p[12] || !mmr_plugin_name_is_valid(verb))
        return mmr_fail(err, MMR_EBADMSG, "order %llu: the verb is no dotted name", (unsigned long long)id);
    int64_t ttl_ms = (int64_t)get(p + 4, 8);
    if (ttl_ms < 0)
        return mmr_fail(err, MMR_EBADMSG, "order %llu: a lease of %lld ms", (unsigned long long)id, (long long)ttl_ms);
    *ret = (struct mmr_action){.struct_size = sizeof *ret, .flags = (uint32_t)get(p, 4), .id = id, .verb = verb,
                               .ttl_ms = ttl_ms, .msgpack = p + 13 + p[12], .len = len - 13u - p[12]};
    return 0;
}

int mmr_receipt_wrap(int code, const void *msgpack, size_t len, void *buf, size_t cap, size_t *ret_len)
{
    uint8_t *p = buf;
    if (cap < MMR_RECEIPT_HEAD || len > cap - MMR_RECEIPT_HEAD)
        return MMR_ETOOBIG;
    put(p, (uint64_t)(int64_t)code, 4);
    if (len)
        memcpy(p + MMR_RECEIPT_HEAD, msgpack, len);
    *ret_len = MMR_RECEIPT_HEAD + len;
    return 0;
}

int mmr_receipt_unwrap(const void *bytes, size_t len, int *ret_code, const void **ret_msgpack, size_t *ret_len,
                       struct mmr_error *err)
{
    const uint8_t *p = bytes;
    if (len < MMR_RECEIPT_HEAD)
        return mmr_fail(err, MMR_EBADMSG, "receipt of %zu bytes is cut short", len);
    *ret_code = (int32_t)get(p, 4);
    *ret_msgpack = p + MMR_RECEIPT_HEAD;
    *ret_len = len - MMR_RECEIPT_HEAD;
    return 0;
}

size_t mmr_forwarded_wrap(int level, int64_t time_ns, const char *detail, uint8_t buf[MMR_FORWARDED_MAX])
{
    size_t n = detail ? strnlen(detail, MMR_FORWARDED_DETAIL_MAX) : 0;
    put(buf, (uint64_t)(int64_t)level, 4);
    put(buf + 4, (uint64_t)time_ns, 8);
    if (n)
        memcpy(buf + 12, detail, n);
    return 12 + n;
}

int mmr_forwarded_unwrap(const void *bytes, size_t len, int *ret_level, int64_t *ret_time_ns, char *detail,
                         struct mmr_error *err)
{
    const uint8_t *p = bytes;
    if (len < 12 || len > MMR_FORWARDED_MAX)
        return mmr_fail(err, MMR_EBADMSG, "answer of a forwarder has %zu bytes, expected 12 to %d", len,
                        MMR_FORWARDED_MAX);
    *ret_level = (int32_t)get(p, 4);
    *ret_time_ns = (int64_t)get(p + 4, 8);
    memcpy(detail, p + 12, len - 12);
    detail[len - 12] = '\0';
    return 0;
}
