/* set.c - see set.h. The hash is 64 bits: with ten million entries one question in 10^12 is answered wrongly. */
#include "set.h"

#include <stdlib.h>
#include <string.h>

struct entry {
    uint64_t hash; /* 0: free */
    uint32_t expires_s;
    uint16_t label; /* 0 none */
    uint8_t list, reserved;
};
struct ind_set {
    struct entry *gathered; /* until built */
    size_t n, cap;
    struct entry *table;
    size_t slots;
    char (*labels)[IND_LABEL_MAX];
    uint32_t n_labels, cap_labels;
    uint32_t list, last_label;
    uint8_t has_bits[129];
    uint8_t has_kind[IND_KINDS];
};

const char *ind_kind_name(enum ind_kind k)
{
    static const char *const names[IND_KINDS] = {"", "address", "domain", "url", "sha256", "ja3", "ja4"};
    return k > 0 && k < IND_KINDS ? names[k] : "";
}

static uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 m = (unsigned __int128)a * b;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* Never 0. salt tells kinds and prefix lengths apart. */
static uint64_t hash(uint64_t salt, const void *p, size_t len)
{
    const uint8_t *b = p;
    uint64_t h = fold(salt ^ 0x9e3779b97f4a7c15U, len ^ 0xc2b2ae3d27d4eb4fU), v[2];
    for (; len > 0; b += len < 16 ? len : 16, len -= len < 16 ? len : 16) {
        v[0] = v[1] = 0;
        memcpy(v, b, len < 16 ? len : 16);
        h = fold(h ^ v[0] ^ 0xff51afd7ed558ccdU, v[1] ^ 0xc4ceb9fe1a85ec53U ^ h >> 32);
    }
    h = fold(h, 0x9fb21c651e98df25U);
    return h ? h : 1;
}

struct ind_set *ind_set_new(void)
{
    return calloc(1, sizeof(struct ind_set));
}

void ind_set_free(struct ind_set *s)
{
    if (!s)
        return;
    free(s->gathered);
    free(s->table);
    free(s->labels);
    free(s);
}

void ind_set_list(struct ind_set *s, uint32_t list)
{
    s->list = list < IND_LISTS_MAX ? list : IND_LISTS_MAX - 1;
}

/* Labels come in runs (an event's attributes): only the last few are compared. 0: none, or no room. */
static uint16_t label_of(struct ind_set *s, const char *text)
{
    if (!text || !text[0])
        return 0;
    uint32_t from = s->n_labels > 8 ? s->n_labels - 8 : 0;
    for (uint32_t i = s->n_labels; i > from; i--)
        if (strncmp(s->labels[i - 1], text, IND_LABEL_MAX - 1) == 0)
            return (uint16_t)i;
    if (s->n_labels == IND_LABELS_MAX)
        return 0;
    if (s->n_labels == s->cap_labels) {
        uint32_t cap = s->cap_labels ? s->cap_labels * 2 : 16;
        void *p = realloc(s->labels, (size_t)cap * sizeof *s->labels);
        if (!p)
            return 0;
        s->labels = p;
        s->cap_labels = cap;
    }
    char *to = s->labels[s->n_labels++];
    size_t n = strnlen(text, IND_LABEL_MAX - 1);
    memcpy(to, text, n);
    to[n] = '\0';
    return (uint16_t)s->n_labels;
}

static int gather(struct ind_set *s, uint64_t h, uint32_t expires_s, const char *label)
{
    if (s->n == IND_ENTRIES_MAX)
        return MMR_ETOOBIG;
    if (s->n == s->cap) {
        size_t cap = s->cap ? s->cap + s->cap / 2 : 1024;
        struct entry *e = realloc(s->gathered, cap * sizeof *e);
        if (!e)
            return MMR_ENOMEM;
        s->gathered = e;
        s->cap = cap;
    }
    s->gathered[s->n++] = (struct entry){.hash = h, .expires_s = expires_s, .label = label_of(s, label), .list = (uint8_t)s->list};
    return 0;
}

static struct mmr_addr masked(const struct mmr_addr *a, unsigned bits)
{
    struct mmr_addr m = *a;
    for (unsigned i = 0; i < 16; i++) {
        unsigned keep = bits <= i * 8 ? 0 : bits - i * 8 >= 8 ? 8 : bits - i * 8;
        m.b[i] &= (uint8_t)(0xff00U >> keep);
    }
    return m;
}

int ind_set_add_addr(struct ind_set *s, const struct mmr_addr *a, unsigned bits, uint32_t expires_s, const char *label)
{
    struct mmr_addr m = masked(a, bits > 128 ? 128 : bits);
    s->has_bits[bits > 128 ? 128 : bits] = 1;
    s->has_kind[IND_ADDR] = 1;
    return gather(s, hash((uint64_t)IND_ADDR << 8 | bits, m.b, 16), expires_s, label);
}

int ind_set_add(struct ind_set *s, enum ind_kind k, const char *text, size_t len, uint32_t expires_s, const char *label)
{
    s->has_kind[k] = 1;
    return gather(s, hash((uint64_t)k << 8, text, len), expires_s, label);
}

static size_t slot_of(const struct ind_set *s, uint64_t h)
{
    return (size_t)(((unsigned __int128)h * s->slots) >> 64);
}

/* Longer life wins where two lists name the same: 0 is for ever. */
static bool is_longer(uint32_t a, uint32_t b)
{
    return b != 0 && (a == 0 || a > b);
}

int ind_set_build(struct ind_set *s, struct mmr_error *err)
{
    s->slots = s->n + s->n / 3 + 8; /* three quarters full: 21 bytes an entry in all */
    s->table = calloc(s->slots, sizeof *s->table);
    if (!s->table)
        return mmr_fail(err, MMR_ENOMEM, "indicators: out of memory for %zu entries", s->n);
    size_t kept = 0;
    for (size_t i = 0; i < s->n; i++) {
        const struct entry *e = &s->gathered[i];
        size_t at = slot_of(s, e->hash);
        while (s->table[at].hash && s->table[at].hash != e->hash)
            at = at + 1 == s->slots ? 0 : at + 1;
        if (!s->table[at].hash) {
            s->table[at] = *e;
            kept++;
        } else if (is_longer(e->expires_s, s->table[at].expires_s)) {
            s->table[at] = *e;
        }
    }
    s->n = kept;
    free(s->gathered);
    s->gathered = NULL;
    s->cap = 0;
    return 0;
}

size_t ind_set_count(const struct ind_set *s)
{
    return s->n;
}

size_t ind_set_bytes(const struct ind_set *s)
{
    return sizeof *s + s->slots * sizeof *s->table + s->cap * sizeof *s->gathered + (size_t)s->cap_labels * sizeof *s->labels;
}

static bool find(const struct ind_set *s, uint64_t h, uint32_t now_s, struct ind_hit *ret)
{
    if (!s->table)
        return false;
    for (size_t at = slot_of(s, h); s->table[at].hash; at = at + 1 == s->slots ? 0 : at + 1) {
        const struct entry *e = &s->table[at];
        if (e->hash != h)
            continue;
        if (e->expires_s && e->expires_s <= now_s)
            return false;
        *ret = (struct ind_hit){.list = e->list, .expires_s = e->expires_s, .label = e->label ? s->labels[e->label - 1] : ""};
        return true;
    }
    return false;
}

bool ind_set_addr(const struct ind_set *s, const struct mmr_addr *a, uint32_t now_s, struct ind_hit *ret)
{
    if (!s->has_kind[IND_ADDR])
        return false;
    for (unsigned bits = 129; bits-- > 0;) {
        if (!s->has_bits[bits])
            continue;
        struct mmr_addr m = masked(a, bits);
        if (find(s, hash((uint64_t)IND_ADDR << 8 | bits, m.b, 16), now_s, ret)) {
            ret->bits = bits;
            return true;
        }
    }
    return false;
}

bool ind_set_domain(const struct ind_set *s, const char *name, size_t len, uint32_t now_s, struct ind_hit *ret)
{
    char low[256];
    if (!s->has_kind[IND_DOMAIN] || len == 0 || len >= sizeof low)
        return false;
    for (size_t i = 0; i < len; i++)
        low[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32 : name[i]);
    if (low[len - 1] == '.')
        len--;
    for (size_t at = 0; at < len;) {
        if (find(s, hash((uint64_t)IND_DOMAIN << 8, low + at, len - at), now_s, ret)) {
            ret->at = at;
            return true;
        }
        const char *dot = memchr(low + at, '.', len - at);
        if (!dot)
            break;
        at = (size_t)(dot - low) + 1;
    }
    return false;
}

bool ind_set_text(const struct ind_set *s, enum ind_kind k, const char *text, size_t len, uint32_t now_s, struct ind_hit *ret)
{
    return s->has_kind[k] && len && find(s, hash((uint64_t)k << 8, text, len), now_s, ret);
}
