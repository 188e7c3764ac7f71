/*
 * values.c - what a rule's field means in one event: its values as texts and numbers, put together again where the sensors took
 * them apart. Nothing here allocates; what finds no room is counted.
 */
#include "sigma/match.h"

#include <stdio.h>
#include <string.h>

/* Rules name a field without the blanks it has in the log ("Threat Name": specification, Field Usage). */
static bool is_key(const struct key *k, const char *p, uint32_t len)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < len; i++)
        if (p[i] != ' ' && (at == k->len || k->name[at++] != p[i]))
            return false;
    return at == k->len;
}

void sigma_fill_slots(struct sigma_matcher *m)
{
    for (uint32_t i = 0; i < m->view->n; i++) {
        const struct mmr_field *f = &m->view->f[i];
        uint32_t h = 2166136261u;
        for (uint32_t k = 0; k < f->key_len; k++)
            if (f->key[k] != ' ')
                h = (h ^ (unsigned char)f->key[k]) * 16777619u;
        if (!h)
            h = 1;
        for (uint32_t at = h & (m->keys_cap - 1); m->keys[at].name; at = (at + 1) & (m->keys_cap - 1)) {
            const struct key *k = &m->keys[at];
            if (k->hash == h && is_key(k, f->key, f->key_len)) {
                m->slot_gen[at] = m->gen;
                m->slot[at] = (uint16_t)i;
                break;
            }
        }
    }
}

static const struct mmr_value *by_key(const struct sigma_matcher *m, uint32_t key)
{
    return m->slot_gen[key] == m->gen ? &m->view->f[m->slot[key]].v : NULL;
}

static char *scratch(struct sigma_matcher *m, size_t n)
{
    if (n > SCRATCH_BYTES - m->text_used)
        return NULL;
    char *p = m->text + m->text_used;
    m->text_used += n;
    return p;
}

static void add_text(struct sigma_matcher *m, const char *p, size_t len)
{
    if (m->n_values == VALUES_POOL) {
        m->s->stats.text_limits++;
        return;
    }
    m->values[m->n_values++] = (struct value){.p = p, .len = (uint32_t)len, .is_text = true};
}

static void add_value(struct sigma_matcher *m, const struct mmr_value *v)
{
    char buf[40];
    double number = 0;
    int n = 0;
    switch (v->type) {
    case MMR_VAL_STR:
        add_text(m, (const char *)v->p, v->len);
        return;
    case MMR_VAL_ARRAY: {
        struct mmr_array_it it = {0};
        const char *p;
        size_t len;
        while (mmr_value_next(v, &it, &p, &len))
            add_text(m, p, len);
        return;
    }
    case MMR_VAL_BOOL:
        add_text(m, v->n.i ? "true" : "false", v->n.i ? 4 : 5);
        return;
    case MMR_VAL_INT:
        number = (double)v->n.i;
        n = snprintf(buf, sizeof buf, "%lld", (long long)v->n.i);
        break;
    case MMR_VAL_UINT:
        number = (double)v->n.u;
        n = snprintf(buf, sizeof buf, "%llu", (unsigned long long)v->n.u);
        break;
    case MMR_VAL_FLOAT:
        number = v->n.f;
        n = snprintf(buf, sizeof buf, "%.15g", v->n.f);
        break;
    default:
        return;
    }
    char *p = n > 0 && m->n_values < VALUES_POOL ? scratch(m, (size_t)n) : NULL;
    if (!p) {
        m->s->stats.text_limits++;
        return;
    }
    memcpy(p, buf, (size_t)n);
    m->values[m->n_values++] = (struct value){.p = p, .len = (uint32_t)n, .has_number = true, .number = number};
}

/* One text of up to three pieces; NULL, and counted, for lack of room */
static char *joined(struct sigma_matcher *m, const char *head, const struct mmr_value *a, const char *mid, const struct mmr_value *b, size_t *ret_len)
{
    size_t n = strlen(head), k = strlen(mid);
    *ret_len = n + a->len + k + b->len;
    char *p = scratch(m, *ret_len);
    if (!p) {
        m->s->stats.text_limits++;
        return NULL;
    }
    memcpy(p, head, n);
    memcpy(p + n, a->p, a->len);
    memcpy(p + n + a->len, mid, k);
    memcpy(p + n + a->len + k, b->p, b->len);
    return p;
}

/* DOMAIN\name from its two fields */
static void add_account(struct sigma_matcher *m, const struct mmr_value *name, const struct mmr_value *domain)
{
    if (!domain || domain->type != MMR_VAL_STR || !domain->len || name->type != MMR_VAL_STR ||
        memchr(name->p, '\\', name->len)) {
        add_value(m, name);
        return;
    }
    size_t len;
    char *p = joined(m, "", domain, "\\", name, &len);
    if (p)
        add_text(m, p, len);
}

static void add_serial(struct sigma_matcher *m, const struct mmr_value *v)
{
    add_value(m, v);
    size_t zeros = 0;
    while (v->type == MMR_VAL_STR && zeros + 1 < v->len && v->p[zeros] == '0')
        zeros++;
    if (zeros)
        add_text(m, (const char *)v->p + zeros, v->len - zeros);
}

/* "SHA1=..,MD5=..", as Sysmon writes it */
static bool add_hashes(struct sigma_matcher *m, const uint32_t *keys)
{
    static const char *const names[] = {"SHA1=", "MD5=", "SHA256=", "IMPHASH="};
    char buf[1024];
    size_t n = 0;
    for (size_t k = 0; k < 4; k++) {
        const struct mmr_value *v = by_key(m, keys[k]);
        size_t head = strlen(names[k]);
        if (!v || v->type != MMR_VAL_STR)
            continue;
        if (n + head + v->len + 1 > sizeof buf) {
            m->s->stats.text_limits++;
            continue;
        }
        if (n)
            buf[n++] = ',';
        memcpy(buf + n, names[k], head);
        memcpy(buf + n + head, v->p, v->len);
        n += head + v->len;
    }
    char *p = n ? scratch(m, n) : NULL;
    if (!p)
        return false;
    memcpy(p, buf, n);
    add_text(m, p, n);
    return true;
}

/* A text of the event, "" where it has none */
static struct mmr_value text_of(const struct sigma_matcher *m, uint32_t key)
{
    const struct mmr_value *v = by_key(m, key);
    return v && v->type == MMR_VAL_STR ? *v : (struct mmr_value){.p = (const uint8_t *)""};
}

/* What was asked of a web server, as logs of servers and proxies name it: whole, or a part of it */
static bool add_url(struct sigma_matcher *m, int form)
{
    struct mmr_value path = text_of(m, m->key_url[URL_PATH]), query = text_of(m, m->key_url[URL_QUERY]), host = text_of(m, m->key_url[URL_HOST]);
    struct mmr_value whole = path;
    size_t len;
    if (!path.len && !query.len)
        return false;
    if (query.len) {
        char *p = joined(m, "", &path, "?", &query, &len);
        if (!p)
            return false;
        whole.p = (const uint8_t *)p;
        whole.len = (uint32_t)len;
    }
    const char *text = (const char *)whole.p, *mark = memchr(text, '?', whole.len);
    size_t stem = mark ? (size_t)(mark - text) : whole.len;
    switch (form) {
    case MMR_SIGMA_STEM:
        add_text(m, text, stem);
        return true;
    case MMR_SIGMA_EXTENSION:
        for (size_t i = stem; i-- > 0 && text[i] != '/';)
            if (text[i] == '.') {
                add_text(m, text + i + 1, stem - i - 1);
                return true;
            }
        return false;
    case MMR_SIGMA_QUERY:
        if (mark)
            add_text(m, mark + 1, whole.len - stem - 1);
        add_text(m, text, whole.len);
        return true;
    default:
        add_text(m, text, whole.len);
        if (host.len && text[0] == '/') {
            char *p = joined(m, "http://", &host, "", &whole, &len);
            if (p)
                add_text(m, p, len);
        }
        return true;
    }
}

const struct field_values *sigma_values_of(struct sigma_matcher *m, uint32_t field)
{
    struct field_values *fv = &m->fields[field];
    if (fv->gen == m->gen)
        return fv;
    *fv = (struct field_values){.gen = m->gen, .first = m->n_values};
    size_t rows;
    const struct mmr_sigma_field *table = mmr_sigma_fields(&rows);
    int32_t row = m->ctx->row[field];
    /* a field kept under its own name is what the rule means, whatever that name stands for elsewhere */
    const struct mmr_value *v = by_key(m, m->key_unmapped[field]);
    if (v)
        add_value(m, v);
    else if (row >= 0 && table[row].form == MMR_SIGMA_HASHES)
        fv->is_present = add_hashes(m, m->key_hash[row]);
    else if (row >= 0 && table[row].form >= MMR_SIGMA_URI && table[row].form <= MMR_SIGMA_EXTENSION)
        fv->is_present = add_url(m, table[row].form);
    else if (row >= 0 && (v = by_key(m, m->key_row[row])) && table[row].form == MMR_SIGMA_ACCOUNT)
        add_account(m, v, by_key(m, m->key_domain[row]));
    else if (v && table[row].form == MMR_SIGMA_SERIAL)
        add_serial(m, v);
    else if (v || (v = by_key(m, m->key_plain[field]))) /* rules may name our own fields */
        add_value(m, v);
    fv->is_present |= v && v->type != MMR_VAL_NIL;
    fv->n = m->n_values - fv->first;
    return fv;
}

void sigma_fold_value(struct sigma_matcher *m, struct value *v)
{
    char *p = scratch(m, v->len);
    v->has_high = p ? sigma_text_fold(v->p, v->len, p) : true; /* not known: what holds for ASCII only is not tried */
    m->s->stats.text_limits += !p;
    v->folded = p ? p : v->p;
}

/* What the core and the sensor say of the event; no line of a log has it. */
static bool is_own(const struct mmr_field *f)
{
    static const char *const numbers[] = {"class_uid", "activity_id", "severity_id", "status_id", "time"};
    if (f->key_len >= 7 && memcmp(f->key, "mamori.", 7) == 0)
        return true;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (f->key_len == strlen(numbers[i]) && memcmp(f->key, numbers[i], f->key_len) == 0)
            return true;
    return false;
}

/* Keywords look at everything the event's record said, our own stamps apart. */
void sigma_collect_any(struct sigma_matcher *m)
{
    if (m->has_any_values)
        return;
    m->has_any_values = true;
    m->any_first = m->n_values;
    for (uint32_t i = 0; i < m->view->n; i++) {
        const struct mmr_field *f = &m->view->f[i];
        char name[MMR_EVENT_KEY_MAX + 1];
        if (is_own(f))
            continue;
        add_value(m, &f->v);
        if (f->key_len <= 6 || memcmp(f->key + f->key_len - 6, "domain", 6) != 0)
            continue;
        memcpy(name, f->key, f->key_len - 6u); /* DOMAIN\name, as the record had it */
        memcpy(name + f->key_len - 6, "name", 5);
        const struct mmr_value *v = mmr_event_get(m->view, name);
        if (v)
            add_account(m, v, &f->v);
    }
    if (text_of(m, m->key_url[URL_QUERY]).len) /* the path and the query, as the line had them */
        (void)add_url(m, MMR_SIGMA_URI);
    m->any_n = m->n_values - m->any_first;
}
