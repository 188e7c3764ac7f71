/* join.c - the keys of a finding. The numbers are windows; what must not glue stories is left out here. */
#include "correlate/join.h"

#include "correlate/evidence.h"
#include "correlate/stories.h"

#include <stdlib.h>
#include <string.h>

#include "util/clock.h"

enum {
    MIN = 60,
    HOUR = 3600,
    ANCESTORS_MAX = 8,           /* a shell in a shell in a service: deeper is the machine itself */
    ATTEMPT_BEFORE_S = 10 * MIN, /* what an attempt leads to shows within this time */
    HINT_HALF_S = 2 * MIN,
    ATTEMPT_AFTER_S = 2 * MIN,   /* clocks and batching may turn the order round by so much */
};

struct maker {
    const struct mmr_resolve *r;
    const struct mmr_finding *f;
    struct mmr_post *post;
    size_t n;
    bool with_text;
    int64_t at_ns;
};

static void put(struct maker *m, struct mmr_key key, enum mmr_join_kind kind, enum mmr_join_colour colour,
                uint32_t half_s, const char *value)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->post[i].key.a == key.a && m->post[i].key.b == key.b && m->post[i].span.colour == colour)
            return;
    if (m->n == MMR_POSTS_MAX)
        return;
    struct mmr_post *p = &m->post[m->n++];
    p->key = key;
    p->span = (struct mmr_span){m->at_ns, m->at_ns, 0, half_s, (uint8_t)kind, (uint8_t)colour,
                                mmr_finding_is_hint(m->f), (uint8_t)m->f->side, 0};
    if (kind == MMR_JOIN_CONN)
        p->span.of = (uint32_t)mmr_evidence_fold(m->f);
    if (m->with_text)
        (void)snprintf(p->value, sizeof p->value, "%s", value);
}

/* What a person reads of an address, where somebody asked for it. */
static const char *shown(const struct maker *m, const struct mmr_addr *a, char text[MMR_ADDR_TEXT_MAX])
{
    text[0] = '\0';
    if (m->with_text)
        mmr_addr_format(a, text);
    return text;
}

struct mmr_key mmr_join_key_process(const char *host, const char *identity)
{
    return mmr_key_text(MMR_JOIN_PROC, host, identity);
}

struct mmr_key mmr_join_key_hostaddr(const struct mmr_addr *a)
{
    return mmr_key_addr(MMR_JOIN_HOSTADDR, a);
}

struct mmr_key mmr_join_key_session(const char *host, const char *session)
{
    return mmr_key_text(MMR_JOIN_SESSION, host, session);
}

static uint32_t host_half(const struct mmr_finding *f)
{
    static const uint32_t half[] = {
        [MMR_PHASE_NONE] = 0, [MMR_PHASE_ATTEMPT_INBOUND] = 5 * MIN, [MMR_PHASE_ATTEMPT_USER] = 10 * MIN,
        [MMR_PHASE_FOOTHOLD_PROCESS] = 15 * MIN, [MMR_PHASE_FOOTHOLD_C2] = 30 * MIN, [MMR_PHASE_SPREAD] = 15 * MIN,
        [MMR_PHASE_ACCOUNT] = 15 * MIN, [MMR_PHASE_IMPACT] = 30 * MIN,
    };
    return half[f->phase];
}

static bool is_attempt(const struct mmr_finding *f)
{
    return f->phase == MMR_PHASE_ATTEMPT_INBOUND;
}

static enum mmr_join_colour colour_of(const struct mmr_finding *f)
{
    return is_attempt(f) ? MMR_COLOUR_ATTEMPT : MMR_COLOUR_BAD;
}

/* A machine as such. Infrastructure meets everybody: there only the same technique, seconds apart, counts. */
static void put_host(struct maker *m, const char *name, enum mmr_join_colour colour)
{
    const struct mmr_finding *f = m->f;
    if (mmr_finding_is_hint(f) || !name[0])
        return;
    if (!mmr_resolve_host_infra(m->r, name)) {
        if (colour == MMR_COLOUR_BAD || f->potential == MMR_POTENTIAL_HIGH)
            put(m, mmr_key_text(MMR_JOIN_HOST, "", name), MMR_JOIN_HOST, colour, host_half(f),
                mmr_resolve_display(m->r, name));
        return;
    }
    for (uint32_t i = 0; colour == MMR_COLOUR_BAD && i < f->n_attack; i++) {
        char parent[16];
        size_t n = strcspn(f->attack[i], ".");
        (void)snprintf(parent, sizeof parent, "%.*s", (int)(n < 15 ? n : 15), f->attack[i]);
        put(m, mmr_key_text(MMR_JOIN_TECHNIQUE, name, parent), MMR_JOIN_TECHNIQUE, colour, MIN,
            mmr_resolve_display(m->r, name));
    }
}

/*
 * What is odd but no finding (a list of sessions, a question for the administrators) belongs to the story
 * of the machine that does it, if there is one: who came over the network, else the machine itself.
 */
static void put_hint_host(struct maker *m, const char *host)
{
    const struct mmr_finding *f = m->f;
    char text[MMR_ADDR_TEXT_MAX];
    const char *name = host;
    bool is_remote = mmr_addr_is_set(&f->src) && !mmr_addr_is_loopback(&f->src);
    if (f->side == MMR_SIDE_NETWORK && (!is_remote || !mmr_resolve_is_inside(m->r, &f->dst)))
        return; /* what it reads outside is its own affair */
    if (is_remote) {
        name = mmr_resolve_host(m->r, &f->src);
        if (!mmr_resolve_is_inside(m->r, &f->src) || mmr_resolve_infra(m->r, &f->src, false) ||
            mmr_addr_is_multicast(&f->src))
            return;
        put(m, mmr_join_key_hostaddr(&f->src), MMR_JOIN_HOSTADDR, MMR_COLOUR_BAD, HINT_HALF_S, shown(m, &f->src, text));
    }
    if (name && name[0] && !mmr_resolve_host_infra(m->r, name))
        put(m, mmr_key_text(MMR_JOIN_HOST, "", name), MMR_JOIN_HOST, MMR_COLOUR_BAD, HINT_HALF_S,
            mmr_resolve_display(m->r, name));
}

static void put_inside_addr(struct maker *m, const struct mmr_addr *a, enum mmr_join_colour colour)
{
    char text[MMR_ADDR_TEXT_MAX];
    if (mmr_finding_is_hint(m->f) || mmr_resolve_infra(m->r, a, false) || mmr_addr_is_multicast(a))
        return;
    if (colour == MMR_COLOUR_BAD || m->f->potential == MMR_POTENTIAL_HIGH)
        put(m, mmr_join_key_hostaddr(a), MMR_JOIN_HOSTADDR, colour, host_half(m->f), shown(m, a, text));
}

static void put_machine(struct maker *m, const struct mmr_addr *a, enum mmr_join_colour colour)
{
    if (!mmr_addr_is_set(a) || !mmr_resolve_is_inside(m->r, a))
        return;
    const char *name = mmr_resolve_host(m->r, a);
    put_inside_addr(m, a, colour);
    if (name)
        put_host(m, name, colour);
}

/* The process and, up to what is common to the whole machine, what started it. */
static void put_process(struct maker *m, const char *host, const char *identity, const char *name, bool is_implied,
                        enum mmr_join_colour colour)
{
    char id[80], text[MMR_CONN_TEXT_MAX] = "", parent_name[64];
    (void)snprintf(id, sizeof id, "%s", identity);
    (void)snprintf(parent_name, sizeof parent_name, "%s", name ? name : "");
    for (unsigned depth = 0; depth < ANCESTORS_MAX && id[0]; depth++) {
        const struct mmr_seen_process *p = mmr_resolve_process(m->r, host, id);
        const char *known = p && p->name[0] ? p->name : parent_name;
        /* named by nobody: an ancestor or owner that may be anything does not join */
        if ((depth > 0 || is_implied) && (!known[0] || mmr_process_is_common(known)))
            return;
        if (m->with_text)
            (void)snprintf(text, sizeof text, "%.60s on %.64s", known, mmr_resolve_display(m->r, host));
        size_t before = m->n;
        put(m, mmr_join_key_process(host, id), MMR_JOIN_PROC, colour, depth == 0 ? 12 * HOUR : 30 * MIN, text);
        if (m->n > before)
            m->post[before].span.of = depth;
        if (!p || !p->parent[0] || strcmp(p->parent, id) == 0)
            return;
        (void)snprintf(parent_name, sizeof parent_name, "%s", p->parent_name);
        (void)snprintf(id, sizeof id, "%s", p->parent);
    }
}

size_t mmr_join_ancestors(const struct mmr_resolve *r, const char *host, const char *identity, const struct mmr_span *of,
                          struct mmr_post ret[MMR_POSTS_MAX])
{
    char id[80], name[64];
    size_t n = 0;
    const struct mmr_seen_process *p = mmr_resolve_process(r, host, identity);
    (void)snprintf(id, sizeof id, "%s", identity);
    for (uint32_t depth = of->of + 1; depth < ANCESTORS_MAX && p && p->parent[0] && strcmp(p->parent, id) != 0; depth++) {
        (void)snprintf(name, sizeof name, "%s", p->parent_name);
        (void)snprintf(id, sizeof id, "%s", p->parent);
        p = mmr_resolve_process(r, host, id);
        const char *known = p && p->name[0] ? p->name : name;
        if (!known[0] || mmr_process_is_common(known))
            break;
        ret[n].key = mmr_join_key_process(host, id);
        ret[n].span = *of;
        ret[n].span.half_s = 30 * MIN;
        ret[n++].span.of = depth;
    }
    return n;
}

static void put_own_process(struct maker *m, const char *host)
{
    const struct mmr_process *p = &m->f->process;
    char id[80], pid[96];
    mmr_process_identity(p, id, sizeof id);
    if (id[0])
        put_process(m, host, id, p->name, false, colour_of(m->f));
    if (p->parent_uid && p->parent_name && !mmr_process_is_common(p->parent_name))
        put_process(m, host, p->parent_uid, p->parent_name, true, colour_of(m->f));
    if (p->pid > 4 && !mmr_finding_is_hint(m->f)) { /* two logs of one machine name one process differently */
        (void)snprintf(id, sizeof id, "#%lld", (long long)p->pid);
        (void)snprintf(pid, sizeof pid, "%.60s (pid %lld)", p->name ? p->name : "process", (long long)p->pid);
        put(m, mmr_key_text(MMR_JOIN_PROC, host, id), MMR_JOIN_PROC, colour_of(m->f), MIN / 2, pid);
    }
}

/* A server's own log names the client only: with the service's port, its own address makes the connection whole. */
static bool connection_of(const struct maker *m, struct mmr_conn *ret)
{
    char host[MMR_HOST_NAME_MAX];
    struct mmr_finding with_own = *m->f;
    if (mmr_conn_of(m->f, ret))
        return true;
    if (m->f->side != MMR_SIDE_ENDPOINT || !m->f->host || mmr_addr_is_set(&m->f->dst) || !m->f->dst_port)
        return false;
    mmr_host_normalise(m->f->host, host);
    struct mmr_addr own[4];
    size_t n = mmr_resolve_addrs(m->r, host, own, 4);
    with_own.dst = n ? own[0] : m->f->host_addr;
    for (size_t i = 0; i < n; i++) /* of several, the one of the client's kind */
        if (mmr_addr_is_v4(&own[i]) == mmr_addr_is_v4(&m->f->src)) {
            with_own.dst = own[i];
            break;
        }
    return mmr_conn_of(&with_own, ret);
}

static void put_connection(struct maker *m, const struct mmr_actors *who)
{
    struct mmr_conn c;
    char text[MMR_CONN_TEXT_MAX] = "";
    if (!connection_of(m, &c))
        return;
    if (m->with_text)
        mmr_conn_format(&c, text);
    put(m, mmr_key_conn(&c), MMR_JOIN_CONN, m->f->side == MMR_SIDE_NETWORK ? MMR_COLOUR_NET : MMR_COLOUR_EP, HOUR,
        text);
    const struct mmr_seen_conn *s = mmr_resolve_conn(m->r, &c);
    for (unsigned i = 0; s && i < 2; i++) {
        const struct mmr_conn_owner *o = &s->owner[i];
        if (!o->host[0])
            continue;
        /* the machine an attempt comes from did something bad; the one it is aimed at may have resisted */
        bool is_attackers = who->attacker_host && strcmp(who->attacker_host, o->host) == 0;
        enum mmr_join_colour colour = is_attackers ? MMR_COLOUR_BAD : colour_of(m->f);
        if (o->process[0])
            put_process(m, o->host, o->process, o->name, true, colour);
        put_host(m, o->host, colour);
    }
}

static void put_remote(struct maker *m, const struct mmr_actors *who)
{
    char text[MMR_ADDR_TEXT_MAX];
    const struct mmr_finding *f = m->f;
    if (!mmr_addr_is_set(&who->attacker))
        return;
    if (who->attacker_is_inside && !who->is_c2)
        put_machine(m, &who->attacker, MMR_COLOUR_BAD);
    if (f->side == MMR_SIDE_ENDPOINT && mmr_addr_is_loopback(&who->attacker))
        return; /* every machine's own */
    if ((who->attacker_host || who->attacker_is_inside) && !who->is_c2)
        return; /* a machine of ours, known by name or not: it joins inside its window */
    put(m, mmr_key_addr(MMR_JOIN_ADDR, &who->attacker), MMR_JOIN_ADDR, MMR_COLOUR_BAD, who->is_c2 ? 6 * HOUR : HOUR / 2,
        shown(m, &who->attacker, text));
}

static void put_content(struct maker *m, const char *host)
{
    const struct mmr_finding *f = m->f;
    if (f->sha256 && (!f->file || !mmr_path_is_common(f->file)))
        put(m, mmr_key_text(MMR_JOIN_HASH, "", f->sha256), MMR_JOIN_HASH, MMR_COLOUR_BAD, 12 * HOUR, f->sha256);
    if (f->process.sha256 && f->process.path && !mmr_path_is_common(f->process.path))
        put(m, mmr_key_text(MMR_JOIN_HASH, "", f->process.sha256), MMR_JOIN_HASH, MMR_COLOUR_BAD, 12 * HOUR,
            f->process.sha256);
    const char *paths[3] = {f->file, f->process.path, f->autostart};
    for (unsigned i = 0; host[0] && i < 3; i++)
        if (paths[i] && !mmr_path_is_common(paths[i]) && !is_attempt(f))
            put(m, mmr_key_text(MMR_JOIN_FILE, host, paths[i]), MMR_JOIN_FILE, MMR_COLOUR_BAD, 12 * HOUR, paths[i]);
}

static void put_account(struct maker *m, const char *host)
{
    const struct mmr_finding *f = m->f;
    struct mmr_addr from;
    if (f->session && !mmr_session_is_common(f->session) && host[0] && !is_attempt(f)) {
        put(m, mmr_join_key_session(host, f->session), MMR_JOIN_SESSION, MMR_COLOUR_BAD, HOUR / 2, f->session);
        if (mmr_resolve_session(m->r, host, f->session, &from)) {
            if (mmr_resolve_is_inside(m->r, &from)) {
                put_machine(m, &from, MMR_COLOUR_BAD);
            } else {
                char text[MMR_ADDR_TEXT_MAX];
                put(m, mmr_key_addr(MMR_JOIN_ADDR, &from), MMR_JOIN_ADDR, MMR_COLOUR_BAD, HOUR / 2, shown(m, &from, text));
            }
        }
    }
    if (f->user && (f->phase == MMR_PHASE_ACCOUNT || f->phase == MMR_PHASE_SPREAD) && !mmr_user_is_common(f->user))
        put(m, mmr_key_text(MMR_JOIN_USER, "", f->user), MMR_JOIN_USER, MMR_COLOUR_BAD, 8 * MIN, f->user);
}

/* The stories that correlation rules made of it. */
static void put_stories(struct maker *m)
{
    struct mmr_story_part part;
    const char *at = m->f->stories;
    char text[MMR_CONN_TEXT_MAX];
    while (at && mmr_stories_next(&at, &part)) {
        size_t before = m->n;
        (void)snprintf(text, sizeof text, "%.80s%s%.70s", part.title, part.group[0] ? ": " : "", part.group);
        put(m, mmr_key_text(MMR_JOIN_RULE, part.rule, part.group), MMR_JOIN_RULE, part.is_told ? MMR_COLOUR_TOLD : MMR_COLOUR_PART, 0,
            text);
        if (m->n > before && part.is_told && part.from_ns < m->at_ns)
            m->post[before].span.from_ns = part.from_ns;
    }
}

size_t mmr_join_posts(const struct mmr_resolve *r, const struct mmr_finding *f, bool with_text,
                      struct mmr_post ret[MMR_POSTS_MAX])
{
    struct maker m = {r, f, ret, 0, with_text, mmr_finding_time(f)};
    char host[MMR_HOST_NAME_MAX] = "";
    struct mmr_actors who;
    mmr_join_actors(r, f, &who);
    if (f->host && f->side == MMR_SIDE_ENDPOINT)
        mmr_host_normalise(f->host, host);
    put_stories(&m);
    put_connection(&m, &who);
    if (host[0])
        put_own_process(&m, host);
    if (mmr_finding_is_hint(f)) {
        put_hint_host(&m, host);
        return m.n;
    }
    put_content(&m, host);
    put_remote(&m, &who);
    bool is_lure = f->phase == MMR_PHASE_FOOTHOLD_C2 || f->phase == MMR_PHASE_ATTEMPT_USER ||
                   (f->direction == MMR_DIR_OUTBOUND && !is_attempt(f));
    if (f->domain && is_lure && strchr(f->domain, '.'))
        put(&m, mmr_key_text(MMR_JOIN_DOMAIN, "", f->domain), MMR_JOIN_DOMAIN, MMR_COLOUR_BAD, 3 * HOUR, f->domain);
    put_account(&m, host);
    if (host[0])
        put_host(&m, host, colour_of(f));
    if (who.victim_is_inside)
        put_machine(&m, &who.victim, colour_of(f));
    return m.n;
}

bool mmr_join_meets(const struct mmr_span *a, const struct mmr_span *b)
{
    if (a->kind == MMR_JOIN_RULE)
        return (a->colour == MMR_COLOUR_TOLD || b->colour == MMR_COLOUR_TOLD) && a->from_ns <= b->to_ns && b->from_ns <= a->to_ns;
    if (a->is_hint && b->is_hint)
        return false;
    if (a->kind == MMR_JOIN_CONN && a->colour != b->colour)
        return true; /* both sides saw the same five numbers: whatever their clocks say */
    bool a_try = a->colour == MMR_COLOUR_ATTEMPT, b_try = b->colour == MMR_COLOUR_ATTEMPT;
    if (a_try && b_try)
        return false;
    if (a_try || b_try) {
        if ((a->is_hint || b->is_hint) && (a->kind == MMR_JOIN_HOST || a->kind == MMR_JOIN_HOSTADDR))
            return false; /* that somebody knocks says nothing about what the machine does */
        const struct mmr_span *t = a_try ? a : b, *bad = a_try ? b : a;
        return bad->to_ns >= t->from_ns - ATTEMPT_AFTER_S * MMR_NS_PER_S &&
               bad->from_ns <= t->to_ns + ATTEMPT_BEFORE_S * MMR_NS_PER_S;
    }
    int64_t gap = a->from_ns > b->to_ns ? a->from_ns - b->to_ns : b->from_ns > a->to_ns ? b->from_ns - a->to_ns : 0;
    return gap <= ((int64_t)a->half_s + b->half_s) * MMR_NS_PER_S;
}

bool mmr_join_touches(const struct mmr_span *a, const struct mmr_span *b)
{
    int64_t gap = a->from_ns > b->to_ns ? a->from_ns - b->to_ns : b->from_ns > a->to_ns ? b->from_ns - a->to_ns : 0;
    int64_t most_s = 2 * (int64_t)a->half_s;
    const bool meets_attempts = a->kind == MMR_JOIN_HOST || a->kind == MMR_JOIN_HOSTADDR || a->kind == MMR_JOIN_PROC;
    if (meets_attempts && most_s > ATTEMPT_BEFORE_S + ATTEMPT_AFTER_S)
        most_s = ATTEMPT_BEFORE_S + ATTEMPT_AFTER_S;
    return gap <= most_s * MMR_NS_PER_S;
}

enum mmr_entity_kind mmr_join_entity(enum mmr_join_kind k)
{
    switch (k) {
    case MMR_JOIN_CONN: return MMR_ENT_CONNECTION;
    case MMR_JOIN_PROC: return MMR_ENT_PROCESS;
    case MMR_JOIN_HASH: return MMR_ENT_HASH;
    case MMR_JOIN_FILE: return MMR_ENT_FILE;
    case MMR_JOIN_ADDR:
    case MMR_JOIN_HOSTADDR: return MMR_ENT_ADDRESS;
    case MMR_JOIN_DOMAIN: return MMR_ENT_DOMAIN;
    case MMR_JOIN_HOST:
    case MMR_JOIN_TECHNIQUE: return MMR_ENT_HOST;
    case MMR_JOIN_SESSION: return MMR_ENT_SESSION;
    case MMR_JOIN_USER: return MMR_ENT_USER;
    case MMR_JOIN_RULE: break;
    }
    return MMR_ENT_RULE;
}
