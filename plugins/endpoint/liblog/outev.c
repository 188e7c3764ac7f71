/* outev.c - field by field into an event, each once. */
#include "outev.h"
#include "charset.h"

#include <arpa/inet.h>
#include <string.h>

enum { NAME_MAX_BYTES = 100, HEADROOM = 32 };

static int lower(int c)
{
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

bool mmr_slice_is_nocase(struct mmr_slice s, const char *text)
{
    size_t n = strlen(text);
    if (!s.p || s.n != n)
        return false;
    if (memcmp(s.p, text, n) == 0)
        return true;
    for (size_t i = 0; i < n; i++)
        if (lower((unsigned char)s.p[i]) != lower((unsigned char)text[i]))
            return false;
    return true;
}

uint32_t mmr_slice_hash(struct mmr_slice s)
{
    uint32_t h = 2166136261u;
    for (uint32_t i = 0; i < s.n; i++)
        h = (h ^ (uint32_t)lower((unsigned char)s.p[i])) * 16777619u;
    return h;
}

bool mmr_slice_int(struct mmr_slice s, int64_t *ret)
{
    int64_t v = 0;
    uint32_t i = 0, base = 10;
    bool is_neg = false;
    if (!s.p || !s.n)
        return false;
    if (s.n > 2 && s.p[0] == '0' && (s.p[1] == 'x' || s.p[1] == 'X')) {
        base = 16;
        i = 2;
    } else if (s.p[0] == '-') {
        is_neg = true;
        i = 1;
    }
    if (i == s.n)
        return false;
    for (; i < s.n; i++) {
        int c = lower((unsigned char)s.p[i]);
        int d = c >= '0' && c <= '9' ? c - '0' : base == 16 && c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (d < 0 || __builtin_mul_overflow(v, (int64_t)base, &v) || __builtin_add_overflow(v, d, &v))
            return false;
    }
    *ret = is_neg ? -v : v;
    return true;
}

static uint32_t find(const struct mmr_outev *o, const char *key, size_t n)
{
    uint32_t h = mmr_bytes_hash(key, n, 0) & 511;
    for (; o->slot[h]; h = (h + 1) & 511) {
        uint32_t i = o->slot[h] - 1u;
        if (o->key_len[i] == n && memcmp(o->ev.buf + o->key_at[i], key, n) == 0)
            break;
    }
    return h;
}

/* Claims the key; false when the event has it or has no room for `need` more bytes. */
static bool claim(struct mmr_outev *o, const char *key, size_t need)
{
    size_t n = strlen(key);
    uint32_t h = find(o, key, n);
    if (o->slot[h])
        return false;
    if (n > MMR_EVENT_KEY_MAX || o->ev.fields >= MMR_EVENT_FIELDS_MAX ||
        o->ev.cap - o->ev.len < need + n + HEADROOM) {
        o->left_out++;
        return false;
    }
    uint32_t i = o->ev.fields;
    o->slot[h] = (uint16_t)(i + 1);
    o->key_at[i] = (uint32_t)o->ev.len + (n < 32 ? 1 : 2); /* behind the MessagePack head */
    o->key_len[i] = (uint8_t)n;
    return true;
}

void mmr_out_begin_severity(struct mmr_outev *o, void *buf, size_t cap, const char *kind, uint32_t class_uid,
                   uint32_t activity_id, const struct mmr_origin *from, uint32_t severity)
{
    memset(o->slot, 0, sizeof o->slot);
    o->left_out = 0;
    mmr_event_begin_map(&o->ev, buf, cap);
    mmr_out_str(o, "mamori.kind", kind);
    mmr_out_int(o, "class_uid", class_uid);
    mmr_out_int(o, "activity_id", activity_id);
    mmr_out_int(o, "time", from->time_ns);
    mmr_out_int(o, "severity_id", severity);
    if (from->input) {
        mmr_out_str(o, "mamori.input", from->input);
        mmr_out_int(o, "mamori.index", (int64_t)from->index);
    }
}

void mmr_out_begin(struct mmr_outev *o, void *buf, size_t cap, const char *kind, uint32_t class_uid,
                   uint32_t activity_id, const struct mmr_origin *from)
{
    mmr_out_begin_severity(o, buf, cap, kind, class_uid, activity_id, from, 1);
}

void mmr_out_strn(struct mmr_outev *o, const char *key, const char *p, size_t n)
{
    if (o->charset && p && !mmr_charset_is_utf8(p, n)) {
        size_t len = 0;
        const char *text = mmr_charset_from_cp932(o->charset, p, n, &len);
        p = text ? text : p;
        n = text ? len : n;
    }
    size_t most = n > MMR_EVENT_STR_MAX / 3 ? MMR_EVENT_STR_MAX : n * 3; /* every byte may become U+FFFD */
    if (p && claim(o, key, most))
        mmr_event_strn(&o->ev, key, p, n);
}

void mmr_out_str(struct mmr_outev *o, const char *key, const char *text)
{
    if (text)
        mmr_out_strn(o, key, text, strlen(text));
}

void mmr_out_slice(struct mmr_outev *o, const char *key, struct mmr_slice s)
{
    if (s.p && s.n)
        mmr_out_strn(o, key, s.p, s.n);
}

void mmr_out_int(struct mmr_outev *o, const char *key, int64_t v)
{
    if (claim(o, key, 9))
        mmr_event_int(&o->ev, key, v);
}

void mmr_out_strv(struct mmr_outev *o, const char *key, const char *const *v, size_t n)
{
    size_t need = 3;
    if (n > MMR_EVENT_ARRAY_MAX)
        n = MMR_EVENT_ARRAY_MAX;
    for (size_t i = 0; i < n; i++) {
        size_t l = strlen(v[i]);
        need += (l > MMR_EVENT_STR_MAX / 3 ? MMR_EVENT_STR_MAX : l * 3) + 3;
    }
    if (claim(o, key, need))
        mmr_event_strv(&o->ev, key, v, n);
}

void mmr_out_unmapped(struct mmr_outev *o, struct mmr_slice name, struct mmr_slice val)
{
    char key[9 + NAME_MAX_BYTES + 1] = "unmapped.";
    if (!name.n || !val.p)
        return;
    size_t n = name.n > NAME_MAX_BYTES ? NAME_MAX_BYTES : name.n;
    for (size_t i = 0; i < n; i++)
        key[9 + i] = name.p[i] > 0x1f && name.p[i] < 0x7f ? name.p[i] : '_';
    key[9 + n] = '\0';
    mmr_out_strn(o, key, val.p, val.n);
}

bool mmr_out_has(const struct mmr_outev *o, const char *key)
{
    return o->slot[find(o, key, strlen(key))] != 0;
}

bool mmr_out_addr(struct mmr_outev *o, const char *key, struct mmr_slice s)
{
    char text[INET6_ADDRSTRLEN + 1];
    struct in6_addr a6;
    struct in_addr a4;
    if (!s.p || !s.n || s.n >= sizeof text)
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    char *zone = memchr(text, '%', s.n);
    if (zone)
        *zone = '\0'; /* fe80::1%12: the zone is this machine's affair */
    if (inet_pton(AF_INET, text, &a4) == 1) {
        mmr_out_str(o, key, text);
        return true;
    }
    if (inet_pton(AF_INET6, text, &a6) != 1)
        return false;
    if (IN6_IS_ADDR_V4MAPPED(&a6)) {
        memcpy(&a4, a6.s6_addr + 12, 4);
        if (!inet_ntop(AF_INET, &a4, text, sizeof text))
            return false;
    } else if (!inet_ntop(AF_INET6, &a6, text, sizeof text)) {
        return false;
    }
    mmr_out_str(o, key, text);
    return true;
}

void mmr_out_account(struct mmr_outev *o, const char *prefix, struct mmr_slice s)
{
    char key[64];
    size_t n = strlen(prefix);
    if (!s.p || !s.n || n > sizeof key - 8)
        return;
    memcpy(key, prefix, n);
    const char *cut = memchr(s.p, '\\', s.n);
    if (cut) {
        memcpy(key + n, "domain", 7);
        mmr_out_strn(o, key, s.p, (size_t)(cut - s.p));
        s.n -= (uint32_t)(cut + 1 - s.p);
        s.p = cut + 1;
    }
    memcpy(key + n, "name", 5);
    mmr_out_slice(o, key, s);
}

struct mmr_slice mmr_slice_base(struct mmr_slice path)
{
    for (uint32_t i = path.n; i > 0; i--)
        if (path.p[i - 1] == '/' || path.p[i - 1] == '\\')
            return (struct mmr_slice){path.p + i, path.n - i, 0};
    return path;
}
