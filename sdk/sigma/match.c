/*
 * match.c - one event through the matcher. Text of the fields that concern the event's log source is searched
 * once for everything any rule wants; what is found triggers rules; only those are evaluated. Nothing here
 * allocates: every buffer was made with the matcher and is bounded by what an event may hold.
 */
#include "sigma/match.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- the event's fields ---- */

/* Rules name a field without the blanks it has in the log ("Threat Name": specification, Field Usage). */
static bool is_key(const struct key *k, const char *p, uint32_t len)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < len; i++)
        if (p[i] != ' ' && (at == k->len || k->name[at++] != p[i]))
            return false;
    return at == k->len;
}

static void fill_slots(struct sigma_matcher *m)
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

static const struct field_values *values_of(struct sigma_matcher *m, uint32_t field)
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

static const char *folded(struct sigma_matcher *m, struct value *v)
{
    if (!v->folded) {
        char *p = scratch(m, v->len);
        v->has_high = p ? sigma_text_fold(v->p, v->len, p) : true; /* not known: what holds for ASCII only is not tried */
        m->s->stats.text_limits += !p;
        v->folded = p ? p : v->p;
    }
    return v->folded;
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
static void collect_any(struct sigma_matcher *m)
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

/* ---- searching ---- */

struct search {
    struct sigma_matcher *m;
    const struct field_index *ix;
    struct value *v;
};

static void trigger(struct sigma_matcher *m, uint32_t atom, uint8_t state)
{
    const struct sigma_atom *a = &m->s->atoms[atom];
    if (m->atom_gen[atom] == m->gen)
        return;
    m->atom_gen[atom] = m->gen;
    m->atom_state[atom] = state;
    for (uint32_t i = 0; i < a->n_links; i++) {
        uint32_t rule = m->links[a->first_link + i], sel = m->rule_selector[rule];
        if (m->ctx->active[sel / 64] >> (sel % 64) & 1)
            m->candidates[rule / 64] |= UINT64_C(1) << rule % 64;
    }
}

static void found(struct search *sc, int32_t atom)
{
    struct sigma_matcher *m = sc->m;
    for (; atom != SIGMA_NONE; atom = m->s->atoms[atom].next_same) {
        const struct sigma_atom *a = &m->s->atoms[atom];
        if (m->atom_gen[atom] == m->gen)
            continue;
        if (a->needs_verify && !sigma_pat_match(a->pat, a->pat_len, a->is_cased ? sc->v->p : folded(m, sc->v), sc->v->len))
            continue;
        trigger(m, (uint32_t)atom, STATE_TRUE);
    }
}

static int on_literal(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *ctx)
{
    (void)from;
    (void)to;
    (void)flags;
    struct search *sc = ctx;
    found(sc, sc->ix->literals[id]);
    return 0;
}

static int on_regex(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *ctx)
{
    (void)from;
    (void)to;
    (void)flags;
    struct search *sc = ctx;
    trigger(sc->m, (uint32_t)sc->ix->regexes[id], STATE_MAYBE);
    return 0;
}

static void probe(struct search *sc, uint64_t hash, uint8_t op, const char *p, uint32_t len)
{
    const struct field_index *ix = sc->ix;
    for (uint32_t at = (uint32_t)(hash >> 17) & (ix->table_cap - 1); ix->table[at].atom != SIGMA_NONE;
         at = (at + 1) & (ix->table_cap - 1)) {
        const struct anchored *e = &ix->table[at];
        if (e->hash == hash && e->op == op && e->len == len && !memcmp(sc->m->s->atoms[e->atom].lit, p, len))
            found(sc, e->atom);
    }
}

static void search_anchored(struct search *sc, const char *p, uint32_t len)
{
    const struct field_index *ix = sc->ix;
    uint64_t h = 0;
    uint32_t at = 0;
    for (uint32_t i = 0; i < ix->n_prefix_lens && ix->prefix_lens[i] <= len; i++) {
        for (; at < ix->prefix_lens[i]; at++)
            h = sigma_hash(h, (unsigned char)p[at]);
        probe(sc, h, ATOM_PREFIX, p, at);
        if (at == len)
            probe(sc, h, ATOM_EXACT, p, len);
    }
    h = 0;
    at = 0;
    for (uint32_t i = 0; i < ix->n_suffix_lens && ix->suffix_lens[i] <= len; i++) {
        for (; at < ix->suffix_lens[i]; at++)
            h = sigma_hash(h, (unsigned char)p[len - 1 - at]);
        probe(sc, h, ATOM_SUFFIX, p + len - at, at);
    }
}

static void search_value(struct sigma_matcher *m, const struct field_index *ix, struct value *v)
{
    struct search sc = {m, ix, v};
    const char *p = folded(m, v);
    if (ix->table)
        search_anchored(&sc, p, v->len);
    if (ix->literal_db) {
        (void)hs_scan(ix->literal_db, p, v->len, 0, m->scratch, on_literal, &sc);
    } else {
        for (uint32_t i = 0; i < ix->n_literals; i++) {
            const struct sigma_atom *a = &m->s->atoms[ix->literals[i]];
            if (sigma_text_find(p, v->len, a->lit, a->lit_len))
                found(&sc, ix->literals[i]);
        }
    }
    if (ix->regex_db && !v->has_high) /* bytes and characters are the same thing only in ASCII */
        (void)hs_scan(ix->regex_db, v->p, v->len, 0, m->scratch, on_regex, &sc);
    for (uint32_t i = 0; v->has_high && i < ix->n_regexes; i++)
        trigger(m, (uint32_t)ix->regexes[i], STATE_MAYBE);
}

/* ---- evaluating ---- */

static bool same_text(uint8_t op, const char *a, size_t n, const char *b, size_t k)
{
    switch (op) {
    case ATOM_PREFIX:
        return n >= k && !memcmp(a, b, k);
    case ATOM_SUFFIX:
        return n >= k && !memcmp(a + n - k, b, k);
    case ATOM_CONTAINS:
        return sigma_text_find(a, n, b, k) != NULL;
    default:
        return n == k && !memcmp(a, b, k);
    }
}

static bool eval_fieldref(struct sigma_matcher *m, const struct sigma_atom *a)
{
    const struct field_values x = *values_of(m, a->field), y = *values_of(m, a->other);
    for (uint32_t i = 0; i < x.n; i++)
        for (uint32_t k = 0; k < y.n; k++) {
            struct value *v = &m->values[x.first + i], *w = &m->values[y.first + k];
            if (same_text(a->compare, a->is_cased ? v->p : folded(m, v), v->len, a->is_cased ? w->p : folded(m, w), w->len))
                return true;
        }
    return false;
}

static bool compares(double v, uint8_t how, double with)
{
    switch (how) {
    case CMP_LT:
        return v < with;
    case CMP_LTE:
        return v <= with;
    case CMP_GT:
        return v > with;
    case CMP_GTE:
        return v >= with;
    default:
        return !(v < with) && !(v > with);
    }
}

static bool eval_number(const struct sigma_atom *a, const struct value *v)
{
    double n = v->number;
    if (a->op == ATOM_TIME) {
        int part;
        bool has = v->has_number ? sigma_time_part_of_ns((int64_t)n, (enum sigma_time_part)a->part, &part)
                                 : sigma_time_part_of_text(v->p, v->len, (enum sigma_time_part)a->part, &part);
        return has && compares(part, a->compare, a->number);
    }
    return (v->has_number || sigma_text_number(v->p, v->len, &n)) && compares(n, a->compare, a->number);
}

struct opinion {
    const struct field_index *ix;
    int32_t atom;
    bool is_found;
};

static int on_opinion(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *ctx)
{
    (void)from;
    (void)to;
    (void)flags;
    struct opinion *o = ctx;
    o->is_found |= o->ix->regexes[id] == o->atom;
    return o->is_found;
}

/* A text that wears PCRE2 out does not get by: Hyperscan, which takes the same time for every text, has the last word, as far as
 * it knows the expression; it may say yes to a little more (bytes for characters, no back references). */
static bool eval_regex(struct sigma_matcher *m, const struct sigma_atom *a, const struct value *v)
{
    int rc = pcre2_match(a->code, (PCRE2_SPTR)v->p, v->len, 0, 0, m->match_data, m->match_context);
    if (rc >= 0)
        return true;
    if (rc == PCRE2_ERROR_NOMATCH)
        return false;
    m->s->stats.regex_limits++;
    struct opinion o = {.ix = &m->index[a->field == SIGMA_ANY_FIELD ? m->s->n_fields : a->field], .atom = (int32_t)(a - m->s->atoms)};
    if (a->has_prefilter && o.ix->regex_db)
        (void)hs_scan(o.ix->regex_db, v->p, v->len, 0, m->scratch, on_opinion, &o);
    return o.is_found;
}

static bool eval_value(struct sigma_matcher *m, const struct sigma_atom *a, struct value *v)
{
    switch (a->op) {
    case ATOM_PRESENT:
        return v->len > 0;
    case ATOM_EMPTY:
        return !v->len;
    case ATOM_RE:
        return eval_regex(m, a, v);
    case ATOM_CIDR:
        return sigma_cidr_has(&a->cidr, v->p, v->len);
    case ATOM_COMPARE:
    case ATOM_TIME:
        return eval_number(a, v);
    case ATOM_GLOB:
        return sigma_pat_match(a->pat, a->pat_len, a->is_cased ? v->p : folded(m, v), v->len);
    default:
        return false;
    }
}

static bool eval_atom(struct sigma_matcher *m, uint32_t id)
{
    const struct sigma_atom *a = &m->s->atoms[id];
    bool is_known = m->atom_gen[id] == m->gen;
    if (is_known && m->atom_state[id] != STATE_MAYBE)
        return m->atom_state[id] == STATE_TRUE;
    bool is_true = false;
    if (a->has_index || (a->has_prefilter && !is_known)) {
        is_true = false; /* searched for, and not found */
    } else if (a->op == ATOM_FIELDREF) {
        is_true = eval_fieldref(m, a);
    } else if (a->op == ATOM_BEFORE) {
        is_true = (double)mmr_event_get_int(m->view, "time", 0) < a->number;
    } else {
        uint32_t first, n;
        bool is_present = true;
        if (a->field == SIGMA_ANY_FIELD) {
            collect_any(m);
            first = m->any_first;
            n = m->any_n;
        } else {
            const struct field_values *fv = values_of(m, a->field);
            first = fv->first;
            n = fv->n;
            is_present = fv->is_present;
        }
        if (a->op == ATOM_EXISTS || a->op == ATOM_NULL) {
            bool is_empty = !is_present || !n || (n == 1 && !m->values[first].len);
            is_true = a->op == ATOM_EXISTS ? is_present : is_empty;
        }
        if (a->op == ATOM_EMPTY) /* fields the sensors know are left out of the event when they are empty */
            is_true = !is_present && m->ctx->row[a->field] >= 0;
        for (uint32_t i = 0; !is_true && i < n; i++)
            is_true = eval_value(m, a, &m->values[first + i]);
    }
    m->atom_gen[id] = m->gen;
    m->atom_state[id] = is_true ? STATE_TRUE : STATE_FALSE;
    return is_true;
}

static bool eval(struct sigma_matcher *m, const struct sigma_expr *e)
{
    switch (e->type) {
    case EXPR_ATOM:
        return eval_atom(m, e->atom);
    case EXPR_NOT:
        return !eval(m, e->kids[0]);
    case EXPR_AND:
        for (uint32_t i = 0; i < e->n; i++)
            if (!eval(m, e->kids[i]))
                return false;
        return true;
    case EXPR_OR:
        for (uint32_t i = 0; i < e->n; i++)
            if (eval(m, e->kids[i]))
                return true;
        return false;
    default:
        return e->type == EXPR_TRUE;
    }
}

/* ---- where the event comes from ---- */

static void copy_field(const struct mmr_event_view *v, const char *key, char *buf, size_t cap)
{
    if (mmr_event_copy_str(v, key, buf, cap))
        return;
    const struct mmr_value *n = mmr_event_get(v, key);
    buf[0] = 0;
    if (n && n->type == MMR_VAL_INT)
        (void)snprintf(buf, cap, "%lld", (long long)n->n.i);
}

static bool starts(const char *text, const char *head)
{
    return !strncasecmp(text, head, strlen(head));
}

static enum sigma_os os_of_path(const struct mmr_event_view *v, const char *key)
{
    size_t len;
    const char *p = mmr_event_get_str(v, key, &len);
    if (!p || len < 3)
        return SIGMA_OS_ANY;
    if (p[0] == '/')
        return SIGMA_OS_LINUX;
    return (p[1] == ':' && p[2] == '\\') || p[0] == '\\' ? SIGMA_OS_WINDOWS : SIGMA_OS_ANY;
}

static enum sigma_os os_of(const struct mmr_event_view *v, const struct sigma_origin *o)
{
    static const char *const windows[] = {"Microsoft-", "Security", "System", "Application", "Windows PowerShell",
                                          "PowerShellCore", "Setup", "DNS Server", "MSExchange", "OpenSSH/",
                                          "Directory Service", "HardwareEvents", "ForwardedEvents"};
    static const char *const no_os[] = {"sensor.", "plugin.", /* what mamori says of itself is no machine's log either */
                                          "flow.", "http.", "tls.", "smb.", "dcerpc.", "krb.", "ldap.", "ssh.",
                                          "ftp.", "smtp.", "dhcp.", "arp.", "icmp.", "net.", "rdp.", "dns."};
    for (size_t i = 0; i < sizeof windows / sizeof windows[0]; i++)
        if (starts(o->log_name, windows[i]))
            return SIGMA_OS_WINDOWS;
    char c = o->log_name[0];
    if (starts(o->log_name, "Linux") || c == '/' || (c >= 'a' && c <= 'z'))
        return SIGMA_OS_LINUX;
    static const char *const paths[] = {"process.file.path", "file.path", "actor.process.file.path"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        enum sigma_os os = os_of_path(v, paths[i]);
        if (os != SIGMA_OS_ANY)
            return os;
    }
    if (mmr_event_get(v, "process.start_ticks")) /* what Linux counts a process' start in */
        return SIGMA_OS_LINUX;
    for (size_t i = 0; i < sizeof no_os / sizeof no_os[0]; i++)
        if (starts(o->kind, no_os[i]))
            return SIGMA_OS_OTHER;
    return SIGMA_OS_ANY;
}

static void fill_context(struct sigma_matcher *m, struct context *c)
{
    struct mmr_sigma *s = m->s;
    size_t rows;
    const struct mmr_sigma_field *table = mmr_sigma_fields(&rows);
    memset(c->active, 0, m->selector_words * sizeof *c->active);
    c->n_scan = c->n_always = 0;
    c->has_keywords = false;
    c->is_waking = false;
    for (uint32_t i = 0; i < s->n_selectors; i++)
        if (sigma_selector_has(&s->selectors[i], &c->origin)) {
            c->is_waking |= sigma_is_asleep(s, i);
            c->active[i / 64] |= UINT64_C(1) << i % 64;
            c->has_keywords |= m->selector_has_keywords[i];
        }
    for (uint32_t f = 0; f < s->n_fields; f++) {
        const struct mmr_sigma_field *row =
            mmr_sigma_field_find(c->origin.kind, c->origin.code, s->fields[f].name, strlen(s->fields[f].name));
        c->row[f] = row ? (int32_t)(row - table) : SIGMA_NONE;
        bool is_wanted = false;
        for (uint32_t i = 0; !is_wanted && i < s->n_selectors; i++)
            is_wanted = (c->active[i / 64] >> (i % 64) & 1) &&
                        (m->selector_fields[(size_t)i * m->field_words + f / 64] >> (f % 64) & 1);
        if (is_wanted)
            c->scan[c->n_scan++] = f;
    }
    for (uint32_t r = 0; r < s->n_rules; r++) {
        uint32_t sel = m->rule_selector[r];
        if (sel != UINT32_MAX && !m->is_triggered[r] && (c->active[sel / 64] >> (sel % 64) & 1))
            c->always[c->n_always++] = r;
    }
    c->is_used = true;
}

static bool same_origin(const struct sigma_origin *a, const struct sigma_origin *b)
{
    return a->os == b->os && !strcmp(a->kind, b->kind) && !strcmp(a->code, b->code) &&
           !strcmp(a->log_name, b->log_name) && !strcmp(a->provider, b->provider) && !strcmp(a->event_type, b->event_type);
}

static struct context *context_of(struct sigma_matcher *m)
{
    struct sigma_origin o;
    const struct mmr_event_view *v = m->view;
    copy_field(v, "mamori.kind", o.kind, sizeof o.kind);
    copy_field(v, "metadata.event_code", o.code, sizeof o.code);
    copy_field(v, "metadata.log_name", o.log_name, sizeof o.log_name);
    copy_field(v, "metadata.log_provider", o.provider, sizeof o.provider);
    o.event_type[0] = 0;
    if (!strcmp(o.kind, "registry.set")) /* keys made and keys deleted share an event id */
        copy_field(v, "unmapped.EventType", o.event_type, sizeof o.event_type);
    o.os = os_of(v, &o);
    if (m->ctx && m->ctx->is_used && same_origin(&m->ctx->origin, &o))
        return m->ctx;
    for (uint32_t i = 0; i < CONTEXTS; i++)
        if (m->contexts[i].is_used && same_origin(&m->contexts[i].origin, &o))
            return &m->contexts[i];
    struct context *c = &m->contexts[m->next_context];
    m->next_context = (m->next_context + 1) % CONTEXTS;
    c->origin = o;
    fill_context(m, c);
    return c;
}

/* ---- the event ---- */

static void begin(struct sigma_matcher *m, const struct mmr_event_view *view)
{
    if (!++m->gen) { /* wrapped after four thousand million events: forget what older ones left */
        memset(m->slot_gen, 0, m->keys_cap * sizeof *m->slot_gen);
        memset(m->atom_gen, 0, m->s->n_atoms * sizeof *m->atom_gen);
        memset(m->fields, 0, m->s->n_fields * sizeof *m->fields);
        m->gen = 1;
    }
    m->view = view;
    m->n_values = 0;
    m->text_used = 0;
    m->has_any_values = false;
    fill_slots(m);
    m->ctx = context_of(m);
}

void mmr_sigma_match(struct mmr_sigma *s, const struct mmr_event_view *view, mmr_sigma_hit_fn hit,
                     void *ctx)
{
    struct sigma_matcher *m = s->matcher;
    if (!m)
        return;
    begin(m, view);
    if (m->ctx->is_waking) { /* the first event rules that were left out are about */
        s->is_lazy = false;
        int rc = sigma_matcher_build(s, NULL);
        if (s->woken)
            s->woken(s->woken_ctx, rc);
        if (rc)
            return;
        m = s->matcher;
        begin(m, view);
    }
    s->stats.events++;
    memset(m->candidates, 0, m->rule_words * sizeof *m->candidates);
    for (uint32_t i = 0; i < m->ctx->n_scan; i++) {
        uint32_t f = m->ctx->scan[i];
        const struct field_values fv = *values_of(m, f);
        for (uint32_t k = 0; k < fv.n; k++)
            search_value(m, &m->index[f], &m->values[fv.first + k]);
    }
    if (m->ctx->has_keywords) {
        collect_any(m);
        for (uint32_t k = 0; k < m->any_n; k++)
            search_value(m, &m->index[s->n_fields], &m->values[m->any_first + k]);
    }
    for (uint32_t i = 0; i < m->ctx->n_always; i++)
        m->candidates[m->ctx->always[i] / 64] |= UINT64_C(1) << m->ctx->always[i] % 64;
    int64_t time_ns = mmr_event_get_int(view, "time", 0);
    if (s->correlator)
        sigma_corr_tick(s, time_ns, hit, ctx);
    for (uint32_t w = 0; w < m->rule_words; w++)
        for (uint64_t bits = m->candidates[w]; bits; bits &= bits - 1) {
            struct sigma_detection *d = s->rules[w * 64 + (uint32_t)__builtin_ctzll(bits)];
            s->stats.evaluated++;
            if (!eval(m, d->expr))
                continue;
            if (d->pub.is_enabled) {
                const struct mmr_sigma_hit h = {.rule = &d->pub, .count = 1, .first_ns = time_ns, .group = ""};
                s->stats.hits++;
                hit(ctx, &h);
            }
            if (s->correlator)
                sigma_corr_feed(s, &d->pub, view, time_ns, hit, ctx);
        }
}

bool sigma_value_text(struct mmr_sigma *s, const struct mmr_event_view *view, uint32_t field, const char **ret, size_t *ret_len)
{
    struct sigma_matcher *m = s->matcher;
    if (m->view != view) /* only of the event being matched */
        return false;
    const struct field_values *fv = values_of(m, field);
    if (!fv->n)
        return false;
    struct value *v = &m->values[fv->first];
    *ret = folded(m, v);
    *ret_len = v->len;
    return true;
}
