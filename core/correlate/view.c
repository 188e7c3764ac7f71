/* view.c - hosts and their roles, attackers, victims and the reasons for joining. */
#include "correlate/view.h"

#include "correlate/evidence.h"
#include "correlate/join.h"
#include "util/clock.h"

#include <stdlib.h>
#include <string.h>

enum { PAIR_WALK_MAX = 128, BOTH_SEEN_MAX = 48 };

static void add_addr(struct mmr_addr *list, uint32_t *n, const struct mmr_addr *a)
{
    if (!mmr_addr_is_set(a) || *n == MMR_INCIDENT_ADDRS_MAX)
        return;
    for (uint32_t i = 0; i < *n; i++)
        if (mmr_addr_equal(&list[i], a))
            return;
    list[(*n)++] = *a;
}

static int add_host(const struct mmr_resolve *r, struct mmr_incident *i, const char *name, const struct mmr_addr *a,
                    enum mmr_role role, struct mmr_error *err)
{
    struct mmr_host_ref h = {.role = role};
    if (name && name[0]) {
        (void)snprintf(h.name, sizeof h.name, "%s", mmr_resolve_display(r, name));
        (void)mmr_resolve_addrs(r, name, h.addr, 4);
    }
    if (!mmr_addr_is_set(&h.addr[0]) && a && mmr_addr_is_set(a) && !mmr_addr_is_multicast(a))
        h.addr[0] = *a;
    if (!h.name[0] && !mmr_addr_is_set(&h.addr[0]))
        return 0;
    return mmr_incident_add_host(i, &h, err);
}

static int add_actors(const struct mmr_resolve *r, struct mmr_incident *i, const struct mmr_finding *f,
                      struct mmr_error *err)
{
    struct mmr_actors who;
    char host[MMR_HOST_NAME_MAX] = "";
    int e = 0;
    mmr_join_actors(r, f, &who);
    bool is_ours = who.attacker_host && !who.is_c2;
    if (mmr_addr_is_set(&who.attacker) && !is_ours)
        add_addr(i->attackers, &i->n_attackers, &who.attacker);
    if (is_ours || (who.attacker_is_inside && !who.is_c2 && mmr_addr_is_set(&who.attacker)))
        e = add_host(r, i, who.attacker_host, &who.attacker, MMR_ROLE_SOURCE, err);
    else if (who.attacker_host)
        e = add_host(r, i, who.attacker_host, &who.attacker, MMR_ROLE_ATTACKER, err);
    /* a tunnel between two machines inside: which of them serves it, packets do not tell */
    if (e == 0 && who.is_c2 && who.attacker_is_inside && !who.attacker_host && f->side == MMR_SIDE_NETWORK &&
        f->direction == MMR_DIR_INTERNAL && mmr_addr_is_set(&who.victim) && who.victim_is_inside)
        e = add_host(r, i, who.victim_host, &who.victim, MMR_ROLE_SOURCE, err);
    if (e == 0 && f->side == MMR_SIDE_ENDPOINT && f->host) {
        mmr_host_normalise(f->host, host);
        bool is_source = is_ours && strcmp(who.attacker_host, host) == 0;
        struct mmr_addr own[4];
        size_t n = mmr_resolve_addrs(r, host, own, 4);
        if (!is_source && mmr_addr_is_set(&f->host_addr) && n == 0)
            add_addr(i->victims, &i->n_victims, &f->host_addr);
        if (!is_source && n)
            add_addr(i->victims, &i->n_victims, &own[0]);
        e = add_host(r, i, host, &f->host_addr, is_source ? MMR_ROLE_SOURCE : MMR_ROLE_VICTIM, err);
    }
    if (e == 0 && mmr_addr_is_set(&who.victim)) {
        add_addr(i->victims, &i->n_victims, &who.victim);
        if (who.victim_is_inside || who.victim_host)
            e = add_host(r, i, who.victim_host, &who.victim, MMR_ROLE_VICTIM, err);
    }
    return e;
}

/* Nobody outside to name: the machine inside that sends is where it comes from. */
static int name_source(const struct mmr_resolve *r, struct mmr_incident *i, struct mmr_error *err)
{
    int e = 0;
    if (i->n_attackers)
        return 0;
    for (uint32_t k = 0; k < i->n_hosts; k++)
        if (i->hosts[k].role >= MMR_ROLE_ATTACKER)
            return 0;
    for (uint32_t k = 0; e == 0 && k < i->n_evidence; k++) {
        const struct mmr_finding *f = i->evidence[k].finding;
        if (f->side == MMR_SIDE_NETWORK && f->phase >= MMR_PHASE_FOOTHOLD_PROCESS && mmr_addr_is_set(&f->src) &&
            f->direction != MMR_DIR_INBOUND && mmr_resolve_is_inside(r, &f->src))
            e = add_host(r, i, mmr_resolve_host(r, &f->src), &f->src, MMR_ROLE_SOURCE, err);
    }
    return e;
}

/* ---- joins ---- */

struct use { /* one key of one piece of evidence */
    struct mmr_key key;
    struct mmr_span span;
    uint32_t evidence;
};

static int compare_use(const void *a, const void *b)
{
    const struct use *x = a, *y = b;
    if (x->span.kind != y->span.kind)
        return x->span.kind < y->span.kind ? -1 : 1;
    if (x->key.a != y->key.a)
        return x->key.a < y->key.a ? -1 : 1;
    if (x->key.b != y->key.b)
        return x->key.b < y->key.b ? -1 : 1;
    return x->evidence < y->evidence ? -1 : x->evidence > y->evidence;
}

static bool is_shared(const struct use *u, size_t n)
{
    for (size_t a = 0; a < n; a++)
        for (size_t b = a + 1; b < n; b++)
            if (u[a].evidence != u[b].evidence && mmr_join_meets(&u[a].span, &u[b].span))
                return true;
    return false;
}

struct text {
    uint8_t kind;
    char value[MMR_CONN_TEXT_MAX];
};

static int compare_text(const void *a, const void *b)
{
    const struct text *x = a, *y = b;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    return strcmp(x->value, y->value);
}

static bool describe(const struct mmr_resolve *r, const struct mmr_finding *f, const struct use *u, struct text *ret)
{
    struct mmr_post posts[MMR_POSTS_MAX];
    size_t n = mmr_join_posts(r, f, true, posts);
    for (size_t k = 0; k < n; k++)
        if (posts[k].key.a == u->key.a && posts[k].key.b == u->key.b) {
            ret->kind = u->span.kind;
            memcpy(ret->value, posts[k].value, sizeof ret->value);
            return true;
        }
    return false;
}

static int add_shared(const struct mmr_resolve *r, struct mmr_incident *i, struct mmr_error *err)
{
    struct mmr_post posts[MMR_POSTS_MAX];
    struct text shared[MMR_INCIDENT_JOINS_MAX];
    size_t n = 0, n_shared = 0;
    if (i->n_evidence < 2)
        return 0;
    struct use *uses = malloc((size_t)i->n_evidence * MMR_POSTS_MAX * sizeof *uses);
    if (!uses)
        return mmr_fail(err, MMR_ENOMEM, "incident %016llx: out of memory for its joins", (unsigned long long)i->id);
    for (uint32_t k = 0; k < i->n_evidence; k++) {
        size_t m = mmr_join_posts(r, i->evidence[k].finding, false, posts);
        for (size_t p = 0; p < m; p++) {
            uses[n] = (struct use){posts[p].key, posts[p].span, k};
            uses[n++].span.to_ns += i->evidence[k].last_ns - mmr_finding_time(i->evidence[k].finding);
        }
    }
    qsort(uses, n, sizeof *uses, compare_use);
    for (size_t k = 0, end; k < n && n_shared < MMR_INCIDENT_JOINS_MAX; k = end) {
        for (end = k + 1; end < n && uses[end].key.a == uses[k].key.a && uses[end].key.b == uses[k].key.b &&
                          uses[end].span.kind == uses[k].span.kind;
             end++)
            ;
        if (is_shared(&uses[k], end - k) &&
            describe(r, i->evidence[uses[k].evidence].finding, &uses[k], &shared[n_shared]))
            n_shared++;
    }
    free(uses);
    qsort(shared, n_shared, sizeof shared[0], compare_text);
    int e = 0;
    for (size_t k = 0; e == 0 && k < n_shared; k++) {
        struct mmr_addr a;
        bool is_named = shared[k].kind == MMR_JOIN_HOSTADDR &&
                        mmr_addr_parse(shared[k].value, strlen(shared[k].value), &a) && mmr_resolve_host(r, &a);
        if (!is_named) /* its name says the same */
            e = mmr_incident_add_join(i, mmr_join_entity((enum mmr_join_kind)shared[k].kind), shared[k].value, err);
    }
    return e;
}

/* ---- connections that both sides saw ---- */

struct seen {
    int64_t at_ns;
    char text[MMR_CONN_TEXT_MAX];
};

static int compare_seen(const void *a, const void *b)
{
    const struct seen *x = a, *y = b;
    if (x->at_ns != y->at_ns)
        return x->at_ns < y->at_ns ? -1 : 1;
    return strcmp(x->text, y->text);
}

static void note_seen(const struct mmr_seen_conn *s, struct seen *list, size_t *n)
{
    char text[MMR_CONN_TEXT_MAX];
    if (!s || !s->network_ns || !s->owner[0].host[0] || *n == BOTH_SEEN_MAX)
        return;
    mmr_conn_format(&s->conn, text);
    for (size_t k = 0; k < *n; k++)
        if (strcmp(list[k].text, text) == 0)
            return;
    list[*n].at_ns = s->network_ns;
    memcpy(list[(*n)++].text, text, sizeof text);
}

/* The incident's own connections, then others between the same parties meanwhile. */
static int add_both_seen(const struct mmr_resolve *r, struct mmr_incident *i, struct mmr_error *err)
{
    struct seen list[BOTH_SEEN_MAX];
    size_t n = 0;
    unsigned sides = 0;
    int e = 0;
    for (uint32_t k = 0; k < i->n_evidence; k++)
        sides |= (unsigned)i->evidence[k].finding->side;
    if (sides != (MMR_SIDE_NETWORK | MMR_SIDE_ENDPOINT))
        return 0;
    for (uint32_t k = 0; k < i->n_evidence; k++) {
        struct mmr_conn c;
        if (mmr_conn_of(i->evidence[k].finding, &c))
            note_seen(mmr_resolve_conn(r, &c), list, &n);
    }
    int64_t slack = 600 * MMR_NS_PER_S;
    for (uint32_t k = 0; k < i->n_evidence; k++) {
        const struct mmr_finding *f = i->evidence[k].finding;
        if (!mmr_addr_is_set(&f->src) || !mmr_addr_is_set(&f->dst))
            continue;
        const struct mmr_seen_conn *s = NULL; /* a chain may loop after evictions: walk so far and no more */
        for (unsigned w = 0; w < PAIR_WALK_MAX && (s = mmr_resolve_pair_next(r, &f->src, &f->dst, s)); w++)
            if (s->network_ns >= i->first_ns - slack && s->network_ns <= i->last_ns + slack)
                note_seen(s, list, &n);
    }
    qsort(list, n, sizeof list[0], compare_seen);
    for (size_t k = 0; e == 0 && k < n; k++)
        e = mmr_incident_add_join(i, MMR_ENT_CONNECTION, list[k].text, err);
    return e;
}

/* Clock estimates may have become better since the findings came. */
static void correct_times(const struct mmr_resolve *r, struct mmr_incident *i)
{
    bool is_moved = false;
    for (uint32_t k = 0; k < i->n_evidence; k++) {
        struct mmr_evidence *e = &i->evidence[k];
        int64_t by = mmr_resolve_clock(r, e->finding) - e->finding->estimate_ns;
        e->finding->estimate_ns += by;
        e->last_ns += by;
        is_moved |= by != 0;
    }
    if (is_moved)
        mmr_evidence_sort(i);
    for (uint32_t k = 0; k < i->n_evidence; k++) {
        int64_t at = mmr_finding_time(i->evidence[k].finding);
        if (k == 0 || at < i->first_ns)
            i->first_ns = at;
        if (k == 0 || i->evidence[k].last_ns > i->last_ns)
            i->last_ns = i->evidence[k].last_ns;
    }
}

int mmr_view_derive(const struct mmr_resolve *r, struct mmr_incident *i, struct mmr_error *err)
{
    int e = 0;
    correct_times(r, i);
    i->n_hosts = i->n_joins = i->n_attackers = i->n_victims = 0;
    i->is_exercise = i->n_evidence > 0;
    int64_t t0 = 0;
    for (uint32_t k = 0; e == 0 && k < i->n_evidence; k++) {
        const struct mmr_finding *f = i->evidence[k].finding;
        i->is_exercise &= f->is_exercise || mmr_finding_is_hint(f);
        if (mmr_finding_is_hint(f))
            continue;
        if (t0 == 0)
            t0 = mmr_finding_time(f);
        e = add_actors(r, i, f, err);
    }
    i->t0_ns = t0 ? t0 : i->first_ns;
    if (e == 0)
        e = name_source(r, i, err);
    if (e == 0)
        e = add_both_seen(r, i, err);
    return e == 0 ? add_shared(r, i, err) : e;
}
