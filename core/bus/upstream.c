/* upstream.c - see upstream.h. What is read comes from a site: known, but not trusted. */
#include "bus/upstream.h"

#include "bus/frame.h"

#include <string.h>

size_t mmr_upstream_put(const struct mmr_upstream_part *p, uint8_t *buf)
{
    size_t n = mmr_wire_put_str(buf, p->kind, strlen(p->kind));
    n += mmr_wire_put_int(buf + n, p->at_ns);
    n += mmr_wire_put_uint(buf + n, p->part);
    n += mmr_wire_put_uint(buf + n, p->parts);
    return n + mmr_wire_put_bin(buf + n, p->bytes, p->len);
}

static bool is_kind(const uint8_t *s, size_t len)
{
    if (len == 0 || len > MMR_UPSTREAM_KIND_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if (s[i] != '_' && (s[i] < 'a' || s[i] > 'z'))
            return false;
    return true;
}

int mmr_upstream_read(const void *bytes, size_t len, struct mmr_upstream_part *ret, struct mmr_error *err)
{
    struct mmr_wire_cursor c = {bytes, (const uint8_t *)bytes + len, false};
    struct mmr_upstream_part p = {.at_ns = 0};
    size_t kind_len = 0;
    const uint8_t *kind = mmr_wire_bin(&c, &kind_len);
    p.at_ns = mmr_wire_int(&c);
    uint64_t part = mmr_wire_uint(&c), parts = mmr_wire_uint(&c);
    p.bytes = mmr_wire_bin(&c, &p.len);
    if (c.bad || !kind || !p.bytes || c.p != c.end)
        return mmr_fail(err, MMR_EBADMSG, "a record of %zu bytes is cut short or has bytes behind its end", len);
    if (!is_kind(kind, kind_len))
        return mmr_fail(err, MMR_EBADMSG, "a record's kind has %zu bytes or other letters than a to z; expected 1 to %d", kind_len,
                        MMR_UPSTREAM_KIND_MAX);
    if (parts == 0 || parts > MMR_UPSTREAM_PARTS_MAX || part >= parts || p.len > MMR_UPSTREAM_PART_MAX)
        return mmr_fail(err, MMR_EBADMSG, "part %llu of %llu with %zu bytes: at most %d parts of %d bytes", (unsigned long long)part,
                        (unsigned long long)parts, p.len, MMR_UPSTREAM_PARTS_MAX, MMR_UPSTREAM_PART_MAX);
    memcpy(p.kind, kind, kind_len);
    p.part = (uint32_t)part;
    p.parts = (uint32_t)parts;
    *ret = p;
    return 0;
}

size_t mmr_upstream_put_checkpoint(const struct mmr_upstream_checkpoint *c, uint8_t buf[MMR_UPSTREAM_CHECKPOINT_MAX])
{
    size_t n = mmr_wire_put_uint(buf, c->seq);
    n += mmr_wire_put_int(buf + n, c->time_ns);
    n += mmr_wire_put_bin(buf + n, c->hash, sizeof c->hash);
    n += mmr_wire_put_bin(buf + n, c->key, sizeof c->key);
    return n + mmr_wire_put_bin(buf + n, c->sig, sizeof c->sig);
}

static void bytes_of(struct mmr_wire_cursor *c, uint8_t *to, size_t want)
{
    size_t len = 0;
    const uint8_t *p = mmr_wire_bin(c, &len);
    if (p && len == want)
        memcpy(to, p, want);
    else
        c->bad = true;
}

int mmr_upstream_read_checkpoint(const void *bytes, size_t len, struct mmr_upstream_checkpoint *ret, struct mmr_error *err)
{
    struct mmr_wire_cursor c = {bytes, (const uint8_t *)bytes + len, false};
    struct mmr_upstream_checkpoint x = {.seq = mmr_wire_uint(&c)};
    x.time_ns = mmr_wire_int(&c);
    bytes_of(&c, x.hash, sizeof x.hash);
    bytes_of(&c, x.key, sizeof x.key);
    bytes_of(&c, x.sig, sizeof x.sig);
    if (c.bad || c.p != c.end || x.seq == 0 || x.seq > INT64_MAX)
        return mmr_fail(err, MMR_EBADMSG, "a checkpoint of %zu bytes that is none: expected number, time, hash, key and signature", len);
    *ret = x;
    return 0;
}
