/* prefilter.c - see prefilter.h. */
#include <rules/prefilter.h>

#include <hs/hs.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 1 << 16, WINDOW = 4 };

struct plain { /* each literal hangs at the hash of its first four bytes (or fewer), case folded */
    uint32_t *head[WINDOW]; /* by bytes hashed - 1: literal index + 1; NULL where no literal is that short */
    uint32_t *next;
    uint8_t *bytes; /* folded */
    uint32_t *at, *len;
    uint32_t n;
};
struct prefilter {
    _Atomic uint32_t owners;
    hs_database_t *db;
    struct plain *plain;
    size_t bytes;
    uint8_t *made_of; /* the literals, one behind the other as say() writes them */
    size_t made_of_len;
};
struct prefilter_scratch {
    hs_scratch_t *hs;
};

static uint8_t fold(uint8_t c) { return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c; }

static uint32_t hash_at(const uint8_t *p, uint32_t n)
{
    uint32_t h = 0;
    for (uint32_t i = 0; i < n; i++)
        h = h << 8 | fold(p[i]);
    return (h * 2654435761u) >> 16;
}

static void plain_free(struct plain *pl)
{
    if (!pl)
        return;
    for (unsigned i = 0; i < WINDOW; i++)
        free(pl->head[i]);
    free(pl->next);
    free(pl->bytes);
    free(pl->at);
    free(pl->len);
    free(pl);
}

static struct plain *plain_new(const struct literal *lits, uint32_t n)
{
    struct plain *pl = calloc(1, sizeof *pl);
    size_t total = 0, used = 0;
    if (!pl)
        return NULL;
    for (uint32_t i = 0; i < n; i++)
        total += lits[i].len;
    pl->n = n;
    pl->next = calloc(n + 1, sizeof *pl->next);
    pl->at = calloc(n + 1, sizeof *pl->at);
    pl->len = calloc(n + 1, sizeof *pl->len);
    pl->bytes = malloc(total + 1);
    bool is_ok = pl->next && pl->at && pl->len && pl->bytes && total < UINT32_MAX;
    for (uint32_t i = 0; is_ok && i < n; i++) {
        uint32_t w = lits[i].len < WINDOW ? lits[i].len : WINDOW;
        if (!w)
            continue;
        uint32_t *heads = pl->head[w - 1];
        if (!heads && !(heads = pl->head[w - 1] = calloc(BUCKETS, sizeof *heads))) {
            is_ok = false;
            break;
        }
        pl->at[i] = (uint32_t)used;
        pl->len[i] = lits[i].len;
        for (uint32_t k = 0; k < lits[i].len; k++)
            pl->bytes[used++] = fold(lits[i].p[k]);
        uint32_t *head = &heads[hash_at(lits[i].p, w)];
        pl->next[i] = *head;
        *head = i + 1;
    }
    if (!is_ok) {
        plain_free(pl);
        return NULL;
    }
    return pl;
}

static void plain_scan(const struct plain *pl, const uint8_t *data, size_t len, void (*hit)(void *, uint32_t), void *ctx)
{
    for (uint32_t w = 1; w <= WINDOW; w++) {
        if (!pl->head[w - 1])
            continue;
        for (size_t i = 0; i + w <= len; i++)
            for (uint32_t k = pl->head[w - 1][hash_at(data + i, w)]; k; k = pl->next[k - 1]) {
                uint32_t n = pl->len[k - 1], j = 0;
                const uint8_t *lit = pl->bytes + pl->at[k - 1];
                if (n > len - i)
                    continue;
                while (j < n && fold(data[i + j]) == lit[j])
                    j++;
                if (j == n)
                    hit(ctx, k - 1);
            }
    }
}

/*
 * Up to a thousand literals Hyperscan also tries one automaton for short data: measured with version 5.4, 60 MB and more from some hundred literals on
 * while it compiles, for sets that in the end mostly go without it. Literals that no data holds bring such a set over the thousand. Below 400 it costs
 * 8 to 11 MB for a moment; to bring those over the thousand too would cost half a second at the start with 18,800 rules.
 */
enum { AUTOMATON_FROM = 400, AUTOMATON_UP_TO = 1000, FILLER_BYTES = 16 };

static uint32_t fillers(uint32_t n)
{
    return n >= AUTOMATON_FROM && n <= AUTOMATON_UP_TO ? AUTOMATON_UP_TO + 1 - n : 0;
}

/* Bytes without a pattern, the same in every run; were they ever met, literal 0 would be a candidate in vain. */
static void fill(uint8_t *p, size_t len)
{
    uint32_t x = 1;
    for (size_t i = 0; i < len; i++) {
        x = x * 1664525u + 1013904223u;
        p[i] = (uint8_t)(x >> 20);
    }
}

/* How a literal is written into made_of: length, case, bytes. Returns its length; to NULL: only that. */
static size_t say(const struct literal *l, uint8_t *to)
{
    const uint32_t len = l->len;
    if (to) {
        memcpy(to, &len, sizeof len);
        to[sizeof len] = l->is_nocase;
        memcpy(to + sizeof len + 1, l->p, len);
    }
    return sizeof len + 1 + len;
}

static int remember(struct prefilter *pf, const struct literal *lits, uint32_t n, struct mmr_error *err)
{
    for (uint32_t i = 0; i < n; i++)
        pf->made_of_len += say(&lits[i], NULL);
    pf->made_of = malloc(pf->made_of_len + 1);
    if (!pf->made_of)
        return mmr_fail(err, MMR_ENOMEM, "prefilter: out of memory");
    size_t at = 0;
    for (uint32_t i = 0; i < n; i++)
        at += say(&lits[i], pf->made_of + at);
    return 0;
}

struct prefilter *mmr_prefilter_share(struct prefilter *pf, const struct literal *lits, uint32_t n)
{
    size_t at = 0;
    for (uint32_t i = 0; pf && i < n; i++) {
        const size_t len = say(&lits[i], NULL);
        uint32_t had;
        if (len > pf->made_of_len - at)
            return NULL;
        const uint8_t *is = pf->made_of + at;
        memcpy(&had, is, sizeof had);
        if (had != lits[i].len || is[sizeof had] != lits[i].is_nocase || memcmp(is + sizeof had + 1, lits[i].p, had) != 0)
            return NULL;
        at += len;
    }
    if (!pf || at != pf->made_of_len)
        return NULL;
    pf->owners++;
    return pf;
}

int mmr_prefilter_new(const struct literal *lits, uint32_t n, bool is_plain, struct prefilter **ret,
                      struct mmr_error *err)
{
    struct prefilter *pf = calloc(1, sizeof *pf);
    const uint32_t more = is_plain ? 0 : fillers(n), all = n + more;
    const char **expr = calloc(all + 1, sizeof *expr);
    unsigned *flags = calloc(all + 1, sizeof *flags), *ids = calloc(all + 1, sizeof *ids);
    size_t *lens = calloc(all + 1, sizeof *lens);
    uint8_t *filler = calloc(more + 1, FILLER_BYTES);
    int rc = pf && expr && flags && ids && lens && filler ? 0 : mmr_fail(err, MMR_ENOMEM, "prefilter: out of memory");
    if (pf)
        pf->owners = 1;
    if (rc == 0)
        rc = remember(pf, lits, n, err);
    if (rc == 0 && !is_plain && hs_valid_platform() == HS_SUCCESS) {
        hs_compile_error_t *why = NULL;
        for (uint32_t i = 0; i < n; i++) {
            expr[i] = (const char *)lits[i].p;
            lens[i] = lits[i].len < PREFILTER_LITERAL_MAX ? lits[i].len : PREFILTER_LITERAL_MAX;
            flags[i] = HS_FLAG_SINGLEMATCH | (lits[i].is_nocase ? HS_FLAG_CASELESS : 0);
            ids[i] = i;
        }
        fill(filler, (size_t)more * FILLER_BYTES);
        for (uint32_t i = 0; i < more; i++) {
            expr[n + i] = (const char *)filler + (size_t)i * FILLER_BYTES;
            lens[n + i] = FILLER_BYTES;
            flags[n + i] = HS_FLAG_SINGLEMATCH;
        }
        if (hs_compile_lit_multi(expr, flags, ids, lens, all, HS_MODE_BLOCK, NULL, &pf->db, &why) != HS_SUCCESS) {
            rc = mmr_fail(err, MMR_EINTERNAL, "prefilter of %u literals: %s", n, why && why->message ? why->message : "failed");
            hs_free_compile_error(why);
        } else {
            (void)hs_database_size(pf->db, &pf->bytes);
        }
    } else if (rc == 0 && !(pf->plain = plain_new(lits, n))) {
        rc = mmr_fail(err, MMR_ENOMEM, "prefilter: out of memory");
    }
    free(expr);
    free(flags);
    free(ids);
    free(lens);
    free(filler);
    if (rc < 0) {
        mmr_prefilter_free(pf);
        return rc;
    }
    *ret = pf;
    return 0;
}

void mmr_prefilter_free(struct prefilter *pf)
{
    if (!pf || --pf->owners)
        return;
    free(pf->made_of);
    if (pf->db)
        (void)hs_free_database(pf->db);
    plain_free(pf->plain);
    free(pf);
}

size_t mmr_prefilter_bytes(const struct prefilter *pf)
{
    return pf->bytes;
}

struct prefilter_scratch *mmr_prefilter_scratch_new(void)
{
    return calloc(1, sizeof(struct prefilter_scratch));
}

int mmr_prefilter_scratch_prepare(struct prefilter_scratch *s, const struct prefilter *pf, struct mmr_error *err)
{
    if (pf->db && hs_alloc_scratch(pf->db, &s->hs) != HS_SUCCESS)
        return mmr_fail(err, MMR_ENOMEM, "prefilter scratch: out of memory");
    return 0;
}

void mmr_prefilter_scratch_free(struct prefilter_scratch *s)
{
    if (!s)
        return;
    if (s->hs)
        (void)hs_free_scratch(s->hs);
    free(s);
}

struct hit_ctx {
    void (*hit)(void *, uint32_t);
    void *ctx;
};

static int on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *p)
{
    const struct hit_ctx *h = p;
    (void)from;
    (void)to;
    (void)flags;
    h->hit(h->ctx, id);
    return 0;
}

void mmr_prefilter_scan(const struct prefilter *pf, struct prefilter_scratch *s, const uint8_t *data, size_t len,
                        void (*hit)(void *ctx, uint32_t literal), void *ctx)
{
    if (!len || len > UINT32_MAX)
        return;
    if (pf->plain) {
        plain_scan(pf->plain, data, len, hit, ctx);
        return;
    }
    struct hit_ctx h = {hit, ctx};
    (void)hs_scan(pf->db, (const char *)data, (unsigned)len, 0, s->hs, on_match, &h);
}
