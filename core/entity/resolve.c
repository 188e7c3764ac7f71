/* resolve.c - the tables behind resolve.h, and what each kind of telemetry writes into them. */
#include "entity/resolve.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { K_ADDR = 1, K_PROCESS, K_PID, K_SESSION, K_HOST, K_PAIR, K_CLOCK };


struct addr_info {
    struct mmr_addr addr, first_client;
    char host[MMR_HOST_NAME_MAX];
    char domain[128];
    uint8_t declared, learnt, hinted; /* enum mmr_infra; hinted: one client only so far */
};
struct host_info {
    char display[MMR_HOST_NAME_MAX];
    struct mmr_addr addr[4], candidate[2];
    uint8_t infra;
    bool is_important, has_candidate;
};
struct pair_info {
    struct mmr_key newest;
};
struct pid_info {
    char identity[80];
};
struct session_info {
    struct mmr_addr from;
};
struct mmr_resolve {
    struct mmr_cidr *home;
    size_t n_home;
    struct mmr_table *conns, *pairs, *processes, *pids, *addrs, *hosts, *sessions;
    struct mmr_offsets *offsets;
    struct mmr_addr infra[64]; /* in the order they became known */
    size_t n_infra;
};

static unsigned role_bits(const char *role)
{
    static const struct {
        const char *word;
        unsigned bits;
    } rows[] = {
        {"router", MMR_INFRA_ROUTER}, {"gateway", MMR_INFRA_ROUTER}, {"firewall", MMR_INFRA_ROUTER},
        {"nat", MMR_INFRA_ROUTER}, {"proxy", MMR_INFRA_ROUTER}, {"vpn", MMR_INFRA_ROUTER},
        {"dns", MMR_INFRA_DNS}, {"domain-controller", MMR_INFRA_DC}, {"domain controller", MMR_INFRA_DC},
        {"dc", MMR_INFRA_DC}, {"dhcp", MMR_INFRA_OTHER}, {"ntp", MMR_INFRA_OTHER}, {"time", MMR_INFRA_OTHER},
    };
    for (size_t i = 0; role && i < sizeof rows / sizeof rows[0]; i++)
        if (strcasecmp(role, rows[i].word) == 0)
            return rows[i].bits;
    return 0;
}

static void remember_infra(struct mmr_resolve *r, const struct mmr_addr *a)
{
    for (size_t i = 0; i < r->n_infra; i++)
        if (mmr_addr_equal(&r->infra[i], a))
            return;
    if (r->n_infra < sizeof r->infra / sizeof r->infra[0])
        r->infra[r->n_infra++] = *a;
}

static struct addr_info *addr_put(struct mmr_resolve *r, const struct mmr_addr *a)
{
    bool is_new;
    struct addr_info *i = mmr_table_put(r->addrs, mmr_key_addr(K_ADDR, a), &is_new);
    if (i)
        i->addr = *a;
    return i;
}

static const struct addr_info *addr_get(const struct mmr_resolve *r, const struct mmr_addr *a)
{
    return mmr_addr_is_set(a) ? mmr_table_find(r->addrs, mmr_key_addr(K_ADDR, a)) : NULL;
}

static struct host_info *host_put(struct mmr_resolve *r, const char *given, char name[MMR_HOST_NAME_MAX])
{
    bool is_new;
    mmr_host_normalise(given, name);
    if (!name[0])
        return NULL;
    struct host_info *h = mmr_table_put(r->hosts, mmr_key_text(K_HOST, "", name), &is_new);
    if (!h)
        return NULL;
    size_t n = strlen(name);
    /* several spellings: the smallest in byte order, whichever came first */
    if (strlen(given) >= n && (!h->display[0] || strncmp(given, h->display, n) < 0)) {
        memcpy(h->display, given, n);
        h->display[n] = '\0';
    }
    return h;
}

static const struct host_info *host_get(const struct mmr_resolve *r, const char *host)
{
    char name[MMR_HOST_NAME_MAX];
    mmr_host_normalise(host, name);
    return mmr_table_find(r->hosts, mmr_key_text(K_HOST, "", name));
}

static void host_add_addr(struct host_info *h, const struct mmr_addr *a)
{
    for (unsigned i = 0; i < 4; i++) {
        if (mmr_addr_equal(&h->addr[i], a))
            return;
        if (!mmr_addr_is_set(&h->addr[i])) {
            h->addr[i] = *a;
            return;
        }
    }
    memmove(&h->addr[0], &h->addr[1], 3 * sizeof *a); /* a machine keeps its last four */
    h->addr[3] = *a;
}

/* True when the address got a (new) name. */
static bool bind_addr(struct mmr_resolve *r, const struct mmr_addr *a, const char *given)
{
    char name[MMR_HOST_NAME_MAX];
    if (!mmr_addr_is_set(a) || mmr_addr_is_loopback(a) || mmr_addr_is_multicast(a))
        return false;
    struct host_info *h = host_put(r, given, name);
    struct addr_info *i = h ? addr_put(r, a) : NULL;
    if (!i)
        return false;
    host_add_addr(h, a);
    if (h->infra && !i->declared) {
        i->declared = h->infra;
        remember_infra(r, a);
    }
    if (strcmp(i->host, name) == 0)
        return false;
    memcpy(i->host, name, sizeof name);
    return true;
}

static int add_asset(struct mmr_resolve *r, const struct mmr_asset *a, struct mmr_error *err)
{
    char name[MMR_HOST_NAME_MAX];
    unsigned bits = role_bits(a->role);
    struct host_info *h = a->name ? host_put(r, a->name, name) : NULL;
    if (!h)
        return mmr_fail(err, MMR_EINVAL, "asset '%s' cannot be kept; it needs a name", a->name ? a->name : "");
    h->infra = (uint8_t)bits;
    h->is_important = a->is_important;
    for (unsigned k = 0; k < 4 && mmr_addr_is_set(&a->addr[k]); k++) {
        (void)bind_addr(r, &a->addr[k], a->name);
        struct addr_info *i = addr_put(r, &a->addr[k]);
        if (!i)
            return mmr_fail(err, MMR_ENOMEM, "asset '%s': out of memory", a->name);
        i->declared = (uint8_t)bits;
        if (bits)
            remember_infra(r, &a->addr[k]);
    }
    return 0;
}

static int make_tables(struct mmr_resolve *r, const struct mmr_resolve_config *c, struct mmr_error *err)
{
    uint32_t conns = c->max_conns ? c->max_conns : 65536, addrs = c->max_addrs ? c->max_addrs : 32768;
    uint32_t processes = c->max_processes ? c->max_processes : 65536;
    uint32_t names = c->max_names ? c->max_names : 4096, sessions = c->max_sessions ? c->max_sessions : 16384;
    int e = mmr_table_new(sizeof(struct mmr_seen_conn), conns, NULL, NULL, &r->conns, err);
    if (e == 0)
        e = mmr_table_new(sizeof(struct pair_info), conns, NULL, NULL, &r->pairs, err);
    if (e == 0)
        e = mmr_table_new(sizeof(struct mmr_seen_process), processes, NULL, NULL, &r->processes, err);
    if (e == 0)
        e = mmr_table_new(sizeof(struct pid_info), processes, NULL, NULL, &r->pids, err);
    if (e == 0)
        e = mmr_table_new(sizeof(struct addr_info), addrs, NULL, NULL, &r->addrs, err);
    if (e == 0)
        e = mmr_table_new(sizeof(struct host_info), names, NULL, NULL, &r->hosts, err);
    if (e == 0)
        e = mmr_table_new(sizeof(struct session_info), sessions, NULL, NULL, &r->sessions, err);
    if (e == 0)
        e = mmr_offsets_new(names, &r->offsets, err);
    return e;
}

int mmr_resolve_new(const struct mmr_resolve_config *c, struct mmr_resolve **ret, struct mmr_error *err)
{
    struct mmr_resolve *r = calloc(1, sizeof *r);
    if (!r)
        return mmr_fail(err, MMR_ENOMEM, "resolver: out of memory");
    int e = make_tables(r, c, err);
    if (e == 0 && c->n_home) {
        r->home = malloc(c->n_home * sizeof *r->home);
        if (!r->home)
            e = mmr_fail(err, MMR_ENOMEM, "resolver: out of memory for %zu home networks", c->n_home);
        else
            memcpy(r->home, c->home, c->n_home * sizeof *r->home);
        r->n_home = r->home ? c->n_home : 0;
    }
    for (size_t i = 0; e == 0 && i < c->n_assets; i++)
        e = add_asset(r, &c->assets[i], err);
    if (e < 0) {
        mmr_resolve_free(r);
        return e;
    }
    *ret = r;
    return 0;
}

void mmr_resolve_free(struct mmr_resolve *r)
{
    if (!r)
        return;
    mmr_table_free(r->conns);
    mmr_table_free(r->pairs);
    mmr_table_free(r->processes);
    mmr_table_free(r->pids);
    mmr_table_free(r->addrs);
    mmr_table_free(r->hosts);
    mmr_table_free(r->sessions);
    mmr_offsets_free(r->offsets);
    free(r->home);
    free(r);
}

static struct mmr_key pair_key(const struct mmr_addr *a, const struct mmr_addr *b)
{
    uint8_t both[32];
    bool is_swapped = memcmp(a->b, b->b, 16) > 0;
    memcpy(both, is_swapped ? b->b : a->b, 16);
    memcpy(both + 16, is_swapped ? a->b : b->b, 16);
    return mmr_key_of(K_PAIR, both, sizeof both);
}

static struct mmr_seen_conn *conn_put(struct mmr_resolve *r, const struct mmr_conn *c)
{
    bool is_new;
    struct mmr_key key = mmr_key_conn(c);
    struct mmr_seen_conn *s = mmr_table_put(r->conns, key, &is_new);
    if (!s || !is_new)
        return s;
    s->conn = *c;
    struct pair_info *p = mmr_table_put(r->pairs, pair_key(&c->src, &c->dst), &is_new);
    if (p) {
        if (!is_new)
            s->next_of_pair = p->newest;
        p->newest = key;
    }
    return s;
}

static struct mmr_key clock_key(const char *host)
{
    char name[MMR_HOST_NAME_MAX];
    mmr_host_normalise(host, name);
    return mmr_key_text(K_CLOCK, "", name);
}

static const char *clock_name(const struct mmr_finding *f)
{
    return f->host ? f->host : f->node ? f->node : f->input ? f->input : "";
}

static void sample(struct mmr_resolve *r, const struct mmr_seen_conn *s, const struct mmr_conn_owner *o,
                   struct mmr_learnt *ret)
{
    if (s->network_ns && o->host[0] && mmr_offsets_sample(r->offsets, clock_key(o->host), s->network_ns - o->time_ns)) {
        ret->what |= MMR_LEARNT_OFFSET;
        memcpy(ret->host, o->host, sizeof ret->host);
    }
}

static void learn_network(struct mmr_resolve *r, const struct mmr_finding *f, const struct mmr_conn *c,
                          struct mmr_learnt *ret)
{
    struct mmr_seen_conn *s = conn_put(r, c);
    if (!s || s->network_ns)
        return;
    s->network_ns = f->time_ns + f->offset_ns;
    s->conn = *c; /* the wire knows who opened it */
    for (unsigned i = 0; i < 2; i++)
        sample(r, s, &s->owner[i], ret);
}

/* Which of the two addresses is this machine's own: the one all its connections share. */
static void learn_own_addr(struct mmr_resolve *r, const struct mmr_finding *f, const struct mmr_conn *c,
                           struct mmr_learnt *ret)
{
    char name[MMR_HOST_NAME_MAX];
    struct host_info *h = host_put(r, f->host, name);
    if (!h || mmr_addr_is_set(&h->addr[0]) || mmr_addr_equal(&c->src, &c->dst) ||
        mmr_addr_is_loopback(&c->src) || mmr_addr_is_loopback(&c->dst))
        return;
    bool src_in = mmr_resolve_is_inside(r, &c->src), dst_in = mmr_resolve_is_inside(r, &c->dst);
    const struct mmr_addr *own = NULL;
    if (src_in != dst_in) {
        own = src_in ? &c->src : &c->dst;
    } else if (!h->has_candidate) {
        h->candidate[0] = c->src;
        h->candidate[1] = c->dst;
        h->has_candidate = true;
    } else {
        bool s = mmr_addr_equal(&c->src, &h->candidate[0]) || mmr_addr_equal(&c->src, &h->candidate[1]);
        bool d = mmr_addr_equal(&c->dst, &h->candidate[0]) || mmr_addr_equal(&c->dst, &h->candidate[1]);
        if (s != d)
            own = s ? &c->src : &c->dst;
    }
    if (own && bind_addr(r, own, f->host)) {
        ret->what |= MMR_LEARNT_ADDR;
        ret->addr = *own;
        memcpy(ret->host, name, sizeof ret->host);
    }
}

static void learn_owner(struct mmr_resolve *r, const struct mmr_finding *f, const struct mmr_conn *c,
                        struct mmr_learnt *ret)
{
    char name[MMR_HOST_NAME_MAX];
    mmr_host_normalise(f->host, name);
    struct mmr_seen_conn *s = conn_put(r, c);
    if (!s || !name[0])
        return;
    struct mmr_conn_owner *o = NULL;
    for (unsigned i = 0; i < 2; i++)
        if (s->owner[i].host[0] && strcmp(s->owner[i].host, name) == 0) {
            if (s->owner[i].process[0])
                return; /* known */
            o = &s->owner[i];
            break;
        }
    bool is_first = o == NULL;
    for (unsigned i = 0; !o && i < 2; i++)
        if (!s->owner[i].host[0])
            o = &s->owner[i];
    if (!o)
        return;
    memcpy(o->host, name, sizeof o->host);
    mmr_process_identity(&f->process, o->process, sizeof o->process);
    (void)snprintf(o->name, sizeof o->name, "%s", f->process.name ? f->process.name : "");
    o->pid = f->process.pid;
    o->start_ticks = f->process.start_ticks;
    if (is_first) {
        o->time_ns = f->time_ns + f->offset_ns;
        sample(r, s, o, ret);
    }
    ret->what |= MMR_LEARNT_CONN;
    ret->conn = *c;
}

static void learn_process(struct mmr_resolve *r, const struct mmr_finding *f, struct mmr_learnt *ret)
{
    char id[80], name[MMR_HOST_NAME_MAX], pid[32];
    bool is_new;
    mmr_process_identity(&f->process, id, sizeof id);
    mmr_host_normalise(f->host, name);
    if (!id[0] || !name[0])
        return;
    struct mmr_seen_process *p = mmr_table_put(r->processes, mmr_key_text(K_PROCESS, name, id), &is_new);
    if (!p)
        return;
    memcpy(p->host, name, sizeof p->host);
    if (f->process.name)
        (void)snprintf(p->name, sizeof p->name, "%s", f->process.name);
    if (f->process.path)
        (void)snprintf(p->path, sizeof p->path, "%s", f->process.path);
    if (f->process.parent_name)
        (void)snprintf(p->parent_name, sizeof p->parent_name, "%s", f->process.parent_name);
    p->pid = f->process.pid;
    if (is_new)
        p->time_ns = f->time_ns;
    if (p->pid > 4) {
        (void)snprintf(pid, sizeof pid, "%lld", (long long)p->pid);
        struct pid_info *i = mmr_table_put(r->pids, mmr_key_text(K_PID, name, pid), &is_new);
        if (i)
            memcpy(i->identity, id, sizeof id);
    }
    if (p->parent[0])
        return;
    if (f->process.parent_uid) {
        (void)snprintf(p->parent, sizeof p->parent, "%s", f->process.parent_uid);
    } else if (f->process.parent_pid > 4) {
        (void)snprintf(pid, sizeof pid, "%lld", (long long)f->process.parent_pid);
        const struct pid_info *i = mmr_table_find(r->pids, mmr_key_text(K_PID, name, pid));
        if (i && strcmp(i->identity, id) != 0)
            memcpy(p->parent, i->identity, sizeof p->parent);
    }
    if (p->parent[0]) {
        ret->what |= MMR_LEARNT_PROCESS;
        memcpy(ret->host, name, sizeof ret->host);
        memcpy(ret->process, id, sizeof ret->process);
    }
}

static void learn_session(struct mmr_resolve *r, const struct mmr_finding *f, struct mmr_learnt *ret)
{
    char name[MMR_HOST_NAME_MAX];
    bool is_new;
    if (!f->session || mmr_session_is_common(f->session) || !mmr_addr_is_set(&f->src) ||
        mmr_addr_is_loopback(&f->src) || (mmr_addr_is_set(&f->host_addr) && mmr_addr_equal(&f->src, &f->host_addr)))
        return;
    mmr_host_normalise(f->host, name);
    struct session_info *s = mmr_table_put(r->sessions, mmr_key_text(K_SESSION, name, f->session), &is_new);
    if (!s || !is_new)
        return;
    s->from = f->src;
    ret->what |= MMR_LEARNT_SESSION;
    ret->from = f->src;
    memcpy(ret->host, name, sizeof ret->host);
    (void)snprintf(ret->session, sizeof ret->session, "%s", f->session);
}

/* dst answers questions everybody asks. Two machines that ask make it so. */
static void learn_service(struct mmr_resolve *r, const struct mmr_finding *f, unsigned bit)
{
    struct addr_info *i = addr_put(r, &f->dst);
    if (!i || (i->learnt & bit))
        return;
    if (!(i->hinted & bit)) {
        i->hinted = (uint8_t)(i->hinted | bit);
        i->first_client = f->src;
    } else if (mmr_addr_equal(&i->first_client, &f->src)) {
        return;
    }
    /* inside, one client is enough: a small office may have only one machine switched on */
    if (mmr_resolve_is_inside(r, &f->dst) || !mmr_addr_equal(&i->first_client, &f->src)) {
        i->learnt = (uint8_t)(i->learnt | bit);
        remember_infra(r, &f->dst);
    }
}

static void learn_names(struct mmr_resolve *r, const struct mmr_finding *f)
{
    const char *p = f->answers;
    for (unsigned n = 0; p && *p && n < 16; n++) {
        const char *space = strchr(p, ' ');
        size_t len = space ? (size_t)(space - p) : strlen(p);
        struct mmr_addr a;
        if (mmr_addr_parse(p, len, &a)) {
            struct addr_info *i = addr_put(r, &a);
            if (i && !i->domain[0])
                (void)snprintf(i->domain, sizeof i->domain, "%s", f->domain);
        }
        p = space ? space + 1 : NULL;
    }
}

int mmr_resolve_learn(struct mmr_resolve *r, const struct mmr_finding *f, struct mmr_learnt *ret,
                      struct mmr_error *err)
{
    struct mmr_conn c;
    (void)err;
    ret->what = 0;
    bool is_network = f->side == MMR_SIDE_NETWORK;
    bool is_dns = f->dst_port == 53 && strcmp(f->kind, "dns.answer") == 0;
    if (f->host && mmr_addr_is_set(&f->host_addr) && bind_addr(r, &f->host_addr, f->host)) {
        ret->what |= MMR_LEARNT_ADDR;
        ret->addr = f->host_addr;
        mmr_host_normalise(f->host, ret->host);
    }
    if (is_network) {
        if (mmr_conn_of(f, &c))
            learn_network(r, f, &c, ret);
        if (is_dns)
            learn_service(r, f, MMR_INFRA_DNS);
        else if (f->dst_port == 88 && strncmp(f->kind, "krb.", 4) == 0)
            learn_service(r, f, MMR_INFRA_DC);
        else if (f->dst_port == 123 && strncmp(f->kind, "flow.", 5) == 0)
            learn_service(r, f, MMR_INFRA_OTHER);
    } else if (f->host) {
        bool is_open = strcmp(f->kind, "conn.open") == 0;
        if ((is_open || (strcmp(f->kind, "finding") == 0 && f->process.path)) && mmr_conn_of(f, &c)) {
            learn_owner(r, f, &c, ret);
            if (is_open)
                learn_own_addr(r, f, &c, ret);
        }
        if (f->process.pid || f->process.uid)
            learn_process(r, f, ret);
        if (strcmp(f->kind, "auth.logon") == 0)
            learn_session(r, f, ret);
    }
    if (f->answers && f->domain)
        learn_names(r, f);
    return 0;
}

bool mmr_resolve_is_inside(const struct mmr_resolve *r, const struct mmr_addr *a)
{
    if (!mmr_addr_is_set(a))
        return false;
    if (r->n_home == 0)
        return mmr_addr_is_private(a) || mmr_addr_is_loopback(a) || mmr_addr_is_linklocal(a);
    for (size_t i = 0; i < r->n_home; i++)
        if (mmr_cidr_has(&r->home[i], a))
            return true;
    return mmr_addr_is_loopback(a);
}

const char *mmr_resolve_host(const struct mmr_resolve *r, const struct mmr_addr *a)
{
    const struct addr_info *i = addr_get(r, a);
    return i && i->host[0] ? i->host : NULL;
}

const char *mmr_resolve_display(const struct mmr_resolve *r, const char *host)
{
    const struct host_info *h = host_get(r, host);
    return h && h->display[0] ? h->display : host;
}

size_t mmr_resolve_addrs(const struct mmr_resolve *r, const char *host, struct mmr_addr *ret, size_t cap)
{
    const struct host_info *h = host_get(r, host);
    size_t n = 0;
    for (; h && n < 4 && n < cap && mmr_addr_is_set(&h->addr[n]); n++)
        ret[n] = h->addr[n];
    return n;
}

bool mmr_resolve_is_important(const struct mmr_resolve *r, const char *host)
{
    const struct host_info *h = host_get(r, host);
    return h && h->is_important;
}

unsigned mmr_resolve_infra(const struct mmr_resolve *r, const struct mmr_addr *a, bool is_learnt_too)
{
    const struct addr_info *i = addr_get(r, a);
    return i ? i->declared | (is_learnt_too ? i->learnt : 0u) : 0;
}

unsigned mmr_resolve_host_infra(const struct mmr_resolve *r, const char *host)
{
    const struct host_info *h = host_get(r, host);
    return h ? h->infra : 0;
}

size_t mmr_resolve_infra_list(const struct mmr_resolve *r, struct mmr_addr *ret, size_t cap)
{
    size_t n = r->n_infra < cap ? r->n_infra : cap;
    memcpy(ret, r->infra, n * sizeof *ret);
    return n;
}

const struct mmr_seen_conn *mmr_resolve_conn(const struct mmr_resolve *r, const struct mmr_conn *c)
{
    return mmr_table_find(r->conns, mmr_key_conn(c));
}

const struct mmr_seen_conn *mmr_resolve_pair_next(const struct mmr_resolve *r, const struct mmr_addr *a,
                                                  const struct mmr_addr *b, const struct mmr_seen_conn *it)
{
    if (it)
        return mmr_table_find(r->conns, it->next_of_pair);
    const struct pair_info *p = mmr_table_find(r->pairs, pair_key(a, b));
    return p ? mmr_table_find(r->conns, p->newest) : NULL;
}

const struct mmr_seen_process *mmr_resolve_process(const struct mmr_resolve *r, const char *host,
                                                   const char *identity)
{
    return mmr_table_find(r->processes, mmr_key_text(K_PROCESS, host, identity));
}

bool mmr_resolve_session(const struct mmr_resolve *r, const char *host, const char *session,
                         struct mmr_addr *ret_from)
{
    const struct session_info *s = mmr_table_find(r->sessions, mmr_key_text(K_SESSION, host, session));
    if (s)
        *ret_from = s->from;
    return s != NULL;
}

const char *mmr_resolve_name(const struct mmr_resolve *r, const struct mmr_addr *a)
{
    const struct addr_info *i = addr_get(r, a);
    return i && i->domain[0] ? i->domain : NULL;
}

int64_t mmr_resolve_clock(const struct mmr_resolve *r, const struct mmr_finding *f)
{
    /* network sensors are the reference; a node with a measured offset needs no estimate */
    if (f->side == MMR_SIDE_NETWORK || f->offset_ns != 0)
        return 0;
    return mmr_offsets_get(r->offsets, clock_key(clock_name(f)));
}

uint64_t mmr_resolve_evicted(const struct mmr_resolve *r)
{
    return mmr_table_evicted(r->conns) + mmr_table_evicted(r->processes) + mmr_table_evicted(r->addrs) +
           mmr_table_evicted(r->hosts) + mmr_table_evicted(r->sessions);
}
